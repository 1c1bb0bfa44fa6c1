"""Rows of files as documents: each is kept, dropped or quarantined, and what is odd about them is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Protocol

from corpuskit.documents.batch import SCHEMA
from corpuskit.documents.reading import Dropped, Quarantined, ReadingBuilder
from corpuskit.sources import folders
from corpuskit.storage.files import canonical_json
from corpuskit.storage.places import plain_name
from corpuskit.storage.rows.row import Damage, Row, TwiceError, as_id, as_text, there_are


class FieldSettings(Protocol):
    """Which fields of a row are what; as `corpuskit.sources.files.files.Files` has them."""

    label: str
    text_field: str
    id_field: str
    title_field: str
    url_field: str
    language_field: str
    keep: dict[str, str]
    language: str
    licence: str

    @property
    def model_fields_set(self) -> set[str]:
        """Names of the settings that were given."""


def as_mapping(value: Any) -> Any:
    """What a setting ``keep`` is given as: a list of fields is a mapping of columns called as they are."""
    if isinstance(value, list | tuple) and all(isinstance(name, str) for name in value):
        return {name: name for name in value}
    return value


def check_columns(value: dict[str, str]) -> dict[str, str]:
    """The mapping ``keep`` itself. Raises ValueError for a column that every document has."""
    taken = {*SCHEMA.names, "cluster", "split"} & value.keys()
    if taken:
        name = min(taken)
        raise ValueError(
            f"{name!r} is a column of every document; give the field another one: {{own_{name}: {name}}}"
        )
    return value


class Accept:
    """Takes the rows of the files of a part, one after the other.

    Args:
        owner: what messages call the source.
        out: where documents, drops and errors go.
        source: what ids begin with.
        text_setting: the setting that names the field of the text, for remedies.
    """

    def __init__(
        self,
        settings: FieldSettings,
        owner: str,
        out: ReadingBuilder,
        source: str = "files",
        text_setting: str = "text_field",
    ) -> None:
        self._source, self._set = source, f"Set {text_setting}"
        self._text_field, self._keep = settings.text_field, tuple(settings.keep.items())
        self._others = (settings.id_field, settings.title_field, settings.url_field, settings.language_field)
        self._label, self._language, self._licence = settings.label, settings.language, settings.licence
        self._owner, self._out = owner, out
        # Fields that were named on purpose: one that no row has is a mistake in its name.
        named = settings.model_fields_set & {"id_field", "title_field", "url_field", "language_field"}
        self._unseen = {name for name in (getattr(settings, each) for each in named) if name}
        self._unseen |= set(settings.keep.values())
        self._there: list[str] = []
        self._odd_ids: Counter[str] = Counter()
        self._decoded: Counter[str] = Counter()
        self._empty: list[str] = []
        self.begin("")

    def begin(self, name: str, *, fields: bool = True, origin: Mapping[str, str] | None = None) -> None:
        """Begin with a file, by its relative name.

        Args:
            fields: whether its rows have any.
            origin: what its documents say of where they are from, beside the row; its name without it.
        """
        self._name, self._fields = name, fields
        self._facts = {"file": name} if origin is None else dict(origin)
        # Canonical JSON is cut at the number, since it is made for each row of a corpus.
        self._before, _, self._after = canonical_json(self._facts | {"row": 0}).rpartition('"row":0')
        self._rows = self._without = 0
        self._known: list[str] = []

    def end(self) -> None:
        """The file is read: say what holds for all of it."""
        if not self._rows:
            self._empty.append(self._name)
        elif self._without == self._rows > 1:
            fields = there_are(self._text_field, self._known)
            what = f"none of {self._rows} rows has the field {self._text_field!r}"
            self._out.warn(f"{self._owner}: {self._name}: {what}. {fields} {self._set}.")

    def tell(self) -> None:
        """All files are read: say what was counted."""
        for kind, count in sorted(self._odd_ids.items()):
            self._say(f"named by their places, since {kind} is no id: {_counted(count, 'row')}")
        for how, count in sorted(self._decoded.items()):
            encoding, *flags = how.split()
            odd = f" ({', '.join(flags)})" if flags else ""
            self._say(f"not UTF-8, decoded as {encoding}{odd}: {_counted(count, 'text')}")
        for name in sorted(self._unseen) if self._there else ():
            self._say(f"no row has the field {name!r}. {there_are(name, self._there)}")
        if self._empty:
            self._say(f"without any row: {folders.some(self._empty)}")

    def _say(self, sentence: str) -> None:
        self._out.warn(f"{self._owner}: {sentence}")

    def __call__(self, row: Row | Damage) -> None:
        """Keep, drop or quarantine one row."""
        self._rows += 1
        place = f"{self._name}#{row.row}"
        origin = f'{self._before}"row":{row.row}{self._after}'
        if isinstance(row, Damage):
            return self._damaged(row, place, origin)
        if row.decoded is not None:
            _, encoding, flags = row.decoded
            facts = self._facts | {"row": row.row, "encoding": encoding}
            origin = canonical_json(facts | ({"flags": list(flags)} if flags else {}))
            self._decoded[" ".join((encoding, *flags))] += 1
        text = None
        try:
            text = row.get(self._text_field)
            data = text.encode("utf-8")
            identity, title, url, language = map(row.get, self._others)
            columns = {column: _plain(row.get(name)) for column, name in self._keep}
            if self._unseen and self._fields:
                self._unseen = {name for name in self._unseen if row.get(name) is None}
                self._there = self._there or row.fields()
        except (TwiceError, AttributeError, UnicodeEncodeError) as error:
            kind, sentence = self._problem(row, text, error)
            self._out.met(row.size)
            excerpt = "" if text is None else str(text)[:200].encode("utf-8", "replace").decode()
            bad = Quarantined(place, kind, f"{place}: {sentence}", row.size, excerpt, origin)
            return self._out.quarantine(bad)
        known = self._id(identity, place)
        title = _plain(title)
        self._out.met(len(data))
        if not text or text.isspace():
            return self._out.drop(Dropped(known, "empty", len(data), title, text, origin))
        columns |= {"title": title, "url": _plain(url), "licence": self._licence, "origin": origin}
        columns["language"] = _plain(language) or self._language
        self._out.keep(id=known, source=self._label, text=text, **columns)

    def _damaged(self, row: Damage, place: str, origin: str) -> None:
        error = plain_name(row.error)
        if row.kind == "unreadable_file":
            return folders.set_aside(self._out, self._owner, self._name, row.size, error)
        self._out.met(row.size)
        bad = Quarantined(place, row.kind, error, row.size, row.excerpt, origin)
        return self._out.quarantine(bad)

    def _problem(self, row: Row, text: Any, error: Exception) -> tuple[str, str]:
        """Why a row is no document: a short word, and a sentence with the remedy."""
        field = f"field {self._text_field!r}"
        if isinstance(error, TwiceError):
            return "twice", f"field {str(error)!r} stands twice, with different values. Mend the row."
        if isinstance(text, str):
            return "invalid_utf8", f"{field} holds half of a surrogate pair. Mend the row."
        if text is not None:
            kind = type(text).__name__
            return "no_text", f"{field} holds {kind}, not a string. {self._set}, or mend the row."
        known = row.fields()
        self._without += 1
        self._known = self._known or known
        if self._text_field in known:
            return "no_text", f"{field} is null. {self._set}, or mend the row."
        there = there_are(self._text_field, known)
        return "no_text", f"no {field}. {there} {self._set}, or mend the row."

    def _id(self, value: Any, place: str) -> str:
        """The id of a row: the value of its field, or its place where there is none or it is no id."""
        # Not-a-number, which differs from itself, is how tables hold a missing number.
        known = None
        if value is not None and value != "" and value == value:
            known = as_id(value)
            if not known or not _encodable(known):
                known = None
                self._odd_ids[type(value).__name__] += 1
        return f"{self._source}:{self._label}:{known or place}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _encodable(text: str) -> bool:
    """Whether a string is free of lone surrogates, which JSON can escape but UTF-8 cannot hold."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _plain(value: Any) -> str:
    """A title, an address or a kept value as text; empty if there is none."""
    text = as_text(value) or ""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
