"""Distillation: which way a distance points, what temperature and masks do, and that sums add up."""

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from corpuskit.errors import SettingError
from corpuskit.train.model import loss as loss_module
from corpuskit.train.model.distances import (
    DIRECTIONS,
    Direction,
    Distillation,
    FullLogits,
    Teacher,
    TeacherHead,
    TopLogits,
    begun_from,
    check_layer_map,
    divergence,
    hidden_distance,
    layer_map,
    linear_distillation,
    rest_of,
    top_distribution,
)
from corpuskit.train.model.loss import CHUNK_LOGITS, IGNORED, TokenLosses, linear_cross_entropy
from corpuskit.train.model.transformer import ModelSettings, Transformer, initialise

# Logits for which the distances are worked out by hand: those of a teacher with probabilities 0.7, 0.2, 0.1
# and of a student with 0.3, 0.3, 0.4.
P, Q = torch.tensor([[0.7, 0.2, 0.1]]).double().log(), torch.tensor([[0.3, 0.3, 0.4]]).double().log()


def identity(n: int) -> Tensor:
    """A head with which states are logits."""
    return torch.eye(n, dtype=torch.float64)


def top_logits(logits: Tensor, k: int, temperature: float = 1.0) -> TopLogits:
    """The k likeliest of all tokens by a teacher's logits (M, W), in float32; the rest at a temperature."""
    scores = torch.log_softmax(logits.float(), 1)
    values, ids = scores.topk(k, dim=1)
    return TopLogits(values, ids, rest_of(scores, ids, temperature))


def distil(
    student: Tensor, teacher: Tensor | Teacher, targets: Tensor | None = None, **settings: Any
) -> tuple[float, Tensor]:
    """The mean distillation loss of logits, and its gradient by the student's."""
    student = student.clone().requires_grad_()
    given = FullLogits(teacher) if isinstance(teacher, Tensor) else teacher
    targets = torch.zeros(len(student), dtype=torch.long) if targets is None else targets
    n = student.shape[1]
    chosen = Distillation(**{"share": 1.0, **settings})
    found = linear_distillation(student, identity(n), targets, given, chosen, n)
    (found.total / found.positions).backward()
    assert student.grad is not None
    return float(found.total.detach() / found.positions), student.grad


def test_the_direction_of_a_distance() -> None:
    jsd = 0.094362
    for direction, value, turned in (
        ("forward", 0.373386, 0.421968),
        ("reverse", 0.421968, 0.373386),
        ("jsd", jsd, jsd),
    ):
        assert distil(Q, P, direction=direction)[0] == pytest.approx(value, abs=1e-6)
        assert distil(P, Q, direction=direction)[0] == pytest.approx(turned, abs=1e-6)
        assert distil(P, P, direction=direction)[0] == pytest.approx(0, abs=1e-12)
    assert distil(Q, P)[1][0].tolist() == pytest.approx([-0.4, 0.1, 0.3])
    apart = torch.tensor([[40.0, -40.0]]).double()
    assert distil(apart, apart.flip(1), direction="jsd")[0] == pytest.approx(math.log(2))


@pytest.mark.parametrize(
    ("temperature", "value", "gradient"),
    [
        (1.0, 0.261714, [-0.321733, 0.124155, 0.197578]),
        (2.0, 0.398799, [-0.373364, 0.056737, 0.316627]),
        (4.0, 0.473193, [-0.38917, 0.003869, 0.385301]),
    ],
)
def test_a_temperature_divides_both_and_comes_back_squared(
    temperature: float, value: float, gradient: list[float]
) -> None:
    teacher, student = (torch.tensor([each]).double() for each in ([2.0, 1.0, -1.0], [0.5, 0.5, 0.0]))
    found, slope = distil(student, teacher, temperature=temperature)
    assert found == pytest.approx(value, abs=1e-6)
    assert slope[0].tolist() == pytest.approx(gradient, abs=1e-6)


def test_the_plain_loss_is_taken_at_temperature_one() -> None:
    teacher, student = (torch.tensor([each]).double() for each in ([2.0, 1.0, -1.0], [0.5, 0.5, 0.0]))
    assert distil(student, teacher, temperature=2.0, share=0.5)[0] == pytest.approx(0.678410, abs=1e-6)
    assert distil(student, teacher, temperature=2.0, share=0.0)[0] == pytest.approx(0.958020, abs=1e-6)


# Two rows of four positions, of which the second row has one that counts.
TEACHER = torch.tensor(
    [
        [-0.98, -0.26, 2.5, 0.99, -2.46],
        [-0.01, -0.94, 0.22, -2.41, 0.36],
        [0.35, 2.36, 0.47, 0.77, -2.24],
        [3.38, -2.87, 1.65, -0.49, -1.32],
        [-0.98, -1.01, 0.57, -0.17, 2.22],
        [-2.74, -0.0, -1.34, 1.16, -3.18],
        [-0.52, 0.32, -2.23, 1.48, 0.27],
        [1.51, 1.44, -1.47, -1.2, -0.3],
    ]
).double()
STUDENT = torch.tensor(
    [
        [1.12, 1.28, -1.06, -0.91, -1.2],
        [-0.88, -0.36, -0.2, 3.09, -0.76],
        [-0.43, 0.69, -1.43, -0.55, 0.02],
        [1.16, -1.97, 2.06, -0.53, 0.25],
        [1.27, 0.99, 1.59, 0.26, -0.03],
        [0.47, -1.49, 1.82, -1.16, -1.89],
        [3.08, -0.2, -1.77, 2.78, -0.49],
        [1.59, -1.24, -0.37, -2.53, -2.86],
    ]
).double()
COUNTS = torch.tensor([0, 0, 0, 0, IGNORED, 0, IGNORED, IGNORED])
BY_POSITION = [2.144559, 2.317387, 0.274615, 0.762004, 1.418382, 2.330495, 0.828674, 0.787538]


def test_what_is_masked_counts_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for position, value in enumerate(BY_POSITION):
        one = slice(position, position + 1)
        assert distil(STUDENT[one], TEACHER[one])[0] == pytest.approx(value, abs=1e-6)
    mean, gradient = distil(STUDENT, TEACHER, COUNTS)
    assert mean == pytest.approx(1.565812, abs=1e-6)
    assert not gradient[COUNTS == IGNORED].any()
    assert gradient[COUNTS != IGNORED].abs().min() > 0

    # In two micro-batches the sums and counts add up, and so do chunks of one position each.
    parts = [
        linear_distillation(
            STUDENT[rows], identity(5), COUNTS[rows], FullLogits(TEACHER[rows]), Distillation(share=1.0), 5
        )
        for rows in (slice(0, 4), slice(4, 8))
    ]
    assert [int(part.positions) for part in parts] == [4, 1]
    assert float(sum(part.total for part in parts)) / 5 == pytest.approx(1.565812, abs=1e-6)
    monkeypatch.setitem(CHUNK_LOGITS, "cpu", 5)
    assert distil(STUDENT, TEACHER, COUNTS)[0] == pytest.approx(mean)


def test_what_a_teacher_says_where_nothing_counts_does_not_matter() -> None:
    silent = TEACHER.clone()
    silent[COUNTS == IGNORED] = torch.nan
    for direction in DIRECTIONS:
        found, expected = (distil(STUDENT, each, COUNTS, direction=direction) for each in (silent, TEACHER))
        assert found[0] == pytest.approx(expected[0])
        assert torch.equal(found[1], expected[1])


def test_of_stored_logits_the_rest_is_one_outcome() -> None:
    teacher = torch.tensor([[0.4, 0.3, 0.1, 0.1, 0.05, 0.05]]).double().log()
    student = torch.tensor([[0.45, 0.35, 0.05, 0.05, 0.05, 0.05]]).double().log()
    assert distil(student, top_logits(teacher, 2))[0] == pytest.approx(0.028281, abs=1e-6)
    assert distil(student, teacher)[0] == pytest.approx(0.045271, abs=1e-6)
    assert distil(student, top_logits(teacher, 6))[0] == pytest.approx(0.045271, abs=1e-6)
    assert distil(teacher, top_logits(teacher, 2))[0] == pytest.approx(0, abs=1e-7)
    # Any number may be added to a row's values, if it is added to the rest too.
    shifted = TopLogits(*(part if part.dtype == torch.long else part + 7 for part in top_logits(teacher, 2)))
    assert distil(student, shifted)[0] == pytest.approx(0.028281, abs=1e-6)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_stored_logits_never_say_more_than_all_of_them(direction: Direction, temperature: float) -> None:
    """Below the whole distance, never below 0, growing with k, and all of it where k is the vocabulary."""
    chance = torch.Generator().manual_seed(1)
    teacher, student = (torch.randn(50, 12, generator=chance).double() * 2 for _ in range(2))
    rows = range(len(teacher))

    def each(given: Tensor | Teacher, of: Tensor) -> list[float]:
        found = []
        for row in rows:
            one = slice(row, row + 1)
            part = given[one] if isinstance(given, Tensor) else TopLogits(*(x[one] for x in given))
            found.append(distil(of[one], part, direction=direction, temperature=temperature)[0])
        return found

    before = [0.0] * len(teacher)
    for k in (1, 3, 8, 12):
        top = top_logits(teacher, k, temperature)
        now = each(top, student)
        assert all(a <= b + 1e-6 for a, b in zip(before, now, strict=True))
        assert each(top, teacher) == pytest.approx([0.0] * len(teacher), abs=1e-5)
        before = now
    assert before == pytest.approx(each(teacher, student), abs=1e-4)


def teacher_of(
    kind: str, chance: torch.Generator, rows: int, tokens: int, t: float
) -> tuple[Teacher, Tensor]:
    """A teacher in one of its forms, and its log-probabilities at a temperature."""
    states = torch.randn(rows, 5, generator=chance).double()
    head = torch.randn(tokens + 3, 5, generator=chance).double()
    logits = states @ head[:tokens].T
    if kind == "head":
        return TeacherHead(states, head), torch.log_softmax(logits / t, 1)
    if kind == "full":
        return FullLogits(logits), torch.log_softmax(logits / t, 1)
    top = top_logits(logits, 4, t)
    return top, top_distribution(top, t)


@pytest.mark.parametrize(
    ("direction", "kind", "temperature", "share", "padding", "softcap"),
    [
        (*each, padding, softcap)
        for each in itertools.product(DIRECTIONS, ("full", "head", "top"), (1.0, 3.0), (1.0, 0.3))
        for padding, softcap in ((0, 0.0), (3, 2.0))
    ],
)
def test_gradients_equal_autograds(
    direction: Direction,
    kind: str,
    temperature: float,
    share: float,
    padding: int,
    softcap: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The loss written down, in float64: smoothed labels, caps, padded heads, rows that do not count."""
    monkeypatch.setitem(CHUNK_LOGITS, "cpu", 40)
    chance, rows, tokens = torch.Generator().manual_seed(3), 7, 11
    teacher, log_p = teacher_of(kind, chance, rows, tokens, temperature)
    log_p = log_p.double()
    states = torch.randn(rows, 4, generator=chance).double().requires_grad_()
    weight = torch.randn(tokens + padding, 4, generator=chance).double().requires_grad_()
    targets = torch.randint(0, tokens, (rows,), generator=chance)
    targets[[2, 6]] = IGNORED
    settings = Distillation(direction, temperature, share, label_smoothing=0.1)
    found = linear_distillation(states, weight, targets, teacher, settings, tokens, TokenLosses(softcap))
    found.total.backward()

    def written() -> tuple[Tensor, Tensor]:
        z = states @ weight.T
        z = softcap * torch.tanh(z / softcap) if softcap else z
        log_all = torch.log_softmax(z, 1)
        hard = -0.9 * log_all.gather(1, targets.clamp_min(0)[:, None])[:, 0] - 0.1 * log_all[:, :tokens].mean(
            1
        )
        log_q = torch.log_softmax(z[:, :tokens] / temperature, 1)
        if isinstance(teacher, TopLogits):
            q = log_q.exp()
            inside = q.gather(1, teacher.ids)
            log_q = torch.cat([inside, 1 - inside.sum(1, keepdim=True)], 1).log()
        p, q, log_m = log_p.exp(), log_q.exp(), (log_p.exp() / 2 + log_q.exp() / 2).log()
        distance = {
            "forward": p * (log_p - log_q),
            "reverse": q * (log_q - log_p),
            "jsd": (p * (log_p - log_m) + q * (log_q - log_m)) / 2,
        }[direction].sum(1) * temperature**2
        counts = targets != IGNORED
        return hard[counts].sum(), distance[counts].sum()

    plain, distance = written()
    expected = torch.autograd.grad((1 - share) * plain + share * distance, (states, weight))
    total = (1 - share) * plain + share * distance
    for sum_, written_down in zip(found[:3], (total, plain, distance), strict=True):
        assert sum_.item() == pytest.approx(written_down.item(), rel=1e-5)
    # Of the stored form the teacher is float32.
    close = {"atol": 1e-5, "rtol": 1e-5} if kind == "top" else {"atol": 1e-9, "rtol": 1e-7}
    torch.testing.assert_close(states.grad, expected[0], **close)
    torch.testing.assert_close(weight.grad, expected[1], **close)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_of_classes_the_same_by_autograd(direction: Direction) -> None:
    student = STUDENT.clone().requires_grad_()
    found = divergence(student, TEACHER, direction, 2.0)
    found.mean().backward()
    expected, gradient = distil(STUDENT, TEACHER, direction=direction, temperature=2.0)
    assert found.mean().item() == pytest.approx(expected)
    torch.testing.assert_close(student.grad, gradient)


# ------------------------------------------------------------------------------------------ frozen heads
def test_of_a_frozen_head_no_gradient_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = torch.Generator().manual_seed(1)
    states = torch.randn(9, 6, generator=chance, requires_grad=True)
    weight = torch.randn(20, 6, generator=chance, requires_grad=True)
    targets = torch.randint(0, 20, (9,), generator=chance)
    expected = linear_cross_entropy(states, weight, targets)
    to_states, to_weight = torch.autograd.grad(expected, (states, weight))
    products = []
    real = loss_module.with_product
    monkeypatch.setattr(loss_module, "with_product", lambda *a: products.append(1) or real(*a))
    loss = linear_cross_entropy(states, weight.detach(), targets)
    loss.backward()
    assert not products
    assert torch.equal(loss, expected)
    assert torch.equal(states.grad, to_states)  # type: ignore[arg-type]
    # Of frozen states none either.
    loss = linear_cross_entropy(states.detach(), weight, targets)
    loss.backward()
    assert products
    assert torch.equal(weight.grad, to_weight)  # type: ignore[arg-type]


# ----------------------------------------------------------------------------------------- hidden states
def test_hidden_states_by_hand() -> None:
    student = [torch.tensor([[[1.0, 0.0], [0.0, 2.0]]]), torch.tensor([[[3.0, 4.0], [1.0, 1.0]]])]
    teacher = [
        torch.zeros(1, 2, 2),
        torch.tensor([[[0.0, 1.0], [2.0, 0.0]]]),
        torch.tensor([[[6.0, 8.0], [9.0, 9.0]]]),
    ]
    every, first = torch.ones(1, 2, dtype=torch.bool), torch.tensor([[True, False]])
    layers = {1: 2, 2: 3}
    # Layer 1: squares 2 and 8, halved; layer 2: 25 and 128, halved; the mean over the layers.
    assert float(hidden_distance(student, teacher, layers, every)) == pytest.approx((5 + 76.5) / 2)
    assert float(hidden_distance(student, teacher, layers, first)) == pytest.approx((1 + 12.5) / 2)
    assert float(hidden_distance(student, teacher, layers, every, "cosine")) == pytest.approx(1.0)
    assert float(hidden_distance(student, teacher, {2: 3}, every, "cosine")) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("kind", ["mse", "cosine"])
def test_hidden_states_have_the_gradient_of_their_distance(kind: Any) -> None:
    chance = torch.Generator().manual_seed(1)
    student = torch.randn(2, 3, 4, generator=chance).double().requires_grad_()
    teacher = torch.randn(2, 3, 4, generator=chance).double().requires_grad_()
    counted = torch.tensor([[True, True, False], [True, False, False]])
    assert torch.autograd.gradcheck(
        lambda x: hidden_distance([x], [teacher.detach()], {1: 1}, counted, kind), (student,)
    )
    hidden_distance([student], [teacher], {1: 1}, counted, kind).backward()
    assert teacher.grad is None
    assert student.grad is not None
    assert not student.grad[~counted].any()


def test_layers_are_spread_evenly() -> None:
    assert layer_map(2, 4) == {1: 2, 2: 4}
    assert layer_map(3, 12) == {1: 4, 2: 8, 3: 12}
    assert layer_map(4, 2) == {1: 1, 2: 1, 3: 2, 4: 2}
    check_layer_map({1: 2, 2: 4}, (2, 8), (4, 8))
    for layers, student, teacher, words in (
        ({3: 1}, (2, 8), (4, 8), "layer 3 of the student, which has 2"),
        ({1: 0}, (2, 8), (4, 8), "layer 0 of the teacher, which has 4"),
        ({}, (2, 8), (4, 8), "no layer"),
        ({1: 1}, (2, 8), (4, 16), "width 8 and a teacher of 16"),
    ):
        with pytest.raises(SettingError, match=words):
            check_layer_map(layers, student, teacher)


@pytest.mark.parametrize("kind", ["decoder", "encoder", "encoder-decoder"])
def test_a_student_begins_with_layers_of_its_teacher(kind: Any) -> None:
    shape: dict[str, Any] = {
        "vocab_size": 60,
        "width": 16,
        "heads": 2,
        "kv_heads": 2,
        "hidden": 24,
        "context": 8,
    }
    teacher = Transformer(ModelSettings(layers=4, kind=kind, zero_init=False, **shape))
    initialise(teacher, 1)
    student = Transformer(ModelSettings(layers=2, kind=kind, zero_init=False, **shape))
    weights = begun_from(teacher.state_dict(), {1: 2, 2: 4})
    student.load_state_dict(weights)
    stack = "encoder" if kind == "encoder" else "decoder"
    for ours, theirs in ((0, 1), (1, 3)):
        name = "blocks.{}.mlp.down.weight"
        assert torch.equal(
            getattr(student, stack).get_parameter(name.format(ours)),
            getattr(teacher, stack).get_parameter(name.format(theirs)),
        )
    student.load_state_dict(begun_from(teacher.state_dict(), {1: 2, 2: 1}))
    # All layers of the teacher in their order are the teacher.
    whole = begun_from(teacher.state_dict(), layer_map(4, 4))
    assert whole.keys() == teacher.state_dict().keys()
    assert all(torch.equal(tensor, teacher.state_dict()[name]) for name, tensor in whole.items())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"direction": "forwards"}, "direction = 'forwards'"),
        ({"temperature": 0.0}, "temperature = 0"),
        ({"share": 1.5}, "share = 1.5"),
        ({"label_smoothing": -0.1}, "label_smoothing = -0.1"),
    ],
)
def test_settings_that_cannot_be_are_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        Distillation(**change)
