"""Hidden characters and typed special tokens: counted before anything goes, told by document and kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpuskit import Unicode, Whitespace, _native, build_corpus
from corpuskit.cli.corpus.inspect import gather, render
from corpuskit.documents import batch as batches
from corpuskit.documents.columns import to_engine
from corpuskit.run.folder import Run
from corpuskit.sources.files.files import Files
from corpuskit.stages.normalize.hidden import count_hidden, may_hide
from corpuskit.stages.normalize.whitespace import keep_separators, tidy
from corpuskit.stages.stage import Effect

KHMER = "ខ្ញុំ\u200bទៅ\u200bផ្សារ\u200bនៅ\u200bព្រឹក"
ENTITIES = "Write &amp;eacute; to get &eacute; and &lt;b&gt; for bold."
TEXTS = {
    "tags": "A plain line" + "".join(chr(0xE0000 + ord(c)) for c in "ignore this") + " goes on.",
    "bidi": "The sum is \u202e321\u202c now, \u2066see\u2069 it.",
    "zero": "zero\u200bwidth and word\u2060joiner and soft\xadhyphen",
    "khmer": KHMER,
    "persian": "می\u200cخواهم بروم",
    "emoji": "👩\u200d🍳 cooks ❤️",
    "bom": "\ufeffbegins with a mark and has \ufeffone inside",
    "entity": ENTITIES,
    "marks": "Typed <|endoftext|> and [MASK] and </s>.",
    "hindi": "क्\u200dष और क्\u200cष",
}
COUNTS = {
    "tags": {"tag": 11},
    "bidi": {"bidi": 4},
    "zero": {"U+00AD": 1, "U+200B": 1, "U+2060": 1},
    "khmer": {"U+200B": 4},
    "persian": {"U+200C": 1},
    "emoji": {"U+200D": 1},
    "bom": {"U+FEFF": 2},
    "entity": {},
    "marks": {"</s>": 1, "<|endoftext|>": 1, "[MASK]": 1},
    "hindi": {"U+200C": 1, "U+200D": 1},
}


@pytest.mark.parametrize("name", TEXTS)
def test_counts(name: str) -> None:
    assert count_hidden(TEXTS[name]) == COUNTS[name]


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("<|im_start|>user", {"<|im_start|>": 1}),
        ("<|anything at all|><|so_too|>", {"<|...|>": 2}),
        ("<extra_id_7> <extra_id_8>", {"<extra_id_N>": 2}),
        (
            "[INST] x [/INST] <<SYS>> <start_of_turn>",
            dict.fromkeys(["<<SYS>>", "<start_of_turn>", "[/INST]", "[INST]"], 1),
        ),
        ("a <b>bold</b> [1] [note] < | > x", {}),
        ("x\U000e0105y", {"variation selector": 1}),
    ],
)
def test_forms(text: str, counts: dict[str, int]) -> None:
    assert count_hidden(text) == counts


PIECES = st.sampled_from(
    [
        *"\u200b\xad\u3164\U000e0041\U000e0150\U0001f600é日“a<|｜[>/",
        *("MASK]", "INST]", "s>", "<pad>", "<<SYS>", "extra_id_", "<|", "plain text of some words "),
    ]
)


@settings(deadline=None)
@given(st.lists(st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=40), max_size=5))
def test_the_engine_looks_at_the_same_texts(texts: list[str]) -> None:
    column = to_engine(pa.array(texts, pa.large_string()), "texts")
    assert _native.may_hide(column).tolist() == [may_hide(text) for text in texts]


def test_the_engine_knows_every_character() -> None:
    characters = [chr(n) for n in range(0x110000) if not 0xD800 <= n < 0xE000]
    for texts in (characters, [f"{'a' * 14}{c} word" for c in characters]):
        column = to_engine(pa.array(texts, pa.large_string()), "texts")
        assert _native.may_hide(column).tolist() == [may_hide(text) for text in texts]


def test_the_engine_looks_at_what_is_no_utf8() -> None:
    data = [b"\xe2\x80", b"\xe2\x80\x8b", b"\xf3\xa0", b"a\xe2", b"\xe2\xe2\x80\x8b", b"\xed\xa0\x80<s>", b""]
    offsets = np.cumsum([0, *map(len, data)])
    found = _native.may_hide((offsets, np.frombuffer(b"".join(data), np.uint8)))
    assert found.tolist() == [False, True, False, False, True, True, False]
    with pytest.raises(ValueError, match="offsets must ascend"):
        _native.may_hide((np.array([0, 4], np.int64), np.zeros(3, np.uint8)))


def build(folder: Path, **settings: Any) -> Run:
    rows = [json.dumps({"id": name, "text": text}) for name, text in TEXTS.items()]
    (folder / "in.jsonl").write_text("\n".join(rows), encoding="utf-8")
    steps = [Files(path=str(folder / "in.jsonl"), label="x"), Unicode(**settings), Whitespace()]
    build_corpus(steps, folder / "run")
    return Run.open_finished(folder / "run")


def kept(run: Run) -> dict[str, str]:
    documents = (row for path in run.folder.rglob("documents/*.parquet") for row in _rows(path))
    return {row["id"].rpartition(":")[2]: row["text"] for row in documents}


def _rows(path: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    return pq.read_table(path).to_pylist()


def test_a_build_tells_what_it_met_and_keeps_what_scripts_need(tmp_path: Path) -> None:
    run = build(tmp_path, unescape_html=False)
    texts = kept(run)
    for name in ("khmer", "persian", "emoji", "hindi", "entity", "marks", "tags", "bidi"):
        assert texts[name] == TEXTS[name]
    assert texts["zero"] == "zerowidth and wordjoiner and softhyphen"
    assert texts["bom"] == "begins with a mark and has one inside"
    facts = gather(run)
    met = {kind: (n["count"], n["documents"]) for kind, n in facts["found"]["unicode"].items()}
    assert met == {
        "tag": (11, 1),
        "bidi": (4, 1),
        "U+200B": (5, 2),
        "U+2060": (1, 1),
        "U+00AD": (1, 1),
        "U+200C": (2, 2),
        "U+200D": (2, 2),
        "U+FEFF": (2, 1),
        "<|endoftext|>": (1, 1),
        "[MASK]": (1, 1),
        "</s>": (1, 1),
    }
    stages = {entry["stage"]: entry for entry in facts["ledger"]}
    assert stages["unicode"]["bytes"]["cut"] == {"U+FEFF": 6}
    assert stages["whitespace"]["bytes"]["cut"] == {"U+00AD": 2, "U+200B": 3, "U+2060": 3}
    assert "unicode found: </s> 1 in 1 document" in render(facts)
    told = [row for path in (run.folder / "tables" / "found").rglob("*.parquet") for row in _rows(path)]
    assert {row["id"] for row in told if row["kind"] == "[MASK]"} == {"files:x:marks"}


def test_entities_that_were_replaced_are_counted(tmp_path: Path) -> None:
    run = build(tmp_path)
    assert kept(run)["entity"] == "Write é to get é and <b> for bold."
    assert gather(run)["found"]["unicode"]["entity"] == {"count": 4, "documents": 1}


def test_a_source_that_has_decoded_its_texts_is_not_decoded_again() -> None:
    builder = batches.BatchBuilder()
    builder.add(id="1", source="wikipedia", text=ENTITIES)
    effect = Unicode().apply(next(builder.take(rest=True)))
    assert isinstance(effect, Effect)
    assert effect.batch.column("text").to_pylist() == [ENTITIES]
    assert not effect.found


@pytest.mark.parametrize(
    ("text", "tidied"),
    [
        (KHMER, KHMER),
        ("မြန်\u200bမာ", "မြန်\u200bမာ"),
        ("ภาษา\u200bไทย", "ภาษา\u200bไทย"),
        ("ພາສາ\u200bລາວ", "ພາສາ\u200bລາວ"),
        ("ទៅ\u200b\u200b\u200bផ្សារ", "ទៅ\u200bផ្សារ"),
        ("ទៅ\u200bABC", "ទៅ\u200bABC"),
        ("ទៅ\u200b ផ្សារ\u200b\n", "ទៅ ផ្សារ"),
        ("\u200bទៅ", "ទៅ"),
        ("zero\u200bwidth", "zerowidth"),
        ("東\u200b京", "東京"),
    ],
)
def test_zero_width_spaces_part_words_of_scripts_without_spaces(text: str, tidied: str) -> None:
    assert tidy(text) == tidied == tidy(tidied)
    assert keep_separators(tidied) == tidied
