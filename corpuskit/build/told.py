"""What a user should read each time that a build is called or looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from corpuskit.build.decide.held_out import Split, missed

_LEAST_BYTES = 1000
"""Less text than this measures nothing, and may be no whole document."""


def foreseen(split: Split, size: int) -> list[str]:
    """Sentences about shares of ``size`` bytes of raw input that are next to nothing."""
    shares = {side: share for side, share in split.model_dump().items() if 0 < share * size < _LEAST_BYTES}
    return [
        f"split: {side}: {100 * share:.3g} % of the {size} bytes that there are to read is next to nothing"
        for side, share in shares.items()
    ]


def warnings_of(shards: Mapping[str, Any]) -> list[str]:
    """Sentences about what a lossy tokenizer changed and about shares that were missed.

    Args:
        shards: the facts of the record of the shards; those of older runs say less.
    """
    told = missed(shards["asked"], shards["held"]) if "asked" in shards else []
    if lossy := shards.get("lossy"):
        changed, sampled = lossy["changed"], lossy["sampled"]
        example = f", e.g. {lossy['example']}" if changed else ""
        told.append(f"tokenizer: {changed} of {sampled} sequences sampled were changed or lost text{example}")
    return told
