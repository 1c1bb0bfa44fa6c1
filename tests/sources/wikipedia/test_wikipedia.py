"""Wikipedia dumps: every page is accounted for, in every container and however the file is broken."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import pickle
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from xml.sax.saxutils import escape

import pyarrow as pa
import pytest
from pyarrow import fs

from corpuskit.documents import batch as batches
from corpuskit.documents.reading import Dropped, Quarantined, Reading
from corpuskit.errors import InputError, SettingError
from corpuskit.sources.wikipedia import documents as wikipedia_pages
from corpuskit.sources.wikipedia import dump
from corpuskit.sources.wikipedia.items import Range, RawPage
from corpuskit.sources.wikipedia.pages import PageScanner
from corpuskit.sources.wikipedia.source import Wikipedia
from corpuskit.storage import places

CORPORA = os.environ.get("CORPUSKIT_CORPORA", "")

HEAD = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="de">
  <siteinfo><sitename>Wikipedia</sitename><dbname>dewiki</dbname>
    <base>https://de.wikipedia.org/wiki/Wikipedia:Hauptseite</base>
    <namespaces><namespace key="0" case="first-letter" /><namespace key="1">Diskussion</namespace>
    <namespace key="6">Datei</namespace><namespace key="14">Kategorie</namespace></namespaces></siteinfo>
"""


def page(
    id: int,
    text: str = "Ein '''Text'''.",
    *,
    title: str = "",
    ns: int | None = 0,
    extra: str = "",
    rev: int = 0,
) -> str:
    """One page element, as a dump has it."""
    namespace = "" if ns is None else f"<ns>{ns}</ns>"
    return (
        f"  <page><title>{escape(title or f'Seite {id}')}</title>{namespace}<id>{id}</id>{extra}"
        f"<revision><id>{rev or 1000 + id}</id><timestamp>2024-01-02T03:04:05Z</timestamp><contributor>"
        f"<username>U</username><id>77</id></contributor><model>wikitext</model><format>text/x-wiki</format>"
        f'<text bytes="1" xml:space="preserve">{escape(text)}</text></revision></page>\n'
    )


def dump_of(*pages: str, head: str = HEAD, tail: str = "</mediawiki>\n") -> bytes:
    return (head + "".join(pages) + tail).encode()


@dataclass
class Result:
    """What a source gave, with its account checked reading by reading."""

    texts: dict[str, str] = field(default_factory=dict)
    rows: list[dict[str, object]] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    quarantined: list[Quarantined] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    documents_in: int = 0

    @property
    def reasons(self) -> Counter[str]:
        return Counter(d.reason for d in self.dropped)

    @property
    def kinds(self) -> Counter[str]:
        return Counter(q.kind for q in self.quarantined)

    def pages_seen(self) -> int:
        """Page elements: documents, drops and errors, less what is no page of its own."""
        kinds = self.kinds
        no_pages = kinds["truncated"] + kinds["damaged"] + kinds["stray"]
        return self.documents_in - self.reasons["older_revision"] - no_pages


def check(reading: Reading) -> None:
    rows = reading.batch.num_rows
    assert reading.documents_in == rows + len(reading.dropped) + len(reading.quarantined)
    dropped = sum(d.bytes for d in reading.dropped) + sum(q.bytes for q in reading.quarantined)
    kept = batches.text_bytes(reading.batch)
    assert reading.bytes_in + sum(reading.added.values()) == kept + sum(reading.cut.values()) + dropped


def read(source: Wikipedia) -> Result:
    result = Result()
    parts = source.parts()
    assert len({p.name for p in parts}) == len(parts)
    for part in parts:
        assert re.fullmatch(r"[A-Za-z0-9._-]+", part.name)
        for reading in source.read(part):
            batches.check(reading.batch, source.columns, "wikipedia")
            check(reading)
            result.documents_in += reading.documents_in
            result.dropped += reading.dropped
            result.quarantined += reading.quarantined
            result.warnings += reading.warnings
            result.rows += reading.batch.to_pylist()
    result.texts = {str(r["id"]): str(r["text"]) for r in result.rows}
    return result


def write(folder: Path, data: bytes, name: str = "dewiki-pages-articles.xml") -> str:
    path = folder / name
    path.write_bytes(data)
    return str(path)


def many(count: int, size: int = 400) -> list[str]:
    """Pages whose texts differ and do not compress to nothing."""
    words = ("Haus Baum Wasser Stadt Fluss " * 3).split()
    return [
        page(i, f"Seite {i}: " + " ".join(words[(i * k) % 15] + str(i * k) for k in range(size // 8)))
        for i in range(1, count + 1)
    ]


# ------------------------------------------------------------------------------------------ documents


def test_columns_of_a_document(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        dump_of(
            page(
                7,
                "Der [[Fluss|große Fluss]] & {{x}}.\n[[Kategorie:Fluss|Donau]]\n[[Category:Donau]]",
                title="Donau (Fluß)",
                rev=99,
            )
        ),
    )
    (row,) = read(Wikipedia(path=path)).rows
    origin = json.loads(str(row.pop("origin")))
    assert row == {
        "id": "wikipedia:dewiki:7",
        "source": "wikipedia",
        "text": "Der große Fluss &.",
        "title": "Donau (Fluß)",
        "url": "https://de.wikipedia.org/wiki/Donau_(Flu%C3%9F)",
        "language": "de",
        "licence": "CC BY-SA 4.0",
        "preference": 99,
        "categories": ["Fluss", "Donau"],
        "kind": "article",
        "wikitext_bytes": 80,
        "text_bytes": 19,
    }
    assert origin == {
        "file": "dewiki-pages-articles.xml",
        "page": 7,
        "revision": 99,
        "timestamp": "2024-01-02T03:04:05Z",
    }


KINDS = {
    "Ulm": ("Ulm ist eine Stadt.", "article"),
    "Mond (Begriffsklärung)": ("Mond steht für: ...", "disambiguation"),
    "Bank": ("Bank steht für: ... __DISAMBIG__", "disambiguation"),
    "Golf": ("Golf steht für: ... {{Begriffsklärung}}", "disambiguation"),
    "Halle": ("Halle heißen: ...\n[[Kategorie:Begriffsklärung]]", "disambiguation"),
    "Liste der Flüsse": ("* Donau\n* Iller", "list"),
    "Flüsse": ("* Donau\n* Iller\n[[Kategorie:Liste (Flüsse)]]", "list"),
    "Listeriose": ("Listeriose ist eine Krankheit.", "article"),
}


def test_what_kind_a_page_is(tmp_path: Path) -> None:
    """By magic word, template, title or category of the wiki's language."""
    pages = [page(i, text, title=title) for i, (title, (text, _)) in enumerate(KINDS.items(), 1)]
    rows = read(Wikipedia(path=write(tmp_path, dump_of(*pages)))).rows
    assert {row["title"]: row["kind"] for row in rows} == {t: kind for t, (_, kind) in KINDS.items()}


def test_redirects_are_told_as_aliases(tmp_path: Path) -> None:
    """The dump names the target, the wikitext the heading; older dumps have the wikitext alone."""
    path = write(
        tmp_path,
        dump_of(
            page(
                1, "#WEITERLEITUNG [[Ulm#Das_Münster|x]]", title="Münster", extra='<redirect title="Ulm" />'
            ),
            page(2, "#REDIRECT [[:Ulm &amp; Umland ]]", title="Umland"),
            page(3, "#REDIRECT", title="Nirgends", extra='<redirect title="A &amp; B" />'),
            page(4, "#REDIRECT [[Diskussion:Ulm]]", title="Diskussion:B", ns=1),
            page(5, title="Ulm"),
        ),
    )
    source = Wikipedia(path=path)
    readings = [reading for part in source.parts() for reading in source.read(part)]
    rows = [row for reading in readings for row in reading.tables["aliases"].to_pylist()]
    assert all(reading.tables["aliases"].schema == source.side_tables["aliases"] for reading in readings)
    assert [tuple(row.values()) for row in rows] == [
        ("dewiki", "Münster", "Ulm", "Das Münster"),
        ("dewiki", "Umland", "Ulm & Umland", ""),
        ("dewiki", "Nirgends", "A & B", ""),
    ]


def test_settings_win_over_what_the_dump_says(tmp_path: Path) -> None:
    path = write(tmp_path, dump_of(page(1, "{{citation|mot}}")))
    (row,) = read(Wikipedia(path=path, wiki="frwiki", language="fr", licence="CC0")).rows
    assert (row["id"], row["language"], row["licence"]) == ("wikipedia:frwiki:1", "fr", "CC0")
    assert row["text"] == "«\u00a0mot\u00a0»"


def test_what_is_dropped_is_counted_by_kind(tmp_path: Path) -> None:
    css = page(5).replace("<model>wikitext</model>", "<model>css</model>")
    path = write(
        tmp_path,
        dump_of(
            page(1),
            page(2, "#WEITERLEITUNG [[Ulm]]", extra='<redirect title="Ulm" />'),
            page(3, "#REDIRECT [[Ulm]]"),
            page(4, title="Diskussion:Ulm", ns=1),
            css,
            page(6, "{{nur eine Vorlage}}"),
            page(7, ""),
        ),
    )
    result = read(Wikipedia(path=path))
    assert list(result.texts) == ["wikipedia:dewiki:1"]
    assert result.reasons == {"redirect": 2, "namespace_1": 1, "model_css": 1, "empty": 2}
    assert result.pages_seen() == 7
    talk = read(Wikipedia(path=path, namespaces=(1,)))
    assert list(talk.texts) == ["wikipedia:dewiki:4"]


def test_namespaces_of_old_dumps_come_from_titles(tmp_path: Path) -> None:
    titles = ["Ulm", "Diskussion:Ulm", "kategorie:Städte", "Talk:Ulm", "Ulm: eine Stadt"]
    path = write(tmp_path, dump_of(*(page(i, title=t, ns=None) for i, t in enumerate(titles, 1))))
    result = read(Wikipedia(path=path))
    assert list(result.texts) == ["wikipedia:dewiki:1", "wikipedia:dewiki:5"]
    assert result.reasons == {"namespace_1": 2, "namespace_14": 1}


def test_the_newest_revision_wins(tmp_path: Path) -> None:
    def revision(id: int) -> str:
        return f"<revision><id>{id}</id><timestamp>t</timestamp><text>Stand {id}</text></revision>"

    xml = "<page><title>A</title><ns>0</ns><id>1</id>" + "".join(map(revision, [3, 9, 5])) + "</page>"
    result = read(Wikipedia(path=write(tmp_path, dump_of(xml))))
    assert result.texts == {"wikipedia:dewiki:1": "Stand 9"}
    assert result.reasons == {"older_revision": 2}
    assert {json.loads(d.origin)["revision"] for d in result.dropped} == {3, 5}


def test_what_is_dropped_can_be_looked_at(tmp_path: Path) -> None:
    """Redirects, other namespaces, other models, older revisions and empty pages: with their wikitext."""
    old = "<revision><id>5</id><timestamp>t</timestamp><text>Ein ''alter'' Stand</text></revision><revision>"
    path = write(
        tmp_path,
        dump_of(
            page(1).replace("<revision>", old, 1),
            page(2, "#WEITERLEITUNG [[Ulm]]", extra='<redirect title="Ulm" />'),
            page(3, "Diskussion über Ulm", ns=1),
            page(4, "a { b: c }").replace("<model>wikitext</model>", "<model>css</model>"),
            page(5, "{{nur eine Vorlage}}"),
        ),
    )
    dropped = read(Wikipedia(path=path)).dropped
    assert {d.reason: d.text for d in dropped} == {
        "older_revision": "Ein ''alter'' Stand",
        "redirect": "#WEITERLEITUNG [[Ulm]]",
        "namespace_1": "Diskussion über Ulm",
        "model_css": "a { b: c }",
        "empty": "{{nur eine Vorlage}}",
    }
    assert all(len(d.text.encode()) == d.bytes for d in dropped)


def test_readings_are_closed_by_the_bytes_of_what_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wikipedia_pages, "BATCH_BYTES", 10_000)
    source = Wikipedia(path=write(tmp_path, dump_of(*(page(i, "ü" * 500, ns=1) for i in range(1, 101)))))
    readings = [reading for part in source.parts() for reading in source.read(part)]
    assert len(readings) == 10
    assert max(sum(d.bytes for d in r.dropped) for r in readings) <= 11_000


def test_content_slots_are_not_the_text(tmp_path: Path) -> None:
    slot = (
        "<content><role>mediainfo</role><model>wikibase-mediainfo</model><text>{}</text></content></revision>"
    )
    path = write(tmp_path, dump_of(page(1).replace("</revision>", slot)))
    assert read(Wikipedia(path=path)).texts == {"wikipedia:dewiki:1": "Ein Text."}


def test_a_dump_without_a_name_needs_one(tmp_path: Path) -> None:
    path = write(tmp_path, dump_of(page(1), head="<mediawiki>\n"))
    with pytest.raises(SettingError, match="does not name its wiki") as caught:
        Wikipedia(path=path).parts()
    assert "wiki" in caught.value.remedy
    assert list(read(Wikipedia(path=path, wiki="xwiki")).texts) == ["wikipedia:xwiki:1"]


def test_bare_pages_and_other_roots(tmp_path: Path) -> None:
    path = write(tmp_path, (page(1) + page(2)).encode())
    assert len(read(Wikipedia(path=path, wiki="x")).texts) == 2
    path = write(tmp_path, ("<file>" + page(1) + "</file>").encode())
    assert len(read(Wikipedia(path=path, wiki="x")).texts) == 1


# ----------------------------------------------------------------------------------------- containers


def streams(*pieces: bytes) -> bytes:
    return b"".join(bz2.compress(p) for p in pieces)


def cut_into(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]


def zstd(data: bytes) -> bytes:
    return bytes(pa.compress(data, codec="zstd", asbytes=True))


CONTAINERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda data: data,
    "plain with byte order mark": lambda data: b"\xef\xbb\xbf" + data,
    "gzip": gzip.compress,
    "gzip, two members": lambda data: gzip.compress(data[:1000]) + gzip.compress(data[1000:]),
    "gzip, padded": lambda data: gzip.compress(data) + b"\0" * 512,
    "xz": lzma.compress,
    "xz, two streams, padded": lambda data: lzma.compress(data[:999]) + b"\0" * 8 + lzma.compress(data[999:]),
    "zstd": lambda data: zstd(data),
    "zstd, two frames": lambda data: zstd(data[:1000]) + zstd(data[1000:]),
    "bzip2": bz2.compress,
    "bzip2, page straddling streams": lambda data: streams(*cut_into(data, 777)),
    "bzip2, an empty stream": lambda data: streams(data[:500], b"", data[500:]),
    "UTF-16": lambda data: data.decode().encode("utf-16"),
    "UTF-16 in bzip2": lambda data: bz2.compress(data.decode().encode("utf-16")),
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_containers_hold_the_same(tmp_path: Path, container: str) -> None:
    data = dump_of(*many(30))
    expected = read(Wikipedia(path=write(tmp_path, data)))
    result = read(Wikipedia(path=write(tmp_path, CONTAINERS[container](data), "other.xml")))
    assert result.texts == expected.texts
    assert len(result.texts) == 30
    assert not result.quarantined


@pytest.mark.parametrize("size", [200, 1000, 5000])
@pytest.mark.parametrize("kind", ["plain", "bz2"])
def test_each_page_belongs_to_one_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, size: int
) -> None:
    """However parts are cut, also through tags, all pages are there, once, in the same order."""
    data = dump_of(*many(40))
    whole = read(Wikipedia(path=write(tmp_path, data)))
    monkeypatch.setattr(dump, "PLAIN_PART_BYTES", size)
    monkeypatch.setattr(dump, "BZ2_PART_BYTES", size)
    monkeypatch.setattr(dump, "CHUNK_BYTES", 512)
    packed = data if kind == "plain" else streams(*cut_into(data, 333))
    source = Wikipedia(path=write(tmp_path, packed, "cut.xml"))
    assert len(source.parts()) > 3
    assert [r["id"] for r in read(source).rows] == [r["id"] for r in whole.rows]


@pytest.mark.parametrize("chunk", [1, 7, 64])
def test_chunks_may_end_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    data = dump_of(*many(4, 80))
    path = write(tmp_path, data)
    expected = read(Wikipedia(path=path)).texts
    monkeypatch.setattr(dump, "CHUNK_BYTES", chunk)
    scanner = PageScanner()
    found = list(scanner.pages(dump.read_chunks(path, "plain", "utf-8", Range(0, len(data)))))
    assert [type(f) for f in found] == [RawPage] * len(expected)


def test_a_folder_of_dumps(tmp_path: Path) -> None:
    write(tmp_path, dump_of(page(1)), "dewiki-pages-articles1.xml-p1p10")
    write(tmp_path, bz2.compress(dump_of(page(11))), "dewiki-pages-articles2.xml-p11p20.bz2")
    write(tmp_path, bz2.compress(b"616:1:A"), "dewiki-multistream-index.xml.txt.bz2")
    write(tmp_path, b"notes", "README.txt")
    write(tmp_path, bz2.compress(dump_of(page(21))), "dewiki.bz2")
    os.mkfifo(tmp_path / "pipe.xml")
    result = read(Wikipedia(path=str(tmp_path)))
    assert list(result.texts) == ["wikipedia:dewiki:1", "wikipedia:dewiki:11"]
    assert result.warnings == [
        "wikipedia: not read, no name of a dump (`include` chooses others):"
        " README.txt, dewiki-multistream-index.xml.txt.bz2, dewiki.bz2",
        "wikipedia: not read, named pipe: pipe.xml",
    ]
    chosen = read(Wikipedia(path=str(tmp_path), include=("dewiki.bz2",)))
    assert (list(chosen.texts), chosen.warnings) == (["wikipedia:dewiki:21"], [])


def test_dumps_by_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of any of pyarrow's file systems: the same documents under the same names, also in parts."""
    monkeypatch.setattr(dump, "BZ2_PART_BYTES", 1000)
    folder = tmp_path / "a folder" / "dumps"
    (folder / "sub").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    write(folder, dump_of(page(99)), ".hidden/c.xml")
    write(folder, streams(*cut_into(dump_of(*many(40)), 1500)), "a+b ü.xml.bz2")
    write(folder, dump_of(page(50)), "sub/b.xml")
    write(folder, b"", "sub/empty.xml")
    local = read(Wikipedia(path=str(folder)))
    by_uri = Wikipedia(path=folder.as_uri())
    assert read(by_uri) == local
    assert len(local.texts) == 41
    assert [p.name for p in by_uri.parts()] == [p.name for p in Wikipedia(path=str(folder)).parts()]
    one = (folder / "a+b ü.xml.bz2").as_uri()
    assert read(Wikipedia(path=one)).rows == local.rows[:40]

    system = fs.SubTreeFileSystem(str(folder), fs.LocalFileSystem())
    monkeypatch.setattr(places, "system_of", lambda uri: (system, uri.removeprefix("s3://bucket/")))
    monkeypatch.setattr(dump, "stamp", lambda path: ())
    found = read(Wikipedia(path="s3://bucket/sub", include=("b.xml",)))
    assert list(found.texts) == ["wikipedia:dewiki:50"]


def test_the_head_of_a_dump_that_changed_is_read_again(tmp_path: Path) -> None:
    path = Path(write(tmp_path, dump_of(page(1))))
    first = dump.read_head(str(path), "plain")
    assert dump.read_head(str(path), "plain") is first
    path.write_bytes(b"<mediawiki><siteinfo><dbname>otherwiki</dbname></siteinfo><page/></mediawiki>")
    assert b"otherwiki" in dump.read_head(str(path), "plain").data


def test_the_head_of_a_dump_comes_with_its_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Wikipedia(path=str(write(tmp_path, dump_of(page(1), page(2)))))
    [part] = source.parts()
    bare = replace(part, found=None)
    assert part == bare, "what is carried along is no part of what a part is"
    expected = [reading.batch for reading in source.read(bare)]
    monkeypatch.setattr(dump, "read_head", None)
    again = pickle.loads(pickle.dumps(part))
    assert [reading.batch for reading in source.read(again)] == expected


def test_a_long_head_is_not_carried_along(tmp_path: Path) -> None:
    head = HEAD.replace("Wikipedia<", f"{'W' * 2**16}<", 1)
    [part] = Wikipedia(path=str(write(tmp_path, dump_of(page(1), head=head)))).parts()
    assert part.found is None


def test_a_uri_that_leads_nowhere(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        Wikipedia(path=(tmp_path / "nothing.xml").as_uri()).parts()
    with pytest.raises(InputError, match="Unrecognized filesystem type") as caught:
        Wikipedia(path="gopher://host/dump.xml").parts()
    assert "s3://" in caught.value.remedy


BAD_DUMPS = {
    "empty": (b"", "the file is empty. Download it again"),
    "garbage": (b"\x00\x01garbage", "no XML dump: it begins with"),
    "no page": (b"<mediawiki><siteinfo/></mediawiki>", "no <page> within the first"),
    "html": (b"<html><body>404</body></html>", "no <page> within the first"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + b"0" * 30, "7-Zip is not read. Unpack it first"),
    "document type": (b"<!DOCTYPE x><mediawiki><page>", "declares a document type"),
    "no name of a wiki": (b"<mediawiki><page></page></mediawiki>", "does not name its wiki"),
    "damaged at its head": (b"BZh91AY&SYxxxxxxxxxxxxxxxx", "does not name its wiki"),
}


@pytest.mark.parametrize("case", BAD_DUMPS)
def test_a_bad_file_among_dumps_is_set_aside_and_the_others_are_read(tmp_path: Path, case: str) -> None:
    data, words = BAD_DUMPS[case]
    (tmp_path / "sub").mkdir()
    write(tmp_path, dump_of(page(1)), "sub/1.xml")
    write(tmp_path, data, "sub/0.xml")
    write(tmp_path, dump_of(page(3)), "sub/3.xml")
    result = read(Wikipedia(path=str(tmp_path)))
    assert list(result.texts) == ["wikipedia:dewiki:1", "wikipedia:dewiki:3"]
    (bad,) = result.quarantined
    assert (bad.id, bad.kind, bad.bytes) == ("sub/0.xml", "unreadable_file", len(data))
    assert bad.error.startswith("sub/0.xml: ")
    assert words in bad.error
    assert str(tmp_path) not in bad.error
    assert result.warnings == [f"wikipedia: not read: {bad.error}"]


def test_a_folder_of_bad_dumps_alone_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, b"", "a.xml")
    write(tmp_path, b"<html></html>", "b.xml")
    with pytest.raises(InputError, match=r"no dump in .* can be read: a\.xml: the file is empty"):
        Wikipedia(path=str(tmp_path)).parts()


def test_names_that_are_not_utf8_and_names_in_subfolders(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)
    for name in (b"/1.xml", b"/\xff.xml"):
        with open(folder + name, "wb") as file:
            file.write(dump_of(page(1), page(2).replace("</page>", ""), page(3)))
    result = read(Wikipedia(path=str(tmp_path)))
    files = {json.loads(str(row["origin"]))["file"] for row in result.rows}
    assert files == {"caf\\xe9/1.xml", "caf\\xe9/\\xff.xml"}
    assert {q.id.partition("#")[0] for q in result.quarantined} == files
    "".join(q.id + q.error + q.origin for q in result.quarantined).encode()


# --------------------------------------------------------------------------------------------- broken


@pytest.mark.parametrize("pack", [bz2.compress, gzip.compress, lzma.compress, zstd])
def test_a_truncated_file_is_read_to_the_break(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    data = dump_of(*many(3000))
    packed = pack(data)
    path = write(tmp_path, packed[: len(packed) * 3 // 4], "cut.xml")
    result = read(Wikipedia(path=path))
    assert 0 < len(result.texts) < 3000
    assert result.kinds["truncated"] == 1
    assert result.kinds["truncated_page"] <= 1
    (broken,) = [q for q in result.quarantined if q.kind == "truncated"]
    assert broken.bytes < 300_000  # the last block of bzip2, or nothing at all
    if pack is not zstd:
        assert f"cut.xml#{len(packed) * 3 // 4 - broken.bytes if broken.bytes else 0}:" in broken.error
    assert "download" in broken.error.lower()


def test_damage_in_one_stream_loses_that_stream_alone(tmp_path: Path) -> None:
    pieces = [HEAD.encode(), *[p.encode() for p in many(6)], b"</mediawiki>"]
    packed = [bz2.compress(p) for p in pieces]
    broken = bytearray(packed[3])
    broken[len(broken) // 2] ^= 0xFF
    path = write(tmp_path, b"".join([*packed[:3], bytes(broken), *packed[4:]]), "damaged.xml")
    result = read(Wikipedia(path=path))
    assert [int(i.rsplit(":", 1)[1]) for i in result.texts] == [1, 2, 4, 5, 6]
    (error,) = result.quarantined
    assert error.kind == "damaged"
    assert error.bytes == len(broken)
    assert f"#{sum(map(len, packed[:3]))}" in error.error


def packed_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: int, step: int) -> Wikipedia:
    """A dump of streams of ``step`` pages each (or bytes, from 100 on), each a part, one of them damaged."""
    monkeypatch.setattr(dump, "BZ2_PART_BYTES", 1)
    pages = [p.encode() for p in many(12)]
    pieces = [b"".join(pages[i : i + step]) for i in range(0, 12, step)]
    if step >= 100:
        pieces = cut_into(b"".join(pages), step)
    packed = [bytearray(bz2.compress(p)) for p in (HEAD.encode(), *pieces)]
    packed[broken][-30] ^= 0xFF
    source = Wikipedia(path=write(tmp_path, b"".join(packed), "streams.xml"))
    assert len(source.parts()) == len(packed)
    return source


@pytest.mark.parametrize("broken", [1, 2, 4])
def test_a_break_is_reported_by_one_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: int
) -> None:
    """The part before reads up to it and the part that begins with it reads from it: one of them counts."""
    result = read(packed_parts(tmp_path, monkeypatch, broken, 3))
    assert result.kinds == {"damaged": 1}
    assert len(result.texts) == 9


def test_the_rest_of_a_page_behind_a_damaged_stream_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streams cut anywhere, as some packers do: the page before the damage has no end, the next no start."""
    source = packed_parts(tmp_path, monkeypatch, 3, 1000)
    result = read(source)
    assert result.kinds == {"truncated_page": 1, "damaged": 1, "stray": 1}
    cut, broken, rest = result.quarantined
    assert (cut.kind, broken.kind, rest.kind) == ("truncated_page", "damaged", "stray")
    data = "".join(many(12)).encode()
    behind = data[3000 : data.index(b"<page>", 3000)].rstrip()
    assert (rest.bytes, rest.excerpt) == (len(behind), behind[:200].decode())
    monkeypatch.setattr(dump, "BZ2_PART_BYTES", 2**20)
    in_one = read(source)
    assert (in_one.kinds, in_one.texts) == (result.kinds, result.texts)


def test_a_page_whose_beginning_is_damaged_is_counted(tmp_path: Path) -> None:
    bad = page(2, title="Ulm & Umland").replace("<page>", "<pabe>")
    result = read(Wikipedia(path=write(tmp_path, dump_of(page(1), bad, page(3)))))
    assert list(result.texts) == ["wikipedia:dewiki:1", "wikipedia:dewiki:3"]
    (stray,) = result.quarantined
    assert (stray.kind, stray.bytes) == ("stray", len(bad.strip()))
    assert "page 2 ('Ulm & Umland')" in stray.error
    assert "download it again" in stray.error


def test_bytes_between_pages_are_counted(tmp_path: Path) -> None:
    lost = "<revision><text>lost text between two pages</text></revision>"
    result = read(Wikipedia(path=write(tmp_path, dump_of(page(1), lost, page(2)))))
    assert len(result.texts) == 2
    assert [(q.kind, q.bytes, q.excerpt) for q in result.quarantined] == [("stray", len(lost), lost)]


def test_a_fragment_says_which_page_it_is(tmp_path: Path) -> None:
    """Also where the title is long; the excerpt alone would not reach the id behind it."""
    title = "Eine Überschrift, die fast so lang ist, wie sie sein darf: " + "ü" * 90
    cases = {
        "truncated_page": page(7, title=title).replace("</page>", ""),
        "malformed_xml": page(8, title="Quer").replace("</revision>", ""),
        "incomplete_page": page(9, title="Ohne Text").replace("revision>", "revisiom>"),
    }
    result = read(Wikipedia(path=write(tmp_path, dump_of(*cases.values(), page(10)))))
    errors = {q.kind: q.error for q in result.quarantined}
    assert errors.keys() == cases.keys()
    assert f"page 7 ({title!r})" in errors["truncated_page"]
    assert "page 8 ('Quer')" in errors["malformed_xml"]
    assert "page 9 ('Ohne Text')" in errors["incomplete_page"]
    assert all("\n" not in error for error in errors.values())


def test_a_page_cut_off_by_the_end_of_the_file(tmp_path: Path) -> None:
    data = dump_of(page(1), page(2))
    path = write(tmp_path, data[: data.index(b"<id>2</id>") + 4])
    result = read(Wikipedia(path=path))
    assert list(result.texts) == ["wikipedia:dewiki:1"]
    assert result.kinds == {"truncated_page": 1}
    assert "Seite 2" in result.quarantined[0].excerpt


def test_a_page_that_never_ends_takes_no_other_with_it(tmp_path: Path) -> None:
    path = write(tmp_path, dump_of(page(1).replace("</page>", ""), page(2)))
    result = read(Wikipedia(path=path))
    assert list(result.texts) == ["wikipedia:dewiki:2"]
    assert result.kinds == {"truncated_page": 1}


def test_bad_bytes_and_bad_xml_cost_one_page(tmp_path: Path) -> None:
    bad = page(2).encode().replace(b"Ein ", b"Ein \xff\xfe ")
    crossed = page(3).replace("</title>", "</titel>").encode()
    entity = page(4).replace("Ein ", "&foo; ").encode()
    data = HEAD.encode() + page(1).encode() + bad + crossed + entity + page(5).encode()
    result = read(Wikipedia(path=write(tmp_path, data)))
    assert list(result.texts) == ["wikipedia:dewiki:1", "wikipedia:dewiki:5"]
    assert [q.kind for q in result.quarantined] == ["invalid_utf8", "malformed_xml", "malformed_xml"]
    assert all("dewiki-pages-articles.xml#" in q.error for q in result.quarantined)


@pytest.mark.parametrize("gone", ["<title>Seite 1</title>", "<id>1</id>"])
def test_incomplete_pages(tmp_path: Path, gone: str) -> None:
    result = read(Wikipedia(path=write(tmp_path, dump_of(page(1).replace(gone, "", 1), page(2)))))
    assert result.kinds == {"incomplete_page": 1}
    assert list(result.texts) == ["wikipedia:dewiki:2"]


def test_a_page_over_budget_is_quarantined(tmp_path: Path) -> None:
    result = read(Wikipedia(path=write(tmp_path, dump_of(page(1, "{{a " * 400), page(2)))))
    (error,) = result.quarantined
    assert (error.id, error.kind) == ("wikipedia:dewiki:1", "over_budget")
    assert "nesting" in error.error
    assert list(result.texts) == ["wikipedia:dewiki:2"]


def test_a_page_too_large_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dump, "PAGE_BYTES", 20_000)
    monkeypatch.setattr(dump, "CHUNK_BYTES", 4096)
    huge = page(2, "x" * 90_000)
    result = read(Wikipedia(path=write(tmp_path, dump_of(page(1), huge, page(3)))))
    assert list(result.texts) == ["wikipedia:dewiki:1", "wikipedia:dewiki:3"]
    (error,) = result.quarantined
    assert error.kind == "page_too_large"
    assert error.bytes == len(huge.strip())
    assert "Seite 2" in error.excerpt


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"7z\xbc\xaf\x27\x1c\x00\x04", "7-Zip"),
        (b"INSERT INTO page VALUES", "no XML dump"),
        (b"<html><body>404</body></html>", "no <page>"),
    ],
)
def test_what_is_no_dump_is_an_error_with_a_remedy(tmp_path: Path, data: bytes, message: str) -> None:
    path = write(tmp_path, data, "x.xml")
    with pytest.raises(InputError, match=message) as caught:
        Wikipedia(path=path).parts()
    assert "x.xml" in caught.value.message
    assert caught.value.remedy


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.xml"):
        Wikipedia(path=str(tmp_path / "nowhere.xml")).parts()


def test_document_types_are_refused(tmp_path: Path) -> None:
    data = b'<!DOCTYPE mediawiki [<!ENTITY a "aaaa">]>\n' + dump_of(page(1))
    with pytest.raises(InputError, match="document type"):
        Wikipedia(path=write(tmp_path, data)).parts()


def test_parts_do_not_depend_on_where_the_file_lies(tmp_path: Path) -> None:
    """No path of this machine reaches an output."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    data = dump_of(*many(5), page(9).replace("</page>", ""))
    a, b = (read(Wikipedia(path=write(tmp_path / name, data))) for name in "ab")
    assert a == b


# --------------------------------------------------------------------------------------------- corpora

needs_corpora = pytest.mark.skipif(not CORPORA, reason="CORPUSKIT_CORPORA is not set")


def scan() -> list[tuple[str, int, int]]:
    """File, pages and revisions of every dump, counted by another parser."""
    if not CORPORA:
        return []
    lines = Path(CORPORA, "wikipedia_scan.tsv").read_text(encoding="utf-8").splitlines()[1:]
    rows = [line.split("\t") for line in lines]
    return [(r[0], int(r[5]), int(r[6])) for r in rows if not r[0].endswith(".7z")]


def raw(path: Path) -> bytes:
    data = path.read_bytes()
    data = (
        bz2.decompress(data)
        if data[:3] == b"BZh"
        else gzip.decompress(data)
        if data[:2] == b"\x1f\x8b"
        else data
    )
    return data.decode("utf-16").encode() if data[:2] == b"\xff\xfe" else data


@needs_corpora
def test_pages_of_every_dump_equal_an_independent_count() -> None:
    assert len(scan()) > 100
    for name, pages, revisions in scan():
        path = Path(CORPORA, name)
        result = read(Wikipedia(path=str(path), wiki="testwiki"))
        assert result.pages_seen() == len(re.findall(rb"<page[\s>]", raw(path))) == pages, name
        broken = sum(result.kinds.values()) - result.kinds["over_budget"]
        assert revisions == result.documents_in - broken or broken, name
        assert result.kinds["over_budget"] == 0, name


@needs_corpora
def test_multistream_equals_its_single_stream_twin() -> None:
    twin = read(Wikipedia(path=str(Path(CORPORA, "wikipedia", "wp2txt__testdata_en-0.10.bz2"))))
    multi = read(
        Wikipedia(path=str(Path(CORPORA, "derived", "enwiki-derived-pages-articles-multistream.xml.bz2")))
    )
    assert multi.texts == twin.texts
    assert multi.reasons == twin.reasons


BROKEN = {
    "enwik8-first-4154517-bytes.xml": [("truncated_page", 4_154_066, 451, "page 956")],
    "zhwiki-broken-1.xml": [("incomplete_page", 6057, 43_594, "page 13: no title")],
    "zhwiki-broken-2.xml": [],  # its title is back: whole, though its wikitext is not
    "wp2txt__testdata_en-0.10.bz2": [],  # these two end without </mediawiki>, and with no page open
    "wp2txt__testdata_en-0.9.bz2": [],
}


@needs_corpora
@pytest.mark.parametrize("name", BROKEN)
def test_what_the_broken_dumps_give(name: str) -> None:
    """Kind, place, bytes and a piece of the message of all that is set aside; every other page is read."""
    result = read(Wikipedia.model_validate({"path": str(Path(CORPORA, "wikipedia", name)), "wiki": "x"}))
    found = result.quarantined
    assert [(q.kind, int(q.id.rpartition("+")[2]), q.bytes) for q in found] == [b[:3] for b in BROKEN[name]]
    assert all(bad[3] in q.error for bad, q in zip(BROKEN[name], found, strict=True))
    pages = next(pages for path, pages, _ in scan() if path.endswith(name))
    assert result.pages_seen() == pages
    assert len(result.texts) + result.reasons.total() + len(found) == result.documents_in


@needs_corpora
def test_an_archive_among_the_dumps_is_set_aside_with_the_rest_read() -> None:
    folder = str(Path(CORPORA, "wikipedia"))
    source = Wikipedia.model_validate({"path": folder, "wiki": "x", "include": ("macbre*",)})
    result = read(source)
    assert result.kinds == {"unreadable_file": 1}
    assert "7z x macbre-wikia-dump.xml.7z" in result.quarantined[0].error
    assert len(result.texts) == 1
