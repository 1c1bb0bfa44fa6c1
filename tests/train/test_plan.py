"""What a run is said to be is what it then is; and the recipes of runs that ship can be built."""

import hashlib
import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from click.testing import CliRunner
from rich.console import Console

from corpuskit.cli.model.plan_text import PlanProgress, plan_text
from corpuskit.cli.model.running import merged
from corpuskit.cli.model.train import command, sentence
from corpuskit.cli.terminal import UNBROKEN
from corpuskit.errors import SettingError
from corpuskit.train import TrainSettings, Transformer, train_model
from corpuskit.train.model.cost import parameter_count
from corpuskit.train.plan.plan import Plan, plan_training, resolved
from corpuskit.train.settings.recipes import load_training_recipe, shipped
from corpuskit.train.settings.resolve import model_settings, regularise, resolve

ROOT = Path(__file__).parents[2]
RECIPES = {
    # Vocabulary of the corpus that its sheet names, and parameters in millions.
    "tiny": (2048, 1.12),
    "austen-15m": (4096, 15.74),
    "shakespeare-char": (384, 10.92),
    "book": (32768, 35.8),
    "wiki-124m": (32768, 135.3),
    "mlm-base": (32768, 110.7),
    "span-small": (32768, 76.6),
    "1b-fsdp": (32768, 1038.9),
}


def call(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_plan_says_what_the_run_will_be(run: Path, small: TrainSettings, tmp_path: Path) -> None:
    before, generator = contents(run), torch.get_rng_state()
    found = plan_training(run, small, hourly=36.0)
    assert contents(run) == before
    assert torch.equal(torch.get_rng_state(), generator)

    result = train_model(run, tmp_path / "model", small)
    said = (found.steps, found.tokens, found.epochs, found.parameters)
    assert said == (result.step, result.tokens, result.epochs, result.parameters)
    assert found.cost == pytest.approx(found.seconds / 100)
    assert found.seconds > found.steps * found.seconds_per_step > 0
    # Of a step of many micro-batches two are made.
    many = plan_training(
        run, TrainSettings.checked(small.given() | {"batch_rows": 64, "micro_batch_rows": 1})
    )
    assert many.seconds_per_step > found.seconds_per_step
    document = json.loads((tmp_path / "model" / "model.json").read_text())
    assert document["training"]["settings"] == json.loads(found.settings.model_dump_json())


def test_a_plan_by_minutes_has_their_length(run: Path, small: TrainSettings) -> None:
    found = plan_training(run, small.model_copy(update={"steps": None, "minutes": 0.05}))
    assert found.seconds == 3.0
    assert found.steps > 1


@pytest.mark.parametrize(
    "change",
    [
        {"objective": "masked"},
        {"objective": "spans"},
        {"objective": "denoise"},
        {"micro_batch_rows": 1, "ema": 0.9},
        {"recompute": True, "document_mask": True},
    ],
    ids=lambda change: next(iter(change)),
)
def test_memory_is_that_of_the_micro_batch(
    special_run: Path, small: TrainSettings, change: dict[str, Any]
) -> None:
    # In Muon's step a model as small as this holds more than in its passes.
    adamw = small.given() | {"optimizer": "adamw"}
    usual = plan_training(special_run, TrainSettings.checked(adamw)).memory
    changed = plan_training(special_run, TrainSettings.checked(adamw | change))
    assert changed.memory != usual
    if "micro_batch_rows" in change:
        assert changed.memory.gradients == 4 * changed.parameters
        assert changed.memory.activations == pytest.approx(usual.activations / 4, rel=0.01)
    if "recompute" in change:
        assert changed.memory.activations < usual.activations


def test_the_command_prints_the_plan(run: Path) -> None:
    shape = [part for item in ("layers=1", "width=32", "heads=2", "context=16") for part in ("--set", item)]
    code, stdout, _ = call(run, "--plan", "--steps", 400, *shape, "--hourly", 3)
    assert code == 0
    for word in ("parameters", "epochs", "memory", "time", "cost", "--set goldfish=4", "recite"):
        assert word in stdout
    code, stdout, _ = call(run, "--plan", "--steps", 400, *shape, "--json", "--quiet")
    found = json.loads(stdout)
    assert (code, found["steps"], found["settings"]["layers"], found["cost"]) == (0, 400, 1, None)
    assert found["memory"]["total"] > found["memory"]["weights"] > 0
    assert {"setting", "value", "why", "source"} == found["advice"][0].keys()


def test_a_printed_config_is_a_recipe_that_resolves_to_itself(run: Path, tmp_path: Path) -> None:
    code, stdout, _ = call(run, "--print-config", "--size", "nano", "--steps", 30)
    assert code == 0
    path = tmp_path / "again.yaml"
    path.write_text(stdout, encoding="utf-8")
    values = load_training_recipe(path)
    assert values["steps"] == 30
    assert values["learning_rate"] > 0
    assert values == yaml.safe_load(call(run, "--print-config", "--recipe", path)[1])
    again = resolved(run, TrainSettings.checked(values)).model_dump(mode="json")
    assert {name: value for name, value in again.items() if value is not None} == values


def test_what_is_given_stands_above_the_recipe(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("size: nano\nsteps: 30\nseed: 5\n")
    shown = yaml.safe_load(call(run, "--print-config", "--recipe", path, "--set", "seed=6", "--steps", 9)[1])
    assert (shown["size"], shown["steps"], shown["seed"]) == ("nano", 9, 6)
    assert merged({"steps": 30, "seed": 5}, {"minutes": 2.0}) == {"seed": 5, "minutes": 2.0}


def test_bad_recipes_are_refused_with_a_remedy(run: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="austin-15m is neither a file nor a recipe") as caught:
        load_training_recipe("austin-15m")
    assert "austen-15m" in caught.value.remedy
    for text, words in (
        ("- steps", "no mapping of settings"),
        ("a: [", "cannot be read as YAML"),
        ("", "no mapping"),
    ):
        path = tmp_path / "bad.yaml"
        path.write_text(text)
        with pytest.raises(SettingError, match=words):
            load_training_recipe(path)
    path.write_text("stepz: 4")
    code, _, stderr = call(run, "--recipe", path, "--plan")
    assert code == 2
    assert "stepz is not a training setting" in stderr
    code, _, stderr = call(run, "--steps", 4)
    assert code == 2
    assert "there is no --out" in stderr


def test_all_recipes_that_ship_are_known() -> None:
    assert shipped().keys() == RECIPES.keys()
    assert shipped()["tiny"] == ROOT / "pipelines" / "train" / "tiny.yaml"


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_builds_the_model_of_its_sheet(name: str) -> None:
    vocab_size, millions = RECIPES[name]
    settings = TrainSettings.checked(load_training_recipe(name))
    chosen = resolve(settings, 10**9, "cuda", True)
    shape = model_settings(regularise(chosen, 1.0), vocab_size)
    with torch.device("meta"):
        model = Transformer(shape)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert parameters == parameter_count(shape)
    assert parameters / 1e6 == pytest.approx(millions, abs=0.06)
    sheet = shipped()[name].read_text(encoding="utf-8")
    assert f"{parameters:,} parameters" in sheet
    tokens = (chosen.batch_rows or 0) * (chosen.context or 0)
    assert f"{chosen.steps:,} steps" in sheet
    if settings.objective != "spans":
        assert f"{tokens:,} tokens" in sheet or f"{tokens:,} characters" in sheet
    assert "@" not in sheet
    for line in sheet.splitlines():
        if "corpuskit train" in line:
            assert f"--recipe {name}" in line


def test_samples_are_written_when_asked(run: Path, small: TrainSettings, tmp_path: Path) -> None:
    events: list[dict[str, Any]] = []
    settings = TrainSettings.checked(small.given() | {"sample_at": "3, 7", "prompt": "The"})
    assert settings.sample_at == (3, 7)
    train_model(run, tmp_path / "model", settings, listen=events.append)
    assert [event["step"] for event in events if event["event"] == "sample"] == [3, 7, 20]
    with pytest.raises(SettingError, match="sample_at"):
        TrainSettings.checked({"sample_at": "3,-1"})


@pytest.mark.parametrize("width", [40, 50, 60, 110, UNBROKEN])
def test_a_plan_fits_its_terminal(run: Path, small: TrainSettings, width: int) -> None:
    """All words are there in their order, none is cut, and no line is too long."""
    plan = plan_training(run, small.model_copy(update={"steps": 400}), 3.5) if not PLANS else PLANS[0]
    PLANS.append(plan)
    text = plan_text(plan, width)
    assert max(map(len, text.splitlines())) <= width
    assert text.split() == plan_text(plan, UNBROKEN).split()
    assert "1 rows" not in text


PLANS: list[Plan] = []


def test_a_plan_says_what_it_is_doing(run: Path, small: TrainSettings) -> None:
    told: list[tuple[str, int]] = []
    plan_training(run, small, None, lambda what, number: told.append((what, number)))
    steps = [number for what, number in told if what.startswith("Making steps")]
    assert steps == list(range(1, len(steps) + 1))
    assert len(steps) >= 4
    assert {what for what, _ in told} >= {"Measuring on held-out text", "Writing a sample"}
    for terminal, words in ((True, "see how long they take: 3"), (False, "Writing a sample ...")):
        file = io.StringIO()
        with PlanProgress(Console(file=file, force_terminal=terminal, width=100)) as progress:
            for each in told:
                progress(*each)
                time.sleep(0.1 if terminal and each[1] == 3 else 0)
        assert words in file.getvalue() or terminal
        assert file.getvalue().count("Making steps") == 1 or terminal


def test_a_run_cannot_be_lengthened_and_its_model_can(
    run: Path, small: TrainSettings, tmp_path: Path
) -> None:
    """The message says how, and what it says works."""
    out = tmp_path / "model"
    train_model(run, out, small)
    longer = TrainSettings.checked({"steps": 40})
    with pytest.raises(SettingError, match="steps = 40 contradicts") as caught:
        train_model(run, out, longer, resume=True)
    assert f"--set init_from={out}" in caught.value.remedy
    with pytest.raises(SettingError, match="minutes"):
        train_model(run, out, TrainSettings.checked({"minutes": 1}), resume=True)
    on = train_model(run, tmp_path / "on", TrainSettings(init_from=str(out), steps=5, precision="fp32"))
    assert on.reason == "done"
    assert train_model(run, out, small, resume=True).step == 20


def test_a_part_of_the_split_is_told(
    run: Path, small: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train_model(run, tmp_path / "whole", small.model_copy(update={"steps": 1}))
    assert whole.validation_share == 1
    assert "on the whole split" in sentence(whole)
    assert "1 step in" in sentence(whole)
    monkeypatch.setattr("corpuskit.train.setup.FINAL_TOKENS", 64)
    part = train_model(run, tmp_path / "part", small.model_copy(update={"steps": 1}))
    assert 0 < part.validation_share < 0.2
    assert f"on {part.validation_share:.1%} of the split" in sentence(part)
