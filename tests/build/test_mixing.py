"""Mixing: exact numbers by source, the same choice in any order, copies under ids of their own."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpuskit import Files, Pipeline, Run, Shards
from corpuskit.build.build import BuildResult, build_corpus
from corpuskit.build.decide.mixing import chance, least, rounded
from corpuskit.build.forecast.dry_run import dry_run
from corpuskit.build.recipe.recipe import load
from corpuskit.errors import SettingError
from corpuskit.report.check import problems
from corpuskit.report.trace import trace
from tests.build.tables import ids_of

SIZES = {"a": 10, "b": 4, "c": 6}
MIX = "mix={a: {epochs: 0.5}, b: {epochs: 2.5}, c: {epochs: 1.0}}"


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory, jsonl: Callable[..., None], prose: Any) -> Path:
    """Three sources of 10, 4 and 6 documents, and the same with their rows turned round."""
    folder, words = tmp_path_factory.mktemp("mixing"), prose(5)
    for name, size in SIZES.items():
        rows = [{"id": f"{name}{number}", "text": words.text(36)} for number in range(1, size + 1)]
        jsonl(folder / "straight" / f"{name}.jsonl", rows)
        jsonl(folder / "turned" / f"{name}.jsonl", rows[::-1])
    for order in ("straight", "turned"):
        sources = "".join(f"  - files: {{label: {n}, path: {order}/{n}.jsonl}}\n" for n in SIZES)
        text = f"sources:\n{sources}stages: [unicode]\nshards: {{split: {{validation: 0.0}}}}\n"
        (folder / f"{order}.yaml").write_text(text)
    return folder / "straight.yaml"


def build(recipe: Path, out: Path, *overrides: str, workers: int = 1) -> BuildResult:
    return build_corpus(load(recipe, overrides), out, workers=workers)


def written(run: Path) -> list[str]:
    """Ids of all documents that are written, repeated ones too, without their kind and source."""
    return sorted(i.rpartition(":")[2] for i in ids_of(run, "documents") + ids_of(run, "planted"))


def by_source(ids: list[str]) -> dict[str, int]:
    return dict(sorted(Counter(identity[0] for identity in ids).items()))


@pytest.fixture(scope="module")
def mixed(recipe: Path) -> tuple[Path, BuildResult]:
    run = recipe.parent / "one"
    return run, build(recipe, run, MIX)


def test_numbers_are_exact_and_copies_have_ids(mixed: tuple[Path, BuildResult]) -> None:
    ids = written(mixed[0])
    assert len(ids) == len(set(ids)) == 21
    assert by_source(ids) == {"a": 5, "b": 10, "c": 6}
    times = Counter(identity.partition("@")[0] for identity in ids if identity[0] == "b")
    assert sorted(times.values()) == [2, 2, 3, 3]
    for own, count in times.items():
        assert {i for i in ids if i.partition("@")[0] == own} == {own, f"{own}@2", f"{own}@3"} - (
            set() if count == 3 else {f"{own}@3"}
        )


def test_the_ledger_says_what_was_left_out_and_repeated(mixed: tuple[Path, BuildResult]) -> None:
    run, result = mixed
    entries = {each["stage"]: each for each in json.loads((run / "ledger.json").read_text())["stages"]}
    assert entries["mix decided"]["documents"]["dropped"] == {"mixture": 5}
    planted = entries["planted"]["documents"]
    assert planted == {"in": 15, "added": {"repeated": 6}, "kept": 21}
    assert result.documents + 6 == 21
    assert "shards: there is no tokenizer" in " ".join(result.warnings)
    assert list(problems(Run.open_finished(run))) == []


def test_workers_and_the_order_of_rows_choose_nothing(
    recipe: Path,
    mixed: tuple[Path, BuildResult],
    tmp_path: Path,
    outputs: Callable[[Path], dict[str, str]],
) -> None:
    build(recipe, tmp_path / "two", MIX, workers=2)
    assert outputs(tmp_path / "two") == outputs(mixed[0])
    build(recipe.with_name("turned.yaml"), tmp_path / "three", MIX)
    assert written(tmp_path / "three") == written(mixed[0])
    assert build(recipe, tmp_path / "two", MIX).done == 0
    assert dry_run(load(recipe, [MIX]).pipeline, tmp_path / "two")["later"] == []


def test_a_cap_is_kept_and_its_shortfall_told(recipe: Path, tmp_path: Path) -> None:
    capped = "mix={a: {epochs: 0.5}, b: {epochs: 2.5, max_repeats: 2}, c: {epochs: 1.0}}"
    result = build(recipe, tmp_path / "four", capped)
    assert by_source(written(tmp_path / "four")) == {"a": 5, "b": 8, "c": 6}
    [told] = [warning for warning in result.warnings if warning.startswith("mix:")]
    assert "b: 10 documents were asked for" in told
    assert "8 are written: 2 too few" in told


def test_a_mixture_redoes_decisions_and_reads_nothing_again(recipe: Path, tmp_path: Path) -> None:
    build(recipe, tmp_path / "run", "mix={b: 2}")
    steps: list[str] = []

    def listen(event: str, facts: Any) -> None:
        if event == "done":
            steps.append(facts["title"])

    build_corpus(load(recipe, [MIX]), tmp_path / "run", listen=listen)
    assert "pass 1: candidates" not in steps
    assert written(tmp_path / "run") == written(recipe.parent / "one")


def test_no_epochs_leave_a_source_out_before_its_copies_count(
    tmp_path: Path, jsonl: Callable[..., None]
) -> None:
    for name in ("a", "b"):
        jsonl(tmp_path / f"{name}.jsonl", [{"id": 1, "text": "the same"}, {"id": 2, "text": f"of {name}"}])
    from corpuskit import ExactDuplicates

    sources = [Files(path=str(tmp_path / f"{name}.jsonl"), label=name) for name in ("a", "b")]
    result = build_corpus(Pipeline([*sources, ExactDuplicates()], mix={"a": 0}), tmp_path / "run")
    assert ids_of(tmp_path / "run", "documents") == ["files:b:1", "files:b:2"]
    assert "mix: source 'a' has 0 epochs: all of its 2 are left out" in result.warnings
    assert result.ledger.entries["mix:none decided"].documents_dropped == {"mixture": 2}


def test_a_mixture_draws_from_documents_of_which_something_was_cut(
    tmp_path: Path, jsonl: Callable[..., None]
) -> None:
    from corpuskit import ParagraphRepeats

    texts = [f"The same in all of them.\n\nOf number {number} alone." for number in range(10)]
    jsonl(tmp_path / "a.jsonl", [{"id": number, "text": text} for number, text in enumerate(texts)])
    steps = [Files(path=str(tmp_path / "a.jsonl"), label="a"), ParagraphRepeats()]
    result = build_corpus(Pipeline(steps, mix={"a": 0.5}), tmp_path / "run")
    assert len(ids_of(tmp_path / "run", "documents")) == 5
    entries = result.ledger.entries
    assert entries["paragraph_repeats decided"].bytes_cut == {"paragraph_repeat": 9 * 26}
    assert entries["mix decided"].documents_dropped == {"mixture": 5}
    assert list(problems(Run(tmp_path / "run"))) == []


@pytest.mark.parametrize(
    ("mix", "words", "remedy"),
    [
        ("mix={a: {epochs: -1}}", "mix.a.epochs: -1", ""),
        ("mix={a: -0.5}", "mix.a.epochs: -0.5", ""),
        ("mix={a: .nan}", "mix.a.epochs", ""),
        ("mix={a: {epoch: 2}}", "unknown setting 'epoch'", "'epochs'"),
        ("mix={a: {epochs: 2, max_repeats: 0}}", "mix.a.max_repeats: 0", ""),
        ("mix={aa: 2}", "no source is called 'aa'", "'a'"),
        ("mix=[a]", "is no mapping", "epochs"),
    ],
)
def test_what_cannot_be_mixed_is_an_error(recipe: Path, mix: str, words: str, remedy: str) -> None:
    with pytest.raises(SettingError) as caught:
        load(recipe, [mix])
    assert words in caught.value.message
    assert remedy in caught.value.remedy


def test_no_copy_trains_on_what_is_held_out(tmp_path: Path, jsonl: Callable[..., None], prose: Any) -> None:
    """Of many documents whole ones are held out, of few a section of each."""
    words = prose(8)
    for size in (150, 20):
        rows = [{"id": f"d{number}", "text": words.text(60)} for number in range(size)]
        jsonl(tmp_path / f"{size}.jsonl", rows)
        (tmp_path / f"{size}.yaml").write_text(
            f"sources: [files: {{path: {size}.jsonl, label: x}}]\ntokenizer: {{vocab_size: 420}}\n"
            "shards: {split: {validation: 0.1}}\nmix: {x: 2.5}\n"
        )
        run = tmp_path / f"run-{size}"
        build(tmp_path / f"{size}.yaml", run)
        assert list(problems(Run.open_finished(run))) == []
        shards = Shards(run / "shards")
        tables = {
            split: [
                row
                for info in shards.splits[split]
                for row in pq.read_table(run / "shards" / f"{info.name}.provenance.parquet").to_pylist()
            ]
            for split in ("train", "validation")
        }
        assert tables["validation"]
        assert not [row["id"] for row in tables["validation"] if "@" in row["id"]]
        held = {(r["id"], r["byte_start"], r["byte_end"]) for r in tables["validation"]}
        copies = [row for row in tables["train"] if "@" in row["id"]]
        own = {(r["id"], r["byte_start"], r["byte_end"]) for r in tables["train"] if "@" not in r["id"]}
        places = {(r["id"].rpartition("@")[0], r["byte_start"], r["byte_end"]) for r in copies}
        assert places <= own
        assert not places & held
        train = len({row["id"] for row in tables["train"] if "@" not in row["id"]})
        assert len({row["id"] for row in copies}) == rounded(train, 2.5) - train
        last = copies[-1]
        name = next(
            i.name
            for i in shards.splits["train"]
            if last in pq.read_table(run / "shards" / f"{i.name}.provenance.parquet").to_pylist()
        )
        found = trace(Run.open_finished(run), name, last["token_end"] - 2)
        assert found.document["id"] == last["id"]
        assert last["byte_start"] <= found.byte_start < found.byte_end <= last["byte_end"]


def test_a_source_that_does_not_tell_its_name_is_checked_when_it_is_read(tmp_path: Path) -> None:
    from tests.laws.test_ids import Revisions

    source = Revisions(documents=(("1", "A", 1, "one"), ("2", "B", 1, "two")))
    with pytest.raises(SettingError, match="no source is called 'x'"):
        build_corpus(Pipeline([source], mix={"x": 0.5}), tmp_path / "run")
    build_corpus(Pipeline([source], mix={"r": 0.5}), tmp_path / "run")
    assert len(ids_of(tmp_path / "run", "documents")) == 1


@given(st.lists(st.text(max_size=5), unique=True, max_size=40), st.integers(0, 50), st.randoms())
def test_who_is_drawn_does_not_depend_on_the_order(ids: list[str], count: int, random: Any) -> None:
    import numpy as np

    def drawn(order: list[str]) -> set[str]:
        return {order[o] for o in least(np.arange(len(order)), chance(order), count)}

    turned = list(ids)
    random.shuffle(turned)
    assert drawn(ids) == drawn(turned)
    assert len(drawn(ids)) == min(count, len(ids))


@pytest.mark.parametrize(
    ("count", "epochs", "expected"),
    [(10, 0.5, 5), (4, 2.5, 10), (3, 0.1, 0), (5, 0.1, 1), (1000, 0.145, 145), (7, 1.0, 7), (10, 1e-3, 0)],
)
def test_numbers_are_rounded_as_they_are_written(count: int, epochs: float, expected: int) -> None:
    assert rounded(count, epochs) == expected
