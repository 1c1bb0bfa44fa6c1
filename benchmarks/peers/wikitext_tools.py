"""The peers that turn wikitext into text, each run alone by the Python of the peers' environment::

    python -m benchmarks.peers.wikitext_tools TOOL PAGES.jsonl TEXTS.jsonl REPORT.json [--runs N]

``PAGES.jsonl`` holds one page a line: the fields of `benchmarks.wiki_pages.Page`. ``TEXTS.jsonl`` receives a
line for each: ``{"text", "error"}``; a page that raises has an empty text and the error. ``REPORT.json``
receives the processor seconds of the first run, which warms up, and of each further one over all pages.

Nothing here is imported by the package: some of the peers are GPL or AGPL.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Convert = Callable[[dict[str, str]], str]


def wikiextractor() -> Convert:
    """``Extractor.clean_text`` without template definitions, entities not escaped again (its best
    setting).
    """
    from wikiextractor.extract import Extractor

    logging.disable(logging.CRITICAL)

    def convert(page: dict[str, str]) -> str:
        extractor = Extractor("1", "1", "", page["title"], page["wikitext"])
        return "\n".join(extractor.clean_text(page["wikitext"], expand_templates=False, html_safe=False))

    return convert


def mwparserfromhell_strip() -> Convert:
    """``parse(...).strip_code()`` as shipped."""
    import mwparserfromhell

    return lambda page: str(mwparserfromhell.parse(page["wikitext"]).strip_code())


def wikitextparser_plain() -> Convert:
    """``parse(...).plain_text()`` as shipped."""
    import wikitextparser

    return lambda page: str(wikitextparser.parse(page["wikitext"]).plain_text())


def gensim_filter() -> Convert:
    """``filter_wiki`` as shipped."""
    from gensim.corpora.wikicorpus import filter_wiki

    return lambda page: str(filter_wiki(page["wikitext"]))


def mwextract_page() -> Convert:
    """``parse_page(...).body`` as shipped, which is Markdown."""
    import mwextract

    return lambda page: str(mwextract.parse_page(page["title"], page["wikitext"]).body)


MEDIA_WORDS = {
    "en": (),
    "fr": ("fichier", "média"),
    "it": ("immagine", "media"),
    "vi": ("tập tin", "hình", "phương tiện"),
    "ltg": ("fails", "attēls"),
}
CATEGORY_WORDS = {"fr": "catégorie", "it": "categoria", "vi": "thể loại", "ltg": "kategoreja"}


def hugging_face_recipe() -> Convert:
    """The recipe behind ``wikimedia/wikipedia``, from its description: per section, links to media and the
    tags ``ref`` and ``table`` are removed, category prefixes are taken off, ``strip_code`` does the rest, and
    behaviour switches go."""
    import mwparserfromhell

    switches = re.compile("__[A-Z]*__")

    def convert(page: dict[str, str]) -> str:
        language = page["language"]
        words = ("file", "image", "media", *MEDIA_WORDS.get(language, ()), page["file_name"] or "file")
        media = re.compile(f"(?:{'|'.join(words)}):", re.IGNORECASE)
        names = f"category|{CATEGORY_WORDS.get(language, 'category')}|{page['category_name'] or 'category'}"
        category = re.compile(f"(?:{names}):", re.IGNORECASE)
        sections = mwparserfromhell.parse(page["wikitext"]).get_sections(
            flat=True, include_lead=True, include_headings=True
        )
        return "\n\n".join(_section_text(section, media, category, switches) for section in sections)

    return convert


def _section_text(section: Any, media: re.Pattern[str], category: re.Pattern[str], switches: Any) -> str:
    for link in list(section.ifilter_wikilinks(recursive=True)):
        if media.match(str(link.title)):
            _remove(section, link)
        elif category.match(str(link.title)):
            link.text = category.sub("", str(link.__strip__()))
    for tag in list(
        section.ifilter_tags(matches=lambda tag: str(tag.tag) in {"ref", "table"}, recursive=True)
    ):
        _remove(section, tag)
    return str(switches.sub("", section.strip_code().strip()))


def _remove(section: Any, node: object) -> None:
    try:
        section.remove(node)
    except ValueError:
        return  # it stood in a node that went before it


TOOLS: dict[str, Callable[[], Convert]] = {
    "wikiextractor": wikiextractor,
    "mwparserfromhell": mwparserfromhell_strip,
    "wikitextparser": wikitextparser_plain,
    "gensim": gensim_filter,
    "hf-recipe": hugging_face_recipe,
    "mwextract": mwextract_page,
}
"""What makes the converter, by the tool's name."""


def run(convert: Convert, pages: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    """The texts of all pages, an empty one and the error where the tool raises."""
    found = []
    for page in pages:
        try:
            found.append({"text": convert(page), "error": ""})
        except Exception as error:
            found.append({"text": "", "error": f"{type(error).__name__}: {error}"[:200]})
    return found


def main() -> None:
    """Read the command line, convert, time, report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("tool", choices=TOOLS)
    for name in ("pages", "texts", "report"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--runs", type=int, default=0)
    given = parser.parse_args()
    convert = TOOLS[given.tool]()
    with open(given.pages, encoding="utf-8") as lines:
        pages = [json.loads(line) for line in lines]
    start = time.process_time()
    texts = run(convert, pages)
    first = time.process_time() - start
    with open(given.texts, "w", encoding="utf-8") as out:
        out.writelines(json.dumps(found) + "\n" for found in texts)
    seconds = []
    for _ in range(given.runs):
        start = time.process_time()
        run(convert, pages)
        seconds.append(time.process_time() - start)
    given.report.write_text(json.dumps({"first_cpu_s": first, "cpu_s": seconds}))


if __name__ == "__main__":
    main()
