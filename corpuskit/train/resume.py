"""Going on with a run: from which checkpoint, with which settings changed, and where the run stands."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Generic, NamedTuple, get_args

from corpuskit.errors import SettingError, TrainError
from corpuskit.storage.files import read_sealed
from corpuskit.train.checkpoint import FOLDER, check_checkpoint, check_state, latest_checkpoint, remove_later
from corpuskit.train.generate.generate import WEIGHTS, check_file
from corpuskit.train.job import Job, Settings
from corpuskit.train.settings.settings import ObjectiveName, RunSettings
from corpuskit.train.trainer import Progress, Trainer

_SAME_AGAIN = ("keep", "save_every", "patience", "device", "parallel", "tensor_parallel", "recompute")
"""Settings that may be given anew when a run is resumed: they change nothing of what it computes, but for the
order in which processes add and the last bits that differ between devices."""

_STATE = {
    **dict.fromkeys(Progress.__dataclass_fields__, object),
    "step": int,
    "seconds": float,
    "planned_steps": int,
    "settings": dict,
    "sha256": dict,
    "machine": dict,
    "data_fingerprint": str,
}
"""What a checkpoint to go on from must hold."""

_RENAMED = {"shards_fingerprint": "data_fingerprint", "best_loss": "best"}
"""What checkpoints of before call what these are now."""


class Checkpoint(NamedTuple, Generic[Settings]):
    """What a run goes on from: a folder, what its state.json says, and of which kind its settings are."""

    folder: Path
    state: dict[str, Any]
    kind: type[Settings]

    def settings(self, given: RunSettings | None) -> Settings:
        """The run's settings; raises SettingError when the caller named one with another value."""
        saved = self.kind.checked(self.state["settings"])
        changed = {}
        for name, value in (given.given() if given else {}).items():
            own = getattr(saved, name)
            if name in _SAME_AGAIN:
                changed[name] = value
            elif value not in (None, "auto") and value != own:  # What was left open was chosen then.
                remedy = "Leave it out, or begin anew with another --out."
                if name in ("steps", "minutes"):
                    remedy = (
                        "The rates of a run are made for its length. To train its model on, give another "
                        f"--out and --set init_from={self.folder.parent.parent}."
                    )
                raise SettingError(
                    f"{name} = {value!r} contradicts the run that is resumed, which has {own!r}",
                    remedy=remedy,
                )
        return saved.model_copy(update=changed)

    def check_data(self, job: Job[Settings], allow_changed_data: bool) -> None:
        """Raises TrainError for other data than the run was begun with."""
        recorded = self.state["data_fingerprint"]
        if recorded != job.fingerprint and not allow_changed_data:
            raise TrainError(
                f"{job.data} is not what {self.folder.parent.parent} was trained on: fingerprint "
                f"{job.fingerprint[:12]}, recorded {recorded[:12]}",
                remedy="Bring the data back, choose another --out, or accept it with --allow-changed-data.",
            )

    def check_given(self, job: Job[Settings], allow_changed_data: bool) -> None:
        """Raises TrainError where other data are named than the run was begun with.

        It goes on with what it made of them then, so that data that are gone are known by their name alone.
        """
        recorded, found = self.state.get("given") or {}, job.given()
        if not recorded or not found or allow_changed_data:  # Earlier versions noted nothing.
            return
        if found["sha256"] is None or recorded["sha256"] is None:
            same = found["name"] == recorded["name"]
        else:
            same = found["sha256"] == recorded["sha256"]
        if not same:
            raise TrainError(
                f"{self.folder.parent.parent} was begun with {_named(recorded)}, not with {_named(found)}",
                remedy="Name the data that it was begun with, choose another --out, or go on with what was "
                "made of those then: --allow-changed-data.",
            )

    def load(self, trainer: Trainer, allow_changed_data: bool) -> Progress:
        """Bring a trainer to where the run was left.

        Raises TrainError where the checkpoint is damaged, or where the tables beside the shards no longer
        give each source the same tokens.
        """
        # What was written before there were mixtures names none.
        mixture, out = trainer.identity["mixture_fingerprint"], trainer.out
        if self.state.get("mixture_fingerprint", "") != mixture and not allow_changed_data:
            raise TrainError(
                f"the tables *.provenance.parquet beside the shards are not those of the run in {out}",
                remedy="Bring them back, choose another --out, or accept it with --allow-changed-data.",
            )
        trainer.learner.load(self.folder)
        progress = Progress(**{name: self.state[name] for name in Progress.__dataclass_fields__})
        trainer.started -= progress.seconds
        if self.state["data_fingerprint"] != trainer.identity["data_fingerprint"]:
            # Figures of other validation data cannot be compared: the best so far is unknown.
            progress.best = progress.best_step = None
            progress.validations_since_best = 0
        if self.state["passed_over"] and trainer.grid.is_first:
            remove_later(self.folder)
        return progress


def _named(given: Mapping[str, str | None]) -> str:
    """Data in a message."""
    digest = given["sha256"]
    return f"{given['name']} (sha256 {digest[:12]})" if digest else f"{given['name']} (which is not there)"


def refuse_model(out: Path) -> None:
    """Raises TrainError where OUT holds a model already."""
    if (out / "model.json").exists():
        raise TrainError(
            f"{out} holds a model", remedy="Go on with --resume, choose another --out, or --overwrite it."
        )


def refuse_own_beginning(out: Path, init_from: str | None) -> None:
    """Raises TrainError where a run would begin with the model that it writes over."""
    if init_from is not None and Path(init_from).resolve() == out.resolve():
        raise TrainError(
            f"init_from = {init_from} is --out itself", remedy="Choose another --out, or go on with --resume."
        )


def _newest_whole(out: Path) -> tuple[Path, dict[str, Any]] | None:
    """The checkpoint that `latest` names or, where that is damaged, the newest before it that is not.

    A run is a function of the step: what is done again comes out as it was. The state tells under
    "passed_over" what was found damaged. None where there is no checkpoint; raises TrainError where none is
    whole.
    """
    damaged: list[TrainError] = []
    folders = sorted((out / FOLDER).glob("step-*"), reverse=True)
    try:
        latest = latest_checkpoint(out)
        if latest is None:
            return None
        # What is later was left by a run that went back to this one.
        folders = [folder for folder in folders if folder.name <= latest.name]
    except TrainError as error:
        damaged.append(error)
    for folder in folders:
        try:
            state = {_RENAMED.get(name, name): value for name, value in check_checkpoint(folder).items()}
            check_state(folder, state, _STATE)
            return folder, {**state, "passed_over": damaged}
        except TrainError as error:
            damaged.append(error)
    raise TrainError(
        damaged[0].message,
        remedy="No other checkpoint is whole: bring one back from a copy, or begin anew with --overwrite.",
    )


def _check_kept(out: Path, state: dict[str, Any]) -> None:
    """Raise TrainError where the best weights so far are gone: no checkpoint holds them."""
    try:
        document = read_sealed(out / "model.json")
    except (OSError, ValueError):  # The run writes it anew.
        document = {}
    check_file(out, WEIGHTS, document)
    if state["best_step"] is not None and not (out / WEIGHTS).is_file():
        raise TrainError(
            f"{out / WEIGHTS} is missing: the weights of step {state['best_step']}, the best so far",
            remedy="Bring the file back from a copy, or begin anew with --overwrite.",
        )


def newest_checkpoint(out: Path, job: Job[Settings]) -> Checkpoint[Settings]:
    """The latest whole checkpoint in OUT. Raises TrainError without one, or for one of another command."""
    found = _newest_whole(out)
    if found is None:
        begun = (out / "model.json").exists()
        raise TrainError(
            f"{out} holds no checkpoint: there is nothing to resume",
            remedy=f"Begin {'anew with --overwrite in place of' if begun else 'without'} --resume.",
        )
    folder, state = found
    _check_kept(out, state)
    begun_by = state.get("command", "train")
    if begun_by != job.command:
        raise TrainError(
            f"{out} was begun by `corpuskit {begun_by}`, not by `corpuskit {job.command}`",
            remedy=f"Go on with `corpuskit {begun_by} ... --resume`, or choose another --out.",
        )
    begun_for = "lm" if state.get("task") in get_args(ObjectiveName) else state.get("task")
    if job.task_name and begun_for != job.task_name:
        raise TrainError(
            f"{out} was begun for --task {begun_for}, not {job.task_name}",
            remedy=f"Go on with --task {begun_for}, or choose another --out.",
        )
    return Checkpoint(folder, state, job.kind)
