"""Fine-tuning: what it costs, and what a pre-trained model gains by it.

    python -m benchmarks.adapt --base MODEL --encoder MODEL [--quick] [--only GROUP]... [--json FILE]

MODEL are model folders of ours, pre-trained on text of any kind: a decoder that `transformers` and litgpt
can load too (LayerNorm or RMSNorm, swiglu), and an encoder. Groups:

    speed      steps of fine-tuning a second, against Hugging Face's Trainer, with peft, and litgpt
    ablation   questions (TREC) and messages (SMS) by a decoder: all weights, the last blocks, LoRA, the head
               alone, and all weights from random ones
    tags       parts of speech in English, names in Spanish and Dutch, by an encoder
    pairs      whether two sentences say the same (MSRP), by an encoder, against TF-IDF
    instruct   loss of held-out answers: before, tuned here, and by litgpt on the same data and steps

What preferences and adapters compute is compared in `benchmarks.adapt_parts`; that each task goes on bit by
bit after it was killed, in one process and in two, in tests/train/tune.
"""

from __future__ import annotations

import sys

from benchmarks.adapt_instruct import instruct
from benchmarks.adapt_labels import ablation, paraphrases
from benchmarks.adapt_speed import speed
from benchmarks.adapt_tags import tags
from benchmarks.harness import run_benchmark

GROUPS = {
    "speed": speed,
    "ablation": ablation,
    "tags": tags,
    "pairs": paraphrases,
    "instruct": instruct,
}
MODELS = {
    "base": "a pre-trained decoder, a model folder",
    "encoder": "a pre-trained encoder, a model folder",
}

if __name__ == "__main__":
    sys.exit(run_benchmark("adapt", GROUPS, paths=MODELS))
