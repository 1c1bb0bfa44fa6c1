"""A conversation with a model: who said what, and what of it fits; its form is that of `turns`."""

from __future__ import annotations

from collections.abc import Generator

from corpuskit.errors import SettingError, checks_arguments
from corpuskit.shards.permutation import derive_key
from corpuskit.train.data.tables.conversations import Turn
from corpuskit.train.generate.generate import LanguageModel, check_counts
from corpuskit.train.generate.sampling import Prompt, Sampling
from corpuskit.train.generate.turns import Speech


class Chat:
    """A conversation that remembers as many turns as the model's context holds.

    Attributes:
        turns: all turns so far, without the system's.
        system: what the system says before all; empty for nothing.
        seed: of the replies; the same conversation with the same seed has the same replies.
        sampling: how tokens are drawn.
        forgotten: turns at the beginning that the last reply was written without.
        unread: tokens at the beginning of the last question that the reply was written without.
    """

    @checks_arguments
    def __init__(
        self,
        model: LanguageModel,
        sampling: Sampling | None = None,
        seed: int = 0,
        max_tokens: int = 200,
        system: str = "",
        plain: bool = False,
    ) -> None:
        """Begin a conversation.

        Args:
            max_tokens: most tokens of a reply; up to half of the context is kept free for them.
            plain: write roles as lines although the tokenizer has role tokens.

        Raises SettingError for a model that is no decoder, for max_tokens below 1, and for a system text that
        leaves no room in the context.
        """
        settings = model.model.settings
        if settings.kind != "decoder":
            raise SettingError(
                f"this model is an {settings.kind}: it cannot be talked with",
                remedy="Name the folder of a decoder; see `corpuskit sample` for what this one can do.",
            )
        check_counts(tokens=max_tokens)
        self.turns: list[Turn] = []
        self.system, self.seed, self.sampling = system, seed, sampling or Sampling()
        self.forgotten = self.unread = 0
        self._model, self._max_tokens = model, max_tokens
        self._room = settings.context - min(max_tokens, settings.context // 2)
        self._speech = Speech(model.tokenizer, model.end_of_text, plain)
        self._head = self._speech.head(system)
        if len(self._head) > self._room // 2:
            raise SettingError(
                f"the system text takes {len(self._head)} of {settings.context} tokens of the context",
                remedy="Shorten it.",
            )

    @property
    def has_roles(self) -> bool:
        """Whether turns are marked by role tokens."""
        return self._speech.has_roles

    @property
    def is_tuned(self) -> bool:
        """Whether the model was tuned for conversations: fine-tuning notes "chat": true in model.json."""
        return self._model.document.get("chat") is True

    def reset(self) -> None:
        """Forget all that was said, but for the system's text."""
        self.turns.clear()
        self.forgotten = self.unread = 0

    @checks_arguments
    def reply(self, text: str) -> Generator[str, None, None]:
        """What the model says to `text`, piece by piece. Both turns are remembered, a reply cut off too."""
        ids = self._ids([*self.turns, Turn("user", text)])
        drawn = derive_key(self.seed, len(self.turns)) >> 1
        prompt = Prompt(ids, drawn, self._speech.ends, None, self._speech.stop)
        said = ""
        try:
            stream = self._model.stream(prompt, self._max_tokens, self.sampling)
            for piece in stream:
                piece = piece if said else piece.lstrip()
                said += piece
                if piece:
                    yield piece
        finally:
            self.turns += [Turn("user", text), Turn("assistant", said.strip())]

    def _ids(self, said: list[Turn]) -> list[int]:
        """Ids of the conversation up to where the reply begins: the newest turns that fit."""
        opening = self._speech.opening()
        room = self._room - len(self._head) - len(opening)
        kept = [self._speech.turn(said[-1], room)]
        self.unread = len(self._speech.turn(said[-1])) - len(kept[0])
        # The newest first, question and answer together: half of a pair would let one side speak twice.
        for asked, answered in zip(said[-3::-2], said[-2::-2], strict=True):
            earlier = [self._speech.turn(asked), self._speech.turn(answered)]
            if sum(map(len, [*earlier, *kept])) > room:
                break
            kept = [*earlier, *kept]
        self.forgotten = len(said) - len(kept)
        return [*self._head, *(token for ids in kept for token in ids), *opening]
