"""Validation by source: each target is measured once and with its own source."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from corpuskit.errors import ShardError
from corpuskit.shards.reader import Shards
from corpuskit.train import ModelSettings, TrainSettings, Transformer, train_model
from corpuskit.train.data.held_out import validation_of
from corpuskit.train.data.objectives import Causal, Denoise, Masked, Objective, Spans
from corpuskit.train.model.loss import IGNORED
from corpuskit.train.model.transformer import initialise

WriteProvenance = Callable[[Path, str, Sequence[str]], None]


@pytest.fixture
def told(run: Path, tmp_path: Path, write_provenance: WriteProvenance) -> Path:
    """A run whose validation documents are of two sources in turn."""
    shutil.copytree(run, tmp_path / "run")
    write_provenance(tmp_path / "run" / "shards", "validation", ["books", "wiki"])
    return tmp_path / "run"


def owners(shards: Shards) -> np.ndarray:
    split = shards.split("validation")
    lengths = [len(split.sequence(number)) for number in range(split.sequences)]
    return np.repeat(np.arange(len(lengths)) % 2, lengths)


def test_each_target_of_a_causal_row_is_in_one_part(told: Path) -> None:
    shards = Shards(told / "shards")
    split, objective = shards.split("validation"), Causal(16, 0)
    parts = validation_of(shards, objective, 10**6).by_source
    assert list(parts) == ["books", "wiki"]
    rows = (split.tokens - 17) // 16 + 1
    expected = owners(shards)[1 : 1 + rows * 16]
    tokens = split.read(1, rows * 16)
    for number, source in enumerate(parts):
        targets = parts[source]["targets"]
        assert targets[targets != IGNORED].tolist() == tokens[expected == number].tolist()
        assert (targets != IGNORED).any(1).all()


@pytest.mark.parametrize(
    "objective",
    [
        Causal(16, 0),
        Causal(16, 0, apart=True),
        Masked(16, 0, 1, (0, 1, 2), 300, 0.3),
        Spans(16, 0, tuple(range(2, 12))),
        Denoise(16, 0, 1, (0, 1, 2)),
    ],
)
def test_the_parts_are_the_whole(told: Path, objective: Objective) -> None:
    """Targets and losses add up; which rows a source has depends on no other source."""
    shards = Shards(told / "shards")
    whole = validation_of(shards, objective, 400).batch
    parts = validation_of(shards, objective, 400).by_source
    assert set(parts) == {"books", "wiki"}
    kind = (
        "decoder"
        if isinstance(objective, Causal)
        else "encoder"
        if isinstance(objective, Masked)
        else "encoder-decoder"
    )
    model = Transformer(ModelSettings(300, 1, 32, 2, 2, 32, 16, kind, zero_init=False))
    initialise(model, 1)
    with torch.no_grad():
        losses = [model.eval().loss(**part).item() for part in parts.values()]
        assert sum(losses) == pytest.approx(model.loss(**whole).item(), rel=1e-5)
    assert all(loss > 0 for loss in losses)
    count = sum(int((part["targets"] != IGNORED).sum()) for part in parts.values())
    assert count == int((whole["targets"] != IGNORED).sum())


def test_a_run_says_how_well_each_source_is_read(
    told: Path, run: Path, small: TrainSettings, tmp_path: Path
) -> None:
    events: list[dict[str, object]] = []
    result = train_model(told, tmp_path / "m", small, listen=lambda event: events.append(dict(event)))
    plain = train_model(run, tmp_path / "plain", small)
    assert set(result.sources) == {"books", "wiki"}
    assert plain.sources == {}
    # Which sources there are changes nothing of what is learnt.
    assert result.validation_loss == pytest.approx(plain.validation_loss, rel=1e-5)
    assert result.bits_per_byte == pytest.approx(plain.bits_per_byte, rel=1e-5)
    low, high = sorted(each["loss"] or 0.0 for each in result.sources.values())
    assert low < (result.validation_loss or 0.0) < high
    assert all((each["targets"] or 0) > 50 for each in result.sources.values())
    validations = [event for event in events if event["event"] == "validation"]
    assert all(set(event["sources"]) == {"books", "wiki"} for event in validations)  # type: ignore[call-overload]
    noted = json.loads((tmp_path / "m" / "model.json").read_text())["training"]["sources"]
    assert noted == result.sources


def test_where_sources_are_not_told_apart_there_is_nothing(
    told: Path, run: Path, write_provenance: WriteProvenance
) -> None:
    objective = Causal(16, 0)
    assert validation_of(Shards(run / "shards"), objective, 400).by_source == {}
    write_provenance(told / "shards", "validation", ["books"])
    assert validation_of(Shards(told / "shards"), objective, 400).by_source == {}


def test_damaged_provenance_is_named(told: Path) -> None:
    (path,) = (told / "shards").glob("validation*.provenance.parquet")
    whole = path.read_bytes()
    pq.write_table(pq.read_table(path).slice(1), path)
    table = pq.read_table(path)
    pq.write_table(table.slice(0, table.num_rows - 1), path)
    with pytest.raises(ShardError, match=r"provenance\.parquet does not cover the \d+ tokens"):
        validation_of(Shards(told / "shards"), Causal(16, 0), 400)
    path.write_bytes(whole[:-20])
    with pytest.raises(ShardError, match=r"cannot read the provenance .*validation"):
        validation_of(Shards(told / "shards"), Causal(16, 0), 400)
