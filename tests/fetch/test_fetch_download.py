"""One file from a mirror that misbehaves: whole and right, or an error that says why."""

from __future__ import annotations

import errno
import hashlib
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from corpuskit.errors import FetchError, SettingError, StorageError
from corpuskit.fetch import download as module
from corpuskit.fetch.download import Fetched, download, download_all, require_space
from corpuskit.fetch.http import RefusedError, Web, user_agent
from corpuskit.fetch.part import Remote, part_path
from corpuskit.fetch.patience import Stopped
from corpuskit.storage.files import storing

PATH = "/f.bz2"


def sha1(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


@pytest.fixture
def remote(mirror: Any, body: bytes) -> Remote:
    """The file of the mirror's list, size and SHA-1 known."""
    mirror.files[PATH] = body
    return Remote("f.bz2", mirror.url + PATH, len(body), sha1(body))


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "f.bz2")


def test_a_file_arrives_and_nothing_else(
    remote: Remote, mirror: Any, ask: Any, body: bytes, tmp_path: Path
) -> None:
    fetched = download(ask().web, remote, tmp_path)
    assert (tmp_path / "f.bz2").read_bytes() == body
    assert fetched == Fetched(remote, len(body), sha1(body), 0)
    assert leftovers(tmp_path) == []
    (headers,) = mirror.asked(PATH)
    assert headers["User-Agent"].startswith("corpuskit/")
    assert headers["Accept-Encoding"] == "identity"


def test_the_user_agent_says_who_asks() -> None:
    assert "(me@example.org)" in user_agent("me@example.org")
    for bad in ("me", "me@example.org\r\nX: y", "a@b (c)", "ä@b"):
        with pytest.raises(SettingError, match="contact"):
            Web(contact=bad)


@pytest.mark.parametrize("kind", ["drop", "reset"])
def test_a_broken_connection_goes_on_where_it_broke(
    kind: str, remote: Remote, mirror: Any, ask: Any, tricks: Any, body: bytes, tmp_path: Path
) -> None:
    cut = getattr(tricks, kind)
    mirror.trick(PATH, cut(100_000), cut(50_000))
    asking = ask(stall_bytes=10_000)
    download(asking.web, remote, tmp_path)
    assert (tmp_path / "f.bz2").read_bytes() == body
    first, second, third = mirror.asked(PATH)
    assert "Range" not in first
    at = [int(headers["Range"].removeprefix("bytes=").rstrip("-")) for headers in (second, third)]
    assert at[0] <= 100_000
    assert at[1] <= at[0] + 50_000
    if kind == "drop":  # a reset may lose what was under way
        assert at == [100_000, 150_000]
    assert second["If-Range"] == third["If-Range"]
    assert asking.waits == [1.0, 1.0], "bytes came between the failures, so the second is again a first"


def test_failures_without_a_new_byte_are_bounded_and_wait_longer_each_time(
    remote: Remote, mirror: Any, ask: Any, tricks: Any, tmp_path: Path
) -> None:
    mirror.trick(PATH, *[tricks.drop(0)] * 20)
    asking = ask(attempts=5)
    with pytest.raises(FetchError, match=r"f\.bz2: .*\(5 failures in a row\)") as caught:
        download(asking.web, remote, tmp_path)
    assert "goes on where it stopped" in caught.value.remedy
    assert asking.waits == [1.0, 2.0, 4.0, 8.0]
    assert len(mirror.asked(PATH)) == 5


def test_a_later_process_goes_on_with_the_part(
    remote: Remote, mirror: Any, ask: Any, tricks: Any, body: bytes, tmp_path: Path
) -> None:
    mirror.trick(PATH, tricks.drop(120_000), *[tricks.drop(0)] * 2)
    with pytest.raises(FetchError):
        download(ask(attempts=2).web, remote, tmp_path)
    assert not (tmp_path / "f.bz2").exists()
    assert part_path(tmp_path / "f.bz2").stat().st_size == 120_000
    mirror.tricks.clear()
    fetched = download(ask().web, remote, tmp_path)
    assert fetched.resumed == 120_000
    assert mirror.ranges(PATH)[-1] == "bytes=120000-"
    assert (tmp_path / "f.bz2").read_bytes() == body
    assert leftovers(tmp_path) == []


def test_a_body_without_a_length_that_ends_too_soon(
    remote: Remote, mirror: Any, ask: Any, body: bytes, tmp_path: Path
) -> None:
    """Whole by the rules of HTTP, and yet only the beginning: the list's size tells."""

    def unbounded(handler: Any, data: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(data[:70_000])
        handler.close_connection = True

    mirror.trick(PATH, unbounded)
    asking = ask()
    download(asking.web, remote, tmp_path)
    assert (tmp_path / "f.bz2").read_bytes() == body
    assert f"ended after 70000 of {len(body)} bytes" in asking.reasons()[0]
    assert mirror.ranges(PATH) == [None, "bytes=70000-"]


def test_a_part_of_another_file_is_not_gone_on_with(
    remote: Remote, mirror: Any, ask: Any, body: bytes, tmp_path: Path
) -> None:
    """Without a state, with a broken one, and with one of another checksum: begun anew each time."""
    part = part_path(tmp_path / "f.bz2")
    state = {"url": remote.url, "size": remote.size, "sha1": "0" * 40, "etag": '"x"', "modified": ""}
    for text in (None, "{", json.dumps(state), json.dumps([1]), json.dumps({**state, "etag": None})):
        part.write_bytes(b"something else")
        if text is not None:
            part.with_name(part.name + ".json").write_text(text)
        download(ask().web, remote, tmp_path)
        assert mirror.ranges(PATH)[-1] is None
        assert (tmp_path / "f.bz2").read_bytes() == body


def test_a_server_that_ignores_ranges_is_begun_anew_and_bounded(
    remote: Remote, mirror: Any, ask: Any, tricks: Any, body: bytes, tmp_path: Path
) -> None:
    mirror.trick(PATH, tricks.drop(100_000), tricks.no_ranges())
    download(ask().web, remote, tmp_path)
    assert mirror.ranges(PATH) == [None, "bytes=100000-"]
    assert (tmp_path / "f.bz2").read_bytes() == body

    def from_the_start(handler: Any, data: bytes) -> None:
        handler.answer(200, data[:90_000], {}, length=len(data))
        handler.close_connection = True

    mirror.trick(PATH, *[from_the_start] * 30)
    with pytest.raises(FetchError, match="failures in a row"):
        download(ask(attempts=4).web, remote, tmp_path / "again")
    assert len(mirror.asked(PATH)) == 2 + 4, "the first brings bytes, the next three bring no new ones"


@pytest.mark.parametrize("shift", [-100, 100])
def test_a_range_that_was_not_asked_for_is_not_believed(
    shift: int, remote: Remote, mirror: Any, ask: Any, tricks: Any, body: bytes, tmp_path: Path
) -> None:
    mirror.trick(PATH, tricks.drop(100_000), tricks.wrong_range(shift))
    asking = ask()
    download(asking.web, remote, tmp_path)
    assert (tmp_path / "f.bz2").read_bytes() == body
    assert "the rest from byte 100000" in asking.reasons()[-1]


def test_a_file_that_changes_between_two_ranges_is_begun_anew(
    mirror: Any, ask: Any, tricks: Any, body: bytes, tmp_path: Path
) -> None:
    """No checksum is known, as with a book: only the ETag tells. Old and new are never joined."""
    new = body[::-1]
    mirror.files[PATH] = body
    mirror.trick(PATH, tricks.drop(100_000))

    def change(handler: Any, data: bytes) -> None:
        mirror.files[PATH] = new
        handler.serve(new)

    mirror.trick(PATH, change)
    fetched = download(ask().web, Remote("f.bz2", mirror.url + PATH), tmp_path)
    assert (tmp_path / "f.bz2").read_bytes() == new
    assert fetched.sha1 == sha1(new)


def test_a_206_of_another_version_is_not_joined(
    mirror: Any, ask: Any, tricks: Any, body: bytes, tmp_path: Path
) -> None:
    """A server that knows ranges but not If-Range."""
    new = body[::-1]

    def careless(handler: Any, data: bytes) -> None:
        start = handler.start_of_range()
        said = {"Content-Range": f"bytes {start}-{len(new) - 1}/{len(new)}", "ETag": '"new"'}
        handler.answer(206, new[start:], said)

    mirror.files[PATH] = body
    mirror.trick(PATH, tricks.drop(100_000), careless, tricks.other(new, etag='"new"'))
    asking = ask()
    download(asking.web, Remote("f.bz2", mirror.url + PATH), tmp_path)
    assert (tmp_path / "f.bz2").read_bytes() == new
    assert "not the same" in asking.reasons()[-1]


def test_without_a_checksum_and_a_version_nothing_is_resumed(
    mirror: Any, ask: Any, tricks: Any, body: bytes, tmp_path: Path
) -> None:
    mirror.files[PATH] = body
    weak = {"ETag": 'W/"1"'}

    def cut(handler: Any, data: bytes) -> None:
        handler.answer(200, data[:1000], weak, length=len(data))
        handler.close_connection = True

    mirror.trick(PATH, cut, tricks.drop(0))
    with pytest.raises(FetchError):
        download(ask(attempts=1).web, Remote("f.bz2", mirror.url + PATH), tmp_path)
    mirror.tricks.clear()
    download(ask().web, Remote("f.bz2", mirror.url + PATH), tmp_path)
    assert mirror.ranges(PATH) == [None, None]
    assert (tmp_path / "f.bz2").read_bytes() == body


def test_a_wrong_checksum_is_deleted_and_fetched_again(
    remote: Remote, mirror: Any, ask: Any, tricks: Any, body: bytes, tmp_path: Path
) -> None:
    mirror.trick(PATH, tricks.other(body[::-1]))
    asking = ask()
    download(asking.web, remote, tmp_path)
    assert (tmp_path / "f.bz2").read_bytes() == body
    assert "sha1 is" in asking.reasons()[0]


def test_a_checksum_that_is_always_wrong_is_an_error_and_leaves_nothing(
    remote: Remote, mirror: Any, ask: Any, body: bytes, tmp_path: Path
) -> None:
    mirror.files[PATH] = body[::-1]
    with pytest.raises(FetchError) as caught:
        download(ask().web, remote, tmp_path)
    for said in ("f.bz2", sha1(body), sha1(body[::-1]), "3 times", remote.url):
        assert said in caught.value.message
    assert "mirror" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []
    assert len(mirror.asked(PATH)) == 3


def test_retry_after_is_obeyed(
    remote: Remote, mirror: Any, ask: Any, tricks: Any, body: bytes, tmp_path: Path
) -> None:
    mirror.trick(
        PATH,
        tricks.status(429, Retry_After="17"),
        tricks.status(503),
        tricks.status(503, Retry_After="Fri, 01 Jan 2016 00:00:00 GMT"),
        tricks.status(502, Retry_After="soon"),
        tricks.status(502, Retry_After="Fri, 01 Jan 2016 00:00:00 +99999999999999"),
    )
    asking = ask()
    download(asking.web, remote, tmp_path)
    assert asking.waits == [17.0, 2.0, 8.0, 16.0], "a date that has passed asks for no wait"
    assert (tmp_path / "f.bz2").read_bytes() == body


def test_a_wait_of_hours_is_an_error_that_names_it(
    remote: Remote, mirror: Any, ask: Any, tricks: Any, tmp_path: Path
) -> None:
    mirror.trick(PATH, tricks.drop(1000), tricks.status(429, Retry_After="7200"))
    asking = ask()
    with pytest.raises(FetchError, match="7200 s"):
        download(asking.web, remote, tmp_path)
    assert part_path(tmp_path / "f.bz2").stat().st_size == 1000
    assert asking.waits == [1.0]


@pytest.mark.parametrize(
    ("code", "remedy"), [(404, "not there"), (403, "--contact"), (410, "newer"), (400, "mirror")]
)
def test_a_final_answer_is_not_asked_for_twice(
    code: int, remedy: str, remote: Remote, mirror: Any, ask: Any, tricks: Any, tmp_path: Path
) -> None:
    mirror.trick(PATH, *[tricks.status(code)] * 3)
    with pytest.raises(RefusedError, match=str(code)) as caught:
        download(ask().web, remote, tmp_path)
    assert caught.value.status == code
    assert remedy in caught.value.remedy
    assert len(mirror.asked(PATH)) == 1


def test_a_web_page_in_place_of_the_file(
    remote: Remote, mirror: Any, ask: Any, tricks: Any, body: bytes, tmp_path: Path
) -> None:
    page = tricks.status(200, b"<html>Please log in</html>", Content_Type="text/html; charset=utf-8")
    mirror.trick(PATH, tricks.drop(5000), page)
    asking = ask()
    download(asking.web, remote, tmp_path)
    assert (tmp_path / "f.bz2").read_bytes() == body
    assert "web page" in asking.reasons()[-1]
    mirror.trick(PATH, *[page] * 9)
    with pytest.raises(FetchError, match="web page"):
        download(ask().web, remote, tmp_path / "again")
    assert len(mirror.asked(PATH)) == 3 + 3


def test_a_file_of_another_length_than_the_list_says(
    remote: Remote, mirror: Any, ask: Any, body: bytes, tmp_path: Path
) -> None:
    mirror.files[PATH] = body[:-1]
    with pytest.raises(FetchError, match=f"{len(body) - 1} bytes where the mirror's list says {len(body)}"):
        download(ask().web, remote, tmp_path)


def test_a_file_packed_on_the_way_is_not_kept(mirror: Any, ask: Any, tricks: Any, tmp_path: Path) -> None:
    packed = tricks.status(200, b"\x1f\x8b...", Content_Encoding="gzip")
    mirror.trick("/b.txt", *[packed] * 9)
    with pytest.raises(FetchError, match="packed"):
        download(ask().web, Remote("b.txt", mirror.url + "/b.txt"), tmp_path)
    mirror.trick("/b.txt.gz", packed)  # many servers call a .gz file so
    download(ask().web, Remote("b.txt.gz", mirror.url + "/b.txt.gz"), tmp_path)
    assert (tmp_path / "b.txt.gz").read_bytes() == b"\x1f\x8b..."


def test_redirects_are_followed_within_bounds(
    remote: Remote, mirror: Any, ask: Any, tricks: Any, body: bytes, tmp_path: Path
) -> None:
    mirror.files["/elsewhere"] = body
    mirror.trick(PATH, tricks.status(302, Location="/elsewhere"))
    download(ask().web, remote, tmp_path)
    assert (tmp_path / "f.bz2").read_bytes() == body
    mirror.trick(PATH, *[tricks.status(301, Location=PATH)] * 50)
    with pytest.raises(FetchError, match="more than 5 redirects"):
        download(ask().web, remote, tmp_path / "again")


def test_a_redirect_to_a_refused_host_or_scheme_is_not_followed(
    remote: Remote, mirror: Any, ask: Any, tricks: Any, tmp_path: Path
) -> None:
    mirror.trick(PATH, tricks.status(302, Location="http://main.example/x"))
    with pytest.raises(FetchError, match=r"main\.example is not asked") as caught:
        download(ask(refused={"main.example": "It is for people."}).web, remote, tmp_path)
    assert caught.value.remedy == "It is for people."
    mirror.trick(PATH, tricks.status(302, Location="ftp://main.example/x"))
    with pytest.raises(FetchError, match="not https"):
        download(ask().web, remote, tmp_path)
    mirror.trick(PATH, tricks.status(302, Location="http://main.example./x"))
    with pytest.raises(FetchError, match=r"main\.example is not asked"):
        download(ask(refused={"main.example": "It is for people."}).web, remote, tmp_path)
    mirror.trick(PATH, tricks.status(302, Location="http://[::1"))
    with pytest.raises(FetchError, match="no address"):
        download(ask().web, remote, tmp_path)


def test_a_redirect_leads_to_another_host_only_where_that_is_allowed(
    remote: Remote, mirror: Any, ask: Any, tricks: Any, body: bytes, tmp_path: Path
) -> None:
    mirror.files["/elsewhere"] = body
    elsewhere = mirror.url.replace("127.0.0.1", "localhost") + "/elsewhere"
    mirror.trick(PATH, *[tricks.status(302, Location=elsewhere)] * 3)
    with pytest.raises(FetchError, match="redirects to http://localhost") as caught:
        download(ask().web, remote, tmp_path)
    assert "--redirects-to localhost" in str(caught.value.remedy)
    with pytest.raises(FetchError, match="on another host"):
        download(ask(redirects_to=["ocalhost", "a.localhost", "0.1"]).web, remote, tmp_path)
    assert mirror.asked("/elsewhere") == []
    download(ask(redirects_to=["LOCALHOST."]).web, remote, tmp_path)
    assert (tmp_path / "f.bz2").read_bytes() == body


def test_a_fault_of_ours_in_one_thread_is_no_silent_end(
    mirror: Any, ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An `IndexError` out of a download once looked like the end of the list of files."""

    def fault(*_: object) -> None:
        raise IndexError("of another kind")

    monkeypatch.setattr(module, "download", fault)
    with pytest.raises(IndexError, match="of another kind"):
        download_all(ask().web, [Remote("f", mirror.url + "/f")], tmp_path, lambda fetched: None)


def test_a_silent_server_and_one_that_trickles(
    remote: Remote, mirror: Any, ask: Any, tricks: Any, body: bytes, tmp_path: Path
) -> None:
    free = threading.Event()
    mirror.trick(PATH, tricks.silent(free), tricks.trickle(10, 0.005))
    asking = ask(read=0.05, stall=0.02, stall_bytes=10_000)
    download(asking.web, remote, tmp_path)
    free.set()
    assert (tmp_path / "f.bz2").read_bytes() == body
    assert "timed out" in asking.reasons()[0]
    assert "bytes came in" in asking.reasons()[1]
    assert mirror.ranges(PATH)[2] is not None


def test_a_mirror_that_trickles_for_ever_is_left_with_its_part_kept(
    remote: Remote, mirror: Any, ask: Any, tricks: Any, body: bytes, tmp_path: Path
) -> None:
    """Each attempt brings bytes, and goes on where the one before it stopped: too few to forgive it."""
    mirror.trick(PATH, *[tricks.trickle(10, 0.005)] * 9)
    asking = ask(stall=0.02, stall_bytes=10_000, stalls=3)
    with pytest.raises(
        FetchError, match=r"/f\.bz2: only \d+ bytes came in 0 s \(3 failures in a row\)"
    ) as error:
        download(asking.web, remote, tmp_path)
    assert mirror.url in error.value.message
    assert "another --mirror" in error.value.remedy
    mirror.tricks[PATH].clear()
    assert download(asking.web, remote, tmp_path).resumed > 0
    assert (tmp_path / "f.bz2").read_bytes() == body


def test_drops_after_a_byte_each_are_no_progress(
    remote: Remote, mirror: Any, ask: Any, tricks: Any, tmp_path: Path
) -> None:
    mirror.trick(PATH, *[tricks.drop(1)] * 50)
    asking = ask(attempts=4)
    with pytest.raises(FetchError, match="4 failures in a row"):
        download(asking.web, remote, tmp_path)
    assert len(mirror.asked(PATH)) == 4


def test_a_body_without_end_is_left_and_nothing_stays(mirror: Any, ask: Any, tmp_path: Path) -> None:
    def endless(handler: Any, data: bytes) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(b"x" * 4096)

    mirror.trick(PATH, endless)
    asking = ask()
    with pytest.raises(FetchError, match="sends more and more where a file has at most 50,000") as error:
        download(asking.web, Remote("f.txt", mirror.url + PATH, most=50_000), tmp_path)
    assert mirror.url in error.value.message
    assert "another --mirror" in error.value.remedy
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("length", ["-1", "-99999999", "1e9", "0x10", "12, 13", "9" * 300])
def test_a_length_that_is_none_ends_in_an_error(length: str, mirror: Any, ask: Any, tmp_path: Path) -> None:
    def wrong(handler: Any, data: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", length)
        handler.end_headers()
        handler.wfile.write(b"some bytes")
        handler.close_connection = True

    mirror.trick(PATH, *[wrong] * 9)
    asking = ask()
    with pytest.raises(FetchError, match="3 failures in a row") as error:
        download(asking.web, Remote("f.txt", mirror.url + PATH, most=50_000), tmp_path)
    assert mirror.url in error.value.message
    assert "another --mirror" in error.value.remedy
    assert len(mirror.asked(PATH)) == 3


def test_a_length_above_all_files_is_not_waited_for(mirror: Any, ask: Any, tmp_path: Path) -> None:
    mirror.trick(PATH, lambda handler, data: handler.answer(200, b"some", {}, length=10**19))
    asking = ask()
    with pytest.raises(FetchError, match=r"offers 10,000,000,000,000,000,000 bytes"):
        download(asking.web, Remote("f.txt", mirror.url + PATH, most=50_000), tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert asking.waits == []


def test_a_length_that_is_too_long_is_an_error(mirror: Any, ask: Any, tmp_path: Path) -> None:
    def promise(handler: Any, data: bytes) -> None:
        handler.answer(200, b"some", {}, length=4_000)
        handler.close_connection = True

    mirror.trick(PATH, *[promise] * 50)
    asking = ask(attempts=4)
    with pytest.raises(FetchError, match="4 failures in a row"):
        download(asking.web, Remote("f.txt", mirror.url + PATH), tmp_path)
    assert len(mirror.asked(PATH)) <= 5


@pytest.mark.parametrize("many", [True, False])
def test_headers_without_end_are_left(many: bool, mirror: Any, ask: Any, tmp_path: Path) -> None:
    """Many, or one byte of them after the other: the answer as a whole has its time."""

    def endless(handler: Any, data: bytes) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            handler.wfile.write(b"X-More: and more\r\n" * 100 if many else b"x")
            time.sleep(0 if many else 0.01)

    mirror.trick(PATH, *[endless] * 9)
    asking = ask(answer=0.3, read=0.2)
    with pytest.raises(FetchError, match="3 failures in a row") as error:
        download(asking.web, Remote("f.txt", mirror.url + PATH), tmp_path)
    assert mirror.url in error.value.message
    assert "another --mirror" in error.value.remedy


def test_a_stop_is_heard_while_an_answer_is_waited_for(
    mirror: Any, ask: Any, tricks: Any, tmp_path: Path
) -> None:
    free = threading.Event()
    mirror.trick(PATH, tricks.silent(free))
    asking = ask(read=60.0)
    threading.Timer(0.1, asking.web.stop.set).start()
    with pytest.raises(Stopped):
        download(asking.web, Remote("f.txt", mirror.url + PATH), tmp_path)
    free.set()


def test_a_server_that_is_not_there_is_given_up_soon(ask: Any, tmp_path: Path) -> None:
    asking = ask()
    with pytest.raises(FetchError, match="3 failures"):
        download(asking.web, Remote("f", "http://127.0.0.1:9/f"), tmp_path)
    assert asking.waits == [1.0, 2.0]


def test_an_empty_file(mirror: Any, ask: Any, tmp_path: Path) -> None:
    mirror.files["/empty"] = b""
    download(ask().web, Remote("empty", mirror.url + "/empty"), tmp_path)
    assert (tmp_path / "empty").read_bytes() == b""


def test_a_full_disk_keeps_what_is_there(
    remote: Remote, ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = module.PartialFile.append

    def full(part: module.PartialFile, chunk: bytes) -> None:
        if part.size > 100_000:
            with storing(part.path):
                raise OSError(errno.ENOSPC, "No space left on device")
        append(part, chunk)

    monkeypatch.setattr(module.PartialFile, "append", full)
    with pytest.raises(StorageError, match="No space left"):
        download(ask().web, remote, tmp_path)
    monkeypatch.undo()
    kept = part_path(tmp_path / "f.bz2").stat().st_size
    assert kept > 100_000
    assert download(ask().web, remote, tmp_path).resumed == kept


def test_space_is_looked_for_before_the_first_byte(remote: Remote, tmp_path: Path) -> None:
    require_space([remote], tmp_path / "not" / "there" / "yet")
    with pytest.raises(StorageError, match="are free"):
        require_space([Remote("x", remote.url, 10**18)], tmp_path / "new")


def test_a_stop_keeps_the_part(
    remote: Remote, ask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = ask()
    append = module.PartialFile.append

    def stop(part: module.PartialFile, chunk: bytes) -> None:
        append(part, chunk)
        asking.web.stop.set()

    monkeypatch.setattr(module.PartialFile, "append", stop)
    with pytest.raises(Stopped):
        download(asking.web, remote, tmp_path)
    monkeypatch.undo()
    kept = part_path(tmp_path / "f.bz2").stat().st_size
    assert kept > 0
    assert download(ask().web, remote, tmp_path).resumed == kept


# --------------------------------------------------------------------------------------- several


def test_several_files_over_so_many_connections_and_no_more(
    mirror: Any, ask: Any, tricks: Any, tmp_path: Path
) -> None:
    remotes = []
    for i in range(8):
        mirror.files[f"/{i}"] = bytes([i]) * 40_000
        mirror.trick(f"/{i}", tricks.trickle(10_000, 0.004))
        remotes.append(Remote(str(i), f"{mirror.url}/{i}"))
    came: list[str] = []
    download_all(
        ask().web, remotes, tmp_path, lambda fetched: came.append(fetched.remote.name), connections=2
    )
    assert sorted(came) == [str(i) for i in range(8)]
    assert mirror.most_at_once == 2


def test_after_a_failure_no_further_file_is_begun(mirror: Any, ask: Any, tmp_path: Path) -> None:
    mirror.files |= {"/a": b"a", "/c": b"c"}
    remotes = [Remote(name, f"{mirror.url}/{name}") for name in "abc"]
    came: list[str] = []
    with pytest.raises(RefusedError, match="/b"):
        download_all(ask().web, remotes, tmp_path, lambda f: came.append(f.remote.name), connections=1)
    assert came == ["a"]
    assert mirror.asked("/c") == []


def test_what_another_thread_has_begun_is_brought_to_its_end(
    mirror: Any, ask: Any, tricks: Any, tmp_path: Path
) -> None:
    mirror.files |= {"/a": b"a" * 100, "/c": b"c", "/d": b"d"}
    mirror.trick("/a", tricks.trickle(10, 0.01))
    remotes = [Remote(name, f"{mirror.url}/{name}") for name in "abcd"]
    came: list[str] = []
    with pytest.raises(RefusedError, match="/b"):
        download_all(ask().web, remotes, tmp_path, lambda f: came.append(f.remote.name), connections=2)
    assert came == ["a"]
    assert mirror.asked("/c") == mirror.asked("/d") == []


def test_an_interruption_stops_all_threads(mirror: Any, ask: Any, tricks: Any, tmp_path: Path) -> None:
    free = threading.Event()
    mirror.files |= {"/a": b"a", "/b": b"b" * 100}
    mirror.trick("/b", tricks.trickle(1, 0.01))
    asking = ask()

    def interrupt(fetched: Fetched) -> None:
        raise KeyboardInterrupt

    remotes = [Remote(name, f"{mirror.url}/{name}") for name in "ab"]
    with pytest.raises(KeyboardInterrupt):
        download_all(asking.web, remotes, tmp_path, interrupt, connections=2)
    free.set()
    assert asking.web.stop.is_set()
    assert (tmp_path / "a").read_bytes() == b"a"
    assert not (tmp_path / "b").exists()


def test_pauses_between_requests(mirror: Any, ask: Callable[..., Any]) -> None:
    mirror.files["/x"] = b"x"
    asking = ask(pause=2.0)
    for _ in range(3):
        asking.web.get(mirror.url + "/x", limit=10)
    assert len(asking.waits) == 2
    assert all(1.5 < wait <= 2.0 for wait in asking.waits)


def test_a_document_that_is_too_long(mirror: Any, ask: Any) -> None:
    mirror.files["/x"] = b"x" * 11
    with pytest.raises(FetchError, match="longer than 10 bytes"):
        ask().web.get(mirror.url + "/x", limit=10)
