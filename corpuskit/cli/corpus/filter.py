"""``corpuskit filter``: the rules of quality, and what they would drop of a run."""

from __future__ import annotations

import sys
from itertools import groupby
from math import inf
from pathlib import Path
from typing import Any

import click

from corpuskit.build.forecast.dry_run import size
from corpuskit.cli.shell import COUNT, PATH, Shell, shell_options
from corpuskit.cli.terminal import width_of
from corpuskit.errors import SettingError, counted
from corpuskit.report.preview import OfRule, Preview, facts, filled, preview, values
from corpuskit.run.folder import Run
from corpuskit.stages.quality.figures import FIGURES, Figure, figure
from corpuskit.stages.quality.filter import Filter
from corpuskit.stages.quality.profiles import PROFILES, reason_off
from corpuskit.stages.quality.published import LINE_RULES, RULES, SETS, PublishedRule
from corpuskit.stages.quality.rules import SIDES, line_stages

_BAR = 40
"""Columns of the longest bar of a histogram."""

_FOLDERS = {"candidates": "candidates/: with those that other stages drop", "documents": "documents/"}
"""What was looked at, in words."""

_EMPTY = 3
"""So many empty classes of a histogram in a row are shown; more of them as three points."""


@click.group()
def command() -> None:
    """Show the rules of quality, and what they would drop of a run.

    \b
    corpuskit filter preview runs/sample --rule min_words=50
    corpuskit filter rules --profile books
    """


@command.command("preview")
@click.argument("run", type=PATH)
@click.option(
    "--rule",
    "rules",
    multiple=True,
    metavar="RULE",
    help="A set, a rule, or a limit on a figure, min_words=50 or max_urls=0.1; `filter rules` lists them.",
)
@click.option("--off", multiple=True, metavar="RULE", help="A rule or group of rules to leave out.")
@click.option("--profile", type=click.Choice(["auto", *PROFILES, "none"]), help="Which rules are on.")
@click.option("--words", type=click.Choice(["unicode", "white_space"]), default="unicode", show_default=True)
@click.option("--language", default="", help="Language of documents that name none: en.")
@click.option("--every-language", is_flag=True, help="Ask rules for English of every language.")
@click.option("--samples", type=click.IntRange(min=0), default=3, show_default=True, help="Of each rule.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another number shows other samples.")
@shell_options
def preview_command(shell: Shell, run: Path, samples: int, seed: int, **choice: Any) -> None:
    """Show what rules would drop of a run, by source, with samples and a histogram. Nothing is written.

    Without --rule all sets are asked, as the profile of each source has them. A document that breaks several
    rules is counted as gone under the first of them. Rules are asked of what the first pass has read,
    copies and all, so that there are more documents than the run has kept.

    \b
    corpuskit filter preview runs/sample --rule min_words=50
    corpuskit filter preview runs/sample --rule gopher_quality --rule max_urls=0.1 --json
    corpuskit filter preview runs/sample --profile auto --samples 1
    """
    shell.kept = "Nothing is ever written by this command."
    found = preview(Run.open(run), _filter(**choice), samples=samples, seed=seed)
    shell.result({"run": str(run), **facts(found)}, _text(found, width_of(sys.stdout)))


def _filter(rules: tuple[str, ...], **choice: Any) -> Filter:
    """The rules of the command line as a recipe would have them."""
    named = [rule for rule in rules if "=" not in rule]
    for name in named:
        side, _, of = name.partition("_")
        if side in SIDES and of in FIGURES:
            raise SettingError(f"--rule {name}: there is no limit", remedy=f"Write it behind: {name}=50.")
    limits: dict[str, Any] = {}
    for rule in rules:
        name, equals, value = rule.partition("=")
        if equals:
            limits[name.strip()] = value.strip()
    if lines := line_stages([name for name in named if name not in SETS], (), ()):
        raise SettingError(
            f"{lines[0]} cuts or searches texts: what goes is seen when it is done",
            remedy="Build with it, and see: corpuskit inspect RUN.",
        )
    if rules and (named or not choice["profile"]):
        choice["rules"] = named
    given = {name: value for name, value in choice.items() if value not in ("", (), None, False)}
    return Filter(limits=limits, **given)


def _text(found: Preview, columns: int) -> str:
    lines = [
        f"{_share(found.gone.documents, found.all.documents, 'document')} would go,"
        f" {size(found.gone.bytes)} of {size(found.all.bytes)} ({_FOLDERS[found.folder]})"
    ]
    for label, each in found.sources.items():
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in each.reasons.most_common())
        told = f"  {label}: {each.gone.documents:,} of {each.all.documents:,}, {size(each.gone.bytes)}"
        lines.append(f"{told}{': ' if reasons else ''}{reasons}")
    if found.unknown_language:
        known = counted(found.unknown_language, "document")
        lines.append(f"rules for English were not asked of {known} without a language: --language en")
    for name, rule in found.rules.items():
        if rule.gone.documents or rule.breaks or len(found.rules) == 1:
            lines += ["", *_rule_lines(name, rule, columns)]
    return "\n".join(lines)


def _rule_lines(name: str, rule: OfRule, columns: int) -> list[str]:
    lines = [f"{name}: {counted(rule.gone.documents, 'document')}, {size(rule.gone.bytes)}"]
    if rule.bound is not None:
        bound = rule.bound
        limits = [
            f"{side} {float(limit):g}"
            for side, limit in (("at least", bound.least), ("at most", bound.most))
            if limit is not None
        ]
        lines[0] += f"; {rule.breaks:,} of the {rule.asked:,} that are asked break it"
        lines[0] += ", and go by rules above" if rule.breaks and not rule.gone.documents else ""
        lines.append(f"  {bound.figure.says} ({bound.figure.formula}), {', '.join(limits)}")
        lines += _histogram(rule)
    for sample in rule.samples:
        value = "" if sample.value is None else f" {sample.value:g}"
        room = max(20, min(columns, 160) - 4)
        text = " ".join(sample.text.split())[:room]
        lines += [f"  {sample.id}{value} ({size(sample.bytes)})", f"    {text}"]
    return lines


def _histogram(rule: OfRule) -> list[str]:
    """One bar for each class of values, by its lower end; the classes that hold a limit are marked."""
    assert rule.bound is not None
    classes = list(filled(rule))
    most = max((count for _, count in classes), default=0)
    lines = []
    for (empty, mark), group in groupby(classes, lambda each: (not each[1], _mark(rule, each[0]))):
        rows = list(group)
        if empty and not mark and len(rows) > _EMPTY:
            lines.append(f"  {'...':>10}")
            continue
        for edge, count in rows:
            bar = "#" * -(-_BAR * count // most)
            lines.append(f"  {edge:>10g} {bar:<{_BAR}} {count:,}{mark}")
    return lines


def _mark(rule: OfRule, edge: float) -> str:
    """What stands behind a class: the limits that lie within it."""
    assert rule.bound is not None
    above = rule.edges[rule.edges > edge]
    end = float(above[0]) if len(above) else inf
    limits = (("at least", rule.bound.least), ("at most", rule.bound.most))
    return "".join(
        f"  <- {side} {float(limit):g}" for side, limit in limits if limit is not None and edge <= limit < end
    )


def _share(part: int, whole: int, what: str) -> str:
    return f"{part:,} of {counted(whole, what)} ({part / whole:.1%})" if whole else f"0 of {counted(0, what)}"


# ------------------------------------------------------------------------------------------------- values
@command.command("values")
@click.argument("run", type=PATH)
@click.option("--figure", "names", multiple=True, help="A figure, a rule or a group; default: those of all.")
@click.option("--id", "ids", multiple=True, help="Only this document.")
@click.option("--documents", "most", type=COUNT, default=20, show_default=True, help="Documents at most.")
@click.option("--words", type=click.Choice(["unicode", "white_space"]), default="unicode", show_default=True)
@click.option(
    "--variant", type=click.Choice(["corpuskit", "datatrove"]), default="corpuskit", show_default=True
)
@shell_options
def values_command(
    shell: Shell, run: Path, names: tuple[str, ...], ids: tuple[str, ...], most: int, **counting: Any
) -> None:
    """Show figures of documents, each as what is counted over what it is held against.

    \b
    corpuskit filter values runs/sample --figure dup_lines --figure mean_word_length
    corpuskit filter values runs/sample --id files:notes:too-short --json
    """
    shell.kept = "Nothing is ever written by this command."
    figures = _figures(names)
    found = dict(values(Run.open(run), figures, Filter(**counting), ids=ids, most=most))
    lines = []
    for identity, shown in found.items():
        lines.append(identity)
        for each in figures:
            value = shown[each.name]
            counted_as = (
                f"{value.count:,}"
                if each.over == "" and each.scale == 1
                else f"{value.count:,}/{value.over:,}"
            )
            rounded = "none" if value.value is None else f"{value.value:.4f}"
            lines.append(f"  {each.name:<22} {counted_as:>18}  {rounded}")
    documents = {
        identity: {name: vars(value) for name, value in shown.items()} for identity, shown in found.items()
    }
    shell.result({"run": str(run), "documents": documents}, "\n".join(lines))


def _figures(names: tuple[str, ...]) -> list[Figure]:
    """The figures that are named, by themselves or by rules."""
    if not names:
        return list(FIGURES.values())
    found: dict[str, Figure] = {}
    for name in names:
        of_rules = [rule.figure for rule in RULES if name in rule.names]
        own = [name] if name in FIGURES or not of_rules else []
        found |= {each: figure(each) for each in [*own, *of_rules]}
    return list(found.values())


# -------------------------------------------------------------------------------------------------- rules
@command.command("rules")
@click.option("--set", "of_set", type=click.Choice([*SETS]), help="Only the rules of this set.")
@click.option(
    "--profile", type=click.Choice([*PROFILES]), help="Say which are on there, and why others are off."
)
@shell_options
def rules_command(shell: Shell, of_set: str | None, profile: str | None) -> None:
    """List the rules: set, limits, source, the variant that was chosen, and the profiles that have them on.

    \b
    corpuskit filter rules --set gopher_quality
    corpuskit filter rules --profile verse
    """
    rules = [rule for rule in RULES if of_set in (None, rule.set)]
    told = [_facts_of(rule) for rule in rules]
    lines: list[str] = []
    for rule, each in zip(rules, told, strict=True):
        lines += _lines_of(rule, each, profile)
    if of_set is None:
        lines += ["rules of lines and words, stages of their own:"]
        lines += [f"  {name}: {says}" for name, says in LINE_RULES.items()]
    shell.result({"rules": told, "line_rules": dict(LINE_RULES) if of_set is None else {}}, "\n".join(lines))


def _facts_of(rule: PublishedRule) -> dict[str, Any]:
    off = {name: reason_off(name, rule) for name in PROFILES}
    return {
        "name": rule.name,
        "set": rule.set,
        "figure": rule.figure,
        "formula": figure(rule.figure).formula,
        "min": rule.least,
        "max": rule.most,
        "source": rule.source,
        "variant": rule.variant,
        "english": rule.english,
        "spaced": rule.spaced,
        "not_for": list(rule.not_for),
        "on": [name for name, reason in off.items() if not reason],
        "off": {name: reason for name, reason in off.items() if reason},
    }


def _lines_of(rule: PublishedRule, told: dict[str, Any], profile: str | None) -> list[str]:
    limits = [
        f"{side} {limit}" for side, limit in (("min", rule.least), ("max", rule.most)) if limit is not None
    ]
    holds = ["English alone"] if rule.english else []
    holds += ["scripts with blanks between words"] if rule.spaced else []
    holds += [f"not {', '.join(rule.not_for)}"] if rule.not_for else []
    lines = [f"{rule.name}  {rule.figure} {', '.join(limits)}" + (f"  ({'; '.join(holds)})" if holds else "")]
    lines.append(f"  {rule.set}: {rule.source}" + (f"; {rule.variant}" if rule.variant else ""))
    if profile is not None:
        lines.append(f"  {profile}: " + (f"off: {told['off'][profile]}" if profile in told["off"] else "on"))
    else:
        lines.append(f"  on: {', '.join(told['on']) or 'in no profile'}")
    return lines
