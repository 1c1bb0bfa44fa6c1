"""Sections before any training: what is fetched, what is built, and questions made of a corpus."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any, ClassVar

import yaml

from corpuskit.build.build import build_corpus
from corpuskit.build.forecast.dry_run import dry_run, size
from corpuskit.build.parts import list_parts
from corpuskit.build.pipeline import Pipeline
from corpuskit.build.recipe.recipe import KEYS, Reader, load
from corpuskit.build.source_code import fingerprint
from corpuskit.build.steps import RUNNER
from corpuskit.errors import CorpuskitError, SettingError, counted, nearest
from corpuskit.fetch import gutenberg, manifest, wikipedia
from corpuskit.fetch.http import Web
from corpuskit.fetch.shelf import Library
from corpuskit.storage.datasets.words import HUB
from corpuskit.storage.digests import Digests
from corpuskit.storage.files import sha256_file
from corpuskit.storage.places import is_uri
from corpuskit.workflow import questions
from corpuskit.workflow.digest import files_digest, plain, run_digest
from corpuskit.workflow.step import Call, Makes, Section, Step

_LOCATIONS = ("path", "catalog", "file")
"""Settings of sources and tokenizers that may name a step."""


class Fetch(Section):
    """`corpuskit fetch`: a dump of a wiki, or books, from mirrors.

    `wikipedia: {wiki, date, kind, mirrors, connections, contact, redirects_to}`, or
    `gutenberg: {mirrors, languages, ids, limit, pause, copyrighted, contact, redirects_to}`.
    """

    name = "fetch"
    own: ClassVar[tuple[str, ...]] = ("wikipedia", "gutenberg")
    _known: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "wikipedia": ("wiki", "date", "kind", "mirrors", "connections", "contact", "redirects_to"),
        "gutenberg": (
            *("mirrors", "languages", "ids", "limit", "pause", "copyrighted"),
            *("contact", "redirects_to"),
        ),
    }

    def makes(self, step: Step) -> Makes:
        """A folder of fetched files."""
        return "fetched files"

    def check(self, step: Step) -> None:
        """Raises SettingError for unknown settings, and unless one of the two is fetched."""
        self.refuse_unknown(step)
        if len(step.values) != 1:
            raise step.error("fetches nothing, or two things", "Write `wikipedia:` or `gutenberg:` below it.")
        what, values = self._asked(step)
        if not isinstance(values, dict):
            raise step.error(f"{what}: {values!r} is no mapping", "Write its settings as key: value.")
        for key in values:
            if key not in self._known[what]:
                raise step.error(f"{what}: unknown setting {key!r}", nearest(str(key), self._known[what]))
        if what == "wikipedia":
            if not values.get("wiki"):
                raise step.error("wikipedia: there is no `wiki:`", "Name one: wiki: simplewiki.")
            kind = values.get("kind", "articles-multistream")
            if kind not in wikipedia.KINDS:
                raise step.error(f"wikipedia: unknown kind {kind!r}", nearest(str(kind), wikipedia.KINDS))
        else:
            self._wanted(values)
            if not self._mirrors(values):
                raise step.error(
                    "gutenberg: there are no `mirrors:`",
                    "Name one near you, or set the environment variable CORPUSKIT_GUTENBERG_MIRROR.",
                )

    def made_from(self, step: Step) -> Any:
        """The settings; where a mirror lies does not count."""
        what, values = self._asked(step)
        elsewhere = ("mirrors", "pause", "connections", "contact", "redirects_to")
        return {what: plain({k: v for k, v in values.items() if k not in elsewhere})}

    def identity(self, step: Step) -> str | None:
        """Of the manifest, where all files of it are there with their sizes."""
        with suppress(CorpuskitError, OSError, KeyError, TypeError):
            _, problems = manifest.check(step.folder)
            return None if problems else sha256_file(step.folder / manifest.NAME)
        return None

    def do(self, step: Step, call: Call) -> dict[str, Any]:
        """Fetch what is not there."""
        what, values = self._asked(step)
        listen: dict[str, Any] = {} if call.listen is None else {"listen": call.listen}
        common: dict[str, Any] = {
            "contact": values.get("contact", "") or os.environ.get("CORPUSKIT_CONTACT", "")
        }
        common |= {"redirects_to": tuple(values.get("redirects_to", ())), **listen}
        if what == "wikipedia":
            with Web(**common) as web:
                dump = wikipedia.choose(
                    web,
                    values["wiki"],
                    date=str(values.get("date", "latest")),
                    kind=values.get("kind", "articles-multistream"),
                    mirrors=tuple(values.get("mirrors", (wikipedia.MIRROR,))),
                )
                connections = values.get("connections", wikipedia.CONNECTIONS)
                fetched, there = wikipedia.fetch(web, dump, step.folder, connections=connections)
            return {"date": dump.date, "bytes": dump.size, "fetched": len(fetched), "there": len(there)}
        pause = float(values.get("pause", gutenberg.PAUSE))
        with Web(pause=pause, refused=gutenberg.refused_hosts(False), **common) as web:
            library = Library(web, self._mirrors(values), step.folder)
            status = gutenberg.fetch(
                library, self._wanted(values), copyrighted=bool(values.get("copyrighted", False))
            )
        return {"fetched": len(status.fetched), "there": len(status.there)}

    def outlook(self, step: Step) -> dict[str, Any]:
        """What the settings alone say: nothing is asked of a mirror."""
        what, values = self._asked(step)
        if what == "wikipedia":
            return {
                "text": f"{values['wiki']} of {values.get('date', 'latest')}; its size is the mirror's to say"
            }
        limit = values.get("limit") or len(gutenberg.parse_ids(str(values.get("ids", "")))) or None
        if limit is None:
            return {"text": "books; how many the mirror's catalogue says"}
        pause = float(values.get("pause", gutenberg.PAUSE))
        return {
            "seconds": limit * pause,
            "text": f"{counted(limit, 'book')} at most, one request every {pause:g} s",
        }

    def _asked(self, step: Step) -> tuple[str, dict[str, Any]]:
        return next(iter(step.values.items()))

    def _mirrors(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        given = tuple(values.get("mirrors") or ())
        own = os.environ.get("CORPUSKIT_GUTENBERG_MIRROR", "")
        return given or tuple(own.split())

    def _wanted(self, values: Mapping[str, Any]) -> gutenberg.Wanted:
        languages = values.get("languages") or ()
        codes = languages.split(",") if isinstance(languages, str) else languages
        ids = values.get("ids") or ""
        numbers = ",".join(map(str, ids)) if isinstance(ids, list) else str(ids)
        return gutenberg.Wanted(
            tuple(str(code).strip().lower() for code in codes),
            gutenberg.parse_ids(numbers),
            values.get("limit"),
        )


class Build(Section):
    """`corpuskit build`: `recipe: FILE` and `set: {a.b: value}`, or the recipe's own keys."""

    name = "build"
    own: ClassVar[tuple[str, ...]] = ("recipe", "set", *KEYS)

    def makes(self, step: Step) -> Makes:
        """A run."""
        return "run"

    def places(self, values: Mapping[str, Any]) -> Iterator[tuple[str, str | dict[str, Any]]]:
        """The recipe, and what locations in it name."""
        if isinstance(values.get("recipe"), str):
            yield "recipe", values["recipe"]
        changes = values.get("set")
        if isinstance(changes, dict):
            for key, value in changes.items():
                if str(key).rpartition(".")[2] in _LOCATIONS and isinstance(value, str):
                    yield "set", value
        yield from (("sources", text) for text in _located(values.get("sources")))
        yield from (("tokenizer", text) for text in _located([values.get("tokenizer")]))

    def is_no_place(self, key: str, written: str) -> bool:
        """What is no step's is the recipe's own to find: patterns, addresses, variables."""
        return key != "recipe"

    def check(self, step: Step) -> None:
        """Raises SettingError for what is wrong in the recipe."""
        self.refuse_unknown(step)
        inline = [key for key in KEYS if key in step.values]
        if ("recipe" in step.values) == bool(inline):
            raise step.error(
                "it needs a recipe, and no more than one", "Write `recipe: FILE`, or `sources:` and so on."
            )
        if not isinstance(step.values.get("set", {}), dict) or (inline and "set" in step.values):
            raise step.error("set: is of a recipe in a file", "Write `set: {tokenizer.vocab_size: 512}`.")
        self.pipeline(step)

    def pipeline(self, step: Step) -> Pipeline:
        """The pipeline of a step, with the folders of the steps that it reads."""
        places = {each.written: str(each.path.absolute()) for each in step.reads if each.step and each.path}
        if "recipe" in step.values:
            changes = [
                f"{key}={yaml.safe_dump(self._place(step, key, value, places), default_flow_style=True)}"
                for key, value in (step.values.get("set") or {}).items()
            ]
            return load(step.one("recipe"), changes).pipeline
        where = step.where.removeprefix("workflow ").rpartition(", line ")[0]
        reader = Reader(where, step.lines, step.words, step.base)
        return reader.pipeline(_placed(dict(step.values), places))

    def _place(self, step: Step, key: str, value: Any, places: Mapping[str, str]) -> Any:
        """A value of `set`: a step's folder, or a path from the folder of the workflow file."""
        if not isinstance(value, str) or str(key).rpartition(".")[2] not in _LOCATIONS:
            return value
        if value in places:
            return places[value]
        return value if is_uri(value) or value.startswith(("~", "$", "/", HUB)) else str(step.base / value)

    def made_from(self, step: Step) -> Any:
        """The resolved recipe, the versions of its stages, and the digests of the files that it reads."""
        pipeline = self.pipeline(step)
        digests = Digests(step.folder / "logs" / "digests.json")  # As the build keeps it.
        steps = [fingerprint(each, deciding=d) for each in pipeline.steps for d in (False, True)]
        parts = [dict(part.made_from) for part in list_parts(pipeline.sources, digests)]
        return {**RUNNER, "recipe": pipeline.resolved(public=True), "steps": steps, "parts": parts}

    def identity(self, step: Step) -> str | None:
        """Of the finished run."""
        return run_digest(step.folder)

    def do(self, step: Step, call: Call) -> dict[str, Any]:
        """Build, or go on: what is done there and still fits is not done again."""
        result = build_corpus(self.pipeline(step), step.folder, workers=call.workers, listen=call.listen)
        return {
            "documents": result.documents,
            "text_bytes": result.bytes,
            "tokens": dict(result.tokens),
            "warnings": list(result.warnings),
        }

    def outlook(self, step: Step) -> dict[str, Any]:
        """The parts and bytes that it would read."""
        planned = dry_run(self.pipeline(step), step.folder)
        raw = sum(part["bytes"] for part in planned["parts"])
        return {
            "bytes": raw,
            "parts": len(planned["parts"]),
            "text": f"{counted(len(planned['parts']), 'part')}, {size(raw)} to read",
            "warnings": planned["warnings"],
        }


def _located(items: Any) -> Iterator[str]:
    """The texts of locations in a list of sources, or of one tokenizer."""
    for item in items if isinstance(items, list) else []:
        for key, value in item.items() if isinstance(item, dict) else []:
            if isinstance(value, dict):
                yield from _located([value])
            elif key in _LOCATIONS and isinstance(value, str):
                yield value


def _placed(value: Any, places: Mapping[str, str], key: str = "") -> Any:
    """A recipe's values with folders of steps in place of their names."""
    if isinstance(value, dict):
        return {name: _placed(each, places, str(name)) for name, each in value.items()}
    if isinstance(value, list):
        return [_placed(each, places, key) for each in value]
    return places.get(value, value) if key in _LOCATIONS and isinstance(value, str) else value


class Questions(Section):
    """Questions that the corpus of a build answers, see `corpuskit.workflow.questions`."""

    name = "questions"
    accepts: ClassVar[Mapping[str, tuple[Makes, ...]]] = {"run": ("run",)}
    needed = ("run",)
    own: ClassVar[tuple[str, ...]] = ("count", "held_out", "choices", "characters", "each", "seed")

    def makes(self, step: Step) -> Makes:
        """A folder of questions."""
        return "questions"

    def check(self, step: Step) -> None:
        """Raises SettingError for numbers that are none."""
        self.refuse_unknown(step)
        self._settings(step)

    def _settings(self, step: Step) -> questions.Asking:
        given = {key: step.values[key] for key in self.own if key in step.values}
        try:
            return questions.Asking(**given)
        except SettingError as error:
            raise step.error(error.message, error.remedy) from error

    def made_from(self, step: Step) -> Any:
        """The settings."""
        return asdict(self._settings(step))

    def identity(self, step: Step) -> str | None:
        """Of its files."""
        return files_digest(step.folder, list(questions.FILES))

    def do(self, step: Step, call: Call) -> dict[str, Any]:
        """Write them."""
        return questions.make_questions(step.one("run"), step.folder, self._settings(step))
