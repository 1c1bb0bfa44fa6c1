"""A split reads as one line of tokens; damage is an error that names the file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from corpuskit.errors import SettingError, ShardError
from corpuskit.shards import split as split_module
from corpuskit.shards.format import NO_PROVENANCE
from corpuskit.shards.reader import Shards
from corpuskit.shards.writer import ShardWriter

DOCUMENTS = [[[5, 6, 0], [7, 0]], [[8, 0]], [[9, 10, 11, 0], [12, 0], [13, 0]]]
LINE = [token for shard in DOCUMENTS for document in shard for token in document]


@pytest.fixture
def folder(tmp_path: Path, make_shards: Callable[..., Path]) -> Path:
    return make_shards(tmp_path, {"train": DOCUMENTS, "validation": []}, 14)


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((folder / "shards.json").read_text())
    change(manifest)
    (folder / "shards.json").write_text(json.dumps(manifest))


def test_every_range_reads_across_borders(folder: Path) -> None:
    split = Shards(folder).split("train")
    assert (split.tokens, split.sequences) == (len(LINE), 6)
    for start in range(len(LINE) + 1):
        for count in range(len(LINE) - start + 1):
            assert split.read(start, count).tolist() == LINE[start : start + count]
    assert split.read(0, 3).dtype == np.uint16


def test_sequences_and_positions(folder: Path) -> None:
    split = Shards(folder).split("train")
    documents = [document for shard in DOCUMENTS for document in shard]
    assert [split.sequence(number).tolist() for number in range(6)] == documents
    owners = [number for number, document in enumerate(documents) for _ in document]
    assert [split.sequence_at(token) for token in range(len(LINE))] == owners
    assert split.locate(4) == ("train-00000", 4)
    assert split.locate(5) == ("train-00001", 0)
    assert split.locate(7) == ("train-00002", 0)


def test_few_files_stay_open(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split_module, "_OPEN_FILES", 1)
    split = Shards(folder).split("train")
    assert split.read(0, len(LINE)).tolist() == LINE
    assert len(split._maps) == 1


def test_outside_is_an_error(folder: Path) -> None:
    shards = Shards(folder)
    split = shards.split("train")
    for call in (lambda: split.read(10, 99), lambda: split.read(-1, 2), lambda: split.sequence(6)):
        with pytest.raises(IndexError, match="'train'"):
            call()
    with pytest.raises(IndexError, match="token 15"):
        split.locate(15)
    with pytest.raises(SettingError, match="Did you mean 'train'"):
        shards.split("tarin")
    assert shards.split("validation").tokens == 0
    assert shards.split("validation").read(0, 0).tolist() == []


def test_fingerprint_follows_content_only(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    before = Shards(folder).fingerprint
    other = tmp_path_factory.mktemp("moved") / "shards"
    folder.rename(other)
    assert Shards(other).fingerprint == before
    edit(other, lambda manifest: manifest["splits"]["train"][0].update(bin_sha256="1" * 64))
    assert Shards(other).fingerprint != before


def test_verify_finds_one_flipped_bit(folder: Path) -> None:
    Shards(folder).verify()
    path = folder / "train-00002.bin"
    data = bytearray(path.read_bytes())
    data[3] ^= 1
    path.write_bytes(data)
    with pytest.raises(ShardError, match=r"train-00002\.bin is damaged"):
        Shards(folder).verify()


def test_verify_asks_for_the_provenance_that_is_recorded_alone(folder: Path) -> None:
    edit(folder, lambda manifest: manifest["splits"]["train"][1].update(provenance_sha256="1" * 64))
    with pytest.raises(ShardError, match=r"train-00001\.provenance\.parquet cannot be read: No such file"):
        Shards(folder).verify()
    edit(folder, lambda manifest: manifest["splits"]["train"][1].update(provenance_sha256=NO_PROVENANCE))
    Shards(folder).verify()
    edit(folder, lambda manifest: manifest["splits"]["train"][1].update(bin_sha256=""))
    with pytest.raises(ShardError, match=r"train-00001\.bin is damaged"):
        Shards(folder).verify()


def test_truncated_and_missing_files_are_named(folder: Path) -> None:
    path = folder / "train-00001.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ShardError, match=r"train-00001\.bin has 3 bytes where the manifest counts 4"):
        Shards(folder)
    path.unlink()
    with pytest.raises(ShardError, match=r"train-00001\.bin cannot be read: No such file"):
        Shards(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda manifest: manifest.update(format=2), "format 2; this version reads format 1"),
        (lambda manifest: manifest.update(dtype="uint64"), "token type 'uint64' is unknown"),
        (lambda manifest: manifest.update(vocab_size="14"), "vocab_size is '14' where int is needed"),
        (lambda manifest: manifest.update(vocab_size=True), "vocab_size is True"),
        (lambda manifest: manifest.pop("tokenizer_sha256"), "tokenizer_sha256 is None"),
        (lambda manifest: manifest["splits"].update(train=3), "must be a list"),
        (lambda manifest: manifest["splits"]["train"][0].update(tokens=6), r"train-00000.bin has 10 bytes"),
        (lambda manifest: manifest["splits"]["train"][0].update(tokens=-1), "tokens is -1"),
        (lambda manifest: manifest["splits"]["train"][0].update(sequences=3), "train-00000.idx has"),
    ],
)
def test_edited_manifest_is_named(
    folder: Path, change: Callable[[dict[str, Any]], object], words: str
) -> None:
    edit(folder, change)
    with pytest.raises(ShardError, match=words):
        Shards(folder)


def test_index_that_contradicts_the_manifest_is_named(folder: Path) -> None:
    with ShardWriter(folder, "other", "uint16") as writer:
        writer.append(np.array([1, 2, 3, 0]))
        writer.append(np.array([0]))
    (folder / "other.idx").replace(folder / "train-00000.idx")
    edit(folder, lambda manifest: manifest["splits"]["train"][0].update(sequences=2, tokens=5))
    split = Shards(folder).split("train")
    assert split.sequence(0).tolist() == [5, 6, 0, 7]
    with ShardWriter(folder, "other", "uint16") as writer:
        writer.append(np.array([1, 2]))
        writer.append(np.array([0]))
    (folder / "other.idx").replace(folder / "train-00000.idx")
    with pytest.raises(ShardError, match=r"train-00000\.idx counts 3 tokens in 2 sequences, the manifest 5"):
        Shards(folder).split("train").sequence(0)


def test_folder_without_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match=r"holds no shards\.json"):
        Shards(tmp_path)
    (tmp_path / "shards.json").write_text("{")
    with pytest.raises(ShardError, match=r"cannot read .*shards\.json"):
        Shards(tmp_path)
