"""Adapters and preferences against those that others trust: rows for `benchmarks.adapt`.

peft loads an adapter of ours on the exported base, and TRL's DPOTrainer computes loss and gradients on the
exported policy and reference: `peft_rows`, `trl_rows`. Both need newer libraries than other peers allow and
have an environment of their own, `.bench-adapt-venv`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer, models
from torch import Tensor

from benchmarks.harness import Bar, Options, Row, compare, peer_versions, run_benchmark
from corpuskit.train.hub.adapters import write_peft
from corpuskit.train.hub.config import write_config
from corpuskit.train.hub.export import save_tensors
from corpuskit.train.hub.families import family_of, to_theirs
from corpuskit.train.model.lora import TARGETS, LoraSettings, add_adapters, is_adapter
from corpuskit.train.model.loss import IGNORED
from corpuskit.train.model.preference import Answers, Preference, answers_of, preference_losses
from corpuskit.train.model.transformer import ModelSettings, Transformer, initialise

SHAPE = ModelSettings(
    vocab_size=300,
    layers=3,
    width=64,
    heads=4,
    kv_heads=2,
    hidden=96,
    context=64,
    norm="rms",
    zero_init=False,
)
FAMILIES: Mapping[str, Mapping[str, Any]] = {
    "Qwen3": {},
    "Llama, head and embedding apart": {"qk_norm": False, "tie_embeddings": False},
    "StableLM": {"norm": "layer", "tie_embeddings": False},
    "ModernBERT": {"kind": "encoder", "norm": "layer", "qk_norm": False, "kv_heads": 4},
}


def model_of(seed: int, **changes: Any) -> Transformer:
    """A model whose logits are of a size as trained ones'."""
    model = Transformer(replace(SHAPE, **changes))
    initialise(model, seed)
    chance = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name in ("embedding", "head"):
            if hasattr(model, name):
                weight = getattr(model, name).weight
                weight.copy_(torch.randn(weight.shape, generator=chance) * 0.3)
    return model.eval()


def write_base(folder: Path, model: Transformer) -> None:
    """A model without adapters as transformers loads it, with a tokenizer that names its tokens by number."""
    folder.mkdir(parents=True)
    family, rows = family_of(model.settings), model.settings.vocab_size
    plain = {name: each for name, each in model.state_dict().items() if not is_adapter(name)}
    special = dict.fromkeys(("pad", "mask", "cls", "sep")) | {"bos": 0, "eos": 0}
    (folder / "config.json").write_text(json.dumps(write_config(family, model.settings, rows, special)))
    save_tensors(folder / "model.safetensors", to_theirs(plain, family, model.settings, rows))
    Tokenizer(models.WordLevel({f"t{n}": n for n in range(rows)}, "t0")).save(str(folder / "tokenizer.json"))
    words = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "t0", "pad_token": "t0"}
    (folder / "tokenizer_config.json").write_text(json.dumps(words))


def asked(python: Path, which: str, folder: Path) -> dict[str, Any]:
    """What the peer says."""
    script = Path(__file__).parent / "peers" / "adapters.py"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [os.path.abspath(python), str(script), which, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise SystemExit(f"{which}: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def peft_rows(options: Options) -> list[Row]:
    """The greatest difference of logits between our adapter on our model and in peft on the exported base."""
    python = options.require_peers("peft", "transformers")
    version = " ".join(peer_versions(python, ["peft"]))
    rows = []
    for name, changes in FAMILIES.items():
        model = model_of(1, **changes)
        targets = TARGETS if not model.settings.tie_embeddings else TARGETS[:-2]
        settings = LoraSettings(4, 12.0, targets)
        ids = torch.randint(0, 300, (4, 48), generator=torch.Generator().manual_seed(5))
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            write_base(folder / "base", model)
            with torch.no_grad():
                before = model(ids)[..., :300]
                add_adapters(model, settings, seed=1)
                chance = torch.Generator().manual_seed(2)
                for parameter_name, each in model.named_parameters():
                    if parameter_name.endswith("lora_b"):
                        each.copy_(torch.randn(each.shape, generator=chance) * 0.1)
                ours = model(ids)[..., :300]
            (folder / "adapter").mkdir()
            write_peft(folder / "adapter", model, settings, str(folder / "base"), 300)
            (folder / "ids.json").write_text(json.dumps(ids.tolist()))
            asked(python, "peft", folder)
            theirs = load_file(folder / "logits.safetensors")
        moved = float((ours - before).abs().max())
        for kind, words in (("logits", "beside its base"), ("merged", "merged by it")):
            value = float((theirs[kind] - ours).abs().max())
            rows += compare(
                f"an adapter of ours in peft, {words}: greatest difference of logits", value, {},
                unit="logit", better="lower", bar=Bar(1e-4, "value", "at most"),
                input=f"{name}, rank 4, all targets, 4 x 48 tokens",
                note=f"peft {version}; the adapter moves logits by up to {moved:.2f}",
            )  # fmt: skip
    return rows


def trl_rows(options: Options) -> list[Row]:
    """Loss and gradient of our preference losses against those of TRL's DPOTrainer on the same weights."""
    python = options.require_peers("trl", "transformers", "datasets")
    version = " ".join(peer_versions(python, ["trl"]))
    policy, reference = model_of(1), model_of(2)
    pairs = some_pairs()
    rows = []
    cases = (("sigmoid", Preference(0.1)), ("sigmoid", Preference(0.5)), ("ipo", Preference(0.1, kind="ipo")))
    for loss_type, settings in cases:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            write_base(folder / "policy", policy)
            write_base(folder / "reference", reference)
            (folder / "pairs.json").write_text(json.dumps(pairs))
            (folder / "settings.json").write_text(
                json.dumps({"beta": settings.beta, "loss_type": [loss_type]})
            )
            theirs = asked(python, "trl", folder)
            gradients = load_file(folder / "gradients.safetensors")
        loss, margin = our_step(policy, reference, pairs, settings)
        ours = {n: each.grad for n, each in policy.named_parameters() if each.grad is not None}
        expected = to_theirs(ours, family_of(policy.settings), policy.settings, 300)
        # A tied head is told by its embedding.
        apart = max(
            float((each - expected[name]).abs().max() / expected[name].abs().max())
            for name, each in gradients.items()
        )
        assert len(gradients) == len(expected)
        about = f"{settings.kind}, beta {settings.beta}, {len(pairs)} pairs"
        note = (
            f"TRL {version}: loss {theirs['loss']:.6f}, margin {theirs['rewards/margins']:.6f}; "
            f"ours {loss:.6f}, {margin:.6f}"
        )
        for what, value, limit in (
            (
                "the loss of TRL's DPOTrainer and ours: relative difference",
                abs(loss / theirs["loss"] - 1),
                1e-5,
            ),
            ("their gradients: greatest difference as a share of a weight's greatest", apart, 1e-4),
        ):
            rows += compare(
                what, value, {}, unit="of it", better="lower", bar=Bar(limit, "value", "at most"),
                input=about, note=note,
            )  # fmt: skip
    return rows


def some_pairs(count: int = 6) -> list[dict[str, list[int]]]:
    """Pairs of ids of several lengths."""
    chance = torch.Generator().manual_seed(7)

    def ids(length: int) -> list[int]:
        found: list[int] = torch.randint(1, 300, (length,), generator=chance).tolist()
        return found

    return [
        {"prompt_ids": ids(3 + n), "chosen_ids": ids(2 + 2 * n), "rejected_ids": ids(9 - n)}
        for n in range(count)
    ]


def our_step(
    policy: Transformer, reference: Transformer, pairs: list[dict[str, list[int]]], settings: Preference
) -> tuple[float, float]:
    """Mean loss and margin of pairs; the policy's weights get their gradients."""
    policy.zero_grad()
    sides = [
        padded([(each["prompt_ids"], each[side]) for each in pairs])
        for side in ("chosen_ids", "rejected_ids")
    ]
    with torch.no_grad():
        before = tuple(answers_of(reference, *side) for side in sides)
    now = tuple(answers_of(policy, *side) for side in sides)
    found = preference_losses(two(now), two(before), settings)
    found.losses.mean().backward()
    return float(found.losses.detach().mean()), float(found.margins.mean())


def two(answers: tuple[Answers, ...]) -> tuple[Answers, Answers]:
    """Chosen and rejected."""
    chosen, rejected = answers
    return chosen, rejected


def padded(rows: list[tuple[list[int], list[int]]]) -> tuple[Tensor, Tensor]:
    """Inputs and targets of prompts and answers, padded on the right."""
    longest = max(len(prompt) + len(answer) for prompt, answer in rows)
    ids, targets = (
        torch.zeros(len(rows), longest, dtype=torch.long),
        torch.full((len(rows), longest), IGNORED),
    )
    for row, (prompt, answer) in enumerate(rows):
        ids[row, : len(prompt) + len(answer)] = torch.tensor([*prompt, *answer])
        targets[row, len(prompt) : len(prompt) + len(answer)] = torch.tensor(answer)
    return ids[:, :-1], targets[:, 1:]


def collect(options: Options) -> list[Row]:
    """All rows; of a peer that is not there none."""
    if options.peers == Path(".bench-venv/bin/python"):
        options = replace(options, peers=Path(".bench-adapt-venv/bin/python"))
    none: list[Row] = []
    rows = options.attempt("adapters in peft", lambda: peft_rows(options), none)
    return rows + options.attempt("preferences in TRL", lambda: trl_rows(options), none)


if __name__ == "__main__":
    sys.exit(run_benchmark("adapt_parts", collect))
