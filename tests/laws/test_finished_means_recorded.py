"""Law 4: finished means recorded. A change redoes what depends on it and nothing else."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from corpuskit import Files, Run
from corpuskit.build.build import build_corpus
from corpuskit.build.forecast.dry_run import dry_run
from corpuskit.build.recipe.recipe import load
from corpuskit.errors import RunError, StorageError
from corpuskit.stages.stage import Rule

Outputs = Callable[[Path], dict[str, str]]
ALL = {"candidates", "decisions", "documents", "counts", "tokenizer", "encoded", "shards"}


def build(corpus: Path, run: Path, *overrides: str) -> set[str]:
    """Build and return the kinds of tasks that were run: ``{"documents", "shards"}``."""
    return {name.split("/")[0] for name in tasks(corpus, run, *overrides)}


def tasks(corpus: Path, run: Path, *overrides: str) -> set[str]:
    """Build and return the names of the tasks that were run."""
    done: set[str] = set()

    def listen(event: str, facts: Any) -> None:
        if event == "done":
            done.add(facts["task"])

    build_corpus(load(corpus / "recipe.yaml", overrides).pipeline, run, listen=listen)
    return done


def states(run: Path, folder: str) -> dict[str, tuple[int, str]]:
    """Time of change and content of every file below a folder of a run."""
    files = [p for p in (run / folder).rglob("*") if p.is_file()]
    return {str(p): (p.stat().st_mtime_ns, p.read_bytes().hex()) for p in files}


def fresh(corpus: Path, tmp_path: Path, outputs: Outputs, *overrides: str) -> dict[str, str]:
    """The outputs of a build from nothing with the same inputs and settings."""
    build(corpus, tmp_path / "fresh", *overrides)
    return outputs(tmp_path / "fresh")


@pytest.fixture
def run(finished: Path) -> Path:
    return finished


def test_a_first_build_does_all(corpus: Path, built: Path, tmp_path: Path, outputs: Outputs) -> None:
    assert build(corpus, tmp_path / "first") == ALL
    assert outputs(tmp_path / "first") == outputs(built / "run")


def test_nothing_is_done_twice(corpus: Path, run: Path, outputs: Outputs) -> None:
    before = outputs(run)
    assert tasks(corpus, run) == set()
    assert outputs(run) == before


def test_a_changed_threshold_redoes_decisions_and_later_steps(
    corpus: Path, run: Path, tmp_path: Path, outputs: Outputs
) -> None:
    before = [states(run, folder) for folder in ("candidates", "scans", "manifest/candidates")]
    changed = "stages.near_duplicates.threshold=0.95"
    assert build(corpus, run, changed) == ALL - {"candidates"}
    assert [states(run, folder) for folder in ("candidates", "scans", "manifest/candidates")] == before
    assert outputs(run) == fresh(corpus, tmp_path, outputs, changed)


def test_a_threshold_that_changes_nothing_redoes_nothing_after_the_decisions(corpus: Path, run: Path) -> None:
    before = states(run, "documents")
    assert build(corpus, run, "stages.near_duplicates.threshold=0.71") == {"decisions"}
    assert states(run, "documents") == before


def test_a_changed_vocabulary_redoes_tokens_only(
    corpus: Path, run: Path, tmp_path: Path, outputs: Outputs
) -> None:
    folders = ("candidates", "scans", "decisions", "documents", "manifest/documents", "manifest/decisions")
    before = [states(run, folder) for folder in folders]
    assert build(corpus, run, "tokenizer.vocab_size=420") == {"tokenizer", "encoded", "shards"}
    assert [states(run, folder) for folder in folders] == before
    assert outputs(run) == fresh(corpus, tmp_path, outputs, "tokenizer.vocab_size=420")


def test_a_changed_scan_setting_redoes_all(corpus: Path, run: Path, tmp_path: Path, outputs: Outputs) -> None:
    assert build(corpus, run, "stages.near_duplicates.seed=2") >= {"candidates", "decisions"}
    assert outputs(run) == fresh(corpus, tmp_path, outputs, "stages.near_duplicates.seed=2")


def test_a_changed_split_redoes_decisions(corpus: Path, run: Path, tmp_path: Path, outputs: Outputs) -> None:
    changed = "shards.split.validation=0.2"
    assert "candidates" not in build(corpus, run, changed)
    assert outputs(run) == fresh(corpus, tmp_path, outputs, changed)


def test_removed_ids_redo_no_reading(corpus: Path, run: Path, tmp_path: Path, outputs: Outputs) -> None:
    changed = "remove={listed: ['files:letters:l1']}"
    assert build(corpus, run, changed) == ALL - {"candidates"}
    assert outputs(run) == fresh(corpus, tmp_path, outputs, changed)


def test_a_changed_input_redoes_its_part_and_what_follows(
    corpus: Path, run: Path, tmp_path: Path, outputs: Outputs
) -> None:
    before = states(run, "candidates")
    (corpus / "books" / "two.txt").write_text("Quite another book.\n" * 30, encoding="utf-8")
    done = tasks(corpus, run)
    assert {t for t in done if t.startswith("candidates")} == {"candidates/files-books-00000"}
    after = states(run, "candidates")
    assert {p for p in after if after[p] != before.get(p)} == {
        str(run / "candidates/files-books-00000.parquet")
    }
    assert {"tokenizer", "shards", "documents/files-books-00000"} <= done
    assert outputs(run) == fresh(corpus, tmp_path, outputs)


def test_a_touched_input_with_the_same_bytes_redoes_nothing(corpus: Path, run: Path) -> None:
    (corpus / "books" / "two.txt").touch()
    assert tasks(corpus, run) == set()


def test_a_removed_source_leaves_nothing_behind(
    corpus: Path, run: Path, tmp_path: Path, outputs: Outputs
) -> None:
    text = (corpus / "recipe.yaml").read_text()
    line = "  - files: {path: books, label: books, language: xx}\n"
    assert line in text
    (corpus / "recipe.yaml").write_text(text.replace(line, ""))
    assert not any(t.startswith("candidates") for t in tasks(corpus, run))
    assert [p for p in run.rglob("*books*") if "logs" not in p.parts] == []
    assert outputs(run) == fresh(corpus, tmp_path, outputs)


def test_what_others_put_into_a_run_stays(corpus: Path, run: Path) -> None:
    """What no build wrote is not the build's to remove, wherever it lies; among the outputs it is told."""
    (run / "model").mkdir()
    (run / "model" / "weights.safetensors").write_bytes(b"precious")
    (run / "notes.txt").write_text("mine")
    strays = ["documents/stray.parquet", "shards/notes.txt", "manifest/notes.txt", "scans/mine/deep/x.txt"]
    strays += ["documents/files-letters-00001.parquet", ".tmp/notes.txt", "logs/mine.jsonl", "dropped/.git/x"]
    for stray in strays:
        (run / stray).parent.mkdir(parents=True, exist_ok=True)
        (run / stray).write_text(stray)
    (run / "documents" / "empty").mkdir()
    recipe = load(corpus / "recipe.yaml", ["tokenizer.vocab_size=420"])
    (warning,) = [w for w in build_corpus(recipe, run).warnings if "not of this build" in w]
    assert "documents/files-letters-00001.parquet, documents/stray.parquet" in warning
    assert all((run / stray).read_text() == stray for stray in strays)
    assert (run / "documents" / "empty").is_dir()
    assert (run / "model" / "weights.safetensors").read_bytes() == b"precious"
    assert (run / "notes.txt").exists()


def outputs_to_damage() -> list[str]:
    return [
        "candidates/files-letters-00000.parquet",
        "scans/candidates/files-books-00000.parquet",
        "decisions/candidates/files-letters-00000.parquet",
        "documents/files-reports-00000.parquet",
        "counts/files-letters-00000.parquet",
        "tokenizer/tokenizer.json",
        "shards/train-00000.bin",
        "shards/train-00000.provenance.parquet",
        "shards/shards.json",
        "dropped/documents-files-letters-00000.parquet",
    ]


def flip(path: Path, chance: random.Random) -> None:
    """Flip one bit of a file: its size and, here, its times of change tell nothing."""
    data, times = bytearray(path.read_bytes()), path.stat()
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(bytes(data))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize("path", outputs_to_damage())
def test_a_flipped_bit_is_made_again_and_told(
    path: str, corpus: Path, run: Path, tmp_path: Path, outputs: Outputs
) -> None:
    before = outputs(run)
    flip(run / path, random.Random(path))
    result = build_corpus(load(corpus / "recipe.yaml"), run)
    assert result.done
    assert [w for w in result.warnings if w.startswith(f"{path}: was not as recorded")]
    assert outputs(run) == before
    told = build_corpus(load(corpus / "recipe.yaml"), run).warnings
    assert [w for w in told if "a special token" not in w] == []


@pytest.mark.parametrize("path", outputs_to_damage()[:4])
def test_a_changed_recipe_reads_no_damaged_file(
    path: str, corpus: Path, run: Path, tmp_path: Path, outputs: Outputs
) -> None:
    flip(run / path, random.Random(path))
    assert build(corpus, run, "tokenizer.vocab_size=420")
    assert outputs(run) == fresh(corpus, tmp_path, outputs, "tokenizer.vocab_size=420")


@pytest.mark.parametrize("path", ["recipe.yaml", "ledger.json", "run.json", "manifest/build.json"])
@pytest.mark.parametrize("more", [b"\n", b"#"])
def test_what_no_task_writes_is_written_again(
    path: str, more: bytes, corpus: Path, run: Path, outputs: Outputs
) -> None:
    before = outputs(run)
    (run / path).write_bytes((run / path).read_bytes() + more)
    if (path, more) == ("run.json", b"#"):  # Nothing says any more what this folder is.
        with pytest.raises(RunError, match=r"run\.json: not readable as JSON"):
            tasks(corpus, run)
        return
    assert tasks(corpus, run) == set()
    assert outputs(run) == before


def test_a_task_reads_what_was_recorded_or_nothing(corpus: Path, tmp_path: Path, outputs: Outputs) -> None:
    """A file that is damaged while the build is under way is named; the next call makes it again."""
    target = "documents/files-letters-00000.parquet"

    def listen(event: str, facts: Any) -> None:
        if event == "done" and facts["task"] == target.removesuffix(".parquet"):
            flip(tmp_path / "run" / target, random.Random(1))

    pipeline = load(corpus / "recipe.yaml").pipeline
    with pytest.raises(RunError, match=rf"{target}: is damaged") as caught:
        build_corpus(pipeline, tmp_path / "run", listen=listen)
    assert "corpuskit build" in caught.value.remedy
    assert build_corpus(pipeline, tmp_path / "run").warnings
    assert outputs(tmp_path / "run") == fresh(corpus, tmp_path, outputs)


def test_damaged_digests_of_inputs_are_not_believed(
    corpus: Path, run: Path, tmp_path: Path, outputs: Outputs
) -> None:
    before, memory = outputs(run), run / "logs" / "digests.json"
    text = memory.read_text()
    digest = next(iter(json.loads(text)["files"].values()))[-1]
    memory.write_text(text.replace(digest, digest[::-1]))
    assert tasks(corpus, run) == set()
    assert outputs(run) == before


def test_a_folder_in_the_place_of_a_file_is_named_and_stays(corpus: Path, run: Path) -> None:
    for path in ("documents/files-letters-00000.parquet", "ledger.json", "manifest/tokenizer.json"):
        (run / path).unlink()
        (run / path / "mine").mkdir(parents=True)
        with pytest.raises(StorageError, match=path) as caught:
            tasks(corpus, run)
        assert "folder" in caught.value.remedy
        assert (run / path / "mine").is_dir()
        (run / path / "mine").rmdir()
        (run / path).rmdir()
        tasks(corpus, run)
        assert (run / path).is_file()


@pytest.mark.parametrize("path", outputs_to_damage())
def test_a_deleted_or_truncated_output_is_redone(
    path: str, corpus: Path, run: Path, outputs: Outputs
) -> None:
    before = outputs(run)
    (run / path).unlink()
    assert tasks(corpus, run)
    assert outputs(run) == before
    data = (run / path).read_bytes()
    (run / path).write_bytes(data[: len(data) // 2])
    assert tasks(corpus, run)
    assert outputs(run) == before


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b"null", b'{"task": "tokenizer"}', b'"x"', b'{"ledger": 3}', b"\xff\xfe"]
)
def test_a_damaged_record_is_redone(damage: bytes, corpus: Path, run: Path, outputs: Outputs) -> None:
    before = outputs(run)
    (run / "manifest/tokenizer.json").write_bytes(damage)
    (run / "manifest/stale.json").write_bytes(damage)
    assert tasks(corpus, run) == {"tokenizer"}
    assert outputs(run) == before


def test_an_empty_marker_proves_nothing(corpus: Path, run: Path, outputs: Outputs) -> None:
    """Records of another recipe, copied over, do not pass for this one's."""
    before = outputs(run)
    build(corpus, run, "stages.near_duplicates.threshold=0.95")
    other = shutil.copytree(run / "manifest", run.parent / "manifest")
    build(corpus, run)
    shutil.rmtree(run / "manifest")
    shutil.copytree(other, run / "manifest")
    assert "decisions/candidates" in tasks(corpus, run)
    assert outputs(run) == before


class Longer(Rule):
    """A rule whose author forgot to mark ``least`` as `Decides`."""

    name: ClassVar[str] = "longer"

    least: int = 3

    def apply(self, batch: Any) -> Any:
        return batch

    def decide(self, scores: Any) -> dict[int, str]:
        ids = scores.column("id").to_pylist()
        return {i: "short" for i, identity in enumerate(ids) if len(identity) < self.least}


def test_a_setting_that_is_not_marked_still_redoes_the_decisions(
    tmp_path: Path, jsonl: Callable[..., None]
) -> None:
    jsonl(tmp_path / "x.jsonl", [{"id": "1", "text": "one"}, {"id": "two", "text": "two"}])
    source = Files(path=str(tmp_path / "x.jsonl"), label="x")
    kept = [build_corpus([source, Longer(least=least)], tmp_path / "run").documents for least in (3, 11, 3)]
    assert kept == [2, 1, 2]


def test_a_failed_build_does_not_look_finished(
    corpus: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger of the build before must not stand in a run that a later build left half done."""
    from corpuskit.build import steps as module

    def fail(*_: object, **__: object) -> None:
        raise RunError("no")

    monkeypatch.setattr(module, "make_tokenizer", fail)
    with pytest.raises(RunError):
        build(corpus, run, "tokenizer.vocab_size=420")
    assert not (run / "ledger.json").exists()


# ----------------------------------------------------------------------------- the folder and its lock


def test_a_second_build_on_a_locked_run(
    corpus: Path, run: Path, command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    with Run(run).locked():
        done = command("build", corpus / "recipe.yaml", "--out", run, "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"] == "RunLockedError"
    assert f"another build is writing this run (process {os.getpid()} on {socket.gethostname()} since 2" in (
        done.stderr
    )


def test_a_dry_run_needs_no_lock_and_writes_nothing(
    corpus: Path, run: Path, tmp_path: Path, outputs: Outputs
) -> None:
    before = outputs(run)
    with Run(run).locked():
        planned = dry_run(load(corpus / "recipe.yaml").pipeline, run)
    assert planned["later"] == []
    assert not any(step["pending"] for step in planned["steps"])
    assert outputs(run) == before
    dry_run(load(corpus / "recipe.yaml").pipeline, tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_the_workers_of_a_killed_build_are_waited_for(
    corpus: Path, run: Path, environment: Callable[..., dict[str, str]]
) -> None:
    """A worker that outlives its build may still write; the next build begins when it has ended."""
    hold = (
        f"import time; from corpuskit.run.folder import Run; Run({str(run)!r}).attend();"
        " print('held', flush=True); time.sleep(1.5)"
    )
    worker = subprocess.Popen([sys.executable, "-c", hold], env=environment(), stdout=subprocess.PIPE)
    assert worker.stdout is not None
    worker.stdout.readline()
    started = time.monotonic()
    tasks(corpus, run)
    assert worker.poll() is not None or time.monotonic() - started > 1
    worker.communicate()


@pytest.mark.parametrize("name", ["stranger.txt", "folder/stranger.txt"])
def test_a_foreign_folder_is_refused_and_left_alone(name: str, corpus: Path, tmp_path: Path) -> None:
    stranger = tmp_path / "photos" / name
    stranger.parent.mkdir(parents=True)
    stranger.write_text("not yours")
    with pytest.raises(RunError, match="is not empty and is not a run"):
        build(corpus, tmp_path / "photos")
    assert [p for p in (tmp_path / "photos").rglob("*") if p.is_file()] == [stranger]


def test_a_file_in_place_of_the_folder_is_refused(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match="is a file"):
        build(corpus, tmp_path / "file")


@pytest.mark.parametrize("content", ['{"format": 99}', "{}", "[]", "{"])
def test_another_format_is_refused(content: str, corpus: Path, run: Path) -> None:
    (run / "run.json").write_text(content)
    with pytest.raises(RunError) as caught:
        build(corpus, run)
    assert caught.value.remedy
    with pytest.raises(RunError):
        Run.open(run)
    with pytest.raises(RunError):
        dry_run(load(corpus / "recipe.yaml").pipeline, run)
