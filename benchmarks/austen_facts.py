"""What the page of the Austen story is made of, and the same as rows of a benchmark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.austen_figures import METRE_WORDS, Scale
from benchmarks.harness import OURS, Row

HELD_OUT = {"Austen": "Jane Austen, held out", "Milton": "John Milton, held out"}
"""The tool that rows of an author's own text name."""

SCORES = {
    "known_words": ("known words", "%"),
    "distinct_2": ("different pairs of words", "%"),
    "distinct_3": ("different triples of words", "%"),
    "longest_repeat": ("longest repeat in a text", "words"),
    "sentence": ("words of a sentence", "words"),
    "pauses": ("pauses for 100 words", "marks"),
    "clause_distance": ("distance of clause lengths", "share"),
    "broken": ("clauses broken off", "%"),
    "beat": ("beat (metre)", "correlation"),
    "copied": ("copied word for word", "%"),
    "longest_copy": ("longest copy", "tokens"),
}
"""Name and unit of each score, in the order of the tables."""

METRE = {
    "beat": ("beat", "correlation"),
    "beat_shuffled": ("beat, words shuffled", "correlation"),
    "tens": ("lines of ten syllables", "share"),
    "scans": ("lines of ten syllables that scan", "share"),
    "scans_shuffled": ("lines of ten syllables that scan, words shuffled", "share"),
}
"""Name and unit of what `metre_of` finds."""


@dataclass(frozen=True)
class Facts:
    """All that the page tells.

    Attributes:
        titles: of the documents, with their words.
        tokens: of the splits `train` and `held_out`.
        held_out: see `Books.held_out_figures`.
        models: figures by arm and step; what was not reached is not there.
        verse: see `verse_figures`; None where no verse was asked for.
        arms, milestones: in the order of the page.
    """

    titles: Sequence[Mapping[str, Any]]
    tokens: Mapping[str, int]
    held_out: Mapping[str, Any]
    models: Mapping[tuple[str, int], Mapping[str, Any]]
    verse: Mapping[str, Any] | None
    scale: Scale
    arms: Sequence[str]
    milestones: Sequence[int]


def rows(facts: Facts) -> list[Row]:
    """The figures of the page as rows of a benchmark; texts of the authors stand as peers."""
    return [*_score_rows(facts), *_model_rows(facts), *(_verse_rows(facts.verse) if facts.verse else ())]


def _score_rows(facts: Facts) -> Iterator[Row]:
    given, held = _given(facts), facts.held_out
    pieces = f"{len(facts.titles)} books, held out: {held['groups']} groups of {held['texts']} pieces"
    for name, (label, unit) in SCORES.items():
        unit = unit.replace("%", "share")
        if each := held["scores"][name]:
            note = f"{each['least']:.4g} to {each['most']:.4g} over the groups"
            own = f"{pieces} of {facts.scale.tokens} tokens"
            yield Row(label, HELD_OUT["Austen"], each["mean"], unit, input=own, note=note)
        for (arm, step), found in facts.models.items():
            if (value := found["scores"][name]) is not None:
                yield Row(f"{label}: {arm}, step {step:,}", OURS, float(value), unit, input=given)


def _model_rows(facts: Facts) -> Iterator[Row]:
    for (arm, step), each in facts.models.items():
        where = f"{arm}, step {step:,}"
        for split in ("train", "held_out"):
            side = split.replace("_", " ")
            yield Row(f"loss, {side}: {where}", OURS, each[split]["loss"], "nats", input=_given(facts))
            rate = each["recited"][split]["rate"]
            if rate is not None:
                yield Row(f"recited, {side}: {where}", OURS, rate, "share", input=_given(facts))


def _verse_rows(verse: Mapping[str, Any]) -> Iterator[Row]:
    """Of metre: beats of passages of `METRE_WORDS` words, where `_score_rows` has those of whole samples."""
    made = f"its samples; it read {verse['training']['tokens']:,} training tokens of Paradise Lost"
    sources = {"Milton": "Paradise Lost, held out", "Austen": "her books, held out", "model of Milton": made}
    texts = verse["texts"]
    for name, each in texts.items():
        counts = f"{each['passages']:,} passages of {METRE_WORDS} words, {each['lines']:,} lines"
        own = f"{counts}: {sources[name]}"
        for figure, (label, unit) in METRE.items():
            what = f"metre of passages, {label}: {name}"
            yield Row(what, HELD_OUT.get(name, OURS), each[figure], unit, input=own)
    for name, value in verse["auc"].items():
        pairs = f"{texts[name]['passages']:,} passages beside {texts['Austen']['passages']:,} of Austen"
        what = f"metre of passages, more beat than held-out Austen: {name}"
        yield Row(what, HELD_OUT.get(name, OURS), value, "AUC", input=pairs)


def _given(facts: Facts) -> str:
    return f"{len(facts.titles)} books, {facts.tokens['train']:,} training tokens"


def told(name: str, value: float | None) -> str:
    """A score with its unit, for a table."""
    if value is None:
        return "none"
    unit = SCORES[name][1]
    if unit == "%":
        return f"{value:.1%}"
    if unit in ("share", "correlation"):
        return f"{value:.3f}"
    return f"{value:,.0f}" if name.startswith("longest") else f"{value:.1f}"


def bounds(name: str, held: Mapping[str, float] | None) -> str:
    """The mean of a score over groups, and its least and greatest."""
    if held is None:
        return "none"
    mean, least, most = (told(name, held[each]) for each in ("mean", "least", "most"))
    return f"{mean} ({least} to {most})"


def has_words(scores: Mapping[str, Any], held: Mapping[str, Any]) -> bool:
    """Known words within a point of the lowest group of held-out text."""
    return bool((scores["known_words"] or 0) >= held["known_words"]["least"] - 0.01)


def has_rhythm(scores: Mapping[str, Any], held: Mapping[str, Any]) -> bool:
    """Sentences, lengths of clauses and clauses broken off inside the bounds of held-out text."""
    if any(scores[name] is None for name in ("sentence", "clause_distance", "broken")):
        return False
    inside = held["sentence"]["least"] <= scores["sentence"] <= held["sentence"]["most"]
    near = all(scores[name] <= held[name]["most"] for name in ("clause_distance", "broken"))
    return bool(inside and near)
