"""Steps of fine-tuning by Hugging Face's Trainer, timed: ``python tuning_hf.py SPEC`` prints JSON.

Run by the peers' Python. SPEC is JSON: model (an export of ours), batches (a file: rows of each batch, in
order), task ("classify" or "instruct"), precision ("fp32" or "bf16"), out, and rank and alpha of adapters by
peft, or rank 0 for none. Rows are padded to the longest of their batch, in multiples of 8.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import SequentialSampler
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

IGNORED, MULTIPLE = -100, 8
TARGETS = {"q": "q_proj", "k": "k_proj", "v": "v_proj", "o": "o_proj"}


class Clock(TrainerCallback):
    """The clocks after each step."""

    def __init__(self) -> None:
        self.walls: list[float] = []
        self.cpus: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Take note."""
        self.walls.append(time.perf_counter())
        self.cpus.append(time.process_time())


class InOrder(Trainer):
    """A Trainer that reads its rows in order, and says the loss of each step."""

    def __init__(self, *args: Any, **how: Any) -> None:
        super().__init__(*args, **how)
        self.losses: list[float] = []

    def _get_train_sampler(self, dataset: Any = None) -> SequentialSampler:
        return SequentialSampler(self.train_dataset if dataset is None else dataset)

    def training_step(self, *args: Any, **how: Any) -> Tensor:
        """That of the library."""
        loss = super().training_step(*args, **how)
        self.losses.append(float(loss))
        return loss


class Collator:
    """Rows as a batch."""

    def __init__(self, padding: int, task: str) -> None:
        self.padding, self.task = padding, task

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Tensor]:
        """Padded on the right."""
        longest = -(-max(len(row["ids"]) for row in rows) // MULTIPLE) * MULTIPLE
        ids = torch.full((len(rows), longest), self.padding)
        mask, labels = torch.zeros_like(ids), torch.full_like(ids, IGNORED)
        for number, row in enumerate(rows):
            length = len(row["ids"])
            ids[number, :length], mask[number, :length] = torch.tensor(row["ids"]), 1
            if self.task == "instruct":
                labels[number, :length] = torch.tensor(row["labels"])
        if self.task == "classify":
            labels = torch.tensor([row["label"] for row in rows])
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def make_model(spec: dict[str, Any]) -> torch.nn.Module:
    """The export, with adapters where they are asked for."""
    if spec["task"] == "classify":
        return AutoModelForSequenceClassification.from_pretrained(spec["model"])
    model = AutoModelForCausalLM.from_pretrained(spec["model"])
    if not spec["rank"]:
        return model
    from peft import LoraConfig, get_peft_model

    names = [TARGETS[each] for each in spec["targets"]]
    config = LoraConfig(r=spec["rank"], lora_alpha=spec["alpha"], target_modules=names, lora_dropout=0.0)
    return get_peft_model(model, config)


def main() -> None:
    """Train and print the clocks after each step, and the losses."""
    spec = json.loads(sys.argv[1])
    batches = json.loads(Path(spec["batches"]).read_text(encoding="utf-8"))
    settings = TrainingArguments(
        output_dir=spec["out"],
        per_device_train_batch_size=len(batches[0]),
        max_steps=len(batches),
        learning_rate=spec["rate"],
        weight_decay=0.01,
        bf16=spec["precision"] == "bf16",
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        remove_unused_columns=False,
    )
    clock, model = Clock(), make_model(spec)
    padding = json.loads((Path(spec["model"]) / "config.json").read_text())["eos_token_id"]
    trainer = InOrder(
        model=model,
        args=settings,
        train_dataset=[row for batch in batches for row in batch],
        data_collator=Collator(padding, spec["task"]),
        callbacks=[clock],
    )
    trainer.train()
    learning = sum(each.numel() for each in model.parameters() if each.requires_grad)
    found = {"walls": clock.walls, "cpus": clock.cpus, "losses": trainer.losses, "learning": learning}
    print(json.dumps({**found, "threads": torch.get_num_threads()}))


if __name__ == "__main__":
    main()
