"""Parts of the local cloud as processes: started on a free port, stopped whatever happens."""

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Part:
    """A running part: where it listens and which folder holds the buckets."""

    url: str
    buckets: Path


@contextmanager
def storage_part(home: Path, faults: Path | None = None) -> Iterator[Part]:
    """Storage that fails by the rules in the file `faults`, if one is given."""
    folder = home / "buckets"
    folder.mkdir()
    arguments = [
        "--buckets",
        str(folder),
        "--state",
        str(home / "state.sqlite"),
        "--project",
        "landfall-test",
        *(["--faults", str(faults)] if faults else []),
    ]
    with _running("localcloud.storage", arguments, "/healthz") as url:
        yield Part(url, folder)


@contextmanager
def warehouse_part(home: Path) -> Iterator[Part]:
    folder = home / "buckets"
    folder.mkdir()
    arguments = ["--data", str(home / "data"), "--buckets", str(folder), "--project", "landfall-test"]
    with _running("localcloud.bigquery", arguments, "/healthz") as url:
        yield Part(url, folder)


@contextmanager
def _running(module: str, arguments: Sequence[str], health: str) -> Iterator[str]:
    if not (ROOT / Path(*module.split(".")) / "__main__.py").exists():
        pytest.skip(f"{module} is not there to be started")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", module, "--port", str(port), *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        _await_health(process, f"http://127.0.0.1:{port}{health}")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate(timeout=10)


def _await_health(process: "subprocess.Popen[str]", url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"it ended before it answered {url}:\n{process.communicate()[0]}")
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 -- loopback, our own process
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"{url} did not answer within 60 s")
