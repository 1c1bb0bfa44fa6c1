"""The door of the package: ``__all__`` is what is there, sorted, and each name can be imported."""

from __future__ import annotations

import ast
import importlib
import textwrap
from pathlib import Path

import pytest

import corpuskit

SOURCE = Path(corpuskit.__file__).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", corpuskit.__all__)
def test_each_name_is_there(name: str) -> None:
    value = getattr(corpuskit, name)
    if name != "__version__":
        module = importlib.import_module(corpuskit._PLACES[name])
        assert value is getattr(module, "load" if name == "load_recipe" else name)
        assert value.__doc__


def test_all_is_sorted_and_whole() -> None:
    assert corpuskit.__all__ == sorted(set(corpuskit.__all__))
    # What type checkers see is what there is.
    block = SOURCE.split("if TYPE_CHECKING:\n")[1].split("\n\n\ndef ")[0]
    names = [a for node in ast.walk(ast.parse(textwrap.dedent(block))) for a in getattr(node, "names", ())]
    seen = {alias.asname for alias in names}
    assert seen | {"__version__"} == set(corpuskit.__all__)


def test_what_can_be_completed_is_what_there_is() -> None:
    assert dir(corpuskit) == corpuskit.__all__


def test_an_unknown_name() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        corpuskit.Nothing  # noqa: B018


def test_nothing_else_is_public() -> None:
    """Submodules appear when they are imported; of plain names only the listed ones are public."""
    modules = {p.stem for p in Path(corpuskit.__file__).parent.iterdir()}
    public = {name for name in vars(corpuskit) if not name.startswith("_")} - modules
    assert public <= set(corpuskit.__all__) | {"annotations", "import_module", "version", "Any"} | {
        "PackageNotFoundError",
        "TYPE_CHECKING",
    }
