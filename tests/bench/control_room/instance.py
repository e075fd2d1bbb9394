"""The control room as the local cloud runs it, in functions-framework, with all that it reads."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from localcloud.launcher.ports import choose_ports
from tests.bench.control_room import FUNCTION, ROOT
from tests.bigquery.world import LOCATION, PROJECT
from tests.functions.control_room.world import LAKE, LANDING, LINKS, World, start_world

THREADS = 8


class BenchError(Exception):
    """The bench cannot go on; the message says why."""


@dataclass(frozen=True)
class Instance:
    """One running function: where it listens, how long its first answer took, and its process."""

    port: int
    first_seconds: float
    process: "subprocess.Popen[bytes]"

    def spent_seconds(self) -> float:
        """The processor time of the function and of all that it reads, so far."""
        return sum(_spent(process) for process in psutil.Process(os.getpid()).children(recursive=True))

    def peak_bytes(self) -> int:
        """The most memory that its largest process has had."""
        family = [
            psutil.Process(self.process.pid),
            *psutil.Process(self.process.pid).children(recursive=True),
        ]
        return max(_peak(process.pid) for process in family)


@dataclass(frozen=True)
class Surroundings:
    """What a control room reads: the emulators, and the servers of tokens and of lineage."""

    folder: Path
    world: World
    metadata: int
    lineage: int

    @contextmanager
    def serve(self, source: Path) -> Iterator[Instance]:
        """Run the function of a source file until the block ends."""
        port = choose_ports(["function"], {}, self.folder)["function"]
        flags = (
            f"--source {source} --target control_room --signature-type http --host 127.0.0.1 --port {port}"
        )
        with ExitStack() as running:
            began = time.monotonic()
            process = _start(
                running, self.folder, "functions_framework", flags.split(), self._environment(), port
            )
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", "/")
            if connection.getresponse().status != 200:
                raise BenchError(f"the first page failed:\n{_tail(self.folder)}")
            yield Instance(port, time.monotonic() - began, process)

    def _environment(self) -> dict[str, str]:
        bigquery, storage = self.world.bigquery, self.world.storage
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(FUNCTION),
            "CLOUDSDK_CONFIG": str(self.folder / "gcloud"),
            "GCE_METADATA_HOST": f"127.0.0.1:{self.metadata}",
            "GCE_METADATA_IP": f"127.0.0.1:{self.metadata}",
            "BIGQUERY_EMULATOR_HOST": bigquery._connection.API_BASE_URL,
            "STORAGE_EMULATOR_HOST": storage._connection.API_BASE_URL,
            "LANDFALL_PROJECT": PROJECT,
            "LANDFALL_REGION": LOCATION,
            "LANDFALL_ENVIRONMENT": "bench",
            "LANDFALL_BIGQUERY_LOCATION": LOCATION,
            "LANDFALL_LANDING_BUCKET": LANDING,
            "LANDFALL_LAKE_BUCKET": LAKE,
            "LANDFALL_CATALOG_DIR": str(ROOT / "bigquery"),
            "LANDFALL_LINEAGE_URL": f"http://127.0.0.1:{self.lineage}",
            "LANDFALL_LINKS": json.dumps(LINKS),
            "WORKERS": "1",
            "THREADS": str(THREADS),
        }


@contextmanager
def surroundings(folder: Path) -> Iterator[Surroundings]:
    """Start everything but the function; at the end of the block nothing of it runs."""
    (folder / "gcloud").mkdir()
    airflow, metadata, lineage = choose_ports(["airflow", "metadata", "lineage"], {}, folder).values()
    with start_world(folder / "world") as world, ExitStack() as running:
        # Only the metadata server asks it, for a token that the emulators do not look at.
        _start(running, folder, "tests.bench.function.stand_in", ["--delay", "0"], None, airflow)
        flags = ["--airflow-url", f"http://127.0.0.1:{airflow}", "--project", PROJECT]
        _start(running, folder, "localcloud.metadata", flags, None, metadata)
        flags = ["--events", str(folder / "events.ndjson"), "--project", PROJECT, "--region", LOCATION]
        _start(running, folder, "localcloud.lineage", flags, None, lineage)
        yield Surroundings(folder, world, metadata, lineage)


def _start(
    running: ExitStack,
    folder: Path,
    module: str,
    flags: Sequence[str],
    environment: dict[str, str] | None,
    port: int,
) -> "subprocess.Popen[bytes]":
    log = running.enter_context((folder / "log").open("ab"))
    told = () if "--port" in flags else ("--port", str(port))
    process = subprocess.Popen(
        [sys.executable, "-m", module, *told, *flags], cwd=ROOT, env=environment, stdout=log, stderr=log
    )
    running.callback(process.wait, 60)
    running.callback(process.terminate)
    _wait_for_port(port, process, folder)
    return process


def _wait_for_port(port: int, process: "subprocess.Popen[bytes]", folder: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise BenchError(f"{process.args!r} ended with {process.returncode}:\n{_tail(folder)}")
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)  # a port that opens tells nobody
    raise BenchError(f"nothing listens on port {port} after 60 s:\n{_tail(folder)}")


def _tail(folder: Path) -> str:
    return (folder / "log").read_text(errors="replace")[-3000:]


def _spent(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _peak(pid: int) -> int:
    """The peak of the resident memory in bytes; what it has now where the system does not say."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return int(psutil.Process(pid).memory_info().rss)
