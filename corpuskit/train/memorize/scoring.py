"""What a decoder makes of given tokens: their loss, and what it would have said in their place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from corpuskit.errors import SettingError
from corpuskit.train.generate.generate import LanguageModel

Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

BATCH_ROWS = 32
_LOGITS = 2**25
"""Logits that are held at a time, 128 MB, whatever batch is asked for."""


@dataclass(frozen=True)
class Scored:
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


def require_decoder(model: LanguageModel) -> None:
    """Raise SettingError for a model that continues no text."""
    if (kind := model.model.settings.kind) != "decoder":
        raise SettingError(
            f"this model is an {kind}, which continues no text: what it has learnt by heart cannot be asked"
            " this way",
            remedy="Name a decoder: a model trained with objective = causal.",
        )


def score_windows(model: LanguageModel, ids: Ids, batch_rows: int = BATCH_ROWS) -> Scored:
    """Read rows of tokens (W, L), without an end-of-text before them.

    Raises SettingError where L - 1 tokens are more than the model's context, and as `require_decoder`.
    """
    require_decoder(model)
    count, length = ids.shape
    if length - 1 > model.model.settings.context:
        context = model.model.settings.context
        raise SettingError(
            f"windows of {length} tokens: the model reads {context} at a time",
            remedy=f"Take --prefix and --next of {context + 1} together at most, e.g. {(context + 1) // 2}"
            " each.",
        )
    losses, greedy = np.zeros((count, length - 1)), np.zeros((count, length - 1), np.bool_)
    rows = _rows_at_once(model, length, batch_rows)
    for first in range(0, count, rows):
        part = torch.from_numpy(ids[first : first + rows]).to(model.device)
        found, likeliest = _read(model, part)
        losses[first : first + rows] = found.double().cpu().numpy()
        greedy[first : first + rows] = (likeliest == part[:, 1:]).cpu().numpy()
    return Scored(losses, greedy)


def log_likelihoods(model: LanguageModel, texts: Sequence[str], batch_rows: int = BATCH_ROWS) -> Floats:
    """log p of each text as the beginning of a document, in nats: the sum over its tokens, (N,).

    Raises SettingError for a text that does not fit the model's context, and as `require_decoder`.
    """
    require_decoder(model)
    encoded = [np.asarray(ids, np.int64) for ids in model.tokenizer.encode(list(texts))]
    longest = max(map(len, encoded), default=0)
    if longest > model.model.settings.context:
        text = next(t for t, ids in zip(texts, encoded, strict=True) if len(ids) == longest)
        raise SettingError(
            f"{text[:60]!r} has {longest} tokens: the model reads {model.model.settings.context} at a time",
            remedy="Plant shorter sentences, or train with a longer context.",
        )
    found = np.zeros(len(encoded))
    rows = _rows_at_once(model, longest + 1, batch_rows)
    order = sorted(range(len(encoded)), key=lambda number: (len(encoded[number]), number))
    for first in range(0, len(order), rows):
        numbers = order[first : first + rows]
        width = max(len(encoded[number]) for number in numbers)
        table = np.full((len(numbers), width + 1), model.end_of_text)
        for row, number in enumerate(numbers):
            table[row, 1 : len(encoded[number]) + 1] = encoded[number]
        losses, _ = _read(model, torch.from_numpy(table).to(model.device))
        real = np.arange(width) < np.array([len(encoded[number]) for number in numbers])[:, None]
        found[numbers] = -np.where(real, losses.double().cpu().numpy(), 0.0).sum(1)
    return found


def _rows_at_once(model: LanguageModel, length: int, batch_rows: int) -> int:
    return max(1, min(batch_rows, _LOGITS // (length * model.model.settings.padded_vocab_size)))


@torch.inference_mode()
def _read(model: LanguageModel, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Losses of the tokens but the first, and the likeliest one at each of their places, both (B, L - 1)."""
    model.model.eval()
    logits = model.model(ids[:, :-1])[..., : model.model.settings.vocab_size].float()
    scores = torch.log_softmax(logits, -1)
    losses = -scores.gather(2, ids[:, 1:, None])[..., 0]
    # Special tokens carry structure: a model never writes them but for the one that ends a text.
    never = [each for each in model.tokenizer.never_text(logits.shape[-1]) if each != model.end_of_text]
    scores[..., never] = -torch.inf
    return losses, scores.argmax(-1)
