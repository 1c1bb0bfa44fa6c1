"""The benchmark of a model's parts: what it compares is of one size, and reads the same tokens."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks import parts
from benchmarks.parts import ENCODERS, FULL, PARTS, QUICK, Arm, Scale, compared_size, settings_of
from benchmarks.shakespeare import write_run
from corpuskit.train import TrainSettings
from corpuskit.train.corpus import Corpus
from corpuskit.train.model.cost import parameter_count
from corpuskit.train.model.transformer import ModelSettings
from corpuskit.train.settings.resolve import model_settings, resolve
from corpuskit.train.tasks.pretrain import Pretraining

SMALL = Scale(
    4,
    2,
    layers=2,
    width=64,
    hidden=128,
    context=16,
    depths=(2, 3),
    depth_steps=4,
    eval_tokens=512,
    batch_rows=4,
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    (folder / "text").write_text("Who goes there? Nay, answer me: stand, and unfold yourself.\n" * 200)
    write_run(folder / "text", folder / "run")
    return folder / "run"


def shape_of(arm: Arm, scale: Scale) -> ModelSettings:
    settings = resolve(TrainSettings(**settings_of(arm, scale, 0)), 10**6, "cpu", False)
    return model_settings(settings, 384)


def task_of(run: Path, arm: Arm, seed: int) -> Pretraining:
    corpus = Corpus(run)
    settings = TrainSettings(**settings_of(arm, SMALL, seed))
    return corpus.task(resolve(settings, corpus.shards.split("train").tokens, "cpu", False))


@pytest.mark.parametrize("scale", [QUICK, FULL, SMALL])
@pytest.mark.parametrize("arms", [PARTS, ENCODERS])
def test_what_is_compared_is_of_one_size(arms: tuple[Arm, ...], scale: Scale) -> None:
    first = shape_of(arms[0], scale)
    for arm in arms:
        shape = shape_of(arm, scale)
        assert abs(compared_size(shape) / compared_size(first) - 1) < parts.WITHIN
        more = scale.context * scale.width if shape.positions == "learned" else 0
        assert parameter_count(shape) == parameter_count(first) + more


def test_mlps_of_the_smaller_scale_have_24576_numbers() -> None:
    for arm in PARTS:
        shape = shape_of(arm, QUICK)
        assert (shape.width, shape.hidden) == (64, 128 if shape.is_gated else 192)
        assert (3 if shape.is_gated else 2) * shape.width * shape.hidden == 24_576


def test_each_arm_reads_the_same_tokens_in_the_same_order(run: Path) -> None:
    for seed in (0, 1):
        tasks = [task_of(run, arm, seed) for arm in PARTS]
        for step in (0, 3):
            batches = [task.batch(step, range(4)) for task in tasks]
            for batch in batches:
                assert all(torch.equal(batch[name], batches[0][name]) for name in ("ids", "targets"))


@pytest.mark.parametrize("arm", [PARTS[3], ENCODERS[2]], ids=lambda arm: arm.name)
def test_a_run_gives_its_figures_and_rows(run: Path, arm: Arm) -> None:
    figures = parts.trained(run, settings_of(arm, SMALL, 0))
    assert figures["begin stream 1"] == pytest.approx(figures["begin stream 2"])  # Outputs begin at zero.
    assert figures["end stream 1"] != pytest.approx(figures["begin stream 1"])
    assert figures["greatest gradient"] >= figures["gradient"] > 0
    assert figures["loss 1.0"] < 5.96  # ln 384 and what a few steps spare.
    first = {**figures, "loss 1.0": figures["loss 1.0"] + 0.5}
    found = {"first": [first, first], arm.name: [figures, {**figures, "loss 1.0": 9.0}]}
    row = parts._loss_row(arm.name, 1.0, found, 4, "four steps")
    assert row.value == pytest.approx((figures["loss 1.0"] + 9) / 2, rel=1e-4)
    assert "lower with 1 of 2 seeds" in row.note
    assert "beside first, standard error" in row.note
    rows = parts._block_rows(arm.name, found[arm.name], 2, "four steps")
    assert len({each.what for each in rows}) == len(rows) == 6
    [size] = parts._size_rows(arm.name, found, "first", "four steps")
    assert size.met is True


def test_gradients_by_block_are_those_of_the_loss(run: Path) -> None:
    """Moving what stands behind a block changes the loss by as much as its gradient says."""
    task = task_of(run, PARTS[0], 0)
    model = parts.Transformer(shape_of(PARTS[0], SMALL))
    parts.initialise(model, 1)
    batch = task.batch(0, range(4))
    found = parts.by_block(model, batch)
    loss = model.loss(**batch) / batch["targets"].numel()
    model.zero_grad()
    loss.backward()
    norms = [each.grad.norm() for each in model.decoder.blocks[1].parameters() if each.grad is not None]
    assert found["weights 2"] == pytest.approx(float(torch.stack(norms).norm()), rel=1e-4)
    gradient: list[torch.Tensor] = []
    hook = model.decoder.norm.register_full_backward_hook(lambda _, into, __: gradient.append(into[0]))
    model.loss(**batch).backward()
    hook.remove()
    each = gradient[0].square().sum(-1).mean().sqrt()
    assert found["pull 2"] == pytest.approx(float(each), rel=1e-4)
