"""Samples in numbers: known words, variety, repetition. None of them says that a text makes sense."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

from corpuskit.shards.reader import Shards, SplitTokens
from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train.evaluate.likelihood import log_likelihoods
from corpuskit.train.generate.fill import fill_masks, fill_spans, fill_text
from corpuskit.train.generate.generate import LanguageModel
from corpuskit.train.generate.sampling import Sampling
from corpuskit.train.model.transformer import Transformer
from corpuskit.train.settings.settings import ObjectiveName

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_SPECIAL = re.compile(r"<\|\w*\|>")
_KNOWN_TOKENS = 500_000
_PIECES = 16  # spread, since a corpus is written source by source
_SAMPLES, _SAMPLE_TOKENS = 4, 60
_PASSAGE_TOKENS, _EVERY = 64, 6
_SPARE = 16  # tokens of a held-out passage beyond its length, for the word that is cut
_GAP = "\N{OBJECT REPLACEMENT CHARACTER}"


def words(text: str) -> list[str]:
    """The words of a text in lower case: letters, and apostrophes between them.

    >>> words("It's 3 o'clock, Mr. X_Y!")
    ["it's", "o'clock", 'mr', 'x', 'y']
    """
    return [word.lower().replace("’", "'") for word in _WORD.findall(text)]


def known_words(split: SplitTokens, tokenizer: Tokenizer, max_tokens: int = _KNOWN_TOKENS) -> frozenset[str]:
    """The words that stand in a split; in one above max_tokens, in 16 pieces of it with so many in all."""
    whole = split.tokens <= max_tokens
    length = split.tokens if whole else max_tokens // _PIECES
    starts = [0] if whole else [split.tokens // _PIECES * number for number in range(_PIECES)]
    found: set[str] = set()
    for start in starts:
        piece = words(_SPECIAL.sub(" ", tokenizer.decode(split.read(start, length).tolist())))
        # The first and the last word of a piece may be cut.
        found.update(piece if whole else piece[1:-1])
    return frozenset(found)


def score(texts: Sequence[str], known: Collection[str]) -> dict[str, float | None]:
    """Numbers for texts, all together; None where there are too few words to tell.

    known_words: share of the words that are among `known`.
    distinct_1, distinct_2, distinct_3: different n-grams of words for each n-gram (arXiv:1510.03055).
    longest_repeat: most words in a row that stand twice in one text, which may overlap: a text that goes in
        circles has a long one.

    >>> score(["the sea the sea the sea", "a zorb"], {"the", "sea", "a"})["known_words"]
    0.875
    >>> score(["the sea the sea the sea", "a zorb"], {"the", "sea", "a"})["longest_repeat"]
    4
    """
    split = [words(text) for text in texts]
    count = sum(map(len, split))
    scores: dict[str, float | None] = {
        "known_words": _share(sum(word in known for each in split for word in each), count)
    }
    for n in (1, 2, 3):
        grams = [gram for each in split for gram in _grams(each, n)]
        scores[f"distinct_{n}"] = _share(len(set(grams)), len(grams))
    scores["longest_repeat"] = max(map(_longest_repeat, split), default=0)
    return scores


def held_out_texts(split: SplitTokens, tokenizer: Tokenizer, lengths: Sequence[int]) -> list[str]:
    """Passages of so many tokens each, spread over a split, that begin with a word; none where it is short.

    What people wrote, to be scored beside what a model wrote: how varied a text is depends on its length.
    """
    room = split.tokens // max(1, len(lengths))
    if any(length + _SPARE > room for length in lengths):
        return []
    texts = []
    for number, length in enumerate(lengths):
        piece = tokenizer.decode(split.read(room * number, length + _SPARE).tolist())
        # The first word may be cut, as the last one of a sample is.
        whole = _SPECIAL.sub("\n", piece).partition(" ")[2].strip() or piece
        texts.append(tokenizer.decode(tokenizer.encode(whole)[:length]))
    return texts


def bits_per_byte(model: LanguageModel, texts: Sequence[tuple[str, str]]) -> float | None:
    """What texts cost a decoder, each behind a beginning that is not scored.

    Args:
        texts: beginning and text; before both stands the token that begins a document.
    """
    pairs = [pair for pair in texts if pair[1]]
    nats = -sum(each.nats for each in log_likelihoods(model, pairs, begin=True).found) if pairs else 0.0
    size = sum(len(text.encode()) for _, text in pairs)
    return round(nats / math.log(2) / size, 4) if size and math.isfinite(nats) else None


def passage(split: SplitTokens, tokenizer: Tokenizer, context: int) -> str:
    """The text with which a split begins, for models that fill gaps: up to 64 tokens, half of the context."""
    ids = split.read(0, min(split.tokens, _PASSAGE_TOKENS, max(1, context // 2))).tolist()
    text = _SPECIAL.sub("\n", tokenizer.decode(ids))
    # The last word may be cut.
    return text.rpartition(" ")[0].strip()


def gaps(text: str, tokenizer: Tokenizer, one_token: bool) -> tuple[str, list[str]]:
    """A text with some words taken out, _GAP in place of each, and those words: one in six, the fourth first.

    With one_token only words that are one token with the space before them, which a mask can stand for.
    """
    # 2: the fourth word is the first gap, so that something stands before it.
    parts, answers, end, since = [], [], 0, 2
    for match in _WORD.finditer(text):
        since += 1
        fits = match.start() > 0 and text[match.start() - 1] == " "
        if since >= _EVERY and fits and not (one_token and len(tokenizer.encode(f" {match[0]}")) > 1):
            parts += [text[end : match.start()], _GAP]
            answers.append(match[0])
            end, since = match.end(), 0
    return "".join([*parts, text[end:]]), answers


def milestones(
    shards: Shards, tokenizer: Tokenizer, prompt: str, seed: int, objective: ObjectiveName = "causal"
) -> Callable[[Transformer], dict[str, Any] | None]:
    """What a model writes at some point of its training, from the same prompt and seed each time, scored.

    Of a decoder four texts of 60 tokens are scored without the prompt, and the first is shown; beside them
    held-out text of the same lengths, where there is a validation split: "held_out". A model that learns by
    masks or spans, or to write texts whole, fills gaps in a passage of the validation split, or of the
    training split where there is none, shown in brackets; "right" is the share of the words that were there.
    Of one that writes texts whole a word counts only where all around the gaps was copied: where it was not,
    what it wrote is shown as it is, and nothing is right. None where that passage is too short to have gaps.
    An encoder-decoder that continues texts goes on behind that passage where there is no prompt; bits per
    byte of it are not told.
    """
    held_out = shards.split("validation" if "validation" in shards.splits else "train")
    known = functools.cache(lambda: known_words(shards.split("train"), tokenizer))

    def write(network: Transformer) -> dict[str, Any] | None:
        trained = {"training": {"settings": {"objective": objective}}}
        model = LanguageModel(network, tokenizer, shards.end_of_text, trained)
        settings = network.settings
        if objective != "causal":
            return _filled(model, passage(held_out, tokenizer, settings.context), objective)
        begin = prompt
        if settings.kind == "encoder-decoder":
            begin = prompt or passage(held_out, tokenizer, settings.context)
            if not begin:
                return None
        samples = model.generate(begin, _SAMPLE_TOKENS, Sampling(), seed, _SAMPLES)
        if settings.kind == "encoder-decoder":
            texts = [sample.text for sample in samples]
            return {"text": begin + texts[0], "scores": score(texts, known())}
        written = [sample.text[len(prompt) :] for sample in samples]
        told = {"text": samples[0].text, "scores": _scored(model, prompt, written, known())}
        if "validation" in shards.splits:
            human = held_out_texts(held_out, tokenizer, [len(sample.ids) for sample in samples if sample.ids])
            told |= {"held_out": _scored(model, "", human, known())} if human else {}
        return told

    return write


def _scored(
    model: LanguageModel, begin: str, texts: Sequence[str], known: Collection[str]
) -> dict[str, float | None]:
    cost = bits_per_byte(model, [(begin, text) for text in texts])
    return {**score(texts, known), "bits_per_byte": cost}


def _filled(model: LanguageModel, passage: str, objective: ObjectiveName) -> dict[str, Any] | None:
    masks = objective == "masked"
    text, answers = gaps(passage, model.tokenizer, masks)
    if not answers:
        return None
    if masks:
        spans = fill_masks(model, text, 1, _GAP).spans
    elif objective == "denoise":
        # Twice the passage: of the context that takes a half at most.
        room = min(model.model.settings.context, 2 * _PASSAGE_TOKENS)
        filled = fill_text(model, text, room, Sampling(temperature=0), marker=_GAP)[0]
        spans = filled.spans
        if not any(spans):
            return {"text": filled.text, "scores": {"right": 0.0}}
    else:
        spans = fill_spans(model, text, 8 * len(answers), Sampling(temperature=0), marker=_GAP)[0].spans
    right = sum(span.strip() == answer for span, answer in zip(spans, answers, strict=True))
    *parts, last = text.split(_GAP)
    shown = "".join(f"{part}[{span.strip()}]" for part, span in zip(parts, spans, strict=True))
    return {"text": shown + last, "scores": {"right": _share(right, len(answers))}}


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _grams(each: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(each[start : start + n]) for start in range(len(each) - n + 1)]


def _longest_repeat(each: Sequence[str]) -> int:
    """Length of the longest run that stands twice: by halving, since each part of such a run does too."""
    low, high = 0, len(each)
    while high - low > 1:
        middle = (low + high) // 2
        grams = _grams(each, middle)
        if len(set(grams)) < len(grams):
            low = middle
        else:
            high = middle
    return low
