"""Folders as they occur: links, loops, pipes, names that are not UTF-8."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from corpuskit.errors import InputError
from corpuskit.sources.folders import (
    NO_KNOWN_FORMAT,
    FolderSelection,
    begin_reading,
    fits_pattern,
    relative_name,
    require_local,
    set_aside,
    split_pattern,
    survey,
)


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


def selection(folder: Path, **globs: tuple[str, ...]) -> FolderSelection:
    for name in ("a.txt", "b/c.txt", "d.pdf", "e.pdf", "LICENSE", "fetch.json", ".git"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("four")
    return FolderSelection("files 'x'", str(folder), **globs)


def test_what_is_not_read_is_told_by_the_first_part(tmp_path: Path) -> None:
    """Files of unknown kinds by their kinds, others by their names; what a fetch leaves there not at all."""
    chosen = selection(tmp_path)
    left = chosen.leave(NO_KNOWN_FORMAT, lambda name: not name.endswith(".txt"))
    assert left == ["LICENSE", "d.pdf", "e.pdf", "fetch.json"]
    chosen.unreadable = {"b/c.txt": "b/c.txt: bad"}
    first, second = chosen.parts(5, {"key": 1})
    assert (first.name, first.bytes, [Path(f).name for f in first.files]) == ("00000", 4, ["a.txt"])
    assert first.detail == {
        "key": 1,
        "not_read": [
            "files 'x': not read, no known format: .pdf (2), LICENSE (1)",
            "files 'x': not read, hidden: .git",
        ],
    }
    assert second.detail == {"key": 1, "unreadable": {"b/c.txt": "b/c.txt: bad"}}
    out = begin_reading(first)
    set_aside(out, "files 'x'", "b/c.txt", 4, "b/c.txt: bad")
    (reading,) = out.take(rest=True)
    assert reading.warnings == [*first.detail["not_read"], "files 'x': not read: b/c.txt: bad"]
    assert [(q.id, q.kind, q.bytes) for q in reading.quarantined] == [("b/c.txt", "unreadable_file", 4)]


def test_of_names_that_the_globs_leave_out_nothing_is_said(tmp_path: Path) -> None:
    chosen = selection(tmp_path, include=("*.txt", "d.*", ".git"), exclude=("*/c.txt", ".g*"))
    assert [name for name, _ in chosen.files] == ["a.txt", "d.pdf"]
    assert [name for name, _ in chosen.found][-1] == "fetch.json"
    chosen.leave("a test", lambda name: name.endswith((".pdf", "E")))
    (part,) = chosen.parts(100)
    assert part.detail == {"not_read": ["files 'x': not read, a test: d.pdf"]}


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"wikipedia: '.*nowhere' does not exist"):
        FolderSelection("wikipedia", str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("name", "pattern", "fits"),
    [
        ("a.txt", "*.txt", True),
        ("b/a.txt", "*.txt", False),
        ("b/a.txt", "*/*.txt", True),
        ("b/c/a.txt", "**/*.txt", True),
        ("a.txt", "**/*.txt", True),
        ("b/c/a.txt", "b/**", True),
        ("b", "b/**", False),
        ("b/c/d/a.txt", "b/**/d/*", True),
        ("b/a.txt", "b?a.txt", False),
        ("2024-05/a.txt", "2024-[01][0-9]/a.*", True),
        ("A.TXT", "*.txt", False),
    ],
)
def test_patterns_are_those_of_shells(name: str, pattern: str, fits: bool) -> None:
    assert fits_pattern(name, pattern) is fits


def test_a_pattern_begins_where_the_first_wild_card_is(tmp_path: Path) -> None:
    assert split_pattern("/data/2024/*.txt") == ("/data/2024", "*.txt")
    assert split_pattern("/*/a.txt") == ("/", "*/a.txt")
    assert split_pattern("*.txt") == (".", "*.txt")
    assert split_pattern("plain/a.txt") == ("plain/a.txt", "")
    assert split_pattern("s3://bucket/*.txt") == ("s3://bucket/*.txt", "")
    (tmp_path / "[x]").mkdir()
    assert split_pattern(str(tmp_path / "[x]")) == (str(tmp_path / "[x]"), "")


def test_only_so_many_folders_are_entered(tmp_path: Path) -> None:
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    for folder in (tmp_path, tmp_path / "a", tmp_path / "a" / "b", tmp_path / "a" / "b" / "c"):
        (folder / "x.txt").write_text("x")
    found = [[n for n, _ in survey(str(tmp_path), depth).files] for depth in (0, 1, None)]
    assert found[:2] == [["x.txt"], ["a/x.txt", "x.txt"]]
    assert len(found[2]) == 4


def test_names_below_a_folder(tmp_path: Path) -> None:
    assert relative_name("/data/in", "/data/in/b/a.txt") == "b/a.txt"
    assert relative_name("/data/in/", "/data/in/b/a.txt") == "b/a.txt"
    assert relative_name("/data//in", "/data/in/a.txt") == "a.txt"
    assert relative_name("/data/a.txt", "/data/a.txt") == "a.txt"
    assert relative_name(".", "./a\x1b\n.txt") == "a\\x1b\\x0a.txt"


def test_a_folder_is_not_listed_by_its_uri() -> None:
    with pytest.raises(InputError, match=r"files 'x': s3://bucket/in is a URI"):
        require_local("files 'x'", "s3://bucket/in")


def test_a_glob_that_fits_nothing_is_told_beside_one_that_does(tmp_path: Path) -> None:
    chosen = selection(tmp_path, include=("*.txt", "*.tex"))
    (part,) = chosen.parts(100)
    assert part.detail["not_read"] == ["files 'x': no file fits of `include`: *.tex"]


def test_many_folders_of_any_name_in_a_pattern_cost_no_more_than_one() -> None:
    name, pattern = "/".join("a" * 60), "/".join(["**", "a"] * 25)
    assert fits_pattern(name, pattern)
    assert not fits_pattern(name, f"{pattern}/b")
    assert not fits_pattern("a", "a/**")
    assert fits_pattern("a/b", "a/**")
