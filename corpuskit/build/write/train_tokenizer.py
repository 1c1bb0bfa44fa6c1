"""The task that trains the tokenizer on the counted pretokens, or takes a given one into the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from corpuskit.errors import EmptyError, counted
from corpuskit.run.folder import Run
from corpuskit.run.layout import TOKENIZER
from corpuskit.run.task import TaskResult
from corpuskit.storage.files import json_text
from corpuskit.tokenizer.count import Counted, PretokenCounter
from corpuskit.tokenizer.files import tokenizer_file
from corpuskit.tokenizer.merges import Merges, learn_merges
from corpuskit.tokenizer.models.choose import train_other
from corpuskit.tokenizer.patterns import described
from corpuskit.tokenizer.special import SPECIAL_TOKENS
from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.tokenizer.train import TrainTokenizer
from corpuskit.tokenizer.weights import Weights, no_text_left


def make_tokenizer(
    run: Run, *, settings: TrainTokenizer, taken: Sequence[str], check_weights: bool = False
) -> TaskResult:
    """Train on what the parts of a run hold, or copy a given tokenizer into the run.

    Of several sizes each lies in a folder of its own, ``tokenizer/8192/``, and the one that encodes beside
    these too. ``training.json`` says how it was made.

    Args:
        taken: a file a part, in part order: counts of pretokens, or for other models than BPE the documents;
            none for a given tokenizer.
        check_weights: hold the names of weights against the sources that documents have.
    """
    warnings: list[str] = []
    if settings.file is not None:
        run.write_bytes(TOKENIZER, tokenizer_file(settings.file).read_bytes())
        paths = [TOKENIZER]
    elif not settings.counts:
        trained = train_other(_texts(run, taken), settings.model_dump())
        with run.scratch() as temporary:
            paths = _save(run, trained, "", temporary)
        # Of words that are asked for, and of a vocabulary that is given, nobody expects a number.
        sized = settings.words is None and settings.vocabulary is None
        warnings = _too_large(settings, trained.vocab_size) if sized else []
    else:
        pretokens = _counted(run, settings, taken, check_weights)
        scale = Weights.of(settings.weights).scale
        least = settings.min_frequency * scale
        merges = learn_merges(pretokens, settings.sizes[-1], SPECIAL_TOKENS, least)
        paths = _save_sizes(run, settings, merges)
        path = run.path("tokenizer", "training.json")
        run.write_bytes(path, json_text(_facts(settings, pretokens, scale)).encode())
        paths.append(path)
        warnings = _too_large(settings, len(merges.tokens))
    tokenizer = Tokenizer.load(run.local(TOKENIZER), lossy=settings.lossy == "allow")
    facts = {"vocab_size": tokenizer.vocab_size, "end_of_text": tokenizer.end_of_text}
    return TaskResult([run.output(path) for path in paths], facts=facts, warnings=warnings)


def _counted(run: Run, settings: TrainTokenizer, counts: Sequence[str], check: bool) -> Counted:
    """The weighted counts of all parts, summed up."""
    weights, sources = Weights.of(settings.weights), set[str]()
    with run.scratch() as folder:
        counter = PretokenCounter(settings.pattern, settings.digits, folder=folder)
        for path in counts:
            for batch in run.read_batches(path):
                for source in pc.unique(batch.column("source")).to_pylist():
                    sources.add(source)
                    own = batch.filter(pc.equal(batch.column("source"), source))
                    found = Counted(own.column("word"), own.column("count").to_numpy())
                    if (weighted := weights.apply(source, found)) is not None:
                        counter.add_counted(weighted)
        if check:
            weights.check(sources)
        whole = counter.take()
    if not len(whole.words):
        if sources:
            raise no_text_left(sources)
        raise EmptyError(
            "tokenizer: no text is left to learn from: every document is empty",
            remedy="`corpuskit inspect` shows bytes by stage: mend what empties them.",
        )
    return whole


def _texts(run: Run, documents: Sequence[str]) -> Iterator[str]:
    for path in documents:
        for batch in run.read_batches(path, ["text"]):
            yield from batch.column("text").to_pylist()


def _save_sizes(run: Run, settings: TrainTokenizer, merges: Merges) -> list[str]:
    """Write the tokenizers of all sizes; the paths of what was written."""
    places = [(settings.vocab_size, "")] + [(size, f"{size}/") for size in settings.sizes]
    paths = []
    with run.scratch() as temporary:
        for size, folder in places if settings.vocab_sizes else places[:1]:
            trained = Tokenizer.of_merges(merges.first(size), settings.pattern, settings.digits)
            paths += _save(run, trained, folder, temporary)
    return paths


def _save(run: Run, trained: Tokenizer, folder: str, temporary: Path) -> list[str]:
    names = ("tokenizer.json", "tokenizer_config.json")
    paths = [run.path("tokenizer", f"{folder}{name}") for name in names]
    for path in paths:
        run.note(path)
    trained.save(run.local(paths[0]), temporary, overwrite=True)
    return paths


def _facts(settings: TrainTokenizer, pretokens: Counted, scale: int) -> dict[str, Any]:
    """How a tokenizer was made, for whoever has it."""
    return {
        **described(settings.pattern, settings.digits),
        "min_frequency": settings.min_frequency,
        "weights": settings.weights,
        "vocab_sizes": settings.sizes,
        "weighted_pretokens": int(pretokens.counts.sum()) / scale,
        "unlike_pretokens": len(pretokens.words),
    }


def _too_large(settings: TrainTokenizer, found: int) -> list[str]:
    """A sentence for each size that the text could not fill."""
    times = counted(settings.min_frequency, "time")
    weighted = ", weighted," if settings.weights else ""
    return [
        f"tokenizer: the text has only {found} tokens that occur{weighted} {times}, not {size}"
        for size in settings.sizes
        if size > found
    ]
