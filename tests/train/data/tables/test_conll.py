"""Words with labels: the forms in which they come, and the scheme of their tags."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from corpuskit.errors import CorpuskitError, EmptyError, InputError, SettingError
from corpuskit.train.data.tables.conll import find_scheme, read_conll
from corpuskit.train.data.tables.row import Account

PLAIN = "Ada B-PER\nlives O\nin O\nNew B-LOC\nYork I-LOC\n\nParis B-LOC\nis O\nlarge O\n"


def write(tmp_path: Path, data: str | bytes, name: str = "data.conll") -> Path:
    path = tmp_path / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@pytest.mark.parametrize(
    "data",
    [
        PLAIN,
        PLAIN.replace(" ", "\t"),
        PLAIN.replace("\n", "\r\n"),
        "\ufeff" + PLAIN,
        "-DOCSTART- O\n\n" + PLAIN.replace("\n\n", "\n\n\n  \n-DOCSTART- O\n\n"),
        PLAIN.replace(" ", " x x "),
        PLAIN.rstrip("\n"),
    ],
)
def test_a_word_a_line(tmp_path: Path, data: str) -> None:
    tagged = read_conll(write(tmp_path, data))
    found = list(tagged.sentences())
    assert [sentence.words for sentence in found] == [
        ("Ada", "lives", "in", "New", "York"),
        ("Paris", "is", "large"),
    ]
    assert found[0].tags == ("B-PER", "O", "O", "B-LOC", "I-LOC")
    assert tagged.scheme == "IOB2"
    assert tagged.told[-1] == "tags: spans by IOB2: LOC, PER"


def test_columns_by_number(tmp_path: Path) -> None:
    path = write(tmp_path, "Ada B-PER I-PER\nlives O O\n")
    assert [s.tags for s in read_conll(path).sentences()] == [("I-PER", "O")]
    assert [s.tags for s in read_conll(path, tag=2).sentences()] == [("B-PER", "O")]
    for wrong, says in (
        ({"tag": 4}, "no column 4"),
        ({"tag": 1}, "both be column 1"),
        ({"tag": "ner"}, "no names"),
    ):
        with pytest.raises(SettingError, match=says):
            read_conll(path, **wrong)


UNIVERSAL = """# sent_id = 1
# text = Vamos al mar
1\tVamos\tir\tVERB\tV\t_\t0\troot\t_\t_
2-3\tal\t_\t_\t_\t_\t_\t_\t_\t_
2\ta\ta\tADP\tE\t_\t4\tcase\t_\t_
3\tel\tel\tDET\tR\t_\t4\tdet\t_\t_
3.1\tnada\t_\tX\t_\t_\t_\t_\t_\t_
4\t#\tmar\tNOUN\tS\t_\t1\tobl\t_\t_

"""


def test_conll_u_has_comments_ranges_and_empty_nodes(tmp_path: Path) -> None:
    path = write(tmp_path, gzip.compress(UNIVERSAL.encode()), "data.conllu.gz")
    tagged = read_conll(path)
    [sentence] = tagged.sentences()
    assert sentence.words == ("Vamos", "a", "el", "#")
    assert sentence.tags == ("VERB", "ADP", "DET", "NOUN")
    assert str(sentence.place) == "data.conllu.gz row 1 (line 3)"
    assert (tagged.scheme, tagged.told[0]) == ("plain", "CoNLL-U: words in column 2, tags in 4")
    assert next(read_conll(path, tag=5).sentences()).tags == ("V", "E", "R", "S")


def test_a_number_sign_may_be_a_word_and_a_no_break_space_part_of_one(tmp_path: Path) -> None:
    [sentence] = read_conll(write(tmp_path, "# a comment = no word\nNo. O\n# O\n10\u00a0000 O\n")).sentences()
    assert sentence.words == ("No.", "#", "10\u00a0000")


def test_lists_of_words_and_tags(tmp_path: Path) -> None:
    rows = [
        {"words": ["Ada", "lives"], "tags": ["B-PER", "O"]},
        {"words": ["a"], "tags": []},
        {"words": "Ada lives", "tags": "O O"},
        {"words": ["Paris"], "tags": ["B-LOC"]},
    ]
    tagged = read_conll(write(tmp_path, "\n".join(map(json.dumps, rows)), "data.jsonl"))
    account = Account()
    assert [s.words for s in tagged.sentences(account)] == [("Ada", "lives"), ("Paris",)]
    assert account.sentences() == [
        "1 row left out: not as many tags as words (data.jsonl row 2 (line 2))",
        "1 row left out: words and tags are not two lists (data.jsonl row 3 (line 3))",
    ]
    with pytest.raises(InputError, match=r"row 2 .* not as many tags"):
        list(tagged.sentences())


@pytest.mark.parametrize(
    ("data", "name", "error", "says"),
    [
        ("", "a.conll", EmptyError, "it is empty"),
        ("\n\n", "a.conll", EmptyError, "it is empty"),
        ("-DOCSTART- O\n\n", "a.conll", EmptyError, "no sentence"),
        (
            "Ada B-PER\nlives\n",
            "a.conll",
            InputError,
            "a.conll line 2: 1 columns where 2 are needed: 'lives'",
        ),
        ("Ada O\nNew York O\n", "a.conll", InputError, "line 2: 3 columns where the lines before have 2"),
        (b"Ada O\nd\xe9j\xe0 O\n", "a.conll", InputError, "line 2: byte 0xE9 at offset 1 is not UTF-8"),
        (UNIVERSAL.replace("4\t#", "x\t#"), "a.conllu", InputError, "line 8: 'x' is no number of a word"),
        ("alone\nwords\n", "a.conll", SettingError, "both be column 1"),
        (b"PK\x03\x04", "a.conll", InputError, "zip archive"),
    ],
)
def test_what_is_no_file_of_words_is_named(
    tmp_path: Path, data: str | bytes, name: str, error: type[CorpuskitError], says: str
) -> None:
    path = write(tmp_path, data, name)
    with pytest.raises(error, match=says):
        list(read_conll(path).sentences())


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        (["B-A", "I-A", "O", "B-A", "B-A"], "IOB2"),
        (["I-A", "I-A", "O", "I-B"], "IOB1"),
        (["I-A", "B-A", "I-A", "O"], "IOB1"),
        (["B-A", "I-A", "O", "I-A"], "IOB2"),
        (["B-A", "E-A", "O", "S-B"], "BIOES"),
        (["B-A", "L-A", "U-B"], "BILOU"),
        (["NOUN", "VERB", "O"], "plain"),
        (["O", "O"], "plain"),
    ],
)
def test_the_scheme_is_found(tags: list[str], scheme: str) -> None:
    assert find_scheme([tags])[0] == scheme


def test_spans_that_only_some_rules_count_are_told(tmp_path: Path) -> None:
    tagged = read_conll(write(tmp_path, "Ada B-PER\nin O\nRome I-LOC\n"))
    assert "1 span begins with I-, which strict IOB2 does not count and conlleval does" in tagged.told[-1]
    assert read_conll(write(tmp_path, PLAIN), scheme="IOB1").scheme == "IOB1"
    with pytest.raises(SettingError, match="scheme 'iob3' is not known"):
        read_conll(write(tmp_path, PLAIN), scheme="iob3")


def test_options_are_typed(tmp_path: Path) -> None:
    options: dict[str, Any] = {"word": "1", "tag": "2"}
    assert read_conll(write(tmp_path, PLAIN), **options).scheme == "IOB2"
