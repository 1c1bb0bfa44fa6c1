"""Losses by source and by language: of a run's documents and of files."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpuskit.errors import CorpuskitError, EmptyError, InputError, SettingError
from corpuskit.shards.reader import Shards
from corpuskit.train import LanguageModel, TrainSettings, train_model
from corpuskit.train.evaluate.measure import figures, measure
from corpuskit.train.evaluate.texts import split_of, texts_of
from tests.tiny_models import load, token_names, unigram_nats
from tests.train.conftest import write_run


@pytest.fixture(scope="module")
def unigram(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return load(tmp_path_factory.mktemp("unigram"))


def nats_of(text: str) -> float:
    nats = unigram_nats(token_names())
    return sum(nats[chr(byte)] for byte in text.encode())


def test_files_are_measured_together_and_each_by_itself(tmp_path: Path, unigram: LanguageModel) -> None:
    texts = {"a.txt": "more words to read.", "sub/b.txt": "é", "c.txt": "Capitals COST"}
    for name, text in texts.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text(text, encoding="utf-8")
    (tmp_path / "in" / "picture.png").write_bytes(b"\x89PNG")
    found = figures(measure(unigram, texts_of(tmp_path / "in")))
    sizes = {name: len(text.encode()) for name, text in texts.items()}
    assert found["nats"] == pytest.approx(sum(map(nats_of, texts.values())), abs=1e-3)
    assert (found["texts"], found["tokens"], found["bytes"]) == (3, 34, 34)
    assert set(found["by_source"]) == set(texts)
    for name, each in found["by_source"].items():
        assert each["loss"] == pytest.approx(nats_of(texts[name]) / sizes[name], abs=1e-5)
    assert found["by_language"] == {}
    assert found["interval"]["of"] == "bits_per_byte"
    assert found["interval"]["low"] < found["bits_per_byte"] < found["interval"]["high"]
    assert (found["stride"], found["least_context"], found["windows"]) == (64, 65, 3)


def test_rows_may_tell_their_language(tmp_path: Path, unigram: LanguageModel) -> None:
    rows = [{"body": "one", "lang": "en"}, {"body": "Eins", "lang": "de"}, {"body": "", "lang": "fr"}]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    texts = texts_of(path, "body")
    assert texts.count == 2, "an empty text has no token to score"
    found = figures(measure(unigram, texts))
    assert {name: each["tokens"] for name, each in found["by_language"].items()} == {"en": 3, "de": 4}


def test_documents_of_a_run_are_measured_by_source_and_language(
    tmp_path: Path, small: TrainSettings, write_provenance: Callable[..., None]
) -> None:
    held_out = [
        "A text of one source.",
        "Ein Text einer anderen.",
        "The first one again, longer than before.",
    ]
    run = write_run(
        tmp_path / "run", {"train": [["Words " * 20] * 20], "validation": [held_out[:2], held_out[2:]]}
    )
    train_model(run, tmp_path / "m", TrainSettings.checked({**small.given(), "steps": 2, "eval_every": None}))
    model = LanguageModel.load(tmp_path / "m")
    write_provenance(run / "shards", "validation", ["books", "wiki"])
    plain = figures(measure(model, split_of(run)))
    assert plain["by_language"] == {}, "these tables name no documents"
    assert {name: each["texts"] for name, each in plain["by_source"].items()} == {"books": 2, "wiki": 1}
    assert plain["bytes"] == sum(len(text.encode()) for text in held_out)
    shards = Shards(run / "shards")
    for number, info in enumerate(shards.splits["validation"]):
        path = shards.folder / f"{info.name}.provenance.parquet"
        table = pq.read_table(path)
        ids = [f"files:{number}-{row}" for row in range(len(table))]
        table = table.append_column("id", pa.array(ids)).append_column(
            "part", pa.array([f"p{number}"] * len(ids))
        )
        pq.write_table(table, path)
        languages = ["en", "de"][: len(ids)]
        (run / "documents").mkdir(exist_ok=True)
        pq.write_table(pa.table({"id": ids, "language": languages}), run / "documents" / f"p{number}.parquet")
    found = figures(measure(model, split_of(run)))
    assert {name: each["bytes"] for name, each in found["by_language"].items()} == {
        "de": len(held_out[1]),
        "en": len(held_out[0]) + len(held_out[2]),
    }
    parts = found["by_source"].values()
    assert found["nats"] == pytest.approx(sum(each["nats"] for each in parts), rel=1e-12)
    # The text alone gives the same: a document begins behind the mark, which itself is not scored.
    (tmp_path / "a.txt").write_text(held_out[0])
    one = figures(measure(model, texts_of(tmp_path / "a.txt")))
    first = measure(model, split_of(run)).losses[0]
    assert (one["nats"], one["tokens"]) == (pytest.approx(first.nats, abs=1e-4), first.tokens)


def test_texts_longer_than_the_context_are_read_in_windows(tmp_path: Path, unigram: LanguageModel) -> None:
    text = "many words " * 100
    (tmp_path / "long.txt").write_text(text)
    for stride in (None, 16, 128):
        measured = measure(unigram, texts_of(tmp_path / "long.txt"), stride)
        assert measured.losses[0].tokens == len(text)
        assert measured.losses[0].nats == pytest.approx(nats_of(text), rel=1e-6)
        assert measured.losses[0].windows == 1 + int(np.ceil((len(text) - 128) / (stride or 64)))


@pytest.mark.parametrize(
    ("name", "content", "error", "said"),
    [
        ("gone.txt", None, InputError, "gone.txt is not there"),
        ("empty.txt", "", EmptyError, "empty.txt holds no text"),
        ("rows.jsonl", '{"body": "a"}\n', InputError, "has no field 'text'\n  There are: body."),
        ("rows.jsonl", '{"text": "a"}\n{"text": \n', InputError, "not JSON"),
        ("rows.jsonl", '{"text": "\\ud800"}\n', InputError, "half of a surrogate pair"),
        ("rows.csv", "body,title\na,b\n", InputError, "no column 'text'"),
        ("a.pdf", "%PDF", SettingError, "of no format that is known"),
    ],
)
def test_what_holds_no_texts_is_named(
    tmp_path: Path, name: str, content: str | None, error: type[CorpuskitError], said: str
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(error) as caught:
        texts_of(tmp_path / name)
    assert said in str(caught.value)
    assert caught.value.remedy


def test_a_folder_without_texts_and_a_run_without_a_split_are_named(tmp_path: Path, make_run) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(EmptyError, match="holds no file that can be read"):
        texts_of(tmp_path / "a")
    run = make_run(validation=False)
    with pytest.raises(SettingError, match="holds nothing out"):
        split_of(run)
    with pytest.raises(SettingError, match="has no split 'tset'"):
        split_of(run, "tset")
    assert split_of(run, "train").count == 60
