"""The n-gram index: how fast it is built, what it takes, and whether and how fast everything is found.

    python -m benchmarks.ngrams [--quick] [--json FILE] [--only GROUP]

Runs are built of real books of two sizes. `build`: processor time of the whole command that builds the index,
its size, and its memory at both sizes. `search`: 1,000 spans drawn from the line of tokens are found where
they are, 1,000 invented ones are not; a plain search of the line by NumPy is the judge of all counts.
infini-gram and pydivsufsort, which holds the whole suffix array in memory, get the same line of tokens.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.harness import Bar, Options, Row, compare, peer_versions, run_benchmark
from benchmarks.measure import measure_command
from corpuskit import open_index
from corpuskit.shards.ngrams.index import SplitNgrams
from corpuskit.shards.reader import Shards

SPANS = 1000
"""Sequences of each kind."""
VOCABULARY = 8_192
PACKAGES = ("infini-gram", "pydivsufsort")

EVERY = Bar(100.0, of="value")
MILLISECONDS = Bar(5.0, of="value", side="at most")
BOUNDED = Bar(1.15, of="value", side="at most")
FEW_BYTES = Bar(3.1, of="value", side="at most")

Ids = npt.NDArray[np.int64]
_WORK = tempfile.TemporaryDirectory(prefix="ngrams-")
ROOT = Path(__file__).resolve().parents[1]


class Made(NamedTuple):
    """A run of books.

    Attributes:
        run: its folder.
        megabytes: of text.
        told: what it is, in words.
    """

    run: Path
    megabytes: float
    told: str


@cache
def made(corpora: Path, megabytes: int) -> Made:
    """A run without held-out text, of so many megabytes of books."""
    folder = Path(_WORK.name) / str(megabytes)
    folder.mkdir()
    size = 0
    with (folder / "books.jsonl").open("w", encoding="utf-8") as file:
        for number, book in enumerate(sorted(corpora.glob("gutenberg/*/*.txt.gz"))):
            text = gzip.decompress(book.read_bytes()).decode("utf-8", "replace").replace("\r\n", "\n")
            file.write(json.dumps({"id": str(number), "text": text}) + "\n")
            size += len(text.encode())
            if size >= megabytes * 10**6:
                break
    recipe = folder / "recipe.yaml"
    recipe.write_text(
        f"sources: [{{files: {{path: {folder}/books.jsonl, label: books}}}}]\nstages: []\n"
        f"tokenizer: {{vocab_size: {VOCABULARY}}}\nshards: {{split: {{validation: 0.0}}}}\n"
    )
    _cpu(["build", str(recipe), "--out", str(folder / "run"), "--quiet"])
    tokens = Shards(folder / "run" / "shards").split("train").tokens
    return Made(folder / "run", size / 1e6, f"books, {size / 1e6:.0f} MB, {tokens:,} tokens")


def _sizes(options: Options) -> tuple[int, int]:
    return (8, 24) if options.quick else (65, 130)


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "corpuskit", *words]


def _cpu(words: Sequence[str]) -> float:
    used = measure_command(_command(*words), cwd=ROOT)
    if used.exit_code:
        raise RuntimeError(f"corpuskit {' '.join(words)}: ended with {used.exit_code}")
    return used.cpu_s


# --------------------------------------------------------------------------------------------------- build
def build(options: Options) -> list[Row]:
    """Time, size and memory."""
    small, large = (made(options.corpora, size) for size in _sizes(options))
    used = {}
    for name, each in (("small", small), ("large", large)):
        words = _command("search", str(each.run), "--build", "--workers", "1", "--quiet")
        used[name] = measure_command(words, cwd=ROOT)
    idle = _cpu(["search", "--help"])
    tokens = Shards(large.run / "shards").split("train").tokens
    peers, sizes = _peer_builds(options, large)
    rows = compare(
        "index, speed",
        large.megabytes / (used["large"].cpu_s - idle),
        peers,
        unit="MB/cpu-s",
        better="higher",
        input=large.told,
        note="the whole command, one worker, without the start of Python; MB of text",
        notes={
            name: "the array alone, all in memory"
            if "pydivsufsort" in name
            else "its own command, from prepared tokens on, with the start of Python"
            for name in peers
        },
    )
    rows += compare(
        "index, size",
        open_index(large.run, build=False).bytes / tokens,
        sizes,
        unit="bytes/token",
        better="lower",
        input=large.told,
        bar=FEW_BYTES,
    )
    memory = [used[name].largest_mib for name in ("small", "large")]
    for each, figure in ((small, memory[0]), (large, memory[1])):
        rows += compare(
            "index, memory", figure, {}, unit="MiB", better="lower", input=each.told,
            note="largest process, with the mapped shard; a block has 16.8 million tokens",
        )  # fmt: skip
    if not options.quick:  # Below a block of tokens it is the corpus that is small.
        rows += compare(
            "index, growth of memory", memory[1] / memory[0], {}, unit="x", better="lower",
            input=f"{small.told}; {large.told}", bar=BOUNDED,
        )  # fmt: skip
    return rows


def _line(each: Made) -> npt.NDArray[np.integer[Any]]:
    split = Shards(each.run / "shards").split("train")
    return split.read(0, split.tokens)


def _peer_builds(options: Options, each: Made) -> tuple[dict[str, float], dict[str, float]]:
    """Speed by peer, and bytes a token."""
    speeds, sizes = {}, {}
    work = Path(_WORK.name)
    for package in options.there("build", PACKAGES):
        [version] = peer_versions(options.peers, (package,))
        np.save(work / "line.npy", np.asarray(_line(each), np.uint16))
        if package == "pydivsufsort":
            seconds = float(_peer(options, "sort", str(work / "line.npy")))
            sizes[f"{package} {version}"] = 4.0
        else:
            place = work / "infini"
            if not place.exists():
                _peer(options, "prepare", str(work / "line.npy"), str(place))
            seconds = _infini_gram(options, place)
            stored = (place / "table.0").stat().st_size + (place / "offset.0").stat().st_size
            sizes[f"{package} {version}"] = stored / len(_line(each))
        speeds[f"{package} {version}"] = each.megabytes / seconds
    return speeds, sizes


def _infini_gram(options: Options, place: Path) -> float:
    """Processor seconds of its own indexing, from the tokens on."""
    (place / "table.0").unlink(missing_ok=True)
    command = [str(options.peers.absolute()), "-m", "infini_gram.indexing", "--data_dir", str(place)]
    command += ["--save_dir", str(place), "--token_dtype", "u16", "--cpus", "1", "--mem", "4"]
    used = measure_command([*command, "--ulimit", "1024"], cwd=ROOT)
    if used.exit_code or not (place / "table.0").exists():
        raise RuntimeError(f"{' '.join(command)}: ended with {used.exit_code}")
    return used.cpu_s


def _peer(options: Options, *words: str) -> str:
    command = [str(options.peers.absolute()), "-m", "benchmarks.peers.ngrams", *words]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    # infini-gram's engine writes to standard output, too.
    return done.stdout.strip().rpartition("\n")[2]


# -------------------------------------------------------------------------------------------------- search
def search(options: Options) -> list[Row]:
    """Everything is found, nothing is invented, and how long it takes."""
    each = made(options.corpora, _sizes(options)[1])
    split, line = open_index(each.run).split("train"), _line(each)
    spans = [line[start : start + size].astype(np.int64) for start, size in _spans(line)]
    invented = _invented(line, spans)
    starts = [start for start, _ in _spans(line)]
    where = [_judge(line, span) for span in spans]
    right = sum(
        found.tolist() == judged.tolist() and start in judged
        for found, judged, start in zip(
            (split.places(span, len(line)) for span in spans), where, starts, strict=True
        )
    )
    absent = sum(split.count(span) == 0 for span in invented)
    told = f"{each.told}; {SPANS:,} spans of 1 to 200 tokens"
    rows = compare(
        "spans found, all their places",
        100 * right / SPANS,
        {},
        unit="%",
        better="higher",
        input=told,
        bar=EVERY,
    )
    rows += compare(
        "invented spans not found", 100 * absent / SPANS, {}, unit="%", better="higher", input=told, bar=EVERY
    )
    counts = [len(places) for places in where] + [0] * SPANS
    return rows + _times(options, split, spans, invented, counts, told)


def _spans(line: npt.NDArray[np.integer[Any]]) -> list[tuple[int, int]]:
    """Start and length, within documents."""
    chance = np.random.default_rng(1)
    found: list[tuple[int, int]] = []
    while len(found) < SPANS:
        size = int(np.exp(chance.uniform(0, np.log(200))))
        start = int(chance.integers(0, len(line) - size))
        if (line[start : start + size] != 0).all():
            found.append((start, size))
    return found


def _invented(line: npt.NDArray[np.integer[Any]], spans: Sequence[Ids]) -> list[Ids]:
    """Spans with one token replaced, as far as the judge finds none of them."""
    chance = np.random.default_rng(2)
    found: list[Ids] = []
    while len(found) < SPANS:
        span = spans[int(chance.integers(len(spans)))].copy()
        span[int(chance.integers(len(span)))] = line[int(chance.integers(len(line)))]
        if (span != 0).all() and not len(_judge(line, span)):
            found.append(span)
    return found


def _judge(line: npt.NDArray[np.integer[Any]], span: Ids) -> Ids:
    """All places of a span, by comparing its tokens with the whole line."""
    places = np.flatnonzero(line[: len(line) - len(span) + 1] == span[0])
    for number in range(1, len(span)):
        places = places[line[places + number] == span[number]]
        if not len(places):
            break
    return places


def _times(
    options: Options,
    split: SplitNgrams,
    spans: Sequence[Ids],
    invented: Sequence[Ids],
    counts: Sequence[int],
    told: str,
) -> list[Row]:
    queries = [*spans, *invented]
    text = np.concatenate(spans)[:2000]
    ours = {
        "count of a span": _milliseconds(lambda: [split.count(query) for query in queries], len(queries)),
        "first 10 places of a span, with documents": _milliseconds(
            lambda: [split.find(query, 10) for query in spans[:200]], 200
        ),
        "longest matches of 2,000 tokens": _milliseconds(lambda: split.matches([text]), 1),
    }
    peers: dict[str, float] = {}
    notes: dict[str, str] = {}
    if "infini-gram" in options.there("search", ("infini-gram",)):
        name, place = f"infini-gram {peer_versions(options.peers, ('infini-gram',))[0]}", Path(_WORK.name)
        if not (place / "infini" / "table.0").exists():
            _peer_builds(options, made(options.corpora, _sizes(options)[1]))
        (place / "queries.json").write_text(json.dumps([query.tolist() for query in queries]))
        said = json.loads(
            _peer(options, "count", str(place / "infini"), str(place / "queries.json"), "0", str(VOCABULARY))
        )
        peers[name] = 1000 * said["seconds"] / len(queries)
        notes[name] = (
            f"{sum(a == b for a, b in zip(said['counts'], counts, strict=True)):,} counts are the judge's"
        )
    rows = []
    for what, figure in ours.items():
        own = peers if what.startswith("count") else {}
        rows += compare(
            what, figure, own, unit="ms", better="lower", input=told, notes=notes,
            bar=MILLISECONDS if own is peers else None,
        )  # fmt: skip
    return rows


def _milliseconds(call: Callable[[], object], queries: int) -> float:
    """Of one query, once everything was read."""
    call()
    start = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - start) / queries


if __name__ == "__main__":
    sys.exit(run_benchmark("ngrams", {"build": build, "search": search}))
