"""Figures of a model at one moment of its training, beside those of text that was held out.

All texts are compared in pieces of equally many tokens: samples are drawn with fixed seeds from one prompt,
held-out text is cut into pieces that do not overlap. A figure over a group of texts (shares of known words
and of different pairs) depends on how many they are, so held-out text is scored in groups of as many pieces.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from benchmarks.metre import beat, shuffled, words
from corpuskit.shards.ngrams.index import SplitNgrams, open_index
from corpuskit.shards.reader import Shards, SplitTokens
from corpuskit.storage.files import read_sealed
from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train import LanguageModel, Sampling
from corpuskit.train.checkpoint import FOLDER, load_checkpoint
from corpuskit.train.evaluate.score import known_words, score
from corpuskit.train.generate.generate import WEIGHTS
from corpuskit.train.memorize.copied import copied
from corpuskit.train.memorize.extract import extract
from corpuskit.train.memorize.memorize import load_weights
from corpuskit.train.memorize.scoring import score_windows
from corpuskit.train.model.transformer import ModelSettings, Transformer

Ids = npt.NDArray[np.int64]

VERSION = 2
"""Of these figures: what was kept of an older one is taken anew."""

PROMPT, SAMPLING = "It was", Sampling()
"""What a model's texts begin with, and how they are drawn."""

METRE_WORDS = 100
"""Words of a text that the metre is taken of, so that every text has an equal say."""

_SENTENCE = re.compile(r"(?<!Mr)(?<!Mrs)(?<!Dr)(?<!Miss)[.!?]+[\"”’')_]*(?=\s|$)")
_GOES_ON = frozenset(
    ["a", "an", "the", "of", "and", "to", "my", "your", "his", "their", "our", "its", "with", "from"]
)
"""Words behind which a pause is rare."""

_PAUSE = re.compile(r"[.,;:!?()\"“”\n]|--|—")


@dataclass(frozen=True)
class Scale:
    """How much is asked.

    Attributes:
        samples, tokens: texts that a model writes, and tokens of each.
        pieces, piece: of each split, that losses are taken of, and tokens of each.
        windows: of each split, that a model is asked to complete.
        prefix: tokens that it is given of each, and that it has to say next.
    """

    samples: int = 24
    tokens: int = 150
    pieces: int = 100
    piece: int = 256
    windows: int = 200
    prefix: int = 50


# ------------------------------------------------------------------------------------------ what is compared
class Books:
    """A finished run: its splits, its tokenizer, and what is asked of them once for all models."""

    def __init__(self, run: Path, scale: Scale) -> None:
        self.run, self.scale = run, scale
        self.shards = Shards(run / "shards")
        self.train, self.held_out = self.shards.split("train"), self.shards.split("validation")
        self.tokenizer = Tokenizer.load(run / "tokenizer" / "tokenizer.json")

    @cached_property
    def documents(self) -> list[dict[str, Any]]:
        """Id, title and number of words of each document."""
        files = sorted((self.run / "documents").glob("*.parquet"))
        columns = ["id", "title", "text"]
        rows = [row for file in files for row in pq.read_table(file, columns=columns).to_pylist()]
        return [{"id": r["id"], "title": r["title"], "words": len(words(r["text"]))} for r in rows]

    @cached_property
    def index(self) -> SplitNgrams:
        """Where runs of tokens stand in the training split."""
        return open_index(self.run).split("train")

    @cached_property
    def known(self) -> frozenset[str]:
        """All words of the training split."""
        return known_words(self.train, self.tokenizer, self.train.tokens)

    @cached_property
    def clauses(self) -> list[int]:
        """Lengths of all that stands between two pauses of the training split, in words."""
        return clauses([self.tokenizer.decode(self.train.read(0, self.train.tokens).tolist())])

    def held_out_figures(self) -> dict[str, Any]:
        """The scores of held-out text: mean, least and greatest of groups of as many pieces as samples."""
        texts = list(pieces(self.held_out, self.scale.tokens, self.held_out.tokens))
        size = min(self.scale.samples, len(texts))
        number = len(texts) // size
        # Every so-manieth piece, so that each group has something of each book.
        groups = [texts[first::number][:size] for first in range(number)]
        found = [self.scores(group) for group in groups]
        return {"groups": len(groups), "texts": size, "scores": spread(found)}

    def copies(self, texts: Sequence[Ids]) -> dict[str, Any]:
        """What of a group of texts, given as ids, stands in the training split; see `copied`."""
        return copied(self.index, texts, self.shards, self.tokenizer)

    def scores(
        self, texts: Sequence[Ids], copies: Mapping[str, Any] | None = None
    ) -> dict[str, float | None]:
        """All scores of a group of texts, given as ids; `copies` of them, where they were looked for."""
        said = [self.tokenizer.decode(ids.tolist()) for ids in texts]
        found = score(said, self.known)
        copies = copies or self.copies(texts)
        return {
            **{name: found[name] for name in ("known_words", "distinct_2", "distinct_3", "longest_repeat")},
            **rhythm(said, self.clauses),
            **metre(said),
            "copied": copies["share"],
            "longest_copy": copies["longest"],
        }


def pieces(split: SplitTokens, length: int, most: int) -> Ids:
    """Pieces of so many tokens that do not overlap, (P, length): all, or `most` of them spread evenly."""
    found = []
    for number in range(split.sequences):
        ids = split.sequence(number)[:-1]
        found += [ids[start : start + length] for start in range(0, len(ids) - length + 1, length)]
    chosen = np.linspace(0, len(found) - 1, min(most, len(found))).astype(int) if found else []
    return np.array([found[number] for number in chosen], np.int64).reshape(-1, length)


def spread(groups: Sequence[Mapping[str, float | None]]) -> dict[str, dict[str, float] | None]:
    """Mean, least and greatest of each figure over groups; None where no group has it."""
    found: dict[str, dict[str, float] | None] = {}
    for name in groups[0] if groups else ():
        values = [value for each in groups if (value := each[name]) is not None]
        ends = (
            {"mean": statistics.fmean(values), "least": min(values), "most": max(values)} if values else None
        )
        found[name] = ends
    return found


# --------------------------------------------------------------------------------------------- rhythm, metre
def clauses(texts: Sequence[str]) -> list[int]:
    """Lengths of what stands between two marks at which a reader pauses, in words."""
    lengths = [len(words(piece)) for text in texts for piece in _PAUSE.split(text)]
    return [length for length in lengths if length]


def rhythm(texts: Sequence[str], all_clauses: Sequence[int]) -> dict[str, float | None]:
    """The rhythm of prose in numbers: how long sentences are, how often they pause, and how that is spread.

    sentence: words of a sentence, of those that begin and end in the text, in the mean.
    pauses: marks at which a reader pauses for each 100 words.
    clause_distance: the greatest difference between two shares: of clauses of at most n words here and in
        the training text (Kolmogorov and Smirnov's distance). 0: alike; it does not see what the words are.
    broken: share of the clauses, but the last of each text, that end in a word that must go on, as "the":
        marks strewn at the right rate give clauses of the right lengths, but break them off.
    """
    whole = [len(words(each)) for text in texts for each in _SENTENCE.split(text)[1:-1]]
    whole = [length for length in whole if length]
    cut = [words(each) for text in texts for each in _PAUSE.split(text)[:-1]]
    ends = [each[-1].lower() for each in cut if each]
    count, lengths = sum(len(words(text)) for text in texts), clauses(texts)
    marks = sum(len(_PAUSE.findall(text.replace("\n", " "))) for text in texts)
    return {
        "sentence": statistics.fmean(whole) if whole else None,
        "pauses": 100 * marks / count if count else None,
        "clause_distance": distance(lengths, all_clauses) if lengths else None,
        "broken": sum(end in _GOES_ON for end in ends) / len(ends) if ends else None,
    }


def distance(ours: Sequence[int], theirs: Sequence[int]) -> float:
    """Kolmogorov and Smirnov's distance of two samples of whole numbers."""
    steps = np.arange(max(*ours, *theirs) + 1)
    shares = [np.searchsorted(np.sort(each), steps, side="right") / len(each) for each in (ours, theirs)]
    return float(np.abs(shares[0] - shares[1]).max())


def metre(texts: Sequence[str]) -> dict[str, float | None]:
    """`beat` of texts in the mean, with its standard error, and of the same words shuffled."""
    told = [words(text)[:METRE_WORDS] for text in texts]
    told = [each for each in told if len(each) >= METRE_WORDS // 2]
    if len(told) < 2:
        return {"beat": None, "beat_error": None, "beat_shuffled": None}
    beats = [beat(each) for each in told]
    return {
        "beat": statistics.fmean(beats),
        "beat_error": statistics.stdev(beats) / len(beats) ** 0.5,
        "beat_shuffled": statistics.fmean(beat(shuffled(each, seed)) for seed, each in enumerate(told)),
    }


# ---------------------------------------------------------------------------------------------- a model
def model_at(folder: Path, step: int) -> LanguageModel:
    """A model folder with the weights of a checkpoint; unlike `load_weights` of one never validated, too."""
    if (folder / WEIGHTS).exists():
        return load_weights(folder, str(step), "cpu")
    document = read_sealed(folder / "model.json")
    model = Transformer(ModelSettings(**document["model"]))
    held = {"model": dict(model.named_parameters())}
    checkpoint = folder / FOLDER / f"step-{step:08d}"
    model.load_state_dict(load_checkpoint(checkpoint, held)["model"], strict=False)
    end = int(document["end_of_text"])
    tokenizer = Tokenizer.load_expected(folder / "tokenizer.json", document["tokenizer_sha256"], end)
    return LanguageModel(model.eval(), tokenizer, end, {**document, "measured_step": step})


def model_figures(model: LanguageModel, books: Books) -> dict[str, Any]:
    """All figures of a model: what it writes, what that scores, its losses, and what it recites."""
    scale = books.scale
    written = model.generate(PROMPT, scale.tokens, SAMPLING, 0, scale.samples, batch_rows=scale.samples)
    ids = [np.array(each.ids, np.int64) for each in written]
    copies = books.copies(ids)
    return {
        "samples": [each.text for each in written],
        "scores": books.scores(ids, copies),
        "copy": copies["runs"][0] if copies["runs"] else None,
        "train": _loss(model, books.train, scale, books.shards),
        "held_out": _loss(model, books.held_out, scale, books.shards),
        "recited": {
            "train": _recited(model, books.train, books),
            "held_out": _recited(model, books.held_out, books),
        },
    }


def _loss(model: LanguageModel, split: SplitTokens, scale: Scale, shards: Shards) -> dict[str, float | None]:
    """Nats a token and bits a byte, each piece read by itself, without dropout."""
    ids = pieces(split, scale.piece, scale.pieces)
    nats = score_windows(model, ids).losses
    sizes = model.tokenizer.token_bytes(shards.vocab_size)
    bits = None if sizes is None else float(nats.sum() / np.log(2) / sizes[ids[:, 1:]].sum())
    return {"loss": float(nats.mean()), "bits_per_byte": bits, "tokens": int(nats.size)}


def _recited(model: LanguageModel, split: SplitTokens, books: Books) -> dict[str, Any]:
    scale = books.scale
    asked = extract(
        model, split, books.index, prefix=scale.prefix, following=scale.prefix, most=scale.windows
    )
    rate = asked.rate()
    return {name: rate[name] for name in ("windows", "extracted", "rate", "recited_tokens")}
