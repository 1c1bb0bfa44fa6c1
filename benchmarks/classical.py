"""What the classical way of preparing text costs: lower case, no stop words, no punctuation, whole words.

    python -m benchmarks.classical [--quick] [--json FILE]

The same small language model is trained on AG News as it stands, on what the classical steps leave of it, and
on that with whole words as tokens; then the same classifier is tuned from each. Bits per byte are of the
held-out text that is left, which is another text on each side: the share that is left stands beside it. An
unknown word costs next to nothing to guess and is lost, so that the share of these stands there, too. Figures
are means over the seeds.
"""

from __future__ import annotations

import json
import math
import random
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.adapt_data import ag_news
from benchmarks.harness import OURS, Options, Row, run_benchmark
from corpuskit.build.build import build_corpus
from corpuskit.build.pipeline import PipelineStep
from corpuskit.build.write.write_shards import WriteShards
from corpuskit.run.folder import Run
from corpuskit.shards.reader import Shards
from corpuskit.sources.files.files import Files
from corpuskit.stages.normalize.classical import Lowercase, Punctuation, StopWords
from corpuskit.stages.normalize.unicode import Unicode
from corpuskit.tokenizer.train import TrainTokenizer
from corpuskit.train import TrainSettings, train_model
from corpuskit.train.finetune import PURPOSES, finetune_model

AS_IT_IS, CLASSICAL, WORDS = "as it stands", "classical steps", "classical steps, whole words"
STEPS = (Lowercase(), StopWords(), Punctuation())
VOCABULARY = 8192

Text = dict[str, Any]


@dataclass(frozen=True)
class Scale:
    """How much is read and trained.

    Attributes:
        rows: of the data set, of which a tenth is to choose by and a fifth to measure on.
        steps: of the language model; epochs: of the classifier.
    """

    rows: int
    steps: int
    epochs: int
    seeds: tuple[int, ...]


FULL = Scale(7600, 300, 2, (1, 2, 3))
QUICK = Scale(1600, 40, 2, (1,))


def sides() -> Mapping[str, tuple[Sequence[PipelineStep], TrainTokenizer]]:
    """The steps and the tokenizer of each side; vocabularies are of one size."""
    bytes_, words = (
        TrainTokenizer(vocab_size=VOCABULARY),
        TrainTokenizer(model="word_level", vocab_size=VOCABULARY, lossy="allow"),
    )
    return {AS_IT_IS: ((), bytes_), CLASSICAL: (STEPS, bytes_), WORDS: (STEPS, words)}


def build(
    rows: Sequence[Text], steps: Sequence[PipelineStep], tokenizer: TrainTokenizer, folder: Path
) -> Run:
    """A run of the texts, which have their numbers as ids."""
    lines = (json.dumps({"id": str(n), "text": row["text"]}) for n, row in enumerate(rows))
    (folder / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")
    source = Files(path=str(folder / "rows.jsonl"), label="news", language="en")
    shards = WriteShards(split={"validation": 0.1})
    build_corpus([source, Unicode(), *steps, tokenizer, shards], folder / "run")
    return Run.open_finished(folder / "run")


def texts_of(run: Run) -> dict[int, str]:
    """What is left of each row, by its number."""
    tables = (
        pq.read_table(file, columns=["id", "text"]) for file in sorted(run.local("documents").glob("*"))
    )
    rows = (row for table in tables for row in table.to_pylist())
    return {int(row["id"].rpartition(":")[2]): row["text"] for row in rows}


def model_of(run: Run, out: Path, scale: Scale, seed: int) -> float:
    """Train the language model; bits per byte of the held-out text, end marks counted among its tokens."""
    shape = {"layers": 2, "width": 128, "heads": 4, "context": 64, "batch_rows": 16, "dropout": 0.1}
    length = {"steps": scale.steps, "eval_every": scale.steps, "patience": 0, "learning_rate": 3e-3}
    result = train_model(run.folder, out, TrainSettings(**shape, **length, seed=seed, precision="fp32"))
    assert result.validation_loss is not None
    infos = Shards(run.local("shards")).splits["validation"]
    names = ["byte_start", "byte_end"]
    tables = [
        pq.read_table(run.local(f"shards/{info.name}.provenance.parquet"), columns=names) for info in infos
    ]
    size = sum(row["byte_end"] - row["byte_start"] for table in tables for row in table.to_pylist())
    return result.validation_loss * sum(info.tokens for info in infos) / math.log(2) / size


def accuracy(
    rows: Sequence[Text], texts: Mapping[int, str], model: Path, folder: Path, scale: Scale, seed: int
) -> float:
    """Tune the classifier; the share of right answers on rows that it did not see, in percent."""
    order = sorted(texts)
    random.Random(seed).shuffle(order)
    tenth = len(order) // 10
    parts = {
        "test": order[: 2 * tenth],
        "validation": order[2 * tenth : 3 * tenth],
        "train": order[3 * tenth :],
    }
    files = {name: folder / f"{name}.jsonl" for name in parts}
    for name, numbers in parts.items():
        lines = (json.dumps({"text": texts[n], "label": rows[n]["label"]}) for n in numbers)
        files[name].write_text("\n".join(lines), encoding="utf-8")
    own = {"epochs": scale.epochs, "learning_rate": 6e-4, "dropout": 0.1, "batch_rows": 16}
    given = {name: str(files[name]) for name in ("validation", "test")}
    settings = PURPOSES["classify"].settings(**own, **given, seed=seed, precision="fp32")
    result = finetune_model(model, str(files["train"]), folder / "tuned", "classify", settings)
    return 100 * float(result.figures["test_accuracy"])


def measure(name: str, rows: Sequence[Text], scale: Scale) -> list[Row]:
    """The rows of one side."""
    steps, tokenizer = sides()[name]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        run = build(rows, steps, tokenizer, folder)
        texts = texts_of(run)
        bits, right = [], []
        for seed in scale.seeds:
            (own := folder / str(seed)).mkdir()
            bits.append(model_of(run, own / "model", scale, seed))
            right.append(accuracy(rows, texts, own / "model", own, scale, seed))
            print(f"{name}, seed {seed}: {bits[-1]:.3f} bits, {right[-1]:.1f} %", file=sys.stderr, flush=True)
        facts = next(record.facts for record in run.records() if record.task == "shards")
    whole = sum(len(row["text"].encode()) for row in rows)
    left = sum(len(text.encode()) for text in texts.values())
    proof = facts.get("lossy", {})
    unknown = 100 * proof["unknown"] / proof["tokens"] if proof.get("tokens") else 0.0
    note = f"{100 * left / whole:.1f} % of the bytes left, {unknown:.2f} % of the tokens unknown"
    given = f"AG News, {len(rows):,} rows, {whole / 1e6:.2f} MB; 2 layers of 128, {scale.steps} steps"
    return [
        Row(f"bits per byte of the text that is left: {name}", *_value(bits, "bits"), input=given, note=note),
        Row(f"accuracy of the classifier: {name}", *_value(right, "%"), input=given, note=_spread(right)),
        Row(f"bytes left: {name}", OURS, round(100 * left / whole, 1), "%", input=given),
    ]


def _value(found: Sequence[float], unit: str) -> tuple[str, float, str]:
    return OURS, round(statistics.mean(found), 3 if unit == "bits" else 2), unit


def _spread(found: Sequence[float]) -> str:
    return f"spread {statistics.stdev(found):.2f}" if len(found) > 1 else "one seed"


def collect(options: Options) -> list[Row]:
    """All rows."""
    scale = QUICK if options.quick else FULL
    rows = options.attempt("all", lambda: ag_news(options.corpora), [])
    random.Random(0).shuffle(rows)
    return [row for name in sides() for row in measure(name, rows[: scale.rows], scale)] if rows else []


if __name__ == "__main__":
    sys.exit(run_benchmark("classical", collect))
