"""Sampling: reproducible by seed, bounded by the vocabulary, and text stays text."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import torch

from corpuskit.errors import SettingError, TrainError
from corpuskit.storage.files import read_sealed
from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train import LanguageModel, Sampling, TrainSettings, train_model
from corpuskit.train.generate.sampling import draw


@pytest.fixture(scope="module")
def folder(run: Path, small: TrainSettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained model folder; tests must not change it."""
    out = tmp_path_factory.mktemp("generate") / "model"
    train_model(run, out, TrainSettings.checked({**small.given(), "steps": 60, "learning_rate": 1e-2}))
    return out


def test_seed_fixes_the_text(folder: Path) -> None:
    model = LanguageModel.load(folder)
    first = model.generate("The", 30, seed=3, count=3)
    assert first == LanguageModel.load(folder).generate("The", 30, seed=3, count=3)
    assert first[:1] == model.generate("The", 30, seed=3, count=1)
    assert len({sample.text for sample in first}) > 1
    assert first != model.generate("The", 30, seed=4, count=3)
    assert all(sample.text.startswith("The") for sample in first)


def test_greedy_is_the_limit_of_each_option(folder: Path) -> None:
    model = LanguageModel.load(folder)
    greedy = model.generate("My aunt", 20, Sampling(temperature=0))
    assert greedy == model.generate("My aunt", 20, Sampling(temperature=1, top_k=1, top_p=1), seed=5)
    assert greedy == model.generate("My aunt", 20, Sampling(temperature=1, top_p=1e-9), seed=5)
    ids = [0, *model.tokenizer.encode("My aunt")]
    for expected in greedy[0].ids[:5]:
        with torch.inference_mode():
            logits = model.model(torch.tensor([ids[-16:]]))[0, -1, : model.model.settings.vocab_size]
        assert int(logits.argmax()) == expected
        ids.append(expected)


def test_draws_follow_the_probabilities() -> None:
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    generator = torch.Generator().manual_seed(0)

    def shares(sampling: Sampling) -> list[float]:
        drawn = torch.tensor(draw(logits.expand(4000, -1), sampling, [generator] * 4000))
        return [float((drawn == token).float().mean()) for token in range(4)]

    assert shares(Sampling(1.0, 0, 1.0)) == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.03)
    assert shares(Sampling(1.0, 2, 1.0)) == pytest.approx([0.625, 0.375, 0, 0], abs=0.03)
    assert shares(Sampling(1.0, 0, 0.85)) == pytest.approx([0.526, 0.316, 0.158, 0], abs=0.03)
    assert shares(Sampling(0.5, 0, 1.0)) == pytest.approx([0.685, 0.247, 0.062, 0.007], abs=0.03)


def test_text_ends_with_the_document(folder: Path) -> None:
    model = LanguageModel.load(folder)
    with torch.no_grad():
        # With all logits equal the likeliest token is the first, id 0: the end of text.
        model.model.decoder.norm.weight.zero_()
    (sample,) = model.generate("The", 30, Sampling(temperature=0))
    assert (sample.text, sample.ids, sample.ended) == ("The", [], True)


def test_control_words_in_a_prompt_are_text(folder: Path) -> None:
    model = LanguageModel.load(folder)
    ids = model.tokenizer.encode("a<|endoftext|>b")
    assert model.end_of_text not in ids
    assert model.tokenizer.decode(ids) == "a<|endoftext|>b"


def test_a_tokenizer_that_makes_control_from_text_is_refused(folder: Path, tmp_path: Path) -> None:
    """An added token that is not marked as special is found in any text: a prompt could end a document."""
    document = json.loads((folder / "tokenizer.json").read_text())
    (entry,) = document["added_tokens"]
    for special in (True, False):
        entry["special"] = special
        data = json.dumps(document).encode()
        path = tmp_path / "tokenizer.json"
        path.write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        if special:
            assert 0 not in Tokenizer.load_expected(path, digest, end_of_text=0).encode("a<|endoftext|>b")
            continue
        with pytest.raises(TrainError, match=r"'<\|endoftext\|>' is encoded as the id 0") as caught:
            Tokenizer.load_expected(path, digest, end_of_text=0)
        assert '"special": true' in str(caught.value)


def test_a_tokenizer_whose_end_of_text_has_another_name_is_checked_by_it(
    folder: Path, tmp_path: Path
) -> None:
    document = json.loads((folder / "tokenizer.json").read_text())
    (entry,) = document["added_tokens"]
    entry.update({"content": "</s>", "special": False})
    document["model"]["vocab"]["</s>"] = document["model"]["vocab"].pop("<|endoftext|>")
    data = json.dumps(document).encode()
    (tmp_path / "tokenizer.json").write_bytes(data)
    with pytest.raises(TrainError, match="'</s>' is encoded as the id 0"):
        Tokenizer.load_expected(tmp_path / "tokenizer.json", hashlib.sha256(data).hexdigest(), end_of_text=0)


def test_padding_of_the_vocabulary_is_never_drawn(folder: Path) -> None:
    model = LanguageModel.load(folder)
    settings = model.model.settings
    assert settings.padded_vocab_size > settings.vocab_size
    hot = Sampling(temperature=1000, top_p=1)
    assert max(model.generate("", 300, hot)[0].ids) < settings.vocab_size


def test_prompt_may_be_longer_than_the_context(folder: Path) -> None:
    model = LanguageModel.load(folder)
    prompt = "The miller found a lantern. " * 10
    assert len(model.generate(prompt, 3)[0].ids) == 3


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"temperature": -1}, r"temperature = -1 is not in \[0, inf\)"),
        ({"temperature": float("nan")}, "temperature = nan is not in"),
        ({"top_k": -1}, "top_k = -1 is below 0"),
        ({"top_p": 0}, r"top_p = 0 is not in \(0, 1\]"),
    ],
)
def test_impossible_sampling_is_named(values: dict[str, float], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        Sampling(**values)  # type: ignore[arg-type]


def test_broken_folders_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainError, match=r"holds no model\.json"):
        LanguageModel.load(tmp_path)
    with pytest.raises(SettingError, match="tokens = 0: less than 1"):
        LanguageModel.load(folder).generate("", 0)
    with pytest.raises(SettingError, match="stop = 'sea' is not a list whose items are text"):
        LanguageModel.load(folder).generate("The", 3, stop="sea")
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / "tokenizer.json").write_bytes((copy / "tokenizer.json").read_bytes() + b" ")
    with pytest.raises(TrainError, match=r"tokenizer\.json is not the tokenizer"):
        LanguageModel.load(copy)
    (copy / "model.safetensors").write_bytes((copy / "model.safetensors").read_bytes()[:-9])
    with pytest.raises(TrainError, match=r"model\.safetensors is damaged: sha256 .*, recorded "):
        LanguageModel.load(copy)
    document = read_sealed(copy / "model.json")
    # Of a run that goes on nothing is recorded.
    (copy / "model.json").write_text(json.dumps({k: v for k, v in document.items() if k != "files"}))
    with pytest.raises(TrainError, match=r"model\.safetensors does not hold this model's weights"):
        LanguageModel.load(copy)
    (copy / "model.safetensors").unlink()
    with pytest.raises(TrainError, match=r"model\.safetensors is not there"):
        LanguageModel.load(copy)
    for change, words in (
        ({"format": 9}, "has format 9"),
        ({"model": {"layers": 2}}, "does not describe a model"),
        ({"model": {**document["model"], "hidden": 2**40}}, "can't allocate memory"),
    ):
        (copy / "model.json").write_text(json.dumps({**document, **change}))
        with pytest.raises(TrainError, match=words):
            LanguageModel.load(copy)
    (copy / "model.json").write_text("[]")
    with pytest.raises(TrainError, match="does not describe a model: it is no JSON object"):
        LanguageModel.load(copy)


def test_a_prompt_that_is_no_text_is_named(folder: Path) -> None:
    with pytest.raises(SettingError, match="is no text in UTF-8"):
        LanguageModel.load(folder).generate(b"caf\xe9".decode("utf-8", "surrogateescape"), 4)


def test_special_tokens_are_never_drawn_but_the_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = LanguageModel.load(folder)
    likely = loaded.generate("The", 1, Sampling(temperature=0))[0].ids
    assert likely
    assert loaded.end_of_text not in likely
    monkeypatch.setattr(loaded.tokenizer, "special_ids", lambda: [loaded.end_of_text, *likely])
    model = LanguageModel(loaded.model, loaded.tokenizer, loaded.end_of_text)
    drawn = {i for sample in model.generate("The", 20, Sampling(top_p=1.0), count=5) for i in sample.ids}
    assert not drawn & set(likely)
    assert model.generate("The", 1, Sampling(temperature=0))[0].ids != likely


@pytest.mark.parametrize("temperature", [1e-6, 1e-7, 1e-40])
def test_a_temperature_near_zero_takes_the_likeliest_token(temperature: float) -> None:
    logits = torch.tensor([[1.0, 9000.0, 8999.9, -torch.inf]])
    generator = torch.Generator().manual_seed(0)
    assert draw(logits, Sampling(temperature=temperature, top_p=1.0), [generator]) == [1]
