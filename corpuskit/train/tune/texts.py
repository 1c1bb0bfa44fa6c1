"""Plain texts of one's own as shards: what continued pretraining reads where there was no build."""

from __future__ import annotations

import codecs
import contextlib
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from corpuskit.errors import EmptyError, InputError, counted
from corpuskit.shards.format import NO_PROVENANCE, manifest, token_dtype
from corpuskit.shards.writer import ShardWriter
from corpuskit.storage.files import UNFINISHED, json_bytes, remove_files, write_file, writing
from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train.data.tables import usual
from corpuskit.train.data.tables.columns import find_columns
from corpuskit.train.data.tables.row import Account, Place
from corpuskit.train.data.tables.table import open_table

_TEXTS = (".txt", ".text", ".md")
_LEAST_TOKENS = 1_000
"""Of a document from which a section is held out: of a shorter one all is learnt."""

_HELD_OUT = 10  # one part of so many
_BLOCK = 2**20  # characters of a file, or ids, that are held at a time
_WAITING = 2**22  # bytes of ids that wait in memory
_CUT = (
    "long, and encoded in pieces that end with a line: where its tokenizer may cut a text is not known, and "
    "tokens there may be others than of the whole"
)

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


def documents(data: str, account: Account) -> Iterator[tuple[Place, Iterator[str]]]:
    """The documents of text files, or of a table's column of texts, in order, each in blocks."""
    if not is_texts(data):
        columns = find_columns(open_table(data), {"text": usual.TEXT})
        for row in columns.texts(account):
            account.use()
            yield row.place, iter((str(row.values["text"]),))
        return
    path = Path(data)
    for number, file in enumerate(sorted(path.iterdir()) if path.is_dir() else [path], 1):
        place = Place(file.name, number)
        if file.is_dir() or file.suffix.lower() not in _TEXTS:
            account.leave(f"it is no file whose name ends in {', '.join(_TEXTS)}", place)
        elif all(block.isspace() for block in _blocks(file)):
            account.leave("the file is empty", place)
        else:
            account.use()
            yield place, _blocks(file)


def _blocks(file: Path) -> Iterator[str]:
    """The text of a file in blocks; raises InputError where it cannot be read."""
    try:
        with open(file, encoding="utf-8-sig") as opened:
            while block := opened.read(_BLOCK):
                yield block
    except UnicodeDecodeError as error:
        raise InputError(
            f"{file}: {_not_utf8(file)} is not UTF-8", remedy="Save the file as UTF-8, or take it out."
        ) from error
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}", remedy="Look at its rights.") from error


def _not_utf8(file: Path) -> str:
    """The first byte of a file that is not UTF-8, and where it stands: a reader knows its own block alone."""
    decoder, before = codecs.getincrementaldecoder("utf-8")(), 0
    with open(file, "rb") as opened:
        while True:
            block = opened.read(_BLOCK)
            waiting = len(decoder.getstate()[0])
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                place = before - waiting + error.start
                return f"byte {place:,} (0x{error.object[error.start]:02X})"
            before += len(block)


def write_shards(
    data: str, held_out: str | None, tokenizer: Tokenizer, vocab_size: int, end_of_text: int, folder: Path
) -> list[str]:
    """Write texts as shards that begin, part and end with the token that ends a text; what is to be told.

    Memory does not grow with a text file: it is read and encoded in parts.

    Args:
        held_out: texts to measure on; without them the last tenth of each document of 1,000 tokens or more,
            and with "0" nothing.

    Raises:
        EmptyError: there is no text.
        InputError: a file cannot be read.
    """
    account, dtype = Account(), token_dtype(vocab_size)
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        writers = {
            side: stack.enter_context(ShardWriter(folder, f"{side}-00000", dtype))
            for side in ("train", "validation")
        }
        texts = _Encoded(tokenizer, end_of_text, folder, writers)
        tokens = texts.put(data, account, ("train", "validation") if held_out is None else ("train",))
        if held_out not in (None, "0"):
            texts.put(str(held_out), Account(), ("validation",))
        if not tokens:
            raise EmptyError(f"{data}: there is no text", remedy="Name files that hold text.")
        entries = {
            side: [{**asdict(writer.close()), "provenance_sha256": NO_PROVENANCE}]
            for side, writer in writers.items()
            if writer.tokens
        }
    document = manifest(vocab_size, end_of_text, tokenizer.sha256, entries)
    write_file(folder / "shards.json", json_bytes(document))
    told = [
        f"{counted(account.used, 'document')} of {tokens:,} tokens, and behind each the end-of-text token"
    ]
    return [*told, *account.sentences()]


class _Encoded:
    """Documents on their way into shards, none of them held as a whole."""

    def __init__(
        self, tokenizer: Tokenizer, end_of_text: int, folder: Path, writers: Mapping[str, ShardWriter]
    ) -> None:
        self._tokenizer, self._folder, self._writers = tokenizer, folder, writers
        self._end = np.array([end_of_text], np.uint32)

    def put(self, data: str, account: Account, sides: Sequence[str]) -> int:
        """Write documents to a side, of two the end of each that is long to the second; their tokens."""
        tokens = 0
        for place, blocks in documents(data, account):
            # How long a document is shows at its end: until then its ids wait, long ones on disk.
            with (
                writing(self._folder),
                tempfile.SpooledTemporaryFile(_WAITING, dir=str(self._folder)) as waiting,
            ):
                parts = 0
                for ids in self._tokenizer.encode_blocks(blocks):
                    waiting.write(ids.tobytes())
                    parts += 1
                count = waiting.tell() // self._end.itemsize
                if parts > 1 and not self._tokenizer.cuts_safely:
                    account.note(_CUT, place)
                held = count // _HELD_OUT if len(sides) > 1 and count >= _LEAST_TOKENS else 0
                waiting.seek(0)
                for side, size in zip(sides, (count - held, held), strict=False):
                    if size or side == sides[0]:
                        self._writers[side].append_parts(self._sequence(side, waiting, size))
            tokens += count
        return tokens

    def _sequence(self, side: str, waiting: IO[bytes], size: int) -> Iterator[npt.NDArray[np.uint32]]:
        """The next so many ids, and the end; a shard begins with one too."""
        if not self._writers[side].tokens:
            yield self._end
        while size:
            ids = np.frombuffer(waiting.read(min(size, _BLOCK) * self._end.itemsize), np.uint32)
            size -= len(ids)
            yield ids
        yield self._end
