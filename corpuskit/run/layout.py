"""Where things lie within a run: the only place that knows its paths.

run.json         format of the folder
recipe.yaml      the resolved recipe, without the places where inputs lie
manifest/        one record per finished task: fingerprint, outputs with sha256, its ledger;
                 build.json is that of the recipe and the ledger
ledger.json      the account of the whole build, written when it is finished
candidates/ scans/ decisions/ documents/ dropped/ quarantine/ cuts/ tables/ planted/ counts/ tokenizer/
encoded/ shards/
packing/         indices of rows that were made for a context, made again where they are not there
logs/ report/    the only places for clocks, machines and absolute paths
index/           n-grams of the shards, made when something is searched for; each file follows from its shard
"""

from __future__ import annotations

import re

from corpuskit.storage.files import TEMPORARY

UNTRACKED = ("logs", "report", "index", "packing", TEMPORARY)
"""Folders that are not outputs: no promise of equal bytes, no record in the manifest."""

_PATHS = {
    "run": "run.json",
    "recipe": "recipe.yaml",
    "ledger": "ledger.json",
    "record": "manifest/{}.json",  # task
    "documents": "{}/{}.parquet",  # segment, part
    "scans": "scans/{}/{}.parquet",  # segment, part
    "decisions": "decisions/{}/{}.parquet",  # segment, part
    "decided_cuts": "decisions/{}/{}.cuts.parquet",  # segment, part
    "dropped": "dropped/{}-{}.parquet",  # segment, part
    "quarantine": "quarantine/{}-{}.parquet",  # segment, part
    "cuts": "cuts/{}-{}.parquet",  # segment, part
    "tables": "tables/{}/{}-{}.parquet",  # side table, segment, part
    "planted": "planted/{}",  # file
    "counts": "counts/{}.parquet",  # part
    "tokenizer": "tokenizer/{}",  # file
    "encoded": "encoded/{}.{}",  # part, bin or parquet
    "shards": "shards/{}",  # file
    "logs": "logs/{}",  # file
    "report": "report/{}",  # file
}

KEPT = (_PATHS["run"], _PATHS["recipe"], _PATHS["ledger"])
"""Files of a run that no task writes."""

BUILD = "build"
"""Name of the record of a finished build: of its recipe and its ledger."""

TOKENIZER = "tokenizer/tokenizer.json"
SHARDS, SHARDS_MANIFEST = "shards", "shards/shards.json"
LEDGER = _PATHS["ledger"]

FINAL = "documents"
"""Folder of the last pass: the corpus that a user reads and loads."""

PLANTED, REPEATED = "planted", "repeated"
"""Parts that no source has: canaries, and documents that stand more than once. One task makes both."""

_OUTPUTS = re.compile(
    r"(?:candidates(?:-\d+)?|scans|decisions|documents|dropped|quarantine|cuts|tables|planted|counts|tokenizer"
    r"|encoded|shards|manifest)/"
)


def path(kind: str, *names: str) -> str:
    """The path within a run of a thing of some kind, by its names.

    >>> path("scans", "candidates", "books-00000"), path("ledger")
    ('scans/candidates/books-00000.parquet', 'ledger.json')

    Raises KeyError for a kind that a run has not, IndexError where a name is missing.
    """
    return _PATHS[kind].format(*names)


def task_of(record: str) -> str:
    """The task of a record's path.

    >>> task_of("manifest/documents/books-00000.json")
    'documents/books-00000'
    """
    return record.removeprefix(folder_of("record")).removesuffix(".json")


def text_of(part: str) -> tuple[str, str]:
    """Where the texts of a part of the shards lie, and the task that wrote them.

    >>> text_of("books-00000"), text_of("planted")
    (('documents/books-00000.parquet', 'documents/books-00000'), ('planted/planted.parquet', 'planted'))
    """
    if part in (PLANTED, REPEATED):
        return path("planted", f"{part}.parquet"), PLANTED
    return path("documents", FINAL, part), f"{FINAL}/{part}"


def original_id(identity: str, part: str) -> str:
    """The id of the document whose text a sequence of a part has: of a further copy of one, that document's.

    >>> original_id("files:x:me@home@3", "repeated"), original_id("files:x:me@home", "x-00000")
    ('files:x:me@home', 'files:x:me@home')
    """
    return identity.rpartition("@")[0] if part == REPEATED else identity


def folder_of(kind: str) -> str:
    """The first folder of a kind's paths, with its slash: ``dropped/``."""
    return _PATHS[kind].partition("/")[0] + "/"


def is_output(path: str) -> bool:
    """Whether a path lies in a folder that builds write and sweep, or is one. Others are somebody else's."""
    return _OUTPUTS.match(f"{path}/") is not None
