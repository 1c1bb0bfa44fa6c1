"""Objectives: what is masked follows from the key alone, in the shares that are promised; nothing is lost."""

import itertools

import numpy as np
import numpy.typing as npt
import pytest

from corpuskit.errors import SettingError
from corpuskit.train.data.objectives import (
    GOLDFISH_TOKENS,
    Causal,
    Denoise,
    Masked,
    Spans,
    documents,
    goldfish_mask,
)
from corpuskit.train.model.loss import IGNORED

Ids = npt.NDArray[np.int64]
END, MASK, ORDINARY, VOCABULARY = 0, 2, 128, 400
SENTINELS = tuple(range(10, 110))


def rows(count: int, length: int, seed: int = 0) -> Ids:
    return np.random.default_rng(seed).integers(ORDINARY, VOCABULARY, (count, length))


# ------------------------------------------------------------------------------------------- causal


def test_each_token_is_the_target_of_the_one_before_it() -> None:
    line = rows(3, 17)
    batch = Causal(16, END).arrays(line, [])
    assert set(batch) == {"ids", "targets"}
    assert np.array_equal(batch["ids"], line[:, :-1])
    assert np.array_equal(batch["targets"], line[:, 1:])


def test_the_end_of_a_document_belongs_to_it() -> None:
    line = np.array([[5, END, END, 7, 8, END, 9]])
    assert documents(line, END).tolist() == [[0, 0, 1, 2, 2, 2, 3]]
    # A decoder goes on from the token that ended the document before, as it does when it writes.
    assert Causal(6, END, apart=True).arrays(line, [])["documents"].tolist() == [[0, 1, 2, 2, 2, 3]]


def test_goldfish_leaves_out_the_same_tokens_of_a_passage_wherever_it_stands() -> None:
    passage = rows(1, 200)[0]
    first = goldfish_mask(np.concatenate([rows(1, 7, 1)[0], passage])[None], 4)[0, 7:]
    second = goldfish_mask(np.concatenate([rows(1, 50, 2)[0], passage])[None], 4)[0, 50:]
    assert np.array_equal(first[GOLDFISH_TOKENS:], second[GOLDFISH_TOKENS:])
    assert not np.array_equal(first[:GOLDFISH_TOKENS], second[:GOLDFISH_TOKENS])


@pytest.mark.parametrize("one_in", [2, 4, 10])
def test_goldfish_leaves_out_one_target_in_so_many(one_in: int) -> None:
    line = rows(50, 400)
    targets = Causal(399, END, goldfish=one_in).arrays(line, [])["targets"]
    assert (targets[:, : GOLDFISH_TOKENS - 1] != IGNORED).all()
    assert (targets == IGNORED)[:, GOLDFISH_TOKENS - 1 :].mean() == pytest.approx(1 / one_in, rel=0.1)
    kept = targets != IGNORED
    assert np.array_equal(targets[kept], line[:, 1:][kept])


def test_a_row_shorter_than_the_goldfish_window_keeps_all_targets() -> None:
    assert (Causal(5, END, goldfish=2).arrays(rows(2, 6), [])["targets"] != IGNORED).all()


# ------------------------------------------------------------------------------------------- masked


def masked(context: int = 400, rate: float = 0.3, *, apart: bool = False) -> Masked:
    return Masked(context, END, MASK, tuple(range(ORDINARY)), VOCABULARY, rate, apart)


def test_masking_follows_from_the_key_alone() -> None:
    line = rows(4, 64)
    whole = masked(64).arrays(line, [11, 12, 13, 14])
    for row in range(4):
        alone = masked(64).arrays(line[row : row + 1], [11 + row])
        for name in whole:
            assert np.array_equal(whole[name][row], alone[name][0])
    assert not np.array_equal(masked(64).arrays(line, [1, 2, 3, 4])["positions"], whole["positions"])


def test_eighty_ten_ten() -> None:
    line = rows(100, 400)
    batch = masked().arrays(line, range(100))
    assert batch["positions"].shape == batch["targets"].shape == (100, 120)
    assert (np.diff(batch["positions"], axis=1) > 0).all()
    assert np.array_equal(batch["targets"], np.take_along_axis(line, batch["positions"], 1))
    at = np.take_along_axis(batch["ids"], batch["positions"], 1)
    assert (at == MASK).mean() == pytest.approx(0.8, abs=0.02)
    assert (at == batch["targets"]).mean() == pytest.approx(0.1, abs=0.02)
    untouched = np.ones(line.shape, np.bool_)
    np.put_along_axis(untouched, batch["positions"], False, axis=1)
    assert np.array_equal(batch["ids"][untouched], line[untouched])
    random = at[(at != MASK) & (at != batch["targets"])]
    assert random.min() >= ORDINARY
    assert random.max() < VOCABULARY


def test_every_position_is_chosen_as_often() -> None:
    batch = masked(20).arrays(np.repeat(rows(1, 20), 4000, axis=0), range(4000))
    shares = np.bincount(batch["positions"].ravel(), minlength=20) / 4000
    assert shares == pytest.approx(np.full(20, 0.3), abs=0.04)


def test_special_tokens_are_never_masked_and_never_targets() -> None:
    line = rows(30, 40)
    line[:, ::2] = END
    line[0] = END
    batch = masked(40, 0.7, apart=True).arrays(line, range(30))
    assert (batch["ids"][line == END] == END).all()
    assert (batch["targets"] != END).all()
    assert (batch["targets"][0] == IGNORED).all()
    assert ((batch["targets"] != IGNORED).sum(1)[1:] == 20).all(), "all tokens that may be chosen are"
    assert np.array_equal(batch["documents"], documents(line, END))


def test_special_tokens_may_stand_anywhere_in_the_vocabulary() -> None:
    special = (5, 7, 399)
    line = np.random.default_rng(0).integers(0, 400, (300, 40))
    batch = Masked(40, 399, 5, special, 400).arrays(line, range(300))
    assert not np.isin(batch["targets"], special).any()
    at = np.take_along_axis(batch["ids"], batch["positions"], 1)
    drawn = at[(at != 5) & (at != np.take_along_axis(line, batch["positions"], 1))]
    assert not np.isin(drawn, special).any()
    assert (drawn.min() < 5, drawn.max() > 395) == (True, True), "from both ends"


# -------------------------------------------------------------------------------------------- spans


def put_back(source: Ids, target: Ids) -> list[int]:
    """The text that a source and its target were made of."""
    spans: dict[int, list[int]] = {}
    for token in target[:-1].tolist():
        if token in SENTINELS:
            spans[token] = []
        else:
            spans[list(spans)[-1]].append(token)
    text: list[int] = []
    for token in source.tolist():
        text.extend(spans.pop(token) if token in SENTINELS else [token])
    assert not spans
    assert target[-1] == END
    return text


@pytest.mark.parametrize("context", [4, 5, 8, 33, 128, 512])
@pytest.mark.parametrize(("density", "length"), [(0.15, 3.0), (0.4, 3.0), (0.15, 8.0), (0.3, 1.0)])
def test_spans_put_back_give_the_text(context: int, density: float, length: float) -> None:
    if context == 512 and length == 1.0:
        pytest.skip("more spans than sentinels")
    spans = Spans(context, END, SENTINELS, density, length)
    line = rows(8, spans.row_tokens)
    batch = spans.arrays(line, range(8))
    assert batch["source"].shape == (8, context)
    assert batch["targets"].shape[1] <= context
    for row in range(8):
        assert put_back(batch["source"][row], batch["targets"][row]) == line[row].tolist()
    assert (batch["ids"][:, 0] == END).all()
    assert np.array_equal(batch["ids"][:, 1:], batch["targets"][:, :-1])


def test_spans_have_the_density_and_length_that_were_asked_for() -> None:
    spans = Spans(512, END, SENTINELS)
    batch = spans.arrays(rows(20, spans.row_tokens), range(20))
    sentinels = np.isin(batch["targets"], SENTINELS).sum(1)
    taken = batch["targets"].shape[1] - 1 - sentinels
    assert taken / spans.row_tokens == pytest.approx(0.15, abs=0.002)
    assert taken / sentinels == pytest.approx(3.0, abs=0.1)
    lengths = {
        len(part)
        for row in batch["targets"]
        for part in np.split(row, np.flatnonzero(np.isin(row, SENTINELS)))
    }
    assert len(lengths) > 5, "spans differ in length"


def test_spans_follow_from_the_key_alone() -> None:
    spans = Spans(64, END, SENTINELS)
    line = rows(3, spans.row_tokens)
    whole, again = spans.arrays(line, [7, 8, 9]), spans.arrays(line[1:2], [8])
    assert all(np.array_equal(whole[name][1], again[name][0]) for name in whole)
    assert not np.array_equal(spans.arrays(line, [1, 2, 3])["source"], whole["source"])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"context": 3}, "need 4 positions"),
        ({"context": 2048, "length": 1.0}, "spans, and there are 100 sentinel tokens"),
        ({"context": 64, "density": 0.9}, "do not fit the context of 64"),
    ],
)
def test_spans_that_cannot_be_are_refused(settings: dict[str, float], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        Spans(end_of_text=END, sentinels=SENTINELS, **settings)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------ denoise


def denoise(context: int = 400, rate: float = 0.3, length: float = 3.0) -> Denoise:
    return Denoise(context, END, MASK, tuple(range(ORDINARY)), rate, length)


def of_document(batch: dict[str, Ids], row: int, number: int) -> tuple[list[int], list[int], list[int]]:
    """What of a document is read by the encoder and by the decoder, and what is asked for."""
    written = batch["documents"][row] == number
    read = batch["source"][row][batch["source_documents"][row] == number]
    return read.tolist(), batch["ids"][row][written].tolist(), batch["targets"][row][written].tolist()


def test_a_small_row_is_hidden_in_part_and_written_whole() -> None:
    """Two documents, a third that is an end alone, and a fourth that is cut: a span reached over an end."""
    line = np.array([[200, 201, 202, 203, 204, END, 210, 211, END, END, 220, 221]])
    batch = Denoise(12, END, MASK, (END, MASK), rate=0.4, length=2.0).arrays(line, [2])
    assert {name: array.tolist() for name, array in batch.items()} == {
        "source": [[200, MASK, 202, MASK, MASK, 211, END, 220, 221, END, END, END]],
        "ids": [[END, 200, 201, 202, 203, 204, END, 210, 211, END, END, 220]],
        "targets": line.tolist(),
        "documents": [[0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 3, 3]],
        "source_documents": [[0, 0, 0, 0, 1, 1, 2, 3, 3, 12, 12, 12]],
    }


def test_a_span_has_one_mask_and_all_else_is_read() -> None:
    line = rows(40, 400)
    batch = denoise().arrays(line, range(40))
    assert all(array.shape == (40, 400) for array in batch.values())
    lengths = []
    for row, text in enumerate(line.tolist()):
        read, _, asked = of_document(batch, row, 0)
        assert asked == text
        masks = read.count(MASK)
        assert (len(text) - (len(read) - masks), masks) == (120, 40), "30 % in spans of three"
        assert all(not (a == b == MASK) for a, b in itertools.pairwise(read)), "never side by side"
        lengths.append(len(read))
    assert set(lengths) == {320}


def test_what_is_read_and_what_is_hidden_are_the_text() -> None:
    """Each token but the hidden ones stands in the source in its order; ids are told apart by their place."""
    line = np.arange(ORDINARY, ORDINARY + 60)[None].repeat(50, axis=0)
    batch = denoise(60).arrays(line, range(50))
    lengths = set()
    for row in range(50):
        read, _, _ = of_document(batch, row, 0)
        shown = [token for token in read if token != MASK]
        assert shown == sorted(set(shown))
        edges = [ORDINARY - 1, *shown, ORDINARY + 60]
        holes = [b - a - 1 for a, b in itertools.pairwise(edges)]
        assert sum(map(bool, holes)) == read.count(MASK) == 6
        lengths |= {hole for hole in holes if hole}
        assert sum(holes) == 18
    assert len(lengths) > 5, "spans differ in length"


def test_every_place_of_a_text_is_hidden_at_times() -> None:
    """The first and the last less often, as a span that reaches over an edge would be."""
    line = np.repeat(np.arange(ORDINARY, ORDINARY + 20)[None], 4000, axis=0)
    source = denoise(20).arrays(line, range(4000))["source"]
    shares = [1 - (source == token).any(axis=1).mean() for token in range(ORDINARY, ORDINARY + 20)]
    assert np.mean(shares) == pytest.approx(0.3)
    assert shares[3:-3] == pytest.approx(np.full(14, 0.32), abs=0.05)
    assert (np.array(shares) > 0.1).all()


def test_denoising_follows_from_the_key_alone() -> None:
    line = rows(4, 64)
    line[:, 20] = END
    whole = denoise(64).arrays(line, [11, 12, 13, 14])
    for row in range(4):
        alone = denoise(64).arrays(line[row : row + 1], [11 + row])
        assert all(np.array_equal(whole[name][row], alone[name][0]) for name in whole)
    assert not np.array_equal(denoise(64).arrays(line, [1, 2, 3, 4])["source"], whole["source"])


@pytest.mark.parametrize("rate", [0.15, 0.5, 0.99])
def test_documents_of_a_row_are_written_from_themselves(rate: float) -> None:
    """No special token is hidden, ends are not read, and each document has something to be written from."""
    line = rows(30, 80)
    line[np.random.default_rng(1).random(line.shape) < 0.1] = END
    line[np.random.default_rng(2).random(line.shape) < 0.05] = 7  # A special token of another kind.
    line[0] = END
    batch = denoise(80, rate).arrays(line, range(30))
    assert np.array_equal(batch["targets"], line)
    for row in range(30):
        for number in range(batch["documents"][row].max() + 1):
            read, begun, asked = of_document(batch, row, number)
            assert begun == [END, *asked[:-1]], "as a text that begins"
            assert asked[-1] == END or number == batch["documents"][row].max()
            text = [token for token in asked if token != END]
            assert [token for token in read if token < ORDINARY and token not in (MASK, END)] == [
                token for token in text if token == 7
            ]
            assert read == [END] if not text else END not in read
            assert set(read) <= {*text, MASK, END}
        assert (batch["source"][row][batch["source_documents"][row] == 80] == END).all()


def test_rows_of_one_token_and_of_none_to_hide() -> None:
    batch = denoise(2).arrays(np.array([[200, END], [END, END], [200, 201]]), [1, 2, 3])
    assert batch["source"].tolist()[:2] == [[MASK, END], [END, END]]
    assert batch["source"].tolist()[2] in ([200, MASK], [MASK, 201])
    assert batch["source_documents"].tolist() == [[0, 2], [0, 1], [0, 0]]
