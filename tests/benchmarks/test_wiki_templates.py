"""Numbers of conversions and texts of quotations: what counts as kept."""

from __future__ import annotations

from benchmarks.wiki_pages import Page
from benchmarks.wiki_templates import holds_numbers, numbers_in, score

MARKS = [
    {
        "kind": "number",
        "template": "{{convert|1300|mi}}",
        "needs": ["1300"],
        "before": ["At"],
        "after": ["Alabama"],
    },
    {
        "kind": "quote",
        "template": "{{quote|...}}",
        "needs": ["all the water has gone away"],
        "before": [],
        "after": [],
    },
]
PAGE = Page("Mill", "en", "")


def kept(text: str) -> dict[str, int]:
    return dict(score([PAGE], [MARKS], [text]).kept)


def test_numbers_count_near_their_words_whatever_groups_them() -> None:
    assert kept("At 1,300 miles (2,100 km), Alabama") == {"number": 1}
    assert kept("At 1\u202f300 miles, Alabama") == {"number": 1}
    assert kept("At , Alabama has one") == {}
    assert kept("1300 stands here, but " + "x " * 60 + "At , Alabama") == {}


def test_every_number_of_a_range_is_needed() -> None:
    assert holds_numbers("At 3 to 5 km", ["3", "5"], ["At"], [])
    assert not holds_numbers("At 3 km", ["3", "5"], ["At"], [])
    assert not holds_numbers("At 35 km", ["3"], ["At"], [])


def test_numbers_are_read_with_any_grouping() -> None:
    assert {"12345", "7"} <= numbers_in("12.345 and 7")
    assert "391" in numbers_in("0,391 kg or 391 g")


def test_quotations_count_word_for_word() -> None:
    assert kept("He wrote: all the water has gone away.") == {"quote": 1}
    found = score([PAGE], [MARKS], ["He wrote: all the water has gone."])
    assert found.kept == {}
    assert [(kind, title) for kind, title, _ in found.lost] == [("number", "Mill"), ("quote", "Mill")]
    assert found.share("quote") == 0.0
    found.add(found)
    assert found.all["quote"] == 2
