"""A step of a workflow, and what each section of a workflow file promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from corpuskit.errors import SettingError, nearest
from corpuskit.storage.datasets.words import Words

Makes = Literal["fetched files", "run", "model", "answers", "questions", "results", "vectors", "export"]
"""What the folder of a step holds."""


MEASURED = "corpuskit workflow:"
"""What the command of a figure that is kept with a model begins with, where a workflow has measured it."""


@dataclass(frozen=True)
class Read:
    """Something that a step reads.

    Attributes:
        key: the setting that names it.
        written: the place, or the name on the Hub, as it stands in the file.
        step: the earlier step that makes it; None for what is outside of the workflow.
        path: where it lies; None for a data set of the Hub.
        words: of a data set, as they stand in the file; None where a place alone is named.
    """

    key: str
    written: str
    step: str | None
    path: Path | None
    words: Words | None = None

    @property
    def given(self) -> str:
        """What a reader is called with: the place, or all words with the place in them."""
        if self.words is None:
            return str(self.path)
        return (self.words if self.path is None else replace(self.words, path=str(self.path))).line()

    @property
    def further(self) -> dict[str, str]:
        """The words besides the place: which rows of it are meant."""
        words = {} if self.words is None else asdict(self.words)
        return {key: word for key, word in words.items() if word and (key != "path" or self.path is None)}


@dataclass(frozen=True)
class Step:
    """A step, checked.

    Attributes:
        name: of the step and of its folder.
        section: the command whose function does it.
        values: its settings as they stand in the file, with what the call sets.
        folder: where what it makes lies.
        reads: what it reads, in the order of the file.
        where: what messages begin with: the file, and the line of the step.
        base: the folder that relative paths are taken from.
        lines, words: of `values`, by place, as `corpuskit.build.recipe.recipe.parse` gives them.
    """

    name: str
    section: str
    values: Mapping[str, Any]
    folder: Path
    where: str
    base: Path
    reads: tuple[Read, ...] = ()
    lines: Mapping[tuple[str | int, ...], int] = field(default_factory=dict)
    words: Mapping[tuple[str | int, ...], str] = field(default_factory=dict)

    def error(self, message: str, remedy: str) -> SettingError:
        """An error of this step."""
        return SettingError(f"{self.where}: {self.section} {self.name}: {message}", remedy=remedy)

    def one(self, key: str) -> Path:
        """The place that a setting names; the step has been checked to have it."""
        return self.all(key)[0]

    def all(self, key: str) -> list[Path]:
        """The places that a setting names."""
        return [each.path for each in self.reads if each.key == key and each.path is not None]

    def given(self, key: str) -> list[str]:
        """What a reader is called with for a setting: places, and data sets by their words."""
        return [each.given for each in self.reads if each.key == key]


class Watch:
    """What hears of a workflow's progress; this one is silent."""

    def begins(self, step: Step, number: int, of: int, why: str) -> None:
        """A step begins, the number-th of so many; `why` it is not done already."""

    def kept(self, step: Step) -> None:
        """A step had been done before."""

    def ends(self, step: Step, seconds: float, facts: Mapping[str, Any]) -> None:
        """A step is done."""

    def work(self, step: Step) -> AbstractContextManager[Callable[..., Any] | None]:
        """Who listens while a step works: as its function takes one."""
        return nullcontext(None)


@dataclass(frozen=True)
class Call:
    """How a step is to be done.

    Attributes:
        workers: processes of a build.
        begun: the folder holds work of the very same settings and inputs: it is gone on with.
        listen: as the function of the section takes one.
        holds: is to be called as soon as the folder holds work of this step, and nothing of another one.
    """

    workers: int
    begun: bool
    listen: Callable[..., Any] | None
    holds: Callable[[], None] = lambda: None


class Stopped(Exception):  # noqa: N818 - it is no error: a signal has asked for it
    """A step was stopped by a signal, and has kept what it did."""


class Section(ABC):
    """A section of a workflow file: the settings and the function of one command.

    Attributes:
        name: of the section and its command.
        makes: what its steps' folders hold.
        accepts: keys that name what is read, each with what the step that it names may make.
        data_sets: those of them that may name a data set by its words, too.
        needed: keys without which a step is none.
        own: further keys that are no settings of a model of settings.
        version: raised when what a step makes of the same settings changes.
        times_itself: whether `outlook` does some of the work to see how long it takes.
    """

    name: ClassVar[str]
    accepts: ClassVar[Mapping[str, tuple[Makes, ...]]] = {}
    data_sets: ClassVar[tuple[str, ...]] = ()
    needed: ClassVar[tuple[str, ...]] = ()
    own: ClassVar[tuple[str, ...]] = ()
    version: ClassVar[int] = 1
    times_itself: ClassVar[bool] = False

    @abstractmethod
    def makes(self, step: Step) -> Makes:
        """What the folder of a step holds."""

    @abstractmethod
    def check(self, step: Step) -> None:
        """Raise SettingError for settings that are wrong, before any work; what is read need not be there."""

    @abstractmethod
    def made_from(self, step: Step) -> Any:
        """What a step is made from besides the steps that it reads, as JSON values."""

    @abstractmethod
    def identity(self, step: Step) -> str | None:
        """The digest of what a step has made, as it is there now; None where it is not there or not whole."""

    @abstractmethod
    def do(self, step: Step, call: Call) -> dict[str, Any]:
        """Do the step; returns what is to be told of it. Raises Stopped, or what its function raises."""

    def outlook(self, step: Step) -> dict[str, Any]:
        """What is known of a step that is to be done, without doing it: seconds, bytes, and a line of text.

        It is asked only where all that the step reads is there.
        """
        return {}

    def length(self, step: Step) -> float | None:
        """Seconds that its settings give a step, whatever it reads; None where they give none."""
        return None

    def places(self, values: Mapping[str, Any]) -> Iterator[tuple[str, str | dict[str, Any]]]:
        """Each setting that names something to read, with what it names: a place, or words of a data set."""
        for key in self.accepts:
            value = values.get(key)
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, str | dict):
                    yield key, each

    def is_no_place(self, key: str, written: str) -> bool:
        """Whether a setting of `accepts` names something else here, as a recipe that ships."""
        return False

    def keys(self) -> set[str]:
        """All keys that its steps may have, where they can be listed."""
        return {*self.accepts, *self.needed, *self.own}

    def refuse_unknown(self, step: Step, known: set[str] | None = None) -> None:
        """Raise SettingError for a key that is none, with the nearest that is; and for one that lacks."""
        names = self.keys() | (known or set())
        for key in step.values:
            if key not in names:
                raise step.error(f"unknown setting {key!r}", nearest(str(key), names))
        for key in self.needed:
            if step.values.get(key) is None:
                raise step.error(
                    f"there is no `{key}:`", f"A {self.name} step needs {', '.join(self.needed)}."
                )
