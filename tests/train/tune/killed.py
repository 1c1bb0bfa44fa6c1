"""Fine-tuning that is killed by force: argv holds for each run the model, data, folder, task and settings.

Prints how each ended, as `os.wait` has it.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch

from corpuskit.train.finetune import finetune_model, finetuning
from corpuskit.train.watch.events import Event

STEP = 5
"""Behind which, between two saves, a run is killed."""


def die(event: Event) -> None:
    if event["event"] == "step" and event["step"] == STEP:
        os.kill(os.getpid(), signal.SIGKILL)


def run(model: str, data: str, out: str, task: str, values: dict[str, Any]) -> None:
    settings = finetuning(model, data, task).kind.checked(values)
    finetune_model(Path(model), data, Path(out), task, settings, listen=die)


def main() -> None:
    torch.set_num_threads(1)
    for job in json.loads(sys.argv[1]):
        child = os.fork()  # Loading torch anew for each would take most of the time.
        if child == 0:
            run(*job)
            os._exit(0)
        print(os.waitpid(child, 0)[1], flush=True)


if __name__ == "__main__":
    main()
