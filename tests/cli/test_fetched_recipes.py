"""Recipes that ship read what ``corpuskit fetch`` brings, where its call in them puts it."""

from __future__ import annotations

import gzip
import http.server
import json
import re
import shlex
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from corpuskit.cli.main import cli

ROOT = Path(__file__).resolve().parents[2]
HEADING = "Text#,Type,Issued,Title,Language,Authors,Subjects,LoCC,Bookshelves\n"


def call(*words: str) -> Any:
    return CliRunner().invoke(cli, list(words), prog_name="corpuskit")


def book(number: int) -> bytes:
    words = ("river", "lane", "lamp", "elm", "house", "letter", "aunt", "carriage")
    told = "\n\n".join(
        f"On day {day} of {number} the {words[day % 8]} of {words[(day + number) % 8]} {day * number}\n"
        f"was seen by {words[(day * number) % 8]} and by nobody."
        for day in range(number % 7, 200)
    )
    head = (
        f"The Project Gutenberg EBook of Number {number}\n\nTitle: Number {number}\n\n[EBook #{number}]\n\n"
    )
    start, end = (f"*** {side} OF THIS PROJECT GUTENBERG EBOOK ***" for side in ("START", "END"))
    return f"{head}{start}\n\n{told}\n\n{end}\n".encode()


@pytest.fixture
def library(tmp_path: Path) -> Iterator[str]:
    """A mirror on loopback of Austen's and Shakespeare's numbers and one more, under names of all kinds."""
    root = tmp_path / "mirror"
    numbers = [100, 105, 121, 141, 158, 161, 946, 1212, 1342, 2000]
    rows = "".join(f'{n},Text,1999-01-01,Number {n},en,"Roe, Bo",,PR,\n' for n in numbers)
    catalogue = root / "cache" / "epub" / "feeds" / "pg_catalog.csv.gz"
    catalogue.parent.mkdir(parents=True)
    catalogue.write_bytes(gzip.compress((HEADING + rows).encode()))
    for number in numbers:
        folder = "/".join(str(number)[:-1])
        name = f"cache/epub/{number}/pg{number}.txt" if number % 2 else f"{folder}/{number}/{number}-0.txt"
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(book(number))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Nothing on standard error."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root)))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(("name", "books"), [("austen", 8), ("shakespeare-char", 1)])
def test_a_recipe_reads_what_its_call_of_fetch_brings(
    name: str, books: int, library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("CORPUSKIT_CORPORA", "http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    project = tmp_path / "project"
    shutil.copytree(ROOT / "pipelines", project / "pipelines")
    monkeypatch.chdir(project)
    text = (project / "pipelines" / f"{name}.yaml").read_text(encoding="utf-8")
    fetching = next(line for line in text.splitlines() if "corpuskit fetch" in line)
    words = shlex.split(re.sub(r"^#\s+corpuskit ", "", fetching).replace("https://MIRROR/PATH", library))
    fetched = call(*words, "--pause", "0", "--json")
    assert fetched.exit_code == 0, fetched.stderr
    built = call("build", f"pipelines/{name}.yaml", "--out", "run", "--workers", "1", "--json")
    assert built.exit_code == 0, built.stderr
    assert json.loads(built.stdout)["documents"] == books
    tables = (project / "run" / "documents").glob("*.parquet")
    ids = sorted(row for path in tables for row in pq.read_table(path).column("id").to_pylist())
    numbers = sorted(re.findall(r"\d+", fetching)) if books > 1 else ["100"]
    assert ids == sorted(f"gutenberg:{number}" for number in numbers)
