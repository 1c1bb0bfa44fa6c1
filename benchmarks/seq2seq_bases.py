"""The models that `benchmarks.seq2seq` begins with: on each of three corpora two of about one size.

    python -m benchmarks.seq2seq_bases --out DIR [--minutes 20] [--only NAME] [--corpora DIR]

    letters    captions in English, German and French, a byte a token: for inflection
    captions   the same captions, 8,192 tokens: for translation; each language's side by itself, no pairs
    articles   English Wikipedia, as `benchmarks.bases` has it: for headlines

makes DIR/NAME, a run, and DIR/NAME-both and DIR/NAME-decoder; what is there already stays. An encoder-decoder
has as many layers on either side as make it about as large as the decoder.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks import bases
from benchmarks.seq2seq_data import TRANSLATE
from corpuskit.build.build import build_corpus
from corpuskit.tokenizer.tokenizer import LEAST_VOCABULARY

LANGUAGES = ("en", "de", "fr")
VOCABULARY = {"letters": LEAST_VOCABULARY, "captions": 8192}

SHAPES: Mapping[str, Mapping[str, Any]] = {
    "letters": {"width": 128, "heads": 4, "kv_heads": 4, "context": 128, "batch_rows": 32},
    "captions": {"width": 256, "heads": 4, "kv_heads": 4, "context": 128, "batch_rows": 32},
    "articles": {"width": 256, "heads": 4, "kv_heads": 4, "context": 256, "batch_rows": 16},
}
KINDS: Mapping[str, Mapping[str, Any]] = {"both": {"objective": "spans"}, "decoder": {"objective": "causal"}}
LAYERS: Mapping[str, Mapping[str, int]] = {
    "both": {"letters": 2, "captions": 3, "articles": 3},
    "decoder": {"letters": 5, "captions": 7, "articles": 7},
}
"""Of an encoder-decoder on either side."""


def build(name: str, corpora: Path, out: Path) -> Path:
    """The run of a corpus, built once."""
    folder = out / name
    folder.mkdir(exist_ok=True)
    if name == "articles":
        return bases.build(corpora, folder)
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Make what is not there."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.seq2seq_bases", description=__doc__)
    bases.add_places(parser)
    parser.add_argument("--minutes", type=float, default=20, help="of each model; default: %(default)s")
    parser.add_argument("--only", choices=SHAPES, help="this corpus alone")
    options = bases.places(parser, arguments)
    for name in [options.only] if options.only else SHAPES:
        run = build(name, options.corpora, options.out)
        for kind, settings in KINDS.items():
            shape = {**SHAPES[name], "layers": LAYERS[kind][name], "minutes": options.minutes}
            bases.train(run, options.out / f"{name}-{kind}", {**shape, **settings})
    return 0


if __name__ == "__main__":
    sys.exit(main())
