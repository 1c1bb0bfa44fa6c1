"""The sampler of plain sentences and the search for them: no tool may win by throwing text away."""

from __future__ import annotations

import bz2
from pathlib import Path

import pytest

from benchmarks.kept import SentenceSearch, book_sentences, sample, wiki_sentences

PROSE = "The miller went down to the river because the wheel had stopped before the morning."
SECOND = "Nobody in the village knew why the water had turned away from its old bed."
THIRD = "The sentence after the link is plain and long enough to be taken into the sample."
WIKITEXT = f"""{{{{Infobox
| name = The words of this line stand inside a template and are not prose at all.
The words of this line stand inside a template and they are not prose either.
}}}}
{PROSE} Too short. {SECOND}
* A list item is not taken although it is long enough to be a whole sentence of prose.
A sentence with a [[link]] is not taken although it is long enough to be a sentence. {THIRD}<ref name="a">A
footnote that is long enough to be taken for a sentence of prose by those who do not look closely.</ref>
<!-- a comment
that holds a long line which could be taken for a sentence of prose by mistake.
-->
"""


def page(number: int, text: str, namespace: int = 0, redirect: str = "", revision: int = 1) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;")
    head = f"<title>Mill</title><ns>{namespace}</ns><id>{number}</id>{redirect}"
    return f"<page>{head}<revision><id>{revision}</id><text>{escaped}</text></revision></page>"


def dump(path: Path, *pages: str) -> Path:
    path.write_bytes(bz2.compress(f"<mediawiki>{''.join(pages)}".encode()))  # cut off: no closing tag
    return path


def test_only_plain_lines_of_articles_are_taken(tmp_path: Path) -> None:
    other = PROSE.replace("miller", "joiner")
    redirect = '<redirect title="Mill"/>'
    pages = (
        page(1, WIKITEXT),
        page(2, other, 1),
        page(3, other, 0, redirect),
        page(4, f"#redirect [[x]] {other}"),
    )
    assert wiki_sentences([dump(tmp_path / "dump.xml.bz2", *pages)]) == [PROSE, SECOND, THIRD]


def test_the_newest_revision_of_a_page_counts(tmp_path: Path) -> None:
    older = dump(tmp_path / "older.xml.bz2", page(1, PROSE, revision=7), page(2, THIRD, revision=7))
    newer = dump(tmp_path / "newer.xml.bz2", page(1, SECOND, revision=8))
    assert sorted(wiki_sentences([newer, older])) == sorted(wiki_sentences([older, newer])) == [SECOND, THIRD]


def test_books_give_their_middle_whatever_their_encoding(tmp_path: Path) -> None:
    paragraphs = ["Title"] * 4 + [
        PROSE.replace(" river", "\nriver"),
        "Une phrase assez longue, où il n'y a rien à voir du tout ici.",
    ]
    path = tmp_path / "book.txt"
    path.write_bytes("\r\n\r\n".join([*paragraphs, "End"]).encode("latin-1"))
    assert list(book_sentences(path)) == [PROSE]
    path.write_bytes("\n\n".join(paragraphs).encode())
    assert list(book_sentences(path)) == []  # the last fifth is not read


def test_the_sample_does_not_hang_on_order() -> None:
    sentences = [f"{PROSE} {number}" for number in range(50)]
    assert sample(sentences, 7) == sample(reversed(sentences), 7)
    assert len(sample(sentences, 7)) == 7


@pytest.mark.parametrize(
    ("document", "kept"),
    [
        (f"Before. {PROSE} After.", 0.5),
        (f"{PROSE.replace(' ', chr(10))} {SECOND}", 1.0),
        (PROSE.replace("wheel", "water wheel"), 0.0),
        (PROSE.replace(" the wheel", ""), 0.0),
        ("", 0.0),
        ("few words", 0.0),
    ],
)
def test_sentences_are_found_only_when_whole(document: str, kept: float) -> None:
    search = SentenceSearch({"mill": [PROSE, SECOND]})
    search.read(document)
    assert search.shares() == {"mill": kept}


def test_shares_are_told_apart_by_kind() -> None:
    search = SentenceSearch({"mill": [PROSE, SECOND], "both": [PROSE], "none": [THIRD]})
    search.read(f"{PROSE} Something else.")
    assert search.shares() == {"mill": 0.5, "both": 1.0, "none": 0.0}


def test_composed_and_decomposed_letters_are_the_same() -> None:
    search = SentenceSearch(
        {"fr": ["Le caf\u00e9 du village \u00e9tait plein de gens qui ne parlaient pas du tout."]}
    )
    search.read("Le cafe\u0301 du village e\u0301tait plein de gens qui ne parlaient pas du tout.")
    assert search.shares() == {"fr": 1.0}


def test_an_empty_sample_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"viwiki: .* no plain prose"):
        SentenceSearch({"enwiki": [PROSE], "viwiki": []})
