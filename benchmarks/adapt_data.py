"""The labelled data of `benchmarks.adapt`, cut and written down so that all sides read the same rows."""

from __future__ import annotations

import csv
import gzip
import itertools
import json
import random
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from corpuskit.train.data.tables.splits import text_key

TREC = "labelled/trec/train_5500.label"
SMS = "labelled/sms_spam/SMSSpamCollection"
NEWS = "labelled/ag_news"
POLARITY = "labelled/sentence_polarity.zip"
PAIRS = "labelled/near_dup/msr_paraphrase_train.txt.gz"
TREEBANK = "labelled/tag/en_ewt-ud-{}.conllu.gz"
ENTITIES = "labelled/tag/conll2002.zip"
INSTRUCTIONS = "labelled/instruct/instruction-data.json"

Rows = list[dict[str, Any]]


class Counts(NamedTuple):
    """Rows of a split: to learn from, to choose by, to measure on."""

    train: int
    validation: int
    test: int


def trec(corpora: Path) -> Rows:
    """Questions with their coarse label."""
    rows = []
    for line in filter(None, (corpora / TREC).read_text(encoding="latin-1").split("\n")):
        label, _, text = line.partition(" ")
        rows.append({"text": text, "label": label.partition(":")[0]})
    return rows


def sms(corpora: Path) -> Rows:
    """Short messages, ham or spam."""
    lines = (corpora / SMS).read_text(encoding="utf-8").split("\n")[1:]
    return [dict(zip(("label", "text"), line.split("\t", 1), strict=True)) for line in lines if line.strip()]


def ag_news(corpora: Path) -> Rows:
    """News, title and text, about the world, sports, business or science: the 7,600 rows of the test file."""
    names = (corpora / NEWS / "classes.txt").read_text(encoding="utf-8").split()
    with gzip.open(corpora / NEWS / "test.csv.gz", "rt", encoding="utf-8", newline="") as lines:
        return [
            {"text": f"{title}. {text}", "label": names[int(number) - 1]}
            for number, title, text in csv.reader(lines)
        ]


def polarity(corpora: Path) -> Rows:
    """Sentences of film reviews, for or against the film."""
    rows: Rows = []
    with zipfile.ZipFile(corpora / POLARITY) as archive:
        for label in ("neg", "pos"):
            text = archive.read(f"sentence_polarity/rt-polarity.{label}").decode("latin-1")
            rows += ({"text": line.strip(), "label": label} for line in text.split("\n") if line.strip())
    return rows


def pairs(corpora: Path) -> Rows:
    """Two sentences, and whether one says what the other does."""
    lines = gzip.decompress((corpora / PAIRS).read_bytes()).decode("utf-8-sig").split("\n")[1:]
    cells = [line.rstrip("\r").split("\t") for line in lines if line]
    labels = {"0": "other", "1": "same"}
    return [{"text": first, "pair": second, "label": labels[label]} for label, _, _, first, second in cells]


def instructions(corpora: Path) -> Rows:
    """Instructions with their answers."""
    found: Rows = json.loads((corpora / INSTRUCTIONS).read_text(encoding="utf-8"))
    return found


# ---------------------------------------------------------------------------------------------------- splits
_ASKED = ("text", "pair", "instruction", "input")


def distinct(rows: Iterable[dict[str, Any]]) -> Rows:
    """Rows whose texts no earlier row has: none may stand on both sides of a split."""
    found: dict[int, dict[str, Any]] = {}
    for row in rows:
        found.setdefault(text_key(*(str(row[name]) for name in _ASKED if name in row)), row)
    return list(found.values())


Split = tuple[Path, Path, Path]
"""The files of a split: to learn from, to choose by, to measure on."""


def write_split(rows: Sequence[dict[str, Any]], folder: Path, seed: int, counts: Counts) -> Split:
    """A split by its seed as train.jsonl, validation.jsonl and test.jsonl, in this order."""
    if sum(counts) > len(rows):
        raise ValueError(f"{sum(counts)} rows of {len(rows)} are asked for")
    drawn = random.Random(seed).sample(list(rows), sum(counts))
    return _write(folder, drawn, counts)


def _write(folder: Path, rows: Sequence[dict[str, Any]], counts: Counts) -> Split:
    folder.mkdir(parents=True)
    ends = list(itertools.accumulate(counts))
    train, validation, test = (
        write_rows(folder / f"{side}.jsonl", rows[end - count : end])
        for side, count, end in zip(Counts._fields, counts, ends, strict=True)
    )
    return train, validation, test


def write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """Rows as JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read_rows(path: Path) -> Rows:
    """Rows of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# ---------------------------------------------------------------------------------------------------- tags
class Sentences(NamedTuple):
    """Sentences with tags: those to learn from and those to measure on, which are other texts."""

    train: Rows
    test: Rows


def parts_of_speech(corpora: Path) -> Sentences:
    """English sentences with universal parts of speech, the small side to learn from."""
    return _apart(*(_conllu((corpora / TREEBANK.format(side)).read_bytes()) for side in ("dev", "test")))


def entities(corpora: Path, language: str) -> Sentences:
    """Sentences with names of persons, places, organisations and others: "esp" or "ned"."""
    with zipfile.ZipFile(corpora / ENTITIES) as archive:
        sides = [archive.read(f"conll2002/{language}.{side}") for side in ("train", "testb")]
    return _apart(*(_conll(data.decode("latin-1")) for data in sides))


def _conllu(data: bytes) -> Rows:
    lines = gzip.decompress(data).decode("utf-8").splitlines()
    # Ranges (1-2) and empty nodes (8.1) are no words.
    cells = (line.split("\t") for line in lines if not line.startswith("#"))
    return _sentences([each[1], each[3]] if len(each) > 1 else [] for each in cells if _is_word(each))


def _is_word(cells: list[str]) -> bool:
    return len(cells) == 1 or cells[0].isdigit()


def _conll(text: str) -> Rows:
    cells = (line.split() for line in text.split("\n"))
    return _sentences([each[0], each[-1]] if each else [] for each in cells if each[:1] != ["-DOCSTART-"])


def _sentences(lines: Iterable[list[str]]) -> Rows:
    rows: Rows = [{"words": [], "tags": []}]
    for cells in lines:
        if cells:
            rows[-1]["words"].append(cells[0])
            rows[-1]["tags"].append(cells[1])
        elif rows[-1]["words"]:
            rows.append({"words": [], "tags": []})
    return rows if rows[-1]["words"] else rows[:-1]


def _apart(train: Rows, test: Rows) -> Sentences:
    learnt = {text_key(" ".join(row["words"])) for row in train}
    return Sentences(train, [row for row in test if text_key(" ".join(row["words"])) not in learnt])
