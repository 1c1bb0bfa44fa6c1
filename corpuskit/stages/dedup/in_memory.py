"""Near duplicates among texts that lie in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa

from corpuskit.documents.texts import as_texts
from corpuskit.errors import InputError, SettingError
from corpuskit.stages.barrier import scan_alone
from corpuskit.stages.dedup.near import NearDuplicates


@dataclass(frozen=True)
class NearCopies:
    """One text that stays, and the texts that nearly repeat it.

    Attributes:
        kept: index of the text that stays.
        copies: index of each of the others, with its exact Jaccard similarity to the one that stays.
    """

    kept: int
    copies: tuple[tuple[int, float], ...]


def near_duplicates(
    texts: Iterable[str],
    threshold: float = 0.8,
    *,
    ngram: int = 5,
    keep: Literal["longest", "first"] = "longest",
) -> list[NearCopies]:
    """Find texts that nearly repeat others, as the stage `NearDuplicates` does with the same settings.

    Args:
        threshold: exact Jaccard similarity of the sets of word ``ngram``-grams from which on a text is a
            copy.
        keep: which of several copies stays; of equally long ones that whose hash is smaller, of equal ones
            the first.

    Returns:
        In the order of those that stay; texts that have no copies are left out.

    Raises:
        SettingError: ``texts`` is one string, or a setting is out of bounds.
        InputError: a text is no string, or holds half of a surrogate pair.

    >>> verse = "the sea is calm tonight the tide is full the moon lies fair upon the straits"
    >>> near_duplicates([verse, "On the French coast the light gleams.", verse + " ."])
    [NearCopies(kept=2, copies=((0, 1.0),))]
    """
    # Alone, the id of a text is its number.
    if keep not in ("longest", "first"):
        remedy = "Give 'longest' or 'first'."
        raise SettingError(f"near_duplicates: keep = {keep!r}: is no rule", remedy=remedy)
    rule = "smallest_id" if keep == "first" else keep
    barrier = NearDuplicates.checked("near_duplicates", threshold=threshold, ngram=ngram, keep=rule)
    try:
        column = pa.array(as_texts("near_duplicates", texts), pa.large_string())
    except UnicodeEncodeError as error:
        raise InputError(
            f"near_duplicates: a text holds half of a surrogate pair at character {error.start}",
            remedy="Read its file as UTF-8, or call fix_unicode on the texts before.",
        ) from None
    batch = pa.record_batch({"text": column, "source": pa.array([""] * len(column), pa.string())})
    found: dict[int, list[tuple[int, float]]] = {}

    def take(copy: int, kept: int, similarity: float) -> None:
        found.setdefault(kept, []).append((copy, similarity))

    with tempfile.TemporaryDirectory(prefix="corpuskit-") as folder:
        barrier.decide_telling(scan_alone(barrier, batch, Path(folder)), take)
    return [NearCopies(kept, tuple(sorted(copies))) for kept, copies in sorted(found.items())]
