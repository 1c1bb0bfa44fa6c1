"""The command line: help with examples, exit codes, --json, interruption."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from corpuskit.build.build import build_corpus
from corpuskit.build.recipe.recipe import load
from corpuskit.cli.corpus.inspect import gather, render
from corpuskit.cli.main import COMMANDS, cli
from corpuskit.run.folder import Run

SAMPLES = Path(__file__).parents[2] / "sample_corpora"

Command = Callable[..., subprocess.CompletedProcess[str]]


def commands() -> Iterator[tuple[str, ...]]:
    """The words of every command and subcommand."""
    for name in COMMANDS:
        yield (name,)
        found = cli.get_command(click.Context(cli), name)
        if isinstance(found, click.Group):
            yield from ((name, inner) for inner in found.commands)


def call(*words: object) -> Any:
    """Call a command in this process; ``exit_code``, ``stdout`` and ``stderr`` as a shell would see them."""
    return CliRunner().invoke(cli, [str(w) for w in words], prog_name="corpuskit")


def examples(text: str) -> list[list[str]]:
    """Lines of a help text that are commands, as words."""
    lines = [line.strip() for line in text.splitlines()]
    return [shlex.split(line.split(" | ")[0]) for line in lines if re.match(r"corpuskit [a-z]", line)]


@pytest.mark.parametrize("words", [(), *commands()], ids=" ".join)
def test_help_has_an_example_of_a_command_that_exists(words: tuple[str, ...]) -> None:
    found = call(*words, "--help")
    assert found.exit_code == 0, found.stderr
    shown = examples(found.stdout)
    assert shown, "no example"
    options = {option for line in examples(found.stdout) for option in line if option.startswith("--")}
    for line in shown:
        assert line[1] in COMMANDS
        assert not words or line[1] == words[0]
    texts = "".join(call(*name, "--help").stdout for name in commands())
    assert all(option in texts for option in options)


def test_the_list_of_commands_says_what_each_says() -> None:
    """The one line that is shown without importing a command is the first line of the command's own help."""
    for name, (_, line) in COMMANDS.items():
        found = cli.get_command(click.Context(cli), name)
        assert found is not None
        assert found.help is not None
        assert found.help.splitlines()[0] == line


def test_every_command_takes_json_and_quiet() -> None:
    for words in commands():
        text = call(*words, "--help").stdout
        if "Commands:" not in text:
            assert "--json" in text, words
            assert "--quiet" in text, words


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["biuld"], "Did you mean 'build'?"),
        (["build"], "RECIPE"),
        (["build", "x.yaml"], "--out"),
        (["build", "x.yaml", "--out", "r", "--workers", "0"], "--workers"),
        (["build", "x.yaml", "--out", "r", "--worker", "2"], "--workers"),
        (["build", "missing.yaml", "--out", "r"], "missing.yaml: is not there"),
        (["trace", "r"], "--shard"),
        (["tokenizer", "trian"], "trian"),
    ],
)
def test_a_wrong_call_is_2_and_says_what_is_right(words: list[str], hint: str) -> None:
    found = call(*words)
    assert found.exit_code == 2
    assert hint in found.stderr
    assert found.stdout == ""


def test_a_version() -> None:
    found = call("--version")
    assert found.exit_code == 0
    assert re.search(r"\d", found.stdout)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["inspect", "nowhere"], "RunError"),
        (["verify", "nowhere"], "RunError"),
        (["trace", "nowhere", "--shard", "train-00000", "--token", "1"], "RunError"),
        (["tokenizer", "encode", "nowhere", "x"], "InputError"),
        (["tokenizer", "train", "nowhere", "--out", "x/tokenizer.json"], "InputError"),
    ],
)
def test_work_that_fails_is_1_with_one_json_object(words: list[str], error: str) -> None:
    found = call(*words, "--json")
    assert found.exit_code == 1
    answer = json.loads(found.stdout)
    assert answer["error"] == error
    assert answer["remedy"]
    assert answer["message"] in found.stderr


def test_a_wrong_setting_is_2_with_one_json_object(corpus: Path, tmp_path: Path) -> None:
    found = call(
        "build", corpus / "recipe.yaml", "--out", tmp_path / "r", "--set", "tokenizer.vocab=5", "--json"
    )
    assert found.exit_code == 2
    assert json.loads(found.stdout)["error"] == "SettingError"
    assert not (tmp_path / "r").exists()


def one_object(found: Any) -> dict[str, Any]:
    """Standard output is one JSON object on one line and nothing else."""
    assert found.exit_code == 0, found.stderr
    assert found.stdout.count("\n") == 1
    value = json.loads(found.stdout)
    assert isinstance(value, dict)
    return value


def test_build_inspect_verify_trace_as_json(corpus: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    planned = one_object(
        call("build", corpus / "recipe.yaml", "--out", run, "--workers", 1, "--dry-run", "--json")
    )
    assert [step["title"] for step in planned["steps"]] == ["pass 1: candidates"]
    assert planned["later"] == [
        *("decisions/candidates", "pass 2: documents", "counts", "tokenizer", "encode", "shards")
    ]
    assert not run.exists()
    built = one_object(call("build", corpus / "recipe.yaml", "--out", run, "--workers", 1, "--json"))
    assert built["documents"] == sum(
        s["documents"] for s in one_object(call("inspect", run, "--json"))["sources"].values()
    )
    assert built["tasks_skipped"] == 0
    again = one_object(
        call("build", corpus / "recipe.yaml", "--out", run, "--workers", 1, "--json", "--quiet")
    )
    assert again["tasks_done"] == 0
    assert {k: again[k] for k in ("documents", "bytes", "tokens", "ledger")} == {
        k: built[k] for k in ("documents", "bytes", "tokens", "ledger")
    }
    verified = one_object(call("verify", run, "--json"))
    assert verified["sound"] is True
    assert verified["problems"] == []
    traced = one_object(call("trace", run, "--shard", "train-00000", "--token", 5, "--json"))
    assert traced["document"]["id"].startswith("files:letters:")


def test_the_same_as_text(finished: Path, corpus: Path) -> None:
    shown = call("inspect", finished)
    assert shown.exit_code == 0
    assert "near_duplicates decided" in shown.stdout
    assert "files:letters" in shown.stdout
    traced = call("trace", finished, "--shard", "train-00000", "--token", 5)
    assert "origin" in traced.stdout
    assert call("verify", finished).stdout.strip().endswith("ledger balanced")
    quiet = call("build", corpus / "recipe.yaml", "--out", finished, "--quiet", "--workers", 1)
    assert quiet.stderr == ""


@pytest.mark.parametrize(
    ("path", "damage", "problem"),
    [
        ("documents/files-letters-00000.parquet", "flip", "sha256 differs"),
        ("shards/train-00000.bin", "flip", "sha256 differs"),
        ("shards/train-00000.idx", "delete", "is missing"),
        ("dropped/documents-files-letters-00000.parquet", "delete", "is missing"),
        ("ledger.json", "delete", "not finished"),
        ("documents/stranger.parquet", "add", "in no record"),
        ("ledger.json", "ledger", "sha256 differs"),
        ("recipe.yaml", "flip", "sha256 differs"),
        ("manifest/tokenizer.json", "delete", "in no record"),
    ],
)
def test_verify_sees_damage(path: str, damage: str, problem: str, finished: Path) -> None:
    place = finished / path
    if damage == "delete":
        place.unlink()
    elif damage == "add":
        place.write_bytes(b"x")
    elif damage == "ledger":
        account = json.loads(place.read_text())
        account["stages"][0]["documents"]["in"] += 1
        place.write_text(json.dumps(account))
    else:
        data = bytearray(place.read_bytes())
        data[len(data) // 2] ^= 255
        place.write_bytes(bytes(data))
    found = call("verify", finished, "--json")
    assert found.exit_code == 1
    answer = json.loads(found.stdout)
    assert answer["sound"] is False
    assert any(problem in line for line in answer["problems"]), answer["problems"]


def test_the_table_of_a_run_keeps_to_the_width_of_the_terminal(sample_run: Path) -> None:
    facts = gather(Run.open(sample_run))
    words = render(facts).split()
    for columns in (60, 100, 140):
        lines = render(facts, columns).splitlines()
        table = lines[: lines.index("", 3)]
        assert max(map(len, table[2:])) <= columns, columns
        # The same words in the same order, and no number without its reason.
        assert " ".join(lines).split() == words
        assert not any(re.search(r"(^|, )\d+$", line) for line in table[3:] if "  " not in line.strip())


def test_inspecting_an_unfinished_run(finished: Path) -> None:
    (finished / "ledger.json").unlink()
    found = call("inspect", finished)
    assert found.exit_code == 1
    assert "not finished" in found.stderr


def test_a_tokenizer_of_its_own(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine" / "tokenizer.json"
    trained = one_object(
        call(
            "tokenizer",
            "train",
            corpus / "books",
            corpus / "letters",
            "--vocab-size",
            420,
            "--out",
            out,
            "--json",
        )
    )
    assert trained["vocab_size"] == 420
    assert sorted(p.name for p in out.parent.iterdir()) == [
        *("tokenizer.json", "tokenizer_config.json", "training.json")
    ]
    encoded = one_object(call("tokenizer", "encode", out, "bababa <|pad|>", "--json"))
    assert "".join(encoded["tokens"]) == "bababa <|pad|>"
    assert min(encoded["ids"]) >= 128
    assert call("tokenizer", "train", corpus / "books", "--out", tmp_path / "x.json").exit_code == 2
    recipe = (corpus / "recipe.yaml").read_text().replace("{vocab_size: 450}", f"{{file: {out}}}")
    (corpus / "recipe.yaml").write_text(recipe)
    built = build_corpus(load(corpus / "recipe.yaml").pipeline, tmp_path / "run")
    assert (tmp_path / "run/tokenizer/tokenizer.json").read_bytes() == out.read_bytes()
    assert built.tokens["train"] > 1000


def test_a_tokenizer_of_whatever_a_build_reads(corpus: Path, finished: Path, tmp_path: Path) -> None:
    """Rows by their own field, a wiki's dump, and the documents of a run, which give what the run trained."""
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"body": f"tick tock {i}"}) + "\n" for i in range(30)))
    out = tmp_path / "tokenizer.json"

    def train(*words: object) -> dict[str, Any]:
        for made in (out, *(out.with_name(n) for n in ("tokenizer_config.json", "training.json"))):
            made.unlink(missing_ok=True)
        return one_object(call("tokenizer", "train", *words, "--out", out, "--json"))

    assert train(rows, "--set", "text_field=body", "--vocab-size", 390)["merges"] == 6
    dump = SAMPLES / "encyclopedia.xml"
    wiki = train(dump, "--source", "wikipedia", "--set", "language=en", "--vocab-size", 500)
    assert wiki["vocab_size"] == 500
    often = train(dump, "--source", "wikipedia", "--vocab-size", 5000, "--min-frequency", 50)
    assert 384 < often["vocab_size"] < 1000
    assert train(finished, "--vocab-size", 450)["vocab_size"] == 450
    assert out.read_bytes() == (finished / "tokenizer" / "tokenizer.json").read_bytes()


def test_tokenizers_of_several_sizes(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is what a call of its own gives; how far it is goes to standard error."""
    from corpuskit.cli.corpus import tokenizer as module

    monkeypatch.setattr(module, "_SAID_EVERY", 0.0)
    out = tmp_path / "many" / "tokenizer.json"
    how = ("--digits", 2, "--pattern", "o200k", "--min-frequency", 1)
    words = ("--vocab-sizes", "700,420,420", "--json")
    found = call("tokenizer", "train", corpus / "books", *how, *words, "--out", out)
    said = one_object(found)
    assert (said["vocab_size"], list(said["vocab_sizes"].values())) == (700, [420, 700])
    assert "names 420 twice" in found.stderr
    assert "million characters read" in found.stderr
    assert re.search(r"learning merges: 256 of 316, about \d+ s left", found.stderr)
    own = tmp_path / "own" / "tokenizer.json"
    words = ("--vocab-size", 420, "--quiet")
    assert call("tokenizer", "train", corpus / "books", *how, *words, "--out", own).exit_code == 0
    assert (out.parent / "420" / "tokenizer.json").read_bytes() == own.read_bytes()
    assert (out.parent / "700" / "tokenizer.json").read_bytes() == out.read_bytes()
    told = json.loads((out.parent / "training.json").read_bytes())
    assert (told["pattern"], told["digits"], told["unicode"]) == ("o200k", 2, "16.0")
    assert r"\p{N}{1,2}|" in told["regex"]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--vocab-sizes", "400,many"], "'many' is no size"),
        (["--vocab-sizes", "400,300"], "300 is below 384"),
        (["--vocab-sizes", "400,500", "--vocab-size", "450"], "is none of --vocab-sizes"),
        (["--vocab-size", "300"], "384"),
        (["--digits", "4"], "1<=x<=3"),
        (["--pattern", "qwen35"], "Did you mean 'qwen3.5'"),
        (["--pattern", "(a"], "is no regular expression"),
        (["--pattern", ".+", "--digits", "2"], "a regular expression of your own"),
    ],
)
def test_wrong_settings_of_a_tokenizer(tmp_path: Path, words: list[str], hint: str) -> None:
    """Told before any text is read: the input need not be there."""
    found = call("tokenizer", "train", tmp_path / "none", *words, "--out", tmp_path / "tokenizer.json")
    assert (found.exit_code, hint in found.stderr) == (2, True), found.stderr


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (["notes.txt", "--source", "unicode"], 2, "Known: datasets, files, gutenberg, wikipedia"),
        (["notes.txt", "--source", "wikipedai"], 2, "wikipedia"),
        (["notes.txt", "--set", "include"], 2, "has no '='"),
        (["notes.txt", "--set", "include=[a"], 2, "is no YAML"),
        (["empty.txt"], 1, "hold no text"),
        (["run", "--set", "language=en"], 2, "is a run"),
    ],
)
def test_a_tokenizer_of_inputs_that_cannot_be_read(
    finished: Path, words: list[str], code: int, hint: str
) -> None:
    folder = finished.parent
    (folder / "notes.txt").write_text("a note")
    (folder / "empty.txt").write_text("")
    found = call("tokenizer", "train", folder / words[0], *words[1:], "--out", folder / "tokenizer.json")
    assert (found.exit_code, hint in found.stderr) == (code, True), found.stderr
    assert not (folder / "tokenizer.json").exists()


# --------------------------------------------------------------------------------------- interruption


@pytest.mark.parametrize(
    ("workers", "number"),
    [(1, signal.SIGINT), (2, signal.SIGINT), (1, signal.SIGTERM), (2, signal.SIGTERM), (2, signal.SIGHUP)],
)
def test_ctrl_c_is_130_keeps_what_is_done_and_goes_on(
    workers: int,
    number: int,
    plugin: Path,
    tmp_path: Path,
    jsonl: Callable[..., None],
    environment: Callable[..., dict[str, str]],
    outputs: Callable[[Path], dict[str, str]],
) -> None:
    """To the whole group of processes, as a terminal sends it, while a slow stage is at work."""
    for name in "abcde":
        jsonl(tmp_path / f"{name}.jsonl", [{"id": str(i), "text": f"text {i} of {name}"} for i in range(5)])
    sources = "".join(f"  - files: {{path: {name}.jsonl, label: {name}}}\n" for name in "abcde")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"sources:\n{sources}stages:\n  - fragile: {{seconds: 0.6}}\n")
    words = ["build", str(recipe), "--out", str(tmp_path / "run"), "--workers", str(workers), "--json"]
    build = subprocess.Popen(
        [sys.executable, "-m", "corpuskit", *words],
        env=environment(path=[plugin]),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Where the tests run in the background, a shell may have told them to ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    records = tmp_path / "run" / "manifest" / "candidates"
    while build.poll() is None and not list(records.glob("*.json")):
        time.sleep(0.02)
    import os

    os.killpg(build.pid, number)
    stdout, stderr = build.communicate(timeout=60)
    assert build.returncode == 130, stderr
    assert "Interrupted. Finished tasks are kept" in stderr
    assert "Traceback" not in stderr
    assert stdout == ""
    done = {p.stem for p in records.glob("*.json")}
    assert 1 <= len(done) < 5
    again: list[str] = []
    pipeline = load(recipe, ["stages.fragile.seconds=0.6"]).pipeline
    build_corpus(
        pipeline, tmp_path / "run", listen=lambda e, f: again.append(f["task"]) if e == "done" else None
    )
    assert not {t.removeprefix("candidates/") for t in again if t.startswith("candidates/")} & done
    build_corpus(pipeline, tmp_path / "fresh")
    assert outputs(tmp_path / "run") == outputs(tmp_path / "fresh")


def test_a_closed_pipe_is_no_error(finished: Path, environment: Callable[..., dict[str, str]]) -> None:
    line = f"{sys.executable} -m corpuskit inspect {finished} --json | head -c 10"
    found = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line], env=environment(), capture_output=True, text=True, timeout=60
    )
    assert "Traceback" not in found.stderr
    assert "BrokenPipe" not in found.stderr


def test_a_build_that_nobody_listens_to_comes_to_its_end(
    corpus: Path, tmp_path: Path, environment: Callable[..., dict[str, str]]
) -> None:
    """Both ends closed: all that is said is lost, and nothing else."""
    line = f"{sys.executable} -m corpuskit build {corpus}/recipe.yaml --out {tmp_path}/out 2>&1 | true"
    found = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line], env=environment(), capture_output=True, text=True, timeout=120
    )
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")
    assert (tmp_path / "out" / "ledger.json").is_file()


def test_a_text_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    done = subprocess.run(
        [sys.executable, "-m", "corpuskit", "tokenizer", "encode", tmp_path / "tokenizer.json", b"caf\xe9"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "is not UTF-8" in done.stderr
