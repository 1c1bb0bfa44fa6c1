"""The job of continued pretraining: a model that is there, and texts or a run that it is to read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from corpuskit.errors import SettingError
from corpuskit.shards.reader import Shards
from corpuskit.storage.files import sha256_json
from corpuskit.train.corpus import Corpus
from corpuskit.train.generate.generate import LanguageModel
from corpuskit.train.hub.card_facts import base_facts, data_facts
from corpuskit.train.job import Setup
from corpuskit.train.model.lora import base_fingerprint
from corpuskit.train.parallel.processes import Grid
from corpuskit.train.resume import refuse_own_beginning
from corpuskit.train.settings.settings import TrainSettings
from corpuskit.train.settings.tune import ContinueSettings
from corpuskit.train.tasks.continued import Continued
from corpuskit.train.tasks.pretrain import Pretraining, pretraining
from corpuskit.train.tune.kept import DATA, given, remove_kept, unfinished
from corpuskit.train.tune.sides import share_of
from corpuskit.train.tune.texts import SHARDS, write_shards


class Continuation(Corpus):
    """A model that reads on; a `Job`. Its shards are those of a run, or made of texts when the run begins."""

    command, task_name = "finetune", "lm"
    usual_rows = 8
    kind = ContinueSettings

    def __init__(self, model: Path, data: str) -> None:
        """Raises TrainError for a folder that holds no whole model."""
        self.model, self._data = model, data
        self.begun = LanguageModel.load(model)
        self.tokenizer, self.end_of_text = self.begun.tokenizer, self.begun.end_of_text
        self.base, self._told = base_fingerprint(self.begun.model), list[str]()
        self._adapts = self._of_run = False

    @property
    def fingerprint(self) -> str:
        """Of the shards; with that of the model, where not all of it learns."""
        return sha256_json([self.shards.fingerprint, self.base]) if self._adapts else self.shards.fingerprint

    def refuse(self, out: Path, settings: TrainSettings) -> None:
        """Raises TrainError where a run would write over the model that it begins with."""
        refuse_own_beginning(out, str(self.model))
        if settings.init_from not in (None, str(self.model)):
            raise SettingError("init_from is the model that is named first", remedy="Leave it out.")

    def open(self, out: Path, settings: TrainSettings, grid: Grid, *, resumes: bool) -> None:
        """Open the shards of a run, or make shards of texts."""
        assert isinstance(settings, ContinueSettings)
        self._adapts = bool(settings.lora_rank) or settings.last_layers is not None
        of_run = Path(self._data) / "shards"
        self._of_run = (of_run / "shards.json").exists()
        if self._of_run:
            if settings.validation is not None:
                raise SettingError(
                    f"validation = {settings.validation!r}: a run has a validation split of its own",
                    remedy="Leave it out.",
                )
            self.shards = Shards(of_run)
            return
        if settings.validation != "0" and share_of(settings.validation) is not None:
            raise SettingError(
                f"validation = {settings.validation} is no file",
                remedy="Name texts to measure on, or leave it out: then ends of documents are held out.",
            )
        folder = out / DATA if resumes else unfinished(out)
        if not resumes and grid.is_first:
            remove_kept(folder)  # Of a run that was killed.
            size = self.begun.model.settings.vocab_size
            to = folder / SHARDS
            self._told = write_shards(
                self._data, settings.validation, self.tokenizer, size, self.end_of_text, to
            )
        grid.barrier()
        self.shards = Shards(folder / SHARDS)

    def begin(self, out: Path) -> None:
        """Shards that were made of texts are read where they are kept."""
        if not self._of_run:
            self.shards.moved(out / DATA / SHARDS)

    def given(self) -> Mapping[str, str | None]:
        """The texts; of a run its shards say it all."""
        return {} if self._of_run else given(self._data)

    def facts(self, settings: TrainSettings) -> dict[str, Any]:
        """The sources of the shards, and the model that is begun with."""
        return {"data": data_facts(self.shards.folder.parent), "base": base_facts(self.model)}

    def task(self, settings: TrainSettings) -> Pretraining:
        """What is learnt with these settings."""
        assert isinstance(settings, ContinueSettings)
        plain = pretraining(settings, self.shards, self.tokenizer)
        return Continued.of(plain, settings, self.base)

    def settle(self, settings: TrainSettings, grid: Grid) -> Setup:
        """A new run: it has the model's context, or that of all the texts where they are fewer tokens."""
        train = self.shards.split("train").tokens
        values = settings.given()
        context = min(self.begun.model.settings.context, train - 1)
        values |= {"init_from": str(self.model), "context": settings.context or context}
        if settings.batch_rows is None:
            rows = max(1, (train - 1) // values["context"])
            values["batch_rows"] = min(self.usual_rows, rows)
        setup = super().settle(self.kind.checked(values), grid)
        named = self.given() if grid.is_first else {}
        return setup._replace(title=self.model.name, notes=(*self._told, *setup.notes), given=named)

    def again(self, settings: TrainSettings, steps: int) -> Setup:
        """A run that goes on; what does not learn is the model's, whose fingerprint is part of the data's."""
        weights = None
        if self._adapts:
            begun = settings.model_copy(update={"init_from": str(self.model)})
            weights = self._begin_with(begun)[1]
        return Setup(self.task(settings), steps, self.model.name, weights)

    def usual_steps(self, task: Pretraining) -> int:
        """One pass over the texts, or as many as the settings say."""
        settings = task.settings
        assert isinstance(settings, ContinueSettings)
        return max(1, round((settings.epochs or 1.0) * task.rows_per_epoch / task.batch_rows))
