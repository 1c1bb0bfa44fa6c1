"""Answers in files of conversations, and what follows prompts: what a decoder gives to them.

Conversations are read as instruction tuning reads them, and what it learns is what is measured here: the
texts of answers and the token that ends each, behind all that was said before. So the loss is that of its
validation. A model that was never tuned can be measured beside one that was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from corpuskit.errors import CorpuskitError, EmptyError, counted
from corpuskit.train.data.tables.conversations import Conversation, Conversations, find_conversations
from corpuskit.train.data.tables.row import Account
from corpuskit.train.data.tables.table import open_table
from corpuskit.train.evaluate.compare import Figure, Outcome, figures_of
from corpuskit.train.evaluate.learnt import Known, keeps_examples, met
from corpuskit.train.evaluate.likelihood import Line, Told, check_decoder, score_lines
from corpuskit.train.generate.generate import LanguageModel
from corpuskit.train.generate.turns import ENDS, LEARNT, Speech


@dataclass(frozen=True)
class RepliesFile:
    """A file of conversations, or of prompts and what follows them.

    Attributes:
        name: what the table calls it.
        count: of conversations that can be used.
    """

    path: Path
    name: str
    count: int

    @property
    def what(self) -> str:
        """In words."""
        return f"the answers of {counted(self.count, 'conversation')}"

    def read(self, account: Account) -> Iterator[Conversation]:
        """Those that can be used; the account holds the others."""
        return _conversations(self.path).read(account)

    def lines(self) -> Iterator[tuple[str, str]]:
        """Places and texts."""
        for each in self.read(Account()):
            yield str(each.place), "\n".join(turn.text for turn in each.turns)


def replies_in(path: Path, field: str) -> RepliesFile | None:
    """The conversations of a file; None for a file that has other columns, or the text field among them.

    Raises EmptyError where no conversation can be used.
    """
    try:
        found = _conversations(path)
    except CorpuskitError:  # What is wrong with it is told by who reads it as texts.
        return None
    if field in found.columns.table.columns:
        return None
    return RepliesFile(path, path.name, sum(1 for _ in found.read(Account())))


def _conversations(path: Path) -> Conversations:
    return find_conversations(open_table(str(path)))


@dataclass(frozen=True)
class _Encoded:
    """A conversation as a model reads it, as far as its context reaches."""

    place: str
    ids: list[int]
    learnt: list[int]

    def asked(self, end_of_text: int) -> Iterator[tuple[Line, npt.NDArray[np.bool_]]]:
        """Lines, and which of their scored ids count: the answers, and each end where another id stands."""
        start = self.learnt.index(LEARNT)
        yield Line(self.ids, start), np.array(self.learnt[start:]) == LEARNT
        for at, each in enumerate(self.learnt):
            if each == ENDS:
                yield Line([*self.ids[:at], end_of_text], at), np.ones(1, np.bool_)


def score_replies(model: LanguageModel, folder: Path, each: RepliesFile, told: Told | None = None) -> Outcome:
    """Loss, perplexity and bits per byte of the answers, and of those that the model has not learnt from.

    Of a conversation that is longer than the context the beginning is read, as in training.

    Args:
        folder: the model's, which keeps what it was fine-tuned on.

    Raises SettingError for a model that is no decoder, EmptyError where no answer fits its context.
    """
    check_decoder(model)
    account = Account()
    rows = list(_encoded(model, each, account))
    if not rows:
        raise EmptyError(
            f"{each.name}: no answer stands within the context of {model.model.settings.context} tokens",
            remedy="Measure a model of a longer context, or shorten the prompts.",
        )
    nats, tokens = _costs(model, rows, told)
    sizes = _sizes(model, rows)
    tuned = model.document.get("tuned") or {}
    # What is kept of a conversation reaches as far as the context that it was learnt in.
    read = [[row.ids[: int(tuned.get("context") or len(row.ids)) + 1]] for row in rows]
    known = Known(model, folder, read) if keeps_examples(folder) else None
    chosen = np.arange(len(rows))
    figures: dict[str, Any] = _figures(nats, tokens, sizes, chosen)
    rest = None if known is None or not known.learnt.any() else np.flatnonzero(~known.learnt)
    figures |= {
        "learnt": None if known is None else int(known.learnt.sum()),
        "rest": None if rest is None or not len(rest) else _figures(nats, tokens, sizes, rest),
        "told": [*account.sentences(), *(met(folder, known, "conversation") if tuned else ())],
    }
    compared = {"loss": Figure(nats, tokens, True)}
    if sizes is not None:
        compared = {"bits_per_byte": Figure([each / np.log(2) for each in nats], sizes, True)}
    said = [
        {"place": row.place, "nats": cost, "tokens": int(count)}
        for row, cost, count in zip(rows, nats, tokens, strict=True)
    ]
    return Outcome(figures, compared, said)


def _encoded(model: LanguageModel, each: RepliesFile, account: Account) -> Iterator[_Encoded]:
    speech, room = Speech(model.tokenizer, model.end_of_text), model.model.settings.context + 1
    for found in each.read(account):
        taught = speech.taught_plain if found.plain else speech.taught
        ids, learnt = taught(found.turns)
        if LEARNT not in learnt[:room]:
            account.note("no answer stands within the context: not measured", found.place)
            continue
        if len(ids) > room:
            account.note("longer than the context: the end is not measured", found.place)
        yield _Encoded(str(found.place), ids[:room], learnt[:room])


def _costs(
    model: LanguageModel, rows: Sequence[_Encoded], told: Told | None
) -> tuple[list[float], list[float]]:
    """Nats of the answers of each conversation, and of how many ids they are."""
    asked = [(number, *each) for number, row in enumerate(rows) for each in row.asked(model.end_of_text)]
    nats, tokens = np.zeros(len(rows)), np.zeros(len(rows))
    for at, scored in score_lines(model.model, [line for _, line, _ in asked], told=told):
        number, _, counts = asked[at]
        nats[number] -= float(scored.logs[counts].sum(dtype=np.float64))
        tokens[number] += int(counts.sum())
    return nats.tolist(), tokens.tolist()


def _sizes(model: LanguageModel, rows: Sequence[_Encoded]) -> list[float] | None:
    """Bytes of the answers of each conversation; None where they are not known."""
    sizes = model.tokenizer.token_bytes(model.model.settings.vocab_size)
    if sizes is None:
        return None
    return [float(sizes[np.array(row.ids)][np.array(row.learnt) == LEARNT].sum()) for row in rows]


def _figures(
    nats: Sequence[float], tokens: Sequence[float], sizes: Sequence[float] | None, rows: Any
) -> dict[str, Any]:
    """The figures of some conversations, as JSON values."""
    costs, counts = ([each[row] for row in rows] for each in (nats, tokens))
    loss = figures_of(Figure(costs, counts, True))
    bounds = loss["interval"]
    found: dict[str, Any] = {
        "loss": loss,
        "perplexity": {
            "value": float(np.exp(loss["value"])),
            "interval": bounds and np.exp(bounds).tolist(),
        },
    }
    if sizes is not None:
        bits = Figure([each / float(np.log(2)) for each in costs], [sizes[row] for row in rows], True)
        found["bits_per_byte"] = figures_of(bits)
    return found | {"rows": len(costs), "tokens": int(sum(counts))}
