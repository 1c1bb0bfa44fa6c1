"""What `datasets` knows of columns beyond their Arrow types: names of classes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa


def class_names(features: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Names of classes by column, from features as `datasets` writes them down, those of lists too."""
    found: dict[str, tuple[str, ...]] = {}
    for column, feature in features.items():
        inner = feature
        while True:
            if isinstance(inner, list) and len(inner) == 1:
                inner = inner[0]
            elif isinstance(inner, Mapping) and isinstance(inner.get("feature"), Mapping):
                inner = inner["feature"]
            else:
                break
        names = inner.get("names") if isinstance(inner, Mapping) else None
        if isinstance(inner, Mapping) and inner.get("_type") == "ClassLabel" and isinstance(names, list):
            found[column] = tuple(map(str, names))
    return found


def noted_features(schema: pa.Schema) -> Mapping[str, Any]:
    """The features that `datasets` notes in the schema of what it writes; none where it did not."""
    try:
        noted = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, ValueError, TypeError):
        return {}
    return noted if isinstance(noted, Mapping) else {}


def class_name(value: Any, classes: tuple[str, ...]) -> Any:
    """A number of a class by its name, those of a list too; None for -1, which stands for no class."""
    if isinstance(value, list):
        return [class_name(each, classes) for each in value]
    if isinstance(value, int):
        return classes[value] if 0 <= value < len(classes) else None if value == -1 else str(value)
    return value
