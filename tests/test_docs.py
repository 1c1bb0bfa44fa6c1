"""Whatever a user can copy from the documentation works."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml

from corpuskit.build.recipe.recipe import load
from corpuskit.cli.main import COMMANDS, cli
from corpuskit.documents.settings import Settings
from corpuskit.stages import registry

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "benchmarks/README.md")]


def blocks(page: Path, language: str) -> list[str]:
    """Fenced blocks of one language, indentation of list items removed."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```", page.read_text(encoding="utf-8"), re.M | re.S)
    return [re.sub(rf"^{indent}", "", text, flags=re.M) for indent, text in found]


def calls(page: Path) -> list[str]:
    """Command lines of corpuskit in blocks without a language, comments and prompts removed."""
    lines = [line for block in blocks(page, "") for line in block.splitlines()]
    lines += [line for block in blocks(page, "sh") for line in block.splitlines()]
    stripped = [line.strip().removeprefix("$ ") for line in lines]
    return [line.partition("  #")[0] for line in stripped if line.startswith("corpuskit ")]


def examples() -> list[str]:
    """Command lines in the help texts of all commands."""
    found = []
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        group = list(command.commands.values()) if isinstance(command, click.Group) else []
        for one in [command, *group]:
            lines = [line.strip() for line in (one.help or "").splitlines()]
            found += [line for line in lines if line.startswith("corpuskit ")]
    return found


ALL_CALLS = sorted({*examples(), *(c for page in PAGES if page.exists() for c in calls(page))})


@pytest.mark.parametrize("line", ALL_CALLS)
def test_a_documented_call_parses(line: str) -> None:
    """Options and arguments are known; nothing is executed."""
    words = shlex.split(line.partition(" | ")[0].replace("...", "x"), comments=True)[1:]
    context = click.Context(cli)
    command: click.Command = cli
    while isinstance(command, click.Group):
        found = command.get_command(context, words[0])
        assert found is not None, line
        command, words = found, words[1:]
        context = click.Context(command, parent=context)
    command.make_context(command.name, words)


@pytest.mark.parametrize("line", [c for c in ALL_CALLS if " build " in c])
def test_a_documented_recipe_is_there(line: str) -> None:
    recipe = next(word for word in shlex.split(line) if word.endswith(".yaml"))
    assert (ROOT / recipe).is_file()


@pytest.mark.parametrize("path", sorted((ROOT / "pipelines").glob("*.yaml")), ids=lambda p: p.name)
def test_every_recipe_that_ships_is_valid(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORPUSKIT_CORPORA", "/somewhere")
    assert load(path).pipeline.tokenizer is not None


def test_recipes_in_the_documentation_are_valid(tmp_path: Path) -> None:
    found = [text for page in PAGES if page.exists() for text in blocks(page, "yaml")]
    assert found
    for number, text in enumerate(found):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text, encoding="utf-8")
        assert load(path).pipeline.segments()


def test_the_resolved_recipe_is_a_recipe(tmp_path: Path) -> None:
    pipeline = load(ROOT / "pipelines" / "sample.yaml").pipeline
    path = tmp_path / "resolved.yaml"
    path.write_text(pipeline.resolved(public=False), encoding="utf-8")
    assert load(path).pipeline == pipeline
    assert str(ROOT) not in pipeline.resolved(public=True)
    assert yaml.safe_load(pipeline.resolved(public=True))["tokenizer"]["vocab_size"] == 2048


def test_the_demo_runs_what_the_readme_shows_first() -> None:
    """By steps, not by the clock: what README shows is what the same calls print, but for rounding."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    demo = re.findall(r"^\t\$\(BIN\)/(corpuskit (?:build|train) .*)$", makefile, re.M)
    shown = [
        line for line in calls(ROOT / "README.md") if line.startswith(("corpuskit build", "corpuskit train"))
    ]
    assert demo == shown[:2]
    assert "--minutes" not in demo[1]


def run_example(text: str, folder: Path) -> str:
    """What an example of README prints where the project's files lie beside it."""
    script = folder / "example.py"
    script.write_text(text, encoding="utf-8")
    for name in ("sample_corpora", "pipelines"):
        (folder / name).symlink_to(ROOT / name)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, script], cwd=folder, env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_readme_builds_a_corpus_in_python(tmp_path: Path) -> None:
    printed = run_example(blocks(ROOT / "README.md", "python")[0], tmp_path)
    assert re.search(r"^\d+ documents, \d+ training tokens$", printed, re.M)


def readme_block(word: str) -> str:
    """The one block of Python in the README that holds a word."""
    (text,) = [block for block in blocks(ROOT / "README.md", "python") if word in block]
    return text


def test_languages_and_personal_data_of_the_readme(tmp_path: Path) -> None:
    printed = run_example(readme_block("identify_language"), tmp_path)
    assert f"\ngives\n\n```\n{printed}```\n" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_reading_of_packed_rows_of_the_readme(tmp_path: Path) -> None:
    printed = run_example(readme_block("BatchDataset"), tmp_path)
    assert printed == "48 (8, 128) [  0 128 256 384] 127 1.0\n48\n"


def test_the_pieces_that_the_readme_shows_work(tmp_path: Path) -> None:
    text = readme_block("extract_wikitext")
    lines = run_example(text, tmp_path).splitlines()
    assert lines[0] == "Ulm lies on the Danube, 10 miles (16 km) away."
    assert lines[2] == "schön"
    assert "NearCopies(kept=2, copies=((1, " in lines[3]
    assert any(line.startswith("The river") for line in lines[4:]), "several lines are written, or one"


def test_the_stage_of_the_contributing_guide_works(tmp_path: Path) -> None:
    (text,) = [block for block in blocks(ROOT / "CONTRIBUTING.md", "python") if "class" in block]
    script = tmp_path / "digits_stage.py"
    script.write_text(text, encoding="utf-8")
    stage = runpy.run_path(str(script), run_name="digits_stage")["Digits"]
    import pyarrow as pa

    from corpuskit.documents.batch import SCHEMA

    empty = dict.fromkeys(SCHEMA.names, "") | {"preference": 0}
    rows = [empty | {"id": text, "text": text} for text in ("123", "a1b2c")]
    scored = stage().apply(pa.RecordBatch.from_pylist(rows, schema=SCHEMA))
    assert stage().decide(scored) == {0: "too_many_digits"}
    assert stage(max_share=0.3).decide(scored) == {0: "too_many_digits", 1: "too_many_digits"}


def test_the_map_of_the_house_has_every_room_and_file_that_it_names() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## The house")[1].split("\n## ")[0]
    package = ROOT / "corpuskit"
    rooms = {p.stem for p in package.iterdir() if (p / "__init__.py").is_file() or p.name == "errors.py"}
    assert rooms == {room.rstrip("/") for room in re.findall(r"^\| \d \| `(\w+/?)`", text, re.M)}
    ways = text.split("**The way of a document.**")[1]
    named = set(re.findall(r"`((?:\w+/)+\w+)`", ways))
    assert len(named) > 15
    assert {name for name in named if not (package / f"{name}.py").is_file()} == set()


def test_every_registered_name_is_in_a_recipe_or_optional() -> None:
    """A built-in stage that no recipe shows would never be found; the classical steps are off by default."""
    text = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "pipelines").glob("*.yaml"))
    optional = {"lowercase", "punctuation", "stop_words"}
    hidden = {name for name in registry.BUILT_IN if not re.search(rf"\b{name}\b", text)}
    assert hidden <= optional
    assert all(issubclass(registry.find(name), Settings) for name in registry.BUILT_IN)


def test_the_readme_says_what_it_is_within_its_first_words() -> None:
    first = (ROOT / "README.md").read_text(encoding="utf-8").split("```")[0]
    assert len(first.split()) <= 60
