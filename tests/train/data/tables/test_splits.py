"""Splits: no text stands on both sides, whatever the seed, and copies are counted and named."""

from __future__ import annotations

import random

import pytest

from corpuskit.errors import SettingError
from corpuskit.train.data.tables.row import Place
from corpuskit.train.data.tables.splits import TextIndex, between, cut, overlap


def index(texts: list[str], file: str = "d.csv", labels: list[int] | None = None) -> TextIndex:
    found = TextIndex()
    for row, text in enumerate(texts, 1):
        found.add(Place(file, row), text, label=labels[row - 1] if labels else 0)
    return found


COPIES = [f"message {number % 8}" for number in range(24)]


@pytest.mark.parametrize("seed", range(10))
def test_equal_texts_never_stand_on_both_sides(seed: int) -> None:
    found = cut(index(COPIES), validation=0.25, test=0.1, seed=seed)
    sides = {split: {COPIES[row] for row in found.rows(split).tolist()} for split in found.splits}
    assert set.union(*sides.values()) == set(COPIES)
    assert sum(map(len, sides.values())) == 8
    assert found.counts() == {"train": 15, "validation": 6, "test": 3}


def test_the_cut_goes_by_texts_and_not_by_their_order() -> None:
    texts = [f"text {number}" for number in range(200)]
    turned = random.Random(1).sample(texts, len(texts))

    def held_out(rows: list[str], seed: int) -> set[str]:
        return {rows[row] for row in cut(index(rows), validation=0.2, seed=seed).rows("validation").tolist()}

    assert held_out(texts, 3) == held_out(turned, 3)
    assert len(held_out(texts, 3)) == 40
    assert held_out(texts, 3) != held_out(texts, 4)


def test_capitals_blanks_and_wide_letters_make_no_other_text() -> None:
    assert index(["Free  money", "free money\n", "ＦＲＥＥ money", "free honey"]).copies().tolist() == [1, 2]


def test_copies_are_counted_and_named() -> None:
    assert index(COPIES).sentences() == [
        "16 of 24 rows repeat the text of another: d.csv rows 9, 10, 11, 12, 13 and 11 more"
    ]
    assert index(["a", "b"]).sentences() == []


def test_copies_with_another_label_are_named() -> None:
    assert index(["a", "b", "A"], labels=[0, 1, 1]).sentences()[1] == (
        "1 row has a text that stands with another label too: d.csv row 3"
    )


def test_pairs_are_equal_as_pairs() -> None:
    found = TextIndex()
    for row, pair in enumerate([("a", "b"), ("a b", ""), ("A", "B")], 1):
        found.add(Place("d.csv", row), *pair)
    assert found.copies().tolist() == [2]


def test_held_out_rows_whose_texts_are_learned_are_named_and_left_out() -> None:
    train = index(["same words", "other words", "more words"], "train.csv")
    test = index(["same words", "new words", "More  words"], "test.csv")
    found = overlap(train, test, split="test", name="train.csv")
    assert found.left_out.tolist() == [0, 2]
    assert found.sentences() == [
        "2 of 3 test rows have their texts in train.csv and are left out of test (test.csv rows 1 and 3): "
        "1 row remains"
    ]
    assert list(between({"train": train, "test": test})) == [
        "2 of 3 rows of test have their texts in train: test.csv rows 1 and 3"
    ]
    with pytest.raises(SettingError, match="all 3 rows of validation"):
        overlap(train, train)
    assert overlap(train, index(["quite new"])).sentences() == []


@pytest.mark.parametrize(
    ("texts", "shares", "says"),
    [
        (["a", "b"], {"validation": 1.5}, "validation = 1.5 is no share"),
        (["a", "b"], {"validation": 0.5, "test": 0.5}, "leave nothing to train on"),
        (["a", "A", "a"], {"validation": 0.5}, "1 different text cannot be cut into 2"),
    ],
)
def test_what_cannot_be_cut_is_named(texts: list[str], shares: dict[str, float], says: str) -> None:
    with pytest.raises(SettingError, match=says):
        cut(index(texts), **shares)


@pytest.mark.parametrize("texts", [["a", "b"], ["a", "b", "c"], ["a"] * 50 + ["b", "c"]])
def test_every_split_that_is_asked_for_has_a_text(texts: list[str]) -> None:
    asked = {"validation": 0.01} if len(set(texts)) == 2 else {"validation": 0.01, "test": 0.9}
    for seed in range(20):
        assert min(cut(index(texts), seed=seed, **asked).counts().values()) > 0
