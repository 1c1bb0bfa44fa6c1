"""From words that are cut to bytes: whole words with what stands between, and a border where they were."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from corpuskit.documents.words import fold_words
from corpuskit.stages.scans import Scans
from corpuskit.storage.spill import Records, runs

CUT_FIELDS = [(name, np.int64) for name in ("ordinal", "begin", "end", "left", "right")]
"""A cut: words ``begin`` to ``end`` of a document, and whether the marks beside them go, too."""


def cut_words(scans: Scans, chosen: Records, reason: str) -> None:
    """Cut words of documents; a document of which only white space would be left is dropped.

    Args:
        chosen: rows of `CUT_FIELDS`, in any order; those of a document must not overlap.
        reason: of the cuts; that of a drop is ``only_{reason}s``.
    """
    blocks = chosen.ascending("ordinal", scans.documents)
    rest: npt.NDArray[np.void] | None = next(blocks, None)
    for first, rows in scans.scores(["text"]):
        last = first + rows.num_rows
        while rest is not None and rest["ordinal"][0] < last:
            count = int(np.searchsorted(rest["ordinal"], last))
            for begin, end in runs(rest["ordinal"][:count]):
                ordinal = int(rest["ordinal"][begin])
                _cut_document(scans, ordinal, rows.column("text")[ordinal - first], rest[begin:end], reason)
            rest = rest[count:] if count < len(rest) else next(blocks, None)


def _cut_document(
    scans: Scans, ordinal: int, text: pa.Scalar, cuts: npt.NDArray[np.void], reason: str
) -> None:
    raw = text.as_py().encode()
    words = fold_words(pa.array([text.as_py()], pa.large_string())).spans
    wanted = cuts[["begin", "end", "left", "right"]].tolist()
    found = sorted(text_span(raw, words, begin, end, left, right) for begin, end, left, right in wanted)
    borders = [0, *(border for span in found for border in span), len(raw)]
    left = b"".join(raw[a:b] for a, b in zip(borders[::2], borders[1::2], strict=True))
    if not left.decode().strip():
        scans.drop(ordinal, f"only_{reason}s")
        return
    for start, end in found:
        scans.cut(ordinal, start, end, reason)


def text_span(
    raw: bytes, words: npt.NDArray[np.int64], begin: int, end: int, left: int = 0, right: int = 0
) -> tuple[int, int]:
    """The bytes to cut for words ``begin`` to ``end`` of a text.

    Marks beside the words go with them where ``left`` and ``right`` say that they repeat, too, and white
    space parts them from the words that stay. Of the white space before and behind, the one with more ends of
    lines stays: paragraphs are not run together. Nor are words: where nothing would part them, one that
    repeats stays.

    Args:
        raw: the text, UTF-8.
        words: first byte and end of each of its words, shape (words, 2).

    >>> raw, words = b"one (two three). four", np.array([[0, 3], [5, 8], [9, 14], [17, 21]])
    >>> text_span(raw, words, 1, 3), text_span(raw, words, 1, 3, True, True)
    ((5, 14), (4, 17))
    """
    start, stop = int(words[begin][0]), int(words[end - 1][1])
    before = int(words[begin - 1][1]) if begin else 0
    behind = int(words[end][0]) if end < len(words) else len(raw)
    if left:
        start = _left_border(raw, before, start, whole=begin == 0)
    if right:
        stop = _right_border(raw, stop, behind, whole=end == len(words))
    start, stop = _without_blanks(raw, before, start, stop, behind)
    if begin > 0 and end < len(words):
        return _parted(raw, words, begin, end, start, stop)
    return start, stop


def _left_border(raw: bytes, before: int, start: int, *, whole: bool) -> int:
    """Behind the first white space between the word before and the first that is cut."""
    gap = raw[before:start].decode()
    if whole:
        return before
    head = next((i for i, letter in enumerate(gap) if letter.isspace()), None)
    return start if head is None else start - len(gap[head:].lstrip().encode())


def _right_border(raw: bytes, stop: int, behind: int, *, whole: bool) -> int:
    """Before the last white space between the last word that is cut and the one behind."""
    gap = raw[stop:behind].decode()
    if whole:
        return behind
    tail = next((i for i in range(len(gap), 0, -1) if gap[i - 1].isspace()), None)
    return stop if tail is None else stop + len(gap[:tail].rstrip().encode())


def _without_blanks(raw: bytes, before: int, start: int, stop: int, behind: int) -> tuple[int, int]:
    """Cut the white space on one of both sides, too, where there is some on both or the text begins here."""
    left, right = raw[before:start].decode(), raw[stop:behind].decode()
    space_before = left[len(left.rstrip()) :]
    space_behind = right[: len(right) - len(right.lstrip())]
    if before + len(left.encode()) == len(space_before.encode()):  # The text begins here.
        return start, stop + len(space_behind.encode())
    if not space_before or not space_behind:
        return start, stop
    if space_behind.count("\n") > space_before.count("\n"):
        return start - len(space_before.encode()), stop
    return start, stop + len(space_behind.encode())


def _parted(
    raw: bytes, words: npt.NDArray[np.int64], begin: int, end: int, start: int, stop: int
) -> tuple[int, int]:
    """The cut, less one word where the words beside it would become one."""
    if raw[start - 1 : start].isspace() or raw[stop : stop + 1].isspace():
        return start, stop
    first, last = int(words[begin - 1][0]), int(words[end][1])
    choices = [(start, stop)]
    if end - begin > 1:
        choices += [(start, int(words[end - 1][0])), (int(words[begin][1]), stop)]
    for low, high in choices:
        kept = [raw[first:low].decode(), raw[high:last].decode()]
        ends = fold_words(pa.array([*kept, "".join(kept)], pa.large_string())).ends
        if ends[3] - ends[2] == ends[2]:
            return low, high
    return start, stop
