"""How settings that are left open are chosen: by the corpus, the device and the length of the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from corpuskit.errors import SettingError
from corpuskit.train.model.transformer import Activation, Kind, ModelSettings, is_gated
from corpuskit.train.settings import defaults as rules
from corpuskit.train.settings.settings import Learning, ObjectiveName, TrainSettings

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
# The loss of so many tokens is known to some 0.03 nats.
_LEAST_EVAL_TOKENS = 8192
# No step has to read each token of its corpus more often: such a number is a slip.
_MOST_EPOCHS_A_BATCH = 100
# Narrower matrices are too small for a CPU's bfloat16 tiles to pay: of 128 columns a step takes 1.3 times as
# long as in float32, of 256 columns two thirds as long.
_CPU_BF16_WIDTH = 256

_SHAPE = (
    *("layers", "width", "heads", "kv_heads", "head_dim", "hidden", "context", "norm"),
    *(
        "activation",
        "qk_norm",
        "tie_embeddings",
        "zero_init",
        "rope_base",
        "rope_scaling",
        "softcap",
        "norm_eps",
        "positions",
    ),
)
"""Settings of a run that are the model's, by the same names."""

_KINDS: dict[ObjectiveName, Kind] = {
    "causal": "decoder",
    "masked": "encoder",
    "spans": "encoder-decoder",
    "denoise": "encoder-decoder",
}
"""What each objective trains where no kind is given."""

_NOT_TRAINED: dict[tuple[ObjectiveName, Kind], str] = {
    ("causal", "encoder"): "each of its positions sees the token that it would be asked for",
    ("masked", "decoder"): "it sees no later token, and would be asked for the tokens before the mask alone",
    ("spans", "decoder"): "it has no source out of which spans could be taken",
    ("spans", "encoder"): "it writes nothing, and has one token for each gap",
    ("denoise", "decoder"): "it has no source in which a text could be hidden in part",
    ("denoise", "encoder"): "it writes nothing, and has one token for each gap",
}
"""Why a kind does not learn by an objective."""


def kind_of(settings: TrainSettings) -> Kind:
    """What a run trains: the kind given, or that of its objective."""
    return settings.kind or _KINDS[settings.objective]


def usual_objective(kind: Kind) -> ObjectiveName:
    """What a model of a kind is trained for where nobody says.

    >>> usual_objective("encoder-decoder")
    'spans'
    """
    return next(objective for objective, trained in _KINDS.items() if trained == kind)


def said_objective(document: Mapping[str, Any]) -> ObjectiveName | None:
    """By which objective a model was pre-trained, by its model.json; None where that does not say it.

    Folders from before it stood beside the shape say it in the settings of their run.
    """
    settings = (document.get("training") or {}).get("settings") or {}
    said: ObjectiveName | None = document.get("objective") or settings.get("objective")
    return said


def check_pair(objective: ObjectiveName, kind: Kind, which: str = "") -> None:
    """Raise SettingError where a model of this kind learns nothing by the objective, or only what it sees.

    Args:
        which: whose kind it is, for the message: a model that the run begins with.
    """
    reason = _NOT_TRAINED.get((objective, kind))
    if reason is None:
        return
    kinds = dict.fromkeys(_KINDS.values())
    able = [each for each in kinds if (objective, each) not in _NOT_TRAINED]
    said = f"{which} is {'a' if kind == 'decoder' else 'an'} {kind}" if which else f"kind = {kind!r}"
    raise SettingError(
        f"objective = {objective!r}: {said}, and {reason}",
        remedy=f"Take a model of kind {' or '.join(able)}, or objective = {usual_objective(kind)}.",
    )


def equal_hidden(activation: Activation, gated: int) -> int:
    """Hidden width with which an MLP has as many parameters as one with a gate and `gated` hidden channels.

    A gate is a third matrix of the same size where an MLP has two, so that one without has 3/2 of the width.

    >>> equal_hidden("swiglu", 128), equal_hidden("relu", 128)
    (128, 192)
    """
    return gated if is_gated(activation) else (3 * gated + 1) // 2


def choose_size(train_tokens: int, device: str) -> str:
    """The preset for a corpus when none is named.

    Up to 100,000 training tokens (some 300 kB of English) "nano", up to 300,000 "tiny", up to 10 million
    "small", up to 500 million "15m", above "124m"; without a CUDA GPU never more than "small": a larger one
    would not get far in an hour. "nano" is for the first minutes: two blocks read such a corpus often
    enough in them.

    >>> choose_size(50_000, "cpu"), choose_size(10**9, "cpu"), choose_size(10**9, "cuda")
    ('nano', 'small', '124m')
    """
    fitting = next((name for name, limit in _SIZE_LIMITS if train_tokens <= limit), "124m")
    return "small" if device != "cuda" and fitting in ("15m", "124m") else fitting


def resolve(settings: TrainSettings, train_tokens: int, device: str, bf16_pays: bool) -> TrainSettings:
    """Fill in what does not depend on the run's length: the shape of the model and of a batch, the precision.

    A corpus too short for the preset's context gets a shorter one, so that it has at least 8 rows.

    Raises SettingError when steps and minutes are both given, or the train split has fewer than 2 tokens.
    """
    _refuse_contradictions(settings)
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
    values.setdefault("kind", kind_of(settings))
    values.setdefault("qk_norm", values["kind"] != "encoder")
    # 8/3 of the width, which with a gate costs what 4 times the width does without one, in whole 64s.
    values.setdefault("hidden", equal_hidden(settings.activation, -(-8 * values["width"] // (3 * 64)) * 64))
    # Of a small model the embedding is a large part: a head of its own would be as large again.
    values.setdefault("tie_embeddings", size != "124m")
    # After the shape, on whose width the rate depends, and before the parts that a batch is divided into.
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
    # Measuring on as much as four batches takes about as long as one and a third steps. On fewer tokens than
    # the floor, which takes a small model a moment, which weights are best is a matter of chance.
    values.setdefault("eval_tokens", max(_LEAST_EVAL_TOKENS, 4 * values["batch_rows"] * values["context"]))
    if settings.init_from is not None and settings.learning_rate is None:
        values["learning_rate"] /= 10  # Steps as long as a beginner's would undo what was learnt.
    if settings.precision == "auto":
        wide = device != "cpu" or values["width"] >= _CPU_BF16_WIDTH
        values["precision"] = "bf16" if bf16_pays and wide else "fp32"
    return type(settings).checked(values)


def _refuse_contradictions(settings: TrainSettings) -> None:
    """Raise SettingError for settings that exclude one another."""
    if settings.steps is not None and settings.minutes is not None:
        raise SettingError(
            f"steps = {settings.steps} and minutes = {settings.minutes:g} exclude each other",
            remedy="Give one of them.",
        )
    kind = kind_of(settings)
    check_pair(settings.objective, kind)
    if settings.document_mask and kind == "encoder-decoder":
        raise SettingError(
            "document_mask is not to be had with an encoder-decoder, which "
            f"objective = {settings.objective!r} trains here",
            remedy="Leave document_mask out."
            + (" This objective keeps documents apart by itself." if settings.objective == "denoise" else ""),
        )
    # At its usual value it may stand in settings that were all written down.
    if settings.span_density != Learning().span_density and settings.objective != "spans":
        raise SettingError(
            f"span_density = {settings.span_density:g} is for objective = 'spans' only, "
            f"not {settings.objective!r}",
            remedy="Leave it out." if settings.objective == "causal" else "Give mask_rate.",
        )
    if settings.goldfish and settings.objective != "causal":
        raise SettingError(
            f"goldfish is for objective = 'causal' only, not {settings.objective!r}",
            remedy="Leave goldfish out.",
        )
    if settings.goldfish == 1:
        raise SettingError(
            "goldfish = 1 leaves out every target: nothing could be learnt", remedy="Give 2 or more, or 0."
        )
    if settings.mixture is not None and not any(settings.mixture.values()):
        raise SettingError(
            f"mixture = {settings.mixture} gives no source a weight above 0",
            remedy="Give one at least, as books:2,wiki:1.",
        )


def _batch_and_rate(
    settings: TrainSettings, values: dict[str, Any], train_tokens: int, device: str
) -> dict[str, Any]:
    """Rows of a batch and learning rate where they are open: the preset's, moved by the rules."""
    preset, rows, rate = PRESETS[values["size"]], values["batch_rows"], values["learning_rate"]
    if settings.batch_rows is None and settings.minutes is None and device == "cuda":
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


def shaped_as(
    settings: TrainSettings, shape: ModelSettings, train_tokens: int, objective: ObjectiveName | None = None
) -> TrainSettings:
    """The settings with the shape of a model that the run begins with, and its objective if none is given.

    Of its context a short corpus gets a part, so that it has at least 8 rows. Its head may be another: tied
    to the embedding where it had one of its own, or the reverse.

    Args:
        objective: what it was trained for, if that is known; otherwise what is usual for its kind.

    Raises SettingError, naming all settings that contradict it, and for an objective by which a model of its
    kind does not learn.
    """
    given = {name: value for name, value in settings.given().items() if value is not None}
    usual = usual_objective(shape.kind) if objective is None else objective
    asked = {"objective": given.get("objective", usual)}
    theirs = {name: value for name, value in shape_settings(shape).items() if name != "context"}
    faults = [
        f"{name} = {given[name]!r}, it has {value!r}"
        for name, value in theirs.items()
        if name != "tie_embeddings" and given.get(name, value) != value
    ]
    if shape.positions == "learned" and given.get("context", 0) > shape.context:
        faults.append(f"context = {given['context']}, it has learnt {shape.context} positions")
    if faults:
        raise SettingError(
            f"{settings.init_from} is another model: {'; '.join(faults)}", remedy="Leave these settings out."
        )
    check_pair(asked["objective"], shape.kind, str(settings.init_from))
    context = max(1, min(shape.context, (train_tokens - 1) // 8))
    theirs["tie_embeddings"] = given.get("tie_embeddings", shape.tie_embeddings)
    return type(settings).checked({"context": context, **given, **theirs, **asked})


def shape_settings(shape: ModelSettings) -> dict[str, Any]:
    """The settings, by name, of a run whose model has this shape."""
    return {name: getattr(shape, name) for name in _SHAPE} | {"kind": shape.kind}


def model_settings(settings: TrainSettings, vocab_size: int) -> ModelSettings:
    """The model's shape out of resolved settings; raises SettingError for one that cannot be built."""
    try:
        return ModelSettings(
            vocab_size=vocab_size,
            kind=kind_of(settings),
            dropout=settings.dropout or 0.0,
            **{name: getattr(settings, name) for name in _SHAPE},
        )
    except ValueError as error:
        raise SettingError(
            f"the model cannot be built: {error}", remedy="Change the settings named."
        ) from error
