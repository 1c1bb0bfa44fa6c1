"""`corpuskit eval` on conversations: the answers alone, as instruction tuning measures them."""

import math
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_models import make_model
from tests.train.tune.tuning import Run, command, lines, printed, talk, tune

# Of the unigram model, whose weights sum to 639 with roles and to 573 without: a small letter, the end of a
# turn, the end of a text, a blank.
LETTER, MARK = math.log(639 / 8), math.log(639 / 64)
PLAIN_LETTER, PLAIN_END, PLAIN_BLANK = math.log(572 / 8), math.log(572 / 32), math.log(572 / 16)


def measured(model: Path, data: Path, *more: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The set, and what was found of the model."""
    [found] = printed("eval", model, data, *more)["sets"]
    [member] = found["models"][str(model)]["members"].values()
    return found, member


def test_answers_and_their_ends_are_measured_and_nothing_else(unigram: Path, tmp_path: Path) -> None:
    data = lines(tmp_path / "talks.jsonl", [talk("WHAT IS IT?", "yes"), talk("Q", "abcdefgh")])
    found, member = measured(unigram, data)
    assert (found["kind"], found["what"]) == ("answers", "the answers of 2 conversations")
    nats = 11 * LETTER + 2 * MARK
    assert (member["rows"], member["tokens"]) == (2, 13)
    assert member["loss"]["value"] == pytest.approx(nats / 13, abs=1e-5)
    assert member["perplexity"]["value"] == pytest.approx(math.exp(nats / 13), rel=1e-5)
    assert member["bits_per_byte"]["value"] == pytest.approx(nats / math.log(2) / 11, abs=1e-5)
    assert member["learnt"] is None
    assert "not known" not in command("eval", unigram, data).output


def test_without_role_tokens_each_answer_ends_as_it_is_taught_to(tmp_path: Path) -> None:
    model = make_model(tmp_path / "plain", roles=False)
    turns = [("user", "q"), ("assistant", "ab"), ("user", "r"), ("assistant", "c")]
    row = {"messages": [{"role": role, "content": text} for role, text in turns]}
    _, member = measured(model, lines(tmp_path / "talks.jsonl", [row]))
    nats = 3 * PLAIN_LETTER + 2 * PLAIN_BLANK + 2 * PLAIN_END
    assert member["tokens"] == 7
    assert member["loss"]["value"] == pytest.approx(nats / 7, abs=1e-5)


def test_a_completion_is_read_letter_by_letter_behind_its_prompt(unigram: Path, tmp_path: Path) -> None:
    data = lines(tmp_path / "rows.jsonl", [{"prompt": "ONE ", "completion": "two"}])
    _, member = measured(unigram, data)
    assert member["tokens"] == 4
    assert member["loss"]["value"] == pytest.approx((3 * LETTER + math.log(639 / 32)) / 4, abs=1e-5)


def test_a_text_field_goes_before(unigram: Path, tmp_path: Path) -> None:
    data = lines(tmp_path / "rows.jsonl", [{"prompt": "ONE ", "completion": "two", "text": "abc"}])
    assert measured(unigram, data)[0]["kind"] == "texts"
    data = lines(tmp_path / "other.jsonl", [{"prompt": "ONE ", "completion": "two", "body": "abc"}])
    assert measured(unigram, data, "--field", "body")[0]["kind"] == "texts"


def test_models_are_compared_by_what_their_answers_cost(
    unigram: Path, random_model: Path, tmp_path: Path
) -> None:
    data = lines(tmp_path / "talks.jsonl", [talk(f"Q{n}", "yes" * n) for n in range(1, 5)])
    [found] = printed("eval", unigram, random_model, data)["sets"]
    [entry] = found["comparisons"]
    assert (entry["figure"], entry["items"]) == ("bits_per_byte", 4)
    assert entry["difference"] > 0


# --------------------------------------------------------------------------------- what it has learnt from
@pytest.fixture(scope="module")
def tuned(random_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A model that talks; three of its 30 conversations are held out."""
    folder = tmp_path_factory.mktemp("talks")
    data = lines(folder / "talks.jsonl", [talk(f"question {n}?", f"answer {n}") for n in range(30)])
    return tune(random_model, data, folder / "out", "instruct", steps=6, learning_rate=1e-3)


def test_held_out_answers_cost_what_the_training_said(tuned: Run) -> None:
    _, member = measured(tuned.out, tuned.out.parent / "talks.jsonl")
    assert (member["rows"], member["learnt"], member["rest"]["rows"]) == (30, 27, 3)
    assert member["rest"]["loss"]["value"] == pytest.approx(tuned.result.validation_loss, abs=1e-5)
    said = command("eval", tuned.out, tuned.out.parent / "talks.jsonl").output
    assert "WARNING: of 30 conversations the model has learnt from 27" in said
    assert "on 3 not learnt from" in said


def test_conversations_that_were_learnt_as_far_as_a_shorter_context_are_known(
    random_model: Path, tmp_path: Path
) -> None:
    data = lines(tmp_path / "talks.jsonl", [talk(f"q{n}", "long " * 8) for n in range(3)])
    run = tune(random_model, data, tmp_path / "out", "instruct", steps=1, context=16)
    assert measured(run.out, data)[1]["learnt"] == 3


# ---------------------------------------------------------------------------------------- what is too long
def test_what_does_not_fit_is_counted(unigram: Path, tmp_path: Path) -> None:
    rows = [talk("q", "a"), talk("q" * 256, "a"), talk("q", "a" * 256)]
    _, member = measured(unigram, lines(tmp_path / "talks.jsonl", rows))
    assert member["rows"] == 2
    assert member["told"] == [
        "1 row: no answer stands within the context: not measured (talks.jsonl row 2 (line 2))",
        "1 row: longer than the context: the end is not measured (talks.jsonl row 3 (line 3))",
    ]


def test_no_answer_that_fits_is_an_error_that_says_so(unigram: Path, tmp_path: Path) -> None:
    data = lines(tmp_path / "talks.jsonl", [talk("q" * 2000, "a")])
    result = command("eval", unigram, data)
    assert result.exit_code != 0
    assert "no answer stands within the context of" in result.output
    assert "shorten the prompts" in result.output
