"""Pretraining that goes on from a model that is there, of which all or a part learns."""

from __future__ import annotations

from corpuskit.train.settings.tune import ContinueSettings
from corpuskit.train.tasks.adapting import Adaptable
from corpuskit.train.tasks.pretrain import Pretraining


class Continued(Adaptable, Pretraining):
    """To predict the tokens of other texts; a `Task`."""

    @classmethod
    def of(cls, task: Pretraining, settings: ContinueSettings, base: str) -> Continued:
        """The same as a task of pretraining, of which that learns which the settings name."""
        found = cls(task.settings, task.shards, task.tokenizer, task.batches, task.objective)
        found.adapt(settings, base, settings.seed, 0.0)
        return found
