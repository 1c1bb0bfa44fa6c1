"""https: a certificate that nobody vouches for is refused, and nothing leads from https back to http."""

from __future__ import annotations

import functools
import http.server
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from corpuskit.errors import FetchError


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status = 302 if self.path == "/down" else 200
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "http://127.0.0.1:9/file")
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"text")

    def log_message(self, format: str, *args: Any) -> None:
        """The tests do not want it."""


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that does not trust us hangs up."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 with its key in one file, made for this run and trusted by nobody."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    words = (
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    )
    subprocess.run(
        ["openssl", *words.split(), "-keyout", folder / "key", "-out", folder / "crt"],
        check=True,
        capture_output=True,
        timeout=60,
    )
    both = folder / "both.pem"
    both.write_text((folder / "key").read_text() + (folder / "crt").read_text())
    return both


@pytest.fixture
def url(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = Server(("127.0.0.1", 0), functools.partial(Handler))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_an_untrusted_certificate_is_an_error_at_once(url: str, ask: Any) -> None:
    asking = ask()
    with pytest.raises(FetchError, match="certificate is not trusted") as caught:
        asking.web.get(url + "/file", limit=100)
    assert "clock" in caught.value.remedy
    assert asking.waits == []


def test_a_trusted_one_is_used_and_never_left_for_http(
    url: str, ask: Any, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    web = ask().web
    assert web.get(url + "/file", limit=100) == b"text"
    with pytest.raises(FetchError, match=r"redirects to http://127\.0\.0\.1:9/file, which is not https"):
        web.get(url + "/down", limit=100)
