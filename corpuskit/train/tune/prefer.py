"""Pairs of a better and a worse answer as examples, with what the first model says of them"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from corpuskit.errors import SettingError
from corpuskit.train.data.examples import Examples
from corpuskit.train.data.tables.conversations import Preference, find_preferences
from corpuskit.train.data.tables.row import Account
from corpuskit.train.data.tables.splits import TRAIN
from corpuskit.train.generate.generate import LanguageModel
from corpuskit.train.generate.turns import Speech
from corpuskit.train.model.loss import IGNORED
from corpuskit.train.settings.tune import PreferSettings
from corpuskit.train.tasks.adapting import tuned_shape
from corpuskit.train.tasks.prefer import ANSWERS, Prefer, pair_answers
from corpuskit.train.tasks.tuned import asked, padded
from corpuskit.train.tune.classify import open_data
from corpuskit.train.tune.instruct import require_decoder
from corpuskit.train.tune.sides import Sides, SidesWriter

_AT_ONCE = 8  # pairs that the reference reads together


class Preferring:
    """Fine-tuning for the better of two answers; a `Purpose`."""

    name = "prefer"
    settings = PreferSettings
    epochs, batch_rows, rate = 1.0, 8, 1e-5

    def encode(self, data: str, begun: LanguageModel, settings: PreferSettings, folder: Path) -> list[str]:
        """Two passes over the pairs: one for the sides, one to encode and to ask the model about them."""
        require_decoder(begun)
        found = find_preferences(open_data(data, settings), settings.columns)
        account, sides = Account(), Sides(settings)
        for each in found.read(account):
            sides.add(each.place, *_texts(each))
        told = [*found.columns.table.told, *found.told, *account.sentences(), *sides.finish()]
        plain = next(found.read(Account())).plain
        with SidesWriter(folder, {"chats": not plain}) as writer:
            encoder = _Encoder(begun, settings, writer)
            for number, each in enumerate(found.read(Account())):
                encoder.add(sides.of_row(number), each)
            for side, file in sides.files.items():
                others = find_preferences(open_data(file, settings), settings.columns)
                told += [*others.told, *sides.add_file(side, data, others.read, _texts, encoder.add)]
            encoder.flush()
            told += encoder.told()
        return told

    def task(
        self, settings: PreferSettings, begun: LanguageModel, sides: Mapping[str, Examples], base: str
    ) -> Prefer:
        """Learning to favour the chosen answers."""
        shape = tuned_shape(begun.model.settings, settings)
        return Prefer(settings, shape, sides[TRAIN], sides.get("validation"), base)


def _texts(each: Preference) -> Iterator[str]:
    return (turn.text for turn in (*each.prompt, *each.chosen, *each.rejected))


class _Encoder:
    """Encodes pairs into the examples of each side, with the log-probabilities of the model begun with."""

    def __init__(self, begun: LanguageModel, settings: PreferSettings, writer: SidesWriter) -> None:
        self._begun, self._writer = begun, writer
        self._speech = Speech(begun.tokenizer, begun.end_of_text)
        self._context = settings.context or begun.model.settings.context
        self._account = Account()
        self._waiting: list[tuple[str, dict[str, Any]]] = []

    def add(self, side: str, each: Preference) -> None:
        """Encode a pair; one that does not fit the context is left out, for its answers would be cut."""
        lines: dict[str, Any] = {}
        taught = self._speech.taught_plain if each.plain else self._speech.taught
        for which, answer in zip(ANSWERS, (each.chosen, each.rejected), strict=True):
            ids, learnt = taught((*each.prompt, *answer))
            if len(ids) > self._context + 1:
                self._account.leave(f"longer than the context of {self._context} tokens", each.place)
                return
            lines[f"{which}_ids"] = np.array(ids, np.int32)
            lines[f"{which}_learnt"] = np.array(learnt, np.uint8)
        self._waiting.append((side, lines))
        if len(self._waiting) == _AT_ONCE:
            self.flush()

    @torch.inference_mode()
    def flush(self) -> None:
        """Ask the model about the pairs that wait, and write them."""
        if not self._waiting:
            return
        batch: dict[str, torch.Tensor] = {}
        device = self._begun.device
        for which in ANSWERS:
            ids = [lines[f"{which}_ids"] for _, lines in self._waiting]
            learnt = [lines[f"{which}_learnt"] for _, lines in self._waiting]
            targets = [asked(line, on)[1:] for line, on in zip(ids, learnt, strict=True)]
            batch[f"{which}_ids"] = padded([line[:-1] for line in ids], 0).to(device)
            batch[f"{which}_targets"] = padded(targets, IGNORED).to(device)
        found = torch.stack(
            [each.log_probabilities.float().cpu() for each in pair_answers(self._begun.model, batch)], 1
        )
        for (side, lines), reference in zip(self._waiting, found.numpy(), strict=True):
            self._writer.add(side, **lines, reference=reference.astype(np.float32).view(np.int32))
        self._waiting = []

    def told(self) -> list[str]:
        """What is to be told of what was written; raises SettingError where nothing was."""
        if not self._writer.count(TRAIN):
            raise SettingError(
                f"no pair fits the context of {self._context} tokens",
                remedy="Shorten them, or begin with a model of a longer context.",
            )
        return [self._writer.told("pair"), *self._account.sentences()]
