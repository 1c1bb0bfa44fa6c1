"""The fast engine gives the ids of ``tokenizers``, or it is not used; what it is caught at is not written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken

from corpuskit import Files, TrainTokenizer, WriteShards
from corpuskit.build.build import build_corpus
from corpuskit.errors import EncodingError, SettingError
from corpuskit.storage.tables import Sink
from corpuskit.tokenizer import encoding
from corpuskit.tokenizer.encoding import Encoder
from corpuskit.tokenizer.engines.engines import Engine, Fast, Flat, Reference
from corpuskit.tokenizer.engines.native import Native
from corpuskit.tokenizer.odd_texts import odd_texts
from corpuskit.tokenizer.special import END_OF_TEXT, PATTERNS
from corpuskit.tokenizer.tokenizer import Tokenizer

fastokens = pytest.importorskip("fastokens")

WORDS = (
    "the",
    "mill",
    "river's",
    "Stra\u00dfe",
    "1234",
    "runs\n",
    "past",
    "\u6f22\u5b57",
    "don't",
    "\U0001f600",
    "",
)
WORDS += ("\u0928\u092e\u0938\u094d\u0924\u0947",)


def text_of(size: int) -> str:
    """Prose of many different words, the same each time."""
    words = [f"{WORDS[n % len(WORDS)]}{n * 7919 % 613}" for n in range(size // 8)]
    return " ".join(words)[:size]


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """No engine of another test, and none that was found wanting."""
    monkeypatch.setattr(encoding, "_ENCODERS", type(encoding._ENCODERS)())
    monkeypatch.setattr(encoding, "SAMPLE_BYTES", 2**12)
    monkeypatch.setattr(encoding, "_REFERENCE_BYTES", 2**12)


@pytest.fixture(scope="module", params=sorted(PATTERNS))
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return Tokenizer.train([text_of(60_000), *odd_texts()[:600]], vocab_size=1200, pattern=request.param)


@cache
def reference(tokenizer: Tokenizer) -> tokenizers.Tokenizer:
    model = tokenizers.Tokenizer.from_str(tokenizer.data.decode())
    model.encode_special_tokens = True
    return model


def reference_ids(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    model = reference(tokenizer)
    return [model.encode(text, add_special_tokens=False).ids for text in texts]


@pytest.fixture(scope="module", params=["native", "fastokens"])
def fast(request: pytest.FixtureRequest, tokenizer: Tokenizer) -> Engine:
    if request.param == "native":
        return Native(tokenizer._document)
    return Fast(tokenizer._document, tokenizer.vocab_size)


def test_odd_texts_are_encoded_alike(tokenizer: Tokenizer, fast: Engine) -> None:
    texts = odd_texts([END_OF_TEXT, "<|pad|>"])
    assert len(texts) == 2000
    assert texts == odd_texts([END_OF_TEXT, "<|pad|>"])
    found = fast.encode(texts)
    assert [found.of(i).tolist() for i in range(2000)] == reference_ids(tokenizer, texts)


@given(st.lists(st.text(max_size=60), max_size=4))
@settings(deadline=None, max_examples=100)
def test_random_texts_are_encoded_alike(tokenizer: Tokenizer, fast: Engine, texts: list[str]) -> None:
    found = fast.encode(texts)
    assert [found.of(i).tolist() for i in range(len(texts))] == reference_ids(tokenizer, texts)


def test_real_text_is_encoded_alike(corpora: Path, tokenizer: Tokenizer, fast: Engine) -> None:
    import gzip

    files = sorted((corpora / "gutenberg").rglob("*.txt.gz"))[::25]
    texts = [gzip.decompress(file.read_bytes()).decode("utf-8", "replace")[:60_000] for file in files]
    found = fast.encode(texts)
    assert [found.of(i).tolist() for i in range(len(texts))] == reference_ids(tokenizer, texts)


def test_the_fast_engine_takes_over_behind_the_sample(tokenizer: Tokenizer) -> None:
    texts = [text_of(3000), "", text_of(300_000), END_OF_TEXT, text_of(100)]
    assert [ids.tolist() for ids in tokenizer.encode(texts)] == reference_ids(tokenizer, texts)
    encoder = tokenizer.encoder
    assert (encoder.name, encoder.why) == (Native.name, "")
    assert encoder.compared > 0
    # Of another object for the same file it is the same.
    again = Tokenizer(tokenizers.Tokenizer.from_str(tokenizer.data.decode()), tokenizer.data, 0)
    assert again.encoder is encoder
    assert tokenizer.encode(texts[2]) == reference_ids(tokenizer, texts)[2]


def test_runs_are_bounded_and_name_where_texts_end(tokenizer: Tokenizer) -> None:
    texts = [text_of(5000), "", text_of(6_000_000), "end"]
    runs = list(tokenizer.encode_flat(texts))
    assert len(runs) > 3
    assert max(len(run.ids) for run in runs) < 2_000_000
    bases = np.cumsum([0, *(len(run.ids) for run in runs)])
    ends = np.concatenate([run.ends + base for run, base in zip(runs, bases, strict=False)])
    assert np.diff(ends, prepend=0).tolist() == [len(ids) for ids in tokenizer.encode(texts)]


def test_text_is_never_control_for_it() -> None:
    """Special tokens are spelled out; an added one that is not special is text as its makers mean it."""
    model = tokenizers.Tokenizer.from_str(Tokenizer.train([text_of(9000)], 500).data.decode())
    blanks = model.get_vocab_size()
    model.add_tokens([AddedToken("    ", special=False)])
    model.encode_special_tokens = True
    found = Fast(json.loads(model.to_str()), blanks + 1).encode([f"a{END_OF_TEXT}b", "if x:\n        y"])
    assert all(number >= 128 for number in found.of(0))
    assert found.of(1).tolist() == model.encode("if x:\n        y", add_special_tokens=False).ids
    assert found.of(1).tolist().count(blanks) == 2


def test_lots_are_not_drawn_by_it() -> None:
    trained = json.loads(Tokenizer.train([text_of(9000)], 500).data)
    without = Fast(trained, 500).encode([text_of(5000)])
    trained["model"]["dropout"] = 0.5
    assert np.array_equal(Fast(trained, 500).encode([text_of(5000)]).ids, without.ids)


def test_what_it_cannot_do_is_left_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pattern of one's own is for fastokens, and where that is not installed for the reference."""
    tokenizer = Tokenizer.train([text_of(9000)], 500, pattern=r"\w+|\W")
    texts = [text_of(9000), "x"]
    for name, why in (("fastokens 0.3.5", ""), (Reference.name, "fastokens is not installed")):
        encoder = Encoder(tokenizer._model, tokenizer._document, tokenizer.vocab_size)
        assert encoder.encode(texts).of(0).tolist() == reference_ids(tokenizer, texts)[0]
        assert (encoder.name, encoder.why) == (name, why)
        assert encoder.encode(texts).of(1).tolist() == reference_ids(tokenizer, texts)[1]
        monkeypatch.setitem(sys.modules, "fastokens", None)


def test_what_it_cannot_do_is_left_to_the_reference() -> None:
    model = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0, "mill": 1}, unk_token="[UNK]"))
    model.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    encoder = Encoder(model, json.loads(model.to_str()), 2)
    assert encoder.encode(["the mill"] * 2000).of(1999).tolist() == [0, 1]
    assert encoder.name == Reference.name
    assert encoder.why.startswith("fastokens cannot do this tokenizer: ")


def test_long_tokens_take_no_time() -> None:
    """Of a token of 40,000 characters; fastokens would read it for minutes."""
    tokenizer = Tokenizer.train(["the mill " + "\u6f22" * 40_000] * 3, 500)
    started = time.process_time()
    texts = [text_of(9000), "\u6f22" * 5000]
    assert [ids.tolist() for ids in tokenizer.encode(texts)] == reference_ids(tokenizer, texts)
    list(tokenizer.encode([text_of(9000)] * 3))
    assert tokenizer.encoder.name == Native.name
    with pytest.raises(ValueError, match="a token of "):
        Fast(tokenizer._document, tokenizer.vocab_size)
    assert time.process_time() - started < 20


def changed(tokenizer: Tokenizer, change: Callable[[dict[str, Any]], None]) -> tuple[Native, Any]:
    """The engine and the reference of a tokenizer.json that was changed."""
    document = json.loads(tokenizer.data)
    change(document)
    return Native(document), tokenizers.Tokenizer.from_str(json.dumps(document))


def same_ids(native: Native, model: Any, texts: Sequence[str]) -> None:
    model.encode_special_tokens = True
    expected = [model.encode(text, add_special_tokens=False).ids for text in texts]
    for found in (native.encode(texts), native.encode(texts), native.encode_column(pa.array(texts))):
        assert [found.of(i).tolist() for i in range(len(texts))] == expected


def test_a_pretoken_that_is_a_token_needs_no_merges() -> None:
    """Llama 3's own file says so: some of its tokens no merges lead to."""

    def change(document: dict[str, Any]) -> None:
        document["model"]["ignore_merges"] = True
        document["model"]["vocab"] |= {"\u0120xyzzy": 500, "\u0120the\u0120x": 501, "\u6c34": 502}

    native, model = changed(Tokenizer.train([text_of(9000)], 500), change)
    texts = ["a xyzzy the x\u6c34 xyzzyx", text_of(3000)]
    same_ids(native, model, texts)
    assert 500 in native.encode(texts).ids
    assert 501 not in native.encode(texts).ids


def test_ids_may_be_any_and_merges_in_any_form() -> None:
    def change(document: dict[str, Any]) -> None:
        model = document["model"]
        model["vocab"] = {token: 7 * number + 100_000 for token, number in model["vocab"].items()}
        document["added_tokens"] = []
        model["merges"] = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]

    same_ids(*changed(Tokenizer.train([text_of(9000)], 700), change), [text_of(5000)])


def test_a_line_like_the_head_of_a_file_of_merges_is_none() -> None:
    """Of merges as lines; as pairs it is one, and so the one text has two encodings."""
    word = "#versions"
    chain = [f"{word[:end]} {word[end]}" for end in range(1, len(word))]
    for lines, tokens in ((True, ["#version", "s"]), (False, [word])):

        def change(document: dict[str, Any], lines: bool = lines) -> None:
            small(chain)(document)
            if not lines:
                document["model"]["merges"] = [merge.split(" ") for merge in chain]

        native, model = changed(Tokenizer.train([text_of(9000)], 500), change)
        same_ids(native, model, [word, f"a {word}"])
        assert model.encode(word).tokens == tokens


def small(merges: Sequence[str], ids: Mapping[str, int] | None = None) -> Callable[[dict[str, Any]], None]:
    """A model of these merges alone."""

    def change(document: dict[str, Any]) -> None:
        model = document["model"]
        made = dict.fromkeys(merge.replace(" ", "") for merge in merges)
        single = {token: number for token, number in model["vocab"].items() if len(token) == 1}
        model["vocab"] = single | {token: 1000 + n for n, token in enumerate(made)} | dict(ids or {})
        model["merges"], document["added_tokens"] = list(merges), []

    return change


@pytest.mark.parametrize(
    ("merges", "text"),
    [
        (["a b", "b c", "a b"], "abc"),  # Of a merge that comes twice the later rank counts.
        (["b c", "a b", "b c"], "abc" * 40),
        (["b c", "a b", "bc d", "a bc"], "abcd" * 20),  # A pair that waits may be gone by its turn.
        (["b c", "a b", "bc d", "a bc"], "abcd"),
        (["a a", "aa a", "aa aa"], "a" * 71),
    ],
)
def test_ranks_decide_whatever_came_first(merges: list[str], text: str) -> None:
    same_ids(*changed(Tokenizer.train([text_of(9000)], 500), small(merges)), [text])


def test_two_tokens_of_one_id_it_refuses() -> None:
    merges = small(["b c", "a b", "bc d", "a bc"], {"bc": 1301, "ab": 1300, "bcd": 1302, "abc": 1300})
    with pytest.raises(ValueError, match="not one for each token"):
        changed(Tokenizer.train([text_of(9000)], 500), merges)


@pytest.mark.parametrize("name", ["dropout", "continuing_subword_prefix", "byte_fallback", "many ids"])
def test_other_models_it_refuses(name: str) -> None:
    def change(document: dict[str, Any]) -> None:
        if name == "many ids":
            document["model"]["vocab"]["a"] = 2**24
        else:
            document["model"][name] = {"dropout": 0.1, "byte_fallback": True}.get(name, "##")

    with pytest.raises(ValueError, match=r"byte-pair encoding of bytes|no whole numbers below 2\*\*24"):
        changed(Tokenizer.train([text_of(9000)], 500), change)


def test_what_is_no_text_it_refuses(tokenizer: Tokenizer) -> None:
    native = Native(tokenizer._document)
    with pytest.raises(TypeError):
        native.encode(["fine", 3])  # type: ignore[list-item]
    with pytest.raises(UnicodeEncodeError):
        native.encode(["fine", "a\ud800"])
    assert [len(part) for part in native.encode([])] == [0, 0]
    assert native.encode(["", ""]).ends.tolist() == [0, 0]


def test_threads_encode_at_once(tokenizer: Tokenizer) -> None:
    native = Native(tokenizer._document)
    texts = [text_of(20_000 + n) for n in range(8)]
    expected = native.encode(texts).ids.tolist()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: native.encode(texts).ids.tolist(), range(12)))
    assert all(ids == expected for ids in found)


def test_long_pretokens_have_the_ids_of_the_reference(tokenizer: Tokenizer) -> None:
    """Around the sizes at which another way of merging begins, and far beyond."""
    words = ("the", "\u6f22\u5b57\u0928", "aab")
    texts = [(word * 70)[:size] for word in words for size in (*range(14, 18), *range(60, 70), 200)]
    texts.append("the" * 30_000)
    found = Native(tokenizer._document).encode(texts)
    assert [found.of(i).tolist() for i in range(len(texts))] == reference_ids(tokenizer, texts)


class Wrong(Native):
    """Wrong about every text that holds a mark, from some call on."""

    calls = 0
    right_for = 0

    def encode_column(self, texts: pa.Array) -> Flat:
        return self.encode(texts.to_pylist())

    def encode(self, texts: Sequence[str]) -> Flat:
        found = super().encode(texts)
        type(self).calls += 1
        if type(self).calls <= self.right_for or not any("\u00a7" in text for text in texts):
            return found
        return Flat((found.ids + 1) % 400, found.ends)


@pytest.fixture
def wrong(monkeypatch: pytest.MonkeyPatch) -> type[Wrong]:
    monkeypatch.setattr(encoding, "Native", Wrong)
    monkeypatch.setattr(encoding, "COMPARED_EVERY", 3)
    Wrong.calls, Wrong.right_for = 0, 0
    return Wrong


def test_one_that_differs_is_not_used(tokenizer: Tokenizer, wrong: type[Wrong]) -> None:
    encoder = Encoder(tokenizer._model, tokenizer._document, tokenizer.vocab_size)
    texts = [f"\u00a7 {text_of(9000)}"]
    encoder.encode(texts)
    assert encoder.why.startswith(f'{Native.name} encodes "\u00a7 the0 mill563')
    assert encoder.why.endswith("otherwise than tokenizers 0.23.3")
    assert encoder.encode(texts).ids.tolist() == reference_ids(tokenizer, texts)[0]


def test_one_that_differs_later_is_an_error_and_then_the_reference(
    tokenizer: Tokenizer, wrong: type[Wrong]
) -> None:
    encoder = Encoder(tokenizer._model, tokenizer._document, tokenizer.vocab_size)
    encoder.encode([text_of(9000)])
    assert encoder.name == Native.name
    with pytest.raises(EncodingError, match="otherwise than tokenizers") as caught:
        encoder.encode(["one", "two", "\u00a7 one"])
    assert "Call again: tokenizers 0.23.3 encodes from now on" in caught.value.remedy
    assert encoder.encode(["\u00a7 one"]).ids.tolist() == reference_ids(tokenizer, ["\u00a7 one"])[0]


def test_of_long_pieces_a_part_is_compared(
    tokenizer: Tokenizer, wrong: type[Wrong], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = Encoder(tokenizer._model, tokenizer._document, tokenizer.vocab_size)
    encoder.encode([text_of(9000)])
    seen = list[int]()
    encode = Reference.encode

    def seeing(self: Reference, texts: Sequence[str]) -> Flat:
        seen.extend(map(len, texts))
        return encode(self, texts)

    monkeypatch.setattr(Reference, "encode", seeing)
    encoder.encode([text_of(9000)] * 3)
    [length] = seen
    assert 2**11 <= length < 2**11 + 100
    with pytest.raises(EncodingError, match="otherwise than tokenizers"):
        encoder.encode([f"\u00a7 {text_of(9000)}"] * 3)


class WrongAtTheEnd(Native):
    """Gives another last id of each text of a column."""

    def encode_column(self, texts: pa.Array) -> Flat:
        found = super().encode_column(texts)
        ids = found.ids.copy()
        ids[found.ends - 1] += 1
        return Flat(ids, found.ends)


def test_parts_of_long_texts_are_compared_up_to_their_ends(
    tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text is as many pieces as it would be cut into."""
    monkeypatch.setattr(encoding, "Native", WrongAtTheEnd)
    monkeypatch.setattr(encoding, "COMPARED_EVERY", 4)
    encoder = Encoder(tokenizer._model, tokenizer._document, tokenizer.vocab_size)
    encoder.encode([text_of(9000)])
    column = pa.array([text_of(60_000)])
    compared = encoder.compared

    def encode(times: int) -> None:
        for _ in range(times):
            encoder.encode(column)

    with pytest.raises(EncodingError, match="otherwise than tokenizers"):
        encode(500)
    assert encoder.compared - compared > 3


def test_an_interrupted_judgement_is_made_again(
    tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = Encoder(tokenizer._model, tokenizer._document, tokenizer.vocab_size)
    judge = Encoder._wrong

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Encoder, "_wrong", interrupted)
    with pytest.raises(KeyboardInterrupt):
        encoder.encode([text_of(9000)])
    monkeypatch.setattr(Encoder, "_wrong", judge)
    assert encoder.encode(["abc"]).ids.tolist() == reference_ids(tokenizer, ["abc"])[0]
    assert (encoder.name, encoder.compared) == (Native.name, 1)


def test_a_column_with_nulls_is_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(SettingError, match="of 3 texts 1 are null"):
        list(tokenizer.encode_column(pa.array(["a", None, "b"])))


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
)
def test_columns_of_all_kinds_of_strings(tokenizer: Tokenizer, kind: pa.DataType) -> None:
    texts = ["the mill", "", "stands alone", "\u6c34", "the mill", "ring"]
    column = pa.array(texts, pa.string()).cast(kind)
    expected = [number for ids in reference_ids(tokenizer, texts) for number in ids]
    for given_ in (column, column[1:], pa.chunked_array([column[:2], column[2:]])):
        ids = [number for run in tokenizer.encode_column(given_) for number in run.ids.tolist()]
        assert ids == expected[-len(ids) :]


@pytest.mark.parametrize("name", [Native.name, Reference.name])
def test_a_column_of_no_text_is_refused_by_each_engine(name: str) -> None:
    """And is no word against the engine."""
    tokenizer = Tokenizer.train([text_of(9000)], 500)
    list(tokenizer.encode([text_of(9000)] * 90))
    if name == Reference.name:
        tokenizer.encoder.use_reference("for a test")
    assert tokenizer.encoder.name == name
    offsets, data = np.array([0, 2, 5], np.int64), b"ab\xed\xa0\x80"
    half = pa.LargeStringArray.from_buffers(2, pa.py_buffer(offsets), pa.py_buffer(data))
    with pytest.raises(SettingError, match="texts are no text: Invalid UTF8 sequence at string index 1"):
        list(tokenizer.encode_column(half))
    with pytest.raises(SettingError, match="texts are binary, no strings"):
        list(tokenizer.encode_column(pa.array([b"ab"])))
    assert tokenizer.encoder.name == name


def test_an_id_out_of_the_vocabulary_is_an_error(tokenizer: Tokenizer) -> None:
    narrow = Fast(tokenizer._document, 200)
    with pytest.raises(ValueError, match="gave the id"):
        narrow.encode([text_of(900)])


def corpus(folder: Path, texts: Sequence[str]) -> list[Any]:
    folder.mkdir()
    for number, text in enumerate(texts):
        (folder / f"{number}.txt").write_text(text, encoding="utf-8")
    trained = TrainTokenizer(vocab_size=600)
    return [Files(path=str(folder), label="x"), trained, WriteShards(split={"validation": 0})]


def tokens_of(run: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted((run / "shards").iterdir()))


def logged(run: Path) -> list[dict[str, Any]]:
    lines = (run / "logs" / "build.jsonl").read_text().splitlines()
    return [line for line in map(json.loads, lines) if "encoder" in line]


def test_a_part_that_was_encoded_otherwise_is_encoded_again(
    tmp_path: Path, wrong: type[Wrong], monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [text_of(9000), *(f"\u00a7 {text_of(200 + n)}" for n in range(40))]
    steps = corpus(tmp_path / "in", texts)
    wrong.right_for = 2  # Its trial.
    result = build_corpus(steps, tmp_path / "caught")
    [told] = [w for w in result.warnings if w.startswith("encode: ")]
    assert told.endswith("otherwise than tokenizers 0.23.3: texts are encoded by tokenizers 0.23.3")
    assert [line["encoder"] for line in logged(tmp_path / "caught")] == ["tokenizers 0.23.3"]
    monkeypatch.setattr(encoding, "_ENCODERS", type(encoding._ENCODERS)())
    monkeypatch.setattr(encoding, "Native", Native)
    fine = build_corpus(steps, tmp_path / "fine")
    assert [w for w in fine.warnings if w.startswith("encode: ")] == []
    [line] = logged(tmp_path / "fine")
    assert line["encoder"] == Native.name
    assert line["compared"] > 0
    # Which engine it was is told in the log alone: every output is the same.
    assert tokens_of(tmp_path / "caught") == tokens_of(tmp_path / "fine")
    manifests = [(tmp_path / run / "manifest" / "shards.json").read_text() for run in ("caught", "fine")]
    assert manifests[0] == manifests[1]


def test_half_characters_are_named(tokenizer: Tokenizer) -> None:
    list(tokenizer.encode([text_of(9000)]))
    with pytest.raises(SettingError, match=r"'a\\ud800' is no text in UTF-8"):
        list(tokenizer.encode(["fine", "a\ud800"]))


def test_it_has_one_thread(tmp_path: Path) -> None:
    Tokenizer.train([text_of(9000)], 500).save(tmp_path / "tokenizer.json")
    code = (
        "import os; from corpuskit import Tokenizer;"
        "count = lambda: len(os.listdir('/proc/self/task'));"
        f"t = Tokenizer.load({str(tmp_path)!r}); before = count();"
        "list(t.encode(['the mill ' * 20000] * 9)); print(t.encoder.name, count() - before)"
    )
    if not os.path.isdir("/proc/self/task"):
        pytest.skip("threads are counted by /proc")
    given_ = {**os.environ, "TOKENIZERS_PARALLELISM": "false", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=given_, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [*Native.name.split(), "0"]


@pytest.mark.parametrize(
    "make", [lambda n: "a" * n, lambda n: "xyzzy" * (n // 5), lambda n: "\u4e00" * (n // 3)]
)
def test_a_line_without_a_space_is_linear(make: Callable[[int], str]) -> None:
    tokenizer = Tokenizer.train([text_of(9000)], 500)
    list(tokenizer.encode([text_of(9000)]))

    def seconds(size: int) -> float:
        text = make(size)
        started = time.process_time()
        next(tokenizer.encode([text]))
        return time.process_time() - started

    seconds(200_000)
    small, large = (min(seconds(size) for _ in range(2)) for size in (500_000, 4_000_000))
    assert large < 8 * 4 * max(small, 0.005)


def test_groups_of_pieces_leave_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from corpuskit.build.write import encode

    steps = corpus(tmp_path / "in", [text_of(900 + n) for n in range(30)])
    build_corpus(steps, tmp_path / "one")
    flushed, flush = list[int](), Sink.flush

    def counting(self: Sink) -> None:
        flushed.append(self.rows)
        flush(self)

    monkeypatch.setattr(encode, "GROUP_TOKENS", 1)
    monkeypatch.setattr(Sink, "flush", counting)
    build_corpus(steps, tmp_path / "many")
    assert flushed
    assert tokens_of(tmp_path / "one") == tokens_of(tmp_path / "many")
