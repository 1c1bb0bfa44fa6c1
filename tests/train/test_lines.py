"""A text for each text: greedy, beam search and drawn, in order, whatever the batch."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from corpuskit.errors import InputError, SettingError
from corpuskit.train import LanguageModel
from corpuskit.train.data.pairs import prompt_ids
from corpuskit.train.data.tables.pairs import sources_of
from corpuskit.train.data.tables.row import Account
from corpuskit.train.generate.beam import beam_search
from corpuskit.train.generate.lines import Line, Manner, Writer, text_of
from corpuskit.train.generate.sampling import Sampling
from corpuskit.train.generate.search import write
from tests.tiny_models import END, Table, make_both, make_model, write_hub
from tests.train.tune.tuning import command, lines, refusal, tune

FLOOR: Table = {"floor": 1e-9}
TEXTS = [
    *("a", "a longer line with seven words in it", "b", "", "tiny", "a longer line with seven words in it"),
    *("Ää", "z" * 39),
]


def bigram(folder: Path, table: Mapping[str, Mapping[str, float]]) -> Path:
    return make_model(folder, "bigram", table={**FLOOR, **table}, roles=False)


def predict(model: Path, folder: Path, text: str, *words: Any) -> tuple[list[str], dict[str, Any]]:
    """The lines that are written for a file, and what --json says of it."""
    file = folder / "texts.txt"
    file.write_text(text)
    plain = command("predict", model, file, "--task", "seq2seq", *words)
    found = command("predict", model, file, "--task", "seq2seq", *words, "--json", "--quiet")
    assert plain.exit_code == found.exit_code == 0, plain.output + found.output
    lines = plain.stdout.split("\n")
    assert lines.pop() == "", "each line has its end"
    return lines, json.loads(found.stdout)


def kept(found: Mapping[str, Any]) -> list[tuple[str, float]]:
    return [(each["text"], each["log_probability"]) for each in found["predictions"][0]["kept"]]


def close(*pairs: tuple[str, float]) -> list[Any]:
    return [(text, pytest.approx(value, abs=1e-5)) for text, value in pairs]


# --------------------------------------------------------------------------------------------- what is found
ONE_BETTER = {
    "": {"a": 0.5, "b": 0.4, "c": 0.1},
    "a": {"c": 0.35, "d": 0.33, END: 0.32},
    "b": {"e": 0.9, END: 0.1},
    **{each: {END: 1} for each in "cde"},
}


def test_greedy_beam_finds_what_greedy_misses(tmp_path: Path) -> None:
    """Case greedy_beam: a width of 1 is greedy, and no two texts are alike."""
    model = bigram(tmp_path, ONE_BETTER)
    lines, found = predict(model, tmp_path, "7\n", "--max-new", 12)
    assert lines == ["ac"]
    assert found["predictions"][0]["log_probability"] == pytest.approx(-1.742970, abs=1e-5)
    expected = {1: [("ac", -1.742970)], 2: [("be", -1.021652), ("ac", -1.742970)]}
    expected[3] = [*expected[2], ("ad", -1.801809)]
    for beams, texts in expected.items():
        lines, found = predict(
            model, tmp_path, "7\n", "--max-new", 12, "--beams", beams, "--length-penalty", 0
        )
        assert kept(found) == close(*texts)
        assert lines == [texts[0][0]]


PENALTIES = {
    "": {"a": 0.6, "b": 0.4},
    "a": {END: 0.7, "c": 0.3},
    "b": {"d": 0.95, END: 0.05},
    "c": {END: 1},
    "d": {"e": 0.95, END: 0.05},
    "e": {END: 0.95, "d": 0.05},
}


def test_length_penalty_counts_the_end_and_no_source(tmp_path: Path) -> None:
    """Case length_penalty: more of it makes texts longer, and neither source nor neighbours count."""
    model = Writer(LanguageModel.load(bigram(tmp_path, PENALTIES)))
    expected = {
        -1.0: ("a", -1.735002),
        0.0: ("a", -0.867501),
        0.25: ("a", -0.729479),
        0.4: ("bde", -0.614652),
        1.0: ("bde", -0.267543),
    }
    for penalty, (text, score) in expected.items():
        manner = Manner(most=8, beams=2, length_penalty=penalty)
        for sources in (["7"], ["7", "7" * 60], ["7" * 8]):
            best = model.write(sources, manner)[0].kept[0]
            assert (best.text, best.score) == (text, pytest.approx(score, abs=1e-5)), penalty


@pytest.mark.parametrize("penalty", [-10.0, -7.0, -4.0])
@pytest.mark.parametrize("stop", ["first", "likely", "never"])
def test_a_penalty_far_below_0_finds_texts(tmp_path: Path, penalty: float, stop: Any) -> None:
    """Their scores are below what stands for beams that are not there."""
    model = Writer(LanguageModel.load(bigram(tmp_path, {"": {"a": 1}, "a": {"a": 0.999, END: 0.001}})))
    for beams in (1, 2, 4):
        [line] = model.write(["7"], Manner(most=60, beams=beams, length_penalty=penalty, stop=stop))
        assert set(line.text) <= {"a"}
        assert all(each.log_probability > -1e6 for each in line.kept)


EARLY_1 = {
    "": {"b": 0.65, "a": 0.35},
    "a": {END: 0.6, "c": 0.4},
    "b": {"d": 0.9, "e": 0.1},
    "c": {END: 1},
    "e": {END: 1},
    "d": {END: 0.5, "f": 0.45, "g": 0.05},
    "f": {"h": 0.98, END: 0.02},
    "h": {END: 0.98, "g": 0.02},
    "g": {END: 1},
}
EARLY_2 = {
    "": {"a": 0.4, "b": 0.35, "c": 0.25},
    "a": {END: 0.6, "d": 0.4},
    "b": {END: 0.55, "f": 0.45},
    "c": {END: 1},
    "d": {"g": 0.97, END: 0.03},
    "f": {END: 1},
    "g": {"h": 0.97, END: 0.03},
    "h": {END: 0.97, "g": 0.03},
}


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (EARLY_1, {"first": ("bd", -0.4098), "likely": ("bdfh", -0.2750), "never": ("bdfh", -0.2750)}),
        (EARLY_2, {"first": ("a", -0.7136), "likely": ("a", -0.7136), "never": ("adgh", -0.3848)}),
    ],
)
def test_early_stop_follows_the_rule_that_is_named(
    tmp_path: Path, table: Mapping[str, Mapping[str, float]], expected: Mapping[str, tuple[str, float]]
) -> None:
    """Case early_stop: the default is that of transformers."""
    model = bigram(tmp_path, table)
    for rule, (text, score) in expected.items():
        words = ["--beams", 2, "--length-penalty", 1, "--max-new", 10]
        lines, found = predict(model, tmp_path, "7\n", *words, "--stopping", rule)
        assert lines == [text]
        assert found["predictions"][0]["kept"][0]["score"] == pytest.approx(score, abs=1e-4)
        assert rule in found["manner"]
    assert predict(model, tmp_path, "7\n", *words)[0] == [expected["likely"][0]]


def test_end_missing_is_told_and_no_end_is_made(tmp_path: Path) -> None:
    """Case end_missing: at the limit what has no end stands beside the rest by the same score."""
    table = {"": {"a": 1}, "a": {"b": 0.98, END: 0.02}, "b": {"a": 0.98, END: 0.02}}
    model = bigram(tmp_path, table)
    words = ("--max-new", 6)
    lines, found = predict(model, tmp_path, "7\n", *words, "--beams", 2, "--length-penalty", 0)
    assert lines == ["ababab"]
    assert kept(found) == close(("ababab", -0.101015), ("a", -3.912024))
    assert [each["finish"] for each in found["predictions"][0]["kept"]] == ["length", "end"]
    lines, found = predict(model, tmp_path, "7\n", *words)
    [said] = found["predictions"]
    assert (said["text"], said["tokens"], said["finish"]) == ("ababab", 6, "length")
    assert said["log_probability"] == pytest.approx(-0.101015, abs=1e-5)
    assert found["cut_by_limit"] == 1
    told = command("predict", model, tmp_path / "texts.txt", "--task", "seq2seq", *words).stderr
    assert "1 text cut by the limit of 6 tokens" in told


def test_beam_utf8_parts_no_character(tmp_path: Path) -> None:
    """Case beam_utf8: beams part inside a character, and a limit cuts one."""
    table = {"": {"Ã": 0.7, "e": 0.3}, "Ã": {"©": 0.6, "¨": 0.4}, **{each: {END: 1} for each in "©¨e"}}
    model = bigram(tmp_path, table)
    words = ("--beams", 3, "--max-new", 8)
    lines, found = predict(model, tmp_path, "7\n", *words, "--length-penalty", 0)
    assert kept(found)[:3] == close(("é", -0.867501), ("e", -1.203973), ("è", -1.272966))
    assert lines == ["é"]
    for way in ((), ("--beams", 3)):
        lines, found = predict(model, tmp_path, "7\n", "--max-new", 1, *way)
        assert lines == [""], "half of a character is left off"
        assert found["predictions"][0]["finish"] == "length"


def test_beam_wide_is_refused_above_the_vocabulary(tmp_path: Path) -> None:
    """Case beam_wide: before any text is read; and of many beams no text stands twice."""
    model = bigram(tmp_path, {"": {"a": 0.7, "b": 0.3}, "a": {END: 1}, "b": {END: 1}})
    for beams in (258, 0, -1):
        said = refusal(command("predict", model, tmp_path / "not-there.txt", "--beams", beams))
        assert f"beams = {beams} does not lie between 1 and the 257 tokens of the vocabulary" in said
    words = ("--beams", 8, "--max-new", 4, "--length-penalty", 0)
    _, found = predict(model, tmp_path, "7\n", *words)
    texts = kept(found)
    assert texts[:2] == close(("a", -0.356675), ("b", -1.203973))
    assert all(value < -18 for _, value in texts[2:])
    assert len({text for text, _ in texts}) == len(texts)
    assert predict(model, tmp_path, "7\n", "--beams", 257, "--max-new", 2)[0] == ["a"]


# ------------------------------------------------------------------------------------------------ as lines
def test_predict_lines_are_as_many_as_there_are_texts(tmp_path: Path) -> None:
    """Case predict_lines: a break inside a text is one blank, which is told; --json has it as it is."""
    model = bigram(tmp_path, {"": {"o": 1}, "o": {"k": 1}, "k": {"\n": 1}})
    lines, found = predict(model, tmp_path, "8\n9\n\n7", "--max-new", 5)
    assert lines == ["ok ok", "ok ok", "", "ok ok"]
    assert [each["text"] for each in found["predictions"]] == ["ok\nok", "ok\nok", "", "ok\nok"]
    assert [each["finish"] for each in found["predictions"]] == ["length", "length", "empty", "length"]
    assert found["predictions"][0]["log_probability"] == pytest.approx(-0.000001, abs=1e-5)
    told = command("predict", model, tmp_path / "texts.txt", "--task", "seq2seq", "--max-new", 5).stderr
    assert "3 lines: a line break inside a text is written as one blank" in told


def test_predict_takes_a_data_set_by_its_words(tmp_path: Path) -> None:
    model = bigram(tmp_path, {"": {"x": 1}, "x": {END: 1}})
    file = tmp_path / "rows.jsonl"
    file.write_text('{"source": "one"}\n{"source": ""}\n')
    found = command("predict", model, f"{{path: {file}}}", "--task", "seq2seq")
    assert (found.exit_code, found.stdout) == (0, "x\n\n"), found.output


def test_rows_that_are_no_text_and_files_of_nothing_are_told(tmp_path: Path) -> None:
    """A row without a source is an empty line; one that is no text, and a file of nothing, an error."""
    model = bigram(tmp_path, {"": {"x": 1}, "x": {END: 1}})
    data = lines(tmp_path / "data.jsonl", [{"source": "a"}, {"source": None}, {"source": 7}, {"source": ""}])
    found = command("predict", model, data, "--task", "seq2seq")
    assert (found.exit_code, found.stdout) == (0, "x\n\nx\n\n")
    assert "1 row: the source is missing: its line is empty (data.jsonl row 2 (line 2))." in found.stderr
    for value, what in ((["a"], "a list"), ({"a": "b"}, "an object")):
        lines(data, [{"source": "a"}, {"source": value}])
        said = refusal(command("predict", model, data, "--task", "seq2seq"))
        assert f"data.jsonl row 2 (line 2): the source is no text but {what}" in said
    for name, content in (("none.txt", ""), ("none.jsonl", ""), ("none.csv", "source\n")):
        (tmp_path / name).write_text(content)
        said = refusal(command("predict", model, tmp_path / name, "--task", "seq2seq"))
        assert name in said
        assert "it is empty" in said or "no row" in said
    lines(data, [{"source": "a", "n": 1}, {"source": "b", "n": [1]}])
    with pytest.raises(InputError, match=r"row 2 .*: the feature 1 is no text but a list"):
        list(sources_of(str(data), source="source", features=("n",)))


@pytest.mark.parametrize(
    ("columns", "text", "expected"),
    [
        (("lemma",), "walk\n\ntalk, I\n", ["walk", "", "talk, I"]),  # Nothing of that name: lines.
        (("lemma",), "lemma\tform\nwalk\tx\n", ["walk"]),
        (("1",), "answer, he said\nwalk, she said\n", ["answer, he said", "walk, she said"]),
        (("1",), "walk\twalked\tV;PST\ntalk\ttalked\tV\n", ["walk", "talk"]),
        (("1", "3"), "walk\twalked\tV;PST\ntalk\ttalked\tV\n", ["walk\tV;PST", "talk\tV"]),
        (("1", "3"), "walk\tN;PL\ntalk\tV\n", ["walk\tN;PL", "talk\tV"]),  # As one types them.
        ((), "walk\tN;PL\n", ["walk\tN;PL"]),
    ],
)
def test_what_was_taught_by_columns_reads_lines_too(
    tmp_path: Path, columns: Sequence[str], text: str, expected: list[str]
) -> None:
    (tmp_path / "texts").write_text(text)
    source, features = next(iter(columns), None), tuple(columns[1:])
    found = sources_of(str(tmp_path / "texts"), source=source, features=features, taught=True)
    assert list(found) == expected


def test_lines_that_are_no_rows_of_a_table_are_told(tmp_path: Path) -> None:
    """Of a file whose name does not say that it is one: what is written has not as many lines."""
    (tmp_path / "texts").write_text("lemma\tform\nwalk\twalked\n\ntalk\ttalked\n\n")
    account = Account()
    found = sources_of(str(tmp_path / "texts"), source="lemma", taught=True, account=account)
    assert list(found) == ["walk", "talk"]
    head, blank = account.sentences()
    assert head.startswith("1 row: the first row is taken for the columns' names")
    assert blank.startswith("2 rows: a blank line is no row of a table, and nothing is written for it")
    assert "rows 3 and 5" in blank


def test_a_table_of_another_encoding_is_read_as_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "texts").write_bytes("gr\xfcn\tx\n\nrot\ty\n".encode("latin-1"))
    found = sources_of(str(tmp_path / "texts"), source="1", encoding="latin-1", account=Account())
    assert list(found) == ["gr\xfcn", "rot"]


def test_a_source_that_no_file_can_hold_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"source": "a"}\n{"source": "b\\ud800"}\n')
    with pytest.raises(InputError, match=r"row 2 \(line 2\): .* is no text in UTF-8"):
        list(sources_of(str(tmp_path / "rows.jsonl")))


def test_spaces_come_back_as_they_were_taught(tmp_path: Path) -> None:
    """Case spaces: no blank is cut off, and none before punctuation is cleaned up."""
    chain = {"": {" ": 1}, " ": {".": 1}, ".": {"n": 1}, "n": {"'": 1}, "'": {"t": 1}, "t": {END: 1}}
    model = bigram(tmp_path, chain)
    for way in ((), ("--beams", 2)):
        lines, found = predict(model, tmp_path, "7\n8\n", "--max-new", 20, *way)
        assert lines == [" .n't"] * 2
        assert [(each["text"], each["tokens"]) for each in found["predictions"]] == [(" .n't", 5)] * 2
        assert found["predictions"][0]["log_probability"] == pytest.approx(-0.000002, abs=1e-5)
    assert text_of(LanguageModel.load(model).tokenizer, list(b" .n't")) == " .n't"


def test_empty_side_and_line_breaks_of_what_is_predicted(tmp_path: Path) -> None:
    model = bigram(tmp_path, {"": {"x": 1}, "x": {END: 1}})
    file = tmp_path / "texts.txt"
    file.write_bytes("one\n\nthree\n   \nfi\u2028ve\x0bx\x85".encode())
    words = ("predict", model, file, "--task", "seq2seq")
    assert command(*words).stdout == "x\n\nx\n\nx\n"
    file.write_bytes("a\u2028b\r\nc\x0bd\r\ne\r\n".encode())
    assert command(*words).stdout == "x\n" * 3


# ------------------------------------------------------------------------------------- whatever the batch
WAYS = {
    "greedy": Manner(most=12),
    "beams": Manner(most=12, beams=4, length_penalty=1.0),
    "never": Manner(most=12, beams=3, length_penalty=0.5, stop="never"),
    "drawn": Manner(most=12, sampling=Sampling(), seed=3),
}


def said(lines: Sequence[Line]) -> list[Any]:
    return [(each.text, each.finish, pytest.approx(each.log_probability, abs=1e-4)) for each in lines]


@pytest.mark.parametrize("kind", ["decoder", "encoder-decoder"])
@pytest.mark.parametrize("way", WAYS)
def test_batch_order_changes_nothing(tmp_path: Path, kind: str, way: str) -> None:
    """Case batch_order: batches of any size, turned round, and each line alone."""
    folder = (
        make_both(tmp_path, seed=5)
        if kind != "decoder"
        else make_model(tmp_path, "random", seed=7, layers=2, roles=False)
    )
    writer, manner = Writer(LanguageModel.load(folder)), WAYS[way]
    expected = writer.write(TEXTS, manner, 3)
    assert len({line.text for line in expected}) > 3
    for batch in (1, 2, 8):
        found = [
            (each.text, each.finish, each.log_probability) for each in writer.write(TEXTS, manner, batch)
        ]
        assert found == said(expected)
    turned = writer.write(TEXTS[::-1], manner, 3)[::-1]
    assert [(each.text, each.finish, each.log_probability) for each in turned] == said(expected)
    alone = [writer.write([text], manner)[0] for text in TEXTS]
    assert [(each.text, each.finish, each.log_probability) for each in alone] == said(expected)
    assert (expected[3].text, expected[3].finish) == ("", "empty")
    assert expected[1].text == expected[5].text, "of one text and seed one is drawn, too"


def test_what_is_drawn_follows_from_the_seed(tmp_path: Path) -> None:
    writer = Writer(LanguageModel.load(make_model(tmp_path, "random", seed=7, layers=1, roles=False)))
    one, two = (writer.write(["a"], Manner(most=8, sampling=Sampling(), seed=seed))[0] for seed in (1, 2))
    assert one.text != two.text


# --------------------------------------------------------------------------- the probabilities of the model
@pytest.mark.parametrize("kind", ["decoder", "encoder-decoder"])
def test_beams_are_those_of_a_search_without_a_cache(tmp_path: Path, kind: str) -> None:
    """An independent search, which reads each text anew, over a few tokens: the rule is `never`."""
    folder = (
        make_both(tmp_path, seed=2)
        if kind != "decoder"
        else make_model(tmp_path, "random", seed=1, roles=False)
    )
    model, end = LanguageModel.load(folder).model, 256
    allowed = [*range(97, 102), end]
    forbidden = [token for token in range(257) if token not in allowed]
    source = [100, 101, 97]
    prompt = [end] if kind != "decoder" else [end, *source, end]

    def logs(ids: Sequence[int]) -> list[float]:
        memory = {} if kind == "decoder" else {"memory": model.encode(torch.tensor([source]))}
        with torch.no_grad():
            logits = model(torch.tensor([[*prompt, *ids]]), **memory)[0, -1, :257]
        found: list[float] = torch.log_softmax(logits.double(), 0).tolist()
        return found

    # All texts of up to four tokens: with as many beams as tokens and more, search is exhaustive enough.
    best: list[tuple[float, list[int], bool]] = []
    going: list[tuple[float, list[int]]] = [(0.0, [])]
    for length in range(1, 4):
        grown = []
        for total, ids in going:
            for token in allowed:
                value = total + logs(ids)[token]
                if token == end or length == 3:
                    best.append((value / length**0.7, ids if token == end else [*ids, token], token == end))
                else:
                    grown.append((value, [*ids, token]))
        going = grown
    best.sort(key=lambda each: -each[0])
    [found] = beam_search(
        model,
        [prompt],
        end=end,
        most=[3],
        beams=80,
        length_penalty=0.7,
        stop="never",
        sources=None if kind == "decoder" else [source],
        forbidden=forbidden,
    )
    assert [each.ids for each in found[:20]] == [ids for _, ids, _ in best[:20]]
    assert [each.score for each in found[:20]] == pytest.approx(
        [score for score, _, _ in best[:20]], abs=1e-4
    )
    assert [each.ended for each in found[:20]] == [ended for *_, ended in best[:20]]


@pytest.mark.parametrize(("tables", "family"), [(True, "llama"), (False, "llama"), (False, "qwen3")])
def test_sequences_are_those_of_transformers(tmp_path: Path, tables: bool, family: Any) -> None:
    """Greedy and beams with all rules and penalties, by generate on the same weights."""
    transformers = pytest.importorskip("transformers")
    options: dict[str, Any] = {"seed": 9, "layers": 2, "kv_heads": 2, "family": family, "roles": False}
    if tables:
        options = {"table": {**FLOOR, **EARLY_1}, "roles": False}
    write_hub(tmp_path / "hub", "bigram" if tables else "random", **options)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "hub", dtype=torch.float32).eval()
    from corpuskit.train.hub.importing import import_model

    ours = LanguageModel.load(import_model(tmp_path / "hub", tmp_path / "model").out).model
    end, rules = 256, {"first": True, "likely": False, "never": "never"}
    prompts = [[end, 55, end], [end, 97, 98, 99, end], [100]]
    common = {"max_new_tokens": 9, "do_sample": False, "pad_token_id": end, "eos_token_id": end}
    for prompt in prompts:
        ids = torch.tensor([prompt])
        asked = {"attention_mask": torch.ones_like(ids), **common}
        [greedy] = write(ours, [prompt], end=end, most=[9])
        expected = theirs.generate(ids, **asked)[0, len(prompt) :].tolist()
        assert [*greedy.ids, *[end] * greedy.ended] == expected
        for rule, early in rules.items():
            for penalty in (-0.5, 0.0, 1.0, 2.0):
                how = {"num_beams": 3, "length_penalty": penalty, "early_stopping": early}
                found = theirs.generate(
                    ids,
                    **asked,
                    **how,
                    num_return_sequences=3,
                    return_dict_in_generate=True,
                    output_scores=True,
                )
                [mine] = beam_search(
                    ours,
                    [prompt],
                    end=end,
                    most=[9],
                    beams=3,
                    length_penalty=penalty,
                    stop=rule,  # type: ignore[arg-type]
                )
                their_ids = [row[len(prompt) :].tolist() for row in found.sequences]
                for one, two, score in zip(mine, their_ids, found.sequences_scores.tolist(), strict=False):
                    whole = [*one.ids, *[end] * one.ended]
                    assert whole + [end] * (len(two) - len(whole)) == two, (prompt, rule, penalty)
                    assert one.score == pytest.approx(score, abs=1e-4)


# ------------------------------------------------------------------------------------------- what is refused
def test_wrong_kind_an_encoder_writes_no_text(tmp_path: Path) -> None:
    """Case wrong_kind: before data are read, with the kind and which kind can do it."""
    from dataclasses import replace

    from corpuskit.train.model.transformer import Transformer

    model = LanguageModel.load(make_both(tmp_path))
    shape = replace(model.model.settings, kind="encoder")
    with pytest.raises(SettingError, match=r"encoder: it reads texts and writes none\n.*decoder"):
        Writer(LanguageModel(Transformer(shape), model.tokenizer, model.end_of_text))


def test_a_long_source_leaves_a_decoder_room_for_an_answer(tmp_path: Path) -> None:
    """As much as the longest target that was taught; what the room ended is told apart from the limit."""
    begun = make_model(
        tmp_path, "bigram", table={**FLOOR, "": {"x": 1}, "x": {"x": 1}}, roles=False, context=64
    )
    rows = [{"source": "s" * 50, "target": "ab"}, {"source": "7", "target": "a" * 20}]
    data = lines(tmp_path / "data.jsonl", rows)
    run = tune(begun, data, tmp_path / "out", "seq2seq", steps=1, learning_rate=1e-9, batch_rows=2)
    (tmp_path / "long.txt").write_text("s" * 100 + "\n7\n")
    words = ("predict", run.out, tmp_path / "long.txt")
    found = command(*words, "--json")
    long, short = json.loads(found.stdout)["predictions"]
    # Of 64 tokens 2 stand before source and target, and 20 are kept for the target.
    assert (long["source_tokens_not_read"], long["tokens"], long["finish"]) == (58, 21, "context")
    assert (short["tokens"], short["finish"]) == (26, "length"), "the longest with its end, and a quarter"
    assert "1 text cut by the limit of 26 tokens." in found.stderr
    assert "1 text cut: the context of 64 tokens has no room for more." in found.stderr
    found = json.loads(command(*words, "--json", "--max-new", 5, "--beams", 2).stdout)
    assert [each["finish"] for each in found["predictions"]] == ["length", "length"]
    assert found["predictions"][0]["source_tokens_not_read"] == 42
    old = Writer(LanguageModel.load(run.out))
    old.tuned = {name: value for name, value in old.tuned.items() if name != "max_new"}
    assert old.most(Manner()) == 26, "as from a folder that says the longest alone"


def test_options_that_exclude_each_other_are_refused(tmp_path: Path) -> None:
    model = bigram(tmp_path, {"": {"a": 1}, "a": {END: 1}})
    words = ("predict", model, "x", "--task", "seq2seq")
    assert "no --beams are given" in refusal(command(*words, "--length-penalty", 1))
    assert "exclude each other" in refusal(command(*words, "--beams", 2, "--seed", 1))
    for penalty in ("nan", "inf", "1000"):
        asked = ("--beams", 2, "--length-penalty", penalty)
        assert "does not lie between -10 and 10" in refusal(command(*words, *asked))
    assert "is not in [0, inf)" in refusal(command(*words, "--temperature", -1))
    with pytest.raises(SettingError, match="'soon' is not 'first' or 'likely' or 'never'"):
        Manner(stop="soon")  # type: ignore[arg-type]
    assert math.isfinite(Writer(LanguageModel.load(model)).write(["x"])[0].log_probability)


def test_sequences_are_those_of_transformers_on_what_was_exported(tmp_path: Path) -> None:
    """A decoder that was taught pairs, exported: greedy and beams by generate."""
    transformers = pytest.importorskip("transformers")
    from corpuskit.train.hub.export import export_model

    begun = make_model(tmp_path, "random", seed=3, layers=2, kv_heads=2)
    data = lines(tmp_path / "data.jsonl", [{"source": c, "target": c * 3 + "."} for c in "abcdef"])
    run = tune(begun, data, tmp_path / "out", "seq2seq", steps=15, learning_rate=3e-3, batch_rows=6)
    export_model(run.out, tmp_path / "export")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "export").eval()
    writer = Writer(LanguageModel.load(run.out))
    tokenizer, end = writer.model.tokenizer, writer.model.end_of_text
    for source in ("a", "d", "xyz"):
        ids = torch.tensor([prompt_ids(tokenizer.encode(source), end)])
        asked = {"attention_mask": torch.ones_like(ids), "max_new_tokens": 8, "do_sample": False}
        asked |= {"pad_token_id": end, "eos_token_id": end}
        for beams in (1, 4):
            found = theirs.generate(ids, **asked, num_beams=beams)[0, ids.shape[1] :].tolist()
            text = text_of(tokenizer, [token for token in found if token != end])
            manner = Manner(most=8, beams=beams) if beams > 1 else Manner(most=8)
            assert writer.write([source], manner)[0].text == text
