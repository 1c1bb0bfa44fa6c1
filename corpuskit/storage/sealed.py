"""JSON documents that tell by themselves whether they are whole: a checksum over all else that they hold.

A file of which a record keeps the sha256 needs none. Records need one, and what is changed in place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from corpuskit.storage.files import json_bytes, sha256_json

CHECKSUM = "checksum"
_FORM = "sha256:"


def seal(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document as JSON values, with its checksum under `CHECKSUM`; see `corpuskit.storage.files.finite`.

    >>> seal({"step": 3})["checksum"][:15]
    'sha256:f2c76473'
    """
    # What is read back is hashed: a tuple is a list there, and a number that is a key is a text.
    plain = json.loads(json_bytes({k: v for k, v in document.items() if k != CHECKSUM}))
    return {**plain, CHECKSUM: _FORM + sha256_json(plain)}


def read_sealed(path: Path) -> dict[str, Any]:
    """Read a document, without its checksum. One that has none is of an older version and taken as it is.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no JSON object, or not what was written.
    """
    data = path.read_bytes()
    document = json.loads(data.decode())
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object")
    stated = document.pop(CHECKSUM, None)
    # The second: one flipped bit in the name of the checksum, and a new document would pass for an old one.
    if stated is None and not any(str(value).startswith(_FORM) for value in document.values()):
        return document
    # White space around it is no part of the JSON, nor of what was written but for the last line's end.
    if stated != _FORM + sha256_json(document) or data != data.strip() + b"\n":
        raise ValueError("it is not what was written: its checksum does not hold")
    return document


def is_sealed(path: Path) -> bool:
    """Whether a document that can be read has a checksum."""
    return CHECKSUM in json.loads(path.read_bytes())
