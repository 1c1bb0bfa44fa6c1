"""Half a file: its bytes, the version they are of, and from which mirror it can be gone on with.

Until it is right a file stands as ``.NAME.part``, hidden, so that no build reads half of it, with
``.NAME.part.json`` beside it: what it is a part of, which mirror it came from and which version that one sent
(``ETag``, ``Last-Modified``, length). Its rest is asked for by ``Range`` (RFC 9110, sections 13.1.5 and 14),
and only where it is the rest of the same bytes:

* at the mirror that sent the part, with ``If-Range``, if it still has that version;
* at another one, if the SHA-1 of the file is known, which judges the whole in the end, and the length is that
  of the list; else if that mirror has the same strong ``ETag`` and the same length. Dates prove no bytes.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from corpuskit.storage.files import rename, storing


@dataclass(frozen=True)
class Remote:
    """A file on a mirror.

    Attributes:
        name: its path below the folder that it goes to, with ``/``.
        size: bytes, None if not known beforehand.
        sha1: hexadecimal, empty if not known beforehand.
        most: bytes above which it cannot be the file, where the size is not known beforehand.
    """

    name: str
    url: str
    size: int | None = None
    sha1: str = ""
    most: int = 2**40


def sha1_file(path: Path) -> str:
    """The SHA-1 of a file's bytes, in hexadecimal: what the mirrors' lists give."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, _sha1).hexdigest()


def _sha1() -> Any:
    """SHA-1 as a checksum, which systems that forbid it for signatures still allow."""
    return hashlib.sha1(usedforsecurity=False)


def part_path(target: Path) -> Path:
    """Where a file stands until it is right."""
    return target.with_name(f".{target.name}.part")


class PartialFile:
    """An unfinished file: its bytes, their running SHA-1, and the version they are of.

    Attributes:
        size: bytes there.
        best: the most bytes that were ever there since the last wrong checksum: what counts as progress.
        resumed: bytes that were there before, from an earlier process or another mirror.
    """

    def __init__(self, target: Path, remote: Remote) -> None:
        self.target = target
        self.path = part_path(target)
        self.state_path = self.path.with_name(self.path.name + ".json")
        self._remote = remote
        self._begin()
        self.hash = _sha1()
        self.size = 0
        with storing(self.path):
            target.parent.mkdir(parents=True, exist_ok=True)
            known = self._read_state()
            # Bytes that are still in the buffer when a kill comes are asked for again.
            self._file = self.path.open("ab" if known else "wb", buffering=2**20)
            if known:
                with self.path.open("rb") as there:
                    while block := there.read(2**20):
                        self.hash.update(block)
                        self.size += len(block)
        self.best = self.resumed = self.size

    def _begin(self) -> None:
        """Nothing is known of a version, and the bytes are to come from the mirror that is asked."""
        self._url, self._etag, self._modified = self._remote.url, "", ""
        self._length: int | None = None

    def _read_state(self) -> bool:
        """Whether what is there is a part of this very file, of a version that can be asked for here."""
        try:
            state = json.loads(self.state_path.read_text(encoding="utf-8"))
            of_this = (state["size"], state["sha1"]) == (self._remote.size, self._remote.sha1)
            if not self.path.is_file() or not of_this:
                return False
            self._url, self._length = str(state["url"]), state.get("length")
            self._etag, self._modified = str(state["etag"]), str(state["modified"])
        except (OSError, ValueError, KeyError, TypeError):
            return False  # no state, or a broken one: the part is of unknown origin and begun anew
        if self._elsewhere and not self._remote.sha1:
            known = bool(self._etag) and self._length is not None
        else:
            known = bool(self._remote.sha1 or self._etag or self._modified)
        if not known:
            self._begin()
        return known

    @property
    def _elsewhere(self) -> bool:
        """Whether the bytes came from another mirror than the one that is asked."""
        return self._url != self._remote.url

    def describe(self, response: httpx2.Response, length: int | None) -> None:
        """Note the version that the mirror is about to send, before its next byte is kept.

        Args:
            length: bytes of the whole file, if the mirror says so.
        """
        if self.size and not self._elsewhere:
            return
        etag = response.headers.get("etag", "")
        # A weak one does not promise equal bytes, so it must not stand in If-Range.
        self._etag = "" if etag.startswith("W/") else etag
        self._modified = response.headers.get("last-modified", "")
        self._url, self._length = self._remote.url, length
        version = {"url": self._url, "etag": self._etag, "modified": self._modified, "length": length}
        state = {"size": self._remote.size, "sha1": self._remote.sha1, **version}
        # Written in place: half of it after a kill only means that the file is begun anew.
        with storing(self.state_path):
            self.state_path.write_text(json.dumps(state, indent=1), encoding="utf-8")

    def range_headers(self) -> dict[str, str]:
        """What asks for the rest alone, if the version is still the same."""
        if not self.size:
            return {}
        headers = {"Range": f"bytes={self.size}-"}
        # Another mirror has tags of its own: where the checksum is known they need not be the same.
        if not (self._elsewhere and self._remote.sha1) and (validator := self._etag or self._modified):
            headers["If-Range"] = validator
        return headers

    def same_version(self, response: httpx2.Response, length: int | None) -> bool:
        """Whether the rest that a mirror sends is of the bytes that are here.

        Args:
            length: bytes of the whole file, if the mirror says so.
        """
        etag = response.headers.get("etag", "")
        if not self._elsewhere:
            return not (self._etag and etag) or etag == self._etag
        if self._remote.sha1:
            return self._remote.size is None or length == self._remote.size
        return etag == self._etag and length == self._length

    def append(self, chunk: bytes) -> None:
        """Add bytes."""
        with storing(self.path):
            self._file.write(chunk)
        self.hash.update(chunk)
        self.size += len(chunk)
        self.best = max(self.best, self.size)

    def restart(self) -> None:
        """Throw the bytes away. What was reached before still counts, so that this cannot go on for ever."""
        with storing(self.path):
            self._file.close()
            self._file = self.path.open("wb", buffering=2**20)
        self.hash = _sha1()
        self.size = 0
        self._begin()

    def close(self) -> None:
        """Keep what is there for a later attempt, and no file if the server had none to send."""
        with storing(self.path):
            self._file.close()
            if not self.size and not self.state_path.exists():
                self.path.unlink(missing_ok=True)

    def discard(self) -> None:
        """Leave nothing."""
        with storing(self.path):
            self._file.close()
            self.path.unlink(missing_ok=True)
            self.state_path.unlink(missing_ok=True)

    def finish(self) -> None:
        """Give the file its name."""
        with storing(self.target):
            self._file.close()
            rename(self.path, self.target)
            self.state_path.unlink(missing_ok=True)
