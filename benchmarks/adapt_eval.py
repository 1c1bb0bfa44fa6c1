"""`corpuskit eval` against lm-eval on the same local tasks: ``python -m benchmarks.adapt_eval``.

A small decoder is trained here on a text of its own and exported. Both sides ask it the questions of two
local files: AG News as multiple choice, from its csv, and pairs of answers of an instruction set, where the
chosen one is to be found. Ours asks the model folder, lm-eval the export through transformers. The peers'
Python needs lm_eval with transformers, accelerate and peft.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from benchmarks.harness import OURS, Bar, Options, Row, compare, peer_versions, run_benchmark

TEXT = "small_lm/cs336_corpus.en"
NEWS, PAIRS = "labelled/ag_news/test.csv.gz", "labelled/instruct/instruction-data-with-preference.json"
TOPICS = ["World", "Sports", "Business", "Sci/Tech"]
SHAPE = ("layers=4", "width=128", "heads=4", "context=256", "batch_rows=16", "steps=150")
QUESTIONS, QUICK_QUESTIONS = 2_000, 200
FIGURES = ("acc", "acc_norm", "acc_bytes")
CLOSE = 1e-3
"""How far sums of ln p of the same tokens may lie apart, in nats, where both compute in float32."""


def collect(options: Options) -> list[Row]:
    """Equal answers, equal sums, and how long both take."""
    python = options.require_peers("lm_eval", "transformers", "accelerate", "peft")
    limit = QUICK_QUESTIONS if options.quick else QUESTIONS
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        model, export = make_model(options.corpora / TEXT, work)
        write_tasks(options, work, limit)
        ours = ask_ours(model, work)
        theirs = ask_peer(python, export, work)
    [version] = peer_versions(python, ["lm_eval"])
    rows = []
    for name in ("news", "pairs"):
        rows += equal(name, ours, theirs, f"lm-eval {version}")
    return rows + compare(
        "seconds for both tasks",
        ours["seconds"],
        {f"lm-eval {version}": theirs["seconds"]},
        unit="s",
        better="lower",
        input=f"news and pairs, at most {limit:,} questions each",
        note="wall time without loading; what choices have in common is read once",
    )


def make_model(text: Path, work: Path) -> tuple[Path, Path]:
    """A decoder that has learned a little, and its export."""
    recipe = work / "recipe.yaml"
    files = {"path": str(work / "texts"), "label": "texts"}
    (work / "texts").mkdir()
    (work / "texts" / "text.txt").write_bytes(text.read_bytes())
    recipe.write_text(
        yaml.safe_dump(
            {
                "sources": [{"files": files}],
                "tokenizer": {"vocab_size": 1024},
                "shards": {"split": {"validation": 0.05}},
            }
        )
    )
    command("build", recipe, "--out", work / "run")
    settings = [part for each in SHAPE for part in ("--set", each)]
    command("train", work / "run", "--out", work / "model", *settings)
    command("export", work / "model", "--out", work / "export")
    return work / "model", work / "export"


def command(*arguments: str | Path) -> str:
    """What a command of ours says on standard output."""
    called = [sys.executable, "-m", "corpuskit", *map(str, arguments), "--quiet"]
    return subprocess.run(called, check=True, capture_output=True, text=True).stdout


def write_tasks(options: Options, work: Path, limit: int) -> None:
    """Both tasks in both forms: ours beside the data, lm-eval's in a folder of their own."""
    rows = gzip.decompress((options.corpora / NEWS).read_bytes()).decode().splitlines(keepends=True)
    (work / "news.csv").write_text("".join(rows[:limit]), encoding="utf-8")
    pairs = []
    for number, row in enumerate(json.loads((options.corpora / PAIRS).read_text(encoding="utf-8"))[:limit]):
        if row["chosen"] != row["rejected"]:
            # The right one stands first and second in turn: a model that knows nothing gets half of them.
            both = [row["chosen"], row["rejected"]][:: -1 if number % 2 else 1]
            asked = "\n".join(filter(None, (row["instruction"], row["input"])))
            pairs.append({"asked": asked, "choices": both, "answer": number % 2})
    (work / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in pairs), encoding="utf-8")
    ours = {
        "news": {
            "data": "news.csv",
            "header": False,
            "prompt": "{2}\n{3}\nTopic:",
            "choices": TOPICS,
            "gold": "1",
            "labels": ["1", "2", "3", "4"],
            "separator": " ",
        },
        "pairs": {
            "data": "pairs.jsonl",
            "prompt": "{asked}\nAnswer:",
            "choices": "choices",
            "gold": "answer",
            "separator": " ",
        },
    }
    theirs = {
        "news": {
            "dataset_path": "csv",
            "dataset_kwargs": {
                "data_files": {"test": str(work / "news.csv")},
                "column_names": ["topic", "title", "text"],
            },
            "doc_to_text": "{{title}}\n{{text}}\nTopic:",
            "doc_to_choice": TOPICS,
            "doc_to_target": "{{topic - 1}}",
        },
        "pairs": {
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": str(work / "pairs.jsonl")}},
            "doc_to_text": "{{asked}}\nAnswer:",
            "doc_to_choice": "{{choices}}",
            "doc_to_target": "{{answer}}",
        },
    }
    metrics = [{"metric": name, "aggregation": "mean", "higher_is_better": True} for name in FIGURES]
    (work / "tasks").mkdir()
    for name in ours:
        (work / f"{name}.yaml").write_text(yaml.safe_dump(ours[name]))
        common = {
            "task": name,
            "test_split": "test",
            "output_type": "multiple_choice",
            "metric_list": metrics,
        }
        (work / "tasks" / f"{name}.yaml").write_text(yaml.safe_dump({**common, **theirs[name]}))


def ask_ours(model: Path, work: Path) -> dict[str, Any]:
    """Figures and sums by our own code, which the command calls."""
    from corpuskit.train import LanguageModel
    from corpuskit.train.evaluate.evaluate import of_answers
    from corpuskit.train.evaluate.questions.answers import answer
    from corpuskit.train.evaluate.questions.items import questions_of

    loaded = LanguageModel.load(model)
    began = time.perf_counter()
    found = {}
    for name in ("news", "pairs"):
        questions = questions_of(work / f"{name}.yaml")
        found[name] = of_answers(questions, answer(loaded, questions))
    seconds = time.perf_counter() - began
    return {"outcomes": found, "seconds": seconds}


def ask_peer(python: Path, export: Path, work: Path) -> dict[str, Any]:
    """The same by lm-eval, with no net."""
    script = Path(__file__).parent / "peers" / "lm_eval_tasks.py"
    called = [os.path.abspath(python), str(script), str(export), str(work / "tasks"), "0", "news", "pairs"]
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_DATASETS_CACHE": str(work / "cache")}
    done = subprocess.run(
        called, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, **offline}
    )
    return dict(json.loads(done.stdout))


def equal(name: str, ours: dict[str, Any], theirs: dict[str, Any], peer: str) -> list[Row]:
    """Rows of one task: each figure on both sides, and how far the sums lie apart."""
    outcome, figures = ours["outcomes"][name], theirs["results"][name]
    count = len(outcome.rows)
    what = {"news": "AG News, from csv", "pairs": "which of two answers, from JSON lines"}[name]
    given = f"{count:,} questions, a decoder of 4 layers of 128 trained here; {what}"
    rows = []
    for figure in FIGURES:
        mine, other = outcome.figures[figure]["value"], figures[f"{figure},none"]
        rows.append(
            Row(
                f"{name}: {figure}",
                OURS,
                mine,
                "share",
                bar="equal to lm-eval",
                met=abs(mine - other) < 1e-9,
                input=given,
                note=f"{outcome.figures['cut']} prompts cut, {outcome.figures['ties']} ties",
            )
        )
        rows.append(
            Row(f"{name}: {figure}", peer, other, "share", input=given, note="the export, transformers")
        )
    pairs = zip(outcome.rows, theirs["log_likelihoods"][name], strict=True)
    apart = max(
        abs(a - b) for row, others in pairs for a, b in zip(row["log_likelihoods"], others, strict=True)
    )
    bar = Bar(CLOSE, "value", "at most")
    return [
        *rows,
        *compare(
            f"{name}: greatest difference of a ln p from {peer}",
            apart,
            {},
            unit="nats",
            better="lower",
            input=given,
            bar=bar,
        ),
    ]


if __name__ == "__main__":
    sys.exit(run_benchmark("adapt_eval", collect))
