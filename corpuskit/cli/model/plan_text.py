"""How a plan is shown at a terminal."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from rich.console import Console

from corpuskit.cli.terminal import wrapped
from corpuskit.errors import counted

if TYPE_CHECKING:
    from corpuskit.train.model.cost import Memory
    from corpuskit.train.plan.plan import Plan


_BESIDE = 60
"""Columns from which on there is room for names and figures beside each other."""


def plan_text(plan: Plan, width: int) -> str:
    """Figures by name, then what to expect and what to change, in lines of so many columns."""
    figures = _figures(plan)
    longest = max(len(name) for name, _ in figures) + 2
    lines = []
    for name, value in figures:
        if width < _BESIDE:
            lines += [name, textwrap.indent(wrapped(value, width - 2), "  ")]
        else:
            first, *more = wrapped(value, width - longest).split("\n")
            lines += [f"{name:{longest}}{first}", *(" " * longest + each for each in more)]
    for note in plan.notes:
        lines.append(wrapped(note, width))
    if plan.expectation:
        lines += ["", wrapped(plan.expectation, width)]
    for item in plan.advice:
        lines.append("- " + wrapped(str(item), width - 2).replace("\n", "\n  "))
    return "\n".join(lines)


class PlanProgress:
    """What a plan is doing: a line that moves on a terminal, a line for each kind of work elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console, self._before = console, ""
        self._status = console.status("") if console.is_terminal else None

    def __enter__(self) -> PlanProgress:
        if self._status:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status:
            self._status.stop()

    def __call__(self, what: str, number: int) -> None:
        """Say what is done for which time."""
        if self._status:
            self._status.update(f"{what}: {number} ...")
        elif what != self._before:
            self._console.print(f"{what} ...", markup=False, highlight=False, soft_wrap=True)
        self._before = what


def _figures(plan: Plan) -> list[tuple[str, str]]:
    s = plan.settings
    rows = [
        (
            "model",
            f"{plan.parameters:,} parameters: {counted(plan.shape.layers, 'layer')} of {plan.shape.width} "
            f"({plan.task})",
        ),
        ("corpus", f"{plan.train_tokens:,} training tokens"),
        ("reads", f"{plan.tokens:,} tokens: {plan.epochs:,.1f} epochs, {counted(plan.steps, 'step')}"),
        (
            "batch",
            f"{counted(s.batch_rows or 0, 'row')}, {counted(plan.batch_tokens, 'token')}; "
            f"{counted(s.micro_batch_rows or 0, 'row')} at a time",
        ),
        (
            "rate",
            f"{s.learning_rate:g} ({s.schedule}), dropout {plan.shape.dropout:g}, "
            f"weight decay {s.weight_decay or 0:g}",
        ),
        ("memory", f"{_size(plan.memory.total)}: {_parts(plan.memory)}"),
        ("to write with", f"{_size(plan.generation.total)}: one text of {plan.shape.context} tokens"),
        ("time", f"{_duration(plan.seconds)} on {plan.device}, {s.precision}; {_step(plan)}"),
        (
            "work",
            f"{plan.flops:.2e} operations, {plan.flops / plan.steps / plan.seconds_per_step:.2e} a second",
        ),
    ]
    if plan.cost is not None:
        rows.append(("cost", f"{plan.cost:,.2f}"))
    return rows


def _step(plan: Plan) -> str:
    return f"{plan.seconds_per_step:.3g} s a step, {plan.batch_tokens / plan.seconds_per_step:,.0f} tokens/s"


def _parts(memory: Memory) -> str:
    parts = {name: value for name, value in vars(memory).items() if value}
    return ", ".join(f"{name} {_size(value)}" for name, value in parts.items())


def _size(size: int) -> str:
    """Bytes for a person.

    >>> _size(3 * 2**20), _size(5 * 2**30)
    ('3.0 MiB', '5.0 GiB')
    """
    return f"{size / 2**30:,.1f} GiB" if size >= 2**30 else f"{size / 2**20:,.1f} MiB"


def _duration(seconds: float) -> str:
    """Seconds for a person.

    >>> _duration(95), _duration(4000), _duration(200_000)
    ('1.6 minutes', '1.1 hours', '2.3 days')
    """
    for size, name in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds:.0f} seconds"
