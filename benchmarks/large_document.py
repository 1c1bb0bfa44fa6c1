"""Memory of one large document through a whole build, in scripts of one, two and three bytes a character.

A child process builds a small document first: what it has taken by then is the base of a worker. What it takes
beyond that for a document of 5 or 20 MB of UTF-8 is measured by the kernel's peak, and told in times of the
document. There is no peer: each tool of the path hands whole documents to the next.
"""

from __future__ import annotations

import random
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

BAR = 20
"""Times the document that a worker may take above its base."""

SCRIPTS = {
    "Latin": ("abcdefghilmnoprstuvàéöß", " ", ". "),
    "Cyrillic": ("абвгдежзиклмнопрстуфчшыья", " ", ". "),
    "Chinese": (
        "的一是不了在人有我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家",
        "，",
        "。",
    ),
}


def text_of(script: str, size: int, *, lines: bool) -> str:
    """About ``size`` bytes of invented prose of a script, with or without line ends; the same each time."""
    letters, between, end = SCRIPTS[script]
    chance = random.Random(7)
    words = ["".join(chance.choices(letters, k=chance.randint(2, 9))) for _ in range(8000)]
    picked, length = [], 0
    while length < size:
        sentence = between.join(chance.choices(words, k=14)) + end
        # A line end now and then, as between paragraphs.
        sentence += "\n" if lines and chance.random() < 0.1 else ""
        picked.append(sentence)
        length += len(sentence.encode())
    return "".join(picked)


def child(script: str, size: int, lines: bool) -> dict[str, Any]:
    """Build a small and then a large document in this process; peaks in bytes."""
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

    def build(folder: Path, text: str) -> dict[str, int]:
        (folder / "in").mkdir(parents=True)
        (folder / "in" / "a.txt").write_text(text, encoding="utf-8")
        del text
        steps = [Files(path=str(folder / "in"), label="x"), Unicode(), Whitespace(), Length()]
        steps += [ExactDuplicates(), NearDuplicates(), TrainTokenizer(vocab_size=2000), WriteShards()]
        peaks: dict[str, int] = {}

        def listen(event: str, facts: Any) -> None:
            if event == "done":
                peaks[facts["title"]] = facts["peak_bytes"]

        build_corpus(steps, folder / "run", listen=listen)
        return peaks

    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder, "small"), text_of(script, 20_000, lines=lines))
        base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        source = Path(folder, "text")
        # Made in a process of its own, so that the making does not count.
        code = f"from benchmarks.large_document import *; Path({str(source)!r}).write_text(text_of({script!r}, {size}, lines={lines}), encoding='utf-8')"
        subprocess.run([sys.executable, "-c", code], check=True)
        peaks = build_file(Path(folder, "large"), source, build)
    return {"base": base, "peaks": peaks}


def build_file(folder: Path, source: Path, build: Any) -> dict[str, int]:
    return build(folder, source.read_text(encoding="utf-8"))


if __name__ == "__main__":
    out = child(sys.argv[1], int(sys.argv[2]), sys.argv[3] == "1")
    b = out["base"]
    n = int(sys.argv[2])
    print(
        sys.argv[1:], "base", b >> 20, {k: round((v - b) / n, 1) for k, v in out["peaks"].items()}, flush=True
    )
