"""A local cloud, driven only through the `landfall` command and Google's own clients."""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

ROOT = Path(__file__).resolve().parents[2]
LANDFALL = Path(sys.executable).with_name("landfall")


class Cloud:
    """A local cloud in a folder of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {**os.environ, "LANDFALL_HOME": str(home), "NO_COLOR": "1"}

    def run(self, *arguments: str, exit_code: int | None = 0, timeout: float = 300) -> str:
        """Run `landfall ARGUMENTS` and return its standard output; `exit_code=None` allows any."""
        done = subprocess.run(
            [str(LANDFALL), *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if exit_code is not None:
            assert done.returncode == exit_code, (
                f"landfall {shlex.join(arguments)} ended with {done.returncode}, expected {exit_code}\n"
                f"{done.stdout}\n{done.stderr}"
            )
        return done.stdout

    def query(self, sql: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads(self.run("query", sql, "--json"))
        return rows

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = json.loads(self.run("status", "--json", exit_code=None))
        return status

    def exports(self) -> dict[str, str]:
        """What `landfall env` prints, as a clean shell would read it."""
        words = [shlex.split(line) for line in self.run("env").splitlines() if line.startswith("export ")]
        return dict(word[1].split("=", 1) for word in words)

    def bucket(self, part: str) -> "storage.Bucket":
        exports = self.exports()
        client = storage.Client(
            project=exports["LANDFALL_PROJECT"],
            credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
            client_options={"api_endpoint": exports["STORAGE_EMULATOR_HOST"]},
        )
        return client.bucket(exports[f"LANDFALL_{part.upper()}_BUCKET"])

    def wait_for(self, what: str, condition: Callable[[], bool], timeout: float = 240) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, f"{what}: not within {timeout} s\n{self.run('status')}"
            time.sleep(2)

    def pending(self) -> list[str]:
        return sorted(blob.name for blob in self.bucket("landing").list_blobs())

    def processes(self) -> list[psutil.Process]:
        """Every process that carries this cloud's folder in its environment."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("LANDFALL_HOME") == str(self.home) and process.pid != os.getpid():
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found


def sample(folder: Path, dataset: str, rows: int, seed: int, name: str | None = None) -> Path:
    """Write a seeded sample file and return its path."""
    path = folder / (name or f"{dataset}.csv")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "samples",
            dataset,
            "--rows",
            str(rows),
            "--seed",
            str(seed),
            "--output",
            path,
        ],
        cwd=ROOT,
        check=True,
    )
    return path
