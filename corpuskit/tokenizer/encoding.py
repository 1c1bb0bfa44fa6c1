"""What turns texts into ids: ``fastokens`` where it gives the ids of ``tokenizers``, else ``tokenizers``.

``tokenizers`` is the judge. The first texts of a process are encoded by it; with them, and with some two
thousand odd ones, the fast engine must give the same ids before it is used at all, and about one piece in a
thousand is compared from then on. So what is made does not depend on the engine, only the time that it takes.
"""

from __future__ import annotations

import json
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import tokenizers

from corpuskit.errors import EncodingError
from corpuskit.tokenizer import special
from corpuskit.tokenizer.cuts import split_pattern
from corpuskit.tokenizer.odd_texts import odd_texts

SAMPLE_BYTES = 2**18
"""So much of a user's own text both engines must encode alike before the fast one is used."""

COMPARED_EVERY = 1024
"""Of the pieces that the fast engine encodes, one in so many is encoded by both."""

_COMPARED_CHARACTERS = 2**17
"""Longer pieces are not compared: ``tokenizers`` takes hundreds of times their size, and its time."""

# Alone, `tokenizers` holds some 100 times the text; the fast engine ten times, and wants long calls.
_REFERENCE_BYTES, _FAST_BYTES = 2**17, 2**20

# `fastokens` knows some patterns by heart; these are given to it as what cuts every text alike.
_CUTS_ALIKE = {special.PATTERNS["cl100k"]: special.PATTERNS["llama3"]}

_LONGEST_TOKEN = 2**12
"""To read a longer one takes `fastokens` the square of its characters: minutes for 100,000 (0.3.5)."""

_KEPT = 2
"""Engines of so many tokenizers stay in a process: what is dropped of `fastokens` it does not give back."""


class Flat(NamedTuple):
    """Ids of some texts, one after the other.

    Attributes:
        ids: (tokens,), uint32.
        ends: (texts,), int64: text i has the ids [ends[i - 1], ends[i]).
    """

    ids: npt.NDArray[np.uint32]
    ends: npt.NDArray[np.int64]

    def of(self, index: int) -> npt.NDArray[np.uint32]:
        """The ids of one text."""
        return self.ids[self.ends[index - 1] if index else 0 : self.ends[index]]


class Engine(Protocol):
    """Encodes texts, without special tokens: a text that spells one is text.

    Attributes:
        name: the library and its version.
    """

    name: str

    def encode(self, texts: Sequence[str]) -> Flat:
        """The ids of texts. Raises TypeError or UnicodeEncodeError for what is no Unicode text."""


class Reference:
    """``tokenizers`` itself."""

    name = f"tokenizers {tokenizers.__version__}"

    def __init__(self, model: tokenizers.Tokenizer) -> None:
        self._model = model

    def encode(self, texts: Sequence[str]) -> Flat:
        """See `Engine`; on all cores."""
        # "Fast" leaves offsets out, which no one asks for here.
        encodings = self._model.encode_batch_fast(list(texts), add_special_tokens=False)
        lines = [np.array(encoding.ids, np.uint32) for encoding in encodings]
        ends = np.cumsum([len(line) for line in lines], dtype=np.int64)
        return Flat(np.concatenate(lines) if lines else np.empty(0, np.uint32), ends)


class Fast:
    """``fastokens``, on one core where FASTOKENS_BPE_THREADS says nothing else when it first encodes.

    Its cache of pretokens, one a thread, stays below some 120 MB whatever it is given (measured, 0.3.5).
    """

    def __init__(self, document: Mapping[str, Any], vocab_size: int) -> None:
        """Raises ImportError where it is not installed, ValueError for a tokenizer that it cannot do."""
        # Builds have a worker for each core; two threads take twice the memory for half as much more speed.
        os.environ.setdefault("FASTOKENS_BPE_THREADS", "1")
        import fastokens

        longest = max(map(len, document["model"].get("vocab") or [""]))
        if longest > _LONGEST_TOKEN:
            raise ValueError(f"a token of {longest:,} characters")
        self.name = f"fastokens {_version('fastokens')}"
        known = json.dumps(_as_known(document), ensure_ascii=False)
        self._model = _calling(fastokens.Tokenizer.from_json_str, known)
        self._vocab_size = vocab_size

    def encode(self, texts: Sequence[str]) -> Flat:
        """See `Engine`."""
        ids, ends = _calling(self._model.encode_batch_flat, list(texts), False, True)
        found = Flat(np.frombuffer(ids, "<u4"), np.frombuffer(ends, "<u8")[1:].astype(np.int64))
        if len(found.ids) and int(found.ids.max()) >= self._vocab_size:
            raise ValueError(f"gave the id {int(found.ids.max())}, of {self._vocab_size}")
        return found


def _calling(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function of Rust gives; a panic of it is a ValueError, as its other errors are."""
    try:
        return function(*arguments)
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise ValueError(f"failed: {error}") from error


def _version(package: str) -> str:
    from importlib.metadata import version

    return version(package)


def _as_known(document: Mapping[str, Any]) -> dict[str, Any]:
    """The tokenizer.json as the fast engine does it best, and without lots, padding and truncation."""
    known = {**document, "truncation": None, "padding": None, "post_processor": None}
    known["model"] = {**document["model"], "dropout": None}
    pattern, steps = split_pattern(document), (document.get("pre_tokenizer") or {}).get("pretokenizers") or []
    # A Split by GPT-2's pattern before a ByteLevel without it is a ByteLevel with it.
    if [step.get("type") for step in steps] == ["Split", "ByteLevel"] and not steps[1].get("use_regex"):
        if pattern == special.PATTERNS["gpt2"]:
            known["pre_tokenizer"] = {**steps[1], "use_regex": True}
        elif pattern in _CUTS_ALIKE:
            split = {**steps[0], "pattern": {"Regex": _CUTS_ALIKE[pattern]}}
            known["pre_tokenizer"] = {**document["pre_tokenizer"], "pretokenizers": [split, steps[1]]}
    return known


@dataclass
class Encoder:
    """Encodes by the reference at first, then by the fast engine if it gives the same ids.

    Attributes:
        why: why the fast engine is not used, as a phrase; empty while it may be.
        compared: pieces that both engines encoded, the odd texts not counted.
    """

    model: tokenizers.Tokenizer
    document: Mapping[str, Any]
    vocab_size: int
    why: str = ""
    compared: int = 0
    _fast: Engine | None = None
    _sample: list[tuple[Sequence[str], Flat]] = field(default_factory=list)
    _sampled: int = 0
    _due: int = field(default_factory=lambda: COMPARED_EVERY)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._reference = Reference(self.model)

    @property
    def name(self) -> str:
        """The engine that encodes now, and its version."""
        return (self._fast or self._reference).name

    @property
    def batch_bytes(self) -> int:
        """About as much text is best given at a time."""
        return _FAST_BYTES if self._fast is not None else _REFERENCE_BYTES

    def use_reference(self, why: str) -> None:
        """Encode by ``tokenizers`` from now on."""
        self.why, self._fast, self._sample = why, None, []

    def encode(self, texts: Sequence[str]) -> Flat:
        """The ids of texts.

        Raises TypeError or UnicodeEncodeError for what is no Unicode text, EncodingError where the fast
        engine is found to differ after all: what it gave before is in doubt. Called again, the reference
        encodes.
        """
        fast = self._fast
        if fast is not None:
            try:
                found = fast.encode(texts)
            except ValueError as error:
                if isinstance(error, UnicodeEncodeError):
                    raise
                raise self._differs(str(error)) from error
            self._compare(texts, found)
            return found
        found = self._reference.encode(texts)
        if not self.why:
            with self._lock:
                self._learn(texts, found)
        return found

    def _learn(self, texts: Sequence[str], found: Flat) -> None:
        """Keep the first texts and their ids, and judge the fast engine by them when they are enough."""
        if self._fast is not None or self.why:
            return  # Another thread was first.
        self._sample.append((texts, found))
        self._sampled += sum(map(len, texts))
        if self._sampled >= SAMPLE_BYTES:
            sample, self._sample = self._sample, []
            self._judge(sample)

    def _judge(self, sample: Sequence[tuple[Sequence[str], Flat]]) -> None:
        """Use the fast engine if it encodes a sample, and the odd texts, as the reference does."""
        try:
            fast = Fast(self.document, self.vocab_size)
            spelled = [token["content"] for token in self.document.get("added_tokens", [])][:64]
            odd = odd_texts(spelled)
            for texts, expected in ((odd, self._reference.encode(odd)), *sample):
                if (different := _first_different(texts, fast.encode(texts), expected)) is not None:
                    self.use_reference(
                        f"{fast.name} encodes {different[:40]!r} otherwise than {Reference.name}"
                    )
                    return
        except ImportError:
            self.use_reference("fastokens is not installed")
        except (ValueError, KeyError) as error:
            self.use_reference(f"fastokens cannot do this tokenizer: {' '.join(str(error).split())[:200]}")
        else:
            self._fast, self.compared = fast, sum(len(texts) for texts, _ in sample)

    def _compare(self, texts: Sequence[str], found: Flat) -> None:
        """Encode one piece in `COMPARED_EVERY` by the reference too."""
        self._due -= len(texts)
        if self._due > 0:
            return
        # Its place in the batch: the one that is due, or the next that is not too long.
        first = max(0, len(texts) - 1 + self._due)
        index = next((i for i in range(first, len(texts)) if len(texts[i]) <= _COMPARED_CHARACTERS), None)
        if index is None:
            return
        self._due = COMPARED_EVERY
        self.compared += 1
        if not np.array_equal(self._reference.encode([texts[index]]).ids, found.of(index)):
            raise self._differs(f"encodes {texts[index][:40]!r}... otherwise than {Reference.name}")

    def _differs(self, what: str) -> EncodingError:
        name = self.name
        self.use_reference(f"{name} {what}")
        return EncodingError(
            f"{name} {what}: what it has encoded in this process is in doubt",
            remedy=f"Call again: {Reference.name} encodes from now on. And report it.",
        )


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
