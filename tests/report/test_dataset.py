"""A run's documents as a data set of Hugging Face."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import CliRunner

from corpuskit import Datasets, Files, Run, TrainTokenizer, WriteShards, build_corpus, export_dataset
from corpuskit.cli.main import cli
from corpuskit.errors import EmptyError, RunError, SettingError

TEXTS = {
    "1": "plain",
    "2": "two\nlines\r\nand a tab\t.",
    "3": "separator \u2028 inside",
    "4": "\U0001f600 and \u0e01\u0e33",
    "5": "zero\u200bwidth",
}


def write(path: Path, texts: dict[str, str], **more: dict[str, Any]) -> Path:
    rows = [{"id": key, "text": text, **more.get(f"row{key}", {})} for key, text in texts.items()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    write(folder / "in.jsonl", TEXTS, row3={"title": "T"})
    shards = WriteShards(split={"validation": 0.0})
    steps = [Files(path=str(folder / "in.jsonl"), label="x"), TrainTokenizer(vocab_size=384), shards]
    build_corpus(steps, folder / "run")
    return folder / "run"


def loaded(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    return datasets.load_dataset(str(folder), cache_dir=str(cache))


@pytest.mark.parametrize(("file_bytes", "files"), [(2**28, 1), (1, 5)])
def test_texts_come_back_with_one_schema(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file_bytes: int, files: int
) -> None:
    """In one file, and each document in a file of its own."""
    made = export_dataset(run, tmp_path / "out", file_bytes=file_bytes)
    assert made.rows == {"train": 5}
    assert len(made.files) == files
    schemas = {pq.read_schema(tmp_path / "out" / name).to_string() for name in made.files}
    assert len(schemas) == 1
    found = loaded(tmp_path / "out", tmp_path / "cache", monkeypatch)
    assert list(found) == ["train"]
    assert found["train"]["text"][:] == list(TEXTS.values())
    types = {name: feature.dtype for name, feature in found["train"].features.items()}
    assert types == {
        **dict.fromkeys(
            ("id", "source", "title", "url", "language", "licence", "origin", "cluster"), "string"
        ),
        "text": "large_string",
        "preference": "int64",
    }
    assert found["train"]["title"][:] == ["", "", "T", "", ""]


def test_texts_are_the_bytes_of_the_documents(run: Path, tmp_path: Path) -> None:
    export_dataset(run, tmp_path / "out")
    [path] = (tmp_path / "out/data").iterdir()
    texts = pq.read_table(path)["text"].to_pylist()
    assert [len(text) for text in texts] == [5, 22, 18, 8, 10]
    assert [len(text.encode()) for text in texts] == [5, 22, 20, 15, 12]
    digests = [hashlib.sha256(text.encode()).hexdigest()[:16] for text in texts]
    first, last = ["a116c9ed46d62077", "bff8f2557792d8b2"], ["9ac3fb3a23d4f2a6", "cabb886dc821c97b"]
    assert digests == [*first, "58177b3defe94b53", *last]


def test_documents_of_the_run_load_too(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = loaded(run / "documents", tmp_path / "cache", monkeypatch)
    assert found["train"]["text"][:] == list(TEXTS.values())


def test_the_card_says_what_it_is(run: Path, tmp_path: Path) -> None:
    export_dataset(run, tmp_path / "out")
    card = (tmp_path / "out/README.md").read_text()
    head = yaml.safe_load(card.split("---")[1])
    assert head == {
        "license": "unknown",
        "size_categories": ["n<1K"],
        "configs": [
            {"config_name": "default", "data_files": [{"split": "train", "path": "data/train-*.parquet"}]}
        ],
    }
    digest = hashlib.sha256((run / "recipe.yaml").read_bytes()).hexdigest()
    assert f"5 rows, written by corpuskit. Recipe: sha256 `{digest}`." in card
    assert "| train | 5 | 74 |" in card
    assert "| x | not stated | 5 | 74 |" in card
    assert "No licence is stated for documents of: x." in card
    assert "not stated (5)" in card


def test_licences_languages_and_splits_of_several_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each source with its licence; splits in the order train, validation."""
    for name in "ab":
        write(tmp_path / f"{name}.jsonl", {str(i): f"{name} note {i}" for i in range(60)})
    a = Files(path=str(tmp_path / "a.jsonl"), label="a", licence="CC BY-SA 4.0", language="de")
    b = Files(path=str(tmp_path / "b.jsonl"), label="b", licence="Free | for all", language="en")
    steps = [a, b, TrainTokenizer(vocab_size=400), WriteShards(split={"validation": 0.2})]
    build_corpus(steps, tmp_path / "run")
    made = export_dataset(Run.open(tmp_path / "run"), tmp_path / "out")
    assert list(made.rows) == ["train", "validation"]
    assert sum(made.rows.values()) == 120
    assert made.without_licence == ()
    card = (tmp_path / "out/README.md").read_text()
    head = yaml.safe_load(card.split("---")[1])
    assert head["license"] == "other"
    assert head["language"] == ["de", "en"]
    assert [each["split"] for each in head["configs"][0]["data_files"]] == ["train", "validation"]
    assert "| a | CC BY-SA 4.0 | 60 |" in card
    assert "| b | Free \\| for all | 60 |" in card
    assert "de (60), en (60)" in card
    found = loaded(tmp_path / "out", tmp_path / "cache", monkeypatch)
    rows = [
        row
        for path in sorted((tmp_path / "run/documents").iterdir())
        for row in pq.read_table(path).to_pylist()
    ]
    for split, data in found.items():
        assert data["text"][:] == [row["text"] for row in rows if row["split"] == split]


def test_sections_that_are_all_empty_hold_nothing_out(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", {"1": "A short note."})
    shards = WriteShards(split={"validation": 0.05})
    steps = [Files(path=str(tmp_path / "a.jsonl"), label="a"), TrainTokenizer(vocab_size=384), shards]
    build_corpus(steps, tmp_path / "run")
    made = export_dataset(tmp_path / "run", tmp_path / "out")
    assert (made.rows, made.held_out_inside) == ({"train": 1}, 0)
    assert "sections" not in (tmp_path / "out/README.md").read_text()


def test_documents_with_sections_held_out_stand_in_train(tmp_path: Path) -> None:
    paragraph = "The lamp is out, the elms are down, the lane is white with snow. " * 8
    write(tmp_path / "a.jsonl", {"1": "\n\n".join([paragraph] * 80)})
    shards = WriteShards(split={"validation": 0.2})
    steps = [Files(path=str(tmp_path / "a.jsonl"), label="a"), TrainTokenizer(vocab_size=384), shards]
    build_corpus(steps, tmp_path / "run")
    made = export_dataset(tmp_path / "run", tmp_path / "out")
    assert (made.rows, made.held_out_inside) == ({"train": 1}, 1)
    assert "1 document of train: the run's shards hold out sections of them" in (
        tmp_path / "out/README.md"
    ).read_text(encoding="utf-8")


def test_one_known_licence_is_named_as_the_hub_does(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", {"1": "one"})
    build_corpus([Files(path=str(tmp_path / "a.jsonl"), label="a", licence="CC0")], tmp_path / "run")
    export_dataset(tmp_path / "run", tmp_path / "out")
    assert "license: cc0-1.0\n" in (tmp_path / "out/README.md").read_text()


def test_a_run_without_shards_is_all_train(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", {"1": "one"})
    build_corpus([Files(path=str(tmp_path / "a.jsonl"), label="a")], tmp_path / "run")
    assert export_dataset(tmp_path / "run", tmp_path / "out").rows == {"train": 1}


def test_the_same_bytes_when_exported_twice(run: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        export_dataset(run, tmp_path / name, file_bytes=20)
    a, b = (
        {p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("*") if p.is_file()}
        for name in ("a", "b")
    )
    assert a == b
    assert len(a) > 4
    assert not (tmp_path / "a/.tmp").exists()


def test_an_export_is_a_source_again(run: Path, tmp_path: Path) -> None:
    export_dataset(run, tmp_path / "out")
    build_corpus([Files(path=str(tmp_path / "out/data"), label="again")], tmp_path / "second")
    [path] = (tmp_path / "second/documents").iterdir()
    assert pq.read_table(path)["text"].to_pylist() == list(TEXTS.values())


@pytest.mark.parametrize("form", ["stream", "file"])
def test_a_data_set_on_disk_is_a_source(tmp_path: Path, form: str) -> None:
    """As `datasets` saves it, an Arrow stream, and as others may write it, an Arrow file."""
    table = pa.table({"text": list(TEXTS.values()), "id": list(TEXTS)})
    folder = tmp_path / "saved"
    if form == "stream":
        pytest.importorskip("datasets").Dataset(table).save_to_disk(str(folder))
        sources: Any = Datasets(path=str(folder))
    else:
        folder.mkdir()
        with pa.ipc.new_file(folder / "a.arrow", table.schema) as out:
            out.write_table(table)
        sources = Files(path=str(folder), label="x")
    build_corpus([sources], tmp_path / "run")
    [path] = (tmp_path / "run/documents").iterdir()
    assert pq.read_table(path)["text"].to_pylist() == list(TEXTS.values())


def test_what_cannot_be_exported(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingError, match="file_bytes=0: is below 1"):
        export_dataset(run, tmp_path / "out", file_bytes=0)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").write_text("mine")
    with pytest.raises(SettingError, match="is there already, and not empty"):
        export_dataset(run, tmp_path / "full")
    with pytest.raises(RunError, match="not a run folder"):
        export_dataset(tmp_path / "full", tmp_path / "out")
    monkeypatch.setattr("corpuskit.report.dataset.document_files", lambda records: [])
    with pytest.raises(EmptyError, match="holds no document"):
        export_dataset(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_damaged_documents_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", {"1": "one"})
    build_corpus([Files(path=str(tmp_path / "a.jsonl"), label="a")], tmp_path / "run")
    [path] = (tmp_path / "run/documents").iterdir()
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(RunError, match="is damaged"):
        export_dataset(tmp_path / "run", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command(run: Path, tmp_path: Path) -> None:
    words = ["export", str(run), "--to", "dataset", "--out", str(tmp_path / "out"), "--file-bytes", "1"]
    found = CliRunner().invoke(cli, words)
    assert found.exit_code == 0, found.output
    assert "train 5 rows in 5 files, and a card" in found.output
    assert "No licence is stated for documents of: x" in found.output
    again = CliRunner().invoke(cli, words)
    assert again.exit_code == 2
    assert "is there already, and not empty" in again.output
