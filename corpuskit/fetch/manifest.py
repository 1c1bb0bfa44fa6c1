"""``fetch.json``: what was fetched into a folder, from where, under which licence, with which checksums.

    {"format": 1, "source": "wikipedia", "licence": ..., "mirror": the first, or the one whose list it is,
     "mirrors": [all that were named], (what else the source notes),
     "missing": [files of the dump that have not come yet],
     "files": {"<path below the folder>": {"url":, "size":, "sha1":, "fetched": "2026-11-22", ...}}}

It makes a later call fetch nothing that is there and whole, and lets `check` tell, without a connection,
whether a folder still holds what it held. One fetch at a time writes a folder.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from corpuskit.errors import FetchError
from corpuskit.fetch.download import Fetched, is_whole
from corpuskit.fetch.part import Remote, sha1_file
from corpuskit.storage.files import write_json
from corpuskit.storage.ownership import FETCHED, claim

NAME = "fetch.json"
FORMAT = 1
_TEMPORARY = ".fetch-tmp"


class Manifest:
    """The manifest of one folder.

    Attributes:
        about: what holds for the folder as a whole.
        files: facts about each file, by its path below the folder.
    """

    def __init__(self, folder: Path, about: dict[str, Any], files: dict[str, dict[str, Any]]) -> None:
        self.folder = folder
        self.about = about
        self.files = files

    @classmethod
    def read(cls, folder: Path) -> Manifest | None:
        """The manifest of a folder, None if there is none.

        Raises:
            FetchError: it is damaged, or of another format.
        """
        path = folder / NAME
        if not path.exists():
            return None
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
            files, written = value.pop("files"), value.pop("format")
            kinds = {"size": int, "sha1": str, "url": str}
            sound = all(isinstance(f[key], kind) for f in files.values() for key, kind in kinds.items())
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise FetchError(f"{path}: cannot be read: {error!r}", remedy=_AWAY) from error
        if written != FORMAT or not sound:
            raise FetchError(f"{path}: format {written!r}, known is {FORMAT}", remedy=_AWAY)
        return cls(folder, value, files)

    @classmethod
    def read_or_begin(cls, folder: Path, about: Mapping[str, Any]) -> Manifest:
        """The manifest of a folder, or the first one of a folder that has none."""
        return cls.read(folder) or cls(folder, dict(about), {})

    def holds(self, remote: Remote, note: Callable[[Fetched], object]) -> bool:
        """Whether a file is there and whole, by the mirror's list or else by what is noted here.

        Args:
            note: gets a file that a kill kept out of the manifest. If neither this nor a list knows its
                checksum it is believed: a file has its name only when it was whole.
        """
        path, noted = self.folder / remote.name, self.files.get(remote.name)
        if not path.is_file():
            return False
        if remote.sha1:
            sound = is_whole(path, remote.size, remote.sha1)
        else:
            sound = remote.size in (None, path.stat().st_size)
            sound = sound and (noted is None or is_whole(path, noted["size"], noted["sha1"]))
        if sound and noted is None:
            note(Fetched(remote, path.stat().st_size, remote.sha1 or sha1_file(path), 0))
        return sound

    def add(self, fetched: Fetched, **more: Any) -> None:
        """Note a file that is right."""
        remote = fetched.remote
        facts = {"url": remote.url, "size": fetched.size, "sha1": fetched.sha1}
        self.files[remote.name] = {**facts, "fetched": datetime.now(UTC).date().isoformat(), **more}

    def write(self) -> None:
        """Write it, old or new but never half."""
        value = {"format": FORMAT, **self.about, "files": self.files}
        write_json(self.folder / NAME, value, self.folder / _TEMPORARY)
        with suppress(OSError):  # It holds what is not ours.
            (self.folder / _TEMPORARY).rmdir()


_AWAY = "Move it away and fetch again: files that are whole are known by their checksums and stay."


def locked(folder: Path, adopts: Callable[[str], bool] | None = None) -> AbstractContextManager[None]:
    """Hold the lock of a folder of fetched files, which is made if it is not there.

    Args:
        adopts: whether a file, by its path below the folder, may be taken in where there is no manifest.

    Entering raises `FetchError` when another process fetches into it, or when it is somebody else's.
    """
    Manifest.read(folder)  # One that is damaged is an error of its own.
    return claim(folder, FETCHED, FetchError, adopts=adopts)


def finished_name(path: str) -> str:
    """The name of a file below a folder when it is whole, also from that of half a file in `download`.

    >>> finished_name("0/5/.5-0.txt.part"), finished_name(".a.xml.part.json"), finished_name("b.xml")
    ('0/5/5-0.txt', 'a.xml', 'b.xml')
    """
    return re.sub(r"(^|/)\.([^/]+)\.part(\.json)?$", r"\1\2", path)


def check(folder: Path) -> tuple[Manifest, list[str]]:
    """Compare a folder with its manifest, without a connection.

    Returns:
        The manifest, and a sentence for each file that is missing, not what was fetched, or still to come.

    Raises:
        FetchError: there is no manifest.
    """
    if (manifest := Manifest.read(folder)) is None:
        what = f"holds no {NAME}" if folder.is_dir() else "there is no such folder"
        raise FetchError(f"{folder}: {what}", remedy="Give a folder that `corpuskit fetch` wrote.")
    problems = [f"{name}: is not fetched yet" for name in manifest.about.get("missing", ())]
    for name, facts in sorted(manifest.files.items()):
        path = folder / name
        if not path.is_file():
            problems.append(f"{name}: is missing")
        elif path.stat().st_size != facts["size"]:
            problems.append(f"{name}: has {path.stat().st_size} bytes instead of {facts['size']}")
        elif (got := sha1_file(path)) != facts["sha1"]:
            problems.append(f"{name}: sha1 is {got} instead of {facts['sha1']}")
    return manifest, problems
