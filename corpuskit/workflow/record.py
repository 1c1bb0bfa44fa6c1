"""What of a workflow is done: OUT/workflow.json, and OUT/logs/workflow.jsonl with times and sizes.

    {"format": 1, "steps": {NAME: {section, fingerprint, made_from, identity}},
     "begun": {NAME: {fingerprint, holds}}}

A step is done when its record holds the fingerprint of its settings, of its section's version and of what it
reads, and what it has made is there as it was. What it reads counts by the fingerprint and the digest of the
step that made it, and from outside by the digest of the file. What was begun `holds` work of its fingerprint
once the step has said so: until then its folder may hold what another one left.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from corpuskit import __version__
from corpuskit.errors import RunError
from corpuskit.storage.digests import Digests
from corpuskit.storage.files import json_bytes, read_sealed, seal, sha256_json, write_file, writing
from corpuskit.storage.ownership import WORKFLOW
from corpuskit.workflow.digest import digest_of
from corpuskit.workflow.sections import SECTIONS
from corpuskit.workflow.step import Step

FORMAT = 1
LOG = "workflow.jsonl"


class Records:
    """The records of a workflow's folder."""

    def __init__(self, out: Path) -> None:
        """Those that are there; raises RunError for a damaged file and one of another format."""
        self._out = out
        self.steps: dict[str, dict[str, Any]] = {}
        self.begun: dict[str, dict[str, Any]] = {}
        path = out / WORKFLOW.mark
        if not path.exists():
            return
        try:
            document = read_sealed(path)
        except (OSError, ValueError) as error:
            raise RunError(
                f"{path}: is damaged: {error}",
                remedy="Bring it back from a copy, or choose another --out: runs and models here stay whole.",
            ) from error
        if document.get("format") != FORMAT:
            raise RunError(
                f"{path}: format {document.get('format')!r}, this version knows {FORMAT}",
                remedy="Choose another --out, or the version that has written it.",
            )
        self.steps, self.begun = document["steps"], document["begun"]

    def save(self) -> None:
        """Write the file."""
        with writing(self._out, "Call the same command again."):
            self._out.mkdir(parents=True, exist_ok=True)
        document = {"format": FORMAT, "steps": self.steps, "begun": self.begun}
        write_file(self._out / WORKFLOW.mark, json_bytes(seal(document)))

    def begin(self, name: str, fingerprint: str) -> None:
        """Note that a step has begun; what its folder holds of that fingerprint stays known."""
        self.steps.pop(name, None)
        if not self.holds(name, fingerprint):
            self.begun[name] = {"fingerprint": fingerprint, "holds": False}
        self.save()

    def hold(self, name: str) -> None:
        """Note that the folder of a step that has begun holds its work, and nothing of another one."""
        if not self.begun[name]["holds"]:
            self.begun[name]["holds"] = True
            self.save()

    def holds(self, name: str, fingerprint: str) -> bool:
        """Whether the folder of a step holds work of a fingerprint that can be gone on with."""
        return self.begun.get(name) == {"fingerprint": fingerprint, "holds": True}

    def finish(self, name: str, record: Mapping[str, Any]) -> None:
        """Note that a step is done."""
        self.begun.pop(name, None)
        self.steps[name] = dict(record)
        self.save()

    def log(self, event: str, **facts: Any) -> None:
        """Write a line with the time."""
        path = self._out / "logs" / LOG
        with writing(path, "Call the same command again."):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                line = {"event": event, "time": round(time.time(), 3), **facts}
                file.write(json.dumps(line, ensure_ascii=False, sort_keys=True) + "\n")

    def seconds(self) -> dict[str, float]:
        """How long each step took when it was done last, where the log can be read."""
        found: dict[str, float] = {}
        try:
            lines = (self._out / "logs" / LOG).read_text(encoding="utf-8").splitlines()
        except OSError:
            return found
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:  # A kill has cut it.
                continue
            if entry.get("event") == "done":
                found[entry["step"]] = found.get(entry["step"], 0.0) + entry["seconds"]
            elif entry.get("event") == "begin" and not entry.get("goes_on"):
                found.pop(entry["step"], None)
            elif entry.get("event") == "stopped":
                found[entry["step"]] = found.get(entry["step"], 0.0) + entry["seconds"]
        return found


def made_from(step: Step, records: Records, out: Path, *, keeps: bool) -> dict[str, Any]:
    """What a step is made from, as JSON values; all steps that it reads must be done.

    Args:
        keeps: whether digests of files outside may be noted, so that none is computed twice.

    Raises InputError where something outside is not there.
    """
    section = SECTIONS[step.section]
    memory = out / "logs" / "digests.json"
    digests = Digests(memory)
    reads = []
    for each in step.reads:
        if each.step is None:
            # Of a build its own account of what it reads counts, of a recipe what it says.
            # What the Hub has is known by its words alone.
            path = None if each.key == "recipe" else each.path
            known = [each.key, "" if path is None else digest_of(path, digests)]
            if keeps:
                digests.save()
        else:
            record = records.steps[each.step]
            inside = each.written.partition("/")[2]
            known = [each.key, record["fingerprint"], record["identity"], inside]
        reads.append([*known, each.further] if each.further else known)
    code = {"corpuskit": __version__, "section": step.section, "version": section.version}
    return {**code, "settings": section.made_from(step), "reads": reads}


def why_not_done(step: Step, made: Mapping[str, Any], records: Records) -> str | None:
    """Why a step has to be done; None where it is done, and what it has made is there as it was."""
    record = records.steps.get(step.name)
    if record is None:
        if step.name not in records.begun:
            return "new"
        same = records.begun[step.name]["fingerprint"] == sha256_json(made)
        return "goes on" if same else "begun with other settings"
    if record["fingerprint"] != sha256_json(made):
        return _changed(record["made_from"], made)
    identity = SECTIONS[step.section].identity(step)
    if identity != record["identity"]:
        return "what it made is gone" if identity is None else "what it made was changed by others"
    return None


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What has changed of what a step is made from, in a few words."""
    changed = [name for name in now if before.get(name) != now[name]]
    if "section" in changed:
        return f"it was a {before.get('section')} step"
    words = []
    if "settings" in changed:
        names = sorted(_differing(before.get("settings"), now["settings"]))
        words.append(f"changed: {', '.join(names[:3])}" if names else "changed settings")
    if "reads" in changed:
        words.append("what it reads has changed")
    return "; ".join(words) or "another version of corpuskit"


def _differing(before: Any, now: Any, name: str = "") -> set[str]:
    """Names of the innermost settings that differ."""
    if isinstance(before, dict) and isinstance(now, dict):
        return {
            each
            for key in before.keys() | now.keys()
            if before.get(key) != now.get(key)
            for each in _differing(before.get(key), now.get(key), str(key))
        }
    return {name} if name else set()
