"""Pretraining that goes on with texts of one's own: its first loss is the model's, each text ends once."""

import copy
import itertools
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from corpuskit.documents.texts import pieces_of
from corpuskit.errors import InputError, TrainError
from corpuskit.shards.reader import Shards
from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train import LanguageModel
from corpuskit.train.settings.tune import ContinueSettings
from corpuskit.train.tune.continued import Continuation
from corpuskit.train.tune.texts import write_shards
from tests.train.conftest import MakeRun
from tests.train.tune.tuning import absent, command, lines, printed, refusal, tune

END = 256
WEIGHTS = {**dict.fromkeys("abcdefghijklmnopqrstuvwxyz.,?!", 8), " ": 16}


def cost(text: str) -> float:
    return sum(math.log(639 / WEIGHTS.get(letter, 2)) for letter in text)


def test_the_first_loss_is_what_evaluation_gives(unigram: Path, tmp_path: Path) -> None:
    text = "more words to read."
    (tmp_path / "text.txt").write_text(text)
    [found] = printed("eval", unigram, tmp_path / "text.txt")["sets"][0]["models"].values()
    [member] = found["members"].values()
    assert member["loss"] == pytest.approx(cost(text) / 19, abs=1e-4)
    assert cost(text) / 19 == pytest.approx(4.2710, abs=1e-4)
    run = tune(unigram, tmp_path / "text.txt", tmp_path / "out", "lm", steps=1)
    # The end of the text is learnt too.
    assert run.losses[0] == pytest.approx((cost(text) + math.log(639 / 32)) / 20, abs=1e-4)
    assert "behind each the end-of-text token" in run.told


def test_documents_are_parted_by_one_token(unigram: Path, tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    texts = ["the cat", "a dog.", "No birds"]
    for number, text in enumerate(texts):
        (docs / f"{number}.txt").write_text(text)
    run = tune(unigram, docs, tmp_path / "out", "lm", steps=1, batch_rows=1)
    shards = Shards(run.out / "data" / "shards").split("train")
    ids = np.concatenate([shards.sequence(number) for number in range(shards.sequences)]).tolist()
    assert ids.count(END) == 4, "one at the very beginning"
    assert not any(a == b == END for a, b in itertools.pairwise(ids))
    assert bytes(each for each in ids if each != END).decode() == "".join(texts)
    assert "3 documents of 21 tokens" in run.told
    assert run.losses[0] == pytest.approx((sum(map(cost, texts)) + 3 * math.log(639 / 32)) / 24, abs=1e-4)
    assert run.losses[0] == pytest.approx(4.1783, abs=1e-4)


def test_rows_of_texts_and_runs_are_read_too(unigram: Path, tmp_path: Path, make_run: MakeRun) -> None:
    data = lines(tmp_path / "data.jsonl", [{"text": "one"}, {"text": "two"}])
    assert "2 documents of 6 tokens" in tune(unigram, data, tmp_path / "out", "lm", steps=1).told
    run = make_run(documents=9)
    with pytest.raises(TrainError, match="has another tokenizer than the shards") as refused:
        tune(unigram, run, tmp_path / "other", "lm", steps=1)
    assert absent(tmp_path / "other")
    theirs = Shards(run / "shards").tokenizer_sha256[:12]
    assert theirs in str(refused.value)
    assert LanguageModel.load(unigram).tokenizer.sha256[:12] in str(refused.value)


def test_as_many_tokens_do_not_make_a_tokenizer_the_same(
    unigram: Path, tmp_path: Path, make_run: MakeRun
) -> None:
    """The shards of a run are read with the tokenizer of the run alone."""
    run = make_run(documents=9)
    shards = copy.copy(Shards(run / "shards"))
    object.__setattr__(shards, "vocab_size", LanguageModel.load(unigram).model.settings.vocab_size)
    job = Continuation(unigram, str(run))
    job.shards = shards
    with pytest.raises(TrainError, match="has another tokenizer"):
        job._begin_with(ContinueSettings(init_from=str(unigram)))


def test_a_long_text_is_measured_on_its_end(unigram: Path, tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("it goes on and on. " * 120)
    run = tune(unigram, tmp_path / "long.txt", tmp_path / "out", "lm", steps=2, batch_rows=1)
    assert run.result.validation_loss is not None
    assert Shards(run.out / "data" / "shards").split("validation").tokens == 228 + 2


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.txt", b"  \n", "there is no text"),
        ("latin.txt", b"d\xe9j\xe0 vu", "byte 1 (0xE9) is not UTF-8"),
        ("missing.txt", None, "missing.txt"),
    ],
)
def test_texts_that_cannot_be_read(
    unigram: Path, tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    out = tmp_path / "out"
    found = refusal(command("finetune", unigram, tmp_path / name, "--task", "lm", "--steps", 1, "--out", out))
    assert said in found
    assert name in found
    assert absent(out)


LINES = "".join(f"Line {n} says a word or two, and {n * n} more of them.\n" for n in range(60_000))


@pytest.fixture(scope="module")
def trained() -> Tokenizer:
    """A tokenizer whose rule says where a text may be cut."""
    return Tokenizer.train([LINES[:200_000]], vocab_size=600)


def written(folder: Path, file: Path, tokenizer: Tokenizer) -> tuple[list[str], dict[str, list[int]]]:
    """What is told of a file that was made shards, and the ids of each split."""
    size, end = tokenizer.vocab_size, tokenizer.end_of_text
    told = write_shards(str(file), None, tokenizer, size, end, folder)
    shards = Shards(folder)
    return told, {
        name: shards.split(name).read(0, shards.split(name).tokens).tolist() for name in shards.splits
    }


def test_a_file_that_is_read_in_blocks_has_the_tokens_of_the_whole(
    trained: Tokenizer, tmp_path: Path
) -> None:
    """Blocks end in the middle of words and of letters; the mark and CR LF are no text."""
    text = LINES + "Ж" * 9 + " 🙂 " * 1000
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert len(text) > 3 * 2**20
    told, found = written(tmp_path / "shards", tmp_path / "a.txt", trained)
    whole = trained.encode(text)
    cut, end = len(whole) - len(whole) // 10, trained.end_of_text
    assert found == {"train": [end, *whole[:cut], end], "validation": [end, *whole[cut:], end]}
    assert told == [f"1 document of {len(whole):,} tokens, and behind each the end-of-text token"]
    assert sorted(each.name for each in (tmp_path / "shards").iterdir()) == [
        *("shards.json", "train-00000.bin", "train-00000.idx"),
        *("validation-00000.bin", "validation-00000.idx"),
    ]


def test_where_a_tokenizer_may_not_cut_it_is_cut_at_lines_and_said(
    trained: Tokenizer, tmp_path: Path
) -> None:
    document = json.loads(trained.data)
    document["pre_tokenizer"]["pretokenizers"][0]["pattern"] = {"Regex": r"\s+|\S+"}
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(document))
    other = Tokenizer.load(path)
    assert not other.cuts_safely
    (tmp_path / "a.txt").write_text(LINES)
    (tmp_path / "b.txt").write_text(LINES[:900_000])
    told, found = written(tmp_path / "a", tmp_path / "a.txt", other)
    assert "1 row: long, and encoded in pieces that end with a line" in told[1]
    pieces = list(pieces_of([LINES], re.compile(r"(?<=\n)"), 2**20))
    assert len(pieces) == 4
    assert all(each.endswith("\n") for each in pieces)
    ids = [number for each in pieces for number in other.encode(each)]
    assert [each for name in ("train", "validation") for each in found[name] if each != 0] == ids
    told, found = written(tmp_path / "b", tmp_path / "b.txt", other)
    assert len(told) == 1
    assert [each for name in found for each in found[name] if each != 0] == other.encode(LINES[:900_000])


def test_memory_does_not_grow_with_a_text_file(tmp_path: Path, trained: Tokenizer) -> None:
    trained.save(tmp_path / "tokenizer.json")
    peaks = []
    for name, times in (("small.txt", 1), ("large.txt", 8)):
        (tmp_path / name).write_text(LINES * times)
        script = f"""
import resource, sys
from pathlib import Path
from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train.tune.texts import write_shards
tokenizer = Tokenizer.load({str(tmp_path / "tokenizer.json")!r})
write_shards({str(tmp_path / name)!r}, None, tokenizer, 600, 0, Path({str(tmp_path / name)!r} + ".shards"))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""
        environment = {**os.environ, "RAYON_NUM_THREADS": "1"}
        peaks.append(int(subprocess.check_output([sys.executable, "-c", script], env=environment)))
    assert (tmp_path / "large.txt").stat().st_size > 20e6
    # Half of what is added is much: its text alone is 18 MB more, its ids 36 MB, its encodings a gigabyte.
    assert peaks[1] - peaks[0] < 9e6


def test_a_byte_that_is_no_text_is_named_where_it_stands(trained: Tokenizer, tmp_path: Path) -> None:
    for start in (2**20 - 1, 2**20, 3 * 2**20 + 5):
        data = bytearray(b"x" * start + "é".encode() + b"\xff and more")
        (tmp_path / "a.txt").write_bytes(data)
        with pytest.raises(InputError, match=rf"byte {start + 2:,} \(0xFF\) is not UTF-8"):
            written(tmp_path / "shards", tmp_path / "a.txt", trained)
        (tmp_path / "a.txt").write_bytes(b"x" * start + b"\xc3")
        with pytest.raises(InputError, match=rf"byte {start:,} \(0xC3\) is not UTF-8"):
            written(tmp_path / "shards", tmp_path / "a.txt", trained)
