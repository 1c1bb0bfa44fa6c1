"""Long texts are cut where no pretoken is: training and encoding give what the whole text gives."""

from __future__ import annotations

from pathlib import Path

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import pre_tokenizers, trainers

from corpuskit.documents import texts as module
from corpuskit.documents.texts import pieces
from corpuskit.tokenizer.special import PATTERNS, SPECIAL_TOKENS
from corpuskit.tokenizer.tokenizer import Tokenizer

ROOT = Path(__file__).parents[2]

TRICKY = ["\n", "\n\n", "\r\n", " ", "  ", "\t", "A", "the", "'s", "1", "234", ".", "!\n", "é", "　", "Ω"]
TRICKY += [
    " x",
    "，",
    "。",
    "中",
    "の",
    "ー",
    "½",
    "\x1c",
    "\x85",
    "\u0301",
    "'re",
    "_",
    "字，",
    "！",
    "\u200b",
    "и ",
]


@pytest.fixture(scope="module", params=sorted(PATTERNS))
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return Tokenizer.train(texts(), vocab_size=700, pattern=request.param)


def texts() -> list[str]:
    books = sorted((ROOT / "sample_corpora" / "books").rglob("*-0.txt"))
    return [path.read_text(encoding="utf-8-sig") for path in books]


@given(st.lists(st.sampled_from(TRICKY), max_size=200).map("".join))
@settings(deadline=None)
def test_pieces_encode_like_the_whole(tokenizer: Tokenizer, text: str) -> None:
    whole = tokenizers.Tokenizer.from_str(tokenizer.data.decode())
    expected = whole.encode(text, add_special_tokens=False).ids
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PIECE_CHARACTERS", 10)
        assert next(tokenizer.encode([text])).tolist() == expected


def test_long_texts_are_really_cut(tokenizer: Tokenizer) -> None:
    assert tokenizer._safe is not None
    text = "\n".join(texts()) * 3
    cut = list(pieces(text, tokenizer._safe))
    assert "".join(cut) == text
    assert len(cut) > 2
    assert max(map(len, cut)) < 2 * module.PIECE_CHARACTERS


@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_training_on_pieces_is_training_on_whole_texts(
    pattern: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PIECE_CHARACTERS", 50)
    ours = tokenizers.Tokenizer.from_str(Tokenizer.train(texts(), 600, pattern).data.decode())
    whole = tokenizers.Tokenizer.from_str(ours.to_str())
    whole.model = type(whole.model)()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        min_frequency=2,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    whole.train_from_iterator(texts(), trainer)
    assert ours.get_vocab() == whole.get_vocab()
