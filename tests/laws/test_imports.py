"""Imports go one way, torch stays in train/, and --help loads nothing heavy."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "corpuskit"

STAGE_PACKAGES = ("ingest", "normalize", "quality", "dedup", "bpe", "pack")

LAYERS = (
    # Lowest first. A module imports from its own layer or from lower ones.
    ("errors", "_native", "__version__"),
    ("batch", "stage", "shards"),
    ("storage", "digests", "ledger"),
    ("run",),
    ("account", "engine", "stage_runner", "inflow", "passes"),
    ("decide", "split"),
    (*STAGE_PACKAGES, "train"),
    ("check_run", "tracing"),
    ("pipeline", "registry"),
    ("build",),
    ("plan", "recipe"),
    ("report",),
    ("cli",),
)

ALLOWED = {
    # The writing stage encodes: it needs the tokenizer that bpe/ makes.
    ("pack", "bpe"),
}
"""Stage packages that import another, each with its reason."""


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def parts_of(path: Path) -> tuple[str, ...]:
    """Names below ``corpuskit``: ``("dedup", "near")``."""
    return path.relative_to(PACKAGE).with_suffix("").parts


def imports(path: Path, *, at_run_time: bool = True) -> Iterator[str]:
    """Full names of all modules that a file imports, those under TYPE_CHECKING left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in walk(tree, at_run_time):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                yield f"{node.module}.{alias.name}"


def walk(node: ast.AST, at_run_time: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if at_run_time and isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        yield child
        yield from walk(child, at_run_time)


def internal(path: Path) -> set[str]:
    """First names below ``corpuskit`` of what a file imports: ``{"batch", "dedup"}``."""
    return {name.split(".")[1] for name in imports(path) if name.startswith("corpuskit.")}


def layer(name: str) -> int:
    found = [i for i, names in enumerate(LAYERS) if name in names]
    assert found, f"corpuskit.{name} has no layer: give it one in LAYERS, above all that it imports"
    return found[0]


@pytest.mark.parametrize("path", modules(), ids=lambda p: ".".join(parts_of(p)))
def test_a_module_imports_from_lower_layers_alone(path: Path) -> None:
    own = parts_of(path)[0]
    if own in ("__init__", "__main__"):
        return
    upward = {other for other in internal(path) if other != own and layer(other) > layer(own)}
    # `Pipeline.run` and `Pipeline.plan` load the build when they are called: named here, and nowhere else.
    upward -= {"build", "plan"} if own == "pipeline" else set()
    assert not upward, f"corpuskit.{'.'.join(parts_of(path))} imports {sorted(upward)}, which stand above it"


def test_stage_packages_do_not_import_each_other() -> None:
    found = {
        (parts_of(path)[0], other)
        for path in modules()
        if parts_of(path)[0] in STAGE_PACKAGES
        for other in internal(path)
        if other in STAGE_PACKAGES and other != parts_of(path)[0]
    }
    assert found <= ALLOWED


def test_train_sees_shards_and_a_tokenizer_and_nothing_of_the_pipeline() -> None:
    allowed = {"train", "errors", "shards", "__version__"}
    found = {
        (".".join(parts_of(path)), other)
        for path in modules()
        if parts_of(path)[0] == "train"
        for other in internal(path)
        if other not in allowed
    }
    assert not found


def test_shards_need_numpy_and_errors_alone() -> None:
    found = {
        name.split(".")[0] for path in modules() if parts_of(path)[0] == "shards" for name in imports(path)
    }
    assert found - set(sys.stdlib_module_names) <= {"numpy", "corpuskit"}
    inside = {o for path in modules() if parts_of(path)[0] == "shards" for o in internal(path)}
    assert inside <= {"shards", "errors"}


def test_only_train_imports_torch() -> None:
    heavy = ("torch", "transformers", "safetensors")
    found = {
        ".".join(parts_of(path))
        for path in modules()
        if parts_of(path)[0] != "train" and any(name.split(".")[0] in heavy for name in imports(path))
    }
    assert found <= {"cli.train", "cli.sample"}, "cli commands of training may, others may not"


def test_the_walk_sees_an_import_inside_a_function(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_text(
        "def f():\n    if True:\n        import torch.nn\n        from corpuskit.cli import build\n"
    )
    assert set(imports(path)) == {"torch.nn", "corpuskit.cli.build"}


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
    names = {name.split(".")[0] for name in loaded(environment, code, cwd=tmp_path)}
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
