"""The step that makes a tokenizer: trained on the kept documents, or given."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import tokenizers
from pydantic import Field, field_validator, model_validator

from corpuskit.documents.settings import Decides, Location, Settings
from corpuskit.errors import SettingError
from corpuskit.storage.files import sha256_file
from corpuskit.tokenizer.files import tokenizer_file
from corpuskit.tokenizer.models.choose import LOSSY, Model, settings_of
from corpuskit.tokenizer.models.words import given_wordpiece
from corpuskit.tokenizer.patterns import DEFAULT, check_pattern, is_published
from corpuskit.tokenizer.tokenizer import LEAST_VOCABULARY, Tokenizer
from corpuskit.tokenizer.weights import Weights

_OF_OTHERS = ("model", "words", "vocabulary", "lowercase", "strip_accents")
"""Settings of models beside BPE, of which a recipe for BPE says nothing."""


class TrainTokenizer(Settings):
    """Train a tokenizer on the kept documents, or take a given one."""

    name: ClassVar[str] = "tokenizer"
    version: ClassVar[int] = 2

    vocab_size: int = Field(
        32768, ge=LEAST_VOCABULARY, description="Ids: 128 special ones, 256 bytes, and merges."
    )
    vocab_sizes: tuple[int, ...] = Field(
        (), description="Several sizes of one training; `vocab_size`, else the largest, encodes."
    )
    pattern: str = Field(
        DEFAULT, description="How text is cut into pretokens: a name, or a regular expression."
    )
    digits: Literal[1, 2, 3] | None = Field(
        None, description="Digits that stand together; as many as the pattern says by default."
    )
    min_frequency: int = Field(
        2, ge=1, description="How often a pair must occur when it is merged, by weighted counts."
    )
    weights: dict[str, float] = Field(
        default_factory=dict, description="What the text of a source counts, by its label; 1 without."
    )
    file: Location[str | None] = Field(None, description="A tokenizer.json to use instead of training one.")
    model: Model = Field("bpe", description="Byte-level BPE, or whole words, WordPiece, byte-level Unigram.")
    words: int | None = Field(
        None, ge=1, description="Of word_level: so many words instead of vocab_size ids."
    )
    vocabulary: Location[str | None] = Field(
        None, description="Of wordpiece: a vocab.txt to take instead of training."
    )
    lowercase: bool = Field(False, description="Of word_level and wordpiece: without capitals.")
    strip_accents: bool = Field(False, description="Of word_level and wordpiece: without accents.")
    # No output depends on it: what it allows is refused otherwise.
    lossy: Decides[Literal["refuse", "allow"]] = Field(
        "refuse", description="Whether text may be changed or lost on its way to tokens."
    )

    @model_validator(mode="before")
    @classmethod
    def _largest_encodes(cls, values: Any) -> Any:
        sizes = values.get("vocab_sizes") if isinstance(values, dict) else None
        if not isinstance(sizes, list | tuple) or not sizes or values.get("vocab_size") is not None:
            return values
        # What is no size is told by its own field.
        return {**values, "vocab_size": max((s for s in sizes if type(s) is int), default=LEAST_VOCABULARY)}

    @field_validator("vocab_size", "digits", "min_frequency", "words", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError(f"should be a number, not {str(value).lower()}")
        return value

    @field_validator("vocab_sizes")
    @classmethod
    def _sizes_that_can_be(cls, sizes: tuple[int, ...]) -> tuple[int, ...]:
        for size in sizes:
            if size < LEAST_VOCABULARY:
                raise ValueError(f"{size} is below {LEAST_VOCABULARY}: special tokens and bytes have ids")
        return sizes

    @field_validator("weights")
    @classmethod
    def _weights_that_can_be(cls, weights: dict[str, float]) -> dict[str, float]:
        try:
            Weights.of(weights)
        except SettingError as error:
            raise ValueError(f"{error.message}. {error.remedy}") from error
        return weights

    @model_validator(mode="after")
    def _pattern_that_cuts(self) -> TrainTokenizer:
        try:
            check_pattern(self.pattern, self.digits)
        except SettingError as error:
            raise ValueError(f"{error.message}. {error.remedy}") from error
        if self.vocab_sizes and self.vocab_size not in self.vocab_sizes:
            raise ValueError(
                f"vocab_size {self.vocab_size} is none of vocab_sizes: it says which one encodes"
            )
        return self

    @model_validator(mode="after")
    def _one_of_both(self) -> TrainTokenizer:
        if self.model != "bpe" and self.file is None:
            return self._of_another_model()
        others = [name for name in _OF_OTHERS[1:] if getattr(self, name)]
        if self.file is None and others:
            raise ValueError(
                f"{', '.join(sorted(others))}: are for other models than bpe: name one by `model`"
            )
        given = self.model_fields_set - {"file", "lossy"}
        if self.file is not None and given:
            raise ValueError(f"file and {', '.join(sorted(given))} exclude each other: drop one of them")
        if self.file is None and self.lossy == "allow":
            raise ValueError("lossy is for a given file: a tokenizer that is trained here loses nothing")
        return self

    def _of_another_model(self) -> TrainTokenizer:
        """Check what goes together, and let whole words enter that occur once."""
        known = {*settings_of(self.model), "model", "lossy"} | (
            {"vocab_size"} if self.model == "word_level" and self.words is None else set()
        )
        changed = {n for n in self.model_fields_set if getattr(self, n) != type(self).model_fields[n].default}
        if surplus := sorted(changed - known):
            raise ValueError(f"{', '.join(surplus)}: not of the model {self.model}: leave it away")
        if self.lossy == "allow" and self.model not in LOSSY:
            raise ValueError(f"lossy: the model {self.model} loses nothing: leave it away")
        if self.model == "word_level" and "min_frequency" not in self.model_fields_set:
            object.__setattr__(self, "min_frequency", 1)
        return self

    def fingerprint(self, *, deciding: bool) -> dict[str, Any]:
        """See `Settings.fingerprint`; of BPE without what other models have."""
        found = super().fingerprint(deciding=deciding)
        if self.model == "bpe":
            settings = found["settings"]
            found["settings"] = {name: value for name, value in settings.items() if name not in _OF_OTHERS}
        return found

    def spelled(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Of all settings those that say something of this model, for a recipe.

        Args:
            values: all, by name.
        """
        if self.model == "bpe":
            return {name: value for name, value in values.items() if name not in {*_OF_OTHERS, "lossy"}}
        names = [*settings_of(self.model), "model", "lossy"]
        names += ["vocab_size"] if self.model == "word_level" and self.words is None else []
        found = {name: value for name, value in values.items() if name in names}
        return found | ({"vocabulary": values.get("vocabulary", "(given)")} if self.vocabulary else {})

    @property
    def counts(self) -> bool:
        """Whether it learns from counted pretokens; else from documents, or not at all."""
        return self.file is None and self.model == "bpe"

    @property
    def sizes(self) -> list[int]:
        """All sizes that are made, ascending."""
        return sorted({self.vocab_size, *self.vocab_sizes})

    def prove(self) -> list[str]:
        """Hold a given file, or a model that loses text, to what is asked of it before anything is read.

        Returns:
            sentences that the user should read. Raises as `Tokenizer.load`, and `SettingError` for a model
            that loses text without `lossy: allow`.
        """
        if self.file is None:
            return self._remarks() if self.model == "bpe" else self._prove_model()
        given = Tokenizer.load(self.file, lossy=self.lossy == "allow")
        if not given.dropout:
            return []
        lots = f"leaves out merges by lot (dropout {given.dropout:g})"
        return [f"tokenizer: {self.file} {lots}: it is applied without, so that a text has one encoding"]

    def _prove_model(self) -> list[str]:
        if self.model not in LOSSY:
            return []
        if self.lossy != "allow":
            raise SettingError(
                f"tokenizer: the model {self.model} loses text: it has one unknown token for each word that"
                " it does not know, and no white space",
                remedy="Say `lossy: allow` beside `model`, and losses are counted; or take bpe or unigram.",
            )
        if self.vocabulary is not None:
            given_wordpiece(self.vocabulary)
        told = [name for name in ("lowercase", "strip_accents") if getattr(self, name)]
        changed = {"lowercase": "capitals are made small", "strip_accents": "accents are taken away"}
        return [f"tokenizer: {changed[name]} on the way to tokens" for name in told]

    def _remarks(self) -> list[str]:
        """Sentences about settings that can be meant otherwise."""
        told = []
        twice = sorted({size for size in self.vocab_sizes if self.vocab_sizes.count(size) > 1})
        if twice:
            told.append(f"tokenizer: vocab_sizes names {', '.join(map(str, twice))} twice: it is made once")
        if not is_published(self.pattern):
            told.append(
                "tokenizer: pattern is a regular expression of your own: counting pretokens by it takes"
                " many times as long as by a published pattern"
            )
        return told

    def libraries(self) -> dict[str, Any]:
        """The trainer's version, and the content of a given file."""
        facts: dict[str, Any] = {"tokenizers": tokenizers.__version__}
        if self.file is not None:
            facts["file_sha256"] = sha256_file(tokenizer_file(self.file))
        if self.vocabulary is not None:
            facts["vocabulary_sha256"] = sha256_file(Path(self.vocabulary))
        return facts
