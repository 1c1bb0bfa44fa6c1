"""Asking a server for something: with patience, within bounds, and by the server's own rules.

Sources: RFC 9110 (ranges, conditional requests, ``Retry-After``), RFC 9309 (robots). A request that fails for
a reason that may pass (a broken connection, 429, 500, 502, 503, 504, a body cut short) is made again
after 1, 2, 4... seconds, or after what ``Retry-After`` says. Any other answer is final.
"""

from __future__ import annotations

import queue
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import httpx2

from corpuskit import __version__
from corpuskit.errors import FetchError, SettingError
from corpuskit.fetch.address import host_of, plain_host, target_of
from corpuskit.fetch.patience import AGAIN, Patience, Stopped, Transient, wait_of

T = TypeVar("T")
Listener = Callable[[str, Mapping[str, Any]], None]
"""Hears what happens: ``begin``, ``bytes``, ``retry``, ``note`` or ``done``, each with facts about it."""

# Time-out, too early (RFC 8470), too many requests (RFC 6585), and trouble of the server's own.
_MAY_PASS = (408, 425, 429, 500, 502, 503, 504)
_OTHER_MIRROR = f"Choose another --mirror, or {AGAIN}."
_LOOK_UP = 0.5
"""Seconds between two looks at whether the user wants to end."""
_REMEDIES = {
    401: "The mirror wants a password: choose another --mirror.",
    403: "The mirror refuses this client. Say who you are with --contact YOUR-ADDRESS, or choose another"
    " --mirror.",
    404: "It is not there: check what you asked for and --mirror.",
    410: "It is not there any more: ask for a newer one.",
}


class RefusedError(FetchError):
    """A final answer that is no success. ``status`` is its code."""

    status: int = 0

    @property
    def not_there(self) -> bool:
        """Whether the server says that it has no such thing, now or any more."""
        return self.status in (404, 410)


def user_agent(contact: str) -> str:
    """Who we are, in the form that Wikimedia's User-Agent policy asks for.

    ``name/version (contact) library/version``; see
    https://foundation.wikimedia.org/wiki/Policy:Wikimedia_Foundation_User-Agent_Policy. Names of bare
    libraries are blocked there.
    """
    about = contact or "language model corpora; no contact given"
    return f"corpuskit/{__version__} ({about}) httpx2/{httpx2.__version__}"


def check_contact(contact: str) -> None:
    """Raise `SettingError` unless it is empty, an e-mail address or a web address."""
    known = "@" in contact or contact.startswith(("http://", "https://"))
    plain = contact.isascii() and contact.isprintable() and not set(contact) & set("()")
    if contact and not (known and plain):
        message = f"--contact {contact!r}: neither an e-mail address nor a web address"
        remedy = "Give what a mirror's operator can reach you by: --contact me@example.org"
        raise SettingError(message, remedy=remedy)


class Web:
    """A client for mirrors. May be used by several threads at once.

    Args:
        contact: goes into the ``User-Agent``.
        patience: waits and bounds.
        pause: least seconds between two requests, 0 for none. With it requests go one at a time.
        refused: hosts that are never asked, nor followed to, with the reason.
        redirects_to: hosts that a redirect may lead to, with those below them, besides the one that is asked.
        listen: hears of what is tried again.
        sleep: waits for seconds; by default until `stop` is set.
    """

    def __init__(
        self,
        *,
        contact: str = "",
        patience: Patience | None = None,
        pause: float = 0.0,
        refused: Mapping[str, str] | None = None,
        redirects_to: Sequence[str] = (),
        listen: Listener = lambda event, facts: None,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        check_contact(contact)
        self.patience = patience or Patience()
        self.pause = pause
        self.listen = listen
        self.stop = threading.Event()
        self._refused = refused or {}
        self._redirects_to = tuple(map(plain_host, redirects_to))
        self._sleep = sleep or self.stop.wait
        self._reached: set[str] = set()
        self._last = -1e9  # long ago: the first request waits for nothing
        self._turn = threading.Lock()
        timeout = httpx2.Timeout(self.patience.read, connect=self.patience.connect)
        # Sizes, ranges and checksums are those of the file as it lies there: no transport compression.
        headers = {"User-Agent": user_agent(contact), "Accept-Encoding": "identity"}
        self._client = httpx2.Client(timeout=timeout, headers=headers)

    def __enter__(self) -> Web:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def persist(
        self, url: str, attempt: Callable[[], T], progress: Callable[[], int] = lambda: 0, *, what: str = ""
    ) -> T:
        """Call ``attempt``, which asks for an address, until it succeeds or fails for good.

        Args:
            what: named in errors and messages; without it the address is.
            progress: bytes that were achieved; `Patience.stall_bytes` more of them forgive earlier failures.

        Raises:
            FetchError: it failed too often in a row, or the server wants a longer wait than we grant.
        """
        what = what or url
        failures, best = 0, progress()
        while True:
            self.check_stop()
            try:
                return attempt()
            except Transient as error:
                # The last bytes of a file may be few: what is whole by then raises nothing.
                if progress() - best >= self.patience.stall_bytes:
                    best, failures = progress(), 0
                failures += 1
                allowed = self.patience.attempts
                if host_of(url) not in self._reached:
                    allowed = self.patience.first_attempts
                wait = self._next_wait(what, error, failures, allowed)
                self.listen("retry", {"what": what, "reason": error.reason, "wait": wait})
                if wait:
                    self._sleep(wait)

    def _next_wait(self, what: str, error: Transient, failures: int, allowed: int) -> float:
        rules = self.patience
        said = error.reason if error.reason.startswith(what) else f"{what}: {error.reason}"
        if failures >= min(allowed, error.attempts):
            times = f" ({failures} failures in a row)" if failures > 1 else ""
            raise error.becomes(f"{said}{times}", remedy=error.remedy) from error
        if error.wait is None:
            return min(rules.backoff * 2.0 ** (failures - 1), rules.longest_backoff)
        if error.wait > rules.longest_wait:
            message = f"{said}; the server wants {error.wait:.0f} s of quiet"
            remedy = "Call the same command again after that time: it goes on where it stopped."
            raise FetchError(message, remedy=remedy) from error
        return error.wait

    def check_host(self, url: str) -> None:
        """Raise `FetchError` if the host of an address is one of those that are never asked."""
        host = host_of(url)
        if host in self._refused:
            raise FetchError(f"{url}: {host} is not asked", remedy=self._refused[host])

    def _check_redirect(self, first: str, url: str) -> None:
        """Raise `FetchError` if a redirect leads to a host that nobody named.

        Pauses, ``robots.txt`` and the user's trust are for one mirror, and a stranger shall not send us round
        the hosts of this network.
        """
        host = host_of(url)
        allowed = (host_of(first), *self._redirects_to)
        if not any(host == known or host.endswith(f".{known}") for known in allowed):
            remedy = f"If the mirror keeps its files there, allow it: --redirects-to {host}"
            raise FetchError(f"{first}: redirects to {url}, on another host", remedy=remedy)

    def check_stop(self) -> None:
        """Raise `Stopped` if the user wants to end."""
        if self.stop.is_set():
            raise Stopped

    def _pace(self) -> None:
        """Wait until the next request may be made."""
        if not self.pause:
            return
        with self._turn:
            wait = self._last + self.pause - time.monotonic()
            if wait > 0:
                self._sleep(wait)
                self.check_stop()
            self._last = time.monotonic()

    @contextmanager
    def exchange(
        self, url: str, headers: Mapping[str, str] | None = None, *, also: tuple[int, ...] = ()
    ) -> Iterator[httpx2.Response]:
        """One request and its answer, of 200, 206 or a status in ``also``; the body is read by `chunks`.

        Raises:
            Transient: it may be tried again. Also for a body that breaks off within the block.
            RefusedError: a final answer.
            FetchError: redirects lead nowhere, or the certificate is not trusted.
        """
        try:
            response = self._follow(url, headers or {})
            try:
                self._reached.add(host_of(url))
                if response.status_code not in (200, 206, *also):
                    raise self._failure(response)
                yield response
            finally:
                response.close()
        except httpx2.TransportError as error:
            raise _broken(url, error) from error
        except httpx2.InvalidURL as error:
            raise FetchError(f"{url}: not an address: {error}", remedy="Check --mirror.") from error

    def _follow(self, url: str, headers: Mapping[str, str]) -> httpx2.Response:
        """Send a request and follow its redirects: few, never from https to http, and to allowed hosts."""
        first = url
        for _ in range(self.patience.redirects + 1):
            self.check_host(url)
            self._check_redirect(first, url)
            self._pace()
            request = self._client.build_request("GET", url, headers=dict(headers))
            response = self._answer(request)
            if not response.has_redirect_location:
                return response
            response.close()
            url = target_of(url, response.headers["location"])
        message = f"{first}: more than {self.patience.redirects} redirects, the last to {url}"
        raise FetchError(message, remedy="Choose another --mirror.")

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        """The headers of an answer, within a time.

        The client bounds the wait for each byte alone, so that a server which sends one a second is never
        left. The request is made by a thread of its own, a daemon, which is left behind when it takes too
        long.
        """
        answers: queue.SimpleQueue[httpx2.Response | BaseException] = queue.SimpleQueue()
        too_late = threading.Event()

        def send() -> None:
            try:
                response = self._client.send(request, stream=True)
                if too_late.is_set():
                    response.close()
                answers.put(response)
            except BaseException as error:
                answers.put(error)

        threading.Thread(target=send, daemon=True).start()
        until = time.monotonic() + self.patience.answer
        while True:
            try:
                answer = answers.get(timeout=min(_LOOK_UP, max(0.0, until - time.monotonic())))
            except queue.Empty:
                if time.monotonic() < until and not self.stop.is_set():
                    continue
                too_late.set()
                self.check_stop()
                reason = f"{request.url}: no whole answer within {self.patience.answer:.0f} s"
                raise Transient(reason, remedy=_OTHER_MIRROR, attempts=self.patience.stalls) from None
            if isinstance(answer, BaseException):
                raise answer
            return answer

    def _failure(self, response: httpx2.Response) -> Exception:
        """What to raise for an answer that is no success."""
        status, url = response.status_code, str(response.request.url)
        said = f"{url}: the server answers {status} {response.reason_phrase}".rstrip()
        if status in _MAY_PASS:
            return Transient(said, wait_of(response.headers.get("retry-after", ""), time.time()))
        error = RefusedError(said, remedy=_REMEDIES.get(status, "Check --mirror, or choose another one."))
        error.status = status
        return error

    def chunks(self, response: httpx2.Response) -> Iterator[bytes]:
        """The body as it comes, unchanged.

        Raises:
            Transient: it comes slower than `Patience` allows.
            Stopped: the user wants to end.
        """
        rules = self.patience
        since, held = time.monotonic(), 0
        for chunk in response.iter_raw():
            self.check_stop()
            yield chunk
            held += len(chunk)
            passed = time.monotonic() - since
            if passed >= rules.stall:
                if held < rules.stall_bytes:
                    reason = f"{response.request.url}: only {held} bytes came in {passed:.0f} s"
                    raise Transient(reason, remedy=_OTHER_MIRROR, attempts=rules.stalls)
                since, held = time.monotonic(), 0

    def get(self, url: str, *, limit: int) -> bytes:
        """A small document as a whole.

        Args:
            limit: bytes above which it is an error.

        Raises:
            FetchError: it could not be had; `RefusedError` if the server said so.
        """

        def attempt() -> bytes:
            held = bytearray()
            with self.exchange(url) as response:
                for chunk in self.chunks(response):
                    held += chunk
                    if len(held) > limit:
                        remedy = "That is not what is served there."
                        raise FetchError(f"{url}: longer than {limit} bytes", remedy=remedy)
            return bytes(held)

        return self.persist(url, attempt)


def _broken(url: str, error: httpx2.TransportError) -> Exception:
    """What to raise for a connection that could not be made or broke."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return FetchError(
                f"{url}: the certificate is not trusted: {cause.verify_message or cause}",
                remedy="Check --mirror, this machine's clock and its certificates.",
            )
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx2.UnsupportedProtocol):
        return FetchError(f"{url}: {error}", remedy="Check --mirror.")
    words = str(error) or type(error).__name__
    reason = f"{url}: {words[:1].lower()}{words[1:]}"
    if isinstance(error, httpx2.RemoteProtocolError) and "peer closed" not in words:
        # A length below zero, headers without end: no hitch on the way, but what the server sends.
        return Transient(
            reason, remedy="The mirror's answers are broken: choose another --mirror.", attempts=3
        )
    return Transient(reason)
