"""Law 8: memory does not grow with the corpus. Coarse: 4 times the input, a quarter more memory at most."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from corpuskit.documents.batch import BATCH_BYTES

RECIPE = """\
sources:
  - files: {path: big.jsonl, label: big}
stages:
  - whitespace
  - length: {min_words: 3}
  - exact_duplicates
tokenizer: {file: tokenizer.json}
shards: {split: {validation: 0.02}}
"""


LARGE = """\
sources:
  - files: {path: big.txt, label: big}
stages:
  - unicode
  - whitespace
  - length: {min_words: 3}
  - near_duplicates
tokenizer: {vocab_size: 600}
shards: {split: {validation: 0.02}}
"""


def peak(corpus: Path, run: Path, environment: Callable[..., dict[str, str]]) -> int:
    """Peak resident bytes of a build with one worker, where all tasks run in one process."""
    code = (
        "import sys, resource; from corpuskit import build_corpus;"
        "build_corpus(sys.argv[1], sys.argv[2]);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)"
    )
    words = [sys.executable, "-c", code, str(corpus / "recipe.yaml"), str(run)]
    env = environment(RAYON_NUM_THREADS="1", MALLOC_ARENA_MAX="2")
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.slow
def test_four_times_the_input_needs_no_more_memory(
    tmp_path: Path, prose: Callable[..., Any], built: Path, environment: Callable[..., dict[str, str]]
) -> None:
    """12 MB and 48 MB in one part: both are many batches of 4 MiB. Bound: a quarter more, or 12 batches."""
    writer = prose(2)
    block = [writer.text(600) for _ in range(400)]
    peaks = []
    for times in (1, 4):
        corpus = tmp_path / str(times)
        corpus.mkdir()
        (corpus / "recipe.yaml").write_text(RECIPE)
        (corpus / "tokenizer.json").write_bytes((built / "run/tokenizer/tokenizer.json").read_bytes())
        size, number = 0, 0
        with (corpus / "big.jsonl").open("w") as file:
            while size < times * 12e6:
                text = f"{number} {block[number % len(block)]}"
                size += file.write(json.dumps({"id": number, "text": text}) + "\n")
                number += 1
        peaks.append(peak(corpus, corpus / "run", environment))
    small, large = peaks
    assert large <= max(1.25 * small, small + 12 * BATCH_BYTES), (
        f"{small / 1e6:.0f} MB and {large / 1e6:.0f} MB"
    )


@pytest.mark.parametrize("script", [pytest.param("Latin", marks=pytest.mark.slow), "Chinese"])
def test_one_large_document_needs_less_than_20_times_its_size(
    script: str, tmp_path: Path, prose: Callable[..., Any], environment: Callable[..., dict[str, str]]
) -> None:
    """A document of 2 MB without a line end against one of 4 MB: what the second takes more, by its 2 MB.

    The difference of two peaks is free of what libraries take once. Whole words in a list, or a whole text
    given to the tokenizer, take 40 times and more.
    """
    chance = prose(4)
    letters = [chr(0x4E00 + 9 * n) for n in range(900)]
    of = {
        "Latin": lambda: chance.sentence() + " ",
        "Chinese": lambda: "".join(chance.random.choices(letters, k=20)) + "\uff0c",
    }[script]
    block = "".join(of() for _ in range(2000))
    peaks, sizes = [], []
    for megabytes in (2, 4):
        corpus = tmp_path / str(megabytes)
        corpus.mkdir()
        text = block * (megabytes * 1_000_000 // len(block.encode()))
        sizes.append(len(text.encode()))
        (corpus / "big.txt").write_text(text, encoding="utf-8")
        (corpus / "recipe.yaml").write_text(LARGE)
        peaks.append(peak(corpus, corpus / "run", environment))
    assert peaks[1] - peaks[0] < 20 * (sizes[1] - sizes[0]), [size / 1e6 for size in (*peaks, *sizes)]
