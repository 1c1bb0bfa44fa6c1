"""Law 9: bad input and a full disk are errors or quarantined documents, never a crash or a silent skip."""

from __future__ import annotations

import bz2
import gzip
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from corpuskit import Files
from corpuskit.build.build import build_corpus
from corpuskit.errors import InputError, StorageError
from corpuskit.storage.files import atomic, storing

GOOD = "".join(
    json.dumps({"id": str(i), "text": f"good document {i} " * 20}) + "\n" for i in range(30)
).encode()


def build(path: Path, run: Path) -> tuple[Any, list[dict[str, Any]], list[dict[str, Any]]]:
    """Result, documents and quarantined rows of a build over the files below ``path``."""
    result = build_corpus([Files(path=str(path), label="x")], run)
    documents, quarantined = (
        [r for p in sorted((run / folder).glob("*.parquet")) for r in pq.read_table(p).to_pylist()]
        for folder in ("documents", "quarantine")
    )
    return result, documents, quarantined


@pytest.mark.parametrize(
    ("name", "data", "kind", "kept"),
    [
        ("bad.txt", b"caf\xe9 au lait", "invalid_utf8", 0),
        (
            "bad.jsonl",
            GOOD + b'{"id": "x", "text": "caf\xe9"}\n' + b'{"id": "y", "text": "last"}\n',
            "invalid_utf8",
            31,
        ),
        ("bad.jsonl", GOOD + b'{"id": "x", "te\n', "bad_json", 30),
        ("bad.jsonl", GOOD + b'{"id": "x", "no": 1}\n', "no_text", 30),
        ("bad.jsonl.gz", gzip.compress(GOOD, mtime=0)[:-40], "truncated", 1),
        ("bad.jsonl.bz2", bz2.compress(GOOD)[:-40], "truncated", 0),
        ("bad.txt.gz", b"not gzip at all", "corrupt", 0),
        ("bad.parquet", b"PAR1 no", "corrupt", 0),
    ],
)
def test_damaged_input_is_set_aside_and_the_rest_goes_on(
    name: str, data: bytes, kind: str, kept: int, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / name).write_bytes(data)
    (folder / "zz-good.txt").write_text("a whole text")
    result, documents, quarantined = build(folder, tmp_path / "run")
    assert [q["kind"] for q in quarantined] == [kind]
    assert name in quarantined[0]["error"]
    assert "a whole text" in [d["text"] for d in documents]
    assert len(documents) >= kept + 1
    entry = result.ledger.entries["files:x"]
    assert entry.documents_in == len(documents) + 1
    assert entry.documents_quarantined == {kind: 1}


def test_an_empty_file_is_a_dropped_document(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "empty.txt").write_bytes(b"")
    (tmp_path / "in" / "good.txt").write_bytes(b"text")
    result, documents, _ = build(tmp_path / "in", tmp_path / "run")
    assert len(documents) == 1
    assert result.ledger.entries["files:x"].documents_dropped == {"empty": 1}


def test_an_empty_folder_and_a_missing_one(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "missing"):
        with pytest.raises(InputError) as caught:
            build(tmp_path / name, tmp_path / "run")
        assert name in caught.value.message
        assert caught.value.remedy


def test_a_file_of_another_kind_is_told(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "picture.png").write_bytes(b"\x89PNG")
    with pytest.raises(InputError, match=r"nothing to read.*\.png"):
        build(tmp_path / "in", tmp_path / "run")


# ------------------------------------------------------------------------------------------- full disk


def test_the_words_for_a_full_disk(tmp_path: Path) -> None:
    import errno

    with pytest.raises(StorageError) as caught, storing(tmp_path / "x"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert str(tmp_path / "x") in caught.value.message
    assert "what was finished is kept" in caught.value.remedy


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("old")

    def write() -> None:
        with atomic(tmp_path / "x", tmp_path / "t") as unfinished:
            unfinished.write_text("half of the n")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write()
    assert (tmp_path / "x").read_text() == "old"
    assert list((tmp_path / "t").iterdir()) == []


def test_a_file_that_may_not_grow(
    corpus: Path,
    tmp_path: Path,
    environment: Callable[..., dict[str, str]],
    built: Path,
    outputs: Callable[[Path], dict[str, str]],
    command: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """A child whose files may have 30 kB: it names path and remedy, and a later build goes on."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, resource.RLIM_INFINITY))

    run = tmp_path / "run"
    words = ["build", str(corpus / "recipe.yaml"), "--out", str(run), "--workers", "1", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "corpuskit", *words],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=limit,
    )
    assert done.returncode == 1, done.stderr
    answer = json.loads(done.stdout)
    assert answer["error"] == "StorageError"
    assert str(run) in answer["message"]
    assert "call the same command again" in answer["remedy"]
    assert not (run / "ledger.json").exists()
    kept = sorted(p.name for p in (run / "manifest").rglob("*.json"))
    assert kept, "nothing was finished before the limit was met"
    again = command(*words)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["tasks_skipped"] >= len(kept)
    assert outputs(run) == outputs(built / "run")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_disk_that_is_full(
    workers: int,
    corpus: Path,
    tmp_path: Path,
    built: Path,
    outputs: Callable[[Path], dict[str, str]],
    command: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """A build into a disk of 128 kB, then again when the disk has grown."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(disk)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    try:
        words = ["build", corpus / "recipe.yaml", "--out", disk / "run", "--workers", workers, "--json"]
        full = command(*words)
        assert full.returncode == 1, full.stderr
        answer = json.loads(full.stdout)
        assert answer["error"] == "StorageError"
        assert str(disk) in answer["message"]
        assert "Free some space" in answer["remedy"]
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        again = command(*words)
        assert again.returncode == 0, again.stderr
        assert outputs(disk / "run") == outputs(built / "run")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir(mode=0o500)
    with pytest.raises(StorageError, match="Permission denied"):
        build(corpus / "books", tmp_path / "mine" / "run")
