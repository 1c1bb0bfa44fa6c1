"""The tokenizer: reserved ids, whole texts, the artefact as others load it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, decoders, models, pre_tokenizers, trainers

from corpuskit import TrainTokenizer
from corpuskit.build.build import build_corpus
from corpuskit.errors import InputError, SettingError, TrainError
from corpuskit.run.layout import TOKENIZER
from corpuskit.tokenizer.special import END_OF_TEXT, PATTERNS, RESERVED, SENTINELS, SPECIAL_TOKENS
from corpuskit.tokenizer.tokenizer import Tokenizer

TEXTS = [
    "It is a truth universally acknowledged, that a single man...\n\n  Indented, 1234567 numbers.\n",
    "Größe naïve ﬁx 🦉🦉🏽‍🚀 fin. 東京都は日本の首都。 \u2028 \u00a0x",
    "<|endoftext|><|pad|> [MASK] <s></s> <|im_start|>",
    "\r\n\t\x00\x7f trailing   spaces   \n\n\n",
    "",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, prose: Callable[..., Any]) -> Path:
    place = tmp_path_factory.mktemp("tokenizer")
    Tokenizer.train([prose(1).text(3000), *TEXTS], vocab_size=600).save(place / "tokenizer.json")
    return place


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Tokenizer:
    return Tokenizer.load(folder / "tokenizer.json")


def test_ids_0_to_127_are_reserved(folder: Path) -> None:
    model = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert [model.id_to_token(i) for i in range(RESERVED)] == list(SPECIAL_TOKENS)
    assert len(set(SPECIAL_TOKENS)) == RESERVED == 128
    assert SPECIAL_TOKENS[0] == END_OF_TEXT
    assert model.get_vocab_size() == 600


def test_without_merges_each_byte_is_a_token() -> None:
    tokenizer = Tokenizer.train(TEXTS, vocab_size=RESERVED + 256)
    assert tokenizer.vocab_size == 384
    for text in TEXTS:
        assert len(next(tokenizer.encode([text]))) == len(text.encode())


@pytest.mark.parametrize("text", TEXTS)
def test_every_text_comes_back(text: str, tokenizer: Tokenizer) -> None:
    ids = [int(i) for i in next(tokenizer.encode([text]))]
    assert tokenizer.decode(ids) == text
    assert all(RESERVED <= i < tokenizer.vocab_size for i in ids)
    offsets = tokenizer.offsets(text)
    assert len(offsets) == len(ids)
    position = 0
    for start, end in offsets:
        assert start <= position <= end
        position = end
    assert position == len(text)


@given(st.text(max_size=200))
@settings(deadline=None)
def test_any_text_comes_back(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.decode([int(i) for i in next(tokenizer.encode([text]))]) == text


def test_a_batch_encodes_like_its_texts(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    from corpuskit.tokenizer import encoding as module

    whole = [ids.tolist() for ids in tokenizer.encode(TEXTS * 3)]
    monkeypatch.setattr(module, "_REFERENCE_BYTES", 10)
    assert [ids.tolist() for ids in tokenizer.encode(TEXTS * 3)] == whole
    assert [next(tokenizer.encode([t])).tolist() for t in TEXTS] * 3 == whole
    assert list(tokenizer.encode([])) == []


def test_transformers_and_tokenizers_load_it(folder: Path, tokenizer: Tokenizer) -> None:
    """`AutoTokenizer` gives our ids, and knows the special tokens by their roles."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    transformers = pytest.importorskip("transformers")
    auto = transformers.AutoTokenizer.from_pretrained(folder)
    plain = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    for text in (TEXTS[0], TEXTS[1], TEXTS[3]):
        ids = next(tokenizer.encode([text])).tolist()
        assert auto(text)["input_ids"] == ids
        assert plain.encode(text).ids == ids
        assert auto.decode(ids) == text
    assert (auto.eos_token_id, auto.pad_token_id, len(auto)) == (0, 1, tokenizer.vocab_size)


@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_training_gives_the_same_bytes_in_any_process(
    pattern: str, prose: Callable[..., Any], environment: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    """Another hash seed and another number of threads give the same file."""
    text = prose(3).text(4000)
    (tmp_path / "text").write_text(text, encoding="utf-8")
    here = Tokenizer.train([text], 700, pattern)
    code = (
        "from pathlib import Path;"
        "from corpuskit.tokenizer.tokenizer import Tokenizer;"
        f"text = Path({str(tmp_path / 'text')!r}).read_text('utf-8');"
        f"print(Tokenizer.train([text], 700, {pattern!r}).sha256)"
    )
    there = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(PYTHONHASHSEED="123", RAYON_NUM_THREADS="3"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert there.stdout.strip() == here.sha256


def test_the_pattern_of_a_published_tokenizer() -> None:
    """Where the pattern cuts, on the cases that tell llama3's from gpt2's."""
    from tokenizers import Regex, pre_tokenizers

    def cut(name: str, text: str) -> list[str]:
        split = pre_tokenizers.Split(Regex(PATTERNS[name]), behavior="isolated")
        return [piece for piece, _ in split.pre_tokenize_str(text)]

    assert cut("llama3", "I'M 12345 x_y\n\n z") == ["I", "'M", " ", "123", "45", " x", "_y", "\n\n", " z"]
    assert cut("gpt2", "I'M 12345 x_y\n\n z") == ["I", "'", "M", " 12345", " x", "_", "y", "\n\n", " z"]


def test_wrong_files(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(InputError, match=r"not a tokenizer\.json"):
        Tokenizer.load(tmp_path / "broken.json")
    bare = tokenizers.Tokenizer(tokenizers.models.BPE())
    bare.save(str(tmp_path / "bare.json"))
    with pytest.raises(SettingError, match="has no token '<|endoftext|>'".replace("|", r"\|")):
        Tokenizer.load(tmp_path / "bare.json")
    with pytest.raises(InputError, match="is not there"):
        TrainTokenizer(file=str(tmp_path / "none.json")).fingerprint(deciding=False)


def test_one_text_and_many_are_encoded_alike(tokenizer: Tokenizer) -> None:
    assert [tokenizer.encode(text) for text in TEXTS] == [ids.tolist() for ids in tokenizer.encode(TEXTS)]
    assert tokenizer.decode(next(tokenizer.encode(TEXTS))) == TEXTS[0]
    half = "half a \udc80 character"
    for call in (lambda: tokenizer.encode(half), lambda: list(tokenizer.encode(["whole", half]))):
        with pytest.raises(SettingError, match=r"'half a \\udc80 character' is no text in UTF-8"):
            call()


def test_what_is_saved_is_loaded(tokenizer: Tokenizer, folder: Path, tmp_path: Path) -> None:
    tokenizer.save(tmp_path / "new" / "tokenizer.json")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    for path in (tmp_path / "new").iterdir():
        assert path.read_bytes() == (folder / path.name).read_bytes()
    again = Tokenizer.load(str(tmp_path / "new" / "tokenizer.json"))
    assert (again.sha256, again.vocab_size, again.end_of_text) == (tokenizer.sha256, 600, 0)
    trained = Tokenizer.train(TEXTS[0], vocab_size=400)
    assert trained.encode(TEXTS[0]) == Tokenizer.train([TEXTS[0]], vocab_size=400).encode(TEXTS[0])


@pytest.mark.parametrize("file", ["tokenizer.json", "tokenizer_config.json"])
@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_a_file_of_others_is_not_written_over(
    kind: str, file: str, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    path = tmp_path / "tokenizer.json"
    theirs = tmp_path / file
    {
        "file": lambda: theirs.write_text("{}"),
        "folder": theirs.mkdir,
        "link": lambda: theirs.symlink_to(tmp_path / "nowhere"),
    }[kind]()
    with pytest.raises(SettingError, match=f"{file}: is there already") as caught:
        tokenizer.save(path)
    assert "overwrite=True" in caught.value.remedy
    assert [each.name for each in tmp_path.iterdir()] == [file]
    assert kind != "file" or theirs.read_text() == "{}"
    if kind != "folder":
        tokenizer.save(path, overwrite=True)
        assert Tokenizer.load(path).sha256 == tokenizer.sha256
        tokenizer.save(path)  # The same once more changes nothing.
        with pytest.raises(SettingError, match="is there already"):
            Tokenizer.train("a b", 400).save(path)
        assert Tokenizer.load(path).sha256 == tokenizer.sha256


def test_a_config_names_the_special_tokens_that_there_are(tmp_path: Path) -> None:
    model = tokenizers.Tokenizer(models.BPE())
    model.pre_tokenizer, model.decoder = pre_tokenizers.ByteLevel(False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        special_tokens=[END_OF_TEXT], initial_alphabet=alphabet, show_progress=False
    )
    model.train_from_iterator(["some words"], trainer)
    model.save(str(tmp_path / "given.json"))
    Tokenizer.load(tmp_path / "given.json").save(tmp_path / "tokenizer.json")
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert {name: word for name, word in config.items() if name.endswith("_token")} == {
        "eos_token": END_OF_TEXT
    }


def test_truncation_and_padding_of_a_given_file_are_not_applied(folder: Path, tmp_path: Path) -> None:
    model = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    model.enable_truncation(3)
    model.enable_padding(length=50)
    model.save(str(tmp_path / "tokenizer.json"))
    loaded = Tokenizer.load(tmp_path / "tokenizer.json")
    expected = Tokenizer.load_expected(tmp_path / "tokenizer.json", loaded.sha256, 0)
    ids = Tokenizer.load(folder / "tokenizer.json").encode(TEXTS[0])
    assert loaded.encode(TEXTS[0]) == expected.encode(TEXTS[0]) == ids


def test_special_tokens_are_found_by_their_roles(tokenizer: Tokenizer) -> None:
    assert tokenizer.special_ids() == list(range(RESERVED))
    assert (tokenizer.special_id("<|user|>"), tokenizer.mask_id()) == (SPECIAL_TOKENS.index("<|user|>"), 2)
    assert tokenizer.sentinel_ids() == [SPECIAL_TOKENS.index(name) for name in SENTINELS]
    assert tokenizer.sentinel_ids(2) == tokenizer.sentinel_ids()[:2]
    with pytest.raises(TrainError, match=r"has no special token <\|sentinel_100\|>"):
        tokenizer.sentinel_ids(101)
    with pytest.raises(TrainError, match="has no special token the"):
        tokenizer.special_id("the")


def test_the_tokenizer_of_some_tokens_is_that_one(tokenizer: Tokenizer, folder: Path, tmp_path: Path) -> None:
    path = folder / "tokenizer.json"
    assert Tokenizer.load_expected(path, tokenizer.sha256, 0).encode(TEXTS[0]) == tokenizer.encode(TEXTS[0])
    with pytest.raises(
        TrainError, match=r"tokenizer\.json is not the tokenizer that made the tokens: sha256"
    ):
        Tokenizer.load_expected(path, "0" * 64, 0)
    with pytest.raises(TrainError, match=r"cannot read the tokenizer .*none\.json: No such file"):
        Tokenizer.load_expected(tmp_path / "none.json", tokenizer.sha256, 0)
    (tmp_path / "broken.json").write_bytes(b"{}")
    with pytest.raises(TrainError, match=r"broken\.json is no tokenizer\.json: Model missing"):
        Tokenizer.load_expected(tmp_path / "broken.json", hashlib.sha256(b"{}").hexdigest(), 0)


def test_wrong_calls_of_train() -> None:
    with pytest.raises(SettingError, match="vocab_size = 383 is below 384"):
        Tokenizer.train(TEXTS, vocab_size=383)
    with pytest.raises(SettingError, match="pattern 'lama3' is unknown\n  Did you mean 'llama3'"):
        Tokenizer.train(TEXTS, pattern="lama3")  # type: ignore[arg-type]


def test_settings_that_exclude_each_other() -> None:
    with pytest.raises(SettingError, match="exclude each other"):
        TrainTokenizer(file="x", vocab_size=500)
    with pytest.raises(SettingError, match="384"):
        TrainTokenizer(vocab_size=383)


def test_too_little_text_is_told(built: Path, tmp_path: Path, jsonl: Callable[..., None]) -> None:
    from corpuskit import Files

    jsonl(tmp_path / "x.jsonl", [{"id": "1", "text": "aba aba aba"}])
    source = Files(path=str(tmp_path / "x.jsonl"), label="x")
    result = build_corpus([source, TrainTokenizer(vocab_size=5000)], tmp_path / "run")
    assert any("not 5000" in warning for warning in result.warnings)
    assert json.loads((tmp_path / "run" / TOKENIZER).read_text())["added_tokens"]


def test_a_given_tokenizer_that_takes_text_for_control_is_refused(tmp_path: Path) -> None:
    byte_level = pre_tokenizers.ByteLevel
    plain = tokenizers.Tokenizer(models.BPE())
    plain.pre_tokenizer, plain.decoder = byte_level(add_prefix_space=False), decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=byte_level.alphabet(), show_progress=False)
    plain.train_from_iterator(["some words"], trainer)
    plain.add_tokens([AddedToken(END_OF_TEXT, special=False)])
    plain.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(SettingError, match="as the end of a text"):
        Tokenizer.load(tmp_path / "tokenizer.json")


def test_a_given_tokenizer_that_loses_text_is_refused(tmp_path: Path) -> None:
    lossy = tokenizers.Tokenizer(models.BPE())
    lossy.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=[END_OF_TEXT], show_progress=False)
    lossy.train_from_iterator(["some words"], trainer)
    lossy.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(SettingError, match="text would be lost without a word"):
        Tokenizer.load(tmp_path / "tokenizer.json")
