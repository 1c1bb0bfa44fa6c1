"""`corpuskit finetune --task classify` on tables as people have them: what is found, said and learnt."""

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from corpuskit.train import LanguageModel
from corpuskit.train.data.examples import Examples
from corpuskit.train.predict import Classifier
from corpuskit.train.settings.tune import ClassifySettings
from corpuskit.train.tune.classify import Classification
from tests.tiny_models import make_model
from tests.train.tune.tuning import (
    Run,
    absent,
    command,
    labels_of,
    lines,
    printed,
    refusal,
    table,
    tune,
    weights,
)


def learnt(run: Run) -> Counter[str]:
    """How many examples of each label are learnt from."""
    examples = Examples(run.out / "data" / "train")
    names = examples.facts["labels"]
    return Counter(names[number] for n in range(len(examples)) for number in examples.row(n)["labels"])


def classify(model: Path, data: Path, out: Path, **values: object) -> Run:
    return tune(model, data, out, "classify", **{"steps": 2, **values})


def test_a_mark_and_line_ends_of_a_spreadsheet_are_no_part_of_it(unigram: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    data.write_bytes(b"\xef\xbb\xbftext,label\r\nof course,yes\r\nnever,no\r\nsure,yes\r\nnot today,no")
    run = classify(unigram, data, tmp_path / "out")
    assert learnt(run) == {"no": 2, "yes": 2}
    found = printed("predict", run.out, data)
    assert [each["text"] for each in found["predictions"]] == ["of course", "never", "sure", "not today"]
    assert found["labels"] == ["no", "yes"]


def test_a_line_in_another_encoding_is_named(unigram: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    data.write_bytes("text,label\nnaïve,good\n".encode() + b"d\xe9j\xe0 vu,bad\nplain,good\nsimple,bad\n")
    run = classify(unigram, data, tmp_path / "out")
    assert learnt(run).total() == 3
    assert "1 row left out" in run.told
    assert "data.csv row 2 (line 3)" in run.told
    said = printed("predict", run.out, data)["predictions"]
    assert "\ufffd" not in json.dumps(said)


def test_words_for_nothing_are_words(unigram: Path, tmp_path: Path) -> None:
    rows = ["Windhoek,NA", "Berlin,DE", "null,NA", "Paris,FR", "nan,None", "N/A,None", "Lyon,FR", "Bonn,DE"]
    data = table(tmp_path / "data.csv", *rows)
    run = classify(unigram, data, tmp_path / "out")
    assert learnt(run) == {"DE": 2, "FR": 2, "NA": 2, "None": 2}
    assert "labels in 8 rows: DE: 2, FR: 2, NA: 2, None: 2" in run.told
    said = printed("predict", run.out, data)["predictions"]
    assert [each["text"] for each in said] == [row.partition(",")[0] for row in rows]


def test_numbers_and_truth_values_stay_the_texts_that_they_are(unigram: Path, tmp_path: Path) -> None:
    texts = ["007", "1e5", "3.10", "-0", "12345678901234567890", "42"]
    data = table(tmp_path / "data.csv", *(f"{text},{'ab'[n % 2]}" for n, text in enumerate(texts)))
    run = classify(unigram, data, tmp_path / "out")
    assert [each["text"] for each in printed("predict", run.out, data)["predictions"]] == texts
    truths = table(tmp_path / "truth.csv", "TRUE,a", "FALSE,b", "true,a", "False,b")
    said = printed("predict", run.out, truths)["predictions"]
    assert [each["text"] for each in said] == ["TRUE", "FALSE", "true", "False"]


def test_a_first_row_of_data_is_not_lost(unigram: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    rows = ["the train is late,complaint", "thank you,praise", "no heating,complaint", "well done,praise"]
    data.write_text("".join(f"{row}\n" for row in [*rows, "dirty,complaint", "so kind,praise"]))
    out = tmp_path / "out"
    said = refusal(command("finetune", unigram, data, "--task", "classify", "--steps", 2, "--out", out))
    assert "the train is late | complaint" in said
    assert "looks like data" in said
    assert absent(out)
    run = classify(unigram, data, out, text="1", label="2")
    assert learnt(run) == {"complaint": 3, "praise": 3}


def test_cells_hold_line_ends_commas_and_quotes(unigram: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    data.write_text(
        'text,label\n"first\nsecond",prose\n"he said ""no"", twice",speech\n"a,b,c",list\n'
        '"\n\nblank before",prose\nplain,list\n"""quoted"" all",speech\n'
    )
    run = classify(unigram, data, tmp_path / "out")
    assert learnt(run) == {"list": 2, "prose": 2, "speech": 2}
    texts = ["first\nsecond", 'he said "no", twice', "a,b,c", "\n\nblank before", "plain", '"quoted" all']
    labels_of(texts, printed("predict", run.out, data)["predictions"])


def test_semicolons_part_cells_where_texts_have_commas(unigram: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    data.write_text("text;label\ngut, sehr gut;lob\nschlecht, leider;tadel\nfein;lob\nnein, nie;tadel\n")
    assert learnt(classify(unigram, data, tmp_path / "out")) == {"lob": 2, "tadel": 2}
    said = refusal(command("finetune", unigram, data, "--task", "classify", "--set", "delimiter=,", "--plan"))
    assert "text;label" in said
    assert "--set delimiter=" in said


def test_a_name_that_stands_twice_is_an_error(unigram: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    data.write_text("text,label,text\na,x,b\nc,y,d\n")
    out = tmp_path / "out"
    said = refusal(command("finetune", unigram, data, "--task", "classify", "--steps", 1, "--out", out))
    assert "'text' stands 2 times (columns 1, 3)" in said
    assert absent(out)
    assert learnt(classify(unigram, data, out, text="3")) == {"x": 1, "y": 1}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "array.json",
            '[{"text": "m", "label": "a"}, {"text": "n", "label": "b"}, {"text": "o", "label": "a"}]',
        ),
        (
            "array.jsonl",
            '[{"text": "m", "label": "a"},\n{"text": "n", "label": "b"},{"text": "o", "label": "a"}]',
        ),
        (
            "blank.jsonl",
            '{"text": "m", "label": "a"}\n\n{"text": "n", "label": "b"}\n{"text": "o", "label": "a"}',
        ),
        (
            "lines.json",
            '{"text": "m", "label": "a"}\n{"text": "n", "label": "b"}\n{"text": "o", "label": "a"}\n',
        ),
    ],
)
def test_json_in_each_form(unigram: Path, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert learnt(classify(unigram, tmp_path / name, tmp_path / "out")) == {"a": 2, "b": 1}


def test_labels_that_differ_by_a_blank_or_a_capital(unigram: Path, tmp_path: Path) -> None:
    rows = ["one,ham", "two,spam", "three,ham ", "four,Spam", "five, spam", "six,ham"]
    run = classify(unigram, table(tmp_path / "data.csv", *rows), tmp_path / "out")
    assert learnt(run) == {"Spam": 1, "ham": 3, "spam": 2}
    assert "2 labels have blanks around them, which are taken off" in run.told
    assert "labels that differ in capitals or blanks alone: 'Spam', 'spam'" in run.told


def test_a_number_and_its_text_are_one_label(unigram: Path, tmp_path: Path) -> None:
    values = [1, "1", 0, "0", 1, 0]
    rows = [{"text": f"{'abcdef'[n]} x", "label": value} for n, value in enumerate(values)]
    run = classify(unigram, lines(tmp_path / "data.jsonl", rows), tmp_path / "out")
    assert learnt(run) == {"0": 3, "1": 3}
    assert "labels stand as a number and text, and count as one label each: '0', '1'" in run.told
    assert run.losses[0] == pytest.approx(math.log(2), abs=1e-4), "a head of zeros, cross-entropy"
    assert run.document["model"]["classes"] == 2


def test_several_labels_a_text(unigram: Path, tmp_path: Path) -> None:
    rows = ['sky and rose,"red,blue"', "sea,blue", "leaf,green", "glass,", 'berry,"blue, red"']
    data = table(tmp_path / "data.csv", *rows)
    run = classify(unigram, data, tmp_path / "out", several=",")
    assert learnt(run) == {"blue": 3, "green": 1, "red": 2}
    assert "labels in 5 rows: blue: 3, green: 1, red: 2; none in 1 row" in run.told
    assert len(Examples(run.out / "data" / "train")) == 5
    assert run.losses[0] == pytest.approx(math.log(2), abs=1e-4), "a mean over labels"
    for each in Classifier.load(run.out).predict(["sea", "glass"]):
        assert sum(each.probabilities.values()) != pytest.approx(1, abs=0.2), "each by itself"
    single = classify(unigram, table(tmp_path / "one.csv", *rows[:3], rows[4]), tmp_path / "one")
    assert "look like lists parted by ','" in single.told


def test_one_label_alone_teaches_nothing(unigram: Path, tmp_path: Path) -> None:
    data = table(tmp_path / "data.csv", "a b,news", "c d,news", "e f,news", "g h,news")
    out = tmp_path / "out"
    said = refusal(command("finetune", unigram, data, "--task", "classify", "--steps", 2, "--out", out))
    assert "column 'label' holds one label, 'news', in 4 rows" in said
    assert absent(out)


def test_the_label_of_a_test_row_that_training_never_saw(unigram: Path, tmp_path: Path) -> None:
    train = table(tmp_path / "train.csv", "a,yes", "b,no", "c,yes", "d,no")
    held = table(tmp_path / "test.csv", "e,yes", "f,no", "g,other", "h,yes", "i,other")
    run = classify(unigram, train, tmp_path / "out", validation=str(held))
    assert (
        "label 'other' is not known from training, its 2 rows count as wrong: test.csv rows 3 and 5"
        in run.told
    )
    assert "known: 'no', 'yes'" in run.told
    accuracy = run.result.figures["accuracy"]
    assert accuracy is not None
    assert accuracy * 5 == pytest.approx(round(accuracy * 5)), "five rows, of which two are wrong"
    assert accuracy <= 0.6
    [scores] = printed("eval", run.out, held)["sets"][0]["models"].values()
    [found] = scores["members"].values()
    assert found["accuracy"]["value"] == accuracy
    assert (found["rows"], found["unknown"]) == (5, 2)


def test_fewer_rows_than_a_batch_are_a_batch(unigram: Path, tmp_path: Path) -> None:
    data = table(tmp_path / "data.csv", "a a,x", "b b,y", "c c,x")
    run = classify(unigram, data, tmp_path / "out", steps=None, epochs=2, batch_rows=32)
    assert (run.result.step, run.result.epochs) == (2, 2.0)
    assert abs(weights(run.out)["classifier.weight"]).max() > 0, "the head begins with zeros"


@pytest.mark.parametrize("seed", range(4))
def test_equal_texts_stand_on_one_side(unigram: Path, tmp_path: Path, seed: int) -> None:
    data = table(tmp_path / "data.csv", *(f"message {n % 8},{'ab'[n % 2]}" for n in range(24)))
    run = classify(unigram, data, tmp_path / "out", validation="0.25", split_seed=seed, steps=1)
    sides = {
        side: Counter(examples.row(n)["ids"].tobytes() for n in range(len(examples)))
        for side in ("train", "validation")
        for examples in [Examples(run.out / "data" / side)]
    }
    assert not sides["train"].keys() & sides["validation"].keys()
    assert {*sides["train"].values(), *sides["validation"].values()} == {3}
    assert sides["validation"].total() == 6
    assert "16 " in run.told


def test_held_out_rows_that_are_learnt_from_are_left_out(unigram: Path, tmp_path: Path) -> None:
    train = table(tmp_path / "train.csv", "same words,a", "other words,b", "more words,a")
    held = table(tmp_path / "test.csv", "same words,a", "new words,b", "more words,a")
    run = classify(unigram, train, tmp_path / "out", validation=str(held))
    assert len(Examples(run.out / "data" / "validation")) == 1
    assert "2 of 3 " in run.told
    assert "rows 1 and 3" in run.told


def test_names_of_labels_are_kept_and_exported(unigram: Path, tmp_path: Path) -> None:
    data = table(
        tmp_path / "data.csv", "see you at six,ham", "win a prize now,spam", "lunch?,ham", "free,spam"
    )
    run = classify(unigram, data, tmp_path / "out")
    said = command("predict", run.out, "win a prize")
    assert said.exit_code == 0
    assert said.output.split()[0] in ("ham", "spam")
    found = command("export", run.out, "--out", tmp_path / "hub")
    assert found.exit_code == 0, found.output
    config = json.loads((tmp_path / "hub" / "config.json").read_text())
    assert config["id2label"] == {"0": "ham", "1": "spam"}
    assert config["label2id"] == {"ham": 0, "spam": 1}
    assert config["problem_type"] == "single_label_classification"


ORDER = ["red apple,fruit", "green pea,veg", "iron nail,tool", "ripe plum,fruit", "leek,veg", "hammer,tool"]


def test_the_order_of_rows_is_not_that_of_labels(random_model: Path, tmp_path: Path) -> None:
    runs = [
        tune(
            random_model,
            table(tmp_path / f"{n}.csv", *rows),
            tmp_path / f"{n}",
            "classify",
            steps=40,
            learning_rate=3e-3,
            seed=1,
        )
        for n, rows in enumerate((ORDER, ORDER[::-1]))
    ]
    for run in runs:
        found = printed("predict", run.out, tmp_path / "0.csv")
        assert found["labels"] == ["fruit", "tool", "veg"], "by name"
        for row, said in zip(ORDER, found["predictions"], strict=True):
            assert said["labels"] == [row.partition(",")[2]]
            assert sum(said["probabilities"].values()) == pytest.approx(1, abs=1e-6)
            assert max(said["probabilities"], key=said["probabilities"].get) == said["labels"][0]


FILL = "the committee met in the long room and read the minutes of the year before. " * 2


def test_long_texts_keep_the_end_that_is_asked_for(tmp_path: Path) -> None:
    model = make_model(tmp_path, "random", context=64)
    rows = [f"{FILL}case {n} VERDICT {said},{said}" for n in (1, 2, 3) for said in ("guilty", "free")]
    data = table(tmp_path / "data.csv", *rows)
    ways = {
        rule: tune(
            model,
            data,
            tmp_path / rule,
            "classify",
            steps=40,
            learning_rate=3e-3,
            batch_rows=6,
            long_texts=rule,
        )
        for rule in ("start", "end", "both")
    }
    right = {}
    for rule, run in ways.items():
        assert f"6 texts of 6 longer than the context of 64 tokens; of each is kept: {rule}" in run.told
        found = Classifier.load(run.out).predict([row.partition(",")[0] for row in rows])
        right[rule] = sum(row.endswith(f",{said.labels[0]}") for row, said in zip(rows, found, strict=True))
        if rule == "start":
            for one, other in zip(found[::2], found[1::2], strict=True):
                # Rows of a batch may differ in their last bits: a matter of the processor.
                assert one.probabilities == pytest.approx(other.probabilities, abs=1e-6)
    assert right == {"start": 3, "end": 6, "both": 6}


def test_a_prediction_does_not_depend_on_its_batch(random_model: Path, tmp_path: Path) -> None:
    data = table(tmp_path / "train.csv", "up,a", "down,b", "up up,a", "down down,b")
    run = tune(random_model, data, tmp_path / "out", "classify", steps=20)
    texts = ["u", "down", "up and down and up", "x" * 100, "down", "a b c d e f g h i j"]
    classifier = Classifier.load(run.out)
    expected = [classifier.predict([text])[0].probabilities for text in texts]
    for batch in (1, 2, 6):
        for order in (texts, texts[::-1]):
            for text, each in zip(order, classifier.predict(order, batch), strict=True):
                assert each.probabilities == pytest.approx(expected[texts.index(text)], abs=1e-5)
    file = lines(tmp_path / "texts.jsonl", [{"text": text} for text in texts])
    assert [each["text"] for each in printed("predict", run.out, file, "--batch", 2)["predictions"]] == texts


def test_pairs_of_texts_are_read_and_scored(random_model: Path, tmp_path: Path) -> None:
    rows = [
        {"premise": f"{one} {n}", "hypothesis": two, "label": "same" if one == two else "other"}
        for n in range(3)
        for one in ("rain", "sun")
        for two in ("rain", "sun")
    ]
    data = lines(tmp_path / "data.jsonl", rows)
    run = classify(random_model, data, tmp_path / "out", steps=80, learning_rate=5e-3)
    found = printed("predict", run.out, data)["predictions"]
    assert found[0]["text"] == ["rain 0", "rain"]
    assert [each["labels"][0] for each in found] == [row["label"] for row in rows]
    [member] = printed("eval", run.out, data)["sets"][0]["models"][str(run.out)]["members"].values()
    assert member["accuracy"]["value"] == 1.0


def test_several_labels_are_scored_as_the_run_scores_them(random_model: Path, tmp_path: Path) -> None:
    train = table(tmp_path / "train.csv", 'red sky,"red,sky"', "sky,sky", "red,red", "leaf,", "red leaf,red")
    held = table(tmp_path / "held.csv", 'sky red,"sky,red"', "one leaf,", 'red rose,"red,rose"')
    run = classify(
        random_model, train, tmp_path / "out", several=",", steps=40, learning_rate=3e-3, validation=str(held)
    )
    [member] = printed("eval", run.out, held)["sets"][0]["models"][str(run.out)]["members"].values()
    for name in ("subset_accuracy", "micro_f1", "macro_f1", "ece"):
        assert member[name]["value"] == pytest.approx(run.result.figures[name], abs=1e-6), name
    assert member["unknown"] == 1, "a rose was never seen: its row is missed"


def test_weights_of_rare_labels(unigram: Path, tmp_path: Path) -> None:
    """Balanced, each label weighs as much as any other: the first loss of a head of zeros stays ln 2."""
    data = table(tmp_path / "data.csv", "a,x", "b,x", "c,x", "d,y")
    runs = [
        classify(unigram, data, tmp_path / way, class_weights=way, batch_rows=4, steps=6, learning_rate=1e-2)
        for way in ("none", "balanced")
    ]
    assert [run.losses[0] for run in runs] == pytest.approx([math.log(2)] * 2, abs=1e-4)
    shares = [Classifier.load(run.out).predict(["e"])[0].probabilities["y"] for run in runs]
    assert shares[1] > shares[0] + 0.02, "what is rare is said more often"


def test_of_several_labels_those_that_hold_are_weighed_alone(unigram: Path, tmp_path: Path) -> None:
    """One text of four has y: it weighs 3, as the other three together; of x and no x there are two each."""
    data = table(tmp_path / "data.csv", 'a,"x,y"', "b,x", "c,", "d,")
    how: dict[str, Any] = {"several": ",", "batch_rows": 4, "steps": 1, "class_weights": "balanced"}
    run = classify(unigram, data, tmp_path / "out", **how)
    # At a head of zeros each label of each text costs ln 2: x 1 + 1 + 1 + 1 times, y 3 + 1 + 1 + 1 times.
    assert run.losses[0] == pytest.approx((4 + 6) / 2 / 4 * math.log(2), abs=1e-4)
    task = Classification().task(
        ClassifySettings.checked({**how, "context": 16}),
        LanguageModel.load(unigram),
        {"train": Examples(run.out / "data" / "train")},
        "",
    )
    assert dict(zip(task.labels, task.weights.tolist(), strict=True)) == {"x": 1.0, "y": 3.0}
    logits = torch.tensor([[0.5, -1.0], [2.0, 0.25]])
    labels = torch.tensor([[1, 1], [0, 0]])
    plain = torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor([1.0, 3.0]), reduction="sum")
    assert task.loss_of(logits, labels).item() == pytest.approx(plain(logits, labels.float()).item() / 2)
    assert task.loss_of(logits[1:], labels[1:]).item() == pytest.approx(
        (math.log1p(math.exp(2)) + math.log1p(math.exp(0.25))) / 2
    ), "what does not hold weighs 1"
