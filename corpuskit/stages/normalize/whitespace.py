"""One kind of line end, one kind of space, and no more of them than carry meaning."""

from __future__ import annotations

import re
from typing import ClassVar

import pyarrow as pa

from corpuskit import _native
from corpuskit.documents.columns import from_engine, to_engine
from corpuskit.stages.normalize.hidden import tell_hidden
from corpuskit.stages.normalize.texts import decoding_error, with_texts
from corpuskit.stages.stage import Effect, Stage

_LINE_ENDS = "\r\v\f\x85\u2028\u2029"
_SPACES = "\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_INVISIBLE = "\xad\u2060\ufeff"
_TABLE = str.maketrans(
    dict.fromkeys(_LINE_ENDS, "\n") | dict.fromkeys(_SPACES, " ") | dict.fromkeys(_INVISIBLE, "")
)
_SPECIAL = re.compile(f"[{_LINE_ENDS}{_SPACES}{_INVISIBLE}\u200b]")
# The lookbehind lets a run of spaces be tried from its beginning alone, so that the work stays linear.
_BEFORE_LINE_END = re.compile(r"(?<![ \t])[ \t]+(?=\n)")
_ZERO_WIDTH_SPACES = re.compile("\u200b+")
# Thai, Lao, Burmese, Khmer, New Tai Lue, Tai Tham, and the blocks with more of Khmer and Burmese.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1980-\u1aaf\ua9e0-\ua9ff\uaa60-\uaa7f]")
_MANY_LINE_ENDS = re.compile(r"\n{3,}")


class Whitespace(Stage):
    """Tidies white space, and removes characters that are never seen.

    Line ends of every kind (CRLF, CR, NEL, VT, FF, LS, PS) become LF, Unicode spaces (no-break, thin,
    ideographic...) a space. Soft hyphens, word joiners and byte order marks go, and zero-width spaces, except
    where they part words of scripts without spaces (`keep_separators`); zero-width joiners and non-joiners
    stay, since they change words in Persian, Hindi and emoji. Spaces and tabs before
    a line end go, more than two line ends become two, and both ends of the text are stripped. Tabs and
    several spaces within a line stay.

    A text that is empty afterwards is dropped as ``empty``. The ledger books bytes of hidden characters that
    went by their kind.
    """

    name: ClassVar[str] = "whitespace"
    version: ClassVar[int] = 2

    def apply(self, batch: pa.RecordBatch) -> Effect:
        """Tidy every text."""
        status, tidied = _native.tidy_whitespace(to_engine(batch.column("text"), "texts"))
        errors = {row: decoding_error(batch, row) for row in status.nonzero()[0].tolist()}
        effect = with_texts(batch, None if tidied is None else from_engine(tidied), errors)
        return tell_hidden(batch, effect, removed_alone=True)


def tidy(text: str) -> str:
    """The text with its white space tidied, in linear time; a second call changes nothing.

    The readable twin of what the engine does with a whole batch.

    >>> tidy("  one\\u00a0two \\r\\n\\r\\n\\r\\n\\u200bthree\\t")
    'one two\\n\\nthree'
    """
    text = text.replace("\r\n", "\n")  # First: one by one, each of the two would become a line end.
    # A look takes a twentieth of the time of `translate` where a text is not all ASCII.
    if _SPECIAL.search(text):
        text = text.translate(_TABLE)
        if "\u200b" in text:
            text = keep_separators(text)
    return _MANY_LINE_ENDS.sub("\n\n", _BEFORE_LINE_END.sub("", text)).strip(" \t\n")


def keep_separators(text: str) -> str:
    """The text without zero-width spaces (U+200B), except where they part words: then one stays of a run.

    They part words where the character before or behind is of Thai, Lao, Burmese, Khmer or Tai Tham, which
    put no spaces between words, and none of the two is a space or an end of the text.

    >>> keep_separators("ទៅ\\u200b\\u200bផ្សារ a\\u200bb") == "ទៅ\\u200bផ្សារ ab"
    True
    """

    def kept(found: re.Match[str]) -> str:
        beside = text[max(0, found.start() - 1) : found.start()], text[found.end() : found.end() + 1]
        inside = all(each and not each.isspace() for each in beside)
        return "\u200b" if inside and any(map(_UNSPACED.match, beside)) else ""

    return _ZERO_WIDTH_SPACES.sub(kept, text)
