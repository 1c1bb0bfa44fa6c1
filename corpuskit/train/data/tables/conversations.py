"""Rows as conversations, and as pairs of a better and a worse answer, in the forms in which they are shared.

    messages       {"messages": [{"role": "user", "content": "..."}, ...]}
    ShareGPT       {"conversations": [{"from": "human", "value": "..."}, ...]}
    completion     {"prompt": "...", "completion": "..."}: texts that follow one another, without roles
    instruction    {"instruction": "...", "input": "...", "output": "..."}, also with "instances"
    preference     {"prompt": ..., "chosen": ..., "rejected": ...}: texts, or lists of messages

Rules of order, by which a row is used or left out with its reason:

- A system's turn stands first or nowhere.
- Every role is one that is known, every turn has a text, and no answer and no question is empty.
- There is an answer to something. Turns behind the last answer are cut off, and that is noted: what nobody
  answered is never learned.
- Two turns of one side in a row stay two turns. An assistant's turn before any of the user's stays as what
  was said before, and is no answer: it is not learned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from corpuskit.errors import EmptyError, SettingError, counted
from corpuskit.storage.rows.row import as_text
from corpuskit.train.data.tables.columns import Columns, find_columns
from corpuskit.train.data.tables.row import Account, Place, Row
from corpuskit.train.data.tables.table import Table
from corpuskit.train.data.tables.usual import (
    CHOSEN,
    COMPLETION,
    INPUT,
    INSTRUCTION,
    MESSAGES,
    OUTPUT,
    PROMPT,
    REJECTED,
)

Role = Literal["system", "user", "assistant"]
Form = Literal["messages", "completion", "instruction", "instances"]

ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "bot": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
}
"""Roles by the words for them; any other is not guessed, its row is left out."""
JOINT = "\n\n"
"""What stands between an instruction and its input."""
_ROLE_KEYS, _TEXT_KEYS = ("role", "from"), ("content", "value")
INSTANCES = ("instances",)


class Turn(NamedTuple):
    """What one side said; `learned` for an answer, which is what a model learns of it."""

    role: Role
    text: str
    learned: bool = False


@dataclass(frozen=True)
class Conversation:
    """Turns in order. Without roles (`plain`) they are a prompt and what follows it, letter by letter."""

    place: Place
    turns: tuple[Turn, ...]
    plain: bool = False


@dataclass(frozen=True)
class Preference:
    """A prompt with a better and a worse answer.

    Attributes:
        prompt: turns before the answer; the last one is the user's. One turn, if it was given as a text.
        chosen, rejected: the turns of both answers: one of the assistant's each, or more of a conversation.
        plain: whether prompt and answers were given as texts, without roles.
    """

    place: Place
    prompt: tuple[Turn, ...]
    chosen: tuple[Turn, ...]
    rejected: tuple[Turn, ...]
    plain: bool = False


class _Unfit(Exception):  # noqa: N818 - it is no error: a row is left out for it
    """Why a row is left out."""


# ------------------------------------------------------------------------------------------- conversations
@dataclass(frozen=True)
class Conversations:
    """The conversations of a table.

    Attributes:
        form: how they are written down.
        told: which columns were found, in sentences.
    """

    form: Form
    columns: Columns
    told: tuple[str, ...]

    def read(self, account: Account) -> Iterator[Conversation]:
        """All that can be used, in order; the account holds each row that is left out, with its reason.

        Afterwards ``account.used + account.left_out`` is the number of rows; one of several instances is one.
        Raises EmptyError if none can be used.
        """
        make = _MAKERS[self.form]
        for row in self.columns.rows(account):
            try:
                found = make(row)
                found = [_in_order(each, account) for each in found]
            except _Unfit as unfit:
                account.leave(str(unfit), row.place)
                continue
            account.use()
            yield from found
        _require_some(self.columns.table, account, "conversation")


def find_conversations(table: Table, given: Mapping[str, str | int] | None = None) -> Conversations:
    """How the conversations of a table are written down, by its columns.

    Args:
        given: columns by what they are (``messages``, ``prompt``, ``completion``, ``instruction``, ``input``,
            ``output``), by name or number.

    Raises SettingError, naming the columns that are there, where no form fits.
    """
    given = dict(given or {})
    names = {name.casefold() for name in table.columns}
    forms: list[tuple[Form, dict[str, Sequence[str]], tuple[str, ...]]] = [
        ("messages", {"messages": MESSAGES}, ()),
        ("instances", {"instruction": INSTRUCTION, "instances": INSTANCES}, ()),
        ("instruction", {"instruction": INSTRUCTION, "input": INPUT, "output": OUTPUT}, ("input",)),
        ("completion", {"prompt": PROMPT, "completion": COMPLETION}, ()),
    ]
    for form, wanted, optional in forms:
        if not given.keys() <= wanted.keys():
            continue
        if all(name in given or name in optional or names & set(usual) for name, usual in wanted.items()):
            columns = find_columns(table, wanted, given, optional=optional)
            return Conversations(form, columns, (f"conversations: {_SAID[form]}", *columns.told))
    raise _no_form(table, "conversations", "messages, or prompt and completion, or instruction and output")


_SAID: Mapping[Form, str] = {
    "messages": "lists of messages",
    "instances": "instructions, each with a list of instances (input, output): one conversation each",
    "instruction": "instruction, input and output; an input follows its instruction behind a blank line",
    "completion": "prompt and completion, letter by letter, without roles",
}


def _require_some(table: Table, account: Account, what: str) -> None:
    if not account.used:
        message = f"{table.name}: no {what} can be used, {counted(account.left_out, 'row')} left out"
        raise EmptyError(message, remedy="; ".join(account.sentences()) + ".")


def _no_form(table: Table, what: str, wanted: str) -> SettingError:
    seen = ", ".join(each or f"#{number}" for number, each in enumerate(table.columns, 1))
    message = f"{table.name}: no columns of {what}; there are: {seen}"
    return SettingError(message, remedy=f"Needed are {wanted}: rename them, or name yours.")


def _of_messages(row: Row) -> list[Conversation]:
    return [Conversation(row.place, tuple(_turns(row.values["messages"])))]


def _of_completion(row: Row) -> list[Conversation]:
    prompt, completion = _text(row.values["prompt"], "prompt", empty=True), row.values["completion"]
    turns = (Turn("user", prompt), Turn("assistant", _text(completion, "completion")))
    return [Conversation(row.place, turns, plain=True)]


def _of_instruction(row: Row) -> list[Conversation]:
    return [_instructed(row.place, row.values["instruction"], row.values.get("input"), row.values["output"])]


def _of_instances(row: Row) -> list[Conversation]:
    instances = row.values["instances"]
    if not isinstance(instances, list) or not instances:
        raise _Unfit("no instance")
    if not all(isinstance(each, dict) for each in instances):
        raise _Unfit("an instance is no object")
    instruction = row.values["instruction"]
    return [_instructed(row.place, instruction, each.get("input"), each.get("output")) for each in instances]


def _instructed(place: Place, instruction: Any, given: Any, output: Any) -> Conversation:
    asked = _text(instruction, "instruction")
    more = "" if given is None else _text(given, "input", empty=True)
    if more.strip():
        asked = f"{asked}{JOINT}{more}"
    return Conversation(place, (Turn("user", asked), Turn("assistant", _text(output, "output"))))


_MAKERS: Mapping[Form, Callable[[Row], list[Conversation]]] = {
    "messages": _of_messages,
    "completion": _of_completion,
    "instruction": _of_instruction,
    "instances": _of_instances,
}


# --------------------------------------------------------------------------------------------------- turns
def _turns(messages: Any) -> Iterator[Turn]:
    """The turns of a list of messages."""
    if not isinstance(messages, list):
        raise _Unfit("the messages are no list")
    for message in messages:
        if not isinstance(message, dict):
            raise _Unfit("a message is no object with a role and a text")
        role = next((message[key] for key in _ROLE_KEYS if message.get(key) is not None), None)
        text = next((message[key] for key in _TEXT_KEYS if message.get(key) is not None), None)
        if role is None:
            raise _Unfit("a message has no role")
        known = ROLES.get(str(role).strip().casefold())
        if known is None:
            raise _Unfit(f"role {str(role)[:40]!r} is not known")
        yield Turn(known, _content(text, known))


def _content(text: Any, role: Role) -> str:
    """The text of a message; of one in pieces all its pieces of text."""
    if isinstance(text, list):
        if not all(isinstance(each, dict) and isinstance(each.get("text"), str) for each in text):
            raise _Unfit("a message holds something else than text")
        text = "".join(each["text"] for each in text)
    return _text(text, {"user": "question", "assistant": "answer", "system": "system's text"}[role])


def _text(value: Any, what: str, *, empty: bool = False) -> str:
    article = "an" if what[0] in "aiou" else "a"
    if value is None:
        raise _Unfit(f"{article} {what} is missing")
    if isinstance(value, list | dict | bytes):
        raise _Unfit(f"{article} {what} is no text")
    text = as_text(value)
    if text is None or (not empty and not text.strip()):
        raise _Unfit(f"{article} {what} is empty")
    return text


def _in_order(found: Conversation, account: Account) -> Conversation:
    """The conversation up to its last answer, its answers marked; raises _Unfit by the rules of order."""
    turns = list(found.turns)
    if not turns:
        raise _Unfit("no turn at all")
    if any(turn.role == "system" for turn in turns[1:]):
        raise _Unfit("a system's turn does not stand first")
    asked = False
    for at, turn in enumerate(turns):
        asked = asked or turn.role == "user"
        if turn.role == "assistant" and asked:
            turns[at] = turn._replace(learned=True)
    last = max((at for at, turn in enumerate(turns) if turn.learned), default=-1)
    if last < 0:
        raise _Unfit("no answer to anything")
    if last + 1 < len(turns):
        account.note("what nobody answered is cut off the end", found.place)
    return replace(found, turns=tuple(turns[: last + 1]))


# -------------------------------------------------------------------------------------------- preferences
@dataclass(frozen=True)
class Preferences:
    """The pairs of answers of a table.

    Attributes:
        told: which columns were found, in sentences.
    """

    columns: Columns
    told: tuple[str, ...]

    def read(self, account: Account) -> Iterator[Preference]:
        """All pairs that teach something, in order; the others are left out, with their reasons.

        Left out are answers that are equal but for blanks at their ends, and rows in which one is empty or
        missing. Raises EmptyError if none can be used.
        """
        for row in self.columns.rows(account):
            try:
                found = _preference(row)
            except _Unfit as unfit:
                account.leave(str(unfit), row.place)
                continue
            account.use()
            yield found
        _require_some(self.columns.table, account, "pair of answers")


def find_preferences(table: Table, given: Mapping[str, str | int] | None = None) -> Preferences:
    """The columns of chosen and rejected answers, and of the prompt: ``prompt``, or instruction and input.

    Without a prompt, both answers are lists of messages that begin alike.

    Raises SettingError, naming the columns that are there, where there is no pair.
    """
    given = dict(given or {})
    names = {name.casefold() for name in table.columns}
    if not ({"chosen"} & (names | given.keys()) and {"rejected"} & (names | given.keys())):
        raise _no_form(table, "preference", "chosen and rejected, with a prompt or an instruction")
    wanted: dict[str, Sequence[str]] = {"chosen": CHOSEN, "rejected": REJECTED}
    if "prompt" in given or names & set(PROMPT):
        wanted["prompt"] = PROMPT
    elif "instruction" in given or names & set(INSTRUCTION):
        wanted |= {"instruction": INSTRUCTION, "input": INPUT}
    columns = find_columns(table, wanted, given, optional=("input",))
    return Preferences(columns, columns.told)


def _preference(row: Row) -> Preference:
    values = row.values
    lists = [isinstance(values[name], list) for name in ("chosen", "rejected")]
    if lists[0] != lists[1]:
        raise _Unfit("one answer is a text, the other a list of messages")
    prompt: list[Turn] = []
    plain = False
    if "instruction" in values:
        prompt = [_instructed(row.place, values["instruction"], values.get("input"), ".").turns[0]]
    elif values.get("prompt") is not None or ("prompt" in values and not lists[0]):
        plain = not isinstance(values["prompt"], list)
        asked = values["prompt"]
        prompt = [Turn("user", _text(asked, "prompt"))] if plain else list(_turns(asked))
    chosen = _answer(values["chosen"], "chosen answer")
    rejected = _answer(values["rejected"], "rejected answer")
    if lists[0]:
        plain = False
        chosen, rejected, prompt = _behind_the_prompt(chosen, rejected, prompt)
    if not prompt or prompt[-1].role != "user":
        raise _Unfit("no question that both answer")
    if [turn.text.rstrip() for turn in chosen] == [turn.text.rstrip() for turn in rejected]:
        raise _Unfit("chosen and rejected are equal but for blanks at the end")
    return Preference(row.place, tuple(prompt), _learned(chosen), _learned(rejected), plain)


def _answer(value: Any, what: str) -> list[Turn]:
    return list(_turns(value)) if isinstance(value, list) else [Turn("assistant", _text(value, what))]


def _behind_the_prompt(
    chosen: list[Turn], rejected: list[Turn], prompt: list[Turn]
) -> tuple[list[Turn], list[Turn], list[Turn]]:
    """Both answers without the turns of the prompt, which they may repeat or may be the only ones to hold."""
    if not prompt:
        common = 0
        while common < min(len(chosen), len(rejected)) and chosen[common] == rejected[common]:
            common += 1
        # Equal answers are no prompt: what both share ends with a question.
        while common and chosen[common - 1].role == "assistant":
            common -= 1
        prompt = chosen[:common]
    size = len(prompt)
    chosen, rejected = (turns[size:] if turns[:size] == prompt else turns for turns in (chosen, rejected))
    for turns in (chosen, rejected):
        if not turns or turns[-1].role != "assistant" or turns[0].role != "assistant":
            raise _Unfit("an answer does not begin and end with a turn of the assistant")
    return chosen, rejected, prompt


def _learned(turns: list[Turn]) -> tuple[Turn, ...]:
    return tuple(turn._replace(learned=turn.role == "assistant") for turn in turns)
