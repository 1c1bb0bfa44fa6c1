"""Spans in tags, and their F1, by the rules of conlleval or strictly by a scheme.

conlleval (E. F. Tjong Kim Sang and S. Buchholz, "Introduction to the CoNLL-2000 Shared Task", 2000): any tag
of a kind may begin a span, so an I- behind O does. Strict: a span is what the scheme allows and nothing else:
an I- without its B- is none. Both count a span as right when its bounds and its kind are. They give what
`seqeval` gives in its default mode and in mode="strict".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from corpuskit.errors import SettingError

Mode = Literal["conlleval", "strict"]
STRICT_SCHEMES = ("IOB2", "IOB1", "BIOES", "BILOU")


class Span(NamedTuple):
    """A span of words: the first, the one behind the last, and its kind."""

    start: int
    end: int
    kind: str


def spans(tags: Sequence[str], scheme: str = "IOB2", mode: Mode = "conlleval") -> list[Span]:
    """The spans of one sentence, in order; ``O`` and what is no tag of a span lie in none.

    >>> spans(["B-PER", "I-PER", "O", "I-LOC"])
    [Span(start=0, end=2, kind='PER'), Span(start=3, end=4, kind='LOC')]
    >>> spans(["B-PER", "I-PER", "O", "I-LOC"], mode="strict")
    [Span(start=0, end=2, kind='PER')]

    Raises SettingError for a mode or scheme that is not known.
    """
    if mode == "conlleval":
        return _lenient(tags)
    if mode != "strict" or scheme not in STRICT_SCHEMES:
        known = ", ".join(STRICT_SCHEMES)
        raise SettingError(
            f"no spans by mode {mode!r}, scheme {scheme!r}", remedy=f"Strict schemes: {known}."
        )
    return _of_iob1(tags) if scheme == "IOB1" else _strict(tags, scheme)


def _parts(tag: str) -> tuple[str, str]:
    """Prefix and kind of a tag; ``O`` and ``""`` of what marks no span."""
    prefix, dash, kind = tag.partition("-")
    prefix = {"L": "E", "U": "S"}.get(prefix, prefix)
    return (prefix, kind) if dash and prefix in "BIES" and prefix and kind else ("O", "")


def _lenient(tags: Sequence[str]) -> list[Span]:
    found: list[Span] = []
    before, kind_before, start = "O", "", 0
    for at, tag in enumerate([*tags, "O"]):
        prefix, kind = _parts(tag)
        if before != "O" and (prefix in "OBS" or before in "ES" or kind != kind_before):
            found.append(Span(start, at, kind_before))
        if prefix != "O" and (prefix in "BS" or before in "OES" or kind != kind_before):
            start = at
        before, kind_before = prefix, kind
    return found


def _strict(tags: Sequence[str], scheme: str) -> list[Span]:
    """Spans of IOB2 (B I*), and of BIOES and BILOU (B I* E, or S)."""
    ended = scheme != "IOB2"
    found: list[Span] = []
    at = 0
    while at < len(tags):
        prefix, kind = _parts(tags[at])
        end = at + 1
        if prefix == "B":
            while end < len(tags) and _parts(tags[end]) == ("I", kind):
                end += 1
            if not ended:
                found.append(Span(at, end, kind))
            elif end < len(tags) and _parts(tags[end]) == ("E", kind):
                end += 1
                found.append(Span(at, end, kind))
        elif prefix == "S" and ended:
            found.append(Span(at, end, kind))
        at = end
    return found


def _of_iob1(tags: Sequence[str]) -> list[Span]:
    """Spans of IOB1, as `seqeval` reads it: I begins one, and B does so behind its own kind alone."""
    found: list[Span] = []
    parts = [_parts(tag) if _parts(tag)[0] in "BI" else ("O", "") for tag in tags]
    at, before = 0, ("O", "")
    while at < len(parts):
        prefix, kind = parts[at]
        own = before[1] == kind
        end = at + 1
        if (prefix == "I" and (before[0] != "I" or not own)) or (prefix == "B" and before[0] != "O" and own):
            while end < len(parts) and parts[end] == ("I", kind):
                end += 1
            # A lone B that another kind's B follows is none: that B marks no border.
            after = parts[end] if end < len(parts) else ("O", "")
            if not (parts[end - 1][0] == after[0] == "B" and after[1] != kind):
                found.append(Span(at, end, kind))
        before = parts[end - 1]
        at = end
    return found


def span_f1(
    gold: Sequence[Sequence[str]],
    predicted: Sequence[Sequence[str]],
    scheme: str = "IOB2",
    mode: Mode = "conlleval",
) -> dict[str, Any]:
    """Precision, recall and F1 of spans over sentences, all kinds together (micro) and each alone.

    Args:
        gold, predicted: the tags of each sentence; as many sentences, and as many tags in each.
        scheme: of the tags; it matters in mode strict alone.

    Returns:
        ``mode``, ``scheme``, ``gold``, ``predicted`` and ``right`` (spans), ``precision``, ``recall``,
        ``f1``, ``macro_f1`` (the mean over kinds that occur), ``accuracy`` (of single tags), and ``kinds``:
        the first six for each. A share of nothing is 0.

    Raises SettingError where the two do not go together.
    """
    if len(gold) != len(predicted):
        message = f"{len(gold)} sentences in gold, {len(predicted)} predicted"
        raise SettingError(message, remedy="Give the same sentences.")
    counts = {name: Counter[str]() for name in ("gold", "predicted", "right")}
    words = same = 0
    for number, (true, guess) in enumerate(zip(gold, predicted, strict=True)):
        if len(true) != len(guess):
            message = f"sentence {number} has {len(true)} tags in gold, {len(guess)} predicted"
            raise SettingError(message, remedy="Give a tag for each word.")
        words += len(true)
        same += sum(a == b for a, b in zip(true, guess, strict=True))
        right = set(spans(true, scheme, mode))
        found = set(spans(guess, scheme, mode))
        for name, some in (("gold", right), ("predicted", found), ("right", right & found)):
            counts[name].update(span.kind for span in some)
    kinds = sorted(counts["gold"].keys() | counts["predicted"].keys())
    each = {kind: _scores(*(counts[name][kind] for name in counts)) for kind in kinds}
    overall = _scores(*(counts[name].total() for name in counts))
    macro = sum(scores["f1"] for scores in each.values()) / len(each) if each else 0.0
    stated = {"mode": mode, "scheme": scheme if mode == "strict" else "any"}
    return {**stated, **overall, "macro_f1": macro, "accuracy": same / words if words else 0.0, "kinds": each}


def _scores(gold: int, predicted: int, right: int) -> dict[str, Any]:
    precision = right / predicted if predicted else 0.0
    recall = right / gold if gold else 0.0
    f1 = 2 * precision * recall / (precision + recall) if right else 0.0
    counted = {"gold": gold, "predicted": predicted, "right": right}
    return {**counted, "precision": precision, "recall": recall, "f1": f1}
