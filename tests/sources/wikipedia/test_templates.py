"""Rules for templates: the shipped files, the format language, a user's rules and their mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from corpuskit import _native
from corpuskit.errors import SettingError
from corpuskit.sources.wikipedia import rules as templates
from corpuskit.sources.wikipedia.extract import extract
from corpuskit.sources.wikipedia.rules import TemplateRules, template_table
from corpuskit.sources.wikipedia.source import Wikipedia

CASES = json.loads(Path(__file__).parents[2].joinpath("cases", "templates.json").read_text(encoding="utf-8"))


def text(page: str, language: str = "en", rules: TemplateRules | None = None) -> str:
    pages = pa.array([page], pa.large_string())
    table = template_table(language, rules)
    out = extract(
        pages, file_prefixes=["File"], category_prefixes=["Category"], language=language, templates=table
    )
    assert out.status[0] == 0
    return str(out.texts[0].as_py())


@pytest.mark.parametrize("case", CASES, ids=[f"{i}-{c['why']}" for i, c in enumerate(CASES)])
def test_case(case: dict[str, str]) -> None:
    assert text(case["input"], case.get("language", "en")) == case["expected"], case["why"]


@pytest.mark.parametrize("language", ["", "en", "de", "fr", "es", "it", "zh", "vi", "simple", "zh-hans"])
def test_shipped_rules_are_sound_in_every_language(language: str) -> None:
    template_table(language)


def test_no_rule_of_a_shipped_language_stands_twice() -> None:
    shipped = Path(templates.__file__).with_name("templates.tsv").read_text(encoding="utf-8")
    rules = [line.split("\t") for line in shipped.splitlines() if line and not line.startswith(("# ", "#\t"))]
    languages = {language for rule in rules if len(rule) > 2 for language in rule[0].split(",")}
    assert {"fr", "nap", "ltg"} <= languages
    for language in sorted(languages - {"*"}):
        template_table(language)  # a double is refused with its file and line


# --------------------------------------------------------------------------------------------- formats


@pytest.mark.parametrize(
    ("form", "call", "expected"),
    [
        ("{1}", "x|a", "a"),
        ("{2,1}", "x|a|b", "b"),
        ("{2,1}", "x|a|", "a"),
        ("{text,=none}", "x", "none"),
        ("{1}[ ({2})]", "x|a", "a"),
        ("{1}[ ({2})]", "x|a|b", "a (b)"),
        ("[{1} and {2}|only {1}|nothing]", "x|a|b", "a and b"),
        ("[{1} and {2}|only {1}|nothing]", "x|a", "only a"),
        ("[{1} and {2}|only {1}|nothing]", "x", "nothing"),
        ("[{?df=y,yes}A|{!df}B|C]", "x|df=Yes", "A"),
        ("[{?df=y,yes}A|{!df}B|C]", "x", "B"),
        ("[{?df=y,yes}A|{!df}B|C]", "x|df=no", "C"),
        ("[{1}[, {2}[, {3}]]]", "x|a|b", "a, b"),
        ("{1:number}", "x|1234567.5", "1,234,567.5"),
        ("{1:number}", "x|-1234", "−1,234"),
        ("{1:number}", "x|about 1234", "about 1234"),
        ("{1:integer}", "x|06", "6"),
        ("[{1:integer}|none]", "x|six", "none"),
        ("{1:months?}", "x|6", "June"),
        ("{1:months?}", "x|late June", "late June"),
        ("{1:ordinal} {2:ordinal} {3:ordinal} {4:ordinal}", "x|1|12|22|113", "1st 12th 22nd 113th"),
        ("{1:capital} {1:upper} {2:lower}", "x|ab|CD", "Ab AB cd"),
        (r"\[{1}\] \{\} \| \\ \*", "x|a", r"[a] {} | \ *"),
        (r"a\nb", "x", "a\nb"),
        (r"a\pb", "x", "a\n\nb"),
        (r"\w* {1}\w* {2}\w", "x|a|b", "- a\n- b"),
        ("'''{1}'''", "x|a", "a"),
    ],
)
def test_format(form: str, call: str, expected: str) -> None:
    assert text("{{" + call + "}}", rules={"x": form}) == expected


def test_what_lacks_a_parameter_is_not_written() -> None:
    assert text("a {{x}}b", rules={"x": "({1})"}) == "a b"


def test_star_and_number_in_names() -> None:
    rules = {"lang-*": "{0}: {1}", "#th": "{0}th[ {1}]", "lang-fr": "French: {1}"}
    assert text("{{lang-De|Ulm}}, {{Lang-fr|Oulme}}, {{XIXth|a}}, {{19th}}", rules=rules) == (
        "de: Ulm, French: Oulme, XIXth a, 19th"
    )


def test_names_fold_beyond_ascii() -> None:
    assert text("{{Écrit|a}} {{ДАТА|b}} {{Ngày Đẹp|c}}", rules={"écrit|дата|ngày đẹp": "{1}"}) == "a b c"


# ---------------------------------------------------------------------------------------- a user's rules


def test_own_rules_win_and_remove() -> None:
    rules = {"convert": "<{1}>", "nowrap": "", "lang": {"fr": "F {2}", "*": "A {2}"}}
    page = "{{convert|1|mi}}, x{{nowrap|y}}, {{lang|de|z}}"
    assert text(page, "en", rules) == "<1>, x, A z"
    assert text(page, "fr", rules) == "<1>, x, F z"


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ("{1", "{ without }"),
        ("1}", "} without {"),
        ("[{1}", "[ without ]"),
        ("{1}]", "] without ["),
        ("a|b", "| outside brackets"),
        ("{}", "no name of a parameter"),
        ("{?}", "no name of a parameter"),
        ("{1,,2}", "an empty name"),
        ("{1:mnths}", '"mnths" is neither a filter nor a list of words'),
        ("{1[2]}", "a bracket within braces"),
        ("[[[[[[[{1}]]]]]]]", "nested more than 6 deep"),
        ("a\\", "\\ at the end"),
        ("\\q", "no such escape: \\q"),
        ("a\nb", "control character"),
    ],
)
def test_mistakes_are_named(form: str, says: str) -> None:
    with pytest.raises(SettingError, match="template_rules: 'pop'") as caught:
        Wikipedia(path="dump.xml", template_rules={"pop": form})
    assert says in str(caught.value)
    assert caught.value.remedy


def test_names_that_cannot_be() -> None:
    for name in ("", "a\tb", "a||b"):
        with pytest.raises(SettingError, match="template_rules"):
            template_table("en", {name: "{1}"})


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("*\ta", "3 to 5 columns"),
        ("*\ta\tfromat\t{1}", 'how "fromat"'),
        ("*\ta\tdrop", "needs a reason"),
        ("*\ta\tconvert\t{1}", "takes nothing"),
        ("*\ta\tformat\t", "the format is empty"),
        ("*\ta|a\tformat\t{1}", "stands twice"),
        ("*\ta\tformat\t{1}\x07", "control character"),
        ("*\ta\tformat\t" + "x" * 20_000, "longer than"),
    ],
)
def test_a_bad_line_of_a_file_is_named(line: str, says: str) -> None:
    with pytest.raises(ValueError, match=r"some\.tsv") as caught:
        _native.read_templates("en", [("templates", "some.tsv", "# head\n\n" + line + "\n")])
    file, number, sentence = caught.value.args
    assert (file, number) == ("some.tsv", 3)
    assert says in sentence


def test_a_rule_cannot_make_text_explode() -> None:
    form = "{1}" * 1000
    page = "{{x|" * 12 + "a" + "}}" * 12
    assert len(text(page, rules={"x": form})) < 100_000
