"""Recipes of training runs: a YAML file of settings by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

import corpuskit
from corpuskit.errors import SettingError, checks_arguments, nearest


def shipped() -> dict[str, Path]:
    """The recipes that come with the project, by name."""
    package = Path(corpuskit.__file__).parent
    # An installed package holds the folder itself; in the repository it stands beside the package.
    for folder in (package / "pipelines" / "train", package.parent / "pipelines" / "train"):
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    return {}


@checks_arguments
def load_training_recipe(recipe: Path | str) -> dict[str, Any]:
    """Settings by name from a recipe, the path of a YAML file or the name of one that ships.

    Raises SettingError when there is no such recipe, or it is not a mapping of names to values; the values
    themselves are checked by `TrainSettings.checked`.
    """
    path = Path(recipe)
    if not path.is_file():
        known = shipped()
        if str(recipe) not in known:
            raise SettingError(
                f"{recipe} is neither a file nor a recipe that ships ({', '.join(known)})",
                remedy=nearest(str(recipe), known),
            )
        path = known[str(recipe)]
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise SettingError(
            f"{path} cannot be read as YAML: {error}", remedy="Mend it there; it holds `name: value` lines."
        ) from error
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise SettingError(
            f"{path} is no mapping of settings", remedy="Write one `name: value` in a line, as size: small."
        )
    return values
