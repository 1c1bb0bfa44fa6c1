"""Log-likelihoods: what a decoder gives to a continuation behind a context, and to any line of ids.

All evaluation goes through `score_lines`. What a line costs does not depend on the lines that are read with
it, but for the rounding of products of another height (in float32 about 1e-6 a token).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from corpuskit.errors import SettingError, checks_arguments
from corpuskit.train.generate.generate import LanguageModel
from corpuskit.train.model.loss import CHUNK_LOGITS
from corpuskit.train.model.transformer import Transformer

TOKENS_AT_ONCE = 8192
"""Positions of a forward pass, padding included."""

Told = Callable[[int], None]
"""Is told how many lines have been scored since it was told last."""

Logs = npt.NDArray[np.float32]


class Line(NamedTuple):
    """Ids to be read, and where scoring begins.

    Attributes:
        ids: at most one more than the model's context.
        start: the first id that is scored; what stands before it, one id at least, is read alone.
    """

    ids: list[int]
    start: int


class Scored(NamedTuple):
    """What the scored ids of a line cost.

    Attributes:
        logs: ln p of each, behind all that stands before it in the line.
        likeliest: whether it is the one that the model would have said, had it to say the likeliest.
    """

    logs: Logs
    likeliest: npt.NDArray[np.bool_]


class Likelihood(NamedTuple):
    """What a model gives to a continuation.

    Attributes:
        nats: ln p, summed over its tokens.
        tokens: how many there are.
        greedy: whether the model, taking the likeliest token each time, would write it.
    """

    nats: float
    tokens: int
    greedy: bool


@dataclass(frozen=True)
class Likelihoods:
    """Those of several pairs, in their order.

    Attributes:
        found: one for each pair.
        cut: pairs whose context did not fit and was cut on the left.
        over_border: pairs with a token that begins in the context and ends in the continuation.
    """

    found: list[Likelihood]
    cut: int
    over_border: int


def check_decoder(model: LanguageModel) -> None:
    """Raise SettingError for a model that gives no probability to a text from left to right."""
    refuse_kind(model.model.settings.kind, "this model")


def refuse_kind(kind: str, name: str) -> None:
    """Raise SettingError unless a model's kind is "decoder"."""
    remedy = {
        "decoder": "",
        "encoder": "An encoder sees both sides of a token: what it could give instead, a pseudo-likelihood, "
        "compares with no decoder's figures and is not offered. Its masked loss is in its training's log.",
        "encoder-decoder": "What an encoder-decoder learns has its loss in its training's log; one that was "
        "fine-tuned to write texts for texts is scored on pairs of them.",
    }[kind]
    if remedy:
        raise SettingError(f"{name} is an {kind}, and what is measured here needs a decoder", remedy=remedy)


@checks_arguments
def log_likelihoods(
    model: LanguageModel,
    pairs: Sequence[Sequence[str]],
    *,
    begin: bool = False,
    tokens_at_once: int = TOKENS_AT_ONCE,
    told: Told | None = None,
) -> Likelihoods:
    """What a decoder gives to each continuation behind its context.

    Blanks at the end of a context are taken as the beginning of the continuation, and both are encoded
    together: the tokens are those of the text as one. A token over the border counts as the continuation's. A
    context that does not fit is cut on the left; a continuation that does not fit is scored window by window,
    each behind as much as fits.

    Args:
        pairs: (context, continuation) each.
        begin: put the end-of-text mark, which begins a document, before each context; without it it stands
            before an empty one alone.
        tokens_at_once: positions that are computed together.

    Raises SettingError for a model that is no decoder, what is no pair, and an empty continuation.
    """
    check_decoder(model)
    context_length, lines, owners, over_border, cut = model.model.settings.context, [], [], 0, 0
    for number, pair in enumerate(pairs):
        context, continuation = _pair(number, pair)
        before, after, joined = split_ids(model, context, continuation)
        over_border += joined
        if begin or not before:
            before = [model.end_of_text, *before]
        parts = _fitting(before, after, context_length)
        cut += len(before) + len(after) > context_length + 1
        lines += parts
        owners += [number] * len(parts)
    logs = np.zeros(len(pairs))
    tokens, greedy = np.zeros(len(pairs), np.int64), np.ones(len(pairs), bool)
    for number, scored in score_lines(model.model, lines, tokens_at_once, told):
        logs[owners[number]] += scored.logs.sum(dtype=np.float64)
        tokens[owners[number]] += len(scored.logs)
        greedy[owners[number]] &= scored.likeliest.all()
    found = [Likelihood(*each) for each in zip(logs.tolist(), tokens.tolist(), greedy.tolist(), strict=True)]
    return Likelihoods(found, cut, over_border)


def _pair(number: int, pair: Sequence[str]) -> tuple[str, str]:
    if len(pair) != 2 or isinstance(pair, str):
        raise SettingError(f"pair {number}: {pair!r} is none", remedy="Give (context, continuation).")
    context, continuation = pair
    if not continuation:
        raise SettingError(
            f"pair {number}: the continuation behind {context[-40:]!r} is empty",
            remedy="Give at least one character: nothing has no likelihood.",
        )
    return context, continuation


def split_ids(model: LanguageModel, context: str, continuation: str) -> tuple[list[int], list[int], bool]:
    """Ids of the context and of the continuation, and whether a token over the border joined the latter."""
    bare = context.rstrip()
    whole = model.tokenizer.encode(context + continuation)
    alone = model.tokenizer.encode(bare)
    common = 0
    while common < min(len(alone), len(whole) - 1) and alone[common] == whole[common]:
        common += 1
    return whole[:common], whole[common:], common < len(alone)


def _fitting(before: list[int], after: list[int], context: int) -> list[Line]:
    """Lines that score `after` once, each behind as much of what stands before as fits."""
    ids, end = before + after, len(before) + len(after)
    lines, first = [], len(before)
    while first < end:
        last = min(end, first + context)
        begin = max(0, last - context - 1)
        lines.append(Line(ids[begin:last], first - begin))
        first = last
    return lines


def score_lines(
    model: Transformer,
    lines: Sequence[Line],
    tokens_at_once: int = TOKENS_AT_ONCE,
    told: Told | None = None,
    never: Sequence[int] = (),
) -> Iterator[tuple[int, Scored]]:
    """The number and the costs of each line, the longest first; what lines begin with alike is read once.

    Args:
        lines: of a decoder's ids.
        tokens_at_once: positions that are computed together, at least one line's.
        told: hears how many lines are done.
        never: ids that the model would not say, however likely they are.
    """
    groups = _alike(lines, tokens_at_once)
    assert all(1 <= each.start < len(each.ids) <= model.settings.context + 1 for each in lines)
    was_training = model.training
    model.eval()
    try:
        for batch in _batches(groups, lines, tokens_at_once, model.settings.context):
            with torch.inference_mode():
                scored = _score(model, [[lines[number] for number in group] for group in batch], never)
            numbers = [number for group in batch for number in group]
            yield from zip(numbers, scored, strict=True)
            if told is not None:
                told(len(numbers))
    finally:
        model.train(was_training)


def _alike(lines: Sequence[Line], tokens_at_once: int) -> list[list[int]]:
    """Numbers of lines that begin alike, in groups that can be computed together; the longest first."""
    found: dict[tuple[int, ...], list[int]] = defaultdict(list)
    groups: list[list[int]] = []
    order = sorted(range(len(lines)), key=lambda number: -len(lines[number].ids))
    for number in order:
        line = lines[number]
        if line.start == 1:  # To share the mark that begins a text spares nothing.
            groups.append([number])
            continue
        group = found[tuple(line.ids[: line.start])]
        # Its first line is its longest one, and what lines begin with is copied for each.
        if not group or (len(group) + 1) * len(lines[group[0]].ids) > tokens_at_once:
            group = found[tuple(line.ids[: line.start])] = []
            groups.append(group)
        group.append(number)
    return groups


def _batches(
    groups: Sequence[list[int]], lines: Sequence[Line], tokens_at_once: int, context: int
) -> Iterator[list[list[int]]]:
    """Groups that are computed together: those of one line each, or those of several, never both."""
    for wanted in (False, True):
        batch: list[list[int]] = []
        rows = head = rest = 0
        for group in groups:
            if (len(group) > 1) != wanted:
                continue
            begins = lines[group[0]].start
            goes_on = max(len(lines[number].ids) for number in group) - begins
            size = (rows + len(group)) * (max(head, begins) + max(rest, goes_on))
            # Both are padded to the longest: together they must fit, as each group does by itself.
            if batch and (size > tokens_at_once or max(head, begins) + max(rest, goes_on) > context + 1):
                yield batch
                batch, rows, head, rest = [], 0, 0, 0
            batch.append(group)
            rows, head, rest = rows + len(group), max(head, begins), max(rest, goes_on)
        if batch:
            yield batch


def _score(model: Transformer, groups: list[list[Line]], never: Sequence[int]) -> list[Scored]:
    """The lines of all groups in their order; those of a group begin alike."""
    lines = [line for group in groups for line in group]
    if len(lines) == len(groups):
        states = model.states(_padded(model, [line.ids[:-1] for line in lines]))
        read = [states[row, line.start - 1 : len(line.ids) - 1] for row, line in enumerate(lines)]
    else:
        read = _read_once(model, groups)
    targets = [line.ids[line.start :] for line in lines]
    logs, likeliest = _logs(model, torch.cat(read), [token for each in targets for token in each], never)
    ends = np.cumsum([len(each) for each in targets])[:-1]
    return list(map(Scored, np.split(logs, ends), np.split(likeliest, ends)))


def _read_once(model: Transformer, groups: list[list[Line]]) -> list[Tensor]:
    """States (S, C) behind which each line's S scored ids stand, what lines have in common read once."""
    heads = [group[0].ids[: group[0].start] for group in groups]
    lines = [line for group in groups for line in group]
    owners = [number for number, group in enumerate(groups) for _ in group]
    rests = [line.ids[line.start : -1] for line in lines]
    cache = model.new_cache(len(heads), max(map(len, heads)) + max(map(len, rests)))
    states = model.states(_padded(model, heads), cache=cache)
    cache.lengths = [len(head) for head in heads]  # The padding has been read too: it is forgotten.
    last = torch.tensor([len(head) - 1 for head in heads], device=states.device)
    first = states[torch.arange(len(heads), device=states.device), last]
    if not any(rests):
        return [first[owner, None] for owner in owners]
    cache = cache.select(owners)
    states = model.states(_padded(model, rests), cache=cache)
    return [
        torch.cat([first[owner, None], states[row, : len(rest)]])
        for row, (owner, rest) in enumerate(zip(owners, rests, strict=True))
    ]


def _padded(model: Transformer, rows: Sequence[list[int]]) -> Tensor:
    """Ids (B, T) of rows that are padded on the right, where no position of a decoder sees them."""
    longest = max(1, *map(len, rows))
    padded = [[*row, *[0] * (longest - len(row))] for row in rows]
    return torch.tensor(padded, device=model.embedding.weight.device)


def _logs(
    model: Transformer, states: Tensor, targets: list[int], never: Sequence[int]
) -> tuple[Logs, npt.NDArray[np.bool_]]:
    """ln p of a target behind each state (M, C), and whether it is the likeliest, by chunks of the logits."""
    vocab_size = model.settings.vocab_size
    rows = max(1, CHUNK_LOGITS["cpu" if states.device.type == "cpu" else "cuda"] // vocab_size)
    logs, likeliest = [], []
    for first in range(0, len(targets), rows):
        # What pads the vocabulary belongs to no token: nothing is given to it.
        logits = model.logits(states[first : first + rows])[:, :vocab_size].float()
        wanted = torch.tensor(targets[first : first + rows], device=states.device)[:, None]
        logs.append((logits.gather(1, wanted) - logits.logsumexp(1, keepdim=True))[:, 0].cpu().numpy())
        logits[:, list(never)] = -torch.inf
        likeliest.append((logits.argmax(1, keepdim=True) == wanted)[:, 0].cpu().numpy())
    return np.concatenate(logs), np.concatenate(likeliest)
