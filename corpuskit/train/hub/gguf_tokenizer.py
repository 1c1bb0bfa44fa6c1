"""A tokenizer.json as the vocabulary of a GGUF file, whose readers cut text by rules that have names.

llama.cpp holds each rule as code and finds it by the name in tokenizer.ggml.pre. A name is given where the
rule of the file is the same, character by character, and nowhere else (read in src/llama-vocab.cpp and
src/unicode.cpp of llama.cpp; `benchmarks.gguf` compares ids with it).

    text -> [added tokens that are no special ones] -> pattern -> merges -> ids
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from corpuskit.errors import SettingError
from corpuskit.tokenizer.byte_level import byte_alphabet
from corpuskit.tokenizer.special import END_OF_TURN, PAD, PATTERNS
from corpuskit.tokenizer.tokenizer import Tokenizer

NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5
"""Types of tokens in GGUF: text, special, added but found in text, and an id that no token has."""

_LLAMA3, _GPT2 = PATTERNS["llama3"], PATTERNS["gpt2"]

NAMES = {
    _LLAMA3: "smaug-bpe",
    PATTERNS["cl100k"]: "smaug-bpe",
    _GPT2: "gpt-2",
    PATTERNS["qwen2"]: "qwen2",
    PATTERNS["qwen3.5"]: "qwen35",
}
"""Patterns and their names. Llama 3's own name says too that a word that is a token is taken whole, whatever
the merges would make of it; another name of the same pattern does not."""

_WHOLE_WORDS = {_LLAMA3: "llama-bpe"}
"""Names that say so, for a tokenizer with `ignore_merges`."""

_SPELLINGS = {
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+": _GPT2,
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)": _GPT2,
}
"""Other spellings of a pattern."""

O200K = PATTERNS["o200k"]
"""GPT-4o's pattern. llama.cpp means it by `gpt-4o`, whose code does otherwise: it takes marks for no part of
a word (29 of the 1,000 texts of `benchmarks.gguf` have other ids), letters beyond ASCII for both small and
capital. `granite-embed-multi-97m` knows marks, and no more of capitals. So it has no name here."""

_DIGITS = "smollm"
"""Each digit by itself, then GPT-2's pattern."""

_NEVER = "\u2581 \u2581"
"""A merge of what no byte is written as: a file must have one."""


@dataclass(frozen=True)
class Vocabulary:
    """What a GGUF file says of a tokenizer.

    Attributes:
        pre: the name of the rule by which text is cut.
        tokens, types: of each id; text in the letters that stand for bytes, added tokens as they are.
        merges: the two halves with a blank between them, first those that are done first.
        begin, end: the id that begins and ends a text.
        end_of_turn, pad: ids, where the tokenizer has such tokens.
        remarks: what its readers do otherwise, in sentences.
    """

    pre: str
    tokens: list[str]
    types: list[int]
    merges: list[str]
    begin: int
    end: int
    end_of_turn: int | None
    pad: int | None
    remarks: tuple[str, ...]


def vocabulary(tokenizer: Tokenizer, rows: int) -> Vocabulary:
    """The vocabulary of a tokenizer, for a model with so many rows.

    Raises SettingError, naming the rule, for a tokenizer that cuts text as no name of GGUF says.
    """
    document = json.loads(tokenizer.data)
    faults = [*_faults(document)]
    pre = None if faults else _name(document)
    if pre is None:
        faults = faults or [_rule(document)]
        raise SettingError(
            f"tokenizer.json cuts text by a rule that GGUF has no name for: {'; '.join(faults)}",
            remedy="Its readers would cut text otherwise. Known are byte-level ones with the pattern of "
            f"{', '.join(name for name, pattern in PATTERNS.items() if pattern in NAMES)} or SmolLM: "
            "use --to hf, or train with one of these.",
        )
    tokens, types = _tokens(document, rows)
    merges = [each if isinstance(each, str) else " ".join(each) for each in document["model"]["merges"]]
    special = {tokens[number]: number for number in tokenizer.special_ids() if number < rows}
    return Vocabulary(
        pre,
        tokens,
        types,
        merges or [_NEVER],
        tokenizer.end_of_text,
        tokenizer.end_of_text,
        special.get(END_OF_TURN),
        special.get(PAD),
        tuple(_remarks(document)),
    )


def _tokens(document: Mapping[str, Any], rows: int) -> tuple[list[str], list[int]]:
    tokens, types = [""] * rows, [UNUSED] * rows
    for token, number in document["model"]["vocab"].items():
        if number < rows:
            tokens[number], types[number] = token, NORMAL
    for entry in document.get("added_tokens", []):
        if entry["id"] < rows:
            kind = CONTROL if entry.get("special") else USER_DEFINED
            tokens[entry["id"]], types[entry["id"]] = entry["content"], kind
    known = set(tokens)
    for number, token in enumerate(tokens):
        if not token:  # A name that no token has: readers find tokens by theirs.
            name = f"[PAD{number}]"
            while name in known:
                name = f"[{name}]"
            tokens[number] = name
    return tokens, types


def _faults(document: Mapping[str, Any]) -> Iterator[str]:
    """What of a tokenizer.json GGUF cannot say."""
    model = document["model"]
    if model.get("type", "BPE") != "BPE":
        yield f"its model is {model['type']}, not a byte-level BPE"
        return
    if model.get("byte_fallback") or byte_alphabet().keys() - model["vocab"].keys():
        yield "its vocabulary does not have all bytes, as a byte-level one has"
    for name in ("continuing_subword_prefix", "end_of_word_suffix", "unk_token"):
        if model.get(name):
            yield f"{name} = {model[name]!r}"
    normalizer = document.get("normalizer")
    if normalizer is not None and normalizer.get("type") != "NFC":
        yield f"its normalizer is {normalizer.get('type')}"
    for token in document.get("added_tokens", []):
        flags = [name for name in ("lstrip", "rstrip", "single_word") if token.get(name)]
        if flags and not token.get("special"):
            yield f"the added token {token['content']!r} is found with {', '.join(flags)}"


def _name(document: Mapping[str, Any]) -> str | None:
    """The name of the rule, None where it has none."""
    steps = _steps(document)
    *before, last = steps or [{}]
    if last.get("type") != "ByteLevel" or last.get("add_prefix_space"):
        return None
    whole_words = bool(document["model"].get("ignore_merges"))
    if not last.get("use_regex", True):
        if len(before) != 1:
            return None
        split = before[0]
        pattern = (split.get("pattern") or {}).get("Regex", "")
        if split.get("type") != "Split" or split.get("behavior") != "Isolated" or split.get("invert"):
            return None
        pattern = _SPELLINGS.get(pattern, pattern)
        return (_WHOLE_WORDS if whole_words else NAMES).get(pattern)
    if whole_words or len(before) > 1:
        return None
    if not before:
        return NAMES[_GPT2]
    return _DIGITS if before[0] == {"type": "Digits", "individual_digits": True} else None


def _steps(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    first = document.get("pre_tokenizer") or {}
    return list(first.get("pretokenizers", [first]))


def _rule(document: Mapping[str, Any]) -> str:
    """The rule in words, as it stands in the file."""
    rule = json.dumps(_steps(document), ensure_ascii=False)
    if document["model"].get("ignore_merges"):
        rule += " with ignore_merges"
    rule = rule if len(rule) <= 600 else f"{rule[:600]}..."
    if any((step.get("pattern") or {}).get("Regex") == O200K for step in _steps(document)):
        rule += (
            "; that is o200k's, and what llama.cpp calls gpt-4o is not the same: it parts combining marks "
            "from their letters, and knows capitals of ASCII alone"
        )
    return rule


def _remarks(document: Mapping[str, Any]) -> Iterator[str]:
    if document.get("normalizer") is not None:
        yield "The tokenizer brings text into the form NFC, readers of GGUF do not: give them such text."
