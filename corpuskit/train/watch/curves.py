"""OUT/curves.svg: loss, validation, learning rate and scores of samples over the steps of a run.

Written by hand as SVG, which every browser opens; it holds no time and no path, so equal runs have equal
pictures. A long run's losses are averaged over neighbouring steps as they come: memory does not grow with it.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from corpuskit.storage.files import write_file
from corpuskit.train.watch.events import Event, damaged_line

NAME = "curves.svg"

_POINTS = 1000  # The panel is 694 units wide: more would not be seen.
_WIDTH, _LEFT, _RIGHT = 960, 66, 200
_PANELS = {"loss": 330, "learning rate": 110, "samples": 130}
_TOP, _GAP, _BOTTOM = 64, 46, 40
# Okabe and Ito's colours, which the colour-blind tell apart.
_TRAIN, _VALIDATION, _RATE = "#0072B2", "#D55E00", "#555555"
_MORE = ("#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D00", "#000000")
_SCORES = {"known_words": "known words", "distinct_2": "different pairs", "right": "gaps filled right"}
_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Point = tuple[float, float]


@dataclass
class Series:
    """Values over steps, as at most 2 * _POINTS means of neighbouring ones."""

    points: list[Point] = field(default_factory=list)
    _each: int = 1
    _open: list[Point] = field(default_factory=list)

    def add(self, step: float, value: float | None) -> None:
        """Add a value; one that is not finite is left out."""
        if value is None or not math.isfinite(value):
            return
        self._open.append((step, value))
        if len(self._open) < self._each:
            return
        self.points.append(_mean(self._open))
        self._open = []
        if len(self.points) >= 2 * _POINTS:
            self.points = [_mean(self.points[i : i + 2]) for i in range(0, len(self.points), 2)]
            self._each *= 2

    def all(self) -> list[Point]:
        """The points, and the mean of those that make no whole one yet."""
        return [*self.points, *([_mean(self._open)] if self._open else [])]


class Curves:
    """Collects what is drawn from events; draws when a checkpoint is saved and when the run stops."""

    def __init__(self, out: Path, log: Path | None = None) -> None:
        """Draw into the model folder `out`; a run that goes on begins with the events of its log."""
        self._path = out / NAME
        self._title = ""
        self._train, self._validation, self._rate = Series(), Series(), Series()
        self._sources: dict[str, Series] = {}
        self._samples: list[tuple[int, str, dict[str, float | None]]] = []
        self._held_out: list[tuple[int, dict[str, float | None]]] = []
        self._best: Point | None = None
        if log is not None:
            with open(log, encoding="utf-8") as file:
                for number, line in enumerate(file, 1):
                    try:
                        self._take(json.loads(line))
                    except (ValueError, KeyError, TypeError, AttributeError) as error:
                        raise damaged_line(log, number, line) from error

    def __call__(self, event: Event) -> None:
        """Take an event, and draw if it is time."""
        self._take(event)
        if event["event"] in ("save", "stop") and self._train.all():
            write_file(self._path, self.svg().encode())

    def _take(self, event: Event) -> None:
        kind, step = event["event"], event["step"]
        if kind == "start":
            size, tokens = event["parameters"] / 1e6, event["train_tokens"]
            self._title = f"{size:,.1f}M parameters, {tokens:,} training tokens"
        elif kind == "step":
            self._train.add(step + 1, event["loss"])
            self._rate.add(step + 1, event["learning_rate"])
        elif kind == "validation":
            self._validation.add(step, event["loss"])
            if event["best"] and event["loss"] is not None:
                self._best = (step, event["loss"])
            for source, each in event.get("sources", {}).items():
                self._sources.setdefault(source, Series()).add(step, each["loss"])
        elif kind == "sample":
            self._samples.append((step, event["text"], event.get("scores") or {}))
            self._held_out.append((step, event.get("held_out") or {}))

    def svg(self) -> str:
        """The picture."""
        train = self._train.all()
        last = max(point[0] for point in [*train, *self._validation.all()])
        panels = {name: height for name, height in _PANELS.items() if name != "samples" or self._scores()}
        height = _TOP + sum(panels.values()) + _GAP * (len(panels) - 1) + _BOTTOM
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
            f'height="{height}" font-family="Helvetica, Arial, sans-serif" font-size="12">',
            f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
            _text(_LEFT, 24, self._title, size=15),
        ]
        top = _TOP
        for name, tall in panels.items():
            draw = {"loss": self._draw_loss, "learning rate": self._draw_rate, "samples": self._draw_samples}
            parts += draw[name](top, tall, last)
            top += tall + _GAP
        middle = _LEFT + (_WIDTH - _LEFT - _RIGHT) / 2
        parts.append(_text(middle, height - 4, "steps", anchor="middle"))
        return "\n".join([*parts, "</svg>", ""])

    def _draw_loss(self, top: float, tall: float, last: float) -> Iterator[str]:
        train, measured = self._train.all(), self._validation.all()
        smooth = _smoothed(train)
        sources = {name: series.all() for name, series in self._sources.items()}
        # The first steps are far above all others: they may leave the picture at its top.
        settled = [value for step, value in smooth if step >= last / 50] or [train[-1][1]]
        shown = [*settled, *(value for points in (measured, *sources.values()) for _, value in points)]
        low = min([*shown, *(value for _, value in train)])
        panel = _Panel(top, tall, last, low, max(shown), "loss (nats per token)")
        yield from panel.frame()
        yield panel.line(train, _TRAIN, 0.8, faint=True)
        yield panel.line(smooth, _TRAIN, 1.8)
        legend = [("train", _TRAIN, f"{smooth[-1][1]:.3f}")]
        for (name, points), colour in zip(sources.items(), itertools.cycle(_MORE), strict=False):
            yield panel.line(points, colour, 1.4)
            legend.append((name, colour, f"{points[-1][1]:.3f}" if points else ""))
        if measured:
            yield panel.line(measured, _VALIDATION, 2.0, dots=True)
            legend.insert(1, ("validation", _VALIDATION, f"{measured[-1][1]:.3f}"))
        if self._best:
            yield panel.ring(self._best, _VALIDATION)
            legend.insert(2, (f"best at {self._best[0]:,}", "none", f"{self._best[1]:.3f}"))
        yield from panel.legend(legend)

    def _draw_rate(self, top: float, tall: float, last: float) -> Iterator[str]:
        points = self._rate.all()
        peak = max(value for _, value in points)
        panel = _Panel(top, tall, last, 0.0, peak or 1.0, "learning rate")
        yield from panel.frame()
        yield panel.line(points, _RATE, 1.8)
        yield from panel.legend([("now", _RATE, f"{points[-1][1]:.2g}"), ("greatest", "none", f"{peak:.2g}")])

    def _scores(self) -> list[str]:
        """The scores that are drawn and that some sample has."""
        return [n for n in _SCORES if any(scores.get(n) is not None for _, _, scores in self._samples)]

    def _draw_samples(self, top: float, tall: float, last: float) -> Iterator[str]:
        thin = "; thin: held-out text" if any(scores for _, scores in self._held_out) else ""
        panel = _Panel(top, tall, last, 0.0, 1.0, f"samples (share{thin})")
        yield from panel.frame()
        legend = []
        for name, colour in zip(self._scores(), _MORE, strict=False):
            found = [(step, scores.get(name), text) for step, text, scores in self._samples]
            points = [(float(step), value) for step, value, _ in found if value is not None]
            yield panel.line(points, colour, 1.6)
            beside = [
                (float(step), each) for step, of in self._held_out if (each := of.get(name)) is not None
            ]
            if beside:
                yield panel.line(beside, colour, 0.6)
            for step, value, text in found:
                if value is not None:
                    # What the model wrote shows where the pointer rests.
                    yield panel.dot((step, value), colour, f"step {step:,}: {text}")
            legend.append((_SCORES[name], colour, f"{points[-1][1]:.0%}"))
        yield from panel.legend(legend)


class _Panel:
    """One diagram: from values to places on the picture."""

    def __init__(self, top: float, tall: float, last: float, low: float, high: float, title: str) -> None:
        room = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
        self._top, self._tall, self._last, self._title = top, tall, max(last, 1.0), title
        self._low, self._high = (low if low == 0 else low - room), high + room
        self._wide = _WIDTH - _LEFT - _RIGHT

    def _x(self, step: float) -> float:
        return _LEFT + self._wide * step / self._last

    def _y(self, value: float) -> float:
        share = (value - self._low) / (self._high - self._low)
        return self._top + self._tall * (1 - min(max(share, 0.0), 1.0))

    def frame(self) -> Iterator[str]:
        """Title, grid and the numbers at it."""
        bottom = self._top + self._tall
        yield _text(_LEFT, self._top - 9, self._title, weight="bold")
        for value in ticks(self._low, self._high, max(3, round(self._tall / 45))):
            y = self._y(value)
            yield f'<path d="M{_LEFT} {y:.1f}h{self._wide}" stroke="#e3e3e3"/>'
            yield _text(_LEFT - 8, y + 4, f"{value:g}", anchor="end")
        for step in ticks(0, self._last, 6):
            x = self._x(step)
            yield f'<path d="M{x:.1f} {self._top:.1f}V{bottom:.1f}" stroke="#f0f0f0"/>'
            yield _text(x, bottom + 16, f"{step:,.0f}" if step == int(step) else f"{step:g}", anchor="middle")
        yield f'<path d="M{_LEFT} {self._top:.1f}V{bottom:.1f}h{self._wide}" stroke="#777777" fill="none"/>'

    def line(
        self, points: Sequence[Point], colour: str, width: float, *, faint: bool = False, dots: bool = False
    ) -> str:
        """A line through points; what lies above the panel is drawn at its top."""
        if not points:
            return ""
        path = " ".join(f"{self._x(step):.1f},{self._y(value):.1f}" for step, value in points)
        drawn = (
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}" '
            f'stroke-linejoin="round"{" opacity=" + chr(34) + "0.3" + chr(34) if faint else ""}/>'
        )
        return "\n".join([drawn, *(self.dot(point, colour) for point in points if dots)])

    def dot(self, point: Point, colour: str, title: str = "") -> str:
        """A mark at a point, with what is said about it."""
        said = f"<title>{_safe(title)}</title>" if title else ""
        return (
            f'<circle cx="{self._x(point[0]):.1f}" cy="{self._y(point[1]):.1f}" r="2.6" '
            f'fill="{colour}">{said}</circle>'
        )

    def ring(self, point: Point, colour: str) -> str:
        """A ring around a point."""
        return (
            f'<circle cx="{self._x(point[0]):.1f}" cy="{self._y(point[1]):.1f}" r="6" fill="none" '
            f'stroke="{colour}" stroke-width="1.6"/>'
        )

    def legend(self, entries: Sequence[tuple[str, str, str]]) -> Iterator[str]:
        """Names, colours and last values beside the panel."""
        x = _LEFT + self._wide + 16
        for number, (name, colour, value) in enumerate(entries):
            y = self._top + 12 + 18 * number
            if colour != "none":
                yield f'<path d="M{x} {y - 4:.1f}h16" stroke="{colour}" stroke-width="3"/>'
            short = name if len(name) <= 18 else name[:17] + "…"
            yield _text(x + 22, y, short)
            yield _text(_WIDTH - 10, y, value, anchor="end")


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers between low and high, about so many.

    >>> ticks(0, 1000, 5), ticks(2.9, 4.1, 4)
    ([0.0, 200.0, 400.0, 600.0, 800.0, 1000.0], [3.0, 3.5, 4.0])
    """
    if not high > low:
        return [low]
    raw = (high - low) / about
    unit = 10.0 ** math.floor(math.log10(raw))
    # What is a multiple but for rounding counts as one.
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 12) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _mean(points: Sequence[Point]) -> Point:
    return sum(step for step, _ in points) / len(points), sum(value for _, value in points) / len(points)


def _smoothed(points: Sequence[Point]) -> list[Point]:
    """Each value as a mean of those before it, of which the last fiftieth counts most."""
    keep = 1 - 1 / max(1.0, len(points) / 50)
    smooth: list[Point] = []
    total = weight = 0.0
    for step, value in points:
        total, weight = total * keep + value, weight * keep + 1
        smooth.append((step, total / weight))
    return smooth


def _safe(text: str) -> str:
    """Text as XML can hold it."""
    return escape(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text))


def _text(x: float, y: float, text: str, **style: Any) -> str:
    anchor, size, weight = style.get("anchor", "start"), style.get("size", 12), style.get("weight", "normal")
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" '
        f'fill="#222222">{_safe(text)}</text>'
    )
