"""Span F1: equal to seqeval's, in both of its modes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from corpuskit.errors import SettingError
from corpuskit.train.evaluate.tagging import span_f1, spans

CASES = json.loads((Path(__file__).parents[2] / "cases" / "spans.json").read_text())

GOLD = [["B-PER", "O", "O", "B-LOC", "I-LOC"], ["B-LOC", "O", "O"]]
PREDICTED = [["I-PER", "O", "O", "B-LOC", "I-LOC"], ["B-LOC", "O", "O"]]


def test_a_lone_inside_tag_begins_a_span_by_conlleval_and_none_strictly() -> None:
    by_conlleval, strict = span_f1(GOLD, PREDICTED), span_f1(GOLD, PREDICTED, mode="strict")
    assert (by_conlleval["gold"], by_conlleval["predicted"], by_conlleval["right"]) == (3, 3, 3)
    assert (by_conlleval["f1"], by_conlleval["mode"]) == (1.0, "conlleval")
    assert (strict["gold"], strict["predicted"], strict["right"]) == (3, 2, 2)
    assert strict["f1"] == pytest.approx(0.8)
    assert (strict["mode"], strict["scheme"]) == ("strict", "IOB2")
    assert set(strict["kinds"]) == {"LOC", "PER"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['mode']}-{case['scheme']}")
def test_spans_are_those_of_seqeval(case: dict) -> None:
    for tags, expected in case["spans"]:
        found = spans(tags, case["scheme"], case["mode"])
        assert [list(span) for span in found] == expected, tags


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['mode']}-{case['scheme']}")
def test_scores_are_those_of_seqeval(case: dict) -> None:
    found = span_f1(case["gold"], case["predicted"], case["scheme"], case["mode"])
    for name in ("precision", "recall", "f1", "macro_f1"):
        assert found[name] == pytest.approx(case[name], abs=1e-12), name


@pytest.mark.parametrize(
    ("gold", "predicted", "options", "says"),
    [
        ([["O"]], [], {}, "1 sentences in gold, 0 predicted"),
        ([["O"]], [["O", "O"]], {}, "sentence 0 has 1 tags in gold, 2 predicted"),
        ([["O"]], [["O"]], {"mode": "loose"}, "no spans by mode 'loose'"),
        ([["O"]], [["O"]], {"mode": "strict", "scheme": "plain"}, "scheme 'plain'"),
    ],
)
def test_what_does_not_go_together_is_named(gold: list, predicted: list, options: dict, says: str) -> None:
    with pytest.raises(SettingError, match=says):
        span_f1(gold, predicted, **options)


def test_nothing_at_all_is_no_score() -> None:
    assert span_f1([["O"]], [["O"]])["f1"] == 0.0
