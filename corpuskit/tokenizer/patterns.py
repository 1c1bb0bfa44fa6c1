"""How text is cut into pretokens: by a published pattern, with digits in groups of a length of one's own, or
by a regular expression of one's own.

Published patterns are cut by the engine, all others by the pre-tokenizer of ``tokenizers``, which takes many
times as long. Digits are those of all scripts with what else is a number of Unicode (``²``, ``½``); they are
grouped from the left.
"""

from __future__ import annotations

import re
from typing import Any

import tokenizers
from tokenizers import Regex, pre_tokenizers

from corpuskit import _native
from corpuskit.errors import SettingError, nearest
from corpuskit.tokenizer.special import PATTERNS

DEFAULT = "qwen3.5"
"""`benchmarks.patterns` says why."""

SCANNERS = {"gpt2": 0, "llama3": 1, "cl100k": 1, "qwen2": 2, "qwen3.5": 3, "o200k": 4}
"""Patterns that the engine cuts by; cl100k and Llama 3's cut alike."""

DIGITS = (1, 2, 3)
"""How many digits may stand together."""

UNICODE: str = _native.pretoken_unicode()
"""The version of Unicode that says what the engine takes for a letter, a mark, a number or white space."""

_NUMBERS = re.compile(r"(?<=[|?])\\p\{N\}(?:\{1,3\}|\+)?(?=\|)")
_NAME = re.compile(r"[\w.-]*")


def regex_of(pattern: str, digits: int | None = None) -> str:
    """The regular expression of a pattern.

    >>> regex_of("gpt2", 2)
    "'(?:[sdmt]|ll|ve|re)| ?\\\\p{L}+| ?\\\\p{N}{1,2}| ?[^\\\\s\\\\p{L}\\\\p{N}]+|\\\\s+(?!\\\\S)|\\\\s+"

    Args:
        pattern: a name of `special.PATTERNS`, or a regular expression.
        digits: that stand together at most; as many as the pattern says by default.
    """
    if pattern not in PATTERNS:
        return pattern
    if digits is None:
        return PATTERNS[pattern]
    group = r"\p{N}" if digits == 1 else rf"\p{{N}}{{1,{digits}}}"
    return _NUMBERS.sub(lambda _: group, PATTERNS[pattern])


def is_published(pattern: str) -> bool:
    """Whether a pattern is a name of a published one, which the engine cuts by."""
    return pattern in SCANNERS


def check_pattern(pattern: str, digits: int | None = None) -> None:
    """Raise `SettingError` for what is neither the name of a pattern nor a regular expression."""
    if not isinstance(pattern, str) or (pattern not in PATTERNS and _NAME.fullmatch(pattern)):
        raise SettingError(f"pattern {pattern!r} is unknown", remedy=nearest(str(pattern), PATTERNS))
    if digits is not None and (type(digits) is not int or digits not in DIGITS):
        raise SettingError(
            f"digits = {digits!r}: so many digits cannot stand together", remedy="Give 1, 2 or 3, or none."
        )
    if pattern in PATTERNS:
        return
    if digits is not None:
        raise SettingError(
            f"digits = {digits}: the pattern is a regular expression of your own, which says so itself",
            remedy=rf"Leave digits away, and write \p{{N}}{{1,{digits}}} into the pattern.",
        )
    try:
        Regex(pattern)
    except Exception as error:  # `tokenizers` raises bare Exception.
        raise SettingError(
            f"pattern {pattern!r}: is no regular expression: {error}",
            remedy=f"Mend it, or name one of {', '.join(PATTERNS)}.",
        ) from error


def described(pattern: str, digits: int | None) -> dict[str, Any]:
    """How text was cut, in the words of ``training.json``: what stands beside a tokenizer that is trained."""
    letters = UNICODE if is_published(pattern) else f"that of tokenizers {tokenizers.__version__}"
    return {
        "pattern": pattern,
        "regex": regex_of(pattern, digits),
        "digits": digits,
        "unicode": letters,
    }


def splitter(pattern: str, digits: int | None = None) -> Any:
    """The pre-tokenizer of ``tokenizers`` that cuts as the pattern does."""
    return pre_tokenizers.Split(Regex(regex_of(pattern, digits)), behavior="isolated")
