"""The settings of sequence to sequence."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from corpuskit.train.settings.tune import Names, TuneSettings


class Seq2seqSettings(TuneSettings):
    """Settings of `seq2seq`: a text is written for a text.

    Attributes:
        source, target: columns, by name or as #3; found without them.
        features: further columns that are read behind the source, a tab before each.
        targets: a file of targets, where the data are a file of sources: line for line. Held-out files are
            then named as SOURCES,TARGETS.
        long_pairs: what becomes of a pair that does not fit: "leave" it out, or "cut" its longer side first,
            of a target that was cut no end being taught.
        by_length: batches hold pairs of about one length.
        label_smoothing: share e of a target that is spread over all tokens: (1 - e) of its -log p and e of
            the mean of -log p over the vocabulary. What is measured is not smoothed.
        choose: the figure by which the kept weights are chosen: "loss", "chrf" or "exact_match".
        max_new: tokens of a text at most, its end included, while the model learns and wherever nothing else
            is asked for later on; a quarter more than those of the longest target without it.
    """

    source: str | None = None
    target: str | None = None
    features: Names = ()
    targets: str | None = None
    long_pairs: Literal["leave", "cut"] = "leave"
    by_length: bool = True
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    choose: Literal["loss", "chrf", "exact_match"] = "loss"
    max_new: int | None = Field(default=None, ge=1)
    eval_tokens: int | None = Field(default=16_384, ge=1)
