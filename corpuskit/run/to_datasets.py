"""The documents of a run as the library `datasets` holds them, made of the Parquet that is there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpuskit.errors import EmptyError, RunError, counted
from corpuskit.run.layout import FINAL
from corpuskit.run.record import Output, Record
from corpuskit.storage.datasets.find import quiet
from corpuskit.storage.files import sha256_json
from corpuskit.storage.tables import read_batches

if TYPE_CHECKING:
    from datasets import DatasetDict

WITHOUT = "train"
"""Split of documents that were held out of nothing: those of a run without shards."""


def document_files(records: Iterable[Record]) -> list[Output]:
    """The files of a run's documents, part by part in the order of the sources."""
    order: dict[str, int] = {}
    files = []
    for record in records:
        for number, part in enumerate(record.made_from.get("parts") or ()):
            order.setdefault(str(part), number)
        files += [output for output in record.outputs if output.path.startswith(f"{FINAL}/")]
    return sorted(files, key=lambda file: order.get(Path(file.path).stem, len(order)))


def documents_as_datasets(
    folder: Path, files: Sequence[Output], cache_dir: str | Path | None = None
) -> DatasetDict:
    """The documents in ``files`` of a run by split; see `corpuskit.run.folder.Run.to_datasets`.

    Raises EmptyError for none at all, and RunError where some belong to no split, and others to one.
    """
    import datasets

    paths = [folder / file.path for file in files]
    rows: Counter[str] = Counter()
    for path in paths:
        for batch in read_batches(path, ["split"]):
            rows.update(each or WITHOUT for each in batch.column("split").to_pylist())
    if not rows:
        raise EmptyError(f"{folder}: it holds no document", remedy="Build it from other sources.")
    # The library takes a file of the same size and time for the same one: here it goes by what is in it.
    contents = sha256_json([[file.path, file.sha256] for file in files])[:16]
    found = {}
    with quiet():
        for split in sorted(rows):
            only: dict[str, Any] = {} if len(rows) == 1 else {"filters": [("split", "==", split)]}
            found[split] = datasets.load_dataset(
                "parquet",
                f"corpuskit-{contents}-{split}",
                data_files={split: list(map(str, paths))},
                split=split,
                cache_dir=None if cache_dir is None else str(cache_dir),
                **only,
            )
    for split, data in found.items():
        if len(data) != rows[split]:
            raise RunError(
                f"{folder}: split {split!r} has {counted(rows[split], 'document')}, and {len(data)} were "
                "read: some documents name their split and some name none",
                remedy="Build it again with the same recipe into a new folder.",
            )
    return datasets.DatasetDict(found)
