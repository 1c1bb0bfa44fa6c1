"""Sentences whose words have tags, as examples of tagging."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from corpuskit.errors import SettingError, counted
from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train.data.examples import Examples
from corpuskit.train.data.tables.conll import Sentence, Tagged, read_conll
from corpuskit.train.data.tables.row import Account
from corpuskit.train.data.tables.splits import TRAIN
from corpuskit.train.evaluate.tagging import spans
from corpuskit.train.generate.generate import LanguageModel
from corpuskit.train.settings.tune import TagSettings
from corpuskit.train.tasks.adapting import tuned_shape
from corpuskit.train.tasks.tag import Tag
from corpuskit.train.tune.sides import Sides, SidesWriter

_SHOWN = 30
_UNKNOWN = -1


class Tagging:
    """Fine-tuning for tags of words; a `Purpose`."""

    name = "tag"
    settings = TagSettings
    epochs, batch_rows, rate = 3.0, 16, 1e-4

    def encode(self, data: str, begun: LanguageModel, settings: TagSettings, folder: Path) -> list[str]:
        """Two passes over the sentences: one for tags and sides, one to encode."""
        found, account = _open(data, settings), Account()
        sides, counts, kinds = Sides(settings), Counter[str](), Counter[str]()
        for each in found.sentences(account):
            sides.add(each.place, *_texts(each))
            counts.update(each.tags)
            if found.scheme != "plain":
                kinds.update(span.kind for span in spans(each.tags, found.scheme, settings.mode))
        if len(counts) < 2:
            raise SettingError(
                f"{found.name}: all words have one tag, {next(iter(counts))!r}",
                remedy="Name the column of the tags with --set tag=N.",
            )
        told = [*found.told, _said(counts, kinds, settings), *account.sentences(), *sides.finish()]
        tags = sorted(counts)
        with SidesWriter(folder, {"tags": tags, "scheme": found.scheme}) as writer:
            encoder = _Encoder(begun, settings, tags, writer)
            for number, each in enumerate(found.sentences(Account())):
                encoder.add(sides.of_row(number), each)
            for side, file in sides.files.items():
                # As the tags that are learnt are: of its own it might be taken for another.
                others = _open(file, settings.model_copy(update={"scheme": found.scheme}))
                told += [*others.told, *sides.add_file(side, data, others.sentences, _texts, encoder.add)]
            writer.require("no sentence fits")
            told += encoder.told()
        return told

    def task(
        self, settings: TagSettings, begun: LanguageModel, sides: Mapping[str, Examples], base: str
    ) -> Tag:
        """Learning the tags that were found."""
        facts = sides[TRAIN].facts
        shape = tuned_shape(begun.model.settings, settings, len(facts["tags"]))
        return Tag(
            settings, shape, facts["tags"], facts["scheme"], sides[TRAIN], sides.get("validation"), base
        )


def _texts(each: Sentence) -> tuple[str, ...]:
    return (" ".join(each.words),)


def _open(data: str, settings: TagSettings) -> Tagged:
    return read_conll(
        data, word=settings.word, tag=settings.tag, scheme=settings.scheme, encoding=settings.encoding
    )


def _said(counts: Counter[str], kinds: Counter[str], settings: TagSettings) -> str:
    words = f"{counted(counts.total(), 'word')}, {counted(len(counts), 'tag')}"
    if not kinds:
        shown = ", ".join(f"{tag}: {count:,}" for tag, count in sorted(counts.items())[:_SHOWN])
        return f"{words}: {shown}"
    shown = ", ".join(f"{kind}: {count:,}" for kind, count in sorted(kinds.items())[:_SHOWN])
    return f"{words}; {counted(kinds.total(), 'span')} counted as {settings.mode} does: {shown}"


def word_ids(
    tokenizer: Tokenizer, end_of_text: int, words: Sequence[str], context: int
) -> Iterator[tuple[list[int], list[int]]]:
    """Words as pieces of ids that fit a context, each with where the last token of each word stands.

    Words but the first of a sentence are read with the blank before them, as in text. A word that alone is
    longer than the context is read by its end.
    """
    ids, at = [end_of_text], list[int]()
    for number, word in enumerate(words):
        own = tokenizer.encode(f" {word}" if number else word) or [end_of_text]
        own = own[-(context - 1) :]
        if len(ids) + len(own) > context:
            yield ids, at
            ids, at = [end_of_text], []
        ids += own
        at.append(len(ids) - 1)
    if at:
        yield ids, at


class _Encoder:
    """Encodes sentences into the examples of each side."""

    def __init__(
        self, begun: LanguageModel, settings: TagSettings, tags: Sequence[str], writer: SidesWriter
    ) -> None:
        self._begun, self._writer = begun, writer
        self._context = settings.context or begun.model.settings.context
        self._numbers = {tag: number for number, tag in enumerate(tags)}
        self._unknown, self._cut, self._sentences = Counter[str](), Account(), 0

    def add(self, side: str, each: Sentence) -> None:
        """Encode a sentence, in several pieces where it does not fit the context."""
        numbers = [self._numbers.get(tag, _UNKNOWN) for tag in each.tags]
        self._unknown.update(tag for tag in each.tags if tag not in self._numbers)
        begun, start, pieces = self._begun, 0, 0
        for ids, at in word_ids(begun.tokenizer, begun.end_of_text, each.words, self._context):
            tags = np.array(numbers[start : start + len(at)], np.int32)
            lines = {"ids": np.array(ids, np.int32), "at": np.array(at, np.int32), "tags": tags}
            self._writer.add(side, **lines, sentence=np.array([self._sentences, start], np.int32))
            start, pieces = start + len(at), pieces + 1
        self._sentences += 1
        if pieces > 1:
            what = f"longer than the context of {self._context} tokens: read in pieces, scored as one"
            self._cut.note(what, each.place)

    def told(self) -> list[str]:
        """What is to be told of what was written."""
        told = [self._writer.told("example"), *self._cut.sentences()]
        if self._unknown:
            names = ", ".join(f"{tag!r} ({count:,})" for tag, count in self._unknown.most_common(5))
            told.append(f"tags that are not known from training count as wrong: {names}")
        return told
