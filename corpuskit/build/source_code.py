"""The source of a user's own class, part of what its outputs are made from: a version is soon forgotten.

What counts is the class with all that it names, directly or through others, at the top of its module, the
classes that it is derived from, and the modules beside its own that it imports, whole. Comments and layout do
not count, nor what else stands in the module: a script that is changed below the class does its work once.
"""

from __future__ import annotations

import ast
import hashlib
import linecache
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from corpuskit.documents.settings import Settings
from corpuskit.errors import CorpuskitError

_PACKAGE = CorpuskitError.__module__.partition(".")[0]


def fingerprint(step: Settings, *, deciding: bool) -> dict[str, Any]:
    """What a step puts into the fingerprint of a task, and the digest of its source if it is a user's."""
    source = source_sha256(type(step))
    return {**step.fingerprint(deciding=deciding), **({"source": source} if source else {})}


# Once for each class: a module that is edited after it was imported still does what it did.
@cache
def source_sha256(kind: type) -> str | None:
    """Digest of the source of a class, in hex; empty for one of this package, which has versions for that.

    None where the source cannot be had: a class made at a prompt, or by a program.
    """
    sources = []
    for each in kind.__mro__:
        root = each.__module__.partition(".")[0]
        if root in (_PACKAGE, "pydantic") or root in sys.stdlib_module_names:
            continue
        source = _source(each)
        if source is None:
            return None
        sources.append(source)
    return hashlib.sha256("\0".join(sources).encode()).hexdigest() if sources else ""


def _source(kind: type) -> str | None:
    """The statements that a class stands on, as text."""
    module = sys.modules.get(kind.__module__)
    functions = (value for value in vars(kind).values() if isinstance(value, FunctionType))
    # A notebook's cells are known by the file names of what they define; a module by its own.
    names = [getattr(module, "__file__", None), *(f.__code__.co_filename for f in functions)]
    for name in filter(None, names):
        linecache.checkcache(name)
        text = "".join(linecache.getlines(name, vars(module) if module else None))
        try:
            reached = _reached(ast.parse(text), kind.__qualname__.partition(".")[0])
        except (SyntaxError, ValueError):
            continue
        if reached:
            imported = _imported(reached, module) if module else []
            return "\n".join([*map(ast.unparse, reached), *imported])
    return None


def _reached(tree: ast.Module, name: str) -> list[ast.stmt]:
    """The statements at the top that bind a name, with those that bind what they name, in order."""
    binding: dict[str, list[int]] = {}
    for number, statement in enumerate(tree.body):
        for bound in _bound(statement):
            binding.setdefault(bound, []).append(number)
    found, names = set[int](), [name]
    while names:
        for number in binding.pop(names.pop(), []):
            found.add(number)
            names += [each.id for each in ast.walk(tree.body[number]) if isinstance(each, ast.Name)]
    return [tree.body[number] for number in sorted(found)]


def _bound(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement binds at the top of a module."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
        return
    for each in ast.walk(statement):
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
            yield each.id
        elif isinstance(each, ast.alias):
            yield (each.asname or each.name).partition(".")[0]
        elif isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield each.name


def _imported(statements: list[ast.stmt], module: ModuleType) -> list[str]:
    """The texts of modules of the same package or folder that statements import, and that these import."""
    own = getattr(module, "__file__", None)
    if own is None:
        return []
    # The folder of the outermost package, or of a module that is in none.
    root, package = Path(own).resolve().parent, module.__package__ or ""
    for _ in package.split(".") if package else ():
        root = root.parent
    top = package.partition(".")[0]
    found: dict[str, str] = {}
    waiting = _names(statements, package)
    while waiting:
        imported = sys.modules.get(waiting.pop(0))
        file = getattr(imported, "__file__", None)
        if imported is None or file is None or file in found or not file.endswith(".py"):
            continue
        if imported.__name__.partition(".")[0] == top or Path(file).resolve().parent == root:
            found[file] = Path(file).read_text(encoding="utf-8")
            waiting += _names(ast.parse(found[file]).body, imported.__package__ or "")
    return list(found.values())


def _names(statements: list[ast.stmt], package: str) -> list[str]:
    """Names of the modules that statements of a module of a package may import."""
    names = []
    for each in (node for statement in statements for node in ast.walk(statement)):
        if isinstance(each, ast.Import):
            names += [alias.name for alias in each.names]
        elif isinstance(each, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - each.level + 1] if each.level else []
            base = ".".join([*parents, *([each.module] if each.module else [])])
            names += [base, *(f"{base}.{alias.name}" for alias in each.names)]
    return names
