"""The plan of a build: its steps as a tree, with parts, bytes, and what is already done."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpuskit.build.build import Build
from corpuskit.run.folder import Record, Run
from corpuskit.run.task import Task
from corpuskit.storage.digests import Digests

if TYPE_CHECKING:
    from corpuskit.build.pipeline import Pipeline


class _NotDoneError(Exception):
    """Raised at the first step with work to do: what comes after cannot be fingerprinted yet."""


class _PlanningBuild(Build):
    """A build that looks at each step's tasks instead of running them."""

    steps: list[dict[str, Any]]

    def _save(self, digests: Digests) -> None:
        """A plan writes nothing, except for what a later build need not compute again."""
        if (self.folder / "run.json").is_file():
            digests.save()

    def perform(self, title: str, tasks: Sequence[Task]) -> list[Record]:
        records = [self.store.done(task.name, task.fingerprint) for task in tasks]
        done = [record for record in records if record is not None]
        pending = [task for task, record in zip(tasks, records, strict=True) if record is None]
        step = {"title": title, "tasks": len(tasks), "done": len(done)}
        step["bytes"] = sum(task.bytes for task in pending)
        step["pending"] = [task.name for task in pending]
        self.steps.append(step)
        if pending:
            raise _NotDoneError
        return done


def plan(pipeline: Pipeline, folder: Path) -> dict[str, Any]:
    """What a build would do now.

    Returns:
        ``parts`` (name, source, raw bytes), ``steps`` (title, tasks, done, pending, bytes of the pending),
        ``later`` (titles of steps that depend on pending ones), ``stages`` (labels by pass).
    """
    if (folder / "run.json").is_file():
        Run.open(folder)
    build = _PlanningBuild(pipeline, folder)
    build.steps = []
    parts = build.plan_parts()
    unfinished = True
    with contextlib.suppress(_NotDoneError):
        build.make(parts)
        unfinished = False
    titles = _titles(pipeline)
    reached = {step["title"] for step in build.steps}
    segments = pipeline.segments()
    return {
        "parts": [{"name": p.name, "source": p.label, "bytes": p.part.bytes} for p in parts],
        "stages": {s.folder: [label for label, _ in s.steps] for s in segments},
        "steps": build.steps,
        "later": [title for title in titles if title not in reached] if unfinished else [],
    }


def _titles(pipeline: Pipeline) -> list[str]:
    titles = []
    for segment in pipeline.segments():
        titles.append(segment.title)
        if segment.deciders:
            titles.append(f"decisions/{segment.folder}")
    if pipeline.tokenizer is not None:
        titles.append("tokenizer")
    if pipeline.shards is not None:
        titles += ["encode", "shards"]
    return titles


def render(planned: dict[str, Any]) -> str:
    """The plan as an indented tree for a terminal."""
    lines = [f"sources: {len(planned['parts'])} parts, {size(sum(p['bytes'] for p in planned['parts']))}"]
    lines += [f"  {p['name']}  {size(p['bytes'])}" for p in planned["parts"][:20]]
    if len(planned["parts"]) > 20:
        lines.append(f"  and {len(planned['parts']) - 20} more")
    for step in planned["steps"]:
        pending = len(step["pending"])
        work = f", {size(step['bytes'])} to read" if step["bytes"] else ""
        state = f"{pending} to do{work}" if pending else "nothing to do"
        lines.append(f"{step['title']}: {step['tasks']} tasks, {step['done']} done before, {state}")
        lines += [f"  {label}" for label in planned["stages"].get(step["title"].split(": ")[-1], [])]
    for title in planned["later"]:
        lines.append(f"{title}: after that")
        lines += [f"  {label}" for label in planned["stages"].get(title.split(": ")[-1], [])]
    return "\n".join(lines)


def size(count: float) -> str:
    """Bytes for a person.

    >>> size(532), size(1_300_000)
    ('532 B', '1.3 MB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
