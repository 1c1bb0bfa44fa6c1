"""Logistic regression on TF-IDF: ``python tfidf.py FOLDER...`` prints JSON, one object for each folder.

Run by the peers' Python. A FOLDER holds train.jsonl, validation.jsonl and test.jsonl, rows with "text" and
"label". Words and pairs of words, the logarithm of their counts; how strongly weights are held back is chosen
on the validation rows, then all but the test rows are learnt from.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score

STRENGTHS = (1.0, 10.0, 100.0)


def rows(path: Path) -> tuple[list[str], list[str]]:
    """Labels and texts."""
    found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [row["label"] for row in found], [row["text"] for row in found]


def fit(labels: list[str], texts: list[str], strength: float) -> Any:
    """What gives labels of texts."""
    features = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    model = LogisticRegression(C=strength, max_iter=500, tol=1e-3).fit(features.fit_transform(texts), labels)
    return lambda others: model.predict(features.transform(others))


def measure(folder: Path) -> dict[str, float]:
    """Accuracy and macro-F1 on the test rows, per cent."""
    began = time.perf_counter()
    train, held_out, test = (rows(folder / f"{name}.jsonl") for name in ("train", "validation", "test"))
    right = {each: accuracy_score(held_out[0], fit(*train, each)(held_out[1])) for each in STRENGTHS}
    best = max(right, key=lambda each: right[each])
    found = fit(train[0] + held_out[0], train[1] + held_out[1], best)(test[1])
    return {
        "accuracy": 100 * accuracy_score(test[0], found),
        "macro F1": 100 * f1_score(test[0], found, average="macro"),
        "strength": best,
        "seconds": time.perf_counter() - began,
    }


if __name__ == "__main__":
    json.dump([measure(Path(each)) for each in sys.argv[1:]], sys.stdout)
