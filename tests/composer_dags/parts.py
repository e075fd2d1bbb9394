"""Parts of the local cloud as processes: started on a free port, stopped whatever happens."""

import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from localcloud.launcher.ports import choose_ports

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
    with _running("localcloud.storage", home, arguments) as url:
        yield Part(url, folder)


@contextmanager
def warehouse_part(home: Path) -> Iterator[Part]:
    folder = home / "buckets"
    folder.mkdir()
    arguments = ["--data", str(home / "data"), "--buckets", str(folder), "--project", "landfall-test"]
    with _running("localcloud.bigquery", home, arguments) as url:
        yield Part(url, folder)


@contextmanager
def _running(module: str, home: Path, arguments: Sequence[str]) -> Iterator[str]:
    if not (ROOT / Path(*module.split(".")) / "__main__.py").exists():
        pytest.skip(f"{module} is not there to be started")
    # Not one that the system gives away to others while the part starts.
    port = str(choose_ports([module], {}, home)[module])
    log = home / "log"
    # A file: a pipe that nobody reads is full one day, and the part then stands still.
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module, "--port", port, *arguments], cwd=ROOT, stdout=output, stderr=output
        )
    try:
        _await_health(process, f"http://127.0.0.1:{port}/healthz", log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=60)


def _await_health(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"it ended before it answered {url}:\n{log.read_text()}")
        try:
            with urllib.request.urlopen(url, timeout=10):  # noqa: S310 -- loopback, our own process
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"{url} did not answer within 60 s")
