"""Plain texts of one's own as shards: what continued pretraining reads where there was no build."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from corpuskit.errors import EmptyError, InputError, counted
from corpuskit.shards.format import NO_PROVENANCE, manifest, token_dtype
from corpuskit.shards.writer import ShardWriter
from corpuskit.storage.files import UNFINISHED, json_bytes, remove_files, write_file
from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train.data.tables import usual
from corpuskit.train.data.tables.columns import find_columns
from corpuskit.train.data.tables.row import Account, Place
from corpuskit.train.data.tables.table import open_table

_TEXTS = (".txt", ".text", ".md")
_LEAST_TOKENS = 1_000
"""Of a document from which a section is held out: of a shorter one all is learnt."""

_HELD_OUT = 10  # one part of so many

SHARDS = "shards"
"""The folder of the shards below that of a model's data."""

_FILES = re.compile(rf"(?:{UNFINISHED})?(?:shards\.json|(?:train|validation)-00000\.(?:bin|idx)(?:\.tmp)?)")


def remove_shards(data: Path) -> None:
    """Remove the shards that were made of texts below a folder, by name, and it if it is empty then."""
    remove_files(data / SHARDS, _FILES)
    if data.is_dir() and not any(data.iterdir()):
        data.rmdir()


def is_texts(data: str) -> bool:
    """Whether data are text files, each of which is a document, or a folder of such."""
    path = Path(data)
    if path.is_dir():
        return any(each.suffix.lower() in _TEXTS for each in path.iterdir())
    return path.suffix.lower() in _TEXTS


def documents(data: str, account: Account) -> Iterator[str]:
    """The documents of text files, or of a table's column of texts, in order."""
    if not is_texts(data):
        columns = find_columns(open_table(data), {"text": usual.TEXT})
        for row in columns.texts(account):
            account.use()
            yield str(row.values["text"])
        return
    path = Path(data)
    for number, file in enumerate(sorted(path.iterdir()) if path.is_dir() else [path], 1):
        place = Place(file.name, number)
        if file.is_dir() or file.suffix.lower() not in _TEXTS:
            account.leave(f"it is no file whose name ends in {', '.join(_TEXTS)}", place)
            continue
        try:
            text = file.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{file}: byte {error.start:,} (0x{error.object[error.start]:02X}) is not UTF-8",
                remedy="Save the file as UTF-8, or take it out.",
            ) from error
        except OSError as error:
            raise InputError(
                f"{file}: cannot be read: {error.strerror}", remedy="Look at its rights."
            ) from error
        if not text.strip():
            account.leave("the file is empty", place)
            continue
        account.use()
        yield text


def write_shards(
    data: str, held_out: str | None, tokenizer: Tokenizer, vocab_size: int, end_of_text: int, folder: Path
) -> list[str]:
    """Write texts as shards that begin, part and end with the token that ends a text; what is to be told.

    Args:
        held_out: texts to measure on; without them the last tenth of each document of 1,000 tokens or more,
            and with "0" nothing.

    Raises:
        EmptyError: there is no text.
        InputError: a file cannot be read.
    """
    account, dtype = Account(), token_dtype(vocab_size)
    folder.mkdir(parents=True, exist_ok=True)
    begun = {"train": False, "validation": False}
    tokens = 0
    with contextlib.ExitStack() as stack:
        writers = {side: stack.enter_context(ShardWriter(folder, f"{side}-00000", dtype)) for side in begun}

        def put(side: str, ids: list[int]) -> None:
            lead = [] if begun[side] else [end_of_text]
            begun[side] = True
            writers[side].append(np.array([*lead, *ids, end_of_text]))

        for text in documents(data, account):
            ids = tokenizer.encode(text)
            tokens += len(ids)
            cuts = held_out is None and len(ids) >= _LEAST_TOKENS
            cut = len(ids) - len(ids) // _HELD_OUT if cuts else len(ids)
            put("train", ids[:cut])
            if cut < len(ids):
                put("validation", ids[cut:])
        for text in documents(held_out, Account()) if held_out not in (None, "0") else ():
            put("validation", tokenizer.encode(text))
        if not begun["train"]:
            raise EmptyError(f"{data}: there is no text", remedy="Name files that hold text.")
        entries = {
            side: [{**asdict(writers[side].close()), "provenance_sha256": NO_PROVENANCE}]
            for side in begun
            if begun[side]
        }
    document = manifest(vocab_size, end_of_text, tokenizer.sha256, entries)
    write_file(folder / "shards.json", json_bytes(document))
    told = [
        f"{counted(account.used, 'document')} of {tokens:,} tokens, and behind each the end-of-text token"
    ]
    return [*told, *account.sentences()]
