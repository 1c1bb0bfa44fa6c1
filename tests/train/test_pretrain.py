"""A run is a function of (settings, shards, seed, step): stopping and resuming it changes no bit."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from tokenizers import Tokenizer

from corpuskit.errors import SettingError, ShardError, TrainError
from corpuskit.shards.batches import spread_rows
from corpuskit.shards.reader import Shards
from corpuskit.train import TrainResult, TrainSettings, train_model
from corpuskit.train.device import process_state
from corpuskit.train.watch.events import Event


def with_values(settings: TrainSettings, **values: Any) -> TrainSettings:
    return TrainSettings.checked({**settings.given(), **values})


def events(out: Path, kind: str) -> list[dict[str, Any]]:
    lines = (out / "logs" / "train.jsonl").read_text().splitlines()
    return [event for line in lines if (event := json.loads(line))["event"] == kind]


def outcome(out: Path) -> dict[str, Any]:
    """All that a run computes: last weights and moments, kept weights, every logged loss."""
    last = out / "checkpoints" / (out / "checkpoints" / "latest").read_text()
    files = [last / "model.safetensors", last / "optimizer.safetensors", out / "model.safetensors"]
    return {
        "files": [path.read_bytes() for path in files],
        "steps": [
            (e["step"], e["loss"], e["learning_rate"], e["gradient_norm"]) for e in events(out, "step")
        ],
        "validations": [(e["step"], e["loss"]) for e in events(out, "validation")],
        "samples": [(e["step"], e["text"]) for e in events(out, "sample")],
    }


@pytest.fixture(scope="session")
def whole(run: Path, small: TrainSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """OUT of 20 steps in one go; tests must not change it."""
    out = tmp_path_factory.mktemp("whole") / "model"
    assert train_model(run, out, small).reason == "done"
    return out


def test_twenty_steps_equal_ten_and_ten(run: Path, small: TrainSettings, whole: Path, tmp_path: Path) -> None:
    paused = train_model(run, tmp_path / "model", small, pause_at=10)
    assert (paused.reason, paused.step, paused.steps, paused.can_resume) == ("paused", 10, 20, True)
    resumed = train_model(run, tmp_path / "model", resume=True)
    assert (resumed.reason, resumed.step, resumed.can_resume) == ("done", 20, False)
    assert outcome(tmp_path / "model") == outcome(whole)
    assert [step for step, *_ in outcome(whole)["steps"]] == list(range(20))


def test_dropout_was_at_work(run: Path, small: TrainSettings, whole: Path, tmp_path: Path) -> None:
    train_model(run, tmp_path / "model", with_values(small, dropout=0.0))
    assert outcome(tmp_path / "model")["steps"][:2] != outcome(whole)["steps"][:2]


def test_callers_random_state_is_left_alone(run: Path, small: TrainSettings, tmp_path: Path) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    train_model(run, tmp_path / "model", small, pause_at=1)
    assert torch.equal(torch.get_rng_state(), before)


CHILD = """
import os, signal, sys
from corpuskit.train import TrainSettings, train_model
kill = lambda: os.kill(os.getpid(), signal.SIGKILL)
replace = os.replace
def replace_or_die(source, target):
    if sys.argv[4] == "during the save" and os.path.basename(target) == "step-00000012":
        kill()
    replace(source, target)
os.replace = replace_or_die
def listen(event):
    if event["event"] == "step" and event["step"] == 13:
        kill()
train_model(sys.argv[1], sys.argv[2], TrainSettings.model_validate_json(sys.argv[3]), listen=listen)
"""


@pytest.mark.parametrize(("when", "saved"), [("between saves", 12), ("during the save", 8)])
def test_sigkill_changes_nothing(
    run: Path, small: TrainSettings, whole: Path, tmp_path: Path, when: str, saved: int
) -> None:
    settings = with_values(small, save_every=4)
    arguments = [str(run), str(tmp_path / "model"), settings.model_dump_json(exclude_unset=True), when]
    path = os.pathsep.join(sys.path)
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    child = subprocess.run([sys.executable, "-c", CHILD, *arguments], env=environment, check=False)
    assert child.returncode == -signal.SIGKILL
    assert (tmp_path / "model" / "checkpoints" / "latest").read_text() == f"step-{saved:08d}"
    started: list[Event] = []
    train_model(run, tmp_path / "model", resume=True, listen=started.append)
    assert (started[0]["step"], started[0]["warnings"]) == (saved, [])
    assert outcome(tmp_path / "model") == outcome(whole)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_save_and_end_the_run(
    run: Path, small: TrainSettings, whole: Path, tmp_path: Path, number: int
) -> None:
    def listen(event: Event) -> None:
        if event["event"] == "step" and event["step"] == 6:
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    result = train_model(run, tmp_path / "model", small, listen=listen)
    assert (result.reason, result.step) == ("interrupted", 8)
    assert signal.getsignal(number) is before
    train_model(run, tmp_path / "model", resume=True)
    assert outcome(tmp_path / "model") == outcome(whole)


def test_micro_batches_do_not_change_the_update(run: Path, small: TrainSettings, tmp_path: Path) -> None:
    found = []
    for rows in (8, 1):
        settings = with_values(small, batch_rows=8, micro_batch_rows=rows, dropout=0, steps=5, clip=100)
        train_model(run, tmp_path / str(rows), settings)
        found.append((load_file(tmp_path / str(rows) / "model.safetensors"), outcome(tmp_path / str(rows))))
    (one, one_log), (eight, eight_log) = found
    for name in one:
        # AdamW divides a gradient near zero by its own size, and so enlarges what rounding makes of it.
        torch.testing.assert_close(one[name], eight[name], rtol=0, atol=5e-5)
    assert [loss for _, loss, *_ in one_log["steps"]] == pytest.approx(
        [loss for _, loss, *_ in eight_log["steps"]], abs=1e-5
    )


def test_changed_data_is_refused_until_allowed(
    run: Path, small: TrainSettings, make_run: Any, tmp_path: Path
) -> None:
    train_model(run, tmp_path / "model", small, pause_at=5)
    other = make_run(seed=2)
    shutil.copy(run / "tokenizer" / "tokenizer.json", other / "tokenizer" / "tokenizer.json")
    manifest = json.loads((other / "shards" / "shards.json").read_text())
    digest = json.loads((run / "shards" / "shards.json").read_text())["tokenizer_sha256"]
    (other / "shards" / "shards.json").write_text(json.dumps({**manifest, "tokenizer_sha256": digest}))
    with pytest.raises(TrainError, match=r"is not what .* was trained on: fingerprint") as caught:
        train_model(other, tmp_path / "model", resume=True)
    assert "--allow-changed-data" in str(caught.value)
    started: list[Event] = []
    result = train_model(
        other, tmp_path / "model", resume=True, allow_changed_data=True, listen=started.append
    )
    assert result.reason == "done"
    assert started[0]["warnings"] == ["Resumed on changed data, as allowed."]


def test_loss_that_is_not_finite_names_step_and_rows(run: Path, small: TrainSettings, tmp_path: Path) -> None:
    # One step with this rate makes the weights so large that the products of the next one overflow.
    settings = with_values(small, learning_rate=1e38, warmup_steps=0, save_every=1)
    with pytest.raises(
        TrainError,
        match=r"the loss of step 4 is (nan|inf) and its gradient norm nan; 3 updates in a row were skipped "
        r"for that before\. Its batch holds the rows",
    ) as caught:
        train_model(run, tmp_path / "model", settings)
    assert "of the split 'train', the first at token" in str(caught.value)
    assert "learning_rate below 1e+38" in str(caught.value)
    last = (tmp_path / "model" / "checkpoints" / "latest").read_text()
    assert int(last[-8:]) == 4
    log = (tmp_path / "model" / "logs" / "train.jsonl").read_text()
    lines = [json.loads(line) for line in log.splitlines()]
    skips = [line for line in lines if line["event"] == "skip"]
    assert [(line["step"], line["reason"]) for line in skips] == [(n, "not finite") for n in (1, 2, 3, 4)]
    assert "of the split 'train'" in skips[0]["batch"]


def test_occupied_folder_and_contradicting_settings_are_refused(
    run: Path, small: TrainSettings, tmp_path: Path
) -> None:
    train_model(run, tmp_path / "model", small, pause_at=5)
    with pytest.raises(TrainError, match="holds a model") as caught:
        train_model(run, tmp_path / "model", small)
    assert "--resume" in str(caught.value)
    with pytest.raises(
        SettingError, match=r"dropout = 0\.3 contradicts the run that is resumed, which has 0\.1"
    ):
        train_model(run, tmp_path / "model", TrainSettings(dropout=0.3), resume=True)
    assert train_model(run, tmp_path / "model", with_values(small, keep=1), resume=True).reason == "done"
    assert len(list((tmp_path / "model" / "checkpoints").glob("step-*"))) == 1


def test_overwriting_removes_the_model_and_nothing_else(
    run: Path, small: TrainSettings, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "model"
    train_model(run, out, with_values(small, seed=2))
    (out / "notes.txt").write_text("mine")
    with pytest.raises(SettingError, match="resume and overwrite exclude each other"):
        train_model(run, out, resume=True, overwrite=True)
    with pytest.raises(SettingError, match="width 31"):
        train_model(run, out, TrainSettings(width=31), overwrite=True)
    assert (out / "model.safetensors").exists()
    train_model(run, out, small, overwrite=True)
    assert outcome(out) == outcome(whole)
    assert (out / "notes.txt").read_text() == "mine"


def test_another_tokenizer_is_refused(make_run: Any, small: TrainSettings, tmp_path: Path) -> None:
    run = make_run(seed=3)
    (run / "tokenizer" / "tokenizer.json").write_text("{}")
    with pytest.raises(TrainError, match=r"tokenizer\.json is not the tokenizer that made the tokens"):
        train_model(run, tmp_path / "model", small)
    with pytest.raises(ShardError, match=r"holds no shards\.json"):
        train_model(tmp_path, tmp_path / "model", small)


def test_run_by_minutes_fixes_its_length_and_keeps_it(
    run: Path, small: TrainSettings, tmp_path: Path
) -> None:
    settings = TrainSettings.checked(
        {name: value for name, value in small.given().items() if name != "steps"}
        | {"minutes": 0.01, "warmup_steps": 0}
    )
    result = train_model(run, tmp_path / "model", settings)
    assert result.reason == "done"
    (horizon,) = events(tmp_path / "model", "horizon")
    assert horizon["steps"] == result.step == result.steps
    rates = [event["learning_rate"] for event in events(tmp_path / "model", "step")]
    peak = 3e-3
    assert all(rate < peak for rate in rates[horizon["step"] + 1 :])
    assert rates[-1] == pytest.approx(peak / (result.step - horizon["step"]))


def test_length_follows_the_corpus_when_it_is_open(run: Path, small: TrainSettings, tmp_path: Path) -> None:
    values = {name: value for name, value in small.given().items() if name not in ("steps", "dropout")}
    started: list[Event] = []
    train_model(run, tmp_path / "model", TrainSettings.checked(values), pause_at=1, listen=started.append)
    rows = (Shards(run / "shards").split("train").tokens - 16) // 16
    assert started[0]["steps"] == max(200, 10 * rows // 4)
    epochs = started[0]["steps"] * 4 * 16 / Shards(run / "shards").split("train").tokens
    assert 2 <= epochs < 10
    assert started[0]["settings"]["dropout"] == 0.1


def test_the_best_weights_are_kept_and_training_stops_early(
    make_run: Any, by_heart: TrainSettings, tmp_path: Path
) -> None:
    """Few documents and a model that learns them by heart: validation turns up, the run ends early."""
    run = make_run(documents=6, seed=5)
    result = train_model(run, tmp_path / "model", by_heart)
    assert result.reason == "early stop"
    validations = events(tmp_path / "model", "validation")
    best = min(validations, key=lambda event: event["loss"])
    assert result.best_step == best["step"] == result.step - 30
    with safe_open(tmp_path / "model" / "model.safetensors", "pt") as file:
        assert file.metadata() == {"step": str(best["step"])}
    assert result.validation_loss == pytest.approx(best["loss"], rel=1e-6)
    assert train_model(run, tmp_path / "model", resume=True).step == result.step


def test_a_fixed_order_is_given_back_and_changes_nothing_on_a_cpu(
    run: Path, small: TrainSettings, tmp_path: Path
) -> None:
    settings = small.model_copy(update={"steps": 3})
    seen = []
    train_model(run, tmp_path / "usual", settings)
    train_model(
        run,
        tmp_path / "fixed",
        settings.model_copy(update={"deterministic": True}),
        listen=lambda event: seen.append(torch.are_deterministic_algorithms_enabled()),
    )
    assert seen
    assert all(seen)
    assert not torch.are_deterministic_algorithms_enabled()
    weights = [(tmp_path / out / "model.safetensors").read_bytes() for out in ("usual", "fixed")]
    assert weights[0] == weights[1]


def test_too_little_memory_is_told_with_a_remedy(
    run: Path, small: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has ...")

    monkeypatch.setattr("corpuskit.train.loop.train_step", full)
    with pytest.raises(
        TrainError, match=r"cpu has too little memory for this run: CUDA out of memory\n"
    ) as found:
        train_model(run, tmp_path / "m", small)
    assert "Lower micro_batch_rows" in found.value.remedy
    monkeypatch.undo()
    with pytest.raises(TrainError, match="has too little memory for this run"):
        train_model(run, tmp_path / "wide", TrainSettings.checked({**small.given(), "hidden": 2**40}))


def test_validation_loss_in_bits_per_byte(run: Path, whole: Path) -> None:
    shards = Shards(run / "shards")
    rows = spread_rows(shards.split("validation"), 17, 16, 8192, shards.vocab_size)
    tokenizer = Tokenizer.from_file(str(run / "tokenizer" / "tokenizer.json"))
    text = tokenizer.decode(rows[:, 1:].ravel().tolist(), skip_special_tokens=True)
    last = events(whole, "validation")[-1]
    bits = last["loss"] / math.log(2) * rows[:, 1:].size
    assert last["bits_per_byte"] == pytest.approx(bits / len(text.encode()))
    assert last["perplexity"] == pytest.approx(math.exp(last["loss"]))
    assert np.count_nonzero(rows[:, 1:] == 0) > 0


def test_run_without_validation_warns_and_keeps_the_last_weights(
    make_run: Any, small: TrainSettings, tmp_path: Path
) -> None:
    started: list[Event] = []
    run = make_run(validation=False)
    result = train_model(run, tmp_path / "model", small, listen=started.append)
    assert "no validation split" in started[0]["warnings"][0]
    assert (result.validation_loss, result.best_step, result.bits_per_byte) == (None, None, None)
    files = outcome(tmp_path / "model")["files"]
    kept, last = tmp_path / "kept.safetensors", tmp_path / "last.safetensors"
    kept.write_bytes(files[2])
    last.write_bytes(files[0])
    one, other = load_file(kept), load_file(last)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_loss_falls_and_samples_look_like_the_corpus(run: Path, tmp_path: Path) -> None:
    settings = TrainSettings(
        layers=2, width=64, heads=2, context=32, batch_rows=8, steps=150, learning_rate=1e-2, precision="fp32"
    )
    result: TrainResult = train_model(run, tmp_path / "model", settings)
    losses = [event["loss"] for event in events(tmp_path / "model", "step")]
    assert losses[0] == pytest.approx(math.log(320), abs=0.5)
    assert result.validation_loss is not None
    assert result.validation_loss < 1.5
    split = Shards(run / "shards").split("train")
    tokenizer = Tokenizer.from_file(str(run / "tokenizer" / "tokenizer.json"))
    words = set(tokenizer.decode(split.read(0, split.tokens).tolist()).replace(".", " ").split())
    assert len(words) < 50
    sample = events(tmp_path / "model", "sample")[-1]["text"].replace(".", " ").split()
    assert sum(word in words for word in sample) > 0.8 * len(sample)


def test_bf16_trains_and_resumes_exactly(run: Path, small: TrainSettings, tmp_path: Path) -> None:
    settings = with_values(small, precision="bf16", norm="rms")
    train_model(run, tmp_path / "whole", settings)
    train_model(run, tmp_path / "parts", settings, pause_at=10)
    train_model(run, tmp_path / "parts", resume=True)
    assert outcome(tmp_path / "whole") == outcome(tmp_path / "parts")
    losses = [loss for _, loss, *_ in outcome(tmp_path / "whole")["steps"]]
    assert losses[-1] < losses[0]


def test_an_operation_without_a_fixed_order_is_refused_by_name() -> None:
    """Where a fixed order was asked for, in place of a warning that nobody reads."""

    def run() -> None:
        with process_state(torch.device("cpu"), deterministic=True):
            assert not torch.is_deterministic_algorithms_warn_only_enabled()
            torch.zeros(4).put_(torch.tensor([1, 1]), torch.tensor([1.0, 2.0]))

    with pytest.raises(TrainError, match="deterministic = True: put_") as caught:
        run()
    assert "Leave deterministic out" in caught.value.remedy
    assert not torch.are_deterministic_algorithms_enabled()
