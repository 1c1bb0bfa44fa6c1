"""What a model copies when it writes freely: runs of its samples that stand in the training split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from corpuskit.shards.ngrams.index import SplitNgrams
from corpuskit.shards.provenance import origins
from corpuskit.shards.reader import Shards
from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train.generate.generate import LanguageModel
from corpuskit.train.generate.sampling import Sampling
from corpuskit.train.memorize.windows import draw_windows

Ids = npt.NDArray[np.int64]

LONG_RUN = 20
"""Tokens in a row that are more than a turn of speech: what lies in such runs is counted as copied."""

_SHOWN = 5


def free_samples(
    model: LanguageModel, count: int, tokens: int, seed: int = 0, batch_rows: int = 32
) -> list[Ids]:
    """Texts that a model writes from nothing, as ids."""
    samples = model.generate("", tokens, Sampling(), seed, count, batch_rows=batch_rows)
    return [np.array(each.ids, np.int64) for each in samples]


def copied(index: SplitNgrams, texts: Sequence[Ids], shards: Shards, tokenizer: Tokenizer) -> dict[str, Any]:
    """How much of some texts stands in the training split, and the longest runs, traced.

    Returns:
        ``texts``, ``tokens``; ``share`` of the tokens in runs of `LONG_RUN` at least; ``longest`` and
        ``median`` of the longest run of each text; ``runs``: the longest ones, each once, with its text, how
        often it stands there, and document, source, licence, shard and token of one place.
    """
    found = index.matches(texts)
    total = sum(map(len, texts))
    lengths = [int(match.lengths[match.longest]) if len(match.lengths) else 0 for match in found]
    order = sorted(range(len(texts)), key=lambda number: (-lengths[number], number))
    longest = [texts[n][found[n].longest :][: lengths[n]] for n in range(len(texts))]
    # Each run once, however many texts hold it.
    runs = list({longest[n].tobytes(): n for n in reversed(order) if lengths[n]}.values())[::-1][:_SHOWN]
    pieces = [longest[n] for n in runs]
    places = [int(found[n].places[found[n].longest]) for n in runs]
    told = zip(pieces, origins(shards, "train", places), index.counts(pieces), strict=True)
    return {
        "texts": len(texts),
        "tokens": total,
        "share": sum(match.covered(LONG_RUN) for match in found) / total if total else None,
        "longest": max(lengths, default=0),
        "median": float(np.median(lengths)) if lengths else None,
        "runs": [
            {"tokens": len(piece), "text": tokenizer.decode(piece), "copies": copies, **origin._asdict()}
            for piece, origin, copies in told
        ],
    }


def held_out_texts(shards: Shards, names: Sequence[str], count: int, tokens: int, seed: int) -> list[Ids]:
    """Held-out text to compare with, in pieces of `tokens` or, where none is so long, half, and so on."""
    while tokens >= LONG_RUN:
        drawn = [draw_windows(shards.split(name), tokens, count, seed).ids for name in names]
        if any(map(len, drawn)):
            return list(np.concatenate(drawn)[:count])
        tokens //= 2
    return []
