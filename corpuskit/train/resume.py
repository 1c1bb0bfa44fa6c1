"""Going on with a run: from which checkpoint, with which settings changed, and where the run stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from corpuskit.errors import SettingError, TrainError
from corpuskit.shards.reader import Shards
from corpuskit.train.checkpoint import latest_checkpoint, read_state
from corpuskit.train.settings.settings import TrainSettings
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
    "shards_fingerprint": str,
}
"""What a checkpoint to go on from must hold."""


class Checkpoint(NamedTuple):
    """What a run goes on from: a folder, and what its state.json says."""

    folder: Path
    state: dict[str, Any]

    def settings(self, given: TrainSettings | None) -> TrainSettings:
        """The run's settings; raises SettingError when the caller named one with another value."""
        saved = TrainSettings.checked(self.state["settings"])
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

    def load(self, trainer: Trainer, shards: Shards, allow_changed_data: bool) -> Progress:
        """Bring a trainer to where the run was left.

        Raises TrainError where the checkpoint is damaged, or where the tables beside the shards no longer
        give each source the same tokens.
        """
        # What was written before there were mixtures names none.
        mixture, out = trainer.identity["mixture_fingerprint"], trainer.out
        if self.state.get("mixture_fingerprint", "") != mixture and not allow_changed_data:
            raise TrainError(
                f"the tables *.provenance.parquet in {shards.folder} are not those of the run in {out}",
                remedy="Bring them back, choose another --out, or accept it with --allow-changed-data.",
            )
        trainer.learner.load(self.folder)
        progress = Progress(**{name: self.state[name] for name in Progress.__dataclass_fields__})
        trainer.started -= progress.seconds
        if self.state["shards_fingerprint"] != shards.fingerprint:
            # Losses on other validation data cannot be compared: the best so far is unknown.
            progress.best_loss = progress.best_step = None
            progress.validations_since_best = 0
        return progress


def refuse_model(out: Path) -> None:
    """Raises TrainError where OUT holds a model already."""
    if (out / "model.json").exists():
        raise TrainError(
            f"{out} holds a model", remedy="Go on with --resume, choose another --out, or --overwrite it."
        )


def checkpoint_of(out: Path, shards: Shards, allow_changed_data: bool) -> Checkpoint:
    """The latest checkpoint in OUT; raises TrainError where there is none, or it is of other shards."""
    folder = latest_checkpoint(out)
    if folder is None:
        begun = (out / "model.json").exists()
        raise TrainError(
            f"{out} holds no checkpoint: there is nothing to resume",
            remedy=f"Begin {'anew with --overwrite in place of' if begun else 'without'} --resume.",
        )
    state = read_state(folder, _STATE)
    if state["shards_fingerprint"] != shards.fingerprint and not allow_changed_data:
        raise TrainError(
            f"{shards.folder} is not what {out} was trained on: fingerprint {shards.fingerprint[:12]}, "
            f"recorded {state['shards_fingerprint'][:12]}",
            remedy="Bring the shards back, choose another --out, or accept it with --allow-changed-data.",
        )
    return Checkpoint(folder, state)
