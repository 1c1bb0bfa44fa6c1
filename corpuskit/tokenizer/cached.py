"""Tokenizers by name, out of the cache of the Hugging Face Hub: no net is asked."""

from __future__ import annotations

from pathlib import Path

from corpuskit.errors import InputError
from corpuskit.tokenizer.tokenizer import tokenizer_file

KNOWN = {
    "gpt2": ("openai-community/gpt2", "gpt2"),
    "cl100k": ("Xenova/gpt-4", "DWDMaiMai/tiktoken_cl100k_base"),
    "o200k": ("Xenova/gpt-4o",),
}
"""Short names, and repositories that hold these as a tokenizer.json."""


def named_tokenizer(name: Path | str) -> Path:
    """The tokenizer.json of a path, or of a repository of the Hub that is in the cache of this machine.

    Args:
        name: a file or folder; one of `KNOWN`; or a repository, as ``openai-community/gpt2``.

    Raises `InputError` for what is neither.
    """
    if Path(name).exists():
        return tokenizer_file(name)
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    repositories = KNOWN.get(str(name), (str(name),))
    for repository in repositories:
        try:
            found = try_to_load_from_cache(repository, "tokenizer.json")
        except HFValidationError:  # It is no name of a repository.
            continue
        if isinstance(found, str):
            return Path(found)
    raise InputError(
        f"tokenizer file: {name}: is not there, and the cache of the Hugging Face Hub has no"
        f" tokenizer.json of {' or '.join(repositories)}",
        remedy="Give the path of a tokenizer.json, or bring it into the cache:"
        f" hf download {repositories[0]} tokenizer.json",
    )
