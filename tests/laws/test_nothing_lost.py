"""Law 1: nothing is lost silently. Each test breaks the law on purpose and sees the build fail."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from corpuskit import Files, Pipeline, TrainTokenizer, WriteShards
from corpuskit.build.build import build_corpus
from corpuskit.documents.batch import BatchBuilder, replace_text
from corpuskit.documents.ledger import Entry, Ledger
from corpuskit.documents.reading import CutSpan, Dropped, Quarantined, Reading
from corpuskit.errors import CorpuskitError, EmptyError, LedgerError, StageError
from corpuskit.report.check import problems
from corpuskit.run.folder import Run
from corpuskit.sources.source import Part, Source
from corpuskit.stages.barrier import Barrier
from corpuskit.stages.scans import Scans
from corpuskit.stages.stage import Cut, Effect, Rule, Stage

TEXTS = ["one fish", "two fish [cut me] red fish", "EXPLODE now", "größe und höhe", "blue fish"]


@pytest.fixture
def notes(tmp_path: Path, jsonl: Callable[..., None]) -> Files:
    jsonl(tmp_path / "notes.jsonl", [{"id": str(i), "text": text} for i, text in enumerate(TEXTS)])
    return Files(path=str(tmp_path / "notes.jsonl"), label="n")


def fails(tmp_path: Path, steps: list[Any], kind: type[CorpuskitError], *words: str) -> None:
    """The build raises ``kind`` with these words, and leaves no ledger and no document behind."""
    run = tmp_path / "run"
    with pytest.raises(kind) as caught:
        build_corpus(Pipeline(steps), run)
    assert all(word in caught.value.message for word in words), caught.value.message
    assert caught.value.remedy
    assert not (run / "ledger.json").exists()
    assert not list(run.glob("documents/*.parquet"))


# ------------------------------------------------------------------------------------ broken stages


class Plain(Stage):
    """Does nothing; the broken ones change one thing each."""

    name: ClassVar[str] = "plain"

    def apply(self, batch: pa.RecordBatch) -> Any:
        return batch


class LosesARow(Plain):
    def apply(self, batch: pa.RecordBatch) -> Any:
        return batch.slice(1)


class SwapsRows(Plain):
    def apply(self, batch: pa.RecordBatch) -> Any:
        return batch.take(pa.array(list(range(batch.num_rows))[::-1]))


class AddsAColumn(Plain):
    def apply(self, batch: pa.RecordBatch) -> Any:
        return batch.append_column("surprise", pa.array([1] * batch.num_rows))


class ForgetsItsColumn(Plain):
    columns: ClassVar[Mapping[str, pa.DataType]] = {"promised": pa.int64()}


class WrongType(Plain):
    columns: ClassVar[Mapping[str, pa.DataType]] = {"score": pa.float64()}

    def apply(self, batch: pa.RecordBatch) -> Any:
        return batch.append_column("score", pa.array([1] * batch.num_rows))


class NullText(Plain):
    def apply(self, batch: pa.RecordBatch) -> Any:
        return replace_text(batch, pa.array([None] * batch.num_rows, pa.large_string()))


class GivesATable(Plain):
    def apply(self, batch: pa.RecordBatch) -> Any:
        return pa.Table.from_batches([batch])


class GivesNothing(Plain):
    def apply(self, batch: pa.RecordBatch) -> Any:
        return None


class DropsBeyond(Plain):
    def apply(self, batch: pa.RecordBatch) -> Any:
        return Effect(batch, drops={batch.num_rows: "beyond"})


class DropsNegative(Plain):
    def apply(self, batch: pa.RecordBatch) -> Any:
        return Effect(batch, drops={-1: "last"})


class CutsBeyond(Plain):
    def apply(self, batch: pa.RecordBatch) -> Any:
        return Effect(batch, cuts=[Cut(-1, 0, 1, "x")])


class CutsPastTheEnd(Plain):
    def apply(self, batch: pa.RecordBatch) -> Any:
        return Effect(batch, cuts=[Cut(0, 0, 1000, "x")])


class CutsTwice(Plain):
    def apply(self, batch: pa.RecordBatch) -> Any:
        return Effect(batch, cuts=[Cut(0, 0, 3, "x"), Cut(0, 2, 4, "x")])


class CutsACharacter(Plain):
    def apply(self, batch: pa.RecordBatch) -> Any:
        return Effect(batch, cuts=[Cut(3, 0, 3, "x")])


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        (LosesARow, ("5 documents went in, 4 came out",)),
        (SwapsRows, ("ids changed",)),
        (AddsAColumn, ("undeclared ['surprise']",)),
        (ForgetsItsColumn, ("missing ['promised']",)),
        (WrongType, ("score is int64, not double",)),
        (NullText, ("'text' holds 5 nulls",)),
        (GivesATable, ("Table", "not a record batch")),
        (GivesNothing, ("NoneType",)),
        (DropsBeyond, ("row 5 of a batch of 5",)),
        (DropsNegative, ("row -1",)),
        (CutsBeyond, ("row -1",)),
        (CutsPastTheEnd, ("cut 0-1000 of files:n:0",)),
        (CutsTwice, ("overlaps",)),
        (CutsACharacter, ("files:n:3", "inside a character")),
    ],
)
def test_a_stage_that_breaks_its_contract(
    stage: type[Stage], words: tuple[str, ...], notes: Files, tmp_path: Path
) -> None:
    fails(tmp_path, [notes, stage()], StageError, "plain", *words)


class Measure(Rule):
    name: ClassVar[str] = "measure"
    columns: ClassVar[Mapping[str, pa.DataType]] = {"size": pa.int64()}

    def apply(self, batch: pa.RecordBatch) -> Any:
        sizes = pc.binary_length(batch.column("text")).cast(pa.int64())
        return batch.append_column(pa.field("size", pa.int64()), sizes)

    def decide(self, scores: pa.RecordBatch) -> Mapping[int, str]:
        return {}


class ChangesText(Measure):
    def apply(self, batch: pa.RecordBatch) -> Any:
        return replace_text(super().apply(batch), [t + "!" for t in batch.column("text").to_pylist()])


class DecidesBeyond(Measure):
    def decide(self, scores: pa.RecordBatch) -> Mapping[int, str]:
        return {scores.num_rows: "a document of another part"}


class DecideRaises(Measure):
    def decide(self, scores: pa.RecordBatch) -> Mapping[int, str]:
        raise ZeroDivisionError("no mean of nothing")


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (ChangesText, ("a rule changed a text",)),
        (DecidesBeyond, ("drops row 5 of 5",)),
        (DecideRaises, ("decide", "ZeroDivisionError", "no mean of nothing")),
    ],
)
def test_a_rule_that_breaks_its_contract(
    rule: type[Rule], words: tuple[str, ...], notes: Files, tmp_path: Path
) -> None:
    fails(tmp_path, [notes, rule()], StageError, "measure", *words)


class Sees(Barrier):
    name: ClassVar[str] = "sees"
    scan_schema: ClassVar[pa.Schema] = pa.schema([("seen", pa.int64())])

    def scan(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return pa.RecordBatch.from_pydict({"seen": list(range(batch.num_rows))}, schema=self.scan_schema)

    def decide(self, scans: Scans) -> None:
        return


class ShortScan(Sees):
    def scan(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return super().scan(batch).slice(1)


class OtherColumns(Sees):
    def scan(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return super().scan(batch).rename_columns(["noticed"])


class ScanRaises(Sees):
    def scan(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        raise IndexError("nothing there")


class DropsWithoutReason(Sees):
    def decide(self, scans: Scans) -> None:
        scans.kept[1] = False


class BringsBack(Sees):
    def decide(self, scans: Scans) -> None:
        scans.kept[:] = True


class DropsAStranger(Sees):
    def decide(self, scans: Scans) -> None:
        scans.drop(-1, "the last one?")


@pytest.mark.parametrize(
    ("barrier", "kind", "words"),
    [
        (ShortScan, StageError, ("4 rows for 5 documents",)),
        (OtherColumns, StageError, ("noticed", "seen")),
        (ScanRaises, StageError, ("scan", "IndexError", "nothing there")),
        (DropsWithoutReason, LedgerError, ("without a reason",)),
        (DropsAStranger, StageError, ("document -1 of 5",)),
    ],
)
def test_a_barrier_that_breaks_its_contract(
    barrier: type[Barrier], kind: type[CorpuskitError], words: tuple[str, ...], notes: Files, tmp_path: Path
) -> None:
    fails(tmp_path, [notes, barrier()], kind, "sees", *words)


def test_a_barrier_that_brings_dropped_documents_back(notes: Files, tmp_path: Path) -> None:
    class Drops(Sees):
        name: ClassVar[str] = "drops"

        def decide(self, scans: Scans) -> None:
            scans.drop(2, "unwanted")

    fails(tmp_path, [notes, Drops(), BringsBack()], LedgerError, "sees")


# ------------------------------------------------------------------------------------ broken sources


class Honest(Source):
    """Three documents; the dishonest ones misreport one thing each."""

    name: ClassVar[str] = "honest"

    def parts(self) -> list[Part]:
        return [Part("0", ())]

    def account(self) -> dict[str, Any]:
        return {}

    def read(self, part: Part) -> Iterator[Reading]:
        builder = BatchBuilder()
        for i in range(3):
            builder.add(id=f"honest:{i}", source="honest", text=f"text {i}")
        batch = next(builder.take(rest=True))
        facts = {
            "batch": batch,
            "documents_in": 5,
            "bytes_in": 18 + 4 + 6 + 9,
            "cut": {"markup": 9},
            "spans": [CutSpan("honest:0", "markup", 6, 15, "<ref></>>")],
            "dropped": [Dropped("honest:3", "redirect", 4, text="away")],
            "quarantined": [Quarantined("honest:4", "truncated", "honest:4: ends early", 6)],
        }
        yield Reading(**{**facts, **self.account()})


class LosesADocument(Honest):
    def account(self) -> dict[str, Any]:
        return {"documents_in": 6}


class LosesBytes(Honest):
    def account(self) -> dict[str, Any]:
        return {"cut": {"markup": 8}}


class ForgetsADrop(Honest):
    def account(self) -> dict[str, Any]:
        return {"dropped": []}


class ForgetsQuarantine(Honest):
    def account(self) -> dict[str, Any]:
        return {"quarantined": []}


class AddsSilently(Honest):
    def account(self) -> dict[str, Any]:
        return {"bytes_in": 30}


@pytest.mark.parametrize(
    "source", [LosesADocument, LosesBytes, ForgetsADrop, ForgetsQuarantine, AddsSilently]
)
def test_a_source_whose_account_does_not_add_up(source: type[Source], tmp_path: Path) -> None:
    fails(tmp_path, [source()], LedgerError, "honest", "went in")


def test_an_honest_source_adds_up(tmp_path: Path) -> None:
    """The same source without the lie passes: so it is the lie that is found."""
    result = build_corpus([Honest()], tmp_path / "run")
    entry = result.ledger.entries["honest"]
    assert (entry.documents_in, entry.documents_kept) == (5, 3)
    assert entry.documents_dropped == {"redirect": 1}
    assert entry.documents_quarantined == {"truncated": 1}
    assert entry.bytes_cut == {"markup": 9}


class ReadRaises(Honest):
    def read(self, part: Part) -> Iterator[Reading]:
        yield from super().read(part)
        raise KeyError("namespace")


class PartsRaises(Honest):
    def parts(self) -> list[Part]:
        raise KeyError("index")


class TwiceTheSamePart(Honest):
    def parts(self) -> list[Part]:
        return [Part("0", ()), Part("0", ())]


class ForeignColumns(Honest):
    def account(self) -> dict[str, Any]:
        return {"batch": pa.RecordBatch.from_pydict({"id": ["a"]})}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (ReadRaises, ("part 0", "KeyError", "namespace")),
        (PartsRaises, ("parts", "KeyError")),
        (TwiceTheSamePart, ("honest-0", "2 parts")),
        (ForeignColumns, ("missing", "text")),
    ],
)
def test_a_source_that_breaks_its_contract(
    source: type[Source], words: tuple[str, ...], tmp_path: Path
) -> None:
    fails(tmp_path, [source()], StageError, "honest", *words)


# --------------------------------------------------------------------------- quarantine, drops, cuts


class Fragile(Stage):
    """Adds a column and raises on some documents."""

    name: ClassVar[str] = "fragile"
    columns: ClassVar[Mapping[str, pa.DataType]] = {"words": pa.int64()}

    def apply(self, batch: pa.RecordBatch) -> Any:
        texts = batch.column("text").to_pylist()
        if any("EXPLODE" in t for t in texts):
            raise ValueError("cannot stand this text")
        batch = replace_text(batch, [t.upper() for t in texts])
        column = pa.array([len(t.split()) for t in texts], pa.int64())
        position = 0  # In front, to see that the order of columns does not matter.
        batch = batch.add_column(position, pa.field("words", pa.int64()), column)
        cuts = [Cut(i, 0, 1, "initial") for i, t in enumerate(texts) if t.startswith("t")]
        return Effect(batch, cuts=cuts, drops={i: "blue" for i, t in enumerate(texts) if "blue" in t})


def rows(run: Path, folder: str) -> list[dict[str, Any]]:
    return [
        row for path in sorted((run / folder).glob("*.parquet")) for row in pq.read_table(path).to_pylist()
    ]


def test_a_stage_that_raises_on_one_document(notes: Files, tmp_path: Path) -> None:
    result = build_corpus([notes, Fragile()], tmp_path / "run")
    quarantined = rows(tmp_path / "run", "quarantine")
    assert [q["id"] for q in quarantined] == ["files:n:2"]
    assert quarantined[0]["stage"] == "fragile"
    assert "ValueError: cannot stand this text" in quarantined[0]["error"]
    assert quarantined[0]["excerpt"] == TEXTS[2]
    assert quarantined[0]["bytes"] == len(TEXTS[2])
    documents = {d["id"]: d for d in rows(tmp_path / "run", "documents")}
    assert {i: d["text"] for i, d in documents.items()} == {
        "files:n:0": "ONE FISH",
        "files:n:1": "WO FISH [CUT ME] RED FISH",
        "files:n:3": "GRÖSSE UND HÖHE",
    }
    assert documents["files:n:3"]["words"] == 3
    entry = result.ledger.entries["fragile"]
    assert entry.documents_quarantined == {"fragile_failed": 1}
    assert entry.documents_dropped == {"blue": 1}
    # ß became SS: as many bytes. ö became Ö. One byte was cut.
    assert entry.bytes_cut == {"initial": 1}
    assert rows(tmp_path / "run", "dropped") == [
        {
            "id": "files:n:4",
            "stage": "fragile",
            "reason": "blue",
            "title": "",
            "duplicate_of": None,
            "origin": '{"file":"notes.jsonl","row":4}',
            "bytes": 9,
            "text": "blue fish",
        }
    ]


class CutsAndDrops(Plain):
    """Cuts from a document that it also drops, and from one that stays."""

    def apply(self, batch: pa.RecordBatch) -> Any:
        return Effect(batch, drops={0: "gone"}, cuts=[Cut(0, 0, 3, "start"), Cut(1, 9, 17, "brackets")])


def test_cuts_are_counted_and_kept_for_a_look(notes: Files, tmp_path: Path) -> None:
    result = build_corpus([notes, CutsAndDrops()], tmp_path / "run")
    assert rows(tmp_path / "run", "cuts") == [
        {
            "id": "files:n:1",
            "stage": "plain",
            "reason": "brackets",
            "origin": '{"file":"notes.jsonl","row":1}',
            "start": 9,
            "end": 17,
            "text": "[cut me]",
        }
    ]
    entry = result.ledger.entries["plain"]
    assert entry.bytes_cut == {"brackets": 8}
    assert entry.bytes_dropped == {"gone": 8}
    assert rows(tmp_path / "run", "dropped")[0]["text"] == "one fish"
    assert rows(tmp_path / "run", "documents")[0]["text"] == "two fish  red fish"


class DropsAll(Plain):
    def apply(self, batch: pa.RecordBatch) -> Any:
        return Effect(batch, drops=dict.fromkeys(range(batch.num_rows), "all"))


class NeedsRows(Plain):
    name: ClassVar[str] = "needs_rows"

    def apply(self, batch: pa.RecordBatch) -> Any:
        assert batch.num_rows, "an empty batch must never reach a stage"
        return batch


def test_a_build_that_keeps_nothing_still_balances(notes: Files, tmp_path: Path) -> None:
    steps = [notes, DropsAll(), NeedsRows(), TrainTokenizer(vocab_size=400), WriteShards()]
    with pytest.raises(
        EmptyError, match=r"no document is left: 5 of 5 documents went as all, e\.g\. files:n:"
    ):
        build_corpus(Pipeline(steps), tmp_path / "run")
    assert len(rows(tmp_path / "run", "dropped")) == len(TEXTS)
    assert list(problems(Run.open(tmp_path / "run"))) == []
    assert not (tmp_path / "run" / "tokenizer").exists()


# ------------------------------------------------------------------------------------- the equations


def test_the_ledger_of_a_build(sample_run: Path) -> None:
    """The equations hold for each stage, and the rows that lie aside are those that were counted."""
    account = json.loads((sample_run / "ledger.json").read_text())
    kept_before = 0
    for number, stage in enumerate(account["stages"]):
        documents, size = stage["documents"], stage["bytes"]
        total = {k: sum(v.values()) if isinstance(v, dict) else v for k, v in documents.items()}
        assert total["in"] == total["kept"] + total.get("dropped", 0) + total.get("quarantined", 0)
        total = {k: sum(v.values()) if isinstance(v, dict) else v for k, v in size.items()}
        out = sum(total.get(k, 0) for k in ("kept", "cut", "dropped", "quarantined"))
        assert total["in"] + total.get("added", 0) == out
        if number >= len(account["sources"]):
            assert documents["in"] == kept_before
            kept_before = 0
        kept_before += documents["kept"]
    dropped = sum(sum(s["documents"].get("dropped", {}).values()) for s in account["stages"])
    aside = rows(sample_run, "dropped")
    assert len(aside) == dropped > 10
    assert all(row["reason"] and row["stage"] for row in aside)
    sources = {stage["stage"] for stage in account["stages"][: len(account["sources"])]}
    # A source may leave out the text of what it drops (a redirect): the input still has it.
    assert all(row["text"] for row in aside if row["stage"] not in sources)
    assert sum(row["bytes"] for row in aside) == sum(
        sum(s["bytes"].get("dropped", {}).values()) for s in account["stages"]
    )
    last = account["stages"][-1]
    assert last["stage"] == "encode"
    assert last["bytes"]["kept"] == sum(len(d["text"].encode()) for d in rows(sample_run, "documents"))


@pytest.mark.parametrize(
    "change",
    [
        {"documents_in": 4},
        {"documents_kept": 0},
        {"bytes_in": 11},
        {"bytes_kept": 9},
    ],
)
def test_the_ledger_refuses_what_does_not_add_up(change: dict[str, int]) -> None:
    entry = Entry("x", documents_in=3, documents_kept=2, bytes_in=10, bytes_kept=6)
    entry.documents_dropped["why"] = 1
    entry.bytes_dropped["why"] = 4
    Ledger([entry]).balance()
    for name, value in change.items():
        setattr(entry, name, value)
    with pytest.raises(LedgerError, match="x: "):
        entry.balance()


def test_the_ledger_refuses_a_loss_between_two_stages() -> None:
    entries = [Entry("a", 3, 3, bytes_in=9, bytes_kept=9), Entry("b", 2, 2, bytes_in=9, bytes_kept=9)]
    Ledger(entries).balance()
    with pytest.raises(LedgerError, match="b: took in 2 documents, but the sources kept 3"):
        Ledger(entries).balance(sources=[entries[0].stage])


def test_the_ledger_survives_json() -> None:
    entry = Entry("x", documents_in=3, documents_kept=2)
    entry.documents_dropped["why"] = 1
    ledger = Ledger([entry])
    assert Ledger.from_json(json.loads(json.dumps(ledger.to_json()))).to_json() == ledger.to_json()
