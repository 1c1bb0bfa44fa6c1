"""Sources with their targets, out of a table or two files, as examples of sequence to sequence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from corpuskit.errors import EmptyError, SettingError
from corpuskit.train.data.examples import Examples
from corpuskit.train.data.pairs import room_for
from corpuskit.train.data.tables.pairs import PairRow, Pairs, open_pairs
from corpuskit.train.data.tables.row import SHOWN, Account
from corpuskit.train.data.tables.splits import TRAIN
from corpuskit.train.evaluate.written.scores import require
from corpuskit.train.generate.generate import LanguageModel
from corpuskit.train.generate.lines import require_writer
from corpuskit.train.settings.seq2seq import Seq2seqSettings
from corpuskit.train.tasks.adapting import tuned_shape
from corpuskit.train.tasks.seq2seq import Seq2seq, pair_positions
from corpuskit.train.tune.sides import Sides, SidesWriter


class Translation:
    """Fine-tuning for texts that are written for texts; a `Purpose`."""

    name = "seq2seq"
    settings = Seq2seqSettings
    epochs, batch_rows, rate = 10.0, 32, 3e-4

    def encode(self, data: str, begun: LanguageModel, settings: Seq2seqSettings, folder: Path) -> list[str]:
        """Two passes over the pairs: one for the sides, one to encode."""
        require_writer(begun)
        require(settings.choose)
        if settings.parallel == "fsdp" and settings.choose != "loss":
            raise SettingError(
                f"choose = {settings.choose}: processes that share a model by fsdp measure its loss alone",
                remedy="Give choose = loss, or parallel = ddp.",
            )
        pairs = pairs_of(data, settings.targets, settings)
        account, sides = Account(), Sides(settings)
        for row in pairs.rows(account):
            sides.add(row.place, row.source)
        if not account.used:
            raise EmptyError(
                f"{data}: no pair has a source and a target: {'; '.join(account.sentences())}",
                remedy="Name other columns or files.",
            )
        told = [*pairs.told, *account.sentences(), *sides.finish()]
        held = {side: _held_out(file, settings) for side, file in sides.files.items()}
        with SidesWriter(folder, {}) as writer:
            encoder = _Encoder(begun, settings, writer)
            for number, row in enumerate(pairs.rows(Account())):
                encoder.add(sides.of_row(number), row)
            for side, others in held.items():
                told += [*others.told, *sides.add_file(side, data, others.rows, _known_by, encoder.add)]
            told += encoder.told()
            writer.require(encoder.why())
        return told

    def task(
        self, settings: Seq2seqSettings, begun: LanguageModel, sides: Mapping[str, Examples], base: str
    ) -> Seq2seq:
        """Learning the targets."""
        shape = tuned_shape(begun.model.settings, settings)
        held_out = sides.get("validation")
        return Seq2seq(settings, shape, begun.tokenizer, begun.end_of_text, sides[TRAIN], held_out, base)


def pairs_of(data: str, targets: str | None, settings: Seq2seqSettings) -> Pairs:
    """The pairs of a table or, with a file of targets, of two files, as the settings say."""
    return open_pairs(
        data,
        targets,
        source=settings.source,
        target=settings.target,
        features=settings.features,
        delimiter=settings.delimiter,
        header=settings.header,
        encoding=settings.encoding,
    )


def _held_out(file: str, settings: Seq2seqSettings) -> Pairs:
    """Held-out pairs: of two files where the data are two."""
    if settings.targets is None:
        return pairs_of(file, None, settings)
    sources, comma, targets = file.partition(",")
    if not comma:
        raise SettingError(
            f"{file} is one file, and the data are two: sources and targets",
            remedy=f"Name both: {file},TARGETS.",
        )
    return pairs_of(sources, targets, settings)


def _known_by(row: PairRow) -> Iterator[str]:
    yield row.source


class _Encoder:
    """Encodes pairs into the examples of each side."""

    def __init__(self, begun: LanguageModel, settings: Seq2seqSettings, writer: SidesWriter) -> None:
        self._begun, self._cuts, self._writer = begun, settings.long_pairs == "cut", writer
        self._shape = begun.model.settings
        self._context = settings.context or self._shape.context
        self._both = self._shape.kind == "encoder-decoder"
        self._long = Account()
        self._longest = 0
        self._lengths: list[str] = []

    def add(self, side: str, row: PairRow) -> None:
        """Encode a pair: one that is too long is left out or, where that is asked for, cut."""
        tokenizer = self._begun.tokenizer
        source, target, ended = tokenizer.encode(row.source), tokenizer.encode(row.target), True
        positions = pair_positions(len(source), len(target), self._shape)
        if positions > self._context:
            self._longest = max(self._longest, positions)
            what = "source and target" if not self._both else "the longer side"
            if not self._cuts:
                self._long.leave(self._rule(), row.place)
                if len(self._lengths) < SHOWN:
                    lengths = f"a source of {len(source):,} and a target of {len(target):,} tokens"
                    self._lengths.append(f"{row.place}: {lengths}")
                return
            kept = room_for(len(source), len(target), self._context, both=self._both)
            if kept[0] < len(source):
                self._long.note(f"the source is cut: {what} do not fit {self._context} tokens", row.place)
            if kept[1] < len(target):
                told = "the target is cut, and no end is taught of it"
                self._long.note(f"{told}: {what} do not fit {self._context} tokens", row.place)
            ended = kept[1] == len(target)
            source, target = source[: kept[0]], target[: kept[1]]
        self._writer.add(
            side,
            source=np.array(source, np.int32),
            target=np.array(target, np.int32),
            ended=np.array([ended], np.uint8),
        )

    def _rule(self) -> str:
        if self._both:
            return f"a source must fit {self._context} tokens, and a target with its end"
        return f"source, target and the two tokens before them must fit {self._context} tokens"

    def told(self) -> list[str]:
        """What is to be told of what was written."""
        found = [self._writer.told("pair"), *self._long.sentences()]
        if self._long.left_out:
            found.append(f"{'; '.join(self._lengths)}; --set long_pairs=cut cuts pairs that do not fit")
        return [each for each in found if each]

    def why(self) -> str:
        """Why nothing would be left to learn from."""
        if self._longest:
            return f"{self._rule()}; the longest pair takes {self._longest:,}"
        return "no pair has a source and a target"
