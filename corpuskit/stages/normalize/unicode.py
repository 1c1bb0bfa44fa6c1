"""Unicode repair: mojibake, HTML entities, control characters, and one normal form, by ftfy.

ftfy (Speer, 2019, doi:10.5281/zenodo.2591652) does the work; its output is not changed. Only lines that it
provably leaves alone are not handed to it: ASCII without ``&`` and control characters (of such a line ftfy
changes no more than its end, from CRLF to LF), and others that hold nothing that one of its steps replaces,
stand in the normal form and do not look wrongly decoded by its own measure.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any, ClassVar, Literal, overload

import ftfy
import pyarrow as pa
from ftfy import TextFixerConfig
from ftfy.badness import is_bad
from ftfy.chardata import CONTROL_CHARS, LIGATURES

from corpuskit.documents.texts import as_texts
from corpuskit.stages.normalize.hidden import tell_hidden
from corpuskit.stages.normalize.texts import map_texts
from corpuskit.stages.stage import Effect, Stage

_TOUCHED = re.compile(r"[^\t\n\x0c -%'-~]")
"""What ftfy may change something about: all but printable ASCII without ``&``, tab, LF and FF."""

_REPLACED = re.compile(
    f"[&\\r\\x1b\\x80-\\x9f\\u2028\\u2029\\ud800-\\udfff{''.join(map(chr, [*CONTROL_CHARS, *LIGATURES]))}]"
)
"""What a step of ftfy may replace by itself: entities, line ends, terminal escapes, C1 controls, surrogates,
control characters, ligatures."""

_DECODED = frozenset({"wikipedia"})
"""Sources whose texts hold no entities any more: what looks like one is what the page says."""

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
"""A line with its end, as ftfy cuts text."""


class Unicode(Stage):
    """Repairs broken Unicode with ``ftfy.fix_text`` and brings text to one normal form.

    It also tells what it met that no reader sees, and typed special tokens (`count_hidden`), before anything
    is taken out: by document in ``tables/found``, in sum in ``corpuskit inspect``, with the entities that it
    replaced.

    Attributes:
        unescape_html: replace ``&amp;`` and the like; ``auto`` does so until the first ``<`` of a text,
            and not in documents of the source ``wikipedia``, whose entities were decoded when they were
            extracted: a page that says "write &amp;" means it.
        fix_encoding: repair text that was decoded with the wrong encoding (``Ã©`` for ``é``).
        fix_latin_ligatures: write ``fi`` for the ligature.
        fix_character_width: write ``A`` for the fullwidth letter. Off: it also turns the fullwidth comma and
            brackets of Chinese and Japanese into ASCII ones, which is a change of spelling there.
        uncurl_quotes: write ``'`` and ``"`` for all quotes. Off: curly quotes tell where speech begins and
            ends, and ftfy takes U+02BC with them, which is a letter in many orthographies.
        remove_terminal_escapes: remove colour codes of terminals.
        remove_control_chars: remove control characters and the byte order mark.
        normalization: Unicode normal form, None to leave as it is.
    """

    name: ClassVar[str] = "unicode"
    version: ClassVar[int] = 2

    unescape_html: bool | Literal["auto"] = "auto"
    fix_encoding: bool = True
    fix_latin_ligatures: bool = True
    fix_character_width: bool = False
    uncurl_quotes: bool = False
    remove_terminal_escapes: bool = True
    remove_control_chars: bool = True
    normalization: Literal["NFC", "NFD", "NFKC", "NFKD"] | None = "NFC"

    def libraries(self) -> dict[str, Any]:
        """The version of ftfy: another one may repair otherwise."""
        return {"ftfy": ftfy.__version__}

    def config(self) -> TextFixerConfig:
        """These settings as ftfy's, for those who want to compare."""
        return TextFixerConfig(**self.model_dump(), explain=False)

    def apply(self, batch: pa.RecordBatch) -> Effect:
        """Repair every text."""
        config = decoded = self.config()
        if config.unescape_html == "auto":
            decoded = config._replace(unescape_html=False)
        sources = batch.column("source").to_pylist()
        effect = map_texts(
            batch, lambda text, row: fix_text(text, decoded if sources[row] in _DECODED else config)
        )
        return tell_hidden(batch, effect)


def fix_text(text: str, config: TextFixerConfig) -> str:
    """The same as ``ftfy.fix_text(text, config)``, without handing it lines that it would not change.

    ftfy works line by line; what it carries from one to the next is that entities are no longer replaced
    after the first ``<``.

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


@overload
def fix_unicode(texts: str, settings: Unicode | None = None) -> str: ...


@overload
def fix_unicode(texts: list[str] | tuple[str, ...], settings: Unicode | None = None) -> list[str]: ...


def fix_unicode(texts: str | list[str] | tuple[str, ...], settings: Unicode | None = None) -> str | list[str]:
    """Repair broken Unicode in a text or in several, as the stage `Unicode` does.

    Args:
        settings: the stage with other settings than the default ones.

    >>> fix_unicode("schÃ¶n"), fix_unicode(["schÃ¶n", "a\\ufb01ne"])
    ('schön', ['schön', 'afine'])
    """
    config = (settings or Unicode()).config()
    if isinstance(texts, str):
        return fix_text(texts, config)
    return [fix_text(text, config) for text in as_texts("fix_unicode", texts)]
