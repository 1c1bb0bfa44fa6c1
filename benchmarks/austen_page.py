"""The page of the Austen story, made of figures alone: Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.austen_facts import SCORES, Facts, bounds, has_rhythm, has_words, told
from benchmarks.austen_figures import METRE_WORDS, PROMPT, SAMPLING
from benchmarks.markdown import quoted, text
from corpuskit.train.hub.card_parts import cell, table
from corpuskit.train.memorize.copied import LONG_RUN

NOT_REACHED = "not reached"

LEFT_OUT = (
    (
        "*The Watsons* and *Sanditon*",
        "her two unfinished novels; no file of the shelf that this was made from holds them",
    ),
    (
        "*The Letters of Jane Austen* (book 42078)",
        "a selection that the recipe leaves out, since they are not fiction; all but a preface and footnotes,"
        " which are her editor's, is hers",
    ),
    (
        "most of the juvenilia",
        "*Love and Freindship* (book 1212) is her notebook *Volume the Second*: Love and Freindship, Lesley"
        " Castle, The History of England, A Collection of Letters, Scraps. *Volume the First* (Jack and"
        " Alice, The Three Sisters and more) and *Volume the Third* (Evelyn, Catharine) are not in it",
    ),
    ("her verses, the prayers, *Plan of a Novel*", "on no page of these books"),
)
"""What she wrote and the recipe does not read, and why. Known from the books, not from the run."""


def page(facts: Facts, curves: Mapping[str, str]) -> str:
    """The page. `curves` names a picture beside it for each arm."""
    parts = [
        _head(facts),
        _in_short(facts),
        _books(facts),
        _samples(facts),
        _scores(facts),
        _losses(facts, curves),
    ]
    parts += [_by_heart(facts), _expected(facts), _metre(facts), _made(facts)]
    return "\n".join(parts)


# ------------------------------------------------------------------------------------------------ sections
def _head(facts: Facts) -> str:
    some: Mapping[str, Any] = next(iter(facts.models.values()), {})
    last = {arm: max((s for a, s in facts.models if a == arm), default=None) for arm in facts.arms}
    reached = "; ".join(
        f"`{arm}` {'was not begun' if step is None else f'is told up to step {step:,}'}"
        for arm, step in last.items()
    )
    return text(
        f"# A model of {some.get('parameters', 0) / 1e6:.1f} million parameters reads Jane Austen",
        f"""One recipe, `austen-15m`, in two arms: `plain`, with nothing against learning by heart, and
        `held-back`, with remedies. {" ".join(_settings(facts))} The plan is of {max(facts.milestones):,}
        steps; {reached}. The figures of what the models write, and those of the books beside them, are taken
        by `python -m benchmarks.austen page`.""",
    )


def _settings(facts: Facts) -> Iterator[str]:
    """What tells the arms apart, of each that was begun: as its model folder records it."""
    for arm in facts.arms:
        own = next((found["settings"] for (a, _), found in facts.models.items() if a == arm), None)
        if own is None:
            continue
        said = f"`{arm}`: dropout {own['dropout']:g}, weight decay {own['weight_decay']:g}"
        if own["goldfish"]:
            said += f", the goldfish loss (it leaves 1 target in {own['goldfish']} unlearnt)"
        yield f"{said}, {own['batch_rows'] * own['context']:,} tokens a step."


def _in_short(facts: Facts) -> str:
    """What the last milestone of each arm says, and what the remedies cost where both were."""
    lines, held = [], facts.held_out["scores"]
    for arm in facts.arms:
        if not (steps := [step for a, step in facts.models if a == arm]):
            continue
        found = facts.models[arm, max(steps)]
        scores = found["scores"]
        known, clause = (
            f"{told(name, scores[name])} (held out: {bounds(name, held[name])})"
            for name in ("known_words", "clause_distance")
        )
        lines.append(
            f"- `{arm}`, step {max(steps):,}: known words {known}; distance of clause lengths {clause};"
            f" {told('copied', scores['copied'])} of what it writes is copied; held-out loss"
            f" {found['held_out']['loss']:.3f} nats, training {found['train']['loss']:.3f}."
        )
    both = [step for step in facts.milestones if all((arm, step) in facts.models for arm in facts.arms)]
    if both and len(facts.arms) == 2:
        plain, other = (facts.models[arm, max(both)] for arm in facts.arms)
        loss = other["held_out"]["loss"] - plain["held_out"]["loss"]
        heart = [each["recited"]["train"]["rate"] or 0.0 for each in (plain, other)]
        lines.append(
            f"- The remedies, at step {max(both):,}: held-out loss {loss:+.3f} nats; recited of the training"
            f" books {heart[1]:.1%} against {heart[0]:.1%} without them."
        )
    if facts.verse:
        each = [f"{n} {v['scans']:.1%} ({v['scans_shuffled']:.1%})" for n, v in facts.verse["texts"].items()]
        lines.append(f"- Metre: lines of ten syllables that scan, and in another order: {', '.join(each)}.")
    return text("## In short", "\n".join(textwrap.fill(e, 118, subsequent_indent="  ") for e in lines))


def _books(facts: Facts) -> str:
    total = sum(facts.tokens.values())
    rows = [[cell(each["title"]), f"{each['words']:,}"] for each in facts.titles]
    return text(
        "## What it reads",
        f"""{len(facts.titles)} books, {sum(each["words"] for each in facts.titles):,} words. They are
        {facts.tokens["train"]:,} training tokens and {facts.tokens["held_out"]:,} held out
        ({facts.tokens["held_out"] / total:.1%}): a section of each book, so that held-out text is of the same
        stories, and its names are known.""",
        table(["title", "words"], rows),
        "Her finished novels are all among them; it is not all that she wrote:",
        "\n".join(textwrap.fill(f"- {what}: {why}.", 118, subsequent_indent="  ") for what, why in LEFT_OUT),
    )


def _samples(facts: Facts) -> str:
    parts = [
        "## What it writes",
        f"""From the words "{PROMPT}", temperature {SAMPLING.temperature:g}, top-p {SAMPLING.top_p:g},
        {facts.scale.tokens} tokens; the first two of {facts.scale.samples}, none was chosen. Each is cut off
        where its tokens end.""",
    ]
    for step in facts.milestones:
        parts.append(f"### Step {step:,}")
        if not any((arm, step) in facts.models for arm in facts.arms):
            parts.append(f"{NOT_REACHED.capitalize()}.")
            continue
        for arm in facts.arms:
            found = facts.models.get((arm, step))
            if found is None:
                parts.append(f"`{arm}`: {NOT_REACHED}.")
                continue
            shown = [quoted(each) for each in found["samples"][:2]]
            if shown[0] in parts:  # Both begin with the same weights.
                parts.append(f"`{arm}`: the same.")
                continue
            parts += [f"`{arm}`: {_short(found['scores'])}", *shown]
    held = facts.held_out["scores"]
    parts += ["### Austen, held out", _short({name: each and each["mean"] for name, each in held.items()})]
    return text(*parts)


def _short(scores: Mapping[str, Any]) -> str:
    names = ("known_words", "distinct_2", "longest_repeat", "sentence", "clause_distance", "broken", "copied")
    return ", ".join(f"{SCORES[name][0]} {told(name, scores[name])}" for name in names) + "."


def _scores(facts: Facts) -> str:
    held, parts = facts.held_out, []
    long_run = LONG_RUN * sum(each["words"] for each in facts.titles) / sum(facts.tokens.values())
    for arm in facts.arms:
        head = [f"`{arm}`", "Austen, held out", *(f"step {step:,}" for step in facts.milestones)]
        rows = [
            [
                label,
                bounds(name, held["scores"][name]),
                *(_cell(facts, arm, step, name) for step in facts.milestones),
            ]
            for name, (label, _) in SCORES.items()
        ]
        parts.append(table(head, rows))
    return text(
        "## The same in numbers",
        f"""Each column is of {facts.scale.samples} texts of {facts.scale.tokens} tokens. Held-out Austen is
        cut into pieces as long and scored in {held["groups"]} groups of {held["texts"]}: mean, and least to
        greatest of the groups. A figure inside these bounds is one that Austen's own pages reach by
        chance.""",
        *parts,
        f"""*Known words* stand in the training books; of Austen's held-out words not all do. *Different
        pairs* fall when a text goes in circles. *Rhythm* is taken of pauses, since that is what makes her
        prose heard: how long sentences are, how many marks at which a reader pauses come on 100 words, and
        how far the lengths of clauses, from mark to mark, lie from those of the training books
        (Kolmogorov-Smirnov: the greatest difference of the shares of clauses of at most n words; 0 is alike).
        Marks strewn at the right rate give clauses of the right lengths, too: such a text breaks them off
        behind words that must go on (the, of, and, his and the like). *Beat* is that of the section on metre,
        here of the first {METRE_WORDS} words of each text. A run of {LONG_RUN} tokens, some {long_run:.0f}
        words, that stands in the training books counts as *copied*.""",
    )


def _losses(facts: Facts, curves: Mapping[str, str]) -> str:
    rows = []
    for arm in facts.arms:
        for step in facts.milestones:
            found = facts.models.get((arm, step))
            rows.append([f"`{arm}`", f"{step:,}", *_loss_cells(found, step)])
    pictures = [f"![Losses of {arm}]({name})" for arm, name in curves.items()]
    return text(
        "## Losses",
        f"""Nats a token, on pieces of {facts.scale.piece} tokens that do not overlap, without dropout, both
        sides alike: up to {facts.scale.pieces} spread over each split; bits a byte of the held-out ones.
        *Whole split* is the validation loss that the trainer told at that step, where it validated.""",
        table(["arm", "step", "training", "held out", "gap", "bits a byte", "whole split"], rows),
        """The weights with the least validation loss, which a model folder keeps, against the last ones:""",
        _best(facts),
        """The curves that training drew (its training loss is with dropout, and of the batch at hand; its
        validation loss is of the whole split):""",
        *pictures,
    )


def _loss_cells(found: Mapping[str, Any] | None, step: int) -> list[str]:
    if found is None:
        return [NOT_REACHED, *[""] * 4]
    train, held, bits = found["train"]["loss"], found["held_out"]["loss"], found["held_out"]["bits_per_byte"]
    whole = next((each["loss"] for each in found["validations"] if each["step"] == step), None)
    cells = [f"{train:.3f}", f"{held:.3f}", f"{held - train:+.3f}"]
    cells.append("none" if bits is None else f"{bits:.3f}")
    return [*cells, "none" if whole is None else f"{whole:.3f}"]


def _best(facts: Facts) -> str:
    """Of each arm the weights with the least validation loss against the last ones that were reached."""
    rows = []
    for arm in facts.arms:
        steps = [step for a, step in facts.models if a == arm]
        if not steps:
            rows.append([f"`{arm}`", NOT_REACHED, "", "", ""])
            continue
        last = max(steps)
        found = facts.models[arm, last]
        best = found["best"]
        if best and best["figures"]:
            rows.append([f"`{arm}`", f"best, step {best['step']:,}", *_weights_cells(best["figures"])])
        which = "last and best" if best and not best["figures"] else "last"
        rows.append([f"`{arm}`", f"{which}, step {last:,}", *_weights_cells(found)])
    return table(["arm", "weights", "training, nats", "held out, nats", "copied"], rows)


def _weights_cells(found: Mapping[str, Any]) -> list[str]:
    losses = [f"{found[split]['loss']:.3f}" for split in ("train", "held_out")]
    return [*losses, told("copied", found["scores"]["copied"])]


def _by_heart(facts: Facts) -> str:
    titles = {each["id"]: each["title"] for each in facts.titles}
    rows = []
    for arm in facts.arms:
        for step in facts.milestones:
            found = facts.models.get((arm, step))
            rows.append([f"`{arm}`", f"{step:,}", *_heart_cells(found, titles)])
    return text(
        "## What it has learnt by heart",
        f"""Free samples: the share of their tokens in runs of {LONG_RUN} or more that stand in the training
        books, and the longest run and its book. Recited: given {facts.scale.prefix} tokens of a book, the
        share of windows whose next {facts.scale.prefix} the model writes word for word, the likeliest token
        each time; and tokens that it gets right before its first error, in the mean.""",
        table(
            [
                "arm",
                "step",
                "copied",
                "longest run",
                "recited of training",
                "of held out",
                "tokens right: training, held out",
            ],
            rows,
        ),
        f"""Held-out Austen itself lies with {bounds("copied", facts.held_out["scores"]["copied"])} in such
        runs, the longest {bounds("longest_copy", facts.held_out["scores"]["longest_copy"])} tokens: turns of
        speech that she uses twice.""",
    )


def _heart_cells(found: Mapping[str, Any] | None, titles: Mapping[str, str]) -> list[str]:
    if found is None:
        return [NOT_REACHED, "", "", "", ""]
    copy, asked = found["copy"], found["recited"]
    longest = f"{copy['tokens']} tokens, {cell(titles.get(copy['id'], copy['id']))}" if copy else "none"
    shares = [f"{each['rate']:.1%} of {each['windows']}" for each in (asked["train"], asked["held_out"])]
    right = ", ".join(f"{asked[name]['recited_tokens']:.2f}" for name in ("train", "held_out"))
    return [told("copied", found["scores"]["copied"]), longest, *shares, right]


def _expected(facts: Facts) -> str:
    wanted = {
        "words": (5000, has_words, "known words within a point of the lowest group of held-out Austen"),
        "rhythm": (
            50_000,
            has_rhythm,
            "sentences, clause lengths and clauses broken off inside held-out Austen's bounds",
        ),
    }
    rows = []
    for what, (by, test, means) in wanted.items():
        for arm in facts.arms:
            steps = sorted(step for a, step in facts.models if a == arm)
            seen = {step: test(facts.models[arm, step]["scores"], facts.held_out["scores"]) for step in steps}
            rows.append([f"{what} by {by:,}", means, f"`{arm}`", _when(seen, by)])
    return text(
        "## What was expected, and what was seen",
        table(["expected", "taken to mean", "arm", "seen"], rows),
        """None of these figures says that a text makes sense: read the samples.""",
    )


def _when(seen: Mapping[int, bool], by: int) -> str:
    """At which milestones something was seen and at which not."""
    found = [
        f"{word} at {', '.join(f'{step:,}' for step, is_there in seen.items() if is_there is wanted)}"
        for word, wanted in (("yes", True), ("no", False))
        if wanted in seen.values()
    ]
    if by not in seen:
        found.append(f"{by:,} {NOT_REACHED}")
    return "; ".join(found)


def _metre(facts: Facts) -> str:
    parts = [
        "## Metre",
        f"""Does a model learn metre? *Beat* measures how much stress keeps to every second syllable, 6 to 21
        syllables on, of {METRE_WORDS} words at a time: 0 as chance has it, 1 in verse that never errs
        (`benchmarks/metre.py`: syllables and stresses by rule, not by a dictionary, so that some are wrong).
        A line of ten syllables *scans* when no longer word's stress stands against an iambic pentameter,
        which words of one syllable all allow; prose is cut as if it were verse. *Shuffled* are the same words
        in another order.""",
        f"""The models of Austen: {"; ".join(_beats(facts)) or NOT_REACHED}. Her prose has no metre that this
        scorer finds, so there is none to learn: what a novel has of rhythm is in its sentences and pauses,
        above.""",
    ]
    if facts.verse is None:
        return text(*parts, "No verse was measured: give `--verse`.")
    head = [
        "text",
        "beat, ± deviation",
        "shuffled",
        "passages",
        "lines",
        "of ten syllables",
        "of these scan",
        "shuffled",
    ]
    rows = [[name, *_metre_cells(each)] for name, each in facts.verse["texts"].items()]
    auc, training = facts.verse["auc"], facts.verse["training"]
    own = facts.verse["texts"]["model of Milton"]
    return text(
        *parts,
        f"""Passages are {METRE_WORDS} words long: of Milton and Austen all whole ones that are held out, of
        the model the beginnings of its texts. The scores above take the beginnings of pieces of
        {facts.scale.tokens} tokens, so that Austen's beat there is not quite the same.""",
        table(head, rows),
        f"""That the scorer tells verse from prose: a passage of held-out Milton has more beat than one of
        held-out Austen in {auc["Milton"]:.1%} of pairs, where 50 % would be chance.""",
        f"""The same with verse. A `tiny` model ({training["parameters"] / 1e6:.1f}M parameters) read
        *Paradise Lost* ({training["tokens"]:,} tokens; weights of step {training["best_step"]:,} of
        {training["step"]:,}, validation {training["validation_loss"]:.2f} nats). Its beat is
        {_judged(own["beat"], own["beat_deviation"] / own["passages"] ** 0.5)}; of its lines of ten syllables
        {_lines_judged(own)}. It writes:""",
        quoted(facts.verse["sample"], keep_lines=True),
    )


def _metre_cells(each: Mapping[str, float]) -> list[str]:
    return [
        f"{each['beat']:+.3f} ± {each['beat_deviation']:.3f}",
        f"{each['beat_shuffled']:+.3f}",
        f"{each['passages']:,}",
        f"{each['lines']:,}",
        f"{each['tens']:.1%}",
        f"{each['scans']:.1%}",
        f"{each['scans_shuffled']:.1%}",
    ]


def _judged(value: float, error: float) -> str:
    """A beat with its standard error, and whether it is told from none: three errors are asked for."""
    verdict = "not told from none" if abs(value) < 3 * error else "more than chance" if value > 0 else "less"
    return f"{value:+.3f} (standard error {error:.3f}: {verdict})"


def _lines_judged(each: Mapping[str, float]) -> str:
    """How many more lines scan than would in another order, with the standard error of the difference."""
    ours, other, count = each["scans"], each["scans_shuffled"], each["tens"] * each["lines"]
    error = ((ours * (1 - ours) + other * (1 - other)) / count) ** 0.5
    verdict = "more than chance" if ours - other > 3 * error else "not told from chance"
    return f"{ours:.1%} scan, {other:.1%} in another order (difference ± {error:.1%}: {verdict})"


def _beats(facts: Facts) -> Iterator[str]:
    for arm in facts.arms:
        steps = [s for a, s in facts.models if a == arm and facts.models[a, s]["scores"]["beat"] is not None]
        if steps:
            scores = facts.models[arm, max(steps)]["scores"]
            yield f"`{arm}` at step {max(steps):,} {_judged(scores['beat'], scores['beat_error'])}"


def _made(facts: Facts) -> str:
    lines, reached = [], max((step for _, step in facts.models), default=0)
    for arm in facts.arms:
        steps = [step for a, step in facts.models if a == arm]
        if steps:
            found = facts.models[arm, max(steps)]
            speeds = [each["tokens_per_s"] for each in found["validations"] if each.get("tokens_per_s")]
            speed = (
                f", {speeds[-1]:,.0f} tokens/s since it was last begun, other work beside" if speeds else ""
            )
            machine = ", ".join(f"{name} {value}" for name, value in found["machine"].items())
            lines.append(f"- `{arm}`: {machine}{speed}")
    return text(
        "## How it was made",
        f"```\npython -m benchmarks.austen train --run RUN --out DIR --steps {reached}\n"
        "python -m benchmarks.austen verse --books BOOKS --out VERSE\n"
        "python -m benchmarks.austen page --run RUN --out DIR --verse VERSE --page austen.md\n```",
        "\n".join(lines),
    )


# ---------------------------------------------------------------------------------------------------- words
def _cell(facts: Facts, arm: str, step: int, name: str) -> str:
    found = facts.models.get((arm, step))
    return NOT_REACHED if found is None else told(name, found["scores"][name])
