"""Proof that a run goes on exactly: 2 n steps in one go against n steps, a stop, and n more.

Both runs have the user's own settings, data and machine, and are thrown away. Between the halves of the
second, Python's, NumPy's and torch's global generators are set to other states, which a run must not need.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from corpuskit.errors import checks_arguments
from corpuskit.storage.files import UNFINISHED, writing
from corpuskit.train.checkpoint import FOLDER, read_state
from corpuskit.train.parallel.processes import processes
from corpuskit.train.plan.plan import resolved
from corpuskit.train.settings.settings import TrainSettings
from corpuskit.train.train import train_model

_STEPS = 10


@dataclass(frozen=True)
class ResumeProof:
    """What came of it.

    Attributes:
        steps: n.
        tensors: that were compared, of the weights and of the optimizer's and the guard's state.
        step: steps done at the first comparison that found a difference; None where all is equal.
        different: names of the tensors that differ there, weights first, with their file.
        greatest: greatest difference of an element of the first of them.
    """

    steps: int
    tensors: int
    step: int | None = None
    different: tuple[str, ...] = ()
    greatest: float = 0.0

    @property
    def exact(self) -> bool:
        """Whether all bits are equal."""
        return self.step is None

    def __str__(self) -> str:
        if self.exact:
            return (
                f"{2 * self.steps} steps in one go and {self.steps} + {self.steps} with a resume between "
                f"them leave the same {self.tensors} tensors, bit for bit."
            )
        return (
            f"Resuming is not exact: after {self.step} steps, of which {self.steps} before the resume, "
            f"{len(self.different)} of {self.tensors} tensors differ. The first is {self.different[0]}, "
            f"by up to {self.greatest:.3g}."
        )


@checks_arguments
def verify_resume(run: Path | str, out: Path | str, settings: TrainSettings | None = None) -> ResumeProof:
    """Train twice beside the folder OUT, which is not touched, and compare.

    Runs are compared one step after the resume, where a tensor that was not restored stands out, and at the
    end. A run by minutes is given steps in their place: a length by the clock is never the same twice.

    Raises what `train` raises.
    """
    out, own = Path(out), settings or TrainSettings()
    steps = min(_STEPS, max(1, own.steps // 2)) if own.steps else _STEPS
    # Of both runs the steps that are compared must be saved and still be there.
    changes: dict[str, Any] = {"keep": 3, "patience": 0, "save_every": steps + 1}
    changes["eval_every"] = min(own.eval_every or steps, steps)
    if own.minutes is not None:
        changes |= {"minutes": None, "steps": 100 * steps}
    elif own.steps is not None:
        changes["steps"] = max(2, own.steps)
    with processes(own.tensor_parallel, own.device) as grid:
        if own.minutes is not None:  # Its size, and whether blocks are compiled, follow from its own length.
            meant = resolved(run, own)
            changes |= {"compile": meant.compile, "size": meant.size}
        chosen = TrainSettings.checked({**own.given(), **changes})
        made = ""
        with writing(out, "Nothing was begun."):
            out.parent.mkdir(parents=True, exist_ok=True)
            if grid.is_first:  # A new name: what bears one of ours may be somebody else's.
                made = tempfile.mkdtemp(prefix=f"{UNFINISHED}verify-", dir=out.parent)
        folder = out.parent / grid.texts(Path(made).name)[0]
        whole, halves = folder / "whole", folder / "halves"
        try:
            train_model(run, whole, chosen, overwrite=True, pause_at=2 * steps)
            train_model(run, halves, chosen, overwrite=True, pause_at=steps)
            # A run that took numbers from here would now take others than the run that was not stopped.
            random.seed(0)
            np.random.seed(0)
            torch.manual_seed(0)
            train_model(run, halves, resume=True, pause_at=2 * steps)
            grid.barrier()
            return _compare(whole, halves, steps)
        finally:
            grid.barrier()
            if grid.is_first:
                shutil.rmtree(folder, ignore_errors=True)


def _compare(whole: Path, halves: Path, steps: int) -> ResumeProof:
    count = 0
    for step in (steps + 1, 2 * steps):
        folders = [path / FOLDER / f"step-{step:08d}" for path in (whole, halves)]
        different: list[str] = []
        greatest, count = 0.0, 0
        for (name, one), (_, other) in zip(*map(_tensors, folders), strict=True):
            count += 1
            if not torch.equal(one, other):
                greatest = greatest if different else float((one.double() - other.double()).abs().max())
                different.append(name)
        if different:
            return ResumeProof(steps, count, step, tuple(different), greatest)
    return ResumeProof(steps, count)


def _tensors(folder: Path) -> Iterator[tuple[str, Tensor]]:
    """All tensors of a checkpoint with their names, weights first."""
    for file in sorted(read_state(folder)["sha256"]):
        with safe_open(folder / file, "pt") as opened:
            for name in sorted(opened.keys()):
                yield f"{name} of {file}", opened.get_tensor(name)
