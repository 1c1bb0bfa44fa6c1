"""Constructors of settings: what is wrong is told in our own error, by name, value and remedy."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest

from corpuskit import Files, Length, NearDuplicates, Split, TrainTokenizer, Unicode, Wikipedia, WriteShards
from corpuskit.errors import SettingError

WRONG: list[tuple[Callable[[], Any], str, str]] = [
    (lambda: Length(min_word=5), "Length: unknown setting 'min_word'", "Did you mean 'min_words'?"),
    (lambda: Length(5), "Length: 5 has no name", "name=value"),
    (lambda: Length(min_words=-1), "Length: min_words = -1: ", "Correct the value."),
    (lambda: Length(min_words=9, max_words=3), "max_words: 3 is below min_words: 9", ""),
    (lambda: Files(), "Files: the setting 'path' is missing", "Add a value: `path: ...`."),
    (lambda: Files(path=3, label="x"), "Files: path = 3: ", ""),
    (lambda: Split(validation=2), "Split: validation = 2: ", ""),
    (lambda: WriteShards(split={"validaton": 0.1}), "unknown setting 'split.validaton'", "'validation'"),
    (lambda: Unicode(normalization="NFCC"), "Unicode: normalization = 'NFCC': ", "Did you mean 'NFC'?"),
    (lambda: TrainTokenizer(file="x", lossy="yes"), "TrainTokenizer: lossy = 'yes'", ""),
    (lambda: TrainTokenizer(lossy="allow"), "lossy is for a given file", ""),
    (lambda: NearDuplicates(threshold="high"), "NearDuplicates: threshold = 'high': ", ""),
    (lambda: Wikipedia(path="x", drop_sections="Notes"), "should be a list", "[Notes]"),
]


@pytest.mark.parametrize(("make", "message", "remedy"), WRONG)
def test_what_is_wrong_is_named(make: Callable[[], Any], message: str, remedy: str) -> None:
    with pytest.raises(SettingError) as caught:
        make()
    assert message in caught.value.message
    assert remedy in caught.value.remedy


def test_settings_are_what_they_were() -> None:
    made = Length(min_words=7)
    assert pickle.loads(pickle.dumps(made)) == made == Length.model_validate({"min_words": 7})
    assert WriteShards(split={"test": 0.1}).split == Split(test=0.1)
