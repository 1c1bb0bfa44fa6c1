"""Checks of a finished run: outputs against their records, the ledger, the shards and their provenance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from corpuskit.documents.ledger import Ledger
from corpuskit.errors import CorpuskitError, RunError
from corpuskit.run.folder import Run
from corpuskit.run.layout import FINAL, LEDGER, SHARDS, SHARDS_MANIFEST, folder_of, is_output
from corpuskit.run.record import Record
from corpuskit.shards.reader import Shards


def read_ledger(run: Run) -> dict[str, Any]:
    """A run's ledger.json: ``sources`` (labels) and ``stages``. Raises `RunError` for anything else."""
    account = run.read_json(LEDGER)
    try:
        Ledger.from_json(account["stages"])
        list(account["sources"])
    except (KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"{run.local(LEDGER)}: is no ledger: {error!r}", remedy="Call `corpuskit build` again."
        ) from error
    return dict(account)


def problems(run: Run) -> Iterator[str]:
    """Yield a sentence for each thing that does not hold. Nothing is yielded for a sound run."""
    records = run.records()
    yield from _outputs(run, records)
    yield from _strangers(run, records)
    yield from _ledger(run, records)
    if run.exists(SHARDS_MANIFEST):
        yield from _shards(run)


def _outputs(run: Run, records: list[Record]) -> Iterator[str]:
    for output in (o for record in records for o in record.outputs):
        if not run.exists(output.path):
            yield f"{output.path}: is missing"
        elif run.sha256(output.path) != output.sha256:
            yield f"{output.path}: sha256 differs from the manifest"
        elif output.rows is not None and run.rows(output.path) != output.rows:
            yield f"{output.path}: has {run.rows(output.path)} rows, recorded are {output.rows}"


def _strangers(run: Run, records: list[Record]) -> Iterator[str]:
    known = {o.path for record in records for o in record.outputs}
    for path in run.files():
        if is_output(path) and not path.startswith(folder_of("record")) and path not in known:
            yield f"{path}: is in the run but in no record"


def _ledger(run: Run, records: list[Record]) -> Iterator[str]:
    """The ledger balances, and counts what really lies in the documents and beside them."""
    if not run.exists(LEDGER):
        yield "ledger.json: is missing: the build is not finished"
        return
    try:
        account = read_ledger(run)
    except CorpuskitError as error:
        yield f"ledger.json: {error.message}"
        return
    ledger = Ledger.from_json(account["stages"])
    try:
        ledger.balance(sources=account["sources"])
    except CorpuskitError as error:
        yield f"ledger.json: {error.message}"
    aside = _rows(records, "dropped") + _rows(records, "quarantine")
    counted = sum(
        entry.documents_dropped.total() + entry.documents_quarantined.total()
        for entry in ledger.entries.values()
    )
    # Counted by the stages on one side, by the rows that were stored on the other.
    if aside != counted:
        yield f"ledger.json: {counted} documents dropped or quarantined, but {aside} rows lie aside"
    documents = _rows(records, FINAL)
    kept = ledger.entries["documents"].documents_kept if "documents" in ledger.entries else -1
    if documents != kept:
        yield f"ledger.json: {kept} documents kept, but documents/ has {documents} rows"


def _rows(records: list[Record], folder: str) -> int:
    """Rows of all recorded tables of a folder."""
    outputs = (output for record in records for output in record.outputs)
    return sum(output.rows or 0 for output in outputs if output.path.startswith(f"{folder}/"))


def _shards(run: Run) -> Iterator[str]:
    try:
        shards = Shards(run.local(SHARDS))
        shards.verify()
    except CorpuskitError as error:
        yield f"shards: {error.message}"
        return
    for split, infos in shards.splits.items():
        line = shards.split(split)
        position = 0
        for info in infos:
            yield from _provenance(run, info.name, info.tokens)
            tokens = line.read(position, info.tokens)
            if info.tokens and int(tokens.max()) >= shards.vocab_size:
                size = shards.vocab_size
                yield f"shards/{info.name}.bin: holds id {int(tokens.max())}, the vocabulary has {size}"
            ends = int(np.count_nonzero(tokens == shards.end_of_text))
            if ends != info.sequences:
                yield f"shards/{info.name}.bin: {ends} end-of-text tokens for {info.sequences} sequences"
            position += info.tokens


def _provenance(run: Run, name: str, tokens: int) -> Iterator[str]:
    path = run.path("shards", f"{name}.provenance.parquet")
    table = run.read_table(path, columns=["token_start", "token_end"])
    starts, ends = (table.column(c).to_numpy() for c in ("token_start", "token_end"))
    whole = len(starts) and starts[0] == 0 and ends[-1] == tokens and (starts[1:] == ends[:-1]).all()
    if not whole:
        yield f"{path}: does not cover its {tokens} tokens without gaps"
