"""The build: drives the steps of a pipeline with an engine, and proves the result."""

from __future__ import annotations

import hashlib
import resource
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpuskit.build.decide.earlier import open_earlier
from corpuskit.build.empty import great_losses, nothing_left, refuse_empty
from corpuskit.build.parts import list_parts
from corpuskit.build.pipeline import Pipeline, PipelineStep
from corpuskit.build.recipe.recipe import Recipe, load
from corpuskit.build.steps import RUNNER, Records, Step, stage_order, steps
from corpuskit.build.told import changed_inputs, no_tokens, unwatched, warnings_of
from corpuskit.documents.ledger import Ledger
from corpuskit.errors import EmptyError, SettingError
from corpuskit.run.folder import Run
from corpuskit.run.layout import BUILD, FINAL, LEDGER
from corpuskit.run.local_engine import LocalEngine
from corpuskit.run.record import Output, Record
from corpuskit.run.task import Engine, FinishedTask
from corpuskit.storage.digests import Digests
from corpuskit.storage.files import json_text, sha256_json
from corpuskit.storage.ownership import refuse_overlap

Listener = Callable[[str, Mapping[str, Any]], None]


@dataclass(frozen=True)
class BuildResult:
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


def build_corpus(
    recipe: str | Path | Recipe | Pipeline | Iterable[PipelineStep],
    out: str | Path,
    *,
    workers: int = 1,
    engine: Engine | None = None,
    listen: Listener | None = None,
) -> BuildResult:
    """Build into a run folder, or go on with a build there; what is done is not done again.

    Args:
        recipe: a recipe or its path, a pipeline, or its steps in order.
        out: the run folder, made where it is missing.
        workers: processes. With more than one, a script needs ``if __name__ == "__main__":``.
        engine: who runs the tasks; by default as many processes of this machine as ``workers`` says.
        listen: called with an event's name and facts as the build goes on.

    >>> from tempfile import mkdtemp
    >>> from corpuskit import ExactDuplicates, Files
    >>> folder = Path(mkdtemp())
    >>> for name in ("one.txt", "two.txt", "copy.txt"):
    ...     _ = (folder / name).write_text("A note." if name == "copy.txt" else f"Note {name}.")
    >>> result = build_corpus([Files(path=str(folder), label="notes"), ExactDuplicates()], out=mkdtemp())
    >>> result.documents, result.tokens
    (3, {})

    Raises:
        EmptyError: a source gave no document, or none is left at the end.
        CorpuskitError: any other of its kinds; what was finished stays and is used by the next call.
    """
    if workers < 1:
        raise SettingError(f"workers: {workers} is less than 1", remedy="Give the number of processes.")
    if isinstance(recipe, str | Path):
        refuse_overlap(Path(out), [("the build", Path(recipe))])
        recipe = load(recipe)
    if isinstance(recipe, Recipe):
        pipeline = recipe.pipeline
    else:
        pipeline = recipe if isinstance(recipe, Pipeline) else Pipeline(tuple(recipe))
    started = time.perf_counter()
    foreseen = pipeline.tokenizer.prove() if pipeline.tokenizer is not None else []
    run = Run(out)
    refuse_overlap(run.folder, pipeline.inputs)
    run.require_ours()
    # Before anything is written: what cannot be read leaves no run behind.
    digests = Digests(run.local(run.path("logs", "digests.json")))
    earlier = open_earlier(pipeline.against)
    parts = list_parts(pipeline.sources, digests)
    pipeline.read_files()
    with run.locked():
        digests.save()
        run.clear_temporary()
        run.mend_format()
        # From here on the run is unfinished, also if this build fails.
        run.remove(LEDGER)
        run.forget(BUILD)
        run.log("begin", workers=workers)
        # The resolved recipe: as an output without the places of inputs, in `logs/` with them.
        run.write_bytes(run.path("recipe"), pipeline.resolved(public=True).encode())
        run.write_bytes(run.path("logs", "recipe.yaml"), pipeline.resolved(public=False).encode())
        sources = [label for label, _ in pipeline.sources]
        driver = _Driver(run, listen, sources)
        driver.warn([*foreseen, *no_tokens(pipeline), *unwatched(pipeline.sourceless())])
        driver.warn(changed_inputs(run, pipeline.segments()[0].folder, parts))
        with engine or LocalEngine(workers, own=pipeline.own) as running:
            records = driver.drive(steps(pipeline, run, parts, earlier), running)
        ledger = _ledger(pipeline, records)
        driver.warn(warnings_of(records.shards.facts) if records.shards is not None else records.spelled)
        if records.documents:
            driver.warn(great_losses(run, records.passes, [part.label for part in parts], ledger))
        driver.warn_of(run.sweep(driver.kept))
        account = json_text({"sources": sources, "stages": ledger.to_json()}).encode()
        run.finish(_record(run, account, driver.kept))
        # Last of all: whoever sees a ledger sees a whole run with nothing old in it.
        run.write_bytes(LEDGER, account)
        driver.report(time.perf_counter() - started, workers)
        run.log("end", seconds=round(time.perf_counter() - started, 3))
        if not records.documents:
            raise nothing_left(run, [r for one_pass in records.passes for r in one_pass], ledger)
    return _result(run, records, ledger, driver)


class _Driver:
    """Hands the tasks of each step that are not done to an engine, and keeps what is to be told of them."""

    def __init__(self, run: Run, listen: Listener | None, sources: Sequence[str]) -> None:
        self.run, self.listen, self.sources = run, listen, sources
        self.kept: set[str] = set()
        self.warnings: list[str] = []
        self.done = self.skipped = 0
        self._clocks: dict[str, dict[str, float]] = {}

    def drive(self, going: Generator[Step, list[Record], Records], engine: Engine) -> Records:
        """Run one step after the other, until there is none left."""
        step = next(going)
        while True:
            records = self._perform(step, engine)
            refuse_empty(self.run, records, self.sources)
            try:
                step = going.send(records)
            except StopIteration as end:
                found: Records = end.value
                return found

    def _perform(self, step: Step, engine: Engine) -> list[Record]:
        """Run the tasks that are not done, largest first, and return the records of all, in order."""
        self.kept |= {task.name for task in step.tasks if step.kept}
        done = {task.name: self.run.done(task.name, task.fingerprint) for task in step.tasks}
        records = {name: record for name, record in done.items() if record is not None}
        self._tell_damaged()
        # A large part that is begun last would keep one worker busy while the others have nothing to do.
        pending = sorted((t for t in step.tasks if t.name not in records), key=lambda task: -task.bytes)
        self.skipped += len(records)
        self._tell("step", title=step.title, tasks=len(step.tasks), skipped=len(records))
        for finished in engine.run(pending):
            records[finished.record.task] = finished.record
            self.done += 1
            self._note(step.title, finished)
        return [records[task.name] for task in step.tasks]

    def _tell_damaged(self) -> None:
        """Tell of each file that was found damaged, once."""
        for path in self.run.damaged:
            warning = f"{path}: was not as recorded; it is made again"
            if warning not in self.warnings:
                self.warn([warning], path)

    def _note(self, title: str, finished: FinishedTask) -> None:
        clock = self._clocks.setdefault(title, {"tasks": 0, "seconds": 0.0, "peak_bytes": 0})
        clock["tasks"] += 1
        clock["seconds"] += finished.seconds
        clock["peak_bytes"] = max(clock["peak_bytes"], finished.peak_bytes)
        for stage, seconds in finished.stages.items():
            clock[f"stage {stage}"] = clock.get(f"stage {stage}", 0.0) + seconds
        task = finished.record.task
        facts = {"task": task, "seconds": round(finished.seconds, 3), "peak_bytes": finished.peak_bytes}
        stages = {k: round(v, 4) for k, v in finished.stages.items()}
        self.run.log("done", **facts, stages=stages, **finished.told)
        # What holds of a worker, and not of a part, is said by each of its tasks.
        self.warn([w for w in finished.warnings if w not in self.warnings], task)
        self._tell("done", title=title, **facts)

    def warn(self, warnings: Iterable[str], task: str = "") -> None:
        """Log, tell and keep sentences that the user should read."""
        for warning in warnings:
            self.run.log("warning", task=task, warning=warning)
            self._tell("warning", task=task, warning=warning)
            self.warnings.append(warning)

    def warn_of(self, strangers: list[str]) -> None:
        """Say what others put among the outputs of the run."""
        if not strangers:
            return
        more = f" and {len(strangers) - 3} more" if len(strangers) > 3 else ""
        warning = f"not of this build, and left where it is: {', '.join(strangers[:3])}{more}"
        self.warn([warning])

    def _tell(self, event: str, **facts: Any) -> None:
        if self.listen is not None:
            self.listen(event, facts)

    def report(self, seconds: float, workers: int) -> None:
        """Write ``report/timings.json``: where the time of this call went. Not an output."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        totals = {"seconds": seconds, "peak_bytes_main": peak, "workers": workers}
        self.run.write_json(self.run.path("report", "timings.json"), {**totals, "steps": self._clocks})
        self.run.clear_temporary()


def _ledger(pipeline: Pipeline, records: Records) -> Ledger:
    """Add up all records in the order of the stages, and prove the sum."""
    total = Ledger()
    for record in (record for one_pass in records.passes for record in one_pass):
        total.merge(record.ledger)
    if records.planted is not None:
        total.merge(records.planted.ledger)
    if records.shards is not None:
        total.merge(records.shards.ledger)
    for record in records.decisions:
        for entry in record.ledger.entries.values():
            entry.stage = f"{entry.stage} decided"
            total.add(entry)
    order = stage_order(pipeline)
    total.entries = {label: total.entries[label] for label in order if label in total.entries}
    total.balance(sources=[label for label, _ in pipeline.sources])
    return total


def _record(run: Run, account: bytes, tasks: set[str]) -> Record:
    """The record of what no task has written: the recipe, the ledger to come, and whose records there are."""
    recipe = run.output(run.path("recipe"))
    made_from = {**RUNNER, "recipe": recipe.sha256}
    outputs = (recipe, Output(LEDGER, hashlib.sha256(account).hexdigest(), len(account)))
    facts = {"tasks": sorted(tasks)}
    return Record(BUILD, sha256_json(made_from), made_from, outputs, facts=facts)


def _result(run: Run, records: Records, ledger: Ledger, driver: _Driver) -> BuildResult:
    kept = [record.ledger.entries[FINAL] for record in records.passes[-1]]
    size = sum(entry.bytes_kept for entry in kept)
    if not size:
        raise EmptyError(
            f"{run.folder}: each of its {records.documents} documents is an empty text",
            remedy="Mend the stage that empties them: `corpuskit inspect` shows bytes by stage.",
        )
    tokens = records.shards.facts["tokens"] if records.shards is not None else {}
    return BuildResult(
        run.folder,
        records.documents,
        size,
        ledger,
        tokens,
        driver.done,
        driver.skipped,
        tuple(driver.warnings),
    )
