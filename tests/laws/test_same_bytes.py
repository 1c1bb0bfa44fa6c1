"""Law 2: the same recipe and inputs give the same bytes, however the build ran."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from corpuskit.build.build import build_corpus
from corpuskit.build.recipe.recipe import load
from corpuskit.storage.tables import parquet


def differing(left: dict[str, str], right: dict[str, str]) -> list[str]:
    """Names of files that are not the same in both, for a message that says where to look."""
    return sorted(name for name in left.keys() | right.keys() if left.get(name) != right.get(name))


@pytest.fixture(scope="module")
def reference(
    tmp_path_factory: pytest.TempPathFactory,
    make_corpus: Callable[..., Path],
    outputs: Callable[[Path], dict[str, str]],
    plugin: Path,
) -> tuple[Path, dict[str, str]]:
    """A corpus with its recipe, and the outputs of a build with one worker in this process."""
    folder = tmp_path_factory.mktemp("reference")
    corpus = make_corpus(folder / "corpus")
    (corpus / "recipe.yaml").write_text(many_parts(), encoding="utf-8")
    build_corpus(load(corpus / "recipe.yaml").pipeline, folder / "run", workers=1)
    return corpus, outputs(folder / "run")


def many_parts() -> str:
    """A recipe with one source, and so one part, for each file, and three passes."""
    sources = "".join(
        f"  - files: {{path: {path}, label: {label}}}\n"
        for path, label in [
            ("letters", "letters"),
            ("reports/r.jsonl.gz", "reports"),
            ("books/one.txt", "one"),
            ("books/two.txt", "two"),
            ("books/three.txt", "three"),
        ]
    )
    return f"""\
sources:
{sources}stages:
  - brackets
  - words: {{least: 8}}
  - exact_duplicates
  - near_duplicates: {{threshold: 0.7}}
  - fragile
tokenizer: {{vocab_size: 450}}
shards: {{shard_tokens: 2000, split: {{validation: 0.05, test: 0.05}}}}
"""


def test_two_workers_another_hash_seed_and_another_place(
    reference: tuple[Path, dict[str, str]],
    tmp_path: Path,
    plugin: Path,
    command: Callable[..., subprocess.CompletedProcess[str]],
    outputs: Callable[[Path], dict[str, str]],
) -> None:
    corpus, expected = reference
    copy = shutil.copytree(corpus, tmp_path / "another place" / "corpus")
    done = command(
        "build",
        copy / "recipe.yaml",
        "--out",
        tmp_path / "run",
        "--workers",
        2,
        path=[plugin],
        PYTHONHASHSEED="77",
        TZ="Asia/Tokyo",
    )
    assert done.returncode == 0, done.stderr
    assert differing(outputs(tmp_path / "run"), expected) == []


def test_relative_paths_and_three_workers_in_threads_of_another_kind(
    reference: tuple[Path, dict[str, str]],
    tmp_path: Path,
    plugin: Path,
    command: Callable[..., subprocess.CompletedProcess[str]],
    outputs: Callable[[Path], dict[str, str]],
) -> None:
    corpus, expected = reference
    done = command(
        "build",
        "recipe.yaml",
        "--out",
        os.path.relpath(tmp_path / "run", corpus),
        "--workers",
        3,
        cwd=corpus,
        path=[plugin],
        PYTHONHASHSEED="0",
        RAYON_NUM_THREADS="3",
        LC_ALL="C",
    )
    assert done.returncode == 0, done.stderr
    assert differing(outputs(tmp_path / "run"), expected) == []


def test_a_build_killed_ten_times_and_resumed(
    reference: tuple[Path, dict[str, str]],
    tmp_path: Path,
    plugin: Path,
    environment: Callable[..., dict[str, str]],
    command: Callable[..., subprocess.CompletedProcess[str]],
    outputs: Callable[[Path], dict[str, str]],
) -> None:
    """SIGKILL to the main process at ten seeded moments, counted in finished files and milliseconds."""
    corpus, expected = reference
    run = tmp_path / "run"
    words = [sys.executable, "-m", "corpuskit", "build", str(corpus / "recipe.yaml"), "--out", str(run)]
    moments = random.Random(5)
    killed = 0
    for _ in range(10):
        build = subprocess.Popen(
            [*words, "--workers", str(moments.choice([1, 2]))],
            env=environment(path=[plugin]),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for_files(build, run, more=moments.randint(1, 3))
        time.sleep(moments.uniform(0, 0.1))
        build.send_signal(signal.SIGKILL)
        killed += build.wait() == -signal.SIGKILL
    assert killed >= 8, "the builds ended before they could be killed: the input is too small for this test"
    done = command("build", corpus / "recipe.yaml", "--out", run, "--workers", 2, path=[plugin])
    assert done.returncode == 0, done.stderr
    assert differing(outputs(run), expected) == []


def wait_for_files(build: subprocess.Popen[bytes], run: Path, *, more: int) -> None:
    """Wait until ``more`` files have appeared or changed anywhere in a run, or the build has ended."""

    def state() -> set[tuple[str, int]]:
        found = set()
        for folder, _, names in os.walk(run):  # Unlike Path.rglob it stands folders that vanish.
            for path in (os.path.join(folder, n) for n in names if n.endswith((".json", ".parquet", ".bin"))):
                with suppress(FileNotFoundError):
                    found.add((path, os.stat(path).st_mtime_ns))
        return found

    before = state()
    while build.poll() is None and len(state() - before) < more:
        time.sleep(0.002)


def test_a_build_stopped_at_every_rename(
    reference: tuple[Path, dict[str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    outputs: Callable[[Path], dict[str, str]],
) -> None:
    """Between writing, renaming and recording: stop at the 3rd rename, then at the 4th, and so on."""
    corpus, expected = reference
    pipeline = load(corpus / "recipe.yaml").pipeline
    replace, calls = os.replace, 0

    def counting(*names: object) -> None:
        nonlocal calls
        calls += 1
        if calls == stop_at:
            raise KeyboardInterrupt
        replace(*names)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "replace", counting)
    stop_at, stops = 3, 0
    while True:
        calls = 0
        try:
            build_corpus(pipeline, tmp_path / "run", workers=1)
        except KeyboardInterrupt:
            stops += 1
            stop_at += 1
            continue
        break
    assert stops >= 10
    assert differing(outputs(tmp_path / "run"), expected) == []


def test_no_path_host_or_date_in_any_output(reference: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    corpus, _ = reference
    run = tmp_path / "run-of-a-place-that-must-not-show"
    build_corpus(load(corpus / "recipe.yaml").pipeline, run)
    today = time.strftime("%Y-%m-%d")
    # The year alone may stand in a version or a hash; a date or a folder may not.
    forbidden = [str(tmp_path), str(corpus), str(corpus.parent), run.name, today, today.replace("-", "")]
    forbidden += [name for name in (socket.gethostname(), os.environ.get("HOME", "")) if len(name) > 4]
    met = []
    for path in (p for p in sorted(run.rglob("*")) if p.is_file()):
        if path.relative_to(run).parts[0] in ("logs", "report"):
            continue
        data = path.read_bytes()
        if path.suffix == ".parquet":
            data += (
                str(pq.read_table(path).to_pydict()).encode() + str(pq.read_metadata(path).metadata).encode()
            )
        met += [(path.name, word) for word in forbidden if word.encode() in data]
    assert met == []


def test_the_scan_for_paths_would_find_one(tmp_path: Path) -> None:
    """The test above reads compressed Parquet: prove that it would see a path in there."""
    import pyarrow as pa

    schema = pa.schema([("origin", pa.string())])
    path = tmp_path / "x.parquet"
    with parquet(path, schema, tmp_path / "t") as sink:
        sink.write(pa.table({"origin": [str(tmp_path)] * 50}, schema))
    assert str(tmp_path) in str(pq.read_table(path).to_pydict())
