"""A data set in one line, by the words of the library: ``{path: NAME, split: train}``, or ``hf:NAME``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import yaml

from corpuskit.errors import SettingError, nearest
from corpuskit.storage.datasets.find import Named

HUB = "hf:"
"""What the short form begins with: ``hf:NAME`` or ``hf:NAME:CONFIGURATION``."""


@dataclass(frozen=True)
class Words:
    """What a recipe says of a source of data sets, as far as it says which rows are meant.

    Attributes:
        path, name, split, revision: as of `corpuskit.sources.datasets.source.Datasets`; of the short form the
            path keeps its ``hf:``.
        text, id: columns.
    """

    path: str
    name: str = ""
    split: str = ""
    revision: str = ""
    text: str = ""
    id: str = ""

    def named(self, owner: str) -> Named:
        """The data set that is meant; ``owner`` is what messages call it."""
        path, on_hub = self.path.removeprefix(HUB), self.path.startswith(HUB)
        return Named(owner, path, self.name, self.revision, on_hub)

    def line(self) -> str:
        """Them in one line, out of which `words_of` reads the same again, whatever characters they hold.

        >>> Words("reviews", split="test").line()
        '{"path": "reviews", "split": "test"}'
        """
        given = {name: word for name, word in asdict(self).items() if word}
        how: dict[str, Any] = {"default_flow_style": True, "allow_unicode": True, "width": 2**31}
        return str(yaml.safe_dump(given, default_style='"', sort_keys=False, **how)).strip()


def are_words(data: str) -> bool:
    """Whether a line names a data set in one of the two forms, and is no path and no text.

    >>> are_words("hf:imdb"), are_words("{path: reviews}"), are_words("{x}"), are_words("reviews")
    (True, True, False, False)
    """
    return data.startswith(HUB) or "path" in _mapping(data)


def words_of(data: str) -> Words:
    """The words of such a line.

    >>> words_of("{path: reviews, split: test}").split, words_of("hf:owner/name:en").name
    ('test', 'en')

    Raises SettingError for a word that is not known, or is no text, and where no data set is named.
    """
    if data.startswith(HUB):
        path, _, name = data.removeprefix(HUB).partition(":")
        if not path:
            raise SettingError(f"{data}: no data set is named", remedy="Say hf:NAME, or hf:NAME:CONFIG.")
        return Words(HUB + path, name)
    return words_in(_mapping(data), data)


def words_in(found: Mapping[Any, object], data: str) -> Words:
    """The words of a mapping, which errors call ``data``. Raises SettingError as `words_of`."""
    known = [field.name for field in fields(Words)]
    words: dict[str, str] = {}
    for key, value in found.items():
        if key not in known:
            raise SettingError(f"{data}: unknown word {key!r}", remedy=nearest(str(key), known))
        if not isinstance(value, str) or (key == "path" and not value):
            raise SettingError(f"{data}: {key}: {value!r} is no text", remedy="Write it in quotes.")
        words[str(key)] = value
    if "path" not in words:
        raise SettingError(f"{data}: no data set is named", remedy="Say which: path: NAME.")
    return Words(**words)


def _mapping(data: str) -> dict[object, object]:
    if not data.startswith("{"):
        return {}
    try:
        found = yaml.safe_load(data)
    except (yaml.YAMLError, ValueError, RecursionError):  # Of thousands of brackets in each other, say.
        return {}
    return found if isinstance(found, dict) else {}
