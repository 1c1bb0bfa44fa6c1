"""Batches of rows of tokens by the peers' loaders; run by benchmarks.loader in the peers' environment.

    python loaders.py TOOL TOKENS.bin CONTEXT ROWS BATCHES FOLDER      prints one JSON object

TOOL is ``mosaicml-streaming`` or ``litdata``. The tokens, uint16, are written into FOLDER in the tool's own
form: of Streaming a sample is a row of CONTEXT + 1 tokens, as its examples for language models have it; of
litdata the line of tokens, cut by its loader for tokens. Then BATCHES batches are read, shuffled, by two
workers, as inputs and targets in int64, twice; the faster pass counts.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

WARM_UP, WORKERS = 20, 2


def parted(rows: list[Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs and targets out of rows."""
    ids = torch.stack([torch.as_tensor(np.asarray(row).astype(np.int64)) for row in rows])
    return ids[:, :-1].contiguous(), ids[:, 1:].contiguous()


def of_samples(samples: list[dict[str, Any]]) -> tuple[torch.Tensor, torch.Tensor]:
    """The same out of Streaming's samples."""
    return parted([sample["tokens"] for sample in samples])


def piece(part: tuple[str, int, int]) -> Iterator[torch.Tensor]:
    """A part of the line, as litdata writes it."""
    path, first, last = part
    yield torch.from_numpy(np.fromfile(path, np.uint16, last - first, offset=2 * first).astype(np.int32))


def by_streaming(tokens: Path, context: int, rows: int, folder: Path) -> Iterable[Any]:
    """MosaicML Streaming over MDS files."""
    from streaming import MDSWriter, StreamingDataset

    line = np.memmap(tokens, np.uint16, "r")
    width = context + 1
    with MDSWriter(out=str(folder), columns={"tokens": f"ndarray:uint16:{width}"}) as writer:
        for first in range(0, len(line) - width + 1, context):
            writer.write({"tokens": np.array(line[first : first + width])})
    data = StreamingDataset(local=str(folder), shuffle=True, shuffle_seed=1, batch_size=rows)
    return DataLoader(data, batch_size=rows, num_workers=WORKERS, collate_fn=of_samples, drop_last=True)


def by_litdata(tokens: Path, context: int, rows: int, folder: Path) -> Iterable[Any]:
    """litdata over its chunks of tokens."""
    from litdata import StreamingDataLoader, StreamingDataset, TokensLoader, optimize

    size, part = tokens.stat().st_size // 2, 1 << 20
    parts = [(str(tokens), first, min(first + part, size)) for first in range(0, size, part)]
    loader = TokensLoader(block_size=context + 1)
    optimize(piece, parts, str(folder), chunk_bytes="64MB", item_loader=loader, num_workers=1, verbose=False)
    data = StreamingDataset(
        str(folder), item_loader=TokensLoader(block_size=context + 1), shuffle=True, drop_last=True
    )
    return StreamingDataLoader(data, batch_size=rows, num_workers=WORKERS, collate_fn=parted)


TOOLS = {"mosaicml-streaming": by_streaming, "litdata": by_litdata}


def main() -> None:
    """Write, read, time."""
    tool, tokens, context, rows, batches, folder = sys.argv[1:]
    loader = TOOLS[tool](Path(tokens), int(context), int(rows), Path(folder))
    found = []
    for _ in range(2):
        read = iter(loader)
        for _ in islice(read, WARM_UP):
            pass
        started, count, shape = time.perf_counter(), 0, ()
        for inputs, targets in islice(read, int(batches)):
            count, shape = count + 1, tuple(inputs.shape)
            assert inputs.dtype == targets.dtype == torch.int64
        found.append((time.perf_counter() - started) / count)
        assert shape == (int(rows), int(context)), shape
        for _ in read:  # A worker that is stopped in between may hang the next pass.
            pass
    print(json.dumps({"seconds": min(found), "batches": count}))


if __name__ == "__main__":
    main()
