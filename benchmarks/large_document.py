"""Memory of one large document through a whole build, in scripts of one, two and three bytes a character.

A process of its own builds 60 small documents first: what it has taken by then, caches of the libraries
included, is the base of a worker. What the kernel's peak shows beyond it for a document of 5 or 20 MB is told
in times of the document's UTF-8 bytes. Half of them have no line ends. There is no peer to compare with:
those of the other benchmarks are chains of tools.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import tempfile
from argparse import Namespace
from pathlib import Path
from typing import Any

from benchmarks.harness import OURS, Bar, Row, run_benchmark

BAR = Bar(20, of="value", side="at most")

# Letters of words, what parts them, and what ends a sentence.
SCRIPTS = {
    "Latin": ("abcdefghilmnoprstuv\u00e0\u00e9\u00f6\u00df", " ", ". "),
    "Cyrillic": ("".join(map(chr, range(0x430, 0x44F))), " ", ". "),
    "Chinese": ("".join(map(chr, range(0x4E00, 0x4E00 + 900, 9))), "\uff0c", "\u3002"),
}


def text_of(script: str, size: int, *, lines: bool) -> str:
    """About ``size`` bytes of invented prose of a script, the same each time.

    Args:
        lines: whether every tenth sentence or so ends a line.
    """
    letters, between, end = SCRIPTS[script]
    chance = random.Random(7)
    words = ["".join(chance.choices(letters, k=chance.randint(2, 9))) for _ in range(8000)]
    sentences, length = [], 0
    while length < size:
        line_end = "\n" if lines and chance.random() < 0.1 else ""
        sentences.append(between.join(chance.choices(words, k=14)) + end + line_end)
        length += len(sentences[-1].encode())
    return "".join(sentences)


def times(script: str, size: int, *, lines: bool) -> float:
    """Peak above the base, in times of a document of ``size`` bytes, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        text = text_of(script, size, lines=lines)
        for name, texts in (
            ("small", [text[n * 9000 : n * 9000 + 9000] for n in range(60)]),
            ("large", [text]),
        ):
            (Path(folder) / name).mkdir()
            for number, one in enumerate(texts):
                (Path(folder) / name / f"{number}.txt").write_text(one, encoding="utf-8")
        command = [sys.executable, "-m", "benchmarks.large_document", "--child", folder]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        base, peak = json.loads(done.stdout)
        return float(peak - base) / len(text.encode())


def child(folder: Path) -> list[int]:
    """Build both corpora of a folder in this process; its peak after each, in bytes."""
    from corpuskit import (
        ExactDuplicates,
        Files,
        Length,
        NearDuplicates,
        TrainTokenizer,
        Unicode,
        Whitespace,
        WriteShards,
        build_corpus,
    )

    peaks = []
    for name in ("small", "large"):
        steps: list[Any] = [Files(path=str(folder / name), label="x"), Unicode(), Whitespace(), Length()]
        steps += [ExactDuplicates(), NearDuplicates(), TrainTokenizer(vocab_size=2000), WriteShards()]
        build_corpus(steps, folder / f"run-{name}")
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    return peaks


def collect(options: Namespace) -> list[Row]:
    """A row for each script and size; with --quick of 5 MB alone."""
    rows = []
    for size in (5_000_000,) if options.quick else (5_000_000, 20_000_000):
        for script in SCRIPTS:
            for lines in (True, False):
                found = times(script, size, lines=lines)
                shape = "lines" if lines else "one line"
                what = f"{script}, {size // 10**6} MB, {shape}"
                value, met = round(found, 1), BAR.is_met(found, None)
                rows.append(Row(what, OURS, value, "x", bar=str(BAR), met=met, input="invented prose"))
    return rows


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(child(Path(sys.argv[2]))))
    else:
        sys.exit(run_benchmark("large_document", collect))
