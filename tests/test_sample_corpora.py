"""The sample corpora hold planted faults; a build finds exactly those."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from corpuskit import Effect, Gutenberg, Unicode, Wikipedia, load_recipe
from corpuskit.build.build import build_corpus
from corpuskit.cli.main import cli
from corpuskit.shards.reader import Shards
from corpuskit.sources.source import Source
from corpuskit.tokenizer.special import RESERVED

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "sample_corpora"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "run"
    build_corpus(load_recipe(ROOT / "pipelines" / "sample.yaml").pipeline, folder)
    return folder


def planted() -> list[dict[str, str]]:
    rows = []
    for name in ("planted_encyclopedia.tsv", "planted_books.tsv"):
        with (SAMPLES / name).open(newline="", encoding="utf-8") as file:
            rows += list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return rows


def expected(*reasons: str) -> Counter[tuple[str, str]]:
    return Counter((r["id"], r["expected_reason"]) for r in planted() if r["expected_reason"] in reasons)


def aside(run: Path, folder: str, column: str) -> Counter[tuple[str, str]]:
    rows = [r for path in (run / folder).glob("*.parquet") for r in pq.read_table(path).to_pylist()]
    return Counter((row["id"], row[column]) for row in rows)


def test_every_planted_row_is_checked_by_a_test_here() -> None:
    checked = {"", "wrong_encoding_declared", "cut_too_much", "repaired", "truncated_page", *CUTS, *DROPS}
    assert {row["expected_reason"] for row in planted()} == checked


CUTS = {"header", "credits", "licence", "inner_header", "transcriber_note"}

DROPS = {
    "duplicate",
    "near_duplicate",
    "other_edition",
    "older_revision",
    "too_short",
    "empty",
    "redirect",
    "namespace_1",
    "namespace_10",
    "namespace_12",
    "namespace_14",
}


def test_exactly_the_planted_documents_are_dropped(run: Path) -> None:
    assert aside(run, "dropped", "reason") == expected(*DROPS)


def test_the_cut_page_is_quarantined_and_the_pages_before_it_are_read(run: Path) -> None:
    assert aside(run, "quarantine", "kind") == expected("truncated_page")
    texts = documents(run)
    assert {"wikipedia:samplewiki_cut:301", "wikipedia:samplewiki_cut:302"} <= texts.keys()


def test_exactly_the_planted_boilerplate_is_cut(run: Path) -> None:
    assert aside(run, "cuts", "reason") == expected(*CUTS)
    # Nothing is left of the wrappers, not even of the two whose markers are not to be believed.
    assert not [identity for identity, text in documents(run).items() if "Gutenberg" in text]


def test_wrong_declarations_and_refused_cuts_are_flagged(run: Path) -> None:
    flags = ("wrong_encoding_declared", "cut_too_much")
    found = Counter(
        (row["id"], flag)
        for path in (run / "documents").glob("*.parquet")
        for row in pq.read_table(path, columns=["id", "origin"]).to_pylist()
        for flag in json.loads(row["origin"]).get("flags", [])
        if flag in flags
    )
    assert found == expected(*flags)


def test_exactly_the_planted_mojibake_is_repaired(run: Path) -> None:
    sources: list[Source] = [Wikipedia(path=str(p)) for p in sorted(SAMPLES.glob("encyclopedia*"))]
    sources.append(Gutenberg(path=str(SAMPLES / "books")))
    changed = set()
    for source in sources:
        for part in source.parts():
            for reading in source.read(part):
                result = Unicode().apply(reading.batch)
                repaired = result.batch if isinstance(result, Effect) else result
                before, after = (b.column("text").to_pylist() for b in (reading.batch, repaired))
                before = [text.replace("\r\n", "\n") for text in before]
                ids = reading.batch.column("id").to_pylist()
                changed |= {i for i, b, a in zip(ids, before, after, strict=True) if a != b}
    assert changed == {identity for identity, _ in expected("repaired")}
    assert not [i for i, text in documents(run).items() if "Ã" in text or "â€" in text]


def test_typed_special_tokens_stay_text(run: Path) -> None:
    typed = {r["id"] for r in planted() if r["fault"] == "typed_special_token"}
    texts = documents(run)
    assert typed
    for identity in typed:
        assert "<|endoftext|>" in texts[identity]
    shards = Shards(run / "shards")
    for name in shards.splits:
        tokens = shards.split(name).read(0, shards.split(name).tokens)
        reserved = tokens[tokens < RESERVED]
        assert set(reserved.tolist()) == {shards.end_of_text}
        assert len(reserved) == shards.split(name).sequences


def documents(run: Path) -> dict[str, str]:
    tables = [pq.read_table(p, columns=["id", "text"]) for p in (run / "documents").glob("*.parquet")]
    return {row["id"]: row["text"] for table in tables for row in table.to_pylist()}


_EXPORTS = [f"export runs/sample --to {form}" for form in ("nanogpt", "datatrove", "dataset")]


@pytest.mark.parametrize("name", ["build", "trace", "search", "pack", *_EXPORTS])
def test_the_readme_shows_what_the_command_prints(
    name: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``UPDATE_GOLDEN=1`` writes what is printed into the README."""
    monkeypatch.chdir(tmp_path)
    path = ROOT / "README.md"
    readme = path.read_text(encoding="utf-8")
    block = rf"^\$ corpuskit ({name} .*)\n((?:(?!\$|```).*\n)+)"
    ((command, shown),) = re.findall(block, readme, re.MULTILINE)
    words = [str(run) if word == "runs/sample" else word for word in shlex.split(command)]
    words = [str(ROOT / word) if word.endswith(".yaml") else word for word in words]
    printed = CliRunner().invoke(cli, words).stdout.replace(str(run), "runs/sample")
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(readme.replace(shown, printed), encoding="utf-8")
        return
    assert shown == printed


def test_the_readme_shows_lines_of_the_vocabulary_report(run: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```text\n(  *documents  *bytes(?:.*\n)+?)```", readme)
    printed = CliRunner().invoke(cli, ["tokenizer", "report", str(run)]).stdout
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    for line in filter(None, shown.splitlines()):
        assert any(known.startswith(" ".join(line.split())) for known in lines), line


def test_the_readme_counts_in_python(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (text,) = [block for block in re.findall(r"```python\n(.*?)```", readme, re.S) if "open_index" in block]
    exec(text.replace("runs/sample", str(run)), {})
    assert f"# {capsys.readouterr().out}" in text
