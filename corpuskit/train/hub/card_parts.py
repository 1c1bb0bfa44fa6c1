"""Sections of a model card, each from the facts of a model folder; see `corpuskit.train.hub.card`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from corpuskit.train.hub.card_facts import Facts

_ROWS = 24
"""Figures of an evaluation that are shown; the file has all."""

_VALIDATIONS = 8
_SAMPLE_CHARS = 600
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~&])")


def cell(text: str) -> str:
    """A text of others as plain words of one line in Markdown: nothing in it is markup."""
    return _SPECIAL.sub(r"\\\1", plain(" ".join(text.split())))


def plain(text: str) -> str:
    """A text without the characters that control a terminal."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def number(value: Any) -> str:
    """A figure for a person: 12,345, 0.1234, yes.

    >>> number(12345), number(0.123456), number(3e-7), number(True), number(None)
    ('12,345', '0.1235', '3e-07', 'yes', 'not measured')
    """
    if value is None:
        return "not measured"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
    return cell(str(value))


def by_count(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """The most first: JSON keeps no order but that of names."""
    return sorted(counts.items(), key=lambda each: (-each[1], each[0]))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def is_memorization(document: Mapping[str, Any]) -> bool:
    """Whether an evaluation tells what was learnt by heart."""
    return str(document.get("command", "")).startswith("corpuskit memorize")


# ---------------------------------------------------------------------------------------------- data
def data_section(facts: Facts) -> str:
    """What the model has read."""
    if not facts.training:
        return "## Data\n\nNot recorded: the model was imported."
    parts = ["## Data"]
    data, training = facts.training.get("data") or {}, facts.training
    if tokens := data.get("tokens"):
        sequences = data.get("sequences") or {}
        parts.append(
            table(
                ("split", "tokens", "sequences"),
                [
                    (cell(split), number(count), number(sequences.get(split)))
                    for split, count in tokens.items()
                ],
            )
        )
    if data.get("sources"):
        rows = [
            (
                cell(row["source"]),
                cell(row["licence"]) or "not stated",
                number(row["tokens"]),
                f"{row['share']:.1%}",
            )
            for row in data["sources"]
        ]
        parts.append(table(("source", "licence", "tokens for training", "share"), rows))
    else:
        parts.append("Sources and licences are not recorded.")
    if mixture := (training.get("settings") or {}).get("mixture"):
        weights = ", ".join(f"{cell(name)} {number(weight)}" for name, weight in mixture.items())
        parts.append(f"They were read in another mixture than they stand there: {weights}.")
    if languages := data.get("languages"):
        whole = sum(languages.values())
        shown = by_count(languages)[:12]
        named = ", ".join(f"{cell(code) or 'unknown'} {n / whole:.1%}" for code, n in shown)
        parts.append(f"Languages of its documents: {named}{', ...' if len(languages) > len(shown) else ''}.")
    if fingerprint := training.get("data_fingerprint") or training.get("shards_fingerprint"):
        parts.append(f"Fingerprint of the shards: `{fingerprint}`")
    return "\n\n".join(parts)


# ------------------------------------------------------------------------------------------ training
def training_section(facts: Facts) -> str:
    """Settings, length, machine."""
    if not facts.training:
        return ""
    training, settings = facts.training, facts.training.get("settings") or {}
    machine, environment = training.get("machine") or {}, facts.begun.get("environment") or {}
    tokens = _tokens_a_step(settings)
    rows = [
        ("objective", number(settings.get("objective"))),
        ("steps", _of(training.get("step"), training.get("steps"))),
        ("tokens a step", number(tokens)),
        ("tokens read", number(tokens * training["step"] if tokens and training.get("step") else None)),
        ("passes over the corpus", number(training.get("epochs"))),
        ("ended because", number(training.get("reason") or "it has not ended")),
        ("optimizer, learning rate", _pair(settings, "optimizer", "learning_rate")),
        ("schedule, weight decay", _pair(settings, "schedule", "weight_decay")),
        ("dropout, precision", _pair(settings, "dropout", "precision")),
        ("seed", str(settings.get("seed", "not recorded"))),
        ("time", _time(facts.seconds)),
        ("hardware", _hardware(machine, environment)),
        ("versions", _versions(machine, environment)),
    ]
    note = "The model folder holds all settings in `model.json` and each step in `logs/train.jsonl`."
    return "\n\n".join(["## Training", table(("", ""), rows), note])


def _tokens_a_step(settings: Mapping[str, Any]) -> int | None:
    rows, context = settings.get("batch_rows"), settings.get("context")
    return rows * context if isinstance(rows, int) and isinstance(context, int) else None


def _pair(settings: Mapping[str, Any], first: str, second: str) -> str:
    return f"{number(settings.get(first))}, {number(settings.get(second))}"


def _of(step: int | None, steps: int | None) -> str:
    return number(step) if step == steps or steps is None else f"{number(step)} of {number(steps)}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "not recorded"
    minutes, hours = seconds / 60, seconds / 3600
    return f"{seconds:.0f} s" if seconds < 120 else f"{minutes:.0f} min" if hours < 2 else f"{hours:.1f} h"


def _hardware(machine: Mapping[str, Any], environment: Mapping[str, Any]) -> str:
    device = str(environment.get("device") or machine.get("device") or "not recorded")
    devices = int(environment.get("devices") or 1)
    words = [f"{devices} x {device}" if devices > 1 else device]
    if environment.get("processor"):
        words.append(f"{environment['processor']}, {environment.get('cores')} cores")
    if machine.get("threads"):
        words.append(f"{machine['threads']} threads")
    return "; ".join(map(cell, words))


def _versions(machine: Mapping[str, Any], environment: Mapping[str, Any]) -> str:
    said = ("device", "devices", "processor", "cores", "system")
    known = {name: version for name, version in environment.items() if name not in said and version}
    known = known or {name: machine[name] for name in ("torch",) if name in machine}
    return ", ".join(f"{name} {cell(str(version))}" for name, version in known.items()) or "not recorded"


# ------------------------------------------------------------------------------------------ learning
def learning_section(facts: Facts) -> str:
    """Curves, some validations, and what it wrote last."""
    if not facts.training:
        return ""
    parts = ["## Learning"]
    if facts.has_curves:
        parts.append("![losses of training and validation by step](curves.svg)")
    if facts.validations:
        events, best = facts.validations, facts.training.get("best_step")
        shown = min(_VALIDATIONS, len(events))
        places = {round((i + 1) * len(events) / shown) - 1 for i in range(shown)}
        places |= {i for i, event in enumerate(events) if event.get("step") == best}
        rows = [
            (
                number(event.get("step")) + (" (kept)" if event.get("step") == best else ""),
                number(event.get("train_loss")),
                number(event.get("loss")),
                number(event.get("bits_per_byte")),
            )
            for event in (events[place] for place in sorted(places))
        ]
        parts.append(table(("step", "training loss", "validation loss", "bits per byte"), rows))
    else:
        parts.append("No validation was made.")
    written = [event for event in facts.samples if event.get("text")]
    if written:
        text = plain(str(written[-1]["text"])[:_SAMPLE_CHARS])
        lines = "\n".join(f"    {line}" for line in text.splitlines())
        parts.append(f"What it wrote at step {number(written[-1].get('step'))}, as it came:\n\n{lines}")
        if scored := _sample_scores(written[-1]):
            parts.append(scored)
    return "\n\n".join(parts)


_SCORES = {
    "known_words": "known words",
    "distinct_1": "different words",
    "distinct_2": "different pairs",
    "distinct_3": "different triples",
    "longest_repeat": "longest repeat, words",
    "bits_per_byte": "bits per byte under it",
}


def _sample_scores(event: Mapping[str, Any]) -> str:
    """Scores of samples beside those of held-out text of the same length; "" without any."""
    rows = []
    for whose, key in (("what it wrote", "scores"), ("held-out text, as long", "held_out")):
        scores = event.get(key)
        if isinstance(scores, dict) and "known_words" in scores:
            rows.append((whose, *(number(scores.get(name)) for name in _SCORES)))
    return table(("", *_SCORES.values()), rows) if rows else ""


# --------------------------------------------------------------------------------------- evaluations
def evaluation_section(facts: Facts) -> str:
    """The kept weights on the validation split, and each evaluation that was kept."""
    parts, training = ["## Evaluations"], facts.training
    loss = training.get("validation_loss")
    if loss is not None:
        share = training.get("validation_share")
        parts.append(
            f"Of the kept weights on {'the whole' if share in (1, None) else f'{share:.0%} of the'} "
            f"validation split: loss {number(loss)} nats per token, perplexity "
            f"{number(training.get('perplexity'))}, {number(training.get('bits_per_byte'))} bits per byte."
        )
    if sources := training.get("sources"):
        rows = [
            (
                cell(name),
                number(each.get("loss")),
                number(each.get("bits_per_byte")),
                number(each.get("targets")),
            )
            for name, each in sources.items()
        ]
        parts.append(table(("source", "loss", "bits per byte", "tokens measured"), rows))
    others = {name: each for name, each in facts.evaluations.items() if not is_memorization(each)}
    parts += [_evaluation(name, each) for name, each in others.items()]
    if loss is None and not others:
        parts.append("Not measured. `corpuskit eval MODEL FILES --save NAME` measures and keeps it.")
    for name in facts.damaged:
        parts.append(f"`evaluations/{name}` is damaged and left out.")
    return "\n\n".join(parts)


def _evaluation(name: str, document: Mapping[str, Any]) -> str:
    parts = [f"### {cell(name)}"]
    if what := document.get("what"):
        parts.append(cell(str(what)) + ".")
    rows = list(_figures(document.get("figures") or {}))
    if rows:
        parts.append(table(("figure", "value"), [(cell(each), value) for each, value in rows[:_ROWS]]))
    if len(rows) > _ROWS:
        parts.append(f"{len(rows) - _ROWS} more are in `evaluations/{name}.json` of the model folder.")
    if command := document.get("command"):
        parts.append(f"Measured by `{str(command).replace('`', '')}`.")
    return "\n\n".join(parts)


def _figures(figures: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Names and values of all figures, the deeper ones last; of lists how many entries they have."""
    # Figures of figures, such as those of each source, come behind those of all.
    for name, value in sorted(figures.items(), key=lambda each: _is_deep(each[1])):
        place = f"{above} / {name}" if above else str(name)
        if isinstance(value, Mapping) and "value" in value:
            low, high = (value.get("interval") or (None, None))[:2]
            around = "" if low is None else f" ({number(low)} to {number(high)})"
            yield place, f"{number(value['value'])}{around}"
        elif _is_deep(value):
            yield from _figures(value, place)
        elif isinstance(value, list | tuple):
            if value:
                yield place, f"{len(value)} entries, in the file"
        elif value is not None:
            yield place, number(value)


def _is_deep(value: Any) -> bool:
    return isinstance(value, Mapping) and "value" not in value


# -------------------------------------------------------------------------------------- memorization
def memorization_section(facts: Facts) -> str:
    """What it has learnt by heart, as far as that was measured."""
    parts = ["## Memorization"]
    found = {name: each for name, each in facts.evaluations.items() if is_memorization(each)}
    if not found:
        parts.append(
            "Not measured: it may give back parts of its data word for word. `corpuskit memorize MODEL RUN "
            "--save` measures it."
        )
    for name, document in found.items():
        rows = list(_memorized(document.get("figures") or {}))
        if rows:
            parts.append(table(("figure", "value"), rows))
        command = str(document.get("command", "")).replace("`", "")
        parts.append(
            f"Measured by `{command}`; the rest is in `evaluations/{name}.json` of the model folder."
        )
    return "\n\n".join(parts)


def _memorized(figures: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    asked, splits = figures.get("asked") or {}, figures.get("splits") or {}
    for split, found in splits.items():
        if found and "rate" in found:
            prefix, following = asked.get("prefix"), asked.get("following")
            yield (
                f"after {number(prefix)} tokens the next {number(following)} word for word, {cell(split)}",
                f"{found['rate']:.2%} of {number(found.get('windows'))} "
                f"({_percent(found.get('low'))} to {_percent(found.get('high'))})",
            )
    for name, words in (
        ("samples", "longest run of tokens in free samples that stands in its data"),
        ("samples_held_out", "the same of held-out text, for comparison"),
    ):
        if figures.get(name):
            yield words, number(figures[name].get("longest"))
    loss = (figures.get("membership") or {}).get("loss") or {}
    if "auc" in loss:
        yield (
            "whether a text was in its data, told by its loss (AUC, 0.5 is chance)",
            f"{number(loss['auc'])} ({number(loss.get('low'))} to {number(loss.get('high'))})",
        )
    for row in figures.get("canaries_by_copies") or ():
        yield (
            f"planted secrets, copies {number(row.get('copies'))}: exposure, greatest possible "
            f"{number(row.get('highest_possible'))}",
            f"{number(row.get('exposure'))}; {number(row.get('recited'))} recited",
        )


def _percent(share: float | None) -> str:
    return "?" if share is None else f"{max(0.0, share):.2%}"
