"""Questions: the rows of a task's file, filled into its templates and checked before a model is loaded."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from corpuskit.errors import EmptyError, InputError, SettingError, counted
from corpuskit.storage.rows.formats import format_of, read_rows
from corpuskit.storage.rows.row import Damage, Row, TwiceError, Wanted, as_text, there_are
from corpuskit.train.evaluate.questions.task_file import (
    TaskFile,
    fields_of,
    of_file,
    parts_of,
    read_task,
    templates,
)


@dataclass(frozen=True)
class Item:
    """A question.

    Attributes:
        place: file and row, for messages.
        prompt: what stands before, examples included.
        question: the same without examples.
        answers: what may follow: the choices, the one continuation, or what is compared with what is written.
        gold: number of the right one.
    """

    place: str
    prompt: str
    question: str
    answers: tuple[str, ...]
    gold: int = 0


@dataclass(frozen=True)
class Questions:
    """A task with all of its questions.

    Attributes:
        task: its settings.
        path: the file that says them, or that of the rows.
        items: the questions in their order.
        directly: whether choices stand behind their prompts without a blank, which is seldom meant.
    """

    task: TaskFile
    path: Path
    items: tuple[Item, ...]
    directly: bool

    @property
    def name(self) -> str:
        """What results call it."""
        return self.task.name

    @property
    def what(self) -> str:
        """In words."""
        return f"{counted(len(self.items), 'question')} of {self.path.name}"


def questions_of(path: Path, limit: int | None = None) -> Questions:
    """The questions of a TASK.yaml.

    Args:
        limit: at most so many, beside the task's own.

    Raises SettingError, InputError or EmptyError, naming file and row, for whatever cannot be asked.
    """
    return _questions(read_task(path), path, limit)


def questions_in(path: Path, limit: int | None = None) -> Questions | None:
    """The questions of a file of rows that is a task by itself; None for one that is none. Raises alike."""
    if format_of(str(path)) != "jsonl":
        return None
    first = next(_rows(path, Wanted("text")), None)
    task = None if first is None else of_file(path, first.fields())
    return None if task is None else _questions(task, path, limit)


def _questions(task: TaskFile, path: Path, limit: int | None) -> Questions:
    if task.pattern is not None:
        try:
            re.compile(task.pattern)
        except re.error as error:
            raise SettingError(
                f"{path}: pattern = {task.pattern!r} is none: {error}", remedy="Mend it there."
            ) from error
    data = path.parent / task.data
    most = min((each for each in (limit, task.limit) if each is not None), default=None)
    before = _examples(task, path, data)
    items = tuple(
        replace(item, prompt=before + item.question) for item in islice(_items(task, path, data), most)
    )
    if not items:
        raise EmptyError(f"{data}: holds no row", remedy="Name a file with questions.")
    directly = task.kind == "choice" and any(
        item.prompt and not item.prompt[-1].isspace() and not item.answers[item.gold][:1].isspace()
        for item in items
    )
    return Questions(task, path, items, directly and not task.separator)


def _examples(task: TaskFile, path: Path, data: Path) -> str:
    """The answered rows that stand before each prompt, with what parts them; nothing without any."""
    asked = task.examples
    if asked is None:
        return ""
    file = path.parent / asked.data
    if file.exists() and data.exists() and file.samefile(data):
        raise SettingError(
            f"{path}: examples are of {file}, whose rows are asked",
            remedy="Take others: a question must not stand among its own examples with its answer.",
        )
    found = list(_items(task, path, file))
    if len(found) < asked.count:
        raise InputError(
            f"{file}: has {len(found)} rows, examples ask for {asked.count}", remedy="Lower examples.count."
        )
    if asked.seed is not None:
        found = random.Random(asked.seed).sample(found, asked.count)
    texts = [item.prompt + task.separator + item.answers[item.gold] for item in found[: asked.count]]
    return asked.between.join([*texts, ""])


def _items(task: TaskFile, path: Path, data: Path) -> Iterator[Item]:
    """The rows of a file as questions, without examples."""
    names = [name for template in templates(task) for name in fields_of(template, path)]
    if isinstance(task.choices, str):
        names.append(task.choices)
    if task.gold is not None:
        names.append(task.gold)
    names = list(dict.fromkeys(names)) or ["text"]
    for row in _rows(data, Wanted(names[0], tuple(names[1:]), header=task.header)):
        place = place_of(data, row)
        prompt = _filled(task.prompt, row, place)
        if task.kind == "choice":
            choices = _choices(task, row, place)
            yield Item(place, prompt, prompt, choices, _gold(task, row, choices, place))
            continue
        answer = _filled((task.continuation or task.answer) or "", row, place)
        if not answer:
            raise InputError(f"{place}: what is to follow is empty", remedy="Fill it, or leave the row out.")
        yield Item(place, prompt, prompt, (answer,))


def place_of(path: Path, row: Row) -> str:
    """Where a row stands, for a person: rows are counted from 1, of JSON lines the lines of the file."""
    what = "line" if format_of(path.name) == "jsonl" else "row"
    return f"{path} {what} {row.row + 1}"


def _rows(path: Path, wanted: Wanted) -> Iterator[Row]:
    """The rows of a file; raises InputError for a damaged one: a question less is another task."""
    for row in read_rows(str(path), wanted):
        if isinstance(row, Damage):
            raise InputError(row.error, remedy="Every row is a question: mend it, or take it out.")
        yield row


def _value(row: Row, name: str, place: str) -> Any:
    try:
        value = row.get(name)
    except TwiceError as error:
        raise InputError(f"{place}: field {name!r} stands twice", remedy="Rename one of them.") from error
    if value is None:
        raise InputError(
            f"{place}: has no field {name!r}", remedy=f"{there_are(name, row.fields())} Correct the task."
        )
    return value


def _filled(template: str, row: Row, place: str) -> str:
    pieces = []
    for text, field in parts_of(template):
        pieces += [text] if field is None else [text, as_text(_value(row, field, place)) or ""]
    return "".join(pieces)


def _choices(task: TaskFile, row: Row, place: str) -> tuple[str, ...]:
    if isinstance(task.choices, tuple):
        choices = tuple(_filled(template, row, place) for template in task.choices)
    else:
        assert task.choices is not None
        value = _value(row, task.choices, place)
        if not isinstance(value, list):
            raise InputError(
                f"{place}: field {task.choices!r} holds no list: {str(value)[:60]!r}",
                remedy='A table has no lists: name its columns, choices: ["{a}", "{b}"].',
            )
        choices = tuple(as_text(each) or "" for each in value)
    if len(choices) < 2 or not all(choices):
        raise InputError(
            f"{place}: choices {list(choices)!r} are less than 2, or one is empty", remedy="Give them all."
        )
    return choices


def _gold(task: TaskFile, row: Row, choices: Sequence[str], place: str) -> int:
    """The number of the right choice: by its label, as a number of JSON, by its text, by a number in text."""
    assert task.gold is not None
    value = _value(row, task.gold, place)
    text = as_text(value) or ""
    names = task.labels if task.labels is not None else choices
    if isinstance(value, int) and not isinstance(value, bool) and task.labels is None:
        number: int | None = value
    elif text in names:
        number = names.index(text)
    else:
        number = int(text) if text.isdecimal() and task.labels is None else None
    if number is None or not 0 <= number < len(choices):
        known = ", ".join(map(repr, names[:8]))
        raise InputError(
            f"{place}: gold {task.gold} = {text!r} is none of the {len(choices)} choices: {known}",
            remedy="Give a choice's text or its number from 0, or name the choices with `labels`.",
        )
    return number
