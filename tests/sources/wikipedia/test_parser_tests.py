"""MediaWiki's own parser tests; benchmarks/parser_tests.py has the rules."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.parser_tests import DIFFERENCES, CaseResult, html_text, normalise, our_text, read, run

CORPORA = os.environ.get("CORPUSKIT_CORPORA", "")
needs_corpora = pytest.mark.skipif(not CORPORA, reason="CORPUSKIT_CORPORA is not set")

FILE = """\
!! article
Template:x
!! text
no test
!! endarticle

!! test
The name
!! options
title=[[Ulm city]] language=de
# a comment
!! wikitext
* a
b
!! html/parsoid
<p>other</p>
!! html/php
<ul><li>a</li></ul>
<p>b</p>
!! end

!! test
without html
!! wikitext
x
!! end
"""


def test_reader(tmp_path: Path) -> None:
    path = tmp_path / "some.txt"
    path.write_text(FILE, encoding="utf-8")
    (test,) = read(path)
    assert (test.name, test.wikitext, test.html) == ("The name", "* a\nb", "<ul><li>a</li></ul>\n<p>b</p>")
    assert (test.option("title"), test.option("language"), test.option("variant")) == ("Ulm city", "de", "")


def test_text_of_html() -> None:
    html = (
        "<h2>H<span class='mw-editsection'>[edit]</span></h2><p>a<b>b</b>&amp;<sup class=reference>[1]</sup>c"
    )
    assert html_text(html + "<br>d<style>x</style></p><td>e</td><td>f</td>") == "H ab&c d e f"
    shown = "<figure typeof='mw:File/Thumb'><figcaption>a</figcaption></figure>"
    assert html_text(shown + shown.replace("/Thumb", "")) == "a"


def test_only_white_space_and_signs_of_items_are_normalised() -> None:
    assert our_text("- a\n  2. b\tc - d") == "a b c - d"
    assert normalise(" a\u00a0b\n\nc ") == "a b c"


@pytest.fixture(scope="module")
def results() -> list[CaseResult]:
    return run(Path(CORPORA, "conformance", "parsoid"))[0]


@needs_corpora
def test_three_of_four_parser_tests_give_the_text_of_the_expected_html(results: list[CaseResult]) -> None:
    equal = sum(not outcome.difference for outcome in results)
    assert len(results) > 1000
    assert equal >= 0.80 * len(results)


@needs_corpora
def test_every_other_one_has_a_class(results: list[CaseResult]) -> None:
    classes = Counter(outcome.difference for outcome in results if outcome.difference)
    assert set(classes) <= {name for name, _ in DIFFERENCES} | {"other"}
    assert classes["other"] <= 0.05 * len(results), classes
