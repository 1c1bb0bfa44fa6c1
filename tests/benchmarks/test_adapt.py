"""The benchmark of fine-tuning: its splits, what it chooses by, its baselines, and which bars rows answer."""

from __future__ import annotations

import gzip
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import adapt_arms, adapt_data
from benchmarks.adapt import GROUPS, MODELS
from benchmarks.adapt_arms import Arm, Figures, Kept, Study, random_weights
from benchmarks.adapt_data import Counts, read_rows, write_rows, write_split
from benchmarks.adapt_labels import ADAPTERS, ALL_WEIGHTS, _ablation_rows
from benchmarks.adapt_tags import frequent
from benchmarks.harness import MissingError, parse_options
from corpuskit.train import LanguageModel
from tests.tiny_models import make_model

ROWS = [{"text": f"text {number}", "label": "a"} for number in range(20)]


def test_the_sides_of_a_split_share_no_text_and_follow_from_its_seed(tmp_path: Path) -> None:
    counts = Counts(8, 4, 6)
    sides = [read_rows(path) for path in write_split(ROWS, tmp_path / "a", 1, counts)]
    assert [len(side) for side in sides] == list(counts)
    texts = [row["text"] for side in sides for row in side]
    assert len(set(texts)) == len(texts)
    assert [read_rows(path) for path in write_split(ROWS, tmp_path / "b", 1, counts)] == sides
    assert [read_rows(path) for path in write_split(ROWS, tmp_path / "c", 2, counts)] != sides


def test_texts_that_stand_twice_are_left_out() -> None:
    found = adapt_data.distinct([*ROWS, {"text": "TEXT  3", "label": "b"}])
    assert found == ROWS


def test_words_of_conllu_are_those_of_whole_numbers() -> None:
    lines = [
        "# text = don't go",
        "1-2\tdon't\t_\t_",
        "1\tdo\tdo\tAUX",
        "2\tn't\tnot\tPART",
        "8.1\tx\tx\tX",
        "",
    ]
    rows = adapt_data._conllu(gzip.compress("\n".join([*lines, "1\tgo\tgo\tVERB", ""]).encode()))
    assert rows == [{"words": ["do", "n't"], "tags": ["AUX", "PART"]}, {"words": ["go"], "tags": ["VERB"]}]


def test_the_most_frequent_tag_of_a_word_and_of_all(tmp_path: Path) -> None:
    train = [{"words": ["Ada", "runs"], "tags": ["B-PER", "O"]}, {"words": ["runs"], "tags": ["O"]}]
    test = [{"words": ["Ada", "Bo"], "tags": ["B-PER", "B-PER"]}]
    sides = write_rows(tmp_path / "train.jsonl", train), write_rows(tmp_path / "test.jsonl", test)
    found = frequent(*sides)
    assert found["accuracy"] == 50
    assert found["span F1"] == pytest.approx(100 * 2 / 3)


def test_a_rate_is_chosen_by_the_validation_rows_of_the_first_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, float]] = []

    def run(_: Study, arm: Arm, split: int, rate: float) -> Figures:
        asked.append((split, rate))
        return {"accuracy": 100 * rate, "validation": -rate}

    monkeypatch.setattr(Study, "_run", run)
    monkeypatch.setattr(adapt_arms, "KEPT", tmp_path)
    splits = [(tmp_path, tmp_path, tmp_path)] * 3
    study = Study("x", tmp_path, "classify", splits, {}, lambda *_: {}, Kept("x", False))
    found = study.results([Arm("one", (0.5, 0.25))])
    assert asked == [(0, 0.5), (0, 0.25), (1, 0.25), (2, 0.25)]
    assert [each["accuracy"] for each in found["one"]] == [25] * 3


def test_an_interrupted_benchmark_does_no_run_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapt_arms, "KEPT", tmp_path)
    assert Kept("x", False).get({"seed": 1}, lambda: {"loss": 2.0}) == {"loss": 2.0}
    again = Kept("x", False)
    assert again.get({"seed": 1}, lambda: pytest.fail("measured twice")) == {"loss": 2.0}
    assert again.get({"seed": 2}, lambda: {"loss": 3.0}) == {"loss": 3.0}
    quick = Kept("x", True)
    assert quick.get({"seed": 1}, lambda: {"loss": 5.0}) == {"loss": 5.0}
    quick.done()
    assert Kept("x", False).get({"seed": 1}, lambda: pytest.fail("a quick run took it away"))
    again.done()
    assert Kept("x", False).get({"seed": 1}, lambda: {"loss": 4.0}) == {"loss": 4.0}


def test_random_weights_are_of_the_same_shape(tmp_path: Path) -> None:
    model = make_model(tmp_path, "random")
    one, two, same = (random_weights(model, tmp_path / f"at-{n}", seed) for n, seed in enumerate((1, 2, 1)))
    assert LanguageModel.load(one).model.settings == LanguageModel.load(model).model.settings
    weights = [(folder / "model.safetensors").read_bytes() for folder in (one, two, same, model)]
    assert weights[0] == weights[2]
    assert len(set(weights)) == 3


def test_adapters_below_the_spread_of_all_weights_miss_their_bar() -> None:
    whole: list[Figures] = [{"accuracy": each, "macro F1": each} for each in (80.0, 82.0)]
    for accuracy, met in ((81.0, True), (80.0, True), (78.0, False)):
        found = {ALL_WEIGHTS: whole, ADAPTERS: [{"accuracy": accuracy, "macro F1": 81.0}] * 2}
        rows = _ablation_rows("TREC", found, "x")
        assert [row.met for row in rows if row.bar] == [met, True]
        assert len(rows) == 4


def test_the_models_are_named_and_a_group_without_its_own_is_left_out(tmp_path: Path) -> None:
    arguments = ["--corpora", str(tmp_path), "--base", str(tmp_path), "--only", "tags"]
    options = parse_options("adapt", arguments, list(GROUPS), MODELS)
    assert options.require("base") == tmp_path.resolve()
    with pytest.raises(MissingError, match="--encoder is not given"):
        options.require("encoder")
    assert options.attempt("tags", lambda: GROUPS["tags"](options), []) == []
    assert "--encoder" in options.left_out[0]


@pytest.mark.parametrize("reason", ["interrupted", "paused"])
def test_a_run_that_was_stopped_gives_no_figure(
    reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapt_arms, "finetune_model", lambda *_, **__: SimpleNamespace(reason=reason, step=3))
    with pytest.raises(SystemExit, match=f"{reason} after step 3: nothing of this run is kept"):
        adapt_arms.tune(tmp_path, tmp_path, tmp_path, "seq2seq", {})
