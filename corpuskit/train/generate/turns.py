"""A conversation as tokens: the one form in which a model is taught to talk and is talked with.

With role tokens a conversation is

    <|endoftext|> [<|system|> text <|end_of_turn|>] <|user|> text <|end_of_turn|> <|assistant|> text ...

and a reply ends with <|end_of_turn|>. A tokenizer without them writes the roles as lines, "User: ..." and
"Assistant: ...". A model is taught to end each reply with the token that ends a text, also where the line's
end stands in its place and the conversation goes on; of a model that was never taught, a reply ends before
the next line that begins with "User:". What is said is text, and never becomes one of these tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

from corpuskit.errors import TrainError
from corpuskit.tokenizer.special import ASSISTANT, END_OF_TURN, SYSTEM, USER
from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train.data.tables.conversations import Role, Turn

_TOKENS: dict[Role, str] = {"system": SYSTEM, "user": USER, "assistant": ASSISTANT}
_WORDS: dict[Role, str] = {"system": "System", "user": "User", "assistant": "Assistant"}


LEARNT, ENDS = 1, 2
"""What is asked for where an id stands: the id itself, or in its place the token that ends a text; 0 nothing.
"""


class Speech:
    """How a tokenizer writes a conversation.

    Attributes:
        has_roles: whether turns are marked by role tokens.
        ends: ids that end a reply.
        stop: texts that end one, without role tokens.
    """

    def __init__(self, tokenizer: Tokenizer, end_of_text: int, plain: bool = False) -> None:
        """Of a tokenizer; `plain` writes roles as lines although it has role tokens."""
        self._tokenizer, self._end_of_text = tokenizer, end_of_text
        self._roles = None if plain else _role_ids(tokenizer)
        self.has_roles = self._roles is not None
        self.ends = [end_of_text, *([self._roles[END_OF_TURN]] if self._roles else [])]
        self.stop = () if self._roles else (f"\n{_WORDS['user']}:",)

    def head(self, system: str = "") -> list[int]:
        """How a conversation begins."""
        return [self._end_of_text, *(self.turn(Turn("system", system)) if system else [])]

    def opening(self) -> list[int]:
        """What stands before a reply."""
        return self._marked("assistant")[0]

    def turn(self, turn: Turn, room: int | None = None) -> list[int]:
        """Ids of a turn; of one that is longer than `room` the end, which is nearest to the reply."""
        before, after = self._marked(turn.role)
        text = self._said(turn)
        if room is not None:
            text = text[max(0, len(before) + len(text) + len(after) - room) :]
        return [*before, *text, *after]

    def taught(self, turns: Sequence[Turn]) -> tuple[list[int], list[int]]:
        """Ids of a whole conversation, and what a model is to learn to write of them: 0, `LEARNT` or `ENDS`.

        Those are the texts of turns that are `learned`, and the token behind each that ends it. Of roles as
        lines that is the token that ends a text: it stands behind the last reply, and is asked for behind
        each other, where the line's end stands.
        """
        ids, learnt = self.head(), [0]
        for number, turn in enumerate(turns):
            before, after = self._marked(turn.role)
            ends = [LEARNT] * len(after)
            if turn.role == "assistant" and not self.has_roles:
                last = number == len(turns) - 1
                after = [self._end_of_text] if last else after
                ends = [LEARNT if last else ENDS, *[0] * (len(after) - 1)]
            said = self._said(turn)
            ids += [*before, *said, *after]
            learnt += [0] * len(before) + [turn.learned * each for each in [LEARNT] * len(said) + ends]
        return ids, learnt

    def taught_plain(self, turns: Sequence[Turn]) -> tuple[list[int], list[int]]:
        """The same of a prompt and what follows it, without roles: each is encoded by itself.

        So the prompt's ids are those that a model is asked with. Behind the last text stands the token that
        ends a text, which is learnt with it.
        """
        ids, learnt = [self._end_of_text], [0]
        for turn in turns:
            said = self._tokenizer.encode(turn.text)
            ids += said
            learnt += [turn.learned * LEARNT] * len(said)
        return [*ids, self._end_of_text], [*learnt, turns[-1].learned * LEARNT]

    def _said(self, turn: Turn) -> list[int]:
        return self._tokenizer.encode(turn.text if self.has_roles else f" {turn.text}")

    def _marked(self, role: Role) -> tuple[list[int], list[int]]:
        """What stands before and behind what a role says."""
        if self._roles is not None:
            return [self._roles[_TOKENS[role]]], [self._roles[END_OF_TURN]]
        return self._tokenizer.encode(f"{_WORDS[role]}:"), self._tokenizer.encode("\n")


def _role_ids(tokenizer: Tokenizer) -> dict[str, int] | None:
    """The ids of the role tokens by name; None unless the tokenizer has them all."""
    try:
        return {name: tokenizer.special_id(name) for name in (*_TOKENS.values(), END_OF_TURN)}
    except TrainError:
        return None
