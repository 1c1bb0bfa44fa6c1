"""The house: arrows go downwards, no circle, torch stays in train/, and --help loads nothing heavy."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.laws.house import PACKAGE, READ, arrows, circles, closure, imports, modules, targets

FLOORS = (
    # Lowest first. A room imports from the floors below its own.
    ("errors", "_native", "__version__"),
    ("storage",),
    ("documents",),
    ("stages", "tokenizer", "shards", "run"),
    ("sources",),
    ("train", "report"),
    ("build", "fetch"),
    ("workflow",),
    ("cli",),
)

TRAIN_MAY = {
    "train",
    "errors",
    "_native",
    "storage",
    "shards",
    "tokenizer",
    "documents.words",
    "documents.overlap",
}
"""All that train/ may import of ours: it sees shards and a tokenizer, words and what texts share,
and nothing of the pipeline."""

LONGEST = 80
"""Lines of a function."""


def room(name: str) -> str:
    """``corpuskit.stages.dedup.near`` stands in ``stages``."""
    return name.split(".")[1]


def floor(name: str) -> int:
    found = [i for i, rooms in enumerate(FLOORS) if room(name) in rooms]
    assert found, f"{name} stands in no room of FLOORS: give it one, above all that it imports"
    return found[0]


def within() -> list[str]:
    return [name for name in modules() if name not in ("corpuskit", "corpuskit.__main__")]


def test_there_is_no_circle() -> None:
    assert circles() == []


@pytest.mark.parametrize("name", within())
def test_a_room_imports_from_lower_floors_alone(name: str) -> None:
    upward = [other for other in arrows()[name] if room(other) != room(name) and floor(other) >= floor(name)]
    assert not upward, f"{name} imports {sorted(upward)}, which do not stand below it"


def test_stage_packages_do_not_import_each_other() -> None:
    packages = ("normalize", "quality", "dedup")
    found = {
        (name, other)
        for name in within()
        for other in arrows()[name]
        if room(name) == room(other) == "stages"
        and {name.split(".")[2], other.split(".")[2]} <= set(packages)
        and name.split(".")[2] != other.split(".")[2]
    }
    assert not found


def test_train_sees_shards_and_a_tokenizer_and_nothing_of_the_pipeline() -> None:
    found = {
        (name, other)
        for name in within()
        if room(name) == "train"
        for other in arrows()[name]
        if room(other) not in TRAIN_MAY and other.removeprefix("corpuskit.") not in TRAIN_MAY
    }
    assert not found


def test_nothing_below_the_command_line_imports_train() -> None:
    found = {
        (name, other)
        for name in within()
        if room(name) not in ("train", "workflow", "cli")
        for other in arrows()[name]
        if room(other) == "train"
    }
    assert not found


def test_shards_need_numpy_and_storage() -> None:
    """They can be read wherever NumPy and pyarrow are, and may lie wherever `storage` reads."""
    mine = [name for name in within() if room(name) == "shards"]
    found = {full.split(".")[0] for name in mine for full in imports(modules()[name])}
    assert found - set(sys.stdlib_module_names) <= {"numpy", "pyarrow", "corpuskit"}
    assert {room(other) for name in mine for other in arrows()[name]} <= {"shards", "errors", "storage"}


def test_only_train_imports_torch() -> None:
    heavy = ("torch", "transformers", "safetensors")
    found = {
        name
        for name in within()
        if room(name) != "train" and any(i.split(".")[0] in heavy for i in imports(modules()[name]))
    }
    assert not found


def test_the_rooms_have_room() -> None:
    """Fourteen entries at the top, eighteen modules in a folder: more, and a folder is missing."""
    folders = Counter(path.parent for path in modules().values() if path.name != "__init__.py")
    assert {str(f): n for f, n in folders.items() if n > 18} == {}
    top = {name.split(".")[1] for name in within()}
    assert len(top) <= 14, sorted(top)


def test_every_folder_says_what_it_holds() -> None:
    for path in PACKAGE.rglob("__init__.py"):
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


@pytest.mark.parametrize(("module", "most"), READ.items())
def test_what_people_read_can_be_read(module: str, most: int) -> None:
    names = closure("corpuskit." + module.removesuffix(".py").replace("/", "."))
    assert len(names) <= most, names


def test_a_run_owns_its_layout() -> None:
    """Nobody outside of run/ joins a path to a run's folder: only then may something else stand behind it."""
    found = [
        f"{name}:{node.lineno}"
        for name in within()
        if room(name) in ("build", "report", "cli")
        for node in ast.walk(ast.parse(modules()[name].read_text(encoding="utf-8")))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and joins_to_a_run(node.left)
    ]
    assert not found


def joins_to_a_run(left: ast.expr) -> bool:
    """Whether what stands left of a slash is a run, its folder, or a place that a run has told."""
    while isinstance(left, ast.BinOp):
        left = left.left
    if isinstance(left, ast.Call):
        return isinstance(left.func, ast.Attribute) and left.func.attr == "local"
    return ast.unparse(left) in ("run", "run.folder", "self.run.folder")


@pytest.mark.parametrize(
    ("code", "joins"),
    [
        ("run.folder / 'x'", True),
        ("run.local('shards') / name / 'x'", True),
        ("run / 'x'", True),
        ("a / b", False),
    ],
)
def test_a_join_is_seen(code: str, joins: bool) -> None:
    node = ast.parse(code, mode="eval").body
    assert isinstance(node, ast.BinOp)
    assert joins_to_a_run(node.left) == joins


def test_names_of_the_face_count_for_where_they_come_from(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_text("def f():\n    from corpuskit import build_corpus, errors\n")
    assert targets("x", path) == {"corpuskit.build.build", "corpuskit.errors"}


def test_no_function_is_long() -> None:
    found = {
        f"{name}.{node.name}": node.end_lineno - node.lineno + 1
        for name, path in modules().items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None
    }
    assert {name: lines for name, lines in found.items() if lines > LONGEST} == {}


def test_imports_of_types_and_inside_functions_are_seen(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from corpuskit.run.folder import Run\n"
        "def f():\n    if True:\n        import torch.nn\n        from corpuskit.cli import main\n"
    )
    assert set(imports(path)) == {
        "typing.TYPE_CHECKING",
        "corpuskit.run.folder.Run",
        "torch.nn",
        "corpuskit.cli.main",
    }


def loaded(environment: Callable[..., dict[str, str]], code: str, *, cwd: Path) -> set[str]:
    """Names of the modules that a child process has loaded at its end."""
    script = f"import sys, json, atexit\n{code}\n"
    found = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
    )
    assert found.returncode == 0, found.stderr
    return set(json.loads(found.stdout.splitlines()[-1]))


PRINT = "atexit.register(lambda: print(json.dumps(sorted(sys.modules))))"


def test_help_loads_nothing_heavy(environment: Callable[..., dict[str, str]], tmp_path: Path) -> None:
    run = "import runpy\nrunpy.run_module('corpuskit', run_name='__main__')"
    code = f"{PRINT}\nsys.argv = ['corpuskit', '--help']\n{run}"
    modules = loaded(environment, code, cwd=tmp_path)
    assert "importlib.metadata" not in modules  # It looks through all that is installed.
    names = {name.split(".")[0] for name in modules}
    assert not names & {"pyarrow", "torch", "numpy", "pydantic", "yaml", "rich", "tokenizers", "datasets"}


def test_importing_the_package_loads_nothing_heavy(
    environment: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    names = {name.split(".")[0] for name in loaded(environment, f"{PRINT}\nimport corpuskit", cwd=tmp_path)}
    assert not names & {"pyarrow", "torch", "numpy", "pydantic", "click"}


def test_a_build_never_loads_torch(
    environment: Callable[..., dict[str, str]], corpus: Path, tmp_path: Path
) -> None:
    """A whole build in a child: what it has loaded at its end holds neither torch nor what would load it."""
    code = (
        f"{PRINT}\nsys.argv = ['corpuskit', 'build', {str(corpus / 'recipe.yaml')!r}, '--out',"
        f" {str(tmp_path / 'run')!r}, '--workers', '1', '--quiet']\n"
        "import runpy\nrunpy.run_module('corpuskit', run_name='__main__')"
    )
    names = {name.split(".")[0] for name in loaded(environment, code, cwd=tmp_path)}
    assert "pyarrow" in names
    assert names & {"torch", "transformers", "datasets", "sklearn", "httpx2"} == set()
