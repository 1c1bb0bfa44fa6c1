"""Repeats as datatrove finds them: lines that stand twice, and n-grams of an evaluation.

Run by the Python of the peers' environment, never imported by the package::

    python -m benchmarks.peers.repeats lines IN.jsonl WORK
    python -m benchmarks.peers.repeats decontaminate IN.jsonl WORK EVALUATION.jsonl

One task after the other, one worker; ``WORK/out`` holds what is left, as rows of JSON. Words are split at
white space, since the tokenizer that datatrove loads for English takes most of its time.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.decont import n_grams
from datatrove.pipeline.decont.n_grams import NGramsDecontConfig, NGramsDecontFilter, NGramsDecontIndexer
from datatrove.pipeline.dedup import sentence_dedup
from datatrove.pipeline.dedup.sentence_dedup import (
    SentDedupConfig,
    SentenceDedupFilter,
    SentenceDedupSignature,
    SentenceFindDedups,
)
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.logging import logger
from datatrove.utils.word_tokenizers import WordTokenizer


class AtBlanks(WordTokenizer):
    """Words at white space, sentences at ends of lines."""

    def word_tokenize(self, text: str) -> list[str]:
        return text.split()

    def sent_tokenize(self, text: str) -> list[str]:
        return text.splitlines()

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        spans, at = [], 0
        for line in text.splitlines(keepends=True):
            spans.append((at, at + len(line)))
            at += len(line)
        return spans


def run(work: Path, name: str, steps: list[PipelineStep]) -> None:
    """One stage, in this process."""
    LocalPipelineExecutor(steps, tasks=1, workers=1, logging_dir=str(work / "logs" / name)).run()


def lines(source: Path, work: Path) -> None:
    """Lines that stand twice go, but for the first of each."""
    config = SentDedupConfig(n_sentences=1, split_sentences=False, only_dedup_in_index=False)
    config.min_doc_words = config.min_num_sentences = 0
    read = JsonlReader(str(source.parent), glob_pattern=source.name)
    run(work, "signatures", [read, SentenceDedupSignature(str(work / "signatures"), config=config)])
    run(work, "find", [SentenceFindDedups(str(work / "signatures"), str(work / "found"), config=config)])
    read = JsonlReader(str(source.parent), glob_pattern=source.name)
    cut = SentenceDedupFilter(str(work / "found"), config=config)
    run(work, "cut", [read, cut, JsonlWriter(str(work / "out"), compression=None)])


def decontaminate(source: Path, work: Path, evaluation: Path) -> None:
    """Documents that share 13 words with an item go."""
    config = NGramsDecontConfig(n_grams=13)
    indexer = NGramsDecontIndexer(str(work / "index"), config=config)
    hashes: set[int] = set()
    for line in evaluation.read_text(encoding="utf-8").splitlines():
        hashes.update(indexer.compute_hashes(json.loads(line)["text"]))
    # What its `run` would write, which would ask lighteval for more items.
    place = work / "index" / "evaluation.index.hashes"
    place.parent.mkdir(parents=True, exist_ok=True)
    np.array(list(hashes), dtype=config.hash_config.np_descr).tofile(place)
    read = JsonlReader(str(source.parent), glob_pattern=source.name)
    drop = NGramsDecontFilter(str(work / "index"), config=config)
    run(work, "drop", [read, drop, JsonlWriter(str(work / "out"), compression=None)])


if __name__ == "__main__":
    logger.remove()
    for module in (n_grams, sentence_dedup):
        module.load_word_tokenizer = lambda language: AtBlanks()
    # It asks for lighteval, whose items are not wanted here.
    NGramsDecontIndexer._requires_dependencies = []
    globals()[sys.argv[1]](*map(Path, sys.argv[2:]))
