"""infini-gram and pydivsufsort on a line of tokens.

    python -m benchmarks.peers.ngrams prepare LINE.npy FOLDER
    python -m benchmarks.peers.ngrams sort LINE.npy
    python -m benchmarks.peers.ngrams count FOLDER QUERIES.json END VOCAB

`prepare` writes what infini-gram's own indexing goes on with: its separator before each document instead of
an end of text behind. `sort` prints processor seconds of a suffix array of the whole line; `count` prints
counts and seconds of queries as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path


def prepare(line: str, folder: str) -> None:
    """Write tokenized.0 and offset.0; documents end with the id 0."""
    import numpy as np

    tokens = np.load(line)
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    # The end of each document becomes the separator before the next one.
    turned = np.concatenate([[0xFFFF], np.where(tokens == 0, 0xFFFF, tokens)[:-1]]).astype("<u2")
    turned.tofile(place / "tokenized.0")
    (2 * np.flatnonzero(turned == 0xFFFF)).astype("<u8").tofile(place / "offset.0")


def sort(line: str) -> None:
    """A suffix array of the whole line."""
    import numpy as np
    from pydivsufsort import divsufsort

    tokens = np.load(line)
    start = time.process_time()
    divsufsort(tokens)
    print(time.process_time() - start)


def count(folder: str, queries: str, end: str, vocabulary: str) -> None:
    """Counts of queries, one after the other, twice: the second time everything is in memory."""
    from infini_gram.engine import InfiniGramEngine

    # Its separator is the id that nothing else has; any id of the vocabulary does for the end.
    engine = InfiniGramEngine(
        index_dir=folder, eos_token_id=int(end), vocab_size=int(vocabulary), token_dtype="u16"
    )
    asked = json.loads(Path(queries).read_text())
    found: list[int] = []
    seconds = 0.0
    for _ in range(2):
        start = time.perf_counter()
        found = [engine.count(input_ids=query)["count"] for query in asked]
        seconds = time.perf_counter() - start
    print(json.dumps({"counts": found, "seconds": seconds}))


if __name__ == "__main__":
    {"prepare": prepare, "sort": sort, "count": count}[sys.argv[1]](*sys.argv[2:])
