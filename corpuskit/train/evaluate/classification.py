"""Scores of classifiers."""

from __future__ import annotations

import numpy as np

DIRECTIONS = {"loss": "less", "accuracy": "more", "macro_f1": "more", "ece": "less"}


def classification_scores(labels, probabilities, several=False):
    chosen = probabilities.argmax(1)
    return {"accuracy": float((chosen == labels).mean())}
