"""The visible text of rendered MediaWiki pages, block by block, each with the part of the page it belongs to.

Run by the Python of the peers' environment (it needs lxml)::

    python -m benchmarks.peers.rendered_html OUT.jsonl PAGE.html.gz...

``OUT.jsonl`` receives one line a page: ``{"file", "blocks": [[part, text], ...]}``. The parts are

``prose``      paragraphs, list items, definitions, quotations, headings, and what stands in no other part
``table``      tables, with their captions and notes
``infobox``    boxes whose class begins with ``infobox``, maps and family boxes in the same place
``caption``    captions of pictures and of galleries
``hatnote``    what the wiki itself marks as no content (classes ``metadata``, ``noprint``, ``hatnote``):
               notes that lead to other pages, requests for sources, markers of a link to another wiki
``folded``     boxes that a reader must open first
``apparatus``  the sections of `APPARATUS`: bibliography, links, further reading, and the headings of the
               notes

What is no text of the page at all is left out: scripts, styles, hidden elements, pictures, the table of
contents, links to edit, navigation boxes, portal banners, boxes with sister projects, footnote markers, the
footnotes themselves, requests for a source in the running text, sort keys. A formula counts with the LaTeX
it was made from, because the browser shows a picture or MathML of it. A block ends where a browser begins a
new line.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from pathlib import Path

from lxml import html

BLOCKS = re.compile(
    "address|article|aside|blockquote|br|caption|center|dd|div|dl|dt|figcaption|figure|h[1-6r]|li|ol|p|pre|"
    "section|table|tbody|td|tfoot|th|thead|tr|ul"
)
UNSEEN = frozenset({"style", "script", "link", "meta", "noscript", "img", "video", "audio", "map"})
LEFT_OUT = re.compile(
    "mw-editsection|toc|references?|mw-references-wrap|references-small|reference-cadre|mw-cite-backlink|"
    "navbox|navbox-container|navbox-title|bandeau-portail|autres-projets|printcssonly|datasortkey|"
    "need_ref_tag|mw-empty-elt|error|img_toggle|navigation-not-searchable|bloc"
)
PARTS = (
    ("hatnote", frozenset({"metadata", "noprint", "hatnote", "homonymie"})),
    ("folded", frozenset({"NavFrame", "collapsible", "mw-collapsible"})),
    (
        "caption",
        frozenset({"thumbcaption", "thumbinner", "gallerytext", "gallerycaption", "gallerybox", "thumb"}),
    ),
)
INFOBOX = re.compile(r"infobox|DebutCarte|geobox|taxobox")
APPARATUS = re.compile(
    r"(notes|références|notes? et références?|références? et notes?|bibliographies?|"
    r"éléments de bibliographie|"
    r"voir aussi|annexes?|liens? externes?|articles? connexes?|sources?|pour approfondir|webographie|"
    r"notes, sources et références|ouvrages?|lien interne|liens internes|sources et bibliographie|"
    r"bibliographie complémentaire|autres projets|notes et sources)",
    re.IGNORECASE,
)
_LATEX_FRAME = re.compile(r"^\{\\(?:display|text)style (.*)\}$", re.DOTALL)


class Blocks:
    """Collects the text of one page: the blocks seen so far, and the one that is being read."""

    def __init__(self) -> None:
        self.found: list[list[str]] = []
        self._open: dict[str, list[str]] = {}

    def add(self, part: str, text: str) -> None:
        self._open.setdefault(part, []).append(text)

    def end(self) -> None:
        for part, pieces in self._open.items():
            text = " ".join("".join(pieces).split())
            if text:
                self.found.append([part, text])
        self._open = {}


def read_page(source: str) -> list[list[str]]:
    """The blocks of a page: part and text."""
    root = html.fromstring(source)
    blocks = Blocks()
    outer = 0  # level of the heading of an apparatus section that we are in, 0 outside
    _text(blocks, "prose", root.text)
    for child in root:
        if isinstance(child.tag, str) and re.fullmatch("h[2-6]", child.tag):
            level = int(child.tag[1])
            if not outer or level <= outer:
                headline = " ".join(child.text_content().split()).partition("[modifier")[0].strip()
                outer = level if APPARATUS.fullmatch(headline) else 0
        _walk(child, "apparatus" if outer else "prose", blocks)
    blocks.end()
    return blocks.found


def _walk(element: html.HtmlElement, part: str, blocks: Blocks) -> None:
    outside = part
    tag = element.tag
    if isinstance(tag, str) and tag not in UNSEEN:
        classes = set((element.get("class") or "").split())
        if "mwe-math-element" in classes:
            _formula(element, part, blocks)
        elif not _is_left_out(element, classes):
            part = _part_of(element, classes, part)
            block = bool(BLOCKS.fullmatch(tag))
            if block:
                blocks.end()
            _text(blocks, part, element.text)
            for child in element:
                _walk(child, part, blocks)
            if block:
                blocks.end()
    _text(blocks, outside, element.tail)


def _text(blocks: Blocks, part: str, text: str | None) -> None:
    if text:
        blocks.add(part, text)


def _is_left_out(element: html.HtmlElement, classes: set[str]) -> bool:
    style = (element.get("style") or "").replace(" ", "").lower()
    hidden = "display:none" in style or "visibility:hidden" in style or "hidden" in classes
    return hidden or any(map(LEFT_OUT.fullmatch, classes)) or element.get("role") == "navigation"


def _part_of(element: html.HtmlElement, classes: set[str], outside: str) -> str:
    """The part of an element; within a box, a table or the apparatus everything belongs to that."""
    if outside != "prose":
        return outside
    if any(INFOBOX.match(name) for name in classes):
        return "infobox"
    for part, names in PARTS:
        if classes & names:
            return part
    if element.tag in {"figcaption", "figure"}:
        return "caption"
    return "table" if element.tag == "table" else outside


def _formula(element: html.HtmlElement, part: str, blocks: Blocks) -> None:
    for annotation in element.iter("{*}annotation", "annotation"):
        latex = (annotation.text or "").strip()
        found = _LATEX_FRAME.match(latex)
        blocks.add(part, f" {found.group(1) if found else latex} ")
        return


def main() -> None:
    """Read the pages named on the command line."""
    out, *files = map(Path, sys.argv[1:])
    with open(out, "w", encoding="utf-8") as lines:
        for path in files:
            with gzip.open(path, "rt", encoding="utf-8") as handle:
                found = {"file": path.name, "blocks": read_page(handle.read())}
            lines.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
