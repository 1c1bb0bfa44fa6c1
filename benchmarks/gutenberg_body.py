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

``python -m benchmarks.gutenberg_body --without NAME...`` says what single rules do: how many blocks of the
books of "uniform" and "uniform2" become another kind without one, and how many more or less of those marked
are in the right class. ``--without all`` takes a quarter of an hour.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from benchmarks.harness import OURS, Bar, Options, Row, compare
from benchmarks.kept import unpacked
from corpuskit.sources.encoding.decode import decode_text
from corpuskit.sources.gutenberg.blocks import find_blocks
from corpuskit.sources.gutenberg.body import Body, BodyOptions
from corpuskit.sources.gutenberg.bounds import find_bounds
from corpuskit.sources.gutenberg.header import declared_encoding
from corpuskit.sources.gutenberg.rules import RULES

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
    return {
        name: content.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
        for name, content in unpacked(archive)
    }


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
    outputs = options.attempt("bounds, rows of the peers", lambda: peers_texts(options, books), {})
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
            str(options.require_peers("gutenbergpy", "gutenberg-cleaner").absolute()),
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
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    exact = books = 0
    for lines, marked_kinds in marked_blocks(corpora, which):
        kinds = {block.first: block.kind for block in find_blocks(lines)}
        books += 1
        for first, kind in marked_kinds.items():
            want = CLASSES.get(kind, "heading")
            total[want] += 1
            right[want] += _is_right(kinds.get(first), kind)
            exact += kinds.get(first) == kind
    return right, total, exact, books


def _is_right(found: str | None, kind: str) -> bool:
    """Whether a block is in the class of the kind that it was marked as."""
    return found is not None and CLASSES.get(found, "heading") == CLASSES.get(kind, "heading")


def marked_blocks(corpora: Path, *sets: str) -> Iterator[tuple[list[str], dict[int, str]]]:
    """The books that have blocks marked by hand in these rows: lines of the body, kinds by first line."""
    rows = [r.split("\t") for r in (CASES / "gutenberg_blocks.tsv").read_text(encoding="utf-8").splitlines()]
    chosen = sorted((row for row in rows[1:] if row[0] in sets), key=lambda row: row[1])
    for name, group in groupby(chosen, key=lambda row: row[1]):
        text = read(corpora, name)
        found = find_bounds(text)
        offset = text.count("\n", 0, found.body) + 1
        yield text[found.body : found.licence].split("\n"), {int(row[2]) - offset: row[5] for row in group}


# -------------------------------------------------------------------------------------------- single rules


def without_rules(corpora: Path, names: Sequence[str], sets: Sequence[str]) -> Iterator[str]:
    """A line for each rule: what other blocks become when it alone is switched off, and what that costs."""
    books = list(marked_blocks(corpora, *sets))
    usual = [find_blocks(lines) for lines, _ in books]
    total = sum(map(len, usual))
    yield f"{len(books)} books, {total:,} blocks, {sum(len(m) for _, m in books)} of them marked"
    yield f"{'rule':28} {'kind':8} {'changed':>8} {'marked right':>12}  reason"
    for rule in (rule for rule in RULES if rule.name in names):
        changed = gained = 0
        for (lines, marked_kinds), blocks in zip(books, usual, strict=True):
            for old, new in zip(blocks, find_blocks(lines, without={rule.name}), strict=True):
                changed += old.kind != new.kind
                if kind := marked_kinds.get(old.first):
                    gained += _is_right(new.kind, kind) - _is_right(old.kind, kind)
        yield f"{rule.name:28} {rule.kind or '-':8} {changed:8,} {gained:+12}  {rule.reason}"


def main() -> None:
    """Print what rules of blocks do, switched off one by one."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gutenberg_body", description=main.__doc__)
    names = [rule.name for rule in RULES]
    parser.add_argument("--without", nargs="+", required=True, choices=[*names, "all"], metavar="NAME")
    parser.add_argument("--sets", nargs="+", default=["uniform", "uniform2"], metavar="SET")
    parser.add_argument("--corpora", type=Path, default=os.environ.get("CORPUSKIT_CORPORA"), metavar="DIR")
    said = parser.parse_args()
    chosen = names if "all" in said.without else said.without
    for line in without_rules(Path(said.corpora), chosen, said.sets):
        print(line, flush=True)


if __name__ == "__main__":
    main()
