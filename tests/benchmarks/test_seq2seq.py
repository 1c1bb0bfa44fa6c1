"""The data of the benchmark of texts for texts, its baselines, and when its bar is met."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest

from benchmarks import seq2seq, seq2seq_bases, seq2seq_data
from benchmarks.seq2seq_data import Data
from corpuskit.storage.files import read_sealed
from tests.tiny_models import make_both


def test_a_dictionary_finds_what_stands_for_a_word() -> None:
    pairs = [
        ("the house", "das haus"),
        ("the book", "das buch"),
        ("a book", "ein buch"),
        ("a house .", "ein haus ."),
    ]
    rows = [{"source": one, "target": two} for one, two in pairs]
    data = Data(rows, [], [{"source": "The unknown book.", "target": ""}])
    assert seq2seq_data.word_for_word(data) == ["Das unknown buch."]
    assert seq2seq_data.copies(data) == ["The unknown book."]
    assert seq2seq_data.first_words(data, 2) == ["The unknown"]


def test_rows_are_read_as_they_stand(tmp_path: Path) -> None:
    folder = tmp_path / "labelled" / "inflect"
    folder.mkdir(parents=True)
    (folder / "german-train-medium").write_text("Haus\tHäuser\tN;PL\n", encoding="utf-8")
    (folder / "german-dev").write_text("Buch\tBücher\tN;PL\nSee\tSeen\tN;PL\n", encoding="utf-8")
    data = seq2seq_data.inflections(tmp_path, "german", "medium")
    assert data.train == [{"source": "Haus", "target": "Häuser", "features": "N;PL"}]
    assert len(data.test) == 2
    folder = tmp_path / "labelled" / "translate"
    folder.mkdir()
    for side in ("train", "val", "test_2016_flickr"):
        for language, text in (("en", "a\n\nb\u2028c\n"), ("de", "x\ny\nz\n")):
            (folder / f"{side}.{language}.gz").write_bytes(gzip.compress(text.encode()))
    captions = seq2seq_data.captions(tmp_path, "de")
    assert captions.test == [{"source": "a", "target": "x"}, {"source": "b\u2028c", "target": "z"}]


@pytest.mark.parametrize(
    ("size", "learnt", "drawn", "met"),
    [
        ("medium", [90.0, 91.0], [80.0, 82.0], True),
        ("medium", [83.0, 84.0], [82.0, 84.0], False),  # By less than the spread.
        ("medium", [30.0, 31.0], [20.0, 20.0], False),  # Below a copy.
        ("high", [83.0, 84.0], [82.0, 84.0], True),
        ("high", [83.0, 84.0], [84.0, 84.0], False),
        ("high", [80.0, 80.5], [70.0, 70.0], False),  # Below the rules.
    ],
)
def test_the_bar_is_above_all_that_it_names(
    size: str, learnt: list[float], drawn: list[float], met: bool
) -> None:
    group = seq2seq.SETS[f"german {size}"]
    found = {
        "copy of the lemma": [{"exact match": 33.0}],
        "encoder-decoder, pre-trained": [{"exact match": each} for each in learnt],
        "encoder-decoder, random weights": [{"exact match": each} for each in drawn],
    }
    bar, found_met = seq2seq._bar(group, "exact match", sum(learnt) / 2, found)
    assert ("above 81.5" in bar) is (size == "high")
    assert ("by more than the spread" in bar) is (size == "medium")
    assert found_met is met


def test_with_one_seed_no_spread_is_asked_for() -> None:
    found = {
        "copy of the lemma": [{"exact match": 19.0}],
        "encoder-decoder, pre-trained": [{"exact match": 83.0}],
        "encoder-decoder, random weights": [{"exact match": 82.0}],
    }
    bar, met = seq2seq._bar(seq2seq.SETS["german medium"], "exact match", 83.0, found)
    assert bar == "above copy of the lemma, and above random weights"
    assert met


def test_what_is_hidden_is_to_be_written_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(0)
    assert seq2seq_bases.hidden("ein alter Baum", 1.0, draw) == "_"
    assert seq2seq_bases.hidden("ein  alter Baum", 0.0, draw) == "ein alter Baum"
    monkeypatch.setattr(seq2seq_bases, "MENDED_ROWS", 5)
    whole = list(seq2seq_bases.mended(["a b", " ".join(["c"] * 200)]))
    assert sorted({len(row["target"].split()) for row in whole}) == [2, 96]
    assert len(whole) == 5


def test_what_mends_texts_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seq2seq_bases, "MENDED_ROWS", 40)
    monkeypatch.setattr(seq2seq_bases, "STEPS", {"both": {"captions": 2}})
    monkeypatch.setattr(seq2seq_bases, "SHAPES", {"captions": {"context": 64}})
    begun, out = make_both(tmp_path), tmp_path / "captions-both"
    seq2seq_bases.mend("captions", begun, ["A man with a dog.", "Ein Mann mit Hund."], out)
    assert read_sealed(out / "model.json")["training"]["step"] == 2
    monkeypatch.setattr(seq2seq_bases, "tune", None)  # It is not called again.
    seq2seq_bases.mend("captions", begun, [], out)
