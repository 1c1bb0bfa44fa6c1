"""What other tools leave of Gutenberg files. Run by the Python of the peers' environment::

    python -m benchmarks.peers.gutenberg_bodies OUT.jsonl RAW.txt...

Each ``RAW.txt`` is UTF-8 with LF line ends. ``OUT.jsonl`` receives one line a file:
``{"file", "gutenbergpy", "gutenberg-cleaner"}``, the texts that the tools give back.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from gutenberg_cleaner import simple_cleaner
from gutenbergpy.textget import strip_headers


def main() -> None:
    """Write the tools' texts."""
    out, *files = sys.argv[1:]
    with open(out, "w", encoding="utf-8") as lines:
        for name in files:
            text = Path(name).read_text(encoding="utf-8")
            texts = {
                "gutenbergpy": strip_headers(text.encode("utf-8")).decode("utf-8"),
                "gutenberg-cleaner": simple_cleaner(text),
            }
            lines.write(json.dumps({"file": name, **texts}) + "\n")


if __name__ == "__main__":
    main()
