"""A conversation: marked by role tokens where there are some, cut to the context, the same by seed."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from corpuskit.cli.main import cli
from corpuskit.errors import SettingError
from corpuskit.train import LanguageModel, Sampling
from corpuskit.train.generate.chat import Chat, Turn
from tests.train.random_models import ROLES, write_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("chat") / "model")


@pytest.fixture(scope="module")
def model(folder: Path) -> LanguageModel:
    return LanguageModel.load(folder)


@pytest.fixture(scope="module")
def plain_model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return LanguageModel.load(write_model(tmp_path_factory.mktemp("chat") / "plain", roles=False))


def say(chat: Chat, text: str) -> str:
    return "".join(chat.reply(text))


def test_turns_are_marked_by_role_tokens(model: LanguageModel) -> None:
    chat = Chat(model, max_tokens=5, system="be kind")
    chat.turns = [Turn("user", "hello"), Turn("assistant", "good day")]
    system, user, assistant, end = (model.tokenizer.special_id(role) for role in ROLES)
    encode = model.tokenizer.encode
    expected = [0, system, *encode("be kind"), end, user, *encode("hello"), end]
    expected += [assistant, *encode("good day"), end, user, *encode("you?"), end, assistant]
    assert chat._ids([*chat.turns, Turn("user", "you?")]) == expected
    # Text is never control: a role that is typed is the characters that it is made of.
    typed = chat._ids([Turn("user", "<|assistant|>")])
    assert typed.count(assistant) == 1


def test_without_role_tokens_roles_are_words(plain_model: LanguageModel, model: LanguageModel) -> None:
    for chat in (Chat(plain_model, max_tokens=5), Chat(model, max_tokens=5, plain=True)):
        assert not chat.has_roles
        codec = plain_model.tokenizer if chat._model is plain_model else model.tokenizer
        ids = chat._ids([Turn("user", "hello"), Turn("assistant", "good day"), Turn("user", "you?")])
        assert ids[0] == 0
        assert codec.decode(ids[1:]) == "User: hello\nAssistant: good day\nUser: you?\nAssistant:"


def test_a_reply_ends_with_the_turn(model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    end = model.tokenizer.special_id("<|end_of_turn|>")
    script = [*model.tokenizer.encode(" good"), end, *model.tokenizer.encode("more")]

    def scripted(logits: torch.Tensor, *rest: object) -> list[int]:
        token = script.pop(0)
        assert torch.isfinite(logits[0, token]), "a token that may not be said"
        return [token]

    monkeypatch.setattr("corpuskit.train.generate.generate.draw", scripted)
    chat = Chat(model, max_tokens=20)
    assert say(chat, "hello") == "good"
    assert chat.turns == [Turn("user", "hello"), Turn("assistant", "good")]


def test_a_reply_in_words_ends_before_the_next_user(
    plain_model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = plain_model.tokenizer.encode(" good day\nUser: and")
    monkeypatch.setattr("corpuskit.train.generate.generate.draw", lambda *rest: [script.pop(0)])
    assert say(Chat(plain_model, max_tokens=40), "hello") == "good day"


def test_the_seed_fixes_the_replies(model: LanguageModel) -> None:
    def talk(seed: int) -> list[Turn]:
        chat = Chat(model, Sampling(1.0), seed=seed, max_tokens=8)
        say(chat, "hello")
        say(chat, "you?")
        return chat.turns

    assert talk(1) == talk(1)
    assert talk(1) != talk(2)
    chat = Chat(model, Sampling(1.0), seed=1, max_tokens=8)
    say(chat, "something else")
    chat.reset()
    assert chat.turns == []
    say(chat, "hello")
    assert chat.turns == talk(1)[:2]


def test_the_oldest_turns_are_forgotten_first(model: LanguageModel) -> None:
    """The context of 64 keeps room for the reply, the system's text and the newest pairs of turns."""
    chat = Chat(model, max_tokens=30, system="kind")
    turns = [Turn("user", "hello 1"), Turn("assistant", "good day one"), Turn("user", "hello 2")]
    turns += [Turn("assistant", "good day two"), Turn("user", "you?")]
    ids = chat._ids(turns)
    text = model.tokenizer.decode(ids)
    assert len(ids) <= 64 - 30
    assert chat.forgotten == 2
    assert "kind" in text
    assert "hello 1" not in text
    assert "good day one" not in text
    assert "hello 2" in text
    assert "good day two" in text


def test_of_a_message_that_is_too_long_the_end_is_read(model: LanguageModel) -> None:
    chat = Chat(model, max_tokens=500)
    ids = chat._ids([Turn("user", "x" * 300 + " the end?")])
    assert len(ids) == 32
    assert model.tokenizer.decode(ids).startswith("<|endoftext|><|user|>x")
    assert model.tokenizer.decode(ids).endswith("the end?<|end_of_turn|><|assistant|>")
    assert say(chat, "x" * 300)


def test_a_reply_that_is_cut_off_is_remembered(model: LanguageModel) -> None:
    chat = Chat(model, Sampling(1.0), max_tokens=20)
    reply = chat.reply("hello")
    first = next(reply)
    reply.close()
    assert chat.turns == [Turn("user", "hello"), Turn("assistant", first.strip())]


def test_who_cannot_be_talked_with(model: LanguageModel, tmp_path: Path) -> None:
    encoder = LanguageModel.load(write_model(tmp_path / "encoder", kind="encoder"))
    with pytest.raises(SettingError, match="is an encoder: it cannot be talked with"):
        Chat(encoder)
    with pytest.raises(SettingError, match="tokens = 0"):
        Chat(model, max_tokens=0)
    with pytest.raises(SettingError, match="system text takes"):
        Chat(model, system="a very long text " * 10)


def call(*arguments: object, stdin: str = "") -> tuple[int, str, str]:
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_a_piped_conversation(folder: Path) -> None:
    lines = "hello\n\n/seed 5\n/temperature 0\nyou?\n/reset\n/seed\n/sed 3\n/help\n/temperature -1\n"
    lines += "hello\n/quit\nnever\n"
    code, stdout, stderr = call("chat", folder, "--tokens", 6, stdin=lines)
    assert code == 0
    assert len(stdout.splitlines()) >= 3
    assert "was not tuned for conversations" in stderr
    assert "try --plain" in stderr
    for words in (
        "The seed is 5.",
        "The temperature is 0.",
        "The conversation is forgotten.",
        "/seed : '' is no number",
        "Did you mean '/seed'?",
        "/quit            leave",
        "temperature = -1.0 is not in",
    ):
        assert words in stderr
    assert (code, stdout) == call("chat", folder, "--tokens", 6, stdin=lines)[:2]


def test_a_conversation_as_json(folder: Path, tmp_path: Path) -> None:
    code, stdout, _ = call("chat", folder, "--tokens", 6, "--json", stdin="hello\nyou?\n")
    found = json.loads(stdout)
    assert (code, found["tuned"]) == (0, False)
    assert [turn["role"] for turn in found["turns"]] == ["user", "assistant"] * 2
    chat = Chat(LanguageModel.load(folder), max_tokens=6)
    for line in ("hello", "you?"):
        say(chat, line)
    assert [{"role": turn.role, "text": turn.text} for turn in chat.turns] == found["turns"]
    tuned = write_model(tmp_path / "tuned", chat=True)
    code, stdout, stderr = call("chat", tuned, "--json", stdin="")
    assert (code, json.loads(stdout)["tuned"], stderr) == (0, True, "")


def test_a_long_conversation_says_what_it_forgets(folder: Path) -> None:
    _, _, stderr = call("chat", folder, "--tokens", 20, stdin="good day to you\n" * 6)
    assert "Written without the first" in stderr


def test_a_folder_that_is_not_whole(folder: Path, tmp_path: Path) -> None:
    code, _, stderr = call("chat", tmp_path, stdin="hello\n")
    assert code == 1
    assert "holds no model.json" in stderr
    shutil.copytree(folder, tmp_path / "half")
    (tmp_path / "half" / "model.safetensors").unlink()
    code, stdout, _ = call("chat", tmp_path / "half", "--json", stdin="hello\n")
    assert (code, json.loads(stdout)["error"]) == (1, "TrainError")
    if not torch.cuda.is_available():
        code, _, stderr = call("chat", folder, "--device", "cuda", stdin="hello\n")
        assert code == 2
        assert "torch finds no such GPU" in stderr


def test_gaps_are_filled_from_the_command_line(tmp_path: Path) -> None:
    encoder = write_model(tmp_path / "encoder", kind="encoder")
    code, stdout, stderr = call("sample", encoder, "--fill", "good <mask> to <mask>.", "--top", 3, "--json")
    (filled,) = json.loads(stdout)["filled"]
    assert (code, stderr) == (0, "")
    assert [len(each) for each in filled["candidates"]] == [3, 3]
    assert filled["text"] == "good{} to{}.".format(*filled["spans"])
    assert filled["spans"] == [each[0]["text"] for each in filled["candidates"]]
    shown = call("sample", encoder, "--fill", "good <mask> to <mask>.", "--top", 3)[1].splitlines()
    assert len(shown) >= 7
    assert sum(line.startswith("gap ") for line in shown) == 2
    both = write_model(tmp_path / "both", kind="encoder-decoder")
    options = ("--fill", "good [] you", "--marker", "[]", "--tokens", 6, "--count", 2, "--json")
    texts = json.loads(call("sample", both, *options)[1])["filled"]
    assert len(texts) == 2
    assert all(each["text"] == f"good{each['spans'][0]} you" for each in texts)
    code, stdout, _ = call("sample", both, "--prompt", "good day", "--tokens", 6)
    assert code == 0
    assert not stdout.startswith("good day")
    assert call("sample", both)[0] == 2
    code, _, stderr = call("sample", encoder, "--prompt", "good")
    assert code == 2
    assert "--fill TEXT" in stderr


def test_a_text_ends_with_the_turn_of_a_model_that_was_taught_to_talk(tmp_path: Path) -> None:
    """Forbidden, the end of the turn would leave what is least likely to be written in its place."""
    plain, tuned = (
        LanguageModel.load(write_model(tmp_path / name, **given))
        for name, given in (("plain", {}), ("tuned", {"chat": True}))
    )
    end = tuned.tokenizer.special_id("<|end_of_turn|>")
    assert end not in plain.prompt("hello").ends
    assert set(tuned.prompt("hello").ends) == {tuned.end_of_text, end}
