"""A teacher's answers on disk: of each token of shards the k likeliest that follow, for distillation.

    OUT/teacher.json           what was stored, of which teacher, with the digests of the files; sealed
    OUT/train-00000.top        a record for each token of the shard train-00000, one behind the other

    record    values  float16 (k,)      log-probabilities of the k likeliest next tokens, at temperature 1
              ids     uint16/uint32 (k,)
              rest    float32 (n,)      log of what the other tokens weigh, at each of n temperatures

Record p of a split is what the teacher says of token p + 1, having read up to token p. It is found by the
token's position, so that any batch of any packing has its records; `corpuskit.train.data.store_teacher`
writes them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from corpuskit.errors import SettingError, ShardError, TrainError
from corpuskit.shards.batches import find
from corpuskit.shards.reader import Shards
from corpuskit.storage.files import read_sealed, sha256_file
from corpuskit.train.model.distances import TopLogits

FORMAT = 1
MANIFEST = "teacher.json"
_OPEN_FILES = 64
_REMEDY = "Bring the file back from where it was copied, or store the teacher's answers again."


@dataclass(frozen=True)
class StoreSettings:
    """What is stored.

    Attributes:
        k: tokens of a position.
        context: R, tokens of a window that the teacher reads.
        stride: S, those of them that get their record; 0 for half of R.
        rows: windows that are read at once.
        temperatures: at which a student may learn from it.
    """

    k: int = 16
    context: int = 512
    stride: int = 0
    rows: int = 8
    temperatures: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        """Raises SettingError for what cannot be."""
        object.__setattr__(self, "stride", self.stride or max(1, self.context // 2))
        object.__setattr__(self, "temperatures", tuple(float(each) for each in self.temperatures))
        for name in ("k", "context", "rows", "stride"):
            if getattr(self, name) < 1:
                raise SettingError(f"{name} = {getattr(self, name)} is below 1", remedy="Give 1 or more.")
        if self.stride > self.context:
            raise SettingError(
                f"stride = {self.stride} is above context = {self.context}",
                remedy="Give at most the context.",
            )
        if not self.temperatures or min(self.temperatures) <= 0:
            raise SettingError(
                f"temperatures = {self.temperatures}: each is above 0", remedy="Give (1.0,), or (1.0, 2.0)."
            )


def record_type(k: int, vocab_size: int, temperatures: int) -> np.dtype[np.void]:
    """A record, see above."""
    ids = "<u2" if vocab_size <= 1 << 16 else "<u4"
    return np.dtype([("values", "<f2", (k,)), ("ids", ids, (k,)), ("rest", "<f4", (temperatures,))])


def read_document(path: Path) -> dict[str, Any]:
    """A sealed document of such a folder; raises ShardError, naming it, where it is not whole."""
    try:
        return read_sealed(path)
    except FileNotFoundError as error:
        raise ShardError(
            f"{path.parent} holds no {path.name}", remedy="Name a folder of a teacher's stored answers."
        ) from error
    except (OSError, ValueError) as error:
        raise ShardError(f"cannot read {path}: {error}", remedy=_REMEDY) from error


class TeacherStore:
    """A folder of stored answers.

    Attributes:
        settings: what is stored.
        teacher: fingerprint of who answered.
        tokenizer_sha256, vocab_size, shards_fingerprint: of what was read.
    """

    def __init__(self, folder: Path | str) -> None:
        """Open a folder; raises ShardError where it is not whole or not of this format."""
        self.folder = Path(folder)
        path = self.folder / MANIFEST
        found = read_document(path)
        if found.get("format") != FORMAT:
            raise ShardError(
                f"{path} has format {found.get('format')!r}; this version reads {FORMAT}", remedy=_REMEDY
            )
        try:
            self.settings = StoreSettings(
                **{name: found[name] for name in ("k", "context", "stride", "rows", "temperatures")}
            )
            self.teacher, self.tokenizer_sha256 = str(found["teacher"]), str(found["tokenizer_sha256"])
            self.vocab_size = int(found["vocab_size"])
            self.shards_fingerprint = str(found["shards_fingerprint"])
            self._files: dict[str, list[dict[str, Any]]] = dict(found["splits"])
            self.record = record_type(self.settings.k, self.vocab_size, len(self.settings.temperatures))
            for each in self._all():
                size = int(each["tokens"]) * self.record.itemsize
                file = self.folder / f"{each['name']}.top"
                if not file.is_file() or file.stat().st_size != size:
                    raise ShardError(f"{file} is not there with its {size} bytes", remedy=_REMEDY)
        except (KeyError, TypeError, ValueError) as error:
            raise ShardError(f"{path} does not describe stored answers: {error}", remedy=_REMEDY) from error

    def check(self, shards: Shards) -> None:
        """Raises TrainError unless it was stored for these shards: with their tokenizer, token for token."""
        if (self.tokenizer_sha256, self.vocab_size) != (shards.tokenizer_sha256, shards.vocab_size):
            raise TrainError(
                f"{self.folder} was stored with another tokenizer: {self.vocab_size:,} tokens, sha256 "
                f"{self.tokenizer_sha256[:12]}; the shards' {shards.vocab_size:,}, "
                f"{shards.tokenizer_sha256[:12]}",
                remedy="Take a teacher with the tokenizer of the shards.",
            )
        if self.shards_fingerprint != shards.fingerprint:
            raise TrainError(
                f"{self.folder} was stored for shards with the fingerprint {self.shards_fingerprint[:12]}, "
                f"these have {shards.fingerprint[:12]}",
                remedy="Store the teacher's answers for these shards.",
            )

    def split(self, name: str) -> StoredAnswers:
        """The answers of one split; raises SettingError where none are stored."""
        if name not in self._files:
            raise SettingError(
                f"{self.folder} has no answers for the split {name!r}",
                remedy=f"It has {', '.join(self._files)}.",
            )
        return StoredAnswers(self, self._files[name])

    def verify(self) -> None:
        """Read every file; raises ShardError for the first whose sha256 is not as recorded."""
        for each in self._all():
            file = self.folder / f"{each['name']}.top"
            actual = sha256_file(file)
            if actual != each["sha256"]:
                raise ShardError(
                    f"{file} is damaged: sha256 {actual}, recorded {each['sha256']}", remedy=_REMEDY
                )

    def _all(self) -> Iterator[dict[str, Any]]:
        for files in self._files.values():
            yield from files


class StoredAnswers:
    """The answers of a split as one line of records; files are memory-mapped, 64 at most at a time.

    Attributes:
        tokens: records, one for each token of the split.
    """

    def __init__(self, store: TeacherStore, files: Sequence[Mapping[str, Any]]) -> None:
        self._store, self._files = store, files
        self._ends = np.cumsum([int(each["tokens"]) for each in files], dtype=np.int64)
        self.tokens = int(self._ends[-1]) if len(files) else 0
        self._maps: OrderedDict[int, npt.NDArray[np.void]] = OrderedDict()

    def read(self, start: int, count: int) -> npt.NDArray[np.void]:
        """The records [start, start + count), across files. Raises IndexError outside the split."""
        if start < 0 or count < 0 or start + count > self.tokens:
            raise IndexError(
                f"records [{start}, {start + count}) lie outside the {self.tokens} that there are"
            )
        pieces = []
        while count > 0:
            number, offset = find(self._ends, start)
            piece = self._map(number)[offset : offset + count]
            pieces.append(piece)
            start, count = start + len(piece), count - len(piece)
        if len(pieces) == 1:
            return pieces[0]
        return np.concatenate(pieces) if pieces else np.zeros(0, self._store.record)

    def rows(self, starts: Sequence[int], count: int, temperature: float = 1.0) -> TopLogits:
        """What the teacher says at `count` positions from each of these on, on the CPU: (rows, count, ...).

        Raises SettingError for a temperature that was not stored.
        """
        known = self._store.settings.temperatures
        if temperature not in known:
            raise SettingError(
                f"temperature = {temperature} was not stored: the other tokens weigh otherwise at each",
                remedy=f"Take {', '.join(f'{each:g}' for each in known)}, or store answers at this one too.",
            )
        records = np.stack([self.read(start, count) for start in starts])
        column = known.index(temperature)
        return TopLogits(
            torch.from_numpy(records["values"].astype(np.float32)),
            torch.from_numpy(records["ids"].astype(np.int64)),
            torch.from_numpy(records["rest"][..., column : column + 1].copy()),
        )

    def _map(self, number: int) -> npt.NDArray[np.void]:
        if number not in self._maps:
            each = self._files[number]
            path = self._store.folder / f"{each['name']}.top"
            try:
                self._maps[number] = np.memmap(
                    path, self._store.record, mode="r", shape=(int(each["tokens"]),)
                )
            except (OSError, ValueError) as error:
                raise ShardError(f"cannot read the stored answers {path}: {error}", remedy=_REMEDY) from error
            if len(self._maps) > _OPEN_FILES:
                self._maps.popitem(last=False)
        self._maps.move_to_end(number)
        return self._maps[number]
