"""What the tables of a run hold, for tests that compare runs."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq


def rows_of(run: Path, folder: str) -> list[dict[str, Any]]:
    """The rows of all tables of a folder, in the order of files."""
    paths = sorted((run / folder).glob("*.parquet"))
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


def ids_of(run: Path, folder: str) -> list[str]:
    """The ids in all tables of a folder, in the order of files."""
    return [row["id"] for row in rows_of(run, folder)]


def digests_of(folder: Path) -> dict[str, str]:
    """sha256 of every file below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
