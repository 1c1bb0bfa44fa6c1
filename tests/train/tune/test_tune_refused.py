"""What cannot be done is said before any work: the thing, its value and a remedy; nothing is left behind."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from corpuskit.errors import CorpuskitError
from corpuskit.train import LanguageModel, TrainSettings, train_model
from tests.train.conftest import MakeRun
from tests.train.tune.tuning import absent, command, lines, refusal, table, talk, tune


def rows(path: Path) -> Path:
    return table(path, "a b,x", "c d,y", "e f,x", "g h,y")


def plain(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


Case = tuple[str, Callable[[Path], Path], dict[str, Any], tuple[str, ...]]

CASES: dict[str, Case] = {
    "missing-column": (
        "classify",
        lambda d: rows(d / "a.csv"),
        {"text": "txet"},
        ("txet", "Did you mean 'text'?"),
    ),
    "no-label-column": (
        "classify",
        lambda d: lines(d / "a.jsonl", [{"text": "a", "colour": "x"}] * 2),
        {},
        ("no column for the label", "colour"),
    ),
    "one-column-for-two": (
        "classify",
        lambda d: rows(d / "a.csv"),
        {"text": "label", "label": "label"},
        ("label",),
    ),
    "number-out-of-range": ("classify", lambda d: rows(d / "a.csv"), {"label": "9"}, ("'9'", "label")),
    "empty-label": (
        "classify",
        lambda d: table(d / "a.csv", "a,x", "b,", "c,y"),
        {},
        ("column 'label' is empty in 1 row", "row 2", "several labels or none"),
    ),
    "one-class": ("classify", lambda d: table(d / "a.csv", "a,x", "b,x"), {}, ("one label, 'x', in 2 rows",)),
    "lists-as-labels": (
        "classify",
        lambda d: lines(d / "a.jsonl", [{"text": "a", "label": ["x", "y"]}, {"text": "b", "label": ["x"]}]),
        {},
        ("holds lists", "several labels"),
    ),
    "a-class-that-is-held-out": (
        "classify",
        lambda d: table(d / "a.csv", *[f"t {n},x" for n in range(9)], "lonely,y"),
        {"validation": "0.9"},
        ("label", "held-out rows alone", "split_seed"),
    ),
    "wrong-delimiter": (
        "classify",
        lambda d: rows(d / "a.csv"),
        {"delimiter": ";"},
        ("text,label", "delimiter"),
    ),
    "empty-file": ("classify", lambda d: plain(d / "a.csv", ""), {}, ("a.csv",)),
    "header-alone": ("classify", lambda d: plain(d / "a.csv", "text,label\n"), {}, ("a.csv", "no row")),
    "no-file": ("classify", lambda d: d / "nothing.csv", {}, ("nothing.csv",)),
    "no-table": ("classify", lambda d: plain(d / "a.pdf", "%PDF-1.4\n"), {}, ("a.pdf",)),
    "no-held-out-file": ("classify", lambda d: rows(d / "a.csv"), {"validation": "dev.csv"}, ("dev.csv",)),
    "all-held-out": ("classify", lambda d: rows(d / "a.csv"), {"validation": "1.5"}, ("1.5",)),
    "steps-and-minutes": (
        "classify",
        lambda d: rows(d / "a.csv"),
        {"steps": 2, "minutes": 1.0},
        ("steps = 2 and minutes = 1 exclude each other",),
    ),
    "a-longer-context": (
        "classify",
        lambda d: rows(d / "a.csv"),
        {"context": 4096},
        ("context = 4096", "128 tokens"),
    ),
    "a-batch-in-parts": (
        "classify",
        lambda d: rows(d / "a.csv"),
        {"batch_rows": 4, "micro_batch_rows": 3},
        ("batch_rows = 4 is no multiple of micro_batch_rows = 3",),
    ),
    "no-figure": ("classify", lambda d: rows(d / "a.csv"), {"choose": "acuracy"}, ("acuracy", "'accuracy'")),
    "first-of-a-decoder": (
        "classify",
        lambda d: rows(d / "a.csv"),
        {"pooling": "first"},
        ("pooling", "first"),
    ),
    "no-target-of-adapters": (
        "classify",
        lambda d: rows(d / "a.csv"),
        {"lora_rank": 2, "lora_targets": ("query",)},
        ("query",),
    ),
    "no-answers": (
        "instruct",
        lambda d: lines(d / "a.jsonl", [talk("one"), talk("two")]),
        {},
        ("no conversation can be used", "no answer to anything"),
    ),
    "no-conversations": ("instruct", lambda d: rows(d / "a.csv"), {}, ("text", "label", "messages")),
    "role-that-nobody-knows": (
        "instruct",
        lambda d: lines(d / "a.jsonl", [{"messages": [{"role": "wizard", "content": "x"}]}]),
        {},
        ("role 'wizard' is not known",),
    ),
    "no-pairs": ("prefer", lambda d: lines(d / "a.jsonl", [talk("a", "b")]), {}, ("chosen", "messages")),
    "a-pair-that-is-too-long": (
        "prefer",
        lambda d: lines(d / "a.jsonl", [{"prompt": "p" * 200, "chosen": "a", "rejected": "b"}]),
        {},
        ("no pair fits the context of 128 tokens",),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_said_before_any_work(unigram: Path, tmp_path: Path, name: str) -> None:
    task, make, values, said = CASES[name]
    data, out = make(tmp_path), tmp_path / "out"
    with pytest.raises(CorpuskitError) as refused:
        tune(unigram, data, out, task, **({} if "steps" in values else {"steps": 1}), **values)
    message = str(refused.value)
    for each in said:
        assert each in message, message
    assert refused.value.remedy
    assert absent(out)


def test_names_of_settings_are_known(unigram: Path, tmp_path: Path) -> None:
    data, out = rows(tmp_path / "a.csv"), tmp_path / "out"
    options = ("finetune", unigram, data, "--task", "classify", "--out", out, "--set")
    assert "Did you mean 'label_smoothing'?" in refusal(command(*options, "label_smoothin=0.1"))
    assert "label_smoothing" in refusal(command(*options, "label_smoothing=2"))
    assert "is not NAME=VALUE" in refusal(command(*options, "label_smoothing"))
    # A setting of another task is none of this one.
    assert "beta is not a training setting" in refusal(command(*options, "beta=0.2"))
    assert "--out" in refusal(command("finetune", unigram, data, "--task", "classify"))
    assert absent(out)


def test_options_that_a_task_has_not_are_refused(unigram: Path, tmp_path: Path) -> None:
    data, out = lines(tmp_path / "a.jsonl", [talk("a", "b")]), tmp_path / "out"
    said = refusal(command("finetune", unigram, data, "--task", "instruct", "--label", "x", "--out", out))
    assert "label is not a training setting" in said
    assert absent(out)


def test_empty_and_huge_texts(unigram: Path, tmp_path: Path) -> None:
    """Empty ones are left out and counted; one as long as a book is cut like any long one, and told."""
    huge = "a word and " * 200_000
    data = lines(
        tmp_path / "a.jsonl",
        [
            {"text": "", "label": "x"},
            {"text": huge, "label": "x"},
            {"text": "b", "label": "y"},
            {"text": None, "label": "y"},
        ],
    )
    run = tune(unigram, data, tmp_path / "out", "classify", steps=1)
    assert "1 row left out: the text is empty (a.jsonl row 1 (line 1))" in run.told
    assert "1 row left out: there is no text (a.jsonl row 4 (line 4))" in run.told
    assert "a text of 1,048,576 characters or more in column 'text'" in run.told
    assert "1 text of 2 longer than the context of 128 tokens; of each is kept: start" in run.told


def test_an_encoder_is_not_asked_to_talk(tmp_path: Path, make_run: MakeRun) -> None:
    settings = TrainSettings(
        objective="masked", layers=1, width=32, heads=2, context=32, batch_rows=4, steps=2
    )
    from corpuskit.tokenizer.special import SPECIAL_TOKENS

    model = train_model(make_run(documents=9, specials=SPECIAL_TOKENS), tmp_path / "encoder", settings).out
    for task, row in (
        ("instruct", talk("a", "b")),
        ("prefer", {"prompt": "a", "chosen": "b", "rejected": "c"}),
    ):
        data = lines(tmp_path / f"{task}.jsonl", [row])
        said = refusal(command("finetune", model, data, "--task", task, "--out", tmp_path / "out"))
        assert "this model is an encoder: it cannot be taught to talk" in said
        assert absent(tmp_path / "out")
    assert "encoder" in refusal(command("chat", model))
    # But it can be taught labels, by the mean of what it read.
    run = tune(model, rows(tmp_path / "a.csv"), tmp_path / "labels", "classify", steps=1)
    assert run.document["tuned"]["pooling"] is None


def test_a_model_is_not_written_over_itself(unigram: Path, tmp_path: Path) -> None:
    said = refusal(
        command(
            "finetune",
            unigram,
            rows(tmp_path / "a.csv"),
            "--task",
            "classify",
            "--out",
            unigram,
            "--overwrite",
        )
    )
    assert "is --out itself" in said
    assert LanguageModel.load(unigram).document["model"]["classes"] == 0


def test_what_is_no_model_is_not_begun_with(tmp_path: Path) -> None:
    data = rows(tmp_path / "a.csv")
    said = refusal(
        command("finetune", tmp_path / "none", data, "--task", "classify", "--out", tmp_path / "out")
    )
    assert "none" in said
    assert absent(tmp_path / "out")


def test_other_folders_are_left_alone(unigram: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.tex").write_text("mine")
    data = rows(tmp_path / "a.csv")
    refusal(command("finetune", unigram, data, "--task", "classify", "--steps", 1, "--out", out))
    assert [each.name for each in out.iterdir()] == ["thesis.tex"]


def test_predictions_of_what_cannot_be_read(unigram: Path, tmp_path: Path) -> None:
    run = tune(unigram, rows(tmp_path / "a.csv"), tmp_path / "out", "classify", steps=1)
    assert "the text is empty" in refusal(command("predict", run.out, " "))
    for mistyped in ("mesages.csv", "../news/test.en", "./news", "/nowhere"):
        assert f"{mistyped}: no file is called that" in refusal(command("predict", run.out, mistyped))
    assert command("predict", run.out, "Mr. Bennet").exit_code == 0
    nothing = plain(tmp_path / "b.csv", "name,age\nAnn,7\n")
    assert "no column for the text" in refusal(command("predict", run.out, nothing))
    unknown = table(tmp_path / "c.csv", "a,red", "b,blue")
    said = refusal(command("eval", run.out, unknown))
    assert "the model knows none of its labels" in said
    assert "'blue'" in said
    assert "known: 'x', 'y'" in said
    document = json.loads((run.out / "model.json").read_text())
    document["tuned"]["labels"].append("z")
    document.pop("checksum", None)
    document.pop("sha256", None)
    (run.out / "model.json").write_text(json.dumps(document))
    refusal(command("predict", run.out, "a"))
