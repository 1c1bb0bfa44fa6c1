"""Classifiers that learn from a classifier: its answers are stored once, and have a share of the loss."""

import csv
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from corpuskit.errors import SettingError, TrainError
from corpuskit.train.data.examples import Examples
from corpuskit.train.finetune import finetune_model
from corpuskit.train.model.loss import IGNORED
from corpuskit.train.predict import Classifier
from corpuskit.train.settings.tune import ClassifySettings
from corpuskit.train.tasks.classify import Classify
from tests.tiny_models import load, make_model

WORDS = {"sea": "ship sail tide wave", "land": "barn plough field ox", "air": "kite wing cloud gust"}
SHARED: dict[str, Any] = {
    "device": "cpu",
    "compile": "off",
    "precision": "fp32",
    "batch_rows": 4,
    "context": 24,
    "steps": 4,
}


def settings(**values: Any) -> ClassifySettings:
    return ClassifySettings(**{**SHARED, "validation": "0.25", **values})


def write(path: Path, labels: Sequence[str] = tuple(WORDS), several: bool = False, rows: int = 40) -> Path:
    chance = random.Random(4)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for number in range(rows):
            label = labels[number % len(labels)]
            text = " ".join(chance.choice(WORDS.get(label, "this that").split()) for _ in range(3))
            more = ",sea" if several and number % 3 else ""
            writer.writerow([f"{text} {number}", label + more])
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model to begin with, data, and a teacher: of another tokenizer than the student's."""
    folder = tmp_path_factory.mktemp("taught")
    make_model(folder / "student", kind="random", context=32)
    make_model(folder / "large", kind="random", context=32, layers=2, merges=[("s", "a"), ("i", "l")])
    data = write(folder / "data.csv")
    finetune_model(folder / "large" / "model", str(data), folder / "teacher", "classify", settings(steps=30))
    return folder


def student(folder: Path, out: Path, data: str = "data.csv", **values: Any) -> dict[str, Any]:
    given = settings(teacher=str(folder / "teacher"), **values)
    finetune_model(folder / "student" / "model", str(folder / data), out, "classify", given)
    return dict(json.loads((out / "model.json").read_text()))


def test_the_teachers_answers_are_stored_beside_the_examples(folder: Path, tmp_path: Path) -> None:
    """Bit for bit those that it gives to the texts, to what is learnt from alone, equal each time."""
    document = student(folder, tmp_path / "a")
    student(folder, tmp_path / "b", seed=5)
    assert document["tuned"]["teacher"]["name"] == "teacher"
    train, again = (Examples(tmp_path / name / "data" / "train") for name in "ab")
    assert train.fingerprint == again.fingerprint
    assert "teacher" not in Examples(tmp_path / "a" / "data" / "validation").columns
    teacher, base = Classifier.load(folder / "teacher", "cpu"), load(tmp_path / "m", kind="random")
    rows = [train.row(number) for number in range(len(train))]
    texts = [base.tokenizer.decode(row["ids"]).replace("<|endoftext|>", "") for row in rows]
    expected = teacher.logits(texts)[0].numpy()
    found = np.stack([row["teacher"].astype(np.int32).view(np.float32) for row in rows])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    shares = [teacher.predict([text])[0].probabilities for text in texts[:3]]
    softmax = torch.from_numpy(found[:3]).softmax(1)
    assert [list(each.values()) for each in shares] == pytest.approx(softmax.numpy(), abs=1e-5)


def test_teacher_alone_is_learnt_where_it_has_the_whole_share(folder: Path, tmp_path: Path) -> None:
    """Of labels that say the opposite nothing is learnt then."""
    rows = (folder / "data.csv").read_text().splitlines()
    turned = [line.replace(",sea", ",X").replace(",land", ",sea").replace(",X", ",land") for line in rows]
    (folder / "turned.csv").write_text("\n".join(turned) + "\n")
    how: dict[str, Any] = {"steps": 60, "learning_rate": 3e-3, "validation": "0"}
    student(folder, tmp_path / "out", "turned.csv", teacher_share=1.0, **how)
    texts = [line.rpartition(",")[0] for line in rows[1:]]
    mine, theirs = (
        Classifier.load(where, "cpu").predict(texts) for where in (tmp_path / "out", folder / "teacher")
    )
    alike = sum(a.labels == b.labels for a, b in zip(mine, theirs, strict=True)) / len(texts)
    assert alike > 0.8


def test_ten_steps_equal_five_and_five(folder: Path, tmp_path: Path) -> None:
    """The teacher is asked no more by a run that goes on: its folder may be gone."""
    how: dict[str, Any] = {"steps": 10, "teacher_temperature": 2.0, "class_weights": "balanced"}
    student(folder, tmp_path / "whole", **how)
    moved = tmp_path / "moved"
    (folder / "teacher").rename(moved)
    begun, data = folder / "student" / "model", str(folder / "data.csv")
    given = settings(teacher=str(moved), **how)
    try:
        finetune_model(begun, data, tmp_path / "halves", "classify", given, pause_at=5)
    finally:
        moved.rename(folder / "teacher")
    finetune_model(begun, data, tmp_path / "halves", "classify", resume=True)
    for file in ("model.safetensors", "checkpoints/step-00000010/optimizer.safetensors"):
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "halves" / file).read_bytes()


def task(several: bool = False, **values: Any) -> Classify:
    """A task whose examples do not matter, of three labels."""
    found = Classify.__new__(Classify)
    more = {"several": ","} if several else {}
    found._own = settings(teacher="t", **more, **values)
    found.labels, found.weights = ("a", "b", "c"), torch.tensor([1.0, 2.0, 3.0])
    return found


def test_the_distance_is_that_of_the_teachers_distribution() -> None:
    teacher = torch.tensor([[0.7, 0.2, 0.1]]).log().repeat(3, 1)
    logits = torch.tensor([[0.3, 0.3, 0.4]]).log().repeat(3, 1)
    labels = torch.tensor([0, 2, IGNORED])  # The last row is none.
    assert task().distance(logits, labels, teacher).item() == pytest.approx(2 * 0.373386, abs=1e-5)
    weighted = task(class_weights="balanced").distance(logits, labels, teacher)
    assert weighted.item() == pytest.approx((1 + 3) * 0.373386, abs=1e-5)
    assert task().distance(teacher, labels, teacher).item() == pytest.approx(0, abs=1e-6)
    # Divided by 2, times 4, by hand.
    p, q = (torch.softmax(each[0] / 2, 0) for each in (teacher, logits))
    by_hand = float((p * (p / q).log()).sum()) * 4
    found = task(teacher_temperature=2.0).distance(logits[:1], labels[:1], teacher[:1])
    assert found.item() == pytest.approx(by_hand, abs=1e-5)


def test_the_distance_of_several_labels_is_that_of_each() -> None:
    teacher, logits = torch.tensor([[2.0, -1.0, 0.0]]), torch.tensor([[0.0, -1.0, 1.0]])
    p, q = teacher.sigmoid(), logits.sigmoid()
    each = p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()
    # Of a text without a label its own weight is 1.
    by_hand = float((each * torch.tensor([1.0, 2.0, 1.0])).sum() / 3)
    several = task(several=True, class_weights="balanced")
    rows = torch.tensor([[0, 1, 0], [IGNORED] * 3])
    found = several.distance(logits.repeat(2, 1), rows, teacher.repeat(2, 1))
    assert found.item() == pytest.approx(by_hand, abs=1e-5)


def test_several_labels_are_taught_too(folder: Path, tmp_path: Path) -> None:
    """More of them than the shortest rows have tokens: a batch's rows are cut, their labels are not."""
    labels = tuple(f"label{number:02}" for number in range(12))
    data = write(tmp_path / "several.csv", labels, several=True)
    how: dict[str, Any] = {"several": ",", "validation": "0", "steps": 2, "context": 8}
    begun = folder / "student" / "model"
    finetune_model(begun, str(data), tmp_path / "teacher", "classify", settings(**how))
    taught = settings(**how, teacher=str(tmp_path / "teacher"))
    result = finetune_model(begun, str(data), tmp_path / "out", "classify", taught)
    assert result.steps == 2
    assert len(Classifier.load(tmp_path / "out", "cpu").labels) == 13


def test_a_teacher_of_other_labels_is_refused(folder: Path, tmp_path: Path) -> None:
    write(folder / "four.csv", (*WORDS, "fire"))
    write(folder / "two.csv", ("sea", "land"))
    write(folder / "several.csv", several=True)
    for data, said, more in (
        ("four.csv", "knows other labels: 3 against 4; the data has 'fire'", {}),
        ("two.csv", "knows other labels: 3 against 2; it has 'air'", {}),
        ("several.csv", "gives one label of a text, the data several", {"several": ","}),
    ):
        with pytest.raises(SettingError, match=said):
            student(folder, tmp_path / "out", data, **more)
        assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())
    with pytest.raises(SettingError, match="not fine-tuned for classification"):
        finetune_model(
            folder / "student" / "model",
            str(folder / "data.csv"),
            tmp_path / "out",
            "classify",
            settings(teacher=str(folder / "large" / "model")),
        )


def test_the_teacher_is_not_written_over(folder: Path) -> None:
    begun = folder / "student" / "model"
    given = settings(teacher=str(folder / "teacher"))
    with pytest.raises(TrainError, match="is --out itself"):
        finetune_model(begun, str(folder / "data.csv"), folder / "teacher", "classify", given, overwrite=True)
