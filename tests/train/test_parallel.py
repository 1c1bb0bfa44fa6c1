"""One model trained by several processes is the one that a single process trains, however it is divided.

Losses agree to 1e-5 of themselves after four AdamW steps in float32; with Muon too, whose iteration is of
float32 for matrices as narrow as these.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from corpuskit.errors import SettingError
from corpuskit.train import TrainSettings, train_model
from corpuskit.train.checkpoint import latest_checkpoint, read_state
from corpuskit.train.parallel.parallel import Parallel
from corpuskit.train.parallel.processes import Grid, processes
from tests.train import ranks

ALONE = Grid(torch.device("cpu"))
KINDS = ("decoder", "encoder", "encoder-decoder")

# argv: run, out, settings as JSON, keywords of train_model() as JSON, rank and event to be killed at.
CHILD = """
import json, os, signal, sys
import torch
from corpuskit.train import TrainSettings, train_model
from corpuskit.storage import files
run, out, settings, keywords, killed, at = sys.argv[1:]
torch.set_num_threads(1)
if os.environ["RANK"] == killed:
    real, saves = files.write_durably, []
    def write(path, data):
        saves.append(path)
        if len(saves) == int(at):
            path.write_bytes(data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return real(path, data)
    files.write_durably = write
chosen = TrainSettings.model_validate_json(settings) if settings else None
print(train_model(run, out, chosen, **json.loads(keywords)).validation_loss)
"""


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    for key in ("losses", "measured", "readable"):
        assert found[key] == pytest.approx(expected[key], rel=1e-5), key
    # AdamW divides by the root of what may be nearly nothing: there the last bits of a gradient show, in the
    # norms after a step and in single weights.
    assert found["norms"] == pytest.approx(expected["norms"], rel=1e-4)
    for name, weights in expected["weights"].items():
        apart = (torch.tensor(found["weights"][name]) - torch.tensor(weights)).abs()
        assert float(apart.max()) < 2e-3, name
        assert float((apart > 1e-4).float().mean()) < 2e-3, name


@pytest.mark.parametrize(
    ("size", "tensor", "extras"),
    [
        (2, 1, [{"mode": "ddp"}, {"mode": "fsdp"}]),
        (2, 2, [{}]),
        pytest.param(4, 2, [{"mode": "ddp"}, {"mode": "fsdp"}], marks=pytest.mark.slow),
    ],
    ids=["data", "tensor", "data x tensor"],
)
def test_many_processes_compute_what_one_does(
    size: int, tensor: int, extras: list[dict[str, Any]], tmp_path: Path
) -> None:
    cases = [
        {"kind": kind, "optimizer": optimizer, **extra}
        for kind in KINDS
        for optimizer in ("adamw", "muon")
        for extra in extras
    ]
    special = {"kind": "decoder", "optimizer": "muon", "ema": 0.9, "recompute": True, "micro": 1}
    grouped = {"kv_heads": 2, "norm": "rms", "tie_embeddings": False, "hidden": 42, "activation": "relu2"}
    grouped["head_dim"] = 6
    cases += [{**special, "model": grouped, **extra} for extra in extras]
    learned = {"positions": "learned", "activation": "relu"}
    placed = {"kind": "encoder-decoder", "optimizer": "muon", "model": learned}
    cases += [{**placed, **extra} for extra in extras]
    for case, found in zip(cases, ranks.run_cases(size, tensor, cases, tmp_path), strict=True):
        assert_same(found, ranks.run_case(ALONE, case))


def test_sharded_weights_that_travel_in_bfloat16_train_alike(tmp_path: Path) -> None:
    """To a thousandth: a gradient of 8 bits is summed from other pieces."""
    cases = [
        {"kind": "decoder", "optimizer": "muon", "mode": "fsdp", "bf16": True, "model": {"norm": norm}}
        for norm in ("layer", "rms")
    ]
    for case, found in zip(cases, ranks.run_cases(2, 1, cases, tmp_path), strict=True):
        assert found["losses"] == pytest.approx(ranks.run_case(ALONE, case)["losses"], rel=1e-3)


def test_micro_batches_add_up() -> None:
    case = {"kind": "encoder-decoder", "optimizer": "adamw"}
    assert_same(ranks.run_case(ALONE, {**case, "micro": 1}), ranks.run_case(ALONE, {**case, "micro": 8}))


def test_recomputing_changes_no_bit() -> None:
    case = {"kind": "decoder", "optimizer": "adamw", "model": {"dropout": 0.2}}
    torch.manual_seed(1)
    plain = ranks.run_case(ALONE, case)
    torch.manual_seed(1)
    assert ranks.run_case(ALONE, {**case, "recompute": True}) == plain


def test_rows_are_divided_without_gap_or_overlap() -> None:
    for data in (1, 2, 4):
        grids = [Grid(torch.device("cpu"), data, 2, index) for index in range(2 * data)]
        rows = [row for grid in grids[::2] for row in grid.rows(8)]
        assert rows == list(range(8))
        assert all(grid.rows(8) == other.rows(8) for grid, other in zip(grids[::2], grids[1::2], strict=True))
    with pytest.raises(SettingError, match="batch_rows = 9 is no multiple of the 4 processes") as caught:
        Grid(torch.device("cpu"), 4).rows(9)
    assert "batch_rows=12" in str(caught.value)


def test_what_does_not_divide_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ranks.make_model("decoder", kv_heads=2)
    with pytest.raises(
        SettingError, match=r"tensor_parallel = 3 does not divide decoder\.blocks\.0\.attention"
    ):
        Parallel(model, Grid(torch.device("cpu"), 1, 3), ranks.loss_of)
    monkeypatch.setenv("WORLD_SIZE", "4")
    with (
        pytest.raises(SettingError, match="tensor_parallel = 3 does not divide the number of processes, 4"),
        processes(3),
    ):
        pass


def start_training(
    size: int,
    run: Path,
    out: Path,
    settings: TrainSettings | None,
    killed: tuple[int, int] = (-1, 0),
    expected: int | None = 0,
    **keywords: Any,
) -> list[subprocess.CompletedProcess[str]]:
    chosen = settings.model_dump_json(exclude_unset=True) if settings else ""
    arguments = ["-c", CHILD, str(run), str(out), chosen, json.dumps(keywords), *map(str, killed)]
    return ranks.start(size, arguments, expected=expected)


def losses(out: Path, of: str = "step") -> list[float]:
    lines = (out / "logs" / "train.jsonl").read_text().splitlines()
    return [event["loss"] for line in lines if (event := json.loads(line))["event"] == of]


@pytest.fixture
def shared(small: TrainSettings) -> TrainSettings:
    """Dropout too: a micro-batch has the masks of its rows, whoever computes it."""
    values = {"parallel": "fsdp", "optimizer": "muon", "ema": 0.5, "steps": 8, "micro_batch_rows": 1}
    return small.model_copy(update={**values, "eval_every": 4})


@pytest.mark.slow
def test_runs_of_one_two_and_four_processes_agree_and_take_over_from_each_other(
    run: Path, shared: TrainSettings, tmp_path: Path
) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        whole = train_model(run, tmp_path / "one", shared)
        start_training(2, run, tmp_path / "two", shared)
        # Saved by two, taken over by four, then by one: any number of processes reads what another wrote.
        out = tmp_path / "mixed"
        start_training(2, run, out, shared, pause_at=3)
        folder = latest_checkpoint(out)
        assert folder is not None
        assert sorted(read_state(folder)["sha256"]) == [
            f"{stem}-0000{n}-of-00002.safetensors" for stem in ("model", "optimizer") for n in (0, 1)
        ]
        start_training(4, run, out, None, resume=True, pause_at=6)
        result = train_model(run, out, resume=True)
    finally:
        torch.set_num_threads(threads)
    assert losses(out) == pytest.approx(losses(tmp_path / "one"), rel=1e-5)
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-5)
    assert result.validation_loss == pytest.approx(whole.validation_loss, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_two_processes_write_texts_whole_as_one_does(
    special_run: Path, shared: TrainSettings, tmp_path: Path, parallel: str
) -> None:
    """The documents of sources travel with their rows, of packed ones too."""
    settings = TrainSettings.checked(
        {**shared.given(), "parallel": parallel, "objective": "denoise", "packing": "best_fit"}
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        train_model(special_run, tmp_path / "one", settings)
    finally:
        torch.set_num_threads(threads)
    start_training(2, special_run, tmp_path / "two", settings)
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-5)
    one, two = (losses(tmp_path / out, "validation") for out in ("one", "two"))
    assert len(one) == 2
    assert two == pytest.approx(one, rel=1e-5)


@pytest.mark.slow
def test_three_processes_that_add_in_a_ring_go_on_bit_for_bit(
    run: Path, shared: TrainSettings, tmp_path: Path
) -> None:
    settings = shared.model_copy(update={"parallel": "ddp", "batch_rows": 6})
    start_training(3, run, tmp_path / "whole", settings)
    start_training(3, run, tmp_path / "halves", settings, pause_at=4)
    start_training(3, run, tmp_path / "halves", None, resume=True)
    assert losses(tmp_path / "halves") == losses(tmp_path / "whole")
    weights = [(tmp_path / out / "model.safetensors").read_bytes() for out in ("whole", "halves")]
    assert weights[0] == weights[1]


@pytest.mark.slow
def test_what_divided_matrices_saved_is_taken_over_by_one(
    run: Path, shared: TrainSettings, tmp_path: Path
) -> None:
    settings = shared.model_copy(update={"tensor_parallel": 2})
    start_training(2, run, tmp_path / "m", settings, pause_at=4)
    with pytest.raises(SettingError, match="tensor_parallel"):
        train_model(run, tmp_path / "m", resume=True)
    train_model(run, tmp_path / "m", TrainSettings(tensor_parallel=1), resume=True)
    start_training(2, run, tmp_path / "whole", settings)
    assert losses(tmp_path / "m") == pytest.approx(losses(tmp_path / "whole"), rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("writes", [3, 4, 5])
def test_a_process_killed_during_a_save_ends_all_and_leaves_the_checkpoint_before(
    run: Path, shared: TrainSettings, tmp_path: Path, writes: int
) -> None:
    settings = shared.model_copy(update={"save_every": 3})
    done = start_training(2, run, tmp_path / "m", settings, killed=(1, writes), expected=None)
    assert done[1].returncode == -signal.SIGKILL
    assert done[0].returncode == 1
    assert "another process of the 2 that train together has ended" in done[0].stderr
    folder = latest_checkpoint(tmp_path / "m")
    assert folder is not None
    # The second process writes two files at each save, which are after 0, 3 and 6 steps.
    assert read_state(folder)["step"] == 3 * ((writes - 1) // 2 - 1)
    start_training(2, run, tmp_path / "m", None, resume=True)
    start_training(2, run, tmp_path / "whole", settings)
    assert losses(tmp_path / "m") == losses(tmp_path / "whole")


def test_torchrun_trains_from_the_command_line(run: Path, shared: TrainSettings, tmp_path: Path) -> None:
    options = [f"--set={name}={value}" for name, value in shared.given().items() if name != "steps"]
    call = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "corpuskit", "train"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *call, str(run), f"--out={tmp_path / 'm'}", "--steps=4", "--json", *options],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["step"] == 4
    assert done.stderr.count("Stopped at step 4: done.") == 1


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{"parallel": "fsdp"}, {"tensor_parallel": 2, "precision": "bf16"}])
def test_several_processes_resume_bit_for_bit(
    run: Path, shared: TrainSettings, tmp_path: Path, changes: dict[str, Any]
) -> None:
    values = {**shared.given(), **changes}
    options = [f"--set={name}={value}" for name, value in values.items()]
    call = ["-m", "corpuskit", "train", str(run), f"--out={tmp_path / 'm'}", "--verify-resume", *options]
    first, second = ranks.start(2, call)
    assert "4 + 4 with a resume between them leave the same" in first.stdout
    assert second.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_fault_of_one_process_ends_all(run: Path, shared: TrainSettings, tmp_path: Path) -> None:
    """The second process alone meets an error; the first, which waits in an exchange, ends too."""
    fault = """
import os
from corpuskit.train import loop
if os.environ["RANK"] == "1":
    real = loop.train_step
    def step(job, step, rate, batch):
        if step == 2:
            raise ValueError("the disk of this process is on fire")
        return real(job, step, rate, batch)
    loop.train_step = step
"""
    settings = shared.model_dump_json(exclude_unset=True)
    arguments = ["-c", fault + CHILD, str(run), str(tmp_path / "m"), settings, "{}", "-1", "0"]
    first, second = ranks.start(2, arguments, expected=None)
    assert (first.returncode, second.returncode) == (1, 1)
    assert "the disk of this process is on fire" in second.stderr
    assert "another process of the 2 that train together has ended" in first.stderr


@pytest.mark.parametrize("tensor", [1, 2])
def test_a_model_that_is_filled_when_it_is_sharded_is_the_same(tensor: int, tmp_path: Path) -> None:
    """To the last bit, of every kind: no process ever holds the whole."""
    usual = [{"kind": kind, "optimizer": "muon", "mode": "fsdp"} for kind in KINDS]
    empty = [case | {"empty": True} for case in usual]
    found = ranks.run_cases(2 * tensor, tensor, [*usual, *empty], tmp_path)
    assert found[: len(usual)] == found[len(usual) :]
