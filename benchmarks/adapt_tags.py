"""Tags of words, the group "tags" of `benchmarks.adapt`: parts of speech, and names in Spanish and Dutch.

The most frequent tag of each word, as it was learnt from; of words that were not, the most frequent of all.
All sides tag the same whole sentences, and spans are counted by conlleval's rules, as seqeval counts them by
default: tests hold `corpuskit.train.evaluate.tagging` to that.
"""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.adapt_arms import Arm, Figures, Kept, Study, said, shape_of, spread, table, threads
from benchmarks.adapt_data import Rows, Sentences, entities, parts_of_speech, read_rows, write_rows
from benchmarks.harness import OURS, Options, Row, compare
from corpuskit.train import TrainResult
from corpuskit.train.evaluate.tagging import span_f1
from corpuskit.train.predict import Tagger

RANDOM, FREQUENT = f"{OURS}, from random weights", "the most frequent tag of each word"
RATES = (1e-3, 3e-3)
ARMS = (Arm(OURS, RATES), Arm(RANDOM, RATES, random=True))


@dataclass(frozen=True)
class Scale:
    """How much is done.

    Attributes:
        seeds: so many runs, each with sentences of its own out of the training side.
        train, validation: sentences; of a side that has fewer all but those to choose by.
        test: sentences to measure on, at most.
    """

    seeds: int
    train: int
    validation: int
    test: int
    epochs: int
    batch_rows: int = 16


FULL = Scale(seeds=5, train=1200, validation=200, test=1500, epochs=4)
QUICK = Scale(seeds=2, train=300, validation=50, test=200, epochs=2)
SETS = {"parts of speech, English": "", "names, Spanish": "esp", "names, Dutch": "ned"}


def tags(options: Options) -> list[Row]:
    """Accuracy of parts of speech and F1 of names, by a pre-trained model and by what it has to beat."""
    model, scale = options.require("encoder"), QUICK if options.quick else FULL
    kept = Kept("tags", options.quick)
    arms = [replace(arm, rates=arm.rates[:1]) for arm in ARMS] if options.quick else ARMS
    rows = []
    for name, language in SETS.items():
        both = entities(options.corpora, language) if language else parts_of_speech(options.corpora)
        with tempfile.TemporaryDirectory() as folder:
            study = _study(name, model, both, scale, kept, Path(folder))
            found = {FREQUENT: [frequent(train, test) for train, _, test in study.splits]}
            found |= study.results(arms)
            given = _told(model, study, scale)
        figures = {"span F1": "F1 of spans, %"} if language else {}
        figures |= {"accuracy": "accuracy, %"}
        print(f"\n{name}, {given}\n\n{table(found, figures)}\n", flush=True)
        rows += _rows(name, next(iter(figures)), found, given)
    kept.done()
    return rows


def _study(name: str, model: Path, both: Sentences, scale: Scale, kept: Kept, work: Path) -> Study:
    train = min(scale.train, len(both.train) - scale.validation)
    test = write_rows(work / "test.jsonl", _some(both.test, scale.test, 0))
    splits = []
    for seed in range(scale.seeds):
        drawn = _some(both.train, train + scale.validation, seed)
        sides = {"train": drawn[:train], "validation": drawn[train:]}
        paths = [write_rows(work / f"{side}-{seed}.jsonl", rows) for side, rows in sides.items()]
        splits.append((paths[0], paths[1], test))
    steps = scale.epochs * -(-train // scale.batch_rows)
    every = max(1, steps // scale.epochs)
    shared = {"steps": steps, "batch_rows": scale.batch_rows, "eval_every": every}
    return Study(name, model, "tag", splits, shared, _figures, kept)


def _some(rows: Rows, count: int, seed: int) -> Rows:
    return random.Random(seed).sample(rows, min(count, len(rows)))


def _figures(result: TrainResult, test: Path) -> Figures:
    """The scores of a tagger on whole sentences, and its validation loss, turned so that more is better."""
    rows = read_rows(test)
    said = Tagger.load(result.out, "cpu").tag([row["words"] for row in rows])
    found = _scores([row["tags"] for row in rows], [list(each.tags) for each in said])
    assert result.validation_loss is not None
    return {**found, "validation": -result.validation_loss}


def frequent(train: Path, test: Path) -> Figures:
    """The scores of the most frequent tag of each word."""
    counts: dict[str, Counter[str]] = {}
    everything: Counter[str] = Counter()
    for row in read_rows(train):
        everything.update(row["tags"])
        for word, tag in zip(row["words"], row["tags"], strict=True):
            counts.setdefault(word, Counter())[tag] += 1
    best = {word: each.most_common(1)[0][0] for word, each in counts.items()}
    [(usual, _)] = everything.most_common(1)
    rows = read_rows(test)
    return _scores(
        [row["tags"] for row in rows], [[best.get(word, usual) for word in row["words"]] for row in rows]
    )


def _scores(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> Figures:
    found = span_f1(gold, predicted)
    return {"accuracy": 100 * found["accuracy"], "span F1": 100 * found["f1"]}


def _told(model: Path, study: Study, scale: Scale) -> str:
    train, validation, test = (len(read_rows(path)) for path in study.splits[0])
    return (
        f"{shape_of(model)}; {train:,} sentences to learn from, {validation} to choose by, {test:,} to "
        f"score; {scale.epochs} epochs of batches of {scale.batch_rows}, {scale.seeds} seeds; {threads()}"
    )


def _rows(name: str, figure: str, found: Mapping[str, Sequence[Figures]], given: str) -> list[Row]:
    means = {tool: round(spread([each[figure] for each in results])[0], 2) for tool, results in found.items()}
    notes = {tool: said(results, figure) for tool, results in found.items()}
    ours, random_weights, frequent = means[OURS], means[RANDOM], means[FREQUENT]
    own, *others = compare(
        f"{name}: {figure}", ours, {FREQUENT: frequent}, unit="%", better="higher",
        input=given, note=notes[OURS], notes=notes,
    )  # fmt: skip
    # The same program from random weights is no peer: its row stands beside ours.
    beside = replace(own, best_peer=None, ratio=None, tool=RANDOM, value=random_weights, note=notes[RANDOM])
    return [replace(own, bar="above both", met=ours > max(random_weights, frequent)), beside, *others]
