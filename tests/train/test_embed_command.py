"""`corpuskit embed`: what it reads, what it writes, what it finds, and what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from corpuskit import Files, build_corpus
from corpuskit.cli.model.embed import command
from corpuskit.errors import InputError, SettingError
from corpuskit.run.folder import Run
from corpuskit.run.to_datasets import document_files
from corpuskit.train import LanguageModel
from corpuskit.train.data.named_texts import NamedText, named_texts
from corpuskit.train.generate import vectors
from corpuskit.train.generate.embed import Embedder, VectorSettings
from tests.tiny_models import make_model

ORDER = "id,text\nb-7,tree\na-1,a very long line about a river and its mouth\nb-7x,reet\nc,oak\nA-1,trees\n"
EMPTY = [("k1", ""), ("k2", "fog"), ("k3", "   "), ("k4", "fog")]


@pytest.fixture(scope="module")
def bigram(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose last hidden vector of a byte is 1 at that byte's place and 0 elsewhere."""
    return make_model(tmp_path_factory.mktemp("bigram"), "bigram", table={}, roles=False)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a context of 16 tokens."""
    return make_model(tmp_path_factory.mktemp("short"), "bigram", table={}, roles=False, context=16)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("other"), "random", roles=False)


def call(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(command, [str(each) for each in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def done(*arguments: object) -> dict[str, Any]:
    code, out, error = call(*arguments, "--json", "--quiet")
    assert (code, error) == (0, "")
    return dict(json.loads(out))


def refused(*arguments: object) -> str:
    code, out, error = call(*arguments)
    assert code in (1, 2)
    assert out == ""
    return error


def matrix(path: Path) -> np.ndarray:
    return np.array(pq.read_table(path).column("vector").to_pylist(), np.float64)


def column(path: Path, name: str) -> list[Any]:
    return list(pq.read_table(path).column(name).to_pylist())


def jsonl(path: Path, rows: Sequence[tuple[object, object]]) -> Path:
    path.write_text("".join(json.dumps({"id": each, "text": text}) + "\n" for each, text in rows))
    return path


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


# --------------------------------------------------------------------------------------- order, ids, bytes
@pytest.mark.parametrize("batch", [1, 4])
def test_vectors_stand_in_the_order_of_the_file(bigram: Path, tmp_path: Path, batch: int) -> None:
    data, out = written(tmp_path / "data.csv", ORDER), tmp_path / "v.parquet"
    how = ("--text", "text", "--id", "id", "--pool", "mean", "--normalize", "--batch", batch)
    told = done(bigram, data, *how, "--out", out)
    assert (told["rows"], told["twice"], told["normalize"]) == (5, 0, True)
    assert column(out, "id") == ["b-7", "a-1", "b-7x", "c", "A-1"]
    assert column(out, "tokens") == [4, 44, 4, 3, 5]
    assert column(out, "text")[0] == "tree"
    [found] = done(bigram, out, "--like", "tree")["found"]
    assert [(each["id"], round(each["cosine"], 4)) for each in found["nearest"]] == [
        ("b-7", 1.0),
        ("b-7x", 1.0),
        ("A-1", 0.9258),
        ("a-1", 0.3757),
        ("c", 0.0),
    ]
    again = tmp_path / "again.parquet"
    done(bigram, data, *how, "--out", again)
    assert again.read_bytes() == out.read_bytes()


@pytest.mark.slow
def test_two_processes_write_the_same_file(bigram: Path, tmp_path: Path) -> None:
    data, out, shared = written(tmp_path / "data.csv", ORDER), tmp_path / "v.parquet", tmp_path / "w.parquet"
    done(bigram, data, "--batch", 2, "--out", out)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    called = ["embed", bigram, data, "--batch", "2", "--out", shared, "--json"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(
        [*torchrun, "-m", "corpuskit", *map(str, called)], env=environment, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["rows"] == 5
    assert shared.read_bytes() == out.read_bytes()


def test_an_empty_text_keeps_its_row(bigram: Path, tmp_path: Path) -> None:
    data, found = jsonl(tmp_path / "texts.jsonl", EMPTY), {}
    for pooling in ("mean", "first", "last"):
        out = tmp_path / f"{pooling}.parquet"
        told = done(bigram, data, "--pool", pooling, "--normalize", "--out", out)
        assert (told["rows"], told["empty"], told["empty_texts"]) == (4, 1, "zeros")
        assert column(out, "id") == ["k1", "k2", "k3", "k4"]
        found[pooling] = matrix(out)
        assert np.linalg.norm(found[pooling], axis=1) == pytest.approx([0, 1, 1, 1], abs=1e-6)
        assert found[pooling][2][32] == pytest.approx(1, abs=1e-6)
    code, out_text, _ = call(bigram, tmp_path / "mean.parquet", "--like", "fog")
    assert (code, out_text) == (0, " 1.0000  k2  fog\n 1.0000  k4  fog\n 0.0000  k3  \n")
    _, _, said = call(bigram, data, "--out", tmp_path / "told.parquet")
    assert "1 text without a token (k1): a vector of zeros." in said


def test_long_texts_are_told_before_it_starts(short: Path, tmp_path: Path) -> None:
    lines = ["a" * 16 + "b" * 8, "c" * 10, "d" * 16, "e" * 16 + "f" * 16 + "g"]
    data = written(tmp_path / "texts.txt", "\n".join(lines) + "\n")
    rules = {
        "cut": "of each the first 16 tokens are read",
        "windows": "each is read in windows of 16 tokens, whose vectors are averaged by their tokens",
        "windows-alike": "each is read in windows of 16 tokens, whose vectors are averaged alike",
    }
    for rule, said in rules.items():
        out = tmp_path / f"{rule}.parquet"
        _, _, error = call(short, data, "--long-texts", rule, "--out", out)
        assert "2 of 4 texts are longer than the model's context of 16 tokens" in error
        assert f"(texts.txt#1, texts.txt#4): {said}." in error
        made = vectors.read_made(out)
        assert made is not None
        assert (made["long_texts"], made["long"], made["context"]) == (rule, 2, 16)
    fitting = [matrix(tmp_path / f"{rule}.parquet")[1:3] for rule in rules]
    assert all((each == fitting[0]).all() for each in fitting)
    assert matrix(tmp_path / "windows.parquet")[3][101:104] == pytest.approx([16 / 33, 16 / 33, 1 / 33])


def test_halves_lie_in_the_file(bigram: Path, tmp_path: Path) -> None:
    data, out = written(tmp_path / "data.csv", ORDER), tmp_path / "half.parquet"
    told = done(bigram, data, "--half", "--normalize", "--out", out)
    assert told["type"] == "float16"
    assert pq.read_schema(out).field("vector").type.value_type == pa.float16()
    whole = LanguageModel.load(bigram).embed(["tree"], normalize=True)[0]
    assert (matrix(out)[0] == whole.astype(np.float16)).all()
    [found] = done(bigram, out, "--like", "trees", "--top", 1)["found"]
    assert found["nearest"][0]["id"] == "A-1"


def test_a_number_beyond_a_half_names_its_text(tmp_path: Path) -> None:
    """Nothing is left of the file."""
    model = make_model(tmp_path, "bigram", table={}, roles=False)
    loaded = LanguageModel.load(model)
    loaded.model.decoder.norm.weight.data *= 100_000
    texts = named_texts([str(jsonl(tmp_path / "t.jsonl", EMPTY))])
    settings = VectorSettings()
    embedder = Embedder(loaded.model, loaded.tokenizer, settings)
    made = vectors.how_made(loaded, settings, half=True)
    with pytest.raises(Exception, match=r"the vector of k3 holds .*, and float16 ends at 65,504"):
        vectors.write_vectors(tmp_path / "v.parquet", texts, embedder, made)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["hub", "model", "t.jsonl"]


def test_groups_are_read_and_searched_one_by_one(
    bigram: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "_AT_ONCE", 2)
    data, out = written(tmp_path / "data.csv", ORDER), tmp_path / "v.parquet"
    done(bigram, data, "--out", out)
    assert pq.ParquetFile(out).metadata.num_row_groups == 3
    found = done(bigram, out, "--like", "tree", "--like", "oak", "--top", 2)["found"]
    assert [[each["id"] for each in line["nearest"]] for line in found] == [["b-7", "b-7x"], ["c", "a-1"]]
    at_once = done(bigram, data, "--like", "tree", "--like", "oak", "--top", 2)
    assert at_once["found"] == found
    assert not (tmp_path / "vectors.parquet").exists()
    both = tmp_path / "both.parquet"
    assert done(bigram, data, "--like", "tree", "--top", 2, "--out", both)["found"] == found[:1]
    assert both.read_bytes() == out.read_bytes()


# ------------------------------------------------------------------------------------------------- inputs
def read(*inputs: object, **options: Any) -> list[NamedText]:
    return list(named_texts([str(each) for each in inputs], **options).read())


def test_ids_are_what_the_file_says(tmp_path: Path) -> None:
    assert read(written(tmp_path / "a.csv", "id,text\n007,x\n1e3,y\n")) == [("007", "x"), ("1e3", "y")]
    assert read(jsonl(tmp_path / "a.jsonl", [(7, "x"), (8, "y")])) == [(7, "x"), (8, "y")]
    table = pa.table({"doc_id": pa.array([5, 6]), "text": ["x", None]})
    pq.write_table(table, tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == [(5, "x"), (6, "")]
    assert read(tmp_path / "a.csv", text="id", identity="2") == [("x", "007"), ("y", "1e3")]
    assert read(written(tmp_path / "b.tsv", "text\tn\nx\t1\ny\t2\n")) == [("b.tsv#1", "x"), ("b.tsv#2", "y")]


def test_lines_of_text_files_and_whole_ones(tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    (folder / "in").mkdir(parents=True)
    written(folder / "b.txt", "one, two\n\nthree, four")
    written(folder / "in" / "a.md", "five\n")
    assert read(folder / "b.txt") == [
        ("b.txt#1", "one, two"),
        ("b.txt#2", ""),
        ("b.txt#3", "three, four"),
    ]
    assert [each.id for each in read(folder)] == ["b.txt#1", "b.txt#2", "b.txt#3", "in/a.md#1"]
    assert read(folder, whole=True) == [("b.txt", "one, two\n\nthree, four"), ("in/a.md", "five\n")]


def test_documents_of_a_run(bigram: Path, tmp_path: Path) -> None:
    """In the order in which `Run.to_datasets` has them: that of the sources, not of their names."""
    for name in ("z", "a"):
        (tmp_path / name).mkdir()
        written(tmp_path / name / "x.txt", f"A text of {name}.")
    run = tmp_path / "run"
    build_corpus([Files(path=str(tmp_path / name), label=name) for name in ("z", "a")], out=run)
    files = document_files(Run.open_finished(run).records())
    ids = [each for file in files for each in column(run / file.path, "id")]
    assert [each.id for each in read(run)] == ids != sorted(ids)
    out = tmp_path / "v.parquet"
    assert done(bigram, run, "--out", out)["rows"] == 2
    assert column(out, "id") == ids
    assert "lies in" in refused(bigram, run, "--out", run / "v.parquet")


def test_a_run_that_is_not_finished_or_not_as_recorded_is_refused(
    bigram: Path, finished: Path, tmp_path: Path
) -> None:
    file = next((finished / "documents").glob("*.parquet"))
    whole, out = file.read_bytes(), tmp_path / "v.parquet"
    pq.write_table(pq.read_table(file).slice(1), file)
    assert f"{file}: is damaged" in refused(bigram, finished, "--out", out)
    file.unlink()
    assert f"{file}: cannot be read" in refused(bigram, finished, "--out", out)
    file.write_bytes(whole)
    assert read(finished)
    record = next((finished / "manifest" / "documents").glob("*.json"))
    kept = record.read_bytes()
    record.write_bytes(kept[:-9])
    assert "is no record of a task" in refused(bigram, finished, "--out", out)
    record.write_bytes(kept)
    (finished / "ledger.json").unlink()
    assert "the build is not finished" in refused(bigram, finished, "--out", out)
    assert not out.exists()


def test_whole_numbers_stay_whole_numbers(bigram: Path, tmp_path: Path) -> None:
    out = tmp_path / "v.parquet"
    done(bigram, jsonl(tmp_path / "a.jsonl", [(7, "x"), (8, "y")]), "--out", out)
    assert pq.read_schema(out).field("id").type == pa.int64()
    [found] = done(bigram, out, "--like", "y", "--top", 1)["found"]
    assert found["nearest"] == [{"id": 8, "cosine": 1.0, "text": "y"}]
    mixed = tmp_path / "mixed.parquet"
    _, _, said = call(bigram, jsonl(tmp_path / "b.jsonl", [(7, "x"), ("8", "y"), ("7", "z")]), "--out", mixed)
    assert column(mixed, "id") == ["7", "8", "7"]
    assert "1 text with an id that an earlier one has" in said


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"id": "a", "text": "x"}\n{"id": "b", "text"\n', "a.jsonl row 2 (line 2)"),
        ("a.jsonl", b'{"id": "a", "text": ["x"]}\n', "the text is no text but a list"),
        ("a.jsonl", b'{"id": null, "text": "x"}\n', "None is no id"),
        ("a.jsonl", b'{"id": "a", "text": "\\ud800"}\n', "half of a surrogate pair at character 0"),
        ("a.csv", b"id,text\na,x\nb,y,z\n", "a.csv row 2 (line 3)"),
        ("a.csv", b"id,words\na,x\n", "no column for the text"),
        ("a.txt", b"", "no row: it is empty"),
        ("a.txt", b"x\n\xff\xfe\xfd\n", "a.txt"),
        ("a.parquet", b"PAR1 and no more", "a.parquet: not a readable Parquet file"),
    ],
)
def test_what_cannot_be_read_is_named_and_nothing_is_left(
    bigram: Path, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    assert message in refused(bigram, tmp_path / name, "--out", tmp_path / "v.parquet")
    assert [each.name for each in tmp_path.iterdir()] == [name]


# ------------------------------------------------------------------------------------------------ refused
def test_vectors_of_another_model_or_pooling_are_refused(bigram: Path, other: Path, tmp_path: Path) -> None:
    out = tmp_path / "v.parquet"
    done(bigram, written(tmp_path / "data.csv", ORDER), "--out", out)
    assert "was made by a model with the digest" in refused(other, out, "--like", "tree")
    assert "was made with pooling = mean, not last" in refused(bigram, out, "--like", "x", "--pool", "last")
    assert "was made with long_texts = windows, not cut" in refused(
        bigram, out, "--like", "x", "--long-texts", "cut"
    )
    assert done(bigram, out, "--like", "tree", "--pool", "mean")["found"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "neither --out nor --like is given"),
        (("--like", ""), "--like: the text is empty"),
        (("--out", "{folder}/data.csv"), "what is read is never written"),
        (("--out", "{folder}/old.parquet"), "is there already"),
        (("--out", "{folder}/new.parquet", "--text", "title"), "no column 'title'"),
        (("--out", "{folder}/new.parquet", "--id", "key"), "no column 'key'"),
        (("--out", "{folder}/new.parquet", "--set", "label=x"), "--set label says nothing"),
        (("--out", "{folder}/new.parquet", "--overlap", "100"), "more than half of the model's context"),
    ],
)
def test_a_wrong_call_is_refused(
    bigram: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    data = written(tmp_path / "data.csv", ORDER)
    written(tmp_path / "old.parquet", "of somebody else")
    said = refused(bigram, data, *(each.format(folder=tmp_path) for each in arguments))
    assert message in said
    assert sorted(each.name for each in tmp_path.iterdir()) == ["data.csv", "old.parquet"]
    assert (tmp_path / "old.parquet").read_text() == "of somebody else"


def test_a_file_of_vectors_is_looked_in_alone(bigram: Path, tmp_path: Path) -> None:
    out = tmp_path / "v.parquet"
    data = written(tmp_path / "data.csv", ORDER)
    done(bigram, data, "--out", out)
    for more in (("--text", "id"), ("--half",), ("--out", tmp_path / "w.parquet")):
        assert f"holds vectors, and {more[0]} is for texts" in refused(bigram, out, "--like", "x", *more)
    assert "holds vectors, and another file is for texts" in refused(bigram, out, data, "--like", "x")
    pq.write_table(
        pq.read_table(out).replace_schema_metadata({"corpuskit.vectors": '{"format": 99}'}),
        tmp_path / "later.parquet",
    )
    assert "of a format that this version does not read" in refused(
        bigram, tmp_path / "later.parquet", "--like", "x"
    )
    out.write_bytes(out.read_bytes()[:200] + b"\0" * 40 + out.read_bytes()[240:])
    assert "Embed the texts again" in refused(bigram, out, "--like", "x")


def test_texts_that_change_between_two_looks_are_told(
    bigram: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out = written(tmp_path / "data.csv", ORDER), tmp_path / "v.parquet"
    counted: Callable[..., Any] = vectors.count_texts

    def changing(*arguments: Any) -> Any:
        census = counted(*arguments)
        written(data, ORDER + "d,more\n")
        return census

    monkeypatch.setattr(vectors, "count_texts", changing)
    loaded, settings = LanguageModel.load(bigram), VectorSettings()
    embedder = Embedder(loaded.model, loaded.tokenizer, settings)
    made = vectors.how_made(loaded, settings, half=False)
    with pytest.raises(InputError, match="5 texts were counted, then 6 read"):
        vectors.write_vectors(out, named_texts([str(data)]), embedder, made)
    assert [each.name for each in tmp_path.iterdir()] == ["data.csv"]
    with pytest.raises(SettingError, match="no file is named"):
        named_texts([])
