"""The templates of the real dumps, counted: which stand in running text, how often, and what becomes of them.

    python -m benchmarks.template_counts CORPORA [--top 200]

A template counts when it stands in an article's body: not within ``<ref>``, a comment, ``<nowiki>``, a table
or another template, and on a line with words beside it. For each name the table shows the languages, the
count, how it is written ("-" where no rule decides) and one example.
"""

from __future__ import annotations

import argparse
import bz2
import gzip
import html
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from corpuskit.sources.wikipedia.extract import table_rows
from corpuskit.sources.wikipedia.rules import template_table

PAGE = re.compile(r"<page>(.*?)</page>", re.DOTALL)
TEXT = re.compile(r"<text[^>]*>(.*?)</text>", re.DOTALL)
NAMESPACE = re.compile(r"<ns>(-?\d+)</ns>")
OPAQUE = re.compile(
    r"<!--.*?-->|<nowiki>.*?</nowiki>|<ref[^>/]*/>|<ref(?:\s[^>]*)?>.*?</ref\s*>"
    r"|<(gallery|math|pre|source|syntaxhighlight|timeline|imagemap)\b.*?</\1\s*>",
    re.DOTALL | re.IGNORECASE,
)
BRACES = re.compile(r"\{\{|\}\}|^\s*\{\||^\s*\|\}|\[\[|\]\]|\n", re.MULTILINE)
NAME = re.compile(r"\{\{\s*([^|{}\n<#]*?)\s*[|}\n]")


def language_of(path: Path) -> str:
    """Language of a dump by its name and folder."""
    if path.parent.parent.name == "dbpedia_minidumps":
        return path.parent.name
    found = re.search(r"(?:^|__|_)(en|it|vi|zh|bg|br|ca|eo|es|fr|nl|pl|ru|simple)wik", path.name)
    if found:
        return found.group(1)
    if "minidump-fr" in path.name or "openllm_fr" in str(path):
        return "fr"
    return "ltg" if path.name.startswith("dumpster") else "it" if "mercedes" in path.name else "en"


def dumps(corpora: Path) -> list[Path]:
    """Dumps of Wikipedias among the corpora, once each."""
    skip = ("wiktionary", "commons", "broken-2", "testdata_en-0.10", "wikia", "mwxml", "testcorpus")
    found = sorted((corpora / "wikipedia").rglob("*"))
    return [p for p in found if p.is_file() and not any(s in p.name for s in skip) and p.suffix != ".7z"]


def read(path: Path) -> str:
    """Text of a dump, decompressed."""
    data = path.read_bytes()
    if data[:3] == b"BZh":
        data = bz2.decompress(data)
    elif data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    return data.decode("utf-8", "replace")


def articles(corpora: Path) -> Iterator[tuple[str, str]]:
    """Language and wikitext of each article of the dumps, and of the pages under ``conformance``."""
    for path in dumps(corpora):
        for page in PAGE.finditer(read(path)):
            space = NAMESPACE.search(page[1])
            texts = TEXT.findall(page[1])
            if texts and (space is None or space[1] == "0"):
                yield language_of(path), html.unescape(texts[-1])
    for folder, language in (("openllm_fr/wikipedia_code", "fr"), ("wtf_wikipedia_cache", "en")):
        for path in sorted((corpora / "conformance" / folder).iterdir()):
            yield language, read(path)


def inline_templates(wikitext: str) -> Iterator[tuple[str, str]]:
    """Name and source of each outermost template that stands in a line with words."""
    text = OPAQUE.sub("", wikitext)
    depth = tables = start = 0
    line_start = 0
    spans: list[tuple[int, int]] = []
    for mark in BRACES.finditer(text + "\n"):
        sign = mark[0].strip()
        if sign == "{{":
            start = mark.start() if depth == 0 else start
            depth += 1
        elif sign == "}}" and depth:
            depth -= 1
            if depth == 0 and not tables:
                spans.append((start, mark.end()))
        elif sign == "{|" and not depth:
            tables += 1
        elif sign == "|}" and not depth:
            tables = max(0, tables - 1)
        elif mark[0] == "\n" and not depth:
            rest = text[line_start : mark.start()]
            for a, b in reversed(spans):
                rest = rest[: max(a - line_start, 0)] + rest[b - line_start :]
            words = re.search(r"\w{2,}", re.sub(r"\[\[[^]|]*:[^]]*\]\]", "", rest))
            for a, b in spans:
                name = NAME.match(text, a)
                if name and words:
                    yield name[1], text[a:b]
            spans, line_start = [], mark.end()


@dataclass
class Use:
    """How often a template is used, by language, and an example of each."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return self.counts.total()


def count(corpora: Path) -> dict[str, Use]:
    """Uses by normalised name; all calls of a parser function ("formatnum:") count as one name."""
    uses: dict[str, Use] = {}
    for language, wikitext in articles(corpora):
        for name, source in inline_templates(wikitext):
            name = re.sub(r"[_\s]+", " ", name).strip().lower()
            name = re.sub(r"^(#?[a-z]+:).*", r"\1", name)
            use = uses.setdefault(name, Use())
            use.counts[language] += 1
            use.examples.setdefault(language, source)
    return uses


def most_used(corpora: Path, top: int) -> list[tuple[str, Use]]:
    """The ``top`` names, most frequent first."""
    return sorted(count(corpora).items(), key=lambda item: (-item[1].total, item[0]))[:top]


def undecided(name: str, use: Use) -> list[str]:
    """The languages in which no rule says how the template is written or why it is dropped."""
    if re.match(r"#?[a-z]+:", name):
        return []  # parser functions are the engine's
    return [
        language for language in use.counts if not template_table(language).how(name) and not _has_class(name)
    ]


@cache
def _classes() -> tuple[str, ...]:
    return tuple(name.lower() for row in table_rows("template_classes.tsv") for name in row[-1].split("|"))


def _has_class(name: str) -> bool:
    """Whether the engine knows the template as an infobox, a hatnote or the mark of a kind of page."""
    return any(fnmatchcase(name, pattern) for pattern in _classes())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("corpora", type=Path)
    parser.add_argument("--top", type=int, default=200)
    arguments = parser.parse_args()
    for rank, (name, use) in enumerate(most_used(arguments.corpora, arguments.top), 1):
        language = use.counts.most_common(1)[0][0]
        how = template_table(language).how(name) or "-"
        missing = ",".join(undecided(name, use))
        example = " ".join(use.examples[language].split())[:70]
        print(
            f"{rank:4} {use.total:6} {how:9} {name:28} {dict(use.counts.most_common(3))} {missing} {example}"
        )


if __name__ == "__main__":
    main()
