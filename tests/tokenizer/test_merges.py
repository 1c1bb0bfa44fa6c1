"""Pretokens and merges by the engine are those of Hugging Face's tokenizers."""

from __future__ import annotations

import random
import re
import time
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers

from corpuskit.errors import InputError, SettingError
from corpuskit.tokenizer import count, special
from corpuskit.tokenizer.count import Counted, PretokenCounter, pretokens
from corpuskit.tokenizer.merges import learn_merges
from corpuskit.tokenizer.patterns import SCANNERS, regex_of, splitter
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


@pytest.mark.parametrize("name", SCANNERS)
def test_letters_of_ascii_end_where_they_end(name: str) -> None:
    """Eight are looked at together: every other sign, at every place among them."""
    signs = [chr(code) for code in range(128)] + ["é", "İ", "\u0301", "水", "\x80"]
    for sign in signs:
        text = "\n".join("AbcdefZhijklmnzaZ"[:size] + sign + "ZYXWvutsrqp" for size in range(18))
        assert pretokens(text, name) == [p.encode() for p, _ in SPLITS[name].pre_tokenize_str(text)], sign


WORDY = "abcdefghiABCDEF    '.,-\n\r\t9é\u6f22\u0301/"


@pytest.mark.parametrize("name", SCANNERS)
@given(text=st.text(alphabet=WORDY, min_size=50, max_size=300))
def test_words_of_ascii_end_where_they_end(name: str, text: str) -> None:
    """They are looked at 64 bytes at a time."""
    assert pretokens(text, name) == [p.encode() for p, _ in SPLITS[name].pre_tokenize_str(text)]


@pytest.mark.parametrize("name", SCANNERS)
def test_words_at_the_borders_of_blocks(name: str) -> None:
    """What stands between words, at every place of a block of 64 bytes and behind it."""
    for between in (" ", ". ", ", ", "' ", "'s ", "'S", "B", ".\n", "  ", "é ", "\u0301", "/ ", "9"):
        for size in range(56, 72):
            text = " word" * 20 + "w" * (size % 5) + f" {'x' * size}{between}Word Ends, HERE. And then"
            assert pretokens(text, name) == [p.encode() for p, _ in SPLITS[name].pre_tokenize_str(text)], text


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
@given(words=st.lists(st.text(alphabet="ab\0é水🙂", min_size=1, max_size=24), max_size=30))
def test_counts_come_in_the_order_of_their_bytes(words: list[str]) -> None:
    """Words of up to 15 bytes are kept apart from longer ones, as numbers."""
    raw = [word.encode() for word in words]
    one, other = PretokenCounter("gpt2"), PretokenCounter("gpt2")
    one.add_counted(Counted(pa.array(raw, pa.large_binary()), np.full(len(raw), 2**40, np.int64)))
    other.add_counted(counted(dict(Counter(raw))))
    one.add_counted(other.take())
    found, counts = one.take()
    assert found.to_pylist() == sorted(set(raw))
    assert counts.tolist() == [(2**40 + 1) * many for _, many in sorted(Counter(raw).items())]


@settings(deadline=None)
@given(
    letters=st.sampled_from(["ab '", "ab é'\x85", "ab “水”\u2028", "ab🙂水é'"]),
    draw=st.randoms(use_true_random=False),
    threads=st.integers(1, 2),
)
def test_strings_of_any_width_count_as_their_utf8(letters: str, draw: Any, threads: int) -> None:
    texts = ["".join(draw.choices(letters, k=draw.randrange(90))) for _ in range(5)]
    of_strings, of_column = PretokenCounter("llama3", threads=threads), PretokenCounter("llama3")
    of_strings.add(texts)
    of_column.add(pa.array(texts, pa.large_string()))
    found, counts = of_strings.take()
    expected, sums = of_column.take()
    assert (found.to_pylist(), counts.tolist()) == (expected.to_pylist(), sums.tolist())
    assert Counter(piece for text in texts for piece in pretokens(text, "llama3")) == dict(
        zip(found.to_pylist(), counts.tolist(), strict=True)
    )


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("pattern", ["llama3", r"[a-c]+|\s"])
def test_a_half_character_is_named_by_its_text(
    threads: int, pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(count, "_BATCH_CHARACTERS", 10)
    texts = ["one two three"] * 7 + ["水 é \udfff"]
    counter = PretokenCounter(pattern, threads=threads)
    with pytest.raises(InputError, match="text 7 holds half of a surrogate pair at character 4"):
        counter.add(texts, "texts.add")
    with pytest.raises(TypeError, match="of another type than str"):
        PretokenCounter("gpt2").add(["a", b"b"])  # type: ignore[list-item]


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


@pytest.mark.parametrize("pattern", SCANNERS)
@given(text=st.text(alphabet=ODD, max_size=60), digits=st.integers(1, 3))
def test_digits_are_cut_as_the_changed_pattern_says(pattern: str, digits: int, text: str) -> None:
    """A tokenizer.json with that pattern is what other libraries encode by."""
    text = text.encode("utf-8", "replace").decode()
    pieces = splitter(pattern, digits).pre_tokenize_str(text)
    assert pretokens(text, pattern, digits) == [piece.encode() for piece, _ in pieces]


def test_groups_of_digits_that_another_pattern_has_are_that_pattern() -> None:
    assert regex_of("llama3", 1) == special.PATTERNS["qwen2"]
    assert regex_of("qwen2", 3) == special.PATTERNS["llama3"]
    for name in ("llama3", "cl100k", "o200k"):
        assert regex_of(name, 3) == special.PATTERNS[name]
    assert regex_of("qwen3.5", 1) == special.PATTERNS["qwen3.5"]


def test_merges_fewer_than_words_are_the_same(prose: str) -> None:
    """Pairs that cannot be reached are not kept, which must not be seen; what is forbidden needs them."""
    counter = PretokenCounter("llama3")
    counter.add([prose])
    words = counter.take()
    many = learn_merges(words, 256 + 20_000, (), 1)
    for few in (1, 7, 300, 2000):
        found = learn_merges(words, 256 + few, (), 1)
        assert (found.pairs, found.counts.tolist()) == (many.pairs[:few], many.counts[:few].tolist())
    # A word that comes often and may never be whole: the bound does not hold.
    rare = {f"{n:05d}".encode(): 1 for n in range(300)}
    found = learnt({b"ab": 10**6, **rare}, 20, also=("ab",))
    assert len(found) == 20
    assert "a+b" not in found


def test_more_ids_than_two_bytes_hold(prose: str) -> None:
    counter = PretokenCounter("llama3")
    counter.add([prose[:20_000]])
    words = counter.take()
    wide = learn_merges(words, 70_000, (), 2)
    narrow = learn_merges(words, 20_000, (), 2)
    assert (wide.pairs, wide.tokens) == (narrow.pairs, narrow.tokens)


def test_counts_pass_32_bits(prose: str) -> None:
    found = learn_merges(counted({b"ab": 2**40, b"cd": 2**40 - 1}), 258, ())
    assert (found.pairs, found.counts.tolist()) == ([("a", "b"), ("c", "d")], [2**40, 2**40 - 1])
    with pytest.raises(SettingError, match="pass 2"):
        learn_merges(counted({b"a" * 40: 2**60}), 300, ())


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_and_spilling_leave_no_trace(
    threads: int, prose: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(count, "_BATCH_CHARACTERS", 5000)
    texts = [prose[at : at + 700] for at in range(0, 60_000, 700)] + ["", "é" * 50]
    plain = PretokenCounter("qwen3.5")
    plain.add(texts)
    words, counts = plain.take()
    for limit in (1, 300_000, 2**40):
        monkeypatch.setattr(count, "SPILL_BYTES", limit)
        counter = PretokenCounter("qwen3.5", threads=threads, folder=tmp_path)
        counter.add(texts)
        found = counter.take()
        assert found.words.to_pylist() == words.to_pylist()
        assert found.counts.tolist() == counts.tolist()
        assert list(tmp_path.iterdir()) == []
        counter.add(["once more"])
        assert counter.take().words.to_pylist() == [b" more", b"once"]


def test_a_pattern_of_ones_own_is_counted_by_the_library() -> None:
    counter = PretokenCounter(r"[a-c]+|\s")
    counter.add(pa.array(["abc d abc", "zabc"], pa.large_string()))
    words, counts = counter.take()
    assert dict(zip(words.to_pylist(), counts.tolist(), strict=True)) == {
        b" ": 2,
        b"abc": 3,
        b"d": 1,
        b"z": 1,
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pattern": "(a"}, "is no regular expression"),
        ({"pattern": "qwen35"}, "pattern 'qwen35' is unknown. Did you mean 'qwen3.5'"),
        ({"digits": 4}, "digits = 4: .*Give 1, 2 or 3"),
        ({"digits": True}, "digits = True"),
        ({"pattern": r"\S+", "digits": 1}, "a regular expression of your own"),
    ],
)
def test_ways_to_cut_that_there_are_not(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        Tokenizer.train(["a"], 384, **arguments)
    assert re.search(message, str(caught.value).replace("\n  ", ". "), re.DOTALL)


@pytest.mark.parametrize("sizes", [[], [394, 300], [394, "409"], [True]])
def test_sizes_that_there_are_not(sizes: list[Any]) -> None:
    with pytest.raises(SettingError, match="vocab_size"):
        Tokenizer.train_sizes(["a"], sizes)


def test_several_sizes_are_each_its_own_training(prose: str) -> None:
    texts = [prose[:50_000]]
    several = Tokenizer.train_sizes(texts, [384, 500, 700, 90_000], "o200k", 3, digits=2)
    assert list(several) == [384, 500, 700, 90_000]
    for size, tokenizer in several.items():
        assert tokenizer.data == Tokenizer.train(texts, size, "o200k", 3, digits=2).data


def test_the_training_tells_how_far_it_is(prose: str) -> None:
    heard: list[tuple[int, int]] = []

    def told(done: int, whole: int) -> bool:
        heard.append((done, whole))
        return True

    Tokenizer.train([prose], 384 + 600, told=told)
    assert heard == [(256, 600), (512, 600)]


def test_hostile_pages_are_learnt_in_no_time() -> None:
    """Runs of 100,000 marks, five million letters without a blank, and 200,000 of them."""
    marks = ["{{", "[[", "{|", "<ref>", "''", "x", "|", "\n*", "'''''", "\n|-", "()", "&amp;"]
    pages = [f"A page. {mark * (100_000 // len(mark))}" for mark in marks]
    assert Tokenizer.train(pages, 400).vocab_size == 400
    dna = "".join(random.Random(1).choices("ACGT", k=5_000_000))
    for text in (dna[:200_000], dna):
        began = time.process_time()
        tokenizer = Tokenizer.train([text], 2000)
        assert tokenizer.vocab_size == 2000
        assert time.process_time() - began < 30
