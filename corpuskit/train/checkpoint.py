"""Checkpoints: what a run needs to go on as if it had never stopped. safetensors and JSON, no pickle.

    OUT/checkpoints/step-00000400/model.safetensors       the weights, by name
                                  optimizer.safetensors   the optimizer's and the guard's state
                                  state.json              step, settings, fingerprints, digests of the files
    OUT/checkpoints/latest                                name of the checkpoint to go on from

A checkpoint is written into a temporary folder, flushed, renamed, and only then named in `latest`: a kill at
any moment leaves the one before. There is no random state in it: the order of the data and the dropout masks
follow from the seed and the step, which are.

Several processes write a file each (`model-00001-of-00002.safetensors`) of the elements that no process
before them holds; the file's header says which region of which whole tensor each piece is. So any number of
processes reads what any other number wrote. All of them must see the same folder.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from corpuskit.errors import TrainError
from corpuskit.storage import files as storage
from corpuskit.storage.files import read_sealed, seal
from corpuskit.train.parallel.layout import Layout
from corpuskit.train.parallel.processes import Grid

FORMAT = 2
FOLDER = "checkpoints"
STEP = re.compile(r"step-\d{8,}(?:-\d+)?")
"""Names of checkpoints; see `_unused_name`."""

NAMES = re.compile(f"(?:{storage.UNFINISHED})?{STEP.pattern}")
"""Folders of checkpoints, finished or not: others in their place are not ours."""

FILES = re.compile(r"state\.json|(?:model|optimizer)(?:-\d{5}-of-\d{5})?\.safetensors")
"""Files of a checkpoint."""

Held = Mapping[str, Mapping[str, Tensor]]
"""What this process holds: tensors by name, under the stem of the file that they go into."""

ALONE = Grid(torch.device("cpu"))


def save_checkpoint(
    out: Path,
    held: Held,
    state: Mapping[str, Any],
    keep: int,
    grid: Grid = ALONE,
    layouts: Mapping[str, Layout] | None = None,
) -> Path:
    """Write a checkpoint of step `state["step"]` and name it the latest; only the newest `keep` stay.

    All processes of the grid call it together.

    Args:
        held: this process's tensors.
        layouts: where the elements of each parameter lie, by its name; the state of a parameter, whose name
            ends with the parameter's, lies alike. What has none here is whole at every process.

    Raises:
        StorageError: it cannot be written; the earlier checkpoints are untouched.
    """
    folder = out / FOLDER
    name = grid.texts(_unused_name(folder, f"step-{state['step']:08d}"))[0]
    temporary = folder / f"{storage.UNFINISHED}{name}"
    with storage.writing(folder / name):
        with _together(grid, temporary):
            if grid.is_first:
                storage.remove_files(temporary, FILES)
                temporary.mkdir(parents=True, exist_ok=True)
        with _together(grid, temporary):
            digests = _write_files(temporary, held, grid, layouts or {})
        digests = {k: v for each in grid.texts(json.dumps(digests)) for k, v in json.loads(each).items()}
        with _together(grid, temporary):
            if grid.is_first:
                document = storage.json_bytes(seal({"format": FORMAT, **state, "sha256": digests}))
                storage.write_durably(temporary / "state.json", document)
                # Before it bears its name and after: else the name might outlive what it stands for.
                storage.flush(temporary)
                os.replace(temporary, folder / name)
                storage.flush(folder)
                storage.write_file(folder / "latest", name.encode())
                _remove_old(folder, name, keep)
    return folder / name


@contextlib.contextmanager
def _together(grid: Grid, temporary: Path) -> Iterator[None]:
    """Do something in all processes; where one fails, all do, and the half that was written is removed.

    On a full disk it would take the room that is needed.
    """
    failure: OSError | None = None
    try:
        yield
    except OSError as error:
        failure = error
    if grid.agree(float(failure is not None))[0]:
        if grid.is_first:
            with contextlib.suppress(OSError):  # The first error says why.
                storage.remove_files(temporary, FILES)
        raise failure or OSError("another process could not write its share")


def _write_files(folder: Path, held: Held, grid: Grid, layouts: Mapping[str, Layout]) -> dict[str, str]:
    """Write this process's files; returns their digests."""
    digests = {}
    for stem, tensors in held.items():
        mine, pieces = {}, {}
        for name, tensor in tensors.items():
            layout = layout_of(name, tensor, layouts)
            if not layout.is_first_holder(grid.here):  # What several hold is written once.
                continue
            if not layout.replicated:
                regions = [[(p.start, p.stop) for p in region] for region in layout.regions(grid.here)]
                pieces[name] = {"shape": layout.shape, "regions": regions}
            mine[name] = tensor
        share = "" if grid.size == 1 else f"-{grid.index:05d}-of-{grid.size:05d}"
        file = f"{stem}{share}.safetensors"
        if mine:
            notes = {"pieces": json.dumps(pieces, sort_keys=True)} if pieces else None
            digests[file] = storage.write_durably(folder / file, save(_on_cpu(mine), notes))
    return digests


def layout_of(name: str, tensor: Tensor, layouts: Mapping[str, Layout]) -> Layout:
    """Where a parameter's elements lie, or those of its state ("exp_avg.NAME"); else whole everywhere."""
    found = layouts.get(name) or layouts.get(name.partition(".")[2])
    return found or Layout(tuple(tensor.shape))


def latest_checkpoint(out: Path) -> Path | None:
    """Folder of the checkpoint that `latest` names; None where there is none yet.

    Raises TrainError when `latest` is damaged, or names a folder that is not there.
    """
    pointer = out / FOLDER / "latest"
    if not pointer.exists():
        if any(pointer.parent.glob("step-*/state.json")):
            raise TrainError(f"{pointer} is missing", remedy=_others(pointer))
        return None
    try:
        name = pointer.read_text(encoding="utf-8", errors="replace").strip()
    except OSError as error:
        raise TrainError(f"cannot read {pointer}: {error.strerror}", remedy=_others(pointer)) from error
    folder = pointer.parent / name
    if not STEP.fullmatch(name) or not (folder / "state.json").is_file():
        raise TrainError(
            f"{pointer} names the checkpoint {name!r}, which is not there", remedy=_others(folder)
        )
    return folder


def check_checkpoint(folder: Path, needed: Mapping[str, type] | None = None) -> dict[str, Any]:
    """A checkpoint's state.json, as `read_state`; raises TrainError too for a damaged file."""
    state = read_state(folder, {"sha256": dict, **(needed or {})})
    for name, sha256 in state["sha256"].items():
        _check(folder / name, sha256)
    return state


def read_state(folder: Path, needed: Mapping[str, type] | None = None) -> dict[str, Any]:
    """A checkpoint's state.json.

    Args:
        needed: what it must hold, of which types.

    Raises:
        TrainError: it cannot be read, is of another format, or lacks something.
    """
    path = folder / "state.json"
    try:
        state = read_sealed(path)
    except (OSError, ValueError, RecursionError) as error:
        raise TrainError(f"cannot read {path}: {error}", remedy=_others(folder)) from error
    if state.get("format") != FORMAT:
        raise TrainError(
            f"{path} is no checkpoint of format {FORMAT}",
            remedy="Go on with the version of corpuskit that wrote it, or begin anew with --overwrite.",
        )
    check_state(folder, state, needed or {})
    return state


def check_state(folder: Path, state: Mapping[str, Any], needed: Mapping[str, type]) -> None:
    """Raise TrainError where what a checkpoint says lacks something, or has it of another type."""
    missing = [name for name, kind in needed.items() if not isinstance(state.get(name), kind)]
    if missing:
        raise TrainError(
            f"{folder / 'state.json'} is damaged: it lacks {', '.join(missing)}", remedy=_others(folder)
        )


def _others(folder: Path) -> str:
    """What to do without this checkpoint."""
    others = sorted(path.parent.name for path in folder.parent.glob("step-*/state.json"))
    names = [name for name in others if name != folder.name]
    if not names:
        return "There is no other checkpoint: begin anew with --overwrite."
    return f"Write {names[-1]} into {folder.parent / 'latest'}, and go on from there with --resume."


def load_checkpoint(
    folder: Path, held: Held, grid: Grid = ALONE, layouts: Mapping[str, Layout] | None = None
) -> dict[str, dict[str, Tensor]]:
    """This process's tensors out of a checkpoint that any number of processes wrote.

    Args:
        held: the tensors that are wanted, as in `save_checkpoint`; their values do not matter.

    Raises:
        TrainError: a file is damaged, or does not hold what is wanted.
    """
    digests = read_state(folder, {"sha256": dict})["sha256"]
    found = {}
    for stem, wanted in held.items():
        files = [name for name in sorted(digests) if name.removesuffix(".safetensors").split("-")[0] == stem]
        for name in files:
            _check(folder / name, digests[name])
        found[stem] = _read(folder, files, stem, wanted, grid, layouts or {})
    return found


def _read(
    folder: Path,
    files: list[str],
    stem: str,
    wanted: Mapping[str, Tensor],
    grid: Grid,
    layouts: Mapping[str, Layout],
) -> dict[str, Tensor]:
    def foreign(how: str) -> TrainError:
        return TrainError(
            f"{folder / stem}.safetensors does not hold the {stem} of this run: {how}",
            remedy="It was changed, or is another model's: go on from an older checkpoint, or begin anew.",
        )

    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(safe_open(folder / name, "pt")) for name in files]
        pieces = [json.loads((each.metadata() or {}).get("pieces", "{}")) for each in opened]
        places: dict[str, list[int]] = {}
        for number, each in enumerate(opened):
            for name in each.keys():  # noqa: SIM118 - it is no dictionary
                places.setdefault(name, []).append(number)
        if places.keys() != wanted.keys():
            raise foreign(f"they differ in {', '.join(sorted(places.keys() ^ wanted.keys())[:5])}")
        found = {}
        for name, like in wanted.items():
            layout = layout_of(name, like, layouts)
            whole = _assemble(name, [(opened[n], pieces[n].get(name)) for n in places[name]])
            if whole is None or tuple(whole.shape) != layout.shape:
                raise foreign(f"{name} is not of the shape {layout.shape}")
            found[name] = layout.take(whole, grid.here).to(like.device)
    return found


def _assemble(name: str, sources: list[tuple[Any, dict[str, Any] | None]]) -> Tensor | None:
    """A whole tensor out of its pieces; None where they do not fill it."""
    file, piece = sources[0]
    if piece is None:
        tensor: Tensor = file.get_tensor(name)
        return tensor
    first = file.get_tensor(name)
    whole, filled = first.new_empty(piece["shape"]), 0
    for file, piece in sources:
        local, row = file.get_tensor(name), 0
        for region in (piece or {"regions": []})["regions"]:
            box = whole[tuple(slice(*bounds) for bounds in region)]
            box.copy_(local[row : row + box.shape[0]])
            row, filled = row + box.shape[0], filled + box.numel()
    return whole if filled == math.prod(whole.shape) else None


def save_weights(path: Path, weights: Mapping[str, Tensor], notes: Mapping[str, str]) -> str:
    """Write whole weights with notes (text by name) in the file's header; returns the sha256 in hex.

    Raises StorageError, with the old file in place, when it cannot be written.
    """
    return storage.write_file(path, save(_on_cpu(weights), dict(notes)))


def _check(path: Path, sha256: str) -> None:
    """Raise TrainError unless the file's bytes are those that were written."""
    try:
        if (actual := storage.sha256_file(path)) == sha256:
            return
    except OSError as error:
        raise TrainError(f"cannot read {path}: {error}", remedy=_others(path.parent)) from error
    raise TrainError(f"{path} is damaged: sha256 {actual}, recorded {sha256}", remedy=_others(path.parent))


def _on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    # safetensors writes a tensor's memory as it lies there.
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _unused_name(folder: Path, name: str) -> str:
    """The name itself, or with a number when a checkpoint has it: `latest` must never lose what it names."""
    tries = (name if number == 0 else f"{name}-{number}" for number in itertools.count())
    return next(candidate for candidate in tries if not (folder / candidate).exists())


def remove_later(folder: Path) -> None:
    """Remove the checkpoints later than this one, which a run cannot go on from and will write again."""
    with storage.writing(folder.parent):
        names = [path.name for path in folder.parent.glob("step-*")]
        remove_checkpoints(folder.parent, [name for name in names if name <= folder.name])


def _remove_old(folder: Path, newest: str, keep: int) -> None:
    """Remove what is older than the newest `keep` checkpoints, what is later than this one, and leftovers."""
    # Later ones are of a run that went back to an older checkpoint: it will write them again.
    names = sorted(path.parent.name for path in folder.glob("step-*/state.json"))
    kept = [name for name in names if NAMES.fullmatch(name) and name <= newest][-keep:]
    remove_checkpoints(folder, kept)


def remove_checkpoints(folder: Path, kept: Collection[str] = ()) -> None:
    """Remove the checkpoints in a folder but those that are named. Raises OSError."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if NAMES.fullmatch(path.name) and path.name not in kept:
            storage.remove_files(path, FILES)
