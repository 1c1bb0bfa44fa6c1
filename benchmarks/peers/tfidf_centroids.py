"""Nearest centroids of TF-IDF vectors: ``python tfidf_centroids.py ROWS SPLITS`` prints JSON.

Run by the peers' Python. ROWS is a file of JSON lines with text and label, SPLITS the numbers of the rows to
learn from and to measure on, for each split. Printed is the accuracy of each, in percent.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize


def accuracy(rows: list[dict[str, str]], train: list[int], test: list[int]) -> float:
    """By the greatest cosine with the mean of a label's vectors, each of length 1."""
    vectorizer = TfidfVectorizer(sublinear_tf=True)
    known = vectorizer.fit_transform([rows[number]["text"] for number in train])
    labels = [rows[number]["label"] for number in train]
    names = sorted(set(labels))
    of_label = [[row for row, label in enumerate(labels) if label == name] for name in names]
    means = normalize([known[each].mean(axis=0).A1 for each in of_label])
    told = (vectorizer.transform([rows[number]["text"] for number in test]) @ means.T).argmax(axis=1)
    right = [names[n] == rows[row]["label"] for n, row in zip(told, test, strict=True)]
    return 100 * sum(right) / len(right)


def main() -> None:
    rows = [json.loads(line) for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()]
    print(json.dumps([accuracy(rows, *split) for split in json.loads(sys.argv[2])]))


if __name__ == "__main__":
    main()
