"""The vocabulary report: exact figures of a small run, of one with sections, and its three forms."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import tokenizers
from click.testing import CliRunner
from tokenizers import decoders, models, pre_tokenizers

from corpuskit import (
    Files,
    Pipeline,
    Run,
    Split,
    Tokenizer,
    TrainTokenizer,
    Unicode,
    WriteShards,
    vocabulary_report,
)
from corpuskit.build.build import build_corpus
from corpuskit.cli.main import cli
from corpuskit.documents.words import words
from corpuskit.errors import InputError, RunError, ShardError, TrainError
from corpuskit.report import produced
from corpuskit.report.fertility import Ratio
from corpuskit.report.produced import count_tokens
from corpuskit.report.vocabulary import VocabularyReport
from corpuskit.shards.reader import Shards
from corpuskit.tokenizer import compress
from corpuskit.tokenizer.byte_level import byte_alphabet
from corpuskit.tokenizer.compress import advise
from corpuskit.tokenizer.special import SPECIAL_TOKENS

TEXTS = ("the the hen", "the café éé then", "hen the \U0001f600\U0001f61e", "quiet")


SPELLED = {byte: letter for letter, byte in byte_alphabet().items()}
MERGES = (
    (b"t", b"h"),
    (b"th", b"e"),
    (b"h", b"e"),
    (b"q", b"u"),
    (b"qu", b"x"),
    (b"\xc3", b"\xa9"),
    (b"\xf0", b"\x9f"),
    (b"\xf0\x9f", b"\x98"),
    (b"\xf0\x9f\x98", b"\x80"),
    (b"he", b"n"),
    (b"t", b"hen"),
)


def given(folder: Path, merges: Sequence[tuple[bytes, bytes]], more: Sequence[str] = ()) -> Path:
    """A tokenizer.json of bytes, these merges, and tokens that no merge makes."""
    left, right = (["".join(SPELLED[b] for b in pair[side]) for pair in merges] for side in (0, 1))
    pairs = list(zip(left, right, strict=True))
    tokens = ["<|endoftext|>", *SPELLED.values(), *(a + b for a, b in pairs), *more]
    model = tokenizers.Tokenizer(models.BPE({token: n for n, token in enumerate(tokens)}, pairs))
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = decoders.ByteLevel()
    model.add_special_tokens(["<|endoftext|>"])
    folder.mkdir(exist_ok=True)
    model.save(str(folder / "tokenizer.json"))
    return folder / "tokenizer.json"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four documents through a given tokenizer of eleven merges and a token without one."""
    folder = tmp_path_factory.mktemp("small")
    lines = [json.dumps({"id": str(n), "text": text}) for n, text in enumerate(TEXTS, 1)]
    (folder / "in.jsonl").write_text("\n".join(lines))
    file = given(folder / "given", MERGES, ["zz"])
    steps = [Files(path=str(folder / "in.jsonl"), label="x"), Unicode(), TrainTokenizer(file=str(file))]
    build_corpus([*steps, WriteShards(split=Split(validation=0))], folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def report(small: Path) -> VocabularyReport:
    return vocabulary_report(small)


def tokens(report: VocabularyReport, name: str) -> list[str]:
    by_id = {row["id"]: row["token"] for row in report.tokens}
    return [by_id[number] for number in report.facts[name]["ids"]]


def test_what_was_never_produced_is_counted_in_the_shards(report: VocabularyReport) -> None:
    """A token that was merged on the way to another was not produced."""
    facts = report.facts
    counts = {row["token"]: row["count"] for row in report.tokens if row["merged"]}
    made = {"th": 0, "the": 5, "he": 0, "qu": 1, "qux": 0, "é": 3, "f0 9f": 0, "f0 9f 98": 1}
    assert counts == made | {"\U0001f600": 1, "hen": 2, "then": 0, "zz": 0}
    assert (facts["vocab_size"], facts["text_tokens"], facts["tokens"], facts["end_marks"]) == (
        269,
        268,
        28,
        4,
    )
    assert (facts["never"]["count"], facts["never"]["merged"]) == (253, 6)
    never = {row["token"] for row in report.tokens if row["merged"] and "never" in row["is"]}
    assert never == {"th", "he", "qux", "f0 9f", "then", "zz"}
    on_the_way = {row["token"] for row in report.tokens if row["merged"] and "intermediate" in row["is"]}
    assert on_the_way == {"th", "he", "f0 9f"}


def test_what_no_text_can_produce_and_parts_of_characters(report: VocabularyReport) -> None:
    assert tokens(report, "unreachable") == ["then", "zz"]
    partial = tokens(report, "partial")
    assert (len(partial), report.facts["partial"]["merged"]) == (130, 2)
    assert {token for token in partial if len(token) > 2} == {"f0 9f", "f0 9f 98"}
    assert report.facts["partial"]["never_in_utf8"] == 13


def test_what_one_document_has_alone(report: VocabularyReport) -> None:
    alone = report.facts["alone"]
    found = [(row["token"], row["count"], row["document"]) for row in alone["tokens"]]
    assert (alone["count"], found) == (1, [("é", 3, "files:x:2")])


def test_bytes_per_token_and_tokens_per_word(report: VocabularyReport) -> None:
    whole = report.facts["all"]
    sizes = [len(text.encode()) for text in TEXTS]
    assert (whole["documents"], whole["bytes"], whole["tokens"]) == (4, sum(sizes), 28)
    assert whole["words"] == sum(len(words(text)) for text in TEXTS) == 10
    assert whole["tokens_per_word"]["value"] == 2.8
    # The ratio estimator, written out: tokens of each document, and its bytes.
    counts = np.array([5, 12, 7, 4])
    ratio = sum(sizes) / 28
    spread = ((np.array(sizes) - ratio * counts) ** 2).sum() * 4 / 3
    low, high = whole["bytes_per_token"]["interval"]
    assert (high + low) / 2 == pytest.approx(ratio)
    assert (high - low) / 2 == pytest.approx(1.959964 * spread**0.5 / 28)
    assert report.facts["sources"]["x"]["tokens"] == 28


def test_digits_and_white_space(report: VocabularyReport) -> None:
    signs = report.facts["signs"]
    assert signs["digits"] == {"tokens": 10, "by_length": {"1": 10}, "share": 0.0}
    assert signs["blanks"]["share"] == 7 / 28
    assert "unknown" not in signs


def test_smaller_vocabularies_are_its_first_merges(report: VocabularyReport) -> None:
    curve = report.facts["curve"]
    assert [(point["vocab_size"], point["tokens"]) for point in curve] == [(258, 51), (269, 28)]
    assert curve[1]["saved"] == pytest.approx((51 - 28) / 11)


def test_the_curve_is_that_of_whole_encodings(sections: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretokens that are encoded once give the same counts as texts that are encoded whole."""
    data = sections.local("tokenizer/tokenizer.json").read_bytes()
    texts = ["river number 12 of 3,  <|pad|> it says.\n\n Straße", "", "\U0001f600 it's"]
    by_words = compress.curve(data, texts)
    monkeypatch.setattr(compress, "_pretokens", lambda document, texts: None)
    assert compress.curve(data, texts) == by_words
    assert by_words[0].tokens == sum(len(text.encode()) for text in texts)


@pytest.fixture(scope="module")
def sections(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Documents in sections on two sides of the split, in two sources and languages."""
    folder = tmp_path_factory.mktemp("sections")
    for name, word in (("one", "river"), ("two", "Straße")):
        rows = [
            {
                "id": str(i),
                "text": "\n".join(f"{word} number {j} of {i}, <|pad|> it says." for j in range(60)),
            }
            for i in range(6)
        ]
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    steps = [
        Files(path=str(folder / f"{name}.jsonl"), label=name, language=language)
        for name, language in (("one", "en"), ("two", "de"))
    ]
    shards = WriteShards(split=Split(validation=0.2), shard_tokens=3000)
    build_corpus([*steps, TrainTokenizer(vocab_size=512), shards], folder / "run")
    return Run.open_finished(folder / "run")


def test_sections_of_a_document_are_one_document(sections: Run) -> None:
    facts = vocabulary_report(sections).facts
    assert {name: group["documents"] for name, group in facts["sources"].items()} == {"one": 6, "two": 6}
    assert {name: group["documents"] for name, group in facts["languages"].items()} == {"de": 6, "en": 6}
    tables = sorted(sections.local("shards").glob("*.provenance.parquet"))
    rows = [row for table in tables for row in pq.read_table(table).to_pylist()]
    own = [row for row in rows if row["source"] == "two"]
    assert facts["sources"]["two"]["tokens"] == sum(r["token_end"] - r["token_start"] - 1 for r in own)
    assert facts["sources"]["two"]["bytes"] == sum(r["byte_end"] - r["byte_start"] for r in own)
    text = "\n".join(
        r["text"] for t in sections.local("documents").glob("*") for r in pq.read_table(t).to_pylist()
    )
    assert facts["all"]["words"] == pytest.approx(len(words(text)), abs=24)
    assert facts["spelled"]["<|pad|>"]["documents"] == 12
    assert facts["spelled"]["<|pad|>"]["times"] == text.count("<|pad|>")


def test_counts_and_owners_are_those_of_plain_counting(
    sections: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In stretches of whatever size: shards, sections and borders between documents fall anywhere."""
    shards = Shards(sections.local("shards"))
    held: dict[int, dict[str, int]] = {}
    for split in shards.splits:
        line = shards.split(split)
        number = 0
        for info in shards.splits[split]:
            table = pq.read_table(sections.local(f"shards/{info.name}.provenance.parquet"))
            for row in table.to_pylist():
                for token in line.sequence(number).tolist():
                    of = held.setdefault(token, {})
                    of[row["id"]] = of.get(row["id"], 0) + 1
                number += 1
    for size in (7, 1000, 2**20):
        monkeypatch.setattr(produced, "_STRETCH", size)
        found = count_tokens(sections)
        for token in range(shards.vocab_size):
            of = held.get(token, {})
            assert found.counts[token] == sum(of.values())
            most = max(of.items(), key=lambda pair: pair[1], default=("", 0))
            if 2 * most[1] > sum(of.values()):
                assert (found.most[token], found.document[token]) == (most[1], most[0])
            else:
                assert found.most[token] == 0


def test_another_tokenizer_is_compared_on_the_same_texts(small: Path, tmp_path: Path) -> None:
    other = given(tmp_path / "other", [*MERGES[:2], (b" ", b"the")])
    facts = vocabulary_report(small, against=[other.parent]).facts
    [beside] = facts["against"]
    assert beside["bytes_per_token"]["value"] == 51 / 28
    model = tokenizers.Tokenizer.from_file(str(other))
    count = sum(len(model.encode(text).ids) for text in TEXTS)
    assert beside["other_bytes_per_token"]["value"] == 51 / count
    assert beside["tokens_of_other"] == 28 / count
    assert beside["vocab_size"] == 260


def test_a_tokenizer_of_the_cache_goes_by_its_name(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "hub/models--openai-community--gpt2"
    (cache / "snapshots/0123").mkdir(parents=True)
    (cache / "refs").mkdir()
    (cache / "refs/main").write_text("0123")
    given(cache / "snapshots/0123", MERGES)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    [beside] = vocabulary_report(small, against=["gpt2"]).facts["against"]
    assert (beside["tokenizer"], beside["tokens_of_other"]) == ("gpt2", 1.0)
    for name in ("cl100k", "no/such", "nowhere/at/all"):
        with pytest.raises(InputError, match="Hugging Face Hub has no") as caught:
            vocabulary_report(small, against=[name])
        assert "hf download" in str(caught.value)


def test_the_advice_is_that_of_the_paper() -> None:
    """Table 1 of arXiv:2407.13623, approaches 1 and 2: ids for 3, 7, 13, 30, 70 billion other parameters."""
    sizes = {3_000_000_000: (39, 43), 7_000_000_000: (62, 67), 70_000_000_000: (212, 231)}
    for parameters, (first, second) in sizes.items():
        advice = advise(parameters)
        assert (round(advice.by_flops / 1000), round(advice.by_derivative / 1000)) == (first, second)
        assert not advice.fitted
    assert advise(33_000_000).fitted
    assert advise(33_000_000, width=1024).by_derivative == 3072


def test_an_interval_needs_two_documents() -> None:
    ratio = Ratio()
    assert (ratio.value, ratio.interval) == (None, None)
    ratio.add(6, 2)
    assert (ratio.value, ratio.interval) == (3.0, None)


class _Page(HTMLParser):
    """What a page asks of others, and what of it is markup."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.asked: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.asked += [str(value) for name, value in attrs if name in ("src", "href", "data", "action")]


def test_the_page_is_whole_and_escapes_what_texts_say(tmp_path: Path, jsonl: Callable[..., None]) -> None:
    texts = ["<script>alert(1)</script> & <b>bold</b>", "<script>x</script> & more"] * 3
    jsonl(tmp_path / "in.jsonl", [{"id": f"<i>{n}", "text": text} for n, text in enumerate(texts)])
    steps = [
        Files(path=str(tmp_path / "in.jsonl"), label="x", language="<u>"),
        TrainTokenizer(vocab_size=450),
    ]
    build_corpus([*steps, WriteShards(split=Split(validation=0))], tmp_path / "run")
    said = CliRunner().invoke(
        cli, ["tokenizer", "report", str(tmp_path / "run"), "--html", str(tmp_path / "a.html"), "--json"]
    )
    assert said.exit_code == 0, said.output
    parser, text = _Page(), (tmp_path / "a.html").read_text()
    parser.feed(text)
    assert parser.tags.isdisjoint({"script", "b", "i", "u", "link", "img", "iframe"})
    assert (parser.asked, re.findall(r"url\(|@import", text)) == ([], [])
    assert {"table", "svg"} <= parser.tags
    assert "&lt;u&gt;" in text


def test_the_command_in_its_forms(small: Path, tmp_path: Path, report: VocabularyReport) -> None:
    rows = tmp_path / "tokens.jsonl"
    said = CliRunner().invoke(
        cli, ["tokenizer", "report", str(small), "--tokens", str(rows), "--parameters", "5000000"]
    )
    assert said.exit_code == 0, said.output
    assert "only on the way to others" in said.output
    assert [json.loads(line) for line in rows.read_text().splitlines()] == report.tokens
    again = CliRunner().invoke(cli, ["tokenizer", "report", str(small), "--tokens", str(rows)])
    assert (again.exit_code, "is there already" in again.output) == (2, True)
    found: dict[str, Any] = json.loads(
        CliRunner().invoke(cli, ["tokenizer", "report", str(small), "--json"]).output
    )
    assert found["never"]["count"] == 253


def test_bad_calls(small: Path, tmp_path: Path, jsonl: Callable[..., None]) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match="not a tokenizer"):
        vocabulary_report(small, against=[tmp_path / "tokenizer.json"])
    with pytest.raises(InputError, match="is not there"):
        vocabulary_report(small, against=[tmp_path / "nowhere"])
    jsonl(tmp_path / "in.jsonl", [{"id": "1", "text": "a text"}])
    build_corpus(Pipeline([Files(path=str(tmp_path / "in.jsonl"), label="x")]), tmp_path / "bare")
    with pytest.raises(RunError, match="has no shards"):
        vocabulary_report(tmp_path / "bare")


def test_a_run_that_is_damaged_is_no_report(small: Path, tmp_path: Path) -> None:
    """Of one byte that is another, and of a tokenizer that is not that of the shards."""
    run = tmp_path / "run"
    shutil.copytree(small, run)
    tokenizer, file = run / "tokenizer" / "tokenizer.json", run / "shards" / "train-00000.bin"
    whole, tokens = tokenizer.read_bytes(), bytearray(file.read_bytes())
    tokenizer.write_bytes(Tokenizer.train(["a text"], 384).data)
    with pytest.raises(TrainError, match="is not the tokenizer that made the tokens"):
        vocabulary_report(run)
    tokenizer.unlink()
    with pytest.raises(TrainError, match="cannot read the tokenizer"):
        vocabulary_report(run)
    tokenizer.write_bytes(whole)
    tokens[3] ^= 1
    file.write_bytes(tokens)
    with pytest.raises(ShardError, match="is damaged"):
        vocabulary_report(run)


def test_special_tokens_are_not_counted_as_text(sections: Run) -> None:
    facts = vocabulary_report(sections).facts
    assert (facts["special_tokens"], facts["text_tokens"]) == (len(SPECIAL_TOKENS), facts["vocab_size"] - 128)
