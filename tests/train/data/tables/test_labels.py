"""Labels: names in one order, whatever they stand as, and what is odd about them said."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from typing import Any

import pytest

from corpuskit.errors import SettingError
from corpuskit.train.data.tables.labels import UNKNOWN, LabelCounter, Labels, UnknownLabels
from corpuskit.train.data.tables.row import Place


def labels(values: list[Any], **options: Any) -> Labels:
    counter = LabelCounter(**options)
    for row, value in enumerate(values, 1):
        counter.add(value, Place("d.csv", row))
    return counter.finish()


def test_the_order_is_that_of_the_names_whatever_that_of_the_rows() -> None:
    values = ["fruit", "veg", "tool", "fruit", "veg", "tool", "Zoo", "äpfel"]
    expected = labels(values)
    assert expected.names == ("Zoo", "fruit", "tool", "veg", "äpfel")
    for seed in range(5):
        assert labels(random.Random(seed).sample(values, len(values))) == expected


def test_the_order_does_not_hang_on_the_hash_seed() -> None:
    code = (
        "from corpuskit.train.data.tables.labels import LabelCounter\n"
        "from corpuskit.train.data.tables.row import Place\n"
        "counter = LabelCounter()\n"
        "for value in ['tool', 'veg', 'fruit', 'a b', 'A-b']: counter.add(value, Place('d', 1))\n"
        "print(counter.finish())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1
    assert "('A-b', 'a b', 'fruit', 'tool', 'veg')" in found.pop()


def test_words_for_nothing_are_labels() -> None:
    found = labels(["NA", "DE", "NA", "FR", "None", "None", "FR", "DE"])
    assert dict(zip(found.names, found.counts, strict=True)) == {"DE": 2, "FR": 2, "NA": 2, "None": 2}


def test_blanks_are_taken_off_and_capitals_are_suspicious() -> None:
    found = labels(["ham", "spam", "ham ", "Spam", " spam", "ham"])
    assert found.names == ("Spam", "ham", "spam")
    assert found.counts == (1, 3, 2)
    assert found.told == (
        "2 labels have blanks around them, which are taken off: d.csv rows 3 and 5",
        "labels that differ in capitals or blanks alone: 'Spam', 'spam'",
    )


def test_a_number_and_its_text_are_one_label() -> None:
    found = labels([1, "1", 0, "0", 1, 0, 1.0])
    assert (found.names, found.counts) == (("0", "1"), (3, 4))
    assert found.told == ("labels stand as a number and text, and count as one label each: '0', '1'",)
    assert [found.number(value) for value in (1, "1 ", 0.0, "2", None)] == [1, 1, 0, UNKNOWN, UNKNOWN]


def test_several_labels_in_a_cell_and_none() -> None:
    found = labels(["red,blue", "blue", "green", "", "blue, red"], several=True, separator=",")
    assert (found.names, found.counts, found.unlabelled, found.rows) == (
        ("blue", "green", "red"),
        (3, 1, 2),
        1,
        5,
    )
    assert found.numbers("red, blue") == ([0, 2], [])
    assert found.numbers("") == ([], [])
    assert found.numbers("blue,pink") == ([0], ["pink"])


@pytest.mark.parametrize("values", [[["red", "blue"], ["blue"], []], ['["red", "blue"]', '["blue"]', "[]"]])
def test_lists_of_labels_need_no_separator(values: list[Any]) -> None:
    found = labels(values, several=True)
    assert (found.names, found.counts, found.unlabelled) == (("blue", "red"), (2, 1), 1)


def test_cells_that_look_like_lists_are_told() -> None:
    found = labels(["red,blue", "blue", "green", "green", "blue, red"])
    assert len(found.names) == 4
    expected = "2 cells of 'label' look like lists parted by ',': 'blue, red', 'red,blue'"
    assert any(told.startswith(expected) for told in found.told)
    with pytest.raises(SettingError, match=r"(?s)empty in 1 row.*look like lists"):
        labels(["red,blue", "blue", "green", "", "blue, red"])
    assert not labels(["Sci/Tech", "Smith, John", "World", "World"]).told


def test_one_class_is_no_classification() -> None:
    with pytest.raises(SettingError, match=r"column 'topic' holds one label, 'news', in 4 rows"):
        labels(["news"] * 4, column="topic")
    assert labels([["a"], []], several=True).names == ("a",)


@pytest.mark.parametrize(
    ("values", "options", "says"),
    [
        (["a", "", "b", None], {}, r"empty in 2 rows: d\.csv rows 2 and 4"),
        ([], {}, "holds no label in 0 rows"),
        (["", " "], {"several": True}, "holds no label in 2 rows"),
        ([["a", "b"], "c"], {}, r"holds lists, and a text has one label: d\.csv row 1"),
        ([{"a": 1}, "c"], {}, r"holds an object or bytes, not a label: d\.csv row 1"),
        (["a", "b", "c"], {"names": ["a", "b"]}, r"label 'c' is not among those named \(d\.csv row 3\)"),
        (["a", "b"], {"names": ["a", "b", "z"]}, "no row has the label 'z'"),
    ],
)
def test_what_are_no_labels_is_named(values: list[Any], options: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingError, match=says):
        labels(values, **options)


def test_a_column_of_measurements_is_suspicious() -> None:
    assert any("does it hold labels" in told for told in labels([i / 7 for i in range(60)]).told)


def test_a_label_that_training_never_saw_counts_as_wrong_and_is_named() -> None:
    unknown = UnknownLabels(labels(["yes", "no", "yes", "no"]))
    gold = [
        unknown.number(v, Place("test.csv", r))
        for r, v in enumerate(["yes", "no", "other", "yes", "other"], 1)
    ]
    assert gold == [1, 0, UNKNOWN, 1, UNKNOWN]
    assert unknown.rows == 5
    assert unknown.sentences() == [
        "label 'other' is not known from training, its 2 rows count as wrong: test.csv rows 3 and 5; "
        "known: 'no', 'yes'"
    ]
