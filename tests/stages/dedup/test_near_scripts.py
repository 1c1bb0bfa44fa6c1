"""Near duplicates in all scripts: built texts of each kind, and the Universal Declaration."""

from __future__ import annotations

import json
import random
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from corpuskit import ExactDuplicates, Files, Gutenberg, NearDuplicates, Unicode, Whitespace, near_duplicates
from corpuskit.build.build import build_corpus
from corpuskit.documents.words import word_spans, words
from corpuskit.stages.dedup.minhash import shingles
from tests.stages.dedup.deciding import decided

SCRIPTS = {
    "zh": range(0x4E00, 0x5000),
    "ja": range(0x3042, 0x3090),
    "th": range(0x0E01, 0x0E2E),
    "lo": [*range(0x0E94, 0x0E98), *range(0x0E99, 0x0EA0), 0x0EA1, 0x0EA2, 0x0EA3],
    "km": range(0x1780, 0x17A2),
    "my": range(0x1000, 0x1020),
    "bo": range(0x0F49, 0x0F5C),
}
"""Letters of scripts without blanks."""

SIGNS = {
    "hi": ("कखगचजटडतदनपबमयरलसह", "ािीुूेैोौ"),
    "ta": ("கசடதநபமயரலவளற", "ாிீுூெேைொோ"),
    "bn": ("কখগচজটডতদনপবমযরলসহ", "ািীুূেৈোৌ"),
    "he": ("אבגדהוזחטיכלמנסעפצקרשת", "\u05b0\u05b4\u05b5\u05b6\u05b7\u05b8\u05b9\u05bb"),
    "ar": ("بتثجحخدذرزسشصضطظعغفقكلمنهي", "\u064b\u064c\u064d\u064e\u064f\u0650\u0651\u0652"),
}
"""Letters, and signs that stand on them, of scripts whose words differ by their signs alone."""


def build(tmp_path: Path, texts: dict[str, str], threshold: float = 0.8) -> tuple[list[str], dict[str, str]]:
    """Names of what stays in a build, and of what goes, each with the copy that stays."""
    source = tmp_path / "in.jsonl"
    rows = [json.dumps({"id": k, "text": t}, ensure_ascii=False) for k, t in texts.items()]
    source.write_text("\n".join(rows), encoding="utf-8")
    steps = [Unicode(), Whitespace(), ExactDuplicates(), NearDuplicates(threshold=threshold)]
    build_corpus([Files(path=str(source), label="x"), *steps], tmp_path / "run")
    kept, dropped = (
        [
            row
            for path in (tmp_path / "run" / name).glob("*.parquet")
            for row in pq.read_table(path).to_pylist()
        ]
        for name in ("documents", "dropped")
    )
    stays = [d["id"] for d in kept]
    gone = {d["id"]: d["duplicate_of"] for d in dropped}
    short = {identity: identity.removeprefix("files:x:") for identity in [*stays, *gone]}
    return sorted(short[i] for i in stays), {short[i]: short[of] for i, of in gone.items()}


def test_pages_of_one_template_below_the_threshold_all_stay(tmp_path: Path) -> None:
    """160 common words and 30 of each: any two have 156 of 216 shingles in common."""
    chance = random.Random(2)

    def word() -> str:
        return "".join(chance.choices("abcdefghijklmnop", k=6))

    common = [word() for _ in range(160)]
    texts = {str(n): " ".join([*common, *(word() for _ in range(30))]) for n in range(2000)}
    left, right = (shingles(texts[n], 5) for n in "01")
    assert (len(left & right), len(left | right)) == (156, 216)
    stays, gone = build(tmp_path, texts)
    assert (len(stays), gone) == (2000, {})


def test_a_digit_or_a_latin_letter_before_han_changes_nothing(tmp_path: Path) -> None:
    """The run behind it is parted letter by letter: of 90 and more letters the last ones differ."""
    chance = random.Random(4)
    texts = {}
    for name, before in (("bare", ""), ("digit", "2016"), ("latin", "GDP")):
        letters = [chr(chance.choice(SCRIPTS["zh"])) for _ in range(90)]
        letters[3] = "年"
        texts[f"{name}-0"] = before + "".join(letters) + "。"
        texts[f"{name}-1"] = before + "".join(letters[:-3]) + "意向る" + "。"
    _, gone = build(tmp_path, texts)
    assert {frozenset(pair) for pair in gone.items()} == {
        frozenset({f"{name}-0", f"{name}-1"}) for name in ("bare", "digit", "latin")
    }


def test_words_that_differ_by_their_signs_are_other_words(tmp_path: Path) -> None:
    """Three texts of the same letters with other signs throughout: none is a copy of another."""
    chance = random.Random(5)
    texts = {}
    for script, (letters, signs) in SIGNS.items():
        bases = [[chance.choice(letters) for _ in range(chance.randrange(2, 5))] for _ in range(120)]
        for n in range(3):
            drawn = ["".join(c + chance.choice(signs) for c in base) for base in bases]
            texts[f"{script}{n}"] = " ".join(drawn)
    assert build(tmp_path, texts) == (sorted(texts), {})


def test_short_texts_that_share_no_word_but_letters_all_stay(tmp_path: Path) -> None:
    texts = {
        "a": "कि की कु के को",
        "b": "का कै कौ कं कः",
        "c": "בָּרָא דָּבָר סֵפֶר מֶלֶךְ",
        "d": "בְּרֹא דֶּבֶר סָפַר מָלַךְ",
        "e": "كَتَبَ عِلْمٌ",
        "f": "كُتِبَ عُلِمَ",
    }
    assert build(tmp_path, texts) == (list("abcdef"), {})


def test_copies_are_found_where_words_have_no_blanks(tmp_path: Path) -> None:
    """600 letters of which 4 are changed: at most 20 of 596 shingles differ."""
    chance = random.Random(6)
    texts = {}
    for script, known in SCRIPTS.items():
        letters = [chr(chance.choice(known)) for _ in range(600)]
        texts[f"{script}0"] = "".join(letters)
        for at in chance.sample(range(600), 4):
            letters[at] = chr(known[0])
        texts[f"{script}1"] = "".join(letters)
    _, gone = build(tmp_path, texts)
    assert {frozenset(pair) for pair in gone.items()} == {frozenset({f"{s}0", f"{s}1"}) for s in SCRIPTS}


@pytest.mark.parametrize("turned", [False, True])
def test_of_equally_long_copies_the_same_stays_in_any_order_of_rows(turned: bool, tmp_path: Path) -> None:
    """The smaller hash of the text decides, not the place."""
    base = " ".join(f"w{i}" for i in range(40))
    texts = {str(i): f"{base} {word}" for i, word in enumerate(("aa", "bb", "cc", "dd"))}
    rows = dict(sorted(texts.items(), reverse=turned))
    stays, _ = build(tmp_path, rows)
    assert stays == ["3"]


# ------------------------------------------------------------------------------- the Universal Declaration

SAME = [
    {"cbs", "prq"},  # one text under two names, but for its title
    {"deu", "deu_1901"},  # ß is ss where words are compared
    {"hau_NE", "hau_NG"},
    {"kng", "ktu"},
    {"ron", "ron_1993"},
]
"""Spellings and names of one language whose texts are copies: 0.845 to 1 in exact Jaccard similarity."""


@pytest.fixture(scope="module")
def declaration(corpora: Path) -> dict[str, str]:
    with zipfile.ZipFile(corpora / "langid" / "udhr2.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".txt")]
        return {Path(name).stem: archive.read(name).decode() for name in names}


def pairs(texts: Sequence[str]) -> list[set[int]]:
    return [{one.kept, copy} for one in near_duplicates(texts) for copy, _ in one.copies]


@pytest.mark.corpora
def test_no_two_languages_are_copies(declaration: dict[str, str]) -> None:
    names = list(declaration)
    assert len(names) == 388
    found = [{names[i] for i in pair} for pair in pairs(list(declaration.values()))]
    assert sorted(found, key=sorted) == SAME


def changed(text: str, chance: random.Random) -> str:
    """The text with one of a hundred words (or letters, where these are words) replaced by another of it."""
    spans = word_spans(text)
    for first, last in sorted(chance.sample(spans, round(len(spans) / 100)), reverse=True):
        start, end = chance.choice(spans)
        text = text[:first] + text[start:end] + text[last:]
    return text


@pytest.mark.corpora
def test_a_copy_with_a_hundredth_of_its_words_changed_is_found_in_each_language(
    declaration: dict[str, str],
) -> None:
    chance = random.Random(1)
    whole = {name: text for name, text in declaration.items() if len(words(text)) >= 100}
    assert len(whole) >= 380
    missed = [n for n, text in whole.items() if not pairs([text, changed(text, chance)])]
    assert missed == []


@pytest.mark.corpora
def test_of_each_novel_of_austen_one_edition_stays(corpora: Path, tmp_path: Path) -> None:
    """Told apart by their texts alone, without the numbers of the books: the best of each by its dates."""
    numbers = ("00105", "00121", "00141", "00158", "00161", "00946", "01212", "01342")
    source = Gutenberg(path=str(corpora / "gutenberg"), include=[f"{number}_*" for number in numbers])
    rows = [
        {name: row[name] for name in ("text", "source", "preference")} | {"id": f"{row['id']}/{at}"}
        for part in source.parts()
        for reading in source.read(part)
        for at, row in enumerate(reading.batch.to_pylist())
    ]
    by_number: dict[str, list[int]] = {}
    for row in rows:
        by_number.setdefault(row["id"].split("/")[0], []).append(row["preference"])
    assert len(by_number) == len(numbers)
    assert len(rows) > 30
    scans = decided(rows, tmp_path, threshold=0.5, keep="best")
    stays = [rows[i] for i in np.flatnonzero(scans.kept)]
    found = {row["id"].split("/")[0]: row["preference"] for row in stays}
    assert len(stays) == len(numbers)
    assert found == {number: max(preferences) for number, preferences in by_number.items()}
