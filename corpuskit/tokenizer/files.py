"""Files of tokenizers: found by path or by name, read, and written."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import tokenizers

from corpuskit.errors import InputError, SettingError, TrainError
from corpuskit.storage.files import write_bytes
from corpuskit.tokenizer.engines.engines import calling

KNOWN = {
    "gpt2": ("openai-community/gpt2", "gpt2"),
    "cl100k": ("Xenova/gpt-4", "DWDMaiMai/tiktoken_cl100k_base"),
    "o200k": ("Xenova/gpt-4o",),
}
"""Short names, and repositories that hold these as a tokenizer.json."""


def tokenizer_file(path: Path | str) -> Path:
    """The tokenizer.json that a path means: itself, or the one of a folder, a run or a model.

    Raises InputError where none is.
    """
    path = Path(path)
    if path.is_file():
        return path
    inside = (path / "tokenizer.json", path / "tokenizer" / "tokenizer.json")
    found = next((file for file in inside if file.is_file()), None)
    if found is None:
        what = "is a folder without a tokenizer.json" if path.is_dir() else "is not there"
        raise InputError(f"tokenizer file: {path}: {what}", remedy="Give the path of a tokenizer.json.")
    return found


def named_tokenizer(name: Path | str) -> Path:
    """The tokenizer.json of a path, or of a repository of the Hub that is in the cache of this machine.

    No net is asked.

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


def read_given(path: Path) -> tuple[tokenizers.Tokenizer, bytes]:
    """A tokenizer.json and its bytes. Raises InputError for what ``tokenizers`` cannot read."""
    try:
        data = path.read_bytes()
        return calling(tokenizers.Tokenizer.from_buffer, data), data
    except Exception as error:  # `tokenizers` raises bare Exception.
        raise InputError(
            f"{path}: not a tokenizer.json that `tokenizers` {tokenizers.__version__} reads: {error}",
            remedy="Train one with `corpuskit tokenizer train`, or give the file of another.",
        ) from error


def read_expected(path: Path, sha256: str) -> tuple[tokenizers.Tokenizer, bytes]:
    """The tokenizer.json of this digest, and its bytes. Raises TrainError for any other, and for none."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TrainError(
            f"cannot read the tokenizer {path}: {error.strerror}",
            remedy="Bring the file back: it was copied with the model or made by the build.",
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise TrainError(
            f"{path} is not the tokenizer that made the tokens: sha256 {found}, expected {sha256}",
            remedy="Bring back the tokenizer.json that the shards or the model were made with.",
        )
    try:
        return calling(tokenizers.Tokenizer.from_str, data.decode("utf-8")), data
    except Exception as error:  # `tokenizers` raises bare Exception.
        raise TrainError(
            f"{path} is no tokenizer.json: {error}", remedy="Bring back the file that the build made."
        ) from error


def write_files(files: Mapping[Path, bytes], temporary: Path | None = None, *, overwrite: bool) -> None:
    """Write files of one folder; each appears when it is whole.

    Args:
        temporary: a folder for unfinished files on the same file system; one of its own without it.
        overwrite: replace files that hold something else; else SettingError for the first of them.
    """
    for file, data in () if overwrite else files.items():
        if os.path.lexists(file) and not (file.is_file() and file.read_bytes() == data):
            raise SettingError(
                f"{file}: is there already, and holds something else",
                remedy="Choose another path, or give overwrite=True.",
            )
    unfinished = temporary or next(iter(files)).parent / ".tmp-tokenizer"
    for file, data in files.items():
        write_bytes(file, data, unfinished)
    if temporary is None:
        with suppress(OSError):  # It holds what is not ours.
            unfinished.rmdir()
