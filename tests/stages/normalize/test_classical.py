"""The classical steps: lower case, punctuation, stop words."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import stopwordsiso
from hypothesis import given
from hypothesis import strategies as st

from corpuskit import Tokenizer
from corpuskit.build.build import build_corpus
from corpuskit.documents import batch as batches
from corpuskit.errors import InputError
from corpuskit.stages.normalize.classical import Lowercase, Punctuation, StopWords
from corpuskit.stages.normalize.stop_words import code_of, stop_words
from corpuskit.stages.stage import Effect


def apply(stage: Lowercase | Punctuation | StopWords, *texts: str, language: str = "en") -> Effect:
    builder = batches.BatchBuilder()
    for i, text in enumerate(texts):
        builder.add(id=str(i), source="x", text=text, language=language)
    effect = stage.apply(next(builder.take(rest=True)))
    batches.check(effect.batch, {}, stage.name)
    assert not effect.errors
    return effect


def one(stage: Lowercase | Punctuation | StopWords, text: str, language: str = "en") -> str:
    return str(apply(stage, text, language=language).batch.column("text")[0].as_py())


def test_lowercase() -> None:
    assert one(Lowercase(), "ÜBER Straße ΣΊΣΥΦΟΣ 漢字 ABC") == "über straße σίσυφος 漢字 abc"
    assert "unicode" in Lowercase().libraries()


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("Don't stop -- it's “over”!", "Dont stop its over"),
        ("l’eau; rock'n'roll, '90s", "leau rocknroll 90s"),
        ("end.Start a-b x_y $5 + 6%", "end Start a b x y 5 6"),
        ("¿Qué? 「漢字」、終。", "Qué 漢字 終"),
        ("line one.\n\n- line two", "line one\n\nline two"),
        ("no punctuation", "no punctuation"),
    ],
)
def test_punctuation(text: str, bare: str) -> None:
    assert one(Punctuation(), text) == bare


def test_punctuation_that_is_kept() -> None:
    assert one(Punctuation(keep="-$'"), "It's a-b, $5.") == "It's a-b $5"


@given(st.text(max_size=80))
def test_no_punctuation_is_left_and_every_other_character_is(text: str) -> None:
    bare = str(apply(Punctuation(), text + " x").batch.column("text")[0].as_py())
    letters = [c for c in text + " x" if unicodedata.category(c)[0] not in "PSZ" and c != "\n"]
    assert [c for c in bare if unicodedata.category(c)[0] not in "Z" and c != "\n"] == letters


@pytest.mark.parametrize(
    ("language", "text", "left"),
    [
        ("en", "The cat sat on the mat, and it didn't move.", "cat sat mat, ."),
        ("en-GB", "THE cat", "cat"),
        ("de", "Das Haus, in dem ich nicht wohne", "Haus, wohne"),
        ("fr", "L'eau de la rivière qu’il n'a pas vue", "eau rivière vue"),
        ("es", "La casa de mi padre no es grande", "casa padre grande"),
        ("it", "L'acqua della fontana non è dell’altro", "acqua fontana"),
        ("ru", "Я был там, и река была тихой", ", река тихой"),
        ("hi", "यह नदी बहुत बड़ी है", "नदी बड़ी"),
        ("nb", "Det er en elv", "elv"),
        ("zh", "目的是的", "目的是的"),
        ("is", "The list of no language", "The list of no language"),
        ("", "The language is not known", "The language is not known"),
    ],
)
def test_stop_words_of_the_documents_language(language: str, text: str, left: str) -> None:
    assert one(StopWords(), text, language) == left


def test_stop_words_of_one_language_for_all() -> None:
    assert one(StopWords(language="de"), "der Hund and the cat", "en") == "Hund and the cat"


def test_a_document_of_stop_words_alone_is_dropped() -> None:
    effect = apply(StopWords(), "to be or", "a house")
    assert effect.drops == {0: "empty"}
    assert effect.batch.column("text").to_pylist() == ["to be or", "house"]


def test_words_may_stay() -> None:
    assert one(StopWords(keep=("Not", "don’t")), "It is not so, they don't know") == "not , don't"


def test_the_language_that_was_found_is_taken_where_none_is_said() -> None:
    batch = apply(StopWords(), "x").batch
    batch = batch.set_column(2, "text", pa.array(["das Haus und der Garten"], pa.large_string()))
    batch = batch.set_column(batch.schema.get_field_index("language"), "language", pa.array([""]))
    batch = batch.append_column("language_code", pa.array(["de"]))
    assert StopWords().apply(batch).batch.column("text").to_pylist() == ["Haus Garten"]


def test_lists_hold_words_in_the_form_in_which_they_are_compared() -> None:
    known = [code for code in sorted(stopwordsiso.langs()) if stop_words(code)]
    assert len(known) == 55
    for code in known:
        words = stop_words(code)
        assert len(words) > 20, code
        assert all(word == word.lower() and " " not in word and "’" not in word for word in words)
    assert {"not", "don't", "the"} <= stop_words("en")
    assert {"l'", "qu'", "aujourd'hui"} <= stop_words("fr")
    assert (code_of("pt_BR"), code_of("nn"), stop_words("th")) == ("pt", "no", frozenset())


def test_a_users_file_decides_by_its_contents(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("\ufeff# my words\nCat\n\nO’Brien\n".encode())
    (tmp_path / "b.txt").write_bytes(b"dog\n")
    (tmp_path / "c.txt").write_bytes((tmp_path / "a.txt").read_bytes())
    a, b, c = (StopWords(file=str(tmp_path / f"{name}.txt")) for name in "abc")
    assert one(a, "The cat and O'Brien, dog", "ru") == "The and , dog"
    assert one(b, "The cat and dog", "ru") == "The cat and"
    assert a.fingerprint(deciding=False) == c.fingerprint(deciding=False)
    assert a.fingerprint(deciding=False) != b.fingerprint(deciding=False)


@pytest.mark.parametrize("data", [None, b"", b"# nothing\n", b"caf\xe9\n"])
def test_a_file_that_cannot_be_used_is_an_error(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "words.txt"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(InputError, match=r"words\.txt") as caught:
        apply(StopWords(file=str(path)), "text")
    assert "one word per line" in str(caught.value)


def test_long_runs_are_linear_work() -> None:
    for text in ("' " * 10**6, "a'" * 10**6, " " * 10**6 + "x", "the " * 10**6 + "x", "\n " * 10**6 + "x"):
        assert one(Punctuation(), text + "y")
        assert one(StopWords(), text + "y")


def test_the_recipe_leaves_small_words_alone(tmp_path: Path) -> None:
    """``pipelines/classical.yaml``: no capital, no sign, no stop word, and each word is a token."""
    recipe = Path(__file__).parents[3] / "pipelines/classical.yaml"
    build_corpus(recipe, tmp_path / "run")
    tables = [pq.read_table(path) for path in sorted((tmp_path / "run/documents").glob("*.parquet"))]
    texts = [row["text"] for table in tables for row in table.to_pylist() if row["language"] == "en"]
    assert texts
    for text in texts:
        assert text == text.lower()
        assert not any(unicodedata.category(letter)[0] in "PS" for letter in text)
    whole = [word for text in texts for word in text.split()]
    # "its" may come of "it's", which is on no list without its apostrophe.
    assert not {"the", "and", "of", "not", "was"} & set(whole)
    tokenizer = Tokenizer.load(tmp_path / "run/tokenizer/tokenizer.json", lossy=True)
    assert [tokenizer.spelling(number) for number in tokenizer.encode(texts[0])] == texts[0].split()
