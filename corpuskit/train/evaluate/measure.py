"""A model on texts: what each costs, and the figures of all, by source and by language."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from corpuskit.train.evaluate.bootstrap import Interval, interval
from corpuskit.train.evaluate.likelihood import Told
from corpuskit.train.evaluate.texts import UNKNOWN, Texts
from corpuskit.train.evaluate.windows import TextLoss, Windows, id_losses, total
from corpuskit.train.generate.generate import LanguageModel


@dataclass(frozen=True)
class Measured:
    """What the texts cost, one value for each.

    Attributes:
        losses: nats, tokens and windows.
        sizes: bytes; None where they are not known.
        sources, languages: what each belongs to.
        windows: how long texts were cut.
    """

    windows: Windows
    losses: list[TextLoss] = field(default_factory=list)
    sizes: list[int | None] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)

    @property
    def has_bytes(self) -> bool:
        """Whether bits per byte can be told."""
        return None not in self.sizes


def measure(
    model: LanguageModel, texts: Texts, stride: int | None = None, told: Told | None = None
) -> Measured:
    """Read all texts once; raises SettingError for a model that is no decoder and a stride that is none."""
    measured = Measured(Windows.of(model, stride))

    def ids() -> Iterator[npt.NDArray[np.integer]]:
        for text in texts.read(model.tokenizer):
            measured.sizes.append(text.size)
            measured.sources.append(text.source)
            measured.languages.append(text.language)
            yield text.ids

    measured.losses.extend(id_losses(model, ids(), stride, told=told))
    return measured


def figures(measured: Measured) -> dict[str, Any]:
    """Loss, perplexity and bits per byte of all texts, and of each source and language, as JSON values.

    `interval` is of bits per byte, or of the loss where bytes are not known, by bootstrap over texts.
    """
    everything = range(len(measured.losses))
    name, values, sizes = items(measured)
    bounds = interval(values, sizes)
    return {
        **_of(measured, everything),
        "stride": measured.windows.stride,
        "least_context": measured.windows.least_context,
        "windows": sum(loss.windows for loss in measured.losses),
        "interval": _told(name, bounds),
        "by_source": _by(measured, measured.sources),
        "by_language": _by(measured, measured.languages),
    }


def items(measured: Measured) -> tuple[str, list[float], list[float]]:
    """The figure by which models are compared, and what is summed for it, text by text, over what."""
    nats = np.array([loss.nats for loss in measured.losses])
    if measured.has_bytes:
        return "bits_per_byte", (nats / np.log(2)).tolist(), [float(size or 0) for size in measured.sizes]
    return "loss", nats.tolist(), [float(loss.tokens) for loss in measured.losses]


def _told(name: str, bounds: Interval | None) -> dict[str, Any] | None:
    return None if bounds is None else {"of": name, **bounds._asdict()}


def _by(measured: Measured, labels: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Figures of the texts of each label; nothing where no label is known."""
    names = sorted(set(labels))
    if names == [UNKNOWN]:
        return {}
    rows: dict[str, list[int]] = {name: [] for name in names}
    for row, label in enumerate(labels):
        rows[label].append(row)
    return {name or "(unknown)": _of(measured, found) for name, found in rows.items()}


def _of(measured: Measured, rows: Sequence[int]) -> dict[str, Any]:
    whole = total([measured.losses[row] for row in rows], [measured.sizes[row] for row in rows])
    return {
        "texts": len(rows),
        "tokens": whole.targets,
        "bytes": whole.bytes or None,
        "nats": whole.nats,
        "loss": whole.loss,
        "perplexity": whole.perplexity,
        "bits_per_byte": whole.bits_per_byte,
    }
