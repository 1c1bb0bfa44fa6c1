"""Builds of a few documents with one stage, and what became of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from corpuskit import Files, build_corpus
from corpuskit.build.build import BuildResult
from corpuskit.stages.barrier import Barrier

Documents = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Built:
    """A build: texts by id (without ``files:x:``), and rows of what was set aside."""

    result: BuildResult
    texts: dict[str, str]
    cuts: list[dict[str, Any]]
    dropped: list[dict[str, Any]]

    def entry(self, stage: str) -> dict[str, Any]:
        return self.result.ledger.entries[stage].to_json()

    def table(self, name: str) -> list[dict[str, Any]]:
        return _rows(self.result.folder / "tables" / name)


def _rows(folder: Path) -> list[dict[str, Any]]:
    return [row for path in sorted(folder.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def bare(identity: str) -> str:
    return identity.removeprefix("files:x:")


@pytest.fixture
def built(tmp_path: Path) -> Callable[..., Built]:
    """Write documents as one or more files of rows and build them with one barrier."""
    count = 0

    def build(barrier: Barrier, *files: Documents, **options: Any) -> Built:
        nonlocal count
        count += 1
        folder = tmp_path / f"build{count}" / "in"
        folder.mkdir(parents=True)
        for number, documents in enumerate(files):
            lines = [json.dumps({"id": name, "text": text}) for name, text in documents]
            (folder / f"{number}.jsonl").write_text("\n".join(lines), encoding="utf-8")
        out = folder.parent / "run"
        result = build_corpus([Files(path=str(folder), label="x"), barrier], out, **options)
        texts = {bare(row["id"]): row["text"] for row in _rows(out / "documents")}
        cuts, dropped = (
            [row | {"id": bare(row["id"])} for row in _rows(out / kind)] for kind in ("cuts", "dropped")
        )
        return Built(result, texts, cuts, dropped)

    return build
