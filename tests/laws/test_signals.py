"""Whoever stops a command, and however: what is promised then is what happens."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from corpuskit.train import TrainSettings, train_model
from tests.laws.waiting import ROOT, waiting

SETTINGS = TrainSettings(
    layers=1, width=32, heads=2, context=16, batch_rows=2, steps=100_000, eval_tokens=64, eval_every=50_000
)
TRAIN = [f"--set={name}={value}" for name, value in SETTINGS.given().items()]


def default_signals() -> None:
    """A shell's background jobs ignore Ctrl-C, and so would their children."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def until(holds: Callable[[], bool], child: subprocess.Popen[str]) -> None:
    """Wait until something holds, in a child that has not ended."""
    while not holds():
        assert child.poll() is None, child.communicate()
        time.sleep(0.02)


def until_it_says(words: str, child: subprocess.Popen[str]) -> None:
    """Read its standard error up to a line with these words."""
    assert child.stderr is not None
    while words not in (line := child.stderr.readline()):
        assert line, "it has ended"


def latest(out: Path) -> int:
    """The step of the checkpoint that would be gone on from; -1 where there is none."""
    pointer = out / "checkpoints" / "latest"
    return int(pointer.read_text()[5:13]) if pointer.exists() else -1


def goes_on(run: Path, out: Path, step: int) -> None:
    result = train_model(run, out, resume=True, pause_at=step + 1)
    assert (result.reason, result.step) == ("paused", step + 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda n: n.name)
def test_one_signal_saves_and_a_second_one_leaves_at_once(
    number: signal.Signals, built: Path, tmp_path: Path
) -> None:
    """The function that waits is a step, so that both come while it is under way."""
    out, run = tmp_path / "model", built / "run"
    words = ("train", run, "--out", out, *TRAIN)
    place = "corpuskit.train.loop:train_step"
    with waiting(place, *words, preexec_fn=default_signals) as child:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()  # The first step is made; the second one waits.
        until_it_says("here", child)
        child.send_signal(number)
        until(
            lambda: child.stderr is not None and "Stopping after this step" in child.stderr.readline(), child
        )
        _, stderr = child.communicate("\n", timeout=120)
    assert child.returncode == 130, stderr
    assert f"Go on with: corpuskit train {run} --out {out} --resume" in stderr
    assert latest(out) == 2
    with waiting(place, "train", run, "--out", out, "--resume", preexec_fn=default_signals) as child:
        child.send_signal(number)
        until(
            lambda: child.stderr is not None and "Stopping after this step" in child.stderr.readline(), child
        )
        child.send_signal(number)
        _, stderr = child.communicate(timeout=120)
    assert child.returncode == 130, stderr
    assert "Interrupted. Nothing new was saved: call the same command again." in stderr
    assert "Traceback" not in stderr
    assert latest(out) == 2
    goes_on(run, out, 2)


def test_a_second_signal_in_a_new_run_names_what_is_kept(built: Path, tmp_path: Path) -> None:
    out, run = tmp_path / "model", built / "run"
    words = ("train", run, "--out", out, *TRAIN, "--quiet")
    with waiting("corpuskit.train.loop:train_step", *words, preexec_fn=default_signals) as child:
        for number in (signal.SIGTERM, signal.SIGINT):
            child.send_signal(number)
            time.sleep(0.2)  # Two signals of which the first is not yet taken could arrive as one.
        _, stderr = child.communicate(timeout=120)
    assert child.returncode == 130, stderr
    assert "Interrupted. The checkpoint of step 0 is kept. Go on with: corpuskit train" in stderr
    goes_on(run, out, 0)


def test_before_anything_is_begun_nothing_is_left(built: Path, tmp_path: Path) -> None:
    words = ("train", built / "run", "--out", tmp_path / "a" / "model", *TRAIN)
    with waiting("corpuskit.train.run:make_trainer", *words, preexec_fn=default_signals) as child:
        child.send_signal(signal.SIGHUP)
        _, stderr = child.communicate(timeout=120)
    assert child.returncode == 130, stderr
    assert "Nothing new was saved: call the same command again." in stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("gone", ["terminal", "pipe"])
def test_a_run_whose_terminal_goes_saves(gone: str, built: Path, tmp_path: Path) -> None:
    """A closed window: SIGHUP, and EIO for what is still said; a closed pipe: EPIPE, here with SIGTERM."""
    out, run = tmp_path / "model", built / "run"
    words = [sys.executable, "-m", "corpuskit", "train", str(run), "--out", str(out), *TRAIN]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "TERM": "xterm"}
    reader, writer = pty.openpty() if gone == "terminal" else os.pipe()

    def settle() -> None:
        default_signals()
        if gone == "terminal":
            fcntl.ioctl(1, termios.TIOCSCTTY, 0)

    child = subprocess.Popen(
        words,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=writer,
        stderr=writer,
        start_new_session=True,
        preexec_fn=settle,
        text=True,
    )
    os.close(writer)
    try:
        # Steps are under way: before the first one a signal ends the run at once.
        log = out / "logs" / "train.jsonl"
        until(lambda: log.exists() and '"event": "step"' in log.read_text(), child)
        os.close(reader)
        if gone == "pipe":
            time.sleep(0.5)
            child.terminate()
        assert child.wait(timeout=120) == 130
    finally:
        child.kill()
    assert latest(out) > 0
    goes_on(run, out, latest(out))


def test_a_run_that_nobody_listens_to_comes_to_its_end(built: Path, tmp_path: Path) -> None:
    out, line = tmp_path / "model", f"{sys.executable} -m corpuskit train {built}/run --out {tmp_path}/model"
    more = " ".join([*TRAIN, "--steps=60", "--set=eval_every=1"]).replace("--set=steps=100000", "")
    found = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{line} {more} 2>&1 | true"],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")
    assert latest(out) == 60
    assert json.loads((out / "model.json").read_text())["training"]["reason"] == "done"


def test_what_nohup_ignores_stays_ignored(built: Path, tmp_path: Path) -> None:
    def nohup() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    out = tmp_path / "model"
    words = ("train", built / "run", "--out", out, *TRAIN)
    with waiting("corpuskit.train.loop:train_step", *words, preexec_fn=nohup) as child:
        for number in (signal.SIGHUP, signal.SIGHUP, signal.SIGTERM):
            child.send_signal(number)
        _, stderr = child.communicate("\n", timeout=120)
    assert child.returncode == 130, stderr
    assert stderr.count("Stopping after this step") == 1
    assert latest(out) == 1


NATIVE = """
import hashlib, sys
import click
from corpuskit.cli import main, shell

@click.command()
@shell.shell_options
def command(shell):
    print("here", file=sys.stderr, flush=True)
    hashlib.pbkdf2_hmac("sha256", b"x", b"y", 2**31 - 1)

if sys.argv[1] == "native":
    command(["--quiet"])
print("here", file=sys.stderr, flush=True)
main.cli.get_help = lambda context: __import__("time").sleep(100)
sys.argv = ["corpuskit", "--help"]
main.main()
"""


def test_a_second_signal_ends_a_long_call_of_native_code() -> None:
    """Python answers none of them there."""
    command = [sys.executable, "-c", NATIVE, "native"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, text=True, stderr=subprocess.PIPE) as child:
        assert child.stderr is not None
        assert child.stderr.readline() == "here\n"
        time.sleep(1)
        child.send_signal(signal.SIGTERM)
        time.sleep(2)
        assert child.poll() is None
        child.send_signal(signal.SIGHUP)
        assert child.wait(timeout=30) == 130
        assert "Interrupted. " in child.stderr.read()


ALONE = """
import errno, os, signal, sys
import click
from corpuskit.cli import shell

when, took = sys.argv[1], []

def at(place, call):
    def called(*words):
        global when
        if when == place:
            when = ""
            os.kill(os.getpid(), signal.SIGINT)
        if when == "full" and place == "start":
            # Files that get the numbers that the watch had.
            took.extend(os.open("/dev/null", os.O_RDONLY) for _ in range(2))
            raise OSError(errno.EMFILE, "Too many open files")
        return call(*words)
    return called

@click.command()
@shell.shell_options
def command(own):
    os.close = at("stop", os.close)
    shell.join_wholly = at("join", shell.join_wholly)
    with own.alone():
        at("within", len)("")
        os.pipe = at("start", os.pipe)
    at("behind", len)("")

if __name__ == "__main__":
    try:
        command(["--quiet"])
    finally:
        print(signal.getsignal(signal.SIGINT) is signal.default_int_handler, signal.set_wakeup_fd(-1))
        print(*[os.fstat(number).st_size for number in took])
"""


def alone(when: str) -> tuple[int, str, str]:
    """A command that nobody watches for a while, and what befalls it (`ALONE`): exit code and words."""
    done = subprocess.run(
        [sys.executable, "-c", ALONE, when],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=default_signals,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("when", ["stop", "join", "within", "start", "behind"])
def test_ctrl_c_while_a_command_is_alone(when: str) -> None:
    assert alone(when) == (130, "True -1\n\n", "Interrupted. Nothing was written.\n")


def test_a_watch_that_cannot_begin_again_closes_no_file_of_others() -> None:
    code, stdout, stderr = alone("full")
    assert (code, stdout) == (1, "True -1\n0 0\n")
    assert "Too many open files" in stderr
    assert "Raise it: `ulimit -n" in stderr


TRAINING = """
import random, sys, time
import pyarrow as pa
from corpuskit.build.write import train_tokenizer
from corpuskit.cli.main import main
from corpuskit.tokenizer import count, merges, tokenizer

def slowly(*_):
    print("here", file=sys.stderr, flush=True)
    choose = random.Random(1)
    words = pa.array([bytes(choose.choices(range(97, 123), k=12)) for _ in range(60_000)], pa.large_binary())
    ones = pa.array([1] * len(words), pa.int64()).to_numpy()
    return learn(count.Counted(words, ones), 60_000, [], 1, lambda done: time.sleep(0.5) is None)

learn, tokenizer.learn_merges, train_tokenizer.learn_merges = merges.learn_merges, slowly, slowly
if __name__ == "__main__":
    sys.argv = ["corpuskit", *sys.argv[1:]]
    main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
@pytest.mark.parametrize("command", ["build", "tokenizer"])
def test_one_signal_ends_the_training_of_a_tokenizer(
    command: str, number: signal.Signals, tmp_path: Path
) -> None:
    books, out = ROOT / "sample_corpora" / "books", tmp_path / "out" / "tokenizer.json"
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"sources: [{{gutenberg: {{path: {books}}}}}]\ntokenizer: {{vocab_size: 400}}\n")
    words = {
        "build": ["build", str(recipe), "--out", str(tmp_path / "run"), "--workers", "2"],
        "tokenizer": ["tokenizer", "train", str(books), "--out", str(out)],
    }[command]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", TRAINING, *words],
        env=environment,
        text=True,
        stderr=subprocess.PIPE,
        preexec_fn=default_signals,
    ) as child:
        try:
            until_it_says("here", child)
            child.send_signal(number)
            _, stderr = child.communicate(timeout=60)
        finally:
            child.kill()
    assert child.returncode == 130, stderr
    assert "Interrupted. " in stderr
    assert "Traceback" not in stderr
    if command == "tokenizer":
        assert [path.name for path in tmp_path.iterdir()] == ["recipe.yaml"]
    else:  # What was finished is gone on from.
        again = [sys.executable, "-m", "corpuskit", *words, "--json"]
        found = subprocess.run(again, env=environment, capture_output=True, text=True, timeout=200)
        assert found.returncode == 0, found.stderr
        assert (tmp_path / "run" / "tokenizer" / "tokenizer.json").exists()


def test_an_interruption_before_a_command_begins() -> None:
    command = [sys.executable, "-c", NATIVE, "early"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, env=environment, text=True, stderr=subprocess.PIPE, preexec_fn=default_signals
    ) as child:
        assert child.stderr is not None
        assert child.stderr.readline() == "here\n"
        time.sleep(1)
        child.send_signal(signal.SIGINT)
        assert child.wait(timeout=30) == 130
        assert "Traceback" not in child.stderr.read()


@pytest.mark.parametrize("name", ["export", "tokenizer"])
def test_what_is_made_whole_or_not_at_all_leaves_nothing(name: str, built: Path, tmp_path: Path) -> None:
    if name == "export":
        train_model(
            built / "run", tmp_path / "model", SETTINGS.model_copy(update={"steps": 1, "eval_every": 1})
        )
        place, words = "corpuskit.train.hub.export:save_tensors", ("export", tmp_path / "model")
    else:
        place = "corpuskit.cli.corpus.tokenizer:_some"
        words = ("tokenizer", "train", built / "corpus" / "books")
    (tmp_path / "x").mkdir()
    out = tmp_path / "x" / "tokenizer.json"
    with waiting(place, *words, "--out", out) as child:
        child.send_signal(signal.SIGTERM)
        _, stderr = child.communicate(timeout=120)
    assert child.returncode == 130, stderr
    assert "Interrupted. Nothing was written." in stderr
    assert list((tmp_path / "x").iterdir()) == []
