"""The split: shares, near duplicates on one side, sections that cover the text."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from corpuskit import Files, NearDuplicates, Pipeline, Split, TrainTokenizer, WriteShards
from corpuskit.build.build import build_corpus
from corpuskit.build.decide.held_out import FEW, SIDES, TOLERANCE, _held_out, sections
from corpuskit.build.forecast.dry_run import dry_run
from corpuskit.cli.main import cli
from corpuskit.errors import SettingError


def run_split(folder: Path, source: Files, split: Split, *steps: Any) -> list[dict[str, Any]]:
    tail = [TrainTokenizer(vocab_size=400), WriteShards(split=split)]
    build_corpus([source, *steps, *tail], folder)
    return [r for p in sorted((folder / "documents").glob("*.parquet")) for r in pq.read_table(p).to_pylist()]


@pytest.fixture
def many(
    tmp_path: Path, jsonl: Callable[..., None], prose: Callable[..., Any]
) -> tuple[Files, list[dict[str, str]]]:
    """600 documents, every fifth with two variants that differ in a fifth of their lines."""
    writer = prose(4)
    documents = []
    for i in range(400):
        lines = [writer.sentence() for _ in range(10)]
        documents.append({"id": f"d{i}", "text": "\n".join(lines)})
        if i % 4 == 0:
            documents += [
                {"id": f"d{i}-{j}", "text": "\n".join([*lines[:-1], writer.sentence()])} for j in (1, 2)
            ]
    jsonl(tmp_path / "x.jsonl", documents)
    return Files(path=str(tmp_path / "x.jsonl"), label="x"), documents


def shares(documents: list[dict[str, Any]]) -> dict[str, float]:
    sizes: dict[str, int] = {}
    for document in documents:
        sizes[document["split"]] = sizes.get(document["split"], 0) + len(document["text"].encode())
    return {side: size / sum(sizes.values()) for side, size in sizes.items()}


def test_shares_of_bytes(many: tuple[Files, Any], tmp_path: Path) -> None:
    documents = run_split(
        tmp_path / "run", many[0], Split(validation=0.1, test=0.05), NearDuplicates(threshold=1.0)
    )
    found = shares(documents)
    # One cluster of three documents may stand over each border: 3 of 600.
    assert found["validation"] == pytest.approx(0.1, abs=0.01)
    assert found["test"] == pytest.approx(0.05, abs=0.01)
    assert found["train"] == pytest.approx(0.85, abs=0.01)


def test_near_duplicates_stand_on_one_side(many: tuple[Files, Any], tmp_path: Path) -> None:
    """Exact Jaccard of every pair across the border stays below the threshold; variants have one cluster."""
    from corpuskit.stages.dedup.minhash import shingles

    documents = run_split(
        tmp_path / "run", many[0], Split(validation=0.2, test=0.1), NearDuplicates(threshold=0.6)
    )
    sets = [(d["split"], shingles(d["text"], 5), d["id"]) for d in documents]
    held = [s for s in sets if s[0] != "train"]
    assert len(held) > 60
    crossing = [
        (a, b)
        for side, left, a in held
        for other, right, b in sets
        if side != other and len(left & right) / len(left | right) >= 0.75
    ]
    assert crossing == []


def test_the_order_of_rows_moves_nothing(
    many: tuple[Files, Any], tmp_path: Path, jsonl: Callable[..., None]
) -> None:
    source, documents = many
    jsonl(tmp_path / "turned" / "x.jsonl", documents[::-1])
    turned = Files(path=str(tmp_path / "turned" / "x.jsonl"), label="x")
    steps = Split(validation=0.2, test=0.1), NearDuplicates(threshold=0.6)
    runs = (run_split(tmp_path / name, each, *steps) for name, each in (("one", source), ("other", turned)))
    one, other = ({row["id"]: (row["cluster"], row["split"]) for row in rows} for rows in runs)
    assert one == other


def test_what_a_dropped_document_links_stays_together(
    tmp_path: Path, jsonl: Callable[..., None], prose: Callable[..., Any]
) -> None:
    """A and B are kept, C between them resembles both and goes: A and B are one cluster, on one side."""
    chance = random.Random(5)
    documents = []
    for i in range(120):
        words = [f"w{chance.randrange(10**9)}" for _ in range(120)]
        pieces = {"a": words[:100], "b": words[20:], "c": words[10:110]}
        documents += [{"id": f"{i}{name}", "text": " ".join(piece)} for name, piece in pieces.items()]
    jsonl(tmp_path / "x.jsonl", documents)
    source = Files(path=str(tmp_path / "x.jsonl"), label="x")
    found = run_split(
        tmp_path / "run",
        source,
        Split(validation=0.3, test=0.2),
        NearDuplicates(threshold=0.74, keep="smallest_id"),
    )
    by_id = {d["id"].rsplit(":")[-1]: d for d in found}
    linked = [i for i in range(120) if f"{i}a" in by_id and f"{i}b" in by_id and f"{i}c" not in by_id]
    together = [i for i in linked if by_id[f"{i}a"]["cluster"] == by_id[f"{i}b"]["cluster"]]
    assert len(together) > 60
    assert all(by_id[f"{i}a"]["split"] == by_id[f"{i}b"]["split"] for i in together)
    assert {by_id[f"{i}a"]["split"] for i in together} == {"train", "validation", "test"}


def test_one_more_document_moves_few_others(
    many: tuple[Files, Any], tmp_path: Path, jsonl: Callable[..., None]
) -> None:
    source, documents = many
    sides = []
    for name, extra in (("a", []), ("b", [{"id": "new", "text": "quite new " * 40}])):
        jsonl(tmp_path / name / "x.jsonl", [*extra, *documents])
        moved = source.model_copy(update={"path": str(tmp_path / name / "x.jsonl")})
        sides.append(
            {d["id"]: d["split"] for d in run_split(tmp_path / f"run-{name}", moved, Split(validation=0.1))}
        )
    assert sum(sides[1][identity] != side for identity, side in sides[0].items()) <= 3


def test_no_share_no_split(many: tuple[Files, Any], tmp_path: Path) -> None:
    assert {d["split"] for d in run_split(tmp_path / "run", many[0], Split(validation=0))} == {"train"}


def test_few_documents_are_split_inside(
    tmp_path: Path, jsonl: Callable[..., None], prose: Callable[..., Any]
) -> None:
    """Up to 99 documents: the sections of each cover its bytes exactly, and the shares of bytes are kept."""
    writer = prose(9)
    jsonl(tmp_path / "x.jsonl", [{"id": f"{i}", "text": writer.text(400)} for i in range(FEW - 1)])
    source = Files(path=str(tmp_path / "x.jsonl"), label="x")
    documents = run_split(tmp_path / "run", source, Split(validation=0.1, test=0.05))
    assert {d["split"] for d in documents} == {"sections"}
    held: dict[str, int] = {}
    for path in (tmp_path / "run" / "shards").glob("*.provenance.parquet"):
        for row in pq.read_table(path).to_pylist():
            side = path.name.split("-")[0]
            held[side] = held.get(side, 0) + row["byte_end"] - row["byte_start"]
    total = sum(len(d["text"].encode()) for d in documents)
    assert sum(held.values()) == total
    assert held["validation"] / total == pytest.approx(0.1, abs=0.02)
    assert held["test"] / total == pytest.approx(0.05, abs=0.02)


def test_from_a_hundred_on_whole_documents_are_held_out(tmp_path: Path, jsonl: Callable[..., None]) -> None:
    jsonl(tmp_path / "x.jsonl", [{"id": f"{i}", "text": f"text {i}"} for i in range(FEW)])
    source = Files(path=str(tmp_path / "x.jsonl"), label="x")
    assert {d["split"] for d in run_split(tmp_path / "run", source, Split())} == {"train", "validation"}


def held(run: Path) -> dict[str, dict[str, float]]:
    """Share of bytes of each side by source, and of all as ``""``, as the provenance of the shards has it."""
    sizes: dict[str, dict[str, int]] = {}
    for path in (run / "shards").glob("*.provenance.parquet"):
        for row in pq.read_table(path).to_pylist():
            for source in (row["source"], ""):
                of = sizes.setdefault(source, {})
                side = path.name.split("-")[0]
                of[side] = of.get(side, 0) + row["byte_end"] - row["byte_start"]
    return {
        source: {side: size / sum(of.values()) for side, size in of.items()} for source, of in sizes.items()
    }


def sources_of(folder: Path, jsonl: Callable[..., None], texts: dict[str, list[str]]) -> list[Files]:
    for label, of in texts.items():
        jsonl(folder / f"{label}.jsonl", [{"id": f"{i}", "text": text} for i, text in enumerate(of)])
    return [Files(path=str(folder / f"{label}.jsonl"), label=label) for label in texts]


CORPORA: dict[str, Callable[[Any], dict[str, list[str]]]] = {
    "one document is half of all": lambda w: {
        "a": [*(w.text(120) for _ in range(400)), w.text(45_000)],
    },
    "three of them hold nearly all": lambda w: {
        "a": [*(w.text(24) for _ in range(200)), *(w.text(30_000) for _ in range(3))],
    },
    "books beside notes": lambda w: {
        "books": [w.text(20_000) for _ in range(3)],
        "notes": [w.text(36) for _ in range(300)],
    },
    "many small sources": lambda w: {f"s{n}": [w.text(150) for _ in range(25)] for n in range(8)},
    "sizes of every kind": lambda w: {"a": [w.text(12 * 2 ** (i % 9)) for i in range(300)]},
}


@pytest.mark.parametrize("name", CORPORA)
def test_no_document_eats_a_share(
    name: str, tmp_path: Path, jsonl: Callable[..., None], prose: Callable[..., Any]
) -> None:
    """Shares are held within a fifth, of all text and of each source; and so nothing is told of them."""
    sources = sources_of(tmp_path, jsonl, CORPORA[name](prose(3)))
    tail = [TrainTokenizer(vocab_size=400), WriteShards(split=Split(validation=0.05, test=0.05))]
    result = build_corpus([*sources, *tail], tmp_path / "run")
    for found in held(tmp_path / "run").values():
        assert found["validation"] == pytest.approx(0.05, rel=TOLERANCE)
        assert found["test"] == pytest.approx(0.05, rel=TOLERANCE)
    assert [w for w in result.warnings if w.startswith("split: ")] == []


@pytest.mark.parametrize(("alone", "side"), [(True, "sections"), (False, "train")])
def test_a_large_document_is_cut_and_a_large_cluster_trains(alone: bool, side: str) -> None:
    """Sections of near duplicates would stand on both sides."""
    sizes = np.array([50_000, *[100] * 200])
    found = _held_out(sizes, np.array([alone, *[True] * 200]), (0.05, 0.1))
    assert SIDES[found[0]] == side
    counts = Counter(SIDES[side] for side in found[1:])
    assert counts == {"validation": 10, "test": 20, "train": 170}


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (["a", "b", "c"], "split: validation: asked were 5 % of the bytes, it is empty"),
        (["word " * 4] * 3, "split: validation: asked were 5 % of the bytes, it holds "),
    ],
)
def test_a_share_that_is_missed_is_told_each_time(
    texts: list[str], told: str, tmp_path: Path, jsonl: Callable[..., None]
) -> None:
    sources = sources_of(tmp_path, jsonl, {"a": [f"{n}{text}" for n, text in enumerate(texts)]})
    steps = [*sources, TrainTokenizer(vocab_size=400), WriteShards(split=Split(validation=0.05))]
    for _ in range(2):
        result = build_corpus(steps, tmp_path / "run")
        assert [w[: len(told)] for w in result.warnings if w.startswith("split: ")] == [told]
    inspected = CliRunner().invoke(cli, ["inspect", str(tmp_path / "run")])
    assert f"warning: {told}" in inspected.stdout
    planned = dry_run(Pipeline(steps), tmp_path / "other")
    assert any("is next to nothing" in warning for warning in planned["warnings"])
    assert any(w.startswith(told) for w in dry_run(Pipeline(steps), tmp_path / "run")["warnings"])


TEXTS = st.one_of(
    st.text(max_size=400),
    st.lists(st.text(alphabet="ab é東🦉 \n", max_size=60), max_size=20).map("\n".join),
    st.integers(1, 3000).map(lambda n: "word " * n),
    st.integers(1, 3000).map(lambda n: "東京" * n + "\n"),
)


@given(TEXTS, st.floats(0, 0.5), st.floats(0, 0.3), st.text(max_size=8))
def test_sections_cover_the_text_exactly(text: str, validation: float, test: float, identity: str) -> None:
    pieces = sections(identity, text, Split(validation=validation, test=test))
    assert "".join(text[start:end] for _, start, end in pieces) == text
    assert all(start < end for _, start, end in pieces)
    assert [p[1] for p in pieces[1:]] == [p[2] for p in pieces[:-1]]
    if not validation:
        assert "validation" not in {p[0] for p in pieces}
    if not test:
        assert "test" not in {p[0] for p in pieces}


@given(
    st.integers(2000, 60000),
    st.sampled_from(["東", "ab ", "x\n", "a line of some words\n"]),
    st.text(max_size=8),
)
def test_the_share_of_a_section(length: int, unit: str, identity: str) -> None:
    """Whatever borders a text offers, the share is kept within a quarter of itself and 24 characters."""
    text = (unit * length)[:length]
    pieces = sections(identity, text, Split(validation=0.05, test=0.1))
    for side, share in (("validation", 0.05), ("test", 0.1)):
        found = sum(end - start for name, start, end in pieces if name == side)
        assert abs(found - share * length) <= 0.15 * length / 4 + 24


def test_shares_that_leave_nothing() -> None:
    with pytest.raises(SettingError, match=r"more than 0\.8"):
        Split(validation=0.5, test=0.4)
