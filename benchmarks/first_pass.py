"""The first pass of a build over one dump, and no more of it: ``python -m benchmarks.first_pass DUMP OUT``.

It stands alone because each worker imports the main module anew.
"""

from __future__ import annotations

import sys
from pathlib import Path

from corpuskit.build.parts import list_parts
from corpuskit.build.pipeline import Pipeline
from corpuskit.build.steps import steps
from corpuskit.run.folder import Run
from corpuskit.run.local_engine import LocalEngine
from corpuskit.sources.wikipedia.source import Wikipedia
from corpuskit.storage.digests import Digests

WORKERS = 2


def first_pass(path: Path, out: Path) -> None:
    """The first pass of `corpuskit build` over one dump: candidates, their scans, and what goes aside."""
    pipeline = Pipeline([Wikipedia.model_validate({"path": str(path), "wiki": "enwiki"})])
    run = Run(out)
    with run.locked(), LocalEngine(WORKERS) as engine:
        parts = list_parts(pipeline.sources, Digests(run.local(run.path("logs", "digests.json"))))
        first = next(steps(pipeline, run, parts))
        for _ in engine.run(sorted(first.tasks, key=lambda task: -task.bytes)):
            pass


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("usage: python -m benchmarks.first_pass DUMP OUT")
    first_pass(Path(sys.argv[1]), Path(sys.argv[2]))
