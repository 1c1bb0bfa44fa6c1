"""Personal data: what is replaced, what only looks like it, and how it is booked."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.planted_personal import look_alikes, planted
from corpuskit import build_corpus, find_personal_data
from corpuskit.cli.corpus.inspect import gather
from corpuskit.documents import batch as batches
from corpuskit.documents.ledger import Ledger
from corpuskit.errors import SettingError
from corpuskit.run.folder import Run
from corpuskit.sources.files.files import Files
from corpuskit.stages.quality.personal.find import KINDS
from corpuskit.stages.quality.personal.phone import known_countries
from corpuskit.stages.quality.personal.stage import PersonalData
from corpuskit.stages.stage import Effect

CASES = json.loads((Path(__file__).parents[2] / "cases" / "personal.json").read_text(encoding="utf-8"))
GROUPS = {"net": ("ip", "email"), "numbers": ("card", "iban"), "phone": ("phone",)}


def replaced(text: str, *kinds: str) -> str:
    """The text with a word for each item."""
    for item in reversed(find_personal_data(text, kinds or KINDS)):
        assert text[item.start : item.end] == item.text
        text = f"{text[: item.start]}<{item.kind}>{text[item.end :]}"
    return text


@pytest.mark.parametrize("group", GROUPS)
def test_each_line(group: str) -> None:
    for case in CASES[group]:
        assert replaced(case["text"], *GROUPS[group]) == case["replaced"]


@pytest.mark.parametrize("group", GROUPS)
def test_a_text_of_all_lines_is_its_lines(group: str) -> None:
    text, expected = ("\n".join(case[key] for case in CASES[group]) for key in ("text", "replaced"))
    assert replaced(text, *GROUPS[group]) == expected


def test_how_many_there_are() -> None:
    def count(group: str, kind: str) -> int:
        return sum(case["replaced"].count(f"<{kind}>") for case in CASES[group])

    assert (count("net", "ip"), count("net", "email")) == (5, 7)
    assert (count("numbers", "card"), count("numbers", "iban")) == (5, 4)
    assert count("phone", "phone") == 12


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mail müller@bücher.example or A.B@EXAMPLE.ORG!", "Mail <email> or <email>!"),
        ("请写信到anna@example.org联系", "请写信到<email>联系"),
        ("npm i left@1.2.3 and see @media", "npm i left@1.2.3 and see @media"),
        ("ssh://git@example.org/x", "ssh://git@example.org/x"),
        ("[2001:db8::1]:443, ::ffff:192.0.2.128", "[<ip>]:443, <ip>"),
        ("192.0.2.1-192.0.2.9 and 10.0.0.0/8", "<ip>-<ip> and <ip>/8"),
        (
            "127.0.0.1, 0.0.0.0 and 255.255.255.0 are nobody's",
            "127.0.0.1, 0.0.0.0 and 255.255.255.0 are nobody's",
        ),
        ("Versions 1.2.3.4, 1.2.3.5 and 1.2.3.6", "Versions 1.2.3.4, 1.2.3.5 and 1.2.3.6"),
        ("std::vector, Fe::De, 1:2:3:4:5:6:7:8", "std::vector, Fe::De, 1:2:3:4:5:6:7:8"),
        ("3782 822463 10005, 4222222222222, 30569309025904", "<card>, <card>, <card>"),
        ("4111 1111 1111 1111 123 and 4111 1111 1111 1111 12/27", "<card> 123 and <card> 12/27"),
        ("4006381333931 is a pencil", "4006381333931 is a pencil"),
        ("gb82west12345698765432, DE89-3704-0044-0532-0130-00", "<iban>, <iban>"),
        ("+44 (0)20 7946 0018, 0044 20 7946 0018", "<phone>, <phone>"),
        ("(01 99 00 12 34), 01.99.00.12.34", "(<phone>), <phone>"),
        ("030/23125-014 and +1 (202) 555-0143", "<phone> and <phone>"),
        ("tel:+12025550143", "tel:<phone>"),
        ("Tel. 912 345 678, a town of 912 345 678", "Tel. <phone>, a town of 912 345 678"),
        ("01 02 03 04 05 and 0600 1200 1800", "01 02 03 04 05 and 0600 1200 1800"),
        ("trains 09003/09004", "trains 09003/09004"),
        ("anna@例え.jp, пётр@пример.рф, a@b.xn--p1ai", "<email>, <email>, <email>"),
        ('"john doe"@example.org and R&D@example.org', "<email> and <email>"),
        ("user@[192.0.2.1] or user@[IPv6:2001:db8::1]", "<email> or <email>"),
        ("anna@example.md, anna@example.com.py", "<email>, <email>"),
        ("the anna@example.org-based list, photo@3x.heic", "the <email>-based list, photo@3x.heic"),
        ("git@example.org:owner/name.git", "git@example.org:owner/name.git"),
        ("IPv6:2001:db8::1 and host 2001:db8::7: refused", "IPv6:<ip> and host <ip>: refused"),
        ("proportions 15:500::10:x", "proportions 15:500::10:x"),
        ("地址是203.0.113.7。版本1.2.3.4", "地址是<ip>。版本1.2.3.4"),
        (
            "upgraded to 10.2.3.4, <version>10.2.3.4</version>",
            "upgraded to 10.2.3.4, <version>10.2.3.4</version>",
        ),
        (
            "Software 4.3.2.1, версия 4.3.2.1, Tabelle 4.3.2.1",
            "Software 4.3.2.1, версия 4.3.2.1, Tabelle 4.3.2.1",
        ),
        ("卡号4444333322221111。", "卡号<card>。"),
        ("4444\u20113333\u20112222\u20111111, 4444.3333.2222.1111", "<card>, <card>"),
        ("5019717010103742, 5060990580000217499", "<card>, <card>"),
        ("4000000000000002 4012888888881881", "<card> <card>"),
        ("4444 3333 2222 1111 1234 is a longer one", "4444 3333 2222 1111 1234 is a longer one"),
        ("PL 61 1090 1014 0000 0712 1981 2874", "<iban>"),
        ("GB29 NWBK 601613 31926819 or GB29.NWBK.6016.1331.9268.19", "<iban> or <iban>"),
        ("DE89\u20133704\u20130044\u20130532\u20130130\u201300", "<iban>"),
        ("DE89 3704-0044 0532 0130 00", "DE89 3704-0044 0532 0130 00"),
        ("912 345 678 live there", "912 345 678 live there"),
        ("(+49) 30 23125014, 030 / 23125014", "<phone>, <phone>"),
        ("電話は03-1234-5678まで, 请拨打13812345678。", "電話は<phone>まで, 请拨打<phone>。"),
    ],
)
def test_forms(text: str, expected: str) -> None:
    assert replaced(text) == expected


def test_planted_items_are_found_and_look_alikes_are_not() -> None:
    for sentence in planted(60, seed=2) + look_alikes(30, seed=2):
        found = {(item.kind, item.text) for item in find_personal_data(sentence.text)}
        assert found == set(sentence.items), sentence.text


def test_countries_are_those_asked_for() -> None:
    text = "020 7946 0018 or (202) 555-0143 or +49 30 23125014"
    assert [i.text for i in find_personal_data(text, countries=("US",))] == [
        "(202) 555-0143",
        "+49 30 23125014",
    ]
    assert [i.text for i in find_personal_data(text, countries=())] == ["+49 30 23125014"]
    assert len(known_countries()) >= 20


def test_what_is_unknown_is_named_with_the_nearest() -> None:
    with pytest.raises(SettingError, match=r"'e-mail' is no kind of personal data\n.*'email'"):
        find_personal_data("x", ("e-mail",))
    with pytest.raises(SettingError, match="the country 'UK'"):
        PersonalData(countries=["UK"])
    with pytest.raises(SettingError, match="'iba'"):
        PersonalData(replacements={"iba": "x"})
    assert PersonalData(countries=[False]).countries == ("NO",)  # What YAML makes of the code.


def apply(stage: PersonalData, *texts: str, source: str = "x") -> Effect:
    builder = batches.BatchBuilder()
    for i, text in enumerate(texts):
        builder.add(id=str(i), source=source, text=text)
    return stage.apply(next(builder.take(rest=True)))


TEXT = "Écrivez à anna@example.org, tél. 01 99 00 12 34."


def test_actions_and_sources() -> None:
    counted = apply(PersonalData(action="count"), TEXT, "nothing")
    assert [(f.row, f.kind, f.count) for f in counted.found] == [(0, "email", 1), (0, "phone", 1)]
    assert not counted.cuts
    assert counted.batch.column("text").to_pylist() == [TEXT, "nothing"]
    assert apply(PersonalData(action="drop"), TEXT, "nothing").drops == {0: "personal_data"}
    for source in ("wikipedia", "gutenberg"):
        assert not apply(PersonalData(), TEXT, source=source).found
        assert apply(PersonalData(sources=[source]), TEXT, source=source).found
    assert not apply(PersonalData(sources=["y"]), TEXT).found


def build(folder: Path, **settings: Any) -> Run:
    (folder / "in.jsonl").write_text(
        "\n".join(json.dumps({"id": i, "text": t}) for i, t in enumerate([TEXT, "Card 4111 1111 1111 1111."]))
    )
    build_corpus([Files(path=str(folder / "in.jsonl"), label="x"), PersonalData(**settings)], folder / "run")
    return Run.open_finished(folder / "run")


def test_a_build_books_by_kind_what_went_and_what_was_put_in(tmp_path: Path) -> None:
    run = build(tmp_path, replacements={"phone": "☎"})
    texts = [
        t for p in (run.folder / "documents").glob("*.parquet") for t in pq.read_table(p)["text"].to_pylist()
    ]
    assert texts == ["Écrivez à <email>, tél. ☎.", "Card <card>."]
    facts = gather(run)
    entry = Ledger.from_json(facts["ledger"]).entries["personal_data"]
    assert entry.bytes_cut == {"email": 16, "phone": 14, "card": 19}
    assert entry.bytes_added == {"personal_data": len("<email>☎<card>".encode())}
    met = {kind: n["count"] for kind, n in facts["found"]["personal_data"].items()}
    assert met == {"email": 1, "phone": 1, "card": 1}
    assert facts["aside"]["cuts"] == 3


def test_replacing_twice_is_replacing_once() -> None:
    once = apply(PersonalData(), *(case["text"] for group in CASES.values() for case in group)).batch
    assert once.num_rows == sum(map(len, CASES.values()))
    for group, kinds in GROUPS.items():
        for case in CASES[group]:
            assert replaced(case["replaced"], *kinds) == case["replaced"]


@given(st.text(alphabet=st.sampled_from("0123456789 +-./():@aé\n"), max_size=80) | st.text(max_size=80))
def test_items_are_apart_and_in_order(text: str) -> None:
    end = 0
    for item in find_personal_data(text):
        assert end <= item.start < item.end <= len(text)
        assert item.text == text[item.start : item.end]
        end = item.end


@pytest.mark.parametrize(
    "text", ["1 " * 500_000, "a@" * 500_000, "1.2.3.4." * 200_000, ":a" * 500_000, "(0" * 500_000]
)
def test_work_is_linear(text: str) -> None:
    """Each of these would take hours if the work grew with the square of the length."""
    started = time.process_time()
    find_personal_data(text)
    assert time.process_time() - started < 60
