"""Doing a workflow: what is done stays done, what has changed is done again, what was stopped goes on."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from corpuskit.cli.main import cli
from corpuskit.errors import RunError, SettingError
from corpuskit.train.result import TrainResult
from corpuskit.workflow import training
from corpuskit.workflow.dry_run import dry_run, render
from corpuskit.workflow.file import load_workflow
from corpuskit.workflow.workflow import Done, run_workflow
from tests.workflow.conftest import small_steps

Write = Callable[..., Path]
Steps = list[dict[str, Any]]


def do(path: Path, out: Path, *overrides: str) -> Done:
    return run_workflow(load_workflow(path, out, overrides))


def digests(out: Path) -> dict[str, str]:
    """What the models of a workflow are, file by file, and its results."""
    names = ("model.safetensors", "tokenizer.json", "results.json")
    files = sorted(path for name in names for path in out.glob(f"*/{name}"))
    return {f.relative_to(out).as_posix(): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


@pytest.fixture(scope="module")
def flow(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished workflow in ``out/`` beside ``flow.yaml`` and its corpus. Not to be written into."""
    folder = tmp_path_factory.mktemp("flow")
    shutil.copytree(built / "corpus", folder / "corpus")
    (folder / "flow.yaml").write_text(yaml.safe_dump({"steps": small_steps()}, sort_keys=False))
    do(folder / "flow.yaml", folder / "out")
    return folder


@pytest.fixture
def own(flow: Path, tmp_path: Path) -> Path:
    """A copy of `flow` for one test alone."""
    return Path(shutil.copytree(flow, tmp_path / "flow"))


def test_all_steps_are_done_and_kept_apart(flow: Path) -> None:
    out = flow / "out"
    assert {path.name for path in out.iterdir()} == {
        *("corpus", "base", "tuned", "figures"),
        *("logs", "workflow.json"),
    }
    results = json.loads((out / "figures" / "results.json").read_text())
    [found] = results["sets"]
    assert set(found["models"]) == {"base", "tuned"}
    # The card of a model shows what was measured of it.
    assert (out / "base" / "evaluations" / "figures.json").is_file()
    assert str(flow) not in (out / "workflow.json").read_text()


def test_a_second_call_does_nothing(own: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in (own / "out").rglob("*.safetensors")}
    done = do(own / "flow.yaml", own / "out")
    assert done.done == {}
    assert done.kept == ("corpus", "base", "tuned", "figures")
    assert {p: p.stat().st_mtime_ns for p in (own / "out").rglob("*.safetensors")} == before


@pytest.mark.parametrize(
    ("override", "again"),
    [
        ("figures.stride=8", ["figures"]),
        ("tuned.steps=3", ["tuned", "figures"]),
        ("base.steps=3", ["base", "tuned", "figures"]),
    ],
)
def test_a_changed_setting_redoes_its_step_and_what_follows(
    own: Path, override: str, again: list[str]
) -> None:
    done = do(own / "flow.yaml", own / "out", override)
    assert list(done.done) == again
    assert list(done.kept) == [n for n in ("corpus", "base", "tuned", "figures") if n not in again]
    # And it is what the changed workflow would have made at once.
    assert do(own / "flow.yaml", own / "out", override).done == {}


def test_what_is_redone_is_what_one_call_makes(own: Path, tmp_path: Path) -> None:
    do(own / "flow.yaml", own / "out", "base.steps=3")
    do(own / "flow.yaml", tmp_path / "new", "base.steps=3")
    assert digests(own / "out") == digests(tmp_path / "new")


def test_a_model_that_is_written_over_keeps_no_figures_of_the_one_before(own: Path) -> None:
    kept = own / "out" / "base" / "evaluations"
    shutil.copy(own / "out" / "base" / "model.json", kept / "mine.json")
    text = (own / "flow.yaml").read_text()
    (own / "flow.yaml").write_text(text[: text.index("- eval:")])
    do(own / "flow.yaml", own / "out", "base.steps=3")
    assert [path.name for path in kept.iterdir()] == ["mine.json"]


def test_a_changed_input_redoes_what_reads_it(own: Path) -> None:
    book = own / "corpus" / "books" / "one.txt"
    book.write_text(book.read_text() + "\nOne more line of words that nobody has read before.\n")
    assert list(do(own / "flow.yaml", own / "out").done) == ["corpus", "base", "tuned", "figures"]


def test_a_step_whose_work_was_changed_is_done_again(own: Path) -> None:
    (own / "out" / "tuned" / "model.safetensors").write_bytes(b"damaged")
    planned = dry_run(load_workflow(own / "flow.yaml", own / "out"), plans=False)
    assert [each["state"] for each in planned["steps"]] == ["done", "done", "to do", "after"]
    before = digests(own / "out")
    done = do(own / "flow.yaml", own / "out")
    assert next(iter(done.done)) == "tuned"
    assert digests(own / "out")["base/model.safetensors"] == before["base/model.safetensors"]
    assert do(own / "flow.yaml", own / "out").done == {}


def test_other_words_of_a_data_set_are_other_vectors(own: Path) -> None:
    """The same files, another split of them: the step is done again, and nothing else is."""
    (own / "reviews").mkdir()
    (own / "reviews" / "train.jsonl").write_text('{"said": "one"}\n{"said": "two"}\n')
    (own / "reviews" / "test.jsonl").write_text('{"said": "three"}\n')

    def rows(split: str) -> list[int]:
        data = {"path": "reviews", "split": split, "text": "said"}
        steps = [*small_steps(), {"embed": "vectors", "model": "base", "data": data}]
        (own / "flow.yaml").write_text(yaml.safe_dump({"steps": steps}, sort_keys=False))
        return [facts["rows"] for facts in do(own / "flow.yaml", own / "out").done.values()]

    assert [rows("train"), rows("train"), rows("test")] == [[2], [], [1]]


class Killed(BaseException):
    """What a kill is to a process: nobody catches it."""


@pytest.mark.parametrize("event", ["start", "step", "save"])
@pytest.mark.parametrize("changed", [False, True])
def test_a_killed_training_goes_on_where_it_was(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, event: str, changed: bool
) -> None:
    """Killed at any of these moments, in a new folder or over a model of other settings: the same model."""
    out = own / "out" if changed else tmp_path / "out"
    call = (own / "flow.yaml", out, "base.steps=6", "base.save_every=2")
    from corpuskit.train import run as runs

    real, seen = runs.run, {"count": 0}

    def dies(*words: Any, listen: Any = None, **more: Any) -> TrainResult:
        def hears(told: Any) -> None:
            listen(told)
            if told["event"] == event:
                seen["count"] += 1
                if seen["count"] == (1 if event == "start" else 3):
                    raise Killed

        return real(*words, listen=hears, **more)

    monkeypatch.setattr(runs, "run", dies)
    with pytest.raises(Killed):
        do(*call)
    monkeypatch.setattr(runs, "run", real)
    done = do(*call)
    assert list(done.done) == ["base", "tuned", "figures"]
    straight = tmp_path / "straight"
    do(own / "flow.yaml", straight, *call[2:])
    assert digests(out) == digests(straight)


def test_a_kill_between_the_work_and_its_record_costs_nothing(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from corpuskit.workflow.record import Records

    call = (own / "flow.yaml", own / "out", "tuned.steps=3")
    with monkeypatch.context() as patch:

        def dies(self: Records, name: str, record: Any) -> None:
            raise Killed

        patch.setattr(Records, "finish", dies)
        with pytest.raises(Killed):
            do(*call)
    before = digests(own / "out")["tuned/model.safetensors"]
    assert list(do(*call).done) == ["tuned", "figures"]
    assert digests(own / "out")["tuned/model.safetensors"] == before


def test_a_setting_that_goes_back_after_a_kill_is_not_mixed(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = digests(own / "out")
    with monkeypatch.context() as patch:

        def dies(self: training.Training, step: Any, call: Any) -> dict[str, Any]:
            raise Killed

        patch.setattr(training.Training, "do", dies)
        with pytest.raises(Killed):
            do(own / "flow.yaml", own / "out", "base.steps=3")
    do(own / "flow.yaml", own / "out")
    assert digests(own / "out") == before


def test_stored_answers_and_an_export_are_made_again_of_another_model(own: Path) -> None:
    path = own / "flow.yaml"
    steps = yaml.safe_load(path.read_text())["steps"][:2]
    steps += [
        {"distill": "answers", "teacher": "base", "run": "corpus", "store": True, "top": 3},
        {"distill": "student", "teacher": "answers", "run": "corpus", "layers": 1, "width": 32, "heads": 2}
        | {"context": 16, "steps": 2, "batch_rows": 2},
        {"export": "gift", "from": "base", "to": "torch"},
        {"memorize": "heart", "model": "base", "run": "corpus", "prefix": 8, "next": 4, "windows": 10}
        | {"samples": 1, "tokens": 8},
    ]
    path.write_text(yaml.safe_dump({"steps": steps}, sort_keys=False))
    assert list(do(path, own / "out").done) == ["answers", "student", "gift", "heart"]
    (own / "out" / "gift" / "mine.txt").write_text("mine")
    assert do(path, own / "out").done == {}
    (own / "out" / "gift" / "mine.txt").unlink()
    assert list(do(path, own / "out", "base.steps=3").done) == ["base", "answers", "student", "gift", "heart"]


def test_a_folder_of_others_is_refused_before_any_work(flow: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match=r"notes\.txt"):
        do(flow / "flow.yaml", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["notes.txt"]


def test_the_folder_of_a_step_is_not_taken_from_another_kind(own: Path) -> None:
    text = (own / "flow.yaml").read_text().replace("build: corpus", "build: base0")
    text = text.replace("train: base", "train: corpus").replace("run: corpus", "run: base0")
    text = text.replace("from: base", "from: corpus").replace("data: corpus", "data: base0")
    text = text.replace("  - base\n", "  - corpus\n").replace("  data:\n  - corpus", "  data:\n  - base0")
    (own / "flow.yaml").write_text(text)
    with pytest.raises(SettingError, match="corpus: is a run, and train corpus is to be written there"):
        do(own / "flow.yaml", own / "out")


def test_a_dry_run_shows_the_tree_and_writes_nothing(flow: Path, tmp_path: Path) -> None:
    planned = dry_run(load_workflow(flow / "flow.yaml", tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    assert [each["state"] for each in planned["steps"]] == ["to do", "after", "after", "after"]
    assert planned["steps"][0]["bytes"] > 0
    assert planned["steps"][3]["after"] == ["base", "corpus", "tuned"]
    shown = render(planned)
    assert "train base" in shown
    assert "after corpus" in shown


def test_a_dry_run_plans_a_training_whose_inputs_are_there(flow: Path) -> None:
    told: list[str] = []
    planned = dry_run(load_workflow(flow / "flow.yaml", flow / "out", ["base.steps=500"]), tell=told.append)
    assert told == ["train base: some of its steps are made, to time them"]
    states = {each["name"]: each for each in planned["steps"]}
    assert states["corpus"]["state"] == "done"
    assert states["corpus"]["seconds"] > 0
    assert states["base"]["why"] == "changed: steps"
    assert (states["base"]["steps"], states["base"]["seconds"] > 0) == (500, True)
    assert states["tuned"]["state"] == "after"
    # What waits for it is known by the last time, or by its minutes.
    assert states["tuned"]["before"]
    assert planned["unknown"] == []
    assert "last time" in render(planned)
    new = dry_run(
        load_workflow(flow / "flow.yaml", flow / "new", ["base.minutes=2", "base.steps=null"]), plans=False
    )
    assert [each["seconds"] for each in new["steps"]] == [None, 120.0, None, None]


def test_the_command_says_what_it_does(own: Path) -> None:
    words = ["workflow", str(own / "flow.yaml"), "--out", str(own / "out"), "--json", "--workers", "1"]
    done = CliRunner().invoke(cli, [*words, "--quiet"])
    assert done.exit_code == 0, done.output
    assert done.stderr == ""
    assert json.loads(done.stdout)["kept"] == ["corpus", "base", "tuned", "figures"]
    done = CliRunner().invoke(cli, [*words[:-2], "--set", "figures.stride=8"])
    assert done.exit_code == 0, done.output
    assert list(json.loads(done.stdout)["done"]) == ["figures"]
    assert "[4/4] eval figures (changed: stride)" in done.stderr
    planned = CliRunner().invoke(cli, [*words, "--dry-run", "--set", "figures.stride=8"])
    assert json.loads(planned.stdout)["unknown"] == []
    assert [each["state"] for each in json.loads(planned.stdout)["steps"]] == ["done"] * 4
    wrong = CliRunner().invoke(cli, [*words, "--set", "bas.steps=1"])
    assert wrong.exit_code == 2
    assert json.loads(wrong.stdout)["remedy"] == "Did you mean 'base'?"


def test_an_interrupted_training_ends_with_130_and_goes_on(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal

    from corpuskit.cli.model import training_display

    real = training_display.Display.__call__

    def interrupts(self: Any, event: Any) -> None:
        if event["event"] == "step" and event["step"] == 1:
            signal.raise_signal(signal.SIGINT)
        real(self, event)

    words = ["workflow", str(own / "flow.yaml"), "--out", str(own / "out"), "--set", "base.steps=6"]
    with monkeypatch.context() as patch:
        patch.setattr(training_display.Display, "__call__", interrupts)
        stopped = CliRunner().invoke(cli, [*words, "--json"])
    assert stopped.exit_code == 130, stopped.output
    assert json.loads(stopped.stdout)["stopped"] == "base"
    assert "the same command again" in stopped.stderr
    done = CliRunner().invoke(cli, [*words, "--json"])
    assert done.exit_code == 0, done.output
    assert "[2/4] train base (goes on)" in done.stderr
    do(own / "flow.yaml", own / "straight", "base.steps=6")
    assert digests(own / "out") == digests(own / "straight")


def test_eval_scores_a_classifier_on_labelled_rows(own: Path) -> None:
    rows = [
        {"text": f"{word} {word} number {n}", "label": word} for n in range(12) for word in ("sea", "land")
    ]
    (own / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    steps: Steps = [
        *small_steps()[:2],
        {"finetune": "which", "from": "base", "data": "rows.jsonl", "task": "classify", "steps": 2},
        {"eval": "labels", "models": ["which"], "data": ["rows.jsonl"]},
    ]
    (own / "flow.yaml").write_text(yaml.safe_dump({"steps": steps}, sort_keys=False))
    do(own / "flow.yaml", own / "out2")
    [found] = json.loads((own / "out2" / "labels" / "results.json").read_text())["sets"]
    assert found["kind"] == "labels"
    assert "accuracy" in found["models"]["which"]["members"]["which"]
    steps[-1]["limit"] = 3
    (own / "flow.yaml").write_text(yaml.safe_dump({"steps": steps}, sort_keys=False))
    with pytest.raises(SettingError, match=r"limit.* say nothing of labels"):
        do(own / "flow.yaml", own / "out2")
