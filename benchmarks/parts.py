"""Why a model is built as it is: each part exchanged, at equal parameters and equal tokens.

    python -m benchmarks.parts [--quick] [--only GROUP]... [--json FILE]

All models read the same Shakespeare, byte by byte, the same rows in the same order, and differ in one part
from a decoder as it is when nobody says otherwise (swiglu, rope, LayerNorm). An MLP without a gate is half as
wide again, see `equal_hidden`. Groups:

    parts      activation, positions and norm, one at a time: held-out loss on the way and at the end, and the
               norms of activations and gradients, block by block, at the beginning and at the end
    encoders   the positions of an encoder that learns from masked tokens
    rates      the same decoders at half, twice and four times the rate: whether their order hangs on it
    initial    zeroed outputs or not, by depth

What is claimed for a part is not a bar here: a row says what was found. The only bar is that what is compared
is of one size. Single runs are kept until their group is done, so that an interrupted benchmark goes on.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.adapt_arms import Kept
from benchmarks.harness import OURS, Options, Row, run_benchmark
from benchmarks.shakespeare import TEXT, write_run
from corpuskit.train import LanguageModel, TrainSettings, train_model
from corpuskit.train.corpus import Corpus
from corpuskit.train.model.cost import parameter_count
from corpuskit.train.model.loss import IGNORED, linear_cross_entropy
from corpuskit.train.model.transformer import ModelSettings, Transformer, initialise
from corpuskit.train.settings.resolve import equal_hidden
from corpuskit.train.tasks.task import Tensors

CURVE = tuple(tenth / 10 for tenth in range(1, 11))
"""Shares of a run after which it is measured; all of them stand in the note of its last loss."""

POINTS = (0.1, 0.2, 0.5, 1.0)
"""Those of them that have rows of their own."""

WITHIN = 0.01
"""By so much the parameters of models that are compared may differ, tables of tokens and positions aside."""


@dataclass(frozen=True)
class Scale:
    """How much is done: the shape of each model, its steps and seeds, held-out tokens of a measurement."""

    steps: int
    seeds: int
    layers: int
    width: int
    hidden: int
    context: int
    depths: tuple[int, ...]
    depth_steps: int
    eval_tokens: int
    rate: float = 4e-3
    batch_rows: int = 16


QUICK = Scale(
    120, 2, layers=2, width=64, hidden=128, context=64, depths=(4, 12), depth_steps=60, eval_tokens=8192
)
FULL = Scale(
    600,
    5,
    layers=4,
    width=128,
    hidden=256,
    context=128,
    depths=(4, 8, 16, 24),
    depth_steps=200,
    eval_tokens=32_768,
)


@dataclass(frozen=True)
class Arm:
    """A model that is compared: its name, and its settings that differ from those of the first."""

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)


PARTS = (
    Arm("swiglu, rope, layer"),
    *(Arm(name, {"activation": name}) for name in ("geglu", "gelu", "relu", "relu2")),
    Arm("positions learned", {"positions": "learned"}),
    Arm("positions none", {"positions": "none"}),
    Arm("norm rms", {"norm": "rms"}),
)
ENCODERS = tuple(
    Arm(f"encoder, positions {name}", {"objective": "masked", "positions": name})
    for name in ("rope", "learned", "none")
)
RATES = (0.5, 1.0, 2.0, 4.0)


def settings_of(arm: Arm, scale: Scale, seed: int) -> dict[str, Any]:
    """Settings of a run: of equal shape but for the part, with as many numbers in each MLP."""
    activation = arm.changes.get("activation", "swiglu")
    shape = {"layers": scale.layers, "width": scale.width, "heads": 4, "context": scale.context}
    length = {"batch_rows": scale.batch_rows, "steps": scale.steps, "eval_every": max(1, scale.steps // 10)}
    told = {"patience": 0, "eval_tokens": scale.eval_tokens, "sample_at": (scale.steps,)}
    rest = {"device": "cpu", "compile": "off", "precision": "fp32", "dropout": 0.0, "weight_decay": 0.1}
    return {
        **shape,
        **length,
        **told,
        **rest,
        "hidden": equal_hidden(activation, scale.hidden),
        "learning_rate": scale.rate,
        "seed": seed,
        **arm.changes,
    }


def compared_size(shape: ModelSettings) -> int:
    """Parameters of a model without its tables of tokens and positions."""
    none = ModelSettings(**{**asdict(shape), "positions": "none"})
    tables = (1 if shape.tie_embeddings else 2) * shape.padded_vocab_size * shape.width
    return parameter_count(none) - tables


# ----------------------------------------------------------------------------------------- single runs
def trained(run: Path, values: Mapping[str, Any]) -> dict[str, float]:
    """Figures of one run: losses on the way, gradients, and both by block before and after it."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "model"
        train_model(run, out, TrainSettings(**values))
        lines = (out / "logs" / "train.jsonl").read_text(encoding="utf-8").splitlines()
        model = LanguageModel.load(out).model
        done = TrainSettings.checked(json.loads((out / "model.json").read_text())["training"]["settings"])
    events = [json.loads(line) for line in lines]
    losses = {each["step"]: each["loss"] for each in events if each["event"] == "validation"}
    norms = [each["gradient_norm"] for each in events if each["event"] == "step"]
    batch = Corpus(run).task(done).batch(0, range(values["batch_rows"]))
    begun = Transformer(model.settings)
    initialise(begun, values["seed"])
    return {
        **{f"loss {share}": losses[_nearest(losses, share * values["steps"])] for share in CURVE},
        "gradient": statistics.median(norms),
        "greatest gradient": max(norms),
        "parameters": parameter_count(model.settings),
        "compared parameters": compared_size(model.settings),
        **{f"begin {name}": each for name, each in by_block(begun, batch).items()},
        **{f"end {name}": each for name, each in by_block(model, batch).items()},
    }


def _nearest(steps: Mapping[int, float], wanted: float) -> int:
    return min(steps, key=lambda step: (abs(step - wanted), step))


def by_block(model: Transformer, batch: Tensors) -> dict[str, float]:
    """Of one batch, without dropout: what each block leaves in the stream, and the gradients in each.

    "stream N" is the root mean square behind block N, "pull N" the norm there of the gradient of the summed
    loss, as the root mean square over positions, and "weights N" the norm of the gradient of the mean loss
    with respect to the block's own weights; N from 1.
    """
    model.eval().zero_grad()
    kept: list[Tensor] = []
    arguments = {name: each for name, each in batch.items() if name != "targets"}
    states = model.head_states(**arguments, kept=kept)
    for each in kept:
        each.retain_grad()
    targets = batch["targets"].flatten()
    count = int((targets != IGNORED).sum())
    loss = linear_cross_entropy(states, model.token_weight, targets, model.token_losses) / count
    loss.backward()  # type: ignore[no-untyped-call]
    stack = model.encoder if model.settings.kind == "encoder" else model.decoder
    found: dict[str, float] = {}
    for number, (block, stream) in enumerate(zip(stack.blocks, kept, strict=True), 1):
        assert stream.grad is not None
        gradients = [each.grad for each in block.parameters() if each.grad is not None]
        found[f"stream {number}"] = float(stream.detach().square().mean().sqrt())
        positions = stream.shape[0] * stream.shape[1]
        found[f"pull {number}"] = float(stream.grad.norm()) * count / math.sqrt(positions)
        found[f"weights {number}"] = float(torch.stack([each.norm() for each in gradients]).norm())
    return found


Found = dict[str, list[dict[str, float]]]


def measured(options: Options, group: str, arms: Sequence[Arm], scale: Scale) -> Found:
    """Figures of each arm, seed by seed; in turns, so that a busy moment falls on all."""
    kept, found = Kept(f"parts-{group}", options.quick), Found()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        write_run(options.corpora / TEXT, run)
        for seed in range(scale.seeds):
            for arm in arms:
                values = settings_of(arm, scale, seed)
                what = {"arm": arm.name, **values}
                found.setdefault(arm.name, []).append(kept.get(what, partial(trained, run, values)))
    kept.done()
    return found


# -------------------------------------------------------------------------------------------- the rows
def compared(options: Options, group: str, arms: Sequence[Arm]) -> list[Row]:
    """Rows of arms, the first of which the others are compared with."""
    scale = QUICK if options.quick else FULL
    found = measured(options, group, arms, scale)
    given = _described(scale, scale.layers, scale.steps)
    rows = [row for arm in arms for row in _size_rows(arm.name, found, arms[0].name, given)]
    for share in POINTS:
        rows += [_loss_row(name, share, found, scale.steps, given) for name in found]
    rows += [_step_row(name, found, given) for name in found]
    return rows + [row for name in found for row in _block_rows(name, found[name], scale.layers, given)]


def _size_rows(name: str, found: Found, first: str, given: str) -> list[Row]:
    size, beside = (found[each][0]["compared parameters"] for each in (name, first))
    note = f"{found[name][0]['parameters']:,.0f} with tables; {size / beside - 1:+.2%} beside {first}"
    bar, met = f"within {WITHIN:.0%} of {first}", abs(size / beside - 1) < WITHIN
    what = f"parameters without tables of tokens and positions, {name}"
    return [Row(what, OURS, size, "numbers", None, None, bar, met, given, note)]


def _values(found: Found, name: str, figure: str) -> list[float]:
    return [each[figure] for each in found[name]]


def _loss_row(name: str, share: float, found: Found, steps: int, given: str) -> Row:
    """The mean of a loss over seeds with its spread, and the difference to the first arm seed by seed."""
    first, note = next(iter(found)), ""
    values, theirs = (_values(found, each, f"loss {share}") for each in (name, first))
    if name != first:
        differences = [one - other for one, other in zip(values, theirs, strict=True)]
        error = statistics.stdev(differences) / math.sqrt(len(differences)) if len(differences) > 1 else 0.0
        note = (
            f"{statistics.mean(differences):+.4f} beside {first}, standard error {error:.4f}, lower with "
            f"{sum(each < 0 for each in differences)} of {len(differences)} seeds"
        )
    if share == CURVE[-1]:
        note += f"{'; ' if note else ''}on the way {_curve(found[name], steps)}"
    what = f"held-out loss after {round(share * steps):,} steps, {name}"
    return _plain(what, values, "nats", given, note)


def _curve(runs: Sequence[Mapping[str, float]], steps: int) -> str:
    """Steps and losses, each as its mean, least and greatest over the seeds."""
    each = {share: [run[f"loss {share}"] for run in runs] for share in CURVE}
    return ", ".join(
        f"{round(share * steps)}: {statistics.mean(losses):.3f} ({min(losses):.3f} to {max(losses):.3f})"
        for share, losses in each.items()
    )


def _step_row(name: str, found: Found, given: str) -> Row:
    note = f"the greatest of all steps {max(_values(found, name, 'greatest gradient')):.3g}"
    values = _values(found, name, "gradient")
    return _plain(f"median gradient norm of a step, {name}", values, "norm", given, note)


def _plain(what: str, values: Sequence[float], unit: str, given: str, note: str = "") -> Row:
    spread = f"{min(values):.4g} to {max(values):.4g} over {len(values)} seeds"
    said = f"{spread}; {note}" if note else spread
    return Row(what, OURS, float(f"{statistics.mean(values):.5g}"), unit, input=given, note=said)


def _block_rows(name: str, runs: Sequence[Mapping[str, float]], layers: int, given: str) -> list[Row]:
    """What stands behind each block, at the beginning and at the end; the value is the last block's."""
    rows = []
    for when in ("begin", "end"):
        for figure, words in (
            ("stream", "activations, root mean square behind the last block"),
            ("pull", "gradient of the loss of a position behind the last block"),
            ("weights", "gradient of the last block's weights"),
        ):
            each = [
                statistics.mean(run[f"{when} {figure} {number}"] for run in runs)
                for number in range(1, layers + 1)
            ]
            blocks = "block by block " + ", ".join(f"{value:.3g}" for value in each)
            what = f"{words}, at the {'beginning' if when == 'begin' else 'end'}, {name}"
            values = [run[f"{when} {figure} {layers}"] for run in runs]
            rows.append(_plain(what, values, "norm", given, blocks))
    return rows


def _described(scale: Scale, layers: int, steps: int) -> str:
    tokens = steps * scale.batch_rows * scale.context
    return (
        f"Shakespeare, bytes; {layers} layers of {scale.width}, context {scale.context}, {steps} steps, "
        f"{tokens:,} tokens"
    )


# ------------------------------------------------------------------------------------------ the groups
def parts(options: Options) -> list[Row]:
    """Activation, positions and norm of a decoder, one at a time."""
    return compared(options, "parts", PARTS)


def encoders(options: Options) -> list[Row]:
    """The positions of an encoder."""
    return compared(options, "encoders", ENCODERS)


def rates(options: Options) -> list[Row]:
    """The decoders of `parts` at other rates, one seed each: what is best of each, and at which rate."""
    scale = QUICK if options.quick else FULL
    arms = [
        Arm(f"{arm.name} x{rate}", {**arm.changes, "learning_rate": rate * scale.rate})
        for arm in PARTS
        for rate in RATES
    ]
    one = Scale(**{**asdict(scale), "seeds": 1})
    found = measured(options, "rates", arms, one)
    rows = []
    for arm in PARTS:
        losses = {rate: found[f"{arm.name} x{rate}"][0]["loss 1.0"] for rate in RATES}
        best = min(losses, key=lambda rate: (losses[rate], rate))
        note = f"at {best:g} times the rate of {scale.rate:g}; " + ", ".join(
            f"x{rate:g} {loss:.4f}" for rate, loss in losses.items()
        )
        what = f"least held-out loss of {len(RATES)} rates, {arm.name}"
        given = _described(scale, scale.layers, scale.steps)
        rows.append(Row(what, OURS, round(losses[best], 4), "nats", input=given, note=note))
    return rows


def initial(options: Options) -> list[Row]:
    """Zeroed outputs or not, at each depth."""
    scale, rows = QUICK if options.quick else FULL, []
    for depth in scale.depths:
        deep = {"layers": depth, "width": 64, "hidden": 128, "context": 64, "steps": scale.depth_steps}
        at = Scale(**{**asdict(scale), **deep})
        arms = [
            Arm(f"{depth} layers, outputs {'zeroed' if zeroed else 'scaled'}", {"zero_init": zeroed})
            for zeroed in (True, False)
        ]
        found = measured(options, f"initial-{depth}", arms, at)
        given = _described(at, depth, at.steps)
        for arm in arms:
            rows += [_loss_row(arm.name, share, found, at.steps, given) for share in POINTS]
            rows += [_step_row(arm.name, found, given), *_block_rows(arm.name, found[arm.name], depth, given)]
    return rows


GROUPS = {"parts": parts, "encoders": encoders, "rates": rates, "initial": initial}

if __name__ == "__main__":
    sys.exit(run_benchmark("parts", GROUPS))
