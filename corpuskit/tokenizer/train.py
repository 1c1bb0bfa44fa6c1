"""Training a byte-level BPE through Hugging Face ``tokenizers``; the artefact is tokenizer.json."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Literal

import tokenizers
from pydantic import Field, model_validator
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers

from corpuskit.documents.settings import Location, Settings
from corpuskit.errors import InputError
from corpuskit.storage.files import sha256_file, write_bytes, write_json
from corpuskit.tokenizer.special import CLS, END_OF_TEXT, MASK, PAD, PATTERNS, RESERVED, SEP, SPECIAL_TOKENS
from corpuskit.tokenizer.tokenizer import _SAFE, pieces


class TrainTokenizer(Settings):
    """Train a tokenizer on the kept documents, or take a given one."""

    name: ClassVar[str] = "tokenizer"

    vocab_size: int = Field(
        32768, ge=RESERVED + 256, description="Ids: 128 special ones, 256 bytes, and merges."
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
            facts["file_sha256"] = sha256_file(_existing(self.file))
        return facts


def _existing(file: str) -> Path:
    path = Path(file)
    if not path.is_file():
        raise InputError(f"tokenizer file: {file} is not there", remedy="Give the path of a tokenizer.json.")
    return path


def train_bpe(texts: Iterable[str], settings: TrainTokenizer) -> tokenizers.Tokenizer:
    """Train a byte-level BPE on texts; every byte is in the alphabet, so every text can be encoded.

    Texts are given whole: pretokens that span a newline are counted as they will later be encoded.
    """
    tokenizer = tokenizers.Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(PATTERNS[settings.pattern]), behavior="isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=settings.vocab_size,
        min_frequency=settings.min_frequency,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    safe = _SAFE[PATTERNS[settings.pattern]]
    tokenizer.train_from_iterator((piece for text in texts for piece in pieces(text, safe)), trainer)
    return tokenizer


def save(tokenizer: tokenizers.Tokenizer, folder: Path, temporary: Path) -> None:
    """Write tokenizer.json, and tokenizer_config.json for ``AutoTokenizer.from_pretrained(folder)``."""
    write_bytes(folder / "tokenizer.json", tokenizer.to_str(pretty=True).encode(), temporary)
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END_OF_TEXT,
        "pad_token": PAD,
        "mask_token": MASK,
        "cls_token": CLS,
        "sep_token": SEP,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 10**9,
    }
    write_json(folder / "tokenizer_config.json", config, temporary)
