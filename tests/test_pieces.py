"""Every piece can be used alone: the functions at the door of the package, each called twice, and once more
after every module has been imported, since a module of a function's name would take its place."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import corpuskit

SCRIPT = """
import importlib, json, sys, tempfile
from pathlib import Path
import numpy as np
import corpuskit

run, folder = Path(sys.argv[1]), Path(sys.argv[2])
BOOK = Path(sys.argv[3]).read_bytes()
VERSE = "the sea is calm tonight the tide is full the moon lies fair upon the straits"
number = 0


def build_corpus():
    steps = [corpuskit.Files(path=str(folder / "notes"), label="notes"), corpuskit.ExactDuplicates()]
    return corpuskit.build_corpus(steps, out=folder / "run").documents


def batches():
    found = corpuskit.open_shards(run).batches(rows=4, context=32, seed=1)
    first = next(iter(found))
    return [first.inputs.shape, int(first.inputs.sum())]


def tokenizer():
    trained = corpuskit.Tokenizer.train([VERSE] * 3, vocab_size=400)
    trained.save(folder / "tokenizer.json")
    loaded = corpuskit.Tokenizer.load(folder / "tokenizer.json")
    return loaded.decode(loaded.encode(VERSE)) == VERSE


def train_model():
    global number
    number += 1
    from corpuskit.train import TrainSettings
    out = folder / f"model-{number}"
    chosen = TrainSettings.checked({"size": "nano", "steps": 2, "compile": "off"})
    corpuskit.train_model(run, out=out, settings=chosen)
    [written] = corpuskit.load_model(out).generate("The river", 4, seed=1)
    return len(written.ids)


PIECES = {
    "extract_wikitext": lambda: corpuskit.extract_wikitext("'''Ulm''' lies on the [[Danube]].").text,
    "clean_book": lambda: [len(corpuskit.clean_book(BOOK).text), corpuskit.clean_book(BOOK).header.number],
    "fix_unicode": lambda: corpuskit.fix_unicode(["sch\\u00c3\\u00b6n", "a\\ufb01ne"]),
    "near_duplicates": lambda: len(corpuskit.near_duplicates([VERSE, VERSE + " .", "Another."])),
    "Tokenizer": tokenizer,
    "open_shards": batches,
    "build_corpus": build_corpus,
    "train_model": train_model,
}

first = {name: piece() for name, piece in PIECES.items()}
second = {name: piece() for name, piece in PIECES.items()}
package = Path(corpuskit.__file__).parent
for path in sorted(package.rglob("*.py")):
    name = ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")
    if path.name != "__main__.py":
        importlib.import_module(name)
third = {name: piece() for name, piece in PIECES.items()}
public = [name for name in corpuskit.__all__ if type(getattr(corpuskit, name)).__name__ == "module"]
print(json.dumps([first, second, third, public]))
"""


def test_each_piece_twice_and_after_all_modules_are_imported(
    sample_run: Path, tmp_path: Path, environment: Callable[..., dict[str, str]]
) -> None:
    (tmp_path / "notes").mkdir()
    for name in ("one", "two"):
        (tmp_path / "notes" / f"{name}.txt").write_text(f"A note, and its name is {name}.\n")
    book = Path(__file__).parents[1] / "sample_corpora" / "books" / "90001" / "90001-0.txt"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(sample_run), str(tmp_path), str(book)],
        env=environment(OMP_NUM_THREADS="1"),
        capture_output=True,
        text=True,
        timeout=280,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    first, second, third, modules = json.loads(done.stdout.splitlines()[-1])
    assert first == second == third
    assert modules == [], "a name of the package is a module: it has lost its function"
    assert first["extract_wikitext"] == "Ulm lies on the Danube."
    assert first["clean_book"][1] == 90001
    assert first["fix_unicode"] == ["schön", "afine"]
    assert first["near_duplicates"] == 1
    assert first["Tokenizer"] is True
    assert first["open_shards"][0] == [4, 32]
    assert first["build_corpus"] == 2
    assert first["train_model"] <= 4


def test_no_piece_bears_the_name_of_a_room() -> None:
    rooms = {path.stem for path in Path(corpuskit.__file__).parent.iterdir()}
    assert not rooms & set(corpuskit.__all__)
