"""A book that is cleaned on its own is the book that the source gives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from corpuskit import Gutenberg
from corpuskit.errors import InputError, SettingError
from corpuskit.sources.gutenberg.clean import BookSettings, clean_book

BOOKS = Path(__file__).parents[3] / "sample_corpora" / "books"


SETTINGS: list[BookSettings] = [{}, {"reflow": False, "footnotes": "remove", "emphasis": "keep"}]


def of_source(settings: BookSettings) -> dict[str, tuple[str, list[tuple[str, int, int]]]]:
    """Text and cuts of each file that the source keeps, by the file's name."""
    source = Gutenberg.model_validate({"path": str(BOOKS), **settings})
    found = {}
    for reading in (reading for part in source.parts() for reading in source.read(part)):
        for row in reading.batch.to_pylist():
            cuts = [(span.reason, span.start, span.end) for span in reading.spans if span.id == row["id"]]
            found[json.loads(row["origin"])["file"].rpartition("/")[2]] = row["text"], cuts
    return found


@pytest.mark.parametrize("settings", SETTINGS)
def test_it_is_what_the_source_gives(settings: BookSettings) -> None:
    texts = of_source(settings)
    files = [path for path in sorted(BOOKS.rglob("*.txt")) if path.name in texts]
    assert len(files) >= 13
    for path in files:
        book = clean_book(path.read_bytes(), **settings)
        text, cuts = texts[path.name]
        assert book.text == text, path
        # Two editions of one number share the id of their cuts.
        assert {(cut.reason, cut.start, cut.end) for cut in book.cuts} <= set(cuts), path


def test_nothing_is_lost_between_the_book_and_what_was_cut() -> None:
    raw = (BOOKS / "90001" / "90001-0.txt").read_bytes()
    book = clean_book(raw, reflow=False, emphasis="keep")
    whole = raw.decode("utf-8-sig").encode()
    for cut in book.cuts:
        assert whole[cut.start : cut.end].decode() == cut.text
    assert book.encoding == "utf-8"
    assert book.header.number == 90001


def test_a_text_and_its_bytes_give_the_same_book() -> None:
    raw = (BOOKS / "90003" / "90003-0.txt").read_bytes()
    assert clean_book(raw).text == clean_book(raw.decode("utf-8-sig")).text


def test_bytes_in_no_encoding() -> None:
    with pytest.raises(InputError, match=r"clean_book: 300 bytes in no encoding"):
        clean_book(bytes(range(256)) + bytes(44))


def test_what_is_no_text_or_no_setting() -> None:
    with pytest.raises(InputError, match="half of a surrogate pair at character 1"):
        clean_book("a\ud800")
    with pytest.raises(SettingError, match="clean_book: footnotes = 'none': "):
        clean_book("a", footnotes="none")  # type: ignore[typeddict-item]
    with pytest.raises(SettingError, match="no setting is called 'footnote'") as caught:
        clean_book("a", footnote="keep")  # type: ignore[call-arg]
    assert "'footnotes'" in caught.value.remedy
    for wrong in ("books/90001-0.txt", BOOKS, 5):
        with pytest.raises(SettingError, match="is the name of a file or none of its contents"):
            clean_book(wrong)  # type: ignore[arg-type]


HEADLESS = """The Project Gutenberg EBook of The Lane, by A. Writer

This eBook is for the use of anyone anywhere at no cost and with
almost no restrictions whatsoever.

Title: The Lane
       A Tale

Author: A. Writer

Posting Date: June 1, 2010 [EBook #77777]

Language: English

Produced by J. Doe

"""


def test_a_book_without_a_start_line_is_cut_below_its_fields_and_flagged() -> None:
    story = "THE LANE\n\nby A. Writer\n\nTitle: a word that he liked."
    for header in (
        HEADLESS,
        HEADLESS.replace("Title", "Titre").replace("Author", "Auteur").replace("Language", "Langue"),
    ):
        found = clean_book(header + story)
        assert found.text == story
        assert found.flags[:2] == ("no_start_marker", "header_cut_at_fields")
        assert [cut.reason for cut in found.cuts] == ["header", "credits"] or found.cuts[0].reason == "header"
        assert found.header.number == 77777


@pytest.mark.parametrize(
    "text",
    [
        "Title: The Lane\n\nAuthor: nobody knows.\n\nIt was late.",
        "A HISTORY OF BOOKS\n\nProject Gutenberg began in 1971.\n\nTitle: it had none.",
    ],
)
def test_what_only_looks_like_a_header_stays(text: str) -> None:
    assert clean_book(text).text == text
