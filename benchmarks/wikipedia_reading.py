"""From a .bz2 dump to candidates on two cores, against decompression alone."""

from __future__ import annotations

import math
import shutil
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.first_pass import WORKERS
from benchmarks.harness import OURS, Bar, Options, Row, compare, require_program
from benchmarks.measure import Usage, measure_command
from corpuskit.sources.wikipedia import dump
from corpuskit.sources.wikipedia.items import Chunk

MEGABYTES = 500
QUICK_MEGABYTES = 100
MEMORY_MIB = 400
STREAMS = (
    "wikipedia/wp2txt__testdata_en-0.10.bz2",
    "derived/enwiki-derived-pages-articles-multistream.xml.bz2",
    "wikipedia/gensim__enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2",
    "wikipedia/dbpedia-minidump-fr-large.xml.bz2",
    "wikipedia/dumpster-dive__smallwiki-latest-pages-articles.xml.bz2",
)
"""Whole dumps of the corpora, in English, French and Latgalian; .bz2 files may be laid end to end."""


def write_dump(corpora: Path, path: Path, megabytes: int) -> float:
    """Lay the dumps of `STREAMS` end to end until they hold so many MB of XML; returns how many they hold."""
    streams = [(corpora / name).read_bytes() for name in STREAMS]
    sizes = [_decoded(corpora / name) for name in STREAMS]
    rounds = math.ceil(megabytes / sum(sizes))
    path.write_bytes(b"".join(streams) * rounds)
    return sum(sizes) * rounds


def _decoded(path: Path) -> float:
    chunks = dump.read_chunks(str(path), "bz2", "utf-8")
    return sum(len(chunk.data) for chunk in chunks if isinstance(chunk, Chunk)) / 1e6


def bz2_to_candidates(options: Options) -> list[Row]:
    """MB of XML a second from .bz2 to candidates and the memory it takes; lbzip2 is what is possible."""
    with tempfile.TemporaryDirectory(prefix="wikipedia-reading-") as name:
        folder = Path(name)
        path = folder / "enwiki-pages-articles.xml.bz2"
        size = write_dump(options.corpora, path, QUICK_MEGABYTES if options.quick else MEGABYTES)
        lbzip2 = options.attempt("reading, row of lbzip2", lambda: require_program("lbzip2"), "")
        ours, theirs = _take_turns(path, folder / "run", lbzip2, turns=1 if options.quick else 3)
    described = f"{size:.0f} MB of XML in {len(STREAMS)} real dumps, repeated, {WORKERS} processes"
    what = ".bz2 to candidates, 2 cores"
    peer = f"lbzip2 -n{WORKERS}, decompression alone"
    sides = (ours, theirs) if theirs else (ours, ours)
    speeds = [size / statistics.median(u.wall_s for u in side) for side in sides]
    cpu = [statistics.median(u.cpu_s for u in side) for side in sides]
    rows = compare(
        what,
        round(speeds[0], 1),
        {peer: round(speeds[1], 1)} if theirs else {},
        unit="MB/s",
        better="higher",
        bar=Bar(0.6) if theirs else None,
        input=described,
        note=f"wall time, medians of {len(ours)}; processor seconds {cpu[0]:.1f} against {cpu[1]:.1f}",
    )
    memory = max(usage.largest_mib for usage in ours)
    limit = Bar(MEMORY_MIB, "value", "at most")
    return [
        *rows,
        *compare(
            f"{what}: memory of the largest process",
            round(memory, 1),
            {},
            unit="MiB",
            better="lower",
            bar=limit,
            input=described,
        ),
    ]


def _take_turns(path: Path, out: Path, lbzip2: str, turns: int) -> tuple[list[Usage], list[Usage]]:
    """Both sides one after the other, several times, so that a busy moment falls on both.

    Args:
        lbzip2: path of the program; empty where it is missing.
    """
    command = [sys.executable, "-m", "benchmarks.first_pass", str(path), str(out)]
    ours, theirs = [], []
    for _ in range(turns):
        if lbzip2:
            theirs.append(_checked([lbzip2, f"-n{WORKERS}", "-dc", str(path)]))
        ours.append(_checked(command))
        shutil.rmtree(out)
    return ours, theirs


def _checked(command: Sequence[str]) -> Usage:
    usage = measure_command(command)
    if usage.exit_code:
        raise RuntimeError(f"{OURS if '-m' in command else command[0]} failed: {' '.join(command)}")
    return usage
