"""Documents to shards on two cores, against the encoders alone; and the memory of one large document.

    python -m benchmarks.encode [--quick] [--only speed|memory] [--json FILE]

`speed`: distinct text, each passage once, as documents of about 4,600 characters in Parquet files. Ours reads
them, encodes them with two workers, compares and proves a sample and writes shards with provenance; the
workers' start and the judgement of the engine come before and have a row of their own, as the peers' start is
not timed either: they are timed in their calls alone, on both cores, with the texts already in memory. All
must give the same tokens.

`memory`: a process encodes 400 kB of small documents, which is its base; then one of 5 or 20 MB, and a line
of 50 MB without a blank, whose time is compared with a quarter of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.dedup import pieces
from benchmarks.harness import OURS, Bar, MissingError, Options, Row, compare, run_benchmark
from benchmarks.large_document import SCRIPTS, text_of

ROOT = Path(__file__).resolve().parent.parent
PIECE = 4600
PARTS, WORKERS, VOCABULARY = 8, 2, 32_768
ROUNDS = 6
SCHEMA = pa.schema([(name, pa.string()) for name in ("id", "source", "licence", "text", "split")])


# ------------------------------------------------------------------------------------------------- speed
def texts(corpora: Path, *, quick: bool) -> Iterator[str]:
    """Pieces of books, one edition of each, then in the full run of the larger archives of the corpora."""
    yield from pieces(corpora, 5000 if quick else 10**9)
    for archive in () if quick else sorted((corpora / "scale").glob("*.tar.zst")):
        with (
            pa.input_stream(str(archive), compression="zstd") as stream,
            tarfile.open(fileobj=stream, mode="r|") as files,
        ):
            for file in files:
                data = files.extractfile(file) if file.isfile() else None
                text = "" if data is None else data.read().decode("utf-8", "replace")
                for start in range(0, len(text), PIECE):
                    yield text[start : start + PIECE]


def lay_out(corpora: Path, run: Path, *, quick: bool) -> tuple[int, float]:
    """Write documents and a tokenizer as a build does; returns documents and megabytes of text."""
    from corpuskit import Tokenizer
    from corpuskit.storage.tables import FAST_LEVEL, parquet

    seen, some, count, size = set[bytes](), list[str](), 0, 0
    (run / "documents").mkdir(parents=True)
    files = ExitStack()
    sinks = [
        files.enter_context(parquet(run / "documents" / f"part-{n}.parquet", SCHEMA, run, FAST_LEVEL))
        for n in range(PARTS)
    ]
    batch: list[str] = []

    def flush() -> None:
        ids = [f"x:{count - len(batch) + n}" for n in range(len(batch))]
        same = [[word] * len(batch) for word in ("books", "public domain")]
        columns = [ids, *same, batch, ["train"] * len(batch)]
        table = pa.table([pa.array(column, pa.string()) for column in columns], schema=SCHEMA)
        sinks[(count // 1000) % PARTS].write(table)
        batch.clear()

    warm = list[str]()
    for text in texts(corpora, quick=quick):
        digest = hashlib.blake2b(text.encode(), digest_size=12).digest()
        if not text or digest in seen:
            continue
        seen.add(digest)
        if len(warm) < 400:
            warm.append(text)
            continue
        count, size = count + 1, size + len(text.encode())
        batch.append(text)
        if count % 20 == 0:
            some.append(text)
        if len(batch) == 1000:
            flush()
    flush()
    files.close()
    for number in range(2 * WORKERS):
        own = warm[number * 100 : number * 100 + 100]
        ids = [f"w:{number}:{n}" for n in range(len(own))]
        columns = [ids, ["books"] * len(own), ["public domain"] * len(own), own, ["train"] * len(own)]
        table = pa.table([pa.array(column, pa.string()) for column in columns], schema=SCHEMA)
        pq.write_table(table, run / "documents" / f"warm-{number}.parquet")
    (run / "tokenizer").mkdir()
    Tokenizer.train(some, VOCABULARY).save(run / "tokenizer" / "tokenizer.json")
    return count, size / 1e6


def speed(options: Options) -> list[Row]:
    """Megabytes a second on two cores, and whether the tokens are the same."""
    with tempfile.TemporaryDirectory(prefix="corpuskit-encode-") as folder:
        run = Path(folder) / "run"
        documents, size = lay_out(options.corpora, run, quick=options.quick)
        given = f"{documents:,} documents, {size:.1f} MB, {PARTS} files"
        walls: dict[str, list[float]] = {"ours": [], "fastokens": [], "tokenizers": []}
        cpus: dict[str, list[float]] = {name: [] for name in walls}
        found, starts = dict[str, str](), list[float]()
        for turn in range(1 if options.quick else ROUNDS):
            for side in walls:
                if side == "tokenizers" and turn % 2:
                    continue  # It takes many times as long as the others.
                told = Path(folder) / f"{side}.json"
                command = [sys.executable, "-m", "benchmarks.encode", "--child", side, str(run), str(told)]
                # It tells its own times: nobody looks at its memory meanwhile, which takes those of a core.
                done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
                if done.returncode:
                    raise MissingError(f"{side} failed: {done.stderr[-2000:]}")
                said = json.loads(told.read_text())
                found[side] = said["digest"]
                walls[side].append(said["wall"])
                cpus[side].append(said["cpu"])
                starts += [said["start"]] if "start" in said else []
        names = versions()
        mean = {side: size / statistics.median(values) for side, values in walls.items()}
        work = {side: size / statistics.median(values) for side, values in cpus.items()}
        note = "ours: Parquet to shards with two workers; the peers: their calls alone"
        rows = []
        for peer, bar in (("tokenizers", Bar(25)), ("fastokens", Bar(0.5))):
            for what, values in (("wall time", mean), ("processor time", work)):
                rows += compare(
                    f"documents to shards, two cores, {what}, against {peer}",
                    round(values["ours"], 1),
                    {names[peer]: round(values[peer], 2)},
                    unit="MB/s",
                    better="higher",
                    input=given,
                    bar=bar,
                    note=note,
                )
        start = statistics.median(starts)
        rows.append(
            Row("start of two workers, and judgement of the engine", OURS, round(start, 2), "s", input=given)
        )
        equal = float(len(set(found.values())) == 1)
        what = "tokens that are those of tokenizers and of fastokens"
        return rows + compare(
            what, equal, {}, unit="share", better="higher", input=given, bar=Bar(1, "value")
        )


def versions() -> dict[str, str]:
    """The peers, with their versions; both are dependencies of ours, in the same versions."""
    from importlib.metadata import version

    return {name: f"{name} {version(name)}" for name in ("tokenizers", "fastokens")}


def timed_part(run: Any, **how: Any) -> Any:
    """`encode_part`, which tells its processor seconds too."""
    from corpuskit.build.write.encode import encode_part

    started = time.process_time()
    result = encode_part(run, **how)
    result.told["cpu"] = time.process_time() - started
    return result


def ours(folder: Path) -> dict[str, Any]:
    """Our encoding and writing, with two workers, as `corpuskit build` does both."""
    from corpuskit.cli.shell import importing
    from corpuskit.storage.without_pandas import leave_out_pandas

    leave_out_pandas()
    with importing():
        from corpuskit.build.decide.held_out import Split
        from corpuskit.build.write.write_shards import WriteShards, write_shards
        from corpuskit.documents.ledger import Ledger
        from corpuskit.run.folder import Run
        from corpuskit.run.layout import TOKENIZER
        from corpuskit.run.local_engine import LocalEngine
        from corpuskit.run.task import BuildTask
        from corpuskit.storage.files import sha256_file

    run, split = Run(folder), Split(validation=0)

    def task(part: str) -> BuildTask:
        how = {"part": part, "documents": f"documents/{part}.parquet", "split": split, "lossy": False}
        return BuildTask(f"encoded/{part}", {}, timed_part, run, how)

    parts = [f"part-{n}" for n in range(PARTS)]
    facts = {"vocab_size": VOCABULARY, "end_of_text": 0}
    how = {"settings": WriteShards(split=split), "facts": facts, "ledger": Ledger(), "told": {}}
    digest = sha256_file(run.local(TOKENIZER))
    begun = time.perf_counter()
    with LocalEngine(WORKERS) as engine:
        list(engine.run([task(f"warm-{n}") for n in range(2 * WORKERS)]))
        wall = time.perf_counter()
        done = list(engine.run([task(part) for part in parts]))
        cpu = time.process_time()
        write_shards(run, parts=parts, planted=[], tokenizer_sha256=digest, **how)
        wall, start = time.perf_counter() - wall, wall - begun
    return {
        "wall": wall,
        "cpu": time.process_time() - cpu + sum(one.told["cpu"] for one in done),
        "start": start,
        "encoder": done[-1].told["encoder"],
    }


def peer(side: str, folder: Path) -> dict[str, Any]:
    """What a peer's calls alone take, texts of a file at a time in memory, batches of 1,000 documents."""
    import fastokens
    import tokenizers

    path = str(folder / "tokenizer" / "tokenizer.json")
    slow, fast = tokenizers.Tokenizer.from_file(path), fastokens.Tokenizer.from_file(path)
    slow.encode_special_tokens = True
    digest, wall, cpu = hashlib.sha256(), 0.0, 0.0
    for number in range(PARTS):
        column = pq.read_table(folder / "documents" / f"part-{number}.parquet", columns=["text"]).column(
            "text"
        )
        for start in range(0, len(column), 1000):
            batch = column.slice(start, 1000).to_pylist()
            wall, cpu = wall - time.perf_counter(), cpu - time.process_time()
            if side == "fastokens":
                flat, offsets = fast.encode_batch_flat(batch, False, True)
            else:
                encodings = slow.encode_batch_fast(batch, add_special_tokens=False)
                lists = [encoding.ids for encoding in encodings]
            wall, cpu = wall + time.perf_counter(), cpu + time.process_time()
            lines: list[Any]
            if side == "fastokens":
                ids, ends = np.frombuffer(flat, "<u4"), np.frombuffer(offsets, "<u8")
                lines = [ids[a:b] for a, b in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)]
            else:
                lines = lists
            for line in lines:
                digest.update(np.array([*line, 0], "<u2").tobytes())
    return {"wall": wall, "cpu": cpu, "digest": digest.hexdigest()}


def child(side: str, folder: Path, told: Path) -> None:
    """One side, in a process of its own."""
    said = ours(folder) if side == "ours" else peer(side, folder)
    if side == "ours":
        line = hashlib.sha256()
        for path in sorted((folder / "shards").glob("*.bin")):
            line.update(path.read_bytes())
        said["digest"] = line.hexdigest()
    told.write_text(json.dumps(said))


# ------------------------------------------------------------------------------------------------- memory
SHAPES = {"lines": "lines", "line": "one line"}


def memory(options: Options) -> list[Row]:
    """Peaks above the base for documents of three scripts, and the growth of time of a line."""
    rows = []
    for size in (5_000_000,) if options.quick else (5_000_000, 20_000_000):
        for script in SCRIPTS:
            for shape in SHAPES:
                found = in_child(script, shape, size)
                value = found["above"] / found["bytes"]
                what = f"encoding one document, {script}, {size // 10**6} MB, {SHAPES[shape]}"
                rows.append(bounded(what, value, "x", Bar(20, "value", "at most"), "invented prose"))
    size = 12_000_000 if options.quick else 50_000_000
    given = "random letters, a pretoken that no encoder has seen"
    times = {part: in_child("none", "letters", part) for part in (size // 4, size)}
    small, large = (times[part]["seconds"] for part in (size // 4, size))
    what = f"encoding a line of {size // 10**6} MB without a blank"
    rows.append(
        bounded(f"{what}, memory", times[size]["above"] / size, "x", Bar(20, "value", "at most"), given)
    )
    rows.append(Row(f"{what}, time", OURS, round(large, 2), "s", input=given))
    rows.append(
        bounded(
            f"{what}, its time over that of a quarter", large / small, "x", Bar(6, "value", "at most"), given
        )
    )
    return rows


def bounded(what: str, value: float, unit: str, bar: Bar, given: str) -> Row:
    """A row of ours alone."""
    met = bar.is_met(value, None)
    return Row(what, OURS, round(value, 2), unit, bar=str(bar), met=met, input=given)


def in_child(script: str, shape: str, size: int) -> dict[str, float]:
    """`memory_child` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.encode", "--memory", script, shape, str(size)]
    environment = {**os.environ, "RAYON_NUM_THREADS": "1"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, env=environment)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def memory_of(name: str) -> int:
    """Bytes that the kernel tells of this process: VmRSS now, VmHWM at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024


def memory_child(script: str, shape: str, size: int) -> dict[str, float]:
    """The peak of encoding one document above that of small ones, in bytes, and its seconds."""
    import random

    from corpuskit import Tokenizer

    if shape == "letters":
        whole = "".join(random.Random(3).choices("abcdefghijklmnopqrstuvwxyz", k=size))
        small = text_of("Latin", 400_000, lines=True) + whole[:100_000]
    else:
        whole = text_of(script, size, lines=shape == "lines")
        small = whole[:400_000]
    tokenizer = Tokenizer.train([small], 2000)
    for run in tokenizer.encode_flat(small[at : at + 9000] for at in range(0, len(small), 9000)):
        assert len(run.ids)
    # Making the text took more than encoding it may: the peak is that from here on.
    Path("/proc/self/clear_refs").write_text("5")
    base, started = memory_of("VmRSS"), time.process_time()
    tokens = sum(len(run.ids) for run in tokenizer.encode_flat([whole]))
    return {
        "above": float(memory_of("VmHWM") - base),
        "seconds": time.process_time() - started,
        "bytes": float(len(whole.encode())),
        "tokens": float(tokens),
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
    elif sys.argv[1:2] == ["--memory"]:
        print(json.dumps(memory_child(sys.argv[2], sys.argv[3], int(sys.argv[4]))))
    else:
        sys.exit(run_benchmark("encode", {"speed": speed, "memory": memory}))
