"""Shards as a dataset of torch: one order for any number of workers, going on anywhere."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from corpuskit.errors import SettingError
from corpuskit.shards.loader import Loader
from corpuskit.train.data.stream import BatchDataset
from corpuskit.train.model.loss import IGNORED

SETTINGS: dict[str, Any] = {"rows": 4, "context": 16, "seed": 3, "epochs": 2, "packing": "best_fit"}


def read(dataset: BatchDataset, workers: int) -> list[dict[str, Any]]:
    return list(DataLoader(dataset, batch_size=None, sampler=dataset.sampler(), num_workers=workers))


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_all_numbers_of_workers_read_one_order(run: Path, workers: int) -> None:
    dataset, expected = BatchDataset(run, **SETTINGS), Loader(run, **SETTINGS)
    found = read(dataset, workers)
    assert len(found) == len(dataset) == len(dataset.sampler()) == len(expected)
    for step, batch in enumerate(found):
        own = expected[step]
        assert batch["step"] == step
        assert np.array_equal(batch["inputs"].numpy(), own.inputs)
        assert np.array_equal(batch["bounds"].numpy(), own.bounds)
        assert np.array_equal(batch["positions"].numpy(), own.positions)
        assert np.array_equal(batch["documents"].numpy(), own.documents)
        assert torch.equal(batch["targets"] != IGNORED, torch.from_numpy(own.trained))
        assert np.array_equal(batch["targets"].numpy()[own.trained], own.targets[own.trained])


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_goes_on_where_its_state_stands(run: Path, workers: int) -> None:
    whole = read(BatchDataset(run, **SETTINGS), 0)
    again = BatchDataset(run, **SETTINGS)
    again.load_state_dict(BatchDataset(run, **SETTINGS).state_dict(whole[4]["step"] + 1))
    found = read(again, workers)
    assert [batch["step"] for batch in found] == list(range(5, len(whole)))
    for one, other in zip(found, whole[5:], strict=True):
        assert torch.equal(one["inputs"], other["inputs"])
    assert again.state_dict() == {"step": 5, "fingerprint": again.loader.fingerprint}
    with pytest.raises(SettingError, match="the state is of other batches"):
        BatchDataset(run, **{**SETTINGS, "seed": 4}).load_state_dict(again.state_dict())


def test_ranks_read_a_batch_together(run: Path) -> None:
    whole = BatchDataset(run, **SETTINGS)
    ranks = [BatchDataset(run, rank=rank, world=2, **SETTINGS) for rank in (0, 1)]
    for step in range(len(whole)):
        together = torch.cat([rank[step]["inputs"] for rank in ranks])
        assert torch.equal(together, whole[step]["inputs"])


def test_targets_in_another_document_can_be_left_out(run: Path) -> None:
    batch = BatchDataset(run, targets="within", **SETTINGS)[0]
    own = Loader(run, **SETTINGS)[0]
    assert torch.equal(batch["targets"] != IGNORED, torch.from_numpy(own.within))
    with pytest.raises(SettingError, match="targets = 'none' is unknown"):
        BatchDataset(run, targets="none", **SETTINGS)  # type: ignore[arg-type]


def test_a_worker_gets_no_open_file(run: Path) -> None:
    dataset = BatchDataset(run, **SETTINGS)
    size = len(pickle.dumps(dataset))
    dataset[0]
    assert len(pickle.dumps(dataset)) == size < 2000


def test_without_epochs_there_is_no_end(run: Path) -> None:
    dataset = BatchDataset(run, rows=4, context=16)
    with pytest.raises(TypeError, match="has no end"):
        len(dataset)
    steps = iter(dataset.sampler())
    assert [next(steps) for _ in range(3)] == [0, 1, 2]


def test_what_is_wrong_is_told_at_once(run: Path) -> None:
    with pytest.raises(SettingError, match="packing = 'best' is unknown"):
        BatchDataset(run, packing="best")
