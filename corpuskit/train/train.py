"""Pretraining from a build's run folder: `train_model(run, out, settings)`."""

from __future__ import annotations

import time
from pathlib import Path

from corpuskit.errors import checks_arguments
from corpuskit.storage.places import local_path
from corpuskit.train import run as runs
from corpuskit.train.corpus import Corpus
from corpuskit.train.result import TrainResult
from corpuskit.train.settings.settings import TrainSettings
from corpuskit.train.watch.events import Listener


@checks_arguments
def train_model(
    run: Path | str,
    out: Path | str,
    settings: TrainSettings | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    allow_changed_data: bool = False,
    pause_at: int | None = None,
    listen: Listener | None = None,
    began: float | None = None,
) -> TrainResult:
    """Train a language model on RUN/shards into the folder OUT.

    OUT holds model.json, model.safetensors (the weights with the least validation loss), tokenizer.json,
    checkpoints/, logs/train.jsonl and curves.svg.

    Args:
        run: folder of a finished build, with shards/ and tokenizer/tokenizer.json.
        out, settings, resume, overwrite, allow_changed_data, pause_at, listen, began: as of
            `corpuskit.train.run.run`; the settings are TrainSettings.

    Raises:
        SettingError: a setting is wrong, or contradicts the run that is resumed.
        ShardError: the shards do not hold together, or a file of them is damaged: all are read once.
        TrainError: OUT holds a model, nothing to resume or what others wrote, or another process is writing
            it; no checkpoint is whole, the data changed, the tokenizer makes its end-of-text id from text,
            or losses are not finite.
        StorageError: OUT cannot be written.
    """
    began = time.monotonic() if began is None else began
    return runs.run(
        Corpus(local_path(run)),
        local_path(out),
        settings,
        resume=resume,
        overwrite=overwrite,
        allow_changed_data=allow_changed_data,
        pause_at=pause_at,
        listen=listen,
        began=began,
    )
