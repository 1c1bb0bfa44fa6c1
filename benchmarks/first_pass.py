"""The first pass of a build over one dump, and no more of it: ``python -m benchmarks.first_pass DUMP OUT``.

It stands alone because each worker imports the main module anew.
"""

from __future__ import annotations

import sys
from pathlib import Path

from corpuskit.build.build import Build
from corpuskit.build.pipeline import Pipeline
from corpuskit.sources.wikipedia.source import Wikipedia

WORKERS = 2


def first_pass(path: Path, out: Path) -> None:
    """The first pass of `corpuskit build` over one dump: candidates, their scans, and what goes aside."""
    pipeline = Pipeline([Wikipedia.model_validate({"path": str(path), "wiki": "enwiki"})])
    build = Build(pipeline, out, workers=WORKERS)
    build.store.create()
    with build.store.locked(), build.engine:
        segments = pipeline.segments()
        parts = build.plan_parts()
        tasks = [build._pass_task(segments[0], segments, part, [], [], i) for i, part in enumerate(parts)]
        build.perform(segments[0].title, tasks)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("usage: python -m benchmarks.first_pass DUMP OUT")
    first_pass(Path(sys.argv[1]), Path(sys.argv[2]))
