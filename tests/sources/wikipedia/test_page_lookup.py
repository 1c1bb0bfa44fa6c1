"""One page by title or id: from a multistream dump with its index, and from any other dump."""

from __future__ import annotations

import bz2
import gzip
import os
from pathlib import Path

import pytest

from corpuskit.errors import InputError
from corpuskit.sources.wikipedia import index
from corpuskit.sources.wikipedia.lookup import PageFinder, page_document

CORPORA = os.environ.get("CORPUSKIT_CORPORA", "")

HEAD = (
    b'<mediawiki xml:lang="en"><siteinfo><dbname>enwiki</dbname>'
    b"<base>https://en.wikipedia.org/wiki/Main_Page</base></siteinfo>\n"
)
TITLES = [
    "Ulm",
    "AT&T",
    'The "Quoted"',
    "O'Neill",
    "1984",
    "C++: a language",
    "Ulm Minster",
    "Umlaut",
    "Köln",
]


def page(id: int, title: str, text: str, extra: str = "") -> bytes:
    escaped = title.replace("&", "&amp;").replace('"', "&quot;")
    return (
        f"<page><title>{escaped}</title><ns>0</ns><id>{id}</id>{extra}<revision><id>{id + 900}</id>"
        f"<timestamp>2024-01-02T03:04:05Z</timestamp><text>{text}</text></revision></page>\n"
    ).encode()


def write(folder: Path, *, with_index: bool = True, shift: int = 0) -> str:
    """A multistream dump of three pages to a stream, and redirects."""
    pages = [
        (10 + i, t, page(10 + i, t, f"The text of '''{i}'''. [[Category:Things]]"))
        for i, t in enumerate(TITLES)
    ]
    pages.append((84, "Old", page(84, "Old", "#REDIRECT [[Ulm#x]]", '<redirect title="Ulm" />')))
    pages.append((85, "Lost", page(85, "Lost", "#REDIRECT [[Nowhere]]", '<redirect title="Nowhere" />')))
    pages.append((86, "Ring", page(86, "Ring", "#REDIRECT [[Ring]]", '<redirect title="Ring" />')))
    data, lines = bz2.compress(HEAD), []
    for i in range(0, len(pages), 3):
        for number, title, _ in pages[i : i + 3]:
            lines.append(
                f"{len(data) + shift}:{number}:{title.replace('&', '&amp;').replace(chr(34), '&quot;')}\n"
            )
        data += bz2.compress(b"".join(xml for *_, xml in pages[i : i + 3]))
    data += bz2.compress(b"</mediawiki>")
    path = folder / "enwiki-20240101-pages-articles-multistream.xml.bz2"
    path.write_bytes(data)
    if with_index:
        place = folder / "enwiki-20240101-pages-articles-multistream-index.txt.bz2"
        place.write_bytes(bz2.compress("".join(lines).encode()))
    return str(path)


@pytest.mark.parametrize("way", ["index", "lookup", "scan"])
def test_pages_are_found_by_title_and_by_id(tmp_path: Path, way: str) -> None:
    path = write(tmp_path, with_index=way != "scan")
    for _ in range(2):  # the second time a lookup is there
        finder = PageFinder(path, cache=way == "lookup")
        assert bool(finder.index) == (way != "scan")
        for number, title in enumerate(TITLES, 10):
            assert finder.find(title).page.id == number
            assert finder.find(str(number), by_id=True).page.title == title
    assert finder.find("ulm_Minster").page.title == "Ulm Minster"
    assert finder.find("15").page.title == "C++: a language"
    assert finder.find("1984").page.title == "1984"  # a title, though it could be an id


@pytest.mark.parametrize("with_index", [True, False])
def test_redirects_are_followed_and_told(tmp_path: Path, with_index: bool) -> None:
    said: list[str] = []
    finder = PageFinder(write(tmp_path, with_index=with_index), say=said.append)
    found = finder.find("Old")
    assert (found.page.title, found.redirected_from) == ("Ulm", ("Old",))
    assert "Old leads to Ulm" in said
    assert finder.find("Old", follow=False).page.id == 84
    with pytest.raises(InputError, match="no page 'Nowhere', to which 'Lost' leads") as caught:
        finder.find("Lost")
    assert "--no-redirect" in caught.value.remedy
    with pytest.raises(InputError, match="in a circle"):
        finder.find("Ring")


@pytest.mark.parametrize("with_index", [True, False])
def test_what_is_not_there_is_told_with_near_titles(tmp_path: Path, with_index: bool) -> None:
    finder = PageFinder(write(tmp_path, with_index=with_index))
    with pytest.raises(InputError, match="no page 'Ulm Minister'") as caught:
        finder.find("Ulm Minister")
    assert "Ulm Minster" in caught.value.remedy
    with pytest.raises(InputError, match="no page '999'"):
        finder.find("999", by_id=True)
    with pytest.raises(InputError, match="no page id"):
        finder.find("Ulm", by_id=True)
    for number in ("9" * 20, "1" * 5000):  # more than 64 bits, and more than `int` reads
        with pytest.raises(InputError, match=f"no page '{number}'"):
            PageFinder(finder.path, cache=with_index).find(number, by_id=True)


def test_an_index_of_another_dump_is_told(tmp_path: Path) -> None:
    finder = PageFinder(write(tmp_path, shift=7))
    with pytest.raises(InputError, match="no stream of bzip2 can be read at byte"):
        finder.find("Ulm")
    (tmp_path / "x").mkdir()
    path = write(tmp_path / "x")
    place = index.index_of(path)
    lines = bz2.decompress(Path(place).read_bytes()).decode().splitlines()
    first, last = lines[0].split(":")[0], lines[-1].split(":")[0]
    Path(place).write_bytes(bz2.compress(f"{last}:10:Ulm\n{first}:11:AT&amp;T\n".encode()))
    with pytest.raises(InputError, match="'Ulm' should be at byte"):
        PageFinder(path).find("Ulm")
    Path(place).write_bytes(bz2.compress(b"an index of books\n"))
    with pytest.raises(InputError, match="no line of an index"):
        list(index.lines(place))
    Path(place).write_bytes(bz2.compress(b"1:2:A\n")[:-20])
    with pytest.raises(InputError, match="truncated at byte"):
        PageFinder(path).find("Ulm")


def test_a_lookup_of_an_older_index_is_not_used(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert PageFinder(path, cache=True).find("Ulm").page.id == 10
    place = index.index_of(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        os.path.basename(p) for p in (place, place + ".lookup", path)
    ]
    Path(place).write_bytes(Path(place).read_bytes() + bz2.compress(b""))
    assert index.Lookup.open(place) is None
    Path(index.lookup_of(place)).write_bytes(b"junk")
    assert index.Lookup.open(place) is None
    assert PageFinder(path).find("Ulm").page.id == 10


def test_no_index_no_lookup(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no index beside it"):
        PageFinder(write(tmp_path, with_index=False), cache=True)


def test_names_of_indexes(tmp_path: Path) -> None:
    for name, expected in {
        "enwiki-1-pages-articles-multistream.xml.bz2": "enwiki-1-pages-articles-multistream-index.txt.bz2",
        "enwiki-1-pages-articles-multistream2.xml-p5p9.bz2": (
            "enwiki-1-pages-articles-multistream-index2.txt-p5p9.bz2"
        ),
    }.items():
        (tmp_path / expected).write_bytes(b"")
        assert index.index_of(str(tmp_path / name)) == str(tmp_path / expected)
    assert index.index_of(str(tmp_path / "enwiki-1-pages-articles.xml.bz2")) == ""


def test_any_dump_is_read(tmp_path: Path) -> None:
    data = HEAD + page(1, "A", "Text of '''a'''") + page(2, "B", "Text of b") + b"</mediawiki>"
    for name, packed in {"a.xml": data, "a.xml.gz": gzip.compress(data)}.items():
        (tmp_path / name).write_bytes(packed)
        found = PageFinder(str(tmp_path / name)).find("B")
        document = page_document(found, str(tmp_path / name))
        assert (found.page.id, document["text"], document["kind"]) == (2, "Text of b", "article")


@pytest.mark.skipif(not CORPORA, reason="CORPUSKIT_CORPORA is not set")
def test_every_page_of_a_real_index_is_found() -> None:
    path = os.path.join(CORPORA, "derived", "enwiki-derived-pages-articles-multistream.xml.bz2")
    finder = PageFinder(path)
    lines = list(index.lines(finder.index))
    assert len(lines) > 200
    for entry in lines[::29]:
        found = finder.find(entry.title, follow=False)
        assert (found.page.id, found.page.title) == (entry.id, entry.title)
