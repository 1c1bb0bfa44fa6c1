"""Fine-tuning for the better of two answers: where it begins, what it is held against, what is left out."""

import math
from pathlib import Path

import numpy as np
import pytest

from corpuskit.train import LanguageModel
from corpuskit.train.data.examples import Examples
from tests.tiny_models import make_model
from tests.train.tune.tuning import absent, command, lines, refusal, talk, tune

PAIRS = [
    {"prompt": "Say hi", "chosen": "hi", "rejected": "GO AWAY"},
    {"prompt": "2+2", "chosen": "4", "rejected": "five"},
]


def cost(text: str, end: float) -> float:
    """What a text costs the unigram model, with what ends it."""
    weights = {**dict.fromkeys("abcdefghijklmnopqrstuvwxyz", 8), **dict.fromkeys("0123456789", 4), " ": 16}
    return sum(math.log(639 / weights.get(letter, 2)) for letter in text) + math.log(639 / end)


@pytest.mark.parametrize("beta", [0.1, 0.5])
def test_it_begins_at_the_logarithm_of_two(unigram: Path, tmp_path: Path, beta: float) -> None:
    data = lines(tmp_path / "pairs.jsonl", PAIRS)
    run = tune(
        unigram,
        data,
        tmp_path / "out",
        "prefer",
        steps=12,
        beta=beta,
        batch_rows=2,
        learning_rate=1e-3,
        validation=str(lines(tmp_path / "held.jsonl", [{**PAIRS[0], "prompt": "Say so"}])),
    )
    assert run.losses[0] == pytest.approx(math.log(2), abs=1e-5)
    assert run.losses[-1] < math.log(2) - 0.01
    assert "begins with" in run.told, "the reference is named"
    examples = Examples(run.out / "data" / "train")
    for pair, number in zip(PAIRS, range(2), strict=True):
        row = examples.row(number)
        found = row["reference"].astype(np.int32).view(np.float32)
        # Texts without roles end with the token that ends a text, which weighs 32.
        expected = [-cost(pair[which], 32) for which in ("chosen", "rejected")]
        np.testing.assert_allclose(found, expected, atol=1e-4)
    assert run.result.figures["reward_accuracy"] == 1.0
    assert run.result.figures["margin"] > 0


def test_of_conversations_the_turn_s_end_is_measured(unigram: Path, tmp_path: Path) -> None:
    rows = [
        {"prompt": talk(p["prompt"])["messages"]}
        | {k: [{"role": "assistant", "content": p[k]}] for k in ("chosen", "rejected")}
        for p in PAIRS
    ]
    run = tune(
        unigram, lines(tmp_path / "pairs.jsonl", rows), tmp_path / "out", "prefer", steps=1, batch_rows=2
    )
    found = [
        Examples(run.out / "data" / "train").row(n)["reference"].astype(np.int32).view(np.float32)
        for n in (0, 1)
    ]
    expected = [[-11.0619, -40.5889], [-7.3746, -19.8229]]
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert run.losses[0] == pytest.approx(math.log(2), abs=1e-5)


def test_pairs_that_teach_nothing_are_named(unigram: Path, tmp_path: Path) -> None:
    rows = [
        {"prompt": "a", "chosen": "b", "rejected": "c"},
        {"prompt": "d", "chosen": "same", "rejected": "same"},
        {"prompt": "e", "chosen": "f", "rejected": ""},
        {"prompt": "g", "chosen": "h", "rejected": "h "},
        {"prompt": "i", "chosen": "j"},
    ]
    run = tune(unigram, lines(tmp_path / "pairs.jsonl", rows), tmp_path / "out", "prefer", steps=1)
    assert len(Examples(run.out / "data" / "train")) == 1
    assert (
        "2 rows left out: chosen and rejected are equal but for blanks at the end (pairs.jsonl rows 2 and 4)"
        in (run.told)
    )
    for reason, row in (("rejected answer is empty", 3), ("rejected answer is missing", 5)):
        assert f"1 row left out: a {reason} (pairs.jsonl row {row} (line {row}))" in run.told
    out = tmp_path / "none"
    none = lines(tmp_path / "none.jsonl", rows[1:])
    said = refusal(command("finetune", unigram, none, "--task", "prefer", "--steps", 1, "--out", out))
    assert "no pair of answers can be used, 4 rows left out" in said
    assert absent(out)


def test_what_was_tuned_is_what_it_is_measured_against(tmp_path: Path) -> None:
    model = make_model(tmp_path, "random", seed=32)
    talked = lines(tmp_path / "talk.jsonl", [talk("a", "b")])
    tuned = tune(model, talked, tmp_path / "tuned", "instruct", lora_rank=2, steps=60, learning_rate=1e-2)
    data = lines(tmp_path / "pairs.jsonl", [{"prompt": "a", "chosen": "b", "rejected": "c"}])
    # A model that adapters were merged into is begun with like any other.
    run = tune(tuned.out, data, tmp_path / "out", "prefer", lora_rank=2, steps=1)
    assert run.losses[0] == pytest.approx(math.log(2), abs=1e-5)
    base = LanguageModel.load(tuned.out)
    assert f"begins with {tuned.out}" in run.told
    assert base.document["tuned"]["task"] == "instruct"
    plain = tune(model, data, tmp_path / "plain", "prefer", steps=1)
    references = [Examples(each.out / "data" / "train").row(0)["reference"].tolist() for each in (run, plain)]
    assert references[0] != references[1], "the reference is the tuned model, not its base"
