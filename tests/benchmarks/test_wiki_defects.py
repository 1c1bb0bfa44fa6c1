"""What the token_losses of extracted wiki text calls lost, left over and a hole."""

from __future__ import annotations

import json

import pytest

from benchmarks.wiki_defects import Judgement, flatten, judge_page, plain_items, without_apparatus
from benchmarks.wiki_pages import Page

PROSE = "The miller went down to the river because the wheel had stopped before the morning."
FOOTNOTE = "Letters of the miller to his brother in the town, page nine."
WIKITEXT = f"""{PROSE}<ref>{FOOTNOTE}</ref>
He lived at {{{{convert|10|mi|km}}}}, alone.
* the first plain item
* an item with [[wheel|a wheel]] in it
* an item with ''emphasis'' is not taken
Oats ({{{{lang|la|avena}}}}) and also rye bread (from [[rye]]) were ground.
<nowiki>{{{{x}}}}</nowiki> &lt;br&gt;
== See also ==
* an item that is not asked for
"""
GOOD = f"""{PROSE}
He lived at 10 miles, alone.
- the first plain item
- an item with a wheel in it
- an item with emphasis is not taken
Oats (avena) and also rye bread (from rye) were ground.
{{{{x}}}} <br>
"""


def judge(text: str, wikitext: str = WIKITEXT, language: str = "en") -> Judgement:
    found = Judgement()
    judge_page(Page("Mill", language, wikitext), text, found)
    return found


def test_a_faithful_text_has_no_defect() -> None:
    found = judge(GOOD)
    assert (found.counts["sentences"], found.counts["sentences kept"]) == (1, 1)
    assert (found.counts["items"], found.counts["items kept"]) == (2, 2)
    assert (found.counts["footnotes"], found.counts["footnotes glued"]) == (1, 0)
    assert found.counts["brackets"] >= 1
    assert found.counts["brackets gone"] == 0
    assert not found.remnants
    assert not found.holes
    assert not found.examples


@pytest.mark.parametrize(
    ("before", "after", "counted"),
    [
        ("wheel had stopped", "wheel stopped", {"sentences": 1, "sentences kept": 0}),
        ("- the first plain item\n", "", {"items": 2, "items kept": 1}),
        ("morning.", f"morning.{FOOTNOTE}", {"footnotes glued": 1}),
        ("and also rye bread (from rye)", "and also rye bread", {"brackets gone": 1}),
    ],
)
def test_what_is_lost_or_glued_is_counted(before: str, after: str, counted: dict[str, int]) -> None:
    assert before in GOOD
    found = judge(GOOD.replace(before, after))
    assert {name: found.counts[name] for name in counted} == counted


@pytest.mark.parametrize(
    ("left", "kind"),
    [
        ("}}", "template"),
        ("{| wide", "table"),
        ("\n|- second row", "table"),
        ('colspan="2" second', "style"),
        ("[[rye", "link"),
        ("<small>rye</small>", "tag"),
        ("rye&nbsp;bread", "entity"),
        ("''rye", "emphasis"),
        ("\n== Rye ==\n", "heading"),
        ("\nCategory:Mills\n", "prefix"),
        ("thumb|A mill", "picture"),
        ("__NOTOC__", "switch"),
        ("formula_1", "placeholder"),
    ],
)
def test_marks_left_over_are_remnants(left: str, kind: str) -> None:
    assert set(judge(f"{GOOD} {left}").remnants) == {kind}


@pytest.mark.parametrize(
    "hole",
    ["Oats () were", "Oats ( , from", "He lived at , alone", "ten , eleven", "ten,, eleven", "in and rye"],
)
def test_gaps_are_holes(hole: str) -> None:
    assert judge(f"{GOOD} {hole}.").holes.total() >= 1
    assert not judge(f"{GOOD} {hole}.", f"{WIKITEXT}\n{hole}.").holes  # the page itself says so


def test_holes_are_words_of_the_language() -> None:
    assert (
        judge("Une ville de, près du lac.", "Une ville de {{unité|3|km}}, près du lac.", "fr").holes.total()
        == 1
    )


def test_sections_of_links_are_not_asked_for() -> None:
    assert "an item that is not asked for" not in "".join(plain_items(without_apparatus(WIKITEXT)))
    assert "= Mills =" in without_apparatus("== Notes ==\na\n=== b ===\nc\n= Mills =\nd")
    assert "c" not in without_apparatus("== Notes ==\na\n=== b ===\nc\n")


def test_flattened_wikitext_reads_as_the_page() -> None:
    source = "A [[b|c]], [[d]] and [http://e f]<ref>g</ref><!-- h --> ''i''&nbsp;<small>j</small>"
    assert flatten(source) == "A c, d and f i j"


def test_judgements_add_up_and_survive_json() -> None:
    bad = judge(GOOD.replace("(from rye)", "()").replace("wheel had", "wheel"))
    again = Judgement.from_json(json.loads(json.dumps(vars(bad))))
    assert again == bad
    again.add(judge(GOOD))
    assert again.counts["sentences"] == 2
    assert again.holes == bad.holes
    assert again.share("sentences kept", "sentences") == 50.0


def test_a_mark_that_is_shown_once_excuses_one_mark() -> None:
    wikitext = "Links begin with <nowiki>[[</nowiki> here. [[Mill|A mill]] ground oats."
    assert not judge("Links begin with [[ here. A mill ground oats.", wikitext).remnants
    assert judge("Links begin with [[ here. [[A mill ground oats.", wikitext).remnants == {"link": 1}
