"""Parser functions that need no wiki: cases as data, and letters compared with Python's."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from corpuskit.sources.wikipedia.extract import STATUS, extract

CASES = json.loads(Path(__file__).parents[2].joinpath("cases", "functions.json").read_text(encoding="utf-8"))


def run(page: str, language: str = "en", title: str = "") -> str:
    pages, titles = pa.array([page], pa.large_string()), pa.array([title], pa.large_string())
    result = extract(
        pages, file_prefixes=["File"], category_prefixes=["Category"], language=language, titles=titles
    )
    assert STATUS[result.status[0]] == "ok"
    return str(result.texts[0].as_py())


@pytest.mark.parametrize("case", CASES, ids=[f"{i}-{c['why']}" for i, c in enumerate(CASES)])
def test_case(case: dict[str, str]) -> None:
    assert run(case["input"], case.get("language", "en"), case.get("title", "")) == case["expected"], case[
        "why"
    ]


def test_cases_are_many_and_differ() -> None:
    assert len(CASES) >= 100
    assert len({(c["input"], c.get("language")) for c in CASES}) == len(CASES)


@pytest.mark.parametrize(("function", "mapping"), [("lc", str.lower), ("uc", str.upper)])
def test_letters_are_those_of_unicode(function: str, mapping: object) -> None:
    """Every letter that Python maps to one code point is mapped to the same one, and no other is touched."""
    assert callable(mapping)
    letters = [c for c in map(chr, range(0xC0, 0x1F000)) if c.isalpha() and len(mapping(c)) == 1]
    given = "".join(f"{c}," for c in letters)
    expected = "".join(f"{mapping(c)}," for c in letters)
    assert run(f"{{{{{function}:{given}}}}}") == expected


def test_a_switch_with_many_cases_is_linear() -> None:
    """Steps per byte do not grow with the number of cases or with nesting."""
    steps = []
    for n in (2_000, 20_000):
        page = "{{#switch:x" + "".join(f"|case{i}=value {i}" for i in range(n)) + "}}"
        pages = pa.array([page], pa.large_string())
        result = extract(pages, file_prefixes=["File"], category_prefixes=["Category"], language="en")
        steps.append(int(result.counters[0, 0]) / len(page))
    assert steps[1] < steps[0] * 1.1
