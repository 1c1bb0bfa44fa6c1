"""Names of sources and stages: what a recipe may name, built in or installed by a user's package.

A package registers its own under the entry point group ``corpuskit.stages``; a recipe then knows it like a
built-in one::

    [project.entry-points."corpuskit.stages"]
    no_tables = "my_package.stages:NoTables"
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points

from corpuskit.documents.settings import Settings
from corpuskit.errors import SettingError, nearest

GROUP = "corpuskit.stages"

BUILT_IN = {
    "wikipedia": "corpuskit.sources.wikipedia.source:Wikipedia",
    "gutenberg": "corpuskit.sources.gutenberg.source:Gutenberg",
    "files": "corpuskit.sources.files.files:Files",
    "datasets": "corpuskit.sources.datasets.source:Datasets",
    "unicode": "corpuskit.stages.normalize.unicode:Unicode",
    "whitespace": "corpuskit.stages.normalize.whitespace:Whitespace",
    "lowercase": "corpuskit.stages.normalize.classical:Lowercase",
    "punctuation": "corpuskit.stages.normalize.classical:Punctuation",
    "stop_words": "corpuskit.stages.normalize.classical:StopWords",
    "language": "corpuskit.stages.quality.language.stage:Language",
    "personal_data": "corpuskit.stages.quality.personal.stage:PersonalData",
    "length": "corpuskit.stages.quality.length:Length",
    "filter": "corpuskit.stages.quality.filter:Filter",
    "c4_lines": "corpuskit.stages.quality.c4_lines:C4Lines",
    "refinedweb_lines": "corpuskit.stages.quality.refinedweb_lines:RefinedWebLines",
    "bad_words": "corpuskit.stages.quality.bad_words:BadWords",
    "exact_duplicates": "corpuskit.stages.dedup.exact:ExactDuplicates",
    "near_duplicates": "corpuskit.stages.dedup.near:NearDuplicates",
}


@cache
def _places() -> dict[str, str]:
    """Name to ``module:Class``; a user's entry point may not take the name of a built-in one."""
    places = dict(BUILT_IN)
    for point in entry_points(group=GROUP):
        if places.get(point.name, point.value) != point.value:
            raise SettingError(
                f"entry point {point.name!r} = {point.value!r}: the name is taken by {places[point.name]}",
                remedy=f"Register it under another name in the group {GROUP!r}.",
            )
        places[point.name] = point.value
    return places


def known(kinds: tuple[type[Settings], ...]) -> list[str]:
    """Names of all registered classes of some kinds (`Source`, or `Stage` and `Barrier`) that import."""
    return sorted(name for name in _places() if fits(name, kinds))


def is_registered(name: object) -> bool:
    """Whether a source or stage goes by this name. Imports nothing."""
    return name in _places()


def fits(name: str, kinds: tuple[type[Settings], ...]) -> bool:
    """Whether a name stands for a class of one of the kinds."""
    try:
        return issubclass(find(name), kinds)
    except SettingError:  # Somebody's package that is broken must not keep others from being named.
        return False


@cache
def find(name: str) -> type[Settings]:
    """The class that is registered under a name. Raises `SettingError` with the nearest known name."""
    places = _places()
    if name not in places:
        raise SettingError(f"no source or stage is called {name!r}", remedy=nearest(name, places))
    module, _, attribute = places[name].partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except Exception as error:  # Whatever a user's module does when it is imported.
        raise SettingError(
            f"stage {name!r}: {places[name]} cannot be imported: {error}",
            remedy="Install the package that registers it, or mend its entry point.",
        ) from error
    if not (isinstance(found, type) and issubclass(found, Settings)):
        raise SettingError(
            f"stage {name!r}: {places[name]} is no Source, Stage, Rule or Barrier",
            remedy="Derive it from one of those: `from corpuskit import Source, Stage, Rule, Barrier`.",
        )
    if getattr(found, "name", None) != name:
        raise SettingError(
            f"stage {name!r}: {places[name]} calls itself {getattr(found, 'name', None)!r}",
            remedy="Give the class attribute `name` and the entry point the same name.",
        )
    return found
