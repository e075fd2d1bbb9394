"""The function as a process: functions-framework, the local metadata server, and a stand-in for Airflow."""

import base64
import json
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

ROOT = Path(__file__).resolve().parents[2]
# A window that does not end while the tests run: one that ends on the hour, else one that does not.
WINDOW_SECONDS = next(seconds for seconds in (3600, 3599) if seconds - time.time() % seconds > 120)
GRACE_SECONDS = 7


def make_token(seconds: float) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"sub": "x", "exp": time.time() + seconds}).encode())
    return f"e30.{claims.rstrip(b'=').decode()}.sig"


class AirflowStandIn(ThreadingHTTPServer):
    """What the function needs of Airflow's API: runs by id, 403 without the token, forced statuses."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), AirflowHandler)
        self.token = make_token(86400)
        self.runs: dict[str, dict[str, Any]] = {}
        self.posts: Counter[str] = Counter()
        self.forced: dict[str, int] = {}
        self.lock = threading.Lock()


class AirflowHandler(BaseHTTPRequestHandler):
    server: AirflowStandIn

    def do_GET(self) -> None:
        assert self.path == "/auth/token"
        self.reply(201, {"access_token": self.server.token})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        _, api, version, dags, dag_id, dag_runs = self.path.split("/")
        assert (api, version, dags, dag_runs) == ("api", "v2", "dags", "dagRuns")
        with self.server.lock:
            self.server.posts[dag_id] += 1
            if self.headers["Authorization"] != f"Bearer {self.server.token}":
                self.reply(403, {"detail": "Invalid JWT token"})
            elif dag_id in self.server.forced:
                self.reply(self.server.forced[dag_id], {"detail": "forced"})
            elif body["dag_run_id"] in self.server.runs:
                self.reply(409, {"detail": "exists"})
            else:
                self.server.runs[body["dag_run_id"]] = body | {"dag_id": dag_id}
                self.reply(200, {"dag_id": dag_id, "dag_run_id": body["dag_run_id"]})

    def reply(self, status: int, body: dict[str, Any]) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


@dataclass
class Function:
    """The running function: where it listens, what it wrote, and the Airflow it talks to."""

    url: str
    airflow: AirflowStandIn
    stdout: Path
    environment: dict[str, str] = field(repr=False)

    def send(
        self, name: str, headers: dict[str, str] | None = None, **data: object
    ) -> tuple[int, dict[str, Any]]:
        """Deliver a finalize event as Eventarc does; returns the status and the one log entry of it."""
        event_id = str(uuid.uuid4())
        answer = requests.post(
            self.url,
            headers={
                "ce-id": event_id,
                "ce-specversion": "1.0",
                "ce-type": "google.cloud.storage.object.v1.finalized",
                "ce-source": "//storage.googleapis.com/projects/_/buckets/landing",
                "ce-subject": "objects/x",
                "Content-Type": "application/json",
                **(headers or {}),
            },
            json={"bucket": "landing", "name": name, "generation": "17", "metageneration": "1", "size": 12}
            | data,
            timeout=60,
        )
        entries = [json.loads(line) for line in self.stdout.read_text().splitlines()]
        (entry,) = [e for e in entries if e["logging.googleapis.com/labels"]["event_id"] == event_id]
        return answer.status_code, entry


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, f"{process.args!r} ended with {process.returncode} before it listened"
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)  # a port that opens tells nobody
    raise AssertionError(f"nothing listens on port {port} after 60 s")


def function_command(port: int) -> list[str]:
    source = ROOT / "functions/trigger_ingest/main.py"
    options = f"--target trigger_ingest --signature-type cloudevent --host 127.0.0.1 --port {port}"
    return [sys.executable, "-m", "functions_framework", "--source", str(source), *options.split()]


def metadata_command(port: int, airflow_url: str) -> list[str]:
    options = f"--port {port} --airflow-url {airflow_url} --project landfall-test"
    return [sys.executable, "-m", "localcloud.metadata", *options.split()]


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    folder = tmp_path_factory.mktemp("function")
    airflow = AirflowStandIn()
    airflow_url = f"http://127.0.0.1:{airflow.server_port}"
    threading.Thread(target=airflow.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    metadata_port, port = free_port(), free_port()
    (folder / "gcloud").mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "CLOUDSDK_CONFIG": str(folder / "gcloud"),
        "GCE_METADATA_HOST": f"127.0.0.1:{metadata_port}",
        "GCE_METADATA_IP": f"127.0.0.1:{metadata_port}",
        "LANDFALL_PROJECT": "landfall-test",
        "LANDFALL_LANDING_BUCKET": "landing",
        "LANDFALL_AIRFLOW_URL": airflow_url,
        "LANDFALL_BATCH_WINDOW_SECONDS": str(WINDOW_SECONDS),
        "LANDFALL_RUN_GRACE_SECONDS": str(GRACE_SECONDS),
    }
    stdout = folder / "stdout"
    with (
        stdout.open("wb") as out,
        (folder / "stderr").open("wb") as err,
        subprocess.Popen(
            metadata_command(metadata_port, airflow_url), cwd=ROOT, stdout=err, stderr=err
        ) as metadata,
        # Started elsewhere than in the project: what it imports must come from its own folder.
        subprocess.Popen(
            function_command(port), cwd=folder, env=environment, stdout=out, stderr=err
        ) as process,
    ):
        try:
            wait_for_port(metadata_port, metadata)
            wait_for_port(port, process)
            yield Function(f"http://127.0.0.1:{port}/", airflow, stdout, environment)
        finally:
            for child in (process, metadata):
                child.terminate()
            for child in (process, metadata):
                child.wait(20)
            airflow.shutdown()
            airflow.server_close()


def labels(entry: dict[str, Any]) -> tuple[str, str, str | None]:
    of_entry = entry["logging.googleapis.com/labels"]
    return entry["severity"], of_entry["outcome"], of_entry.get("dataset")


def test_the_first_object_of_a_window_starts_a_run_and_the_others_join_it(function: Function) -> None:
    status, entry = function.send("first/a.csv")
    assert (status, *labels(entry)) == (200, "INFO", "triggered", "first")
    (run_id,) = [run_id for run_id in function.airflow.runs if run_id.startswith("first__")]
    run = function.airflow.runs[run_id]
    end = datetime.strptime(run_id, "first__%Y-%m-%dT%H:%M:%S%z")
    assert run["dag_id"] == "ingest_first"
    assert run["logical_date"] is None
    assert datetime.fromisoformat(run["run_after"]) == end + timedelta(seconds=GRACE_SECONDS)
    assert run["note"] == "First asked for by gs://landing/first/a.csv#17"
    assert run_id in entry["message"] and "gs://landing/first/a.csv#17" in entry["message"]

    status, entry = function.send("first/b.csv.gz", size="0")
    assert (status, *labels(entry)) == (200, "INFO", "joined", "first")
    assert list(function.airflow.runs).count(run_id) == 1


def test_a_burst_asks_for_one_run_and_soon_asks_no_more(function: Function) -> None:
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda number: function.send(f"burst/{number}.csv"), range(200)))
    outcomes = Counter((status, labels(entry)[1]) for status, entry in results)
    assert outcomes == {(200, "triggered"): 1, (200, "joined"): 199}
    assert len([run_id for run_id in function.airflow.runs if run_id.startswith("burst__")]) == 1
    assert function.airflow.posts["ingest_burst"] <= 32, "threads may race to be the first, but not for long"


def test_what_is_outside_the_grammar_is_recorded_and_acknowledged(function: Function) -> None:
    status, entry = function.send("ignored/readme.txt")
    assert (status, *labels(entry)) == (200, "NOTICE", "ignored", None)
    assert entry["message"] == (
        "Ignored gs://landing/ignored/readme.txt#17: "
        "expected a name that ends in .csv or .csv.gz, found 'readme.txt'."
    )
    assert function.airflow.posts["ingest_ignored"] == 0


def test_another_bucket_is_recorded_and_acknowledged(function: Function) -> None:
    status, entry = function.send("refused/a.csv", bucket="archive")
    assert (status, *labels(entry)) == (200, "ERROR", "refused", None)
    assert function.airflow.posts["ingest_refused"] == 0


@pytest.mark.parametrize("failure", [404, 500])
def test_a_transient_failure_is_delivered_again_until_it_ends(function: Function, failure: int) -> None:
    dag_id = f"ingest_later{failure}"
    function.airflow.forced[dag_id] = failure
    for _ in range(2):
        status, entry = function.send(f"later{failure}/a.csv")
        assert (status, *labels(entry)) == (500, "WARNING", "deferred", f"later{failure}")
        assert f"found {failure}" in entry["message"]
    del function.airflow.forced[dag_id]
    status, entry = function.send(f"later{failure}/a.csv")
    assert (status, *labels(entry)) == (200, "INFO", "triggered", f"later{failure}")


def test_a_refused_request_is_recorded_and_acknowledged(function: Function) -> None:
    function.airflow.forced["ingest_unprocessable"] = 422
    status, entry = function.send("unprocessable/a.csv")
    assert (status, *labels(entry)) == (200, "ERROR", "refused", "unprocessable")


def test_an_airflow_that_was_started_anew_ends_in_a_redelivery_at_most(function: Function) -> None:
    function.send("signed/a.csv")
    valid = function.airflow.token
    function.airflow.token = make_token(3600)
    status, entry = function.send("renewed/a.csv")
    assert (status, *labels(entry)) == (500, "WARNING", "deferred", "renewed")
    assert "found 403" in entry["message"]
    assert valid not in function.stdout.read_text(), "a token is never logged"
    function.airflow.token = valid
    assert function.send("renewed/a.csv")[0] == 200


def test_an_entry_names_the_trace_of_its_request(function: Function) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    expected = f"projects/landfall-test/traces/{trace}"
    for header, value in (
        ("traceparent", f"00-{trace}-00f067aa0ba902b7-01"),
        ("X-Cloud-Trace-Context", f"{trace}/1;o=1"),
        ("ce-traceparent", f"00-{trace}-00f067aa0ba902b7-01"),
    ):
        _, entry = function.send("trace/a.txt", headers={header: value})
        assert entry["logging.googleapis.com/trace"] == expected, header


def test_a_function_without_its_settings_does_not_start_and_names_them_all(function: Function) -> None:
    environment = {k: v for k, v in function.environment.items() if not k.startswith("LANDFALL_")}
    ended = subprocess.run(
        function_command(free_port()),
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode != 0
    for name in ("LANDFALL_PROJECT", "LANDFALL_LANDING_BUCKET", "LANDFALL_AIRFLOW_URL"):
        assert f"{name} (missing)" in ended.stderr
