"""What of a text ftfy must see: the look that spares it all that it would leave alone.

ftfy (Speer, 2019, doi:10.5281/zenodo.2591652) works line by line; what it carries from one line to the next
is that entities are no longer replaced after the first ``<``. The engine looks at all texts of a batch
and names the lines that ftfy could change: by the characters that a step of ftfy replaces by itself, by
entities, by Unicode's normal form, and by ftfy's own measure of what looks wrongly decoded, whose tables it
holds (native/tables/repairs.py). Only these lines become strings of Python. `fix_text` is its readable twin,
and does the work alone where ftfy has other tables than those that the engine's were made of.
"""

from __future__ import annotations

import functools
import hashlib
import re
import unicodedata
from collections.abc import Callable
from itertools import pairwise

import ftfy
import numpy as np
import pyarrow as pa
from ftfy import TextFixerConfig, chardata
from ftfy.badness import BADNESS_RE, is_bad
from numpy.typing import NDArray

from corpuskit import _native
from corpuskit.documents.columns import from_engine, to_engine

_TOUCHED = re.compile(r"[^\t\n\x0c -%'-~]")
"""What ftfy may change something about: all but printable ASCII without ``&``, tab, LF and FF."""

_REPLACED = re.compile(
    "[&\\r\\x1b\\x80-\\x9f\\u2028\\u2029\\ud800-\\udfff"
    f"{''.join(map(chr, [*chardata.CONTROL_CHARS, *chardata.LIGATURES]))}]"
)
"""What a step of ftfy may replace by itself: entities, line ends, terminal escapes, C1 controls, surrogates,
control characters, ligatures."""

_LINE = re.compile(r"[^\n]{0,999999}\n|[^\n]{1,1000000}")
"""A line with its end, as ftfy cuts text: longer ones in parts of as many characters as it takes at once."""

_FORMS = {None: 0, "NFC": 1}


def repair_rules() -> str:
    """The digest of what the engine's tables are made of: ftfy's measure, and the characters it replaces."""
    tables = (chardata.CONTROL_CHARS, chardata.LIGATURES, chardata.WIDTH_MAP)
    patterns = (BADNESS_RE, chardata.SINGLE_QUOTE_RE, chardata.DOUBLE_QUOTE_RE, chardata.HTML_ENTITY_RE)
    told = ([each.pattern for each in patterns], [sorted(each) for each in tables])
    return hashlib.sha256(repr(told).encode()).hexdigest()


@functools.cache
def _engine_knows_ftfy() -> bool:
    return _native.repair_rules() == repair_rules()


def repair_texts(
    texts: pa.LargeStringArray, config: TextFixerConfig, decoded: NDArray[np.bool_]
) -> tuple[pa.LargeStringArray | None, NDArray[np.bool_]]:
    """Texts as ``ftfy.fix_text`` gives them, and which of them are no UTF-8: these stay as they are.

    In place of the texts comes None if none of them changes.

    Args:
        config: ftfy's settings.
        decoded: shape (rows,): texts whose entities were decoded before, so that ``unescape_html: auto`` is
            off for them.
    """
    on = {"auto": 2, True: 1, False: 0}[config.unescape_html]
    entities = np.where(decoded & (on == 2), 0, on).astype(np.uint8)
    steps = (
        *(config.fix_encoding, config.fix_latin_ligatures, config.fix_character_width),
        *(config.uncurl_quotes, config.remove_control_chars),
    )
    engine = to_engine(texts, "texts")
    form = _FORMS.get(config.normalization, 2)
    plain = config._replace(unescape_html=False)
    if _engine_knows_ftfy():
        status, spans, changed = _native.find_repairs(engine, entities, steps, form)
    else:
        status, spans, changed = *_all_texts(engine, entities), None
    # Another form than NFC is unknown to the engine, which then names all lines that are not ASCII.
    fix = ftfy.fix_text if form != 2 and _engine_knows_ftfy() else fix_text
    if len(spans):
        changed = _replace(changed or engine, spans, lambda text, on: fix(text, config if on else plain))
    return None if changed is None else from_engine(changed), status.astype(bool)


def _all_texts(
    texts: _native.Strings, entities: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """What `_native.find_repairs` gives, with each text that is UTF-8 as one span."""
    offsets, data = texts
    status, spans = np.zeros(len(offsets) - 1, np.uint8), []
    for row, (begin, end) in enumerate(pairwise(offsets.tolist())):
        try:
            data[begin:end].tobytes().decode("utf-8", "surrogatepass")
            spans.append((row, begin, end, int(entities[row] > 0)))
        except UnicodeDecodeError:
            status[row] = 1
    return status, np.array(spans, np.int64).reshape(-1, 4)


def _replace(
    texts: _native.Strings, spans: NDArray[np.int64], fix: Callable[[str, int], str]
) -> _native.Strings:
    """Texts with something else in spans of bytes; rows, begins and ends ascend."""
    offsets, data = texts
    raw, at = data.data, int(offsets[0])
    pieces: list[bytes | memoryview] = []
    grown = np.zeros(len(offsets), np.int64)
    for row, begin, end, on in spans.tolist():
        fixed = fix(str(raw[begin:end], "utf-8", "surrogatepass"), on).encode()
        pieces += (raw[at:begin], fixed)
        grown[row + 1] += len(fixed) - (end - begin)
        at = end
    pieces.append(raw[at : int(offsets[-1])])
    moved = offsets - offsets[0] + np.cumsum(grown)
    return moved, np.frombuffer(b"".join(pieces), np.uint8)


def fix_text(text: str, config: TextFixerConfig) -> str:
    """The same as ``ftfy.fix_text(text, config)``, without handing it lines that it would not change.

    >>> fix_text("plain\\nschÃ¶n &amp; gut", TextFixerConfig(explain=False))
    'plain\\nschön & gut'
    """
    if not _TOUCHED.search(text):
        return text
    fixed = []
    for found in _LINE.finditer(text):
        line = found[0]
        if config.unescape_html == "auto" and "<" in line:
            config = config._replace(unescape_html=False)
        plain = line[:-2] + "\n" if line.endswith("\r\n") else line
        alone = not _TOUCHED.search(plain) or _is_left_alone(line, config)
        fixed.append(plain if alone else ftfy.fix_text(line, config))
    return "".join(fixed)


def _is_left_alone(line: str, config: TextFixerConfig) -> bool:
    """Whether no step of ftfy would change a line; False too where only ftfy can tell."""
    form = config.normalization
    return not (
        config.fix_character_width
        or config.uncurl_quotes
        or _REPLACED.search(line)
        or (form is not None and not unicodedata.is_normalized(form, line))
        or (config.fix_encoding and is_bad(line))
    )
