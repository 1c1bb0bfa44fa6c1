"""Shards as other trainers read them: nanoGPT's ``train.bin`` and datatrove's ``.ds``.

Both are the tokens of the documents one after the other, each document with its end-of-text, as the ``.bin``
of our shards is (`corpuskit.shards.format`). So the bytes are copied, shard by shard, and held against their
digests on the way; nothing is decoded and memory does not grow. Order and documents are those of the shards.

nanoGPT reads one file a split as ``np.memmap(path, dtype=np.uint16)``. With more than 65,536 tokens in the
vocabulary a token takes four bytes (uint32): that is written too, and a remark says that nanoGPT's own
``train.py`` must be changed for it, since it would read two tokens of each.

datatrove reads every ``.ds`` of a folder, with the ends of its documents in tokens in ``.ds.index`` (uint64)
and the tokenizer's name, the bytes of a token and the number of tokens in ``.ds.metadata``. Each shard is a
file, each split a folder. Source: datatrove 0.10.1, ``TokenizedFile`` and ``DatatroveFolderDataset``.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from corpuskit.errors import SettingError, ShardError, nearest
from corpuskit.shards.format import MANIFEST_NAME, REMEDY, ShardInfo, numpy_dtype, read_index
from corpuskit.shards.reader import Shards, open_shards
from corpuskit.storage.files import json_bytes, sha256_file, write_file
from corpuskit.storage.ownership import EXPORTED_DATA, making_folder

TokenForm = Literal["nanogpt", "datatrove"]
TOKEN_FORMS: tuple[TokenForm, ...] = ("nanogpt", "datatrove")
TOKENIZER_FILE = "tokenizer.json"

_CHUNK = 2**22
_NANOGPT_SPLITS = {"train": "train.bin", "validation": "val.bin"}
_METRIC = ("", "k", "M", "G", "T")


@dataclass(frozen=True)
class ExportedTokens:
    """What was written.

    Attributes:
        out: the folder.
        form: ``nanogpt`` or ``datatrove``.
        dtype: ``uint16`` or ``uint32``.
        splits: tokens by split.
        sequences: documents, or sections of them, by split.
        files: their paths below ``out``, in order.
        remarks: what a reader has to know.
    """

    out: Path
    form: TokenForm
    dtype: str
    splits: dict[str, int]
    sequences: dict[str, int]
    files: tuple[str, ...]
    remarks: tuple[str, ...]


def export_tokens(run: Path | str, out: Path | str, form: TokenForm = "nanogpt") -> ExportedTokens:
    """Write the shards of a run, or of a shards folder, in the form of another trainer.

    ``out`` appears when it is whole: the tokens, ``tokenizer.json`` where the run has it, and
    ``export.json`` with the type of a token, the vocabulary's size, the id of the end-of-text and the counts.
    The same shards give the same bytes.

    Args:
        out: a folder that is not there yet, or an empty one.

    Raises:
        SettingError: ``form`` is none, or ``out`` holds something.
        ShardError: there are no shards, or their bytes are not those of the manifest.
        StorageError: it cannot be written.

    >>> export_tokens("runs/sample", "export/nano").files  # doctest: +SKIP
    ('train.bin', 'val.bin')
    """
    if form not in TOKEN_FORMS:
        raise SettingError(f"export to {form!r}: no such form", remedy=nearest(form, TOKEN_FORMS))
    shards, out = open_shards(run), Path(out)
    with making_folder(out, EXPORTED_DATA, SettingError) as folder:
        tokenizer = _copy_tokenizer(shards, folder)
        nanogpt = form == "nanogpt"
        files = _write_nanogpt(shards, folder) if nanogpt else _write_datatrove(shards, folder, tokenizer)
        splits = {name: shards.split(name).tokens for name in shards.splits}
        sequences = {name: shards.split(name).sequences for name in shards.splits}
        facts = {
            "corpuskit": "tokens",
            "form": form,
            "dtype": _dtype(shards),
            "vocab_size": shards.vocab_size,
            "end_of_text": shards.end_of_text,
            "tokenizer_sha256": shards.tokenizer_sha256,
            "tokens": splits,
            "sequences": sequences,
            "files": {name: sha256_file(folder / name) for name in files},
        }
        write_file(folder / EXPORTED_DATA.mark, json_bytes(facts))
    return ExportedTokens(
        out, form, _dtype(shards), splits, sequences, tuple(files), tuple(_remarks(shards, form, tokenizer))
    )


def _dtype(shards: Shards) -> str:
    """Ids are never negative: the same bits under the name that other readers know."""
    return "uint16" if shards.dtype == "uint16" else "uint32"


def _remarks(shards: Shards, form: TokenForm, tokenizer: str) -> list[str]:
    remarks = []
    if form == "nanogpt" and shards.dtype != "uint16":
        remarks.append(
            f"{shards.vocab_size:,} ids do not fit two bytes: tokens are uint32. nanoGPT's train.py reads "
            "uint16: write dtype=np.uint32 in its get_batch, or build with a vocabulary of 65,536 at most."
        )
    if form == "nanogpt" and not shards.splits.get("validation"):
        remarks.append("There is no val.bin, which nanoGPT's train.py reads: the run holds out nothing.")
    if not tokenizer:
        remarks.append("There is no tokenizer.json: none lies beside the shards.")
    return remarks


def _copy_tokenizer(shards: Shards, folder: Path) -> str:
    """Copy the run's tokenizer; its name, or empty where there is none beside the shards."""
    source = shards.folder.parent / "tokenizer" / TOKENIZER_FILE
    if not source.is_file():
        return ""
    if sha256_file(source) != shards.tokenizer_sha256:
        raise ShardError(f"{source} is not the tokenizer that wrote {shards.folder}", remedy=REMEDY)
    shutil.copyfile(source, folder / TOKENIZER_FILE)
    return TOKENIZER_FILE


def _write_nanogpt(shards: Shards, folder: Path) -> list[str]:
    files = []
    for split, infos in shards.splits.items():
        if not infos:
            continue
        name = _NANOGPT_SPLITS.get(split, f"{split}.bin")
        with open(folder / name, "wb") as stream:
            for info in infos:
                _copy(shards, info, stream)
        files.append(name)
    return files


def _write_datatrove(shards: Shards, folder: Path, tokenizer: str) -> list[str]:
    files = []
    for split, infos in shards.splits.items():
        for number, info in enumerate(infos):
            name = f"{split}/{number:05d}.ds"
            (folder / split).mkdir(exist_ok=True)
            with open(folder / name, "wb") as stream:
                _copy(shards, info, stream)
            ends = read_index(shards.folder / f"{info.name}.idx")[1:]
            (folder / f"{name}.index").write_bytes(ends.astype("<u8").tobytes())
            size = numpy_dtype(shards.dtype).itemsize
            told = f"{tokenizer or 'Unknown Tokenizer'}|{size}\n{info.tokens}\n{_metric(info.tokens)}"
            (folder / f"{name}.metadata").write_text(told, encoding="utf-8")
            files += [name, f"{name}.index", f"{name}.metadata"]
    return files


def _copy(shards: Shards, info: ShardInfo, out: BinaryIO) -> None:
    """Append a shard's tokens, held against their digest and the largest id that the vocabulary has."""
    path, digest = shards.folder / f"{info.name}.bin", hashlib.sha256()
    largest = -1
    with open(path, "rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            largest = max(largest, int(np.frombuffer(chunk, numpy_dtype(shards.dtype)).max()))
            out.write(chunk)
    if digest.hexdigest() != info.bin_sha256:
        raise ShardError(f"{path} is not what {MANIFEST_NAME} records", remedy=REMEDY)
    if largest >= shards.vocab_size:
        raise ShardError(
            f"{path} holds the id {largest:,} of a vocabulary of {shards.vocab_size:,}", remedy=REMEDY
        )


def _metric(count: int) -> str:
    """A count of tokens in three digits, as datatrove writes it for people.

    >>> _metric(8), _metric(12_345), _metric(1_234_567)
    ('8.00 T', '12.3 kT', '1.23 MT')
    """
    power = min(max(0, (len(str(count)) - 1) // 3), len(_METRIC) - 1)
    value = count / 1000**power
    places = max(0, 3 - len(str(int(value))))
    return f"{value:.{places}f} {_METRIC[power]}T"
