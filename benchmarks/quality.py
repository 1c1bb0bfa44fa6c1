"""Rules of quality against datatrove: the same verdicts on the same words, and the time they take.

Both sides split words at white space and run on one core, on pieces of books of about 4.6 kB, on articles of
Wikipedia and on the Universal Declaration of Human Rights in 388 languages. With ``variant: datatrove`` our
verdicts and reasons are held to its own, document by document; where our own definitions give others, these
are counted by reason.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa

from benchmarks.harness import Bar, Options, Row, compare, peer_versions, run_benchmark
from corpuskit import Gutenberg, Wikipedia
from corpuskit.documents.batch import BatchBuilder
from corpuskit.stages.quality.c4_lines import C4Lines
from corpuskit.stages.quality.filter import Filter
from corpuskit.stages.quality.statistics import Variant
from corpuskit.stages.stage import Effect

ROOT = Path(__file__).resolve().parents[1]
PEER = "datatrove"
SETS = ("gopher_quality", "gopher_repetition", "fineweb")

_DUMP = "gensim__enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
_PIECE = 4600
_RUNS = 3

REASONS: Mapping[str, tuple[str, ...]] = {
    "gopher_words": ("gopher_short_doc", "gopher_long_doc"),
    "gopher_mean_word_length": ("gopher_below_avg_threshold", "gopher_above_avg_threshold"),
    "gopher_hashes": ("gopher_too_many_hashes",),
    "gopher_ellipses": ("gopher_too_many_ellipsis",),
    "gopher_bullet_lines": ("gopher_too_many_bullets",),
    "gopher_ellipsis_lines": ("gopher_too_many_end_ellipsis",),
    "gopher_alpha_words": ("gopher_below_alpha_threshold",),
    "gopher_stop_words": ("gopher_enough_stop_words",),
    "gopher_dup_paragraphs": ("dup_para_frac",),
    "gopher_dup_paragraph_chars": ("dup_para_char_frac",),
    "gopher_dup_lines": ("dup_line_frac",),
    "gopher_dup_line_chars": ("dup_line_char_frac",),
    **{f"gopher_top_{n}_gram": (f"top_{n}_gram",) for n in (2, 3, 4)},
    **{f"gopher_dup_{n}_gram": (f"duplicated_{n}_n_grams",) for n in range(5, 11)},
    "fineweb_end_mark_lines": ("line_punct_ratio",),
    "fineweb_short_lines": ("short_line_ratio",),
    "fineweb_dup_line_chars": ("char_dup_ratio",),
    "fineweb_line_ends": ("list_ratio",),
    "empty": ("empty", "gopher_short_doc", "dup_line_frac"),
}
"""Our reason to those that datatrove gives for the same rule."""


@dataclass(frozen=True)
class Input:
    """Texts of one kind."""

    name: str
    texts: list[str]

    @property
    def megabytes(self) -> float:
        """UTF-8 megabytes of all texts."""
        return sum(len(text.encode()) for text in self.texts) / 1e6

    def describe(self) -> str:
        """The words for a row's ``input``."""
        return f"{len(self.texts):,} {self.name}, {self.megabytes:.1f} MB"

    def batch(self) -> pa.RecordBatch:
        """All texts as documents in English, since datatrove asks its English rules of all."""
        builder = BatchBuilder(limit=2**40)
        for number, text in enumerate(self.texts):
            builder.add(id=f"files:x:{number}", source="x", text=text, language="en")
        return next(builder.take(rest=True))


def inputs(options: Options) -> list[Input]:
    """Pieces of books, articles, and the Declaration in every language."""
    most = 2_000_000 if options.quick else 12_000_000
    books = Gutenberg(path=str(options.corpora / "gutenberg"))
    wiki = Wikipedia(path=str(options.corpora / "wikipedia" / _DUMP), wiki="enwiki")
    pieces = (piece for text in _texts(books) for piece in _pieces(text))
    return [
        Input("pieces of books", _first(pieces, most)),
        Input("articles of enwiki", _first(_texts(wiki), most)),
        Input("texts of the Declaration", _declarations(options.corpora / "langid" / "udhr2.zip", most)),
    ]


def _texts(source: Gutenberg | Wikipedia) -> Iterator[str]:
    for part in source.parts():
        for reading in source.read(part):
            yield from reading.batch.column("text").to_pylist()


def _pieces(text: str) -> Iterator[str]:
    held: list[str] = []
    for paragraph in text.split("\n\n"):
        held.append(paragraph)
        if sum(map(len, held)) >= _PIECE:
            yield "\n\n".join(held)
            held = []


def _first(texts: Iterator[str], most: int) -> list[str]:
    found, size = [], 0
    for text in texts:
        if size >= most:
            break
        found.append(text)
        size += len(text)
    return found


def _declarations(archive: Path, most: int) -> list[str]:
    with zipfile.ZipFile(archive) as file:
        names = sorted(name for name in file.namelist() if name.endswith(".txt"))
        texts = (file.read(name).decode("utf-8", "replace") for name in names)
        return _first((text for text in texts if text.strip()), most)


# -------------------------------------------------------------------------------------------- both sides
def theirs(options: Options, given: Input) -> dict[str, Any]:
    """What datatrove says of each text, and its processor seconds."""
    python = options.require_peers(PEER)
    with TemporaryDirectory() as folder:
        documents, report = Path(folder, "documents.json"), Path(folder, "report.json")
        documents.write_text(json.dumps(given.texts), encoding="utf-8")
        script = ROOT / "benchmarks" / "peers" / "quality_datatrove.py"
        command = [str(python), str(script), str(documents), str(_RUNS), str(report)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
        return found


def ours(batch: pa.RecordBatch, *, variant: Variant) -> tuple[dict[str, dict[int, str]], float]:
    """Row to reason by rule set, and the median of the processor seconds of measuring and judging by all."""
    rules = {
        name: Filter(rules=(name,), words="white_space", variant=variant, every_language=True)
        for name in SETS
    }
    spent = []
    for _ in range(_RUNS):
        started = time.process_time()
        scores = next(iter(rules.values())).apply(batch).select(["id", "statistics"])
        found = {name: dict(each.decide(scores)) for name, each in rules.items()}
        spent.append(time.process_time() - started)
    return found, statistics.median(spent)


def _unequal(found: Mapping[int, str], reasons: Sequence[str | None]) -> Counter[str]:
    """Documents whose verdict or reason is another one, by both reasons."""
    odd: Counter[str] = Counter()
    for row, reason in enumerate(reasons):
        own = found.get(row)
        same = (own is None and reason is None) or (own is not None and reason in REASONS[own])
        if not same:
            odd[f"{own or 'kept'} / {reason or 'kept'}"] += 1
    return odd


def _unequal_lines(batch: pa.RecordBatch, report: Mapping[str, Any]) -> int:
    """Documents of which C4's rules leave other lines here than there, or drop for another reason."""
    stage = C4Lines(min_sentences=0, end_marks="c4")
    found = stage.apply(batch)
    assert isinstance(found, Effect)
    drops = stage.decide(found.batch.select(["id", *stage.columns]))
    cuts: dict[int, list[tuple[int, int]]] = {}
    for cut in found.cuts:
        cuts.setdefault(cut.row, []).append((cut.start, cut.end))
    odd = 0
    for row, text in enumerate(batch.column("text").to_pylist()):
        raw = text.encode()
        for start, end in sorted(cuts.get(row, ()), reverse=True):
            raw = raw[:start] + raw[end:]
        kept = [line.strip() for line in raw.decode().split("\n") if line.strip()]
        their_kept = [line.strip() for line in report["texts"][row].split("\n") if line.strip()]
        dropped = report["reasons"][row] is not None
        odd += (row in drops) != dropped or (not dropped and kept != their_kept)
    return odd


def collect(options: Options) -> list[Row]:
    """All rows."""
    rows: list[Row] = []
    given = inputs(options)
    tool = f"{PEER} {peer_versions(options.require_peers(PEER), [PEER])[0]}"
    for each in given:
        rows += _rows(options, each, tool)
    return rows


def _rows(options: Options, given: Input, tool: str) -> list[Row]:
    report, batch, said = theirs(options, given), given.batch(), given.describe()
    found, seconds = ours(batch, variant="datatrove")
    own, _ = ours(batch, variant="corpuskit")
    rows = []
    for name in SETS:
        odd = _unequal(found[name], report[name]["reasons"])
        rows += compare(
            f"{name}: verdicts unlike datatrove's, {given.name}",
            float(odd.total()),
            {},
            unit="documents",
            better="lower",
            input=said,
            bar=Bar(0, of="value", side="at most"),
            note=f"variant datatrove, {len(found[name]):,} dropped{_told(odd)}",
        )
        other = _unequal(own[name], report[name]["reasons"])
        rows += compare(
            f"{name}: verdicts of our own definitions that are others, {given.name}",
            float(other.total()),
            {},
            unit="documents",
            better="lower",
            input=said,
            note=f"ours / datatrove{_told(other)}",
        )
    rows += compare(
        f"c4_lines: documents with other lines, {given.name}",
        float(_unequal_lines(batch, report["c4_lines"])),
        {},
        unit="documents",
        better="lower",
        input=said,
        bar=Bar(0, of="value", side="at most"),
        note="without the bound on sentences",
    )
    their_seconds = sum(statistics.median(report[name]["seconds"]) for name in SETS)
    rows += compare(
        f"Gopher quality, Gopher repetition and FineWeb, one core, {given.name}",
        round(given.megabytes / seconds, 3),
        {f"{tool}, words at white space": round(given.megabytes / their_seconds, 3)},
        unit="MB/s",
        better="higher",
        input=said,
        # Of the Declaration datatrove drops nearly all at its first rule and looks no further.
        bar=None if "Declaration" in given.name else Bar(25),
        note="processor seconds, medians of 3 runs; words at white space on both sides; datatrove ends at the"
        " first rule that a text breaks",
    )
    return rows


def _told(odd: Counter[str]) -> str:
    return ": " + ", ".join(f"{count} {both}" for both, count in odd.most_common(8)) if odd else ""


if __name__ == "__main__":
    sys.exit(run_benchmark("quality", collect))
