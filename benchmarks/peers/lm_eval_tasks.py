"""lm-eval on an exported model: ``python lm_eval_tasks.py MODEL TASKS LIMIT NAME...`` prints JSON.

Run by the peers' Python. TASKS is a folder of YAML files. For each task: its figures, the ln p of all choices
of each question, and the seconds that all tasks took together, loading left out.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from typing import Any

import lm_eval
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager


def main(model: str, folder: str, limit: int, names: list[str]) -> dict[str, Any]:
    loaded = HFLM(pretrained=model, device="cpu", batch_size=16)
    tasks = TaskManager(include_path=folder, include_defaults=False)
    began = time.perf_counter()
    found = lm_eval.simple_evaluate(
        loaded, tasks=names, task_manager=tasks, limit=limit or None, bootstrap_iters=0
    )
    seconds = time.perf_counter() - began
    assert found is not None
    answers = {}
    for name in names:
        samples = sorted(found["samples"][name], key=lambda sample: sample["doc_id"])
        # Before filters each answer is [[ln p, greedy]].
        answers[name] = [[float(each[0][0]) for each in sample["resps"]] for sample in samples]
    return {"results": found["results"], "log_likelihoods": answers, "seconds": seconds}


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):
        told = main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:])
    print(json.dumps(told, default=str))
