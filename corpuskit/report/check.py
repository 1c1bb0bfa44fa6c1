"""Checks of a finished run: its files against their records, the ledger, the shards and what they say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from corpuskit.documents.ledger import Ledger
from corpuskit.errors import CorpuskitError, RunError
from corpuskit.report.round_trip import differences
from corpuskit.run.folder import Run
from corpuskit.run.layout import (
    BUILD,
    FINAL,
    KEPT,
    LEDGER,
    PLANTED,
    SHARDS,
    SHARDS_MANIFEST,
    TOKENIZER,
    folder_of,
    is_output,
)
from corpuskit.run.record import Record, read_record
from corpuskit.shards.reader import Shards
from corpuskit.storage.files import is_sealed
from corpuskit.tokenizer.tokenizer import Tokenizer

AGAIN = "Call `corpuskit build` with the same recipe: what is damaged is made again."
_UNFINISHED = "Call `corpuskit build` with the same recipe: it goes on where it stopped."
_STRAY = "Call `corpuskit build` with the same recipe: it is removed, or made again and recorded."
_FAULT = "Nothing was damaged since: tell the authors of corpuskit, or of the stages that were used."


@dataclass
class Checked:
    """What a check has found.

    Attributes:
        problems: a sentence for each thing that does not hold, with the file and the remedy.
        notes: what is as it should be, and should be known.
        files, tasks: how many were checked, and how many have made them.
    """

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: int = 0
    tasks: int = 0


def read_ledger(run: Run) -> dict[str, Any]:
    """A run's ledger.json: ``sources`` (labels) and ``stages``. Raises `RunError` for anything else."""
    if run.record(BUILD) is not None:  # Older versions wrote none.
        run.check_output(BUILD, LEDGER)
    account = run.read_json(LEDGER)
    try:
        Ledger.from_json(account["stages"])
        list(account["sources"])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise RunError(
            f"{run.local(LEDGER)}: is no ledger: {error!r}", remedy="Call `corpuskit build` again."
        ) from error
    return dict(account)


def read_records(run: Run) -> list[Record]:
    """All records of a finished run. Raises `RunError` for one that is damaged, another's, or missing."""
    records = run.records()
    for task in _unrecorded(records):
        raise RunError(f"{run.local(run.path('record', task))}: is missing", remedy=AGAIN)
    return records


def _unrecorded(records: list[Record]) -> list[str]:
    """Tasks of the build that have no record any more. Older versions did not say which there were."""
    known = {record.task for record in records}
    tasks: list[str] = next((r.facts.get("tasks", []) for r in records if r.task == BUILD), [])
    return [task for task in tasks if task not in known]


def problems(run: Run) -> Iterator[str]:
    """Yield a sentence for each thing that does not hold. Nothing is yielded for a sound run."""
    yield from check_run(run).problems


def check_run(run: Run) -> Checked:
    """Check all that is recorded of a run, and what it means where the bytes are those that were written."""
    found = Checked()
    records = _records(run, found)
    found.problems += _files(run, records)
    found.files = sum(len(record.outputs) for record in records)
    found.tasks = len(records)
    if found.problems:  # What cannot be read would be told once more, and what it means is nobody's business.
        return found
    try:
        found.problems += _ledger(run, records)
        if run.exists(SHARDS_MANIFEST):
            shards = Shards(run.local(SHARDS))
            shards.verify()
            found.problems += _shards(run, shards)
            _compare(run, shards, found)
    except CorpuskitError as error:
        found.problems.append(error.one_line())
    return found


def _records(run: Run, found: Checked) -> list[Record]:
    """The records that can be read; what is wrong with others is noted."""
    records = []
    for path in run.files(folder_of("record")):
        try:
            record = read_record(run.local(path))
        except RunError as error:
            reason = error.message.removeprefix(f"{run.local(path)}: ")
            found.problems.append(f"{path}: {reason}. {AGAIN}")
            continue
        if path != run.path("record", record.task):
            found.problems.append(f"{path}: is the record of the task {record.task!r}. {AGAIN}")
            continue
        records.append(record)
    told = {sentence.partition(":")[0] for sentence in found.problems}
    for path in (run.path("record", task) for task in _unrecorded(records)):
        if path not in told:
            found.problems.append(f"{path}: is missing. {AGAIN}")
    return records


def _files(run: Run, records: list[Record]) -> Iterator[str]:
    """Files that are not as recorded, and those that are in no record."""
    known = set()
    for output in (o for record in records for o in record.outputs):
        known.add(output.path)
        try:
            if not run.exists(output.path):
                yield _missing(run, output.path)
            elif run.sha256(output.path) != output.sha256:
                yield f"{output.path}: sha256 differs from the manifest. {AGAIN}"
            elif output.rows is not None and run.rows(output.path) != output.rows:
                rows = run.rows(output.path)
                yield f"{output.path}: has {rows} rows, recorded are {output.rows}. {_FAULT}"
        except OSError as error:
            yield f"{output.path}: cannot be read: {error.strerror}. Look at its permissions and the disk."
        except RunError as error:
            yield error.one_line()
    for path in run.files():
        if is_output(path) and not path.startswith(folder_of("record")) and path not in known:
            yield f"{path}: is in the run but in no record. {_STRAY}"
    if not run.exists(LEDGER):
        if LEDGER not in known:
            yield _missing(run, LEDGER)
        return
    # Older versions kept no record of these.
    if any(is_sealed(run.local(run.path("record", record.task))) for record in records[:1]):
        for path in KEPT[1:]:
            if path not in known:
                yield f"{path}: is in no record. {AGAIN}"
    if run.local(KEPT[0]).read_bytes() != run.format_bytes():
        yield f"{KEPT[0]}: is not what was written. {AGAIN}"


def _missing(run: Run, path: str) -> str:
    if run.local(path).exists():
        return f"{path}: is no file. Move it away. {AGAIN}"
    if path == LEDGER:
        return f"{path}: is missing: the build is not finished. {_UNFINISHED}"
    return f"{path}: is missing. {AGAIN}"


def _ledger(run: Run, records: list[Record]) -> Iterator[str]:
    """The ledger balances, and counts what really lies in the documents and beside them."""
    account = read_ledger(run)
    ledger = Ledger.from_json(account["stages"])
    try:
        ledger.balance(sources=account["sources"])
    except CorpuskitError as error:
        yield f"ledger.json: {error.message}. {_FAULT}"
    aside = _rows(records, "dropped") + _rows(records, "quarantine")
    counted = sum(
        entry.documents_dropped.total() + entry.documents_quarantined.total()
        for entry in ledger.entries.values()
    )
    # Counted by the stages on one side, by the rows that were stored on the other.
    if aside != counted:
        yield f"ledger.json: {counted} documents dropped or quarantined, but {aside} rows lie aside. {_FAULT}"
    documents = _rows(records, FINAL)
    kept = ledger.entries["documents"].documents_kept if "documents" in ledger.entries else -1
    if documents != kept:
        yield f"ledger.json: {kept} documents kept, but documents/ has {documents} rows. {_FAULT}"

    planted = sum(entry.documents_added.total() for entry in ledger.entries.values())
    rows = _rows(records, PLANTED)
    if planted != rows:
        yield f"ledger.json: {planted} documents planted or repeated, but planted/ has {rows} rows. {_FAULT}"


def _rows(records: list[Record], folder: str) -> int:
    """Rows of all recorded tables of a folder."""
    outputs = (output for record in records for output in record.outputs)
    return sum(output.rows or 0 for output in outputs if output.path.startswith(f"{folder}/"))


def _shards(run: Run, shards: Shards) -> Iterator[str]:
    for split, infos in shards.splits.items():
        line = shards.split(split)
        position = 0
        for info in infos:
            yield from _provenance(run, info.name, info.tokens)
            tokens = line.read(position, info.tokens)
            name = f"shards/{info.name}.bin"
            if info.tokens and int(tokens.max()) >= shards.vocab_size:
                size = shards.vocab_size
                yield f"{name}: holds id {int(tokens.max())}, the vocabulary has {size}. {_FAULT}"
            ends = int(np.count_nonzero(tokens == shards.end_of_text))
            if ends != info.sequences:
                yield f"{name}: {ends} end-of-text tokens for {info.sequences} sequences. {_FAULT}"
            position += info.tokens


def _provenance(run: Run, name: str, tokens: int) -> Iterator[str]:
    path = run.path("shards", f"{name}.provenance.parquet")
    table = run.read_table(path, columns=["token_start", "token_end"])
    starts, ends = (table.column(c).to_numpy() for c in ("token_start", "token_end"))
    whole = len(starts) and starts[0] == 0 and ends[-1] == tokens and (starts[1:] == ends[:-1]).all()
    if not whole:
        yield f"{path}: does not cover its {tokens} tokens without gaps. {_FAULT}"


def _compare(run: Run, shards: Shards, found: Checked) -> None:
    """Tokens of a sample of the documents against their texts: other tokens are a problem, a loss is told."""
    path = run.local(TOKENIZER)
    tokenizer = Tokenizer.load_expected(path, shards.tokenizer_sha256, shards.end_of_text)
    compared, different = differences(run, shards, tokenizer)
    wrong = [each for each in different if each.tokens_differ]
    for each in wrong:
        found.problems.append(
            f"shards/{each.shard}.bin: the tokens of {each.id} are not those of its text: {each.decoded!r}"
            f" where it says {each.text!r}. {_FAULT}"
        )
    lost = [each for each in different if not each.tokens_differ]
    if lost:
        # A recipe may allow it: then the record of the shards tells what was lost.
        allowed = "lossy" in read_record(run.local(run.path("record", "shards"))).facts
        (found.notes if allowed else found.problems).append(
            f"{TOKENIZER}: of {compared} sequences that were decoded {len(lost)} do not give their text back,"
            f" first of {lost[0].id}: {lost[0].decoded!r} where it says {lost[0].text!r}."
            " A tokenizer that loses no text keeps it."
        )
