"""A teacher's answers on disk: the same bytes each time, found by position, refused where they do not fit."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from corpuskit.errors import SettingError, ShardError, StorageError, TrainError
from corpuskit.shards.batches import Batches
from corpuskit.shards.reader import Shards
from corpuskit.storage.ownership import TEACHER, kind_of_folder
from corpuskit.train.data import store_teacher
from corpuskit.train.data.store_teacher import reading, store_answers
from corpuskit.train.data.teacher import StoreSettings, TeacherStore
from corpuskit.train.model.distances import Distillation, FullLogits, TeacherHead, linear_distillation
from corpuskit.train.model.transformer import ModelSettings, Transformer, initialise
from tests.train.conftest import MakeRun

CHOSEN = StoreSettings(k=5, context=24, rows=3, temperatures=(1.0, 2.0))


@pytest.fixture(scope="module")
def shards(make_run: MakeRun) -> Shards:
    """Two shards for training, some 1,300 tokens, and one for validation."""
    return Shards(make_run(documents=12) / "shards")


def teacher_of(shards: Shards, **changes: Any) -> Transformer:
    shape = ModelSettings(
        vocab_size=shards.vocab_size, layers=2, width=32, heads=2, kv_heads=2, hidden=48, context=64,
        zero_init=False, dropout=0.3,
    )  # fmt: skip
    model = Transformer(dataclasses.replace(shape, **changes))
    initialise(model, 3)
    with torch.no_grad():  # So that answers differ.
        model.embedding.weight.mul_(30)
    return model


def store(
    out: Path, shards: Shards, model: Transformer, settings: StoreSettings = CHOSEN, **options: Any
) -> bool:
    return store_answers(out, shards, reading(model, shards.end_of_text), settings, "abc", **options)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_stored_twice_the_bytes_are_the_same(shards: Shards, tmp_path: Path) -> None:
    """And what the teacher gives in evaluation, though it has dropout and was left in training mode."""
    model = teacher_of(shards).train()
    before = {name: each.clone() for name, each in model.state_dict().items()}
    for name in ("a", "b"):
        torch.manual_seed(7 if name == "a" else 8)
        assert store(tmp_path / name, shards, model)
    assert content(tmp_path / "a") == content(tmp_path / "b")
    assert set(content(tmp_path / "a")) == {"teacher.json", "train-00000.top", "train-00001.top"}
    assert kind_of_folder(tmp_path / "a") is TEACHER
    assert model.training
    assert all(torch.equal(each, before[name]) for name, each in model.state_dict().items())
    assert all(each.grad is None for each in model.parameters())

    # The first window, which a call of its own reads.
    line, answers = shards.split("train"), TeacherStore(tmp_path / "a").split("train")
    with torch.no_grad():
        ids = torch.from_numpy(line.read(0, 12).astype(np.int64))[None]
        logits = model.eval()(ids, documents=(ids == shards.end_of_text).cumsum(1))[0, :, : shards.vocab_size]
    scores = torch.log_softmax(logits, 1)
    found = answers.rows([0], 12)
    torch.testing.assert_close(found.values[0], scores.topk(5, dim=1)[0], atol=1e-2, rtol=1e-3)
    torch.testing.assert_close(found.values[0], scores.gather(1, found.ids[0]), atol=1e-2, rtol=1e-3)
    mass = found.values[0].exp().sum(1) + found.rest[0, :, 0].exp()
    torch.testing.assert_close(mass, torch.ones(12), atol=5e-3, rtol=0)


def test_every_token_is_told_by_what_stands_before_it(shards: Shards, tmp_path: Path) -> None:
    """Each record equals one made of a window of its own: its own place, its document, enough before it."""
    model = teacher_of(shards, dropout=0.0).eval()
    store(tmp_path / "s", shards, model)
    line, answers = shards.split("train"), TeacherStore(tmp_path / "s").split("train")
    assert answers.tokens == line.tokens
    first = shards.splits["train"][0].tokens
    ids = line.read(0, line.tokens).astype(np.int64)
    read = reading(model, shards.end_of_text)
    places = [0, 11, 12, 13, 35, 36, 200, first - 1, first, first + 1, first + 30, line.tokens - 1]
    for place in places:
        # Windows are cut anew in each shard: the record's own ends with its stride or with the shard.
        base = 0 if place < first else first
        end = min(base + ((place - base) // 12 + 1) * 12, first if place < first else line.tokens)
        at = max(0, end - 24)
        with torch.no_grad():
            head = read(torch.from_numpy(ids[at:end])[None])
            logits = head.states[place - at] @ head.weight[: shards.vocab_size].T
        expected = torch.log_softmax(logits, 0)
        found = answers.rows([place], 1)
        torch.testing.assert_close(found.values[0, 0], expected[found.ids[0, 0]], atol=1e-2, rtol=1e-3)
        others = expected.clone()
        others[found.ids[0, 0]] = -torch.inf
        assert float(found.rest) == pytest.approx(float(torch.logsumexp(others, 0)), rel=1e-3)
        warm = answers.rows([place], 1, temperature=2.0)
        assert float(warm.rest) == pytest.approx(float(torch.logsumexp(others / 2, 0)), rel=1e-3)


def test_it_goes_on_where_it_was_stopped(
    shards: Shards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = teacher_of(shards)
    store(tmp_path / "whole", shards, model)
    expected = content(tmp_path / "whole")

    def some(out: Path) -> bool:
        """Three batches more."""
        seen: list[int] = []
        return store(out, shards, model, stop=lambda: len(seen) >= 2, on_progress=lambda n, _: seen.append(n))

    calls = 1
    while not some(tmp_path / "s"):
        calls += 1
        assert (tmp_path / "s" / "progress.json").is_file()
        with pytest.raises(ShardError, match=r"holds no teacher\.json"):
            TeacherStore(tmp_path / "s")
    assert calls > 5
    assert content(tmp_path / "s") == expected
    # A call for what is finished does nothing.
    monkeypatch.setattr(store_teacher, "rest_of", None)
    assert store(tmp_path / "s", shards, model)


@pytest.mark.parametrize("noted", [True, False])
def test_after_a_kill_the_bytes_are_the_same(
    noted: bool, shards: Shards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file in work may be longer than what was noted of it, or gone."""
    model = teacher_of(shards)
    store(tmp_path / "whole", shards, model)
    monkeypatch.setattr(store_teacher, "_SAVE_SECONDS", 0.0 if noted else 1e9)
    real, count = reading(model, shards.end_of_text), [0]

    def dies(ids: Tensor) -> TeacherHead:
        count[0] += 1
        if count[0] == 25:
            raise KeyboardInterrupt
        return real(ids)

    with pytest.raises(KeyboardInterrupt):
        store_answers(tmp_path / "s", shards, dies, CHOSEN, "abc")
    for path in (tmp_path / "s").glob("tmp-*.top"):
        path.write_bytes(path.read_bytes() + b"half of a record" if noted else b"")
    assert store(tmp_path / "s", shards, model)
    assert content(tmp_path / "s") == content(tmp_path / "whole")


def test_splits_are_added(shards: Shards, tmp_path: Path) -> None:
    model = teacher_of(shards)
    store(tmp_path / "s", shards, model)
    before = content(tmp_path / "s")
    store(tmp_path / "s", shards, model, splits=("validation",))
    found = TeacherStore(tmp_path / "s")
    assert found.split("train").tokens == shards.split("train").tokens
    assert found.split("validation").tokens == shards.split("validation").tokens
    assert content(tmp_path / "s")["train-00000.top"] == before["train-00000.top"]
    found.verify()
    found.check(shards)


def test_other_settings_and_folders_of_others_are_refused(shards: Shards, tmp_path: Path) -> None:
    model = teacher_of(shards)
    store(tmp_path / "s", shards, model, stop=lambda: True)
    with pytest.raises(TrainError, match=r"(?s)progress\.json is of another call.*Choose another --out"):
        store(tmp_path / "s", shards, model, StoreSettings(k=4, context=24))
    store(tmp_path / "s", shards, model)
    with pytest.raises(TrainError, match="k = 5, here 4"):
        store(tmp_path / "s", shards, model, dataclasses.replace(CHOSEN, k=4))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("x")
    with pytest.raises(TrainError, match="other"):
        store(tmp_path / "other", shards, model)
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["mine.txt"]


def test_damage_is_named(shards: Shards, tmp_path: Path) -> None:
    model = teacher_of(shards)
    store(tmp_path / "s", shards, model)
    path = tmp_path / "s" / "train-00000.top"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(ShardError, match=r"train-00000\.top is damaged"):
        TeacherStore(tmp_path / "s").verify()
    path.write_bytes(data[:-1])
    with pytest.raises(ShardError, match=r"train-00000\.top is not there with its"):
        TeacherStore(tmp_path / "s")
    path.write_bytes(data)
    manifest = tmp_path / "s" / "teacher.json"
    manifest.write_text(manifest.read_text().replace('"k": 5', '"k": 6'))
    with pytest.raises(ShardError, match="its checksum does not hold"):
        TeacherStore(tmp_path / "s")


def test_shards_of_another_tokenizer_are_refused(shards: Shards, make_run: MakeRun, tmp_path: Path) -> None:
    store(tmp_path / "s", shards, teacher_of(shards))
    kept = TeacherStore(tmp_path / "s")
    with pytest.raises(TrainError, match="another tokenizer"):
        kept.check(Shards(make_run(documents=30, seed=9) / "shards"))
    other = Shards(shards.folder)
    other.splits = {"train": other.splits["train"][:1]}
    with pytest.raises(TrainError, match="stored for shards with the fingerprint"):
        kept.check(other)
    with pytest.raises(SettingError, match="no answers for the split 'test'"):
        kept.split("test")
    with pytest.raises(SettingError, match="temperature = 3"):
        kept.split("train").rows([0], 1, temperature=3.0)
    with pytest.raises(IndexError):
        kept.split("train").read(shards.split("train").tokens, 1)


def test_a_teacher_of_fewer_tokens_is_refused(shards: Shards, tmp_path: Path) -> None:
    model = teacher_of(shards, vocab_size=64)
    with pytest.raises(TrainError, match=f"the teacher knows 64 tokens, the shards have {shards.vocab_size}"):
        store_answers(
            tmp_path / "s",
            shards,
            lambda ids: TeacherHead(torch.zeros(ids.numel(), 32), model.head_weight),
            CHOSEN,
            "abc",
        )
    with pytest.raises(SettingError, match=f"of a vocabulary of {shards.vocab_size}"):
        store(tmp_path / "t", shards, teacher_of(shards), dataclasses.replace(CHOSEN, k=9999))


def test_a_full_disk_is_named(shards: Shards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store_teacher.os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        store(tmp_path / "s", shards, teacher_of(shards))


def test_any_batch_finds_its_answers(shards: Shards, tmp_path: Path) -> None:
    """With all tokens stored the distance is that of the teacher itself, wherever a row was cut."""
    model = teacher_of(shards, dropout=0.0).eval()
    size = shards.vocab_size
    store(tmp_path / "s", shards, model, StoreSettings(k=size, context=24, stride=24, rows=4))
    answers = TeacherStore(tmp_path / "s").split("train")
    batches = Batches(shards.split("train"), 17, 16, 4, 1, size)
    samples = list(batches.samples(3, range(4)))
    ids, starts = torch.from_numpy(batches.read(samples)), batches.starts(samples)
    top = answers.rows(starts, 16)
    states = torch.randn(64, 8, generator=torch.Generator().manual_seed(1))
    head = torch.randn(model.settings.padded_vocab_size, 8, generator=torch.Generator().manual_seed(2))
    found = linear_distillation(
        states,
        head,
        ids[:, 1:].flatten(),
        type(top)(*(each.flatten(0, 1) for each in top)),
        Distillation(share=1.0),
        size,
    )
    logits = torch.full((64, size), -torch.inf).scatter(1, top.ids.flatten(0, 1), top.values.flatten(0, 1))
    whole = linear_distillation(
        states, head, ids[:, 1:].flatten(), FullLogits(logits), Distillation(share=1.0), size
    )
    assert float(found.distance) == pytest.approx(float(whole.distance), rel=1e-5)
    assert torch.isinf(top.rest).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"k": 0}, "k = 0"),
        ({"context": 8, "stride": 9}, "stride = 9 is above context = 8"),
        ({"temperatures": ()}, "temperatures"),
        ({"temperatures": (1.0, 0.0)}, "temperatures"),
    ],
)
def test_settings_that_cannot_be_are_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        StoreSettings(**change)
