"""Damage to each class of file of a run and of a model, and what the commands make of it.

Each trial takes a copy of a finished run or a model, damages one file, and calls one command. What comes out
is told in one word:

    found      `verify` names the file
    mended     the command ended well, and all is as if nothing had been damaged
    refused    exit code 1 and a message that names thing and remedy
    not read   the command does not read that file, and its result is as ever
    unnoticed  the command ended well with another result, or `verify` called it sound
    crashed    anything else: a traceback, another exit code, a message without a remedy
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from click.testing import CliRunner

from corpuskit.cli.main import cli

DAMAGES = ("flip", "truncate", "empty", "delete", "append", "swap", "folder")
BAD = ("unnoticed", "crashed")

RUN_FILES = {
    "run.json": "run.json",
    "recipe": "recipe.yaml",
    "ledger": "ledger.json",
    "record of a pass": "manifest/candidates*/*.json",
    "record of a decision": "manifest/decisions*/*.json",
    "record of the tokenizer": "manifest/tokenizer.json",
    "record of the shards": "manifest/shards.json",
    "record of the build": "manifest/build.json",
    "candidates": "candidates*/*.parquet",
    "scans": "scans/*/*.parquet",
    "decisions": "decisions/*/*.parquet",
    "documents": "documents/*.parquet",
    "dropped": "dropped/*.parquet",
    "quarantine": "quarantine/*.parquet",
    "cuts": "cuts/*.parquet",
    "tables": "tables/*/*.parquet",
    "tokenizer": "tokenizer/tokenizer.json",
    "tokenizer's settings": "tokenizer/tokenizer_config.json",
    "tokens": "shards/train-*.bin",
    "index": "shards/train-*.idx",
    "provenance": "shards/train-*.provenance.parquet",
    "list of shards": "shards/shards.json",
    "digests of inputs": "logs/digests.json",
    "log of the build": "logs/build.jsonl",
    "timings": "report/timings.json",
}
"""Class of file, and where the files of it lie in a run."""

MODEL_FILES = {
    "model.json": "model.json",
    "weights": "model.safetensors",
    "tokenizer": "tokenizer.json",
    "curves": "curves.svg",
    "log": "logs/train.jsonl",
    "digest of the log": "logs/train.jsonl.sha256",
    "latest": "checkpoints/latest",
    "state": "checkpoints/*/state.json",
    "weights of a checkpoint": "checkpoints/*/model.safetensors",
    "moments of a checkpoint": "checkpoints/*/optimizer.safetensors",
}
"""Class of file, and where the files of it lie in a model folder."""

UNRECORDED = ("digests of inputs", "log of the build", "timings")
"""What lies in a run's ``logs/`` and ``report/``: nothing is promised of it but that nothing trusts it."""

_STEPS = ("--steps", "8", "--size", "nano", "--set", "context=32", "--set", "batch_rows=4")
_OFTEN = ("--set", "save_every=2", "--set", "eval_every=2", "--set", "keep=3")


class Trial(NamedTuple):
    """What a command made of a damaged file."""

    kind: str
    damage: str
    command: str
    outcome: str
    said: str


class Answer(NamedTuple):
    """How a command ended: exit code, JSON answer, what it said, and the traceback of an error of no kind."""

    code: int
    data: dict[str, Any]
    said: str
    crash: str


def call(*words: object) -> Answer:
    """Call a command in this process."""
    done = CliRunner().invoke(cli, [*map(str, words), "--json", "--quiet"])
    crash = "" if isinstance(done.exception, SystemExit | None) else repr(done.exception)
    last = done.stdout.strip().splitlines()[-1:] or ["{}"]
    try:
        data = json.loads(last[0])
    except ValueError:
        data = {}
    return Answer(done.exit_code, data, done.stderr.strip(), crash)


def digests(folder: Path, without: Sequence[str] = ("logs", "report")) -> dict[str, str]:
    """sha256 of each file below a folder, but for some of its folders."""
    files = (p for p in sorted(folder.rglob("*")) if p.is_file())
    named = {p.relative_to(folder).as_posix(): p for p in files}
    return {
        n: sha256(p.read_bytes()).hexdigest() for n, p in named.items() if n.partition("/")[0] not in without
    }


def damage(path: Path, how: str, other: Path | None, chance: random.Random) -> bool:
    """Damage a file; False where that changes nothing or cannot be done."""
    before = path.read_bytes()
    if how == "delete":
        path.unlink()
    elif how == "folder":
        path.unlink()
        path.mkdir()
    elif how == "swap":
        if other is None or other.read_bytes() == before:
            return False
        path.write_bytes(other.read_bytes())
        other.write_bytes(before)
    else:
        data = bytearray(before)
        if how == "flip":
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        elif how == "truncate":
            del data[chance.randrange(1, len(data)) :]
        elif how == "empty":
            data.clear()
        else:
            data += chance.choice([b"\n", b"\0", b" \n\n", b"x", bytes(data[-64:])])
        path.write_bytes(bytes(data))
        return bytes(data) != before
    return True


@dataclass
class Bench:
    """A run, a model and what the commands give when nothing is damaged.

    Attributes:
        folder: where all lies; `recipe` is its recipe.
        commands: name, and what is called with the damaged folder; see `Command`.
    """

    folder: Path
    recipe: Path
    changed: tuple[str, ...]

    @property
    def run(self) -> Path:
        """The finished run."""
        return self.folder / "run"

    @property
    def model(self) -> Path:
        """A model that is finished."""
        return self.folder / "model"

    @property
    def paused(self) -> Path:
        """A model whose run was stopped half-way."""
        return self.folder / "paused"

    @classmethod
    def make(cls, folder: Path, recipe: Path, changed: tuple[str, ...]) -> Bench:
        """Build what is damaged afterwards."""
        bench = cls(folder, recipe, changed)
        build(recipe, bench.run)
        build(recipe, folder / "changed", *changed)
        return bench

    def train(self) -> Bench:
        """Train the models."""
        from corpuskit.train import TrainSettings, train_model

        _well(call("train", self.run, "--out", self.model, *_STEPS, *_OFTEN))
        settings = TrainSettings.checked(
            {
                "steps": 8,
                "size": "nano",
                "context": 32,
                "batch_rows": 4,
                "save_every": 2,
                "eval_every": 2,
                "keep": 3,
            }
        )
        train_model(self.run, self.paused, settings, pause_at=5)
        return self


def build(recipe: Path, out: Path, *changed: str) -> None:
    """Build a run that is whole."""
    _well(call("build", recipe, "--out", out, "--workers", 1, *_overrides(changed)))


def _overrides(changed: Sequence[str]) -> list[str]:
    return [word for each in changed for word in ("--set", each)]


def _well(answer: Answer) -> Answer:
    assert (answer.code, answer.crash) == (0, ""), answer
    return answer


def weights(model: Path) -> dict[str, str]:
    """What a run computes: the kept weights, and the newest checkpoint without its clock."""
    found = {"model.safetensors": sha256((model / "model.safetensors").read_bytes()).hexdigest()}
    latest = model / "checkpoints" / (model / "checkpoints" / "latest").read_text()
    for path in sorted(latest.glob("*.safetensors")):
        found[path.name] = sha256(path.read_bytes()).hexdigest()
    log = (model / "logs" / "train.jsonl").read_text(encoding="utf-8")
    events = [json.loads(line) for line in log.strip("\n").split("\n")]  # Texts may hold U+2028.
    kept = [(e["event"], e["step"], e.get("loss")) for e in events if e["event"] in ("step", "validation")]
    found["history"] = sha256(json.dumps(kept).encode()).hexdigest()
    return found


Result = Callable[[Bench, Path], tuple[Answer, Any]]
"""Calls a command on a damaged folder; gives its answer, and what it made, to be compared."""


def _verify(bench: Bench, folder: Path) -> tuple[Answer, Any]:
    return call("verify", folder), None


def _build(bench: Bench, folder: Path) -> tuple[Answer, Any]:
    return call("build", bench.recipe, "--out", folder, "--workers", 1), digests(folder)


def _changed(bench: Bench, folder: Path) -> tuple[Answer, Any]:
    words = ("build", bench.recipe, "--out", folder, "--workers", 1, *_overrides(bench.changed))
    return call(*words), digests(folder)


def _train(bench: Bench, folder: Path) -> tuple[Answer, Any]:
    out = folder.with_name("trained")
    shutil.rmtree(out, ignore_errors=True)
    answer = call("train", folder, "--out", out, *_STEPS, *_OFTEN)
    return answer, weights(out) if answer.code == 0 else None


def _inspect(bench: Bench, folder: Path) -> tuple[Answer, Any]:
    answer = call("inspect", folder)
    return answer, {k: v for k, v in answer.data.items() if k != "run"}


def _trace(bench: Bench, folder: Path) -> tuple[Answer, Any]:
    answer = call("trace", folder, "--shard", "train-00000", "--token", 100)
    return answer, answer.data


def _sample(bench: Bench, folder: Path) -> tuple[Answer, Any]:
    answer = call("sample", folder, "--prompt", "The", "--tokens", 8, "--seed", 1)
    return answer, {k: v for k, v in answer.data.items() if k != "model"}


def _chat(bench: Bench, folder: Path) -> tuple[Answer, Any]:
    return call("chat", folder, "--plain", "--seed", 1), None  # Loads the model; nothing is said to it.


def _export(bench: Bench, folder: Path) -> tuple[Answer, Any]:
    out = folder.with_name("exported")
    shutil.rmtree(out, ignore_errors=True)
    answer = call("export", folder, "--to", "torch", "--out", out, "--no-check")
    return answer, digests(out) if answer.code == 0 else None


def _resume(bench: Bench, folder: Path) -> tuple[Answer, Any]:
    answer = call("train", bench.run, "--out", folder, "--resume")
    return answer, weights(folder) if answer.code == 0 else None


def _begin(bench: Bench, folder: Path) -> tuple[Answer, Any]:
    out = folder.with_name("begun")
    shutil.rmtree(out, ignore_errors=True)
    answer = call("train", bench.run, "--out", out, *_STEPS, "--set", f"init_from={folder}")
    return answer, weights(out) if answer.code == 0 else None


class Subject(NamedTuple):
    """A kind of folder that is damaged: its classes of file and the commands that are called."""

    name: str
    files: Mapping[str, str]
    commands: Mapping[str, Result]


SUBJECTS = (
    Subject(
        "run",
        RUN_FILES,
        {
            "verify": _verify,
            "build": _build,
            "changed recipe": _changed,
            "train": _train,
            "inspect": _inspect,
            "trace": _trace,
        },
    ),
    Subject(
        "model",
        MODEL_FILES,
        {"verify": _verify, "sample": _sample, "chat": _chat, "export": _export, "init_from": _begin},
    ),
    Subject("paused", MODEL_FILES, {"verify": _verify, "train --resume": _resume}),
)


def trials(
    bench: Bench,
    seed: int,
    share: float = 1.0,
    damages: Sequence[str] = DAMAGES,
    flips: int = 3,
    subjects: Sequence[Subject] = (),
) -> Iterator[Trial]:
    """Damage each class of file in each way, and call each command on a copy.

    Args:
        flips: how many bits, one after the other, each in a copy of its own.
        share: of the trials, chosen by the seed, that are made.
        subjects: all without any.
    """
    chance = random.Random(seed)
    for subject in subjects or SUBJECTS:
        whole = bench.folder / subject.name
        expected = {name: _expected(bench, subject, name, do) for name, do in subject.commands.items()}
        for kind, pattern in subject.files.items():
            ways = [how for how in damages for _ in range(flips if how == "flip" else 1)]
            for how, (command, do) in ((how, each) for how in ways for each in subject.commands.items()):
                own = random.Random(chance.random())
                if own.random() >= share:
                    continue
                copy = bench.folder / "copy" / subject.name
                shutil.rmtree(copy.parent, ignore_errors=True)
                shutil.copytree(whole, copy)
                paths = sorted(copy.glob(pattern))
                assert paths, f"{subject.name}: no file {pattern}"
                path = own.choice(paths)
                others = [p for p in copy.glob(pattern) if p != path] or _alike(copy, path)
                if damage(path, how, own.choice(sorted(others)) if others else None, own):
                    yield _judge(bench, kind, how, command, do, copy, expected[command])


def _alike(copy: Path, path: Path) -> list[Path]:
    """Other files of the same kind by their name alone."""
    return [p for p in copy.rglob(f"*{path.suffix}") if p.is_file() and p != path]


def _expected(bench: Bench, subject: Subject, name: str, do: Result) -> Any:
    copy = bench.folder / "copy" / subject.name
    shutil.rmtree(copy.parent, ignore_errors=True)
    shutil.copytree(bench.folder / subject.name, copy)
    answer, made = do(bench, copy)
    _well(answer)
    if name == "train --resume":
        return weights(bench.model)
    return digests(bench.folder / "changed") if name == "changed recipe" else made


def _judge(bench: Bench, kind: str, how: str, command: str, do: Result, copy: Path, expected: Any) -> Trial:
    try:
        answer, made = do(bench, copy)
    except Exception as error:  # What came out could not be read: a command that ended well left damage.
        return Trial(kind, how, command, "unnoticed", repr(error))
    told = answer.said or " ".join(answer.data.get("problems", []))
    refused = answer.code == 1 and bool(answer.data.get("remedy")) and "Traceback" not in answer.said
    if answer.crash or answer.code not in (0, 1):
        outcome = "crashed"
    elif command == "verify":
        silent = "not read" if kind in UNRECORDED else "unnoticed"
        outcome = "found" if answer.data.get("problems") else "refused" if refused else silent
        outcome = silent if answer.code == 0 else outcome
    elif answer.code == 1:
        outcome = "refused" if refused else "crashed"
    else:
        outcome = "mended" if made == expected else "unnoticed"
        if outcome == "mended" and command not in ("build", "changed recipe", "train --resume"):
            outcome = "not read"
    return Trial(kind, how, command, outcome, answer.crash or told)
