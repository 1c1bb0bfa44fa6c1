"""Preferences by their numbers: signs, beta, sums, the first step, and what has which gradient."""

import dataclasses
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from corpuskit.errors import SettingError
from corpuskit.train.model.lora import LoraSettings, add_adapters
from corpuskit.train.model.loss import CHUNK_LOGITS, IGNORED, TokenLosses
from corpuskit.train.model.preference import (
    Answers,
    Preference,
    answers_of,
    linear_log_probabilities,
    preference_losses,
)
from corpuskit.train.model.transformer import ModelSettings, Transformer, initialise
from tests.train.test_model import random_ids

SHAPE = ModelSettings(
    vocab_size=100, layers=2, width=32, heads=4, kv_heads=2, hidden=48, context=16, zero_init=False
)


def answers(value: float | Tensor, tokens: int) -> Answers:
    values = value if isinstance(value, Tensor) else torch.tensor([value], dtype=torch.float64)
    return Answers(values, torch.full((len(values),), tokens))


def losses(settings: Preference, chosen: float | Tensor = -10.0, rejected: float | Tensor = -12.5) -> Any:
    """Of a pair whose reference gives -11 and -11.5, of 4 and of 10 tokens."""
    policy = answers(chosen, 4), answers(rejected, 10)
    return preference_losses(policy, (answers(-11.0, 4), answers(-11.5, 10)), settings)


@pytest.mark.parametrize(
    ("settings", "value"),
    [
        (Preference(0.1), 0.598139),
        (Preference(0.1, label_smoothing=0.1), 0.618139),
        (Preference(0.5), 0.313262),
        (Preference(0.1, kind="ipo"), (1 / 4 + 1 / 10 - 5) ** 2),
    ],
)
def test_what_a_pair_costs(settings: Preference, value: float) -> None:
    found = losses(settings)
    assert found.losses.tolist() == pytest.approx([value], abs=1e-6)
    assert found.accuracy.tolist() == [1.0]
    beta = settings.beta
    assert found.chosen.tolist() == pytest.approx([beta])
    assert found.rejected.tolist() == pytest.approx([-beta])
    assert found.margins.tolist() == pytest.approx([2 * beta])


def test_what_a_pair_pulls_at() -> None:
    chosen, rejected = (
        torch.tensor([each], dtype=torch.float64, requires_grad=True) for each in (-10.0, -12.5)
    )
    losses(Preference(0.1), chosen, rejected).losses.sum().backward()
    assert chosen.grad is not None
    assert rejected.grad is not None
    assert float(chosen.grad) == pytest.approx(-0.045017, abs=1e-6)
    assert float(rejected.grad) == pytest.approx(0.045017, abs=1e-6)


def test_a_tie_counts_one_half() -> None:
    values = torch.tensor([-11.0, -10.0, -12.0], dtype=torch.float64)
    reference = answers(torch.full((3,), -11.0, dtype=torch.float64), 4)
    found = preference_losses((answers(values, 4), reference), (reference, reference), Preference())
    assert found.accuracy.tolist() == [0.5, 1.0, 0.0]


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("kind", ["dpo", "ipo"])
def test_the_gradient_of_a_pair_is_that_of_its_loss(kind: Any, smoothing: float) -> None:
    settings = Preference(0.3, 0.0 if kind == "ipo" else smoothing, kind)
    chance = torch.Generator().manual_seed(1)
    given = [torch.randn(5, generator=chance).double().requires_grad_() for _ in range(4)]

    def loss(*values: Tensor) -> Tensor:
        parts = [answers(each, 3) for each in values]
        return preference_losses((parts[0], parts[1]), (parts[2], parts[3]), settings).losses

    assert torch.autograd.gradcheck(lambda a, b: loss(a, b, given[2], given[3]), (given[0], given[1]))
    loss(*given).sum().backward()
    assert given[2].grad is None  # A reference is frozen, whatever it was made by.


# ----------------------------------------------------------------------------------- answers of a model
def pairs(rows: int = 4) -> tuple[Tensor, Tensor]:
    """Rows of ids and targets, of which a prompt of another length is left out in each."""
    ids = random_ids(rows, 13)
    inputs, targets = ids[:, :-1], ids[:, 1:].clone()
    for row in range(rows):
        targets[row, : 2 + row] = IGNORED
        targets[row, 11 - row :] = IGNORED
    return inputs, targets


def model_of(kind: str = "decoder", **changes: Any) -> Transformer:
    model = Transformer(dataclasses.replace(SHAPE, kind=kind, **changes))
    initialise(model, 2)
    return model.eval()


@pytest.mark.parametrize("kind", ["decoder", "encoder-decoder"])
def test_an_answer_is_the_sum_over_its_tokens(kind: str) -> None:
    model, (ids, targets) = model_of(kind), pairs()
    source = random_ids(4, 5, seed=9) if kind == "encoder-decoder" else None
    with torch.no_grad():
        memory = None if source is None else model.encode(source)
        scores = torch.log_softmax(model(ids, memory=memory)[..., :100], 2)
        found = answers_of(model, ids, targets, source=source)
    for row in range(4):
        places = [t for t in range(12) if targets[row, t] != IGNORED]
        expected = sum(float(scores[row, t, targets[row, t]]) for t in places)
        assert float(found.log_probabilities[row]) == pytest.approx(expected, abs=1e-4)
        assert int(found.tokens[row]) == len(places)


def unigram() -> tuple[Transformer, list[float]]:
    """A model whose next token is of known probability, whatever stands before; and the weights of bytes."""
    weights = [1.0] * 261
    for byte in range(256):
        letter = chr(byte)
        if byte < 128 and (letter.isalnum() or letter in " \n.,?!"):
            weights[byte] = {" ": 16.0, "\n": 4.0}.get(
                letter, 4.0 if letter.isdigit() else 2.0 if letter.isupper() else 8.0
            )
    weights[256], weights[260] = 32.0, 64.0  # the end of a text, and of a turn
    model = Transformer(
        dataclasses.replace(
            SHAPE, vocab_size=261, norm="rms", zero_init=True, tie_embeddings=False, context=40
        )
    )
    initialise(model, 0)
    with torch.no_grad():
        model.embedding.weight.fill_(1.0)
        model.head.weight.fill_(-50.0 / 32)
        model.head.weight[:261] = (torch.tensor(weights) / sum(weights)).log()[:, None] / 32
    return model.eval(), weights


@pytest.mark.parametrize(
    ("prompt", "answer", "value"),
    [
        ("Say hi", "hi", -11.0619),
        ("Say hi", "GO AWAY", -40.5889),
        ("2+2", "4", -7.3746),
        ("2+2", "five", -19.8229),
    ],
)
def test_an_answer_of_a_model_whose_probabilities_are_known(prompt: str, answer: str, value: float) -> None:
    """The answer and the end of its turn, nothing of the prompt."""
    model, _ = unigram()
    row = [256, *prompt.encode(), *answer.encode(), 260]
    targets = torch.tensor([row[1:]])
    targets[:, : len(prompt)] = IGNORED
    found = answers_of(model, torch.tensor([row[:-1]]), targets)
    assert found.log_probabilities.item() == pytest.approx(value, abs=1e-4)
    assert int(found.tokens) == len(answer) + 1


def test_the_first_loss_is_ln_2() -> None:
    """Whatever the pairs and beta are: policy and reference are the same, and so see the same tokens."""
    model, (ids, targets) = model_of(), pairs()
    with torch.no_grad():
        reference = answers_of(model, ids, targets)
    add_adapters(model, LoraSettings(2, 4, ("q", "v")), seed=1)
    optimizer = torch.optim.SGD([each for each in model.parameters() if each.requires_grad], lr=0.5)
    for beta in (0.1, 0.5):
        policy = answers_of(model, ids, targets)

        def halves(found: Answers) -> tuple[Answers, Answers]:
            return Answers(*(each[:2] for each in found)), Answers(*(each[2:] for each in found))

        first = preference_losses(halves(policy), halves(reference), Preference(beta))
        assert first.losses.tolist() == pytest.approx([math.log(2)] * 2, abs=1e-5)
        assert first.margins.tolist() == first.chosen.tolist() == first.rejected.tolist() == [0, 0]
        assert first.accuracy.tolist() == [0.5, 0.5]
    for _ in range(20):
        optimizer.zero_grad()
        now = preference_losses(halves(answers_of(model, ids, targets)), halves(reference), Preference(0.5))
        now.losses.mean().backward()
        optimizer.step()
    assert float(now.losses.detach().mean()) < 0.9 * math.log(2)


@pytest.mark.parametrize("softcap", [0.0, 2.0])
@pytest.mark.parametrize("frozen", ["", "states", "weight"])
def test_log_probabilities_and_their_gradient(
    softcap: float, frozen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CHUNK_LOGITS, "cpu", 45)
    chance = torch.Generator().manual_seed(1)
    states, weight = (torch.randn(n, 6, generator=chance).double().requires_grad_() for n in (9, 20))
    targets = torch.randint(0, 20, (9,), generator=chance)
    targets[[0, 5]] = IGNORED
    given = torch.randn(9, generator=chance).double()
    for name, tensor in (("states", states), ("weight", weight)):
        tensor.requires_grad_(name != frozen)
    found = linear_log_probabilities(states, weight, targets, TokenLosses(softcap))
    (found * given).sum().backward()
    z = states @ weight.T
    z = softcap * torch.tanh(z / softcap) if softcap else z
    scores = torch.log_softmax(z, 1).gather(1, targets.clamp_min(0)[:, None])[:, 0]
    expected = torch.where(targets == IGNORED, 0.0, scores)
    torch.testing.assert_close(found, expected)
    learning = [each for each in (states, weight) if each.requires_grad]
    for tensor, gradient in zip(
        learning, torch.autograd.grad((expected * given).sum(), learning), strict=True
    ):
        torch.testing.assert_close(tensor.grad, gradient)
    assert all(each.grad is None for each in (states, weight) if not each.requires_grad)


def test_rows_without_an_answer_have_probability_one() -> None:
    model, (ids, targets) = model_of(), pairs()
    targets[:] = IGNORED
    found = answers_of(model, ids, targets)
    assert found.log_probabilities.tolist() == [0.0] * 4
    assert found.tokens.tolist() == [0] * 4
    with pytest.raises(SettingError, match="an answer has no token"):
        preference_losses((found, found), (found, found), Preference(kind="ipo"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"beta": 0.0}, "beta = 0"),
        ({"label_smoothing": 0.5}, "label_smoothing = 0.5"),
        ({"kind": "kto"}, "kind = 'kto'"),
        ({"kind": "ipo", "label_smoothing": 0.1}, "none of ipo"),
    ],
)
def test_settings_that_cannot_be_are_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        Preference(**change)
