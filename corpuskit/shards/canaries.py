"""Canaries: invented sentences with a secret in them, planted among what is trained on and written down.

Whoever measures a model later knows each sentence, how often it stands in the training split, and the other
sentences that it might have been: a model that prefers the planted one to these has learnt it by heart
(Carlini et al., arXiv:1802.08232).
"""

from __future__ import annotations

import hashlib
import string
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from corpuskit.errors import RunError, SettingError, nearest
from corpuskit.storage.files import read_sealed, seal

NAME = "canaries.json"
"""The file of a run's canaries, in its folder ``planted/``."""

ALPHABETS = {"digits": string.digits, "letters": string.ascii_lowercase}
"""What a secret is spelt with, by the word that a format has for it."""

MOST_CANDIDATES = 10**18
"""Sentences that one canary may have been: their numbers stay exact wherever they are read."""

_FORMAT = 1
_CONSONANTS, _VOWELS = "bdfgklmnprstv", "aeiou"


@dataclass(frozen=True)
class Secret:
    """So many characters out of an alphabet."""

    alphabet: str
    length: int

    @property
    def space(self) -> int:
        """How many there are."""
        return int(len(self.alphabet) ** self.length)

    def spell(self, number: int) -> str:
        """The secret of a number below `space`.

        >>> Secret("0123456789", 3).spell(47)
        '047'
        """
        letters = []
        for _ in range(self.length):
            number, letter = divmod(number, len(self.alphabet))
            letters.append(self.alphabet[letter])
        return "".join(reversed(letters))


class CanaryFormat:
    """A sentence with gaps: ``{name}`` for an invented name, ``{digits:6}`` and ``{letters:4}`` for secrets.

    >>> sentence = CanaryFormat("the code of {name} is {digits:3}")
    >>> sentence.space, sentence.fill(417, "Ada")
    (1000, 'the code of Ada is 417')

    Attributes:
        space: how many sentences there are of one name.
        named: whether there is a name in it.
    """

    def __init__(self, text: str) -> None:
        """Raises SettingError for a gap of another kind, a sentence without a secret, or with too many."""
        self.text = text
        try:
            fields = list(string.Formatter().parse(text))
        except ValueError as error:
            raise _wrong(text, str(error)) from error
        self._parts: list[str | Secret | None] = []
        for literal, gap, length, conversion in fields:
            self._parts.append(literal)
            if gap is not None:
                self._parts.append(_gap(text, gap, length or "", conversion))
        secrets = [part for part in self._parts if isinstance(part, Secret)]
        if not secrets:
            raise _wrong(text, "it has no secret")
        self.named = None in self._parts
        self.space = 1
        for secret in secrets:
            self.space *= secret.space
        if self.space > MOST_CANDIDATES:
            raise _wrong(text, f"there are {self.space:.1e} such sentences, more than {MOST_CANDIDATES:.0e}")

    def fill(self, number: int, name: str = "") -> str:
        """The sentence with secret number `number`."""
        said: list[str] = []
        # From the end, so that the last character is that of the smallest weight.
        for part in reversed(self._parts):
            if isinstance(part, Secret):
                number, own = divmod(number, part.space)
                said.append(part.spell(own))
            else:
                said.append(name if part is None else part)
        return "".join(reversed(said))

    @property
    def start(self) -> str:
        """What stands before the first secret, without a name that is still open."""
        number = next(n for n, part in enumerate(self._parts) if isinstance(part, Secret))
        return "".join(part for part in self._parts[:number] if isinstance(part, str))

    def of(self, name: str) -> str:
        """The format that is left when the name is given: what all candidates of one canary share."""
        return self.text.replace("{name}", name)


def _gap(text: str, gap: str, length: str, conversion: str | None) -> Secret | None:
    if conversion or (gap == "name" and length):
        raise _wrong(text, f"{{{gap}}} takes nothing behind it")
    if gap == "name":
        return None
    if gap not in ALPHABETS:
        raise _wrong(text, f"{{{gap}}} is unknown", nearest(gap, ["name", *ALPHABETS]))
    if length and not (length.isascii() and length.isdecimal() and 1 <= int(length) <= 18):
        raise _wrong(text, f"{{{gap}:{length}}}: the length is no whole number from 1 to 18")
    return Secret(ALPHABETS[gap], int(length or 6))


def _wrong(text: str, why: str, remedy: str = "") -> SettingError:
    written = 'Write it as "the code of {name} is {digits:6}"; {letters:4} is the other kind of secret.'
    return SettingError(f"canaries.format: {text!r}: {why}", remedy=remedy or written)


@dataclass(frozen=True)
class Canary:
    """A planted sentence.

    Attributes:
        id: of its first copy; the others are ``ID@2`` and so on.
        format: the sentence with a gap for the secret, see `CanaryFormat`.
        secret: the secret's number among all candidates.
        copies: how often it stands in the training split; 0 for one to compare with.
    """

    id: str
    format: str
    secret: int
    copies: int

    @property
    def text(self) -> str:
        """The sentence."""
        return self.candidate(self.secret)

    @property
    def candidates(self) -> int:
        """How many sentences it might have been, itself among them."""
        return CanaryFormat(self.format).space

    def candidate(self, number: int) -> str:
        """One of the sentences that it might have been."""
        return CanaryFormat(self.format).fill(number)


def draw_canaries(format: str, count: int, copies: Sequence[int], seed: int) -> list[Canary]:
    """`count` canaries for each number of copies, numbered from 1, with names and secrets drawn by `seed`.

    Raises SettingError for a format that is none, or that has too few sentences for so many canaries.
    """
    sentence = CanaryFormat(format)
    total = count * len(copies)
    if total * 2 > sentence.space:
        raise SettingError(
            f"canaries: {total} canaries of the {sentence.space} sentences of {format!r} leave too few to"
            " compare them with",
            remedy="Lower count, or give the secret more characters.",
        )
    drawn: list[Canary] = []
    names, secrets = set[str](), set[int]()
    for number in range(1, total + 1):
        chances = _chances(f"canary {seed} {number}")
        name = next(each for each in map(_name, chances) if each not in names) if sentence.named else ""
        secret = next(each for each in (c % sentence.space for c in chances) if each not in secrets)
        names.add(name)
        secrets.add(secret)
        times = copies[(number - 1) // count]
        drawn.append(Canary(f"canary:{number}", sentence.of(name), secret, times))
    return drawn


def _chances(key: str) -> Iterator[int]:
    """Numbers below 2**128 that follow from a key."""
    number = 0
    while True:
        digest = hashlib.sha256(f"{key} {number}".encode()).digest()
        yield int.from_bytes(digest[:16], "big")
        number += 1


def _name(chance: int) -> str:
    """An invented name of two words."""
    words = []
    for _ in range(2):
        syllables = ""
        for _ in range(3):
            chance, consonant = divmod(chance, len(_CONSONANTS))
            chance, vowel = divmod(chance, len(_VOWELS))
            syllables += _CONSONANTS[consonant] + _VOWELS[vowel]
        words.append(syllables.capitalize())
    return " ".join(words)


def canaries_document(canaries: Sequence[Canary]) -> dict[str, Any]:
    """What the file of a run's canaries holds."""
    rows = [{**asdict(each), "text": each.text, "candidates": each.candidates} for each in canaries]
    return seal({"format": _FORMAT, "canaries": rows})


def read_canaries(run: Path | str) -> list[Canary]:
    """The canaries of a run folder; none where none were planted. Raises RunError for a damaged file."""
    path = Path(run) / "planted" / NAME
    if not path.exists():
        return []
    try:
        document = read_sealed(path)
        if document["format"] != _FORMAT:
            raise ValueError(f"it has format {document['format']!r}, this version reads {_FORMAT}")
        names = ("id", "format", "secret", "copies")
        found = [Canary(**{name: row[name] for name in names}) for row in document["canaries"]]
        for row, canary in zip(document["canaries"], found, strict=True):
            if canary.text != row["text"]:
                raise ValueError(f"{canary.id} is {canary.text!r} by its secret and {row['text']!r} as text")
    except (OSError, ValueError, KeyError, TypeError, SettingError) as error:
        raise RunError(
            f"{path}: tells of no canaries: {error}",
            remedy="Call `corpuskit build` with the same recipe: what is damaged is made again.",
        ) from error
    return found
