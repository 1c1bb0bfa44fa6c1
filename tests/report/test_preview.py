"""The preview of rules: what would go by source and rule, values, samples; nothing is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from corpuskit import Files
from corpuskit.build.build import build_corpus
from corpuskit.cli.main import cli
from corpuskit.errors import RunError
from corpuskit.report.preview import facts, preview
from corpuskit.run.folder import Run
from corpuskit.stages.quality.filter import Filter

NOTES = [
    ("one", "Milk, eggs."),
    ("two", "the cat and the dog of the house " * 10),
    ("three", "A note of ten words stands here, and it is short."),
]
POEMS = [(f"p{i}", "a verse of few words\n" * i) for i in range(1, 40)]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Path]:
    def make(*stages: Any) -> Path:
        for label, rows in (("notes", NOTES), ("poems", POEMS)):
            lines = [json.dumps({"id": name, "text": text}) for name, text in rows]
            (tmp_path / f"{label}.jsonl").write_text("\n".join(lines))
        sources = [Files(path=str(tmp_path / f"{label}.jsonl"), label=label) for label in ("notes", "poems")]
        build_corpus([*sources, *stages], tmp_path / "run")
        return tmp_path / "run"

    return make


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.stat().st_mtime_ns, p.stat().st_size) for p in folder.rglob("*") if p.is_file()}


def call(*words: object) -> Any:
    return CliRunner().invoke(cli, [str(word) for word in words], prog_name="corpuskit")


def test_what_would_go_by_source_and_rule(run: Callable[..., Path]) -> None:
    folder = run()
    before = snapshot(folder)
    found = preview(Run.open(folder), Filter(rules=(), limits={"min_words": 50}), samples=2)
    assert snapshot(folder) == before
    short = [text for name, text in [*NOTES, *POEMS[:9]] if name != "two"]
    assert (found.all.documents, found.gone.documents) == (42, 11)
    assert found.gone.bytes == sum(map(len, short))
    assert {label: each.gone.documents for label, each in found.sources.items()} == {"notes": 2, "poems": 9}
    rule = found.rules["min_words"]
    assert (rule.asked, rule.breaks, rule.gone.documents) == (42, 11, 11)
    assert int(rule.histogram.sum()) == 42
    assert len(rule.samples) == 2
    assert (
        rule.samples
        == preview(Run.open(folder), Filter(rules=(), limits={"min_words": 50}), samples=2)
        .rules["min_words"]
        .samples
    )
    other = preview(Run.open(folder), Filter(rules=(), limits={"min_words": 50}), samples=2, seed=1)
    assert other.rules["min_words"].samples != rule.samples


def test_it_says_what_a_build_then_does(run: Callable[..., Path]) -> None:
    """Statistics of the run are taken up, and those taken on the fly give the same."""
    rules = Filter(rules=("gopher_quality",), every_language=True)
    fresh = preview(Run.open(run()), rules)
    folder = run(rules)
    taken_up = preview(Run.open(folder), rules)
    assert (fresh.taken_up, taken_up.taken_up) == (False, True)
    assert facts(fresh)["rules"] == facts(taken_up)["rules"]
    ledger = json.loads((folder / "ledger.json").read_text())["stages"]
    [decided] = [stage for stage in ledger if stage["stage"] == "filter decided"]
    told = {name: rule.gone.documents for name, rule in taken_up.rules.items() if rule.gone.documents}
    assert decided["documents"]["dropped"] == told
    spaced = Filter(words="white_space", rules=("gopher_quality",))
    assert not preview(Run.open(folder), spaced).taken_up


def test_the_command(run: Callable[..., Path]) -> None:
    folder = run()
    found = call(
        "filter", "preview", folder, "--rule", "min_words=50", "--rule", "max_words=100", "--samples", 1
    )
    assert found.exit_code == 0, found.stderr
    assert "11 of 42" not in found.stdout.splitlines()[0]  # Long ones go as well.
    assert "  notes: 2 of 3, 60 B: 2 min_words" in found.stdout
    assert "<- at least 50" in found.stdout
    assert "Milk, eggs." in found.stdout or "A note of ten words" in found.stdout or "a verse" in found.stdout
    told = json.loads(call("filter", "preview", folder, "--rule", "min_words=50", "--json").stdout)
    assert told["gone"]["documents"] == 11
    assert told["rules"]["min_words"]["formula"] == "words"
    assert sum(count for _, count in told["rules"]["min_words"]["histogram"]) == 42


def test_figures_of_documents_are_shown_as_they_are_counted(run: Callable[..., Path]) -> None:
    for folder in (run(), run(Filter(rules=(), limits={"min_words": 1}))):
        told = json.loads(
            call(
                "filter", "values", folder, "--figure", "dup_lines", "--id", "files:poems:p4", "--json"
            ).stdout
        )
        assert told["documents"] == {
            "files:poems:p4": {
                "dup_lines": {"count": 3, "over": 4, "value": 0.75},
                "dup_line_chars": {"count": 60, "over": 80, "value": 0.75},
            }
        }
    shown = call("filter", "values", folder, "--documents", 1, "--figure", "gopher_words").stdout
    assert shown.split() == ["files:notes:one", "words", "2", "2.0000"]
    assert call("filter", "values", folder, "--figure", "wrds").exit_code == 2
    assert call("filter", "values", folder, "--id", "nobody").exit_code == 1


def test_english_rules_that_were_not_asked_are_told(run: Callable[..., Path]) -> None:
    folder = run()
    found = call("filter", "preview", folder, "--rule", "gopher_stop_words")
    assert "not asked of 42 documents without a language" in found.stdout
    asked = call("filter", "preview", folder, "--rule", "gopher_stop_words", "--language", "en", "--json")
    assert json.loads(asked.stdout)["rules"]["gopher_stop_words"]["asked"] == 42


def test_the_rules_and_their_profiles() -> None:
    told = json.loads(call("filter", "rules", "--json").stdout)
    words = next(rule for rule in told["rules"] if rule["name"] == "gopher_words")
    assert (words["min"], words["max"], words["on"]) == ("50", "100000", ["web"])
    assert "novel" in words["off"]["books"]
    assert set(told["line_rules"]) == {"c4_lines", "bad_words", "refinedweb_lines"}
    shown = call("filter", "rules", "--set", "fineweb", "--profile", "verse").stdout
    assert "verse: off: a verse is a short line" in shown


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (["--rule", "min_wrds=5"], 2, "Did you mean 'words'"),
        (["--rule", "gopher"], 2, "no rule is called 'gopher'"),
        (["--rule", "c4_lines"], 2, "cuts or searches texts"),
    ],
)
def test_a_wrong_rule_is_told(run: Callable[..., Path], words: list[str], code: int, hint: str) -> None:
    found = call("filter", "preview", run(), *words)
    assert (found.exit_code, found.stdout) == (code, "")
    assert hint in found.stderr


def test_no_run_to_look_at(tmp_path: Path) -> None:
    assert call("filter", "preview", tmp_path / "nowhere").exit_code == 1
    (tmp_path / "run.json").write_bytes(Run.format_bytes())
    with pytest.raises(RunError, match="no documents"):
        preview(Run.open(tmp_path), Filter())


def test_a_text_without_words_has_no_mean(tmp_path: Path) -> None:
    """It goes as `no_words`, stands in no class of the histogram, and its figure is none."""
    rows = [{"id": "marks", "text": "— * … !! " * 5}, {"id": "short", "text": "go on to me, " * 5}]
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, rows)))
    build_corpus([Files(path=str(tmp_path / "in.jsonl"), label="x")], tmp_path / "run")
    told = call("filter", "preview", tmp_path / "run", "--rule", "gopher_mean_word_length").stdout
    assert "x: 2 of 2, 130 B: 1 no_words, 1 gopher_mean_word_length" in told
    assert "gopher_mean_word_length: 1 document, 65 B; 1 of the 2 that are asked break it\n" in told
    assert "<- at least 3" not in told  # No text is so long.
    values = call("filter", "values", tmp_path / "run", "--figure", "mean_word_length")
    shown = [line.split() for line in values.stdout.splitlines()]
    assert shown == [
        ["files:x:marks"],
        ["mean_word_length", "0/0", "none"],
        ["files:x:short"],
        ["mean_word_length", "40/20", "2.0000"],
    ]
    as_json = json.loads(call("filter", "values", tmp_path / "run", "--id", "files:x:marks", "--json").stdout)
    assert as_json["documents"]["files:x:marks"]["mean_word_length"] == {"count": 0, "over": 0, "value": None}


def test_a_limit_without_its_number_is_told(run: Callable[..., Path]) -> None:
    found = call("filter", "preview", run(), "--rule", "min_words")
    assert (found.exit_code, found.stdout) == (2, "")
    assert "--rule min_words: there is no limit" in found.stderr
    assert "min_words=50" in found.stderr
