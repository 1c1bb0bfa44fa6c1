"""The documents of a run as the library `datasets` holds them, made of the Parquet that is there."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpuskit.errors import EmptyError
from corpuskit.run import layout
from corpuskit.storage.datasets.find import quiet
from corpuskit.storage.files import sha256_json

if TYPE_CHECKING:
    from datasets import DatasetDict

    from corpuskit.run.folder import Run

WITHOUT = "train"
"""Split of documents that were held out of nothing: those of a run without shards."""


def documents_as_datasets(run: Run, cache_dir: str | Path | None = None) -> DatasetDict:
    """The documents by split, in the order of the run; see `corpuskit.run.folder.Run.to_datasets`."""
    import datasets

    paths = _documents(run)
    outputs = [run.output(path) for path in paths]
    rows: Counter[str] = Counter()
    for path in paths:
        for batch in run.read_batches(path, ["split"]):
            rows.update(each or WITHOUT for each in batch.column("split").to_pylist())
    if not rows:
        raise EmptyError(f"{run.folder}: it holds no document", remedy="Build it from other sources.")
    # The library takes a file of the same size and time for the same one: here it goes by what is in it.
    contents = sha256_json([[output.path, output.sha256] for output in outputs])[:16]
    files = [str(run.local(path)) for path in paths]
    found = {}
    with quiet():
        for split in sorted(rows):
            only: dict[str, Any] = {} if len(rows) == 1 else {"filters": [("split", "==", split)]}
            found[split] = datasets.load_dataset(
                "parquet",
                f"corpuskit-{contents}-{split}",
                data_files={split: files},
                split=split,
                cache_dir=None if cache_dir is None else str(cache_dir),
                **only,
            )
    return datasets.DatasetDict(found)


def _documents(run: Run) -> list[str]:
    """Paths of the documents, part by part in the order of the sources, each as its record says."""
    order: dict[str, int] = {}
    paths = []
    for record in run.records():
        for number, part in enumerate(record.made_from.get("parts") or ()):
            order.setdefault(str(part), number)
        for output in record.outputs:
            folder, _, name = output.path.partition("/")
            if folder == layout.FINAL and name.endswith(".parquet"):
                run.check(output)
                paths.append(output.path)
    return sorted(paths, key=lambda path: order.get(Path(path).stem, len(order)))
