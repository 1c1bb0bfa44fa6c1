"""Length: counts words and characters, decides by bounds."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpuskit.documents import batch as batches
from corpuskit.errors import SettingError
from corpuskit.stages.quality.length import Length, count_words


def measure(stage: Length, *texts: str) -> pa.RecordBatch:
    builder = batches.BatchBuilder()
    for i, text in enumerate(texts):
        builder.add(id=str(i), source="x", text=text)
    measured = stage.apply(next(builder.take(rest=True)))
    batches.check(measured, stage.columns, "length")
    assert measured.column("text").to_pylist() == list(texts)
    return measured


def verdicts(stage: Length, *texts: str) -> dict[int, str]:
    return dict(stage.decide(measure(stage, *texts).select(["id", "words", "chars"])))


@pytest.mark.parametrize(
    ("text", "words", "chars"),
    [
        ("", 0, 0),
        (" \n\t ", 0, 4),
        ("one two\u00a0three\u3000four", 4, 18),
        ("well-known, isn't it?", 3, 21),
        ("日本語のテキスト", 8, 8),
        ("日本 and 漢字", 5, 9),
        ("한국어 문장", 2, 6),
        ("𠀀𠀁 😀", 3, 4),
        ("e\u0301", 1, 2),
    ],
)
def test_counts(text: str, words: int, chars: int) -> None:
    measured = measure(Length(), text)
    assert (measured.column("words")[0].as_py(), measured.column("chars")[0].as_py()) == (words, chars)


@given(st.text(max_size=100))
def test_counts_agree_with_python(text: str) -> None:
    plain = text.encode("ascii", "ignore").decode()
    assert count_words(plain) == len(plain.split())
    assert measure(Length(), text).column("chars")[0].as_py() == len(text)
    assert count_words(text) >= len(text.split())


def test_decisions() -> None:
    texts = ["a b c d", "a b c d e", "x" * 30, "a " * 40]
    assert verdicts(Length(), *texts) == {0: "too_short", 2: "too_short"}
    assert verdicts(Length(min_words=0, min_chars=8), *texts) == {0: "too_short"}
    assert verdicts(Length(max_words=39), *texts) == {0: "too_short", 2: "too_short", 3: "too_long"}
    assert verdicts(Length(min_words=0, max_chars=29), *texts) == {2: "too_long", 3: "too_long"}
    # Too few words and too many characters: the lower bound is named.
    assert verdicts(Length(min_words=5, max_chars=29), "x" * 30) == {0: "too_short"}
    assert verdicts(Length(min_words=0), *texts) == {}


def test_thresholds_do_not_redo_the_pass_over_the_text() -> None:
    assert Length(min_words=1).fingerprint(deciding=False) == Length().fingerprint(deciding=False)
    assert Length(min_words=1).fingerprint(deciding=True) != Length().fingerprint(deciding=True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_words": 10, "max_words": 9}, "max_words: 9 is below min_words: 10"),
        ({"min_chars": 10, "max_chars": 9}, "max_chars: 9 is below min_chars: 10"),
        ({"min_words": -1}, "greater than or equal to 0"),
        ({"least_words": 1}, "unknown setting 'least_words'"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, int], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        Length(**settings)


def test_empty_and_sliced_batches() -> None:
    measured = measure(Length(), "a b c d e f", "a", "b c")
    plain = measured.drop_columns(["words", "chars"])
    assert Length().apply(plain.slice(1, 2)).column("words").to_pylist() == [1, 2]
    assert Length().apply(plain.slice(0, 0)).num_rows == 0
    assert verdicts(Length(min_words=1), "a") == {}
