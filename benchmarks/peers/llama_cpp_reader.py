"""GGUF files as llama.cpp reads them; run by the Python of the peers' environment.

Reads JSON from standard input: {"texts": [...], "files": {name: {"path": ..., "ids": [...] or null}}}, and
writes a JSON object: by name the ids of the texts, and the logits at each position of "ids", where there are.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def main() -> None:
    """Load each file, with everything in float32 that can be."""
    import llama_cpp

    asked = json.load(sys.stdin)
    found: dict[str, Any] = {}
    for name, file in asked["files"].items():
        row = file["ids"]
        model = llama_cpp.Llama(
            file["path"],
            vocab_only=row is None,
            logits_all=True,
            n_ctx=max(64, len(row or ())),
            n_batch=max(64, len(row or ())),
            n_threads=2,
            flash_attn=False,
            type_k=llama_cpp.GGML_TYPE_F32,
            type_v=llama_cpp.GGML_TYPE_F32,
            verbose=False,
        )
        ids = [model.tokenize(text.encode(), add_bos=False, special=False) for text in asked["texts"]]
        found[name] = {"ids": ids}
        if row is not None:
            model.eval(row)
            found[name]["logits"] = model.scores[: len(row)].tolist()
            found[name]["begins"] = model.tokenize(b"x", add_bos=True, special=False)
        model.close()
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
