"""A file that cannot be written stops the run with an error that names it; the last checkpoint stays whole.

The refusals are the system's own: `RLIMIT_FSIZE` lets no file grow past a size, as a full disk does.
"""

import errno
import json
import os
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from corpuskit.cli.model.train import command
from corpuskit.errors import StorageError, TrainError
from corpuskit.storage.files import finite, write_file
from corpuskit.train import TrainSettings, train_model
from corpuskit.train.watch.events import Event


@contextmanager
def file_size_limit() -> Iterator[None]:
    """Put the limit on the size of files back when the block ends."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def limit_files(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


@pytest.mark.parametrize(
    ("kind", "step", "size", "name"),
    [
        ("step", 8, 100_000, "model.safetensors"),
        ("step", 8, 100, "logs/train.jsonl"),
        ("validation", 10, 200_000, "checkpoints/step-00000010"),
        ("stop", 20, 1000, "model.json"),
    ],
)
def test_a_refused_write_stops_the_run_and_can_be_resumed(
    run: Path, small: TrainSettings, tmp_path: Path, kind: str, step: int, size: int, name: str
) -> None:
    settings, out = small.model_copy(update={"save_every": 5}), tmp_path / "model"
    train_model(run, tmp_path / "whole", settings)

    def listen(event: Event) -> None:
        if event["event"] == kind and event["step"] == step:
            limit_files(size)

    with file_size_limit(), pytest.raises(StorageError) as caught:
        train_model(run, out, settings, listen=listen)
    assert caught.value.message.startswith(f"{out / name} could not be written: ")
    assert "limit" in caught.value.remedy
    assert "--resume" in caught.value.remedy
    assert list(out.rglob("tmp-*")) == []
    assert train_model(run, out, resume=True).reason == "done"
    for file in ("model.safetensors", "checkpoints/step-00000020/optimizer.safetensors"):
        assert (out / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


@pytest.mark.parametrize(
    ("size", "name"), [(1000, "tokenizer.json"), (20_000, "checkpoints/step-00000000"), (None, "latest")]
)
def test_before_the_first_checkpoint_nothing_is_promised(
    run: Path,
    small: TrainSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: int | None,
    name: str,
) -> None:
    """What the message says is what helps: --resume is refused there, and the same call goes through."""
    out, settings = tmp_path / "model", small.model_copy(update={"steps": 2})
    with file_size_limit(), monkeypatch.context() as patch:
        if size is not None:
            limit_files(size)
        else:  # The checkpoint is whole, its name is not written: there is one to go on from.
            patch.setattr("corpuskit.train.checkpoint._remove_old", refuse)
        with pytest.raises(StorageError) as caught:
            train_model(run, out, settings)
    saved = size is None
    assert ("goes on with --resume" in caught.value.remedy) is saved
    assert ("call the same command again" in caught.value.remedy) is not saved
    if not saved:
        assert caught.value.message.startswith(f"{out / name} could not be written: ")
        with pytest.raises(TrainError, match="nothing to resume"):
            train_model(run, out, resume=True)
    assert train_model(run, out, settings if not saved else None, resume=saved).reason == "done"


def refuse(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_the_command_exits_with_1_and_names_the_file(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    with file_size_limit():
        limit_files(1000)
        result = CliRunner().invoke(
            command, [str(run), "--out", str(out), "--steps", "3", "--quiet", "--json"]
        )
    assert result.exit_code == 1
    assert json.loads(result.stdout)["error"] == "StorageError"
    assert f"{out / 'tokenizer.json'} could not be written: File too large" in result.stderr


def test_an_out_that_cannot_be_made_is_named(run: Path, small: TrainSettings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(TrainError, match="file: is a file, not a folder") as caught:
        train_model(run, tmp_path / "file", small)
    assert "Choose another --out" in caught.value.remedy
    with pytest.raises(StorageError, match=r"cannot be written: Not a directory") as refused:
        train_model(run, tmp_path / "file" / "model", small)
    assert "choose another --out" in refused.value.remedy
    assert (tmp_path / "file").read_text() == "mine"


def test_an_unwritten_file_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    write_file(path, b"old")
    with file_size_limit():
        limit_files(10)
        with pytest.raises(StorageError, match=r"model\.json could not be written: File too large"):
            write_file(path, b"new" * 100)
    assert [each.name for each in tmp_path.iterdir()] == ["model.json"]
    assert path.read_bytes() == b"old"
    shutil.rmtree(tmp_path)
    with pytest.raises(StorageError, match=r"model\.json could not be written: No such file"):
        write_file(path, b"new")


def test_finite_keeps_everything_but_infinities() -> None:
    value = {"a": [1, 2.5, float("-inf"), None], "b": {"c": float("nan"), "d": True}, "e": "inf"}
    assert finite(value) == {"a": [1, 2.5, None, None], "b": {"c": None, "d": True}, "e": "inf"}
