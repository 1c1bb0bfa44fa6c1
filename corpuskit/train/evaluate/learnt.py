"""Which rows a model was fine-tuned on, by the examples that its folder keeps.

Texts are equal as they are where data are cut into sides (`corpuskit.train.data.tables.splits`), as far as
the model reads them: of a text that is longer than its context that is a part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt

from corpuskit.errors import counted
from corpuskit.train.data.examples import RECORD, Examples
from corpuskit.train.data.tables.splits import TRAIN, VALIDATION, text_key
from corpuskit.train.generate.generate import LanguageModel
from corpuskit.train.tune.kept import DATA

Ids = Sequence[int] | npt.NDArray[np.integer]


class Known:
    """The rows of a file that a model has met before.

    Attributes:
        learnt: whether each was learnt from, bool (rows,).
        chose: whether each was measured on while the model learnt, by which its weights were chosen.
    """

    def __init__(
        self, model: LanguageModel, folder: Path, rows: Sequence[Sequence[Ids]], column: str = "ids"
    ) -> None:
        """Look for rows, each as the pieces in which the model reads it, among the examples of a folder.

        Args:
            column: of the examples, which holds what is read.

        Raises TrainError where these are damaged.
        """
        keys = [[_key(model, piece) for piece in row] for row in rows]
        wanted = {key for row in keys for key in row}
        sides = [_found(model, folder / DATA / side, wanted, column) for side in (TRAIN, VALIDATION)]
        self.learnt, self.chose = (np.array([bool(row) and side >= {*row} for row in keys]) for side in sides)


def keeps_examples(folder: Path) -> bool:
    """Whether a model folder has the examples that the model learnt from."""
    return (folder / DATA / TRAIN / RECORD).exists()


def met(folder: Path, known: Known | None, row: str) -> Iterator[str]:
    """What there is to be said of rows that a model has learnt from, in sentences.

    Args:
        known: None where the folder keeps no examples.
        row: what one is called.
    """
    if known is None:
        place = folder / DATA / TRAIN
        yield f"{place} is not there: how many of the {row}s the model has learnt from is not known"
        return
    learnt, rows = int(known.learnt.sum()), len(known.learnt)
    if not learnt:
        return
    yield f"WARNING: of {counted(rows, row)} the model has learnt from {learnt:,}, which it may know by heart"
    chose = int((known.chose & ~known.learnt).sum())
    if chose:
        yield f"of the other {rows - learnt:,}, {chose:,} were measured on while it learnt, to choose weights"


def _found(model: LanguageModel, side: Path, wanted: set[int], column: str) -> set[int]:
    """Those of some keys that a side has; memory is that of the keys, however many examples there are."""
    if not (side / RECORD).exists():
        return set()
    examples = Examples(side)
    keys = (_key(model, examples.row(number)[column]) for number in range(len(examples)))
    return wanted.intersection(keys)


def _key(model: LanguageModel, ids: Ids) -> int:
    """What stands for the text, or the pair of texts, that a model reads as these ids."""
    return text_key(*_texts(model, ids))


def _texts(model: LanguageModel, ids: Ids) -> Iterator[str]:
    # The token that ends a text stands before each text of an example.
    for is_end, part in groupby(map(int, ids), lambda token: token == model.end_of_text):
        if not is_end:
            yield model.tokenizer.decode(list(part))
