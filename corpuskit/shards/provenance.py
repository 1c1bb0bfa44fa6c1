"""Where the tokens of a shard came from: the table beside each, and the sources of a split by all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from corpuskit.errors import ShardError
from corpuskit.shards.format import NO_PROVENANCE
from corpuskit.shards.reader import Shards

PROVENANCE = pa.schema(
    [(name, pa.int64()) for name in ("token_start", "token_end")]
    + [(name, pa.string()) for name in ("id", "source", "licence", "part")]
    + [(name, pa.int64()) for name in ("byte_start", "byte_end")]
)
"""One row per contiguous range of tokens of a shard: [token_start, token_end), end-of-text included."""

_REMEDY = "Build the shards again, or bring the file back from where it was copied."

Numbers = npt.NDArray[np.int64]


def source_ranges(shards: Shards, name: str) -> tuple[list[str], Numbers, Numbers] | None:
    """Names of the sources, and ranges of tokens of the split: where each ends, and its source's number.

    None without provenance tables. Raises ShardError for one that cannot be read or does not cover its shard.
    """
    ends, codes, base = [], [], 0
    numbers: dict[str, int] = {}
    for info in shards.splits[name]:
        file = f"{info.name}.provenance.parquet"
        path = shards.files.name(file)
        if info.provenance_sha256 == NO_PROVENANCE or not shards.files.exists(file):
            return None
        try:
            with shards.files.open(file) as opened:
                table = pq.read_table(opened, columns=["token_end", "source"])
        except (OSError, pa.ArrowException) as error:
            raise ShardError(f"cannot read the provenance {path}: {error}", remedy=_REMEDY) from error
        found = table.column("token_end").to_numpy()
        if len(found) == 0 or int(found[-1]) != info.tokens or (np.diff(found) <= 0).any():
            raise ShardError(
                f"{path} does not cover the {info.tokens} tokens of its shard one range behind the other",
                remedy=_REMEDY,
            )
        ends.append(found + base)
        sources = table.column("source").combine_chunks().dictionary_encode()
        known = [numbers.setdefault(source, len(numbers)) for source in sources.dictionary.to_pylist()]
        codes.append(np.array(known)[sources.indices.to_numpy()])
        base += info.tokens
    if not ends:
        return None
    # By name, not by who comes first: shards in another order number their sources alike.
    names = sorted(numbers)
    sorted_number = np.empty(len(names), np.int64)
    sorted_number[[numbers[name] for name in names]] = np.arange(len(names))
    return names, np.concatenate(ends), sorted_number[np.concatenate(codes)]


class Origin(NamedTuple):
    """Where a token of a split comes from; what the tables beside the shards do not say is None.

    Attributes:
        shard, token: the shard that holds it, and its place there: what `corpuskit trace` asks for.
        id, source, licence: of its document.
    """

    shard: str
    token: int
    id: str | None = None
    source: str | None = None
    licence: str | None = None


def origins(shards: Shards, name: str, places: Sequence[int]) -> list[Origin]:
    """The origin of the token at each place of a split. One table is held at a time.

    Raises IndexError for a place outside of the split, ShardError for a table that cannot be read.
    """
    split = shards.split(name)
    columns = ["id", "source", "licence"]
    rows = provenance_rows(shards, name, places, columns)
    return [Origin(*split.locate(place), **(row or {})) for place, row in zip(places, rows, strict=True)]


def provenance_rows(
    shards: Shards, name: str, places: Sequence[int], columns: Sequence[str]
) -> list[dict[str, Any] | None]:
    """Columns of the row of `PROVENANCE` that holds the token at each place of a split; None without a table.

    Raises as `origins`.
    """
    split = shards.split(name)
    located = [split.locate(place) for place in places]
    found: list[dict[str, Any] | None] = [None] * len(located)
    for shard in sorted({shard for shard, _ in located}):
        file = f"{shard}.provenance.parquet"
        path = shards.files.name(file)
        if not shards.files.exists(file):
            continue
        try:
            with shards.files.open(file) as opened:
                table = pq.read_table(opened, columns=[*dict.fromkeys(["token_end", *columns])])
        except (OSError, pa.ArrowException) as error:
            raise ShardError(f"cannot read the provenance {path}: {error}", remedy=_REMEDY) from error
        mine = [number for number, (own, _) in enumerate(located) if own == shard]
        ends = table.column("token_end").to_numpy()
        rows = np.searchsorted(ends, [located[number][1] for number in mine], side="right")
        if len(rows) and int(rows.max()) >= table.num_rows:
            raise ShardError(f"{path} does not cover all tokens of its shard", remedy=_REMEDY)
        told = table.take(pa.array(rows)).select(list(columns)).to_pylist()
        for number, row in zip(mine, told, strict=True):
            found[number] = row
    return found
