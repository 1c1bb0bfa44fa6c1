"""Rows of the Gutenberg benchmark about declared and true encodings.

Books: every text of the corpora, its true encoding from ``tests/cases/gutenberg_encodings.tsv`` (byte order
mark, strict UTF-8 or ASCII decide; those of 8 bits were looked at one by one). Texts: chardet's own test
files in some 40 encodings, named by their folders. The peers take no declaration; ours is given the true
one, none, and wrong ones. A text is read rightly if every character is the one that the true encoding gives.
"""

from __future__ import annotations

import gzip
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import Bar, Options, Row, compare
from corpuskit.sources.encoding.decode import codec_name, decode_text
from corpuskit.sources.encoding.evidence import LEAST
from corpuskit.sources.gutenberg.header import declared_language

WRONG = ("ASCII", "ISO-8859-1", "UTF-8", "Windows-1251", "ISO-8859-2", "Shift_JIS")
TABLE = Path(__file__).resolve().parent.parent / "tests" / "cases" / "gutenberg_encodings.tsv"
PEERS = ("chardet", "charset-normalizer")
PEER = Path(__file__).resolve().parent / "peers" / "charsets.py"


@dataclass(frozen=True)
class Text:
    """One file, its bytes, how its header declares it, and what it says in truth."""

    path: Path
    data: bytes
    declared: str
    truth: str


def books(corpora: Path, *, quick: bool) -> list[Text]:
    """The books of the table; quick: those that are neither ASCII nor UTF-8."""
    found = []
    for line in TABLE.read_text(encoding="utf-8").splitlines()[1:]:
        name, declared, encoding, _ = line.split("\t")
        if quick and encoding in ("ascii", "utf-8"):
            continue
        data = gzip.decompress((corpora / name).read_bytes())
        found.append(Text(corpora / name, data, declared, _plain(data, encoding) or ""))
    return found


def texts(corpora: Path) -> list[Text]:
    """The files whose folder's encoding Python knows and which that encoding reads."""
    found = []
    for folder in sorted((corpora / "encoding" / "chardet").iterdir()):
        pieces = folder.name.split("-")
        names = (
            "-".join(pieces[:3]),
            "-".join(pieces[:2]),
            {"MacCyrillic": "mac-cyrillic"}.get(folder.name, ""),
        )
        declared = next((name for name in names if name and codec_name(name)), None)
        for file in sorted(folder.iterdir()) if declared else ():
            data = file.read_bytes()
            truth = _plain(data, str(codec_name(str(declared))))
            if truth is not None and (data.count(0) * 2 < len(data) or folder.name.startswith("UTF")):
                found.append(Text(file, data, str(declared), truth))
    return found


def _plain(data: bytes, encoding: str | None) -> str | None:
    """The text without a byte order mark; None if the encoding does not read it."""
    try:
        return data.decode(encoding or "none").removeprefix("\ufeff")
    except (UnicodeError, LookupError):
        return None


def peers_right(options: Options, several: Sequence[Text]) -> dict[str, float]:
    """Percent of the texts that each peer's detection reads rightly."""
    if not (there := options.there("encodings", PEERS)):
        return {}
    paths = json.dumps([str(text.path) for text in several])
    command = [str(options.peers), str(PEER), *there]
    said = subprocess.run(command, input=paths, capture_output=True, text=True, check=True).stdout
    found: Mapping[str, list[str | None]] = json.loads(said)
    return {
        tool: _percent([_plain(t.data, name) == t.truth for t, name in zip(several, names, strict=True)])
        for tool, names in found.items()
    }


def ours_right(several: Sequence[Text], declared: str | None = None) -> float:
    """Percent of the texts that ours reads rightly, declared as the header has it unless said otherwise."""
    right = []
    for text in several:
        said = text.declared if declared is None else declared
        decoded = decode_text(text.data, said, declared_language(text.data))
        right.append(decoded is not None and decoded.text == text.truth)
    return _percent(right)


@dataclass(frozen=True)
class Flagged:
    """How many wrong declarations there were, and what became of them.

    Attributes:
        told: flagged as wrong, or refused.
        right: read in the true encoding all the same.
        few: not told, of texts with fewer characters above ASCII than `LEAST`, the least that tells anything.
        doubtful: not told, but flagged as doubtful.
    """

    cases: int
    told: int
    right: int
    few: int
    doubtful: int

    def rows(self, what: str, input: str, bar: Bar | None = None) -> list[Row]:
        """The row of the table."""
        note = (
            f"of the other {self.cases - self.told}, {self.few} are of fewer than {LEAST} characters beyond"
            f" ASCII and {self.doubtful} flagged as doubtful; {100 * self.right / self.cases:.2f} % are read"
            " rightly all the same"
        )
        told = round(100 * self.told / self.cases, 2)
        on = f"{input}, {self.cases} wrong declarations"
        return compare(what, told, {}, unit="%", better="higher", input=on, bar=bar, note=note)


def flagged(several: Sequence[Text], *, stated: bool) -> Flagged:
    """Declare every text wrongly, with the language that its header states or with none."""
    cases = told = right = few = doubtful = 0
    for text in several:
        language = declared_language(text.data) if stated else ""
        for name in WRONG:
            if _plain(text.data, codec_name(name)) == text.truth:
                continue  # right for this text
            decoded = decode_text(text.data, name, language)
            cases += 1
            right += decoded is not None and decoded.text == text.truth
            if decoded is None or "wrong_encoding_declared" in decoded.flags:
                told += 1
            elif len(text.data.translate(None, bytes(range(128)))) < LEAST:
                few += 1
            else:
                doubtful += "doubtful_encoding" in decoded.flags
    return Flagged(cases, told, right, few, doubtful)


def _percent(held: Sequence[bool]) -> float:
    return round(100 * sum(held) / max(1, len(held)), 2)


def collect(options: Options) -> list[Row]:
    """Books and texts read rightly, wrong declarations flagged."""
    shelf, files = books(options.corpora, quick=options.quick), texts(options.corpora)
    on_books = f"{len(shelf)} books, {sum(len(t.data) for t in shelf) / 1e6:.1f} MB"
    on_files = f"{len(files)} files of chardet's test set"
    peers = peers_right(options, files)
    every = Bar(100, "value")
    return [
        *compare(
            "books read in their true encoding",
            ours_right(shelf),
            peers_right(options, shelf),
            unit="%",
            better="higher",
            input=on_books,
            bar=every,
        ),
        *compare(
            "texts of 40 encodings read rightly, none declared",
            ours_right(files, ""),
            peers,
            unit="%",
            better="higher",
            input=on_files,
            note="chardet's own test files; ours asks chardet for a ranking, its thresholds were set here",
        ),
        *compare(
            "texts of 40 encodings read rightly, declared rightly",
            ours_right(files),
            peers,
            unit="%",
            better="higher",
            input=on_files,
            note="the peers take no declaration",
        ),
        *flagged(files, stated=False).rows(
            "wrong declarations flagged or refused", f"{on_files}, no language known", every
        ),
        *flagged(shelf, stated=True).rows(
            "wrong declarations of books flagged or refused", f"{on_books}, language as in their headers"
        ),
    ]
