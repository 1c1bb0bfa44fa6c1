"""The settings of distillation."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from corpuskit.train.settings.settings import TrainSettings, _Group


class Teaching(_Group):
    """What a student learns of its teacher.

    Attributes:
        direction: of the distance to the teacher's answers: "forward", KL(teacher || student); "reverse",
            KL(student || teacher); "jsd", half of either to their mixture.
        temperature: by which both sides' logits are divided; the distance is multiplied by its square.
        share: of the distance in the loss; the plain loss has the rest.
        begin: the student begins with the teacher's "layers", evenly chosen, or with weights that are
            "drawn", as where its shape is another or the teacher's answers are stored.
        states: what hidden states are compared by, beside the answers: "mse", "cosine" or "none".
        states_share: what that distance is multiplied by.
    """

    direction: Literal["forward", "reverse", "jsd"] = "forward"
    temperature: float = Field(default=1.0, gt=0)
    share: float = Field(default=0.5, ge=0, le=1)
    begin: Literal["layers", "drawn"] = "layers"
    states: Literal["none", "mse", "cosine"] = "none"
    states_share: float = Field(default=0.1, ge=0)


class DistilSettings(TrainSettings, Teaching):
    """Settings of distillation. The student has the teacher's shape, and half of its layers unless told."""

    LISTED: ClassVar[str] = "corpuskit distill --settings"
