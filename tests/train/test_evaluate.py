"""`corpuskit eval`: exact figures of models that are known, side by side, kept; and every bad call named."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from corpuskit.cli.model.evaluate import command
from corpuskit.storage.files import read_sealed, seal
from corpuskit.storage.ownership import MODEL, kind_of_folder
from tests.tiny_models import make_model
from tests.train.conftest import write_run

TEXT = "more words to read."
QUESTIONS = [
    {"question": "Q1: ", "choices": ["cat", "dog"], "answer": 0},
    {"question": "Q2: ", "choices": ["ZZZ", "e"], "answer": 1},
    {"question": "Q3: ", "choices": ["e", "ZZZ"], "answer": 1},
]


@pytest.fixture
def models(tmp_path: Path) -> dict[str, Path]:
    """A unigram model, one that knows nothing, and two of other weights."""
    kinds: dict[str, dict[str, Any]] = {
        "unigram": {},
        "uniform": {"kind": "uniform"},
        "seed1": {"weights": {"e": 16}},
        "seed2": {"weights": {"e": 4}},
    }
    return {name: make_model(tmp_path / name, **options) for name, options in kinds.items()}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "text.txt").write_text(TEXT)
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in QUESTIONS))
    (tmp_path / "task.yaml").write_text(
        'data: rows.jsonl\nprompt: "{question}"\nchoices: choices\ngold: answer\nname: q\n'
    )
    return {name: tmp_path / name for name in ("text.txt", "rows.jsonl", "task.yaml")}


def call(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def found(*arguments: object) -> dict[str, Any]:
    code, stdout, stderr = call(*arguments, "--json")
    assert code == 0, stderr
    return json.loads(stdout)  # type: ignore[no-any-return]


def test_a_text_and_a_task_are_measured_in_one_call(models: dict[str, Path], files: dict[str, Path]) -> None:
    data = found(models["unigram"], files["text.txt"], files["task.yaml"], "--items")
    texts, task = data["sets"]
    name = str(models["unigram"])
    figures = texts["models"][name]["members"][name]
    assert (figures["tokens"], figures["loss"]) == (19, pytest.approx(4.2710, abs=1e-4))
    figures = task["models"][name]["members"][name]
    assert (task["set"], task["kind"], figures["items"]) == ("q", "choice", 3)
    assert figures["acc"]["value"] == pytest.approx(2 / 3)
    assert figures["ties"] == 1, "cat and dog cost alike, of which the first is right"
    [first, second, _] = data["items"][name]["q"]
    assert (first["said"], second["gold"]) == ("cat", "e")
    assert len(first["log_likelihoods"]) == 2
    assert first["place"].endswith("rows.jsonl line 1")


def test_models_stand_side_by_side_with_their_tests(models: dict[str, Path], files: dict[str, Path]) -> None:
    arguments = [models["unigram"], models["uniform"], files["text.txt"], files["rows.jsonl"]]
    code, stdout, _ = call(*arguments)
    assert code == 0
    assert "by paired bootstrap over 3 items" in stdout
    assert "by the sign test" in stdout
    assert "6.1618" in stdout
    assert "8.0279" in stdout
    texts, questions = found(*arguments)["sets"]
    assert texts["comparisons"] == [], "one text says nothing of others"
    [acc, acc_norm] = questions["comparisons"]
    assert (acc["figure"], acc["against"], acc["items"]) == ("acc", str(models["unigram"]), 3)
    assert acc["test"] == "paired bootstrap"
    assert acc["difference"] == 0
    assert acc["sign_test_p"] == acc["p"] == 1
    assert acc_norm["figure"] == "acc_norm"


def test_seeds_given_as_a_group_have_a_spread(models: dict[str, Path], files: dict[str, Path]) -> None:
    group = f"seeds={models['seed1']},{models['seed2']}"
    data = found(models["unigram"], "--group", group, files["text.txt"])
    [texts] = data["sets"]
    assert list(texts["models"]) == [str(models["unigram"]), "seeds"]
    members = texts["models"]["seeds"]["members"].values()
    bits = [member["bits_per_byte"] for member in members]
    spread = texts["models"]["seeds"]["summary"]["bits_per_byte"]
    assert spread["mean"] == pytest.approx(sum(bits) / 2)
    assert spread["spread"] == pytest.approx(abs(bits[0] - bits[1]) / 2**0.5)
    code, stdout, _ = call(models["unigram"], "--group", group, files["text.txt"])
    assert code == 0
    assert f"{spread['mean']:.4f} ± {spread['spread']:.4f}" in stdout


def test_what_is_kept_is_whole_and_lies_in_the_model(models: dict[str, Path], files: dict[str, Path]) -> None:
    model = models["unigram"]
    for _ in range(2):  # The second replaces the first.
        code, _, stderr = call(model, files["task.yaml"], files["text.txt"], "--save", "first")
        assert code == 0
        assert "kept as" in stderr
    kept = read_sealed(model / "evaluations" / "first.json")
    assert set(kept["figures"]) == {"q", "text.txt"}
    assert kept["what"] == "3 questions of task.yaml; 1 text of 1 file"
    assert kept["figures"]["q"]["kind"] == "choice"
    assert json.loads((model / "evaluations" / "first.json").read_text()) == seal(kept)
    assert kind_of_folder(model) is MODEL
    assert MODEL.inside.fullmatch("evaluations")
    assert not (models["uniform"] / "evaluations").exists()


def test_lines_that_stand_in_training_documents_are_named(models: dict[str, Path], tmp_path: Path) -> None:
    words = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    run = write_run(tmp_path / "run", {"train": [["Hills."], [f"Waves: {words}."]], "validation": [["x"]]})
    twelve = " ".join(words.split()[:12])
    lines = [f"x {twelve} y", f"z {words[4:]} w", "one two three"]
    task = tmp_path / "lines.jsonl"
    task.write_text("".join(json.dumps({"text": line}) + "\n" for line in lines))
    data = found(models["unigram"], task, "--run", run)["contamination"]
    assert (data["texts"], data["too_short"], data["documents"]) == (3, 1, 2)
    [shared] = data["shared"]
    assert shared["place"] == f"{task} line 2"
    assert shared["document"] == "train-00001 sequence 0"
    code, stdout, _ = call(models["unigram"], task, "--run", run)
    assert code == 0
    assert "1 text of 3 share 13 words in a row with one of the 2 training documents" in stdout
    assert "too short: 1" in stdout


def test_sets_of_one_name_are_told_apart(models: dict[str, Path], tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "text.txt").write_text(TEXT)
    paths = [tmp_path / name / "text.txt" for name in ("a", "b")]
    assert [each["set"] for each in found(models["unigram"], *paths)["sets"]] == list(map(str, paths))
    assert found(models["unigram"], *paths[:1])["sets"][0]["set"] == "text.txt"
    code, _, stderr = call(models["unigram"], paths[0], paths[0])
    assert (code, "is given twice" in stderr) == (2, True)


def test_what_cannot_be_measured_is_named_before_any_work(
    models: dict[str, Path], files: dict[str, Path], tmp_path: Path, run: Path
) -> None:
    model, text = models["unigram"], files["text.txt"]
    encoder = tmp_path / "encoder"
    encoder.mkdir()
    document = read_sealed(model / "model.json")
    document["model"]["kind"] = "encoder"
    (encoder / "model.json").write_text(json.dumps(document))
    (encoder / "model.safetensors").write_bytes(b"")
    empty = tmp_path / "weightless"
    empty.mkdir()
    (empty / "model.json").write_bytes((model / "model.json").read_bytes())
    bad = {
        (text,): "no model is named",
        (model,): "nothing to measure on",
        (model, tmp_path / "gone.txt"): "gone.txt is not there",
        (model, run): "has another tokenizer than",
        (encoder, text): "is an encoder, and what is measured here needs a decoder",
        (empty, text): "model.safetensors is not there",
        (model, model, text): "is given twice",
        (model, text, "--stride", 129): "stride = 129 does not lie between 1 and the context",
        (model, text, "--group", "a"): "names no models",
        (model, text, "--group", f"a={tmp_path / 'none'}"): "holds no model.json",
        (model, text, "--save", "a/b"): "is no name of a file",
        (model, text, "--run", tmp_path): "is no finished run",
    }
    for arguments, said in bad.items():
        code, stdout, stderr = call(*arguments)
        assert code in (1, 2), arguments
        assert said in stderr, (arguments, stderr)
        assert "\n  " in stderr, "a remedy follows"
        assert stdout == ""
    assert not (model / "evaluations").exists()


def test_help_has_an_example_and_json_tells_errors(tmp_path: Path) -> None:
    code, stdout, _ = call("--help")
    assert code == 0
    assert "corpuskit eval models/sample runs/sample" in stdout
    code, stdout, _ = call(tmp_path / "gone", "--json")
    assert code == 2
    assert json.loads(stdout)["error"] == "SettingError"
