"""What is written goes to the disk meanwhile: in order, by one thread, and its refusal is told."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from corpuskit.errors import StorageError
from corpuskit.shards.writer import ShardWriter
from corpuskit.storage import files
from corpuskit.storage.files import EarlySync


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("sync")]


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of files when they were brought to the disk."""
    monkeypatch.setattr(files, "_SYNC_BYTES", 100)
    sizes, fsync = list[int](), os.fsync

    def seen(descriptor: int) -> None:
        sizes.append(os.fstat(descriptor).st_size)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", seen)
    return sizes


def test_it_begins_when_so_much_is_written(tmp_path: Path, synced: list[int]) -> None:
    with (tmp_path / "file").open("wb") as file:
        sync = EarlySync(file)
        for _ in range(3):
            file.write(b"x" * 60)
            sync.wrote(60)
        sync.end()
        assert synced == [120]  # What the buffer of Python held is in it.
        sync.end()
    assert threads() == []


def test_a_shard_is_the_same_with_it(
    tmp_path: Path, synced: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [np.arange(50, dtype=np.uint16) + n for n in range(20)]
    written = []
    for limit in (100, 2**30):
        monkeypatch.setattr(files, "_SYNC_BYTES", limit)
        with ShardWriter(tmp_path, f"train-{limit}", "uint16") as writer:
            for row in rows:
                writer.append(row)
            written.append(writer.close().bin_sha256)
    assert written[0] == written[1]
    assert synced[0] >= 100
    assert threads() == []


def write(folder: Path, leaves: bool) -> None:
    with ShardWriter(folder, "train-00000", "uint16") as writer:
        writer.append(np.zeros(90, np.uint16))
        if leaves:
            raise KeyError


@pytest.mark.parametrize("leaves", [False, True], ids=["closed", "left by an exception"])
def test_what_the_disk_refuses_is_told_once(
    tmp_path: Path, leaves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_SYNC_BYTES", 100)

    def full(descriptor: int) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KeyError if leaves else StorageError):
        write(tmp_path, leaves)
    assert list(tmp_path.iterdir()) == []
    assert threads() == []
