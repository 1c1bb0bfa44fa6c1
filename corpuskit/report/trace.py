"""From a token back to its document: source, licence, revision, and what was decided about it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from corpuskit.documents.batch import place_of
from corpuskit.errors import RunError, SettingError, nearest
from corpuskit.run.folder import Run
from corpuskit.run.layout import FINAL, REPEATED, SHARDS, TOKENIZER, folder_of, original_id, text_of
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
        copy, copy_of: number of the copy, of a document that is repeated, and the id of the first one; 1 and
            its own id else.
        byte_start, byte_end: where the token lies in the document's text; equal for an end-of-text.
        read_start, read_end: where that was before the cuts were made: in the text as it was read, unless a
            stage has changed what stands before it in another way.
        context: the text around it, up to 60 characters on each side.
        cuts: spans that were removed from this document (a copy: from what it is a copy of), in the order in
            which they went, with stage, reason, and the bytes of the text as each stage met it.
        dropped_for: documents that were dropped because they repeat this one.
    """

    shard: str
    token: int
    token_id: int
    token_text: str
    document: dict[str, Any]
    copy: int
    copy_of: str
    byte_start: int
    byte_end: int
    read_start: int
    read_end: int
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
    document, text = find_document(run, row["part"], row["id"])
    copy, first, part = _original(run, row["part"], row["id"])
    end_of_text = shards.end_of_text
    tokenizer = Tokenizer.load_expected(run.local(TOKENIZER), shards.tokenizer_sha256, end_of_text)
    line = np.memmap(run.local(line_path), numpy_dtype(shards.dtype), "r")
    start, end = place_in_text(tokenizer, text, row, token)
    raw = text.encode()
    # Bytes, not characters: a token may end inside of one, whose rest is left out of what is shown.
    before, after = raw[:start].decode("utf-8", "ignore"), raw[end:].decode("utf-8", "ignore")
    middle = raw[start:end].decode("utf-8", "replace")
    cuts = _cuts(run, part, first, document["origin"])
    read_start = before_cuts(start, cuts)
    return Trace(
        shard,
        token,
        int(line[token]),
        tokenizer.decode([int(line[token])]),
        document,
        copy,
        first,
        start,
        end,
        read_start,
        before_cuts(end - 1, cuts) + 1 if end > start else read_start,
        f"{before[-60:]}[{middle}]{after[:60]}",
        cuts,
        _aside(run, "dropped", None, "duplicate_of", first, ["id", "stage", "reason"]),
    )


def _provenance(run: Run, path: str, token: int) -> dict[str, Any]:
    table = run.read_table(path)
    index = int(np.searchsorted(table.column("token_start").to_numpy(), token, side="right")) - 1
    row: dict[str, Any] = table.slice(index, 1).to_pylist()[0]
    return row


def find_document(run: Run, part: str, identity: str) -> tuple[dict[str, Any], str]:
    """A document of a part, and its text, by its id: a row number would be wrong as soon as anything moves.

    Raises RunError where it is not there, or its file is damaged.
    """
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


def place_in_text(tokenizer: Tokenizer, text: str, row: dict[str, Any], token: int) -> tuple[int, int]:
    """First byte of a token in its document's text, and the one behind its last: also of part of a character.

    The document's section is encoded anew: that is what says which bytes a token stands for. Raises RunError
    where other tokens come of it.
    """
    section = text.encode()[row["byte_start"] : row["byte_end"]].decode()
    ends = token_ends(tokenizer, section)
    if len(ends) + 1 != row["token_end"] - row["token_start"]:
        raise RunError(
            f"{row['id']}: encodes into {len(ends)} tokens, the shard has"
            f" {row['token_end'] - row['token_start'] - 1}",
            remedy="Run `corpuskit verify` on the run.",
        )
    index, whole = token - row["token_start"], len(section.encode())
    start, end = ends[index] if index < len(ends) else (whole, whole)
    return row["byte_start"] + start, row["byte_start"] + end


def token_ends(tokenizer: Tokenizer, text: str) -> list[tuple[int, int]]:
    """First byte of each token of a text, and the one behind its last."""
    lengths = tokenizer.token_bytes(tokenizer.vocab_size)
    if lengths is not None:
        own = lengths[np.array(tokenizer.encode(text), np.int64)]
        if int(own.sum()) == len(text.encode()):  # Else the tokenizer changes text.
            ends = np.cumsum(own)
            return list(zip((ends - own).tolist(), ends.tolist(), strict=True))
    # Offsets count characters, and a token that is a part of one has the whole of it.
    bytes_before = np.array([0, *(len(character.encode()) for character in text)]).cumsum()
    return [(int(bytes_before[start]), int(bytes_before[end])) for start, end in tokenizer.offsets(text)]


def _original(run: Run, part: str, identity: str) -> tuple[int, str, str]:
    """Number of a copy, id of the document that it repeats, and the part that holds that one."""
    if part != REPEATED:
        return 1, identity, part
    first = original_id(identity, part)
    for path in run.files(FINAL):
        columns = run.read_table(path, columns=["id"]).column("id")
        if pc.any(pc.equal(columns, first)).as_py():
            return int(identity[len(first) + 1 :]), first, Path(path).stem
    raise RunError(
        f"{identity}: the document that it repeats is not there", remedy="Run `corpuskit verify` on the run."
    )


def before_cuts(place: int, cuts: Sequence[Mapping[str, Any]]) -> int:
    """Where a byte of a text lay before spans of it were cut.

    Args:
        cuts: in the order in which they were made; those of one stage and pass count bytes of the same text.

    >>> before_cuts(5, [{"pass": "", "stage": "a", "start": 2, "end": 4}])
    7
    """
    stages = [list(own) for _, own in groupby(cuts, key=lambda cut: (cut["pass"], cut["stage"]))]
    for own in reversed(stages):
        for cut in sorted(own, key=lambda cut: int(cut["start"])):
            if cut["start"] > place:
                break
            place += cut["end"] - cut["start"]
    return place


def _cuts(run: Run, part: str, identity: str, origin: dict[str, Any]) -> list[dict[str, Any]]:
    """What was cut of a document, in the order of the passes and, in each, as its stages did it."""
    columns = ["stage", "reason", "start", "end"]
    as_read, found = _as_read(part, identity, origin), []
    for path, name in _passes(run, part):
        own = _rows(run, path, "id", identity, columns)
        if as_read != identity:  # What was cut before the id got its place is known by file and row.
            early = _rows(run, path, "id", as_read, [*columns, "origin"])
            own += [cut for cut in early if json.loads(cut.pop("origin") or "{}") == origin]
        found += [cut | {"pass": name} for cut in own]
    return found


def _passes(run: Run, part: str) -> list[tuple[str, str]]:
    """The files of what was cut from a part, and their passes: candidates, candidates-1, ..., documents."""
    names = {path: Path(path).stem.removesuffix(f"-{part}") for path in run.files(folder_of("cuts"))}
    own = {path: name for path, name in names.items() if path == run.path("cuts", name, part)}
    return sorted(own.items(), key=lambda item: (item[1] == FINAL, len(item[1]), item[1]))


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
            rows += _rows(run, path, column, value, columns)
    return rows


def _rows(run: Run, path: str, column: str, value: str, columns: list[str]) -> list[dict[str, Any]]:
    """Columns of the rows of a table that have a value."""
    table = run.read_table(path, columns=[*columns, column])
    rows: list[dict[str, Any]] = (
        table.filter(pc.equal(table.column(column), value)).select(columns).to_pylist()
    )
    return rows
