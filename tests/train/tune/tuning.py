"""Fine-tuning in tests: data written down, a run in this process, and what it said of itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from click.testing import CliRunner, Result
from safetensors.numpy import load_file

from corpuskit.cli.main import cli
from corpuskit.train import TrainResult
from corpuskit.train.finetune import PURPOSES, finetune_model
from corpuskit.train.settings.tune import ContinueSettings
from corpuskit.train.watch.events import Event

SETTINGS: Mapping[str, Any] = {
    **{name: each.settings for name, each in PURPOSES.items()},
    "lm": ContinueSettings,
}


class Run(NamedTuple):
    """A run that ended: its result and its events."""

    result: TrainResult
    events: list[Event]

    @property
    def out(self) -> Path:
        return self.result.out

    @property
    def losses(self) -> list[float]:
        """Of each step."""
        return [each["loss"] for each in self.events if each["event"] == "step"]

    @property
    def norms(self) -> list[float]:
        """Of the gradient of each step."""
        return [each["gradient_norm"] for each in self.events if each["event"] == "step"]

    @property
    def told(self) -> str:
        """What was said before the first step."""
        start = self.events[0]
        return "\n".join([*start["notes"], start["summary"], *start["warnings"]])

    @property
    def document(self) -> dict[str, Any]:
        """What model.json says."""
        found: dict[str, Any] = json.loads((self.out / "model.json").read_text())
        return found


def tune(
    model: Path,
    data: Path | str,
    out: Path,
    task: str,
    how: Mapping[str, Any] | None = None,
    **values: Any,
) -> Run:
    """Fine-tune; `how` goes to `finetune_model`, the values are settings."""
    events: list[Event] = []
    settings = SETTINGS[task](**values)
    result = finetune_model(model, str(data), out, task, settings, listen=events.append, **(how or {}))
    return Run(result, events)


def command(*words: Any) -> Result:
    """A command in this process, with its exit code and its output."""
    return CliRunner().invoke(cli, [str(word) for word in words], prog_name="corpuskit")


def printed(*words: Any) -> Any:
    """What a command prints with --json; it must succeed."""
    found = command(*words, "--json", "--quiet")
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


def lines(path: Path, rows: Iterable[Any]) -> Path:
    """A JSONL file."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def table(path: Path, *rows: str) -> Path:
    """A CSV file of texts and labels, as its lines stand."""
    path.write_text("".join(f"{row}\n" for row in ("text,label", *rows)))
    return path


def talk(*texts: str) -> dict[str, Any]:
    """A conversation of user and assistant in turn."""
    roles = ("user", "assistant")
    return {"messages": [{"role": roles[n % 2], "content": text} for n, text in enumerate(texts)]}


def weights(out: Path, of: str = "model.safetensors") -> dict[str, Any]:
    """The tensors of a file of a model folder."""
    return dict(load_file(out / of))


def checkpoint(out: Path, step: int) -> dict[str, bytes]:
    """Weights and optimizer of a step, byte for byte, of all processes."""
    found = (out / "checkpoints" / f"step-{step:08d}").glob("*.safetensors")
    return {each.name: each.read_bytes() for each in found}


def absent(out: Path) -> bool:
    """Whether nothing of a run is left where it was to write."""
    return not out.exists()


def refusal(found: Result) -> str:
    """The message of a command that stopped before any work, on one line."""
    assert found.exit_code in (1, 2), found.output
    assert "Traceback" not in found.output
    return " ".join(found.output.split())


def labels_of(texts: Sequence[str], predictions: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The labels that were said of each text, the texts as they came back."""
    assert [each["text"] for each in predictions] == list(texts)
    return {each["text"]: each["labels"] for each in predictions}
