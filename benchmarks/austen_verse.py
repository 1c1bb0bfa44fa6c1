"""Verse beside Austen's prose: what a scorer of metre says of both, and of a model that read verse."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.austen_figures import METRE_WORDS, Books, Scale
from benchmarks.metre import LINE, as_lines, beat, scans, shuffled, syllables, words
from corpuskit.build.build import build_corpus
from corpuskit.build.recipe.recipe import load
from corpuskit.shards.reader import SplitTokens
from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train import LanguageModel, Sampling, TrainSettings, train_model
from corpuskit.train.generate.generate import load_model
from corpuskit.train.memorize.membership import membership_auc
from corpuskit.train.settings.recipes import load_training_recipe

VERSE_RUN, VERSE_MODEL = "run", "model"

_SAMPLES, _TOKENS = 48, 200
_FEWEST = 5
"""Words of a line that counts as one: shorter ones are headings, or shared by two speakers."""


def train_verse(books: Path, run: Path, out: Path, steps: int) -> None:
    """Build Paradise Lost (Gutenberg's book 20) with its lines, and train a `tiny` model on it."""
    run.parent.mkdir(parents=True, exist_ok=True)
    recipe = run.with_name("verse.yaml")
    recipe.write_text(
        f'sources: [gutenberg: {{path: "{books.resolve()}", include: ["*/20/*", "00020_*"]}}]\n'
        "stages: [unicode, whitespace]\n"
        "tokenizer: {vocab_size: 2048}\n"
        "shards: {split: {validation: 0.1}}\n",
        encoding="utf-8",
    )
    build_corpus(load(recipe), run)
    values = load_training_recipe("tiny") | {"steps": steps, "context": 128, "dropout": 0.1, "patience": 0}
    train_model(run, out, TrainSettings.checked(values), resume=(out / "checkpoints").exists())


def verse_figures(folder: Path, prose: Books, say: Callable[[str], None]) -> dict[str, Any]:
    """Metre of held-out Milton and Austen, and of what a model of Milton writes; and how well it parts them.

    `auc`: how often a passage of the one has more beat than one of Austen.
    """
    run, model = Books(folder / VERSE_RUN, Scale()), load_model(folder / VERSE_MODEL, "cpu")
    say(f"{folder}: figures")
    # Behind a line end, so that it begins a line.
    texts = [
        each.text for each in model.generate("\n", _TOKENS, Sampling(), 0, _SAMPLES, batch_rows=_SAMPLES)
    ]
    sides = {
        "Milton": (passages(told(run.held_out, run.tokenizer)), lines(told(run.held_out, run.tokenizer))),
        "Austen": prose_side(told(prose.held_out, prose.tokenizer)),
        "model of Milton": ([words(text)[:METRE_WORDS] for text in texts], lines(texts)),
    }
    found = {name: metre_of(*each) for name, each in sides.items()}
    beats = {name: [beat(each) for each in parts] for name, (parts, _) in sides.items()}
    return {
        "texts": found,
        "auc": {name: membership_auc(beats["Austen"], beats[name]) for name in ("Milton", "model of Milton")},
        "sample": texts[0].strip("\n"),
        "training": _training(model, run),
    }


def _training(model: LanguageModel, run: Books) -> dict[str, Any]:
    training = model.document["training"]
    names = ("best_step", "step", "validation_loss", "epochs")
    return {name: training.get(name) for name in names} | {
        "parameters": sum(each.numel() for each in model.model.parameters()),
        "tokens": run.train.tokens,
    }


def told(split: SplitTokens, tokenizer: Tokenizer) -> list[str]:
    """The documents of a split, or sections of them, as text."""
    return [tokenizer.decode(split.sequence(number)[:-1].tolist()) for number in range(split.sequences)]


def passages(texts: Sequence[str]) -> list[list[str]]:
    """Texts in passages of `METRE_WORDS` words."""
    split = [words(text) for text in texts]
    return [
        each[start : start + METRE_WORDS]
        for each in split
        for start in range(0, len(each) - METRE_WORDS + 1, METRE_WORDS)
    ]


def lines(texts: Sequence[str]) -> list[list[str]]:
    """The lines of verse, in words; the first and the last of each text may be cut and are left out."""
    found = [words(line) for text in texts for line in text.strip("\n").split("\n")[1:-1]]
    return [line for line in found if len(line) >= _FEWEST]


def prose_side(texts: Sequence[str]) -> tuple[list[list[str]], list[list[str]]]:
    """Passages of prose, and the lines that it would have were it cut like verse."""
    parts = passages(texts)
    return parts, [line for part in parts for line in as_lines(part)]


def metre_of(parts: Sequence[Sequence[str]], rows: Sequence[Sequence[str]]) -> dict[str, float]:
    """`beat` of passages, and the share of lines of ten syllables that scan; and of the words shuffled.

    Only lines of ten syllables are asked, since a line too long or too short says nothing of stress.
    """
    beats = [beat(each) for each in parts]
    other = [beat(shuffled(each, seed)) for seed, each in enumerate(parts)]
    tens = [row for row in rows if sum(map(syllables, row)) == LINE]
    return {
        "passages": len(parts),
        "beat": statistics.fmean(beats),
        "beat_deviation": statistics.stdev(beats),
        "beat_shuffled": statistics.fmean(other),
        "lines": len(rows),
        "tens": len(tens) / len(rows),
        "scans": statistics.fmean(map(scans, tens)),
        "scans_shuffled": statistics.fmean(scans(shuffled(row, n)) for n, row in enumerate(tens)),
    }
