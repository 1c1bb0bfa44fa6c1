"""Exact duplicates: equal in normal form C, the least id stays, and only what is still kept counts."""

from __future__ import annotations

import tempfile
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpuskit import ExactDuplicates, Files, Pipeline, Unicode
from corpuskit.build.build import build_corpus
from corpuskit.stages.barrier import scan_alone
from corpuskit.stages.dedup.common import digest_words, digests
from corpuskit.stages.dedup.exact import composed
from tests.build.tables import rows_of


def run(
    texts: list[str], tmp_path: Path, jsonl: Callable[..., None], **options: Any
) -> tuple[list[str], list[Any]]:
    jsonl(tmp_path / "x.jsonl", [{"id": str(i), "text": text} for i, text in enumerate(texts)])
    source = Files(path=str(tmp_path / "x.jsonl"), label="x")
    build_corpus(Pipeline([source, ExactDuplicates()], **options), tmp_path / "run")
    documents, dropped = (
        [
            r
            for p in sorted((tmp_path / "run" / folder).glob("*.parquet"))
            for r in pq.read_table(p).to_pylist()
        ]
        for folder in ("documents", "dropped")
    )
    return [d["id"][8:] for d in documents], [
        (d["id"][8:], d["reason"], d["duplicate_of"][8:]) for d in dropped
    ]


def test_all_but_the_least_id_go(tmp_path: Path, jsonl: Callable[..., None]) -> None:
    texts = ["a", "b", "a", "A", "a ", "b", "\u00e9", "e\u0301", "a"]
    kept, dropped = run(texts, tmp_path, jsonl)
    assert kept == ["0", "1", "3", "4", "6"]
    assert dropped == [
        *(("2", "duplicate", "0"), ("5", "duplicate", "1")),
        *(("7", "duplicate", "6"), ("8", "duplicate", "0")),
    ]


def test_a_copy_of_what_was_removed_stays(tmp_path: Path, jsonl: Callable[..., None]) -> None:
    """Deciders go one after the other: a document that is gone drops no other."""
    jsonl(tmp_path / "x.jsonl", [{"id": "0", "text": "same"}, {"id": "1", "text": "same"}])
    source = Files(path=str(tmp_path / "x.jsonl"), label="x")
    build_corpus(Pipeline([source, ExactDuplicates()], ("files:x:0",)), tmp_path / "run")
    table = pq.read_table(tmp_path / "run/documents/files-x-00000.parquet")
    assert table.column("id").to_pylist() == ["files:x:1"]


def test_copies_in_two_sources(tmp_path: Path, jsonl: Callable[..., None]) -> None:
    for name in ("a", "b"):
        jsonl(
            tmp_path / f"{name}.jsonl", [{"id": "1", "text": "same"}, {"id": "2", "text": f"only in {name}"}]
        )
    sources = [Files(path=str(tmp_path / f"{name}.jsonl"), label=name) for name in ("b", "a")]
    result = build_corpus([*sources, ExactDuplicates()], tmp_path / "run")
    assert result.documents == 3
    # The id decides, not the order of sources.
    dropped = pq.read_table(tmp_path / "run/dropped/documents-files-b-00000.parquet").to_pylist()
    assert [(d["id"], d["duplicate_of"]) for d in dropped] == [("files:b:1", "files:a:1")]


def test_groups_need_both_words_of_a_digest(
    tmp_path: Path, jsonl: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Texts whose digests share the first 64 bits are no copies unless they share the other 64 too."""
    from corpuskit.stages.dedup import exact

    real = digests

    def colliding(texts: list[str]) -> Any:
        import pyarrow as pa

        return pa.array([b"\0" * 8 + d[8:] for d in real(texts).to_pylist()], pa.binary(16))

    monkeypatch.setattr(exact, "digests", colliding)
    assert run(["a", "b", "a", "c"], tmp_path, jsonl)[0] == ["0", "1", "3"]


def test_digest_words() -> None:
    words = digest_words(digests(["a", "b"]))
    assert words.shape == (2, 2)
    assert words.dtype == np.uint64


# -------------------------------------------------------------------------------------- normal forms
HAN = "\ud55c\uad6d"
CORE = f"the caf\u00e9 na\u00efve \u00c5ngstr\u00f6m stood in H\u00e0 N\u1ed9i near {HAN} street"
FORMS = {
    "core": CORE,
    "nfd": unicodedata.normalize("NFD", CORE),
    "angstrom": CORE.replace("\u00c5", "\u212b"),
    "jamo": CORE.replace("\ud55c", "\u1112\u1161\u11ab"),
    "order": CORE.replace("\u1ed9", "o\u0323\u0302"),
    "order2": CORE.replace("\u1ed9", "o\u0302\u0323"),
    "ligature": "the \ufb01t caf\u00e9",
    "fit": "the fit caf\u00e9",
    "super": "the m\u00b2 caf\u00e9",
    "plain2": "the m2 caf\u00e9",
    "half": "the \uff76 caf\u00e9",
    "full": "the \u30ab caf\u00e9",
    "noaccent": CORE.replace("caf\u00e9", "cafe"),
    "sara": "the caf\u00e9 \u0e19\u0e33 \u0e19\u0e4d\u0e32",
}


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("stages", "stay"), [((), 9), ((Unicode(fix_latin_ligatures=False),), 9), ((Unicode(),), 8)]
)
def test_texts_that_differ_in_their_normal_form_alone_are_copies(
    stages: tuple[Unicode, ...], stay: int, turned: bool, tmp_path: Path, jsonl: Callable[..., None]
) -> None:
    rows = [{"id": identity, "text": text} for identity, text in FORMS.items()]
    jsonl(tmp_path / "x.jsonl", rows[::-1] if turned else rows)
    source = Files(path=str(tmp_path / "x.jsonl"), label="x")
    result = build_corpus([source, *stages, ExactDuplicates()], tmp_path / "run")
    assert result.documents == stay
    kept = {d["id"][8:]: d["text"] for d in rows_of(tmp_path / "run", "documents")}
    others = set(FORMS) - {"core", "nfd", "angstrom", "jamo", "order", "order2"}
    assert len(kept.keys() & others) == stay - 1
    if not stages:  # The text that stays is left as it was read, and is the one that is in form C.
        assert kept["core"] == FORMS["core"]
        assert all(kept[each] == FORMS[each] for each in others)
    else:
        assert kept.keys() - others == {"angstrom"}, "the least id: all six are written alike by now"


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.sampled_from(["", "a", "\u00e9", "e\u0301", "\u212b", "A\u030a", "\u00c5", " "]), max_size=12
    ),
    st.randoms(),
)
def test_the_same_documents_stay_in_any_order_and_one_of_each_text(texts: list[str], random: Any) -> None:
    """Also of texts that are empty or one character long."""
    numbered = [(f"d{number}", text) for number, text in enumerate(texts)]
    turned = list(numbered)
    random.shuffle(turned)
    kept = [decided(rows) for rows in (numbered, turned)]
    assert kept[0] == kept[1]
    assert (
        len({composed(dict(numbered)[i]) for i in kept[0]}) == len(kept[0]) == len(set(map(composed, texts)))
    )


def decided(rows: list[tuple[str, str]]) -> set[str]:
    """The ids that stay of documents in memory."""
    ids, texts = ([row[n] for row in rows] for n in (0, 1))
    batch = pa.record_batch({"id": pa.array(ids, pa.string()), "text": pa.array(texts, pa.large_string())})
    with tempfile.TemporaryDirectory() as folder:
        barrier = ExactDuplicates()
        scans = scan_alone(barrier, batch, Path(folder))
        barrier.decide(scans)
        assert all(scans.kept[o] for o in scans.original[~scans.kept])
        return {ids[o] for o in np.flatnonzero(scans.kept).tolist()}


@pytest.mark.parametrize("turned", [False, True])
def test_of_equal_texts_the_least_id_stays_whichever_row_comes_first(
    turned: bool, tmp_path: Path, jsonl: Callable[..., None]
) -> None:
    rows = [{"id": "2", "text": "one text"}, {"id": "1", "text": "one text"}]
    jsonl(tmp_path / "x.jsonl", rows[::-1] if turned else rows)
    build_corpus([Files(path=str(tmp_path / "x.jsonl"), label="x"), ExactDuplicates()], tmp_path / "run")
    assert [d["id"] for d in rows_of(tmp_path / "run", "documents")] == ["files:x:1"]
