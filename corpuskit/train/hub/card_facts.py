"""What a model card tells, gathered where it was written down; nothing is asked of the network.

data_facts(RUN)      sources, licences, languages and tokens of the shards: for model.json, under
                     training.data, since a model travels without its run
environment(DEVICE)  hardware and versions: for the log, which is no output that must be equal
read_facts(MODEL)    all that a model folder tells of itself
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
import yaml

import corpuskit
from corpuskit.errors import ShardError, TrainError
from corpuskit.shards.reader import Shards
from corpuskit.storage.files import read_sealed
from corpuskit.train.device import device_name
from corpuskit.train.watch.events import LOG

EVALUATIONS = "evaluations"
_SUMMED = ("source", "token_start", "token_end")
_ROWS = 2**19  # of a provenance table at a time
_PACKAGES = ("torch", "numpy", "pyarrow", "tokenizers", "safetensors")
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class Facts:
    """All that a model folder tells of itself.

    Attributes:
        name: of the folder.
        document: what model.json says; training: of it the part on its run, empty for an import.
        begun, ended: the log's events "start" and, of the last validation, "validation"; empty without.
        validations: all of the latter; samples: events "sample"; seconds: spent training, None if unsaid.
        evaluations: documents of evaluations/*.json by name; damaged: names of those that are damaged.
        has_curves: whether curves.svg is there.
    """

    name: str
    document: Mapping[str, Any]
    begun: Mapping[str, Any]
    validations: tuple[Mapping[str, Any], ...]
    samples: tuple[Mapping[str, Any], ...]
    seconds: float | None
    evaluations: Mapping[str, Mapping[str, Any]]
    damaged: tuple[str, ...]
    has_curves: bool
    training: Mapping[str, Any] = field(default_factory=dict)


def data_facts(run_folder: Path | str) -> dict[str, Any]:
    """What shards were made of, as JSON values that hold no path and no time.

    "sources" has a row for each source and licence (an empty licence was not stated): tokens and share of the
    train split. "languages" counts documents, "datasets" names those of the Hugging Face Hub. What the run
    does not tell is None.

    Args:
        run_folder: the run; a folder of shards will do.

    Raises:
        ShardError: a provenance table cannot be read.
    """
    run = Path(run_folder)
    shards = Shards(run / "shards" if (run / "shards").is_dir() else run)
    tokens = {split: sum(each.tokens for each in infos) for split, infos in shards.splits.items()}
    return {
        "tokens": tokens,
        "sequences": {split: sum(each.sequences for each in infos) for split, infos in shards.splits.items()},
        "sources": _sources(shards, tokens.get("train", 0)),
        "languages": _languages(run / "documents"),
        "datasets": _datasets(run / "recipe.yaml"),
    }


def _sources(shards: Shards, whole: int) -> list[dict[str, Any]] | None:
    """Tokens of the train split by source and licence, the most first."""
    found = Counter[tuple[str, str]]()
    for info in shards.splits.get("train", ()):
        path = shards.folder / f"{info.name}.provenance.parquet"
        if not path.exists():
            return None
        try:
            found.update(_tokens_by_source(path))
        except (OSError, KeyError, pa.ArrowException) as error:
            raise ShardError(
                f"cannot read the provenance {path}: {error}",
                remedy="Build the shards again, or bring the file back from where it was copied.",
            ) from error
    rows_of = sorted(found.items(), key=lambda each: (-each[1], each[0]))
    return [
        {"source": source, "licence": licence, "tokens": tokens, "share": tokens / max(1, whole)}
        for (source, licence), tokens in rows_of
    ]


def _tokens_by_source(path: Path) -> Counter[tuple[str, str]]:
    """Tokens of a provenance table by source and licence.

    Of its columns two are numbers and two have few values: these are read, by their dictionaries, a part of
    the rows at a time. The ids, which are most of a table, are left where they are.
    """
    found = Counter[tuple[str, str]]()
    licensed = ["licence"] if "licence" in pq.read_schema(path).names else []  # Old tables have none.
    columns = [*_SUMMED, *licensed]
    with pq.ParquetFile(path, read_dictionary=["source", *licensed]) as file:
        for batch in file.iter_batches(_ROWS, columns=columns):
            table = pa.Table.from_batches([batch])
            lengths = pc.subtract(table["token_end"], table["token_start"])
            licences = table["licence"] if licensed else pa.nulls(len(table), pa.string())
            rows = pa.table({"source": table["source"], "licence": licences, "tokens": lengths})
            for row in rows.group_by(["source", "licence"]).aggregate([("tokens", "sum")]).to_pylist():
                found[row["source"], row["licence"] or ""] += row["tokens_sum"]
    return found


def _languages(folder: Path) -> dict[str, int] | None:
    """Documents by language; None where there are no tables of them. Documents of unknown language: ""."""
    found: dict[str, int] = {}
    tables = sorted(folder.glob("*.parquet")) if folder.is_dir() else []
    for path in tables:
        try:
            column = pq.read_table(path, columns=["language"]).column("language")
        except (OSError, KeyError, pa.ArrowException):
            return None  # A folder of that name that is no run's.
        for entry in column.value_counts().to_pylist():
            found[entry["values"] or ""] = found.get(entry["values"] or "", 0) + entry["counts"]
    return dict(sorted(found.items(), key=lambda each: (-each[1], each[0]))) if tables else None


def _datasets(recipe: Path) -> list[str] | None:
    """Datasets of the Hub that a recipe names as sources."""
    try:
        sources = yaml.safe_load(recipe.read_text(encoding="utf-8"))["sources"]
        named = [str(each["datasets"].get("path", "")) for each in sources if "datasets" in each]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError):
        return None
    return sorted({name for name in named if _HUB_NAME.fullmatch(name)})


def base_facts(folder: Path | str) -> dict[str, Any]:
    """What is told of the model whose weights a training begins with, as JSON values without a path.

    Raises TrainError for a model.json that is missing or damaged.
    """
    folder = Path(folder)
    document = read_facts(folder).document
    imported, training = document.get("imported") or {}, document.get("training") or {}
    weights = (document.get("files") or {}).get("model.safetensors")
    hub = imported.get("hub") or (training.get("base") or {}).get("hub")
    return {"name": folder.resolve().name, "weights_sha256": weights, "hub": hub}


def hub_name(folder: Path, config: Mapping[str, Any]) -> str | None:
    """The Hub's name of a model, by the cache that a snapshot of it lies in, or by its config.json."""
    for part in folder.resolve().parts:
        owner, _, name = part.removeprefix("models--").partition("--")
        if part.startswith("models--") and owner and name:
            return f"{owner}/{name}"
    named = str(config.get("_name_or_path", ""))
    return named if _HUB_NAME.fullmatch(named) and not named.startswith(".") else None


def environment(device: torch.device | str) -> dict[str, Any]:
    """Hardware and versions, as JSON values; no name of a machine or a user."""
    device = torch.device(device)
    facts = {
        "device": device_name(device),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "corpuskit": corpuskit.__version__,
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
    }
    if device.type == "cuda":
        facts |= {"cuda": torch.version.cuda, "devices": torch.cuda.device_count()}
    return facts


def _processor() -> str:
    """The maker's name of the processor, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # Linux alone has it.
        return platform.processor() or platform.machine()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def read_facts(folder: Path | str) -> Facts:
    """Gather what a model folder tells. Raises TrainError for a model.json that is missing or damaged."""
    folder = Path(folder)
    path = folder / "model.json"
    try:
        document = read_sealed(path)
        training = dict(document.get("training") or {})
        dict(document["model"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainError(
            f"{path} does not describe a model: {error}",
            remedy="Name a model folder, or bring the file back.",
        ) from error
    events = list(_events(folder / LOG))
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        by_kind.setdefault(event["event"], []).append(event)
    spent = [event["seconds"] for event in events if isinstance(event.get("seconds"), int | float)]
    evaluations, damaged = {}, []
    for file in sorted((folder / EVALUATIONS).glob("*.json")):
        try:
            evaluations[file.stem] = read_sealed(file)
        except (OSError, ValueError):
            damaged.append(file.name)
    return Facts(
        folder.resolve().name,
        document,
        (by_kind.get("start") or [{}])[-1],
        tuple(by_kind.get("validation", ())),
        tuple(by_kind.get("sample", ())),
        spent[-1] if spent else None,
        evaluations,
        tuple(damaged),
        (folder / "curves.svg").is_file(),
        training,
    )


def _events(log: Path) -> Iterator[dict[str, Any]]:
    """Events of a log; a damaged line counts as none, `corpuskit verify` looks for damage."""
    if not log.is_file():
        return
    with open(log, encoding="utf-8", errors="replace", newline="\n") as lines:
        for line in lines:
            try:
                event = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(event, dict) and isinstance(event.get("event"), str):
                yield event
