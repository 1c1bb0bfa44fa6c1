"""The log holds each step once whatever was killed; the display shows events and never changes them."""

import io
import json
import math
import re
from pathlib import Path

import pytest
from rich.console import Console

from corpuskit.cli.model.training_display import Display
from corpuskit.train.watch.events import Log, digest_of

STEP = {
    "event": "step",
    "step": 7,
    "loss": 3.25,
    "tokens_per_s": 1234.4,
    "eta_s": 125.0,
    "learning_rate": 1e-3,
    "gradient_norm": 0.5,
    "memory_bytes": 1.25e9,
}
VALIDATION = {
    "event": "validation",
    "step": 8,
    "train_loss": 3.25,
    "loss": 3.5,
    "perplexity": 33.1,
    "bits_per_byte": 1.75,
    "best": True,
    "tokens_per_s": 1234.4,
    "sources": {
        "wiki": {"loss": 3.0, "bits_per_byte": 1.5},
        "books [b]": {"loss": 4.0, "bits_per_byte": None},
    },
}
START = {
    "event": "start",
    "step": 0,
    "steps": 20,
    "summary": "a model [red]",
    "warnings": ["no validation"],
    "flops_per_token": 10**6,
    "peak_flops": 1e10,
}
SCORES = {"known_words": 0.625, "distinct_1": 0.5, "distinct_2": 0.75, "distinct_3": 1.0, "longest_repeat": 3}

HELD_OUT = {**SCORES, "known_words": 0.98, "distinct_2": 1.0, "longest_repeat": 1, "bits_per_byte": 2.5}


def shown(terminal: bool, width: int = 120) -> str:
    file = io.StringIO()
    with Display(Console(file=file, force_terminal=terminal, width=width)) as display:
        for event in (
            START,
            STEP,
            VALIDATION,
            {"event": "sample", "step": 8, "text": "It was [bold]", "scores": SCORES, "held_out": HELD_OUT},
            {"event": "horizon", "step": 8, "steps": 30},
            {"event": "save", "step": 8, "checkpoint": "step-00000008"},
            {"event": "stop", "step": 8, "reason": "paused"},
        ):
            display(event)
    return file.getvalue()


def test_without_a_terminal_each_validation_is_a_line() -> None:
    lines = shown(terminal=False).splitlines()
    assert lines[:2] == ["a model [red]", "Warning: no validation"]
    expected = "step      8  train 3.250  validation 3.500  perplexity 33.1  bits/byte 1.750  (best)"
    assert lines[2] == f"{expected}  1,234 tokens/s  2:05 left"
    assert lines[3] == "             wiki 3.000 (1.500 bits/byte)   books [b] 4.000"
    assert lines[4:7] == ["--- sample after step 8 ---", "It was [bold]", "---"]
    assert lines[7] == "known words 62%, different pairs 75%, longest repeat 3 words"
    human = "held-out text: known words 98%, different pairs 100%, longest repeat 1 word, 2.500 bits/byte"
    assert lines[8] == human
    assert "30 steps" in lines[9]
    assert lines[10:] == ["Stopped at step 8: paused."]


def test_on_a_terminal_there_is_a_live_table() -> None:
    text = " ".join(re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown(terminal=True)).split())
    assert "step 8/30" in text
    for fact in (
        "loss 3.250",
        "tokens/s 1,234",
        "MFU 12.3%",
        "left 2:05",
        "learning rate 1.00e-03",
        "gradient 0.50",
        "memory 1.25 GB",
        "validation 3.500",
        "best 3.500 at 8",
        "bits/byte 1.750",
    ):
        assert fact in text


@pytest.mark.parametrize("width", [24, 40, 60, 79])
def test_a_narrow_terminal_cuts_no_word(width: int) -> None:
    """No line is longer than the terminal, and each word of the events stands whole in one."""
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown(terminal=True, width=width))
    lines = [line for part in text.splitlines() for line in part.split("\r")]
    assert max(map(len, lines)) <= width
    for word in (
        "validation",
        "perplexity",
        "bits/byte",
        "learning",
        "rate",
        "1.00e-03",
        "tokens/s",
        "1,234",
    ):
        assert any(word in line.split() for line in lines), word


def test_what_is_not_known_is_not_shown() -> None:
    file = io.StringIO()
    with Display(Console(file=file, force_terminal=True, width=120)) as display:
        display({**START, "peak_flops": None, "steps": None})
        display({**STEP, "eta_s": None, "memory_bytes": None})
        display({**VALIDATION, "bits_per_byte": None, "best": False, "sources": {}})
        display({"event": "sample", "step": 8, "text": "...", "scores": {"known_words": None}})
    text = file.getvalue()
    assert "loss" in text
    for word in ("MFU", "left", "memory", "bits/byte", "best", "known words"):
        assert word not in text


def test_a_skipped_update_is_told() -> None:
    file = io.StringIO()
    with Display(Console(file=file)) as display:
        event = {"event": "skip", "step": 4, "reason": "not finite", "loss": math.nan, "gradient_norm": 2.0}
        display({**event, "batch": "rows of document 3"})
        display({**event, "reason": "no target", "loss": None, "gradient_norm": None, "batch": "rows"})
    assert "step      4  update skipped: not finite (loss nan" in file.getvalue()
    assert "rows of document 3" in file.getvalue()
    assert "update skipped: no target; its batch holds the rows" in file.getvalue()


def test_what_json_cannot_say_is_null(tmp_path: Path) -> None:
    log = Log(tmp_path, 0)
    log({"event": "validation", "step": 1, "loss": 710.5, "perplexity": math.inf, "train_loss": math.nan})
    log.close()
    (line,) = log.path.read_text().splitlines()
    found = json.loads(line, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert (found["loss"], found["perplexity"], found["train_loss"]) == (710.5, None, None)


def test_resumed_log_drops_what_will_be_done_again(tmp_path: Path) -> None:
    log = Log(tmp_path, 0)
    for step in range(4):
        log({"event": "step", "step": step})
    log({"event": "validation", "step": 4})
    log({"event": "step", "step": 4})
    log.close()
    with open(log.path, "a", encoding="utf-8") as file:
        file.write('{"event": "step", "st')
    digest_of(log.path).unlink()  # As after a kill, which closes no log.
    resumed = Log(tmp_path, 4)
    resumed({"event": "step", "step": 4})
    resumed.close()
    found = [(event["event"], event["step"]) for event in map(json.loads, log.path.read_text().splitlines())]
    assert found == [("step", 0), ("step", 1), ("step", 2), ("step", 3), ("validation", 4), ("step", 4)]
    Log(tmp_path, 0).close()
    assert log.path.read_text() == ""


def test_a_text_with_odd_line_ends_is_one_line_of_the_log(tmp_path: Path) -> None:
    log = Log(tmp_path, 0)
    log({"event": "sample", "step": 1, "text": "a\u2028b\u2029c\x85d\re\nf"})
    log.close()
    before = log.path.read_bytes()
    Log(tmp_path, 2).close()
    assert log.path.read_bytes() == before
