"""Hostile pages, every page accounted for, and the memory of a build's processes.

Also a script, by which one hostile page is measured alone in its process::

    python -m benchmarks.wiki_safety KIND WAY BYTES
"""

from __future__ import annotations

import codecs
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from benchmarks.harness import OURS, Bar, Options, Row, compare, require_program
from benchmarks.kept import open_input
from benchmarks.measure import measure_command
from benchmarks.wiki_pages import DUMPS, Page, as_column, write_pages
from benchmarks.wiki_sides import KEPT, ROOT, Sides
from corpuskit.errors import CorpuskitError
from corpuskit.sources.wikipedia.expand import expand, template_store
from corpuskit.sources.wikipedia.extract import STATUS, engine_options, extract, namespace_prefixes
from corpuskit.sources.wikipedia.loss import measure_loss
from corpuskit.sources.wikipedia.source import Wikipedia

HOSTILE_BYTES = 10_000_000
PEER_SECONDS = 10
_LONG = 0.5
PEER_MEMORY = 4 * 2**30
HOSTILE = {
    "{{{{": "{{",
    "[[": "[[",
    "{|": "{|\n",
    "<ref>": "<ref>",
    "''": "''",
    "mixture": "{{a|[[b|{|\n|<ref>''c'''\n* [http://d {{{e|",
    "mixture, closed": "{{a|[[b|''c'']]}}<ref>d</ref>{|\n|e\n|}\n",
    "{{a|": "{{a|",
    "{{{a|": "{{{a|",
    "{{#if:": "{{#if:x|",
    "{{convert|": "{{convert|1|",
    "[[File:": "[[File:a.jpg|thumb|",
    "<div>": "<div>",
    "<!--": "<!--",
    "-{": "-{",
    "list marks": "*#:;" * 50 + "a\n",
    "emphasis": "'''a''b",
    "table marks": "{|\n|-\n|a||b\n!c!!d\n",
    "ends alone": "}}]]|}-->",
    "entities": "&amp;amp;",
    "<nowiki>": "<nowiki>a",
    "tags without end in a term": "<a ",
    "a row of one line": "a||",
    "&": "&",
    "=": "=",
    "<": "<",
    "[http://": "[http://",
    "{{a|b=c}}": "{{a|b=c}} ",
    "one letter words": "a b ",
    "words of a template": "{{a|" + "b " * 100_000 + "}}",
    "bars": "|",
    "empty cells": "||",
    "cells of a line each": "\n|a",
    "rows alone": "\n|-",
    "spans": "\n|-\n|colspan=256 rowspan=256|a||b",
}
"""What a hostile page repeats until it is long enough, by name."""

_BEGINNINGS = {"tags without end in a term": ";", "a row of one line": "{|\n!", "bars": "{{a"}
_BEGINNINGS |= {"empty cells": "{|\n|", "cells of a line each": "{|", "rows alone": "{|", "spans": "{|"}
"""What stands once before it."""

WAYS = ("extracted", "extracted and measured", "expanded and extracted")
"""What is done to a hostile page: the loss meter reads it too; its templates are expanded before."""

HOSTILE_FOR_PEERS = tuple(HOSTILE)[:6]
NOT_PAGES = frozenset({"truncated", "damaged", "stray", "unreadable_file"})
"""Kinds of quarantined items that are no pages: breaks of a file, and what stands between pages."""


# --------------------------------------------------------------------------------------------- hostile pages


def hostile(options: Options) -> list[Row]:
    """10 MB of one kind of mark after the other, each in a process of its own, in each of `WAYS`."""
    described = f"{len(HOSTILE)} pages of {HOSTILE_BYTES / 1e6:g} MB each"
    peers = partial(_hostile_peers, options, described)
    rows = [] if options.quick else options.attempt("hostile, rows of the peers", peers, [])
    summary = []
    for way in WAYS:
        costs = {kind: _hostile_ours(kind, way) for kind in HOSTILE}
        for kind, cost in costs.items():
            what = f"hostile page {kind}" if way == WAYS[0] else f"hostile page {kind}, {way}"
            note = f"{cost['extra_mib']:.1f} MiB beside the page; ended as {cost['status']}"
            rows.append(Row(what, OURS, cost["cpu_s"], "s", input=described, note=note))
        for what, key, limit, unit in (
            ("the slowest", "cpu_s", 1.0, "s"),
            ("most memory beside the page", "extra_mib", 100.0, "MiB"),
        ):
            worst = max(costs, key=lambda kind: costs[kind][key])
            value, bar = costs[worst][key], Bar(limit, "value", "at most")
            what = f"hostile pages, {way}: {what}"
            summary += compare(
                what, value, {}, unit=unit, better="lower", bar=bar, input=described, note=worst
            )
    kinds = list(HOSTILE)
    rows.sort(key=lambda row: kinds.index(_kind_of(row)))
    return rows + summary


def _kind_of(row: Row) -> str:
    what = row.what.removeprefix("hostile page ")
    for way in WAYS:
        what = what.removesuffix(f", {way}")
    return what


def _hostile_ours(kind: str, way: str) -> dict[str, Any]:
    """A hostile page in a process of its own; of those that take long, the median of three."""
    command = [sys.executable, "-m", "benchmarks.wiki_safety", kind, way, str(HOSTILE_BYTES)]
    found: list[dict[str, Any]] = []
    while len(found) < 3 and (not found or found[0]["cpu_s"] > _LONG):
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
        found.append(json.loads(done.stdout))
    return sorted(found, key=lambda each: each["cpu_s"])[len(found) // 2]


def hostile_text(kind: str, size: int) -> str:
    """``size`` characters of one of `HOSTILE`."""
    piece = HOSTILE[kind]
    return (_BEGINNINGS.get(kind, "") + piece * (size // len(piece) + 1))[:size]


def measure_hostile(kind: str, way: str, size: int) -> dict[str, float | str]:
    """Read a hostile page in this process: seconds, MiB beyond what stood before, how it ended."""
    _read(as_column([Page("Ulm", "en", "'''Ulm''' {{convert|1|mi|km}}")]), way)
    column = as_column([Page("Ulm", "en", hostile_text(kind, size))])
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew at what is resident now
    before, start = _peak_mib(), time.process_time()
    status = _read(column, way)
    seconds = time.process_time() - start
    return {"cpu_s": round(seconds, 4), "extra_mib": round(_peak_mib() - before, 2), "status": status}


def _read(column: pa.LargeStringArray, way: str) -> str:
    """Do to one page what a reading does to it, and no more."""
    settings: dict[str, Any] = {
        "file_prefixes": namespace_prefixes(6),
        "category_prefixes": namespace_prefixes(14),
        "language": "en",
    }
    native, page = engine_options(**settings), column
    if way == WAYS[2]:
        store = template_store([("A", "{{{1|}}}")])
        page = expand(column, pa.array(["Ulm"], pa.large_string()), store, native).texts
    made = extract(page, **settings)
    if way == WAYS[1]:
        measure_loss(column, made.texts, ["Ulm"], native)
    return STATUS[int(made.status[0])]


def _peak_mib() -> float:
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return int(found.group(1)) / 1024 if found else 0.0


def _hostile_peers(options: Options, described: str) -> list[Row]:
    """Rows of the four fastest peers on the first pages, with bounds of processor time and memory."""
    sides = Sides(options)
    python = str(options.require_peers().absolute())
    KEPT.mkdir(parents=True, exist_ok=True)

    def row(task: tuple[str, str]) -> Row:
        kind, peer = task
        base = KEPT / f"hostile-{peer}-{tuple(HOSTILE).index(kind)}"
        given, texts, report = (base.with_suffix(end) for end in (".pages", ".texts", ".report"))
        write_pages([Page("Ulm", "en", hostile_text(kind, HOSTILE_BYTES))], given)
        bounds = [f"--cpu={PEER_SECONDS}:{PEER_SECONDS}", f"--as={PEER_MEMORY}:{PEER_MEMORY}"]
        command = [python, "-m", "benchmarks.peers.wikitext_tools", peer, str(given), str(texts), str(report)]
        start = time.perf_counter()
        done = subprocess.run(
            [require_program("prlimit"), *bounds, *command], cwd=ROOT, capture_output=True, check=False
        )
        seconds = round(time.perf_counter() - start, 2)
        error = json.loads(texts.read_text())["error"] if done.returncode == 0 else "killed"
        for file in (given, texts):
            file.unlink(missing_ok=True)
        note = f"wall time; {error or 'ended well'}; bounds: {PEER_SECONDS} s of processor time, 4 GiB"
        return Row(f"hostile page {kind}", sides.name(peer), seconds, "s", input=described, note=note)

    tasks = [(kind, peer) for kind in HOSTILE_FOR_PEERS for peer in sides.peers[:4]]
    for peer in sides.peers[:4]:
        sides.name(peer)
    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(row, tasks))


# -------------------------------------------------------------------------------------- every page accounted


def dump_files(corpora: Path) -> list[Path]:
    """Every file of the corpora that is said to hold pages, single pages and broken files too."""
    folders = [corpora / "wikipedia", corpora / "derived"]
    found = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    return [path for path in found if "-index" not in path.name]


def pages(options: Options) -> list[Row]:
    """Pages in = documents + others, for every file, against a count of marks in the decompressed bytes."""
    files = dump_files(options.corpora)
    equal, total, unequal, kinds, refused = 0, 0, [], Counter[str](), []
    for path in files:
        counted = count_pages(path)
        found = account(path)
        if found is None:
            refused.append(f"{path.name} ({'no' if counted is None else counted} pages)")
            continue
        kinds.update(found)
        ours = sum(number for kind, number in found.items() if kind not in NOT_PAGES)
        total += counted or 0
        if ours == counted:
            equal += 1
        else:
            unequal.append(f"{path.name}: {counted} by count, {ours} by ours {dict(found)}")
    note = f"{total:,} pages; ours: {dict(kinds.most_common())}; refused with an error: {', '.join(refused)}"
    return compare(
        "dumps whose pages are all accounted for",
        equal,
        {},
        unit="dumps",
        better="higher",
        bar=Bar(len(files) - len(refused), "value"),
        input=f"{len(files)} files under wikipedia and derived",
        note="; ".join([*unequal, note]),
    )


def count_pages(path: Path) -> int | None:
    """How many revisions the decompressed bytes of a file hold, a page without any as one.

    A dump with history holds several for a page, and each is a document or a counted other. None if the
    file is packed in a way that the standard library does not read.
    """
    if path.suffix == ".7z":
        return None
    blocks = []
    with open_input(path) as handle:
        try:
            while block := handle.read(1 << 20):
                blocks.append(block)
        except EOFError:
            pass  # the stream is cut off; what came before the cut counts
    raw = b"".join(blocks)
    if raw.startswith(codecs.BOM_UTF16_LE):
        raw = raw.decode("utf-16").encode()
    pages = re.split(rb"<page[\s>]", raw)[1:]
    return sum(max(1, len(re.findall(rb"<revision[\s>]", page))) for page in pages)


def account(path: Path) -> Counter[str] | None:
    """Documents and others by kind that our source makes of a file; None if it refuses the file with an
    error.
    """
    found: Counter[str] = Counter()
    try:
        source = Wikipedia(path=str(path), wiki="testwiki", language="en")
        for part in source.parts():
            for reading in source.read(part):
                found["documents"] += reading.batch.num_rows
                found.update(dropped.reason for dropped in reading.dropped)
                found.update(quarantined.kind for quarantined in reading.quarantined)
    except CorpuskitError:
        return None
    return found


# ---------------------------------------------------------------------------------------------------- memory


def memory(options: Options) -> list[Row]:
    """Peak resident memory of the largest process of a build with two workers, dump after dump."""
    names = [("derived", "enwiki", "enwiki-derived-pages-articles-multistream.xml.bz2")]
    if not options.quick:
        names += [("wikipedia", dump.split()[0], file) for dump, (_, file) in DUMPS.items()]
        names += [("wikipedia", "enwiktionary", "enwiktionary-test-pages-articles.xml.bz2")]
        names += [("wikipedia", "enwiki", "enwik8-first-4154517-bytes.xml")]
    peaks = {}
    for folder, wiki, file in names:
        with tempfile.TemporaryDirectory(prefix="corpuskit-wikitext-") as work:
            recipe = Path(work) / "recipe.yaml"
            source = {"wikipedia": {"path": str(options.corpora / folder / file), "wiki": wiki}}
            recipe.write_text(yaml.safe_dump({"sources": [source]}))
            command = [sys.executable, "-m", "corpuskit", "build", str(recipe), "--out", f"{work}/run"]
            log = Path(work) / "log"
            used = measure_command([*command, "--workers", "2", "--json"], cwd=ROOT, stderr=log)
            if used.exit_code:
                raise SystemExit(f"{' '.join(command)} failed ({used.exit_code}):\n{log.read_text()[-4000:]}")
            peaks[file] = used.largest_mib
    worst = max(peaks, key=lambda file: peaks[file])
    return compare(
        "memory of the largest process of a build",
        peaks[worst],
        {},
        unit="MiB",
        better="lower",
        bar=Bar(400.0, "value", "at most"),
        input=f"{len(peaks)} dumps, a build of each with two workers",
        note=", ".join(f"{file} {peak:.0f}" for file, peak in peaks.items()),
    )


if __name__ == "__main__":
    print(json.dumps(measure_hostile(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
