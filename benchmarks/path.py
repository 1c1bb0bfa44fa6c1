"""The whole build, raw dumps and books to token shards, against a chain of peers on the same input and cores.

    python -m benchmarks.path [--quick] [--json FILE]

Both sides read the same files, extract and clean the text, apply quality rules, remove near-duplicates, train
a byte-level tokenizer of 32,768 tokens on what is left and write it as token shards, with two workers. They
do not clean the same text: so each side's documents, bytes of text and tokens stand beside its time, and the
share of the input's plain prose that is found in its documents, so that nobody wins by throwing text away.

The full run also builds one, two, four and eight sixteenths of everything that the corpora hold, for the
growth of time and memory.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq
import yaml

from benchmarks.harness import OURS, Bar, Options, Row, compare, peer_versions, run_benchmark
from benchmarks.inputs import BuildInput, fixed_input, sliced_inputs
from benchmarks.kept import SentenceSearch, book_sentences, sample, wiki_sentences
from benchmarks.measure import Usage, measure_command

WORKERS = 2
VOCABULARY_SIZE = 32_768
SENTENCES_PER_WIKI = 2_000
SENTENCES_PER_BOOK = 20
GROWTH_SIZES = (1, 2, 4, 8)
OUR_RUNS = 3
OUR_SECONDS = 120.0
PEER_PACKAGES = ("wikiextractor", "gutenbergpy", "datatrove", "tokenizers")
_COSTS = (
    ("wall time", "wall_s", "s"),
    ("processor time", "cpu_s", "s"),
    ("memory of all processes", "tree_mib", "MiB"),
    ("memory of the largest process", "largest_mib", "MiB"),
)
_OUTPUTS = (
    ("documents in the output", "documents", "documents"),
    ("text in the output", "text_mb", "MB"),
    ("tokens in the shards", "tokens", "tokens"),
)
ROOT = Path(__file__).resolve().parent.parent

NOT_THE_SAME_TEXT = (
    "The two sides do not clean the same text: see documents, text, tokens and kept prose. Both ask Gopher's "
    "rules of quality and repetition. Ours: median of up to three runs; the chain: one run. Both after every "
    "input file was read once."
)
CHAIN_SETTINGS = (
    "Fastest settings found for each peer on 2 cores: wikiextractor --no-templates --processes 2; datatrove "
    "with white-space words, 8 tasks on 2 forked workers, uncompressed JSON lines; no word cap for books, "
    "English stop words asked of English dumps only; documents not shuffled; 50 documents an encoding batch."
)


@dataclass
class Side:
    """What one side took and what it made.

    Attributes:
        name: The tool, or the tools of the chain, with versions.
        out: Folder of the output (of the first run).
        usages: One for each run.
        documents: Documents in the output.
        text_mb: Megabytes (10^6) of UTF-8 text in the output.
        tokens: Tokens in the shards.
        kept: Share of the sampled sentences that stand in the output, by kind of input.
        stages: The records of the chain's stages.
    """

    name: str
    out: Path
    usages: list[Usage]
    documents: int = 0
    text_mb: float = 0.0
    tokens: int = 0
    kept: dict[str, float] = field(default_factory=dict)
    stages: list[dict[str, float]] = field(default_factory=list)

    @property
    def wall_s(self) -> float:
        """Median wall time of the runs, seconds."""
        return statistics.median(usage.wall_s for usage in self.usages)

    @property
    def cpu_s(self) -> float:
        """Median processor time of the runs, seconds."""
        return statistics.median(usage.cpu_s for usage in self.usages)

    @property
    def largest_mib(self) -> float:
        """Median over the runs of the peak memory of the largest process, MiB."""
        return statistics.median(usage.largest_mib for usage in self.usages)

    @property
    def tree_mib(self) -> float:
        """Median over the runs of the peak memory of all processes together, MiB."""
        return statistics.median(usage.tree_mib for usage in self.usages)


def collect(options: Options) -> list[Row]:
    """Measure both sides and return the rows."""
    options.require_peers(*PEER_PACKAGES)
    with tempfile.TemporaryDirectory(prefix="corpuskit-path-") as folder:
        work = Path(folder)
        given = fixed_input(options.corpora, work, quick=options.quick)
        described = f"{given.describe(given.raw_bytes())}, load before the run {os.getloadavg()[0]:.1f}"
        sentences = sample_sentences(given)
        say(f"{described}; the chain of peers runs first")
        chain = run_chain(options.peers, given, work)
        judge(chain, chain_texts(chain.out), sentences)
        ours = run_ours(given, work)
        judge(ours, our_texts(ours.out), sentences)
        rows = comparison_rows(ours, chain, described, sentences) + step_rows(ours.out, described)
        if not options.quick:
            rows += growth_rows(options.corpora, work)
    return rows


def say(message: str) -> None:
    """Tell a person how far the benchmark is."""
    print(message, file=sys.stderr, flush=True)


# --------------------------------------------------------------------------------------- the chain of peers


def run_chain(python: Path, given: BuildInput, work: Path) -> Side:
    """Run the chain of peers once, in its own environment."""
    out = work / "chain"
    spec = {
        "dumps": [{"path": str(d.path), "wiki": d.wiki, "language": d.language} for d in given.dumps],
        "books": str(given.books),
        "out": str(out),
        "workers": WORKERS,
        "vocabulary_size": VOCABULARY_SIZE,
    }
    described, report, log = (out.with_suffix(end) for end in (".spec.json", ".json", ".log"))
    described.write_text(json.dumps(spec))
    # The link is not followed: a virtual environment is known by the path of its own python.
    command = [os.path.abspath(python), "-m", "benchmarks.peers.chain", str(described), str(report)]
    usage = measure_command(command, cwd=ROOT, stderr=log, timeout_s=3 * 3600)
    if usage.exit_code:
        raise SystemExit(
            f"the chain of peers failed (exit code {usage.exit_code}):\n{log.read_text()[-4000:]}"
        )
    stages = json.loads(report.read_text())["stages"]
    # Between its stages the chain counts documents, which is no part of the work: the stages are added up.
    costs = {"wall_s": stage_sum(stages, "wall_s"), "cpu_s": stage_sum(stages, "cpu_s")}
    costs["largest_mib"] = max(stage["largest_mib"] for stage in stages)
    costs["tree_mib"] = max(stage["tree_mib"] for stage in stages)
    name = peer_names(python)
    side = Side(name, out, [Usage(**costs, exit_code=0)], stages=stages)
    side.tokens = int(stages[-1]["tokens"])
    say(f"{name}: {side.usages[0]}")
    return side


def stage_sum(stages: list[dict[str, float]], key: str) -> float:
    """The sum of one figure over all stages."""
    return sum(stage[key] for stage in stages)


def peer_names(python: Path) -> str:
    """Names and versions of the peers, as their environment tells them."""
    versions = peer_versions(python, PEER_PACKAGES)
    return " + ".join(f"{name} {version}" for name, version in zip(PEER_PACKAGES, versions, strict=True))


def chain_texts(out: Path) -> Iterator[str]:
    """The texts of the chain's documents."""
    for path in sorted((out / "documents").glob("*.jsonl")):
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)["text"]


# --------------------------------------------------------------------------------------------- our own side


def recipe(given: BuildInput) -> dict[str, object]:
    """The recipe of our build: what the chain does, which has no cap of words for books either."""
    dumps = [
        {"wikipedia": {"path": str(dump.path), "wiki": dump.wiki, "language": dump.language}}
        for dump in given.dumps
    ]
    # Counted as datatrove counts, so that both ask the same of a text.
    rules = {"rules": ["gopher_quality", "gopher_repetition"], "limits": {"max_words": None}}
    rules |= {"words": "white_space", "variant": "datatrove"}
    return {
        "sources": [*dumps, {"gutenberg": {"path": str(given.books)}}],
        "stages": ["unicode", {"filter": rules}, "near_duplicates"],
        "tokenizer": {"vocab_size": VOCABULARY_SIZE},
        "shards": {},
    }


def run_ours(given: BuildInput, work: Path, name: str = "ours") -> Side:
    """Run ``corpuskit build`` three times, or as often as fits into `OUR_SECONDS`, each into a new folder."""
    path = work / f"{name}.yaml"
    path.write_text(yaml.safe_dump(recipe(given), sort_keys=False))
    usages: list[Usage] = []
    while len(usages) < OUR_RUNS and sum(u.wall_s for u in usages) + max_wall(usages) <= OUR_SECONDS:
        out = work / f"{name}-{len(usages)}"
        command = [sys.executable, "-m", "corpuskit", "build", str(path), "--out", str(out)]
        command += ["--workers", str(WORKERS), "--json"]
        log = out.with_suffix(".log")
        usages.append(measure_command(command, cwd=ROOT, stderr=log, timeout_s=3 * 3600))
        if usages[-1].exit_code:
            raise SystemExit(
                f"{' '.join(command)} failed ({usages[-1].exit_code}):\n{log.read_text()[-4000:]}"
            )
        say(f"corpuskit build, {given.name}, run {len(usages)}: {usages[-1]}")
    side = Side(OURS, work / f"{name}-0", usages)
    # 32,768 tokens fit 16 bits, so a shard's .bin holds two bytes for each.
    side.tokens = sum(path.stat().st_size for path in (side.out / "shards").rglob("*.bin")) // 2
    return side


def max_wall(usages: list[Usage]) -> float:
    """The longest wall time so far, seconds; 0 before the first run."""
    return max((usage.wall_s for usage in usages), default=0.0)


def our_texts(out: Path) -> Iterator[str]:
    """The texts of the documents of a run."""
    for path in sorted((out / "documents").rglob("*.parquet")):
        for batch in pq.ParquetFile(path).iter_batches(columns=["text"], batch_size=256):
            yield from batch.column("text").to_pylist()


# --------------------------------------------------------------------------------------------- what came out


def sample_sentences(given: BuildInput) -> dict[str, list[str]]:
    """Plain prose of the input to look for in the outputs, by kind of input."""
    books = [sample(book_sentences(path, step=4), SENTENCES_PER_BOOK) for path in given.book_files()]
    found = {"books": [sentence for book in books for sentence in book]}
    for wiki in dict.fromkeys(dump.wiki for dump in given.dumps):
        dumps = [dump.path for dump in given.dumps if dump.wiki == wiki]
        found[wiki] = sample(wiki_sentences(dumps), SENTENCES_PER_WIKI)
    return found


def judge(side: Side, texts: Iterator[str], sentences: dict[str, list[str]]) -> None:
    """Count documents and text and look for the sampled sentences."""
    search = SentenceSearch(sentences)
    documents = text_bytes = 0
    for text in texts:
        documents += 1
        text_bytes += len(text.encode("utf-8", "surrogatepass"))
        search.read(text)
    side.documents, side.text_mb = documents, round(text_bytes / 1e6, 2)
    side.kept = {kind: round(100 * share, 2) for kind, share in search.shares().items()}


def comparison_rows(ours: Side, chain: Side, described: str, sentences: dict[str, list[str]]) -> list[Row]:
    """Rows of the whole build: its cost, what came out, how much prose was kept, the chain's stages."""
    rows = []
    for what, attribute, unit in _COSTS:
        rows += compare(
            f"whole build, {what}",
            round(getattr(ours, attribute), 2),
            {chain.name: round(getattr(chain, attribute), 2)},
            unit=unit,
            better="lower",
            bar=Bar(20.0) if attribute in ("wall_s", "cpu_s") else None,
            input=described,
            note=NOT_THE_SAME_TEXT,
            notes={chain.name: CHAIN_SETTINGS},
        )
    sides = [ours, chain]
    for what, attribute, unit in _OUTPUTS:
        rows += [Row(what, side.name, getattr(side, attribute), unit, input=described) for side in sides]
    for kind, sampled in sentences.items():
        rows += compare(
            f"plain prose kept, {kind}",
            ours.kept[kind],
            {chain.name: chain.kept[kind]},
            unit="%",
            better="higher",
            input=described,
            note=f"{len(sampled)} sentences without markup from the raw input, sought in all documents",
        )
    return rows + [stage_row(stage, chain.name, described) for stage in chain.stages]


def step_rows(run: Path, described: str) -> list[Row]:
    """The rows of the steps of our build (its first run), from the report that each build writes."""
    steps = json.loads((run / "report" / "timings.json").read_text(encoding="utf-8"))["steps"]
    rows = []
    for step, told in steps.items():
        stages = {name.removeprefix("stage "): told[name] for name in told if name.startswith("stage ")}
        dear = sorted(((seconds, name) for name, seconds in stages.items() if seconds >= 0.1), reverse=True)
        parts = [f"{told['tasks']} tasks, their wall times added up"]
        parts += [f"{name} {seconds:.1f} s" for seconds, name in dear]
        value = round(told["seconds"], 3)
        rows.append(Row(f"build, {step}", OURS, value, "s", input=described, note=", ".join(parts)))
    return rows


def stage_row(stage: dict[str, float], tool: str, described: str) -> Row:
    """The row of one stage of the chain."""
    note = f"{stage['cpu_s']:.1f} s of processor, {stage['tree_mib']:,.0f} MiB"
    if "documents" in stage:
        note += f", {stage['documents']:,} documents"
    if "text_bytes" in stage:
        note += f", {stage['text_bytes'] / 1e6:.1f} MB of text"
    return Row(f"chain, {stage['stage']}", tool, stage["wall_s"], "s", input=described, note=note)


# ----------------------------------------------------------------------------------------------------- growth


def growth_rows(corpora: Path, work: Path) -> list[Row]:
    """Rows of time and memory as the input grows to eight times its size."""
    inputs = sliced_inputs(corpora, work, GROWTH_SIZES)
    sizes = {size: given.raw_bytes() / 1e6 for size, given in inputs.items()}
    sides = {size: run_ours(given, work, f"growth-{size}") for size, given in inputs.items()}
    described = "; ".join(given.describe(int(sizes[size] * 1e6)) for size, given in inputs.items())
    how = "Slices of the same mixture, the larger one containing the smaller one; nothing repeated. "
    figures = ", ".join(
        f"{sizes[size]:.0f} MB: {side.cpu_s:.1f} s of processor, {side.wall_s:.1f} s wall, "
        f"{side.largest_mib:.0f} MiB"
        for size, side in sides.items()
    )
    memory = sides[4].largest_mib / sides[1].largest_mib
    growth = marginal_growth({sizes[size]: side.cpu_s for size, side in sides.items()})
    return [
        *compare(
            "memory of the largest process, 4x over 1x input",
            round(memory, 3),
            {},
            unit="x",
            better="lower",
            bar=Bar(1.1, "value", "at most"),
            input=described,
            note=how + figures,
        ),
        *compare(
            "processor time of a further MB, from 4x to 8x over from 1x to 4x input",
            round(growth, 3),
            {},
            unit="x",
            better="lower",
            bar=Bar(1.1, "value", "at most"),
            input=described,
            note=how + "1 is a straight line; the fixed cost of starting falls out. " + figures,
        ),
    ]


def marginal_growth(seconds: dict[float, float]) -> float:
    """How much more a further megabyte costs at the end than before: 1 for a straight line.

    Args:
        seconds: Time by megabytes, for at least three sizes; the slope between the two largest is divided by
            the slope from the smallest to the second largest.
    """
    if len(seconds) < 3:
        raise ValueError(
            f"{len(seconds)} sizes: a slope can only be compared with another from three sizes on"
        )
    sizes = sorted(seconds)
    first, before, last = sizes[0], sizes[-2], sizes[-1]
    early = (seconds[before] - seconds[first]) / (before - first)
    late = (seconds[last] - seconds[before]) / (last - before)
    if early <= 0:
        raise ValueError(
            f"{before:.0f} MB took no longer than {first:.0f} MB: the sizes are too small to time"
        )
    return late / early


if __name__ == "__main__":
    sys.exit(run_benchmark("path", collect))
