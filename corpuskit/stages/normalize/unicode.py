"""Unicode repair: mojibake, HTML entities, control characters, and one normal form, by ftfy.

ftfy (Speer, 2019, doi:10.5281/zenodo.2591652) does the work; its output is not changed. Only lines that it
provably leaves alone are not handed to it: those that hold nothing that one of its steps replaces, stand in
the normal form and do not look wrongly decoded by its own measure (`corpuskit.stages.normalize.repair`).
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, overload

import ftfy
import numpy as np
import pyarrow as pa
from ftfy import TextFixerConfig

from corpuskit.documents.texts import as_texts
from corpuskit.stages.normalize.hidden import tell_hidden
from corpuskit.stages.normalize.repair import fix_text, repair_texts
from corpuskit.stages.normalize.texts import decoding_error, with_texts
from corpuskit.stages.stage import Effect, Stage

_DECODED = frozenset({"wikipedia"})
"""Sources whose texts hold no entities any more: what looks like one is what the page says."""


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
    version: ClassVar[int] = 3

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
        config = self.config()
        sources = batch.column("source").to_pylist()
        decoded = np.fromiter((source in _DECODED for source in sources), bool, len(sources))
        texts, wrong = repair_texts(batch.column("text"), config, decoded)
        errors = {row: decoding_error(batch, row) for row in wrong.nonzero()[0].tolist()}
        return tell_hidden(batch, with_texts(batch, texts, errors))


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
