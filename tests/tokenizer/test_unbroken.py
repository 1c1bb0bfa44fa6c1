"""Long texts with nowhere to cut have the ids of the whole, in memory for a piece of them."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpuskit.errors import SettingError
from corpuskit.tokenizer import tokenizer as tokenizer_module
from corpuskit.tokenizer.engines import unbroken
from corpuskit.tokenizer.engines.unbroken import Unbroken
from corpuskit.tokenizer.special import PATTERNS
from corpuskit.tokenizer.tokenizer import Tokenizer

ROOT = Path(__file__).resolve().parent.parent.parent
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def letters(size: int, alphabet: str = LETTERS, seed: int = 3) -> str:
    return "".join(random.Random(seed).choices(alphabet, k=size))


TEXTS = {
    "letters": letters(5000),
    "one letter": "a" * 4097,
    "two letters": "ab" * 1500 + "ba" * 700,
    "few letters": letters(4000, "aab"),
    "Chinese": letters(1500, "\u6f22\u5b57\u4e00\u3042"),
    "faces": letters(900, "\U0001f600\U0001f9d1\u200d\u0301"),
    "marks": letters(2000, "\u0928\u092e\u0938\u094d\u0924\u0947"),
    "signs": letters(4000, "{}[]\",:;/*<>=-'"),
    "code": letters(5000, "ab1{}\",:'s\u00e9"),
    "digits": letters(3000, "0123456789"),
    "blanks": letters(3000, " \t\u3000"),
    "lines": letters(3000, "\n\r \t"),
    "lines and slashes": letters(3000, "\n\r /.a"),
    "cases": letters(3000, "aBcD'sS"),
}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of the size of words, so that ``tokenizers`` says what is right in no time."""
    monkeypatch.setattr(tokenizer_module, "LONG", 300)
    for name, size in {"_CHUNK": 256, "_WINDOW": 64, "_LOOKED": 8}.items():
        monkeypatch.setattr(unbroken, name, size)


@cache
def trained(pattern: str) -> Tokenizer:
    return Tokenizer.train([*TEXTS.values(), *(letters(n, "abc") for n in range(40))], 900, pattern=pattern)


def right(tokenizer: Tokenizer, text: str) -> list[int]:
    found: list[int] = tokenizer._model.encode(text, add_special_tokens=False).ids
    return found


def joined(parts: list[list[int]]) -> list[int]:
    return [number for part in parts for number in part]


def parts(tokenizer: Tokenizer, text: str) -> list[list[int]]:
    assert tokenizer._unbroken is not None
    return [ids.tolist() for ids in tokenizer._unbroken.encode(text, tokenizer.encoder.encode)]


@pytest.mark.parametrize("pattern", sorted(PATTERNS))
@pytest.mark.parametrize("kind", TEXTS)
def test_parts_are_those_of_the_whole(pattern: str, kind: str) -> None:
    tokenizer, text = trained(pattern), TEXTS[kind]
    found = parts(tokenizer, text)
    assert joined(found) == right(tokenizer, text)
    if kind in ("letters", "Chinese", "code", "digits", "signs"):
        assert len(found) > 5
        assert max(map(len, found)) < 300


@given(st.text("ab\u00e9\u6f22'1 \n/", min_size=70, max_size=600), st.integers(0, len(PATTERNS) - 1))
@settings(deadline=None, max_examples=150)
def test_random_texts_have_the_ids_of_the_whole(text: str, which: int) -> None:
    tokenizer = trained(sorted(PATTERNS)[which])
    assert joined(parts(tokenizer, text)) == right(tokenizer, text)


@given(st.lists(st.sampled_from(["a", "b", "ab", "ba", "aab", "bbbb", "abab"]), min_size=60, max_size=400))
@settings(deadline=None, max_examples=100)
def test_merges_that_depend_on_what_is_far_behind(words: list[str]) -> None:
    tokenizer, text = trained("gpt2"), "".join(words)
    assert joined(parts(tokenizer, text)) == right(tokenizer, text)


def test_windows_that_nowhere_join_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Unbroken, "_join", lambda self, left, right: False)
    tokenizer, text = trained("gpt2"), TEXTS["letters"][:900]
    assert parts(tokenizer, text) == [right(tokenizer, text)]


def test_texts_end_where_they_end() -> None:
    tokenizer = trained("qwen3.5")
    texts = ["one", TEXTS["letters"], "", "two " + TEXTS["Chinese"], "three"]
    found = [ids.tolist() for ids in tokenizer.encode(texts)]
    assert found == [right(tokenizer, text) for text in texts]
    runs = list(tokenizer.encode_flat(texts))
    assert sum(len(run.ends) for run in runs) == len(texts)
    assert np.concatenate([run.ids for run in runs]).tolist() == joined(found)


def test_half_characters_are_named() -> None:
    with pytest.raises(SettingError, match="is no text in UTF-8"):
        list(trained("gpt2").encode(["fine", "a" * 400 + "\ud800"]))


@pytest.mark.parametrize(
    "change",
    [
        {"model": {"byte_fallback": True}},
        {"model": {"end_of_word_suffix": "</w>"}},
        {"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True, "use_regex": True}},
        {"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "x+"}, "behavior": "Isolated"}},
    ],
)
def test_other_tokenizers_are_left_to_their_engine(change: dict[str, dict[str, object]]) -> None:
    tokenizer = trained("gpt2")
    document = json.loads(tokenizer.data)
    assert Unbroken.of(tokenizer._model, document, tokenizer._bytes) is not None
    for name, values in change.items():
        document[name] = {**(document[name] if name == "model" else {}), **values}
    assert Unbroken.of(tokenizer._model, document, tokenizer._bytes) is None


def test_a_pretoken_of_megabytes_takes_a_few_times_its_memory() -> None:
    command = [sys.executable, "-m", "benchmarks.encode", "--memory", "none", "letters", "3000000"]
    environment = {**os.environ, "RAYON_NUM_THREADS": "1"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, env=environment)
    found = json.loads(done.stdout)
    assert found["tokens"] == 1734810  # Of `tokenizers`, for the whole.
    assert found["above"] < 10 * found["bytes"]


def test_two_tokens_of_one_id_are_left_to_the_reference() -> None:
    """Where a window ends is counted by the bytes of its ids, of which such an id has two."""
    tokenizer = trained("llama3")
    document = tokenizer._document
    token = next(token for token in document["model"]["vocab"] if len(token) == 2)
    document["model"]["vocab"]["qqq"] = document["model"]["vocab"][token]
    assert Unbroken.of(tokenizer._model, document, tokenizer._bytes) is None
    assert Unbroken.of(tokenizer._model, tokenizer._document, tokenizer._bytes) is not None
