"""The data of `benchmarks.seq2seq` as rows of source and target, and what needs no model to be written."""

from __future__ import annotations

import csv
import gzip
import random
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.adapt_data import NEWS

INFLECT, TRANSLATE = "labelled/inflect", "labelled/translate"
HELD_OUT_TITLES = 1000

Pairs = list[dict[str, Any]]


class Data(NamedTuple):
    """Rows to learn from, to choose by (none where a share of those to learn from is), and to score."""

    train: Pairs
    validation: Pairs
    test: Pairs


def inflections(corpora: Path, language: str, size: str) -> Data:
    """Lemma and features to the form that these ask for: "german" or "english", "medium" or "high"."""
    folder = corpora / INFLECT
    train = folder / f"{language}-train-{size}{'.gz' if size == 'high' else ''}"
    sides = []
    for path in (train, folder / f"{language}-dev"):
        rows = [line.split("\t") for line in _lines(path)]
        sides.append([{"source": each[0], "target": each[1], "features": each[2]} for each in rows])
    return Data(sides[0], [], sides[1])


def captions(corpora: Path, language: str) -> Data:
    """English captions of pictures and their translations, "de" or "fr"; scored on those of 2016."""
    sides = []
    for side in ("train", "val", "test_2016_flickr"):
        both = [_lines(corpora / TRANSLATE / f"{side}.{each}.gz") for each in ("en", language)]
        pairs = zip(*both, strict=True)
        sides.append([{"source": one, "target": two} for one, two in pairs if one.strip() and two.strip()])
    return Data(*sides)


def headlines(corpora: Path) -> Data:
    """What a news agency wrote, and the title that it gave it."""
    with gzip.open(corpora / NEWS / "test.csv.gz", "rt", encoding="utf-8", newline="") as lines:
        rows = [{"source": text, "target": title} for _, title, text in csv.reader(lines)]
    random.Random(0).shuffle(rows)
    ends = len(rows) - 2 * HELD_OUT_TITLES, len(rows) - HELD_OUT_TITLES
    return Data(rows[: ends[0]], rows[ends[0] : ends[1]], rows[ends[1] :])


def _lines(path: Path) -> list[str]:
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    return text.removesuffix("\n").split("\n")


# ---------------------------------------------------------------------------------------- without a model
def copies(data: Data) -> list[str]:
    """The sources themselves."""
    return [row["source"] for row in data.test]


def first_words(data: Data, count: int = 10) -> list[str]:
    """The first words of the sources."""
    return [" ".join(row["source"].split()[:count]) for row in data.test]


_WORD = re.compile(r"\w+|[^\w\s]")


def word_for_word(data: Data, rounds: int = 5) -> list[str]:
    """Each word by the one that the training rows give it: IBM's model 1 (Brown et al., 1993, section 4)."""
    numbers: tuple[dict[str, int], dict[str, int]] = ({}, {})
    lines = [
        [
            np.array([known.setdefault(word.casefold(), len(known)) for word in _WORD.findall(row[side])])
            for side, known in zip(("source", "target"), numbers, strict=True)
        ]
        for row in data.train
    ]
    words = len(numbers[1])
    pairs = np.concatenate([(one[None, :] * words + two[:, None]).ravel() for one, two in lines if len(one)])
    places, count = [], 0
    for one, two in lines:
        if len(one):
            places.append(np.repeat(np.arange(count, count + len(two)), len(one)))
            count += len(two)
    of_target = np.concatenate(places)
    known_pairs, of_pair = np.unique(pairs, return_inverse=True)
    sources = known_pairs // words
    shares = np.ones(len(known_pairs))
    for _ in range(rounds):
        found = shares[of_pair]
        found /= np.bincount(of_target, found)[of_target]
        shares = np.bincount(of_pair, found)
        shares /= np.bincount(sources, shares)[sources]
    best: dict[int, tuple[float, int]] = {}
    for pair, source, share in zip(known_pairs.tolist(), sources.tolist(), shares.tolist(), strict=True):
        best[source] = max(best.get(source, (0.0, 0)), (share, pair % words))
    names = list(numbers[1])
    table = {word: names[best[number][1]] for word, number in numbers[0].items() if number in best}
    return [_put(row["source"], table) for row in data.test]


def _put(source: str, table: dict[str, str]) -> str:
    words = [table.get(word.casefold(), word) for word in _WORD.findall(source)]
    text = re.sub(r"\s+([.,;:!?])", r"\1", " ".join(words))
    return text[:1].upper() + text[1:]


def quick(data: Data, train: int, test: int) -> Data:
    """The first rows of each side."""
    return Data(data.train[:train], data.validation[:test], data.test[:test])


def sizes(data: Data) -> str:
    """In words."""
    chosen = f", {len(data.validation):,} to choose by" if data.validation else ""
    return f"{len(data.train):,} rows to learn from{chosen}, {len(data.test):,} to score"
