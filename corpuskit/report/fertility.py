"""Bytes per token and tokens per word, by source and language, with intervals; and what texts spell.

One pass over the documents of a run beside the provenance of its shards, in the order of both: neither is
held.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from corpuskit.documents.words import fold_words
from corpuskit.errors import RunError
from corpuskit.run.folder import Run
from corpuskit.run.layout import PLANTED, REPEATED, SHARDS, original_id, text_of
from corpuskit.shards.reader import Shards

_BATCH_BYTES = 2**22
_Z = 1.959964
"""Of a normal distribution, 95 % lie within so many standard deviations."""

_DOCUMENTS = 200_000
"""Documents whose sums are held at a time."""

_PIECE = 2**18
"""Characters of a document that enter the sample at most."""


@dataclass
class Ratio:
    """A ratio of two sums over documents, with its interval.

    The variance is that of the ratio estimator (Cochran, Sampling Techniques, 1977, section 6.4), documents
    being drawn one by one: that words within a document go together is in it.

    >>> ratio = Ratio()
    >>> for a, b in [(3, 1), (4, 2), (9, 3)]:
    ...     ratio.add(a, b)
    >>> round(ratio.value, 3), [round(bound, 3) for bound in ratio.interval]
    (2.667, [1.987, 3.347])
    """

    documents: int = 0
    over: int = 0
    under: int = 0
    _squares: list[int] = field(default_factory=lambda: [0, 0, 0])

    def add(self, over: int, under: int) -> None:
        """Count a document."""
        self.documents += 1
        self.over += over
        self.under += under
        squares = (over * over, over * under, under * under)
        self._squares = [a + b for a, b in zip(self._squares, squares, strict=True)]

    def join(self, other: Ratio) -> None:
        """Add the documents of another."""
        self.documents += other.documents
        self.over += other.over
        self.under += other.under
        self._squares = [a + b for a, b in zip(self._squares, other._squares, strict=True)]

    @property
    def value(self) -> float | None:
        """The ratio; None where nothing stands below."""
        return self.over / self.under if self.under else None

    @property
    def interval(self) -> list[float] | None:
        """Bounds of the 95 % interval; None of fewer than two documents."""
        ratio = self.value
        if ratio is None or self.documents < 2:
            return None
        a, b, c = self._squares
        spread = max(0.0, a - 2 * ratio * b + ratio * ratio * c)
        half = _Z * math.sqrt(spread * self.documents / (self.documents - 1)) / self.under
        return [ratio - half, ratio + half]

    def to_json(self) -> dict[str, Any]:
        """Value and interval as JSON values."""
        return {"value": self.value, "interval": self.interval}


@dataclass
class Group:
    """Documents of one source and language; end marks are left out of their tokens.

    Attributes:
        bytes_per_token: of all.
        tokens_per_word: of those whose words were counted.
    """

    bytes_per_token: Ratio = field(default_factory=Ratio)
    tokens_per_word: Ratio = field(default_factory=Ratio)

    def to_json(self) -> dict[str, Any]:
        """The figures as JSON values."""
        return {
            "documents": self.bytes_per_token.documents,
            "tokens": self.bytes_per_token.under,
            "bytes": self.bytes_per_token.over,
            "bytes_per_token": self.bytes_per_token.to_json(),
            "words": self.tokens_per_word.under,
            "tokens_per_word": self.tokens_per_word.to_json(),
        }


Key = tuple[str, str]


@dataclass
class Fertility:
    """What the documents of a run say.

    Attributes:
        groups: by source and language.
        spelled: special tokens that stand in texts as text: how often, in how many documents, ids of three.
        sample: texts drawn by their ids, with source and language; at most `_PIECE` characters of each.
        share: of the documents, which were read for words, spelled tokens and the sample.
    """

    groups: dict[Key, Group] = field(default_factory=dict)
    spelled: dict[str, dict[str, Any]] = field(default_factory=dict)
    sample: list[tuple[Key, str]] = field(default_factory=list)
    share: float = 1.0


@dataclass
class _Piece:
    """One sequence of the shards with its text."""

    name: str
    key: Key
    tokens: int
    text: str
    size: int


def measure_documents(
    run: Run, special: Collection[str], words_bytes: int = 2**30, sample_bytes: int = 2**22
) -> Fertility:
    """Go through the documents that the shards of a finished run hold.

    Args:
        special: tokens to look for in texts.
        words_bytes: of more text than this a share of the documents, drawn by their ids, has its words
            counted.
        sample_bytes: about as much text enters the sample.

    Raises `RunError` where documents and shards do not hold together.
    """
    shards = Shards(run.local(SHARDS))
    total = _total(run, shards)
    found = Fertility(share=min(1.0, words_bytes / max(1, total)))
    reading = _Reading(found, _Spelling(special), min(1.0, sample_bytes / max(1, total)))
    for split in shards.splits:
        for piece in _pieces(run, shards, split):
            reading.add(piece)
    reading.close()
    return found


class _Reading:
    """Adds pieces to the figures, those of one document together: it may be cut into sections, or
    repeated.
    """

    def __init__(self, found: Fertility, spelling: _Spelling, drawn: float) -> None:
        self._found, self._spelling, self._drawn = found, spelling, drawn
        self._pieces: list[_Piece] = []
        self._size = 0
        self._documents: dict[str, tuple[Key, list[int]]] = {}

    def add(self, piece: _Piece) -> None:
        """Add one."""
        self._pieces.append(piece)
        self._size += piece.size
        if self._size >= _BATCH_BYTES:
            self._count()
            # A corpus with as many has whole documents on each side of the split.
            if len(self._documents) >= _DOCUMENTS:
                self._close_documents()

    def close(self) -> None:
        """Finish the figures."""
        self._count()
        self._close_documents()
        self._found.spelled = self._spelling.found

    def _count(self) -> None:
        pieces, share = self._pieces, self._found.share
        asked = [piece for piece in pieces if share == 1 or _chance(piece.name) < share]
        ends = fold_words(pa.array([piece.text for piece in asked], pa.large_string())).ends
        words = dict(zip(map(id, asked), np.diff(ends).tolist(), strict=True))
        for piece in pieces:
            sums = self._documents.setdefault(piece.name, (piece.key, [0, 0, 0, 0]))[1]
            read = id(piece) in words
            gained = (piece.size, piece.tokens, piece.tokens if read else 0, words.get(id(piece), 0))
            sums[:] = [a + b for a, b in zip(sums, gained, strict=True)]
            if read:
                self._spelling.look(piece.name, piece.text)
                if self._drawn == 1 or _chance(piece.name) < self._drawn:
                    self._found.sample.append((piece.key, piece.text[:_PIECE]))
        self._pieces, self._size = [], 0

    def _close_documents(self) -> None:
        share = self._found.share
        for name, (key, (size, tokens, read, words)) in self._documents.items():
            group = self._found.groups.setdefault(key, Group())
            group.bytes_per_token.add(size, tokens)
            if share == 1 or _chance(name) < share:
                group.tokens_per_word.add(read, words)
        self._documents = {}


def _total(run: Run, shards: Shards) -> int:
    size = 0
    for info in (info for infos in shards.splits.values() for info in infos):
        table = run.path("shards", f"{info.name}.provenance.parquet")
        for batch in run.read_batches(table, ["byte_start", "byte_end"]):
            starts, ends = (batch.column(name).to_numpy() for name in ("byte_start", "byte_end"))
            size += int((ends - starts).sum())
    return size


def _chance(name: str) -> float:
    """A number from 0 to 1 that a document always draws."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=7).digest(), "big") / 2**56


def _pieces(run: Run, shards: Shards, split: str) -> Iterator[_Piece]:
    """The sequences of a split with their texts, in order."""
    documents: dict[str, _Documents] = {}
    names = ["token_start", "token_end", "id", "source", "part", "byte_start", "byte_end"]
    for info in shards.splits[split]:
        for batch in run.read_batches(run.path("shards", f"{info.name}.provenance.parquet"), names):
            for row in batch.to_pylist():
                part = row["part"]
                if part not in documents:
                    # Parts come in order, and each holds a file open: only what is planted stands among all.
                    documents = {name: own for name, own in documents.items() if name in (PLANTED, REPEATED)}
                    documents[part] = _Documents(run, part)
                language, raw = documents[part].find(row["id"])
                text = raw[row["byte_start"] : row["byte_end"]].decode()
                tokens = row["token_end"] - row["token_start"] - 1
                name, size = original_id(row["id"], part), row["byte_end"] - row["byte_start"]
                yield _Piece(name, (row["source"], language), tokens, text, size)


class _Documents:
    """The documents of a part, asked for in the order in which they stand there."""

    def __init__(self, run: Run, part: str) -> None:
        self._run, self._path = run, text_of(part)[0]
        self._rows = self._read()
        self._row: tuple[str, str, bytes] = ("", "", b"")

    def find(self, name: str) -> tuple[str, bytes]:
        """Language and text of a document. Raises `RunError` where the part has none of this id."""
        for again in (False, True):
            if again:  # Sections and copies may stand in another order.
                self._rows = self._read()
            while self._row[0] != name:
                following = next(self._rows, None)
                if following is None:
                    break
                self._row = following
            else:
                return self._row[1:]
        raise RunError(f"{self._path}: has no document {name}", remedy="Run `corpuskit verify` on the run.")

    def _read(self) -> Iterator[tuple[str, str, bytes]]:
        # What a source says of the language; where it says nothing, what the stage `language` found.
        names = pq.read_schema(self._run.local(self._path)).names
        found = "language_code" if "language_code" in names else "language"
        for batch in self._run.read_batches(self._path, sorted({"id", "language", found, "text"})):
            columns = (batch.column(name) for name in ("id", "language", found, "text"))
            for name, said, seen, text in zip(*columns, strict=True):
                yield name.as_py(), said.as_py() or seen.as_py() or "", text.as_buffer().to_pybytes()


class _Spelling:
    """Special tokens that texts spell, which stay text."""

    def __init__(self, special: Collection[str]) -> None:
        self.found: dict[str, dict[str, Any]] = {}
        self._seen: dict[str, set[str]] = {}
        # The longest first: one may begin another.
        tokens = sorted((token for token in special if token), key=lambda token: (-len(token), token))
        self._pattern = re.compile("|".join(map(re.escape, tokens))) if tokens else None
        self._begin = _common(tokens)

    def look(self, name: str, text: str) -> None:
        """Look through a document, or a part of one."""
        # Nearly no text holds even the beginning that they have in common.
        if self._pattern is None or self._begin not in text:
            return
        for hit in self._pattern.finditer(text):
            entry = self.found.setdefault(hit[0], {"times": 0, "documents": 0, "examples": []})
            entry["times"] += 1
            seen = self._seen.setdefault(hit[0], set())
            if name not in seen:
                seen.add(name)
                entry["documents"] += 1
                entry["examples"] = [*entry["examples"], name][:3]


def _common(tokens: list[str]) -> str:
    """What all tokens begin with."""
    least, greatest = min(tokens, default=""), max(tokens, default="")
    size = next((i for i, (a, b) in enumerate(zip(least, greatest, strict=False)) if a != b), len(least))
    return least[:size]


def by(groups: Mapping[Key, Group], place: int) -> dict[str, Group]:
    """Groups put together by source (0) or language (1), in alphabetical order."""
    found: dict[str, Group] = {}
    for key, group in sorted(groups.items()):
        whole = found.setdefault(key[place], Group())
        for name in ("bytes_per_token", "tokens_per_word"):
            getattr(whole, name).join(getattr(group, name))
    return dict(sorted(found.items()))
