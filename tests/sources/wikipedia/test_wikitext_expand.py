"""Templates that a dump defines: expansion as MediaWiki does it, bounds, the source, the command."""

from __future__ import annotations

import bz2
import errno
import json
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pyarrow as pa
import pytest
from click.testing import CliRunner

from corpuskit.cli.main import cli
from corpuskit.errors import SettingError, StorageError
from corpuskit.sources.wikipedia import definitions as wikipedia_templates
from corpuskit.sources.wikipedia import documents as wikipedia_pages
from corpuskit.sources.wikipedia import expand as wikitext_expand
from corpuskit.sources.wikipedia.definitions import called_names, store_of, write_templates
from corpuskit.sources.wikipedia.expand import EXPAND_COUNTERS, ExpandBudget, expand, template_store
from corpuskit.sources.wikipedia.extract import engine_options
from corpuskit.sources.wikipedia.rules import template_table
from corpuskit.sources.wikipedia.source import Wikipedia

CORPORA = os.environ.get("CORPUSKIT_CORPORA", "")


def run(
    page: str,
    definitions: dict[str, str],
    title: str = "Page",
    budget: ExpandBudget | None = None,
    language: str = "en",
) -> tuple[str, dict[str, int]]:
    store = template_store(definitions.items(), prefixes=["Šablona"])
    pages, titles = pa.array([page], pa.large_string()), pa.array([title], pa.large_string())
    options = engine_options(file_prefixes=["File"], category_prefixes=["Category"], language=language)
    result = expand(pages, titles, store, options, budget)
    counters = zip(EXPAND_COUNTERS, result.counters[0].tolist(), strict=True)
    return str(result.texts[0].as_py()), {name: n for name, n in counters if n}


CASES = json.loads(Path(__file__).parents[2].joinpath("cases", "expand.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=[c["why"] for c in CASES])
def test_case(case: dict[str, Any]) -> None:
    assert run(case["page"], case["templates"])[0] == case["expected"], case["why"]


def test_counters() -> None:
    definitions = {"A1": "{{B1}}{{lang|fr|x}}", "B1": "b", "M1": "{{#invoke:M|f}}", "L1": "{{L1}}"}
    _, counters = run("{{A1}}{{M1}}{{L1}}{{none}}", definitions)
    del counters["steps"]
    assert counters == {"depth": 2, "expanded": 3, "ruled": 1, "undefined": 1, "lua": 1, "loops": 1}


def test_case_does_not_matter_in_any_alphabet() -> None:
    """A rule or class, and the name of the namespace, are found as the extractor finds them."""
    page = "{{Écrit|x}}{{Неоднозначность}}"
    named = {"Écrit": "y", "Неоднозначность": "z"}
    rules = template_table("ru", {"écrit": "{1}"})
    options = engine_options(file_prefixes=[], category_prefixes=[], language="ru", templates=rules)
    pages, titles = pa.array([page], pa.large_string()), pa.array([""], pa.large_string())
    assert expand(pages, titles, template_store(named.items()), options).texts[0].as_py() == page
    assert run("{{šablona:ok}} {{ŠABLONA:ok}}", {"Ok": "a"})[0] == "a a"


@pytest.mark.parametrize("language", ["zh", "zh-hans", "gan", "ku", "shi", "tg", ""])
def test_a_bar_between_variants_divides_no_arguments(language: str) -> None:
    assert run("{{Q|-{a|b}-}}", {"Q": "<{{{1}}}>"}, language=language)[0] == "<-{a|b}->"
    assert run("{{Q|-{a|b}-}}", {"Q": "<{{{1}}}>"}, language="en")[0] == "<-{a>"


@pytest.mark.parametrize("invoke", ["invoke", "INVOKE", "gọi", "вызвать", "invoque", "استدعاء", "ഉണർത്തുക"])
def test_modules_are_known_by_their_name_in_other_languages(invoke: str) -> None:
    text, counters = run("{{M1|a}}", {"M1": "b {{#" + invoke + ":M|f|{{{1}}}}}"})
    assert (text, counters["lua"]) == ("{{M1|a}}", 1)


# --------------------------------------------------------------------------------------------- bounds


def doubling(n: int) -> dict[str, str]:
    """Templates that write 2^n letters."""
    return {f"Z{i}": f"{{{{Z{i + 1}}}}}" * 2 for i in range(n)} | {f"Z{n}": "x"}


BOMBS = {
    "doubling": ("a {{Z0}} b {{ok}}", doubling(30)),
    "arguments": ("a {{Q|{{Q|{{Q|{{Q|{{Q|{{Q|x}}}}}}}}}}}} b {{ok}}", {"Q": "{{{1}}}" * 60}),
    "growing arguments": (
        "a {{Q0|x}} b {{ok}}",
        {f"Q{i}": "{{Q" + str(i + 1) + "|{{{1}}}{{{1}}}}}" for i in range(39)} | {"Q39": "{{{1}}}"},
    ),
    "a long switch": ("a {{Q}} b {{ok}}", {"Q": "{{W}}" * 2000, "W": "{{#switch:x" + "|y=z" * 5000 + "}}"}),
    "Lua behind work": (
        "a {{Q}} b {{ok}}",
        {"Q": "{{W}}" * 3000, "W": "{{V}}{{#invoke:M|f}}", "V": "x" * 9000},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_left_and_the_page_goes_on(name: str) -> None:
    page, definitions = BOMBS[name]
    text, counters = run(page, definitions | {"Ok": "OK"})
    assert text.startswith("a ")
    assert text.endswith(" b OK"), "what follows is expanded"
    assert counters["steps"] < 3 * ExpandBudget().steps_base
    assert len(text) < 3 * ExpandBudget().output_base
    assert text == run(page, definitions | {"Ok": "OK"})[0]


def test_depth_is_bounded() -> None:
    chain = {f"C{i}": f"{{{{C{i + 1}}}}}" for i in range(60)} | {"C60": "end"}
    text, counters = run("{{C0}}{{C40}}", chain)
    assert (text, counters["depth"], counters["over"]) == ("{{C40}}end", 40, 1)
    assert run("{{C0}}", chain, budget=ExpandBudget(depth=100))[0] == "end"


def test_a_default_in_the_page_that_needs_too_much_is_left_as_it_stands() -> None:
    """The parameter, not what comes after the part of its default that went over."""
    page = "a {{{1|{{A}} b}}} c {{{1|{{A}}}}} d"
    text, counters = run(page, {"A": "x" * 5000}, budget=ExpandBudget(64, 1, 16, 1, 2))
    assert text == page
    assert counters["over"] == 2


UNITS = ["{{{{", "{{A|", "{{#if:x|", "{{{1|", "[[", "{{A}}", "{{#switch:x|a=", "}}", "<!--", "<ref>",
         "<nowiki>", "{{A|{{A}}}}", "{{A|b=", "{{{{{1}}}}}", "|", "<noinclude>", "{{no|"]  # fmt: skip


@pytest.mark.parametrize("unit", UNITS)
def test_hostile_pages_are_linear(unit: str) -> None:
    """Steps grow with the page, or the page is left as it is; nothing is lost and nothing hangs."""
    for size in (100_000, 1_000_000):
        page = unit * (size // len(unit))
        text, counters = run(page, {"A": "{{{1|}}}y"})
        budget = ExpandBudget()
        assert counters.get("steps", 0) < 2 * (budget.steps_base + budget.steps_per_byte * len(page))
        assert len(text) <= 2 * (budget.output_base + budget.output_per_byte * len(page))


def test_ten_megabytes_of_braces_take_little_memory() -> None:
    page = "{{" * 5_000_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert run(page, {})[0] == page
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 150 * 1024, "KiB"


# --------------------------------------------------------------------------------------- store and source

DUMP = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="de">
<siteinfo><dbname>testwiki</dbname><namespaces><namespace key="10">Vorlage</namespace></namespaces></siteinfo>
{pages}</mediawiki>
"""
PAGES = [
    ("Ulm", 0, "", "'''Ulm''' hat {{Einwohner|126.000}} und {{Alt|7}}. {{Vorlage:Ende}}"),
    ("Vorlage:Einwohner", 10, "", "{{Fett|{{{1}}} Einwohner}}<noinclude>Hilfe</noinclude>"),
    ("Vorlage:Fett", 10, "", "'''{{{1}}}'''"),
    ("Vorlage:Alt", 10, "Vorlage:Neu", "#WEITERLEITUNG [[Vorlage:Neu]]"),
    ("Vorlage:Neu", 10, "", "{{#expr:{{{1}}}*6}} Tore"),
    ("Vorlage:Ende", 10, "", "Ende von {{PAGENAME}}."),
    ("Vorlage:Ungenutzt", 10, "", "never"),
    ("Vorlage:Fett/Doku", 10, "", "Hilfe"),
    ("Vorlage:Fett/doc", 10, "", "help"),
]


def dump(folder: Path) -> Path:
    pages = "".join(
        f"<page><title>{title}</title><ns>{ns}</ns><id>{i}</id>"
        + (f'<redirect title="{target}" />' if target else "")
        + f"<revision><id>{i}</id><model>wikitext</model><text>{escape(text)}</text></revision></page>\n"
        for i, (title, ns, target, text) in enumerate(PAGES, 1)
    )
    path = folder / "testwiki.xml"
    path.write_text(DUMP.replace("{pages}", pages), encoding="utf-8")
    return path


def texts(source: Wikipedia) -> list[str]:
    return [
        t for part in source.parts() for r in source.read(part) for t in r.batch.column("text").to_pylist()
    ]


def test_the_source_expands_what_its_dump_defines(tmp_path: Path) -> None:
    path = dump(tmp_path)
    assert texts(Wikipedia(path=str(path), templates="expand")) == [
        "Ulm hat 126.000 Einwohner und 42 Tore. Ende von Ulm."
    ]
    # Not expanded, a template is written as its first text: no word of its definition.
    assert "Einwohner" not in texts(Wikipedia(path=str(path)))[0]
    source = Wikipedia(path=str(path), templates="expand")
    tables = [r.tables["expansion"] for part in source.parts() for r in source.read(part)]
    assert tables[0].to_pylist()[0]["expanded"] == 4


def test_readings_are_closed_by_the_bytes_of_expanded_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of a few bytes may become a large one; how many are held must not depend on the dump alone."""
    body = "".join(
        f"<page><title>P{i}</title><ns>0</ns><id>{i}</id><revision><id>{i}</id><text>{{{{Sehrlang}}}}</text>"
        "</revision></page>\n"
        for i in range(2, 52)
    )
    template = (
        "<page><title>Vorlage:Sehrlang</title><ns>10</ns><id>1</id><revision><id>1</id>"
        f"<text>{'Wort ' * 2000}</text></revision></page>\n"
    )
    path = tmp_path / "testwiki.xml"
    path.write_text(DUMP.replace("{pages}", body + template), encoding="utf-8")
    source = Wikipedia(path=str(path), templates="expand")
    whole = [reading for part in source.parts() for reading in source.read(part)]
    monkeypatch.setattr(wikipedia_pages, "EXPANDED_BYTES", 100_000)
    small = [reading for part in source.parts() for reading in source.read(part)]
    assert len(whole) == 1
    assert [reading.batch.num_rows for reading in small] == [16, 16, 16, 2]
    assert [t for r in small for t in r.batch.column("text").to_pylist()] == (
        whole[0].batch.column("text").to_pylist()
    )
    assert sum(r.tables["expansion"].to_pylist()[0]["expanded"] for r in small) == 50


def test_a_small_dump_of_templates_serves_as_well(tmp_path: Path) -> None:
    path, out = dump(tmp_path), tmp_path / "templates.xml.bz2"
    called = CliRunner().invoke(
        cli, ["wikipedia", "templates", str(path), "--out", str(out), "--min-uses", "1", "--json"]
    )
    assert called.exit_code == 0, called.stderr
    assert json.loads(called.stdout)["written"] == 5, "without the unused ones and the documentation"
    assert "Ungenutzt" not in bz2.decompress(out.read_bytes()).decode()
    source = Wikipedia(path=str(path), templates="expand", template_pages=str(out))
    assert texts(source) == texts(Wikipedia(path=str(path), templates="expand"))
    assert all(part.files == (str(path), str(out)) for part in source.parts()), "an input of every part"
    assert write_templates(str(path), tmp_path / "all.xml").written == 7


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, out = dump(tmp_path), tmp_path / "small" / "templates.xml"
    assert write_templates(str(path), out).bytes == out.stat().st_size
    before = out.read_bytes()
    lines = wikipedia_templates._dump_lines

    def breaks(*given: Any) -> Iterator[str]:
        yield next(lines(*given))
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(wikipedia_templates, "_dump_lines", breaks)
    with pytest.raises(StorageError, match=r"templates\.xml: cannot be written"):
        write_templates(str(path), out)
    assert [(file.name, file.read_bytes()) for file in out.parent.iterdir()] == [("templates.xml", before)]


def damaged(folder: Path, name: str) -> Path:
    """A dump of which two templates are broken: one is no XML, one has no end."""
    path = folder / name
    whole = dump(folder).read_text(encoding="utf-8")
    broken = whole.replace("<title>Vorlage:Fett</title>", "<title>Vorlage:Fett</tilte>")
    at = broken.index("<page><title>Vorlage:Neu")
    end = broken.index("</page>", at)
    path.write_text(broken[:end] + broken[end + len("</page>") :], encoding="utf-8")
    return path


def warnings_of(source: Wikipedia) -> list[str]:
    return [w for part in source.parts() for r in source.read(part) for w in r.warnings]


def test_damaged_templates_are_told(tmp_path: Path) -> None:
    path = damaged(tmp_path, "broken.xml")
    said = "broken.xml: 2 damaged pages passed over while templates were read, the first at decoded byte "
    own = warnings_of(Wikipedia(path=str(path), templates="expand"))
    assert [said in w for w in own] == [True], own
    assert "mismatched tag" in own[0]
    assert not any(said in w for w in warnings_of(Wikipedia(path=str(path))))
    whole = dump(tmp_path)
    apart = warnings_of(Wikipedia(path=str(whole), templates="expand", template_pages=str(path)))
    assert [said in w for w in apart] == [True], apart
    assert warnings_of(Wikipedia(path=str(whole), templates="expand")) == []


def test_writing_templates_tells_of_damaged_ones(tmp_path: Path) -> None:
    path = damaged(tmp_path, "broken.xml")
    out = str(tmp_path / "templates.xml")
    called = CliRunner().invoke(cli, ["wikipedia", "templates", str(path), "--out", out, "--json"])
    assert called.exit_code == 0
    assert json.loads(called.stdout)["skipped"] == 2
    assert "2 damaged pages passed over" in called.stderr


def test_where_templates_lie_is_no_part_of_the_fingerprint() -> None:
    def fingerprint(**settings: str) -> dict[str, object]:
        return Wikipedia(path="x", **settings).fingerprint(deciding=False)  # type: ignore[arg-type]

    assert fingerprint(template_pages="a") == fingerprint(template_pages="b")
    assert fingerprint(templates="expand") != fingerprint()


def test_too_many_definitions_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wikitext_expand, "STORE_BYTES", 1000)
    with pytest.raises(SettingError, match="more than 1000 bytes at 'B'"):
        template_store([("A", "x" * 600), ("B", "x" * 600)])
    with pytest.raises(SettingError, match="more than 1000 bytes at 'R1'"):
        template_store([("A", "x" * 600)], [(f"R{n}", "y" * 250) for n in range(3)])


def test_names_of_calls() -> None:
    assert called_names("{{a_b|x}} {{Vorlage:c}} {{ d\n|e}} {{#if:x|{{f}}}} {{{g}}}", "Vorlage") >= {
        "A b",
        "C",
        "D",
        "F",
    }


@pytest.mark.skipif(not CORPORA, reason="CORPUSKIT_CORPORA is not set: no real dumps")
def test_a_real_dump_with_templates() -> None:
    path = next((Path(CORPORA) / "wikipedia").glob("viwiki-*"))
    store = store_of(str(path))
    assert store.size >= 30
    plain, expanded = Wikipedia(path=str(path)), Wikipedia(path=str(path), templates="expand")
    before, after = texts(plain), texts(expanded)
    assert len(before) == len(after)
    assert sum(len(a) for a in after) > sum(len(b) for b in before)
