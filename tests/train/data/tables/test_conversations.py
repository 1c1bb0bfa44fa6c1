"""Rows as conversations and as pairs of answers: each row is used, or left out with its reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from corpuskit.errors import EmptyError, SettingError
from corpuskit.train.data.tables.conversations import (
    Conversation,
    Preference,
    find_conversations,
    find_preferences,
)
from corpuskit.train.data.tables.row import Account
from corpuskit.train.data.tables.table import open_table


def write(tmp_path: Path, rows: list[Any]) -> Path:
    path = tmp_path / "data.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def talks(tmp_path: Path, rows: list[Any]) -> tuple[list[Conversation], Account]:
    account = Account()
    found = list(find_conversations(open_table(write(tmp_path, rows))).read(account))
    assert account.used + account.left_out == len(rows)
    return found, account


def turns(*said: tuple[str, str]) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": text} for role, text in said]}


def of(conversation: Conversation) -> list[tuple[str, str, bool]]:
    return [tuple(turn) for turn in conversation.turns]


def test_turns_out_of_order(tmp_path: Path) -> None:
    rows = [
        turns(("user", "a"), ("assistant", "b")),
        turns(("assistant", "first"), ("user", "c"), ("assistant", "d")),
        turns(("user", "e"), ("user", "f"), ("assistant", "g")),
        turns(("user", "h"), ("assistant", "i"), ("user", "j")),
        turns(("user", "k"), ("assistant", "")),
        turns(("user", "l"), ("system", "m"), ("assistant", "n")),
        {"messages": []},
    ]
    found, account = talks(tmp_path, rows)
    assert [of(each) for each in found] == [
        [("user", "a", False), ("assistant", "b", True)],
        [("assistant", "first", False), ("user", "c", False), ("assistant", "d", True)],
        [("user", "e", False), ("user", "f", False), ("assistant", "g", True)],
        [("user", "h", False), ("assistant", "i", True)],
    ]
    assert account.sentences() == [
        "1 row left out: an answer is empty (data.jsonl row 5 (line 5))",
        "1 row left out: a system's turn does not stand first (data.jsonl row 6 (line 6))",
        "1 row left out: no turn at all (data.jsonl row 7 (line 7))",
        "1 row: what nobody answered is cut off the end (data.jsonl row 4 (line 4))",
    ]


def test_roles_and_texts_by_their_other_names(tmp_path: Path) -> None:
    named = {"system": "system", "user": "human", "assistant": "gpt"}
    rows = [
        turns(("system", "S"), ("user", "A?"), ("assistant", "b.")),
        turns(("user", "C"), ("assistant", "d"), ("user", "E"), ("assistant", "f g")),
    ]
    other = [
        {"conversations": [{"from": named[m["role"]], "value": m["content"]} for m in row["messages"]]}
        for row in rows
    ]
    first, _ = talks(tmp_path, rows)
    second, _ = talks(tmp_path, other)
    assert first == second
    assert sum(turn.learned for each in first for turn in each.turns) == 3


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (turns(("narrator", "a"), ("assistant", "b")), "role 'narrator' is not known"),
        (turns(("tool", "a"), ("assistant", "b")), "role 'tool' is not known"),
        ({"messages": "hello"}, "the messages are no list"),
        ({"messages": ["hello"]}, "a message is no object with a role and a text"),
        ({"messages": [{"content": "a"}]}, "a message has no role"),
        ({"messages": [{"role": "user"}]}, "a question is missing"),
        (turns(("user", " "), ("assistant", "b")), "a question is empty"),
        (turns(("user", "a")), "no answer to anything"),
        (turns(("assistant", "a")), "no answer to anything"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image"}]}]},
            "a message holds something else than text",
        ),
        ({"messages": None}, "the messages are no list"),
        ({"other": 1}, "the messages are no list"),
    ],
)
def test_what_is_no_conversation_is_left_out_by_reason(tmp_path: Path, row: Any, reason: str) -> None:
    _, account = talks(tmp_path, [turns(("user", "a"), ("assistant", "b")), row])
    assert list(account.reasons) == [reason]


def test_texts_in_pieces_are_joined(tmp_path: Path) -> None:
    pieces = [{"type": "text", "text": "a "}, {"type": "text", "text": "b"}]
    row = {"messages": [{"role": "user", "content": pieces}, {"role": "assistant", "content": 7}]}
    [found], _ = talks(tmp_path, [row])
    assert of(found) == [("user", "a b", False), ("assistant", "7", True)]


def test_prompt_and_completion_stay_letter_by_letter(tmp_path: Path) -> None:
    found, account = talks(
        tmp_path,
        [{"prompt": "The sky is ", "completion": "a b"}, {"prompt": "", "completion": " x"}, {"prompt": "p"}],
    )
    assert [("".join(turn.text for turn in each.turns), each.plain) for each in found] == [
        ("The sky is a b", True),
        (" x", True),
    ]
    assert list(account.reasons) == ["a completion is missing"]


def test_instructions_with_and_without_an_input(tmp_path: Path) -> None:
    rows = [
        {"instruction": "Add.", "input": "1 2", "output": "3"},
        {"instruction": "Greet.", "input": "", "output": "Hello."},
        {"instruction": "Nothing.", "input": "", "output": ""},
    ]
    found, account = talks(tmp_path, rows)
    assert [of(each)[0][1] for each in found] == ["Add.\n\n1 2", "Greet."]
    assert list(account.reasons) == ["an output is empty"]


def test_an_instruction_with_instances_is_a_conversation_each(tmp_path: Path) -> None:
    instances = [{"input": "1 2", "output": "3"}, {"input": "2 2", "output": "4"}]
    found, account = talks(
        tmp_path,
        [{"instruction": "Add.", "instances": instances}, {"instruction": "None.", "instances": []}],
    )
    assert [of(each)[1][1] for each in found] == ["3", "4"]
    assert (account.used, account.left_out) == (1, 1)


def test_columns_that_are_no_conversation_are_named(tmp_path: Path) -> None:
    table = open_table(write(tmp_path, [{"question": "a", "reply": "b"}]))
    with pytest.raises(SettingError, match="no columns of conversations; there are: question, reply"):
        find_conversations(table)
    account = Account()
    named = find_conversations(table, {"prompt": "question", "completion": "reply"})
    assert len(list(named.read(account))) == 1


def test_nothing_that_can_be_used_is_an_error(tmp_path: Path) -> None:
    table = open_table(write(tmp_path, [{"messages": []}, {"messages": []}]))
    with pytest.raises(EmptyError, match=r"(?s)no conversation can be used, 2 rows left out.*no turn at all"):
        list(find_conversations(table).read(Account()))


def pairs(tmp_path: Path, rows: list[Any]) -> tuple[list[Preference], Account]:
    account = Account()
    found = list(find_preferences(open_table(write(tmp_path, rows))).read(account))
    assert account.used + account.left_out == len(rows)
    return found, account


def test_pairs_that_teach_nothing_are_left_out(tmp_path: Path) -> None:
    rows = [
        {"prompt": "a", "chosen": "b", "rejected": "c"},
        {"prompt": "d", "chosen": "same", "rejected": "same"},
        {"prompt": "e", "chosen": "f", "rejected": ""},
        {"prompt": "g", "chosen": "h", "rejected": "h "},
        {"prompt": "i", "chosen": "j"},
    ]
    [found], account = pairs(tmp_path, rows)
    assert (found.prompt[0].text, found.chosen[0].text, found.rejected[0].text) == ("a", "b", "c")
    assert (found.plain, found.chosen[0].learned) == (True, True)
    assert {reason: [p.row for p in seen.places] for reason, seen in account.reasons.items()} == {
        "chosen and rejected are equal but for blanks at the end": [2, 4],
        "a rejected answer is empty": [3],
        "a rejected answer is missing": [5],
    }


@pytest.mark.parametrize("form", ["whole", "answers", "no prompt"])
def test_pairs_of_messages(tmp_path: Path, form: str) -> None:
    prompt = turns(("system", "s"), ("user", "q"))["messages"]
    good, bad = ([{"role": "assistant", "content": text}] for text in ("yes", "no"))
    row = {"prompt": prompt, "chosen": good, "rejected": bad}
    if form != "answers":
        row |= {"chosen": prompt + good, "rejected": prompt + bad}
    if form == "no prompt":
        del row["prompt"]
    [found], _ = pairs(tmp_path, [row])
    assert [turn.text for turn in found.prompt] == ["s", "q"]
    assert [turn.text for turn in (*found.chosen, *found.rejected)] == ["yes", "no"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (
            {"prompt": "a", "chosen": "b", "rejected": [{"role": "assistant", "content": "c"}]},
            "one answer is a text",
        ),
        ({"prompt": " ", "chosen": "b", "rejected": "c"}, "a prompt is empty"),
        ({"prompt": [], "chosen": "b", "rejected": "c"}, "no question that both answer"),
        (
            {"chosen": turns(("user", "a"))["messages"], "rejected": turns(("user", "a"))["messages"]},
            "an answer does not begin and end with",
        ),
    ],
)
def test_what_is_no_pair_is_left_out_by_reason(tmp_path: Path, row: Any, reason: str) -> None:
    _, account = pairs(tmp_path, [{"prompt": "a", "chosen": "b", "rejected": "c"}, row])
    assert [each for each in account.reasons if each.startswith(reason)]


def test_an_instruction_is_a_prompt(tmp_path: Path) -> None:
    row = {"instruction": "Add.", "input": "1 2", "output": "3", "chosen": "3", "rejected": "4"}
    [found], _ = pairs(tmp_path, [row])
    assert (found.prompt[0].text, found.plain) == ("Add.\n\n1 2", False)


def test_columns_that_are_no_pairs_are_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="no columns of preference; there are: prompt, completion"):
        find_preferences(open_table(write(tmp_path, [{"prompt": "a", "completion": "b"}])))
