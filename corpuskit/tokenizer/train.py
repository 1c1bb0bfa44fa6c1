"""The step that makes a tokenizer: trained on the kept documents, or given."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import tokenizers
from pydantic import Field, model_validator

from corpuskit.documents.settings import Decides, Location, Settings
from corpuskit.storage.files import sha256_file
from corpuskit.tokenizer.tokenizer import LEAST_VOCABULARY, PatternName, Tokenizer, tokenizer_file


class TrainTokenizer(Settings):
    """Train a tokenizer on the kept documents, or take a given one."""

    name: ClassVar[str] = "tokenizer"

    vocab_size: int = Field(
        32768, ge=LEAST_VOCABULARY, description="Ids: 128 special ones, 256 bytes, and merges."
    )
    pattern: PatternName = Field("llama3", description="How text is cut into pretokens.")
    min_frequency: int = Field(2, ge=1, description="How often a pair must occur to be merged.")
    file: Location[str | None] = Field(None, description="A tokenizer.json to use instead of training one.")
    # No output depends on it: what it allows is refused otherwise.
    lossy: Decides[Literal["refuse", "allow"]] = Field(
        "refuse", description="Of a given file: whether text may be changed or lost on its way to tokens."
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> TrainTokenizer:
        given = self.model_fields_set - {"file", "lossy"}
        if self.file is not None and given:
            raise ValueError(f"file and {', '.join(sorted(given))} exclude each other: drop one of them")
        if self.file is None and self.lossy == "allow":
            raise ValueError("lossy is for a given file: a tokenizer that is trained here loses nothing")
        return self

    def prove(self) -> list[str]:
        """Hold a given file to what is asked of it, before any document is read.

        Returns:
            sentences that the user should read. Raises as `Tokenizer.load`.
        """
        if self.file is None:
            return []
        given = Tokenizer.load(self.file, lossy=self.lossy == "allow")
        if not given.dropout:
            return []
        lots = f"leaves out merges by lot (dropout {given.dropout:g})"
        return [f"tokenizer: {self.file} {lots}: it is applied without, so that a text has one encoding"]

    def libraries(self) -> dict[str, Any]:
        """The trainer's version, and the content of a given file."""
        facts: dict[str, Any] = {"tokenizers": tokenizers.__version__}
        if self.file is not None:
            facts["file_sha256"] = sha256_file(tokenizer_file(self.file))
        return facts
