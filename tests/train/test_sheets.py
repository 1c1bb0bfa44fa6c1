"""What comments of the sheets in ``pipelines/train`` say is what the code computes from their settings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from benchmarks.harness import read_rows
from benchmarks.sheets import short_settings
from corpuskit.train import TrainSettings
from corpuskit.train.data.objectives import Masked, Spans
from corpuskit.train.model.cost import Load, training_flops, training_memory
from corpuskit.train.model.transformer import ModelSettings
from corpuskit.train.settings.recipes import load_training_recipe, shipped
from corpuskit.train.settings.resolve import model_settings, regularise, resolve
from corpuskit.train.settings.tune import TuneSettings
from corpuskit.train.setup import usual_warmup

PIPELINES = Path(__file__).parents[2] / "pipelines"
NAMES = sorted(shipped())
GIB = 2**30
PLENTY = 10**9
"""Tokens of a corpus that shortens nothing."""


@dataclass(frozen=True)
class Sheet:
    """A sheet: what it says by the word at the beginning of a line, and its settings, resolved for a GPU."""

    said: dict[str, str]
    text: str
    settings: TrainSettings
    shape: ModelSettings

    @property
    def row(self) -> tuple[int, int, int, int | None]:
        """Tokens that a row reads, positions, those of a source, and positions that are predicted."""
        own = self.settings
        context = own.context or 0
        if own.objective == "causal":
            return context, context, 0, None
        if own.objective == "masked":
            task: Masked | Spans = Masked(context, 0, 3, (0, 3), self.shape.vocab_size, own.mask_rate)
        else:
            task = Spans(context, 0, tuple(range(20, 120)), own.span_density, own.span_length)
        batch = task.arrays(np.full((1, task.row_tokens), 500), [1])
        source = batch["source"].shape[1] if "source" in batch else 0
        return task.stride, batch["ids"].shape[1], source, batch["targets"].shape[1]


def read(name: str) -> Sheet:
    text = shipped()[name].read_text(encoding="utf-8")
    said: dict[str, str] = {}
    last = ""
    for line in text.splitlines():
        if found := re.match(r"#   (\w+(?: \w+)*?)  +(.+)", line):
            last, words = found.groups()
            said[last] = words
        elif last and (found := re.match(r"#  {8,}(.+)", line)):
            said[last] += f" {found[1]}"
        else:
            last = ""
    vocabulary = re.search(r"vocabulary(?: of)? ([\d,]+)|([\d,]+) ids", said["model"])
    assert vocabulary, name
    settings = resolve(TrainSettings.checked(load_training_recipe(name)), PLENTY, "cuda", True)
    settings = regularise(settings, 1.0)
    size = int((vocabulary[1] or vocabulary[2]).replace(",", ""))
    return Sheet(said, text, settings, model_settings(settings, size))


def is_said(number: str, value: float) -> bool:
    """Whether a number stands for a value: to the digits that it is written with.

    >>> is_said("2.6e9", 2_621_440_000), is_said("2.5e9", 2_621_440_000), is_said("82", 81.6)
    (True, False, True)
    """
    plain = number.replace(",", "").rstrip(".")
    mantissa, power, _ = plain.partition("e")
    decimals = len(mantissa.partition(".")[2])
    return (
        f"{value:.{decimals}{'e' if power else 'f'}}" == f"{float(plain):.{decimals}{'e' if power else 'f'}}"
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_model_is_that_of_the_settings(name: str) -> None:
    sheet = read(name)
    layers, width = re.findall(r"(\d+) layers of ([\d,]+)", sheet.said["model"])[0]
    assert (int(layers), int(width.replace(",", ""))) == (sheet.shape.layers, sheet.shape.width)
    for heads in re.findall(r"(\d+) heads", sheet.said["model"]):
        assert int(heads) == sheet.shape.heads
    for keys in re.findall(r"(\d+) of keys and values", sheet.said["model"]):
        assert int(keys) == sheet.shape.kv_heads
    assert sheet.shape.kind in sheet.said["model"] or sheet.shape.kind in sheet.text.splitlines()[0]
    assert ("RMSNorm" in sheet.said["model"]) <= (sheet.shape.norm == "rms")
    assert ("GeGLU" in sheet.said["model"]) <= (sheet.shape.activation == "geglu")
    assert (", tied" in sheet.said["model"].partition("(")[0]) <= sheet.shape.tie_embeddings


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_and_what_is_seen_are_those_of_the_settings(name: str) -> None:
    sheet, own = read(name), read(name).settings
    rows, context, steps = own.batch_rows or 0, own.context or 0, own.steps or 0
    if own.objective == "spans":
        assert sheet.said["batch"].startswith(f"{rows} rows with a source of up to {context} tokens")
    else:
        assert sheet.said["batch"].startswith(f"{rows:,} x {context:,} = {rows * context:,} ")
    found = re.match(r"([\d,]+) steps, (?:about )?([\d.,e]+) (?:token|character)s", sheet.said["seen"])
    assert found, sheet.said["seen"]
    seen = steps * rows * sheet.row[0]
    assert is_said(found[1], steps)
    assert is_said(found[2], seen), seen
    epochs = re.search(r"([\d.]+) epochs", sheet.said["seen"])
    learnt = re.search(r"([\d,]+) (?:training tokens|characters to learn from)", sheet.said["data"])
    assert bool(epochs) == bool(learnt)
    if epochs and learnt:
        assert is_said(epochs[1], seen / int(learnt[1].replace(",", "")))


@pytest.mark.parametrize("name", NAMES)
def test_rate_and_what_holds_back_are_the_settings(name: str) -> None:
    sheet, own = read(name), read(name).settings
    rate = sheet.said["rate"]
    assert float(rate.split()[0].rstrip(":,")) == own.learning_rate
    for steps in re.findall(r"warm-up (\d+) steps", rate):
        usual = usual_warmup(own.steps or 0)
        assert int(steps) == (usual if own.warmup_steps is None else own.warmup_steps)
    assert ("cosine" in rate) == (own.schedule == "cosine")
    assert ("a line to zero" in rate) <= (own.schedule == "wsd")
    for share in re.findall(r"the last (\d+) %", rate):
        assert int(share) == round(100 * own.decay_share)
    for beta in re.findall(r"beta2 ([\d.]+\d)", rate):
        assert float(beta) == own.beta2
    for clip in re.findall(r"clipped at ([\d.]+)", rate):
        assert float(clip) == own.clip
    if "held back" in sheet.said:
        held = sheet.said["held back"]
        dropout = re.search(r"dropout ([\d.]+\d)", held)
        assert (float(dropout[1]) if dropout else 0.0) == own.dropout
        assert bool(dropout) != ("no dropout" in held)
        [decay] = re.findall(r"weight decay ([\d.]+\d)", held)
        assert float(decay) == own.weight_decay
    for share in re.findall(r"(\d+) % of the tokens", sheet.said.get("hidden", "")):
        assert int(share) == round(100 * own.mask_rate)
    for share, length in re.findall(
        r"(\d+) % of its tokens are taken out in spans of (\d)", sheet.said["data"]
    ):
        assert (int(share), float(length)) == (round(100 * own.span_density), own.span_length)


@pytest.mark.parametrize("name", NAMES)
def test_work_and_memory_are_as_the_code_counts_them(name: str) -> None:
    sheet, own = read(name), read(name).settings
    _, positions, source, predicted = sheet.row
    rows, parts = own.batch_rows or 0, own.micro_batch_rows or 0
    for number in re.findall(r"([\d.]+e\d+) operations", sheet.said["expect"]):
        work = training_flops(sheet.shape, positions, source, predicted) * rows * (own.steps or 0)
        assert is_said(number, work), work
    said = re.search(r"([\d.]+) GiB on (?:a GPU|each of (\d+) GPUs) in bf16", sheet.said["expect"])
    if said:
        ranks = int(said[2] or 1) if own.parallel == "fsdp" else 1
        load = Load(
            parts,
            positions,
            source,
            predicted,
            documents=own.document_mask,
            accumulates=parts < rows,
            bf16=True,
            checkpointing=own.recompute,
            optimizer=own.optimizer,
            ema=own.ema > 0,
            ranks=ranks,
            device="cuda",
        )
        assert is_said(said[1], (found := training_memory(sheet.shape, load).total / GIB)), found


SHEETS = [path for kind in ("train", "finetune") for path in sorted(PIPELINES.glob(f"{kind}/*.yaml"))]


@pytest.mark.parametrize("path", SHEETS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_settings_in_comments_are_known(path: Path) -> None:
    """``--set NAME=`` and ``NAME=VALUE`` in a comment name settings that there are."""
    known = {*TrainSettings.model_fields, *TuneSettings.model_fields}
    comments = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    assert comments
    for line in comments:
        for name in re.findall(r"(?:--set |[ (])([a-z]\w+)=[\w.]+", line):
            assert name in known, line


MEASURED = {row.what: row for row in read_rows(PIPELINES.parent / "benchmarks" / "results" / "sheets.json")}


@pytest.mark.parametrize("name", NAMES)
def test_a_short_form_is_what_was_measured(name: str) -> None:
    row = MEASURED[f"{name}: held-out loss"]
    assert f"held-out loss {row.value:.3f} nats" in read(name).said["short"]
    steps = 300
    assert f"{steps} steps" in row.input
    assert (f"after {steps} steps" in read(name).said["short"]) == (name != "tiny")
    assert short_settings(name).steps == steps


@pytest.mark.parametrize("name", NAMES)
def test_how_long_the_long_form_takes_follows_from_its_work(name: str) -> None:
    said = read(name).said.get("long form")
    if said is None:  # It is measured, as its sheet tells elsewhere.
        assert name in ("tiny", "austen-15m")
        return
    assert said.startswith("computed: ")
    work, devices = re.findall(r"([\d.]+e\d+) operations over (?:(\d+) x )?1e14", said)[0]
    assert work in read(name).said["expect"]
    for speed, number, unit in [
        (int(devices or 1) * 1e14, *re.findall(r"= (\d+) (\w+)", said)[0]),
        *((1e11, *found) for found in re.findall(r"1e11 on two cores (\d+) (\w+)", said)),
    ]:
        seconds = {"seconds": 1, "minutes": 60, "hours": 3600}[unit]
        assert round(float(work) / speed / seconds) == int(number)
