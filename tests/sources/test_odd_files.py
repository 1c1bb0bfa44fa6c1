"""Whatever lies in a folder: no source fails on it, hangs on it, or passes over any of it in silence."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from corpuskit.documents import batch as batches
from corpuskit.documents.reading import Reading
from corpuskit.errors import CorpuskitError
from corpuskit.sources import folders
from corpuskit.sources.files.files import Files
from corpuskit.sources.gutenberg.source import Gutenberg
from corpuskit.sources.source import Source
from corpuskit.sources.wikipedia.source import Wikipedia
from corpuskit.storage.places import CONTROL
from tests.sources.odd_files import odd_folder

FOLDERS, FILES = 40, 26
"""A thousand files, and forty of the links, pipes and sockets among them."""

pytestmark = pytest.mark.timeout(120)


def sources(path: str) -> list[Source]:
    """Every source on a folder or file, each with some settings that read more of it."""
    kept = {"m": "meta", "own": "id"}
    return [
        Files(path=path, label="x"),
        Files(path=path, label="x", id_field="", text_field="meta.text", keep=kept, header=False),
        Files(path=path, label="x", format="jsonl", include=("*",), language_field="title"),
        Gutenberg(path=path),
        Wikipedia(path=path, wiki="enwiki", language="en"),
    ]


def checked(source: Source) -> list[Reading]:
    """All readings; that the account of each balances and that all of it can be stored."""
    readings = []
    for part in source.parts():
        for reading in source.read(part):
            batches.check(reading.batch, source.columns, source.name)
            rows, aside = reading.batch.num_rows, [*reading.dropped, *reading.quarantined]
            assert reading.documents_in == rows + len(aside)
            gone = sum(each.bytes for each in aside) + sum(reading.cut.values())
            kept = batches.text_bytes(reading.batch)
            assert reading.bytes_in + sum(reading.added.values()) == kept + gone
            strings = [value for each in aside for value in vars(each).values() if isinstance(value, str)]
            for string in [*strings, *reading.warnings]:
                string.encode("utf-8")
            for each in reading.quarantined:
                assert not CONTROL.search(each.id + each.error), (source.name, each)
            readings.append(reading)
    return readings


def accounted(source: Files, root: Path) -> None:
    """Every file below the root is read, or named as not read."""
    parts = source.parts()
    read = {path for part in parts for path in part.files}
    told = " ".join(s for part in parts for s in part.detail.get("not_read", ()))
    for folder, inner, names in os.walk(root):
        inner[:] = [name for name in inner if not name.startswith(".")]
        for name in names:
            path = os.path.join(folder, name)
            relative = folders.relative_name(str(root), path)
            known = os.path.splitext(relative.lower())[1] or os.path.basename(relative)
            about = os.path.basename(relative) in ("dataset_dict.json", "state.json", "dataset_info.json")
            quiet = name.startswith(".") or about or folders.COMPANION.fullmatch(relative)
            assert path in read or quiet or relative in told or known in told, relative
    met = "".join(
        f"{row}\n" for reading in checked(source) for row in reading.batch.column("origin").to_pylist()
    )
    for reading in checked(source):
        met += "".join(f"{each.origin}\n" for each in [*reading.dropped, *reading.quarantined])
        met += "".join(reading.warnings)
    for path in read:
        name = folders.relative_name(str(root), path)
        quoted = json.dumps(name, ensure_ascii=False)
        assert f'"file":{quoted}' in met or name in met, name


def refused(source: Source) -> bool:
    """Whether a source says by an error of ours, with a remedy, that it cannot be read at all."""
    try:
        source.parts()
    except CorpuskitError as error:
        return bool(error.remedy)
    return False


@pytest.mark.parametrize("seed", range(FOLDERS))
def test_odd_files(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "SHOWN", 10**6)
    odd_folder(tmp_path, seed, FILES)
    for source in sources(str(tmp_path)):
        if not refused(source):
            checked(source)
    accounted(Files(path=str(tmp_path), label="x"), tmp_path)
    for _, path in folders.survey(str(tmp_path)).files[:: len(sources(""))]:
        for source in sources(path):
            if not refused(source):
                checked(source)
