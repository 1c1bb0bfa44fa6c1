"""Our extractor and its peers side by side on the same pages: texts, and processor time.

A peer runs in a process of its own, in the peers' environment. Its texts are kept under
``build/benchmarks`` by the hash of the pages and of the script that runs it, because they do not change;
its times are never kept.
"""

from __future__ import annotations

import hashlib
import json
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.harness import OURS, Options, peer_versions
from benchmarks.wiki_pages import Page, as_column, our_extracted, ours_by_language, write_pages

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "benchmarks" / "peers" / "wikitext_tools.py"
KEPT = ROOT / "build" / "benchmarks"
PEERS = ("wikiextractor", "gensim", "wikitextparser", "mwparserfromhell", "hf-recipe", "mwextract")
RUNS = {
    "wikiextractor": 5,
    "gensim": 5,
    "wikitextparser": 3,
    "mwparserfromhell": 2,
    "hf-recipe": 1,
    "mwextract": 0,
}
"""Measured runs of a peer after one to warm up; slow ones run less often, the slowest only once in all."""
_NAMES = {"hf-recipe": "Hugging Face recipe on mwparserfromhell", "gensim": "gensim filter_wiki"}
_FUNCTIONS = {"mwparserfromhell": "strip_code", "wikitextparser": "plain_text", "wikiextractor": "clean_text"}


def _package(peer: str) -> str:
    return "mwparserfromhell" if peer == "hf-recipe" else peer


class Sides:
    """Runs ours and the peers on sets of pages.

    Args:
        options: The benchmark's command line, for the peers' Python.
    """

    def __init__(self, options: Options) -> None:
        there = options.there("wikitext", tuple(dict.fromkeys(map(_package, PEERS))))
        self._python = options.peers.absolute()
        self.peers = [peer for peer in PEERS if _package(peer) in there]
        self._names: dict[str, str] = {}

    def texts(self, pages: Sequence[Page], *, everything: bool = False) -> dict[str, list[str]]:
        """The texts of all sides by the tool's name, ours first; a page that a peer raises on has none."""
        sides = {OURS: ours_by_language(pages, everything=everything)}
        for peer in self.peers:
            lines, _ = self._run(peer, pages, runs=0)
            sides[self.name(peer)] = [json.loads(line)["text"] for line in lines]
        return sides

    def cpu_seconds(self, pages: Sequence[Page], language: str, *, quick: bool) -> dict[str, float]:
        """Median processor seconds of one pass over the pages; ours is measured before and after each
        peer.
        """
        column = as_column(pages)
        ours: list[float] = []

        def measure_ours() -> None:
            for _ in range(3):
                start = time.process_time()
                our_extracted(column, language)
                ours.append(time.process_time() - start)

        our_extracted(column, language)
        measure_ours()
        seconds = {}
        for peer in self.peers[:4] if quick else self.peers:
            _, measured = self._run(peer, pages, runs=1 if quick else RUNS[peer], timed=True)
            seconds[self.name(peer)] = statistics.median(measured)
            measure_ours()
        return {OURS: statistics.median(ours), **seconds}

    def name(self, peer: str) -> str:
        """The peer's name with its version and function, as rows give it."""
        if peer not in self._names:
            (version,) = peer_versions(self._python, [_package(peer)])
            self._names[peer] = f"{_NAMES.get(peer, peer)} {version} {_FUNCTIONS.get(peer, '')}".strip()
        return self._names[peer]

    def _run(
        self, peer: str, pages: Sequence[Page], *, runs: int, timed: bool = False
    ) -> tuple[list[str], list[float]]:
        """Lines of the texts of a peer, and, if asked for, the processor seconds of its runs."""
        key = hashlib.sha256(SCRIPT.read_bytes() + self.name(peer).encode())
        for page in pages:
            key.update(json.dumps(asdict(page)).encode())
        KEPT.mkdir(parents=True, exist_ok=True)
        base = KEPT / f"{peer}-{key.hexdigest()[:16]}"
        texts, given, report = (base.with_suffix(end) for end in (".texts", ".pages", ".report"))
        seconds: list[float] = []
        if timed or not texts.exists():
            write_pages(pages, given)
            made = base.with_suffix(".made")
            command = [
                str(self._python),
                "-m",
                "benchmarks.peers.wikitext_tools",
                peer,
                str(given),
                str(made),
            ]
            subprocess.run([*command, str(report), "--runs", str(runs)], check=True, cwd=ROOT)
            told = json.loads(report.read_text())
            seconds = told["cpu_s"] or [told["first_cpu_s"]]
            made.replace(texts)
            given.unlink()
        return texts.read_text(encoding="utf-8").splitlines(), seconds
