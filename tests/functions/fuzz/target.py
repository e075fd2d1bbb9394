"""The real function in this process, and what must hold of it whatever it is sent."""

import io
import json
import os
import random
import re
import sys
from pathlib import Path
from typing import Any

import requests

from tests.functions.fuzz.requests import LANDING_BUCKET, Request

SOURCE = Path(__file__).resolve().parents[3] / "functions" / "trigger_ingest" / "main.py"
SETTINGS = {
    "LANDFALL_PROJECT": "landfall-fuzz",
    "LANDFALL_LANDING_BUCKET": LANDING_BUCKET,
    "LANDFALL_AIRFLOW_URL": "http://airflow.invalid",
    "LANDFALL_BATCH_WINDOW_SECONDS": "1",
}
OUTCOMES = {
    200: {"triggered", "joined", "ignored", "refused"},
    400: {"refused"},
    503: {"deferred"},
}
MOST_ENTRY_BYTES = 16_384
_DATASET = "[a-z][a-z0-9_]{0,62}"
_URL = re.compile(rf"http://airflow\.invalid/api/v2/dags/ingest_({_DATASET})/dagRuns")
_NAME = re.compile(rf"({_DATASET})/.*\.csv(\.gz)?", re.DOTALL)


class AirflowStandIn(requests.Session):
    """Answers as Airflow may: mostly well. Keeps what it was asked for since it was last looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.source = random.Random(0)  # noqa: S311 to be repeated
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def post(self, url: Any, data: Any = None, json: Any = None, **_: Any) -> requests.Response:
        self.asked.append((url, json))
        answer = requests.Response()
        answer.status_code = self.source.choice((200, 200, 409, 200, 500, 404, 422, 0))
        answer._content = b'{"dag_run_id": "%s"}' % json["dag_run_id"].encode()
        if not answer.status_code:
            raise requests.ConnectionError("no route")
        return answer


class Target:
    """The function behind functions-framework, called as its server calls it."""

    def __init__(self) -> None:
        os.environ.update(SETTINGS)
        # Imported here: it must find the settings, and leaves the folder's flat modules behind.
        import functions_framework

        self._app = functions_framework.create_app("trigger_ingest", str(SOURCE), "cloudevent")
        self.airflow = AirflowStandIn()
        module: Any = sys.modules["main"]
        module.AIRFLOW = module.AirflowApi(SETTINGS["LANDFALL_AIRFLOW_URL"], lambda: self.airflow)
        # Hardly any run is known, so nearly every event has its own request.
        module.KNOWN_RUNS = module.KnownRuns(capacity=1)

    def send(self, request: Request) -> str:
        """Deliver a request and return its outcome; AssertionError where something does not hold."""
        self.airflow.asked.clear()
        written, before = io.StringIO(), sys.stdout
        sys.stdout = written
        try:
            status, body = self._call(request)
        finally:
            sys.stdout = before
        assert status in OUTCOMES, f"answered {status}: {body[:200]!r}"
        entry = read_entry(written.getvalue())
        outcome: str = entry["logging.googleapis.com/labels"]["outcome"]
        assert outcome in OUTCOMES[status], f"answered {status}, recorded {entry}"
        for url, asked in self.airflow.asked:
            check_asked(url, asked, request)
        assert len(self.airflow.asked) <= 1, "asked more than once for one event"
        assert outcome not in ("triggered", "deferred") or self.airflow.asked, f"{outcome} without a request"
        return outcome if status != 400 else "no event"

    def _call(self, request: Request) -> tuple[int, bytes]:
        started: list[str] = []
        environ: dict[str, Any] = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "8080",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "CONTENT_LENGTH": str(len(request.body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(request.body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for header, text in request.headers.items():
            variable = header.upper().replace("-", "_")
            environ[variable if variable == "CONTENT_TYPE" else f"HTTP_{variable}"] = text
        body = b"".join(self._app(environ, lambda status, headers, info=None: started.append(status)))
        return int(started[0][:3]), body


def read_entry(written: str) -> dict[str, Any]:
    """The one log entry of an event: one line, plain ASCII, of modest length."""
    assert written.endswith("\n"), f"expected a log entry, found {written!r}"
    assert written.count("\n") == 1, f"expected one log entry, found {written!r}"
    assert written.isascii() and len(written) < MOST_ENTRY_BYTES, f"an entry of {len(written)} characters"
    entry: dict[str, Any] = json.loads(written)
    return entry


def check_asked(url: str, asked: dict[str, Any], request: Request) -> None:
    """What Airflow was asked for is a run of the dataset that the object's name begins with, nothing else."""
    found = _URL.fullmatch(url)
    assert found, f"asked at {url!r}"
    dataset = found[1]
    assert re.fullmatch(rf"{dataset}__[0-9T:Z-]{{20}}", asked["dag_run_id"]), asked
    assert len(asked["note"]) <= 1000 and asked["note"].isprintable(), asked
    text = request.body.decode("utf-8", "replace")
    assert dataset in text or "base64" in text or "\0" in text or "\\u" in text, (
        "a dataset that was not named"
    )
