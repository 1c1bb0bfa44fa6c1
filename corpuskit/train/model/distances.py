"""How far a student's answers, or what it makes on the way, lie from a teacher's: the losses of distillation.

    forward   KL(teacher || student)  = sum p (log p - log q)                    arXiv:1503.02531
    reverse   KL(student || teacher)  = sum q (log q - log p)                    arXiv:2306.08543
    jsd       half of either to their mixture m = (p + q) / 2, at most ln 2      arXiv:2306.13649
    with p and q of the logits divided by the temperature T, times T^2: the gradient's size then stays
    (1 - share) plain cross entropy at temperature 1 + share distance            arXiv:1503.02531

Distances are between distributions over the tokens of the vocabulary; logits beyond them, which pad a head,
play no part. Of a teacher's top k logits that were stored the rest is one outcome more, whose mass was stored
with them, and the student's other tokens are one too: what comes out is never below 0, is 0 where both are
the same, and at most the distance of the whole; with all tokens stored it is that.

Everything is a sum over the positions whose target is not IGNORED, beside their count, so that micro-batches
add up. Logits are computed a chunk at a time, see `corpuskit.train.model.loss`; the teacher gets no gradient.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from corpuskit.errors import SettingError
from corpuskit.train.model.loss import IGNORED, Cost, TokenLosses, linear_cost, wide

Direction = Literal["forward", "reverse", "jsd"]
DIRECTIONS = ("forward", "reverse", "jsd")


@dataclass(frozen=True)
class Distillation:
    """What a student learns from.

    Attributes:
        direction: of the distance, see above.
        temperature: T of the distance.
        share: of the distance in the loss; the plain loss has the other share.
        label_smoothing: share of each target that is spread over all tokens, in the plain loss.
    """

    direction: Direction = "forward"
    temperature: float = 1.0
    share: float = 0.5
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        """Raises SettingError for what cannot be."""
        if self.direction not in DIRECTIONS:
            raise SettingError(
                f"direction = {self.direction!r} is none of {', '.join(DIRECTIONS)}",
                remedy="Give forward, the usual one.",
            )
        if not 0 < self.temperature < math.inf:
            raise SettingError(f"temperature = {self.temperature} is not above 0", remedy="Give 1 or 2.")
        for name in ("share", "label_smoothing"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise SettingError(f"{name} = {value} does not lie in [0, 1]", remedy="Give a share.")


class FullLogits(NamedTuple):
    """A teacher's logits of all tokens, (M, W)."""

    logits: Tensor


class TeacherHead(NamedTuple):
    """A teacher's states, from which its logits are made a chunk at a time.

    Attributes:
        states: what its head reads, (M, C').
        weight: its head, (V', C'), of whose rows the tokens' are taken.
        token_losses: may cap its logits.
    """

    states: Tensor
    weight: Tensor
    token_losses: TokenLosses | None = None


class TopLogits(NamedTuple):
    """A teacher's k likeliest tokens, and what the others weigh together.

    Attributes:
        values: log-probabilities at temperature 1, (M, k), or what differs from them by a number a row.
        ids: the tokens, (M, k), none twice in a row.
        rest: log of the sum of exp(value / T) over all other tokens, (M, 1), at the temperature that is used;
            minus infinity where there are none.
    """

    values: Tensor
    ids: Tensor
    rest: Tensor


Teacher = FullLogits | TeacherHead | TopLogits


class DistillationLoss(NamedTuple):
    """Sums over the positions that count.

    Attributes:
        total: what to learn by; it alone has a gradient.
        plain: cross entropy, with label smoothing where that is asked for.
        distance: times T^2.
        positions: how many.
    """

    total: Tensor
    plain: Tensor
    distance: Tensor
    positions: Tensor


def linear_distillation(
    states: Tensor,
    weight: Tensor,
    targets: Tensor,
    teacher: Teacher,
    settings: Distillation,
    tokens: int,
    token_losses: TokenLosses | None = None,
) -> DistillationLoss:
    """The loss of a student whose logits are states weight^T.

    Args:
        states: what the student's head reads, (M, C).
        weight: its head, (V, C).
        targets: (M,); those that are IGNORED mark positions that do not count, of the distance either.
        teacher: what it says at the same positions.
        tokens: W of the vocabulary, without padding.
        token_losses: may cap the student's logits.
    """
    cost = _DistillationCost(targets[:, None], teacher, settings, tokens, token_losses or TokenLosses())
    total = linear_cost(states, weight, cost, cost.counts)
    return DistillationLoss(total, cost.plain, cost.distance, cost.counts.sum())


# --------------------------------------------------------------------------------- the costs of a chunk
class _DistillationCost(Cost):
    def __init__(
        self,
        targets: Tensor,
        teacher: Teacher,
        settings: Distillation,
        tokens: int,
        token_losses: TokenLosses,
    ) -> None:
        self._targets, self._teacher, self._settings = targets, teacher, settings
        self._tokens, self._token_losses = tokens, token_losses
        self.counts = targets != IGNORED
        self.plain, self.distance = (torch.zeros((), device=targets.device) for _ in range(2))

    def __call__(self, logits: Tensor, rows: slice, learns: bool) -> tuple[Tensor, Tensor | None]:
        settings, tokens, counts = self._settings, self._tokens, self.counts[rows]
        share, t, smoothing = settings.share, settings.temperature, settings.label_smoothing
        z = wide(self._token_losses.capped(logits))
        scores = torch.log_softmax(z, 1)
        target = self._targets[rows].clamp_min(0)
        plain = smoothed(scores, target, smoothing, tokens)
        same = t == 1 and tokens == z.shape[1]  # Then one softmax serves both.
        log_q = scores if same else torch.log_softmax(z[:, :tokens] / t, 1)
        # The whole gradient of the distance, and of the plain loss what is the same softmax.
        distance, error = self._distance(log_q, rows, share * t, 1 - share if same else 0.0)
        distance = torch.where(counts, distance * t * t, 0.0)
        self.plain = self.plain + (plain * counts).sum()
        self.distance = self.distance + distance.sum()
        losses = (1 - share) * plain + share * distance
        if not learns:
            return losses, None
        if not same:
            error = functional.pad(error, (0, z.shape[1] - tokens))
            if share < 1:
                error.add_(scores.exp_(), alpha=1 - share)
        if share < 1:
            error = _less_targets(error, target, smoothing, tokens, 1 - share)
        return losses, _through_cap(error, z, self._token_losses).to(logits.dtype)

    def _distance(self, log_q: Tensor, rows: slice, factor: float, own: float) -> tuple[Tensor, Tensor]:
        """The distance, (R, 1), and its gradient by the logits that were divided by T, (R, W).

        The gradient is multiplied by a factor, and `own` times the student's probabilities are added to it.
        Where nothing counts a teacher may have said nothing, of which no number comes.
        """
        teacher, direction, t = self._teacher, self._settings.direction, self._settings.temperature
        counts = self.counts[rows]
        if isinstance(teacher, TopLogits):
            part = TopLogits(*(each[rows] for each in teacher))
            return _top_distance(log_q, part, direction, t, counts, factor, own)
        if isinstance(teacher, TeacherHead):
            states = teacher.states[rows]
            matrix = teacher.weight[: self._tokens].to(states.dtype)
            logits = functional.linear(states, matrix)
            logits = logits if teacher.token_losses is None else teacher.token_losses.capped(logits)
        else:
            logits = torch.where(counts, teacher.logits[rows, : self._tokens], 0.0)
        log_p = torch.log_softmax(wide(logits.detach()) / t, 1).to(log_q.dtype)
        distance, slope = distance_and_slope(log_p, log_q, direction)
        q = log_q.exp()
        return distance, slope.mul_(factor).addcmul_(q, own - slope.sum(1, keepdim=True))


def _top_distance(
    log_q: Tensor,
    teacher: TopLogits,
    direction: Direction,
    temperature: float,
    counts: Tensor,
    factor: float,
    own: float,
) -> tuple[Tensor, Tensor]:
    """As `_DistillationCost._distance`, of k tokens and the rest: two passes over the logits."""
    ids, k = teacher.ids.long(), teacher.ids.shape[1]
    log_p = top_distribution(teacher, temperature).to(log_q.dtype)
    q = log_q.exp()
    inside = q.gather(1, ids)
    # Not 1 - those inside: with all tokens stored it is 0 itself.
    rest = q.scatter_(1, ids, 0.0).sum(1, keepdim=True)
    log_inside = log_q.gather(1, ids)
    distance, slope = distance_and_slope(log_p, torch.cat([log_inside, rest.log()], 1), direction)
    slope = torch.where(counts, slope * factor, 0.0)
    total = slope.sum(1, keepdim=True)
    of_rest = torch.where(rest > 0, slope[:, k:] / rest, 0.0)
    error = q.mul_(of_rest - total + own)
    return distance, error.scatter_(1, ids, slope[:, :k] + inside * (own - total))


def distance_and_slope(log_p: Tensor, log_q: Tensor, direction: Direction) -> tuple[Tensor, Tensor]:
    """The distance of log-probabilities (R, n), (R, 1), and its derivative by each of log q, (R, n).

    What is impossible (minus infinity) adds nothing where it is multiplied by its own probability.
    """
    p, q = log_p.exp(), log_q.exp()
    if direction == "forward":
        return _expected(p, log_p, log_q), -p
    if direction == "reverse":
        slope = torch.where(q > 0, q * (log_q - log_p + 1), 0.0)
        return _expected(q, log_q, log_p), slope
    log_m = torch.logaddexp(log_p, log_q) - math.log(2)
    distance = (_expected(p, log_p, log_m) + _expected(q, log_q, log_m)) / 2
    return distance, torch.where(q > 0, q * (log_q - log_m) / 2, 0.0)


def _expected(p: Tensor, log_p: Tensor, log_q: Tensor) -> Tensor:
    """KL(p || q) of rows, (R, 1)."""
    return torch.where(p > 0, p * (log_p - log_q), 0.0).sum(1, keepdim=True)


def smoothed(scores: Tensor, target: Tensor, smoothing: float, tokens: int) -> Tensor:
    """Cross entropy, (R, 1), of log-probabilities (R, V) and targets (R, 1) that are spread over tokens."""
    losses = -scores.gather(1, target)
    if smoothing:
        losses = (1 - smoothing) * losses - smoothing * scores[:, :tokens].mean(1, keepdim=True)
    return losses


def _less_targets(p: Tensor, target: Tensor, smoothing: float, tokens: int, factor: float = 1.0) -> Tensor:
    """p less a factor of what it should be, in place of p: with p times the factor `smoothed`'s gradient."""
    p.scatter_add_(1, target, p.new_full(target.shape, (smoothing - 1) * factor))
    if smoothing:
        p[:, :tokens] -= factor * smoothing / tokens
    return p


def _through_cap(error: Tensor, capped: Tensor, token_losses: TokenLosses) -> Tensor:
    cap = token_losses.softcap
    return error * (1 - (capped / cap).square()) if cap else error


# --------------------------------------------------------------------- a teacher's answers, whole or in part
def rest_of(scores: Tensor, ids: Tensor, temperature: float) -> Tensor:
    """Log of what all tokens but these weigh at a temperature, (M, 1), see `TopLogits`."""
    others = (scores / temperature).scatter(1, ids, -torch.inf)
    return torch.logsumexp(others, 1, keepdim=True)


def top_distribution(teacher: TopLogits, temperature: float) -> Tensor:
    """Log-probabilities of k tokens and the rest, (M, k + 1), at the temperature that `rest` is of."""
    return torch.log_softmax(torch.cat([wide(teacher.values) / temperature, wide(teacher.rest)], 1), 1)


def divergence(student: Tensor, teacher: Tensor, direction: Direction = "forward", t: float = 1.0) -> Tensor:
    """The distance of logits (R, n) times t^2, (R,), by autograd: of classes, and what faster forms equal."""
    log_q = torch.log_softmax(wide(student) / t, 1)
    log_p = torch.log_softmax(wide(teacher.detach()) / t, 1).to(log_q.dtype)
    return distance_and_slope(log_p, log_q, direction)[0][:, 0] * t * t


# ------------------------------------------------------------------------------------------ hidden states
def layer_map(student_layers: int, teacher_layers: int) -> dict[int, int]:
    """Which of a teacher's layers each of a student's is like, both counted from 1: evenly, last to last.

    >>> layer_map(3, 6)
    {1: 2, 2: 4, 3: 6}
    """
    return {n: max(1, round(n * teacher_layers / student_layers)) for n in range(1, student_layers + 1)}


def check_layer_map(layers: Mapping[int, int], student: tuple[int, int], teacher: tuple[int, int]) -> None:
    """Raises SettingError for layers that there are not, or widths that differ.

    Args:
        layers: of the student's, counted from 1, those that are like one of the teacher's.
        student, teacher: layers and width of either.
    """
    for number, (whose, (count, _)) in enumerate((("student", student), ("teacher", teacher))):
        wrong = [pair[number] for pair in layers.items() if not 1 <= pair[number] <= count]
        if wrong:
            raise SettingError(
                f"layer {wrong[0]} of the {whose}, which has {count}", remedy=f"Layers are 1 to {count}."
            )
    if not layers:
        raise SettingError("no layer is like one of the teacher's", remedy="Name one at least, as 1: 2.")
    if student[1] != teacher[1]:
        raise SettingError(
            f"hidden states of a student of width {student[1]} and a teacher of {teacher[1]} do not compare",
            remedy="Give the student the teacher's width, or distil its answers alone.",
        )


def hidden_distance(
    student: Sequence[Tensor],
    teacher: Sequence[Tensor],
    layers: Mapping[int, int],
    counted: Tensor,
    kind: Literal["mse", "cosine"] = "mse",
) -> Tensor:
    """Sum over the positions that count of how far hidden states lie apart, in the mean over the layers.

    Args:
        student, teacher: what comes out of each block, (B, T, C) each, as `Transformer.states` keeps it.
        layers: which are compared, see `layer_map`.
        counted: (B, T), True where a position counts.
        kind: "mse", the mean over C of squares (arXiv:1909.10351), or "cosine", one less the cosine
            (arXiv:1910.01108).
    """
    total = student[0].new_zeros((), dtype=torch.promote_types(student[0].dtype, torch.float32))
    for ours, theirs in layers.items():
        a, b = wide(student[ours - 1]), wide(teacher[theirs - 1].detach())
        mse = kind == "mse"
        apart = (a - b).square().mean(-1) if mse else 1 - functional.cosine_similarity(a, b, dim=-1)
        total = total + torch.where(counted, apart, 0.0).sum()
    return total / len(layers)


def begun_from(weights: Mapping[str, Tensor], layers: Mapping[int, int]) -> dict[str, Tensor]:
    """Weights of a student of fewer layers, by name, out of those of a teacher of equal width.

    The student's block n is the teacher's block layers[n], both counted from 1; all else is taken as it is.
    An encoder's first block has no norm before its attention: one that comes from elsewhere loses it, and
    one that stands elsewhere gets gains of 1.
    """
    found = {name: tensor.clone() for name, tensor in weights.items() if ".blocks." not in name}
    for stack in ("encoder", "decoder"):
        for ours, theirs in layers.items():
            before, after = (f"{stack}.blocks.{n - 1}." for n in (theirs, ours))
            block = {n.removeprefix(before): t.clone() for n, t in weights.items() if n.startswith(before)}
            norm, unnormed = "attention_norm.weight", f"{stack}.blocks.0.attention_norm.weight" not in weights
            if block and unnormed and ours == 1:
                block.pop(norm, None)
            elif block and norm not in block:
                block[norm] = torch.ones_like(block["mlp_norm.weight"])
            found |= {f"{after}{name}": tensor for name, tensor in block.items()}
    return found
