"""Logistic regression on TF-IDF of pairs of sentences: ``python tfidf_pairs.py SPLITS`` prints JSON.

Run by the peers' Python. SPLITS is a JSON list of [file to learn from, file to measure on], rows of text,
pair and label. Words and pairs of words are weighed by what is learnt from; C is the best of five by
cross-validation there. Features are those of both sentences side by side, or how far they differ and what
they share: |a - b| and a * b.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from scipy.sparse import hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import GridSearchCV

FORMS = {
    "TF-IDF side by side": lambda a, b: hstack([a, b]).tocsr(),
    "TF-IDF, differences and products": lambda a, b: hstack([abs(a - b), a.multiply(b)]).tocsr(),
}


def rows_of(path: str) -> tuple[list[str], ...]:
    """First texts, second texts and labels of a file."""
    rows = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
    return tuple([row[name] for row in rows] for name in ("text", "pair", "label"))


def scores(train: str, test: str) -> dict[str, dict[str, float]]:
    """Of each form accuracy and macro-F1, in percent."""
    (first, second, labels), (other, another, gold) = rows_of(train), rows_of(test)
    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True).fit([*first, *second])
    found = {}
    for name, form in FORMS.items():
        search = GridSearchCV(LogisticRegression(max_iter=2000), {"C": [0.1, 0.3, 1, 3, 10]}, cv=4)
        search.fit(form(vectors.transform(first), vectors.transform(second)), labels)
        said = search.predict(form(vectors.transform(other), vectors.transform(another)))
        figures = accuracy_score(gold, said), f1_score(gold, said, average="macro")
        found[name] = dict(zip(("accuracy", "macro F1"), (100 * each for each in figures), strict=True))
    return found


def main() -> None:
    """Score all splits."""
    found: dict[str, list[Any]] = {name: [] for name in FORMS}
    for train, test in json.loads(sys.argv[1]):
        for name, figures in scores(train, test).items():
            found[name].append(figures)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
