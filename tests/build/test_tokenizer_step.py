"""Training a tokenizer in a build: what is learnt of small texts by hand, counting by parts, what is told."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from corpuskit import Run, Tokenizer
from corpuskit.build.build import BuildResult, build_corpus
from corpuskit.build.forecast.dry_run import dry_run
from corpuskit.build.recipe.recipe import load
from corpuskit.errors import EmptyError, SettingError
from corpuskit.run.layout import TOKENIZER
from corpuskit.tokenizer import count
from corpuskit.tokenizer.count import pretokens
from corpuskit.tokenizer.special import RESERVED

WORDS = {
    "hammer": 26,
    "ladder": 19,
    "copper": 23,
    "velvet": 29,
    "feather": 23,
    "yarrow": 22,
    "wagon": 21,
    "butter": 19,
    "kettle": 21,
    "mantle": 26,
    "quarry": 19,
    "zephyr": 32,
    "saddle": 19,
    "fender": 21,
    "timber": 17,
    "dapple": 21,
    "lantern": 21,
    "kernel": 23,
    "jasper": 25,
    "ribbon": 33,
    "oyster": 24,
    "island": 30,
    "meadow": 22,
    "ember": 19,
    "ginger": 16,
    "jacket": 27,
    "dagger": 27,
    "harbor": 21,
    "iron": 25,
    "barrel": 24,
    "anchor": 22,
    "pepper": 20,
    "urchin": 13,
    "needle": 21,
    "orchard": 29,
    "almond": 19,
    "nettle": 27,
    "garland": 19,
    "engine": 19,
    "candle": 16,
}
PROBE = "On 12.05.2024 we counted 1234567 grains, 98 sacks and ٣٤٥٦ dates; x² is ½ of it; room 007.\n"
MARKS = [
    *("The mark <|endoftext|> ends a text.", "<|endoftext|>", "<|reserved_5|> and <|pad|> are names."),
    *("Half a mark: <|endof", "text|> goes on.", "▁<|endoftext|><|endoftext|>", "plain"),
]


class Bench:
    """A folder with sources of one document a text, and recipes that read them."""

    def __init__(self, folder: Path, jsonl: Callable[..., None]) -> None:
        self.folder, self._jsonl, self._runs = folder, jsonl, 0

    def recipe(self, texts: Mapping[str, Sequence[str]], tokenizer: Any, more: str = "") -> Path:
        for label, each in texts.items():
            rows = [{"id": str(number), "text": text} for number, text in enumerate(each, 1)]
            self._jsonl(self.folder / f"{label}.jsonl", rows)
        sources = "".join(f"- files: {{label: {label}, path: {label}.jsonl}}\n" for label in texts)
        path = self.folder / "recipe.yaml"
        path.write_text(f"sources:\n{sources}tokenizer: {json.dumps(tokenizer)}\n{more}", encoding="utf-8")
        return path

    def build(self, texts: Mapping[str, Sequence[str]], tokenizer: Any, more: str = "") -> BuildResult:
        self._runs += 1
        recipe = load(self.recipe(texts, tokenizer, more))
        return build_corpus(recipe, self.folder / f"run{self._runs}")


@pytest.fixture
def bench(tmp_path: Path, jsonl: Callable[..., None]) -> Bench:
    return Bench(tmp_path, jsonl)


def merges(run: Path, size: int | None = None) -> list[str]:
    """The merges of a run, written ``a+b``."""
    file = run / TOKENIZER if size is None else run / "tokenizer" / str(size) / "tokenizer.json"
    return ["+".join(pair) for pair in json.loads(file.read_bytes())["model"]["merges"]]


# -------------------------------------------------------------------------------------------- digits
@pytest.mark.parametrize(
    ("digits", "numbers", "many"),
    [
        (1, "1|2 0|5 2|0|2|4 1|2|3|4|5|6|7 9|8 ٣|٤|٥|٦ 0|0|7", 50),
        (2, "12 05 20|24 12|34|56|7 98 ٣٤|٥٦ 00|7", 39),
        (3, "12 05 202|4 123|456|7 98 ٣٤٥|٦ 007", 37),
    ],
)
@pytest.mark.parametrize("pattern", ["qwen3.5", "llama3", "o200k", "qwen2", "cl100k"])
def test_digits_are_grouped_from_the_left(pattern: str, digits: int, numbers: str, many: int) -> None:
    pieces = [piece.decode() for piece in pretokens(PROBE, pattern, digits)]
    assert len(pieces) == many
    found = [piece for piece in pieces if piece.isdecimal()]
    assert found == [group for number in numbers.split() for group in number.split("|")]
    assert {"²", "½"} <= set(pieces)


@pytest.mark.parametrize("digits", [1, 2, 3])
def test_no_token_has_more_digits(bench: Bench, digits: int) -> None:
    text = "of the of the year 20242024 in the year 20242024 " * 60
    asked = {"vocab_size": 444, "digits": digits, "min_frequency": 1}
    run = bench.build({"x": [text]}, asked).folder
    tokenizer = Tokenizer.load(run / TOKENIZER)
    spelled = [tokenizer.spelled(number) or b"" for number in range(RESERVED, tokenizer.vocab_size)]
    assert max(len(token) for token in spelled if token.isdigit()) == digits
    assert not [token for token in spelled if b" " in token[1:] and token.strip(b" ")]
    assert tokenizer.decode(tokenizer.encode(PROBE)) == PROBE


@pytest.mark.parametrize("digits", [0, 4])
def test_other_groups_of_digits_are_refused(bench: Bench, digits: int) -> None:
    with pytest.raises(SettingError, match=r"line \d+: tokenizer.digits: .*1, 2 or 3\n  Correct the value"):
        load(bench.recipe({"x": ["a"]}, {"digits": digits}))


# ----------------------------------------------------------------------------------------- frequency
@pytest.mark.parametrize(
    ("least", "many", "last"), [(1, 12, 2), (2, 12, 2), (3, 10, 3), (5, 7, 6), (6, 7, 6)]
)
def test_the_minimum_frequency_bounds_a_pair_when_it_is_merged(
    bench: Bench, least: int, many: int, last: int
) -> None:
    words = {"low": 5, "lower": 2, "newest": 6, "widest": 3}
    texts = [word for word, times in words.items() for _ in range(times)]
    result = bench.build({"x": texts}, {"vocab_size": 500, "min_frequency": least})
    expected = ["e+s", "es+t", "l+o", "lo+w", "e+w", "n+ew", "new+est"]
    assert merges(result.folder)[:7] == expected
    assert len(merges(result.folder)) == many
    assert Tokenizer.load(result.folder / TOKENIZER).vocab_size == 384 + many
    times = "1 time" if least == 1 else f"{least} times"
    assert result.warnings == (
        f"tokenizer: the text has only {384 + many} tokens that occur {times}, not 500",
    )


# --------------------------------------------------------------------------------------------- sizes
def test_smaller_vocabularies_are_those_of_a_run_of_their_own(bench: Bench) -> None:
    text = " ".join(word for word, times in WORDS.items() for _ in range(times))
    asked = {"vocab_sizes": [394, 409, 444], "min_frequency": 1}
    result = bench.build({"x": [text]}, asked, "shards: {split: {validation: 0}}\n")
    whole = merges(result.folder)
    assert whole[:10] == ["e+r", "l+e", "a+n", "a+r", "e+t", "o+n", "e+l", "t+le", "o+r", "l+an"]
    lines = "\n".join(pair.replace("+", " ") for pair in whole)
    assert hashlib.sha256(lines.encode()).hexdigest()[:32] == "acbdca3fca4f552ac133541dd3a1696a"
    assert dict(result.tokens)["train"] == 3008 + 1
    for size, tokens in ((394, 5065), (409, 4236), (444, 3008)):
        own = bench.build({"x": [text]}, {"vocab_size": size, "min_frequency": 1}).folder
        one = result.folder / "tokenizer" / str(size) / "tokenizer.json"
        assert one.read_bytes() == (own / TOKENIZER).read_bytes()
        assert merges(result.folder, size) == whole[: size - 384]
        assert len(Tokenizer.load(one).encode(text)) == tokens
    assert (result.folder / TOKENIZER).read_bytes() == one.read_bytes()


def test_one_of_several_sizes_encodes(bench: Bench) -> None:
    asked = {"vocab_sizes": [400, 390, 400], "vocab_size": 390, "min_frequency": 1}
    result = bench.build({"x": ["banana bandana cabana"]}, asked, "shards: {split: {validation: 0}}\n")
    assert Tokenizer.load(result.folder / TOKENIZER).vocab_size == 390
    assert "tokenizer: vocab_sizes names 400 twice: it is made once" in result.warnings


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"vocab_sizes": [394, 300]}, "300 is below 384"),
        ({"vocab_sizes": [394, "many"]}, "valid integer"),
        ({"vocab_sizes": [394, 409], "vocab_size": 500}, "vocab_size 500 is none of vocab_sizes"),
        ({"vocab_size": 300}, "384"),
        ({"pattern": "qwen35"}, "Did you mean 'qwen3.5'"),
        ({"pattern": "(a"}, "is no regular expression"),
        ({"pattern": r"\S+|\s+", "digits": 2}, "a regular expression of your own"),
        ({"weights": {"x": -1}}, "is no weight"),
        ({"weights": {"x": 0.1234567}}, "at most 6 digits"),
        ({"weights": {"y": 2}}, "no source is called 'y'"),
        ({"weights": {"x": 0}}, "no text is left: x has the weight 0"),
        ({"digits": True}, "should be a number, not true"),
        ({"min_frequency": True}, "should be a number, not true"),
        ({"file": "tok.json", "vocab_sizes": [400]}, "exclude each other"),
    ],
)
def test_wrong_settings_are_told_before_a_document_is_read(
    bench: Bench, asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingError, match=r"recipe\.yaml, line \d+: tokenizer") as caught:
        load(bench.recipe({"x": ["a"]}, asked))
    assert message in f"{caught.value}"


def test_a_size_that_text_cannot_fill_is_told(bench: Bench) -> None:
    result = bench.build({"x": ["banana"] * 3 + ["bandana"] * 2}, {"vocab_size": 5000, "min_frequency": 1})
    assert merges(result.folder) == ["a+n", "b+an", "an+a", "ban+ana", "d+ana", "ban+dana"]
    assert result.warnings == ("tokenizer: the text has only 390 tokens that occur 1 time, not 5000",)


def test_a_vocabulary_of_bytes_has_no_merge(bench: Bench) -> None:
    shards = "shards: {split: {validation: 0}}\n"
    result = bench.build({"x": ["banana"] * 3 + ["bandana"] * 2}, {"vocab_size": 384}, shards)
    assert (merges(result.folder), dict(result.tokens)["train"]) == ([], 32 + 5)


def test_no_text_makes_no_tokenizer(bench: Bench) -> None:
    with pytest.raises(EmptyError, match="gave no document: 1 of 1 documents went as empty"):
        bench.build({"x": ["  "]}, {"vocab_size": 500})
    assert not (bench.folder / "run1" / TOKENIZER).exists()


# ------------------------------------------------------------------------------------- special tokens
def test_special_tokens_in_texts_are_text_and_told(bench: Bench) -> None:
    result = bench.build({"x": MARKS * 40}, {"vocab_size": 420})
    assert "tokenizer: 160 documents spell a special token, e.g. <|endoftext|>: it stays text there" in (
        result.warnings
    )
    whole = merges(result.folder)
    assert "endof+text" in whole
    assert "<|endoftext|>" not in [pair.replace("+", "") for pair in whole]
    tokenizer = Tokenizer.load(result.folder / TOKENIZER)
    for text in MARKS:
        ids = tokenizer.encode(text)
        assert min(ids) >= RESERVED
        assert tokenizer.decode(ids) == text


def test_documents_that_spell_a_special_token_are_counted(bench: Bench) -> None:
    """For a trained tokenizer its 128 names, for a given one its own."""
    shards = "shards: {split: {validation: 0}}\n"
    trained = bench.build({"x": MARKS}, {"vocab_size": 384}, shards)
    assert [w for w in trained.warnings if "spell" in w] == [
        "tokenizer: 4 documents spell a special token, e.g. <|endoftext|>: it stays text there"
    ]
    given = json.loads((trained.folder / TOKENIZER).read_bytes())
    given["added_tokens"] = given["added_tokens"][:1]
    vocabulary = given["model"]["vocab"]
    given["model"]["vocab"] = {t: max(0, n - 127) for t, n in vocabulary.items() if n == 0 or n > 127}
    (bench.folder / "tok.json").write_text(json.dumps(given), encoding="utf-8")
    result = bench.build({"x": MARKS}, {"file": "tok.json"}, shards)
    assert "tokenizer: 3 documents spell a special token" in "".join(result.warnings)
    assert dict(result.tokens)["train"] == 161 == sum([36, 14, 38, 21, 16, 30, 6])


# ---------------------------------------------------------------------------------------------- ties
def test_ties_go_by_ids_whatever_the_order_of_documents(bench: Bench) -> None:
    texts = ["ab", "ba", "x a", "!!", "é"] * 2
    files = []
    for order in (texts, texts[::-1]):
        run = bench.build({"x": order}, {"vocab_size": 387, "min_frequency": 1}).folder
        assert merges(run) == ["!+!", "a+b", "b+a"]
        files.append((run / TOKENIZER).read_bytes())
    assert files[0] == files[1]
    large = bench.build({"x": texts}, {"vocab_size": 389, "min_frequency": 1}).folder
    assert merges(large) == ["!+!", "a+b", "b+a", "Ã+©", "Ġ+a"]


# ------------------------------------------------------------------------------------------- weights
A, B = ["zx"] * 4 + ["kj"] + ["vb"] * 2, ["qw"] * 5 + ["mn"] * 3


@pytest.mark.parametrize(
    ("weights", "least", "expected"),
    [
        ({"a": 1.5, "b": 1}, 1, ["z+x", "q+w", "m+n", "v+b", "k+j"]),
        ({"a": 1.5, "b": 1}, 2, ["z+x", "q+w", "m+n", "v+b"]),
        ({"a": 1.5}, 3, ["z+x", "q+w", "m+n", "v+b"]),
        ({"a": 1.5, "b": 0}, 1, ["z+x", "v+b", "k+j"]),
        ({}, 1, ["q+w", "z+x", "m+n", "v+b", "k+j"]),
        ({"a": 0.5}, 2, ["q+w", "m+n", "z+x"]),
    ],
)
def test_sources_are_weighted_exactly(
    bench: Bench, weights: dict[str, float], least: int, expected: list[str]
) -> None:
    """The minimum frequency bounds weighted counts; 3 and 3 stay equal, so ids decide between m+n and v+b."""
    asked = {"vocab_size": 500, "min_frequency": least, "weights": weights}
    run = bench.build({"a": A, "b": B}, asked).folder
    assert merges(run) == expected
    tokenizer = Tokenizer.load(run / TOKENIZER)
    assert all(tokenizer.decode(tokenizer.encode(text)) == text for text in {*A, *B})


def test_weights_are_those_of_so_many_copies(bench: Bench) -> None:
    asked = {"vocab_size": 500, "min_frequency": 1}
    weighted = bench.build({"a": A, "b": B}, asked | {"weights": {"a": 1.5, "b": 1}}).folder
    copies = bench.build({"a": A * 3, "b": B * 2}, asked).folder
    assert (weighted / TOKENIZER).read_bytes() == (copies / TOKENIZER).read_bytes()


def test_no_text_of_any_weight_is_told(bench: Bench) -> None:
    with pytest.raises(SettingError, match="no text is left: a, b have the weight 0"):
        bench.build({"a": A, "b": B}, {"weights": {"a": 0, "b": 0}})


# ------------------------------------------------------------------------------------------- patterns
def test_a_pattern_of_ones_own(bench: Bench) -> None:
    asked = {"vocab_size": 420, "pattern": r"\S+|\s+", "min_frequency": 1}
    result = bench.build({"x": ["low-low lower"] * 3}, asked)
    assert "low+-low" in merges(result.folder)
    assert any("takes many times as long" in warning for warning in result.warnings)
    step = json.loads((result.folder / TOKENIZER).read_bytes())["pre_tokenizer"]["pretokenizers"][0]
    assert step["pattern"] == {"Regex": r"\S+|\s+"}
    said = json.loads((result.folder / "tokenizer" / "training.json").read_bytes())
    assert said["unicode"].startswith("that of tokenizers")


def test_words_with_marks_stay_whole(bench: Bench) -> None:
    """Vowel signs do not part Indic words: 26 Hindi words are 26 pretokens, and soon 26 tokens."""
    words = (
        "हिन्दी विश्व की एक प्रमुख भाषा है और भारत की राजभाषा है किताब"
        " पढ़ना अच्छा विद्यार्थी विद्यालय में शिक्षक पढ़ाते हैं नदी किनारे पुराना मंदिर स्थित"
    )
    assert len(words.split()) == 26
    run = bench.build({"x": [words] * 30}, {"vocab_size": 2000}).folder
    assert len(Tokenizer.load(run / TOKENIZER).encode(words)) == 26


# ----------------------------------------------------------------------------------- counting by parts
def test_a_changed_part_alone_is_counted_again(bench: Bench) -> None:
    texts = {"a": ["low lower"] * 3, "b": ["newest widest"] * 3}
    asked = {"vocab_size": 390, "min_frequency": 1}
    out = bench.folder / "run"
    build_corpus(load(bench.recipe(texts, asked)), out)
    tasks = [record.task for record in Run.open_finished(out).records() if record.task.startswith("counts/")]
    assert len(tasks) == 2
    table = pq.read_table(out / "counts").to_pylist()
    assert {(row["source"], row["word"], row["count"]) for row in table} == {
        *(("a", b"low", 3), ("a", b" lower", 3), ("b", b"newest", 3), ("b", b" widest", 3)),
    }
    # Other settings of the training count nothing anew.
    recipe = load(bench.recipe(texts, asked | {"weights": {"a": 2}, "min_frequency": 2}))
    assert titles(dry_run(recipe.pipeline, out)) == {"tokenizer": 1}
    recipe = load(bench.recipe(texts | {"b": ["newest wildest"] * 3}, asked))
    heard: list[Mapping[str, Any]] = []
    build_corpus(recipe, out, listen=lambda event, facts: heard.append(facts))
    [step] = [facts for facts in heard if facts.get("title") == "counts" and "tasks" in facts]
    assert (step["tasks"], step["skipped"]) == (2, 1)


def titles(planned: Mapping[str, Any]) -> dict[str, int]:
    return {step["title"]: len(step["pending"]) for step in planned["steps"] if step["pending"]}


def test_counts_are_those_of_any_number_of_workers(bench: Bench) -> None:
    texts = {"a": [f"{word} river" for word in WORDS], "b": list(WORDS)}
    recipe = load(bench.recipe(texts, {"vocab_size": 420}))
    one = build_corpus(recipe, bench.folder / "one").folder
    two = build_corpus(recipe, bench.folder / "two", workers=2).folder
    files = sorted(path.relative_to(one) for path in (one / "counts").rglob("*.parquet"))
    assert len(files) == 2
    for file in [*files, Path(TOKENIZER), Path("tokenizer/training.json")]:
        assert (one / file).read_bytes() == (two / file).read_bytes()


def test_what_is_spilled_is_counted_alike(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from corpuskit.build.write import count_pretokens

    texts = {"a": [" ".join(f"{word}{n}x" for n in range(40)) for word in WORDS], "b": list(WORDS) * 3}
    asked = {"vocab_size": 460, "weights": {"b": 2.5}}
    plain = bench.build(texts, asked).folder
    monkeypatch.setattr(count, "SPILL_BYTES", 1)
    monkeypatch.setattr(count_pretokens, "SPILL_BYTES", 1)
    assert (bench.build(texts, asked).folder / TOKENIZER).read_bytes() == (plain / TOKENIZER).read_bytes()


def test_training_says_how(bench: Bench) -> None:
    run = bench.build({"x": ["low lower low"]}, {"vocab_size": 386, "min_frequency": 1, "digits": 3}).folder
    said = json.loads((run / "tokenizer" / "training.json").read_bytes())
    assert said["unicode"] == "16.0"
    assert (said["pattern"], said["digits"], said["min_frequency"]) == ("qwen3.5", 3, 1)
    assert (said["weighted_pretokens"], said["unlike_pretokens"]) == (3, 3)
