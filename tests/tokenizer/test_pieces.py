"""Long texts are cut where no pretoken is: training and encoding give what the whole text gives."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, pre_tokenizers, trainers

from corpuskit.tokenizer import tokenizer as bpe
from corpuskit.tokenizer.special import PATTERNS, SPECIAL_TOKENS
from corpuskit.tokenizer.tokenizer import Encoder, pieces
from corpuskit.tokenizer.train import TrainTokenizer, save, train_bpe

ROOT = Path(__file__).parents[2]

TRICKY = ["\n", "\n\n", "\r\n", " ", "  ", "\t", "A", "the", "'s", "1", "234", ".", "!\n", "é", "　", "Ω"]


@pytest.fixture(scope="module", params=sorted(PATTERNS))
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    folder = tmp_path_factory.mktemp(request.param)
    trained = train_bpe(texts(), TrainTokenizer(vocab_size=700, pattern=request.param))
    save(trained, folder, folder / ".tmp")
    return Encoder(folder / "tokenizer.json")


def texts() -> list[str]:
    books = sorted((ROOT / "sample_corpora" / "books").rglob("*-0.txt"))
    return [path.read_text(encoding="utf-8-sig") for path in books]


@given(st.lists(st.sampled_from(TRICKY), max_size=200).map("".join))
def test_pieces_encode_like_the_whole(encoder: Encoder, text: str) -> None:
    whole = Tokenizer.from_str(encoder._tokenizer.to_str())
    expected = whole.encode(text, add_special_tokens=False).ids
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bpe, "_PIECE_CHARACTERS", 10)
        assert next(encoder.encode([text])).tolist() == expected


def test_long_texts_are_really_cut(encoder: Encoder) -> None:
    assert encoder._safe is not None
    text = "\n".join(texts()) * 3
    cut = list(pieces(text, encoder._safe))
    assert "".join(cut) == text
    assert len(cut) > 2
    assert max(map(len, cut)) < 2 * bpe._PIECE_CHARACTERS


@pytest.mark.parametrize("pattern", sorted(PATTERNS))
def test_training_on_pieces_is_training_on_whole_texts(
    pattern: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = TrainTokenizer.model_validate({"vocab_size": 600, "pattern": pattern})
    monkeypatch.setattr(bpe, "_PIECE_CHARACTERS", 50)
    ours = train_bpe(texts(), settings)
    whole = Tokenizer.from_str(ours.to_str())
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
