"""The section `embed`: vectors of a corpus, and what is nearest to some texts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from corpuskit.errors import SettingError
from corpuskit.storage.files import UNFINISHED, json_bytes, remove_files, seal, write_file, writing
from corpuskit.workflow.digest import files_digest, plain
from corpuskit.workflow.questions import refuse_others
from corpuskit.workflow.step import Call, Makes, Section, Step

VECTORS, FOUND = "vectors.parquet", "found.json"
"""Files of a step: the vectors, and what is nearest to each text of `like:`."""

_FILES = re.compile(rf"(?:{UNFINISHED})?(?:{re.escape(VECTORS)}|{re.escape(FOUND)})")
_TOP = 10

_SWITCH = ((bool,), "neither true nor false", "Write true or false, without quotes.")
_COLUMN = ((str, int), "no column", "Give its name, or its number.")
_KINDS: Mapping[str, tuple[tuple[type, ...], str, str]] = {
    "half": _SWITCH,
    "whole": _SWITCH,
    "text": _COLUMN,
    "id": _COLUMN,
    "device": ((str,), "no device", "Write auto, cpu or cuda."),
}
"""Settings whose values are of some types alone: what another one is, and the remedy."""


class Embed(Section):
    """`corpuskit embed`: `model: STEP` reads `data: [STEP or FILE, ...]`; `like:` names texts to look for."""

    name = "embed"
    accepts: ClassVar[Mapping[str, tuple[Makes, ...]]] = {"model": ("model",), "data": ("run",)}
    data_sets = ("data",)
    needed = ("model", "data")
    _how: ClassVar[tuple[str, ...]] = ("pooling", "normalize", "long_texts", "overlap")
    own = (*_how, "half", "text", "id", "whole", "like", "top", "batch", "device")

    def makes(self, step: Step) -> Makes:
        """A folder with vectors."""
        return "vectors"

    def check(self, step: Step) -> None:
        """Raises SettingError for settings that are wrong."""
        self.refuse_unknown(step)
        try:
            self._settings(step)
        except SettingError as error:
            raise step.error(error.message, error.remedy) from error
        for key in ("top", "batch"):
            value = step.values.get(key, 1)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise step.error(f"{key}: {value!r} is no whole number", "Give 1 or more.")
        for key, (kinds, what, remedy) in _KINDS.items():
            value = step.values.get(key)
            if value is not None and type(value) not in kinds:
                raise step.error(f"{key}: {value!r} is {what}", remedy)
        if not all(isinstance(each, str) and each for each in self._like(step)):
            raise step.error(f"like: {step.values['like']!r} holds what is no text", "Give words.")

    def made_from(self, step: Step) -> Any:
        """The settings."""
        return plain({key: value for key, value in step.values.items() if key not in self.accepts})

    def identity(self, step: Step) -> str | None:
        """Of the files."""
        return files_digest(step.folder, [VECTORS, FOUND])

    def do(self, step: Step, call: Call) -> dict[str, Any]:
        """Write vectors, and look in them; what an earlier call wrote there goes first."""
        from corpuskit.train.data.named_texts import named_texts
        from corpuskit.train.generate.embed import Embedder
        from corpuskit.train.generate.generate import LanguageModel
        from corpuskit.train.generate.vectors import how_made, nearest_to, read_vectors, write_vectors

        refuse_others(step.folder, (VECTORS, FOUND))
        remove_files(step.folder, _FILES)
        with writing(step.folder, "Call the same command again."):
            step.folder.mkdir(parents=True, exist_ok=True)
        values, settings = step.values, self._settings(step)
        columns = {"text": values.get("text"), "identity": values.get("id")}
        texts = named_texts(step.given("data"), **columns, whole=values.get("whole", False))
        model = LanguageModel.load(step.one("model"), values.get("device", "auto"))
        embedder = Embedder(model.model, model.tokenizer, settings, values.get("batch", 32))
        made = how_made(model, settings, values.get("half", False))
        out = step.folder / VECTORS
        census = write_vectors(out, texts, embedder, made)
        like = self._like(step)
        near = nearest_to(model, settings, read_vectors(out), like, values.get("top", _TOP)) if like else []
        found = [
            {"like": text, "nearest": [each._asdict() for each in row]}
            for text, row in zip(like, near, strict=True)
        ]
        write_file(step.folder / FOUND, json_bytes(seal({"found": found})))
        return {"rows": census.rows, "tokens": census.tokens, "width": made["width"], "found": found}

    def _settings(self, step: Step) -> Any:
        from corpuskit.train.generate.embed import VectorSettings

        return VectorSettings(**{name: step.values[name] for name in self._how if name in step.values})

    @staticmethod
    def _like(step: Step) -> list[str]:
        value = step.values.get("like", [])
        return list(value) if isinstance(value, list) else [value]
