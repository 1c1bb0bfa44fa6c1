"""What processes of one machine found of the fast engine: it is judged once, and not by each of them."""

from __future__ import annotations

import hashlib
import os
import platform
import time
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import tokenizers

from corpuskit.errors import RunError
from corpuskit.storage.files import read_json, sha256_json, storing, write_json
from corpuskit.tokenizer.engines.native import ENGINE

JUDGEMENT = 2
"""Version of how an engine is judged: raised when a verdict of before says less than one of now."""

_PATIENCE, _FRESH = 1.0, 10.0
"""Seconds that are waited at most, and those after which whoever began to judge is taken for dead."""


class Verdict(NamedTuple):
    """What was found.

    Attributes:
        why: why the fast engine is not used, as a phrase; empty where it gives the ids of the reference.
    """

    why: str


class Verdicts:
    """Verdicts in a folder, a file each: of a tokenizer, by versions of the engines, on a machine.

    A fault has a file of its own, so that it stands against any other verdict, whichever is recorded last.

    Nobody waits for long: who finds no verdict, and that another has begun to look for one, begins to encode,
    and judges by itself what it has made where there is none when that is to have a name.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     verdicts = Verdicts(Path(folder), Path(folder), "5eed")
    ...     begun = verdicts.find(), verdicts.begin(), verdicts.begin()
    ...     verdicts.record(Verdict(""))
    ...     print(begun, verdicts.find())
    (None, True, False) Verdict(why='')
    """

    def __init__(self, folder: Path, temporary: Path, tokenizer_sha256: str) -> None:
        """Of a tokenizer.json with this digest; `temporary` is for unfinished files."""
        self._about = _about(tokenizer_sha256)
        self._file = folder / f"{sha256_json(self._about)[:32]}.json"
        self._fault, self._begun = self._file.with_suffix(".fault"), self._file.with_suffix(".begun")
        self._temporary = temporary

    def find(self) -> Verdict | None:
        """The verdict, if one was recorded; a file that cannot be read is none."""
        return self._read(self._fault) or self._read(self._file)

    def _read(self, file: Path) -> Verdict | None:
        if not file.is_file():
            return None
        try:
            read = read_json(file)
        except RunError:
            return None
        same = isinstance(read, dict) and {**read, "why": ""} == {**self._about, "why": ""}
        return Verdict(read["why"]) if same and isinstance(read["why"], str) else None

    def wait(self) -> Verdict | None:
        """The same, after a while where another process has just begun to judge: it may live."""
        until = time.monotonic() + _PATIENCE
        while (found := self.find()) is None and time.monotonic() < until:
            try:
                if time.time() - self._begun.stat().st_mtime > _FRESH:
                    break
            except OSError:
                break
            time.sleep(0.01)
        return found

    def begin(self) -> bool:
        """Say that this process judges; False where one has said so before, be it dead by now."""
        with storing(self._begun):
            self._begun.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.close(os.open(self._begun, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            except FileExistsError:
                return False
        return True

    def give_up(self) -> None:
        """Say that this process, which has begun, comes to no verdict for now: nobody waits for it."""
        with storing(self._begun):
            self._begun.unlink(missing_ok=True)

    def record(self, verdict: Verdict) -> None:
        """Keep a verdict; one that finds a fault stands against all others."""
        file = self._fault if verdict.why else self._file
        if self._read(file) is None:
            write_json(file, {**self._about, "why": verdict.why}, self._temporary)


def _about(tokenizer_sha256: str) -> Mapping[str, object]:
    """What a verdict depends on. Engines have code for some processors alone, so that it is a machine's."""
    try:
        fast = version("fastokens")
    except PackageNotFoundError:
        fast = ""
    return {
        "judgement": JUDGEMENT,
        "tokenizer": tokenizer_sha256,
        "tokenizers": tokenizers.__version__,
        "fastokens": fast,
        "native": ENGINE,
        "machine": [platform.node(), platform.machine(), _processor()],
    }


@cache
def _processor() -> str:
    """A digest of what this machine's processor can do; empty where the system does not tell.

    A name stays where a virtual machine moves, and folders are shared between machines of one name.
    """
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith(("flags", "Features")):
                    able = sorted(line.partition(":")[2].split())
                    return hashlib.sha256(" ".join(able).encode()).hexdigest()[:16]
    except OSError:
        pass
    return ""
