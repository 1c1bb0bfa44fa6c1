"""Multiple choice, clozes and written answers from files, against values that are known."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from corpuskit.errors import CorpuskitError, EmptyError, InputError, SettingError
from corpuskit.train.evaluate.questions.answers import Answers, answer
from corpuskit.train.evaluate.questions.items import Questions, questions_in, questions_of
from tests.tiny_models import load

ROWS = [
    {"question": "Q1:", "choices": ["cat", "dog"], "answer": 0},
    {"question": "Q2:", "choices": ["dog", "cat"], "answer": 1},
    {"question": "Q3:", "choices": ["red", "sky"], "answer": 1},
    {"question": "Q4:", "choices": ["up", "no"], "answer": 1},
    {"question": "Q5:", "choices": ["abc", "de"], "answer": 0},
]


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def task(folder: Path, **values: Any) -> Path:
    path = folder / "task.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def means(answers: Answers) -> dict[str, float]:
    return {name: sum(each) / len(each) for name, each in answers.values.items()}


def test_a_model_that_knows_nothing_takes_the_first_and_says_so(tmp_path: Path) -> None:
    questions = questions_in(lines(tmp_path / "task.jsonl", ROWS))
    assert questions is not None
    found = answer(load(tmp_path, "uniform"), questions)
    assert found.counts["ties"] == 4
    assert means(found) == {
        "acc": pytest.approx(1 / 5),
        "acc_norm": pytest.approx(2 / 5),
        "acc_bytes": pytest.approx(2 / 5),
        "acc_drawn": pytest.approx(0.4),
    }
    assert found.said == ["cat", "dog", "red", "up", "de"]


def test_sums_prefer_what_is_short(tmp_path: Path) -> None:
    rows = [
        {"question": "Q", "choices": ["no", "a longer one"], "answer": 1},
        {"question": "Q", "choices": ["é", "ab"], "answer": 0},
        {"question": "Q", "choices": ["abc", "é"], "answer": 1},
        {"question": "Q", "choices": ["42", "forty two"], "answer": 1},
        {"question": "Q", "choices": ["yes", "a bit more"], "answer": 0},
    ]
    questions = questions_in(lines(tmp_path / "task.jsonl", rows))
    assert questions is not None
    found = answer(load(tmp_path, weights={"Ã": 30, "©": 30}), questions)
    assert found.values["acc"] == [0, 1, 1, 0, 1]
    assert found.values["acc_norm"] == [1, 0, 0, 1, 0]
    assert found.values["acc_bytes"] == [1, 1, 1, 1, 0]


def test_gold_may_be_a_number_a_text_or_a_label(tmp_path: Path) -> None:
    rows = [
        {"q": "a", "gold": 1, "label": "3"},
        {"q": "b", "gold": "y", "label": "3"},
        {"q": "c", "gold": "1", "label": "3"},
    ]
    lines(tmp_path / "rows.jsonl", rows)
    common = {"data": "rows.jsonl", "prompt": "{q}", "choices": ["x", "y"]}
    by_gold = questions_of(task(tmp_path, **common, gold="gold"))
    by_label = questions_of(task(tmp_path, **common, gold="label", labels=["7", "3"]))
    assert [item.gold for item in by_gold.items] == [item.gold for item in by_label.items] == [1, 1, 1]
    # A number of JSON is a place, also where choices look like numbers; a text is a choice first.
    lines(tmp_path / "rows.jsonl", [{"q": "a", "gold": 1}, {"q": "a", "gold": "1"}])
    numbers = questions_of(task(tmp_path, **{**common, "choices": ["1", "0"]}, gold="gold"))
    assert [item.gold for item in numbers.items] == [1, 0]


def test_a_table_without_a_header_is_a_classification(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text('"2","Cup final, again","They {won}."\n"1","Vote","Counted."\n')
    path = task(
        tmp_path,
        data="rows.csv",
        header=False,
        prompt="{2} {3}\n{{Topic}}:",
        choices=["World", "Sports"],
        gold="1",
        labels=["1", "2"],
        separator=" ",
    )
    found = questions_of(path)
    assert [(item.prompt, item.gold) for item in found.items] == [
        ("Cup final, again They {won}.\n{Topic}:", 1),
        ("Vote Counted.\n{Topic}:", 0),
    ]
    assert found.task.name == "task"


def test_examples_stand_before_and_are_none_of_the_questions(tmp_path: Path) -> None:
    lines(tmp_path / "rows.jsonl", [{"q": "one", "a": "1"}])
    lines(tmp_path / "shots.jsonl", [{"q": "two", "a": "2"}, {"q": "three", "a": "3"}])
    common = {"data": "rows.jsonl", "prompt": "{q}:", "continuation": "{a}", "separator": " "}
    examples = {"data": "shots.jsonl", "count": 2, "between": " / "}
    [item] = questions_of(task(tmp_path, **common, examples=examples)).items
    assert item.prompt == "two: 2 / three: 3 / one:"
    drawn = [
        questions_of(task(tmp_path, **common, examples={**examples, "count": 1, "seed": seed}))
        .items[0]
        .prompt
        for seed in range(8)
    ]
    assert set(drawn) == {"two: 2 / one:", "three: 3 / one:"}
    with pytest.raises(SettingError, match="whose rows are asked"):
        questions_of(task(tmp_path, **common, examples={"data": "./rows.jsonl", "count": 1}))
    with pytest.raises(InputError, match="has 2 rows, examples ask for 4"):
        questions_of(task(tmp_path, **common, examples={"data": "shots.jsonl"}))


def test_a_cloze_has_the_loss_of_its_continuations(tmp_path: Path) -> None:
    rows = [
        {"context": "x", "continuation": " a"},
        {"context": "x ", "continuation": "a"},
        {"context": "x", "continuation": " b"},
    ]
    questions = questions_in(lines(tmp_path / "task.jsonl", rows))
    assert questions is not None
    found = answer(load(tmp_path, merges=[(" ", "a")], weights={" a": 40}), questions)
    assert found.values["loss"] == pytest.approx([2.8317, 2.8317, 8.1892], abs=1e-4)
    assert found.sizes == {"loss": [1, 1, 2], "bits_per_byte": [2, 1, 2]}


def test_what_is_written_is_compared(tmp_path: Path) -> None:
    table = {"": {"a": 1}, ":": {"4": 1}, "4": {"2": 1}, "2": {"\n": 1}, "\n": {"4": 1}}
    model = load(tmp_path, "bigram", table=table)
    lines(tmp_path / "rows.jsonl", [{"q": "x:", "a": "42"}, {"q": "y:", "a": "43"}])
    common = {"data": "rows.jsonl", "prompt": "{q}", "answer": "{a}"}
    found = answer(model, questions_of(task(tmp_path, **common)))
    assert found.said == ["42", "42"]
    assert found.values == {"exact_match": [1, 0]}
    found = answer(model, questions_of(task(tmp_path, **common, stop=[], tokens=5, pattern="(4).")))
    assert found.said == ["42\n42", "42\n42"]
    assert found.values == {"exact_match": [0, 0]}
    lines(tmp_path / "rows.jsonl", [{"q": "x:", "a": " 4 "}])
    found = answer(model, questions_of(task(tmp_path, **common, pattern="(4).")))
    assert found.values == {"exact_match": [1]}


GOOD = {"data": "rows.jsonl", "prompt": "{q}", "choices": ["x", "y"], "gold": "gold"}


@pytest.mark.parametrize(
    ("values", "error", "said"),
    [
        ({**GOOD, "prompt": "{question}"}, InputError, "has no field 'question'\n  There are: q, gold."),
        ({**GOOD, "gold": "label"}, InputError, "has no field 'label'"),
        ({**GOOD, "choices": ["a", "b"]}, InputError, "gold gold = 'y' is none of the 2 choices: 'a', 'b'"),
        ({**GOOD, "choices": "q"}, InputError, "field 'q' holds no list: 'word'"),
        ({**GOOD, "choices": ["x"]}, SettingError, "are less than 2"),
        ({**GOOD, "labels": ["1"]}, SettingError, "1 labels for 2 choices"),
        ({**GOOD, "labels": ["1", "1"]}, SettingError, "hold one twice"),
        ({**GOOD, "choises": ["x"]}, SettingError, "choises is no setting of a task"),
        ({**GOOD, "examples": {"data": "a", "cuont": 1}}, SettingError, "examples.cuont is no setting"),
        ({**GOOD, "limit": 0}, SettingError, "limit = 0: Input should be greater than or equal to 1"),
        ({**GOOD, "prompt": "{q"}, SettingError, "Write fields as {name}"),
        ({**GOOD, "prompt": "{}"}, SettingError, "Write fields as {name}"),
        ({**GOOD, "answer": "{q}"}, SettingError, "choices and answer stands there"),
        ({**GOOD, "stop": ["."]}, SettingError, "stop belongs to answer, and the task has choices"),
        ({"data": "rows.jsonl", "prompt": "{q}", "choices": ["x", "y"]}, SettingError, "gold is missing"),
        ({"data": "rows.jsonl", "prompt": "{q}"}, SettingError, "none of choices, continuation and answer"),
        ({"prompt": "{q}", "answer": "{q}"}, SettingError, "data is missing"),
        ({**GOOD, "data": "gone.jsonl"}, InputError, "gone.jsonl"),
        ({**GOOD, "data": "empty.jsonl"}, EmptyError, "holds no row"),
        ({**GOOD, "data": "bad.jsonl"}, InputError, "not JSON"),
        ({**GOOD, "data": "task.yaml"}, SettingError, "of no format that is known"),
        ({"data": "rows.jsonl", "prompt": "{q}", "answer": "{q}", "pattern": "("}, SettingError, "pattern"),
    ],
)
def test_a_task_that_cannot_be_asked_is_refused(
    tmp_path: Path, values: dict[str, Any], error: type[CorpuskitError], said: str
) -> None:
    lines(tmp_path / "rows.jsonl", [{"q": "word", "gold": "y"}])
    (tmp_path / "empty.jsonl").write_text("\n")
    (tmp_path / "bad.jsonl").write_text('{"q": "a", "gold": "x"}\n{"q": \n')
    with pytest.raises(error) as caught:
        questions_of(task(tmp_path, **values))
    assert said in str(caught.value)
    assert caught.value.remedy


def test_what_is_no_task_by_itself_is_a_text(tmp_path: Path) -> None:
    assert questions_in(lines(tmp_path / "a.jsonl", [{"text": "a"}])) is None
    (tmp_path / "b.txt").write_text("a")
    assert questions_in(tmp_path / "b.txt") is None


def test_choices_without_a_blank_before_them_are_told(tmp_path: Path) -> None:
    def asked(**changes: Any) -> Questions:
        return questions_of(task(tmp_path, **{**GOOD, **changes}))

    lines(tmp_path / "rows.jsonl", [{"q": "word", "gold": "y"}])
    assert asked().directly
    assert not asked(separator=" ").directly
    assert not asked(prompt="{q} ").directly
