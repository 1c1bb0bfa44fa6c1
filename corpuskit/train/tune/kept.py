"""What a run keeps of its data in the model folder, and what DATA it was made of.

Data are encoded under a name of their own, and take that of what was encoded before when the run begins: an
old model keeps its examples until it is itself removed.
"""

from __future__ import annotations

import os
from pathlib import Path

from corpuskit.storage.datasets.words import are_words, words_of
from corpuskit.storage.files import UNFINISHED, sha256_file, sha256_json, writing
from corpuskit.storage.places import local_path, names_below
from corpuskit.train.tune.sides import SIDES, remove_examples
from corpuskit.train.tune.texts import SHARDS, remove_shards

DATA = "data"
"""Where what a run keeps of its data lies in the model folder."""


def unfinished(out: Path) -> Path:
    """Where data are encoded for a run that has not begun."""
    return out / f"{UNFINISHED}{DATA}"


def remove_kept(folder: Path) -> None:
    """Remove examples and shards below a folder, by name, and the folder if it is empty then."""
    remove_examples(folder)
    remove_shards(folder)


def put_in_place(out: Path) -> None:
    """Replace what OUT keeps by what was encoded for the run that begins now."""
    made, kept = unfinished(out), out / DATA
    remove_kept(kept)
    if not made.is_dir():
        return
    with writing(kept):
        kept.mkdir(parents=True, exist_ok=True)
        for name in (*SIDES, SHARDS):
            if (made / name).is_dir():
                os.replace(made / name, kept / name)
    remove_kept(made)


def given(data: str, *others: str) -> dict[str, str | None]:
    """What DATA are: their name, without the folders above, and the sha256 of what their files hold.

    The latter is None where there is nothing to read: of a name at the Hub, and of data that are gone.

    Args:
        others: files that are read beside them.
    """
    if others:
        each = [given(one) for one in (data, *others)]
        digests = [one["sha256"] for one in each]
        names = " and ".join(str(one["name"]) for one in each)
        return {"name": names, "sha256": None if None in digests else sha256_json(digests)}
    if are_words(data):
        named = words_of(data).named(data)
        if not named.is_local:
            return {"name": f"hf:{named.path}{f':{named.name}' if named.name else ''}", "sha256": None}
        data = named.path
    path = local_path(data).expanduser()
    if path.is_dir():
        digests_of = {name: sha256_file(path / name) for name in names_below(path)}
        return {"name": path.name, "sha256": sha256_json(digests_of)}
    return {"name": path.name, "sha256": sha256_file(path) if path.is_file() else None}
