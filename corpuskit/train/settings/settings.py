"""The settings of a training run, by subject. All are flat names to a person, a recipe and a document.

A `TrainSettings` is one of each group, so that whoever needs a group alone asks for no more than that.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from corpuskit.errors import SettingError, nearest
from corpuskit.train.settings.values import listed, weighed

ObjectiveName = Literal["causal", "masked", "spans", "denoise"]
KindName = Literal["decoder", "encoder", "encoder-decoder"]

MUON_RATIO = 2.0
"""Muon's rate over AdamW's: of once, twice and four times twice is best by little (4 layers of 128 on
Shakespeare)."""


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Shape(_Group):
    """The model.

    Seldom set: kv_heads, head_dim, hidden, qk_norm, zero_init, rope_base, rope_scaling, softcap, norm_eps,
    tie_embeddings.

    Attributes:
        head_dim: width of each head, where it is not width / heads.
        hidden: width of the MLP. Without a gate it is half as much again as with one, for as many parameters.
        kind: what the model is; without it what the objective has always trained.
        qk_norm: on, but for encoders: none that others load has it.
        positions: "learned" is a table of `context` rows, "none" leaves the order to what each position sees.
        init_from: a model folder with whose weights the run begins, of a run or an import. The shape is its
            own, but for the context and dropout, and so is the objective unless another is asked for.
    """

    size: Literal["nano", "tiny", "small", "15m", "124m"] | None = None
    layers: int | None = Field(default=None, ge=1)
    width: int | None = Field(default=None, ge=2)
    heads: int | None = Field(default=None, ge=1)
    kv_heads: int | None = Field(default=None, ge=1)
    head_dim: int = Field(default=0, ge=0)
    hidden: int | None = Field(default=None, ge=1)
    context: int | None = Field(default=None, ge=1)
    kind: KindName | None = None
    norm: Literal["layer", "rms"] = "layer"
    activation: Literal["swiglu", "geglu", "gelu", "relu", "relu2"] = "swiglu"
    positions: Literal["rope", "learned", "none"] = "rope"
    qk_norm: bool | None = None
    zero_init: bool = True
    rope_base: float = Field(default=10_000.0, gt=1)
    softcap: float = Field(default=0.0, ge=0)
    norm_eps: float = Field(default=0.0, ge=0)
    rope_scaling: Annotated[tuple[float, ...], BeforeValidator(listed)] = ()
    tie_embeddings: bool | None = None
    dropout: float | None = Field(default=None, ge=0, lt=1)
    init_from: str | None = None


class Learning(_Group):
    """What is learnt.

    Seldom set: span_density, span_length.

    Attributes:
        objective: "causal" predicts the next token, of an encoder-decoder the second half of a row behind the
            first; "masked" tokens that were masked, "spans" those that were taken out, "denoise" texts whole
            of which spans were hidden, one mask each.
        document_mask: no position sees another document of its row (a decoder or an encoder alone; "denoise"
            keeps documents apart in any case).
        goldfish: "causal" leaves out one target in so many, the same ones each time; 0 for none.
        mask_rate: share of the positions that "masked" predicts, of the tokens that "denoise" hides.
        span_density: share of the tokens that "spans" takes out; no other objective reads it.
        span_length: mean length of a span that "spans" takes out or "denoise" hides, in tokens.
        mixture: weights of the corpus's sources, each of which then has its share of the run, whatever its
            share of the corpus; without it all is read equally often.
        packing: "concatenate" cuts the text anew in each pass; "best_fit" parts no document that fits into a
            row. Without it what the recipe of the shards says, else "concatenate".
    """

    objective: ObjectiveName = "causal"
    document_mask: bool = False
    goldfish: int = Field(default=0, ge=0)
    mask_rate: float = Field(default=0.3, gt=0, lt=1)
    span_density: float = Field(default=0.15, gt=0, lt=1)
    span_length: float = Field(default=3.0, ge=1)
    mixture: Annotated[dict[str, Annotated[float, Field(ge=0)]] | None, BeforeValidator(weighed)] = None
    packing: Literal["concatenate", "best_fit"] | None = None


class Batching(_Group):
    """How long, and on how much at once.

    Seldom set: micro_batch_rows.
    """

    steps: int | None = Field(default=None, ge=1)
    minutes: float | None = Field(default=None, gt=0)
    batch_rows: int | None = Field(default=None, ge=1)
    micro_batch_rows: int | None = Field(default=None, ge=1)


class Optimization(_Group):
    """The optimizer.

    Seldom set: muon_rate, decay_share, weight_decay_fades, beta2, clip, skip_limit, spike_guard.

    Attributes:
        optimizer: "muon" updates the matrices between embedding and head by Muon and the rest by AdamW;
            "adamw" updates all by AdamW.
        muon_rate: Muon's peak learning rate; twice learning_rate, AdamW's, where it is not given.
        weight_decay: of matrices and embeddings; gains do not decay.
        weight_decay_fades: weight decay falls with the learning rate.
        ema: decay per step of a moving average of the weights, which is then what is measured and kept; 0
            for none.
        skip_limit: updates that may be skipped in a row for a loss or gradient that is not finite; one more
            ends the run.
        spike_guard: updates are skipped too when loss or gradient norm lie so many standard deviations above
            the mean of the last 64 steps; 0 for never.
    """

    optimizer: Literal["muon", "adamw"] = "muon"
    learning_rate: float | None = Field(default=None, gt=0)
    muon_rate: float | None = Field(default=None, gt=0)
    schedule: Literal["wsd", "cosine"] = "wsd"
    warmup_steps: int | None = Field(default=None, ge=0)
    decay_share: float = Field(default=0.6, ge=0, le=1)
    weight_decay: float | None = Field(default=None, ge=0)
    weight_decay_fades: bool = False
    ema: float = Field(default=0.0, ge=0, lt=1)
    beta2: float = Field(default=0.99, gt=0, lt=1)
    clip: float = Field(default=1.0, gt=0)
    skip_limit: int = Field(default=3, ge=0)
    spike_guard: float = Field(default=0.0, ge=0)

    @property
    def peak(self) -> float:
        """AdamW's greatest learning rate, once it is chosen."""
        assert self.learning_rate is not None
        return self.learning_rate

    @property
    def muon_peak(self) -> float:
        """Muon's greatest learning rate."""
        return self.muon_rate or MUON_RATIO * self.peak


class Watching(_Group):
    """What is looked at, what is kept.

    Seldom set: eval_tokens, keep.

    Attributes:
        sample_at: steps done when the model writes a sample, 0 for before the first; without any, five times
            in a run.
    """

    eval_every: int | None = Field(default=None, ge=1)
    eval_tokens: int | None = Field(default=None, ge=1)
    patience: int = Field(default=10, ge=0)
    save_every: int | None = Field(default=None, ge=1)
    keep: int = Field(default=2, ge=1)
    prompt: str = ""
    sample_at: Annotated[tuple[Annotated[int, Field(ge=0)], ...], BeforeValidator(listed)] = ()


class Computing(_Group):
    """Where and how it is computed.

    Attributes:
        device: "auto" takes a GPU where there is one ("mps" is Apple's, which is untried).
        compile: compile the blocks of the model: "auto" does on a GPU, and on a CPU where the run is long.
        parallel: how processes that torchrun starts share a model: "ddp", each holds it; "fsdp", each holds a
            share of every parameter.
        tensor_parallel: processes that divide each matrix of a block among them.
        recompute: compute activations of blocks again in the backward pass in place of keeping them.
        deterministic: add in a fixed order on GPUs too, which costs time there: without it a run that goes on
            may differ in its last bits from one that was never stopped.
    """

    seed: int = Field(default=1337, ge=0, lt=2**63)
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    compile: Literal["auto", "on", "off"] = "auto"
    parallel: Literal["ddp", "fsdp"] = "ddp"
    tensor_parallel: int = Field(default=1, ge=1)
    recompute: bool = False
    deterministic: bool = False


Settings = TypeVar("Settings", bound="RunSettings")


# The fields of the last base come first: in this order documents and `--settings` have them.
class RunSettings(Computing, Watching, Optimization, Batching):
    """What each run is told, whatever it trains for. Those that are None are chosen by what it trains for."""

    if not TYPE_CHECKING:  # Whose readers see the fields as arguments.

        def __init__(self, **values: Any) -> None:
            """Raises SettingError, naming all faults and the nearest known names."""
            try:
                super().__init__(**values)
            except ValidationError as error:
                faults, remedy = [], ""
                for fault in error.errors():
                    name = ".".join(str(part) for part in fault["loc"])
                    if fault["type"] == "extra_forbidden":
                        faults.append(f"{name} is not a training setting")
                        remedy = nearest(name, type(self).model_fields)
                    else:
                        faults.append(f"{name} = {reprlib.repr(fault['input'])}: {fault['msg']}")
                remedy = remedy or f"Correct the value; `{self.LISTED}` lists all settings."
                raise SettingError("; ".join(faults), remedy=remedy) from error

    LISTED: ClassVar[str] = "corpuskit train --settings"

    @classmethod
    def checked(cls: type[Settings], values: Mapping[str, Any]) -> Settings:
        """Settings from plain values; raises SettingError as the class does."""
        return cls(**values)

    def given(self) -> dict[str, Any]:
        """The settings that the caller named, with their values."""
        return {name: getattr(self, name) for name in sorted(self.model_fields_set)}


class TrainSettings(RunSettings, Learning, Shape):
    """Settings of a pretraining run. Those that are None are chosen by `resolve`, which says how.

    Rows are sequences of `context` tokens; a step trains on `batch_rows` of them. Unless `kind` says more,
    "causal" trains a decoder, "masked" an encoder, "spans" and "denoise" an encoder-decoder, which learns by
    each of the four; a decoder sees no later token and an encoder writes none, so that they have one each.
    """

    @property
    def is_shaped(self) -> bool:
        """Whether the caller says how large the model is."""
        return any(self.given().get(name) is not None for name in ("size", "layers", "width"))


GROUPS = (Shape, Learning, Batching, Optimization, Watching, Computing)
