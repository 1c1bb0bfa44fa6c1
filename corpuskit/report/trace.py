"""From a token back to its document: source, licence, revision, and what was decided about it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc

from corpuskit.documents.batch import place_of
from corpuskit.errors import RunError, SettingError, nearest
from corpuskit.run.folder import Run
from corpuskit.run.layout import SHARDS, TOKENIZER, folder_of, text_of
from corpuskit.shards.format import numpy_dtype
from corpuskit.shards.reader import Shards
from corpuskit.tokenizer.tokenizer import Tokenizer


@dataclass(frozen=True)
class Trace:
    """Where a token comes from.

    Attributes:
        token: place in the shard.
        token_text: what it spells; ``<|endoftext|>`` where a document ends.
        document: the row of ``documents/``, its text replaced by its size in bytes.
        byte_start, byte_end: where the token lies in the document's text; equal for an end-of-text.
        context: the text around it, up to 60 characters on each side.
        cuts: spans that were removed from this document, with stage and reason.
        dropped_for: documents that were dropped because they repeat this one.
    """

    shard: str
    token: int
    token_id: int
    token_text: str
    document: dict[str, Any]
    byte_start: int
    byte_end: int
    context: str
    cuts: list[dict[str, Any]]
    dropped_for: list[dict[str, Any]]


def trace(run: Run, shard: str, token: int) -> Trace:
    """Trace one token of one shard.

    Raises:
        SettingError: there is no such shard, or it has fewer tokens.
        RunError: the run does not hold together.
    """
    shards = Shards(run.local(SHARDS))
    tokens = {info.name: info.tokens for infos in shards.splits.values() for info in infos}
    if shard not in tokens:
        raise SettingError(f"shard {shard!r}: is not in {run.folder}", remedy=nearest(shard, tokens))
    if not 0 <= token < tokens[shard]:
        raise SettingError(
            f"token {token}: {shard} has tokens 0 to {tokens[shard] - 1}", remedy="Give one of those."
        )
    table, line_path = (run.path("shards", f"{shard}{end}") for end in (".provenance.parquet", ".bin"))
    run.check_output("shards", table)
    run.check_output("shards", line_path)
    row = _provenance(run, table, token)
    document, text = _document(run, row["part"], row["id"])
    end_of_text = shards.end_of_text
    tokenizer = Tokenizer.load_expected(run.local(TOKENIZER), shards.tokenizer_sha256, end_of_text)
    line = np.memmap(run.local(line_path), numpy_dtype(shards.dtype), "r")
    start, end = _place(tokenizer, text, row, token)
    raw = text.encode()
    # Bytes, not characters: a token may end inside of one, whose rest is left out of what is shown.
    before, after = raw[:start].decode("utf-8", "ignore"), raw[end:].decode("utf-8", "ignore")
    middle = raw[start:end].decode("utf-8", "replace")
    return Trace(
        shard,
        token,
        int(line[token]),
        tokenizer.decode([int(line[token])]),
        document,
        start,
        end,
        f"{before[-60:]}[{middle}]{after[:60]}",
        _cuts(run, row["part"], row["id"], document["origin"]),
        _aside(run, "dropped", None, "duplicate_of", row["id"], ["id", "stage", "reason"]),
    )


def _provenance(run: Run, path: str, token: int) -> dict[str, Any]:
    table = run.read_table(path)
    index = int(np.searchsorted(table.column("token_start").to_numpy(), token, side="right")) - 1
    row: dict[str, Any] = table.slice(index, 1).to_pylist()[0]
    return row


def _document(run: Run, part: str, identity: str) -> tuple[dict[str, Any], str]:
    """Find a document by its id; a row number would be wrong as soon as anything moves."""
    path, task = text_of(part)
    run.check_output(task, path)
    for batch in run.read_batches(path):
        found = batch.filter(pc.equal(batch.column("id"), identity))
        if found.num_rows:
            document: dict[str, Any] = found.to_pylist()[0]
            text = str(document.pop("text"))
            document["origin"] = json.loads(document["origin"]) if document["origin"] else {}
            return document | {"bytes": len(text.encode())}, text
    raise RunError(f"{path}: has no document {identity}", remedy="Run `corpuskit verify` on the run.")


def _place(tokenizer: Tokenizer, text: str, row: dict[str, Any], token: int) -> tuple[int, int]:
    """Encode the document's section anew: that is what says which bytes a token stands for."""
    section = text.encode()[row["byte_start"] : row["byte_end"]].decode()
    offsets = tokenizer.offsets(section)
    if len(offsets) + 1 != row["token_end"] - row["token_start"]:
        raise RunError(
            f"{row['id']}: encodes into {len(offsets)} tokens, the shard has"
            f" {row['token_end'] - row['token_start'] - 1}",
            remedy="Run `corpuskit verify` on the run.",
        )
    index = token - row["token_start"]
    start, end = offsets[index] if index < len(offsets) else (len(section), len(section))
    return (
        row["byte_start"] + len(section[:start].encode()),
        row["byte_start"] + len(section[:end].encode()),
    )


def _cuts(run: Run, part: str, identity: str, origin: dict[str, Any]) -> list[dict[str, Any]]:
    columns = ["stage", "reason", "start", "end"]
    found = _aside(run, "cuts", part, "id", identity, columns)
    as_read = _as_read(part, identity, origin)
    if as_read != identity:  # What was cut before the id got its place is known by file and row.
        early = _aside(run, "cuts", part, "id", as_read, [*columns, "origin"])
        found += [cut for cut in early if json.loads(cut.pop("origin") or "{}") == origin]
    return found


def _as_read(part: str, identity: str, origin: dict[str, Any]) -> str:
    """The id that a document was read with: without the place that tells it from others of that id."""
    place = place_of(json.dumps(origin))
    bare = identity.removesuffix(f"#{place}") if place else identity
    return re.sub(rf"#{re.escape(part)}#\d+$", "", bare)


def _aside(
    run: Run, folder: str, part: str | None, column: str, value: str, columns: list[str]
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    end = ".parquet" if part is None else f"-{part}.parquet"
    for path in run.files(folder_of(folder)):
        if path.endswith(end):
            table = run.read_table(path, columns=[*columns, column])
            rows += table.filter(pc.equal(table.column(column), value)).select(columns).to_pylist()
    return rows
