"""Logistic regression on TF-IDF of texts or of pairs of texts: ``python tfidf.py SPLITS`` prints JSON.

Run by the peers' Python. SPLITS is a JSON list of [file to learn from, to choose by, to measure on], rows of
text, label and perhaps pair. Words and pairs of words, the logarithm of their counts. How strongly weights
are held back is what gives most right answers on the rows to choose by; these are then learnt from too.
Features of pairs are those of both texts side by side, or how far they differ and what they share: |a - b|
and a * b.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scipy.sparse import hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score

STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
Form = Callable[..., Any]
ALONE: dict[str, Form] = {"TF-IDF": lambda a: a}
PAIRS: dict[str, Form] = {
    "TF-IDF side by side": lambda a, b: hstack([a, b]).tocsr(),
    "TF-IDF, differences and products": lambda a, b: hstack([abs(a - b), a.multiply(b)]).tocsr(),
}


def rows_of(path: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def said(train: list[dict[str, str]], rows: list[dict[str, str]], form: Form, strength: float) -> Any:
    """The labels that are told of rows by what is learnt from others."""
    columns = [name for name in ("text", "pair") if name in train[0]]
    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    vectors.fit([row[name] for name in columns for row in train])

    def features(some: list[dict[str, str]]) -> Any:
        return form(*(vectors.transform([row[name] for row in some]) for name in columns))

    model = LogisticRegression(C=strength, max_iter=2000)
    return model.fit(features(train), [row["label"] for row in train]).predict(features(rows))


def scores(form: Form, train: list[Any], held_out: list[Any], test: list[Any]) -> dict[str, float]:
    """Accuracy and macro-F1 on the rows to measure on, in percent, and the strength that was chosen."""
    right = {
        each: accuracy_score([row["label"] for row in held_out], said(train, held_out, form, each))
        for each in STRENGTHS
    }
    best = max(right, key=lambda each: right[each])
    gold, found = [row["label"] for row in test], said(train + held_out, test, form, best)
    figures = accuracy_score(gold, found), f1_score(gold, found, average="macro")
    return {"accuracy": 100 * figures[0], "macro F1": 100 * figures[1], "strength": best}


def main() -> None:
    splits = [[rows_of(path) for path in split] for split in json.loads(sys.argv[1])]
    forms = PAIRS if "pair" in splits[0][0][0] else ALONE
    print(json.dumps({name: [scores(form, *split) for split in splits] for name, form in forms.items()}))


if __name__ == "__main__":
    main()
