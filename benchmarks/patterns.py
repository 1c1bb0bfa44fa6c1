"""Patterns that cut text into pretokens: ``python -m benchmarks.patterns [--quick] [--json FILE]``.

One tokenizer of 32,768 ids for each published pattern, trained on the same text in many languages, each of
which counts alike; bytes per token on text that none of them saw, in the mean of the languages: declarations
of languages whose declaration was not trained on, the other half of the sentences of fifty languages, and the
other half of the lines of small Wikipedia dumps. This is what the default pattern was chosen by.
"""

from __future__ import annotations

import statistics
import sys
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

from benchmarks.harness import Options, Row, run_benchmark
from benchmarks.language_texts import declaration, sentences
from corpuskit.sources.wikipedia.source import Wikipedia
from corpuskit.tokenizer.count import Counted, PretokenCounter
from corpuskit.tokenizer.merges import learn_merges
from corpuskit.tokenizer.special import SPECIAL_TOKENS
from corpuskit.tokenizer.tokenizer import Tokenizer

PATTERNS: dict[str, tuple[str, int | None]] = {
    **{name: (name, None) for name in ("qwen3.5", "o200k", "llama3", "qwen2", "gpt2")},
    "qwen3.5, digits: 3": ("qwen3.5", 3),
}
"""The published patterns, and one that says what single digits cost."""

VOCABULARY = 32_768
WEIGHT = 10_000_000
"""Bytes that the text of each language counts for."""

_MARKED = 0.03
"""From so many combining marks a letter on a text counts among those of scripts with marks."""

Texts = Mapping[str, str]


def wikipedia(corpora: Path, *, quick: bool) -> dict[str, list[str]]:
    """Lines of articles by wiki, of the small dumps of many Wikipedias."""
    found: dict[str, list[str]] = {}
    folders = sorted(
        path for path in (corpora / "wikipedia" / "dbpedia_minidumps").iterdir() if path.is_dir()
    )
    for folder in folders[:: 6 if quick else 1]:
        dumps = sorted(path for path in folder.rglob("*") if path.suffix in (".xml", ".bz2", ".gz"))
        texts: list[str] = []
        for dump in dumps[:1]:
            source = Wikipedia(path=str(dump), wiki=f"{folder.name}wiki")
            for part in source.parts():
                for reading in source.read(part):
                    texts += reading.batch.column("text").to_pylist()
        if sum(map(len, texts)) > 20_000:
            found[folder.name] = [line for text in texts for line in text.split("\n") if line]
    return found


def halves(corpora: Path, *, quick: bool) -> tuple[dict[str, str], dict[str, Texts]]:
    """Text to train on by name, and by kind and name what is measured on."""
    declarations = sorted(declaration(corpora).items())
    trained = {f"declaration {name}": text for name, text in declarations[::2]}
    measured: dict[str, Texts] = {"declarations of unseen languages": dict(declarations[1::2])}
    said = sentences(corpora)
    trained |= {f"sentences {code}": "\n".join(told[::2]) for code, told in said.items()}
    measured["sentences of fifty languages"] = {code: "\n".join(told[1::2]) for code, told in said.items()}
    articles = wikipedia(corpora, quick=quick)
    trained |= {f"articles {wiki}": "\n".join(lines[::2]) for wiki, lines in articles.items()}
    measured["articles of Wikipedias"] = {w: "\n".join(lines[1::2]) for w, lines in articles.items()}
    return trained, measured


def train(trained: Texts, pattern: str, digits: int | None) -> Tokenizer:
    """A tokenizer to which every text counts alike, whatever its length."""
    whole = PretokenCounter(pattern, digits)
    for text in trained.values():
        one = PretokenCounter(pattern, digits)
        one.add([text])
        words, counts = one.take()
        whole.add_counted(Counted(words, counts * max(1, WEIGHT // max(1, len(text.encode())))))
    return Tokenizer.of_merges(learn_merges(whole.take(), VOCABULARY, SPECIAL_TOKENS), pattern, digits)


def marks(text: str) -> float:
    """Combining marks a letter."""
    kinds = [unicodedata.category(c)[0] for c in text[:20_000]]
    return kinds.count("M") / max(1, kinds.count("L"))


def mean(figures: Iterable[float]) -> float:
    """The mean, to four digits behind the point."""
    return round(statistics.fmean(figures), 4)


def collect(options: Options) -> list[Row]:
    """All rows."""
    trained, measured = halves(options.corpora, quick=options.quick)
    size = sum(len(text.encode()) for text in trained.values())
    about = f"trained on {size / 1e6:.0f} MB in {len(trained)} texts of languages that count alike"
    per_token: dict[str, dict[str, dict[str, float]]] = {kind: {} for kind in measured}
    for pattern, (name, digits) in PATTERNS.items():
        tokenizer = train(trained, name, digits)
        for kind, texts in measured.items():
            ids = tokenizer.encode(texts.values())
            per_token[kind][pattern] = {
                of: len(text.encode()) / max(1, len(found))
                for (of, text), found in zip(texts.items(), ids, strict=True)
                if text
            }
    rows = []
    for kind, figures in per_token.items():
        marked = [name for name, text in measured[kind].items() if marks(text) > _MARKED]
        groups = {kind: list(figures["qwen3.5"]), f"{kind}, scripts with marks": marked}
        for what, names in ((what, names) for what, names in groups.items() if names):
            for pattern, found in figures.items():
                best = sum(found[n] >= max(other[n] for other in figures.values()) for n in names)
                value = mean(found[name] for name in names if name in found)
                note = f"best in {best} of {len(names)} texts"
                rows.append(Row(what, f"corpuskit {pattern}", value, "bytes/token", input=about, note=note))
    chosen = ("en", "hi", "ta", "ar", "ru", "zh", "th")
    for code in (code for code in chosen if code in per_token["sentences of fifty languages"]["gpt2"]):
        for pattern, found in per_token["sentences of fifty languages"].items():
            what = f"sentences, {code}"
            rows.append(Row(what, f"corpuskit {pattern}", round(found[code], 4), "bytes/token", input=about))
    return rows


if __name__ == "__main__":
    sys.exit(run_benchmark("patterns", collect))
