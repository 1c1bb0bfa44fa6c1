"""A sealed document tells that it is not what was written, whatever bit of it was flipped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from corpuskit.storage.files import CHECKSUM, is_sealed, json_text, read_sealed, seal

DOCUMENT = {"task": "read/x", "rows": 12, "share": 0.25, "none": None, "names": ("ä", "b"), "by": {"1": 2}}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "record.json"
    path.write_text(json_text(seal(DOCUMENT)), encoding="utf-8")
    return path


def test_what_was_sealed_comes_back(path: Path) -> None:
    assert read_sealed(path) == json.loads(json.dumps(DOCUMENT))
    assert is_sealed(path)


def test_every_single_flipped_bit_is_found(path: Path) -> None:
    data = path.read_bytes()
    for place in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(bytes(damaged))
        with pytest.raises(ValueError):  # noqa: PT011 - json's own, or ours
            read_sealed(path)


@pytest.mark.parametrize("damage", [b"", b"\n", b" ", b"x", b"\0"])
def test_more_and_less_is_found(path: Path, damage: bytes) -> None:
    data = path.read_bytes()
    path.write_bytes(data + damage if damage else data[:-1])
    with pytest.raises(ValueError, match=r"checksum|Extra data"):
        read_sealed(path)


def test_a_document_of_before_is_taken_as_it_is(path: Path) -> None:
    path.write_text(json.dumps(DOCUMENT), encoding="utf-8")
    assert read_sealed(path)["rows"] == 12
    assert not is_sealed(path)


def test_a_document_that_lost_the_name_of_its_checksum_is_none_of_before(path: Path) -> None:
    path.write_text(path.read_text(encoding="utf-8").replace(CHECKSUM, "chucksum"), encoding="utf-8")
    with pytest.raises(ValueError, match="not what was written"):
        read_sealed(path)


@pytest.mark.parametrize("value", ["[]", "3", "null", '"x"'])
def test_what_is_no_object_is_no_document(path: Path, value: str) -> None:
    path.write_text(value)
    with pytest.raises(ValueError, match="no JSON object"):
        read_sealed(path)
