"""Word level, WordPiece and Unigram: which words enter, what becomes of others, the same bytes each time."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tokenizers
import yaml
from click.testing import CliRunner

from corpuskit import Files, Run, Split, Tokenizer, TrainTokenizer, Unicode, WriteShards, vocabulary_report
from corpuskit.build.build import build_corpus
from corpuskit.build.recipe.recipe import load
from corpuskit.cli.main import cli
from corpuskit.errors import InputError, SettingError
from corpuskit.tokenizer.models.unigram import train_unigram
from corpuskit.tokenizer.models.words import SPECIAL, given_wordpiece, train_word_level, train_wordpiece
from corpuskit.tokenizer.special import SPECIAL_TOKENS

TEXTS = ["the cat sat", "the dog sat", "a cat ran", "The end"]
PIECES = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]
PIECES += ["un", "##want", "##ed", "wa", "##nt", "want", "##s", "run", "##ning", "caf", "##e", "##é", "水"]
SAMPLES = Path(__file__).parents[2] / "sample_corpora"


def spelled(tokenizer: Tokenizer, text: str) -> list[str | None]:
    return [tokenizer.spelling(number) for number in tokenizer.encode(text)]


def given(folder: Path, pieces: list[str] = PIECES, **forms: bool) -> Tokenizer:
    (folder / "vocab.txt").write_text("\n".join(pieces), encoding="utf-8")
    return given_wordpiece(folder / "vocab.txt", **forms)


# -------------------------------------------------------------------------------------------- word level
def test_the_most_frequent_words_enter_and_of_equal_ones_the_first_by_characters() -> None:
    tokenizer = train_word_level(TEXTS, words=4)
    assert [tokenizer.spelling(number) for number in range(128, tokenizer.vocab_size)] == [
        "cat",
        "sat",
        "the",
        "The",
    ]
    assert spelled(tokenizer, "The cat and the dog ran") == ["The", "cat", "[UNK]", "the", "[UNK]", "[UNK]"]
    # Capitals stand before small letters; a, dog, end and ran come as often as The.
    more = train_word_level(TEXTS, words=6)
    assert [more.spelling(n) for n in range(128, more.vocab_size)] == ["cat", "sat", "the", "The", "a", "dog"]
    assert [more.spelling(number) for number in range(128)] == list(SPECIAL)


def test_capitals_and_accents_go_where_it_is_asked() -> None:
    small = train_word_level([*TEXTS, "café cafe"], words=9, lowercase=True, strip_accents=True)
    assert small.encode("THE Café") == small.encode("the cafe")
    assert small.unknown_id not in small.encode("THE Café")


@pytest.mark.parametrize(
    "text", ["<|endoftext|>", "a <|pad|> b", "x<|mask|>", "[UNK]", "<|sentinel_3|>", "<|"]
)
def test_no_text_becomes_a_special_token(text: str, tmp_path: Path) -> None:
    """Neither whole nor between blanks; and a word that is called so is an unknown one, as its name says."""
    for tokenizer in (
        train_word_level([*TEXTS, text] * 3, words=20),
        train_wordpiece([*TEXTS, text] * 3, 400),
        given(tmp_path),
        train_unigram([*TEXTS, text] * 3, 400),
    ):
        special = set(tokenizer.special_ids()) - {tokenizer.unknown_id}
        assert special.isdisjoint(tokenizer.encode(text))


# --------------------------------------------------------------------------------------------- WordPiece
@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("unwanted running", ["un", "##want", "##ed", "run", "##ning"]),
        ("wants", ["want", "##s"]),
        ("unwantedx", ["[UNK]"]),
        ("RUN", ["[UNK]"]),
        ("café", ["caf", "##é"]),
        ("cafe", ["caf", "##e"]),
        ("水水", ["[UNK]"]),
        ("水", ["水"]),
        ("u" * 101, ["[UNK]"]),
        ("x", ["[UNK]"]),
        ("", []),
        ("want x want y", ["want", "[UNK]", "want", "[UNK]"]),
    ],
)
def test_pieces_of_a_given_vocabulary(text: str, pieces: list[str], tmp_path: Path) -> None:
    assert spelled(given(tmp_path), text) == pieces


def test_words_of_a_hundred_letters_are_the_longest(tmp_path: Path) -> None:
    tokenizer = given(tmp_path, ["u", "##u"])
    assert len(tokenizer.encode("u" * 100)) == 100
    assert spelled(tokenizer, "u" * 101) == ["[UNK]"]


def test_lower_case_makes_another_result(tmp_path: Path) -> None:
    tokenizer = given(tmp_path, lowercase=True, strip_accents=True)
    assert spelled(tokenizer, "RUN café") == ["run", "caf", "##e"]


def test_ids_of_a_given_vocabulary(tmp_path: Path) -> None:
    """Ours up to 127, then the file's lines in order; what BERT marks as special no text becomes."""
    tokenizer = given(tmp_path)
    assert tokenizer.unknown_id == SPECIAL_TOKENS.index("<|reserved_0|>") == 110
    assert [tokenizer.spelling(n) for n in range(128, tokenizer.vocab_size)] == PIECES[1:]
    assert [tokenizer.spelling(n) for n in tokenizer.special_ids()[128:]] == PIECES[1:5]
    assert tokenizer.mask_id() == SPECIAL.index("<|mask|>")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "holds no piece"),
        (b"a\nb\na\n", "'a' stands twice"),
        (b"a\n<|pad|>\n", "is a special token"),
        (b"\xff\xfe", "vocab.txt: is no UTF-8"),
    ],
)
def test_a_vocabulary_that_cannot_be_used(text: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_bytes(text)
    with pytest.raises(InputError, match=message):
        given_wordpiece(tmp_path / "vocab.txt")
    with pytest.raises(InputError, match=r"nowhere\.txt: No such file or directory\n"):
        given_wordpiece(tmp_path / "nowhere.txt")


def test_pieces_are_learnt_as_the_pairs_say() -> None:
    """``low`` five times, ``lower`` twice, ``newest`` six, ``widest`` three: Sennrich et al.'s example."""
    texts = ["low"] * 5 + ["lower"] * 2 + ["newest"] * 6 + ["widest"] * 3
    tokenizer = train_wordpiece(texts, 128 + 36)
    letters = sorted(["l", "##o", "##w", "##e", "##r", "n", "##s", "##t", "w", "##i", "##d"])
    names = [str(tokenizer.spelling(n)) for n in range(128, tokenizer.vocab_size)]
    assert names[: len(letters)] == letters
    # 9: e+s, then es+t; 8 of w+e go to 2 where west is 6: of equal pairs the first by characters.
    assert names[len(letters) :][:5] == ["##es", "##est", "##ow", "low", "##ew"]


# ----------------------------------------------------------------------------------------------- Unigram
def test_unigram_loses_nothing_and_holds_more_than_bytes() -> None:
    texts = [path.read_text(errors="ignore") for path in sorted((SAMPLES / "notes").glob("*.txt"))]
    texts.append("Straße 水 \U0001f600 <|pad|> 1234\n\n\ttab")
    tokenizer = train_unigram(texts, 700)
    assert tokenizer.loses() is None
    assert [tokenizer.spelling(n) for n in range(128)] == list(SPECIAL_TOKENS)
    for text in [*texts, "never seen: Жук ไทย \x00\x7f"]:
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert sum(len(t.encode()) for t in texts) / sum(len(ids) for ids in tokenizer.encode(texts)) > 1.8


def test_unigram_finds_the_best_way_by_its_scores() -> None:
    """Against all ways of a word, tried one by one."""
    tokenizer = train_unigram(["abab abac abab cab ab ab a b c cabab"] * 9, 420)
    scores = dict(json.loads(tokenizer.data)["model"]["vocab"])

    def best(word: str) -> float:
        return (
            max(
                (scores[word[:n]] + best(word[n:]) for n in range(1, len(word) + 1) if word[:n] in scores),
                default=-1e9,
            )
            if word
            else 0.0
        )

    for word in ("ababab", "cabacab", "bca"):
        found = sum(scores[str(tokenizer.spelling(n))] for n in tokenizer.encode(word))
        assert found == pytest.approx(best(word))


# ------------------------------------------------------------------------------------------ the same bytes
_PRINTS = """
import random, sys
from pathlib import Path
from corpuskit.tokenizer.models.unigram import train_unigram
from corpuskit.tokenizer.models.words import train_word_level, train_wordpiece
texts = [p.read_text(errors="ignore") for p in sorted(Path(sys.argv[1]).rglob("*.txt"))]
random.Random(int(sys.argv[2])).shuffle(texts)
trained = (train_word_level(texts, 500), train_wordpiece(texts, 900), train_unigram(texts, 600))
print([tokenizer.sha256 for tokenizer in trained])
"""


def test_any_order_and_any_process_gives_the_same_bytes() -> None:
    """Hash seeds, threads and the order of documents differ."""
    said = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "RAYON_NUM_THREADS": seed}
        call = [sys.executable, "-c", _PRINTS, str(SAMPLES / "notes"), seed]
        done = subprocess.run(call, env=environment, capture_output=True, text=True, check=True, timeout=120)
        said.add(done.stdout)
    assert len(said) == 1


# ------------------------------------------------------------------------------------------------ a build
def recipe(folder: Path, jsonl: Callable[..., None], texts: list[str], **tokenizer: Any) -> Path:
    jsonl(folder / "train.jsonl", [{"id": str(n), "text": text} for n, text in enumerate(texts)])
    document = {"sources": [{"files": {"label": "x", "path": "train.jsonl"}}], "stages": ["unicode"]}
    (folder / "recipe.yaml").write_text(
        yaml.safe_dump({**document, "tokenizer": tokenizer, "shards": {"split": {"validation": 0}}})
    )
    return folder / "recipe.yaml"


@pytest.mark.parametrize(
    ("text", "size", "message"),
    [
        ("a", 400, "min_frequency: no letter of the text occurs 2 times\n  Lower it, or give more text"),
        ("a a", 129, "vocab_size: leaves 1 id for pieces\n  Give a larger one"),
    ],
)
def test_pieces_need_letters_and_room(text: str, size: int, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        train_wordpiece([text], size)


@pytest.mark.parametrize("model", ["word_level", "wordpiece"])
def test_a_model_that_loses_text_must_be_allowed(
    model: str, tmp_path: Path, jsonl: Callable[..., None]
) -> None:
    path = recipe(tmp_path, jsonl, TEXTS, model=model)
    with pytest.raises(SettingError, match="loses text") as caught:
        build_corpus(path, tmp_path / "run")
    assert "lossy: allow" in str(caught.value)
    said = CliRunner().invoke(cli, ["build", str(path), "--out", str(tmp_path / "dry"), "--dry-run"])
    assert (said.exit_code, "lossy: allow" in said.output) == (2, True)


def test_the_share_of_unknown_tokens_is_told(tmp_path: Path, jsonl: Callable[..., None]) -> None:
    path = recipe(
        tmp_path, jsonl, [*TEXTS, "The cat and the dog ran"], model="word_level", words=4, lossy="allow"
    )
    result = build_corpus(path, tmp_path / "run")
    # the 3, cat 3, The 2, dog 2 are known of 17 words.
    assert any("7 of 17 tokens are the unknown one (41.18 %)" in warning for warning in result.warnings)
    facts = vocabulary_report(tmp_path / "run").facts
    assert facts["signs"]["unknown"] == {"id": 110, "times": 7, "share": 7 / 17}
    assert (facts["tokens"], facts["end_marks"], facts["unreachable"]) == (17, 5, None)
    shown = CliRunner().invoke(cli, ["inspect", str(tmp_path / "run")])
    assert "7 of 17 tokens are the unknown one" in shown.output
    assert CliRunner().invoke(cli, ["verify", str(tmp_path / "run")]).exit_code == 0


def test_a_recipe_of_a_vocabulary_says_what_it_changes(tmp_path: Path, jsonl: Callable[..., None]) -> None:
    (tmp_path / "vocab.txt").write_text("\n".join(PIECES), encoding="utf-8")
    asked = {"model": "wordpiece", "vocabulary": "vocab.txt", "lossy": "allow"}
    result = build_corpus(recipe(tmp_path, jsonl, ["RUN café"], **asked, lowercase=True), tmp_path / "run")
    assert any("capitals are made small" in warning for warning in result.warnings)
    tokenizer = Tokenizer.load(tmp_path / "run/tokenizer/tokenizer.json", lossy=True)
    assert spelled(tokenizer, "RUN café") == ["run", "caf", "##é"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"model": "word_level", "pattern": "gpt2", "lossy": "allow"},
            "pattern: not of the model word_level",
        ),
        ({"model": "unigram", "lossy": "allow"}, "the model unigram loses nothing"),
        ({"model": "word_level", "words": 4, "vocab_size": 500}, "vocab_size: not of the model"),
        ({"words": 4}, "words: are for other models than bpe"),
        ({"model": "wordlevel"}, "model"),
        ({"model": "word_level", "words": 0}, "words"),
        ({"lossy": "allow"}, "lossy"),
    ],
)
def test_settings_that_do_not_go_together(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        TrainTokenizer(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"model": "word_level", "words": 4, "lossy": "allow"},
        {"model": "wordpiece", "vocab_size": 900, "lossy": "allow", "lowercase": True},
        {"model": "unigram", "vocab_size": 900, "pattern": "o200k"},
    ],
)
def test_the_resolved_recipe_is_a_recipe(
    settings: dict[str, Any], tmp_path: Path, jsonl: Callable[..., None]
) -> None:
    pipeline = load(recipe(tmp_path, jsonl, TEXTS, **settings)).pipeline
    (tmp_path / "again.yaml").write_text(pipeline.resolved(public=False))
    assert load(tmp_path / "again.yaml").pipeline == pipeline


@pytest.mark.parametrize("model", ["word_level", "wordpiece", "unigram"])
def test_the_command_trains_them(model: str, tmp_path: Path) -> None:
    out = tmp_path / "tokenizer.json"
    size = ["--words", "60"] if model == "word_level" else ["--vocab-size", "500"]
    call = ["tokenizer", "train", str(SAMPLES / "notes"), "--model", model, *size, "--out", str(out)]
    said = CliRunner().invoke(cli, call)
    assert said.exit_code == 0, said.output
    assert ("loses text" in said.output) == (model != "unigram")
    loaded = tokenizers.Tokenizer.from_file(str(out))
    assert type(loaded.model).__name__.lower() == model.replace("_", "")


def test_a_masked_model_of_pieces_is_trained_fills_gaps_and_is_exported(tmp_path: Path) -> None:
    """The way of a WordPiece tokenizer through the trainer."""
    torch = pytest.importorskip("torch")
    from corpuskit.train.generate.fill import fill_masks
    from corpuskit.train.generate.generate import LanguageModel
    from corpuskit.train.hub.export import export_model
    from corpuskit.train.settings.settings import TrainSettings
    from corpuskit.train.train import train_model

    rows = [f"the {a} cat sat on the {b} mat ." for a in ("old", "red", "big") for b in ("old", "new")] * 8
    random.Random(0).shuffle(rows)
    (tmp_path / "in.jsonl").write_text(
        "\n".join(json.dumps({"text": " ".join(rows[i:] + rows[:i])}) for i in range(6))
    )
    tokenizer = TrainTokenizer(model="wordpiece", vocab_size=384, lossy="allow")
    steps = [Files(path=str(tmp_path / "in.jsonl"), label="x"), Unicode(), tokenizer]
    build_corpus([*steps, WriteShards(split=Split(validation=0.2))], tmp_path / "run")
    shape = {"layers": 1, "width": 32, "heads": 2, "context": 16, "batch_rows": 16, "steps": 150}
    rates = {"learning_rate": 1e-2, "dropout": 0, "precision": "fp32", "eval_every": 150, "patience": 0}
    settings = TrainSettings(**shape, **rates, objective="masked")
    train_model(tmp_path / "run", tmp_path / "model", settings)
    model = LanguageModel.load(tmp_path / "model")
    filled = fill_masks(model, "the old cat sat on the <mask> mat .", top=3)
    assert filled.text in {f"the old cat sat on the {word} mat ." for word in ("old", "new")}
    assert "[UNK]" not in {candidate.text.strip() for candidate in filled.candidates[0]}
    vectors = model.embed(["the old cat", "the new mat"])
    assert torch.as_tensor(vectors).shape[0] == 2
    result = export_model(tmp_path / "model", tmp_path / "hub", check=False)
    assert (tmp_path / "hub/tokenizer.json").read_bytes() == (
        tmp_path / "run/tokenizer/tokenizer.json"
    ).read_bytes()
    assert result is not None
    assert Run.open_finished(tmp_path / "run")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--model", "unigram", "--digits", "2"], "digits: not of the model unigram"),
        (["--model", "wordpiece", "--vocab-sizes", "400,500"], "vocab_sizes: not of the model wordpiece"),
        (["--words", "3"], "words: are for other models than bpe"),
    ],
)
def test_the_command_passes_over_no_option(options: list[str], said: str, tmp_path: Path) -> None:
    call = ["tokenizer", "train", str(SAMPLES / "notes"), *options, "--out", str(tmp_path / "tokenizer.json")]
    result = CliRunner().invoke(cli, call)
    assert (result.exit_code, f"tokenizer train: {said}" in result.stderr) == (2, True), result.stderr
    assert not list(tmp_path.iterdir())
