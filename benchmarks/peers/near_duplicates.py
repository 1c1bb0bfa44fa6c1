"""Signatures and near duplicates by the peers; run by benchmarks.dedup in the peers' environment.

    python near_duplicates.py TOOL TASK TEXTS.jsonl     prints one JSON object

TASK is ``sign`` or ``find``. Each tool gets shingles that Python makes: sets of word 5-grams, lower case. To
find, each text is looked up among those before it, and what is found must reach 0.8 by the signatures; then
it is a copy, named with the first one that it resembles.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PERMUTATIONS, SEED, THRESHOLD, BANDS, NGRAM = 128, 1, 0.8, 16, 5
_WORD = re.compile(r"\w+")


def shingles(text: str) -> list[str]:
    """The set of word 5-grams; all words of a text of fewer."""
    words = _WORD.findall(text.lower())
    if len(words) < NGRAM:
        return [" ".join(words)] if words else []
    return list({" ".join(words[i : i + NGRAM]) for i in range(len(words) - NGRAM + 1)})


def by_rensa() -> tuple[Callable[[str], Any], Callable[[Any, Any], float], Any]:
    """Its own signatures and its own index."""
    from rensa import RMinHash, RMinHashLSH

    def sign(text: str) -> Any:
        made = RMinHash(num_perm=PERMUTATIONS, seed=SEED)
        made.update(shingles(text))
        return made

    return sign, lambda a, b: a.jaccard(b), RMinHashLSH(THRESHOLD, PERMUTATIONS, BANDS)


def by_datasketch() -> tuple[Callable[[str], Any], Callable[[Any, Any], float], Any]:
    """Its signatures over XXH32, which is faster than its own hash, and its index."""
    import xxhash
    from datasketch import MinHash, MinHashLSH

    base = MinHash(num_perm=PERMUTATIONS, seed=SEED, hashfunc=xxhash.xxh32_intdigest)

    def sign(text: str) -> Any:
        made = base.copy()
        made.update_batch([gram.encode() for gram in shingles(text)])
        return made

    return sign, lambda a, b: a.jaccard(b), MinHashLSH(THRESHOLD, PERMUTATIONS)


TOOLS = {"rensa": by_rensa, "datasketch": by_datasketch}


def find(tool: str, texts: list[str]) -> Iterator[tuple[int, int]]:
    """Each copy with the text that it repeats."""
    sign, similarity, index = TOOLS[tool]()
    kept = {}
    for number, text in enumerate(texts):
        made = sign(text)
        alike = [k for k in index.query(made) if similarity(kept[k], made) >= THRESHOLD]
        if alike:
            yield number, min(alike)
        else:
            index.insert(number, made)
            kept[number] = made


def main(tool: str, task: str, path: str) -> None:
    """Do it once on a few texts, then on all, and print the processor seconds of that."""
    texts = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
    sign = TOOLS[tool]()[0]
    for text in texts[:50]:
        sign(text)
    started = time.process_time()
    found: list[tuple[int, int]] = []
    if task == "sign":
        for text in texts:
            sign(text)
    else:
        found = list(find(tool, texts))
    print(json.dumps({"cpu_s": time.process_time() - started, "found": found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
