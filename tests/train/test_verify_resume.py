"""The proof that a run resumes exactly: it holds for runs that do, and names what others have lost."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

from corpuskit.cli.model.train import command
from corpuskit.train import TrainSettings, verify_resume
from corpuskit.train.optim.guard import Guard
from corpuskit.train.optim.optimizer import Optimizer

OPTIMIZER = {"optimizer": "muon", "ema": 0.9, "spike_guard": 6.0, "weight_decay_fades": True}


@pytest.mark.parametrize(
    "changes",
    [
        OPTIMIZER,
        {"optimizer": "adamw", "precision": "bf16", "objective": "spans", "schedule": "cosine"},
        {"optimizer": "adamw", "objective": "denoise", "packing": "best_fit"},
        {"optimizer": "muon", "objective": "masked", "minutes": 0.5, "steps": None, "eval_tokens": 64},
        {"steps": 1},
    ],
    ids=["causal", "spans", "denoise", "masked", "one step"],
)
def test_all_that_a_run_depends_on_is_restored(
    special_run: Path, small: TrainSettings, tmp_path: Path, changes: dict[str, Any]
) -> None:
    values = {**small.given(), **changes}
    settings = TrainSettings.checked({name: each for name, each in values.items() if each is not None})
    proof = verify_resume(special_run, tmp_path / "model", settings)
    assert proof.exact, str(proof)
    assert proof.tensors > 30
    assert "bit for bit" in str(proof)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_restored_is_named(
    run: Path, small: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = small.model_copy(update=OPTIMIZER)
    victim = "decoder.blocks.1.mlp.up.weight"
    real = Optimizer.load

    def forgetful(self: Optimizer, state: Mapping[str, Tensor]) -> None:
        name = f"momentum.{victim}"
        real(self, {**state, name: torch.zeros_like(state[name])})

    monkeypatch.setattr(Optimizer, "load", forgetful)
    proof = verify_resume(run, tmp_path / "model", settings)
    assert not proof.exact
    assert (proof.step, proof.steps) == (11, 10)
    assert proof.different == (
        f"{victim} of model.safetensors",
        f"ema.{victim} of optimizer.safetensors",
        f"momentum.{victim} of optimizer.safetensors",
    )
    assert f"The first is {victim} of model.safetensors, by up to" in str(proof)
    assert 0 < proof.greatest < 0.1


def test_a_lost_window_of_the_guard_is_named(
    run: Path, small: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Guard, "load", lambda self, state: None)
    proof = verify_resume(run, tmp_path / "model", small.model_copy(update=OPTIMIZER))
    assert proof.different == (
        "guard.count of optimizer.safetensors",
        "guard.window of optimizer.safetensors",
    )


def test_the_command_exits_with_1_where_resuming_is_not_exact(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = [
        "--steps",
        "4",
        "--set",
        "layers=2",
        "--set",
        "width=32",
        "--set",
        "heads=2",
        "--verify-resume",
    ]
    call = [str(run), "--out", str(tmp_path / "m"), *options]
    done = CliRunner().invoke(command, call)
    assert done.exit_code == 0, done.output
    assert "2 + 2 with a resume between them leave the same" in " ".join(done.output.split())
    monkeypatch.setattr(Guard, "load", lambda self, state: None)
    done = CliRunner().invoke(command, [*call, "--json"])
    assert done.exit_code == 1
    assert '"exact": false' in done.output
    assert not (tmp_path / "m").exists()
