"""Airflow's REST API, as far as the function and whoever asks for a run need it.

A run asked for is queued with every executor whose state lies in the folder: two that race get the same ones.
"""

import argparse
import base64
import json
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tests.chaos.fast.state import State

STATES = "executor-*.sqlite"
_RUNS = re.compile(r"/api/v2/dags/([^/]+)/dagRuns")
_RUN_ID = re.compile(r"[A-Za-z0-9_.~:+-]{1,250}")
_DAY_SECONDS = 86_400


class Api:
    """Answers requests for runs of the given DAGs."""

    def __init__(self, folder: Path, dag_ids: Sequence[str]) -> None:
        self._folder = folder
        self._dag_ids = frozenset(dag_ids)

    def ask_for_run(self, dag_id: str, body: Any) -> tuple[int, dict[str, Any]]:
        """The status and the body of the answer: 200, 409 for an id that is taken, 404, 422 or 503."""
        if dag_id not in self._dag_ids:
            return 404, {"detail": f"expected a DAG, found none named {dag_id}"}
        try:
            run_id, conf = body["dag_run_id"], body.get("conf")
            run_after = datetime.fromisoformat(body["run_after"]) if body.get("run_after") else None
            is_valid = "logical_date" in body and _RUN_ID.fullmatch(run_id) is not None
        except (KeyError, TypeError, ValueError, AttributeError):
            is_valid = False
        if not is_valid:
            return 422, {"detail": "expected logical_date and a valid dag_run_id and run_after"}
        added = [
            self._add(path, dag_id, run_id, conf, run_after or datetime.now(UTC))
            for path in sorted(self._folder.glob(STATES))
        ]
        if not added:
            return 503, {"detail": "expected the state of an executor, found none: none has started yet"}
        if not all(added):
            return 409, {"detail": f"run {run_id} of {dag_id} is there already"}
        return 200, {"dag_id": dag_id, "dag_run_id": run_id, "state": "queued"}

    def _add(self, path: Path, dag_id: str, run_id: str, conf: Any, run_after: datetime) -> bool:
        state = State(path)
        try:
            return state.add_run(dag_id, run_id, conf, run_after)
        finally:
            state.close()


def make_token() -> str:
    """An unsigned token of a day, in the shape of Airflow's."""
    parts: tuple[dict[str, Any], ...] = (
        {"alg": "none"},
        {"sub": "admin", "exp": int(time.time()) + _DAY_SECONDS},
        {},
    )
    return ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts
    )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: Api

    def do_GET(self) -> None:
        found = {"/auth/token": {"access_token": make_token()}, "/api/v2/version": {"version": "3.3"}}
        answer = found.get(self.path)
        self._answer(*((404, {}) if answer is None else (200, answer)))

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        wanted = _RUNS.fullmatch(self.path)
        if not wanted:
            return self._answer(404, {})
        if not self.headers.get("Authorization", "").startswith("Bearer "):
            return self._answer(401, {})
        try:
            body = json.loads(content)
        except ValueError:
            return self._answer(422, {"detail": "expected JSON"})
        return self._answer(*self.api.ask_for_run(unquote(wanted[1]), body))

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of each request."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main(arguments: Sequence[str]) -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="api", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port on the loopback address")
    parser.add_argument("--states", type=Path, required=True, help="folder with the executors' states")
    parser.add_argument("--dags", nargs="+", required=True, help="ids of the DAGs that there are")
    given = parser.parse_args(arguments)
    handler = type("Handler", (_Handler,), {"api": Api(given.states, given.dags)})
    _Server(("127.0.0.1", given.port), handler).serve_forever()
