"""Settings: frozen pydantic models with a registered name and an integer version.

Settings that only matter when deciding are annotated with `Decides`; settings that name where inputs lie
are annotated with `Location`. A pass over the text is redone when a setting without these marks changes.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from corpuskit.errors import SettingError, nearest

T = TypeVar("T")

_DECIDES, _LOCATION = object(), object()  # marks in annotations

Decides = Annotated[T, _DECIDES]
"""``threshold: Decides[float] = 0.8``: changing it redoes the decisions, not the pass over the text."""


def _from_home(value: Any) -> Any:
    """A path with the home folder in place of its ``~``."""
    return os.path.expanduser(value) if isinstance(value, str) else value


Location = Annotated[T, _LOCATION, BeforeValidator(_from_home)]
"""``path: Location[str]``: says where an input lies. Never part of a fingerprint or an output."""


if TYPE_CHECKING:

    class Checked(BaseModel):
        """Values with known names; the constructor raises `SettingError` for what is wrong."""

else:

    class _Checking(type(BaseModel)):
        # Not in `__init__`, which values inside of others have too: their error needs the place there.
        def __call__(cls, *values: Any, **named: Any) -> Any:
            if values:
                raise SettingError(
                    f"{cls.__name__}: {values[0]!r} has no name", remedy="Give each setting as name=value."
                )
            try:
                return super().__call__(**named)
            except ValidationError as error:
                raise first_problem(cls.__name__, cls, error, call=True).error() from error

    class Checked(BaseModel, metaclass=_Checking):
        """Values with known names; the constructor raises `SettingError` for what is wrong."""


class Settings(Checked):
    """Frozen settings with a registered name and an integer version.

    The version is raised by hand whenever the same settings would give other bytes than before; a test
    with golden output guards it. Of a user's own class a build counts the source too, where it can be had.

    Attributes:
        foreign: whether a library that is free to do as it likes handles the documents: it may start threads.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=False)

    name: ClassVar[str]
    version: ClassVar[int] = 1
    foreign: ClassVar[bool] = False

    @classmethod
    def checked(cls, owner: str, /, **values: Any) -> Self:
        """Settings from the keywords of a function; `SettingError` in its name for what is wrong first."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise first_problem(owner, cls, error, call=True).error() from error

    @classmethod
    def _marked(cls, mark: object) -> set[str]:
        return {k for k, f in cls.model_fields.items() if mark in f.metadata}

    def fingerprint(self, *, deciding: bool) -> dict[str, Any]:
        """What goes into a fingerprint, as JSON values: name, version, settings without locations.

        Args:
            deciding: True for the settings marked `Decides` alone, False for all others.
        """
        decides = self._marked(_DECIDES)
        keys = decides if deciding else set(type(self).model_fields) - decides - self.locations()
        values = self.model_dump(mode="json", include=keys)
        return {"name": self.name, "version": self.version, "settings": values, **self.libraries()}

    def public(self) -> dict[str, Any]:
        """The settings without locations: what may stand in an output."""
        return self.model_dump(mode="json", exclude=self.locations())

    @classmethod
    def locations(cls) -> set[str]:
        """Names of the settings that are marked `Location`."""
        return cls._marked(_LOCATION)

    @classmethod
    def located(cls, value: str, folder: str) -> str:
        """A relative path of such a setting, taken from ``folder``."""
        return str(Path(folder) / value)

    def libraries(self) -> dict[str, Any]:
        """Further facts that the output depends on, e.g. ``{"ftfy": "6.3.1"}``."""
        return {}


# ------------------------------------------------------------------------------- what is wrong, in our words
class Problem(NamedTuple):
    """What is wrong with a value.

    Attributes:
        place: of the setting, inside of the settings.
        wants_text: whether a text would do, or one of some words.
    """

    place: tuple[str | int, ...]
    message: str
    remedy: str
    wants_text: bool = False

    def error(self) -> SettingError:
        """What to raise."""
        return SettingError(self.message, remedy=self.remedy)


def first_problem(
    owner: str, kind: type[BaseModel], error: ValidationError, *, call: bool = False
) -> Problem:
    """The first problem that pydantic found with the settings of ``kind``, called ``owner``.

    Args:
        call: whether they were given as ``name = value`` in a call, not in a recipe.
    """
    # A misspelt key also makes another one missing: the misspelt one is what the user can mend.
    problems = error.errors()
    problem = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    place = _setting_at(problem["loc"])
    name, value = ".".join(map(str, place)), problem["input"]
    if problem["type"] == "extra_forbidden":
        known = nearest(str(place[-1]), _fields_at(kind, place[:-1]))
        return Problem(place, f"{owner}: unknown setting {name!r}", known)
    if problem["type"] == "missing":
        return Problem(
            place[:-1], f"{owner}: the setting {name!r} is missing", f"Add a value: `{name}: ...`."
        )
    given = f"{owner}: {name} = {value!r}: " if call else f"{owner}.{name}: {value!r}: "
    shown = given if name else f"{owner}: "
    # A setting of several forms has a problem for each of them: a user may choose the form.
    same = [p for p in problems if _setting_at(p["loc"]) == place]
    message = " or ".join(dict.fromkeys(_message(p) for p in same))
    wants_text = any(p["type"] == "string_type" or _choices(p) for p in same)
    return Problem(place, f"{shown}{message}", _remedy(same), wants_text)


# Settings that may be of several types have a problem for each, told apart by such words in its place.
_FORM = re.compile(r"(literal|tuple|list|dict)\[|(str|int|float|bool|function-.*)$")
"""What pydantic puts into the place of a problem for each form that a setting may have."""

_CHOICE = re.compile(r"'([^']*)'")


def _setting_at(place: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """The setting that pydantic means, without the names that it gives to the forms of a setting.

    >>> _setting_at(("drop_sections", "tuple[str, ...]", 0))
    ('drop_sections', 0)
    """
    return tuple(word for word in place if not (isinstance(word, str) and _FORM.match(word)))


def _message(problem: Any) -> str:
    """What pydantic says, in the words of YAML."""
    known = dict.fromkeys(("tuple_type", "list_type"), "should be a list")
    known |= dict.fromkeys(("bool_type", "bool_parsing"), "should be true or false")
    known["dict_type"] = "should be a mapping, key: value"
    said = str(problem["msg"]).removeprefix("Value error, ")
    return known.get(problem["type"], said)


def _remedy(problems: Sequence[Any]) -> str:
    """How the value can be mended, from the forms that it might have had."""
    value = str(problems[0]["input"])
    if any(p["type"] in ("tuple_type", "list_type") for p in problems):
        return f"Write [{value}] for a list of one, [] for none."
    if isinstance(problems[0]["input"], bool) and any(p["type"] == "string_type" for p in problems):
        return "Give a text, in quotes: YAML takes yes, no, on and off for true and false."
    choices = [word for p in problems for word in _choices(p)]
    close = difflib.get_close_matches(value, choices, n=1, cutoff=0.6)
    return f"Did you mean {close[0]!r}?" if close else "Correct the value."


def _choices(problem: Any) -> list[str]:
    """The words that a setting may be, where it is one of some."""
    return _CHOICE.findall(problem.get("ctx", {}).get("expected", ""))


def _fields_at(kind: type[Any], place: Sequence[str | int]) -> list[str]:
    """Names of the settings of a model, or of a model inside it."""
    for word in place:
        field = getattr(kind, "model_fields", {}).get(word)
        kind = field.annotation if field is not None else type(None)
    return [field.alias or name for name, field in getattr(kind, "model_fields", {}).items()]
