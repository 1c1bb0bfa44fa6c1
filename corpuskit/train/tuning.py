"""The job of fine-tuning: a model that is there, data of one's own, and what it is to learn from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor

from corpuskit.errors import SettingError, TrainError
from corpuskit.storage.files import sha256_json
from corpuskit.train.data.examples import Examples
from corpuskit.train.device import bf16_pays
from corpuskit.train.generate.generate import LanguageModel
from corpuskit.train.hub.card_facts import base_facts
from corpuskit.train.job import Setup, kept_of
from corpuskit.train.model.lora import CLASSIFIER, adapter_size, base_fingerprint
from corpuskit.train.parallel.processes import Grid
from corpuskit.train.resume import refuse_own_beginning
from corpuskit.train.settings.tune import TuneSettings
from corpuskit.train.setup import planned_steps, with_compile
from corpuskit.train.tasks.adapting import lora_of
from corpuskit.train.tasks.tuned import Tuned
from corpuskit.train.tune.kept import DATA, given, remove_kept, unfinished
from corpuskit.train.tune.sides import SIDES

_MICRO_BATCH_TOKENS = 16_384
_CPU_MICRO_BATCH_TOKENS = 512
"""Tokens at once that the caches of a core hold: 32 rows of 66 tokens on average, of a model of 4 layers of
256, took 0.64 of the time in parts of 8 rows; questions of 13 tokens are as fast in one part as in four."""
_CPU_BF16_WIDTH = 256  # as in pretraining, see settings/resolve
_EVAL_TOKENS = 65_536
_NAMED = 20  # classes in a note

Own = TypeVar("Own", bound=TuneSettings)


class Purpose(Protocol[Own]):
    """What a model is fine-tuned for.

    Attributes:
        name: as the command line has it.
        settings: their kind.
        epochs, batch_rows, rate: where the settings leave them open; the rate is for a model 768 wide.
    """

    name: str
    settings: type[Own]
    epochs: float
    batch_rows: int
    rate: float

    def encode(self, data: str, begun: LanguageModel, settings: Own, folder: Path) -> list[str]:
        """Read the data and write its examples below `folder`, by side; returns what is to be told.

        Raises, before anything is written, for data that cannot be learnt from.
        """

    def task(self, settings: Own, begun: LanguageModel, sides: Mapping[str, Examples], base: str) -> Tuned:
        """What is learnt from encoded examples; `base` is the fingerprint of the model."""


def parts_of(task: Tuned) -> int:
    """Rows that a CPU reads at once, which divide the batch. They stand by length, so little is filled up."""
    wanted = _CPU_MICRO_BATCH_TOKENS * torch.get_num_threads() / max(1.0, float(task.row_lengths.mean()))
    divisors = [rows for rows in range(1, task.batch_rows + 1) if task.batch_rows % rows == 0]
    return min(divisors, key=lambda rows: (abs(math.log(rows / wanted)), rows))


class Tuning(Generic[Own]):
    """A model to be fine-tuned on data, for a purpose; a `Job`."""

    command = "finetune"

    def __init__(self, model: Path, data: str, purpose: Purpose[Own]) -> None:
        """Raises TrainError for a folder that holds no whole model."""
        self.folder, self.data, self.purpose = model, data, purpose
        self.task_name, self.usual_rows = purpose.name, purpose.batch_rows
        self.kind = purpose.settings
        self.begun = LanguageModel.load(model)
        self.tokenizer, self.end_of_text = self.begun.tokenizer, self.begun.end_of_text
        self.base = base_fingerprint(self.begun.model)
        self._sides: dict[str, Examples] = {}
        self._told: Sequence[str] = ()
        self._beside: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Of the examples and of the model that is begun with."""
        return sha256_json(
            {side: each.fingerprint for side, each in self._sides.items()} | {"base": self.base}
        )

    def refuse(self, out: Path, settings: Own) -> None:
        """Raises TrainError where a run would write over the model that it begins with."""
        for folder in (str(self.folder), getattr(settings, "teacher", None)):  # Not all purposes have one.
            refuse_own_beginning(out, folder)
        if settings.steps is not None and settings.minutes is not None:
            raise SettingError(
                f"steps = {settings.steps} and minutes = {settings.minutes:g} exclude each other",
                remedy="Give one of them.",
            )
        if lora := lora_of(settings, settings.dropout):
            adapter_size(self.begun.model.settings, lora)  # Says what cannot be adapted.
        context = self.begun.model.settings.context
        if settings.context is not None and settings.context > context:
            raise SettingError(
                f"context = {settings.context}: {self.folder} reads {context} tokens",
                remedy=f"Give {context} or less.",
            )

    def open(self, out: Path, settings: Own, grid: Grid, *, resumes: bool) -> None:
        """Encode the data once, or open what was encoded when the run began."""
        targets = getattr(settings, "targets", None)  # Not all purposes have a second file.
        self._beside = () if targets is None else (targets,)
        folder = out / DATA if resumes else unfinished(out)
        if not resumes and grid.is_first:
            self.begun.model.to(grid.device)  # Which may have to say something of each example.
            remove_kept(folder)  # Of a run that was killed.
            self._told = self.purpose.encode(self.data, self.begun, settings, folder)
        grid.barrier()
        self._sides = {
            side: Examples(folder / side) for side in SIDES if (folder / side / "examples.json").exists()
        }
        if "train" not in self._sides:
            raise TrainError(
                f"{folder} holds no examples", remedy="Bring it back from a copy, or begin anew."
            )

    def begin(self, out: Path) -> None:
        """The examples are read where they are kept."""
        for side, examples in self._sides.items():
            examples.moved(out / DATA / side)

    def given(self) -> Mapping[str, str | None]:
        """The table, or the two files."""
        return given(self.data, *self._beside)

    def facts(self, settings: Own) -> dict[str, Any]:
        """How many examples there are, and the model that is begun with."""
        return {
            "examples": {side: len(each) for side, each in self._sides.items()},
            "base": base_facts(self.folder),
        }

    def verify(self) -> None:
        """Raises TrainError for a damaged file of the examples."""
        for side in self._sides.values():
            side.verify()

    def settle(self, settings: Own, grid: Grid) -> Setup:
        """A new run: all that was left open is chosen."""
        chosen = self._chosen(settings, grid)
        task = self._task(chosen)
        if settings.micro_batch_rows is None and grid.device.type == "cpu":
            chosen = chosen.model_copy(update={"micro_batch_rows": parts_of(task)})
        usual = max(1, round((chosen.epochs or self.purpose.epochs) * task.order.steps_per_epoch))
        steps = planned_steps(task, usual, grid)
        final = with_compile(chosen, task, steps, grid)
        begins = f"begins with {self.folder}, weights {self.base[:12]}"
        setup = self._setup(final, steps, (begins, *self._told))
        return setup._replace(facts=self.facts(settings), given=self.given() if grid.is_first else {})

    def again(self, settings: Own, steps: int) -> Setup:
        """A run that goes on: what did not learn is the base's, whose fingerprint is part of the data's."""
        return self._setup(settings, steps, ())

    def _task(self, settings: Own) -> Tuned:
        task = self.purpose.task(settings, self.begun, self._sides, self.base)
        task.test_examples = self._sides.get("test")
        return task

    def _setup(self, settings: Own, steps: int, notes: tuple[str, ...]) -> Setup:
        task = self._task(settings)
        weights: dict[str, Tensor] = dict(self.begun.model.state_dict())
        # Classes of another task are no beginning for those of this one.
        theirs, ours = (self.begun.document.get("tuned") or {}), task.document().get("tuned", {})
        if any(theirs.get(name) != ours.get(name) for name in ("task", "labels")):
            dropped = weights.pop(CLASSIFIER, None)
            if dropped is not None and notes:
                names = ", ".join(map(str, theirs.get("labels", ())[:_NAMED]))
                notes = (*notes, f"The classes of {self.folder} are left out: {names}.")
        kept = kept_of(self.begun.document, classes=bool(task.shape.classes))
        return Setup(task, steps, self.folder.name, weights, notes, kept=kept)

    def _chosen(self, settings: Own, grid: Grid) -> Own:
        shape = self.begun.model.settings
        context = settings.context or shape.context
        rows = settings.batch_rows or self.purpose.batch_rows
        fitting = max(1, min(rows, _MICRO_BATCH_TOKENS // context))
        micro = settings.micro_batch_rows or next(n for n in range(fitting, 0, -1) if rows % n == 0)
        if rows % micro:
            raise SettingError(
                f"batch_rows = {rows} is no multiple of micro_batch_rows = {micro}",
                remedy="Choose one that divides it, or leave micro_batch_rows open.",
            )
        wide = grid.device.type != "cpu" or shape.width >= _CPU_BF16_WIDTH
        precision = "bf16" if bf16_pays(grid.device) and wide else "fp32"
        # As muP has it the best rate of AdamW falls with the width: arXiv:2203.03466.
        rate = self.purpose.rate * min(4.0, 768 / shape.width)
        return settings.model_copy(
            update={
                "context": context,
                "batch_rows": rows,
                "micro_batch_rows": micro,
                "learning_rate": settings.learning_rate or rate,
                "precision": precision if settings.precision == "auto" else settings.precision,
                "eval_tokens": settings.eval_tokens or _EVAL_TOKENS,
                "epochs": settings.epochs or self.purpose.epochs,
            }
        )
