"""Engines of others that turn texts into ids: ``tokenizers``, the judge, and ``fastokens``, a faster one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import tokenizers

from corpuskit.documents.texts import PIECE_CHARACTERS
from corpuskit.tokenizer import special
from corpuskit.tokenizer.cuts import split_pattern

# `fastokens` knows some patterns by heart; these are given to it as what cuts every text alike.
_CUTS_ALIKE = {special.PATTERNS["cl100k"]: special.PATTERNS["llama3"]}

_LONGEST_TOKEN = 2**12
"""To read a longer one takes `fastokens` the square of its characters: minutes for 100,000 (0.3.5)."""


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

    def first(self, count: int) -> Flat:
        """Those of the first texts, at least one."""
        return Flat(self.ids[: self.ends[count - 1]], self.ends[:count])


class Engine(Protocol):
    """Encodes texts, without special tokens: a text that spells one is text.

    Attributes:
        name: the library and its version.
        whole_bytes: texts of a column that have no more bytes need not be cut.
    """

    name: str
    whole_bytes: int

    def encode(self, texts: Sequence[str]) -> Flat:
        """The ids of texts. Raises TypeError or UnicodeEncodeError for what is no Unicode text."""

    def encode_column(self, texts: pa.Array) -> Flat:
        """The same of a column of strings without nulls."""


class Reference:
    """``tokenizers`` itself."""

    name = f"tokenizers {tokenizers.__version__}"
    whole_bytes = PIECE_CHARACTERS

    def __init__(self, model: tokenizers.Tokenizer) -> None:
        self._model = model

    def encode(self, texts: Sequence[str]) -> Flat:
        """See `Engine`; on all cores."""
        # "Fast" leaves offsets out, which no one asks for here.
        encodings = self._model.encode_batch_fast(list(texts), add_special_tokens=False)
        lines = [np.array(encoding.ids, np.uint32) for encoding in encodings]
        ends = np.cumsum([len(line) for line in lines], dtype=np.int64)
        return Flat(np.concatenate(lines) if lines else np.empty(0, np.uint32), ends)

    def encode_column(self, texts: pa.Array) -> Flat:
        """See `Engine`."""
        return self.encode(texts.to_pylist())


class Fast:
    """``fastokens``, on one core where FASTOKENS_BPE_THREADS says nothing else when it first encodes.

    Its cache of pretokens, one a thread, stays below some 120 MB whatever it is given (measured, 0.3.5).
    """

    whole_bytes = PIECE_CHARACTERS

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
        self._model = calling(fastokens.Tokenizer.from_json_str, known)
        self._vocab_size = vocab_size

    def encode(self, texts: Sequence[str]) -> Flat:
        """See `Engine`."""
        ids, ends = calling(self._model.encode_batch_flat, list(texts), False, True)
        found = Flat(np.frombuffer(ids, "<u4"), np.frombuffer(ends, "<u8")[1:].astype(np.int64))
        if len(found.ids) and int(found.ids.max()) >= self._vocab_size:
            raise ValueError(f"gave the id {int(found.ids.max())}, of {self._vocab_size}")
        return found

    def encode_column(self, texts: pa.Array) -> Flat:
        """See `Engine`."""
        return self.encode(texts.to_pylist())


def calling(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function of a library of Rust gives; a panic of it is a ValueError: it is no `Exception`."""
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
