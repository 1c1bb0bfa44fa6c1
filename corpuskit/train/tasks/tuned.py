"""What tasks share that learn from encoded examples: order, rows of different lengths, what learns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Container, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from corpuskit.errors import SettingError, nearest
from corpuskit.train.data.examples import Examples, Line
from corpuskit.train.data.rows import ExampleOrder
from corpuskit.train.evaluate.figures import direction
from corpuskit.train.generate.turns import ENDS, LEARNT
from corpuskit.train.model.loss import IGNORED
from corpuskit.train.model.transformer import ModelSettings, Transformer
from corpuskit.train.settings.tune import TuneSettings
from corpuskit.train.tasks.adapting import Adaptable
from corpuskit.train.tasks.task import (
    Best,
    Extent,
    Inputs,
    Measuring,
    Metrics,
    Tensors,
    Validation,
    micro_batches,
)

_PADDED = 4  # times the tokens that are asked for, what is measured on may take with what fills it up

_MULTIPLE = 8
"""Rows are as long as a multiple of this: fewer shapes, which a compiler likes and kernels too."""

_TEST_TOKENS = 2**22
"""Of a test split so many tokens are measured on at most: all of it is one batch on the CPU."""

Example = Mapping[str, Line]


class Tuned(Adaptable, ABC):
    """Rows made of one or several examples each, in an order of their own in each epoch.

    A class of its own says how examples become a row (`tensors`), and what that costs. Rows of a batch stand
    by length, the longest first, so that those of a micro-batch are about equally long.

    Attributes:
        train, validation_examples, test_examples: the examples, with the tokens of each under "ids" or as
            `lengths` says.
        rows: of which examples each row of training is made.
        whole: tensors of a batch whose second dimension is not that of positions.
    """

    name = "tuned"
    whole: frozenset[str] = frozenset()
    best = Best()
    bytes_per_token = 0.0
    tokens_left_out = 0
    fingerprint = ""
    test_examples: Examples | None = None

    def __init__(
        self,
        settings: TuneSettings,
        shape: ModelSettings,
        train: Examples,
        validation: Examples | None,
        base: str = "",
        rows: Sequence[Sequence[int]] | None = None,
    ) -> None:
        assert settings.batch_rows is not None
        self.adapt(settings, base, settings.seed, settings.dropout)
        self._settings, self.shape = settings, shape
        self.train, self.validation_examples = train, validation
        self.rows = rows if rows is not None else [[number] for number in range(len(train))]
        lengths = self.lengths(train)
        self.row_lengths = np.array([int(lengths[list(row)].sum()) for row in self.rows], np.int64)
        self.tokens = int(lengths.sum())
        # A batch is part of an epoch: of three examples there is no batch of 32, but one of 4, which as many
        # processes divide as divide 32.
        asked, self.rows_per_epoch = settings.batch_rows, len(self.rows)
        enough = range(min(asked, len(self.rows)), asked + 1)
        self.batch_rows = next(rows for rows in enough if asked % rows == 0)
        self.order = ExampleOrder(len(self.rows), self.batch_rows, settings.seed)
        self.tokens_per_step = max(1, round(self.tokens / self.order.steps_per_epoch))

    @property
    def settings(self) -> TuneSettings:
        """Those of the run."""
        return self._settings

    # ------------------------------------------------------------------------ what a class says of itself
    def lengths(self, examples: Examples) -> npt.NDArray[np.int64]:
        """Positions that each example takes in a row."""
        return examples.lengths("ids")

    @abstractmethod
    def tensors(self, rows: Sequence[Sequence[Example]]) -> Tensors:
        """Rows of examples as a batch; one without any has no target: it fills an epoch's last batch."""

    @abstractmethod
    def loss(self, model: Transformer, batch: Inputs) -> Tensor:
        """Sum of the losses of the batch's targets, a float32 scalar."""

    @abstractmethod
    def count(self, batch: Tensors) -> float:
        """Targets of a batch, by which its loss is divided."""

    @abstractmethod
    def measure(self, model: Measuring, validation: Validation) -> Metrics:
        """What there is to measure on, measured."""

    # ------------------------------------------------------------------------------------- the data
    def batch(self, step: int, rows: range) -> Tensors:
        """These rows of a batch, of which those behind the last example hold nothing."""
        numbers = self.order.batch_at(step)
        ordered = numbers[np.argsort(-self.row_lengths[numbers], kind="stable")].tolist()
        chosen = [self.rows[ordered[at]] if at < len(ordered) else [] for at in rows]
        return self.tensors([[self.train.row(number) for number in row] for row in chosen])

    def micro_batches(self, batch: Tensors, rows: int) -> list[Tensors]:
        """Parts of so many rows, each as long as its longest row."""
        return [trimmed(part, self.whole) for part in micro_batches(batch, rows)]

    def epochs(self, steps: int) -> float:
        """How often so many steps read the examples."""
        return int(self.order.seen_before(steps)) / len(self.rows)

    def extent(self) -> Extent:
        """That of the longest row."""
        longest = rounded(int(self.row_lengths.max()))
        tokens = max(1, round(self.tokens / len(self.rows)))
        return Extent(longest, 0, self.predicted(longest), False, tokens)

    def predicted(self, positions: int) -> int:
        """Of so many positions, those whose logits over the vocabulary are computed."""
        return positions

    def describe(self, step: int) -> str:
        """The examples of a batch by number."""
        numbers = sorted(n for row in self.order.batch_at(step).tolist() for n in self.rows[row])
        shown = ", ".join(str(number + 1) for number in numbers[:20])
        more = f" and {len(numbers) - 20} more" if len(numbers) > 20 else ""
        return f"examples {shown}{more} of those that are used"

    def validation(self, most_tokens: int) -> Validation:
        """Held-out examples, the longest first: all, or spread ones with so many tokens."""
        return self._held_out(self.validation_examples, most_tokens)

    def finals(self) -> dict[str, Validation]:
        """The test split, where there is one."""
        found = self._held_out(self.test_examples, _TEST_TOKENS)
        return {"test": found} if found.batch else {}

    def _held_out(self, examples: Examples | None, most_tokens: int) -> Validation:
        if examples is None or not len(examples):
            return Validation({}, {})
        numbers = self.measured_on(examples, most_tokens)
        rows = [[examples.row(number)] for number in numbers]
        return Validation(self.tensors(rows), {}, len(numbers) / len(examples))

    def measured_on(self, examples: Examples, most_tokens: int) -> list[int]:
        """Numbers of the examples that are measured on, see `spread`."""
        return spread(self.lengths(examples), most_tokens)

    def milestone(self, model: Transformer) -> dict[str, Any] | None:
        """Nothing."""
        return None


def best_by(figure: str, measured: Sequence[str]) -> Best:
    """To choose by a figure; raises SettingError for one that the task does not measure."""
    if figure not in measured:
        raise SettingError(
            f"choose = {figure!r} is not measured here",
            remedy=nearest(figure, measured),
        )
    return Best(figure, direction(figure) == "less")


def spread(lengths: npt.NDArray[np.int64], most_tokens: int) -> list[int]:
    """Numbers of examples, evenly over all of them, that hold so many tokens together, the longest first."""
    total = int(lengths.sum())
    count = len(lengths)
    if total > most_tokens:
        count = max(1, int(count * most_tokens / total))
    # All of them are as wide as the longest.
    count = min(count, max(1, _PADDED * most_tokens // int(lengths.max())))
    chosen = [len(lengths) * number // count for number in range(count)]
    return sorted(chosen, key=lambda number: -int(lengths[number]))


def rounded(length: int) -> int:
    """A length as rows have it."""
    return -(-length // _MULTIPLE) * _MULTIPLE


def asked(ids: Line, learnt: Line) -> Line:
    """What is asked for at each id of a conversation: itself, the end of the text, or IGNORED.

    The end of the text is what each conversation begins with, see `corpuskit.train.generate.turns`.
    """
    found: Line = np.where(learnt == ENDS, ids[0], np.where(learnt == LEARNT, ids, IGNORED))
    return found


def padded(lines: Sequence[Line], fill: int) -> Tensor:
    """Lines of different lengths as one tensor (rows, T) of int64."""
    longest = rounded(max(1, *(len(line) for line in lines)))
    out = np.full((len(lines), longest), fill, np.int64)
    for row, line in enumerate(lines):
        out[row, : len(line)] = line
    return torch.from_numpy(out)


def trimmed(part: Tensors, whole: Container[str] = ()) -> Tensors:
    """Rows cut to the longest of them, by their "lengths", but for what is to stay whole."""
    longest = rounded(max(1, int(part["lengths"].max())))
    return {
        name: each[:, :longest] if each.dim() > 1 and name not in whole else each
        for name, each in part.items()
    }
