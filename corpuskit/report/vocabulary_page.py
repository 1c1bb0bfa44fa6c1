"""The vocabulary report as one HTML file that asks nothing of any other: tables, and charts in SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from corpuskit.report.vocabulary_text import Table, headline, tables

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
div.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #8884; white-space: pre; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
table.prose :is(th, td):last-child { text-align: left; white-space: pre-wrap; }
p.note { color: #777; font-size: .9rem; margin: .3rem 0; }
svg text { fill: currentColor; font: 12px system-ui, sans-serif; }
svg .line { fill: none; stroke: #3b74c9; stroke-width: 2; } svg .mark { fill: #3b74c9; }
svg .axis { stroke: #8888; }
"""

_WIDE, _HIGH, _LEFT, _BELOW = 640, 260, 60, 40


def page(facts: dict[str, Any], tokens: list[dict[str, Any]]) -> str:
    """The page. Whatever comes from documents or tokens is escaped.

    Args:
        facts, tokens: of a `VocabularyReport`.
    """
    parts = [f"<p>{escape(headline(facts))}</p>"]
    for table in tables(facts, tokens):
        parts.append(f"<h2>{escape(table.title)}</h2>")
        if table.title.startswith("What a smaller"):
            parts.append(_curve(facts["curve"]))
        elif table.title.startswith("Bytes per token"):
            parts.append(_bars(facts))
        parts.append(_table(table))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Vocabulary of {escape(facts['run'])}</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>Vocabulary report</h1>\n{chr(10).join(parts)}\n</body></html>\n"
    )


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.head)
    rows = "\n".join(
        f"<tr>{''.join(f'<td>{escape(_seen(cell))}</td>' for cell in row)}</tr>" for row in table.rows
    )
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in table.notes)
    kind = ' class="prose"' if table.prose else ""
    return f'<div class="wide"><table{kind}><tr>{head}</tr>\n{rows}</table></div>{notes}'


def _seen(text: str) -> str:
    """A text without what a page may not hold: control characters and halves of surrogate pairs."""
    return "".join(c if c.isprintable() or c == " " else f"\\u{ord(c):04x}" for c in text)


def _curve(points: Sequence[dict[str, Any]]) -> str:
    """Bytes per token over the size of the vocabulary, sizes on a scale of logarithms."""
    sizes = [point["vocab_size"] for point in points]
    logs = list(map(math.log2, sizes))
    values = [point["bytes_per_token"] for point in points]
    low, high = logs[0], logs[-1]
    top = max(values) * 1.1 or 1.0
    across = [_LEFT + (x - low) / ((high - low) or 1) * (_WIDE - _LEFT - 20) for x in logs]
    up = [_HIGH - _BELOW - y / top * (_HIGH - _BELOW - 10) for y in values]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, up, strict=True))
    marks = "".join(
        f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{size:,}: {value:.3f}</title></circle>'
        f'<text x="{x:.1f}" y="{_HIGH - _BELOW + 16}" text-anchor="middle">{_short(size)}</text>'
        for x, y, size, value in zip(across, up, sizes, values, strict=True)
    )
    ticks = "".join(
        f'<text x="{_LEFT - 8}" y="{_HIGH - _BELOW - y / top * (_HIGH - _BELOW - 10) + 4:.1f}"'
        f' text-anchor="end">{y}</text>'
        for y in range(math.ceil(top))
    )
    axes = (
        f'<line class="axis" x1="{_LEFT}" y1="10" x2="{_LEFT}" y2="{_HIGH - _BELOW}"/>'
        f'<line class="axis" x1="{_LEFT}" y1="{_HIGH - _BELOW}" x2="{_WIDE}" y2="{_HIGH - _BELOW}"/>'
    )
    label = f'<text x="{_WIDE / 2}" y="{_HIGH - 4}" text-anchor="middle">tokens in the vocabulary</text>'
    label += f'<text x="{_LEFT + 6}" y="20">bytes a token</text>'
    return _svg(_HIGH, f'{axes}{ticks}<polyline class="line" points="{line}"/>{marks}{label}')


def _short(size: int) -> str:
    return f"{size / 1024:g}k" if size >= 1024 and size % 1024 == 0 else f"{size:,}"


def _bars(facts: dict[str, Any]) -> str:
    """Bytes per token by language, or by source where there is one language, with intervals."""
    groups = facts["languages"] if len(facts["languages"]) > 1 else facts["sources"]
    shown = [(name or "(unknown)", group["bytes_per_token"]) for name, group in groups.items()]
    shown = [(name, found) for name, found in shown if found["value"] is not None]
    if not shown:
        return ""
    top = max((found["interval"] or [0, found["value"]])[1] for _, found in shown) or 1.0
    scale = (_WIDE - 220) / top
    bars = []
    for place, (name, found) in enumerate(shown):
        y = 6 + 24 * place
        bars.append(
            f'<text x="150" y="{y + 13}" text-anchor="end">{escape(_seen(name[:24]))}</text>'
            f'<rect class="mark" x="158" y="{y}" width="{found["value"] * scale:.1f}" height="16" rx="2"/>'
        )
        end = found["value"]
        if found["interval"]:
            low, end = max(0.0, found["interval"][0]), found["interval"][1]
            bars.append(
                f'<line stroke="currentColor" x1="{158 + low * scale:.1f}" x2="{158 + end * scale:.1f}"'
                f' y1="{y + 8}" y2="{y + 8}"/>'
            )
        bars.append(f'<text x="{164 + end * scale:.1f}" y="{y + 13}">{found["value"]:.2f}</text>')
    return _svg(24 * len(shown) + 12, "".join(bars))


def _svg(high: int, inside: str) -> str:
    return f'<svg viewBox="0 0 {_WIDE} {high}" width="{_WIDE}" height="{high}" role="img">{inside}</svg>'
