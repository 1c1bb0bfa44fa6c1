"""What the page of the Austen story is made of, and the same as rows of a benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.austen_figures import Scale
from benchmarks.harness import OURS, Row

SCORES = {
    "known_words": ("known words", "%"),
    "distinct_2": ("different pairs of words", "%"),
    "distinct_3": ("different triples of words", "%"),
    "longest_repeat": ("longest repeat in a text", "words"),
    "sentence": ("words of a sentence", "words"),
    "pauses": ("pauses for 100 words", "marks"),
    "clause_distance": ("distance of clause lengths", ""),
    "broken": ("clauses broken off", "%"),
    "beat": ("beat (metre)", ""),
    "copied": ("copied word for word", "%"),
    "longest_copy": ("longest copy", "tokens"),
}
"""Name and unit of each score, in the order of the tables."""


@dataclass(frozen=True)
class Facts:
    """All that the page tells.

    Attributes:
        titles: of the documents, with their words.
        tokens: of the splits `train` and `held_out`.
        held_out: see `Books.held_out_figures`.
        models: figures by arm and step; what was not reached is not there.
        verse: see `verse_figures`; None where no verse was asked for.
        arms: settings by name, and milestones: in the order of the page.
    """

    titles: Sequence[Mapping[str, Any]]
    tokens: Mapping[str, int]
    held_out: Mapping[str, Any]
    models: Mapping[tuple[str, int], Mapping[str, Any]]
    verse: Mapping[str, Any] | None
    scale: Scale
    arms: Mapping[str, Mapping[str, Any]]
    milestones: Sequence[int]


def rows(facts: Facts) -> list[Row]:
    """The figures of the page as rows of a benchmark; held-out Austen stands as a peer."""
    given = f"{len(facts.titles)} books, {facts.tokens['train']:,} training tokens"
    found = []
    for name, (label, unit) in SCORES.items():
        held, unit = facts.held_out["scores"][name], unit or "1"
        if held:
            note = f"{held['least']:.4g} to {held['most']:.4g} over {facts.held_out['groups']} groups"
            found.append(
                Row(
                    label,
                    "Jane Austen, held out",
                    held["mean"],
                    unit.replace("%", "share"),
                    input=given,
                    note=note,
                )
            )
        for (arm, step), each in facts.models.items():
            if (value := each["scores"][name]) is not None:
                what = f"{label}: {arm}, step {step:,}"
                found.append(Row(what, OURS, float(value), unit.replace("%", "share"), input=given))
    for (arm, step), each in facts.models.items():
        where = f"{arm}, step {step:,}"
        for split in ("train", "held_out"):
            side = split.replace("_", " ")
            found.append(Row(f"loss, {side}: {where}", OURS, each[split]["loss"], "nats", input=given))
            rate = each["recited"][split]["rate"]
            if rate is not None:
                found.append(Row(f"recited, {side}: {where}", OURS, rate, "share", input=given))
    for name, each in (facts.verse or {"texts": {}})["texts"].items():
        for figure in ("beat", "beat_shuffled", "tens", "scans", "scans_shuffled"):
            found.append(
                Row(f"metre, {figure.replace('_', ' ')}: {name}", OURS, each[figure], "1", input=given)
            )
    for name, value in (facts.verse or {"auc": {}})["auc"].items():
        found.append(Row(f"metre, more beat than held-out Austen: {name}", OURS, value, "AUC", input=given))
    return found


def told(name: str, value: float | None) -> str:
    """A score with its unit, for a table."""
    if value is None:
        return "none"
    unit = SCORES[name][1]
    if unit == "%":
        return f"{value:.1%}"
    return f"{value:,.0f}" if name.startswith("longest") else f"{value:.3f}" if not unit else f"{value:.1f}"


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
