"""Instruction tuning: to answer, by conversations and by prompts with what follows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train.data.examples import Examples
from corpuskit.train.data.rows import pack
from corpuskit.train.generate.generate import LanguageModel
from corpuskit.train.generate.sampling import Prompt, Sampling
from corpuskit.train.generate.turns import Speech
from corpuskit.train.model.loss import IGNORED
from corpuskit.train.model.transformer import ModelSettings, Transformer
from corpuskit.train.settings.tune import InstructSettings
from corpuskit.train.tasks.pretrain import measure_tokens
from corpuskit.train.tasks.task import Extent, Inputs, Measuring, Metrics, Tensors, Validation
from corpuskit.train.tasks.tuned import Example, Tuned, asked, padded, rounded

_REPLY_TOKENS = 60  # of the reply that is shown on the way


class Instruct(Tuned):
    """Answers, and nothing of what they answer; a `Task`.

    Examples have "ids" and "learnt", what of them is to be written, see `asked`. Of an example of n ids
    n - 1 positions read the ids but the last, and are asked for the ids but the first. Packed rows hold
    several examples, none of which sees another.
    """

    name = "instruct"

    def __init__(
        self,
        settings: InstructSettings,
        shape: ModelSettings,
        tokenizer: Tokenizer,
        end_of_text: int,
        train: Examples,
        validation: Examples | None,
        base: str = "",
        chats: bool = True,
    ) -> None:
        assert settings.context is not None
        rows = pack(self.lengths(train), settings.context) if settings.pack else None
        super().__init__(settings, shape, train, validation, base, rows)
        self._own, self._tokenizer, self._end_of_text, self._chats = settings, tokenizer, end_of_text, chats
        self._token_bytes = tokenizer.token_bytes(shape.vocab_size)

    def lengths(self, examples: Examples) -> npt.NDArray[np.int64]:
        """Positions of each example: one fewer than its ids."""
        return examples.lengths("ids") - 1

    def tensors(self, rows: Sequence[Sequence[Example]]) -> Tensors:
        """ids and targets (B, T), lengths (B,), and in packed rows documents (B, T)."""
        ids, targets, numbers, lengths = [], [], [], []
        for row in rows:
            inputs = [each["ids"][:-1] for each in row] or [np.zeros(1, np.int64)]
            targets_of = [asked(each["ids"], each["learnt"])[1:] for each in row]
            ids.append(np.concatenate(inputs))
            targets.append(np.concatenate(targets_of or [np.full(1, IGNORED)]))
            lengths.append(len(ids[-1]))
            numbers.append(np.repeat(np.arange(len(inputs)), [len(each) for each in inputs]))
        batch = {"ids": padded(ids, 0), "targets": padded(targets, IGNORED), "lengths": torch.tensor(lengths)}
        if self._own.pack:
            # What fills a row up is a document of its own.
            batch["documents"] = padded(numbers, max(map(len, rows)) + 1)
        return batch

    def extent(self) -> Extent:
        """That of the longest row."""
        longest = rounded(int(self.row_lengths.max()))
        return Extent(longest, 0, longest, self._own.pack, max(1, round(self.tokens / len(self.rows))))

    def loss(self, model: Transformer, batch: Inputs) -> Tensor:
        """Sum of -log p over what is to be written."""
        return model.loss(batch["ids"], batch["targets"], documents=batch.get("documents"))

    def count(self, batch: Tensors) -> float:
        """Tokens that are to be written."""
        return int((batch["targets"] != IGNORED).sum())

    def measure(self, model: Measuring, validation: Validation) -> Metrics:
        """The loss of held-out answers."""
        return measure_tokens(model, validation, self._token_bytes)

    def milestone(self, model: Transformer) -> dict[str, Any] | None:
        """The likeliest reply to the first held-out example, or the first of all."""
        examples = self.validation_examples or self.train
        first = examples.row(0)
        begins = int(np.argmax(first["learnt"] > 0))
        speech = Speech(self._tokenizer, self._end_of_text)
        language = LanguageModel(model, self._tokenizer, self._end_of_text)
        before = first["ids"][:begins].tolist()
        prompt = Prompt(before, 0, speech.ends if self._chats else [self._end_of_text])
        [reply] = language.write([prompt], _REPLY_TOKENS, Sampling(temperature=0))
        said = self._tokenizer.decode(before).replace("<|", " <|").strip()
        return {"text": f"{said} {reply.text}"}

    def document(self) -> dict[str, Any]:
        """That it can be talked with, and how it was taught."""
        return {"chat": self._chats, "tuned": {"task": self.name, "context": self._own.context}}
