"""Steps of fine-tuning of ours, timed: ``python -m benchmarks.adapt_steps SPEC`` prints JSON.

SPEC is JSON: model, data, out, task and settings, all of them as `corpuskit finetune` takes them. It is the
whole run, with its loop and its log, that is timed, from the end of each step to that of the next.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from corpuskit.train.finetune import PURPOSES, finetune_model
from corpuskit.train.watch.events import Event


def main() -> None:
    """Run and print the clocks after each step, and the losses."""
    spec = json.loads(sys.argv[1])
    walls, cpus, losses = [], [], []

    def listen(event: Event) -> None:
        if event["event"] == "step":
            walls.append(time.perf_counter())
            cpus.append(time.process_time())
            losses.append(event["loss"])

    settings = PURPOSES[spec["task"]].settings(**spec["settings"])
    finetune_model(
        Path(spec["model"]), spec["data"], Path(spec["out"]), spec["task"], settings, listen=listen
    )
    print(json.dumps({"walls": walls, "cpus": cpus, "losses": losses}))


if __name__ == "__main__":
    main()
