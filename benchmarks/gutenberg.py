"""Books of Project Gutenberg: what is read, what is cut, what is recognised, against the tools in use.

    python -m benchmarks.gutenberg [--quick] [--json FILE]

Each group of rows has a module of its own: `benchmarks.gutenberg_encoding` (declared and true encodings) and
`benchmarks.gutenberg_body` (bounds of the body, classes of blocks).
"""

from __future__ import annotations

import sys
from functools import partial

from benchmarks import gutenberg_body, gutenberg_encoding
from benchmarks.harness import Options, Row, run_benchmark


def collect(options: Options) -> list[Row]:
    """The rows of all groups."""
    groups = {"encodings": gutenberg_encoding.collect, "bounds and blocks": gutenberg_body.collect}
    measured = (options.attempt(name, partial(group, options), []) for name, group in groups.items())
    return [row for rows in measured for row in rows]


if __name__ == "__main__":
    sys.exit(run_benchmark("gutenberg", collect))
