"""Instances of the function as processes, each with a metadata server, before a stand-in for Airflow."""

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
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests

from localcloud.launcher.ports import choose_ports
from tests.whole_lines import read_whole_lines

ROOT = Path(__file__).resolve().parents[2]


def make_token(seconds: float) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"sub": "x", "exp": time.time() + seconds}).encode())
    return f"e30.{claims.rstrip(b'=').decode()}.sig"


class AirflowStandIn(ThreadingHTTPServer):
    """What the function needs of Airflow's API: runs by id, 403 without the token, statuses, delays.

    While it `is_anew`, it does not know the token that it gave either.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), AirflowHandler)
        self.token = make_token(86400)
        self.is_anew = False
        self.runs: dict[str, dict[str, Any]] = {}
        self.posts: Counter[str] = Counter()
        self.forced: dict[str, int] = {}
        self.delays: dict[str, float] = {}
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
        time.sleep(self.server.delays.get(dag_id, 0.0))
        with self.server.lock:
            self.server.posts[dag_id] += 1
            if self.server.is_anew or self.headers["Authorization"] != f"Bearer {self.server.token}":
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
        (entry,) = [e for e in self.entries() if e["logging.googleapis.com/labels"]["event_id"] == event_id]
        return answer.status_code, entry

    def entries(self) -> list[dict[str, Any]]:
        """Every log entry so far, without the one that another thread is writing."""
        return [json.loads(line) for line in read_whole_lines(self.stdout)]


@contextmanager
def serving() -> Iterator[AirflowStandIn]:
    """A stand-in for Airflow that serves while the block runs."""
    with AirflowStandIn() as airflow:
        threading.Thread(target=airflow.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield airflow
        airflow.shutdown()


@contextmanager
def running(
    folder: Path, airflow: AirflowStandIn, window_seconds: int, grace_seconds: int
) -> Iterator[Function]:
    """One instance of the function, with a metadata server of its own; neither outlives the block."""
    airflow_url = f"http://127.0.0.1:{airflow.server_port}"
    # Not those that the system gives away to others while the processes start.
    metadata_port, port = choose_ports(["metadata", "function"], {}, folder).values()
    (folder / "gcloud").mkdir(parents=True)
    environment = {
        "PATH": os.environ["PATH"],
        "CLOUDSDK_CONFIG": str(folder / "gcloud"),
        "GCE_METADATA_HOST": f"127.0.0.1:{metadata_port}",
        "GCE_METADATA_IP": f"127.0.0.1:{metadata_port}",
        "LANDFALL_PROJECT": "landfall-test",
        "LANDFALL_LANDING_BUCKET": "landing",
        "LANDFALL_AIRFLOW_URL": airflow_url,
        "LANDFALL_BATCH_WINDOW_SECONDS": str(window_seconds),
        "LANDFALL_RUN_GRACE_SECONDS": str(grace_seconds),
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
                child.wait(60)


def labels(entry: dict[str, Any]) -> tuple[str, str, str | None]:
    """Severity, outcome and dataset of a log entry."""
    of_entry = entry["logging.googleapis.com/labels"]
    return entry["severity"], of_entry["outcome"], of_entry.get("dataset")


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
