"""The benchmark of memorization: its documents, its table, and which bars its rows answer."""

from __future__ import annotations

from benchmarks.memorize import ARMS, COPIES, _documents, _rows, _table


def figures(recited: float) -> dict[str, float]:
    found = {f"recited, {copies} copies": recited * copies / 100 for copies in COPIES}
    found["recited, mean"] = recited / 3
    return found | {"held-out loss": 4.0} | {f"exposure, {copies} copies": 1.0 + copies for copies in COPIES}


def test_documents_are_whole_speeches_and_no_text_is_in_two() -> None:
    text = "\n\n".join(f"SPEAKER {number}:\n" + "word " * 30 for number in range(40))
    found = _documents(text)
    assert len(found) > 5
    assert all(len(each) >= 400 and each.startswith("SPEAKER") for each in found)
    assert text.startswith("".join(found)[:-2])


def test_a_remedy_that_lowers_nothing_misses_its_bar() -> None:
    found = {arm: [figures(10.0)] for arm in ARMS} | {"nothing": [figures(50.0), figures(60.0)]}
    bars = {row.what: row.met for row in _rows(found, "x") if row.bar}
    assert len(bars) == 5
    assert all(bars.values())
    found["goldfish 1 in 4"] = [figures(70.0)]
    bars = {row.what: row.met for row in _rows(found, "x") if row.bar}
    assert [what for what, met in bars.items() if not met] == ["goldfish 1 in 4: recited, mean"]


def test_the_table_has_a_line_for_each_remedy_and_its_spread() -> None:
    lines = _table({arm: [figures(10.0), figures(20.0)] for arm in ARMS}).splitlines()
    assert len(lines) == len(ARMS) + 1
    assert all(" 15.00 ±5.00" in line for line in lines[1:])
