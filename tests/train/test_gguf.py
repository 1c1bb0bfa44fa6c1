"""GGUF files, read with the package gguf itself: what llama.cpp multiplies, and what it is told."""

import dataclasses
import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import jinja2
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

from corpuskit.cli.model.export import command as export_command
from corpuskit.errors import SettingError, TrainError
from corpuskit.storage.files import json_bytes, read_sealed, seal, sha256_file
from corpuskit.train import LanguageModel, ModelSettings, Transformer
from corpuskit.train.generate.generate import model_document
from corpuskit.train.hub import gguf_export
from corpuskit.train.hub.gguf_export import GgufResult, GgufType, export_gguf
from corpuskit.train.hub.importing import import_model
from tests.train.random_llama import SPECIAL, TOKENS, write_random

Tensors = dict[str, np.ndarray[Any, Any]]
MakeModel = Callable[[ModelSettings], Path]

SHAPE = ModelSettings(427, 2, 64, 4, 2, 96, 32, norm="rms", qk_norm=False, rope_base=5000.0)
SHAPES = {
    "llama": SHAPE,
    "qwen3": dataclasses.replace(SHAPE, qk_norm=True, head_dim=24, tie_embeddings=False),
    "stablelm": dataclasses.replace(SHAPE, norm="layer", qk_norm=True),
}


def imported(folder: Path, seed: int, **options: Any) -> tuple[Path, Tensors]:
    """A model folder of ours, and the tensors that it was made of."""
    tensors = write_random(folder / "hub", seed, **options)
    return import_model(folder / "hub", folder / "model").out, tensors


def fields(path: Path) -> dict[str, Any]:
    return {name: field.contents() for name, field in gguf.GGUFReader(path).fields.items()}


def read(path: Path) -> Tensors:
    """The tensors of a file in float32, rows first."""
    return {
        tensor.name: gguf.dequantize(tensor.data, tensor.tensor_type).reshape(tensor.shape[::-1].tolist())
        for tensor in gguf.GGUFReader(path).tensors
    }


def begins(array: np.ndarray[Any, Any]) -> str:
    return hashlib.sha256(array.astype(np.float32).tobytes()).hexdigest()[:16]


@pytest.fixture(scope="module")
def make_model(special_run: Path, tmp_path_factory: pytest.TempPathFactory) -> MakeModel:
    """A model folder with random weights everywhere and a tokenizer with all special tokens."""

    def make(settings: ModelSettings) -> Path:
        folder = tmp_path_factory.mktemp("model") / "model"
        folder.mkdir()
        shutil.copy(special_run / "tokenizer" / "tokenizer.json", folder)
        sha256 = sha256_file(folder / "tokenizer.json")
        (folder / "model.json").write_bytes(json_bytes(model_document(settings, 0, sha256)))
        generator = torch.Generator().manual_seed(3)
        state = {}
        for name, tensor in Transformer(settings).state_dict().items():
            numbers = torch.randn(tensor.shape, generator=generator)
            state[name] = 1 + 0.3 * numbers if tensor.dim() == 1 else numbers * 0.2
        save_file(state, folder / "model.safetensors")
        return folder

    return make


# -------------------------------------------------------------------------------------------- tensors


def test_rows_of_queries_and_keys_lie_as_its_rotation_wants(tmp_path: Path) -> None:
    """Keys by their own number of heads: with that of the queries a reader writes fluent nonsense."""
    model, tensors = imported(tmp_path, 51, kv_heads=2)
    result = export_gguf(model, tmp_path / "r.gguf")
    found, block = read(result.out), "model.layers.0.self_attn"
    said = fields(result.out)
    assert said["general.architecture"] == "llama"
    assert (said["llama.attention.head_count"], said["llama.attention.head_count_kv"]) == (4, 2)
    assert begins(found["blk.0.attn_q.weight"]) == "4a23542ffb22df5f"
    assert begins(found["blk.0.attn_k.weight"]) == "b5e556603a92a47e"
    queries = tensors[f"{block}.q_proj.weight"]
    for row, ours in enumerate([0, 8, 1, 9, 2, 10, 3, 11]):
        assert np.array_equal(found["blk.0.attn_q.weight"][row], queries[ours])
        assert np.array_equal(found["blk.0.attn_q.weight"][16 + row], queries[16 + ours])
    for name, theirs in (
        ("attn_v", f"{block}.v_proj"),
        ("attn_output", f"{block}.o_proj"),
        ("ffn_gate", "model.layers.0.mlp.gate_proj"),
        ("ffn_up", "model.layers.0.mlp.up_proj"),
        ("ffn_down", "model.layers.0.mlp.down_proj"),
    ):
        assert np.array_equal(found[f"blk.0.{name}.weight"], tensors[f"{theirs}.weight"])


def test_qwen3_keeps_its_rows_and_its_norms(tmp_path: Path) -> None:
    model, tensors = imported(tmp_path, 51, kv_heads=2, family="qwen3")
    found, said = read(export_gguf(model, tmp_path / "r.gguf").out), fields(tmp_path / "r.gguf")
    assert (said["general.architecture"], said["qwen3.attention.head_count_kv"]) == ("qwen3", 2)
    for part in "qk":
        for name in ("{}_proj", "{}_norm"):
            theirs = tensors[f"model.layers.0.self_attn.{name.format(part)}.weight"]
            ours = name.replace("_proj", "").format(part)
            assert np.array_equal(found[f"blk.0.attn_{ours}.weight"], theirs)


@pytest.mark.parametrize("kind", ["f32", "f16"])
def test_numbers_are_carried_over_and_norms_stay_whole(kind: GgufType, tmp_path: Path) -> None:
    model, tensors = imported(tmp_path, 55, layers=2, rope_theta=500_000.0, rms_norm_eps=1e-5)
    result = export_gguf(model, tmp_path / "r.gguf", kind)
    said = fields(result.out)
    expected = {
        "rope.freq_base": 500_000.0,
        "context_length": 128,
        "embedding_length": 64,
        "feed_forward_length": 64,
        "block_count": 2,
        "rope.dimension_count": 16,
        "vocab_size": 261,
    }
    assert {name: said[f"llama.{name}"] for name in expected} == expected
    assert said["llama.attention.layer_norm_rms_epsilon"] == np.float32(1e-5)
    assert said["general.file_type"] == (0 if kind == "f32" else 1)
    stored = {tensor.name: tensor for tensor in gguf.GGUFReader(result.out).tensors}
    norms = {"output_norm.weight": "model.norm.weight"}
    for n in range(2):
        norms[f"blk.{n}.attn_norm.weight"] = f"model.layers.{n}.input_layernorm.weight"
        norms[f"blk.{n}.ffn_norm.weight"] = f"model.layers.{n}.post_attention_layernorm.weight"
    for name, theirs in norms.items():
        assert stored[name].data.dtype == np.float32
        assert np.array_equal(stored[name].data, tensors[theirs])
    down = stored["blk.1.ffn_down.weight"]
    assert down.data.dtype == (np.float32 if kind == "f32" else np.float16)
    assert np.array_equal(down.data, tensors["model.layers.1.mlp.down_proj.weight"].astype(down.data.dtype))
    assert stored["token_embd.weight"].shape.tolist() == [64, 261]  # Its first is what changes fastest.


def test_rows_of_the_vocabulary_are_its_tokens(tmp_path: Path) -> None:
    """The rows that pad it are stripped: tokens, types and both matrices have 261."""
    model, tensors = imported(tmp_path, 53, pad_rows=59)
    result = export_gguf(model, tmp_path / "r.gguf")
    said, found = fields(result.out), read(result.out)
    assert {len(said[f"tokenizer.ggml.{name}"]) for name in ("tokens", "token_type")} == {TOKENS}
    assert len(set(said["tokenizer.ggml.tokens"])) == TOKENS
    for name, theirs in (("token_embd", "model.embed_tokens"), ("output", "lm_head")):
        assert np.array_equal(found[f"{name}.weight"], tensors[f"{theirs}.weight"][:TOKENS])
    assert result.vocab_size == TOKENS


def test_a_tied_head_is_not_written_but_for_stablelm(make_model: MakeModel, tmp_path: Path) -> None:
    for name, settings in SHAPES.items():
        settings = dataclasses.replace(settings, tie_embeddings=True)
        result = export_gguf(make_model(settings), tmp_path / f"{name}.gguf")
        found = read(result.out)
        assert ("output.weight" in found) is (name == "stablelm")
        if name == "stablelm":
            assert np.array_equal(found["output.weight"], found["token_embd.weight"])
            assert any("twice" in remark for remark in result.remarks)


def test_stablelm_has_zero_biases_and_a_gain_for_each_head(make_model: MakeModel, tmp_path: Path) -> None:
    model = make_model(SHAPES["stablelm"])
    found, said = read(export_gguf(model, tmp_path / "s.gguf").out), fields(tmp_path / "s.gguf")
    gain = load_file(model / "model.safetensors")["decoder.blocks.1.attention.key_norm.weight"].numpy()
    assert found["blk.1.attn_k_norm.weight"].shape == (2, 16)
    assert np.array_equal(found["blk.1.attn_k_norm.weight"], [gain, gain])
    assert found["blk.1.attn_q_norm.weight"].shape == (4, 16)
    for name in ("output_norm", "blk.0.attn_norm", "blk.1.ffn_norm"):
        assert np.array_equal(found[f"{name}.bias"], np.zeros(64))
    assert said["stablelm.attention.layer_norm_epsilon"] == np.float32(1e-5)
    assert said["stablelm.use_parallel_residual"] is False


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("kind", ["f32", "f16", "bf16", "q8_0"])
def test_what_was_written_is_read_back(
    name: str, kind: GgufType, make_model: MakeModel, tmp_path: Path
) -> None:
    """Each tensor lies within its type's rounding of the model's; all of f32 are equal."""
    result = export_gguf(make_model(SHAPES[name]), tmp_path / "m.gguf", kind)
    assert result.architecture == name
    assert result.checked
    assert result.largest is not None
    assert result.largest > 1
    costs = {"f32": 0.0, "f16": 5e-3, "bf16": 0.04, "q8_0": 0.2}
    assert result.difference is not None
    assert result.difference <= costs[kind] * result.largest
    assert (result.difference == 0) is (kind == "f32")
    assert result.tensors == len(gguf.GGUFReader(result.out).tensors)


def test_rows_that_no_block_divides_are_f16(make_model: MakeModel, tmp_path: Path) -> None:
    model = make_model(dataclasses.replace(SHAPE, hidden=80))
    result = export_gguf(model, tmp_path / "m.gguf", "q8_0")
    assert result.other == ("blk.0.ffn_down.weight", "blk.1.ffn_down.weight")
    kinds = {tensor.name: tensor.tensor_type.name for tensor in gguf.GGUFReader(result.out).tensors}
    assert {kinds[name] for name in result.other} == {"F16"}
    assert kinds["blk.0.ffn_up.weight"] == "Q8_0"
    code, stdout, _ = call(model, tmp_path / "again.gguf", "--type", "q8_0")
    assert (code, "Not q8_0 but f16" in stdout) == (0, True)


def test_stretched_wavelengths_are_a_tensor(tmp_path: Path) -> None:
    scaling = {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 32,
    }
    model, _ = imported(tmp_path / "llama", 56, rope_scaling=scaling)
    factors = read(export_gguf(model, tmp_path / "r.gguf").out)["rope_freqs.weight"]
    assert factors.dtype == np.float32
    wavelengths = 2 * np.pi * 10_000.0 ** (np.arange(8) / 8)
    kept, slowed = wavelengths < 32 / 4, wavelengths > 32
    assert np.array_equal(factors[kept], np.ones(kept.sum()))
    assert np.array_equal(factors[slowed], np.full(slowed.sum(), 8.0))
    share = (32 / wavelengths - 1) / (4 - 1)
    between = ~kept & ~slowed
    assert between.any()
    np.testing.assert_allclose(factors[between], 1 / ((1 - share) / 8 + share)[between], rtol=1e-6)
    qwen3, _ = imported(tmp_path / "qwen3", 56, family="qwen3", rope_scaling=scaling)
    with pytest.raises(SettingError, match="of qwen3 in GGUF: none"):
        export_gguf(qwen3, tmp_path / "q.gguf")


# ---------------------------------------------------------------------------------------------- words


def mark_as_tuned(model: Path) -> Path:
    """Note in model.json what fine-tuning for conversations notes."""
    document = read_sealed(model / "model.json") | {"chat": True}
    (model / "model.json").write_bytes(json_bytes(seal(document)))
    return model


def rendered(template: str, *said: tuple[str, str], answer: bool = True) -> str:
    """As llama.cpp and transformers render it."""

    def refuse(message: str) -> None:
        raise ValueError(message)

    messages = [{"role": role, "content": content} for role, content in said]
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    environment.globals["raise_exception"] = refuse
    return environment.from_string(template).render(messages=messages, add_generation_prompt=answer)


def test_a_tuned_model_says_how_it_is_talked_with(tmp_path: Path) -> None:
    model, _ = imported(tmp_path, 57)
    result = export_gguf(mark_as_tuned(model), tmp_path / "r.gguf")
    said = fields(result.out)
    assert said["tokenizer.ggml.token_type"] == [1] * 256 + [3] * 5
    assert said["tokenizer.ggml.tokens"][256:] == list(SPECIAL)
    assert said["tokenizer.ggml.bos_token_id"] == 256
    assert said["tokenizer.ggml.eos_token_id"] == 256
    assert said["tokenizer.ggml.eot_token_id"] == 260
    template = said["tokenizer.chat_template"]
    hi = "<|endoftext|><|user|>Hi<|end_of_turn|>"
    assert rendered(template, ("user", "Hi")) == f"{hi}<|assistant|>"
    assert rendered(template, ("user", "Hi"), answer=False) == hi
    more = [("system", "Be brief."), ("user", " a\n"), ("assistant", "b")]
    assert rendered(template, *more) == (
        "<|endoftext|><|system|>Be brief.<|end_of_turn|><|user|> a\n<|end_of_turn|>"
        "<|assistant|>b<|end_of_turn|><|assistant|>"
    )
    with pytest.raises(ValueError, match="a message of role tool"):
        rendered(template, ("tool", "x"))
    # The template writes the token that begins a text: once in all.
    assert said["tokenizer.ggml.add_bos_token"] is False
    assert any("begins with <|endoftext|>" in remark for remark in result.remarks)


def test_a_model_that_was_not_tuned_has_no_template(tmp_path: Path) -> None:
    model, _ = imported(tmp_path, 57)
    result = export_gguf(model, tmp_path / "r.gguf")
    said = fields(result.out)
    assert "tokenizer.chat_template" not in said
    assert said["tokenizer.ggml.add_bos_token"] is True
    assert any("not tuned" in remark for remark in result.remarks)


def test_a_tokenizer_without_roles_talks_in_lines(run: Path, make_model: MakeModel, tmp_path: Path) -> None:
    settings = dataclasses.replace(SHAPE, vocab_size=300)
    model = make_model(settings)
    shutil.copy(run / "tokenizer" / "tokenizer.json", model)
    sha256 = sha256_file(model / "tokenizer.json")
    (model / "model.json").write_bytes(json_bytes(model_document(settings, 0, sha256)))
    result = export_gguf(mark_as_tuned(model), tmp_path / "r.gguf")
    template = fields(result.out)["tokenizer.chat_template"]
    assert rendered(template, ("user", "Hi"), ("assistant", "ho"), ("user", "x")) == (
        "<|endoftext|>User: Hi\nAssistant: ho\nUser: x\nAssistant:"
    )
    assert any("User:" in remark for remark in result.remarks)


# -------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"activation": "geglu"}, ["activation = 'geglu'", "swiglu"]),
        ({"activation": "relu2"}, ["activation = 'relu2'"]),
        ({"positions": "none"}, ["positions = 'none' (in GGUF: rope)"]),
        ({"positions": "learned"}, ["activation = 'swiglu'"]),
        ({"kind": "encoder", "norm": "layer", "kv_heads": 4}, ["kind = 'encoder'", "--to hf"]),
        ({"kind": "encoder-decoder"}, ["kind = 'encoder-decoder'"]),
        ({"softcap": 15.0}, ["softcap = 15"]),
    ],
)
def test_a_shape_that_gguf_has_not_is_refused(
    changes: dict[str, Any], named: list[str], make_model: MakeModel, tmp_path: Path
) -> None:
    model = make_model(dataclasses.replace(SHAPE, **changes))
    with pytest.raises(SettingError) as caught:
        export_gguf(model, tmp_path / "m.gguf")
    assert all(word in str(caught.value) for word in named)
    assert not list(tmp_path.iterdir())


def test_a_weight_that_the_type_cannot_hold_is_named(make_model: MakeModel, tmp_path: Path) -> None:
    model = make_model(SHAPE)
    state = load_file(model / "model.safetensors")
    state["decoder.blocks.1.mlp.down.weight"][3, 5] = 70_000.0
    save_file(state, model / "model.safetensors")
    with pytest.raises(TrainError, match=r"blk\.1\.ffn_down\.weight holds a weight of 70000"):
        export_gguf(model, tmp_path / "m.gguf", "f16")
    assert export_gguf(model, tmp_path / "whole.gguf", "bf16").checked
    state["decoder.blocks.1.mlp.down.weight"][3, 5] = float("nan")
    save_file(state, model / "model.safetensors")
    with pytest.raises(TrainError, match="a weight of nan"):
        export_gguf(model, tmp_path / "m.gguf")
    assert [path.name for path in tmp_path.iterdir()] == ["whole.gguf"]


def test_a_difference_is_found_and_nothing_is_left(
    make_model: MakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = gguf_export._rounded

    def wrong(library: Any, name: str, tensor: torch.Tensor, kind: Any) -> Any:
        return right(library, name, tensor.flip(0) if name == "blk.1.attn_v.weight" else tensor, kind)

    monkeypatch.setattr(gguf_export, "_rounded", wrong)
    with pytest.raises(TrainError, match=r"numbers of blk\.1\.attn_v\.weight are others"):
        export_gguf(make_model(SHAPE), tmp_path / "m.gguf")
    assert not list(tmp_path.iterdir())
    assert not export_gguf(make_model(SHAPE), tmp_path / "m.gguf", check=False).checked


def test_a_file_that_is_there_is_left(make_model: MakeModel, tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_text("mine")
    with pytest.raises(SettingError, match="is there already"):
        export_gguf(make_model(SHAPE), tmp_path / "m.gguf")
    assert (tmp_path / "m.gguf").read_text() == "mine"
    model = make_model(SHAPE)
    with pytest.raises(SettingError, match="is a model"):
        export_gguf(model, model / "m.gguf")


def test_without_the_package_it_says_what_to_install(
    make_model: MakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(SettingError, match=r'pip install "corpuskit\[gguf\]"'):
        export_gguf(make_model(SHAPE), tmp_path / "m.gguf")


# -------------------------------------------------------------------------------------------- command


def call(model: Path, out: Path, *options: str) -> tuple[int, str, str]:
    arguments = [str(model), "--to", "gguf", "--out", str(out), *options]
    result = CliRunner().invoke(export_command, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_the_command_says_what_came_out(make_model: MakeModel, tmp_path: Path) -> None:
    model = make_model(SHAPES["stablelm"])
    code, stdout, _ = call(model, tmp_path / "m.gguf", "--type", "f16", "--json")
    answer = json.loads(stdout)
    assert code == 0
    assert set(answer) == {field.name for field in dataclasses.fields(GgufResult)}
    assert (answer["architecture"], answer["type"], answer["pre"]) == ("stablelm", "f16", "gpt-2")
    assert answer["padding_removed"] == 448 - 427
    _, stdout, _ = call(model, tmp_path / "again.gguf")
    assert "tensors are the model's" in stdout
    assert (tmp_path / "again.gguf").stat().st_size > (tmp_path / "m.gguf").stat().st_size
    assert "NOT read back" in call(model, tmp_path / "third.gguf", "--no-check")[1]
    assert (tmp_path / "third.gguf").read_bytes() == (tmp_path / "again.gguf").read_bytes()


def test_options_of_another_target_are_refused(make_model: MakeModel, tmp_path: Path) -> None:
    model = make_model(SHAPE)
    assert call(model, tmp_path / "m.gguf", "--keep-padding")[0] == 2
    result = CliRunner().invoke(export_command, [str(model), "--out", str(tmp_path / "hf"), "--type", "f16"])
    assert (result.exit_code, "--to gguf" in result.stderr) == (2, True)


def test_the_model_itself_is_untouched(make_model: MakeModel, tmp_path: Path) -> None:
    """Reading back puts the file's weights into a model in memory, not on the disk."""
    model = make_model(SHAPE)
    before = LanguageModel.load(model).model.state_dict()
    export_gguf(model, tmp_path / "m.gguf", "q8_0")
    after = LanguageModel.load(model).model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
