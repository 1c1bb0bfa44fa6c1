"""What is wrong in a workflow file is said before any work: the line, the step, the value and the remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from corpuskit.errors import SettingError
from corpuskit.storage.datasets.words import Words, are_words, words_of
from corpuskit.train.data.named_texts import named_texts
from corpuskit.workflow.file import Workflow, load_workflow
from corpuskit.workflow.record import Records, made_from
from corpuskit.workflow.training import Finetune

Write = Callable[..., Path]
Steps = list[dict[str, Any]]


def test_a_step_knows_what_it_reads(write: Write, steps: Steps, tmp_path: Path) -> None:
    flow = load_workflow(write(steps), tmp_path / "out")
    assert [(each.section, each.name) for each in flow.steps] == [
        ("build", "corpus"),
        ("train", "base"),
        ("finetune", "tuned"),
        ("eval", "figures"),
    ]
    tuned = flow.step("tuned")
    assert [(each.key, each.step) for each in tuned.reads] == [("from", "base"), ("data", "corpus")]
    assert tuned.one("from") == tmp_path / "out" / "base"
    recipe = flow.step("corpus").reads[0]
    assert (recipe.step, recipe.path.name) == (None, "recipe.yaml")


FORMS = [lambda words: words, lambda words: Words(**words).line()]
"""Words of a data set in a workflow file: a mapping, or the same as a text."""


@pytest.mark.parametrize("form", FORMS, ids=["mapping", "text"])
def test_data_by_the_words_of_a_data_set(
    write: Write, steps: Steps, tmp_path: Path, form: Callable[[dict[str, str]], Any]
) -> None:
    """A folder is taken from where the file lies and is something that the step reads; a name is no place."""

    def tuned(data: Any, **more: Any) -> Any:
        step = {"finetune": "tuned", "from": "base", "data": data, "task": "classify", "steps": 2, **more}
        return load_workflow(write([*steps[:2], step]), tmp_path / "out").step("tuned")

    def given(step: Any) -> Words:
        return words_of(Finetune().data(step))

    # Letters beyond the first plane of Unicode, and ends of lines, are what JSON and YAML write differently.
    folder = write(steps).parent / "r\U0001d504\x85views"
    folder.mkdir()
    step = tuned(form({"path": folder.name, "split": "train"}), validation=form({"path": folder.name}))
    assert step.all("data") == [folder]
    assert given(step) == Words(str(folder), split="train")
    assert words_of(Finetune().settings(step).validation) == Words(str(folder))
    for data in (form({"path": "owner/reviews", "name": "en"}), "hf:owner/reviews:en"):
        assert tuned(data).all("data") == []
        assert given(tuned(data)) == Words("hf:owner/reviews", "en")
    assert given(tuned(f"hf:./{folder.name}")) == Words(str(folder))  # No name: a path, as anywhere.


@pytest.mark.parametrize("form", FORMS, ids=["mapping", "text"])
def test_vectors_of_the_rows_that_words_mean(
    write: Write, steps: Steps, tmp_path: Path, form: Callable[[dict[str, str]], Any]
) -> None:
    """Not of all that lies in the folder; and other words are another step."""
    folder = write(steps).parent / "reviews"
    folder.mkdir()
    (folder / "train.jsonl").write_text('{"said": "one"}\n{"said": "two"}\n')
    (folder / "test.jsonl").write_text('{"said": "three"}\n')
    words = {"path": "reviews", "split": "test", "text": "said"}

    def embeds(*data: Any) -> Any:
        step = {"embed": "vectors", "model": "base", "data": list(data)}
        return load_workflow(write([*steps[:2], step]), tmp_path / "out").step("vectors")

    step = embeds(form(words), "hf:owner/reviews:en")
    local, hub = step.given("data")
    assert [each.text for each in named_texts([local]).read()] == ["three"]
    assert words_of(hub) == Words("hf:owner/reviews", "en")
    assert step.reads[1].further == {"split": "test", "text": "said"}
    assert step.reads[2].further == {"path": "hf:owner/reviews", "name": "en"}
    assert embeds("reviews").reads[1].further == {}
    records = Records(tmp_path / "out")
    records.steps["base"] = {"fingerprint": "f", "identity": "i"}

    def made(**more: str) -> Any:
        step = embeds(form(words | more), "hf:owner/reviews:en")
        return made_from(step, records, tmp_path / "out", keeps=False)

    assert made() == made() != made(split="train")


@pytest.mark.parametrize(
    ("number", "change", "message", "remedy"),
    [
        (1, {"train": "base", "run": {"path": "x"}}, "run: {'path': 'x'} is a data set", "Name a run"),
        (3, {"eval": "e", "models": ["base"], "data": [{"path": "x"}]}, "data names no such", "or questions"),
        (3, {"eval": "e", "models": ["base"], "data": ["hf:owner/set"]}, "data: hf:owner/set is a", "Name a"),
        (
            3,
            {"eval": "e", "models": ["base"], "data": ["corpus"], "trained_on": {"path": "x"}},
            "trained_on names no such",
            "Name a run",
        ),
        (3, {"embed": "e", "model": "base", "data": {"split": "x"}}, "no data set is named", "path: NAME"),
        (3, {"embed": "e", "model": "base", "data": {"pth": "x"}}, "unknown word 'pth'", "'path'"),
        (3, {"embed": "e", "model": "base", "data": {"path": "./no"}}, "'./no' is neither", ""),
        (3, {"embed": "e", "model": "base", "data": {"path": "corpus"}}, "'corpus' is a step", "FILE"),
        (
            2,
            {"finetune": "t", "from": "base", "data": ["corpus", "corpus"], "task": "lm"},
            "is not one place",
            "Name one",
        ),
        *(
            (3, {"embed": "e", "model": "base", "data": "corpus", key: value}, f"{key}: {value!r}", remedy)
            for key, value, remedy in (
                ("half", "no", "true or false"),
                ("whole", 1, "true or false"),
                ("text", ["a"], "name"),
                ("id", True, "number"),
                ("device", 0, "cpu"),
            )
        ),
    ],
)
def test_what_is_no_data_set_is_refused(
    write: Write, steps: Steps, tmp_path: Path, number: int, change: Any, message: str, remedy: str
) -> None:
    error = refusal(write, [*steps[:number], change], tmp_path)
    assert message in error.message
    assert remedy in error.remedy
    assert "line" in error.message


def test_words_of_thousands_of_brackets_are_none() -> None:
    assert not are_words("{" * 3000)


def refusal(write: Write, steps: Any, tmp_path: Path, **more: Any) -> SettingError:
    with pytest.raises(SettingError) as caught:
        load_workflow(write(steps, **more), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    return caught.value


@pytest.mark.parametrize(
    ("number", "change", "message", "remedy"),
    [
        (1, {"trian": "x"}, "unknown section 'trian'", "'train'"),
        (1, {"train": "base", "run": "corpus", "stpes": 3}, "train base: unknown setting 'stpes'", "'steps'"),
        (1, {"train": "base", "run": "corpus", "steps": 0}, "train base: steps = 0", ""),
        (1, {"train": "base"}, "there is no `run:`", "needs run"),
        (1, {"train": "base", "run": "tuned"}, "run: 'tuned' comes later", "above"),
        (1, {"train": "base", "run": "base"}, "run: 'base' is this step itself", "above"),
        (1, {"train": "base", "run": "corpse"}, "'corpse' is neither an earlier step nor a file", "'corpus'"),
        (1, {"train": "corpus", "run": "corpus"}, "two steps are called 'corpus'", "line 2"),
        (1, {"train": "logs", "run": "corpus"}, "'logs' is no name of a step", "name of a folder"),
        (1, {"train": "A b", "run": "corpus"}, "'A b' is no name of a step", "small letters"),
        (
            2,
            {"finetune": "tuned", "from": "corpus", "data": "corpus", "task": "lm"},
            "corpus makes a run",
            "base",
        ),
        (
            2,
            {"finetune": "tuned", "from": "base", "data": "corpus", "task": "clasify"},
            "'clasify'",
            "classify",
        ),
        (2, {"distill": "s", "teacher": "base", "run": "base"}, "base makes a model", "corpus"),
        (
            2,
            {"distill": "s", "teacher": "base", "run": "corpus", "store": True, "top": 0},
            "top: 0",
            "1 or more",
        ),
        (3, {"eval": "e", "models": ["base"], "data": ["corpus"], "strid": 2}, "'strid'", "'stride'"),
        (3, {"memorize": "m", "model": "base", "run": "corpus", "prefix": 0}, "prefix = 0 is below 1", ""),
        (3, {"export": "x", "from": "base", "to": "gguf"}, "to: 'gguf'", "hf"),
        (3, {"questions": "q", "run": "corpus", "choices": 1}, "choices = 1 is below 2", "2 or more"),
        (
            0,
            {"fetch": "corpus", "wikipedia": {"wiki": "x", "dat": "latest"}},
            "unknown setting 'dat'",
            "'date'",
        ),
        (0, {"fetch": "corpus"}, "fetches nothing", "wikipedia"),
        (0, {"build": "corpus"}, "needs a recipe", "recipe: FILE"),
        (0, {"build": "corpus", "recipe": "no.yaml"}, "'no.yaml' is neither", "there"),
        (
            0,
            {
                "build": "corpus",
                "sources": [{"files": {"path": "corpus/books", "label": "b"}}],
                "stages": ["unicod"],
            },
            "line 8: unknown stage 'unicod'",
            "'unicode'",
        ),
    ],
)
def test_a_wrong_step_is_refused(
    write: Write, steps: Steps, tmp_path: Path, number: int, change: Any, message: str, remedy: str
) -> None:
    steps[number] = change
    error = refusal(write, steps, tmp_path)
    assert message in error.message
    assert remedy in error.remedy
    assert "line" in error.message


def test_a_key_of_the_file_is_known(write: Write, steps: Steps, tmp_path: Path) -> None:
    error = refusal(write, steps, tmp_path, shrot={})
    assert "unknown key 'shrot'" in error.message
    assert "'short'" in error.remedy


@pytest.mark.parametrize("listed", [None, [], {"build": "x"}])
def test_there_must_be_steps(write: Write, tmp_path: Path, listed: Any) -> None:
    assert "no list of steps" in refusal(write, listed, tmp_path).message


def test_what_short_says_is_looked_at_in_the_long_form_too(
    write: Write, steps: Steps, tmp_path: Path
) -> None:
    error = refusal(write, steps, tmp_path, short={"bas": {"steps": 1}})
    assert "no step 'bas'" in error.message
    assert "'base'" in error.remedy


def short_of(path: Path, out: Path, *overrides: str) -> Workflow:
    return load_workflow(path, out, overrides, short=True)


def test_short_sets_and_takes_away(write: Write, steps: Steps, tmp_path: Path) -> None:
    steps[2]["patience"] = 3
    path = write(
        steps, short={"base": {"steps": 2}, "tuned": {"patience": None, "epochs": 1.0}, "figures": None}
    )
    flow = short_of(path, tmp_path / "out")
    assert [each.name for each in flow.steps] == ["corpus", "base", "tuned"]
    assert flow.step("base").values["steps"] == 2
    assert "patience" not in flow.step("tuned").values
    assert load_workflow(path, tmp_path / "out").step("base").values["steps"] == 4


def test_a_workflow_without_a_short_form_has_none(write: Write, steps: Steps, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="has no `short:`"):
        short_of(write(steps), tmp_path / "out")


def test_what_is_left_out_cannot_be_read(write: Write, steps: Steps, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="'tuned' is neither an earlier step"):
        short_of(write(steps, short={"tuned": None}), tmp_path / "out")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("base.steps", "is not STEP.SETTING=VALUE"),
        ("bas.steps=1", "no step 'bas'"),
        ("base.stepz=1", "unknown setting 'stepz'"),
        ("corpus.tokenizer.vocab_siz=1", "vocab_siz"),
        ("base.steps=[", "is no YAML"),
    ],
)
def test_a_wrong_override_is_refused(
    write: Write, steps: Steps, tmp_path: Path, override: str, message: str
) -> None:
    with pytest.raises(SettingError) as caught:
        load_workflow(write(steps), tmp_path / "out", [override])
    assert message in caught.value.message


def test_an_override_reaches_a_recipe(write: Write, steps: Steps, tmp_path: Path) -> None:
    flow = load_workflow(write(steps), tmp_path / "out", ["corpus.tokenizer.vocab_size=500", "base.steps=9"])
    assert flow.step("corpus").values["set"] == {"tokenizer.vocab_size": 500}
    assert flow.step("base").values["steps"] == 9


def test_a_build_reads_what_a_step_has_fetched(write: Write, tmp_path: Path) -> None:
    steps = [
        {"fetch": "wiki", "wikipedia": {"wiki": "simplewiki"}},
        {"build": "one", "sources": [{"wikipedia": {"path": "wiki"}}]},
        {"build": "two", "recipe": "corpus/recipe.yaml", "set": {"sources.files.path": "wiki"}},
    ]
    flow = load_workflow(write(steps), tmp_path / "out")
    for name in ("one", "two"):
        assert [each.step for each in flow.step(name).reads if each.step] == ["wiki"]
