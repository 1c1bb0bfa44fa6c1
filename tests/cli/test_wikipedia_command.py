"""``corpuskit wikipedia``: a page of a dump on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from corpuskit.build.build import build_corpus
from corpuskit.cli.main import cli
from corpuskit.sources.wikipedia.source import Wikipedia

PAGES = [
    ("1", "Rain", "'''Rain''' is [[water]] that falls.\n[[Category:Weather]]"),
    ("2", "Drizzle", "#REDIRECT [[Rain]]"),
]


@pytest.fixture
def dump(tmp_path: Path) -> str:
    pages = "".join(
        f"<page><title>{title}</title><ns>0</ns><id>{number}</id><revision><id>9{number}</id><timestamp>t</timestamp>"
        f"<text>{text}</text></revision></page>"
        for number, title, text in PAGES
    )
    path = tmp_path / "dump.xml"
    path.write_text(f"<mediawiki><siteinfo><dbname>xwiki</dbname></siteinfo>{pages}</mediawiki>")
    return str(path)


def test_a_page_as_text_as_wikitext_and_as_json(dump: str) -> None:
    run = CliRunner().invoke
    text = run(cli, ["wikipedia", "page", dump, "rain"])
    assert (text.exit_code, text.stdout) == (0, "Rain is water that falls.\n")
    assert "has no index" in text.stderr
    raw = run(cli, ["wikipedia", "page", dump, "1", "--id", "--wikitext", "--quiet"])
    assert (raw.stdout, raw.stderr) == (PAGES[0][2] + "\n", "")
    facts = json.loads(run(cli, ["wikipedia", "page", dump, "Drizzle", "--json"]).stdout)
    assert facts == {
        "id": 1,
        "title": "Rain",
        "revision": 91,
        "timestamp": "t",
        "url": "https://x.wikipedia.org/wiki/Rain",
        "kind": "article",
        "categories": ["Weather"],
        "redirected_from": ["Drizzle"],
        "text": "Rain is water that falls.",
    }


def test_a_folder_stands_for_the_one_dump_in_it(dump: str, tmp_path: Path) -> None:
    run = CliRunner().invoke
    (tmp_path / "fetch.json").write_text("{}")
    assert run(cli, ["wikipedia", "page", str(tmp_path), "Rain"]).stdout == "Rain is water that falls.\n"
    (tmp_path / "second.xml").write_text("<mediawiki>")
    answer = run(cli, ["wikipedia", "page", str(tmp_path), "Rain"])
    assert answer.exit_code == 1
    assert "a folder with 2 dumps: dump.xml, second.xml" in answer.stderr
    (tmp_path / "empty").mkdir()
    assert "a folder with no dump" in run(cli, ["wikipedia", "page", str(tmp_path / "empty"), "Rain"]).stderr


def test_a_file_that_is_no_dump_is_told_as_such(tmp_path: Path) -> None:
    index = tmp_path / "wiki-multistream-index.txt"
    index.write_text("598:1:Rain\n")
    answer = CliRunner().invoke(cli, ["wikipedia", "page", str(index), "Rain"])
    assert answer.exit_code == 1
    assert "no XML dump" in answer.stderr or "no <page>" in answer.stderr
    index.with_suffix(".xml").write_text("<mediawiki><siteinfo/></mediawiki>")
    answer = CliRunner().invoke(cli, ["wikipedia", "page", str(index.with_suffix(".xml")), "Rain"])
    assert "no <page>" in answer.stderr


def test_templates_are_written_from_a_dump_that_has_some(dump: str, tmp_path: Path) -> None:
    run = CliRunner().invoke
    answer = run(cli, ["wikipedia", "templates", dump, "--out", str(tmp_path / "t.xml.bz2")])
    assert answer.exit_code == 1
    assert "none of its 2 pages defines a template" in answer.stderr
    assert not (tmp_path / "t.xml.bz2").exists()
    answer = run(cli, ["wikipedia", "templates", dump, "--out", str(tmp_path / "t.txt")])
    assert answer.exit_code == 2
    assert "Let it end with .xml or .xml.bz2." in answer.stderr


def test_a_page_that_is_not_there(dump: str) -> None:
    answer = CliRunner().invoke(cli, ["wikipedia", "page", dump, "Rian", "--json", "--quiet"])
    assert answer.exit_code == 1
    error = json.loads(answer.stdout)
    assert error["error"] == "InputError"
    assert "no page 'Rian'" in error["message"]
    assert CliRunner().invoke(cli, ["wikipedia", "page", "no-such.xml", "A"]).exit_code == 1
    assert CliRunner().invoke(cli, ["wikipedia", "page", dump]).exit_code == 2


def test_inspect_tells_what_a_sample_of_pages_lost(tmp_path: Path) -> None:
    path = tmp_path / "dump.xml"
    texts = ["Rain is water. {{Nonesuch thing|wet|cold|grey}}", "It falls. {{Nonesuch thing|down}}"]
    pages = "".join(
        f"<page><title>P{n}</title><ns>0</ns><id>{n}</id><revision><id>9{n}</id><text>{text}</text></revision></page>"
        for n, text in enumerate(texts, 1)
    )
    path.write_text(f"<mediawiki><siteinfo><dbname>xwiki</dbname></siteinfo>{pages}</mediawiki>")
    run = tmp_path / "run"
    build_corpus([Wikipedia(path=str(path), language="en", loss_every=1)], run, workers=1)
    invoke = CliRunner().invoke
    loss = json.loads(invoke(cli, ["inspect", str(run), "--json"]).stdout)["loss"]
    assert loss == {"pages": 2, "kept": 1 - 2 / 9, "kept_prose": 1.0, "templates": {"nonesuch thing": 2}}
    line = (
        "words of 2 wiki pages measured: kept 100.00% of prose, 77.78% of all; templates that lost the most: "
    )
    assert line + "nonesuch thing 2" in invoke(cli, ["inspect", str(run)]).stdout
    next((run / "tables" / "loss").iterdir()).write_bytes(b"PAR1")
    answer = invoke(cli, ["inspect", str(run)])
    assert answer.exit_code == 1
    assert "is damaged: not what its record says" in answer.stderr
    assert "corpuskit build" in answer.stderr


def test_inspect_of_a_run_without_measured_pages_says_nothing_of_loss(dump: str, tmp_path: Path) -> None:
    run = str(tmp_path / "run")
    build_corpus([Wikipedia(path=dump, loss_every=0)], run, workers=1)
    assert json.loads(CliRunner().invoke(cli, ["inspect", run, "--json"]).stdout)["loss"] is None


def test_rules_are_shown_and_counted() -> None:
    run = CliRunner().invoke
    every = json.loads(run(cli, ["wikipedia", "rules", "--json"]).stdout)
    assert every["rules"] == len(every["shown"]) >= every["write_text"] >= every["unconfirmed"]
    shown = run(cli, ["wikipedia", "rules", "--language", "vi", "--unconfirmed"]).stdout.splitlines()
    assert all(line.endswith("(unconfirmed)") for line in shown[:-1])
    assert shown[-1].endswith(f"{len(shown) - 1} unconfirmed")
    assert "vi  ngoặc nhọn  format ⟨{1}⟩" in run(cli, ["wikipedia", "rules", "--language", "vi"]).stdout
