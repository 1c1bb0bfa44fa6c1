"""What no reader sees in a text, and control tokens of models that somebody typed: counted by kind.

Nothing is removed here. Characters of tags, of direction and of zero width may hide text from people or
turn it around; others of them belong to Persian, Hindi, Khmer and to emoji. Typed special tokens stay text in
every tokenizer of this project, but one who trains with another should know where they are.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from corpuskit import _native
from corpuskit.documents.columns import to_engine
from corpuskit.stages.normalize.texts import decode_texts
from corpuskit.stages.stage import Effect, Found

_KINDS = (
    ("\u202a-\u202e\u2066-\u2069", "bidi"),  # Embeddings, overrides and isolates.
    ("\U000e0000-\U000e007f", "tag"),
    ("\U000e0100-\U000e01ef", "variation selector"),  # The supplement, in which bytes can be smuggled.
)
_SINGLE = (
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2060-\u2064\u206a-\u206f\u3164\ufeff"
    "\ufff9-\ufffb"
)
"""Counted one by one, as ``U+`` and the code point: soft hyphen, joiners, marks of direction and byte order,
fillers, invisible operators."""

_HIDDEN = re.compile(f"[{_SINGLE}{''.join(characters for characters, _ in _KINDS)}]")
_OF_KIND = [(re.compile(f"[{characters}]"), kind) for characters, kind in _KINDS]

_TOKEN_NAMES = (
    "endoftext|startoftext|endofprompt|im_start|im_end|im_sep|begin_of_text|end_of_text|start_header_id"
    "|end_header_id|eot_id|eom_id|fim_prefix|fim_middle|fim_suffix|fim_pad|pad|mask|system|user|assistant|end"
)
_TOKEN = re.compile(
    rf"<\|(?:{_TOKEN_NAMES})\|>|<\|[\w ▁-]{{1,40}}\|>|<｜[\w ▁-]{{1,40}}｜>"
    r"|\[(?:MASK|CLS|SEP|PAD|UNK|BOS|EOS|/?INST)\]|</?s>|<(?:pad|unk|mask|bos|eos|eot|sep|cls)>"
    r"|<</?SYS>>|<(?:start|end)_of_turn>|<extra_id_\d{1,3}>"
)
_NAMED = re.compile(rf"<\|(?:{_TOKEN_NAMES})\|>")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")

_LOOK = re.compile(
    _HIDDEN.pattern
    + r"|<\||<｜|\[(?:MASK|CLS|SEP|PAD|UNK|BOS|EOS|/?INST)\]|</?s>|<(?:pad|unk|mask|bos|eos|eot|sep|cls)>"
    + r"|<</?SYS>>|<(?:start|end)_of_turn>|<extra_id_"
)
"""What may be something to count."""


def may_hide(text: str) -> bool:
    """Whether a text is worth a look: a hidden character stands in it, or what may begin a special token.

    The engine asks it of whole columns.

    >>> may_hide("a <b>bold</b> word"), may_hide("a<|b")
    (False, True)
    """
    return _LOOK.search(text) is not None


def count_hidden(text: str) -> dict[str, int]:
    """Hidden characters and typed special tokens of a text, by kind, in the order of kinds.

    Kinds are ``bidi``, ``tag``, ``variation selector``, code points such as ``U+200B``, and the tokens
    themselves; of tokens between ``<|`` and ``|>`` the unknown ones are ``<|...|>``, of sentinels
    ``<extra_id_N>``.

    >>> count_hidden("a\\u200bb and [MASK]")
    {'U+200B': 1, '[MASK]': 1}
    """
    counts: Counter[str] = Counter()
    if not text.isascii():
        for character, count in Counter(_HIDDEN.findall(text)).items():
            counts[_kind(character)] += count
    for token in _TOKEN.findall(text):
        counts[_form(token)] += 1
    return dict(sorted(counts.items(), key=lambda item: (not item[0].startswith("U+"), item[0])))


def _kind(character: str) -> str:
    """The kind of a hidden character."""
    for pattern, kind in _OF_KIND:
        if pattern.match(character):
            return kind
    return f"U+{ord(character):04X}"


def _form(token: str) -> str:
    """A special token as it is told: forms are few, whatever people type."""
    if token.startswith("<extra_id_"):
        return "<extra_id_N>"
    if token.startswith(("<|", "<｜")) and not _NAMED.fullmatch(token):
        return "<|...|>"
    return token


def tell_hidden(batch: pa.RecordBatch, effect: Effect, *, removed_alone: bool = False) -> Effect:
    """The effect of a stage that changes texts, with what was hidden in them before, and bytes taken out.

    Args:
        batch: the documents before the stage.
        effect: what the stage made of them.
        removed_alone: tell only of kinds that the stage took out.
    """
    rows = _rows_to_look_at(batch.column("text"), effect.batch.column("text"), entities=not removed_alone)
    if not len(rows):
        return effect
    before, errors = decode_texts(batch.take(rows))
    after, _ = decode_texts(effect.batch.take(rows))
    found = []
    for number, row in enumerate(rows.to_pylist()):
        if number in errors or row in effect.errors:
            continue
        old, new = before[number], after[number]
        counts = count_hidden(old)
        left = counts if new == old else count_hidden(new)
        for kind, count in counts.items():
            gone = _bytes_of(kind, old) - _bytes_of(kind, new) if left.get(kind, 0) < count else 0
            if gone or not removed_alone:
                found.append(Found(row, kind, count, max(0, gone)))
        entities = len(_ENTITY.findall(old)) - len(_ENTITY.findall(new))
        if entities > 0 and not removed_alone:
            found.append(Found(row, "entity", entities))
    return replace(effect, found=found)


def _rows_to_look_at(before: pa.Array, after: pa.Array, *, entities: bool) -> pa.Array:
    """Numbers of rows in which something may be hidden, or entities replaced; no text becomes a string."""
    look = _native.may_hide(to_engine(before, "texts"))
    if entities:
        changed = pc.indices_nonzero(pc.not_equal(before, after))
        with_entity = pc.match_substring(before.take(changed), "&").fill_null(False)
        look[changed.filter(with_entity).to_numpy()] = True
    return pc.indices_nonzero(pa.array(look))


def _bytes_of(kind: str, text: str) -> int:
    """UTF-8 bytes of the hidden characters of a kind; 0 for tokens, which are text."""
    if kind.startswith("U+"):
        character = chr(int(kind[2:], 16))
        return text.count(character) * len(character.encode())
    patterns = [pattern for pattern, name in _OF_KIND if name == kind]
    return sum(len("".join(pattern.findall(text)).encode()) for pattern in patterns)
