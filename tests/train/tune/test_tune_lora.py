"""Adapters in a run: what they hold, what they add, and that a run leaves a plain model all the same."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from corpuskit.errors import CorpuskitError
from corpuskit.train import LanguageModel
from corpuskit.train.hub.adapters import ADAPTER, read_adapter
from corpuskit.train.model.lora import base_fingerprint, load_adapter
from corpuskit.train.predict import Classifier
from tests.tiny_models import make_model
from tests.train.tune.tuning import Run, absent, command, lines, printed, refusal, table, talk, tune, weights

TALKS = [talk("ping", "pong"), talk("in", "out")]
IDS = torch.tensor([[256, *b"ping pong in out"]])


def logits(model: LanguageModel) -> torch.Tensor:
    with torch.inference_mode():
        out: torch.Tensor = model.model(IDS)
        return out


@pytest.fixture(scope="module")
def adapted(random_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """30 steps of adapters of rank 4."""
    folder = tmp_path_factory.mktemp("adapted")
    return tune(
        random_model,
        lines(folder / "data.jsonl", TALKS),
        folder / "out",
        "instruct",
        lora_rank=4,
        lora_alpha=16,
        steps=30,
        learning_rate=1e-2,
        batch_rows=2,
    )


def test_merged_and_apart_compute_the_same(adapted: Run, random_model: Path) -> None:
    apart, merged = LanguageModel.load(random_model), LanguageModel.load(adapted.out)
    base = logits(apart)
    load_adapter(apart.model, read_adapter(adapted.out / ADAPTER), base_fingerprint(apart.model))
    np.testing.assert_allclose(logits(apart), logits(merged), atol=1e-4)
    assert float((logits(merged) - base).abs().max()) > 0.01
    assert adapted.losses[-1] < adapted.losses[0] / 2


def test_the_first_loss_is_the_base_s_own(adapted: Run, random_model: Path, tmp_path: Path) -> None:
    plain = tune(
        random_model,
        lines(tmp_path / "data.jsonl", TALKS),
        tmp_path / "out",
        "instruct",
        steps=1,
        batch_rows=2,
    )
    assert adapted.losses[0] == plain.losses[0]


def test_the_merged_model_is_exported(adapted: Run, tmp_path: Path) -> None:
    """The export compares its logits with the model's, to 1e-4."""
    found = command("export", adapted.out, "--out", tmp_path / "hub", "--json")
    assert found.exit_code == 0, found.output
    assert '"done": true' in found.stdout


def test_an_adapter_fits_its_own_base_alone(adapted: Run, random_model: Path, tmp_path: Path) -> None:
    other = LanguageModel.load(make_model(tmp_path, "random", seed=22, layers=2, kv_heads=2))
    saved = read_adapter(adapted.out / ADAPTER)
    with pytest.raises(CorpuskitError) as refused:
        load_adapter(other.model, saved, base_fingerprint(other.model))
    said = str(refused.value)
    own = base_fingerprint(LanguageModel.load(random_model).model)
    assert own[:12] in said
    assert base_fingerprint(other.model)[:12] in said
    moved = shutil.copytree(random_model, tmp_path / "moved")
    again = LanguageModel.load(moved)
    load_adapter(again.model, saved, base_fingerprint(again.model))


def test_an_adapter_and_its_checkpoints_are_small(tmp_path: Path) -> None:
    model = make_model(tmp_path, "random", seed=24, layers=4, width=256, hidden=512)
    run = tune(
        model,
        lines(tmp_path / "data.jsonl", TALKS),
        tmp_path / "out",
        "instruct",
        lora_rank=2,
        steps=4,
        save_every=2,
        keep=3,
        batch_rows=2,
    )
    # q, k, v and o of 4 layers of width 256: two matrices each.
    numbers = 4 * 4 * 2 * (256 + 256)
    assert sum(each.size for each in weights(run.out, ADAPTER).values()) == numbers
    assert f"{numbers:,} numbers learn" in run.told
    folders = sorted((run.out / "checkpoints").glob("step-*"))
    assert len(folders) == 3
    for folder in folders:
        assert sum(file.stat().st_size for file in folder.iterdir()) < 1_000_000
    assert (run.out / ADAPTER).stat().st_size < 1_000_000


def test_a_tied_head_is_not_adapted(tmp_path: Path) -> None:
    model = make_model(tmp_path, "random", seed=13, tie=True)
    data, out = lines(tmp_path / "data.jsonl", TALKS), tmp_path / "out"
    options = (
        "--task",
        "instruct",
        "--lora-rank",
        2,
        "--set",
        "lora_targets=head",
        "--steps",
        2,
        "--out",
        out,
    )
    said = refusal(command("finetune", model, data, *options))
    assert "head" in said
    assert absent(out)
    run = tune(model, data, out, "instruct", steps=20, batch_rows=2)
    found = command("export", run.out, "--out", tmp_path / "exported", "--json")
    assert found.exit_code == 0, found.output
    assert '"tie_word_embeddings":true' in (tmp_path / "exported" / "config.json").read_text().replace(
        " ", ""
    )


def test_only_the_last_blocks_learn(random_model: Path, tmp_path: Path) -> None:
    data = lines(tmp_path / "data.jsonl", TALKS)
    run = tune(random_model, data, tmp_path / "out", "instruct", last_layers=1, steps=3)
    before, after = weights(random_model), weights(run.out)
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed
    assert {name.rpartition(".")[0].split(".")[:3][-1] for name in changed} <= {"1", "norm"}, changed
    assert all(name.startswith(("decoder.blocks.1.", "decoder.norm.")) for name in changed)


def test_both_ways_to_learn_less_exclude_each_other(random_model: Path, tmp_path: Path) -> None:
    data, out = lines(tmp_path / "data.jsonl", TALKS), tmp_path / "out"
    options = ("--task", "instruct", "--lora-rank", 2, "--last-layers", 1, "--out", out)
    said = refusal(command("finetune", random_model, data, *options))
    assert "last_layers = 1 and lora_rank = 2 exclude each other" in said
    assert absent(out)


def test_an_adapter_apart_and_its_base_make_the_model_again(
    adapted: Run, random_model: Path, tmp_path: Path
) -> None:
    """Bit by bit, wherever the base lies; what it was tuned for is noted in the adapter."""
    apart, moved = tmp_path / "apart.safetensors", shutil.copytree(random_model, tmp_path / "moved")
    shutil.copy(adapted.out / ADAPTER, apart)
    said = printed("import", apart, "--base", moved, "--out", tmp_path / "again")
    assert (said["rank"], said["task"], said["targets"]) == (4, "instruct", ["q", "k", "v", "o"])
    assert said["base"] == base_fingerprint(LanguageModel.load(random_model).model)
    ours, again = weights(adapted.out), weights(tmp_path / "again")
    assert ours.keys() == again.keys()
    assert all(np.array_equal(ours[name], again[name]) for name in ours)
    documents = [LanguageModel.load(folder).document for folder in (adapted.out, tmp_path / "again")]
    for name in ("chat", "tuned", "model", "tokenizer_sha256", "end_of_text"):
        assert documents[0][name] == documents[1][name], name
    assert documents[1]["imported"]["base"]["name"] == "moved"
    assert command("export", tmp_path / "again", "--no-check", "--out", tmp_path / "export").exit_code == 0
    card = (tmp_path / "export" / "README.md").read_text()
    assert "It was not trained here but imported, from a model moved with an adapter of rank 4." in card
    assert "conversational" in card
    assert command("import", adapted.out, "--base", moved, "--out", tmp_path / "other").exit_code == 0


def test_an_adapter_on_another_base_is_refused_with_both_fingerprints(
    adapted: Run, random_model: Path, tmp_path: Path
) -> None:
    other = make_model(tmp_path, "random", seed=22, layers=2, kv_heads=2)
    said = refusal(command("import", adapted.out, "--base", other, "--out", tmp_path / "out"))
    for folder in (random_model, other):
        assert base_fingerprint(LanguageModel.load(folder).model)[:12] in said
    assert "Put it on the base that it was trained on" in said
    assert absent(tmp_path / "out")
    said = refusal(command("import", random_model, "--base", random_model, "--out", tmp_path / "out"))
    assert "there is no adapter" in said
    options = ("--base", random_model, "--context", 8, "--out", tmp_path / "out")
    assert "--context is not of an adapter" in refusal(command("import", adapted.out, *options))


def test_labels_come_back_with_their_adapter(random_model: Path, tmp_path: Path) -> None:
    data = table(tmp_path / "data.csv", "rain,bad", "sun,good")
    run = tune(random_model, data, tmp_path / "out", "classify", lora_rank=2, steps=5, learning_rate=1e-2)
    printed("import", run.out / ADAPTER, "--base", random_model, "--out", tmp_path / "again")
    first, again = (Classifier.load(folder) for folder in (run.out, tmp_path / "again"))
    assert again.labels == ("bad", "good")
    assert first.predict(["rain", "no sun"]) == again.predict(["rain", "no sun"])
    said = refusal(command("export", run.out, "--to", "peft", "--out", tmp_path / "peft"))
    assert "2 classes" in said
    assert "--to hf" in said
    assert absent(tmp_path / "peft")


def test_an_adapter_of_peft_on_the_exported_base_is_the_exported_model(
    adapted: Run, random_model: Path, tmp_path: Path
) -> None:
    for folder, name in ((random_model, "base"), (adapted.out, "merged")):
        assert command("export", folder, "--no-check", "--out", tmp_path / name).exit_code == 0
    said = printed("export", adapted.out, "--to", "peft", "--out", tmp_path / "peft")
    assert (said["base"], said["rank"]) == (random_model.name, 4)
    config = json.loads((tmp_path / "peft" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == random_model.name
    assert config["target_modules"] == said["modules"] == ["k_proj", "o_proj", "q_proj", "v_proj"]
    theirs = weights(tmp_path / "base")
    tensors = weights(tmp_path / "peft", "adapter_model.safetensors")
    for name in (each for each in tensors if each.endswith("lora_A.weight")):
        module = name.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
        change = tensors[name.replace("lora_A", "lora_B")] @ tensors[name]
        theirs[f"{module}.weight"] = theirs[f"{module}.weight"] + config["lora_alpha"] / config["r"] * change
    for name, expected in weights(tmp_path / "merged").items():
        np.testing.assert_allclose(theirs[name], expected, atol=1e-6, err_msg=name)
    assert "there is no adapter" in refusal(
        command("export", random_model, "--to", "peft", "--out", tmp_path / "none")
    )
