"""Columns of strings as the engine takes and gives them: offsets and bytes, without a copy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from corpuskit import _native
from corpuskit.errors import SettingError

NO_STRINGS: _native.Strings = (np.zeros(1, np.int64), np.zeros(0, np.uint8))
"""A column of no rows."""


def to_engine(texts: pa.LargeStringArray, name: str) -> _native.Strings:
    """Offsets (rows + 1,) and bytes of an Arrow column, both without a copy unless it holds nulls.

    Args:
        name: what the message calls the column.

    Raises:
        SettingError: it is no large_string column.
    """
    if not pa.types.is_large_string(texts.type):
        remedy = "Cast them: texts.cast(pyarrow.large_string())."
        raise SettingError(f"{name} are {texts.type}, not large_string", remedy=remedy)
    if texts.null_count:  # what stands behind a null is undefined
        texts = texts.fill_null("")
    _, offset_buffer, data_buffer = texts.buffers()
    if offset_buffer is None or offset_buffer.size == 0:
        return NO_STRINGS
    # A slice shares the buffers of its column and begins further on.
    offsets = np.frombuffer(offset_buffer, np.int64, count=len(texts) + 1, offset=8 * texts.offset)
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer is not None else np.zeros(0, np.uint8)
    return offsets, data


def strings_of(texts: pa.Array | pa.ChunkedArray, name: str, *, checked: bool = False) -> pa.LargeStringArray:
    """A column of strings of any of Arrow's types, without a copy of what they are made of where that goes.

    Args:
        name: what the message calls the column.
        checked: whether it is known to hold UTF-8; Arrow itself looks at no bytes.

    Raises:
        SettingError: it holds no strings, or nulls, or bytes that are no UTF-8.

    >>> strings_of(pa.array(["a", "b", "a"]).dictionary_encode(), "texts").to_pylist()
    ['a', 'b', 'a']
    """
    kind = texts.type.value_type if pa.types.is_dictionary(texts.type) else texts.type
    if not any(is_one(kind) for is_one in _STRINGS):
        remedy = "Give a column of strings: texts.cast(pyarrow.large_string())."
        raise SettingError(f"{name} are {texts.type}, no strings", remedy=remedy)
    if texts.null_count:
        remedy = "Leave those rows out, or fill them: texts.fill_null('')."
        raise SettingError(f"of {len(texts):,} {name} {texts.null_count:,} are null", remedy=remedy)
    column = texts.cast(pa.large_string())
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    try:
        column.validate(full=not checked)
    except pa.ArrowInvalid as error:
        raise SettingError(f"{name} are no text: {error}", remedy="Convert them to UTF-8 first.") from error
    return column


_STRINGS = pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view


def from_engine(strings: _native.Strings) -> pa.LargeStringArray:
    """The engine's strings as an Arrow column, without a copy."""
    offsets, data = strings
    return pa.LargeStringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(data))


def from_bytes(strings: Sequence[bytes]) -> _native.Strings:
    """Strings of bytes as the engine takes a column: offsets (strings + 1,) and bytes."""
    offsets = np.cumsum([0, *map(len, strings)], dtype=np.int64)
    return offsets, np.frombuffer(b"".join(strings), np.uint8)


def of_int64(numbers: npt.NDArray[np.int64]) -> pa.Int64Array:
    """Numbers as an Arrow column, without a copy and without what `pyarrow.array` asks NumPy about first.

    >>> of_int64(np.array([3, 4])).to_pylist()
    [3, 4]
    """
    line = np.ascontiguousarray(numbers, np.int64)
    return pa.Int64Array.from_buffers(pa.int64(), len(line), [None, pa.py_buffer(line)])
