"""The house as a graph: which module imports which, what has to be read for one, and how full the rooms are.

Every import counts: those of types alone and those inside functions too.

    python -m tests.laws.house                      the rooms, and what has to be read for some modules
    python -m tests.laws.house train/loop.py        what has to be read for one, file by file
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "corpuskit"

READ = {
    "stages/quality/length.py": 5,
    "stages/dedup/near.py": 10,
    "train/loop.py": 20,
    "train/model/transformer.py": 2,
}
"""Modules that people come to read, and how many files they may have to open for it, its own included."""


@cache
def modules() -> dict[str, Path]:
    """Dotted name to file, packages by their own name."""
    return {_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def _name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path) -> Iterator[str]:
    """Full names of all that a file imports: modules, and names of modules."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def face() -> dict[str, str]:
    """Names at the door of the package, each with the module that it is handed on from."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    [places] = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_PLACES"
    ]
    found: dict[str, str] = ast.literal_eval(places)
    return found


@cache
def arrows() -> dict[str, set[str]]:
    """Each module with the modules of ours that it imports, those behind names of the package's face too.

    The face itself has none: it only hands names on when they are asked for.
    """
    return {name: set() if name == "corpuskit" else targets(name, path) for name, path in modules().items()}


def targets(name: str, path: Path) -> set[str]:
    """The modules of ours that one file imports."""
    found = set()
    for full in imports(path):
        parent, _, last = full.rpartition(".")
        target = face().get(last, parent) if parent == "corpuskit" and full not in modules() else full
        target = target if target in modules() else parent
        if target in modules() and target not in (name, "corpuskit"):
            found.add(target)
    return found


def closure(name: str) -> list[str]:
    """All modules that one imports, itself included, over any number of steps; without `__init__` files."""
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current not in seen:
            seen.add(current)
            waiting += arrows()[current]
    return sorted(one for one in seen if modules()[one].name != "__init__.py")


def circles() -> list[list[str]]:
    """Groups of modules that import one another in a circle."""
    reach = {name: _reached(name) for name in modules()}
    rings = {tuple(sorted(b for b in reach[a] if a in reach[b])) for a in modules() if a in reach[a]}
    return sorted(map(list, rings))


def _reached(name: str) -> set[str]:
    seen: set[str] = set()
    waiting = list(arrows()[name])
    while waiting:
        current = waiting.pop()
        if current not in seen:
            seen.add(current)
            waiting += arrows()[current]
    return seen


def lines(name: str) -> int:
    """Physical lines of a module."""
    return len(modules()[name].read_text(encoding="utf-8").splitlines())


def main(wanted: list[str]) -> None:
    """Print the closures."""
    for entry in wanted or READ:
        name = _name(PACKAGE / entry.removeprefix("./").removeprefix("corpuskit/"))
        if name not in modules():
            raise SystemExit(f"{entry}: no such module; name it as stages/quality/length.py")
        names = closure(name)
        print(f"{entry}: {len(names)} files, {sum(map(lines, names))} lines")
        if wanted:
            print("".join(f"  {lines(name):5}  {name}\n" for name in names), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
