"""What has a model learnt by heart? One report: extraction, membership, copies in samples, canaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from corpuskit.errors import SettingError, TrainError, check_fields
from corpuskit.shards.canaries import read_canaries
from corpuskit.shards.ngrams.index import SplitNgrams, open_index
from corpuskit.shards.provenance import origins
from corpuskit.shards.reader import Shards, SplitTokens
from corpuskit.storage.files import json_bytes, read_sealed, seal, write_file, writing
from corpuskit.train.checkpoint import FOLDER, load_checkpoint
from corpuskit.train.evaluate.likelihood import check_decoder
from corpuskit.train.generate.generate import LanguageModel, load_model
from corpuskit.train.memorize.copied import LONG_RUN, copied, free_samples, held_out_texts
from corpuskit.train.memorize.exposure import Exposure, exposures
from corpuskit.train.memorize.extract import Extraction, extract
from corpuskit.train.memorize.membership import auc_interval, loss_by_zlib, membership_auc

SAVED = "evaluations/memorization.json"
"""Where a report is kept, below its model folder."""

_SHOWN = 10


@dataclass(frozen=True)
class Asked:
    """How a model is asked.

    Attributes:
        prefix, following: tokens that it is given, and that it has to say next.
        windows: of each split; all where there are no more.
        samples, tokens: texts that it writes freely, and the most tokens of each.
        candidates: that a canary is compared with; all where there are no more.
        seed: draws windows, samples and candidates.
        batch_rows: texts that are read or written at a time.
    """

    prefix: int = 50
    following: int = 50
    windows: int = 1000
    samples: int = 32
    tokens: int = 256
    candidates: int = 4096
    seed: int = 0
    batch_rows: int = 32

    def __post_init__(self) -> None:
        """Raises SettingError for what is no number, or below the least that makes sense."""
        check_fields(self)
        least = dict.fromkeys(("prefix", "following", "batch_rows", "tokens", "windows"), 1)
        for name, value in {**least, "samples": 0, "candidates": 2, "seed": 0}.items():
            if getattr(self, name) < value:
                raise SettingError(
                    f"{name} = {getattr(self, name)} is below {value}", remedy=f"Give {value} or more."
                )


def load_weights(folder: Path | str, which: str = "best", device: str = "auto") -> LanguageModel:
    """A model folder with the weights of some moment of its training.

    Args:
        which: "best", those with the least validation loss, which a folder keeps; "last", those of its latest
            checkpoint; or the number of steps of a checkpoint that is there.

    Raises SettingError where there is no such checkpoint, TrainError as `load_model` and for a damaged one.
    """
    folder = Path(folder)
    model = load_model(folder, device)
    if which == "best":
        model.document["measured_step"] = model.document.get("training", {}).get("best_step")
        return model
    steps = {int(p.parent.name.split("-")[1]): p.parent for p in folder.glob(f"{FOLDER}/step-*/state.json")}
    wanted = max(steps, default=0) if which == "last" else int(which) if which.isdecimal() else -1
    if wanted not in steps:
        there = ", ".join(map(str, sorted(steps))) or "none"
        raise SettingError(
            f"{folder}: there is no checkpoint {which!r}",
            remedy=f"Name best, last or the step of one that is there: {there}.",
        )
    held = {"model": dict(model.model.named_parameters())}
    model.model.load_state_dict(load_checkpoint(steps[wanted], held)["model"], strict=False)
    model.document["measured_step"] = wanted
    return model


def memorize(
    model: LanguageModel, run: Path | str, asked: Asked | None = None, index: SplitNgrams | None = None
) -> dict[str, Any]:
    """Measure what a decoder has learnt by heart of a run, as JSON values.

    Args:
        run: the run folder that it was trained on, with text that was held out.
        index: of the training split; that of the run where none is given, which is built if it is missing.

    Raises:
        SettingError: the model is no decoder, the run holds no text back, its documents are all shorter than
            prefix and next tokens, or these do not fit the model's context.
        TrainError: the model has another tokenizer than the run.
        ShardError: the shards do not hold together.
        StorageError: an index that is missing cannot be written into the run.
    """
    asked, run = asked or Asked(), Path(run)
    check_decoder(model)
    shards = Shards(run / "shards")
    _check_tokenizer(model, shards, run)
    names = [name for name in shards.splits if name != "train" and shards.split(name).tokens]
    if not names:
        raise SettingError(
            f"{run}: no text is held out: what the model says of its training text has nothing to be compared"
            " with",
            remedy="Build it with `shards: {split: {validation: 0.05}}` and train on that.",
        )
    train = shards.split("train")
    index = index or open_index(run).split("train")
    own = _extract(model, train, index, asked)
    others = {name: _extract(model, shards.split(name), index, asked) for name in names}
    epochs = _epochs(model)
    report: dict[str, Any] = {
        "asked": {name: getattr(asked, name) for name in vars(asked)},
        "training": {"step": model.document.get("measured_step"), "epochs": epochs},
        "splits": {"train": _split(own), **{name: _split(each) for name, each in others.items()}},
        "by_copies": own.by_copies(epochs),
        "extracted": _named(model, shards, "train", own),
        "membership": _membership(model, own, list(others.values())),
    }
    report["long_run_tokens"] = LONG_RUN
    texts = (
        free_samples(model, asked.samples, asked.tokens, asked.seed, asked.batch_rows)
        if asked.samples
        else []
    )
    report["samples"] = copied(index, texts, shards, model.tokenizer) if texts else None
    compared = held_out_texts(shards, names, asked.samples, asked.tokens, asked.seed) if texts else []
    report["samples_held_out"] = copied(index, compared, shards, model.tokenizer) if compared else None
    found = exposures(model, read_canaries(run), asked.candidates, asked.seed, asked.batch_rows)
    report["canaries"] = [each.to_json() for each in found]
    report["canaries_by_copies"] = canaries_by_copies(found)
    return report


def _check_tokenizer(model: LanguageModel, shards: Shards, run: Path) -> None:
    if model.tokenizer.sha256 != shards.tokenizer_sha256:
        raise TrainError(
            f"{run} has another tokenizer than the model: sha256 {shards.tokenizer_sha256[:12]}, the model's"
            f" {model.tokenizer.sha256[:12]}",
            remedy="Name the run that it was trained on, or build one with its tokenizer:"
            " `tokenizer: {file: MODEL/tokenizer.json}`.",
        )


def _extract(model: LanguageModel, split: SplitTokens, index: SplitNgrams, asked: Asked) -> Extraction:
    found = extract(
        model,
        split,
        index,
        prefix=asked.prefix,
        following=asked.following,
        most=asked.windows,
        seed=asked.seed,
        batch_rows=asked.batch_rows,
    )
    if split.name == "train" and not len(found.windows):
        raise SettingError(
            f"all {found.windows.sequences} documents of the training split are shorter than"
            f" {asked.prefix} + {asked.following} tokens",
            remedy="Lower --prefix and --next. Of a corpus below 100 documents each is cut into sections.",
        )
    return found


def _epochs(model: LanguageModel) -> float | None:
    """How often the measured weights have read the training split, by the record of their training."""
    training = model.document.get("training", {})
    epochs, steps, step = training.get("epochs"), training.get("step"), model.document.get("measured_step")
    if not isinstance(epochs, int | float) or not isinstance(steps, int) or not steps:
        return None
    return float(epochs) * (step if isinstance(step, int) else steps) / steps


def _split(found: Extraction) -> dict[str, Any]:
    windows = found.windows
    loss = float(found.scored.losses[: found.sampled].mean()) if found.sampled else None
    facts = {"documents_in_split": windows.sequences, "shorter_than_a_window": windows.short}
    return {**facts, "windows_in_split": windows.all, "loss": loss, **found.rate()}


def _named(model: LanguageModel, shards: Shards, split: str, found: Extraction) -> list[dict[str, Any]]:
    rows = found.named(_SHOWN)
    places = found.windows.places[rows].tolist()
    return [
        {
            "copies": int(found.copies[row]),
            "given": model.tokenizer.decode(found.windows.ids[row][: found.prefix]),
            "said": model.tokenizer.decode(found.windows.ids[row][found.prefix :]),
            **origin._asdict(),
        }
        for row, origin in zip(rows.tolist(), origins(shards, split, places), strict=True)
    ]


def _membership(model: LanguageModel, own: Extraction, others: Sequence[Extraction]) -> dict[str, Any] | None:
    """AUC by loss, and by loss over packed bytes, of windows of equal length; None without any held out."""
    held = [each for each in others if each.sampled]
    if not held or not own.sampled:
        return None
    found: dict[str, Any] = {"members": own.sampled, "others": sum(each.sampled for each in held)}
    parts = [own, *held]
    losses = [each.scored.losses[: each.sampled].mean(1) for each in parts]
    texts = [each.windows.texts[: each.sampled] for each in parts]
    # Numbers of texts of two splits are not of one kind.
    shifts = np.cumsum([0, *(int(each.max()) + 1 for each in texts[1:])])
    other_texts = np.concatenate([each + shift for each, shift in zip(texts[1:], shifts, strict=False)])
    packed = []
    for each, loss in zip(parts, losses, strict=True):
        said = [model.tokenizer.decode(ids) for ids in each.windows.ids[: each.sampled]]
        packed.append(loss_by_zlib(loss * (each.windows.ids.shape[1] - 1), said))
    for name, (mine, *theirs) in (("loss", losses), ("loss_by_zlib", packed)):
        low, high = auc_interval(mine, np.concatenate(theirs), texts[0], other_texts)
        auc = membership_auc(mine, np.concatenate(theirs))
        found[name] = {"auc": auc, "low": low, "high": high, "tells": not low <= 0.5 <= high}
    return found


def canaries_by_copies(found: Sequence[Exposure]) -> list[dict[str, Any]]:
    """Canaries by how often each was planted: how many are recited, and their exposures."""
    rows = []
    for copies in sorted({each.copies for each in found}):
        some = [each for each in found if each.copies == copies]
        bits = [each.exposure for each in some]
        rows.append(
            {
                "copies": copies,
                "canaries": len(some),
                "recited": sum(each.recited for each in some),
                "exposure": float(np.mean(bits)),
                "least": min(bits),
                "greatest": max(bits),
                "highest_possible": max(each.highest for each in some),
            }
        )
    return rows


def save_report(folder: Path | str, report: Mapping[str, Any], command: str) -> Path:
    """Write a report into its model folder; returns the path. Raises StorageError where it cannot be."""
    path = Path(folder) / SAVED
    document = {"what": "memorization", "command": command, "figures": dict(report)}
    with writing(path):
        path.parent.mkdir(exist_ok=True)
    write_file(path, json_bytes(seal(document)))
    return path


def read_report(folder: Path | str) -> dict[str, Any]:
    """The report that a model folder keeps. Raises TrainError where there is none, or it is damaged."""
    path = Path(folder) / SAVED
    again = f"Call `corpuskit memorize {folder} RUN --save`."
    try:
        return dict(read_sealed(path)["figures"])
    except FileNotFoundError as error:
        raise TrainError(f"{folder} keeps no report of what it has learnt by heart", remedy=again) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainError(f"{path} cannot be read: {error}", remedy=again) from error
