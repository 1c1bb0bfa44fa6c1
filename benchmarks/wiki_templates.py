"""Whether the numbers of conversions and the words of quotations stand in the texts.

The marks are made from the wikitext by `benchmarks.peers.template_marks`, with none of our code. A *number*
is kept if its digits stand as one number within `REACH` characters of the three words before or behind the
template; grouping marks do not matter. A *quotation* is kept if all its runs of plain words stand in the
text, word for word.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.harness import Options
from benchmarks.wiki_defects import without_apparatus
from benchmarks.wiki_pages import Page, write_pages
from benchmarks.wiki_sides import KEPT, ROOT

REACH = 60
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"\d[\d.,'\u00a0\u202f\u2009 ]*")


@dataclass
class Kept:
    """Marks of one kind: how many there are, how many are kept, and the lost ones with their page."""

    all: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)
    lost: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, other: Kept) -> None:
        """Add what was found elsewhere."""
        self.all.update(other.all)
        self.kept.update(other.kept)
        self.lost += other.lost

    def share(self, kind: str) -> float:
        """Marks of a kind that are kept, in percent."""
        return 100 * self.kept[kind] / self.all[kind] if self.all[kind] else 100.0


def marks(options: Options, pages: Sequence[Page]) -> list[list[dict[str, Any]]]:
    """The marks of each page, its sections of references and links left out."""
    KEPT.mkdir(parents=True, exist_ok=True)
    given, out = KEPT / "marks.pages", KEPT / "marks.jsonl"
    write_pages([replace(page, wikitext=without_apparatus(page.wikitext)) for page in pages], given)
    python = os.path.abspath(options.require_peers("mwparserfromhell"))
    command = [python, "-m", "benchmarks.peers.template_marks", str(given), str(out)]
    subprocess.run(command, check=True, cwd=ROOT)
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def score(pages: Sequence[Page], sought: Sequence[list[dict[str, Any]]], texts: Sequence[str]) -> Kept:
    """Look for the marks in the texts of one tool."""
    found = Kept()
    for page, page_marks, text in zip(pages, sought, texts, strict=True):
        words = " ".join(_WORD.findall(text))
        for mark in page_marks:
            kind = mark["kind"]
            held = (
                all(run in words for run in mark["needs"])
                if kind == "quote"
                else holds_numbers(text, mark["needs"], mark["before"], mark["after"])
            )
            found.all[kind] += 1
            if held:
                found.kept[kind] += 1
            else:
                found.lost.append((kind, page.title, mark["template"]))
    return found


def holds_numbers(text: str, needs: Sequence[str], before: Sequence[str], after: Sequence[str]) -> bool:
    """Whether the numbers stand near the words around their template; anywhere if there are no words."""
    windows = []
    if before:
        for place in re.finditer(r"\W+".join(map(re.escape, before)) + r"(?!\w)", text):
            windows.append(text[place.end() : place.end() + REACH])
    if after:
        for place in re.finditer(r"(?<!\w)" + r"\W+".join(map(re.escape, after)), text):
            windows.append(text[max(0, place.start() - REACH) : place.start()])
    if not before and not after:
        windows.append(text)
    return any(set(needs) <= numbers_in(window) for window in windows)


def numbers_in(text: str) -> set[str]:
    """The digits of each number of a text, as written together and part by part."""
    found = set()
    for match in _NUMBER.finditer(text):
        found.add(re.sub(r"\D", "", match.group()))
        found.update(re.findall(r"\d+", match.group()))
        found.update(re.sub(r"\D", "", part) for part in match.group().split())
        found.update(re.sub(r"\D", "", part) for part in re.split(r", |\. ", match.group()))
    return found
