"""Length: counts words and characters, decides by bounds."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpuskit.documents import batch as batches
from corpuskit.documents.words import word_spans
from corpuskit.errors import SettingError
from corpuskit.stages.quality.length import Length

CORPORA = os.environ.get("CORPUSKIT_CORPORA")
needs_corpora = pytest.mark.skipif(not CORPORA, reason="CORPUSKIT_CORPORA does not name the corpora")


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
        ("well-known, isn't it?", 4, 21),
        ("1,300.50 at 12:30 — no word", 5, 27),
        ("हिन्दी में लिखा", 3, 15),
        ("ภาษาไทย", 7, 7),
        ("日本語のテキスト", 8, 8),
        ("日本 and 漢字", 5, 9),
        ("한국어 문장", 2, 6),
        ("𠀀𠀁 😀", 2, 4),
        ("e\u0301", 1, 2),
    ],
)
def test_counts(text: str, words: int, chars: int) -> None:
    measured = measure(Length(), text)
    assert (measured.column("words")[0].as_py(), measured.column("chars")[0].as_py()) == (words, chars)


@settings(deadline=None)
@given(st.lists(st.text(max_size=100), max_size=5))
def test_counts_are_those_of_the_definition(texts: list[str]) -> None:
    measured = measure(Length(), *texts, "x")
    assert measured.column("words").to_pylist() == [len(word_spans(text)) for text in (*texts, "x")]
    assert measured.column("chars").to_pylist() == [len(text) for text in (*texts, "x")]


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


@pytest.mark.parametrize(
    ("language", "sentence", "words"),
    [
        ("Thai", "มนุษย์ทั้งปวงเกิดมามีอิสระและเสมอภาคกัน ", 31),
        ("Lao", "ມະນຸດເກີດມາມີສິດເສລີພາບ ", 18),
        ("Khmer", "មនុស្សទាំងអស់កើតមកមានសេរីភាព ", 18),
        ("Burmese", "လူတိုင်းသည်တူညီလွတ်လပ်သော ", 12),
        ("Tibetan", "འགྲོ་བ་མིའི་རིགས་རྒྱུད་ཡོངས་ལ་སྐྱེས་ཙམ་ཉིད་ནས་ ", 22),
    ],
)
def test_texts_without_blanks_between_words_pass(language: str, sentence: str, words: int) -> None:
    text = (sentence * 40)[:600]
    assert verdicts(Length(min_words=20), text) == {}
    assert measure(Length(), sentence).column("words")[0].as_py() == words == len(word_spans(sentence))


@pytest.mark.corpora
@needs_corpora
def test_the_declaration_passes_in_388_languages() -> None:
    """Each text has at least as many words as pieces with a letter between white space."""
    with zipfile.ZipFile(Path(str(CORPORA)) / "langid" / "udhr2.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".txt"))
        texts = [archive.read(name).decode("utf-8-sig") for name in names]
    assert len(texts) == 388
    counts = measure(Length(), *texts).column("words").to_pylist()
    assert counts == [len(word_spans(text)) for text in texts]
    for name, text, count in zip(names, texts, counts, strict=True):
        pieces = sum(any(map(str.isalnum, piece)) for piece in text.split())
        assert count >= pieces, name
        assert verdicts(Length(min_words=count), text) == {}, name
    of = dict(zip(names, counts, strict=True))
    spaceless = [of[f"udhr2/{name}.txt"] for name in ("tha", "lao", "khm", "mya", "bod", "jpn", "cmn_hans")]
    assert min(spaceless) > 2000
