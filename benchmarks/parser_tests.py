"""MediaWiki's own parser tests (``parserTests.txt`` and its like): the text of the HTML that each expects.

A test gives wikitext and the HTML that it must become. What is compared is the text: of the HTML, what a
reader sees (no edit links, no table of contents, no footnotes and their marks, no images but their captions);
of ours, plain output with everything kept that a setting could drop. Two texts are equal when they are the
same after runs of white space have become one blank and signs of list items have gone from the beginnings of
lines. Nothing else is normalised.

Tests that ask for something an extractor has no part in are excluded by `EXCLUDED`, each with its reason; all
others count. Format: https://www.mediawiki.org/wiki/Parser_tests
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa

from corpuskit.sources.wikipedia.extract import Options, extract, namespace_prefixes

FILES = (
    "imageMapParserTests.txt",
    "langParserTests.txt",
    "mediaParserTests.txt",
    "parserTests.txt",
    "selserWrappingParserTests.txt",
    "separatorTests.txt",
    "timedMediaHandlerParserTests.txt",
)
HTML_SECTIONS = (
    "html/php",
    "html/php+tidy",
    "html/*",
    "html",
    "html+tidy",
    "html/parsoid",
    "html/php+untidy",
    "html+untidy",
)
"""Sections with the expected HTML, the best first."""


@dataclass(frozen=True)
class ParserTest:
    """One test.

    Attributes:
        file, name: where it stands and what it is called.
        options: as written, on one line.
        wikitext, html: what is given and what is expected.
        config: settings of the wiki that the test changes, as written.
    """

    file: str
    name: str
    options: str
    wikitext: str
    html: str
    config: str = ""

    def option(self, name: str) -> str:
        """The value of ``name=value`` among the options, without brackets and quotes; empty without one."""
        found = re.search(rf"(?:^|\s){name}=(\[\[.*?\]\]|\"[^\"]*\"|\S+)", self.options)
        return found[1].strip('[]"') if found else ""

    def has(self, name: str) -> bool:
        """Whether an option of this name is set, with or without a value."""
        return bool(re.search(rf"(?:^|\s){name}(?:=|\s|$)", self.options))


def read(path: Path) -> Iterator[ParserTest]:
    """The tests of a file that give both wikitext and HTML."""
    sections: dict[str, list[str]] = {}
    current: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        mark = re.match(r"!!\s*(\S+)", line)
        if not mark:
            current.append(line)
            continue
        name = mark[1].lower()
        if name in ("test", "article"):
            sections = {}
        if name in ("end", "endarticle"):
            test = _test(path.name, sections)
            if test is not None:
                yield test
            sections = {}
        current = sections.setdefault("wikitext" if name == "input" else name, [])


def _test(file: str, sections: dict[str, list[str]]) -> ParserTest | None:
    html = next((sections[name] for name in HTML_SECTIONS if name in sections), None)
    if "test" not in sections or "wikitext" not in sections or html is None:
        return None
    name, options, config = (" ".join(sections.get(key, ())).strip() for key in ("test", "options", "config"))
    return ParserTest(file, name, options, "\n".join(sections["wikitext"]), "\n".join(html), config)


# ------------------------------------------------------------------------------------------ exclusions


@dataclass(frozen=True)
class Exclusion:
    """Tests that are not for an extractor: a name, the reason, and what tells them."""

    name: str
    reason: str
    test: Callable[[ParserTest], object] = field(repr=False)


def _options(*names: str) -> Callable[[ParserTest], object]:
    return lambda test: any(test.has(name) for name in names)


def _back_only(test: ParserTest) -> bool:
    modes = re.search(r"parsoid=(?:\{[^}]*?\"modes\":\s*\[([^\]]*)\]|([\w,]+))", test.options)
    given = (modes[1] or modes[2] or "") if modes else ""
    return bool(given) and "wt2html" not in given


_KNOWN_CALLS = r"!--|#|formatnum:|lc:|uc:|ucfirst:|lcfirst:|plural:|padleft:|padright:|anchorencode:"
_CALL_OF_A_PAGE = re.compile(rf"\{{\{{(?!\{{)\s*(?!{_KNOWN_CALLS})[^{{}}|]*(?:[|}}]|$)", re.M)
_TEST_HOOKS = re.compile(r"</?(?:tag|statictag|pwraptest|aliastag|asidetag|sealtag|embedtag|html)\b", re.I)

EXCLUDED: Sequence[Exclusion] = (
    Exclusion("disabled", "MediaWiki does not run it either", _options("disabled")),
    Exclusion("pst", "the transformation before saving; dumps hold saved text", _options("pst")),
    Exclusion(
        "msg, preload, comment",
        "texts of the interface and of edit comments, no pages",
        _options("msg", "preload", "comment", "local", "styletag"),
    ),
    Exclusion(
        "section, replace, lastsavedrevision",
        "editing of pages",
        _options("section", "replace", "lastsavedrevision"),
    ),
    Exclusion(
        "cat, ill, extlinks, templates",
        "prints lists of a page's links instead of its text",
        _options("cat", "ill", "extlinks", "templates", "links", "property"),
    ),
    Exclusion(
        "showtitle, showindicators, showtocdata, showflags",
        "prints what stands around the text",
        _options("showtitle", "showindicators", "showtocdata", "showflags", "showmedia"),
    ),
    Exclusion(
        "variant",
        "writes a page anew in another script; text stays as written",
        lambda test: test.has("variant"),
    ),
    Exclusion("html2wt, selser", "the way from HTML back to wikitext", _back_only),
    Exclusion("subpage", "links relative to a page's place need the wiki's settings", _options("subpage")),
    Exclusion(
        "settings of the wiki",
        "a wiki that is set up unlike Wikipedia",
        _options(
            "wgRawHtml",
            "wgMaxTocLevel",
            "wgAllowExternalImages",
            "wgInterwikiMagic",
            "wgNonincludableNamespaces",
            "wgLinkHolderBatchSize",
            "wgUsePigLatinVariant",
        ),
    ),
    Exclusion(
        "templates of the test's wiki",
        "needs pages that stand outside of the test",
        lambda test: _CALL_OF_A_PAGE.search(test.wikitext),
    ),
    Exclusion(
        "hooks of the test program",
        "tags that only MediaWiki's tests know",
        lambda test: _TEST_HOOKS.search(test.wikitext),
    ),
)


def exclusion(test: ParserTest) -> Exclusion | None:
    """Why a test is not for us, or None when it counts."""
    return next((rule for rule in EXCLUDED if rule.test(test)), None)


# ------------------------------------------------------------------------------------------------ texts

_INLINE = frozenset(
    re.findall(
        r"\w+",
        "a abbr b bdi bdo big cite code data del dfn em font i img ins kbd link mark meta nowiki"
        " q rb rp rt ruby s samp small span strike strong sub sup time tt u var wbr",
    )
)
_VOID = frozenset(["br", "hr", "img", "link", "meta", "wbr", "col", "input", "area", "source", "track"])
_UNSEEN_TAGS = frozenset(["script", "style", "head", "audio", "video", "map"])
_UNSEEN_CLASSES = frozenset(
    [
        "mw-editsection",
        "toc",
        "reference",
        "references",
        "mw-references-wrap",
        "mw-ref",
        "magnify",
        "editsection",
    ]
)


class _Text(HTMLParser):
    """What a reader sees of a piece of HTML."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._open: list[tuple[str, bool]] = []
        self._caption_hidden = False

    @property
    def _unseen(self) -> bool:
        return any(unseen for _, unseen in self._open)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        classes = set((values.get("class") or "").split())
        kind = values.get("typeof") or ""
        if tag == "figure":  # the style sheet shows the captions of thumbs and frames alone
            self._caption_hidden = not re.search(r"mw:(?:File|Image|Video|Audio)/(?:Thumb|Frame)\b", kind)
        unseen = tag in _UNSEEN_TAGS or (tag == "figcaption" and self._caption_hidden)
        unseen = unseen or bool(classes & _UNSEEN_CLASSES)
        unseen = unseen or "Extension/ref" in kind
        if tag not in _INLINE:
            self.pieces.append("\n")
        if tag not in _VOID:
            self._open.append((tag, unseen or values.get("id") == "toc"))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _INLINE:
            self.pieces.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag not in _INLINE:
            self.pieces.append("\n")
        for i in range(len(self._open) - 1, -1, -1):
            if self._open[i][0] == tag:
                del self._open[i:]
                break

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.pieces.append(data)


def html_text(html: str) -> str:
    """The text of HTML, normalised."""
    parser = _Text()
    parser.feed(html)
    parser.close()
    return normalise("".join(parser.pieces))


def our_text(text: str) -> str:
    """Our text, normalised, without the signs of list items."""
    return normalise(re.sub(r"^(?:[ \t]*(?:-|\d+\.) )", "", text, flags=re.M))


def normalise(text: str) -> str:
    """Runs of white space as one blank."""
    return " ".join(text.split())


# ------------------------------------------------------------------------------------------------ result


@dataclass(frozen=True)
class CaseResult:
    """One test that counts: the two texts, and the class of what differs (empty when they are equal)."""

    test: ParserTest
    expected: str
    ours: str
    difference: str


def run(folder: Path) -> tuple[list[CaseResult], dict[str, int]]:
    """All tests of a folder: the results of those that count, and how many each exclusion took."""
    results: list[CaseResult] = []
    excluded = dict.fromkeys((rule.name for rule in EXCLUDED), 0)
    for test in (test for name in FILES for test in read(folder / name)):
        rule = exclusion(test)
        if rule is not None:
            excluded[rule.name] += 1
            continue
        expected, ours = html_text(test.html), our_text(_extract(test))
        results.append(CaseResult(test, expected, ours, _difference(test, expected, ours)))
    return results, excluded


def _extract(test: ParserTest) -> str:
    result = extract(
        pa.array([test.wikitext], pa.large_string()),
        file_prefixes=namespace_prefixes(6),
        category_prefixes=namespace_prefixes(14),
        language=test.option("language") or "en",
        titles=pa.array([test.option("title") or "Parser test"], pa.large_string()),
        options=EVERYTHING,
    )
    return str(result.texts[0].as_py())


EVERYTHING = Options(tables="keep", infobox="lines", captions=True, hatnotes=True, drop_sections=())
"""Nothing is dropped that a setting can keep."""


def _missing(expected: str, ours: str) -> set[str]:
    return set(re.findall(r"\w+", expected)) - set(re.findall(r"\w+", ours))


def _in_headings(test: ParserTest, expected: str, ours: str) -> bool:
    headings = " ".join(re.findall(r"^(?:<.*>)?=+.*=.*$", test.wikitext, re.M))
    return bool(headings) and _missing(expected, ours) <= set(re.findall(r"\w+", headings))


DIFFERENCES: Sequence[tuple[str, Callable[[ParserTest, str, str], object]]] = (
    (
        "a link without text has a number in brackets; it goes here",
        lambda test, html, ours: re.search(r"\[[\d۱]+\]|\b1 2 3", html),
    ),
    ("an error message of MediaWiki", lambda test, html, ours: re.search(r"\bError\b", html)),
    ("a heading with nothing under it goes here", _in_headings),
    (
        "the name of a file that is missing or has no caption is shown; it goes here",
        lambda test, html, ours: (
            re.search(r"\[\[(?:file|image)|<gallery", test.wikitext, re.I)
            and re.search(r"File:|\.(?:jpg|png|gif|svg)", html, re.I)
        ),
    ),
    (
        "another place or detail of a caption",
        lambda test, html, ours: test.file.startswith(("media", "timed")),
    ),
    (
        "a link that MediaWiki refuses stays as it is written; its text stays here",
        lambda test, html, ours: "[[" in html,
    ),
    ("a reading (<rt>) stands in brackets here", lambda test, html, ours: "<rt>" in test.wikitext),
    (
        "<langconvert> writes text anew in another script",
        lambda test, html, ours: "langconvert" in test.wikitext,
    ),
    (
        "a line that begins with a bar outside of a table is debris here",
        lambda test, html, ours: re.search(r"^\s*(?:\||<table)", test.wikitext, re.M) and "|" in html,
    ),
    (
        "prefixes of the test's wiki",
        lambda test, html, ours: re.search(r"\[\[:*\s*(?:mi|mul|zh|es)\b", test.wikitext),
    ),
    ("tags within a tag", lambda test, html, ours: re.search(r"<\w+[^>]*<", test.wikitext)),
    (
        "a list in a cell of a table is one line here",
        lambda test, html, ours: ";" in ours and "{|" in test.wikitext,
    ),
    (
        "an address that MediaWiki writes anew",
        lambda test, html, ours: "http" in test.wikitext or "irc:" in test.wikitext,
    ),
)
"""What differs, the first that fits; the rest is ``other``."""


def _difference(test: ParserTest, expected: str, ours: str) -> str:
    if expected == ours:
        return ""
    return next((name for name, fits in DIFFERENCES if fits(test, expected, ours)), "other")
