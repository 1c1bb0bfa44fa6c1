"""What holds for each task: answers alone are learnt, a run goes on bit by bit, the best weights are kept."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from corpuskit.errors import SettingError, TrainError
from corpuskit.train import LanguageModel
from corpuskit.train.data.examples import Examples
from corpuskit.train.evaluate.figures import best_index
from corpuskit.train.finetune import PURPOSES
from corpuskit.train.hub.adapters import ADAPTER
from corpuskit.train.predict import Classifier, Tagger
from corpuskit.train.settings.tune import InstructSettings, PreferSettings
from tests.tiny_models import make_model
from tests.train.tune.tuning import checkpoint, lines, printed, table, talk, tune, weights

WEATHER = [f"{word} {n},{label}" for n in range(6) for word, label in (("rain", "bad"), ("sun", "good"))]
TALKS = [talk("one", "two"), talk("up", "down", "left", "right"), talk("red", "green")]
PAIRS = [
    {"prompt": "Q", "chosen": "yes", "rejected": "no"},
    {"prompt": "R", "chosen": "a", "rejected": "bc"},
]
SOURCES = [{"source": f"{word} {n}", "target": word * n} for n in (1, 2, 3) for word in ("up", "no")]


def data_of(task: str, folder: Path) -> Path:
    """Data small enough to be learnt by heart."""
    if task == "classify":
        return table(folder / "data.csv", "rain,bad", "sun,good", "more rain,bad", "no cloud,good")
    if task == "tag":
        (folder / "data.conll").write_text("Ada B-PER\nruns O\n\nin O\nParis B-LOC\n\nAda B-PER\nsits O\n")
        return folder / "data.conll"
    if task == "lm":
        (folder / "text.txt").write_text("a text of some words that is read on and on, and once more. " * 4)
        return folder / "text.txt"
    rows = {"instruct": TALKS, "prefer": PAIRS, "seq2seq": SOURCES}[task]
    return lines(folder / "data.jsonl", rows)


# ------------------------------------------------------------------------------- what is learnt: the gradient
@pytest.mark.parametrize("pack", [True, False])
def test_no_gradient_comes_from_what_is_asked(random_model: Path, tmp_path: Path, pack: bool) -> None:
    """The derivative by a position's state is zero unless its target is part of an answer."""
    data = lines(tmp_path / "data.jsonl", TALKS)
    begun = LanguageModel.load(random_model)
    settings = InstructSettings(batch_rows=3, micro_batch_rows=3, context=128, pack=pack)
    purpose = PURPOSES["instruct"]
    purpose.encode(str(data), begun, settings, tmp_path / "examples")
    task = purpose.task(settings, begun, {"train": Examples(tmp_path / "examples" / "train")}, "")
    batch = task.batch(0, range(3))
    states = begun.model.states(batch["ids"], documents=batch.get("documents")).detach().requires_grad_()

    # With its hidden states fixed it can be told what each position adds.
    begun.model.states = lambda *_, **__: states  # type: ignore[method-assign]
    task.loss(begun.model, batch).backward()
    assert states.grad is not None
    moved = states.grad.abs().sum(2) > 0
    answers = [*(b"two", b"down", b"right", b"green")]
    assert int(moved.sum()) == sum(map(len, answers)) + len(answers), "answers and the end of each"
    assert torch.equal(moved, batch["targets"] >= 0)


def test_the_embedding_of_what_is_asked_has_no_gradient_as_a_target(tmp_path: Path) -> None:
    """By the head: rows of letters of the question alone move as those of letters that are nowhere."""
    model = make_model(tmp_path)
    data = lines(tmp_path / "data.jsonl", [talk("XYZ", "ab")])
    run = tune(model, data, tmp_path / "out", "instruct", steps=1, learning_rate=1e-3, weight_decay=0.0)
    change = weights(run.out)["head.weight"] - weights(model)["head.weight"]
    asked, nowhere, answered = (change[list(each)].sum(1) for each in (b"XYZ", b"UVW", b"ab"))
    np.testing.assert_allclose(asked, nowhere, atol=1e-6)
    assert (np.sign(answered) != np.sign(nowhere[:2])).all()


def test_the_reference_of_preferences_is_no_part_of_the_gradient(random_model: Path, tmp_path: Path) -> None:
    data = lines(tmp_path / "data.jsonl", PAIRS)
    begun, settings = LanguageModel.load(random_model), PreferSettings(batch_rows=2, context=128)
    purpose = PURPOSES["prefer"]
    purpose.encode(str(data), begun, settings, tmp_path / "examples")
    task = purpose.task(settings, begun, {"train": Examples(tmp_path / "examples" / "train")}, "")
    batch = task.batch(0, range(2))
    loss = task.loss(begun.model, batch)
    loss.backward()
    gradient = begun.model.head.weight.grad
    assert gradient is not None
    letters = [each for each in range(97, 123) if chr(each) not in "yesnoabc"]
    # What neither answer has is pushed by both alike: with equal answers nothing would be left.
    assert float(gradient[list(b"yes")].abs().max()) > float(gradient[letters].abs().max())


# ---------------------------------------------------------------------------------------------- bit by bit
WAYS: Mapping[str, Mapping[str, Any]] = {
    "classify": {"dropout": 0.1, "validation": "0.5"},
    "tag": {"dropout": 0.1},
    "instruct": {"lora_rank": 2, "dropout": 0.1, "batch_rows": 2},
    "prefer": {"batch_rows": 1},
    "seq2seq": {"batch_rows": 2, "dropout": 0.1, "validation": "0.3", "label_smoothing": 0.1},
    "lm": {"batch_rows": 2, "dropout": 0.1, "context": 32},
}


def all_data(folder: Path) -> dict[str, Path]:
    """Data of all tasks, each in a folder of its own."""
    for task in WAYS:
        (folder / task).mkdir()
    return {task: data_of(task, folder / task) for task in WAYS}


@pytest.mark.parametrize("task", WAYS)
def test_a_run_that_was_stopped_goes_on_bit_by_bit(random_model: Path, tmp_path: Path, task: str) -> None:
    data = data_of(task, tmp_path)
    values = {"steps": 10, "eval_every": 3, "learning_rate": 1e-3, **WAYS[task]}
    whole = tune(random_model, data, tmp_path / "whole", task, **values)
    paused = tune(random_model, data, tmp_path / "parts", task, {"pause_at": 5}, **values)
    assert (paused.result.reason, paused.result.step) == ("paused", 5)
    rest = tune(random_model, data, tmp_path / "parts", task, {"resume": True})
    assert rest.losses == whole.losses[5:]
    assert checkpoint(rest.out, 10) == checkpoint(whole.out, 10)
    assert (rest.out / "model.safetensors").read_bytes() == (whole.out / "model.safetensors").read_bytes()
    assert rest.result.figures == whole.result.figures
    assert rest.result.best_step == whole.result.best_step
    if task == "instruct":
        assert (rest.out / ADAPTER).read_bytes() == (whole.out / ADAPTER).read_bytes()


def test_a_run_that_was_killed_goes_on_bit_by_bit(random_model: Path, tmp_path: Path) -> None:
    """Killed by force behind step 5, where step 3 was saved last."""
    given = all_data(tmp_path)
    values = {"steps": 8, "save_every": 3, "eval_every": 4, "learning_rate": 1e-3}
    jobs = [
        [str(random_model), str(data), str(tmp_path / f"killed-{task}"), task, {**values, **WAYS[task]}]
        for task, data in given.items()
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    call = [sys.executable, str(Path(__file__).with_name("killed.py")), json.dumps(jobs)]
    done = subprocess.run(call, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    assert done.stdout.split() == [str(int(signal.SIGKILL))] * len(jobs)
    for task, data in given.items():
        killed = tmp_path / f"killed-{task}"
        assert (killed / "checkpoints" / "latest").read_text() == "step-00000003"
        whole = tune(random_model, data, tmp_path / f"whole-{task}", task, **{**values, **WAYS[task]})
        rest = tune(random_model, data, killed, task, {"resume": True})
        assert rest.losses == whole.losses[3:]
        assert checkpoint(rest.out, 8) == checkpoint(whole.out, 8)
        assert rest.result.figures == whole.result.figures


def test_a_run_goes_on_with_its_own_model_and_data_alone(random_model: Path, tmp_path: Path) -> None:
    data = data_of("classify", tmp_path)
    out = tmp_path / "out"
    tune(random_model, data, out, "classify", {"pause_at": 2}, steps=4)
    other = make_model(tmp_path, "random", seed=5, layers=2, kv_heads=2)
    with pytest.raises(TrainError, match="is not what"):
        tune(other, data, out, "classify", {"resume": True})
    with pytest.raises(SettingError, match="contradicts"):
        tune(random_model, data, out, "classify", {"resume": True}, label_smoothing=0.1)
    # What was encoded when it began is what it goes on with.
    data.unlink()
    assert tune(random_model, data, out, "classify", {"resume": True}).result.reason == "done"


def test_what_was_encoded_and_is_damaged_stops_a_run(random_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    tune(random_model, data_of("classify", tmp_path), out, "classify", {"pause_at": 2}, steps=4)
    file = out / "data" / "train" / "ids.values"
    damaged = bytearray(file.read_bytes())
    damaged[5] ^= 1
    file.write_bytes(damaged)
    with pytest.raises(TrainError, match=r"ids\.values"):
        tune(random_model, tmp_path / "data.csv", out, "classify", {"resume": True})
    shutil.rmtree(out / "data")
    with pytest.raises(TrainError, match="holds no examples"):
        tune(random_model, tmp_path / "data.csv", out, "classify", {"resume": True})


@pytest.mark.parametrize("task", ["classify", "lm"])
def test_other_data_are_no_data_to_go_on_with(random_model: Path, tmp_path: Path, task: str) -> None:
    """They are told by what they hold; what was made of the first is what is learnt in any case."""
    data, out = data_of(task, tmp_path), tmp_path / "out"
    tune(random_model, data, out, task, {"pause_at": 1}, steps=4)
    moved = data.rename(tmp_path / f"other-name{data.suffix}")
    other = tmp_path / f"mine{data.suffix}"
    other.write_text(moved.read_text().replace("rain", "snow").replace("text", "book"))
    with pytest.raises(TrainError) as refused:
        tune(random_model, other, out, task, {"resume": True})
    digests = [hashlib.sha256(each.read_bytes()).hexdigest()[:12] for each in (moved, other)]
    assert refused.value.message.endswith(
        f"was begun with {data.name} (sha256 {digests[0]}), not with {other.name} (sha256 {digests[1]})"
    )
    assert "--allow-changed-data" in refused.value.remedy
    if task == "classify":
        with pytest.raises(SettingError, match="text = 'label' contradicts the run"):
            tune(random_model, moved, out, task, {"resume": True}, text="label")
    with pytest.raises(TrainError, match=r"not with gone\.csv \(which is not there\)"):
        tune(random_model, tmp_path / "gone.csv", out, task, {"resume": True})
    tune(random_model, moved, out, task, {"resume": True, "pause_at": 2})
    tune(random_model, other, out, task, {"resume": True, "pause_at": 3, "allow_changed_data": True})
    # It is still called by what it was made of.
    rest = tune(random_model, moved, out, task, {"resume": True})
    assert rest.document["training"]["given"] == {
        "name": data.name,
        "sha256": hashlib.sha256(moved.read_bytes()).hexdigest(),
    }
    whole = tune(random_model, moved, tmp_path / "whole", task, steps=4)
    assert (whole.out / "model.safetensors").read_bytes() == (rest.out / "model.safetensors").read_bytes()


def files_of(folder: Path) -> dict[str, bytes]:
    """All files below a folder, but for the lock and the log that its writer holds."""
    below = (each for each in folder.rglob("*") if each.is_file() and each.name != "lock")
    return {each.relative_to(folder).as_posix(): each.read_bytes() for each in below}


@pytest.mark.parametrize("task", ["classify", "lm"])
def test_a_run_that_fails_behind_the_encoding_leaves_the_old_model_whole(
    random_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    data, out = data_of(task, tmp_path), tmp_path / "out"
    tune(random_model, data, out, task, {"pause_at": 2}, steps=4)
    before = files_of(out)

    def fails(*_: object, **__: object) -> None:
        raise TrainError("there is no room for it", remedy="Make some.")

    with monkeypatch.context() as changed:
        changed.setattr("corpuskit.train.run.make_trainer", fails)
        for again in (data, data_of("classify", tmp_path)):
            way = "classify" if again.suffix == ".csv" else "lm"
            with pytest.raises(TrainError, match="there is no room for it"):
                tune(random_model, again, out, way, {"overwrite": True}, steps=2, seed=3)
            assert files_of(out) == before
        with pytest.raises(TrainError, match="there is no room for it"):
            tune(random_model, data, tmp_path / "new", task, steps=2)
        assert not (tmp_path / "new").exists() or not files_of(tmp_path / "new")
    assert tune(random_model, data, out, task, {"resume": True}).result.reason == "done"
    # A run of another kind takes the place of what was kept.
    other = "lm" if task == "classify" else "classify"
    over = tune(random_model, data_of(other, tmp_path), out, other, {"overwrite": True}, steps=1)
    kept = sorted(each.name for each in (over.out / "data").iterdir())
    assert kept == (["shards"] if other == "lm" else ["train"])


def test_a_new_run_over_an_old_one_has_its_own_sides_alone(random_model: Path, tmp_path: Path) -> None:
    data, out = data_of("classify", tmp_path), tmp_path / "out"
    first = tune(random_model, data, out, "classify", steps=2, validation="0.5", lora_rank=2)
    assert first.result.validation_loss is not None
    assert (out / ADAPTER).exists()
    printed("eval", out, data, "--save", "own")
    (out / "evaluations" / "mine.json").write_text("{}")
    with pytest.raises(TrainError, match="holds a model"):
        tune(random_model, data, out, "classify", steps=2)
    again = tune(random_model, data, out, "classify", {"overwrite": True}, steps=2)
    assert again.result.validation_loss is None, "nothing is held out"
    assert not (out / "data" / "validation").exists()
    assert not (out / ADAPTER).exists(), "it belongs to weights that are gone"
    assert [each.name for each in (out / "evaluations").iterdir()] == ["mine.json"]


# -------------------------------------------------------------------------------------------- by heart
@pytest.mark.parametrize("task", WAYS)
def test_each_task_learns_a_little_by_heart(random_model: Path, tmp_path: Path, task: str) -> None:
    data = data_of(task, tmp_path)
    steps, rate = (60, 2e-2) if task == "lm" else (40, 3e-3)
    run = tune(random_model, data, tmp_path / "out", task, steps=steps, learning_rate=rate)
    assert run.losses[-1] < 0.1 * run.losses[0]
    if task == "classify":
        found = Classifier.load(run.out).predict(["rain", "sun", "more rain", "no cloud"])
        assert [each.labels for each in found] == [("bad",), ("good",)] * 2
    if task == "tag":
        [said] = Tagger.load(run.out).tag([["in", "Paris"]])
        assert said.tags == ("O", "B-LOC")


# ------------------------------------------------------------------------------------- the best, and the end
def test_the_rule_of_the_best() -> None:
    curves = {
        "loss": ([0.9, 0.7, 0.7, 0.8], 1),
        "validation_news_loss": ([0.5, 0.4, 0.3, 0.6], 2),
        "macro_f1": ([0.1, 0.5, 0.4, 0.5], 1),
        "accuracy": ([0.9, 0.8, 0.9, 0.7], 0),
        "ece": ([0.2, 0.15, 0.1, 0.05], 3),
    }
    assert {name: best_index(name, values) for name, (values, _) in curves.items()} == {
        name: index for name, (_, index) in curves.items()
    }
    with pytest.raises(SettingError, match="is not known"):
        best_index("brightness", [1.0])


@pytest.mark.parametrize("choose", ["loss", "macro_f1"])
def test_the_weights_that_are_kept_are_those_that_were_best(
    random_model: Path, tmp_path: Path, choose: str
) -> None:
    data = table(tmp_path / "train.csv", *WEATHER)
    held = table(tmp_path / "held.csv", "rain,good", "sun,good", "rain and sun,bad", "no rain,good")
    run = tune(
        random_model,
        data,
        tmp_path / "out",
        "classify",
        validation=str(held),
        steps=40,
        eval_every=5,
        learning_rate=5e-3,
        choose=choose,
    )
    measured = [each for each in run.events if each["event"] == "validation"]
    index = best_index(choose, [each[choose] for each in measured])
    assert run.result.best_step == measured[index]["step"]
    # Measured anew, from what was saved.
    member = printed("eval", run.out, held)["sets"][0]["models"][str(run.out)]["members"][str(run.out)]
    for name in ("accuracy", "macro_f1", "ece"):
        assert member[name]["value"] == pytest.approx(run.result.figures[name], abs=1e-6), name
        assert member[name]["value"] == pytest.approx(measured[index][name], abs=1e-6), name
    assert member["loss"]["value"] == pytest.approx(run.result.validation_loss, abs=1e-5)
    assert member["loss"]["value"] == pytest.approx(measured[index]["loss"], abs=1e-5)
    assert np.sum(member["confusion"]) == 4
    low, high = member["accuracy"]["interval"]
    assert low <= member["accuracy"]["value"] <= high
    if choose == "loss":
        assert measured[-1]["loss"] > measured[index]["loss"], "it learns by heart what the others contradict"


def test_patience_ends_a_run_and_survives_a_stop(random_model: Path, tmp_path: Path) -> None:
    data = table(tmp_path / "train.csv", *WEATHER)
    held = table(tmp_path / "held.csv", "rain,good", "sun,bad", "more rain,good")
    values = {"validation": str(held), "steps": 60, "eval_every": 2, "learning_rate": 3e-3, "patience": 3}
    whole = tune(random_model, data, tmp_path / "whole", "classify", **values)
    assert whole.result.reason == "early stop"
    losses = [each["loss"] for each in whole.events if each["event"] == "validation"]
    best = best_index("loss", losses)
    assert len(losses) == best + 1 + 3, "three in a row that were no better"
    pause = 2 * (best + 2)
    tune(random_model, data, tmp_path / "parts", "classify", {"pause_at": pause}, **values)
    rest = tune(random_model, data, tmp_path / "parts", "classify", {"resume": True})
    assert (rest.result.reason, rest.result.step) == ("early stop", whole.result.step)
    assert (rest.out / "model.safetensors").read_bytes() == (whole.out / "model.safetensors").read_bytes()


def test_a_run_notes_what_it_is_in_its_folder(random_model: Path, tmp_path: Path) -> None:
    run = tune(
        random_model, data_of("classify", tmp_path), tmp_path / "out", "classify", steps=2, test="0.25"
    )
    document = json.loads((run.out / "model.json").read_text())
    assert document["tuned"]["labels"] == ["bad", "good"]
    assert document["training"]["command"] == "finetune"
    assert {"test_loss", "test_accuracy", "test_macro_f1", "test_ece"} <= document["training"][
        "figures"
    ].keys()
