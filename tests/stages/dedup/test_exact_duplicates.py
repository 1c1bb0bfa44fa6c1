"""Exact duplicates: equal in normal form C, the least id stays, and only what is still kept counts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from corpuskit import ExactDuplicates, Files, Pipeline
from corpuskit.build.build import build_corpus
from corpuskit.stages.dedup.common import digest_words, digests


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
