"""`corpuskit finetune`, `predict` and `eval` at a terminal: what is planned, listed, printed and kept."""

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from corpuskit.cli.main import cli
from tests.train.tune.tuning import Run, absent, command, lines, printed, table, talk, tune

ROWS = [f"{word} {n},{label}" for n in range(15) for word, label in (("rain", "bad"), ("sun", "good"))]


@pytest.fixture(scope="module")
def weather(random_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A classifier of the weather, with a tenth of its rows held out."""
    folder = tmp_path_factory.mktemp("weather")
    return tune(
        random_model,
        table(folder / "data.csv", *ROWS),
        folder / "out",
        "classify",
        steps=40,
        learning_rate=3e-3,
    )


@pytest.mark.parametrize(
    ("task", "row"),
    [
        ("classify", None),
        ("instruct", talk("q", "a")),
        ("prefer", {"prompt": "q", "chosen": "a", "rejected": "b"}),
        ("lm", {"text": "some words"}),
        ("tag", {"words": ["Ada", "runs"], "tags": ["B-PER", "O"]}),
    ],
)
def test_a_plan_and_a_configuration_write_nothing(
    unigram: Path, tmp_path: Path, task: str, row: dict[str, object] | None
) -> None:
    data = table(tmp_path / "data.csv", *ROWS) if row is None else lines(tmp_path / "data.jsonl", [row, row])
    before = sorted(tmp_path.iterdir())
    found = printed("finetune", unigram, data, "--task", task, "--steps", 2, "--plan")
    assert found["steps"] == 2
    assert found["task"] == {"lm": "causal"}.get(task, task)
    shown = command("finetune", unigram, data, "--task", task, "--lr", "1e-3", "--print-config")
    assert shown.exit_code == 0, shown.output
    settings = yaml.safe_load(shown.stdout)
    assert settings["learning_rate"] == 1e-3
    assert settings["context"] > 0
    assert sorted(tmp_path.iterdir()) == before


def test_a_plan_says_what_was_found(unigram: Path, tmp_path: Path) -> None:
    data = table(tmp_path / "data.csv", *ROWS)
    found = command("finetune", unigram, data, "--task", "classify", "--lora-rank", 2, "--plan")
    assert found.exit_code == 0, found.output
    said = " ".join(found.output.split())
    assert "labels in 30 rows: bad: 15, good: 15" in said
    assert "27 rows to learn from, 3 rows to measure on" in said


def test_a_configuration_is_a_recipe(unigram: Path, tmp_path: Path) -> None:
    data = table(tmp_path / "data.csv", *ROWS)
    shown = command("finetune", unigram, data, "--task", "classify", "--print-config")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(shown.stdout)
    out = tmp_path / "out"
    options = ("--task", "classify", "--recipe", recipe, "--steps", 2, "--out", out)
    assert printed("finetune", unigram, data, *options)["step"] == 2
    settings = json.loads((out / "model.json").read_text())["training"]["settings"]
    expected = yaml.safe_load(shown.stdout)
    assert {name: settings[name] for name in expected if name not in ("steps", "epochs")} == {
        name: each for name, each in expected.items() if name not in ("steps", "epochs")
    }


def test_all_settings_are_listed() -> None:
    found = command("finetune", "--settings")
    assert found.exit_code == 0
    for line in ("--task classify", "long_texts = start", "beta = 0.1", "lora_rank = 0", "mode = conlleval"):
        assert line in found.output


def test_a_run_says_what_it_found_and_how_to_use_it(unigram: Path, tmp_path: Path) -> None:
    data, out = table(tmp_path / "data.csv", *ROWS), tmp_path / "out"
    found = command(
        "finetune",
        unigram,
        data,
        "--task",
        "classify",
        "--epochs",
        1,
        "--test",
        "0.2",
        "--accumulate",
        2,
        "--batch",
        4,
        "--out",
        out,
    )
    assert found.exit_code == 0, found.output
    said = " ".join(found.output.split())
    for each in (
        "text: column 'text' (1 of 2), by its name",
        "labels in 30 rows",
        "to test on at the end",
        "validation loss",
        "macro f1",
        "on the test split: loss",
        "corpuskit predict",
    ):
        assert each in said, each
    settings = json.loads((out / "model.json").read_text())["training"]["settings"]
    assert (settings["batch_rows"], settings["micro_batch_rows"]) == (8, 4)


def test_predictions_as_a_table_as_json_and_of_lines(weather: Run) -> None:
    found = command("predict", weather.out, "rain 3")
    assert found.exit_code == 0
    [label, share, *text] = found.stdout.split()
    assert (label, text) == ("bad", ["rain", "3"])
    assert 0.5 < float(share) <= 1
    said = CliRunner().invoke(cli, ["predict", str(weather.out), "-", "--json"], input="rain 1\nsun 2\n")
    assert [each["labels"] for each in json.loads(said.stdout)["predictions"]] == [["bad"], ["good"]]
    empty = CliRunner().invoke(cli, ["predict", str(weather.out), "-"], input="")
    assert empty.exit_code == 2
    assert "standard input is empty" in empty.output


def test_scores_of_a_labelled_file_are_printed_and_kept(weather: Run, tmp_path: Path) -> None:
    data = table(tmp_path / "test.csv", "rain 1,bad", "sun 1,good", "sun 2,bad")
    found = command("eval", weather.out, data, "--save", "test")
    assert found.exit_code == 0, found.output
    said = " ".join(found.output.split())
    assert "accuracy" in said
    assert "0.6667" in said
    assert "rows by their label, columns by what was said" in said
    kept = json.loads((weather.out / "evaluations" / "test.json").read_text())
    assert kept["figures"]["test.csv"]["accuracy"]["value"] == pytest.approx(2 / 3)
    assert kept["figures"]["test.csv"]["confusion"] == [[1, 1], [0, 1]]


def test_two_classifiers_are_compared(weather: Run, unigram: Path, tmp_path: Path) -> None:
    data = table(tmp_path / "test.csv", *ROWS)
    other = tune(unigram, data, tmp_path / "other", "classify", steps=1)
    found = printed("eval", weather.out, other.out, data)
    [entry] = found["sets"][0]["comparisons"]
    assert (entry["figure"], entry["items"]) == ("accuracy", 30)
    talked = tune(
        unigram, lines(tmp_path / "a.jsonl", [talk("q", "a")]), tmp_path / "talk", "instruct", steps=1
    )
    refused = command("eval", weather.out, talked.out, data)
    assert refused.exit_code == 2
    assert "models of different tasks" in refused.output


def test_a_tuned_model_is_verified_inspected_and_talked_with(unigram: Path, tmp_path: Path) -> None:
    run = tune(unigram, lines(tmp_path / "a.jsonl", [talk("q", "a")]), tmp_path / "out", "instruct", steps=1)
    for name in ("verify", "inspect"):
        found = command(name, run.out)
        assert found.exit_code == 0, found.output
    said = CliRunner().invoke(cli, ["chat", str(run.out), "--json", "--tokens", "3"], input="q\n")
    assert said.exit_code == 0, said.output
    assert json.loads(said.stdout.splitlines()[-1])["tuned"] is True


def test_paused_and_resumed_at_the_terminal(unigram: Path, tmp_path: Path) -> None:
    data, out = table(tmp_path / "data.csv", *ROWS), tmp_path / "out"
    options = ("finetune", unigram, data, "--task", "classify", "--out", out)
    found = command(*options, "--steps", 4, "--pause-at", 2)
    assert found.exit_code == 0
    assert (
        f"Go on with: corpuskit finetune {unigram} {data} --task classify --out {out} --resume"
        in " ".join(found.output.split())
    )
    assert printed(*options, "--resume")["step"] == 4
    again = command(*options, "--steps", 4)
    assert again.exit_code == 1
    assert "holds a model" in again.output
    assert absent(tmp_path / "elsewhere")
