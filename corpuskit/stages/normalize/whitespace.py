"""One kind of line end, one kind of space, and no more of them than carry meaning."""

from __future__ import annotations

import re
from typing import ClassVar

import pyarrow as pa

from corpuskit.stages.normalize.texts import map_texts
from corpuskit.stages.stage import Effect, Stage

_LINE_ENDS = "\r\v\f\x85\u2028\u2029"
_SPACES = "\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_INVISIBLE = "\xad\u200b\u2060\ufeff"
_TABLE = str.maketrans(
    dict.fromkeys(_LINE_ENDS, "\n") | dict.fromkeys(_SPACES, " ") | dict.fromkeys(_INVISIBLE, "")
)
_SPECIAL = re.compile(f"[{_LINE_ENDS}{_SPACES}{_INVISIBLE}]")
# The lookbehind lets a run of spaces be tried from its beginning alone, so that the work stays linear.
_BEFORE_LINE_END = re.compile(r"(?<![ \t])[ \t]+(?=\n)")
_MANY_LINE_ENDS = re.compile(r"\n{3,}")


class Whitespace(Stage):
    """Tidies white space, and removes characters that are never seen.

    Line ends of every kind (CRLF, CR, NEL, VT, FF, LS, PS) become LF, Unicode spaces (no-break, thin,
    ideographic...) a space. Soft hyphens, zero-width spaces, word joiners and byte order marks go; zero-width
    joiners and non-joiners stay, since they change words in Persian, Hindi and emoji. Spaces and tabs before
    a line end go, more than two line ends become two, and both ends of the text are stripped. Tabs and
    several spaces within a line stay.

    A text that is empty afterwards is dropped as ``empty``.
    """

    name: ClassVar[str] = "whitespace"

    def apply(self, batch: pa.RecordBatch) -> Effect:
        """Tidy every text."""
        return map_texts(batch, lambda text, _: tidy(text))


def tidy(text: str) -> str:
    """The text with its white space tidied, in linear time; a second call changes nothing.

    >>> tidy("  one\\u00a0two \\r\\n\\r\\n\\r\\n\\u200bthree\\t")
    'one two\\n\\nthree'
    """
    text = text.replace("\r\n", "\n")  # First: one by one, each of the two would become a line end.
    # A look takes a twentieth of the time of `translate` where a text is not all ASCII.
    if _SPECIAL.search(text):
        text = text.translate(_TABLE)
    return _MANY_LINE_ENDS.sub("\n\n", _BEFORE_LINE_END.sub("", text)).strip(" \t\n")
