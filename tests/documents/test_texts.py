"""Long texts in pieces: where a text is cut depends on the text alone, not on how it comes."""

import random
import re

import pytest

from corpuskit.documents.texts import pieces, pieces_of

BORDERS = (r"(?<=\n)(?=\S)|(?<=\S)(?= )", r"(?<=\S\n)(?=\S)|(?<=\S)(?= )", r"(?<=\n)", r"(?=never)")


def by_hand(text: str, border: re.Pattern[str], size: int) -> list[str]:
    """At the first border behind each so many characters, of the whole."""
    found, start = [], 0
    while len(text) - start > size and (at := border.search(text, start + size)):
        found.append(text[start : at.start()])
        start = at.start()
    return [*found, text[start:]]


@pytest.mark.parametrize("border", BORDERS)
def test_pieces_do_not_depend_on_blocks(border: str) -> None:
    drawn, pattern = random.Random(7), re.compile(border)
    for _ in range(400):
        text = "".join(drawn.choices("ab \n", (4, 3, 2, 1), k=drawn.randrange(60)))
        size = drawn.randrange(1, 9)
        cuts = sorted(drawn.choices(range(len(text) + 1), k=drawn.randrange(9)))
        blocks = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        expected = [each for each in by_hand(text, pattern, size) if each] or [""]
        assert list(pieces_of(blocks, pattern, size)) == expected
        assert list(pieces(text, pattern, size)) == expected
