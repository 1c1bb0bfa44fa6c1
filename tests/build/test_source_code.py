"""The source of a user's own class counts: the class with what it stands on, and nothing else."""

from __future__ import annotations

import importlib
import linecache
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from corpuskit import Length
from corpuskit.build.build import build_corpus
from corpuskit.build.source_code import fingerprint, source_sha256
from corpuskit.sources.files.files import Files
from corpuskit.stages.stage import Stage

MODULE = '''
"""Stages of one's own."""
import re
from .words import WORDS
from corpuskit.documents.batch import replace_text
from corpuskit.stages.stage import Stage

PATTERN = re.compile("a+")
OTHER = 1

def clean(text):
    return PATTERN.sub("a", text)

def unused(text):
    return text

class Mine(Stage):
    name = "mine"
    def apply(self, batch):  # as it is
        return replace_text(batch, [clean(t) for t in batch.column("text").to_pylist()])

class Other(Stage):
    name = "other"
    def apply(self, batch):
        return batch

if __name__ == "__main__":
    Mine()
'''


@pytest.fixture
def package(tmp_path: Path) -> Iterator[Callable[[str, str], type]]:
    """Writes a package of one's own with a module of stages, imports it anew and gives its class `Mine`."""
    folder = tmp_path / "own_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    sys.path.insert(0, str(tmp_path))

    def load(module: str, words: str = "WORDS = 1\n") -> type:
        (folder / "stages.py").write_text(module)
        (folder / "words.py").write_text(words)
        for name in ("own_package.stages", "own_package.words", "own_package"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        found: type = importlib.import_module("own_package.stages").Mine
        return found

    yield load
    sys.path.remove(str(tmp_path))


@pytest.mark.parametrize(
    ("old", "new", "counts"),
    [
        ("clean(t) for", "clean(t.strip()) for", True),
        ('"a+"', '"b+"', True),
        ('.sub("a"', '.sub("aa"', True),
        ("OTHER = 1", "OTHER = 2", False),
        ("    return text\n", "    return text + text\n", False),
        ('name = "other"', 'name = "another"', False),
        ("# as it is", "# another comment", False),
        ("    Mine()", "    Mine(), 3", False),
    ],
)
def test_what_a_class_stands_on_counts(
    package: Callable[..., type], old: str, new: str, counts: bool
) -> None:
    assert MODULE.count(old) == 1
    before = source_sha256(package(MODULE))
    assert before
    assert source_sha256(package(MODULE)) == before
    assert (source_sha256(package(MODULE.replace(old, new))) != before) is counts


def test_a_module_beside_it_counts_where_it_is_used(package: Callable[..., type]) -> None:
    used = MODULE.replace('PATTERN.sub("a", text)', 'PATTERN.sub("a" * WORDS, text)')
    changed = "WORDS = 2\n"
    assert source_sha256(package(used)) != source_sha256(package(used, changed))
    assert source_sha256(package(MODULE)) == source_sha256(package(MODULE, changed))


def test_what_a_module_beside_it_imports_counts_too(package: Callable[..., type], tmp_path: Path) -> None:
    used = MODULE.replace('PATTERN.sub("a", text)', 'PATTERN.sub("a" * WORDS, text)')
    before = []
    for more in (1, 1, 2):
        (tmp_path / "own_package" / "more.py").write_text(f"MORE = {more}\n")
        sys.modules.pop("own_package.more", None)
        before.append(source_sha256(package(used, "from .more import MORE as WORDS\n")))
    assert before[0] == before[1] != before[2]


def test_a_class_that_is_derived_from_another_of_ones_own(package: Callable[..., type]) -> None:
    def derived(module: str) -> Any:
        return source_sha256(type("Derived", (package(module),), {"__module__": __name__}))

    assert derived(MODULE) is None  # Made by a program: it stands in no source.
    text = MODULE.replace("class Mine(Stage)", "class Base(Stage)") + "class Mine(Base):\n    pass\n"
    assert source_sha256(package(text)) != source_sha256(package(text.replace('"a+"', '"b+"')))


def test_what_is_edited_after_it_was_imported_still_does_what_it_did(package: Callable[..., type]) -> None:
    kind = package(MODULE)
    before = source_sha256(kind)
    Path(sys.modules["own_package.stages"].__file__ or "").write_text(MODULE.replace('"a+"', '"b+"'))
    assert source_sha256(kind) == before


def test_built_in_classes_have_versions() -> None:
    assert source_sha256(Length) == ""
    assert "source" not in fingerprint(Length(), deciding=False)


def _cell(code: str, name: str) -> type:
    """A class of a notebook: its source is known to linecache alone."""
    linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(code, name, "exec"), space)
    kind: type = space["Mine"]
    return kind


CELL = """
from corpuskit.stages.stage import Stage
class Mine(Stage):
    name = "mine"
    def apply(self, batch):
        return batch.slice(0, 1)
"""


def test_the_cell_of_a_notebook_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
    first = source_sha256(_cell(CELL, "<cell-1>"))
    assert first
    assert source_sha256(_cell(CELL, "<cell-2>")) == first
    assert source_sha256(_cell(CELL.replace("slice(0, 1)", "slice(0, 2)"), "<cell-3>")) != first


class Sourceless(Stage):
    """Replaced below by one whose source cannot be had."""

    name: ClassVar[str] = "sourceless"

    def apply(self, batch: Any) -> Any:
        return batch


def test_a_build_says_of_which_stage_the_source_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("A text.")
    made = type("Made", (Sourceless,), {"__module__": __name__, "apply": lambda self, batch: batch})
    result = build_corpus([Files(path=str(tmp_path / "a.txt"), label="a"), made()], tmp_path / "run")
    assert any("sourceless: its source cannot be read" in warning for warning in result.warnings)
    result = build_corpus([Files(path=str(tmp_path / "a.txt"), label="a"), Sourceless()], tmp_path / "run2")
    assert not result.warnings


SCRIPT = """
from corpuskit import Files
from corpuskit.build.build import build_corpus
from corpuskit.documents.batch import replace_text
from corpuskit.stages.stage import Stage

class Shout(Stage):
    name = "shout"
    def apply(self, batch):
        return replace_text(batch, [t.upper() for t in batch.column("text").to_pylist()])

if __name__ == "__main__":
    done = build_corpus([Files(path="in", label="in"), Shout()], "run", workers=1)
    print(done.done, done.skipped)
"""


def test_an_edited_stage_of_a_script_runs_again(
    tmp_path: Path, environment: Callable[..., dict[str, str]]
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("Some text.")

    def run(script: str) -> str:
        (tmp_path / "script.py").write_text(script)
        words = [sys.executable, "script.py"]
        done = subprocess.run(
            words, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    first = run(SCRIPT)
    assert first.endswith(" 0")
    assert run(SCRIPT).startswith("0 ")
    assert run(SCRIPT.replace("print(done.done", "print( done.done")).startswith("0 ")
    assert not run(SCRIPT.replace("upper", "lower")).startswith("0 ")
