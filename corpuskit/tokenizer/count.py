"""Pretokens of texts, counted while the texts pass: all that training a byte-pair encoding needs of them.

The engine cuts texts as the published regular expressions of `corpuskit.tokenizer.special` do
(``native/engine/bpe/pretokens.hpp``), which tests compare with Hugging Face's on every kind of character. The
classes of letters are those of the version of ``tokenizers`` that `native/tables/pretokens.py` was run with.
Memory does not grow with the texts: counts that grow beyond a bound are written to disk, in the order of
their bytes, and joined range by range.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from corpuskit import _native
from corpuskit.documents.columns import from_engine, to_engine
from corpuskit.documents.memory import give_memory_back
from corpuskit.documents.texts import in_batches, whole_text
from corpuskit.tokenizer.patterns import SCANNERS, is_published, splitter

COUNTS = 1
"""Version of what is counted: raised when a text would give other pretokens than before."""

_BATCH_CHARACTERS = 2**20
"""About as much text is given to the engine at a time."""

SPILL_BYTES = 64 * 2**20
"""Counts that take more memory are written to disk."""

_RANGES = 16
"""Ranges of words that are joined one after the other."""

_SCHEMA = pa.schema([pa.field("word", pa.large_string()), pa.field("count", pa.int64())])


class Counted(NamedTuple):
    """Pretokens and how often each came, in the order of their bytes.

    Attributes:
        words: each once, as bytes.
        counts: int64 of shape (words,), each 1 at least.
    """

    words: pa.LargeBinaryArray
    counts: npt.NDArray[np.int64]


class PretokenCounter:
    """Counts the pretokens of texts that come one after the other.

    >>> counter = PretokenCounter("llama3")
    >>> counter.add(["one fish, two fish"])
    >>> words, counts = counter.take()
    >>> dict(zip(words.to_pylist(), counts.tolist()))
    {b' fish': 2, b' two': 1, b',': 1, b'one': 1}

    Args:
        pattern: a name of `special.PATTERNS`, or a regular expression.
        digits: that stand together at most; as many as the pattern says by default.
        threads: that count at once; what is counted does not depend on it.
        folder: where counts are spilled that take more than `SPILL_BYTES`; kept in memory without it.
    """

    def __init__(
        self, pattern: str, digits: int | None = None, *, threads: int = 1, folder: Path | None = None
    ) -> None:
        self._split: Any = None if is_published(pattern) else splitter(pattern)
        threads = threads if self._split is None else 1
        scanner = SCANNERS.get(pattern, 0)
        self._counters = [_native.PretokenCounter(scanner, digits or 0) for _ in range(threads)]
        self._folder, self._spill = folder, None if folder is None else _Spill(folder)

    @property
    def bytes(self) -> int:
        """Bytes of memory that the counts take."""
        return sum(counter.bytes for counter in self._counters)

    def add(self, texts: pa.LargeStringArray | Iterable[str], owner: str = "PretokenCounter.add") -> None:
        """Count the pretokens of more texts; none lies across two of them.

        Args:
            owner: what the message calls the function that was given the texts.

        Raises:
            InputError: one of them holds half of a surrogate pair.
        """
        if self._split is not None:
            given = texts.to_pylist() if isinstance(texts, pa.Array) else texts
            self._add_own(whole_text(owner, number, text) for number, text in enumerate(given))
        elif isinstance(texts, pa.Array):
            self._counters[0].add(to_engine(texts, "texts"))
            self._spill_if_large()
        elif len(self._counters) == 1:
            for number, batch in _numbered(texts):
                _add(self._counters[0], owner, number, batch)
                self._spill_if_large()
        else:
            self._add_at_once(texts, owner)

    def add_counted(self, counted: Counted) -> None:
        """Count what another counter has counted."""
        words = counted.words.cast(pa.large_string(), safe=False)
        counts = np.ascontiguousarray(counted.counts, np.int64)
        self._counters[0].add_counted(to_engine(words, "words"), counts)
        self._spill_if_large()

    def take(self) -> Counted:
        """What was counted; the counter is empty afterwards."""
        for other in self._counters[1:]:
            # Joined in memory only where none of it had to be spilled.
            if self._spill is None or not self._spill.used:
                self._counters[0].take_from(other)
            else:
                self._spill.add(_take(other))
        if self._spill is None or not self._spill.used:
            return _take(self._counters[0])
        self._spill.add(_take(self._counters[0]))
        joined = list(self._spill.joined())
        self._spill = _Spill(self._spill.folder)
        words = pa.concat_arrays([counted.words for counted in joined])
        whole = Counted(words, np.concatenate([counted.counts for counted in joined]))
        del joined
        give_memory_back()
        return whole

    def _add_at_once(self, texts: Iterable[str], owner: str) -> None:
        """Count in several threads: each takes a counter and the next batch, and none waits for another."""
        free: SimpleQueue[_native.PretokenCounter] = SimpleQueue()
        for counter in self._counters:
            free.put(counter)

        def add(number: int, batch: list[str]) -> int:
            """Returns how much memory the counter has taken by it."""
            counter = free.get()
            try:
                before = counter.bytes
                _add(counter, owner, number, batch)
                return counter.bytes - before
            finally:
                free.put(counter)

        held = self.bytes
        with ThreadPoolExecutor(len(self._counters)) as pool:
            under_way: deque[Future[int]] = deque()
            for number, batch in _numbered(texts):
                under_way.append(pool.submit(add, number, batch))
                # One waits for each thread, so that memory does not grow with the texts.
                if len(under_way) > 2 * len(self._counters):
                    held += under_way.popleft().result()
                if self._spill is not None and held > SPILL_BYTES:
                    held += sum(future.result() for future in under_way)
                    under_way.clear()
                    self._spill_if_large()
                    held = self.bytes
            for future in under_way:
                future.result()
        self._spill_if_large()

    def _add_own(self, texts: Iterable[str]) -> None:
        for text in texts:
            found = Counter(piece for piece, _ in self._split.pre_tokenize_str(text))
            words = pa.array(found, pa.large_string()).cast(pa.large_binary())
            self.add_counted(Counted(words, np.fromiter(found.values(), np.int64, len(found))))

    def _spill_if_large(self) -> None:
        if self._spill is not None and self.bytes > SPILL_BYTES:
            for counter in self._counters:
                self._spill.add(_take(counter))


class _Spill:
    """Counts on disk, in files of ranges of words; a word may stand in its range several times."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.used = folder, False
        self._borders: list[bytes] = []
        # One of the same folder may be under way; what is left when it goes is nobody's.
        self._place: TemporaryDirectory[str] | None = None

    def add(self, counted: Counted) -> None:
        """Write what was counted. The ranges are those that part the words of the first call evenly."""
        words = counted.words
        if not len(words):
            return
        if self._place is None:
            self._place, self.used = TemporaryDirectory(dir=self.folder, prefix="counts-"), True
            places = [len(words) * number // _RANGES for number in range(1, _RANGES)]
            self._borders = [words[place].as_py() for place in places]
        cuts = [bisect_left(_Words(words), border) for border in self._borders]
        table = pa.record_batch([words.cast(pa.large_string(), safe=False), counted.counts], schema=_SCHEMA)
        for number, (first, last) in enumerate(pairwise([0, *cuts, len(words)])):
            if first < last:
                # A file for each: a stream of Arrow cannot be gone on with.
                path = Path(self._place.name, f"{number:02d}-{len(list(self._files(number))):06d}")
                with path.open("wb") as file, pa.ipc.new_stream(file, _SCHEMA) as writer:
                    writer.write_batch(table.slice(first, last - first))
        give_memory_back()

    def joined(self) -> Iterator[Counted]:
        """All counts, range by range; the files are gone when it ends."""
        assert self._place is not None
        with self._place:
            for number in range(_RANGES):
                counter = _native.PretokenCounter(0)
                for path in self._files(number):
                    with path.open("rb") as file, pa.ipc.open_stream(file) as reader:
                        for batch in reader:
                            counts = batch.column(1).to_numpy()
                            counter.add_counted(to_engine(batch.column(0), "words"), counts)
                yield _take(counter)

    def _files(self, number: int) -> Iterator[Path]:
        assert self._place is not None
        return iter(sorted(Path(self._place.name).glob(f"{number:02d}-*")))


class _Words(Sequence[bytes]):
    """Words of an Arrow column for `bisect`, which looks at few of them."""

    def __init__(self, words: pa.LargeBinaryArray) -> None:
        self._words = words

    def __len__(self) -> int:
        return len(self._words)

    def __getitem__(self, number: int) -> bytes:  # type: ignore[override]
        return bytes(self._words[number].as_py())


def pretokens(text: str, pattern: str, digits: int | None = None) -> list[bytes]:
    """The pretokens of a text, by the engine.

    >>> pretokens("It's 2024!", "llama3")
    [b'It', b"'s", b' ', b'202', b'4', b'!']
    """
    raw = text.encode()
    ends = [0, *_native.pretoken_ends(SCANNERS[pattern], raw, digits or 0).tolist()]
    return [raw[first:last] for first, last in pairwise(ends)]


def _numbered(texts: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Batches of texts, each with the number of its first text."""
    number = 0
    for batch in in_batches(texts, _BATCH_CHARACTERS):
        yield number, batch
        number += len(batch)


def _add(counter: _native.PretokenCounter, owner: str, number: int, batch: list[str]) -> None:
    """Count a batch of texts that begins with one of this number."""
    try:
        counter.add_strings(batch)
    except ValueError:
        for place, text in enumerate(batch, number):
            whole_text(owner, place, text)
        raise


def _take(counter: _native.PretokenCounter) -> Counted:
    words, counts = counter.take()
    return Counted(from_engine(words).cast(pa.large_binary()), counts)
