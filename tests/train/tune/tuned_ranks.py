"""Fine-tuning as one of several processes.

argv holds for each run the model, data, folder, task, settings, port, and how it is called.
"""

import json
import os
import sys
from pathlib import Path

import torch

from corpuskit.train.finetune import finetune_model, finetuning


def main() -> None:
    torch.set_num_threads(1)
    for model, data, out, task, values, port, call in json.loads(sys.argv[1]):
        # The processes of each run meet anew, where those of the run before no longer listen.
        os.environ["MASTER_PORT"] = str(port)
        settings = finetuning(model, data, task).kind.checked(values) if values else None
        finetune_model(Path(model), data, Path(out), task, settings, **call)


if __name__ == "__main__":
    main()
