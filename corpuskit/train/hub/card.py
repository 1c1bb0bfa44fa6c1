"""The model card: README.md of a model folder, made from what was recorded, and of what is exported.

Nothing in it is an opinion. What was not measured is said to be not measured; limits follow from figures by
rules that stand below. A card ends with a mark that holds the digest of its text: one that somebody has
changed, or written, is never written over.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from corpuskit.storage.files import write_file
from corpuskit.train.hub.card_facts import Facts, read_facts
from corpuskit.train.hub.card_limits import limits
from corpuskit.train.hub.card_parts import (
    by_count,
    cell,
    data_section,
    evaluation_section,
    learning_section,
    memorization_section,
    number,
    table,
    training_section,
)
from corpuskit.train.model.cost import parameter_count
from corpuskit.train.model.transformer import Kind, ModelSettings
from corpuskit.train.settings.resolve import said_objective, usual_objective

NAME = "README.md"
_MARK = re.compile(rb"\n<!-- corpuskit card sha256:([0-9a-f]{64}) -->\n\Z")
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_LEAST_SHARE = 0.01
"""Of the documents, below which a language is not named in the header of a card."""

_TASKS = {
    "decoder": "text-generation",
    "encoder": "fill-mask",
    "encoder-decoder": "text2text-generation",
}
"""What the Hub calls what a model does."""

_DOES = {
    "decoder": "a decoder: it continues a text, token by token",
    "encoder": "an encoder: it fills gaps in a text",
    "encoder-decoder": "an encoder-decoder: it reads a text and writes another",
}


def write_card(folder: Path | str) -> Path | None:
    """Write README.md of a model folder; returns its path, None where one of others is there, which stays.

    Raises TrainError for a folder without a whole model.json, StorageError where it cannot be written.
    """
    path = Path(folder) / NAME
    if path.is_symlink() or (path.exists() and not is_ours(path)):
        return None
    write_file(path, marked(card(read_facts(folder))))
    return path


def is_ours(path: Path) -> bool:
    """Whether a file is a card of ours that nobody has changed."""
    try:
        data = path.read_bytes()
    except OSError:
        return False
    found = _MARK.search(data)
    return found is not None and hashlib.sha256(data[: found.start()]).hexdigest() == found[1].decode()


def marked(text: str) -> bytes:
    """The bytes of a card with its mark."""
    data = text.encode()
    return data + f"\n<!-- corpuskit card sha256:{hashlib.sha256(data).hexdigest()} -->\n".encode()


def exported_card(folder: Path | str, library: str | None, use: str) -> bytes:
    """README.md of an export: the card with the header that the Hugging Face Hub reads.

    Where the model folder has a README.md of its own making, that is it, under a header of ours unless it has
    one.

    Args:
        folder: the model folder.
        library: what the Hub calls the library that loads the export; None where it has no name for one.
        use: lines of code that load it, as Markdown.
    """
    facts, own = read_facts(folder), Path(folder) / NAME
    head = header(facts, library)
    if own.is_file() and not is_ours(own):
        data = own.read_bytes()
        return data if data.startswith(b"---") else head.encode() + data
    return marked(head + card(facts, use))


def header(facts: Facts, library: str | None) -> str:
    """The metadata of the Hub, in YAML between lines of three dashes; only what is known stands in it."""
    model, data = facts.document["model"], facts.training.get("data") or {}
    languages = data.get("languages") or {}
    whole = sum(languages.values())
    # The Hub reads codes of ISO 639.
    spoken = [each for each, n in by_count(languages) if n >= _LEAST_SHARE * whole]
    named = [each for each in spoken if _LANGUAGE.fullmatch(each)]
    task = "text-classification" if model.get("classes") else _TASKS[model.get("kind", "decoder")]
    values: dict[str, Any] = {
        "language": named,
        "license": "unknown",
        "library_name": library,
        "pipeline_tag": task,
        "tags": ["corpuskit"] + (["conversational"] if facts.document.get("chat") is True else []),
        "datasets": data.get("datasets"),
        "base_model": base_model(facts),
    }
    known = {name: value for name, value in values.items() if value}
    return f"---\n{yaml.safe_dump(known, sort_keys=False, allow_unicode=True)}---\n\n"


def base_model(facts: Facts) -> str | None:
    """The Hub's name of the model that this one began with, where it was noted."""
    for place in (facts.document.get("imported"), facts.training.get("base"), facts.training):
        found = (place or {}).get("hub") if isinstance(place, Mapping) else None
        if isinstance(found, str):
            return found
    return None


def card(facts: Facts, use: str = "") -> str:
    """The text of a card in Markdown."""
    return "\n\n".join(part for part in _parts(facts, use) if part) + "\n"


def _parts(facts: Facts, use: str) -> Iterator[str]:
    model = facts.document["model"]
    shape = ModelSettings(**model)
    yield f"# {cell(facts.name)}"
    yield (
        f"This model is {_DOES[shape.kind]}. It has {_size(shape)} parameters "
        f"and sees up to {shape.context:,} tokens at a time. {_origin(facts)}"
    )
    yield "This page was made by corpuskit from what was recorded when the model was trained and measured."
    rows = [
        ("layers, width, heads", f"{shape.layers}, {shape.width}, {shape.heads}"),
        ("vocabulary", f"{shape.vocab_size:,} tokens"),
        ("norm, activation, positions", f"{shape.norm}, {shape.activation}, {shape.positions}"),
        ("head and embedding", "one matrix" if shape.tie_embeddings else "two matrices"),
    ]
    if shape.classes:
        rows.append(("classes", number(shape.classes)))
    yield table(("shape", ""), rows)
    yield "## Use\n\n" + (use or _use(facts))
    yield "## Intended use\n\n" + _intended(facts, shape)
    yield data_section(facts)
    yield training_section(facts)
    yield learning_section(facts)
    yield evaluation_section(facts)
    yield memorization_section(facts)
    yield "## Limits and known failures\n\n" + "\n".join(f"- {each}" for each in limits(facts))
    yield "## Licence\n\n" + _licence(facts)


def _size(shape: ModelSettings) -> str:
    count = parameter_count(shape)
    return f"{count:,}" if count < 1e6 else f"{count / 1e6:,.1f} million"


def _origin(facts: Facts) -> str:
    if imported := facts.document.get("imported"):
        return f"It was not trained here but imported, from a {cell(str(imported.get('architecture')))}."
    if facts.training.get("reason") is None:
        return "Its training has not ended."
    begun = (facts.training.get("settings") or {}).get("init_from")
    named = base_model(facts)
    return (
        "It was trained from random weights."
        if not begun
        else (
            f"Its training began with the weights of {cell(named)}."
            if named
            else f"Its training began with the weights of the model {cell(Path(begun).name)}."
        )
    )


def _use(facts: Facts) -> str:
    kind: Kind = facts.document["model"].get("kind", "decoder")
    objective = said_objective(facts.document) or usual_objective(kind)
    if facts.document["model"].get("classes"):
        lines = [f'corpuskit predict {facts.name} "..."']
    elif objective != "causal" and not facts.document.get("tuned"):
        lines = [f'corpuskit sample {facts.name} --fill "A text with a <mask> in it"']
    else:
        lines = [f'corpuskit sample {facts.name} --prompt "..."']
    if facts.document.get("chat") is True:
        lines.append(f"corpuskit chat {facts.name}")
    lines.append(f"corpuskit export {facts.name} --to hf --out exported")
    return "    " + "\n    ".join(lines)


def _intended(facts: Facts, shape: ModelSettings) -> str:
    if shape.classes:
        does = "Giving texts like those that it was tuned on one of its labels."
    elif facts.document.get("chat") is True:
        does = "Answering in conversations like those that it was tuned on, for study."
    elif shape.kind == "decoder":
        does = "Continuing texts like those that it was trained on, for study, and as a beginning for tuning."
    else:
        does = "Study, and as a beginning for tuning on a task."
    return (
        f"{does} Whoever trained it has stated no other use. Nothing that it writes was checked to be true: "
        "it is not for advice, decisions about people, or text that is given out as a person's."
    )


def _licence(facts: Facts) -> str:
    licences = sorted({row["licence"] for row in (facts.training.get("data") or {}).get("sources") or ()})
    if not licences:
        return "None was stated for the model, and none is recorded for its data."
    named = ", ".join(cell(each) or "(not stated)" for each in licences)
    return (
        "None was stated for the model: whoever publishes it chooses one that its data allow. Of its data: "
        f"{named}."
    )
