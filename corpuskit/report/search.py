"""What is found of a text in the shards of a run, with documents, places and the words around.

A text is looked for as its tokens: it is encoded as it is and found where the same tokens stand. Within other
text it may have been cut otherwise: most tokenizers write a word at the beginning of a line and the same word
behind a blank as two tokens. So a text that begins without white space is looked for with a blank before it
too, and both are counted apart. Part of a word ("riv" of "river") is found where it is a token of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from corpuskit.errors import RunError, SettingError
from corpuskit.report.trace import find_document, place_in_text, token_ends
from corpuskit.run.folder import Run
from corpuskit.run.layout import TOKENIZER
from corpuskit.shards.ngrams.index import Hit, Matches, NgramIndex, SplitNgrams, open_index
from corpuskit.shards.provenance import provenance_rows
from corpuskit.tokenizer.tokenizer import Tokenizer

MOST_COUNTED = 10**6
"""Occurrences whose documents are counted: all of their places are looked at for it."""

_AROUND = 60
"""Characters that are shown on each side."""
_AROUND_TOKENS = 60
_LONG_RUN = 20
"""Tokens in a row that are more than a turn of speech."""

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Occurrence:
    """A place where a sequence of tokens stands.

    Attributes:
        id, source, licence: of the document; None where shards have no provenance.
        split, sequence, offset: number of the sequence in its split, and the place in it, in tokens.
        shard, token: what `corpuskit trace` asks for.
        byte_start, byte_end: its place in the document's text, in bytes of UTF-8; None where the tokenizer
            loses text, so that it cannot be said.
        before, text, after: what is written there, and up to 60 characters on each side.
    """

    id: str | None
    source: str | None
    licence: str | None
    split: str
    sequence: int
    offset: int
    shard: str
    token: int
    byte_start: int | None
    byte_end: int | None
    before: str
    text: str
    after: str


@dataclass(frozen=True)
class Found:
    """How often a sequence of tokens stands within a document, and where.

    Attributes:
        text: what the tokens spell.
        tokens: their ids.
        count: occurrences in all, those that overlap too.
        documents: that hold it; sections, of documents that are parted. None of more than a million
            occurrences, of which they are not counted.
        splits: occurrences by split.
        hits: the first ones.
    """

    text: str
    tokens: list[int]
    count: int
    documents: int | None
    splits: dict[str, int]
    hits: list[Occurrence]


@dataclass(frozen=True)
class Searched:
    """A text that was looked for.

    Attributes:
        found: with its tokens as they are.
        behind_blank: with a blank before it; None where it begins with white space, or where each of these
            places is one of `found` too.
        notes: what should be known of it.
    """

    found: Found
    behind_blank: Found | None = None
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Piece:
    """A part of a text that stands in the run.

    Attributes:
        byte_start, byte_end: its place in the text that was asked about, in bytes.
        found: where it stands.
    """

    byte_start: int
    byte_end: int
    found: Found


@dataclass(frozen=True)
class Longest:
    """The longest matches of a text.

    Attributes:
        tokens: of the text.
        starts: where each of them begins in the text, in bytes.
        lengths: tokens of the longest match from each of them on.
        covered: tokens that lie in a match of at least `least` tokens.
        pieces: the longest matches, none of which overlap, the longest first.
    """

    tokens: int
    starts: list[int]
    lengths: list[int]
    covered: int
    least: int
    pieces: list[Piece]


class Searcher:
    """Searches of one run."""

    def __init__(self, run: Run, index: NgramIndex, tokenizer: Tokenizer) -> None:
        self.run, self.index, self.tokenizer = run, index, tokenizer
        self._bytes = tokenizer.token_bytes(max(tokenizer.vocab_size, index.shards.vocab_size))

    @classmethod
    def open(cls, folder: Path | str, index: NgramIndex | None = None) -> Searcher:
        """Of a run folder, with its index; that of the run where none is given, see `open_index`.

        Raises as `Run.open` and `open_index`, and TrainError where the tokenizer is not that of the shards.
        """
        run = Run.open(folder)
        index = index or open_index(run.folder)
        shards = index.shards
        tokenizer = Tokenizer.load_expected(run.local(TOKENIZER), shards.tokenizer_sha256, shards.end_of_text)
        return cls(run, index, tokenizer)

    def text(self, text: str, limit: int = 10, split: str | None = None, *, at_end: bool = False) -> Searched:
        """Look for a text, see above.

        Args:
            limit: occurrences that are listed, of each of the two.
            split: one of them; all without it.
            at_end: only where a document ends with it.

        Raises SettingError for an empty text and an unknown split.
        """
        if not text:
            raise SettingError("text: is empty: it would stand everywhere", remedy="Give a word at least.")
        ids = self.tokenizer.encode(text)
        last = [self.index.shards.end_of_text] if at_end else []
        found = self.tokens([*ids, *last], limit, split)
        notes = []
        if text != text.rstrip() and not at_end:
            notes.append("the text ends with white space, which tokenizers join to the word behind it")
        if self.tokenizer.unknown_id in ids:
            notes.append("a token of the text is the unknown one, which stands for other texts, too")
        if text[0].isspace():
            return Searched(found, notes=notes)
        spaced = self.tokenizer.encode(f" {text}")
        contains = spaced[len(spaced) - len(ids) :] == ids
        behind = None if contains else self.tokens([*spaced, *last], limit, split)
        return Searched(found, behind, notes)

    def tokens(self, ids: Sequence[int], limit: int = 10, split: str | None = None) -> Found:
        """Look for a sequence of ids, of which the last may be the end-of-text.

        Raises as `text`, and SettingError for an id that is outside of the vocabulary.
        """
        size = self.index.shards.vocab_size
        for number in ids:
            if not 0 <= number < size:
                raise SettingError(
                    f"id {number}: the tokenizer has no such token", remedy=f"Give ids from 0 to {size - 1}."
                )
        wanted = np.array(ids, np.int64)
        counts = {each.name: each.count(wanted) for each in self._splits(split)}
        count, documents = sum(counts.values()), None
        if count <= MOST_COUNTED:
            documents = sum(self.index.split(name).documents(wanted) for name in counts)
        hits = self._occurrences(self.index.find(wanted, limit, split), wanted)
        return Found(self._said(wanted), list(ids), count, documents, counts, hits)

    def longest(self, text: str, limit: int = 10, split: str | None = None) -> Longest:
        """The longest matches within a document from each token of a text on.

        Args:
            limit: pieces that are listed, and occurrences of the longest; of the others one each.

        Raises SettingError for an empty text and an unknown split.
        """
        if not text:
            raise SettingError("text: is empty", remedy="Give a text, or a file that holds one.")
        ids = np.array(self.tokenizer.encode(text), np.int64)
        lengths = np.zeros(len(ids), np.int64)
        for each in self._splits(split):
            lengths = np.maximum(lengths, each.matches([ids])[0].lengths)
        places = token_ends(self.tokenizer, text)
        starts, ends = [start for start, _ in places], [end for _, end in places]
        pieces: list[Piece] = []
        for start in _apart(lengths, limit):
            stop = start + int(lengths[start])
            found = self.tokens(ids[start:stop].tolist(), 1 if pieces else limit, split)
            pieces.append(Piece(starts[start], ends[stop - 1], found))
        covered = Matches(lengths, lengths).covered(_LONG_RUN)
        return Longest(len(ids), starts, lengths.tolist(), covered, _LONG_RUN, pieces)

    def _splits(self, split: str | None) -> list[SplitNgrams]:
        return list(self.index.splits.values()) if split is None else [self.index.split(split)]

    # ------------------------------------------------------------------------------ what is told of a hit
    def _occurrences(self, hits: Sequence[Hit], wanted: Ids) -> list[Occurrence]:
        found = []
        columns = ["token_start", "token_end", "byte_start", "byte_end", "id", "part"]
        rows: list[dict[str, Any] | None] = []
        for split, own in groupby(hits, key=lambda hit: hit.split):
            rows += provenance_rows(self.index.shards, split, [hit.place for hit in own], columns)
        for hit, row in zip(hits, rows, strict=True):
            sequence = self.index.shards.split(hit.split).sequence(hit.sequence).astype(np.int64)
            start, end = self._bytes_of(hit, row, sequence, len(wanted)) if row else (None, None)
            stop = hit.offset + len(wanted)
            inner = len(sequence) - 1 if stop < len(sequence) else stop
            found.append(
                Occurrence(
                    hit.origin.id,
                    hit.origin.source,
                    hit.origin.licence,
                    hit.split,
                    hit.sequence,
                    hit.offset,
                    hit.origin.shard,
                    hit.origin.token,
                    start,
                    end,
                    self._said(sequence[max(0, hit.offset - _AROUND_TOKENS) : hit.offset])[-_AROUND:],
                    self._said(wanted),
                    self._said(sequence[stop:inner][:_AROUND_TOKENS])[:_AROUND],
                )
            )
        return found

    def _bytes_of(
        self, hit: Hit, row: dict[str, Any], sequence: Ids, count: int
    ) -> tuple[int, int] | tuple[None, None]:
        """Where so many tokens lie in the text of their document."""
        token = hit.origin.token
        if self._bytes is not None:
            # A row is a sequence: `verify` holds the two against each other.
            own = self._bytes[sequence]
            if hit.offset != token - row["token_start"] or own.sum() != row["byte_end"] - row["byte_start"]:
                return None, None
            start = int(row["byte_start"]) + int(own[: hit.offset].sum())
            return start, start + int(own[hit.offset : hit.offset + count].sum())
        try:
            _, text = find_document(self.run, row["part"], row["id"])
            start, _ = place_in_text(self.tokenizer, text, row, token)
            _, end = place_in_text(self.tokenizer, text, row, token + count - 1)
        except RunError:
            return None, None
        return start, end

    def _said(self, ids: Ids) -> str:
        """What ids spell; parts of characters at its ends are left out."""
        spelled = [self.tokenizer.spelled(number) for number in ids.tolist()]
        if all(part is not None for part in spelled):
            return b"".join(part for part in spelled if part is not None).decode("utf-8", "ignore")
        known = [number for number in ids.tolist() if self.tokenizer.spelling(number) is not None]
        return self.tokenizer.decode(known)


def _apart(lengths: Ids, most: int) -> list[int]:
    """Where the longest matches begin, the longest first; one that overlaps a longer one is left out."""
    order = np.argsort(-lengths, kind="stable")
    taken = np.zeros(len(lengths), bool)
    chosen: list[int] = []
    for start in order.tolist():
        length = int(lengths[start])
        if not length or len(chosen) == most:
            break
        if not taken[start : start + length].any():
            taken[start : start + length] = True
            chosen.append(start)
    return chosen
