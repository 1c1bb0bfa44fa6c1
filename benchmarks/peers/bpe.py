"""Trainers of byte-pair encodings: ``python bpe.py TOOL PATTERN SIZES FILE OUT``.

Run by the peers' Python, and by ours for ``corpuskit``, one tool a process. SIZES are numbers of merges and
256, parted by commas; the peers train one. FILE is an Arrow stream of one column ``text``; gigabpe alone
reads lines of a text file instead, which is written before its time begins. OUT gets the version, the seconds
from texts in memory to a vocabulary, and the merges as pairs of byte strings in hex, in order.
``corpuskit-stream`` reads FILE batch by batch, which its time holds too.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pyarrow as pa

PATTERNS = {
    "gpt2": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "llama3": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
}
Merges = list[tuple[bytes, bytes]]
_PRINTABLE = [*range(33, 127), *range(161, 173), *range(174, 256)]
_OTHERS = [byte for byte in range(256) if byte not in _PRINTABLE]
OF_CHARACTER = {chr(byte): byte for byte in _PRINTABLE} | {chr(256 + n): b for n, b in enumerate(_OTHERS)}


def raw(token: str) -> bytes:
    """The bytes of a token as tokenizer.json spells it."""
    return bytes(OF_CHARACTER[character] for character in token)


def hugging_face(texts: list[str], pattern: str, size: int) -> tuple[float, Merges]:
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    model = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(PATTERNS[pattern]), "isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    # GPT-2's own pattern within ByteLevel is faster than the same one as a regular expression.
    gpt2 = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    model.pre_tokenizer = gpt2 if pattern == "gpt2" else pre_tokenizers.Sequence([split, byte_level])
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    started = time.perf_counter()
    model.train_from_iterator(texts, trainer)
    seconds = time.perf_counter() - started
    return seconds, [(raw(a), raw(b)) for a, b in json.loads(model.to_str())["model"]["merges"]]


def gigabpe(texts: list[str], pattern: str, size: int) -> tuple[float, Merges]:
    import gigabpe

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "texts.txt")
        path.write_text("".join(texts), encoding="utf-8", newline="")
        started = time.perf_counter()
        _, merges = gigabpe.train_bpe(
            [str(path)], size, special_tokens=[], min_frequency=2, pretokenizer="bytelevel", threads=2
        )
        seconds = time.perf_counter() - started
    return seconds, [(raw(a), raw(b)) for a, b in merges]


def ffbpe(texts: list[str], pattern: str, size: int) -> tuple[float, Merges]:
    import ffbpe

    started = time.perf_counter()
    counter = ffbpe.PreTokenizer([], pat_str=PATTERNS[pattern]).word_counter()
    counter.add_batch(texts)
    trainer = ffbpe.BpeTrainer([], initial_alphabet="byte_level", tie_break="smallest_pair_id")
    trainer.add_word_counter(counter)
    trainer.train(size)
    seconds = time.perf_counter() - started
    order = sorted(trainer.vocab.items(), key=lambda item: item[1])
    return seconds, [(bytes(token), b"") for token, _ in order[256:]]


def rustbpe(texts: list[str], pattern: str, size: int) -> tuple[float, Merges]:
    import rustbpe

    trainer = rustbpe.Tokenizer()
    started = time.perf_counter()
    trainer.train_from_iterator(iter(texts), size, pattern=PATTERNS[pattern])
    seconds = time.perf_counter() - started
    ranks = sorted(trainer.get_mergeable_ranks(), key=lambda item: item[1])
    return seconds, [(bytes(token), b"") for token, _ in ranks[256:]]


def corpuskit(texts: Iterable[str], pattern: str, sizes: Sequence[int]) -> tuple[float, Merges]:
    from corpuskit import Tokenizer

    started = time.perf_counter()
    # Special tokens have 128 ids besides.
    made = Tokenizer.train_sizes(texts, [size + 128 for size in sizes], pattern)
    seconds = time.perf_counter() - started
    largest = json.loads(made[max(made)].data)
    return seconds, [(raw(a), raw(b)) for a, b in largest["model"]["merges"]]


TOOLS: dict[str, Callable[[list[str], str, int], tuple[float, Merges]]] = {
    "tokenizers": hugging_face,
    "gigabpe": gigabpe,
    "ffbpe": ffbpe,
    "rustbpe": rustbpe,
}


def peak_mib() -> float:
    """The most memory that this process held, MiB; getrusage would tell of the one that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def import_of(tool: str) -> None:
    """Import what a tool needs before its time begins."""
    importlib.import_module(tool)
    if tool == "corpuskit":
        importlib.import_module("corpuskit.tokenizer.tokenizer")


def main() -> None:
    tool, pattern, sizes, file, out = sys.argv[1:]
    before = time.process_time()
    numbers = [int(size) for size in sizes.split(",")]
    with pa.OSFile(file) as source, pa.ipc.open_stream(source) as reader:
        if tool == "corpuskit-stream":
            texts = (text for batch in reader for text in batch.column("text").to_pylist())
            seconds, merges = corpuskit(texts, pattern, numbers)
        else:
            held = reader.read_all().column("text").to_pylist()
            import_of(tool)
            before = time.process_time()
            if tool == "corpuskit":
                seconds, merges = corpuskit(held, pattern, numbers)
            else:
                seconds, merges = TOOLS[tool](held, pattern, numbers[0])
    # Of all threads, from the moment that the texts were there.
    told = {
        "work_cpu_s": time.process_time() - before,
        "version": importlib.metadata.version(tool.partition("-")[0]),
        "seconds": seconds,
    }
    told["peak_mib"] = peak_mib()
    told["merges"] = [[a.hex(), b.hex()] for a, b in merges]
    Path(out).write_text(json.dumps(told))
    os._exit(0)  # Freeing what was held may take longer than the training.


if __name__ == "__main__":
    main()
