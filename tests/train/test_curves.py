"""The picture of a run: whole XML, the same for equal runs, points where the values are; and TensorBoard."""

import contextlib
import itertools
import math
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from corpuskit.cli.main import cli
from corpuskit.errors import SettingError
from corpuskit.train import TrainSettings, train_model
from corpuskit.train.watch.curves import NAME, Curves, Series
from corpuskit.train.watch.tensorboard import FOLDER, TensorBoard

SVG = "{http://www.w3.org/2000/svg}"
SCORES = {"known_words": 0.5, "distinct_2": None, "longest_repeat": 2}


def events(steps: int = 20) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"event": "start", "step": 0, "parameters": 2_500_000, "train_tokens": 12_345}
    ]
    for step in range(steps):
        found.append(
            {"event": "step", "step": step, "loss": 9 - step / 10, "learning_rate": 1e-3 * (20 - step)}
        )
        if step % 5 == 4:
            sources = {
                name: {"loss": 8.0 + extra, "bits_per_byte": None}
                for name, extra in (("a<b&c", 0.1), ("w", 0.4))
            }
            loss = None if step == 9 else 8.2 - step / 20
            found.append(
                {"event": "validation", "step": step + 1, "loss": loss, "best": step != 9, "sources": sources}
            )
    text = "It was <so> & \x02 so"
    return [*found, {"event": "sample", "step": 20, "text": text, "scores": SCORES}]


def drawn(out: Path, given: list[dict[str, Any]]) -> ElementTree.Element:
    curves = Curves(out)
    for event in [*given, {"event": "stop", "step": 20, "reason": "done"}]:
        curves(event)
    return ElementTree.fromstring((out / NAME).read_text())


def polylines(picture: ElementTree.Element) -> list[list[tuple[float, float]]]:
    lines = [line.attrib["points"].split() for line in picture.iter(f"{SVG}polyline")]
    return [[(float(x), float(y)) for x, y in (point.split(",") for point in line)] for line in lines]


def test_lines_go_where_the_values_are(tmp_path: Path) -> None:
    picture = drawn(tmp_path, events())
    train_line, smooth, *sources, validation, rate, words = polylines(picture)
    assert [len(line) for line in (train_line, smooth, *sources, validation, rate, words)] == [
        20,
        20,
        4,
        4,
        3,
        20,
        1,
    ]
    for line in (train_line, rate):
        xs, ys = zip(*line, strict=True)
        assert list(xs) == sorted(xs)
        assert list(ys) == sorted(ys), "both fall, and the picture counts downwards"
        gaps = [after - before for before, after in itertools.pairwise(xs)]
        assert max(gaps) - min(gaps) < 0.2, "equal steps stand equally far apart"
    # The second source is worse than the first.
    assert all(high[1] < low[1] for low, high in zip(*sources, strict=True))
    width, height = (float(picture.attrib[name]) for name in ("width", "height"))
    for line in polylines(picture):
        assert all(0 <= x <= width and 0 <= y <= height for x, y in line)


def test_what_is_written_is_text(tmp_path: Path) -> None:
    picture = drawn(tmp_path, events())
    texts = [element.text for element in picture.iter(f"{SVG}text")]
    for text in (
        "2.5M parameters, 12,345 training tokens",
        "validation",
        "a<b&c",
        "best at 20",
        "known words",
        "50%",
    ):
        assert text in texts
    assert "different pairs" not in texts, "no sample has that score"
    (title,) = picture.iter(f"{SVG}title")
    assert title.text == "step 20: It was <so> & \N{REPLACEMENT CHARACTER} so"


def test_a_run_without_validation_and_samples_has_a_picture(tmp_path: Path) -> None:
    given = [event for event in events(1) if event["event"] in ("start", "step")]
    picture = drawn(tmp_path, given)
    assert len(polylines(picture)) == 3
    given[-1]["loss"] = math.nan
    (tmp_path / "none").mkdir()
    with pytest.raises(FileNotFoundError):
        drawn(tmp_path / "none", given)


def test_memory_does_not_grow_with_the_run() -> None:
    series = Series()
    for step in range(50_000):
        series.add(step, math.sin(step / 5000))
        assert len(series.points) < 2000
    points = series.all()
    assert 1000 <= len(points) <= 2001
    assert all(value == pytest.approx(math.sin(step / 5000), abs=0.01) for step, value in points)
    assert [step for step, _ in points] == sorted(step for step, _ in points)


def test_a_resumed_run_draws_the_same(run: Path, small: TrainSettings, tmp_path: Path) -> None:
    train_model(run, tmp_path / "whole", small)
    train_model(run, tmp_path / "parts", small, pause_at=7)
    half = (tmp_path / "parts" / NAME).read_bytes()
    train_model(run, tmp_path / "parts", resume=True)
    whole = (tmp_path / "whole" / NAME).read_bytes()
    assert (tmp_path / "parts" / NAME).read_bytes() == whole != half
    assert len(polylines(ElementTree.fromstring(whole))) >= 5
    train_model(run, tmp_path / "whole", small, overwrite=True, pause_at=1)
    assert (tmp_path / "whole" / NAME).read_bytes() != whole


SHAPE = ["layers=1", "width=32", "heads=2", "context=16", "eval_every=3"]
OPTIONS = ["--steps", "6", *(part for each in SHAPE for part in ("--set", each))]


def test_tensorboard_has_what_the_log_has(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    out = tmp_path / "m"
    words = ["train", str(run), "--out", str(out), "--quiet", "--tensorboard"]
    assert CliRunner().invoke(cli, [*words, *OPTIONS, "--pause-at", "4"]).exit_code == 0
    assert CliRunner().invoke(cli, [*words, "--resume"]).exit_code == 0
    board = EventAccumulator(str(out / FOLDER))
    board.Reload()
    tags = set(board.Tags()["scalars"])
    assert {"train/loss", "train/learning_rate", "validation/loss", "validation/bits_per_byte"} <= tags
    assert "sample/known_words" in tags
    assert [each.step for each in board.Scalars("train/loss")] == list(range(1, 7))
    assert [each.step for each in board.Scalars("validation/loss")] == [3, 6]


def test_tensorboard_has_each_step_of_a_run_that_was_killed_once(tmp_path: Path) -> None:
    """It goes on from step 3, whose validation was before the checkpoint; steps 4 and 5 are done again."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for first, last in ((0, 5), (3, 6)):
        board = TensorBoard(tmp_path)
        board({"event": "start", "step": first})
        for step in range(first, last):
            board({"event": "step", "step": step, "loss": step + first / 10})
            if step == 2:
                validation = {"loss": 3.0, "perplexity": math.inf, "bits_per_byte": None}
                board({"event": "validation", "step": 3, **validation})
        board.close()
    found = EventAccumulator(str(tmp_path / FOLDER))
    found.Reload()
    values = [(each.step, round(each.value, 3)) for each in found.Scalars("train/loss")]
    assert values == [(1, 0), (2, 1), (3, 2), (4, 3.3), (5, 4.3), (6, 5.3)]
    assert [each.step for each in found.Scalars("validation/loss")] == [3]
    assert "validation/perplexity" not in found.Tags()["scalars"]


def test_of_events_only_those_of_the_model_go_with_it(
    run: Path, small: TrainSettings, tmp_path: Path
) -> None:
    pytest.importorskip("tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    folder = tmp_path / FOLDER
    settings = small.model_copy(update={"steps": 2})
    with contextlib.closing(TensorBoard(tmp_path)) as board:
        train_model(run, tmp_path, settings, listen=board)
    (ours,) = folder.iterdir()
    with SummaryWriter(str(folder)) as theirs:
        theirs.add_scalar("their/loss", 1.0, 0)
    kept = {path.name: path.read_bytes() for path in folder.iterdir() if path != ours}
    assert len(kept) == 1
    train_model(run, tmp_path, settings, overwrite=True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == kept


def test_without_tensorboard_an_error_says_how_to_get_it(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(SettingError, match="tensorboard cannot be used") as caught:
        TensorBoard(tmp_path)
    assert "pip install 'corpuskit[tensorboard]'" in str(caught.value)
    found = CliRunner().invoke(
        cli, ["train", str(run), "--out", str(tmp_path / "m"), "--tensorboard", *OPTIONS]
    )
    assert found.exit_code == 2
    assert not (tmp_path / "m").exists()
