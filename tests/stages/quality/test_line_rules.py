"""Rules of lines and words: what is cut and by which rule, what documents are dropped for."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpuskit import Files
from corpuskit.build.build import build_corpus
from corpuskit.build.recipe.recipe import load
from corpuskit.errors import InputError, SettingError
from corpuskit.stages.quality.bad_words import BadWords
from corpuskit.stages.quality.c4_lines import C4Lines
from corpuskit.stages.quality.filter import Filter
from corpuskit.stages.quality.lines import cut_lines
from corpuskit.stages.quality.refinedweb_lines import RefinedWebLines
from corpuskit.stages.stage import Effect, Rule
from tests.stages.quality.filtering import applied, verdicts

PAGE = [
    "Home | News | Contact",
    "The bridge was opened in May.[3]",
    "It cost twice what was planned, and nobody asked why.",
    "Was it worth it?",
    "Yes.",
    "Please enable JavaScript to see the map.",
    "The mayor said: “We would do it again.”",
    'The mayor said: "We would do it again."',
    "More to follow...",
    "More to follow…",
    "This page uses cookies to count visitors.",
    "In spring the river rose (see the picture).",
    "Traffic is calm today. Trams run every ten minutes. Nobody walks.",
    "x" * 1001 + " is a long word here.",
    "橋は五月に開いた。",
]
BRACE = "\n".join(
    [
        "The file begins with a brace.",
        "Then comes { and a list",
        "The rest of it is plain.",
        "Four words stand here.",
        "Five words stand right here.",
        "It ends now, I think.",
    ]
)
LOREM = BRACE.replace("{ and a list", "Lorem ipsum and so on")


def left(rule: Rule, text: str, language: str = "") -> str:
    """What a rule leaves of a text."""
    effect = applied(rule, {"x": text}, language)
    return without(text, effect)


def without(text: str, effect: Effect) -> str:
    raw = text.encode()
    for cut in sorted(effect.cuts, key=lambda cut: cut.start, reverse=True):
        raw = raw[: cut.start] + raw[cut.end :]
    return raw.decode()


def test_the_lines_of_c4() -> None:
    text = "\n".join(PAGE)
    effect = applied(C4Lines(), {"a": text})
    kept = [PAGE[number - 1].replace("[3]", "") for number in (2, 3, 4, 8, 12, 13)]
    assert without(text, effect).split("\n") == kept
    assert effect.batch.column("c4_sentences").to_pylist() == [8]
    reasons = [cut.reason for cut in effect.cuts if cut.reason != "blank_line"]
    assert reasons == [
        *("c4_no_end_mark", "c4_citation", "c4_few_words", "c4_javascript"),
        *(
            "c4_no_end_mark",
            "c4_no_end_mark",
            "c4_no_end_mark",
            "c4_policy",
            "c4_long_word",
            "c4_no_end_mark",
        ),
    ]
    assert verdicts(C4Lines(), {"a": text}) == {}


def test_end_marks_of_every_script() -> None:
    """Line 7 ends in a typographic quotation mark, line 15 in an ideographic full stop."""
    kept = left(C4Lines(end_marks="all"), "\n".join(PAGE)).split("\n")
    assert kept == [PAGE[number - 1].replace("[3]", "") for number in (2, 3, 4, 7, 8, 12, 13, 15)]
    assert left(C4Lines(), PAGE[14], "ja") == PAGE[14]
    assert left(C4Lines(end_marks="c4"), PAGE[14], "ja") == ""
    assert left(C4Lines(), PAGE[14], "en") == ""


def test_curly_brackets_and_lorem_ipsum_of_lines_that_are_cut_anyway() -> None:
    texts = {"b": BRACE, "c": LOREM}
    assert verdicts(C4Lines(), texts) == {}
    assert [len(left(C4Lines(), text).split("\n")) for text in texts.values()] == [5, 5]
    paper = C4Lines(variant="paper")
    assert verdicts(paper, texts) == {"b": "c4_curly_brackets", "c": "c4_lorem_ipsum"}
    stays = {"b": BRACE.replace("a list", "a list."), "c": LOREM.replace("so on", "so on.")}
    assert verdicts(C4Lines(), stays) == {"b": "c4_curly_brackets", "c": "c4_lorem_ipsum"}
    assert verdicts(C4Lines(curly_brackets=False, lorem_ipsum=False), stays) == {}


def test_too_few_sentences() -> None:
    text = "One sentence stands here.\nA second one follows it.\nNo end"
    assert verdicts(C4Lines(), {"x": text}) == {"x": "c4_sentences"}
    assert verdicts(C4Lines(min_sentences=2), {"x": text}) == {}
    assert verdicts(C4Lines(), {"empty": ""}) == {"empty": "c4_sentences"}


def test_blank_lines_go_with_what_stood_between_them() -> None:
    text = "Menu\n\nThe first line stays.\n\nNews\n\nThe second line stays.\nMore\n\n"
    assert left(C4Lines(), text) == "The first line stays.\n\nThe second line stays.\n"
    untouched = "The first line stays.\n\n\nThe second line stays.\n\n"
    assert left(C4Lines(), untouched) == untouched


@given(st.lists(st.sampled_from(["keep it.", "  keep ü.", "cut", "", " ", "日"]), max_size=12), st.booleans())
def test_what_stays_is_what_was_there(lines: list[str], ended: bool) -> None:
    text = "\n".join(lines) + "\n" * ended
    cuts = cut_lines(0, text, lambda line: "" if line.endswith(".") else "cut")
    found = without(text, Effect(pa.record_batch({}), cuts=cuts))
    assert [line for line in found.split("\n") if line.strip()] == [
        line for line in lines if line.endswith(".")
    ]
    if not cuts:
        assert found == text


def test_refinedwebs_lines() -> None:
    lines = {
        "SIGN UP FOR OUR NEWS": "refinedweb_upper_case",
        "2024": "refinedweb_numeric",
        "1.2K shares": "refinedweb_counter",
        "Menu": "refinedweb_one_word",
        "Sign-in": "refinedweb_phrase",
    }
    prose = "The bridge was opened in May, and the town came to look at it. " * 4
    text = "\n".join([prose, *lines, "There are 3 items in cart now", prose, "港口的灯亮了"])
    effect = applied(RefinedWebLines(), {"x": text})
    assert [cut.reason for cut in effect.cuts] == [*lines.values(), "refinedweb_phrase"]
    assert without(text, effect) == "\n".join([prose, "There are 3  now", prose, "港口的灯亮了"])
    assert effect.batch.column("refinedweb_words").to_pylist() == [136]
    assert effect.batch.column("refinedweb_words_cut").to_pylist() == [14]
    assert verdicts(RefinedWebLines(), {"x": text}) == {"x": "refinedweb_words_cut"}
    assert verdicts(RefinedWebLines(max_words_cut=0.11), {"x": text}) == {}


def test_the_share_of_words_cut_is_exact() -> None:
    prose = " ".join(["word"] * 19)
    assert verdicts(RefinedWebLines(), {"tie": f"{prose}\nMenu", "more": f"{prose[:-5]}\nMenu"}) == {
        "more": "refinedweb_words_cut"
    }


BAD = {
    "a": ("en", "The zorpal council of Blickheim met on Monday."),
    "b": ("en", "He said zorp, and left."),
    "c": ("en", "A line ends with blick\nand the next begins."),
    "d": ("en", "ZORP!"),
    "e": ("en", "She wrote grona\u0308 in decomposed letters."),
    "f": ("en", "flum\nbat"),
    "g": ("en", "Two words: flum  bat."),
    "h": ("zh", "光芒四射"),
    "i": ("en", "zorp-free zone"),
    "j": ("en", "the unzorped _zorp_ case"),
    "k": ("fr", "zorp"),
    "l": ("", "zorp"),
    "m": ("en-GB", "A flum bat."),
    "n": ("hi", "काम"),
    "o": ("hi", "का ना"),
}


@pytest.fixture
def lists(tmp_path: Path) -> dict[str, str]:
    entries = {"en": "zorp\nblick\n# a remark\ngronä\n\nflum bat\n", "zh": "芒\n", "hi": "का\n"}
    for language, text in entries.items():
        (tmp_path / f"bad_{language}.txt").write_text(text, encoding="utf-8")
    return {language: str(tmp_path / f"bad_{language}.txt") for language in entries}


def test_bad_words(lists: dict[str, str]) -> None:
    texts = {name: text for name, (_, text) in BAD.items()}
    languages = {name: language for name, (language, _) in BAD.items()}
    stage = BadWords(lists=lists)
    assert "".join(verdicts(stage, texts, languages)) == "bcdehimo"
    assert set(verdicts(stage, texts, languages).values()) == {"c4_bad_words"}
    counts = applied(stage, texts, languages).batch.column("bad_words").to_pylist()
    assert counts[list(BAD).index("k")] is None
    assert counts[list(BAD).index("l")] is None
    assert verdicts(BadWords(lists=lists, language="en"), {"l": "zorp"}) == {"l": "c4_bad_words"}
    assert verdicts(
        BadWords(lists=lists, language="en", max_bad_words=1), {"x": "zorp ZORP", "y": "zorp blick"}
    ) == {"y": "c4_bad_words"}


def test_a_list_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("# nothing\n")
    for name, message in (("empty.txt", "holds no entry"), ("none.txt", "No such file")):
        with pytest.raises(InputError, match=message):
            BadWords(lists={"en": str(tmp_path / name)}).libraries()


def test_a_recipe_of_all(tmp_path: Path, lists: dict[str, str]) -> None:
    """Lists are found beside the recipe, cuts are counted by rule, and a limit decides without a pass."""
    more = [*PAGE[:-1], "One more sentence stands at the end of this one."]
    texts = {"a": PAGE, "b": more, "z": ["zorp zorp."]}
    rows = [{"id": name, "text": "\n".join(lines)} for name, lines in texts.items()]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "sources: [files: {label: x, path: in.jsonl, language: en}]\n"
        "stages:\n- bad_words: {lists: {en: bad_en.txt}}\n- c4_lines\n"
        "- filter: {rules: [], limits: {min_words: 10}}\n"
    )
    build_corpus(load(recipe).pipeline, tmp_path / "run")
    ledger = json.loads((tmp_path / "run" / "ledger.json").read_text())["stages"]
    [c4] = [stage for stage in ledger if stage["stage"] == "c4_lines"]
    assert c4["bytes"]["cut"]["c4_long_word"] == 2 * (1001 + len(" is a long word here.\n"))
    assert c4["bytes"]["cut"]["c4_citation"] == 6
    [decided] = [stage for stage in ledger if stage["stage"] == "bad_words decided"]
    assert decided["documents"]["dropped"] == {"c4_bad_words": 1}
    loaded = load(recipe, ["stages.filter.limits={min_words: 55}"])
    build_corpus(loaded.pipeline, tmp_path / "run")
    done = pq.read_table(next((tmp_path / "run" / "decisions" / "candidates").glob("*.parquet"))).to_pylist()
    assert {row["id"]: row["reason"] for row in done} == {
        "files:x:a": "min_words",
        "files:x:b": None,
        "files:x:z": "c4_bad_words",
    }


def test_a_filter_that_names_rules_of_lines_and_words(tmp_path: Path, lists: dict[str, str]) -> None:
    """``filter: {rules: [c4, c4_bad_words]}`` cuts lines too; the language stands in the rows."""
    rows = [
        {"id": "a", "text": "\n".join([*PAGE[:-1], "One more sentence stands here."]), "language": "en"},
        {"id": "z", "text": "A zorp is here.\n" * 5, "language": "en"},
        {"id": "f", "text": "zorp\n" + "La pluie tombe.\n" * 5, "language": "fr"},
        {"id": "n", "text": "It rains { here.\n" * 5},
        {"id": "m", "text": "It rains here.\n" * 5},
    ]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "sources: [files: {label: x, path: in.jsonl}]\n"
        "stages: [filter: {rules: [c4, c4_bad_words, gopher_quality], only: [c4, c4_bad_words, stop_words],"
        " lists: {en: bad_en.txt}}]\n"
    )
    result = build_corpus(load(recipe).pipeline, tmp_path / "run")
    done = pq.read_table(next((tmp_path / "run" / "decisions" / "candidates").glob("*.parquet"))).to_pylist()
    assert {row["id"]: row["reason"] for row in done} == {
        "files:x:a": None,
        "files:x:z": "c4_bad_words",
        "files:x:f": None,
        "files:x:n": "c4_curly_brackets",
        "files:x:m": None,
    }
    [kept] = (tmp_path / "run" / "documents").glob("*.parquet")
    texts = {row["id"]: row["text"] for row in pq.read_table(kept).to_pylist()}
    assert texts["files:x:f"] == "La pluie tombe.\n" * 5
    # What went by a rule before is not told of again.
    [searched] = [each for each in result.warnings if each.startswith("bad_words: 2 documents not searched")]
    assert searched.endswith("(lists: en)")
    assert any(each.startswith("filter: 1 document without a language") for each in result.warnings)


def test_keys_of_a_recipe_are_words(tmp_path: Path) -> None:
    """YAML reads ``off`` and ``no`` as false: as keys they are a setting and Norwegian."""
    recipe = tmp_path / "recipe.yaml"
    (tmp_path / "bad_no.txt").write_text("zorp")
    (tmp_path / "in.txt").write_text("x")
    recipe.write_text(
        "sources: [files: {label: x, path: in.txt}]\n"
        "stages: [filter: {rules: [gopher_quality, bad_words], off: [stop_words], lists: {no: bad_no.txt}}]\n"
    )
    words, rest = (stage for _, stage in load(recipe).pipeline.labelled)
    assert isinstance(words, BadWords)
    assert words.lists == {"no": str(tmp_path / "bad_no.txt")}
    assert isinstance(rest, Filter)
    assert "gopher_stop_words" not in [bound.name for bound in rest.bounds()]
    changed = load(recipe, ["stages=[{filter: {rules: [c4], off: [c4_lines]}}]"]).pipeline.labelled
    assert [name for name, _ in changed] == ["filter"]


def test_a_list_that_is_missing_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("x")
    with pytest.raises(SettingError, match="max_words_cut"):
        RefinedWebLines(max_words_cut=0.1234567890123)
    with pytest.raises(InputError, match="bad_words"):
        build_corpus(
            [Files(path=str(tmp_path / "in.txt"), label="x"), BadWords(lists={"en": "none.txt"})],
            tmp_path / "run",
        )
