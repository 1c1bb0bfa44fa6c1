"""Llama 3's stretched rotary wavelengths: imported, computed as transformers does, exported again."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from corpuskit.errors import InputError, SettingError
from corpuskit.train import LanguageModel, ModelSettings, Transformer
from corpuskit.train.hub.export import export_model
from corpuskit.train.hub.families import family_of
from corpuskit.train.hub.importing import import_model
from corpuskit.train.model.transformer import rotary_slowing, rotary_tables

SCALING = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
NUMBERS = (8.0, 1.0, 4.0, 32)
SHAPE = ModelSettings(427, 2, 32, 4, 2, 48, 64, norm="rms", qk_norm=False, rope_scaling=NUMBERS)


def saved(folder: Path, special_run: Path, kind: str = "llama", **changes: Any) -> Path:
    """A small model that transformers made and wrote."""
    import transformers

    shape = {
        "vocab_size": 427,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": 96,
        "initializer_range": 0.3,
        "rope_theta": 5000.0,
        "rope_scaling": dict(SCALING),  # It is written into.
        "eos_token_id": 0,
    }
    config = transformers.AutoConfig.for_model(kind, **shape)
    torch.manual_seed(5)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    shutil.copy(special_run / "tokenizer" / "tokenizer.json", folder)
    document = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps(document))
    return folder


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_logits_are_those_of_transformers(kind: str, special_run: Path, tmp_path: Path) -> None:
    """On rows thrice as long as the first context, where the slowed frequencies count."""
    import transformers

    folder = saved(tmp_path / "hf", special_run, kind)
    result = import_model(folder, tmp_path / "ours")
    assert result.settings.rope_scaling == NUMBERS
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    ids = torch.randint(0, 427, (2, 96), generator=torch.Generator().manual_seed(1))
    ours = LanguageModel.load(result.out).model
    plain = Transformer(dataclasses.replace(result.settings, rope_scaling=()))
    plain.load_state_dict(ours.state_dict())
    with torch.inference_mode():
        expected, found, unscaled = theirs(input_ids=ids).logits, ours(ids), plain.eval()(ids)
    torch.testing.assert_close(found[..., :427], expected, atol=1e-4, rtol=0)
    assert (unscaled[..., :427] - expected).abs().max() > 0.01


def test_an_export_keeps_it(special_run: Path, tmp_path: Path) -> None:
    imported = import_model(saved(tmp_path / "hf", special_run), tmp_path / "ours").out
    again = export_model(imported, tmp_path / "again")
    assert again.check.done
    config = json.loads((tmp_path / "again" / "config.json").read_text())
    assert config["rope_scaling"] == SCALING
    assert config["rope_parameters"] == SCALING | {"rope_theta": 5000.0}
    for left_out in ("rope_scaling", "rope_parameters"):  # Versions 5 and 4 read one of them.
        rest = {name: value for name, value in config.items() if name != left_out}
        (tmp_path / "again" / "config.json").write_text(json.dumps(rest))
        assert import_model(tmp_path / "again", tmp_path / left_out).settings.rope_scaling == NUMBERS
    own = export_model(imported, tmp_path / "torch", "torch")
    assert own.check.difference == 0


@pytest.mark.parametrize(
    ("scaling", "named"),
    [
        (SCALING | {"factor": "eight"}, "has factor = 'eight'"),
        (SCALING | {"low_freq_factor": None}, "has low_freq_factor = None"),
        (SCALING | {"high_freq_factor": 1.0}, "rope_scaling must be"),
        (SCALING | {"factor": 0.5}, "rope_scaling must be"),
        (SCALING | {"rope_type": "yarn"}, "'yarn' (imported: none, 'llama3')"),
    ],
)
def test_what_is_no_such_scaling_is_refused(
    scaling: dict[str, Any], named: str, special_run: Path, tmp_path: Path
) -> None:
    folder = saved(tmp_path / "hf", special_run, rope_parameters=scaling | {"rope_theta": 5000.0})
    with pytest.raises(InputError) as caught:
        import_model(folder, tmp_path / "ours")
    assert named in str(caught.value)


def test_slow_turns_are_slowed_and_fast_ones_kept() -> None:
    slowing = rotary_slowing(dataclasses.replace(SHAPE, head_dim=64, rope_base=10_000.0))
    turns = 32 * 10_000.0 ** (-torch.arange(32, dtype=torch.float64) / 32) / (2 * torch.pi)
    assert torch.equal(slowing[turns < 1], torch.full_like(slowing[turns < 1], 8.0))
    assert torch.equal(slowing[turns > 4], torch.ones_like(slowing[turns > 4]))
    between = slowing[(turns > 1) & (turns < 4)]
    assert len(between) > 2
    assert (between.diff() > 0).all()
    assert not torch.equal(
        rotary_tables(SHAPE).cos, rotary_tables(dataclasses.replace(SHAPE, rope_scaling=())).cos
    )


def test_lists_of_json_are_the_same_settings() -> None:
    again = ModelSettings(**json.loads(json.dumps(dataclasses.asdict(SHAPE))))
    assert again == SHAPE
    assert hash(again) == hash(SHAPE)
    with pytest.raises(ValueError, match="rope_scaling must be"):
        dataclasses.replace(SHAPE, rope_scaling=(8.0, 1.0, 4.0))


def test_an_encoder_has_no_family_with_it() -> None:
    encoder = ModelSettings(427, 2, 32, 4, 4, 48, 64, "encoder", qk_norm=False, rope_scaling=NUMBERS)
    with pytest.raises(SettingError, match="rope_scaling"):
        family_of(encoder)
