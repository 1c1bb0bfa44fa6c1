"""Settings: frozen pydantic models with a registered name and an integer version.

Settings that only matter when deciding are annotated with `Decides`; settings that name where inputs lie
are annotated with `Location`. A pass over the text is redone when a setting without these marks changes.
"""

from __future__ import annotations

import os
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from corpuskit.documents.source_code import source_sha256
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


class Settings(BaseModel):
    """Frozen settings with a registered name and an integer version.

    The version is raised by hand whenever the same settings would give other bytes than before; a test
    with golden output guards it. Of a user's own class the source counts too, where it can be had.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=False)

    name: ClassVar[str]
    version: ClassVar[int] = 1

    @classmethod
    def checked(cls, owner: str, /, **values: Any) -> Self:
        """Settings from the keywords of a function; `SettingError` in its name for what is wrong first."""
        try:
            return cls(**values)
        except ValidationError as error:
            problem = error.errors()[0]
            name = ".".join(map(str, problem["loc"]))
            message = f"{owner}: {name} = {problem['input']!r}: {problem['msg']}"
            known = nearest(name, cls.model_fields) if problem["type"] == "extra_forbidden" else ""
            raise SettingError(message, remedy=known or "Correct the value.") from error

    @classmethod
    def _marked(cls, mark: object) -> set[str]:
        return {k for k, f in cls.model_fields.items() if mark in f.metadata}

    def fingerprint(self, *, deciding: bool) -> dict[str, Any]:
        """What goes into a fingerprint, as JSON values: name, version, settings without locations, source.

        Args:
            deciding: True for the settings marked `Decides` alone, False for all others.
        """
        decides = self._marked(_DECIDES)
        keys = decides if deciding else set(type(self).model_fields) - decides - self.locations()
        values = self.model_dump(mode="json", include=keys)
        found = {"name": self.name, "version": self.version, "settings": values, **self.libraries()}
        source = source_sha256(type(self))
        return {**found, "source": source} if source else found

    def public(self) -> dict[str, Any]:
        """The settings without locations: what may stand in an output."""
        return self.model_dump(mode="json", exclude=self.locations())

    @classmethod
    def locations(cls) -> set[str]:
        """Names of the settings that are marked `Location`."""
        return cls._marked(_LOCATION)

    def libraries(self) -> dict[str, Any]:
        """Further facts that the output depends on, e.g. ``{"ftfy": "6.3.1"}``."""
        return {}
