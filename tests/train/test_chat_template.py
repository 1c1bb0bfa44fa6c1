"""The template that an export carries gives the ids that `corpuskit chat` feeds."""

import json
from pathlib import Path

import pytest

from corpuskit.storage.files import json_bytes, read_sealed, seal
from corpuskit.train import LanguageModel
from corpuskit.train.generate.chat import Chat, Turn
from corpuskit.train.hub.export import export_model
from corpuskit.train.hub.importing import import_model
from tests.train.random_llama import write_random

SAID = [("user", "Hi there"), ("assistant", "ok"), ("user", "More?")]
IDS = [256, 258, *b"Hi there", 260, 259, *b"ok", 260, 258, *b"More?", 260, 259]


@pytest.fixture
def tuned(tmp_path: Path) -> Path:
    """A model that fine-tuning for conversations has marked."""
    write_random(tmp_path / "hub", 58)
    model = import_model(tmp_path / "hub", tmp_path / "model").out
    document = read_sealed(model / "model.json") | {"chat": True}
    (model / "model.json").write_bytes(json_bytes(seal(document)))
    return model


def test_transformers_and_chat_feed_the_same_ids(tuned: Path, tmp_path: Path) -> None:
    """One beginning, no system turn that nobody wrote, and the answer's mark where it is asked for."""
    import transformers

    hub = export_model(tuned, tmp_path / "hf").out
    tokenizer = transformers.AutoTokenizer.from_pretrained(hub)
    messages = [{"role": role, "content": text} for role, text in SAID]
    asked = tokenizer.apply_chat_template(messages, add_generation_prompt=True)
    assert list(asked["input_ids"]) == IDS
    assert list(tokenizer.apply_chat_template(messages)["input_ids"]) == IDS[:-1]
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    assert tokenizer(text, add_special_tokens=False)["input_ids"] == IDS
    chat = Chat(LanguageModel.load(tuned), max_tokens=8)
    assert chat._ids([Turn(role, text) for role, text in SAID]) == IDS  # type: ignore[arg-type]


def test_a_reply_ends_with_its_turn(tuned: Path, tmp_path: Path) -> None:
    hub = export_model(tuned, tmp_path / "hf", check=False).out
    generation = json.loads((hub / "generation_config.json").read_text())
    assert generation["eos_token_id"] == [256, 260]
    assert generation["suppress_tokens"] == [257, 258, 259]


def test_another_model_has_no_template(tuned: Path, tmp_path: Path) -> None:
    document = read_sealed(tuned / "model.json") | {"chat": False}
    (tuned / "model.json").write_bytes(json_bytes(seal(document)))
    hub = export_model(tuned, tmp_path / "hf", check=False).out
    assert "chat_template" not in json.loads((hub / "tokenizer_config.json").read_text())
    assert json.loads((hub / "generation_config.json").read_text())["eos_token_id"] == 256
