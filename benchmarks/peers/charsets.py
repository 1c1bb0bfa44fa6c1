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
    """Detect with the peers that the arguments name, on all bytes of each file."""
    found: dict[str, list[str | None]] = {tool: [] for tool in sys.argv[1:]}
    for path in json.load(sys.stdin):
        data = Path(path).read_bytes()
        data = gzip.decompress(data) if path.endswith(".gz") else data
        for tool, names in found.items():
            names.append(DETECT[tool](data))
    json.dump({f"{tool} {version(tool)}": names for tool, names in found.items()}, sys.stdout)


def by_chardet(data: bytes) -> str | None:
    import chardet

    return chardet.detect(data)["encoding"]


def by_charset_normalizer(data: bytes) -> str | None:
    from charset_normalizer import from_bytes

    best = from_bytes(data).best()
    return best.encoding if best else None


DETECT = {"chardet": by_chardet, "charset-normalizer": by_charset_normalizer}


if __name__ == "__main__":
    main()
