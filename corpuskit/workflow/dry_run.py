"""A dry run of a workflow: its steps as a tree, what is done, and times and sizes where these are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from corpuskit.build.forecast.dry_run import size
from corpuskit.errors import CorpuskitError, counted
from corpuskit.workflow.digest import bytes_of
from corpuskit.workflow.file import Workflow
from corpuskit.workflow.record import Records, made_from, why_not_done
from corpuskit.workflow.sections import SECTIONS
from corpuskit.workflow.step import Step
from corpuskit.workflow.workflow import check_folders


def dry_run(
    flow: Workflow, *, plans: bool = True, tell: Callable[[str], None] | None = None
) -> dict[str, Any]:
    """What a call would do now; nothing is written.

    Args:
        plans: make some steps of trainings whose inputs are there, to see how long they take.
        tell: is told which step is timed, before that.

    Returns:
        ``steps``: of each name, section, reads, state ("done", "to do" or "after"), ``why`` it is to do, the
        steps that it waits for, and ``seconds``, ``bytes`` and ``text`` where they are known (of a step that
        waits, what it took ``before``, if that is true); ``seconds`` of all that is to do, as far as it is
        known, and ``unknown``, the steps whose time is not.

    Raises what a call would before any work.
    """
    records = Records(flow.out)
    check_folders(flow)
    seconds, waiting = records.seconds(), set[str]()
    steps = [_step(step, flow, records, seconds, waiting, plans, tell) for step in flow.steps]
    pending = [each for each in steps if each["state"] != "done"]
    return {
        "workflow": str(flow.path),
        "out": str(flow.out),
        "short": flow.short,
        "steps": steps,
        "seconds": sum(each["seconds"] or 0.0 for each in pending),
        "unknown": [each["name"] for each in pending if each["seconds"] is None],
    }


def _step(
    step: Step,
    flow: Workflow,
    records: Records,
    seconds: dict[str, float],
    waiting: set[str],
    plans: bool,
    tell: Callable[[str], None] | None,
) -> dict[str, Any]:
    """One step; its name joins `waiting` unless it is done."""
    found: dict[str, Any] = {
        "name": step.name,
        "section": step.section,
        "reads": [{"setting": each.key, "what": each.written, "step": each.step} for each in step.reads],
        "seconds": None,
        "bytes": None,
        "text": "",
        "why": "",
        "after": [],
        "before": False,
    }
    after = sorted({each.step for each in step.reads if each.step in waiting} - {None}, key=str)
    if after:
        waiting.add(step.name)
        length = SECTIONS[step.section].length(step)
        before = seconds.get(step.name) if step.name in records.steps else None
        found |= {"seconds": before if length is None else length, "before": length is None}
        return {**found, "state": "after", "after": after}
    try:
        known = step.name in records.steps or step.name in records.begun
        made = made_from(step, records, flow.out, keeps=False) if known else {}
        why = why_not_done(step, made, records) if known else "new"
    except CorpuskitError as error:
        waiting.add(step.name)
        return {**found, "state": "to do", "why": "an input is missing", "text": error.one_line()}
    if why is None:
        return {**found, "state": "done", "seconds": seconds.get(step.name), "bytes": bytes_of(step.folder)}
    waiting.add(step.name)
    found |= {"state": "to do", "why": why}
    if plans or step.section in ("fetch", "build"):
        if tell is not None and SECTIONS[step.section].times_itself:
            tell(f"{step.section} {step.name}: some of its steps are made, to time them")
        found |= SECTIONS[step.section].outlook(step)
    return found


def render(planned: dict[str, Any]) -> str:
    """A dry run as a tree for a terminal."""
    steps = planned["steps"]
    lines = [f"{planned['workflow']} -> {planned['out']}{' (short)' if planned['short'] else ''}"]
    names = [f"{each['section']} {each['name']}" for each in steps]
    width = max(map(len, names))
    for number, (name, each) in enumerate(zip(names, steps, strict=True)):
        last = number == len(steps) - 1
        reads = list(dict.fromkeys(read["what"] for read in each["reads"]))
        lines.append(f"{'└─' if last else '├─'} {name:{width}}  {_state(each)}")
        stem = "  " if last else "│ "
        if reads:
            lines.append(f"{stem}   reads {', '.join(reads)}")
        if each["text"]:
            lines.append(f"{stem}   {each['text']}")
    done = sum(each["state"] == "done" for each in steps)
    todo = f"{counted(len(steps), 'step')}, {done} done"
    if done < len(steps):
        known = planned["seconds"]
        todo += f"; to do: {duration(known)}" if known else "; to do"
        if planned["unknown"]:
            todo += f"{' and' if known else ':'} what is not known of {', '.join(planned['unknown'])}"
    return "\n".join([*lines, todo])


def _state(each: dict[str, Any]) -> str:
    if each["state"] == "after":
        waits = f"after {', '.join(each['after'])}"
        if each["seconds"] is None:
            return waits
        took = duration(each["seconds"])
        return f"{waits}; {took} last time" if each["before"] else f"{waits}, about {took}"
    if each["state"] == "done":
        took = f", {duration(each['seconds'])}" if each["seconds"] is not None else ""
        return f"done{took}, {size(each['bytes'])}"
    about = f", about {duration(each['seconds'])}" if each["seconds"] is not None else ""
    return f"to do ({each['why']}){about}"


def duration(seconds: float) -> str:
    """Seconds for a person.

    >>> duration(0.4), duration(59), duration(150), duration(9000)
    ('0.4 s', '59 s', '2.5 min', '2.5 h')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
