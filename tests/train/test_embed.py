"""Vectors of texts: values known by hand, transformers on the export, and no text that sees its neighbours.

A bigram model's last hidden vector of a byte is 1 at that byte's place and 0 elsewhere, to 1e-6.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from corpuskit.errors import SettingError, TrainError
from corpuskit.storage.files import json_bytes
from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train import LanguageModel, ModelSettings, Transformer
from corpuskit.train.generate.embed import (
    Embedder,
    LongTexts,
    VectorSettings,
    normalised,
    pooled,
    stored,
    windows_of,
)
from corpuskit.train.generate.generate import model_document
from corpuskit.train.hub.export import export_model
from corpuskit.train.model.transformer import Pooling
from tests.tiny_models import load, write_hub

TEXTS = ["kite", "a", "owl at dusk", "a", "the miller sold a lantern", "kite"]
POOLINGS: tuple[Pooling, ...] = ("mean", "first", "last")
SHAPE = ModelSettings(
    vocab_size=257, layers=2, width=32, heads=4, kv_heads=4, hidden=48, context=32, qk_norm=False
)


@pytest.fixture(scope="module")
def bigram(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return load(tmp_path_factory.mktemp("bigram"), "bigram", table={}, roles=False)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    """The same with a context of 16 tokens."""
    return load(tmp_path_factory.mktemp("short"), "bigram", table={}, roles=False, context=16)


@pytest.fixture(scope="module")
def tokenizer_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bytes")
    return write_hub(folder / "hub", "uniform", roles=False) / "tokenizer.json"


def random_model(folder: Path, tokenizer_file: Path, **changes: object) -> Path:
    """A model folder with random weights everywhere, great enough for every part to count."""
    folder.mkdir(exist_ok=True)
    (folder / "tokenizer.json").write_bytes(tokenizer_file.read_bytes())
    settings = dataclasses.replace(SHAPE, **changes)  # type: ignore[arg-type]
    document = model_document(settings, 256, Tokenizer.load(tokenizer_file).sha256)
    (folder / "model.json").write_bytes(json_bytes(document))
    generator = torch.Generator().manual_seed(3)
    state = {}
    for name, tensor in Transformer(settings).state_dict().items():
        numbers = torch.randn(tensor.shape, generator=generator)
        state[name] = 1 + 0.3 * numbers if tensor.dim() == 1 else numbers * 0.2
    save_file(state, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module", params=["decoder", "encoder", "encoder-decoder"])
def any_kind(
    request: pytest.FixtureRequest, tokenizer_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> LanguageModel:
    folder = tmp_path_factory.mktemp(request.param) / "model"
    return LanguageModel.load(random_model(folder, tokenizer_file, kind=request.param))


def entries(vector: np.ndarray) -> dict[str, float]:
    """What is not 0, by its byte."""
    return {chr(place): round(float(vector[place]), 4) for place in np.flatnonzero(np.abs(vector) > 1e-5)}


# ------------------------------------------------------------------------------------------------ values
@pytest.mark.parametrize("batch", [1, 2, 5])
def test_a_mean_is_over_the_texts_own_tokens(bigram: LanguageModel, batch: int) -> None:
    texts = ["aab", "abcabcabcabcabc", "b", "aab", "zz zz"]
    plain = bigram.embed(texts, batch_rows=batch)
    assert plain.shape == (5, 288)
    assert plain.dtype == np.float32
    assert [entries(each) for each in plain] == [
        {"a": 0.6667, "b": 0.3333},
        {"a": 0.3333, "b": 0.3333, "c": 0.3333},
        {"b": 1.0},
        {"a": 0.6667, "b": 0.3333},
        {" ": 0.2, "z": 0.8},
    ]
    unit = bigram.embed(texts, normalize=True, batch_rows=batch)
    assert [entries(each) for each in unit[:3]] == [
        {"a": 0.8944, "b": 0.4472},
        {"a": 0.5774, "b": 0.5774, "c": 0.5774},
        {"b": 1.0},
    ]
    assert np.linalg.norm(unit, axis=1) == pytest.approx(1, abs=1e-6)
    for found in (plain, unit):
        assert found[0].tobytes() == found[3].tobytes()
    assert np.allclose(plain, bigram.embed(texts), rtol=0, atol=1e-5)


@pytest.mark.parametrize("batch", [1, 3])
def test_first_and_last_are_tokens_of_the_text(bigram: LanguageModel, batch: int) -> None:
    texts = ["kite", "a", "owl at dusk"]
    for pooling, expected in (("first", "kao"), ("last", "eak")):
        found = bigram.embed(texts, pooling, batch_rows=batch)
        assert [entries(each) for each in found] == [{each: 1.0} for each in expected]


def test_a_text_without_a_token_is_zeros(bigram: LanguageModel) -> None:
    texts = ["", "fog", "   ", "fog"]
    for pooling in POOLINGS:
        found = bigram.embed(texts, pooling, normalize=True)
        assert np.isfinite(found).all()
        assert not found[0].any()
        assert np.linalg.norm(found[1:], axis=1) == pytest.approx(1, abs=1e-6)
        assert entries(found[2]) == {" ": 1.0}
    assert not bigram.embed([""]).any()
    assert bigram.embed([]).shape == (0, 288)


@pytest.mark.parametrize(
    ("rule", "first", "last"),
    [
        ("cut", {"a": 1.0}, {"e": 1.0}),
        ("windows", {"a": 0.6667, "b": 0.3333}, {"e": 0.4848, "f": 0.4848, "g": 0.0303}),
        ("windows-alike", {"a": 0.5, "b": 0.5}, {"e": 0.3333, "f": 0.3333, "g": 0.3333}),
    ],
)
def test_long_texts_by_a_named_rule(
    short: LanguageModel, rule: LongTexts, first: dict[str, float], last: dict[str, float]
) -> None:
    texts = ["a" * 16 + "b" * 8, "c" * 10, "d" * 16, "e" * 16 + "f" * 16 + "g"]
    found = short.embed(texts, long_texts=rule)
    assert entries(found[0]) == first
    assert entries(found[3]) == last
    fits = short.embed(texts[1:3])
    assert found[1:3].tobytes() == fits.tobytes(), "what fits is equal under every rule"


def test_windows_that_overlap(short: LanguageModel) -> None:
    assert windows_of(24, 16, VectorSettings(overlap=8)) == [(0, 16), (8, 24)]
    assert windows_of(17, 16, VectorSettings(overlap=8)) == [(0, 16), (8, 17)]
    assert windows_of(16, 16, VectorSettings(overlap=8)) == [(0, 16)]
    found = short.embed(["a" * 16 + "b" * 8], overlap=8)
    assert entries(found[0]) == {"a": 0.75, "b": 0.25}
    with pytest.raises(SettingError, match="overlap = 9 is more than half of the model's context of 16"):
        short.embed(["a"], overlap=9)


def test_halves_are_stored_and_never_computed() -> None:
    cases = [
        ([300.0, 400.0], [0.600098, 0.799805]),
        ([0.003, 0.004], [0.600098, 0.799805]),
        ([40000.0, -40000.0], [0.707031, -0.707031]),
        ([1.0, 2.0], [0.447266, 0.894531]),
    ]
    for given, expected in cases:
        found = stored(normalised(np.array([given], np.float16)), ["x"], half=True)
        assert found.dtype == np.float16
        assert found[0].tolist() == pytest.approx(expected, abs=2**-11), "one unit of half"
    states = torch.tensor([[[40000.0, 1.0], [40000.0, 3.0], [40000.0, 2.0]]], dtype=torch.float16)
    assert pooled(states, torch.tensor([3]), "mean").tolist() == [[40000.0, 2.0]]
    with pytest.raises(TrainError, match=r"vector of k7 holds 70000, and float16 ends at 65,504"):
        stored(np.array([[1.0, 2.0], [70000.0, 1.0]], np.float32), ["k1", "k7"], half=True)
    with pytest.raises(TrainError, match="vector of k1 holds a number that is not finite"):
        stored(np.array([[np.nan, 2.0]], np.float32), ["k1"])


# ------------------------------------------------------------------------------------- kinds and batches
@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_vector_does_not_depend_on_the_other_texts(any_kind: LanguageModel, pooling: Pooling) -> None:
    alone = np.concatenate([any_kind.embed(text, pooling) for text in TEXTS])
    for batch in (1, 3, 32):
        together = any_kind.embed(TEXTS, pooling, batch_rows=batch)
        assert np.allclose(together, alone, rtol=0, atol=1e-5)
        backwards = any_kind.embed(TEXTS[::-1], pooling, batch_rows=batch)[::-1]
        assert np.allclose(backwards, alone, rtol=0, atol=1e-5)
        assert together[0].tobytes() == together[5].tobytes()
        assert together[1].tobytes() == together[3].tobytes()
    assert np.abs(alone).max() > 0.1


def test_every_kind_of_model_has_vectors(any_kind: LanguageModel) -> None:
    """What is pooled is the output of the last norm, and of an encoder-decoder its memory."""
    text, network = "a river", any_kind.model
    ids = torch.tensor([any_kind.tokenizer.encode(text)])
    with torch.inference_mode():
        decoder = network.settings.kind == "decoder"
        states = network.states(ids)[0] if decoder else network.encode(ids)[0]
    for pooling, expected in (("mean", states.mean(0)), ("first", states[0]), ("last", states[-1])):
        assert np.allclose(any_kind.embed(text, pooling)[0], expected.numpy(), rtol=0, atol=1e-5)


def test_a_decoders_first_token_knows_itself_alone(any_kind: LanguageModel) -> None:
    found = any_kind.embed(["a river", "a sea and its mouth"], "first")
    assert np.allclose(found[0], found[1], atol=1e-6) == (any_kind.model.settings.kind == "decoder")


def test_processes_share_the_work_and_find_the_same(any_kind: LanguageModel) -> None:
    settings = VectorSettings()
    parts = [
        Embedder(any_kind.model, any_kind.tokenizer, settings, 2, share=(number, 2)).vectors(TEXTS)[0]
        for number in range(2)
    ]
    assert all(0 < np.count_nonzero(part.any(axis=1)) < len(TEXTS) for part in parts)
    assert (parts[0] + parts[1]).tobytes() == any_kind.embed(TEXTS, batch_rows=2).tobytes()


def test_long_batches_are_made_smaller(bigram: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corpuskit.train.generate.embed.BATCH_TOKENS", 20)
    embedder, seen = Embedder(bigram.model, bigram.tokenizer, VectorSettings()), []
    read = embedder._read
    monkeypatch.setattr(embedder, "_read", lambda pieces: seen.append(list(map(len, pieces))) or read(pieces))
    embedder.vectors(["a" * size for size in (30, 3, 9, 10, 4)])
    assert seen == [[3, 4], [9, 10], [30]]


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "encoder", "norm": "layer"},
        {"kind": "decoder", "norm": "rms", "kv_heads": 2},
    ],
    ids=["encoder", "decoder"],
)
def test_transformers_gives_the_same_vectors(
    changes: dict[str, object], tokenizer_file: Path, tmp_path: Path
) -> None:
    """On the exported model, padded on the right, with vectors pooled here by hand."""
    import transformers

    model = random_model(tmp_path / "model", tokenizer_file, **changes)
    export_model(model, tmp_path / "exported", check=False)
    theirs = transformers.AutoModel.from_pretrained(tmp_path / "exported").eval()
    own = LanguageModel.load(model)
    lines = [own.tokenizer.encode(text) for text in TEXTS]
    longest = max(map(len, lines))
    ids = torch.tensor([line + [0] * (longest - len(line)) for line in lines])
    seen = torch.tensor([[1] * len(line) + [0] * (longest - len(line)) for line in lines])
    with torch.inference_mode():
        states = theirs(input_ids=ids, attention_mask=seen).last_hidden_state
    rows = [state[: len(line)] for state, line in zip(states, lines, strict=True)]
    for pooling, vectors in (
        ("mean", [row.mean(0) for row in rows]),
        ("first", [row[0] for row in rows]),
        ("last", [row[-1] for row in rows]),
    ):
        expected = torch.stack(vectors).numpy()
        assert np.abs(own.embed(TEXTS, pooling) - expected).max() < 1e-4
        unit = expected / np.linalg.norm(expected, axis=1, keepdims=True)
        assert np.abs(own.embed(TEXTS, pooling, normalize=True) - unit).max() < 1e-4


# ------------------------------------------------------------------------------------------------ refused
def test_what_is_not_known_is_refused(bigram: LanguageModel) -> None:
    for changes in ({"pooling": "max"}, {"long_texts": "some"}, {"overlap": -1}, {"batch_rows": 0}):
        with pytest.raises(SettingError, match=str(next(iter(changes.values())))):
            bigram.embed(["a"], **changes)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="overlap = 3 with long_texts = cut"):
        bigram.embed(["a"], long_texts="cut", overlap=3)


def test_weights_that_are_no_numbers_are_told(tmp_path: Path) -> None:
    broken = load(tmp_path, "random", roles=False)
    with torch.no_grad():
        broken.model.embedding.weight[ord("x")] = float("nan")
    with pytest.raises(TrainError, match="the vector of text 2 holds a number that is not finite"):
        broken.embed(["fog", "x-ray", "fog"])
