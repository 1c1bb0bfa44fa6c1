"""Puts changed texts into a batch: a function's row by row, or a whole column of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from corpuskit.documents.batch import byte_lengths, replace_text
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
            errors[row] = _not_utf8(batch, row, error)
    return texts, errors


def _not_utf8(batch: pa.RecordBatch, row: int, error: UnicodeDecodeError) -> str:
    return (
        f"{batch.column('id')[row].as_py()}: the text is not UTF-8: byte 0x{error.object[error.start]:02x} at"
        f" offset {error.start}. Read it with its true encoding."
    )


def decoding_error(batch: pa.RecordBatch, row: int) -> str:
    """What is wrong with a row whose text is not UTF-8, or holds half a surrogate pair."""
    data = batch.column("text").slice(row, 1).cast(pa.large_binary())[0].as_py()
    try:
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        return _not_utf8(batch, row, error)
    name = batch.column("id")[row].as_py()
    return f"{name}: the text holds half of a surrogate pair. Put the stage `unicode` before."


def with_texts(batch: pa.RecordBatch, texts: pa.LargeStringArray | None, errors: dict[int, str]) -> Effect:
    """The batch with another column of texts, or with its own for None.

    A row whose text becomes empty is dropped as ``empty``; it and rows with errors keep their old text.
    """
    old = batch.column("text")
    empty = (byte_lengths(old if texts is None else texts) == 0).nonzero()[0].tolist()
    drops = {row: "empty" for row in empty if row not in errors}
    if texts is None:
        return Effect(batch, drops=drops, errors=errors)
    kept = np.zeros(len(texts), bool)
    kept[[*errors, *drops]] = True
    if kept.any():
        texts = pc.if_else(pa.array(kept), old, texts)
    return Effect(replace_text(batch, texts), drops=drops, errors=errors)


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
            errors[row] = decoding_error(batch, row)
        if not new and row not in errors:
            drops[row] = "empty"
        changed.append(old[row].as_py() if row in errors or row in drops else data)
    # Unchecked, so that texts which are not UTF-8 can be kept as they were and looked at.
    column = pa.array(changed, pa.large_binary()).cast(pa.large_string(), safe=False)
    return Effect(replace_text(batch, column), drops=drops, errors=errors)
