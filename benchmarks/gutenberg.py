"""Books of Project Gutenberg: what is read, what is cut, what is recognised, against the tools in use.

    python -m benchmarks.gutenberg [--quick] [--json FILE]

Each group of rows has a module of its own: `benchmarks.gutenberg_encoding` (declared and true encodings) and
`benchmarks.gutenberg_body` (bounds of the body, classes of blocks).
"""

from __future__ import annotations

import sys

from benchmarks import gutenberg_body, gutenberg_encoding
from benchmarks.harness import Options, Row, run_benchmark


def collect(options: Options) -> list[Row]:
    """The rows of all groups."""
    return [*gutenberg_encoding.collect(options), *gutenberg_body.collect(options)]


if __name__ == "__main__":
    sys.exit(run_benchmark("gutenberg", collect))
