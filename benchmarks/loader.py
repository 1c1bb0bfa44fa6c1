"""The loader and packing: batches a second, share of a step, one order for all worlds, what packing loses.

    python -m benchmarks.loader [--quick] [--only GROUP] [--json FILE]

A token is a word of English Wikipedia articles or of books, numbered by a hash: speeds and packing depend on
lengths alone. `batches`: in the training process against nanoGPT's loop, and by two workers against Streaming
and litdata. `step`: what of a training step reading is. `order`: batches joined over the ranks of several
worlds, and after going on twice, against those of one process. `packing`: rows and padding against a packing
that looks at every row for each document; what cutting parts, and what nanochat's loader drops, beside it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import zlib
from bisect import bisect_right, insort
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.harness import Bar, Options, Row, compare, peer_versions, run_benchmark
from benchmarks.kept import unpacked
from corpuskit.shards.format import MANIFEST_NAME, NO_PROVENANCE, manifest
from corpuskit.shards.loader import Loader
from corpuskit.shards.packing import Geometry, best_fit, cut_report, geometry, piece_lengths, place_pieces
from corpuskit.shards.writer import ShardWriter
from corpuskit.storage.files import json_bytes, seal

CONTEXT, ROWS, SEED, VOCABULARY = 2048, 12, 1, 50_000
PEERS = ("mosaicml-streaming", "litdata")
WORLDS = (1, 2, 4, 8)
_ARTICLES, _BOOKS = "scale/enwiki_extracted_96k.tar.zst", "scale/books_headerless_260.tar.zst"
_DOC = re.compile(rb"<doc [^>]*>\n(.*?)</doc>", re.DOTALL)

_NANOCHAT_DOCUMENTS = 100_000

Lengths = npt.NDArray[np.int64]


# ------------------------------------------------------------------------------------------------ the input
@cache
def documents(corpora: Path, quick: bool) -> list[npt.NDArray[np.uint16]]:
    """Articles and books in turn, a token for each word and 0 behind them."""
    texts: list[bytes] = []
    for _, data in islice(unpacked(corpora / _ARTICLES), 8 if quick else 64):
        texts += _DOC.findall(data)
    texts += [data for _, data in islice(unpacked(corpora / _BOOKS), 40 if quick else 120)]
    order = np.random.default_rng(SEED).permutation(len(texts)).tolist()
    return [_numbered(texts[place]) for place in order]


def _numbered(text: bytes) -> npt.NDArray[np.uint16]:
    return np.array([*(1 + zlib.crc32(word) % (VOCABULARY - 1) for word in text.split()), 0], np.uint16)


@contextmanager
def shards(options: Options) -> Iterator[Path]:
    """A folder of shards of these documents, in two files, for the time of a block."""
    with tempfile.TemporaryDirectory() as folder:
        given, entries = documents(options.corpora, options.quick), []
        for number, part in enumerate((given[::2], given[1::2])):
            with ShardWriter(Path(folder), f"train-{number:05d}", "uint16") as writer:
                for document in part:
                    writer.append(document)
                entries.append({**vars(writer.close()), "provenance_sha256": NO_PROVENANCE})
        made = manifest(VOCABULARY, 0, "none: a token is a word", {"train": entries})
        (Path(folder) / MANIFEST_NAME).write_bytes(json_bytes(seal(made)))
        yield Path(folder)


def said(options: Options) -> str:
    """The words for a row's ``input``."""
    given = documents(options.corpora, options.quick)
    return f"{sum(map(len, given)) / 1e6:.1f} M tokens in {len(given):,} articles and books"


# -------------------------------------------------------------------------------------------------- batches
def nanogpt(tokens: Path, rows: int, context: int) -> Callable[[], Any]:
    """nanoGPT's way, in our words: map the file anew, cut rows at random places, once for each of both."""
    import torch

    def batch() -> Any:
        data = np.memmap(tokens, dtype=np.uint16, mode="r")
        places = torch.randint(len(data) - context, (rows,))
        inputs = [torch.from_numpy(data[at : at + context].astype(np.int64)) for at in places]
        targets = [torch.from_numpy(data[at + 1 : at + 1 + context].astype(np.int64)) for at in places]
        return torch.stack(inputs), torch.stack(targets)

    return batch


def batches(options: Options) -> list[Row]:
    """Batches of 12 rows of 2,048 tokens a second, shuffled."""
    count, rounds = (400, 3) if options.quick else (2000, 5)
    given = f"{said(options)}; {ROWS} rows of {CONTEXT:,}"
    with shards(options) as folder:
        line = Path(folder) / "line.bin"
        np.concatenate(documents(options.corpora, options.quick)).tofile(line)
        rows = _in_process(folder, line, count, rounds, given)
        rows += _by_workers(options, folder, line, count, rounds, given)
    return rows


def _in_process(folder: Path, line: Path, count: int, rounds: int, given: str) -> list[Row]:
    import torch

    theirs = nanogpt(line, ROWS, CONTEXT)
    sides: dict[str, Callable[[int], Any]] = {"nanoGPT's get_batch": lambda step: theirs()}
    for packing in ("concatenate", "best_fit"):
        sides[packing] = _reading(Loader(folder, ROWS, CONTEXT, SEED, packing=packing, prefetch=0), torch)
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        for name, read in sides.items():
            started = time.perf_counter()
            for step in range(count):
                read(turn * count + step)
            if turn:
                seconds[name].append((time.perf_counter() - started) / count)
    speed = {name: 1 / median(found) for name, found in seconds.items()}
    peer = {name: speed.pop(name) for name in list(speed) if "nanoGPT" in name}
    rows = []
    for packing, own in speed.items():
        what = f"batches in the training process, {packing}"
        rows += compare(what, own, peer, unit="1/s", better="higher", input=given, bar=Bar(1))
    return rows


def _reading(loader: Loader, torch: Any) -> Callable[[int], Any]:
    def read(step: int) -> Any:
        batch = loader[step]
        return torch.from_numpy(batch.inputs), torch.from_numpy(batch.targets)

    return read


def _by_workers(options: Options, folder: Path, line: Path, count: int, rounds: int, given: str) -> list[Row]:
    if options.peers == Path(".bench-venv/bin/python"):  # Streaming asks for an older NumPy than others have.
        options = replace(options, peers=Path(".bench-loader-venv/bin/python"))
    tools = options.there("batches by 2 workers", PEERS)
    tokens = int(line.stat().st_size // 2)
    most = tokens // CONTEXT // ROWS - 60
    count = min(count, most)
    own = 1 / median(_own_workers(folder, count) for _ in range(rounds))
    peers = {}
    for tool in tools:
        with tempfile.TemporaryDirectory() as made:
            called = [os.path.abspath(options.peers), str(Path(__file__).parent / "peers" / "loaders.py")]
            called += [tool, str(line), str(CONTEXT), str(ROWS), str(count), made]
            done = subprocess.run(called, check=True, capture_output=True, text=True)
        name = f"{tool} {peer_versions(options.peers, [tool])[0]}"
        peers[name] = 1 / json.loads(done.stdout.splitlines()[-1])["seconds"]
    return compare(
        "batches by 2 workers, a DataLoader",
        own,
        peers,
        unit="1/s",
        better="higher",
        input=given,
        bar=Bar(1),
        note=f"{count} batches behind 20",
    )


def _own_workers(folder: Path, count: int) -> float:
    from torch.utils.data import DataLoader

    from corpuskit.train.data.stream import BatchDataset

    dataset = BatchDataset(folder, rows=ROWS, context=CONTEXT, seed=SEED)
    read = iter(DataLoader(dataset, batch_size=None, sampler=dataset.sampler(), num_workers=2))
    for _ in islice(read, 20):
        pass
    started = time.perf_counter()
    for batch in islice(read, count):
        assert batch["inputs"].shape == batch["targets"].shape == (ROWS, CONTEXT)
    return (time.perf_counter() - started) / count


# ----------------------------------------------------------------------------------------------------- step
def step(options: Options) -> list[Row]:
    """Reading a batch, of a training step of a small model on this machine."""
    import torch

    from corpuskit.train.model.transformer import ModelSettings, Transformer

    rows = 2 if options.quick else 4
    shape = ModelSettings(VOCABULARY, layers=4, width=128, heads=4, kv_heads=4, hidden=344, context=CONTEXT)
    model = Transformer(shape)
    with shards(options) as folder:
        loader = Loader(folder, rows, CONTEXT, SEED, packing="best_fit", prefetch=0)
        reading, learning = [], []
        for number in range(4 if options.quick else 7):
            started = time.perf_counter()
            batch = loader[number]
            ids, targets = torch.from_numpy(batch.inputs), torch.from_numpy(batch.targets)
            reading.append(time.perf_counter() - started)
            started = time.perf_counter()
            model.loss(ids, targets).backward()  # type: ignore[no-untyped-call]
            learning.append(time.perf_counter() - started)
            model.zero_grad()
    share = median(reading[1:]) / (median(reading[1:]) + median(learning[1:]))
    given = f"{rows} rows of {CONTEXT:,}, 4 layers of 128, {torch.get_num_threads()} threads"
    what = "share of a training step that is reading"
    note = f"reading {1e6 * median(reading[1:]):.0f} us, forward and backward {median(learning[1:]):.2f} s"
    bar = Bar(2, "value", "at most")
    return compare(what, round(100 * share, 4), {}, unit="%", better="lower", input=given, bar=bar, note=note)


# ---------------------------------------------------------------------------------------------------- order
def order(options: Options) -> list[Row]:
    """Batches that differ from those that one process reads without a stop; there may be none."""
    rows, steps = 24, 200 if options.quick else 1000
    found = []
    with shards(options) as folder:
        for packing in ("concatenate", "best_fit"):
            alone = Loader(folder, rows, CONTEXT, SEED, packing=packing, prefetch=0)
            steps = min(steps, 2 * alone.rows_per_epoch // rows)
            whole = [zlib.crc32(alone[number].rows.tobytes()) for number in range(steps)]
            differ = 0
            for world in WORLDS:
                differ += _joined(folder, rows, packing, world, steps) != whole
            differ += _resumed(folder, rows, packing, steps) != whole
            what = f"orders of worlds of {', '.join(map(str, WORLDS))} and of a run resumed twice that differ"
            given = f"{steps} batches of {rows} rows over the end of an epoch, {packing}"
            bar = Bar(0, "value", "at most")
            found += compare(what, differ, {}, unit="orders", better="lower", input=given, bar=bar)
    return found


def _joined(folder: Path, rows: int, packing: str, world: int, steps: int) -> list[int]:
    ranks = [
        Loader(folder, rows, CONTEXT, SEED, packing=packing, rank=rank, world=world, prefetch=0)
        for rank in range(world)
    ]
    return [zlib.crc32(b"".join(rank[number].rows.tobytes() for rank in ranks)) for number in range(steps)]


def _resumed(folder: Path, rows: int, packing: str, steps: int) -> list[int]:
    found: list[int] = []
    state: dict[str, Any] = {}
    for stop in (steps // 3, steps // 2, steps):
        loader = Loader(folder, rows, CONTEXT, SEED, packing=packing)
        if state:
            loader.load_state_dict(state)
        for batch in loader:
            found.append(zlib.crc32(batch.rows.tobytes()))
            state = loader.state_dict()
            if loader.step == stop:
                break
    return found


# -------------------------------------------------------------------------------------------------- packing
def packing(options: Options) -> list[Row]:
    """What is padded, dropped and parted, on real lengths and on drawn ones of webpages."""
    real = np.array([len(each) for each in documents(options.corpora, options.quick)], np.int64)
    drawn = np.random.default_rng(SEED).lognormal(np.log(800), 1.2, 5000 if options.quick else 20_000)
    inputs = {
        said(options): real,
        f"{len(drawn):,} lengths, log-normal, median 800": drawn.astype(np.int64) + 1,
    }
    rows: list[Row] = []
    for name, lengths in inputs.items():
        for context in (1024, 2048):
            rows += _packed(lengths, context, f"{name}, T = {context:,}")
    return [*rows, *_speed(options)]


def _packed(lengths: Lengths, context: int, given: str) -> list[Row]:
    shape, begins = geometry(context), np.cumsum(lengths) - lengths
    histogram, report = piece_lengths([(begins, lengths)], shape)
    groups = best_fit(histogram)
    starts = np.full(report.pieces, -1, np.int64)
    place_pieces([(begins, lengths)], shape, histogram, starts)
    pieces = np.repeat(np.arange(len(histogram)), histogram)
    slow = plain_best_fit(pieces[::-1], shape.row_tokens)
    cut = cut_report([(begins, lengths)], int(lengths.sum()), shape)
    placed = set(starts.tolist())
    fitting = begins[lengths <= shape.row_tokens]
    broken = sum(int(begin) not in placed for begin in fitting.tolist())
    covered = int((np.diff(np.append(np.sort(starts), lengths.sum())) > shape.row_tokens).sum())
    dropped = 100 * nanochat_drop(lengths, shape.row_tokens)
    padding = 100 * (groups.rows * shape.row_tokens - int((histogram * np.arange(len(histogram))).sum()))
    note = f"padding {padding / (groups.rows * shape.row_tokens):.4f} % of all places"
    return [
        *compare(
            "rows of packing",
            groups.rows,
            {"best fit decreasing, row by row": slow},
            unit="rows",
            better="lower",
            input=given,
            bar=Bar(1),
            note=note,
        ),
        *compare(
            "tokens dropped",
            100.0 * bool(covered > 0 or starts.min() < 0),
            {"nanochat's rule": dropped},
            unit="%",
            better="lower",
            input=given,
            bar=Bar(0, "value", "at most"),
        ),
        *compare(
            "documents parted that would fit",
            100 * broken / len(fitting),
            {"concatenate and cut": 100 * cut.parted / len(fitting)},
            unit="% of those",
            better="lower",
            input=given,
            bar=Bar(0, "value", "at most"),
        ),
    ]


def plain_best_fit(lengths: Lengths, capacity: int) -> int:
    """Rows of best fit, the lengths falling, with a look at the room of every row for each."""
    rooms = np.zeros(len(lengths), np.int64)
    rows = 0
    for length in lengths.tolist():
        some = rooms[:rows]
        fitting = np.where(some >= length, some, capacity + 1)
        best = int(fitting.argmin()) if rows else 0
        if not rows or fitting[best] > capacity:
            rooms[rows] = capacity - length
            rows += 1
        else:
            rooms[best] -= length
    return rows


def nanochat_drop(lengths: Lengths, capacity: int, buffered: int = 1000) -> float:
    """Share of the tokens that nanochat's loader drops, by its rule in our words.

    Of 1,000 documents that wait the longest that fits is put into a row; where none does, the shortest is cut
    to the room that is left, and the rest of it is gone. Documents come over and over, in a new order each
    time, and the second half counts: it takes a while until long ones fill what waits.
    """
    chance = np.random.default_rng(SEED)
    rounds = max(2, -(-_NANOCHAT_DOCUMENTS // len(lengths)))
    left = iter(np.concatenate([chance.permutation(lengths) for _ in range(rounds)]).tolist())
    waiting = sorted(islice(left, buffered))
    used = dropped = taken = 0
    while len(waiting) >= buffered:
        if taken < rounds * len(lengths) // 2:
            used = dropped = 0
        room = capacity
        while room and waiting:
            at = bisect_right(waiting, room) - 1
            length = waiting.pop(max(at, 0))
            used, dropped, taken = used + min(length, room), dropped + max(0, length - room), taken + 1
            room -= min(length, room)
            if (following := next(left, None)) is not None:
                insort(waiting, following)
    return dropped / max(1, used + dropped)


def _speed(options: Options) -> list[Row]:
    count = 200_000 if options.quick else 1_000_000
    lengths = np.random.default_rng(SEED).lognormal(np.log(800), 1.2, count).astype(np.int64) + 1
    begins = np.cumsum(lengths) - lengths
    shape = Geometry(CONTEXT + 1, CONTEXT)
    started = time.perf_counter()
    histogram, report = piece_lengths([(begins, lengths)], shape)
    best_fit(histogram)
    place_pieces([(begins, lengths)], shape, histogram, np.empty(report.pieces, np.int64))
    seconds = (time.perf_counter() - started) * 1e6 / count
    given = f"{count:,} lengths, log-normal, median 800, T = {CONTEXT:,}"
    what = "packing a million documents"
    bar = Bar(1, "value", "at most")
    return compare(what, round(seconds, 3), {}, unit="s", better="lower", input=given, bar=bar)


GROUPS = {"packing": packing, "order": order, "batches": batches, "step": step}

if __name__ == "__main__":
    sys.exit(run_benchmark("loader", GROUPS))
