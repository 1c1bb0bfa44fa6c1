"""Classes of padded rows: what stands beside a text in its batch, or behind it, changes nothing of it."""

import dataclasses

import pytest
import torch

from corpuskit.train.model.transformer import ModelSettings, Pooling, Transformer, initialise, is_real, pool
from tests.train.test_model import random_ids

SHAPE = ModelSettings(
    vocab_size=100, layers=2, width=32, heads=4, kv_heads=2, hidden=64, context=40, classes=3, zero_init=False
)
LENGTHS = [1, 4, 18, 40, 4, 19]
"""Rows of six texts, the fourth as long as the context; the second and the fifth are the same text."""

WAYS: list[tuple[str, Pooling]] = [
    ("decoder", "last"),
    ("decoder", "mean"),
    ("encoder", "mean"),
    ("encoder", "first"),
    ("encoder", "last"),
    ("encoder-decoder", "mean"),
    ("encoder-decoder", "first"),
    ("encoder-decoder", "last"),
]


def classifier(kind: str, seed: int = 0) -> Transformer:
    model = Transformer(dataclasses.replace(SHAPE, kind=kind))
    initialise(model, seed)
    generator = torch.Generator().manual_seed(seed)
    torch.nn.init.normal_(model.classifier.weight, generator=generator)
    return model.eval()


def texts() -> list[torch.Tensor]:
    found = [random_ids(1, length, seed=length)[0] for length in LENGTHS]
    return found


def batch(rows: list[torch.Tensor], junk: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows padded on the right to the longest, with numbers that mean something to a model."""
    longest = max(map(len, rows))
    padded = [torch.cat([row, random_ids(1, 40, seed=junk + i)[0]])[:longest] for i, row in enumerate(rows)]
    return torch.stack(padded), torch.tensor([len(row) for row in rows])


@pytest.mark.parametrize(("kind", "pooling"), WAYS)
def test_a_prediction_does_not_depend_on_its_batch(kind: str, pooling: Pooling) -> None:
    model, rows = classifier(kind), texts()
    with torch.no_grad():
        alone = torch.cat([model.classify(*batch([row], 0), pooling) for row in rows])
        for size in (2, 6):
            for order in (range(6), range(5, -1, -1)):
                for first in range(0, 6, size):
                    chosen = list(order)[first : first + size]
                    found = model.classify(*batch([rows[i] for i in chosen], 50 * size), pooling)
                    torch.testing.assert_close(found, alone[chosen], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(alone[1], alone[4])
    # Neither is it blind: texts that differ get other classes.
    assert (alone[0] - alone[2]).abs().max() > 0.01


@pytest.mark.parametrize("kind", ["decoder", "encoder", "encoder-decoder"])
def test_classes_of_positions_do_not_depend_on_the_batch(kind: str) -> None:
    model, rows = classifier(kind), texts()
    with torch.no_grad():
        found = model.classify_positions(*batch(rows, 7))
        for row, logits in zip(rows, found, strict=True):
            alone = model.classify_positions(row[None], torch.tensor([len(row)]))[0]
            torch.testing.assert_close(logits[: len(row)], alone, atol=1e-5, rtol=1e-5)
    assert found.shape == (6, 40, 3)


@pytest.mark.parametrize(("kind", "usual"), [("decoder", "last"), ("encoder", "mean")])
def test_what_is_usual_is_taken_where_nothing_is_said(kind: str, usual: Pooling) -> None:
    model = classifier(kind)
    rows = batch(texts(), 3)
    assert torch.equal(model.classify(*rows), model.classify(*rows, usual))


def test_a_text_read_through_is_seen_by_both_sides() -> None:
    """The class of an encoder-decoder's last position follows from the encoder, and from the decoder."""
    model, row = classifier("encoder-decoder"), batch(texts()[:1], 0)
    before = model.classify(*row, "last")
    for part in (model.encoder, model.decoder):
        kept = part.blocks[0].mlp.down.weight.detach().clone()
        with torch.no_grad():
            part.blocks[0].mlp.down.weight.mul_(-2)
        assert not torch.allclose(model.classify(*row, "last"), before)
        with torch.no_grad():
            part.blocks[0].mlp.down.weight.copy_(kept)
    assert torch.equal(model.classify(*row, "last"), before)


def test_the_first_position_of_a_decoder_tells_nothing() -> None:
    with pytest.raises(ValueError, match="pooling = 'first': a decoder's first position"):
        classifier("decoder").classify(*batch(texts(), 0), "first")


def test_pooled_by_hand() -> None:
    states = torch.arange(12.0).view(2, 3, 2)
    lengths = torch.tensor([2, 3])
    assert is_real(states, lengths).tolist() == [[True, True, False], [True, True, True]]
    assert pool(states, lengths, "first").tolist() == [[0, 1], [6, 7]]
    assert pool(states, lengths, "last").tolist() == [[2, 3], [10, 11]]
    assert pool(states, lengths, "mean").tolist() == [[1, 2], [8, 9]]


def test_padding_gets_no_gradient() -> None:
    for kind, pooling in WAYS:
        model = classifier(kind)
        ids, lengths = batch(texts(), 0)
        ids[is_real(ids, lengths).logical_not()] = 99  # Stands nowhere else.
        assert not (ids[is_real(ids, lengths)] == 99).any()
        model.classify(ids, lengths, pooling).square().sum().backward()
        assert model.embedding.weight.grad is not None
        assert not model.embedding.weight.grad[99].any(), (kind, pooling)


@pytest.mark.parametrize("kind", ["decoder", "encoder", "encoder-decoder"])
def test_hidden_states_are_those_that_the_model_computes(kind: str) -> None:
    model, ids = classifier(kind), random_ids(2, 9)
    kept: list[torch.Tensor] = []
    states = model.states(ids, kept=kept)
    stack = model.encoder if kind == "encoder" else model.decoder
    assert [each.shape for each in kept] == [(2, 9, 32)] * 2
    assert torch.equal(stack.norm(kept[-1]), states)
    assert torch.equal(states, model.states(ids))
    if kind == "encoder-decoder":
        kept = []
        memory = model.encode(ids, kept=kept)
        assert torch.equal(model.encoder.norm(kept[-1]), memory)
