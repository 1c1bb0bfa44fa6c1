"""The house of the engine: includes go downwards; folders, lines and functions stay short."""

from __future__ import annotations

import re
from pathlib import Path

NATIVE = Path(__file__).parents[2] / "native"
SOURCES = {
    path.relative_to(NATIVE).as_posix(): path.read_text(encoding="utf-8").splitlines()
    for pattern in ("*.cpp", "*.hpp")
    for path in sorted(NATIVE.rglob(pattern))
}

MAY_INCLUDE = {
    "text": (),
    "dedup": ("text",),
    "ngrams": ("text",),
    "normalize": ("text",),
    "bpe": ("text",),
    "gutenberg": ("text",),
    "bzip2": (),
    "quality": ("text",),
    "mediawiki": ("text",),
    "wikitext": ("text",),
    "wikitext/templates": ("text", "wikitext"),
    "wikitext/templates/convert": ("text", "wikitext", "wikitext/templates"),
    "wikitext/parse": ("text", "wikitext", "wikitext/templates"),
    "wikitext/expand": ("text", "wikitext", "wikitext/templates", "wikitext/parse"),
    "wikitext/audit": ("text", "wikitext", "wikitext/templates", "wikitext/parse"),
}
"""Folders of native/engine, and those that each may include beside itself."""

MOST_COLUMNS, MOST_LINES, MOST_FILES = 100, 80, 18
"""Of a line, of a function, of a folder."""


def test_lines_end_at_100_columns() -> None:
    ends = {f"{name}:{n}": len(line) for name, lines in SOURCES.items() for n, line in enumerate(lines, 1)}
    assert {place: end for place, end in ends.items() if end > MOST_COLUMNS} == {}


def test_includes_go_downwards() -> None:
    for name, lines in SOURCES.items():
        if name.startswith("engine/"):
            folder = name.removeprefix("engine/").rpartition("/")[0]
            paths = re.findall(r'^#include "engine/(.*)/[^/]*"$', "\n".join(lines), re.MULTILINE)
            assert {*paths} <= {folder, *MAY_INCLUDE[folder]}, name
            assert len(paths) == sum(line.startswith('#include "') for line in lines), name


def test_a_folder_has_at_most_18_files() -> None:
    for folder in MAY_INCLUDE:
        assert 0 < sum(p.is_file() for p in (NATIVE / "engine" / folder).iterdir()) <= MOST_FILES, folder


def test_a_function_has_at_most_80_lines() -> None:
    """One ends with a brace alone on a line, and begins with the line before that is indented alike."""
    long = {}
    for name, lines in SOURCES.items():
        for last, line in enumerate(lines):
            if line in ("}", "    }"):
                begin = re.compile(line.replace("}", "") + r"[^\s}]")
                first = next(i for i in range(last - 1, -1, -1) if begin.match(lines[i]))
                long[f"{name}:{first + 1} {lines[first].strip()}"] = last - first + 1
    assert {place: size for place, size in long.items() if size > MOST_LINES} == {}
    assert len(long) > 500, "the ends of functions were found"
