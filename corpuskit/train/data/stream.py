"""Shards as a dataset of `torch.utils.data`, for a training loop of one's own.

    from torch.utils.data import DataLoader
    from corpuskit.train.data.stream import BatchDataset

    dataset = BatchDataset("runs/sample", rows=8, context=128, seed=1, epochs=2)
    for batch in DataLoader(dataset, batch_size=None, sampler=dataset.sampler(), num_workers=2):
        ...                                   # batch["inputs"], batch["targets"]: int64 (B, T)
        state = dataset.state_dict(batch["step"] + 1)

Item s is batch s of the run, whoever asks for it and when. So the order is the same for any number of
workers, and a run goes on at any batch: `load_state_dict` says where the sampler begins. A process of several
(`rank`, `world`) gets its own rows of each batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from corpuskit.errors import SettingError
from corpuskit.shards.batch import Batch
from corpuskit.shards.loader import Loader, step_of
from corpuskit.train.model.loss import IGNORED

Targets = Literal["all", "within"]


class TorchBatch:
    """A batch as tensors, made when they are asked for: a worker passes on the tokens alone.

    ``batch["inputs"]`` and ``dict(batch)`` work; so does a DataLoader's pin_memory, which gives a dict.

    Attributes:
        step: its number.
    """

    def __init__(self, step: int, batch: Batch, targets: Targets) -> None:
        self.step, self._batch, self._targets = step, batch, targets
        self._made: dict[str, Any] = {"step": step}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_made": {"step": self.step}}

    def keys(self) -> tuple[str, ...]:
        """The names of what it holds."""
        return ("inputs", "targets", "bounds", "positions", "documents", "step")

    def __getitem__(self, name: str) -> Any:
        """A tensor, or the step; KeyError for another name."""
        if name not in self._made:
            if name not in self.keys():
                raise KeyError(name)
            self._made[name] = torch.from_numpy(getattr(self._batch, name))
            if name == "targets":
                self._leave_out(self._made[name])
        return self._made[name]

    def pin_memory(self) -> dict[str, Any]:
        """All of it in memory that a GPU copies from without waiting."""
        tensors = {name: self[name].pin_memory() for name in self.keys() if name != "step"}
        return {**tensors, "step": self.step}

    def _leave_out(self, targets: Tensor) -> None:
        counted = self._batch.trained if self._targets == "all" else self._batch.within
        if not counted.all():
            targets.masked_fill_(~torch.from_numpy(counted), IGNORED)


class BatchDataset(Dataset[TorchBatch]):
    """Whole batches by their number; see `corpuskit.Loader` for what they hold.

    Each is a `TorchBatch`: inputs and targets, int64 (B, T); bounds, int32 (documents + 1,), the
    `cu_seqlens` of attention kernels; positions and documents, int64 (B, T); step, its number. Targets that
    are padding are IGNORED (-100) and, with targets="within", those in another document than their input.

    Attributes:
        loader: gives the batches.
        first: number of the batch that a sampler begins with.
    """

    def __init__(self, shards: Path | str, *, targets: Targets = "all", **settings: Any) -> None:
        """Open shards with the settings of `corpuskit.Loader`; raises what that does."""
        if targets not in ("all", "within"):
            raise SettingError(f"targets = {targets!r} is unknown", remedy="Give 'all' or 'within'.")
        # Workers read ahead already. Each opens the shards anew: nothing that is open is passed on.
        self._place, self._settings = str(shards), {**settings, "prefetch": 0}
        self._targets, self.first = targets, 0
        self._loader: Loader | None = Loader(self._place, **self._settings)  # What is wrong is told at once.
        self._settings.pop("verify", None)  # Once is enough: workers open them again.

    @property
    def loader(self) -> Loader:
        """Opened where it is asked for."""
        if self._loader is None:
            self._loader = Loader(self._place, **self._settings)
        return self._loader

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_loader": None}

    def __len__(self) -> int:
        """Batches of all epochs; TypeError where there is no end."""
        return len(self.loader)

    def __getitem__(self, step: int) -> TorchBatch:
        """Batch `step`. Raises IndexError behind the last."""
        return TorchBatch(step, self.loader[step], self._targets)

    def sampler(self) -> Steps:
        """The numbers of the batches from `first` on, in order, without an end where there are no epochs."""
        return Steps(self)

    def state_dict(self, step: int | None = None) -> dict[str, Any]:
        """The state of a run whose next batch is `step`, or `first`; and what fixes the batches."""
        return {"step": self.first if step is None else int(step), "fingerprint": self.loader.fingerprint}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Samplers begin where a state stands. Raises SettingError for that of other batches."""
        self.first = step_of(state, self.loader.fingerprint, self.loader.described())


class Steps(Sampler[int]):
    """Numbers of batches, in order."""

    def __init__(self, dataset: BatchDataset) -> None:
        self._dataset = dataset

    def __iter__(self) -> Iterator[int]:
        step, epochs = self._dataset.first, self._dataset.loader.epochs
        while epochs is None or step < len(self._dataset):
            yield step
            step += 1

    def __len__(self) -> int:
        return max(0, len(self._dataset) - self._dataset.first)
