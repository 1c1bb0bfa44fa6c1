"""How much of a text repeats itself: lines and paragraphs that stand twice, n-grams of words.

Everything is an integer; the rules form the ratios. Each function is linear in the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

TOP_ORDERS = (2, 3, 4)
"""Orders of which the most frequent n-gram is measured."""

REPEATED_ORDERS = (5, 6, 7, 8, 9, 10)
"""Orders of which all n-grams that occur twice are measured."""


class Repeats(NamedTuple):
    """Of some lines or paragraphs: how many, how many repeat an earlier one, characters of both."""

    units: int
    repeated: int
    characters: int
    repeated_characters: int


def repeats(units: Sequence[str]) -> Repeats:
    """The first of equal units counts as no repetition, each further one does.

    >>> repeats(["one", "two", "one", "one"])
    Repeats(units=4, repeated=2, characters=12, repeated_characters=6)
    """
    seen, count, characters = set[str](), 0, 0
    for unit in units:
        if unit in seen:
            count, characters = count + 1, characters + len(unit)
        seen.add(unit)
    return Repeats(len(units), count, sum(map(len, units)), characters)


# ------------------------------------------------------------------------------------ n-grams, by the paper
def grams(words: Sequence[str], most: int) -> list[list[int]]:
    """For each order up to ``most`` the numbers of its n-grams; equal ones have equal numbers.

    Numbers are given by first place, from 0. Of order n there are ``len(words) - n + 1`` n-grams. One is
    known by the (n-1)-gram that begins it and by its last word, so that no order costs more than another, and
    nothing is taken for equal by a hash.

    >>> grams(["a", "b", "a", "b"], 2)
    [[0, 1, 0, 1], [0, 1, 0]]
    """
    numbers: dict[str, int] = {}
    single = [numbers.setdefault(word, len(numbers)) for word in words]
    orders = [single]
    for n in range(2, most + 1):
        known: dict[tuple[int, int], int] = {}
        pairs = zip(orders[-1], single[n - 1 :], strict=False)
        orders.append([known.setdefault(pair, len(known)) for pair in pairs])
    return orders


def top_gram(numbers: Sequence[int], n: int, lengths: Sequence[int]) -> int:
    """Characters of the words that the most frequent n-gram covers, each word once.

    How often an n-gram occurs is counted with overlap. Of several that are the most frequent, the one that
    covers most characters counts, so that the order of words decides nothing. What occurs once repeats
    nothing: 0.

    Args:
        numbers: of the n-grams of this order, from `grams`.
        lengths: characters of each word.

    >>> words = ["ha"] * 4
    >>> top_gram(grams(words, 2)[1], 2, [2] * 4), top_gram(grams(["a", "b"], 2)[1], 2, [1, 1])
    (8, 0)
    """
    counts: dict[int, int] = {}
    for number in numbers:
        counts[number] = counts.get(number, 0) + 1
    most = max(counts.values(), default=0)
    if most < 2:
        return 0
    before = [0, *accumulate(lengths)]
    covered: dict[int, int] = {}
    ends: dict[int, int] = {}
    for at, number in enumerate(numbers):
        if counts[number] == most:
            start = max(at, ends.get(number, 0))
            covered[number] = covered.get(number, 0) + before[at + n] - before[start]
            ends[number] = at + n
    return max(covered.values())


def repeated_grams(numbers: Sequence[int], n: int, lengths: Sequence[int]) -> int:
    """Characters of the words that lie in an n-gram that occurs twice or more, each word once.

    All copies count, the first as well, and overlapping ones too (Rae et al. 2021, A.1.1).

    >>> words = "a b c a b".split()
    >>> repeated_grams(grams(words, 2)[1], 2, [1] * 5)
    4
    """
    first: dict[int, int] = {}
    doubled = [False] * len(numbers)
    for at, number in enumerate(numbers):
        known = first.setdefault(number, at)
        if known != at:
            doubled[known] = doubled[at] = True
    before, end, total = [0, *accumulate(lengths)], 0, 0
    for at, double in enumerate(doubled):
        if double:
            total += before[at + n] - before[max(at, end)]
            end = at + n
    return total


# ------------------------------------------------------------------------------ n-grams, as datatrove counts
def datatrove_top_gram(words: Sequence[str], numbers: Sequence[int], n: int) -> int:
    """Length of the most frequent n-gram, with one space between words, times its number of occurrences.

    Of several the first in the text; one that occurs once counts too. 0 where the text is too short.

    Args:
        numbers: of the n-grams of this order, from `grams`.
    """
    counts: dict[int, int] = {}
    first: dict[int, int] = {}
    for at, number in enumerate(numbers):
        counts[number] = counts.get(number, 0) + 1
        first.setdefault(number, at)
    if not counts:
        return 0
    most = max(counts, key=counts.__getitem__)
    return counts[most] * (sum(map(len, words[first[most] : first[most] + n])) + n - 1)


def datatrove_repeated_grams(words: Sequence[str], n: int) -> int:
    """Characters of n-grams that were met before, walking on n words behind each and one word behind others.

    N-grams are compared as their words written without a space; those that are walked over are not noted.
    """
    seen, total, at = set[str](), 0, 0
    while at + n <= len(words):
        gram = "".join(words[at : at + n])
        if gram in seen:
            total, at = total + len(gram), at + n
        else:
            seen.add(gram)
            at += 1
    return total


def lines_and_paragraphs(lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """The lines that hold text, and the paragraphs: runs of such lines, joined by a line feed.

    >>> lines_and_paragraphs(["a", "", "b", "c"])
    (['a', 'b', 'c'], ['a', 'b\\nc'])
    """
    edges = [-1, *(i for i, line in enumerate(lines) if not line), len(lines)]
    blocks = [lines[a + 1 : b] for a, b in pairwise(edges) if b > a + 1]
    return [line for block in blocks for line in block], ["\n".join(block) for block in blocks]
