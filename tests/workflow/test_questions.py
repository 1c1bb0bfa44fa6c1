"""Questions of a corpus: none is both taught and asked, and none gives its answer away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from corpuskit.errors import EmptyError, SettingError
from corpuskit.workflow.questions import FILES, HELD_OUT, TASK, TRAIN, Asking, make_questions

ASKED = Asking(count=60, held_out=20, characters=60)


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_nothing_is_both_taught_and_asked(built: Path, tmp_path: Path) -> None:
    told = make_questions(built / "run", tmp_path / "q", ASKED)
    taught, asked = rows(tmp_path / "q" / TRAIN), rows(tmp_path / "q" / HELD_OUT)
    assert (told["taught"], told["held_out"]) == (len(taught), len(asked))
    assert len(asked) == 20
    assert not {each["passage"] for each in taught} & {each["question"] for each in asked}
    for each in asked:
        assert each["answer"] in each["choices"]
        assert len(set(each["choices"])) == 4
        words = [word for word in each["answer"].casefold().split() if len(word) > 3]
        assert not any(word in each["question"].casefold() for word in words)
    # A choice that always stands at one place could be learnt by its place.
    assert len({each["choices"].index(each["answer"]) for each in asked}) > 1


def test_a_passage_stands_in_its_document(built: Path, tmp_path: Path) -> None:
    from corpuskit.run.folder import Run

    make_questions(built / "run", tmp_path / "q", ASKED)
    run = Run(built / "run")
    texts = {
        row["id"]: row
        for name in run.files("documents")
        for batch in run.read_batches(name)
        for row in batch.to_pylist()
    }
    for each in rows(tmp_path / "q" / HELD_OUT):
        document = texts[each["document"]]
        assert each["question"] in " ".join(document["text"].split())
        assert each["answer"] == document["title"]
        assert document["split"] not in ("validation", "test")


def test_equal_calls_give_equal_bytes_and_seeds_differ(built: Path, tmp_path: Path) -> None:
    def made(name: str, asking: Asking) -> list[bytes]:
        make_questions(built / "run", tmp_path / name, asking)
        return [(tmp_path / name / file).read_bytes() for file in FILES]

    assert made("a", ASKED) == made("b", ASKED)
    assert made("c", Asking(count=60, held_out=20, characters=60, seed=1)) != made("a", ASKED)


def test_too_few_questions_are_told(built: Path, tmp_path: Path) -> None:
    with pytest.raises(EmptyError, match="100000 are to be held out"):
        make_questions(built / "run", tmp_path / "q", Asking(held_out=100_000))
    assert not (tmp_path / "q").exists()


def test_what_others_wrote_is_refused(built: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(SettingError, match=r"notes\.txt"):
        make_questions(built / "run", tmp_path, ASKED)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_the_task_asks_as_is_taught(built: Path, tmp_path: Path) -> None:
    """The prompt of a question is a taught prompt, letter by letter, and so is a choice."""
    from corpuskit.train.evaluate.questions.items import questions_of

    make_questions(built / "run", tmp_path / "q", ASKED)
    task = questions_of(tmp_path / "q" / TASK, None)
    asked = rows(tmp_path / "q" / HELD_OUT)
    taught = rows(tmp_path / "q" / TRAIN)[0]
    ending = taught["prompt"].removeprefix(taught["passage"])
    assert taught["completion"] == task.task.separator + taught["title"]
    assert [item.prompt for item in task.items] == [each["question"] + ending for each in asked]
    assert [item.answers[item.gold] for item in task.items] == [each["answer"] for each in asked]
    assert task.task.begin
