"""What the makers of a file wrote into the book is found, and what the author wrote is not taken for it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpuskit.sources.gutenberg.body import Body, BodyOptions
from corpuskit.sources.gutenberg.notes import MAX_NOTE, find_notes

TITLE = "A SMALL BOOK\n\nby Ann Author\n\n\n"
STORY = "CHAPTER I\n\n" + "\n\n".join(
    f"It went on for the {n}th day, and nothing came of it." for n in range(900)
)
BOXED = """+-----------------------------------+
| Transcriber's Note:               |
|                                   |
| Two words were spelt otherwise.   |
+-----------------------------------+"""


def left(text: str) -> str:
    """The text without its notes."""
    for note in reversed(find_notes(text, 0, len(text))):
        text = text[: note.start] + text[note.stop :]
    return text


ANYWHERE = [
    "[Transcriber's Note: Two typos were mended.]",
    "[Transcriber’s note: a bracket [sic] inside, and\na second line.]",
    "[TN: The map is missing.]",
    "    [Transcriber's note a: In the other editions:\n    “Ay, ever since...”]",
    BOXED,
    "Transcriber's note: Minor typos in text corrected. Footnotes moved\nto end of text.",
    "*Transcriber's note. This is on another page in the printed book.",
    "[Anmerkung zur Transkription: Die Schreibweise wurde beibehalten.]",
    "[Anmerkungen des Bearbeiters: Druckfehler wurden verbessert.]",
    "[Note de transcription: l'orthographe a été conservée.]",
    "[Note du transcripteur: l'orthographe a été conservée.]",
    "[Notes au lecteur de ce fichier digital:\n\nSeules les erreurs du typographe ont été corrigées.]",
    "[Opmerking van de bewerker: de spelling is behouden.]",
    "[Nota del transcriptor: la ortografía se ha conservado.]",
    "[Nota del trascrittore: l'ortografia è stata conservata.]",
    "[Nota de transcrição: a ortografia foi mantida.]",
    "[Nota do transcritor: a ortografia foi mantida.]",
    "[Transkription huomautus: oikeinkirjoitus on säilytetty.]",
    "[Huomautuksia sähköiseen laitokseen: oikeinkirjoitus on säilytetty.]",
    "[Anmärkningar till den elektroniska utgåvan: stavningen har behållits.]",
    "[Noto de la transskribinto: la ortografio estas konservita.]",
    "[Uwagi do wydania elektronicznego: zachowano pisownię.]",
    *(
        f"[{heading}: ok.]"
        for heading in (
            "Afskriverens bemærkninger",
            "Bemærkninger fra afskriveren",
            "Paalala ng nagsalin",
            "Avskriverens merknad",
            "Avskrivarens anmärkningar",
            "Sähköisen laitoksen huomautus",
            "Poznámka přepisovatele",
            "Az átíró megjegyzése",
            "Σημείωση του μεταγραφέα",
            "Примечание переписчика",
            "Примітка транскрибатора",
            "Бележка на преписвача",
            "Напомена преписивача",
            "Opomba prepisovalca",
            "轉錄者註",
            "录入者说明",
            "入力者注",
            "전사자 주",
            "הערת המעתיק",
            "ملاحظة الناسخ",
            "Nodyn y trawsgrifydd",
            "Nóta an tras-scríobhaí",
            "Nota transcriptorului",
            "Nota transcriptoris",
            "Aantekening van die transkribeerder",
            "Opmerking fan de bewurker",
            "Athugasemd afritara",
            "Ümberkirjutaja märkus",
            "Çevriyazanın notu",
            "Ghi chú của người chép",
        )
    ),
]


@pytest.mark.parametrize("note", ANYWHERE)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_notes_that_name_their_maker_are_found_anywhere(note: str, newline: str) -> None:
    before, after = "He went in.\n\n", "\n\nShe came out.\n\n"
    for text in (note + after + STORY, TITLE + STORY + "\n\n" + before + note + after + STORY):
        raw = text.replace("\n", newline)
        found = find_notes(raw, 0, len(raw))
        assert [raw[n.start : n.stop].strip().replace(newline, "\n") for n in found] == [note.strip()]
        assert left(raw).replace(newline, "\n").split() == text.replace(note, "").split()
        assert "\n\nShe came out." in "\n\n" + left(raw).replace(newline, "\n")


@pytest.mark.parametrize(
    "heading",
    [
        "Transcriber's Note:",
        "TRANSCRIBER’S NOTES",
        "Transcription Notes:",
        "                  Transcriber's Notes",
        "Notes on this etext of A Small Book:",
        "Scanner's Notes:",
        "Anmerkungen zur Transkription",
        "Notes de transcription",
        "Note sur la version électronique:",
        "Opmerkingen van de bewerker",
        "Notas del Transcriptor",
        "Note del Trascrittore",
        "Notas de transcrição:",
    ],
)
def test_notes_under_a_heading(heading: str) -> None:
    note = heading + "\n\nThe spelling was kept.\n\n    Page 7: comma added\n\n    Page 9: a name changed"
    at_the_end = TITLE + STORY + "\n\nTHE END\n\n\n\n\n" + note + "\n"
    assert left(at_the_end).rstrip() == at_the_end[: -len(note) - 1].rstrip()
    at_the_beginning = note + "\n\n\n\n" + TITLE + STORY
    assert left(at_the_beginning) == TITLE + STORY


@pytest.mark.parametrize("title", ["THE GARDEN BOOK\n\nby Ann Author", "The Garden Book\n\nAnn Author"])
@pytest.mark.parametrize(
    "note",
    [
        "Transcriber's Note:\nThe spelling was kept, and misprints\nwere corrected.",
        "Transcriber's Note: The spelling\nwas kept.",
        "Transcriber's Notes\n\nThe spelling was kept.",
        "Afskriverens bemærkninger:\n\nStavefejl er rettet.",
    ],
)
def test_the_title_page_below_a_note_stays(note: str, title: str) -> None:
    assert left(f"{note}\n\n{title}\n\n\n{STORY}") == f"{title}\n\n\n{STORY}"


@pytest.mark.parametrize(
    ("words", "name_goes"), [("I have mended two typos.", True), ("Two typos mended.", False)]
)
def test_the_name_below_a_note_goes_with_who_speaks_in_it(words: str, name_goes: bool) -> None:
    chapter = "\n\n".join(f"It was the {n}th day of the year, and the lamp burned." for n in range(400))
    raw = f"A TITLE\n\n\n\nTranscriber's Note\n\n{words}\n\nAnna Holm\n\n\n\nPreface\n\n{chapter}"
    kept = Body(raw, BodyOptions()).text
    assert words not in kept
    assert ("Anna Holm" in kept) != name_goes
    assert "Preface" in kept


def test_a_heading_of_notes_that_names_no_maker_is_the_books() -> None:
    raw = f"A TITLE\n\n\n\nHuomautuksia:\n\nTalo on vanha.\n\n\n\n{'Sanoja. ' * 40}"
    assert "Huomautuksia:" in Body(raw, BodyOptions()).text


def test_a_long_note_ends_with_a_paragraph() -> None:
    lines = "\n\n".join(f"Page {n}: the spelling of word {n} was corrected." for n in range(300))
    assert 6_000 < len(lines) < MAX_NOTE
    assert left(f"TRANSCRIBER'S NOTE\n\n{lines}\n\n\n\n{TITLE}{STORY}") == TITLE + STORY
    others = "\n\n".join(
        f"The lamp of house number {n} was lit for the whole of the night." for n in range(300)
    )
    for text in (f"TRANSCRIBER'S NOTE\n\nThe spelling was kept.\n\n{others}\n\n{STORY}", lines + others):
        kept = left(text)
        assert all(line in lines + others + STORY for line in kept.split("\n\n") if "lamp" in line)
        assert others.endswith(kept.split("\n\n" + STORY)[0][-200:])


MENDED = [
    "Original comments on the preparation of the e-text:\n\nScanned in 1999.\n\nAll by hand.",
    "ERRATA\n\nThe following have been corrected in this file:\n\nPage 3: elm changed to elms",
    "Corrections\n\nThe first line is the original, the second was changed to it.\n\np. 3:\nelm",
    "Lista de erros corrigidos\n\nOs erros encontrados e corrigidos:\n\n| pág. 3 | a | b |",
    "Verbeteringen\n\nDe volgende verbeteringen zijn aangebracht in het eBoek:\n\nBladzijde 3 iep iepen",
    "Colofon\n\nBeschikbaarheid\n\nDit eBoek is voor kosteloos gebruik door iedereen overal.",
]


@pytest.mark.parametrize("words", MENDED)
def test_a_list_of_what_was_mended_in_the_file_is_no_part_of_the_book(words: str) -> None:
    assert left(f"{TITLE}{STORY}\n\n\n{words}\n").rstrip() == f"{TITLE}{STORY}"


@pytest.mark.parametrize(
    "words",
    [
        "ERRATA\n\nPage 3, line 2, for elm read elms.\n\nPage 9, for a read the.",
        "The transcriber of this manuscript was a monk, and his note stands in the margin.",
        "NOTE.\n\nThe author wishes to say that nothing here is invented.",
        "AUTHOR'S NOTE\n\nEvery word is true.\n\n\nCHAPTER I",
        "Note by the Editor: the letters are printed in full for the first time.",
        "[Note: the ship was lost.]",
        "[Editor's note: he means the elder brother.]",
        "ANMERKUNGEN\n\n1. Der Verfasser meint den älteren Bruder.",
        "NOTE DE L'AUTEUR\n\nTout est vrai.",
        "NOTAS\n\n1. El autor se refiere a su hermano.",
        "He was a scanner of verse, and noted every foot.",
        "He read us a note from the Gutenberg Bible, printed in Mainz.",
        "| one | two |\n| six | ten |",
    ],
)
def test_what_the_author_wrote_is_kept(words: str) -> None:
    for text in (words + "\n\n" + STORY, STORY + "\n\n" + words + "\n\n" + STORY, STORY + "\n\n" + words):
        assert find_notes(text, 0, len(text)) == []


def test_a_note_that_does_not_end_is_left() -> None:
    endless = "[Transcriber's Note: it never closes" + " and goes on" * 4000
    assert find_notes(endless, 0, len(endless)) == []
    headed = STORY + "\n\nTranscriber's Note:\n\n" + STORY + "\n\n" + STORY
    assert sum(n.stop - n.start for n in find_notes(headed, 0, len(headed))) < 300
    assert len(STORY) > MAX_NOTE


def test_paragraphs_on_this_file_near_the_beginning() -> None:
    statement = "Digitized by A. B. for this etext from the edition of 1690."
    project = "These articles were collected for Project Gutenberg in January 1993."
    text = TITLE + statement + "\n\n" + project + "\n\n" + STORY
    assert left(text) == TITLE + STORY
    late = STORY + "\n\n" + project + "\n\n" + STORY
    assert find_notes(late, 0, len(late)) == []
    about_it = project + "\n\n" + "\n\n".join(["Project Gutenberg began with one file."] * 50)
    assert find_notes(about_it, 0, len(about_it)) == []


def test_headers_inside_a_file_of_several_etexts() -> None:
    inner = (
        "December, 1972  [Etext #2]\n\n\n**The Project Gutenberg Etext of A Second Book**\n\n"
        "This is a retranscription of one of the first\nProject Gutenberg Etexts.\n\n\n"
    )
    text = TITLE + STORY + "\n\n\n" + inner + STORY
    assert [n.reason for n in find_notes(text, 0, len(text))] == ["inner_header"]
    assert left(text) == TITLE + STORY + "\n\n\n" + STORY


def test_the_notice_between_the_acts_of_the_complete_shakespeare() -> None:
    notice = "<<THIS ELECTRONIC VERSION OF THE COMPLETE WORKS IS COPYRIGHT, AND MAY BE\nGIVEN AWAY.>>\n\n\n"
    text = STORY + "\n\n" + notice + STORY + "\n\n" + notice + STORY
    assert left(text) == "\n\n".join([STORY] * 3)
    assert "ELECTRONIC" not in left(text)


def test_notes_are_pieces_of_the_body_and_can_be_kept() -> None:
    end = "\n\n\n\nTranscriber's Note:\n\nNothing was changed.\n"
    marks = (
        "*** START OF THE PROJECT GUTENBERG EBOOK X ***\n\n",
        "\n*** END OF THE PROJECT GUTENBERG EBOOK X ***\n",
    )
    text = marks[0] + TITLE + STORY + end + marks[1]
    body = Body(text, BodyOptions())
    assert body.text == TITLE + STORY
    assert [p.reason for p in body.pieces] == ["header", "transcriber_note", "licence"]
    assert "".join(text[p.start : p.stop] for p in body.pieces) + body.text != ""
    assert sum(p.stop - p.start for p in body.pieces) + len(body.text) == len(text)
    kept = Body(text, BodyOptions(transcriber_notes="keep", reflow=False))
    assert kept.text == (TITLE + STORY + end).rstrip()


@given(
    st.lists(
        st.sampled_from(
            [*ANYWHERE, "word", "\n", "\n\n\n", "[", "]", "|", "Transcriber's Note:", "* * *", " "]
        )
    )
)
def test_notes_are_ordered_and_apart(parts: list[str]) -> None:
    text = "\n".join(parts)
    found = find_notes(text, 0, len(text))
    assert all(a.stop <= b.start for a, b in pairwise(found))
    assert all(0 <= n.start < n.stop <= len(text) for n in found)


def test_hostile_texts_are_linear_work() -> None:
    for text in (
        "[Transcriber's Note: " * 10_000,
        "Transcriber's Note:\n" * 4_000,
        "Transcriber's Note:\n\n\n\n" * 8_000,
        "|" * 2 * 10**5,
        "| Transcriber's Note\n" * 8_000,
        "\n" * 2 * 10**5,
        " \n" * 100_000 + "Transcriber's Note: x",
        "**The Project Gutenberg Etext of X**\n\n" * 4_000,
        "_" * 2 * 10**5,
    ):
        find_notes(text, 0, len(text))
