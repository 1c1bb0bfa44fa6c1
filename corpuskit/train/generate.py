"""Text from a trained model: temperature, top-k, top-p and min-p sampling, reproducible by seed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from corpuskit.errors import SettingError, TrainError
from corpuskit.shards import derive_key
from corpuskit.train.codec import Codec
from corpuskit.train.model import Cache, ModelSettings, Transformer

MODEL_FORMAT = 2


@dataclass(frozen=True)
class Sampling:
    """How the next token is drawn.

    Attributes:
        temperature: divides the logits; 0 takes the likeliest token.
        top_k: only the k likeliest tokens may be drawn; 0 for all.
        top_p: only the fewest likeliest tokens whose probabilities reach p may be drawn; 1 for all.
        min_p: only tokens at least so many times as likely as the likeliest may be drawn; 0 for all
            (arXiv:2407.01082).

    Raises SettingError for values outside those ranges.
    """

    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 0.95
    min_p: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < math.inf:
            raise SettingError(
                f"temperature = {self.temperature} is not in [0, inf)", remedy="Give 0 (greedy) or more."
            )
        if self.top_k < 0:
            raise SettingError(f"top_k = {self.top_k} is below 0", remedy="Give 0 for no limit.")
        if not 0 < self.top_p <= 1:
            raise SettingError(f"top_p = {self.top_p} is not in (0, 1]", remedy="Give 1 for no limit.")
        if not 0 <= self.min_p <= 1:
            raise SettingError(f"min_p = {self.min_p} is not in [0, 1]", remedy="Give 0 for no limit.")


@dataclass(frozen=True)
class Sample:
    """A generated text.

    Attributes:
        text: prompt and continuation.
        ids: the ids that were generated, without the prompt's and without an end-of-text at their end.
        ended: whether the model ended the text itself.
    """

    text: str
    ids: list[int]
    ended: bool


class LanguageModel:
    """A model folder, loaded: the model, its tokenizer and the id that ends a text."""

    def __init__(self, model: Transformer, codec: Codec, end_of_text: int) -> None:
        self.model = model
        self.codec = codec
        self.end_of_text = end_of_text
        # Special tokens carry structure, not text: a young model that has never seen them would still
        # draw some. Only the end of a text may be said.
        unseen = [i for i in codec.special_ids() if i != end_of_text and i < model.settings.vocab_size]
        self._never_drawn = torch.tensor(unseen, dtype=torch.long)

    @classmethod
    def load(cls, folder: Path | str) -> LanguageModel:
        """Load OUT of a training run; raises TrainError, naming the file, when it is not whole."""
        folder = Path(folder)
        path = folder / "model.json"
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            if document.get("format") != MODEL_FORMAT:
                raise TrainError(
                    f"{path} has format {document.get('format')!r}, this version reads {MODEL_FORMAT}"
                )
            model = Transformer(ModelSettings(**document["model"]))
            end_of_text, sha256 = int(document["end_of_text"]), str(document["tokenizer_sha256"])
        except FileNotFoundError as error:
            raise TrainError(
                f"{folder} holds no model.json", remedy="Name the --out of a training run."
            ) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TrainError(f"{path} does not describe a model: {error}") from error
        weights = folder / "model.safetensors"
        try:
            model.load_state_dict(load_file(weights))
        except FileNotFoundError as error:
            raise TrainError(
                f"{weights} is not there", remedy="It appears with the run's first validation; train on."
            ) from error
        except (OSError, SafetensorError, RuntimeError) as error:
            raise TrainError(f"{weights} does not hold this model's weights: {error}") from error
        return cls(model.eval(), Codec(folder / "tokenizer.json", sha256, end_of_text), end_of_text)

    def sample(
        self,
        prompt: str = "",
        max_tokens: int = 200,
        sampling: Sampling | None = None,
        seed: int = 0,
        count: int = 1,
        stop: Sequence[str] = (),
    ) -> list[Sample]:
        """Continue a prompt `count` times with at most max_tokens tokens each.

        Sample i depends on (seed, i) and not on count. An empty prompt begins a new document. A text ends
        before the first of the strings `stop` that the model writes.
        Raises SettingError for max_tokens or count below 1, or an empty string in `stop`.
        """
        if max_tokens < 1 or count < 1:
            raise SettingError(f"tokens = {max_tokens} and count = {count} must be at least 1")
        return [self._one(prompt, max_tokens, sampling, seed, number, stop) for number in range(count)]

    def _one(
        self,
        prompt: str,
        max_tokens: int,
        sampling: Sampling | None,
        seed: int,
        number: int,
        stop: Sequence[str],
    ) -> Sample:
        stream = self.stream(prompt, max_tokens, sampling, seed, number, stop)
        text = prompt + "".join(stream)
        return Sample(text, stream.ids, stream.ended)

    def stream(
        self,
        prompt: str = "",
        max_tokens: int = 200,
        sampling: Sampling | None = None,
        seed: int = 0,
        number: int = 0,
        stop: Sequence[str] = (),
    ) -> Stream:
        """As `sample`, its sample `number` alone, piece by piece as it is written."""
        if not all(stop):
            raise SettingError("stop holds an empty string, which ends every text before it begins")
        return Stream(self, prompt, max_tokens, sampling or Sampling(), derive_key(seed, number) >> 1, stop)

    def tokens(self, start: list[int], max_tokens: int, sampling: Sampling, seed: int) -> Iterator[int]:
        """Ids that continue `start`, at most max_tokens, up to and with the end of the text."""
        generator = torch.Generator().manual_seed(seed)
        ids = list(start)
        was_training = self.model.training
        self.model.eval()
        try:
            reader = _Reader(self.model)
            for _ in range(max_tokens):
                logits = reader.logits(ids)[: self.model.settings.vocab_size].float().cpu()
                logits = logits.index_fill(0, self._never_drawn, -torch.inf)
                ids.append(draw(logits, sampling, generator))
                yield ids[-1]
                if ids[-1] == self.end_of_text:
                    return
        finally:
            self.model.train(was_training)


class _Reader:
    """Reads a text that grows, each token once; of a text longer than the context its last part."""

    def __init__(self, model: Transformer) -> None:
        self._model = model
        self._cache: Cache | None = None
        self._read = 0

    def logits(self, ids: list[int]) -> Tensor:
        """Logits (V,) of what follows."""
        context = self._model.settings.context
        with torch.inference_mode():
            if self._cache is None or self._cache.length + len(ids) - self._read > context:
                # When it is full, a quarter of it is made free: each time all that stays is read anew.
                self._cache = self._model.new_cache(1)
                kept = context if len(ids) <= context else max(1, context - context // 4)
                self._read = max(0, len(ids) - kept)
            fresh = torch.tensor([ids[self._read :]], device=self._model.embedding.weight.device)
            self._read = len(ids)
            states = self._model.states(fresh, cache=self._cache)
            return self._model.logits(states[:, -1])[0]


class Stream:
    """A text as it is written: iterate over it for its pieces, each a string of one or more characters.

    Attributes:
        ids: the ids so far, without the prompt's and without an end-of-text at their end.
        ended: whether the model ended the text itself.
    """

    def __init__(
        self,
        model: LanguageModel,
        prompt: str,
        max_tokens: int,
        sampling: Sampling,
        seed: int,
        stop: Sequence[str],
    ) -> None:
        self.ids: list[int] = []
        self.ended = False
        self._model, self._stop = model, tuple(stop)
        self._prompt = model.codec.encode(prompt)
        self._tokens = model.tokens([model.end_of_text, *self._prompt], max_tokens, sampling, seed)

    def __iter__(self) -> Iterator[str]:
        said, before = 0, len(self._model.codec.decode(self._prompt))
        # What may yet become a character or a string to stop at is held back.
        held = max((len(text) for text in self._stop), default=1) - 1
        text = ""
        for token in self._tokens:
            if token == self._model.end_of_text:
                self.ended = True
                break
            self.ids.append(token)
            text = self._model.codec.decode(self._prompt + self.ids)[before:]
            found = [at for at in (text.find(stop, max(0, said - held)) for stop in self._stop) if at >= 0]
            if found:
                text = text[: min(found)]
                break
            ready = len(text.rstrip("\N{REPLACEMENT CHARACTER}")) - held
            if ready > said:
                yield text[said:ready]
                said = ready
        if len(text) > said:
            yield text[said:]


def draw(logits: Tensor, sampling: Sampling, generator: torch.Generator) -> int:
    """Draw a token from logits (V,); ties of top-k and top-p go to the lower id."""
    if sampling.temperature == 0:
        return int(logits.argmax())
    ordered, order = torch.sort(logits / sampling.temperature, descending=True, stable=True)
    probabilities = torch.softmax(ordered, dim=0)
    if sampling.top_k:
        probabilities[sampling.top_k :] = 0
    # A token stays while those before it have not reached p: the first always does.
    before = probabilities.cumsum(0) - probabilities
    unlikely = probabilities < sampling.min_p * probabilities[0]
    probabilities[before >= sampling.top_p * probabilities.sum()] = 0
    probabilities[unlikely] = 0
    return int(order[torch.multinomial(probabilities, 1, generator=generator)])


def model_document(settings: ModelSettings, end_of_text: int, tokenizer_sha256: str) -> dict[str, Any]:
    """The content of model.json: what `LanguageModel.load` needs beside the weights and the tokenizer."""
    return {
        "format": MODEL_FORMAT,
        "model": asdict(settings),
        "end_of_text": end_of_text,
        "tokenizer_sha256": tokenizer_sha256,
    }
