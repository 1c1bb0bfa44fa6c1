"""What the conversions and quotations of real pages must leave in a text, by mwparserfromhell alone.

Run by the Python of the peers' environment::

    python -m benchmarks.peers.template_marks PAGES.jsonl MARKS.jsonl

``MARKS.jsonl`` receives one line a page: a list of marks ``{"kind", "template", "needs", "before",
"after"}``. Only templates in running text are taken: none in footnotes, tables, links to files or other
templates.

``number``  a conversion or a formatted number: ``needs`` are its numbers as written in the arguments, digits
            only; ``before`` and ``after`` the words of the same line around it (at most three each)
``quote``   a quotation: ``needs`` are the runs of plain words in its text, five words or more each
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import mwparserfromhell
from mwparserfromhell.nodes import Comment, ExternalLink, HTMLEntity, Tag, Template, Text, Wikilink

NUMBERS = re.compile(
    r"convert|cvt|val|nts|nombre|nb|num|unité|unité/2|formatnum:.*|converti|m|ft to m|mi to km|km to mi|"
    r"m to ft|"
    r"chuyển đổi|đổi|auto \w+",
    re.IGNORECASE,
)
QUOTES = re.compile(
    r"quote|blockquote|cquote|quotation|quote box|quote frame|rquote|centered pull quote|pull quote|bquote|"
    r"citation bloc|citation|citation étrangère|début citation|cita|citazione|trích dẫn|lời trích",
    re.IGNORECASE,
)
TEXT_ARGUMENTS = ("text", "quote", "texte", "testo", "citazione", "content", "1")
JOINERS = frozenset(
    {"to", "-", "–", "and", "x", "by", "or", "×", "±", "+/-", "to(-)", "and(-)", "à", "et", "a", "e"}
)
UNSEEN_LINKS = re.compile(
    r"\s*(?:file|image|fichier|immagine|tập tin|hình|fails|attēls|category|catégorie|categoria|thể loại):",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[-−–]?\d[\d.,\s']*")
_WORD = re.compile(r"\w+")


def marks_of(wikitext: str) -> list[dict[str, Any]]:
    """The marks of one page, in order."""
    found = []
    nodes = mwparserfromhell.parse(wikitext).nodes
    texts = ["\n" if isinstance(node, Template) else _plain(node) for node in nodes]
    for place, node in enumerate(nodes):
        if not isinstance(node, Template):
            continue
        name = str(node.name).strip()
        if NUMBERS.fullmatch(name):
            needs = numbers_of(node, name)
            if needs:
                before = _WORD.findall("".join(texts[max(0, place - 12) : place]).rpartition("\n")[2])
                after = _WORD.findall("".join(texts[place + 1 : place + 13]).partition("\n")[0])
                found.append(_mark("number", node, needs, before[-3:], after[:3]))
        elif QUOTES.fullmatch(name) and not node.has("title") and not node.has("titre"):
            needs = quoted_runs(node)
            if needs:
                found.append(_mark("quote", node, needs, [], []))
    return found


def _mark(kind: str, node: Template, needs: list[str], before: list[str], after: list[str]) -> dict[str, Any]:
    return {"kind": kind, "template": str(node)[:200], "needs": needs, "before": before, "after": after}


def numbers_of(node: Template, name: str) -> list[str]:
    """The digits of the numbers that a conversion shows: its first argument, and the second of a range."""
    if name.lower().startswith("formatnum:"):
        given = [name.partition(":")[2]]
    else:
        given = [str(param.value).strip() for param in node.params if not param.showkey]
    given = [_without_markup(value) for value in given]
    values = given[:1]
    if len(given) > 2 and given[1] in JOINERS:
        values.append(given[2])
    digits = []
    for value in values:
        first = _NUMBER.match(value)
        if "/" in value or first is None:
            return []
        digits.append(re.sub(r"\D", "", first.group()))
    return [number for number in digits if number]


def _without_markup(value: str) -> str:
    return str(mwparserfromhell.parse(value).strip_code()).strip()


def quoted_runs(node: Template) -> list[str]:
    """Runs of five plain words or more in the text of a quotation, words separated by one space."""
    name = next((argument for argument in TEXT_ARGUMENTS if node.has(argument)), None)
    if name is None:
        return []
    runs = [""]
    for part in node.get(name).value.nodes:
        text = _plain(part)
        if isinstance(part, (Template, Comment)) or (isinstance(part, Tag) and not text):
            runs.append("")
        else:
            runs[-1] += text
    words = [_WORD.findall(piece) for run in runs for piece in run.split("\n")]
    return [" ".join(run) for run in words if len(run) >= 5]


def _plain(node: Any) -> str:
    """The text of a node as a reader sees it; nothing for templates, comments, footnotes, tables and
    files.
    """
    if isinstance(node, Text):
        return str(node.value)
    if isinstance(node, HTMLEntity):
        return str(node.normalize())
    if isinstance(node, Wikilink):
        if UNSEEN_LINKS.match(str(node.title)):
            return ""
        shown = node.title if node.text is None else node.text
        return str(mwparserfromhell.parse(str(shown)).strip_code())
    if isinstance(node, ExternalLink):
        return str(node.title.strip_code()) if node.title is not None else ""
    if isinstance(node, Tag):
        tag = str(node.tag).lower()
        if tag in {"ref", "table", "math", "gallery", "references", "nowiki"}:
            return ""
        return "\n" if tag == "br" else "".join(_plain(child) for child in node.contents.nodes)
    return ""


def main() -> None:
    """Read the pages, write the marks."""
    given, out = sys.argv[1:]
    with open(given, encoding="utf-8") as pages, open(out, "w", encoding="utf-8") as lines:
        for page in pages:
            lines.write(json.dumps(marks_of(json.loads(page)["wikitext"])) + "\n")


if __name__ == "__main__":
    main()
