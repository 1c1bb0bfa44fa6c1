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

PATTERNS = {
    # Llama 3's pattern, which is also that of OLMo 2: cl100k with `\s*[\r\n]+`.
    "llama3": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "gpt2": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
}
"""Published pretokenizer patterns by name."""
