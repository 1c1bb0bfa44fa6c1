"""Fine-tuning for tags of words: what is counted, what is learnt, and what `predict` and `eval` say."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from corpuskit.errors import SettingError
from corpuskit.train import LanguageModel
from corpuskit.train.data.examples import Examples
from corpuskit.train.evaluate.tagging import span_f1
from corpuskit.train.model.loss import IGNORED
from corpuskit.train.predict import Classifier, Tagger
from corpuskit.train.settings.tune import TagSettings
from corpuskit.train.tune.tag import Tagging
from tests.train.tune.tuning import Run, absent, command, printed, refusal, tune

SENTENCES = [
    [("Ada", "B-PER"), ("lives", "O"), ("in", "O"), ("New", "B-LOC"), ("York", "I-LOC")],
    [("Paris", "B-LOC"), ("is", "O"), ("large", "O")],
]


def conll(path: Path, sentences: list[list[tuple[str, str]]]) -> Path:
    path.write_text("\n".join("".join(f"{w} {t}\n" for w, t in each) for each in sentences))
    return path


@pytest.fixture(scope="module")
def tagger(random_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A tagger that has learnt two sentences by heart, and is measured and tested on others."""
    folder = tmp_path_factory.mktemp("tagger")
    held = [[("Paris", "B-LOC"), ("lives", "O")], [("Ada", "B-PER"), ("is", "O"), ("Zoe", "I-ORG")]]
    return tune(
        random_model,
        conll(folder / "train.conll", SENTENCES),
        folder / "out",
        "tag",
        steps=40,
        learning_rate=3e-3,
        batch_rows=2,
        validation=str(conll(folder / "held.conll", held)),
        test=str(conll(folder / "test.conll", [[("York", "I-LOC"), *SENTENCES[0][1:3], *SENTENCES[0]]])),
        choose="span_f1",
    )


def test_spans_and_words_are_counted_before_the_first_step(tagger: Run) -> None:
    assert "8 words, 4 tags; 3 spans counted as conlleval does: LOC: 2, PER: 1" in tagger.told
    assert "2 examples to learn from" in tagger.told
    assert "tags that are not known from training count as wrong: 'I-ORG' (1)" in tagger.told


def test_held_out_tags_are_read_in_the_scheme_of_those_learnt(random_model: Path, tmp_path: Path) -> None:
    """By themselves, tags that are all I- would be taken for IOB1."""
    held = conll(tmp_path / "held.conll", [[("York", "I-LOC"), ("is", "O")]])
    train = conll(tmp_path / "train.conll", SENTENCES)
    found = tune(random_model, train, tmp_path / "out", "tag", steps=1, batch_rows=2, validation=str(held))
    told = [each for each in found.told.splitlines() if each.startswith("tags:")]
    assert told == ["tags: spans by IOB2: LOC, PER"]


def test_both_ways_to_count_spans() -> None:
    gold = [["B-PER", "O", "O", "B-LOC", "I-LOC"], ["B-LOC", "O", "O"]]
    said = [["I-PER", "O", "O", "B-LOC", "I-LOC"], ["B-LOC", "O", "O"]]
    lenient, strict = (span_f1(gold, said, "IOB2", mode) for mode in ("conlleval", "strict"))
    assert (lenient["gold"], lenient["predicted"], lenient["right"], lenient["f1"]) == (3, 3, 3, 1.0)
    assert (strict["gold"], strict["predicted"], strict["right"]) == (3, 2, 2)
    assert strict["f1"] == pytest.approx(0.8)
    assert "O" not in strict["kinds"]


def test_a_tagger_says_a_word_and_its_tag_a_line(tagger: Run) -> None:
    found = command("predict", tagger.out, "Ada lives in New York")
    assert found.exit_code == 0, found.output
    assert found.stdout == "Ada\tB-PER\nlives\tO\nin\tO\nNew\tB-LOC\nYork\tI-LOC\n"
    said = printed("predict", tagger.out, "Paris is large")
    assert said["labels"] == ["B-LOC", "B-PER", "I-LOC", "O"]
    [row] = said["predictions"]
    assert (row["words"], row["tags"]) == (["Paris", "is", "large"], ["B-LOC", "O", "O"])
    assert all(0.25 < each <= 1 for each in row["probabilities"])


def test_a_tagger_reads_files_of_words(tagger: Run, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("Ada\nlives\n\nParis\nis\nlarge\n")
    (tmp_path / "rows.jsonl").write_text('{"words": ["Ada", "lives"]}\n')
    (tmp_path / "texts.csv").write_text("text\nAda lives\nParis is  large\n")
    expected = [["B-PER", "O"], ["B-LOC", "O", "O"]]
    for name, tags in (("words.txt", expected), ("rows.jsonl", expected[:1]), ("texts.csv", expected)):
        said = printed("predict", tagger.out, tmp_path / name)["predictions"]
        assert [each["tags"] for each in said] == tags, name
    said = printed("predict", tagger.out, tagger.out.parent / "train.conll")["predictions"]
    assert [each["tags"] for each in said] == [[tag for _, tag in each] for each in SENTENCES]


def test_tags_do_not_depend_on_the_batch_and_long_sentences_are_read_in_pieces(tagger: Run) -> None:
    model = Tagger.load(tagger.out)
    sentences = [["Ada"], ["Paris", "is", "large"] * 30, ["lives", "in"]]
    alone = [model.tag([each])[0] for each in sentences]
    for each, other in zip(model.tag(sentences, 2), alone, strict=True):
        assert each.tags == other.tags
        assert each.probabilities == pytest.approx(other.probabilities, abs=1e-5)
    assert len(alone[1].tags) == 90
    assert model.tag([]) == []


def test_what_the_run_printed_is_what_evaluation_finds(tagger: Run) -> None:
    result = tagger.result
    found = printed("eval", tagger.out, tagger.out.parent / "held.conll", "--save", "held")
    member = found["sets"][0]["models"][str(tagger.out)]["members"][str(tagger.out)]
    assert member["span_f1"]["value"] == result.figures["span_f1"]
    assert member["accuracy"]["value"] == result.figures["accuracy"]
    assert member["loss"]["value"] == pytest.approx(result.validation_loss, abs=1e-6)
    assert member["unknown"] == 1
    assert result.figures["accuracy"] is not None
    assert result.figures["accuracy"] <= 0.8, "a tag that is not known is never right"
    kept = json.loads((tagger.out / "evaluations" / "held.json").read_text())
    assert kept["figures"]["held.conll"]["span_f1"] == member["span_f1"]


def test_the_test_split_is_measured_once_at_the_end(tagger: Run) -> None:
    figures = tagger.result.figures
    found = printed("eval", tagger.out, tagger.out.parent / "test.conll")
    member = found["sets"][0]["models"][str(tagger.out)]["members"][str(tagger.out)]
    assert figures["test_span_f1"] == member["span_f1"]["value"]
    assert figures["test_accuracy"] == member["accuracy"]["value"]
    assert figures["test_loss"] == pytest.approx(member["loss"]["value"], abs=1e-6)
    assert figures["test_share"] == 1.0
    assert tagger.document["training"]["figures"]["test_accuracy"] == figures["test_accuracy"]
    assert not [each for each in tagger.events if each["event"] == "validation" and "test_accuracy" in each]


def test_a_tagger_is_no_classifier(tagger: Run, random_model: Path) -> None:
    with pytest.raises(SettingError, match="not fine-tuned for classification"):
        Classifier.load(tagger.out)
    said = refusal(command("predict", random_model, "Ada lives"))
    assert "was not fine-tuned" in said
    assert "corpuskit finetune" in said


@pytest.mark.parametrize(
    ("text", "values", "said"),
    [
        ("Ada O\nlives O\n", {}, "all words have one tag, 'O'"),
        ("Ada B-PER\nlives\n", {}, "line 2"),
        ("\n\n", {}, "no sentence"),
        ("Ada B-PER\nlives O\n", {"tag": "7"}, "no column 7"),
        ("Ada B-PER\nlives O\n", {"scheme": "IOB3"}, "IOB3"),
        ("Ada NOUN\nlives VERB\n", {"choose": "span_f1"}, "span_f1"),
        ("Ada NOUN\nlives VERB\n", {"choose": "brightness"}, "brightness"),
    ],
)
def test_what_cannot_be_learnt(
    unigram: Path, tmp_path: Path, text: str, values: dict[str, str], said: str
) -> None:
    (tmp_path / "data.conll").write_text(text)
    out = tmp_path / "out"
    options = [each for name, value in values.items() for each in ("--set", f"{name}={value}")]
    data = tmp_path / "data.conll"
    found = refusal(command("finetune", unigram, data, "--task", "tag", "--steps", 1, *options, "--out", out))
    assert said in found
    assert absent(out)


def long_sentence(words: int, letter: str = "w") -> list[tuple[str, str]]:
    """A sentence of one span of all of its words but the last, in letters without merges."""
    return [(f"{letter}{n:02}", "B-LOC" if not n else "I-LOC") for n in range(words - 1)] + [("end", "O")]


def test_a_sentence_longer_than_the_context_is_scored_as_one(unigram: Path, tmp_path: Path) -> None:
    """Of 33 words of 4 tokens each some 16 fit 64: the span over all of them is one, not one a piece."""
    short = [("Rome", "B-LOC"), ("is", "O")]
    train = conll(tmp_path / "train.conll", [short, long_sentence(33)])
    held = conll(tmp_path / "held.conll", [long_sentence(33, "v"), [("Ada", "O"), ("x", "B-LOC")]])
    how: dict[str, Any] = {"steps": 1, "batch_rows": 4, "context": 64, "validation": str(held)}
    run = tune(unigram, train, tmp_path / "out", "tag", **how)
    assert "2 rows: longer than the context of 64 tokens: read in pieces, scored as one" in run.told
    examples = Examples(run.out / "data" / "validation")
    pieces = [examples.row(n)["sentence"].tolist() for n in range(len(examples))]
    assert [each[0] for each in pieces] == [2, 2, 2, 3], "numbered behind those that are learnt from"
    sizes = [len(examples.row(n)["tags"]) for n in range(len(examples))]
    assert sum(sizes) == 35, "no word is lost"
    assert [each[1] for each in pieces[:3]] == [0, sizes[0], sizes[0] + sizes[1]]
    task = Tagging().task(
        TagSettings.checked(how), LanguageModel.load(unigram), {"train": examples, "validation": examples}, ""
    )
    # All right but for the first word of the second piece: the span is torn there, and two are said.
    batch = task.validation(10**6).batch
    tags = batch["tags"].where(batch["tags"] != IGNORED, 0)
    answers = torch.cat([torch.zeros(len(tags), 1), tags.float()], 1)
    assert task.scores(answers, batch)["f1"] == 1.0
    assert (task.scores(answers, batch)["gold"], task.scores(answers, batch)["right"]) == (2, 2)
    [second] = (batch["sentence"] == torch.tensor(pieces[1])).all(1).nonzero().flatten().tolist()
    answers[second, 1] = task.tags.index("O")
    scores = task.scores(answers, batch)
    assert (scores["gold"], scores["predicted"], scores["right"]) == (2, 3, 1)
    assert scores["f1"] == pytest.approx(2 * (1 / 3) * (1 / 2) / (1 / 3 + 1 / 2))
    assert scores["accuracy"] == 34 / 35
    # Of what is measured meanwhile a sentence is in it with all of its pieces, or not at all.
    few = task.validation(40).batch["sentence"].tolist()
    assert {tuple(each) for each in few} in ({tuple(p) for p in pieces[:3]}, {(3, 0)})
    found = printed("eval", run.out, held)["sets"][0]["models"][str(run.out)]["members"][str(run.out)]
    assert found["span_f1"]["value"] == run.result.figures["span_f1"]
    assert found["accuracy"]["value"] == run.result.figures["accuracy"]
