"""A task: a pure function of its arguments that writes files into a run and hands back its record."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from corpuskit.documents.ledger import Ledger
from corpuskit.run.folder import Output, Record, Run
from corpuskit.storage.files import sha256_json


@dataclass
class Made:
    """What a task's function made: files, its account, and facts that later steps plan with.

    ``seconds`` are wall seconds by stage: for the log, never part of an output.
    """

    outputs: list[Output]
    ledger: Ledger = field(default_factory=Ledger)
    facts: Mapping[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Done:
    """A finished task: its record, and what is only for the log."""

    record: Record
    seconds: float
    peak_bytes: int
    stages: Mapping[str, float]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """A unit of work for an engine.

    Attributes:
        name: its place in the manifest, e.g. ``read/books-00000``.
        made_from: JSON values that the outputs are a function of; their hash is the fingerprint.
        function: a module-level function ``(run, **arguments) -> Made``.
        arguments: picklable.
    """

    name: str
    made_from: Mapping[str, Any]
    function: Callable[..., Made]
    run: Run
    arguments: Mapping[str, Any]
    bytes: int = 0

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of what the outputs are made from."""
        return sha256_json(self.made_from)

    def execute(self) -> Done:
        """Do the work, then store the record: in this order, so that a record always tells the truth.

        An older record of the task goes first: killed half-way, its files would be new and its word old.
        """
        started = time.perf_counter()
        self.run.forget(self.name)
        made = self.function(self.run, **self.arguments)
        made.ledger.balance()
        record = Record(
            self.name, self.fingerprint, self.made_from, tuple(made.outputs), made.ledger, made.facts
        )
        self.run.finish(record)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        seconds = time.perf_counter() - started
        return Done(record, seconds, peak, made.seconds, tuple(made.warnings))
