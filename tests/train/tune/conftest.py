"""Models that the tests of fine-tuning begin with; no test changes them."""

from pathlib import Path

import pytest

from tests.tiny_models import make_both, make_model


@pytest.fixture(scope="session")
def unigram(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A decoder to which a token costs the same wherever it stands."""
    return make_model(tmp_path_factory.mktemp("unigram"))


@pytest.fixture(scope="session")
def short_unigram(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a context of 64 tokens."""
    return make_model(tmp_path_factory.mktemp("short"), context=64)


@pytest.fixture(scope="session")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A decoder of two blocks with random weights, grouped heads among them."""
    return make_model(tmp_path_factory.mktemp("random"), "random", seed=11, layers=2, kv_heads=2)


@pytest.fixture(scope="session")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder-decoder of two blocks on either side with random weights."""
    return make_both(tmp_path_factory.mktemp("both"), seed=5)
