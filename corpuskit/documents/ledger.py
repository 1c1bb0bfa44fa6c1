"""The account of a build: every document and every byte that goes in comes out somewhere.

For each stage, and from stage to stage:

    documents in + added (by reason) = kept + dropped (by reason) + quarantined (by kind)
    bytes in + added (by reason) = kept + cut (by reason) + dropped + quarantined

What goes in and what is kept is counted by the runner, what is dropped or cut is named by the stage, so
that a stage that loses something without naming it makes the account fail, and with it the build.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from corpuskit.errors import LedgerError


@dataclass
class Entry:
    """The account of one stage. Documents and UTF-8 bytes of text, by reason where there are reasons."""

    stage: str
    documents_in: int = 0
    documents_kept: int = 0
    documents_added: Counter[str] = field(default_factory=Counter)
    documents_dropped: Counter[str] = field(default_factory=Counter)
    documents_quarantined: Counter[str] = field(default_factory=Counter)
    bytes_in: int = 0
    bytes_kept: int = 0
    bytes_added: Counter[str] = field(default_factory=Counter)
    bytes_cut: Counter[str] = field(default_factory=Counter)
    bytes_dropped: Counter[str] = field(default_factory=Counter)
    bytes_quarantined: Counter[str] = field(default_factory=Counter)

    def add(self, other: Entry) -> None:
        """Add the figures of another entry of the same stage."""
        for name, value in vars(other).items():
            if isinstance(value, Counter):
                getattr(self, name).update(value)
            elif name != "stage":
                setattr(self, name, getattr(self, name) + value)

    def balance(self) -> None:
        """Raise `LedgerError` unless both equations of the module's docstring hold."""
        documents = (self.documents_dropped, self.documents_quarantined)
        removed = (self.bytes_cut, self.bytes_dropped, self.bytes_quarantined)
        # The sum of two counters would leave out what is negative, and hide the fault that made it so.
        documents_out = self.documents_kept + sum(map(Counter.total, documents))
        bytes_out = self.bytes_kept + sum(map(Counter.total, removed))
        self._equal("documents", self.documents_in + self.documents_added.total(), documents_out)
        self._equal("bytes", self.bytes_in + self.bytes_added.total(), bytes_out)

    def _equal(self, what: str, went_in: int, came_out: int) -> None:
        if went_in != came_out:
            raise LedgerError(
                f"{self.stage}: {went_in} {what} went in, {came_out} came out or were accounted for",
                remedy="The stage lost or made some without naming them: see Effect in"
                " corpuskit.stages.stage and Reading in corpuskit.documents.reading.",
            )

    def to_json(self) -> dict[str, Any]:
        """The entry as JSON values, in two groups, without empty counters."""
        groups: dict[str, dict[str, Any]] = {"documents": {}, "bytes": {}}
        for name, value in vars(self).items():
            if name != "stage":
                group, key = name.split("_", 1)
                if not isinstance(value, Counter):
                    groups[group][key] = value
                elif value:
                    groups[group][key] = dict(sorted(value.items()))
        return {"stage": self.stage, **groups}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Entry:
        """The inverse of `to_json`. Raises KeyError, TypeError or AttributeError for anything else."""
        entry = cls(str(value["stage"]))
        for group in ("documents", "bytes"):
            for key, figure in value[group].items():
                known = getattr(entry, f"{group}_{key}")  # AttributeError for a figure that there is not.
                counts = figure.values() if isinstance(known, Counter) else [figure]
                if not all(type(count) is int for count in counts):
                    raise TypeError(f"{entry.stage}: {group} {key} is {figure!r}")
                setattr(entry, f"{group}_{key}", type(known)(figure))
        return entry


class Ledger:
    """Entries of the stages of a build, in order."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.entries: dict[str, Entry] = {}
        for entry in entries:
            self.add(entry)

    def add(self, entry: Entry) -> None:
        """Add an entry, or its figures to the entry of that stage."""
        self.entries.setdefault(entry.stage, Entry(entry.stage)).add(entry)

    def merge(self, other: Ledger) -> None:
        """Add all entries of another ledger."""
        for entry in other.entries.values():
            self.add(entry)

    def balance(self, *, sources: Collection[str] | None = None) -> None:
        """Raise `LedgerError` unless each stage balances.

        Args:
            sources: stages that are sources, side by side. When they are given, each other entry
                must also take in what the one before it (the sources together) kept.
        """
        entries = list(self.entries.values())
        for entry in entries:
            entry.balance()
        if sources is None:
            return
        before = Entry("the sources")
        for entry in (e for e in entries if e.stage in sources):
            before.documents_kept += entry.documents_kept
            before.bytes_kept += entry.bytes_kept
        for entry in (e for e in entries if e.stage not in sources):
            for what in ("documents", "bytes"):
                kept, taken = getattr(before, f"{what}_kept"), getattr(entry, f"{what}_in")
                if kept != taken:
                    message = f"{entry.stage}: took in {taken} {what}, but {before.stage} kept {kept}"
                    remedy = "Something was lost between the two. Run `corpuskit verify` on the run."
                    raise LedgerError(message, remedy=remedy)
            before = entry

    def to_json(self) -> list[dict[str, Any]]:
        """All entries as JSON values."""
        return [entry.to_json() for entry in self.entries.values()]

    @classmethod
    def from_json(cls, values: Iterable[Mapping[str, Any]]) -> Ledger:
        """The inverse of `to_json`."""
        return cls(Entry.from_json(value) for value in values)
