"""What kind of page a page is: an article, a list, or a disambiguation (the meanings of a word)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType

from corpuskit.sources.wikipedia.extract import FLAGS

ARTICLE = "article"

_Rules = Mapping[tuple[str, str], tuple[str, ...]]


@cache
def _rules(language: str) -> _Rules:
    """Words by kind and place (``prefix``, ``suffix``, ``category``) for a wiki."""
    text = (
        resources.files("corpuskit.sources.wikipedia").joinpath("page_kinds.tsv").read_text(encoding="utf-8")
    )
    rules: dict[tuple[str, str], tuple[str, ...]] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            kind, place, code, words = line.split("\t")
            if code in ("*", language):
                rules[kind, place] = rules.get((kind, place), ()) + tuple(words.casefold().split("|"))
    return MappingProxyType(rules)


def page_kind(title: str, flags: int, categories: Iterable[str], language: str) -> str:
    """The kind of a page: ``article``, or one of `corpuskit.sources.wikipedia.extract.FLAGS`.

    Told by what the extractor found (magic words and templates), by the title and by the categories; a page
    that is both is a disambiguation.

    Args:
        flags: the page's bits of `corpuskit.sources.wikipedia.extract.Extracted.flags`.
        language: code of the wiki's language.

    >>> page_kind("Mercury (disambiguation)", 0, [], "en"), page_kind("List of rivers", 0, [], "en")
    ('disambiguation', 'list')
    >>> page_kind("Listen", 0, ["Verbs"], "en"), page_kind("Ulm", 0b10, [], "de")
    ('article', 'list')
    """
    rules = _rules(language)
    folded = title.casefold()
    names = [category.casefold() for category in categories]
    for bit, kind in enumerate(FLAGS):
        if (
            flags >> bit & 1
            or folded.startswith(rules.get((kind, "prefix"), ()))
            or folded.endswith(rules.get((kind, "suffix"), ()))
            or any(name.startswith(rules.get((kind, "category"), ())) for name in names)
        ):
            return kind
    return ARTICLE
