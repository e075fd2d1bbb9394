"""The local Cloud Storage as a real process, and whoever talks to it."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

_START_SECONDS = 60
_names = count(1)
ANONYMOUS = AnonymousCredentials()  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Answer:
    """An answer as it came over the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        reason: str = self.json["error"]["errors"][0]["reason"]
        assert self.json["error"]["code"] == self.status
        return reason


class StorageProcess:
    """`python -m localcloud.storage` on a free port; `kill` and `start` again keep port, folder and state."""

    def __init__(self, home: Path, subscriptions: tuple[str, ...] = (), flags: tuple[str, ...] = ()) -> None:
        self.buckets = home / "buckets"
        self.port = free_port()
        self._home = home
        self._subscriptions = subscriptions
        self._flags = flags
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def start(self) -> "StorageProcess":
        command = [sys.executable, "-m", "localcloud.storage", "--port", str(self.port)]
        command += [
            "--buckets",
            str(self.buckets),
            "--state",
            str(self._home / "state.sqlite"),
            "--project",
            "p",
        ]
        command += [part for text in self._subscriptions for part in ("--subscribe", text)]
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen([*command, *self._flags], stdout=log, stderr=log)
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            assert self._process.poll() is None, (self._home / "log").read_text()
            assert time.monotonic() < deadline, "the storage process does not answer"
            time.sleep(0.05)
        return self

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        return self._end(signal.SIGTERM)

    def client(self) -> storage.Client:
        options = {"api_endpoint": self.url}
        return storage.Client(project="p", credentials=ANONYMOUS, client_options=options)

    def call(
        self,
        method: str,
        path: str,
        body: bytes | Mapping[str, Any] = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method, path, content, dict(headers or {}))
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    def upload(self, bucket: str, name: str, content: bytes, query: str = "", **headers: str) -> Answer:
        path = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={quote(name, safe='')}{query}"
        return self.call(
            "POST", path, content, {key.replace("_", "-"): value for key, value in headers.items()}
        )

    def _answers(self) -> bool:
        try:
            return self.call("GET", "/healthz").status == 200
        except OSError:
            return False

    def _end(self, sign: signal.Signals) -> int:
        if self._process is None or self._process.poll() is not None:
            return 0
        self._process.send_signal(sign)
        return self._process.wait(timeout=30)


@dataclass
class Receiver:
    """A subscribed function: keeps what it is sent and answers by its script, then with 204."""

    url: str = ""
    script: list[int] = field(default_factory=list)
    events: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition)
    gate: threading.Event = field(default_factory=threading.Event)
    waiting: int = 0

    def wait_for(self, number: int, seconds: float = 30) -> list[tuple[dict[str, str], dict[str, Any]]]:
        with self.arrived:
            enough = self.arrived.wait_for(lambda: len(self.events) >= number, seconds)
        assert enough, f"expected {number} deliveries, found {len(self.events)}"
        return self.events

    def wait_for_waiting(self, number: int) -> None:
        with self.arrived:
            assert self.arrived.wait_for(lambda: self.waiting >= number, 30), f"only {self.waiting} at once"

    def take(self, headers: Mapping[str, str], body: bytes) -> int:
        with self.arrived:
            self.waiting += 1
            self.arrived.notify_all()
        # Shorter than the storage waits for an answer.
        self.gate.wait(50)
        with self.arrived:
            self.waiting -= 1
            self.events.append(({key.lower(): value for key, value in headers.items()}, json.loads(body)))
            self.arrived.notify_all()
            return self.script.pop(0) if self.script else 204


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def start_storage(tmp_path: Path) -> Iterator[Callable[..., StorageProcess]]:
    """Starts a storage of the test's own, which may be killed."""
    started: list[StorageProcess] = []

    def start(*subscriptions: str) -> StorageProcess:
        home = tmp_path / f"storage-{len(started)}"
        home.mkdir()
        started.append(StorageProcess(home, subscriptions))
        return started[-1].start()

    yield start
    for process in started:
        process.stop()


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StorageProcess]:
    """One storage for all tests that only need buckets of their own."""
    process = StorageProcess(tmp_path_factory.mktemp("storage")).start()
    yield process
    assert process.stop() in (0, -signal.SIGTERM)


@pytest.fixture(scope="session")
def client(cloud: StorageProcess) -> storage.Client:
    """Google's own client, pointed at the local storage the way a user points it."""
    earlier = os.environ.get("STORAGE_EMULATOR_HOST")
    os.environ["STORAGE_EMULATOR_HOST"] = cloud.url
    try:
        return storage.Client(project="p", credentials=ANONYMOUS)
    finally:
        if earlier is None:
            del os.environ["STORAGE_EMULATOR_HOST"]
        else:
            os.environ["STORAGE_EMULATOR_HOST"] = earlier


@pytest.fixture
def bucket(client: storage.Client) -> storage.Bucket:
    """A new bucket."""
    return client.create_bucket(f"bucket-{next(_names)}")


@pytest.fixture
def receivers() -> Iterator[Callable[[], Receiver]]:
    """Starts receivers of events."""
    servers: list[tuple[ThreadingHTTPServer, threading.Thread, Receiver]] = []

    def start() -> Receiver:
        receiver = Receiver()
        receiver.gate.set()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                self.send_response(receiver.take(dict(self.headers), body))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        receiver.url = f"http://127.0.0.1:{server.server_address[1]}/"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        servers.append((server, thread, receiver))
        return receiver

    yield start
    for server, thread, receiver in servers:
        receiver.gate.set()
        server.shutdown()
        server.server_close()
        thread.join()
