"""A given tokenizer gives back every text, or it is refused by name before the first document is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers

from corpuskit import Files, Length, TrainTokenizer, WriteShards
from corpuskit.build.build import build_corpus
from corpuskit.build.forecast.dry_run import dry_run
from corpuskit.build.pipeline import Pipeline
from corpuskit.errors import CorpuskitError, InputError, SettingError
from corpuskit.report.trace import trace
from corpuskit.run.folder import Run
from corpuskit.tokenizer.special import END_OF_TEXT
from corpuskit.tokenizer.tokenizer import Tokenizer

ALPHABET = sorted(pre_tokenizers.ByteLevel.alphabet())
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
Made = tokenizers.Tokenizer


def finished(made: Made) -> Made:
    made.add_special_tokens([AddedToken(END_OF_TEXT, special=True)])
    return made


def byte_level(
    normalizer: Any = None, alphabet: list[str] = ALPHABET, before: Any = None, **settings: Any
) -> Made:
    made = Made(models.BPE({c: n for n, c in enumerate(alphabet)}, [], **settings))
    level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.pre_tokenizer = pre_tokenizers.Sequence([before, level]) if before else level
    made.decoder = decoders.ByteLevel()
    if normalizer is not None:
        made.normalizer = normalizer
    return finished(made)


def with_fallback(bytes_: list[str], *, blanks: bool, unigram: bool = False) -> Made:
    pieces = ["<unk>", *bytes_, "\u2581", "a", "b"]
    if unigram:
        made = Made(models.Unigram([(piece, -1.0) for piece in pieces], 0, byte_fallback=True))
    else:
        vocabulary = {piece: n for n, piece in enumerate(pieces)}
        made = Made(models.BPE(vocabulary, [], byte_fallback=True, unk_token="<unk>"))
    steps = [decoders.ByteFallback(), decoders.Fuse()]
    if blanks:
        steps = [decoders.Replace("\u2581", " "), *steps, decoders.Strip(" ", 1, 0)]
        made.normalizer = normalizers.Sequence(
            [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
        )
    made.decoder = decoders.Sequence(steps)
    return finished(made)


def words(model: Any) -> Made:
    made = Made(model({"[UNK]": 0, "old": 1, "mill": 2}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return finished(made)


def with_added(token: AddedToken) -> Made:
    made = byte_level()
    made.add_tokens([token])
    return made


def with_prefix_space() -> Made:
    made = byte_level()
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    return made


def with_decoder(*steps: Any) -> Made:
    made = byte_level()
    made.decoder = decoders.Sequence([decoders.ByteLevel(), *steps])
    return made


LOSSY: dict[str, tuple[Callable[[], Made], str]] = {
    "some bytes": (lambda: byte_level(alphabet=ALPHABET[:200]), "lacks 56 of the 256 bytes: 0x"),
    "one byte": (lambda: byte_level(alphabet=[c for c in ALPHABET if c != "!"]), "lacks 1 of the 256"),
    "some fallback": (lambda: with_fallback(BYTES[:250], blanks=False), "0xfa, 0xfb, 0xfc, 0xfd, ..."),
    "no bytes": (lambda: finished(Made(models.BPE({"a": 0}, []))), "knows neither bytes nor a fallback"),
    "unigram": (lambda: finished(Made(models.Unigram([("<unk>", 0.0)], 0, False))), "Unigram, knows neither"),
    "wordpiece": (lambda: words(models.WordPiece), "WordPiece, makes one unknown token"),
    "wordlevel": (lambda: words(models.WordLevel), "WordLevel, makes one unknown token"),
    "nfkc": (lambda: byte_level(normalizers.NFKC()), "normalizer NFKC changes"),
    "nfc": (lambda: byte_level(normalizers.NFC()), "normalizer NFC changes"),
    "lowercase": (lambda: byte_level(normalizers.Lowercase()), "normalizer Lowercase changes"),
    "strip": (lambda: byte_level(normalizers.Strip()), "normalizer Strip changes"),
    "in a sequence": (
        lambda: byte_level(normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()])),
        "normalizer NFD changes",
    ),
    # No trial would find what it replaces.
    "replace": (lambda: byte_level(normalizers.Replace("colour", "color")), "normalizer Replace changes"),
    "prepend": (lambda: byte_level(normalizers.Prepend(" ")), "text does not come back"),
    "prefix space": (with_prefix_space, "text does not come back"),
    "removed": (
        lambda: byte_level(before=pre_tokenizers.Split("-", "removed")),
        "pre-tokenizer Split removes",
    ),
    "delimiter": (
        lambda: byte_level(before=pre_tokenizers.CharDelimiterSplit("|")),
        "pre-tokenizer CharDelimiterSplit removes",
    ),
    "white space": (lambda: byte_level(before=pre_tokenizers.WhitespaceSplit()), "WhitespaceSplit removes"),
    "decoder": (lambda: with_decoder(decoders.Replace("teh", "the")), "decoder Replace changes"),
    "stripping": (lambda: with_decoder(decoders.Strip(" ", 1, 0)), "text does not come back"),
    "stripping another sign": (lambda: with_decoder(decoders.Strip("\u3007", 1, 0)), "decoder Strip changes"),
    "blanks by another sign": (
        lambda: byte_level(before=pre_tokenizers.Metaspace("\u2423", "never")),
        "it writes blanks as '\u2423'",
    ),
    "marked blanks": (
        lambda: with_fallback(BYTES, blanks=True),
        "text does not come back: '\u2581under",
    ),
    # It takes a typed "<0x41>" for the byte.
    "unigram with fallback": (
        lambda: with_fallback(BYTES, blanks=False, unigram=True),
        "'<0x41> <unk> [UNK] \ufffd' comes back as 'A <unk> [UNK]",
    ),
    "an added token that eats blanks": (
        lambda: with_added(AddedToken("<br>", lstrip=True, rstrip=True)),
        "text does not come back",
    ),
    "an added letter": (lambda: with_added(AddedToken("\u00e9")), "text does not come back"),
}

WHOLE: dict[str, Callable[[], Made]] = {
    "byte-level": byte_level,
    "fallback": lambda: with_fallback(BYTES, blanks=False),
    "isolated": lambda: byte_level(before=pre_tokenizers.Digits(individual_digits=True)),
    "added": lambda: with_added(AddedToken("<br>")),
    "bytes by the normalizer": lambda: byte_level(before=pre_tokenizers.Split("-", "isolated")),
}


def saved(made: Made, folder: Path) -> Path:
    made.save(str(folder / "given.json"))
    return folder / "given.json"


@pytest.mark.parametrize("name", LOSSY)
def test_what_loses_text_is_refused_and_can_be_allowed(name: str, tmp_path: Path) -> None:
    make, reason = LOSSY[name]
    path = saved(make(), tmp_path)
    with pytest.raises(SettingError) as caught:
        Tokenizer.load(path)
    assert reason in caught.value.message
    assert caught.value.message.startswith(f"{path}: text would be lost without a word")
    assert "lossy: allow" in caught.value.remedy
    assert Tokenizer.load(path, lossy=True).end_of_text >= 0


@pytest.mark.parametrize("name", WHOLE)
def test_what_gives_back_every_text_is_taken(name: str, tmp_path: Path) -> None:
    loaded = Tokenizer.load(saved(WHOLE[name](), tmp_path))
    assert loaded.changes(" Ab \u2581 \ufb01\u00e9\n\n") is None


def steps_with(folder: Path, file: Path, **settings: Any) -> list[Any]:
    (folder / "in").mkdir(exist_ok=True)
    for number in range(3):
        (folder / "in" / f"{number}.txt").write_text(f"Colour number {number} of the \ufb01ne mill.\n" * 9)
    source = Files(path=str(folder / "in"), label="x")
    return [source, Length(min_words=1), TrainTokenizer(file=str(file), **settings), WriteShards()]


@pytest.mark.parametrize("kind", ["lossy", "missing", "folder", "no tokenizer", "no end of text"])
def test_it_is_told_before_a_document_is_read(kind: str, tmp_path: Path) -> None:
    path = saved(byte_level(normalizers.NFKC()), tmp_path)
    if kind == "missing":
        path = tmp_path / "nope.json"
    elif kind == "folder":
        path = tmp_path / "empty"
        path.mkdir()
    elif kind == "no tokenizer":
        path.write_text('{"not": "a tokenizer"}')
    elif kind == "no end of text":
        Made(models.BPE({c: n for n, c in enumerate(ALPHABET)}, [])).save(str(path))
    steps = steps_with(tmp_path, path)
    for call in (
        lambda: build_corpus(steps, tmp_path / "run"),
        lambda: dry_run(Pipeline(steps), tmp_path / "run"),
    ):
        with pytest.raises(CorpuskitError) as caught:
            call()
        assert path.name in caught.value.message
        assert caught.value.remedy
        assert not (tmp_path / "run").exists()


def test_the_tokenizer_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "run" / "tokenizer").mkdir(parents=True)
    Tokenizer.train(["a b"], 400).save(tmp_path / "run" / "tokenizer" / "tokenizer.json")
    loaded = Tokenizer.load(tmp_path / "run")
    assert Tokenizer.load(tmp_path / "run" / "tokenizer").sha256 == loaded.sha256
    with pytest.raises(InputError, match=r"is a folder without a tokenizer\.json"):
        Tokenizer.load(tmp_path)


def test_allowed_losses_are_counted_and_told_each_time(tmp_path: Path) -> None:
    """All three documents hold a ligature; a source of more sequences is sampled."""
    steps = steps_with(tmp_path, saved(byte_level(normalizers.NFKC()), tmp_path), lossy="allow")
    steps[-1] = WriteShards(split={"validation": 0})
    result = build_corpus(steps, tmp_path / "run")
    told = [w for w in result.warnings if w.startswith("tokenizer: 1 of 1 sequences sampled")]
    assert len(told) == 1
    assert told[0].endswith(
        "files:x:0.txt#0: '\ufb01ne mill.\\nColour num' comes back as 'fine mill.\\nColour nu'"
    )
    assert told[0] in build_corpus(steps, tmp_path / "run").warnings
    assert "lossy: allow" in (tmp_path / "run" / "recipe.yaml").read_text()
    assert trace(Run.open(tmp_path / "run"), "train-00000", 0).token_text == "C"
    # What came of an allowance does not pass without it.
    steps[-2] = TrainTokenizer(file=str(tmp_path / "given.json"))
    with pytest.raises(SettingError, match="NFKC"):
        build_corpus(steps, tmp_path / "run")


def test_real_documents_are_proved_while_they_are_encoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What neither the file nor the trial shows is seen in the documents, and ends the build."""
    from corpuskit.tokenizer import lossless

    monkeypatch.setattr(lossless, "objections", lambda *_: iter(()))
    steps = steps_with(tmp_path, saved(byte_level(normalizers.Replace("Colour", "Color")), tmp_path))
    with pytest.raises(SettingError, match=r"files:x:0\.txt#0: 'ur number 0"):
        build_corpus(steps, tmp_path / "run")


def test_lots_are_not_drawn(tmp_path: Path) -> None:
    trained = json.loads(Tokenizer.train(["the river runs past the mill"] * 9, 400).data)
    trained["model"]["dropout"] = 0.5
    (tmp_path / "given.json").write_text(json.dumps(trained))
    loaded = Tokenizer.load(tmp_path / "given.json")
    assert loaded.dropout == 0.5
    assert len({tuple(loaded.encode("the river runs past the mill")) for _ in range(20)}) == 1
    steps = steps_with(tmp_path, tmp_path / "given.json")
    result = build_corpus(steps, tmp_path / "run")
    planned = dry_run(Pipeline(steps), tmp_path / "other")
    for told in (result.warnings, planned["warnings"]):
        assert any("leaves out merges by lot (dropout 0.5)" in warning for warning in told)
    build_corpus(steps, tmp_path / "again")
    first, second = ((tmp_path / run / "shards/train-00000.bin").read_bytes() for run in ("run", "again"))
    assert first == second


def test_an_id_that_no_token_has_is_named(tmp_path: Path) -> None:
    tokenizer = Tokenizer.train(["a b"], 400)
    for wrong in (tokenizer.vocab_size, -1):
        with pytest.raises(SettingError, match=f"id {wrong}: the tokenizer has no such token"):
            tokenizer.decode([200, wrong])


def test_ids_may_be_left_out_of_a_vocabulary(tmp_path: Path) -> None:
    """It is the greatest id that says how many there are; those between stand for no text."""
    document = json.loads(byte_level().to_str())
    document["model"]["vocab"] = {token: n + 10 * (n > 200) for n, token in enumerate(ALPHABET)}
    document["added_tokens"][0]["id"] = 300
    document["model"]["vocab"][END_OF_TEXT] = 300
    (tmp_path / "t.json").write_text(json.dumps(document))
    loaded = Tokenizer.load(tmp_path / "t.json")
    assert loaded.vocab_size == 301
    assert loaded.never_text(305) == [*range(201, 211), *range(266, 305)]
    with pytest.raises(SettingError, match="id 205: the tokenizer has no such token"):
        loaded.decode([205])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"texts": ["whole", "half \ud800"]}, "text 1 holds half of a surrogate pair at character 5"),
        ({"texts": ["one", 2]}, "text 1 is of type int"),
        ({"texts": 5}, "a int is no list of texts"),
        ({"texts": b"bytes"}, "a bytes is no list of texts"),
        ({"texts": None}, "a NoneType is no list of texts"),
        ({"texts": ["a"], "min_frequency": -1}, "min_frequency = -1 is no whole number"),
        ({"texts": ["a"], "vocab_size": "400"}, "vocab_size = '400' is no whole number"),
        ({"texts": ["a"], "vocab_size": 10**20}, "is no whole number that can be used"),
        ({"texts": ["a"], "pattern": ["gpt2"]}, "pattern .* is unknown"),
    ],
)
def test_wrong_calls_of_train_end_in_our_own_error(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(CorpuskitError, match=message):
        Tokenizer.train(**arguments)


@pytest.mark.parametrize("texts", [5, None, b"ab", ["a", None]])
def test_wrong_calls_of_encode(texts: Any) -> None:
    with pytest.raises(CorpuskitError, match=r"Tokenizer\.encode"):
        list(Tokenizer.train(["a b"], 400).encode(texts))
