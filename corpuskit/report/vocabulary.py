"""The vocabulary report: what the tokens of a run's shards are worth, and which of them are worth nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from corpuskit.errors import RunError
from corpuskit.report.fertility import Fertility, Group, Key, Ratio, by, measure_documents
from corpuskit.report.produced import Produced, count_tokens
from corpuskit.run.folder import Run
from corpuskit.run.layout import SHARDS, SHARDS_MANIFEST, TOKENIZER
from corpuskit.shards.reader import Shards
from corpuskit.tokenizer.compress import SOURCE, TokenCounter, advise, curve
from corpuskit.tokenizer.files import read_expected
from corpuskit.tokenizer.reach import NEVER_IN_UTF8, Vocabulary

RARE = 10
"""A token that was produced less often is rare: too few places for a model to learn what it means."""

_DOMINATED = 10
"""Times that a token must stand in the shards to be called one document's."""

PARAMETERS = (1_000_000, 10_000_000, 33_000_000, 100_000_000, 300_000_000, 1_000_000_000)
"""Sizes of models, beside the vocabulary, that advice is given for."""


@dataclass(frozen=True)
class VocabularyReport:
    """What `vocabulary_report` found.

    Attributes:
        facts: all figures as JSON values.
        tokens: a row for each token that stands for text: ``id``, ``token`` (its text, or its bytes in hex),
            ``count``, whether it is ``merged`` of several letters, and what it ``is``: ``never``, ``rare``,
            ``unreachable``, ``intermediate``, ``partial``, ``alone``, ``dominated``; with the ``document``
            that has more than half of it.
    """

    facts: dict[str, Any]
    tokens: list[dict[str, Any]]


def vocabulary_report(
    run: Run | str | Path,
    against: Sequence[str | Path] = (),
    parameters: Sequence[int] = PARAMETERS,
    width: int | None = None,
) -> VocabularyReport:
    """Measure the vocabulary of a finished run on its shards.

    Tokens are counted in the shards of all splits. A token is produced where it stands there, not where it is
    merged on the way to another. Those that no text can produce are found by the merges alone
    (`corpuskit.tokenizer.reach`). Tokens that stand in one document alone, or for more than half, are what
    becomes a glitch token in a model (Land and Bartolo 2024, arXiv:2405.05417).

    Args:
        run: a run with shards, or its folder.
        against: other tokenizers to compare with on a sample: tokenizer.json files, folders that hold
            one, or repositories of the Hugging Face Hub that are in the cache (``gpt2``, ``cl100k``).
        parameters: sizes of models, without their vocabulary, to give advice for.
        width: of their embeddings; see `corpuskit.tokenizer.compress.advise`.

    Raises `RunError` for a run without shards, `ShardError` for shards that are damaged, `TrainError` where
    the run's tokenizer is not theirs, `InputError` for a file that is no tokenizer.
    """
    run = run if isinstance(run, Run) else Run.open_finished(run)
    if not run.exists(SHARDS_MANIFEST):
        raise RunError(f"{run.folder}: has no shards", remedy="Build with a tokenizer and `shards:`.")
    others = [(str(path), TokenCounter.read(path)) for path in against]
    shards = Shards(run.local(SHARDS))
    _, data = read_expected(run.local(TOKENIZER), shards.tokenizer_sha256)
    own = TokenCounter(data)
    vocabulary = Vocabulary(data)
    produced = count_tokens(run)
    documents = measure_documents(run, vocabulary.special_texts)
    classes = _classes(vocabulary, produced)
    points = curve(data, [text for _, text in documents.sample])
    facts = {
        "run": str(run.folder),
        **_whole(vocabulary, produced, documents),
        "sources": {name: group.to_json() for name, group in by(documents.groups, 0).items()},
        "languages": {name: group.to_json() for name, group in by(documents.groups, 1).items()},
        "groups": [
            {"source": key[0], "language": key[1], **group.to_json()}
            for key, group in sorted(documents.groups.items())
        ],
        **_told(vocabulary, produced, classes),
        "signs": _signs(vocabulary, produced),
        "spelled": dict(sorted(documents.spelled.items())),
        "curve": [asdict(point) for point in points],
        "advice": [asdict(advise(size, points if len(points) > 1 else (), width)) for size in parameters],
        "advice_source": SOURCE,
        "against": [_compare(name, other, own, documents.sample) for name, other in others],
    }
    return VocabularyReport(facts, list(_rows(vocabulary, produced, classes)))


def _whole(vocabulary: Vocabulary, produced: Produced, documents: Fertility) -> dict[str, Any]:
    """Figures of all tokens together."""
    ours = Group()
    for group in documents.groups.values():
        ours.bytes_per_token.join(group.bytes_per_token)
        ours.tokens_per_word.join(group.tokens_per_word)
    specials = int(produced.counts[sorted(n for n in vocabulary.special if n < len(produced.counts))].sum())
    return {
        "model": vocabulary.kind,
        "vocab_size": len(vocabulary.spellings) + len(vocabulary.special),
        "special_tokens": len(vocabulary.special),
        "text_tokens": len(vocabulary.spellings),
        "tokens": int(produced.counts.sum()) - specials,
        "end_marks": produced.sequences,
        "share_read": documents.share,
        "all": ours.to_json(),
    }


@dataclass(frozen=True)
class _Classes:
    """Ids of tokens that something is said of, ascending; None where it cannot be said."""

    never: list[int]
    rare: list[int]
    unreachable: list[int] | None
    intermediate: list[int]
    partial: list[int]
    alone: list[int]
    dominated: list[int]


def _classes(vocabulary: Vocabulary, produced: Produced) -> _Classes:
    ids = np.array(sorted(n for n in vocabulary.spellings if n < len(produced.counts)), np.int64)
    counts, most = produced.counts[ids], produced.most[ids]
    return _Classes(
        never=ids[counts == 0].tolist(),
        rare=ids[(counts > 0) & (counts < RARE)].tolist(),
        unreachable=vocabulary.unreachable(),
        intermediate=vocabulary.intermediate(ids[counts > 0].tolist()),
        partial=vocabulary.partial(),
        alone=ids[(counts > 1) & (most == counts)].tolist(),
        dominated=ids[(counts >= _DOMINATED) & (most < counts) & (most > 0)].tolist(),
    )


def _told(vocabulary: Vocabulary, produced: Produced, classes: _Classes) -> dict[str, Any]:
    """The classes as JSON values: how many, how many of them merged, and their ids."""

    def told(ids: list[int] | None) -> dict[str, Any] | None:
        if ids is None:
            return None
        return {"count": len(ids), "merged": sum(map(vocabulary.merged, ids)), "ids": ids}

    def owned(ids: list[int]) -> dict[str, Any]:
        by_count = sorted(ids, key=lambda number: (-int(produced.counts[number]), number))
        return {"count": len(ids), "tokens": [_row(vocabulary, produced, number) for number in by_count]}

    found: dict[str, Any] = {
        name: told(getattr(classes, name))
        for name in ("never", "rare", "unreachable", "intermediate", "partial")
    }
    found["rare"]["below"] = RARE
    lone = (raw for raw in vocabulary.raw.values() if len(raw) == 1 and raw[0] in NEVER_IN_UTF8)
    found["partial"]["never_in_utf8"] = len(list(lone))
    return found | {"alone": owned(classes.alone), "dominated": owned(classes.dominated)}


def _row(vocabulary: Vocabulary, produced: Produced, number: int) -> dict[str, Any]:
    count = int(produced.counts[number]) if number < len(produced.counts) else 0
    row: dict[str, Any] = {"id": number, "token": shown(vocabulary.raw[number]), "count": count}
    row["merged"] = vocabulary.merged(number)
    if number in produced.document:
        row |= {"document": produced.document[number], "in_document": int(produced.most[number])}
    return row


def _rows(vocabulary: Vocabulary, produced: Produced, classes: _Classes) -> Iterator[dict[str, Any]]:
    sets = {name: frozenset(ids or ()) for name, ids in vars(classes).items()}
    for number in sorted(vocabulary.spellings):
        said = [name for name, ids in sets.items() if number in ids]
        yield _row(vocabulary, produced, number) | {"is": said}


def shown(raw: bytes) -> str:
    """A token for people: its text, or its bytes in hex where they are none.

    >>> shown(" the".encode()), shown(b"\\xf0\\x9f")
    (' the', 'f0 9f')
    """
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.hex(" ")


def _signs(vocabulary: Vocabulary, produced: Produced) -> dict[str, Any]:
    """Tokens of digits, of white space, and the one that stands for what is unknown."""
    digits: dict[int, list[int]] = {}
    blanks: dict[int, list[int]] = {}
    led: list[int] = []
    for number, raw in vocabulary.raw.items():
        text = raw.decode(errors="replace")
        if vocabulary.byte_level is False:
            text = text.replace("\u2581", " ")
        if text.strip(" ").isdecimal():
            digits.setdefault(len(text.strip(" ")), []).append(number)
        elif text and not text.strip():
            blanks.setdefault(len(text), []).append(number)
        elif text.startswith(" "):
            led.append(number)

    def share(ids: Iterable[int]) -> float:
        whole = int(produced.counts.sum()) - produced.sequences
        return _sum(produced, ids) / whole if whole else 0.0

    def kinds(found: dict[int, list[int]]) -> dict[str, Any]:
        return {
            "tokens": sum(map(len, found.values())),
            "by_length": {str(size): len(ids) for size, ids in sorted(found.items())},
            "share": share(n for ids in found.values() for n in ids),
        }

    signs = {
        "digits": kinds(digits),
        "blanks": kinds(blanks),
        "blank_in_front": {"tokens": len(led), "share": share(led)},
    }
    if (unknown := vocabulary.unknown) is not None:
        signs["unknown"] = {"id": unknown, "times": _sum(produced, [unknown]), "share": share([unknown])}
    return signs


def _sum(produced: Produced, ids: Iterable[int]) -> int:
    return sum(int(produced.counts[number]) for number in ids if number < len(produced.counts))


def _compare(
    name: str, other: TokenCounter, own: TokenCounter, sample: Collection[tuple[Key, str]]
) -> dict[str, Any]:
    """Another tokenizer beside the run's on a sample, in all and by source and language."""
    texts = [text for _, text in sample]
    counts = {"own": own.count(texts), "other": other.count(texts)}
    groups: dict[Key, dict[str, Ratio]] = {}
    whole = {side: Ratio() for side in counts}
    for place, (key, text) in enumerate(sample):
        size = len(text.encode())
        for side in counts:
            whole[side].add(size, counts[side][place])
            groups.setdefault(key, {s: Ratio() for s in counts})[side].add(size, counts[side][place])

    def told(sides: dict[str, Ratio]) -> dict[str, Any]:
        ours, theirs = sides["own"], sides["other"]
        return {
            "bytes": ours.over,
            "bytes_per_token": ours.to_json(),
            "other_bytes_per_token": theirs.to_json(),
            "tokens_of_other": ours.under / theirs.under if theirs.under else None,
        }

    rows = [{"source": key[0], "language": key[1], **told(sides)} for key, sides in sorted(groups.items())]
    return {"tokenizer": name, "vocab_size": other.vocab_size, **told(whole), "groups": rows}
