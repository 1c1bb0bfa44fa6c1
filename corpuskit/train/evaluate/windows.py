"""Loss of whole texts, however long: windows that overlap, in which each token is scored once.

A text begins behind the end-of-text mark, as documents do in training, so that its first token is scored too;
the mark itself is not. The first window scores all that it holds. Each later one goes on by `stride` tokens
and scores those alone, behind as many before them as fit: never less than the context without the stride.
Sums are kept, not means: a window counts by its tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from corpuskit.errors import SettingError, checks_arguments
from corpuskit.train.evaluate.likelihood import TOKENS_AT_ONCE, Line, Told, check_decoder, score_lines
from corpuskit.train.generate.generate import LanguageModel
from corpuskit.train.tasks.task import Metrics


@dataclass(frozen=True)
class Windows:
    """How long texts are cut.

    Attributes:
        context: tokens that the model reads at a time.
        stride: tokens that each window but the first scores.
    """

    context: int
    stride: int

    @classmethod
    def of(cls, model: LanguageModel, stride: int | None = None) -> Windows:
        """With a stride of half of the context or the one given; SettingError where that does not fit."""
        context = model.model.settings.context
        if stride is not None and not 1 <= stride <= context:
            raise SettingError(
                f"stride = {stride} does not lie between 1 and the model's context of {context} tokens",
                remedy="A stride of the context reads each token once; a smaller one gives more context.",
            )
        return cls(context, stride or max(1, context // 2))

    @property
    def least_context(self) -> int:
        """Tokens before each token that is scored, at least, but for the first ones of a text."""
        return self.context - self.stride + 1

    def lines(self, ids: Sequence[int]) -> Iterator[Line]:
        """The windows of a text whose first id is not scored.

        >>> [(len(line.ids), line.start) for line in Windows(4, 2).lines(range(10))]
        [(5, 1), (5, 3), (5, 3), (5, 4)]
        """
        done = 1
        while done < len(ids):
            end = min(len(ids), self.context + 1 if done == 1 else done + self.stride)
            begin = max(0, end - self.context - 1)
            yield Line(list(ids[begin:end]), done - begin)
            done = end


@dataclass(frozen=True)
class TextLoss:
    """What a text costs.

    Attributes:
        nats: sum of -ln p over its tokens.
        tokens: how many there are.
        windows: in which it was read.
    """

    nats: float
    tokens: int
    windows: int


@checks_arguments
def text_losses(
    model: LanguageModel,
    texts: Sequence[str],
    stride: int | None = None,
    *,
    tokens_at_once: int = TOKENS_AT_ONCE,
    told: Told | None = None,
) -> list[TextLoss]:
    """What each text costs, all of its tokens scored once; an empty text costs nothing.

    Args:
        stride: tokens by which windows move; half of the context by default.

    Raises SettingError for a model that is no decoder and a stride that is not between 1 and the context.
    """
    ids = [np.array(model.tokenizer.encode(text), np.int64) for text in texts]
    return id_losses(model, ids, stride, tokens_at_once=tokens_at_once, told=told)


def id_losses(
    model: LanguageModel,
    texts: Iterable[npt.NDArray[np.integer]],
    stride: int | None = None,
    *,
    tokens_at_once: int = TOKENS_AT_ONCE,
    told: Told | None = None,
) -> list[TextLoss]:
    """As `text_losses`, of ids without any mark; windows of many texts are read together."""
    check_decoder(model)
    windows = Windows.of(model, stride)
    nats: list[float] = []
    counts: list[int] = []
    parts: list[int] = []
    lines: list[Line] = []
    owners: list[int] = []

    def read() -> None:
        for number, scored in score_lines(model.model, lines, tokens_at_once, told):
            nats[owners[number]] -= float(scored.logs.sum(dtype=np.float64))
        lines.clear()
        owners.clear()

    for ids in texts:
        before = len(lines)
        lines += windows.lines([model.end_of_text, *ids.tolist()])
        owners += [len(nats)] * (len(lines) - before)
        parts.append(len(lines) - before)
        nats.append(0.0)
        counts.append(len(ids))
        # So many that lengths can be sorted, so few that memory does not grow with what is read.
        if len(lines) * windows.context >= 64 * tokens_at_once:
            read()
    read()
    return [TextLoss(*each) for each in zip(nats, counts, parts, strict=True)]


def total(losses: Iterable[TextLoss], sizes: Iterable[int | None]) -> Metrics:
    """All texts as one: sums over sums. Bytes are 0, which means unknown, where one of the sizes is None."""
    each = list(losses)
    known = list(sizes)
    whole = 0 if None in known else sum(size or 0 for size in known)
    return Metrics(sum(loss.nats for loss in each), sum(loss.tokens for loss in each), whole)
