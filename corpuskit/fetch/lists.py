"""What several mirrors' lists say of one file, where its bytes are not those of the first list.

Either the mirror's copy is damaged or the list is wrong, and one mirror alone cannot tell which. So bytes are
believed when two say the same: a mirror that serves them and the list of another one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from corpuskit.fetch.download import Fetched, OtherBytesError, download
from corpuskit.fetch.http import Web
from corpuskit.fetch.part import Remote


class OtherLists:
    """The lists of further mirrors, each read when it is first asked for. May be used by several threads.

    Args:
        addresses: of the mirrors.
        read: gives the files that the list of a mirror names; none where it has no list.
    """

    def __init__(self, web: Web, addresses: Sequence[str], read: Callable[[str], Iterable[Remote]]) -> None:
        self._web, self._addresses, self._read = web, addresses, read
        self._lists: dict[str, dict[str, Remote]] = {}
        self._lock = threading.Lock()

    def find(self, file: Remote, mirror: str, folder: Path, error: OtherBytesError) -> Fetched | None:
        """What a mirror gives whose bytes are not those of the first list, by the list of another one.

        Args:
            file: as the first list has it, at the address of this mirror.
            mirror: its own list is not asked: that would be one mirror alone.
            error: what was wrong by the first list; told before each further attempt.

        Returns:
            None where no other list says what the mirror serves.

        Raises:
            FetchError: the mirror no longer gives it.
            StorageError: it cannot be written.
        """
        for other, known in self._unlike(file, mirror):
            note = f"{error.message}; the list of {other} says otherwise and is tried"
            self._web.listen("note", {"note": note})
            try:
                return download(self._web, replace(known, url=file.url), folder, rounds=1)
            except OtherBytesError:
                continue
        return None

    def _unlike(self, file: Remote, mirror: str) -> Iterator[tuple[str, Remote]]:
        """The file as others than this mirror list it, each size and SHA-1 once, with whose list it is."""
        seen = {(file.size, file.sha1)}
        for other in self._addresses:
            known = None if other == mirror else self._files(other).get(file.name)
            if known and (known.size, known.sha1) not in seen:
                seen.add((known.size, known.sha1))
                yield other, known

    def _files(self, mirror: str) -> dict[str, Remote]:
        with self._lock:
            if mirror not in self._lists:
                self._lists[mirror] = {file.name: file for file in self._read(mirror)}
            return self._lists[mirror]
