"""Canaries: their format, what is drawn, the file that lists them."""

from pathlib import Path

import pytest

from corpuskit.errors import RunError, SettingError
from corpuskit.shards.canaries import NAME, CanaryFormat, canaries_document, draw_canaries, read_canaries
from corpuskit.storage.files import json_bytes, seal


def test_each_number_below_the_space_is_another_sentence() -> None:
    sentence = CanaryFormat("{letters:1} and {digits:2}")
    assert sentence.space == 2600
    said = {sentence.fill(number) for number in range(2600)}
    assert len(said) == 2600
    assert {"a and 00", "z and 99", "b and 07"} <= said


def test_braces_that_are_doubled_are_text() -> None:
    assert CanaryFormat("{{{digits:1}}}").fill(7) == "{7}"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("no secret here", "it has no secret"),
        ("only a {name}", "it has no secret"),
        ("a {digit:6}", "{digit} is unknown"),
        ("a {digits:0}", "{digits:0}: the length"),
        ("a {digits:x}", "{digits:x}: the length"),
        ("a {name:3} {digits:2}", "{name} takes nothing"),
        ("a {digits:9} {digits:10}", "more than"),
        ("an open {digits", "'an open {digits'"),
    ],
)
def test_a_format_that_is_none_is_an_error_that_names_it(text: str, why: str) -> None:
    with pytest.raises(SettingError, match=r"canaries\.format") as caught:
        CanaryFormat(text)
    assert why in caught.value.message
    assert caught.value.remedy


def test_what_is_drawn_follows_from_the_seed_and_no_two_are_alike() -> None:
    asked = ("the key of {name} is {digits:4}", 20, (0, 3), 5)
    drawn = draw_canaries(*asked)
    assert drawn == draw_canaries(*asked)
    assert [each.copies for each in drawn] == [0] * 20 + [3] * 20
    assert [each.id for each in drawn] == [f"canary:{number}" for number in range(1, 41)]
    assert len({each.text for each in drawn}) == len({each.secret for each in drawn}) == 40
    assert len({each.format for each in drawn}) == 40
    assert all(each.candidates == 10_000 for each in drawn)
    other = draw_canaries(*asked[:3], 6)
    assert not {each.text for each in drawn} & {each.text for each in other}


def test_more_canaries_than_half_of_the_sentences_are_refused() -> None:
    with pytest.raises(SettingError, match="6 canaries of the 10 sentences"):
        draw_canaries("it is {digits:1}", 6, (1,), 0)


def test_the_list_of_a_run_comes_back_and_a_changed_one_is_an_error(tmp_path: Path) -> None:
    assert read_canaries(tmp_path) == []
    drawn = draw_canaries("the key of {name} is {digits:4}", 2, (1, 2), 0)
    (tmp_path / "planted").mkdir()
    path = tmp_path / "planted" / NAME
    document = canaries_document(drawn)
    path.write_bytes(json_bytes(document))
    assert read_canaries(tmp_path) == drawn
    rows = [{**row, "secret": row["secret"] + 1} for row in document["canaries"]]
    path.write_bytes(json_bytes(seal({"format": document["format"], "canaries": rows})))
    with pytest.raises(RunError, match="by its secret"):
        read_canaries(tmp_path)
