"""A small corpus, and a workflow over it whose steps take a second each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

TINY = {"layers": 1, "width": 32, "heads": 2, "context": 32, "batch_rows": 2, "eval_tokens": 64, "steps": 4}


def small_steps() -> list[dict[str, Any]]:
    """A build, a model, another model that goes on from it, and what both give to the corpus."""
    return [
        {"build": "corpus", "recipe": "corpus/recipe.yaml"},
        {"train": "base", "run": "corpus", **TINY},
        {"finetune": "tuned", "from": "base", "data": "corpus", "task": "lm", "steps": 2, "batch_rows": 2},
        {"eval": "figures", "models": ["base", "tuned"], "data": ["corpus"]},
    ]


@pytest.fixture
def steps() -> list[dict[str, Any]]:
    """`small_steps`."""
    return small_steps()


@pytest.fixture
def write(corpus: Path) -> Callable[..., Path]:
    """Write a workflow file beside the corpus: ``write(steps, short=...)``."""

    def written(steps: Any, **more: Any) -> Path:
        path = corpus.parent / "flow.yaml"
        path.write_text(yaml.safe_dump({"steps": steps, **more}, sort_keys=False), encoding="utf-8")
        return path

    return written
