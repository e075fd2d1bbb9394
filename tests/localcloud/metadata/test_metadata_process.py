"""The metadata server as a process, asked by google-auth itself."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from localcloud.metadata.airflow_token import AirflowTokens

ROOT = Path(__file__).resolve().parents[3]
TOKEN_PATH = "/computeMetadata/v1/instance/service-accounts/default/token"

# What any program of Google's does first; prints what it found.
ASK_GOOGLE_AUTH = """
import google.auth, google.auth.transport.requests
credentials, project = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
request = google.auth.transport.requests.Request()
credentials.refresh(request)
print(type(credentials).__module__, project, credentials.service_account_email, credentials.universe_domain)
print(credentials.token, credentials.valid)
# Where google-auth would look for the account's regions, token in hand: nothing may leave the machine.
print(credentials._build_regional_access_boundary_lookup_url(request))
"""


class AirflowTokenServer(ThreadingHTTPServer):
    """GET /auth/token as SimpleAuthManager answers it: 201, a new JSON Web Token each time."""

    daemon_threads = True

    def __init__(self, lifetime: float) -> None:
        super().__init__(("127.0.0.1", 0), AirflowTokenHandler)
        self.lifetime = lifetime
        self.handed_out: list[str] = []


class AirflowTokenHandler(BaseHTTPRequestHandler):
    server: AirflowTokenServer

    def do_GET(self) -> None:
        assert self.path == "/auth/token"
        claims = {"exp": int(time.time() + self.server.lifetime), "number": len(self.server.handed_out)}
        token = f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b'=').decode()}.sig"
        self.server.handed_out.append(token)
        body = json.dumps({"access_token": token}).encode()
        self.send_response(201)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def airflow(request: pytest.FixtureRequest) -> Iterator[AirflowTokenServer]:
    with AirflowTokenServer(getattr(request, "param", 86400)) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server
        server.shutdown()


def start(airflow_url: str) -> tuple[subprocess.Popen[str], str]:
    """Start the server on a free port and wait for the line that says it listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    options = f"--port {port} --airflow-url {airflow_url} --project landfall-test"
    process = subprocess.Popen(
        [sys.executable, "-m", "localcloud.metadata", *options.split()],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert f"http://127.0.0.1:{port}" in process.stdout.readline()
    return process, f"127.0.0.1:{port}"


@pytest.fixture
def address(airflow: AirflowTokenServer) -> Iterator[str]:
    process, address = start(f"http://127.0.0.1:{airflow.server_port}/")
    with process:
        yield address
        process.terminate()
        process.wait(30)


def get(address: str, path: str) -> tuple[int, bytes]:
    request = urllib.request.Request(f"http://{address}{path}", headers={"Metadata-Flavor": "Google"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own http URL
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_google_auth_finds_account_project_and_token(
    airflow: AirflowTokenServer, address: str, tmp_path: Path
) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "CLOUDSDK_CONFIG": str(tmp_path),
        "GCE_METADATA_HOST": address,
        "GCE_METADATA_IP": address,
    }
    asked = subprocess.run(
        [sys.executable, "-c", ASK_GOOGLE_AUTH],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert asked.stdout.splitlines() == [
        "google.auth.compute_engine.credentials landfall-test "
        "landfall@landfall-test.localhost googleapis.com",
        f"{airflow.handed_out[0]} True",
        "None",
    ], asked.stderr
    assert len(airflow.handed_out) == 1


def test_a_token_is_handed_out_again(airflow: AirflowTokenServer, address: str) -> None:
    first, second = (json.loads(get(address, TOKEN_PATH)[1]) for _ in range(2))
    assert first["access_token"] == second["access_token"]
    assert 86400 - AirflowTokens.REUSE_SECONDS <= second["expires_in"] <= 86400
    assert len(airflow.handed_out) == 1


@pytest.mark.parametrize("airflow", [30], indirect=True)
def test_a_token_near_its_end_is_not(airflow: AirflowTokenServer, address: str) -> None:
    first, second = (json.loads(get(address, TOKEN_PATH)[1])["access_token"] for _ in range(2))
    assert first != second


def test_without_airflow_the_rest_is_served_and_the_token_is_503() -> None:
    process, address = start("http://127.0.0.1:9")
    with process:
        status, body = get(address, TOKEN_PATH)
        assert status == 503
        assert b"http://127.0.0.1:9/auth/token" in body
        assert get(address, "/computeMetadata/v1/project/project-id") == (200, b"landfall-test")
        process.terminate()
        process.wait(30)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_told_to(number: signal.Signals) -> None:
    process, _ = start("http://127.0.0.1:9")
    with process:
        process.send_signal(number)
        assert process.wait(30) == 0
