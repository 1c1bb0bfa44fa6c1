"""A file of vectors: Parquet with ids, the beginnings of the texts, and in its schema how it was made.

A text like another one is found by the cosine with every vector, a group of rows at a time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from corpuskit.errors import EmptyError, InputError, SettingError
from corpuskit.storage.files import UNFINISHED, canonical_json, rename, sha256_json, writing
from corpuskit.storage.ownership import making_files
from corpuskit.storage.rows.arrow import DAMAGE
from corpuskit.storage.tables import PARQUET, SMALL_LEVEL, Sink
from corpuskit.train.data.named_texts import Id, NamedTexts
from corpuskit.train.generate.embed import Embedder, VectorSettings, normalised, stored
from corpuskit.train.generate.generate import LanguageModel
from corpuskit.train.model.lora import base_fingerprint

FORMAT = 1
_KEY = b"corpuskit.vectors"
_BEGINNING = 100
"""Characters of a text that are kept beside its vector."""

_AT_ONCE, _CHARACTERS = 4096, 2**22
"""Texts, and characters of them, that are held together; they become a group of rows of the file."""

_SHOWN = 5
_DIGITS = 6
"""Decimals to which cosines are told apart: beyond them rounding, not the texts, would order them."""


# ------------------------------------------------------------------------------------------ the first look
@dataclass
class Census:
    """What is to be known of texts before the first vector.

    Attributes:
        rows, tokens: how many.
        empty, long: texts without a token, and with more than the context; of both the first ids.
        twice: texts whose id an earlier one has.
        whole_ids: whether all ids are whole numbers of 64 bits.
    """

    rows: int = 0
    tokens: int = 0
    empty: int = 0
    long: int = 0
    twice: int = 0
    whole_ids: bool = True
    empty_ids: list[Id] = field(default_factory=list)
    long_ids: list[Id] = field(default_factory=list)


def count_texts(texts: NamedTexts, embedder: Embedder) -> Census:
    """Read all texts once; of each 8 bytes are held. Raises EmptyError where there is none."""
    census, seen = Census(), list[npt.NDArray[np.int64]]()
    for ids, lines in _groups(texts):
        for name, tokens in zip(ids, embedder.tokenizer.encode(iter(lines)), strict=True):
            census.rows += 1
            census.tokens += len(tokens)
            if not len(tokens):
                census.empty += 1
                census.empty_ids += [name] * (len(census.empty_ids) < _SHOWN)
            elif len(tokens) > embedder.context:
                census.long += 1
                census.long_ids += [name] * (len(census.long_ids) < _SHOWN)
        census.whole_ids &= all(isinstance(name, int) and -(2**63) <= name < 2**63 for name in ids)
        seen.append(np.array([hash(str(name)) for name in ids], np.int64))
    if not census.rows:
        raise EmptyError("there is no text", remedy="Name files that hold some.")
    census.twice = census.rows - len(np.unique(np.concatenate(seen)))
    return census


def _groups(texts: NamedTexts) -> Iterator[tuple[list[Id], list[str]]]:
    """Ids and texts, as many as are held together; where groups end depends on the texts alone."""
    ids: list[Id] = []
    lines: list[str] = []
    size = 0
    for name, text in texts.read():
        ids.append(name)
        lines.append(text)
        size += len(text)
        if len(ids) == _AT_ONCE or size >= _CHARACTERS:
            yield ids, lines
            ids, lines, size = [], [], 0
    if ids:
        yield ids, lines


# ---------------------------------------------------------------------------------------------------- made
class Group(NamedTuple):
    """Texts that were read together: ids, beginnings, numbers of tokens, vectors (N, C)."""

    ids: Sequence[Id]
    beginnings: Sequence[str]
    tokens: Sequence[int]
    vectors: npt.NDArray[np.float32 | np.float16]


def embedded(texts: NamedTexts, embedder: Embedder, half: bool = False) -> Iterator[Group]:
    """Vectors of texts in their order. Raises TrainError, naming the id, for one that cannot be kept."""
    for ids, lines in _groups(texts):
        vectors, tokens = embedder.vectors(lines)
        yield Group(ids, list(map(beginning, lines)), tokens, stored(vectors, ids, half))


def beginning(text: str) -> str:
    """The first characters of a text on one line.

    >>> beginning("  The river\\n\\nand " + "its mouth " * 20)[:20]
    'The river and its mo'
    """
    # White space at the beginning may be long: some more is taken before it goes.
    line = " ".join(text[: 4 * _BEGINNING].split())
    return line if len(line) <= _BEGINNING else line[: _BEGINNING - 1] + "…"


def model_digest(model: LanguageModel) -> str:
    """What tells a model from others: its weights, shape and tokenizer, as a sha256 in hex."""
    settings = model.model.settings
    # What has its usual value is left out, so that a later version may know more of a shape.
    shape = {
        each.name: getattr(settings, each.name)
        for each in fields(settings)
        if each.name not in ("classes", "dropout") and getattr(settings, each.name) != each.default
    }
    return sha256_json([base_fingerprint(model.model), shape, model.tokenizer.sha256])


def how_made(model: LanguageModel, settings: VectorSettings, half: bool) -> dict[str, Any]:
    """What a file of vectors says of how it was made."""
    return {
        "format": FORMAT,
        "model": model_digest(model),
        "kind": model.model.settings.kind,
        "context": model.model.settings.context,
        "width": model.model.settings.width,
        "type": "float16" if half else "float32",
        "empty_texts": "zeros",
        **asdict(settings),
    }


def write_vectors(
    out: Path,
    texts: NamedTexts,
    embedder: Embedder,
    made: Mapping[str, Any],
    tell: Callable[[Census], None] = lambda census: None,
) -> Census:
    """Write a file of vectors; it appears whole or not at all.

    Its columns: `id`, `text` (how it begins), `tokens`, `vector`; `made`, with what was counted, stands in
    its schema.

    Args:
        tell: hears what was counted, before the first vector.

    Raises:
        SettingError: it is there already, or lies among files of another kind.
        InputError: a text cannot be read, or they are not those that were counted.
        EmptyError: there is none.
        TrainError: a vector that is not finite, or that float16 cannot hold.
        StorageError: it cannot be written.
    """
    unfinished = out.with_name(f"{UNFINISHED}{out.name}")
    with making_files(out):
        census = count_texts(texts, embedder)
        tell(census)
        try:
            with writing(out, "Nothing of it was left there."):
                rows = _write(unfinished, embedded(texts, embedder, made["type"] == "float16"), made, census)
                if rows != census.rows:
                    raise InputError(
                        f"{census.rows:,} texts were counted, then {rows:,} read",
                        remedy="Call it again when nothing writes to these files.",
                    )
                rename(unfinished, out)
        finally:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)
    return census


def _write(path: Path, groups: Iterator[Group], made: Mapping[str, Any], census: Census) -> int:
    """Write groups as Parquet, each a group of rows; returns how many rows."""
    number = pa.float16() if made["type"] == "float16" else pa.float32()
    told = dict(made) | {name: getattr(census, name) for name in ("rows", "tokens", "empty", "long")}
    schema = pa.schema(
        [
            pa.field("id", pa.int64() if census.whole_ids else pa.string(), nullable=False),
            pa.field("text", pa.string(), nullable=False),
            pa.field("tokens", pa.int64(), nullable=False),
            pa.field("vector", pa.list_(pa.field("item", number, nullable=False), made["width"])),
        ],
        {_KEY: canonical_json(told).encode()},
    )
    options = {**PARQUET, "use_dictionary": False, "compression_level": SMALL_LEVEL}
    with closing(pq.ParquetWriter(path, schema, **options)) as writer:
        sink = Sink(writer, schema)
        for group in groups:
            sink.write(_batch(group, schema))
    return sink.rows


def _batch(group: Group, schema: pa.Schema) -> pa.RecordBatch:
    ids = group.ids if pa.types.is_integer(schema.field("id").type) else [str(each) for each in group.ids]
    numbers = pa.array(group.vectors.reshape(-1), schema.field("vector").type.value_type)
    columns = [
        pa.array(ids, schema.field("id").type),
        pa.array(group.beginnings, pa.string()),
        pa.array(group.tokens, pa.int64()),
        pa.FixedSizeListArray.from_arrays(numbers, type=schema.field("vector").type),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


# ---------------------------------------------------------------------------------------------------- read
def read_made(path: Path) -> dict[str, Any] | None:
    """What a file of vectors says of itself; None for any other file."""
    try:
        if not path.is_file():
            return None
        made = json.loads((pq.read_schema(path).metadata or {})[_KEY])
    except (*DAMAGE, KeyError):
        return None
    if not isinstance(made, dict) or made.get("format") != FORMAT:
        raise InputError(
            f"{path}: vectors of a format that this version does not read",
            remedy="Use the version of corpuskit that wrote it.",
        )
    return made


def settings_of(path: Path, made: Mapping[str, Any], model: LanguageModel, **asked: Any) -> VectorSettings:
    """How the vectors of a file were made.

    Args:
        asked: settings that a caller names, None for those that he does not.

    Raises SettingError for another model, or for settings other than the file's: cosines of vectors that
    were made in two ways say nothing.
    """
    if (own := model_digest(model)) != made["model"]:
        raise SettingError(
            f"{path}: was made by a model with the digest {made['model'][:12]}, this one has {own[:12]}",
            remedy="Name the model that made it, or embed the texts again with this one.",
        )
    for name, value in asked.items():
        if value is not None and value != made[name]:
            raise SettingError(
                f"{path}: was made with {name} = {made[name]}, not {value}",
                remedy="Leave it out, or embed the texts again.",
            )
    return VectorSettings(made["pooling"], made["normalize"], made["long_texts"], made["overlap"])


def read_vectors(path: Path) -> Iterator[Group]:
    """The vectors of a file, a group of rows at a time. Raises InputError for a damaged one."""
    try:
        with pq.ParquetFile(path) as file:
            width = file.schema_arrow.field("vector").type.list_size
            for number in range(file.num_row_groups):
                table = file.read_row_group(number)
                vectors = table.column("vector").combine_chunks()
                if isinstance(vectors, pa.ChunkedArray):
                    vectors = vectors.chunk(0)
                rows = vectors.flatten().to_numpy(zero_copy_only=False).reshape(-1, width)
                ids, texts, tokens = (table.column(each).to_pylist() for each in ("id", "text", "tokens"))
                yield Group(ids, texts, tokens, rows)
    except DAMAGE as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{path}: cannot be read: {reason}", remedy="Embed the texts again.") from error


# ------------------------------------------------------------------------------------------------ searched
class Near(NamedTuple):
    """A text that was found: its id, its cosine with what was asked, and how it begins."""

    id: Id
    cosine: float
    text: str


def nearest(groups: Iterator[Group], asked: npt.NDArray[np.float32], count: int) -> list[list[Near]]:
    """For each vector asked (Q, C) the texts with the greatest cosines, `count` at most, by comparing all.

    Equal cosines, to 6 decimals, stand in the order of the texts. Texts without a token are left out: zeros
    have no direction. Memory holds a group.
    """
    best: list[list[tuple[float, int, Near]]] = [[] for _ in asked]
    directions = normalised(asked).astype(np.float64)
    first = 0
    for group in groups:
        rows = normalised(group.vectors).astype(np.float64)
        there: npt.NDArray[np.bool_] = rows.any(axis=1)  # type: ignore[assignment]
        cosines = np.where(there, (directions @ rows.T).clip(-1, 1).round(_DIGITS), -np.inf)
        for found, line in zip(best, cosines, strict=True):
            for row in np.argsort(-line, kind="stable")[:count].tolist():
                if there[row]:
                    cosine = float(line[row]) + 0.0
                    near = Near(group.ids[row], cosine, group.beginnings[row])
                    found.append((-cosine, first + row, near))
            found.sort(key=lambda each: each[:2])
            del found[count:]
        first += len(rows)
    return [[near for _, _, near in found] for found in best]


def nearest_to(
    model: LanguageModel, settings: VectorSettings, groups: Iterator[Group], like: Sequence[str], count: int
) -> list[list[Near]]:
    """For each of some texts those with the greatest cosines, as `nearest`.

    Raises SettingError for a text without a token.
    """
    asked, tokens = Embedder(model.model, model.tokenizer, settings).vectors(like)
    if 0 in tokens:
        text = like[tokens.index(0)]
        raise SettingError(f"like {text!r}: has no token in this model", remedy="Give other words.")
    return nearest(groups, asked, count)
