"""Recipes: each wrong one is an error that names the line, the value and the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from corpuskit.build.build import build_corpus
from corpuskit.build.recipe.recipe import Recipe, load
from corpuskit.errors import InputError, SettingError

GOOD = """\
sources:
  - files: {path: notes, label: notes}
stages:
  - exact_duplicates
  - near_duplicates:
      threshold: 0.7
tokenizer: {vocab_size: 500}
shards: {split: {validation: 0.05}}
"""


def read(tmp_path: Path, text: str | bytes, *overrides: str) -> Recipe:
    path = tmp_path / "recipe.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(path, overrides)


def test_a_good_one(tmp_path: Path) -> None:
    pipeline = read(tmp_path, GOOD).pipeline
    assert [label for label, _ in pipeline.sources] == ["files:notes"]
    assert [label for label, _ in pipeline.labelled] == ["exact_duplicates", "near_duplicates"]
    assert pipeline.labelled[1][1].model_dump()["threshold"] == 0.7
    assert pipeline.tokenizer is not None
    assert pipeline.tokenizer.vocab_size == 500
    assert pipeline.shards is not None
    assert pipeline.shards.split.validation == 0.05
    # Relative paths are taken from the recipe's folder, not from where the command runs.
    assert pipeline.sources[0][1].model_dump()["path"] == str(tmp_path / "notes")


@pytest.mark.parametrize(
    ("change", "line", "message", "remedy"),
    [
        (("tokenizer:", "tokeniser:"), 7, "unknown key 'tokeniser'", "'tokenizer'"),
        (("threshold", "treshold"), 6, "unknown setting 'treshold'", "'threshold'"),
        (
            ("- exact_duplicates", "- exact_duplicate"),
            4,
            "unknown stage 'exact_duplicate'",
            "'exact_duplicates'",
        ),
        (("- files", "- file"), 2, "unknown source 'file'", "'files'"),
        (("validation", "valid"), 8, "unknown setting 'split.valid'", "'validation'"),
        (("0.7", "seven"), 6, "near_duplicates.threshold: 'seven'", "Correct"),
        (("0.7", "1.7"), 6, "less than or equal to 1", "Correct"),
        (("500", "5"), 7, "greater than or equal to 384", "Correct"),
        ((", label: notes", ""), 2, "the setting 'label' is missing", "label:"),
        (("label: notes", "label: 'a b'"), 2, "files.label: 'a b'", "Correct"),
        (("- exact_duplicates", "- files: {path: x, label: x}"), 4, "'files' is a source", "`sources:`"),
        (("- files: {path: notes, label: notes}", "- exact_duplicates"), 2, "is a stage", "`stages:`"),
        (("- exact_duplicates", "- {exact_duplicates: , near_duplicates: }"), 4, "is no stage", "- name"),
        (("- exact_duplicates", "- exact_duplicates: 3"), 4, "3 is no mapping", "key: value"),
        (("- exact_duplicates", "- 7"), 4, "7 is no stage", "- name"),
        (("- exact_duplicates", "- 7: {}"), 4, "unknown stage 7", "Known"),
        (("{vocab_size: 500}", "500"), 7, "500 is no mapping", "key: value"),
        (
            ("path: notes", "path: '${NOT_SET_ANYWHERE}/x'"),
            2,
            "NOT_SET_ANYWHERE is not set",
            "export NOT_SET",
        ),
        (("path: notes", "path: [1, 2]"), 2, "files.path", "Correct"),
        (("path: notes", "1: notes"), 2, "unknown setting '1'", "Known"),
        (("stages:\n  - exact_duplicates", "stages:\n  exact_duplicates:"), 3, "", ""),
        (("{split: {validation: 0.05}}", "{split: {validation: 0.5, test: 0.5}}"), 8, "held out", "Correct"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(
    change: tuple[str, str], line: int, message: str, remedy: str, tmp_path: Path
) -> None:
    assert change[0] in GOOD
    with pytest.raises(SettingError) as caught:
        read(tmp_path, GOOD.replace(*change))
    assert message in caught.value.message
    assert remedy in caught.value.remedy
    assert caught.value.remedy
    if message:
        assert f"recipe.yaml, line {line}: " in caught.value.message


def test_a_key_that_stands_twice(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="line 9: 'tokenizer' stands twice") as caught:
        read(tmp_path, GOOD + "tokenizer: {vocab_size: 600}\n")
    assert "line 7" in caught.value.remedy


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "is no mapping"),
        (b"- a\n", "is no mapping"),
        (b"a: [\n", "is no YAML"),
        (b"a:\tb\n\tc: d", "is no YAML"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"a: &x {b: *x}\n", "holds itself"),
        (b"sources: 2001-99-99\n", "is no YAML"),
        (b"? [a]\n: b\n", "is no YAML"),
        (b"sources:\n  - files: {path: ${HOME}/x, label: x}\n", "is no YAML"),
        (b"stages: []\n", "there is no source"),
        (b"sources: notes\n", "sources: is no list"),
        (b"sources:\n  - files: {path: x, label: x}\nshards: {}\n", "there is no tokenizer"),
        (b"sources:\n  - files: {path: x, label: x}\nremove: ids.txt\n", "ids.txt is not there"),
        (
            b"sources:\n  - files: {path: x, label: x}\ntokenizer: {file: a, vocab_size: 500}\n",
            "exclude each other",
        ),
    ],
)
def test_files_that_are_no_recipe(text: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError) as caught:
        read(tmp_path, text)
    assert message in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_recipe_that_is_not_there(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="is not there"):
        load(tmp_path / name)


@pytest.mark.parametrize(
    ("override", "place", "value"),
    [
        ("tokenizer.vocab_size=600", ("tokenizer", "vocab_size"), 600),
        ("stages.near_duplicates.threshold=0.9", ("stages", 1, "near_duplicates", "threshold"), 0.9),
        ("stages.1.near_duplicates.threshold=0.9", ("stages", 1, "near_duplicates", "threshold"), 0.9),
        ("sources.files.path=/x", ("sources", 0, "files", "path"), "/x"),
        ("shards.split.test=0.2", ("shards", "split", "test"), 0.2),
        ("remove.listed=[a, b]", ("remove", "listed"), ["a", "b"]),
    ],
)
def test_overrides(override: str, place: tuple[str | int, ...], value: object, tmp_path: Path) -> None:
    found: object = read(tmp_path, GOOD, override).values
    for word in place:
        found = found[word]  # type: ignore[index]
    assert found == value


def test_a_path_under_any_name_is_meant_from_where_one_stands(
    tmp_path: Path, plugin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings that are marked `Location` are paths, whoever's stage they belong to."""
    text = GOOD.replace("stages:\n", "stages:\n  - fragile\n")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    stages = read(tmp_path, text, "stages.fragile.once=done.txt").values["stages"]
    assert stages[0] == {"fragile": {"once": str(tmp_path / "here" / "done.txt")}}


def test_an_override_of_a_stage_without_settings(tmp_path: Path) -> None:
    text = GOOD.replace("  - near_duplicates:\n      threshold: 0.7\n", "  - near_duplicates\n")
    pipeline = read(tmp_path, text, "stages.near_duplicates.threshold=0.95").pipeline
    assert pipeline.labelled[1][1].model_dump()["threshold"] == 0.95


@pytest.mark.parametrize(
    ("override", "message", "remedy"),
    [
        ("tokenizer.vocab_size", "has no '='", "a.b=value"),
        ("tokenizer.vocab_size=[", "is no YAML", "Quote"),
        ("tokenizer.vocab_size=2001-99-99", "is no YAML", "Quote"),
        ("tokenizer.vocab_siz=600", "unknown setting 'vocab_siz'", "'vocab_size'"),
        ("tokeniser.vocab_size=600", "unknown key 'tokeniser'", "'tokenizer'"),
        ("stages.near_duplicate.threshold=1", "there is no 'near_duplicate'", "'near_duplicates'"),
        ("stages.near_duplicates=1", "names a list", "inside an item"),
        ("stages.7.near_duplicates.threshold=1", "there is no '7'", "Known"),
        ("stages.0.exact.y=1", "there is no 'exact' here", ""),
        ("tokenizer.vocab_size.x=1", "which has no settings", "inside an item"),
        ("=5", "unknown key ''", "Known"),
    ],
)
def test_wrong_overrides(override: str, message: str, remedy: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError) as caught:
        read(tmp_path, GOOD, override)
    assert message in caught.value.message
    assert remedy in caught.value.remedy


def test_variables_and_ids_to_remove(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_NOTES", "/somewhere")
    (tmp_path / "ids.txt").write_text("files:notes:1\n\n  files:notes:2  \n")
    text = GOOD.replace("path: notes", "path: '${MY_NOTES}/notes'") + "remove: ids.txt\n"
    pipeline = read(tmp_path, text).pipeline
    assert pipeline.sources[0][1].model_dump()["path"] == "/somewhere/notes"
    assert pipeline.removed.ids == ("files:notes:1", "files:notes:2")


def test_the_resolved_recipe_is_a_recipe(tmp_path: Path) -> None:
    """What is stored in logs/recipe.yaml gives the same pipeline again."""
    pipeline = read(tmp_path, GOOD + "remove: {listed: [files:notes:9]}\n").pipeline
    again = read(tmp_path, pipeline.resolved(public=False)).pipeline
    assert again.resolved(public=False) == pipeline.resolved(public=False)
    assert [s.model_dump() for s in again.steps] == [s.model_dump() for s in pipeline.steps]
    assert str(tmp_path) not in pipeline.resolved(public=True)


def test_an_input_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'.*nowhere' does not exist"):
        build_corpus(read(tmp_path, GOOD.replace("path: notes", "path: nowhere")).pipeline, tmp_path / "run")
    assert not (tmp_path / "run" / "ledger.json").exists()


def test_a_path_given_with_set_is_meant_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "here").mkdir()
    recipe = tmp_path / "recipes" / "recipe.yaml"
    recipe.write_text("sources:\n  - files: {path: texts, label: x}\n")
    monkeypatch.chdir(tmp_path / "here")
    ((_, source),) = load(recipe, ["sources.files.path=texts"]).pipeline.sources
    assert source.model_dump()["path"] == str(tmp_path / "here" / "texts")
    ((_, source),) = load(recipe).pipeline.sources
    assert source.model_dump()["path"] == str(tmp_path / "recipes" / "texts")


@pytest.mark.parametrize("place", ["", "s3://bucket/words.txt"])
def test_a_location_that_is_empty_or_a_uri_is_no_path_beside_the_recipe(place: str, tmp_path: Path) -> None:
    text = (
        f"sources:\n  - files: {{path: notes, label: notes}}\nstages:\n  - stop_words: {{file: '{place}'}}\n"
    )
    for overrides in ([], [f"stages.stop_words.file='{place}'"]):
        (stage,) = (s for s in read(tmp_path, text, *overrides).pipeline.steps if s.name == "stop_words")
        assert stage.model_dump()["file"] == place


@pytest.mark.parametrize(
    ("setting", "message", "remedy"),
    [
        (
            "wikipedia: {path: x, drop_sections: Notes}",
            "drop_sections: 'Notes': ",
            "Write [Notes] for a list",
        ),
        ("wikipedia: {path: x, drop_sections: Notes}", "'auto' or should be a list", "[] for none"),
        ("wikipedia: {path: x, namespaces: 0}", "namespaces: 0: should be a list", "Write [0]"),
        ("wikipedia: {path: x, captions: maybe}", "'maybe': should be true or false", "Correct the value."),
        ("wikipedia: {path: x, tables: kep}", "tables: 'kep': ", "Did you mean 'keep'?"),
        ("wikipedia: {path: x, template_rules: [pop]}", "should be a mapping", "Correct the value."),
        ("gutenberg: {path: x, languages: en}", "languages: 'en': should be a list", "Write [en]"),
        ("gutenberg: {path: x, languages: [english]}", "'english' is no language code", "Correct"),
    ],
)
def test_a_wrong_value_is_told_with_its_remedy(
    setting: str, message: str, remedy: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingError) as caught:
        read(tmp_path, f"sources:\n  - {setting}\n".encode())
    assert message in caught.value.message
    assert "literal[" not in caught.value.message
    assert remedy in str(caught.value.remedy)


@pytest.mark.parametrize(
    ("written", "message", "remedy"),
    [
        (
            "language: no",
            "files.language: False",
            'YAML reads no as false: where a text is meant, write it in quotes: "no"',
        ),
        ("language: on", "files.language: True", '"on"'),
        ("language: ", "files.language: None", "Give it a value, or leave the line out"),
        ("language: ~", "files.language: None", "YAML reads ~ as null"),
        ("language: 1.5", "files.language: 1.5", '"1.5"'),
        ("language: 2024-01-02", "files.language: datetime.date", "the date 2024-01-02"),
        ("text_field: 2024", "files.text_field: 2024", 'write it in quotes: "2024"'),
        ("include: [no]", "files.include.0: False", '"no"'),
        ("format: no", "files.format: False", '"no"'),
        ("language: 010", "YAML reads 010 as the number 8", '"010"'),
        ("language: 12:30", "YAML reads 12:30 as the number 750", '"12:30"'),
    ],
)
def test_what_yaml_takes_for_something_else_is_told(
    written: str, message: str, remedy: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingError) as caught:
        read(tmp_path, f"sources:\n  - files: {{path: x, label: x, {written}}}\n")
    assert "line 2" in caught.value.message
    assert message in caught.value.message
    assert remedy in caught.value.remedy


@pytest.mark.parametrize("item", ["no", "12", "2024-01-02", "~"])
def test_ids_to_remove_are_texts(item: str, tmp_path: Path) -> None:
    text = f"sources:\n  - files: {{path: x, label: x}}\nremove:\n  listed:\n    - {item}\n"
    with pytest.raises(SettingError, match=r"line 5: remove\.listed\.0: ") as caught:
        read(tmp_path, text)
    assert f'"{item}"' in caught.value.remedy


def test_a_number_that_is_out_of_bounds_is_no_matter_of_quotes(tmp_path: Path) -> None:
    text = "sources:\n  - files: {path: x, label: x}\nstages:\n  - near_duplicates: {threshold: 1.4}\n"
    with pytest.raises(SettingError, match=r"threshold: 1\.4: ") as caught:
        read(tmp_path, text)
    assert caught.value.remedy == "Correct the value."


def test_a_word_for_false_that_is_set_by_hand(tmp_path: Path) -> None:
    text = "sources:\n  - files: {path: x, label: x, language: en}\n"
    with pytest.raises(SettingError, match=r"files\.language: False") as caught:
        read(tmp_path, text, "sources.files.language=no")
    assert "in quotes" in caught.value.remedy


def test_tabs_are_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="is no YAML") as caught:
        read(tmp_path, "sources:\n\t- files: {path: x, label: x}\n")
    assert "Indent with spaces" in caught.value.remedy


def test_shared_ids(tmp_path: Path) -> None:
    text = "sources:\n  - files: {path: x, label: x}\nshared_ids: "
    assert read(tmp_path, f"{text}refuse").pipeline.shared_ids == "refuse"
    with pytest.raises(SettingError, match="shared_ids: 'drop' is unknown"):
        read(tmp_path, f"{text}drop")


def test_the_home_folder_in_a_recipe_and_at_a_prompt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    recipe = tmp_path / "r.yaml"
    recipe.write_text(
        "sources:\n  - files: {path: ~/notes/*.txt, label: x}\nstages: [unicode]\n", encoding="utf-8"
    )
    (source,) = [step for step in load(recipe).pipeline.steps if hasattr(step, "path")]
    assert source.path == "/home/me/notes/*.txt"
    given = load(recipe, ["sources.files.path=~/other"])
    (source,) = [step for step in given.pipeline.steps if hasattr(step, "path")]
    assert source.path == "/home/me/other"
