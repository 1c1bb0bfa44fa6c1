"""The Austen story: the scorer of metre, rhythm, what is copied, and the page made of two small models."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from benchmarks import austen, austen_page
from benchmarks.austen_facts import has_rhythm, has_words, rows
from benchmarks.austen_figures import Books, Scale, clauses, distance, metre, model_at, pieces, rhythm
from benchmarks.austen_verse import lines, metre_of
from benchmarks.harness import MissingError, read_rows
from benchmarks.metre import as_lines, beat, marks, scans, shuffled, signs, syllables, words
from corpuskit.build.build import build_corpus
from corpuskit.build.recipe.recipe import load
from corpuskit.errors import SettingError

SMALL = Scale(samples=4, tokens=30, pieces=6, piece=16, windows=8, prefix=8)
SETTINGS = {
    "layers": 1,
    "width": 32,
    "heads": 2,
    "context": 64,
    "batch_rows": 2,
    "steps": 6,
    "compile": "off",
}

WEAK, STRONG = ("the", "of", "and", "to"), ("wind", "stone", "night", "field", "rose")


def iambs(feet: int, seed: int = 0) -> list[str]:
    draw = random.Random(seed)
    return [draw.choice(side) for _ in range(feet) for side in (WEAK, STRONG)]


# ---------------------------------------------------------------------------------------------- the metre
@pytest.mark.parametrize(
    ("word", "count"),
    [("truth", 1), ("universally", 5), ("loved", 1), ("wanted", 2), ("noses", 2), ("makes", 1), ("hmm", 1),
     ("trembled", 2), ("heav'n", 1), ("th'", 0), ("creation", 3), ("business", 2), ("society", 4)],
)  # fmt: skip
def test_syllables_are_those_that_a_dictionary_gives(word: str, count: int) -> None:
    assert syllables(word) == syllables(word.upper()) == count
    assert len(marks(word)) == count


def test_one_syllable_of_a_longer_word_bears_stress() -> None:
    assert [marks(word) for word in ("pleasure", "receive", "affection", "himself")] == [
        "+-", "-+", "-+-", "-+",
    ]  # fmt: skip
    assert all(marks(word).count("+") == 1 for word in ("agreeableness", "discontentedly", "of'en"))


def test_iambs_keep_the_beat_and_shuffled_they_do_not() -> None:
    text = iambs(60)
    assert beat(text) == 1.0
    assert beat(text[1:]) == 1.0  # Wherever it begins.
    assert abs(np.mean([beat(shuffled(text, seed)) for seed in range(20)])) < 0.1
    assert beat([]) == beat(["wind"]) == 0.0


def test_stress_on_every_third_syllable_is_no_beat() -> None:
    assert abs(beat(["wind", "of", "the"] * 40)) < 0.2


def test_the_beat_is_the_mean_over_pairs_worked_out_by_hand() -> None:
    text = [*iambs(6), "the"]
    said = signs(text)
    pairs = [(i, j) for i in range(13) for j in range(13) if 6 <= j - i <= 21]
    assert beat(text) == pytest.approx(np.mean([said[i] * said[j] * (-1) ** (j - i) for i, j in pairs]))


def test_a_line_scans_by_its_longer_words() -> None:
    assert scans(words("Shall I compare thee to a summer's day"))
    assert scans(words("Regions of sorrow, doleful shades, where peace"))  # The first foot turned about.
    assert not scans(words("The sorrow of regions, the doleful peace"))
    assert not scans(words("The wind of night"))
    assert not scans([])


def test_prose_is_cut_into_lines_of_ten_syllables() -> None:
    found = as_lines(iambs(23))
    assert [sum(map(syllables, line)) for line in found] == [10, 10, 10, 10]


def test_words_keep_the_apostrophes_that_shorten_them() -> None:
    assert words("Heav’n -- th’ 2 Arch-Enemy, don't") == ["Heav'n", "th'", "Arch", "Enemy", "don't"]


# --------------------------------------------------------------------------------------------- the rhythm
def test_sentences_and_pauses_are_counted() -> None:
    text = "cut off. Mr. Bennet was gone, he said; and she stayed. So it was! And then"
    found = rhythm([text], clauses([text]))
    assert found["sentence"] == (9 + 3) / 2  # Mr. ends none; what may be cut counts for nothing.
    assert found["clause_distance"] == 0.0
    assert found["broken"] == 0.0
    assert rhythm(["He saw the, old. And of! What"], [3])["broken"] == 2 / 3
    assert clauses(["one, two three; four."]) == [1, 2, 1]
    assert rhythm(["no end here"], [3])["sentence"] is None


def test_the_distance_of_lengths_is_the_greatest_difference_of_shares() -> None:
    assert distance([1, 1, 2, 2], [1, 2, 2, 2]) == 0.25
    assert distance([1], [5]) == 1.0


def test_texts_too_short_have_no_metre() -> None:
    assert metre(["a few words", "a few more"])["beat"] is None


# ---------------------------------------------------------------------------------------- what is asked of it
@pytest.mark.parametrize(("known", "seen"), [(0.98, True), (0.9799, False), (1.0, True), (None, False)])
def test_words_are_there_within_a_point_of_the_lowest_group(known: float | None, seen: bool) -> None:
    held = {"known_words": {"mean": 0.995, "least": 0.99, "most": 1.0}}
    assert has_words({"known_words": known}, held) is seen


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({}, True),
        ({"sentence": 15.0, "clause_distance": 0.1, "broken": 0.02}, True),  # The bounds belong to it.
        ({"sentence": 14.9}, False),
        ({"sentence": 20.1}, False),
        ({"clause_distance": 0.0, "broken": 0.0}, True),  # Nearer than Austen herself is no fault.
        ({"clause_distance": 0.11}, False),
        ({"broken": 0.03}, False),
        ({"sentence": None}, False),
        ({"broken": None}, False),
    ],
)
def test_rhythm_is_there_inside_the_bounds_of_held_out_text(changes: dict[str, float], seen: bool) -> None:
    held = {
        "sentence": {"mean": 17.0, "least": 15.0, "most": 20.0},
        "clause_distance": {"mean": 0.06, "least": 0.04, "most": 0.1},
        "broken": {"mean": 0.01, "least": 0.005, "most": 0.02},
    }
    assert has_rhythm({"sentence": 17.0, "clause_distance": 0.05, "broken": 0.01} | changes, held) is seen


# ------------------------------------------------------------------------------------------------ the page
@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("austen")
    draw = random.Random(1)
    names = ["house", "letter", "Emma", "evening", "walk", "sister", "the", "of", "and", "was", "very"]
    said = [" ".join(draw.choices(names, k=9)).capitalize() + draw.choice(".!;,") for _ in range(400)]
    source = folder / "books.jsonl"
    texts = [" ".join(said[start : start + 100]) for start in range(0, 400, 100)]
    rows = [json.dumps({"id": f"b{n}", "title": f"Book {n}", "text": text}) for n, text in enumerate(texts)]
    source.write_text("\n".join(rows) + "\n", encoding="utf-8")
    recipe = folder / "recipe.yaml"
    recipe.write_text(
        f"sources: [files: {{path: {source}, label: books, title_field: title}}]\n"
        "tokenizer: {vocab_size: 400}\nshards: {split: {validation: 0.2}}\n",
        encoding="utf-8",
    )
    build_corpus(load(recipe), folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def story(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both arms at steps 0 and 2, on the way to 6."""
    out = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(austen, "MILESTONES", (0, 2, 6))
        patch.setattr(austen, "VALIDATED_EVERY", 2)
        patch.setattr(austen, "load_training_recipe", lambda name: dict(SETTINGS))
        austen.train(run, out, 2, say=lambda line: None)
        before = {path: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")}
        austen.train(run, out, 2, say=lambda line: None)
        assert before == {path: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")}
        with pytest.raises(MissingError, match="past 0"):
            austen.reach(run, out / "plain", {}, 0)
    return out


def test_a_milestone_has_the_weights_of_its_step(story: Path) -> None:
    first, later = (model_at(story / f"at-{step}-plain", step) for step in (0, 2))
    assert not first.model.embedding.weight.equal(later.model.embedding.weight)
    # Step 0 stands before the first validation, step 2 behind it.
    assert [(story / f"at-{step}-plain" / "model.safetensors").exists() for step in (0, 2)] == [False, True]
    assert [each.document["measured_step"] for each in (first, later)] == [0, 2]
    with pytest.raises(SettingError, match="no checkpoint '7'"):
        model_at(story / "at-2-plain", 7)


def test_pieces_do_not_overlap_and_hold_no_end_of_text(run: Path) -> None:
    split = Books(run, SMALL).train
    whole = pieces(split, 16, 10**6)
    assert len(whole) == sum((len(split.sequence(n)) - 1) // 16 for n in range(split.sequences))
    assert 0 not in whole
    assert len(pieces(split, 16, 5)) == 5
    assert pieces(split, 10**6, 5).shape == (0, 10**6)


def test_what_stands_in_the_training_books_is_copied(run: Path) -> None:
    books = Books(run, SMALL)
    copied = books.scores(list(pieces(books.train, 30, 3)))
    assert copied["copied"] == 1.0
    assert copied["longest_copy"] >= 30
    strange = books.scores([np.array([books.tokenizer.encode("zq")[0]] * 30)] * 3)
    assert strange["copied"] == 0.0


def test_the_page_tells_what_was_found_and_what_was_not_reached(
    run: Path, story: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(austen, "MILESTONES", (0, 2, 6))
    heard: list[str] = []
    facts = austen.facts_of(run, story, None, SMALL, heard.append)
    assert len(heard) == 4
    austen.write_page(facts, story, tmp_path / "page.md")
    told = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "### Step 6\n\nNot reached." in told
    for part in ("Book 3", "## In short", "### Step 2", "No verse was measured", "- The remedies, at step 2"):
        assert part in told
    joined = " ".join(told.split())
    assert "`plain` is told up to step 2" in joined
    assert "--out DIR --steps 2\n" in told
    assert "it leaves 1 target in 4 unlearnt" in joined
    assert "128 tokens a step" in joined
    assert "temperature 0.8, top-p 0.95" in joined
    assert "![Losses of plain](page-plain.svg)" in told
    assert (tmp_path / "page-held-back.svg").exists()
    found = read_rows(tmp_path / "page.json")
    assert {row.tool for row in found} == {"corpuskit", "Jane Austen, held out"}
    assert all(("held out" in row.input) is not row.is_ours for row in found)
    # A second page needs no model: what was found was kept.
    monkeypatch.setattr(austen, "model_figures", None)
    again = austen.facts_of(run, story, None, SMALL, heard.append)
    assert austen_page.page(again, {}) == austen_page.page(facts, {})


def test_a_page_can_be_made_of_one_arm(run: Path, story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(austen, "MILESTONES", (0, 2, 6))
    facts = austen.facts_of(run, story, None, SMALL, lambda line: None)
    models = {key: each for key, each in facts.models.items() if key[0] == "plain"}
    told = austen_page.page(austen.Facts(**{**vars(facts), "models": models}), {})
    assert "`held-back` was not begun" in told


# ------------------------------------------------------------------------------------------------- verse
def test_lines_of_verse_scan_more_often_than_their_words_in_another_order() -> None:
    # Two feet of longer words in a line: their order is what makes it scan.
    draw = random.Random(3)
    longer = ("alone", "receive", "himself", "become", "report")
    verse = [[draw.choice(WEAK), draw.choice(STRONG), *draw.choices(longer, k=4)] for _ in range(200)]
    text = "\n".join(" ".join(row) for row in [["cut"], *verse, ["cut"]])
    found = metre_of([row * 10 for row in verse[:5]], lines([text]))
    assert found["lines"] == 200
    assert found["tens"] == found["scans"] == 1.0
    assert found["scans_shuffled"] < 0.8
    assert found["beat"] == pytest.approx(1.0)
    assert abs(found["beat_shuffled"]) < 0.5


def test_the_page_tells_metre_of_verse_beside_prose(
    run: Path, story: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(austen, "MILESTONES", (0, 2, 6))
    facts = austen.facts_of(run, story, None, SMALL, lambda line: None)
    each = metre_of([iambs(50)] * 3, [iambs(5)] * 4)
    training = {"parameters": 1e6, "tokens": 9, "best_step": 1, "step": 2, "validation_loss": 1.0}
    texts = dict.fromkeys(("Milton", "Austen", "model of Milton"), each)
    verse = {"texts": texts, "auc": {"Milton": 0.9}, "training": training, "sample": "One\nTwo"}
    facts = austen.Facts(**{**vars(facts), "verse": verse})
    told = austen_page.page(facts, {})
    found = [row for row in rows(facts) if row.what.startswith("metre")]
    assert {row.what.split(": ")[1]: row.tool for row in found} == {
        "Milton": "John Milton, held out",
        "Austen": "Jane Austen, held out",
        "model of Milton": "corpuskit",
    }
    assert all("passages" in row.input and row.unit != "1" for row in found)
    assert "more beat than one of held-out Austen in 90.0% of pairs" in " ".join(told.split())
    assert "> One  \n> Two" in told
