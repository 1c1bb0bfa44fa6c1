"""Documents for tests of rules, and what a rule says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle, islice

import pyarrow as pa

from corpuskit.documents import batch as batches
from corpuskit.stages.stage import Effect, Rule


def batch_of(texts: Mapping[str, str], language: str | Mapping[str, str] = "") -> pa.RecordBatch:
    """A batch of texts by id."""
    builder = batches.BatchBuilder(limit=2**40)
    for name, text in texts.items():
        code = language if isinstance(language, str) else language.get(name, "")
        builder.add(id=name, source="x", text=text, language=code)
    return next(builder.take(rest=True))


def applied(rule: Rule, texts: Mapping[str, str], language: str | Mapping[str, str] = "") -> Effect:
    """What a rule measures of texts, held to its contract."""
    found = rule.apply(batch_of(texts, language))
    effect = found if isinstance(found, Effect) else Effect(found)
    batches.check(effect.batch, rule.columns, rule.name)
    assert effect.batch.column("text").to_pylist() == list(texts.values())
    return effect


def verdicts(rule: Rule, texts: Mapping[str, str], language: str | Mapping[str, str] = "") -> dict[str, str]:
    """Id to reason of the texts that a rule drops."""
    scores = applied(rule, texts, language).batch.select(["id", *rule.columns])
    names = list(texts)
    return {names[row]: reason for row, reason in rule.decide(scores).items()}


def cycled(words: str | Sequence[str], count: int) -> list[str]:
    """So many words, in turn."""
    return list(islice(cycle(words.split() if isinstance(words, str) else words), count))


def fillers(lengths: Sequence[int]) -> list[str]:
    """Different words of these lengths that stand nowhere else."""
    letters = "bcdfghjklmnpqrstvwxz"
    words = []
    for number, length in enumerate(lengths):
        head = letters[number % 20] + letters[number // 20]
        words.append((head + "q" * length)[:length])
    assert len(set(words)) == len(words)
    return words
