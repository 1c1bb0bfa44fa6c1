"""A model of Hugging Face `transformers` as a model folder of ours: to write with it, and to train it on.

Only safetensors and JSON are read, from a folder on this machine: model.safetensors, or the pieces that
model.safetensors.index.json lists; config.json, generation_config.json, tokenizer.json. Which families can be
imported, and what of their settings, is told by `corpuskit.train.hub.families`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tokenizers
from safetensors import SafetensorError, safe_open
from torch import Tensor

from corpuskit.errors import InputError, TrainError, checks_arguments
from corpuskit.storage.files import json_bytes, seal, sha256_file, write_durably
from corpuskit.storage.ownership import MODEL, making_folder
from corpuskit.storage.places import local_path
from corpuskit.tokenizer.engines.engines import calling
from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train.generate.generate import WEIGHTS, model_document
from corpuskit.train.hub.card_facts import hub_name
from corpuskit.train.hub.config import read_config
from corpuskit.train.hub.export import save_tensors
from corpuskit.train.hub.families import to_ours
from corpuskit.train.model.cost import parameter_count
from corpuskit.train.model.transformer import ModelSettings

_AGAIN = "Fetch the file again."


@dataclass(frozen=True)
class ImportResult:
    """What was imported.

    Attributes:
        out: the model folder.
        architecture: the class that it was of.
        settings: of the model.
        parameters: learned numbers in it.
        end_of_text: the id that ends a text, and begins one.
        remarks: what differs from the original, in sentences.
    """

    out: Path
    architecture: str
    settings: ModelSettings
    parameters: int
    end_of_text: int
    remarks: tuple[str, ...]


@checks_arguments
def import_model(
    folder: Path | str, out: Path | str, *, context: int | None = None, end_of_text: int | None = None
) -> ImportResult:
    """Make a model folder out of a folder of transformers.

    Args:
        folder: as `save_pretrained` writes it, or a snapshot of the hub.
        out: a folder that is not there yet, or empty.
        context: use at most so many positions; all that the model has if None.
        end_of_text: the id that ends a text, where the folder's own `eos_token_id` is not the one.

    Raises:
        InputError: a file is missing or damaged, or the model is not one that ours can be; the tensors and
            settings in the way are named.
        TrainError: `out` holds something, or the tokenizer makes the id `end_of_text` from text.
        StorageError: `out` cannot be written.
    """
    folder, out = local_path(folder), local_path(out)
    config = _read_json(folder / "config.json")
    tokenizer, tokens = _read_tokenizer(folder / "tokenizer.json")
    remarks: list[str] = []
    end = _end_of_text(folder, config, tokens, remarks) if end_of_text is None else end_of_text
    rows = config.get("vocab_size")
    if not isinstance(rows, int) or not tokens <= rows:
        raise InputError(
            f"{folder}: tokenizer.json has ids up to {tokens - 1:,}, the model's vocab_size is {rows!r}",
            remedy="Bring back the tokenizer.json that the model was trained with.",
        )
    if not 0 <= end < tokens:
        raise InputError(
            f"end of text: id {end} is not one of the {tokens:,} of {folder}/tokenizer.json",
            remedy=f"Name one from 0 to {tokens - 1} with --end-of-text.",
        )
    family, settings = read_config(config, tokens, context, folder)
    if rows > tokens:
        remarks.append(f"{rows - tokens:,} of the vocabulary's {rows:,} ids belong to no token.")
    begin = config.get("bos_token_id")
    if isinstance(begin, int) and begin != end:
        remarks.append(f"Texts begin with the id that ends them, {end}, not with bos_token_id = {begin}.")
    with ExitStack() as stack:
        read, names = _open_tensors(folder, stack)
        state = to_ours(read, names, family, settings, rows, folder)
    with making_folder(out, MODEL, TrainError) as temporary:
        write_durably(temporary / "tokenizer.json", tokenizer)
        # It must be one that the trainer takes: it says so itself if not.
        sha256 = hashlib.sha256(tokenizer).hexdigest()
        if reason := Tokenizer.load_expected(temporary / "tokenizer.json", sha256, end).loses():
            remarks.append(f"Its tokenizer does not give back every text: {reason}.")
        document = model_document(settings, end, sha256)
        named = hub_name(folder, config)
        document["imported"] = {"architecture": family.architecture, "remarks": remarks}
        document["imported"] |= {} if named is None else {"hub": named}
        save_tensors(temporary / WEIGHTS, state)
        document["files"] = {name: sha256_file(temporary / name) for name in (WEIGHTS, "tokenizer.json")}
        write_durably(temporary / "model.json", json_bytes(seal(document)))
    return ImportResult(out, family.architecture, settings, parameter_count(settings), end, tuple(remarks))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            f"{path} is not there", remedy="Name a folder as save_pretrained writes it, on this machine."
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}", remedy=_AGAIN) from error
    if not isinstance(document, dict):
        raise InputError(f"{path} is no JSON object", remedy=_AGAIN)
    return document


def _read_tokenizer(path: Path) -> tuple[bytes, int]:
    """The bytes of a tokenizer.json, and the number of its ids."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}",
            remedy="transformers writes it: AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER).",
        ) from error
    try:
        model = calling(tokenizers.Tokenizer.from_str, data.decode("utf-8"))
        vocabulary = model.get_vocab(with_added_tokens=True)
    except Exception as error:  # The library raises bare Exception for any fault of the file.
        raise InputError(f"{path} is no tokenizer.json: {error}", remedy=_AGAIN) from error
    return data, max(vocabulary.values(), default=-1) + 1


def _end_of_text(folder: Path, config: dict[str, Any], tokens: int, remarks: list[str]) -> int:
    """The id that ends a text by config.json, else by generation_config.json."""
    value = config.get("eos_token_id")
    path = folder / "generation_config.json"
    if value is None and path.is_file():
        value = _read_json(path).get("eos_token_id")
    ids: list[Any] = value if isinstance(value, list) else [value]
    if not ids or not all(isinstance(number, int) and 0 <= number < tokens for number in ids):
        raise InputError(
            f"{folder}: eos_token_id = {value!r} names no token that ends a text",
            remedy="Name its id with --end-of-text.",
        )
    if len(ids) > 1:
        remarks.append(f"Of the ids {ids} that end a text the first is taken.")
    return int(ids[0])


def _open_tensors(folder: Path, stack: ExitStack) -> tuple[Callable[[str], Tensor], set[str]]:
    """How to read a tensor by its name, and the names; a tensor is read when it is asked for."""
    index = folder / "model.safetensors.index.json"
    single = folder / "model.safetensors"
    if single.is_file():
        files = [single]
    elif index.is_file():
        places = _read_json(index).get("weight_map")
        if not isinstance(places, dict) or not all(isinstance(name, str) for name in places.values()):
            raise InputError(f"{index} has no weight_map of file names", remedy=_AGAIN)
        files = [folder / name for name in sorted(set(places.values()))]
        outside = [path for path in files if path.parent != folder]
        if outside:
            raise InputError(
                f"{index} names {outside[0]}, which is not in its folder",
                remedy="Pieces lie in the model's own folder: take one as save_pretrained left it.",
            )
    else:
        raise InputError(
            f"{folder} holds no model.safetensors",
            remedy="Only safetensors are read; save_pretrained of transformers writes them.",
        )
    opened = {}
    for path in files:
        try:
            file = stack.enter_context(safe_open(path, framework="pt"))
            opened.update(dict.fromkeys(file.keys(), file))
        except (OSError, SafetensorError) as error:
            raise InputError(f"{path} cannot be read: {error}", remedy=_AGAIN) from error
    return (lambda name: opened[name].get_tensor(name)), set(opened)
