"""The job of pretraining: a build's shards and their tokenizer, and what follows from them for a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from corpuskit.errors import TrainError
from corpuskit.shards.packing import Method
from corpuskit.shards.reader import Shards
from corpuskit.storage.files import read_sealed
from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train.device import bf16_pays
from corpuskit.train.generate.generate import LanguageModel
from corpuskit.train.hub.card_facts import base_facts, data_facts, read_facts
from corpuskit.train.job import Setup, kept_of
from corpuskit.train.model.cost import flops_per_token, parameter_count
from corpuskit.train.model.transformer import Kind
from corpuskit.train.parallel.processes import Grid
from corpuskit.train.resume import refuse_own_beginning
from corpuskit.train.settings.resolve import (
    EPOCHS,
    PRESETS,
    check_pair,
    choose_size,
    kind_of,
    regularise,
    resolve,
    shaped_as,
)
from corpuskit.train.settings.settings import TrainSettings
from corpuskit.train.setup import planned_steps, probe, with_compile
from corpuskit.train.tasks.pretrain import Pretraining, pretraining

# Of a run whose length nobody says: ten passes are a few steps of a page and millions of a Wikipedia.
_LEAST_STEPS, _MOST_STEPS = 200, 20_000


class Corpus:
    """What pretraining sees of a build: its shards and their tokenizer; a `Job`."""

    command, kind = "train", TrainSettings
    task_name = ""

    def __init__(self, run: Path) -> None:
        """Those of a run folder; raises ShardError or TrainError where they do not hold together."""
        self.shards, file = Shards(run / "shards"), run / "tokenizer" / "tokenizer.json"
        self.end_of_text = self.shards.end_of_text
        self.tokenizer = Tokenizer.load_expected(file, self.shards.tokenizer_sha256, self.end_of_text)

    @property
    def data(self) -> str:
        """The folder of the shards."""
        return str(self.shards.folder)

    @property
    def fingerprint(self) -> str:
        """Of the shards."""
        return self.shards.fingerprint

    def refuse(self, out: Path, settings: TrainSettings) -> None:
        """Raises TrainError where a run would begin with the model that it writes over.

        Raises SettingError for an objective by which a model of its kind does not learn.
        """
        refuse_own_beginning(out, settings.init_from)
        if settings.init_from is None:
            check_pair(settings.objective, kind_of(settings))
        elif "objective" in settings.given() and (kind := _kind_said(Path(settings.init_from))):
            check_pair(settings.objective, kind, settings.init_from)

    def open(self, out: Path, settings: TrainSettings, grid: Grid, *, resumes: bool) -> None:
        """The shards are read where they are."""

    def facts(self, settings: TrainSettings) -> dict[str, Any]:
        """The sources of the shards, and the model that `init_from` names."""
        begun = {} if settings.init_from is None else {"base": base_facts(settings.init_from)}
        return {"data": data_facts(self.shards.folder.parent), **begun}

    def verify(self) -> None:
        """Raises ShardError for a damaged shard."""
        self.shards.verify()

    def given(self) -> Mapping[str, str | None]:
        """Nothing beside the shards."""
        return {}

    def begin(self, out: Path) -> None:
        """The shards stay where they are."""

    def task(self, settings: TrainSettings) -> Pretraining:
        """What is learnt with these settings."""
        return pretraining(settings, self.shards, self.tokenizer)

    def settle(self, settings: TrainSettings, grid: Grid) -> Setup:
        """A new run: all that was left open is chosen."""
        settings, weights, notes = self._begin_with(settings)
        settings = settings.model_copy(update={"packing": self._packing(settings)})
        tokens = self.shards.split("train").tokens
        if settings.minutes is not None and settings.init_from is None and not settings.is_shaped:
            settings = self._sized(settings, grid)
        chosen = resolve(settings, tokens, grid.device.type, bf16_pays(grid.device))
        task = self.task(chosen)
        steps = planned_steps(self._as_measured(task), self.usual_steps(task), grid)
        chosen = regularise(chosen, task.epochs(steps))
        task = self.task(with_compile(chosen, task, steps, grid))
        kept = {} if chosen.init_from is None else kept_of(read_facts(chosen.init_from).document)
        return Setup(task, steps, str(chosen.size), weights, notes, self.facts(chosen), kept)

    def usual_steps(self, task: Pretraining) -> int:
        """Steps of a run whose length nobody says: it reads the corpus 10 times, in 200 to 20,000 steps."""
        return min(max(EPOCHS * task.rows_per_epoch // task.batch_rows, _LEAST_STEPS), _MOST_STEPS)

    def again(self, settings: TrainSettings, steps: int) -> Setup:
        """A run that goes on: all weights are those of its checkpoint."""
        return Setup(self.task(settings), steps, str(settings.size))

    def _packing(self, settings: TrainSettings) -> Method:
        """How rows are made of documents: as settings say, or the recipe of the shards where that can be."""
        continues = settings.objective == "causal" and kind_of(settings) == "encoder-decoder"
        return settings.packing or ("concatenate" if continues else self.shards.packed_by) or "concatenate"

    def _begin_with(
        self, settings: TrainSettings
    ) -> tuple[TrainSettings, dict[str, Tensor] | None, tuple[str, ...]]:
        """Settings with the shape of the model that `init_from` names, its weights, and what became of them.

        There are no weights where it names none. Raises TrainError when the model is not whole or of another
        tokenizer, SettingError when settings contradict it.
        """
        if settings.init_from is None:
            return settings, None, ()
        folder, shards = Path(settings.init_from), self.shards
        begun, file = LanguageModel.load(folder), folder / "tokenizer.json"
        vocab_size = begun.model.settings.vocab_size
        if (begun.tokenizer.sha256, vocab_size) != (shards.tokenizer_sha256, shards.vocab_size):
            raise TrainError(
                f"{folder} has another tokenizer than the shards: {vocab_size:,} tokens, "
                f"sha256 {begun.tokenizer.sha256[:12]}; theirs {shards.vocab_size:,}, "
                f"{shards.tokenizer_sha256[:12]}",
                remedy=f"Build the shards with it: `tokenizer: {{file: {file}}}` in the recipe.",
            )
        tokens = shards.split("train").tokens
        chosen = shaped_as(settings, begun.model.settings, tokens, begun.objective)
        weights, notes = positions_read(begun.model.state_dict(), chosen.context), []
        if weights.pop("classifier.weight", None) is not None:  # What is trained here has no classes.
            notes.append(f"The classes of {folder} are left out: only its language model is trained on.")
        if chosen.tie_embeddings and weights.pop("head.weight", None) is not None:
            notes.append(
                f"The head of {folder} is left out: tie_embeddings = True takes its embedding for one."
            )
        elif not chosen.tie_embeddings and "head.weight" not in weights:
            weights["head.weight"] = weights["embedding.weight"].clone()
            notes.append(f"{folder} has no head of its own: it begins as a copy of its embedding.")
        return chosen, weights, tuple(notes)

    def _sized(self, settings: TrainSettings, grid: Grid) -> TrainSettings:
        """Settings with the largest size that reads a token of the corpus for each of its parameters in time.

        A larger one makes too few steps to say anything, where a smaller one can. How many operations a
        second this machine does is told by the smallest; on a CPU the others do about as many. On a GPU,
        where they do far more, the corpus alone decides.
        """
        tokens = self.shards.split("train").tokens
        sizes = list(PRESETS)[: list(PRESETS).index(choose_size(tokens, grid.device.type)) + 1]
        if grid.device.type != "cpu":
            return settings
        assert settings.minutes is not None
        speed = 0.0
        fitting = sizes[0]
        for size in sizes if len(sizes) > 1 else ():
            # Named like any other: what is derived from a size asks which settings were given.
            sized = settings.checked({**settings.given(), "size": size})
            task = self.task(resolve(sized, tokens, grid.device.type, bf16_pays(grid.device)))
            flops = flops_per_token(task.shape, task)
            if not speed:
                speed = flops * task.tokens_per_step / probe(self._as_measured(task), grid)[0]
            elif speed * settings.minutes * 60 / flops >= parameter_count(task.shape):
                fitting = size
        return settings.checked({**settings.given(), "size": fitting})

    def _as_measured(self, task: Pretraining) -> Pretraining:
        """The same with the dropout that a run of many passes has: how long a step takes depends on it."""
        return self.task(regularise(task.settings, EPOCHS))


def _kind_said(folder: Path) -> Kind | None:
    """The kind that a folder's model.json names; None where it cannot be read, which loading it will say."""
    try:
        kind: Kind = read_sealed(folder / "model.json")["model"].get("kind", "decoder")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return kind


def positions_read(weights: Mapping[str, Tensor], context: int | None) -> dict[str, Tensor]:
    """Weights, by name, whose learned positions are those of a context that is no longer than theirs."""
    return {
        name: each[:context] if name.endswith("positions.weight") else each for name, each in weights.items()
    }
