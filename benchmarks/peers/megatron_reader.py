"""Shards as Megatron-core's IndexedDataset reads them.

Run by the Python of the peers' environment, never imported by the package::

    python -m benchmarks.peers.megatron_reader SHARD... > told.json

For each shard, the path of its files without their endings: sequences, documents, the tokens' type, a digest
of all tokens and of all lengths, and the tokens of some sequences, read one by one.
"""

from __future__ import annotations

import hashlib
import json
import sys
import warnings

import numpy as np

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Of kernels that only training would need.
    from megatron.core.datasets.indexed_dataset import IndexedDataset


def read(shard: str) -> dict[str, object]:
    """What the dataset says of one shard."""
    data = IndexedDataset(shard)
    tokens, some = hashlib.sha256(), []
    for number in range(len(data)):
        line = np.asarray(data[number])
        tokens.update(line.astype("<i8").tobytes())
        if number % max(1, len(data) // 5) == 0:
            some.append(line[:8].tolist())
    lengths = np.asarray(data.sequence_lengths, "<i8")
    return {
        "sequences": len(data),
        "documents": len(data.document_indices) - 1,
        "dtype": np.dtype(data.index.dtype).name,
        "tokens": tokens.hexdigest(),
        "lengths": hashlib.sha256(lengths.tobytes()).hexdigest(),
        "some": some,
    }


if __name__ == "__main__":
    print(json.dumps([read(shard) for shard in sys.argv[1:]]))
