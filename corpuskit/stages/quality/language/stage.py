"""The stage `language`: labels documents with their language and script, or keeps some languages alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import pyarrow as pa
import pycld2
from pydantic import Field, field_validator, model_validator

from corpuskit.documents.settings import Decides
from corpuskit.errors import SettingError
from corpuskit.stages.quality.language.codes import UNKNOWN, expand
from corpuskit.stages.quality.language.identify import Passage, find_passages, identify
from corpuskit.stages.stage import Rule

_PLACE = [("start", pa.int64()), ("end", pa.int64())]
_FOUND = [("language", pa.string()), ("script", pa.string()), ("confidence", pa.float64())]
_PASSAGE = pa.struct([*_PLACE, *_FOUND, ("letters", pa.int64())])


class Language(Rule):
    """Identifies the language of each document, without a net.

    Adds the columns ``language_code`` (ISO 639-1 where there is one, else 639-3; ``und`` for none),
    ``language_script`` (ISO 15924; null without letters), ``language_confidence`` (0 to 1),
    ``language_share`` (of the letters that a language was found for, how many are of this one) and
    ``language_passages``. The column ``language`` keeps what the source says; where it says nothing it
    becomes the code found.

    Dropped are ``no_language`` (no letters), ``uncertain_language`` (below the threshold) and
    ``other_language``.

    Attributes:
        action: ``label`` drops nothing; ``drop`` keeps the languages that are asked for. Where languages are
            named and no action is, it is ``drop``.
        languages: codes to keep, or code-Script as in ``zh-Hant``; empty for any language. ``zh-Hani`` are
            texts in which no character tells the two forms of Chinese apart. ``no`` stands for ``nb`` and
            ``nn``. Bosnian, Croatian and Serbian in Latin letters are not told apart: each of the three
            keeps all.
        threshold: least confidence. 0.65 is what is usual for web text (datatrove, FineWeb).
        passages: also list the paragraphs of each document with language and byte range, and take the
            document's language from all of them. Without it long documents are sampled, which is faster.
    """

    name: ClassVar[str] = "language"
    version: ClassVar[int] = 2
    columns: ClassVar[Mapping[str, pa.DataType]] = {
        "language_code": pa.string(),
        "language_script": pa.string(),
        "language_confidence": pa.float64(),
        "language_share": pa.float64(),
        "language_passages": pa.list_(_PASSAGE),
    }

    action: Decides[Literal["label", "drop"]] = "label"
    languages: Decides[tuple[str, ...]] = ()
    threshold: Decides[float] = Field(default=0.65, ge=0, le=1)
    passages: bool = False

    @model_validator(mode="before")
    @classmethod
    def _languages_are_kept_by_dropping(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and values.get("languages") and "action" not in values:
            return {**values, "action": "drop"}
        return values

    @model_validator(mode="after")
    def _label_keeps_all(self) -> Language:
        if self.action == "label" and self.languages:
            raise ValueError("action: label drops nothing, so that no languages can be asked for: set drop")
        return self

    @field_validator("languages", mode="before")
    @classmethod
    def _norwegian(cls, wanted: Any) -> Any:
        """YAML reads the code ``no`` as false, which can mean nothing else here."""
        if isinstance(wanted, list | tuple):
            return ["no" if code is False else code for code in wanted]
        return wanted

    @field_validator("languages")
    @classmethod
    def _known(cls, wanted: tuple[str, ...]) -> tuple[str, ...]:
        for code in wanted:
            try:
                expand(code)
            except SettingError as error:
                raise ValueError(f"{error.message}. {error.remedy}") from error
        return wanted

    def libraries(self) -> dict[str, Any]:
        """The version of pycld2: another one may bring other tables."""
        return {"pycld2": pycld2.__version__}

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Add what was found as columns."""
        texts = batch.column("text").to_pylist()
        passages = [find_passages(text) if self.passages else None for text in texts]
        found = [identify(text, each) for text, each in zip(texts, passages, strict=True)]
        values: list[list[Any]] = [list(column) for column in zip(*found, strict=True)] or [[]] * 4
        values.append([each and [_row(passage) for passage in each] for each in passages])
        for (name, kind), column in zip(self.columns.items(), values, strict=True):
            batch = batch.append_column(name, pa.array(column, kind))
        said = batch.column("language").to_pylist()
        filled = [source or each.code for source, each in zip(said, found, strict=True)]
        at = batch.schema.get_field_index("language")
        return batch.set_column(at, batch.schema.field(at), pa.array(filled, pa.string()))

    def decide(self, scores: pa.RecordBatch) -> Mapping[int, str]:
        """Rows in no language, in none for certain, and in others than those asked for."""
        if self.action == "label":
            return {}
        wanted = frozenset().union(*map(expand, self.languages))
        names = ("language_code", "language_script", "language_confidence")
        reasons = {}
        rows = zip(*(scores.column(name).to_pylist() for name in names), strict=True)
        for row, (code, script, confidence) in enumerate(rows):
            if script is None:
                reasons[row] = "no_language"
            elif code == UNKNOWN or confidence < self.threshold:
                reasons[row] = "uncertain_language"
            elif wanted and not {(code, ""), (code, script)} & wanted:
                reasons[row] = "other_language"
        return reasons


def _row(passage: Passage) -> dict[str, object]:
    values = passage._asdict()
    return {"language": values.pop("code"), **values}
