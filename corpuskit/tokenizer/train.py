"""The step that makes a tokenizer: trained on the kept documents, or given."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

import tokenizers
from pydantic import Field, model_validator

from corpuskit.documents.settings import Location, Settings
from corpuskit.errors import InputError
from corpuskit.storage.files import sha256_file
from corpuskit.tokenizer.tokenizer import LEAST_VOCABULARY


class TrainTokenizer(Settings):
    """Train a tokenizer on the kept documents, or take a given one."""

    name: ClassVar[str] = "tokenizer"

    vocab_size: int = Field(
        32768, ge=LEAST_VOCABULARY, description="Ids: 128 special ones, 256 bytes, and merges."
    )
    pattern: Literal["llama3", "gpt2"] = Field("llama3", description="How text is cut into pretokens.")
    min_frequency: int = Field(2, ge=1, description="How often a pair must occur to be merged.")
    file: Location[str | None] = Field(None, description="A tokenizer.json to use instead of training one.")

    @model_validator(mode="after")
    def _one_of_both(self) -> TrainTokenizer:
        given = self.model_fields_set - {"file"}
        if self.file is not None and given:
            raise ValueError(f"file and {', '.join(sorted(given))} exclude each other: drop one of them")
        return self

    def libraries(self) -> dict[str, Any]:
        """The trainer's version, and the content of a given file."""
        facts: dict[str, Any] = {"tokenizers": tokenizers.__version__}
        if self.file is not None:
            facts["file_sha256"] = sha256_file(existing(self.file))
        return facts


def existing(file: str) -> Path:
    """A tokenizer.json that a recipe names; raises InputError where none is."""
    path = Path(file)
    if not path.is_file():
        raise InputError(f"tokenizer file: {file} is not there", remedy="Give the path of a tokenizer.json.")
    return path
