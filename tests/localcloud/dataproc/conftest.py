"""The local Dataproc as a real process, and Google's clients on it."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from google.api_core.gapic_v1.method import DEFAULT
from google.cloud import dataproc_v1
from google.cloud.dataproc_v1.services.cluster_controller.transports import ClusterControllerGrpcTransport
from google.cloud.dataproc_v1.services.job_controller.transports import JobControllerGrpcTransport

from localcloud.faults.reader import log_of, write_rules
from tests.whole_lines import read_whole_lines

PROJECT = "test-project"
REGION = "us-central1"
STAGING = "test-staging"
DATA = "test-data"
ROOT = Path(__file__).parents[3]


class LocalDataproc:
    """One part with its folders; it can be stopped, killed and started again on the same state."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.folder = folder
        self.buckets = folder / "buckets"
        self.rules = folder / "faults.json"
        self._flags = flags
        for bucket in (STAGING, DATA):
            (self.buckets / bucket).mkdir(parents=True)
        self.scope = {"project_id": PROJECT, "region": REGION}
        self.start()

    def start(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        port = self.address.rpartition(":")[2]
        arguments = ["--port", port, "--state", str(self.folder / "state"), "--buckets", str(self.buckets)]
        arguments += ["--project", PROJECT, "--seconds", "0.2", "--faults", str(self.rules), *self._flags]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "localcloud.dataproc", *arguments],
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.channel = grpc.insecure_channel(self.address, options=[("grpc.enable_http_proxy", 0)])
        try:
            grpc.channel_ready_future(self.channel).result(timeout=60)
        except grpc.FutureTimeoutError:
            self.stop()
            pytest.fail((self.folder / "log").read_text())
        self.clusters = dataproc_v1.ClusterControllerClient(
            transport=ClusterControllerGrpcTransport(channel=self.channel)
        )
        self.jobs = dataproc_v1.JobControllerClient(
            transport=JobControllerGrpcTransport(channel=self.channel)
        )

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End the part by a signal; the exit code."""
        self.channel.close()
        self.process.send_signal(number)
        return self.process.wait(timeout=30)

    def set_fault(self, action: str, path: str, **more: Any) -> None:
        """Let one call, or one cluster or job, of a matching path suffer this, and none other anything."""
        rule = {
            "id": action,
            "part": "dataproc",
            "match": {"path": path},
            "action": action,
            "times": 1,
            **more,
        }
        write_rules(self.rules, json.dumps({"rules": [rule]}))

    def struck(self) -> list[dict[str, Any]]:
        """What the last rules did besides answering: the lines of the log of faults that say so."""
        lines = map(json.loads, read_whole_lines(log_of(self.rules)))
        return [line for line in lines if line["action"] in ("struck", "killed")]

    def create(self, name: str, request_id: str = "", retry: Any = DEFAULT, **config: Any) -> Any:
        """Ask for a cluster; the operation."""
        cluster = {"cluster_name": name, "config": {"config_bucket": STAGING, **config}}
        request = {**self.scope, "cluster": cluster, "request_id": request_id}
        return self.clusters.create_cluster(request=request, retry=retry)

    def get_cluster(self, name: str) -> dataproc_v1.Cluster:
        return self.clusters.get_cluster(request={**self.scope, "cluster_name": name})

    def delete(self, name: str, **more: str) -> Any:
        return self.clusters.delete_cluster(request={**self.scope, "cluster_name": name, **more})

    def submit(self, cluster: str, main: str, request_id: str = "", job_id: str = "", **pyspark: Any) -> Any:
        """Submit a PySpark job; `main` is a `gs://` URI."""
        job: dict[str, Any] = {
            "placement": {"cluster_name": cluster},
            "pyspark_job": {"main_python_file_uri": main, **pyspark},
        }
        if job_id:
            job["reference"] = {"job_id": job_id}
        return self.jobs.submit_job(request={**self.scope, "job": job, "request_id": request_id})

    def get_job(self, job_id: str) -> dataproc_v1.Job:
        return self.jobs.get_job(request={**self.scope, "job_id": job_id})

    def cancel(self, job_id: str) -> dataproc_v1.Job:
        return self.jobs.cancel_job(request={**self.scope, "job_id": job_id})

    def end_of(self, job_id: str) -> dataproc_v1.Job:
        """The job once it is done."""
        return until(lambda: (job := self.get_job(job_id)).done and job)

    def put(self, name: str, text: str) -> str:
        """Write an object to the data bucket; its URI."""
        path = self.buckets / DATA / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return f"gs://{DATA}/{name}"

    def processes(self) -> list[psutil.Process]:
        """The processes of all jobs, which work in their folders."""
        folder = str(self.folder / "state" / "jobs")
        found = psutil.process_iter(["cwd"])
        return [one for one in found if (one.info["cwd"] or "").startswith(folder)]

    def path(self, uri: str) -> Path:
        return self.buckets / uri.removeprefix("gs://")


def until(found: Callable[[], Any], seconds: float = 180) -> Any:
    """What `found` returns as soon as it is true; the API tells it only when asked."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if result := found():
            return result
        time.sleep(0.05)
    raise TimeoutError(f"not within {seconds} s: {found}")


@pytest.fixture(scope="package")
def dataproc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDataproc]:
    """A part that the tests share; each uses names of its own. It warms up meanwhile.

    The space in its folder's name must not matter to any job.
    """
    part = LocalDataproc(tmp_path_factory.mktemp("data proc"))
    yield part
    assert part.stop() == 0


@pytest.fixture
def own_dataproc(tmp_path: Path) -> Iterator[LocalDataproc]:
    """A part for one test, to be stopped and killed."""
    part = LocalDataproc(tmp_path, "--no-warm-up")
    yield part
    if part.process.poll() is None:
        part.stop()


@pytest.fixture(scope="package")
def cluster(dataproc: LocalDataproc) -> str:
    """A running cluster that no test changes."""
    return str(dataproc.create("shared").result(timeout=30).cluster_name)


# A driver that tells its process id and then waits to be ended.
WAITING_DRIVER = """
import os, pathlib, sys, time
pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
time.sleep(300)
"""


class Driver:
    """The driver of a submitted job that waits, once it runs."""

    def __init__(self, part: LocalDataproc, cluster: str, folder: Path, job_id: str) -> None:
        told = folder / f"{job_id}.pid"
        main = part.put(f"{job_id}.py", WAITING_DRIVER)
        part.submit(cluster, main, job_id=job_id, args=[str(told)])
        self.pid = int(until(lambda: told.exists() and told.read_text()))

    def is_alive(self) -> bool:
        # One that nobody has waited for is dead as well.
        try:
            return psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


@pytest.fixture
def waiting_driver(tmp_path: Path) -> Callable[[LocalDataproc, str, str], Driver]:
    """Submits a job that waits, and returns its driver once it runs."""
    return lambda part, cluster, job_id: Driver(part, cluster, tmp_path, job_id)
