"""How long a claim takes, with nothing but the storage part beside it.

    PYTHONPATH=composer_dags python -m tests.bench.burst.claim [--files N…]

The claim is the DAG's own, over Google's client, in this process: what is pending is listed, copied into the
archive, deleted from landing, and written down. Seconds on Cloud Storage differ by the latency of a call; the
calls are the same.
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from landfall_dags import claim
from landfall_dags.journal import Manifest
from landfall_dags.pipeline import parse_pipeline
from landfall_dags.store import CloudStore
from localcloud.launcher.web import answers
from tests.bench.burst.contracts import ROOT
from tests.bench.burst.uploads import upload

_DATASET = "comp_boss"
_PIPELINE = ROOT / "bigquery" / "datasets" / _DATASET / "pipeline.json"
_PLACES = claim.Places("burst-landing", "burst-archive", "burst-lake")


def main() -> int:
    """Print a line of a table for each number of files."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.burst.claim", description="Time a claim.")
    parser.add_argument("--files", type=int, nargs="+", default=[100, 1_000, 10_000])
    arguments = parser.parse_args()
    print("| pending | seconds | of them CPU of the claim | files/s | calls | calls a file |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for files in arguments.files:
        with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as url:
            upload(url, _PLACES.landing, [_DATASET], files, seconds=0)
            print(measure(url, files), flush=True)
    return 0


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The storage part with the buckets of a claim, at the URL that is yielded."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    flags = f"--port {port} --buckets {folder / 'buckets'} --state {folder / 'state'} --project burst"
    command = [sys.executable, "-m", "localcloud.storage", *flags.split()]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            while not answers(f"{url}/healthz"):
                assert process.poll() is None, f"{command} ended with {process.returncode}"
                time.sleep(0.05)  # a port that opens tells nobody
            client = connect(url)
            for bucket in (_PLACES.landing, _PLACES.archive, _PLACES.lake):
                client.create_bucket(bucket)
            yield url
        finally:
            process.terminate()


def connect(url: str) -> Any:
    return storage.Client(
        project="burst",
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_options={"api_endpoint": url},
    )


def measure(url: str, files: int) -> str:
    """Claim everything that is pending, and say what it took."""
    client, calls = connect(url), Counter[str]()
    client._http.request = partial(_counted, client._http.request, calls)
    store, pipeline = CloudStore(client), parse_pipeline(_PIPELINE.read_text(), str(_PIPELINE))
    turn = claim.Turn(f"{_DATASET}__bench", urgent=False, now=lambda: datetime.now(UTC))
    process = psutil.Process(os.getpid())
    start, used = time.perf_counter(), process.cpu_times()
    manifest = claim.claim(
        store,
        _PLACES,
        pipeline,
        None,
        turn,
        lambda journal: claim.propose(store, _PLACES, pipeline, journal, turn.run_id, turn.now()),
        endings=None,  # type: ignore[arg-type]  # no batch ends in a first claim
    )
    seconds, now = time.perf_counter() - start, process.cpu_times()
    assert isinstance(manifest, Manifest) and len(manifest.files) == files, manifest
    cpu = now.user + now.system - used.user - used.system
    total = calls.total()
    return (
        f"| {files:,} | {seconds:.1f} | {cpu:.1f} | {files / seconds:.0f} | {total:,} | {total / files:.2f} |"
    )


def _counted(request: Any, calls: Counter[str], method: str, url: str, *rest: Any, **more: Any) -> Any:
    calls[method] += 1
    return request(method, url, *rest, **more)


if __name__ == "__main__":
    sys.exit(main())
