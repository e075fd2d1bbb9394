"""AirflowApi against a stand-in for Airflow: what an answer, or none, becomes."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import google.auth.exceptions
import pytest
import requests


class OneAnswer(ThreadingHTTPServer):
    """Answers every POST alike, once `release` is set."""

    daemon_threads = True

    def __init__(self, status: int, body: bytes, location: str | None = None) -> None:
        super().__init__(("127.0.0.1", 0), OneAnswerHandler)
        self.status, self.body, self.location = status, body, location
        self.release = threading.Event()
        self.release.set()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> "OneAnswer":
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
        self.shutdown()
        self.server_close()


class OneAnswerHandler(BaseHTTPRequestHandler):
    server: OneAnswer

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.release.wait(30)
        try:
            self.send_response(self.server.status)
            if self.server.location:
                self.send_header("Location", self.server.location)
            self.send_header("Content-Length", str(len(self.server.body)))
            self.end_headers()
            self.wfile.write(self.server.body)
        except BrokenPipeError:
            pass  # the caller gave up, as one of the tests wants

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def run(trigger: Any) -> Iterator[Any]:
    yield trigger.window.Run("ingest_d", "d__2026-11-21T00:00:00Z", datetime(2026, 11, 21, tzinfo=UTC))


def ask(trigger: Any, url: str, run: Any, timeout_seconds: float = 30.0) -> bool:
    api = trigger.airflow_api.AirflowApi(url, requests.Session, timeout_seconds)
    created = api.create_run(run, "note")
    assert isinstance(created, bool)
    return created


def test_a_new_run(trigger: Any, run: Any) -> None:
    with OneAnswer(200, b'{"dag_run_id": "d__2026-11-21T00:00:00Z"}') as airflow:
        assert ask(trigger, airflow.url, run) is True


def test_a_run_that_is_there(trigger: Any, run: Any) -> None:
    with OneAnswer(409, b'{"detail": "exists"}') as airflow:
        assert ask(trigger, airflow.url, run) is False


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
def test_an_answer_to_ask_again(trigger: Any, run: Any, status: int) -> None:
    with (
        OneAnswer(status, b'{"detail": "why"}') as airflow,
        pytest.raises(trigger.errors.TransientError, match=rf"found {status} .*why.*ingest_d"),
    ):
        ask(trigger, airflow.url, run)


def test_an_answer_that_would_come_again(trigger: Any, run: Any) -> None:
    with (
        OneAnswer(422, b'{"detail": "no such field"}') as airflow,
        pytest.raises(trigger.errors.TerminalError, match=r"found 422 .*no such field.*pending"),
    ):
        ask(trigger, airflow.url, run)


@pytest.mark.parametrize("body", [b"<html>welcome</html>", b'{"dag_run_id": "another"}', b"[]", b""])
def test_a_200_that_is_not_airflows_starts_nothing(trigger: Any, run: Any, body: bytes) -> None:
    with (
        OneAnswer(200, body) as airflow,
        pytest.raises(trigger.errors.TransientError, match="LANDFALL_AIRFLOW_URL"),
    ):
        ask(trigger, airflow.url, run)


def test_a_redirect_to_a_login_page_is_not_followed(trigger: Any, run: Any) -> None:
    with (
        OneAnswer(200, b'{"dag_run_id": "d__2026-11-21T00:00:00Z"}') as login,
        OneAnswer(302, b"", location=login.url) as airflow,
        pytest.raises(trigger.errors.TransientError, match="found 302"),
    ):
        ask(trigger, airflow.url, run)


def test_no_answer_in_time(trigger: Any, run: Any) -> None:
    with OneAnswer(200, b"") as airflow:
        airflow.release.clear()
        with pytest.raises(trigger.errors.TransientError, match="ReadTimeout"):
            ask(trigger, airflow.url, run, timeout_seconds=0.2)


def test_nobody_there(trigger: Any, run: Any) -> None:
    with OneAnswer(200, b"") as airflow:
        url = airflow.url
    with pytest.raises(trigger.errors.TransientError, match="ConnectionError"):
        ask(trigger, url, run)


def test_no_credentials_now_and_credentials_later(trigger: Any, run: Any) -> None:
    attempts = []

    def make_session() -> requests.Session:
        attempts.append(1)
        if len(attempts) == 1:
            raise google.auth.exceptions.DefaultCredentialsError("no metadata server")  # type: ignore[no-untyped-call]
        return requests.Session()

    with OneAnswer(409, b"") as airflow:
        api = trigger.airflow_api.AirflowApi(airflow.url, make_session)
        with pytest.raises(trigger.errors.TransientError, match="no metadata server"):
            api.create_run(run, "note")
        assert [api.create_run(run, "note") for _ in range(2)] == [False, False]
    assert len(attempts) == 2, "the session is made once, and kept"
