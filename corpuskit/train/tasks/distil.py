"""Distillation: pretraining of a student that also learns what a teacher says of each token."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from corpuskit.errors import SettingError
from corpuskit.train.data.teacher import StoredAnswers
from corpuskit.train.model.distances import (
    Distillation,
    Teacher,
    TeacherHead,
    TopLogits,
    hidden_distance,
    layer_map,
    linear_distillation,
)
from corpuskit.train.model.loss import IGNORED
from corpuskit.train.model.transformer import Transformer
from corpuskit.train.settings.distil import DistilSettings
from corpuskit.train.tasks.pretrain import Pretraining
from corpuskit.train.tasks.task import Inputs, Tensors

_TOP = ("top_values", "top_ids", "top_rest")


class Distilled(Pretraining):
    """The objective of the shards, and the teacher's answers to the same rows; a `Task`.

    What is measured is the plain loss of the student, so that it compares with that of any other run. The
    teacher never drops and gets no gradient.
    """

    teacher: Transformer | None = None
    stored: StoredAnswers | None = None
    teacher_facts: dict[str, Any]

    @classmethod
    def of(
        cls,
        task: Pretraining,
        settings: DistilSettings,
        teacher: Transformer | None,
        stored: StoredAnswers | None,
        facts: dict[str, Any],
    ) -> Distilled:
        """The same as a task of pretraining, with a teacher that answers, or has answered."""
        if stored is not None and task.settings.packing == "best_fit":
            raise SettingError(
                "packing = 'best_fit': stored answers are those to a text that is read on",
                remedy="Take packing = concatenate, or let the teacher answer meanwhile.",
            )
        found = cls(task.settings, task.shards, task.tokenizer, task.batches, task.objective)
        found.name = f"{task.name}, distilled"
        found.teacher, found.stored, found.teacher_facts = teacher, stored, facts
        found._own = settings
        found._asked = Distillation(settings.direction, settings.temperature, settings.share)
        return found

    _own: DistilSettings
    _asked: Distillation

    def batch(self, step: int, rows: range) -> Tensors:
        """As of pretraining; with a teacher that has answered, what it says of each position."""
        batch = super().batch(step, rows)
        if self.stored is not None:
            starts = self.batches.starts(self.batches.samples(step, rows))
            count = batch["ids"].shape[1]
            batch |= dict(zip(_TOP, self.stored.rows(starts, count, self._own.temperature), strict=True))
        return batch

    def loss(self, model: Transformer, batch: Inputs) -> Tensor:
        """The sum over the targets of the mixed loss; where it is measured, of the plain one."""
        inputs = {name: each for name, each in batch.items() if name not in _TOP}
        if not model.training:
            return model.loss(**inputs)
        targets = inputs.pop("targets").flatten()
        ours: list[Tensor] | None = [] if self._own.states != "none" else None
        theirs: list[Tensor] | None = [] if self._own.states != "none" else None
        states = model.head_states(**inputs, kept=ours)
        total = linear_distillation(
            states,
            model.token_weight,
            targets,
            self._teacher_says(inputs, batch, theirs),
            self._asked,
            model.settings.vocab_size,
            model.token_losses,
        ).total
        if ours and theirs and self._own.states != "none":
            layers = layer_map(len(ours), len(theirs))
            counted = _counted(inputs, targets, ours[0])
            apart = hidden_distance(ours, theirs, layers, counted, self._own.states)
            # Positions that are compared may be more than those that are asked for: each counts as much.
            scale = (targets != IGNORED).sum() / counted.sum().clamp(min=1)
            total = total + self._own.states_share * apart * scale
        return total

    @torch.no_grad()
    def _teacher_says(self, inputs: Inputs, batch: Inputs, hidden: list[Tensor] | None) -> Teacher:
        if self.teacher is None:
            values, ids, rest = (batch[name].flatten(0, 1) for name in _TOP)
            return TopLogits(values, ids, rest)
        if self.teacher.embedding.weight.device != inputs["ids"].device:
            self.teacher.to(inputs["ids"].device)
        states = self.teacher.eval().head_states(**inputs, kept=hidden)
        return TeacherHead(states, self.teacher.token_weight, self.teacher.token_losses)

    def document(self) -> dict[str, Any]:
        """Who taught it."""
        return super().document() | {"distilled": self.teacher_facts}


def _counted(inputs: Inputs, targets: Tensor, like: Tensor) -> Tensor:
    """Which positions are compared, (B, T): those with a target, or all where some are chosen."""
    shape = like.shape[:2]
    if targets.numel() == shape[0] * shape[1]:
        return (targets != IGNORED).view(shape)
    return torch.ones(shape, dtype=torch.bool, device=like.device)
