"""`corpuskit train` and `corpuskit sample`: exit codes, one JSON object, help without torch."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from corpuskit.cli.corpus.inspect import command as inspect
from corpuskit.cli.corpus.verify import command as verify
from corpuskit.cli.model.sample import command as sample
from corpuskit.cli.model.train import command as train
from corpuskit.cli.terminal import plain
from corpuskit.storage.ownership import EXPORT, FETCHED, RUN, Kind
from corpuskit.train import TrainSettings, loop, train_model
from corpuskit.train.evaluate.loss import Evaluator, Metrics
from corpuskit.train.tasks.task import Tensors

SHAPE = ["layers=2", "width=32", "heads=2", "context=16", "batch-rows=4", "precision=fp32", "eval_every=5"]
OPTIONS = [part for assignment in SHAPE for part in ("--set", assignment)]


def call(command: object, *arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])  # type: ignore[arg-type]
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def model(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("commands") / "model"
    code, stdout, stderr = call(train, run, "--out", out, "--steps", 10, *OPTIONS)
    assert code == 0
    assert "validation loss" in stdout
    assert "step     10  train" in stderr
    return out


@pytest.mark.parametrize("command", [train, sample])
def test_help_has_an_example(command: object) -> None:
    code, stdout, _ = call(command, "--help")
    assert code == 0
    assert f"corpuskit {'train' if command is train else 'sample'} " in stdout


def test_inspect_shows_a_model(model: Path) -> None:
    code, stdout, _ = call(inspect, model)
    assert code == 0
    assert "a decoder of 2 layers 32 wide, 2 heads, context 16" in stdout
    assert "causal, 10 of 10 steps" in stdout
    facts = json.loads(call(inspect, model, "--json")[1])
    assert facts["training"]["reason"] == "done"
    assert [event["step"] for event in facts["validations"]] == [5, 10]
    assert f"validation loss {facts['training']['validation_loss']:.4f}" in stdout
    assert facts["checkpoints"][-1] == "step-00000010"
    assert facts["parameters"] > 10_000


def test_inspect_of_a_model_that_is_damaged_or_under_way(model: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "model"))
    with open(folder / "logs" / "train.jsonl", "a") as log:
        log.write('{"event": "validation", "st')
    document = json.loads((folder / "model.json").read_text())
    for name in ("step", "validation_loss", "reason"):
        del document["training"][name]
    (folder / "model.json").write_text(json.dumps(document))
    code, stdout, _ = call(inspect, folder)
    assert (code, "training has not ended" in stdout) == (0, True)
    (folder / "model.json").write_text('{"model": 3}')
    code, _, stderr = call(inspect, folder)
    assert (code, f"{folder / 'model.json'} does not describe a model" in stderr) == (1, True)


def test_help_does_not_load_torch() -> None:
    modules = ", ".join(f"corpuskit.cli.{name}" for name in ("model.train", "model.sample", "corpus.inspect"))
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0


def test_json_is_one_object_and_quiet_is_quiet(run: Path, tmp_path: Path) -> None:
    code, stdout, stderr = call(
        train, run, "--out", tmp_path / "m", "--steps", 4, *OPTIONS, "--json", "--quiet"
    )
    result = json.loads(stdout)
    assert (code, result["reason"], result["step"], result["out"], stderr) == (
        0,
        "done",
        4,
        str(tmp_path / "m"),
        "",
    )


def test_json_has_null_for_what_is_infinite(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A validation loss of 710 is a perplexity that no float holds."""
    monkeypatch.setattr(Evaluator, "evaluate", lambda *_: Metrics(7100.0, 10, 5000))
    code, stdout, _ = call(train, run, "--out", tmp_path / "m", "--steps", 5, *OPTIONS, "--json")
    documents = [stdout, (tmp_path / "m" / "model.json").read_text()]
    documents += (tmp_path / "m" / "logs" / "train.jsonl").read_text().splitlines()
    assert code == 0
    for text in documents:
        json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    result = json.loads(stdout)
    assert (result["validation_loss"], result["perplexity"]) == (710.0, None)


def test_pause_and_resume(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "m"
    code, _, stderr = call(train, run, "--out", out, "--steps", 6, "--pause-at", 3, *OPTIONS)
    assert code == 0
    assert f"Go on with: corpuskit train {run} --out {out} --resume" in stderr
    code, stdout, _ = call(train, run, "--out", out, "--resume", "--json")
    assert (code, json.loads(stdout)["step"]) == (0, 6)


def test_interruption_saves_and_exits_with_130(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = loop.train_step

    def interrupted(learner: loop.Learner, step: int, rate: float, batch: Tensors) -> object:
        if step == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return real(learner, step, rate, batch)

    monkeypatch.setattr(loop, "train_step", interrupted)
    code, stdout, stderr = call(train, run, "--out", tmp_path / "m", "--steps", 9, *OPTIONS, "--json")
    assert code == 130
    assert json.loads(stdout)["reason"] == "interrupted"
    assert "--resume" in stderr
    assert (tmp_path / "m" / "checkpoints" / "latest").read_text() == "step-00000003"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--set", "dropuot=0.1"], 2, "Did you mean 'dropout'?"),
        (["--set", "dropout"], 2, "--set dropout is not NAME=VALUE"),
        (["--set", "width=31"], 2, "width 31 must be a multiple"),
        (["--steps", "3", "--minutes", "1"], 2, "exclude each other"),
        (["--size", "huge"], 2, "'huge' is not one of"),
    ],
)
def test_wrong_calls_exit_with_2(
    run: Path, tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    found, _, stderr = call(train, run, "--out", tmp_path / "m", *arguments)
    assert found == code
    assert words in stderr
    assert not (tmp_path / "m").exists()


def test_a_paused_run_does_not_speak_of_the_whole_split(run: Path, tmp_path: Path) -> None:
    paused = ("--steps", 9, "--pause-at", 4, "--set", "eval_every=2")
    code, stdout, _ = call(train, run, "--out", tmp_path / "m", *OPTIONS, *paused)
    assert code == 0
    assert "on what is measured meanwhile (weights of step 4)" in stdout


def test_all_settings_are_listed() -> None:
    code, stdout, _ = call(train, "--settings")
    assert code == 0
    assert "save_every = (chosen)\n" in stdout
    assert "optimizer = muon\n" in stdout
    assert "mask_rate: share of the positions" in stdout


@pytest.mark.parametrize("objective", ["masked", "spans", "denoise"])
def test_that_a_model_fills_gaps_is_told(special_run: Path, tmp_path: Path, objective: str) -> None:
    learns = ("--set", f"objective={objective}")
    code, stdout, _ = call(train, special_run, "--out", tmp_path / "m", "--steps", 2, *OPTIONS, *learns)
    assert code == 0
    assert f'fill gaps with it: corpuskit sample {tmp_path / "m"} --fill "... <mask> ..."' in stdout


def test_failures_exit_with_1_and_say_so_in_json(run: Path, model: Path, tmp_path: Path) -> None:
    code, stdout, stderr = call(train, run, "--out", model, "--json", "--quiet")
    assert (code, json.loads(stdout)["error"]) == (1, "TrainError")
    assert "holds a model" in stderr
    code, stdout, _ = call(sample, tmp_path, "--json")
    assert (code, json.loads(stdout)["error"]) == (1, "TrainError")


def test_sample_is_reproducible_data(model: Path) -> None:
    arguments = (model, "--prompt", "The", "--tokens", 12, "--seed", 3, "--count", 2)
    code, stdout, stderr = call(sample, *arguments)
    assert (code, stderr) == (0, "")
    assert stdout == call(sample, *arguments)[1]
    result = json.loads(call(sample, *arguments, "--json")[1])
    assert plain("\n\n---\n\n".join(each["text"] for each in result["samples"])) + "\n" == stdout
    assert all(each["text"].startswith("The") and each["tokens"] <= 12 for each in result["samples"])
    assert call(sample, model, "--temperature", -1)[0] == 2
    # One text is shown while it is written: the same bytes.
    alone = call(sample, *arguments[:-2])[1]
    assert alone == plain(result["samples"][0]["text"]) + "\n"


def test_many_prompts_of_options_files_and_standard_input(model: Path, tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("Nobody\n\nMy aunt\n")
    options = ["--tokens", "8", "--min-p", "0.01", "--batch", "2", "--json"]
    words = [model, "--prompt", "The", "--prompt", "-", "--prompts", tmp_path / "prompts.txt", *options]
    found = CliRunner().invoke(sample, [str(word) for word in words], input="A sailor\nfound")
    samples = json.loads(found.stdout)["samples"]
    prompts = ["The", "A sailor\nfound", "Nobody", "My aunt"]
    assert [each["prompt"] for each in samples] == prompts
    for prompt, each in zip(prompts, samples, strict=True):
        alone = json.loads(call(sample, model, "--prompt", prompt, *options)[1])["samples"]
        assert alone == [each]
        assert each["text"].startswith(prompt)
    piped = CliRunner().invoke(sample, [str(model), "--prompts", "-", *options], input="The\nNobody\n")
    assert [each["prompt"] for each in json.loads(piped.stdout)["samples"]] == ["The", "Nobody"]


def test_a_stop_string_ends_the_text(model: Path) -> None:
    asked = (model, "--prompt", "The", "--tokens", 40, "--json")
    whole = json.loads(call(sample, *asked)[1])["samples"][0]["text"]
    stop = whole[10:13]
    cut = json.loads(call(sample, *asked, "--stop", stop, "--stop", "@@@")[1])["samples"][0]["text"]
    assert cut == whole[: whole.index(stop, 3)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fill", "a <mask>", "--prompt", "b"], "exclude each other"),
        (["--fill", "a <mask>"], "is a decoder, not an encoder"),
        (["--prompts", "nowhere.txt"], "nowhere.txt cannot be read"),
        (["--stop", ""], "stop holds an empty string"),
        (["--min-p", "2"], "min_p = 2.0 is not in"),
    ],
)
def test_wrong_samples_exit_with_2(model: Path, arguments: list[str], words: str) -> None:
    code, _, stderr = call(sample, model, *arguments)
    assert code == 2
    assert words in stderr


def test_a_folder_without_shards_is_told_apart_from_no_run(tmp_path: Path) -> None:
    nothing = CliRunner().invoke(train, [str(tmp_path / "nowhere"), "--out", str(tmp_path / "m")])
    assert nothing.exit_code == 1
    assert "not a run folder" in nothing.stderr
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text('{"format": 1}')
    begun = CliRunner().invoke(train, [str(tmp_path / "run"), "--out", str(tmp_path / "m")])
    assert begun.exit_code == 1
    assert "holds no shards" in begun.stderr


@pytest.mark.parametrize(
    ("last", "resume", "said", "helps"),
    [
        ("Saver", False, "holds no model yet: a training has begun", "call the same `corpuskit train` again"),
        ("write_model_document", True, "holds no model.json", "Go on with `corpuskit train --resume`"),
    ],
    ids=["before", "after"],
)
@pytest.mark.parametrize("command", [verify, inspect, sample])
def test_a_training_that_died_beside_its_first_checkpoint_is_told(
    command: click.Command,
    last: str,
    resume: bool,
    said: str,
    helps: str,
    run: Path,
    small: TrainSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And what the message says helps."""
    out = tmp_path / "model"

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"corpuskit.train.run.{last}", die)
    with pytest.raises(KeyboardInterrupt):
        train_model(run, out, small)
    monkeypatch.undo()
    code, stdout, stderr = call(command, out)
    assert code == 1
    assert f"{out} {said}" in stdout + stderr
    assert helps in stdout + stderr
    assert train_model(run, out, None if resume else small, resume=resume).reason == "done"
    assert call(verify, out)[0] == 0


@pytest.mark.parametrize("command", [verify, inspect])
def test_a_build_that_died_as_it_began_is_told(command: click.Command, tmp_path: Path) -> None:
    lock = tmp_path / "run" / RUN.lock
    lock.parent.mkdir(parents=True)
    lock.write_text('{"writes": "run"}')
    code, _, stderr = call(command, tmp_path / "run")
    assert code == 1
    assert "a build has begun here, but there is no run.json" in stderr
    assert "call the same `corpuskit build` again" in stderr


@pytest.mark.parametrize(
    ("command", "mark", "said"),
    [
        (verify, FETCHED, "not a run folder: it is a folder of fetched files"),
        (inspect, EXPORT, "not a run folder: it is an exported model"),
        (sample, RUN, "holds no model.json: it is a run"),
    ],
)
def test_another_kind_of_folder_is_called_by_its_name(
    command: click.Command, mark: Kind, said: str, tmp_path: Path
) -> None:
    (tmp_path / mark.mark).write_text(json.dumps(dict.fromkeys(mark.keys)))
    code, _, stderr = call(command, tmp_path)
    assert code == 1
    assert said in stderr
