"""Shards: that Megatron-core's IndexedDataset reads the same tokens, and how fast they are written.

    python -m benchmarks.shards [--quick] [--only megatron|writing] [--json FILE]

`megatron`: builds of books with a vocabulary below and above 65,536 tokens (uint16 and int32), several shards
of each, read token by token by both. `writing`: the encoded parts of a build are joined, checksummed and
written with index and provenance, against copying as many bytes by NumPy.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks.dedup import pieces
from benchmarks.harness import Bar, MissingError, Options, Row, compare, peer_versions, run_benchmark

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "megatron-core"
ROUNDS = 3


# ----------------------------------------------------------------------------------------------- megatron
def megatron(options: Options) -> list[Row]:
    """Whether each shard of ours is the same to both readers."""
    python = options.require_peers(PACKAGE)
    reader = f"{PACKAGE} {peer_versions(python, [PACKAGE])[0]} IndexedDataset"
    texts = pieces(options.corpora, 1500 if options.quick else 10_000)
    rows = []
    with tempfile.TemporaryDirectory(prefix="corpuskit-shards-") as folder:
        for dtype in ("uint16", "int32"):
            run = Path(folder) / dtype
            build(texts, run, wide=dtype == "int32")
            shards = sorted(path.with_suffix("") for path in (run / "shards").glob("*.bin"))
            command = [os.path.abspath(python), "-m", "benchmarks.peers.megatron_reader", *map(str, shards)]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
            if done.returncode:
                raise MissingError(f"{reader} failed: {done.stderr[-1000:]}")
            theirs = json.loads(done.stdout.splitlines()[-1])
            equal = [mine == other for mine, other in zip(read(run), theirs, strict=True)]
            tokens = (
                sum(path.stat().st_size for path in (run / "shards").glob("*.bin"))
                // np.dtype(dtype).itemsize
            )
            given = f"{len(texts):,} documents, {tokens:,} tokens as {dtype}, {len(shards)} shards"
            share, what = sum(equal) / len(equal), f"shards that are the same to {reader}, {dtype}"
            rows += compare(what, share, {}, unit="share", better="higher", input=given, bar=Bar(1, "value"))
    return rows


def build(texts: list[str], run: Path, *, wide: bool) -> None:
    """A build of the texts; `wide` gives it a vocabulary that 16 bits do not hold."""
    from tokenizers import AddedToken
    from tokenizers import Tokenizer as Model

    from corpuskit import Files, Tokenizer, TrainTokenizer, WriteShards, build_corpus

    source = run.with_suffix(".jsonl")
    lines = (json.dumps({"id": str(n), "text": text}) for n, text in enumerate(texts))
    source.write_text("\n".join(lines), encoding="utf-8")
    model = Model.from_str(Tokenizer.train(texts[::10], 8192).data.decode())
    if wide:
        # Words that the texts hold get ids beyond 65,535: all between belong to signs that they do not hold.
        model.add_tokens([AddedToken(f"\ue000{n}", special=False) for n in range(60_000)])
        model.add_tokens([AddedToken(word, special=False) for word in ("the", "river", "house")])
    file = run.with_suffix(".json")
    model.save(str(file))
    split = {"validation": 0.05, "test": 0.05}
    steps = [Files(path=str(source), label="x"), TrainTokenizer(file=str(file))]
    build_corpus([*steps, WriteShards(shard_tokens=400_000, split=split)], run)


def read(run: Path) -> list[dict[str, Any]]:
    """What our reader says of each shard, as the peer does."""
    from corpuskit import Shards

    shards, found = Shards(run / "shards"), dict[str, dict[str, Any]]()
    for split, infos in shards.splits.items():
        line, number = shards.split(split), 0
        for info in infos:
            own = [line.sequence(number + n) for n in range(info.sequences)]
            number += info.sequences
            digest = hashlib.sha256()
            for tokens in own:
                digest.update(tokens.astype("<i8").tobytes())
            lengths = np.array([len(tokens) for tokens in own], "<i8")
            step = max(1, info.sequences // 5)
            found[info.name] = {
                "sequences": info.sequences,
                "documents": info.sequences,
                "dtype": shards.dtype,
                "tokens": digest.hexdigest(),
                "lengths": hashlib.sha256(lengths.tobytes()).hexdigest(),
                "some": [tokens[:8].tolist() for tokens in own[::step]],
            }
    return [found[name] for name in sorted(found)]


# ------------------------------------------------------------------------------------------------ writing
def writing(options: Options) -> list[Row]:
    """Megabytes of tokens a second, and sequences a second where they are short."""
    rows = []
    count = 2 * 10**7 if options.quick else 2 * 10**8
    for name, length in (("articles of 700 tokens", 700), ("messages of 40 tokens", 40)):
        with tempfile.TemporaryDirectory(prefix="corpuskit-shards-") as folder:
            run = Path(folder) / "run"
            ids = lay_out(run, count, length)
            ours = min(_seconds(lambda run=run: write(run)) for _ in range(ROUNDS))
            copy = min(
                _seconds(lambda ids=ids, to=Path(folder) / "copy": ids.tofile(to)) for _ in range(ROUNDS)
            )
            given = f"{count:,} tokens, {name}"
            size = ids.nbytes / 1e6
            rows += compare(
                f"encoded parts to shards, {name}",
                round(size / ours, 1),
                {"numpy tofile": round(size / copy, 1)},
                unit="MB/s",
                better="higher",
                input=given,
                note=f"{count / length / ours:,.0f} sequences a second, with sha256, index, provenance",
            )
    return rows


def _seconds(work: Any) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def lay_out(run: Path, count: int, length: int) -> npt.NDArray[np.uint16]:
    """An encoded part of invented tokens, as the encoding leaves it; returns its tokens."""
    from corpuskit.build.write.encode import GROUP_TOKENS, PIECES
    from corpuskit.storage.tables import FAST_LEVEL, GATHERED_BYTES, parquet

    (run / "encoded").mkdir(parents=True)
    ids = np.random.default_rng(1).integers(1, 2**15, count, dtype=np.uint16)
    ids.tofile(run / "encoded" / "x.bin")
    sequences, block = count // length, GROUP_TOKENS // length
    with parquet(run / "encoded" / "x.parquet", PIECES, run, FAST_LEVEL, GATHERED_BYTES) as sink:
        for first in range(0, sequences, block):
            numbers = range(first, min(sequences, first + block))
            columns = {
                "split": ["validation" if n % 100 == 99 else "train" for n in numbers],
                "tokens": [length] * len(numbers),
                "id": [f"x:{n}" for n in numbers],
                **{key: ["x"] * len(numbers) for key in ("source", "licence", "part")},
                "byte_start": [0] * len(numbers),
                "byte_end": [4 * length] * len(numbers),
            }
            sink.write(pa.table(columns, schema=PIECES))
            sink.flush()
    return ids


def write(run: Path) -> None:
    """What a build's last step does."""
    from corpuskit.build.write.write_shards import WriteShards, write_shards
    from corpuskit.documents.ledger import Ledger
    from corpuskit.run.folder import Run

    how: dict[str, Any] = {"facts": {"vocab_size": 2**15, "end_of_text": 0}, "ledger": Ledger(), "told": {}}
    write_shards(Run(run), parts=["x"], planted=[], settings=WriteShards(), tokenizer_sha256="0" * 64, **how)


if __name__ == "__main__":
    sys.exit(run_benchmark("shards", {"megatron": megatron, "writing": writing}))
