"""Fits the confidence of `identify_language`: ``python -m benchmarks.language_fit --corpora DIR``.

Prints the coefficients that stand in `corpuskit.stages.quality.language.identify`, and on the half of the
texts that was not fitted: how many true answers stay at 0.65, and how many false ones do.
"""

from __future__ import annotations

import argparse
import os
import random
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.language_texts import DECLARATION, declaration, pieces, sentences
from corpuskit.stages.quality.language import codes, identify
from corpuskit.stages.quality.language.scripts import count_letters, main_script

_SEED = 5
_UNKNOWN_WEIGHT = 0.35
"""Texts in languages that no identifier knows are more than half of all here; in corpora they are rare."""
_THRESHOLD = 0.65


class Example(NamedTuple):
    """A text, what is right (``""`` where nothing is), and where it is from."""

    text: str
    code: str
    kind: str


def examples(corpora: Path) -> list[Example]:
    """Pieces of the Declaration, sentences and their words, words of two languages by turns and at random."""
    chance = random.Random(_SEED)
    found = []
    for name, text in sorted(declaration(corpora).items()):
        code = DECLARATION.get(name, "")
        for size in (15, 30, 60, 100, 200, 400):
            cut = pieces(text, size)
            chance.shuffle(cut)
            kind = f"{size} characters" if code else "unknown language"
            found += [Example(piece, code, kind) for piece in cut[: 8 if code else 4]]
    told = sentences(corpora)
    for code, lines in told.items():
        for line in lines[::20]:
            words = line.split()
            found += [Example(line, code, "sentence"), Example(" ".join(words[:3]), code, "three words")]
            found.append(Example(words[len(words) // 2], code, "one word"))
    latin = [code for code, lines in told.items() if main_script(count_letters(lines[0]), lines[0]) == "Latn"]
    for _ in range(600):
        one, other = (chance.choice(told[code]).split() for code in chance.sample(latin, 2))
        mixed = [word for pair in zip(one, other, strict=False) for word in pair]
        if chance.random() < 0.5:
            chance.shuffle(mixed)
        found.append(Example(" ".join(mixed), "", "two languages mixed"))
    return found


def measure(example: Example) -> tuple[tuple[float, ...], bool] | None:
    """The features of a text and whether CLD2 is right; None where the script alone decides."""
    letters = count_letters(example.text)
    script = main_script(letters, example.text)
    if script is None or script in codes.SOLE_LANGUAGE or script.startswith("Han"):
        return None
    plain = identify.readable(example.text)
    evidence = identify.find(plain)
    if evidence.code == codes.UNKNOWN or evidence.code in codes.OWN_SCRIPT:
        return None
    right = codes.same_language(evidence.code, "nb" if example.code == "no" else example.code)
    return identify.features(plain, script, letters.total(), evidence), right


def fit(values: np.ndarray, right: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Coefficients of a logistic regression, by Newton's method, shape (features,)."""
    found = np.zeros(values.shape[1])
    for _ in range(60):
        chance = 1 / (1 + np.exp(-values @ found))
        slope = values.T @ (weights * (right - chance)) - 0.5 * found
        curve = values.T @ (values * (weights * chance * (1 - chance))[:, None]) + 0.5 * np.eye(len(found))
        found += np.linalg.solve(curve, slope)
    return found


def main() -> None:
    """Fit, and say how the held-out half does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpora", type=Path, default=os.environ.get("CORPUSKIT_CORPORA"))
    corpora = parser.parse_args().corpora
    if corpora is None:
        parser.error("set CORPUSKIT_CORPORA or give --corpora DIR")
    measured = [(each, found) for each in examples(Path(corpora)) if (found := measure(each))]
    values = np.array([found[0] for _, found in measured])
    right = np.array([found[1] for _, found in measured], float)
    unknown = np.array([each.kind == "unknown language" for each, _ in measured])
    weights = np.where(unknown, _UNKNOWN_WEIGHT, 1.0)
    fitted = np.arange(len(measured)) % 2 == 0
    found = fit(values[fitted], right[fitted], weights[fitted])
    print("_WEIGHTS =", tuple(round(float(value), 2) for value in found))
    sure = 1 / (1 + np.exp(-values @ np.round(found, 2))) >= _THRESHOLD
    for kind in dict.fromkeys(each.kind for each, _ in measured):
        here = ~fitted & np.array([each.kind == kind for each, _ in measured])
        true, false = here & (right == 1), here & (right == 0)
        print(f"{kind}: {sure[true].sum()} of {true.sum()} true, {sure[false].sum()} of {false.sum()} false")


if __name__ == "__main__":
    main()
