"""What turns texts into ids: a fast engine where it gives the ids of ``tokenizers``, else ``tokenizers``.

The fast engine is this package's, or ``fastokens`` for what that cannot do. ``tokenizers`` is the judge: the
first texts of a process are encoded by it; with them, and with some two thousand odd ones, the fast engine
must give the same ids before it is used at all, and about one piece in a thousand, of a long one a part, is
compared from then on. So what is made does not depend on the engine, only the time that it takes.

Of several processes one judges (`Encoder.share`): the others begin with the fast engine, and ask for the
verdict before what they have made gets a name (`Encoder.settle`).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import tokenizers

from corpuskit.errors import EncodingError
from corpuskit.tokenizer.cuts import safe_border
from corpuskit.tokenizer.engines.engines import Engine, Fast, Flat, Reference
from corpuskit.tokenizer.engines.native import Native
from corpuskit.tokenizer.engines.verdicts import Verdict, Verdicts
from corpuskit.tokenizer.odd_texts import odd_texts

SAMPLE_BYTES = 2**18
"""So much of a user's own text both engines must encode alike before the fast one is used."""

COMPARED_EVERY = 1024
"""Of the pieces that the fast engine encodes, one in so many is encoded by both."""

_COMPARED_PART = 2**11
"""Characters of a long text that are compared, to the next place where it may be cut."""

_STRIDE = 0x9E3779B1
"""Makes the places of parts look drawn by lot."""

_COMPARED_CHARACTERS = 2**17
"""Longer pieces are not compared: ``tokenizers`` takes hundreds of times their size, and its time."""

_PIECE_TOKENS = 2**13
"""Of a text that was not cut, so many count as a piece."""

# Alone, `tokenizers` holds some 100 times the text; the fast ones ten times at most, and want long calls.
_REFERENCE_BYTES, _FAST_BYTES = 2**17, 2**20

_KEPT = 2
"""Engines of so many tokenizers stay in a process: what is dropped of `fastokens` it does not give back."""

_Texts: TypeAlias = Sequence[str] | pa.Array

_Sample = list[tuple[Sequence[str], Flat]]
"""Texts with the ids that one engine gave."""

_Found = tuple[Sequence[str], Flat, Flat]
"""Texts with the ids of the fast engine, and those of the judge."""


@dataclass
class Encoder:
    """Encodes by the reference at first, then by the fast engine if it gives the same ids.

    Attributes:
        document: the tokenizer.json; None when it is known what encodes.
        why: why the fast engine is not used, as a phrase; empty while it may be.
        compared: pieces that both engines encoded, the odd texts not counted.
    """

    model: tokenizers.Tokenizer
    document: Mapping[str, Any] | None
    vocab_size: int
    why: str = ""
    compared: int = 0
    _fast: Engine | None = None
    _unjudged: bool = False  # The fast engine encodes, and another process judges it.
    _verdicts: Verdicts | None = None
    _sample: _Sample = field(default_factory=list)
    _sampled: int = 0
    _looked: int = 0
    _judges: bool = False  # It has said that it does, and has no verdict yet.
    _due: int = field(default_factory=lambda: COMPARED_EVERY)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        self._reference = Reference(self.model)
        assert self.document is not None
        self._border = safe_border(self.document)
        self._spelled = [token["content"] for token in self.document.get("added_tokens", [])][:64]

    @property
    def name(self) -> str:
        """The engine that encodes now, and its version."""
        return (self._fast or self._reference).name

    @property
    def batch_bytes(self) -> int:
        """About as much text is best given at a time."""
        return _FAST_BYTES if self._fast is not None else _REFERENCE_BYTES

    @property
    def whole_bytes(self) -> int:
        """Texts of a column that have no more bytes need not be cut."""
        return (self._fast or self._reference).whole_bytes

    def use_reference(self, why: str) -> None:
        """Encode by ``tokenizers`` from now on."""
        self.document = None
        self.why, self._fast, self._unjudged, self._sample = why, None, False, []

    def share(self, verdicts: Verdicts) -> None:
        """Take part in judging the engine once on a machine; whoever does so calls `settle`, too.

        Where a verdict is there, it counts. Else the first to ask judges, as without others; who comes later
        encodes by the fast engine at once.
        """
        with self._lock:
            self._verdicts = verdicts
            found = None if self.why else verdicts.find()
            if found is not None and found.why:
                self.use_reference(found.why)
            elif self._fast is None and not self.why and not self._sample:
                self._judges = found is None and verdicts.begin()
                self._unjudged = found is None and not self._judges
                if found is not None or self._unjudged:
                    self._begin_fast()

    def settle(self) -> None:
        """Raise EncodingError unless what the fast engine has encoded so far is in no doubt, as `encode`.

        Where no other process has judged, this one does, by what it has encoded itself. Who was to judge and
        has not met enough text lets the others know.
        """
        with self._lock:
            if self._judges:
                assert self._verdicts is not None
                self._verdicts.give_up()  # It may still come to a verdict, with what it encodes later.
                self._judges = False
            if not self._unjudged:
                return
            assert self._verdicts is not None
            enough = self._sampled >= SAMPLE_BYTES
            found = self._verdicts.wait() if enough else self._verdicts.find()
            if found is None:
                wrong = self._wrong_so_far()
                if wrong is None and not enough:
                    return  # It is right in all that there was; that is not enough for what follows.
                self._verdicts.record(found := Verdict(wrong or ""))
            if found.why:
                raise self._differs(found.why)
            self._unjudged, self._sample = False, []

    def _wrong_so_far(self) -> str | None:
        """What the fast engine has encoded otherwise, of what is kept and was not looked at before."""
        assert self._fast is not None
        fast, judge, fresh = self._fast, self._reference, self._sample[self._looked :]
        made = ((texts, ids, judge.encode(texts)) for texts, ids in fresh)
        wrong = self._wrong(fast, judge, made, odd=self._looked == 0)
        self._looked = len(self._sample)
        self.compared += sum(len(texts) for texts, _ in fresh)
        return wrong

    def encode(self, texts: _Texts) -> Flat:
        """The ids of texts, or of a column of strings.

        Raises TypeError or UnicodeEncodeError for what is no Unicode text, EncodingError where the fast
        engine is found to differ after all: what it gave before is in doubt. Called again, the reference
        encodes.
        """
        fast = self._fast
        if fast is not None:
            try:
                found = _encode(fast, texts)
            except ValueError as error:
                if isinstance(error, UnicodeError):
                    raise
                raise self._differs(f"{fast.name} {error}") from error
            if self._unjudged:
                with self._lock:
                    self._keep(texts, found)
            self._compare(texts, found)
            return found
        found = _encode(self._reference, texts)
        if not self.why:
            with self._lock:
                self._learn(texts, found)
        return found

    def _learn(self, texts: _Texts, found: Flat) -> None:
        """Keep the first texts and their ids, and judge the fast engine by them when they are enough."""
        if self._fast is not None or self.why:
            return  # Another thread was first.
        self._keep(texts, found)
        if self._sampled >= SAMPLE_BYTES:
            self._begin_fast(self._sample)
            self._sample = []
            if self._verdicts is not None:
                self._verdicts.record(Verdict(self.why))
                self._judges = False

    def _keep(self, texts: _Texts, found: Flat) -> None:
        """Keep texts and their ids until they are enough to judge by."""
        kept = list[str]()
        while len(kept) < len(texts) and self._sampled < SAMPLE_BYTES:
            kept.append(_text(texts, len(kept)))
            self._sampled += len(kept[-1])
        if kept:
            self._sample.append((kept, found.first(len(kept))))

    def _begin_fast(self, sample: _Sample | None = None) -> None:
        """Use a fast engine, if it is there and gives the ids of a sample; without one it is not judged."""
        try:
            assert self.document is not None
            fast = _fast_engine(self.document, self.vocab_size)
        except ImportError:
            self.use_reference("fastokens is not installed")
            return
        except (ValueError, KeyError) as error:
            self.use_reference(_cannot("fastokens", error))
            return
        judge = self._reference
        found = ((texts, fast.encode(texts), ids) for texts, ids in sample or ())
        wrong = None if sample is None else self._wrong(fast, judge, found)
        if wrong is not None:
            self.use_reference(wrong)
        else:
            self._fast, self.document = fast, None
            self.compared = sum(len(texts) for texts, _ in sample or ())

    def _wrong(self, fast: Engine, judge: Engine, found: Iterable[_Found], *, odd: bool = True) -> str | None:
        """What the fast engine does otherwise than the judge: of texts given, and of the odd ones."""
        tried = odd_texts(self._spelled) if odd else []
        try:
            for texts, ids, expected in ((tried, fast.encode(tried), judge.encode(tried)), *found):
                if (different := _first_different(texts, ids, expected)) is not None:
                    return f"{fast.name} encodes {different[:40]!r} otherwise than {judge.name}"
        except (ValueError, KeyError) as error:
            return _cannot(fast.name, error)
        return None

    def _compare(self, texts: _Texts, found: Flat) -> None:
        """Encode one piece in `COMPARED_EVERY` by the reference too."""
        pieces = np.cumsum(np.maximum(np.diff(found.ends, prepend=0) // _PIECE_TOKENS, 1))
        if not len(pieces) or self._due > pieces[-1]:
            self._due -= int(pieces[-1]) if len(pieces) else 0
            return
        # The text that is due, or the next of which a part can be compared.
        for index in range(int(np.searchsorted(pieces, self._due)), len(texts)):
            whole, ids = _text(texts, index), found.of(index)
            if (part := self._part(whole)) is None:
                continue
            self._due = COMPARED_EVERY
            self.compared += 1
            expected = self._reference.encode([part]).ids
            if not (np.array_equal(expected, ids) if part == whole else _holds(ids, expected)):
                raise self._differs(f"{self.name} encodes {part[:40]!r}... otherwise than {Reference.name}")
            return

    def _part(self, text: str) -> str | None:
        """What is compared of a text, which has ids of its own: of a long one a part, elsewhere each time.

        None where it would be too long.
        """
        if self._border is not None and len(text) > 2 * _COMPARED_PART:
            place = self.compared * _STRIDE % len(text)
            begin = self._border.search(text, place) if place >= _COMPARED_PART else None
            start = begin.start() if begin is not None else 0
            end = self._border.search(text, start + _COMPARED_PART)
            text = text[start : end.start() if end is not None else len(text)]
        return text if len(text) <= _COMPARED_CHARACTERS else None

    def _differs(self, wrong: str) -> EncodingError:
        """Let nobody use the fast engine any more, and say why."""
        with self._lock:
            if self._verdicts is not None:
                self._verdicts.record(Verdict(wrong))
            self.use_reference(wrong)
        return EncodingError(
            f"{wrong}: what it has encoded in this process is in doubt",
            remedy=f"Call again: {Reference.name} encodes from now on. And report it.",
        )


def _fast_engine(document: Mapping[str, Any], vocab_size: int) -> Engine:
    """This package's, or else ``fastokens``, which knows more patterns and other kinds of model."""
    try:
        return Native(document)
    except (ValueError, KeyError):
        return Fast(document, vocab_size)


def _encode(engine: Engine, texts: _Texts) -> Flat:
    return engine.encode_column(texts) if isinstance(texts, pa.Array) else engine.encode(texts)


def _holds(ids: npt.NDArray[np.uint32], part: npt.NDArray[np.uint32]) -> bool:
    """Whether ids stand one behind the other among others."""
    line, wanted = ids.tobytes(), part.astype(ids.dtype).tobytes()
    at = line.find(wanted)
    while at % ids.itemsize and at >= 0:
        at = line.find(wanted, at + 1)
    return at >= 0


def _text(texts: _Texts, index: int) -> str:
    return str(texts[index].as_py() if isinstance(texts, pa.Array) else texts[index])


def _cannot(name: str, error: Exception) -> str:
    return f"{name} cannot do this tokenizer: {' '.join(str(error).split())[:200]}"


def _first_different(texts: Sequence[str], found: Flat, expected: Flat) -> str | None:
    if np.array_equal(found.ends, expected.ends) and np.array_equal(found.ids, expected.ids):
        return None
    pairs = (not np.array_equal(found.of(i), expected.of(i)) for i in range(len(texts)))
    return texts[next(i for i, differs in enumerate(pairs) if differs)]


_ENCODERS: OrderedDict[str, Encoder] = OrderedDict()
_ENCODERS_LOCK = threading.Lock()


def encoder_of(
    model: tokenizers.Tokenizer, document: Mapping[str, Any], sha256: str, vocab_size: int
) -> Encoder:
    """The encoder of a tokenizer.json: one for all that read the same file in this process."""
    with _ENCODERS_LOCK:
        found = _ENCODERS.pop(sha256, None) or Encoder(model, document, vocab_size)
        _ENCODERS[sha256] = found
        if len(_ENCODERS) > _KEPT:
            _ENCODERS.popitem(last=False)
        return found
