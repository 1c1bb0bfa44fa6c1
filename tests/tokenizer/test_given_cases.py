"""Given tokenizers that lose text, or seem to: each kind is judged before a document is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, trainers

from corpuskit import Files, Shards, Tokenizer, TrainTokenizer, Unicode, WriteShards, build_corpus
from corpuskit.build.forecast.dry_run import dry_run
from corpuskit.build.pipeline import Pipeline
from corpuskit.errors import InputError, SettingError
from corpuskit.report.check import check_run
from corpuskit.run.folder import Run
from corpuskit.tokenizer.special import END_OF_TEXT, SPECIAL_TOKENS

SENTENCES = ["The harbour of town 7 was built by the guild of ropemakers.", "It kept ships safe in winter."]


def trained(
    texts: list[str],
    *,
    every_byte: bool = True,
    normalizer: Any = None,
    specials: tuple[str, ...] = (END_OF_TEXT,),
) -> tokenizers.Tokenizer:
    """A byte-level BPE as Hugging Face's trainer makes it, without the whole alphabet if so asked."""
    made = tokenizers.Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    if normalizer is not None:
        made.normalizer = normalizer
    alphabet = pre_tokenizers.ByteLevel.alphabet() if every_byte else []
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=list(specials), initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator(texts, trainer)
    return made


def steps(folder: Path, text: str, file: str) -> list[Any]:
    (folder / "in").mkdir(exist_ok=True)
    (folder / "in" / "a.txt").write_text(text, encoding="utf-8")
    given = TrainTokenizer(file=str(folder / file))
    return [Files(path=str(folder / "in"), label="x"), Unicode(), given, WriteShards(split={"validation": 0})]


def refusal(folder: Path, text: str, error: type[Exception] = SettingError, file: str = "tok.json") -> str:
    """What a build and a dry run say, before a document is read: nothing is there of the run."""
    said = []
    for call in (
        lambda: build_corpus(steps(folder, text, file), folder / "run"),
        lambda: dry_run(Pipeline(steps(folder, text, file)), folder / "run"),
    ):
        with pytest.raises(error) as caught:
            call()
        said.append(caught.value.message)
        assert caught.value.remedy
        assert not (folder / "run").exists()
    assert said[0] == said[1]
    return said[0].replace(f"{folder}/", "")


def test_missing_bytes(tmp_path: Path) -> None:
    """Trained on a few words alone, it has 27 of the 256 bytes."""
    text = "the cat sat on the mat, a dog ran by the old mill. "
    trained([text], every_byte=False).save(str(tmp_path / "tok.json"))
    known = len(set(text.encode()))
    expected = (
        f"tok.json: text would be lost without a word: its vocabulary lacks {256 - known} of the 256 bytes"
    )
    assert refusal(tmp_path, "Quick zebras vex lazy foxes.\n").startswith(f"{expected}: 0x00, 0x01, 0x02")


def test_missing_bytes_of_other_scripts(tmp_path: Path) -> None:
    """Trained on a page with many signs, and still without those that other scripts are written with."""
    page = "".join(map(chr, range(32, 127))) + " caf\u00e9 na\u00efve \u2014 \u201cquoted\u201d \u20ac5\n" * 3
    trained([page], every_byte=False).save(str(tmp_path / "tok.json"))
    missing = 256 - len(set(page.encode()))
    assert f"lacks {missing} of the 256 bytes" in refusal(tmp_path, "\u041f\u0440\u0438\u0432\u0435\u0442.\n")


def test_a_normalizer_of_forms(tmp_path: Path) -> None:
    trained(SENTENCES, normalizer=normalizers.NFKC()).save(str(tmp_path / "tok.json"))
    said = refusal(tmp_path, "\ufb01ne \u2460 \uff12 and the end\n")
    assert said == "tok.json: text would be lost without a word: its normalizer NFKC changes text"


def test_a_normalizer_that_replaces(tmp_path: Path) -> None:
    trained(SENTENCES, normalizer=normalizers.Replace("``", '"')).save(str(tmp_path / "tok.json"))
    said = refusal(tmp_path, "``quoted``\n")
    assert said == "tok.json: text would be lost without a word: its normalizer Replace changes text"


def test_without_an_end_of_text(tmp_path: Path) -> None:
    trained(SENTENCES, specials=("<s>", "</s>")).save(str(tmp_path / "tok.json"))
    said = refusal(tmp_path, SENTENCES[0])
    assert said == "tok.json: has no token '<|endoftext|>', which ends each document"


def test_no_tokenizer_at_all(tmp_path: Path) -> None:
    (tmp_path / "tok.json").write_text('{"not": "a tokenizer"}')
    assert "not a tokenizer.json that `tokenizers`" in refusal(tmp_path, SENTENCES[0], InputError)


def test_one_at_which_its_library_panics(tmp_path: Path) -> None:
    """What is raised then is no `Exception`."""
    document = json.loads(Tokenizer.train(SENTENCES, 400).data)
    document["model"]["continuing_subword_prefix"] = "####"
    (tmp_path / "tok.json").write_text(json.dumps(document))
    assert "reads: failed: range end index" in refusal(tmp_path, SENTENCES[0], InputError)


def test_one_that_is_not_there(tmp_path: Path) -> None:
    assert (
        refusal(tmp_path, SENTENCES[0], InputError, "nope.json") == "tokenizer file: nope.json: is not there"
    )


def test_dropout(tmp_path: Path) -> None:
    """It is encoded without, and that is said by build and dry run; two builds give the same tokens."""
    made = json.loads(trained(SENTENCES * 3).to_str())
    plain = made["model"] | {"dropout": None}
    made["model"]["dropout"] = 0.3
    (tmp_path / "tok.json").write_text(json.dumps(made))
    text = SENTENCES[0] * 40
    told = f"tokenizer: {tmp_path}/tok.json leaves out merges by lot (dropout 0.3): it is applied without,"
    results = [build_corpus(steps(tmp_path, text, "tok.json"), tmp_path / run) for run in ("a", "b")]
    planned = dry_run(Pipeline(steps(tmp_path, text, "tok.json")), tmp_path / "c")
    for warnings in (results[0].warnings, results[1].warnings, planned["warnings"]):
        assert sum(warning.startswith(told) for warning in warnings) == 1
    bins = [(tmp_path / run / "shards/train-00000.bin").read_bytes() for run in ("a", "b")]
    assert bins[0] == bins[1]
    expected = tokenizers.Tokenizer.from_str(json.dumps(made | {"model": plain})).encode(text).ids
    assert Shards(tmp_path / "a/shards").split("train").sequence(0).tolist() == [*expected, 0]


SPELLED = (
    "The mark <|endoftext|> ends a text.",
    "<|endoftext|>",
    "<|reserved_5|> and <|pad|> are names.",
    "Half a mark: <|endof",
    "text|> goes on.",
    "\u2581<|endoftext|><|endoftext|>",
    "plain",
)


def test_special_tokens_that_are_spelled_in_texts(tmp_path: Path, jsonl: Callable[..., None]) -> None:
    """One end-of-text behind each document and none within; without merges a byte is a token."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = tokenizers.Tokenizer(models.BPE({END_OF_TEXT: 0, **{c: n for n, c in enumerate(alphabet, 1)}}, []))
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    made.add_special_tokens([AddedToken(END_OF_TEXT, special=True)])
    made.save(str(tmp_path / "tok.json"))
    jsonl(tmp_path / "in.jsonl", [{"id": str(n), "text": text} for n, text in enumerate(SPELLED, 1)])
    source = Files(path=str(tmp_path / "in.jsonl"), label="x")
    given = TrainTokenizer(file=str(tmp_path / "tok.json"))
    build_corpus([source, Unicode(), given, WriteShards(split={"validation": 0})], tmp_path / "run")
    line = Shards(tmp_path / "run/shards").split("train")
    sequences = [line.sequence(n).tolist() for n in range(line.sequences)]
    assert sum(map(len, sequences)) == 161
    assert [len(sequence) for sequence in sequences] == [36, 14, 38, 21, 16, 30, 6]
    assert [sequence.index(0) for sequence in sequences] == [35, 13, 37, 20, 15, 29, 5]
    tokenizer = Tokenizer.load(tmp_path / "run")
    assert [tokenizer.decode(sequence[:-1]) for sequence in sequences] == list(SPELLED)
    assert check_run(Run.open(tmp_path / "run")).problems == []


def test_special_tokens_that_are_spelled_while_training(tmp_path: Path, jsonl: Callable[..., None]) -> None:
    """The marks are text: pieces of them may be merged, none into a whole mark; no text has their ids."""
    rows = [{"id": str(n), "text": f"{n} {text}"} for n, text in enumerate(SPELLED * 30)]
    jsonl(tmp_path / "train.jsonl", rows)
    source = Files(path=str(tmp_path / "train.jsonl"), label="x")
    build_corpus([source, Unicode(), TrainTokenizer(vocab_size=420)], tmp_path / "run")
    tokenizer = Tokenizer.load(tmp_path / "run")
    assert tokenizer.vocab_size == 420
    spelled = [tokenizer.spelling(number) for number in range(128, 420)]
    assert "endoftext" in spelled
    assert not set(spelled) & set(SPECIAL_TOKENS)
    for text in SPELLED:
        assert min(tokenizer.encode(text)) >= 128
    assert check_run(Run.open(tmp_path / "run")).problems == []


def test_an_added_token_that_is_text_has_its_bytes(tmp_path: Path) -> None:
    """Only special tokens stand for no text."""
    made = trained(SENTENCES)
    made.add_tokens([AddedToken("<tool>", normalized=False)])
    made.save(str(tmp_path / "tok.json"))
    given = Tokenizer.load(tmp_path / "tok.json")
    lengths = given.token_bytes(given.vocab_size)
    assert lengths is not None
    ids = given.encode("a <tool> b")
    assert lengths[ids].sum() == 10
    assert lengths[given.end_of_text] == 0
