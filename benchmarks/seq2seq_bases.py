"""The models that `benchmarks.seq2seq` begins with: on two of three corpora two of about one size.

    python -m benchmarks.seq2seq_bases --out DIR [--only NAME] [--corpora DIR]

    letters    captions in English, German and French, a byte a token: for inflection
    captions   the same captions, 4,096 tokens: for translation; each language's side by itself, no pairs
    articles   English Wikipedia, as `benchmarks.bases` has it: for headlines

makes DIR/NAME, a run, and DIR/NAME-both and, but for letters, DIR/NAME-decoder; what is there already stays.
An encoder-decoder has as many layers on either side as make it about as large as the decoder. Lengths are
steps, not minutes, so that a machine in use makes the same models.

For forms an encoder-decoder learns to write texts whole of which spans are hidden (``objective: denoise``).
For texts it learns in two parts, DIR/NAME-spans and DIR/NAME-both: to write what was taken out of a text, and
then to write texts whole of which words are hidden (arXiv:1910.13461). After spans alone its decoder looks
little at what the encoder reads: no target of a span is a copy of anything. Fine-tuned for German forms it
learnt its 900 rows by heart, 10.8 % exact on others where random weights gave 49.8 %.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from benchmarks import bases
from benchmarks.adapt_arms import tune
from benchmarks.adapt_data import write_rows
from benchmarks.seq2seq_data import TRANSLATE
from corpuskit.build.build import build_corpus
from corpuskit.tokenizer.tokenizer import LEAST_VOCABULARY
from corpuskit.train.data.run_documents import document_files

LANGUAGES = ("en", "de", "fr")
VOCABULARY = {"letters": LEAST_VOCABULARY, "captions": 4096, "articles": 1024}

_FAST = {"heads": 4, "kv_heads": 4, "precision": "bf16"}
SHAPES: Mapping[str, Mapping[str, Any]] = {
    "letters": {"width": 128, "heads": 4, "kv_heads": 4, "context": 128, "batch_rows": 16},
    "captions": {"width": 192, **_FAST, "context": 128, "batch_rows": 32},
    "articles": {"width": 192, **_FAST, "context": 256, "batch_rows": 8},
}
KINDS: Mapping[str, Mapping[str, Any]] = {
    "denoise": {"kind": "encoder-decoder", "objective": "denoise"},
    "spans": {"objective": "spans"},
    "decoder": {"objective": "causal"},
}
LAYERS: Mapping[str, Mapping[str, int]] = {
    "denoise": {"letters": 2, "articles": 2},
    "spans": {"captions": 2},
    "decoder": {"captions": 4},
}
"""Of an encoder-decoder on either side."""

STEPS: Mapping[str, Mapping[str, int]] = {
    "denoise": {"letters": 3000, "articles": 4000},
    "spans": {"captions": 50},
    "both": {"captions": 500},
    "decoder": {"captions": 150},
}
"""Of each part; those of an encoder-decoder are about as long as the decoder's together."""

HIDDEN, HIDE = "_", 0.3
"""What stands for words side by side that are hidden, and their share."""

RATE = 1e-3
"""Of the second part."""

MENDED_WORDS, MENDED_ROWS = 96, 120_000
"""Words of a text at most, and rows that are made: all texts, as often as that takes."""


def build(name: str, corpora: Path, out: Path) -> Path:
    """The run of a corpus, built once."""
    folder = out / name
    folder.mkdir(exist_ok=True)
    if name == "articles":
        return bases.build(corpora, folder, VOCABULARY[name])
    rows = folder / "captions.jsonl"
    if not rows.exists():
        texts = (
            {"id": f"{language}-{number}", "text": line}
            for language in LANGUAGES
            for number, line in enumerate(
                gzip.decompress((corpora / TRANSLATE / f"train.{language}.gz").read_bytes())
                .decode()
                .split("\n")
            )
            if line.strip()
        )
        rows.write_text("".join(json.dumps(row) + "\n" for row in texts), encoding="utf-8")
    files = {"path": str(rows), "label": "captions", "text_field": "text", "id_field": "id"}
    recipe = {
        "sources": [{"files": files}],
        "stages": ["unicode", "whitespace", "exact_duplicates"],
        "tokenizer": {"vocab_size": VOCABULARY[name]},
        "shards": {"split": {"validation": 0.01}},
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    build_corpus(folder / "recipe.yaml", folder / "run")
    return folder / "run"


def hidden(text: str, share: float, draw: random.Random) -> str:
    """A text of which a share of the words is hidden; words side by side as one.

    >>> hidden("ein alter Baum", 1.0, random.Random(0))
    '_'
    """
    found: list[str] = []
    for word in text.split():
        put = HIDDEN if draw.random() < share else word
        if not (put == HIDDEN and found and found[-1] == HIDDEN):
            found.append(put)
    return " ".join(found)


def mended(texts: Iterable[str]) -> Iterator[dict[str, str]]:
    """Rows of texts with something hidden and the same whole."""
    draw = random.Random(0)
    whole = [" ".join(text.split()[:MENDED_WORDS]) for text in texts]
    draw.shuffle(whole)
    count = 0
    while True:
        for text in whole:
            yield {"source": hidden(text, HIDE, draw), "target": text}
            count += 1
            if count == MENDED_ROWS:
                return


def texts_of(run: Path) -> Iterator[str]:
    """The documents of a run."""
    for file in document_files(run):
        yield from pq.read_table(file, columns=["text"])["text"].to_pylist()


def mend(name: str, begun: Path, texts: Iterable[str], out: Path) -> None:
    """An encoder-decoder that writes whole what it reads in part, made once."""
    if (out / "model.json").exists():
        return
    rows, made = out.with_name(f"{out.name}.jsonl"), out.with_name(f"{out.name}.made")
    write_rows(rows, list(mended(texts)))
    same = {key: SHAPES[name][key] for key in ("context", "precision") if key in SHAPES[name]}
    length = {"steps": STEPS["both"][name], "batch_rows": 64, "eval_every": 500, "eval_tokens": 4096}
    settings = {**length, "learning_rate": RATE, "validation": "0.01", "long_pairs": "cut", "seed": 1}
    tune(begun, rows, made, "seq2seq", {**settings, **same})
    made.rename(out)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make what is not there."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.seq2seq_bases", description=__doc__)
    bases.add_places(parser)
    parser.add_argument("--only", choices=SHAPES, help="this corpus alone")
    options = bases.places(parser, arguments)
    for name in [options.only] if options.only else SHAPES:
        run = build(name, options.corpora, options.out)
        for kind, layers in LAYERS.items():
            if name in layers:
                shape = {**SHAPES[name], "layers": layers[name], "steps": STEPS[kind][name]}
                out = options.out / f"{name}-{'both' if kind == 'denoise' else kind}"
                bases.train(run, out, {**shape, **KINDS[kind]})
        if name in STEPS["both"]:
            mend(name, options.out / f"{name}-spans", texts_of(run), options.out / f"{name}-both")
    return 0


if __name__ == "__main__":
    sys.exit(main())
