"""Text from a trained model: several texts in one forward pass, each token read once, reproducible by seed.

Rows of a batch are as long as they are: prompts are padded on the right while they are read, and each text
goes on where it ends, so that a text sees the positions that it would see alone. Its logits equal those that
it would have alone up to rounding (in float32 to about 1e-5 of their size), since matrix products of another
height may add in another order; a token drawn can differ only where two are that close.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from corpuskit.errors import SettingError, TrainError, checks_arguments
from corpuskit.shards.permutation import derive_key
from corpuskit.storage.files import read_sealed, sha256_file
from corpuskit.storage.ownership import no_model
from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train.device import choose_device
from corpuskit.train.generate.embed import Embedder, LongTexts, VectorSettings, stored
from corpuskit.train.generate.sampling import Completion, Prompt, Sampling, draw
from corpuskit.train.generate.search import padded
from corpuskit.train.generate.turns import Speech
from corpuskit.train.model.transformer import ModelSettings, Pooling, Transformer
from corpuskit.train.settings.resolve import said_objective, usual_objective
from corpuskit.train.settings.settings import ObjectiveName

MODEL_FORMAT = 2
WEIGHTS = "model.safetensors"

BATCH_ROWS = 8
"""Texts that are written at once, unless the caller says otherwise."""

MOST = 10**7
"""Texts, or tokens of a text, that may be asked for: more is a slip, and would never end."""

_BACK = "Bring the file back from where it was copied, or train the model again."


def check_counts(**counts: int) -> None:
    """Raises SettingError, naming each of these that is below 1 or above MOST."""
    faults = [f"{name} = {value}" for name, value in counts.items() if value < 1]
    if faults:
        raise SettingError(f"{', '.join(faults)}: less than 1", remedy="Ask for 1 at least.")
    faults = [f"{name} = {value}" for name, value in counts.items() if value > MOST]
    if faults:
        raise SettingError(f"{', '.join(faults)}: more than {MOST:,}", remedy="Ask for fewer.")


@dataclass(frozen=True)
class Sample:
    """A generated text.

    Attributes:
        text: prompt and continuation; of an encoder-decoder what it writes for the prompt.
        ids: the ids that were generated, without the prompt's and without the one that ended the text.
        ended: whether the model ended the text itself.
        unread: tokens at the beginning of the prompt that the model did not read, since all of it did not fit
            its context.
    """

    text: str
    ids: list[int]
    ended: bool
    unread: int = 0


class LanguageModel:
    """A model folder, loaded.

    Attributes:
        model, tokenizer: what writes, and what makes its ids of text and back.
        end_of_text: the id that ends a text.
        document: what model.json says.
    """

    def __init__(
        self,
        model: Transformer,
        tokenizer: Tokenizer,
        end_of_text: int,
        document: Mapping[str, Any] | None = None,
    ) -> None:
        self.model, self.tokenizer, self.end_of_text = model, tokenizer, end_of_text
        self.document = dict(document or {})
        # Special tokens carry structure, not text: a young model that has never seen them would still
        # draw some. Only those that a prompt allows may be said.
        special = tokenizer.never_text(model.settings.vocab_size)
        self._special = torch.tensor(special, dtype=torch.long)

    @classmethod
    @checks_arguments
    def load(cls, folder: Path | str, device: str = "cpu") -> LanguageModel:
        """Load OUT of a training run onto a device, see `choose_device`.

        Raises TrainError, naming the file, if it is damaged, SettingError for a device that is not there.
        """
        folder, device = Path(folder), choose_device(device)
        path = folder / "model.json"
        try:
            document = read_sealed(path)
            if document.get("format") != MODEL_FORMAT:
                raise TrainError(
                    f"{path} has format {document.get('format')!r}, this version reads {MODEL_FORMAT}",
                    remedy="Use the version of corpuskit that wrote it.",
                )
            model = Transformer(ModelSettings(**document["model"]))
            end_of_text, sha256 = int(document["end_of_text"]), str(document["tokenizer_sha256"])
        except FileNotFoundError as error:
            reason, remedy = no_model(folder)
            raise TrainError(reason, remedy=remedy) from error
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            raise TrainError(f"{path} does not describe a model: {error}", remedy=_BACK) from error
        weights = folder / WEIGHTS
        check_file(folder, WEIGHTS, document)
        try:
            model.load_state_dict(load_file(weights))
        except FileNotFoundError as error:
            raise TrainError(
                f"{weights} is not there", remedy="It appears with the run's first validation; train on."
            ) from error
        except (OSError, SafetensorError, RuntimeError) as error:
            raise TrainError(
                f"{weights} does not hold this model's weights: {error}", remedy=_BACK
            ) from error
        tokenizer = Tokenizer.load_expected(folder / "tokenizer.json", sha256, end_of_text)
        return cls(model.to(device).eval(), tokenizer, end_of_text, document)

    @property
    def ends(self) -> Sequence[int]:
        """Ids that end a text; of a model that was taught to talk the end of a turn too."""
        if self.document.get("chat") is True:
            return Speech(self.tokenizer, self.end_of_text).ends
        return (self.end_of_text,)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.model.embedding.weight.device

    @property
    def objective(self) -> ObjectiveName:
        """What it was trained for, by its document; where that says nothing, what is usual for its kind."""
        return said_objective(self.document) or usual_objective(self.model.settings.kind)

    @checks_arguments
    def generate(
        self,
        prompt: str | Sequence[str] = "",
        max_tokens: int = 200,
        sampling: Sampling | None = None,
        seed: int = 0,
        count: int = 1,
        stop: Sequence[str] = (),
        batch_rows: int = BATCH_ROWS,
    ) -> list[Sample]:
        """Continue each prompt `count` times with at most max_tokens tokens each; those of a prompt together.

        Sample i of a prompt depends on (prompt, seed, i), not on count, batch_rows or the other prompts, but
        for rounding: batches of other sizes add in another order. An empty prompt begins a new document. A
        text ends before the first of the strings `stop` that the model writes. An encoder-decoder reads the
        prompt as its source.

        Raises SettingError for max_tokens, count or batch_rows below 1, an empty string in `stop`, a source
        that is empty or longer than the context, and for an encoder, which writes no text.
        """
        check_counts(tokens=max_tokens, count=count, batch_rows=batch_rows)
        asked = [prompt] if isinstance(prompt, str) else list(prompt)
        if not asked:
            raise SettingError("prompt = [] holds none", remedy="Give '' to begin a new document.")
        prompts = [self.prompt(each, seed, number, stop) for each in asked for number in range(count)]
        completions = self.write(prompts, max_tokens, sampling, batch_rows)
        answers = self.model.settings.kind == "encoder-decoder"
        begins = ["" if answers else each for each in asked for _ in range(count)]
        return [
            Sample(begin + each.text, each.ids, each.ended, self.unread(each.prompt))
            for begin, each in zip(begins, completions, strict=True)
        ]

    def unread(self, prompt: Prompt) -> int:
        """Tokens at the beginning of a prompt that are not read, since all of it does not fit the context."""
        return len(prompt.start) - len(last_part(prompt.start, self.model.settings.context))

    @checks_arguments
    def stream(
        self,
        prompt: str | Prompt = "",
        max_tokens: int = 200,
        sampling: Sampling | None = None,
        seed: int = 0,
        number: int = 0,
        stop: Sequence[str] = (),
    ) -> Stream:
        """As `generate`, its sample `number` alone, piece by piece as it is written."""
        if isinstance(prompt, str):
            prompt = self.prompt(prompt, seed, number, stop)
        return Stream(self, prompt, max_tokens, sampling or Sampling())

    @checks_arguments
    def prompt(self, text: str, seed: int = 0, number: int = 0, stop: Sequence[str] = ()) -> Prompt:
        """The prompt of a text to be continued or, for an encoder-decoder, answered; raises as `generate`."""
        settings = self.model.settings
        if settings.kind == "encoder":
            raise SettingError(
                "this model is an encoder, which writes no text",
                remedy="It fills masks: give --fill TEXT in place of a prompt.",
            )
        if not all(stop):
            raise SettingError(
                "stop holds an empty string, which ends every text before it begins", remedy="Leave it out."
            )
        ids, drawn = self.tokenizer.encode(text), derive_key(seed, number) >> 1
        if settings.kind == "decoder":
            return Prompt([self.end_of_text, *ids], drawn, self.ends, None, stop)
        if not 1 <= len(ids) <= settings.context:
            raise SettingError(
                f"the source is {len(ids)} tokens long, and this model reads 1 to {settings.context}",
                remedy="Give it in parts." if ids else "Give a text as prompt.",
            )
        return Prompt([self.end_of_text], drawn, (self.end_of_text,), ids, stop)

    @checks_arguments
    def embed(
        self,
        texts: str | Sequence[str],
        pooling: Pooling = "mean",
        normalize: bool = False,
        long_texts: LongTexts = "windows",
        overlap: int = 0,
        batch_rows: int = 32,
    ) -> npt.NDArray[np.float32]:
        """Vectors (texts, width) of texts, float32, in their order; see `VectorSettings` and `Embedder`.

        A text without a token has a vector of zeros. Raises SettingError for what is not known, TrainError
        for a vector that is not finite.
        """
        check_counts(batch_rows=batch_rows)
        asked = [texts] if isinstance(texts, str) else list(texts)
        settings = VectorSettings(pooling, normalize, long_texts, overlap)
        found, _ = Embedder(self.model, self.tokenizer, settings, batch_rows).vectors(asked)
        stored(found, [f"text {number}" for number in range(1, len(found) + 1)])
        return found

    @checks_arguments
    def write(
        self,
        prompts: Sequence[Prompt],
        max_tokens: int,
        sampling: Sampling | None = None,
        batch_rows: int = BATCH_ROWS,
    ) -> list[Completion]:
        """One text for each prompt, `batch_rows` at a time, of at most max_tokens tokens each."""
        completions = [Completion(self.tokenizer, prompt) for prompt in prompts]
        for first in range(0, len(completions), batch_rows):
            for _ in self.pieces(completions[first : first + batch_rows], max_tokens, sampling or Sampling()):
                pass
        return completions

    def pieces(
        self,
        completions: Sequence[Completion],
        max_tokens: int,
        sampling: Sampling,
        seen: Callable[[Tensor, list[int]], None] | None = None,
    ) -> Iterator[str]:
        """Write all completions together; yields what is new in each, text by text in every step.

        Args:
            seen: is given in each step the logits (B, vocab_size), in float32 on the CPU, of those that go
                on, before anything is forbidden or divided, and the ids that were drawn.
        """
        was_training = self.model.training
        self.model.eval()
        try:
            reader, live = Reader(self.model, completions, max_tokens), list(completions)
            for step in range(max_tokens):
                logits = reader.logits(live)[:, : self.model.settings.vocab_size].float().cpu()
                tokens = draw(self._allowed(logits, live), sampling, [each.random for each in live])
                if seen is not None:
                    seen(logits, tokens)
                for completion, token in zip(live, tokens, strict=True):
                    yield completion.add(token, last=step == max_tokens - 1)
                rows = [row for row, completion in enumerate(live) if not completion.done]
                if not rows:
                    return
                if len(rows) < len(live):
                    live = [live[row] for row in rows]
                    reader.select(rows)
        finally:
            self.model.train(was_training)

    def _allowed(self, logits: Tensor, completions: Sequence[Completion]) -> Tensor:
        """Logits (B, vocab_size) with -inf for what a completion may not say."""
        allowed = logits.index_fill(1, self._special, -torch.inf)
        for row, completion in enumerate(completions):
            said = [*completion.prompt.ends, *completion.prompt.may_say]
            allowed[row, said] = logits[row, said]
        return allowed


def recorded_files(document: Mapping[str, Any]) -> dict[str, str]:
    """Names and sha256 of what a run has left, by model.json; none while it goes on."""
    files = document.get("files")
    return files if isinstance(files, dict) else {}


def check_file(folder: Path, name: str, document: Mapping[str, Any]) -> None:
    """Raise TrainError unless a file of a model folder is as model.json says, if that says anything of it.

    A run that has not ended says nothing: it goes on writing.
    """
    expected, path = recorded_files(document).get(name), folder / name
    try:
        if expected is None or (actual := sha256_file(path)) == expected:
            return
    except FileNotFoundError as error:
        raise TrainError(f"{path} is not there", remedy=_BACK) from error
    except OSError as error:
        raise TrainError(f"cannot read {path}: {error.strerror}", remedy=_BACK) from error
    raise TrainError(f"{path} is damaged: sha256 {actual}, recorded {expected}", remedy=_BACK)


@checks_arguments
def load_model(folder: Path | str, device: str = "auto") -> LanguageModel:
    """Load a trained or imported model from its folder, ready to write, onto a GPU where there is one.

    Raises SettingError for a device that is not there, TrainError for a folder that holds no model:

    print(load_model("models/sample").generate("The river")[0].text)
    """
    return LanguageModel.load(folder, device)


def last_part(ids: list[int], context: int) -> list[int]:
    """What is read of a text: when the context is full, a quarter of it is made free."""
    # One position made free at a time would have the whole context read again for each token.
    return ids if len(ids) <= context else ids[-max(1, context - context // 4) :]


class Reader:
    """Reads texts that grow, each token once; of a text longer than the context its last part."""

    def __init__(self, model: Transformer, completions: Sequence[Completion], max_tokens: int) -> None:
        self._model, self._context = model, model.settings.context
        longest = max(len(each.prompt.start) for each in completions) + max_tokens
        self._cache = model.new_cache(len(completions), min(longest, self._context))
        self._memory: dict[str, Tensor] = {}
        sources = [each.prompt.source for each in completions if each.prompt.source is not None]
        if sources:
            ids, real = padded(sources, model.embedding.weight.device)
            with torch.inference_mode():
                memory = model.encode(ids, real.long())
            self._memory = {"memory": memory, "memory_mask": real[:, None]}

    def logits(self, completions: Sequence[Completion]) -> Tensor:
        """Logits (B, V) of what follows each completion, which has one id more than at the last call."""
        read = self._cache.lengths
        # Nothing was read yet, or the context is full and its last part must be read again from position 0.
        fresh = [row for row in range(len(completions)) if read[row] in (0, self._context)]
        going = [row for row in range(len(completions)) if read[row] not in (0, self._context)]
        parts = [last_part(completions[row].all_ids, self._context) for row in fresh]
        for row in fresh:
            read[row] = 0
        with torch.inference_mode():
            if not going:
                return self._read(fresh, parts)
            logits = self._read(going, [completions[row].ids[-1:] for row in going])
            if not fresh:
                return logits
            logits = torch.cat([logits, self._read(fresh, parts)])
            rows = [*going, *fresh]
            return logits[[rows.index(row) for row in range(len(rows))]]

    def select(self, rows: list[int]) -> None:
        """Go on with these rows alone."""
        self._cache = self._cache.select(rows)
        self._memory = {name: tensor[rows] for name, tensor in self._memory.items()}

    def _read(self, rows: list[int], parts: list[list[int]]) -> Tensor:
        """Logits (rows, V) behind `parts`, which follow what has been read of these rows."""
        whole = len(rows) == len(self._cache.lengths)
        cache = self._cache if whole else self._cache.select(rows)
        ids, _ = padded(parts, self._model.embedding.weight.device)
        before = cache.lengths
        memory = {name: tensor if whole else tensor[rows] for name, tensor in self._memory.items()}
        states = self._model.states(
            ids, cache=cache, memory=memory.get("memory"), memory_mask=memory.get("memory_mask")
        )
        # The padding has been read too: it is forgotten.
        cache.lengths = [read + len(part) for read, part in zip(before, parts, strict=True)]
        if not whole:
            self._cache.put_rows(rows, cache)
        last = torch.tensor([len(part) - 1 for part in parts], device=states.device)
        return self._model.logits(states[torch.arange(len(parts), device=states.device), last])


class Stream:
    """A text as it is written: iterate over it for its pieces, each a string of one or more characters."""

    def __init__(self, model: LanguageModel, prompt: Prompt, max_tokens: int, sampling: Sampling) -> None:
        self._completion = Completion(model.tokenizer, prompt)
        self._pieces = model.pieces([self._completion], max_tokens, sampling)

    @property
    def ids(self) -> list[int]:
        """The ids so far, without the prompt's and without the one that ended the text."""
        return self._completion.ids

    @property
    def ended(self) -> bool:
        """Whether the model ended the text itself."""
        return self._completion.ended

    def __iter__(self) -> Iterator[str]:
        return (piece for piece in self._pieces if piece)


def model_document(settings: ModelSettings, end_of_text: int, tokenizer_sha256: str) -> dict[str, Any]:
    """The content of model.json: what `LanguageModel.load` needs beside the weights and the tokenizer."""
    return {
        "format": MODEL_FORMAT,
        "model": asdict(settings),
        "end_of_text": end_of_text,
        "tokenizer_sha256": tokenizer_sha256,
    }
