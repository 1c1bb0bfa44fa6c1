"""The encoding rows count what they say."""

from __future__ import annotations

from pathlib import Path

from benchmarks.gutenberg_encoding import Flagged, Text, flagged, ours_right


def test_right_and_flagged_are_counted() -> None:
    words = "Le café était déjà fermé; l'élève, très gêné, rentra à l'hôtel de la forêt. " * 4
    several = [
        Text(Path("a"), words.encode("latin-1"), "ISO-8859-1", words),
        Text(Path("b"), words.encode("latin-1"), "ISO-8859-1", "other words"),
    ]
    assert ours_right(several) == 50
    # ASCII, UTF-8, Windows-1251, ISO-8859-2 and Shift_JIS are wrong, ISO-8859-1 is not.
    assert flagged(several[:1], stated=False) == Flagged(5, 5, 5, 0, 0)
    # Two letters between spaces are legal ones of Windows-1251, ISO-8859-2 and Shift_JIS.
    two = Text(Path("c"), "£ and £".encode("latin-1"), "ISO-8859-1", "£ and £")
    assert flagged([two], stated=True) == Flagged(5, 2, 2, 3, 0)
