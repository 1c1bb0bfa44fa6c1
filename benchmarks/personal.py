"""Personal data: ``python -m benchmarks.personal [--quick] [--json FILE]``.

Recall and precision on planted items of five kinds beside twenty-two sorts of look-alikes; telephone numbers
are made by phonenumbers, valid in fourteen countries, and its matcher is the peer. Then hits in books and in
pages of an encyclopedia, all of which count as false, and the speed there.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.harness import Bar, MissingError, Options, Row, compare, run_benchmark
from benchmarks.kept import unpacked
from benchmarks.planted_personal import Sentence, look_alikes, planted, with_phones
from corpuskit.stages.quality.personal.find import find_personal_data

PEER = Path(__file__).resolve().parent / "peers" / "telephones.py"
_SEED = 11
_RECALL, _PRECISION = Bar(0.99, of="value"), Bar(0.98, of="value")
_BOOKS, _PAGES = "books_headerless_260.tar.zst", "enwiki_extracted_96k.tar.zst"


def score(sentences: Sequence[Sentence], found: Sequence[set[tuple[str, str]]]) -> tuple[float, float]:
    """Recall and precision of items, by kind and exact text."""
    true = sum(len(set(each.items) & hits) for each, hits in zip(sentences, found, strict=True))
    items, hits = sum(len(set(each.items)) for each in sentences), sum(map(len, found))
    return round(true / items, 5), round(true / max(1, hits), 5)


def find_ours(sentences: Sequence[Sentence]) -> list[set[tuple[str, str]]]:
    """What is found in each sentence, as kind and text."""
    return [{(item.kind, item.text) for item in find_personal_data(each.text)} for each in sentences]


def ask_peer(options: Options, *arguments: str, given: object = None) -> list[list[list[int]]]:
    """What the program of phonenumbers prints."""
    python = options.require_peers("phonenumbers")
    command = [str(python.absolute()), str(PEER), *arguments]
    text = None if given is None else json.dumps(given)
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    answer: list[list[list[int]]] = json.loads(done.stdout)
    return answer


def both(
    what: str, ours: tuple[float, float], peers: dict[str, tuple[float, float]], about: str
) -> list[Row]:
    """Rows of recall and of precision."""
    rows = []
    for at, (name, bar) in enumerate((("recall", _RECALL), ("precision", _PRECISION))):
        theirs = {tool: told[at] for tool, told in peers.items()}
        told = f"{name}, {what}"
        rows += compare(told, ours[at], theirs, unit="share", better="higher", input=about, bar=bar)
    return rows


def items(options: Options) -> list[Row]:
    """Planted items but telephone numbers, among look-alikes."""
    count = 500 if options.quick else 5000
    others = look_alikes(count // 10, _SEED)
    sentences = planted(count, _SEED)
    rows = []
    for kind in ("email", "ip", "card", "iban"):
        chosen = [each for each in sentences if each.items[0][0] == kind] + others
        about = f"{count} sentences with items and {len(others)} without, seed {_SEED}"
        rows += both(kind, score(chosen, [_of(kind, hits) for hits in find_ours(chosen)]), {}, about)
    return rows


def _of(kind: str, hits: set[tuple[str, str]]) -> set[tuple[str, str]]:
    return {hit for hit in hits if hit[0] == kind}


def telephones(options: Options) -> list[Row]:
    """Telephone numbers of fourteen countries in both forms, among look-alikes."""
    count = 50 if options.quick else 500
    numbers = ask_peer(options, "make", str(count), str(_SEED))
    sentences = with_phones(numbers, _SEED) + look_alikes(count, _SEED)  # type: ignore[arg-type]
    found = ask_peer(options, "find", given=[(each.country or "US", each.text) for each in sentences])
    theirs = [
        {("phone", each.text[start:end]) for start, end in places}
        for each, places in zip(sentences, found, strict=True)
    ]
    ours = [_of("phone", hits) for hits in find_ours(sentences)]
    alike = len(sentences) - len(numbers)
    about = f"{len(numbers)} numbers of 14 countries and {alike} look-alikes, seed {_SEED}"
    rows = both("phone", score(sentences, ours), {"phonenumbers": score(sentences, theirs)}, about)
    plain = with_phones(numbers, _SEED, frames=("He wrote {} on the wall.",))  # type: ignore[arg-type]
    found_plain, _ = score(plain, find_ours(plain))
    what, note = (
        "recall, phone, no word for telephone before",
        "forms of other numbers too are left alone there",
    )
    return rows + compare(what, found_plain, {}, unit="share", better="higher", input=about, note=note)


def texts(path: Path, limit: int) -> Iterator[str]:
    """Texts of an archive, up to so many bytes."""
    if not path.exists():
        raise MissingError(f"the corpora lack {path.name}")
    read = 0
    for _, content in unpacked(path):
        yield content.decode("utf-8", "replace")
        read += len(content)
        if read >= limit:
            return


def false_hits(options: Options) -> list[Row]:
    """Hits per million words of books and pages, and megabytes a second."""
    limit = 20_000_000 if options.quick else 100_000_000
    rows = []
    for name, archive in (("books", _BOOKS), ("pages of an encyclopedia", _PAGES)):
        words = size = 0
        seconds, kinds = 0.0, Counter[str]()
        for text in texts(options.corpora / "scale" / archive, limit):
            started = time.process_time()
            kinds.update(item.kind for item in find_personal_data(text))
            seconds += time.process_time() - started
            words += len(text.split())
            size += len(text.encode())
        told = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items())) or "none"
        about, note = f"{words:,} words of {archive}", f"hits: {told}; true ones are counted as false"
        figure = round(kinds.total() / words * 1e6, 4)
        bar = Bar(1, of="value", side="at most")
        what = f"hits per million words, {name}"
        rows += compare(what, figure, {}, unit="hits", better="lower", input=about, bar=bar, note=note)
        speed = round(size / 1e6 / seconds, 2)
        rows += compare(f"speed, {name}", speed, {}, unit="MB/s", better="higher", input=about)
    return rows


if __name__ == "__main__":
    groups = {"items": items, "telephones": telephones, "false hits": false_hits}
    sys.exit(run_benchmark("personal", groups))
