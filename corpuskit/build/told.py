"""What a user should read each time that a build is called or looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from corpuskit.build.decide.held_out import Split, missed
from corpuskit.build.parts import NamedPart
from corpuskit.build.pipeline import Pipeline
from corpuskit.run.folder import Run
from corpuskit.sources.folders import some
from corpuskit.tokenizer import spelled

_LEAST_BYTES = 1000
"""Less text than this measures nothing, and may be no whole document."""


def foreseen(split: Split, size: int) -> list[str]:
    """Sentences about shares of ``size`` bytes of raw input that are next to nothing."""
    shares = {side: share for side, share in split.model_dump().items() if 0 < share * size < _LEAST_BYTES}
    return [
        f"split: {side}: {100 * share:.3g} % of the {size} bytes that there are to read is next to nothing"
        for side, share in shares.items()
    ]


def no_tokens(pipeline: Pipeline) -> list[str]:
    """A sentence about a pipeline whose shards step says what is held out, and writes no shards."""
    if pipeline.shards is None or pipeline.tokenizer is not None:
        return []
    return ["shards: there is no tokenizer: documents are split, and no tokens are written"]


def warnings_of(shards: Mapping[str, Any]) -> list[str]:
    """Sentences about what a lossy tokenizer changed, shares that were missed, and special tokens in texts.

    Args:
        shards: the facts of the record of the shards; those of older runs say less.
    """
    told = missed(shards["asked"], shards["held"]) if "asked" in shards else []
    if lossy := shards.get("lossy"):
        changed, sampled = lossy["changed"], lossy["sampled"]
        example = f", e.g. {lossy['example']}" if changed else ""
        told.append(f"tokenizer: {changed} of {sampled} sequences sampled were changed or lost text{example}")
        if tokens := lossy.get("tokens"):  # Older runs did not count them.
            unknown = lossy["unknown"]
            share = f"{100 * unknown / tokens:.2f} %"
            told.append(f"tokenizer: {unknown:,} of {tokens:,} tokens are the unknown one ({share})")
    return told + spelled.told(shards.get("spelled", 0))


def unwatched(steps: Iterable[str]) -> list[str]:
    """A sentence for each step, by name, whose source cannot be read."""
    return [
        f"{name}: its source cannot be read, so that an edit goes unnoticed: raise its `version` with each,"
        " or define it in a module or a script"
        for name in steps
    ]


def changed_inputs(run: Run, folder: str, parts: Iterable[NamedPart]) -> list[str]:
    """A sentence for each source whose files, or revision, are others than when this run was made.

    Args:
        folder: that of the first pass, whose tasks are named by the parts.
    """
    changed: dict[str, list[str]] = {}
    for part in parts:
        record = run.record(f"{folder}/{part.name}")
        before = dict(record.made_from.get("part") or {}) if record is not None else {}
        if before.get("source") != part.made_from["source"]:
            continue  # There is nothing yet, or it was made with other settings.
        digests = dict(before["files"])
        names = [name for name, digest in part.made_from["files"] if digests.pop(name, digest) != digest]
        was, now = (str(one["detail"].get("revision", "")) for one in (before, part.made_from))
        names += [f"revision {was}, now {now}"] if was != now else []
        names += [f"{name} (gone)" for name in digests]
        changed.setdefault(part.label, []).extend(names)
    return [
        f"{label}: changed since this run was made: {some(names)}; what was made of it is made again"
        for label, names in changed.items()
        if names
    ]
