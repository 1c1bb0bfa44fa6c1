"""Whether every text comes back from its tokens: read from a tokenizer.json, and tried on texts.

A normalizer that replaces one word by another is found by no trial, bytes that lack are found by few: so the
file's own steps are looked at first, and what is left to them (how blanks are marked, say) is tried.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from corpuskit.tokenizer.byte_level import byte_alphabet

_REMOVING = ("Whitespace", "WhitespaceSplit", "BertPreTokenizer", "CharDelimiterSplit")
"""Pre-tokenizers that take blanks or delimiters out of a text."""

_GLUING = ("WordPiece", "CTC", "BPEDecoder")
"""Decoders that set blanks where they think that some belong."""

# Every character of one and two bytes, and one for each longer beginning: all bytes that UTF-8 has.
_EVERY_BYTE = "".join(map(chr, [*range(0x800), *range(0x800, 0xD000, 0x1000), 0xD000, 0xE000, 0xF000]))
_EVERY_BYTE += "".join(map(chr, [0x10000, 0x40000, 0x80000, 0xC0000, 0x10FFFF]))

PROBES = (
    "Ab 1\u00e9 \u03a9\n\u65e5\u672c \u0639 \U0001f600\t\u0007.",
    "  Blanks in front,   between, and behind \t ",
    "\n\nLine ends:\r\nof\rall\n\n\n kinds \n",
    "``Quoted'' \"so\" , and 's . It is n't ! I 'm ? ... -- end",
    "\ufb01ne \u2460 \uff12 \uff37 \ufdfa \u00bd \u2122 \u2026",
    "e\u0301 \u212b \u1e9b\u0323 A\u030a \u0915\u093c \uac00 \u1100\u1161",
    "\u0130stanbul STRASSE stra\u00dfe \u01c5 \u00dcN\u00cfC\u00d6D\u00c9",
    "\u2581under \u2581 \u2581\u2581 \u0120byte \u010a ##x x@@ y</w> <0x41> <unk> [UNK] \ufffd",
    "\ufeffzero\u200bwidth\u200d soft\u00adhyphen\u2060 \u00a0 \u3000 \u2028 \x00\x1b[0m\x7f",
    "\u0e44\u0e17\u0e22 \u6f22\u5b57\u304b\u306a \u0939\u093f\u0928\u094d\u0926\u0940 \u10e5\u10d0",
    "x" * 300,
    _EVERY_BYTE,
)
"""What a tokenizer must give back: scripts, blanks, forms that normalizers change, marks of tokenizers."""


def objections(document: Mapping[str, Any], model: str, vocabulary: Collection[str]) -> Iterator[str]:
    """What of a tokenizer.json loses text or changes it, a phrase for each.

    Args:
        document: the file.
        model: the type of its model, which old files do not name.
        vocabulary: all its tokens.
    """
    normalizers, splits, decoders = (
        list(_steps(document.get(name))) for name in ("normalizer", "pre_tokenizer", "decoder")
    )
    if model in ("WordPiece", "WordLevel"):
        yield f"its model, {model}, makes one unknown token of each word that is not in its vocabulary"
    elif any(step["type"] == "ByteLevel" for step in (*normalizers, *splits)):
        yield from _lacking("bytes", byte_alphabet(), vocabulary)
    elif document["model"].get("byte_fallback"):
        yield from _lacking("bytes", {f"<0x{byte:02X}>": byte for byte in range(256)}, vocabulary)
    else:
        yield f"its model, {model}, knows neither bytes nor a fallback to them: other characters are lost"
    for step in normalizers:
        if step["type"] not in ("ByteLevel", "Prepend") and not _marks_blanks(step) and not _is_idle(step):
            yield f"its normalizer {step['type']} changes text"
    for step in (*splits, *decoders):
        if step["type"] == "Metaspace" and step.get("replacement", "\u2581") != "\u2581":
            yield f"it writes blanks as {step['replacement']!r}, which texts hold too"
    for step in splits:
        if step["type"] in _REMOVING or step.get("behavior") == "Removed":
            yield f"its pre-tokenizer {step['type']} removes characters"
    for step in decoders:
        strips = step["type"] == "Strip" and (step.get("content") != " " or step.get("stop"))
        if step["type"] in _GLUING or strips or (step["type"] == "Replace" and not _marks_blanks(step)):
            yield f"its decoder {step['type']} changes text"


def _steps(step: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    """The steps of a normalizer, pre-tokenizer or decoder, without the sequences that hold them."""
    if step is not None and step["type"] == "Sequence":
        inner = next(value for value in step.values() if isinstance(value, list))
        for one in inner:
            yield from _steps(one)
    elif step is not None:
        yield step


def _lacking(what: str, alphabet: Mapping[str, int], vocabulary: Collection[str]) -> Iterator[str]:
    missing = [byte for token, byte in alphabet.items() if token not in vocabulary]
    if missing:
        shown = ", ".join(f"0x{byte:02x}" for byte in sorted(missing)[:4])
        yield f"its vocabulary lacks {len(missing)} of the 256 {what}: {shown}{', ...' * (len(missing) > 4)}"


def _marks_blanks(step: Mapping[str, Any]) -> bool:
    """Whether a step writes blanks as U+2581 or reads it as them, as SentencePiece does."""
    pair = {(step.get("pattern") or {}).get("String"), step.get("content")}
    return step["type"] == "Replace" and pair == {" ", "\u2581"}


def _is_idle(step: Mapping[str, Any]) -> bool:
    return step["type"] == "Precompiled" and not step.get("precompiled_charsmap")


def probes(added: Collection[str]) -> list[str]:
    """Texts to try: `PROBES`, and each added token that text may hold, since some eat the blanks around."""
    return [*PROBES, *(f"a {token}  b{token}{token}\n{token}" for token in added)]


def difference(text: str, back: str) -> str:
    """Where a text and what came back of it part, in words.

    >>> difference("the old mill", "the 0ld mill")
    "'old mill' comes back as '0ld mill'"
    """
    pairs = enumerate(zip(text, back, strict=False))
    place = next((n for n, (a, b) in pairs if a != b), min(len(text), len(back)))
    # Two characters more where there are some: a blank that is lost is seen best beside its neighbours.
    start = place if place < min(len(text), len(back)) else max(0, place - 2)
    return f"{text[start : start + 20]!r} comes back as {back[start : start + 20]!r}"
