"""One instance of the function as deployed, with all that it talks to, each process bound to a core."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from localcloud.launcher.ports import choose_ports

ROOT = Path(__file__).resolve().parents[3]


class BenchError(Exception):
    """The bench cannot go on; the message says why."""


@dataclass(frozen=True)
class Instance:
    """Where the function listens, where its Airflow does, and the core that is the function's alone."""

    address: tuple[str, int]
    airflow_url: str
    core: int | None


@contextmanager
def started(folder: Path, threads: int, delay: float, window_seconds: int) -> Iterator[Instance]:
    """Start everything; at the end of the block nothing of it runs. BenchError: a part ended at its start."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    own, others = (cores[-1], cores[0]) if len(cores) > 1 else (None, None)
    airflow, metadata, function = choose_ports(["airflow", "metadata", "function"], {}, folder).values()
    airflow_url = f"http://127.0.0.1:{airflow}"
    (folder / "gcloud").mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "CLOUDSDK_CONFIG": str(folder / "gcloud"),
        "GCE_METADATA_HOST": f"127.0.0.1:{metadata}",
        "GCE_METADATA_IP": f"127.0.0.1:{metadata}",
        "LANDFALL_PROJECT": "landfall-bench",
        "LANDFALL_LANDING_BUCKET": "landing",
        "LANDFALL_AIRFLOW_URL": airflow_url,
        "LANDFALL_BATCH_WINDOW_SECONDS": str(window_seconds),
        "WORKERS": "1",
        "THREADS": str(threads),
    }
    source = ROOT / "functions" / "trigger_ingest" / "main.py"
    options = f"--port {function} --host 127.0.0.1 --target trigger_ingest --signature-type cloudevent"
    with ExitStack() as running, (folder / "log").open("wb") as log:

        def start(
            module: str, flags: Sequence[str], own_core: bool, env: Mapping[str, str] | None = None
        ) -> None:
            core = own if own_core else others
            command = [*(["taskset", "--cpu-list", str(core)] if core is not None else []), sys.executable]
            process = subprocess.Popen(
                [*command, "-m", module, *flags],
                cwd=ROOT,
                env=env,
                stdout=log,
                stderr=log,
            )
            running.callback(process.wait, 60)
            running.callback(process.terminate)
            _wait_for_port(int(flags[flags.index("--port") + 1]), process, folder / "log")

        start("tests.bench.function.stand_in", ["--port", str(airflow), "--delay", str(delay)], False)
        start(
            "localcloud.metadata",
            ["--port", str(metadata), "--airflow-url", airflow_url, "--project", "landfall-bench"],
            False,
        )
        start("functions_framework", ["--source", str(source), *options.split()], True, environment)
        if others is not None:
            os.sched_setaffinity(0, [others])
            running.callback(os.sched_setaffinity, 0, cores)
        yield Instance(("127.0.0.1", function), airflow_url, own)


def _wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise BenchError(f"{process.args!r} ended with {process.returncode}:\n{log.read_text()[-2000:]}")
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)  # a port that opens tells nobody
    raise BenchError(f"nothing listens on port {port} after 60 s; see {log}")
