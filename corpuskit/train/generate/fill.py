"""Filling gaps in a text as it was learnt: a token at each mask, a span at each sentinel, the text whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from corpuskit.errors import SettingError, checks_arguments
from corpuskit.shards.permutation import derive_key
from corpuskit.train.generate.generate import BATCH_ROWS, LanguageModel, check_counts
from corpuskit.train.generate.sampling import Prompt, Sampling

MARKER = "<mask>"
"""What stands for a gap in the text, unless the caller says otherwise."""


@dataclass(frozen=True)
class Candidate:
    """A token that may stand at a mask, with the white space before it, and its probability."""

    text: str
    probability: float


@dataclass(frozen=True)
class Filled:
    """A text whose gaps were filled.

    Attributes:
        text: the whole text; of an encoder with the likeliest token at each mask.
        spans: what stands at each gap, with the white space before it; nothing at any where a model that
            writes the text whole wrote something else around the gaps than was there. Of such a text what
            stands between two gaps is found at the earliest place that it fits: where it stands more than
            once, as a short word may, the gaps beside it may have been meant otherwise.
        candidates: for each gap the likeliest tokens, likeliest first; empty for an encoder-decoder.
        ended: whether the model ended what it wrote, and no limit of tokens did; true of a token for each
            mask.
    """

    text: str
    spans: list[str]
    candidates: list[list[Candidate]]
    ended: bool = True


@checks_arguments
def fill_masks(model: LanguageModel, text: str, top: int = 5, marker: str = MARKER) -> Filled:
    """What a model puts in place of each `marker` in the text, each gap being one token.

    White space before a marker belongs to the token that is sought. An encoder judges each gap with the
    others left open; an encoder-decoder that learnt from masks goes from left to right, and knows what it put
    into the gaps before. Special tokens are not among the candidates, whose probabilities are those among all
    others.

    Raises SettingError for a model that did not learn from masks, a text without a marker or longer than the
    context, and `top` below 1; TrainError for a tokenizer without a token for a mask.
    """
    _check_kind(model, "encoder")
    check_counts(top=top)
    mask = model.tokenizer.mask_id()
    parts = _parts(text, marker)
    ids, gaps = _joined(model, parts, [mask] * (len(parts) - 1))
    network = model.model
    was_training = network.training
    network.eval()
    with torch.inference_mode():
        memory = network.encode(torch.tensor([ids], device=model.device))
        if network.settings.kind == "encoder":
            found = [_likeliest(model, states, top) for states in memory[0, gaps]]
        else:
            found, written = [], [model.end_of_text, *ids]
            for gap in gaps:
                before = torch.tensor([written[: gap + 1]], device=model.device)
                found.append(_likeliest(model, network.states(before, memory=memory)[0, -1], top))
                written[gap + 1] = found[-1][0][0]
    network.train(was_training)
    candidates = [
        [Candidate(_written(model, token), probability) for token, probability in each] for each in found
    ]
    spans = [each[0].text for each in candidates]
    return Filled(_interleaved(parts, spans), spans, candidates)


@checks_arguments
def fill_spans(
    model: LanguageModel,
    text: str,
    max_tokens: int = 64,
    sampling: Sampling | None = None,
    seed: int = 0,
    count: int = 1,
    marker: str = MARKER,
    batch_rows: int = BATCH_ROWS,
) -> list[Filled]:
    """What an encoder-decoder writes in place of each `marker` in the text, each gap being any text.

    Args:
        max_tokens: most tokens for all spans together, sentinels included.
        sampling, seed, count, batch_rows: as for `LanguageModel.sample`.

    Raises SettingError for another kind of model and a text without a marker or longer than the context;
    TrainError for more gaps than the tokenizer has sentinels.
    """
    _check_kind(model, "encoder-decoder")
    check_counts(tokens=max_tokens, count=count, batch_rows=batch_rows)
    parts = _parts(text, marker)
    sentinels = model.tokenizer.sentinel_ids(len(parts) - 1)
    source, _ = _joined(model, parts, sentinels)
    end = model.end_of_text
    prompts = [
        Prompt([end], derive_key(seed, number) >> 1, (end,), source, may_say=sentinels)
        for number in range(count)
    ]
    completions = model.write(prompts, max_tokens, sampling, batch_rows)
    found = [(_spans(model, completion.ids, sentinels), completion.ended) for completion in completions]
    return [Filled(_interleaved(parts, spans), spans, [], ended) for spans, ended in found]


@checks_arguments
def fill_text(
    model: LanguageModel,
    text: str,
    max_tokens: int | None = None,
    sampling: Sampling | None = None,
    seed: int = 0,
    count: int = 1,
    marker: str = MARKER,
    batch_rows: int = BATCH_ROWS,
) -> list[Filled]:
    """The whole text, as an encoder-decoder that learnt by `denoise` writes it; a `marker` is any text.

    Args:
        max_tokens: most tokens of the whole text, what stands around the gaps included; the context if None.
        sampling: the likeliest tokens if None and count is 1. What stands around the gaps is drawn too: a
            token of it that becomes another empties all spans.
        seed, count, batch_rows: as for `LanguageModel.generate`.

    Raises SettingError for a model that learnt otherwise, for a text without a marker, longer than the
    context or than max_tokens, and for two gaps with nothing between them; TrainError for a tokenizer without
    a token for a mask.
    """
    _check_kind(model, "denoise")
    limit = model.model.settings.context if max_tokens is None else max_tokens
    check_counts(tokens=limit, count=count, batch_rows=batch_rows)
    parts = _parts(text, marker)
    source, gaps = _joined(model, parts, [model.tokenizer.mask_id()] * (len(parts) - 1))
    if limit < len(source):
        raise SettingError(
            f"tokens = {limit}: this model writes the text whole, and with one token for each gap that has "
            f"{len(source)}",
            remedy="Give more, or leave it out: then the context is the limit.",
        )
    read = _read(model, source, gaps)
    if not all(read[1:-1]):
        raise SettingError(
            f"the text holds {marker!r} twice with nothing between",
            remedy="Leave one of them out: what is written in its place is of any length.",
        )
    if sampling is None and count == 1:
        sampling = Sampling(temperature=0)
    end = model.end_of_text
    prompts = [Prompt([end], derive_key(seed, number) >> 1, (end,), source) for number in range(count)]
    filled = []
    for completion in model.write(prompts, limit, sampling, batch_rows):
        # Not as it was said piece by piece: some tokenizers begin a text without the blank of its first word.
        written = model.tokenizer.decode(completion.ids)
        filled.append(Filled(written, between(written, read) or [""] * len(gaps), [], completion.ended))
    return filled


def _read(model: LanguageModel, source: Sequence[int], gaps: Sequence[int]) -> list[str]:
    """What stands around the gaps of a source as the tokenizer says it, which may say it in small letters."""
    read, begin = [], 0
    for end in [*gaps, len(source)]:
        # Behind what is before it: whether a part begins with a blank some tokenizers know by that alone.
        read.append(model.tokenizer.decode(source[:end])[len(model.tokenizer.decode(source[:begin])) :])
        begin = end + 1
    return read


def between(text: str, parts: Sequence[str]) -> list[str] | None:
    """What of a text stands between its parts, each found as early as can be; None where it is not so made.

    Where a part stands more than once the earliest place need not be the one that was meant.

    >>> between("The old miller sold it.", ["The", " miller", "."])
    [' old', ' sold it']
    >>> between("She met a sailor a week ago.", ["She met", " a", " ago."])
    ['', ' sailor a week']
    >>> between("The old miller", ["A", "miller"])
    """
    first, *middle, last = parts
    if not text.startswith(first) or not text.endswith(last):
        return None
    found, at, stop = [], len(first), len(text) - len(last)
    for part in middle:
        place = text.find(part, at, stop)
        if place < 0:
            return None
        found.append(text[at:place])
        at = place + len(part)
    return None if at > stop else [*found, text[at:stop]]


def _written(model: LanguageModel, token: int) -> str:
    """The text of a token in a gap, with a blank in front where tokens hold none."""
    text = model.tokenizer.decode([token])
    if model.tokenizer.keeps_blanks:
        return text
    return text.removeprefix("##") if text.startswith("##") else f" {text}"


def _likeliest(model: LanguageModel, states: Tensor, top: int) -> list[tuple[int, float]]:
    """The likeliest tokens of what the head reads, (C,), likeliest first, with their probabilities."""
    logits = model.model.logits(states)[: model.model.settings.vocab_size].float().cpu()
    logits[model.tokenizer.never_text(len(logits))] = -torch.inf
    best = logits.softmax(0).sort(descending=True, stable=True)
    return list(zip(best.indices[:top].tolist(), best.values[:top].tolist(), strict=True))


def _check_kind(model: LanguageModel, wanted: str) -> None:
    """Refuse a model that fills no gaps of this sort: an encoder-decoder fills what it learnt to fill."""
    kind = model.model.settings.kind
    if kind == "encoder-decoder" and model.objective == "causal":
        raise SettingError(
            "this model is an encoder-decoder that learnt to continue texts, with objective = 'causal'",
            remedy="Give it --prompt TEXT; what fills gaps learns by objective = masked, spans or denoise.",
        )
    learnt = {"masked": "encoder", "denoise": "denoise"}.get(model.objective, kind)
    able = learnt if kind == "encoder-decoder" else kind
    if kind == "decoder":
        raise SettingError(
            "this model is a decoder, not an encoder or encoder-decoder, which fill gaps",
            remedy="A decoder sees no more than what stands before: give it --prompt TEXT.",
        )
    if able != wanted:
        remedy = {
            "encoder": "An encoder fills one token at each mask: call fill_masks.",
            "encoder-decoder": "An encoder-decoder writes a span for each gap: call fill_spans.",
            "denoise": "It writes a text whole of which parts are hidden: call fill_text.",
        }[able]
        others = {"denoise": "one that learnt by objective = 'denoise'"}
        said = f"{_a(kind)} that learnt by objective = 'denoise'" if able == "denoise" else _a(able)
        raise SettingError(f"this model is {said}, not {others.get(wanted, f'an {wanted}')}", remedy=remedy)


def _a(kind: str) -> str:
    return f"a{'n' if kind[0] == 'e' else ''} {kind}"


def _parts(text: str, marker: str) -> list[str]:
    """The text between the markers, white space before each marker left out."""
    if not marker or marker not in text:
        raise SettingError(
            f"the text holds no {marker!r}", remedy="Put it where something is to be filled in."
        )
    *before, last = text.split(marker)
    return [*(part.removesuffix(" ") for part in before), last]


def _joined(
    model: LanguageModel, parts: Sequence[str], between: Sequence[int]
) -> tuple[list[int], list[int]]:
    """Ids of the parts with one special token between each two, and where those stand."""
    ids = model.tokenizer.encode(parts[0])
    gaps = []
    for special, part in zip(between, parts[1:], strict=True):
        gaps.append(len(ids))
        ids += [special, *model.tokenizer.encode(part)]
    if len(ids) > model.model.settings.context:
        raise SettingError(
            f"the text has {len(ids)} tokens, and this model reads {model.model.settings.context}",
            remedy="Shorten the text around what is to be filled in.",
        )
    return ids, gaps


def _spans(model: LanguageModel, ids: Sequence[int], sentinels: Sequence[int]) -> list[str]:
    """What follows each sentinel in a target; nothing where the model left one out."""
    spans: dict[int, list[int]] = {}
    current: list[int] = []  # What stands before the first sentinel belongs to no gap.
    for token in ids:
        if token in sentinels:
            # A sentinel that comes again says nothing new: the first span counts.
            current = []
            spans.setdefault(token, current)
        else:
            current.append(token)
    return [model.tokenizer.decode(spans.get(sentinel, [])) for sentinel in sentinels]


def _interleaved(parts: Sequence[str], spans: Sequence[str]) -> str:
    return "".join(part + span for part, span in zip(parts, [*spans, ""], strict=True))
