"""What the server refuses, and what it does with many requests, large ones, strangers and those who leave."""

import contextlib
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from corpuskit.cli.model.serve import command
from corpuskit.train import LanguageModel, Sampling
from corpuskit.train.generate.sampling import Prompt
from corpuskit.train.serve.app import MOST_BYTES, PATHS
from tests.tiny_models import make_model
from tests.train.random_models import write_model
from tests.train.serve.conftest import CHAT, TEXT, Served, Start, says

ONE = {"model": "S", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1}
SECRET = "zebra-orchid-417"


@pytest.fixture(scope="module")
def ok(start: Start) -> Served:
    return start(table=says("ok"))


@pytest.fixture(scope="module")
def endless(start: Start) -> Served:
    """A model that never ends, of a context that no test waits for."""
    return start(table={"floor": 1e-9, "": {"a": 1}, "a": {"b": 1}, "b": {"a": 1}}, context=131072)


# ---------------------------------------------------------------------------------------------- bad requests
@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize(
    ("changes", "status", "param"),
    [
        ({"model": None}, 400, "model"),
        ({"messages": None}, 400, "messages"),
        ({"messages": "hi"}, 400, "messages"),
        ({"messages": []}, 400, "messages"),
        ({"messages": ["hi"]}, 400, "messages[0]"),
        ({"messages": [{"role": "pirate", "content": "hi"}]}, 400, "messages[0].role"),
        ({"messages": [{"role": "tool", "content": "hi"}]}, 400, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, 400, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, 400, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "a", "tool_calls": [1]}]}, 400, "messages[0].tool_calls"),
        ({"temperature": "hot"}, 400, "temperature"),
        ({"temperature": 2.5}, 400, "temperature"),
        ({"temperature": True}, 400, "temperature"),
        ({"top_p": 0}, 400, "top_p"),
        ({"n": 0}, 400, "n"),
        ({"n": 17}, 400, "n"),
        ({"seed": 2**70}, 400, "seed"),
        ({"top_logprobs": 2}, 400, "top_logprobs"),
        ({"tools": [{"type": "function"}]}, 400, "tools"),
        ({"response_format": {"type": "json_object"}}, 400, "response_format"),
        ({"presence_penalty": 1}, 400, "presence_penalty"),
        ({"temperatur": 1}, 400, "temperatur"),
        ({"temperature": 10**400}, 400, "temperature"),
        ({"stop": ["", "\ud800"]}, 400, "stop"),
        ({"\ud800": 1}, 400, "\\ud800"),
        ({"messages": [{"role": ["\ud800"]}]}, 400, "messages[0].role"),
        ({"messages": [{"role": "user", "content": "a", "\ud800": 1}]}, 400, "messages[0].\\ud800"),
        ({"model": "gpt-nope"}, 404, "model"),
    ],
)
def test_a_bad_request_is_refused_by_its_field(
    ok: Served, changes: dict[str, Any], status: int, param: str, streams: bool
) -> None:
    answer = ok.send(CHAT, {**ONE, **changes, "stream": streams})
    assert (answer.status, answer.error["param"]) == (status, param)
    assert answer.error["type"] == "invalid_request_error"
    assert (answer.error["code"] == "model_not_found") is (status == 404)


@pytest.mark.parametrize(
    "body", [b'{"model": "S", ', b"[1, 2]", b"\xff", b"NaN", b"[" * 100_000, b'{"temperature": 1e999}']
)
def test_a_body_that_is_no_object_is_refused(ok: Served, body: bytes) -> None:
    answer = ok.send(CHAT, body)
    assert answer.status == 400
    assert answer.error["param"] in (None, "model")
    assert ok.send(CHAT, ONE).status == 200, "the server goes on"


def test_an_unknown_path_and_method_have_error_objects(ok: Served) -> None:
    answer = ok.send("/v1/chat/complete", ONE)
    assert (answer.status, answer.error["param"]) == (404, None)
    assert "/v1/chat/completions" in answer.error["message"]
    assert ok.send(CHAT).error["type"] == "invalid_request_error"
    assert ok.send(CHAT).status == 405


def test_a_message_repeats_100_characters_at_most(ok: Served) -> None:
    long = "x" * 5000
    for changes in ({"temperature": long}, {"model": long}, {long: 1}, {"stop": [long, 1]}):
        message = ok.send(CHAT, {**ONE, **changes}).error["message"]
        assert "x" * 90 in message
        assert "x" * 101 not in message


def test_a_conversation_needs_a_decoder_and_a_field_that_says_nothing_of_the_text_is_taken(
    ok: Served,
) -> None:
    assert ok.send(CHAT, {**ONE, "user": "me", "metadata": {"a": "b"}, "logit_bias": {}}).status == 200


# ----------------------------------------------------------------------------------------------- who may ask
@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("127.0.0.1:{port}", None, 200),
        ("localhost:{port}", None, 200),
        ("LOCALHOST:{port}", None, 200),
        ("[::1]:{port}", None, 200),
        ("127.0.0.1:{port}", "http://127.0.0.1:{port}", 200),
        ("evil.example:{port}", None, 403),
        ("evil.example:{port}", "http://evil.example:{port}", 403),
        ("127.0.0.1:{port}", "http://evil.example", 403),
        ("localhost:{port}", "http://localhost.evil.example", 403),
        ("localhost.evil.example", None, 403),
        ("127.0.0.1:{port}", "null", 403),
        ("127.0.0.1:{port}", "http://127.0.0.1:9", 403),
    ],
)
def test_other_sites_are_refused(ok: Served, host: str, origin: str | None, status: int) -> None:
    headers = {"Host": host.format(port=ok.port), "Origin": origin and origin.format(port=ok.port)}
    for path, body in (("/", None), ("/v1/models", None), (CHAT, ONE)):
        answer = ok.send(path, body, headers=headers)
        assert answer.status == status
        assert answer.headers.get("access-control-allow-origin") != "*"
    asked = headers | {"Content-Type": "text/plain"}
    assert ok.send(CHAT, ONE, headers=asked).status == status


def test_another_origin_gets_no_leave(ok: Served) -> None:
    headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    answer = ok.send(CHAT, method="OPTIONS", headers=headers)
    assert answer.status == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_an_address_for_others_needs_names(tmp_path: Path) -> None:
    result = CliRunner().invoke(command, [str(tmp_path), "--host", "0.0.0.0"])
    assert result.exit_code == 2
    assert "--allow-host" in result.output


def test_names_that_are_allowed_are_answered(start: Start) -> None:
    served = start(table=says("ok"), house={"hosts": ("box.home",)})
    assert served.send("/health", headers={"Host": "box.home:1"}).status == 200
    assert served.send("/health").status == 403


# ----------------------------------------------------------------------------------------- what is too large
def _chunks(size: int) -> Any:
    yield b'{"model": "S", "prompt": "'
    for _ in range(size // 65536):
        yield b"a" * 65536
    yield b'"}'


def test_a_request_that_is_too_large_is_not_read(ok: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", ok.port, timeout=30)
    # Ten times the bound are promised and never sent: the answer does not wait for them.
    connection.putrequest("POST", CHAT)
    connection.putheader("Content-Length", str(10 * MOST_BYTES))
    connection.endheaders()
    response = connection.getresponse()
    assert response.status == 413
    assert f"{MOST_BYTES:,}" in json.loads(response.read())["error"]["message"]
    connection.close()


def test_a_chunked_request_is_read_up_to_the_bound(ok: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", ok.port, timeout=30)
    try:
        connection.request(
            "POST",
            TEXT,
            _chunks(10 * MOST_BYTES),
            encode_chunked=True,
            headers={"Transfer-Encoding": "chunked"},
        )
        assert connection.getresponse().status == 413
    except (BrokenPipeError, ConnectionResetError):
        pass  # The server has closed before all was sent, as it may.
    connection.close()
    assert ok.send(CHAT, ONE).status == 200


def test_a_length_that_is_too_small_is_a_broken_body(ok: Served) -> None:
    body = json.dumps({**ONE, "user": "x" * 200}).encode()
    answer = ok.send(CHAT, body[:100], headers={"Content-Length": "100"})
    assert answer.status == 400
    assert ok.send(CHAT, ONE).status == 200


def test_an_answer_has_the_room_that_the_prompt_leaves(start: Start) -> None:
    served = start(table={"floor": 1e-9, "": {"m": 1}, "m": {"m": 1}}, context=64)
    for limits in ({}, {"max_tokens": 64}):
        assert served.both("x" * 40, **limits)[:2] == ("m" * 20, "length")
    answer = served.ask("x" * 80)
    assert (answer.status, answer.error["code"]) == (400, "context_length_exceeded")
    assert {"84", "64"} <= set(re.findall(r"\d+", answer.error["message"]))


# ---------------------------------------------------------------------------------------------- many at once
PROMPTS = ["a", "bb", "tell me of rain", "ccc ccc ccc ccc ccc ", "é", "x"]
ASKED = [
    {"model": "S", "prompt": prompt, "max_tokens": 24, **drawn}
    for prompt in PROMPTS
    for drawn in (
        {"temperature": 0, "seed": 1},
        {"temperature": 1, "seed": 5},
        {"temperature": 1, "seed": 6},
    )
]


def test_each_request_is_answered_as_if_it_were_alone(start: Start, tmp_path: Path) -> None:
    folder = make_model(tmp_path / "random", "random", seed=11, layers=2)
    served = start(folder=folder)
    alone = [served.send(TEXT, asked).data["choices"][0]["text"] for asked in ASKED]
    assert _at_once(served, ASKED) == alone
    assert _at_once(served, ASKED[::-1]) == alone[::-1]
    samples = LanguageModel.load(folder).generate(PROMPTS, 24, Sampling(temperature=0))
    greedy = [each.text.removeprefix(prompt) for each, prompt in zip(samples, PROMPTS, strict=True)]
    assert alone[::3] == greedy
    assert alone[1::3] != alone[2::3]
    free = [served.send(TEXT, {"model": "S", "prompt": "a", "max_tokens": 24}).data for _ in range(2)]
    assert free[0]["choices"][0]["text"] != free[1]["choices"][0]["text"], "without a seed each is another"


def _at_once(served: Served, requests: list[dict[str, Any]]) -> list[str]:
    found: dict[int, str] = {}

    def send(number: int) -> None:
        found[number] = served.send(TEXT, requests[number]).data["choices"][0]["text"]

    threads = [threading.Thread(target=send, args=(number,)) for number in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[number] for number in range(len(requests))]


def test_too_many_are_told_to_come_again(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corpuskit.train.serve.desk.MOST_WAITING", 1)
    served = start(table=says("ok"), at_once=1)
    answer = served.ask("hi", n=3)
    assert (answer.status, answer.error["type"]) == (503, "server_error")
    assert served.ask("hi").status == 200


def test_a_model_that_fails_is_an_error_and_the_next_is_answered(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = start(table=says("ok"))
    with monkeypatch.context() as patch:
        patch.setattr(served.desk.model, "pieces", _failing)
        assert served.ask("hi").status == 500
        answer = served.ask("hi", stream=True)
        assert '"error"' in answer.body.decode()
        assert "[DONE]" not in answer.body.decode()
    assert served.both("hi")[0] == "ok"


def _failing(*_: object) -> Any:
    raise IndexError("of no kind that is expected, while writing of " + SECRET)


def test_a_failure_outside_of_the_model_says_its_kind_alone(
    start: Start, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    served = start(table=says("ok"))
    with monkeypatch.context() as patch:
        patch.setattr("corpuskit.train.serve.app.read_asked", _failing)
        answer = served.ask("hi")
    assert (answer.status, answer.error["message"]) == (500, "the server failed: IndexError")
    deadline = time.monotonic() + 10
    while not served.log and time.monotonic() < deadline:  # The line is written behind the answer.
        time.sleep(0.01)
    assert served.log[-1].endswith("failed: IndexError")
    assert SECRET not in "".join(served.log) + "".join(capfd.readouterr())
    assert served.both("hi")[0] == "ok"


def test_who_is_cut_off_by_the_end_of_the_server_is_told_so(start: Start) -> None:
    table = {"floor": 1e-9, "": {"a": 1}, "a": {"b": 1}, "b": {"a": 1}}
    served = start(table=table, context=131072)
    found: list[Any] = []
    asking = threading.Thread(target=lambda: found.append(served.ask("hi")))
    asking.start()
    deadline = time.monotonic() + 10
    while not served.desk.running and time.monotonic() < deadline:
        time.sleep(0.01)
    served.desk.stop()
    asking.join(20)
    assert (found[0].status, found[0].error["message"]) == (503, "the server is stopping")


def test_a_decoder_that_was_taught_to_answer_texts_answers_them(start: Start, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "pairs", tuned={"task": "seq2seq", "longest": 4})
    served = start(folder=folder)
    asked = {"model": "S", "prompt": "hello", "max_tokens": 8, "temperature": 0}
    found = served.send(TEXT, asked).data
    model = LanguageModel.load(folder)
    ids = [0, *model.tokenizer.encode("hello"), 0]
    [text] = model.write([Prompt(ids, 0, (0,))], 8, Sampling(temperature=0))
    assert found["choices"][0]["text"] == text.text
    assert found["usage"]["prompt_tokens"] == len(ids)


# --------------------------------------------------------------------------------------------- who goes away
def test_a_client_that_leaves_ends_what_was_written_for_him(endless: Served) -> None:
    asked = {**ONE, "max_tokens": 100_000, "temperature": 0}
    left = [_leaves(endless, asked | {"stream": True}) for _ in range(3)]
    assert all("ab".startswith(text[:2]) for text in left)
    assert endless.idle(), "streamed"
    for _ in range(3):
        _leaves(endless, asked, frames=0)
    assert endless.idle(), "whole"
    assert endless.send(CHAT, ONE).status == 200
    assert not [line for line in endless.log if "Traceback" in line]


def _leaves(served: Served, asked: dict[str, Any], frames: int = 3) -> str:
    """Send a request, read some frames, and close; gives the text that was read."""
    body = json.dumps(asked).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as connection:
        connection.sendall(head.encode() + body)
        said = b""
        while said.count(b"data: ") < frames + 1 and frames:
            said += connection.recv(4096)
        if not frames:
            deadline = time.monotonic() + 1
            while not served.desk.running and time.monotonic() < deadline:
                time.sleep(0.01)
    return "".join(re.findall(r'"content": "([ab]+)"', said.decode()))


# --------------------------------------------------------------------------------------------------- the log
def _secret_requests(served: Served) -> None:
    body = {**ONE, "messages": [{"role": "user", "content": f"tell {SECRET}"}], "max_tokens": 9}
    assert served.send(CHAT, body).status == 200
    assert served.send(CHAT, {**body, "temperature": SECRET}).status == 400
    assert served.send(CHAT, {**ONE, "model": SECRET}).status == 404
    assert served.send(CHAT, json.dumps(body).encode()[:-1]).status == 400
    assert served.send(f"{CHAT}?q={SECRET}", body).status == 200
    assert served.send(f"/{SECRET}").status == 404
    _leaves(served, body, frames=0)


def test_no_text_reaches_the_log(start: Start, capfd: pytest.CaptureFixture[str]) -> None:
    served = start(table=says("fern"))
    _secret_requests(served)
    assert served.idle()
    said = "\n".join(served.log) + "".join(capfd.readouterr())
    assert SECRET not in said
    assert "fern" not in said
    assert re.search(r"POST /v1/chat/completions 200 \d+ \+ 4 tokens [\d.]+ s", served.log[0])


def test_texts_are_logged_where_that_is_asked_for(start: Start) -> None:
    served = start(table=says("fern"), house={"tells_texts": True})
    served.ask(SECRET)
    assert SECRET in "".join(served.log)
    assert "fern" in "".join(served.log)


# -------------------------------------------------------------------------------------------------- the page
def test_the_page_needs_nothing_from_elsewhere(ok: Served) -> None:
    answer = ok.send("/")
    page = answer.body.decode()
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert not re.findall(r"(?:src|href)=|https?://|innerHTML", page)
    for path in (CHAT, TEXT, "/v1/models"):
        assert path in page
        assert path in PATHS


# ----------------------------------------------------------------------------------------------- the command
def test_a_port_in_use_is_told_before_a_model_is_loaded(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = CliRunner().invoke(command, [str(tmp_path / "no-model"), "--port", str(port)])
        assert result.exit_code == 2
        for part in ("127.0.0.1", str(port), "--port", "in use"):
            assert part in result.output


def test_an_encoder_is_not_served(tmp_path: Path) -> None:
    encoder = write_model(tmp_path / "encoder", kind="encoder")
    result = CliRunner().invoke(command, [str(encoder), "--port", "0", "--device", "cpu"])
    assert result.exit_code == 2
    assert "writes no text" in result.output
    assert "corpuskit predict" in result.output


def test_an_encoder_decoder_answers_texts_and_no_conversations(start: Start, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "both", kind="encoder-decoder")
    served = start(folder=folder)
    asked = {"model": "S", "prompt": "hello", "max_tokens": 8, "temperature": 0}
    found = served.send(TEXT, asked).data["choices"][0]["text"]
    assert found == LanguageModel.load(folder).generate("hello", 8, Sampling(temperature=0))[0].text
    assert served.send(CHAT, ONE).status == 400
    assert served.send(TEXT, asked | {"prompt": ""}).error["param"] == "prompt"


def test_a_signal_ends_the_server_while_it_writes(tmp_path: Path) -> None:
    table = {"floor": 1e-9, "": {"a": 1}, "a": {"b": 1}, "b": {"a": 1}}
    model = make_model(tmp_path, "bigram", table=table, context=131072)
    call = [
        sys.executable,
        "-m",
        "corpuskit",
        "serve",
        str(model),
        "--port",
        "0",
        "--json",
        "--device",
        "cpu",
    ]
    with subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        port = int(ready["address"].rstrip("/").rpartition(":")[2])
        served = Served(port, None)  # type: ignore[arg-type]
        asked = {**ONE, "model": ready["model"], "max_tokens": 100_000, "stream": True}
        writing = threading.Thread(target=_read_until_closed, args=(served, asked))
        writing.start()
        deadline = time.monotonic() + 30
        while not served.send("/health").data["running"] and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
        writing.join(10)
    assert process.returncode in (0, 130)
    assert "Traceback" not in said


def _read_until_closed(served: Served, asked: dict[str, Any]) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):
        served.send(CHAT, asked)
