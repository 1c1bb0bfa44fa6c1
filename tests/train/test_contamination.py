"""Evaluation texts that stand in training documents are named, whatever stands around them."""

import unicodedata
from pathlib import Path

import pytest

from corpuskit.documents.words import words
from corpuskit.shards.reader import Shards
from corpuskit.train.evaluate.contamination import WORDS, find_shared, training_documents
from tests.train.conftest import write_run

NUMBERS = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
LINES = [
    "x one two three four five six seven eight nine ten eleven twelve y",
    "z two three four five six seven eight nine ten eleven twelve thirteen fourteen w",
    "one two three",
]


def test_thirteen_words_in_a_row_are_found_and_twelve_are_not() -> None:
    documents = [("land.txt", "Hills and nothing else."), ("sea.txt", f"Waves: {NUMBERS}, and foam.")]
    found = find_shared(LINES, iter(documents))
    assert (found.texts, found.too_short, found.documents) == (3, 1, 2)
    [shared] = found.shared
    assert (shared.number, shared.document, shared.documents) == (1, "sea.txt", 1)
    assert shared.words == " ".join(NUMBERS.split()[1:])


def test_case_and_punctuation_make_no_difference() -> None:
    text = NUMBERS.title().replace(" ", ", ")
    assert find_shared([f"«{NUMBERS}»"], iter([("a", text), ("b", text)])).shared[0].documents == 2


def test_words_of_two_documents_or_out_of_order_share_nothing() -> None:
    every = NUMBERS.split()
    documents = [("a", " ".join(every[:8])), ("b", " ".join(every[8:])), ("c", " ".join(reversed(every)))]
    assert find_shared([NUMBERS], iter(documents)).shared == ()
    # Another word in between, one that no text of the evaluation has.
    assert find_shared([NUMBERS], iter([("d", " strange ".join([" ".join(every[:7])] * 2))])).shared == ()


def test_equal_words_of_many_texts_are_all_found() -> None:
    texts = [NUMBERS, "nothing of it", f"again {NUMBERS}"]
    found = find_shared(texts, iter([("a", NUMBERS)]))
    assert [shared.number for shared in found.shared] == [0, 2]
    repeated = " ".join(["na"] * 40)
    assert [each.number for each in find_shared([repeated], iter([("a", repeated)])).shared] == [0]
    assert find_shared([], iter([("a", NUMBERS)])).texts == 0


def test_scripts_without_blanks_have_words_too() -> None:
    text = "吾輩は猫である名前はまだ無い"
    assert len(words(text)) == len(text) > WORDS
    assert find_shared([f"彼曰く{text}"], iter([("a", f"「{text}」")])).shared
    assert words("ภาษาไทย") == ["ภ", "า", "ษ", "า", "ไ", "ท", "ย"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It’s 3 o'clock -- 'really'!", ["it's", "3", "o'clock", "really"]),
        ("snake_case e\u0301te\u0301", ["snake", "case", "été"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("שָׁלוֹם", ["שָׁלוֹם"]),
        ("", []),
    ],
)
def test_words_keep_their_marks(text: str, expected: list[str]) -> None:
    assert [word.encode() for word in words(text)] == [
        unicodedata.normalize("NFC", word).encode() for word in expected
    ]


def test_documents_are_those_of_the_training_split(tmp_path: Path) -> None:
    run = write_run(
        tmp_path / "run", {"train": [["Hills."], [f"Waves: {NUMBERS}."]], "validation": [[LINES[0]]]}
    )
    shards = Shards(run / "shards")
    documents = list(training_documents(run, shards))
    assert [text for _, text in documents] == ["Hills.", f"Waves: {NUMBERS}."]
    assert [name for name, _ in documents] == ["train-00000 sequence 0", "train-00001 sequence 0"]
    [shared] = find_shared(LINES, iter(documents)).shared
    assert shared.document == "train-00001 sequence 0"
