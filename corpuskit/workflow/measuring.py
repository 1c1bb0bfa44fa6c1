"""Sections that measure models: `eval` and `memorize`; what they find is kept with the models, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from corpuskit.errors import SettingError
from corpuskit.storage.files import json_bytes, read_sealed, seal, sha256_json, write_file, writing
from corpuskit.workflow.digest import plain
from corpuskit.workflow.questions import TASK, refuse_others
from corpuskit.workflow.step import MEASURED, Call, Makes, Section, Step

RESULTS = "results.json"
"""What a step of measuring has found, in its folder."""


class Measuring(Section):
    """What writes results."""

    def makes(self, step: Step) -> Makes:
        """A folder of results."""
        return "results"

    def identity(self, step: Step) -> str | None:
        """Of the results, as they are."""
        found = results_of(step)
        return None if found is None else sha256_json(found)

    def made_from(self, step: Step) -> Any:
        """The settings."""
        return plain({key: value for key, value in step.values.items() if key not in self.accepts})


def results_of(step: Step) -> dict[str, Any] | None:
    """What a step of measuring has found; None where that is not there, or damaged."""
    try:
        return read_sealed(step.folder / RESULTS)
    except (OSError, ValueError):
        return None


def _keep(step: Step, found: dict[str, Any]) -> None:
    refuse_others(step.folder, (RESULTS,))
    with writing(step.folder, "Call the same command again."):
        step.folder.mkdir(parents=True, exist_ok=True)
    write_file(step.folder / RESULTS, json_bytes(seal(found)))


class Eval(Measuring):
    """`corpuskit eval`: `models: [STEP, ...]` on `data: [STEP or FILE, ...]`."""

    name = "eval"
    accepts: ClassVar[Mapping[str, tuple[Makes, ...]]] = {
        "models": ("model",),
        "data": ("run", "questions"),
        "trained_on": ("run",),
    }
    needed = ("models", "data")
    own = ("split", "stride", "field", "limit", "device")

    def check(self, step: Step) -> None:
        """Raises SettingError for settings that are wrong."""
        self.refuse_unknown(step)
        for key in ("stride", "limit"):
            value = step.values.get(key, 1)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise step.error(f"{key}: {value!r} is no whole number", "Give 1 or more.")

    def do(self, step: Step, call: Call) -> dict[str, Any]:
        """Measure all models on all sets, and keep the figures of each with the model."""
        from corpuskit.train.evaluate.evaluate import (
            Contender,
            check_models,
            evaluate,
            save,
            sets_of,
        )

        names = [each.written for each in step.reads if each.key == "models"]
        contenders = [Contender(name, (path,)) for name, path in zip(names, step.all("models"), strict=True)]
        values = step.values
        check_models(contenders, [])
        paths = [path / TASK if (path / TASK).is_file() else path for path in step.all("data")]
        how = {key: values.get(key) for key in ("stride", "split", "field", "limit")}
        sets = sets_of(paths, contenders, **how)
        check_models(contenders, sets, values.get("stride"))
        trained_on = step.all("trained_on")
        found = evaluate(
            contenders,
            sets,
            stride=values.get("stride"),
            device=values.get("device", "auto"),
            run=trained_on[0] if trained_on else None,
            begins=call.listen,
        )
        save(found, contenders, step.name, f"{MEASURED} eval {step.name}")
        facts = {"sets": [_named(each) for each in found.sets], "contamination": found.contamination}
        _keep(step, facts)
        return {"right": right_answers(facts), **facts}


def _named(each: dict[str, Any]) -> dict[str, Any]:
    """A set's figures by the names of steps: the places of their folders are nobody's business."""
    models = {
        name: {**model, "members": dict.fromkeys([name], next(iter(model["members"].values())))}
        for name, model in each["models"].items()
    }
    return {**each, "models": models}


def right_answers(facts: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Of each set of multiple choice, how many questions each model answers right, and how many there are."""
    found: dict[str, dict[str, Any]] = {}
    for each in facts["sets"]:
        if each["kind"] != "choice":
            continue
        rows = {name: model["members"][name] for name, model in each["models"].items()}
        found[each["set"]] = {
            name: {"right": round(row["acc"]["value"] * row["items"]), "of": row["items"]}
            for name, row in rows.items()
        }
    return found


class Memorize(Measuring):
    """`corpuskit memorize`: `model: STEP` on `run: STEP`."""

    name = "memorize"
    accepts: ClassVar[Mapping[str, tuple[Makes, ...]]] = {"model": ("model",), "run": ("run",)}
    needed = ("model", "run")
    _counts: ClassVar[tuple[str, ...]] = (
        *("prefix", "next", "windows", "samples", "tokens"),
        *("candidates", "seed", "batch"),
    )
    own = (*_counts, "weights", "device")

    def check(self, step: Step) -> None:
        """Raises SettingError for settings that are wrong."""
        self.refuse_unknown(step)
        try:
            self._asked(step)
        except SettingError as error:
            raise step.error(error.message, error.remedy) from error

    def _asked(self, step: Step) -> Any:
        from corpuskit.train.memorize.memorize import Asked

        renamed = {"next": "following", "batch": "batch_rows"}
        return Asked(**{renamed.get(k, k): v for k, v in step.values.items() if k in self._counts})

    def do(self, step: Step, call: Call) -> dict[str, Any]:
        """Measure, and keep the report with the model."""
        from corpuskit.train.memorize.memorize import load_weights, memorize, save_report

        model, run = step.one("model"), step.one("run")
        loaded = load_weights(
            model, str(step.values.get("weights", "best")), step.values.get("device", "auto")
        )
        report = memorize(loaded, run, self._asked(step))
        save_report(model, report, f"{MEASURED} memorize {step.name}")
        _keep(step, report)
        return report
