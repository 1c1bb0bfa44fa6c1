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

_OTHER_SET = "says of English what the other sets say of every language: name it in rules to have it"

PROFILES: Mapping[str, Mapping[str, str]] = {
    "web": {"nemo_english": _OTHER_SET},
    "wikipedia": {},
    "books": {},
    "verse": {},
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
