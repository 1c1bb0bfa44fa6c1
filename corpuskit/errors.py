"""The exceptions of corpuskit. Each says what it is about, the value that was met, and what to do.
Below them stands the check of what a function is called with.

CorpuskitError              anything below; catch this to catch all
├── SettingError            a recipe, a setting or a call is wrong (exit code 2)
├── InputError              an input cannot be read at all
├── EmptyError              a source or a build yields no document
├── StageError              a stage or source broke its contract
├── RunError                a run folder cannot be used: another format, damaged, not a run
│   └── RunLockedError      another build is writing this run
├── LedgerError             documents or bytes are not accounted for
├── StorageError            a file could not be written: full disk, no permission
├── FetchError              something could not be fetched from a mirror, whole and right
├── EngineError             a worker died and retrying did not help
├── ShardError              a shard, its index or its manifest does not hold together
└── TrainError              training cannot start, go on or resume
"""

from __future__ import annotations

import difflib
import errno
import functools
import inspect
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

F = TypeVar("F", bound=Callable[..., Any])


class CorpuskitError(Exception):
    """Base of all errors that corpuskit raises on purpose.

    Args:
        message: the thing and the value, e.g. ``"threshold: 1.4 is not between 0 and 1"``.
        remedy: what the user can do about it, as a sentence; shown on a line of its own.
    """

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.remedy))

    def __str__(self) -> str:
        return f"{self.message}\n  {self.remedy}" if self.remedy else self.message

    def one_line(self) -> str:
        """Message and remedy on one line, as a quarantined row has them."""
        return " ".join(f"{self.message}. {self.remedy}".split())


def _rebuild(kind: type[CorpuskitError], message: str, remedy: str) -> CorpuskitError:
    """Errors cross process borders by pickle, which cannot pass keyword-only arguments by itself."""
    return kind(message, remedy=remedy)


class SettingError(CorpuskitError):
    """A recipe, a setting or a call is wrong."""


class InputError(CorpuskitError):
    """An input cannot be read at all; damage inside an input is quarantined instead."""


class EmptyError(CorpuskitError):
    """A source or a whole build yields no document."""


class StageError(CorpuskitError):
    """A stage or source did what its contract forbids."""


class RunError(CorpuskitError):
    """A folder is not a usable run."""


class RunLockedError(RunError):
    """Another process is building this run."""


class LedgerError(CorpuskitError):
    """Documents or bytes went in and did not come out anywhere."""


class StorageError(CorpuskitError):
    """A file could not be written."""


_WRITE_REMEDIES = {
    errno.ENOSPC: "The disk is full. Free some space.",
    errno.EDQUOT: "The disk quota is used up. Free some space.",
    errno.EFBIG: "The file would grow past the limit of the file system or of `ulimit -f`: raise it.",
    errno.EACCES: "You may not write there: change the permissions, or choose another --out.",
    errno.EROFS: "The file system is read-only: choose another --out.",
    errno.ENOTDIR: "A file stands where a folder is needed: choose another --out.",
    errno.EEXIST: "A file stands where a folder is needed: choose another --out.",
    errno.EISDIR: "A folder stands where a file is needed: move it away.",
    errno.ENAMETOOLONG: "The name is too long for the file system: choose a shorter --out.",
}


def write_remedy(error: OSError) -> str:
    """What helps when the system refuses to write a file: one or two sentences."""
    if error.errno in _TOO_MANY:
        return _more_handles()
    return _WRITE_REMEDIES.get(error.errno or 0, "Look at the disk and the folder.")


_READ_REMEDIES = {
    errno.ENOENT: "Put it back, or take it out of the list, and run again.",
    errno.EACCES: "You may not read it: change its permissions.",
    errno.EPERM: "You may not read it: change its permissions.",
    errno.EIO: "The disk fails: copy the file from elsewhere.",
    errno.ELOOP: "Links lead in a circle: remove them.",
}


def read_remedy(error: OSError) -> str:
    """What helps when the system refuses to read a file: one or two sentences."""
    if error.errno in _TOO_MANY:
        return _more_handles()
    return _READ_REMEDIES.get(error.errno or 0, "Check the path and its rights.")


_TOO_MANY = (errno.EMFILE, errno.ENFILE)


def _more_handles() -> str:
    """How many files this process may hold open, and how they become more."""
    more = "Raise it: `ulimit -n 4096`; or use fewer --workers."
    try:
        import resource
    except ImportError:  # not on Windows
        return f"No more files may be open. {more}"
    return f"This process may hold {resource.getrlimit(resource.RLIMIT_NOFILE)[0]} files open. {more}"


class FetchError(CorpuskitError):
    """Something could not be fetched from a mirror, whole and with the checksum that it should have."""


class EngineError(CorpuskitError):
    """A worker died more often than the engine retries."""


class ShardError(CorpuskitError):
    """A shard, its index or its manifest does not hold together."""


class EncodingError(CorpuskitError):
    """A fast engine gave other ids than the library that it stands in for."""


class TrainError(CorpuskitError):
    """Training cannot start, go on or resume."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the nearest of ``known``, or the list of what is known.

    >>> nearest("treshold", ["threshold", "seed"])
    "Did you mean 'threshold'?"
    """
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    return f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(names)}."


def checks_arguments(function: F) -> F:
    """Have a function refuse arguments that are not what its annotations say, before it does anything.

    Without it a value of another type ends somewhere below in the error of a library, or in nothing at all:

    >>> @checks_arguments
    ... def write(count: int = 1) -> str:
    ...     return "x" * count
    >>> write(2.5)
    Traceback (most recent call last):
    corpuskit.errors.SettingError: write: count = 2.5 is not a whole number
      Give a whole number.
    """
    signature = inspect.signature(function)
    owner, _, name = function.__qualname__.rpartition(".")
    called = owner.rpartition(".")[2] if name == "__init__" else name.strip("_")

    @functools.cache
    def kinds() -> dict[str, Any]:
        # When it is called first: then all that the annotations name has been imported.
        return get_type_hints(function, include_extras=True)

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        for name, value in bound.arguments.items():
            if name in kinds():
                check_value(f"{called}: {name}", value, kinds()[name])
            if not isinstance(value, int) and isinstance(value, Integral):
                bound.arguments[name] = int(value)  # NumPy's would overflow in what follows.
        return function(*bound.args, **bound.kwargs)

    return checked  # type: ignore[return-value]


def check_value(what: str, value: object, kind: Any) -> None:
    """Raises SettingError unless a value is of the type that an annotation names."""
    if not _fits(value, kind):
        wanted = _in_words(kind)
        raise SettingError(f"{what} = {reprlib.repr(value)} is not {wanted}", remedy=f"Give {wanted}.")


def check_fields(settings: Any) -> None:
    """Raises SettingError for the first field of a dataclass that is not of its type."""
    for name, kind in get_type_hints(type(settings)).items():
        check_value(f"{type(settings).__name__}: {name}", getattr(settings, name), kind)


def _fits(value: object, kind: Any) -> bool:
    origin, parts = get_origin(kind) or kind, get_args(kind)
    if kind is Any:
        return True
    if origin in (Union, UnionType):
        if Path in parts and isinstance(value, str) and (not value or "\0" in value):
            return False  # "" would be the folder that one happens to stand in.
        return any(_fits(value, part) for part in parts)
    if origin is Literal:
        return any(type(value) is type(part) and value == part for part in parts)
    if origin in (int, float):  # Those of NumPy are registered as such; a truth value is no number here.
        whole = origin is int
        return isinstance(value, Integral if whole else Real) and not isinstance(value, bool)
    if origin is Sequence:
        listed = isinstance(value, Sequence) and not isinstance(value, str | bytes)
        return listed and all(_fits(item, parts[0]) for item in value)  # type: ignore[attr-defined]
    if origin is Mapping:
        return isinstance(value, Mapping) and all(
            _fits(key, parts[0]) and _fits(item, parts[1]) for key, item in value.items()
        )
    if origin is Callable:
        return callable(value)
    return isinstance(value, NoneType if origin is None else origin)


_WORDS: dict[Any, str] = {
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    str: "text",
    NoneType: "None",
    Path: "a path",
    Mapping: "a mapping",
    Callable: "a function",
}


def _in_words(kind: Any) -> str:
    """A type as a person calls it."""
    origin, parts = get_origin(kind) or kind, get_args(kind)
    if origin is Literal:
        return " or ".join(map(repr, parts))
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(map(_in_words, parts)))
    if origin is Sequence:
        return f"a list whose items are {_in_words(parts[0])}"
    return _WORDS.get(origin) or f"a {origin.__name__}"


def counted(number: int, what: str) -> str:
    """A number of things in words: ``1 book``, ``2,000 books``."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
