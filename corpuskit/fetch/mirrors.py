"""Several mirrors of the same files, asked in turn."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from corpuskit.errors import CorpuskitError, FetchError, InputError, counted
from corpuskit.fetch.address import check_mirror
from corpuskit.fetch.http import Listener, RefusedError
from corpuskit.fetch.patience import AGAIN

T = TypeVar("T")


class LackingError(Exception):
    """A mirror answers rightly and has no such thing. Raised on by `Mirrors.in_turn` when none has it.

    Attributes:
        addresses: of the mirrors that have it not.
    """

    addresses: tuple[str, ...] = ()


class Mirrors:
    """Mirrors in the order in which they are asked. May be used by several threads at once.

    One that failed, for whatever reason but that it has not what was asked for, is put behind the others: it
    is asked again only when these fail too.

    Args:
        addresses: as a user gives them.
        listen: hears of each mirror that is left, with the reason.

    Raises:
        SettingError: one is no address of a folder on a web server.
    """

    def __init__(self, addresses: Sequence[str], listen: Listener) -> None:
        self.addresses = tuple(dict.fromkeys(map(check_mirror, addresses)))
        self._listen = listen
        self._failed: set[str] = set()
        self._lock = threading.Lock()

    def in_turn(self, what: str, ask: Callable[[str, bool], T]) -> T:
        """What the first mirror gives that gives anything.

        Args:
            what: named in errors and messages.
            ask: called with the address of a mirror and whether no further one is left to ask.

        Raises:
            FetchError: all fail; it has the reason of each. The only one's error stays as it is.
            LackingError: those that can be asked have it not. Others that failed before are not asked again.
        """
        with self._lock:
            failed = frozenset(self._failed)
        order = sorted(self.addresses, key=lambda address: address in failed)
        reasons: dict[str, CorpuskitError] = {}
        lacking: list[str] = []
        for place, address in enumerate(order, 1):
            if lacking and address in failed:
                break  # One that works has it not: what does not work is not waited for once more.
            try:
                return ask(address, place == len(order))
            except LackingError:
                lacking.append(address)
            except (FetchError, InputError) as error:
                if len(order) == 1:
                    raise
                reasons[address] = error
                self._leave(what, address, error, order[place:])
        if lacking:
            missing = LackingError(what)
            missing.addresses = tuple(lacking)
            raise missing
        raise _none_gives(what, reasons)

    def _leave(self, what: str, address: str, error: CorpuskitError, following: Sequence[str]) -> None:
        """Put a mirror behind the others and say so."""
        if not (isinstance(error, RefusedError) and error.not_there):
            with self._lock:
                self._failed.add(address)
        then = f"{following[0]} is asked" if following else "none is left to ask"
        self._listen("note", {"note": f"{what}: {_reason(what, address, error)}; {then}"})


def _none_gives(what: str, reasons: Mapping[str, CorpuskitError]) -> FetchError:
    """The error when every mirror failed: what each one's was."""
    told = "; ".join(_reason(what, address, error) for address, error in reasons.items())
    # What helps with all of them alike, such as --contact, is worth more than the general word.
    remedies = {error.remedy for error in reasons.values()}
    general = f"Name a further --mirror, or {AGAIN}; what has come whole stays."
    message = f"{what}: none of {counted(len(reasons), 'mirror')} gives it: {told}"
    return FetchError(message, remedy=remedies.pop() if len(remedies) == 1 else general)


def _reason(what: str, address: str, error: CorpuskitError) -> str:
    """Why a mirror was left, with its address and without what was asked for."""
    words = error.message.removeprefix(f"{what}: ")
    return words if address in words else f"{address}: {words}"
