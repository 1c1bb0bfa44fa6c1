"""What a decoder answers: choices by their likelihood, the likelihood of a cloze, and what it writes.

Multiple choice has three figures, since a sum of ln p grows with the length of a choice:

    acc          the choice of the greatest ln p
    acc_norm     of the greatest ln p for each of its characters
    acc_bytes    of the greatest ln p for each of its bytes in UTF-8

Of choices that are equally likely (to 1e-6 of their size, the rounding of float32) the first counts as
chosen, as in EleutherAI's lm-eval, whose names these are; how often the best were several is told beside, and
what drawing among them would have got: `acc_drawn`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from corpuskit.shards.permutation import derive_key
from corpuskit.train.evaluate.likelihood import Likelihood, Told, check_decoder, log_likelihoods
from corpuskit.train.evaluate.questions.items import Item, Questions
from corpuskit.train.evaluate.questions.task_file import TaskFile
from corpuskit.train.generate.generate import LanguageModel
from corpuskit.train.generate.sampling import Prompt, Sampling

_TIE = 1e-6
_ROWS = 16


@dataclass(frozen=True)
class Answers:
    """How a model answered.

    Attributes:
        values: by figure, one number for each question: 1 for right, 0 for wrong; nats for a cloze.
        sizes: by figure, what its sum is divided by, where that is not the number of questions.
        counts: of what else is to be told.
        rows: what is told of each question: what the model said, and the ln p of each answer.
    """

    values: dict[str, list[float]]
    sizes: dict[str, list[float]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def said(self) -> list[str]:
        """What the model chose or wrote, by question."""
        return [row["said"] for row in self.rows]


def answer(model: LanguageModel, questions: Questions, told: Told | None = None) -> Answers:
    """What a model answers to each question; raises SettingError for one that is no decoder."""
    check_decoder(model)
    by_kind = {"choice": _choose, "cloze": _cloze, "write": _write}
    return by_kind[questions.task.kind](model, questions, told)


def _choose(model: LanguageModel, questions: Questions, told: Told | None) -> Answers:
    task, items = questions.task, questions.items
    pairs = [(item.prompt, task.separator + choice) for item in items for choice in item.answers]
    found = log_likelihoods(model, pairs, begin=task.begin, told=told)
    values: dict[str, list[float]] = {"acc": [], "acc_norm": [], "acc_bytes": [], "acc_drawn": []}
    rows, ties, first = [], 0, 0
    for item in items:
        each = found.found[first : first + len(item.answers)]
        first += len(item.answers)
        best = chosen(each, [1] * len(each))
        ties += len(best) > 1
        rows.append({"said": item.answers[best[0]], "log_likelihoods": [one.nats for one in each]})
        values["acc"].append(float(best[0] == item.gold))
        values["acc_drawn"].append((item.gold in best) / len(best))
        for name, length in (("acc_norm", len), ("acc_bytes", _bytes)):
            values[name].append(float(chosen(each, list(map(length, item.answers)))[0] == item.gold))
    counts = {"ties": ties, "cut": found.cut, "over_border": found.over_border}
    return Answers(values, counts=counts, rows=rows)


def chosen(likelihoods: Sequence[Likelihood], lengths: Sequence[int]) -> list[int]:
    """Numbers of the choices that are the best by ln p for each unit of length, to the rounding of float32.

    >>> chosen([Likelihood(-4.0, 1, False), Likelihood(-6.0, 2, False)], [1, 3])
    [1]
    """
    scores = [each.nats / length for each, length in zip(likelihoods, lengths, strict=True)]
    best = max(scores)
    return [number for number, score in enumerate(scores) if score >= best - _TIE * max(abs(best), 1e-3)]


def _bytes(text: str) -> int:
    return len(text.encode())


def _cloze(model: LanguageModel, questions: Questions, told: Told | None) -> Answers:
    task = questions.task
    texts = [task.separator + item.answers[0] for item in questions.items]
    pairs = [(item.prompt, text) for item, text in zip(questions.items, texts, strict=True)]
    found = log_likelihoods(model, pairs, begin=task.begin, told=told)
    nats = [-each.nats for each in found.found]
    tokens = [float(each.tokens) for each in found.found]
    return Answers(
        {"greedy": [float(each.greedy) for each in found.found], "loss": nats, "bits_per_byte": _bits(nats)},
        {"loss": tokens, "bits_per_byte": [float(_bytes(text)) for text in texts]},
        {"tokens": int(sum(tokens)), "cut": found.cut, "over_border": found.over_border},
        [
            {"log_likelihoods": [each.nats], "tokens": each.tokens, "greedy": each.greedy}
            for each in found.found
        ],
    )


def _bits(nats: Sequence[float]) -> list[float]:
    return (np.array(nats) / np.log(2)).tolist()  # type: ignore[no-any-return]


def _write(model: LanguageModel, questions: Questions, told: Told | None) -> Answers:
    task, items = questions.task, questions.items
    prompts = [item.prompt for item in items]
    said, cut = written(model, prompts, task.tokens, task.stop, begin=task.begin, told=told)
    right = [float(matches(task, text, item)) for text, item in zip(said, items, strict=True)]
    return Answers({"exact_match": right}, counts={"cut": cut}, rows=[{"said": text} for text in said])


def written(
    model: LanguageModel,
    prompts: Sequence[str],
    tokens: int,
    stop: Sequence[str] = (),
    sampling: Sampling | None = None,
    *,
    begin: bool = False,
    told: Told | None = None,
) -> tuple[list[str], int]:
    """What a decoder writes behind each prompt, and how many prompts were cut on the left.

    A prompt is cut where it does not leave room for the answer in the model's context.

    Args:
        tokens: most of an answer.
        stop: strings before the first of which it ends.
        sampling: the likeliest token each time unless it is given.
        begin: as of `log_likelihoods`.
    """
    check_decoder(model)
    room, cut, asked = max(1, model.model.settings.context - tokens), 0, []
    for number, prompt in enumerate(prompts):
        ids = model.tokenizer.encode(prompt)
        if begin or not ids:
            ids = [model.end_of_text, *ids]
        cut += len(ids) > room
        seed, ends = derive_key(0, number) >> 1, (model.end_of_text,)
        asked.append(Prompt(ids[-room:], seed, ends, None, tuple(filter(None, stop))))
    # Prompts of about one length together: the others of a batch are padded.
    order, said = sorted(range(len(asked)), key=lambda n: -len(asked[n].start)), [""] * len(asked)
    for first in range(0, len(order), _ROWS):
        numbers = order[first : first + _ROWS]
        batch = [asked[number] for number in numbers]
        answers = model.write(batch, tokens, sampling or Sampling(temperature=0), _ROWS)
        for number, completion in zip(numbers, answers, strict=True):
            said[number] = completion.text
        if told is not None:
            told(len(numbers))
    return said, cut


def matches(task: TaskFile, said: str, item: Item) -> bool:
    """Whether what was written is the answer, blanks around both left out."""
    if task.pattern is not None:
        found = re.search(task.pattern, said)
        said = "" if found is None else found[1 if found.re.groups else 0] or ""
    said, wanted = said.strip(), item.answers[0].strip()
    return said.casefold() == wanted.casefold() if task.ignore_case else said == wanted
