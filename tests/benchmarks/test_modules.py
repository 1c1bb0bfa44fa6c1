"""Benchmarks are run by hand: what they import of ours must be there all the same."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

from benchmarks.first_pass import first_pass

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").rglob("*.py")), ids=lambda p: p.stem)
def test_what_a_benchmark_imports_of_ours_is_there(path: Path) -> None:
    """Its peers need not be."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in (
            "corpuskit",
            "benchmarks",
        ):
            try:
                module = importlib.import_module(str(node.module))
            except ModuleNotFoundError as error:
                if str(error.name).startswith(("corpuskit", "benchmarks")):
                    raise
                continue
            for alias in node.names:
                if not hasattr(module, alias.name):
                    importlib.import_module(f"{node.module}.{alias.name}")


def test_the_first_pass_writes_the_candidates_of_a_dump(tmp_path: Path) -> None:
    first_pass(ROOT / "sample_corpora" / "encyclopedia.xml", tmp_path / "run")
    assert list((tmp_path / "run" / "candidates").glob("*.parquet"))
