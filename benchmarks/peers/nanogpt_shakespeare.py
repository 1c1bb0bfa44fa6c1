"""nanoGPT on tiny Shakespeare, from process start to its last validation loss: prints JSON.

Run by the peers' Python as ``python nanogpt_shakespeare.py FOLDER TEXT STEPS``; FOLDER holds its source.
The recipe is its README's for a CPU: 4 layers, 4 heads, 128 wide, block 64, batch 12, rate 1e-3 falling to
1e-4 along a cosine after 100 steps of warm-up, beta2 0.99, no dropout. Evaluations on the way are left out,
which flatters it; the last is over the whole validation split, in windows that do not overlap.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(sys.argv[1])))

BLOCK, BATCH, WARM_UP, RATE, LEAST = 64, 12, 100, 1e-3, 1e-4


def rate(step: int, steps: int) -> float:
    """Its `get_lr`: linear warm-up, then half a cosine."""
    if step < WARM_UP:
        return RATE * (step + 1) / (WARM_UP + 1)
    share = (step - WARM_UP) / max(1, steps - WARM_UP)
    return LEAST + 0.5 * (1 + math.cos(math.pi * share)) * (RATE - LEAST)


def main() -> None:
    """Train and measure."""
    from model import GPT, GPTConfig  # type: ignore[import-not-found]

    text, steps = Path(sys.argv[2]).read_text(encoding="utf-8"), int(sys.argv[3])
    numbers = {character: i for i, character in enumerate(sorted(set(text)))}
    data = torch.tensor([numbers[character] for character in text])
    train, held_out = data[: int(len(data) * 0.9)], data[int(len(data) * 0.9) :]
    torch.manual_seed(1337)
    config = GPTConfig(
        block_size=BLOCK, vocab_size=len(numbers), n_layer=4, n_head=4, n_embd=128, dropout=0.0, bias=False
    )
    model = GPT(config)
    optimizer = model.configure_optimizers(0.1, RATE, (0.9, 0.99), "cpu")
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate(step, steps)
        starts = torch.randint(len(train) - BLOCK, (BATCH,))
        ids = torch.stack([train[i : i + BLOCK] for i in starts])
        targets = torch.stack([train[i + 1 : i + 1 + BLOCK] for i in starts])
        _, loss = model(ids, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    model.eval()
    rows = (len(held_out) - 1) // BLOCK
    ids = held_out[: rows * BLOCK].view(rows, BLOCK)
    targets = held_out[1 : rows * BLOCK + 1].view(rows, BLOCK)
    with torch.no_grad():
        total = sum(
            model(ids[i : i + 64], targets[i : i + 64])[1].item() * len(ids[i : i + 64])
            for i in range(0, rows, 64)
        )
    print(json.dumps({"loss": total / rows, "targets": rows * BLOCK, "steps": steps}))


if __name__ == "__main__":
    main()
