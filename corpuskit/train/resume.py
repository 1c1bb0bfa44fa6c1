"""Going on with a run: its state, what may change in between, and how far it came."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from corpuskit.errors import SettingError, TrainError
from corpuskit.shards.reader import Shards
from corpuskit.train.checkpoint import latest_checkpoint, read_state
from corpuskit.train.job import Job, Progress
from corpuskit.train.loop import decay_begins, fits_on_the_way
from corpuskit.train.settings.settings import (
    TrainSettings,
)

_SAME_AGAIN = ("keep", "save_every", "patience", "parallel", "tensor_parallel", "recompute")
"""Settings that may be given anew when a run is resumed: they change nothing of what it computes, but for the
order in which processes add."""


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


def _state_to_resume(
    out: Path, shards: Shards, resume: bool, overwrite: bool, allow_changed_data: bool
) -> dict[str, Any] | None:
    """The state of the checkpoint to go on from; None to begin. Raises TrainError when that must not be."""
    if not resume:
        if (out / "model.json").exists() and not overwrite:
            raise TrainError(
                f"{out} holds a model", remedy="Go on with --resume, choose another --out, or --overwrite it."
            )
        return None
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
    return state


def _check_mixture(state: dict[str, Any], job: Job, shards: Shards) -> None:
    """Raises TrainError where the tables beside the shards no longer give each source the same tokens."""
    if state.get("mixture_fingerprint", "") != job.saved_with["mixture_fingerprint"]:
        raise TrainError(
            f"the tables *.provenance.parquet in {shards.folder} are not those of the run in {job.out}",
            remedy="Bring them back, choose another --out, or accept it with --allow-changed-data.",
        )


def _settings_to_resume(state: dict[str, Any], given: TrainSettings | None) -> TrainSettings:
    """The run's settings; raises SettingError when the caller named one with another value."""
    saved = TrainSettings.checked(state["settings"])
    changed = {}
    for name, value in (given.given() if given else {}).items():
        if name in _SAME_AGAIN:
            changed[name] = value
        elif value not in (None, "auto") and value != getattr(saved, name):
            raise SettingError(
                f"{name} = {value!r} contradicts the run that is resumed, which has {getattr(saved, name)!r}",
                remedy="Leave it out, or begin anew with another --out.",
            )
    return saved.model_copy(update=changed)


def _progress(job: Job, state: dict[str, Any] | None, shards: Shards) -> Progress:
    """Where the run stands: at its beginning, or where a checkpoint left it, which is loaded into the job."""
    settings = job.settings
    if state is not None:
        folder = latest_checkpoint(job.out)
        assert folder is not None
        job.load(folder)
        progress = Progress(**{name: state[name] for name in Progress.__dataclass_fields__})
        job.earlier = progress.seconds
        if state["shards_fingerprint"] != shards.fingerprint:
            # Losses on other validation data cannot be compared: the best so far is unknown.
            progress.best_loss = progress.best_step = None
            progress.validations_since_best = 0
        return progress
    if settings.minutes is not None and fits_on_the_way(settings):
        return Progress()
    steps = int(job.saved_with["planned_steps"])
    return Progress(steps=steps, decay_start=decay_begins(steps, settings.decay_share))
