"""What is wrong with a model, or not known of it, by rules over its figures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from corpuskit.train.hub.card_facts import Facts
from corpuskit.train.hub.card_parts import by_count, cell, is_memorization, number

FEW_EPOCHS, MANY_EPOCHS = 1.0, 4.0
"""Passes over a corpus below which not all of it was read, and above which repetition stops to pay
(arXiv:2305.16264)."""

RISEN = 0.01
"""Share by which the last validation loss lies above the best where that is told."""

APART = 1.25
"""Ratio of bits per byte of two sources from which the worse is named."""

UNKNOWN_WORDS = 0.1
"""Share of words in a sample that its corpus does not know, from which that is told."""

REPEATED_WORDS = 8
"""Words in a row that stand twice in a sample, from which that is told."""


def limits(facts: Facts) -> list[str]:
    """Sentences; there is always one, since something is never measured."""
    return [
        *_of_training(facts),
        *_of_sources(facts),
        *_of_samples(facts),
        *_stated(facts),
        _unmeasured(facts),
    ]


def _of_training(facts: Facts) -> Iterator[str]:
    training, model = facts.training, facts.document["model"]
    if model.get("kind", "decoder") == "decoder" and facts.document.get("chat") is not True:
        yield "It was not tuned to follow instructions or to answer: it continues what it is given."
    yield f"What lies more than {model['context']:,} tokens back it does not see."
    if facts.document.get("imported"):
        yield "It was trained by others: nothing is known here of its data."
    if not training:
        return
    if training.get("reason") not in (None, "done"):
        yield f"Its training ended before its length: {cell(str(training['reason']))}."
    epochs = training.get("epochs")
    if isinstance(epochs, float) and epochs < FEW_EPOCHS:
        yield f"It has read only {epochs:.0%} of its corpus."
    if isinstance(epochs, float) and epochs > MANY_EPOCHS:
        yield f"It has read its corpus {number(epochs)} times: repeated so often, texts are learnt by heart."
    if training.get("validation_loss") is None:
        yield "There was no validation: whether it overfits is not known."
    losses = [(e["loss"], e.get("step")) for e in facts.validations if isinstance(e.get("loss"), float)]
    if losses:
        best, last = min(losses), losses[-1]
        if last[0] > best[0] * (1 + RISEN):
            yield (
                f"It began to overfit: its validation loss was {number(best[0])} at step {number(best[1])} "
                f"and {number(last[0])} at step {number(last[1])}. The weights that were kept are of step "
                f"{number(training.get('best_step'))}."
            )


def _of_sources(facts: Facts) -> Iterator[str]:
    measured = {
        name: each["bits_per_byte"]
        for name, each in (facts.training.get("sources") or {}).items()
        if isinstance(each.get("bits_per_byte"), float)
    }
    if len(measured) > 1:
        worst, best = (choose(measured, key=lambda name: measured[name]) for choose in (max, min))
        if measured[worst] > APART * measured[best]:
            yield (
                f"It is worse on {cell(worst)} ({number(measured[worst])} bits per byte) than on "
                f"{cell(best)} ({number(measured[best])})."
            )
    languages = (facts.training.get("data") or {}).get("languages") or {}
    whole = sum(languages.values())
    few = [code for code, n in by_count(languages) if code and n < 0.05 * whole]
    if whole and few:
        shown = ", ".join(map(cell, few[:8])) + (", ..." if len(few) > 8 else "")
        yield f"Of these languages it has seen few documents, under 5 % each: {shown}."


def _of_samples(facts: Facts) -> Iterator[str]:
    scored = [event for event in facts.samples if isinstance(event.get("scores"), dict)]
    if not scored:
        return
    scores, step = scored[-1]["scores"], number(scored[-1].get("step"))
    known = scores.get("known_words")
    if isinstance(known, float) and known < 1 - UNKNOWN_WORDS:
        yield f"Of the words that it wrote at step {step}, {1 - known:.0%} were not found in its corpus."
    repeated = scores.get("longest_repeat")
    if isinstance(repeated, int | float) and repeated >= REPEATED_WORDS:
        yield f"Its text went in circles at step {step}: {number(repeated)} words in a row stand there twice."


def _stated(facts: Facts) -> Iterator[str]:
    """What evaluations themselves say under "limits", and what memorization found."""
    for name, document in facts.evaluations.items():
        for sentence in document.get("limits") or ():
            yield f"{cell(str(sentence))} ({cell(name)})"
        if is_memorization(document):
            yield from _recited(document.get("figures") or {})


def _recited(figures: dict[str, Any]) -> Iterator[str]:
    found = (figures.get("splits") or {}).get("train") or {}
    if found.get("extracted"):
        yield (
            f"It gave back {number(found['extracted'])} of {number(found.get('windows'))} passages of its "
            "data word for word."
        )
    loss = (figures.get("membership") or {}).get("loss") or {}
    if loss.get("tells"):
        yield f"By its loss one can tell what it was trained on (AUC {number(loss.get('auc'))})."


def _unmeasured(facts: Facts) -> str:
    open_ = [] if any(map(is_memorization, facts.evaluations.values())) else ["what it has learnt by heart"]
    if all(map(is_memorization, facts.evaluations.values())):
        open_.append("how it does on tasks")
    open_ += ["whether what it says is true", "prejudice and harmful text"]
    return f"Not measured: {', '.join(open_)}."
