"""Applies a function from text to text to every row of a batch."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from corpuskit.documents.batch import replace_text
from corpuskit.stages.stage import Effect


def decode_texts(batch: pa.RecordBatch) -> tuple[list[str], dict[int, str]]:
    """Texts of a batch, and the errors of rows whose bytes are not UTF-8 (their text is given as ``""``).

    Arrow does not check the bytes of a string column. Half a surrogate pair, which some programs write as
    three bytes, is decoded as such and left to who asked; other bytes that are not UTF-8 are errors.
    """
    texts: list[str] = []
    errors: dict[int, str] = {}
    # As bytes: `to_pylist` of a string column would raise for the whole batch at its first wrong byte.
    for row, data in enumerate(batch.column("text").cast(pa.large_binary()).to_pylist()):
        try:
            texts.append(data.decode("utf-8", "surrogatepass"))
        except UnicodeDecodeError as error:
            texts.append("")
            name = batch.column("id")[row].as_py()
            errors[row] = (
                f"{name}: the text is not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}."
                " Read it with its true encoding."
            )
    return texts, errors


def map_texts(batch: pa.RecordBatch, function: Callable[[str, int], str]) -> Effect:
    """Replace each text by ``function(text, row)``.

    A row whose text becomes empty is dropped as ``empty``; it and rows with errors keep their old text, so
    that it can be looked at.
    """
    texts, errors = decode_texts(batch)
    drops: dict[int, str] = {}
    changed: list[bytes] = []
    old = batch.column("text").cast(pa.large_binary())
    for row, text in enumerate(texts):
        new = "" if row in errors else function(text, row)
        try:
            data = new.encode("utf-8")
        except UnicodeEncodeError:
            name = batch.column("id")[row].as_py()
            errors[row] = f"{name}: the text holds half of a surrogate pair. Put the stage `unicode` before."
        if not new and row not in errors:
            drops[row] = "empty"
        changed.append(old[row].as_py() if row in errors or row in drops else data)
    # Unchecked, so that texts which are not UTF-8 can be kept as they were and looked at.
    column = pa.array(changed, pa.large_binary()).cast(pa.large_string(), safe=False)
    return Effect(replace_text(batch, column), drops=drops, errors=errors)
