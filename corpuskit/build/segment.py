"""Segments: consecutive stages that need one pass over the text, cut at the decisions between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from corpuskit.documents.batch import CLUSTER, COLUMNS, empty_batch
from corpuskit.errors import SettingError
from corpuskit.run.layout import FINAL
from corpuskit.stages.barrier import Barrier
from corpuskit.stages.stage import Rule, Stage


@dataclass(frozen=True)
class Segment:
    """Consecutive stages and barriers that need one pass over the text.

    Attributes:
        index: 0 for the first pass; the last one writes ``documents/``.
        steps: label and stage, rule or barrier, in order. Labels are unique in the pipeline.
        columns: all added columns that a batch has at the end of this pass, name to type.
        folder: ``candidates`` (``candidates-2``, ...) or ``documents``.
    """

    index: int
    steps: tuple[tuple[str, Stage | Barrier], ...]
    columns: Mapping[str, pa.DataType]
    folder: str

    @property
    def title(self) -> str:
        """What a person reads while it runs."""
        return f"pass {self.index + 1}: {self.folder}"

    @property
    def barriers(self) -> list[tuple[str, Barrier]]:
        """The barriers that this pass scans for."""
        return [(label, step) for label, step in self.steps if isinstance(step, Barrier)]

    @property
    def deciders(self) -> list[tuple[str, Rule | Barrier]]:
        """Rules and barriers, in order: who decides after this pass."""
        return [(label, step) for label, step in self.steps if isinstance(step, Rule | Barrier)]

    @property
    def schema(self) -> pa.Schema:
        """Schema of the written documents."""
        return empty_batch(self.columns).schema

    @property
    def scan_schema(self) -> pa.Schema:
        """Schema of the scans: identity and size of each document, then each barrier's columns."""
        fields = [("id", pa.string()), ("preference", pa.int64()), ("bytes", pa.int64())]
        fields += [(CLUSTER, pa.string())] if self.index else []
        for label, barrier in self.barriers:
            fields += [(f"{label}.{f.name}", f.type) for f in barrier.scan_schema]
        return pa.schema(fields)


_FINAL_COLUMNS = {CLUSTER: pa.string(), "split": pa.string()}


def add_columns(
    columns: dict[str, pa.DataType], label: str, added: Mapping[str, pa.DataType], *, shared: bool
) -> None:
    """Add declared columns; ``shared`` ones may be there already, with the same type."""
    for name, kind in added.items():
        reserved = name in COLUMNS or name in _FINAL_COLUMNS
        if reserved or (name in columns and not (shared and columns[name] == kind)):
            raise SettingError(
                f"{label}: column {name!r} is there already",
                remedy="Use a stage that adds columns once, or give its column another name.",
            )
        columns[name] = kind


def as_segments(
    groups: Sequence[Sequence[tuple[str, Stage | Barrier]]], columns: Mapping[str, pa.DataType]
) -> list[Segment]:
    """One segment per group, and a last one without steps unless the last group has no decider."""
    segments: list[Segment] = []
    so_far = dict(columns)
    for group in groups:
        for label, step in group:
            if isinstance(step, Stage):
                add_columns(so_far, label, step.columns, shared=False)
        segments.append(Segment(len(segments), tuple(group), dict(so_far), ""))
    if segments[-1].deciders:  # Its decisions must be applied, which takes one more pass.
        segments.append(Segment(len(segments), (), dict(so_far), ""))
    last = segments.pop()
    named = []
    for s in segments:
        folder = "candidates" if s.index == 0 else f"candidates-{s.index + 1}"
        # Behind the first decision every pass knows which variants of one text belong together.
        known = {**s.columns, CLUSTER: pa.string()} if s.index else s.columns
        named.append(Segment(s.index, s.steps, known, folder))
    # `cluster` and `split` come with the decisions that the last pass applies.
    final = {**last.columns, **_FINAL_COLUMNS}
    return [*named, Segment(last.index, last.steps, final, FINAL)]
