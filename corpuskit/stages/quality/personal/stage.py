"""The stage `personal_data`: replaces or counts personal data, or drops documents that hold some."""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar, Literal

import pyarrow as pa
from pydantic import Field, field_validator

from corpuskit.documents.batch import replace_text
from corpuskit.errors import SettingError
from corpuskit.stages.quality.personal.find import (
    KINDS,
    Kind,
    PersonalItem,
    check_countries,
    check_kinds,
    find_all,
)
from corpuskit.stages.quality.personal.phone import known_countries
from corpuskit.stages.stage import Cut, Effect, Found, Stage

_PUBLIC = frozenset({"wikipedia", "gutenberg"})
"""Sources whose numbers and addresses are published, and old: left alone unless they are named."""


class PersonalData(Stage):
    """Finds e-mail, telephone and internet addresses, card and bank account numbers, and acts on them.

    Card and account numbers are verified by their check digits. What is found is told by document and kind
    in ``tables/found`` and in the run's facts; what is replaced is booked as cut by kind, and lies in
    ``cuts/``, so that it can be looked at: remove that folder before a run is passed on.

    Names, postal addresses and dates of birth are not looked for, nor addresses that are written to be
    misread, as ``anna (at) example.org``.

    Attributes:
        action: ``replace`` puts the replacement of its kind in the place of each; ``drop`` drops documents
            that hold any, as ``personal_data``; ``count`` tells of them alone.
        kinds: what to look for, of ``email``, ``phone``, ``ip``, ``card``, ``iban``.
        replacements: other words than ``<email>``, ``<phone>``, ``<ip>``, ``<card>``, ``<iban>``, by kind.
        countries: ISO 3166-1 codes of countries whose national forms of telephone numbers are looked for.
            International forms are those of any country. Default: all that are known.
        sources: labels of the sources whose documents are looked through; ``auto`` for all but ``wikipedia``
            and ``gutenberg``: what stands in books and encyclopedias is published, and a number there is
            seldom a living person's.
    """

    name: ClassVar[str] = "personal_data"
    version: ClassVar[int] = 2

    action: Literal["replace", "drop", "count"] = "replace"
    kinds: tuple[str, ...] = KINDS
    replacements: dict[str, str] = Field(default_factory=dict)
    countries: tuple[str, ...] = known_countries()
    sources: tuple[str, ...] | Literal["auto"] = "auto"

    @field_validator("kinds", "replacements")
    @classmethod
    def _kinds_known(cls, named: tuple[str, ...] | dict[str, str]) -> tuple[str, ...] | dict[str, str]:
        try:
            check_kinds(named)
        except SettingError as error:
            raise ValueError(f"{error.message}. {error.remedy}") from error
        return named

    @field_validator("countries", mode="before")
    @classmethod
    def _norway(cls, named: Any) -> Any:
        """YAML reads the code ``NO`` as false, which can mean nothing else here."""
        return ["NO" if code is False else code for code in named] if isinstance(named, list) else named

    @field_validator("countries")
    @classmethod
    def _countries_known(cls, named: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return check_countries(named)
        except SettingError as error:
            raise ValueError(f"{error.message}. {error.remedy}") from error

    def apply(self, batch: pa.RecordBatch) -> Effect:
        """Look through the texts of the sources in question."""
        texts: list[str] = batch.column("text").to_pylist()
        found: list[Found] = []
        cuts: list[Cut] = []
        drops: dict[int, str] = {}
        for row, source in enumerate(batch.column("source").to_pylist()):
            items = self._items(texts[row]) if self._looks_at(source) else []
            found += [Found(row, kind, n) for kind, n in sorted(Counter(i.kind for i in items).items())]
            if items and self.action == "drop":
                drops[row] = "personal_data"
            elif items and self.action == "replace":
                texts[row], places = self._replaced(texts[row], items)
                cuts += [Cut(row, start, end, kind) for start, end, kind in places]
        changed = replace_text(batch, texts) if cuts else batch
        return Effect(changed, drops=drops, cuts=cuts, found=found)

    def _looks_at(self, source: str) -> bool:
        return source not in _PUBLIC if self.sources == "auto" else source in self.sources

    def _items(self, text: str) -> list[PersonalItem]:
        return find_all(text, self.kinds, self.countries)

    def _replaced(self, text: str, items: list[PersonalItem]) -> tuple[str, list[tuple[int, int, Kind]]]:
        """The text with a replacement behind each item, and the bytes of the items, which are to be cut.

        So the account holds what went by kind, and what was put in as added.
        """
        pieces: list[str] = []
        places: list[tuple[int, int, Kind]] = []
        position = size = 0
        for item in items:
            before = text[position : item.start]
            size += len(before.encode())
            end = size + len(item.text.encode())
            places.append((size, end, item.kind))
            put_in = self.replacements.get(item.kind, f"<{item.kind}>")
            pieces += [before, item.text, put_in]
            size, position = end + len(put_in.encode()), item.end
        return "".join([*pieces, text[position:]]), places
