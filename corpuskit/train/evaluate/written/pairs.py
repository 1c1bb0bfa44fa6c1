"""Models that write texts for texts, on files of sources with their targets: losses and scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from corpuskit.errors import EmptyError, SettingError, counted
from corpuskit.train.data.pairs import Pair, pair_batch, room_for
from corpuskit.train.data.tables.pairs import PairRow, Pairs, holds_columns, is_table, open_pairs
from corpuskit.train.data.tables.row import Account
from corpuskit.train.evaluate.compare import Figure, Outcome, figures_of
from corpuskit.train.evaluate.learnt import Known, keeps_examples, met
from corpuskit.train.evaluate.written import scores
from corpuskit.train.generate.generate import LanguageModel
from corpuskit.train.generate.lines import LINE_RULE, Line, Manner, Writer, one_line
from corpuskit.train.tasks.seq2seq import pair_positions, target_nats

Rows = Sequence[int]


@dataclass(frozen=True)
class Asked:
    """How pairs are read and texts are written.

    Attributes:
        source, target, features: columns; those that a model was taught without them.
        manner: how texts are written.
        batch_rows: pairs that are read, and texts that are written, at once.
    """

    source: str | None = None
    target: str | None = None
    features: tuple[str, ...] = ()
    manner: Manner = field(default_factory=Manner)
    batch_rows: int = 32


@dataclass(frozen=True)
class PairFile:
    """Sources whose targets are known.

    Attributes:
        path: the table, or the file of sources.
        name: what the result calls it.
        pairs: what it holds.
        asked: how texts are written.
    """

    path: Path
    name: str
    pairs: Pairs
    asked: Asked
    task: str = "seq2seq"

    @property
    def what(self) -> str:
        """In words."""
        return f"texts that are written for texts, {self.asked.manner.describe()}"

    def lines(self) -> Iterator[tuple[str, str]]:
        """Places and texts of both sides."""
        for row in self.pairs.rows(Account()):
            yield str(row.place), f"{row.source}\n{row.target}"


def pair_files(paths: Sequence[Path], asked: Asked, taught: Mapping[str, Any]) -> list[PairFile]:
    """Files to score on: tables, and of files of lines two each, sources and targets.

    Args:
        taught: the columns that the first model was taught, which are taken where none are named.

    Raises as `open_pairs`; SettingError for a file of lines without a partner, EmptyError where nothing is
    to be written.
    """
    found: list[PairFile] = []
    left = list(paths)
    while left:
        path = left.pop(0)
        named = asked.source is not None or asked.target is not None
        if named or holds_columns(str(path), _columns(taught)):
            how = replace(
                asked,
                source=asked.source or taught.get("source"),
                target=asked.target or taught.get("target"),
                features=asked.features or tuple(taught.get("features") or ()),
            )
            pairs = open_pairs(str(path), source=how.source, target=how.target, features=how.features)
            name = path.name
        elif not _is_lines(left):
            raise SettingError(
                f"{path} is a file of lines, and there is no file of targets behind it",
                remedy="Name both, SOURCES TARGETS; or of a table its columns: --source 1 --target 2.",
            )
        else:
            targets = left.pop(0)
            pairs, name = open_pairs(str(path), str(targets)), f"{path.name} {targets.name}"
        account = Account()
        if next(pairs.rows(account), None) is None:
            raise EmptyError(
                f"{path}: no pair can be used", remedy="; ".join(account.sentences()) or "Add some."
            )
        found.append(PairFile(path, name, pairs, asked))
    return found


def _columns(taught: Mapping[str, Any]) -> list[str]:
    """The columns of a table that a model was taught; none where it was taught by files of lines."""
    if taught.get("source") is None:
        return []
    own = (taught["source"], taught.get("target"), *(taught.get("features") or ()))
    return [each for each in own if each is not None]


def _is_lines(left: Sequence[Path]) -> bool:
    return bool(left) and not is_table(str(left[0]))


def score_pairs(model: LanguageModel, folder: Path, each: PairFile) -> Outcome:
    """What a model writes for a file: figures of all pairs and, where it has learnt from some, of the others.

    Args:
        folder: the model's, which keeps what it was fine-tuned on.

    Raises SettingError for an encoder.
    """
    written = _Written(model, each)
    read = [[ids] for ids in written.sources]
    keeps = keeps_examples(folder) and bool(written.writer.tuned)
    known = Known(model, folder, read, column="source") if keeps else None
    figures = written.figures(range(len(read)))
    rest = None if known is None or not known.learnt.any() else np.flatnonzero(~known.learnt).tolist()
    learnt = None if known is None else int(known.learnt.sum())
    figures |= {"learnt": learnt, "rest": written.figures(rest) if rest else None}
    figures["told"] = [*written.told, *(met(folder, known, "pair") if written.writer.tuned else ())]
    return Outcome(figures, written.compared, written.rows)


class _Written:
    """What a model writes for the pairs of a file.

    Attributes:
        writer: it.
        sources: the ids of each as it would be learnt, beside its target.
        told: what is to be said of all.
        rows: what is told of each, as JSON values.
        compared: the figures by which models are compared.
    """

    def __init__(self, model: LanguageModel, each: PairFile) -> None:
        self.writer, account, asked = Writer(model), Account(), each.asked
        self.writer.check(asked.manner)
        rows = list(each.pairs.rows(account))
        self.sources = [self._learnt(row) for row in rows]
        self._lines = self.writer.write([row.source for row in rows], asked.manner, asked.batch_rows)
        # As they would stand in a file of predictions.
        self._said = [one_line(line.text) for line in self._lines]
        self._wanted = [one_line(row.target) for row in rows]
        self._alone = [one_line(row.alone) for row in rows]
        self._nats = pair_nats(model, rows, asked.batch_rows)
        self.told = [*account.sentences(), *scores.missing(), *self._odd(rows)]
        right = Figure(scores.matches(self._said, self._wanted))
        self.compared = {"exact_match": right}
        if scores.has_sacrebleu():
            self.compared["sentence_chrf"] = Figure(scores.by_text("chrf", self._said, self._wanted))
        self.rows = [
            _told_of(row, line, text) for row, line, text in zip(rows, self._lines, self._said, strict=True)
        ]

    def figures(self, rows: Rows) -> dict[str, Any]:
        """The figures of some pairs, as JSON values."""
        said, wanted, alone = (
            [each[row] for row in rows] for each in (self._said, self._wanted, self._alone)
        )
        nats = [self._nats[row] for row in rows]
        costs = [each for each in nats if each is not None]
        cost = Figure([each for each, _ in costs], [float(tokens) for _, tokens in costs], True)
        found = _scored(said, wanted)
        found["loss"] = figures_of(cost) if costs else {"value": None, "interval": None}
        lines = [self._lines[row] for row in rows]
        return found | {
            "copy": {name: each["value"] for name, each in _scored(alone, wanted).items()},
            "pairs": len(said),
            "tokens": sum(tokens for _, tokens in costs),
            "without_loss": len(nats) - len(costs),
            "empty": sum(not text.strip() for text in said),
            "cut_by_limit": sum(line.finish == "length" for line in lines),
            "cut_by_context": sum(line.finish == "context" for line in lines),
            "sources_cut": sum(line.cut > 0 for line in lines),
        }

    def _learnt(self, row: PairRow) -> list[int]:
        source, target = (self.writer.model.tokenizer.encode(side) for side in (row.source, row.target))
        kept, _ = room_for(len(source), len(target), self.writer.context, both=self.writer.both)
        return source[:kept]

    def _odd(self, rows: Sequence[PairRow]) -> Iterator[str]:
        if not self.writer.tuned:
            yield "the model was not fine-tuned for seq2seq: it goes on behind each source as it can"
        empty = sum(not text.strip() for text in self._said)
        if empty:
            yield f"{counted(empty, 'text')} of {len(rows):,} empty, which count like any other"
        cut = sum(line.finish == "length" for line in self._lines)
        if cut:
            yield f"{counted(cut, 'text')} of {len(rows):,} cut by the limit"
        full = sum(line.finish == "context" for line in self._lines)
        if full:
            yield f"{counted(full, 'text')} of {len(rows):,} cut: the context has no room for more"
        unread = sum(line.cut > 0 for line in self._lines)
        if unread:
            yield f"{counted(unread, 'source')} longer than the context: not all of it was read"
        broken = sum(one_line(each.text) != each.text for each in self._lines)
        broken += sum(one_line(row.target) != row.target for row in rows)
        if broken:
            yield f"{counted(broken, 'text')} with a line break: {LINE_RULE}, on both sides"
        without = sum(each is None for each in self._nats)
        if without:
            yield f"{counted(without, 'pair')} longer than the context: no part of the loss"
        if note := scores.rouge_note(self._wanted):
            yield note


def _scored(said: Sequence[str], wanted: Sequence[str]) -> dict[str, dict[str, Any]]:
    """All scores whose libraries are there, each with its interval where it is a mean of texts."""
    found: dict[str, dict[str, Any]] = {
        "exact_match": {**figures_of(Figure(scores.matches(said, wanted))), "signature": scores.EXACT_RULE}
    }
    for name in scores.NAMES:
        try:
            each = scores.score_of(name, said, wanted)
        except SettingError:  # Not installed, which is told once.
            continue
        found[name] = {"value": each.value, "interval": None, "signature": each.signature}
    return found


def _told_of(row: PairRow, line: Line, text: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "place": str(row.place),
        "source": row.source,
        "target": row.target,
        "text": text,
    }
    return found | {"finish": line.finish, "log_probability": line.log_probability}


@torch.no_grad()
def pair_nats(
    model: LanguageModel, rows: Sequence[PairRow], batch_rows: int = 32
) -> list[tuple[float, int] | None]:
    """What the target of each pair costs with its end, in nats, and its tokens; None for a pair too long."""
    shape, encode = model.model.settings, model.tokenizer.encode
    pairs = [Pair(encode(row.source), encode(row.target)) for row in rows]
    sizes = [pair_positions(len(pair.source), len(pair.target), shape) for pair in pairs]
    found: list[tuple[float, int] | None] = [None] * len(pairs)
    order = sorted((n for n in range(len(pairs)) if sizes[n] <= shape.context), key=lambda n: sizes[n])
    both = shape.kind == "encoder-decoder"
    for first in range(0, len(order), batch_rows):
        numbers = order[first : first + batch_rows]
        batch = pair_batch([pairs[n] for n in numbers], model.end_of_text, both=both)
        batch = {name: each.to(model.device) for name, each in batch.items()}
        for number, nats in zip(numbers, target_nats(model.model, batch).tolist(), strict=True):
            found[number] = nats, len(pairs[number].target) + 1
    return found
