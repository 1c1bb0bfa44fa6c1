"""What messages tell a person to type is there: each option is a command's, each `--set NAME=` a setting."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import corpuskit
from corpuskit.cli.main import cli
from corpuskit.train.settings.distil import DistilSettings
from tests.train.tune.tuning import SETTINGS, command, refusal

ROOMS = ("train", "cli/model")
OF_OTHERS = {"--nproc-per-node", "--rdzv-endpoint", "--logdir", "--check"}
"""Options of torchrun, tensorboard and sha256sum."""


def texts() -> Iterator[tuple[Path, str]]:
    """All that the rooms may say, but for docstrings' examples of nothing."""
    package = Path(corpuskit.__file__).parent
    for room in ROOMS:
        for path in sorted((package / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield path, node.value


def options(group: click.Command, context: click.Context) -> set[str]:
    """Those of a command and of all below it."""
    found = {name for each in group.params for name in (*each.opts, *each.secondary_opts)}
    if isinstance(group, click.Group):
        for name in group.list_commands(context):
            below = group.get_command(context, name)
            assert below is not None
            found |= options(below, context)
    return found


def test_each_option_that_is_named_is_there() -> None:
    known = options(cli, click.Context(cli)) | OF_OTHERS | {"--help"}
    named = [(path.name, word) for path, text in texts() for word in re.findall(r"--[a-z][a-z-]*\w", text)]
    assert len(named) > 100
    assert [each for each in named if each[1] not in known] == []


def test_each_setting_that_is_named_is_there() -> None:
    known = {name for kind in (*SETTINGS.values(), DistilSettings) for name in kind.model_fields}
    named = [(path.name, word) for path, text in texts() for word in re.findall(r"--set (\w+)=", text)]
    assert ("columns.py", "header") in named
    assert [each for each in named if each[1] not in known] == []


def test_a_remedy_is_taken_as_it_stands(unigram: Path, tmp_path: Path) -> None:
    """A table whose first row looks like data: what the message says is typed, and its names are read."""
    rows = [f"word {n},{n},{label}" for n, label in enumerate("abab" * 3)]
    (tmp_path / "data.csv").write_text("\n".join(["mail,2024,kind", *rows]) + "\n")
    call = ["finetune", unigram, tmp_path / "data.csv", "--task", "classify", "--print-config"]
    said = refusal(command(*call))
    [remedy] = re.findall(r"--set \w+=\w+", said)
    assert remedy == "--set header=true"
    assert "There are: mail, 2024, kind." in refusal(command(*call, *remedy.split()))


@pytest.mark.parametrize(("given", "read"), [("header=true", 1), ("header=false", 2)])
def test_prediction_reads_tables_as_it_is_told(unigram: Path, tmp_path: Path, given: str, read: int) -> None:
    (tmp_path / "learn.csv").write_text("text,label\na b,x\nc d,y\n")
    (tmp_path / "two.csv").write_text("text,n\nwell well,1\n")
    learnt = ["finetune", unigram, tmp_path / "learn.csv", "--task", "classify", "--steps", 1]
    assert command(*learnt, "--out", tmp_path / "out").exit_code == 0
    found = command("predict", tmp_path / "out", tmp_path / "two.csv", "--text", 1, "--set", given)
    assert found.exit_code == 0, found.output
    assert len(found.stdout.strip().splitlines()) == read
    other = command("predict", tmp_path / "out", tmp_path / "two.csv", "--set", "headre=1")
    assert "Did you mean 'header'?" in refusal(other)


def test_shown_options_are_those_of_the_command_line() -> None:
    assert "--set" in CliRunner().invoke(cli, ["predict", "--help"]).output
