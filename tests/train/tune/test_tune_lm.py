"""Pretraining that goes on with texts of one's own: its first loss is the model's, each text ends once."""

import copy
import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from corpuskit.errors import TrainError
from corpuskit.shards.reader import Shards
from corpuskit.train import LanguageModel
from corpuskit.train.settings.tune import ContinueSettings
from corpuskit.train.tune.continued import Continuation
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
