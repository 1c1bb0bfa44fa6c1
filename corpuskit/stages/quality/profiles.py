"""Profiles: which published rules fit a kind of source, and why the others do not.

The thresholds were found on pages of the web. A profile is the list of rules that it turns off, each with the
reason; what it does not name is on.
"""

from __future__ import annotations

from collections.abc import Mapping

from corpuskit.stages.quality.published import PublishedRule

AUTO: Mapping[str, str] = {"wikipedia": "wikipedia", "gutenberg": "books"}
"""The profile of a kind of source, by what its ids begin with; `ELSEWHERE` of all others."""

ELSEWHERE = "web"

_NEMO = "says of English what the other sets say of every language: name it in rules to have it"
_LISTS = "headings, lists and tables end without a mark and in short lines, and a reader wants them"
_CODE = "formulas, programs and old typesetting hold curly brackets"

PROFILES: Mapping[str, Mapping[str, str]] = {
    "web": {"nemo_english": _NEMO},
    "wikipedia": {
        "gopher_words": "a stub is a whole article; the stage length drops what is shorter",
        "gopher_mean_word_length": "languages that join words have longer ones, and wikis",
        "gopher_bullet_lines": "an article that is a list says as much as another",
        "gopher_stop_words": "a stub of one sentence may do without the, of and and",
        "gopher_alpha_words": "results and tables are numbers for the most part",
        "dup_n_grams": "short articles about places and species are written after one pattern",
        "c4_lorem_ipsum": "an article may speak of it",
        "c4_curly_brackets": _CODE,
        "c4_sentences": "a stub has fewer than five sentences",
        "fineweb_end_mark_lines": _LISTS,
        "fineweb_short_lines": _LISTS,
        "fineweb_dup_line_chars": "headings and rows of tables repeat",
        "fineweb_line_ends": _LISTS,
        "nemo_english": _NEMO,
    },
    "books": {
        "gopher_words": "a novel has more than 100,000 words, a short poem fewer than 50",
        "gopher_bullet_lines": "in many languages each speech begins with a dash",
        "dup_n_grams": "refrains and set phrases come back, the more the longer a book is",
        "c4_lorem_ipsum": "a book on printing may hold it",
        "c4_curly_brackets": _CODE,
        "c4_sentences": "a poem may have fewer than five sentences",
        "fineweb_end_mark_lines": "speeches end in a quotation mark, verses in none",
        "fineweb_short_lines": "verse, plays and tables of contents have short lines",
        "fineweb_dup_line_chars": "refrains, names of speakers and running titles repeat",
        "fineweb_line_ends": "verse and plays have a line end every few words",
        "nemo_english": _NEMO,
    },
    "verse": {
        "gopher_words": "a short poem has fewer than 50 words, an epic more than 100,000",
        "gopher_bullet_lines": "in many languages each speech begins with a dash",
        "gopher_ellipses": "verse breaks off on purpose",
        "gopher_ellipsis_lines": "verse breaks off on purpose",
        "gopher_stop_words": "a short poem may do without the, of and and",
        "gopher_repetition": "refrains repeat lines, stanzas and phrases",
        "c4": "a poem may have no sentence, and is no page of the web",
        "fineweb_end_mark_lines": "a verse ends without a mark",
        "fineweb_short_lines": "a verse is a short line",
        "fineweb_dup_line_chars": "refrains repeat",
        "fineweb_line_ends": "a verse ends after a few words",
        "nemo_english": _NEMO,
    },
}
"""Profile to the rules, sets or groups that are off, with the reason."""


def reason_off(profile: str, rule: PublishedRule) -> str:
    """Why a rule is off in a profile; empty where it is on.

    >>> from corpuskit.stages.quality.published import RULES
    >>> sum(not reason_off("web", rule) for rule in RULES)
    28
    """
    off = PROFILES[profile]
    return next((off[name] for name in rule.names if name in off), "")


def profile_of(identity: str, by_label: Mapping[str, str]) -> str:
    """The profile of a document by its id: that of its source's label, else of its kind of source.

    >>> profile_of("gutenberg:1342", {}), profile_of("files:notes:1", {})
    ('books', 'web')
    >>> profile_of("files:poems:x#1", {"poems": "verse"})
    'verse'
    """
    kind, _, rest = identity.partition(":")
    label = rest.partition(":")[0]
    return by_label.get(label) or by_label.get(kind) or AUTO.get(kind, ELSEWHERE)
