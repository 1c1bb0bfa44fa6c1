"""What a TASK.yaml says: questions made of the rows of a file, and how an answer is judged.

    data: test.csv.gz                    a file beside this one; .csv, .tsv, .jsonl, .json, .parquet, .arrow
    header: false                        its columns are called 1, 2, 3 then
    prompt: "{2} {3}\\nTopic:"            fields in braces; {{ and }} are braces themselves
    choices: [World, Sports, Business]   multiple choice, or the name of a field that holds a list
    gold: "1"                            the field of the right choice: its text, its number from 0, its label
    labels: ["1", "2", "3"]              what the field `gold` calls the choices, where that is not their text
    separator: " "                       between prompt and choice; nothing by default

    continuation: "{answer}"             in place of choices: a cloze, how likely it is behind the prompt

    answer: "{output}"                   in place of both: the model writes, and what it writes is compared
    pattern: "[0-9]+"                    what is compared of that, its first group if it has one
    ignore_case: true
    stop: ["\\n"]                         the text ends before one of these
    tokens: 32                           most tokens that it writes

    examples: {data: train.csv, count: 4, between: "\\n\\n"}
                                         answered rows before each prompt, of the same fields; with `seed: 1`
                                         drawn by lot, else the first ones
    begin: true                          the end-of-text mark before each prompt, as a document begins
    limit: 500                           the first rows alone

A .jsonl or .json whose rows have `choices` and `answer`, or `context` and `continuation`, is a task without
such a file: see `of_file`.
"""

from __future__ import annotations

import reprlib
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from corpuskit.errors import SettingError, nearest

Kind = Literal["choice", "cloze", "write"]

_ENDS = (".yaml", ".yml")


class Examples(BaseModel):
    """Answered rows that stand before each prompt."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: str
    count: int = Field(default=4, ge=1)
    seed: int | None = Field(default=None, ge=0)
    between: str = "\n\n"


class TaskFile(BaseModel):
    """The settings of a task, as they stand in the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = ""
    data: str
    header: bool = True
    prompt: str
    choices: str | tuple[str, ...] | None = None
    gold: str | None = None
    labels: tuple[str, ...] | None = None
    separator: str = ""
    continuation: str | None = None
    answer: str | None = None
    pattern: str | None = None
    ignore_case: bool = False
    stop: tuple[str, ...] = ("\n",)
    tokens: int = Field(default=32, ge=1, le=10**6)
    examples: Examples | None = None
    begin: bool = False
    limit: int | None = Field(default=None, ge=1)

    @property
    def kind(self) -> Kind:
        """What is asked: to choose, to give a likelihood, to write."""
        return "choice" if self.choices is not None else "cloze" if self.continuation is not None else "write"


def is_task(path: Path) -> bool:
    """Whether a path is that of a task's file, by its ending."""
    return path.suffix.lower() in _ENDS


def read_task(path: Path) -> TaskFile:
    """The task of a file; raises SettingError, naming file, setting and value, for one that is none."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise SettingError(f"{path} cannot be read as YAML: {error}", remedy="Mend it there.") from error
    if not isinstance(values, dict):
        raise SettingError(
            f"{path} is no mapping of settings", remedy="Write data, prompt, and choices and gold."
        )
    if "name" not in values:
        values["name"] = path.stem
    task = _checked(values, path)
    _check_kind(task, values, path)
    return task


def of_file(path: Path, fields: list[str]) -> TaskFile | None:
    """The task that a file of rows is by itself, by the fields of its first row; None for one that is none.

    `choices` with `answer` is multiple choice, its prompt being `question`, `prompt` or `context`; `context`
    with `continuation` is a cloze. Options stand behind the prompt as they are.
    """
    if {"choices", "answer"} <= set(fields):
        prompt = next((name for name in ("question", "prompt", "context") if name in fields), None)
        shown = "" if prompt is None else f"{{{prompt}}}"
        return TaskFile(name=path.name, data=path.name, prompt=shown, choices="choices", gold="answer")
    if {"context", "continuation"} <= set(fields):
        return TaskFile(name=path.name, data=path.name, prompt="{context}", continuation="{continuation}")
    return None


def _checked(values: dict[str, Any], path: Path) -> TaskFile:
    try:
        return TaskFile(**values)
    except ValidationError as error:
        faults, remedy = [], ""
        for fault in error.errors():
            name = ".".join(str(part) for part in fault["loc"])
            if fault["type"] == "extra_forbidden":
                faults.append(f"{name} is no setting of a task")
                remedy = nearest(name, Examples.model_fields if "." in name else TaskFile.model_fields)
            elif fault["type"] == "missing":
                faults.append(f"{name} is missing")
            else:
                faults.append(f"{name} = {reprlib.repr(fault['input'])}: {fault['msg']}")
        raise SettingError(
            f"{path}: {'; '.join(faults)}",
            remedy=remedy or "Correct it; `corpuskit eval --help` shows a task.",
        ) from error


def _check_kind(task: TaskFile, values: dict[str, Any], path: Path) -> None:
    """Raise SettingError unless the settings are those of one kind of task."""
    kinds = [name for name in ("choices", "continuation", "answer") if values.get(name) is not None]
    if len(kinds) != 1:
        found = " and ".join(kinds) or "none of choices, continuation and answer"
        raise SettingError(f"{path}: {found} stands there", remedy="Give one of the three.")
    own = {
        "choices": ("gold", "labels"),
        "continuation": (),
        "answer": ("pattern", "ignore_case", "stop", "tokens"),
    }
    for kind, names in own.items():
        for name in names:
            if name in values and kind != kinds[0]:
                raise SettingError(
                    f"{path}: {name} belongs to {kind}, and the task has {kinds[0]}", remedy="Leave it out."
                )
    if kinds[0] == "choices" and task.gold is None:
        raise SettingError(f"{path}: gold is missing", remedy="Name the field of the right choice.")
    if task.choices is not None and len(task.choices) < 2 and not isinstance(task.choices, str):
        raise SettingError(f"{path}: choices = {task.choices!r} are less than 2", remedy="Give them all.")
    if task.labels is not None and len(set(task.labels)) < len(task.labels):
        raise SettingError(f"{path}: labels = {task.labels!r} hold one twice", remedy="Give each once.")
    if isinstance(task.choices, tuple) and task.labels and len(task.labels) != len(task.choices):
        raise SettingError(
            f"{path}: {len(task.labels)} labels for {len(task.choices)} choices", remedy="Give one for each."
        )
    for template in templates(task):
        fields_of(template, path)


def templates(task: TaskFile) -> list[str]:
    """All texts of a task in which fields stand in braces."""
    choices = task.choices if isinstance(task.choices, tuple) else ()
    return [task.prompt, *choices, *(text for text in (task.continuation, task.answer) if text is not None)]


def parts_of(template: str) -> Iterator[tuple[str, str | None]]:
    """A template as pairs of plain text and the field behind it; raises ValueError where braces do not fit.

    >>> list(parts_of("{a} and {{{b.c}}}"))
    [('', 'a'), (' and {', None), ('', 'b.c'), ('}', None)]
    """
    for text, field, form, conversion in string.Formatter().parse(template):
        if form or conversion or field == "":
            raise ValueError(f"{{{field}{'!' if conversion else ':' if form else ''}...}} is no field")
        yield text, field


def fields_of(template: str, path: Path) -> list[str]:
    """The fields that a template names. Raises SettingError for one whose braces do not fit."""
    try:
        return [field for _, field in parts_of(template) if field is not None]
    except ValueError as error:
        raise SettingError(
            f"{path}: {template!r}: {error}",
            remedy="Write fields as {name}, and {{ and }} for braces themselves.",
        ) from error
