"""Exposure: how far up a planted canary stands among the sentences that it might have been.

Carlini et al., "The Secret Sharer", arXiv:1802.08232: exposure = log2(candidates) - log2(rank), in bits; a
model that has never seen it gives 1.4 on average, the highest possible is log2(candidates).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from corpuskit.errors import SettingError
from corpuskit.shards.canaries import Canary, CanaryFormat
from corpuskit.shards.permutation import Permutation
from corpuskit.train.evaluate.windows import id_losses
from corpuskit.train.generate.generate import LanguageModel
from corpuskit.train.generate.sampling import Sampling
from corpuskit.train.memorize.scoring import BATCH_ROWS

CANDIDATES = 4096
"""Candidates that are looked at: all where there are no more, else so many drawn by seed."""

TIE = 1e-3
"""Nats by which two sentences must differ: what rounding moves must not order equal ones."""

_GRID = 20_001


@dataclass(frozen=True)
class Exposure:
    """How exposed a canary is.

    Attributes:
        id, text, copies: of the canary.
        log_likelihood: of its text as the beginning of a document, in nats.
        rank: among all candidates, 1 for the likeliest; of candidates that are equally likely the mean, as if
            they stood in an order of chance; an estimate where only a sample was looked at.
        candidates, compared: how many there are, and how many were looked at.
        exposure, highest: in bits: log2(candidates) - log2(rank), and what it would be at rank 1.
        at_least: what the exposure surely is (95 %) by the sample alone; the exposure itself where all
            candidates were looked at.
        method: "rank", "sampled rank", or "skew-normal", where no candidate of the sample is likelier and the
            share of those that are is estimated by a skew-normal distribution that is fitted to the sample.
        recited: whether the model writes the secret when it is given what stands before it.
    """

    id: str
    text: str
    copies: int
    log_likelihood: float
    rank: float
    candidates: int
    compared: int
    exposure: float
    highest: float
    at_least: float
    method: str
    recited: bool = False

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def mean_rank(own: float, others: npt.NDArray[np.float64]) -> float:
    """The rank of a log-likelihood among others, 1 for the greatest; of ties the mean of their ranks.

    >>> mean_rank(-2.0, np.array([-1.0, -2.0, -2.0, -3.0]))
    3.0
    """
    better, ties = int((others > own + TIE).sum()), int((np.abs(others - own) <= TIE).sum())
    return 1 + better + ties / 2


def exposure_of(
    model: LanguageModel, canary: Canary, most: int = CANDIDATES, seed: int = 0, batch_rows: int = BATCH_ROWS
) -> Exposure:
    """The exposure of a canary.

    Raises SettingError for a model that is no decoder, and a canary that does not fit its context.
    """
    sentence = CanaryFormat(canary.format)
    space = sentence.space
    whole = space <= most
    if whole:
        numbers = [number for number in range(space) if number != canary.secret]
    else:
        order = Permutation(space, seed)
        drawn = (order[number] for number in range(most))
        numbers = [number for number in drawn if number != canary.secret]
    texts = [canary.text, *map(sentence.fill, numbers)]
    own, *rest = _log_likelihoods(model, texts, batch_rows)
    others = np.array(rest)
    highest = math.log2(space)
    found: dict[str, Any] = {
        "id": canary.id,
        "text": canary.text,
        "copies": canary.copies,
        "log_likelihood": own,
    }
    found |= {"candidates": space, "compared": len(texts), "highest": highest}
    rank = mean_rank(own, others)
    if whole:
        bits = highest - math.log2(rank)
        return Exposure(**found, rank=rank, exposure=bits, at_least=bits, method="rank")
    share = (rank - 1) / len(others)  # of the other candidates that are likelier
    # The greatest share that would give so few in one sample of twenty (Wilson's bound, one side).
    z = 1.644854
    bound = share + z**2 / (2 * len(others))
    bound += z * math.sqrt(share * (1 - share) / len(others) + z**2 / (4 * len(others) ** 2))
    bound /= 1 + z**2 / len(others)
    at_least = highest - math.log2(1 + bound * (space - 1))
    method = "sampled rank"
    if rank == 1:
        share, method = 2.0 ** _log2_share_below(-own, -others), "skew-normal"
    rank = 1 + share * (space - 1)
    bits = highest - math.log2(rank)
    return Exposure(**found, rank=rank, exposure=bits, at_least=min(at_least, bits), method=method)


def _log_likelihoods(model: LanguageModel, texts: Sequence[str], batch_rows: int) -> list[float]:
    """log p of each text as the beginning of a document, in nats; the first one must fit the context."""
    ids = [np.asarray(each, np.int64) for each in model.tokenizer.encode(list(texts))]
    context = model.model.settings.context
    if len(ids[0]) > context:
        raise SettingError(
            f"{texts[0][:60]!r} has {len(ids[0])} tokens: the model reads {context} at a time",
            remedy="Plant shorter sentences, or train with a longer context.",
        )
    return [-each.nats for each in id_losses(model, ids, tokens_at_once=batch_rows * context)]


def exposures(
    model: LanguageModel,
    canaries: Sequence[Canary],
    most: int = CANDIDATES,
    seed: int = 0,
    batch_rows: int = BATCH_ROWS,
) -> list[Exposure]:
    """The exposure of each canary, and whether the model recites it."""
    told = [recites(model, canary, batch_rows) for canary in canaries]
    return [
        Exposure(**{**exposure_of(model, canary, most, seed, batch_rows).to_json(), "recited": said})
        for canary, said in zip(canaries, told, strict=True)
    ]


def recites(model: LanguageModel, canary: Canary, batch_rows: int = BATCH_ROWS) -> bool:
    """Whether the likeliest continuation of what stands before the secret is the rest of the canary."""
    # A token that begins with a space holds it: a prompt that ended with one would ask for another.
    prompt = CanaryFormat(canary.format).start.rstrip()
    rest = canary.text[len(prompt) :]
    tokens = len(model.tokenizer.encode(rest)) + 2
    if not prompt or tokens + len(model.tokenizer.encode(prompt)) > model.model.settings.context:
        raise SettingError(
            f"{canary.id}: {canary.text!r} cannot be asked for: {prompt!r} stands before its secret",
            remedy="Let the format begin with words, and be shorter than the model's context.",
        )
    [said] = model.generate(prompt, tokens, Sampling(temperature=0), batch_rows=batch_rows)
    return said.text.startswith(canary.text)


def _log2_share_below(value: float, sample: npt.NDArray[np.float64]) -> float:
    """log2 of P(x <= value) under the skew-normal distribution with a sample's first three moments."""
    mean, spread = float(sample.mean()), float(sample.std())
    if spread < TIE:
        return 0.0 if value >= mean - TIE else -math.inf
    skew = float(((sample - mean) ** 3).mean()) / spread**3
    skew = max(-0.99, min(0.99, skew))  # Skew-normal distributions have no more.
    part = abs(skew) ** (2 / 3)
    delta = math.copysign(math.sqrt(math.pi / 2 * part / (part + ((4 - math.pi) / 2) ** (2 / 3))), skew)
    slant = delta / math.sqrt(1 - delta**2)
    scale = spread / math.sqrt(1 - 2 * delta**2 / math.pi)
    place = mean - scale * delta * math.sqrt(2 / math.pi)
    end = (value - place) / scale
    z = torch.linspace(end - 40, end, _GRID, dtype=torch.float64)
    log_density = math.log(2) - z**2 / 2 - math.log(2 * math.pi) / 2 + torch.special.log_ndtr(slant * z)
    step = 40 / (_GRID - 1)
    return min(0.0, float(torch.logsumexp(log_density, 0)) / math.log(2) + math.log2(step))
