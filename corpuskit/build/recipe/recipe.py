"""A recipe: a pipeline as a YAML file.

    sources:
      - gutenberg: {path: books}
    stages:
      - unicode
      - length: {min_words: 20}
      - near_duplicates: {threshold: 0.8}
    tokenizer: {vocab_size: 4096}
    shards: {split: {validation: 0.05}}

Relative paths are taken from the recipe's folder, ``${NAME}`` from the environment. An unknown key is an
error that names its line and the nearest known key.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from corpuskit.build.decide.earlier import Dedup
from corpuskit.build.decide.mixing import Mix, Share
from corpuskit.build.decide.planted import Canaries, Repeat
from corpuskit.build.pipeline import Pipeline, PipelineStep
from corpuskit.build.write.pack_shards import Packing
from corpuskit.build.write.write_shards import WriteShards
from corpuskit.documents.settings import Settings, first_problem
from corpuskit.errors import SettingError, nearest
from corpuskit.sources.source import Source
from corpuskit.stages import registry
from corpuskit.stages.barrier import Barrier
from corpuskit.stages.dedup.remove import Removal
from corpuskit.stages.stage import Stage
from corpuskit.storage.places import is_uri
from corpuskit.tokenizer.train import TrainTokenizer

KEYS = (
    *("sources", "stages", "dedup", "remove", "shared_ids", "mix"),
    *("tokenizer", "shards", "packing", "canaries", "repeat"),
)

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

_KINDS: Mapping[str, tuple[type[Settings], ...]] = {"source": (Source,), "stage": (Stage, Barrier)}

_OTHER_BASE = re.compile(r"[-+]?(0[0-7_]+|\d[\d_]*(:[0-5]?\d)+(\.\d*)?)$")
"""A zero in front makes a number octal in YAML, colons make it one to the base of 60."""


class _Loader(yaml.SafeLoader):
    """YAML whose keys are words: ``off`` is a setting and ``no`` a language, neither is false."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:bool":
                key.tag = "tag:yaml.org,2002:str"
        return super().construct_mapping(node, deep)


Place = tuple[str | int, ...]
"""Where a value stands in a recipe: ``("stages", 2, "near_duplicates", "threshold")``."""


@dataclass(frozen=True)
class Recipe:
    """A checked recipe.

    Attributes:
        pipeline: what it describes.
        values: the plain values as written, with overrides, before paths were resolved.
    """

    pipeline: Pipeline
    values: Mapping[str, Any]


def load(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read and check a recipe.

    Args:
        overrides: ``a.b=value`` each, e.g. ``stages.near_duplicates.threshold=0.7``; values are YAML,
            relative paths in them are taken from the working directory.

    Raises:
        SettingError: the file is missing or is no YAML, a key or stage is unknown, a value is wrong.
    """
    path = Path(path)
    if not path.is_file():
        raise SettingError(f"recipe {path}: is not there", remedy="Give the path of a .yaml recipe.")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(
            f"recipe {path}: cannot be read: {error}", remedy="Give a text file in UTF-8."
        ) from error
    values, lines, words = parse(path, text)
    # Before anything is checked: an override may mend what the recipe says wrong.
    for override in overrides:
        _override(values, override)
    reader = Reader(str(path), lines, words, path.resolve().parent)
    return Recipe(reader.pipeline(values), values)


def parse(path: Path, text: str) -> tuple[dict[str, Any], dict[Place, int], dict[Place, str]]:
    """The values of a YAML text, and by place the line of each and the word where it is no text.

    Raises SettingError for what is no YAML or no mapping, for a key that stands twice, and for numbers that
    YAML reads as others.
    """
    try:
        node = yaml.compose(text, yaml.SafeLoader)
        values = yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that is none, say.
        quote = ' Inside {...} a variable needs quotes: {path: "${NAME}/x"}.' if "${" in text else ""
        # As of a text: its repr shows a tab as \\t.
        tabs = " Indent with spaces: YAML takes no tabs." if r"'\t'" in str(error) else ""
        remedy = f"Mend the line it names.{quote}{tabs}"
        raise SettingError(f"recipe {path}: is no YAML: {error}", remedy=remedy) from error
    if not isinstance(values, dict) or node is None:
        raise SettingError(f"recipe {path}: is no mapping", remedy=f"Its keys are {', '.join(KEYS)}.")
    lines: dict[Place, int] = {}
    words: dict[Place, str] = {}
    try:
        _lines(path, node, (), lines, words)
    except RecursionError as error:
        raise SettingError(
            f"recipe {path}: holds itself", remedy="An alias (*name) may not stand inside its anchor (&name)."
        ) from error
    return values, lines, words


def _lines(
    path: Path, node: yaml.Node, place: Place, lines: dict[Place, int], words: dict[Place, str]
) -> None:
    lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.ScalarNode) and node.tag != "tag:yaml.org,2002:str":
        words[place] = node.value
        if _OTHER_BASE.match(node.value):
            read = _in_yaml(yaml.safe_load(node.value))
            raise SettingError(
                f"recipe {path}, line {lines[place]}: YAML reads {node.value} as {read}",
                remedy=f'Write it without zeros in front and colons or, if it is a text, "{node.value}".',
            )
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*place, key.value)
            # PyYAML takes the last of two equal keys without a word.
            if inner in lines:
                raise SettingError(
                    f"recipe {path}, line {key.start_mark.line + 1}: {key.value!r} stands twice",
                    remedy=f"It also stands in line {lines[inner]}: drop one of them.",
                )
            lines[inner] = key.start_mark.line + 1
            _lines(path, value, inner, lines, words)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _lines(path, item, (*place, index), lines, words)


def _override(values: dict[str, Any], override: str) -> None:
    """Apply one ``a.b=value``. Items of a list are named by their stage or by their number."""
    key, equals, text = override.partition("=")
    if not equals:
        raise SettingError(f"--set {override!r}: has no '='", remedy="Write it as a.b=value.")
    try:
        value = yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError) as error:
        raise SettingError(f"--set {override!r}: the value is no YAML", remedy="Quote it.") from error
    words = key.split(".")
    here: Any = values
    for word in words[:-1]:
        here = _enter(here, word, override)
    if not isinstance(here, dict):
        what = "a list" if isinstance(here, list) else f"{here!r}, which has no settings,"
        raise SettingError(f"--set {override!r}: names {what}", remedy="Name a setting inside an item.")
    # A path typed at a prompt is meant from where one stands; one in the recipe from the recipe's folder.
    here[words[-1]] = _from_here(words, value) if _is_location(words, value) else value


def _is_location(words: Sequence[str], value: Any) -> bool:
    """Whether ``--set`` names a setting that says where an input lies, of whatever source or stage."""
    for kind in (TrainTokenizer, Removal, Dedup):
        if words[0] == kind.name:
            # Of a list under `remove` each item is a file.
            return words[-1] in kind.locations() or (words == [Removal.name] and not isinstance(value, dict))
    owner = words[-2] if len(words) > 1 else ""
    # What is unknown or cannot be imported is told when the recipe is read, with its line.
    return registry.fits(owner, (Settings,)) and words[-1] in registry.find(owner).locations()


def _from_here(words: Sequence[str], value: Any) -> Any:
    """The absolute path of a location, or of each one of several; what is no plain path stays."""
    if isinstance(value, list):
        return [_from_here(words, item) for item in value]
    if isinstance(value, dict):
        return {name: _from_here(words, item) for name, item in value.items()}
    given = isinstance(value, str) and value and not value.startswith(("${", "~")) and not is_uri(value)
    if not given:
        return value
    owner = words[-2] if len(words) > 1 else ""
    kind = registry.find(owner) if registry.is_registered(owner) else Settings
    found = kind.located(value, os.getcwd())
    return os.path.abspath(found) if os.path.isabs(found) else found


def _enter(here: Any, word: str, override: str) -> Any:
    if isinstance(here, dict):
        if here.get(word) is None:
            here[word] = {}
        return here[word]
    for index, item in enumerate(here if isinstance(here, list) else ()):
        if item == word:  # A stage that is named without settings.
            here[index] = {word: {}}
            return here[index][word]
        if isinstance(item, dict) and word in item:
            item[word] = {} if item[word] is None else item[word]
            return item[word]
        if word == str(index):
            return item
    names = [item if isinstance(item, str) else next(iter(item), "") for item in here] if here else []
    raise SettingError(
        f"--set {override!r}: there is no {word!r} here", remedy=nearest(word, map(str, names))
    )


@dataclass(frozen=True)
class Reader:
    """Turns plain values into a pipeline, with the line of what is wrong.

    Attributes:
        path: what messages call the file.
        lines, words: by place, as of `parse`.
        folder: that relative paths are taken from.
    """

    path: str
    lines: Mapping[Place, int]
    words: Mapping[Place, str]
    folder: Path

    def pipeline(self, values: Mapping[str, Any]) -> Pipeline:
        """The pipeline that the values describe; raises SettingError for what is wrong first."""
        for key in values:
            if key not in KEYS:
                raise self.error((key,), f"unknown key {key!r}", nearest(str(key), KEYS))
        steps: list[PipelineStep] = []
        for key in ("sources", "stages"):
            steps += [self._step((key, index), item) for index, item in enumerate(self._list(values, key))]
        for kind in (TrainTokenizer, WriteShards):
            if kind.name in values:
                steps.append(self._settings((kind.name,), kind, values[kind.name]))
        try:
            return Pipeline(
                tuple(steps),
                self._removal(values.get(Removal.name)),
                values.get("shared_ids", "keep"),
                canaries=self._section(Canaries, values),
                repeat=self._section(Repeat, values),
                mix=self._mix(values.get(Share.name)),
                dedup=self._section(Dedup, values),
                packing=self._packing(values.get(Packing.name)),
            )
        except SettingError as error:
            if error.message.startswith("recipe "):
                raise
            section = (re.split("[:.]", error.message)[0],)
            if section in self.lines:
                raise self.error(section, error.message, error.remedy) from error
            raise SettingError(f"recipe {self.path}: {error.message}", remedy=error.remedy) from error

    def _section(self, kind: type[Settings], values: Mapping[str, Any]) -> Any:
        """The settings of a section that a recipe may lack."""
        given = values.get(kind.name)
        return None if given is None else self._settings((kind.name,), kind, given)

    def _removal(self, value: Any) -> Removal:
        """A file, several files, or the settings of a `Removal`."""
        if isinstance(value, str | list):
            value = {"ids": value}
        return self._section(Removal, {Removal.name: value}) or Removal()

    def _packing(self, value: Any) -> Packing | None:
        """A way of packing, alone or with the contexts that it is told for."""
        if isinstance(value, str):
            value = {"method": value}
        found: Packing | None = self._section(Packing, {Packing.name: value})
        return found

    def _mix(self, value: Any) -> Mix | None:
        """Epochs by source, alone or with other settings of a `Share`."""
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.error(
                (Share.name,), f"mix: {value!r} is no mapping", "Write sources as name: {epochs: 2.5}."
            )
        shares = {}
        for name, given in value.items():
            numbers = given if isinstance(given, dict) else {"epochs": given}
            try:
                shares[str(name)] = Share.model_validate(numbers)
            except ValidationError as error:
                place = (Share.name, name)
                raise self._invalid(place, Share, error, owner=f"{Share.name}.{name}") from error
        return Mix(shares)

    def error(self, place: Place, message: str, remedy: str) -> SettingError:
        """An error with the line of ``place``, or of the nearest thing around it that has one."""
        while place and place not in self.lines:
            place = place[:-1]
        return SettingError(f"recipe {self.path}, line {self.lines.get(place, 1)}: {message}", remedy=remedy)

    def _list(self, values: Mapping[str, Any], key: str) -> list[Any]:
        value = values.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.error(
                (key,), f"{key}: is no list", "Write each item on a line of its own, after '- '."
            )
        return value

    def _step(self, place: Place, item: Any) -> Any:
        """A source or stage: its name, or its name with settings."""
        what, other = ("source", "stage") if place[0] == "sources" else ("stage", "source")
        if isinstance(item, str):
            item = {item: None}
        if not isinstance(item, dict) or len(item) != 1:
            raise self.error(place, f"{item!r} is no stage", "Write '- name' or '- name: {setting: value}'.")
        name, values = next(iter(item.items()))
        if not registry.is_registered(name):
            remedy = nearest(str(name), registry.known(_KINDS[what]))
            raise self.error((*place, name), f"unknown {what} {name!r}", remedy)
        try:
            found = registry.find(name)
        except SettingError as error:
            raise self.error((*place, name), error.message, error.remedy) from error
        if not registry.fits(name, _KINDS[what]):
            raise self.error((*place, name), f"{name!r} is a {other}", f"Move it to `{other}s:`.")
        return self._settings((*place, name), found, values)

    def _settings(self, place: Place, kind: type[Settings], values: Any) -> Any:
        values = {} if values is None else values
        if not isinstance(values, dict):
            raise self.error(
                place, f"{kind.name}: {values!r} is no mapping", "Write its settings as key: value."
            )
        located = {str(k): self._locate(kind, (*place, k), k, v) for k, v in values.items()}
        try:
            return kind.model_validate(located)
        except ValidationError as error:
            raise self._invalid(place, kind, error) from error

    def _invalid(
        self, place: Place, kind: type[Settings], error: ValidationError, *, owner: str = ""
    ) -> SettingError:
        """The first problem that pydantic found, in our words."""
        problem = first_problem(owner or kind.name, kind, error)
        where = (*place, *problem.place)
        remedy = self._as_read(where) if problem.wants_text else ""
        return self.error(where, problem.message, remedy or problem.remedy)

    def _as_read(self, place: Place) -> str:
        """What helps where YAML takes for something else what was meant as a text: ``no`` for false, say."""
        if (word := self.words.get(place)) is None:
            return ""
        read = _in_yaml(yaml.safe_load(word))
        quoted = f'YAML reads {word} as {read}: where a text is meant, write it in quotes: "{word}".'
        return quoted if word else "Give it a value, or leave the line out."

    def _locate(self, kind: type[Settings], place: Place, key: str, value: Any) -> Any:
        """Resolve ``${NAME}`` everywhere, and the relative paths of settings that are locations."""
        if isinstance(value, list):
            return [self._locate(kind, place, key, item) for item in value]
        if isinstance(value, dict) and key in kind.locations():
            return {name: self._locate(kind, (*place, name), key, item) for name, item in value.items()}
        if not isinstance(value, str):
            return value
        text = _VARIABLE.sub(lambda match: self._variable(place, match.group(1)), value)
        if not text or key not in kind.locations() or text.startswith("~"):
            return text
        if not os.path.isabs(text) and not is_uri(text):
            return kind.located(text, str(self.folder))
        return text

    def _variable(self, place: Place, name: str) -> str:
        value = os.environ.get(name)
        if not value:
            raise self.error(
                place, f"the environment variable {name} is not set", f"Set it: export {name}=/path/to/them"
            )
        return value


def _in_yaml(value: Any) -> str:
    """A value in the words of YAML.

    >>> _in_yaml(False), _in_yaml(8)
    ('false', 'the number 8')
    """
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return f"the {'number' if isinstance(value, int | float) else type(value).__name__} {value}"
