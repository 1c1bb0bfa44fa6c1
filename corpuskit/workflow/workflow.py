"""Doing a workflow: the steps that are not done, in order, each by the function of its command."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpuskit.errors import RunError, SettingError, StorageError
from corpuskit.storage.files import sha256_json
from corpuskit.storage.ownership import (
    EXPORT,
    FETCHED,
    MODEL,
    RUN,
    TEACHER,
    WORKFLOW,
    Kind,
    claim,
    kind_of_folder,
    refuse_foreign,
    refuse_overlap,
)
from corpuskit.workflow.file import Workflow
from corpuskit.workflow.record import Records, made_from, why_not_done
from corpuskit.workflow.sections import SECTIONS
from corpuskit.workflow.step import Call, Makes, Step, Stopped, Watch

_KINDS: dict[Makes, Kind] = {
    "fetched files": FETCHED,
    "run": RUN,
    "model": MODEL,
    "answers": TEACHER,
    "export": EXPORT,
}


@dataclass(frozen=True)
class Done:
    """What a call has done of a workflow.

    Attributes:
        out: its folder.
        done: the steps that were done, with what is to be told of each and the seconds that it took.
        kept: names of those that had been done before.
        stopped: the step that a signal stopped; the same call goes on with it.
    """

    out: Path
    done: dict[str, dict[str, Any]]
    kept: tuple[str, ...]
    stopped: str | None = None


def run_workflow(flow: Workflow, *, workers: int = 1, watch: Watch | None = None) -> Done:
    """Do what of a workflow is not done.

    A step is done again when a setting of it, something that it reads, or what it has made is not as it was
    recorded; and those that read it then are, too. What was begun is gone on with: a call that was killed
    leaves what a call in one go would have left.

    Args:
        workers: processes of a build.
        watch: hears of the progress.

    Raises:
        SettingError: the folder lies in what is read, or the folder of a step is of another kind.
        RunError: the folder is no workflow's, or another process is working on it.
        CorpuskitError: what a step raises; the steps before it stay done.
    """
    watch, records = watch or Watch(), Records(flow.out)
    check_folders(flow)
    done: dict[str, dict[str, Any]] = {}
    kept: list[str] = []
    with claim(flow.out, WORKFLOW, RunError):
        records.save()
        for number, step in enumerate(flow.steps, 1):
            made = made_from(step, records, flow.out, keeps=True)
            why = why_not_done(step, made, records)
            if why is None:
                kept.append(step.name)
                watch.kept(step)
                continue
            watch.begins(step, number, len(flow.steps), why)
            try:
                done[step.name] = _do(step, made, records, workers, watch)
            except Stopped:
                return Done(flow.out, done, tuple(kept), step.name)
    return Done(flow.out, done, tuple(kept))


def _do(step: Step, made: dict[str, Any], records: Records, workers: int, watch: Watch) -> dict[str, Any]:
    """Do a step and record it."""
    fingerprint, began = sha256_json(made), time.monotonic()
    begun = records.holds(step.name, fingerprint)
    records.log("begin", step=step.name, goes_on=begun)
    records.begin(step.name, fingerprint)
    try:
        with watch.work(step) as listen:
            call = Call(workers, begun, listen, lambda: records.hold(step.name))
            facts = SECTIONS[step.section].do(step, call)
    except BaseException:
        records.log("stopped", step=step.name, seconds=round(time.monotonic() - began, 3))
        raise
    identity = SECTIONS[step.section].identity(step)
    if identity is None:
        raise StorageError(
            f"{step.folder}: is not whole after {step.section} {step.name} has ended",
            remedy="Look at the disk, and call the same command again.",
        )
    seconds = round(time.monotonic() - began, 3)
    record = {"section": step.section, "fingerprint": fingerprint, "made_from": made, "identity": identity}
    records.finish(step.name, record)
    records.log("done", step=step.name, seconds=seconds)
    watch.ends(step, seconds, facts)
    return {**facts, "seconds": seconds}


def check_folders(flow: Workflow) -> None:
    """Raise where the folder of the workflow, or of a step, is not to be written, before any work."""
    refuse_foreign(flow.out, WORKFLOW, RunError)
    reads = [(f"{step.section} {step.name}", each.path) for step in flow.steps for each in step.reads]
    inside = flow.out.resolve()
    read = [(name, path) for name, path in reads if path and not path.resolve().is_relative_to(inside)]
    refuse_overlap(flow.out, [("the workflow", flow.path), *read])
    for step in flow.steps:
        kind = _KINDS.get(SECTIONS[step.section].makes(step))
        found = kind_of_folder(step.folder) if step.folder.is_dir() else None
        if found is not None and found is not kind:
            raise SettingError(
                f"{step.folder}: is {found}, and {step.section} {step.name} is to be written there",
                remedy="Rename the step, or move the folder away.",
            )
        if kind is not None:
            refuse_foreign(step.folder, kind, SettingError)
