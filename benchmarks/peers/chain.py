"""The chain of peers that does what ``corpuskit build`` does: dumps and books to token shards.

Run by the Python of the peers' environment (``make bench-install``), never imported by the package::

    python -m benchmarks.peers.chain SPEC.json REPORT.json

``SPEC.json`` names the input (see ``Spec``), ``REPORT.json`` receives one record per stage: wall and
processor seconds, memory, documents and bytes of text in and out.

The tools, each at the settings that were fastest for it on 2 cores while doing the same work as the other
side:

- wikiextractor, as a command of its own (AGPL: nothing of it is imported anywhere), without its template
  pass;
- gutenbergpy's ``strip_headers``; a book that is not UTF-8 is decoded as gutenbergpy does it, through
  chardet;
- datatrove's FTFY formatter and its Gopher filters. Words are split at white space (as
  shipped a spaCy tokenizer does it, at a fifth of the speed). The cap of 100,000 words is lifted for books
  and the English stop words are asked of English documents only, since both rules would remove most of the
  input unread;
- datatrove's MinHash deduplication in its four stages, uncompressed files between all stages, workers by
  ``fork``;
- the BPE trainer of Hugging Face ``tokenizers``, byte-level with Llama 3's pattern;
- datatrove's ``DocumentTokenizer`` and ``DocumentTokenizerMerger``, without shuffling.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from datatrove.data import DocumentsPipeline
from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.dedup.minhash import (
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter
from datatrove.pipeline.formatters import FTFYFormatter
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.readers.base import BaseDiskReader
from datatrove.pipeline.tokens import DocumentTokenizer, DocumentTokenizerMerger
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.logging import logger
from datatrove.utils.word_tokenizers import WordTokenizer
from gutenbergpy.textget import strip_headers

from benchmarks.measure import Usage, measure_call, measure_command

END_OF_TEXT = "<|endoftext|>"
LLAMA3_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TASKS_PER_WORKER = 4
ENCODE_BATCH_DOCUMENTS = 50


@dataclass(frozen=True)
class Dump:
    """One Wikipedia dump: path (.xml, .xml.bz2 or .xml.gz), the wiki's name, its language."""

    path: str
    wiki: str
    language: str


@dataclass(frozen=True)
class Spec:
    """The input of the chain: dumps, a folder of books (.txt or .txt.gz), where to write, how."""

    dumps: tuple[Dump, ...]
    books: str
    out: str
    workers: int
    vocabulary_size: int


class WhitespaceWords(WordTokenizer):
    """Words are what stands between white space; sentences are not needed by the stages of this chain."""

    def word_tokenize(self, text: str) -> list[str]:
        return text.split()

    def sent_tokenize(self, text: str) -> list[str]:
        raise NotImplementedError("this chain uses no stage that needs sentences")

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        raise NotImplementedError("this chain uses no stage that needs sentences")


class BookReader(BaseDiskReader):
    """Reads books as plain text, one document a file, without Project Gutenberg's header and footer."""

    name = "Gutenberg books"

    def read_file(self, filepath: str) -> DocumentsPipeline:
        with self.data_folder.open(filepath, "rb", compression="infer") as handle:
            raw = handle.read()
        document = self.get_document_from_dict(
            {"text": decode(strip_headers(raw)), "id": filepath}, filepath, 0
        )
        if document:
            yield document


def decode(raw: bytes) -> str:
    """The text of a book: UTF-8 if it is valid, else what chardet says."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        import chardet

        return raw.decode(chardet.detect(raw)["encoding"] or "utf-8", errors="replace")


class Chain:
    """Runs the stages in order and keeps their records."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.out = Path(spec.out)
        self.tasks = TASKS_PER_WORKER * spec.workers
        self.records: list[dict[str, object]] = []

    def run(self) -> list[dict[str, object]]:
        self._extract_dumps()
        self._stage("clean wiki text", self._wiki)
        self._stage("strip and clean books", self._books)
        self._deduplicate()
        self._stage("train tokenizer", self._train)
        self._stage("tokenize", self._tokenize)
        self._stage("merge shards", self._merge)
        return self.records

    def _extract_dumps(self) -> None:
        """One command after another, each with all workers: two commands side by side were no faster."""
        usages = []
        for number, dump in enumerate(self.spec.dumps):
            group = "wiki-en" if dump.language == "en" else "wiki-other"
            folder = self.out / "extracted" / group / f"{number:02d}-{dump.wiki}"
            folder.mkdir(parents=True)
            program = Path(sys.executable).with_name("wikiextractor")
            command = [
                str(program),
                "--json",
                "--no-templates",
                "--discard_empty",
                "--quiet",
                "--bytes",
                "256K",
            ]
            command += ["--processes", str(self.spec.workers), "--output", str(folder), dump.path]
            usages.append(measure_command(command, stderr=folder.with_suffix(".log")))
            if usages[-1].exit_code:
                raise RuntimeError(f"wikiextractor failed on {dump.path}: see {folder.with_suffix('.log')}")
        if usages:
            self._record(
                "extract dumps", sum_usages(usages), folder_counts(self.out / "extracted", "*/*/*/wiki_*")
            )

    def _wiki(self) -> None:
        for group, english in (("wiki-en", True), ("wiki-other", False)):
            folder = self.out / "extracted" / group
            if folder.exists():
                reader = JsonlReader(str(folder), glob_pattern="**/wiki_*", compression=None)
                self._execute(group, [reader, *self._cleaning(group, english, 100_000)], self.tasks)

    def _books(self) -> None:
        steps = [BookReader(self.spec.books), *self._cleaning("books", False, None)]
        self._execute("books", steps, self.tasks)

    def _cleaning(self, group: str, stop_words: bool, word_cap: int | None) -> list[PipelineStep]:
        words = WhitespaceWords()
        rules: list[PipelineStep] = [
            GopherRepetitionFilter(language=words),
            GopherQualityFilter(
                max_doc_words=word_cap, min_stop_words=2 if stop_words else None, language=words
            ),
        ]
        writer = JsonlWriter(
            str(self.out / "cleaned"), output_filename=group + "_${rank}.jsonl", compression=None
        )
        return [FTFYFormatter(), *rules, writer]

    def _deduplicate(self) -> None:
        """The four stages, as datatrove's own example puts them together."""
        config = MinhashConfig()
        out = self.out / "minhash"
        tasks = self.tasks
        signatures = MinhashDedupSignature(str(out / "signatures"), config=config, language=WhitespaceWords())
        self._stage("minhash signatures", lambda: self._execute("m1", [self._cleaned(), signatures], tasks))
        buckets = MinhashDedupBuckets(str(out / "signatures"), str(out / "buckets"), config=config)
        self._stage("minhash buckets", lambda: self._execute("m2", [buckets], config.num_buckets))
        cluster = MinhashDedupCluster(str(out / "buckets"), str(out / "remove"), config=config)
        self._stage("minhash clusters", lambda: self._execute("m3", [cluster], 1))
        writer = JsonlWriter(str(self.out / "documents"), compression=None)
        steps = [self._cleaned(), MinhashDedupFilter(str(out / "remove")), writer]
        self._stage("minhash filter", lambda: self._execute("m4", steps, tasks))

    def _cleaned(self) -> JsonlReader:
        return JsonlReader(str(self.out / "cleaned"), compression=None)

    def _train(self) -> None:
        from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(LLAMA3_PATTERN), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=self.spec.vocabulary_size,
            special_tokens=[END_OF_TEXT],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        tokenizer.train_from_iterator(read_texts(self.out / "documents"), trainer)
        tokenizer.save(str(self.out / "tokenizer.json"))

    def _tokenize(self) -> None:
        step = DocumentTokenizer(
            str(self.out / "tokenized"),
            str(self.out / "tokenizer.json"),
            eos_token=END_OF_TEXT,
            shuffle_documents=False,
            batch_size=ENCODE_BATCH_DOCUMENTS,
        )
        reader = JsonlReader(str(self.out / "documents"), compression=None)
        self._execute("tokenize", [reader, step], self.tasks)

    def _merge(self) -> None:
        step = DocumentTokenizerMerger(
            str(self.out / "tokenized"), str(self.out / "shards"), "corpus", shuffle=False, progress=False
        )
        self._execute("merge", [step], 1)

    def _execute(self, name: str, pipeline: list[object], tasks: int) -> None:
        """Run a datatrove pipeline."""
        LocalPipelineExecutor(
            pipeline=pipeline,
            tasks=tasks,
            workers=min(tasks, self.spec.workers),
            logging_dir=str(self.out / "logs" / name),
            start_method="fork",
        ).run()

    def _stage(self, name: str, body: Callable[[], object]) -> None:
        log = self.out / "logs" / f"{name.replace(' ', '-')}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        usage = measure_call(body, log=log)
        if usage.exit_code:
            raise RuntimeError(f"the stage '{name}' of the chain of peers failed: see {log}")
        self._record(name, usage, self._counts(name))

    def _counts(self, name: str) -> dict[str, int]:
        if name in ("clean wiki text", "strip and clean books"):
            return folder_counts(self.out / "cleaned", "books_*" if "books" in name else "wiki-*")
        if name == "minhash filter":
            return folder_counts(self.out / "documents", "*.jsonl")
        if name == "merge shards":
            return shard_counts(self.out / "shards")
        return {}

    def _record(self, name: str, usage: Usage, counts: dict[str, int]) -> None:
        self.records.append({"stage": name, **asdict(usage), **counts})


def sum_usages(usages: list[Usage]) -> Usage:
    """Costs of tasks that ran one after another."""
    return Usage(
        wall_s=round(sum(usage.wall_s for usage in usages), 3),
        cpu_s=round(sum(usage.cpu_s for usage in usages), 3),
        largest_mib=max(usage.largest_mib for usage in usages),
        tree_mib=max(usage.tree_mib for usage in usages),
        exit_code=0,
    )


def read_texts(folder: Path) -> Iterator[str]:
    """The text of every document of a folder of JSON lines."""
    import orjson

    for path in sorted(folder.glob("*.jsonl")):
        with open(path, "rb") as lines:
            for line in lines:
                yield orjson.loads(line)["text"]


def folder_counts(folder: Path, pattern: str) -> dict[str, int]:
    """Documents and bytes of text (UTF-8) in JSON lines files; done outside the measured time."""
    import orjson

    documents = text_bytes = 0
    for path in folder.glob(pattern):
        with open(path, "rb") as lines:
            for line in lines:
                documents += 1
                text_bytes += len(orjson.loads(line)["text"].encode("utf-8", "surrogatepass"))
    return {"documents": documents, "text_bytes": text_bytes}


def shard_counts(folder: Path) -> dict[str, int]:
    """Documents and tokens of datatrove's token files (uint16 tokens, uint64 document ends)."""
    tokens = sum(path.stat().st_size // 2 for path in folder.glob("*.ds"))
    documents = sum(path.stat().st_size // 8 for path in folder.glob("*.ds.index"))
    return {"documents": documents, "tokens": tokens}


def read_spec(path: Path) -> Spec:
    """The checked input of the chain."""
    values = json.loads(path.read_text())
    values["dumps"] = tuple(Dump(**dump) for dump in values["dumps"])
    return Spec(**values)


def main(arguments: list[str]) -> int:
    """Run the chain that ``arguments[0]`` describes and write its records to ``arguments[1]``."""
    if len(arguments) != 2:
        print("usage: python -m benchmarks.peers.chain SPEC.json REPORT.json", file=sys.stderr)
        return 2
    logger.remove()
    logger.add(sys.stderr, level="ERROR")
    os.environ["HF_HUB_OFFLINE"] = "1"
    records = Chain(read_spec(Path(arguments[0]))).run()
    Path(arguments[1]).write_text(json.dumps({"stages": records}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
