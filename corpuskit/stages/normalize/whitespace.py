"""One kind of line end, one kind of space, and no more of them than carry meaning."""

from __future__ import annotations

import re
from typing import ClassVar

import pyarrow as pa

from corpuskit import _native
from corpuskit.documents.columns import from_engine, to_engine
from corpuskit.stages.normalize.texts import decoding_error, with_texts
from corpuskit.stages.stage import Effect, Stage

_LINE_ENDS = "\r\v\f\x85\u2028\u2029"
_SPACES = "\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_INVISIBLE = "\xad\u2060\ufeff"
_NO_BLANKS = "\u0e00-\u0eff\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f\u1780-\u17ff\u19e0-\u19ff"
"""Thai and Lao, Burmese, Khmer: U+200B stays beside a character of these, where it parts words."""
_TABLE = str.maketrans(
    dict.fromkeys(_LINE_ENDS, "\n") | dict.fromkeys(_SPACES, " ") | dict.fromkeys(_INVISIBLE, "")
)
_SPECIAL = re.compile(f"[{_LINE_ENDS}{_SPACES}{_INVISIBLE}\u200b]")
_PARTS_NO_WORDS = re.compile(f"(?<![{_NO_BLANKS}])\u200b(?![{_NO_BLANKS}])")
# The lookbehind lets a run of spaces be tried from its beginning alone, so that the work stays linear.
_BEFORE_LINE_END = re.compile(r"(?<![ \t])[ \t]+(?=\n)")
_MANY_LINE_ENDS = re.compile(r"\n{3,}")


class Whitespace(Stage):
    """Tidies white space, and removes characters that are never seen.

    Line ends of every kind (CRLF, CR, NEL, VT, FF, LS, PS) become LF, Unicode spaces (no-break, thin,
    ideographic...) a space. Soft hyphens, zero-width spaces, word joiners and byte order marks go; a
    zero-width space stays where the character before or behind it is Thai, Lao, Burmese or Khmer, since it
    parts words there.
    Zero-width joiners and non-joiners stay, since they change words in Persian, Hindi and emoji. Spaces and
    tabs before a line end go, more than two line ends become two, both ends of the text are stripped. Tabs
    and several spaces within a line stay.

    A text that is empty afterwards is dropped as ``empty``.
    """

    name: ClassVar[str] = "whitespace"
    version: ClassVar[int] = 2

    def apply(self, batch: pa.RecordBatch) -> Effect:
        """Tidy every text."""
        status, tidied = _native.tidy_whitespace(to_engine(batch.column("text"), "texts"))
        errors = {row: decoding_error(batch, row) for row in status.nonzero()[0].tolist()}
        return with_texts(batch, None if tidied is None else from_engine(tidied), errors)


def tidy(text: str) -> str:
    """The text with its white space tidied, in linear time; a second call changes nothing.

    The readable twin of what the engine does with a whole batch.

    >>> tidy("  one\\u00a0two \\r\\n\\r\\n\\r\\n\\u200bthree\\t")
    'one two\\n\\nthree'
    """
    text = text.replace("\r\n", "\n")  # First: one by one, each of the two would become a line end.
    # A look takes a twentieth of the time of `translate` where a text is not all ASCII.
    if _SPECIAL.search(text):
        text = _PARTS_NO_WORDS.sub("", text).translate(_TABLE)
    return _MANY_LINE_ENDS.sub("\n\n", _BEFORE_LINE_END.sub("", text)).strip(" \t\n")
