"""`verify` of a run: no damage makes it trip, and every finding names the file, the fault and the remedy."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers

from corpuskit import Files
from corpuskit.build.build import build_corpus
from corpuskit.build.recipe.recipe import load
from corpuskit.build.write.write_shards import WriteShards
from corpuskit.cli.corpus.inspect import gather
from corpuskit.errors import RunError, ShardError
from corpuskit.report.check import check_run, read_ledger, read_records
from corpuskit.run.folder import Run
from corpuskit.storage.files import read_sealed, seal
from corpuskit.tokenizer.train import TrainTokenizer

RECORDED = [
    "recipe.yaml",
    "ledger.json",
    "manifest/build.json",
    "manifest/tokenizer.json",
    "candidates/files-letters-00000.parquet",
    "decisions/candidates/files-letters-00000.parquet",
    "documents/files-reports-00000.parquet",
    "dropped/documents-files-letters-00000.parquet",
    "tokenizer/tokenizer.json",
    "shards/shards.json",
    "shards/train-00000.bin",
    "shards/train-00000.idx",
    "shards/train-00000.provenance.parquet",
]


def found(run: Path) -> list[str]:
    return check_run(Run.open(run)).problems


def rewrite(path: Path, change: Callable[[dict[str, Any]], object], *, sealed: bool = True) -> None:
    """Change a JSON document, with a checksum that holds or without one."""
    document = read_sealed(path)
    change(document)
    path.write_text(json.dumps(seal(document) if sealed else document, sort_keys=True) + "\n")


def test_a_sound_run_has_been_looked_at_whole(finished: Path) -> None:
    checked = check_run(Run.open(finished))
    assert (checked.problems, checked.notes) == ([], [])
    recorded = {o.path for record in Run(finished).records() for o in record.outputs}
    assert {"recipe.yaml", "ledger.json"} <= recorded
    assert checked.files == len(recorded)


@pytest.mark.parametrize("path", RECORDED)
def test_all_damage_is_found_and_named(path: str, finished: Path) -> None:
    chance, place = random.Random(path), finished / path
    data = place.read_bytes()
    flipped = bytearray(data)
    flipped[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    for damaged in (bytes(flipped), data[: chance.randrange(1, len(data))], b"", data + b"\n", data[::-1]):
        place.write_bytes(damaged)
        told = found(finished)
        assert any(sentence.startswith(path) for sentence in told), told
        assert all("Call `corpuskit build`" in sentence for sentence in told)
    place.unlink()
    assert any(
        path.removeprefix("manifest/") in sentence or "no record" in sentence for sentence in found(finished)
    )
    place.mkdir()
    assert found(finished)
    place.rmdir()
    place.write_bytes(data)
    assert found(finished) == []


@pytest.mark.parametrize(
    "change",
    [
        {"outputs": 3},
        {"outputs": [{"path": 5, "sha256": "x", "bytes": 1}]},
        {"outputs": [{"path": "x", "sha256": None, "bytes": 1}]},
        {"outputs": [{"path": "x", "sha256": "", "bytes": "1"}]},
        {"ledger": {"a": 1}},
        {"ledger": [{"stage": 1, "documents": {"in": "3"}, "bytes": {}}]},
        {"ledger": [{"stage": "x", "documents": {"nonsense": 3}, "bytes": {}}]},
        {"ledger": [{"stage": "x", "documents": {"dropped": {"why": "3"}}, "bytes": {}}]},
        {"facts": None},
        {"made_from": 3},
        {"task": "another"},
    ],
)
@pytest.mark.parametrize("sealed", [True, False])
def test_wrong_types_in_a_record(change: dict[str, Any], sealed: bool, finished: Path) -> None:
    rewrite(finished / "manifest" / "tokenizer.json", lambda d: d.update(change), sealed=sealed)
    told = found(finished)
    assert any(sentence.startswith("manifest/tokenizer.json: is ") for sentence in told), told


def test_a_nesting_without_end_is_no_record(finished: Path) -> None:
    (finished / "manifest" / "tokenizer.json").write_text("[" * 100_000)
    assert found(finished)[0].startswith("manifest/tokenizer.json: is no record of a task")


def test_a_record_under_the_name_of_another(finished: Path) -> None:
    shutil.copy(finished / "manifest" / "shards.json", finished / "manifest" / "tokenizer.json")
    assert "manifest/tokenizer.json: is the record of the task 'shards'" in found(finished)[0]


def test_run_json_holds_the_format_and_nothing_else(finished: Path) -> None:
    (finished / "run.json").write_text('{"format": 1, "more": 2}')
    assert found(finished)[0].startswith("run.json: is not what was written")


def test_a_run_of_before_is_read_and_its_ledger_is_reckoned(
    corpus: Path, finished: Path, tmp_path: Path
) -> None:
    """Older versions gave records no checksum and kept none of the build; what they wrote is still sound."""
    (finished / "manifest" / "build.json").unlink()
    for path in sorted((finished / "manifest").rglob("*.json")):
        rewrite(path, lambda document: None, sealed=False)
    assert found(finished) == []
    account = json.loads((finished / "ledger.json").read_text())
    account["stages"][0]["documents"]["in"] += 1
    (finished / "ledger.json").write_text(json.dumps(account))
    assert "went in" in found(finished)[0]
    result = build_corpus(load(corpus / "recipe.yaml"), finished)
    assert (result.done, found(finished)) == (0, [])


@pytest.mark.parametrize("task", ["candidates/files-letters-00000", "documents/files-books-00000", "shards"])
def test_a_missing_record_is_named_by_who_reads_all(task: str, finished: Path) -> None:
    assert read_records(Run(finished))
    (finished / "manifest" / f"{task}.json").unlink()
    assert f"manifest/{task}.json: is missing" in found(finished)[0]
    with pytest.raises(RunError, match=rf"manifest/{task}\.json: is missing"):
        read_records(Run(finished))


def test_inspect_misses_shards_that_were_made(finished: Path) -> None:
    assert gather(Run(finished))["shards"]["train"]
    (finished / "shards" / "shards.json").unlink()
    with pytest.raises(ShardError, match=r"holds no shards\.json"):
        gather(Run(finished))


def test_the_ledger_that_is_read_is_the_one_that_was_written(finished: Path) -> None:
    account = json.loads((finished / "ledger.json").read_text())
    account["stages"][0]["documents"]["kept"] -= 1
    (finished / "ledger.json").write_text(json.dumps(account))
    with pytest.raises(RunError, match="not what its record says"):
        read_ledger(Run(finished))


# --------------------------------------------------------------------------------- tokens back to text


def forge(run: Path, path: str, task: str) -> None:
    """Let a changed file pass for the one that its task wrote, as a fault of the program would."""
    data = (run / path).read_bytes()

    def change(document: dict[str, Any]) -> None:
        for output in document["outputs"]:
            if output["path"] == path:
                output.update(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))

    rewrite(run / "manifest" / f"{task}.json", change)


def test_tokens_of_another_text_are_a_problem(finished: Path) -> None:
    """All digests hold; only who decodes sees it."""
    path = "documents/files-letters-00000.parquet"
    table = pq.read_table(finished / path)
    texts = [text.replace("a", "e", 1) for text in table.column("text").to_pylist()]
    place = table.schema.get_field_index("text")
    pq.write_table(
        table.set_column(place, table.schema.field("text"), pa.array(texts, pa.large_string())),
        finished / path,
    )
    forge(finished, path, "documents/files-letters-00000")
    told = found(finished)
    assert told
    assert all("are not those of its text" in sentence for sentence in told)


def lossy(folder: Path) -> Path:
    """A tokenizer that makes all letters small."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = tokenizers.Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|endoftext|>"])
    tokenizer.save(str(folder / "lossy.json"))
    return folder / "lossy.json"


def test_what_an_allowed_tokenizer_loses_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Anna saw Otto.\n" * 40)
    file = lossy(tmp_path)
    source, given = (
        Files(path=str(tmp_path / "a.txt"), label="a"),
        TrainTokenizer(file=str(file), lossy="allow"),
    )
    build_corpus([source, given, WriteShards()], tmp_path / "run")
    checked = check_run(Run.open(tmp_path / "run"))
    assert checked.problems == []
    assert "do not give their text back" in checked.notes[0]
    assert "'anna saw otto." in checked.notes[0]
    assert "'Anna saw Otto." in checked.notes[0]
