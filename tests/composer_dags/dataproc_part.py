"""The local cloud's Dataproc as a process: jobs are a shell's word or two, calls fail by rules of faults."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.cloud import dataproc_v1
from google.cloud.dataproc_v1.services.cluster_controller.transports import ClusterControllerGrpcTransport
from google.cloud.dataproc_v1.services.job_controller.transports import JobControllerGrpcTransport

from landfall_dags.dataproc import Dataproc
from localcloud.launcher.ports import choose_ports
from tests.composer_dags.parts import ROOT

PROJECT, REGION, STAGING, CODE = "landfall-test", "us-central1", "staging", "code"
# The job's main file is what the shell does in place of spark-submit.
_SUBMIT = "sh -c 'for last; do :; done; exec sh $last' submit"


@dataclass(frozen=True)
class DataprocPart:
    """A running part, and what a test does to it."""

    api: Dataproc
    buckets: Path
    rules: Path

    def job(self, cluster: str, job_id: str, does: str) -> dict[str, Any]:
        """A job that runs this line of shell on a cluster."""
        (self.buckets / CODE / f"{job_id}.py").write_text(f"{does}\n")
        return {
            "reference": {"project_id": PROJECT, "job_id": job_id},
            "placement": {"cluster_name": cluster},
            "pyspark_job": {"main_python_file_uri": f"gs://{CODE}/{job_id}.py"},
        }

    def suffer(self, action: str, path: str, **more: Any) -> None:
        """Let calls of a matching path suffer this, once unless `times` says otherwise."""
        rule = {"id": action, "part": "dataproc", "match": {"path": path}, "action": action, "times": 1}
        self.rules.write_text(json.dumps({"rules": [rule | more]}))


@contextmanager
def dataproc_part(home: Path) -> Iterator[DataprocPart]:
    buckets, rules = home / "buckets", home / "faults.json"
    for bucket in (STAGING, CODE):
        (buckets / bucket).mkdir(parents=True)
    # Not one that the system gives away to others while the part starts.
    port = choose_ports(["dataproc"], {}, home)["dataproc"]
    arguments = {
        "--port": str(port),
        "--state": str(home / "state"),
        "--buckets": str(buckets),
        "--project": PROJECT,
        "--seconds": "0.2",
        "--faults": str(rules),
        "--spark-submit": _SUBMIT,
    }
    words = [word for pair in arguments.items() for word in pair]
    process = subprocess.Popen([sys.executable, "-m", "localcloud.dataproc", *words], cwd=ROOT)
    channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)])
    try:
        grpc.channel_ready_future(channel).result(timeout=60)
        api = Dataproc(
            dataproc_v1.ClusterControllerClient(transport=ClusterControllerGrpcTransport(channel=channel)),
            dataproc_v1.JobControllerClient(transport=JobControllerGrpcTransport(channel=channel)),
            PROJECT,
            REGION,
        )
        yield DataprocPart(api, buckets, rules)
    finally:
        channel.close()
        process.terminate()
        process.wait(timeout=60)
