"""The trainer on a CPU, against nanoGPT and litgpt: ``python -m benchmarks.train_cpu --peers PYTHON``.

Groups of rows: see `GROUPS`. The peers' Python needs torch and, for `speed`, litgpt; nanoGPT is no package:
the environment's NANOGPT names the folder of its source.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.harness import (
    OURS,
    Bar,
    MissingError,
    Options,
    Row,
    compare,
    peer_versions,
    run_benchmark,
    time_functions,
)
from benchmarks.measure import measure_command
from benchmarks.shakespeare import TEXT, write_run

ROUNDS = 3
SHAPES: dict[str, dict[str, Any]] = {
    "0.8M parameters, 12 x 64 tokens": {
        "layers": 4,
        "width": 128,
        "heads": 4,
        "context": 64,
        "rows": 12,
        "vocab_size": 128,
        "steps": 100,
    },
    "6.8M parameters, 8 x 256 tokens": {
        "layers": 6,
        "width": 256,
        "heads": 4,
        "context": 256,
        "rows": 8,
        "vocab_size": 8192,
        "steps": 12,
    },
}
NANOGPT_STEPS = 2000
QUICK_STEPS = 200


def sets(**values: float | str) -> tuple[str, ...]:
    """Settings as `corpuskit train` takes them."""
    return tuple(part for name, value in values.items() for part in ("--set", f"{name}={value}"))


SMALL = sets(layers=4, width=128, heads=4, context=64, dropout=0, weight_decay=0.1, warmup_steps=10)
PRESET = SMALL + sets(
    layers=2,
    warmup_steps=5,
    batch_rows=14,
    learning_rate=5e-3,
    muon_rate=1e-2,
    steps=250,
    eval_every=250,
    sample_at=1000,
)
"""Settings of ours for the first row of Shakespeare, chosen on the last tenth of the training text: fewer
layers than nanoGPT's four, since a step of two takes little more than half as long and learns as much."""

TEN_MINUTES = sets(
    layers=4,
    width=256,
    heads=4,
    context=256,
    batch_rows=12,
    dropout=0.1,
    weight_decay=0.1,
    patience=0,
    learning_rate=2e-3,
    muon_rate=5e-3,
    minutes=9.6,
    eval_tokens=20_000,
)
"""Not tuned: a prototype's shape and rates."""

COMPARED = SMALL + sets(batch_rows=12, steps=400, eval_every=10, eval_tokens=10_000, patience=0)
RATES = {
    "Muon": [
        sets(optimizer="muon", learning_rate=rate, muon_rate=2 * rate) for rate in (5e-4, 1e-3, 2e-3, 4e-3)
    ],
    "AdamW": [sets(optimizer="adamw", learning_rate=rate) for rate in (5e-4, 1e-3, 2e-3, 4e-3)],
}
"""What the optimizers' rates are chosen from, on the last tenth of the training text."""
SEEDS, TARGET_LOSS = (1, 2, 3), 2.0


def nanogpt() -> Path:
    """The folder of nanoGPT's source; raises `MissingError` with the remedy where it is missing."""
    folder = Path(os.environ.get("NANOGPT", ""))
    if not (folder / "model.py").is_file():
        raise MissingError(
            f"NANOGPT is {folder}, which holds no model.py: clone https://github.com/karpathy/nanoGPT "
            "and name its folder"
        )
    return folder


# -------------------------------------------------------------------------------------------- speed


def speed(options: Options) -> list[Row]:
    """Tokens a second of whole training steps, the same shape for all; sides take turns."""
    peers, folder = options.require_peers("torch", "litgpt"), nanogpt()
    (version,) = peer_versions(peers, ["litgpt"])
    rows = []
    for title, shape in SHAPES.items():
        for precision in ("fp32", "bf16"):
            for peer, name in (("nanogpt", "nanoGPT"), ("litgpt", f"litgpt {version}")):
                # litgpt's head is a matrix of its own.
                said = json.dumps(
                    {**shape, "precision": precision, "tied": peer == "nanogpt", "folder": str(folder)}
                )
                ours = [sys.executable, "-m", "benchmarks.train_steps", said]
                theirs = [str(peers), str(Path(__file__).parent / "peers" / "train_steps.py"), peer, said]
                times = take_turns(ours, theirs, 1 if options.quick else ROUNDS)
                tokens = shape["rows"] * shape["context"]
                rows += compare(
                    f"tokens a second, {title}, {precision}, as {name}",
                    tokens / times[0],
                    {name: tokens / times[1]},
                    unit="tokens/s",
                    better="higher",
                    input=f"{title}, random tokens, medians of {shape['steps']} steps",
                    bar=Bar(1),
                )
    return rows


def take_turns(ours: Sequence[str], theirs: Sequence[str], rounds: int) -> tuple[float, float]:
    """Median seconds of a step of both sides, over as many processes each."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for side, command in zip(seconds, (ours, theirs), strict=True):
            answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            side.append(statistics.median(json.loads(answer)["seconds"]))
    return statistics.median(seconds[0]), statistics.median(seconds[1])


def attention(options: Options) -> list[Row]:
    """Attention in bfloat16, forward and backward: the way that is taken, against the other one.

    Up to `SMALL` positions it is multiplied out, above them PyTorch's fused kernel computes it.
    """
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    from corpuskit.train.model.transformer import SMALL, Sight, attend, attend_by_products

    rows = []
    for positions in (64, 128, SMALL, 2 * SMALL):
        shape = (2048 // positions, 6, positions, 64)
        q, k, v = (torch.randn(shape, dtype=torch.bfloat16, requires_grad=True) for _ in range(3))

        ways = {
            "fused": lambda q=q, k=k, v=v: scaled_dot_product_attention(q, k, v, is_causal=True),
            "products": lambda q=q, k=k, v=v: attend_by_products(q, k, v, Sight(True)),
            OURS: lambda q=q, k=k, v=v: attend(q, k, v, Sight(True)),
        }
        name = "fused" if positions <= SMALL else "products"
        timed = time_functions(
            {each: lambda way=ways[each]: way().sum().backward() for each in (OURS, name)},
            runs=3 if options.quick else 15,
        )
        rows += compare(
            f"attention in bfloat16 on a CPU, {positions} positions",
            1e3 * timed[OURS].wall_s,
            {name: 1e3 * timed[name].wall_s},
            unit="ms",
            better="lower",
            input=f"{shape[0]} rows of 6 heads of 64, forward and backward",
            bar=Bar(1),
        )
    return rows


# -------------------------------------------------------------------------------------- shakespeare


def shakespeare(options: Options) -> list[Row]:
    """Time from process start to nanoGPT's last validation loss, whole split, windows that do not overlap."""
    text = options.corpora / TEXT
    command = [
        str(options.require_peers("torch")),
        str(Path(__file__).parent / "peers" / "nanogpt_shakespeare.py"),
    ]
    command += [str(nanogpt()), str(text), str(QUICK_STEPS if options.quick else NANOGPT_STEPS)]
    ours: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory(prefix="train-cpu-") as name:
        folder = Path(name)
        write_run(text, folder / "run")
        answer = folder / "answer.json"
        for _ in range(1 if options.quick else ROUNDS):
            usage = measure_command(["sh", "-c", f'"$@" > {answer}', "sh", *command])
            _check(usage.exit_code, command)
            theirs.append((usage.wall_s, json.loads(answer.read_text().splitlines()[-1])["loss"]))
            ours.append(train_command(folder, PRESET))
    (seconds, loss), (their_seconds, their_loss) = (
        [statistics.median(each) for each in zip(*side, strict=True)] for side in (ours, theirs)
    )
    singles = "; ".join(
        f"{who} {', '.join(f'{each:.1f}' for each, _ in side)} s"
        for who, side in (("ours", ours), ("nanoGPT", theirs))
    )
    rows = compare(
        "tiny Shakespeare: from process start to nanoGPT's last validation loss",
        seconds,
        {"nanoGPT, its recipe for a CPU": their_seconds},
        unit="s",
        better="lower",
        input="1.1 MB of text, characters, 90 % to train on; medians of runs in turns",
        bar=Bar(4),
        note=f"validation loss {loss:.4f} of ours, {their_loss:.4f} of nanoGPT's; single runs: {singles}",
    )
    return rows if loss <= their_loss else [replace(rows[0], met=False), *rows[1:]]


def ten_minutes(options: Options) -> list[Row]:
    """Validation loss of tiny Shakespeare after ten minutes, process start and last measurement included."""
    with tempfile.TemporaryDirectory(prefix="train-cpu-") as name:
        write_run(options.corpora / TEXT, Path(name) / "run")
        seconds, loss = train_command(Path(name), TEN_MINUTES)
        return [
            Row(
                what="tiny Shakespeare: validation loss after ten minutes",
                tool=OURS,
                value=loss,
                unit="nats",
                bar="value at most 1.5",
                met=loss <= 1.5,
                input="1.1 MB of text, characters, 90 % to train on",
                note=f"{seconds:.0f} s; nanoGPT states 1.4697 for some 3 minutes on an A100",
            )
        ]


def optimizers(options: Options) -> list[Row]:
    """Steps until tiny Shakespeare's validation loss is reached, by Muon and by AdamW; three seeds."""
    target = 2.2 if options.quick else TARGET_LOSS
    found: dict[str, list[float]] = {}
    ends: dict[str, list[float]] = {}
    chosen = {}
    with tempfile.TemporaryDirectory(prefix="train-cpu-") as name:
        folder, tuning = Path(name) / "measured", Path(name) / "tuned"
        write_run(options.corpora / TEXT, folder / "run")
        write_run(options.corpora / TEXT, tuning / "run", held_back=True)
        for optimizer, choices in RATES.items():
            offered = choices[2:3] if options.quick else choices
            tried = [train_command(tuning, [*COMPARED, *rates])[1] for rates in offered]
            best = offered[tried.index(min(tried))]
            chosen[optimizer] = " ".join(best[3::2])
            for seed in SEEDS[:1] if options.quick else SEEDS:
                _, loss = train_command(folder, [*COMPARED, *best, "--seed", str(seed)])
                ends.setdefault(optimizer, []).append(loss)
                found.setdefault(optimizer, []).append(_steps_to(folder / "model", target))
    notes = [
        f"{each}, {chosen[each]}: by seed {', '.join(f'{v:g}' for v in found[each])}; losses at the end "
        + ", ".join(f"{v:.3f}" for v in ends[each])
        for each in RATES
    ]
    return compare(
        f"tiny Shakespeare: steps to a validation loss of {target}",
        statistics.median(found["Muon"]),
        {f"{OURS}, AdamW": statistics.median(found["AdamW"])},
        unit="steps",
        better="lower",
        input="0.9M parameters, 12 x 64 characters a batch, 400 steps, measured every 10; median of 3 seeds",
        note="; ".join(notes) + ". Rates are the best of four on the last tenth of the training text",
    )


def _steps_to(model: Path, target: float) -> float:
    """The first step after which the validation loss is no greater; raises RuntimeError if none is."""
    lines = (model / "logs" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines]
    steps = [e["step"] for e in events if e["event"] == "validation" and e["loss"] <= target]
    if not steps:
        raise RuntimeError(f"{model}: no validation loss of {target} or less; raise TARGET_LOSS")
    return float(min(steps))


def train_command(folder: Path, settings: Sequence[str]) -> tuple[float, float]:
    """Seconds of `corpuskit train` as a process, and the loss on the whole validation split."""
    program = [sys.executable, "-m", "corpuskit", "train", str(folder / "run"), "--quiet"]
    command = [*program, "--out", str(folder / "model"), "--overwrite", *settings]
    usage = measure_command(command)
    _check(usage.exit_code, command)
    document = json.loads((folder / "model" / "model.json").read_text(encoding="utf-8"))
    return usage.wall_s, float(document["training"]["validation_loss"])


def _check(code: int, command: Sequence[str]) -> None:
    if code:
        raise RuntimeError(f"exit code {code}: {' '.join(command)}")


GROUPS = {
    "speed": speed,
    "attention": attention,
    "shakespeare": shakespeare,
    "optimizers": optimizers,
    "ten_minutes": ten_minutes,
}

if __name__ == "__main__":
    sys.exit(run_benchmark("train_cpu", GROUPS))
