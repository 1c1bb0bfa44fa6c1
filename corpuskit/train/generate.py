"""Text from a trained model: temperature, top-k and top-p sampling, reproducible by seed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
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
from corpuskit.train.model import Decoder, ModelSettings

MODEL_FORMAT = 1


@dataclass(frozen=True)
class Sampling:
    """How the next token is drawn.

    Attributes:
        temperature: divides the logits; 0 takes the likeliest token.
        top_k: only the k likeliest tokens may be drawn; 0 for all.
        top_p: only the fewest likeliest tokens whose probabilities reach p may be drawn; 1 for all.

    Raises SettingError for values outside those ranges.
    """

    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 0.95

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < math.inf:
            raise SettingError(
                f"temperature = {self.temperature} is not in [0, inf)", remedy="Give 0 (greedy) or more."
            )
        if self.top_k < 0:
            raise SettingError(f"top_k = {self.top_k} is below 0", remedy="Give 0 for no limit.")
        if not 0 < self.top_p <= 1:
            raise SettingError(f"top_p = {self.top_p} is not in (0, 1]", remedy="Give 1 for no limit.")


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
    """A model folder, loaded: the decoder, its tokenizer and the id that ends a text."""

    def __init__(self, decoder: Decoder, codec: Codec, end_of_text: int) -> None:
        self.decoder = decoder
        self.codec = codec
        self.end_of_text = end_of_text
        # Special tokens carry structure, not text: a young model that has never seen them would still
        # draw some. Only the end of a text may be said.
        unseen = [i for i in codec.special_ids() if i != end_of_text and i < decoder.settings.vocab_size]
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
            decoder = Decoder(ModelSettings(**document["model"]))
            end_of_text, sha256 = int(document["end_of_text"]), str(document["tokenizer_sha256"])
        except FileNotFoundError as error:
            raise TrainError(
                f"{folder} holds no model.json", remedy="Name the --out of a training run."
            ) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TrainError(f"{path} does not describe a model: {error}") from error
        weights = folder / "model.safetensors"
        try:
            decoder.load_state_dict(load_file(weights))
        except FileNotFoundError as error:
            raise TrainError(
                f"{weights} is not there", remedy="It appears with the run's first validation; train on."
            ) from error
        except (OSError, SafetensorError, RuntimeError) as error:
            raise TrainError(f"{weights} does not hold this model's weights: {error}") from error
        return cls(decoder.eval(), Codec(folder / "tokenizer.json", sha256, end_of_text), end_of_text)

    def sample(
        self,
        prompt: str = "",
        max_tokens: int = 200,
        sampling: Sampling | None = None,
        seed: int = 0,
        count: int = 1,
    ) -> list[Sample]:
        """Continue a prompt `count` times with at most max_tokens tokens each.

        Sample i depends on (seed, i) and not on count. An empty prompt begins a new document.
        Raises SettingError for max_tokens or count below 1.
        """
        if max_tokens < 1 or count < 1:
            raise SettingError(f"tokens = {max_tokens} and count = {count} must be at least 1")
        start = [self.end_of_text, *self.codec.encode(prompt)]
        found = []
        for number in range(count):
            ids = list(
                self._continue(start, max_tokens, sampling or Sampling(), derive_key(seed, number) >> 1)
            )
            ended = bool(ids) and ids[-1] == self.end_of_text
            ids = ids[:-1] if ended else ids
            found.append(Sample(self.codec.decode(start[1:] + ids), ids, ended))
        return found

    def _continue(self, start: list[int], max_tokens: int, sampling: Sampling, seed: int) -> Iterator[int]:
        settings = self.decoder.settings
        device = self.decoder.embedding.weight.device
        generator = torch.Generator().manual_seed(seed)
        ids = list(start)
        was_training = self.decoder.training
        self.decoder.eval()
        try:
            for _ in range(max_tokens):
                window = torch.tensor([ids[-settings.context :]], device=device)
                with torch.inference_mode():
                    hidden = self.decoder.hidden_states(window)[:, -1]
                    logits = torch.nn.functional.linear(hidden, self.decoder.head_weight)[0]
                logits = logits[: settings.vocab_size].float().cpu()
                logits = logits.index_fill(0, self._never_drawn, -torch.inf)
                ids.append(draw(logits, sampling, generator))
                yield ids[-1]
                if ids[-1] == self.end_of_text:
                    return
        finally:
            self.decoder.train(was_training)


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
    probabilities[before >= sampling.top_p * probabilities.sum()] = 0
    return int(order[torch.multinomial(probabilities, 1, generator=generator)])


def model_document(settings: ModelSettings, end_of_text: int, tokenizer_sha256: str) -> dict[str, Any]:
    """The content of model.json: what `LanguageModel.load` needs beside the weights and the tokenizer."""
    return {
        "format": MODEL_FORMAT,
        "model": asdict(settings),
        "end_of_text": end_of_text,
        "tokenizer_sha256": tokenizer_sha256,
    }
