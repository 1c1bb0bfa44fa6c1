"""Pretokens and merges by the engine are those of Hugging Face's tokenizers."""

from __future__ import annotations

import random
import zipfile
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers

from corpuskit.tokenizer import special
from corpuskit.tokenizer.count import Counted, PretokenCounter, pretokens
from corpuskit.tokenizer.merges import learn_merges
from corpuskit.tokenizer.patterns import SCANNERS
from corpuskit.tokenizer.tokenizer import Tokenizer

SPLITS = {name: pre_tokenizers.Split(Regex(special.PATTERNS[name]), "isolated") for name in SCANNERS}
ODD = (
    "aZé\u0301 \u0915\u093f\u6c34ʰǅſﬅﬆßİ\u212a1²½\u0663 '’-/.\r\n\t\u00a0\u3000\x85 "
    "sStTlLvVrReEmMdD\u200b\U0001f600"
)


def reference(texts: list[str], vocab_size: int, min_frequency: int, pattern: str) -> str:
    """tokenizer.json by the library's own trainer."""
    model = tokenizers.Tokenizer(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    model.pre_tokenizer = pre_tokenizers.Sequence([SPLITS[pattern], byte_level])
    model.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=list(special.SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    model.train_from_iterator(texts, trainer)
    return str(model.to_str(pretty=True))


def counted(words: dict[bytes, int]) -> Counted:
    return Counted(pa.array(list(words), pa.large_binary()), pa.array(words.values(), pa.int64()).to_numpy())


def learnt(
    words: dict[bytes, int], merges: int, min_frequency: int = 1, also: tuple[str, ...] = ()
) -> list[str]:
    """The merges, written ``a+b``, of some words and a vocabulary without special tokens but `also`."""
    found = learn_merges(counted(words), 256 + len(also) + merges, also, min_frequency)
    return [f"{a}+{b}" for a, b in found.pairs]


@pytest.fixture(scope="module")
def prose() -> str:
    """A book of the sample corpora."""
    books = sorted((Path(__file__).parents[2] / "sample_corpora" / "books").rglob("*.txt"))
    return books[0].read_bytes().decode("utf-8", "replace")[:200_000]


@pytest.mark.parametrize(("name", "step"), [("o200k", 1), ("gpt2", 9), ("llama3", 9), ("qwen3.5", 9)])
def test_every_character_is_cut_as_the_pattern_says(name: str, step: int) -> None:
    """The first of them knows all kinds that there are."""
    points = [chr(n) for n in range(0, 0x110000, step) if not 0xD800 <= n < 0xE000]
    for first in range(0, len(points), 2000):
        text = "".join(f"{c}a{c}1" for c in points[first : first + 2000])
        expected = [piece.encode() for piece, _ in SPLITS[name].pre_tokenize_str(text)]
        assert pretokens(text, name) == expected


@pytest.mark.parametrize("name", SCANNERS)
@given(text=st.text(alphabet=ODD, max_size=60) | st.text(max_size=40))
def test_random_texts_are_cut_as_the_pattern_says(name: str, text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    assert pretokens(text, name) == [piece.encode() for piece, _ in SPLITS[name].pre_tokenize_str(text)]


@pytest.mark.parametrize("name", SCANNERS)
def test_all_languages_are_cut_as_the_pattern_says(name: str, corpora: Path) -> None:
    with zipfile.ZipFile(corpora / "langid" / "udhr2.zip") as archive:
        for file in [file for file in archive.namelist() if file.endswith(".txt")][::5]:
            text = archive.read(file).decode()
            assert pretokens(text, name) == [p.encode() for p, _ in SPLITS[name].pre_tokenize_str(text)], file


def test_counts_add_up() -> None:
    texts = ["one fish two fish", "two\n\n fish", "", "a" * 40 + " " + "a" * 40, "ﬁsh fish"]
    whole = PretokenCounter("llama3")
    whole.add(pa.array(["dropped", *texts], pa.large_string()).slice(1))
    parts = PretokenCounter("llama3")
    for text in reversed(texts):
        one = PretokenCounter("llama3")
        one.add([text])
        parts.add_counted(one.take())
    words, counts = whole.take()
    expected = Counter(piece for text in texts for piece in pretokens(text, "llama3"))
    assert words.to_pylist() == sorted(expected)
    assert dict(zip(words.to_pylist(), counts.tolist(), strict=True)) == expected
    again, sums = parts.take()
    assert (again.to_pylist(), sums.tolist()) == (words.to_pylist(), counts.tolist())
    assert whole.take().words.to_pylist() == []


@settings(deadline=None)
@given(
    texts=st.lists(st.text(alphabet="ab cé水\n", max_size=80), max_size=6),
    size=st.integers(384, 450),
    least=st.integers(1, 3),
)
def test_small_corpora_give_the_same_file(texts: list[str], size: int, least: int) -> None:
    ours = Tokenizer.train(texts, vocab_size=size, min_frequency=least, pattern="llama3")
    assert ours.data.decode() == reference(texts, size, least, "llama3")


@pytest.mark.parametrize("pattern", special.PATTERNS)
def test_real_text_gives_the_same_file(pattern: str, prose: str) -> None:
    texts = [prose, "Ünïcödé, 日本語のテキスト。 हिन्दी पाठ 2024!\n\n  x = y[12345]\n" * 30]
    ours = Tokenizer.train(texts, vocab_size=1500, pattern=pattern)  # type: ignore[arg-type]
    assert ours.data.decode() == reference(texts, 1500, 2, pattern)


def test_a_smaller_vocabulary_is_the_beginning_of_a_larger_one(prose: str) -> None:
    counter = PretokenCounter("llama3")
    counter.add([prose])
    words = counter.take()
    large = learn_merges(words, 900, special.SPECIAL_TOKENS)
    for size in (384, 385, 600):
        small = learn_merges(words, size, special.SPECIAL_TOKENS)
        begun = large.first(size)
        assert (begun.tokens, begun.pairs) == (small.tokens, small.pairs)
        assert begun.counts.tolist() == small.counts.tolist()


def test_equally_frequent_pairs_go_by_their_ids() -> None:
    """Ids of bytes are in the order of the characters that they are spelled with: the blank comes late."""
    assert learnt({b"!!": 2, b"ab": 2, b"ba": 2, "é".encode(): 2, b" a": 2}, 9) == [
        *("!+!", "a+b", "b+a", "Ã+©", "Ġ+a"),
    ]


def test_what_a_pair_is_merged_at() -> None:
    words = {b"low": 5, b"lower": 2, b"newest": 6, b"widest": 3}
    assert learnt(words, 99, 5) == ["e+s", "es+t", "l+o", "lo+w", "e+w", "n+ew", "new+est"]
    found = learn_merges(counted(words), 400, (), 6)
    assert found.counts.tolist() == [9, 9, 7, 7, 6, 6, 6]


def test_no_merge_spells_a_special_token() -> None:
    words = {b"<|x|>": 50, b"<|": 20}
    found = learnt(words, 20, also=("<|x|>",))
    whole = ["".join(pair.split("+")) for pair in found]
    assert "<|x|>" not in whole
    assert "<|" in whole
    # Even where it has two letters, so that a merge of bytes would be it.
    assert "a+b" not in learnt({b"abc": 9}, 9, also=("ab",))


@pytest.mark.parametrize("word", [b"a" * 300_000, b"ab" * 100_000], ids=["one letter", "two letters"])
def test_long_pretokens_are_learnt_whole(word: bytes) -> None:
    found = learn_merges(counted({word: 1}), 256 + 40, (), 1)
    assert len(found.pairs) >= 15
    assert found.tokens[-1].encode() in word


def test_a_long_run_of_letters_is_no_work_for_a_night() -> None:
    choose = random.Random(1)
    dna = "".join(choose.choice("ACGT") for _ in range(1_000_000))
    assert len(Tokenizer.train([dna], vocab_size=1000).data) > 1000


def test_the_training_can_be_ended() -> None:
    choose = random.Random(2)
    words = {"".join(choose.choices("abcdef", k=12)).encode(): 3 for _ in range(500)}
    heard: list[int] = []

    def told(done: int) -> bool:
        heard.append(done)
        return False

    found = learn_merges(counted(words), 5000, (), 2, told)
    assert heard == [256]
    assert len(found.pairs) == 256
