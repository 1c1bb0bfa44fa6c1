"""Fine-tuning by litgpt's own scripts: ``python tuning_litgpt.py SPEC`` prints JSON.

Run by the peers' Python. SPEC is JSON: model (an export of ours, which becomes a checkpoint of litgpt's),
train (a file: rows of each batch, in order) or rows (a file of rows, drawn anew in each epoch), batch_rows,
steps, held_out (a file of rows, perhaps empty), precision, rate, warmup, beta2, seed, out, and rank, alpha of
adapters, or rank 0: then `litgpt finetune_full` is called in place of `finetune_lora`. Said are the clocks
after each step, the first loss, and the loss of held-out answers before and after.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import sys
import time
from pathlib import Path
from typing import Any

import torch
from litgpt.args import EvalArgs, TrainArgs
from litgpt.config import Config
from litgpt.data import DataModule
from litgpt.data.base import get_sft_collate_fn
from litgpt.finetune import full, lora
from litgpt.model import GPT
from litgpt.prompts import Default
from litgpt.scripts.convert_hf_checkpoint import copy_weights_hf_llama
from litgpt.utils import save_config
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader

IGNORED = -100
GAIN = re.compile(r"\.(?P<layer>\d+)\.self_attn\.(?P<which>[qk])_(norm|layernorm\.norms\.(?P<head>\d+))\.")
"""What Qwen3 and StableLM call the gains of queries and keys."""


def write_checkpoint(export: Path, out: Path) -> bool:
    """An export as litgpt keeps a model; returns whether the head is the embedding."""
    said, theirs = json.loads((export / "config.json").read_text()), load_file(export / "model.safetensors")
    stablelm, heads = said["model_type"] == "stablelm", said["num_attention_heads"]
    norms = any(GAIN.search(name) for name in theirs)
    config = Config(
        name="exported",
        block_size=said["max_position_embeddings"],
        vocab_size=said["vocab_size"],
        padded_vocab_size=said["vocab_size"],
        n_layer=said["num_hidden_layers"],
        n_head=heads,
        n_query_groups=said["num_key_value_heads"],
        n_embd=said["hidden_size"],
        head_size=said.get("head_dim") or said["hidden_size"] // heads,
        intermediate_size=said["intermediate_size"],
        norm_class_name="LayerNorm" if stablelm else "RMSNorm",
        norm_eps=said["layer_norm_eps" if stablelm else "rms_norm_eps"],
        norm_qk=norms,
        mlp_class_name="LLaMAMLP",
        rotary_percentage=1.0,
        rope_base=int(said["rope_theta"]),
        parallel_residual=False,
        bias=False,
    )
    if said["hidden_act"] != "silu":
        raise SystemExit(f"an MLP with {said['hidden_act']} has no place in this checkpoint")
    weights: dict[str, Tensor] = {}
    copy_weights_hf_llama(config, {}, weights, {n: each for n, each in theirs.items() if not GAIN.search(n)})
    for name, gain in theirs.items():
        if (found := GAIN.search(name)) and found["head"] in (None, "0"):  # All heads share one.
            place = f"transformer.h.{found['layer']}.attn.norm_{found['which']}"
            weights[f"{place}.weight"] = gain
            if stablelm:
                weights[f"{place}.bias"] = torch.zeros_like(gain)
    GPT(config).load_state_dict(weights)
    out.mkdir(parents=True)
    torch.save(weights, out / "lit_model.pth")
    save_config(config, out)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (out / name).write_bytes((export / name).read_bytes())
    return bool(said["tie_word_embeddings"])


class Rows(DataModule):
    """Rows that are ids already; the time at which a batch is asked for is that at which a step is done."""

    def __init__(self, spec: dict[str, Any]) -> None:
        super().__init__()
        self.walls: list[float] = []
        self.cpus: list[float] = []
        self.prompt_style = Default()
        self.in_order = "train" in spec
        found = json.loads(Path(spec["train" if self.in_order else "rows"]).read_text(encoding="utf-8"))
        rows = itertools.chain.from_iterable(found) if self.in_order else found
        self.rows = [_sample(row) for row in rows]
        self.batch_rows, self.seed = spec["batch_rows"], spec["seed"]
        self._collate = get_sft_collate_fn(-1)

    def connect(self, *_: Any, **__: Any) -> None:
        """Nothing is to be known."""

    def collate(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """A batch as litgpt pads it."""
        self.walls.append(time.perf_counter())
        self.cpus.append(time.process_time())
        return self._collate(rows)

    def train_dataloader(self) -> DataLoader:
        """All rows, in order or drawn."""
        drawn = torch.Generator().manual_seed(self.seed)
        order: dict[str, Any] = {} if self.in_order else {"shuffle": True, "generator": drawn}
        return DataLoader(self.rows, self.batch_rows, collate_fn=self.collate, **order)

    def val_dataloader(self) -> DataLoader:
        """A row, for litgpt asks for some; what counts is measured apart."""
        return DataLoader(self.rows[:1], 1, collate_fn=self._collate)


def _sample(row: dict[str, Any]) -> dict[str, Any]:
    ids = torch.tensor(row["ids"])
    counts = {"raw": len(ids), "raw_plus_prompt_template": len(ids)}
    return {"input_ids": ids, "labels": torch.tensor(row["labels"]), "token_counts": counts}


@torch.no_grad()
def held_out_loss(model: torch.nn.Module, rows: list[dict[str, Any]]) -> float:
    """Nats a token of answers, in float32."""
    plain, total, count = getattr(model, "module", model), 0.0, 0
    plain.eval()
    for row in rows:
        ids, labels = torch.tensor([row["ids"]]), torch.tensor(row["labels"][1:])
        logits = plain(ids)[0, :-1].float()
        total += float(functional.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum"))
        count += int((labels != IGNORED).sum())
    plain.train()
    return total / max(1, count)


class Tied(GPT):
    """litgpt's model with a head that is its embedding, as the export has it."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.lm_head.weight = self.transformer.wte.weight


def watch(module: Any, found: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Let a script of litgpt's say its first loss, and the loss of held-out rows before and after."""
    fit, cross_entropy = module.fit, module.chunked_cross_entropy

    def watched_fit(**given: Any) -> Any:
        model = given["model"] if "model" in given else given["state"]["model"]
        found["before"] = held_out_loss(model, rows)
        found["learning"] = sum(each.numel() for each in model.parameters() if each.requires_grad)
        counts = fit(**given)
        found["after"] = held_out_loss(model, rows)
        return counts

    def watched_loss(logits: Tensor, targets: Tensor, **how: Any) -> Tensor:
        loss = cross_entropy(logits, targets, **how)
        if not how:  # Where it validates a size of chunks is given.
            found.setdefault("losses", [float(loss)])
        return loss

    module.fit, module.chunked_cross_entropy = watched_fit, watched_loss
    # Both read a command line of litgpt's own, after the last step.
    module.save_hyperparameters = module.merge_lora = lambda *_, **__: None


def main() -> None:
    """Tune and print what was found."""
    spec = json.loads(sys.argv[1])
    out, found = Path(spec["out"]), {}
    held_out = json.loads(Path(spec["held_out"]).read_text(encoding="utf-8")) if spec["held_out"] else []
    with contextlib.redirect_stdout(sys.stderr):
        tied = write_checkpoint(Path(spec["model"]), out / "checkpoint")
        module, data = (lora if spec["rank"] else full), Rows(spec)
        watch(module, found, held_out)
        how: dict[str, Any] = {}
        if spec["rank"]:
            how = {"lora_r": spec["rank"], "lora_alpha": spec["alpha"], "lora_dropout": 0.0}
            how |= dict.fromkeys(("lora_query", "lora_key", "lora_value", "lora_projection"), True)
            how["lora_mlp"] = spec["mlp"]
        elif tied:
            module.GPT = Tied
        optimizer = {"lr": spec["rate"], "betas": [0.9, spec["beta2"]], "weight_decay": 0.0, "fused": True}
        module.setup(
            out / "checkpoint",
            out / "tuned",
            precision={"fp32": "32-true", "bf16": "bf16-mixed"}[spec["precision"]],
            data=data,
            train=TrainArgs(
                save_interval=None,
                global_batch_size=spec["batch_rows"],
                micro_batch_size=spec["batch_rows"],
                lr_warmup_steps=spec["warmup"],
                epochs=10_000,
                max_steps=spec["steps"],
            ),
            eval=EvalArgs(interval=10**9, max_new_tokens=1, max_iters=1, final_validation=False),
            optimizer={"class_path": "torch.optim.AdamW", "init_args": optimizer},
            seed=spec["seed"],
            **how,
        )
    print(json.dumps({**found, "walls": data.walls, "cpus": data.cpus, "threads": torch.get_num_threads()}))


if __name__ == "__main__":
    main()
