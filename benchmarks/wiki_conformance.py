"""Suites of other projects, read as they are: parser tests, token tests, expected texts, single articles.

``parserTests``      MediaWiki's own: the text of the expected HTML (see `benchmarks.parser_tests`).
``.mwtest``          mwparserfromhell's tokens: the words that its token stream shows, against our words.
                     Shown are texts outside of templates, arguments, comments, footnotes, attributes of tags,
                     targets of links that have a text, and addresses. What the tokenizer leaves as text
                     because a mark is never closed is asked for too.
``zh expected``      three Chinese articles as another reader of dumps wrote them: recall and precision of
                     pairs of neighbouring characters.
single articles      ``json_wikipedia_en`` and ``wtf_wikipedia_cache``: sentences and items kept, marks left
                     over, by `benchmarks.wiki_defects`.
"""

from __future__ import annotations

import ast
import html
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import parser_tests
from benchmarks.harness import OURS, Bar, Options, Row, compare
from benchmarks.wiki_defects import Judgement, judge_page
from benchmarks.wiki_pages import Page, ours_by_language, raw_pages
from benchmarks.wiki_sides import Sides

CHINESE = {"Literature": "文學", "Mathematics": "数学", "Philosophy": "哲学"}
_OPENING = {
    "TemplateOpen": "TemplateClose",
    "ArgumentOpen": "ArgumentClose",
    "CommentStart": "CommentEnd",
}
_HIDDEN_TAGS = frozenset({"ref", "references", "gallery"})
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class TokenTest:
    """One test of a .mwtest file: where it stands, the wikitext, the words that the tokens show."""

    name: str
    wikitext: str
    words: tuple[str, ...]


def token_tests(folder: Path) -> Iterator[TokenTest]:
    """All tests of the .mwtest files of a folder."""
    for path in sorted(folder.glob("*.mwtest")):
        for block in path.read_text(encoding="utf-8").split("\n---\n"):
            fields = dict(re.findall(r"^(name|input|output):[ \t]*(.*)$", block, re.MULTILINE))
            if len(fields) == 3:
                tokens = [
                    (call.func.id, {word.arg: ast.literal_eval(word.value) for word in call.keywords})
                    for call in ast.parse(fields["output"], mode="eval").body.elts  # type: ignore[attr-defined]
                ]
                words = tuple(_WORD.findall(shown_text(tokens)))
                quoted = fields["input"].strip().removeprefix('"').removesuffix('"')
                source = quoted.encode("raw_unicode_escape").decode("unicode_escape")
                if path.stem == "headings":  # a heading with nothing under it goes
                    source, words = f"{source}\nEnd", (*words, "End")
                yield TokenTest(f"{path.stem}: {fields['name']}", source, words)


def shown_text(tokens: list[tuple[str, dict[str, object]]]) -> str:
    """The text that a token stream of mwparserfromhell shows."""
    closers: list[str] = []  # what ends the hidden stretches that are open
    pieces: list[str] = []
    marks: list[int] = []  # where the targets of open links begin
    tag_name: list[str] = []
    for kind, values in tokens:
        if closers:
            if kind in _OPENING:
                closers.append(_OPENING[kind])
            elif kind == closers[-1]:
                closers.pop()
            if kind == "Text" and closers and closers[-1] == "TagCloseOpen":
                tag_name.append(str(values["text"]).strip().lower())
            if kind == "TagCloseOpen" and tag_name and tag_name[0] in _HIDDEN_TAGS:
                closers.append("TagCloseClose")
            elif kind == "TagCloseSelfclose" and closers and closers[-1] == "TagCloseOpen":
                closers.pop()
        elif kind in _OPENING:
            closers.append(_OPENING[kind])
        elif kind in {"TagOpenOpen", "TagOpenClose"}:
            pieces.append(" ")
            tag_name = []
            closers.append("TagCloseOpen" if kind == "TagOpenOpen" else "TagCloseClose")
        elif kind in {"WikilinkOpen", "ExternalLinkOpen"}:
            marks.append(len(pieces))
        elif kind in {"WikilinkSeparator", "ExternalLinkSeparator"} and marks:
            del pieces[marks[-1] :]
        elif kind in {"WikilinkClose", "ExternalLinkClose"} and marks:
            marks.pop()
        elif kind == "HTMLEntityStart":
            pieces.append("&")
        elif kind == "HTMLEntityNumeric":
            pieces.append("#")
        elif kind == "HTMLEntityHex":
            pieces.append(str(values.get("char", "x")))
        elif kind == "HTMLEntityEnd":
            pieces.append(";")
        elif kind == "Text":
            pieces.append(str(values["text"]))
    return html.unescape("".join(pieces))


def token_scores(folder: Path) -> tuple[int, list[TokenTest], int]:
    """How many token tests there are, those whose words differ from ours, and how many of these lack a
    word.
    """
    tests = list(token_tests(folder))
    texts = ours_by_language([Page("Test", "en", test.wikitext) for test in tests])
    pairs = list(zip(tests, texts, strict=True))
    different = [test for test, text in pairs if tuple(_WORD.findall(text)) != test.words]
    lacking = sum(bool(Counter(test.words) - Counter(_WORD.findall(text))) for test, text in pairs)
    return len(tests), different, lacking


def chinese_scores(corpora: Path) -> dict[str, tuple[float, float]]:
    """Recall and precision of pairs of characters, in percent, by the name of the expected text."""
    titles = {title: name for name, title in CHINESE.items()}
    pages = {
        titles[title]: Page(title, "zh", wikitext)
        for title, _, wikitext in raw_pages(corpora / "wikipedia" / "zhwiki-test-pages.xml")
        if title in titles
    }
    scores = {}
    for name, text in zip(pages, ours_by_language(list(pages.values()), everything=True), strict=True):
        expected = (corpora / "conformance" / "cyberzhg_zh_expected" / f"{name}.txt").read_text("utf-8")
        asked, written = _character_pairs(expected), _character_pairs(text)
        shared = (asked & written).total()
        scores[name] = 100 * shared / asked.total(), 100 * shared / written.total()
    return scores


def _character_pairs(text: str) -> Counter[str]:
    letters = "".join(_WORD.findall(text))
    return Counter(letters[place : place + 2] for place in range(len(letters) - 1))


def single_articles(corpora: Path, folder: str) -> list[Page]:
    """The articles that stand as bare wikitext in a folder of the conformance suites."""
    pages = []
    for path in sorted((corpora / "conformance" / folder).glob("*.txt")):
        text = path.read_bytes().decode("utf-8", "replace")
        pages.append(Page(path.stem, "en", html.unescape(text) if text.count("&lt;") > 20 else text))
    return pages


def conformance(options: Options) -> list[Row]:
    """The rows of all suites."""
    folder = options.corpora / "conformance"
    outcomes, excluded = parser_tests.run(folder / "parsoid")
    differing = Counter(outcome.difference for outcome in outcomes if outcome.difference)
    equal = 100 * sum(not outcome.difference for outcome in outcomes) / len(outcomes)
    rows = compare(
        "parserTests with the text of the expected HTML",
        round(equal, 2),
        {},
        unit="%",
        better="higher",
        bar=Bar(75.0, "value"),
        input=f"{len(outcomes):,} parser tests of MediaWiki; left out by class: {excluded}",
        note=f"others by class: {dict(differing.most_common())}",
    )
    total, different, lacking = token_scores(folder / "mwparserfromhell")
    rows.append(
        Row(
            "token tests with the words of the token stream",
            OURS,
            round(100 - 100 * len(different) / total, 2),
            "%",
            input=f"{total} tests in .mwtest files",
            note=f"{lacking} lack a word; different: {', '.join(test.name for test in different[:40])}",
        )
    )
    for name, (recall, precision) in chinese_scores(options.corpora).items():
        row = Row(
            f"expected Chinese text, {name}: recall of pairs of characters",
            OURS,
            round(recall, 2),
            "%",
            input=f"zhwiki-test-pages.xml, {CHINESE[name]}, everything kept",
            note=f"precision {precision:.2f} %; the expected text is another tool's, with its own losses",
        )
        rows.append(row)
    for suite in ("wtf_wikipedia_cache", "json_wikipedia_en"):
        rows += _article_rows(options, suite)
    return rows


def _article_rows(options: Options, suite: str) -> list[Row]:
    pages = single_articles(options.corpora, suite)
    found: dict[str, Judgement] = {}
    for tool, texts in Sides(options).texts(pages).items():
        found[tool] = Judgement()
        for page, text in zip(pages, texts, strict=True):
            judge_page(page, text, found[tool])
    counts = found[OURS].counts
    rows = []
    for what, unit, better, figure in (
        ("sentences and items kept", "%", "higher", _kept_share),
        ("remnants and holes in 1,000 sentences", "places", "lower", _left_over),
    ):
        figures = {tool: round(figure(judgement), 3) for tool, judgement in found.items()}
        rows += compare(
            f"{suite}: {what}",
            figures.pop(OURS),
            figures,
            unit=unit,
            better="higher" if better == "higher" else "lower",
            input=f"{len(pages)} articles, {counts['sentences'] + counts['items']} sentences and items",
        )
    return rows


def _kept_share(found: Judgement) -> float:
    counts = found.counts
    kept = counts["sentences kept"] + counts["items kept"]
    return 100 * kept / max(1, counts["sentences"] + counts["items"])


def _left_over(found: Judgement) -> float:
    return found.per_thousand(found.remnants.total() + found.holes.total())
