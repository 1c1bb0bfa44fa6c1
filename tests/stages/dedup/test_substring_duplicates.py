"""Repeats of words within and across documents: cut as spans, one copy of each run stays."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpuskit.documents.words import words
from corpuskit.stages.barrier import scan_alone
from corpuskit.stages.dedup.spans import text_span
from corpuskit.stages.dedup.substrings import SubstringDuplicates
from corpuskit.storage import spill
from tests.stages.dedup.conftest import Built

Spans = list[tuple[int, int]]


def cut(texts: Sequence[str], **lengths: int) -> tuple[list[Spans | None], list[str]]:
    """The bytes cut of each text, None for one that is dropped, and warnings."""
    barrier = SubstringDuplicates(**lengths)
    batch = pa.record_batch({"text": pa.array(texts, pa.large_string())})
    with TemporaryDirectory() as folder:
        scans = scan_alone(barrier, batch, Path(folder))
        barrier.decide(scans)
        found: list[Spans | None] = [[] if kept else None for kept in scans.kept]
        for rows in scans.cuts.sorted(len(texts)):
            for row in rows.tolist():
                spans = found[row[0]]
                assert spans is not None
                spans.append((row[1], row[2]))
    return found, scans.warnings


def pieces(text: str, spans: Spans | None) -> list[str]:
    """What is left of a text, parted at its cuts; each piece must be UTF-8."""
    if spans is None:
        return []
    raw = text.encode()
    borders = zip([0, *(end for _, end in spans)], [*(start for start, _ in spans), len(raw)], strict=True)
    return [raw[a:b].decode() for a, b in borders]


def left(texts: Sequence[str], **lengths: int) -> list[str]:
    return ["".join(pieces(t, s)) for t, s in zip(texts, cut(texts, **lengths)[0], strict=True)]


def grams(texts: Sequence[str], size: int) -> Counter[tuple[str, ...]]:
    found: Counter[tuple[str, ...]] = Counter()
    for text in texts:
        each = words(text)
        found.update(tuple(each[i : i + size]) for i in range(len(each) - size + 1))
    return found


def check(texts: Sequence[str], size: int) -> None:
    """What holds of any texts, whichever copies stay."""
    found, warnings = cut(texts, min_words=size, min_characters=size)
    before = grams(texts, size)
    parts = [piece for text, spans in zip(texts, found, strict=True) for piece in pieces(text, spans)]
    after = grams(parts, size)
    repeated = {gram for gram, count in before.items() if count > 1}
    assert all(after[gram] <= 1 for gram in repeated), "a run stands twice"
    lost = sum(not after[gram] for gram in repeated)
    assert lost == (int(warnings[0].split()[1]) if warnings else 0), "a run is lost without a word"
    for text, spans in zip(texts, found, strict=True):
        # Whole words go, and those that stay are the ones that were there, in their order.
        whole = "".join(pieces(text, spans))
        assert words(whole) == [word for piece in pieces(text, spans) for word in words(piece)]
        # What is in no run that repeats stays.
        own = words(text)
        kept = Counter(words(whole))
        for i, word in enumerate(own):
            near = [tuple(own[j : j + size]) for j in range(max(0, i - size + 1), i + 1)]
            if spans is not None and not any(gram in repeated for gram in near if len(gram) == size):
                kept[word] -= 1
                assert kept[word] >= 0, "a word of no repeat is gone"


letters = st.sampled_from("abc")
blanks = st.sampled_from([" ", " ", "\n\n", ", ", " - "])
text_of_few_words = st.lists(st.tuples(letters, blanks), max_size=30).map(
    lambda pairs: "".join(word + blank for word, blank in pairs)
)


@given(st.lists(text_of_few_words, min_size=1, max_size=6), st.integers(2, 6))
@settings(max_examples=100, deadline=None)
def test_no_run_stands_twice_and_each_stands_once_or_is_told(texts: list[str], size: int) -> None:
    check(texts, size)


mixed = st.text(st.sampled_from("ab 天地人1,'. \n👨\u200d👩\u0301é"), max_size=40)


@given(st.lists(mixed, min_size=1, max_size=5), st.integers(2, 4))
@settings(max_examples=100, deadline=None)
def test_scripts_with_and_without_blanks_side_by_side(texts: list[str], size: int) -> None:
    check(texts, size)


@given(st.lists(text_of_few_words, min_size=2, max_size=6), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_order_of_rows_does_not_matter(texts: list[str], order: random.Random) -> None:
    other = list(texts)
    order.shuffle(other)
    assert sorted(left(texts, min_words=3, min_characters=3)) == sorted(
        left(other, min_words=3, min_characters=3)
    )


# ------------------------------------------------------------------------------------------ exact cases
def plants(seed: int) -> Callable[[int], list[str]]:
    """Words that stand nowhere else, some at a time."""
    chance, used = random.Random(seed), set[str]()

    def some(count: int) -> list[str]:
        found: list[str] = []
        while len(found) < count:
            word = f"{chance.choice(['reed', 'moss', 'flint', 'barge', 'heron'])}{chance.randrange(10**5)}"
            if word not in used:
                used.add(word)
                found.append(word)
        return found

    return some


def planted() -> list[tuple[str, str]]:
    """A run of 25 words, one of 30, one of 19 (too short), and one of 6 words eight times over."""
    some = plants(1)
    s, t, u, period = some(25), some(30), some(19), some(6)
    s1 = [*some(11), "northx1", *s, "run7a", *some(10), *t, *some(13)]
    s2 = [*some(11), "southx1", *s, "run7b", *some(11)]
    s3 = [*some(12), *s[5:], *t[:18], *some(12)]
    s4 = [*some(12), *t, *t, *some(12)]
    s5, s6 = [*some(12), *u, *some(12)], [*some(12), *u, *some(12)]
    s7 = [*some(12), *period * 8, *some(12)]
    return [(f"s{i}", " ".join(each)) for i, each in enumerate([s1, s2, s3, s4, s5, s6, s7], 1)]


def test_planted_runs_are_cut_whole_and_one_copy_of_each_stays(built: Callable[..., Built]) -> None:
    documents = planted()
    found = built(SubstringDuplicates(min_words=20), documents)
    again = built(SubstringDuplicates(min_words=20), documents[::-1])
    assert found.texts == again.texts
    own = {name: text.split() for name, text in documents}
    cuts = {}
    for row in found.cuts:
        text = dict(documents)[row["id"]]
        before = len(text.encode()[: row["start"]].decode().split())
        cuts.setdefault(row["id"], []).append((before, before + len(row["text"].split())))
        assert row["text"].split() == own[row["id"]][slice(*cuts[row["id"]][-1])]
        assert row["reason"] == "substring_repeat"
    # s4 has the most words at which repeats begin: it keeps the run of 30, once; then s1 keeps that of 25.
    assert cuts == {"s1": [(48, 78)], "s2": [(12, 37)], "s3": [(12, 32)], "s4": [(42, 72)], "s7": [(37, 60)]}
    assert (found.texts["s5"], found.texts["s6"]) == (dict(documents)["s5"], dict(documents)["s6"])
    # A border is left: the words beside a cut are those that stood there.
    assert found.texts["s2"].split() == own["s2"][:12] + own["s2"][37:]
    entry = found.entry("substring_duplicates decided")["bytes"]
    assert entry["cut"] == {"substring_repeat": sum(len(row["text"].encode()) for row in found.cuts)}
    assert entry["in"] == entry["kept"] + sum(entry["cut"].values())
    check([text for _, text in documents], 20)


def test_letters_of_several_bytes_and_joined_signs_are_never_parted(built: Callable[..., Built]) -> None:
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    told = "старая паромщица чинила сети и пела о реке пока не стемнело а потом ушла спать домой"
    han = "渡口的老人每天早上把船推到水里等人来坐船过河去集市上买米和油然后再回来吃饭睡觉"
    walk = "go down to the lake at noon and count the swans that rest there until the wind is up over the dam"
    documents = [
        ("ru1", f"Тогда {told} не одна."),
        ("ru2", f"Теперь {told} ни о чём."),
        ("zh1", f"往年{han}就这样。"),
        ("zh2", f"今日{han}而已了。"),
        ("em1", f"One clan {family} {walk} {family}"),
        ("em2", f"Two clans {family} {walk} {family}\u200d\U0001f466"),
    ]
    found = built(SubstringDuplicates(min_words=15, min_characters=30), documents)
    for pair, run in (("ru", told), ("zh", han), ("em", walk)):
        assert sum(run in found.texts[f"{pair}{i}"] for i in (1, 2)) == 1
    cut_texts = {row["id"]: row["text"] for row in found.cuts}
    assert sorted(name[:2] for name in cut_texts) == ["em", "ru", "zh"]
    by_pair = {name[:2]: text for name, text in cut_texts.items()}
    assert (by_pair["ru"].strip(), by_pair["zh"], by_pair["em"].strip()) == (told, han, f"{family} {walk}")
    assert all("\ufffd" not in text for text in found.texts.values())
    # The signs behind the run differ by one that is joined to it: each stays whole.
    assert found.texts["em1"].endswith(f" {family}")
    assert found.texts["em2"].endswith(f" {family}\u200d\U0001f466")


def test_one_character_too_few_is_no_repeat() -> None:
    run = "天地人日月山川風雨雲雪花鳥魚虫草木石火水土金玉竹米豆麦茶酒糸"[:30]
    assert left([f"甲{run}乙", f"丙{run}丁"], min_words=15, min_characters=31) == [f"甲{run}乙", f"丙{run}丁"]
    assert sorted(map(len, left([f"甲{run}乙", f"丙{run}丁"], min_words=15, min_characters=30))) == [2, 32]


def test_words_and_characters_of_one_run_add_up() -> None:
    half = " ".join(plants(2)(8))
    run = f"{half} 天地人日月山川風雨雲雪花鳥魚虫草木石"
    texts = [f"eins {run} zwei", f"drei {run} vier"]
    # 8 of 15 words and 18 of 30 characters: more than one whole; 8 of 20 and 18 of 40 less.
    assert sorted(map(len, left(texts, min_words=15, min_characters=30)))[0] < 15
    assert left(texts, min_words=20, min_characters=40) == texts


def test_a_document_of_repeats_alone_is_dropped_by_name(built: Callable[..., Built]) -> None:
    run = " ".join(plants(4)(60))
    found = built(SubstringDuplicates(), [("a", f"{run} own."), ("b", f"\n{run}\n")])
    # Which one keeps the run hangs on digests: either all of b goes, or of a its repeat.
    dropped = [(row["id"], row["reason"]) for row in found.dropped]
    assert (dropped, found.texts["a"]) in (
        ([("b", "only_substring_repeats")], f"{run} own."),
        ([], "own."),
    )


@pytest.mark.parametrize(
    ("text", "begin", "end", "expected"),
    [
        ("one two three four", 1, 3, "one four"),
        ("one two three", 0, 2, "three"),
        ("one two three", 1, 3, "one "),
        ("one two\n\nthree", 1, 2, "one\n\nthree"),
        ("one (two) three", 1, 2, "one () three"),
        ("abc天地def", 1, 3, "abc地def"),
        ("1,天天300", 1, 3, "1,天300"),
        ("天地人", 1, 2, "天人"),
    ],
)
def test_a_cut_leaves_a_border(text: str, begin: int, end: int, expected: str) -> None:
    from corpuskit.documents.words import word_spans

    spans = [(len(text[:a].encode()), len(text[:b].encode())) for a, b in word_spans(text)]
    raw = text.encode()
    start, stop = text_span(raw, np.array(spans), begin, end)
    assert (raw[:start] + raw[stop:]).decode() == expected


# -------------------------------------------------------------------------------------------- at scale
def test_many_partitions_give_what_one_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(5)
    pool = [f"w{i}" for i in range(300)]
    texts = []
    for _ in range(60):
        starts = [chance.randrange(280) for _ in range(3)]
        texts.append(" ".join(" ".join(pool[a : a + chance.randrange(5, 40)]) for a in starts))
    whole = cut(texts, min_words=10, min_characters=10)
    assert any(whole[0])
    monkeypatch.setattr(spill, "PARTITION_ROWS", 32)
    assert cut(texts, min_words=10, min_characters=10) == whole


def test_a_run_that_must_give_way_stays_elsewhere() -> None:
    """A short run stands within two long ones: it goes there, and all of theirs stays once, over both."""
    some = plants(6)
    before, run, behind = some(30), some(12), some(30)
    long = [*before, *run, *behind]
    texts = [
        " ".join([*some(3), *run, *some(400)]),
        *(" ".join([*some(3), *long, *some(3)]) for _ in range(2)),
    ]
    check(texts, 10)
    assert cut(texts, min_words=10, min_characters=10)[1] == []


@pytest.mark.parametrize("size", [4, 5, 20])
def test_where_not_every_run_can_stay_as_few_are_lost_as_can_be(size: int) -> None:
    """Nine texts that can share six runs only: the docstring of `Copies` says why three are lost."""
    common = [f"c{i}" for i in range(size - 2)]
    texts = []
    for j, k in itertools.product(range(3), range(3)):
        text = [f"x{j}{k}", f"a{j}", f"b{j}", *common, f"d{k}", f"e{k}", f"y{j}{k}"]
        texts += [" ".join([f"o{j}{k}{copy}", *text, f"p{j}{k}{copy}"]) for copy in range(2)]
    check(texts, size)
    [warning] = cut(texts, min_words=size, min_characters=size)[1]
    assert "3 repeated runs stay nowhere" in warning


def test_a_document_of_five_megabytes_and_a_text_with_a_period() -> None:
    chance = random.Random(7)
    words_ = [f"{chance.randrange(10**6)}" for _ in range(700_000)]
    book = " ".join(words_)
    page = " ".join(words_[5000:5100])
    periodic = "la li lu " * 200_000
    found, warnings = cut([book, f"Page: {page} end", periodic])
    assert warnings == []
    assert found[0] == []
    assert found[1] is not None
    assert pieces(f"Page: {page} end", found[1]) == ["Page: ", "end"]
    [*_, rest] = pieces(periodic, found[2])
    assert found[2] is not None
    assert len(found[2]) == 1
    assert len("".join(pieces(periodic, found[2])).split()) == 52
    assert rest == ""
