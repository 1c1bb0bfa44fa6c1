"""Types of the native engine (native/bindings.cpp). Call it through the modules that own each part."""

import numpy as np
from numpy.typing import NDArray

def extract_wikitext(
    offsets: NDArray[np.int64],
    bytes: NDArray[np.uint8],
    *,
    file_prefixes: list[str],
    category_prefixes: list[str],
    language: str,
    steps_base: int,
    steps_per_byte: int,
    output_base: int,
    output_per_byte: int,
    nesting: int,
) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.int32], NDArray[np.int64]]:
    """Extract a batch of pages; see `corpuskit.ingest.wikitext.extract`.

    Args:
        offsets: shape (n + 1,), ascending; page i is ``bytes[offsets[i]:offsets[i + 1]]``.
        bytes: shape (size,).

    Returns:
        offsets (n + 1,) and bytes of the texts, status (n,), counters (n, 8).

    Raises:
        ValueError: the offsets do not ascend within the bytes.
    """
