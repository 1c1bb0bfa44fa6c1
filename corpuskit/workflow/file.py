"""A workflow file: the steps in their order, each with what it reads, checked before any work.

    steps:
      - build: corpus              the section, which is a command, and the name of the step and its folder
        recipe: ../sample.yaml     the settings of the command
      - train: base
        run: corpus                an earlier step, by its name
        recipe: tiny
      - eval: figures
        models: [base]
        data: [corpus]
    short:                         what --short sets in place of it: null takes a setting away
      base: {steps: 20}

A relative path is taken from the file's folder; a name of a step goes before a file of that name, and
NAME/FILE is a file that the step has made.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from corpuskit.build.recipe.recipe import Place, parse
from corpuskit.errors import SettingError, nearest
from corpuskit.storage.datasets.find import HUB_NAME
from corpuskit.storage.datasets.words import HUB, Words, are_words, words_in, words_of
from corpuskit.storage.places import local_path
from corpuskit.workflow.sections import SECTIONS
from corpuskit.workflow.step import Makes, Read, Step

KEYS = ("steps", "short")

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_TAKEN = ("logs", "checkpoints")


@dataclass(frozen=True)
class Workflow:
    """A checked workflow.

    Attributes:
        path: of the file.
        out: the folder that it is done in.
        steps: in order.
        short: whether it is the short form.
    """

    path: Path
    out: Path
    steps: tuple[Step, ...]
    short: bool

    def step(self, name: str) -> Step:
        """A step by its name."""
        return next(each for each in self.steps if each.name == name)


def load_workflow(
    path: Path | str, out: Path | str, overrides: Sequence[str] = (), *, short: bool = False
) -> Workflow:
    """Read and check a workflow file.

    Args:
        out: the folder that it is to be done in.
        overrides: STEP.SETTING=VALUE each; values are YAML. Of a build with a recipe the setting is one of
            the recipe: corpus.tokenizer.vocab_size=512.
        short: take what the file says under `short:` in place of what its steps say.

    Raises:
        SettingError: the file is missing or no YAML; a section, setting or step is unknown; two steps have
            one name; a step refers to itself, to a later one, or to one that makes something else; a file is
            not there.
    """
    path, out = Path(path), local_path(out)
    if not path.is_file():
        raise SettingError(f"workflow {path}: is not there", remedy="Give the path of a workflow file.")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(
            f"workflow {path}: cannot be read: {error}", remedy="Give a text file in UTF-8."
        ) from error
    values, lines, words = parse(path, text)
    reader = _Reader(path, out, lines, words)
    items = reader.items(values)
    reader.shorten(items, values.get("short"), short)
    for override in overrides:
        reader.override(items, override)
    return Workflow(path, out, tuple(reader.steps(items)), short)


@dataclass
class _Item:
    """A step as it stands in the file: its section, its name, its settings, and its number there."""

    section: str
    name: str
    values: dict[str, Any]
    number: int


@dataclass(frozen=True)
class _Reader:
    path: Path
    out: Path
    lines: Mapping[Place, int]
    words: Mapping[Place, str]

    def error(self, place: Place, message: str, remedy: str) -> SettingError:
        return SettingError(f"{self.where(place)}: {message}", remedy=remedy)

    def where(self, place: Place) -> str:
        while place and place not in self.lines:
            place = place[:-1]
        return f"workflow {self.path}, line {self.lines.get(place, 1)}"

    # ------------------------------------------------------------------------------------- as it is written
    def items(self, values: Mapping[str, Any]) -> list[_Item]:
        """The steps as they are written: each of a known section, and of a name of its own."""
        for key in values:
            if key not in KEYS:
                raise self.error((key,), f"unknown key {key!r}", nearest(str(key), KEYS))
        listed = values.get("steps")
        if not isinstance(listed, list) or not listed:
            raise self.error(
                ("steps",), "there is no list of steps", "Write `steps:`, and below it `- build: corpus`."
            )
        items: list[_Item] = []
        for number, entry in enumerate(listed):
            item = self._item(number, entry)
            if earlier := next((each for each in items if each.name == item.name), None):
                raise self.error(
                    ("steps", number),
                    f"two steps are called {item.name!r}",
                    f"The other one is the {earlier.section} in line "
                    f"{self.lines.get(('steps', earlier.number), 1)}: rename one of them.",
                )
            items.append(item)
        return items

    def _item(self, number: int, entry: Any) -> _Item:
        place: Place = ("steps", number)
        if not isinstance(entry, dict) or not entry:
            raise self.error(
                place, f"{entry!r} is no step", "Write `- SECTION: NAME`, and its settings below."
            )
        section, name = next(iter(entry.items()))
        if section not in SECTIONS:
            raise self.error(
                (*place, section), f"unknown section {section!r}", nearest(str(section), SECTIONS)
            )
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name in _TAKEN:
            raise self.error(
                (*place, section),
                f"{section}: {name!r} is no name of a step",
                "It is the name of a folder: small letters, digits, - and _, and not logs or checkpoints.",
            )
        settings = {key: value for key, value in entry.items() if key != section}
        return _Item(section, name, settings, number)

    # ------------------------------------------------------------------------------------------ what changes
    def shorten(self, items: list[_Item], said: Any, wanted: bool) -> None:
        """Take what `short:` says, or only look whether it could be taken."""
        if said is None:
            if wanted:
                raise SettingError(
                    f"workflow {self.path}: has no `short:`",
                    remedy="Leave --short out, or write what it sets.",
                )
            return
        if not isinstance(said, dict):
            raise self.error(("short",), "short: is no mapping", "Write `NAME: {setting: value}` in it.")
        for name, values in said.items():
            item = self._named(items, str(name), ("short", name))
            if values is not None and not isinstance(values, dict):
                raise self.error(
                    ("short", name), f"short: {name}: {values!r} is no mapping", "Write {setting: value}."
                )
            if not wanted:
                continue
            if values is None:
                items.remove(item)
                continue
            merged = {**item.values, **values}
            item.values = {key: value for key, value in merged.items() if value is not None}

    def override(self, items: list[_Item], override: str) -> None:
        """Apply one STEP.SETTING=VALUE."""
        key, equals, text = override.partition("=")
        name, dot, setting = key.partition(".")
        if not (equals and dot and setting):
            raise SettingError(
                f"--set {override!r}: is not STEP.SETTING=VALUE", remedy="Write it as --set base.steps=100."
            )
        try:
            value = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError) as error:
            raise SettingError(f"--set {override!r}: the value is no YAML", remedy="Quote it.") from error
        known = [item.name for item in items]
        if name not in known:
            raise SettingError(f"--set {override!r}: no step {name!r}", remedy=nearest(name, known))
        item = next(each for each in items if each.name == name)
        if item.section == "build" and "." in setting:
            # A setting of the recipe, whose own --set it is.
            item.values = {**item.values, "set": {**(item.values.get("set") or {}), setting: value}}
        else:
            item.values = {**item.values, setting: value}

    def _named(self, items: Sequence[_Item], name: str, place: Place) -> _Item:
        for item in items:
            if item.name == name:
                return item
        raise self.error(place, f"no step {name!r}", nearest(name, [item.name for item in items]))

    # ----------------------------------------------------------------------------------------- as it is meant
    def steps(self, items: Sequence[_Item]) -> list[Step]:
        """The steps with what they read, all settings checked."""
        made: dict[str, Makes] = {}
        later = [item.name for item in items]
        found = []
        for item in items:
            step = self._bound(item, made, later)
            SECTIONS[item.section].check(step)
            made[item.name] = SECTIONS[item.section].makes(step)
            found.append(step)
        return found

    def _bound(self, item: _Item, made: Mapping[str, Makes], names: Sequence[str]) -> Step:
        place: Place = ("steps", item.number)
        depth = len(place)
        step = Step(
            item.name,
            item.section,
            item.values,
            self.out / item.name,
            self.where(place),
            self.path.resolve().parent,
            lines={k[depth:]: v for k, v in self.lines.items() if k[:depth] == place},
            words={k[depth:]: v for k, v in self.words.items() if k[:depth] == place},
        )
        reads: list[Read] = []
        for key, written in SECTIONS[item.section].places(item.values):
            read = self._read(step, key, written, made, names)
            reads += [] if read is None else [read]
        return replace(step, reads=tuple(reads))

    def _words(self, step: Step, key: str, written: str | dict[str, Any]) -> Words | None:
        """The words of a data set; None where a place is named. Raises SettingError where none is read."""
        section = SECTIONS[step.section]
        if key not in section.accepts or not (isinstance(written, dict) or are_words(written)):
            return None
        shown = str(written)
        if key not in section.data_sets:
            raise step.error(
                f"{key}: {shown} is a data set by its words, and {key} names no such thing",
                f"Name {_a_list(section.accepts[key])}, by its step or its place.",
            )
        try:
            return words_in(written, shown) if isinstance(written, dict) else words_of(written)
        except SettingError as error:
            raise step.error(f"{key}: {error.message}", error.remedy) from error

    def _read(
        self,
        step: Step,
        key: str,
        given: str | dict[str, Any],
        made: Mapping[str, Makes],
        names: Sequence[str],
    ) -> Read | None:
        """What a setting names: an earlier step, a file of one, something outside; None for no place."""
        section = SECTIONS[step.section]
        words = self._words(step, key, given)
        written = str(given) if words is None else words.path
        if words is not None and written.startswith(HUB):
            written = written.removeprefix(HUB)
            if HUB_NAME.fullmatch(written):
                return Read(key, f"{HUB}{written}", None, None, words)
        head, _, rest = written.partition("/")
        if head in made:
            if words is not None and not rest:
                raise step.error(
                    f"{key}: {head!r} is a step, and no data set by its words",
                    f"Write {key}: {head}, or name a file in it: {head}/FILE.",
                )
            wanted = section.accepts.get(key)
            if wanted is not None and not rest and made[head] not in wanted:
                raise step.error(
                    f"{key}: {head} makes {_a(made[head])}, and here {_a_list(wanted)} is read",
                    f"Name a step that makes one{_which(made, wanted)}.",
                )
            return Read(key, written, head, self.out / written, words)
        path = Path(written).expanduser()
        path = path if path.is_absolute() else step.base / path
        if head in names and not (rest and path.exists()):
            what = "is this step itself" if head == step.name else "comes later"
            raise step.error(
                f"{key}: {head!r} {what}", "A step reads what stands above it: move one of them."
            )
        if words is None and section.is_no_place(key, written):
            return None
        if not path.exists() and words is not None and HUB_NAME.fullmatch(written):
            return Read(key, written, None, None, replace(words, path=HUB + written))
        if not path.exists():
            raise step.error(
                f"{key}: {written!r} is neither an earlier step nor a file in {step.base}",
                nearest(head, made) if made else "Name a file that is there.",
            )
        return Read(key, written, None, path, words)


def _a(what: str) -> str:
    return what if what.endswith("s") else f"an {what}" if what[0] in "aeiou" else f"a {what}"


def _a_list(wanted: Sequence[Makes]) -> str:
    return " or ".join(map(_a, wanted)) or "a file"


def _which(made: Mapping[str, Makes], wanted: Sequence[Makes]) -> str:
    names = [name for name, makes in made.items() if makes in wanted]
    return f": {', '.join(names)}" if names else ""
