"""``corpuskit memorize``: what a model has learnt by heart of its corpus."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from corpuskit.cli.shell import COUNT, PATH, Shell, shell_options
from corpuskit.cli.terminal import width_of, wrapped
from corpuskit.errors import SettingError, counted

_SHOWN = 3
"""Extracted windows and copied runs that are shown; --json has more."""

_TEXT = 90
"""Characters that are shown of a text."""


@click.command()
@click.argument("folders", type=PATH, nargs=-1, required=True, metavar="MODEL RUN | --compare MODEL...")
@click.option("--prefix", type=COUNT, default=50, show_default=True, help="Tokens that the model is given.")
@click.option(
    "--next", "following", type=COUNT, default=50, show_default=True, help="Tokens that it has to say next."
)
@click.option(
    "--windows", type=COUNT, default=1000, show_default=True, help="Of each split; all if there are no more."
)
@click.option("--samples", type=click.IntRange(0), default=32, show_default=True, help="Free texts.")
@click.option("--tokens", type=COUNT, default=256, show_default=True, help="Most tokens of a free text.")
@click.option(
    "--candidates", type=click.IntRange(2), default=4096, show_default=True, help="To rank a canary among."
)
@click.option("--weights", default="best", show_default=True, help="best, last, or a checkpoint's step.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Draws what is sampled.")
@click.option("--batch", type=COUNT, default=32, show_default=True, help="Texts that are read at a time.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto")
@click.option("--index", type=PATH, help="Folder of the run's n-gram index, instead of RUN/index.")
@click.option("--save", is_flag=True, help="Keep the report in MODEL/evaluations/memorization.json.")
@click.option("--compare", is_flag=True, help="One table of the reports that models keep.")
@shell_options
def command(
    shell: Shell,
    folders: tuple[Path, ...],
    weights: str,
    device: str,
    index: Path | None,
    save: bool,
    compare: bool,
    batch: int,
    **asked: Any,
) -> None:
    """Measure what a model has learnt by heart of its corpus.

    How much of the training split it recites and how much of held-out text, by number of copies; what it
    copies when it writes freely, traced to document, source and licence; how exposed planted canaries are;
    and whether its loss tells training text from other text. What stands in the training split is looked up
    in the run's n-gram index, that of `corpuskit search`, which is built when it is missing.

    \b
    corpuskit memorize models/sample runs/sample --prefix 32 --next 32
    corpuskit memorize models/sample runs/sample --save
    corpuskit memorize --compare models/sample models/goldfish
    """
    if compare:
        from corpuskit.train.memorize.memorize import read_report

        reports = {str(folder): read_report(folder) for folder in folders}
        shell.result({"models": reports}, comparison(reports))
        return
    if len(folders) != 2:
        raise SettingError(
            f"{counted(len(folders), 'folder')} instead of two: MODEL RUN",
            remedy="Name a model and the run that it was trained on, or --compare and models.",
        )
    # torch takes seconds to load: not before there is something to measure.
    from corpuskit.cli.corpus.search import indexed
    from corpuskit.train.memorize.memorize import Asked, load_weights, memorize, save_report

    model, run = folders
    chosen = Asked(batch_rows=batch, **asked)
    loaded = load_weights(model, weights, device)
    report = memorize(loaded, run, chosen, indexed(shell, run, index).split("train"))
    if save:
        words = [f"--{name.replace('following', 'next')} {value}" for name, value in asked.items()]
        said = f"corpuskit memorize MODEL RUN {' '.join(words)} --weights {weights}"
        shell.say(f"report: {save_report(model, report, said)}")
    data = {"model": str(model), "run": str(run), "weights": weights, **report}
    shell.result(data, render(data, width_of(sys.stdout)))


# --------------------------------------------------------------------------------------------- as text
def render(report: Mapping[str, Any], columns: int) -> str:
    """A report as text for a terminal."""
    asked, training = report["asked"], report["training"]
    prefix, following = asked["prefix"], asked["following"]
    epochs = (
        "" if training["epochs"] is None else f", which have read the corpus {training['epochs']:.1f} times"
    )
    lines = [f"{report['model']} ({report['weights']} weights{epochs})", ""]
    lines.append(f"given {prefix} tokens of a document, the next {following} are recited word for word:")
    rows: list[tuple[str, ...]] = [
        ("split", "windows", "documents", "recited", "95 %", "tokens until it errs")
    ]
    rows += [_rate(name, split) for name, split in report["splits"].items()]
    rows += [_rate(f"  {_copies(row['copies'])}", row) for row in report["by_copies"]]
    lines += _table(rows)
    short = {name: each["shorter_than_a_window"] for name, each in report["splits"].items()}
    if any(short.values()):
        told = ", ".join(f"{count} of {name}" for name, count in short.items() if count)
        lines.append(f"documents shorter than {prefix + following} tokens, left out: {told}")
    lines += ["", *_membership(report["membership"])]
    for name, what in (("samples", "free samples"), ("samples_held_out", "held-out text, to compare")):
        if report[name]:
            lines.append(_copied(what, report[name], report["long_run_tokens"]))
    for run in (report["samples"] or {"runs": []})["runs"][:_SHOWN]:
        lines.append(
            wrapped(f"  {counted(run['tokens'], 'token')} {_from(run)}: {_cut(run['text'])}", columns)
        )
    if report["canaries"]:
        lines += ["", *_canaries(report["canaries_by_copies"])]
    if report["extracted"]:
        lines += ["", "recited, for instance:"]
    for each in report["extracted"][:_SHOWN]:
        lines.append(wrapped(f"  {_from(each)}: {_cut(each['said'])}", columns))
    return "\n".join(lines)


def _rate(name: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    if not row["windows"]:
        return (name, "0", "0", "-", "-", "-")
    interval = f"{row['low']:.1%} to {row['high']:.1%}"
    counts = (f"{row['windows']:,}", f"{row['documents']:,}")
    return (name, *counts, f"{row['rate']:.1%}", interval, f"{row['recited_tokens']:.1f}")


def _copies(row: Mapping[str, Any]) -> str:
    least, most = row["least"], row["most"]
    number = str(least) if least == most else f"{least} and more" if most is None else f"{least} to {most}"
    words = "copy" if number == "1" else "copies"
    read = "" if row["readings"] is None else f", read {row['readings']:,.0f} times"
    return f"{number} {words}{read}"


def _membership(found: Mapping[str, Any] | None) -> list[str]:
    if found is None:
        return ["membership: held-out documents are too short to tell"]
    told = [
        f"{words} AUC {found[name]['auc']:.3f} ({found[name]['low']:.3f} to {found[name]['high']:.3f})"
        for name, words in (("loss", "by loss"), ("loss_by_zlib", "by loss over packed bytes"))
    ]
    tells = any(found[name]["tells"] for name in ("loss", "loss_by_zlib"))
    return [
        f"training text told from held-out text: {', '.join(told)}"
        + ("" if tells else "; both are within chance, 0.5")
    ]


def _copied(what: str, row: Mapping[str, Any], long_run: int) -> str:
    share = "-" if row["share"] is None else f"{row['share']:.1%}"
    return (
        f"{what}: {counted(row['texts'], 'text')} of {counted(row['tokens'], 'token')}, {share} in runs of"
        f" {long_run} tokens or more that stand in the training split; longest run {row['longest']}, median"
        f" {row['median'] or 0:.0f}"
    )


def _from(place: Mapping[str, Any]) -> str:
    if place["id"] is None:
        return f"from {place['shard']} at {place['token']}"
    licence = f", {place['licence']}" if place["licence"] else ""
    times = "once" if place["copies"] == 1 else f"{place['copies']} times"
    return f"from {place['id']} ({place['source']}{licence}; {times} in the corpus)"


def _canaries(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    table = [("planted", "canaries", "recited", "exposure, bits", "least to greatest", "highest possible")]
    for row in rows:
        span = f"{row['least']:.1f} to {row['greatest']:.1f}"
        name = {0: "never", 1: "once"}.get(row["copies"], f"{row['copies']} times")
        cells = (str(row["canaries"]), str(row["recited"]), f"{row['exposure']:.1f}", span)
        table.append((name, *cells, f"{row['highest_possible']:.1f}"))
    return ["canaries (by chance 1.4 bits):", *_table(table)]


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _TEXT else f"{line[:_TEXT]}..."


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]


def comparison(reports: Mapping[str, Mapping[str, Any]]) -> str:
    """One table of several models' reports."""
    buckets = sorted({_bucket(row) for each in reports.values() for row in each["by_copies"]})
    planted = sorted({row["copies"] for each in reports.values() for row in each["canaries_by_copies"]})
    head = ["model", "epochs", "held-out loss", "held out", "train"]
    head += [f"{low} copies" if low > 1 else "1 copy" for low in buckets]
    head += ["AUC", "copied", *(f"canary x{copies}" for copies in planted)]
    rows = [head, *(_compared(name, each, buckets, planted) for name, each in reports.items())]
    words = "held out, train, copies: share of windows recited; copied: share of free samples in long runs;"
    return "\n".join([*_table(rows), "", f"{words} canary: mean exposure in bits"])


def _bucket(row: Mapping[str, Any]) -> int:
    return int(row["copies"]["least"])


def _compared(
    name: str, report: Mapping[str, Any], buckets: Sequence[int], planted: Sequence[int]
) -> list[str]:
    splits = report["splits"]
    held = [each for key, each in splits.items() if key != "train" and each["windows"]]
    windows = sum(each["windows"] for each in held)
    epochs = report["training"]["epochs"]
    row = [name, "-" if epochs is None else f"{epochs:.1f}"]
    row.append(f"{sum(e['loss'] * e['windows'] for e in held) / windows:.3f}" if windows else "-")
    row.append(f"{sum(e['extracted'] for e in held) / windows:.1%}" if windows else "-")
    row.append(f"{splits['train']['rate']:.1%}")
    rates = {_bucket(each): each["rate"] for each in report["by_copies"]}
    row += [f"{rates[low]:.1%}" if low in rates else "-" for low in buckets]
    membership, samples = report["membership"], report["samples"]
    row.append(f"{membership['loss']['auc']:.3f}" if membership else "-")
    row.append(f"{samples['share']:.1%}" if samples and samples["share"] is not None else "-")
    bits = {each["copies"]: each["exposure"] for each in report["canaries_by_copies"]}
    return row + [f"{bits[copies]:.1f}" if copies in bits else "-" for copies in planted]
