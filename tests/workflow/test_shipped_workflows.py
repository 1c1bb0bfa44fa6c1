"""The workflows and the sheets for fine-tuning that ship: all are checked, and each short form is done."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from corpuskit.train.finetune import PURPOSES
from corpuskit.train.settings.recipes import load_training_recipe
from corpuskit.workflow.dry_run import dry_run
from corpuskit.workflow.file import load_workflow
from corpuskit.workflow.workflow import run_workflow

PIPELINES = Path(__file__).resolve().parents[2] / "pipelines"
WORKFLOWS = sorted((PIPELINES / "workflows").glob("*.yaml"))
SHEETS = sorted((PIPELINES / "finetune").glob("*.yaml"))

SMALL = ("layers=1", "width=32", "heads=2", "context=32", "batch_rows=2", "eval_tokens=64", "steps=3")


def small(*names: str) -> list[str]:
    """Steps that train, so small that they take a second."""
    return [f"{name}.{setting}" for name in names for setting in SMALL]


OVERRIDES = {
    "laptop": [
        *small("base"),
        *("questions.each=8", "questions.held_out=20", "questions.characters=60"),
        *("tuned.epochs=0.2", "heart.prefix=8", "heart.next=4", "heart.windows=5"),
        *("heart.samples=1", "heart.tokens=8"),
    ],
    "austen": [
        *small("novelist", "goldfish"),
        *("novelist.sample_at=[1]", "goldfish.sample_at=[1]", "heart.windows=5", "heart-goldfish.windows=5"),
        *("heart.samples=1", "heart-goldfish.samples=1", "heart.tokens=8", "heart-goldfish.tokens=8"),
    ],
    "classifier": [*small("base"), "passages.each=12", "which.epochs=0.3"],
    "search": small("encoder"),
    "translate": [*small("reader"), "translator.epochs=0.2"],
    "inflect": [*small("speller"), "inflector.epochs=0.2"],
    "headlines": [*small("writer"), "editor.epochs=0.2"],
    "distil": [
        *small("teacher"),
        *("student.steps=2", "alone.steps=2", "student.context=32", "alone.context=32"),
    ],
}


BESIDE = {
    "translate": [
        f"pairs/{part}{language}.txt" for part in ("", "val-", "test-") for language in ("en", "de")
    ],
    "inflect": ["words/text.txt", *(f"words/{side}.tsv" for side in ("train", "dev", "test"))],
    "headlines": ["news.csv"],
}
"""Files that the long form of a workflow reads beside a copy of it."""


def test_every_workflow_has_a_test_of_its_short_form() -> None:
    assert {path.stem for path in WORKFLOWS} == set(OVERRIDES)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
@pytest.mark.parametrize("short", [False, True])
def test_a_workflow_is_sound(
    path: Path, short: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORPUSKIT_GUTENBERG_MIRROR", "https://mirror.example/path")
    if not short and path.stem in BESIDE:
        for name in BESIDE[path.stem]:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text("a\n")
            assert name.partition("/")[0] in path.read_text(encoding="utf-8").partition("steps:")[0]
        path = shutil.copy(path, tmp_path)
    flow = load_workflow(path, tmp_path / "out", short=short)
    fetched = [step.name for step in flow.steps if step.section == "fetch"]
    # The short form needs no connection; the long one fetches, or reads what lies beside it.
    assert bool(fetched or BESIDE.get(Path(path).stem)) if not short else not fetched


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_short_form_is_done(path: Path, tmp_path: Path) -> None:
    flow = load_workflow(path, tmp_path / "out", OVERRIDES[path.stem], short=True)
    done = run_workflow(flow)
    assert list(done.done) == [step.name for step in flow.steps]
    if path.stem == "laptop":
        [counts] = done.done["answers"]["right"].values()
        assert set(counts) == {"base", "tuned"}
        assert all(0 <= each["right"] <= each["of"] == 20 for each in counts.values())
    if path.stem == "classifier":
        assert done.done["which"]["figures"]["accuracy"] is not None
    if path.stem == "search":
        [found] = done.done["vectors"]["found"]
        assert len(found["nearest"]) == 10
    if path.stem == "distil":
        [found] = done.done["figures"]["sets"]
        assert set(found["models"]) == {"teacher", "student", "alone"}


def test_the_long_form_of_the_laptop_s_is_done_on_small_corpora(tmp_path: Path) -> None:
    """All of its own settings, but that nothing is fetched and a night is three steps long."""
    document = yaml.safe_load((PIPELINES / "workflows" / "laptop.yaml").read_text())
    del document["short"]
    steps = [step for step in document["steps"] if "fetch" not in step]
    samples = PIPELINES.parent / "sample_corpora"
    steps[0]["sources"][0]["wikipedia"]["path"] = str(samples / "encyclopedia.xml")
    steps[0]["sources"][1]["gutenberg"]["path"] = str(samples / "books")
    assert [step["minutes"] for step in steps if "train" in step] == [480]
    path = tmp_path / "laptop.yaml"
    path.write_text(yaml.safe_dump({"steps": steps}, sort_keys=False))
    flow = load_workflow(path, tmp_path / "out", ["base.minutes=null", *OVERRIDES["laptop"]])
    planned = dry_run(flow)
    assert planned["steps"][0]["bytes"] > 100_000
    assert list(run_workflow(flow).done) == [step.name for step in flow.steps]
    assert dry_run(flow)["seconds"] == 0


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda path: path.stem)
def test_a_sheet_holds_settings_of_its_task(sheet: Path) -> None:
    text = sheet.read_text()
    [task] = set(re.findall(r"--task (\w+)", text))
    assert f"--recipe pipelines/finetune/{sheet.name}" in text
    settings = PURPOSES[task].settings.checked(load_training_recipe(sheet))
    assert settings.epochs
    assert settings.test
