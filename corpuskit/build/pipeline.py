"""A pipeline: sources, then stages, rules and barriers, then the tokenizer and the shards.

It is cut into segments at barriers: a stage that changes texts and stands behind a barrier needs another
pass. Everything that a run's bytes depend on goes into fingerprints; where inputs lie does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from corpuskit.build.decide.earlier import Dedup
from corpuskit.build.decide.held_out import Split
from corpuskit.build.decide.mixing import Mix
from corpuskit.build.decide.planted import Canaries, Repeat
from corpuskit.build.segment import Segment, add_columns, as_segments
from corpuskit.build.source_code import source_sha256
from corpuskit.build.write.pack_shards import Packing
from corpuskit.build.write.write_shards import WriteShards
from corpuskit.documents.settings import Settings
from corpuskit.errors import SettingError
from corpuskit.sources.folders import split_pattern
from corpuskit.sources.source import Source
from corpuskit.stages.barrier import Barrier
from corpuskit.stages.dedup.exact import UniqueId
from corpuskit.stages.dedup.remove import Removal, Remove
from corpuskit.stages.stage import Rule, Stage
from corpuskit.storage.places import is_uri
from corpuskit.tokenizer.train import TrainTokenizer
from corpuskit.tokenizer.weights import Weights

PipelineStep = Source | Stage | Barrier | TrainTokenizer | WriteShards


@dataclass(frozen=True)
class Pipeline:
    """An ordered list of steps.

    >>> from corpuskit import ExactDuplicates, Files, Length
    >>> pipeline = Pipeline([Files(path="notes", label="notes"), Length(min_words=20), ExactDuplicates()])
    >>> [label for label, _ in pipeline.labelled]
    ['length', 'exact_duplicates']

    Attributes:
        steps: sources first, then stages, rules and barriers, then at most one `TrainTokenizer`, then at
            most one `WriteShards` (which needs the tokenizer).
        remove: what is taken down: ids, or a `Removal` with files of ids and digests of texts.
        shared_ids: what becomes of different texts of files under one id: ``keep`` keeps all, with their
            places behind the id, ``refuse`` ends the build.
        canaries, repeat: what is planted among the training split, and what stands in it more than once.
        mix: how often each source is read, by its name: epochs, or a `Mix`.
        dedup: earlier builds whose documents are not to come again.
        packing: how documents come into rows, noted beside the shards.
    """

    steps: Sequence[PipelineStep]
    remove: Removal | Sequence[str] = ()
    shared_ids: Literal["keep", "refuse"] = "keep"
    canaries: Canaries | None = None
    repeat: Repeat | None = None
    mix: Mix | Mapping[str, Any] | None = None
    dedup: Dedup | None = None
    packing: Packing | None = None

    def __post_init__(self) -> None:
        # A generator is used up by the first look at it.
        steps = [step.expanded() if isinstance(step, Stage) else (step,) for step in self.steps]
        object.__setattr__(self, "steps", tuple(step for several in steps for step in several))
        if self.shared_ids not in ("keep", "refuse"):
            raise SettingError(
                f"shared_ids: {self.shared_ids!r} is unknown", remedy="Write shared_ids: keep, or refuse."
            )
        order = [_kind(step) for step in self.steps]
        for step in self.steps:
            if isinstance(step, Remove | UniqueId):
                raise SettingError(
                    f"steps: {step.name} is part of every pipeline", remedy="Leave it out of the steps."
                )
        if order != sorted(order):
            names = ", ".join(step.name for step in self.steps)
            raise SettingError(
                f"steps: wrong order: {names}",
                remedy="Sources come first, then stages, then the tokenizer, then the shards.",
            )
        if 0 not in order:
            raise SettingError("steps: there is no source", remedy="Name at least one source.")
        if order.count(2) > 1 or order.count(3) > 1:
            raise SettingError("steps: more than one tokenizer or shards step", remedy="Keep one of each.")
        self._check_tables()
        _check_labels([step for step in self.steps if isinstance(step, Source)])
        # A mixture needs no tokens: then the shards step says what is held out, and nothing else.
        if 3 in order and 2 not in order and self.mix is None:
            raise SettingError("shards: there is no tokenizer", remedy="Add a tokenizer step before it.")
        if self.packing is not None and (3 not in order or 2 not in order):
            raise SettingError(
                "packing: there are no shards to pack", remedy="Add a tokenizer step and a shards step."
            )
        for planted in (self.canaries, self.repeat):
            if planted is not None and 3 not in order:
                raise SettingError(
                    f"{planted.name}: there are no shards to plant into", remedy="Add a shards step."
                )
            if planted is not None and 2 not in order:
                raise SettingError(f"{planted.name}: there is no tokenizer", remedy="Add a tokenizer step.")
        self._check_earlier()
        if self.tokenizer is not None and (labels := self.source_names) is not None:
            Weights.of(self.tokenizer.weights).check(labels)
        if (known := self._source_names) is not None and self.mixture is not None:
            self.mixture.check(known)
        self.removed  # noqa: B018 - a list that is missing is told at once

    def _check_tables(self) -> None:
        """One side table, one schema, and a name that can be that of a folder."""
        schemas: dict[str, pa.Schema] = {}
        for source in (s for s in self.steps if isinstance(s, Source)):
            for name, schema in source.side_tables.items():
                if not name.isidentifier():
                    raise SettingError(
                        f"{source.name}: side table {name!r}: the name cannot be that of a folder",
                        remedy="Name it with letters, digits and _.",
                    )
                if not schemas.setdefault(name, schema).equals(schema):
                    raise SettingError(
                        f"{source.name}: side table {name!r}: another source declares other columns for it",
                        remedy="Give the table another name.",
                    )

    def _check_earlier(self) -> None:
        barriers = [step for step in self.steps if isinstance(step, Barrier)]
        if self.against and not any(barrier.sees_earlier for barrier in barriers):
            raise SettingError(
                "dedup.against: there is no stage that compares texts",
                remedy="Add exact_duplicates or near_duplicates to the stages.",
            )

    # -------------------------------------------------------------------------------------- the parts
    @cached_property
    def removed(self) -> Remove:
        """The stage that takes down what is listed."""
        remove = self.remove
        return (remove if isinstance(remove, Removal) else Removal(listed=tuple(remove))).read()

    @cached_property
    def mixture(self) -> Mix | None:
        """How often each source is read; None where each is read once."""
        return self.mix if self.mix is None or isinstance(self.mix, Mix) else Mix.of(self.mix)

    @property
    def against(self) -> tuple[str, ...]:
        """Where earlier builds lie whose documents are not to come again."""
        return self.dedup.against if self.dedup is not None else ()

    @property
    def _source_names(self) -> list[str] | None:
        """The same where there is a mixture, which alone asks so."""
        return None if self.mix is None else self.source_names

    @property
    def source_names(self) -> list[str] | None:
        """What the column ``source`` may say; None where a source does not tell before it is read."""
        names = [source.documents_source for source in self.steps if isinstance(source, Source)]
        return None if None in names else [name for name in names if name is not None]

    @property
    def sources(self) -> list[tuple[str, Source]]:
        """Label and source: what the ledger and part names call them.

        The name of a single input file is its logical name and may stand in outputs; that of a folder is
        a place, and may not.
        """
        sources = [s for s in self.steps if isinstance(s, Source)]
        return _labelled([(_own_label(s), s) for s in sources])

    @property
    def inputs(self) -> list[tuple[str, Path]]:
        """What the steps read on this machine: the step that reads it, and where it lies."""
        found = []
        for step in self.steps:
            for key in sorted(step.locations()):
                value = getattr(step, key)
                places = [value] if isinstance(value, str) else value or []
                places = list(value.values()) if isinstance(value, dict) else places
                # Of a pattern, the folder that is searched.
                roots = [split_pattern(place)[0] for place in places if place and not is_uri(place)]
                found += [(step.name, Path(root).expanduser()) for root in roots]
        return found + [("dedup.against", Path(place).expanduser()) for place in self.against]

    @property
    def labelled(self) -> list[tuple[str, Stage | Barrier]]:
        """Label and step of all stages, rules and barriers that the user named."""
        return _labelled([(None, s) for s in self.steps if isinstance(s, Stage | Barrier)])

    def read_files(self) -> None:
        """Read the files that stages need, of words or an evaluation: what cannot be read is told at once."""
        for _, step in self.labelled:
            step.libraries()

    def sourceless(self) -> list[str]:
        """Names of the user's own steps whose source cannot be read, so that an edit cannot be noticed."""
        return [step.name for step in self.steps if source_sha256(type(step)) is None]

    @property
    def own(self) -> bool:
        """Whether no code of others handles the documents: all steps are of this package."""
        kinds = {type(step) for step in self.steps}
        return all(source_sha256(kind) == "" and not kind.foreign for kind in kinds)

    @property
    def tokenizer(self) -> TrainTokenizer | None:
        """The tokenizer step, if there is one."""
        return next((s for s in self.steps if isinstance(s, TrainTokenizer)), None)

    @property
    def lossy(self) -> bool:
        """Whether a given tokenizer may lose text."""
        return self.tokenizer is not None and self.tokenizer.lossy == "allow"

    @property
    def shards(self) -> WriteShards | None:
        """The shards step, if there is one."""
        return next((s for s in self.steps if isinstance(s, WriteShards)), None)

    @property
    def plants(self) -> bool:
        """Whether anything enters behind the decisions."""
        return self.canaries is not None or self.repeats

    @property
    def repeats(self) -> bool:
        """Whether documents may stand more than once."""
        shares = self.mixture.shares.values() if self.mixture is not None else ()
        return self.repeat is not None or any(share.epochs > 1 for share in shares)

    @property
    def split(self) -> Split:
        """Shares of the text that are held out; none without shards."""
        return self.shards.split if self.shards is not None else Split(validation=0)

    @property
    def source_columns(self) -> dict[str, pa.DataType]:
        """Added columns of all sources. Two sources that declare one name must agree on its type."""
        columns: dict[str, pa.DataType] = {}
        for label, source in self.sources:
            add_columns(columns, label, source.columns, shared=True)
        return columns

    def segments(self) -> list[Segment]:
        """Cut the steps into passes. The last one writes the documents."""
        reasons = {source.name: source.same_id_reason for _, source in self.sources}
        first: list[tuple[str, Stage | Barrier]] = []
        groups = [first]
        zero, part = ([], []) if self.mixture is None else self.mixture.deciders(self._source_names)
        for label, step in [*self.labelled, *(("mix", mixing) for mixing in part)]:
            barriers = [s for _, s in groups[-1] if isinstance(s, Barrier)]
            changed = any(barrier.cuts for barrier in barriers)
            if changed or (barriers and not isinstance(step, Rule | Barrier)):
                groups.append([])
            groups[-1].append((label, step))
        # Whatever else is asked for, one document stands under one id.
        unique = UniqueId(reasons=reasons, shared_ids=self.shared_ids)
        always: list[tuple[str, Stage | Barrier]] = [("unique_id", unique), ("remove", self.removed)]
        first[:0] = [*always, *(("mix:none", mixing) for mixing in zero)]
        return as_segments(groups, self.source_columns)

    def resolved(self, *, public: bool) -> str:
        """The pipeline as a recipe in YAML, every setting spelled out.

        Args:
            public: without the places where inputs lie, as it may stand in an output.
        """
        import yaml

        def settings(step: Settings) -> dict[str, Any]:
            return step.public() if public else step.model_dump(mode="json")

        recipe: dict[str, Any] = {"sources": [{s.name: settings(s)} for _, s in self.sources]}
        recipe["stages"] = [{s.name: settings(s)} for _, s in self.labelled]
        if self.tokenizer is not None:
            given = {"file": "(given)" if public else self.tokenizer.file}
            given |= {"lossy": "allow"} if self.lossy else {}
            trained = self.tokenizer.spelled(settings(self.tokenizer))
            recipe["tokenizer"] = given if self.tokenizer.file else trained
        if self.shards is not None:
            recipe["shards"] = settings(self.shards)
        if self.removed.digest():
            recipe["remove"] = self._removal(public=public)
        if self.mixture is not None:
            recipe["mix"] = self.mixture.plain()
        if self.against:
            names = [Path(place).expanduser().resolve().name for place in self.against]
            recipe["dedup"] = {"against": names if public else list(self.against)}
        if self.shared_ids != "keep":
            recipe["shared_ids"] = self.shared_ids
        for planted in (self.canaries, self.repeat, self.packing):
            if planted is not None:
                recipe[planted.name] = settings(planted)
        return yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True)

    def _removal(self, *, public: bool) -> dict[str, Any]:
        """What is taken down: what was said or, as it may stand in an output, a digest of the lists."""
        if public:
            count = len(self.removed.ids) + len(self.removed.sha256)
            return {"listed": f"({count} lines, sha256 {self.removed.digest()})"}
        removal = self.remove if isinstance(self.remove, Removal) else Removal(listed=tuple(self.remove))
        return removal.model_dump(mode="json", exclude_defaults=True)


def _kind(step: object) -> int:
    for index, kind in enumerate((Source, Stage | Barrier, TrainTokenizer, WriteShards)):
        if isinstance(step, kind):
            return index
    raise SettingError(
        f"steps: {step!r} is no source, stage, rule, barrier, tokenizer or shards step",
        remedy="See CONTRIBUTING.md for how to write one.",
    )


def _own_label(source: Source) -> str | None:
    label, path = getattr(source, "label", None), getattr(source, "path", None)
    return Path(path).name if label is None and isinstance(path, str) and Path(path).is_file() else label


def _check_labels(sources: Sequence[Source]) -> None:
    """Raise `SettingError` where two sources have one label: it stands in ids, and each has its own."""
    labels: dict[str, Source] = {}
    for source in sources:
        label = getattr(source, "label", None)
        if label and (other := labels.setdefault(label, source)) is not source:
            raise SettingError(
                f"sources: two have the label {label!r}: {_place(other)} and {_place(source)}",
                remedy="Give one of them another label, or one source a folder that holds both.",
            )


def _place(source: Source) -> str:
    place = getattr(source, "path", None)
    return f"{source.name} of {place}" if isinstance(place, str) else source.name


def _labelled(steps: Sequence[tuple[str | None, Any]]) -> list[tuple[str, Any]]:
    """Give each step a unique label: its name, with the label its settings give it, numbered if repeated."""
    labels: dict[str, Any] = {}
    for own, step in steps:
        base = label = f"{step.name}:{own}" if own else step.name
        number = 1
        while label in labels:
            number += 1
            label = f"{base}-{number}"
        labels[label] = step
    return list(labels.items())
