"""Near duplicates: signatures, whole runs with planted copies, templates, memory, labelled pairs.

    python -m benchmarks.dedup [--quick] [--only GROUP] [--json FILE]

Texts are pieces of Gutenberg books. `signatures`: 128 values over word 5-grams, ours compared value by value
with datasketch's. `find`: copies with 0.2 to 10 % of their words changed, in any order; truth is the exact
Jaccard similarity of all pairs that share a shingle. `templates`: pages that share most of their words.
`memory`: builds of 1 and 10 times the text. `pairs`: editions and labelled pairs, by similarity.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks.harness import Bar, Options, Row, compare, peer_versions, run_benchmark
from corpuskit import near_duplicates
from corpuskit.report.clusters import jaccard
from corpuskit.sources.encoding.decode import decode_text
from corpuskit.stages.dedup.minhash import shingle_hashes, sign, sign_by_reference

NGRAM, SEED, THRESHOLD = 5, 1, 0.8
PIECE = 4600
"""Characters of a text: the average of the articles that the peers were measured on."""

PEERS = ("rensa", "datasketch")
ROUNDS = 3
Shares = tuple[float, ...]
CHANGED: Shares = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1)
"""Shares of the words of a copy that are changed."""


def pieces(corpora: Path, count: int) -> list[str]:
    """Texts of the books, of about `PIECE` characters each, cut at blanks; each book once, in one edition."""
    texts: list[str] = []
    books = sorted(path for path in (corpora / "gutenberg").iterdir() if path.is_dir())
    for book in [*books, *sorted((corpora / "scale").rglob("*.txt.gz"))]:
        file = sorted(book.glob("*.txt.gz"))[0] if book.is_dir() else book
        text = " ".join(read(file).split())
        for first in range(2000, len(text) - 2 * PIECE, PIECE):
            texts.append(text[text.index(" ", first) : text.index(" ", first + PIECE)].strip())
        if len(texts) >= count:
            return texts[:count]
    return texts


def read(path: Path) -> str:
    """The text of a gzipped file."""
    found = decode_text(gzip.decompress(path.read_bytes()))
    if found is None:
        raise ValueError(f"{path}: its encoding is not known")
    return found.text


def megabytes(texts: Sequence[str]) -> float:
    """Size as UTF-8."""
    return sum(len(text.encode()) for text in texts) / 1e6


def changed(text: str, share: float, chance: random.Random, foreign: Sequence[str]) -> str:
    """The text with some of its words replaced by words of others."""
    words = text.split()
    for at in chance.sample(range(len(words)), max(1, round(share * len(words)))):
        words[at] = chance.choice(foreign)
    return " ".join(words)


def with_copies(texts: list[str], copies: int) -> list[str]:
    """Texts, and copies of some of them, in an order drawn by chance."""
    chance = random.Random(5)
    foreign = texts[0].split()
    made = [
        changed(text, CHANGED[i % len(CHANGED)], chance, foreign)
        for i, text in enumerate(chance.sample(texts, copies))
    ]
    whole = [*texts, *made]
    chance.shuffle(whole)
    return whole


# ---------------------------------------------------------------------------------------------- signatures
def signatures(options: Options) -> list[Row]:
    """Megabytes a second of one core."""
    texts = pieces(options.corpora, 1500 if options.quick else 4500)
    size = megabytes(texts)
    column = pa.array(texts, pa.large_string())
    some = column.slice(0, 300)
    equal = (sign(some, NGRAM, SEED).values == sign_by_reference(some, NGRAM, SEED).values).all()
    speeds = _speeds(options, "sign", texts, lambda: sign(column, NGRAM, SEED))
    given = f"{len(texts):,} pieces of books, {size:.1f} MB"
    rows = compare(
        "MinHash signatures, 128 of word 5-grams, one core",
        speeds.pop("corpuskit")[0],
        {tool: found[0] for tool, found in speeds.items()},
        unit="MB/s",
        better="higher",
        input=given,
        bar=Bar(6),
        note="the peers' shingles are made by Python; the bar is against the fastest of them",
    )
    what = "signatures that are datasketch's, value by value"
    bar = Bar(1, "value")
    return [
        *rows,
        *compare(what, float(equal), {}, unit="share", better="higher", input="300 of them", bar=bar),
    ]


def _speeds(options: Options, task: str, texts: list[str], ours: Any) -> dict[str, tuple[float, Any]]:
    """Megabytes a processor second of each side, and what it found; the sides take turns."""
    size = megabytes(texts)
    tools = options.there(task, PEERS)
    seconds: dict[str, list[float]] = {}
    found: dict[str, Any] = {}
    names = {tool: f"{tool} {peer_versions(options.peers, [tool])[0]}" for tool in tools}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.jsonl"
        path.write_text("".join(json.dumps(text) + "\n" for text in texts), encoding="utf-8")
        ours()
        for _ in range(ROUNDS):
            started = time.process_time()
            found["corpuskit"] = ours()
            seconds.setdefault("corpuskit", []).append(time.process_time() - started)
            for tool in tools:
                said = _peer(options, tool, task, path)
                seconds.setdefault(names[tool], []).append(said["cpu_s"])
                found[names[tool]] = said["found"]
    return {tool: (size / statistics.median(spent), found[tool]) for tool, spent in seconds.items()}


def _peer(options: Options, tool: str, task: str, path: Path) -> dict[str, Any]:
    script = Path(__file__).parent / "peers" / "near_duplicates.py"
    called = [os.path.abspath(options.peers), str(script), tool, task, str(path)]
    done = subprocess.run(called, check=True, capture_output=True, text=True)
    said: dict[str, Any] = json.loads(done.stdout)
    return said


# ---------------------------------------------------------------------------------------------------- find
class Truth(NamedTuple):
    """All pairs that share a shingle, by exact Jaccard similarity.

    Attributes:
        sets: hashes of the shingles of each text.
        pairs: those of at least the threshold, the smaller number first.
    """

    sets: list[npt.NDArray[np.uint64]]
    pairs: list[tuple[int, int]]

    def similarity(self, a: int, b: int) -> float:
        """Of two texts."""
        common = len(np.intersect1d(self.sets[a], self.sets[b], assume_unique=True))
        return common / max(1, len(self.sets[a]) + len(self.sets[b]) - common)


def truth_of(texts: list[str]) -> Truth:
    """Count what each text has in common with each before it, by an index of all shingles."""
    ends, hashes = shingle_hashes(pa.array(texts, pa.large_string()), NGRAM)
    sets = [hashes[ends[i] : ends[i + 1]] for i in range(len(texts))]
    sizes = np.diff(ends)
    owner = np.repeat(np.arange(len(texts)), sizes)
    order = np.argsort(hashes, kind="stable")
    borders = np.searchsorted(hashes[order], hashes, side="left")
    pairs = []
    for x in range(len(texts)):
        before = _owners_before(owner, order, borders[ends[x] : ends[x + 1]], hashes, x)
        others, common = np.unique(before, return_counts=True)
        enough = common * 5 >= 4 * (sizes[others] + sizes[x] - common)
        pairs += [(int(y), x) for y in others[enough]]
    return Truth(sets, pairs)


def _owners_before(
    owner: npt.NDArray[np.int64],
    order: npt.NDArray[np.int64],
    firsts: npt.NDArray[np.int64],
    hashes: npt.NDArray[np.uint64],
    x: int,
) -> npt.NDArray[np.int64]:
    """Once for each shingle of text ``x``, each text before it that has the shingle too."""
    found, at = [], firsts
    while len(at):
        owners = owner[order[at]]
        at = at[owners < x]  # Those of one shingle stand in the order of texts, that of x last of interest.
        found.append(owners[owners < x])
        at = at + 1
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def find(options: Options) -> list[Row]:
    """Speed, recall and precision of whole runs."""
    count = 2500 if options.quick else 10_000
    texts = with_copies(pieces(options.corpora, count), count * 2 // 5)
    truth = truth_of(texts)

    def ours() -> list[tuple[int, int]]:
        return [(copy, one.kept) for one in near_duplicates(texts) for copy, _ in one.copies]

    sides = _speeds(options, "find", texts, ours)
    given = (
        f"{len(texts):,} pieces of books, {megabytes(texts):.1f} MB, of them {count * 2 // 5:,} copies with"
        f" 0.2 to 10 % of their words changed; {len(truth.pairs):,} pairs of at least {THRESHOLD}"
    )
    speeds = {tool: speed for tool, (speed, _) in sides.items()}
    recalls, precisions = {}, {}
    for tool, (_, found) in sides.items():
        gone = {copy for copy, _ in found}
        recalls[tool] = sum(bool(gone & {*pair}) for pair in truth.pairs) / len(truth.pairs)
        right = sum(truth.similarity(copy, kept) >= THRESHOLD for copy, kept in found)
        precisions[tool] = right / max(1, len(found))
    rows = []
    for what, figures, unit, bar in (
        ("near duplicates found, one core", speeds, "MB/s", Bar(3)),
        ("pairs of which one went", recalls, "share", Bar(0.99, "value")),
        ("documents that went for one they resemble", precisions, "share", Bar(0.999, "value")),
    ):
        own = figures.pop("corpuskit")
        rows += compare(what, own, figures, unit=unit, better="higher", input=given, bar=bar)
    return rows


# ----------------------------------------------------------------------------------------------- templates
def template(count: int, own: tuple[int, int]) -> list[str]:
    """Pages of 160 common words and some of their own."""
    chance = random.Random(2)

    def word() -> str:
        return "".join(chance.choices("abcdefghijklmnop", k=6))

    common = [word() for _ in range(160)]
    return [" ".join([*common, *(word() for _ in range(chance.randint(*own)))]) for _ in range(count)]


def templates(options: Options) -> list[Row]:
    """Seconds for pages of one template; 0.722 is the similarity of two of them with 30 own words."""
    del options
    rows = []
    for name, own in (("30", (30, 30)), ("15 to 45", (15, 45)), ("5 to 80", (5, 80)), ("no", (0, 0))):
        texts = template(50_000, own)
        started = time.perf_counter()
        gone = sum(len(one.copies) for one in near_duplicates(texts))
        seconds = time.perf_counter() - started
        what = f"50,000 pages of one template with {name} own words"
        note = f"{gone:,} went"
        given = f"160 common words, {megabytes(texts):.0f} MB"
        rows += compare(
            what,
            seconds,
            {},
            unit="s",
            better="lower",
            input=given,
            bar=Bar(30, "value", "at most"),
            note=note,
        )
    return rows


# -------------------------------------------------------------------------------------------------- memory
_BUILD = """
import re, sys
from corpuskit import Files, NearDuplicates, build_corpus
build_corpus([Files(path=sys.argv[1], label="x"), NearDuplicates()], sys.argv[2], workers=1)
print(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1])
"""
"""With one worker a build is one process. Its own peak, not `ru_maxrss`, which begins at that of this one."""


def memory(options: Options) -> list[Row]:
    """Peak memory of a build of near duplicates alone, of one text and of ten times as much."""
    base = 16 if options.quick else 64
    texts = pieces(options.corpora, 10_000)
    chance = random.Random(1)
    peaks = {}
    with tempfile.TemporaryDirectory() as work:
        for times in (1, 10):
            path = Path(work) / f"{times}.jsonl"
            _write(path, texts, chance, base * times)
            called = [sys.executable, "-c", _BUILD, str(path), f"{work}/run-{times}"]
            done = subprocess.run(called, check=True, capture_output=True, text=True)
            peaks[times] = int(done.stdout) / 1024
            path.unlink()
    what = f"peak memory, {10 * base} MB beside {base} MB"
    note = f"{peaks[1]:.0f} and {peaks[10]:.0f} MiB"
    given = "pieces of books, two fifths of them with a near copy"
    return compare(
        what,
        peaks[10] / peaks[1],
        {},
        unit="times",
        better="lower",
        input=given,
        bar=Bar(1.1, "value", "at most"),
        note=note,
    )


def _write(path: Path, texts: list[str], chance: random.Random, size: int) -> None:
    """So many megabytes of pieces, none like another but for the copies: a third of the words are drawn."""
    number = 0
    with path.open("w", encoding="utf-8") as file:
        while file.tell() < size * 1e6:
            words = texts[number % len(texts)].split()
            for at in chance.sample(range(len(words)), len(words) // 3):
                words[at] = f"{words[at]}{chance.randrange(10**6)}"
            text = " ".join(words)
            copies = [text, changed(text, 0.02, chance, words)] if number % 5 < 2 else [text]
            for copy in copies:
                file.write(json.dumps({"id": f"{number}-{len(copy)}", "text": copy}) + "\n")
            number += 1


# --------------------------------------------------------------------------------------------------- pairs
_BORDERS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99, 1.01)


def pairs(options: Options) -> list[Row]:
    """Pairs of editions, by their exact similarity; paraphrases, by what people said of them."""
    rows: list[Row] = []
    editions = list(_editions(options.corpora))
    rows += _by_band("editions of one book", editions, "near_dup_pairs.tsv")
    rows += options.attempt("labelled pairs", lambda: _paraphrases(options.corpora), [])
    return rows


def _by_band(name: str, found: Sequence[tuple[float, bool]], given: str) -> list[Row]:
    rows = []
    for least, below in pairwise(_BORDERS):
        band = [one for similarity, one in found if least <= similarity < below]
        if band:
            share = sum(band) / len(band)
            what = f"{name}, similarity {least:g} to {min(below, 1):g}: taken to be copies"
            rows += compare(
                what, share, {}, unit="share", better="higher", input=f"{given}, {len(band)} pairs"
            )
    return rows


def _editions(corpora: Path) -> Iterator[tuple[float, bool]]:
    lines = (corpora / "near_dup_pairs.tsv").read_text(encoding="utf-8").splitlines()
    header = lines[0].split("\t")
    for line in lines[1:]:
        row = dict(zip(header, line.split("\t"), strict=True))
        texts = [read(corpora / row[side]) for side in ("path_a", "path_b")]
        yield jaccard(*texts, NGRAM), bool(near_duplicates(texts))


def _paraphrases(corpora: Path) -> list[Row]:
    """Of the sentences that people took to say the same, and of the others, how many are copies."""
    file = corpora / "labelled" / "near_dup" / "msr_paraphrase_train.txt.gz"
    lines = gzip.decompress(file.read_bytes()).decode("utf-8-sig").splitlines()[1:]
    rows = []
    for label, name in (("1", "the same said in other words"), ("0", "sentences that say other things")):
        both = [line.split("\t")[3:5] for line in lines if line.startswith(f"{label}\t")]
        copies = sum(bool(near_duplicates(pair)) for pair in both[:500])
        what = f"{name}: taken to be copies"
        rows += compare(
            what,
            copies / min(500, len(both)),
            {},
            unit="share",
            better="lower",
            input=f"MSR paraphrases, {min(500, len(both))} pairs",
            note="near duplicates are of one wording; a paraphrase is none",
        )
    return rows


GROUPS = {
    "signatures": signatures,
    "find": find,
    "templates": templates,
    "memory": memory,
    "pairs": pairs,
}

if __name__ == "__main__":
    sys.exit(run_benchmark("dedup", GROUPS))
