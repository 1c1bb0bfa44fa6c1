"""The one contract of all benchmarks: rows, timing of functions, a table, JSON, the command line.

A benchmark module defines ``collect(options) -> list[Row]`` and ends with::

    if __name__ == "__main__":
        sys.exit(run_benchmark("path", collect))

and is run as ``python -m benchmarks.path [--quick] [--json FILE]``. Ours and the peers are measured on the
same input in the same run: whole commands with `benchmarks.measure`, functions with `time_functions`, which
takes turns between the sides so that a busy moment of the machine falls on all of them.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeVar

from rich.console import Console
from rich.table import Table

T = TypeVar("T")
Better = Literal["lower", "higher"]
OURS = "corpuskit"


class MissingError(SystemExit):
    """A peer, a program or data that rows need is not there; the message says what to do."""


class Bar(NamedTuple):
    """A limit that our figure must keep.

    Attributes:
        limit: The limit itself, inclusive.
        of: What is held against it: our ``ratio`` to the best peer, or our ``value``.
        side: Whether the limit is the least or the most that is allowed.
    """

    limit: float
    of: Literal["ratio", "value"] = "ratio"
    side: Literal["at least", "at most"] = "at least"

    def is_met(self, value: float, ratio: float | None) -> bool:
        """Whether a figure keeps the limit. A bar on the ratio is not met while no peer was measured."""
        held = ratio if self.of == "ratio" else value
        if held is None:
            return False
        return held >= self.limit if self.side == "at least" else held <= self.limit

    def __str__(self) -> str:
        return f"{self.of} {self.side} {self.limit:g}"


@dataclass(frozen=True)
class Row:
    """One measured figure.

    Attributes:
        what: What was measured, the same words for all sides.
        tool: Who did it, with its version for a peer; ours begins with ``corpuskit``.
        value: The figure.
        unit: Its unit, e.g. ``s``, ``MB/s``, ``MiB``, ``documents``.
        best_peer: Name of the best peer, on our row only.
        ratio: How many times better ours is than the best peer (above 1: better), on our row only.
        bar: The limit in words, on our row only where a bar is answered.
        met: Whether the bar is met; stands exactly where ``bar`` does.
        input: What it was measured on, with its size.
        note: What a reader must know beside it.
    """

    what: str
    tool: str
    value: float
    unit: str
    best_peer: str | None = None
    ratio: float | None = None
    bar: str | None = None
    met: bool | None = None
    input: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        for name in ("what", "tool", "unit", "input"):
            if not getattr(self, name):
                raise ValueError(f"row '{self.what}' of {self.tool}: '{name}' is empty; every row names it")
        if isinstance(self.value, bool) or not math.isfinite(self.value):
            raise ValueError(f"row '{self.what}' of {self.tool}: value {self.value!r} is no finite number")
        if (self.best_peer is None) != (self.ratio is None):
            raise ValueError(
                f"row '{self.what}' of {self.tool}: best_peer and ratio come together or not at all"
            )
        if self.ratio is not None and not (math.isfinite(self.ratio) and self.ratio > 0):
            raise ValueError(f"row '{self.what}' of {self.tool}: ratio {self.ratio!r} is not above 0")
        if (self.bar is None) != (self.met is None):
            raise ValueError(f"row '{self.what}' of {self.tool}: bar and met come together or not at all")
        if not self.is_ours and (self.ratio is not None or self.bar is not None):
            raise ValueError(
                f"row '{self.what}' of {self.tool}: ratio and bar stand on our row, not on a peer's"
            )

    @property
    def is_ours(self) -> bool:
        """Whether the figure is this project's."""
        return self.tool.split()[0] == OURS

    @classmethod
    def from_json(cls, values: Mapping[str, object]) -> Row:
        """A checked row from a JSON object that has all fields and no other."""
        names = [field.name for field in fields(cls)]
        if sorted(values) != sorted(names):
            odd = sorted(set(values) ^ set(names))
            raise ValueError(
                f"a benchmark row has the fields {', '.join(names)}; missing or unknown: {', '.join(odd)}"
            )
        return cls(**values)  # type: ignore[arg-type]


def compare(
    what: str,
    ours: float | None,
    peers: Mapping[str, float],
    *,
    unit: str,
    better: Better,
    input: str,
    bar: Bar | None = None,
    note: str = "",
    notes: Mapping[str, str] | None = None,
) -> list[Row]:
    """Rows of one comparison: ours first, with the ratio to the best peer and the bar, then the peers.

    Args:
        what: What was measured.
        ours: Our figure; None while ours cannot run, then only the peers' rows come back.
        peers: Figure by tool.
        unit: Unit of all figures.
        better: Whether a lower or a higher figure is better.
        input: What it was measured on.
        bar: The limit our figure must keep.
        note: Note on our row; beside a figure of 0 there is no ratio.
        notes: Notes on the peers' rows, by tool.
    """
    rows = [
        Row(what, tool, value, unit, input=input, note=(notes or {}).get(tool, ""))
        for tool, value in sorted(peers.items(), key=lambda item: item[1], reverse=better == "higher")
    ]
    if ours is None:
        return rows
    best = rows[0] if rows else None
    ratio = None
    if best is not None:
        over, under = (best.value, ours) if better == "lower" else (ours, best.value)
        ratio = round(over / under, 3) if over > 0 and under > 0 else None
    our_row = Row(
        what,
        OURS,
        ours,
        unit,
        best_peer=best.tool if best and ratio is not None else None,
        ratio=ratio,
        bar=str(bar) if bar else None,
        met=bar.is_met(ours, ratio) if bar else None,
        input=input,
        note=note,
    )
    return [our_row, *rows]


@dataclass(frozen=True)
class Timing:
    """Median wall and processor seconds of several runs, and the spread of the processor seconds.

    Attributes:
        wall_s: Median wall time of one run, seconds.
        cpu_s: Median user and system time of this process in one run, seconds.
        spread: (longest - shortest) / median of the processor times.
        runs: How many runs were measured.
    """

    wall_s: float
    cpu_s: float
    spread: float
    runs: int


def summarize(walls: Sequence[float], cpus: Sequence[float]) -> Timing:
    """The medians of the wall and processor seconds of several runs."""
    if not walls or len(walls) != len(cpus):
        raise ValueError(
            f"{len(walls)} wall and {len(cpus)} processor times; give as many of each, at least one"
        )
    cpu_s = statistics.median(cpus)
    spread = (max(cpus) - min(cpus)) / cpu_s if cpu_s else 0.0
    return Timing(statistics.median(walls), cpu_s, round(spread, 3), len(walls))


def time_functions(
    sides: Mapping[str, Callable[[], object]], *, runs: int = 5, warm_up: int = 1
) -> dict[str, Timing]:
    """Time functions of this process, taking turns: every side once, then every side again.

    Args:
        sides: Function by tool name. What a function returns is thrown away.
        runs: Measured runs of each side.
        warm_up: Runs of each side before them that are not measured.
    """
    if runs < 1:
        raise ValueError(f"runs is {runs}; measure at least one run")
    walls: dict[str, list[float]] = {tool: [] for tool in sides}
    cpus: dict[str, list[float]] = {tool: [] for tool in sides}
    for turn in range(warm_up + runs):
        for tool, function in sides.items():
            wall, cpu = time.perf_counter(), time.process_time()
            function()
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            if turn >= warm_up:
                walls[tool].append(wall)
                cpus[tool].append(cpu)
    return {tool: summarize(walls[tool], cpus[tool]) for tool in sides}


@dataclass(frozen=True)
class Options:
    """What the command line of a benchmark says.

    Attributes:
        quick: Use the smaller input that ends within ten minutes on 2 cores.
        json: File for the rows.
        corpora: Folder of the real corpora (``--corpora`` or ``CORPUSKIT_CORPORA``).
        peers: Python of the peers' environment (``--peers`` or ``.bench-venv``).
        only: The groups of rows to measure (``--only``), of a benchmark that has groups; empty for all.
        given: Paths that this benchmark alone asks for, by the names of their options.
        left_out: Rows that something was missing for, with what to do about it; shown below the table.
    """

    quick: bool
    json: Path | None
    corpora: Path
    peers: Path
    only: tuple[str, ...] = ()
    given: Mapping[str, Path] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def require_peers(self, *packages: str) -> Path:
        """The Python of the peers' environment; raises `MissingError` where it lacks one of the packages."""
        if not self.peers.exists():
            raise MissingError(
                f"{self.peers} is not there: run 'make bench-install', or name a Python with --peers"
            )
        if absent := [name for name in packages if name not in peers_there(self.peers, packages)]:
            raise MissingError(f"{self.peers} lacks {', '.join(absent)}: run 'make bench-install'")
        return self.peers

    def require(self, name: str) -> Path:
        """The path that an option of this benchmark gives; raises `MissingError` where it gives none."""
        if name not in self.given:
            raise MissingError(f"--{name} is not given: see benchmarks/README.md for what it is to be")
        return self.given[name]

    def there(self, rows: str, packages: Sequence[str]) -> list[str]:
        """Those of the peers that are installed; the rows of the others are left out."""
        found = peers_there(self.peers, packages) if self.peers.exists() else []
        if absent := [name for name in packages if name not in found]:
            remedy = "not installed: run 'make bench-install', or name a Python with --peers"
            self.left_out.append(f"{rows}, rows of {', '.join(absent)}: {remedy}")
        return found

    def attempt(self, rows: str, measure: Callable[[], T], otherwise: T) -> T:
        """What ``measure`` gives; ``otherwise`` where something that it needs is missing, which is noted."""
        try:
            return measure()
        except MissingError as error:
            self.left_out.append(f"{rows}: {error}")
        except FileNotFoundError as error:
            name = str(error.filename)
            if not name.startswith(str(self.corpora)):
                raise
            self.left_out.append(
                f"{rows}: the corpora lack {name.removeprefix(str(self.corpora)).strip('/')}"
            )
        return otherwise


def require_program(name: str) -> str:
    """The path of a program; raises `MissingError` where it is not installed."""
    if (path := shutil.which(name)) is None:
        raise MissingError(
            f"the program {name} is not there: install it (Debian, Ubuntu: apt-get install {name})"
        )
    return path


@cache
def peers_there(python: Path, packages: Sequence[str]) -> list[str]:
    """Those of the packages that the peers' Python has."""
    program = (
        "import importlib.metadata as m, sys\n"
        "for name in sys.argv[1:]:\n try: m.version(name); print(name)\n except m.PackageNotFoundError: pass"
    )
    command = [os.path.abspath(python), "-c", program, *packages]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def peer_versions(python: Path, packages: Sequence[str]) -> list[str]:
    """Versions of packages, as the Python of the peers' environment tells them."""
    program = "import importlib.metadata as m, sys; print(*map(m.version, sys.argv[1:]))"
    # The link is not followed: a virtual environment is known by the path of its own python.
    command = [os.path.abspath(python), "-c", program, *packages]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


Collect = Callable[[Options], list[Row]]
"""Measures and returns rows."""


def parse_options(
    name: str,
    arguments: Sequence[str] | None,
    groups: Sequence[str] = (),
    paths: Mapping[str, str] = MappingProxyType({}),
) -> Options:
    """The checked command line of a benchmark.

    Args:
        name: Name of the benchmark's module.
        arguments: The command line; default is the process's.
        groups: The names that ``--only`` takes.
        paths: Options of this benchmark alone that take a path, with their help.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description=f"Measures '{name}' against its peers (see benchmarks/README.md).",
    )
    parser.add_argument("--quick", action="store_true", help="smaller input, within ten minutes on 2 cores")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to FILE")
    parser.add_argument(
        "--corpora", type=Path, metavar="DIR", help="real corpora; default: CORPUSKIT_CORPORA"
    )
    parser.add_argument(
        "--peers",
        type=Path,
        metavar="PYTHON",
        default=Path(".bench-venv/bin/python"),
        help="default: %(default)s",
    )
    if groups:
        parser.add_argument(
            "--only", action="append", choices=groups, metavar="GROUP", help=f"one of {', '.join(groups)}"
        )
    for each, said in paths.items():
        parser.add_argument(f"--{each}", type=Path, metavar="PATH", help=said)
    parsed = parser.parse_args(arguments)
    given = {each: path.resolve() for each in paths if (path := getattr(parsed, each))}
    for each, path in given.items():
        if not path.exists():
            parser.error(f"--{each} {path} is not there")
    corpora = parsed.corpora or (Path(found) if (found := os.environ.get("CORPUSKIT_CORPORA")) else None)
    if corpora is None or not corpora.is_dir():
        parser.error(f"the folder of real corpora is {corpora}: set CORPUSKIT_CORPORA or give --corpora DIR")
    if parsed.json and not parsed.json.parent.is_dir():
        parser.error(f"--json {parsed.json}: its folder does not exist; create it first")
    only = tuple(parsed.only or ()) if groups else ()
    return Options(parsed.quick, parsed.json, corpora.resolve(), parsed.peers, only, given)


def run_benchmark(
    name: str,
    collect: Collect | Mapping[str, Collect],
    arguments: Sequence[str] | None = None,
    paths: Mapping[str, str] = MappingProxyType({}),
) -> int:
    """Measure, print the table, write the JSON. Returns the exit code, 1 when a bar of ours is not met.

    Groups for which something is missing are left out by name; where nothing is left, the exit code is 1.

    Args:
        name: Name of the benchmark's module.
        collect: What measures all rows; or by name what measures one group of them. With groups the JSON file
            is written after each, and ``--only`` measures some anew and leaves the other rows of the file.
        arguments: The command line; default is the process's.
        paths: Options of this benchmark alone that take a path, with their help.
    """
    groups = collect if isinstance(collect, Mapping) else {"": collect}
    options = parse_options(name, arguments, [group for group in groups if group], paths)
    kept = read_rows(options.json) if options.only and options.json and options.json.exists() else []
    rows: list[Row] = []
    for group, measure in groups.items():
        if options.only and group not in options.only:
            continue
        if group:
            print(f"{name}: {group}", file=sys.stderr, flush=True)
        rows += options.attempt(group or name, partial(measure, options), [])
        if options.json:
            write_rows(merge_rows(kept, rows), options.json)
    print_table(name, rows)
    for line in options.left_out:
        print(f"left out: {line}")
    return 1 if not rows or any(row.met is False for row in rows) else 0


def merge_rows(old: Sequence[Row], new: Sequence[Row]) -> list[Row]:
    """New rows in the places of the old ones that tell the same ``what``, the rest of them at the end."""
    fresh: dict[str, list[Row]] = {}
    for row in new:
        fresh.setdefault(row.what, []).append(row)
    merged: list[Row] = []
    for row in old:
        if row.what in fresh:
            merged += fresh[row.what]
            fresh[row.what] = []
        else:
            merged.append(row)
    return [*merged, *(row for rows in fresh.values() for row in rows)]


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """Write rows as a JSON list, one row a line so that two results can be compared line by line."""
    lines = [json.dumps(asdict(row), ensure_ascii=False) for row in rows]
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


def read_rows(path: Path) -> list[Row]:
    """Read rows that `write_rows` wrote, checking each."""
    values = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(values, list):
        raise ValueError(f"{path} holds a {type(values).__name__}; a benchmark's JSON is a list of rows")
    return [Row.from_json(value) for value in values]


def markdown_table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table without notes, for the README of the benchmarks."""
    lines = ["| what | tool | value | ratio | bar | met |", "|---|---|---:|---:|---|---|"]
    for row in rows:
        met, ratio = _cells(row)
        lines.append(
            f"| {row.what} | {row.tool} | {row.value:,.5g} {row.unit} | {ratio} | {row.bar or ''} | {met} |"
        )
    return "\n".join(lines) + "\n"


def _cells(row: Row) -> tuple[str, str]:
    met = "" if row.met is None else ("yes" if row.met else "NO")
    return met, "" if row.ratio is None else f"{row.ratio:.2f} x"


def print_table(name: str, rows: Sequence[Row], console: Console | None = None) -> None:
    """Print rows as a table, notes below it once each."""
    table = Table(title=f"benchmark {name}")
    for heading in ("what", "tool"):
        table.add_column(heading)
    for heading in ("value", "ratio"):
        table.add_column(heading, justify="right")
    for heading in ("bar", "met"):
        table.add_column(heading)
    for row in rows:
        met, ratio = _cells(row)
        table.add_row(row.what, row.tool, f"{row.value:,.5g} {row.unit}", ratio, row.bar or "", met)
    shown = console or Console()
    shown.print(table)
    for text in dict.fromkeys(f"{row.input}. {row.note}".strip() for row in rows):
        shown.print(f"- {text}", markup=False, highlight=False)
