"""Types of the native engine (native/bindings.cpp). Call it through the modules that own each part."""

from collections.abc import Callable, Iterable
from typing import Any, TypedDict

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

def repair_rules() -> str:
    """The digest of ftfy's tables that the engine was made for; see `corpuskit.stages.normalize.repair`."""

def find_repairs(
    texts: Strings, entities: NDArray[np.uint8], steps: tuple[bool, bool, bool, bool, bool], form: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64], Strings | None]:
    """Find the lines of n texts that ftfy could change.

    Args:
        texts: n texts.
        entities: of each whether entities are replaced: 0 no, 1 yes, 2 until the first ``<``.
        steps: of ftfy that are on: encoding, ligatures, width, quotes, control characters.
        form: the normal form: 0 none, 1 NFC, 2 another.

    Returns:
        status: shape (n,), 1 where a text is no UTF-8 (half a surrogate pair in three bytes is let pass).
        spans: shape (m, 4): row, first byte and end within the bytes of the batch, and whether entities
            are still replaced there.
        texts: with LF for CRLF at the end of lines that are not in spans, which spans then count in; None
            where nothing changed.

    Raises:
        ValueError: offsets do not ascend within their bytes, or a number is out of its range.
    """

def may_hide(texts: Strings) -> NDArray[np.bool_]:
    """Of each text whether `corpuskit.stages.normalize.hidden.may_hide` holds."""

def tidy_whitespace(texts: Strings) -> tuple[NDArray[np.uint8], Strings | None]:
    """Tidy the white space of n texts; see `corpuskit.stages.normalize.whitespace`.

    Returns:
        status: shape (n,): 1 no UTF-8, 2 half a surrogate pair; such a text stays as it is.
        texts: None where nothing changed.

    Raises:
        ValueError: offsets do not ascend within their bytes.
    """

def fold_words(texts: Strings) -> tuple[NDArray[np.int64], NDArray[np.int64], Strings]:
    """Words of texts; see `corpuskit.documents.words.fold_words`."""

def word_runs(
    texts: Strings, min_words: int, min_characters: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.uint64], NDArray[np.uint64]]:
    """Words of texts and the runs that begin at them; see `corpuskit.documents.runs.word_runs`."""

def winnow_words(
    texts: Strings, run: int, gram: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint64], NDArray[np.int64]]:
    """Entries of texts that share runs; see `corpuskit.documents.runs.winnow`."""

def text_units(
    texts: Strings, lines: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint64], NDArray[np.int64]]:
    """Paragraphs or lines of texts; see `corpuskit.documents.runs.text_units`."""

def text_digests(texts: Strings) -> NDArray[np.uint64]:
    """MurmurHash3 of each text, shape (n, 2): 128 bits."""

def surely_in_nfc(texts: Strings) -> NDArray[np.bool_]:
    """Of each text whether a quick look says that it is in NFC; False says nothing."""

def minhash(
    texts: Strings, ngram: int, a: NDArray[np.uint32], b: NDArray[np.uint32], lanes: int = -1
) -> tuple[NDArray[np.uint32], NDArray[np.bool_], NDArray[np.uint64]]:
    """MinHash signatures; see `corpuskit.stages.dedup.minhash.sign`.

    Args:
        a, b: parameters of the 128 permutations.
        lanes: 0 for portable instructions, 1 for AVX2, 2 for AVX-512, -1 for the widest there are; where
            there are none, the next ones. All give the same.

    Raises:
        ValueError: offsets do not ascend within their bytes, or a number is out of bounds.
    """

def hash_bands(signatures: NDArray[np.uint32], bands: int, rows: int) -> NDArray[np.uint64]:
    """Keys of shape (signatures, bands): a hash of ``rows`` values each.

    Args:
        signatures: one behind the other, 128 values each.

    Raises:
        ValueError: a number is out of bounds.
    """

def hash_shingles(texts: Strings, ngram: int) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Sets of shingles; see `corpuskit.stages.dedup.minhash.shingle_hashes`."""

def join_candidates(parents: NDArray[np.int64], keys: NDArray[np.uint64], values: NDArray[np.int64]) -> None:
    """Join the values of each run of equal keys in ``parents``, where -1 stands for one in no run."""

def flatten_parents(parents: NDArray[np.int64]) -> None:
    """Let each parent that is no -1 be the smallest of all that are joined."""

def keep_unlike(
    components: NDArray[np.int64],
    starts: NDArray[np.int64],
    counts: NDArray[np.int64],
    pinned: NDArray[np.uint8],
    hashes: NDArray[np.uint64],
    over: int,
    under: int,
    budget: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Decide greedily about sets of ascending hashes, in the order in which they are to be kept.

    Args:
        components: a number for each set, equal ones one behind the other; sets of others are not compared.
        starts, counts: set i is ``hashes[starts[i] :][: counts[i]]``.
        pinned: 1 for those that are kept in any case.
        over, under: the Jaccard similarity ``over / under`` from which on a set is not kept, both up to 10^9.
        budget: about the most bytes that are held for the search in a component.

    Returns:
        Of each set the first kept one that it resembles (itself where it was kept), how many hashes the two
        have in common, and the first of those that hang together by resembling a kept one.

    Raises:
        ValueError: a set is empty or reaches beyond the hashes, or a number is out of bounds.
    """

def text_statistics(texts: Strings, white_space: bool, datatrove: bool) -> NDArray[np.int64]:
    """Figures of n texts; see `corpuskit.stages.quality.measure.measure_texts`.

    Args:
        texts: n texts.
        white_space: tokens are what stands between white space, not the words of Unicode.
        datatrove: count lines, paragraphs and n-grams as datatrove does.

    Returns:
        shape (n, 59), in the order of `corpuskit.stages.quality.statistics.FIGURES`.

    Raises:
        ValueError: offsets do not ascend within their bytes.
    """

def count_words(texts: Strings) -> NDArray[np.int64]:
    """Words of n texts, shape (n,); as `corpuskit.documents.words.word_spans` finds them.

    Raises:
        ValueError: offsets do not ascend within their bytes.
    """

class PretokenCounter:
    """Counts of pretokens; see `corpuskit.tokenizer.count`."""

    def __init__(self, pattern: int, digits: int = 0) -> None: ...
    def add(self, texts: Strings) -> None: ...
    def add_strings(self, texts: list[str]) -> None:
        """Count the pretokens of texts, in part, where one is of another type or no Unicode.

        Raises:
            ValueError: one of them holds half of a surrogate pair.
        """

    def add_counted(self, words: Strings, counts: NDArray[np.int64]) -> None: ...
    def take(self) -> tuple[Strings, NDArray[np.int64]]: ...
    def take_from(self, other: PretokenCounter) -> None: ...
    @property
    def size(self) -> int: ...
    @property
    def bytes(self) -> int: ...

class BpeEncoder:
    """Encodes texts by a byte-level byte-pair encoding; see `corpuskit.tokenizer.engines.native`.

    Args:
        pattern, digits: how texts are cut, as for `PretokenCounter`.
        byte_ids: (256,), the id of each byte.
        left, right, ids: (merges,), what each merge joins and makes, in the order of their ranks.
        whole, whole_ids: pretokens that have an id of their own whatever the merges say.

    Raises:
        ValueError: arrays of unequal size, and an id from 2**24 on.
    """

    def __init__(
        self,
        pattern: int,
        digits: int,
        byte_ids: NDArray[np.uint32],
        left: NDArray[np.uint32],
        right: NDArray[np.uint32],
        ids: NDArray[np.uint32],
        whole: Strings,
        whole_ids: NDArray[np.uint32],
    ) -> None: ...
    def encode(self, texts: Strings) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """Ids of all texts, one after the other, and where those of each end, (texts,)."""

    def encode_strings(self, texts: list[str]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """The same. Raises TypeError for what is no text, ValueError for half of a surrogate pair."""

def pretoken_ends(pattern: int, text: bytes, digits: int = 0) -> NDArray[np.int64]:
    """Where each pretoken of a text in UTF-8 ends, in bytes."""

def give_memory_back() -> None:
    """Give memory that was freed back to the system, where the C library would keep it."""

def pretoken_unicode() -> str:
    """The version of Unicode that says what a letter, a mark, a number or white space is."""

def token_line(
    ids: NDArray[np.uint32], ends: NDArray[np.int64], end_of_text: int, wide: bool
) -> NDArray[np.integer]:
    """The ids as uint16, or int32 if wide, with the end of text at each end.

    Raises:
        ValueError: ends that do not ascend within the ids, an id that the type does not hold.
    """

def sequence_bytes(
    ids: NDArray[np.uint32], ends: NDArray[np.int64], lengths: NDArray[np.uint8] | NDArray[np.uint32]
) -> NDArray[np.int64]:
    """Bytes of the ids up to each end, and of those behind the last; ``lengths`` are those of each id.

    Raises:
        ValueError: ends that do not ascend within the ids, an id without a length.
    """

def joined_tokens(tokens: Strings, ids: NDArray[np.uint32]) -> bytes:
    """The bytes of some ids, one behind the other; string i is what the id i stands for.

    Raises:
        ValueError: an id outside of the strings, offsets that do not ascend.
    """

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

NGRAM_BLOCK_TOKENS: int
"""Most tokens of a block of an n-gram index."""

class NgramDamageError(ValueError):
    """What was read of an n-gram index is not what was written."""

def build_ngram_block(
    tokens: NDArray[np.integer], end: int, start: int, count: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint64]]:
    """Entries and sums of a block of a token line; see `corpuskit.shards.ngrams.index`.

    Args:
        tokens: the line, uint16 or int32.
        end: the id that ends a document.
        start, count: the block.
    """

class NgramBlock:
    """A block to be searched; `NgramDamageError` where it is not as written."""

    def __init__(
        self,
        tokens: NDArray[np.integer],
        end: int,
        start: int,
        count: int,
        entries: NDArray[np.uint8],
        sums: NDArray[np.uint64],
    ) -> None: ...
    def find(self, query: NDArray[np.int64]) -> tuple[int, int]:
        """Ranks [low, high) of the places where a sequence stands within a document."""
    def places(self, low: int, high: int, most: int) -> NDArray[np.int64]:
        """The first places in the line, so many, of ranks [low, high); ascending."""

def match_ngrams(
    blocks: list[NgramBlock], query: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Length and a place, or -1, of the longest match from each token on, in a line with all its blocks."""

def book_rules() -> list[str]:
    """Names of the rules of blocks in the order of their bits."""

def utf8_size(text: str) -> int:
    """Bytes of a text in UTF-8."""

def lf(text: str, start: int = 0, stop: int = ..., *, same_length: bool = False) -> str:
    """``text[start:stop]`` with LF as line ends; with ``same_length`` CRLF becomes a space and LF."""

def count_word(text: str, word: str, most: int) -> int:
    """How often a word stands in a text by itself: no letter beside it, nor behind a hyphen that is.

    Above ``most`` it may say less.
    """

def lower_utf8(text: str) -> bytes:
    """A text in small letters as UTF-8: ``text.replace("İ", "I").lower().encode()`` of one without sigmas.

    For tests: what looks for stems has its own call of it.
    """

class Stems:
    """Stems of words in small letters, each of 3 bytes and more of UTF-8, without a line end."""

    def __init__(self, stems: list[str]) -> None: ...
    def lines(self, text: str) -> NDArray[np.int64]:
        """Offsets of the lines that hold one, by the small letters of `lower_utf8`. Work is linear."""

class BookBlocks:
    """The blocks of a book of Project Gutenberg: corpuskit/sources/gutenberg/blocks.py says what they are."""

    def __init__(self, text: str, is_chapter: Callable[[str], bool]) -> None: ...
    def measures(self) -> dict[str, NDArray[Any]]:
        """Columns of int64: ``first``, ``stop`` (lines), ``above``, ``below`` (blank lines), ``begin``,
        ``size`` (characters); ``marks`` of uint16."""

    def may_be_speakers(self) -> tuple[list[str], list[str]]:
        """Lines that may begin with the name of a speaker, and the names that are all of a line."""

    def count_may_be_speakers(self) -> int: ...
    def margins(self) -> dict[int, int]:
        """Lines of what looks like prose by the column that they begin at."""

    def widths_and_indents(self, margin: int) -> tuple[dict[int, int], dict[int, int]]:
        """Lines by the width of their block, and blocks by the column of their first line."""

    def score(
        self, width: int, margin: int, indent: int, speakers: Iterable[str], weights: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """How much each block alone looks like verse. The names that speak are kept for `tell`."""

    def tell(self, story: int) -> dict[str, NDArray[Any]]:
        """``rules`` (uint64, bits of those that may hold), ``sure`` (of those that do), ``scores`` with what
        is beside a block, ``beside``, ``apart`` and ``plain``. Needs `score` first."""

    def settle(self, kinds: NDArray[np.uint8]) -> None:
        """Changes the kinds of short blocks to that of those around them. Needs `tell` first."""

    def typeset(
        self, kinds: NDArray[np.uint8], parts: NDArray[np.uint8]
    ) -> tuple[list[str], NDArray[np.uint8], int]:
        """The texts of runs of blocks and of those alone; what became of the parts; marks taken out.

        Parts are 0 in a run, 1 alone, 2 left out, and 3, which becomes 0 where its marks of italics can all
        be taken out, else 1.
        """
