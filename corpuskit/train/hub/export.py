"""A trained model for others: as a model of Hugging Face `transformers`, or with our class in one file.

    to "hf"      OUT/model.safetensors, config.json, generation_config.json (of a decoder), tokenizer.json,
                 tokenizer_config.json, special_tokens_map.json: AutoModelForCausalLM (AutoModelForMaskedLM of
                 an encoder, AutoModelForSequenceClassification of a fine-tuned classifier) and AutoTokenizer
                 load it. Which class it is follows from the model, see `corpuskit.train.hub.families` and
                 `heads`.
    to "torch"   OUT/model.safetensors, model.json, tokenizer.json, transformer.py: our class, for what no
                 family computes (an encoder-decoder above all). transformer.py needs torch and safetensors
                 alone; its `load(folder)` gives the model.

README.md is the model's card, with the header that the Hugging Face Hub reads, and curves.svg goes along.
The model that was written is loaded and its logits are compared with the original's. OUT/export.json notes
what was written, whether it was compared, and what came out.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import re
import sys
import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor

import corpuskit
from corpuskit.errors import SettingError, StorageError, TrainError, checks_arguments, write_remedy
from corpuskit.storage.files import json_bytes, write_durably
from corpuskit.storage.ownership import EXPORT, making_folder
from corpuskit.storage.places import local_path
from corpuskit.train.generate.generate import LanguageModel, check_file
from corpuskit.train.generate.sampling import Sampling
from corpuskit.train.hub.card import NAME as CARD
from corpuskit.train.hub.card import exported_card
from corpuskit.train.hub.chat_template import chat_template, turn_end
from corpuskit.train.hub.config import write_config
from corpuskit.train.hub.families import Family, family_of, to_theirs
from corpuskit.train.hub.heads import Head, class_logits, head_of
from corpuskit.train.model import loss as loss_module
from corpuskit.train.model import transformer as model_module
from corpuskit.train.model.transformer import ModelSettings, Transformer
from corpuskit.train.watch.curves import NAME as CURVES
from corpuskit.train.watch.events import LOG, check_log

Target = Literal["hf", "torch"]

TOLERANCE = 1e-4
"""How far logits in float32 may lie apart, for logits of up to 1; of greater ones as many times as much."""

LOADER = "transformer.py"

_ROWS, _POSITIONS = 4, 64
_SPECIAL = {"pad": "<|pad|>", "mask": "<|mask|>", "cls": "<|cls|>", "sep": "<|sep|>"}
"""Roles that transformers has names for, and the tokens of our vocabularies that play them."""

_HEADER = """\
# A language model and the class that it is of. Needs torch and safetensors, nothing else.
#
#     from transformer import load
#     model = load("FOLDER")     # the folder of model.json and model.safetensors
#
# model(ids) gives logits (B, T, V) of ids (B, T). Of an encoder-decoder they follow on a source:
# model(ids, memory=model.encode(source)). Ids from model.settings.vocab_size on belong to no token; the
# tokenizer is tokenizer.json, for the library tokenizers. A text begins and ends with the id "end_of_text"
# of model.json.
"""

_LOAD = '''

def load(folder: str) -> Transformer:
    """The model of a folder that holds model.json and model.safetensors, ready to be called.

    Raises OSError for a file that is missing, ValueError, RuntimeError or SafetensorError for one that is
    damaged.
    """
    import json
    import os

    from safetensors.torch import load_file

    with open(os.path.join(folder, "model.json"), encoding="utf-8") as file:
        model = Transformer(ModelSettings(**json.load(file)["model"]))
    model.load_state_dict(load_file(os.path.join(folder, "model.safetensors")))
    return model.eval()
'''


@dataclass(frozen=True)
class Check:
    """How what was written compares with the original.

    Attributes:
        done: whether it was compared.
        by: what loaded it, or why nothing did.
        difference: the greatest between two logits.
        largest: the greatest logit.
        tokenizer: whether the texts tried became the same ids; None where no other tokenizer was loaded.
    """

    done: bool
    by: str
    difference: float | None = None
    largest: float | None = None
    tokenizer: bool | None = None

    @property
    def holds(self) -> bool:
        """Whether nothing was found to differ."""
        if self.difference is None or self.largest is None:
            return True
        # A comparison with not-a-number is false: so it must be this way round.
        return self.difference <= TOLERANCE * max(1.0, self.largest) and self.tokenizer is not False


@dataclass(frozen=True)
class ExportResult:
    """What was written.

    Attributes:
        out: the folder.
        architecture: the class that loads it.
        vocab_size: rows of its vocabulary; padding_removed: rows that ours had beyond.
        check: how it compares with the original.
        remarks: what it lacks of the original, in sentences.
    """

    out: Path
    architecture: str
    vocab_size: int
    padding_removed: int
    check: Check
    remarks: tuple[str, ...]


@checks_arguments
def export_model(
    folder: Path | str, out: Path | str, to: Target = "hf", *, check: bool = True, keep_padding: bool = False
) -> ExportResult:
    """Write a model folder for others.

    Args:
        folder: the model folder, of a training run or an import.
        out: a folder that is not there yet, or empty.
        to: "hf" or "torch", see above.
        check: load what was written and compare it; "hf" needs transformers for that, and where that is not
            installed says so in place of comparing.
        keep_padding: leave the rows that pad the vocabulary to a multiple of 64, of "hf"; they belong to no
            token, and importing them again gives equal tensors.

    Raises:
        SettingError: no family of transformers computes what the model does; each setting in the way is
            named.
        TrainError: the model folder is not whole, `out` holds something, or what was written computes
            something else than the original: then nothing is left there.
        StorageError: `out` cannot be written.
    """
    folder, out = local_path(folder), local_path(out)
    if to not in ("hf", "torch"):
        raise SettingError(
            f"to = {to!r} is no target", remedy="Give 'hf' or 'torch'; for GGUF call export_gguf."
        )
    language_model = LanguageModel.load(folder)
    # The card tells of the log, and the curves go along.
    check_log(folder / LOG)
    check_file(folder, CURVES, language_model.document)
    settings = language_model.model.settings
    family = family_of(settings) if to == "hf" else None
    head = head_of(language_model, family) if family else None
    with making_folder(out, EXPORT, TrainError) as temporary:
        if family:
            rows = settings.padded_vocab_size if keep_padding else settings.vocab_size
            _write_family(temporary, language_model, family, rows, head)
        else:
            rows = settings.padded_vocab_size
            document = {k: v for k, v in language_model.document.items() if k != "files"}
            write_durably(temporary / "model.json", json_bytes(document))
            write_durably(temporary / "tokenizer.json", language_model.tokenizer.data)
            write_durably(temporary / LOADER, _one_file().encode())
            save_tensors(temporary / "model.safetensors", language_model.model.state_dict())
        write_durably(
            temporary / CARD, exported_card(folder, "transformers" if family else None, _use(family, head))
        )
        if (curves := folder / CURVES).is_file():
            write_durably(temporary / CURVES, curves.read_bytes())
        result = ExportResult(
            out,
            head.architecture if head else family.architecture if family else f"{LOADER}: Transformer",
            rows,
            settings.padded_vocab_size - rows,
            _compared(temporary, language_model, family, head) if check else Check(False, "not asked for"),
            tuple(_remarks(settings, family, head)),
        )
        note = {"corpuskit": corpuskit.__version__, "tolerance": TOLERANCE, **asdict(result)}
        del note["out"]
        write_durably(temporary / "export.json", json_bytes(note))
    return result


def _use(family: Family | None, head: Head | None) -> str:
    """How the card says that an export is loaded."""
    if family is None:
        return "    from transformer import load\n    model = load(FOLDER)"
    auto = head.auto if head else family.auto
    return (
        f"    from transformers import {auto}, AutoTokenizer\n"
        f"    model = {auto}.from_pretrained(FOLDER)\n"
        "    tokenizer = AutoTokenizer.from_pretrained(FOLDER)\n\n"
        "Begin each text with `tokenizer.bos_token`, as in training: the tokenizer does not add it."
    )


def _compared(folder: Path, language_model: LanguageModel, family: Family | None, head: Head | None) -> Check:
    """What was written, loaded and compared; raises TrainError when it computes something else."""
    compare = (
        _compare_family(folder, language_model, family, head)
        if family
        else _compare_own(folder, language_model)
    )
    if not compare.holds:
        raise TrainError(
            f"{family.architecture if family else LOADER} computes something else than the model: "
            f"logits of up to {compare.largest:.3g} differ by {compare.difference:.3g} "
            f"(tokenizer the same: {compare.tokenizer})",
            remedy=f"Nothing was written. It was loaded by {compare.by}: try another version.",
        )
    return compare


def _remarks(settings: ModelSettings, family: Family | None, head: Head | None) -> Iterator[str]:
    if settings.classes and family and not head:
        yield f"The head for {settings.classes} classes is left out: {family.architecture} has none."
    if family:
        yield "A text begins with the end-of-text token, which tokenizer and class do not add by themselves."


# ------------------------------------------------------------------------------- as a known family
def _write_family(
    folder: Path, language_model: LanguageModel, family: Family, rows: int, head: Head | None
) -> None:
    model, tokenizer = language_model.model, language_model.tokenizer
    special = _special_tokens(tokenizer.data, language_model.end_of_text)
    ids = {role: number for role, (number, _) in special.items()}
    words = {f"{role}_token": word for role, (_, word) in special.items()}
    everyone = dict.fromkeys((*_SPECIAL, "bos", "eos")) | ids
    template = chat_template(language_model.document, tokenizer, special["bos"][1])
    documents = {
        "config.json": write_config(family, model.settings, rows, everyone)
        | ({"architectures": [head.architecture], **head.config} if head else {}),
        "tokenizer_config.json": words
        | {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": model.settings.context,
            "clean_up_tokenization_spaces": False,
        }
        | ({} if template is None else {"chat_template": template}),
        "special_tokens_map.json": words,
    }
    if model.settings.kind == "decoder" and not head:
        documents["generation_config.json"] = _generation(language_model, ids)
    write_durably(folder / "tokenizer.json", tokenizer.data)
    for name, document in documents.items():
        write_durably(folder / name, json_bytes(document))
    theirs = to_theirs(model.state_dict(), family, model.settings, rows)
    save_tensors(folder / "model.safetensors", head.weights(theirs) if head else theirs)


def _special_tokens(tokenizer: bytes, end_of_text: int) -> dict[str, tuple[int, str]]:
    """Ids and names of special tokens by role: the end of a text begins one too, and pads if nothing does."""
    found = Tokenizer.from_str(tokenizer.decode("utf-8"))
    special = {
        token.content: number for number, token in found.get_added_tokens_decoder().items() if token.special
    }
    end = (end_of_text, str(found.id_to_token(end_of_text)))
    roles = {role: (special[word], word) for role, word in _SPECIAL.items() if word in special}
    return {"bos": end, "eos": end, "pad": end, **roles}


def _generation(language_model: LanguageModel, ids: dict[str, int]) -> dict[str, Any]:
    """A generation_config.json that draws as `corpuskit sample` does: no special token but the end."""
    sampling = Sampling()
    # A reply of a tuned model ends with the turn.
    answered = turn_end(language_model.document, language_model.tokenizer)
    ends = [language_model.end_of_text] + ([] if answered is None else [answered])
    unsaid = [n for n in language_model.tokenizer.special_ids() if n not in ends]
    return {
        **{f"{role}_token_id": ids[role] for role in ("bos", "eos", "pad")},
        **({"eos_token_id": ends} if len(ends) > 1 else {}),
        "do_sample": True,
        **{name: getattr(sampling, name) for name in ("temperature", "top_k", "top_p")},
        "suppress_tokens": [n for n in unsaid if n < language_model.model.settings.vocab_size] or None,
    }


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors, straight from memory: their bytes once more would double what is needed.

    Raises StorageError when that cannot be done.
    """
    path.touch()
    mode = path.stat().st_mode  # The library would let nobody else read the file.
    try:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, {"format": "pt"})
    except SafetensorError as error:  # The library has this for a full disk too.
        raise StorageError(f"{path} could not be written: {error}", remedy=write_remedy(OSError())) from error
    path.chmod(mode)


def _compare_family(folder: Path, language_model: LanguageModel, family: Family, head: Head | None) -> Check:
    architecture, auto = (head or family).architecture, (head or family).auto
    try:
        transformers = importlib.import_module("transformers")
    except ImportError:
        return Check(False, "transformers is not installed")
    by = f"transformers {transformers.__version__}"
    if not hasattr(transformers, architecture):
        return Check(False, f"{by} has no {architecture}")
    with _quiet(transformers):
        try:
            theirs = getattr(transformers, auto).from_pretrained(folder, local_files_only=True)
            other = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        except Exception as error:  # Whatever it is, the export is of no use.
            raise TrainError(
                f"{by} does not load {architecture} as it was written: {error}",
                remedy="Try another version of transformers, or --no-check.",
            ) from error
        theirs = theirs.float().eval()
        difference, largest = _differ(
            language_model.model,
            lambda ids: theirs(input_ids=ids).logits,
            class_logits(language_model) if head else None,
            language_model.end_of_text,
        )
        tokenizer = language_model.tokenizer
        texts = [tokenizer.decode(row) for row in _rows(language_model.model.settings).tolist()]
        texts += ["It is a truth, universally acknowledged.", " two  spaces\n\nand\tmore é 日本 "]
        same = all(
            other.encode(text, add_special_tokens=False, split_special_tokens=True) == tokenizer.encode(text)
            for text in texts
        )
    return Check(True, by, difference, largest, same)


@contextlib.contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """No bars and no advice from transformers meanwhile."""
    logging = transformers.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


# -------------------------------------------------------------------------------- with our own class
def _one_file() -> str:
    """The source of the model, with that of its loss where it imports it: a test loads it without us.

    All that the loss imports, the model imports too.
    """
    loss = inspect.getsource(loss_module)
    imports = [node for node in ast.parse(loss).body if isinstance(node, ast.Import | ast.ImportFrom)]
    body = "".join(loss.splitlines(keepends=True)[imports[-1].end_lineno :]).strip()
    whole = re.sub(
        r"^from corpuskit\..*$", lambda _: body + "\n", inspect.getsource(model_module), flags=re.M
    )
    return f"{_HEADER}{whole.rstrip()}\n{_LOAD}"


def _compare_own(folder: Path, language_model: LanguageModel) -> Check:
    """Run the file that was written, not the module that it is a copy of."""
    module = types.ModuleType("_exported_transformer")
    sys.modules[module.__name__] = module  # Where a dataclass looks for the names in its annotations.
    try:
        exec(compile((folder / LOADER).read_text(encoding="utf-8"), LOADER, "exec"), module.__dict__)
        theirs = module.load(str(folder))
        difference, largest = _differ(language_model.model, lambda ids: _logits(theirs, ids))
    finally:
        del sys.modules[module.__name__]
    return Check(True, f"{LOADER}, torch {torch.__version__}", difference, largest)


# --------------------------------------------------------------------------------------- comparing
def _rows(settings: ModelSettings) -> Tensor:
    """A few rows of ids of the model's vocabulary."""
    generator = torch.Generator().manual_seed(0)
    shape = (_ROWS, min(_POSITIONS, settings.context))
    return torch.randint(0, settings.vocab_size, shape, generator=generator)


def _logits(model: Transformer, ids: Tensor) -> Tensor:
    memory = model.encode(ids.flip(0)) if model.settings.kind == "encoder-decoder" else None
    out: Tensor = model(ids, memory=memory)
    return out


def _differ(
    model: Transformer,
    theirs: Callable[[Tensor], Tensor],
    ours: Callable[[Tensor], Tensor] | None = None,
    pad: int = 0,
) -> tuple[float, float]:
    """The greatest difference between logits of tokens, or those of `ours`, and the greatest logit."""
    ids, tokens = _rows(model.settings), model.settings.vocab_size
    if ours is not None:
        ids[:, -1] = (pad + 1) % tokens  # A row whose last token pads would be told by an earlier one.
    with torch.inference_mode():
        expected, found = (
            logits(ids)[..., :tokens].float() for logits in (ours or (lambda x: _logits(model, x)), theirs)
        )
    return float((expected - found).abs().max()), float(expected.abs().max())
