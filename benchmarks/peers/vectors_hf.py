"""Vectors of texts by transformers: ``python vectors_hf.py EXPORT IDS`` prints JSON.

Run by the peers' Python. IDS is a JSON file of the ids of each text. Printed are the vectors (texts, width)
by side of the padding and by pooling; what is pooled is the last hidden state.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModel

_ROWS = 16


def vectors(model: torch.nn.Module, lines: list[list[int]], side: str) -> dict[str, list[list[float]]]:
    """Mean, first and last of the real positions of each text, padded to the longest of its batch."""
    found: dict[str, list[list[float]]] = {"mean": [], "first": [], "last": []}
    for start in range(0, len(lines), _ROWS):
        batch = lines[start : start + _ROWS]
        longest = max(map(len, batch))
        ids = torch.zeros(len(batch), longest, dtype=torch.long)
        seen = torch.zeros_like(ids)
        for row, line in enumerate(batch):
            place = slice(0, len(line)) if side == "right" else slice(longest - len(line), longest)
            ids[row, place] = torch.tensor(line)
            seen[row, place] = 1
        with torch.inference_mode():
            # Positions count from each text's own beginning, on whichever side it is padded.
            places = (seen.cumsum(1) - 1).clamp(min=0)
            states = model(input_ids=ids, attention_mask=seen, position_ids=places).last_hidden_state
        for row in range(len(batch)):
            own = states[row][seen[row].bool()]
            for name, vector in (("mean", own.mean(0)), ("first", own[0]), ("last", own[-1])):
                found[name].append(vector.tolist())
    return found


def main() -> None:
    model = AutoModel.from_pretrained(sys.argv[1]).eval()
    lines = json.loads(Path(sys.argv[2]).read_text())
    print(json.dumps({side: vectors(model, lines, side) for side in ("right", "left")}))


if __name__ == "__main__":
    main()
