"""The token key: what Secret Manager answers, and that nobody can read it in an error."""

from __future__ import annotations

import base64
import json
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import google.auth
import pytest
from google.auth.credentials import AnonymousCredentials

from landfall_spark.errors import JobError
from landfall_spark.secret import fetch_key
from landfall_spark.token_key import TokenKey

NAME = "projects/p/secrets/token-key/versions/3"
KEY = bytes(range(200, 232))


class _SecretManager(ThreadingHTTPServer):
    answer: tuple[int, Any] = (200, {})
    asked = ""


class _Handler(BaseHTTPRequestHandler):
    server: _SecretManager

    def do_GET(self) -> None:
        self.server.asked = self.path
        status, document = self.server.answer
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[_SecretManager]:
    monkeypatch.setattr(google.auth, "default", lambda scopes: (AnonymousCredentials(), "p"))
    with _SecretManager(("127.0.0.1", 0), _Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _url(server: _SecretManager) -> str:
    return f"http://127.0.0.1:{server.server_port}/"


def _payload(key: bytes) -> dict[str, Any]:
    return {"name": NAME, "payload": {"data": base64.b64encode(key).decode()}}


def test_the_key_is_what_the_version_holds(server: _SecretManager) -> None:
    server.answer = 200, _payload(KEY)
    key = fetch_key(NAME, _url(server))
    assert key == TokenKey(NAME, KEY)
    assert repr(key) == f"TokenKey(version={NAME!r})"
    assert server.asked == f"/v1/{NAME}:access"


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ((404, {"error": {}}), "HTTP 404"),
        ((200, {"payload": {}}), "an answer without payload.data"),
        ((200, []), "an answer without payload.data"),
        ((200, _payload(KEY[:31])), "one of 31 bytes"),
    ],
)
def test_a_key_that_is_of_no_use_stops_the_job(
    server: _SecretManager, answer: tuple[int, Any], found: str
) -> None:
    server.answer = answer
    with pytest.raises(JobError) as caught:
        fetch_key(NAME, _url(server))
    assert str(caught.value).startswith(
        f"{NAME}: expected a token key of at least 32 random bytes, found {found}; see that"
    )
    assert base64.b64encode(KEY[:6]).decode() not in "".join(traceback.format_exception(caught.value))


def test_a_secret_manager_that_does_not_answer_stops_the_job(server: _SecretManager) -> None:
    url = _url(server)
    server.shutdown()
    server.server_close()
    with pytest.raises(JobError, match=f"{NAME}: .* found ConnectionError"):
        fetch_key(NAME, url)
