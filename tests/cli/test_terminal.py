"""Text from outside in a terminal: shown, and nothing else; paths of this machine alone."""

from __future__ import annotations

import io
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from rich.table import Table

from corpuskit.cli.main import COMMANDS, cli
from corpuskit.cli.shell import Shell, progress
from corpuskit.cli.terminal import LocalPath, plain, plain_console, plain_json

ROOT = Path(__file__).resolve().parents[2]

ODD = "\x1b[31m[/x] :smile: \x07\x9b2J\udcff\r!"
SHOWN = "\\x1b[31m[/x] :smile: \\x07\\x9b2J\\udcff\\x0d!"


def test_control_is_written_out_and_lines_stay() -> None:
    assert plain(ODD) == SHOWN
    assert plain("a\tb\r\nc\n") == "a\tb\r\nc\n"
    assert plain("größer 世界 👩‍👩‍👧") == "größer 世界 👩‍👩‍👧"


def test_json_means_the_same_and_is_no_control() -> None:
    said = plain_json({"name": ODD})
    assert json.loads(said) == {"name": ODD}
    assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 for char in said)
    said.encode("utf-8")


def test_tables_and_lines_of_a_console_are_text_alone() -> None:
    out = io.StringIO()
    console = plain_console(file=out, width=100, force_terminal=False)
    table = Table(title=ODD)
    table.add_column(ODD)
    table.add_row(ODD)
    console.print(ODD)
    console.print(table)
    assert out.getvalue().count(SHOWN) == 4
    assert "\x1b" not in out.getvalue()


def test_messages_results_errors_and_progress(capsys: pytest.CaptureFixture[str]) -> None:
    shell = Shell(as_json=False, quiet=False)
    shell.say(ODD)
    shell.result({}, ODD)
    Shell(as_json=True, quiet=False).result({"name": ODD}, "")
    with progress(shell) as shown:
        shown.add_task(ODD, total=1)
        shown.console.print(f"warning: {ODD}")
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == SHOWN
    assert json.loads(said.out.splitlines()[1]) == {"name": ODD}
    assert said.err.count(SHOWN) == 2
    assert "\x1b" not in said.out + said.err


def test_a_build_on_a_folder_of_odd_names(tmp_path: Path) -> None:
    folder = tmp_path / "in" / "["
    folder.mkdir(parents=True)
    (folder / "x].txt").write_text("Some words.", encoding="utf-8")
    (folder / "x].jsonl").write_bytes(b'{"\\u001b[2J": 1}\n{"no": 2}\n')
    with open(os.path.join(os.fsencode(folder), b"\x1b]0;title\x07\xff\n.md.pdf"), "wb") as file:
        file.write(b"%PDF")
    recipe = tmp_path / "r.yaml"
    recipe.write_text("sources:\n  - files: {path: in, label: x}\nstages: [unicode]\n", encoding="utf-8")
    said = ""
    for words in (["build", recipe, "--out", tmp_path / "run"], ["inspect", tmp_path / "run"]):
        found = CliRunner().invoke(cli, [str(word) for word in words])
        assert found.exit_code == 0, found.stderr
        said += found.output
    assert "\x1b" not in said
    assert "no known format: .pdf (1)" in said
    assert "[/x].jsonl: none of 2 rows has the field 'text'" in " ".join(said.split())
    assert "There are: \\x1b[2J." in " ".join(said.split())


def commands() -> list[tuple[str, ...]]:
    found = []
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        inner = command.commands if isinstance(command, click.Group) else {"": command}
        found += [(name, each) if each else (name,) for each in inner]
    return found


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_no_command_takes_a_uri_for_a_path(words: tuple[str, ...]) -> None:
    command: click.Command | None = cli
    for word in words:
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), word)
    assert command is not None
    for parameter in command.params:
        assert not isinstance(parameter.type, click.Path) or isinstance(parameter.type, LocalPath), parameter


@pytest.mark.parametrize(
    "uri", ["s3://bucket/run", "gs://b/r", "https://host/x", "file:///tmp/r", "Weird+1.x://y"]
)
@pytest.mark.parametrize(
    "words",
    [
        ["build", "pipelines/sample.yaml", "--out", "URI"],
        ["build", "URI", "--out", "run"],
        ["inspect", "URI"],
        ["verify", "URI"],
        ["train", "URI", "--out", "model"],
        ["train", "run", "--out", "URI"],
        ["tokenizer", "train", "notes.txt", "--out", "URI"],
        ["fetch", "wikipedia", "--wiki", "x", "--out", "URI"],
        ["export", "model", "--out", "URI"],
    ],
    ids=" ".join,
)
def test_a_uri_is_refused_and_nothing_is_made(
    words: list[str], uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = CliRunner().invoke(cli, [uri if word == "URI" else word for word in words])
    assert found.exit_code == 2
    assert f"{uri}: is a URI" in found.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_tokenizer_is_trained_on_no_uri(tmp_path: Path) -> None:
    words = ["tokenizer", "train", "s3://bucket/notes", "--out", str(tmp_path / "tokenizer.json")]
    found = CliRunner().invoke(cli, words)
    assert found.exit_code == 1
    assert "s3://bucket/notes is a URI, and only dumps of wikis are read" in found.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_home_folder_behind_an_equals_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert LocalPath(path_type=Path).convert("~/run", None, None) == tmp_path / "run"


@pytest.mark.parametrize("limit", [9, 24])
def test_too_few_files_may_be_open(tmp_path: Path, limit: int) -> None:
    """The build ends well, or says how many may be open and what to do."""
    (tmp_path / "in").mkdir()
    for number in range(40):
        (tmp_path / "in" / f"{number}.txt").write_text(f"Note {number}.", encoding="utf-8")
    recipe = tmp_path / "r.yaml"
    recipe.write_text("sources:\n  - files: {path: in, label: x}\nstages: [unicode]\n", encoding="utf-8")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "corpuskit",
            "build",
            str(recipe),
            "--out",
            str(tmp_path / "run"),
            "--workers",
            "2",
        ],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    if done.returncode:
        assert f"This process may hold {limit} files open. Raise it: `ulimit -n" in done.stderr
    else:
        assert limit == 24


@pytest.mark.parametrize("put", ["types.ModuleType('corpuskit._native')", "None"])
def test_a_native_part_of_another_version_is_told(put: str, tmp_path: Path) -> None:
    """One that lacks a name, and none at all."""
    code = (
        f"import sys, types, corpuskit; sys.modules['corpuskit._native'] = {put};"
        "from corpuskit.cli.main import main; main()"
    )
    words = ["build", str(ROOT / "pipelines" / "sample.yaml"), "--out", str(tmp_path / "run")]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: the native part of corpuskit is not that of its Python files: ")
    assert "call `make install`" in done.stderr
