"""Searching a run: counts, documents, bytes, the longest match; and tokens traced through cuts and copies."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from corpuskit import Tokenizer, build_corpus, load_recipe, open_index
from corpuskit.cli.corpus.search import command
from corpuskit.errors import SettingError
from corpuskit.report import search
from corpuskit.report.check import problems
from corpuskit.report.search import Found, Searcher
from corpuskit.report.trace import before_cuts, trace
from corpuskit.run.folder import Run
from corpuskit.shards.reader import Shards
from corpuskit.storage.files import sha256_file

TEXTS = ["na na na na", "aaaa", "banana", "bana", "na", "xyz"]
PROBE = "the bananas were on a banal xyzzy"


def build(folder: Path, rows: dict[str, str], recipe: dict[str, Any]) -> Path:
    """A run of rows of which each byte is a token."""
    with (folder / "in.jsonl").open("w") as file:
        for identity, text in rows.items():
            file.write(json.dumps({"id": identity, "text": text}) + "\n")
    whole = {
        "sources": [{"files": {"label": "x", "path": str(folder / "in.jsonl")}}],
        "stages": [],
        "tokenizer": {"vocab_size": 384},
        "shards": {"split": {"validation": 0.0}},
        **recipe,
    }
    (folder / "recipe.yaml").write_text(json.dumps(whole))
    build_corpus(load_recipe(folder / "recipe.yaml"), folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = {str(number): text for number, text in enumerate(TEXTS, 1)}
    return build(tmp_path_factory.mktemp("search"), rows, {})


@pytest.fixture(scope="module")
def searcher(run: Path) -> Searcher:
    return Searcher.open(run)


def by_document(found: Found) -> dict[int, int]:
    assert found.count == len(found.hits)
    order = [hit.sequence for hit in found.hits]
    assert order == sorted(order)
    counts = Counter(int((hit.id or "").rpartition(":")[2]) for hit in found.hits)
    assert found.documents == len(counts)
    return dict(counts)


@pytest.mark.parametrize(
    ("query", "count", "documents"),
    [
        ("na", 8, {1: 4, 3: 2, 4: 1, 5: 1}),
        ("na na", 3, {1: 3}),
        ("aa", 3, {2: 3}),
        ("ana", 3, {3: 2, 4: 1}),
        ("anan", 1, {3: 1}),
        ("banana", 1, {3: 1}),
        ("naxyz", 0, {}),
        ("bananabana", 0, {}),
        ("zzz", 0, {}),
        ("a", 14, {1: 4, 2: 4, 3: 3, 4: 2, 5: 1}),
        ("x" * 80, 0, {}),
    ],
)
def test_search_count(query: str, count: int, documents: dict[int, int], searcher: Searcher) -> None:
    """Matches that overlap count each, and none crosses the border of documents."""
    found = searcher.text(query, 100).found
    assert (found.count, by_document(found)) == (count, documents)
    for hit in found.hits:
        text = TEXTS[int((hit.id or "").rpartition(":")[2]) - 1]
        assert text.encode()[hit.byte_start : hit.byte_end].decode() == query
        assert (hit.before, hit.text, hit.after) == (
            text[: hit.byte_start],
            query,
            text[hit.byte_end :],
        )


def test_documents_of_very_many_places_are_not_counted(
    searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MOST_COUNTED", 7)
    found = searcher.text("na", 1).found
    assert (found.count, found.documents, len(found.hits)) == (8, None, 1)
    assert searcher.text("aa").found.documents == 1


def test_search_count_of_the_end_mark(searcher: Searcher) -> None:
    end, na = searcher.index.shards.end_of_text, searcher.tokenizer.encode("na")
    assert by_document(searcher.tokens([*na, end], 100)) == {1: 1, 3: 1, 4: 1, 5: 1}
    assert searcher.text("na", at_end=True).found.count == 4
    assert searcher.tokens([end, *na]).count == 0
    assert searcher.tokens([*na, end, end]).count == 0
    assert searcher.tokens([end]).count == 6


def test_search_count_of_nothing_is_an_error(searcher: Searcher) -> None:
    with pytest.raises(SettingError, match="is empty"):
        searcher.text("")
    with pytest.raises(SettingError, match="is empty"):
        searcher.tokens([])
    with pytest.raises(SettingError, match="is empty"):
        searcher.longest("")


def test_search_count_longest(searcher: Searcher) -> None:
    longest = searcher.longest(PROBE)
    wanted = "0 0 0 1 6 5 4 3 2 1 0 1 0 0 0 0 1 0 1 1 2 1 4 3 2 1 0 1 3 2 1 1 1"
    assert longest.lengths == [int(length) for length in wanted.split()]
    first = longest.pieces[0]
    assert (first.byte_start, first.byte_end, first.found.text) == (4, 10, "banana")
    assert by_document(first.found) == {3: 1}
    assert [piece.found.text for piece in longest.pieces[1:3]] == ["bana", "xyz"]


def test_search_count_longest_within_a_character(searcher: Searcher) -> None:
    """Tokens that are parts of a character stand at their own bytes, as those of occurrences do."""
    assert len(searcher.tokenizer.encode("水na")) == 5
    longest = searcher.longest("水na")
    assert longest.starts == [0, 1, 2, 3, 4]
    assert (longest.pieces[0].byte_start, longest.pieces[0].byte_end) == (3, 5)


def test_a_word_is_counted_with_and_without_a_blank(tmp_path: Path) -> None:
    """Within a text it is another token than at its beginning: each is counted, and none twice."""
    texts = {str(n): f"river bank {'river ' * 5}" for n in range(30)}
    run = build(tmp_path, texts, {"tokenizer": {"vocab_size": 400}})
    searcher = Searcher.open(run)
    assert [len(searcher.tokenizer.encode(text)) for text in ("river", " river")] == [1, 1]
    searched = searcher.text("river", 3)
    assert searched.behind_blank is not None
    assert (searched.found.count, searched.behind_blank.count) == (30, 150)
    assert searched.behind_blank.text == " river"
    hit = searched.behind_blank.hits[0]
    assert texts["0"][hit.byte_start : hit.byte_end] == " river"
    assert searcher.text(" river").behind_blank is None
    assert searcher.text("river ").notes


def test_bytes_are_those_of_the_document_also_of_a_section(tmp_path: Path) -> None:
    """Of few documents a section of each is held out: its bytes are those of the whole text."""
    texts = {"a": "Größe und 東京都。 " * 40, "b": "naïve ไทย 🦉 " * 60}
    run = build(tmp_path, texts, {"shards": {"split": {"validation": 0.3}}})
    searcher = Searcher.open(run)
    for query, identity in (("東京", "a"), ("🦉", "b"), ("ไท", "b")):
        found = searcher.text(query, 100).found
        assert found.count == texts[identity].count(query)
        assert set(found.splits) == {"train", "validation"}
        assert min(found.splits.values()) > 0
        places = sorted(hit.byte_start or 0 for hit in found.hits)
        raw, wanted = texts[identity].encode(), query.encode()
        assert places == [p for p in range(len(raw)) if raw.startswith(wanted, p)]
        assert found.documents == len({(hit.split, hit.sequence) for hit in found.hits})
    alone = searcher.text("東京", 100, "validation").found
    assert list(alone.splits) == ["validation"]


def test_what_the_tokenizer_does_not_know_is_told(tmp_path: Path) -> None:
    words = {"tokenizer": {"model": "word_level", "words": 1, "lossy": "allow"}}
    found = Searcher.open(build(tmp_path, {"1": "the cat the dog"}, words)).text("the owl")
    assert (found.found.count, found.found.text) == (2, "the [UNK]")
    assert found.notes == ["a token of the text is the unknown one, which stands for other texts, too"]


def test_the_index_is_no_output_of_the_run(run: Path, tmp_path: Path) -> None:
    """`verify` finds the run as sound as before, and a build that is called again leaves the index."""
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    shutil.rmtree(copy / "index", ignore_errors=True)
    assert open_index(copy).count([1]) == 0
    index = copy / "index" / "train-00000.ngrams"
    before = sha256_file(index)
    assert list(problems(Run.open(copy))) == []
    recipe = load_recipe(run.parent / "recipe.yaml")
    build_corpus(recipe, copy)
    assert sha256_file(index) == before == sha256_file(run / "index" / "train-00000.ngrams")


# --------------------------------------------------------------------------------------------- the command
def call(*words: object) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words])


def test_the_command_prints_json(run: Path) -> None:
    result = call(run, "na", "--limit", 2, "--json", "--quiet")
    told = json.loads(result.stdout)
    assert (told["count"], told["documents"], told["splits"]) == (8, 4, {"train": 8})
    assert [hit["id"] for hit in told["hits"]] == ["files:x:1", "files:x:1"]
    assert told["behind_blank"] is None
    ids = " ".join(map(str, told["tokens"]))
    assert json.loads(call(run, "--tokens", ids, "--json").stdout)["count"] == 8
    assert json.loads(call(run, "--tokens", ids, "--at-end", "--json").stdout)["count"] == 4
    longest = json.loads(call(run, "--longest", PROBE, "--json").stdout)
    assert longest["pieces"][0]["found"]["text"] == "banana"


def test_the_command_reads_a_file(run: Path, tmp_path: Path) -> None:
    (tmp_path / "probe.txt").write_text(PROBE)
    text, file = (call(run, "--longest", what).stdout for what in (PROBE, tmp_path / "probe.txt"))
    assert text == file
    assert "6 tokens, bytes 4 to 10: 1 time in 1 document" in text
    assert call(run, "--longest", PROBE * 500).exit_code == 0
    (tmp_path / "lines").write_bytes(b"zz\r\nbanana")
    assert "bytes 4 to 10" in call(run, "--longest", tmp_path / "lines").stdout
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    assert "is no text in UTF-8" in call(run, "--longest", tmp_path / "bytes").stderr


def test_the_command_prints_for_people(run: Path) -> None:
    said = call(run, "na", "--limit", 3).stdout.splitlines()
    assert said[0].startswith("'na': 8 times in 4 documents (train 8); 2 tokens: ")
    assert said[3:5] == [
        "  files:x:1, bytes 3 to 5 (train-00000, token 3)",
        "    na [na] na na",
    ]
    assert said[-1] == "  and 5 more: --limit"
    assert "cut into the same tokens" in call(run, "zzz").stdout


def test_a_part_of_a_word_is_told_to_be_one(tmp_path: Path) -> None:
    """What is counted are tokens: a word that goes on is mostly of others."""
    rows = {"1": "the river and the rivers", "2": "a river " * 40}
    run = build(tmp_path, rows, {"tokenizer": {"vocab_size": 400}})
    hint = "Inside of longer words it may stand in other tokens, and is not counted there."
    assert hint in call(run, "river").stdout
    assert hint not in call(run, "the river").stdout
    assert "not counted there" not in call(run, "river", "--json").stdout


def test_more_places_than_there_can_be(run: Path) -> None:
    found = json.loads(call(run, "na", "--limit", 10**30, "--json").stdout)
    assert found["count"] == len(found["hits"]) > 0


def test_the_command_builds_when_it_must_and_when_it_is_told(run: Path, tmp_path: Path) -> None:
    place = tmp_path / "index"
    first = call(run, "na", "--index", place)
    assert "sorting 36 tokens" in first.stderr
    assert "sorting" not in call(run, "na", "--index", place).stderr
    again = call(run, "--build", "--index", place, "--json")
    assert "sorting 36 tokens" in again.stderr
    assert json.loads(again.stdout) == {"run": str(run), "index": str(place), "bytes": 128 + 108 + 4 + 8}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "0 things to search for instead of one"),
        (["na", "--tokens", "1"], "2 things to search for"),
        (["--tokens", "1 x"], "is no list of ids"),
        (["--tokens", ""], "is empty"),
        (["--tokens", "-1"], "id -1: the tokenizer has no such token"),
        (["--tokens", "5 384"], "Give ids from 0 to 383."),
        (["--longest", "na", "--at-end"], "--at-end: is for a text or --tokens"),
        (["--longest", "essay.txt"], "--longest essay.txt: no file is called that"),
        ([""], "is empty"),
        (["na", "--split", "tran"], "has no split 'tran'"),
    ],
)
def test_a_wrong_call_is_said(words: list[str], said: str, run: Path) -> None:
    result = call(run, *words)
    assert (result.exit_code, said in result.stderr) == (2, True), result.stderr


def test_what_is_no_run_is_said(tmp_path: Path) -> None:
    assert call(tmp_path, "na").exit_code == 1


# ------------------------------------------------------------------------ traced through cuts and copies
PART = "First part, été. No {0}.\n\nAll rights of the quay are reserved.\n\nSecond part. ({0})"


@pytest.fixture(scope="module")
def cut_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three documents that share a paragraph, which goes from two of them; each stands twice."""
    rows = {f"t{number}": PART.format(number) for number in (1, 2, 3)}
    more = {"stages": [{"paragraph_repeats": {"min_documents": 3}}], "mix": {"x": {"epochs": 2}}}
    return build(tmp_path_factory.mktemp("cut"), rows, more)


def ranges(run: Path) -> dict[str, tuple[int, int]]:
    """First token and end of each sequence of the one shard, by id."""
    table = Run.open(run).read_table("shards/train-00000.provenance.parquet").to_pylist()
    return {row["id"]: (row["token_start"], row["token_end"]) for row in table}


def test_trace_repeats_sequences_and_ledger(cut_run: Path) -> None:
    found = ranges(cut_run)
    assert list(found) == [f"files:x:t{n}{copy}" for n in (1, 2, 3) for copy in ("", "@2")]
    sizes = [end - start for start, end in found.values()]
    assert sorted(sizes) == [43] * 4 + [81] * 2
    assert sizes[::2] == sizes[1::2]
    ledger = json.loads((cut_run / "ledger.json").read_text())
    added = {stage["stage"]: stage["documents"].get("added") for stage in ledger["stages"]}
    assert added["planted"] == {"repeated": 3}


@pytest.mark.parametrize("copy", [1, 2])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_trace_repeats(number: int, copy: int, cut_run: Path) -> None:
    opened, raw = Run.open(cut_run), PART.format(number).encode()
    identity = f"files:x:t{number}" + ("@2" if copy == 2 else "")
    start, end = ranges(cut_run)[identity]
    is_cut = end - start == 43
    for place in range(end - start - 1):
        traced = trace(opened, "train-00000", start + place)
        read = place if place < 24 or not is_cut else place + 38
        assert (traced.read_start, traced.read_end) == (read, read + 1)
        assert (traced.byte_start, traced.byte_end) == (place, place + 1)
        assert (
            Tokenizer.load(cut_run / "tokenizer/tokenizer.json").spelled(traced.token_id)
            == raw[read : read + 1]
        )
        assert (traced.document["id"], traced.copy, traced.copy_of) == (
            identity,
            copy,
            f"files:x:t{number}",
        )
        assert [(cut["start"], cut["end"]) for cut in traced.cuts] == [(24, 62)] * is_cut
    if is_cut:
        assert trace(opened, "train-00000", start + 3).read_start == 3
        assert trace(opened, "train-00000", start + 28).read_start == 66
        assert raw[66:67] == b"c"


def test_trace_repeats_the_end_mark_has_no_byte(cut_run: Path) -> None:
    for identity, (_, end) in ranges(cut_run).items():
        traced = trace(Run.open(cut_run), "train-00000", end - 1)
        assert (traced.document["id"], traced.token_text) == (identity, "<|endoftext|>")
        assert traced.byte_start == traced.byte_end
        assert traced.read_start == traced.read_end == len(PART.format(1).encode())


def test_trace_repeats_a_search_names_each_copy(cut_run: Path) -> None:
    found = Searcher.open(cut_run).text("First part, été. No 2", 10).found
    assert [hit.id for hit in found.hits] == ["files:x:t2", "files:x:t2@2"]
    assert [(hit.byte_start, hit.byte_end) for hit in found.hits] == [(0, 23)] * 2
    everywhere = Searcher.open(cut_run).text("First part, été", 10).found
    assert [hit.id for hit in everywhere.hits] == list(ranges(cut_run))
    assert Shards(cut_run / "shards").split("train").tokens == 334


def test_a_place_before_cuts_of_several_stages() -> None:
    """0123456789 loses 23 and 67 to one stage, and then 45, which are bytes 2 and 3 to the next."""
    cuts = [
        {"pass": "candidates", "stage": "a", "start": 2, "end": 4},
        {"pass": "candidates", "stage": "a", "start": 6, "end": 8},
        {"pass": "documents", "stage": "a", "start": 2, "end": 4},
    ]
    assert [before_cuts(place, cuts) for place in range(5)] == [0, 1, 8, 9, 10]
    assert before_cuts(3, []) == 3
