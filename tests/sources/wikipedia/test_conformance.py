"""Suites of other projects against the extractor; the rules and figures: `benchmarks.wiki_conformance`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.wiki_conformance import (
    chinese_scores,
    shown_text,
    single_articles,
    token_scores,
    token_tests,
)
from benchmarks.wiki_defects import Judgement, judge_page
from benchmarks.wiki_pages import french_articles, ours_by_language

CORPORA = os.environ.get("CORPUSKIT_CORPORA", "")
needs_corpora = pytest.mark.skipif(not CORPORA, reason="CORPUSKIT_CORPORA is not set")
SUITES = Path(CORPORA, "conformance")


def test_only_what_a_token_stream_shows_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.mwtest").write_text(
        'name:   link\nlabel:  x\ninput:  "a [[b|c]]\\n"\n'
        'output: [Text(text="a "), WikilinkOpen(), Text(text="b"), WikilinkSeparator(), Text(text="c"), '
        "WikilinkClose()]\n\n---\n\nname:   none\nlabel:  no output\n",
        encoding="utf-8",
    )
    (test,) = token_tests(tmp_path)
    assert (test.name, test.wikitext, test.words) == ("a: link", "a [[b|c]]\n", ("a", "c"))


def test_templates_footnotes_and_attributes_are_hidden() -> None:
    def tag(name: str, *inside: tuple[str, dict[str, object]]) -> list[tuple[str, dict[str, object]]]:
        return [
            ("TagOpenOpen", {}),
            ("Text", {"text": name}),
            ("TagAttrStart", {}),
            ("Text", {"text": "id"}),
            ("TagCloseOpen", {"padding": ""}),
            *inside,
            ("TagOpenClose", {}),
            ("Text", {"text": name}),
            ("TagCloseClose", {}),
        ]

    template = [("TemplateOpen", {}), ("Text", {"text": "t"}), ("TemplateClose", {})]
    tokens = [*tag("b", ("Text", {"text": "shown"})), *tag("ref", ("Text", {"text": "note"})), *template]
    assert shown_text([*tokens, ("Text", {"text": "."})]).split() == ["shown", "."]


@needs_corpora
def test_words_of_the_token_tests() -> None:
    total, different, lacking = token_scores(SUITES / "mwparserfromhell")
    assert total > 450
    assert len(different) <= 0.24 * total, [test.name for test in different]
    assert lacking <= 0.18 * total


@needs_corpora
def test_expected_chinese_texts() -> None:
    scores = chinese_scores(Path(CORPORA))
    assert set(scores) == {"Literature", "Mathematics", "Philosophy"}
    assert all(recall >= 98 and precision >= 90 for recall, precision in scores.values()), scores


@needs_corpora
@pytest.mark.parametrize("suite", ["wtf_wikipedia_cache", "json_wikipedia_en"])
def test_single_articles_keep_their_prose(suite: str) -> None:
    pages = single_articles(Path(CORPORA), suite)
    found = Judgement()
    for page, text in zip(pages, ours_by_language(pages), strict=True):
        judge_page(page, text, found)
    assert found.share("sentences kept", "sentences") >= 99.5
    assert found.share("items kept", "items") >= 99.0
    assert found.counts["footnotes glued"] == 0


@needs_corpora
def test_french_articles_have_their_pairs() -> None:
    pages = french_articles(Path(CORPORA))
    assert len(pages) == 44
    assert all(page.wikitext for page in pages)
