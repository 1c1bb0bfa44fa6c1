"""Conversations, and prompts with what follows them, as examples of instruction tuning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from corpuskit.errors import SettingError, counted
from corpuskit.train.data.examples import Examples
from corpuskit.train.data.tables.conversations import Conversation, find_conversations
from corpuskit.train.data.tables.row import Account
from corpuskit.train.data.tables.splits import TRAIN
from corpuskit.train.generate.generate import LanguageModel
from corpuskit.train.generate.turns import Speech
from corpuskit.train.settings.tune import InstructSettings
from corpuskit.train.tasks.adapting import tuned_shape
from corpuskit.train.tasks.instruct import Instruct
from corpuskit.train.tune.classify import open_data
from corpuskit.train.tune.sides import Sides, SidesWriter


class Instruction:
    """Fine-tuning for answers; a `Purpose`."""

    name = "instruct"
    settings = InstructSettings
    epochs, batch_rows, rate = 3.0, 8, 1e-4

    def encode(self, data: str, begun: LanguageModel, settings: InstructSettings, folder: Path) -> list[str]:
        """Two passes over the conversations: one for the sides, one to encode."""
        require_decoder(begun)
        found = find_conversations(open_data(data, settings), settings.columns)
        account, sides = Account(), Sides(settings)
        for each in found.read(account):
            sides.add(each.place, *_texts(each))
        told = [*found.columns.table.told, *found.told, *account.sentences(), *sides.finish()]
        chats = found.form != "completion"
        with SidesWriter(folder, {"chats": chats}) as writer:
            encoder = _Encoder(begun, settings, writer, data)
            for number, each in enumerate(found.read(Account())):
                encoder.add(sides.of_row(number), each)
            for side, file in sides.files.items():
                others = find_conversations(open_data(file, settings), settings.columns)
                told += [*others.told, *sides.add_file(side, data, others.read, _texts, encoder.add)]
            told += encoder.told()
        return told

    def task(
        self, settings: InstructSettings, begun: LanguageModel, sides: Mapping[str, Examples], base: str
    ) -> Instruct:
        """Learning the answers."""
        train = sides[TRAIN]
        shape = tuned_shape(begun.model.settings, settings)
        return Instruct(
            settings,
            shape,
            begun.tokenizer,
            begun.end_of_text,
            train,
            sides.get("validation"),
            base,
            train.facts["chats"],
        )


def require_decoder(begun: LanguageModel) -> None:
    """Raise SettingError for a model that cannot answer."""
    kind = begun.model.settings.kind
    if kind != "decoder":
        raise SettingError(
            f"this model is an {kind}: it cannot be taught to talk",
            remedy="Begin with a decoder, which `corpuskit train` makes with objective = causal.",
        )


def _texts(each: Conversation) -> Iterator[str]:
    return (turn.text for turn in each.turns)


class _Encoder:
    """Encodes conversations into the examples of each side."""

    def __init__(
        self, begun: LanguageModel, settings: InstructSettings, writer: SidesWriter, data: str
    ) -> None:
        self._speech = Speech(begun.tokenizer, begun.end_of_text)
        self._context = settings.context or begun.model.settings.context
        self._writer, self._data = writer, data
        self._cut, self._without, self._answers = Account(), Account(), 0
        self._shortest = 0  # prompt of those that leave no answer

    def add(self, side: str, each: Conversation) -> None:
        """Encode a conversation: of one that is too long the beginning, if an answer is left."""
        taught = self._speech.taught_plain if each.plain else self._speech.taught
        ids, learnt = taught(each.turns)
        # A row of T positions has T + 1 ids.
        room = self._context + 1
        if len(ids) > room:
            if not any(learnt[:room]):
                prompt = next(number for number, each in enumerate(learnt) if each)
                self._shortest = min(self._shortest or prompt, prompt)
                self._without.leave(f"no answer within the context of {self._context} tokens", each.place)
                return
            self._cut.note(
                f"longer than the context of {self._context} tokens: the end is cut off", each.place
            )
        self._answers += sum(turn.learned for turn in each.turns)
        line = np.array(learnt[:room], np.uint8)
        self._writer.add(side, ids=np.array(ids[:room], np.int32), learnt=line)

    def told(self) -> list[str]:
        """What is to be told of what was written; raises SettingError where nothing was."""
        if not self._writer.count(TRAIN):
            raise SettingError(
                f"{self._data}: no conversation has an answer within the context of {self._context} tokens; "
                f"the shortest prompt has {self._shortest:,}",
                remedy="Shorten the prompts, or begin with a model of a longer context.",
            )
        notes = [*self._without.sentences(), *self._cut.sentences()]
        return [f"{self._writer.told('conversation')}; {counted(self._answers, 'answer')}", *notes]
