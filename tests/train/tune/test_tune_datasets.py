"""Fine-tuning on a data set by the words of a recipe: its splits, columns and classes are those it has."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import pytest

from corpuskit.errors import SettingError
from corpuskit.train.predict import Classifier
from tests.train.tune.tuning import command, tune

CLASSES = ["sport", "news", "art"]


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    """Six rows to learn from, one of them without a class, and two to measure on; no row is of class art."""
    features = datasets.Features(
        {"body": datasets.Value("string"), "kind": datasets.ClassLabel(names=CLASSES)}
    )
    rows = {"body": [f"words of row {n}" for n in range(6)], "kind": [0, 1, 0, 1, -1, 0]}
    folder = tmp_path / "reviews"
    folder.mkdir()
    datasets.Dataset.from_dict(rows, features).to_parquet(folder / "train.parquet")
    rows = {"body": ["another text", "one more"], "kind": [0, 1]}
    datasets.Dataset.from_dict(rows, features).to_parquet(folder / "validation.parquet")
    return folder


@pytest.mark.parametrize("weights", ["none", "balanced"])
def test_a_data_set_by_its_words(unigram: Path, reviews: Path, tmp_path: Path, weights: str) -> None:
    words = json.dumps({"path": str(reviews), "split": "train", "text": "body"})
    held_out = json.dumps({"path": str(reviews), "split": "validation", "text": "body"})
    settings = {"label": "kind", "validation": held_out, "steps": 2, "class_weights": weights}
    run = tune(unigram, words, tmp_path / "model", "classify", **settings)
    assert list(Classifier.load(run.out, "cpu").labels) == CLASSES
    assert "labels in 5 rows: sport: 3, news: 2, art: 0" in run.told
    assert "there is no label: class -1" in run.told
    assert "classes of the data set that no row has: 'art'" in run.told
    assert "split 'train' is read; there are also validation" in run.told
    assert all(loss == loss for loss in run.losses)


def test_words_that_are_wrong_name_what_there_is(unigram: Path, reviews: Path, tmp_path: Path) -> None:
    for words, message in (
        ({"path": str(reviews), "split": "dev"}, "no split 'dev'; there are: train, validation"),
        ({"path": str(reviews), "txt": "body"}, "unknown word 'txt'"),
        ({"path": str(reviews), "text": "boddy"}, "no column 'boddy'"),
    ):
        with pytest.raises(SettingError, match=message):
            tune(unigram, json.dumps(words), tmp_path / "model", "classify", label="kind")
        assert not (tmp_path / "model").exists()
    found = command("finetune", unigram, f"{{path: {reviews}, split: dev}}", "--task", "classify", "--plan")
    assert (found.exit_code, "no split 'dev'" in found.output) == (2, True)
