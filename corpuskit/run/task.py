"""A task: a pure function of its arguments that writes files into a run and hands back its record."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

from corpuskit.documents.ledger import Ledger
from corpuskit.documents.memory import give_memory_back
from corpuskit.run.folder import Run
from corpuskit.run.record import Output, Record
from corpuskit.storage.files import sha256_json


@dataclass
class TaskResult:
    """What a task's function made: files, its account, and facts that later steps plan with.

    ``seconds`` are wall seconds by stage, ``told`` whatever else depends on machine or order: both are for
    the log, never part of an output.
    """

    outputs: list[Output]
    ledger: Ledger = field(default_factory=Ledger)
    facts: Mapping[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FinishedTask:
    """A finished task: its record, and what is only for the log."""

    record: Record
    seconds: float
    peak_bytes: int
    stages: Mapping[str, float]
    warnings: tuple[str, ...]
    told: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class BuildTask:
    """A unit of work for an engine.

    Attributes:
        name: its place in the manifest, e.g. ``read/books-00000``.
        made_from: JSON values that the outputs are a function of; their hash is the fingerprint.
        function: a module-level function ``(run, **arguments) -> TaskResult``.
        arguments: picklable.
        bytes: of what it reads, as far as known: the largest are begun first.
        reads: files of the run that it reads: each is checked against its record before the work begins.
    """

    name: str
    made_from: Mapping[str, Any]
    function: Callable[..., TaskResult]
    run: Run
    arguments: Mapping[str, Any]
    bytes: int = 0
    reads: Sequence[Output] = ()

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of what the outputs are made from."""
        return sha256_json(self.made_from)

    def given(self, reads: Sequence[Output] = (), **arguments: Any) -> BuildTask:
        """The same task with further arguments, which its outputs are no function of."""
        return replace(self, arguments={**self.arguments, **arguments}, reads=[*self.reads, *reads])

    def execute(self) -> FinishedTask:
        """Do the work, then store the record: in this order, so that a record always tells the truth.

        An older record of the task goes first: killed half-way, its files would be new and its word old.
        """
        started = time.perf_counter()
        for output in self.reads:
            self.run.check(output)
        self.run.forget(self.name)
        made = self.function(self.run, **self.arguments)
        made.ledger.balance()
        record = Record(
            self.name, self.fingerprint, self.made_from, tuple(made.outputs), made.ledger, made.facts
        )
        self.run.finish(record)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts kilobytes.
        give_memory_back()  # What a task of another step takes would stand beside it.
        seconds = time.perf_counter() - started
        return FinishedTask(record, seconds, peak, made.seconds, tuple(made.warnings), made.told)


class Engine(Protocol):
    """Who runs the tasks of a build. A context manager: leaving it ends what it has started."""

    def run(self, tasks: Sequence[BuildTask]) -> Iterator[FinishedTask]:
        """Run independent tasks and yield each when it is finished, in any order."""

    def __enter__(self) -> Engine: ...

    def __exit__(self, *error: object) -> None: ...
