"""Fine-tuning: `finetune_model(model, data, out, task)`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from corpuskit.errors import SettingError, checks_arguments, nearest
from corpuskit.storage.places import local_path
from corpuskit.train import run as runs
from corpuskit.train.result import TrainResult
from corpuskit.train.settings.tune import ContinueSettings, TuneSettings
from corpuskit.train.tune.classify import Classification
from corpuskit.train.tune.continued import Continuation
from corpuskit.train.tune.instruct import Instruction
from corpuskit.train.tune.prefer import Preferring
from corpuskit.train.tune.seq2seq import Translation
from corpuskit.train.tune.tag import Tagging
from corpuskit.train.tuning import Purpose, Tuning
from corpuskit.train.watch.events import Listener

PURPOSES: dict[str, Purpose[Any]] = {
    purpose.name: purpose
    for purpose in (Classification(), Tagging(), Instruction(), Preferring(), Translation())
}
"""What a model can be fine-tuned for, by name."""


TASKS = (*PURPOSES, "lm")
"""These, and to read on."""


def finetuning(model: Path | str, data: str, task: str) -> Tuning[Any] | Continuation:
    """The job of fine-tuning a model on data; raises SettingError for a task that is not known."""
    if task not in TASKS:
        raise SettingError(f"task = {task!r} is not known", remedy=nearest(task, TASKS))
    if task == "lm":
        return Continuation(local_path(model), data)
    return Tuning(local_path(model), data, PURPOSES[task])


@checks_arguments
def finetune_model(
    model: Path | str,
    data: str,
    out: Path | str,
    task: str,
    settings: TuneSettings | ContinueSettings | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    allow_changed_data: bool = False,
    pause_at: int | None = None,
    listen: Listener | None = None,
) -> TrainResult:
    """Fine-tune a model into the folder OUT.

    Args:
        model: the folder of the model that is begun with; nothing in it is changed.
        data: a table, as `corpuskit.train.data.tables.table.open_table` takes it.
        task: one of `PURPOSES`.
        settings: of the task's kind: `ClassifySettings`, `InstructSettings` and so on.
        out, resume, overwrite, allow_changed_data, pause_at, listen: as of `corpuskit.train.run.run`.

    Raises:
        SettingError: a setting is wrong, or a column is not there.
        InputError, EmptyError: the data cannot be read, or hold nothing to learn from.
        TrainError: the model is not whole; and as of `corpuskit.train.run.run`.
    """
    began = time.monotonic()
    return runs.run(
        finetuning(model, data, task),
        local_path(out),
        settings,
        resume=resume,
        overwrite=overwrite,
        allow_changed_data=allow_changed_data,
        pause_at=pause_at,
        listen=listen,
        began=began,
    )
