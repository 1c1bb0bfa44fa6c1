"""The benchmark of reading dumps: its input is what it says, and its pass is the first of a build."""

from __future__ import annotations

import bz2
from pathlib import Path

import pyarrow.dataset as ds
import pytest

from benchmarks import wikipedia_reading
from benchmarks.first_pass import first_pass
from benchmarks.wikipedia_reading import write_dump

PAGE = (
    "<page><title>{0}</title><ns>0</ns><id>{0}</id><revision><id>{0}</id><text>Text</text></revision></page>"
)


@pytest.fixture
def corpora(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("a.bz2", "b.bz2"):
        pages = "".join(PAGE.format(i) for i in range(1, 100))
        xml = f"<mediawiki><siteinfo><dbname>xwiki</dbname></siteinfo>{pages}</mediawiki>".encode()
        (tmp_path / name).write_bytes(bz2.compress(xml * 20))
    monkeypatch.setattr(wikipedia_reading, "STREAMS", ("a.bz2", "b.bz2"))
    return tmp_path


def test_a_dump_of_the_asked_size_is_read_in_one_pass(corpora: Path) -> None:
    path = corpora / "dump.xml.bz2"
    size = write_dump(corpora, path, 1)
    assert size >= 1
    assert size == pytest.approx(len(bz2.decompress(path.read_bytes())) / 1e6)
    first_pass(path, corpora / "run")
    rows = ds.dataset(corpora / "run" / "candidates").count_rows()
    assert rows == bz2.decompress(path.read_bytes()).count(b"<page>")
    assert not (corpora / "run" / "documents").exists()
