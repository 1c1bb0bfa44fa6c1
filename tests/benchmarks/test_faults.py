"""Damage and kills, a small seeded part: nothing unnoticed, nothing crashed, no byte different."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import fault_damage, faults
from corpuskit.run.folder import Run

ROOT = Path(faults.__file__).resolve().parents[1]

KILLS = """
import sys
from pathlib import Path
from benchmarks import fault_kills
if __name__ == "__main__":
    folder = Path(sys.argv[1])
    found = fault_kills.kill_all(fault_kills.builds(folder)[::4], folder, int(sys.argv[2]), 3)
    print([(each.kills, each.chains - each.equal, each.faults) for each in found])
"""


def test_a_few_kills_leave_equal_bytes(tmp_path: Path, environment: Callable[..., dict[str, str]]) -> None:
    """They are forked off a process of their own, which has no threads."""
    script = tmp_path / "kills.py"
    script.write_text(KILLS)
    words = [sys.executable, str(script), str(tmp_path), "4"]
    done = subprocess.run(words, env=environment(), capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[(2, 0, []), (2, 0, [])]", done.stderr


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("group", ["kills", "damage"])
def test_the_whole_benchmark_finds_nothing(group: str, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "benchmarks.faults", "--only", group, "--corpora", str(tmp_path)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def make(folder: Path) -> fault_damage.Bench:
    return fault_damage.Bench.make(folder, faults.write_recipe(folder), faults.CHANGED)


def test_some_damage_to_a_run_is_found_mended_or_refused(tmp_path: Path) -> None:
    """Of models `tests/train/test_damage.py` does the same."""
    name, files, commands = fault_damage.SUBJECTS[0]
    chosen = {command: commands[command] for command in ("verify", "build", "inspect", "trace")}
    subject = fault_damage.Subject(name, files, chosen)
    trials = list(fault_damage.trials(make(tmp_path), 4, share=0.1, subjects=[subject]))
    assert [trial for trial in trials if trial.outcome in fault_damage.BAD] == []
    assert {"found", "mended", "refused"} <= {trial.outcome for trial in trials}


@pytest.mark.parametrize("damaged", ["dropped", "quarantine"])
def test_a_table_of_another_kind_in_its_place_is_refused_by_what_reads_it(
    damaged: str, tmp_path: Path
) -> None:
    """Whole and valid, it has other columns."""
    bench = make(tmp_path)
    path = min((bench.run / damaged).iterdir())
    kinds = {p.relative_to(bench.run).parts[0]: p.read_bytes() for p in bench.run.rglob("*.parquet")}
    for kind in kinds.keys() - {damaged}:
        path.write_bytes(kinds[kind])
        answer = fault_damage.call("inspect", bench.run)
        assert not answer.crash, (kind, answer)
        assert answer.code == 0 or (path.name in answer.said + str(answer.data) and answer.data["remedy"])


@pytest.mark.parametrize("how", ["swap", "folder"])
def test_inspect_takes_no_damaged_side_table_for_an_empty_one(how: str, tmp_path: Path) -> None:
    bench = make(tmp_path)
    for name in ("contamination", "contamination_items", "loss", "loss_pages"):
        copy = tmp_path / "copies" / name
        shutil.copytree(bench.run, copy)
        path = min((copy / "tables" / name).iterdir())
        assert fault_damage.damage(path, how, min((copy / "documents").iterdir()), random.Random(1))
        answer = fault_damage.call("inspect", copy)
        assert answer.code == 1, name
        assert f"{name}/{path.name}" in answer.said
        assert answer.data["remedy"]


@pytest.mark.parametrize("how", fault_damage.DAMAGES)
def test_each_way_of_damage_changes_the_file(how: str, tmp_path: Path) -> None:
    path, other = tmp_path / "a.json", tmp_path / "b.json"
    path.write_bytes(b"one two three")
    other.write_bytes(b"another")
    assert fault_damage.damage(path, how, other, random.Random(1))
    assert not path.is_file() or path.read_bytes() != b"one two three"


def test_an_equal_file_in_its_place_is_no_damage(tmp_path: Path) -> None:
    path, other = tmp_path / "a.json", tmp_path / "b.json"
    path.write_bytes(b"one")
    other.write_bytes(b"one")
    assert not fault_damage.damage(path, "swap", other, random.Random(1))


def test_damage_that_nobody_notices_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The harness itself: where nothing is checked, it says so."""
    bench = make(tmp_path)
    monkeypatch.setattr(Run, "is_whole", lambda self, output: self.size(output.path) == output.bytes)
    subject = fault_damage.Subject(
        "run", {"documents": "documents/*.parquet"}, {"build": fault_damage.SUBJECTS[0].commands["build"]}
    )
    [trial] = fault_damage.trials(bench, 1, damages=("flip",), flips=1, subjects=[subject])
    assert trial.outcome == "unnoticed"
