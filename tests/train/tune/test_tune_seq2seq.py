"""Texts that are written for texts: what is read and asked, what pairs cost, what is left out and told."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from corpuskit.errors import EmptyError, InputError, SettingError, TrainError
from corpuskit.train import LanguageModel
from corpuskit.train.data.pairs import Pair, pair_batch
from corpuskit.train.data.rows import ExampleOrder, LengthOrder
from corpuskit.train.data.tables.pairs import lines_of, open_pairs, sources_of
from corpuskit.train.data.tables.row import Account
from corpuskit.train.finetune import PURPOSES
from corpuskit.train.model.loss import IGNORED, TokenLosses
from corpuskit.train.model.smoothing import smoothed_cross_entropy
from corpuskit.train.model.transformer import Transformer
from corpuskit.train.tasks.seq2seq import target_nats
from tests.tiny_models import make_both, make_model, token_names, unigram_nats
from tests.train.tune.test_tune_laws import SOURCES
from tests.train.tune.tuning import checkpoint, command, lines, refusal, tune

NATS = unigram_nats(token_names(roles=False))
END = "<|endoftext|>"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A decoder of bytes and the end of a text alone, to which a token costs the same wherever it stands."""
    return make_model(tmp_path_factory.mktemp("plain"), roles=False)


def cost(*targets: str) -> float:
    """Nats a token of targets, each with its end."""
    each = [[NATS[chr(byte)] for byte in target.encode()] + [NATS[END]] for target in targets]
    return sum(map(sum, each)) / sum(map(len, each))


# ------------------------------------------------------------------------------------------ what is read
def test_shift_the_decoder_reads_the_target_one_token_late() -> None:
    """Case shift: begin, shift by one, the end is asked for, and what fills rows up is not."""
    targets = [[11, 12, 13], [14], [22, 15]]
    batch = pair_batch([Pair([7], each) for each in targets], 900, 901, both=True, fill=902, multiple=1)
    assert batch["ids"].tolist() == [[900, 11, 12, 13], [900, 14, 902, 902], [900, 22, 15, 902]]
    no = IGNORED
    assert batch["targets"].tolist() == [[11, 12, 13, 901], [14, 901, no, no], [22, 15, 901, no]]
    assert int((batch["targets"] != IGNORED).sum()) == 9


@pytest.mark.parametrize("kind", ["decoder", "encoder-decoder"])
def test_shift_what_fills_rows_up_changes_nothing(random_model: Path, both: Path, kind: str) -> None:
    model = LanguageModel.load(random_model if kind == "decoder" else both).model
    pairs = [Pair([5, 6, 7], [1, 2, 3, 4]), Pair([8], [9]), Pair([1, 2], [3, 3])]
    found = [
        target_nats(model, pair_batch(pairs, 256, both=kind != "decoder", fill=fill)) for fill in (0, 77)
    ]
    alone = [target_nats(model, pair_batch([pair], 256, both=kind != "decoder")) for pair in pairs]
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=1e-5)
    torch.testing.assert_close(found[0], torch.cat(alone), rtol=0, atol=1e-5)


def test_a_decoder_is_asked_for_the_target_alone(plain: Path) -> None:
    batch = pair_batch([Pair([5, 6], [7, 8])], 256, both=False, multiple=1)
    assert batch["ids"].tolist() == [[256, 5, 6, 256, 7, 8]]
    assert batch["positions"].tolist() == [[3, 4, 5]]
    assert batch["targets"].tolist() == [[7, 8, 256]]


# ------------------------------------------------------------------------------------------ what pairs cost
PAD_LOSS = [("seven geese", "ab"), ("x", "the quick grey heron waits"), ("a b c d e f", "Z"), ("no", "9!")]


def test_pad_loss_is_a_mean_over_all_targets(plain: Path, both: Path, tmp_path: Path) -> None:
    """Case pad_loss: neither padding nor source counts, however the batch is divided."""
    rows = [{"source": source, "target": target} for source, target in PAD_LOSS]
    data = lines(tmp_path / "data.jsonl", rows)
    expected = cost(*(target for _, target in PAD_LOSS))
    assert expected == pytest.approx(4.091460, abs=1e-5)
    for micro in (4, 2, 1):
        how = {"batch_rows": 4, "micro_batch_rows": micro}
        run = tune(plain, data, tmp_path / f"out-{micro}", "seq2seq", steps=1, **how)
        assert run.losses == [pytest.approx(expected, abs=1e-4)]
    found = [
        tune(both, data, tmp_path / f"both-{micro}", "seq2seq", steps=1, batch_rows=4, micro_batch_rows=micro)
        for micro in (4, 1)
    ]
    assert found[0].losses == pytest.approx(found[1].losses, abs=1e-4)
    shares = [each.told.split("batches by length: ")[1].split("%")[0] for each in found]
    assert float(shares[1]) < float(shares[0]), "one row at a time is filled up to its own length"


def test_smoothing_spreads_over_the_vocabulary(plain: Path, tmp_path: Path) -> None:
    """Case smoothing: torch's formula; the plain loss stands beside it, and is what is measured."""
    data = lines(tmp_path / "data.jsonl", [{"source": "a", "target": "cab"}, {"source": "b", "target": "A"}])
    held = lines(tmp_path / "held.jsonl", [{"source": "c", "target": "cab"}])
    how = {"steps": 1, "batch_rows": 4, "validation": str(held), "learning_rate": 1e-9}
    run = tune(plain, data, tmp_path / "out", "seq2seq", label_smoothing=0.1, **how)
    assert run.losses == [pytest.approx(4.230051, abs=1e-4)]
    [step] = [each for each in run.events if each["event"] == "step"]
    assert step["plain_loss"] == pytest.approx(cost("cab", "A"), abs=1e-4)
    assert step["plain_loss"] == pytest.approx(4.038648, abs=1e-4)
    assert run.result.validation_loss == pytest.approx(cost("cab"), abs=1e-4)
    without = tune(plain, data, tmp_path / "without", "seq2seq", **how)
    assert "plain_loss" not in without.events[1]


@pytest.mark.parametrize("softcap", [0.0, 3.0])
def test_the_smoothed_loss_and_its_gradient_are_those_of_torch(softcap: float) -> None:
    chance = torch.Generator().manual_seed(0)
    states, weight = (torch.randn(n, 8, generator=chance, requires_grad=True) for n in (7, 11))
    targets = torch.tensor([3, IGNORED, 0, 10, 5, IGNORED, 2])
    losses = TokenLosses(softcap)
    total, plain = smoothed_cross_entropy(states, weight, targets, 0.2, losses)
    found = torch.autograd.grad(total, [states, weight])
    logits = losses.capped(states @ weight.T)
    expected = torch.nn.functional.cross_entropy(
        logits, targets, ignore_index=IGNORED, reduction="sum", label_smoothing=0.2
    )
    torch.testing.assert_close(total, expected)
    torch.testing.assert_close(found, torch.autograd.grad(expected, [states, weight]))
    unsmoothed = torch.nn.functional.cross_entropy(
        losses.capped(states @ weight.T), targets, ignore_index=IGNORED, reduction="sum"
    )
    torch.testing.assert_close(plain, unsmoothed.detach())


# ------------------------------------------------------------------------------------- what is left out
def test_empty_side_is_left_out_and_named(plain: Path, tmp_path: Path) -> None:
    """Case empty_side: blank counts as empty."""
    sides = [("one", "un"), ("", "deux"), ("three", ""), ("   ", "quatre"), ("five", "cinq")]
    data = lines(tmp_path / "train.jsonl", [{"source": s, "target": t} for s, t in sides])
    run = tune(plain, data, tmp_path / "out", "seq2seq", steps=1, batch_rows=8)
    assert run.losses == [pytest.approx(cost("un", "cinq"), abs=1e-4)]
    assert run.losses == [pytest.approx(3.923124, abs=1e-4)]
    assert "2 rows left out: the source is empty (train.jsonl rows 2 and 4)" in run.told
    assert "1 row left out: the target is empty (train.jsonl row 3 (line 3))" in run.told
    assert "2 pairs to learn from" in run.told
    nothing = lines(tmp_path / "nothing.jsonl", [{"source": "a", "target": " "}])
    with pytest.raises(EmptyError, match="no pair has a source and a target"):
        tune(plain, nothing, tmp_path / "none", "seq2seq", steps=1)
    assert not (tmp_path / "none").exists()


def test_empty_side_of_two_files_shifts_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one\n\nthree\n  \n")
    (tmp_path / "b").write_bytes(b"un\ndeux\n\nquatre\n")
    account = Account()
    found = list(open_pairs(str(tmp_path / "a"), str(tmp_path / "b")).rows(account))
    assert [(each.source, each.target, each.place.line) for each in found] == [("one", "un", 1)]
    assert [(reason, seen.count) for reason, seen in account.reasons.items()] == [
        ("the source is empty", 2),
        ("the target is empty", 1),
    ]


def test_line_breaks_are_lf_and_cr_lf_alone(plain: Path, tmp_path: Path) -> None:
    """Case line_breaks: what else Unicode takes for the end of a line stays in it."""
    source, target = tmp_path / "train.src", tmp_path / "train.tgt"
    source.write_bytes("a\u2028b\r\nc\x0bd\r\ne\r\n".encode())
    target.write_bytes("x\ny\x85z\nw".encode())
    assert list(lines_of(source)) == ["a\u2028b", "c\x0bd", "e"]
    assert list(lines_of(target)) == ["x", "y\x85z", "w"]
    run = tune(plain, source, tmp_path / "out", "seq2seq", steps=1, batch_rows=4, targets=str(target))
    assert run.losses == [pytest.approx(cost("x", "y\x85z", "w"), abs=1e-4)]
    assert run.losses == [pytest.approx(4.269697, abs=1e-4)]
    assert "3 lines of train.src and train.tgt" in run.told


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"\n\n", ["", ""]),
        (b"a", ["a"]),
        (b"a\rb\n\r\nc\r", ["a\rb", "", "c"]),
        (b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n", ["a", "\ufeffb"]),
    ],
)
def test_lines_of_files(tmp_path: Path, data: bytes, expected: list[str]) -> None:
    (tmp_path / "file").write_bytes(data)
    assert list(lines_of(tmp_path / "file")) == expected


def test_a_line_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"one\ntw\xff\n")
    with pytest.raises(InputError, match=r"file line 2: byte 3 \(0xFF\) is not UTF-8"):
        list(lines_of(tmp_path / "file"))
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(EmptyError, match="no line"):
        open_pairs(str(tmp_path / "empty"), str(tmp_path / "empty"))


@pytest.mark.parametrize("short", ["source", "target"])
def test_lines_unequal_are_refused_where_they_part(plain: Path, tmp_path: Path, short: str) -> None:
    """Case lines_unequal: before anything is written, and by name."""
    files = [tmp_path / "train.src", tmp_path / "train.tgt"]
    for path in files:
        count = 4 if path.suffix == {"source": ".src", "target": ".tgt"}[short] else 5
        path.write_text("".join(f"line {number}\n" for number in range(count)))
    said = refusal(
        command("finetune", plain, *files, "--task", "seq2seq", "--steps", 1, "--out", tmp_path / "out")
    )
    counts = ("4", "5") if short == "source" else ("5", "4")
    assert f"{files[0]} has {counts[0]} lines, {files[1]} {counts[1]}" in said
    assert "line 5 is the first without a partner" in said
    assert f"the {short} file ends after line 4" in said
    assert not (tmp_path / "out").exists()


def test_target_cut_is_told_and_teaches_no_end(tmp_path: Path) -> None:
    """Case target_cut: left out by default; cut where that is asked for."""
    short = make_model(tmp_path, roles=False, context=32)
    data = lines(
        tmp_path / "data.jsonl", [{"source": "a", "target": "b" * 60}, {"source": "c", "target": "dd"}]
    )
    run = tune(short, data, tmp_path / "left", "seq2seq", steps=1, batch_rows=4)
    assert run.losses == [pytest.approx(cost("dd"), abs=1e-4)]
    assert run.losses == [pytest.approx(3.807602, abs=1e-4)]
    assert "1 row left out: source, target and the two tokens before them must fit 32 tokens" in run.told
    assert "row 1 (line 1): a source of 1 and a target of 60 tokens" in run.told
    cut = tune(short, data, tmp_path / "cut", "seq2seq", steps=1, batch_rows=4, long_pairs="cut")
    # 32 - 2 positions for both sides, of which the source has one.
    expected = (29 * NATS["b"] + 2 * NATS["d"] + NATS[END]) / 32
    assert cut.losses == [pytest.approx(expected, abs=1e-4)]
    assert "1 row: the target is cut, and no end is taught of it" in cut.told
    only = lines(tmp_path / "only.jsonl", [{"source": "a", "target": "b" * 60}])
    with pytest.raises(SettingError, match="the longest pair takes 63"):
        tune(short, only, tmp_path / "none", "seq2seq", steps=1)


def test_a_source_that_is_cut_is_counted_apart(tmp_path: Path) -> None:
    both = make_both(tmp_path, context=8)
    data = lines(
        tmp_path / "data.jsonl",
        [
            {"source": "s" * 20, "target": "t" * 7},
            {"source": "s", "target": "t" * 8},
            {"source": "a", "target": "b"},
        ],
    )
    run = tune(both, data, tmp_path / "left", "seq2seq", steps=1)
    assert "2 rows left out: a source must fit 8 tokens, and a target with its end" in run.told
    cut = tune(both, data, tmp_path / "cut", "seq2seq", steps=1, long_pairs="cut")
    assert "1 row: the source is cut" in cut.told
    assert "1 row: the target is cut, and no end is taught" in cut.told
    assert "3 pairs to learn from" in cut.told


def test_features_are_read_behind_the_source(tmp_path: Path) -> None:
    data = tmp_path / "rows.tsv"
    data.write_text("Haus\tHäuser\tN;PL\ngehen\tging\tV;PST\n")
    pairs = open_pairs(str(data), source="1", target="2", features=("3",), header=False)
    found = list(pairs.rows(Account()))
    assert [(each.source, each.target, each.alone) for each in found] == [
        ("Haus\tN;PL", "Häuser", "Haus"),
        ("gehen\tV;PST", "ging", "gehen"),
    ]
    assert list(sources_of(str(data), source="1", features=("3",), header=False)) == [
        "Haus\tN;PL",
        "gehen\tV;PST",
    ]
    with pytest.raises(SettingError, match="no column '7'"):
        open_pairs(str(data), source="1", target="7", header=False)


def test_a_feature_that_is_no_text_leaves_its_pair_out(tmp_path: Path) -> None:
    """It was read as an empty one, without a word."""
    rows = [
        {"source": word, "target": word, "feats": each} for word, each in (("a", "N"), ("b", ["N", "PL"]))
    ]
    rows += [{"source": "c", "target": "c", "feats": None}, {"source": "d", "target": "d", "feats": 7}]
    data, account = lines(tmp_path / "rows.jsonl", rows), Account()
    found = open_pairs(str(data), features=("feats",))
    assert [each.source for each in found.rows(account)] == ["a\tN", "c\t", "d\t7"]
    assert account.sentences() == [
        "1 row left out: the feature 1 is no text but a list (rows.jsonl row 2 (line 2))"
    ]


@pytest.mark.parametrize("first", ["review\treviewed\tV;PST", "answer\tanswered\tV;PST", "form\tforms\tN;PL"])
def test_a_word_that_columns_are_called_by_is_a_word(tmp_path: Path, first: str) -> None:
    """Where columns are counted, for pairs and for sources alone."""
    data = tmp_path / "words.tsv"
    data.write_text(f"{first}\nwalk\twalked\tV;PST\n")
    word, form, features = first.split("\t")
    found = open_pairs(str(data), source="1", target="2", features=("3",))
    assert next((each.source, each.target) for each in found.rows(Account())) == (f"{word}\t{features}", form)
    taken = list(sources_of(str(data), source="1", features=("3",)))
    assert taken == [f"{word}\t{features}", "walk\tV;PST"]


def test_how_a_table_is_read_is_not_said_of_lines(tmp_path: Path) -> None:
    for name in ("one.txt", "two.txt"):
        (tmp_path / name).write_text("a\nb\n")
    for value in ({"encoding": "latin-1"}, {"header": True}, {"delimiter": "tab"}):
        with pytest.raises(SettingError, match=f"{next(iter(value))} = .* says how a table is read, and"):
            open_pairs(str(tmp_path / "one.txt"), str(tmp_path / "two.txt"), **value)  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="encoding = latin-1 says how a table is read"):
        list(sources_of(str(tmp_path / "one.txt"), encoding="latin-1"))
    (tmp_path / "one.txt").write_text("source\tn\na\t1\n")
    assert list(sources_of(str(tmp_path / "one.txt"), delimiter="tab", header=True)) == ["a"]


# -------------------------------------------------------------------------------------- order, and the best
def test_batches_by_length_hold_each_example_once() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, 1003)
    order = LengthOrder(ExampleOrder(1003, 4, 7), lengths)
    for epoch in range(2):
        steps = range(epoch * 251, (epoch + 1) * 251)
        batches = [order.batch_at(step) for step in steps]
        assert sorted(np.concatenate(batches).tolist()) == list(range(1003))
        assert [len(each) for each in batches] == [4] * 250 + [3]
        spans = [int(np.ptp(lengths[each])) for each in batches[:-1]]
        assert np.mean(spans) < 3
    # A function of the step alone.
    again = LengthOrder(ExampleOrder(1003, 4, 7), lengths)
    for step in (300, 3, 299):
        np.testing.assert_array_equal(again.batch_at(step), order.batch_at(step))
    assert order.batch_at(0).tolist() != order.batch_at(251).tolist()


@pytest.mark.parametrize("choose", ["loss", "chrf", "exact_match"])
def test_the_weights_that_are_kept_are_the_best_by_each_figure(
    both: Path, tmp_path: Path, choose: str
) -> None:
    data = lines(tmp_path / "data.jsonl", SOURCES)
    held = lines(
        tmp_path / "held.jsonl", [{"source": "up  2", "target": "upup"}, {"source": "no", "target": "no"}]
    )
    how = {"steps": 20, "eval_every": 4, "learning_rate": 3e-3, "batch_rows": 2, "validation": str(held)}
    run = tune(both, data, tmp_path / "out", "seq2seq", choose=choose, **how)
    measured = [each for each in run.events if each["event"] == "validation"]
    values = [each[choose] for each in measured]
    best = min(values) if choose == "loss" else max(values)
    assert run.result.best_step == measured[values.index(best)]["step"]
    assert all(0 <= each["exact_match"] <= 1 and 0 <= each["chrf"] <= 100 for each in measured)
    assert run.document["tuned"]["longest"] == 7, "upupup and its end"
    assert run.document["tuned"]["max_new"] == 8, "a quarter more"


def test_it_is_learnt_by_heart_and_goes_on_bit_by_bit(both: Path, tmp_path: Path) -> None:
    """An encoder-decoder: targets of different lengths, dropout, smoothing, and what is chosen by."""
    data = lines(tmp_path / "data.jsonl", SOURCES)
    values = {"steps": 12, "eval_every": 5, "learning_rate": 1e-3, "batch_rows": 2, "dropout": 0.1}
    values |= {"label_smoothing": 0.1, "validation": "0.3", "choose": "chrf"}
    whole = tune(both, data, tmp_path / "whole", "seq2seq", **values)
    tune(both, data, tmp_path / "parts", "seq2seq", {"pause_at": 7}, **values)
    rest = tune(both, data, tmp_path / "parts", "seq2seq", {"resume": True})
    assert rest.losses == whole.losses[7:]
    assert checkpoint(rest.out, 12) == checkpoint(whole.out, 12)
    assert (rest.out / "model.safetensors").read_bytes() == (whole.out / "model.safetensors").read_bytes()
    assert rest.result.figures == whole.result.figures
    run = tune(both, data, tmp_path / "heart", "seq2seq", steps=60, learning_rate=3e-3, batch_rows=6)
    assert run.losses[-1] < 0.1 * run.losses[0]


# -------------------------------------------------------------------------------------------- what is refused
def test_what_cannot_be_is_refused_before_anything_is_written(plain: Path, tmp_path: Path) -> None:
    data, out = lines(tmp_path / "data.jsonl", SOURCES), tmp_path / "out"
    words = ("finetune", plain, data, "--task", "seq2seq", "--out", out)
    assert "no column 'french'" in refusal(command(*words, "--target", "french"))
    assert "choose" in refusal(command(*words, "--choose", "beauty"))
    assert "one file, and the data are two" in refusal(
        command("finetune", plain, data, data, *words[3:], "--validation", data)
    )
    assert "is named, and" in refusal(command("finetune", plain, data, data, *words[3:], "--source", "a"))
    assert "reads one" in refusal(command("finetune", plain, data, data, "--task", "classify", "--out", out))
    assert not out.exists()


def test_two_files_are_held_out_as_two(plain: Path, tmp_path: Path) -> None:
    for name, text in {
        "a.en": "one\ntwo\n",
        "a.fr": "un\ndeux\n",
        "b.en": "six\none\n",
        "b.fr": "six\nun\n",
    }.items():
        (tmp_path / name).write_text(text)
    found = command(
        *("finetune", plain, tmp_path / "a.en", tmp_path / "a.fr", "--task", "seq2seq", "--steps", 1),
        *("--validation", f"{tmp_path / 'b.en'},{tmp_path / 'b.fr'}", "--out", tmp_path / "out", "--json"),
    )
    assert found.exit_code == 0, found.output
    assert "1 of 2 validation row has its text in" in " ".join(found.stderr.split())
    assert json.loads(found.stdout)["validation_loss"] == pytest.approx(cost("six"), abs=0.1)
    assert math.isfinite(json.loads(found.stdout)["figures"]["chrf"])


def test_a_list_of_words_has_no_names_of_columns(tmp_path: Path) -> None:
    """Who counts columns has none to name, unless a cell of the first row is what columns are called."""
    (tmp_path / "words.tsv").write_text("glimp\tglimps\twug\ntorf\ttorfs\tx\n")
    found = open_pairs(str(tmp_path / "words.tsv"), source="1", target="2")
    assert [each.source for each in found.rows(Account())] == ["glimp", "torf"]
    assert "the first row is a pair" in found.told[-1] + found.told[-3]
    (tmp_path / "named.tsv").write_text("lemma\tform\n torf\ttorfs\n")
    found = open_pairs(str(tmp_path / "named.tsv"), source="1", target="2")
    assert [each.target for each in found.rows(Account())] == ["torfs"]


def test_a_run_goes_on_with_the_targets_that_it_was_begun_with(plain: Path, tmp_path: Path) -> None:
    source, target, out = tmp_path / "a.en", tmp_path / "a.fr", tmp_path / "out"
    source.write_text("one\ntwo\n")
    target.write_text("un\ndeux\n")
    tune(plain, source, out, "seq2seq", {"pause_at": 1}, steps=3, targets=str(target))
    target.write_text("une\ndeux\n")
    with pytest.raises(TrainError, match=r"was begun with a\.en and a\.fr"):
        tune(plain, source, out, "seq2seq", {"resume": True})
    target.write_text("un\ndeux\n")
    assert tune(plain, source, out, "seq2seq", {"resume": True}).result.reason == "done"


@pytest.mark.parametrize("kind", ["decoder", "encoder-decoder"])
def test_a_plan_says_what_is_left_out_and_takes_no_step(
    random_model: Path, both: Path, tmp_path: Path, kind: str
) -> None:
    data = lines(tmp_path / "data.jsonl", SOURCES)
    model = both if kind != "decoder" else random_model
    found = command("finetune", model, data, "--task", "seq2seq", "--steps", 5, "--plan")
    assert found.exit_code == 0, found.output
    assert "seq2seq" in found.stdout
    assert not (tmp_path / "out").exists()


def test_an_encoder_is_refused_before_data_are_read(both: Path, tmp_path: Path) -> None:
    model = LanguageModel.load(both)
    shape = replace(model.model.settings, kind="encoder")
    encoder = LanguageModel(Transformer(shape), model.tokenizer, model.end_of_text)
    with pytest.raises(SettingError, match="is an encoder: it reads texts and writes none"):
        PURPOSES["seq2seq"].encode("not-there.csv", encoder, PURPOSES["seq2seq"].settings(), tmp_path)


def test_chrf_without_its_library_is_refused_before_anything_is_written(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = lines(tmp_path / "data.jsonl", SOURCES)
    monkeypatch.setattr("corpuskit.train.evaluate.written.scores.importlib.util.find_spec", lambda name: None)
    with pytest.raises(SettingError, match=r"chrf is computed by sacrebleu.*\n.*pip install"):
        tune(plain, data, tmp_path / "out", "seq2seq", steps=1, choose="chrf")
    assert not (tmp_path / "out").exists()
