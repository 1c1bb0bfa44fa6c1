"""One file of Project Gutenberg, cleaned on its own, as the source does it in a build."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypedDict, Unpack

from corpuskit.documents.reading import CutSpan
from corpuskit.errors import InputError, SettingError, nearest
from corpuskit.sources.encoding.decode import decode_text
from corpuskit.sources.encoding.letters import Decoded
from corpuskit.sources.gutenberg.body import Body
from corpuskit.sources.gutenberg.book import Edition
from corpuskit.sources.gutenberg.header import Header, declared_encoding, declared_language, read_header
from corpuskit.sources.gutenberg.source import Gutenberg
from corpuskit.sources.gutenberg.tree import TEXT_SUFFIXES, ZIP_SUFFIX

_NAMES_OF_FILES = (*TEXT_SUFFIXES, ZIP_SUFFIX)


@dataclass(frozen=True)
class Book:
    """The text of a book, and what was around it.

    Attributes:
        text: without header, licence, notes of its makers and marks of plain text; a paragraph is a line.
        header: what the file says of itself: number, title, author, language, dates, rights.
        cuts: the removed pieces with their reasons, as ranges of UTF-8 bytes of the decoded file.
        flags: what was odd: ends that were not found, a wrong declaration of the encoding...
        encoding: Python's name of the encoding of the file; ``utf-8`` for a string.
    """

    text: str
    header: Header
    cuts: tuple[CutSpan, ...]
    flags: tuple[str, ...]
    encoding: str


class BookSettings(TypedDict, total=False):
    """Keywords of `clean_book`: settings of `Gutenberg` that say what becomes of a book's inside."""

    emphasis: Literal["unwrap", "keep"]
    illustrations: Literal["caption", "remove", "keep"]
    footnotes: Literal["keep", "remove"]
    page_numbers: Literal["remove", "keep"]
    transcriber_notes: Literal["remove", "keep"]
    reflow: bool
    max_cut: int


def clean_book(raw: bytes | str, **settings: Unpack[BookSettings]) -> Book:
    """Take the book out of a file of Project Gutenberg, as the source `Gutenberg` does.

    Args:
        raw: the bytes of a text file, in whatever encoding, or its decoded text.
        settings: those of `Gutenberg` that say what becomes of notes, footnotes, illustrations, page numbers,
            line breaks...

    Raises:
        SettingError: a setting is unknown or has an unknown value, or a file is named in place of its bytes.
        InputError: the bytes are in no encoding that is known here, or the text holds half of a surrogate
            pair, which is no text.

    >>> file = '''The Project Gutenberg EBook of Two Lines, by Nobody
    ...
    ... Title: Two Lines
    ...
    ... *** START OF THIS PROJECT GUTENBERG EBOOK TWO LINES ***
    ...
    ... The tide went out, and nobody on the
    ... shore had seen it go.
    ...
    ... *** END OF THIS PROJECT GUTENBERG EBOOK TWO LINES ***
    ... '''
    >>> book = clean_book(file)
    >>> book.text, book.header.title, [cut.reason for cut in book.cuts]
    ('The tide went out, and nobody on the shore had seen it go.', 'Two Lines', ['header', 'licence'])
    """
    if unknown := [name for name in settings if name not in BookSettings.__annotations__]:
        remedy = nearest(unknown[0], BookSettings.__annotations__)
        raise SettingError(f"clean_book: no setting is called {unknown[0]!r}", remedy=remedy)
    if not isinstance(raw, str | bytes) or (isinstance(raw, str) and raw.endswith(_NAMES_OF_FILES)):
        message = f"clean_book: {str(raw)[:80]!r} is the name of a file or none of its contents"
        raise SettingError(message, remedy="Give what it holds: Path(...).read_bytes().")
    declared = "" if isinstance(raw, str) else declared_encoding(raw)
    decoded = _decoded(raw, declared)
    body = Body(decoded.text, Gutenberg.checked("clean_book", path="", **settings).body_options())
    edition = Edition("", declared, decoded, body, read_header(body.header))
    cuts = tuple(edition.cuts())
    return Book(body.text, edition.header, cuts, tuple(edition.flags()), decoded.encoding)


def _decoded(raw: bytes | str, declared: str) -> Decoded:
    if isinstance(raw, str):
        try:
            raw.encode()
        except UnicodeEncodeError as error:
            message = f"clean_book: the text holds half of a surrogate pair at character {error.start}"
            raise InputError(message, remedy="Give the bytes of the file: they are decoded here.") from None
        return Decoded(raw, "utf-8")
    if (decoded := decode_text(raw, declared, declared_language(raw))) is None:
        said = f"declared as {declared}" if declared else "no encoding declared"
        message = f"clean_book: {len(raw)} bytes in no encoding that is known here ({said})"
        remedy = "Decode them yourself and give the text, or convert the file: iconv -f ENCODING -t UTF-8"
        raise InputError(message, remedy=remedy)
    return decoded
