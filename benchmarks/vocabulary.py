"""How large a vocabulary should be: the advice of the report, held against models trained here.

    python -m benchmarks.vocabulary [--quick] [--json FILE]

Models of one shape, of a vocabulary of about the advised size and of larger ones, are trained with the
same computation, 6 (N + ids x width) operations a token, where N are the parameters beside the vocabulary: a
larger table reads fewer tokens of more bytes each. Bits per byte are of held-out text. Tables are tied here,
and N is far below what the laws were fitted on; so whether they hold is what is measured.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.harness import OURS, Options, Row, run_benchmark
from corpuskit.build.build import build_corpus
from corpuskit.build.write.write_shards import WriteShards
from corpuskit.sources.gutenberg.source import Gutenberg
from corpuskit.stages.normalize.unicode import Unicode
from corpuskit.tokenizer.compress import advise
from corpuskit.tokenizer.train import TrainTokenizer
from corpuskit.train import LanguageModel, TrainSettings, train_model

WIDTH, CONTEXT, ROWS = 128, 128, 8
BOOKS = ("000??_*",)
"""The 28 books of the corpora with the smallest numbers, in English."""


@dataclass(frozen=True)
class Scale:
    """What is trained.

    Attributes:
        layers: of all models.
        operations: of a model's whole training.
        sizes: vocabularies beside the advised one.
        seeds: trainings of each.
    """

    layers: int
    operations: float
    sizes: tuple[int, ...]
    seeds: tuple[int, ...]


FULL = Scale(3, 3e12, (2048, 8192, 16384), (1, 2))
QUICK = Scale(2, 6e11, (2048, 8192), (1,))


def shape(scale: Scale, steps: int, seed: int) -> TrainSettings:
    """Settings of a model."""
    model = {"layers": scale.layers, "width": WIDTH, "heads": 4, "context": CONTEXT, "tie_embeddings": True}
    length = {"steps": steps, "batch_rows": ROWS, "eval_every": steps, "patience": 0}
    return TrainSettings(**model, **length, learning_rate=3e-3, seed=seed, precision="fp32", dropout=0.0)


def beside(scale: Scale) -> int:
    """Parameters beside the vocabulary: four matrices for attention, three of 8/3 the width."""
    return scale.layers * 12 * WIDTH * WIDTH


def build(corpora: Path, size: int, folder: Path) -> Path:
    """A run of English books with a vocabulary of this size."""
    source = Gutenberg(path=str(corpora / "gutenberg"), include=BOOKS)
    tokenizer = TrainTokenizer(vocab_size=size)
    shards = WriteShards(split={"validation": 0.02})
    build_corpus([source, Unicode(), tokenizer, shards], folder / str(size))
    return folder / str(size)


def bits(run: Path, out: Path, scale: Scale, size: int, seed: int) -> tuple[float, int, int]:
    """Bits per byte of the held-out text, steps, and the parameters that were learnt."""
    cost = 6 * (beside(scale) + size * WIDTH) * ROWS * CONTEXT
    steps = max(1, round(scale.operations / cost))
    result = train_model(run, out, shape(scale, steps, seed))
    assert result.bits_per_byte is not None
    parameters = sum(each.numel() for each in LanguageModel.load(out).model.parameters())
    return result.bits_per_byte, steps, parameters


def rounded(size: int) -> int:
    """The nearest multiple of 128 that a vocabulary can have."""
    return max(512, round(size / 128) * 128)


def measure(size: int, scale: Scale, corpora: Path, advised: int) -> Row:
    """The row of one size."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        run = build(corpora, size, folder)
        found = [bits(run, folder / f"model-{seed}", scale, size, seed) for seed in scale.seeds]
    values = [value for value, _, _ in found]
    spread = f", spread {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    said = "the advised size" if size == advised else f"{size / advised:.1f} times the advised size"
    note = f"{said}; {found[0][1]:,} steps, {found[0][2] / 1e6:.2f}M parameters{spread}"
    given = f"English books; {scale.layers} layers of {WIDTH}, {scale.operations:.1g} operations"
    return Row(
        f"bits per byte, {size:,} tokens",
        OURS,
        round(statistics.mean(values), 4),
        "bits",
        input=given,
        note=note,
    )


def collect(options: Options) -> list[Row]:
    """A row for each size, and one that says whether the advised one is best."""
    scale = QUICK if options.quick else FULL
    advised = rounded(advise(beside(scale), width=WIDTH).by_derivative)
    rows: list[Row] = []
    for size in (advised, *scale.sizes):
        rows += options.attempt(f"{size} tokens", partial(_alone, size, scale, options.corpora, advised), [])
    return rows


def _alone(size: int, scale: Scale, corpora: Path, advised: int) -> Sequence[Row]:
    return [measure(size, scale, corpora, advised)]


if __name__ == "__main__":
    sys.exit(run_benchmark("vocabulary", collect))
