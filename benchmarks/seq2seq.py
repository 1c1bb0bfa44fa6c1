"""Texts that are written for texts: inflection, translation, headlines, by models pre-trained here.

    python -m benchmarks.seq2seq --bases DIR [--quick] [--only GROUP]... [--json FILE]

DIR is what `python -m benchmarks.seq2seq_bases` makes. Groups:

    german medium, german high, english medium, english high
               the form of a word by its features, exact on dev
    en-de, en-fr
               captions of pictures, chrF and BLEU on those of 2016
    headlines  the title of a news text, ROUGE-L

Forms and headlines are learnt by an encoder-decoder, captions by one and by a decoder of about its size, from
pre-trained weights and from random ones, in as many steps at the same rate, beside a copy of the source, a
word-for-word dictionary or the first words. Lengths are epochs, not minutes: on a machine in use an arm must
not lose what others take. A run of forms is one to three minutes of a quiet core, and what is learnt of both
languages of captions about half an hour of two. A run that ended is kept until its group is done, so that a
benchmark that was stopped goes on where it was; one that was stopped itself is not.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.adapt_arms import (
    Figures,
    Kept,
    fingerprint,
    random_weights,
    said,
    shape_of,
    spread,
    table,
    threads,
    tune,
)
from benchmarks.adapt_data import write_rows
from benchmarks.harness import OURS, Options, Row, run_benchmark
from benchmarks.seq2seq_data import (
    Data,
    captions,
    copies,
    first_words,
    headlines,
    inflections,
    quick,
    sizes,
    word_for_word,
)
from corpuskit.storage.files import sha256_file
from corpuskit.train.data.tables.pairs import with_features
from corpuskit.train.evaluate.written.scores import exact_match, score_of
from corpuskit.train.generate.generate import LanguageModel
from corpuskit.train.generate.lines import Manner, Writer, one_line

EXACT, CHRF, BLEU, ROUGE = "exact match", "chrF", "BLEU", "ROUGE-L"
KINDS = {"both": "encoder-decoder", "decoder": "decoder"}
LEARNT, DRAWN = "pre-trained", "random weights"
BEAMS = Manner(beams=4)
QUICK_STEPS = 40
"""Of each run of `--quick`: that each group works, not what it comes to."""


@dataclass(frozen=True)
class Group:
    """A set and how it is learnt.

    Attributes:
        read: its rows.
        base: which pre-trained models are begun with.
        figures: those that are told, the one that bars are of first.
        settings: of all runs.
        rate: of the learning, from pre-trained weights and from random ones.
        without: what is written without a model, by name.
        seeds: runs of each arm.
        floor: the least value that is asked for, by a source that is named in `floor_of`.
        kinds: of the models.
        learnt: settings of runs from pre-trained weights alone: where rows are few, a dropout that random
            weights do worse with.
    """

    read: Callable[[Path], Data]
    base: str
    figures: tuple[str, ...]
    settings: Mapping[str, Any]
    without: Mapping[str, Callable[[Data], list[str]]]
    seeds: int = 1
    rate: float = 1.5e-3
    floor: float = 0.0
    floor_of: str = ""
    held_out: str = "0.1"
    kinds: tuple[str, ...] = ("both", "decoder")
    learnt: Mapping[str, Any] = field(default_factory=dict)


_BOTH = {"batch_rows": 64, "micro_batch_rows": 64, "precision": "bf16", "dropout": 0.1}
_WORDS = {**_BOTH, "features": ("features",), "choose": "exact_match"}
_TEXTS = {**_BOTH, "choose": "chrf", "label_smoothing": 0.1, "epochs": 6.0, "eval_every": 450}


_MANY = {"eval_every": 250, "ema": 0.998, "label_smoothing": 0.1}
"""Where thousands of rows teach: the weights that are kept are means over some 500 steps."""


def _inflection(language: str, size: str, rules: float, epochs: float) -> Group:
    high = size == "high"
    return Group(
        partial(inflections, language=language, size=size),
        "letters",
        (EXACT, CHRF),
        {**_WORDS, "epochs": epochs, **(_MANY if high else {})},
        {"copy of the lemma": copies},
        seeds=2,
        rate=2e-3,
        kinds=("both",),
        held_out="0.03" if high else "0.1",
        learnt={} if high else {"dropout": 0.3},
        floor=rules if high else 0.0,
        floor_of="the rule baseline of the shared task, run on the same dev rows",
    )


SETS: Mapping[str, Group] = {
    "german medium": _inflection("german", "medium", 71.5, 60),
    "german high": _inflection("german", "high", 81.5, 12),
    "english medium": _inflection("english", "medium", 90.2, 40),
    "english high": _inflection("english", "high", 95.0, 12),
    **{
        f"en-{language}": Group(
            partial(captions, language=language),
            "captions",
            (CHRF, BLEU),
            _TEXTS,
            {"copy of the source": copies, "word for word": word_for_word},
        )
        for language in ("de", "fr")
    },
    "headlines": Group(
        headlines,
        "articles",
        (ROUGE, CHRF),
        {**_TEXTS, "long_pairs": "cut"},
        {"the first 10 words": first_words},
        kinds=("both",),
    ),
}


def measure(name: str, options: Options) -> list[Row]:
    """Rows of a group: what needs no model, and both kinds of model from both beginnings."""
    group, bases = SETS[name], options.require("bases")
    models = {kind: bases / f"{group.base}-{kind}" for kind in group.kinds}
    data = group.read(options.corpora)
    settings, seeds = dict(group.settings), group.seeds
    if options.quick:
        data, seeds = quick(data, 1000, 50), 1
        settings = {k: v for k, v in settings.items() if k != "epochs"} | {"steps": QUICK_STEPS}
    kept = Kept(f"seq2seq {name}", options.quick)
    found: dict[str, list[Figures]] = {
        each: [scores_of(group, write(data), data)] for each, write in group.without.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        files = _files(data, Path(folder))
        for kind, model in models.items():
            for begins in (LEARNT, DRAWN):
                arm = f"{KINDS[kind]}, {begins}"
                run = partial(_run, group, model, begins == DRAWN, files, data, settings, kept, arm)
                found[arm] = [run(seed) for seed in range(1, seeds + 1)]
    shown = {figure: figure for figure in group.figures}
    given = {KINDS[kind]: _given(model, data, settings, seeds) for kind, model in models.items()}
    print(f"\n{name}, {' | '.join(given.values())}\n\n{table(found, shown)}\n", flush=True)
    kept.done()
    return _rows(name, group, found, given)


def scores_of(group: Group, texts: Sequence[str], data: Data) -> Figures:
    """The figures of a group, from 0 to 100."""
    wanted, said_ = [one_line(row["target"]) for row in data.test], [one_line(text) for text in texts]
    names = {CHRF: "chrf", BLEU: "bleu", ROUGE: "rouge_l"}
    return {
        figure: 100 * exact_match(said_, wanted)
        if figure == EXACT
        else score_of(names[figure], said_, wanted).value
        for figure in group.figures
    }


def _files(data: Data, work: Path) -> dict[str, Path]:
    sides = {"train": data.train, "validation": data.validation}
    return {side: write_rows(work / f"{side}.jsonl", rows) for side, rows in sides.items() if rows}


def _run(
    group: Group,
    model: Path,
    drawn: bool,
    files: Mapping[str, Path],
    data: Data,
    shared: Mapping[str, Any],
    kept: Kept,
    arm: str,
    seed: int,
) -> Figures:
    own = {} if drawn else group.learnt
    settings = {**shared, **own, "seed": seed, "learning_rate": group.rate}
    held_out = str(files["validation"]) if "validation" in files else group.held_out
    digests = [sha256_file(each) for each in files.values()]
    unseen = [
        fingerprint(model),
        repr(sorted(settings.items())),
        torch.get_num_threads(),
        digests,
        len(data.test),
    ]

    def run() -> Figures:
        with tempfile.TemporaryDirectory() as folder:
            begun = random_weights(model, Path(folder) / "random", seed) if drawn else model
            out = Path(folder) / "tuned"
            result = tune(begun, files["train"], out, "seq2seq", {**settings, "validation": held_out})
            writer = Writer(LanguageModel.load(out))
            features = [[row["features"]] if "features" in row else [] for row in data.test]
            sources = [with_features(row["source"], f) for row, f in zip(data.test, features, strict=True)]
            greedy = [line.text for line in writer.write(sources)]
            began = time.perf_counter()
            texts = [line.text for line in writer.write(sources, BEAMS)]
            seconds = time.perf_counter() - began
        first = group.figures[0]
        return {
            **scores_of(group, texts, data),
            "greedy": scores_of(group, greedy, data)[first],
            "core seconds": result.seconds * torch.get_num_threads(),
            "steps": float(result.step),
            "lines a second": len(sources) / seconds,
        }

    return kept.get({"arm": arm, "seed": seed, "base": unseen}, run)


def _given(model: Path, data: Data, settings: Mapping[str, Any], seeds: int) -> str:
    length = next(f"{settings[each]:g} {each}" for each in ("epochs", "steps") if each in settings)
    runs = f"{seeds} seed{'' if seeds == 1 else 's'}"
    return f"{shape_of(model)}; {sizes(data)}; {length}, {runs}, 4 beams; {threads()}"


def _rows(
    name: str, group: Group, found: Mapping[str, list[Figures]], given_of: Mapping[str, str]
) -> list[Row]:
    """A row for each arm and figure; bars stand on the pre-trained encoder-decoder's first figure."""
    rows = []
    for figure in group.figures:
        for arm, results in found.items():
            kind, _, beginning = arm.partition(", ")
            ours, bar, met = kind in given_of, None, None
            mean, _ = spread([each[figure] for each in results])
            if ours and figure == group.figures[0] and beginning == LEARNT and kind == KINDS["both"]:
                bar, met = _bar(group, figure, mean, found)
            note = said(results, figure)
            if ours and figure == group.figures[0]:
                rest = {key: spread([each[key] for each in results])[0] for key in ("greedy", "core seconds")}
                note += f"; greedy {rest['greedy']:.2f}; {rest['core seconds']:,.0f} core seconds a run"
            given = given_of.get(kind, "the same rows to learn from and to score")
            tool = OURS if ours else arm
            rows.append(
                Row(
                    f"{name}, {figure}: {arm}",
                    tool,
                    round(mean, 2),
                    "of 100",
                    None,
                    None,
                    bar,
                    met,
                    given,
                    note,
                )
            )
    return rows


def _bar(group: Group, figure: str, mean: float, found: Mapping[str, list[Figures]]) -> tuple[str, bool]:
    """Above what needs no model, above random weights (by more than the spread of several), above a floor."""
    others = {arm: spread([each[figure] for each in found[arm]])[0] for arm in group.without}
    learnt, drawn = (
        spread([each[figure] for each in found[f"{KINDS['both']}, {begins}"]]) for begins in (LEARNT, DRAWN)
    )
    several = len(found[f"{KINDS['both']}, {LEARNT}"]) > 1 and not group.floor
    more = " by more than the spread" if several else ""
    bar = f"above {' and '.join(others)}, and above random weights{more}"
    ahead = max(learnt[1], drawn[1]) if several else 0.0
    met = mean > max(others.values()) and learnt[0] - drawn[0] > ahead
    if group.floor:
        bar += f", and above {group.floor:g}: {group.floor_of}"
        met = met and mean > group.floor
    return bar, met


GROUPS = {name: partial(measure, name) for name in SETS}
PATHS = {"bases": "the folder that `python -m benchmarks.seq2seq_bases` made"}

if __name__ == "__main__":
    sys.exit(run_benchmark("seq2seq", GROUPS, paths=PATHS))
