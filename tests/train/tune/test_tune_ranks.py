"""Two processes that fine-tune together make what one makes."""

import contextlib
import json
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from tests.train import ranks
from tests.train.tune.test_tune_laws import SOURCES, WAYS, all_data
from tests.train.tune.tuning import checkpoint, lines, table, talk, tune, weights

ROWS = [f"{word} {n},{label}" for n in range(5) for word, label in (("rain", "bad"), ("sun", "good"))]
TAGS = [
    {"words": list(text), "tags": ["A" if c == "a" else "O" for c in text]} for text in ("ab", "bca", "a")
]
PAIRS = [{"prompt": str(n), "chosen": "yes" * n, "rejected": "no"} for n in (1, 2, 3)]
TALKS = [talk("one", "two"), talk("up", "down", "left", "right"), talk("red", "green"), talk("a b", "c d e")]


def together(jobs: Sequence[Sequence[Any]], call: Mapping[str, Any] = MappingProxyType({})) -> None:
    """Runs of two processes, one after the other, each with a port of its own."""
    with contextlib.ExitStack() as stack:
        free = [stack.enter_context(socket.socket()) for _ in jobs]
        for each in free:
            each.bind(("127.0.0.1", 0))
        ports = [each.getsockname()[1] for each in free]
    said = [[*job, port, dict(call)] for job, port in zip(jobs, ports, strict=True)]
    ranks.start(2, [str(Path(__file__).with_name("tuned_ranks.py")), json.dumps(said)])


def test_two_processes_make_what_one_makes(random_model: Path, both: Path, tmp_path: Path) -> None:
    """An epoch's last batch has fewer rows than the others, and rows are of different lengths."""
    common = {"steps": 5, "learning_rate": 1e-3, "eval_every": 2, "validation": "0.25"}
    cases = {
        "classify": (table(tmp_path / "data.csv", *ROWS), {**common, "batch_rows": 4, "test": "0.2"}),
        "instruct": (lines(tmp_path / "data.jsonl", TALKS), {**common, "batch_rows": 2, "pack": False}),
        "tag": (
            lines(tmp_path / "tags.jsonl", TAGS),
            {"steps": 3, "learning_rate": 1e-3, "batch_rows": 8, "lora_rank": 2},
        ),
        "prefer": (
            lines(tmp_path / "pairs.jsonl", PAIRS),
            {"steps": 3, "learning_rate": 1e-4, "batch_rows": 2},
        ),
    }
    pairs = lines(tmp_path / "sources.jsonl", SOURCES)
    # Of both kinds: a batch has sources and targets of different lengths.
    written = {**common, "batch_rows": 4, "label_smoothing": 0.1, "choose": "exact_match"}
    # Where a gradient is nearly nothing AdamW takes its sign, which rounding may decide.
    cases |= {"seq2seq": (pairs, written), "seq2seq, both": (pairs, {**written, "learning_rate": 2e-4})}
    begun = {case: both if "both" in case else random_model for case in cases}
    together(
        [
            [str(begun[case]), str(data), str(tmp_path / f"two-{case}"), case.split(",")[0], values]
            for case, (data, values) in cases.items()
        ]
    )
    for case, (data, values) in cases.items():
        task = case.split(",")[0]
        one = tune(begun[case], data, tmp_path / f"one-{case}", task, **values)
        expected, found = weights(one.out), weights(tmp_path / f"two-{case}")
        assert expected.keys() == found.keys()
        for name, each in expected.items():
            np.testing.assert_allclose(found[name], each, atol=1e-5, err_msg=name)
        training = json.loads((tmp_path / f"two-{case}" / "model.json").read_text())["training"]
        assert training["machine"]["processes"] == [2, 1]
        for name, value in one.result.figures.items():
            assert value is not None
            np.testing.assert_allclose(training["figures"][name], value, atol=1e-5, err_msg=name)


def test_two_processes_that_were_stopped_go_on_bit_by_bit(random_model: Path, tmp_path: Path) -> None:
    """Every task, with what it draws: order, dropout, adapters."""
    given = all_data(tmp_path)
    values = {"steps": 6, "eval_every": 2, "learning_rate": 1e-3}
    # Two processes divide a batch: one row that holds all conversations would be none for the second.
    ways = {**WAYS, "prefer": {"batch_rows": 2}, "instruct": {**WAYS["instruct"], "pack": False}}
    whole, parts = (
        [
            [str(random_model), str(data), str(tmp_path / f"{name}-{task}"), task, {**values, **ways[task]}]
            for task, data in given.items()
        ]
        for name in ("whole", "parts")
    )
    together(whole)
    together(parts, {"pause_at": 3})
    together([[*job[:4], {}] for job in parts], {"resume": True})
    for task in WAYS:
        one, two = tmp_path / f"whole-{task}", tmp_path / f"parts-{task}"
        assert len(checkpoint(one, 6)) == 2, "weights and optimizer"
        assert checkpoint(two, 6) == checkpoint(one, 6), task
        assert (two / "model.safetensors").read_bytes() == (one / "model.safetensors").read_bytes(), task
