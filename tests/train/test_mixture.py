"""Mixtures: each source has its share of a run, and is read there as if it were alone."""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpuskit.errors import SettingError, TrainError
from corpuskit.shards.reader import Shards
from corpuskit.train import TrainSettings, train_model
from corpuskit.train.data.mixture import ROUND, Mixture, mix, round_counts

SOURCES = ("books", "books", "wiki")
"""Of the documents in turn: two books, then a page."""


@pytest.fixture(scope="session")
def told(
    run: Path,
    tmp_path_factory: pytest.TempPathFactory,
    write_provenance: Callable[[Path, str, Sequence[str]], None],
) -> Path:
    """A run whose training documents are of two sources in turn, in two shards; tests must not change it."""
    folder = tmp_path_factory.mktemp("told") / "run"
    shutil.copytree(run, folder)
    write_provenance(folder / "shards", "train", SOURCES)
    return folder


def mixed(run: Path, weights: dict[str, float], seed: int = 7) -> Mixture:
    return mix(Shards(run / "shards"), "train", weights, (17, 16), 4, seed)


def documents_of(run: Path, source: str) -> np.ndarray:
    """The tokens of a source, document by document."""
    split = Shards(run / "shards").split("train")
    numbers = range(split.sequences)
    return np.concatenate([split.sequence(n) for n in numbers if SOURCES[n % len(SOURCES)] == source])


def test_a_source_s_tokens_are_its_documents_one_behind_the_other(told: Path) -> None:
    split = Shards(told / "shards").split("train")
    mixture = mixed(told, {"books": 1, "wiki": 1})
    for source, line in mixture.lines.items():
        expected = documents_of(told, source)
        assert line.tokens == len(expected)
        assert np.array_equal(line.read(0, line.tokens), expected)
        for start in range(0, line.tokens - 30, 13):
            assert np.array_equal(line.read(start, 30), expected[start : start + 30])
            assert split.read(line.position(start), 1)[0] == expected[start]


def test_each_round_has_the_share_of_each_source(told: Path) -> None:
    mixture = mixed(told, {"books": 1, "wiki": 3})
    for number in (0, 5):
        dealt = Counter(mixture.dealt(number * ROUND + i)[0] for i in range(ROUND))
        assert dealt == {"books": 250, "wiki": 750}


def test_a_source_has_the_samples_of_a_run_over_it_alone(told: Path) -> None:
    """Each of its sample numbers is dealt once, and read as the source's own batches read it."""
    mixture = mixed(told, {"books": 1, "wiki": 3})
    dealt = [mixture.dealt(sample) for sample in range(3 * ROUND)]
    for source, count in mixture.counts.items():
        assert sorted(own for name, own in dealt if name == source) == list(range(3 * count))
    samples = range(40, 52)
    rows, split = mixture.read(samples), Shards(told / "shards").split("train")
    for row, start, sample in zip(rows, mixture.starts(samples), samples, strict=True):
        source, own = dealt[sample]
        assert np.array_equal(row, mixture.parts[source].read([own])[0])
        assert SOURCES[split.sequence_at(start) % len(SOURCES)] == source
        assert split.read(start, 1)[0] == row[0]


def test_another_seed_deals_otherwise(told: Path) -> None:
    first, other = (mixed(told, {"books": 1, "wiki": 1}, seed) for seed in (1, 2))
    assert [first.dealt(i)[0] for i in range(50)] != [other.dealt(i)[0] for i in range(50)]


def test_epochs_are_of_each_source(told: Path) -> None:
    mixture = mixed(told, {"books": 3, "wiki": 1})
    books, wiki = (documents_of(told, source).size for source in ("books", "wiki"))
    epochs = mixture.epochs(1000)
    assert epochs == pytest.approx({"books": 750 * 16 / books, "wiki": 250 * 16 / wiki})
    assert mixture.mean_epochs(1000) == pytest.approx(0.75 * epochs["books"] + 0.25 * epochs["wiki"])


def test_a_source_of_weight_zero_is_not_read(told: Path, small: TrainSettings, tmp_path: Path) -> None:
    mixture = mixed(told, {"books": 1, "wiki": 0})
    assert {mixture.dealt(i)[0] for i in range(ROUND)} == {"books"}
    settings = small.model_copy(update={"mixture": {"books": 1.0, "wiki": 0.0}})
    said = []
    train_model(told, tmp_path / "m", settings, listen=lambda event: said.append(dict(event)))
    assert "of what is read: books 100.0%, " in said[0]["summary"]


@given(
    st.dictionaries(st.text(min_size=1), st.floats(0, 1e6, allow_subnormal=False), min_size=1, max_size=20)
)
def test_counts_of_a_round_follow_the_weights(weights: dict[str, float]) -> None:
    total = sum(weights.values())
    if not total:
        return
    counts = round_counts(weights)
    assert sum(counts.values()) == ROUND
    for source, weight in weights.items():
        assert (counts[source] > 0) == (weight > 0)
        # Each source raised to one in a thousand takes at most that from the largest.
        assert abs(counts[source] - weight / total * ROUND) <= 20


def test_a_run_with_a_mixture_resumes_bit_for_bit(told: Path, small: TrainSettings, tmp_path: Path) -> None:
    settings = TrainSettings.checked({**small.given(), "mixture": "wiki:2,books:1"})
    whole = train_model(told, tmp_path / "whole", settings)
    train_model(told, tmp_path / "halves", settings, pause_at=10)
    train_model(told, tmp_path / "halves", resume=True)
    weights = [(tmp_path / out / "model.safetensors").read_bytes() for out in ("whole", "halves")]
    assert weights[0] == weights[1]
    assert whole.epochs == pytest.approx(mixed(told, {"books": 1, "wiki": 2}).mean_epochs(80))
    noted = json.loads((tmp_path / "whole" / "model.json").read_text())["training"]["settings"]["mixture"]
    assert noted == {"books": 1.0, "wiki": 2.0}


@pytest.mark.parametrize(
    ("mixture", "fault"),
    [
        ("books:1", "mixture names books; the sources of the split 'train' are books, wiki"),
        ("books:1,wiki:1,web:1", "mixture names books, web, wiki; the sources"),
        ("books:0,wiki:0", "gives no source a weight above 0"),
        ("books:-1,wiki:1", "mixture.books"),
        ("books:much,wiki:1", "mixture.books = 'much'"),
        ("books", "mixture"),
    ],
)
def test_a_mixture_that_does_not_fit_is_refused(
    told: Path, small: TrainSettings, tmp_path: Path, mixture: str, fault: str
) -> None:
    with pytest.raises(SettingError, match=fault):
        train_model(told, tmp_path / "m", TrainSettings.checked({**small.given(), "mixture": mixture}))


def test_without_provenance_there_is_no_mixture(run: Path, small: TrainSettings, tmp_path: Path) -> None:
    settings = TrainSettings.checked({**small.given(), "mixture": {"books": 1}})
    with pytest.raises(SettingError, match="says whose its tokens are"):
        train_model(run, tmp_path / "m", settings)


def test_a_source_too_short_for_a_row_is_named(told: Path) -> None:
    size = documents_of(told, "wiki").size
    with pytest.raises(SettingError, match=f"'train, wiki' has {size} tokens"):
        mix(Shards(told / "shards"), "train", {"books": 1, "wiki": 1}, (size + 1, size), 4, 7)


def test_the_order_of_the_weights_is_of_no_account(told: Path) -> None:
    one, other = mixed(told, {"books": 2, "wiki": 1}), mixed(told, {"wiki": 1, "books": 2})
    assert [one.dealt(i) for i in range(50)] == [other.dealt(i) for i in range(50)]


def test_many_tiny_sources_are_refused() -> None:
    weights = {f"s{number}": 1.0 for number in range(100)} | {"large": 1e6}
    with pytest.raises(SettingError, match="gives 100 sources, among them s0, less than a thousandth"):
        round_counts(weights)


def test_other_tables_beside_the_shards_are_refused(
    told: Path,
    small: TrainSettings,
    tmp_path: Path,
    write_provenance: Callable[[Path, str, Sequence[str]], None],
) -> None:
    shutil.copytree(told, tmp_path / "run")
    settings = TrainSettings.checked({**small.given(), "mixture": "books:1,wiki:2"})
    train_model(tmp_path / "run", tmp_path / "m", settings, pause_at=5)
    write_provenance(tmp_path / "run" / "shards", "train", ("wiki", "books"))
    with pytest.raises(TrainError, match=r"provenance\.parquet beside the shards are not those of the run"):
        train_model(tmp_path / "run", tmp_path / "m", resume=True)
    assert (
        train_model(tmp_path / "run", tmp_path / "m", resume=True, allow_changed_data=True).reason == "done"
    )
