"""Dumps: which files of which date, into which folder, and not twice."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from corpuskit.errors import FetchError, SettingError, StorageError
from corpuskit.fetch import wikipedia
from corpuskit.fetch.http import RefusedError
from corpuskit.fetch.manifest import Manifest, check, locked
from corpuskit.fetch.wikipedia import Dump, NotReady, choose, fetch, files_of, read_status

WIKI = "testwiki"


def names(date: str) -> dict[str, bytes]:
    base = f"{WIKI}-{date}-pages-articles-multistream"
    return {f"{base}.xml.bz2": b"BZh9" + date.encode() * 5000, f"{base}-index.txt.bz2": b"BZh9 index"}


def get(asking: Any, mirror: Any, **options: Any) -> Dump:
    return choose(asking.web, WIKI, mirrors=[mirror.url], **options)


# ---------------------------------------------------------------------------------------- choosing


def test_latest_is_the_newest_date_whose_job_is_done(mirror: Any, ask: Any) -> None:
    """In progress, waiting, failed, just begun (404), half written, an error page: passed over."""
    mirror.dump(WIKI, "20261001", names("20261001"))
    mirror.dump(WIKI, "20261010", names("20261010"), status="failed")
    mirror.dump(WIKI, "20261020", names("20261020"), status="in-progress")
    mirror.dump(WIKI, "20261101", names("20261101"), status="waiting")
    for date, data in (
        ("20261102", None),
        ("20261103", b'{"jobs": {"articlesm'),
        ("20261104", b"<html>"),
        ("20261105", b'{"jobs": []}'),
    ):
        mirror.dump(WIKI, date, names(date))
        mirror.files[f"/{WIKI}/{date}/dumpstatus.json"] = data
    asking = ask()
    dump = get(asking, mirror)
    assert dump.date == "20261001"
    assert [file.name for file in dump.files] == sorted(names("20261001"))
    assert dump.size == sum(len(data) for data in names("20261001").values())
    passed_over = [facts["note"] for event, facts in asking.told if event == "note"]
    for said in (
        "20261101 articles-multistream is 'waiting'",
        "'failed'",
        "'in-progress'",
        "404",
        "JSONDecode",
    ):
        assert any(said in note for note in passed_over), said


def test_a_given_date_is_that_or_an_error(mirror: Any, ask: Any) -> None:
    mirror.dump(WIKI, "20261001", names("20261001"))
    mirror.dump(WIKI, "20261101", names("20261101"), status="in-progress")
    assert get(ask(), mirror, date="20261001").date == "20261001"
    assert mirror.asked(f"/{WIKI}/") == [], "the list of dates is not needed"
    with pytest.raises(FetchError, match="testwiki 20261101: articles-multistream is 'in-progress'"):
        get(ask(), mirror, date="20261101")
    with pytest.raises(RefusedError, match="404"):
        get(ask(), mirror, date="20200101")


def test_no_finished_dump_says_why_for_each_date(mirror: Any, ask: Any) -> None:
    mirror.dump(WIKI, "20261101", names("20261101"), status="waiting")
    mirror.dump(WIKI, "20261020", names("20261020"), job="metacurrentdump")
    with pytest.raises(FetchError) as caught:
        get(ask(), mirror)
    assert "20261101 articles-multistream is 'waiting'" in caught.value.message
    assert "20261020 has no articles-multistream; done there: meta-current" in caught.value.message


def test_a_mirror_in_trouble_is_not_an_old_dump(mirror: Any, ask: Any, tricks: Any) -> None:
    """503 for the newest list is waited out or an error: it never turns into an older dump."""
    for date in ("20261001", "20261101"):
        mirror.dump(WIKI, date, names(date))
    status = f"/{WIKI}/20261101/dumpstatus.json"
    mirror.trick(status, tricks.status(503))
    assert get(ask(), mirror).date == "20261101"
    mirror.trick(status, *[tricks.status(503)] * 20)
    with pytest.raises(FetchError, match="503"):
        get(ask(), mirror)
    mirror.tricks.clear()
    mirror.trick(status, tricks.status(403))
    with pytest.raises(RefusedError, match="403"):
        get(ask(), mirror)


@pytest.mark.parametrize("wiki", ["simple.wikipedia.org", "Simple", "../x", "", "en wiki"])
def test_a_name_that_is_no_wiki(wiki: str, ask: Any) -> None:
    with pytest.raises(SettingError) as caught:
        choose(ask().web, wiki)
    assert "simplewiki" in caught.value.remedy


def test_a_wiki_that_the_mirror_has_not(mirror: Any, ask: Any) -> None:
    with pytest.raises(FetchError, match=r"simple: http.* has no dumps of it") as caught:
        choose(ask().web, "simple", mirrors=[mirror.url + "/"])
    assert "simplewiki" in caught.value.remedy


@pytest.mark.parametrize(
    "url", ["dumps.wikimedia.org", "ftp://x/", "https://", "https://x/?y", "http://[x", "http://x:y/"]
)
def test_a_mirror_that_is_no_address(url: str, ask: Any) -> None:
    with pytest.raises(SettingError, match="--mirror"):
        choose(ask().web, WIKI, mirrors=[url])


def test_a_date_that_is_none(mirror: Any, ask: Any) -> None:
    with pytest.raises(SettingError, match="--date '2026-11-01'"):
        get(ask(), mirror, date="2026-11-01")


def test_a_dump_in_many_files_comes_in_the_order_of_its_pages(mirror: Any, ask: Any) -> None:
    """As enwiki is laid out: parts with page ranges and an index each, recombined by another job."""
    base = f"{WIKI}-20261101-pages-articles-multistream"
    parts = [(1, "p1p41242"), (2, "p41243p151573"), (10, "p2936261p4045402")]
    files: dict[str, bytes] = {}
    for number, pages in reversed(parts):
        files[f"{base}{number}.xml-{pages}.bz2"] = b"x" * number
        files[f"{base}-index{number}.txt-{pages}.bz2"] = b"i" * number
    whole = {f"{base}.xml.bz2": b"all", f"{base}-index.txt.bz2": b"i"}
    status = mirror.dump(WIKI, "20261101", files)
    other = mirror.dump(WIKI, "20261101", whole, job="articlesmultistreamdumprecombine", jobs=status["jobs"])
    assert set(other["jobs"]) == {"articlesmultistreamdump", "articlesmultistreamdumprecombine"}
    found = [file.name for file in get(ask(), mirror).files]
    assert len(found) == 6
    assert [n for n in found if ".xml" in n] == [f"{base}{n}.xml-{pages}.bz2" for n, pages in parts]
    again = get(ask(), mirror, kind="articles-multistream-recombined")
    assert {file.name for file in again.files} == set(whole)


def listed(**facts: Any) -> dict[str, Any]:
    name = facts.pop("name", f"{WIKI}-20261101-x.bz2")
    return {"articlesdump": {"status": "done", "files": {name: {"size": 1, "sha1": "0" * 40, **facts}}}}


@pytest.mark.parametrize(
    ("jobs", "said"),
    [
        ({}, "has no articles"),
        ({"articlesdump": {}}, "without a status"),
        ({"articlesdump": {"status": "done"}}, "names no files"),
        ({"articlesdump": {"status": "done", "files": {}}}, "names no files"),
        ({"articlesdump": {"status": "done", "files": {f"{WIKI}-20261101-x": None}}}, "gives no size"),
        (listed(size=None), "gives no size"),
        (listed(size="12"), "gives no size"),
        (listed(size=-1), "gives no size"),
        (listed(sha1="xyz"), "gives 'xyz' as SHA-1"),
        (listed(name="../../etc/passwd"), "not of this dump"),
        (listed(name=f"{WIKI}-20261101-/../x"), "not of this dump"),
        (listed(name=f"{WIKI}-20261020-x.bz2"), "not of this dump"),
    ],
)
def test_a_list_that_cannot_be_right_is_not_believed(jobs: dict[str, Any], said: str) -> None:
    with pytest.raises(NotReady, match=said):
        files_of(jobs, WIKI, "20261101", "articles", "https://m")


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"[]", b"null", b'{"jobs": 1}', b'{"jobs": {"a": 1}}', b"{" * 9]
)
def test_a_status_that_is_none_names_its_address(data: bytes) -> None:
    with pytest.raises(FetchError, match=r"https://m/dumpstatus\.json"):
        read_status(data, "https://m/dumpstatus.json")


def test_checksums_from_their_own_file_where_the_list_lacks_them(mirror: Any, ask: Any) -> None:
    status = mirror.dump(WIKI, "20261101", names("20261101"))
    sums = ""
    for name, facts in status["jobs"]["articlesmultistreamdump"]["files"].items():
        sums += f"{facts.pop('sha1')}  {name}\n"
    mirror.files[f"/{WIKI}/20261101/dumpstatus.json"] = json.dumps(status).encode()
    mirror.files[f"/{WIKI}/20261101/{WIKI}-20261101-sha1sums.txt"] = sums.encode()
    for file in get(ask(), mirror).files:
        assert file.sha1 == hashlib.sha1(names("20261101")[file.name], usedforsecurity=False).hexdigest()
    mirror.files[f"/{WIKI}/20261101/{WIKI}-20261101-sha1sums.txt"] = sums.splitlines()[0].encode()
    with pytest.raises(FetchError, match="gives no SHA-1 for"):
        get(ask(), mirror, date="20261101")


# ---------------------------------------------------------------------------------------- fetching


@pytest.fixture
def dump(mirror: Any, ask: Any) -> Dump:
    mirror.dump(WIKI, "20261101", names("20261101"))
    found = get(ask(), mirror)
    mirror.requests.clear()
    return found


def test_a_dump_with_its_manifest_and_never_twice(dump: Dump, mirror: Any, ask: Any, tmp_path: Path) -> None:
    fetched, _ = fetch(ask().web, dump, tmp_path)
    assert sorted(fetched) == sorted(names("20261101"))
    held = json.loads((tmp_path / "fetch.json").read_text())
    assert {key: held[key] for key in ("source", "wiki", "dump_date", "kind", "licence", "mirror")} == {
        "source": "wikipedia",
        "wiki": WIKI,
        "dump_date": "20261101",
        "kind": "articles-multistream",
        "licence": "CC BY-SA 4.0 and GFDL",
        "mirror": mirror.url,
    }
    for name, data in names("20261101").items():
        facts = held["files"][name]
        assert (tmp_path / name).read_bytes() == data
        assert facts["size"] == len(data)
        assert facts["sha1"] == hashlib.sha1(data, usedforsecurity=False).hexdigest()
        assert facts["url"] == f"{mirror.url}/{WIKI}/20261101/{name}"
    assert sorted(p.name for p in tmp_path.iterdir() if not p.name.startswith(".")) == sorted(
        [*names("20261101"), "fetch.json"]
    )
    mirror.requests.clear()
    again = fetch(ask().web, dump, tmp_path)
    assert (again[0], sorted(again[1])) == ([], sorted(names("20261101")))
    assert mirror.requests == []


def test_what_is_damaged_or_missing_is_fetched_again_alone(
    dump: Dump, mirror: Any, ask: Any, tmp_path: Path
) -> None:
    fetch(ask().web, dump, tmp_path)
    big, index = (file.name for file in sorted(dump.files, key=lambda f: -(f.size or 0)))
    data = bytearray((tmp_path / big).read_bytes())
    data[1000] ^= 1
    (tmp_path / big).write_bytes(data)
    manifest, problems = check(tmp_path)
    assert len(manifest.files) == 2
    assert len(problems) == 1
    assert problems[0].startswith(f"{big}: sha1 is ")
    (tmp_path / index).unlink()
    assert f"{index}: is missing" in check(tmp_path)[1]
    (tmp_path / index).write_bytes(b"short")
    assert any(f"{index}: has 5 bytes" in problem for problem in check(tmp_path)[1])
    assert len(fetch(ask().web, dump, tmp_path)[0]) == 2
    assert check(tmp_path)[1] == []


def test_files_of_an_earlier_time_are_known_by_their_checksum(
    dump: Dump, mirror: Any, ask: Any, tmp_path: Path
) -> None:
    """Fetched by other means, or the manifest was lost: they are taken in without a request."""
    for name, data in names("20261101").items():
        (tmp_path / name).write_bytes(data)
    assert fetch(ask().web, dump, tmp_path)[0] == []
    assert mirror.requests == []
    assert len(check(tmp_path)[0].files) == 2


@pytest.mark.parametrize("stranger", ["notes.txt", ".git/HEAD", "run.json", "a dump", "half a dump"])
def test_a_folder_of_others_is_refused_and_left_as_it_is(
    stranger: str, dump: Dump, mirror: Any, ask: Any, tmp_path: Path
) -> None:
    """Also one that holds a file of the same name with other bytes: it may be somebody's own."""
    first = dump.files[0].name
    name = {"a dump": first, "half a dump": f".{first}.part.mine"}.get(stranger, stranger)
    path = tmp_path / "out" / name
    path.parent.mkdir(parents=True)
    path.write_text('{"format": 1}')
    with pytest.raises(FetchError) as caught:
        fetch(ask().web, dump, tmp_path / "out")
    assert str(tmp_path / "out") in caught.value.message
    assert "another --out" in caught.value.remedy
    assert mirror.requests == []
    assert [p for p in (tmp_path / "out").rglob("*") if p.is_file()] == [path]
    assert path.read_text() == '{"format": 1}'


def test_what_others_put_beside_a_dump_stays(dump: Dump, ask: Any, tmp_path: Path) -> None:
    fetch(ask().web, dump, tmp_path)
    for name in ("notes.txt", ".fetch-tmp/mine", "deep/.x.part"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / dump.files[0].name).write_bytes(b"damaged")
    assert fetch(ask().web, dump, tmp_path)[0] == [dump.files[0].name]
    assert all((tmp_path / n).read_text() == n for n in ("notes.txt", ".fetch-tmp/mine", "deep/.x.part"))
    assert not (tmp_path / ".fetch-lock").exists()


def test_a_folder_holds_one_dump(dump: Dump, mirror: Any, ask: Any, tmp_path: Path) -> None:
    fetch(ask().web, dump, tmp_path)
    mirror.dump(WIKI, "20261201", names("20261201"))
    with pytest.raises(SettingError, match=r"testwiki 20261101 .*testwiki 20261201") as caught:
        fetch(ask().web, get(ask(), mirror), tmp_path)
    assert "--out" in caught.value.remedy


def test_a_second_fetch_into_the_same_folder_is_refused(dump: Dump, ask: Any, tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(FetchError, match="another fetch is writing here"):
        fetch(ask().web, dump, tmp_path)
    fetch(ask().web, dump, tmp_path)


def test_one_wrong_file_leaves_the_other_one_noted(dump: Dump, mirror: Any, ask: Any, tmp_path: Path) -> None:
    first, second = dump.files
    path = f"/{WIKI}/20261101/{second.name}"
    mirror.files[path] = mirror.files[path][::-1]
    with pytest.raises(FetchError, match="3 times in a row"):
        fetch(ask().web, dump, tmp_path)
    assert list(check(tmp_path)[0].files) == [first.name]
    assert check(tmp_path)[1] == [f"{second.name}: is not fetched yet"]


def test_a_disk_without_room_is_told_before_the_first_byte(
    dump: Dump, mirror: Any, ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1000})()
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    with pytest.raises(StorageError, match="1,000 are free"):
        fetch(ask().web, dump, tmp_path)
    assert mirror.requests == []


def test_more_connections_than_the_site_grants(ask: Any, tmp_path: Path) -> None:
    for mirror in (wikipedia.MIRROR, "http://DUMPS.wikimedia.org:80"):
        with pytest.raises(SettingError, match="grants 2"):
            fetch(ask().web, Dump(WIKI, "20261101", "articles", mirror, ()), tmp_path, connections=3)


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"format": 1}', '{"format": 9, "files": {}}', '{"format": 1, "files": {"a": {}}}']
)
def test_a_manifest_that_cannot_be_read(text: str, tmp_path: Path) -> None:
    (tmp_path / "fetch.json").write_text(text)
    with pytest.raises(FetchError, match=r"fetch\.json") as caught:
        Manifest.read(tmp_path)
    assert "Move it away" in caught.value.remedy


def test_a_folder_without_a_manifest(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"holds no fetch\.json"):
        check(tmp_path)
