"""The shard format: writing, reading, packing and shuffling lines of tokens. NumPy only."""

from corpuskit.shards.format import TOKEN_DTYPES, Index, read_index, token_dtype
from corpuskit.shards.packing import ConcatenatedRows, concatenate
from corpuskit.shards.permutation import Permutation, derive_key, mix64_array
from corpuskit.shards.reader import MANIFEST_FORMAT, MANIFEST_NAME, ShardInfo, Shards, Split
from corpuskit.shards.writer import ShardWriter, WrittenShard

__all__ = [
    "MANIFEST_FORMAT",
    "MANIFEST_NAME",
    "TOKEN_DTYPES",
    "ConcatenatedRows",
    "Index",
    "Permutation",
    "ShardInfo",
    "ShardWriter",
    "Shards",
    "Split",
    "WrittenShard",
    "concatenate",
    "derive_key",
    "mix64_array",
    "read_index",
    "token_dtype",
]
