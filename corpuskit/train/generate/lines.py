"""A text for each text: `Writer(model).write(sources)`, in their order, whatever the size of a batch.

A source that is empty or blank has an empty text, and the model is not asked. A character of several tokens
that the limit cut is left off. What is drawn for a source follows from the seed and its text alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from corpuskit.errors import SettingError, check_fields
from corpuskit.shards.permutation import derive_key
from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train.data.pairs import prompt_ids, room_for
from corpuskit.train.generate.beam import Stopping, beam_search, check_beams, check_penalty
from corpuskit.train.generate.generate import LanguageModel, check_counts
from corpuskit.train.generate.sampling import Sampling
from corpuskit.train.generate.search import write

SEQ2SEQ = "seq2seq"

LINE_RULE = "a line break inside a text is written as one blank"

_AT_ONCE = 4096  # sources that are sorted by length together
_USUAL = 200  # tokens of a text, where nobody says and the model was taught none
_BREAK = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class Manner:
    """How texts are written.

    Attributes:
        most: tokens of a text at most, its end among them; without it as many as the model was measured with
            while it learnt.
        beams: beam search of this width; greedily or by `sampling` without it.
        length_penalty, stop: of beam search, see `corpuskit.train.generate.beam`.
        sampling: tokens are drawn; the likeliest each without it.
        seed: of what is drawn.

    Raises SettingError for values of other types, a limit below 1, a penalty that is none, a rule that is not
    known, and both ways.
    """

    most: int | None = None
    beams: int | None = None
    length_penalty: float = 1.0
    stop: Stopping = "likely"
    sampling: Sampling | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_fields(self)
        if self.most is not None:
            check_counts(tokens=self.most)
        check_penalty(self.length_penalty)
        if self.beams is not None and self.sampling is not None:
            raise SettingError("beams and sampling exclude each other", remedy="Leave one of them out.")

    def describe(self) -> str:
        """In words."""
        if self.beams is not None:
            rule = f"length penalty {self.length_penalty:g}, done when {self.stop}"
            return f"beam search of {self.beams}, {rule}"
        return "greedy" if self.sampling is None else f"drawn with seed {self.seed}"


class Kept(NamedTuple):
    """One of the texts that a beam search kept.

    Attributes:
        text: it.
        log_probability: in nats, of its tokens and the end where there is one.
        score: by which it was chosen.
        finish: "end", "length" or "context", as of a `Line`.
    """

    text: str
    log_probability: float
    score: float
    finish: str


@dataclass(frozen=True)
class Line:
    """What was written for a source.

    Attributes:
        text: it, as the model writes it.
        tokens: how many, without the end.
        log_probability: in nats, of these and the end where there is one, at temperature 1.
        finish: "end", "length" where the limit cut it, "context" where there was no room for as much, or
            "empty" where nothing was asked.
        kept: what a beam search kept, the best first, no text twice.
        cut: tokens of the source that were not read, since it is longer than the context, which a decoder
            shares between it and what it writes.
    """

    text: str = ""
    tokens: int = 0
    log_probability: float = 0.0
    finish: str = "empty"
    kept: tuple[Kept, ...] = field(default=())
    cut: int = 0


class Writer:
    """A decoder or an encoder-decoder that answers texts with texts.

    Attributes:
        model: it.
        tuned: what model.json says of how it was taught; empty where it was not taught to.
        context: tokens that it reads of a source; of a decoder those that it writes are among them.
        both: whether it is an encoder-decoder.
    """

    def __init__(self, model: LanguageModel) -> None:
        """Raises SettingError for an encoder."""
        require_writer(model)
        self.model = model
        found: Mapping[str, Any] = model.document.get("tuned") or {}
        self.tuned = found if found.get("task") == SEQ2SEQ else {}
        self.context = min(int(self.tuned.get("context") or 2**62), model.model.settings.context)
        self.both = model.model.settings.kind == "encoder-decoder"
        special = model.tokenizer.never_text(model.model.settings.vocab_size)
        self._forbidden = [number for number in special if number != model.end_of_text]

    def check(self, manner: Manner) -> None:
        """Raises SettingError for more beams than the vocabulary has tokens, or fewer than 1."""
        if manner.beams is not None:
            check_beams(manner.beams, self.model.model.settings.vocab_size)

    def write(self, sources: Sequence[str], manner: Manner | None = None, batch_rows: int = 32) -> list[Line]:
        """A text for each source, in their order; it does not depend on the batch, but for rounding."""
        return list(self.stream(sources, manner, batch_rows))

    def stream(
        self, sources: Sequence[str], manner: Manner | None = None, batch_rows: int = 32
    ) -> Iterator[Line]:
        """The same one by one."""
        manner = manner or Manner()
        check_counts(batch_rows=batch_rows)
        self.check(manner)
        for first in range(0, len(sources), _AT_ONCE):
            yield from self._group(sources[first : first + _AT_ONCE], manner, batch_rows)

    def read(self, source: str, manner: Manner) -> tuple[list[int], int]:
        """The ids that are read of a source, and how many are not, since they are too many.

        A decoder keeps room for the longest text that it was taught: sides share as they do in training.
        """
        ids, most = self.model.tokenizer.encode(source), self.most(manner)
        longest = min(most, int(self.tuned.get("longest", most)))
        kept, _ = room_for(len(ids), longest - 1, self.context, both=self.both)
        return ids[:kept], len(ids) - kept

    def most(self, manner: Manner) -> int:
        """Tokens of a text at most."""
        if manner.most is not None:
            return manner.most
        if "max_new" in self.tuned:
            return int(self.tuned["max_new"])
        # Folders from before the limit was recorded have the longest alone.
        return usual_most(int(self.tuned["longest"])) if "longest" in self.tuned else _USUAL

    def _group(self, sources: Sequence[str], manner: Manner, batch_rows: int) -> list[Line]:
        asked = [number for number, source in enumerate(sources) if source.strip()]
        read = {number: self.read(sources[number], manner) for number in asked}
        found = [Line() for _ in sources]
        order = sorted(asked, key=lambda number: len(read[number][0]))
        was_training = self.model.model.training
        self.model.model.eval()
        try:
            for start in range(0, len(order), batch_rows):
                numbers = order[start : start + batch_rows]
                lines = [read[number] for number in numbers]
                texts = [sources[number] for number in numbers]
                for number, line in zip(numbers, self._batch(texts, lines, manner), strict=True):
                    found[number] = line
        finally:
            self.model.model.train(was_training)
        return found

    def _batch(
        self, texts: Sequence[str], lines: Sequence[tuple[list[int], int]], manner: Manner
    ) -> list[Line]:
        end, most = self.model.end_of_text, self.most(manner)
        sources = [ids for ids, _ in lines] if self.both else None
        prompts = [[end] if self.both else prompt_ids(ids, end) for ids, _ in lines]
        # The last token that is written is not read.
        limits = [min(most, self.context - len(prompt) + 1) for prompt in prompts]
        cuts = [cut for _, cut in lines]
        given: dict[str, Any] = {"end": end, "most": limits, "sources": sources, "forbidden": self._forbidden}
        if manner.beams is not None:
            by_beams = beam_search(
                *(self.model.model, prompts),
                beams=manner.beams,
                length_penalty=manner.length_penalty,
                stop=manner.stop,
                **given,
            )
            return [
                self._of_beams(kept, cut, limit < most)
                for kept, cut, limit in zip(by_beams, cuts, limits, strict=True)
            ]
        seeds = [seed_of(manner.seed, text) for text in texts]
        written = write(self.model.model, prompts, sampling=manner.sampling, seeds=seeds, **given)
        return [
            Line(
                text_of(self.model.tokenizer, each.ids),
                len(each.ids),
                each.log_probability,
                _finish(each.ended, limit < most),
                cut=cut,
            )
            for each, cut, limit in zip(written, cuts, limits, strict=True)
        ]

    def _of_beams(self, hypotheses: Sequence[Any], cut: int, short: bool) -> Line:
        kept: dict[str, Kept] = {}
        for each in hypotheses:  # The best of those that say the same.
            text = text_of(self.model.tokenizer, each.ids)
            finish = _finish(each.ended, short)
            kept.setdefault(text, Kept(text, each.log_probability, each.score, finish))
        best = hypotheses[0]
        first = next(iter(kept.values()))
        return Line(first.text, len(best.ids), best.log_probability, first.finish, tuple(kept.values()), cut)


def require_writer(model: LanguageModel) -> None:
    """Raise SettingError for a model that writes no text."""
    refuse_encoder(model.model.settings.kind, "this model")


def refuse_encoder(kind: str, name: str) -> None:
    """Raise SettingError for an encoder, which writes no text."""
    if kind == "encoder":
        raise SettingError(
            f"{name} is an encoder: it reads texts and writes none",
            remedy="Take a decoder or an encoder-decoder: `corpuskit train` makes one with objective = "
            "causal, spans or denoise.",
        )


def text_of(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    """The text of ids, blanks and all; part of a character at its end is left off."""
    decoder = tokenizer.decoder()
    return "".join(decoder.add(token) for token in ids)


def one_line(text: str) -> str:
    r"""A text as a line: each line break in it one blank.

    >>> one_line("a\r\nb\nc")
    'a b c'
    """
    return _BREAK.sub(" ", text)


def seed_of(seed: int, source: str) -> int:
    """The seed of what is drawn for a source: of this and its text alone."""
    digest = hashlib.blake2b(source.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return derive_key(seed, int.from_bytes(digest, "big")) >> 1


def usual_most(longest: int) -> int:
    """Tokens of a text at most where nobody says: a quarter more than the longest that was taught.

    >>> usual_most(8), usual_most(1)
    (10, 1)
    """
    return longest + longest // 4


def _finish(ended: bool, short: bool) -> str:
    """How a text ended; `short` where the context has less room than the limit allows."""
    return "end" if ended else "context" if short else "length"
