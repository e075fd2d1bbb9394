"""Parts that fail on purpose, as real processes, and clients of them that may be killed."""

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from localcloud.faults.reader import log_of, write_rules
from localcloud.launcher.process import MARK
from tests.localcloud.storage.conftest import StorageProcess, free_port
from tests.whole_lines import read_whole_lines

# Connects, says so, and asks what it is told on standard input; then it waits, holding its connection.
CLIENT = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
connection.connect()
print("connected", flush=True)
method, path = sys.stdin.readline().split()
try:
    connection.request(method, path, b"x" if method == "POST" else None)
    print(connection.getresponse().status, flush=True)
except (OSError, http.client.HTTPException) as error:
    print(type(error).__name__, flush=True)
sys.stdin.read()
"""


@dataclass
class RulesFile:
    """A file of rules, and the log of what they did."""

    path: Path

    def set(self, *rules: Mapping[str, Any], seed: int = 1) -> None:
        numbered = [{"id": f"r{number}", **rule} for number, rule in enumerate(rules)]
        write_rules(self.path, json.dumps({"seed": seed, "rules": numbered}))

    def fired(self) -> list[str]:
        return [line["action"] for line in self.lines()]

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in read_whole_lines(log_of(self.path))]


@dataclass
class Origin:
    """The server behind a proxy: keeps what reached it, answers by `script`, else with 200 and "ok".

    `early` is answered at once, before a request's body is read.
    """

    port: int = 0
    requests: list[tuple[str, str, list[tuple[str, str]], bytes]] = field(default_factory=list)
    script: Callable[[BaseHTTPRequestHandler], None] | None = None
    early: bytes = b""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state folder whose mark the parts of a test carry."""
    monkeypatch.setenv(MARK, str(tmp_path))
    return tmp_path


@pytest.fixture
def rules(home: Path) -> RulesFile:
    return RulesFile(home / "faults.json")


@pytest.fixture
def start_storage(home: Path, rules: RulesFile) -> Iterator[Callable[..., StorageProcess]]:
    """Starts a storage that obeys `rules`; its subscriptions are given."""
    started: list[StorageProcess] = []

    def start(*subscriptions: str) -> StorageProcess:
        folder = home / f"storage-{len(started)}"
        folder.mkdir()
        started.append(StorageProcess(folder, subscriptions, ("--faults", str(rules.path))))
        return started[-1].start()

    yield start
    for process in started:
        process.stop()


@pytest.fixture
def origin() -> Iterator[Origin]:
    origin = Origin()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one(self) -> None:
            if origin.early:
                self.wfile.write(origin.early)
                self.close_connection = True
                return
            body = read_body(self)
            origin.requests.append((self.command, self.path, list(self.headers.items()), body))
            if origin.script:
                origin.script(self)
                return
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else b"ok")

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_one  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    origin.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield origin
    server.shutdown()
    server.server_close()
    thread.join()


def read_body(handler: BaseHTTPRequestHandler) -> bytes:
    if handler.headers.get("Transfer-Encoding", "") != "chunked":
        return handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
    pieces = []
    while size := int(handler.rfile.readline().split(b";")[0], 16):
        pieces.append(handler.rfile.read(size))
        handler.rfile.readline()
    while handler.rfile.readline() != b"\r\n":
        pass
    return b"".join(pieces)


@pytest.fixture
def proxy(home: Path, rules: RulesFile, origin: Origin) -> Iterator[int]:
    """The port of a proxy before the origin, for the part bigquery."""
    port = free_port()
    command = [sys.executable, "-m", "localcloud.faults.proxy", "--part", "bigquery", "--port", str(port)]
    command += ["--target", f"http://127.0.0.1:{origin.port}", "--faults", str(rules.path)]
    with (home / "proxy.log").open("ab") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        wait_until(lambda: is_open(port))
        yield port
        assert process.poll() is None, "the proxy ended by itself"
        process.kill()
    # What a fault or a broken connection does is no error of the proxy's.
    assert (home / "proxy.log").read_text() == ""


@dataclass
class Client:
    """A process that holds a connection and makes one request over it."""

    process: "subprocess.Popen[str]"

    def ask(self, method: str, path: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{method} {path}\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@pytest.fixture
def start_client(home: Path) -> Iterator[Callable[..., Client]]:
    """Starts clients of a port; each carries the mark of `home`, or that of another state folder."""
    started: list[Client] = []

    def start(port: int, mark: str = str(home)) -> Client:
        process = subprocess.Popen(
            [sys.executable, "-c", CLIENT, str(port)],
            env={**os.environ, MARK: mark},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        client = Client(process)
        started.append(client)
        assert client.answer() == "connected"
        return client

    yield start
    for client in started:
        client.process.kill()
        client.process.communicate()


def is_open(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.connect()
    except OSError:
        return False
    finally:
        connection.close()
    return True


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def request(
    port: int, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
