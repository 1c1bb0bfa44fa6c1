"""Real pages, a file each, as seeds for `make fuzz`: ``python -m benchmarks.fuzz_seeds CORPORA OUT``."""

from __future__ import annotations

import gzip
import re
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path

MOST_BYTES = 60_000
MOST_PAGES = 400


def pages(corpora: Path) -> Iterator[bytes]:
    """Wikitext of small dumps and of test suites, no longer than MOST_BYTES each."""
    for path in sorted(corpora.glob("wikipedia/*.xml")):
        for text in re.findall(r"<text[^>]*>(.*?)</text>", path.read_text("utf-8", "replace"), re.DOTALL)[
            :60
        ]:
            yield unescape(text).encode()
    for path in sorted(corpora.glob("conformance/openllm_fr/wikipedia_code/*.gz")):
        yield gzip.decompress(path.read_bytes())
    for path in sorted(corpora.glob("conformance/wtf_wikipedia_cache/*.txt")):
        yield path.read_bytes()
    for path in sorted(corpora.glob("conformance/parsoid/*.txt")):
        yield from re.findall(rb"!! wikitext\n(.*?)\n!! ", path.read_bytes(), re.DOTALL)[::8]


def main(corpora: str, out: str) -> None:
    """Write the first bytes of up to MOST_PAGES pages, evenly chosen, to ``out``."""
    found = [page[:MOST_BYTES] for page in pages(Path(corpora)) if page.strip()]
    Path(out).mkdir(parents=True, exist_ok=True)
    for i, page in enumerate(found[:: max(1, len(found) // MOST_PAGES)]):
        Path(out, f"{i:05d}.wikitext").write_bytes(page)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python -m benchmarks.fuzz_seeds CORPORA OUT")
    main(*sys.argv[1:])
