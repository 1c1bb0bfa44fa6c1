"""Law 11: nothing of others is touched. A folder that is not empty and not ours is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from corpuskit.build.build import build_corpus
from corpuskit.build.recipe.recipe import load
from corpuskit.cli.main import cli
from corpuskit.run import layout
from corpuskit.storage import ownership
from corpuskit.train import TrainSettings, train_model
from corpuskit.train.hub.export import export_model

SMALL = TrainSettings(layers=1, width=32, heads=2, context=16, batch_rows=2, steps=2, eval_tokens=64)
TRAIN = ("--steps", "2", "--size", "nano", "--set", "eval_tokens=64")
COMMANDS: dict[str, tuple[str, ...]] = {
    "build": ("build", "{corpus}/recipe.yaml", "--out", "{out}"),
    "dry run": ("build", "{corpus}/recipe.yaml", "--out", "{out}", "--dry-run"),
    "train": ("train", "{run}", "--out", "{out}", *TRAIN),
    "overwrite": ("train", "{run}", "--out", "{out}", "--overwrite", *TRAIN),
    "resume": ("train", "{run}", "--out", "{out}", "--resume"),
    "export": ("export", "{model}", "--out", "{out}", "--no-check"),
    "import": ("import", "{export}", "--out", "{out}"),
    "tokenizer": ("tokenizer", "train", "{corpus}/books", "--out", "{out}/tokenizer.json"),
    "gutenberg": ("fetch", "gutenberg", "--limit", "1", "--mirror", "http://127.0.0.1:9/x", "--out", "{out}"),
}


@pytest.fixture(scope="module")
def ours(built: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder of each kind that corpuskit writes. Not to be written into."""
    folder = tmp_path_factory.mktemp("ours")
    train_model(built / "run", folder / "model", SMALL)
    export_model(folder / "model", folder / "export", check=False)
    export_model(folder / "model", folder / "export-torch", "torch", check=False)
    (folder / "fetched").mkdir()
    (folder / "fetched" / "fetch.json").write_text('{"format": 1, "source": "wikipedia", "files": {}}')
    return {"run": built / "run", "corpus": built / "corpus", **{p.name: p for p in folder.iterdir()}}


def call(name: str, out: Path | str, ours: dict[str, Path]) -> tuple[int, dict[str, Any]]:
    words = [word.format(out=out, **ours) for word in COMMANDS[name]]
    done = CliRunner().invoke(cli, [*words, "--json"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    # A wrong word of the call is told before the command begins.
    return done.exit_code, json.loads(done.stdout) if done.stdout else {"message": done.stderr}


def tree(folder: Path) -> dict[str, bytes | str | None]:
    """All that lies below a folder: bytes of files, targets of links, None for folders."""

    def state(path: Path) -> bytes | str | None:
        return str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else None

    return {str(path): state(path) for path in sorted(folder.rglob("*"))}


def foreign(folder: Path) -> Path:
    """What another tool has left, under names that ours has too."""
    texts = dict.fromkeys(("model.json", "run.json", "fetch.json", "export.json", "logs/lock"), "{}")
    texts |= dict.fromkeys(("logs/train.jsonl", "logs/build.jsonl", "documents/x.parquet", ".tmp/x"), "[]")
    texts |= dict.fromkeys(("model.safetensors", "checkpoints/step-00000001/state.json", "x.git/HEAD"), "x")
    texts |= {"config.json": '{"modelTopology": {}}', "tokenizer.json": "{}", "checkpoints/best/x": "y"}
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def one_file(folder: Path, name: str) -> Path:
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_text("theirs")
    return folder


HOSTILE: dict[str, Callable[[Path], Path]] = {
    "names as ours": lambda at: foreign(at / "out"),
    "one file": lambda at: one_file(at / "out", "notes.txt"),
    "hidden alone": lambda at: one_file(at / "out", ".git/HEAD"),
    "logs alone": lambda at: one_file(at / "out", "logs/train.jsonl"),
    "report alone": lambda at: one_file(at / "out", "report/mine.html"),
    "temporary alone": lambda at: one_file(at / "out", ".tmp/mine"),
    "checkpoints alone": lambda at: one_file(at / "out", "checkpoints/latest"),
    "a file": lambda at: one_file(at / "x", "out") / "out",
}


# A tokenizer is a file, which may lie among others.
REFUSED = [(n, h) for n in COMMANDS for h in HOSTILE if n != "tokenizer" or h == "names as ours"]


@pytest.mark.parametrize(("name", "hostile"), REFUSED)
@pytest.mark.parametrize("linked", [False, True], ids=["itself", "by a link"])
def test_what_is_not_ours_is_refused_and_left_as_it_is(
    name: str, hostile: str, linked: bool, ours: dict[str, Path], tmp_path: Path
) -> None:
    out = HOSTILE[hostile](tmp_path)
    if linked:
        (tmp_path / "link").symlink_to(out)
        out = tmp_path / "link"
    before = tree(tmp_path)
    code, told = call(name, out, ours)
    assert code in (1, 2)
    assert str(out) in told["message"]
    assert told["remedy"]
    assert tree(tmp_path) == before


RIGHT = {
    "run": {"build", "dry run"},
    "model": {"overwrite", "resume"},
    "fetched": {"gutenberg"},
}
"""What may be written into which kind of folder."""


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("kind", ["run", "model", "export", "export-torch", "fetched"])
def test_one_kind_of_folder_is_never_written_as_another(
    name: str, kind: str, ours: dict[str, Path], tmp_path: Path
) -> None:
    if name in RIGHT.get(kind, ()):
        return
    shutil.copytree(ours[kind], tmp_path / "out")
    before = tree(tmp_path)
    code, told = call(name, tmp_path / "out", ours)
    assert code in (1, 2)
    assert str(tmp_path / "out") in told["message"]
    assert tree(tmp_path) == before
    # And by its own inputs: a run, a model or an export as the --out of what is made of it.
    before = tree(ours[kind])
    assert call(name, ours[kind], ours)[0] in (1, 2)
    assert tree(ours[kind]) == before


@pytest.mark.parametrize("name", ["build", "train", "overwrite", "export", "import"])
@pytest.mark.parametrize("inside", ["run/documents/x", "model/checkpoints/x", "fetched/x", "run/logs/a/b"])
def test_no_folder_is_begun_among_the_files_of_another(
    name: str, inside: str, ours: dict[str, Path], tmp_path: Path
) -> None:
    kind = inside.partition("/")[0]
    shutil.copytree(ours[kind], tmp_path / kind)
    before = tree(tmp_path)
    code, told = call(name, tmp_path / inside, ours)
    assert code in (1, 2)
    assert f"{tmp_path / inside}: lies among the files of the " in told["message"]
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", ["build", "dry run", "train", "export", "import", "gutenberg"])
def test_a_uri_and_a_dangling_link_are_refused(
    name: str, ours: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    before = tree(tmp_path)
    for out, said in (("s3://bucket/x", "is a URI"), ("link", "is a link that leads nowhere")):
        code, told = call(name, out, ours)
        assert code in (1, 2)
        assert said in told["message"]
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", ["train", "export", "import", "build"])
def test_an_empty_folder_by_a_link_and_a_new_one_with_parents_are_written(
    name: str, ours: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    for out in (tmp_path / "link", tmp_path / "a" / "b" / ".." / "c"):
        assert call(name, out, ours)[0] == 0
    found = ownership.kind_of_folder(tmp_path / "empty")
    assert found is {"build": ownership.RUN, "export": ownership.EXPORT}.get(name, ownership.MODEL)
    assert [path for path in tmp_path.rglob("*lock*") if path.name != "workers"] == []


def test_a_call_that_fails_leaves_no_folder_or_one_that_it_knows(
    ours: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    for out in (tmp_path / "a" / "b", tmp_path / "empty"):
        assert call("resume", out, ours)[0] == 1
    assert list(tmp_path.rglob("*")) == [tmp_path / "empty"]
    with pytest.raises(KeyError):
        train_model(ours["run"], tmp_path / "empty", TrainSettings(steps=1), listen=lambda event: {}["no"])
    assert not (tmp_path / "empty" / "model.json").exists()
    assert (tmp_path / "empty" / "tokenizer.json").exists()
    assert call("train", tmp_path / "empty", ours)[0] == 0


def test_what_others_put_into_a_model_folder_stays(ours: dict[str, Path], tmp_path: Path) -> None:
    out = Path(shutil.copytree(ours["model"], tmp_path / "model"))
    theirs = ["notes.txt", "logs/mine.log", "logs/tensorboard/mine/x", "checkpoints/best/model.safetensors"]
    theirs += [
        "checkpoints/step-00000001-best/state.json",
        "checkpoints/step-00000002/mine.txt",
        "curves.png",
    ]
    for name in theirs:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(name)
    (out / "checkpoints" / "elsewhere").symlink_to(ours["model"])
    (out / "checkpoints" / "step-00000001").symlink_to(ours["model"] / "checkpoints" / "step-00000000")
    before = tree(ours["model"])
    settings = SMALL.model_copy(update={"steps": 4, "save_every": 1, "keep": 1})
    train_model(ours["run"], out, settings, overwrite=True, pause_at=3)
    train_model(ours["run"], out, resume=True)
    assert all((out / name).read_text() == name for name in theirs)
    assert (out / "checkpoints" / "elsewhere").is_symlink()
    assert tree(ours["model"]) == before
    assert (out / "checkpoints" / "latest").read_text() == "step-00000004"
    saved = {path.parent.name for path in out.glob("checkpoints/step-*/optimizer.safetensors")}
    assert saved - {"step-00000001"} == {"step-00000004"}


def test_a_run_does_not_begin_with_the_model_that_it_writes_over(
    ours: dict[str, Path], tmp_path: Path
) -> None:
    out = Path(shutil.copytree(ours["model"], tmp_path / "model"))
    before = tree(out)
    (tmp_path / "link").symlink_to(out)
    words = ["train", str(ours["run"]), "--out", str(out), "--overwrite"]
    done = CliRunner().invoke(cli, [*words, "--set", f"init_from={tmp_path / 'link'}"])
    assert done.exit_code == 1
    assert "is --out itself" in done.stderr
    assert tree(out) == before


def test_a_file_that_is_there_is_not_written_over(ours: dict[str, Path], tmp_path: Path) -> None:
    books = Path(shutil.copytree(ours["corpus"] / "books", tmp_path / "books"))
    dump = tmp_path / "dump.xml"
    dump.write_text("<mediawiki/>")
    before = tree(tmp_path)
    for words, said in (
        (
            ["tokenizer", "train", str(books), "--out", str(books / "tokenizer.json")],
            "tokenizer train reads",
        ),
        (["wikipedia", "templates", str(dump), "--out", str(dump)], "is what wikipedia templates reads"),
        (["wikipedia", "templates", str(tmp_path), "--out", str(tmp_path / "t.xml")], "templates reads"),
    ):
        done = CliRunner().invoke(cli, words)
        assert done.exit_code == 2
        assert said in done.stderr
    assert tree(tmp_path) == before


def test_a_half_finished_folder_of_ours_is_gone_on_with(ours: dict[str, Path], tmp_path: Path) -> None:
    """What a kill leaves before a folder has its mark: the lock, which says whose it is."""
    for name, kind in (("build", "run"), ("train", "model")):
        out = tmp_path / name
        (out / "logs").mkdir(parents=True)
        (out / "logs" / "lock").write_text(json.dumps({"writes": kind, "pid": 1, "since": "2026-01-01"}))
        (out / "tokenizer.json").write_text("half")
        (other,) = {"build", "train"} - {name}
        assert call(other, out, ours)[0] == 1
        assert call(name, out, ours)[0] == 0
        assert not (out / "logs" / "lock").exists()


def test_what_the_kinds_say_agrees_with_the_layout_of_a_run() -> None:
    folders = {path.partition("/")[0] for path in layout._PATHS.values() if "/" in path and path[0] != "{"}
    for name in {*folders, *layout.UNTRACKED, "candidates", "candidates-1", "documents"}:
        assert ownership.RUN.inside.fullmatch(name), name
        assert name in layout.UNTRACKED or layout.is_output(name)
    assert not ownership.RUN.inside.fullmatch("model")


# --------------------------------------------------------------------------------- beside what is read
def test_a_run_below_a_source_is_refused_however_it_is_reached(ours: dict[str, Path], tmp_path: Path) -> None:
    texts = Path(shutil.copytree(ours["corpus"], tmp_path / "texts"))
    (tmp_path / "link").symlink_to(texts / "books")
    before = tree(tmp_path)
    for out in (texts / "books" / "run", tmp_path / "link" / "a" / "run", texts / "letters/../books/run"):
        for name in ("build", "dry run"):
            code, told = call(name, out, {**ours, "corpus": texts})
            assert (code, told["error"]) == (2, "SettingError")
            assert f"lies in {texts / 'books'}, which files reads" in told["message"]
            assert "outside of" in told["remedy"]
    assert tree(tmp_path) == before
    # Beside a source that is a file, a run is beside no other file that is read.
    single = tmp_path / "one.txt"
    single.write_text("A text of its own.")
    (tmp_path / "one.yaml").write_text("sources:\n  - files: {path: one.txt, label: x}\n")
    assert build_corpus(tmp_path / "one.yaml", tmp_path / "run").documents == 1


def test_what_is_read_from_the_run_itself_is_refused(ours: dict[str, Path], tmp_path: Path) -> None:
    run = Path(shutil.copytree(ours["run"], tmp_path / "run"))
    before = tree(run)
    for text, said in (
        (
            f"sources:\n  - files: {{path: {run}/documents, label: x}}\n",
            f"holds {run}/documents, what files reads",
        ),
        (
            f"sources:\n  - files: {{path: {ours['corpus']}/books, label: x}}\n"
            f"tokenizer: {{file: {run}/tokenizer/tokenizer.json}}\n",
            "json, what tokenizer reads",
        ),
    ):
        (tmp_path / "own.yaml").write_text(text)
        done = CliRunner().invoke(cli, ["build", str(tmp_path / "own.yaml"), "--out", str(run)])
        assert done.exit_code == 2
        assert said in done.stderr
    assert tree(run) == before


def test_runs_and_models_below_a_source_are_passed_over_and_told(
    ours: dict[str, Path], tmp_path: Path
) -> None:
    """Also those that a link leads to, and those that were left half made."""
    texts = tmp_path / "texts"
    texts.mkdir()
    for number in range(3):
        (texts / f"{number}.txt").write_text(f"Text number {number}.\n")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("sources:\n  - files: {path: texts, label: x}\n")
    for kind in ("run", "model", "export", "export-torch"):
        shutil.copytree(ours[kind], texts / "deep" / kind)
    (texts / "link").symlink_to(ours["run"])
    (texts / "half" / "logs").mkdir(parents=True)
    (texts / "half" / "logs" / "lock").write_text('{"writes": "model"}')
    (texts / "half" / "logs" / "train.jsonl").write_text('{"text": "no text"}\n')
    for _ in range(2):
        result = build_corpus(load(recipe).pipeline, tmp_path / "run")
        assert result.documents == 3
    told = (tmp_path / "run" / "logs" / "build.jsonl").read_text()
    assert "not read, run of corpuskit: deep/run, link" in told
    assert "not read, model of corpuskit: deep/model, half" in told
    assert "not read, exported model of corpuskit: deep/export, deep/export-torch" in told


@pytest.mark.parametrize("kind", ["files", "wikipedia", "gutenberg"])
def test_a_source_that_is_a_run_names_its_documents(kind: str, ours: dict[str, Path], tmp_path: Path) -> None:
    label = ", label: x" if kind == "files" else ""
    (tmp_path / "r.yaml").write_text(f"sources:\n  - {kind}: {{path: {ours['run']}{label}}}\n")
    done = CliRunner().invoke(cli, ["build", str(tmp_path / "r.yaml"), "--out", str(tmp_path / "out")])
    assert done.exit_code == 1
    assert "is a run of corpuskit" in done.stderr
    assert f"{ours['run']}/documents" in done.stderr
    (tmp_path / "r.yaml").write_text(f"sources:\n  - files: {{path: {ours['run']}/documents, label: x}}\n")
    assert build_corpus(tmp_path / "r.yaml", tmp_path / "copy").documents > 30
