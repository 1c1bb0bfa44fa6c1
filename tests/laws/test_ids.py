"""Law 3: a document is known by its id, never by its position."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpuskit import Datasets, ExactDuplicates, Files, Pipeline, Run, TrainTokenizer, WriteShards
from corpuskit.build.build import build_corpus
from corpuskit.build.passes.inputs import DECISIONS, DecidedInput
from corpuskit.documents.batch import BatchBuilder
from corpuskit.documents.reading import Reading
from corpuskit.errors import InputError, LedgerError, SettingError
from corpuskit.report.trace import trace
from corpuskit.sources.source import Part, Source
from corpuskit.stages.stage import Cut, Effect, Stage


def rows(run: Path, folder: str) -> list[dict[str, Any]]:
    return [
        row for path in sorted((run / folder).glob("*.parquet")) for row in pq.read_table(path).to_pylist()
    ]


def test_ids_are_unique_and_name_their_source(sample_run: Path) -> None:
    documents = rows(sample_run, "documents")
    ids = [d["id"] for d in documents]
    assert len(ids) == len(set(ids))
    kinds = {i.split(":")[0] for i in ids}
    assert kinds == {"files", "gutenberg", "wikipedia"}
    assert all(
        d["id"].split(":")[0] == ("files" if d["source"] == "notes" else d["source"]) for d in documents
    )


def test_older_revisions_and_other_editions_are_dropped_by_id(sample_run: Path) -> None:
    """What the sample corpora plant: see planted_books.tsv and planted_encyclopedia.tsv."""
    reasons = {(d["id"], d["reason"]) for d in rows(sample_run, "dropped")}
    assert ("gutenberg:90003", "other_edition") in reasons
    assert ("wikipedia:samplewiki:68", "older_revision") in reasons
    kept = {d["id"]: d for d in rows(sample_run, "documents")}
    assert (
        '"90003-0.txt"' in kept["gutenberg:90003"]["origin"]
        or "90003-0.txt" in kept["gutenberg:90003"]["origin"]
    )


class Revisions(Source):
    """Documents with ids and preferences as given, in two parts."""

    name: ClassVar[str] = "revisions"
    same_id_reason: ClassVar[str] = "older_revision"

    documents: tuple[tuple[str, str, int, str], ...]

    def parts(self) -> list[Part]:
        return [Part("0", (), {"half": 0}), Part("1", (), {"half": 1})]

    def read(self, part: Part) -> Iterator[Reading]:
        builder = BatchBuilder()
        mine = self.documents[part.detail["half"] :: 2]
        for number, title, preference, text in mine:
            builder.add(id=f"revisions:{number}", source="r", text=text, title=title, preference=preference)
        batch = next(builder.take(rest=True))
        yield Reading(batch, len(mine), sum(len(d[3].encode()) for d in mine))


class Placeless(Revisions):
    """Ids that began anew, without places."""

    name: ClassVar[str] = "placeless"
    same_id_reason: ClassVar[str] = "same_id"


def test_the_greatest_preference_wins_and_of_equals_one_by_its_text(tmp_path: Path) -> None:
    documents = (
        ("1", "A", 5, "five"),
        ("1", "A", 9, "nine"),
        ("1", "A", 7, "seven"),
        ("2", "B", 3, "first"),
        ("2", "B", 3, "second"),
        ("3", "C", 1, "alone"),
    )
    result = build_corpus([Revisions(documents=documents)], tmp_path / "run")
    assert {d["id"]: d["text"] for d in rows(tmp_path / "run", "documents")} == {
        "revisions:1": "nine",
        # By the digests of the two texts, whichever comes first.
        "revisions:2": "second",
        "revisions:3": "alone",
    }
    dropped = sorted((d["text"], d["reason"], d["duplicate_of"]) for d in rows(tmp_path / "run", "dropped"))
    assert dropped == [
        ("first", "older_revision", "revisions:2"),
        ("five", "older_revision", "revisions:1"),
        ("seven", "older_revision", "revisions:1"),
    ]
    assert result.warnings == ()


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("12"), st.integers(0, 2), st.sampled_from(["x", "y", "z"])), min_size=2
    ),
    st.randoms(),
)
def test_the_order_of_rows_chooses_no_revision(given_rows: list[tuple[str, int, str]], random: Any) -> None:
    turned = list(given_rows)
    random.shuffle(turned)
    kept = []
    for order in (given_rows, turned):
        with tempfile.TemporaryDirectory() as folder:
            documents = tuple((number, "", rank, text) for number, rank, text in order)
            build_corpus([Revisions(documents=documents)], Path(folder, "run"))
            kept.append(sorted((d["id"], d["text"]) for d in rows(Path(folder, "run"), "documents")))
    assert kept[0] == kept[1]
    assert len(kept[0]) == len({number for number, _, _ in given_rows})


def test_another_title_under_one_id_is_warned_about(tmp_path: Path, jsonl: Callable[..., None]) -> None:
    documents = [{"id": "1", "title": "A", "text": "one"}, {"id": "1", "title": "B", "text": "one"}]
    jsonl(tmp_path / "x.jsonl", documents)
    result = build_corpus([Files(path=str(tmp_path / "x.jsonl"), label="x")], tmp_path / "run")
    assert [d["reason"] for d in rows(tmp_path / "run", "dropped")] == ["same_id"]
    assert any("files:x:1" in warning and "another title" in warning for warning in result.warnings)


def per_file(folder: Path, jsonl: Callable[..., None], files: int = 4) -> Files:
    """Ids that begin anew in each file; one text stands in two of them under one id."""
    for number in range(files):
        rows_ = [{"id": i, "text": f"Text {i} of file {number}."} for i in range(5)]
        rows_.append({"id": 9, "text": f"Text 9 of file {number // 2}."})
        jsonl(folder / "in" / f"s{number}.jsonl", rows_)
    return Files(path=str(folder / "in"), label="x")


def test_ids_that_begin_anew_in_each_file_lose_no_text(tmp_path: Path, jsonl: Callable[..., None]) -> None:
    result = build_corpus([per_file(tmp_path, jsonl)], tmp_path / "run")
    documents = rows(tmp_path / "run", "documents")
    assert len({d["text"] for d in documents}) == len(documents) == 22
    assert {d["id"] for d in documents} == {d["cluster"] for d in documents}
    assert sorted(d["id"] for d in documents)[:2] == ["files:x:0#s0.jsonl#0", "files:x:0#s1.jsonl#0"]
    # The same text under the same id is one document, as ever.
    dropped = sorted((d["id"], d["reason"], d["duplicate_of"]) for d in rows(tmp_path / "run", "dropped"))
    assert dropped == [
        ("files:x:9", "same_id", "files:x:9#s0.jsonl#5"),
        ("files:x:9", "same_id", "files:x:9#s2.jsonl#5"),
    ]
    [told] = [w for w in result.warnings if "unique_id" in w]
    assert "22 documents share their ids with documents of other texts" in told
    assert "files:x:0#s0.jsonl#0 and files:x:0#s1.jsonl#0" in told
    result.ledger.balance(sources=["files:x"])


def test_an_id_that_returns_once_leaves_the_others_as_they_are(
    tmp_path: Path, jsonl: Callable[..., None]
) -> None:
    texts = [("1", "one"), ("2", "two"), ("1", "one again"), ("3", "three"), ("1", "one")]
    jsonl(tmp_path / "x.jsonl", [{"id": i, "text": text} for i, text in texts])
    build_corpus([Files(path=str(tmp_path / "x.jsonl"), label="x")], tmp_path / "run")
    found = {d["id"]: d["text"] for d in rows(tmp_path / "run", "documents")}
    assert found == {
        "files:x:1#x.jsonl#0": "one",
        "files:x:2": "two",
        "files:x:1#x.jsonl#2": "one again",
        "files:x:3": "three",
    }


def test_shared_ids_are_the_same_for_any_number_of_workers_and_one_file_more(
    tmp_path: Path, jsonl: Callable[..., None], outputs: Callable[[Path], dict[str, str]]
) -> None:
    source = per_file(tmp_path, jsonl)
    # A large file each: as many parts as files.
    for number in range(4):
        jsonl(tmp_path / "big" / f"b{number}.jsonl", [{"id": 0, "text": f"{number} words " * 700_000}])
    big = Files(path=str(tmp_path / "big"), label="big")
    build_corpus([source, big], tmp_path / "one")
    build_corpus([source, big], tmp_path / "two", workers=2)
    assert outputs(tmp_path / "one") == outputs(tmp_path / "two")
    before = {d["id"]: d["text"] for d in rows(tmp_path / "one", "documents")}
    assert len(before) == 26
    jsonl(tmp_path / "in" / "a.jsonl", [{"id": 0, "text": "Quite another."}])
    build_corpus([source, big], tmp_path / "more")
    assert before.items() < {d["id"]: d["text"] for d in rows(tmp_path / "more", "documents")}.items()


def test_places_that_are_the_same_are_told_apart_by_their_parts(
    tmp_path: Path, jsonl: Callable[..., None]
) -> None:
    """Documents of one id whose source says of none where it stood."""
    documents = tuple(("0", "", 0, f"Text {number}.") for number in range(2))
    source = Revisions(documents=documents)
    build_corpus([Placeless(documents=source.documents)], tmp_path / "run")
    assert [d["id"] for d in rows(tmp_path / "run", "documents")] == [
        "revisions:0#placeless-0#0",
        "revisions:0#placeless-1#0",
    ]


def test_two_sources_of_one_label_are_an_error(tmp_path: Path, jsonl: Callable[..., None]) -> None:
    for name in ("a", "b"):
        jsonl(tmp_path / name / "s.jsonl", [{"id": 0, "text": f"Text of {name}."}])
    sources = [Files(path=str(tmp_path / name), label="x") for name in ("a", "b")]
    with pytest.raises(SettingError, match=r"label 'x': files of .*/a and files of .*/b") as caught:
        Pipeline(sources)
    assert "another label" in caught.value.remedy
    other = Datasets(path=str(tmp_path / "b" / "s.jsonl"), label="x")
    with pytest.raises(SettingError, match=r"files of .* and datasets of"):
        Pipeline([sources[0], other])
    # Without labels of their own two sources of one kind are none: ids have what tells them apart.
    Pipeline([Revisions(documents=()), Revisions(documents=())])


def test_shared_ids_can_be_refused(tmp_path: Path, jsonl: Callable[..., None]) -> None:
    pipeline = Pipeline([per_file(tmp_path, jsonl)], shared_ids="refuse")
    with pytest.raises(InputError, match=r"22 documents share their ids .* files:x:0#s0\.jsonl#0 and"):
        build_corpus(pipeline, tmp_path / "run")
    with pytest.raises(SettingError, match="shared_ids: 'drop' is unknown"):
        Pipeline(pipeline.steps, shared_ids="drop")  # type: ignore[arg-type]


def test_ids_with_places_can_be_removed_one_by_one_or_together(
    tmp_path: Path, jsonl: Callable[..., None]
) -> None:
    pipeline = Pipeline([per_file(tmp_path, jsonl)], ("files:x:0", "files:x:1#s2.jsonl#1"))
    result = build_corpus(pipeline, tmp_path / "run")
    removed = [d["id"] for d in rows(tmp_path / "run", "dropped") if d["reason"] == "removed"]
    assert sorted(removed) == [*(f"files:x:0#s{n}.jsonl#0" for n in range(4)), "files:x:1#s2.jsonl#1"]
    assert not any("no document has it" in warning for warning in result.warnings)


class CutsTheFirstWord(Stage):
    name: ClassVar[str] = "cuts_the_first_word"

    def apply(self, batch: pa.RecordBatch) -> Effect:
        return Effect(batch, cuts=[Cut(row, 0, 5, "word") for row in range(batch.num_rows)])


def test_a_token_leads_to_the_document_with_its_place(tmp_path: Path, jsonl: Callable[..., None]) -> None:
    """Two rows of one file share an id, and each has its own cut."""
    jsonl(
        tmp_path / "x.jsonl", [{"id": 7, "text": "First the old mill."}, {"id": 7, "text": "Other bridge."}]
    )
    tail = [TrainTokenizer(vocab_size=400), WriteShards(split={"validation": 0})]
    source = Files(path=str(tmp_path / "x.jsonl"), label="x")
    build_corpus([source, CutsTheFirstWord(), *tail], tmp_path / "run")
    opened = Run.open(tmp_path / "run")
    last = opened.read_json("shards/shards.json")["splits"]["train"][0]["tokens"] - 2
    for token, row in ((0, 0), (last, 1)):
        traced = trace(opened, "train-00000", token)
        assert traced.document["id"] == f"files:x:7#x.jsonl#{row}"
        assert traced.document["origin"] == {"file": "x.jsonl", "row": row}
        assert len(traced.cuts) == 1


def test_removed_ids(tmp_path: Path, jsonl: Callable[..., None]) -> None:
    jsonl(tmp_path / "x.jsonl", [{"id": str(i), "text": f"text {i}"} for i in range(4)])
    pipeline = Pipeline([Files(path=str(tmp_path / "x.jsonl"), label="x")], ("files:x:2", "files:x:99"))
    result = build_corpus(pipeline, tmp_path / "run")
    assert [d["id"] for d in rows(tmp_path / "run", "documents")] == ["files:x:0", "files:x:1", "files:x:3"]
    assert [(d["id"], d["reason"]) for d in rows(tmp_path / "run", "dropped")] == [("files:x:2", "removed")]
    assert any("files:x:99" in warning for warning in result.warnings)


def test_the_order_of_the_inputs_does_not_change_who_a_document_is(
    tmp_path: Path, jsonl: Callable[..., None]
) -> None:
    """One more row in front moves every row; with an id field no id moves."""
    documents = [{"id": f"d{i}", "text": f"text {i}"} for i in range(3)]
    found = []
    for name, lines in (("a", documents), ("b", [{"id": "new", "text": "in front"}, *documents])):
        jsonl(tmp_path / name / "x.jsonl", lines)
        build_corpus([Files(path=str(tmp_path / name), label="x")], tmp_path / f"run-{name}")
        found.append({d["id"]: d["text"] for d in rows(tmp_path / f"run-{name}", "documents")})
    assert found[0].items() < found[1].items()


# --------------------------------------------------------------------- decisions and their documents


@pytest.fixture
def two_parts(tmp_path: Path, jsonl: Callable[..., None]) -> tuple[Pipeline, Path]:
    """A finished run of two parts whose decision files have the same size."""
    for name in ("a", "b"):
        jsonl(tmp_path / f"{name}.jsonl", [{"id": f"{i}", "text": f"text {name} {i}"} for i in range(5)])
    sources = [Files(path=str(tmp_path / f"{name}.jsonl"), label=name) for name in ("a", "b")]
    pipeline = Pipeline([*sources, ExactDuplicates()])
    build_corpus(pipeline, tmp_path / "run")
    return pipeline, tmp_path / "run"


def test_swapped_decisions_are_refused(
    two_parts: tuple[Pipeline, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their digests tell; were they right, the ids would."""
    monkeypatch.setattr(Run, "is_whole", lambda run, output: run.exists(output.path))
    pipeline, run = two_parts
    a, b = (run / f"decisions/candidates/files-{name}-00000.parquet" for name in ("a", "b"))
    assert a.stat().st_size == b.stat().st_size, "the manifest would see another size"
    shutil.copy(a, run.parent / "kept")
    shutil.copy(b, a)
    shutil.copy(run.parent / "kept", b)
    for path in (run / "documents").glob("*"):
        path.unlink()
    with pytest.raises(LedgerError, match="do not belong to the documents"):
        build_corpus(pipeline, run)
    assert not (run / "ledger.json").exists()


@pytest.mark.parametrize(("change", "words"), [(-1, "end 1 rows before"), (1, "1 decisions more")])
def test_too_few_or_too_many_decisions_are_refused(
    two_parts: tuple[Pipeline, Path], change: int, words: str
) -> None:
    from contextlib import ExitStack

    from corpuskit.build.passes.set_aside import PassAccount, SetAside

    run = Run(two_parts[1])
    path = run.folder / "decisions/candidates/files-a-00000.parquet"
    decided = pq.read_table(path, schema=DECISIONS)
    changed = decided.slice(0, 4) if change < 0 else pa.concat_tables([decided, decided.slice(0, 1)])
    pq.write_table(changed, path)
    taken = DecidedInput(
        "candidates/files-a-00000.parquet", path.relative_to(run.folder).as_posix(), final=True
    )
    with ExitStack() as stack, pytest.raises(LedgerError, match=words):
        list(taken.batches(run, PassAccount(SetAside(run, "documents", "x", stack))))
