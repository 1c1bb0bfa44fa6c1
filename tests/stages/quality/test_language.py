"""Language: code, script and confidence of short, close and mixed texts, and what is dropped by them."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpuskit import build_corpus, identify_language
from corpuskit.build.recipe.recipe import load
from corpuskit.documents import batch as batches
from corpuskit.documents.ledger import Ledger
from corpuskit.errors import SettingError
from corpuskit.report.check import read_ledger
from corpuskit.run.folder import Run
from corpuskit.stages.quality.language import codes
from corpuskit.stages.quality.language.identify import find_passages
from corpuskit.stages.quality.language.scripts import chinese_form, count_letters, main_script, script_of
from corpuskit.stages.quality.language.stage import Language

CASES = json.loads((Path(__file__).parents[2] / "cases" / "language.json").read_text(encoding="utf-8"))
THRESHOLD = 0.65

ENGLISH = (
    "The ferry leaves the quay twice a day, once in the morning and once after the shops have closed. In"
    " winter the second boat is often late, and people wait in the warm hall."
)
RUSSIAN = "Паром уходит от причала два раза в день, утром и вечером, а зимой второй рейс часто опаздывает."
SPANISH = (
    "El barco sale del muelle dos veces al día, por la mañana y por la tarde, y en invierno el segundo viaje"
    " suele retrasarse porque hay niebla en la bahía."
)
CODE = "for day in week:\n    print(day, boats[day])"


def label(stage: Language, *texts: str, language: str = "") -> pa.RecordBatch:
    builder = batches.BatchBuilder()
    for i, text in enumerate(texts):
        builder.add(id=str(i), source="x", text=text, language=language)
    labelled = stage.apply(next(builder.take(rest=True)))
    batches.check(labelled, stage.columns, "language")
    return labelled


def verdicts(stage: Language, *texts: str) -> dict[int, str]:
    return dict(stage.decide(label(stage, *texts).select(["id", *stage.columns])))


def test_letters_are_counted_by_script_as_each_is_looked_up() -> None:
    letters = [chr(number) for number in range(sys.maxunicode + 1)]
    wanted = Counter(filter(None, map(script_of, letters)))
    assert count_letters("".join(letters)) == wanted
    assert dict(count_letters("OK, да 12 \ud800")) == {"Latn": 2, "Cyrl": 2}


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_short_texts_and_neighbours(case: dict[str, Any]) -> None:
    found = identify_language(case["text"])
    assert found.script == case["script"]
    if case["below"]:
        assert found.confidence < THRESHOLD
    else:
        assert found.confidence >= THRESHOLD
    if case["codes"]:
        assert found.code in case["codes"]
    if case["script"] is None:
        assert found == ("und", None, 0.0, 0.0)


def test_an_address_tells_less_than_half() -> None:
    assert identify_language("https://example.org/a/b/c.html?d=e").confidence < 0.5


def test_mixed_documents_by_letters() -> None:
    mixed = identify_language(f"{ENGLISH}\n\n{RUSSIAN}\n\n{ENGLISH}")
    assert (mixed.code, mixed.share) == ("en", 0.7791)
    assert THRESHOLD <= mixed.confidence <= mixed.share
    even = identify_language(f"{ENGLISH}\n\n{SPANISH}")
    assert (even.code, even.share) == ("en", 0.5296)
    assert even.confidence < THRESHOLD
    one_paragraph = identify_language(f"{SPANISH} {ENGLISH.split('. ')[0]}.")
    assert (one_paragraph.code, one_paragraph.share) == ("es", 0.6103)
    with_code = identify_language(f"{ENGLISH}\n\n{CODE}\n\n{CODE}")
    assert (with_code.code, with_code.share) == ("en", 1.0)
    assert with_code.confidence >= THRESHOLD
    assert identify_language(f"{RUSSIAN}\n\nOK, 12:30.").code == "ru"
    words = zip(ENGLISH.split(), SPANISH.split(), strict=False)
    assert identify_language(" ".join(word for pair in words for word in pair)).confidence < THRESHOLD


def test_near_languages_side_by_side_are_told_with_their_shares() -> None:
    chinese, japanese = (
        "渡轮每天两次离开码头，一次在早上，一次在商店关门以后。",
        "船は一日に二回、朝と夕方に桟橋を出ます。冬は二便がよく遅れます。",
    )
    portuguese = "O barco sai do cais duas vezes por dia, de manhã e à tarde, e no inverno costuma atrasar."
    for one, other, code, share in (
        (chinese, japanese, "ja", 0.5472),
        (portuguese, SPANISH, "es", 0.6364),
    ):
        text = f"{one}\n\n{other}"
        found = identify_language(text)
        assert found == identify_language(text, find_passages(text))
        assert (found.code, found.share) == (code, share)
        assert found.confidence < THRESHOLD


def test_passages_are_paragraphs_with_their_bytes() -> None:
    text = f"{ENGLISH}\n\n{RUSSIAN}\n\n{CODE}"
    places = [(p.start, p.end, p.code, p.letters) for p in find_passages(text)]
    assert places == [(0, 171, "en", 134), (173, 344, "ru", 76), (346, 389, "und", 28)]
    for passage in find_passages(text):
        text.encode()[passage.start : passage.end].decode()  # On characters, or this raises.
    two = find_passages(f"{ENGLISH}\n\n{SPANISH}")
    assert (two[0].end, two[0].code) == (171, "en")
    assert (two[1].start, two[1].code) == (173, "es")


def test_a_paragraph_in_two_languages_is_cut_between_sentences() -> None:
    first = ENGLISH.split(". ")[0] + "."
    found = find_passages(f"{SPANISH} {first}")
    assert [(p.code, p.letters) for p in found] == [("es", 119), ("en", 76)]


def test_columns_and_the_language_of_the_source() -> None:
    labelled = label(Language(passages=True), ENGLISH, "")
    rows = labelled.to_pylist()
    assert [row["language"] for row in rows] == ["en", "und"]
    assert rows[0]["language_passages"][0]["language"] == "en"
    assert rows[1]["language_passages"] == []
    assert label(Language(), ENGLISH, language="fr").column("language").to_pylist() == ["fr"]
    assert label(Language(), ENGLISH).column("language_passages").to_pylist() == [None]


def test_each_reason() -> None:
    stage = Language(action="drop", languages=["en"])
    texts = [ENGLISH, RUSSIAN, "12:30", "mujhe nahin pata ki woh ghar kahan hai"]
    assert verdicts(stage, *texts) == {1: "other_language", 2: "no_language", 3: "uncertain_language"}
    assert verdicts(Language(), *texts) == {}
    assert verdicts(Language(action="drop"), *texts) == {2: "no_language", 3: "uncertain_language"}


def test_groups_of_languages() -> None:
    texts = {case["name"]: case["text"] for case in CASES if case["group"] == "close"}
    names = list(texts)

    def kept(*languages: object) -> list[str]:
        stage = Language(action="drop", languages=list(languages))
        dropped = verdicts(stage, *texts.values())
        return [name for row, name in enumerate(names) if row not in dropped]

    assert kept("no") == ["nb", "nn"]
    assert kept(False) == ["nb", "nn"]  # What YAML makes of the code.
    assert kept("nn") == ["nn"]
    assert kept("sr") == ["sr_c", "sr_l", "hr", "bs"]
    assert kept("hr") == ["sr_l", "hr", "bs"]
    assert kept("sr-Cyrl") == ["sr_c"]
    assert kept("zh-Hant") == ["zh_t"]
    assert kept("zh", "da") == ["da", "zh_s", "zh_t", "zh_u"]


@pytest.mark.parametrize(
    ("wrong", "meant"), [("english", "en"), ("eng", "en"), ("deu", "de"), ("norwegian", "nb"), ("xx", "xh")]
)
def test_an_unknown_code_is_an_error_with_the_nearest(wrong: str, meant: str) -> None:
    with pytest.raises(SettingError, match=f"'{wrong}'. Did you mean '{meant}'"):
        Language(languages=[wrong])


def test_who_names_languages_keeps_them() -> None:
    assert Language(languages=["en"]).action == "drop"
    assert Language().action == "label"
    with pytest.raises(SettingError, match="label drops nothing"):
        Language(action="label", languages=["en"])


def test_jokes_are_no_languages() -> None:
    assert not {"tlh", "zzp", "zzb", "zze", "zzh"} & set(codes.languages())
    pig_latin = (
        "Isthay isway away extttay inway igpay atinlay, ichwhay isway away okejay andway onay anguagelay."
    )
    assert identify_language(pig_latin).confidence < THRESHOLD


@given(st.text(max_size=200))
def test_any_text_has_an_answer(text: str) -> None:
    found = identify_language(text)
    assert found.code == "und" or found.code in codes.languages()
    assert 0 <= found.confidence <= 1
    if not any(map(str.isalpha, text)):
        assert found == ("und", None, 0.0, 0.0)
    size = 0
    for passage in find_passages(text):
        assert size <= passage.start < passage.end
        size = passage.end
        text.encode("utf-8", "surrogatepass")[passage.start : size].decode("utf-8", "surrogatepass")


def test_control_characters_and_line_feeds_hinder_nothing() -> None:
    broken = ENGLISH.replace(" ", "\x00\x1b ", 3).replace(", ", ",\r\n\x85\ufffe ", 1)
    assert identify_language(broken).code == "en"


def test_a_long_text_takes_no_longer_than_its_windows() -> None:
    assert identify_language(ENGLISH * 100_000).code == "en"
    assert identify_language("." * 1_000_000 + "a" * 1_000_000 + "@" * 1_000_000).code == "und"
    assert len(find_passages("one. " * 40_000 + "Привет. " * 40_000)) >= 1


def test_scripts() -> None:
    assert dict(count_letters("OK, да 12 的")) == {"Latn": 2, "Cyrl": 2, "Hani": 1}
    for text, script in (
        ("東京の人", "Jpan"),
        ("カナ", "Kana"),
        ("漢字는 글", "Kore"),
        ("", None),
        ("7", None),
    ):
        assert main_script(count_letters(text), text) == script
    assert chinese_form("我们們" + "我们" * 9) == "Hans"
    assert chinese_form("们們") == "Hani"


def test_a_build_labels_and_drops(tmp_path: Path) -> None:
    rows = [
        {"id": name, "text": text} for name, text in (("en", ENGLISH), ("ru", RUSSIAN), ("none", "12:30"))
    ]
    (tmp_path / "in.jsonl").write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "sources:\n- files: {label: x, path: in.jsonl}\n"
        "stages:\n- language: {action: drop, languages: [en, no]}\n"
    )
    build_corpus(load(recipe), tmp_path / "run")
    ledger = Ledger.from_json(read_ledger(Run.open_finished(tmp_path / "run"))["stages"])
    dropped = ledger.entries["language decided"].documents_dropped
    assert dropped == {"no_language": 1, "other_language": 1}


@pytest.mark.parametrize(
    "text",
    [
        "SELECT name, age FROM users WHERE age > 30 ORDER BY name;",
        "while true do\n  sleep 1\n  echo done\ndone",
        "const x = items.map(i => i.id).filter(Boolean);",
        "arigatou gozaimasu sensei watashi wa gakusei desu",
        "privet kak dela segodnya ya idu domoy",
        "Johann Weber, Marie Dupont, Luca Rossi, Pedro Alvarez",
        "Danke",
        "B-17 F-16 MIG-29 X1",
    ],
)
def test_what_is_no_prose_stays_below_the_threshold(text: str) -> None:
    assert identify_language(text).confidence < THRESHOLD


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("I am done. It is true, and nobody can return.", "en"),
        ("שלום", "he"),
        ("ሰላም", "am"),
        ("ধন্যবাদ", "bn"),
        ("வணக்கம்", "ta"),
        ("ສະບາຍດີ", "lo"),
        ("སྐད", "bo"),
    ],
)
def test_a_word_is_enough_where_the_script_tells(text: str, code: str) -> None:
    found = identify_language(text)
    assert (found.code, found.confidence >= THRESHOLD) == (code, True)


@pytest.mark.parametrize(
    "text",
    [
        "public class Foo extends Bar {\n    private final int x;\n}",
        "import os\nfrom sys import argv\n\nclass Foo:\n    pass",
        "name: build\non: push\njobs:\n  test:\n    runs-on: ubuntu-latest",
        "CREATE TABLE users (\n  id INTEGER PRIMARY KEY,\n  name TEXT NOT NULL\n);",
        'def wait(train):\n    """Wait for it."""\n    while not train.here:\n        sleep(1)',
        "let names = [a, b]\nfor n in names {\n    print(n)\n}",
    ],
)
def test_programs_and_configurations_are_no_language(text: str) -> None:
    assert identify_language(text) == ("und", "Latn", 0.0, 0.0)


@pytest.mark.parametrize(
    "text",
    [
        "the sea is wide;\nthe sky is low;\nand where we go\nwe do not know;",
        "Anna: Where were you?\nPeter: At home.\nAnna: All day?\nPeter: Yes.",
        "ingredients:\n\tflour\n\tsugar\n\ttwo eggs",
        "apple: a round fruit\npear: a long fruit\nplum: a small fruit",
        f"{ENGLISH}\n\nname: build\non: push\njobs:\n",
    ],
)
def test_lines_of_prose_and_verse_are_no_code(text: str) -> None:
    found = identify_language(text)
    assert found.code == "en"
    assert found.confidence >= THRESHOLD


def test_japanese_without_kana_is_not_asserted_to_be_chinese() -> None:
    assert identify_language("東京都渋谷区") == ("ja", "Hani", 0.7, 1.0)
    for either in ("日本国憲法", "大阪", "株式会社"):
        assert identify_language(either).confidence < THRESHOLD
    for chinese, script in (("谢谢", "Hans"), ("国际联盟", "Hans"), ("有朋自遠方來", "Hant")):
        found = identify_language(chinese)
        assert (found.code, found.script, found.confidence) == ("zh", script, 0.95)
