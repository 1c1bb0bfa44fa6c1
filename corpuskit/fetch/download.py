"""One file from a mirror, whole and right; several at once.

A later attempt asks for the rest of a part alone (`corpuskit.fetch.part`), and begins anew when the server
has another version by then or knows no ranges. The name appears when size and SHA-1 are those that the
mirror's list gives.
"""

from __future__ import annotations

import queue
import re
import shutil
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import httpx2

from corpuskit.errors import CorpuskitError, FetchError, StorageError
from corpuskit.fetch.http import Web
from corpuskit.fetch.part import PartialFile, Remote, part_path, sha1_file
from corpuskit.fetch.patience import Stopped, Transient

ROUNDS = 3
"""How often a whole file is fetched before a wrong checksum is believed."""

_NOT_THE_FILE = "What the mirror serves there is not the file: choose another --mirror, or try again later."
_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)$")
_ENCODED = {"gzip": ".gz", "x-gzip": ".gz", "br": ".br", "zstd": ".zst", "deflate": ".zz"}


class OtherBytesError(FetchError):
    """What a mirror serves has another size or SHA-1 than its list says: one of both is wrong."""


@dataclass(frozen=True)
class Fetched:
    """A file that is there now, with its own size (bytes) and SHA-1, and how many bytes were there before."""

    remote: Remote
    size: int
    sha1: str
    resumed: int


OnFetched = Callable[[Fetched], None]
_Results = queue.SimpleQueue[Fetched | BaseException | None]


def is_whole(path: Path, size: int | None, sha1: str) -> bool:
    """Whether a file is there with this size and SHA-1."""
    return path.is_file() and size in (None, path.stat().st_size) and sha1_file(path) == sha1


def download(web: Web, remote: Remote, folder: Path, *, rounds: int = ROUNDS) -> Fetched:
    """Fetch one file into a folder.

    Args:
        rounds: how often the whole file is fetched before a wrong checksum is believed. What an earlier
            process or another mirror began is not held against this one: then it is twice at least.

    Raises:
        FetchError: it cannot be had; `OtherBytesError` if its size or checksum is always wrong,
            `RefusedError` if the server says so.
        StorageError: it cannot be written. What is there stays, as after any other error.
        Stopped: the user wants to end.
    """
    part = PartialFile(folder / remote.name, remote)
    rounds = max(rounds, 2 if part.resumed else 1)
    got = ""
    try:
        for turn in range(rounds):
            web.persist(remote.url, lambda: _more(web, remote, part), lambda: part.best, what=remote.name)
            got = part.hash.hexdigest()
            if remote.sha1 in ("", got):
                part.finish()
                return Fetched(remote, part.size, got, part.resumed)
            part.restart()
            part.best = 0
            reason = f"sha1 is {got} instead of {remote.sha1}: deleted"
            if turn < rounds - 1:
                web.listen("retry", {"what": remote.name, "reason": reason, "wait": 0, "turn": turn})
    finally:
        part.close()
    part.discard()
    often = f", {rounds} times in a row" if rounds > 1 else ""
    message = f"{remote.name}: sha1 is {got} instead of {remote.sha1}{often} ({remote.url})"
    remedy = "The mirror's copy is damaged, or something on the way changes it: choose another --mirror."
    raise OtherBytesError(message, remedy=remedy)


def _more(web: Web, remote: Remote, part: PartialFile) -> None:
    """Ask for what is missing and take it in, to the end of the file."""
    if remote.size is not None and part.size > remote.size:
        part.restart()
    if remote.size is not None and part.size == remote.size:
        return
    with web.exchange(remote.url, part.range_headers(), also=(416,)) as response:
        total = _place(response, remote, part)
        for chunk in web.chunks(response):
            if total is None and part.size + len(chunk) > remote.most:
                raise _too_much(remote, part, "sends more and more")
            part.append(chunk)
            if total is not None and part.size > total:
                part.restart()
                raise _unlike(remote, f"more than {total} bytes came")
            web.listen("bytes", {"what": remote.name, "done": part.size})
    if total is not None and part.size != total:
        raise Transient(f"{remote.url}: ended after {part.size} of {total} bytes")


def _place(response: httpx2.Response, remote: Remote, part: PartialFile) -> int | None:
    """Make the part ready for the body that follows; return how long the file will be, if that is known."""
    total = _continue_at(response, part) if response.status_code == 206 else _begin(response, part)
    if wrong := _not_the_file(response, remote):
        part.restart()
        raise Transient(f"{remote.url}: {wrong}", remedy=_NOT_THE_FILE, attempts=ROUNDS)
    if None not in (total, remote.size) and total != remote.size:
        part.restart()
        raise _unlike(remote, f"offers {total} bytes where the mirror's list says {remote.size}")
    if total is not None and total > remote.most:
        raise _too_much(remote, part, f"offers {total:,} bytes")
    part.describe(response, total)
    return remote.size if total is None else total


def _unlike(remote: Remote, what: str) -> Transient:
    """The trouble of a mirror whose file is not as long as the list says."""
    reason = f"{remote.url}: {what}"
    return Transient(reason, remedy=_NOT_THE_FILE, attempts=ROUNDS, becomes=OtherBytesError)


def _too_much(remote: Remote, part: PartialFile, what: str) -> FetchError:
    """The error for a mirror whose file has no end; the part goes."""
    part.discard()
    message = f"{remote.url}: the mirror {what} where a file has at most {remote.most:,}"
    return FetchError(message, remedy="What it serves there is not the file: choose another --mirror.")


def _begin(response: httpx2.Response, part: PartialFile) -> int | None:
    """A body from the first byte on: nothing was there, no ranges are known, or the version is another."""
    if part.size:
        part.restart()
    if response.status_code == 416:
        raise Transient(f"{response.request.url}: the rest that was asked for is not there", wait=0)
    length = response.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else None


def _continue_at(response: httpx2.Response, part: PartialFile) -> int | None:
    """A body that should begin where the part ends, and be of the same version."""
    said = response.headers.get("content-range", "")
    found = _CONTENT_RANGE.match(said)
    length = None if not found or found[3] == "*" else int(found[3])
    same = part.same_version(response, length)
    if not part.size or not found or int(found[1]) != part.size or not same:
        at = part.size
        part.restart()
        other = f"a range {said!r} where the rest from byte {at} was asked for"
        what = other if same else "a version that is not the same"
        raise Transient(f"{response.request.url}: sends {what}", wait=0)
    return length


def _not_the_file(response: httpx2.Response, remote: Remote) -> str:
    """Why an answer of 200 is not the file: an error page, or a body that was packed on the way."""
    kind = response.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind == "text/html" and not remote.name.lower().endswith((".html", ".htm")):
        return "sends a web page instead of the file"
    packed = response.headers.get("content-encoding", "").strip().lower()
    if packed in _ENCODED and not remote.name.lower().endswith(_ENCODED[packed]):
        return f"sends the file packed ({packed}), which was not asked for"
    return ""


def require_space(remotes: Iterable[Remote], folder: Path) -> None:
    """Raise `StorageError` unless the disk has room for what is still to come."""
    missing = 0
    for remote in remotes:
        part = part_path(folder / remote.name)
        missing += (remote.size or 0) - (part.stat().st_size if part.is_file() else 0)
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if missing > free:
        message = f"{folder}: {missing:,} bytes are to be fetched and {free:,} are free"
        raise StorageError(message, remedy="Free some space, or choose another --out.")


def download_all(
    web: Web,
    remotes: Iterable[Remote],
    folder: Path,
    done: OnFetched,
    *,
    connections: int = 2,
    get: Callable[[Remote], Fetched] | None = None,
) -> None:
    """Fetch files over so many connections at once, in their order.

    After the first failure no further file is begun; those under way are brought to their end.

    Args:
        done: called in this thread with each file as it becomes right.
        get: fetches one file, in a thread; `download` from the file's own address by default.

    Raises:
        FetchError, StorageError: the first failure. Files that are right stay, and parts of others.
    """
    waiting = deque(remotes)
    results: _Results = queue.SimpleQueue()

    def work() -> None:
        try:
            while remote := _next(waiting):
                results.put(get(remote) if get else download(web, remote, folder))
        except Stopped:
            pass  # the user wants to end: nothing is left to do
        except BaseException as error:
            waiting.clear()
            results.put(error)
        finally:
            results.put(None)

    # Daemons, so that a server that keeps silent cannot hold up Ctrl-C until its time-out.
    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(connections, len(waiting)))]
    for thread in threads:
        thread.start()
    try:
        _collect(results, len(threads), done)
    except BaseException:
        web.stop.set()
        raise
    finally:
        # Time to close a part. One that waits for a silent server is left behind: it is a daemon.
        for thread in threads:
            thread.join(timeout=2)


def _next(waiting: deque[Remote]) -> Remote | None:
    """The next file; None when another thread took the last one."""
    try:
        return waiting.popleft()
    except IndexError:
        return None


def _collect(results: _Results, running: int, done: OnFetched) -> None:
    failure: BaseException | None = None
    while running:
        if (result := results.get()) is None:
            running -= 1
        elif isinstance(result, Fetched):
            done(result)
        elif failure is None:
            failure = result
            if not isinstance(result, CorpuskitError):
                break
    if failure is not None:
        raise failure
