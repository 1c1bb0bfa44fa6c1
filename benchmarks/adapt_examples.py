"""Examples as ours encodes them, as rows of ids that peers can read: all sides learn from the same."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from corpuskit.train.data.examples import Examples
from corpuskit.train.finetune import PURPOSES
from corpuskit.train.generate.generate import LanguageModel
from corpuskit.train.model.loss import IGNORED
from corpuskit.train.tasks.tuned import Example, Tuned

Rows = list[dict[str, Any]]


def encode(model: Path, data: Path, task: str, settings: Mapping[str, Any], work: Path) -> Tuned:
    """The task of a run that would begin with these settings; its examples lie below `work`."""
    begun, purpose = LanguageModel.load(model), PURPOSES[task]
    own = purpose.settings(**{"context": begun.model.settings.context, **settings})
    purpose.encode(str(data), begun, own, work)
    sides = {side.name: Examples(side) for side in work.iterdir()}
    return purpose.task(own, begun, sides, "")


def batches(task: Tuned, steps: int) -> list[Rows]:
    """The rows of each batch, in the order in which it is trained on."""
    return [
        [plain(task.train.row(int(number))) for number in task.order.batch_at(step)] for step in range(steps)
    ]


def rows_of(examples: Examples) -> Rows:
    """All rows, in order."""
    return [plain(examples.row(number)) for number in range(len(examples))]


def plain(example: Example) -> dict[str, Any]:
    """Ids and the label of a text, or the ids of a conversation with those among them that are learnt."""
    ids = np.asarray(example["ids"], np.int64)
    if "labels" in example:
        return {"ids": ids.tolist(), "label": int(example["labels"][0])}
    return {"ids": ids.tolist(), "labels": np.where(example["learnt"] > 0, ids, IGNORED).tolist()}


def write(path: Path, rows: Sequence[Any]) -> Path:
    """As JSON."""
    path.write_text(json.dumps(list(rows)), encoding="utf-8")
    return path
