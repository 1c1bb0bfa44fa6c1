"""Sections that train a model: from nothing, from a model that is there, from a teacher; and its export."""

from __future__ import annotations

import re
import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

from corpuskit.build.forecast.dry_run import size
from corpuskit.errors import SettingError, TrainError, counted, nearest
from corpuskit.storage.files import UNFINISHED, read_sealed, remove_files
from corpuskit.storage.ownership import EXPORT, TEACHER, kind_of_folder
from corpuskit.workflow.digest import bytes_of, digest_of, model_digest, plain
from corpuskit.workflow.step import MEASURED, Call, Makes, Section, Step, Stopped

_LENGTHS = {"steps", "minutes", "epochs"}

_ANSWERS = re.compile(rf"(?:{UNFINISHED})?(?:teacher\.json|progress\.json|[a-z]+-\d{{5}}\.top)")
_EXPORTED = re.compile(
    r"(?:README\.md|export\.json|(?:\w+_)?config\.json|model\.(?:json|safetensors|py)|special_tokens_map\.json"
    r"|tokenizer\.json|chat_template\.jinja|curves\.svg|transformer\.py)"
)
"""Files that are removed before answers are stored, or a model is exported, once more."""


class Training(Section):
    """What has a job: it is planned, run and gone on with alike."""

    version, times_itself = 1, True

    @abstractmethod
    def kind(self, step: Step) -> Any:
        """The class of its settings."""

    @abstractmethod
    def job(self, step: Step) -> Any:
        """Its job; what it reads must be there."""

    def makes(self, step: Step) -> Makes:
        """A model."""
        return "model"

    def is_no_place(self, key: str, written: str) -> bool:
        """A recipe may be one that ships."""
        from corpuskit.train.settings.recipes import shipped

        return key == "recipe" and written in shipped()

    def settings(self, step: Step) -> Any:
        """The settings of a step: its recipe's under its own; a length that it gives stands for any other."""
        from corpuskit.train.settings.recipes import load_training_recipe

        given: dict[str, Any] = {}
        for key, value in step.values.items():
            if key not in (*self.accepts, *self.needed, *self.own):
                given[key] = tuple(value) if isinstance(value, list) else value
        for key in ("init_from", "validation", "test", "targets"):
            if step.values.get(key) is not None:
                # A share is a number, and no place; of two files, sources and targets, both are named.
                given[key] = ",".join(step.given(key)) or str(step.values[key])
        recipe = step.values.get("recipe")
        values = {}
        if recipe is not None:
            paths = step.all("recipe")
            values = load_training_recipe(paths[0] if paths else str(recipe))
        left_out = _LENGTHS if _LENGTHS & given.keys() else set()
        values = {name: value for name, value in values.items() if name not in left_out}
        return self.kind(step).checked(values | given)

    def length(self, step: Step) -> float | None:
        """That of a run by minutes."""
        minutes = None if step.values.get("store") else self.settings(step).minutes
        return None if minutes is None else minutes * 60.0

    def check(self, step: Step) -> None:
        """Raises SettingError for settings that are wrong."""
        self.refuse_unknown(step, set(self.kind(step).model_fields))
        try:
            self.settings(step)
        except SettingError as error:
            raise step.error(error.message, error.remedy) from error

    def made_from(self, step: Step) -> Any:
        """The settings, recipe included, but for where a model or file of an earlier step lies."""
        given = {k: v for k, v in self.settings(step).given().items() if k not in self.accepts}
        extra = {k: step.values[k] for k in (*self.needed, *self.own) if k in step.values}
        return {"settings": plain(given), "given": plain(extra)}

    def identity(self, step: Step) -> str | None:
        """Of the weights and the tokenizer, where the training has ended."""
        return model_digest(step.folder)

    def do(self, step: Step, call: Call) -> dict[str, Any]:
        """Train, or go on from the latest checkpoint; a model of other settings is written over."""
        from corpuskit.train.run import run

        began = time.monotonic()
        has_saved = any(step.folder.glob("checkpoints/step-*/state.json"))
        resume = call.begun and has_saved
        there = has_saved or (step.folder / "model.json").exists()
        how: dict[str, Any] = {"resume": resume, "overwrite": there and not resume}
        if there and not resume:
            _forget_figures(step.folder)

        def listen(event: Any) -> None:
            if event["event"] == "save":
                call.holds()
            if call.listen is not None:
                call.listen(event)

        result = run(self.job(step), step.folder, self.settings(step), **how, listen=listen, began=began)
        if result.can_resume:
            raise Stopped
        facts = (
            "task",
            "reason",
            "step",
            "validation_loss",
            "bits_per_byte",
            "parameters",
            "tokens",
            "epochs",
        )
        return {name: getattr(result, name) for name in facts} | {"figures": dict(result.figures)}

    def outlook(self, step: Step) -> dict[str, Any]:
        """The plan: some steps are made, and forgotten."""
        from corpuskit.train.plan.plan import plan_job

        saved = sorted(step.folder.glob("checkpoints/step-*/state.json"))
        plan = plan_job(self.job(step), self.settings(step))
        return {
            "seconds": plan.seconds,
            "bytes": plan.memory.total,
            "steps": plan.steps,
            "parameters": plan.parameters,
            "saved_steps": int(saved[-1].parent.name.split("-")[1]) if saved else 0,
            "text": f"{counted(plan.steps, 'step')}, {plan.parameters:,} parameters, "
            f"{plan.epochs:.1f} epochs, {size(plan.memory.total)} of memory",
        }


class Train(Training):
    """`corpuskit train`: `run: STEP`, and settings of training."""

    name = "train"
    accepts: ClassVar[Mapping[str, tuple[Makes, ...]]] = {
        "run": ("run",),
        "init_from": ("model",),
        "recipe": (),
    }
    needed = ("run",)

    def kind(self, step: Step) -> Any:
        """TrainSettings."""
        from corpuskit.train.settings.settings import TrainSettings

        return TrainSettings

    def job(self, step: Step) -> Any:
        """Pretraining on the run."""
        from corpuskit.train.corpus import Corpus

        return Corpus(step.one("run"))


class Finetune(Training):
    """`corpuskit finetune`: `from: STEP`, `data:`, `task:`, and settings of the task."""

    name = "finetune"
    accepts: ClassVar[Mapping[str, tuple[Makes, ...]]] = {
        "from": ("model",),
        "data": ("questions", "run"),
        "targets": (),
        "validation": (),
        "test": (),
        "recipe": (),
    }
    data_sets = ("data", "validation", "test")
    needed = ("from", "data", "task")

    def places(self, values: Mapping[str, Any]) -> Iterator[tuple[str, str | dict[str, Any]]]:
        """Held-out pairs of two files, SOURCES,TARGETS, are two places."""
        for key, written in super().places(values):
            if key in ("validation", "test") and values.get("targets") and isinstance(written, str):
                yield from ((key, each.strip()) for each in written.split(","))
            else:
                yield key, written

    def is_no_place(self, key: str, written: str) -> bool:
        """A share of the data."""
        if key in ("validation", "test"):
            return written.replace(".", "", 1).isdigit()
        return super().is_no_place(key, written)

    def check(self, step: Step) -> None:
        """Raises SettingError for an unknown task too."""
        from corpuskit.train.finetune import TASKS

        task = step.values.get("task")
        if task is not None and task not in TASKS:
            raise step.error(f"task: {task!r} is not known", nearest(str(task), TASKS))
        if task is None:
            self.refuse_unknown(step, {*step.values})
            return
        super().check(step)
        if len(step.given("data")) != 1:
            raise step.error(
                f"data: {step.values['data']!r} is not one place", "Name one step, file or data set."
            )
        if step.values.get("targets") and any(each.words for each in step.reads):
            raise step.error(
                "a data set by its words has no file of targets", "Leave `targets:` out, or name two files."
            )

    def kind(self, step: Step) -> Any:
        """That of the task."""
        from corpuskit.train.finetune import PURPOSES
        from corpuskit.train.settings.tune import ContinueSettings

        task = step.values["task"]
        return ContinueSettings if task == "lm" else PURPOSES[task].settings

    def job(self, step: Step) -> Any:
        """Fine-tuning on the data."""
        from corpuskit.train.finetune import finetuning

        return finetuning(step.one("from"), self.data(step), step.values["task"])

    def data(self, step: Step) -> str:
        """What `finetune` would be called with: of questions those that are to be taught."""
        from corpuskit.workflow.questions import TRAIN

        read = next(each for each in step.reads if each.key == "data")
        plain_place = read.path if read.words is None else None
        taught = plain_place is not None and (plain_place / TRAIN).is_file()
        return str(plain_place / TRAIN) if plain_place is not None and taught else read.given


class Distill(Training):
    """`corpuskit distill`: `teacher: STEP`, `run: STEP`; with `store: true` the teacher's answers alone."""

    name = "distill"
    accepts: ClassVar[Mapping[str, tuple[Makes, ...]]] = {
        "teacher": ("model", "answers"),
        "run": ("run",),
        "init_from": ("model",),
        "recipe": (),
    }
    needed = ("teacher", "run")
    own = ("store", "top")

    def makes(self, step: Step) -> Makes:
        """A student, or a teacher's answers."""
        return "answers" if step.values.get("store") else "model"

    def kind(self, step: Step) -> Any:
        """DistilSettings."""
        from corpuskit.train.settings.distil import DistilSettings

        return DistilSettings

    def check(self, step: Step) -> None:
        """Raises SettingError for settings of a student where none is trained, too."""
        if not step.values.get("store"):
            if "top" in step.values:
                raise step.error("top: is of stored answers", "Add `store: true`, or leave it out.")
            super().check(step)
            return
        known = {"teacher", "run", "store", "top", "temperature", "device"}
        for key in step.values:
            if key not in known:
                raise step.error(f"{key!r} is no setting of stored answers", nearest(key, known))
        top = step.values.get("top", 16)
        if not isinstance(top, int) or top < 1:
            raise step.error(f"top: {top!r} is no number of tokens", "Give 1 or more.")

    def made_from(self, step: Step) -> Any:
        """Of answers, what is stored of each."""
        if not step.values.get("store"):
            return super().made_from(step)
        return {"store": True, "top": step.values.get("top", 16), "temperature": self._temperature(step)}

    def identity(self, step: Step) -> str | None:
        """Of the student, or of the manifest of the answers."""
        if not step.values.get("store"):
            return super().identity(step)
        from corpuskit.train.data.teacher import TeacherStore

        try:
            TeacherStore(step.folder).verify()
        except (TrainError, OSError):
            return None
        return digest_of(step.folder, _no_memory(step))

    def _temperature(self, step: Step) -> float:
        return float(step.values.get("temperature", 1.0))

    def job(self, step: Step) -> Any:
        """Distillation."""
        from corpuskit.train.distil import Distilling

        return Distilling(step.one("teacher"), step.one("run"))

    def do(self, step: Step, call: Call) -> dict[str, Any]:
        """Train the student, or store the answers."""
        if not step.values.get("store"):
            return super().do(step, call)
        from corpuskit.train.data.teacher import StoreSettings
        from corpuskit.train.distil import store_teacher
        from corpuskit.train.generate.generate import LanguageModel

        if not call.begun and kind_of_folder(step.folder) is TEACHER:
            remove_files(step.folder, _ANSWERS)
        call.holds()
        context = LanguageModel.load(step.one("teacher")).model.settings.context
        temperatures = tuple(sorted({1.0, self._temperature(step)}))
        settings = StoreSettings(k=step.values.get("top", 16), context=context, temperatures=temperatures)
        device = str(step.values.get("device", "auto"))
        store_teacher(step.one("teacher"), step.one("run"), step.folder, settings, device=device)
        return {**asdict(settings), "bytes": bytes_of(step.folder)}

    def outlook(self, step: Step) -> dict[str, Any]:
        """Of answers nothing is known before."""
        return {} if step.values.get("store") else super().outlook(step)


class Export(Section):
    """`corpuskit export`: `from: STEP`, and `to: hf` or `to: torch`."""

    name = "export"
    accepts: ClassVar[Mapping[str, tuple[Makes, ...]]] = {"from": ("model",)}
    needed = ("from",)
    own = ("to",)

    def makes(self, step: Step) -> Makes:
        """An exported model."""
        return "export"

    def check(self, step: Step) -> None:
        """Raises SettingError for a form that is none of a folder."""
        self.refuse_unknown(step)
        if step.values.get("to", "hf") not in ("hf", "torch"):
            raise step.error(f"to: {step.values['to']!r} is not known here", "Write to: hf, or to: torch.")

    def made_from(self, step: Step) -> Any:
        """The form."""
        return {"to": step.values.get("to", "hf")}

    def identity(self, step: Step) -> str | None:
        """Of its mark."""
        path = step.folder / EXPORT.mark
        return digest_of(step.folder, _no_memory(step)) if path.is_file() else None

    def do(self, step: Step, call: Call) -> dict[str, Any]:
        """Export; what an earlier call exported there goes first."""
        from corpuskit.train.hub.export import export_model

        if kind_of_folder(step.folder) is EXPORT:
            remove_files(step.folder, _EXPORTED)
        result = export_model(step.one("from"), step.folder, step.values.get("to", "hf"))
        return {"architecture": result.architecture, "checked": result.check.done}


def _forget_figures(model: Path) -> None:
    """Remove what workflows have measured of a model that is written over; what its user measured stays."""
    for path in sorted((model / "evaluations").glob("*.json")):
        try:
            command = str(read_sealed(path).get("command", ""))
        except (OSError, ValueError):
            continue
        if command.startswith(MEASURED):
            path.unlink()


def _no_memory(step: Step) -> Any:
    from corpuskit.storage.digests import Digests

    return Digests(Path(step.folder.parent) / "logs" / "digests.json")
