"""The index of a multistream dump: where in the .bz2 the stream with a page begins.

Beside ``X-multistream.xml.bz2`` stands ``X-multistream-index.txt.bz2`` with a line ``offset:page id:title``
for each page; a stream holds a hundred pages. The index is in the order of the pages, so a title is found by
reading it from its beginning: about a second for each 60 MB of lines (a second for simplewiki, half a minute
for enwiki). A `lookup <build_lookup>` made from it, 32 bytes a page, answers at once.
"""

from __future__ import annotations

import json
import os
import re
from array import array
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from corpuskit.errors import InputError, SettingError
from corpuskit.sources.wikipedia import dump
from corpuskit.sources.wikipedia.items import Break
from corpuskit.storage.files import atomic
from corpuskit.storage.places import base_name, is_uri, open_file, stamp

_NAME = re.compile(r"-multistream(\d*)\.xml((?:-p\d+p\d+)?)\.bz2$")
_ROW = np.dtype([("key", "<u8"), ("offset", "<u8")])
_HEAD_BYTES = 4096


@dataclass(frozen=True)
class IndexLine:
    """A line of the index: ``offset`` of the stream that holds the page, in the dump as it lies on disk."""

    offset: int
    id: int
    title: str


def index_of(path: str) -> str:
    """The place of the index of a dump; empty if it has none beside it.

    >>> index_of("no/such/enwiki-pages-articles-multistream.xml.bz2")
    ''
    """
    place, count = _NAME.subn(r"-multistream-index\1.txt\2.bz2", path)
    if not count:
        return ""
    try:
        with open_file(place):
            return place
    except OSError:
        return ""


def _pieces(index: str) -> Iterator[bytes]:
    """The index in pieces of whole lines.

    Raises:
        InputError: it is damaged or truncated.
    """
    rest = b""
    for chunk in dump.read_chunks(index, dump.sniff_compression(index), "utf-8"):
        if isinstance(chunk, Break):
            message = f"{base_name(index)}: {chunk.kind} at byte {chunk.offset}: {chunk.error}"
            raise InputError(message, remedy="Download it again.")
        data = rest + chunk.data
        end = data.rfind(b"\n") + 1
        rest = data[end:]
        yield data[:end]
    if rest:
        yield rest + b"\n"


def _parse(line: bytes, index: str) -> IndexLine:
    offset, _, rest = line.partition(b":")
    number, colon, title = rest.partition(b":")
    if not (offset.isdigit() and number.isdigit() and colon):
        remedy = "Give the dump its own index: lines of offset:page id:title."
        raise InputError(f"{base_name(index)}: no line of an index: {line[:80]!r}", remedy=remedy)
    return IndexLine(int(offset), int(number), unescape(title.decode("utf-8", "replace")))


def lines(index: str) -> Iterator[IndexLine]:
    """All lines of an index, in order."""
    for piece in _pieces(index):
        for line in piece.splitlines():
            yield _parse(line, index)


def scan(index: str, *, title: str = "", id: int | None = None) -> IndexLine | None:
    """Look for a page by title or, if one is given, by id. The whole index is read if it is not there."""
    if id is not None:
        wanted = {b":%d:" % id}
    else:  # titles stand in the index as in XML, but not in every index
        quoted = escape(title, {'"': "&quot;"})
        forms = (title, escape(title), quoted, quoted.replace("'", "&#039;"))
        wanted = {b":%s\n" % form.encode() for form in forms}
    # Bytes are searched and the few hits parsed: enwiki's index has tens of millions of lines.
    for piece in _pieces(index):
        for pattern in wanted:
            at = piece.find(pattern)
            while at >= 0:
                start = piece.rfind(b"\n", 0, at) + 1
                line = _parse(piece[start : piece.index(b"\n", at)], index)
                # ":7:" may stand in a title too.
                if line.id == id or (id is None and line.title == title):
                    return line
                at = piece.find(pattern, at + 1)
    return None


def lookup_of(index: str) -> str:
    """The place of the lookup of an index."""
    return index + ".lookup"


def _key(title: str) -> int:
    from xxhash import xxh3_64_intdigest

    # A title that is asked for on the command line may hold bytes that are no UTF-8.
    return int(xxh3_64_intdigest(title.encode("utf-8", "surrogatepass")))


def build_lookup(index: str) -> str:
    """Write two tables beside an index: hash of the title, and page id, each with the offset, both sorted.

    Returns:
        The place of the lookup.

    Raises:
        SettingError: the index is not on a local disk.
        StorageError: it cannot be written there.
    """
    if is_uri(index):
        raise SettingError(f"{index}: a lookup is kept on a local disk alone", remedy="Copy dump and index.")
    keys, ids, offsets = array("Q"), array("Q"), array("Q")  # 24 bytes a page while it is made
    for line in lines(index):
        keys.append(_key(line.title))
        ids.append(line.id)
        offsets.append(line.offset)
    # The stamp tells whether the lookup was made of this index or of an older one under the same name.
    head = {"format": 1, "pages": len(ids), "index": list(stamp(index))}
    path = Path(lookup_of(index))
    tables = (_sorted(keys, offsets), _sorted(ids, offsets))
    temporary = path.parent / ".tmp-lookup"
    with atomic(path, temporary) as unfinished, unfinished.open("wb") as file:
        file.write(json.dumps(head).encode().ljust(_HEAD_BYTES))
        for table in tables:
            file.write(table.tobytes())
    with suppress(OSError):  # Another process is writing there, too.
        temporary.rmdir()
    return str(path)


def _sorted(keys: array[int], offsets: array[int]) -> NDArray[np.void]:
    table = np.empty(len(keys), _ROW)
    table["key"], table["offset"] = np.array(keys, np.uint64), np.array(offsets, np.uint64)
    return table[np.argsort(table["key"], kind="stable")]


class Lookup:
    """A lookup on disk; only the pages of it that are asked for are read."""

    def __init__(self, path: str, pages: int) -> None:
        self._tables = np.memmap(path, _ROW, "r", _HEAD_BYTES, (2, pages)) if pages else None

    @classmethod
    def open(cls, index: str) -> Lookup | None:
        """The lookup of an index; None if there is none, or it was made from another index."""
        path = lookup_of(index)
        if is_uri(index) or not os.path.isfile(path):
            return None
        with open(path, "rb") as file:
            try:
                head = json.loads(file.read(_HEAD_BYTES))
                pages = int(head["pages"])
                fits = head["format"] == 1 and head["index"] == list(stamp(index))
            except (ValueError, KeyError, TypeError):
                return None
        whole = os.path.getsize(path) == _HEAD_BYTES + 2 * pages * _ROW.itemsize
        return cls(path, pages) if fits and whole else None

    def offsets(self, *, title: str = "", id: int | None = None) -> list[int]:
        """Streams that may hold the page: none if there is no such page, rarely more than one for a title."""
        if self._tables is None:
            return []
        table, key = (self._tables[0], _key(title)) if id is None else (self._tables[1], id)
        first = int(np.searchsorted(table["key"], np.uint64(key)))
        found: list[int] = []
        while first < len(table) and int(table["key"][first]) == key:
            found.append(int(table["offset"][first]))
            first += 1
        return sorted(set(found))
