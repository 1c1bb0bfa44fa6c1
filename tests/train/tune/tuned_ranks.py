"""Fine-tuning as one of several processes: argv holds the model, data, the folder to write and the task."""

import json
import sys
from pathlib import Path

import torch

from corpuskit.train.finetune import finetune_model, finetuning


def main() -> None:
    torch.set_num_threads(1)
    for model, data, out, task, values in json.loads(sys.argv[1]):
        settings = finetuning(model, data, task).kind.checked(values)
        finetune_model(Path(model), data, Path(out), task, settings)


if __name__ == "__main__":
    main()
