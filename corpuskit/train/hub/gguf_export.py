"""A trained model as one GGUF file, which llama.cpp and what is built on it read.

    decoder, RMSNorm                          llama: rows of queries and keys in the order of its rotation
    decoder, RMSNorm, qk_norm                 qwen3
    decoder, LayerNorm                        stablelm, with biases of zero and a gain for each head

All have swiglu. Matrices are of the type that is asked for; norms, biases and what rotation needs are F32,
since readers multiply by nothing else. In Q8_0 32 neighbours of a row share a scale: a matrix whose rows
cannot be cut so is F16. The vocabulary is in `corpuskit.train.hub.gguf_tokenizer`.

What was written is read back, and each tensor compared with the model's own. Needs the package gguf. Format:
github.com/ggml-org/ggml/blob/master/docs/gguf.md.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from corpuskit.errors import SettingError, TrainError, checks_arguments
from corpuskit.storage.files import UNFINISHED, rename, writing
from corpuskit.storage.ownership import making_files
from corpuskit.storage.places import local_path
from corpuskit.train.generate.generate import LanguageModel
from corpuskit.train.hub.chat_template import chat_template, has_roles
from corpuskit.train.hub.families import LLAMA, STABLELM, Family, Link, family_of, links
from corpuskit.train.hub.gguf_tokenizer import Vocabulary, vocabulary
from corpuskit.train.model.transformer import ModelSettings, Transformer, rotary_slowing

GgufType = Literal["f32", "f16", "bf16", "q8_0"]
TYPES: tuple[GgufType, ...] = ("f32", "f16", "bf16", "q8_0")

_FILE_TYPES = {"f32": "ALL_F32", "f16": "MOSTLY_F16", "bf16": "MOSTLY_BF16", "q8_0": "MOSTLY_Q8_0"}
_ROPE_FREQS = "rope_freqs.weight"

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class GgufResult:
    """What was written.

    Attributes:
        out: the file, and its size in bytes.
        architecture: what its readers call the model.
        type: of its matrices; of those named in `other`, another.
        tensors: how many.
        vocab_size: rows of its vocabulary; padding_removed: rows that ours had beyond.
        pre: the name of the rule by which its readers cut text.
        checked: whether it was read back and its tensors compared.
        difference: the greatest between two logits when the model has the weights that were read back: what
            rounding to the type costs; largest: the greatest logit. None where it was not read back.
        remarks: what it lacks of the original, in sentences.
    """

    out: Path
    bytes: int
    architecture: str
    type: GgufType
    other: tuple[str, ...]
    tensors: int
    vocab_size: int
    padding_removed: int
    pre: str
    checked: bool
    difference: float | None
    largest: float | None
    remarks: tuple[str, ...]


@checks_arguments
def export_gguf(
    folder: Path | str, out: Path | str, type: GgufType = "f32", *, check: bool = True
) -> GgufResult:
    """Write a model folder as a GGUF file.

    Args:
        folder: the model folder, of a training run or an import.
        out: a file that is not there yet.
        type: of the matrices: "f32", "f16", "bf16" or "q8_0".
        check: read it back and compare.

    Raises:
        SettingError: no architecture of GGUF computes what the model does, or its tokenizer cuts text by a
            rule that has no name there; or the package gguf is not installed, or `out` is there already.
        TrainError: the model folder is not whole, a weight does not fit the type, or what was read back is
            something else: then nothing is left.
        StorageError: `out` cannot be written.
    """
    folder, out = local_path(folder), local_path(out)
    if type not in TYPES:
        raise SettingError(f"type = {type!r} is none of GGUF", remedy=f"Give one of {', '.join(TYPES)}.")
    gguf = _library()
    model = LanguageModel.load(folder)
    family = _architecture(model.model.settings)
    words = vocabulary(model.tokenizer, model.model.settings.vocab_size)
    with making_files(out):
        unfinished = out.with_name(f"{UNFINISHED}{out.name}")
        try:
            with writing(out, "Nothing of it was left there."):
                other, count = _write(gguf, unfinished, model, family, words, type)
            difference, largest = _compared(gguf, unfinished, model.model, family) if check else (None, None)
            with writing(out, "Nothing of it was left there."):
                rename(unfinished, out)
        finally:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
    settings = model.model.settings
    return GgufResult(
        out,
        out.stat().st_size,
        family.model_type,
        type,
        other,
        count,
        settings.vocab_size,
        settings.padded_vocab_size - settings.vocab_size,
        words.pre,
        check,
        difference,
        largest,
        tuple(_remarks(model, family, words)),
    )


def _library() -> Any:
    try:
        gguf = importlib.import_module("gguf")
    except ImportError as error:
        raise SettingError(
            "--to gguf needs the package gguf, which is not installed",
            remedy='Install it: pip install "corpuskit[gguf]", or pip install gguf.',
        ) from error
    logging.getLogger("gguf").setLevel(logging.ERROR)  # It tells of each step.
    return gguf


def _architecture(settings: ModelSettings) -> Family:
    """The family of a model, where GGUF has it; raises SettingError, naming all that is in the way."""
    if settings.kind != "decoder":
        raise SettingError(
            f"kind = {settings.kind!r}: what this model does, no architecture of GGUF computes",
            remedy="Export it with --to hf or --to torch.",
        )
    family, faults = family_of(settings), []
    if settings.positions != "rope":
        faults.append(f"positions = {settings.positions!r} (in GGUF: rope)")
    if settings.activation != "swiglu":
        faults.append(f"activation = {settings.activation!r} (in GGUF: swiglu)")
    if settings.rope_scaling and family is not LLAMA:
        faults.append(f"rope_scaling = {settings.rope_scaling} (of {family.model_type} in GGUF: none)")
    if faults:
        raise SettingError(
            f"no architecture of GGUF computes what this model does: {'; '.join(faults)}",
            remedy="Train it with the settings named, or export it with --to hf.",
        )
    return family


def _remarks(model: LanguageModel, family: Family, words: Vocabulary) -> Iterator[str]:
    settings = model.model.settings
    yield from words.remarks
    if settings.classes:
        yield f"The head for {settings.classes} classes is left out: {family.model_type} has none."
    if family is STABLELM and settings.tie_embeddings:
        yield "The embedding stands there twice, as the head too: stablelm shares none in GGUF."
    if model.document.get("chat") is not True:
        yield "No chat template is written: this model was not tuned for conversations."
        return
    yield f"The chat template begins with {words.tokens[words.begin]}, which is not added to other texts."
    if not has_roles(model.tokenizer):
        yield 'Turns are lines: a reply ends before "\\nUser:", which readers must be told.'


# ------------------------------------------------------------------------------------------ writing
def _write(
    gguf: Any, path: Path, model: LanguageModel, family: Family, words: Vocabulary, type: GgufType
) -> tuple[tuple[str, ...], int]:
    """Write the file, a tensor in memory at a time; returns matrices of another type, and how many in all."""
    writer = gguf.GGUFWriter(path, family.model_type)
    try:
        _numbers(gguf, writer, model.model.settings, family, type)
        _words(writer, model, words)
        chosen = {}
        for name, tensor in _tensors(gguf, model.model, family):
            chosen[name] = _type_of(gguf, name, tuple(tensor.shape), type)
            block, size = gguf.GGML_QUANT_SIZES[chosen[name]]
            writer.add_tensor_info(
                name, tensor.shape, np.dtype(np.float32), tensor.numel() // block * size, chosen[name]
            )
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for name, tensor in _tensors(gguf, model.model, family):
            writer.write_tensor_data(_rounded(gguf, name, tensor, chosen[name]))
    finally:
        writer.close()
    asked = gguf.GGMLQuantizationType[type.upper()]
    other = tuple(name for name, each in chosen.items() if _is_matrix(name) and each != asked)
    return other, len(chosen)


def _numbers(gguf: Any, writer: Any, s: ModelSettings, family: Family, type: GgufType) -> None:
    writer.add_type("model")
    writer.add_file_type(gguf.LlamaFileType[_FILE_TYPES[type]])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_vocab_size(s.vocab_size)
    writer.add_context_length(s.context)
    writer.add_embedding_length(s.width)
    writer.add_block_count(s.layers)
    writer.add_feed_forward_length(s.hidden)
    writer.add_head_count(s.heads)
    writer.add_head_count_kv(s.kv_heads)
    writer.add_key_length(s.head_width)
    writer.add_value_length(s.head_width)
    writer.add_rope_dimension_count(s.head_width)
    writer.add_rope_freq_base(s.rope_base)
    if family is STABLELM:
        writer.add_layer_norm_eps(s.epsilon)
        writer.add_parallel_residual(False)
    else:
        writer.add_layer_norm_rms_eps(s.epsilon)


def _words(writer: Any, model: LanguageModel, words: Vocabulary) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(words.pre)
    writer.add_token_list(words.tokens)
    writer.add_token_types(words.types)
    writer.add_token_merges(words.merges)
    writer.add_bos_token_id(words.begin)
    writer.add_eos_token_id(words.end)
    if words.end_of_turn is not None:
        writer.add_eot_token_id(words.end_of_turn)
    if words.pad is not None:
        writer.add_pad_token_id(words.pad)
    template = chat_template(model.document, model.tokenizer, words.tokens[words.begin])
    # A text begins with this token once: where the template writes it, no reader may add another.
    writer.add_add_bos_token(template is None)
    writer.add_add_eos_token(False)
    if template is not None:
        writer.add_chat_template(template)


def _is_matrix(name: str) -> bool:
    return not name.endswith(("_norm.weight", ".bias")) and name != _ROPE_FREQS


def _type_of(gguf: Any, name: str, shape: tuple[int, ...], type: GgufType) -> Any:
    kinds = gguf.GGMLQuantizationType
    if not _is_matrix(name):
        return kinds.F32
    block, _ = gguf.GGML_QUANT_SIZES[kinds[type.upper()]]
    return kinds[type.upper()] if shape[-1] % block == 0 else kinds.F16


def _rounded(gguf: Any, name: str, tensor: Tensor, kind: Any) -> Array:
    """The bytes of a tensor in its type; raises TrainError for a weight that has none in it."""
    array = tensor.contiguous().numpy()
    greatest = float(np.abs(array).max(initial=0.0))  # Not a number, if one of them is none.
    most = (
        float(np.finfo(np.float16).max) if kind.name in ("F16", "Q8_0") else float(np.finfo(np.float32).max)
    )
    if not greatest <= most:
        raise TrainError(
            f"{name} holds a weight of {greatest:g}, which {kind.name} cannot hold (up to {most:g})",
            remedy="Take --type bf16 or f32; if it is no number at all, train the model again.",
        )
    rounded: Array = gguf.quantize(array, kind)
    return rounded


# ------------------------------------------------------------------------------------------- tensors
def _tensors(gguf: Any, model: Transformer, family: Family) -> Iterator[tuple[str, Tensor]]:
    """All tensors of the file in float32, by name, one at a time."""
    state = model.state_dict()
    if model.settings.rope_scaling:
        yield _ROPE_FREQS, rotary_slowing(model.settings).float()
    for link in links(family, model.settings):
        yield from _pieces(gguf, link, state[link.ours], model.settings, family)


def _pieces(
    gguf: Any, link: Link, tensor: Tensor, s: ModelSettings, family: Family
) -> Iterator[tuple[str, Tensor]]:
    """What the file holds of one tensor of ours; the zeros that go with it come last."""
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[family.model_type.upper()], s.layers)
    tensor = tensor.detach().float().cpu()
    tensor = tensor[: s.vocab_size] if link.is_vocabulary else tensor
    if _is_gain_of_heads(link, family):
        name = names.get_name(link.theirs[0].removesuffix(".norms.0.weight"))
        yield f"{name}.weight", tensor.repeat(len(link.theirs), 1)
        return
    for theirs, piece in link.split(tensor):
        name = names.get_name(theirs.removesuffix(".weight"))
        if family is LLAMA and name.endswith(("attn_q", "attn_k")):
            piece = _interleaved(piece, s)
        yield f"{name}.weight", piece
        if family is STABLELM and link.ours.endswith("norm.weight"):
            yield f"{name}.bias", torch.zeros(s.width)
        if family is STABLELM and s.tie_embeddings and link.is_vocabulary:
            yield "output.weight", piece


def _is_gain_of_heads(link: Link, family: Family) -> bool:
    return family is STABLELM and link.ours.endswith(("query_norm.weight", "key_norm.weight"))


def _interleaved(rows: Tensor, s: ModelSettings) -> Tensor:
    """Rows (heads D, C) of queries or keys in the order of GGUF's llama: it turns neighbours, we halves."""
    heads = len(rows) // s.head_width
    return rows.reshape(heads, 2, s.head_width // 2, -1).transpose(1, 2).reshape(rows.shape)


def _apart(rows: Tensor, s: ModelSettings) -> Tensor:
    """The way back: the even rows of each head, then the odd ones."""
    by_head = rows.reshape(-1, s.head_width, rows.shape[1])
    return torch.cat([by_head[:, ::2], by_head[:, 1::2]], dim=1).reshape(rows.shape)


# ------------------------------------------------------------------------------------- reading back
def _compared(gguf: Any, path: Path, model: Transformer, family: Family) -> tuple[float, float]:
    """How far logits come to lie from the model's with the weights of the file, and the greatest logit.

    The model has the weights of the file afterwards: a second one would need as much memory again.

    Raises TrainError when a tensor is missing, too much, or further from the model's than its type rounds.
    """
    s = model.settings
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, s.vocab_size, (4, min(64, s.context)), generator=generator)
    read = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    parameters = dict(model.named_parameters())
    with torch.inference_mode():
        expected = model(ids)[..., : s.vocab_size].float()
        if s.rope_scaling:
            _read(gguf, path, read, _ROPE_FREQS, rotary_slowing(s).float())
        for link in links(family, s):
            pieces = _pieces(gguf, link, parameters[link.ours], s, family)
            values = [_read(gguf, path, read, name, piece) for name, piece in pieces]
            ours = _restored(link, values, s, family)
            parameters[link.ours][: len(ours)] = ours
        if read:
            raise _wrong(path, f"{', '.join(sorted(read)[:3])} belongs to nothing")
        found = model(ids)[..., : s.vocab_size].float()
    return float((expected - found).abs().max()), float(expected.abs().max())


def _read(gguf: Any, path: Path, read: dict[str, Any], name: str, expected: Tensor) -> Tensor:
    """A tensor of the file in float32, compared with what it should be, and taken off those that are left."""
    if name not in read:
        raise _wrong(path, f"there is no {name}")
    found = read.pop(name)
    shape, kind = [int(n) for n in reversed(found.shape)], found.tensor_type
    if shape != list(expected.shape):
        raise _wrong(path, f"{name} has the shape {shape}, not {list(expected.shape)}")
    values = torch.from_numpy(np.array(gguf.dequantize(found.data, kind), np.float32)).reshape(shape)
    # Not-a-number is near to nothing: so it must be this way round.
    near = (values - expected).abs() <= _rounding(kind.name, expected)
    if not near.all():
        raise _wrong(path, f"{int((~near).sum())} of the {near.numel()} numbers of {name} are others")
    return values


def _rounding(kind: str, tensor: Tensor) -> Tensor:
    """How far a number may lie from the one that it stands for."""
    if kind == "F32":
        return torch.zeros(())
    if kind == "Q8_0":  # A 127th of the greatest of 32 is one step; that step is a float16.
        greatest = tensor.abs().reshape(-1, 32).amax(1, keepdim=True).expand(-1, 32).reshape(tensor.shape)
        return greatest * (0.5 / 127 + 2**-11) + 127 * 2**-25
    return tensor.abs() * (2**-11 if kind == "F16" else 2**-8) + (2**-25 if kind == "F16" else 2**-133)


def _restored(link: Link, values: list[Tensor], s: ModelSettings, family: Family) -> Tensor:
    """Our tensor out of the file's."""
    if _is_gain_of_heads(link, family):
        return values[0][0]
    if not link.rows:
        return values[0]
    if family is LLAMA and link.ours.endswith("qkv.weight"):
        values = [_apart(values[0], s), _apart(values[1], s), *values[2:]]
    return torch.cat(values)


def _wrong(path: Path, what: str) -> TrainError:
    return TrainError(
        f"{path} was read back and is not the model: {what}",
        remedy="Nothing was left there. Try another version of the package gguf, or look at the disk.",
    )
