"""How much of the input's plain prose stands in an output, measured alike for every tool.

A build that throws text away is fast. So both sides' documents are searched for a sample of sentences taken
from the raw input by a reader of its own, which knows no tool: sentences without any markup (footnotes behind
them aside), so that there is no question of how they should read. A sentence counts as kept when eight words
in a row from its middle stand in any document, compared as Unicode NFC and without punctuation; so it does
not matter which of two copies of a document survived.
"""

from __future__ import annotations

import bz2
import gzip
import re
import tarfile
import unicodedata
import xml.etree.ElementTree as ElementTree
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

WINDOW_WORDS = 8
_WORD = re.compile(r"\w+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_BLOCK_MARKUP = re.compile(r"\s*[*#:;={|!]")
_MARKUP = re.compile(r"[\[\]{}<>|=&_~]|''|//")
_FOOTNOTE = re.compile(r"<ref\b[^>]*/>|<ref\b[^>]*>.*?</ref\s*>", re.DOTALL | re.IGNORECASE)
_OPEN = re.compile(r"\{\{|\{\||<!--|<ref|<(?:math|nowiki|pre|gallery|code|source|timeline|poem|imagemap)\b")
_CLOSE = re.compile(r"\}\}|\|\}|-->|</(?:ref|math|nowiki|pre|gallery|code|source|timeline|poem|imagemap)\b")
_FACTORS = np.array([pow(0x9E3779B97F4A7C15, 1 + j, 2**64) | 1 for j in range(WINDOW_WORDS)], dtype=np.uint64)


def open_input(path: Path) -> IO[bytes]:
    """The raw bytes of a file, decompressed by its ending (.bz2, .gz)."""
    if path.suffix == ".bz2":
        return bz2.open(path, "rb")
    if path.suffix == ".gz":
        return cast("IO[bytes]", gzip.open(path, "rb"))
    return open(path, "rb")


def unpacked(archive: Path) -> Iterator[tuple[str, bytes]]:
    """The files of a ``.tar.zst`` in their order, each with its name."""
    with (
        pa.CompressedInputStream(pa.OSFile(str(archive)), "zstd") as stream,
        tarfile.open(fileobj=stream, mode="r|") as packed,
    ):
        for member in packed:
            if content := packed.extractfile(member):
                yield member.name, content.read()


def wiki_sentences(dumps: Iterable[Path]) -> list[str]:
    """Plain prose sentences of the articles of one wiki.

    A page that stands in several dumps is taken in its newest revision only, because one of them is all that
    should be kept.
    """
    newest: dict[int, tuple[int, list[str]]] = {}
    for path in dumps:
        for page, revision, wikitext in _articles(path):
            if page not in newest or revision > newest[page][0]:
                newest[page] = revision, list(plain_sentences(wikitext))
    return [sentence for _, sentences in newest.values() for sentence in sentences]


def _articles(path: Path) -> Iterator[tuple[int, int, str]]:
    """Page id, revision id and wikitext of the articles (namespace 0, no redirects) of a MediaWiki XML dump.

    A dump that is cut off in the middle gives what stands before the cut.
    """
    with open_input(path) as handle:
        try:
            for _, element in ElementTree.iterparse(handle):
                if _tag(element) != "page":
                    continue
                found = {_tag(child): child for child in element}
                revision = {_tag(child): child.text or "" for child in found["revision"]}
                wikitext, namespace = revision.get("text", ""), found.get("ns")
                redirect = "redirect" in found or wikitext.lstrip().upper().startswith("#REDIRECT")
                if not redirect and (namespace is None or namespace.text == "0"):
                    yield int(found["id"].text or 0), int(revision["id"]), wikitext
                element.clear()
        except ElementTree.ParseError:
            return


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def plain_sentences(wikitext: str) -> Iterator[str]:
    """The sentences of a page that hold no markup and stand in lines of prose."""
    for line in open_lines(wikitext):
        if not _BLOCK_MARKUP.match(line):
            yield from _sentences(line)


def open_lines(wikitext: str) -> Iterator[str]:
    """The lines of a page, footnotes aside, that stand in no template, table, comment or extension tag."""
    depth = 0
    for line in _FOOTNOTE.sub("", wikitext).split("\n"):
        opened, closed = len(_OPEN.findall(line)), len(_CLOSE.findall(line))
        if depth == 0 and not opened and not closed:
            yield line
        depth = max(0, depth + opened - closed)


def book_sentences(path: Path, step: int = 1) -> Iterator[str]:
    """Sentences from the middle three fifths of a book, where no header or licence stands.

    Of a book that is not UTF-8 only sentences in ASCII are taken, so that nothing hangs on its encoding.

    Args:
        path: The book as plain text, perhaps compressed.
        step: Read one paragraph in so many.
    """
    with open_input(path) as handle:
        raw = handle.read()
    try:
        text, only_ascii = raw.decode("utf-8"), False
    except UnicodeDecodeError:
        text, only_ascii = raw.decode("latin-1"), True
    paragraphs = re.split(r"\n\s*\n", text.replace("\r\n", "\n"))
    for paragraph in paragraphs[len(paragraphs) // 5 : len(paragraphs) * 4 // 5 : step]:
        for sentence in _sentences(" ".join(paragraph.split())):
            if sentence.isascii() or not only_ascii:
                yield sentence


def _sentences(text: str) -> Iterator[str]:
    for sentence in _SENTENCE_END.split(text.strip()):
        whole = sentence.endswith((".", "!", "?")) and not _MARKUP.search(sentence)
        if whole and len(_WORD.findall(sentence)) >= WINDOW_WORDS + 4:
            yield sentence


def sample(sentences: Iterable[str], most: int) -> list[str]:
    """The ``most`` sentences with the smallest checksums: the same ones whatever the order."""
    found = {sentence: zlib.crc32(sentence.encode("utf-8", "surrogatepass")) for sentence in sentences}
    return sorted(found, key=lambda sentence: (found[sentence], sentence))[:most]


def words_of(text: str) -> list[str]:
    """The words of a text as they are compared: NFC, no punctuation."""
    return _WORD.findall(text if text.isascii() else unicodedata.normalize("NFC", text))


class SentenceSearch:
    """Finds which sentences of several samples stand in a stream of documents.

    Args:
        samples: Sentences by the kind of input that they come from.
    """

    def __init__(self, samples: Mapping[str, Iterable[str]]) -> None:
        windows = {
            kind: {tuple(_middle(words_of(sentence))) for sentence in sentences}
            for kind, sentences in samples.items()
        }
        self._word_numbers: dict[str, int] = {}
        for window in sorted(set().union(*windows.values())):
            for word in window:
                self._word_numbers.setdefault(word, len(self._word_numbers) + 1)
        self._sought = {kind: self._hash_all(members) for kind, members in windows.items()}
        self._all = np.unique(np.concatenate(list(self._sought.values())))
        self._found = np.zeros(len(self._all), dtype=bool)
        for kind, sought in self._sought.items():
            if not len(sought):
                raise ValueError(
                    f"{kind}: the sample of sentences is empty: the input holds no plain prose to look for"
                )

    def read(self, text: str) -> None:
        """Mark every sentence of the samples that stands in a document."""
        hashes = self._window_hashes(self._numbers(words_of(text)))
        places = np.minimum(np.searchsorted(self._all, hashes), len(self._all) - 1)
        self._found[places[self._all[places] == hashes]] = True

    def shares(self) -> dict[str, float]:
        """Sentences found / sentences sought, by kind."""
        return {
            kind: float(self._found[np.searchsorted(self._all, sought)].mean())
            for kind, sought in self._sought.items()
        }

    def _hash_all(self, windows: Iterable[Sequence[str]]) -> npt.NDArray[np.uint64]:
        hashes = [int(self._window_hashes(self._numbers(window))[0]) for window in windows]
        return np.unique(np.array(hashes, dtype=np.uint64))

    def _numbers(self, words: Iterable[str]) -> npt.NDArray[np.uint64]:
        numbers = self._word_numbers
        return np.fromiter((numbers.get(word, 0) for word in words), dtype=np.uint64)

    @staticmethod
    def _window_hashes(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
        """One hash for each run of eight words, shape (words - 7,); equal runs have equal hashes."""
        count = len(numbers) - WINDOW_WORDS + 1
        hashes = np.zeros(max(0, count), dtype=np.uint64)
        for place, factor in enumerate(_FACTORS):
            if count > 0:
                mixed = (numbers[place : place + count] + np.uint64(1)) * factor
                hashes += mixed ^ (mixed >> np.uint64(29))
        return hashes


def _middle(words: list[str]) -> list[str]:
    start = (len(words) - WINDOW_WORDS) // 2
    return words[start : start + WINDOW_WORDS]
