"""Whatever a file holds, it ends in rows or in an error that names it: in no other exception, and no hang."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from corpuskit.errors import CorpuskitError
from corpuskit.train.data.tables.columns import find_columns
from corpuskit.train.data.tables.conll import read_conll
from corpuskit.train.data.tables.conversations import find_conversations
from corpuskit.train.data.tables.labels import LabelCounter
from corpuskit.train.data.tables.row import Account
from corpuskit.train.data.tables.splits import TextIndex
from corpuskit.train.data.tables.table import Table, open_table
from corpuskit.train.data.tables.usual import LABEL, TEXT
from tests.sources.odd_files import PACKS, arrow, csv, json_document, jsonl, parquet, text

ROUNDS, EACH = 20, 50

MAKERS = [csv, csv, csv, jsonl, jsonl, json_document, parquet, arrow]
ENDINGS = [".csv", ".tsv", ".jsonl", ".json", ".parquet", ".arrow", ".txt", "", ".conll"]


def damaged(rng: random.Random, data: bytes) -> bytes:
    """The bytes as they are, cut off, with some of them changed, or with others among them."""
    if not data or rng.random() < 0.5:
        return data
    kind = rng.randrange(4)
    if kind == 0:
        return data[: rng.randrange(len(data))]
    if kind == 1:
        changed = bytearray(data)
        for _ in range(rng.randrange(1, 5)):
            changed[rng.randrange(len(data))] = rng.randrange(256)
        return bytes(changed)
    at = rng.randrange(len(data))
    return data[:at] + rng.choice([b"\0", b"\xff\xfe", b'"', b"\r", b"\x1a", b"\n\n", b"\x85"]) + data[at:]


def odd_file(rng: random.Random, folder: Path, number: int) -> Path:
    data = damaged(rng, rng.choice(MAKERS)(rng))
    name = f"odd-{number}{rng.choice(ENDINGS)}"
    if rng.random() < 0.15:
        pack = rng.choice(sorted(PACKS))
        name, data = name + pack, damaged(rng, PACKS[pack](data))
    (folder / name).write_bytes(data)
    return folder / name


def use(table: Table, rng: random.Random) -> int:
    """Read a table as fine-tuning does; returns how many rows were used."""
    given = {"text": rng.randrange(1, 4)} if rng.random() < 0.5 else {}
    account, counter, index = Account(), LabelCounter(), TextIndex()
    found = find_columns(table, {"text": TEXT, "label": LABEL}, given, optional=("label",))
    met = 0
    for row in found.texts(account):
        met += 1
        assert isinstance(row.values["text"], str)
        counter.add(row.values.get("label"), row.place)
        index.add(row.place, row.values["text"])
    for sentence in [*account.sentences(), *index.sentences(), *found.told, *table.told]:
        sentence.encode("utf-8", "surrogatepass")
    if "label" in found.keys:
        counter.finish()
    return met


@pytest.mark.timeout(250)
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_an_odd_file_is_a_table_or_a_named_error(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    for number in range(EACH):
        path = odd_file(rng, tmp_path, number)
        for read in (
            lambda path=path: use(open_table(path), rng),
            lambda path=path: use(open_table(path, header=False, delimiter="tab"), rng),
            lambda path=path: list(find_conversations(open_table(path)).read(Account())),
            lambda path=path: list(read_conll(path).sentences()),
        ):
            said = outcome(read)
            assert said is None or path.name.split(".")[0] in said or "column" in said


def outcome(read: Callable[[], object]) -> str | None:
    """What a named error says; None for none. Any other exception ends the test."""
    try:
        read()
    except CorpuskitError as error:
        return str(error)
    return None


def test_the_generator_makes_tables_that_can_be_read(tmp_path: Path) -> None:
    """The other test would hold for a reader that refuses everything."""
    rng, rows = random.Random(1), 0
    for number in range(60):
        path = odd_file(rng, tmp_path, number)
        try:
            rows += sum(1 for _ in open_table(path).rows(Account()))
        except CorpuskitError:
            continue
    assert rows > 300
    assert text(rng)
