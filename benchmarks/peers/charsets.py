"""Encodings as the peers detect them; run by the Python of the peers' environment.

Reads a JSON list of paths on standard input and writes a JSON object: tool and version to a list of names in
the order of the paths, null where the tool finds none. Files that end in ``.gz`` are decompressed first.
"""

from __future__ import annotations

import gzip
import json
import sys
from importlib.metadata import version
from pathlib import Path


def main() -> None:
    """Detect with both peers, on all bytes of each file."""
    import chardet
    from charset_normalizer import from_bytes

    found: dict[str, list[str | None]] = {}
    tools = {"chardet": [], "charset-normalizer": []}
    for path in json.load(sys.stdin):
        data = Path(path).read_bytes()
        data = gzip.decompress(data) if path.endswith(".gz") else data
        tools["chardet"].append(chardet.detect(data)["encoding"])
        best = from_bytes(data).best()
        tools["charset-normalizer"].append(best.encoding if best else None)
    for tool, names in tools.items():
        found[f"{tool} {version(tool)}"] = names
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
