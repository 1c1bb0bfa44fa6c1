"""The models that benchmarks begin with are made once, and a stopped one goes on."""

from pathlib import Path

import pytest

from benchmarks import bases
from corpuskit.build.build import build_corpus
from corpuskit.storage.files import read_sealed
from corpuskit.train import TrainSettings, train_model

OWN = {
    "layers": 1,
    "width": 32,
    "heads": 2,
    "context": 32,
    "batch_rows": 2,
    "steps": 4,
    "objective": "causal",
}
SAMPLE = Path(__file__).parents[2] / "pipelines" / "sample.yaml"


def test_a_stopped_base_goes_on_and_a_finished_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, out = tmp_path / "run", tmp_path / "base"
    build_corpus(SAMPLE, run)
    same = {"size": "small", "compile": "off", "eval_every": 500}
    train_model(run, out, TrainSettings.checked({**OWN, **same}), pause_at=2)
    bases.train(run, out, OWN)
    training = read_sealed(out / "model.json")["training"]
    assert (training["reason"], training["step"]) == ("done", 4)
    monkeypatch.setattr(bases, "train_model", None)  # It is not called again.
    bases.train(run, out, OWN)
