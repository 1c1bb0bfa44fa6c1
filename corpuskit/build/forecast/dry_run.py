"""A dry run: the steps of a build as a tree, with parts, bytes, and what is already done."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from corpuskit.build.decide.earlier import open_earlier
from corpuskit.build.parts import list_parts
from corpuskit.build.pipeline import Pipeline
from corpuskit.build.steps import Step, steps, titles
from corpuskit.build.told import foreseen, no_tokens, warnings_of
from corpuskit.errors import RunLockedError, StorageError, counted
from corpuskit.run.folder import Run
from corpuskit.storage.digests import Digests
from corpuskit.storage.ownership import refuse_overlap


def dry_run(pipeline: Pipeline, folder: Path) -> dict[str, Any]:
    """What a build would do now.

    Returns:
        ``parts`` (name, source, raw bytes), ``steps`` (title, tasks, done, pending, bytes of the pending),
        ``later`` (titles of steps that depend on pending ones), ``stages`` (labels by pass), ``warnings``.
        Raises what a build would before it reads a document.
    """
    warnings = pipeline.tokenizer.prove() if pipeline.tokenizer is not None else []
    run = Run(folder)
    run.require_ours()
    refuse_overlap(run.folder, pipeline.inputs)
    begun = run.exists(run.path("run"))
    digests = Digests(run.local(run.path("logs", "digests.json")))
    earlier = open_earlier(pipeline.against)
    parts = list_parts(pipeline.sources, digests)
    if begun:  # Nothing else is written, but a later build need not compute these again.
        with suppress(RunLockedError, StorageError), run.locked():
            digests.save()
    reached: list[dict[str, Any]] = []
    warnings += no_tokens(pipeline)
    warnings += foreseen(pipeline.split, sum(part.part.bytes for part in parts))
    going = steps(pipeline, run, parts, earlier)
    step: Step | None = next(going)
    while step is not None:
        records = [run.done(task.name, task.fingerprint) for task in step.tasks]
        done = [record for record in records if record is not None]
        pending = [task for task, record in zip(step.tasks, records, strict=True) if record is None]
        counts = {"title": step.title, "tasks": len(step.tasks), "done": len(done)}
        work = {"bytes": sum(task.bytes for task in pending), "pending": [task.name for task in pending]}
        reached.append({**counts, **work})
        if pending:  # What comes after it cannot be fingerprinted yet.
            break
        try:
            step = going.send(done)
        except StopIteration as end:
            step = None
            warnings += warnings_of(end.value.shards.facts) if end.value.shards is not None else []
    seen = {one["title"] for one in reached}
    return {
        "parts": [{"name": p.name, "source": p.label, "bytes": p.part.bytes} for p in parts],
        "stages": {s.folder: [label for label, _ in s.steps] for s in pipeline.segments()},
        "steps": reached,
        "later": [title for title in titles(pipeline) if title not in seen] if step is not None else [],
        "warnings": warnings,
    }


def render(planned: dict[str, Any]) -> str:
    """A dry run as an indented tree for a terminal."""
    read = size(sum(part["bytes"] for part in planned["parts"]))
    lines = [f"sources: {counted(len(planned['parts']), 'part')}, {read}"]
    lines += [f"  {p['name']}  {size(p['bytes'])}" for p in planned["parts"][:20]]
    if len(planned["parts"]) > 20:
        lines.append(f"  and {len(planned['parts']) - 20} more")
    for step in planned["steps"]:
        pending = len(step["pending"])
        work = f", {size(step['bytes'])} to read" if step["bytes"] else ""
        state = f"{pending} to do{work}" if pending else "nothing to do"
        lines.append(
            f"{step['title']}: {counted(step['tasks'], 'task')}, {step['done']} done before, {state}"
        )
        lines += [f"  {label}" for label in planned["stages"].get(step["title"].split(": ")[-1], [])]
    for title in planned["later"]:
        lines.append(f"{title}: after that")
        lines += [f"  {label}" for label in planned["stages"].get(title.split(": ")[-1], [])]
    lines += [f"warning: {warning}" for warning in planned["warnings"]]
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
