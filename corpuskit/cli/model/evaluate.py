"""``corpuskit eval``: what trained models give to texts, and how they answer questions."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from corpuskit.cli.model.sample import DEVICES
from corpuskit.cli.model.writing import asked_of, pair_options
from corpuskit.cli.shell import COUNT, PATH, Shell, progress, shell_options
from corpuskit.errors import SettingError, counted

if TYPE_CHECKING:
    from corpuskit.train.evaluate.evaluate import Contender, Evaluation, Set

_NAMES = {
    "bits_per_byte": "bits per byte",
    "exact_match": "exact match",
    "bleu": "BLEU",
    "chrf": "chrF",
    "rouge_l": "ROUGE-L",
    "sentence_chrf": "chrF of single texts",
    "macro_f1": "macro-F1",
    "micro_f1": "micro-F1",
    "span_f1": "span F1",
    "subset_accuracy": "subset accuracy",
    "ece": "ECE",
}
_SHOWN = 20
"""Sources, and texts found in training documents, that are shown; --json has them all."""


@click.command()
@click.argument("places", type=PATH, nargs=-1, required=True, metavar="MODEL... [RUN|FILES|TASK.yaml]...")
@click.option(
    "--group", "groups", multiple=True, metavar="NAME=MODEL,MODEL", help="Models of other seeds as one."
)
@click.option("--split", help="Of a run. Default: validation, or test where there is none.")
@click.option("--stride", type=COUNT, help="Tokens by which windows move. Default: half of the context.")
@click.option("--field", help="Field of rows that holds the text. Default: text.")
@click.option("--limit", type=COUNT, help="At most so many questions of a task.")
@click.option("--run", "trained_on", type=PATH, help="Name what stands in this run's training documents.")
@click.option("--device", type=DEVICES, default="auto", show_default=True, help="Where it is computed.")
@click.option("--items", is_flag=True, help="With --json, what was found of each question and text.")
@click.option("--save", "name", help="Keep the figures as MODEL/evaluations/NAME.json.")
@pair_options
@shell_options
def command(
    shell: Shell,
    places: tuple[Path, ...],
    groups: tuple[str, ...],
    split: str | None,
    stride: int | None,
    field: str | None,
    limit: int | None,
    trained_on: Path | None,
    device: str,
    items: bool,
    name: str | None,
    pairs: dict[str, Any],
) -> None:
    """Measure models on texts and on questions.

    Of a run its held-out documents are read, of files all texts: loss, perplexity and bits per byte, by
    source and language. A .jsonl whose rows have `choices` and `answer`, or `context` and `continuation`, is
    a task, and so is a TASK.yaml, as `python -m pydoc corpuskit.train.evaluate.questions.task_file` says. Of
    conversations the answers are measured. Models and groups after the first are tested against it. Models of
    --task classify or tag are scored on files with labels: accuracy, macro-F1 and calibration, or F1 of
    spans; where they have learnt from some of the rows themselves, on the others alone too.

    Models of --task seq2seq write a text for each source of a table, or of two files, SOURCES TARGETS, and
    are scored on their targets: loss, exact match (characters as they are), and with `corpuskit[seq2seq]`
    BLEU and chrF by sacrebleu and ROUGE-L by rouge-score, with their signatures, beside a copy of the source.

    \b
    corpuskit eval models/sample runs/sample
    corpuskit eval models/a models/b questions.jsonl my.txt --json
    corpuskit eval --group a=models/a1,models/a2 --group b=models/b1,models/b2 news.yaml
    corpuskit eval models/sample questions.jsonl --run runs/sample --save questions
    corpuskit eval models/reviews test.csv --save test
    corpuskit eval models/en-de test.en test.de --beams 4
    """
    # torch takes seconds to load: not before there is something to measure.
    from corpuskit.train.evaluate.evaluate import (
        check_models,
        check_name,
        evaluate,
        is_model,
        save,
        sets_of,
    )

    if name is not None:
        check_name(name)
    contenders = _contenders([path for path in places if is_model(path)], groups)
    data = [path for path in places if not is_model(path)]
    if not contenders or not data:
        raise SettingError(
            "there is nothing to measure on" if contenders else "no model is named",
            remedy="Name models, then runs, files or tasks: corpuskit eval models/sample runs/sample",
        )
    # What models are is known at once; reading what they are measured on may take a while.
    asked = asked_of(pairs)
    check_models(contenders, [], writes=asked is not None)
    sets = sets_of(data, contenders, asked, stride=stride, split=split, field=field, limit=limit)
    check_models(contenders, sets, stride)
    for each in sets:
        _remark(shell, each)
    if trained_on is not None and not (trained_on / "shards" / "shards.json").is_file():
        raise SettingError(f"--run {trained_on} is no finished run", remedy="Name the --out of a build.")
    with progress(shell) as bars:

        def begins(what: str, steps: int) -> Any:
            task = bars.add_task(what, total=steps or None)
            return lambda done: bars.update(task, advance=done)

        found = evaluate(contenders, sets, stride=stride, device=device, run=trained_on, begins=begins)
    if name is not None:
        for path in save(found, contenders, name, shlex.join(["corpuskit", *sys.argv[1:]])):
            shell.say(f"kept as {path}")
    data_json = {
        "models": {each.name: list(map(str, each.folders)) for each in contenders},
        "sets": found.sets,
        "contamination": found.contamination,
        **({"items": found.items} if items else {}),
    }
    shell.result(data_json, render(found))


def _contenders(models: Sequence[Path], groups: Sequence[str]) -> list[Contender]:
    from corpuskit.train.evaluate.evaluate import Contender

    found = [Contender(str(path), (path,)) for path in models]
    for group in groups:
        name, equals, listed = group.partition("=")
        folders = tuple(Path(part).expanduser() for part in listed.split(",") if part)
        if not (name and equals and folders):
            raise SettingError(
                f"--group {group!r} names no models", remedy="Write --group NAME=models/a,models/b"
            )
        found.append(Contender(name, folders))
    return found


def _remark(shell: Shell, each: Set) -> None:
    if getattr(each, "directly", False):
        shell.say(
            f"{each.name}: choices stand directly behind their prompts, without a blank; where one is meant, "
            "end the prompt with it or give `separator`."
        )


# ----------------------------------------------------------------------------------------------- for a person
def render(found: Evaluation) -> str:
    """The tables of all sets, and what was found in training documents."""
    blocks = [_table(each) for each in found.sets]
    if found.contamination is not None:
        blocks.append(_contamination(found.contamination))
    return "\n\n".join(blocks)


def _table(each: dict[str, Any]) -> str:
    rows = _texts(each) if each["kind"] == "texts" else _answers(each)
    lines = [f"{each['set']}: {each['what']}{_how(each)}", *_aligned(rows)]
    lines += _confusion(each) if each["kind"] in ("labels", "answers") else []
    lines += _written(each) if each["kind"] == "pairs" else []
    lines += _remarks(each)
    for entry in each["comparisons"]:
        low, high = entry["interval"]
        text = (
            f"{entry['model']} less {entry['against']}, {_named(entry['figure'])}: "
            f"{entry['difference']:+.4f} ({low:+.4f} to {high:+.4f}), "
            f"p {entry['p']:.4f} by {entry['test']} over {entry['items']:,} items"
        )
        if "sign_test_p" in entry:
            text += f", {entry['sign_test_p']:.4f} by the sign test"
        lines.append(text)
    return "\n".join(lines)


def _how(each: dict[str, Any]) -> str:
    members = [m for model in each["models"].values() for m in model["members"].values()]
    if each["kind"] != "texts":
        return ""
    ways = sorted({(m["stride"], m["least_context"]) for m in members})
    return "; windows move by " + ", ".join(
        f"{stride:,} tokens and see at least {least:,} before" for stride, least in ways
    )


def _texts(each: dict[str, Any]) -> list[list[str]]:
    """A row for each model; below a single one its sources and languages, where they are several."""
    rows = [["", "bits per byte", "95 %", "loss", "perplexity", "tokens", "bytes"]]
    for name, model in each["models"].items():
        members = list(model["members"].values())
        if len(members) > 1:
            rows.append([name, *_spread(model["summary"])])
        for folder, member in model["members"].items():
            rows.append([f"  {folder}" if len(members) > 1 else name, *_loss(member, member["interval"])])
            for kind in ("by_source", "by_language") if len(members) == 1 else ():
                parts = member[kind]
                if len(parts) > 1:
                    shown = list(parts.items())[:_SHOWN]
                    rows += [[f"    {part}", *_loss(figures, None)] for part, figures in shown]
                    if len(parts) > _SHOWN:
                        rows.append([f"    and {len(parts) - _SHOWN} more", *[""] * 6])
    return rows


def _loss(figures: dict[str, Any], interval: dict[str, Any] | None) -> list[str]:
    bits, size = figures["bits_per_byte"], figures["bytes"]
    return [
        "?" if bits is None else f"{bits:.4f}",
        "" if interval is None else f"{interval['low']:.4f} to {interval['high']:.4f}",
        f"{figures['loss']:.4f}",
        f"{figures['perplexity']:,.2f}",
        f"{figures['tokens']:,}",
        "?" if size is None else f"{size:,}",
    ]


def _spread(summary: dict[str, Any]) -> list[str]:
    """The cells of a group of seeds, whose tables all begin with the figure that is compared."""
    [(name, figure)] = summary.items()
    mean = f"{figure['mean']:.4f} ± {figure['spread']:.4f}"
    cells = ["", f"of {figure['models']} models", "", "", "", ""]
    cells[0 if name == "bits_per_byte" else 2] = mean
    return cells


def _answers(each: dict[str, Any]) -> list[list[str]]:
    rows: list[list[str]] = []
    for name, model in each["models"].items():
        members = list(model["members"].items())
        figures = [
            key for key, value in members[0][1].items() if isinstance(value, dict) and "interval" in value
        ]
        if not rows:
            rows.append(["", *(cell for key in figures for cell in (_named(key), "95 %"))])
        if len(members) > 1:
            cells = {
                key: f"{value['mean']:.4f} ± {value['spread']:.4f}" for key, value in model["summary"].items()
            }
            rows.append([name, *(cell for key in figures for cell in (cells.get(key, ""), ""))])
        for folder, member in members:
            rows.append([f"  {folder}" if len(members) > 1 else name, *_cells(member, figures)])
            if rest := member.get("rest"):
                count = next(rest[each] for each in ("rows", "sentences", "pairs") if each in rest)
                rows.append([f"    on {count:,} not learnt from", *_cells(rest, figures)])
    return rows


def _cells(member: dict[str, Any], figures: Sequence[str]) -> list[str]:
    """Each figure with its interval."""
    cells = []
    for key in figures:
        value, bounds = member[key]["value"], member[key]["interval"]
        cells += [
            "?" if value is None else f"{value:.4f}",
            "" if bounds is None else f"{bounds[0]:.4f} to {bounds[1]:.4f}",
        ]
    return cells


def _confusion(each: dict[str, Any]) -> list[str]:
    """How often each label was taken for each, of every model that has few enough; and what is odd."""
    lines: list[str] = []
    for model in each["models"].values():
        for folder, member in model["members"].items():
            labels, matrix = member.get("labels", ()), member.get("confusion")
            if matrix is not None and len(labels) <= _SHOWN:
                rows = [
                    ["", *labels],
                    *([name, *map(str, row)] for name, row in zip(labels, matrix, strict=True)),
                ]
                lines += [f"{folder}: rows by their label, columns by what was said", *_aligned(rows)]
            lines += [f"{folder}: {told}" for told in member["told"]]
    return lines


def _written(each: dict[str, Any]) -> list[str]:
    """What a copy of the sources would score, how each score is computed, and what is odd."""
    members = [pair for model in each["models"].values() for pair in model["members"].items()]
    first = members[0][1]
    copied = ", ".join(f"{_named(name)} {value:.4f}" for name, value in first["copy"].items())
    lines = [f"{counted(first['pairs'], 'pair')}; a copy of the source: {copied}"]
    lines += [
        f"{_named(name)}: {value['signature']}"
        for name, value in first.items()
        if isinstance(value, dict) and "signature" in value
    ]
    return lines + [f"{folder}: {told}" for folder, member in members for told in member["told"]]


def _remarks(each: dict[str, Any]) -> list[str]:
    """What a reader of the table must know, once for each model that it holds for."""
    said = {
        "ties": "{} had several best choices, of which the first was taken",
        "cut": "{} of prompt and answer did not fit the context and lost their beginning",
        "over_border": "{} of prompt and answer have a token over the border, which counts as the answer's",
    }
    lines = []
    for model in each["models"].values():
        for folder, member in model["members"].items():
            for key, text in said.items():
                if member.get(key):
                    what = "question" if key == "ties" else "pair"
                    lines.append(f"{folder}: {text.format(counted(member[key], what))}.")
    return lines


def _contamination(found: dict[str, Any]) -> str:
    shared = found["shared"]
    lines = [
        f"{counted(len(shared), 'text')} of {found['texts']:,} share {found['words']} words in a row with "
        f"one of the {counted(found['documents'], 'training document')} of {found['run']}; too short: "
        f"{found['too_short']:,}"
    ]
    for each in shared[:_SHOWN]:
        more = f" and {each['documents'] - 1:,} more" if each["documents"] > 1 else ""
        lines.append(f"  {each['place']}: {each['document']}{more}: {each['words']}")
    if len(shared) > _SHOWN:
        lines.append(f"  and {len(shared) - _SHOWN:,} more")
    return "\n".join(lines)


def _named(figure: str) -> str:
    return _NAMES.get(figure, figure)


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
