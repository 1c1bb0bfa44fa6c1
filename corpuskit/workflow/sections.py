"""The sections of a workflow file, by name."""

from __future__ import annotations

from collections.abc import Mapping

from corpuskit.workflow.corpora import Build, Fetch, Questions
from corpuskit.workflow.embedding import Embed
from corpuskit.workflow.measuring import Eval, Memorize
from corpuskit.workflow.step import Section
from corpuskit.workflow.training import Distill, Export, Finetune, Train

SECTIONS: Mapping[str, Section] = {
    section.name: section
    for section in (
        Fetch(),
        Build(),
        Questions(),
        Train(),
        Finetune(),
        Distill(),
        Eval(),
        Memorize(),
        Embed(),
        Export(),
    )
}
