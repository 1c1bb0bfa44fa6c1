"""Folders as they occur: links, loops, pipes, names that are not UTF-8."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from corpuskit.errors import InputError
from corpuskit.sources.folders import survey


def names(root: Path) -> list[str]:
    return [name for name, _ in survey(str(root)).files]


def test_links_to_folders_are_followed_and_each_folder_is_read_once(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root / "b", outside / "deep"):
        folder.mkdir(parents=True)
    (root / "b" / "own.txt").write_text("x")
    (outside / "far.txt").write_text("x")
    (outside / "deep" / "farther.txt").write_text("x")
    (root / "a").symlink_to(root / "b")  # sorts before the folder itself, which still keeps its name
    (root / "c").symlink_to(outside)
    (root / "d").symlink_to(outside / "deep")
    (root / "b" / "loop").symlink_to(root)
    (outside / "back").symlink_to(tmp_path)
    found = survey(str(root))
    assert [n for n, _ in found.files] == ["b/own.txt", "c/deep/farther.txt", "c/far.txt"]
    again = found.others["link to a folder that is read already"]
    assert again == ["a", "b/loop", "d"]
    assert names(root) == names(root)


def test_a_link_to_a_file_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "x.txt").write_text("x")
    (tmp_path / "in" / "y.txt").symlink_to(tmp_path / "x.txt")
    assert names(tmp_path / "in") == ["y.txt"]


def test_what_is_no_regular_file_is_named_and_never_opened(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "gone.txt").symlink_to("/nowhere/at/all")
    (tmp_path / "self.txt").symlink_to(tmp_path / "self.txt")
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "b.txt").write_text("x")
    here = os.getcwd()
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(tmp_path)  # the path of a socket may have 107 bytes
        try:
            server.bind("socket.txt")
        finally:
            os.chdir(here)
    found = survey(str(tmp_path))
    assert [n for n, _ in found.files] == ["a.txt"]
    assert found.others == {
        "dangling link": ["gone.txt", "self.txt"],
        "hidden": [".hidden"],
        "named pipe": ["pipe.txt"],
        "socket": ["socket.txt"],
    }


def test_a_pipe_as_the_input_itself_is_an_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(InputError, match="neither a file nor a folder"):
        survey(str(tmp_path / "pipe.txt"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list any folder")
def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "locked").mkdir(mode=0)
    assert survey(str(tmp_path)).others == {"folder that cannot be listed (Permission denied)": ["locked"]}
