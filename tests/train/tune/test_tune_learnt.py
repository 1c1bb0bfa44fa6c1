"""`corpuskit eval` of a tuned model says which rows of a file the model has learnt from itself."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from corpuskit.errors import TrainError
from corpuskit.train.evaluate.learnt import Known
from corpuskit.train.predict import Classifier
from tests.train.tune.tuning import Run, command, lines, printed, table, tune

ROWS = [f"{word} {n},{label}" for n in range(15) for word, label in (("rain", "bad"), ("sun", "good"))]


@pytest.fixture(scope="module")
def weather(random_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A classifier of the weather; three of its 30 rows are held out."""
    folder = tmp_path_factory.mktemp("weather")
    data = table(folder / "data.csv", *ROWS)
    return tune(random_model, data, folder / "out", "classify", steps=20, learning_rate=3e-3)


def member(out: Path, data: Path, *more: str) -> dict[str, Any]:
    """What `eval` finds of one model on one file."""
    [found] = printed("eval", out, data, *more)["sets"][0]["models"][str(out)]["members"].values()
    assert isinstance(found, dict)
    return found


def test_rows_that_were_learnt_from_are_counted_and_the_others_measured_alone(weather: Run) -> None:
    data = weather.out.parent / "data.csv"
    found = member(weather.out, data)
    assert (found["rows"], found["learnt"], found["rest"]["rows"]) == (30, 27, 3)
    assert found["rest"]["accuracy"]["value"] == pytest.approx(weather.result.figures["accuracy"])
    assert found["rest"]["loss"]["value"] == pytest.approx(weather.result.validation_loss, abs=1e-6)
    said = command("eval", weather.out, data).output
    assert "WARNING: of 30 rows the model has learnt from 27" in said
    assert "of the other 3, 3 were measured on while it learnt" in said
    assert "on 3 not learnt from" in said


def test_texts_are_the_same_as_they_are_for_the_split(weather: Run, tmp_path: Path) -> None:
    """Blanks and capitals make no other text, and a file of new texts is measured without a warning."""
    spelled = [text.replace(" ", "  ").upper() + f",{label}" for text, label in map(_parts, ROWS)]
    assert member(weather.out, table(tmp_path / "b.csv", *spelled))["learnt"] == 27
    other = table(tmp_path / "c.csv", "rain 99,bad", "sun 99,good")
    found = member(weather.out, other)
    assert (found["learnt"], found["rest"]) == (0, None)
    assert "WARNING" not in command("eval", weather.out, other).output


def _parts(row: str) -> tuple[str, str]:
    text, _, label = row.partition(",")
    return text, label


def test_what_is_kept_says_it_in_the_card_too(weather: Run) -> None:
    member(weather.out, weather.out.parent / "data.csv", "--save", "own")
    kept = json.loads((weather.out / "evaluations" / "own.json").read_text())
    assert kept["figures"]["data.csv"]["learnt"] == 27
    assert kept["limits"] == ["It has learnt from 27 rows of data.csv, which measures it."]


def test_a_model_without_its_examples_is_measured_and_says_that_it_does_not_know(
    weather: Run, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(weather.out, copy)
    shutil.rmtree(copy / "data")
    data = weather.out.parent / "data.csv"
    assert (member(copy, data)["learnt"], member(copy, data)["rest"]) == (None, None)
    assert "how many of the rows the model has learnt from is not known" in command("eval", copy, data).output


def test_all_learnt_leaves_nothing_to_measure_alone(random_model: Path, tmp_path: Path) -> None:
    """Pairs and texts that are longer than the context, which are known by what the model reads of them."""
    rows = [
        {"premise": f"rain {n}", "hypothesis": "rain " * (200 if n else 1), "label": str(n % 2)}
        for n in range(4)
    ]
    run = tune(random_model, lines(tmp_path / "a.jsonl", rows), tmp_path / "out", "classify", steps=1)
    found = member(run.out, tmp_path / "a.jsonl")
    assert (found["learnt"], found["rest"], found["texts_cut"]) == (4, None, 3)
    swapped = [row | {"premise": row["hypothesis"], "hypothesis": row["premise"]} for row in rows[:1]]
    swapped[0]["hypothesis"] = "sun"
    assert member(run.out, lines(tmp_path / "b.jsonl", swapped))["learnt"] == 0


def test_sentences_of_a_tagger_are_counted(random_model: Path, tmp_path: Path) -> None:
    sentences = [
        {"words": [word, "runs", *["far"] * many], "tags": ["B-PER", "O", *["O"] * many]}
        for word, many in (("Ada", 0), ("Zoe", 200))
    ]
    run = tune(random_model, lines(tmp_path / "a.jsonl", sentences), tmp_path / "out", "tag", steps=1)
    more = [*sentences, {"words": ["Ida", "runs"], "tags": ["B-PER", "O"]}]
    found = member(run.out, lines(tmp_path / "b.jsonl", more))
    assert (found["sentences"], found["learnt"]) == (3, 2)
    assert (found["rest"]["sentences"], found["rest"]["words"]) == (1, 2)


def test_damaged_examples_are_named(weather: Run, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(weather.out, copy)
    (copy / "data" / "train" / "ids.values").write_bytes(b"x")
    classifier = Classifier.load(copy)
    with pytest.raises(TrainError, match=r"ids\.values is damaged"):
        Known(classifier.model, copy, [[classifier.read("rain 1")[0]]])
