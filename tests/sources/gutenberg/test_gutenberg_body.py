"""The inside of a book: blocks classed, prose joined, marks taken out, every byte accounted for."""

from __future__ import annotations

import gzip
import hashlib
import os
import textwrap
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import gutenberg_body as gutenberg_body_rows
from benchmarks.gutenberg_body import count_right
from corpuskit.errors import SettingError
from corpuskit.sources.encoding.decode import decode_text
from corpuskit.sources.gutenberg import body as gutenberg_body
from corpuskit.sources.gutenberg.blocks import find_blocks
from corpuskit.sources.gutenberg.body import Body, BodyOptions
from corpuskit.sources.gutenberg.header import declared_encoding, declared_language
from corpuskit.sources.gutenberg.rules import RULES, switched_on

CORPORA = os.environ.get("CORPUSKIT_CORPORA")
START = "*** START OF THE PROJECT GUTENBERG EBOOK X ***\n\n"
END = "\n\n*** END OF THE PROJECT GUTENBERG EBOOK X ***\n"

PROSE = """The house stood at the end of the lane, where the last of the elms had
been cut down in the spring, and nobody who passed it by night could say
whether a lamp was burning behind the shutters or whether it was only the
moon."""
VERSE = """The lamp is out, the elms are down,
  The lane is white with snow,
And all the windows of the town
  Are dark where we must go;"""
BLANK_VERSE = """Of that cold house, and of the elms that fell
Before the spring, whose shadow on the lane
Was all the shelter that the traveller knew,
Sing, and of lamps that burned behind the blinds
When none was there to trim them, or to see."""
TERCETS = """Nel mezzo della strada senza fine
trovai la casa che nessuno apriva,
e gli olmi bianchi sopra le colline;
e chi passava piano non sentiva
se dentro ardesse lume oppur la luna,
che piano sopra i vetri si moriva."""
DRAMA = """ANNE. Who lives there?
JOHN. Nobody, since the elms were felled.
ANNE. Then who has lit the lamp?"""
TABLE = """Month      Rent     Paid
January    12.00    12.00
February   12.00     6.00
March      12.00     0.00"""
CONTENTS = """I. The House                       1
II. The Lane                      17
III. The Lamp                     40"""
INDEX = """Elms, felling of, 3, 17
Lamp, the, 40-44
Lane, 17, 19, 52"""
RECIPE = """1 cup of flour
2 eggs
1 pinch of salt
1/2 cup of milk"""


def book(*blocks: str) -> str:
    """A book with enough prose around the blocks to know its width."""
    return "\n\n".join([PROSE, PROSE, PROSE, *blocks, PROSE, PROSE])


def kinds(*blocks: str) -> list[str]:
    found = find_blocks(book(*blocks).split("\n"))
    return [block.kind for block in found[3:-2]]


def typeset(text: str, **options: Any) -> str:
    return balanced(START + text + END, **options).text


def balanced(raw: str, **options: Any) -> Body:
    """The body; its bytes are checked to balance on the way."""
    body = Body(raw, BodyOptions(**options))
    pieces = sum(len(raw[p.start : p.stop].encode()) for p in body.pieces)
    assert len(raw.encode()) == len(body.text.encode()) + pieces + sum(body.cut.values())
    assert min(body.cut.values(), default=1) > 0
    return body


@pytest.mark.parametrize(
    ("block", "kind"),
    [
        (PROSE, "prose"),
        ("“Well,” he said.", "prose"),
        (VERSE, "verse"),
        (BLANK_VERSE, "verse"),
        (TERCETS, "verse"),
        (TABLE, "table"),
        (CONTENTS, "list"),
        (INDEX, "list"),
        (RECIPE, "list"),
        ("CHAPTER II", "heading"),
        ("\n\nChapter II. The Lane", "heading"),
        ("\n\nKapitel 3", "heading"),
        ("                              THE LAMP", "heading"),
        (f"{'Yours ever,':>50}\n{'JOHN':>50}", "letter"),
        ("                                    London, 3rd March 1811.", "letter"),
        ("       *       *       *       *       *", "break"),
        ("[Illustration: The lamp was out]", "caption"),
        ("[3] The elms were felled in that spring, of which more is said in the\nsecond part.", "prose"),
    ],
)
def test_kinds_of_blocks(block: str, kind: str) -> None:
    assert kinds(block) == [kind]


def test_rules_have_names_of_their_own() -> None:
    names = Counter(rule.name for rule in RULES)
    assert names.total() > 50
    assert max(names.values()) == 1


@pytest.mark.parametrize("name", [rule.name for rule in RULES])
def test_each_rule_can_be_switched_off(name: str) -> None:
    left = {rule.name for section in switched_on({name}) for rule in section}
    assert left == {rule.name for rule in RULES} - {name}
    lines = book(VERSE, TABLE, CONTENTS, "CHAPTER II").split("\n")
    assert [b[:2] for b in find_blocks(lines, without={name})] == [b[:2] for b in find_blocks(lines)]


@pytest.mark.parametrize(
    ("block", "rule"),
    [
        ("       *       *       *       *       *", "ornament"),
        ("[Illustration: The lamp was out]", "caption"),
        (VERSE, "verse_score"),
        ("CHAPTER II", "capitals"),
    ],
)
def test_a_block_without_the_rule_that_tells_it(block: str, rule: str) -> None:
    lines = book(block).split("\n")
    (told,) = (known.kind for known in RULES if known.name == rule)
    assert find_blocks(lines)[3].kind == told
    without = {rule, "chapter"}  # which would tell the heading, too
    assert find_blocks(lines, without=without)[3].kind != told


def test_a_rule_that_is_none_cannot_be_switched_off() -> None:
    with pytest.raises(SettingError, match="no_such_rule"):
        find_blocks([PROSE], without={"no_such_rule"})


def test_the_benchmark_says_what_a_rule_does(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = book("       *       *       *", VERSE).split("\n")
    marks = {find_blocks(lines)[3].first: "break"}
    monkeypatch.setattr(gutenberg_body_rows, "marked_blocks", lambda *_: iter([(lines, marks)]))
    said = list(gutenberg_body_rows.without_rules(Path(), ["ornament", "caption"], ["uniform"]))
    assert said[0] == "1 books, 7 blocks, 1 of them marked"
    assert [line.split()[:4] for line in said[2:]] == [
        ["ornament", "break", "1", "-1"],
        ["caption", "caption", "0", "+0"],
    ]


def test_speeches_of_a_play() -> None:
    scenes = [DRAMA, "ANNE. It is late.", "JOHN. It is."] * 20 + ["MARY. And dark."] * 6
    found = find_blocks(book(*scenes).split("\n"))
    assert found[3].kind == "drama"
    assert {block.kind for block in found[4:6]} == {"prose"}


def test_prose_is_joined_and_the_rest_keeps_its_lines() -> None:
    text = typeset(book(VERSE, TABLE, BLANK_VERSE, "\n\nCHAPTER II", PROSE))
    joined = PROSE.replace("\n", " ")
    assert text.count(joined) == 6
    assert "\n" not in joined
    for kept in (VERSE, TABLE, BLANK_VERSE):
        assert f"\n\n{kept}\n\n" in text
    assert "\n\n\nCHAPTER II\n\nThe house" in text


def test_without_reflow_every_line_stays() -> None:
    raw = book("  Indented", "   \n\n\n" + VERSE, PROSE)
    assert typeset(raw, reflow=False) == raw
    assert typeset(raw.replace("\n", "\r\n"), reflow=False) == raw
    assert balanced(START + raw.replace("\n", "\r\n") + END).cut["line_ends"] == raw.count("\n")


@pytest.mark.parametrize(
    ("left", "right", "joined"),
    [
        ("and then they came at last to-", "day, as we had said they would come.", "at last to-day, as"),
        ("and it was the last of the receiv-", "ing houses that were left to us here.", "receiving houses"),
        (
            "who had been there for a long time, and that it was for a well-",
            "known man to say so",
            "a well-known man to",
        ),
        ("er ging nun durch die Park-", "und Gartenseite des alten Hauses fort", "die Park- und Gartenseite"),
        (
            "who had been there for a long time, and so they all went away--",
            "all of them, as if",
            "went away--all of",
        ),
        (
            "who had been there for a long time, and so they all went away—",
            "all of them, as if",
            "went away—all of",
        ),
        ("the flowers that he had brought her", "--withered now and brown and dry too--", "her--withered"),
        ("and then said to the good Mr. ----", "that he had seen nothing of the man", "Mr. ---- that he"),
    ],
)
def test_line_ends_of_prose(left: str, right: str, joined: str) -> None:
    first, filler = (
        PROSE.split("\n")[0],
        [
            "so",
            "it",
            "was",
            "that",
            "all",
            "of",
            "us",
            "were",
            "then",
            "told",
            "of",
            "what",
            "he",
            "did",
            "there",
        ],
    )
    while len(" ".join([*filler, left])) > 72:
        filler.pop()
    paragraph = "\n".join([first, " ".join([*filler, left]), right, "and no more."])
    more = "He was receiving them; a well-known thing, day by day. " * 3
    body = balanced(START + book(paragraph, more.strip()) + END)
    assert joined in body.text
    assert body.cut.get("hyphens", 0) == (left.endswith("receiv-"))


def test_paragraphs_that_are_told_by_their_indent_alone() -> None:
    text = (
        "　　此開卷第一回也，作者自云，\n因曾歷過一番夢幻之後。\n　　此回中凡用夢用幻等字，\n是提醒閱者眼目。"
    )
    assert "此開卷第一回也，作者自云，因曾歷過一番夢幻之後。" in typeset("\n\n".join([text] * 4)).split("\n")


@pytest.mark.parametrize(
    ("marked", "plain"),
    [
        ("It was _very_ late.", "It was very late."),
        ("“_Never!_” he said, “_never_!”", "“Never!” he said, “never!”"),
        ("the _Times_'s man", "the Times's man"),
        ("a =bold= word, a +spaced+ one and ~þéow~", "a bold word, a spaced one and þéow"),
        ("_He went\non and on_ until it was over.", "He went on and on until it was over."),
        ("snake_case_name and __init__ stay", "snake_case_name and __init__ stay"),
        ("see http://x.org/_a_/b_c_d.html there", "see http://x.org/_a_/b_c_d.html there"),
        ("a _____ blank, x = y = z, 2 + 3 + 4", "a _____ blank, x = y = z, 2 + 3 + 4"),
        ("an _unclosed mark", "an _unclosed mark"),
        ("so _der_letzte_Mensch_ and _Nautilus_aurait been", "so der letzte Mensch and Nautilus aurait been"),
        ("“_Jean_Valjean_”, (_Mme._Bovary_), 2_s._ 6_d._", "“Jean Valjean”, (Mme. Bovary), 2s. 6d."),
        ("_un_likely, pre_tend_ed, _T_he and Tag_es_", "unlikely, pretended, The and Tages"),
        ("the_Nautilus_ and _il y a_beaucoup d'eau", "the Nautilus and il y a beaucoup d'eau"),
        ("a _friend_ship in friendship", "a friendship in friendship"),
        ("_self_same_, then _house_, _lamp_; two_three", "self same, then house, lamp; two_three"),
        ("my_file_name.txt and a_b_c.txt and __x__", "my_file_name.txt and a_b_c.txt and __x__"),
    ],
)
def test_emphasis(marked: str, plain: str) -> None:
    assert plain in typeset(book(marked))
    assert marked.replace("\n", " ") in typeset(book(marked), emphasis="keep")


def test_illustrations() -> None:
    raw = book(
        "[Illustration]",
        "[Illustration: _The_ lamp\n    was out.]",
        "[Illustration:\n\n  THE LANE\n\n]",
        PROSE,
    )
    assert typeset(raw).count("Illustration") == 0
    assert "\n\nThe lamp\nwas out.\n\nTHE LANE\n\n" in typeset(raw)
    assert typeset(raw, illustrations="remove") == typeset(book(PROSE))
    assert typeset(raw, illustrations="keep").count("[Illustration") == 3


def test_footnotes() -> None:
    raw = book(
        "The elms[1] were felled.[Footnote 2]", "[Footnote 1: In the spring.\n\nOr later.]", "[2] See above."
    )
    assert "elms[1] were" in typeset(raw)
    assert "[Footnote 1: In the spring.\n\nOr later.]" in typeset(raw)
    assert typeset(raw, footnotes="remove") == typeset(book("The elms were felled."))


def test_page_numbers() -> None:
    assert "It was late, he said." in typeset(book("It was [Pg 12]late, [p. xiv] he said."))
    assert "[Pg 12]" in typeset(book("It was [Pg 12]late."), page_numbers="keep")
    braced = [f"The {n}th day was {{{n}}} as cold as the one before it had been." for n in range(1, 40)]
    assert "{" not in typeset(book(*braced))
    few = "A note {3} and another {311} that count nothing up."
    assert few in typeset(book(few))


SENTENCES = (
    "Somebody had cut the elms down before the spring of that year, and nobody could look for {}miles along"
    " the thick tops of the hedge{} without a thought of them."
)


@pytest.mark.parametrize(
    "form", ["[{}]", "[{}] ", "({})", "{{{}}}", "<{}>", "|{}|", "(p. {})", "[σελ. {}]", "[S. {}]"]
)
def test_numbers_of_pages_stay_inside_the_sentence(form: str) -> None:
    """Notes of the same book, which are numbered in brackets too, keep their numbers."""
    pages = [textwrap.fill(SENTENCES.format(form.format(n), f"[{n % 10 + 1}]"), 70) for n in range(2, 60)]
    notes = [f"[{n}] What the author says of it." for n in range(1, 11)]
    whole = typeset(book(*pages, *notes))
    assert whole.count("could look for miles along the thick") == 58
    assert all(f"hedge[{n % 10 + 1}] without" in whole for n in range(2, 60))
    assert all(note in whole for note in notes)
    assert form.format(47).strip() in typeset(book(*pages, *notes), page_numbers="keep")


@pytest.mark.parametrize("digits", ["०१२३४५६७८९", "٠١٢٣٤٥٦٧٨٩", "０１２３４５６７８９"])
@pytest.mark.parametrize("form", ["({})", "[{}]", "{{{}}}"])
def test_numbers_of_pages_in_other_digits(form: str, digits: str) -> None:
    """They go as those in ASCII do, which `SENTENCES` hold nowhere else."""
    other = str.maketrans("0123456789", digits)

    def pages(table: dict[int, str]) -> str:
        numbers = [form.format(str(n).translate(table)) for n in range(12, 40)]
        return typeset(book(*(textwrap.fill(SENTENCES.format(number, ""), 70) for number in numbers)))

    whole = pages(other)
    assert whole.count("could look for miles along the thick") == 28
    assert whole == pages({})


def test_numbers_that_are_of_no_page_stay() -> None:
    notes = [f"He had seen it [{n}] and went on.\n\n[{n}] In the year {1700 + n}." for n in range(1, 60)]
    assert all(f"[{n}] and went" in typeset(book(*notes)) for n in range(1, 60))
    sections = [f"({n}) Whoever fells an elm pays for it." for n in range(1, 60)]
    assert all(section in typeset(book(*sections)) for section in sections)


@pytest.mark.parametrize(
    ("marked", "left"),
    [
        ("It was the 6_th October_ when they came.", "It was the 6th October when they came."),
        ("On the 3_rd of May_ they came.", "On the 3rd of May they came."),
        ("In _1743. A..._ they came.", "In 1743. A... they came."),
        ("In 1_743. A..._ they came.", "In 1743. A... they came."),
    ],
)
def test_italics_that_touch_a_number(marked: str, left: str) -> None:
    assert left in typeset(book(marked))


def test_italics_that_touch_words_are_read_alike_however_many_there_are() -> None:
    """Some words are looked for in the book; where it asks for many, all its words are listed once."""
    words = [
        f"{a}{b}en" for a in ("br", "gr", "st", "kl", "tw", "fl", "dr") for b in ("ack", "imm", "off", "und")
    ]
    known = [f"They had {word}ward before." for word in words]
    texts = [f"They had _{word}_ward again, and _{word}_hollow too." for word in words]
    whole = typeset(book(*known, *texts))
    assert [f"had {word}ward again, and {word} hollow too." in whole for word in words] == [True] * len(words)


@pytest.mark.parametrize("form", ["[{}]", "({})", "<{}>"])
def test_references_that_count_up_are_no_pages(form: str) -> None:
    """They stand as they come, several to a sentence or none for long; pages are as long as one another."""
    several = "Of Ansgar, {} Willem, {}, Jost and Henrik {}. In that house {} nobody else spoke of them."
    texts = []
    for n in range(1, 80, 4):
        texts += [several.format(*(form.format(n + i) for i in range(4))), f"{PROSE}\n{PROSE}"]
    raw = book(*texts)
    assert all(form.format(n) in typeset(raw) for n in range(1, 81))


def test_references_to_notes_at_the_end_are_no_pages() -> None:
    texts = [f"{PROSE}\nHe had gone upon them [{n}] and went on." for n in range(1, 60)]
    assert "[30]" not in typeset(book(*texts))
    notes = "\n".join(f"{n}. In the book of {1700 + n}, by the same." for n in range(1, 60))
    whole = typeset(book(*texts, "NOTES", notes))
    assert all(f"upon them [{n}] and" in whole for n in range(1, 60))


@pytest.mark.parametrize("form", ["[{}]", "{{{}}}", "[Pg {}]"])
def test_no_blank_is_left_before_a_stop_where_a_page_was(form: str) -> None:
    ends = ("They had come upon them {}. They", "They had come {} upon them. They")
    texts = [f"{PROSE}\n{ends[n % 2].format(form.format(n))} went on." for n in range(1, 61)]
    assert typeset(book(*texts)).count("had come upon them. They went on.") == 60


@pytest.mark.parametrize(
    ("caption", "left"),
    [
        (name, "")
        for name in (
            "0023m",
            "0034 page",
            "Logo",
            "Publisher's logo",
            "image of the book's cover unavailable",
            "Bookcover",
            "i_012",
            "p012.jpg",
            "Front cover",
            "_0009_",
            "illus-034a",
            "Titlepage",
        )
    ]
    + [(name, name) for name in ("1805", "Plate 12", "The lamp", "Henry VIII", "Frontispiece", "7th")],
)
def test_captions_that_are_names_of_files_go(caption: str, left: str) -> None:
    assert typeset(book(f"[Illustration: {caption}]")) == typeset(book(*filter(None, [left])))
    inside = f"The elms were [Illustration: {caption}] felled in the spring of that year."
    assert (caption in typeset(book(inside))) == bool(left)


NAMES = """Emma Woodhouse, who had been at school with Mary Parker and with Susan
Harding, the daughters of the rector, was standing at the window with
John Harding when the carriage of Lord Ashby came up the lane, and with
Captain Parker, whom nobody in the house expected before Easter, old Mr.
Harding got down from it and asked for Miss Woodhouse and for her aunt
Margaret, who was said to be at Bath."""


def test_a_paragraph_whose_lines_begin_with_names_is_one_line() -> None:
    joined = NAMES.replace("\n", " ")
    assert joined in typeset(book(NAMES)).split("\n")
    first = f"CHAPTER I\n\n{NAMES}\n\n{PROSE}\n\n{PROSE}"
    assert joined in typeset(first).split("\n")


@pytest.mark.parametrize("indent", [2, 4, 8])
@pytest.mark.parametrize(
    "couplet",
    [
        "Arbor alta fuit, qua nulla superbior ulli\nDescendit silva vertice nigra suo.",
        "Luce carent ulmi, viduo stat semita muro\net nova per vacuas ventilat aura fores.",
    ],
)
def test_a_couplet_that_is_set_in_keeps_its_lines(couplet: str, indent: int) -> None:
    """Also where paragraphs begin as far in."""
    set_in = textwrap.indent(couplet, " " * indent)
    indented = "\n\n".join([f"{' ' * indent}{PROSE}"] * 5)
    for text in (book(set_in), f"{indented}\n\n{set_in}\n\n{indented}"):
        assert f"\n{couplet}\n" in typeset(text)


def test_two_lines_of_a_letter_are_no_couplet() -> None:
    """Set in as verse is, they end a sentence within a line and go on with a small letter."""
    letter = (
        "     I am not at home on Monday.  Will you come and\n     see the elms with us at half-past six?"
    )
    whole = typeset(book(PROSE, letter, "     A. B.", PROSE))
    assert "Will you come and see the elms with us" in whole


def test_lone_numbers_are_pages_only_in_the_middle_of_sentences() -> None:
    halves = [
        "The house stood at the end of the lane where the",
        "elms had been cut down in the spring of that year.",
    ]
    pages = [part for n in range(2, 40) for part in (*halves[:1], str(n), *halves[1:])]
    lines = typeset(book(*pages)).split("\n")
    assert not any(line.strip().isdigit() for line in lines)
    assert lines.count(" ".join(halves)) == 38
    chapters = [part for n in range(1, 40) for part in (str(n), PROSE)]
    assert sum(line.strip().isdigit() for line in typeset(book(*chapters)).split("\n")) == 39


@pytest.mark.parametrize(
    ("left", "page", "right", "joined"),
    [
        ("had been cut down in the", "[Pg 47]", "spring, and so on.", "in the spring, and"),
        ("had been cut down for receiv-", "[Pg 47]", "ing them, and so on.", "receiving them"),
        ("the elms, of which the", "[p. 47]\n\n[p. 48]", "spring had none.", "which the spring"),
        ("had been cut down that year.", "[Pg 47]", "and so on.", "year.\n\nand so"),
        ("had been cut down that year by", "[Pg 47]", "John, and so on.", "by\n\nJohn"),
        ("had been cut down in the", "[Illustration]", "spring, and so on.", "the\n\nspring"),
    ],
)
def test_a_paragraph_that_the_end_of_a_page_cut(left: str, page: str, right: str, joined: str) -> None:
    more = "He was receiving them, and receiving more of them in that house, day by day."
    raw = book(more, f"{PROSE}\n{left}", page, f"{right}\n{PROSE}")
    assert joined in typeset(raw)
    if "Illus" not in page:
        assert page in typeset(raw, page_numbers="keep")
    assert f"{left}\n" in typeset(raw, reflow=False)


def test_pages_in_brackets_and_named_ones_join_what_they_cut() -> None:
    halves = ["The house stood at the end of the lane where the", "elms had been cut down in that year."]
    for form in ("[{}]", "Page {}", "{{{}}}"):
        pages = [part for n in range(2, 40) for part in (halves[0], form.format(n), halves[1])]
        assert typeset(book(*pages)).count(" ".join(halves)) == 38


@given(
    st.lists(
        st.sampled_from(
            [
                PROSE,
                VERSE,
                DRAMA,
                TABLE,
                INDEX,
                "_",
                "[Illustration:",
                "]",
                "[Pg 3]",
                "12",
                "* * *",
                "-",
                "a-",
            ]
        )
        | st.text(alphabet="aB _=+~*-[]{}12.\t\n\u3000", max_size=30),
        max_size=12,
    ),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_bytes_balance_and_words_survive(parts: list[str], newline: str) -> None:
    raw = START + "\n\n".join([PROSE, *parts, PROSE]).replace("\n", newline) + END
    balanced(raw, footnotes="remove", illustrations="remove")
    only_white_space_is_layout(raw)


@pytest.mark.corpora
@pytest.mark.skipif(not CORPORA, reason="CORPUSKIT_CORPORA does not name the corpora")
def test_the_layout_of_real_books_is_white_space_alone() -> None:
    for path in sorted((Path(str(CORPORA)) / "gutenberg").rglob("*.txt.gz"))[::24]:
        data = gzip.decompress(path.read_bytes())
        decoded = decode_text(data, declared_encoding(data), declared_language(data))
        assert decoded is not None, path.name
        only_white_space_is_layout(decoded.text)


def only_white_space_is_layout(raw: str) -> None:
    """Check that a book with its marks kept has lost nothing but the hyphens that are counted."""
    keep = {"emphasis": "keep", "illustrations": "keep", "page_numbers": "keep", "transcriber_notes": "keep"}
    body, lines = balanced(raw, **keep), balanced(raw, **keep, reflow=False)
    assert set(body.cut) <= {"hyphens", "layout", "line_ends"}
    words, all_words = "".join(body.text.split()), "".join(lines.text.split())
    removed = body.cut.get("hyphens", 0)
    assert len(all_words) - len(words) == removed
    assert words.replace("-", "") == all_words.replace("-", "")


def test_a_text_too_long_to_typeset_keeps_its_lines_and_is_flagged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gutenberg_body, "TYPESET_CHARS", 60)
    raw = "one _two_\r\nthree\r\n" * 6
    body = balanced(raw)
    assert body.text == raw.replace("\r\n", "\n")
    assert "too_long_to_typeset" in body.flags
    assert "too_long_to_typeset" not in balanced(raw[:38]).flags


@pytest.mark.parametrize(
    "hostile",
    [
        ", 1" + "1, " * 100_000 + "x",
        "[" * 200_000,
        "|" * 200_000,
        ("Transcriber's Note:\n" + " " * 6_000 + "\n") * 30,
        "a" * 2 * 10**5,
        "word " * 40_000,
        "\n" * 2 * 10**5,
        "_" * 2 * 10**5,
        "_a" * 60_000,
        "[Illustration: " * 12_000,
        "A.\n" * 30_000,
        "{1} " * 40_000,
        " " * 2 * 10**5,
        "a-\n" * 40_000,
        "=x " * 40_000,
        "1\n\n" * 20_000,
    ],
)
def test_hostile_texts_end(hostile: str) -> None:
    """A step that is not linear would not end in minutes."""
    balanced(START + "x\n" + hostile + END)


def test_marks_of_real_blocks_are_well_formed() -> None:
    lines = (
        (Path(__file__).parents[2] / "cases" / "gutenberg_blocks.tsv")
        .read_text(encoding="utf-8")
        .splitlines()
    )
    rows = [line.split("\t") for line in lines[1:]]
    assert Counter(row[0] for row in rows) == {
        "tune": 250,
        "test": 500,
        "tune2": 300,
        "uniform": 500,
        "uniform2": 500,
    }
    names = [{row[1] for row in rows if row[0] == which} for which in ("tune", "test", "tune2", "uniform")]
    assert sum(map(len, names)) == len(set().union(*names))
    assert {row[1] for row in rows if row[0] == "uniform2"} <= names[-1]
    assert len({(row[1], row[2]) for row in rows}) == len(rows)
    assert all(len(row[4]) == 12 and int(row[2]) <= int(row[3]) for row in rows)
    assert hashlib.sha256(b"").hexdigest()[:12] not in {row[4] for row in rows}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("which", "least"), [("test", 489), ("tune2", 291), ("uniform", 486), ("uniform2", 487)]
)
@pytest.mark.skipif(not CORPORA, reason="CORPUSKIT_CORPORA does not name the corpora")
def test_blocks_in_the_right_class_do_not_become_fewer(which: str, least: int) -> None:
    right, *_ = count_right(Path(str(CORPORA)), which)
    assert right.total() >= least
