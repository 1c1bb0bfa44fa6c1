"""Steps of fine-tuning of ours, timed: ``python -m benchmarks.adapt_steps SPEC`` prints JSON.

SPEC is JSON: model, data, out, task and settings, all of them as `corpuskit finetune` takes them. It is the
whole run, with its loop and its log, that is timed, from the end of each step to that of the next.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path

import torch

from corpuskit.train.finetune import PURPOSES, finetune_model
from corpuskit.train.watch.events import Event


def main() -> None:
    """Run and print the clocks after each step, and the losses."""
    spec = json.loads(sys.argv[1])
    walls, cpus, losses = [], [], []
    learning = 0

    def listen(event: Event) -> None:
        nonlocal learning
        if event["event"] == "start":
            some = re.search(r"([\d,]+) numbers learn", event["summary"])
            learning = int(some[1].replace(",", "")) if some else event["parameters"]
        if event["event"] == "step":
            walls.append(time.perf_counter())
            cpus.append(time.process_time())
            losses.append(event["loss"])

    settings = PURPOSES[spec["task"]].settings(**spec["settings"])
    finetune_model(
        Path(spec["model"]), spec["data"], Path(spec["out"]), spec["task"], settings, listen=listen
    )
    found = {"walls": walls, "cpus": cpus, "losses": losses, "learning": learning}
    print(json.dumps({**found, "threads": torch.get_num_threads()}))


if __name__ == "__main__":
    main()
