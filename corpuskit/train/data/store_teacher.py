"""Storing a teacher's answers: it reads shards in windows, and what it says of each token is written down.

The teacher reads windows of R tokens of which the last S get their record: each is told by between R - S and
R tokens up to it (fewer at the beginning of the split), whatever row the student will see it in.

Equal teacher, shards and settings give equal bytes, also when a kill came between, on one kind of device with
one number of threads: batches of windows are cut by their number alone. Meanwhile OUT/progress.json says what
is finished and how far the file in work goes; see `corpuskit.train.data.teacher` for what is written.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from corpuskit.errors import SettingError, TrainError
from corpuskit.shards.format import ShardInfo
from corpuskit.shards.reader import Shards, SplitTokens
from corpuskit.storage.files import (
    UNFINISHED,
    flush,
    json_bytes,
    seal,
    sha256_file,
    sha256_json,
    write_file,
    writing,
)
from corpuskit.storage.ownership import TEACHER, claim
from corpuskit.train.data.teacher import FORMAT, MANIFEST, StoreSettings, read_document, record_type
from corpuskit.train.model.distances import TeacherHead, rest_of
from corpuskit.train.model.loss import chunk_rows
from corpuskit.train.model.transformer import Transformer

PROGRESS = "progress.json"
_LEAST = -6e4  # What float16 still holds.
_SAVE_SECONDS = 10.0

Reader = Callable[[Tensor], TeacherHead]
"""Reads rows of ids (B, T): the states of all positions, (B T, C), and the head that they are for."""


def reading(model: Transformer, end_of_text: int | None) -> Reader:
    """A decoder as a teacher that drops nothing and gets no gradient, whatever mode it was in.

    Args:
        end_of_text: the id that begins a document, so that none sees another; None where rows are seen whole.
    """
    device = model.embedding.weight.device

    def read(ids: Tensor) -> TeacherHead:
        documents = None if end_of_text is None else (ids == end_of_text).cumsum(1)
        if documents is not None:
            documents = documents.to(device)
        before = model.training
        try:
            states = model.eval().states(ids.to(device), documents=documents)
        finally:
            model.train(before)
        return TeacherHead(states.flatten(0, 1), model.head_weight, model.token_losses)

    return read


def store_answers(
    out: Path,
    shards: Shards,
    read: Reader,
    settings: StoreSettings,
    teacher: str,
    splits: Sequence[str] = ("train",),
    *,
    on_progress: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> bool:
    """Write a teacher's answers, or go on where a call that was stopped or killed left them.

    Args:
        out: a new or empty folder, or one of a call with the same arguments.
        read: the teacher, see `reading`.
        teacher: its fingerprint.
        splits: names of splits.
        on_progress: called with tokens done and tokens in all after each batch.
        stop: asked after each batch; what is finished is kept.

    Returns:
        Whether all is stored; False where `stop` ended it.

    Raises:
        SettingError: k above the vocabulary, or a split that is not there.
        TrainError: the folder holds something else, or answers of other settings or of another teacher.
        StorageError: it cannot be written.
    """
    if settings.k > shards.vocab_size:
        raise SettingError(
            f"k = {settings.k} of a vocabulary of {shards.vocab_size} tokens",
            remedy=f"Give at most {shards.vocab_size}.",
        )
    lines = {name: shards.split(name) for name in splits}
    document = _document(shards, settings, teacher)
    with claim(out, TEACHER, TrainError):
        writer = _Writer(out, shards, read, settings, document, stop or (lambda: False))
        if writer.is_done(splits):
            return True
        total, before = sum(line.tokens for line in lines.values()), 0
        for name, line in lines.items():
            for info in shards.splits[name]:
                for records in writer.write(line, info, _start(shards, name, info)):
                    if on_progress:
                        on_progress(before + records, total)
                if writer.stopped:
                    return False
                before += info.tokens
        writer.finish(splits)
    return True


def _document(shards: Shards, settings: StoreSettings, teacher: str) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "teacher": teacher,
        "tokenizer_sha256": shards.tokenizer_sha256,
        "vocab_size": shards.vocab_size,
        "shards_fingerprint": shards.fingerprint,
        **asdict(settings),
    }


def _start(shards: Shards, split: str, info: ShardInfo) -> int:
    """Position of a shard's first token in its split."""
    infos = shards.splits[split]
    return sum(each.tokens for each in infos[: infos.index(info)])


class _Writer:
    """Files of shards, one after the other, and the progress that is noted meanwhile."""

    def __init__(
        self,
        out: Path,
        shards: Shards,
        read: Reader,
        settings: StoreSettings,
        document: Mapping[str, Any],
        stop: Callable[[], bool],
    ) -> None:
        self._out, self._shards, self._read, self._settings = out, shards, read, settings
        self._document, self._stop, self.stopped = document, stop, False
        self._type = record_type(settings.k, shards.vocab_size, len(settings.temperatures))
        self._made_from = sha256_json(document)
        self._done: dict[str, str] = {}
        self._files: dict[str, Any] = {}
        self._current: tuple[str, int] = ("", 0)
        self._saved_at = time.monotonic()
        for name, key in ((MANIFEST, "teacher"), (PROGRESS, "made_from")):
            path = out / name
            if path.exists():
                self._take_up(read_document(path), path, key)

    def is_done(self, splits: Sequence[str]) -> bool:
        """Whether all of the splits was finished by an earlier call."""
        return (self._out / MANIFEST).exists() and all(
            info.name in self._done for split in splits for info in self._shards.splits[split]
        )

    def write(self, line: SplitTokens, info: ShardInfo, start: int) -> Iterator[int]:
        """Write the records of a shard whose first token is at `start`; yields how many there are."""
        if info.name in self._done:
            yield info.tokens
            return
        path, begun = self._out / f"{UNFINISHED}{info.name}.top", 0
        if self._current[0] == info.name and path.exists():
            begun = self._current[1]
            if path.stat().st_size < begun * self._type.itemsize:  # What was noted is no longer there.
                begun = 0
        with writing(path), path.open("r+b" if begun else "wb") as file:
            file.truncate(begun * self._type.itemsize)
            file.seek(0, os.SEEK_END)
            for first, last, windows in _batches(info.tokens, start, self._settings):
                if last <= begun:
                    continue
                file.write(self._records(line, start, first, last, windows).tobytes())
                self.stopped = self._stop()
                if self.stopped or time.monotonic() - self._saved_at >= _SAVE_SECONDS:
                    file.flush()
                    os.fsync(file.fileno())
                    self._note((info.name, last))
                yield last
                if self.stopped:
                    return
            file.flush()
            os.fsync(file.fileno())
        with writing(path):
            self._done[info.name] = sha256_file(path)
            os.replace(path, self._out / f"{info.name}.top")
            flush(self._out)
        self._note(("", 0))

    def finish(self, splits: Sequence[str]) -> None:
        """Say that all is whole."""
        files = self._files | {
            split: [
                {"name": info.name, "tokens": info.tokens, "sha256": self._done[info.name]}
                for info in self._shards.splits[split]
            ]
            for split in splits
        }
        write_file(self._out / MANIFEST, json_bytes(seal({**self._document, "splits": files})))
        (self._out / PROGRESS).unlink(missing_ok=True)

    def _take_up(self, found: Mapping[str, Any], path: Path, key: str) -> None:
        """What an earlier call finished; raises TrainError where that was another one."""
        ours = {key: self._made_from} if key == "made_from" else self._document
        differing = [name for name, value in ours.items() if found.get(name) != _plain(value)]
        if differing:
            name = differing[0]
            raise TrainError(
                f"{path} is of another call: {name} = {found.get(name)!r}, here {_plain(ours[name])!r}",
                remedy="Choose another --out, or call it with the same settings, teacher and shards.",
            )
        if key == "made_from":
            self._done |= {str(name): str(digest) for name, digest in found["done"].items()}
            self._current = (str(found["current"][0]), int(found["current"][1]))
        else:
            self._files = dict(found["splits"])
            self._done |= {each["name"]: each["sha256"] for files in self._files.values() for each in files}

    def _note(self, current: tuple[str, int]) -> None:
        self._current, self._saved_at = current, time.monotonic()
        note = {"made_from": self._made_from, "done": self._done, "current": list(current)}
        write_file(self._out / PROGRESS, json_bytes(seal(note)))

    def _records(
        self, line: SplitTokens, start: int, first: int, last: int, windows: list[tuple[int, int]]
    ) -> npt.NDArray[np.void]:
        """Records [first, last) of a shard, with which windows (first token and length, in the line) end."""
        ids = np.stack([line.read(*window).astype(np.int64) for window in windows])
        with torch.inference_mode():
            head = self._read(torch.from_numpy(ids))
            # Of each row its last positions, and of the last row of a shard fewer.
            wanted = np.concatenate(
                [
                    np.arange(row * ids.shape[1] + begin - at, row * ids.shape[1] + end - at)
                    for row, (at, begin, end) in enumerate(_places(start, first, last, windows))
                ]
            )
            states = head.states[torch.from_numpy(wanted).to(head.states.device)]
            return self._top(head, states)

    def _top(self, head: TeacherHead, states: Tensor) -> npt.NDArray[np.void]:
        tokens, k = self._shards.vocab_size, self._settings.k
        if len(head.weight) < tokens:
            raise TrainError(
                f"the teacher knows {len(head.weight)} tokens, the shards have {tokens}",
                remedy="Take a teacher with the tokenizer of the shards.",
            )
        weight = head.weight[:tokens].to(states.dtype)
        records = np.empty(len(states), self._type)
        chunk = chunk_rows(len(states), tokens, states.device.type)
        for first in range(0, len(states), chunk):
            logits = functional.linear(states[first : first + chunk], weight)
            if head.token_losses is not None:
                logits = head.token_losses.capped(logits)
            scores = torch.log_softmax(logits.float(), 1)
            values, ids = scores.topk(k, dim=1)
            rest = [rest_of(scores, ids, each) for each in self._settings.temperatures]
            part = records[first : first + chunk]
            part["values"] = values.clamp_min(_LEAST).cpu().numpy()
            part["ids"] = ids.cpu().numpy()
            part["rest"] = torch.cat(rest, 1).cpu().numpy()
        return records


def _places(
    start: int, first: int, last: int, windows: list[tuple[int, int]]
) -> Iterator[tuple[int, int, int]]:
    """Of each window its first token, and the first and last position in the line that it has records for."""
    for at, length in windows:
        end = min(at + length, start + last)
        yield at, start + first, end
        first = end - start


def _batches(
    tokens: int, start: int, settings: StoreSettings
) -> Iterator[tuple[int, int, list[tuple[int, int]]]]:
    """Records [first, last) of a shard at `start`, and the windows that give them, all of one length."""
    windows: list[tuple[int, int]] = []
    first = 0
    for begin in range(0, tokens, settings.stride):
        end = min(begin + settings.stride, tokens)
        at = max(0, start + end - settings.context)
        window = (at, start + end - at)
        if windows and (window[1] != windows[-1][1] or len(windows) == settings.rows):
            yield first, begin, windows
            first, windows = begin, []
        windows.append(window)
    if windows:
        yield first, tokens, windows


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
