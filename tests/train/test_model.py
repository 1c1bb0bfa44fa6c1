"""The model against its own equations: who sees whom, counts, rotary positions, attention written out."""

import dataclasses
import itertools
import math
from typing import Any, Literal

import pytest
import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from corpuskit.train.device import ends_of, on_device, takes_ends
from corpuskit.train.model.cost import parameter_count, training_flops
from corpuskit.train.model.loss import CHUNK_LOGITS, IGNORED, chunk_rows, linear_cross_entropy
from corpuskit.train.model.transformer import (
    Attention,
    Dropout,
    Ends,
    ModelSettings,
    Norm,
    Rotation,
    Sight,
    Transformer,
    attend,
    expands,
    initialise,
    rotary_tables,
    rotate,
    sight,
)

SHAPE = ModelSettings(vocab_size=100, layers=2, width=32, heads=4, kv_heads=4, hidden=64, context=12)
VARIANTS = [
    dataclasses.replace(SHAPE, norm=norm, qk_norm=qk_norm, kv_heads=kv_heads, tie_embeddings=tie)
    for norm, qk_norm, kv_heads, tie in itertools.product(
        ("layer", "rms"), (True, False), (4, 1), (True, False)
    )
]
VARIANTS.append(dataclasses.replace(SHAPE, heads=6, kv_heads=3, head_dim=12))


KINDS = [
    dataclasses.replace(SHAPE, kind=kind, activation=activation, classes=classes)
    for kind, activation, classes in itertools.product(
        ("encoder", "encoder-decoder"), ("swiglu", "geglu", "gelu", "relu2"), (0, 3)
    )
]
KINDS += [dataclasses.replace(each, kv_heads=2, head_dim=4) for each in KINDS[::8]]


def decoder(settings: ModelSettings, seed: int = 0) -> Transformer:
    """A model with weights everywhere: neither output projections nor heads are left at zero."""
    model = Transformer(dataclasses.replace(settings, zero_init=False))
    initialise(model, seed)
    generator = torch.Generator().manual_seed(seed)
    for name in ("head", "classifier"):
        if hasattr(model, name):
            torch.nn.init.normal_(getattr(model, name).weight, generator=generator)
    return model.eval()


def random_ids(rows: int, positions: int, seed: int = 1) -> torch.Tensor:
    return torch.randint(0, 100, (rows, positions), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("settings", VARIANTS)
def test_no_position_sees_a_later_one(settings: ModelSettings) -> None:
    model = decoder(settings)
    ids = torch.randint(0, 100, (2, 12), generator=torch.Generator().manual_seed(1))
    before = model(ids)
    for position in range(12):
        changed = ids.clone()
        changed[:, position] = (changed[:, position] + 1) % 100
        after = model(changed)
        assert torch.equal(after[:, :position], before[:, :position])
        assert not torch.allclose(after[:, position:], before[:, position:])


@pytest.mark.parametrize("settings", [*VARIANTS, *KINDS])
def test_counts_equal_the_formulas(settings: ModelSettings) -> None:
    """Attention's own products are told by formula alone: which kernel counts them how is no concern."""
    model = decoder(settings)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameter_count(settings)
    ids, source = torch.zeros((3, 12), dtype=torch.long), torch.zeros((3, 7), dtype=torch.long)
    both = settings.kind == "encoder-decoder"
    with FlopCounterMode(display=False) as counter:
        model.loss(ids, ids, source=source if both else None).backward()
    counts = counter.get_flop_counts()["Global"]
    products = sum(count for kind, count in counts.items() if "attention" not in str(kind))
    # The head is multiplied once more forward and twice backward; the classifier is not used here.
    pairs = {"decoder": 72, "encoder": 144, "encoder-decoder": 72 + 7 * (7 + 12)}[settings.kind]
    unused = 6 * 12 * settings.classes * settings.width
    looks = settings.layers * 12 * settings.heads * settings.head_width * pairs
    assert products == 3 * (training_flops(settings, 12, 7 if both else 0) - looks - unused)


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_attention_equals_its_definition(kv_heads: int) -> None:
    settings = dataclasses.replace(SHAPE, kv_heads=kv_heads, qk_norm=False)
    attention = Attention(settings)
    torch.nn.init.normal_(attention.qkv.weight, generator=torch.Generator().manual_seed(0))
    x = torch.randn((2, 12, 32), generator=torch.Generator().manual_seed(1))
    rotation = rotary_tables(settings)
    q, k, v = attention.qkv(x).split([32, 8 * kv_heads, 8 * kv_heads], dim=-1)
    expected = torch.zeros(2, 12, 32)
    for row, head in itertools.product(range(2), range(4)):
        group = head * kv_heads // 4
        query = rotate(q[row, :, head * 8 : head * 8 + 8], rotation)
        key = rotate(k[row, :, group * 8 : group * 8 + 8], rotation)
        scores = (query @ key.T / math.sqrt(8)).masked_fill(torch.ones(12, 12).triu(1).bool(), -math.inf)
        expected[row, :, head * 8 : head * 8 + 8] = scores.softmax(-1) @ v[row, :, group * 8 : group * 8 + 8]
    torch.testing.assert_close(
        attention(x, rotation, Sight(True)), functional.linear(expected, attention.out.weight)
    )


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
@pytest.mark.parametrize("keys", [12, 300])
@pytest.mark.parametrize("seen", ["all", "causal", "masked"])
def test_attention_in_bfloat16_is_attention(kv_heads: int, keys: int, seen: str) -> None:
    """As many keys as are multiplied out, and more: both within what bfloat16 can tell of float32."""
    source = torch.Generator().manual_seed(kv_heads)
    positions = keys if seen == "causal" else 9
    q = torch.randn((2, 4, positions, 8), generator=source)
    k, v = (torch.randn((2, kv_heads, keys, 8), generator=source) for _ in range(2))
    mask = torch.rand((2, 1, positions, keys), generator=source) < 0.5
    mask[..., 0] = True
    sight = {"all": Sight(False), "causal": Sight(True), "masked": Sight(True, mask)}[seen]
    found = attend(q.bfloat16(), k.bfloat16(), v.bfloat16(), sight)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), attend(q, k, v, sight), atol=0.03, rtol=0.03)


@pytest.mark.parametrize(("norm", "usual"), [("layer", 1e-5), ("rms", 1e-6)])
def test_norms_add_their_number(norm: Literal["layer", "rms"], usual: float) -> None:
    """Activations as small as the number's root tell what it is."""
    x = torch.tensor([1e-3, -1e-3, 2e-3, -2e-3])
    for given, eps in ((0.0, usual), (0.5, 0.5)):
        settings = dataclasses.replace(SHAPE, norm=norm, norm_eps=given)
        expected = x / (x.square().mean() + eps).sqrt()
        torch.testing.assert_close(Norm(settings, 4)(x), expected)


def test_rotation_makes_products_relative() -> None:
    cos, sin = rotary_tables(dataclasses.replace(SHAPE, context=64))
    q, k = torch.randn((2, 8), generator=torch.Generator().manual_seed(0))

    def product(a: int, b: int) -> torch.Tensor:
        return (
            rotate(q[None], Rotation(cos[a : a + 1], sin[a : a + 1]))[0]
            @ rotate(k[None], Rotation(cos[b : b + 1], sin[b : b + 1]))[0]
        )

    for distance in (0, 1, 17):
        torch.testing.assert_close(product(5 + distance, 5), product(40 + distance, 40))
    assert not torch.allclose(product(6, 5), product(9, 5))


def test_rotations_have_the_gradient_of_their_definition() -> None:
    """On a CPU it is written by hand: against the angles themselves, and against numbers."""
    cos, sin = (table.double()[:5] for table in rotary_tables(SHAPE))
    x = torch.randn((2, 3, 5, 8), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    first, second = x.chunk(2, dim=-1)
    c, s = cos[:, :4], sin[:, 4:]
    expected = torch.cat([first * c - second * s, second * c + first * s], dim=-1)
    torch.testing.assert_close(rotate(x, Rotation(cos, sin)), expected)
    each = Rotation(cos[None, None].expand(2, 1, 5, 8), sin[None, None].expand(2, 1, 5, 8))
    torch.testing.assert_close(rotate(x, each), expected)
    assert torch.autograd.gradcheck(lambda x: rotate(x, Rotation(cos, sin)), x.requires_grad_())


@pytest.mark.parametrize("norm", ["layer", "rms"])
def test_one_batch_is_learnt_by_heart(norm: str) -> None:
    model = Transformer(dataclasses.replace(SHAPE, norm=norm))
    initialise(model, 0)
    ids = torch.randint(0, 100, (4, 13), generator=torch.Generator().manual_seed(1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(120):
        loss = model.loss(ids[:, :-1], ids[:, 1:]) / ids[:, 1:].numel()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(math.log(128), abs=0.3)
    assert losses[-1] < 0.02


def test_loss_is_the_sum_over_positions() -> None:
    model = decoder(SHAPE)
    ids = torch.randint(0, 100, (3, 13), generator=torch.Generator().manual_seed(1))
    logits = model(ids[:, :-1])[:, :, : SHAPE.vocab_size]
    each = functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none")
    torch.testing.assert_close(model.loss(ids[:, :-1], ids[:, 1:]), each.sum())


def test_the_padding_of_the_vocabulary_is_no_part_of_the_loss() -> None:
    model = decoder(SHAPE)
    ids = random_ids(2, 12)
    before = model.loss(ids, ids)
    assert model.settings.padded_vocab_size > model.settings.vocab_size
    with torch.no_grad():
        model.embedding.weight[model.settings.vocab_size :] = 5.0
    torch.testing.assert_close(model.loss(ids, ids), before)


def test_initial_weights_follow_from_the_seed_alone() -> None:
    torch.manual_seed(5)
    first = decoder(SHAPE, seed=3).state_dict()
    torch.manual_seed(6)
    second = decoder(SHAPE, seed=3).state_dict()
    other = decoder(SHAPE, seed=4).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["embedding.weight"], other["embedding.weight"])


def test_blocks_begin_as_the_identity() -> None:
    model = Transformer(SHAPE)
    initialise(model, 0)
    x = torch.randn(1, 12, 32, generator=torch.Generator().manual_seed(0))
    rotation = Rotation(model.cos, model.sin)
    assert torch.equal(model.decoder.blocks[0](x, rotation, Sight(True)), x)


@pytest.mark.parametrize(
    ("p", "dtype"), [(0.1, torch.float32), (0.5, torch.bfloat16), (0.999, torch.float32)]
)
def test_dropout_keeps_the_mean(p: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    ones = torch.ones((1000, 1003), dtype=dtype, requires_grad=True)
    dropped = Dropout(p)(ones)
    share = float((dropped == 0).double().mean())
    assert share == pytest.approx(min(p, 255 / 256), abs=1 / 256)
    assert float(dropped.detach().double().mean()) == pytest.approx(1, abs=0.05)
    dropped.sum().backward()
    assert torch.equal(ones.grad, dropped)
    assert Dropout(0.0)(ones) is ones
    # Columns are hit alike, and neighbours independently of each other.
    zero = dropped == 0
    assert zero.double().mean(0).std() < 2 * (share * (1 - share) / 1000) ** 0.5
    together = float((zero[:, 1:] & zero[:, :-1]).double().mean())
    assert together == pytest.approx(share**2, abs=0.005)


def test_dropout_acts_only_while_training() -> None:
    model = decoder(dataclasses.replace(SHAPE, dropout=0.5))
    ids = torch.zeros((1, 12), dtype=torch.long)
    assert torch.equal(model(ids), model(ids))
    model.train()
    assert not torch.equal(model(ids), model(ids))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"width": 30}, "width 30 must be a multiple of 2 x heads = 8"),
        ({"kv_heads": 3}, "heads 4 must be a multiple of kv_heads 3"),
        ({"layers": 0, "hidden": -1}, "layers must be at least 1, not 0; hidden must be at least 1, not -1"),
        ({"head_dim": 7}, "head_dim must be an even number, not 7"),
        ({"dropout": 1.0}, "dropout must lie in"),
        ({"norm": "batch"}, "norm must be one of layer, rms, not 'batch'"),
    ],
)
def test_impossible_shapes_are_named(change: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(SHAPE, **change)


def test_too_many_positions_are_named() -> None:
    with pytest.raises(ValueError, match="13 positions are more than the model's context 12"):
        decoder(SHAPE)(torch.zeros((1, 13), dtype=torch.long))


@pytest.mark.parametrize("settings", [s for s in KINDS if s.kind == "encoder"])
def test_every_position_of_an_encoder_sees_all(settings: ModelSettings) -> None:
    model = decoder(settings)
    ids = random_ids(1, 12)
    before = model(ids)
    for position in range(12):
        changed = ids.clone()
        changed[:, position] = (changed[:, position] + 1) % 100
        assert not torch.isclose(model(changed), before).all(-1).any()


@pytest.mark.parametrize("kind", ["decoder", "encoder"])
def test_no_document_sees_another(kind: str) -> None:
    """A document in a packed row, wherever it stands, is read as if it were alone."""
    model = decoder(dataclasses.replace(SHAPE, kind=kind))
    ids = random_ids(2, 12)
    documents = torch.tensor([[0] * 5 + [1] * 7, [0] * 1 + [1] * 3 + [2] * 8])
    packed = model(ids, documents=documents)
    for row, first, last in ((0, 0, 5), (0, 5, 12), (1, 0, 1), (1, 1, 4), (1, 4, 12)):
        alone = model(ids[row : row + 1, first:last])
        torch.testing.assert_close(packed[row, first:last], alone[0])
    assert not torch.allclose(packed, model(ids))


def test_documents_by_their_ends_are_the_same_as_by_mask() -> None:
    documents = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 2, 0]])
    ends, longest = ends_of(documents)
    assert ends.tolist() == [0, 2, 5, 8, 9, 10]
    assert longest == 5
    mask = sight(True, documents).mask
    assert mask is not None
    starts = ends[:-1].tolist()
    for row, query, key in itertools.product(range(2), range(5), range(5)):
        a, b = 5 * row + query, 5 * row + key
        together = max(s for s in starts if s <= a) == max(s for s in starts if s <= b)
        assert bool(mask[row, 0, query, key]) == (together and key <= query)


@pytest.mark.parametrize("newer", [True, False])
@pytest.mark.parametrize(("kind", "kv_heads"), [("decoder", 2), ("encoder", 4)])
def test_a_kernel_for_documents_is_asked_for_the_same(
    kind: Literal["decoder", "encoder"], kv_heads: int, newer: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a GPU's kernel is called with, in the two forms that it has had, and what it should give back."""

    def attend_flat(
        q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, ends: torch.Tensor, causal: bool
    ) -> Any:
        assert ends.dtype == torch.int32
        found = []
        for start, stop in itertools.pairwise(ends.tolist()):
            one = [x[start:stop].transpose(0, 1)[None] for x in (q, k, v)]
            out = functional.scaled_dot_product_attention(*one, is_causal=causal, enable_gqa=True)
            found.append(out[0].transpose(0, 1))
        return torch.cat(found)

    def of_2_13(  # type: ignore[no-untyped-def]
        query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, *, window_size=(-1, -1), enable_gqa=False
    ):
        assert enable_gqa == (query.shape[1] != key.shape[1])
        assert window_size in ((-1, 0), (-1, -1))
        assert (cu_seq_q is cu_seq_k, max_q, max_k) == (True, 12, 12)
        return attend_flat(query, key, value, cu_seq_q, window_size == (-1, 0))

    def of_2_11(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, is_causal=False):  # type: ignore[no-untyped-def]
        assert query.shape == key.shape
        return attend_flat(query, key, value, cu_seq_q, is_causal)

    monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", of_2_13 if newer else of_2_11)
    model = decoder(dataclasses.replace(SHAPE, kind=kind, kv_heads=kv_heads))
    documents = torch.tensor([[0] * 5 + [1] * 7, [0] * 1 + [1] * 3 + [2] * 8])
    batch = {"ids": random_ids(2, 12), "targets": random_ids(2, 12, seed=2), "documents": documents}
    placed = on_device(batch, torch.device("cpu"), by_ends=True)
    assert isinstance(placed["documents"], Ends)
    torch.testing.assert_close(model.loss(**placed), model.loss(**batch))
    assert not takes_ends(torch.device("cpu"), True, 64)


@pytest.mark.parametrize("settings", [*VARIANTS[:4], *(s for s in KINDS if s.kind == "encoder-decoder")])
def test_a_text_continued_with_a_cache_is_read_as_without(settings: ModelSettings) -> None:
    model = decoder(settings)
    ids, source = random_ids(2, 12), random_ids(2, 9, seed=2)
    memory = model.encode(source) if settings.kind == "encoder-decoder" else None
    whole = model(ids, memory=memory)
    cache = model.new_cache(2)
    pieces = [
        model(piece, memory=memory, cache=cache)
        for piece in (ids[:, :5], ids[:, 5:6], ids[:, 6:10], ids[:, 10:])
    ]
    # Products of other heights add in another order: over 20 seeds float32 leaves up to 1.2e-6 of the largest
    # logit, as far as it lies from float64 too. One key more or less moves logits by a tenth of it.
    torch.testing.assert_close(
        torch.cat(pieces, 1), whole, rtol=0, atol=5e-6 * float(whole.detach().abs().max())
    )
    with pytest.raises(ValueError, match="13 positions are more than the model's context 12"):
        model(ids[:, :1], memory=memory, cache=cache)


def test_an_encoder_decoder_reads_its_source_and_no_more_than_it_may() -> None:
    model = decoder(dataclasses.replace(SHAPE, kind="encoder-decoder"))
    ids, source = random_ids(1, 6), random_ids(1, 9, seed=2)
    before = model(ids, memory=model.encode(source))
    for position in range(9):
        changed = source.clone()
        changed[:, position] = (changed[:, position] + 1) % 100
        assert not torch.isclose(model(ids, memory=model.encode(changed)), before).all(-1).any()
    padded = torch.cat([source, torch.zeros((1, 3), dtype=torch.long)], 1)
    real = torch.arange(12)[None] < 9
    memory = model.encode(padded, real.long())
    torch.testing.assert_close(model(ids, memory=memory, memory_mask=real[:, None]), before)


def test_loss_at_chosen_positions() -> None:
    model = decoder(dataclasses.replace(SHAPE, kind="encoder"))
    ids = random_ids(2, 12)
    positions, targets = torch.tensor([[1, 5], [0, 11]]), torch.tensor([[3, 4], [5, IGNORED]])
    logits = model(ids)[:, :, : SHAPE.vocab_size]
    expected = functional.cross_entropy(
        torch.stack([logits[0, 1], logits[0, 5], logits[1, 0]]), torch.tensor([3, 4, 5]), reduction="sum"
    )
    torch.testing.assert_close(model.loss(ids, targets, positions=positions), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_loss_in_chunks_is_the_loss(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """Value and gradients, whatever the chunk; ignored targets count nothing."""
    generator = torch.Generator().manual_seed(0)
    states = torch.randn((50, 16), generator=generator, requires_grad=True)
    weight = torch.randn((70, 16), generator=generator, requires_grad=True)
    targets = torch.randint(0, 70, (50,), generator=generator)
    targets[::7] = IGNORED
    functional.cross_entropy(states @ weight.T, targets, reduction="sum").mul(0.5).backward()
    expected = [states.grad.clone(), weight.grad.clone()]
    loss = functional.cross_entropy(states @ weight.T, targets, reduction="sum")
    for chunk in (1, 70 * 3, 2**24):
        monkeypatch.setitem(CHUNK_LOGITS, "cpu", chunk)
        states.grad = weight.grad = None
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            found = linear_cross_entropy(states, weight, targets)
        assert found.dtype == torch.float32
        (0.5 * found).backward()
        tolerance = {} if dtype == torch.float32 else {"rtol": 0.02, "atol": 0.05}
        torch.testing.assert_close(found, loss, **tolerance)
        torch.testing.assert_close([states.grad, weight.grad], expected, **tolerance)


def test_capped_logits(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, capped = (decoder(dataclasses.replace(SHAPE, softcap=cap)) for cap in (0.0, 0.5))
    ids = random_ids(1, 12)
    torch.testing.assert_close(capped(ids), 0.5 * torch.tanh(plain(ids) / 0.5))
    each = functional.cross_entropy(capped(ids)[0, :, : SHAPE.vocab_size], ids[0], reduction="sum")
    expected = torch.autograd.grad(each, list(capped.parameters()))
    for chunk in (128 * 5, 2**24):
        monkeypatch.setitem(CHUNK_LOGITS, "cpu", chunk)
        loss = capped.loss(ids, ids)
        torch.testing.assert_close(loss, each)
        torch.testing.assert_close(torch.autograd.grad(loss, list(capped.parameters())), expected)


@pytest.mark.parametrize(
    ("targets", "chunk", "rows"), [(50, 70 * 20, 17), (50, 1, 1), (50, 10**9, 50), (0, 9, 1)]
)
def test_chunks_are_of_one_size(targets: int, chunk: int, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CHUNK_LOGITS, "cpu", chunk)
    assert chunk_rows(targets, 70, "cpu") == rows


@pytest.mark.parametrize("kind", ["decoder", "encoder"])
def test_padding_changes_no_class(kind: str) -> None:
    model = decoder(dataclasses.replace(SHAPE, kind=kind, classes=3))
    ids = random_ids(1, 7)
    padded = torch.cat([ids, random_ids(1, 5, seed=3)], 1)
    expected = model.classify(ids, torch.tensor([7]))
    torch.testing.assert_close(model.classify(padded, torch.tensor([7])), expected)
    assert not torch.allclose(model.classify(padded, torch.tensor([12])), expected)


@pytest.mark.parametrize("kind", ["encoder", "encoder-decoder"])
def test_one_batch_is_learnt_by_heart_by_every_kind(kind: str) -> None:
    model = Transformer(dataclasses.replace(SHAPE, kind=kind))
    initialise(model, 0)
    ids, source = random_ids(4, 13), random_ids(4, 9, seed=2)
    hidden = ids[:, :12].clone()
    positions = torch.tensor([[1, 6, 10]] * 4)
    hidden.scatter_(1, positions, 99)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(150):
        if kind == "encoder":
            loss = model.loss(hidden, ids.gather(1, positions), positions=positions) / 12
        else:
            loss = model.loss(ids[:, :-1], ids[:, 1:], source=source) / 48
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05


@pytest.mark.parametrize("kind", ["decoder", "encoder"])
@pytest.mark.parametrize("lengths", [[3, 0], [-1, 3], [3, 6]])
def test_rows_without_a_real_position_have_no_class(kind: str, lengths: list[int]) -> None:
    model = decoder(dataclasses.replace(SHAPE, kind=kind, classes=3))
    with pytest.raises(ValueError, match=f"between 1 and 5.* from {min(lengths)} to {max(lengths)}"):
        model.classify(random_ids(2, 5), torch.tensor(lengths))


def test_dropout_does_not_cut_a_compiled_block() -> None:
    """A block is one graph, and drops what it drops uncompiled."""
    model = Transformer(dataclasses.replace(SHAPE, dropout=0.3, zero_init=False))
    initialise(model, 0)
    block, x = model.train().decoder.blocks[0], torch.randn(2, 5, SHAPE.width)
    rest = Rotation(model.cos[:5], model.sin[:5]), Sight(True)
    explained = torch._dynamo.explain(block)(x, *rest)
    assert (explained.graph_count, explained.break_reasons) == (1, [])
    compiled = torch.compile(block, backend="aot_eager", fullgraph=True)
    gradients = []
    for each in (block, compiled):
        torch.manual_seed(5)
        own = x.clone().requires_grad_()
        each(own, *rest).square().sum().backward()
        gradients.append(own.grad)
    torch.testing.assert_close(*gradients)


def test_keys_are_expanded_where_a_kernel_would_hold_all_scores() -> None:
    plain, masked = Sight(True), Sight(True, torch.ones(1, 1, 4, 4, dtype=torch.bool))
    assert not expands("cuda", torch.bfloat16, 4, plain)
    assert expands("cuda", torch.bfloat16, 4, masked)
    assert expands("cuda", torch.float32, 4, plain)
    assert not expands("cuda", torch.float32, 1, masked)  # A text that goes on by one token.
    assert not expands("cpu", torch.float32, 4, masked)


@pytest.mark.parametrize("masked", [True, False])
def test_expanded_keys_give_the_same_attention(masked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    for expanded in (False, True):
        monkeypatch.setattr("corpuskit.train.model.transformer.expands", lambda *_, is_so=expanded: is_so)
        chance = torch.Generator().manual_seed(3)
        q, k, v = (torch.randn(2, heads, 7, 8, generator=chance).requires_grad_() for heads in (6, 2, 2))
        documents = torch.tensor([[0, 0, 0, 1, 1, 1, 1], [0, 1, 1, 1, 1, 2, 2]])
        out = attend(q, k, v, sight(True, documents if masked else None))
        out.square().sum().backward()
        results.append((out, q.grad, k.grad, v.grad))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_the_heads_gradient_is_not_rounded_where_that_can_be_had(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As CUDA's products can: here they are made in float32, and no chunk's is rounded to 16 bits."""

    def wide(total: torch.Tensor, a: torch.Tensor, b: torch.Tensor, out_dtype: torch.dtype) -> torch.Tensor:
        assert (a.dtype, b.dtype, total.dtype) == (torch.bfloat16, torch.bfloat16, out_dtype)
        return total + a.float() @ b.float()

    chance = torch.Generator().manual_seed(1)
    states, targets = torch.randn(64, 32, generator=chance), torch.randint(0, 128, (64,), generator=chance)
    start = torch.randn(128, 32, generator=chance)
    monkeypatch.setitem(CHUNK_LOGITS, "cpu", 8 * 128)
    gradients = []
    for devices in ((), ("cpu",)):
        monkeypatch.setattr("corpuskit.train.model.loss.WIDE_PRODUCTS", devices)
        monkeypatch.setattr("torch.addmm", wide)
        weight = start.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            linear_cross_entropy(states, weight, targets).backward()
        gradients.append(weight.grad)
    rounded, unrounded = gradients
    assert not torch.equal(rounded, unrounded)
    torch.testing.assert_close(rounded, unrounded, rtol=0.05, atol=0.02)
