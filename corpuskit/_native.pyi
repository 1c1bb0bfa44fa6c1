"""Types of the native engine (native/bindings.cpp). Call it through the modules that own each part."""

from collections.abc import Callable
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

class TemplateTable:
    """Rules for templates in one language; see `corpuskit.sources.wikipedia.rules.template_table`."""

    def how(self, name: str) -> str:
        """How a template is written, as the column "how" has it ("format", "drop"); empty without a rule."""

def read_templates(language: str, files: list[tuple[str, str, str]]) -> TemplateTable:
    """Read data files of templates, each given as kind ("words", "templates"), name and text.

    Raises:
        ValueError: a line is not as it should be; its arguments are the file's name, the line from 1
            and a sentence.
    """

Strings = tuple[NDArray[np.int64], NDArray[np.uint8]]
"""Offsets, shape (n + 1,), ascending, and bytes; string i is ``bytes[offsets[i]:offsets[i + 1]]``."""

class WikitextOptions:
    """Settings of the extractor; see `corpuskit.sources.wikipedia.extract.Options` for their meaning."""

    file_prefixes: list[str]
    category_prefixes: list[str]
    language: str
    templates: TemplateTable
    output: int
    tables: int
    infobox: bool
    captions: bool
    hatnotes: bool
    drop_sections: list[str]
    template_classes: list[str]
    budget: tuple[int, int, int, int, int]
    """Steps and output bytes (base and per byte of the page each) and nesting."""

class WikitextBatch(TypedDict):
    """What becomes of n pages."""

    texts: Strings
    status: NDArray[np.int32]
    counters: NDArray[np.int64]
    """Shape (n, 13)."""
    flags: NDArray[np.uint32]
    category_ends: NDArray[np.int64]
    """Shape (n + 1,): page i has the categories ``[ends[i], ends[i + 1])``."""
    categories: Strings
    table_bytes: int
    """The most that was held for a page beside its texts."""

def extract_wikitext(pages: Strings, titles: Strings, options: WikitextOptions) -> WikitextBatch:
    """Extract a batch of pages; see `corpuskit.sources.wikipedia.extract.extract`.

    Args:
        pages: n pages.
        titles: their n titles, or no strings at all.
        options: settings.

    Raises:
        ValueError: offsets do not ascend within their bytes, or there are not as many titles as pages.
    """

def find_bz2_block(data: bytes, start: int) -> int:
    """The bit at which the first bzip2 block from bit ``start`` on begins; -1 if there is none."""

class Bz2Run(TypedDict):
    """Decoded blocks; places are bits from the start of the data."""

    bytes: NDArray[np.uint8]
    starts: list[int]
    """Where each block begins."""
    sizes: list[int]
    """Decoded bytes of each block."""
    reached: int
    """Up to where the data was looked at."""
    next: int
    """Where to go on, or where the damage is."""
    in_stream: bool
    """Whether a block or an end mark stands there, else a stream."""
    stop: int
    """0 enough, 1 the data ends too soon, 2 the data ends where it may, 3 damaged."""
    error: str

class Bz2Decoder:
    """Decodes bzip2 blocks; for one thread at a time."""

    def __init__(self) -> None: ...
    def decode(self, data: bytes, start: int, until: int, in_stream: bool, blocks: int) -> Bz2Run:
        """Decode blocks from bit ``start``, those that begin before bit ``until``, and one in any case."""

def find_page_tag(xml: bytearray, start: int) -> tuple[int, bool]:
    """Where the next ``<page>`` or ``</page>`` begins, -1 without one, and whether it is the latter."""

def read_page_xml(xml: bytes) -> list[tuple[int, bytes]]:
    """Fields of a page, numbered as `corpuskit.sources.wikipedia.page_xml` names them; none if it is not
    understood."""

class LossBatch(TypedDict):
    """What was measured of n pages; see `corpuskit.sources.wikipedia.loss`."""

    columns: NDArray[np.int64]
    """Shape (n, 35)."""
    kinds: NDArray[np.int32]
    names: Strings
    uses: NDArray[np.int64]
    words: NDArray[np.int64]
    lost: NDArray[np.int64]
    pages: NDArray[np.int64]
    examples: Strings
    table_bytes: int
    """The most that was held for a page beside its texts."""

def measure_loss(pages: Strings, texts: Strings, options: WikitextOptions) -> LossBatch:
    """Find the words of n pages that their texts lack.

    Raises:
        ValueError: offsets do not ascend within their bytes, or there are not as many texts as pages.
    """

class TemplateStore:
    """Definitions of templates by title, without namespace; see `corpuskit.sources.wikipedia.expand`."""

    def __init__(self, prefixes: list[str]) -> None: ...
    def add(self, title: str, text: str) -> None: ...
    def add_redirect(self, title: str, target: str) -> None: ...
    @property
    def size(self) -> int: ...
    @property
    def bytes(self) -> int: ...

def expand_wikitext(
    pages: Strings,
    titles: Strings,
    store: TemplateStore,
    options: WikitextOptions,
    budget: tuple[int, int, int, int, int],
) -> tuple[Strings, NDArray[np.int64], int]:
    """Expand the templates that n pages call: the pages, counters of shape (n, 8), and the most bytes
    that were held for a page beside its texts.

    Raises:
        ValueError: offsets do not ascend within their bytes, or there are not as many titles as pages.
    """

def fold_words(texts: Strings) -> tuple[NDArray[np.int64], NDArray[np.int64], Strings]:
    """Words of texts; see `corpuskit.documents.words.fold_words`."""

class PretokenCounter:
    """Counts of pretokens; see `corpuskit.tokenizer.count`."""

    def __init__(self, pattern: int) -> None: ...
    def add(self, texts: Strings) -> None: ...
    def add_counted(self, words: Strings, counts: NDArray[np.int64]) -> None: ...
    def take(self) -> tuple[Strings, NDArray[np.int64]]: ...
    @property
    def size(self) -> int: ...
    @property
    def bytes(self) -> int: ...

def pretoken_ends(pattern: int, text: bytes) -> NDArray[np.int64]:
    """Where each pretoken of a text in UTF-8 ends, in bytes."""

def train_bpe(
    words: Strings,
    counts: NDArray[np.int64],
    byte_ids: NDArray[np.uint32],
    first_id: int,
    merges: int,
    min_count: int,
    forbidden: list[str],
    told: Callable[[int], bool],
) -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint32], NDArray[np.int64]]:
    """Left and right part, whole and count of each merge; see `corpuskit.tokenizer.merges`."""
