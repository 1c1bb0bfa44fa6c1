"""``corpuskit fetch`` as a user calls it, against a mirror on loopback, and a build on what it brought."""

from __future__ import annotations

import bz2
import functools
import hashlib
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from corpuskit.cli.main import cli
from corpuskit.sources.folders import still_to_come

ROOT = Path(__file__).resolve().parents[2]
DATE = "20261101"
Call = Callable[..., Result]


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, without ranges; slow where a test says so."""

    protocol_version = "HTTP/1.1"
    slow: Path

    def copyfile(self, source: Any, outputfile: Any) -> None:
        while block := source.read(4096):
            outputfile.write(block)
            if self.slow.exists():
                time.sleep(0.05)

    def log_message(self, format: str, *args: Any) -> None:
        """The tests do not want it."""


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was interrupted breaks its connection."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Address and folder of a mirror."""
    folder = tmp_path / "site"
    folder.mkdir()
    Quiet.slow = tmp_path / "slow"
    server = Server(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    server.server_close()


def publish(folder: Path, wiki: str, dump: bytes, index: bytes) -> None:
    """Lay a dump out as dumps.wikimedia.org does."""
    place = folder / wiki / DATE
    place.mkdir(parents=True)
    base = f"{wiki}-{DATE}-pages-articles-multistream"
    files = {f"{base}.xml.bz2": dump, f"{base}-index.txt.bz2": index}
    listed = {}
    for name, data in files.items():
        (place / name).write_bytes(data)
        sha1 = hashlib.sha1(data, usedforsecurity=False).hexdigest()
        listed[name] = {"size": len(data), "url": f"/{wiki}/{DATE}/{name}", "sha1": sha1}
    job = {"status": "done", "updated": "2026-11-02 03:04:05", "files": listed}
    status = {"jobs": {"articlesmultistreamdump": job}, "version": "0.8"}
    (place / "dumpstatus.json").write_text(json.dumps(status))


@pytest.fixture
def samplewiki(site: tuple[str, Path]) -> str:
    """The address of a mirror that has the sample encyclopedia as a dump."""
    pages = (ROOT / "sample_corpora" / "encyclopedia.xml").read_bytes()
    publish(site[1], "samplewiki", bz2.compress(pages), bz2.compress(b"0:1:Main Page\n"))
    return site[0]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Call a command in this process, in an empty folder and without any proxy."""
    monkeypatch.chdir(tmp_path)
    for name in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return lambda *words: CliRunner().invoke(cli, [str(word) for word in words], prog_name="corpuskit")


def told(done: Result) -> dict[str, Any]:
    """The one JSON object on standard output."""
    value = json.loads(done.stdout)
    assert isinstance(value, dict)
    return value


def test_from_the_mirror_to_documents(call: Call, samplewiki: str, tmp_path: Path) -> None:
    """Dry run, fetch, fetch again, verify, build, damage, verify, fetch, verify."""
    words = ["fetch", "wikipedia", "--wiki", "samplewiki", "--mirror", samplewiki]
    planned = call(*words, "--dry-run")
    assert planned.exit_code == 0, planned.stderr
    folder = f"dumps/samplewiki-{DATE}"
    name = f"samplewiki-{DATE}-pages-articles-multistream.xml.bz2"
    for said in (name, "sha1 ", "kB", "CC BY-SA 4.0 and GFDL", folder):
        assert said in planned.stdout
    assert not (tmp_path / "dumps").exists()

    first = call(*words, "--json")
    assert first.exit_code == 0, first.stderr
    assert told(first)["folder"] == folder
    assert sorted(told(first)["fetched"]) == sorted(f["name"] for f in told(first)["files"])
    second = call(*words, "--json", "--quiet")
    assert (told(second)["fetched"], len(told(second)["there"]), second.stderr) == ([], 2, "")
    sound = call("fetch", "verify", folder, "--json")
    assert (sound.exit_code, told(sound)["sound"], told(sound)["files"]) == (0, True, 2)

    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"sources:\n  - wikipedia: {{path: {folder}}}\n")
    built = call("build", recipe, "--out", "run", "--workers", "1", "--json")
    assert built.exit_code == 0, built.stderr
    assert told(built)["warnings"] == []
    rows = [
        r for p in (tmp_path / "run" / "documents").glob("*.parquet") for r in pq.read_table(p).to_pylist()
    ]
    assert len(rows) == told(built)["documents"] > 20

    (tmp_path / folder / name).write_bytes(b"BZh9 cut short")
    broken = call("fetch", "verify", folder)
    assert broken.exit_code == 1
    assert f"{name}: has 14 bytes" in broken.stdout
    assert call(*words).exit_code == 0
    assert call("fetch", "verify", folder).exit_code == 0


def test_mirrors_in_turn(call: Call, samplewiki: str, tmp_path: Path) -> None:
    words = ["fetch", "wikipedia", "--wiki", "samplewiki", "--mirror", f"{samplewiki}/none"]
    done = call(*words, "--mirror", samplewiki, "--json")
    assert done.exit_code == 0, done.stderr
    assert f"samplewiki: {samplewiki}/none has no dumps of it; {samplewiki} is asked" in done.stderr
    assert (told(done)["mirror"], told(done)["other_mirrors"]) == (samplewiki, [f"{samplewiki}/none"])
    planned = call(*words, "--mirror", samplewiki, "--dry-run")
    assert f"from {samplewiki}, else {samplewiki}/none to dumps/" in planned.stdout
    failed = call(*words, "--mirror", f"{samplewiki}/neither", "--json")
    assert failed.exit_code == 1
    for said in ("none of 2 mirrors gives it", f"{samplewiki}/none has", f"{samplewiki}/neither has"):
        assert said in told(failed)["message"]
    wrong = call(*words, "--mirror", "ftp://x")
    assert (wrong.exit_code, "--mirror 'ftp://x'" in wrong.stderr) == (2, True)


@pytest.mark.corpora
def test_a_real_multistream_dump_from_the_mirror_to_documents(
    call: Call, site: tuple[str, Path], tmp_path: Path
) -> None:
    """251 pages of the English Wikipedia, packed as dumps.wikimedia.org packs them."""
    if "CORPUSKIT_CORPORA" not in os.environ:
        pytest.skip("CORPUSKIT_CORPORA is not set")
    derived = Path(os.environ["CORPUSKIT_CORPORA"]) / "derived" / "enwiki-derived-pages-articles-multistream"
    dump, index = (Path(f"{derived}{suffix}").read_bytes() for suffix in (".xml.bz2", "-index.txt.bz2"))
    publish(site[1], "enwiki", dump, index)
    words = ["fetch", "wikipedia", "--wiki", "enwiki", "--mirror", site[0], "--out", "dump", "--quiet"]
    assert call(*words).exit_code == 0
    (tmp_path / "recipe.yaml").write_text("sources:\n  - wikipedia: {path: dump}\n")
    built = call("build", "recipe.yaml", "--out", "run", "--workers", "1", "--json")
    assert built.exit_code == 0, built.stderr
    (entry,) = (e for e in told(built)["ledger"] if e["stage"] == "wikipedia")
    assert entry["documents"]["in"] == 251


def test_errors_have_a_remedy_and_a_code(call: Call, samplewiki: str, tmp_path: Path) -> None:
    words = ["fetch", "wikipedia", "--mirror", samplewiki]
    for more, code, said in (
        (["--wiki", "nowiki"], 1, "has no dumps of it"),
        (["--wiki", "x.org"], 2, "not the name of a wiki"),
        (["--wiki", "samplewiki", "--date", "yesterday"], 2, "not a date"),
        (["--wiki", "samplewiki", "--date", "20200101"], 1, "404"),
        (
            ["--wiki", "samplewiki", "--kind", "articles"],
            1,
            "has no articles; done there: articles-multistream",
        ),
        (["--wiki", "samplewiki", "--contact", "me"], 2, "neither an e-mail address nor a web address"),
    ):
        done = call(*words, *more, "--json")
        assert done.exit_code == code, done.stderr
        assert said in told(done)["message"] + told(done)["remedy"]
        assert told(done)["remedy"]
    assert not (tmp_path / "dumps").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda n: n.name)
def test_an_interruption_keeps_what_has_come(
    number: signal.Signals,
    site: tuple[str, Path],
    environment: Callable[..., dict[str, str]],
    call: Call,
    tmp_path: Path,
) -> None:
    data = os.urandom(400_000)
    publish(site[1], "slowwiki", data, b"BZh9")
    Quiet.slow.touch()
    words = ["fetch", "wikipedia", "--wiki", "slowwiki", "--mirror", site[0], "--out", "dump"]
    child = subprocess.Popen(
        [sys.executable, "-m", "corpuskit", *words],
        env=environment(),
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs ignore Ctrl-C, and so would their children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    state = tmp_path / "dump" / f".slowwiki-{DATE}-pages-articles-multistream.xml.bz2.part.json"
    for _ in range(2000):
        if state.exists() or child.poll() is not None:
            break
        time.sleep(0.01)
    second = call(*words, "--json")
    assert second.exit_code == 1
    assert f"another fetch is writing here (process {child.pid} on " in told(second)["message"]
    child.send_signal(number)
    _, said = child.communicate(timeout=60)
    assert child.returncode == 130, said
    assert "call the same command again" in said
    assert state.exists()
    unfinished = call("fetch", "verify", "dump")
    assert unfinished.exit_code == 1
    assert f"slowwiki-{DATE}-pages-articles-multistream.xml.bz2: is not fetched yet" in unfinished.stdout
    assert not list((tmp_path / "dump").glob("*.xml.bz2"))
    (sentence,) = still_to_come("wikipedia", "dump")
    assert f"not fetched yet: slowwiki-{DATE}" in sentence
    assert "multistream.xml.bz2" in sentence
    Quiet.slow.unlink()
    assert call(*words).exit_code == 0
    (name,) = (tmp_path / "dump").glob("*.xml.bz2")
    assert name.read_bytes() == data
    assert not list((tmp_path / "dump").glob(".*part*"))
    assert still_to_come("wikipedia", "dump") == []


# --------------------------------------------------------------------------------------- gutenberg


@pytest.fixture
def library(site: tuple[str, Path]) -> str:
    """The address of a mirror that has the sample books, by the numbers in their headers."""
    feeds = site[1] / "cache" / "epub" / "feeds"
    feeds.mkdir(parents=True)
    rows = ["Text#,Type,Issued,Title,Language,Authors,Subjects,LoCC,Bookshelves"]
    for number, path in enumerate(sorted((ROOT / "sample_corpora" / "books").rglob("*.txt"))[:4], 101):
        place = site[1] / "1" / "0" / str(number)
        place.mkdir(parents=True)
        (place / f"{number}-0.txt").write_bytes(path.read_bytes())
        rows.append(f'{number},Text,2001-01-01,"Book, {number}",en,,,,')
    rows.append("105,Text,2001-01-01,Missing,en,,,,")
    (feeds / "pg_catalog.csv").write_text("\n".join(rows) + "\n")
    return site[0]


def test_books_from_the_mirror_to_documents(call: Call, library: str, tmp_path: Path) -> None:
    words = ["fetch", "gutenberg", "--languages", "en", "--mirror", library, "--pause", "0"]
    planned = call(*words, "--dry-run")
    assert planned.exit_code == 0, planned.stderr
    assert "Book, 101" in planned.stdout
    assert "5 books" in planned.stdout
    assert "Public domain in the USA" in planned.stdout
    first = call(*words, "--json")
    assert first.exit_code == 0, first.stderr
    assert told(first)["catalog"] == "gutenberg/cache/epub/feeds/pg_catalog.csv"
    assert (told(first)["fetched"], told(first)["not_found"]) == ([101, 102, 103, 104], [105])
    second = told(call(*words, "--json"))
    assert (second["fetched"], second["there"]) == ([], [101, 102, 103, 104])
    (tmp_path / "gutenberg/1/0/101/101-0.txt").unlink()
    turn = call(*words[:4], "--mirror", f"{library}/none", *words[4:], "--json")
    assert (turn.exit_code, told(turn)["fetched"]) == (0, [101])
    assert told(turn)["other_mirrors"] == [library]
    assert call("fetch", "verify", "gutenberg").exit_code == 0
    (tmp_path / "recipe.yaml").write_text(
        "sources:\n  - gutenberg: {path: gutenberg, catalog: gutenberg/cache/epub/feeds/pg_catalog.csv}\n"
    )
    built = call("build", "recipe.yaml", "--out", "run", "--workers", "1", "--json")
    assert built.exit_code == 0, built.stderr
    (entry,) = (e for e in told(built)["ledger"] if e["stage"] == "gutenberg")
    assert entry["documents"]["in"] == 4


def test_the_main_site_and_no_mirror(call: Call, tmp_path: Path) -> None:
    for more, code, said in (
        ([], 2, "no --mirror"),
        (["--mirror", "https://www.gutenberg.org"], 2, "www.gutenberg.org is not asked"),
    ):
        done = call("fetch", "gutenberg", "--languages", "en", *more, "--json")
        assert done.exit_code == code
        assert said in told(done)["message"]
        assert "MIRRORS.ALL" in told(done)["remedy"]
    nothing = call("fetch", "gutenberg", "--mirror", "https://mirror.example")
    assert nothing.exit_code == 2
    assert "--languages" in nothing.stderr
