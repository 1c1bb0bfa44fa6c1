"""Exports of tokens: nanoGPT's train.bin and datatrove's .ds, byte for byte."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from corpuskit import Files, WriteShards, build_corpus, export_tokens, open_shards
from corpuskit.cli.main import cli
from corpuskit.errors import SettingError, ShardError
from corpuskit.shards.writer import ShardWriter
from corpuskit.tokenizer.train import TrainTokenizer
from tests.shards.conftest import MakeShards

END = "<|endoftext|>"


def byte_tokenizer(path: Path, size: int = 257) -> Path:
    """Every byte a token, id 0 the end of a text; above 257 ids fillers and, last, the one word ``Ba``."""
    vocab = {END: 0} | {c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()), 1)}
    if size > len(vocab):
        vocab |= {f"unused{i:05d}": i for i in range(len(vocab), size - 1)} | {"Ba": size - 1}
    made = Tokenizer(models.BPE(vocab, [("B", "a")] if "Ba" in vocab else []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(END, special=True, normalized=False)])
    made.save(str(path))
    return path


def built(folder: Path, texts: list[str], size: int = 257, **split: float) -> Path:
    """A run of one document a text."""
    lines = [json.dumps({"id": str(i), "text": text}) for i, text in enumerate(texts, 1)]
    (folder / "in.jsonl").write_text("\n".join(lines) + "\n")
    given = TrainTokenizer(file=str(byte_tokenizer(folder / "tokenizer.json", size)))
    shards = WriteShards(split={"validation": 0.0, **split})
    build_corpus([Files(path=str(folder / "in.jsonl"), label="x"), given, shards], folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``ab``, an empty document, which a build leaves out and counts, and ``é!``."""
    return built(tmp_path_factory.mktemp("bins"), ["ab", "", "é!"])


def test_nanogpt_is_two_bytes_a_token_and_nothing_else(run: Path, tmp_path: Path) -> None:
    made = export_tokens(run, tmp_path / "out", "nanogpt")
    data = (tmp_path / "out/train.bin").read_bytes()
    assert data.hex() == "4100420000008000670001000000"
    assert np.memmap(tmp_path / "out/train.bin", np.uint16, mode="r").tolist() == [65, 66, 0, 128, 103, 1, 0]
    assert (made.splits, made.sequences, made.dtype) == ({"train": 7}, {"train": 2}, "uint16")
    assert made.files == ("train.bin",)
    assert made.remarks == (
        "There is no val.bin, which nanoGPT's train.py reads: the run holds out nothing.",
    )
    facts = json.loads((tmp_path / "out/export.json").read_text())
    assert facts["files"] == {"train.bin": hashlib.sha256(data).hexdigest()}
    assert (facts["vocab_size"], facts["end_of_text"], facts["dtype"]) == (257, 0, "uint16")
    digest = hashlib.sha256((tmp_path / "out/tokenizer.json").read_bytes()).hexdigest()
    assert facts["tokenizer_sha256"] == digest


def test_an_empty_document_in_the_shards_is_its_end_alone(make_shards: MakeShards, tmp_path: Path) -> None:
    """Shards that hold one, whoever wrote them: the bytes of the case, and their digest."""
    folder = make_shards(tmp_path / "s", {"train": [[[65, 66, 0], [0], [128, 103, 1, 0]]]}, 257)
    made = export_tokens(folder, tmp_path / "nano", "nanogpt")
    data = (tmp_path / "nano/train.bin").read_bytes()
    assert data.hex() == "41004200000000008000670001000000"
    assert hashlib.sha256(data).hexdigest().startswith("b3560fec172f1b25b5c8d055e755278a")
    assert "There is no tokenizer.json: none lies beside the shards." in made.remarks
    export_tokens(folder, tmp_path / "ds", "datatrove")
    assert (tmp_path / "ds/train/00000.ds").read_bytes() == data
    assert np.fromfile(tmp_path / "ds/train/00000.ds.index", "<u8").tolist() == [3, 4, 8]
    assert (tmp_path / "ds/train/00000.ds.metadata").read_text() == "Unknown Tokenizer|2\n8\n8.00 T"


def test_datatrove_has_the_ends_of_documents_in_tokens(run: Path, tmp_path: Path) -> None:
    made = export_tokens(run, tmp_path / "out", "datatrove")
    folder = tmp_path / "out/train"
    assert (folder / "00000.ds").read_bytes().hex() == "4100420000008000670001000000"
    assert (folder / "00000.ds.index").read_bytes() == np.array([3, 7], "<u8").tobytes()
    assert (folder / "00000.ds.metadata").read_text() == "tokenizer.json|2\n7\n7.00 T"
    assert made.files == tuple(f"train/00000.ds{end}" for end in ("", ".index", ".metadata"))


@pytest.mark.parametrize(
    ("size", "dtype", "expected"),
    [(65_536, "uint16", "ffff0000"), (65_537, "uint32", "0000010000000000")],
)
def test_the_highest_id_keeps_its_value(tmp_path: Path, size: int, dtype: str, expected: str) -> None:
    run = built(tmp_path, ["Ba"], size)
    for form, name in (("nanogpt", "train.bin"), ("datatrove", "train/00000.ds")):
        made = export_tokens(run, tmp_path / form, form)  # type: ignore[arg-type]
        assert (tmp_path / form / name).read_bytes().hex() == expected
        assert made.dtype == dtype
        told = [remark for remark in made.remarks if "uint32" in remark]
        assert len(told) == (form == "nanogpt" and dtype == "uint32")
    width = 2 if dtype == "uint16" else 4
    metadata = (tmp_path / "datatrove/train/00000.ds.metadata").read_text()
    assert metadata == f"tokenizer.json|{width}\n2\n2.00 T"


def test_several_shards_are_one_file_of_nanogpt_and_several_of_datatrove(
    make_shards: MakeShards, tmp_path: Path
) -> None:
    splits = {"train": [[[1, 0], [2, 3, 0]], [[4, 0]]], "validation": [[[5, 0]]], "test": []}
    folder = make_shards(tmp_path / "s", splits, 10)
    made = export_tokens(folder, tmp_path / "nano")
    assert made.files == ("train.bin", "val.bin")
    assert np.fromfile(tmp_path / "nano/train.bin", "<u2").tolist() == [1, 0, 2, 3, 0, 4, 0]
    assert np.fromfile(tmp_path / "nano/val.bin", "<u2").tolist() == [5, 0]
    assert not any("val.bin" in remark for remark in made.remarks)
    export_tokens(folder, tmp_path / "ds", "datatrove")
    names = sorted(p.relative_to(tmp_path / "ds").as_posix() for p in (tmp_path / "ds").rglob("*.ds"))
    assert names == ["train/00000.ds", "train/00001.ds", "validation/00000.ds"]
    assert np.fromfile(tmp_path / "ds/train/00001.ds.index", "<u8").tolist() == [2]


@pytest.mark.parametrize("form", ["nanogpt", "datatrove"])
def test_the_same_bytes_when_exported_twice(run: Path, tmp_path: Path, form: str) -> None:
    for name in ("a", "b"):
        export_tokens(run, tmp_path / name, form)  # type: ignore[arg-type]
    a, b = (
        {p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("*") if p.is_file()}
        for name in ("a", "b")
    )
    assert a == b


def test_datatroves_own_reader_gives_the_ids_back(run: Path, tmp_path: Path) -> None:
    dataset = pytest.importorskip("datatrove.utils.dataset", reason="datatrove is not installed")
    export_tokens(run, tmp_path / "out", "datatrove")
    path = tmp_path / "out/train/00000.ds"
    read = dataset.DatatroveFileDataset(str(path), seq_len=6, token_size=2)
    assert read[0]["input_ids"].tolist() == [65, 66, 0, 128, 103, 1, 0]
    ends = [0, *np.fromfile(f"{path}.index", "<u8").tolist()]
    split = open_shards(run).split("train")
    tokens = read[0]["input_ids"].numpy()
    for number, (start, end) in enumerate(pairwise(ends)):
        assert tokens[start:end].tolist() == split.sequence(number).tolist()


def damaged(folder: Path) -> None:
    path = folder / "train-00000.bin"
    path.write_bytes(path.read_bytes()[:-2] + b"\x09\x00")


def test_damaged_shards_are_refused_and_nothing_is_left(make_shards: MakeShards, tmp_path: Path) -> None:
    folder = make_shards(tmp_path / "s", {"train": [[[1, 0]]]}, 10)
    damaged(folder)
    with pytest.raises(ShardError, match=r"train-00000\.bin is not what shards\.json records"):
        export_tokens(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_id_beyond_the_vocabulary_is_refused(make_shards: MakeShards, tmp_path: Path) -> None:
    folder = make_shards(tmp_path / "s", {"train": [[[1, 12, 0]]]}, 10)
    with pytest.raises(ShardError, match="holds the id 12 of a vocabulary of 10"):
        export_tokens(folder, tmp_path / "out")


def test_another_tokenizer_beside_the_shards_is_refused(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    (copy / "tokenizer").mkdir(parents=True)
    (copy / "tokenizer/tokenizer.json").write_text("{}")
    (copy / "shards").symlink_to(run / "shards")
    with pytest.raises(ShardError, match="is not the tokenizer that wrote"):
        export_tokens(copy, tmp_path / "out")


def test_a_form_that_is_none(run: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"(?s)'nanogtp': no such form.*'nanogpt'"):
        export_tokens(run, tmp_path / "out", "nanogtp")  # type: ignore[arg-type]


def test_what_others_wrote_is_never_touched(run: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine")
    with pytest.raises(SettingError, match="is there already, and not empty"):
        export_tokens(run, tmp_path / "out")
    with pytest.raises(SettingError, match="lies among the files of the run"):
        export_tokens(run, run / "shards" / "nano")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_many_tokens_pass_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory holds a piece, not a shard."""
    monkeypatch.setattr("corpuskit.shards.export._CHUNK", 64)
    folder = tmp_path / "s"
    folder.mkdir()
    ids = np.arange(1, 500, dtype=np.int64)
    with ShardWriter(folder, "train-00000", "uint16") as writer:
        writer.append(np.append(ids, 0))
        entry = {**vars(writer.close()), "provenance_sha256": ""}
    from corpuskit.shards.format import MANIFEST_NAME, manifest

    (folder / MANIFEST_NAME).write_text(json.dumps(manifest(500, 0, "ab", {"train": [entry]})))
    export_tokens(folder, tmp_path / "out")
    assert np.fromfile(tmp_path / "out/train.bin", "<u2").tolist() == [*ids.tolist(), 0]


Call = Callable[..., tuple[int, str]]


@pytest.fixture
def call() -> Call:
    def run_it(*words: object) -> tuple[int, str]:
        found = CliRunner().invoke(cli, [str(word) for word in words])
        return found.exit_code, found.output

    return run_it


def test_the_command_tells_what_was_written(run: Path, tmp_path: Path, call: Call) -> None:
    code, told = call("export", run, "--to", "nanogpt", "--out", tmp_path / "out")
    assert code == 0, told
    assert "nanogpt, uint16: train 7 tokens in 2 sequences" in told
    code, told = call("export", run, "--to", "datatrove", "--out", tmp_path / "ds", "--json")
    assert code == 0
    assert json.loads(told)["splits"] == {"train": 7}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "is a run: --to is not given"),
        (("--to", "hf"), "is a run: --to hf is of a model"),
        (("--to", "nanogpt", "--keep-padding"), "are not of --to nanogpt"),
        (("--to", "nanogpt", "--file-bytes", "9"), "--file-bytes is of --to dataset alone"),
    ],
)
def test_wrong_calls_of_the_command(
    run: Path, tmp_path: Path, call: Call, words: tuple[str, ...], says: str
) -> None:
    code, told = call("export", run, *words, "--out", tmp_path / "out")
    assert code == 2
    assert says in told
    assert not (tmp_path / "out").exists()
