"""JSON, Parquet, Arrow, folders, saved data sets and those of the Hub, as tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from corpuskit.errors import CorpuskitError, EmptyError, InputError, SettingError
from corpuskit.train.data.tables.columns import find_columns
from corpuskit.train.data.tables.labels import LabelCounter
from corpuskit.train.data.tables.row import Account
from corpuskit.train.data.tables.table import open_table
from corpuskit.train.data.tables.usual import LABEL, TEXT

ROWS = [{"text": "one", "label": "a"}, {"text": "two", "label": "b"}, {"text": "three", "label": "a"}]
WANTED = {"text": TEXT, "label": LABEL}


def read(path: Path | str, **options: Any) -> list[dict[str, Any]]:
    return [dict(row.values) for row in find_columns(open_table(path, **options), WANTED).rows()]


LINES = "\n".join(map(json.dumps, ROWS))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("array.json", json.dumps(ROWS, indent=2)),
        ("array.jsonl", json.dumps(ROWS)),
        ("lines.json", LINES),
        ("blank.jsonl", LINES.replace("\n", "\n\n", 1)),
        ("mark.jsonl", "\ufeff" + LINES + "\r\n"),
        ("lines.csv", LINES),
        ("lines", LINES),
        ("objects.json", "\n".join(json.dumps(row, indent=1) for row in ROWS)),
        ("table.json", "text,label\none,a\ntwo,b\nthree,a\n"),
    ],
)
def test_json_in_all_its_forms(tmp_path: Path, name: str, data: str) -> None:
    (tmp_path / name).write_text(data)
    if name == "table.json":
        with pytest.raises(
            InputError, match=r"(?s)by its ending JSON, but it begins with 'text,label'.*\.csv"
        ):
            read(tmp_path / name)
    else:
        assert read(tmp_path / name) == ROWS


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (LINES + '\n{"text": "broken', r"data\.jsonl row 4 \(line 4\): not JSON"),
        (LINES + "\n[1, 2]", r"row 4 \(line 4\): list where an object is needed"),
        (LINES + '\n{"text": "a", "text": "b"}', r"row 4 \(line 4\): 'text' stands twice"),
        (
            LINES.encode() + b'\n{"text": "d\xe9j\xe0"}',
            r"row 4 \(line 4\): byte 0xE9 at offset 11 is not UTF-8",
        ),
    ],
)
def test_a_line_that_is_no_object_is_named_or_left_out(tmp_path: Path, data: str | bytes, says: str) -> None:
    path = tmp_path / "data.jsonl"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    with pytest.raises(InputError, match=says):
        read(path)
    account = Account()
    assert len(list(open_table(path).rows(account))) == 3
    assert account.left_out == 1


def test_texts_that_are_none_are_left_out_with_their_reason(tmp_path: Path) -> None:
    values = ["fine", "", " ", None, ["a"], 7, {"a": 1}]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps({"text": v, "label": "x"}) for v in values))
    account = Account()
    rows = list(find_columns(open_table(tmp_path / "a.jsonl"), WANTED).texts(account))
    assert [row.values["text"] for row in rows] == ["fine", "7"]
    assert {reason: seen.count for reason, seen in account.reasons.items()} == {
        "the text is empty": 2,
        "there is no text": 1,
        "the text is no text but a list": 1,
        "the text is no text but an object": 1,
    }
    assert list(account.notes) == ["the text is a number or a truth value, taken as text"]


def test_a_field_inside_another(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"meta": {"text": "in"}, "label": "x"}\n')
    found = find_columns(open_table(tmp_path / "a.jsonl"), WANTED, {"text": "meta.text"})
    assert next(found.rows()).values == {"text": "in", "label": "x"}


# ---------------------------------------------------------------------------------------- Parquet and Arrow
def write(table: pa.Table, path: Path) -> None:
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=2)
    elif path.suffix == ".feather":
        feather.write_feather(table, path)
    else:
        with pa.ipc.new_stream(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=2)


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.feather", "without_ending", "a.csv"])
def test_tables_of_columns(tmp_path: Path, name: str) -> None:
    written = tmp_path / ("x.parquet" if name in ("without_ending", "a.csv") else name)
    write(pa.Table.from_pylist([{**row, "other": [1]} for row in ROWS]), written)
    written.rename(tmp_path / name)
    table = open_table(tmp_path / name)
    assert table.columns == ("text", "label", "other")
    assert table.fingerprint() == open_table(tmp_path / name).fingerprint()
    assert read(tmp_path / name) == ROWS
    assert str(next(table.rows()).place) == f"{name} row 1"


def test_a_text_that_is_not_utf_8_costs_its_row_alone(tmp_path: Path) -> None:
    raw = pa.array([b"one", b"b\xff", b"three"], pa.binary())
    text = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    write(pa.table({"text": text, "label": ["a", "b", "a"]}), tmp_path / "a.parquet")
    account = Account()
    assert [row.place.row for row in open_table(tmp_path / "a.parquet").rows(account)] == [1, 3]
    assert list(account.reasons) == ["bytes that are not UTF-8"]
    with pytest.raises(InputError, match=r"a\.parquet row 2: a text that is not UTF-8"):
        read(tmp_path / "a.parquet")


@pytest.mark.parametrize("ending", [".parquet", ".arrow"])
def test_a_damaged_table_is_named(tmp_path: Path, ending: str) -> None:
    write(pa.Table.from_pylist(ROWS * 500), tmp_path / f"a{ending}")
    data = (tmp_path / f"a{ending}").read_bytes()
    (tmp_path / f"a{ending}").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=rf"a\{ending}"):
        read(tmp_path / f"a{ending}")


def test_a_table_without_rows_is_named(tmp_path: Path) -> None:
    write(pa.table({"text": pa.array([], pa.string())}), tmp_path / "a.parquet")
    with pytest.raises(EmptyError, match=r"no row: its columns are text"):
        open_table(tmp_path / "a.parquet")


# ------------------------------------------------------------------------------------------------- folders
def test_splits_by_the_names_of_files(tmp_path: Path) -> None:
    for name in ("train-00000-of-00002", "train-00001-of-00002", "dev"):
        write(pa.Table.from_pylist([{"text": name, "label": "a"}]), tmp_path / f"{name}.parquet")
    (tmp_path / "README.md").write_text("text")
    assert [row["text"] for row in read(tmp_path)] == ["train-00000-of-00002", "train-00001-of-00002"]
    assert [row["text"] for row in read(tmp_path, split="validation")] == ["dev"]
    assert open_table(tmp_path).told[:2] == (
        "split 'train' is read; there are also validation",
        "1 other files are passed over",
    )
    with pytest.raises(SettingError, match="no split 'test'"):
        open_table(tmp_path, split="test")


def test_a_folder_of_tables_without_splits_is_all_of_them(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(f"text,label\n{name},x\n")
    assert [row["text"] for row in read(tmp_path)] == ["a", "b"]
    assert [row["text"] for row in read([tmp_path / "b.csv", tmp_path / "a.csv"])] == ["b", "a"]


def test_files_with_other_columns_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\none,x\n")
    (tmp_path / "b.csv").write_text("text,class\none,x\n")
    with pytest.raises(InputError, match=r"a\.csv has the columns text, label, b\.csv has text, class"):
        open_table(tmp_path)


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda path: None, InputError, "no file and no folder is there"),
        (lambda path: path.mkdir(), InputError, "no table in this folder; there is nothing"),
        (lambda path: (path.mkdir(), (path / "a.pdf").touch()), InputError, r"there is a\.pdf"),
    ],
)
def test_nothing_that_can_be_a_table_is_named(
    tmp_path: Path, make: Any, error: type[CorpuskitError], says: str
) -> None:
    make(tmp_path / "data")
    with pytest.raises(error, match=says):
        open_table(tmp_path / "data")


def test_a_uri_is_no_path_of_this_machine() -> None:
    with pytest.raises(SettingError, match="is a URI"):
        open_table("s3://bucket/data.csv")


def test_the_fingerprint_is_that_of_contents_and_of_how_they_are_read(tmp_path: Path) -> None:
    for folder, text in (
        ("a", "text,label\none,x\n"),
        ("b", "text,label\none,x\n"),
        ("c", "text,label\ntwo,x\n"),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "data.csv").write_text(text)
    prints = [open_table(tmp_path / folder).fingerprint() for folder in "abc"]
    assert prints[0] == prints[1] != prints[2]
    assert open_table(tmp_path / "a", header=False).fingerprint() != prints[0]


# -------------------------------------------------------------------------------------- Hugging Face datasets
@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of two splits, saved: labels are numbers of classes."""
    folder = tmp_path_factory.mktemp("saved")
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["veg", "fruit", "tool"])}
    )
    rows = {"text": ["apple", "pea", "nail", "plum"], "label": [1, 0, 2, 1]}
    train = datasets.Dataset.from_dict(rows, features)
    test = datasets.Dataset.from_dict({"text": ["leek"], "label": [-1]}, features)
    datasets.DatasetDict({"train": train, "test": test}).save_to_disk(folder / "both")
    train.select(range(2)).save_to_disk(folder / "one")
    train.to_parquet(folder / "train.parquet")
    return folder


def test_a_saved_data_set_has_the_names_of_its_classes(saved: Path) -> None:
    table = open_table(saved / "both")
    rows = read(saved / "both")
    assert [row["label"] for row in rows] == ["fruit", "veg", "tool", "fruit"]
    assert "split 'train' is read; there are also test" in table.told
    assert "column 'label' holds numbers of classes, read by their names: veg, fruit, tool" in table.told
    assert read(saved / "both", split="test") == [{"text": "leek", "label": None}]
    counter = LabelCounter()
    for row in find_columns(table, WANTED).rows():
        counter.add(row.values["label"], row.place)
    assert counter.finish().names == ("fruit", "tool", "veg")


def test_one_saved_split_and_parquet_that_was_written_from_it(saved: Path) -> None:
    assert [row["label"] for row in read(saved / "one")] == ["fruit", "veg"]
    assert [row["label"] for row in read(saved / "train.parquet")][:2] == ["fruit", "veg"]
    with pytest.raises(SettingError, match="no split 'test'"):
        open_table(saved / "one", split="test")


def test_a_saved_data_set_that_lacks_a_file_is_named(saved: Path, tmp_path: Path) -> None:
    datasets.Dataset.from_dict({"text": ["a"]}).save_to_disk(tmp_path / "d")
    next((tmp_path / "d").glob("*.arrow")).unlink()
    with pytest.raises(InputError, match=r"state\.json: names data.*which is not there"):
        open_table(tmp_path / "d")
    (tmp_path / "d" / "state.json").write_text("{")
    with pytest.raises(InputError, match=r"state\.json: it does not describe a saved data set"):
        open_table(tmp_path / "d")


def test_a_data_set_by_name_is_loaded(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder stands for a name here: `load_dataset` takes both, and needs no net for it."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "named"
    folder.mkdir()
    (folder / "train.parquet").write_bytes((saved / "train.parquet").read_bytes())
    table = open_table(f"hf:{folder}")
    found = find_columns(table, WANTED)
    assert [row.values["label"] for row in found.rows()] == ["fruit", "veg", "tool", "fruit"]
    assert next(table.rows()).place.row == 1
    assert table.told[0] == "split 'train' is read"
    assert table.fingerprint() == open_table(f"hf:{folder}").fingerprint()
    with pytest.raises(SettingError, match="no split 'test'"):
        open_table(f"hf:{folder}", split="test")


def test_a_data_set_that_cannot_be_had_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("Couldn't reach 'nobody/nothing' on the Hub")

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", refuse)
    with pytest.raises(
        InputError, match=r"(?s)hf:nobody/nothing: no folder is there.*Couldn't reach.*save_to_disk\(FOLDER\)"
    ):
        open_table("hf:nobody/nothing")
    with pytest.raises(SettingError, match="no data set is named"):
        open_table("hf:")
