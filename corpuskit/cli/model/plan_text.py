"""How a plan is shown at a terminal."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rich.table import Table

from corpuskit.cli.terminal import plain_console

if TYPE_CHECKING:
    from corpuskit.train.model.cost import Memory
    from corpuskit.train.plan.plan import Plan


def plan_text(plan: Plan) -> str:
    """A table of figures, then what to expect and what to change."""
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in _figures(plan):
        table.add_row(name, value)
    lines = io.StringIO()
    console = plain_console(file=lines, width=110)
    console.print(table)
    console.print()
    console.print(plan.expectation)
    for item in plan.advice:
        console.print(f"- {item}", markup=False)
    return "\n".join(line.rstrip() for line in lines.getvalue().splitlines())


def _figures(plan: Plan) -> list[tuple[str, str]]:
    s = plan.settings
    rows = [
        ("model", f"{plan.parameters:,} parameters: {s.layers} layers of {s.width} ({s.objective})"),
        ("corpus", f"{plan.train_tokens:,} training tokens"),
        ("reads", f"{plan.tokens:,} tokens: {plan.epochs:,.1f} epochs, {plan.steps:,} steps"),
        ("batch", f"{s.batch_rows} rows, {plan.batch_tokens:,} tokens; {s.micro_batch_rows} rows at a time"),
        (
            "rate",
            f"{s.learning_rate:g} ({s.schedule}), dropout {s.dropout:g}, weight decay {s.weight_decay:g}",
        ),
        ("memory", f"{_size(plan.memory.total)}: {_parts(plan.memory)}"),
        ("to write with", f"{_size(plan.generation.total)}: one text of {s.context} tokens"),
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
