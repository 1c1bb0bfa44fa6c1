"""Each objective from the shards to a model: it learns, and a run that is stopped and resumed is the same."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from corpuskit.errors import SettingError, TrainError
from corpuskit.shards.reader import Shards
from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train import TrainSettings, train_model
from corpuskit.train.data.held_out import validation_of
from corpuskit.train.model.loss import IGNORED
from corpuskit.train.model.transformer import Transformer, initialise
from corpuskit.train.settings.resolve import model_settings, regularise, resolve
from corpuskit.train.tasks.pretrain import Pretraining, pretraining

OBJECTIVES: dict[str, dict[str, Any]] = {
    "causal": {},
    "causal, documents apart, goldfish": {"document_mask": True, "goldfish": 4},
    "masked": {"objective": "masked"},
    "masked, documents apart": {"objective": "masked", "document_mask": True},
    "spans": {"objective": "spans"},
    "denoise": {"objective": "denoise"},
    "denoise, packed, learned positions": {
        "objective": "denoise",
        "packing": "best_fit",
        "positions": "learned",
    },
    "causal, by an encoder-decoder, goldfish": {"kind": "encoder-decoder", "goldfish": 4},
    "masked, by an encoder-decoder": {"objective": "masked", "kind": "encoder-decoder"},
    "causal, learned positions, relu": {"positions": "learned", "activation": "relu"},
    "causal, no positions, rms": {"positions": "none", "norm": "rms"},
    "spans, learned positions, gelu": {
        "objective": "spans",
        "positions": "learned",
        "activation": "gelu",
    },
}


def settings_for(name: str, small: TrainSettings, **values: Any) -> TrainSettings:
    return TrainSettings.checked({**small.given(), **OBJECTIVES[name], **values})


def load(run: Path) -> tuple[Shards, Tokenizer]:
    shards = Shards(run / "shards")
    return shards, Tokenizer.load_expected(
        run / "tokenizer" / "tokenizer.json", shards.tokenizer_sha256, shards.end_of_text
    )


def task_of(run: Path, settings: TrainSettings) -> tuple[Pretraining, Transformer]:
    shards, codec = load(run)
    resolved = regularise(resolve(settings, shards.split("train").tokens, "cpu", False), 1)
    model = Transformer(model_settings(resolved, shards.vocab_size))
    initialise(model, 1)
    return pretraining(resolved, shards, codec), model


def step_losses(out: Path) -> list[tuple[int, float]]:
    events = [json.loads(line) for line in (out / "logs" / "train.jsonl").read_text().splitlines()]
    return [(event["step"], event["loss"]) for event in events if event["event"] == "step"]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_twenty_steps_equal_ten_and_ten(
    special_run: Path, small: TrainSettings, tmp_path: Path, name: str
) -> None:
    settings = settings_for(name, small)
    whole = train_model(special_run, tmp_path / "whole", settings)
    train_model(special_run, tmp_path / "halves", settings, pause_at=10)
    train_model(special_run, tmp_path / "halves", resume=True)
    assert whole.validation_loss is not None
    assert whole.validation_loss < math.log(428)
    for file in ("model.safetensors", "checkpoints/step-00000020/optimizer.safetensors"):
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "halves" / file).read_bytes()
    losses = [
        [(e["step"], e["loss"]) for e in map(json.loads, lines) if e["event"] == "step"]
        for lines in (
            (tmp_path / out / "logs/train.jsonl").read_text().splitlines() for out in ("whole", "halves")
        )
    ]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 20


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("world", [1, 2, 4])
def test_all_processes_together_have_the_batch(
    special_run: Path, small: TrainSettings, name: str, world: int
) -> None:
    task, _ = task_of(special_run, settings_for(name, small))
    share = task.batch_rows // world
    whole = task.batch(3, range(task.batch_rows))
    parts = [task.batch(3, range(rank * share, (rank + 1) * share)) for rank in range(world)]
    for key in whole:
        assert torch.equal(torch.cat([part[key] for part in parts]), whole[key])
    assert (
        sum(task.count(part) for part in parts)
        == task.count(whole)
        == int((whole["targets"] != IGNORED).sum())
    )


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_batch_is_learnt_by_heart(special_run: Path, small: TrainSettings, name: str) -> None:
    task, model = task_of(special_run, settings_for(name, small, dropout=0))
    batch = task.batch(0, range(task.batch_rows))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        loss = task.loss(model, batch) / task.count(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert loss.item() < 0.1


def test_what_is_measured_on_is_masked_alike_in_all_runs(special_run: Path, small: TrainSettings) -> None:
    shards, _ = load(special_run)
    found = []
    for seed in (1, 2):
        task, _ = task_of(special_run, settings_for("masked", small, seed=seed))
        found.append(validation_of(shards, task.objective, 10**6).batch)
        assert not torch.equal(
            task.batch(0, range(2))["ids"], task.batch(task.batches.rows_per_epoch, range(2))["ids"]
        )
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_goldfish_leaves_out_no_target_that_is_measured(special_run: Path, small: TrainSettings) -> None:
    shards, _ = load(special_run)
    task, _ = task_of(special_run, settings_for("causal, documents apart, goldfish", small, context=64))
    assert (task.batch(0, range(4))["targets"] == IGNORED).any()
    measured = validation_of(shards, task.objective, 10**6).batch
    assert (measured["targets"] != IGNORED).all()


def test_a_batch_is_named_by_its_documents(run: Path, small: TrainSettings) -> None:
    task, _ = task_of(run, small)
    split = task.split
    starts = task.batches.starts(range(4, 8))
    said = task.describe(1)
    for start in starts:
        assert str(split.sequence_at(start)) in said
    assert "split 'train'" in said
    assert split.locate(starts[0])[0] in said


def test_a_tokenizer_without_the_special_tokens_is_refused(
    run: Path, small: TrainSettings, tmp_path: Path
) -> None:
    for objective in ("masked", "denoise"):
        with pytest.raises(TrainError) as raised:
            train_model(run, tmp_path / "m", settings_for(objective, small))
        said = "no special token <|mask|>, [MASK] or <mask>, which objective = masked and denoise put"
        assert said in str(raised.value)
        assert "or take objective = causal" in str(raised.value)
    with pytest.raises(TrainError, match=r"no special token <\|sentinel_0\|>"):
        train_model(run, tmp_path / "m", settings_for("spans", small))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"objective": "spans", "document_mask": True}, "document_mask"),
        ({"objective": "masked", "goldfish": 4}, "goldfish is for"),
        ({"objective": "denoise", "document_mask": True}, "keeps documents apart by itself"),
        ({"objective": "denoise", "span_density": 0.3}, r"'spans' only, not 'denoise'(?s:.*)Give mask_rate"),
        ({"objective": "causal", "span_density": 0.3}, r"'spans' only, not 'causal'(?s:.*)Leave it out"),
        ({"kind": "encoder-decoder", "document_mask": True}, "document_mask is not to be had"),
    ],
)
def test_settings_that_contradict_the_objective(
    run: Path, small: TrainSettings, tmp_path: Path, values: Any, said: str
) -> None:
    with pytest.raises(SettingError, match=said):
        train_model(run, tmp_path / "m", TrainSettings.checked({**small.given(), **values}))


def test_settings_that_were_all_written_down_are_taken_again() -> None:
    """With what another objective would read at its usual value."""
    own = TrainSettings(objective="denoise", context=16)
    whole = TrainSettings.checked(own.model_dump())
    assert resolve(whole, 10_000, "cpu", bf16_pays=False).span_density == own.span_density


@pytest.mark.parametrize("value", ["inf", "nan"])
def test_spans_have_a_length(value: str) -> None:
    with pytest.raises(SettingError, match="span_length"):
        TrainSettings.checked({"objective": "denoise", "span_length": value})
    with pytest.raises(SettingError, match="span_length"):
        TrainSettings.checked({"objective": "denoise", "span_length": float(value)})


def test_kept_weights_are_of_the_kind(special_run: Path, small: TrainSettings, tmp_path: Path) -> None:
    train_model(special_run, tmp_path / "m", settings_for("spans", small, steps=2))
    names = load_file(tmp_path / "m" / "model.safetensors")
    assert any(name.startswith("encoder.") for name in names)
    assert any(".cross." in name for name in names)
    document = json.loads((tmp_path / "m" / "model.json").read_text())
    assert document["model"]["kind"] == "encoder-decoder"


def test_the_averaged_weights_are_kept(run: Path, small: TrainSettings, tmp_path: Path) -> None:
    """Those that were measured, and not the ones that the run goes on with."""
    result = train_model(run, tmp_path / "m", TrainSettings.checked({**small.given(), "ema": 0.9}))
    folder = tmp_path / "m" / "checkpoints" / f"step-{result.step:08d}"
    state = load_file(folder / "optimizer.safetensors")
    kept, own = load_file(tmp_path / "m" / "model.safetensors"), load_file(folder / "model.safetensors")
    assert result.best_step == result.step
    assert all(torch.equal(kept[name], state[f"ema.{name}"]) for name in kept)
    assert not any(torch.equal(kept[name], own[name]) for name in kept)
