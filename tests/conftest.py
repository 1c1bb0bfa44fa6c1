"""Small inputs, builds and child processes that the tests of the core share."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from corpuskit.build.build import build_corpus

# As many workers as cores test at once: threads that wait for cores which another worker has make both slow.
# It is read when torch is loaded, so it must stand here.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "sample_corpora"

_SYLLABLES = [
    "ba",
    "be",
    "bo",
    "da",
    "di",
    "du",
    "fa",
    "fe",
    "ka",
    "ko",
    "ku",
    "la",
    "le",
    "lo",
    "ma",
    "mi",
    "mo",
    "na",
    "ne",
    "no",
    "ra",
    "ri",
    "ro",
    "sa",
    "se",
    "so",
    "ta",
    "ti",
    "to",
    "va",
]


class Prose:
    """A seeded source of invented prose: words repeat as in a language, texts do not."""

    def __init__(self, seed: int, vocabulary: int = 1500) -> None:
        self.random = random.Random(seed)
        self.words = [
            "".join(self.random.choices(_SYLLABLES, k=self.random.randint(1, 4))) for _ in range(vocabulary)
        ]

    def sentence(self, words: int = 12) -> str:
        picked = [
            self.words[min(int(self.random.paretovariate(0.7)) - 1, len(self.words) - 1)]
            for _ in range(words)
        ]
        return " ".join(picked).capitalize() + "."

    def text(self, words: int) -> str:
        lines = [self.sentence() for _ in range(max(1, words // 12))]
        return "\n".join(" ".join(lines[i : i + 3]) for i in range(0, len(lines), 3)) + "\n"


def write_jsonl(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Write JSON Lines, gzipped when the name ends so (without a time stamp: the bytes must repeat)."""
    data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def write_corpus(folder: Path, *, documents: int = 36, seed: int = 1) -> Path:
    """Three sources with what a build must handle: duplicates, near duplicates, one id twice, odd texts."""
    prose = Prose(seed)
    letters = [{"id": f"l{i}", "title": f"Letter {i}", "text": prose.text(90)} for i in range(documents)]
    letters.append({"id": "copy", "text": letters[3]["text"]})
    near = str(letters[5]["text"]).replace(str(letters[5]["text"]).split()[4], "zzz", 1)
    letters.append({"id": "near", "text": near + "And more.\n"})
    letters.append({"id": "l7", "title": "Another title", "text": prose.text(60)})
    letters.append({"id": "empty", "text": ""})
    letters.append(
        {"id": "typed", "text": "Typed <|endoftext|> and <|pad|><|user|> in a page.\n" + prose.text(40)}
    )
    letters.append({"id": "wide", "text": "Größe 東京都 🦉🦉 ﬁne naïve\u0301 ไทย\n" * 6 + prose.text(30)})
    write_jsonl(folder / "letters" / "letters.jsonl", letters)
    reports = [
        {"id": i, "text": f"[note {i}] {prose.text(50)}[seen, größer]\n"} for i in range(documents // 2)
    ]
    write_jsonl(folder / "reports" / "r.jsonl.gz", reports)
    (folder / "books").mkdir()
    for name in ("one", "two", "three"):
        (folder / "books" / f"{name}.txt").write_text(prose.text(600), encoding="utf-8")
    return folder


RECIPE = """\
sources:
  - files: {path: letters, label: letters}
  - files: {path: reports, label: reports, licence: CC0}
  - files: {path: books, label: books, language: xx}
stages:
  - exact_duplicates
  - near_duplicates: {threshold: 0.7}
tokenizer: {vocab_size: 450}
shards: {shard_tokens: 4000, split: {validation: 0.05, test: 0.05}}
"""


@pytest.fixture(scope="session")
def prose() -> Callable[..., Prose]:
    """`Prose` by seed."""
    return Prose


@pytest.fixture(scope="session")
def make_corpus() -> Callable[..., Path]:
    """`write_corpus`."""
    return write_corpus


@pytest.fixture(scope="session")
def jsonl() -> Callable[..., None]:
    """`write_jsonl`."""
    return write_jsonl


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small corpus in ``corpus/`` and a finished run in ``run/``. Not to be written into."""
    from corpuskit.build.recipe.recipe import load

    folder = tmp_path_factory.mktemp("built")
    write_corpus(folder / "corpus")
    (folder / "corpus" / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    build_corpus(load(folder / "corpus" / "recipe.yaml").pipeline, folder / "run")
    return folder


@pytest.fixture
def corpus(built: Path, tmp_path: Path) -> Path:
    """The folder of a small corpus with ``recipe.yaml`` in it, for one test alone."""
    return Path(shutil.copytree(built / "corpus", tmp_path / "corpus"))


@pytest.fixture
def finished(built: Path, tmp_path: Path) -> Path:
    """A finished run of `corpus`, for one test alone."""
    return Path(shutil.copytree(built / "run", tmp_path / "run"))


def hash_outputs(run: Path) -> dict[str, str]:
    """sha256 of every output of a run: all files outside ``logs/`` and ``report/``."""
    files = (p for p in sorted(run.rglob("*")) if p.is_file())
    named = {p.relative_to(run).as_posix(): p for p in files}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in named.items()
        if name.split("/")[0] not in ("logs", "report")
    }


@pytest.fixture(scope="session")
def outputs() -> Callable[[Path], dict[str, str]]:
    """`hash_outputs`."""
    return hash_outputs


def child_environment(*, path: Iterable[Path] = (), **extra: str) -> dict[str, str]:
    """The environment of a child process that imports this checkout."""
    places = [*map(str, path), str(ROOT)]
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(places), **extra}


@pytest.fixture(scope="session")
def environment() -> Callable[..., dict[str, str]]:
    """`child_environment`."""
    return child_environment


@pytest.fixture(scope="session")
def command() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run ``corpuskit`` in a child process: ``command("build", recipe, "--out", run)``."""

    def run(
        *words: object, path: Iterable[Path] = (), cwd: Path | None = None, **extra: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "corpuskit", *map(str, words)],
            env=child_environment(path=path, **extra),
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=240,
        )

    return run


PLUGIN = '''
"""Stages of somebody else's package."""

import os, signal, time
from collections.abc import Mapping
from typing import ClassVar

import pyarrow as pa

from corpuskit.documents.batch import replace_text
from corpuskit import Decides, Location
from corpuskit.stages.stage import Cut, Effect, Rule, Stage


class Brackets(Stage):
    """Cuts what stands in square brackets."""

    name = "brackets"

    def apply(self, batch):
        cuts = []
        for row, text in enumerate(batch.column("text").to_pylist()):
            raw = text.encode()
            start = raw.find(b"[")
            while start >= 0 and (end := raw.find(b"]", start)) >= 0:
                cuts.append(Cut(row, start, end + 1, "brackets"))
                start = raw.find(b"[", end)
        return Effect(batch, cuts=cuts)


class Words(Rule):
    """Counts words; drops short documents."""

    name = "words"
    columns: ClassVar[Mapping[str, pa.DataType]] = {"words": pa.int32()}

    least: Decides[int] = 5

    def apply(self, batch):
        counts = [len(t.split()) for t in batch.column("text").to_pylist()]
        return batch.append_column(pa.field("words", pa.int32()), pa.array(counts, pa.int32()))

    def decide(self, scores):
        counts = scores.column("words").to_pylist()
        return {i: "too_few_words" for i, n in enumerate(counts) if n < self.least}


class Fragile(Stage):
    """Raises on some documents, kills its process on others, or dawdles."""

    name = "fragile"

    seconds: float = 0.0
    once: Location[str] = ""

    def apply(self, batch):
        time.sleep(self.seconds)
        texts = batch.column("text").to_pylist()
        if any("EXPLODE" in t for t in texts):
            raise ValueError("cannot stand this text")
        if any("CRASH" in t for t in texts) and not (self.once and os.path.exists(self.once)):
            if self.once:
                open(self.once, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return replace_text(batch, [t.upper() for t in texts])
'''


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of an installed package that registers its own stages; it is on this process's path."""
    from corpuskit.stages import registry

    folder = tmp_path_factory.mktemp("plugin")
    (folder / "somebodys.py").write_text(PLUGIN, encoding="utf-8")
    info = folder / "somebodys-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: somebodys\nVersion: 1.0\n", encoding="utf-8")
    points = """\
        [corpuskit.stages]
        brackets = somebodys:Brackets
        words = somebodys:Words
        fragile = somebodys:Fragile
        """
    (info / "entry_points.txt").write_text(textwrap.dedent(points), encoding="utf-8")
    sys.path.append(str(folder))
    registry._places.cache_clear()
    yield folder
    sys.path.remove(str(folder))
    registry._places.cache_clear()
    registry.find.cache_clear()


@pytest.fixture(scope="session")
def sample_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run over the sample corpora: books, notes and an encyclopedia. Not to be written into."""
    from corpuskit.build.recipe.recipe import load

    folder = tmp_path_factory.mktemp("sample")
    recipe = folder / "recipe.yaml"
    recipe.write_text(
        f"""\
sources:
  - files: {{path: {SAMPLES}/notes, label: notes}}
  - gutenberg: {{path: {SAMPLES}/books}}
  - wikipedia: {{path: {SAMPLES}/encyclopedia.xml}}
stages:
  - exact_duplicates
  - near_duplicates
tokenizer: {{vocab_size: 600}}
shards: {{shard_tokens: 30000, split: {{validation: 0.1}}}}
""",
        encoding="utf-8",
    )
    build_corpus(load(recipe).pipeline, folder / "run")
    return folder / "run"


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The real corpora; tests that read them are skipped where CORPUSKIT_CORPORA names none."""
    folder = os.environ.get("CORPUSKIT_CORPORA")
    if not folder:
        pytest.skip("CORPUSKIT_CORPORA does not name the real corpora")
    return Path(folder)
