"""The bytes of a shard: Megatron's `.bin` (tokens) and `.idx` (where each sequence begins), little-endian.

    .bin   the tokens of all sequences, one after the other
    .idx   bytes 0-8     b"MMIDIDX" and two zero bytes
           bytes 9-16    version, uint64, 1
           byte  17      code of the token type, uint8 (see TOKEN_DTYPES)
           bytes 18-25   number of sequences n, uint64
           bytes 26-33   number of entries in the document index, uint64: one more than there are documents
           int32[n]      length of each sequence in tokens
           int64[n]      position of each sequence in the .bin file in bytes
           int64[n + 1]  document index: document d is the sequences [index[d], index[d + 1])

A shard of corpuskit holds one sequence per document, so that its document index is 0, 1, ..., n.

Vocabularies of up to 65,536 tokens are stored as uint16 and larger ones as int32: Megatron's table of types
has no uint32, and both have the same bits for ids below 2**31.

Source: Megatron-core 0.16, megatron/core/datasets/indexed_dataset.py (`_IndexWriter`, `DType`), whose
`document_count` field is the length of the document index and not the number of documents.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from corpuskit.errors import ShardError

IDX_MAGIC = b"MMIDIDX\x00\x00"
IDX_VERSION = 1
TOKEN_DTYPES = {"uint16": 8, "int32": 4}
"""Name of the token type -> Megatron's code."""
MANIFEST_NAME = "shards.json"
MANIFEST_FORMAT = 1
PACKING_NAME = "packing.json"
"""Which way of packing a recipe names, and what it does with the splits."""
REMEDY = "Call `corpuskit build` with the same recipe, or bring the folder back from where it was copied."
_HEADER = struct.Struct("<9sQBQQ")
HEADER_BYTES = _HEADER.size


def token_dtype(vocab_size: int) -> str:
    """The narrowest token type that holds the ids 0 .. vocab_size - 1: "uint16" or "int32".

    Raises ValueError when vocab_size is below 1 or above 2**31.
    """
    if not 1 <= vocab_size <= 1 << 31:
        raise ValueError(f"a vocabulary has between 1 and 2**31 tokens, not {vocab_size}")
    return "uint16" if vocab_size <= 1 << 16 else "int32"


def numpy_dtype(dtype: str) -> np.dtype[np.integer]:
    """The little-endian NumPy type of a token type's name; raises ShardError for an unknown name."""
    if dtype not in TOKEN_DTYPES:
        raise ShardError(
            f"token type {dtype!r} is unknown; known are {', '.join(TOKEN_DTYPES)}", remedy=REMEDY
        )
    return np.dtype(dtype).newbyteorder("<")


def manifest(
    vocab_size: int,
    end_of_text: int,
    tokenizer_sha256: str,
    splits: Mapping[str, Sequence[Mapping[str, Any]]],
) -> dict[str, Any]:
    """The content of shards.json, see `Shards`; each entry of a split has the fields of `ShardInfo`."""
    facts = {"format": MANIFEST_FORMAT, "dtype": token_dtype(vocab_size), "vocab_size": vocab_size}
    return facts | {"end_of_text": end_of_text, "tokenizer_sha256": tokenizer_sha256, "splits": splits}


def index_bytes(sequences: int) -> int:
    """Size of the .idx file of a shard with this many sequences."""
    return HEADER_BYTES + 4 * sequences + 8 * sequences + 8 * (sequences + 1)


def encode_index(lengths: npt.NDArray[np.int32], dtype: str) -> bytes:
    """The .idx file of a shard whose sequences have these lengths (tokens), one sequence per document."""
    sequences = len(lengths)
    ends = np.cumsum(lengths, dtype=np.int64) * numpy_dtype(dtype).itemsize
    pointers = np.concatenate([np.zeros(1, np.int64), ends])[:sequences]
    header = _HEADER.pack(IDX_MAGIC, IDX_VERSION, TOKEN_DTYPES[dtype], sequences, sequences + 1)
    documents = np.arange(sequences + 1)  # Each document is one sequence.
    return header + b"".join(
        (lengths.astype("<i4").tobytes(), pointers.astype("<i8").tobytes(), documents.astype("<i8").tobytes())
    )


@dataclass(frozen=True)
class WrittenShard:
    """A shard on disk.

    Attributes:
        name: the shard's name; its files are `name.bin` and `name.idx`.
        tokens, sequences: how many it holds.
        bin_sha256, idx_sha256: hex digests of the two files.
    """

    name: str
    tokens: int
    sequences: int
    bin_sha256: str
    idx_sha256: str


NO_PROVENANCE = ""
"""Recorded as the digest of a provenance table where none was written: shards that no build made."""


@dataclass(frozen=True)
class ShardInfo(WrittenShard):
    """A shard as the manifest records it: with the digest of the provenance table beside it.

    Attributes:
        provenance_sha256: hex digest, or `NO_PROVENANCE`.
    """

    provenance_sha256: str


def read_index(path: Path) -> npt.NDArray[np.int64]:
    """Where the sequences of an .idx file begin: sequence i is the tokens [starts[i], starts[i + 1]).

    Raises ShardError, naming the file, when it is not a whole index.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ShardError(f"cannot read the shard index {path}: {error}", remedy=REMEDY) from error
    return decode_index(data, str(path))


def decode_index(data: bytes, path: str) -> npt.NDArray[np.int64]:
    """`read_index` of the bytes of a file that messages call `path`."""
    if len(data) < HEADER_BYTES or not data.startswith(IDX_MAGIC):
        raise ShardError(f"{path} is no Megatron index: it does not begin with {IDX_MAGIC!r}", remedy=REMEDY)
    _, version, code, sequences, document_entries = _HEADER.unpack_from(data)
    names = {code: name for name, code in TOKEN_DTYPES.items()}
    if version != IDX_VERSION or code not in names:
        raise ShardError(
            f"{path} has version {version} and token type {code}; known: 1 and {sorted(names)}", remedy=REMEDY
        )
    if document_entries != sequences + 1 or len(data) != index_bytes(sequences):
        raise ShardError(
            f"{path} holds {len(data)} bytes, {sequences} sequences and {document_entries} document entries; "
            f"that many documents need {index_bytes(sequences)} bytes and {sequences + 1} entries",
            remedy=REMEDY,
        )
    # Megatron trusts the pointers; so that it reads what we read, they must be what the lengths say.
    lengths = np.frombuffer(data, "<i4", sequences, HEADER_BYTES)
    pointers = np.frombuffer(data, "<i8", sequences, HEADER_BYTES + 4 * sequences)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
    itemsize = numpy_dtype(names[code]).itemsize
    if (lengths < 0).any() or not np.array_equal(pointers, starts[:-1] * itemsize):
        raise ShardError(
            f"{path} is damaged: its sequence pointers do not follow from its lengths", remedy=REMEDY
        )
    return starts
