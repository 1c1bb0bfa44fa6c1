"""The inputs of the whole-build benchmark, laid out from the real corpora.

Nothing is copied into the project: links and slices stand in a temporary folder. Beside the two fixed sets
(quick and full) there are slices of everything that the corpora hold, for the growth of time and memory: page
number i of a dump and book number i of the list, in the order of the checksums of their names, belong to
slice i mod 16, so that every slice has the same mixture and the larger input contains the smaller one.
Nothing is repeated, since deduplication would remove it.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.kept import open_input, unpacked

SLICES = 16


@dataclass(frozen=True)
class Dump:
    """A Wikipedia dump: file, the wiki's name, its language."""

    path: Path
    wiki: str
    language: str


@dataclass(frozen=True)
class BuildInput:
    """What one build reads.

    Attributes:
        dumps: Wikipedia dumps.
        books: Folder of books as plain text, gzip or not, named by their number.
        name: What to call it in a row.
    """

    dumps: tuple[Dump, ...]
    books: Path
    name: str

    def book_files(self) -> list[Path]:
        """The books, in the order of their paths."""
        return sorted(path for path in self.books.rglob("*.txt*") if path.is_file())

    def raw_bytes(self) -> int:
        """Bytes of all files, decompressed. Reads them all, which also brings them into the page cache."""
        return sum(_raw_size(path) for path in [*(dump.path for dump in self.dumps), *self.book_files()])

    def describe(self, raw_bytes: int) -> str:
        """The words for a row's ``input``."""
        counts = f"{len(self.dumps)} dumps and {len(self.book_files())} books"
        return f"{self.name}: {counts}, {raw_bytes / 1e6:.1f} MB raw"


_DUMPS = (
    ("gensim__enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2", "enwiki", "en"),
    ("viwiki-20240701-pages-articles-multistream4.xml-p4565247p6065246", "viwiki", "vi"),
    ("wp2txt__testdata_en-0.10.bz2", "enwiki", "en"),
    ("itwiki-small-dump.xml.gz", "itwiki", "it"),
    ("dumpster-dive__smallwiki-latest-pages-articles.xml.bz2", "ltgwiki", "ltg"),
    ("dbpedia-minidump-fr-large.xml.bz2", "frwiki", "fr"),
)


def fixed_input(corpora: Path, work: Path, *, quick: bool) -> BuildInput:
    """The quick input (two dumps, 20 books) or the full one (six dumps, all books of ``gutenberg/``).

    Dumps are linked under names that end as their format does. Books are linked in folders named by number
    and title, as they lie in the corpora.
    """
    dumps = _DUMPS[:2] if quick else _DUMPS
    linked = []
    for number, (name, wiki, language) in enumerate(dumps):
        ending = next((end for end in (".bz2", ".gz") if name.endswith(end)), "")
        link = work / "dumps" / f"{number}-{wiki}.xml{ending}"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(_existing(corpora / "wikipedia" / name))
        linked.append(Dump(link, wiki, language))
    books = _by_checksum(sorted(_existing(corpora / "gutenberg").glob("*/*.txt.gz")))
    folder = work / "books"
    for book in books[:20] if quick else books:
        _link_book(book, folder)
    return BuildInput(tuple(linked), folder, "quick" if quick else "full")


def sliced_inputs(corpora: Path, work: Path, sizes: tuple[int, ...]) -> dict[int, BuildInput]:
    """Inputs of so many sixteenths of all: the six dumps, the books of ``gutenberg/`` and of ``scale/``."""
    books = [*sorted(_existing(corpora / "gutenberg").glob("*/*.txt.gz")), *_unpack_scale(corpora, work)]
    ordered = _by_checksum(books)
    inputs = {}
    for size in sizes:
        folder = work / f"slices-{size}"
        folder.mkdir()
        dumps: list[Dump] = []
        for name, wiki, language in _DUMPS:
            target = folder / f"{len(dumps)}-{wiki}.xml"
            slice_dump(corpora / "wikipedia" / name, target, size)
            dumps.append(Dump(target, wiki, language))
        for number, book in enumerate(ordered):
            if number % SLICES < size:
                _link_book(book, folder / "books")
        inputs[size] = BuildInput(tuple(dumps), folder / "books", f"{size}/{SLICES} of everything")
    return inputs


def slice_dump(source: Path, target: Path, size: int) -> None:
    """Write the pages number i of a dump with i mod 16 < ``size``, as they are, within its own head and foot.

    A dump that is cut off in the middle loses its broken last page.
    """
    with open_input(source) as handle:
        raw = handle.read()
    first = raw.index(b"<page>")
    pages = re.findall(rb"<page>.*?</page>\s*", raw, re.DOTALL)
    with open(target, "wb") as out:
        out.write(raw[:first])
        out.writelines(page for number, page in enumerate(pages) if number % SLICES < size)
        out.write(b"</mediawiki>\n")


def _unpack_scale(corpora: Path, work: Path) -> Iterator[Path]:
    folder = work / "scale"
    archive = _existing(corpora / "scale" / "books_headerless_260.tar.zst")
    for member, content in unpacked(archive):
        name = Path(member).name
        target = folder / f"{_number(name):05d}_headerless" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        yield target


def _number(name: str) -> int:
    """The number of a book in the folder of books without headers, from its file name."""
    found = re.search(r"\d+", name)
    if found is None:
        raise ValueError(f"{name} names no book number; name it NUMBER.txt")
    return int(found.group())


def _link_book(book: Path, folder: Path) -> None:
    link = folder / book.parent.name / book.name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(book)


def _by_checksum(paths: list[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: (zlib.crc32(f"{path.parent.name}/{path.name}".encode()), path))


def _raw_size(path: Path) -> int:
    size = 0
    with open_input(path) as handle:
        while block := handle.read(1 << 20):
            size += len(block)
    return size


def _existing(path: Path) -> Path:
    if not path.exists():
        raise SystemExit(f"{path} is not there: give the folder of real corpora with --corpora")
    return path
