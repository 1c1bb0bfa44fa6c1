"""The very small models say what their helper promises: other tests' values rest on that."""

import math
from pathlib import Path

import pytest
import torch

from tests.tiny_models import END, bigram_logs, load, token_names, unigram_nats


def logs(model, ids: list[int]) -> torch.Tensor:
    """ln p (T, V) of what follows each id."""
    with torch.inference_mode():
        logits = model.model(torch.tensor([ids]))[0, :, : model.model.settings.vocab_size]
    return logits.log_softmax(-1)


@pytest.mark.parametrize("options", [{}, {"shuffle": 7}, {"pad_rows": 11}, {"merges": [(" ", "a")]}])
def test_unigram_costs_what_its_weights_say(tmp_path: Path, options: dict) -> None:
    model = load(tmp_path, "unigram", weights={"a": 3}, **options)
    names = token_names(options.get("merges", ()))
    nats = unigram_nats(names, {"a": 3})
    found = logs(model, model.tokenizer.encode("Any a. text"))
    for name in ("a", "b", "Z", "7", " ", "\n"):
        [number] = model.tokenizer.encode(name)
        assert torch.allclose(found[:, number], torch.tensor(-nats[name]), atol=1e-5)
    assert found[0, model.end_of_text].item() == pytest.approx(-nats[END], abs=1e-5)
    assert nats["b"] - nats["a"] == pytest.approx(math.log(3 / 8))


def test_uniform_knows_nothing(tmp_path: Path) -> None:
    found = logs(load(tmp_path, "uniform"), [1, 2, 3])
    assert torch.allclose(found, torch.tensor(-math.log(261)), atol=1e-5)


def test_bigram_looks_at_the_token_before(tmp_path: Path) -> None:
    table = {"": {"a": 1}, "a": {"b": 9, "c": 1}, END: {"a": 1}, "floor": 0.001}
    model = load(tmp_path, "bigram", table=table, roles=False)
    expected = torch.tensor(bigram_logs(token_names(roles=False), table), dtype=torch.float32)
    for ids in ([97, 98, 97], [256, 97]):
        assert torch.allclose(logs(model, ids), expected[ids], atol=1e-4)
    assert expected[97, 98].exp().item() == pytest.approx(9 / (10 + 0.001 * 255), rel=1e-5)


@pytest.mark.parametrize(
    "options", [{"tie": True}, {"family": "qwen3", "kv_heads": 2}, {"layers": 2, "seed": 3}]
)
def test_random_ones_look_at_all_that_stands_before(tmp_path: Path, options: dict) -> None:
    model = load(tmp_path, "random", **options)
    one, other = logs(model, [5, 6, 7]), logs(model, [4, 6, 7])
    assert (one[-1] - other[-1]).abs().max() > 1e-3
