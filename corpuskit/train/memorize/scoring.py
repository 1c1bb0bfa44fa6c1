"""What a decoder makes of given tokens: their loss, and what it would have said in their place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from corpuskit.errors import SettingError
from corpuskit.train.evaluate.likelihood import Line, check_decoder, score_lines
from corpuskit.train.generate.generate import LanguageModel

Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

BATCH_ROWS = 32


@dataclass(frozen=True)
class ScoredWindows:
    """What was found out about rows of tokens.

    Attributes:
        losses: -log p of each token but the first, given those before it, (W, L - 1), in nats.
        greedy: whether it is what the model would have said, had it to say the likeliest, (W, L - 1).
    """

    losses: Floats
    greedy: npt.NDArray[np.bool_]

    def recited(self, prefix: int) -> Ids:
        """Tokens behind the first `prefix` that the model recites before it errs, (W,).

        Greedy writing goes wrong where its first token differs, so that one reading of the true tokens tells
        how far it would have come: up to there it would have read the same.
        """
        counted: Ids = np.cumprod(self.greedy[:, prefix - 1 :], axis=1).sum(1).astype(np.int64)
        return counted


def score_windows(model: LanguageModel, ids: Ids, batch_rows: int = BATCH_ROWS) -> ScoredWindows:
    """Read rows of tokens (W, L), without an end-of-text before them.

    Raises SettingError where L - 1 tokens are more than the model's context, and for one that is no decoder.
    """
    check_decoder(model)
    count, length = ids.shape
    context = model.model.settings.context
    if length - 1 > context:
        raise SettingError(
            f"windows of {length} tokens: the model reads {context} at a time",
            remedy=f"Take --prefix and --next of {context + 1} together at most, e.g. {(context + 1) // 2}"
            " each.",
        )
    # Special tokens carry structure: a model never writes them but for the one that ends a text.
    never = set(model.tokenizer.never_text(model.model.settings.vocab_size)) - {model.end_of_text}
    losses, greedy = np.zeros((count, length - 1)), np.zeros((count, length - 1), np.bool_)
    lines = [Line(row, 1) for row in ids.tolist()]
    for number, scored in score_lines(model.model, lines, batch_rows * length, never=sorted(never)):
        losses[number], greedy[number] = -scored.logs, scored.likeliest
    return ScoredWindows(losses, greedy)
