"""Checks of a model folder: weights, tokenizer, checkpoints, log and curves against their records."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from corpuskit.errors import CorpuskitError, TrainError
from corpuskit.storage.files import read_sealed
from corpuskit.train.checkpoint import FOLDER, check_checkpoint, latest_checkpoint
from corpuskit.train.generate.generate import LanguageModel, check_file, recorded_files
from corpuskit.train.result import RESUMABLE
from corpuskit.train.watch.events import LOG, check_log, digest_of


def problems(folder: Path) -> Iterator[str]:
    """Yield a sentence for each thing that does not hold. Nothing is yielded for a sound model."""
    try:
        document = read_sealed(folder / "model.json")
    except (OSError, ValueError, RecursionError):
        document = {}  # Loading it says why.
    log, steps = folder / LOG, sorted((folder / FOLDER).glob("step-*"))
    checks: list[Callable[[], object]] = [
        partial(_check_model, folder, document),
        partial(_check_log, log, document),
        # These that loading does not read.
        *(partial(check_file, folder, name, document) for name in recorded_files(document)),
        partial(_check_latest, folder, document),
        *(partial(check_checkpoint, step) for step in steps),
    ]
    found = []
    for check in checks:
        try:
            check()
        except CorpuskitError as error:
            found.append(error.one_line())
        except OSError as error:
            found.append(f"{error}. Look at the file that it names.")
    # A damaged file of the model is named by two checks.
    yield from dict.fromkeys([*found, *_check_lines(log)])


def _check_model(folder: Path, document: dict[str, Any]) -> None:
    begun = document and "files" not in document and not (folder / "model.safetensors").exists()
    if not begun:  # Weights come with the first validation.
        LanguageModel.load(folder)


def _check_latest(folder: Path, document: dict[str, Any]) -> None:
    """A run that can go on needs a checkpoint; of one that has ended they may have been removed."""
    training = document.get("training")
    goes_on = training and (training.get("reason") is None or training["reason"] in RESUMABLE)
    if latest_checkpoint(folder) is None and goes_on:
        raise TrainError(
            f"{folder / FOLDER} holds no checkpoint, and the run has not ended",
            remedy="Bring it back from a copy, or begin anew with --overwrite.",
        )


def _check_log(log: Path, document: dict[str, Any]) -> None:
    """The log is what was written; of a run that has ended its digest must be there."""
    digest = digest_of(log)
    if document.get("training") and recorded_files(document) and not digest.exists():
        raise TrainError(
            f"{digest} is missing",
            remedy=f"To take the log as it is: `sha256sum {log.name} > {digest.name}` beside it.",
        )
    check_log(log)


def _check_lines(log: Path) -> Iterator[str]:
    """Each line of a log that was not closed is an event, but for half a last one."""
    try:
        lines = log.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return
    except OSError as error:
        yield f"{log}: cannot be read: {error.strerror}. Look at its permissions and the disk."
        return
    for number, line in enumerate(lines, 1):
        try:
            json.loads(line)["event"]
        except (ValueError, TypeError, KeyError):
            yield f"{log}: line {number} is no event. Take it out: nothing is computed from the log."
