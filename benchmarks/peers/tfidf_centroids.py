"""Nearest centroids of TF-IDF vectors: ``python tfidf_centroids.py ROWS SPLITS`` prints JSON.

Run by the peers' Python. ROWS is a file of JSON lines with text and label, SPLITS the numbers of the rows to
learn from and to measure on, for each split. Printed is the accuracy of each, in percent.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize


def accuracy(rows: list[dict[str, str]], train: list[int], test: list[int]) -> float:
    """By the greatest cosine with the mean of a label's vectors, each of length 1."""
    vectorizer = TfidfVectorizer(sublinear_tf=True)
    known = vectorizer.fit_transform([rows[number]["text"] for number in train])
    labels = np.array([rows[number]["label"] for number in train])
    names = sorted(set(labels))
    means = normalize(np.vstack([np.asarray(known[labels == name].mean(axis=0)) for name in names]))
    told = (vectorizer.transform([rows[number]["text"] for number in test]) @ means.T).argmax(axis=1)
    return 100 * float(np.mean([names[n] == rows[row]["label"] for n, row in zip(told, test, strict=True)]))


def main() -> None:
    rows = [json.loads(line) for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()]
    print(json.dumps([accuracy(rows, *split) for split in json.loads(sys.argv[2])]))


if __name__ == "__main__":
    main()
