"""The catalogue of Project Gutenberg in all its forms: read alike, read safely, joined by stated rules."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from corpuskit.errors import InputError
from corpuskit.sources.gutenberg import catalog as gutenberg_catalog
from corpuskit.sources.gutenberg import rdf as gutenberg_rdf
from corpuskit.sources.gutenberg.catalog import digest, load
from corpuskit.sources.gutenberg.rdf import CatalogEntry, RdfError, members, read_rdf
from corpuskit.sources.gutenberg.source import Gutenberg

CORPORA = os.environ.get("CORPUSKIT_CORPORA")
needs_corpora = pytest.mark.skipif(not CORPORA, reason="CORPUSKIT_CORPORA does not name the corpora")

RDF = """<?xml version="1.0" encoding="utf-8"?>
<rdf:RDF xmlns:dcterms="http://purl.org/dc/terms/" xmlns:dcam="http://purl.org/dc/dcam/"
  xmlns:marcrel="http://id.loc.gov/vocabulary/relators/"
  xmlns:pgterms="http://www.gutenberg.org/2009/pgterms/"
  xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <pgterms:ebook rdf:about="ebooks/7">
    <dcterms:title>A Small Book
With a Subtitle</dcterms:title>
    <marcrel:trl><pgterms:agent rdf:about="2009/agents/2"><pgterms:name>Other, Otto</pgterms:name>
      <pgterms:birthdate>-44</pgterms:birthdate></pgterms:agent></marcrel:trl>
    <dcterms:creator><pgterms:agent rdf:about="2009/agents/1"><pgterms:name>Author, Ann</pgterms:name>
      <pgterms:birthdate>1820</pgterms:birthdate><pgterms:deathdate>1887</pgterms:deathdate>
      </pgterms:agent></dcterms:creator>
    <marcrel:ill rdf:resource="2009/agents/1"/>
    <dcterms:language><rdf:Description><rdf:value>de</rdf:value></rdf:Description></dcterms:language>
    <dcterms:language><rdf:Description><rdf:value>en</rdf:value></rdf:Description></dcterms:language>
    <dcterms:subject><rdf:Description><rdf:value>Valleys -- Fiction</rdf:value>
      <dcam:memberOf rdf:resource="http://purl.org/dc/terms/LCSH"/></rdf:Description></dcterms:subject>
    <dcterms:subject><rdf:Description><rdf:value>PR</rdf:value>
      <dcam:memberOf rdf:resource="http://purl.org/dc/terms/LCC"/></rdf:Description></dcterms:subject>
    <dcterms:subject><rdf:Description><rdf:value>Shops</rdf:value>
      <dcam:memberOf rdf:resource="http://purl.org/dc/terms/LCSH"/></rdf:Description></dcterms:subject>
    <pgterms:bookshelf><rdf:Description><rdf:value>Small Books</rdf:value></rdf:Description>
      </pgterms:bookshelf>
    <dcterms:type><rdf:Description><rdf:value>Text</rdf:value></rdf:Description></dcterms:type>
    <dcterms:rights>{rights}</dcterms:rights>
  </pgterms:ebook>
</rdf:RDF>
"""
PUBLIC = "Public domain in the USA."
OWNED = "Copyrighted. Read the copyright notice inside this book for details."
ENTRY = CatalogEntry(
    title="A Small Book: With a Subtitle",
    authors=(
        "Author, Ann, 1820-1887",
        "Other, Otto, 44 BCE- [Translator]",
        "Author, Ann, 1820-1887 [Illustrator]",
    ),
    languages=("de", "en"),
    subjects=("Shops", "Valleys -- Fiction"),
    bookshelves=("Small Books",),
    rights=PUBLIC,
    kind="Text",
)
HEADING = ["Text#", "Type", "Issued", "Title", "Language", "Authors", "Subjects", "LoCC", "Bookshelves"]


def rdf(rights: str = PUBLIC) -> bytes:
    return RDF.replace("{rights}", rights).encode()


def table(*rows: list[str], heading: list[str] = HEADING) -> str:
    held = io.StringIO()
    csv.writer(held, lineterminator="\n").writerows([heading, *rows])
    return held.getvalue()


def row(number: str, **values: str) -> list[str]:
    defaults = {
        "Type": "Text",
        "Title": "A Small Book",
        "Language": "en",
        "Authors": "Author, Ann, 1820-1887",
    }
    return [number, *((defaults | values).get(column, "") for column in HEADING[1:])]


def tar(files: Mapping[str, bytes]) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return held.getvalue()


def put(path: Path, data: bytes | str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return str(path)


# --------------------------------------------------------------------------------------------- forms


def test_all_forms_of_rdf_give_the_same(tmp_path: Path) -> None:
    inside = "cache/epub/7/pg7.rdf"
    packed = tar({inside: rdf(), "cache/epub/7/readme.txt": b"x", "cache/epub/9/pg9.rdf": rdf(OWNED)})
    put(tmp_path / "folder" / inside, rdf())
    paths = [
        put(tmp_path / "rdf-files.tar.bz2", bz2.compress(packed)),
        put(tmp_path / "rdf-files.tar.gz", gzip.compress(packed)),
        put(tmp_path / "rdf-files.tar", packed),
        str(tmp_path / "folder"),
        str(tmp_path / "folder" / inside),
    ]
    for path in paths:
        catalog = load(path)
        assert catalog.find(7) == ENTRY, path
        assert catalog.find(8) is None
        assert catalog.problems == ()
    owned = load(paths[0]).find(9)
    assert owned is not None
    assert owned.copyrighted


def test_a_table_as_it_is_published(tmp_path: Path) -> None:
    text = table(
        row(
            "7",
            Title="A Small Book\nWith a Subtitle",
            Language="de; en",
            Authors="Author, Ann, 1820-1887; Other, Otto, 44 BCE- [Translator]",
            Subjects="Valleys -- Fiction; Shops",
            Bookshelves="Small Books; Category: Novels",
        ),
        row("8", Type="Sound", Language=""),
        row("x"),
        row("7", Title="Again"),
        ["9", "Text"],
    )
    for path in (
        put(tmp_path / "a.csv", "\ufeff" + text),
        put(tmp_path / "a.csv.gz", gzip.compress(text.encode())),
    ):
        catalog = load(path)
        assert catalog.find(7) == CatalogEntry(
            title="A Small Book: With a Subtitle",
            authors=("Author, Ann, 1820-1887", "Other, Otto, 44 BCE- [Translator]"),
            languages=("de", "en"),
            subjects=("Valleys -- Fiction", "Shops"),
            bookshelves=("Small Books", "Category: Novels"),
            kind="Text",
        )
        assert catalog.find(8) == CatalogEntry(
            title="A Small Book", authors=("Author, Ann, 1820-1887",), kind="Sound"
        )
        assert catalog.problems == (
            "gutenberg: 3 entries of the catalogue are left out: row 4: no row of a book;"
            " row 5: number 7 stands twice, the first is taken; row 6: no row of a book",
        )


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("gone.csv", None, "does not exist"),
        ("a.xlsx", b"x", "is no known form"),
        ("a.csv", table(row("7"), heading=HEADING[:4]), "has no column Language, Authors"),
        ("a.csv", b"", "has no column"),
        ("a.csv", table(row("7", Title="\xff")).encode("latin-1"), "cannot be read after line"),
        ("a.csv", table(row("7")) + '8,Text,"open', "cannot be read after line"),
        ("a.csv", table(), "no book in"),
        ("a.csv.gz", gzip.compress(table(row("7")).encode())[:-9], "cannot be read after line"),
        ("a.csv", table(row("7", Title="t" * 2**21)), "cannot be read after line"),
        ("a.tar.bz2", bz2.compress(tar({"pg7.rdf": rdf()}))[:-9], "cannot be read"),
        ("a.tar.bz2", b"no bzip2", "cannot be read"),
        ("a.tar", b"no tar" * 900, "cannot be read"),
        ("a.tar", tar({"notes.txt": b"x"}), "no book in"),
        ("folder/x.txt", b"x", "no pg<number>.rdf"),
    ],
)
def test_what_is_no_catalogue_is_an_error_that_says_so(
    tmp_path: Path, name: str, data: bytes | str | None, words: str
) -> None:
    path = str(tmp_path / name) if data is None else put(tmp_path / name, data)
    with pytest.raises(InputError, match=words) as caught:
        load(str(Path(path).parent) if name.startswith("folder") else path)
    assert caught.value.remedy


# -------------------------------------------------------------------------------------------- hostile


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + rdf(), "document type"),
        (rdf().replace(b"<rdf:RDF", b'<!DOCTYPE r SYSTEM "file:///etc/passwd"><rdf:RDF', 1), "document type"),
        (rdf().decode().encode("utf-16"), "no UTF-8"),
        (rdf()[:300], "no XML"),
        (b"<a>" * 200_000, "no XML"),
        (b"<a>" * 50_000 + b"</a>" * 50_000, "no pgterms:ebook"),
        (b"<a/>", "no pgterms:ebook"),
        (b" " * (gutenberg_rdf.MAX_RDF_BYTES + 1), "more than"),
    ],
)
def test_a_hostile_or_broken_rdf_file_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(RdfError, match=words):
        read_rdf(data)


def test_a_broken_entry_does_not_cost_the_others(tmp_path: Path) -> None:
    path = put(
        tmp_path / "a.tar", tar({"pg7.rdf": rdf(), "pg8.rdf": b"<!DOCTYPE x>", "../../pg9.rdf": rdf()})
    )
    catalog = load(path)
    assert catalog.find(7) == ENTRY
    assert catalog.find(8) is None
    assert catalog.problems == (
        "gutenberg: 1 entries of the catalogue are left out:"
        " pg8.rdf: a document type, which could define entities",
    )
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.tar"]


def test_an_archive_that_takes_too_much_room_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zeros = bytes(gutenberg_rdf.MAX_RDF_BYTES + 1)
    large = put(tmp_path / "large.tar.bz2", bz2.compress(tar({"pg1.rdf": zeros})))
    with pytest.raises(RdfError, match="no description of a book"):
        list(members(large))
    pax = tarfile.TarInfo("././@PaxHeader")
    pax.type, pax.size = tarfile.XHDTYPE, 2**40
    header = put(tmp_path / "header.tar", pax.tobuf(tarfile.GNU_FORMAT) + bytes(2**16))
    with pytest.raises(RdfError, match=r"1,099,511,627,\d+ bytes at once"):
        list(members(header))
    sparse = tarfile.TarInfo("pg7.rdf")
    sparse.pax_headers = {"GNU.sparse.size": "many"}
    with pytest.raises(RdfError, match="no tar archive"):
        list(members(put(tmp_path / "sparse.tar", sparse.tobuf(tarfile.PAX_FORMAT) + bytes(1024))))
    link = tarfile.TarInfo("pg7.rdf")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    assert list(members(put(tmp_path / "link.tar", link.tobuf() + bytes(1024)))) == []
    monkeypatch.setattr(gutenberg_rdf, "MAX_TOTAL_BYTES", 4000)
    many = put(tmp_path / "many.tar", tar({f"pg{n}.rdf": rdf() for n in range(1, 9)}))
    with pytest.raises(InputError, match="cannot be read"):
        load(many)


def test_the_number_of_books_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gutenberg_catalog, "MAX_BOOKS", 2)
    with pytest.raises(InputError, match="more than 2 books"):
        load(put(tmp_path / "a.csv", table(*(row(str(n)) for n in range(1, 5)))))


# ----------------------------------------------------------------------------------------------- join


def text(
    number: int, title: str = "A Small Book", author: str = "Ann Author", language: str = "English"
) -> str:
    return (
        f"Title: {title}\n\nAuthor: {author}\n\nRelease Date: May 1, 2001 [EBook #{number}]\n\n"
        f"Language: {language}\n\n*** START OF THIS PROJECT GUTENBERG EBOOK ***\n\nIt begins.\n\n"
        "*** END OF THIS PROJECT GUTENBERG EBOOK ***\n"
    )


def read(
    folder: Path, catalog: str, **settings: Any
) -> tuple[dict[str, dict[str, Any]], dict[str, str], list[str]]:
    """Documents by id, reasons of the dropped by id, warnings."""
    source = Gutenberg(path=str(folder), catalog=catalog, **settings)
    readings = [r for part in source.parts() for r in source.read(part)]
    rows = {row["id"]: row for r in readings for row in r.batch.to_pylist()}
    for found in rows.values():
        found["origin"] = json.loads(found["origin"])
    return (
        rows,
        {d.id: d.reason for r in readings for d in r.dropped},
        [w for r in readings for w in r.warnings],
    )


def test_the_catalogue_fills_the_columns(tmp_path: Path) -> None:
    put(tmp_path / "books/7.txt", text(7, language="German"))
    put(tmp_path / "books/8.txt", text(8))
    rows, dropped, warnings = read(tmp_path / "books", put(tmp_path / "rdf/pg7.rdf", rdf()))
    assert dropped == {}
    joined = rows["gutenberg:7"]
    assert joined["title"] == ENTRY.title
    assert joined["language"] == "de"
    assert joined["authors"] == list(ENTRY.authors)
    assert joined["languages"] == ["de", "en"]
    assert joined["subjects"] == list(ENTRY.subjects)
    assert joined["bookshelves"] == list(ENTRY.bookshelves)
    assert joined["rights"] == PUBLIC
    assert joined["origin"]["kind"] == "Text"
    assert "flags" not in joined["origin"]
    other = rows["gutenberg:8"]
    assert other["origin"]["flags"] == ["not_in_catalog"]
    assert (other["authors"], other["languages"], other["subjects"]) == (["Ann Author"], ["en"], None)
    assert warnings == ["gutenberg: not_in_catalog: 1 of this part's texts, 8.txt"]


def test_what_the_catalogue_denies_is_flagged_and_the_catalogue_wins(tmp_path: Path) -> None:
    put(tmp_path / "books/7.txt", text(7, title="Moby-Dick", author="Herman Melville", language="French"))
    catalog = put(tmp_path / "a.csv", table(row("7", Language="la")))
    rows, _, warnings = read(tmp_path / "books", catalog)
    found = rows["gutenberg:7"]
    differences = [f"{what}_differs_from_catalog" for what in ("title", "author", "language")]
    assert found["origin"]["flags"] == differences
    assert (found["title"], found["language"], found["authors"]) == (
        "A Small Book",
        "la",
        ["Author, Ann, 1820-1887"],
    )
    assert warnings == [f"gutenberg: {flag}: 1 of this part's texts, 7.txt" for flag in sorted(differences)]


def test_a_header_without_words_and_other_spellings_are_no_contradiction(tmp_path: Path) -> None:
    put(tmp_path / "books/7.txt", text(7, title="The Small BOOK, by a lady", author="ANN AUTHOR (1820)"))
    put(tmp_path / "books/8.txt", "Release Date: May 1, 2001 [EBook #8]\n\nIt begins.")
    rows, _, _ = read(tmp_path / "books", put(tmp_path / "a.csv", table(row("7"), row("8"))))
    assert "flags" not in rows["gutenberg:7"]["origin"]
    assert not [f for f in rows["gutenberg:8"]["origin"]["flags"] if "catalog" in f]
    assert rows["gutenberg:8"]["title"] == "A Small Book"


def test_either_of_header_and_catalogue_makes_a_book_copyrighted(tmp_path: Path) -> None:
    owned = "** This is a COPYRIGHTED Project Gutenberg eBook, Details Below **\n\n"
    put(tmp_path / "books/1.txt", text(1))
    put(tmp_path / "books/2.txt", text(2))
    put(tmp_path / "books/3.txt", owned + text(3))
    put(tmp_path / "books/4.txt", owned + text(4))
    for number, rights in ((1, PUBLIC), (2, OWNED), (3, PUBLIC), (4, OWNED)):
        put(tmp_path / f"rdf/pg{number}.rdf", rdf(rights))
    rows, dropped, _ = read(tmp_path / "books", str(tmp_path / "rdf"))
    assert list(rows) == ["gutenberg:1"]
    assert dropped == {f"gutenberg:{n}": "copyrighted" for n in (2, 3, 4)}
    rows, dropped, _ = read(tmp_path / "books", str(tmp_path / "rdf"), copyrighted="keep")
    assert dropped == {}
    differ = ["rights_differ_from_catalog" in r["origin"].get("flags", []) for r in rows.values()]
    assert differ == [False, True, True, False]
    assert [r["licence"][:6] for r in rows.values()] == ["Public", "Copyri", "Copyri", "Copyri"]


def test_languages_are_chosen_by_the_catalogue_and_other_kinds_are_dropped(tmp_path: Path) -> None:
    for number in (1, 2, 3, 4):
        put(tmp_path / f"books/{number}.txt", text(number, language=""))
    rows = [row("1"), row("2", Language="fr; en"), row("3", Type="Sound"), row("4", Language="")]
    kept, dropped, _ = read(tmp_path / "books", put(tmp_path / "a.csv", table(*rows)), languages=("en",))
    assert list(kept) == ["gutenberg:1"]
    assert dropped == {
        "gutenberg:2": "language_fr",
        "gutenberg:3": "kind_sound",
        "gutenberg:4": "language_unknown",
    }


def test_an_entry_that_cannot_be_read_is_told_and_the_book_read_without(tmp_path: Path) -> None:
    put(tmp_path / "books/7.txt", text(7))
    rows, _, warnings = read(
        tmp_path / "books", str(Path(put(tmp_path / "rdf/pg7.rdf", b"<!DOCTYPE x>")).parent)
    )
    assert rows["gutenberg:7"]["origin"]["flags"] == ["not_in_catalog"]
    assert warnings[0].startswith("gutenberg: the catalogue's entry of book 7 is left out: a document type")


def test_the_contents_of_a_catalogue_count_and_its_place_does_not(tmp_path: Path) -> None:
    one, two = put(tmp_path / "one.csv", table(row("7"))), put(tmp_path / "x/two.csv", table(row("7")))

    def fingerprint(catalog: str) -> dict[str, Any]:
        return Gutenberg(path="anywhere", catalog=catalog).fingerprint(deciding=False)

    before = fingerprint(one)
    assert before == fingerprint(two)
    put(Path(two), table(row("8")))
    assert before != fingerprint(two)
    for name in ("a", "b"):
        put(tmp_path / name / "pg7.rdf", rdf())
    assert digest(str(tmp_path / "a")) == digest(str(tmp_path / "b"))
    put(tmp_path / "b" / "pg8.rdf", rdf())
    assert digest(str(tmp_path / "a")) != digest(str(tmp_path / "b"))


@pytest.mark.corpora
@needs_corpora
def test_the_real_rdf_files() -> None:
    """30 files of 2018: what holds of all of them, and the years of three authors of three ages."""
    root = Path(str(CORPORA)) / "gutenberg_catalog"
    catalog = load(str(root))
    assert len(catalog.files) == sum(1 for _ in root.rglob("*.rdf")) == 30
    entries = {number: catalog.find(number) for number in catalog.files}
    for number, entry in entries.items():
        assert entry is not None
        assert entry.kind == "Text", number
        assert entry.rights == PUBLIC
        assert entry.title
        assert "\n" not in entry.title
        assert entry.authors
        assert len(entry.languages) == 1
        assert entry.subjects
        assert not any(len(subject) < 4 and subject.isupper() for subject in entry.subjects), (
            "a class, no subject"
        )
    authors = {number: entry.authors[0] for number, entry in entries.items() if entry}
    assert authors[1342] == "Austen, Jane, 1775-1817"
    assert authors[218] == "Caesar, Julius, 100 BCE-44 BCE"
    assert authors[7000] == "Lönnrot, Elias, 1802-1884 [Compiler]"


@pytest.mark.corpora
@needs_corpora
@pytest.mark.slow
def test_the_real_books_join_without_a_contradiction() -> None:
    root = Path(str(CORPORA))
    numbers = load(str(root / "gutenberg_catalog")).files
    folders = tuple(f"{number:05d}_*/*" for number in numbers)
    rows, dropped, _ = read(root / "gutenberg", str(root / "gutenberg_catalog"), include=folders)
    assert dropped == {}
    assert len(rows) >= 29
    contradicted = {
        key: r["origin"]["flags"] for key, r in rows.items() if "catalog" in str(r["origin"].get("flags"))
    }
    # The headers of 218 have another title, in English; the old file of 3333 calls its language English.
    assert contradicted == {
        "gutenberg:218": ["title_differs_from_catalog"],
        "gutenberg:3333": ["language_differs_from_catalog"],
    }
