"""Repeats across documents: planted ones of each kind, and how fast they are found.

Planted: documents of chance words, into which paragraphs, lines, runs of words and evaluation items are put
at known places. Speed: real books in several editions, whole commands on one worker, beside datatrove's
deduplication of lines and its decontamination. Lee et al.'s suffix arrays need their own Rust program and are
no peer here.
"""

from __future__ import annotations

import gzip
import json
import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.harness import Bar, Options, Row, compare, peer_versions, run_benchmark
from benchmarks.measure import measure_command
from corpuskit import Decontaminate, Files, LineRepeats, ParagraphRepeats, SubstringDuplicates, build_corpus
from corpuskit.stages.barrier import Barrier

EVERY = Bar(100.0, of="value")
NONE = Bar(0.0, of="value", side="at most")

Documents = dict[str, str]


def planted(options: Options) -> list[Row]:
    """Every planted repeat is found, and nothing else is cut."""
    count = 2_000 if options.quick else 20_000
    rows = []
    for kind, make in KINDS.items():
        stage, documents, expected, items = make(random.Random(1), count)
        with tempfile.TemporaryDirectory() as folder:
            right, wrong = _outcome(Path(folder), stage, documents, expected, items)
        told = f"{count:,} documents of chance words, {len(expected):,} plants"
        rows += compare(f"planted {kind} found", right, {}, unit="%", better="higher", input=told, bar=EVERY)
        rows += compare(f"{kind} invented", wrong, {}, unit="bytes", better="lower", input=told, bar=NONE)
    return rows


def _outcome(
    folder: Path,
    stage: Callable[[str], Barrier],
    documents: Documents,
    expected: Sequence[str],
    items: Documents,
) -> tuple[float, float]:
    """Percent of the plants of which one copy (or none, of an evaluation's) is left; bytes cut besides."""
    _write(folder / "in.jsonl", documents)
    _write(folder / "exam.jsonl", items)
    source = Files(path=str(folder / "in.jsonl"), label="x")
    build_corpus([source, stage(str(folder / "exam.jsonl"))], folder / "run")
    texts = [r["text"] for r in _rows(folder / "run" / "documents")]
    whole = "\n".join(texts)
    left = 0 if items else 1
    right = sum(whole.count(plant) == left for plant in expected)
    wrong = 0
    for row in _rows(folder / "run" / "cuts"):
        rest = row["text"]
        for plant in (plant for plant in expected if plant in rest):  # Two may stand side by side.
            rest = rest.replace(plant, "")
        wrong += len(rest.strip().encode())
    return 100.0 * right / len(expected), float(wrong)


def _rows(folder: Path) -> list[dict[str, Any]]:
    return [row for path in sorted(folder.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def _write(path: Path, documents: Documents) -> None:
    lines = (json.dumps({"id": name, "text": text}) for name, text in documents.items())
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _words(chance: random.Random, count: int) -> str:
    """Words of a few letters: no run of ten of them comes twice."""
    return " ".join(
        f"{chance.choice('bdfgklmnprst')}{chance.choice('aeiou')}{chance.randrange(10**4)}"
        for _ in range(count)
    )


def _pages(chance: random.Random, count: int) -> list[list[str]]:
    """Texts as pieces."""
    return [[_words(chance, chance.randrange(15, 40)) for _ in range(5)] for _ in range(count)]


def _put(chance: random.Random, pages: list[list[str]], plants: Sequence[str], copies: int) -> None:
    """Put each plant into so many pages, between others of their pieces."""
    for plant in plants:
        for page in chance.sample(pages, copies):
            page.insert(chance.randrange(1, len(page)), plant)


def _documents(pages: list[list[str]], between: str) -> Documents:
    return {f"d{number}": between.join(page) for number, page in enumerate(pages)}


def _units(between: str, stage: Barrier) -> Callable[[random.Random, int], Any]:
    def make(chance: random.Random, count: int) -> Any:
        pages = _pages(chance, count)
        plants = [_words(chance, chance.randrange(4, 12)) for _ in range(count // 20)]
        _put(chance, pages, plants, 4)
        _put(chance, pages, [_words(chance, 8) for _ in range(count // 20)], 2)  # too few documents
        return lambda _: stage, _documents(pages, between), plants, {}

    return make


def _substrings(chance: random.Random, count: int) -> Any:
    pages = _pages(chance, count)
    plants = [_words(chance, chance.randrange(50, 90)) for _ in range(count // 20)]
    _put(chance, pages, plants, 2)
    _put(chance, pages, [_words(chance, 49) for _ in range(count // 20)], 2)  # a word too few
    return lambda _: SubstringDuplicates(), _documents(pages, " "), plants, {}


def _evaluation(chance: random.Random, count: int) -> Any:
    pages = _pages(chance, count)
    plants = [_words(chance, chance.randrange(13, 30)) for _ in range(count // 20)]
    near = [_words(chance, 20) for _ in range(count // 20)]
    _put(chance, pages, [plant.title() for plant in plants], 1)
    _put(chance, pages, [" ".join(text.split()[:12]) for text in near], 1)
    items = {f"q{number}": text for number, text in enumerate([*plants, *near])}
    titles = [plant.title() for plant in plants]
    return lambda exam: Decontaminate(against=exam, action="cut"), _documents(pages, " "), titles, items


KINDS = {
    "paragraphs": _units("\n\n", ParagraphRepeats()),
    "lines": _units("\n", LineRepeats()),
    "substrings": _substrings,
    "evaluation items": _evaluation,
}


# --------------------------------------------------------------------------------------------------- speed
def speed(options: Options) -> list[Row]:
    """Whole commands on books in several editions, on one worker."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        size = _books(options.corpora, work / "in" / "books.jsonl", 60 if options.quick else 200)
        told = f"books of Project Gutenberg, {size:.0f} MB"
        peers = options.there("speed", ("datatrove",))
        rows = []
        for kind, peer in (
            ("paragraphs", ""),
            ("lines", "lines"),
            ("substrings", ""),
            ("decontaminate", "decontaminate"),
        ):
            figures = {}
            if peer and peers:
                [version] = peer_versions(options.peers, ("datatrove",))
                figures[f"datatrove {version}"] = size / _peer(options, work, peer)
            ours = size / _ours(work, kind)
            note = "" if peer else "no peer that runs from a package"
            rows += compare(
                f"{kind}, speed", ours, figures, unit="MB/cpu-s", better="higher", input=told, note=note
            )
        rows += compare(
            "decontaminate, documents dropped",
            _dropped(work / "run-decontaminate" / "dropped"),
            {name: _missing(work) for name in figures},
            unit="documents",
            better="higher",
            input=told,
        )
        return rows


def _books(corpora: Path, path: Path, most: int) -> float:
    """Write books as rows, and an evaluation of some of their sentences; MB of text."""
    texts: Documents = {}
    for file in sorted((corpora / "gutenberg").glob("*/*.txt.gz"))[:most]:
        text = gzip.decompress(file.read_bytes()).decode("utf-8", "replace").replace("\r\n", "\n")
        texts[f"{file.parent.name}-{file.name}"] = text
    path.parent.mkdir()
    _write(path, texts)
    some = [text.split()[5000:5020] for text in list(texts.values())[::10]]
    _write(path.parent.parent / "exam.jsonl", {f"q{i}": " ".join(words) for i, words in enumerate(some)})
    return sum(len(text.encode()) for text in texts.values()) / 1e6


def _dropped(folder: Path) -> float:
    return float(sum(row["reason"] == "contaminated" for row in _rows(folder)))


def _missing(work: Path) -> float:
    """How many documents the peer has left out."""
    files = [work / "in" / "books.jsonl", *(work / "peer-decontaminate" / "out").glob("*.jsonl")]
    before, *after = (sum(1 for _ in file.open(encoding="utf-8")) for file in files)
    return float(before - sum(after))


def _ours(work: Path, kind: str) -> float:
    """Processor seconds of a whole build."""
    stage = {
        "paragraphs": "paragraph_repeats: {min_documents: 2}",
        "lines": "line_repeats: {min_documents: 2}",
        "substrings": "substring_duplicates",
        "decontaminate": "decontaminate: {against: exam.jsonl}",
    }[kind]
    recipe = work / f"{kind}.yaml"
    recipe.write_text(f"sources: [{{files: {{path: in, label: x}}}}]\nstages:\n- {stage}\n")
    command = [
        sys.executable,
        "-m",
        "corpuskit",
        "build",
        str(recipe),
        "--out",
        str(work / f"run-{kind}"),
        "--quiet",
    ]
    return _cpu(command)


def _peer(options: Options, work: Path, what: str) -> float:
    place = work / f"peer-{what}"
    command = [str(options.peers.absolute()), "-m", "benchmarks.peers.repeats", what]
    command += [str(work / "in" / "books.jsonl"), str(place)]
    return _cpu([*command, *([str(work / "exam.jsonl")] if what == "decontaminate" else [])])


def _cpu(command: Sequence[str]) -> float:
    used = measure_command(command, cwd=Path(__file__).resolve().parents[1])
    if used.exit_code:
        raise RuntimeError(f"{' '.join(command)}: ended with {used.exit_code}")
    return used.cpu_s


if __name__ == "__main__":
    sys.exit(run_benchmark("repeats", {"planted": planted, "speed": speed}))
