"""A run's documents as a data set of Hugging Face: Parquet by split, with a card that says what it is.

All files have the columns and types of ``documents/`` (texts are ``large_string`` in every file, no column is
of type null), but for ``split``, which the name of the file says. Rows stand in the order of the documents.
The card states licence, languages, sources, numbers of rows and the digest of the recipe; it holds no clock
and no path, so that the same run gives the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import yaml

from corpuskit.errors import EmptyError, SettingError, counted
from corpuskit.run.folder import Run
from corpuskit.run.layout import SHARDS, SHARDS_MANIFEST
from corpuskit.run.layout import path as path_of
from corpuskit.run.to_datasets import WITHOUT, document_files
from corpuskit.shards.reader import Shards
from corpuskit.storage.files import TEMPORARY, json_bytes, sha256_file, write_file
from corpuskit.storage.ownership import EXPORTED_DATA, making_folder
from corpuskit.storage.tables import Sink, parquet

FILE_BYTES = 256 * 2**20
"""UTF-8 bytes of texts after which a file is closed: some 100 MB as it lies on disk."""
CARD = "README.md"
SECTIONS = "sections"
"""What `split` says of a document of which only sections are held out: as a whole it stands in train."""
_SPLITS = ("train", "validation", "test")
_LICENCES = {
    "cc by-sa 4.0": "cc-by-sa-4.0",
    "cc by-sa 3.0": "cc-by-sa-3.0",
    "cc by 4.0": "cc-by-4.0",
    "cc0 1.0": "cc0-1.0",
    "cc0": "cc0-1.0",
    "gfdl": "gfdl",
    "mit": "mit",
    "apache-2.0": "apache-2.0",
}
"""Names of licences that the Hub knows; for any other it has the words ``other`` and ``unknown``."""
_SIZES = {10**3: "n<1K", 10**4: "1K<n<10K", 10**5: "10K<n<100K", 10**6: "100K<n<1M", 10**7: "1M<n<10M"}
_LARGE = "n>10M"


@dataclass
class _Counts:
    """What the card tells, counted while rows pass."""

    rows: Counter[str] = field(default_factory=Counter)
    text_bytes: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    held_out_inside: int = 0
    sources: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    """Documents and bytes by source and licence."""


@dataclass(frozen=True)
class ExportedDataset:
    """What was written.

    Attributes:
        out: the folder.
        rows: rows by split.
        files: their paths below ``out``.
        without_licence: sources that state no licence.
        held_out_inside: documents of train of which the shards hold out sections.
    """

    out: Path
    rows: dict[str, int]
    files: tuple[str, ...]
    without_licence: tuple[str, ...]
    held_out_inside: int


def export_dataset(
    run: Run | Path | str, out: Path | str, *, file_bytes: int = FILE_BYTES
) -> ExportedDataset:
    """Write the documents of a finished run as a data set that ``datasets.load_dataset(OUT)`` reads.

    ``out`` appears when it is whole. Files are written row by row and checked against the run's records;
    memory is bounded by the longest document.

    Args:
        out: a folder that is not there yet, or an empty one.
        file_bytes: bytes of texts (UTF-8) after which a file is closed; each has one document at least.

    Raises:
        SettingError: ``out`` holds something, or ``file_bytes`` is below 1.
        EmptyError: the run holds no document.
        RunError: the run is not finished, or not as its records say.
    """
    if file_bytes < 1:
        raise SettingError(f"file_bytes={file_bytes}: is below 1", remedy=f"Leave it out: {FILE_BYTES:,}.")
    run, out = run if isinstance(run, Run) else Run.open_finished(run), Path(out)
    outputs = document_files(run.records())
    if not any(output.rows for output in outputs):
        raise EmptyError(f"{run.folder}: it holds no document", remedy="Build it from other sources.")
    for output in outputs:
        run.check(output)
    counts, holds_out = _Counts(), _holds_out(run)
    with making_folder(out, EXPORTED_DATA, SettingError) as folder:
        schema = _common_schema([run.schema(output.path) for output in outputs])
        with ExitStack() as open_files:
            writers: dict[str, _Writer] = {}
            for output in outputs:
                for batch in run.read_batches(output.path):
                    counts.held_out_inside += holds_out * batch.column("split").to_pylist().count(SECTIONS)
                    for split, rows in _by_split(batch):
                        if split not in writers:
                            writers[split] = _Writer(folder, split, schema, file_bytes, open_files)
                        writers[split].write(rows)
                        _count(counts, split, rows)
        (folder / TEMPORARY).rmdir()
        splits = sorted(writers, key=_order)
        files = tuple(name for split in splits for name in writers[split].files)
        write_file(folder / CARD, _card(run, counts, splits).encode("utf-8"))
        facts = {
            "corpuskit": "documents",
            "form": "dataset",
            "recipe_sha256": _recipe_digest(run),
            "rows": {split: counts.rows[split] for split in splits},
            "files": {name: sha256_file(folder / name) for name in (CARD, *files)},
        }
        write_file(folder / EXPORTED_DATA.mark, json_bytes(facts))
    lacking = sorted({source for source, licence in counts.sources if not licence})
    rows = {split: counts.rows[split] for split in splits}
    return ExportedDataset(out, rows, files, tuple(lacking), counts.held_out_inside)


def _holds_out(run: Run) -> bool:
    """Whether the shards hold anything but train: sections may be asked for, and all be empty."""
    return not run.exists(SHARDS_MANIFEST) or Shards(run.local(SHARDS)).splits.keys() > {"train"}


def _order(split: str) -> tuple[int, str]:
    return (_SPLITS.index(split) if split in _SPLITS else len(_SPLITS), split)


def _common_schema(schemas: list[pa.Schema]) -> pa.Schema:
    """The columns of all files, those that only some have included; none of type null."""
    unified = pa.unify_schemas([schema.remove_metadata() for schema in schemas])
    fields = [
        f.with_type(pa.string()) if pa.types.is_null(f.type) else f for f in unified if f.name != "split"
    ]
    return pa.schema(fields)


def _by_split(batch: pa.RecordBatch) -> Iterator[tuple[str, pa.Table]]:
    """The rows of a batch in their order, by split."""
    table = pa.Table.from_batches([batch])
    names = pc.fill_null(table.column("split"), WITHOUT).combine_chunks()
    whole = pc.is_in(names, pa.array(["", SECTIONS], names.type))
    names = pc.replace_with_mask(names, whole, pa.scalar(WITHOUT, names.type))
    for name in pc.unique(names).to_pylist():
        yield name, table.filter(pc.equal(names, name)).drop_columns(["split"])


class _Writer:
    """The files of one split, each closed when it holds enough."""

    def __init__(self, folder: Path, split: str, schema: pa.Schema, limit: int, stack: ExitStack) -> None:
        self.files: list[str] = []
        self._folder, self._split, self._schema, self._limit = folder, split, schema, limit
        self._stack = stack.enter_context(ExitStack())
        self._sink: Sink | None = None
        self._held = 0

    def write(self, rows: pa.Table) -> None:
        sizes = pc.binary_length(rows.column("text")).to_pylist()
        first = 0
        for i, size in enumerate(sizes):
            if self._held and self._held + size > self._limit:
                self._put(rows.slice(first, i - first))
                self.close()
                first = i
            self._held += max(1, size)
        self._put(rows.slice(first))

    def _put(self, rows: pa.Table) -> None:
        if not rows.num_rows:
            return
        if self._sink is None:
            name = f"data/{self._split}-{len(self.files):05d}.parquet"
            temporary = self._folder / TEMPORARY
            self._sink = self._stack.enter_context(parquet(self._folder / name, self._schema, temporary))
            self.files.append(name)
        columns = [
            rows.column(f.name).cast(f.type)
            if f.name in rows.column_names
            else pa.nulls(rows.num_rows, f.type)
            for f in self._schema
        ]
        self._sink.write(pa.Table.from_arrays(columns, schema=self._schema))

    def close(self) -> None:
        """Close the file that is open."""
        self._stack.close()
        self._sink, self._held = None, 0


def _count(counts: _Counts, split: str, rows: pa.Table) -> None:
    sizes = pc.binary_length(rows.column("text")).to_pylist()
    counts.rows[split] += rows.num_rows
    counts.text_bytes[split] += sum(sizes)
    counts.languages.update(filter(None, rows.column("language").to_pylist()))
    sources, licences = rows.column("source").to_pylist(), rows.column("licence").to_pylist()
    for source, licence, size in zip(sources, licences, sizes, strict=True):
        held = counts.sources.setdefault((source, licence or ""), [0, 0])
        held[0] += 1
        held[1] += size


def _recipe_digest(run: Run) -> str:
    return run.sha256(path_of("recipe"))


def _card(run: Run, counts: _Counts, splits: list[str]) -> str:
    """The card: the head that the Hub reads, and the same for people."""
    total = counts.rows.total()
    head: dict[str, Any] = {"license": _licence_words({licence for _, licence in counts.sources})}
    if counts.languages:
        head["language"] = sorted(counts.languages)
    head["size_categories"] = [next((name for limit, name in _SIZES.items() if total < limit), _LARGE)]
    files = [{"split": split, "path": f"data/{split}-*.parquet"} for split in splits]
    head["configs"] = [{"config_name": "default", "data_files": files}]
    written = f"{counted(total, 'row')}, written by corpuskit. Recipe: sha256 `{_recipe_digest(run)}`."
    rows = [f"| {split} | {counts.rows[split]:,} | {counts.text_bytes[split]:,} |" for split in splits]
    return "\n".join(
        (
            *("---", yaml.safe_dump(head, sort_keys=False, allow_unicode=True).rstrip(), "---", ""),
            *("# Documents", "", written, "", "| split | rows | bytes of text |", "|---|---:|---:|", *rows),
            *_held_out(counts),
            *("", "## Sources and licences", "", *_sources(counts)),
            *("", "## Languages", "", _languages(counts, total), "", *_COLUMNS),
        )
    )


def _licence_words(licences: set[str]) -> str | list[str]:
    """What the Hub calls the licences of all documents."""
    known = sorted({_LICENCES.get(licence.lower(), "") for licence in licences})
    if "" in known:
        return "other" if any(licences) else "unknown"
    return known if len(known) > 1 else known[0]


def _held_out(counts: _Counts) -> list[str]:
    if not counts.held_out_inside:
        return []
    told = counted(counts.held_out_inside, "document")
    return ["", f"{told} of train: the run's shards hold out sections of them, which stand here as well."]


def _sources(counts: _Counts) -> list[str]:
    lines = ["| source | licence | documents | bytes of text |", "|---|---|---:|---:|"]
    for (source, licence), (documents, size) in sorted(counts.sources.items()):
        stated = _cell(licence) if licence else "not stated"
        lines.append(f"| {_cell(source)} | {stated} | {documents:,} | {size:,} |")
    if lacking := sorted({source for source, licence in counts.sources if not licence}):
        told = ", ".join(map(_cell, lacking))
        lines += ["", f"No licence is stated for documents of: {told}. Whoever passes them on must find out."]
    return lines


def _languages(counts: _Counts, total: int) -> str:
    told = [f"{_cell(name)} ({counts.languages[name]:,})" for name in sorted(counts.languages)]
    rest = total - counts.languages.total()
    return ", ".join([*told, *([f"not stated ({rest:,})"] if rest else [])])


def _cell(words: str) -> str:
    """Words of a source as one cell of a table."""
    return " ".join(words.replace("|", "\\|").split())


_COLUMNS = (
    "## Columns",
    "",
    "`text` is the document; `id` its identity; `source`, `title`, `url`, `language`, `licence` say where it",
    "is from; `origin` (JSON) is its place there; `cluster` the least id of what it stands for.",
    "Further columns are those of the recipe's sources and stages.",
    "",
)
