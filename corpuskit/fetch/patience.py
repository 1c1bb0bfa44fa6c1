"""How long a server is waited for, and what is raised when it is time to ask again, or to end.

Sources: RFC 9110 (``Retry-After``, section 10.2.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

from corpuskit.errors import FetchError

AGAIN = "call the same command again: it goes on where it stopped"


@dataclass(frozen=True)
class Patience:
    """How long and how often a server is waited for. Times are in seconds.

    Attributes:
        connect: until a connection stands.
        read: until the next bytes come.
        answer: until the headers of an answer are there, however slowly they come.
        attempts: failures in a row, without one new byte between them, before it is given up.
        first_attempts: the same while the server has never answered, as with a mistyped address.
        backoff: before the second attempt; doubled for each further one, up to ``longest_backoff``.
        longest_wait: the longest ``Retry-After`` that is obeyed; a longer one is an error that names it.
        stall: a body that brings less than ``stall_bytes`` in so many seconds is asked for anew, and left for
            good after ``stalls`` times in a row: six minutes.
        redirects: how many are followed for one request.

    Eight attempts with doubled waits outlast some two minutes of a server's trouble; a name that was never
    reached is most likely mistyped, and three attempts are soon over. Half a KB a second is no transfer.
    """

    connect: float = 20.0
    read: float = 60.0
    answer: float = 120.0
    attempts: int = 8
    first_attempts: int = 3
    backoff: float = 1.0
    longest_backoff: float = 60.0
    longest_wait: float = 600.0
    stall: float = 120.0
    stall_bytes: int = 64 * 2**10
    stalls: int = 3
    redirects: int = 5


class Transient(Exception):  # noqa: N818 - never shown: it becomes a FetchError when it does not pass
    """An attempt that failed and may succeed when made again.

    Args:
        wait: seconds until then, if that is known.
        remedy: what helps if it does not pass.
        attempts: how often to try at most, if less than usual makes sense.
        becomes: what is raised if it does not pass.
    """

    def __init__(
        self,
        reason: str,
        wait: float | None = None,
        *,
        remedy: str = "",
        attempts: int = 1000,
        becomes: type[FetchError] = FetchError,
    ) -> None:
        super().__init__(reason)
        self.reason, self.wait, self.attempts, self.becomes = reason, wait, attempts, becomes
        self.remedy = remedy or f"Look at the connection and at --mirror, then {AGAIN}."


class Stopped(Exception):  # noqa: N818 - no error: somebody asked for it
    """The user wants to end; what was fetched is kept."""


def wait_of(retry_after: str, now: float) -> float | None:
    """Seconds that a ``Retry-After`` header asks for; None if it says nothing that can be read.

    Args:
        retry_after: seconds or a date (RFC 9110, section 10.2.3).
        now: seconds since 1970.

    >>> wait_of("120", 0), wait_of("Thu, 01 Jan 1970 00:01:00 GMT", 20.0), wait_of("soon", 0)
    (120.0, 40.0, None)
    """
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(0.0, date.timestamp() - now)
