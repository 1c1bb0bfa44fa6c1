"""Names as they may be stored, and paths that must be of this machine."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from corpuskit.errors import SettingError, read_remedy, write_remedy
from corpuskit.run.folder import Run
from corpuskit.storage.places import local_path, plain_name


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("größer 世界 [x].txt", "größer 世界 [x].txt"),
        ("\udcff.txt", "\\xff.txt"),
        ("a\x1b[31m\n\t\x7f", "a\\x1b[31m\\x0a\\x09\\x7f"),
        ("\x9b31m\u2028", "\\x9b31m\\u2028"),
        ("\ud83d half", "\\ud83d half"),
    ],
)
def test_names(name: str, stored: str) -> None:
    assert plain_name(name) == stored
    stored.encode("utf-8")


@pytest.mark.parametrize(
    "place", ["s3://b/run", "file:///tmp/run", "s3:/b/run", Path("s3://b/run"), "X+1://y"]
)
def test_a_uri_is_no_path_of_this_machine(place: str | Path) -> None:
    with pytest.raises(SettingError, match="is a URI"):
        local_path(place)
    with pytest.raises(SettingError, match="is a URI"):
        Run(place)


@pytest.mark.parametrize("place", ["run", "/a/b:c", "a:b", "./s3:/x", Path("runs/x")])
def test_paths_stay(place: str | Path) -> None:
    assert local_path(place) == Path(place)


def test_remedies_name_the_limit_of_open_files() -> None:
    for code in (errno.EMFILE, errno.ENFILE):
        for remedy in (read_remedy, write_remedy):
            assert "files open. Raise it: `ulimit -n" in remedy(OSError(code, "x"))
    assert "permissions" in read_remedy(OSError(errno.EACCES, "x"))
