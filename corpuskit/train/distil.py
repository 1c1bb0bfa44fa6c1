"""Distillation: `distil_model(teacher, run, out)`, and `store_teacher` to write down what a teacher says."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from corpuskit.errors import SettingError, TrainError, checks_arguments
from corpuskit.shards.reader import Shards
from corpuskit.storage.files import sha256_json
from corpuskit.storage.places import local_path
from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train import run as runs
from corpuskit.train.corpus import Corpus, positions_read
from corpuskit.train.data.store_teacher import reading, store_answers
from corpuskit.train.data.teacher import MANIFEST, StoreSettings, TeacherStore
from corpuskit.train.device import choose_device
from corpuskit.train.generate.generate import LanguageModel
from corpuskit.train.job import Setup
from corpuskit.train.model.distances import begun_from, check_layer_map, layer_map
from corpuskit.train.model.lora import base_fingerprint
from corpuskit.train.model.transformer import ModelSettings
from corpuskit.train.parallel.processes import Grid
from corpuskit.train.result import TrainResult
from corpuskit.train.resume import refuse_own_beginning
from corpuskit.train.settings.distil import DistilSettings
from corpuskit.train.settings.resolve import check_pair, said_objective, shape_settings
from corpuskit.train.settings.settings import TrainSettings
from corpuskit.train.tasks.distil import Distilled
from corpuskit.train.tasks.pretrain import Pretraining, pretraining
from corpuskit.train.watch.events import Listener


class Distilling(Corpus):
    """A teacher, or its stored answers, and a run that a student learns from; a `Job`."""

    command = "distill"
    kind = DistilSettings

    def __init__(self, teacher: Path, run: Path) -> None:
        """Raises TrainError for a teacher of another tokenizer, ShardError for shards that are not whole."""
        super().__init__(run)
        self.folder = teacher
        self.stored: TeacherStore | None = None
        self.teacher: LanguageModel | None = None
        if (teacher / MANIFEST).exists():
            self.stored = TeacherStore(teacher)
            self.stored.check(self.shards)
            self.answered = self.stored.teacher
        else:
            self.teacher = LanguageModel.load(teacher)
            require_tokenizer(self.teacher, teacher, self.tokenizer, self.shards)
            self.answered = base_fingerprint(self.teacher.model)

    @property
    def fingerprint(self) -> str:
        """Of the shards and of who answers."""
        return sha256_json([self.shards.fingerprint, self.answered])

    def refuse(self, out: Path, settings: TrainSettings) -> None:
        """Raises where the student would be written over its teacher, or cannot learn from it."""
        assert isinstance(settings, DistilSettings)
        super().refuse(out, settings)
        refuse_own_beginning(out, str(self.folder))
        if self.stored is None:
            return
        if settings.states != "none":
            raise SettingError(
                f"states = {settings.states!r}: {self.folder} holds answers, not hidden states",
                remedy="Give the teacher itself, or leave states out.",
            )
        if settings.objective != "causal":
            raise SettingError(
                f"objective = {settings.objective!r}: answers are stored of causal teachers",
                remedy="Give the teacher itself.",
            )
        self.stored.split("train").rows([0], 1, settings.temperature)  # Says which are stored.

    def verify(self) -> None:
        """Raises ShardError for a damaged shard or file of stored answers."""
        super().verify()
        if self.stored is not None:
            self.stored.verify()

    def task(self, settings: TrainSettings) -> Pretraining:
        """What is learnt with these settings."""
        assert isinstance(settings, DistilSettings)
        plain = pretraining(settings, self.shards, self.tokenizer)
        if self.teacher is not None:
            self._require_likeness(settings, plain.shape, self.teacher)
        answers = None if self.stored is None else self.stored.split("train")
        network = None if self.teacher is None else self.teacher.model.requires_grad_(False)
        facts = {"teacher": self.folder.name, "fingerprint": self.answered, "stored": self.stored is not None}
        return Distilled.of(plain, settings, network, answers, facts)

    def _require_likeness(
        self, settings: DistilSettings, student: ModelSettings, teacher: LanguageModel
    ) -> None:
        """Raise SettingError for a student whose rows its teacher cannot read, or states do not compare."""
        theirs, learnt = teacher.model.settings, said_objective(teacher.document)
        if student.kind != theirs.kind:
            raise SettingError(
                f"objective = {settings.objective!r} trains a student of kind {student.kind!r} here: "
                f"{self.folder} is of kind {theirs.kind!r}",
                remedy="Leave objective and kind out, or take another teacher.",
            )
        if learnt is not None and settings.objective != learnt:
            raise SettingError(
                f"objective = {settings.objective!r}: {self.folder} learnt by objective = {learnt!r}",
                remedy="Leave objective out, or take another teacher.",
            )
        if student.context > theirs.context:
            raise SettingError(
                f"context = {student.context}: {self.folder} reads {theirs.context} tokens",
                remedy=f"Give {theirs.context} or less.",
            )
        if settings.states != "none":
            layers = layer_map(student.layers, theirs.layers)
            check_layer_map(layers, (student.layers, student.width), (theirs.layers, theirs.width))

    def settle(self, settings: TrainSettings, grid: Grid) -> Setup:
        """A new run; the student has the teacher's shape but for what was given, and half of its layers."""
        assert isinstance(settings, DistilSettings)
        weights: dict[str, Tensor] | None = None
        notes: tuple[str, ...] = ()
        if self.teacher is not None and settings.init_from is None:
            theirs = self.teacher.model.settings
            settings = self.kind.checked(self._shaped(settings, theirs))
            if settings.begin == "layers" and _alike(settings, shape_settings(theirs)):
                assert settings.layers is not None
                layers = layer_map(settings.layers, theirs.layers)
                weights = positions_read(
                    begun_from(self.teacher.model.state_dict(), layers), settings.context
                )
                weights.pop("classifier.weight", None)
                notes = (
                    f"the student's layers begin as the teacher's {', '.join(map(str, layers.values()))}",
                )
        setup = super().settle(settings, grid)
        title = f"student of {self.folder.name}"
        return setup._replace(title=title, weights=weights or setup.weights, notes=(*notes, *setup.notes))

    def _shaped(self, settings: DistilSettings, theirs: ModelSettings) -> dict[str, Any]:
        """The student's settings: what was given, and of all else the teacher's."""
        given = {name: value for name, value in settings.given().items() if value is not None}
        shape = shape_settings(theirs)
        # A short corpus shortens the context, so that it has at least 8 rows.
        shape["context"] = max(1, min(theirs.context, (self.shards.split("train").tokens - 1) // 8))
        assert self.teacher is not None
        shape["objective"] = self.teacher.objective
        check_pair(given.get("objective", shape["objective"]), theirs.kind, str(self.folder))
        if "size" in given:  # Which says how large it is by itself.
            return {**{name: shape[name] for name in ("objective", "kind", "context")}, **given}
        if given.get("width", theirs.width) != theirs.width:
            shape = {name: value for name, value in shape.items() if name not in ("hidden", "head_dim")}
        return {**shape, "layers": max(1, theirs.layers // 2), **given}

    def again(self, settings: TrainSettings, steps: int) -> Setup:
        """A run that goes on."""
        return Setup(self.task(settings), steps, f"student of {self.folder.name}")


def _alike(student: TrainSettings, shape: dict[str, Any]) -> bool:
    """Whether a student has a shape but for its number of layers."""
    return all(
        getattr(student, name) == value for name, value in shape.items() if name not in ("layers", "context")
    )


def require_tokenizer(teacher: LanguageModel, folder: Path, own: Tokenizer, shards: Shards) -> None:
    """Raise TrainError unless a teacher reads the tokens of the shards."""
    size = teacher.model.settings.vocab_size
    if (teacher.tokenizer.sha256, size) == (own.sha256, shards.vocab_size):
        return
    first = next(
        (
            f"; the first token that differs is {ours!r} for {theirs!r}, id {number}"
            for number in range(max(size, shards.vocab_size))
            if (ours := _token(teacher.tokenizer, number, size))
            != (theirs := _token(own, number, shards.vocab_size))
        ),
        "",
    )
    raise TrainError(
        f"{folder} and the run have other tokenizers: {size:,} tokens against {shards.vocab_size:,}{first}",
        remedy=f"Build the run with the teacher's: `tokenizer: {{file: {folder / 'tokenizer.json'}}}`.",
    )


def _token(tokenizer: Tokenizer, number: int, size: int) -> str:
    """A token as tokenizer.json spells it: bytes that are no text by themselves differ there too."""
    return (tokenizer.spelling(number) if number < size else None) or "none"


@checks_arguments
def distil_model(
    teacher: Path | str,
    run: Path | str,
    out: Path | str,
    settings: DistilSettings | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    allow_changed_data: bool = False,
    pause_at: int | None = None,
    listen: Listener | None = None,
    began: float | None = None,
) -> TrainResult:
    """Train a student on RUN/shards that also learns what a teacher says of each token.

    Args:
        teacher: folder of a model, or of answers that `store_teacher` wrote.
        run: folder of a finished build with the teacher's tokenizer.
        out, resume, overwrite, allow_changed_data, pause_at, listen, began: as of `corpuskit.train.run.run`.
        settings: see `DistilSettings`.

    Raises:
        TrainError: the teacher has another tokenizer, or is not whole; and as of `corpuskit.train.run.run`.
        ShardError: shards or stored answers do not hold together.
    """
    began = time.monotonic() if began is None else began
    return runs.run(
        Distilling(local_path(teacher), local_path(run)),
        local_path(out),
        settings,
        resume=resume,
        overwrite=overwrite,
        allow_changed_data=allow_changed_data,
        pause_at=pause_at,
        listen=listen,
        began=began,
    )


@checks_arguments
def store_teacher(
    teacher: Path | str,
    run: Path | str,
    out: Path | str,
    settings: StoreSettings | None = None,
    *,
    device: str = "auto",
    tell: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> bool:
    """Write what a teacher says of each token of RUN/shards, for students elsewhere; goes on where it was.

    Args:
        teacher: folder of a decoder with the run's tokenizer.
        out: a new folder, or one that was begun alike.
        settings: how much is stored of each position.
        tell: is called with the tokens that are done, and all.
        stop: is asked between; what is finished is kept.

    Returns:
        Whether all is stored.

    Raises:
        SettingError: the teacher is no decoder.
        TrainError: it has another tokenizer, or OUT holds other answers.
    """
    corpus, folder = Corpus(local_path(run)), local_path(teacher)
    model = LanguageModel.load(folder, choose_device(device))
    require_tokenizer(model, folder, corpus.tokenizer, corpus.shards)
    context = model.model.settings.context
    chosen = settings or StoreSettings(context=context)
    if chosen.context > context:
        raise SettingError(
            f"context = {chosen.context}: {folder} reads {context} tokens", remedy=f"Give {context} or less."
        )
    if model.model.settings.kind != "decoder":
        raise SettingError(
            f"{folder} is an {model.model.settings.kind}: answers are stored of decoders",
            remedy="Distil it online: give it as the teacher.",
        )
    read = reading(model.model, None)
    return store_answers(
        local_path(out),
        corpus.shards,
        read,
        chosen,
        base_fingerprint(model.model),
        on_progress=tell,
        stop=stop,
    )
