"""What a run is resumed from: a checkpoint from the first step on, and no step more than was asked for."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from corpuskit.errors import SettingError, TrainError
from corpuskit.shards.reader import Shards
from corpuskit.storage.files import read_sealed
from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train import TrainSettings, train_model
from corpuskit.train.model.loss import IGNORED
from corpuskit.train.model.transformer import Transformer
from corpuskit.train.settings.resolve import resolve
from corpuskit.train.tasks.pretrain import Pretraining, pretraining
from corpuskit.train.tasks.task import Tensors
from corpuskit.train.watch.events import Event

# Kills itself like the machine would: argv is run, out, settings as JSON, event, step of the event.
CHILD = """
import os, signal, sys
from corpuskit.train import TrainSettings, train_model
run, out, settings, kind, step = sys.argv[1:]
def listen(event):
    if event["event"] == kind and event["step"] >= int(step):
        os.kill(os.getpid(), signal.SIGKILL)
train_model(run, out, TrainSettings.model_validate_json(settings), listen=listen)
"""


def train_and_kill(run: Path, out: Path, settings: TrainSettings, kind: str, step: int) -> None:
    arguments = [str(run), str(out), settings.model_dump_json(exclude_unset=True), kind, str(step)]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "OMP_NUM_THREADS": str(torch.get_num_threads()),
    }
    child = subprocess.run([sys.executable, "-c", CHILD, *arguments], env=environment, check=False)
    assert child.returncode == -signal.SIGKILL


def events(out: Path, kind: str) -> list[dict[str, Any]]:
    lines = (out / "logs" / "train.jsonl").read_text().splitlines()
    return [event for line in lines if (event := json.loads(line))["event"] == kind]


def last_weights(out: Path) -> bytes:
    folder = out / "checkpoints" / (out / "checkpoints" / "latest").read_text()
    return (folder / "model.safetensors").read_bytes()


def test_killed_before_the_first_pause_it_goes_on_with_its_settings(
    run: Path, small: TrainSettings, tmp_path: Path
) -> None:
    settings = small.model_copy(update={"seed": 7, "steps": 12})
    train_model(run, tmp_path / "whole", settings)
    train_and_kill(run, tmp_path / "killed", settings, "step", 5)
    started: list[Event] = []
    result = train_model(run, tmp_path / "killed", resume=True, listen=started.append)
    assert (started[0]["step"], started[0]["steps"]) == (0, 12)
    assert (started[0]["settings"]["seed"], started[0]["settings"]["context"]) == (7, 16)
    assert (result.reason, result.step) == ("done", 12)
    assert last_weights(tmp_path / "killed") == last_weights(tmp_path / "whole")


def test_a_model_folder_always_has_something_to_resume(
    run: Path, small: TrainSettings, tmp_path: Path
) -> None:
    """Killed before that, it is no model yet: the same call begins again."""
    train_and_kill(run, tmp_path / "model", small, "start", 0)
    assert not (tmp_path / "model" / "model.json").exists()
    with pytest.raises(TrainError, match="nothing to resume"):
        train_model(run, tmp_path / "model", resume=True)
    assert train_model(run, tmp_path / "model", small, pause_at=1).reason == "paused"
    shutil.rmtree(tmp_path / "model")
    train_and_kill(run, tmp_path / "model", small, "save", 0)
    assert train_model(run, tmp_path / "model", resume=True, pause_at=1).step == 1


def test_resume_of_nothing_is_an_error_that_says_so(run: Path, small: TrainSettings, tmp_path: Path) -> None:
    out = tmp_path / "model"
    with pytest.raises(TrainError, match="model holds no checkpoint: there is nothing to resume") as caught:
        train_model(run, out, small, resume=True)
    assert "without --resume" in str(caught.value)
    assert not out.exists()
    train_model(run, out, small, pause_at=1)
    shutil.rmtree(out / "checkpoints")
    with pytest.raises(TrainError, match="nothing to resume") as caught:
        train_model(run, out, resume=True)
    assert "--overwrite" in str(caught.value)


def test_damaged_notes_of_a_run_are_named(run: Path, small: TrainSettings, tmp_path: Path) -> None:
    out = tmp_path / "m"
    train_model(run, out, small, pause_at=2)
    log = out / "logs" / "train.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join([lines[0], '{"event": "st\n', *lines[1:]]))
    (out / "logs" / "train.jsonl.sha256").unlink()  # As after a kill.
    with pytest.raises(TrainError, match=r"line 2 of .*train\.jsonl is no event: '{\"event\": \"st'"):
        train_model(run, out, resume=True, pause_at=4)
    log.write_text("".join(lines))
    path = out / "checkpoints" / (out / "checkpoints" / "latest").read_text() / "state.json"
    for other in path.parent.parent.glob("step-*"):
        if other != path.parent:
            shutil.rmtree(other)
    state = read_sealed(path)
    for name in ("step", "sha256", "settings"):
        path.write_text(json.dumps({k: [1] if k == name else v for k, v in state.items()}))
        with pytest.raises(TrainError, match=rf"state\.json is damaged: it lacks {name}"):
            train_model(run, out, resume=True)
    path.write_text(json.dumps(state))
    assert train_model(run, out, resume=True, pause_at=3).step == 3


@pytest.mark.parametrize("pause_at", [3, 2])
def test_a_pause_that_is_reached_does_no_step(
    run: Path, small: TrainSettings, tmp_path: Path, pause_at: int
) -> None:
    out = tmp_path / "model"
    train_model(run, out, small, pause_at=3)
    before = last_weights(out)
    result = train_model(run, out, resume=True, pause_at=pause_at)
    assert (result.reason, result.step, result.can_resume) == ("paused", 3, True)
    assert last_weights(out) == before
    assert len(events(out, "step")) == 3


def test_a_pause_at_the_end_is_the_end(run: Path, small: TrainSettings, tmp_path: Path) -> None:
    settings = small.model_copy(update={"steps": 4})
    assert train_model(run, tmp_path / "model", settings, pause_at=4).reason == "done"
    assert train_model(run, tmp_path / "model", resume=True, pause_at=2).reason == "done"


def test_on_changed_data_the_best_is_found_anew(
    make_run: Callable[..., Path], small: TrainSettings, tmp_path: Path
) -> None:
    """The old validation text is one that the model has learnt: no loss on the new one can be below that."""
    run, other, out = make_run(seed=1), make_run(seed=9), tmp_path / "model"
    settings = small.model_copy(update={"steps": 40, "learning_rate": 1e-2})
    train_model(run, out, settings, pause_at=30)
    path = out / "checkpoints" / "step-00000030" / "state.json"
    state = json.loads(path.read_text())
    path.write_text(json.dumps({**state, "best_loss": 0.001, "validations_since_best": 9}))
    result = train_model(other, out, resume=True, allow_changed_data=True)
    assert (result.reason, result.best_step) == ("done", 40)
    assert [event["best"] for event in events(out, "validation")][-2:] == [True, True]


def test_killed_after_its_length_was_fixed_a_run_by_minutes_keeps_it(
    run: Path, small: TrainSettings, tmp_path: Path
) -> None:
    values = {name: value for name, value in small.given().items() if name != "steps"}
    settings = TrainSettings.checked({**values, "minutes": 0.02, "warmup_steps": 0})
    out = tmp_path / "model"
    train_and_kill(run, out, settings, "horizon", 0)
    state = json.loads(
        (out / "checkpoints" / (out / "checkpoints" / "latest").read_text() / "state.json").read_text()
    )
    assert state["steps"] > state["step"] == state["decay_start"] > 0
    assert state["seconds"] > 0
    result = train_model(run, out, resume=True)
    assert (result.reason, result.step, result.steps) == ("done", state["steps"], state["steps"])
    assert [event["step"] for event in events(out, "step")] == list(range(state["steps"]))


def test_a_bad_batch_is_skipped_and_the_run_goes_on_and_resumes_exactly(
    run: Path, small: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Step 7 has a loss that is not a number: its update is not made, its place in the order is kept."""
    real = Pretraining.loss

    def poisoned(self: Pretraining, model: Transformer, batch: Tensors) -> Tensor:
        bad = torch.equal(batch["ids"], self.batch(7, range(self.batch_rows))["ids"])
        loss = real(self, model, batch)
        return loss * math.nan if bad else loss

    monkeypatch.setattr(Pretraining, "loss", poisoned)
    settings = small.model_copy(update={"optimizer": "muon", "steps": 12})
    result = train_model(run, tmp_path / "whole", settings)
    assert (result.reason, result.step) == ("done", 12)
    assert [event["step"] for event in events(tmp_path / "whole", "step")] == [*range(7), *range(8, 12)]
    (skip,) = events(tmp_path / "whole", "skip")
    assert (skip["step"], skip["reason"], skip["loss"]) == (7, "not finite", None)
    task = pretraining(*_resolved(run, settings))
    first = task.split.sequence_at(task.batches.starts(task.batches.samples(7, range(4)))[0])
    assert str(first) in skip["batch"]
    for pause_at in (7, 8):
        out = tmp_path / str(pause_at)
        train_model(run, out, settings, pause_at=pause_at)
        train_model(run, out, resume=True)
        assert last_weights(out) == last_weights(tmp_path / "whole")
        assert state_of(out)["skipped"] == 1


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_batches_without_a_target_teach_nothing_and_end_nothing(
    run: Path, small: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: str
) -> None:
    """However many there are in a row; a run of nothing else has learnt nothing, and says so."""
    real, empty = Pretraining.batch, set(range(3, 10))

    def without(self: Pretraining, step: int, rows: range) -> Tensors:
        batch = real(self, step, rows)
        return batch | {"targets": torch.full_like(batch["targets"], IGNORED)} if step in empty else batch

    monkeypatch.setattr(Pretraining, "batch", without)
    settings = small.model_copy(
        update={"optimizer": optimizer, "steps": 12, "skip_limit": 0, "save_every": 1}
    )
    settings = settings.model_copy(update={"keep": 20})
    result = train_model(run, tmp_path / "m", settings)
    assert (result.reason, state_of(tmp_path / "m")["skipped"]) == ("done", len(empty))
    found = events(tmp_path / "m", "skip")
    assert [(event["step"], event["reason"]) for event in found] == [(n, "no target") for n in sorted(empty)]
    checkpoints = tmp_path / "m" / "checkpoints"
    before, after = (checkpoints / f"step-{n:08d}" / "model.safetensors" for n in (3, 10))
    assert before.read_bytes() == after.read_bytes()
    empty.update(range(12))
    with pytest.raises(TrainError, match="nothing was learnt: of 12 batches"):
        train_model(run, tmp_path / "nothing", settings)


def test_goldfish_of_one_would_leave_nothing(run: Path, small: TrainSettings, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="goldfish = 1"):
        train_model(run, tmp_path / "m", small.model_copy(update={"goldfish": 1}))


def state_of(out: Path) -> dict[str, Any]:
    folder = out / "checkpoints" / (out / "checkpoints" / "latest").read_text()
    state: dict[str, Any] = json.loads((folder / "state.json").read_text())
    return state


def _resolved(run: Path, settings: TrainSettings) -> tuple[TrainSettings, Shards, Tokenizer]:
    shards = Shards(run / "shards")
    codec = Tokenizer.load_expected(
        run / "tokenizer" / "tokenizer.json", shards.tokenizer_sha256, shards.end_of_text
    )
    return resolve(settings, shards.split("train").tokens, "cpu", False), shards, codec
