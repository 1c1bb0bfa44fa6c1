"""Law 11: every folder that is written has a lock. Of two writers one is refused, and nothing is lost."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from corpuskit.build.build import build_corpus
from corpuskit.build.recipe.recipe import load
from corpuskit.cli.main import cli
from corpuskit.train import TrainSettings, train_model
from corpuskit.train.hub.export import export_model
from tests.laws.waiting import waiting

SETTINGS = TrainSettings(layers=1, width=32, heads=2, context=16, batch_rows=2, steps=6, eval_tokens=64)
TRAIN = [f"--set={name}={value}" for name, value in SETTINGS.given().items()]


@pytest.fixture(scope="module")
def made(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, stopped after three steps and whole, and its export. Not to be written into."""
    folder = tmp_path_factory.mktemp("made")
    train_model(built / "run", folder / "whole", SETTINGS)
    train_model(built / "run", folder / "paused", SETTINGS, pause_at=3)
    export_model(folder / "whole", folder / "export", check=False)
    return folder


def command(*words: object) -> Result:
    """A command in this process, which is the second one."""
    done = CliRunner().invoke(cli, [str(word) for word in words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def refused(done: Result, first: subprocess.Popen[str]) -> None:
    """The second writer was refused, by name of the first one."""
    assert done.exit_code in (1, 2), done.stdout
    message = json.loads(done.stdout)["message"]
    who = rf"\(process {first.pid} on {socket.gethostname()} since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC\)"
    assert re.search(who, message), message


def finish(first: subprocess.Popen[str]) -> None:
    """The first writer goes on to its end, which is what it would have been."""
    _, stderr = first.communicate("\n" * 99, timeout=120)
    assert first.returncode == 0, stderr


def weights(out: Path) -> dict[str, bytes]:
    last = out / "checkpoints" / (out / "checkpoints" / "latest").read_text()
    return {path.name: path.read_bytes() for path in [out / "model.safetensors", *last.glob("*.safetensors")]}


def test_two_builds(built: Path, tmp_path: Path, outputs: Callable[..., dict[str, str]]) -> None:
    recipe, out = built / "corpus" / "recipe.yaml", tmp_path / "run"
    words = ("build", recipe, "--out", out, "--json")
    with waiting("corpuskit.build.build:_ledger", *words, "--workers", 2) as first:
        refused(command(*words), first)
        # Other kinds of writers are refused, too, and readers read.
        assert command("train", out, "--out", out, "--overwrite").exit_code == 1
        assert "the build is not finished" in command("verify", out).stdout
        assert "the build is not finished" in command("inspect", out).stderr
        assert command("build", recipe, "--out", out, "--dry-run").exit_code == 0
        finish(first)
    assert outputs(out) == outputs(built / "run")


@pytest.mark.parametrize("how", ["new", "overwrite", "resume"])
def test_two_trainings(how: str, built: Path, made: Path, tmp_path: Path) -> None:
    out, run = tmp_path / "model", built / "run"
    if how != "new":
        shutil.copytree(made / "paused", out)
    words: list[object] = ["train", run, "--out", out, "--json"]
    begun = ["--resume"] if how == "resume" else [*TRAIN, *["--overwrite"] * (how == "overwrite")]
    with waiting("corpuskit.train.run:fit", *words, *begun) as first:
        for more in ([*TRAIN], [*TRAIN, "--overwrite"], ["--resume"]):
            refused(command(*words, *more), first)
        for other in (("build", built / "corpus" / "recipe.yaml"), ("export", made / "whole")):
            assert command(*other, "--out", out).exit_code == 1
        assert command("import", made / "export", "--out", out).exit_code == 1
        if how == "resume":
            assert command("sample", out, "--prompt", "ba", "--tokens", 3).exit_code == 0
        finish(first)
    assert weights(out) == weights(made / "whole")
    assert [path for path in out.rglob("*") if path.name == "lock"] == []


@pytest.mark.parametrize(("name", "source"), [("export", "whole"), ("import", "export")])
def test_two_exports_and_two_imports(name: str, source: str, made: Path, tmp_path: Path) -> None:
    words = (name, made / source, "--out", tmp_path / "out", "--json")
    module = {"export": "export", "import": "importing"}[name]
    place = f"corpuskit.train.hub.{module}:save_tensors"
    with waiting(place, *words) as first:
        refused(command(*words), first)
        finish(first)
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert "model.safetensors" in files
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    # What a kill leaves is gone after the next call of the same command.
    with waiting(place, name, made / source, "--out", tmp_path / "killed") as first:
        first.kill()
        first.wait()
    assert (tmp_path / "tmp-killed").is_dir()
    assert command(name, made / source, "--out", tmp_path / "killed").exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["killed", "out"]
    # What bears its name by chance stays.
    (tmp_path / "tmp-new").mkdir()
    (tmp_path / "tmp-new" / "mine").write_text("mine")
    assert "is in the way" in command(name, made / source, "--out", tmp_path / "new").stderr
    assert (tmp_path / "tmp-new" / "mine").read_text() == "mine"


def test_an_import_that_ends_in_a_folder_that_was_filled_meanwhile(
    built: Path, made: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with waiting(
        "corpuskit.train.hub.importing:save_tensors", "import", made / "export", "--out", out
    ) as first:
        assert command("train", built / "run", "--out", out, *TRAIN).exit_code == 0
        _, stderr = first.communicate("\n", timeout=120)
        assert first.returncode == 1, stderr
    assert weights(out) == weights(made / "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_two_tokenizers_and_two_dumps_of_templates(built: Path, tmp_path: Path) -> None:
    dump = tmp_path / "dump.xml"
    dump.write_text(
        '<mediawiki><siteinfo><dbname>xwiki</dbname><namespaces><namespace key="0"/>'
        '<namespace key="10">Template</namespace></namespaces></siteinfo>'
        "<page><title>Template:A</title><ns>10</ns><id>1</id><revision><id>2</id>"
        "<text>{{{1}}}</text></revision></page></mediawiki>"
    )
    for place, words in (
        (
            "corpuskit.cli.corpus.tokenizer:_some",
            ("tokenizer", "train", built / "corpus" / "books", "--out"),
        ),
        ("corpuskit.cli.wikipedia.templates:write_templates", ("wikipedia", "templates", dump, "--out")),
    ):
        out = tmp_path / words[0] / ("tokenizer.json" if words[0] == "tokenizer" else "t.xml")
        more = ("--vocab-size", "400") if words[0] == "tokenizer" else ()
        with waiting(place, *words, out, *more) as first:
            refused(command(*words, out, *more, "--json"), first)
            finish(first)
        there = {path.name: path.read_bytes() for path in out.parent.iterdir()}
        assert out.name in there
        assert command(*words, out, *more).exit_code == 2
        assert {path.name: path.read_bytes() for path in out.parent.iterdir()} == there
        assert not any("lock" in name for name in there)


def test_a_build_goes_on_where_another_one_was_killed(
    built: Path, tmp_path: Path, outputs: Callable[..., dict[str, str]]
) -> None:
    """With another recipe, too: what only the killed one wrote is swept, what others wrote is not."""
    recipe, out = built / "corpus" / "recipe.yaml", tmp_path / "run"
    words = ("build", recipe, "--out", out, "--set", "stages.near_duplicates.seed=3", "--workers", 1)
    with waiting("corpuskit.build.steps:make_tokenizer", *words) as first:
        first.kill()
        first.wait()
    orphan = out / "documents" / "files-letters-00000.parquet"
    assert orphan.exists()
    # As if the kill had come between the file and its record.
    (out / "manifest" / "documents" / "files-letters-00000.json").unlink()
    (out / "documents" / "mine.parquet").write_text("mine")
    books = built / "corpus" / "books"
    (tmp_path / "other.yaml").write_text(f"sources:\n  - files: {{path: {books}, label: papers}}\n")
    result = build_corpus(load(tmp_path / "other.yaml").pipeline, out)
    assert not orphan.exists()
    assert (out / "documents" / "mine.parquet").read_text() == "mine"
    assert [w for w in result.warnings if "not of this build, and left where it is: documents/mine" in w]
    (out / "documents" / "mine.parquet").unlink()
    build_corpus(load(tmp_path / "other.yaml").pipeline, tmp_path / "fresh")
    assert outputs(out) == outputs(tmp_path / "fresh")
