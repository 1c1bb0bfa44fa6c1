"""What is asked for before anything is made: data, and settings that leave things open."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from torch import Tensor

from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train.parallel.processes import Grid
from corpuskit.train.settings.resolve import said_objective
from corpuskit.train.settings.settings import RunSettings
from corpuskit.train.tasks.task import Task

Settings = TypeVar("Settings", bound=RunSettings)


class Setup(NamedTuple):
    """What a run is made from.

    Attributes:
        task: what is learnt, with its settings: nothing in them is open but the length of a run by minutes.
        steps: that the run is expected to have; exact unless it goes by minutes.
        title: what the model is called, in a word.
        weights: to begin with, where they are not drawn; those that it lacks are.
        notes: what was chosen that a user would not expect, in sentences.
        facts: what model.json is to say of data and beginning, as JSON values without a path or a time.
        kept: what it says of the model that is begun with and is true of the new one too, see `kept_of`.
        given: what data were named when the run began, see `Job.given`.
    """

    task: Task
    steps: int
    title: str
    weights: Mapping[str, Tensor] | None = None
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = MappingProxyType({})
    kept: Mapping[str, Any] = MappingProxyType({})
    given: Mapping[str, str | None] = MappingProxyType({})


def kept_of(document: Mapping[str, Any], *, classes: bool = False) -> dict[str, Any]:
    """What stays true of a language model that learns on, out of what its model.json says.

    By which objective it was pre-trained; and that it was taught to talk: its tokenizer has the roles still,
    and exports their template. Classes and their names go with the head that they belong to, and how a model
    was tuned is told by its base.

    Args:
        classes: whether what learns on answers with classes, and is talked with no more.

    >>> kept_of({"objective": "spans", "chat": True})
    {'objective': 'spans', 'chat': True}
    """
    objective = said_objective(document)
    kept: dict[str, Any] = {"objective": objective} if objective else {}
    return kept | ({"chat": True} if document.get("chat") is True and not classes else {})


def overlaid(kept: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a base under what a task says of its model; who was taught to talk still can.

    >>> overlaid({"objective": "spans", "chat": True}, {"objective": "causal", "chat": False})
    {'objective': 'causal', 'chat': True}
    """
    return {**kept, **own, **({"chat": True} if kept.get("chat") is True else {})}


class Job(Protocol, Generic[Settings]):
    """What one kind of run asks for; `corpuskit.train.run.run` does it.

    Attributes:
        command: that asks for it: "train", "finetune" and so on.
        task_name: what it trains for, where one command trains for several things; else empty.
        kind: of its settings.
        tokenizer, end_of_text: what makes ids of text, and the id that ends one.
    """

    command: str
    task_name: str
    kind: type[Settings]
    tokenizer: Tokenizer
    end_of_text: int

    @property
    def data(self) -> str:
        """What messages call the data."""

    @property
    def fingerprint(self) -> str:
        """Of the data, once it is open."""

    def refuse(self, out: Path, settings: Settings) -> None:
        """Raise where a new run into `out` cannot be, before anything is read."""

    def given(self) -> Mapping[str, str | None]:
        """What data a caller named: "name" and "sha256"; nothing where `fingerprint` says it all."""

    def open(self, out: Path, settings: Settings, grid: Grid, *, resumes: bool) -> None:
        """Make the data ready. All processes call it together.

        What has to be kept of the data of a new run lies below `corpuskit.train.tune.kept.unfinished` then.
        """

    def begin(self, out: Path) -> None:
        """Told that what was made for a new run lies where OUT keeps it now."""

    def verify(self) -> None:
        """Raise where a file of the data is damaged: all of it is read once."""

    def settle(self, settings: Settings, grid: Grid) -> Setup:
        """A new run: all that was left open is chosen."""

    def again(self, settings: Settings, steps: int) -> Setup:
        """A run that goes on, with the settings and the length that it was given."""
