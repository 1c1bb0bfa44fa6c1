"""Paragraphs and lines that stand in many documents are cut but for one copy, whatever the order of rows."""

from __future__ import annotations

import random
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpuskit.stages.barrier import scan_alone
from corpuskit.stages.dedup.repeats import LineRepeats, ParagraphRepeats
from corpuskit.storage import spill
from tests.stages.dedup.conftest import Built

PRESS = "Set and printed by hand in an edition of ninety."
MENU = "Home - Maps - Notes"
ROUND = "And so the wheel goes round."
TWICE = "Two goats stood on the wall."
SHELF = [
    ("d1", f"{TWICE}\n\n{PRESS}"),
    ("d2", f"{MENU}\n\nA second gate was hung in May.\n\n{PRESS}"),
    ("d3", f"{MENU}\n\nPears were dried on the roof.\n\n{PRESS}"),
    ("d4", f"The path was white.\n\n{ROUND}\n\nThe bell was cracked.\n\n{ROUND}\n\n{ROUND}\n\n{ROUND}"),
    ("d5", f"{PRESS}\n\n{MENU}"),
    ("d6", f"{TWICE}\n\nAnother end."),
    ("d7", f"{MENU} \n\nLast of all."),
]


def test_two_repeats_in_four_documents_lose_six_copies(built: Callable[..., Built]) -> None:
    """In rows of three orders, and in two files: the same texts."""
    stage = ParagraphRepeats(min_documents=3)
    orders = [[SHELF], [SHELF[::-1]], [SHELF[3:], SHELF[:3]]]
    found = [built(stage, *files) for files in orders]
    assert found[0].texts == found[1].texts == found[2].texts
    texts = found[0].texts
    paragraphs = Counter(p.strip() for text in texts.values() for p in text.split("\n\n"))
    assert (paragraphs[PRESS], paragraphs[MENU], paragraphs[ROUND], paragraphs[TWICE]) == (1, 1, 4, 2)
    gone = sum(len(row["text"].strip().split("\n\n")) for row in found[0].cuts + found[0].dropped)
    assert gone == 6
    for one in found:
        entry = one.entry("paragraph_repeats decided")
        bytes_in = sum(len(text.encode()) for _, text in SHELF)
        assert entry["bytes"]["in"] == bytes_in
        assert entry["bytes"]["kept"] == sum(len(text.encode()) for text in one.texts.values())
        assert entry["bytes"]["cut"] == {"paragraph_repeat": sum(len(r["text"].encode()) for r in one.cuts)}
    assert found[0].dropped == []
    assert texts["d2"] == "A second gate was hung in May."
    assert texts["d4"] == SHELF[3][1]


def test_a_document_of_repeats_alone_is_dropped_by_name(built: Callable[..., Built]) -> None:
    alone = [("a", f"{PRESS}\n\n{MENU}"), ("b", f"{MENU}\n\n{PRESS}\n"), ("c", f" {PRESS}\n\n{MENU}")]
    found = built(ParagraphRepeats(), [*SHELF, *alone])
    repeats = [text for text in found.texts.values() if PRESS in text or MENU in text]
    assert len(repeats) in (1, 2)
    assert {row["reason"] for row in found.dropped} == {"only_paragraph_repeats"}
    assert len(found.dropped) >= 2
    entry = found.entry("paragraph_repeats decided")["bytes"]
    dropped = sum(row["bytes"] for row in found.dropped)
    assert entry["dropped"] == {"only_paragraph_repeats": dropped}
    assert entry["in"] == entry["kept"] + dropped + sum(entry["cut"].values())


def test_none_stays_where_none_is_wanted(built: Callable[..., Built]) -> None:
    texts = built(ParagraphRepeats(min_documents=3, keep="none"), SHELF).texts
    whole = "\n".join(texts.values())
    assert (whole.count(PRESS), whole.count("Home"), whole.count(ROUND)) == (0, 0, 4)


def test_the_threshold_counts_documents(built: Callable[..., Built]) -> None:
    assert built(ParagraphRepeats(min_documents=5), SHELF).cuts == []
    both = built(ParagraphRepeats(min_documents=2), SHELF).texts
    assert sum(text.count(TWICE) for text in both.values()) == 1


def test_short_ones_stay(built: Callable[..., Built]) -> None:
    documents = [(f"d{i}", f"* * *\n\nNo.\n\nIt was told again and again.\n\nOwn {i}.") for i in range(3)]
    texts = built(ParagraphRepeats(min_words=2), documents).texts
    assert sum(text.count("* * *") for text in texts.values()) == 3
    assert sum(text.count("No.") for text in texts.values()) == 3
    assert sum(text.count("told") for text in texts.values()) == 1
    texts = built(ParagraphRepeats(min_characters=30), documents).texts
    assert sum(text.count("told") for text in texts.values()) == 3


def test_lines_and_other_ends_of_them(built: Callable[..., Built]) -> None:
    documents = [
        ("a", "Top of page\nOne.\r\nLeft\u2028Right"),
        ("b", "Two.\r\nTop of page\r\n"),
        ("c", "\tTop of page\rThree."),
    ]
    found = built(LineRepeats(), documents)
    kept = [text for text in found.texts.values() if "Top" in text]
    assert len(kept) == 1
    assert sorted(row["id"] for row in found.cuts) in (["a", "b"], ["a", "c"], ["b", "c"])
    assert {row["reason"] for row in found.cuts} == {"line_repeat"}
    assert ParagraphRepeats(unit="line", min_documents=2).unit == "line"


def test_normal_forms_are_one_and_places_are_the_own_ones(built: Callable[..., Built]) -> None:
    line = "Déjà vu à l'été"
    forms = ["NFC", "NFD", "NFC"]
    documents = [(f"d{i}", f"é{i}\n\n{unicodedata.normalize(f, line)}") for i, f in enumerate(forms)]
    documents = [
        (name, unicodedata.normalize(f, text)) for (name, text), f in zip(documents, forms, strict=True)
    ]
    found = built(ParagraphRepeats(), documents)
    whole = [unicodedata.normalize("NFC", text) for text in found.texts.values()]
    assert sorted(whole)[0][:2] == "é0"
    assert sum(text.count(line) for text in whole) == 1
    assert all("\ufffd" not in text for text in whole)


def cut(texts: Sequence[str], stage: ParagraphRepeats) -> tuple[list[str], list[bool]]:
    batch = pa.record_batch({"text": pa.array(texts, pa.large_string())})
    with TemporaryDirectory() as folder:
        scans = scan_alone(stage, batch, Path(folder))
        stage.decide(scans)
        left = [text.encode() for text in texts]
        spans = [row for rows in scans.cuts.sorted(len(texts)) for row in rows.tolist()]
        for ordinal, start, end, _, _ in reversed(spans):
            left[ordinal] = left[ordinal][:start] + left[ordinal][end:]
        return [raw.decode() for raw in left], scans.kept.tolist()


pages = st.lists(st.sampled_from(["A b.", "Ç d", " A b. ", "e\u0301f", "éf", "x\ny", ""]), max_size=6).map(
    "\n\n".join
)


@given(st.lists(pages, min_size=1, max_size=7), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_one_copy_of_each_stays_in_any_order(texts: list[str], order: random.Random) -> None:
    stage = ParagraphRepeats(min_documents=3)

    def paragraphs(text: str) -> list[str]:
        return [unicodedata.normalize("NFC", p.strip()) for p in text.split("\n\n") if p.strip()]

    left, kept = cut(texts, stage)
    documents = Counter(p for text in texts for p in set(paragraphs(text)))
    before = Counter(p for text in texts for p in paragraphs(text))
    after = Counter(p for text, stays in zip(left, kept, strict=True) if stays for p in paragraphs(text))
    assert after == {p: 1 if documents[p] >= 3 else count for p, count in before.items()}
    other = list(texts)
    order.shuffle(other)
    again, still = cut(other, stage)
    assert sorted(t for t, k in zip(left, kept, strict=True) if k) == sorted(
        t for t, k in zip(again, still, strict=True) if k
    )


def test_many_partitions_give_what_one_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(3)
    texts = ["\n\n".join(f"Line {chance.randrange(200)} of it." for _ in range(20)) for _ in range(200)]
    whole = cut(texts, ParagraphRepeats())
    monkeypatch.setattr(spill, "PARTITION_ROWS", 64)
    assert cut(texts, ParagraphRepeats()) == whole


@pytest.mark.parametrize("settings_", [{"min_documents": 1}, {"unit": "word"}, {"keep": "two"}])
def test_what_is_no_setting_is_named(settings_: dict[str, Any]) -> None:
    from corpuskit.errors import SettingError

    with pytest.raises(SettingError, match=next(iter(settings_))):
        ParagraphRepeats(**settings_)
