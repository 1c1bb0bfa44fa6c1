"""Rows of the Gutenberg benchmark about the inside of a book: bounds of the body, classes of blocks.

Bounds: books marked by hand (``tests/cases/gutenberg_bounds.tsv``: first and last line of the book, lines
inside that the makers of the file wrote). Every tool gets the same text; its output is read as a bag of
lines, so that no tool is judged by its white space. A book is cut wrongly when more than one word in a
hundred of it is gone.

Blocks: blocks marked by hand (``tests/cases/gutenberg_blocks.tsv``) in four classes: prose; verse (with
drama); tables (with lists); headings (with letter heads, rows of asterisks and captions). No two sets
but the last two share a book. Drawn were

* "tune" and "test": chosen so that rare shapes are many. Rules were made on them.
* "tune2": 150 from all blocks alike, 50 each from those with columns or numbers at line ends, from short ones
  that stand apart, and from those of short lines (at most two of a book in each of these three). Marked and
  measured once before any rule was made on them (86.0 %); rules have been made on them since.
* "uniform": 500 from all 72,217 blocks of 84 other books alike (``random.Random(20261122)`` shuffles the
  blocks in the order of file numbers and lines; at most seven of a book). Marked before they were classified:
  96.0 % at the first look. Rules have been made on them since.
* "uniform2": drawn after that from the 58,875 blocks of the same books at least 100 lines away from those of
  "uniform" (``random.Random(20261123)``, at most eight of a book), and marked before they were classified:
  96.0 % at the first look. One rule made since (short speeches of plays in verse) had errors of theirs in
  view, so that what is measured now is a later look. Their share answers the bar.
"""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from benchmarks.harness import OURS, Bar, Options, Row, compare
from corpuskit.sources.encoding.decode import decode_text
from corpuskit.sources.gutenberg.blocks import find_blocks
from corpuskit.sources.gutenberg.body import Body, BodyOptions
from corpuskit.sources.gutenberg.bounds import find_bounds
from corpuskit.sources.gutenberg.header import declared_encoding

ROOT = Path(__file__).parent.parent
CASES = ROOT / "tests" / "cases"
CLASSES = {"prose": "prose", "verse": "verse", "drama": "verse", "table": "table", "list": "table"}
AS_IT_IS = BodyOptions(reflow=False, emphasis="keep", illustrations="keep", page_numbers="keep")


class Marked(NamedTuple):
    """A book's text with LF line ends, the lines of the book and those of its wrapper."""

    name: str
    text: str
    book: Counter[str]
    wrapper: Counter[str]


def collect(options: Options) -> list[Row]:
    """Rows about bounds and blocks."""
    return [*bounds(options), *blocks(options)]


def read(corpora: Path, name: str) -> str:
    """The text of a file of the corpora with LF line ends; ``x.tar.zst/name`` is one in an archive."""
    archive, _, member = name.partition(".tar.zst/")
    if member:
        return archived(corpora / f"{archive}.tar.zst")[member]
    data = gzip.decompress((corpora / name).read_bytes())
    decoded = decode_text(data, declared_encoding(data))
    if decoded is None:
        raise ValueError(f"{name} cannot be decoded")
    return decoded.text.replace("\r\n", "\n").replace("\r", "\n")


@cache
def archived(archive: Path) -> dict[str, str]:
    """The texts of a ``.tar.zst`` by name, with LF line ends."""
    texts = {}
    with (
        pa.CompressedInputStream(pa.OSFile(str(archive)), "zstd") as stream,
        tarfile.open(fileobj=stream, mode="r|") as tar,
    ):
        for member in tar:
            file = tar.extractfile(member)
            if file:
                text = file.read().decode("utf-8")
                texts[member.name] = text.replace("\r\n", "\n").replace("\r", "\n")
    return texts


def words(line: str) -> int:
    """Words of a line: what holds a letter or a digit."""
    return sum(1 for word in line.split() if re.search(r"\w", word))


def marked(options: Options) -> Iterator[Marked]:
    """The books marked by hand; every fourth with ``--quick``."""
    rows = (CASES / "gutenberg_bounds.tsv").read_text(encoding="utf-8").splitlines()[1:]
    for row in rows[:: 4 if options.quick else 1]:
        name, first, last, notes = row.split("\t")
        text = read(options.corpora, name)
        lines = text.split("\n")
        inside = set(range(int(first) - 1, int(last)))
        for note in filter(None, notes.split(",")):
            begin, end = (note.split("-") * 2)[:2]
            inside -= set(range(int(begin) - 1, int(end)))
        book = Counter(line.strip() for i, line in enumerate(lines) if i in inside)
        wrapper = Counter(line.strip() for i, line in enumerate(lines) if i not in inside)
        yield Marked(name, text, book, wrapper)


def bounds(options: Options) -> list[Row]:
    """Words of the book kept, words of the wrapper left, books cut wrongly: ours and the peers."""
    books = list(marked(options))
    outputs = peers_texts(options, books)
    outputs[OURS] = [Body(book.text, AS_IT_IS).text for book in books]
    kept, left, wrong = {}, {}, {}
    for tool, texts in outputs.items():
        total = there = rest = cut_wrongly = 0
        for book, text in zip(books, texts, strict=True):
            lines = Counter(line.strip() for line in text.split("\n"))
            of_book = sum(words(line) * count for line, count in book.book.items())
            in_text = sum(words(line) * min(count, lines[line]) for line, count in book.book.items())
            extra = lines - book.book
            rest += sum(words(line) * min(count, book.wrapper[line]) for line, count in extra.items())
            total, there = total + of_book, there + in_text
            cut_wrongly += in_text < 0.99 * of_book
        kept[tool] = round(100 * there / total, 4)
        left[tool] = round(rest * 5000 / max(1, there), 3)
        wrong[tool] = float(cut_wrongly)
    described = f"{len(books)} books marked by hand, {total:,} words"
    return [
        *_rows("words of the body kept", kept, "%", "higher", Bar(99.9, "value"), described),
        *_rows(
            "boilerplate in 5,000 words kept", left, "words", "lower", Bar(1, "value", "at most"), described
        ),
        *_rows("books cut wrongly", wrong, "books", "lower", Bar(0, "value", "at most"), described),
    ]


def _rows(what: str, values: dict[str, float], unit: str, better: str, bar: Bar, described: str) -> list[Row]:
    peers = {tool: value for tool, value in values.items() if tool != OURS}
    side = "higher" if better == "higher" else "lower"
    return compare(what, values[OURS], peers, unit=unit, better=side, bar=bar, input=described)  # type: ignore[arg-type]


def peers_texts(options: Options, books: list[Marked]) -> dict[str, list[str]]:
    """What the peers leave of the books, by tool."""
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for i, book in enumerate(books):
            files.append(Path(folder) / f"{i}.txt")
            files[-1].write_text(book.text, encoding="utf-8")
        out = Path(folder) / "out.jsonl"
        command = [
            str(options.require_peers().absolute()),
            "-m",
            "benchmarks.peers.gutenberg_bodies",
            str(out),
        ]
        subprocess.run([*command, *map(str, files)], check=True, cwd=ROOT)
        with open(out, encoding="utf-8") as lines:
            found = [json.loads(line) for line in lines]
    return {tool: [row[tool] for row in found] for tool in ("gutenbergpy", "gutenberg-cleaner")}


def blocks(options: Options) -> list[Row]:
    """Share of the blocks marked by hand that fall into the right one of four classes, and of nine kinds."""
    return [row for which in ("test", "tune2", "uniform", "uniform2") for row in _block_rows(options, which)]


def _block_rows(options: Options, which: str) -> list[Row]:
    right, total, exact, books = count_right(options.corpora, which)
    share = round(100 * right.total() / total.total(), 2)
    by_class = ", ".join(f"{name} {right[name]}/{total[name]}" for name in sorted(total))
    note = f"{by_class}; nine kinds {100 * exact / total.total():.1f} %"
    described = f"{total.total()} blocks of {books} books, rows {which!r}"
    if which == "uniform2":
        what, bar = "blocks in the right class, drawn from all alike, second draw", Bar(97, "value")
    elif which == "uniform":
        what, bar = "blocks in the right class, drawn from all alike, rules made on them", None
    else:  # Rules were made on these blocks, of which rare shapes are many: their share answers no bar.
        what, bar = "blocks in the right class, rules made on them", None
    return compare(what, share, {}, unit="%", better="higher", bar=bar, input=described, note=note)


def count_right(corpora: Path, which: str) -> tuple[Counter[str], Counter[str], int, int]:
    """Blocks in the right class and all blocks, by class; blocks of the right kind; books."""
    rows = [r.split("\t") for r in (CASES / "gutenberg_blocks.tsv").read_text(encoding="utf-8").splitlines()]
    cases = [row for row in rows[1:] if row[0] == which]
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    exact = 0
    for name, group in groupby(cases, key=lambda row: row[1]):
        text = read(corpora, name)
        found_bounds = find_bounds(text)
        offset = text.count("\n", 0, found_bounds.body)
        lines = text[found_bounds.body : found_bounds.licence].split("\n")
        kinds = {block.first + offset + 1: block.kind for block in find_blocks(lines)}
        for _, _, first, _, _, kind in group:
            found = kinds.get(int(first), "none")
            want = CLASSES.get(kind, "heading")
            total[want] += 1
            right[want] += CLASSES.get(found, "heading") == want and found != "none"
            exact += found == kind
    return right, total, exact, len({row[1] for row in cases})
