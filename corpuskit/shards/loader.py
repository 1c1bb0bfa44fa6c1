"""The loader: batches of a run over shards, for a training loop of one's own, in NumPy.

Batch s is a function of (shards, settings, s) alone. Samples are counted over the run: sample i is a row of
epoch i // n, and batch s holds the samples [s B, (s + 1) B), so that the last batch of an epoch is filled
from the next one. Processes share a batch in order of rank. That is all there is to the state of a run: the
number of the next batch, and a fingerprint of what fixes the batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from corpuskit.errors import SettingError, checks_arguments
from corpuskit.shards.batch import Batch
from corpuskit.shards.batches import Order
from corpuskit.shards.mixing import shares, turns
from corpuskit.shards.packing import geometry
from corpuskit.shards.reader import Shards, check_rows, check_share, open_shards
from corpuskit.shards.rows import Rows, batch_of, check_method, rows_of, share
from corpuskit.shards.sources import source_lines
from corpuskit.storage.ahead import read_ahead
from corpuskit.storage.files import sha256_json

VERSION = 1
"""Of which rows a batch holds: raised when equal settings would give others."""


class Loader:
    """Batches without an end, or for some epochs: ``for batch in loader`` begins at `step`.

        loader = Loader("runs/sample", rows=8, context=128, seed=1, packing="best_fit", epochs=2)
        for inputs, targets, bounds in loader:
            ...
        state = loader.state_dict()

    `loader[s]` is batch s, at random, in a time that depends on neither s nor the corpus. Read ahead in a
    thread are `prefetch` batches and no more.

    Attributes:
        step: number of the next batch.
        rows_per_epoch: rows that each epoch reads once; of a mixture, the rows of a round.
        left_over: tokens that no row holds, of the split or, of a mixture, of its sources.
        counts: of a mixture, the rows of each source in a round, weight 0 included.
        rows_of: how many rows there are of each source; of the split under its name without a mixture.
        notes: which sources of a mixture are never drawn, and why; sentences.
    """

    step: int = 0

    @checks_arguments
    def __init__(
        self,
        shards: Shards | Path | str,
        rows: int = 8,
        context: int = 1024,
        seed: int = 0,
        split: str = "train",
        packing: str = "concatenate",
        rank: int = 0,
        world: int = 1,
        epochs: int | None = None,
        mixture: Mapping[str, float] | None = None,
        mixture_rows: int = 1000,
        prefetch: int = 2,
        verify: bool = False,
    ) -> None:
        """Open shards, of which opening checks the manifest and the size of each file.

        Args:
            shards: a run, a folder of shards, their URI, or opened shards.
            rows: rows of a batch over all processes, B; a multiple of `world`.
            context: tokens of a row, T.
            seed: fixes the order.
            split: name of the split.
            packing: "concatenate" or "best_fit", as of `Shards.batches`.
            rank, world: which process this is of how many: it has the rows [rank, rank + 1) * B / world.
            epochs: end after so many, the last batch filled from the next one; without it never.
            mixture: weight of each source of the split; 0 leaves one out. Each has epochs of its own.
            mixture_rows: rows of a round, after which the counts of a mixture are exact.
            prefetch: batches that a thread reads ahead; 0 for none.
            verify: read every byte first, and refuse a file that is not as its digest records it.

        Raises SettingError for an argument out of bounds, for a split with less than a batch, and for a
        source with a weight and without a row; ShardError for shards that do not hold together.
        """
        counts = {"rows": rows, "context": context, "world": world, "epochs": 1 if epochs is None else epochs}
        check_share(counts, rank)
        if prefetch < 0:
            raise SettingError(f"prefetch = {prefetch} is below 0", remedy="Give 0 or more.")
        self.shards = shards if isinstance(shards, Shards) else open_shards(shards)
        if verify:
            self.shards.verify()
        self.batch_rows, self.context, self.seed, self.epochs = rows, context, seed, epochs
        self.packing, self.prefetch, self._share = check_method(packing), prefetch, (rank, world)
        self._line, self._facts = self.shards.split(split), self.shards.facts(split)
        self.counts: dict[str, int] = {}
        self.notes: list[str] = []
        made_of: list[object] = [VERSION, self.shards.fingerprint, split, rows, context, seed, packing]
        if mixture is None:
            parts = {split: rows_of(self._line, self.shards.origin(self._line), packing, *self._shape)}
            check_rows(parts[split].count, rows, context, split)
            self._turns = None
        else:
            parts, digests = self._mixed(mixture, mixture_rows)
            self._turns = turns(tuple(self.counts.values()))
            made_of += [self.counts, digests]
        self.left_over = sum(part.left_over for part in parts.values())
        self.rows_of = {name: part.count for name, part in parts.items()}
        self.fingerprint = sha256_json(made_of)
        """sha256, in hex, of what fixes the batches: not rank, world, workers or prefetch."""
        self._parts: dict[int, tuple[Rows, Order]] = {}
        for name, part in parts.items():
            number = list(self.counts).index(name) if self.counts else 0
            # Sources of equally many rows are not put in one order.
            key = (number,) if self.counts else ()
            self._parts[number] = part, Order(part.count, seed, *key)
        self.rows_per_epoch = mixture_rows if self.counts else self.rows_of[split]

    @property
    def _shape(self) -> Any:
        return geometry(self.context), self.shards.end_of_text

    def _mixed(self, weights: Mapping[str, float], round_rows: int) -> tuple[dict[str, Any], dict[str, str]]:
        """The rows of each source that is drawn, and which tokens are whose."""
        lines = source_lines(self.shards, self._line)
        self.counts = shares(weights, round_rows)
        if unnamed := sorted(lines.keys() - weights.keys()):
            raise SettingError(
                f"mixture names {', '.join(sorted(weights))}; the split {self._line.name!r} has "
                f"{', '.join(unnamed)} too",
                remedy="Give each source a weight; 0 leaves it out.",
            )
        parts, digests = {}, {}
        for name, count in self.counts.items():
            if weights[name] and name not in lines:
                raise SettingError(
                    f"mixture: {name!r} has the weight {weights[name]:g} and no row in the split "
                    f"{self._line.name!r}",
                    remedy="Give it the weight 0, or take it out of the mixture.",
                )
            if not count:
                why = f"too little for a row in {round_rows:,}" if weights[name] else "it is left out"
                self.notes.append(f"{name} has the weight {weights[name]:g}: {why}.")
                continue
            line = lines[name]
            # Packed pieces are places in the split, cut ones in the line of the source.
            whole = self._line if self.packing == "best_fit" else line
            parts[name] = rows_of(whole, line.origin(self.shards), self.packing, *self._shape)
            digests[name] = line.digest
        return parts, digests

    # ------------------------------------------------------------------------------------------- batches
    def __len__(self) -> int:
        """Batches of all epochs, from the first on; TypeError where there is no end."""
        if self.epochs is None:
            raise TypeError("a loader without epochs has no end: give epochs=1")
        return -(-self.epochs * self.rows_per_epoch // self.batch_rows)

    def samples(self, step: int) -> range:
        """Numbers, counted over the run, of the rows of batch `step` that are this process's own."""
        first = step * self.batch_rows
        return share(range(first, first + self.batch_rows), *self._share)

    def row(self, sample: int) -> tuple[str, int]:
        """The source of a sample, or the split, and the number of its row there."""
        part, number = self._row(sample)
        names = list(self.counts) or [self._line.name]
        return names[part], number

    def __getitem__(self, step: int) -> Batch:
        """Batch `step`. Raises IndexError below 0 and behind the last."""
        if step < 0 or (self.epochs is not None and step >= len(self)):
            raise IndexError(f"there is no batch {step}")
        numbered = [self._row(sample) for sample in self.samples(step)]
        rows = [(self._parts[part][0], number) for part, number in numbered]
        return batch_of(self._facts, self.context + 1, rows)

    def __iter__(self) -> Iterator[Batch]:
        """Batches from `step` on, which counts those that were given."""
        batches = self._plain(self.step)
        for batch in read_ahead(batches, self.prefetch, "batches") if self.prefetch else batches:
            self.step += 1
            yield batch

    def _row(self, sample: int) -> tuple[int, int]:
        if self._turns is None:
            return 0, self._parts[0][1][sample]
        number, place = divmod(sample, len(self._turns))
        part, before = self._turns[place]
        return part, self._parts[part][1][number * self._in_round(part) + before]

    def _in_round(self, part: int) -> int:
        return list(self.counts.values())[part]

    def _plain(self, step: int) -> Iterator[Batch]:
        while self.epochs is None or step < len(self):
            yield self[step]
            step += 1

    # --------------------------------------------------------------------------------------------- state
    def state_dict(self) -> dict[str, Any]:
        """Where the run stands: the number of the next batch, and what fixes the batches."""
        return {"step": self.step, "fingerprint": self.fingerprint}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state, of whatever rank and world. Raises SettingError for that of other batches."""
        self.step = step_of(state, self.fingerprint, self.described())

    def described(self) -> str:
        """What fixes the batches, in words."""
        parts = [f"split = {self._line.name!r}", f"rows = {self.batch_rows}", f"context = {self.context}"]
        parts += [f"seed = {self.seed}", f"packing = {self.packing!r}"]
        if self.counts:
            parts.append(f"mixture = {self.counts}")
        return ", ".join(parts)


def step_of(state: Mapping[str, Any], fingerprint: str, described: str) -> int:
    """The step of a state. Raises SettingError for that of other batches, and for what is no state."""
    step = state.get("step")
    if isinstance(step, bool) or not isinstance(step, int | np.integer) or step < 0:
        raise SettingError(f"the state has step = {step!r}", remedy="Give what state_dict() gave.")
    if state.get("fingerprint") != fingerprint:
        raise SettingError(
            f"the state is of other batches: its fingerprint is {str(state.get('fingerprint'))[:12]}, that "
            f"of these shards with {described} is {fingerprint[:12]}",
            remedy="Open the same shards with the same rows, context, seed, packing and mixture.",
        )
    return int(step)
