"""Real wiki pages for the benchmarks, read by a stock XML parser that knows none of the tools.

A page goes to our extractor as an Arrow array, and to a peer as a line of JSON in a file (see
`benchmarks.peers.wikitext_tools`).
"""

from __future__ import annotations

import gzip
import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa

from benchmarks.kept import open_input
from corpuskit.sources.wikipedia.extract import ExtractedBatch, Options, extract, namespace_prefixes

DUMPS = {
    "enwiki": ("en", "gensim__enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"),
    "enwiki 2": ("en", "wp2txt__testdata_en-0.10.bz2"),
    "frwiki": ("fr", "dbpedia-minidump-fr-large.xml.bz2"),
    "itwiki": ("it", "itwiki-small-dump.xml.gz"),
    "viwiki": ("vi", "viwiki-20240701-pages-articles-multistream4.xml-p4565247p6065246"),
    "ltgwiki": ("ltg", "dumpster-dive__smallwiki-latest-pages-articles.xml.bz2"),
}
"""Dumps by the name that rows give them: language, file. The French one says ``enwiki`` of itself."""

_REDIRECT = re.compile(r"\s*#\s*[^\W\d_]{2,}(?:\s+[^\W\d_]+)?\s*:?\s*\[\[")


@dataclass(frozen=True)
class Page:
    """One article.

    Attributes:
        title: Its title.
        language: Language code of its wiki.
        wikitext: Its source.
        file_name: What the dump calls the namespace of files; empty if it does not say.
        category_name: What the dump calls the namespace of categories.
    """

    title: str
    language: str
    wikitext: str
    file_name: str = ""
    category_name: str = ""


def read_dump(corpora: Path, name: str) -> list[Page]:
    """The articles of one of `DUMPS`: namespace 0, no redirects, the last revision of each page."""
    language, file = DUMPS[name]
    path = corpora / "wikipedia" / file
    files, categories = (namespace_name(path, key) for key in (6, 14))
    found: dict[str, Page] = {}
    for title, namespace, wikitext in raw_pages(path):
        if namespace in {"0", ""} and wikitext.strip() and not _REDIRECT.match(wikitext):
            found[title] = Page(title, language, wikitext, files, categories)
    return list(found.values())


def namespace_name(path: Path, key: int) -> str:
    """What the head of a dump calls a namespace; empty if it does not say."""
    with open_input(path) as handle:
        head = handle.read(1 << 16).decode("utf-8", "replace")
    found = re.search(rf'<namespace key="{key}"[^>]*>([^<]*)</namespace>', head)
    return found.group(1) if found else ""


def raw_pages(path: Path) -> Iterator[tuple[str, str, str]]:
    """Title, namespace key and wikitext of every page of a dump, its last revision.

    A dump that breaks off gives what stands before the break.
    """
    with open_input(path) as handle:
        try:
            for _, element in ElementTree.iterparse(handle):
                if _tag(element) == "page":
                    found = {_tag(child): child for child in element}
                    text = [part for part in found["revision"] if _tag(part) == "text"]
                    namespace = found["ns"].text if "ns" in found else ""
                    yield found["title"].text or "", namespace or "", (text[0].text or "") if text else ""
                    element.clear()
        except ElementTree.ParseError:
            return


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def french_articles(corpora: Path) -> list[Page]:
    """The articles that stand in ``openllm_fr`` as wikitext and as rendered HTML of one day, in order of
    names.

    Wikitext without a page beside it (the dummy file) is left out: 44 are left.
    """
    folder = corpora / "conformance" / "openllm_fr"
    pages = []
    for rendered in rendered_files(corpora):
        name = rendered.name.removesuffix(".html.gz")
        code = folder / "wikipedia_code" / f"{name}.txt.gz"
        wikitext = gzip.decompress(code.read_bytes()).decode("utf-8")
        pages.append(Page(name.partition("_")[2].replace("_", " "), "fr", wikitext))
    return pages


def rendered_files(corpora: Path) -> list[Path]:
    """The rendered pages of ``openllm_fr``, in the order of `french_articles`."""
    return sorted((corpora / "conformance" / "openllm_fr" / "wikipedia_html").glob("*.html.gz"))


def write_pages(pages: Sequence[Page], path: Path) -> None:
    """Write pages as JSON lines for a peer."""
    with open(path, "w", encoding="utf-8") as out:
        out.writelines(json.dumps(asdict(page)) + "\n" for page in pages)


def as_column(pages: Sequence[Page]) -> pa.LargeStringArray:
    """The wikitext of pages as our extractor takes it."""
    return pa.array([page.wikitext for page in pages], pa.large_string())


EVERYTHING = Options(tables="flatten", infobox="lines", captions=True, hatnotes=True, drop_sections=())
"""Everything that can be kept; the default leaves out infoboxes, captions, hatnotes, sections of
references.
"""


def our_extracted(
    column: pa.LargeStringArray,
    language: str,
    *,
    titles: pa.LargeStringArray | None = None,
    names: tuple[str, str] = ("", ""),
    everything: bool = False,
) -> ExtractedBatch:
    """What our extractor makes of pages of one language, at the default settings or at `EVERYTHING`.

    Args:
        column: The wikitext, shape (pages,).
        language: Language code of the wiki.
        titles: Titles of the pages.
        names: What the dump calls the namespaces of files and of categories.
        everything: Keep all that can be kept.
    """
    return extract(
        column,
        file_prefixes=namespace_prefixes(6, filter(None, names[:1])),
        category_prefixes=namespace_prefixes(14, filter(None, names[1:])),
        language=language,
        titles=titles,
        options=EVERYTHING if everything else None,
    )


def ours_by_language(pages: Sequence[Page], *, everything: bool = False) -> list[str]:
    """Our texts of pages of any languages, in the order of the pages."""
    texts = [""] * len(pages)
    wikis = [(page.language, page.file_name, page.category_name) for page in pages]
    for wiki in dict.fromkeys(wikis):
        places = [place for place, other in enumerate(wikis) if other == wiki]
        titles = pa.array([pages[place].title for place in places], pa.large_string())
        column = as_column([pages[place] for place in places])
        made = our_extracted(column, wiki[0], titles=titles, names=wiki[1:], everything=everything).texts
        for place, text in zip(places, made.to_pylist(), strict=True):
            texts[place] = text
    return texts
