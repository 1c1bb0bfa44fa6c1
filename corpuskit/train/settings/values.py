"""Lists and weights in one word, as the command line has them: 0,100 or [0, 100]; books:2 or {books: 2}."""

from __future__ import annotations

from typing import Any

import yaml


def listed(value: Any) -> Any:
    """A list out of a word; what is no word stays as it is.

    >>> listed("q, v"), listed("[0, 100]"), listed('["no"]'), listed((1, 2))
    (['q', 'v'], ['0', '100'], ['no'], (1, 2))

    Raises ValueError for brackets that hold no list.
    """
    if not isinstance(value, str):
        return value
    return _flow(value, list) if value.startswith("[") else [part.strip() for part in value.split(",")]


def weighed(value: Any) -> Any:
    """Weights by name out of a word; what is no word stays as it is.

    >>> weighed("books:2,wiki:1"), weighed("{no: 0.5}")
    ({'books': '2', 'wiki': '1'}, {'no': '0.5'})

    Raises ValueError for braces that hold no mapping.
    """
    if not isinstance(value, str):
        return value
    if value.startswith("{"):
        return _flow(value, dict)
    parts = [part.strip().rpartition(":") for part in value.split(",")]
    return {name: weight for name, _, weight in parts}


def _flow(value: str, kind: type[Any]) -> Any:
    """A collection as YAML, and so JSON, writes it on one line; its parts stay words: `no` is a name."""
    try:
        found = yaml.load(value, Loader=yaml.BaseLoader)  # It makes nothing but words.
    except yaml.YAMLError as error:
        raise ValueError(f"it is no {kind.__name__} in YAML or JSON") from error
    if not isinstance(found, kind):
        raise ValueError(f"it is no {kind.__name__} in YAML or JSON")
    return found
