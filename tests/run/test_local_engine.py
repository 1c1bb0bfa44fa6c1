"""The local engine: workers that die, tasks that cannot be sent, stages of other people's packages."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from corpuskit import Pipeline
from corpuskit.build.build import build_corpus
from corpuskit.build.recipe.recipe import load
from corpuskit.errors import EngineError, SettingError, StageError
from corpuskit.sources.files.files import Files
from corpuskit.stages.stage import Stage

Command = Callable[..., subprocess.CompletedProcess[str]]


def recipe(
    folder: Path, jsonl: Callable[..., None], texts: dict[str, list[str]], settings: str = "{}"
) -> Path:
    """A recipe with one source for each list of texts, and the stage ``fragile`` of somebody's package."""
    for label, lines in texts.items():
        jsonl(folder / f"{label}.jsonl", [{"id": str(i), "text": text} for i, text in enumerate(lines)])
    sources = "".join(f"  - files: {{path: {label}.jsonl, label: {label}}}\n" for label in texts)
    path = folder / "recipe.yaml"
    path.write_text(f"sources:\n{sources}stages:\n  - words: {{least: 2}}\n  - fragile: {settings}\n")
    return path


def test_a_stage_of_somebodys_package_with_two_workers(
    plugin: Path, tmp_path: Path, jsonl: Callable[..., None], command: Command, outputs: Any
) -> None:
    """Registered by an entry point, named in a recipe, and equal to the same pipeline written in Python."""
    path = recipe(tmp_path, jsonl, {"a": ["one two", "x"], "b": ["it will EXPLODE", "three four five"]})
    done = command("build", path, "--out", tmp_path / "run", "--workers", 2, "--json", path=[plugin])
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["documents"] == 2
    texts = [
        row["text"]
        for name in ("a", "b")
        for row in pq.read_table(tmp_path / f"run/documents/files-{name}-00000.parquet").to_pylist()
    ]
    assert texts == ["ONE TWO", "THREE FOUR FIVE"]
    import somebodys  # type: ignore[import-not-found]

    sources = [Files(path=str(tmp_path / f"{name}.jsonl"), label=name) for name in ("a", "b")]
    build_corpus([*sources, somebodys.Words(least=2), somebodys.Fragile()], tmp_path / "run-2")
    assert outputs(tmp_path / "run-2") == outputs(tmp_path / "run")


def test_a_worker_that_dies_once(
    plugin: Path, tmp_path: Path, jsonl: Callable[..., None], command: Command
) -> None:
    texts = {"a": ["one CRASH two"], "b": ["three four"], "c": ["five six"]}
    path = recipe(tmp_path, jsonl, texts, f"{{once: {tmp_path}/crashed}}")
    done = command("build", path, "--out", tmp_path / "run", "--workers", 2, "--json", path=[plugin])
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "crashed").exists()
    assert json.loads(done.stdout)["documents"] == 3


def test_a_worker_that_always_dies(
    plugin: Path, tmp_path: Path, jsonl: Callable[..., None], command: Command, outputs: Any
) -> None:
    """The build ends with an error that names the part; the rest is kept, and a mended input completes it."""
    path = recipe(tmp_path, jsonl, {"a": ["one CRASH two"], "b": ["three four"]})
    done = command("build", path, "--out", tmp_path / "run", "--workers", 2, "--json", path=[plugin])
    assert done.returncode == 1
    answer = json.loads(done.stdout)
    assert answer["error"] == "EngineError"
    assert "files-a-00000" in answer["message"]
    assert "--workers" in answer["remedy"]
    assert not (tmp_path / "run" / "ledger.json").exists()
    jsonl(tmp_path / "a.jsonl", [{"id": "0", "text": "one two"}])
    build_corpus(load(path).pipeline, tmp_path / "run")
    build_corpus(load(path).pipeline, tmp_path / "fresh")
    assert outputs(tmp_path / "run") == outputs(tmp_path / "fresh")


def test_a_stage_that_cannot_be_sent(tmp_path: Path, jsonl: Callable[..., None]) -> None:
    class Local(Stage):
        name = "local"  # type: ignore[misc]

        def apply(self, batch: Any) -> Any:
            return batch

    for name in ("a", "b"):
        jsonl(tmp_path / f"{name}.jsonl", [{"id": "0", "text": "x"}])
    sources = [Files(path=str(tmp_path / f"{name}.jsonl"), label=name) for name in ("a", "b")]
    pipeline = Pipeline([*sources, Local()])
    with pytest.raises(StageError, match="cannot be sent to a worker") as caught:
        build_corpus(pipeline, tmp_path / "run", workers=2)
    assert "importable module" in caught.value.remedy
    assert build_corpus(pipeline, tmp_path / "run", workers=1).documents == 2


def test_no_workers(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="workers: 0"):
        build_corpus([Files(path=str(tmp_path), label="x")], tmp_path / "run", workers=0)


def test_errors_survive_the_way_from_a_worker() -> None:
    import pickle

    error = pickle.loads(pickle.dumps(EngineError("what", remedy="do")))
    assert (type(error), error.message, error.remedy, str(error)) == (EngineError, "what", "do", "what\n  do")


def test_each_task_gives_memory_back(
    tmp_path: Path, jsonl: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[str] = []
    monkeypatch.setattr("corpuskit.run.task.give_memory_back", lambda: given.append(""))
    jsonl(tmp_path / "notes.jsonl", [{"id": "1", "text": "one two"}])
    built = build_corpus([Files(path=str(tmp_path / "notes.jsonl"), label="notes")], tmp_path / "run")
    log = (built.folder / "logs/build.jsonl").read_text()
    assert len(given) == log.count('"event": "done"') > 0
