"""Models that several tests of evaluation begin with; no test changes them."""

from pathlib import Path

import pytest

from tests.tiny_models import make_both


@pytest.fixture(scope="session")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder-decoder of two blocks on either side with random weights."""
    return make_both(tmp_path_factory.mktemp("both"), seed=5)
