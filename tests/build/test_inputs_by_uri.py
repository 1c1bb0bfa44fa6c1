"""Inputs that are named by the URI of one of pyarrow's file systems."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from corpuskit import Files
from corpuskit.build.parts import logical_name
from corpuskit.errors import InputError
from corpuskit.storage.digests import Digests
from corpuskit.storage.places import is_uri, stamp


def test_digest_and_stamp_of_a_uri_are_those_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "a.xml"
    file.write_bytes(b"<mediawiki/>" * 100_000)
    digests = Digests(tmp_path / "logs" / "digests.json")
    assert digests.of(file.as_uri()) == hashlib.sha256(file.read_bytes()).hexdigest() == digests.of(str(file))
    assert stamp(file.as_uri())[0] == file.stat().st_size
    before = stamp(file.as_uri())
    file.write_bytes(b"<mediawiki>")
    assert stamp(file.as_uri()) != before
    assert digests.of(file.as_uri()) == hashlib.sha256(b"<mediawiki>").hexdigest()


def test_a_uri_that_leads_nowhere(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.xml: cannot be read"):
        Digests(tmp_path / "digests.json").of((tmp_path / "none.xml").as_uri())


def test_names_of_inputs_in_outputs(tmp_path: Path) -> None:
    """No bucket and no folder reaches an output: only what stands below the source's location."""
    assert is_uri("s3://bucket/a")
    assert not is_uri("/a/b:c")
    single = Files(path="s3://bucket/dumps/a.jsonl", label="x")
    assert logical_name(single, "s3://bucket/dumps/a.jsonl") == "a.jsonl"
    folder = Files(path="s3://bucket/dumps", label="x")
    assert logical_name(folder, "s3://bucket/dumps/en/a.jsonl") == "en/a.jsonl"
