"""Each rule for templates beside what its wiki shows: the cases of ``tests/cases/templates``.

A case names its wiki, a call, the text that comes of it, and where that is known from: a page as the wiki
rendered it, the template's documentation there, or ``unconfirmed``.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from corpuskit.sources.wikipedia.extract import extract_wikitext, table_rows
from corpuskit.sources.wikipedia.rules import UNCONFIRMED, ShippedRule, shipped_rules

FOLDER = Path(__file__).parents[2] / "cases" / "templates"
COLUMNS = ["wiki", "input", "expected", "source"]

CALL = re.compile(r"\{\{\s*([^|{}\n]+)")


class Case(NamedTuple):
    """A line of a file of cases."""

    wiki: str
    input: str
    expected: str
    source: str
    place: str


def read_cases() -> list[Case]:
    cases = []
    for path in sorted(FOLDER.glob("*.tsv")):
        lines = enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        rows = [(number, line.split("\t")) for number, line in lines if line and not line.startswith("#")]
        assert rows[0][1] == COLUMNS, f"{path.name}: the first line names the columns {COLUMNS}"
        for number, row in rows[1:]:
            place = f"{path.name}:{number}"
            assert len(row) == len(COLUMNS), f"{place}: {len(COLUMNS)} columns, not {len(row)}"
            assert all(row), f"{place}: an empty column"
            wiki, given, expected, source = (field.replace("\\n", "\n") for field in row)
            cases.append(Case(wiki, given, expected, source, place))
    return cases


CASES = read_cases()


@cache
def rules_of(wiki: str) -> dict[str, ShippedRule]:
    """Rules by folded name that hold in a wiki, the strongest of each name."""
    parents = {row[2]: row[3] for row in table_rows("words.tsv") if row[0] == "inherits"}
    lineage = [wiki.split("-")[0]]
    while lineage[-1] in parents:
        lineage.append(parents[lineage[-1]])
    found = {}
    for language in ("*", *reversed(lineage)):
        for rule in shipped_rules():
            if language in rule.languages:
                found.update(dict.fromkeys((name.lower() for name in rule.names), rule))
    return found


def rule_for(wiki: str, name: str) -> ShippedRule | None:
    """The rule that writes a call: by its whole name, else by the longest beginning, else by a number."""
    rules, name = rules_of(wiki), name.replace("_", " ").strip().lower()
    if name in rules:
        return rules[name]
    if ":" in name and name.partition(":")[0] + ":" in rules:
        return rules[name.partition(":")[0] + ":"]
    for end in range(len(name), 0, -1):
        if name[:end] + "*" in rules and end + 1 > 1:
            return rules[name[:end] + "*"]
    return rules.get(re.sub(r"^([0-9]+|[ivxlcdm]+)", "#", name))


def rules_named(case: Case) -> set[int]:
    """Lines of the rules that a case's calls are written by."""
    found = (rule_for(case.wiki, name) for name in CALL.findall(case.input))
    return {rule.line for rule in found if rule is not None}


def writing_rules() -> list[ShippedRule]:
    """Rules that write text."""
    return [rule for rule in shipped_rules() if rule.writes]


def said(rule: ShippedRule) -> str:
    return f"line {rule.line} of templates.tsv ({','.join(rule.languages)} {'|'.join(rule.names[:3])})"


@pytest.mark.parametrize("case", CASES, ids=[f"{c.place}-{c.wiki}" for c in CASES])
def test_case(case: Case) -> None:
    assert extract_wikitext(case.input, language=case.wiki).text == case.expected, case.source


def test_every_rule_that_writes_text_has_a_case() -> None:
    named = set().union(*map(rules_named, CASES))
    assert [said(rule) for rule in writing_rules() if rule.line not in named] == []


def test_the_marks_of_unconfirmed_rules_agree_with_the_cases() -> None:
    confirmed = set().union(*(rules_named(case) for case in CASES if case.source != UNCONFIRMED))
    wrong = [said(rule) for rule in writing_rules() if rule.confirmed != (rule.line in confirmed)]
    assert wrong == [], "mark these in the last column of templates.tsv, or take the mark away"


def test_rules_of_english_hold_in_english_alone() -> None:
    heirs = {row[2] for row in table_rows("words.tsv") if row[0] == "inherits" and row[3] == "en"}
    assert heirs == {"simple"}
    words = {"the", "of", "and", "by", "from", "since", "class", "pronunciation", "born", "died", "at"}
    for rule in writing_rules():
        if set(rule.languages) - {"en", "simple"}:
            text = re.sub(r"\{[^{}]*\}", "", rule.spec)
            assert not words & set(re.findall(r"\b[a-z]+\b", text)), said(rule)


def test_a_rule_that_writes_text_has_no_other_note() -> None:
    for row in table_rows("templates.tsv"):
        assert row[2] in ("drop", "lost") or row[4:] in ([], [UNCONFIRMED]), row


@pytest.mark.parametrize(
    ("wiki", "name", "line"),
    [("vi", "fbu", "vi"), ("vi", "Birth_date", "vi"), ("de", "zitat-xx", "de"), ("fr", "XIXe siècle", "fr")],
)
def test_the_rule_of_a_call_is_found_as_the_engine_does(wiki: str, name: str, line: str) -> None:
    rule = rule_for(wiki, name)
    assert rule is not None
    assert rule.languages == (line,)
