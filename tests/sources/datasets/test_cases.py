"""Data sets of the library `datasets` that lie on this machine, after what users of it ran into."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpuskit import Datasets, Run, TrainTokenizer, WriteShards, build_corpus, load_recipe
from corpuskit.errors import CorpuskitError, EmptyError, InputError, SettingError
from corpuskit.storage.datasets.find import chosen_splits
from corpuskit.train.data.tables.columns import find_columns
from corpuskit.train.data.tables.labels import LabelCounter
from corpuskit.train.data.tables.row import Account
from corpuskit.train.data.tables.table import open_table
from corpuskit.train.data.tables.usual import LABEL, TEXT
from corpuskit.train.tune.classify import labelled_rows

Outputs = Callable[[Path], dict[str, str]]


def documents(folder: Path) -> list[dict[str, Any]]:
    """The documents of a run, part by part."""
    paths = sorted((folder / "documents").rglob("*.parquet"))
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


def built(folder: Path, **settings: Any) -> list[dict[str, Any]]:
    """The documents of a data set, built into a folder beside it."""
    out = folder.parent / f"{folder.name}-run"
    shutil.rmtree(out, ignore_errors=True)
    build_corpus([Datasets(path=str(folder), **settings)], out)
    return documents(out)


def refused(folder: Path, **settings: Any) -> CorpuskitError:
    """The error of a data set that is refused; nothing may be written."""
    out = folder.parent / "refused"
    with pytest.raises(CorpuskitError) as caught:
        build_corpus([Datasets(path=str(folder), **settings)], out)
    assert not out.exists()
    return caught.value


def write(path: Path, *rows: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_arrow(path: Path, table: pa.Table) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table)


def quarantined(run: Path) -> list[tuple[str, str]]:
    paths = sorted((run / "quarantine").rglob("*.parquet"))
    return [(row["id"], row["kind"]) for path in paths for row in pq.read_table(path).to_pylist()]


# ------------------------------------------------------------------------------------------------ ds_order
@pytest.fixture
def ordered(tmp_path: Path) -> Path:
    for part in (1, 2, 10):
        rows = [{"id": f"{part}-{row}", "text": f"row {row} of part {part}"} for row in range(2)]
        write(tmp_path / "data" / f"part-{part}.jsonl", *rows)
    return tmp_path / "data"


def test_ds_order(ordered: Path, tmp_path: Path, outputs: Outputs) -> None:
    """The library's order, streamed or not, on one worker and on two, and in fine-tuning."""
    runs = []
    for streaming, workers in ((True, 1), (False, 2)):
        out = tmp_path / f"run-{workers}"
        source = Datasets(path=str(ordered), streaming=streaming)
        build_corpus([source, TrainTokenizer(vocab_size=400), WriteShards()], out, workers=workers)
        runs.append(outputs(out))
    assert runs[0] == runs[1]
    order = ["1-0", "1-1", "10-0", "10-1", "2-0", "2-1"]
    rows = documents(tmp_path / "run-1")
    assert [row["id"] for row in rows] == [f"datasets:local:{each}" for each in order]
    assert [json.loads(row["origin"])["row"] for row in rows] == list(range(6))
    record = json.loads((tmp_path / "run-1/manifest/candidates/datasets-train-00000.json").read_text())
    files = [name for name, _ in record["made_from"]["part"]["files"]]
    assert files == ["part-1.jsonl", "part-10.jsonl", "part-2.jsonl"]
    assert record["outputs"][0]["rows"] == 6
    table = open_table(f"{{path: {ordered}, split: train}}")
    assert [row.values["id"] for row in table.rows()] == order


def test_parts_are_cut_by_bytes_and_rows_are_counted_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("corpuskit.sources.datasets.source.PART_BYTES", 100)
    for kind in ("jsonl", "csv", "parquet"):
        folder = tmp_path / kind
        for file in range(3):
            rows = [{"text": f"text {file} {row} " + "of some length " * 3} for row in range(2)]
            if kind == "jsonl":
                write(folder / f"{file}.jsonl", *rows)
            elif kind == "csv":
                folder.mkdir(exist_ok=True)
                (folder / f"{file}.csv").write_text("text\n" + "".join(f"{r['text']}\n" for r in rows))
            else:
                folder.mkdir(exist_ok=True)
                pq.write_table(pa.Table.from_pylist(rows), folder / f"{file}.parquet")
        source = Datasets(path=str(folder))
        assert [part.name for part in source.parts()] == [f"train-0000{n}" for n in range(3)]
        assert [row["id"] for row in built(folder)] == [f"datasets:local:train#{n}" for n in range(6)]


# ----------------------------------------------------------------------------------------------- ds_splits
@pytest.fixture
def split(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "train.csv").write_text("id,body\n1,harbour at dawn\n2,a slow ferry\n3,three gulls\n")
    (folder / "test.csv").write_text("id,body\n4,rope and tar\n5,low tide\n")
    return folder


def test_ds_splits(split: Path) -> None:
    error = refused(split, split="validation")
    assert "no split 'validation'; there are: train, test" in error.message
    assert "Its columns: id, body." in error.remedy
    error = refused(split, split="train", id="id")
    assert "train.csv: no column 'text'" in error.message
    assert "There are: id, body. Set text to one of these" in error.remedy
    rows = built(split, split="train", text="body", id="id")
    assert [row["id"] for row in rows] == [f"datasets:local:{n}" for n in (1, 2, 3)]
    error = refused(split, text="body")
    assert "no split is named, and there are 2: train, test" in error.message
    assert "split: all" in error.remedy
    rows = built(split, split="all", text="body")
    assert sorted((row["id"][-1], json.loads(row["origin"])["split"]) for row in rows) == [
        ("1", "train"),
        ("2", "train"),
        ("3", "train"),
        ("4", "test"),
        ("5", "test"),
    ]


def test_an_id_that_is_no_column_is_refused_and_a_split_is_whole(split: Path) -> None:
    error = refused(split, split="train", text="body", id="key")
    assert "no column 'key' for the id" in error.message
    assert "There are: id, body" in error.remedy
    with pytest.raises(SettingError, match=r"no split 'train\[:2\]'.*(?s:.*)A piece of a split"):
        chosen_splits("x", ["train", "test"], "train[:2]")


def test_the_resolved_recipe_is_a_recipe_and_says_no_place(split: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    build_corpus([Datasets(path=str(split), split="test", text="body", id="")], out)
    assert [row["id"] for row in documents(out)] == ["datasets:local:test#0", "datasets:local:test#1"]
    again = load_recipe(out / "logs/recipe.yaml")
    assert build_corpus(again, out).done == 0
    written = [path for path in out.rglob("*") if path.is_file() and path.parts[len(out.parts)] != "logs"]
    assert written
    assert not [path for path in written if str(tmp_path).encode() in path.read_bytes()]
    write(tmp_path / "plain/a.jsonl", {"text": "no id"})
    build_corpus([Datasets(path=str(tmp_path / "plain"))], tmp_path / "other")
    assert build_corpus(load_recipe(tmp_path / "other/logs/recipe.yaml"), tmp_path / "other").done == 0


def test_one_id_in_two_splits_loses_nothing(tmp_path: Path) -> None:
    write(tmp_path / "data/train.jsonl", {"id": "a", "text": "one"}, {"id": "b", "text": "same"})
    write(tmp_path / "data/test.jsonl", {"id": "a", "text": "two"}, {"id": "b", "text": "same"})
    rows = built(tmp_path / "data", split="train+test")
    assert [(row["id"], row["text"]) for row in sorted(rows, key=lambda row: row["text"])] == [
        ("datasets:local:a#train#0", "one"),
        ("datasets:local:b", "same"),
        ("datasets:local:a#test#0", "two"),
    ]


def test_a_damaged_table_costs_its_own_rows_and_no_id_of_the_next(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in "ab":
        table = pa.table({"text": [f"{name} {n} {'of some words ' * 40}" for n in range(400)]})
        path = tmp_path / "data" / f"{name}.arrow"
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
            for batch in table.to_batches(max_chunksize=100):
                stream.write_batch(batch)
    data = (tmp_path / "data/a.arrow").read_bytes()
    (tmp_path / "data/a.arrow").write_bytes(data[: len(data) * 6 // 10])
    rows = built(tmp_path / "data")
    assert len({row["id"] for row in rows}) == len(rows) == 600
    assert [row["text"][:3] for row in rows[:2]] == ["a 0", "a 1"]
    assert [(kind, place) for place, kind in quarantined(tmp_path / "data-run")] == [("corrupt", "train#200")]


def test_a_configuration_is_named(tmp_path: Path) -> None:
    card = {"configs": [{"config_name": name, "data_files": f"{name}.jsonl"} for name in ("en", "de")]}
    folder = tmp_path / "data"
    write(folder / "en.jsonl", {"text": "rain"})
    write(folder / "de.jsonl", {"text": "Regen"})
    (folder / "README.md").write_text(f"---\n{json.dumps(card)}\n---\n")
    assert [row["id"] for row in built(folder, name="de")] == ["datasets:local/de:train#0"]
    assert "'en', 'de'" in refused(folder).message
    assert "'fr'" in refused(folder, name="fr").message


# ---------------------------------------------------------------------------------------------- ds_columns
@pytest.fixture
def columns(tmp_path: Path) -> Path:
    features = datasets.Features(
        {
            "text": datasets.Value("string"),
            "label": datasets.ClassLabel(names=["sport", "news", "art"]),
            "tags": datasets.List(datasets.Value("string")),
            "pair": {"en": datasets.Value("string"), "de": datasets.Value("string")},
            "n": datasets.Value("int64"),
        }
    )
    pairs = [("rain", "Regen"), ("snow", "Schnee"), (None, "Eis"), ("fog", "Nebel")]
    rows = {
        "text": [None, "the match was late", "a vote at noon", "a blue canvas"],
        "label": [0, 0, 1, -1],
        "tags": [["a"], [], ["b", "c"], None],
        "pair": [{"en": en, "de": de} for en, de in pairs],
        "n": [1, 2, 3, 4],
    }
    (tmp_path / "data").mkdir()
    datasets.Dataset.from_dict(rows, features).to_parquet(tmp_path / "data/train.parquet")
    return tmp_path / "data"


def test_ds_columns(columns: Path, tmp_path: Path) -> None:
    rows = built(columns, split="train", keep=["label"])
    assert [row["text"] for row in rows] == ["the match was late", "a vote at noon", "a blue canvas"]
    assert [row["label"] for row in rows] == ["sport", "news", ""]
    assert quarantined(tmp_path / "data-run") == [("train#0", "no_text")]
    for text, kind in (("n", "int64"), ("tags", "list of string"), ("pair", "fields en, de")):
        error = refused(columns, text=text)
        assert f"column {text!r} holds {kind}, not text" in error.message
        assert "Columns of text: text, pair.en, pair.de." in error.remedy
    assert [row["text"] for row in built(columns, text="pair.en")] == ["rain", "snow", "fog"]


def test_ds_columns_of_fine_tuning(columns: Path) -> None:
    """Classes go by their names in the data set's order; rows without text or class are counted."""
    table = open_table(f"{{path: {columns}, split: train}}")
    found = find_columns(table, {"text": TEXT, "label": LABEL}, {"text": "text", "label": "label"})
    account = Account()
    counter = LabelCounter("label", classes=table.classes["label"])
    for row in labelled_rows(found, account):
        counter.add(row.label, row.place)
    labels = counter.finish()
    assert (labels.names, labels.counts, labels.rows) == (("sport", "news", "art"), (1, 1, 0), 2)
    assert "classes of the data set that no row has: 'art'" in labels.told
    assert account.left_out == 2
    assert any("there is no label: class -1" in each for each in account.sentences())
    pairs = find_columns(table, {"source": (), "target": ()}, {"source": "pair.en", "target": "pair.de"})
    texts = [tuple(row.values.values()) for row in pairs.texts(Account(), ("source", "target"))]
    assert texts == [("rain", "Regen"), ("snow", "Schnee"), ("fog", "Nebel")]


def test_a_first_file_without_any_text_is_no_reason(tmp_path: Path) -> None:
    """A column of which nothing but nulls is known, and fields that stand in later lines alone."""
    folder = tmp_path / "parquet"
    folder.mkdir()
    pq.write_table(pa.table({"text": pa.nulls(2)}), folder / "a.parquet")
    pq.write_table(pa.table({"text": ["late"]}), folder / "b.parquet")
    assert [row["id"] for row in built(folder)] == ["datasets:local:train#2"]
    assert quarantined(tmp_path / "parquet-run") == [("train#0", "no_text"), ("train#1", "no_text")]
    folder = tmp_path / "json"
    write(folder / "a.jsonl", {"n": 1}, {"text": None})
    write(folder / "b.jsonl", {"text": "late", "id": "k"})
    assert [row["id"] for row in built(folder, id="id")] == ["datasets:local:k"]
    assert len(quarantined(tmp_path / "json-run")) == 2
    assert "field 'n' holds int, not text" in refused(folder, text="n").message
    assert "none of 3 rows has the field 'body'" in refused(folder, text="body").message


def test_damaged_rows_are_quarantined_and_the_rest_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.jsonl").write_text('{"text": "one"}\n{"text": "tw\n{"text": "three"}\n')
    rows = built(folder)
    assert [(row["id"], row["text"]) for row in rows] == [
        ("datasets:local:train#0", "one"),
        ("datasets:local:train#2", "three"),
    ]
    assert [place for place, _ in quarantined(tmp_path / "data-run")] == ["train#1"]


# ------------------------------------------------------------------------------------------------ ds_saved
def test_ds_saved(tmp_path: Path, outputs: Outputs) -> None:
    """What `save_to_disk` wrote, Arrow files and Parquet give the same documents."""
    texts = {"train": ["slate roof", "copper gutter", "oak door"], "test": ["brass knob", "iron hinge"]}
    both = datasets.DatasetDict({k: datasets.Dataset.from_dict({"text": v}) for k, v in texts.items()})
    both.save_to_disk(tmp_path / "saved")
    stale = datasets.Dataset.from_dict({"text": ["stale"]}).data.table
    for kind in ("arrow", "parquet"):
        (tmp_path / kind).mkdir()
    for name, data in both.items():
        data.to_parquet(tmp_path / "parquet" / f"{name}-00000-of-00001.parquet")
        write_arrow(tmp_path / "arrow" / f"{name}.arrow", data.data.table)
    write_arrow(tmp_path / "saved/train/cache-1234.arrow", stale)
    shards = []
    for form in ("saved", "parquet", "arrow"):
        run = tmp_path / f"run-{form}"
        source = Datasets(path=str(tmp_path / form), split="train")
        result = build_corpus([source, TrainTokenizer(vocab_size=400), WriteShards()], run)
        assert [row["id"] for row in documents(run)] == [f"datasets:local:train#{n}" for n in range(3)]
        assert [row["text"] for row in documents(run)] == texts["train"]
        shards.append({k: v for k, v in outputs(run).items() if k.startswith(("shards/", "documents/"))})
        test = built(tmp_path / form, split="test")
        assert [row["text"] for row in test] == texts["test"]
        told = "".join(result.warnings)
        assert ("train/cache-1234.arrow" in told) == (form == "saved")
    assert shards[0] == shards[1] == shards[2]
    one = built(tmp_path / "saved/train")
    assert [row["text"] for row in one] == texts["train"]
    assert "is neither" in refused(tmp_path / "./none").message
    assert "configuration 'x' of a saved data set" in refused(tmp_path / "saved", name="x").message
    found = Run(tmp_path / "saved-run").to_datasets(tmp_path / "cache")
    assert list(found) == ["train"]
    assert found["train"]["text"][:] == texts["test"]


# ---------------------------------------------------------------------------------------------- ds_changed
def test_ds_changed(tmp_path: Path, outputs: Outputs) -> None:
    """At equal size and time: what is in the files counts, and a run never mixes old and new."""
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("sources:\n  - datasets: {path: data, split: train, text: text}\n")
    file = tmp_path / "data/train.jsonl.gz"
    file.parent.mkdir()

    def build(text: str, out: str) -> tuple[list[str], tuple[str, ...]]:
        file.write_bytes(gzip.compress(json.dumps({"text": text}).encode(), mtime=0))
        os.utime(file, (1_577_836_800, 1_577_836_800))
        result = build_corpus(load_recipe(recipe), tmp_path / out)
        return [row["text"] for row in documents(tmp_path / out)], result.warnings

    assert build("one fig", "A") == (["one fig"], ())
    first = outputs(tmp_path / "A")
    assert build("one fig", "A") == (["one fig"], ())
    assert outputs(tmp_path / "A") == first
    assert build("two fig", "B") == (["two fig"], ())
    manifest = "manifest/documents/datasets-train-00000.json"
    assert outputs(tmp_path / "B")[manifest] != first[manifest]
    texts, warnings = build("two fig", "A")
    assert texts == ["two fig"]
    assert warnings == (
        "datasets: changed since this run was made: train.jsonl.gz; what was made of it is made again",
    )
    assert outputs(tmp_path / "A") == outputs(tmp_path / "B")


# ----------------------------------------------------------------------------------------------- ds_script
def test_ds_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "quiet_tales"
    folder.mkdir()
    (folder / "quiet_tales.py").write_text("import pathlib\npathlib.Path('RAN').write_text('ran')\n")
    (folder / "data.csv").write_text("text\nfrom a file\n")
    monkeypatch.chdir(tmp_path)
    for path in (folder, folder / "quiet_tales.py"):
        error = refused(path)
        assert "is made by quiet_tales.py, and code of a data set is never run" in error.message
        assert "Parquet" in error.remedy
    with pytest.raises(InputError, match=r"made by quiet_tales\.py"):
        open_table(f"{{path: {folder}}}")
    assert [row["text"] for row in built(folder / "data.csv")] == ["from a file"]
    assert not list(tmp_path.rglob("RAN"))


def test_what_the_library_alone_can_read_is_read_by_it(tmp_path: Path) -> None:
    """Text, a row each line, as `load_dataset` has it; and a README that says how cells are to be read."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "train.txt").write_text("one line\n\nanother line\n")
    (folder / "notes.pdf").write_bytes(b"%PDF")
    source = Datasets(path=str(folder))
    [part] = source.parts()
    assert (part.name, [Path(file).name for file in part.files]) == ("train", ["train.txt"])
    rows = built(folder)
    assert [(row["id"], row["text"]) for row in rows] == [
        ("datasets:local:train#0", "one line"),
        ("datasets:local:train#2", "another line"),
    ]
    assert part.detail["not_read"] == ["datasets 'local': not read, of no split or format: notes.pdf"]
    assert "no column 'body'" in refused(folder, text="body").message
    table = open_table(f"{{path: {folder}}}")
    assert next(row.values["text"] for row in table.rows()) == "one line"
    (folder / "test.txt").touch()
    with pytest.raises(EmptyError, match=r"split 'test' holds no row"):
        open_table(f"{{path: {folder}, split: test}}")
    (folder / "test.txt").unlink()
    card = {"configs": [{"config_name": "a", "data_files": "a.csv", "names": ["n", "text"]}]}
    (folder / "a.csv").write_text("1,first\n2,second\n")
    (folder / "README.md").write_text(f"---\n{json.dumps(card)}\n---\n")
    assert [row["text"] for row in built(folder)] == ["first", "second"]


def test_a_folder_that_is_no_data_set(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "notes.odt").write_bytes(b"PK")
    assert "no data set" in refused(folder).message
    assert "there is notes.odt" in refused(folder).message
    assert "lies on this machine" in refused(folder, revision="main").message
    (folder / "plain.txt").write_text("text")
    assert "of no kind that has rows" in refused(folder / "plain.txt").message


def test_the_library_is_imported_for_such_a_source_alone(tmp_path: Path, environment: Any) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.txt").write_text("A note.")
    (tmp_path / "lines").mkdir()
    (tmp_path / "lines/a.txt").write_text("A line.")
    code = (
        "import sys; from corpuskit import Datasets, Files, Source, build_corpus;"
        "from corpuskit.stages.registry import known;"
        "known((Source,)); build_corpus([Files(path='in', label='x')], 'run');"
        "show = lambda: print(sorted({'datasets', 'torch'} & set(sys.modules)));"
        "show();"
        "open('in/b.jsonl', 'w').write('{\"text\": \"b\"}');"
        "build_corpus([Datasets(path='in/b.jsonl')], 'a'); show();"
        "build_corpus([Datasets(path='lines')], 'b'); show();"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["[]", "[]", "['datasets']"]
