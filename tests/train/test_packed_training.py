"""Training on packed rows: nothing of padding is learnt, and a run is resumed as any other."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from corpuskit.errors import SettingError
from corpuskit.shards.format import PACKING_NAME
from corpuskit.shards.reader import Shards
from corpuskit.storage.files import json_bytes, seal
from corpuskit.train import TrainSettings, train_model
from corpuskit.train.corpus import Corpus
from corpuskit.train.data.objectives import Causal, Denoise, Masked, Spans
from corpuskit.train.model.loss import IGNORED
from corpuskit.train.settings.resolve import resolve
from corpuskit.train.tasks.pretrain import Pretraining, pretraining

ROW = np.array([[5, 6, 7, 8, 9, 10, 11, 12, 0, 0, 0, 0], [5, 6, 0, 7, 8, 9, 0, 10, 11, 12, 13, 0]])
REAL = np.array([9, 12])
KEYS = (1, 2)


def test_the_next_token_of_padding_is_not_asked_for() -> None:
    found = Causal(11, 0, apart=True).arrays(ROW, KEYS, REAL)
    assert found["targets"].tolist() == [[6, 7, 8, 9, 10, 11, 12, 0] + [IGNORED] * 3, ROW[1, 1:].tolist()]
    assert found["ids"].tolist() == ROW[:, :-1].tolist()
    plain = Causal(11, 0).arrays(ROW, KEYS)
    assert np.array_equal(plain["targets"], ROW[:, 1:])


@pytest.mark.parametrize("apart", [True, False])
def test_padding_is_not_masked_and_not_seen(apart: bool) -> None:
    objective = Masked(12, 0, 3, (0, 3), 20, rate=0.9, apart=apart)
    found = objective.arrays(ROW, KEYS, REAL)
    asked = found["positions"][0][found["targets"][0] != IGNORED]
    assert asked.size
    assert asked.max() < 8
    documents = found["documents"]
    assert not set(documents[0, :9].tolist()) & set(documents[0, 9:].tolist())
    if not apart:
        assert documents.tolist() == [[0] * 9 + [1] * 3, [0] * 12]
        assert "documents" not in objective.arrays(ROW, KEYS)


def test_no_span_is_taken_out_of_padding() -> None:
    sentinels = (20, 21, 22, 23)
    objective = Spans(12, 0, sentinels, density=0.4, length=2.0)
    rows = np.array(
        [[*range(1, 10), *[0] * (objective.row_tokens - 9)], [*range(1, objective.row_tokens), 0]]
    )
    real = np.array([9, objective.row_tokens])
    found = objective.arrays(rows, KEYS, real)
    plain = objective.arrays(rows[1:], KEYS[1:])
    for name, array in plain.items():
        assert np.array_equal(found[name][1], array[0]), "a full row is as without padding"
        assert found[name].shape[1] == array.shape[1]
    written = found["targets"][0]
    told = [token for token in written.tolist() if token != IGNORED]
    kept = [token for token in found["source"][0].tolist() if token]
    spans = [token for token in told[:-1] if token not in sentinels]
    assert sorted([token for token in kept if token not in sentinels] + spans) == list(range(1, 10))
    assert told[-1] == 0
    assert found["ids"][0].tolist()[1 : len(told)] == told[:-1]


def test_rows_too_short_for_a_span_are_read_and_not_asked_for() -> None:
    objective = Spans(12, 0, (20, 21, 22, 23), density=0.4, length=2.0)
    row = np.array([[5, 6, 0, *[0] * (objective.row_tokens - 3)]])
    found = objective.arrays(row, KEYS[:1], np.array([3]))
    assert (found["targets"] == IGNORED).all()
    assert found["source"][0, :3].tolist() == [5, 6, 0]


def test_padding_is_not_hidden_and_not_written_and_seen_by_itself_alone() -> None:
    found = Denoise(12, 0, 3, (0, 3), rate=0.5, length=2.0).arrays(ROW, KEYS, REAL)
    assert found["targets"].tolist() == [[*ROW[0, :9], *[IGNORED] * 3], ROW[1].tolist()]
    assert found["documents"].tolist() == [[0] * 9 + [12] * 3, [0] * 3 + [1] * 4 + [2] * 5]
    read = found["source"][found["source_documents"] != 12]
    assert set(read.tolist()) <= {3, *range(5, 14)}
    for row in (0, 1):  # What is asked nothing sees something, too: a softmax of nothing is no number.
        assert set(found["documents"][row]) <= set(found["source_documents"][row])
    plain = Denoise(12, 0, 3, (0, 3), rate=0.5, length=2.0).arrays(ROW[1:], KEYS[1:])
    assert all(np.array_equal(array[0], found[name][1]) for name, array in plain.items())


# --------------------------------------------------------------------------------------------- the runs
def packed(small: TrainSettings, **settings: Any) -> TrainSettings:
    return TrainSettings.checked({**small.given(), "packing": "best_fit", **settings})


def task_of(run: Path, settings: TrainSettings) -> Pretraining:
    corpus = Corpus(run)
    tokens = corpus.shards.split("train").tokens
    return pretraining(resolve(settings, tokens, "cpu", False), corpus.shards, corpus.tokenizer)


def test_rows_of_a_task_are_those_of_the_reader(run: Path, small: TrainSettings) -> None:
    settings = packed(small)
    task = task_of(run, settings)
    shards = Shards(run / "shards")
    assert settings.context is not None
    assert settings.batch_rows is not None
    epoch = shards.batches(settings.batch_rows, settings.context, settings.seed, packing="best_fit")
    for step, batch in zip(range(4), epoch, strict=False):
        tensors = task.batch(step, range(settings.batch_rows))
        assert np.array_equal(tensors["ids"].numpy(), batch.inputs)
        assert np.array_equal(tensors["targets"].numpy() != IGNORED, batch.trained)
    assert task.rows_per_epoch == shards.packing(settings.context)[0].rows
    assert "of whose places" in task.shares(1)
    assert "begin in the documents" in task.describe(0)


@pytest.mark.parametrize("objective", ["causal", "masked", "spans", "denoise"])
def test_a_packed_run_is_resumed_bit_for_bit(
    special_run: Path, tmp_path: Path, small: TrainSettings, objective: str
) -> None:
    settings = packed(small, objective=objective)
    train_model(special_run, tmp_path / "whole", settings)
    train_model(special_run, tmp_path / "halves", settings, pause_at=9)
    train_model(special_run, tmp_path / "halves", resume=True)
    whole, halves = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "halves"))
    assert whole == halves


def test_a_mixture_of_packed_sources_is_trained_on(
    run: Path,
    tmp_path: Path,
    small: TrainSettings,
    write_provenance: Callable[[Path, str, Sequence[str]], None],
) -> None:
    told = Path(shutil.copytree(run, tmp_path / "told"))
    write_provenance(told / "shards", "train", ("books", "wiki"))
    settings = packed(small, mixture={"books": 1, "wiki": 3})
    task = task_of(told, settings)
    split = Shards(told / "shards").split("train")
    for sample in range(40):
        source, _ = task.batches.dealt(sample)  # type: ignore[union-attr]
        (start,) = task.batches.starts([sample])
        assert split.sequence_at(start) % 2 == (source == "wiki")
    assert task.batch(0, range(2))["ids"].shape[0] == 2
    assert task.batches.real(range(4)) is not None


def test_what_the_recipe_says_is_taken_where_settings_say_nothing(
    run: Path, tmp_path: Path, small: TrainSettings
) -> None:
    told = Path(shutil.copytree(run, tmp_path / "told"))
    (told / "shards" / PACKING_NAME).write_bytes(json_bytes(seal({"format": 1, "method": "best_fit"})))
    assert Corpus(told)._packing(small) == "best_fit"
    assert Corpus(told)._packing(packed(small, packing="concatenate")) == "concatenate"
    assert Corpus(told)._packing(packed(small, packing=None, kind="encoder-decoder")) == "concatenate"
    assert Corpus(run)._packing(small) == "concatenate"
    # A run of before there was a choice goes on as it began.
    assert task_of(told, small).batches.real([0]) is None


def test_halves_of_rows_are_not_packed(run: Path, small: TrainSettings) -> None:
    with pytest.raises(SettingError, match="packing = 'best_fit': an encoder-decoder that continues texts"):
        task_of(run, packed(small, kind="encoder-decoder"))
