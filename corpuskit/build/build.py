"""The build: turns a pipeline into tasks, hands them to the engine, and proves the result.

The order is always the same: the passes over the text with decisions between them, the tokenizer, the
encoding, the shards, the account. Each step's tasks are fingerprinted over the records of the step before,
so a change redoes what depends on it and nothing else.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tokenizers

from corpuskit.build.decide.decide import decide
from corpuskit.build.decide.held_out import Split
from corpuskit.build.passes.inputs import FromPass, FromSource, Inflow
from corpuskit.build.passes.run_pass import run_pass
from corpuskit.build.passes.run_stage import blaming
from corpuskit.build.pipeline import Pipeline
from corpuskit.build.segment import FINAL, Segment
from corpuskit.build.steps import RUNNER, PlannedPart, _check_names, _part_name, _rows, logical_name
from corpuskit.build.write.encode import LABEL, encode_part
from corpuskit.build.write.train_tokenizer import make_tokenizer
from corpuskit.build.write.write_shards import write_shards
from corpuskit.documents.ledger import Ledger
from corpuskit.errors import SettingError
from corpuskit.run.folder import Output, Record, Run
from corpuskit.run.local_engine import LocalEngine
from corpuskit.run.task import Done, Task
from corpuskit.stages.stage import Rule, Stage
from corpuskit.storage.digests import Digests
from corpuskit.storage.files import clear, write_bytes, write_json
from corpuskit.storage.places import stamp
from corpuskit.tokenizer.tokenizer import FILE

LEDGER = "ledger.json"


KEEP = ("run.json", "recipe.yaml", LEDGER)
"""Files of a run that have no record of their own."""


@dataclass(frozen=True)
class Result:
    """What a build has made.

    Attributes:
        folder: the run.
        documents, bytes: what ``documents/`` holds; bytes of UTF-8 text.
        ledger: the balanced account.
        tokens: tokens by split; empty without shards.
        done, skipped: tasks that were run, and tasks that had been done before.
        warnings: sentences that the user should read.
    """

    folder: Path
    documents: int
    bytes: int
    ledger: Ledger
    tokens: Mapping[str, int]
    done: int
    skipped: int
    warnings: tuple[str, ...]


@dataclass
class Build:
    """One build of one pipeline into one folder."""

    pipeline: Pipeline
    folder: Path
    workers: int = 1
    listen: Callable[[str, Mapping[str, Any]], None] | None = None
    tasks: set[str] = field(default_factory=set)
    warnings: list[str] = field(default_factory=list)
    done: int = 0
    skipped: int = 0
    clocks: dict[str, dict[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise SettingError(
                f"workers: {self.workers} is less than 1", remedy="Give the number of processes."
            )
        self.store = Run(self.folder)
        self.engine = LocalEngine(self.workers)

    def run(self) -> Result:
        """Do what is not done yet. See `corpuskit.build.pipeline.Pipeline.run`."""
        started = time.perf_counter()
        self.store.create()
        with self.store.locked():
            clear(self.store.temporary)
            # From here on the run is unfinished, also if this build fails.
            (self.folder / LEDGER).unlink(missing_ok=True)
            self.store.log("begin", workers=self.workers)
            self._store_recipe()
            with self.engine:
                result = self.make(self.plan_parts())
            self.store.sweep(self.tasks, set(KEEP))
            # Last of all: whoever sees a ledger sees a whole run with nothing old in it.
            account = {"sources": [label for label, _ in self.pipeline.sources]}
            write_json(
                self.folder / LEDGER, account | {"stages": result.ledger.to_json()}, self.store.temporary
            )
            self._report(time.perf_counter() - started)
            self.store.log("end", seconds=round(time.perf_counter() - started, 3))
        return result

    def _store_recipe(self) -> None:
        """The resolved recipe: as an output without the places of inputs, in ``logs/`` with them."""
        for path, public in (("recipe.yaml", True), ("logs/recipe.yaml", False)):
            text = self.pipeline.resolved(public=public)
            write_bytes(self.folder / path, text.encode(), self.store.temporary)

    def make(self, parts: Sequence[PlannedPart]) -> Result:
        """All steps in order."""
        records, decisions = self._passes(parts)
        tokenizer = self._tokenizer(records)
        tokens: Mapping[str, int] = {}
        accounts = [r for records_of_pass in records for r in records_of_pass]
        if self.pipeline.shards is not None and tokenizer is not None:
            shards = self._shards(parts, records, tokenizer)
            tokens = shards.facts["tokens"]
            accounts.append(shards)
        ledger = self._ledger(accounts, decisions)
        if not sum(r.ledger.entries[FINAL].documents_kept for r in records[-1]):
            self.warnings.append("no document was kept: see `dropped/` and `quarantine/` of the run")
        kept = [r.ledger.entries[FINAL] for r in records[-1]]
        return Result(
            self.folder,
            sum(e.documents_kept for e in kept),
            sum(e.bytes_kept for e in kept),
            ledger,
            tokens,
            self.done,
            self.skipped,
            tuple(self.warnings),
        )

    # -------------------------------------------------------------------------------------- the parts

    def plan_parts(self) -> list[PlannedPart]:
        """List the parts of all sources, with the digests of the files that they read."""
        digests = Digests(self.folder / "logs" / "digests.json")
        planned = []
        for label, source in self.pipeline.sources:
            identity = source.fingerprint(deciding=False)
            with blaming(label, "parts", reads=True):
                parts = source.parts()
            for part in parts:
                files = [[logical_name(source, f), digests.of(f)] for f in part.files]
                name = _part_name(label, part.name)
                made_from = {"source": identity, "label": label, "files": files, "detail": dict(part.detail)}
                stamps = tuple((f, stamp(f)) for f in part.files)
                planned.append(PlannedPart(name, label, source, part, made_from, stamps))
        self._save(digests)
        _check_names([part.name for part in planned])
        return planned

    def _save(self, digests: Digests) -> None:
        digests.save()

    # ------------------------------------------------------------------------------------- the passes

    def _passes(self, parts: Sequence[PlannedPart]) -> tuple[list[list[Record]], list[Record]]:
        """All passes over the text with the decisions between them."""
        segments = self.pipeline.segments()
        passes: list[list[Record]] = []
        decisions: list[Record] = []
        for segment in segments:
            if passes:
                earlier = segments[segment.index - 1]
                final = segment.folder == FINAL
                decisions.append(self._decide(earlier, parts, passes[-1], final))
            tasks = [
                self._pass_task(segment, segments, part, passes, decisions, i) for i, part in enumerate(parts)
            ]
            passes.append(self.perform(segment.title, tasks))
        return passes, decisions

    def _pass_task(
        self,
        segment: Segment,
        segments: Sequence[Segment],
        planned: PlannedPart,
        passes: Sequence[Sequence[Record]],
        decisions: Sequence[Record],
        index: int,
    ) -> Task:
        steps = [[label, step.fingerprint(deciding=False)] for label, step in segment.steps]
        columns = [[name, str(kind)] for name, kind in segment.columns.items()]
        made_from: dict[str, Any] = {**RUNNER, "steps": steps, "columns": columns}
        inflow: Inflow
        if not passes:
            made_from["part"] = planned.made_from
            columns_of_all = self.pipeline.source_columns
            inflow = FromSource(planned.label, planned.source, planned.part, columns_of_all, planned.stamps)
        else:
            earlier = segments[segment.index - 1].folder
            documents = passes[-1][index].output(f"{earlier}/")
            decided = decisions[-1].file(f"decisions/{earlier}/{planned.name}.parquet")
            made_from |= {"documents": documents.sha256, "decisions": decided.sha256}
            inflow = FromPass(documents.path, decided.path, final=segment.folder == FINAL)
        arguments = {"segment": segment, "part": planned.name, "inflow": inflow}
        size = planned.part.bytes
        return Task(f"{segment.folder}/{planned.name}", made_from, run_pass, self.store, arguments, size)

    def _decide(
        self,
        segment: Segment,
        parts: Sequence[PlannedPart],
        records: Sequence[Record],
        final: bool,
    ) -> Record:
        """Decide about what a pass has written."""
        split = self._split if final else None
        # All settings, not only those marked `Decides`: an unmarked one that is used here must count too.
        deciders = [
            [label, d.fingerprint(deciding=True), d.fingerprint(deciding=False)]
            for label, d in segment.deciders
        ]
        scans = [[r.output(f"scans/{segment.folder}/").sha256, self._scores(r, segment)] for r in records]
        made_from = {
            **RUNNER,
            "deciders": deciders,
            "scans": scans,
            "parts": [p.name for p in parts],
            "split": None if split is None else split.model_dump(mode="json"),
        }
        counts = [(p.name, _rows(r, segment)) for p, r in zip(parts, records, strict=True)]
        arguments = {"segment": segment, "parts": counts, "split": split}
        name = f"decisions/{segment.folder}"
        task = Task(name, made_from, decide, self.store, arguments)
        return self.perform(name, [task])[0]

    @staticmethod
    def _scores(record: Record, segment: Segment) -> str | None:
        """Rules read their scores from the documents, so decisions depend on these too."""
        rules = any(isinstance(d, Rule) for _, d in segment.deciders)
        return record.output(f"{segment.folder}/").sha256 if rules else None

    @property
    def _split(self) -> Split:
        shards = self.pipeline.shards
        return shards.split if shards is not None else Split(validation=0)

    # ------------------------------------------------------------------------------- tokens and shards

    def _tokenizer(self, records: Sequence[Sequence[Record]]) -> Record | None:
        settings = self.pipeline.tokenizer
        if settings is None:
            return None
        documents = [r.output(f"{FINAL}/") for r in records[-1]]
        made_from: dict[str, Any] = {**RUNNER, "tokenizer": settings.fingerprint(deciding=False)}
        if settings.file is None:
            made_from["documents"] = [d.sha256 for d in documents]
        arguments = {"settings": settings, "documents": [d.path for d in documents]}
        task = Task("tokenizer", made_from, make_tokenizer, self.store, arguments)
        return self.perform("tokenizer", [task])[0]

    def _shards(
        self, parts: Sequence[PlannedPart], records: Sequence[Sequence[Record]], tokenizer: Record
    ) -> Record:
        """Encode part by part, then join the parts into shards; then the encoded parts are swept."""
        settings = self.pipeline.shards
        assert settings is not None
        digest = tokenizer.output(FILE).sha256
        documents = [r.output(f"{FINAL}/") for r in records[-1]]
        made_from = {
            **RUNNER,
            "shards": settings.fingerprint(deciding=False),
            "tokenizer": digest,
            "tokenizers": tokenizers.__version__,
            "documents": [[p.name, d.sha256] for p, d in zip(parts, documents, strict=True)],
        }
        arguments: dict[str, Any] = {"parts": [p.name for p in parts], "settings": settings}
        arguments |= {"tokenizer_sha256": digest, "facts": tokenizer.facts}
        task = Task("shards", made_from, write_shards, self.store, arguments)
        if self.store.done(task.name, task.fingerprint) is None:
            encoded = self.perform("encode", self._encode_tasks(parts, documents, settings.split, digest))
            arguments["ledger"] = Ledger()
            for record in encoded:
                arguments["ledger"].merge(record.ledger)
                self.tasks.discard(record.task)
        return self.perform("shards", [task])[0]

    def _encode_tasks(
        self, parts: Sequence[PlannedPart], documents: Sequence[Output], split: Split, digest: str
    ) -> list[Task]:
        shares = split.model_dump(mode="json")
        return [
            Task(
                f"encoded/{part.name}",
                {
                    **RUNNER,
                    "tokenizer": digest,
                    "tokenizers": tokenizers.__version__,
                    "documents": d.sha256,
                    "part": part.name,
                    "split": shares,
                },
                encode_part,
                self.store,
                {"part": part.name, "documents": d.path, "split": split},
                d.bytes,
            )
            for part, d in zip(parts, documents, strict=True)
        ]

    # ------------------------------------------------------------------------------------- performing

    def perform(self, title: str, tasks: Sequence[Task]) -> list[Record]:
        """Run the tasks that are not done, largest first, and return the records of all, in order."""
        self.tasks |= {task.name for task in tasks}
        records = {t.name: r for t in tasks if (r := self.store.done(t.name, t.fingerprint)) is not None}
        pending = sorted((t for t in tasks if t.name not in records), key=lambda t: -t.bytes)
        self.skipped += len(records)
        self._tell("step", title=title, tasks=len(tasks), skipped=len(records))
        for done in self.engine.run(pending):
            records[done.record.task] = done.record
            self.done += 1
            self._book(title, done)
        return [records[task.name] for task in tasks]

    def _book(self, title: str, done: Done) -> None:
        clock = self.clocks.setdefault(title, {"tasks": 0, "seconds": 0.0, "peak_bytes": 0})
        clock["tasks"] += 1
        clock["seconds"] += done.seconds
        clock["peak_bytes"] = max(clock["peak_bytes"], done.peak_bytes)
        for stage, seconds in done.stages.items():
            clock[f"stage {stage}"] = clock.get(f"stage {stage}", 0.0) + seconds
        facts = {"task": done.record.task, "seconds": round(done.seconds, 3), "peak_bytes": done.peak_bytes}
        self.store.log("done", **facts, stages={k: round(v, 4) for k, v in done.stages.items()})
        for warning in done.warnings:
            self.store.log("warning", task=done.record.task, warning=warning)
            self._tell("warning", task=done.record.task, warning=warning)
        self.warnings += done.warnings
        self._tell("done", title=title, **facts)

    def _tell(self, event: str, **facts: Any) -> None:
        if self.listen is not None:
            self.listen(event, facts)

    # ------------------------------------------------------------------------------------ the account

    def _ledger(self, records: Sequence[Record], decisions: Sequence[Record]) -> Ledger:
        """Add up all records in the order of the stages, and prove the sum."""
        segments = self.pipeline.segments()
        sources = [label for label, _ in self.pipeline.sources]
        order = list(sources)
        for segment in segments:
            order += [label for label, step in segment.steps if isinstance(step, Stage)]
            order += [f"{label} decided" for label, _ in segment.deciders]
        order += [FINAL, LABEL]
        total = Ledger()
        for record in records:
            total.merge(record.ledger)
        for record in decisions:
            for entry in record.ledger.entries.values():
                entry.stage = f"{entry.stage} decided"
                total.add(entry)
        total.entries = {label: total.entries[label] for label in order if label in total.entries}
        total.balance(sources=sources)
        return total

    def _report(self, seconds: float) -> None:
        """Write ``report/timings.json``: where the time of this call went. Not an output."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        totals = {"seconds": seconds, "peak_bytes_main": peak, "workers": self.workers}
        report = {**totals, "steps": self.clocks}
        write_json(self.folder / "report" / "timings.json", report, self.store.temporary)
        clear(self.store.temporary)
