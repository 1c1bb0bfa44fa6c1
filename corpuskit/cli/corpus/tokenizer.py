"""``corpuskit tokenizer``: train one on what a build reads, or look at one; its report stands beside."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import click
import yaml
from click.core import ParameterSource

from corpuskit.cli.corpus import tokenizer_report
from corpuskit.cli.shell import COUNT, PATH, Shell, shell_options
from corpuskit.errors import InputError, SettingError, counted
from corpuskit.run import layout
from corpuskit.run.folder import Run
from corpuskit.sources.source import Part, Source
from corpuskit.stages import registry
from corpuskit.storage.ownership import making_files, refuse_overlap
from corpuskit.tokenizer.models.choose import LOSSY, Model, train_other
from corpuskit.tokenizer.patterns import DEFAULT, check_pattern, described
from corpuskit.tokenizer.special import PATTERNS
from corpuskit.tokenizer.tokenizer import LEAST_VOCABULARY, Tokenizer, check_sizes
from corpuskit.tokenizer.train import TrainTokenizer

_SAID_EVERY = 5.0
"""Seconds between two messages about how far it is."""


@click.group()
def command() -> None:
    """Train a tokenizer, or look at one.

    \b
    corpuskit tokenizer train books/*.txt --vocab-size 8192 --out tokenizer.json
    corpuskit tokenizer encode tokenizer.json "It is a truth"
    corpuskit tokenizer report runs/sample --html vocabulary.html
    """


@command.command("train")
@click.argument("inputs", nargs=-1, required=True)
@click.option("--out", required=True, type=PATH, help="The tokenizer.json to write.")
@click.option("--source", "kind", default="files", show_default=True, help="What reads the inputs.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting of the source.")
@click.option("--vocab-size", type=click.IntRange(min=LEAST_VOCABULARY), help="Ids.  [default: 32768]")
@click.option("--vocab-sizes", metavar="N,N,...", help="Several sizes of one training.")
@click.option(
    "--pattern",
    default=DEFAULT,
    show_default=True,
    help=f"{', '.join(PATTERNS)}, or a regular expression: how text is cut into pretokens.",
)
@click.option("--digits", type=click.IntRange(1, 3), help="Digits that stand together at most.")
@click.option("--min-frequency", type=COUNT, default=2, show_default=True, help="Of a pair that is merged.")
@click.option("--model", type=click.Choice(get_args(Model)), default="bpe", show_default=True)
@click.option("--words", type=COUNT, help="Of word_level: so many words instead of a size.")
@click.option("--lowercase", is_flag=True, help="Of word_level and wordpiece: without capitals.")
@click.option("--strip-accents", is_flag=True, help="Of word_level and wordpiece: without accents.")
@shell_options
def train_command(
    shell: Shell,
    inputs: tuple[str, ...],
    out: Path,
    kind: str,
    settings: tuple[str, ...],
    vocab_size: int | None,
    vocab_sizes: str | None,
    pattern: str,
    digits: int | None,
    min_frequency: int,
    model: Model,
    words: int | None,
    lowercase: bool,
    strip_accents: bool,
) -> None:
    """Train a byte-level BPE, or another model, on what a build reads, or on the documents of a finished run.

    An input is a run folder, or a path of a source: files or folders of your own, or what --source names.
    What a source reads is taken as it is; the documents of a run went through its stages. With several sizes
    each has a folder of its own beside OUT, which is --vocab-size, else the largest.

    \b
    corpuskit tokenizer train books/*.txt --vocab-size 8192 --out tokenizer.json
    corpuskit tokenizer train rows.jsonl --set text_field=body --out tokenizer.json
    corpuskit tokenizer train simplewiki.xml.bz2 --source wikipedia --out tokenizer.json
    corpuskit tokenizer train runs/sample --vocab-size 1024 --out small/tokenizer.json
    corpuskit tokenizer train runs/sample --model word_level --words 20000 --out words/tokenizer.json
    corpuskit tokenizer train books --vocab-sizes 8192,16384,32768 --digits 3 --out sizes/tokenizer.json
    """
    if out.name != "tokenizer.json":
        raise SettingError(f"--out {out}: is not called tokenizer.json", remedy="Others look for that name.")
    sizes, own = _sizes(shell, vocab_size, vocab_sizes)
    check_pattern(pattern, digits)
    refuse_overlap(out, [("tokenizer train", Path(path)) for path in inputs])
    others = {"words": words, "lowercase": lowercase, "strip_accents": strip_accents}
    if model != "bpe" or any(others.values()):
        several = {"vocab_sizes": sizes if vocab_sizes else ()}
        _train_other(shell, (inputs, kind, settings), out, {"model": model, **several, **others})
        return
    readers = [_reader(shell, path, kind, settings) for path in inputs]
    places = [(own, out)] + [(size, out.parent / str(size) / out.name) for size in sizes if vocab_sizes]
    told = _Progress(shell)
    made_by = {**described(pattern, digits), "min_frequency": min_frequency, "vocab_sizes": sizes}
    with making_files(*(path.with_name(name) for _, path in places for name in _FILES)):
        texts = told.reading(_some(text for reader in readers for text in reader))
        trained = Tokenizer.train_sizes(
            texts, sizes, pattern, min_frequency, digits=digits, told=told.merging, owner="tokenizer train"
        )
        for size, path in places:
            trained[size].save(path, training=made_by)
    for size in sizes:
        if trained[size].vocab_size < size:
            times = counted(min_frequency, "time")
            fewer = f"{trained[size].vocab_size} tokens instead of {size}"
            shell.say(f"warning: no further pair of tokens occurs {times}: {fewer}")
    merges = len(json.loads(trained[own].data)["model"]["merges"])
    facts: dict[str, Any] = {"vocab_size": trained[own].vocab_size, "merges": merges}
    lines = [f"{out}: {facts['vocab_size']} tokens"]
    if vocab_sizes:
        facts["vocab_sizes"] = {str(path): trained[size].vocab_size for size, path in places[1:]}
        lines += [f"{path}: {tokens} tokens" for path, tokens in facts["vocab_sizes"].items()]
    shell.result({"tokenizer": str(out), **facts}, "\n".join(lines))


_FILES = ("tokenizer.json", "tokenizer_config.json", "training.json")


def _sizes(shell: Shell, vocab_size: int | None, vocab_sizes: str | None) -> tuple[list[int], int]:
    """All sizes, ascending, and the one that OUT is."""
    if vocab_sizes is None:
        own = 32768 if vocab_size is None else vocab_size
        return [own], own
    words = [word.strip() for word in vocab_sizes.split(",")]
    if wrong := [word for word in words if not (word.isascii() and word.isdigit())]:
        raise SettingError(
            f"--vocab-sizes {vocab_sizes}: {wrong[0]!r} is no size", remedy="Write them as 8192,16384,32768."
        )
    given = [int(word) for word in words]
    check_sizes(given)
    for size in sorted({size for size in given if given.count(size) > 1}):
        shell.say(f"warning: --vocab-sizes names {size} twice: it is made once")
    if vocab_size is not None and vocab_size not in given:
        raise SettingError(
            f"--vocab-size {vocab_size}: is none of --vocab-sizes {vocab_sizes}",
            remedy="It says which of them OUT is: name one of them, or leave it out.",
        )
    return sorted(set(given)), max(given) if vocab_size is None else vocab_size


class _Progress:
    """Says now and then how far it is, and how long it will take."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._said = self._began = time.monotonic()

    def reading(self, texts: Iterable[str]) -> Iterator[str]:
        """Hand texts on."""
        characters = 0
        for text in texts:
            yield text
            characters += len(text)
            if self._is_due():
                self._shell.say(f"counting pretokens: {characters / 1e6:,.0f} million characters read")
        self._began = time.monotonic()

    def merging(self, done: int, whole: int) -> bool:
        """Hear of merges."""
        if self._is_due():
            left = (time.monotonic() - self._began) * (whole - done) / max(1, done)
            self._shell.say(f"learning merges: {done:,} of {whole:,}, about {left:.0f} s left")
        return True

    def _is_due(self) -> bool:
        now = time.monotonic()
        if now - self._said < _SAID_EVERY:
            return False
        self._said = now
        return True


def _train_other(
    shell: Shell, inputs: tuple[tuple[str, ...], str, tuple[str, ...]], out: Path, chosen: dict[str, Any]
) -> None:
    """Train another model than BPE, with the options that were given."""
    context = click.get_current_context()
    for name in ("vocab_size", "pattern", "digits", "min_frequency"):
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            chosen[name] = context.params[name]
    lossy = chosen["model"] in LOSSY
    given = {name: value for name, value in chosen.items() if value}
    asked = TrainTokenizer.checked("tokenizer train", **given)
    paths, kind, settings = inputs
    readers = [_reader(shell, path, kind, settings) for path in paths]
    with making_files(out, out.with_name("tokenizer_config.json")):
        trained = train_other(_some(text for reader in readers for text in reader), asked.model_dump())
        trained.save(out)
    if lossy:
        shell.say("warning: this model loses text: a build that takes it needs `lossy: allow` beside `file`")
    facts = {"vocab_size": trained.vocab_size, "model": asked.model}
    shell.result({"tokenizer": str(out), **facts}, f"{out}: {facts['vocab_size']} tokens")


def _reader(shell: Shell, path: str, kind: str, settings: tuple[str, ...]) -> Iterator[str]:
    """The texts of an input. What is wrong with its settings or its place is told before any text is read."""
    if (Path(path) / layout.path("run")).is_file():
        if settings or kind != "files":
            raise SettingError(
                f"{path}: is a run, whose documents no source reads",
                remedy="Leave --source and --set away, or give a path of the source.",
            )
        return _documents(Run.open_finished(path))
    source = _source(path, kind, settings)
    return _read(shell, source, source.parts())


def _documents(run: Run) -> Iterator[str]:
    prefix = f"{layout.FINAL}/"
    for record in run.records():
        for output in record.outputs if record.task.startswith(prefix) else ():
            if output.path.startswith(prefix):
                run.check(output)
                for batch in run.read_batches(output.path, ["text"]):
                    yield from batch.column("text").to_pylist()


def _source(path: str, kind: str, settings: tuple[str, ...]) -> Source:
    found = registry.find(kind)
    if not issubclass(found, Source):
        sources = ", ".join(registry.known((Source,)))
        raise SettingError(f"--source {kind}: is no source", remedy=f"Known: {sources}.")
    values: dict[str, Any] = {"path": path}
    if "label" in found.model_fields:
        values["label"] = "files"
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise SettingError(f"--set {setting!r}: has no '='", remedy="Write it as key=value.")
        try:
            values[key] = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError) as error:
            raise SettingError(f"--set {setting!r}: the value is no YAML", remedy="Quote it.") from error
    return found(**values)


def _read(shell: Shell, source: Source, parts: Sequence[Part]) -> Iterator[str]:
    for part in parts:
        for reading in source.read(part):
            for item in reading.quarantined:
                shell.say(f"warning: left out: {item.error}")
            for warning in reading.warnings:
                shell.say(f"warning: {warning}")
            yield from reading.batch.column("text").to_pylist()


def _some(texts: Iterator[str]) -> Iterator[str]:
    first = next(texts, None)
    if first is None:
        raise InputError("tokenizer train: the inputs hold no text", remedy="Give files with text in them.")
    yield first
    yield from texts


@command.command("encode")
@click.argument("tokenizer", type=PATH)
@click.argument("text")
@shell_options
def encode_command(shell: Shell, tokenizer: Path, text: str) -> None:
    """Show how a text is cut into tokens.

    \b
    corpuskit tokenizer encode runs/sample/tokenizer/tokenizer.json "It is a truth"
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise SettingError(f"text {text!r}: is not UTF-8", remedy="Call it from a UTF-8 terminal.") from error
    # To be looked at, it may lose text: what it loses is told.
    loaded = Tokenizer.load(tokenizer, lossy=True)
    ids = loaded.encode(text)
    if change := loaded.changes(text):
        shell.say(f"warning: text does not come back: {change}")
    pieces = [loaded.decode([i]) for i in ids]
    shown = " ".join(f"{i}:{piece!r}" for i, piece in zip(ids, pieces, strict=True))
    facts: dict[str, Any] = {"ids": ids, "tokens": pieces}
    if loaded.unknown_id is not None:
        facts["unknown"] = ids.count(loaded.unknown_id)
        share = f"{facts['unknown']} of {counted(len(ids), 'token')}"
        shell.say(f"{share} are the unknown one ({100 * facts['unknown'] / max(1, len(ids)):.2f} %)")
    shell.result(facts, shown)


command.add_command(tokenizer_report.command)
