"""Beam search: of each prompt the texts with the best score, several kept side by side.

    score = sum of ln p over the tokens of a text, its end among them / (how many these are) ^ length_penalty

A penalty of 0 leaves sums, which favour short texts; the greater it is, the longer the texts. Prompt and
source count nowhere. In every step the 2 k best continuations of an item's k beams are looked at: those of
the best k that are at their end, or at the limit, are kept with the k best so far, and the best k of the
others go on. When an item is done is a rule, with the names that transformers has for them:

    first    k texts are kept                                                      early_stopping=True
    likely   the best that goes on, scored at its present length, is not above     early_stopping=False
             the worst of the k that are kept
    never    the same, scored at the limit where length_penalty is above 0         early_stopping="never"

The sequences are those of transformers 5's generate. Sources: arXiv:1609.08144 for a penalty by length, which
has another form there; transformers' `_beam_search` for this one and for the rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from corpuskit.errors import SettingError
from corpuskit.train.generate.search import Growing
from corpuskit.train.model.transformer import Transformer

Stopping = Literal["first", "likely", "never"]
STOPPINGS: tuple[Stopping, ...] = get_args(Stopping)

_NONE = -1e9
"""The score of what is not there, as transformers has it."""


class Hypothesis(NamedTuple):
    """A text that was kept.

    Attributes:
        ids: without the end.
        log_probability: sum over these and the end where there is one, in nats.
        score: that over their number to the power of the length penalty.
        ended: whether the model ended it; else the limit did.
    """

    ids: list[int]
    log_probability: float
    score: float
    ended: bool


MOST_PENALTY = 10.0
"""Of either sign: beyond it lengths to its power are no numbers any more."""


def check_penalty(length_penalty: float) -> None:
    """Raises SettingError for a length penalty beyond `MOST_PENALTY`, or none at all."""
    if not -MOST_PENALTY <= length_penalty <= MOST_PENALTY:
        raise SettingError(
            f"length_penalty = {length_penalty} does not lie between -{MOST_PENALTY:g} and {MOST_PENALTY:g}",
            remedy="Give 0, which is neutral, to 2.",
        )


def check_beams(beams: int, vocabulary: int) -> None:
    """Raises SettingError, naming both, for a width below 1 or above the tokens of the vocabulary."""
    if not 1 <= beams <= vocabulary:
        raise SettingError(
            f"beams = {beams} does not lie between 1 and the {vocabulary:,} tokens of the vocabulary",
            remedy="Give a few, as 4.",
        )


@torch.no_grad()
def beam_search(
    model: Transformer,
    prompts: Sequence[Sequence[int]],
    *,
    end: int,
    most: Sequence[int],
    beams: int = 4,
    length_penalty: float = 1.0,
    stop: Stopping = "likely",
    sources: Sequence[Sequence[int]] | None = None,
    forbidden: Sequence[int] = (),
) -> list[list[Hypothesis]]:
    """The texts kept for each prompt, the best first, none twice; one at least, and `beams` at most.

    An item's texts do not depend on the others, but for rounding. A text at the limit stands beside those
    that ended, by the same score.

    Args:
        model: a decoder or an encoder-decoder, as it is to be read (`eval()`).
        prompts: ids of each item, one at least.
        end: id that ends a text.
        most: tokens of a text of each item at most, its end among them; there must be room in the context.
        beams: k.
        length_penalty: from -10 to 10; 0 is neutral.
        sources: ids that an encoder-decoder reads, one at least.
        forbidden: ids that are impossible; what the model gives them is lost, not shared among the others.

    Raises SettingError for fewer beams than 1 or more than tokens, for a penalty beyond its bounds, and for a
    rule that is not known.
    """
    check_beams(beams, model.settings.vocab_size)
    check_penalty(length_penalty)
    if stop not in STOPPINGS:
        raise SettingError(f"stop = {stop!r} is no rule", remedy=f"Known: {', '.join(STOPPINGS)}.")
    growing = Growing(model, prompts, sources, max(most), forbidden)
    scores = growing.first()
    search = _Search(most, beams, length_penalty, stop, end, scores.device)
    growing.select(torch.arange(len(prompts), device=scores.device).repeat_interleave(beams))
    scores = scores.repeat_interleave(beams, 0)
    while True:
        parents, tokens, going = search.step(scores)
        if not len(going):
            return search.found()
        if len(going) < search.items:
            growing.select(search.keep(going))
            parents, tokens = search.local(parents[going]), tokens[going]
        growing.reorder(parents.flatten())
        scores = growing.next(tokens.flatten())


class _Search:
    """The state of a search: B items that go on, k beams each.

    Attributes:
        items: B.
    """

    def __init__(
        self, most: Sequence[int], beams: int, penalty: float, stop: Stopping, end: int, device: torch.device
    ) -> None:
        self._beams, self._penalty, self._stop, self._end = beams, penalty, stop, end
        self.items, self._step = len(most), 0
        shape = (self.items, beams)
        self._most = torch.tensor(list(most), device=device)
        self._number = list(range(self.items))  # Of each item that goes on, its place among all.
        # Of the first step's equal beams one counts.
        self._sums = torch.full(shape, _NONE, device=device)
        self._sums[:, 0] = 0.0
        self._ids = torch.zeros((*shape, 0), dtype=torch.long, device=device)
        self._kept_scores = torch.full(shape, -torch.inf, device=device)
        self._kept_sums = torch.zeros(shape, device=device)
        self._kept = torch.zeros(shape, dtype=torch.bool, device=device)
        self._kept_ids = torch.full((*shape, max(most)), end, dtype=torch.long, device=device)
        self._kept_lengths = torch.zeros(shape, dtype=torch.long, device=device)
        self._found: dict[int, list[Hypothesis]] = {}

    def step(self, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Take log-probabilities (B k, V) of what follows.

        Returns the beam that each goes on from, as a row of all, (B, k), its token, (B, k), and the items
        that go on. What was found of the others is put away.
        """
        k, items, vocabulary = self._beams, self.items, scores.shape[1]
        sums = (scores.view(items, k, vocabulary) + self._sums[:, :, None]).flatten(1)
        best, places = torch.topk(sums, 2 * k)
        beams, tokens = places // vocabulary, places % vocabulary
        self._step += 1
        ids = torch.cat([self._ids.gather(1, _wide(beams, self._ids)), tokens[:, :, None]], 2)
        over = (tokens == self._end) | (self._step >= self._most)[:, None]
        self._keep_finished(best, ids, over)

        running, order = torch.topk(best + over * _NONE, k)
        self._sums, self._ids = running, ids.gather(1, _wide(order, ids))
        going = torch.nonzero(self._goes_on(over))[:, 0]
        gone = set(range(items)) - set(going.tolist())
        for item in gone:
            self._found[self._number[item]] = self._hypotheses(item)
        first = torch.arange(items, device=scores.device)[:, None] * k
        return first + beams.gather(1, order), tokens.gather(1, order), going

    def keep(self, going: Tensor) -> Tensor:
        """Go on with these items alone; returns the rows of all that are theirs, (items k,)."""
        rows = (going[:, None] * self._beams + torch.arange(self._beams, device=going.device)).flatten()
        self._most, self._sums, self._ids = self._most[going], self._sums[going], self._ids[going]
        self._kept_scores, self._kept_sums = self._kept_scores[going], self._kept_sums[going]
        self._kept, self._kept_ids = self._kept[going], self._kept_ids[going]
        self._kept_lengths = self._kept_lengths[going]
        self._number = [self._number[item] for item in going.tolist()]
        self.items = len(going)
        return rows

    def local(self, parents: Tensor) -> Tensor:
        """Rows of all, (items, k), as rows of the items that go on."""
        first = torch.arange(self.items, device=parents.device)[:, None] * self._beams
        return first + parents % self._beams

    def found(self) -> list[list[Hypothesis]]:
        """What was found of all items, in their order."""
        return [self._found[number] for number in range(len(self._found))]

    def _keep_finished(self, best: Tensor, ids: Tensor, over: Tensor) -> None:
        """Merge what is at its end among the best k continuations with what was kept."""
        k = self._beams
        # What is not there, a beam of the first step or forbidden tokens, is at no end: by a penalty below 0
        # its score would be above that of texts.
        just = over[:, :k] & (best[:, :k] > _NONE / 2)
        scores = torch.where(just, best[:, :k] / self._step**self._penalty, -torch.inf)
        merged = torch.cat([self._kept_scores, scores], 1)
        self._kept_scores, chosen = torch.topk(merged, k)

        def choose(kept: Tensor, new: Tensor) -> Tensor:
            return torch.cat([kept, new], 1).gather(1, chosen)

        self._kept_sums = choose(self._kept_sums, best[:, :k])
        self._kept = choose(self._kept, just)
        self._kept_lengths = choose(self._kept_lengths, torch.full_like(self._kept_lengths, self._step))
        room = self._kept_ids.shape[2] - ids.shape[2]
        new = torch.nn.functional.pad(ids[:, :k], (0, room), value=self._end)
        both = torch.cat([self._kept_ids, new], 1)
        self._kept_ids = both.gather(1, _wide(chosen, both))

    def _goes_on(self, over: Tensor) -> Tensor:
        """Which items go on, (B,)."""
        length = (
            self._most
            if self._stop == "never" and self._penalty > 0
            else torch.full_like(self._most, self._step)
        )
        possible = self._sums[:, 0] / length.to(self._sums.dtype) ** self._penalty
        worst = torch.where(self._kept.all(1), self._kept_scores.min(1).values, -torch.inf)
        better = possible > worst
        if self._stop == "first":
            better &= ~self._kept.all(1)
        return better & ~over.all(1)

    def _hypotheses(self, item: int) -> list[Hypothesis]:
        found = []
        kept = zip(
            self._kept_ids[item].tolist(),
            self._kept_lengths[item].tolist(),
            self._kept_sums[item].tolist(),
            self._kept_scores[item].tolist(),
            self._kept[item].tolist(),
            strict=True,
        )
        for ids, length, total, score, is_there in kept:
            # A beam of the first step that is not there, or of tokens that are forbidden, is no text.
            if is_there and total > _NONE / 2:
                ended = ids[length - 1] == self._end
                found.append(Hypothesis(ids[: length - ended], total, score, ended))
        return found


def _wide(places: Tensor, ids: Tensor) -> Tensor:
    """Places (B, n) for a gather of ids (B, m, T) along their second dimension."""
    return places[:, :, None].expand(-1, -1, ids.shape[2])
