"""Exports against the classes of `transformers` themselves, with random weights, gains included."""

import dataclasses
import itertools
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

from corpuskit.cli.model.export import command as export_command
from corpuskit.cli.model.import_model import command as import_command
from corpuskit.errors import InputError, SettingError, TrainError
from corpuskit.storage.files import json_bytes
from corpuskit.tokenizer.tokenizer import Tokenizer
from corpuskit.train import LanguageModel, ModelSettings, Sampling, TrainSettings, Transformer, train_model
from corpuskit.train.generate.generate import model_document
from corpuskit.train.hub import export, families
from corpuskit.train.hub.config import read_config
from corpuskit.train.hub.importing import import_model
from corpuskit.train.settings.resolve import resolve, shaped_as

MakeModel = Callable[..., Path]

SHAPE = ModelSettings(
    vocab_size=427, layers=2, width=32, heads=4, kv_heads=2, hidden=48, context=24, rope_base=5000.0
)
DECODERS = [
    dataclasses.replace(
        SHAPE, norm=norm, qk_norm=qk_norm, kv_heads=kv_heads, tie_embeddings=tie, activation=act
    )
    for (norm, qk_norm), (kv_heads, tie, act) in itertools.product(
        itertools.product(("layer", "rms"), (True, False)),
        ((4, True, "swiglu"), (2, False, "geglu"), (1, True, "geglu")),
    )
]
DECODERS += [
    dataclasses.replace(DECODERS[7], heads=6, head_dim=12),
    dataclasses.replace(DECODERS[10], heads=8, head_dim=12),
]
UNGATED = [
    dataclasses.replace(SHAPE, norm=norm, qk_norm=qk_norm, kv_heads=heads, tie_embeddings=tie, activation=act)
    for norm, qk_norm, heads, tie, act in (
        ("rms", False, 2, True, "relu2"),
        ("rms", False, 4, False, "relu"),
        ("rms", True, 1, True, "gelu"),
        ("rms", True, 2, False, "relu2"),
        ("layer", False, 2, True, "gelu"),
        ("layer", False, 1, False, "relu"),
        ("layer", True, 4, True, "relu"),
        ("layer", True, 4, False, "gelu"),
    )
]
PLACED = [
    dataclasses.replace(UNGATED[7], positions="learned", qk_norm=False, rope_base=10_000.0),
    dataclasses.replace(
        UNGATED[6], positions="learned", qk_norm=False, activation="relu2", rope_base=10_000.0
    ),
    dataclasses.replace(SHAPE, norm="rms", qk_norm=False, positions="none"),
    dataclasses.replace(
        SHAPE, norm="rms", qk_norm=False, positions="none", tie_embeddings=False, activation="geglu"
    ),
]
"""Decoders whose positions are learned, or none."""
UNGATED += [dataclasses.replace(each, heads=8, head_dim=12) for each in (UNGATED[0], UNGATED[2])]
PLACED += [dataclasses.replace(PLACED[2], heads=8, head_dim=12)]
ENCODER = dataclasses.replace(SHAPE, kind="encoder", qk_norm=False, kv_heads=4)
ENCODERS = [
    dataclasses.replace(ENCODER, tie_embeddings=tie, activation=activation)
    for tie, activation in itertools.product((True, False), ("swiglu", "geglu"))
]
CLASSES = {
    ("layer", True): "StableLmForCausalLM",
    ("layer", False): "StableLmForCausalLM",
    ("rms", True): "Qwen3ForCausalLM",
    ("rms", False): "LlamaForCausalLM",
}
UNGATED_CLASSES = {
    ("layer", True): "PersimmonForCausalLM",
    ("layer", False): "Starcoder2ForCausalLM",
    ("rms", True): "ApertusForCausalLM",
    ("rms", False): "ArceeForCausalLM",
}


@pytest.fixture(scope="module")
def make_model(special_run: Path, tmp_path_factory: pytest.TempPathFactory) -> MakeModel:
    """A model folder with random weights everywhere, great enough for every part to count."""

    def make(settings: ModelSettings) -> Path:
        folder = tmp_path_factory.mktemp("model")
        tokenizer = special_run / "tokenizer" / "tokenizer.json"
        shutil.copy(tokenizer, folder)
        sha256 = json.loads((special_run / "shards" / "shards.json").read_text())["tokenizer_sha256"]
        (folder / "model.json").write_bytes(json_bytes(model_document(settings, 0, sha256)))
        generator = torch.Generator().manual_seed(3)
        state = {}
        for name, tensor in Transformer(settings).state_dict().items():
            numbers = torch.randn(tensor.shape, generator=generator)
            state[name] = 1 + 0.3 * numbers if tensor.dim() == 1 else numbers * 0.2
        save_file(state, folder / "model.safetensors")
        return folder

    return make


def exported(
    make_model: MakeModel, settings: ModelSettings, **options: Any
) -> tuple[Path, export.ExportResult]:
    model = make_model(settings)
    return model, export.export_model(model, model / "exported", **options)


def edit(path: Path, **changes: Any) -> None:
    """Change keys of a JSON file; None removes one."""
    document = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({name: value for name, value in document.items() if value is not None}))


def call(command: object, *arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])  # type: ignore[arg-type]
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


# ------------------------------------------------------------------------------------------- families


@pytest.mark.parametrize("settings", [*DECODERS, *UNGATED, *PLACED, *ENCODERS])
def test_transformers_computes_the_same_logits(make_model: MakeModel, settings: ModelSettings) -> None:
    """Compared here without the exporter's own comparison, on rows of the full context."""
    import transformers

    model, result = exported(make_model, settings, check=False)
    assert not result.check.done
    encoder = settings.kind == "encoder"
    auto = transformers.AutoModelForMaskedLM if encoder else transformers.AutoModelForCausalLM
    theirs, info = auto.from_pretrained(result.out, output_loading_info=True)
    assert not any(info.values()), info
    assert type(theirs).__name__ == result.architecture
    classes = CLASSES if settings.is_gated else UNGATED_CLASSES
    assert (
        result.architecture
        == {
            "learned": "GPT2LMHeadModel",
            "none": "SmolLM3ForCausalLM",
            "rope": "ModernBertForMaskedLM" if encoder else classes[settings.norm, settings.qk_norm],
        }[settings.positions]
    )
    ids = torch.randint(0, 427, (3, 24), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        ours = LanguageModel.load(model).model(ids)
        found = theirs.eval()(input_ids=ids).logits
    assert ours.abs().max() > 1
    assert found.shape == (3, 24, 427)
    torch.testing.assert_close(found, ours[..., :427], atol=1e-4, rtol=0)


@pytest.mark.parametrize("settings", [DECODERS[0], DECODERS[7], ENCODERS[3]])
def test_an_export_is_checked_and_says_so(make_model: MakeModel, settings: ModelSettings) -> None:
    import transformers

    _, result = exported(make_model, settings)
    note = json.loads((result.out / "export.json").read_text())
    assert note["check"]["done"] is True
    assert note["check"]["tokenizer"] is True
    assert note["check"]["by"] == f"transformers {transformers.__version__}"
    assert 0 <= note["check"]["difference"] < 1e-4
    assert note["padding_removed"] == 448 - 427
    assert len({path.stat().st_mode for path in result.out.iterdir()}) == 1


def test_a_norms_number_is_exported(make_model: MakeModel) -> None:
    """With small activations the number that a norm adds counts."""
    _, result = exported(make_model, dataclasses.replace(DECODERS[6], norm_eps=0.25))
    assert result.check.done
    assert json.loads((result.out / "config.json").read_text())["rms_norm_eps"] == 0.25


def test_greedy_text_is_the_same(make_model: MakeModel) -> None:
    """generation_config.json keeps special tokens from being drawn, as sampling here does."""
    import transformers

    model, result = exported(make_model, DECODERS[6])
    ours = LanguageModel.load(model).generate("My aunt", 12, Sampling(temperature=0))[0]
    theirs = transformers.AutoModelForCausalLM.from_pretrained(result.out)
    tokenizer = transformers.AutoTokenizer.from_pretrained(result.out)
    prompt = tokenizer(tokenizer.bos_token + "My aunt", return_tensors="pt")
    out = theirs.generate(
        **prompt, max_new_tokens=12, do_sample=False, temperature=None, top_p=None, top_k=None
    )
    continuation = out[0, prompt["input_ids"].shape[1] :].tolist()
    assert [number for number in continuation if number != 0] == ours.ids


def test_special_tokens_have_their_roles(make_model: MakeModel) -> None:
    import transformers

    _, result = exported(make_model, ENCODER)
    tokenizer = transformers.AutoTokenizer.from_pretrained(result.out)
    assert tokenizer.mask_token == "<|mask|>"
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("<|endoftext|>", "<|pad|>")
    assert tokenizer.model_max_length == 24
    assert not (result.out / "generation_config.json").exists()
    assert "<|mask|>" in tokenizer.convert_ids_to_tokens(tokenizer("a<|mask|>b")["input_ids"])


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (dataclasses.replace(SHAPE, softcap=15.0), ["softcap = 15"]),
        (
            dataclasses.replace(SHAPE, activation="relu2", softcap=5.0),
            ["kv_heads = 2", "PersimmonForCausalLM", "softcap = 5"],
        ),
        (
            dataclasses.replace(SHAPE, positions="learned"),
            ["activation = 'swiglu'", "gelu, relu, relu2", "qk_norm = True", "kv_heads = 2"],
        ),
        (
            dataclasses.replace(SHAPE, positions="none", activation="relu"),
            ["activation = 'relu'", "swiglu, geglu", "norm = 'layer'", "qk_norm = True"],
        ),
        (dataclasses.replace(ENCODER, activation="gelu"), ["activation = 'gelu'", "swiglu, geglu"]),
        (dataclasses.replace(ENCODER, positions="learned"), ["positions = 'learned'", "'rope'"]),
        (dataclasses.replace(ENCODER, positions="none"), ["positions = 'none'", "'rope'"]),
        (dataclasses.replace(ENCODER, qk_norm=True), ["qk_norm = True"]),
        (dataclasses.replace(ENCODER, head_dim=16), ["heads x head_dim = 64", "width = 32"]),
        (dataclasses.replace(SHAPE, head_dim=4), ["heads x head_dim = 16"]),
        (
            dataclasses.replace(SHAPE, norm="rms", qk_norm=False, heads=6, head_dim=8),
            ["heads = 6", "divides width = 32"],
        ),
        (dataclasses.replace(ENCODER, norm="rms", kv_heads=2), ["norm = 'rms'", "kv_heads = 2"]),
        (dataclasses.replace(SHAPE, kind="encoder-decoder"), ["kind = 'encoder-decoder'", "--to torch"]),
    ],
)
def test_what_no_family_computes_is_refused(
    make_model: MakeModel, settings: ModelSettings, named: list[str]
) -> None:
    model = make_model(settings)
    with pytest.raises(SettingError) as caught:
        export.export_model(model, model / "exported")
    assert all(part in str(caught.value) for part in named)
    assert not (model / "exported").exists()


def test_a_difference_is_found_and_nothing_is_left(
    make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exporter that took the gate for the other half of the MLP."""
    right = families.to_theirs

    def wrong(*arguments: Any) -> dict[str, torch.Tensor]:
        state = right(*arguments)
        gate, up = (f"model.layers.0.mlp.{part}_proj.weight" for part in ("gate", "up"))
        state[gate], state[up] = state[up], state[gate]
        return state

    monkeypatch.setattr(export, "to_theirs", wrong)
    model = make_model(DECODERS[0])
    with pytest.raises(TrainError, match="computes something else"):
        export.export_model(model, model / "exported")
    assert sorted(path.name for path in model.iterdir()) == [
        "model.json",
        "model.safetensors",
        "tokenizer.json",
    ]
    assert not export.export_model(model, model / "exported", check=False).check.done


def test_not_a_number_is_a_difference() -> None:
    assert not export.Check(True, "x", float("nan"), 1.0).holds
    assert not export.Check(True, "x", 0.0, float("nan"), False).holds
    assert not export.Check(True, "x", 2e-4, 1.0).holds
    assert export.Check(True, "x", 2e-4, 3.0).holds


def test_without_transformers_an_export_says_that_it_was_not_checked(
    make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    model = make_model(DECODERS[0])
    code, stdout, _ = call(export_command, model, "--out", model / "exported")
    assert code == 0
    assert "NOT checked: transformers is not installed" in stdout
    assert json.loads((model / "exported" / "export.json").read_text())["check"]["done"] is False


def test_a_head_for_classes_is_left_out_aloud(make_model: MakeModel) -> None:
    _, result = exported(make_model, dataclasses.replace(SHAPE, classes=3))
    assert any("3 classes" in remark for remark in result.remarks)


def test_a_folder_with_something_in_it_is_refused(make_model: MakeModel) -> None:
    model = make_model(SHAPE)
    with pytest.raises(TrainError, match="is there already"):
        export.export_model(model, model)


# ----------------------------------------------------------------------------------------- our own class


@pytest.mark.parametrize(
    "settings",
    [
        dataclasses.replace(SHAPE, kind="encoder-decoder", activation="relu2"),
        dataclasses.replace(SHAPE, kind="encoder-decoder", activation="relu", positions="learned"),
        dataclasses.replace(SHAPE, activation="gelu", positions="none"),
        dataclasses.replace(SHAPE, softcap=15.0, classes=2),
        ENCODER,
    ],
)
def test_one_file_loads_the_model_without_us(make_model: MakeModel, settings: ModelSettings) -> None:
    model, result = exported(make_model, settings, to="torch")
    assert result.check.done
    assert result.check.difference == 0
    names = [
        "README.md",
        "export.json",
        "model.json",
        "model.safetensors",
        "tokenizer.json",
        "transformer.py",
    ]
    assert sorted(path.name for path in result.out.iterdir()) == names
    code = (
        "import sys, torch\n"
        "from transformer import load\n"
        "model = load('.')\n"
        "assert not any(name.partition('.')[0] == 'corpuskit' for name in sys.modules)\n"
        "ids = torch.arange(20)[None]\n"
        "with torch.inference_mode():\n"
        "    both = model.settings.kind == 'encoder-decoder'\n"
        "    torch.save(model(ids, memory=model.encode(ids) if both else None), 'logits.pt')\n"
        "model.loss(ids, ids, source=ids if both else None).backward()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=result.out, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    ours, ids = LanguageModel.load(model).model, torch.arange(20)[None]
    with torch.inference_mode():
        memory = ours.encode(ids) if settings.kind == "encoder-decoder" else None
        expected = ours(ids, memory=memory)
    torch.testing.assert_close(torch.load(result.out / "logits.pt"), expected, atol=1e-5, rtol=0)


# ---------------------------------------------------------------------------------------------- import


@pytest.mark.parametrize("settings", [*DECODERS, *UNGATED, *PLACED, *ENCODERS])
def test_export_and_import_give_equal_tensors(make_model: MakeModel, settings: ModelSettings) -> None:
    model, result = exported(make_model, settings, check=False, keep_padding=True)
    back = import_model(result.out, model / "back")
    assert back.settings == dataclasses.replace(settings, zero_init=False)
    assert back.end_of_text == 0
    before, after = (load_file(folder / "model.safetensors") for folder in (model, back.out))
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert torch.equal(after[name], tensor), name


def test_padding_is_made_anew_and_takes_little(make_model: MakeModel) -> None:
    model, result = exported(make_model, DECODERS[4], check=False)
    assert result.vocab_size == 427
    imported = import_model(result.out, model / "back").out
    ours, back = (LanguageModel.load(folder).model for folder in (model, imported))
    ids = torch.arange(24)[None]
    with torch.inference_mode():
        logits = back(ids)
        torch.testing.assert_close(logits[..., :427], ours(ids)[..., :427], atol=1e-5, rtol=0)
        padding = logits.softmax(-1)[..., 427:]
    assert logits.shape[-1] == 448
    assert padding.max() <= 1 / 427


@pytest.mark.parametrize("kind", sorted(families.FAMILIES))
def test_what_transformers_wrote_is_imported(kind: str, make_model: MakeModel, tmp_path: Path) -> None:
    """A model made and saved by transformers, in pieces, its config with whatever the version writes."""
    import transformers

    shape = {
        "vocab_size": 448,
        "hidden_size": 32,
        "intermediate_size": 40,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "max_position_embeddings": 32,
        "initializer_range": 0.3,
        "eos_token_id": 0,
    }
    own = {
        "qwen3": {"num_key_value_heads": 2, "head_dim": 16, "rope_theta": 1e6},
        "llama": {"num_key_value_heads": 1, "rms_norm_eps": 1e-3, "hidden_act": "gelu", "head_dim": 4},
        "stablelm": {"num_key_value_heads": 2, "qk_layernorm": True, "partial_rotary_factor": 1.0},
        "modernbert": {"layer_types": ["full_attention"] * 3, "decoder_bias": True, "pad_token_id": None}
        | {"global_attn_every_n_layers": 1},
        "smollm3": {"num_key_value_heads": 2, "no_rope_layers": [0] * 3, "pad_token_id": None},
        "apertus": {"num_key_value_heads": 1, "hidden_act": "gelu", "pad_token_id": None}
        | {"rope_parameters": {"rope_type": "default", "rope_theta": 5e3}},
        "arcee": {"num_key_value_heads": 2},
        "persimmon": {"partial_rotary_factor": 1.0},
        "starcoder2": {"num_key_value_heads": 2, "use_bias": False, "hidden_act": "gelu"},
        "gpt2": {"n_inner": 40, "activation_function": "relu"},
    }[kind]
    config = transformers.AutoConfig.for_model(kind, **shape, **own)
    auto = transformers.AutoModelForMaskedLM if kind == "modernbert" else transformers.AutoModelForCausalLM
    theirs = auto.from_config(config).eval()
    theirs.save_pretrained(tmp_path, max_shard_size="20KB")
    assert (tmp_path / "model.safetensors.index.json").is_file()
    shutil.copy(make_model(SHAPE) / "tokenizer.json", tmp_path)
    result = import_model(tmp_path, tmp_path / "ours")
    ids = torch.randint(0, 427, (2, 32), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        ours = LanguageModel.load(result.out).model(ids)[..., :427]
        expected = theirs(input_ids=ids).logits[..., :427]
    assert expected.std() > 0.1
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=0)


def test_an_imported_model_writes(make_model: MakeModel) -> None:
    model, result = exported(make_model, DECODERS[6], check=False)
    code, stdout, _ = call(import_command, result.out, "--out", model / "back", "--context", 16, "--json")
    answer = json.loads(stdout)
    assert (code, answer["settings"]["context"], answer["architecture"]) == (0, 16, "Qwen3ForCausalLM")
    ours, back = (LanguageModel.load(folder) for folder in (model, model / "back"))
    drawn = [each.generate("My aunt", 8, Sampling(temperature=0))[0].ids for each in (ours, back)]
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"model_type": "bert"}, "model_type = 'bert'"),
        ({"rope_parameters": {"rope_type": "yarn", "factor": 4.0}}, "rope_parameters of type 'yarn'"),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "rope_scaling of type 'linear'"),
        ({"partial_rotary_factor": 0.5}, "partial_rotary_factor = 0.5"),
        ({"use_sliding_window": True}, "use_sliding_window = True"),
        ({"layer_types": ["full_attention", "sliding_attention"]}, "sliding_attention"),
        ({"head_dim": 16}, "q_proj.weight has the shape [32, 32], by config.json [64, 32]"),
        ({"head_dim": "wide"}, "head_dim = 'wide' is no count"),
        ({"hidden_act": "relu"}, "hidden_act = 'relu'"),
        ({"hidden_size": None}, "hidden_size = None"),
        ({"num_hidden_layers": 0}, "num_hidden_layers = 0"),
        ({"num_key_value_heads": "2"}, "num_key_value_heads = '2' is no count"),
        ({"rope_parameters": [1]}, "rope_parameters = [1] is no dict"),
        ({"rope_parameters": {"rope_theta": "high"}}, "rope_theta = 'high'"),
        ({"layer_types": "full"}, "layer_types = 'full' is no list"),
        ({"rms_norm_eps": "small"}, "could not convert"),
        ({"quantization_config": {"bits": 4}}, "quantization_config"),
        ({"vocab_size": 400}, "ids up to 426"),
        ({"num_hidden_layers": 3}, "no tensor model.layers.2.input_layernorm.weight"),
        ({"num_hidden_layers": 1}, "model.layers.1"),
        ({"intermediate_size": 64}, "has the shape [48, 32], by config.json [64, 32]"),
        ({"eos_token_id": [5000]}, "--end-of-text"),
    ],
)
def test_what_our_model_cannot_be_is_refused(
    make_model: MakeModel, changes: dict[str, Any], named: str
) -> None:
    model, result = exported(make_model, DECODERS[7], check=False)
    if "partial_rotary_factor" in changes or "rope_scaling" in changes:
        changes = changes | {"rope_parameters": None}
    edit(result.out / "config.json", **changes)
    with pytest.raises(InputError) as caught:
        import_model(result.out, model / "back")
    assert named in str(caught.value)
    assert not (model / "back").exists()


@pytest.mark.parametrize(
    ("settings", "changes", "named"),
    [
        (PLACED[0], {"activation_function": "gelu_new"}, "'gelu_new' (imported: gelu, relu, relu2)"),
        (PLACED[0], {"scale_attn_by_inverse_layer_idx": True}, "inverse_layer_idx = True (imported: False)"),
        (PLACED[0], {"scale_attn_weights": False}, "scale_attn_weights = False (imported: True)"),
        (PLACED[2], {"no_rope_layers": [1, 0]}, "no_rope_layers = [1, 0]"),
        (PLACED[2], {"no_rope_layers": 0}, "no_rope_layers = 0 is no list"),
        (UNGATED[0], {"hidden_act": "silu"}, "hidden_act = 'silu' (imported: gelu, relu, relu2)"),
        (UNGATED[2], {"hidden_act": None}, "hidden_act = 'xielu'"),
        (UNGATED[4], {"sliding_window": 16}, "sliding_window = 16"),
        (UNGATED[6], {"rope_parameters": None, "partial_rotary_factor": None}, "partial_rotary_factor = 0.5"),
    ],
)
def test_what_is_otherwise_in_the_rarer_families_is_refused(
    make_model: MakeModel, settings: ModelSettings, changes: dict[str, Any], named: str
) -> None:
    model, result = exported(make_model, settings, check=False)
    edit(result.out / "config.json", **changes)
    with pytest.raises(InputError, match=re.escape(named)):
        import_model(result.out, model / "back")
    assert not (model / "back").exists()


def test_a_smollm3_may_turn_all_of_its_layers(make_model: MakeModel) -> None:
    """As it does where its config says nothing and it has three layers or fewer."""
    _, result = exported(make_model, PLACED[2], check=False)
    config = json.loads((result.out / "config.json").read_text())
    for turned in ([1, 1], None):
        _, found = read_config(config | {"no_rope_layers": turned}, 427, None, result.out)
        assert found.positions == "rope"


@pytest.mark.parametrize("settings", [DECODERS[0], DECODERS[4], DECODERS[7], DECODERS[10], ENCODER])
def test_old_and_new_keys_say_the_same(make_model: MakeModel, settings: ModelSettings) -> None:
    """Version 4 of transformers reads the ones, version 5 the others."""
    _, result = exported(make_model, settings, check=False)
    config = json.loads((result.out / "config.json").read_text())
    new = {"rope_parameters", "layer_types", "dtype"}
    old = {"rope_theta", "global_rope_theta", "local_rope_theta", "partial_rotary_factor", "torch_dtype"}
    old |= {"global_attn_every_n_layers"}
    for left_out in (new, old):
        rest = {name: value for name, value in config.items() if name not in left_out}
        _, found = read_config(rest, 427, None, result.out)
        assert found == dataclasses.replace(settings, zero_init=False)
    if result.architecture == "StableLmForCausalLM":  # What is in neither has another default.
        rest = {name: value for name, value in config.items() if name not in new | old}
        with pytest.raises(InputError, match=r"partial_rotary_factor = 0\.25"):
            read_config(rest, 427, None, result.out)


@pytest.mark.parametrize(
    ("settings", "tensor", "named"),
    [
        (DECODERS[0], "model.layers.1.self_attn.q_layernorm.norms.2.weight", "differs from"),
        (DECODERS[0], "model.layers.1.input_layernorm.bias", "no biases"),
        (DECODERS[9], "model.layers.0.self_attn.q_proj.bias", "q_proj.bias is not zero"),
        (DECODERS[9], "lm_head.weight", "differs from the embedding"),
        (DECODERS[9], "model.layers.0.mlp.experts.weight", "has no place here"),
    ],
)
def test_a_tensor_that_has_no_place_is_refused(
    make_model: MakeModel, settings: ModelSettings, tensor: str, named: str
) -> None:
    model, result = exported(make_model, settings, check=False)
    path = result.out / "model.safetensors"
    state = load_file(path)
    state[tensor] = torch.ones_like(state[tensor]) if tensor in state else torch.ones(427, 32)
    save_file(state, path)
    with pytest.raises(InputError) as caught:
        import_model(result.out, model / "back")
    assert named in str(caught.value)
    assert tensor in str(caught.value)


def test_what_changes_nothing_may_be_there(make_model: MakeModel) -> None:
    model, result = exported(make_model, DECODERS[9], check=False)
    path = result.out / "model.safetensors"
    state = load_file(path)
    state["model.layers.0.self_attn.q_proj.bias"] = torch.zeros(32)
    state["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(4)
    state["lm_head.weight"] = state["model.embed_tokens.weight"].clone()
    save_file(state, path)
    assert import_model(result.out, model / "back").architecture == "LlamaForCausalLM"


def test_the_end_of_a_text_is_found(make_model: MakeModel) -> None:
    model, result = exported(make_model, DECODERS[9], check=False)
    edit(result.out / "config.json", eos_token_id=None, bos_token_id=3)
    edit(result.out / "generation_config.json", eos_token_id=[4, 0])
    found = import_model(result.out, model / "back")
    assert found.end_of_text == 4
    assert [word in " ".join(found.remarks) for word in ("[4, 0]", "bos_token_id = 3")] == [True, True]
    assert import_model(result.out, model / "named", end_of_text=0).end_of_text == 0
    with pytest.raises(InputError, match="id 427 is not one of the 427"):
        import_model(result.out, model / "other", end_of_text=427)
    Tokenizer.load_expected(
        model / "back" / "tokenizer.json",
        json.loads((model / "back" / "model.json").read_text())["tokenizer_sha256"],
        4,
    )


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("config.json", None, "config.json is not there"),
        ("config.json", "{", "cannot be read"),
        ("config.json", "[]", "no JSON object"),
        ("tokenizer.json", None, "save_pretrained"),
        ("tokenizer.json", "{}", "no tokenizer.json"),
        ("model.safetensors", None, "Only safetensors are read"),
        ("model.safetensors", "short", "Fetch the file again"),
    ],
)
def test_a_damaged_folder_is_named(make_model: MakeModel, name: str, content: str | None, named: str) -> None:
    model, result = exported(make_model, DECODERS[9], check=False)
    (result.out / name).unlink()
    if content is not None:
        (result.out / name).write_text(content)
    code, _, stderr = call(import_command, result.out, "--out", model / "back")
    assert code == 1
    assert named in stderr


def test_pieces_outside_the_folder_are_not_read(make_model: MakeModel) -> None:
    model, result = exported(make_model, DECODERS[9], check=False)
    (result.out / "model.safetensors").unlink()
    index = {"weight_map": {"model.norm.weight": "../model.safetensors"}}
    (result.out / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match="not in its folder"):
        import_model(result.out, model / "back")


# --------------------------------------------------------------------------------- going on with a model


def test_training_begins_with_imported_weights(make_model: MakeModel, special_run: Path) -> None:
    """Their shape is taken over; the run's first checkpoint holds them, and steps change them."""
    model, result = exported(make_model, dataclasses.replace(DECODERS[7], norm_eps=1e-4), check=False)
    imported = import_model(result.out, model / "back").out
    settings = TrainSettings(init_from=str(imported), context=16, steps=4, batch_rows=4, precision="fp32")
    paused = train_model(special_run, model / "run", settings, pause_at=1)
    assert paused.step == 1
    document = json.loads((model / "run" / "model.json").read_text())
    assert document["model"]["qk_norm"] is True
    assert (document["model"]["kv_heads"], document["model"]["norm_eps"]) == (2, 1e-4)
    assert document["model"]["context"] == 16
    chosen = TrainSettings.checked(document["training"]["settings"])
    fresh = TrainSettings.checked(chosen.model_dump() | {"init_from": None, "learning_rate": None})
    rate = resolve(fresh, 10_000, "cpu", False).learning_rate
    assert rate is not None
    assert chosen.learning_rate == pytest.approx(rate / 10)
    begun, first, one = (
        load_file(path / "model.safetensors")
        for path in (imported, *sorted((model / "run" / "checkpoints").glob("step-*"))[:2])
    )
    assert all(torch.equal(begun[name], first[name]) for name in begun)
    assert not torch.equal(first["head.weight"], one["head.weight"])
    shutil.rmtree(imported)
    assert train_model(special_run, model / "run", settings, resume=True).reason == "done"


def test_an_encoder_is_trained_on_with_its_own_objective(make_model: MakeModel, special_run: Path) -> None:
    model = make_model(dataclasses.replace(ENCODER, classes=2))
    settings = TrainSettings(init_from=str(model), steps=2, batch_rows=4, precision="fp32")
    assert train_model(special_run, model / "run", settings).reason == "done"
    trained = LanguageModel.load(model / "run").model.settings
    assert (trained.kind, trained.context) == ("encoder", 24)


def test_a_short_corpus_gets_a_part_of_the_context() -> None:
    assert shaped_as(TrainSettings(init_from="m"), SHAPE, 81).context == 10
    assert shaped_as(TrainSettings(init_from="m", context=5), SHAPE, 81).context == 5


def test_settings_that_contradict_the_model_are_refused(make_model: MakeModel, special_run: Path) -> None:
    model = make_model(SHAPE)
    wrong = TrainSettings(init_from=str(model), width=64, positions="none", heads=4)
    with pytest.raises(SettingError) as caught:
        train_model(special_run, model / "run", wrong)
    assert "width = 64, it has 32" in str(caught.value)
    assert "positions = 'none', it has 'rope'" in str(caught.value)
    assert "heads" not in str(caught.value)


def test_weights_of_another_vocabulary_are_refused(make_model: MakeModel, run: Path) -> None:
    model = make_model(SHAPE)
    with pytest.raises(TrainError, match=r"another tokenizer.*\n.*tokenizer: {file: "):
        train_model(run, model / "run", TrainSettings(init_from=str(model)))


@pytest.mark.parametrize("tied", [True, False])
def test_a_head_may_be_another_than_the_models(make_model: MakeModel, special_run: Path, tied: bool) -> None:
    """One of its own is left out, or begins as the embedding that served as one: the run says which."""
    model = make_model(dataclasses.replace(SHAPE, tie_embeddings=not tied))
    settings = TrainSettings(
        init_from=str(model), tie_embeddings=tied, steps=2, batch_rows=4, precision="fp32"
    )
    events: list[Any] = []
    train_model(special_run, model / "run", settings, listen=events.append)
    assert sum("head" in warning for warning in events[0]["notes"]) == 1
    begun = load_file(model / "model.safetensors")
    first = load_file(model / "run" / "checkpoints" / "step-00000000" / "model.safetensors")
    assert torch.equal(first["embedding.weight"], begun["embedding.weight"])
    assert ("head.weight" in first) is not tied
    assert tied or torch.equal(first["head.weight"], begun["embedding.weight"])


def test_classes_are_left_out_and_named(make_model: MakeModel, special_run: Path) -> None:
    model = make_model(dataclasses.replace(SHAPE, classes=2))
    events: list[Any] = []
    settings = TrainSettings(init_from=str(model), steps=1, batch_rows=4, precision="fp32")
    train_model(special_run, model / "run", settings, listen=events.append)
    assert any("classes of" in note for note in events[0]["notes"])


@pytest.mark.parametrize("settings", [*UNGATED[::2], PLACED[0], PLACED[2]])
@pytest.mark.parametrize("task", ["classify", "tag"])
def test_heads_go_along_where_a_family_has_them(
    make_model: MakeModel, settings: ModelSettings, task: str
) -> None:
    model = make_model(dataclasses.replace(settings, classes=3))
    tuned = {"task": task, "labels": ["a", "b", "c"], "several": False}
    edit(model / "model.json", tuned=tuned | ({"pooling": "last"} if task == "classify" else {}))
    result = export.export_model(model, model / "exported")
    family = families.family_of(settings)
    named = {"classify": "ForSequenceClassification", "tag": "ForTokenClassification"}[task]
    has_it = (family.model_type, task) not in (("apertus", "classify"), ("gpt2", "tag"))
    assert result.architecture == (f"{family.stem}{named}" if has_it else family.architecture)
    assert any("3 classes" in remark for remark in result.remarks) is not has_it
    assert result.check.done
    assert result.check.holds


def test_a_classifier_whose_padding_is_the_first_id_is_compared_by_its_last_token(
    make_model: MakeModel,
) -> None:
    """As with every tokenizer of ours: a row that ended with that id would be told by the token before."""
    model = make_model(dataclasses.replace(DECODERS[0], classes=2))
    tuned = {"task": "classify", "labels": ["a", "b"], "several": False, "pooling": "last"}
    edit(model / "model.json", tuned=tuned)
    assert LanguageModel.load(model).end_of_text == 0
    result = export.export_model(model, model / "exported")
    assert result.architecture == "StableLmForSequenceClassification"
    assert result.check.holds
