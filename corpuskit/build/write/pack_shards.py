"""How the shards' documents come into rows: the way that a recipe names, and what both ways would do."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from corpuskit.documents.ledger import Ledger
from corpuskit.documents.settings import Settings
from corpuskit.run.folder import Run
from corpuskit.run.layout import SHARDS
from corpuskit.run.task import TaskResult
from corpuskit.shards.format import PACKING_NAME
from corpuskit.shards.packing import MOST_CONTEXT, by_method
from corpuskit.shards.reader import Shards
from corpuskit.storage.files import seal

LABEL = "packing"


class Packing(Settings):
    """Note beside the shards how a model that is trained on them packs documents into rows."""

    name: ClassVar[str] = LABEL
    version: ClassVar[int] = 2

    method: Literal["best_fit", "concatenate"] = Field(
        "best_fit", description="best_fit parts no document that fits into a row; concatenate cuts the line."
    )
    contexts: tuple[Annotated[int, Field(ge=1, le=MOST_CONTEXT)], ...] = Field(
        (1024,), description="Context lengths for which it is told what both ways do."
    )


def pack_shards(run: Run, *, settings: Packing) -> TaskResult:
    """Write ``shards/packing.json``: the method, and for each split and context what both ways do.

    No index is written: one for any context is made in seconds when it is read first.
    """
    shards = Shards(run.local(SHARDS))
    found = {
        split: reports(shards, split, settings.contexts) for split in shards.splits if shards.splits[split]
    }
    path = run.path("shards", PACKING_NAME)
    run.write_json(path, seal({"format": 1, "method": settings.method, "splits": found}))
    return TaskResult([run.output(path)], Ledger(), {"method": settings.method})


def reports(shards: Shards, split: str, contexts: tuple[int, ...]) -> dict[str, dict[str, Any]]:
    """What both ways do with a split, by context and method, as JSON has it."""
    return {str(context): by_method(shards.packing(context, split)) for context in contexts}
