"""Real dumps and books through the whole build: nothing lost, and what comes out can be read and traced."""

from __future__ import annotations

import bz2
import gzip
import json
import os
import re
from pathlib import Path

import pytest

from corpuskit import (
    ExactDuplicates,
    Gutenberg,
    Length,
    NearDuplicates,
    Run,
    TrainTokenizer,
    Unicode,
    Whitespace,
    Wikipedia,
    WriteShards,
)
from corpuskit.build.build import build_corpus
from corpuskit.report.check import problems
from corpuskit.sources.source import Source

CORPORA = os.environ.get("CORPUSKIT_CORPORA")

pytestmark = [
    pytest.mark.corpora,
    pytest.mark.skipif(not CORPORA, reason="CORPUSKIT_CORPORA does not name the real corpora"),
]

# File and wiki, where the dump does not name it.
SMALL = {
    "viwiki": ("viwiki-20240701-pages-articles-multistream4.xml-p4565247p6065246", None),
    "ltgwiki": ("dumpster-dive__smallwiki-latest-pages-articles.xml.bz2", None),
}
LARGE = {
    "gensim": ("gensim__enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2", None),
    "wp2txt": ("wp2txt__testdata_en-0.10.bz2", None),
    "itwiki": ("itwiki-small-dump.xml.gz", "itwiki"),
    "frwiki": ("dbpedia-minidump-fr-large.xml.bz2", "frwiki"),
}


def raw(path: Path) -> bytes:
    """The dump's XML, read without any code of ours; what a broken file gives before it breaks."""
    opener = {".bz2": bz2.open, ".gz": gzip.open}.get(path.suffix, open)
    with opener(path, "rb") as file:
        return file.read()


def build(source: Source, folder: Path) -> dict[str, dict[str, dict[str, object]]]:
    """Build a run with all stages and return its ledger by stage."""
    stages = [Unicode(), Whitespace(), Length(min_words=20), ExactDuplicates(), NearDuplicates()]
    build_corpus([source, *stages, TrainTokenizer(vocab_size=4096), WriteShards()], folder)
    assert list(problems(Run.open(folder))) == []
    ledger = json.loads((folder / "ledger.json").read_text(encoding="utf-8"))["stages"]
    return {entry["stage"]: entry for entry in ledger}


def check_dump(name: str, file: str, wiki: str | None, folder: Path) -> None:
    assert CORPORA is not None
    path = Path(CORPORA) / "wikipedia" / file
    pages = len(re.findall(rb"<page>", raw(path)))
    source = Wikipedia(path=str(path), wiki=wiki) if wiki else Wikipedia(path=str(path))
    ledger = build(source, folder)
    read = next(entry["documents"] for stage, entry in ledger.items() if stage.startswith("wikipedia"))
    dropped: dict[str, int] = read.get("dropped", {})  # type: ignore[assignment]
    assert read["in"] - dropped.get("older_revision", 0) == pages, name
    # The balance is proved by `problems`; this says it in the words of the page count.
    others = sum(dropped.values()) + sum(read.get("quarantined", {}).values())  # type: ignore[attr-defined]
    assert read["kept"] + others == read["in"]  # type: ignore[operator]


@pytest.mark.parametrize("name", SMALL)
def test_a_small_dump_is_accounted_for(name: str, tmp_path: Path) -> None:
    check_dump(name, *SMALL[name], tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_a_larger_dump_is_accounted_for(name: str, tmp_path: Path) -> None:
    check_dump(name, *LARGE[name], tmp_path / "run")


@pytest.mark.slow
def test_all_books_are_accounted_for(tmp_path: Path) -> None:
    assert CORPORA is not None
    folder = Path(CORPORA) / "gutenberg"
    files = [p for p in folder.rglob("*") if p.name.endswith((".txt", ".txt.gz"))]
    ledger = build(Gutenberg(path=str(folder)), tmp_path / "run")
    assert ledger["gutenberg"]["documents"]["in"] == len(files)
