"""Sequence to sequence: to write a text for a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train.data.examples import Examples
from corpuskit.train.data.pairs import Pair, pair_batch, positions_of, prompt_ids, trim
from corpuskit.train.data.rows import LengthOrder
from corpuskit.train.evaluate.written.scores import exact_match, has_sacrebleu, score_of
from corpuskit.train.generate.lines import one_line, text_of, usual_most
from corpuskit.train.generate.search import write
from corpuskit.train.model.loss import IGNORED, linear_cross_entropy
from corpuskit.train.model.preference import linear_log_probabilities
from corpuskit.train.model.smoothing import smoothed_cross_entropy
from corpuskit.train.model.transformer import ModelSettings, Transformer, is_real
from corpuskit.train.settings.seq2seq import Seq2seqSettings
from corpuskit.train.tasks.task import Extent, Inputs, Measuring, Metrics, Tensors, Validation, micro_batches
from corpuskit.train.tasks.tuned import Example, Tuned, best_by, rounded

_WRITING = 5  # passes over a row, about which its text takes, a token at a time
_SHARE_BATCHES = 200  # by which the share of padding is known


class Seq2seq(Tuned):
    """A target for each source, its end among what is learnt; a `Task`.

    Examples have "source" and "target", ids without begin and end, and "ended", whether the end is taught.
    See `corpuskit.train.data.pairs` for what is read and asked. Held-out pairs are written for greedily, too.
    """

    name = "seq2seq"

    def __init__(
        self,
        settings: Seq2seqSettings,
        shape: ModelSettings,
        tokenizer: Tokenizer,
        end_of_text: int,
        train: Examples,
        validation: Examples | None,
        base: str = "",
    ) -> None:
        self._both = shape.kind == "encoder-decoder"
        super().__init__(settings, shape, train, validation, base)
        self._own, self._tokenizer, self._end_of_text = settings, tokenizer, end_of_text
        # Processes that shard a model must call it equally often, and texts are of different lengths.
        self._writes = settings.parallel != "fsdp"
        figures = ("loss", "exact_match", "chrf") if self._writes else ("loss",)
        self.best = best_by(settings.choose, figures)
        self.longest = int(train.lengths("target").max()) + 1
        self.most = min(settings.max_new or usual_most(self.longest), shape.context)
        self.measuring = _WRITING if self._writes else 1
        special = tokenizer.never_text(shape.vocab_size)
        self._forbidden = [number for number in special if number != end_of_text]
        self._plain: Tensor | None = None
        if settings.by_length:
            self.order = LengthOrder(self.order, self.row_lengths)  # type: ignore[assignment]

    def lengths(self, examples: Examples) -> npt.NDArray[np.int64]:
        """Positions of each example: of an encoder-decoder those of both sides."""
        source, target = examples.lengths("source"), examples.lengths("target")
        return source + target + (1 if self._both else 2)

    def tensors(self, rows: Sequence[Sequence[Example]]) -> Tensors:
        """As `pair_batch`."""
        pairs = [pair_of(row[0]) if row else None for row in rows]
        return pair_batch(pairs, self._end_of_text, both=self._both)

    def micro_batches(self, batch: Tensors, rows: int) -> list[Tensors]:
        """Parts of so many rows, each tensor as long as its longest row."""
        return [trim(part) for part in micro_batches(batch, rows)]

    def extent(self) -> Extent:
        """That of the longest source and the longest target."""
        source, target = (int(self.train.lengths(side).max()) for side in ("source", "target"))
        tokens = max(1, round(self.tokens / len(self.rows)))
        longest = rounded(target + 1)
        if self._both:
            return Extent(longest, rounded(source), longest, True, tokens)
        return Extent(rounded(int(self.row_lengths.max())), 0, longest, False, tokens)

    def shares(self, steps: int) -> str:
        """How much of the batches fills rows up."""
        batches = range(min(steps, self.order.steps_per_epoch, _SHARE_BATCHES))
        real = places = 0
        for step in batches:
            batch = self.batch(step, range(self.batch_rows))
            for part in self.micro_batches(batch, self._own.micro_batch_rows or self.batch_rows):
                for name, lengths in (("ids", "lengths"), ("source", "source_lengths")):
                    if name in part:
                        real += int(part[lengths].sum())
                        places += part[name].numel()
        how = "batches by length" if self._own.by_length else "batches of any lengths"
        return f"{how}: {1 - real / max(1, places):.1%} of what they hold fills rows up"

    # ------------------------------------------------------------------------------------- what is learnt
    def loss(self, model: Transformer, batch: Inputs) -> Tensor:
        """Sum of -log p over the targets; smoothed while the model learns, if that is asked for."""
        states, targets = target_states(model, batch).flatten(0, 1), batch["targets"].flatten()
        smoothing = self._own.label_smoothing
        if not smoothing or not model.training:
            return linear_cross_entropy(states, model.token_weight, targets, model.token_losses)
        total, plain = smoothed_cross_entropy(
            states, model.token_weight, targets, smoothing, model.token_losses
        )
        self._plain = plain.detach() if self._plain is None else self._plain + plain.detach()
        return total

    def beside(self) -> dict[str, Tensor]:
        """Without smoothing, what the batches since the last call cost: their summed loss."""
        found, self._plain = self._plain, None
        return {} if found is None else {"plain_loss": found}

    def count(self, batch: Tensors) -> float:
        """Tokens that are to be written, ends among them."""
        return int((batch["targets"] != IGNORED).sum())

    # ----------------------------------------------------------------------------------- what is measured
    def answers(self, model: Transformer, batch: Inputs) -> Tensor:
        """Of each pair -log p of its target, then one more than each id of what is written, 0 for none."""
        nats = target_nats(model, batch)[:, None]
        if not self._writes:
            return nats
        prompts, sources = prompts_of(batch, self._end_of_text)
        most = [min(self.most, self.shape.context - len(prompt) + 1) for prompt in prompts]
        written = write(
            model,
            prompts,
            end=self._end_of_text,
            most=most,
            sources=sources,
            forbidden=self._forbidden,
        )
        found = torch.zeros(len(prompts), self.most)
        for row, each in enumerate(written):
            found[row, : len(each.ids)] = torch.tensor(each.ids, dtype=torch.float32) + 1
        return torch.cat([nats.float(), found.to(nats.device)], 1)

    def measure(self, model: Measuring, validation: Validation) -> Metrics:
        """The loss without smoothing, and of what is written exact match and, with sacrebleu, chrF."""
        batch = validation.batch
        found = model.answers(batch)
        others: dict[str, float | None] = {}
        if self._writes:
            said = [self._text(row) for row in (found[:, 1:] - 1).long().tolist()]
            wanted = [self._text(row) for row in batch["targets"].tolist()]
            others["exact_match"] = exact_match(said, wanted)
            if has_sacrebleu():
                others["chrf"] = score_of("chrf", said, wanted).value
        nats = float(found[:, 0].double().sum())
        return Metrics(nats, self.count(batch), others=others)

    def _text(self, ids: Sequence[int]) -> str:
        kept = [each for each in ids if each >= 0 and each != self._end_of_text]
        return one_line(text_of(self._tokenizer, kept))

    def milestone(self, model: Transformer) -> dict[str, Any] | None:
        """What is written for the first held-out source, or the first of all."""
        examples = self.validation_examples or self.train
        source = examples.row(0)["source"].tolist()
        end = self._end_of_text
        prompt = [end] if self._both else prompt_ids(source, end)
        [each] = write(
            model.eval(),
            [prompt],
            end=end,
            most=[min(self.most, self.shape.context - len(prompt) + 1)],
            sources=[source] if self._both else None,
            forbidden=self._forbidden,
        )
        return {"text": f"{self._tokenizer.decode(source)} => {text_of(self._tokenizer, each.ids)}"}

    def document(self) -> dict[str, Any]:
        """How a source is read, how long the longest target was, and how long a text may be."""
        own = self._own
        tuned: Mapping[str, Any] = {
            "task": self.name,
            "context": own.context,
            "longest": self.longest,
            "max_new": self.most,
            "source": own.source,
            "target": own.target,
            "features": list(own.features),
        }
        return {"tuned": tuned}


def pair_of(example: Example) -> Pair:
    """An example as a pair."""
    return Pair(example["source"], example["target"], bool(example["ended"][0]))


def pair_positions(source: int, target: int, shape: ModelSettings) -> int:
    """Positions of a pair of so many tokens, which the context must have."""
    return positions_of(source, target, both=shape.kind == "encoder-decoder")


def target_states(model: Transformer, batch: Inputs) -> Tensor:
    """What the head reads for each target of a batch of `pair_batch`, (B, M, C)."""
    if "source" not in batch:
        states = model.states(batch["ids"])  # No real position sees what fills rows up behind it.
        return states.gather(1, batch["positions"][:, :, None].expand(-1, -1, states.shape[2]))
    real = is_real(batch["source"], batch["source_lengths"])
    memory = model.encode(batch["source"], real.long())
    return model.states(batch["ids"], memory=memory, memory_mask=real[:, None])


def target_nats(model: Transformer, batch: Inputs) -> Tensor:
    """-log p of the targets of each pair of a batch, (B,), in float32 or wider."""
    states, targets = target_states(model, batch), batch["targets"]
    found = linear_log_probabilities(
        states.flatten(0, 1), model.token_weight, targets.flatten(), model.token_losses
    )
    return -found.view(targets.shape).sum(1)


def prompts_of(batch: Inputs, begin: int) -> tuple[list[list[int]], list[list[int]] | None]:
    """What a model reads before it writes, of each pair of a batch: prompts, and sources where it has any."""
    if "source" in batch:
        lengths = batch["source_lengths"].tolist()
        rows = batch["source"].tolist()
        return [[begin] for _ in rows], [row[:n] for row, n in zip(rows, lengths, strict=True)]
    first = batch["positions"][:, 0].tolist()
    return [row[: at + 1] for row, at in zip(batch["ids"].tolist(), first, strict=True)], None
