"""A damaged model folder or run: found by verify, mended by a resume, or refused; never read as it is."""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from corpuskit.errors import CorpuskitError, ShardError, TrainError
from corpuskit.storage.files import read_sealed, seal
from corpuskit.train import TrainSettings, train_model
from corpuskit.train.check import problems
from corpuskit.train.generate.generate import LanguageModel
from corpuskit.train.hub.export import export_model

OFTEN = {"steps": 12, "eval_every": 3, "save_every": 3, "keep": 3, "batch_rows": 4}


def flip(path: Path, chance: random.Random | None = None) -> None:
    """Flip one bit of a file."""
    chance = chance or random.Random(path.name)
    data = bytearray(path.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(bytes(data))


def computed(out: Path) -> dict[str, Any]:
    """What a run computes: kept weights, last weights and moments, every loss."""
    last = out / "checkpoints" / (out / "checkpoints" / "latest").read_text()
    lines = (out / "logs" / "train.jsonl").read_text().splitlines()
    events = [event for line in lines if (event := json.loads(line))["event"] in ("step", "validation")]
    found: dict[str, Any] = {path.name: path.read_bytes() for path in last.glob("*.safetensors")}
    found["kept"] = (out / "model.safetensors").read_bytes()
    return found | {"losses": [(event["event"], event["step"], event["loss"]) for event in events]}


@pytest.fixture(scope="module")
def settings(small: TrainSettings) -> TrainSettings:
    return TrainSettings.checked({**small.given(), **OFTEN})


@pytest.fixture(scope="module")
def models(run: Path, settings: TrainSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``whole``: 12 steps; ``paused``: the first 8, with checkpoints of 3, 6 and 8. Not to be changed."""
    folder = tmp_path_factory.mktemp("models")
    train_model(run, folder / "whole", settings)
    train_model(run, folder / "paused", settings, pause_at=8)
    return folder


@pytest.fixture
def whole(models: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(models / "whole", tmp_path / "whole"))


@pytest.fixture
def paused(models: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(models / "paused", tmp_path / "paused"))


def resumed(run: Path, out: Path) -> list[str]:
    """Go on with a run; returns its warnings."""
    started: list[Any] = []
    assert train_model(run, out, resume=True, listen=started.append).reason == "done"
    return list(started[0]["warnings"])


# ------------------------------------------------------------------------------------------------ found
FILES = [
    "model.json",
    "model.safetensors",
    "tokenizer.json",
    "curves.svg",
    "logs/train.jsonl",
    "logs/train.jsonl.sha256",
    "checkpoints/latest",
    "checkpoints/step-00000008/state.json",
    "checkpoints/step-00000008/model.safetensors",
    "checkpoints/step-00000006/optimizer.safetensors",
]


@pytest.mark.parametrize("file", FILES)
def test_verify_finds_all_damage_and_says_what_to_do(file: str, paused: Path) -> None:
    path, chance = paused / file, random.Random(file)
    data = path.read_bytes()
    assert list(problems(paused)) == []
    flipped = bytearray(data)
    flipped[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    for damaged in (bytes(flipped), data[: len(data) // 2], b"", data + b"x"):
        path.write_bytes(damaged)
        told = list(problems(paused))
        assert any(str(path.parent) in sentence for sentence in told), told
        assert all(sentence.endswith((".", "'")) for sentence in told)
    path.unlink()
    assert list(problems(paused))
    path.mkdir()
    assert list(problems(paused))


def test_a_checkpoint_of_another_step_is_not_this_one(paused: Path) -> None:
    one, other = (paused / "checkpoints" / f"step-0000000{n}" / "model.safetensors" for n in (6, 8))
    shutil.copy(one, other)
    assert [sentence for sentence in problems(paused) if "step-00000008" in sentence]


def test_weights_of_the_same_shape_are_not_the_models_own(whole: Path) -> None:
    shutil.copy(whole / "checkpoints" / "step-00000009" / "model.safetensors", whole / "model.safetensors")
    with pytest.raises(TrainError, match=r"model\.safetensors is damaged"):
        LanguageModel.load(whole)
    assert len(list(problems(whole))) == 1


def test_a_run_that_has_ended_needs_no_checkpoints(whole: Path, paused: Path) -> None:
    for folder in (whole, paused):
        shutil.rmtree(folder / "checkpoints")
    assert list(problems(whole)) == []
    assert "holds no checkpoint" in next(problems(paused))


def test_a_model_of_before_is_read(whole: Path) -> None:
    """Older versions wrote neither checksums nor digests."""
    document = read_sealed(whole / "model.json")
    del document["files"]
    (whole / "model.json").write_text(json.dumps(document))
    (whole / "logs" / "train.jsonl.sha256").unlink()
    for path in whole.glob("checkpoints/*/state.json"):
        path.write_text(json.dumps(read_sealed(path)))
    assert list(problems(whole)) == []
    LanguageModel.load(whole)


# -------------------------------------------------------------------------------------------- mended
@pytest.mark.parametrize(
    "damage",
    [
        lambda out: flip(out / "checkpoints/step-00000008/model.safetensors"),
        lambda out: flip(out / "checkpoints/step-00000008/optimizer.safetensors"),
        lambda out: flip(out / "checkpoints/step-00000008/state.json"),
        lambda out: (out / "checkpoints/step-00000008/state.json").write_text("[" * 100_000),
        lambda out: (out / "checkpoints/step-00000008/model.safetensors").unlink(),
        lambda out: shutil.rmtree(out / "checkpoints/step-00000008"),
        lambda out: (out / "checkpoints/latest").unlink(),
        lambda out: (out / "checkpoints/latest").write_bytes(b""),
        lambda out: (out / "checkpoints/latest").write_bytes(b"\xff\xfe"),
        lambda out: (out / "checkpoints/latest").write_text("../.."),
        lambda out: (out / "checkpoints/latest").write_text("step-00000006"),
        lambda out: (out / "model.json").write_text("{"),
        lambda out: (out / "tokenizer.json").unlink(),
        lambda out: (out / "curves.svg").write_text("x"),
    ],
)
def test_a_resume_mends_what_it_can_and_ends_the_same(
    damage: Callable[[Path], None], run: Path, models: Path, paused: Path
) -> None:
    damage(paused)
    resumed(run, paused)
    assert computed(paused) == computed(models / "whole")
    assert list(problems(paused)) == []


def test_a_checkpoint_that_is_passed_over_is_told(run: Path, paused: Path) -> None:
    flip(paused / "checkpoints" / "step-00000008" / "optimizer.safetensors")
    [warning] = resumed(run, paused)
    assert "step-00000008/optimizer.safetensors is damaged" in warning
    assert "nothing is lost but time" in warning


# ------------------------------------------------------------------------------------------- refused
def test_without_a_whole_checkpoint_a_resume_is_refused(run: Path, paused: Path) -> None:
    for path in paused.glob("checkpoints/*/optimizer.safetensors"):
        flip(path)
    with pytest.raises(TrainError, match=r"step-00000008/optimizer\.safetensors is damaged") as caught:
        train_model(run, paused, resume=True)
    assert "--overwrite" in caught.value.remedy


@pytest.mark.parametrize("damage", [flip, Path.unlink, lambda path: path.write_bytes(b"")])
def test_the_best_weights_cannot_be_made_again(
    damage: Callable[[Path], None], run: Path, paused: Path
) -> None:
    damage(paused / "model.safetensors")
    with pytest.raises(TrainError, match=r"model\.safetensors"):
        train_model(run, paused, resume=True)


def test_weights_that_were_damaged_after_a_kill(run: Path, paused: Path) -> None:
    """Nothing is recorded of a run that was killed, but what cannot be loaded is named."""
    document = read_sealed(paused / "model.json")
    document.pop("files")
    (paused / "model.json").write_text(json.dumps(seal(document)))
    state = paused / "checkpoints" / "step-00000008" / "state.json"
    kept = {**read_sealed(state), "best_loss": 0.001}
    state.write_text(json.dumps(seal(kept)) + "\n")  # So that no later weights are better.
    (paused / "model.safetensors").write_bytes(b"\0" * 9)
    with pytest.raises(TrainError, match="does not hold the weights that this run has kept"):
        train_model(run, paused, resume=True)


def test_a_changed_log_is_named_and_can_be_accepted(run: Path, models: Path, paused: Path) -> None:
    log = paused / "logs" / "train.jsonl"
    log.write_text(log.read_text().replace('"loss": ', '"loss": 1', 1))
    with pytest.raises(TrainError, match=r"train\.jsonl is not what was written") as caught:
        train_model(run, paused, resume=True)
    assert "train.jsonl.sha256" in caught.value.remedy
    (paused / "logs" / "train.jsonl.sha256").unlink()
    resumed(run, paused)
    assert computed(paused)["kept"] == computed(models / "whole")["kept"]


@pytest.mark.parametrize("file", ["curves.svg", "logs/train.jsonl"])
def test_nothing_damaged_is_exported(file: str, whole: Path, tmp_path: Path) -> None:
    """The card tells of the log, and the curves go along."""
    flip(whole / file)
    for _ in range(2):
        with pytest.raises(TrainError, match=Path(file).name):
            export_model(whole, tmp_path / "out", to="torch", check=False)
        assert not (tmp_path / "out").exists()
        (whole / file).unlink(missing_ok=True)


def test_a_line_of_a_log_that_lacks_what_is_drawn(run: Path, paused: Path) -> None:
    log = paused / "logs" / "train.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    steps = [number for number, line in enumerate(lines) if '"event": "step"' in line]
    lines[steps[0]] = lines[steps[0]].replace('"learning_rate"', '"burning_rate"')
    log.write_text("".join(lines))
    (paused / "logs" / "train.jsonl.sha256").unlink()
    with pytest.raises(TrainError, match=r"line \d of .*train\.jsonl is no event"):
        train_model(run, paused, resume=True)


@pytest.mark.parametrize(
    "file", ["train-00000.bin", "train-00001.idx", "validation-00000.bin", "shards.json"]
)
def test_training_reads_no_damaged_shard(
    file: str, make_run: Callable[..., Path], settings: TrainSettings, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(make_run(), tmp_path / "run"))
    if file == "shards.json":
        path = copy / "shards" / file
        path.write_text(json.dumps(seal(json.loads(path.read_text()))) + "\n")
    flip(copy / "shards" / file)
    with pytest.raises(ShardError, match=file.partition(".")[0]) as caught:
        train_model(copy, tmp_path / "model", settings)
    assert caught.value.remedy
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("split", ["train", "validation"])
@pytest.mark.parametrize("damage", [flip, Path.unlink])
def test_a_recorded_table_of_provenance_must_be_there(
    damage: Callable[[Path], None],
    split: str,
    make_run: Callable[..., Path],
    write_provenance: Callable[[Path, str, Sequence[str]], None],
    settings: TrainSettings,
    tmp_path: Path,
) -> None:
    """Without it the losses of each source would be missing, and nobody would say why."""
    copy = Path(shutil.copytree(make_run(), tmp_path / "run"))
    write_provenance(copy / "shards", split, ["books", "wiki"])
    settings = TrainSettings.checked({**settings.given(), "steps": 3})
    train_model(copy, tmp_path / "sound", settings)
    path = copy / "shards" / f"{split}-00000.provenance.parquet"
    damage(path)
    with pytest.raises(ShardError, match=re.escape(str(path))) as caught:
        train_model(copy, tmp_path / "model", settings)
    assert "bring the folder back" in caught.value.remedy
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("file", FILES[:3])
@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b"\xff\xfe", b"\0" * 64, b"[" * 100_000])
def test_what_is_no_model_is_refused(file: str, content: bytes, whole: Path) -> None:
    (whole / file).write_bytes(content)
    with pytest.raises(CorpuskitError) as caught:
        LanguageModel.load(whole)
    assert caught.value.remedy
