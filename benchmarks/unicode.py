"""Unicode repair and white space: ours against ftfy alone, with the same settings, on the same documents.

    python -m benchmarks.unicode [--quick] [--json FILE] [--only GROUP]...

Each group is one kind of text. All outputs of both sides are compared, document by document. A document that
is to be repaired costs both sides ftfy's own time: what the look before it spares is the rest.
"""

from __future__ import annotations

import json
import re
import sys
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import ftfy
import numpy as np
import pyarrow as pa

from benchmarks.harness import OURS, Bar, Options, Row, compare, run_benchmark, time_functions
from benchmarks.kept import open_input, unpacked
from benchmarks.wiki_pages import ours_by_language, read_dump
from corpuskit import _native
from corpuskit.documents.columns import to_engine
from corpuskit.stages.normalize.repair import repair_texts
from corpuskit.stages.normalize.unicode import Unicode
from corpuskit.stages.normalize.whitespace import tidy

PEER = f"ftfy {ftfy.__version__}"
DOCUMENT = 5_000
"""Characters of a piece of a book, about."""


def cut(text: str) -> Iterator[str]:
    """A book in pieces that end with a line."""
    lines: list[str] = []
    size = 0
    for line in text.splitlines(keepends=True):
        lines.append(line)
        size += len(line)
        if size >= DOCUMENT:
            yield "".join(lines)
            lines, size = [], 0
    if lines:
        yield "".join(lines)


def packed(path: Path) -> Iterator[str]:
    """The files of a packed folder as text."""
    return (content.decode("utf-8", "replace") for _, content in unpacked(path))


def books(corpora: Path, *, quick: bool) -> list[str]:
    """Pieces of English books."""
    several = islice(packed(corpora / "scale" / "books_headerless_260.tar.zst"), 20 if quick else 80)
    return [piece for book in several for piece in cut(book)]


def wiki(corpora: Path, *, quick: bool) -> list[str]:
    """Articles of the English Wikipedia as WikiExtractor gives them, entities and all."""
    files = islice(packed(corpora / "scale" / "enwiki_extracted_96k.tar.zst"), 6 if quick else 24)
    return [text for file in files for text in re.findall(r"<doc [^>]*>\n(.*?)</doc>", file, re.DOTALL)]


def own_wiki(corpora: Path, *, quick: bool) -> list[str]:
    """Articles of four wikis as our own extractor gives them: what the stage meets in a build."""
    dumps = ("enwiki", "frwiki") if quick else ("enwiki", "frwiki", "itwiki", "viwiki")
    found = []
    for name in dumps:
        found += ours_by_language(read_dump(corpora, name))
    return found


def udhr(corpora: Path, *, quick: bool) -> list[str]:
    """The Universal Declaration in 388 languages; always whole."""
    with zipfile.ZipFile(corpora / "langid" / "udhr2.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".txt")]
        return [archive.read(name).decode("utf-8-sig") for name in names]


def mojibake(corpora: Path, *, quick: bool) -> list[str]:
    """ftfy's own cases, books that stand on the net wrongly decoded, and texts that we decode wrongly."""
    folder = corpora / "encoding"
    found = []
    for path in sorted((folder / "ftfy").glob("*.json")):
        cases = json.loads(path.read_text("utf-8"))
        found += [case[key] for case in cases for key in ("original", "fixed") if key in case]
    for path in sorted((folder / "mojibake_in_the_wild").iterdir()):
        with open_input(path) as handle:
            found += cut(handle.read().decode("utf-8", "replace"))
    texts = udhr(corpora, quick=quick)
    for wrong in ("latin-1", "cp1252", "cp1251", "mac-roman"):
        found += [text.encode()[:1500].decode(wrong, "replace") for text in texts[:: 8 if quick else 2]]
    return found


def rows_of(what: str, read: Callable[..., list[str]], least: float | None, options: Options) -> list[Row]:
    """Speed of both sides, documents that differ, and the share of the characters that ftfy is given."""
    texts = read(options.corpora, quick=options.quick)
    column = pa.array(texts, pa.large_string())
    size = column.nbytes / 1e6
    described = f"{len(texts):,} documents of {what}, {size:.1f} MB"
    config = Unicode().config()
    nothing = np.zeros(len(texts), bool)
    ours = partial(repair_texts, column, config, nothing)
    theirs = partial(_each, ftfy.fix_text, texts, config)
    timed = time_functions({OURS: ours, PEER: theirs}, runs=3 if options.quick else 5)
    speeds = {tool: round(size / timing.cpu_s, 1) for tool, timing in timed.items()}
    fixed = ours()[0]
    made = (column if fixed is None else fixed).to_pylist()
    wanted = theirs()
    unlike = sum(a != b for a, b in zip(made, wanted, strict=True))
    changed = sum(a != b for a, b in zip(texts, wanted, strict=True))
    return [
        *compare(
            f"Unicode repair, one core, {what}",
            speeds[OURS],
            {PEER: speeds[PEER]},
            unit="MB/s",
            better="higher",
            input=described,
            bar=Bar(least) if least else None,
            note=f"processor seconds, medians; ftfy changes {changed:,} of the documents and is given"
            f" {_given(column):.2%} of the bytes",
        ),
        *compare(
            f"documents repaired otherwise than by ftfy alone, {what}",
            unlike,
            {},
            unit="documents",
            better="lower",
            input=described,
            bar=Bar(0, "value", "at most"),
        ),
        *white_space(what, [str(text) for text in wanted], described),
    ]


def white_space(what: str, texts: list[str], described: str) -> list[Row]:
    """Speed of the stage ``whitespace`` on repaired texts, beside its twin in Python."""
    column = to_engine(pa.array(texts, pa.large_string()), "texts")
    size = len(column[1]) / 1e6
    sides = {OURS: partial(_native.tidy_whitespace, column), "Python twin": partial(_each, tidy, texts)}
    speeds = {tool: round(size / timing.cpu_s, 1) for tool, timing in time_functions(sides).items()}
    return compare(
        f"white space, one core, {what}",
        speeds[OURS],
        {"Python twin": speeds["Python twin"]},
        unit="MB/s",
        better="higher",
        input=described,
    )


def _each(function: Callable[..., str], texts: list[str], *arguments: object) -> list[str]:
    return [function(text, *arguments) for text in texts]


def _given(column: pa.LargeStringArray) -> float:
    """The share of the bytes in lines that are handed to ftfy."""
    entities, steps = np.full(len(column), 2, np.uint8), (True, True, False, False, True)
    _, spans, _ = _native.find_repairs(to_engine(column, "texts"), entities, steps, 1)
    return float((spans[:, 2] - spans[:, 1]).sum() / max(1, column.nbytes))


GROUPS = {
    "books": partial(rows_of, "English books", books, 25.0),
    "wiki": partial(rows_of, "Wikipedia by WikiExtractor", wiki, 8.0),
    "own_wiki": partial(rows_of, "Wikipedia by our extractor", own_wiki, 8.0),
    "languages": partial(rows_of, "388 languages", udhr, 2.0),
    "mojibake": partial(rows_of, "mojibake", mojibake, None),
}


if __name__ == "__main__":
    sys.exit(run_benchmark("unicode", GROUPS))
