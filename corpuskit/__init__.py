"""corpuskit: from raw text to a language model that you trained yourself.

    from corpuskit import ExactDuplicates, Gutenberg, Pipeline, TrainTokenizer, Unicode, WriteShards

    steps = [Gutenberg(path="books"), Unicode(), ExactDuplicates(), TrainTokenizer(), WriteShards()]
    Pipeline(steps).run("runs/x")

Names are imported when they are used, so that ``import corpuskit`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

_PLACES = {
    "Barrier": "corpuskit.stage",
    "CorpuskitError": "corpuskit.errors",
    "Effect": "corpuskit.stage",
    "ExactDuplicates": "corpuskit.dedup.exact",
    "Files": "corpuskit.ingest.files",
    "Gutenberg": "corpuskit.ingest.gutenberg",
    "Length": "corpuskit.quality.length",
    "Lowercase": "corpuskit.normalize.classical",
    "NearDuplicates": "corpuskit.dedup.near",
    "Pipeline": "corpuskit.pipeline",
    "Punctuation": "corpuskit.normalize.classical",
    "Rule": "corpuskit.stage",
    "Run": "corpuskit.run",
    "Shards": "corpuskit.shards",
    "Source": "corpuskit.stage",
    "Split": "corpuskit.split",
    "Stage": "corpuskit.stage",
    "StopWords": "corpuskit.normalize.classical",
    "TrainTokenizer": "corpuskit.bpe.tokenizer",
    "Unicode": "corpuskit.normalize.unicode",
    "Whitespace": "corpuskit.normalize.whitespace",
    "Wikipedia": "corpuskit.ingest.wikipedia",
    "WriteShards": "corpuskit.pack.write",
    "load_recipe": "corpuskit.recipe",
}

__all__ = sorted([*_PLACES, "__version__"])

if TYPE_CHECKING:
    from corpuskit.bpe.tokenizer import TrainTokenizer
    from corpuskit.dedup.exact import ExactDuplicates
    from corpuskit.dedup.near import NearDuplicates
    from corpuskit.errors import CorpuskitError
    from corpuskit.ingest.files import Files
    from corpuskit.ingest.gutenberg import Gutenberg
    from corpuskit.ingest.wikipedia import Wikipedia
    from corpuskit.normalize.classical import Lowercase, Punctuation, StopWords
    from corpuskit.normalize.unicode import Unicode
    from corpuskit.normalize.whitespace import Whitespace
    from corpuskit.pack.write import WriteShards
    from corpuskit.pipeline import Pipeline
    from corpuskit.quality.length import Length
    from corpuskit.recipe import load as load_recipe
    from corpuskit.run import Run
    from corpuskit.shards import Shards
    from corpuskit.split import Split
    from corpuskit.stage import Barrier, Effect, Rule, Source, Stage

try:
    __version__ = version("corpuskit")
except PackageNotFoundError:  # A checkout that was put on the path instead of installed.
    __version__ = "0+unknown"


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'corpuskit' has no attribute {name!r}")
    attribute = "load" if name == "load_recipe" else name
    return getattr(import_module(_PLACES[name]), attribute)
