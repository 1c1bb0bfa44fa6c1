"""The house of the engine: includes go downwards, folders and lines stay short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

NATIVE = Path(__file__).parents[2] / "native"
SOURCES = sorted([*NATIVE.rglob("*.cpp"), *NATIVE.rglob("*.hpp")])

MAY_INCLUDE = {
    "text": (),
    "bzip2": (),
    "mediawiki": ("text",),
    "wikitext": ("text",),
    "wikitext/templates": ("text", "wikitext"),
    "wikitext/parse": ("text", "wikitext", "wikitext/templates"),
    "wikitext/expand": ("text", "wikitext", "wikitext/templates", "wikitext/parse"),
    "wikitext/audit": ("text", "wikitext", "wikitext/templates", "wikitext/parse"),
}
"""Folders of native/engine, and those that each may include beside itself."""


def names(paths: list[Path]) -> list[str]:
    return [path.relative_to(NATIVE).as_posix() for path in paths]


@pytest.mark.parametrize("name", names(SOURCES))
def test_lines_end_at_100_columns(name: str) -> None:
    lines = (NATIVE / name).read_text(encoding="utf-8").splitlines()
    assert [number for number, line in enumerate(lines, 1) if len(line) > 100] == []


@pytest.mark.parametrize("name", [name for name in names(SOURCES) if name.startswith("engine/")])
def test_includes_go_downwards(name: str) -> None:
    folder = name.removeprefix("engine/").rpartition("/")[0]
    text = (NATIVE / name).read_text(encoding="utf-8")
    included = {
        path.removeprefix("engine/").rpartition("/")[0]
        for path in re.findall(r'^#include "(.*)"$', text, re.MULTILINE)
    }
    assert included <= {folder, *MAY_INCLUDE[folder]}


@pytest.mark.parametrize("folder", MAY_INCLUDE)
def test_a_folder_has_at_most_18_files(folder: str) -> None:
    assert 0 < sum(path.is_file() for path in (NATIVE / "engine" / folder).iterdir()) <= 18


@pytest.mark.parametrize("name", names(SOURCES))
def test_no_function_is_longer_than_80_lines(name: str) -> None:
    """A function begins on a line that ends with an open brace and ends with one at its own depth."""
    lines = (NATIVE / name).read_text(encoding="utf-8").splitlines()
    long = []
    for first, line in enumerate(lines):
        indent = re.match(r"( *)[\w~].*\)(?: const)? \{$", line)
        if indent is None or re.match(r" *(?:if|for|while|switch|else|do)\b", line):
            continue
        last = next(i for i in range(first, len(lines)) if re.match(indent[1] + r"\}", lines[i]))
        if last - first >= 80:
            long.append(f"{name}:{first + 1} {line.strip()} ({last - first + 1} lines)")
    assert long == []
