"""Wikitext: cases as data, hostile pages, Arrow arrays of every shape, and real articles."""

from __future__ import annotations

import bz2
import gzip
import html
import itertools
import json
import os
import re
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpuskit import _native
from corpuskit.errors import SettingError
from corpuskit.sources.wikipedia.extract import (
    COUNTERS,
    FLAGS,
    STATUS,
    Budget,
    ExtractedBatch,
    Options,
    extract,
    namespace_prefixes,
    section_names,
)

CASES = json.loads(Path(__file__).parents[2].joinpath("cases", "wikitext.json").read_text(encoding="utf-8"))
CORPORA = os.environ.get("CORPUSKIT_CORPORA", "")


def run(
    pages: list[str | None] | pa.Array,
    language: str = "en",
    budget: Budget | None = None,
    options: Options | None = None,
    titles: list[str] | None = None,
) -> ExtractedBatch:
    texts = pages if isinstance(pages, pa.Array) else pa.array(pages, pa.large_string())
    return extract(
        texts,
        file_prefixes=namespace_prefixes(6),
        category_prefixes=namespace_prefixes(14),
        language=language,
        budget=budget,
        options=options,
        titles=None if titles is None else pa.array(titles, pa.large_string()),
    )


@pytest.mark.parametrize("case", CASES, ids=[f"{i}-{c['why']}" for i, c in enumerate(CASES)])
def test_case(case: dict[str, Any]) -> None:
    """A case may set options, and the title of its page."""
    settings = case.get("options", {})
    if isinstance(settings.get("drop_sections"), list):
        settings = settings | {"drop_sections": tuple(settings["drop_sections"])}
    titles = [case["title"]] if "title" in case else None
    result = run([case["input"]], case.get("language", "en"), options=Options(**settings), titles=titles)
    assert result.texts[0].as_py() == case["expected"], case["why"]
    assert STATUS[result.status[0]] == "ok"


def test_cases_are_many_and_differ() -> None:
    assert len(CASES) >= 80
    keys = {(c["input"], c.get("language"), c.get("title"), str(c.get("options"))) for c in CASES}
    assert len(keys) == len(CASES)


def test_batch_equals_single_pages() -> None:
    """What stands in a page never reaches the next one: open constructs, numbering, buffers."""
    english = [c for c in CASES if not c.keys() & {"language", "options", "title"}]
    assert run([c["input"] for c in english]).texts.to_pylist() == [c["expected"] for c in english]


def test_categories_and_flags() -> None:
    result = run(
        [
            "[[Category:Cities in_Ulm|sort]]\n[[category: Cities in Ulm ]][[Kategorie:B]]\n"
            "[[:Category:C]] {{disambig}}",
            "{{Set index article}}<nowiki>[[Category:D]]</nowiki>\n__DISAMBIG__",
            None,
            "== References ==\n[[Category:E]]",
        ]
    )
    assert result.categories.to_pylist() == [["Cities in Ulm", "B"], [], [], ["E"]]
    result.categories.validate(full=True)
    flags = [[name for bit, name in enumerate(FLAGS) if row >> bit & 1] for row in result.flags.tolist()]
    assert flags == [["disambiguation"], ["disambiguation", "list"], [], []]


def test_flags_in_the_words_of_other_languages() -> None:
    for language, page in [
        ("de", "{{Begriffsklärung}}"),
        ("fr", "{{Homonymie}}"),
        ("ru", "{{Неоднозначность}}"),
    ]:
        assert run([page], language).flags.tolist() == [1]
        assert run([page], "vo").flags.tolist() == [0]


@pytest.mark.parametrize(
    ("page", "options", "counts"),
    [
        ("== See also ==\n* a\n=== b ===\nc\n== Notes ==\nd", Options(), {"sections": 2}),
        ("{{main|a}}\n:''see [[b]]''\nc", Options(), {"hatnotes": 2}),
        ("{{main|a}}\n:''see [[b]]''\nc", Options(hatnotes=True), {"hatnotes": 0}),
        ("{{infobox x|a=b}}{{infobox}}", Options(), {"infoboxes": 2}),
        ("[[File:a.jpg|thumb|b]][[File:a.jpg|c]]", Options(), {"captions": 1, "files": 2}),
        ("{|\n|a\n|}", Options(), {"tables": 0, "tables_kept": 1}),
        ("{|\n|a\n|}", Options(tables="drop"), {"tables": 1, "tables_kept": 0}),
    ],
)
def test_what_is_dropped_is_counted(page: str, options: Options, counts: dict[str, int]) -> None:
    row = dict(zip(COUNTERS, run([page], options=options).counters[0].tolist(), strict=True))
    assert {name: row[name] for name in counts} == counts


def test_unknown_classes_and_choices_are_refused() -> None:
    options = _native.WikitextOptions()
    with pytest.raises(ValueError, match="tables: no choice"):
        options.tables = 7
    options.template_classes = ["boxes:x"]
    none = (np.zeros(1, np.int64), np.zeros(0, np.uint8))
    with pytest.raises(ValueError, match="boxes:x"):
        _native.extract_wikitext(none, none, options)


def test_names_of_sections_are_known_in_many_languages() -> None:
    languages = "en|de|fr|es|it|pt|nl|ru|pl|zh|ja|vi|ar|sv|uk|cs|tr|ltg"
    assert len({section_names(code) for code in languages.split("|")}) == languages.count("|") + 1


# --------------------------------------------------------------------------------------------- arrays


@pytest.mark.parametrize("pages", [[], [""], [None], ["", None, "a"], [None, "''b''", None]])
def test_empty_and_null_pages(pages: list[str | None]) -> None:
    result = run(pages)
    assert result.texts.to_pylist() == [(p or "").replace("''", "") for p in pages]
    assert result.counters.shape == (len(pages), len(COUNTERS))


def test_slices_read_only_their_rows() -> None:
    column = pa.array([f"''{i}''" for i in range(10)], pa.large_string())
    for start, length in [(0, 10), (3, 4), (9, 1), (10, 0), (5, 0)]:
        assert run(column.slice(start, length)).texts.to_pylist() == [
            str(i) for i in range(start, start + length)
        ]
    nulls = pa.array(["a", None, "b", None, "c"], pa.large_string()).slice(1, 3)
    assert run(nulls).texts.to_pylist() == ["", "b", ""]


def test_result_is_a_valid_arrow_array() -> None:
    result = run(["a", "ü''x''", "[[中文]]"])
    result.texts.validate(full=True)
    assert result.texts.type == pa.large_string()


def test_other_string_types_are_refused() -> None:
    with pytest.raises(SettingError, match="not large_string"):
        run(pa.array(["a"], pa.string()))


@pytest.mark.parametrize("offsets", [[], [0, 5], [3, 1], [-1, 2], [0, 3, 2]])
def test_engine_refuses_offsets_outside_the_bytes(offsets: list[int]) -> None:
    given = (np.array(offsets, np.int64), np.zeros(4, np.uint8))
    good = (np.array([0, 2], np.int64), np.zeros(4, np.uint8))
    for columns in ((given, good), (good, given)):
        with pytest.raises(ValueError, match=r"offsets|titles"):
            _native.extract_wikitext(*columns, _native.WikitextOptions())


def test_a_title_for_each_text_or_none() -> None:
    texts = pa.array(["a", "b"], pa.large_string())
    with pytest.raises(SettingError, match="1 titles for 2 texts"):
        extract(texts, file_prefixes=[], category_prefixes=[], titles=texts.slice(0, 1))


# -------------------------------------------------------------------------------------------- hostile


@pytest.mark.parametrize(
    ("table", "status"),
    [
        ("{|\n|" + "||" * 30_000 + "x\n" + "|-\n|a\n" * 10_000 + "|}", "ok"),
        ("{|\n" + ("|-\n|rowspan=256 colspan=256|a\n" + "|-\n|b\n" * 255) * 200 + "|}", "output"),
    ],
    ids=["one long row above many short ones", "spans of spans"],
)
def test_a_grid_is_not_filled_beyond_measure(table: str, status: str) -> None:
    """What is written for a table is linear in it; a page over its budget is given up before that."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = run([table], options=Options(output="markdown", tables="keep"))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert STATUS[result.status[0]] == status
    assert len(result.texts[0].as_py()) < 20 * len(table)
    assert grown < 150 * 1024, "KiB"


@pytest.mark.parametrize("unit", ["||", "\n|a", "\n|-", "\n|-\n|colspan=256 rowspan=256|a||b"])
def test_a_table_of_very_many_cells_takes_little_beside_the_page(unit: str) -> None:
    """Cells are packed, and from a million rows and cells on all is one cell; its words are kept."""
    pages = ["{|\n|" + unit * (5_000_000 // len(unit)) + "\n|the last words\n|}"]
    run(pages[:0])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = run(pages)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert STATUS[result.status[0]] == "ok"
    assert "the last words" in result.texts[0].as_py()
    assert grown < 100 * 1024, "KiB"


def test_a_short_row_is_filled_up() -> None:
    result = run(["{|\n!a\n!b\n|-\n|c\n|}"], options=Options(output="markdown", tables="keep"))
    assert result.texts[0].as_py() == "| a | b |\n| --- | --- |\n| c |  |"


UNITS = [
    "{{{{", "[[", "[[a|", "{|\n", "\n|}", "<ref>", "<ref name=x>", "''", "}}", "]]", "]]]", "[http://a b",
    "<table>", "</table>", "<!--", "&#1", "\n*#:;",
    "\n==a", "{{a|b=[[c|", "-{", "<ref", "<math>", "''' ''", "__A",
    "\n|-\n|a||b", "<tr><td>", "<ul><li>", "<gallery>\nF|a\n", "[[File:a|thumb|b", "[[Category:a]]", "\n;a:b",
    "{{infobox|a=b\n|", "{{main|", "\n:''[[a]]''", "\n== References ==\n", "<ruby><rt>", "#REDIRECT [[",
    "( , )", "{{convert|1|m", "<poem>\n", "[[File:a|", "{{lang|x|", "{{|||||||", "[[||||",
]  # fmt: skip


def steps_of(unit: str, size: int) -> int:
    page = (unit * (size // len(unit) + 1))[:size]
    return int(run([page], language="zh").counters[0, COUNTERS.index("steps")])


@pytest.mark.parametrize("unit", UNITS)
def test_work_on_one_opening_over_and_over_is_linear(unit: str) -> None:
    """Four times the page, at most about four times the counted steps (or an early end by the budget)."""
    small, large = steps_of(unit, 50_000), steps_of(unit, 200_000)
    assert large <= 4.4 * small + 10_000
    assert large <= 64 * 200_000 + 2**20


def test_work_on_mixtures_is_linear() -> None:
    for a, b in itertools.combinations(UNITS, 2):
        small, large = steps_of(a + b, 8_000), steps_of(a + b, 32_000)
        assert large <= 5 * small + 10_000, (a, b)


def test_long_openings_before_many_closings_are_linear() -> None:
    for opening, closing in [
        ("{{", "}}"),
        ("[[a|", "]]"),
        ("<table>", "</table>"),
        ("\n{|", "\n|}"),
        ("-{", "}-"),
    ]:
        for count in (10, 150):
            steps = [
                int(run([opening * count + "x" * size + closing * size], "zh").counters[0, 0])
                for size in (20_000, 80_000)
            ]
            assert steps[1] <= 4.4 * steps[0] + 10_000, (opening, count)


@pytest.mark.parametrize(
    ("page", "budget", "status"),
    [
        ("{{a " * 300, Budget(), "nesting"),
        ("[[a|" * 300, Budget(), "nesting"),
        ("x" * 1000, Budget(steps_base=100, steps_per_byte=0), "steps"),
        ("x" * 1000, Budget(output_base=100, output_per_byte=0), "output"),
        ("{{lang|a|{{lang|b|c}}}}", Budget(nesting=1), "nesting"),
    ],
)
def test_a_page_over_budget_has_a_status_and_no_text(page: str, budget: Budget, status: str) -> None:
    result = run(["before", page, "after"], budget=budget)
    assert STATUS[result.status[1]] == status
    assert result.texts.to_pylist()[1] == ""
    assert result.texts.to_pylist()[2] == "after"


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from([*UNITS, "|", "=", "\n", "'", "a", " ", "}}", "]]", "|}", "中", "\x01", "\x04"]),
        max_size=60,
    )
)
def test_any_mixture_gives_text_without_marks(pieces: list[str]) -> None:
    result = run(["".join(pieces)], "zh")
    result.texts.validate(full=True)
    text = result.texts[0].as_py()
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", text)
    assert text == text.rstrip() or result.status[0]
    assert "\n\n\n" not in text


# ----------------------------------------------------------------------------------------------- real

needs_corpora = pytest.mark.skipif(not CORPORA, reason="CORPUSKIT_CORPORA is not set")


def articles(path: str) -> list[str]:
    """Wikitext of the articles of a dump, by regular expressions: not the way that the source goes."""
    data = Path(CORPORA, "wikipedia", path).read_bytes()
    data = (
        bz2.decompress(data)
        if data[:3] == b"BZh"
        else gzip.decompress(data)
        if data[:2] == b"\x1f\x8b"
        else data
    )
    pages = re.findall(r"<page>.*?</page>", data.decode(), re.DOTALL)
    texts = [
        re.search(r"<text[^>]*>(.*?)</text>", p, re.DOTALL)
        for p in pages
        if "<ns>0</ns>" in p and "<redirect" not in p
    ]
    return [html.unescape(t[1]) for t in texts if t]


@needs_corpora
@pytest.mark.parametrize(
    ("path", "language"),
    [
        ("gensim__enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2", "en"),
        ("itwiki-small-dump.xml.gz", "it"),
        ("dbpedia-minidump-fr-large.xml.bz2", "fr"),
        ("viwiki-20240701-pages-articles-multistream4.xml-p4565247p6065246", "vi"),
        ("zhwiki-test-pages.xml", "zh"),
    ],
)
def test_real_articles_leave_next_to_no_remnants(path: str, language: str) -> None:
    pages = articles(path)
    result = run(list(pages), language)
    assert not result.status.any()
    texts = result.texts.to_pylist()
    prose = re.sub(r"\$+[^$]*\$+", "", "\n".join(texts))  # LaTeX has braces and bars of its own
    sentences = len(re.findall(r"[.!?。！？](?:\s|$|(?<=[。！？]))", prose))
    remnants = re.findall(
        r"\[\[|\{\{|\{\||<ref|</|\bstyle=|\bcolspan|^\|[-}+]|^\|[^|\n]*=|'''", prose, re.MULTILINE
    )
    assert sentences > 500
    assert len(remnants) <= sentences / 500, remnants[:40]
    steps = result.counters[:, 0] / np.array([len(p.encode()) + 1 for p in pages])
    assert steps.max() < 64 / 4  # the budget is far from what real pages need
    assert result.counters[:, 1].max() < 200 / 4


@needs_corpora
def test_plain_sentences_and_list_items_stay() -> None:
    """Lines without any mark must come out as they are."""
    pages = articles("gensim__enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2")
    kept = met = 0
    everything = run(list(pages), options=Options(drop_sections=()))
    for page, text in zip(pages, everything.texts.to_pylist(), strict=True):
        for line in re.findall(
            r"^\*+ *([A-Z][\w ,.-]{20,})$", re.sub(r"\{[{|].*?[|}]\}", "", page, flags=re.DOTALL), re.M
        ):
            met += 1
            kept += line.strip() in text
    assert met > 20
    assert kept >= 0.99 * met
