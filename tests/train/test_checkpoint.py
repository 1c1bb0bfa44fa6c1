"""A kill at any moment of a save leaves a checkpoint that loads; damage is an error that names the file."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from corpuskit.errors import StorageError, TrainError
from corpuskit.train import checkpoint
from corpuskit.train.optim.optimizer import Optimizer
from corpuskit.train.settings.settings import Optimization


class Killed(BaseException):
    """Stands for SIGKILL: nothing of the package catches it, so that the disk is left as a kill leaves it."""


def model_after(steps: int) -> tuple[nn.Linear, Optimizer]:
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    optimizer = Optimizer(model, Optimization(optimizer="muon", learning_rate=1e-3, ema=0.9))
    for step in range(steps):
        do_step(model, optimizer, step)
    return model, optimizer


def do_step(model: nn.Linear, optimizer: Optimizer, step: int) -> None:
    model(torch.ones(2, 4)).square().sum().backward()
    optimizer.step(1e-3)
    optimizer.update_average(step)


def held(model: nn.Linear, optimizer: Optimizer) -> dict[str, dict[str, torch.Tensor]]:
    return {"model": dict(model.state_dict()), "optimizer": optimizer.state()}


def save(out: Path, step: int, keep: int = 2) -> None:
    checkpoint.save_checkpoint(out, held(*model_after(step)), {"step": step}, keep)


def load(out: Path) -> tuple[nn.Linear, Optimizer]:
    folder = checkpoint.latest_checkpoint(out)
    assert folder is not None
    model, optimizer = model_after(0)
    found = checkpoint.load_checkpoint(folder, held(model, optimizer))
    model.load_state_dict(found["model"])
    optimizer.load(found["optimizer"])
    return model, optimizer


def assert_equals_step(out: Path, step: int) -> None:
    """What is on disk goes on as if it had never been there."""
    loaded, expected = load(out), model_after(step)
    for model, optimizer in (loaded, expected):
        do_step(model, optimizer, step)
    found, wanted = held(*loaded), held(*expected)
    for stem, tensors in wanted.items():
        assert found[stem].keys() == tensors.keys()
        for name, tensor in tensors.items():
            assert torch.equal(found[stem][name], tensor), name


def test_saved_state_goes_on_exactly(tmp_path: Path) -> None:
    assert checkpoint.latest_checkpoint(tmp_path) is None
    for step in (0, 3, 4):
        save(tmp_path, step)
        assert_equals_step(tmp_path, step)


def test_a_kill_at_any_call_leaves_a_whole_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("fsync", "replace", "open")
    calls: list[int] = []

    def watched(name: str, killed_at: int) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            calls.append(1)
            if len(calls) == killed_at:
                raise Killed
            return real(*args, **kwargs)

        return call

    seen = set()
    for killed_at in range(1, 100):
        out = tmp_path / str(killed_at)
        save(out, 3)
        calls.clear()
        with monkeypatch.context() as patch:
            for name in names:
                patch.setattr(checkpoint.os, name, watched(name, killed_at))
            try:
                save(out, 5, keep=1)
                finished = True
            except Killed:
                finished = False
        folder = checkpoint.latest_checkpoint(out)
        assert folder is not None
        step = checkpoint.read_state(folder)["step"]
        assert_equals_step(out, step)
        seen.add(step)
        save(out, 6, keep=1)
        assert_equals_step(out, 6)
        assert sorted(path.name for path in (out / "checkpoints").iterdir()) == ["latest", "step-00000006"]
        if finished:
            break
    assert finished
    assert killed_at > 8
    assert seen == {3, 5}


def test_only_the_newest_are_kept_and_latest_never_dangles(tmp_path: Path) -> None:
    for step in (1, 2, 10, 10, 11):
        save(tmp_path, step)
    folders = sorted(path.name for path in (tmp_path / "checkpoints").glob("step-*"))
    assert folders == ["step-00000010-1", "step-00000011"]
    # Going back to an earlier step, as a resumed run does, drops what lies after it.
    save(tmp_path, 4)
    assert sorted(path.name for path in (tmp_path / "checkpoints").glob("step-*")) == ["step-00000004"]
    assert_equals_step(tmp_path, 4)


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json"])
def test_damage_is_named(tmp_path: Path, name: str) -> None:
    save(tmp_path, 3)
    path = tmp_path / "checkpoints" / "step-00000003" / name
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data if name != "state.json" else data[:-5])
    with pytest.raises(TrainError, match=name.replace(".", r"\.")) as caught:
        load(tmp_path)
    assert "There is no other checkpoint: begin anew" in str(caught.value)
    (path.parent.parent / "step-00000001").mkdir()
    (path.parent.parent / "step-00000001" / "state.json").touch()
    with pytest.raises(TrainError, match="Write step-00000001 into"):
        load(tmp_path)


def test_missing_checkpoint_and_foreign_weights_are_named(tmp_path: Path) -> None:
    save(tmp_path, 3)
    folder = checkpoint.latest_checkpoint(tmp_path)
    assert folder is not None
    other = nn.Linear(5, 3)
    with pytest.raises(TrainError, match=r"model\.safetensors does not hold .*: weight is not of the shape"):
        checkpoint.load_checkpoint(folder, {"model": dict(other.state_dict())})
    adamw = Optimizer(nn.Linear(4, 3), Optimization(optimizer="adamw", learning_rate=1e-3, ema=0.9))
    with pytest.raises(TrainError, match=r"optimizer\.safetensors does not hold the optimizer") as caught:
        checkpoint.load_checkpoint(folder, {"optimizer": adamw.state()})
    assert "they differ in exp_avg.weight, exp_avg_sq.weight, momentum.weight" in str(caught.value)
    (tmp_path / "checkpoints" / "latest").write_text("step-00000009")
    with pytest.raises(TrainError, match="names the checkpoint 'step-00000009', which is not there"):
        checkpoint.latest_checkpoint(tmp_path)


def test_a_disk_that_refuses_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, 3)

    def refuse(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.os, "fsync", refuse)
        with pytest.raises(StorageError, match="step-00000005 could not be written: No space left"):
            save(tmp_path, 5)
    assert_equals_step(tmp_path, 3)


def test_there_is_no_pickle_in_a_checkpoint(tmp_path: Path) -> None:
    save(tmp_path, 3)
    folder = tmp_path / "checkpoints" / "step-00000003"
    assert sorted(path.suffix for path in folder.iterdir()) == [".json", ".safetensors", ".safetensors"]
    for path in folder.glob("*.safetensors"):
        header = path.read_bytes()
        size = int.from_bytes(header[:8], "little")
        assert all(
            set(entry) == {"dtype", "shape", "data_offsets"}
            for entry in json.loads(header[8 : 8 + size]).values()
        )
