"""peft and TRL on a model of ours that was exported: ``python adapters.py {peft,trl} FOLDER`` prints JSON.

Run by the peers' Python. FOLDER holds

    peft    base/ (as transformers loads it), adapter/ (as peft loads it), ids.json (rows of ids); the logits
            of both together are written to logits.safetensors, those of the merged model as "merged"
    trl     policy/ and reference/, pairs.json (prompt_ids, chosen_ids and rejected_ids of each pair) and
            settings.json (beta, loss_type); DPOTrainer.compute_loss is called once on all pairs, its loss and
            the gradient of each weight of the policy are written to gradients.safetensors
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file


def loaded(folder: Path) -> Any:
    """A model of transformers in float32, that drops nothing."""
    import transformers

    config = json.loads((folder / "config.json").read_text())
    causal = config["architectures"][0].endswith("CausalLM")
    auto = transformers.AutoModelForCausalLM if causal else transformers.AutoModelForMaskedLM
    return auto.from_pretrained(folder, local_files_only=True).float().eval()


def peft(folder: Path) -> dict[str, Any]:
    """Logits of a base with its adapter, and of both merged."""
    from peft import PeftModel

    ids = torch.tensor(json.loads((folder / "ids.json").read_text()))
    model = PeftModel.from_pretrained(loaded(folder / "base"), folder / "adapter")
    with torch.no_grad():
        logits = model(input_ids=ids).logits
        merged = model.merge_and_unload()(input_ids=ids).logits
    save_file({"logits": logits.contiguous(), "merged": merged.contiguous()}, folder / "logits.safetensors")
    return {"rows": len(ids)}


def trl(folder: Path) -> dict[str, Any]:
    """The loss of DPOTrainer on pairs, and its gradients."""
    from datasets import Dataset
    from transformers import AutoTokenizer
    from trl import DPOConfig, DPOTrainer

    pairs = json.loads((folder / "pairs.json").read_text())
    settings = json.loads((folder / "settings.json").read_text())

    class Trainer(DPOTrainer):  # type: ignore[misc]
        """Pairs come as ids: both sides are to see the same."""

        def _prepare_dataset(self, dataset: Any, *arguments: Any) -> Any:
            return dataset

    policy, reference = loaded(folder / "policy"), loaded(folder / "reference")
    with tempfile.TemporaryDirectory() as out:
        config = DPOConfig(
            output_dir=out, report_to=[], use_cpu=True, bf16=False, max_length=None, disable_dropout=True,
            gradient_checkpointing=False, **settings,
        )  # fmt: skip
        tokenizer = AutoTokenizer.from_pretrained(folder / "policy", local_files_only=True)
        trainer = Trainer(
            policy, reference, config, train_dataset=Dataset.from_list(pairs), processing_class=tokenizer
        )
        inputs = trainer.data_collator(pairs)
        loss = trainer.compute_loss(trainer.model, inputs)
        loss.backward()
    kept = trainer._metrics["eval"] | trainer._metrics["train"]
    metrics = {name: values[-1] for name, values in kept.items() if values}
    gradients = {
        name: each.grad.contiguous() for name, each in policy.named_parameters() if each.grad is not None
    }
    save_file(gradients, folder / "gradients.safetensors")
    return {"loss": float(loss), **metrics}


def main() -> None:
    """Do what is asked and print it."""
    torch.set_num_threads(1)
    which, folder = sys.argv[1], Path(sys.argv[2])
    print(json.dumps({"peft": peft, "trl": trl}[which](folder)))


if __name__ == "__main__":
    main()
