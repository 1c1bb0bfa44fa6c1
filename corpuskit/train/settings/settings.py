"""The settings of a training run, and how those that are left open are chosen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

import corpuskit
from corpuskit.errors import SettingError, nearest
from corpuskit.train.model.transformer import Kind, ModelSettings
from corpuskit.train.settings import defaults as rules

PRESETS: dict[str, dict[str, Any]] = {
    "nano": {"layers": 2, "width": 128, "heads": 4, "context": 64, "batch_rows": 4, "learning_rate": 4e-3},
    "tiny": {"layers": 4, "width": 128, "heads": 4, "context": 128, "batch_rows": 8, "learning_rate": 4e-3},
    "small": {"layers": 6, "width": 256, "heads": 4, "context": 256, "batch_rows": 8, "learning_rate": 2e-3},
    "15m": {"layers": 8, "width": 384, "heads": 6, "context": 512, "batch_rows": 32, "learning_rate": 2e-3},
    "124m": {
        "layers": 12,
        "width": 768,
        "heads": 12,
        "context": 1024,
        "batch_rows": 256,
        "learning_rate": 1e-3,
    },
}
"""What `size` stands for. Each key is a setting, which a user's own value overrides."""

EPOCHS = 10
"""How often a run reads its corpus when nobody says how long it should be."""

_SIZE_LIMITS = (("nano", 100_000), ("tiny", 300_000), ("small", 10_000_000), ("15m", 500_000_000))
_MICRO_BATCH_TOKENS = 16_384
_MOST_EPOCHS_A_BATCH = 100
# Narrower matrices are too small for a CPU's bfloat16 tiles to pay: of 128 columns a step takes 1.3 times as
# long as in float32, of 256 columns two thirds as long.
_CPU_BF16_WIDTH = 256


ObjectiveName = Literal["causal", "masked", "spans"]

_SHAPE = (
    *(
        "layers",
        "width",
        "heads",
        "kv_heads",
        "head_dim",
        "hidden",
        "context",
        "norm",
        "activation",
        "qk_norm",
    ),
    *("tie_embeddings", "zero_init", "rope_base", "softcap", "norm_eps"),
)
"""Settings of a run that are the model's, by the same names."""

_KINDS: dict[ObjectiveName, Kind] = {"causal": "decoder", "masked": "encoder", "spans": "encoder-decoder"}


def _numbers(value: Any) -> Any:
    """A list of numbers as the command line has it: 500,5000."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _weights(value: Any) -> Any:
    """Weights of sources as the command line has them: books:2,wiki:1."""
    if not isinstance(value, str):
        return value
    parts = [part.strip().rpartition(":") for part in value.split(",")]
    return {source: weight for source, _, weight in parts}


class TrainSettings(BaseModel):
    """Settings of a pretraining run. Those that are None are chosen by `resolve`, which says how.

    Rows are sequences of `context` tokens; a step trains on `batch_rows` of them. The objective decides what
    the model is: "causal" trains a decoder, "masked" an encoder, "spans" an encoder-decoder.

    Attributes:
        document_mask: no position sees another document of its row ("causal" and "masked").
        goldfish: "causal" leaves out one target in so many, the same ones each time; 0 for none.
        mixture: weights of the corpus's sources, each of which then has its share of the run, whatever its
            share of the corpus; without it all is read equally often.
        mask_rate: share of the positions that "masked" predicts.
        span_density, span_length: share of the tokens that "spans" takes out, and a span's mean length.
        optimizer: "muon" updates the matrices between embedding and head by Muon and the rest by AdamW;
            "adamw" updates all by AdamW.
        muon_rate: Muon's peak learning rate; twice learning_rate, AdamW's, where it is not given.
        weight_decay_fades: weight decay falls with the learning rate.
        ema: decay per step of a moving average of the weights, which is then what is measured and kept; 0
            for none.
        skip_limit: updates that may be skipped in a row for a loss or gradient that is not finite; one more
            ends the run.
        spike_guard: updates are skipped too when loss or gradient norm lie so many standard deviations above
            the mean of the last 64 steps; 0 for never.
        parallel: how processes that torchrun starts share a model: "ddp", each holds it; "fsdp", each holds a
            share of every parameter.
        tensor_parallel: processes that divide each matrix of a block among them.
        compile: compile the blocks of the model: "auto" does on a GPU, and on a CPU where the run is long.
        recompute: compute activations of blocks again in the backward pass in place of keeping them.
        deterministic: add in a fixed order on GPUs too, which costs time there: without it a run that goes on
            may differ in its last bits from one that was never stopped.
        sample_at: steps done when the model writes a sample; without any, five times in a run.
        head_dim: width of each head, where it is not width / heads.
        qk_norm: on, but for "masked": no encoder that others load has it.
        init_from: a model folder with whose weights the run begins, of a run or an import. The shape is its
            own, but for the context and dropout, and so is the objective.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    # The model.
    size: Literal["nano", "tiny", "small", "15m", "124m"] | None = None
    layers: int | None = Field(default=None, ge=1)
    width: int | None = Field(default=None, ge=2)
    heads: int | None = Field(default=None, ge=1)
    kv_heads: int | None = Field(default=None, ge=1)
    head_dim: int = Field(default=0, ge=0)
    hidden: int | None = Field(default=None, ge=1)
    context: int | None = Field(default=None, ge=1)
    norm: Literal["layer", "rms"] = "layer"
    activation: Literal["swiglu", "geglu", "gelu", "relu2"] = "swiglu"
    qk_norm: bool | None = None
    zero_init: bool = True
    rope_base: float = Field(default=10_000.0, gt=1)
    softcap: float = Field(default=0.0, ge=0)
    norm_eps: float = Field(default=0.0, ge=0)
    tie_embeddings: bool | None = None
    dropout: float | None = Field(default=None, ge=0, lt=1)
    init_from: str | None = None
    # What is learnt.
    objective: ObjectiveName = "causal"
    document_mask: bool = False
    goldfish: int = Field(default=0, ge=0)
    mask_rate: float = Field(default=0.3, gt=0, lt=1)
    span_density: float = Field(default=0.15, gt=0, lt=1)
    span_length: float = Field(default=3.0, ge=1)
    # How long, and on how much at once.
    steps: int | None = Field(default=None, ge=1)
    minutes: float | None = Field(default=None, gt=0)
    mixture: Annotated[dict[str, Annotated[float, Field(ge=0)]] | None, BeforeValidator(_weights)] = None
    batch_rows: int | None = Field(default=None, ge=1)
    micro_batch_rows: int | None = Field(default=None, ge=1)
    # The optimizer.
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
    # What is looked at, what is kept.
    eval_every: int | None = Field(default=None, ge=1)
    eval_tokens: int | None = Field(default=None, ge=1)
    patience: int = Field(default=10, ge=0)
    save_every: int | None = Field(default=None, ge=1)
    keep: int = Field(default=2, ge=1)
    prompt: str = ""
    sample_at: Annotated[tuple[Annotated[int, Field(ge=1)], ...], BeforeValidator(_numbers)] = ()
    # Where and how it is computed.
    seed: int = Field(default=1337, ge=0, lt=2**63)
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    compile: Literal["auto", "on", "off"] = "auto"
    parallel: Literal["ddp", "fsdp"] = "ddp"
    tensor_parallel: int = Field(default=1, ge=1)
    recompute: bool = False
    deterministic: bool = False

    @classmethod
    def checked(cls, values: Mapping[str, Any]) -> TrainSettings:
        """Settings from plain values; raises SettingError, naming all faults and the nearest known names."""
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            faults, remedy = [], ""
            for fault in error.errors():
                name = ".".join(str(part) for part in fault["loc"])
                if fault["type"] == "extra_forbidden":
                    faults.append(f"{name} is not a training setting")
                    remedy = nearest(name, cls.model_fields)
                else:
                    faults.append(f"{name} = {fault['input']!r}: {fault['msg']}")
            raise SettingError("; ".join(faults), remedy=remedy) from error

    def given(self) -> dict[str, Any]:
        """The settings that the caller named, with their values."""
        return {name: getattr(self, name) for name in sorted(self.model_fields_set)}


def choose_size(train_tokens: int, device: str) -> str:
    """The preset for a corpus when none is named.

    Up to 100,000 training tokens (some 300 kB of English) "nano", up to 300,000 "tiny", up to 10 million
    "small", up to 500 million "15m", above "124m"; on a CPU never more than "small": a larger one would not
    get far in an hour. "nano" is for the first minutes: two blocks read such a corpus often enough in one.

    >>> choose_size(50_000, "cpu"), choose_size(10**9, "cpu"), choose_size(10**9, "cuda")
    ('nano', 'small', '124m')
    """
    fitting = next((name for name, limit in _SIZE_LIMITS if train_tokens <= limit), "124m")
    return "small" if device == "cpu" and fitting in ("15m", "124m") else fitting


def resolve(settings: TrainSettings, train_tokens: int, device: str, bf16_pays: bool) -> TrainSettings:
    """Fill in what does not depend on the run's length: the shape of the model and of a batch, the precision.

    A corpus too short for the preset's context gets a shorter one, so that it has at least 8 rows.

    Raises SettingError when steps and minutes are both given, or the train split has fewer than 2 tokens.
    """
    if settings.steps is not None and settings.minutes is not None:
        raise SettingError(
            f"steps = {settings.steps} and minutes = {settings.minutes:g} exclude each other",
            remedy="Give one of them.",
        )
    if settings.document_mask and settings.objective == "spans":
        raise SettingError(
            "document_mask is not to be had with objective = 'spans'", remedy="Leave document_mask out."
        )
    if settings.goldfish and settings.objective != "causal":
        raise SettingError(
            f"goldfish is for objective = 'causal' only, not {settings.objective!r}",
            remedy="Leave goldfish out.",
        )
    if settings.mixture is not None and not any(settings.mixture.values()):
        raise SettingError(
            f"mixture = {settings.mixture} gives no source a weight above 0",
            remedy="Give one at least, as books:2,wiki:1.",
        )
    if train_tokens < 2:
        raise SettingError(
            f"the train split has {train_tokens} tokens: there is nothing to learn",
            remedy="Build with more text, or with filters that keep more of it.",
        )
    size = settings.size or choose_size(train_tokens, device)
    values = {**PRESETS[size], "size": size} | {k: v for k, v in settings.given().items() if v is not None}
    if settings.context is None:
        values["context"] = max(1, min(values["context"], (train_tokens - 1) // 8))
    elif settings.context > train_tokens - 1:
        raise SettingError(
            f"context = {settings.context} needs {settings.context + 1} tokens, "
            f"the train split has {train_tokens}",
            remedy="Lower context, or leave it open: it then fits the corpus.",
        )
    values.setdefault("kv_heads", values["heads"])
    values.setdefault("qk_norm", settings.objective != "masked")
    # A gate is a third matrix where an MLP has two: 8/3 of the width costs what 4 times does there.
    gated = settings.activation in ("swiglu", "geglu")
    values.setdefault("hidden", -(-(8 if gated else 12) * values["width"] // (3 * 64)) * 64)
    values.setdefault("tie_embeddings", size != "124m")
    values.update(_batch_and_rate(settings, values, train_tokens, device))
    if values["batch_rows"] * values["context"] > _MOST_EPOCHS_A_BATCH * train_tokens:
        raise SettingError(
            f"batch_rows = {values['batch_rows']:,}: a batch of {values['batch_rows'] * values['context']:,} "
            f"tokens is more than {_MOST_EPOCHS_A_BATCH} times the train split, which has {train_tokens:,}",
            remedy="Lower batch_rows.",
        )
    fitting = max(1, min(values["batch_rows"], _MICRO_BATCH_TOKENS // values["context"]))
    values.setdefault(
        "micro_batch_rows", next(n for n in range(fitting, 0, -1) if values["batch_rows"] % n == 0)
    )
    if values["batch_rows"] % values["micro_batch_rows"]:
        raise SettingError(
            f"batch_rows = {values['batch_rows']} is no multiple of "
            f"micro_batch_rows = {values['micro_batch_rows']}",
            remedy="Choose one that divides it, or leave micro_batch_rows open.",
        )
    # Measuring on as much as four batches takes about as long as one and a third steps.
    values.setdefault("eval_tokens", 4 * values["batch_rows"] * values["context"])
    if settings.init_from is not None and settings.learning_rate is None:
        values["learning_rate"] /= 10  # Steps as long as a beginner's would undo what was learnt.
    if settings.precision == "auto":
        wide = device != "cpu" or values["width"] >= _CPU_BF16_WIDTH
        values["precision"] = "bf16" if bf16_pays and wide else "fp32"
    return TrainSettings.checked(values)


def _batch_and_rate(
    settings: TrainSettings, values: dict[str, Any], train_tokens: int, device: str
) -> dict[str, Any]:
    """Rows of a batch and learning rate where they are open: the preset's, moved by the rules."""
    preset, rows, rate = PRESETS[values["size"]], values["batch_rows"], values["learning_rate"]
    if settings.batch_rows is None and settings.minutes is None and device != "cpu":
        fitting = (
            rules.batch_tokens(EPOCHS * train_tokens)
            if settings.steps is None
            else rules.batch_tokens_for_steps(settings.steps)
        )
        rows = max(1, fitting // values["context"])
    if settings.learning_rate is None:
        batch_ratio = rows * values["context"] / (preset["batch_rows"] * preset["context"])
        rate = rules.learning_rate(rate, batch_ratio, values["width"] / preset["width"])
    return {"batch_rows": rows, "learning_rate": rate}


def regularise(settings: TrainSettings, epochs: float) -> TrainSettings:
    """Choose dropout and weight decay, where they are open, by how often the run reads the corpus."""
    dropout, decay = rules.dropout(epochs), rules.weight_decay(epochs)
    chosen = {
        "dropout": dropout if settings.dropout is None else settings.dropout,
        "weight_decay": decay if settings.weight_decay is None else settings.weight_decay,
    }
    return settings.model_copy(update=chosen)


def shaped_as(settings: TrainSettings, shape: ModelSettings, train_tokens: int) -> TrainSettings:
    """The settings with the shape and the objective of a model that the run begins with.

    Of its context a short corpus gets a part, so that it has at least 8 rows.

    Raises SettingError, naming all settings that contradict it.
    """
    names = [name for name in _SHAPE if name != "context"]
    theirs = {name: getattr(shape, name) for name in names}
    theirs["objective"] = next(objective for objective, kind in _KINDS.items() if kind == shape.kind)
    given = {name: value for name, value in settings.given().items() if value is not None}
    faults = [
        f"{name} = {given[name]!r}, it has {value!r}"
        for name, value in theirs.items()
        if given.get(name, value) != value
    ]
    if faults:
        raise SettingError(
            f"{settings.init_from} is another model: {'; '.join(faults)}", remedy="Leave these settings out."
        )
    context = max(1, min(shape.context, (train_tokens - 1) // 8))
    return TrainSettings.checked({"context": context, **given, **theirs})


def model_settings(settings: TrainSettings, vocab_size: int) -> ModelSettings:
    """The model's shape out of resolved settings; raises SettingError for one that cannot be built."""
    try:
        return ModelSettings(
            vocab_size=vocab_size,
            kind=_KINDS[settings.objective],
            dropout=settings.dropout or 0.0,
            **{name: getattr(settings, name) for name in _SHAPE},
        )
    except ValueError as error:
        raise SettingError(
            f"the model cannot be built: {error}", remedy="Change the settings named."
        ) from error


def shipped() -> dict[str, Path]:
    """The recipes that come with the project, by name."""
    package = Path(corpuskit.__file__).parent
    # An installed package holds the folder itself; in the repository it stands beside the package.
    for folder in (package / "pipelines" / "train", package.parent / "pipelines" / "train"):
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    return {}


def load_recipe(recipe: Path | str) -> dict[str, Any]:
    """Settings by name from a recipe, the path of a YAML file or the name of one that ships.

    Raises SettingError when there is no such recipe, or it is not a mapping of names to values; the values
    themselves are checked by `TrainSettings.checked`.
    """
    path = Path(recipe)
    if not path.is_file():
        known = shipped()
        if str(recipe) not in known:
            raise SettingError(
                f"{recipe} is neither a file nor a recipe that ships ({', '.join(known)})",
                remedy=nearest(str(recipe), known),
            )
        path = known[str(recipe)]
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise SettingError(
            f"{path} cannot be read as YAML: {error}", remedy="Mend it there; it holds `name: value` lines."
        ) from error
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise SettingError(
            f"{path} is no mapping of settings", remedy="Write one `name: value` in a line, as size: small."
        )
    return values
