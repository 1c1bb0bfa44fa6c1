"""The vocabulary of a GGUF file: read by others it gives the ids that we give, or there is no file.

`benchmarks.gguf` asks llama.cpp itself. Here a reader is put together from the file's own tokens, merges and
the name of its rule alone, by what llama.cpp does for that name.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as Library

from corpuskit.errors import SettingError
from corpuskit.storage.files import sha256_file
from corpuskit.tokenizer.special import PATTERNS, SPECIAL_TOKENS
from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train.hub.gguf_tokenizer import (
    O200K,
    UNUSED,
    USER_DEFINED,
    Vocabulary,
    vocabulary,
)

ROOT = Path(__file__).resolve().parents[2]
TEXTS: list[str] = json.loads((ROOT / "tests" / "cases" / "pretokens.json").read_text(encoding="utf-8"))

# By name what cuts text there, one pattern behind the other, and whether whole words go before merges.
_ENGLISH = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_REST = r"\s*[\r\n]+|\s+(?!\S)|\s+"
READERS: dict[str, tuple[list[str], bool]] = {
    "llama-bpe": (
        [rf"{_ENGLISH}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{_REST}"],
        True,
    ),
    "gpt-2": ([_GPT2], False),
    "qwen2": (
        [rf"{_ENGLISH}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{_REST}"],
        False,
    ),
    "qwen35": (
        [
            rf"{_ENGLISH}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}"
            rf"| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*|{_REST}"
        ],
        False,
    ),
    "smollm": ([r"\p{N}", _GPT2], False),
}
_UPPER, _LOWER = r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}", r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
READERS["smaug-bpe"] = (READERS["llama-bpe"][0], False)


def read_as_others(words: Vocabulary) -> Library:
    """A tokenizer made of what stands in a file."""
    patterns, whole = READERS[words.pre]
    ids = {token: number for number, token in enumerate(words.tokens)}
    merges = [tuple(merge.split(" ")) for merge in words.merges]
    merges = [(a, b) for a, b in merges if a in ids and b in ids]
    reader = Library(models.BPE(vocab=ids, merges=merges, ignore_merges=whole))
    steps = [pre_tokenizers.Split(Regex(pattern), behavior="isolated") for pattern in patterns]
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    reader.pre_tokenizer = pre_tokenizers.Sequence([*steps, byte_level])
    return reader


def made(folder: Path, pre_tokenizer: Any, **options: Any) -> Tokenizer:
    """A tokenizer with such a rule, trained on the texts; what `change` does to its JSON is done last."""
    change, model = options.pop("change", dict), models.BPE(**options)
    library = Library(model)
    library.pre_tokenizer = pre_tokenizer
    library.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        min_frequency=2,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    library.train_from_iterator(TEXTS, trainer)
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(change(json.loads(library.to_str()))))
    return Tokenizer.load_expected(path, sha256_file(path), 0)


def split(pattern: str) -> Any:
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), behavior="isolated"), byte_level])


PRE = {"llama3": "smaug-bpe", "cl100k": "smaug-bpe", "gpt2": "gpt-2", "qwen2": "qwen2", "qwen3.5": "qwen35"}


def test_the_pattern_without_a_name_is_refused() -> None:
    assert {*PATTERNS} - {*PRE} == {"o200k"}
    tokenizer = Tokenizer.train(TEXTS, vocab_size=400, pattern="o200k")
    with pytest.raises(SettingError, match="no name for"):
        vocabulary(tokenizer, tokenizer.vocab_size)


@pytest.mark.parametrize("name", PRE)
def test_each_pattern_of_ours_has_a_name_and_equal_ids(name: Any) -> None:
    """Lines with digits, blanks and apostrophes above all: these a wrong rule cuts otherwise."""
    tokenizer = Tokenizer.train(TEXTS, vocab_size=700, pattern=name)
    words = vocabulary(tokenizer, tokenizer.vocab_size)
    assert words.pre == PRE[name]
    reader = read_as_others(words)
    for text in TEXTS:
        assert reader.encode(text).ids == tokenizer.encode(text), text
    other = read_as_others(Vocabulary(**{**vars(words), "pre": "gpt-2" if "qwen" in name else "qwen2"}))
    assert any(other.encode(text).ids != tokenizer.encode(text) for text in TEXTS)


@pytest.mark.parametrize(
    ("pre", "rule", "options"),
    [
        ("gpt-2", pre_tokenizers.ByteLevel(add_prefix_space=False), {}),
        ("llama-bpe", split(PATTERNS["llama3"]), {"ignore_merges": True}),
        ("qwen2", split(PATTERNS["llama3"].replace(r"\p{N}{1,3}", r"\p{N}")), {}),
        (
            "smollm",
            pre_tokenizers.Sequence(
                [pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
            ),
            {},
        ),
    ],
)
def test_rules_of_others_are_known(pre: str, rule: Any, options: Any, tmp_path: Path) -> None:
    tokenizer = made(tmp_path, rule, **options)
    words = vocabulary(tokenizer, tokenizer.vocab_size)
    assert words.pre == pre
    reader = read_as_others(words)
    assert [reader.encode(text).ids for text in TEXTS] == [tokenizer.encode(text) for text in TEXTS]


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        (split(r"\p{L}+|\p{N}+|[^\p{L}\p{N}]+"), r"\p{L}+"),
        (split(PATTERNS["llama3"].replace(r"\p{N}{1,3}", r"\p{N}{1,2}")), "{1,2}"),
        (pre_tokenizers.ByteLevel(add_prefix_space=True), "add_prefix_space"),
        (pre_tokenizers.Sequence([pre_tokenizers.Digits(False), pre_tokenizers.ByteLevel(False)]), "Digits"),
        (
            pre_tokenizers.Sequence([pre_tokenizers.Punctuation(), pre_tokenizers.ByteLevel(False)]),
            "Punctuation",
        ),
    ],
)
def test_another_rule_is_refused_by_its_name(rule: Any, named: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError) as caught:
        vocabulary(made(tmp_path, rule), 600)
    assert named in str(caught.value).replace("\\\\", "\\")
    assert "--to hf" in str(caught.value)


def test_o200k_is_refused_since_what_bears_its_name_is_another_rule(tmp_path: Path) -> None:
    """llama.cpp's gpt-4o, whose letters beyond ASCII are small and capital and whose marks are no letters."""
    with pytest.raises(SettingError, match=r"what llama\.cpp calls gpt-4o is not the same"):
        vocabulary(made(tmp_path, split(O200K)), 600)
    upper, lower = r"(?:(?=\p{L})[^a-z])", r"(?:(?=\p{L})[^A-Z])"
    theirs = O200K.replace(f"[{_UPPER}]", upper).replace(f"[{_LOWER}]", lower)
    for text, parts in (("ПриветМир", 2), ("हिन्दी", 1)):
        ours, other = (
            pre_tokenizers.Split(Regex(pattern), behavior="isolated").pre_tokenize_str(text)
            for pattern in (O200K, theirs)
        )
        assert len(ours) == parts != len(other)
    assert len(theirs) != len(O200K)


def test_whole_words_before_merges_need_a_name_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="with ignore_merges"):
        vocabulary(made(tmp_path, split(PATTERNS["gpt2"]), ignore_merges=True), 600)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"normalizer": {"type": "Lowercase"}}, "its normalizer is Lowercase"),
        ({"added": {"rstrip": True}}, "the added token '<x>' is found with rstrip"),
        ({"added": {"single_word": True, "lstrip": True}}, "lstrip, single_word"),
        ({"end_of_word_suffix": "</w>"}, "end_of_word_suffix = '</w>'"),
        ({"byte": None}, "does not have all bytes"),
    ],
)
def test_what_a_file_cannot_say_is_refused(change: dict[str, Any], named: str, tmp_path: Path) -> None:
    plain = {"id": 600, "content": "<x>", "special": False, "normalized": False}
    plain |= dict.fromkeys(("single_word", "lstrip", "rstrip"), False)

    def changed(document: dict[str, Any]) -> dict[str, Any]:
        if "normalizer" in change:
            document["normalizer"] = change["normalizer"]
        if "added" in change:
            document["added_tokens"].append(plain | change["added"])
        if "end_of_word_suffix" in change:
            document["model"]["end_of_word_suffix"] = change["end_of_word_suffix"]
        if "byte" in change:
            document["model"]["vocab"]["<0x41>"] = document["model"]["vocab"].pop("A")
            document["model"]["merges"] = []
        return document

    with pytest.raises(SettingError) as caught:
        vocabulary(made(tmp_path, pre_tokenizers.ByteLevel(False), change=changed), 601)
    assert named in str(caught.value)


def test_no_byte_level_bpe_is_refused(tmp_path: Path) -> None:
    library = Library(models.WordLevel({"a": 0, "b": 1}, "a"))
    library.save(str(tmp_path / "tokenizer.json"))
    tokenizer = Tokenizer.load_expected(
        tmp_path / "tokenizer.json", sha256_file(tmp_path / "tokenizer.json"), 1
    )
    with pytest.raises(SettingError, match="its model is WordLevel"):
        vocabulary(tokenizer, 2)


def test_nfc_is_told(tmp_path: Path) -> None:
    tokenizer = made(
        tmp_path,
        pre_tokenizers.ByteLevel(False),
        change=lambda document: document | {"normalizer": {"type": "NFC"}},
    )
    assert "NFC" in vocabulary(tokenizer, 600).remarks[0]


def test_added_tokens_and_gaps_have_their_types(tmp_path: Path) -> None:
    """An id that no token has gets a name that no token has."""

    def changed(document: dict[str, Any]) -> dict[str, Any]:
        added = {"content": "[PAD601]", "special": False, "normalized": False, "id": 602}
        document["added_tokens"].append(added | dict.fromkeys(("single_word", "lstrip", "rstrip"), False))
        return document

    tokenizer = made(tmp_path, pre_tokenizers.ByteLevel(False), change=changed)
    words = vocabulary(tokenizer, 604)
    assert words.tokens[600:] == ["[PAD600]", "[[PAD601]]", "[PAD601]", "[PAD603]"]
    assert words.types[600:] == [UNUSED, UNUSED, USER_DEFINED, UNUSED]
    assert len(set(words.tokens)) == 604


def test_a_vocabulary_without_merges_has_one_that_is_never_done() -> None:
    """A reader of GGUF refuses a file without any."""
    tokenizer = Tokenizer.train(["ab"], vocab_size=384)
    words = vocabulary(tokenizer, 384)
    assert words.merges == ["\u2581 \u2581"]
    assert "\u2581" not in words.tokens
