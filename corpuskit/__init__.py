"""corpuskit: from raw text to a language model that you trained yourself.

    from corpuskit import ExactDuplicates, Gutenberg, TrainTokenizer, Unicode, WriteShards, build_corpus

    steps = [Gutenberg(path="books"), Unicode(), ExactDuplicates(), TrainTokenizer(), WriteShards()]
    build_corpus(steps, out="runs/x")

Names are imported when they are used, so that ``import corpuskit`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_PLACES = {
    "BadWords": "corpuskit.stages.quality.bad_words",
    "Barrier": "corpuskit.stages.barrier",
    "C4Lines": "corpuskit.stages.quality.c4_lines",
    "CorpuskitError": "corpuskit.errors",
    "Datasets": "corpuskit.sources.datasets.source",
    "Decides": "corpuskit.documents.settings",
    "Decontaminate": "corpuskit.stages.dedup.decontaminate",
    "Effect": "corpuskit.stages.stage",
    "ExactDuplicates": "corpuskit.stages.dedup.exact",
    "Files": "corpuskit.sources.files.files",
    "Filter": "corpuskit.stages.quality.filter",
    "Gutenberg": "corpuskit.sources.gutenberg.source",
    "Language": "corpuskit.stages.quality.language.stage",
    "Length": "corpuskit.stages.quality.length",
    "LineRepeats": "corpuskit.stages.dedup.repeats",
    "Location": "corpuskit.documents.settings",
    "Loader": "corpuskit.shards.loader",
    "Lowercase": "corpuskit.stages.normalize.classical",
    "NearDuplicates": "corpuskit.stages.dedup.near",
    "ParagraphRepeats": "corpuskit.stages.dedup.repeats",
    "PersonalData": "corpuskit.stages.quality.personal.stage",
    "Pipeline": "corpuskit.build.pipeline",
    "Punctuation": "corpuskit.stages.normalize.classical",
    "RefinedWebLines": "corpuskit.stages.quality.refinedweb_lines",
    "Rule": "corpuskit.stages.stage",
    "Run": "corpuskit.run.folder",
    "Shards": "corpuskit.shards.reader",
    "Source": "corpuskit.sources.source",
    "Split": "corpuskit.build.decide.held_out",
    "Stage": "corpuskit.stages.stage",
    "StopWords": "corpuskit.stages.normalize.classical",
    "SubstringDuplicates": "corpuskit.stages.dedup.substrings",
    "Tokenizer": "corpuskit.tokenizer.tokenizer",
    "TrainSettings": "corpuskit.train.settings.settings",
    "TrainTokenizer": "corpuskit.tokenizer.train",
    "Unicode": "corpuskit.stages.normalize.unicode",
    "Whitespace": "corpuskit.stages.normalize.whitespace",
    "Wikipedia": "corpuskit.sources.wikipedia.source",
    "WriteShards": "corpuskit.build.write.write_shards",
    "build_corpus": "corpuskit.build.build",
    "clean_book": "corpuskit.sources.gutenberg.clean",
    "extract_wikitext": "corpuskit.sources.wikipedia.extract",
    "find_personal_data": "corpuskit.stages.quality.personal.find",
    "export_dataset": "corpuskit.report.dataset",
    "export_tokens": "corpuskit.shards.export",
    "fix_unicode": "corpuskit.stages.normalize.unicode",
    "identify_language": "corpuskit.stages.quality.language.identify",
    "load_model": "corpuskit.train.generate.generate",
    "load_recipe": "corpuskit.build.recipe.recipe",
    "near_duplicates": "corpuskit.stages.dedup.in_memory",
    "open_index": "corpuskit.shards.ngrams.index",
    "open_shards": "corpuskit.shards.reader",
    "train_model": "corpuskit.train.train",
    "vocabulary_report": "corpuskit.report.vocabulary",
}

__all__ = sorted([*_PLACES, "__version__"])

if TYPE_CHECKING:
    from corpuskit.build.build import build_corpus as build_corpus
    from corpuskit.build.decide.held_out import Split as Split
    from corpuskit.build.pipeline import Pipeline as Pipeline
    from corpuskit.build.recipe.recipe import load as load_recipe
    from corpuskit.build.write.write_shards import WriteShards as WriteShards
    from corpuskit.documents.settings import Decides as Decides
    from corpuskit.documents.settings import Location as Location
    from corpuskit.errors import CorpuskitError as CorpuskitError
    from corpuskit.report.dataset import export_dataset as export_dataset
    from corpuskit.report.vocabulary import vocabulary_report as vocabulary_report
    from corpuskit.run.folder import Run as Run
    from corpuskit.shards.export import export_tokens as export_tokens
    from corpuskit.shards.loader import Loader as Loader
    from corpuskit.shards.ngrams.index import open_index as open_index
    from corpuskit.shards.reader import Shards as Shards
    from corpuskit.shards.reader import open_shards as open_shards
    from corpuskit.sources.datasets.source import Datasets as Datasets
    from corpuskit.sources.files.files import Files as Files
    from corpuskit.sources.gutenberg.clean import clean_book as clean_book
    from corpuskit.sources.gutenberg.source import Gutenberg as Gutenberg
    from corpuskit.sources.source import Source as Source
    from corpuskit.sources.wikipedia.extract import extract_wikitext as extract_wikitext
    from corpuskit.sources.wikipedia.source import Wikipedia as Wikipedia
    from corpuskit.stages.barrier import Barrier as Barrier
    from corpuskit.stages.dedup.decontaminate import Decontaminate as Decontaminate
    from corpuskit.stages.dedup.exact import ExactDuplicates as ExactDuplicates
    from corpuskit.stages.dedup.in_memory import (
        near_duplicates as near_duplicates,
    )
    from corpuskit.stages.dedup.near import (
        NearDuplicates as NearDuplicates,
    )
    from corpuskit.stages.dedup.repeats import LineRepeats as LineRepeats
    from corpuskit.stages.dedup.repeats import ParagraphRepeats as ParagraphRepeats
    from corpuskit.stages.dedup.substrings import SubstringDuplicates as SubstringDuplicates
    from corpuskit.stages.normalize.classical import (
        Lowercase as Lowercase,
    )
    from corpuskit.stages.normalize.classical import (
        Punctuation as Punctuation,
    )
    from corpuskit.stages.normalize.classical import (
        StopWords as StopWords,
    )
    from corpuskit.stages.normalize.unicode import Unicode as Unicode
    from corpuskit.stages.normalize.unicode import fix_unicode as fix_unicode
    from corpuskit.stages.normalize.whitespace import Whitespace as Whitespace
    from corpuskit.stages.quality.bad_words import BadWords as BadWords
    from corpuskit.stages.quality.c4_lines import C4Lines as C4Lines
    from corpuskit.stages.quality.filter import Filter as Filter
    from corpuskit.stages.quality.language.identify import identify_language as identify_language
    from corpuskit.stages.quality.language.stage import Language as Language
    from corpuskit.stages.quality.length import Length as Length
    from corpuskit.stages.quality.personal.find import find_personal_data as find_personal_data
    from corpuskit.stages.quality.personal.stage import PersonalData as PersonalData
    from corpuskit.stages.quality.refinedweb_lines import RefinedWebLines as RefinedWebLines
    from corpuskit.stages.stage import Effect as Effect
    from corpuskit.stages.stage import Rule as Rule
    from corpuskit.stages.stage import Stage as Stage
    from corpuskit.tokenizer.tokenizer import Tokenizer as Tokenizer
    from corpuskit.tokenizer.train import TrainTokenizer as TrainTokenizer
    from corpuskit.train.generate.generate import load_model as load_model
    from corpuskit.train.settings.settings import TrainSettings as TrainSettings
    from corpuskit.train.train import train_model as train_model

    __version__: str


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("corpuskit")
    except PackageNotFoundError:  # A checkout that was put on the path instead of installed.
        return "0+unknown"


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return globals().setdefault(name, _version())
    if name not in _PLACES:
        raise AttributeError(f"module 'corpuskit' has no attribute {name!r}")
    attribute = "load" if name == "load_recipe" else name
    return getattr(import_module(_PLACES[name]), attribute)


def __dir__() -> list[str]:
    return __all__
