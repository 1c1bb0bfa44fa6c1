"""A recipe names how rows are packed; what that does is told beside the shards, and before it is done."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from corpuskit.build.build import build_corpus
from corpuskit.build.forecast.dry_run import dry_run
from corpuskit.build.recipe.recipe import load
from corpuskit.build.write.pack_shards import Packing
from corpuskit.cli.main import cli
from corpuskit.errors import SettingError
from corpuskit.report.check import problems
from corpuskit.run.folder import Run
from corpuskit.shards.reader import open_shards
from tests.build.tables import digests_of

LENGTHS = (9, 11, 5, 13, 3, 7, 10, 2, 12, 8, 15, 6, 16, 4)
"""Of documents with their ends, where a byte is a token."""

RECIPE = """\
sources:
  - files: {{path: in.jsonl, label: x}}
stages: []
tokenizer: {{vocab_size: 384}}
shards: {{split: {{validation: 0}}}}
{packing}
"""


@pytest.fixture
def build(tmp_path: Path, jsonl: Callable[..., None]) -> Callable[..., Run]:
    """Build documents whose bytes are tokens, as no pair of them stands twice; with a line of a recipe."""
    # Signs of one byte each, no two of which stand side by side twice: there is no pair to merge.
    sign = iter(range(1000))
    texts = ["".join(chr(0x21 + next(sign) % 90) for _ in range(length - 1)) for length in LENGTHS]
    rows = [{"id": str(number), "text": text} for number, text in enumerate(texts)]
    jsonl(tmp_path / "in.jsonl", rows)

    def made(packing: str = "", out: str = "run") -> Run:
        (tmp_path / "recipe.yaml").write_text(RECIPE.format(packing=packing))
        build_corpus(load(tmp_path / "recipe.yaml").pipeline, tmp_path / out)
        return Run.open(tmp_path / out)

    return made


def call(*words: Any) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words])


@pytest.mark.parametrize(
    ("packing", "method", "contexts"),
    [
        ("packing: best_fit", "best_fit", ["1024"]),
        ("packing: concatenate", "concatenate", ["1024"]),
        ("packing: {method: best_fit, contexts: [15, 8]}", "best_fit", ["15", "8"]),
    ],
)
def test_a_recipe_names_the_way(
    build: Callable[..., Run], packing: str, method: str, contexts: list[str]
) -> None:
    run = build(packing)
    assert open_shards(run.folder).packed_by == method
    told = run.read_json("shards/packing.json")
    assert (told["method"], sorted(told["splits"]["train"])) == (method, contexts)
    assert list(problems(run)) == []
    assert f"method: {method}" in (run.folder / "recipe.yaml").read_text()


def test_another_way_writes_no_token_again(build: Callable[..., Run]) -> None:
    first = digests_of(build("packing: best_fit").folder / "shards")
    run = build("packing: concatenate")
    second = digests_of(run.folder / "shards")
    assert {name for name in first if first[name] != second[name]} == {"packing.json"}
    third = digests_of(build().folder / "shards")
    assert third == {name: digest for name, digest in second.items() if name != "packing.json"}
    assert open_shards(run.folder).packed_by is None


def test_two_builds_and_their_indices_are_the_same(build: Callable[..., Run]) -> None:
    runs = [build("packing: best_fit", out) for out in ("a", "b")]
    for run in runs:
        list(open_shards(run.folder).batches(2, 15, packing="best_fit"))
        assert list(problems(run)) == [], "an index in packing/ is no output"
    assert digests_of(runs[0].folder / "packing") == digests_of(runs[1].folder / "packing")
    assert digests_of(runs[0].folder / "shards") == digests_of(runs[1].folder / "shards")
    assert sorted(digests_of(runs[0].folder / "packing")) == [
        f"train-16-15.{name}" for name in ("groups", "json", "starts")
    ]


@pytest.mark.parametrize(
    ("packing", "words"),
    [
        ("packing: bestfit", r"line 6: packing.method: 'bestfit'.*\n  Did you mean 'best_fit'\?"),
        ("packing: {context: [8]}", r"packing: unknown setting 'context'.*\n  .*contexts"),
        ("packing: {contexts: [1000000000]}", r"packing.contexts.0: .*less than or equal to 16777216"),
        ("packing: {contexts: [0]}", r"packing.contexts.0: 0: .*greater than or equal to 1"),
    ],
)
def test_a_wrong_way_names_its_line(build: Callable[..., Run], packing: str, words: str) -> None:
    with pytest.raises(SettingError, match=words):
        build(packing)


def test_there_must_be_shards_to_pack(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("sources: [{files: {path: in, label: x}}]\npacking: best_fit\n")
    with pytest.raises(SettingError, match=r"packing: there are no shards to pack\n  Add a tokenizer"):
        load(tmp_path / "recipe.yaml")
    assert Packing().method == "best_fit"


def test_a_dry_run_names_the_step(build: Callable[..., Run], tmp_path: Path) -> None:
    build("packing: best_fit")
    pipeline = load(tmp_path / "recipe.yaml").pipeline
    assert [step["title"] for step in dry_run(pipeline, tmp_path / "run")["steps"]][-1] == "packing"
    assert "packing" in dry_run(pipeline, tmp_path / "new")["later"]


def test_the_report_before_anything_is_made(build: Callable[..., Run]) -> None:
    run = build()
    before = digests_of(run.folder)
    done = call("pack", run.folder, "--context", 15, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["split"], told["packed_by"]) == ("train", None)
    packed, cut = (told["contexts"]["15"][method] for method in ("best_fit", "concatenate"))
    assert (packed["rows"], packed["padding"], packed["parted"], packed["documents"]) == (8, 7, 0, 14)
    assert (packed["padding_share"], packed["tokens_unused"]) == (pytest.approx(7 / 128), 0)
    assert (cut["rows"], cut["parted"], cut["targets_left_over"], cut["longer"]) == (8, 6, 0, 0)
    assert digests_of(run.folder) == before
    text = call("pack", run.folder, "--context", 15, "--context", 8).stdout
    assert "train: 121 tokens in 14 documents or sections, of which 0 are longer than a row of 16" in text
    assert "context 8" in text


def test_inspect_says_what_packing_does(build: Callable[..., Run]) -> None:
    run = build("packing: {contexts: [15]}")
    line = "train by best_fit, context 15: 8 rows, 5.47% padding, 0 parted that would fit, 0 tokens in no row"
    assert line in call("inspect", run.folder).stdout.splitlines()
    assert json.loads(call("inspect", run.folder, "--json").stdout)["packing"]["method"] == "best_fit"
    assert json.loads(call("inspect", build().folder, "--json").stdout)["packing"] is None


def test_wrong_calls_of_the_report(build: Callable[..., Run], tmp_path: Path) -> None:
    run = build()
    for words, said in (
        ((run.folder, "--context", 0), "context = 0 is below 1"),
        ((run.folder, "--context", 10**12), "context = 1,000,000,000,000 is above 16,777,216"),
        ((run.folder, "--split", "tran"), "Did you mean 'train'"),
        ((run.folder, "--context", "x"), "is not a valid integer"),
    ):
        done = call("pack", *words)
        assert done.exit_code == 2
        assert said in done.output
    done = call("pack", tmp_path)
    assert done.exit_code == 1
    assert "is no run with shards" in done.output
