"""The models that benchmarks of fine-tuning begin with: a decoder and an encoder of one shape, on one corpus.

    python -m benchmarks.bases --out DIR [--minutes 25 | --steps N] [--only KIND] [--corpora DIR]

makes DIR/run of English Wikipedia (some 60 MB of text: articles as WikiExtractor left them, and two dumps, of
which they are extracted here), DIR/decoder and DIR/encoder, one after the other; what is there already stays.
None of the labelled sets is part of it. The articles are those that measure throughput elsewhere, and overlap
the dumps: near duplicates go.
"""

from __future__ import annotations

import argparse
import html
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks.gutenberg_body import archived
from corpuskit.build.build import build_corpus
from corpuskit.storage.files import read_sealed
from corpuskit.train import TrainSettings, train_model
from corpuskit.train.result import RESUMABLE
from corpuskit.train.watch.events import Event

ARTICLES = "scale/enwiki_extracted_96k.tar.zst"
DUMPS = (
    "wikipedia/gensim__enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2",
    "wikipedia/wp2txt__testdata_en-0.10.bz2",
)
LEAST_CHARACTERS = 200
"""Shorter articles say little beside their title."""

SHAPE = {"layers": 4, "width": 256, "heads": 4, "kv_heads": 4, "context": 256, "batch_rows": 8}
OBJECTIVES = {"decoder": "causal", "encoder": "masked"}

_DOCUMENT = re.compile(r'<doc id="(\d+)"[^>]*>\n(.*?)\n</doc>', re.DOTALL)


def articles(archive: Path) -> Iterator[dict[str, str]]:
    """Id and text of the documents that WikiExtractor wrote."""
    for _, text in sorted(archived(archive).items()):
        for number, body in _DOCUMENT.findall(text):
            body = html.unescape(body).strip()
            if len(body) >= LEAST_CHARACTERS:
                yield {"id": number, "text": body}


def build(corpora: Path, out: Path, vocab_size: int = 8192) -> Path:
    """The run, built once."""
    rows = out / "articles.jsonl"
    if not rows.exists():
        lines = (json.dumps(row) + "\n" for row in articles(corpora / ARTICLES))
        rows.write_text("".join(lines), encoding="utf-8")
    dumps = [{"wikipedia": {"path": str(corpora / dump), "wiki": "enwiki"}} for dump in DUMPS]
    files = {"path": str(rows), "label": "articles", "text_field": "text", "id_field": "id"}
    recipe = {
        "sources": [*dumps, {"files": files}],
        "stages": [
            "unicode",
            "whitespace",
            {"length": {"min_words": 30}},
            "exact_duplicates",
            "near_duplicates",
        ],
        "tokenizer": {"vocab_size": vocab_size},
        "shards": {"split": {"validation": 0.01}},
    }
    (out / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    build_corpus(out / "recipe.yaml", out / "run")
    return out / "run"


def train(run: Path, out: Path, settings: Mapping[str, Any]) -> None:
    """A model, trained once, however often it is stopped; `settings` beside those of all."""
    if _is_done(out / "model.json"):
        return
    own = {**settings, "size": "small", "compile": "off", "eval_every": 500}

    def listen(event: Event) -> None:
        if event["event"] == "validation":
            print(f"{out.name}: step {event['step']}, loss {event['loss']:.4f}", file=sys.stderr, flush=True)

    resume = any(out.glob("checkpoints/step-*"))
    train_model(run, out, TrainSettings.checked(own), resume=resume, overwrite=not resume, listen=listen)


def _is_done(document: Path) -> bool:
    """Whether a training has ended: one that was killed says nothing, one that was stopped why."""
    training = (read_sealed(document).get("training") or {}) if document.exists() else {}
    return training.get("reason") not in (None, *RESUMABLE)


def add_places(parser: argparse.ArgumentParser) -> None:
    """The options of what is read and written."""
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--corpora", type=Path, default=os.environ.get("CORPUSKIT_CORPORA"), metavar="DIR")


def places(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options of a call, with a folder of corpora that is there, and one to write into."""
    options = parser.parse_args(arguments)
    if options.corpora is None or not Path(options.corpora).is_dir():
        parser.error(
            f"the folder of real corpora is {options.corpora}: set CORPUSKIT_CORPORA or give --corpora DIR"
        )
    options.out.mkdir(parents=True, exist_ok=True)
    options.corpora, options.out = Path(options.corpora).resolve(), options.out.resolve()
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Make what is not there."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bases", description="Models to begin with.")
    add_places(parser)
    parser.add_argument("--minutes", type=float, default=25, help="of each model; default: %(default)s")
    parser.add_argument("--steps", type=int, help="of each model, instead of minutes: for a machine in use")
    parser.add_argument("--only", choices=OBJECTIVES, help="one kind of model")
    options = places(parser, arguments)
    run = build(options.corpora, options.out)
    length = {"steps": options.steps} if options.steps else {"minutes": options.minutes}
    for name in [options.only] if options.only else OBJECTIVES:
        train(run, options.out / name, {**SHAPE, "objective": OBJECTIVES[name], **length})
    return 0


if __name__ == "__main__":
    sys.exit(main())
