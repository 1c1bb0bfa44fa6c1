"""Training of byte-pair encodings: ``python -m benchmarks.bpe [--quick] [--json FILE] [--only GROUP]``.

Texts in memory to a vocabulary of 32,768 (256 bytes and the merges), every tool in a process of its own on
two cores, taking turns; the outputs are compared, merge by merge. Groups: ``gpt2`` and ``llama3`` (speed by
pattern), ``sizes`` (three vocabularies of one run), ``memory`` (1 GB of text read as it comes) and ``exact``
(tokenizer.json against that of `tokenizers`: random small corpora and all real text).
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from benchmarks.harness import Bar, Options, Row, compare, run_benchmark
from benchmarks.language_texts import declaration
from benchmarks.measure import measure_command
from corpuskit.tokenizer.patterns import splitter
from corpuskit.tokenizer.special import SPECIAL_TOKENS
from corpuskit.tokenizer.tokenizer import Tokenizer

SCRIPT = Path(__file__).resolve().parent / "peers" / "bpe.py"
PEERS = ("tokenizers", "gigabpe", "ffbpe", "rustbpe")
VOCABULARY = 32_768
PATTERNS = ("gpt2", "llama3", "qwen2", "qwen3.5", "o200k")
LETTERS = "abcdefghijklmnopqrstuvwxyz"
_BATCH = 2**20


def documents(corpora: Path, work: Path) -> Iterator[str]:
    """The documents of ``scale/``: pages of an extracted Wikipedia, and whole books between them."""
    for archive in ("books_headerless_260", "enwiki_extracted_96k"):
        (work / archive).mkdir(exist_ok=True)
        packed = corpora / "scale" / f"{archive}.tar.zst"
        with packed.open("rb"):  # One that is missing is named.
            subprocess.run(["tar", "--zstd", "-xf", packed, "-C", work / archive], check=True)
    folders = (work / "enwiki_extracted_96k", work / "books_headerless_260")
    pages, books = (sorted(path for path in folder.rglob("*") if path.is_file()) for folder in folders)
    for number, book in enumerate(books):
        yield book.read_bytes().decode("utf-8", "replace")
        for path in pages[number : number + 1]:
            for page in path.read_text(encoding="utf-8", errors="replace").split("</doc>"):
                if page.strip():
                    yield page.partition(">\n")[2].strip()


def write(path: Path, texts: Iterable[str], size: int) -> tuple[int, int]:
    """Write about so many bytes of texts as an Arrow stream; documents and bytes that were written."""
    schema, count, whole = pa.schema([pa.field("text", pa.large_string())]), 0, 0
    with path.open("wb") as file, pa.ipc.new_stream(file, schema) as writer:
        batch: list[str] = []
        held = 0
        for text in texts:
            batch.append(text)
            count, held = count + 1, held + len(text.encode())
            if held >= _BATCH or whole + held >= size:
                writer.write_batch(pa.record_batch([pa.array(batch, pa.large_string())], schema=schema))
                batch, whole, held = [], whole + held, 0
            if whole >= size:
                break
        if batch:
            writer.write_batch(pa.record_batch([pa.array(batch, pa.large_string())], schema=schema))
    return count, whole + held


def unlike(texts: Sequence[str], size: int) -> Iterator[str]:
    """The texts again and again, each time in other letters: words are no longer those of before."""
    draw, done = random.Random(0), 0
    while done < size:
        letters = list(LETTERS)
        draw.shuffle(letters)
        own = str.maketrans(LETTERS + LETTERS.upper(), "".join(letters) + "".join(letters).upper())
        for text in texts:
            yield text.translate(own) if done else text
        done += sum(map(len, texts))


def train(options: Options, tool: str, pattern: str, sizes: Sequence[int], file: Path) -> dict[str, Any]:
    """What a tool gave, with its figures."""
    python = sys.executable if tool.startswith("corpuskit") else os.path.abspath(options.peers)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out.json")
        words = [tool, pattern, ",".join(map(str, sizes)), str(file), str(out)]
        errors = Path(folder, "errors")
        usage = measure_command([python, str(SCRIPT), *words], stderr=errors, timeout_s=1800)
        if usage.exit_code:
            raise RuntimeError(f"{tool}: {errors.read_text(encoding='utf-8', errors='replace')[-2000:]}")
        told: dict[str, Any] = json.loads(out.read_text())
    return told


def agreement(ours: list[Any], theirs: list[Any], tool: str) -> str:
    """How the merges of a peer agree with ours, in words."""
    if tool in ("ffbpe", "rustbpe"):  # They tell tokens, not pairs.
        tokens, whole = [a for a, _ in theirs], [a + b for a, b in ours]
        if tokens == whole:
            return "tokens equal to ours"
        first = next((n for n, (x, y) in enumerate(zip(tokens, whole, strict=False)) if x != y), None)
        return f"{len(set(tokens) & set(whole))} of {len(whole)} tokens in common, first other at {first}"
    alike = theirs[: len(ours)] == ours
    said = "merges equal to ours" if alike else "OTHER MERGES THAN OURS"
    if tool == "gigabpe":
        more = len(theirs) - len(ours)
        given = "trained on lines of a file, read within its time"
        return f"{given}: {said} of the same lines, and {more} more: bytes unseen have no token"
    return said


def _of_lines(options: Options, file: Path, work: Path) -> list[Any]:
    """Our merges of the lines of the texts, each with its end: what gigabpe reads of a file."""
    lines = work / "lines.arrow"
    with pa.OSFile(str(file)) as source, pa.ipc.open_stream(source) as reader:
        whole = "".join(text for batch in reader for text in batch.column("text").to_pylist())
    write(lines, (line + "\n" for line in whole.split("\n")), len(whole.encode()) * 2)
    merges: list[Any] = train(options, "corpuskit", "gpt2", [VOCABULARY], lines)["merges"]
    return merges


def speed(pattern: str, options: Options) -> list[Row]:
    """Rows of one pattern."""
    size, runs = (20_000_000, 1) if options.quick else (100_000_000, 3)
    peers = tuple(peer for peer in PEERS if pattern == "gpt2" or peer != "gigabpe")
    with tempfile.TemporaryDirectory() as folder:
        file, work = Path(folder, "texts.arrow"), Path(folder)
        count, size = write(file, documents(options.corpora, work), size)
        found: dict[str, list[dict[str, Any]]] = {}
        there = options.there(f"training, {pattern}", peers)
        for _ in range(runs):
            for tool in ("corpuskit", *there):
                found.setdefault(tool, []).append(train(options, tool, pattern, [VOCABULARY], file))
        of_lines = _of_lines(options, file, Path(folder)) if "gigabpe" in there else []
    seconds = {tool: statistics.median(told["seconds"] for told in each) for tool, each in found.items()}
    ours = found["corpuskit"][0]["merges"]
    name = {tool: f"{tool} {each[0]['version']}" for tool, each in found.items()}
    notes = {}
    for tool, each in found.items():
        told = agreement(of_lines if tool == "gigabpe" else ours, each[0]["merges"], tool)
        notes[name[tool]] = f"{told}; {_cost(each)}"
    about = f"{count} documents, {size / 1e6:.0f} MB, {VOCABULARY} tokens, texts in memory, two cores"
    what = f"count and train, {pattern}"
    others = {name[tool]: round(seconds[tool], 3) for tool in there}
    rows = compare(
        what,
        round(seconds["corpuskit"], 3),
        others,
        unit="s",
        better="lower",
        input=about,
        bar=Bar(1.0),
        note=_cost(found["corpuskit"]),
        notes=notes,
    )
    if "tokenizers" in there:
        times = round(seconds["tokenizers"] / seconds["corpuskit"], 2)
        same = found["tokenizers"][0]["merges"] == ours
        bar = Bar(12, of="value")
        rows.append(
            Row(
                f"{what}, times as fast as tokenizers",
                "corpuskit",
                times,
                "x",
                bar=str(bar),
                met=same and bar.is_met(times, None),
                input=about,
                note="merges equal" if same else "MERGES DIFFER",
            )
        )
    return rows


def _cost(runs: Sequence[dict[str, Any]]) -> str:
    """Processor seconds and memory, in words."""
    cpu = statistics.median(told["work_cpu_s"] for told in runs)
    return f"{cpu:.2f} processor seconds, {runs[0]['peak_mib']:.0f} MiB with the texts"


def three_sizes(options: Options) -> list[Row]:
    """What three vocabularies of one run cost beside the largest alone."""
    size, runs = (20_000_000, 3) if options.quick else (100_000_000, 5)
    sizes, ratios = [VOCABULARY // 4, VOCABULARY // 2, VOCABULARY], []
    with tempfile.TemporaryDirectory() as folder:
        file, work = Path(folder, "texts.arrow"), Path(folder)
        _, size = write(file, documents(options.corpora, work), size)
        for _ in range(runs):
            alone = train(options, "corpuskit", "llama3", sizes[-1:], file)
            several = train(options, "corpuskit", "llama3", sizes, file)
            ratios.append(several["seconds"] / alone["seconds"])
    value, bar = round(statistics.median(ratios), 3), Bar(1.1, of="value", side="at most")
    about = f"{size / 1e6:.0f} MB, 8,192, 16,384 and 32,768 tokens in one run"
    note = f"median of {runs} pairs; with the writing of each vocabulary as tokenizer.json"
    what, met = "three sizes, times the largest alone", bar.is_met(value, None)
    return [Row(what, "corpuskit", value, "x", bar=str(bar), met=met, input=about, note=note)]


def memory(options: Options) -> list[Row]:
    """Peak memory of training on text that is read as it comes."""
    size = 100_000_000 if options.quick else 1_000_000_000
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        file, work = Path(folder, "texts.arrow"), Path(folder)
        texts = list(documents(options.corpora, work))
        count, written = write(file, unlike(texts, size), size)
        del texts
        for pattern in ("qwen3.5",) if options.quick else ("qwen3.5", "gpt2"):
            told = train(options, "corpuskit-stream", pattern, [VOCABULARY], file)
            bar = Bar(400, of="value", side="at most")
            value = round(told["peak_mib"] * 1.048576, 1)
            about = (
                f"{count} documents, {written / 1e6:.0f} MB; every further copy of 230 MB in other letters"
            )
            note = f"{told['seconds']:.0f} s; of the whole process, of which 70 MB are Python and libraries"
            what, met = f"memory of training, {pattern}", bar.is_met(value, None)
            rows.append(Row(what, "corpuskit", value, "MB", bar=str(bar), met=met, input=about, note=note))
    return rows


def reference(texts: Sequence[str], size: int, least: int, pattern: str) -> str:
    """tokenizer.json by the library's own trainer."""
    model = tokenizers.Tokenizer(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    model.pre_tokenizer = pre_tokenizers.Sequence([splitter(pattern), byte_level])
    model.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=least,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    model.train_from_iterator(texts, trainer)
    return str(model.to_str(pretty=True))


def random_corpus(draw: random.Random) -> list[str]:
    """A few short texts of few letters, so that ties and long runs are many."""
    letters = draw.choice(["ab", "ab c", "aAb1 '\n", "xyzé水 \n\t", "हिन्दी ", "a.b,c! \r\n2"])
    return ["".join(draw.choices(letters, k=draw.randrange(120))) for _ in range(draw.randrange(1, 8))]


def exact(options: Options) -> list[Row]:
    """Corpora whose tokenizer.json is, byte for byte, that of the library's own trainer."""
    draw, same, count = random.Random(1), 0, 100 if options.quick else 500
    for number in range(count):
        texts, pattern = random_corpus(draw), PATTERNS[number % len(PATTERNS)]
        size, least = draw.randrange(384, 480), draw.choice([1, 2, 3])
        same += Tokenizer.train(texts, size, pattern, least).data.decode() == reference(
            texts, size, least, pattern
        )
    bar = Bar(count, of="value")
    rows = [
        Row(
            "random small corpora with equal files",
            "corpuskit",
            same,
            "corpora",
            bar=str(bar),
            met=same == count,
            input=f"{count} corpora, five patterns in turn, minimum frequencies of 1 to 3",
        )
    ]
    with tempfile.TemporaryDirectory() as folder:
        texts = list(documents(options.corpora, Path(folder)))
    texts += declaration(options.corpora).values()
    texts = texts[::20] if options.quick else texts
    size = sum(len(text.encode()) for text in texts)
    for pattern in PATTERNS:
        ours = Tokenizer.train(texts, VOCABULARY, pattern).data
        theirs = reference(texts, VOCABULARY, 2, pattern).encode()
        note = f"sha256 {hashlib.sha256(ours).hexdigest()[:16]} and {hashlib.sha256(theirs).hexdigest()[:16]}"
        about = f"{len(texts)} texts, {size / 1e6:.0f} MB: an English Wikipedia, books, 388 declarations"
        what, bar = f"real text with equal files, {pattern}", Bar(1, of="value")
        equal = float(ours == theirs)
        rows.append(
            Row(what, "corpuskit", equal, "file", bar=str(bar), met=bool(equal), input=about, note=note)
        )
    return rows


if __name__ == "__main__":
    groups = {"gpt2": partial(speed, "gpt2"), "llama3": partial(speed, "llama3")}
    groups |= {"sizes": three_sizes, "memory": memory, "exact": exact}
    sys.exit(run_benchmark("bpe", groups))
