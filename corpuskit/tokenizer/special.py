"""Special tokens: ids 0 to 127 of every trained tokenizer, and the pattern that cuts text into pretokens.

Only the shard writer places special tokens. Text that spells one is encoded as the text that it is.
"""

from __future__ import annotations

RESERVED = 128
"""Ids that are kept for special tokens, so that roles and sentinels never need another vocabulary."""

END_OF_TEXT = "<|endoftext|>"
PAD, MASK, CLS, SEP = "<|pad|>", "<|mask|>", "<|cls|>", "<|sep|>"
SYSTEM, USER, ASSISTANT, END_OF_TURN = "<|system|>", "<|user|>", "<|assistant|>", "<|end_of_turn|>"
SENTINEL = "<|sentinel_{}|>"
SENTINELS = tuple(SENTINEL.format(number) for number in range(100))
"""One for each span taken out of a text; as many as T5 has."""

_NAMED = (END_OF_TEXT, PAD, MASK, CLS, SEP, SYSTEM, USER, ASSISTANT, "<|tool|>", END_OF_TURN, *SENTINELS)
SPECIAL_TOKENS = (*_NAMED, *(f"<|reserved_{i}|>" for i in range(RESERVED - len(_NAMED))))
"""All 128, in the order of their ids; ``<|endoftext|>`` is 0."""

ROLES = {"eos_token": END_OF_TEXT, "pad_token": PAD, "mask_token": MASK, "cls_token": CLS, "sep_token": SEP}
"""What ``transformers`` calls these special tokens."""

OTHER_MASKS = ("[MASK]", "<mask>")
"""What BERT and RoBERTa call the token of a mask."""

_CONTRACTION = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_BLANKS = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
_PREFIX = r"[^\r\n\p{L}\p{N}]?"
_CAPITAL, _SMALL = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"

PATTERNS = {
    # Llama 3's pattern, which is also that of OLMo 2: cl100k with `\s*[\r\n]+`.
    "llama3": rf"{_CONTRACTION}|{_PREFIX}\p{{L}}+|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*{_BLANKS}",
    # GPT-4's; it cuts as Llama 3's does.
    "cl100k": rf"{_CONTRACTION}|{_PREFIX}\p{{L}}+|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*"
    r"|\s*[\r\n]|\s+(?!\S)|\s+",
    "gpt2": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    # Qwen 2's and 3's: Llama 3's with single digits.
    "qwen2": rf"{_CONTRACTION}|{_PREFIX}\p{{L}}+|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*{_BLANKS}",
    # Qwen 3.5's: words keep the marks on their letters.
    "qwen3.5": rf"{_CONTRACTION}|{_PREFIX}[\p{{L}}\p{{M}}]+|\p{{N}}"
    rf"| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*{_BLANKS}",
    # GPT-4o's: words are capitals, then small letters.
    "o200k": rf"{_PREFIX}{_CAPITAL}*{_SMALL}+{_CONTRACTION}?|{_PREFIX}{_CAPITAL}+{_SMALL}*{_CONTRACTION}?"
    rf"|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*{_BLANKS}",
}
"""Published pretokenizer patterns by name."""
