"""`corpuskit dedup`: clusters side by side, and the recall of planted copies."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from corpuskit import Files, NearDuplicates
from corpuskit.build.build import build_corpus
from corpuskit.cli.main import cli
from corpuskit.errors import RunError
from corpuskit.report.clusters import Hunk, clusters, differences, jaccard
from corpuskit.report.recall import TARGETS, judge, measure_recall, plant
from corpuskit.run.folder import Run
from corpuskit.stages.dedup.minhash import shingles


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory, prose: Callable[..., Any]) -> Path:
    """A run of 90 texts, of which one has five copies and two have one."""
    folder = tmp_path_factory.mktemp("copies")
    writer = prose(4)
    texts = [writer.text(150) for _ in range(83)]
    texts += [texts[0].replace(texts[0].split()[at], "zzz", 1) for at in (4, 20, 40, 60, 80)]
    texts += [texts[1] + " And more.", texts[2] + " Or less."]
    rows = [json.dumps({"id": f"{i:02}", "text": text}) for i, text in enumerate(texts)]
    (folder / "x.jsonl").write_text("\n".join(rows))
    build_corpus([Files(path=str(folder / "x.jsonl"), label="x"), NearDuplicates()], folder / "run")
    return folder / "run"


def call(*words: object) -> Any:
    return CliRunner().invoke(cli, [str(word) for word in words])


def test_clusters_side_by_side(copies: Path) -> None:
    found = list(clusters(Run.open(copies), 2))
    assert [cluster.dropped for cluster in found] == [5, 1]
    [first, _] = found
    assert len(first.copies) == 3, "of five those that resemble it least"
    assert [copy.similarity for copy in first.copies] == sorted(copy.similarity for copy in first.copies)
    for copy in first.copies:
        assert 0.8 <= copy.similarity < 1
        assert copy.whole
        assert any("zzz" in (hunk.kept + hunk.dropped) for hunk in copy.hunks)


def test_clusters_as_json_and_as_text(copies: Path) -> None:
    found = call("dedup", "clusters", copies, "--limit", 1, "--json")
    assert found.exit_code == 0
    [cluster] = json.loads(found.stdout)["clusters"]
    assert cluster["dropped"] == 5
    assert set(cluster["copies"][0]["hunks"][0]) == {"before", "kept", "dropped", "after"}
    shown = call("dedup", "clusters", copies, "--limit", 1).stdout
    assert f"{cluster['kept']}: 5 documents went for it" in shown
    assert "zzz]" in shown


def test_differences_of_two_texts() -> None:
    same = " ".join(f"w{i}" for i in range(50))
    assert differences(same, same.upper()) == ([], True)
    hunks, whole = differences(f"{same} red fish. {same}", f"{same} blue fish, {same} End")
    assert whole
    assert hunks == [
        Hunk("w46 w47 w48 w49", "red", "blue", "fish. w0 w1 w2"),
        Hunk("w46 w47 w48 w49", "", "End", ""),
    ]
    long = " ".join(f"w{i}" for i in range(9000))
    assert differences("a " + long, "b " + long) == ([Hunk("", "a", "b", "w0 w1 w2 w3")], False)
    assert differences("", "x") == ([Hunk("", "", "x", "")], True)


def test_jaccard_is_that_of_shingles() -> None:
    left, right = "a b c d e f", "a b c d e g h"
    a, b = shingles(left, 3), shingles(right, 3)
    assert jaccard(left, right, 3) == len(a & b) / len(a | b)
    assert jaccard("", "...", 3) == 0


@pytest.mark.parametrize("target", TARGETS)
def test_a_planted_copy_has_about_the_wanted_similarity(target: float) -> None:
    chance = random.Random(3)
    text, other = (" ".join(f"w{chance.randrange(10**6)}" for _ in range(400)) for _ in range(2))
    for _ in range(4):
        assert jaccard(text, plant(text, other, target, 5, chance), 5) == pytest.approx(target, abs=0.03)


def test_planted_copies_of_a_run(copies: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in copies.rglob("*") if path.is_file()}
    measured = measure_recall(Run.open(copies), 60, 1)
    assert measured == measure_recall(Run.open(copies), 60, 1)
    assert measured != measure_recall(Run.open(copies), 60, 2)
    assert (measured.documents, measured.recall, measured.precision) == (60, 1.0, 1.0)
    assert sum(band.pairs for band in measured.bands) == 60
    for band in measured.bands:
        assert band.found == (band.pairs if band.least >= 0.8 else 0)
        assert band.met == pytest.approx(band.expected, abs=3 * max(1, band.pairs) ** 0.5)
    assert before == {path: path.stat().st_mtime_ns for path in copies.rglob("*") if path.is_file()}


def test_a_stage_that_errs_is_seen() -> None:
    """A documents that goes for one that it does not resemble counts, and so does a copy that stays."""

    class Wrong(NearDuplicates):
        def decide(self, scans: Any) -> None:
            scans.drop(1, "near_duplicate", 2)

    texts = [" ".join(f"w{n * 100 + i}" for i in range(60)) for n in range(2)]
    measured = judge(Wrong(), [(text, text + " x") for text in texts])
    assert (measured.recall, measured.precision) == (0.5, 0.0)
    assert sum(band.wrong for band in measured.bands) == 1


def test_measured_as_json_and_as_text(copies: Path) -> None:
    found = call("dedup", "measure", copies, "--documents", 24, "--json")
    assert found.exit_code == 0
    assert json.loads(found.stdout)["precision"] == 1.0
    assert "recall 1.0000 from the threshold on" in call("dedup", "measure", copies).stdout


def test_what_cannot_be_measured_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text(json.dumps({"id": "1", "text": "too short"}))
    source = Files(path=str(tmp_path / "x.jsonl"), label="x")
    build_corpus([source, NearDuplicates()], tmp_path / "run")
    with pytest.raises(RunError, match="has 0 documents of at least 40 words"):
        measure_recall(Run.open(tmp_path / "run"), 10, 1)
    build_corpus([source], tmp_path / "other")
    for words in (("measure",), ("clusters",)):
        found = call("dedup", *words, tmp_path / "other")
        assert found.exit_code == 1
        assert "its recipe has no stage near_duplicates" in found.stderr
    assert "no document went as a near duplicate" in call("dedup", "clusters", tmp_path / "run").stdout
