"""A run by minutes fits its length to its speed and keeps it; stopping early counts over interruptions."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from corpuskit.shards.reader import Shards
from corpuskit.train import TrainSettings, train_model
from corpuskit.train.checkpoint import latest_checkpoint, read_state
from corpuskit.train.loop import Pace, fix_horizon
from corpuskit.train.plan.plan import resolved
from corpuskit.train.settings.resolve import resolve
from corpuskit.train.trainer import Progress
from corpuskit.train.watch.events import Event


def by_minutes(small: TrainSettings, minutes: float, **change: Any) -> TrainSettings:
    values = {name: value for name, value in small.given().items() if name != "steps"}
    return TrainSettings.checked(values | {"minutes": minutes} | change)


def state_of(out: Path) -> dict[str, Any]:
    folder = latest_checkpoint(out)
    assert folder is not None
    return read_state(folder)


def of_a_minute(final_rows: int = 0) -> Any:
    """A run of one minute whose last 60 % are the decay."""
    return SimpleNamespace(
        settings=SimpleNamespace(minutes=1.0, decay_share=0.6, schedule="wsd"),
        final=SimpleNamespace(rows=final_rows),
        task=SimpleNamespace(batch_rows=4),
    )


@pytest.mark.parametrize(
    ("first", "start", "step", "seconds", "final_rows", "steps"),
    [
        (1, 1.0, 24, 23.9, 0, None),
        (1, 47.0, 3, 50.0, 0, None),
        (1, 1.0, 24, 24.0, 0, 24 + 35),  # a second a step, and 98 % of the 36 seconds that are left
        (1, 20.1, 40, 24.0, 0, 40 + 352),  # a tenth of a second a step, once it was compiled
        (101, 4.0, 121, 24.0, 0, 121 + 35),  # the steps of another process are not counted
        (1, 1.0, 24, 24.0, 12, 24 + 34),  # twelve rows forward take as long as a step of four
        (1, 1.0, 30, 70.0, 0, 31),  # too late for a decay: one more step ends it
    ],
)
def test_the_steps_that_are_left_follow_from_the_speed(
    first: int, start: float, step: int, seconds: float, final_rows: int, steps: int | None
) -> None:
    pace = Pace()
    pace.note(Progress(step=first, seconds=start))
    progress = Progress(step=step, seconds=seconds)
    pace.note(progress)
    assert fix_horizon(of_a_minute(final_rows), progress, pace) == (steps is not None)
    assert progress.steps == steps
    assert progress.decay_start == (None if steps is None else step)


def test_what_is_measured_at_the_end_takes_as_long_as_it_took_before() -> None:
    """Sixteen rows of half a second each leave 27 of the 36 seconds, less their 2 %."""
    pace = Pace(row_seconds=0.5)
    pace.note(Progress(step=1, seconds=1.0))
    progress = Progress(step=24, seconds=24.0)
    pace.note(progress)
    assert fix_horizon(of_a_minute(16), progress, pace)
    assert progress.steps == 24 + 27


@pytest.mark.parametrize(
    ("seconds", "change", "size"),
    [
        (1e-6, {}, "small"),  # of a step: fast enough for all
        (1e4, {}, "nano"),
        (1e4, {"size": "tiny"}, "tiny"),
        (1e4, {"width": 64}, "small"),
    ],
)
def test_a_run_by_minutes_is_of_a_size_that_gets_somewhere(
    run: Path, seconds: float, change: dict[str, Any], size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The largest for the corpus that reads a token for each parameter; unless the user says how large."""
    monkeypatch.setattr("corpuskit.train.corpus.choose_size", lambda *_: "small")
    monkeypatch.setattr("corpuskit.train.settings.resolve.choose_size", lambda *_: "small")
    monkeypatch.setattr("corpuskit.train.corpus.probe", lambda *_: (seconds, 0.0, 0.0))
    settings = TrainSettings.checked({"minutes": 1, "precision": "fp32", **change})
    assert resolved(run, settings).size == size


def test_sizes_follow_the_time_in_steps(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More time never makes the model smaller, and each size has its time."""
    monkeypatch.setattr("corpuskit.train.corpus.choose_size", lambda *_: "small")
    for where in ("corpus", "setup"):  # For the size, and for the steps.
        monkeypatch.setattr(f"corpuskit.train.{where}.probe", lambda *_: (0.02, 0.0, 0.0))
    found = [resolved(run, TrainSettings(minutes=minutes, precision="fp32")).size for minutes in (1, 6, 600)]
    assert found == ["nano", "tiny", "small"]


def test_less_than_half_an_epoch_is_told(make_run: Any, small: TrainSettings, tmp_path: Path) -> None:
    seen: list[Event] = []
    run = make_run(documents=60, seed=7)
    few = small.model_copy(update={"steps": 3, "warmup_steps": 5})
    train_model(run, tmp_path / "few", few, listen=seen.append)
    assert any("of the data once" in warning for warning in seen[0]["warnings"])
    assert any("warmup_steps = 5 are more than the run's 3" in warning for warning in seen[0]["warnings"])
    seen.clear()
    train_model(run, tmp_path / "enough", small.model_copy(update={"steps": 80}), listen=seen.append)
    assert seen[0]["warnings"] == []


def test_weights_are_chosen_on_enough_tokens() -> None:
    """A batch of the smallest size is 256 tokens: four of them would tell little."""
    assert resolve(TrainSettings(size="nano"), 10**6, "cpu", False).eval_tokens == 8192
    assert resolve(TrainSettings(size="15m"), 10**6, "cpu", False).eval_tokens == 4 * 32 * 512
    assert resolve(TrainSettings(size="nano", eval_tokens=9), 10**6, "cpu", False).eval_tokens == 9


def test_a_run_that_is_killed_goes_on_to_the_end_that_the_clock_fixed(
    run: Path, small: TrainSettings, tmp_path: Path
) -> None:
    class Killed(Exception):
        pass

    def kill(event: Event) -> None:
        if event["event"] == "horizon":
            raise Killed

    settings = by_minutes(small, 0.01)
    with pytest.raises(Killed):
        train_model(run, tmp_path / "model", settings, listen=kill)
    state = state_of(tmp_path / "model")
    assert state["decay_start"] == state["step"] < state["steps"]
    seen: list[Event] = []
    result = train_model(run, tmp_path / "model", resume=True, listen=seen.append)
    assert result.step == result.steps == state["steps"]
    assert not [event for event in seen if event["event"] == "horizon"]


def test_a_cosine_by_minutes_has_its_end_from_the_beginning(
    run: Path, small: TrainSettings, tmp_path: Path
) -> None:
    train_model(run, tmp_path / "model", by_minutes(small, 0.1, schedule="cosine", patience=0), pause_at=1)
    state = state_of(tmp_path / "model")
    assert state["step"] == 1
    assert state["steps"] == state["planned_steps"] > 1
    result = train_model(run, tmp_path / "model", resume=True)
    assert result.step == state["steps"] or result.reason == "time is up"


@pytest.mark.parametrize("change", [{"schedule": "cosine"}, {"decay_share": 0}])
def test_a_run_whose_length_was_fixed_before_ends_when_its_time_is_up(
    run: Path, small: TrainSettings, tmp_path: Path, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was thought to be faster than it is: it ends as one that is done, measured and kept."""
    monkeypatch.setattr("corpuskit.train.setup.steps_in", lambda *_: 10**6)
    events: list[Event] = []
    result = train_model(
        run, tmp_path / "model", by_minutes(small, 0.02, patience=0, **change), listen=events.append
    )
    assert (result.reason, result.can_resume) == ("time is up", False)
    assert 0 < result.step < 10**6
    assert result.validation_loss is not None
    assert [e["step"] for e in events if e["event"] in ("validation", "sample")][-1] == result.step
    again = train_model(run, tmp_path / "model", resume=True)
    assert (again.reason, again.step) == ("time is up", result.step)


def test_stopping_early_counts_over_interruptions(
    make_run: Any, by_heart: TrainSettings, tmp_path: Path
) -> None:
    run, settings = make_run(documents=6, seed=5), by_heart
    whole = train_model(run, tmp_path / "whole", settings)
    assert whole.reason == "early stop"
    paused = train_model(run, tmp_path / "parts", settings, pause_at=whole.step - 15)
    assert paused.reason == "paused"
    resumed = train_model(run, tmp_path / "parts", resume=True)
    assert (resumed.reason, resumed.step, resumed.best_step) == ("early stop", whole.step, whole.best_step)
    assert resumed.validation_loss == whole.validation_loss
    # More patience may be given to a run that stopped early.
    patient = settings.model_copy(update={"patience": 5})
    on = train_model(
        run, tmp_path / "parts", TrainSettings.checked({"patience": patient.patience}), resume=True
    )
    assert on.step == whole.step + 20
    assert on.best_step == whole.best_step


def test_a_short_run_trains_more_than_it_measures(run: Path, tmp_path: Path) -> None:
    """The rows for one measurement cost as much as a third of them in training."""
    events: list[Event] = []
    settings = TrainSettings(size="nano", context=16, steps=40, precision="fp32")
    train_model(run, tmp_path / "model", settings, listen=events.append)
    measured = [event["step"] for event in events if event["event"] == "validation"]
    shards = Shards(run / "shards")
    rows = (shards.split("validation").tokens - 1) // 16
    assert measured[-1] == 40
    assert (len(measured) - 1) * rows / 3 <= 40 * 4 / 4
