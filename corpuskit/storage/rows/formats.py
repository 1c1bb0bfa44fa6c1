"""Which files hold rows, by their endings, and one function that reads any of them."""

from __future__ import annotations

from collections.abc import Mapping

from corpuskit.errors import InputError, SettingError, nearest
from corpuskit.storage.rows.arrow import column_problem, read_arrow, read_parquet
from corpuskit.storage.rows.delimited import header_problem, read_delimited
from corpuskit.storage.rows.json_rows import read_json
from corpuskit.storage.rows.row import Reader, Rows, Wanted
from corpuskit.storage.rows.text import read_text
from corpuskit.storage.streams import COMPRESSIONS, bare

FORMATS: Mapping[str, tuple[Reader, tuple[str, ...]]] = {
    "text": (read_text, (".txt", ".text", ".md")),
    "jsonl": (read_json, (".jsonl", ".ndjson", ".json")),
    "csv": (read_delimited, (".csv", ".tsv", ".tab")),
    "parquet": (read_parquet, (".parquet",)),
    "datasets": (read_arrow, (".arrow", ".arrows", ".feather", ".ipc")),
}
"""Formats: how they are read, and how names of such files end, without the ending of a compression."""


def format_of(name: str) -> str:
    """The format that a name tells, whatever the case of its letters; ``""`` for none that is known.

    >>> format_of("A.JSON.GZ"), format_of("a.pdf")
    ('jsonl', '')
    """
    return next((kind for kind, (_, ends) in FORMATS.items() if bare(name).endswith(ends)), "")


def read_rows(path: str, wanted: Wanted, *, name: str = "", kind: str = "") -> Rows:
    """Rows and damaged places of one file, in order.

    Text files may be compressed (.gz, .bz2, .xz, .zst). Memory is bounded by `MAX_ROW_BYTES` for them, by a
    row group or batch for tables.

    Args:
        name: what messages call the file; its path if nothing is given.
        kind: a key of `FORMATS`; by the ending if nothing is given.

    Raises:
        SettingError: no such format is known.
        InputError: the file is not there, or the system does not let us read it.
    """
    kind = kind or format_of(path)
    if kind not in FORMATS:
        endings = ", ".join(end for _, ends in FORMATS.values() for end in ends)
        remedy = f"{nearest(kind, FORMATS)} " if kind else ""
        message = f"{path}: of no format that is known by its ending"
        raise SettingError(
            message, remedy=f"{remedy}Read are {endings}, also with {', '.join(COMPRESSIONS)}."
        )
    return FORMATS[kind][0](path, name or path, wanted)


def table_problem(path: str, name: str, kind: str, wanted: Wanted) -> InputError | None:
    """Why no row of a table can have a text; None for one that can, for a damaged one and for other files."""
    if kind == "csv":
        return header_problem(path, name, wanted)
    return column_problem(path, name, kind, wanted) if kind in ("parquet", "datasets") else None
