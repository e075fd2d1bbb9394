"""The parts of the local cloud: what is started for each, and when it is ready."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import grpc

from localcloud.airflow.api import Airflow
from localcloud.airflow.config import make_connection
from localcloud.launcher.cloud import BUCKETS, ENVIRONMENT, PROJECT, PROXIES, REGION, Cloud
from localcloud.launcher.links import make_links
from localcloud.launcher.ports import HOST
from localcloud.launcher.web import WebError, answers, fetch


@dataclass(frozen=True)
class Part:
    """A part: its command, what its environment has besides everybody's, and its health check.

    `ready` is told when the process was created (seconds since the epoch): older signs of life do not count.
    """

    name: str
    command: tuple[str, ...]
    folder: Path
    ready: Callable[[float], bool]
    needs: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


PARTS = (
    "storage",
    "bigquery",
    "dataproc",
    "metadata",
    "secrets",
    "function",
    "api-server",
    "scheduler",
    "dag-processor",
    "triggerer",
    "lineage",
    "control-room",
)


def name_parts(faults: bool) -> tuple[str, ...]:
    """The parts of a cloud, in the order in which they are shown; one that can be made to fail has more."""
    return (*PARTS, *PROXIES.values()) if faults else PARTS


def list_parts(cloud: Cloud) -> list[Part]:
    """Every part of this cloud, as `name_parts` names them."""
    return [
        *_servers(cloud),
        _function(cloud),
        *_airflow(cloud),
        _lineage(cloud),
        _control_room(cloud),
        *(_proxies(cloud) if cloud.faults else []),
    ]


def _ours(cloud: Cloud, name: str, *flags: str) -> tuple[str, ...]:
    return (sys.executable, "-m", f"localcloud.{name}", "--port", str(cloud.ports[name]), *flags)


def _served(cloud: Cloud, part: str, folder: str, *flags: str) -> tuple[str, ...]:
    """A function of the checkout, served as the platform serves it; its folder bears its target's name."""
    main = cloud.place.root / "functions" / folder / "main.py"
    return (
        *(sys.executable, "-m", "functions_framework", "--host", HOST, "--port", str(cloud.ports[part])),
        *("--source", str(main), "--target", folder, *flags),
    )


def _servers(cloud: Cloud) -> list[Part]:
    place, root = cloud.place, cloud.place.root
    common = ("--buckets", str(place.buckets), "--project", PROJECT)

    faults = ("--faults", str(place.faults)) if cloud.faults else ()
    storage = _ours(
        cloud,
        "storage",
        *faults,
        *("--state", str(place.home / "storage.sqlite"), *common),
        *("--subscribe", f"{BUCKETS['landing']}={cloud.url('function')}/"),
    )
    bigquery = _ours(cloud, "bigquery", "--data", str(place.home / "bigquery"), *common)
    dataproc = _ours(cloud, "dataproc", "--state", str(place.home / "dataproc"), *common, *faults)
    metadata = _ours(cloud, "metadata", "--airflow-url", cloud.url("api-server"), "--project", PROJECT)
    secrets = _ours(cloud, "secrets", "--keys", str(place.keys), "--project", PROJECT)
    return [
        Part("storage", storage, root, lambda _: answers(f"{cloud.url('storage')}/healthz")),
        Part("bigquery", bigquery, root, lambda _: answers(f"{cloud.url('bigquery')}/readyz")),
        Part("dataproc", dataproc, root, lambda _: _speaks_grpc(cloud.address("dataproc"))),
        Part("metadata", metadata, root, lambda _: answers(f"{cloud.url('metadata')}/healthz")),
        Part("secrets", secrets, root, lambda _: answers(f"{cloud.url('secrets')}/healthz")),
    ]


def _function(cloud: Cloud) -> Part:
    return Part(
        "function",
        _served(cloud, "function", "trigger_ingest", "--signature-type", "cloudevent"),
        cloud.place.home,
        # The framework answers GET with 405 or 400: any answer shows that the function is loaded.
        lambda _: _answers_at_all(cloud.url("function")),
        environment={
            "LANDFALL_AIRFLOW_URL": cloud.pipeline_url("api-server"),
            "WORKERS": "1",
            "THREADS": "4",
        },
    )


def _lineage(cloud: Cloud) -> Part:
    flags = ("--events", str(cloud.place.lineage_events), "--project", PROJECT, "--region", REGION)
    return Part(
        "lineage",
        _ours(cloud, "lineage", *flags),
        cloud.place.root,
        lambda _: answers(f"{cloud.url('lineage')}/healthz"),
    )


def _control_room(cloud: Cloud) -> Part:
    return Part(
        "control-room",
        _served(cloud, "control-room", "control_room", "--signature-type", "http"),
        cloud.place.home,
        lambda _: answers(f"{cloud.url('control-room')}/healthz"),
        # It looks for its account when it starts. Both are there before Airflow: `up` does not wait for it.
        needs=("metadata", "warehouse"),
        environment={
            "LANDFALL_ENVIRONMENT": ENVIRONMENT,
            "LANDFALL_CATALOG_DIR": str(cloud.place.catalog),
            "LANDFALL_LINEAGE_URL": cloud.url("lineage"),
            "LANDFALL_LINKS": json.dumps(make_links(cloud)),
            # It only looks: what is made to fail is the pipeline.
            "BIGQUERY_EMULATOR_HOST": cloud.url("bigquery"),
            "WORKERS": "1",
            "THREADS": "8",
        },
    )


def _proxies(cloud: Cloud) -> list[Part]:
    """What stands before the servers that cannot fail on purpose themselves."""

    def proxy(part: str, server: str, healthy: str) -> Part:
        name = PROXIES[server]
        command = (
            *(sys.executable, "-m", "localcloud.faults.proxy", "--part", part),
            *("--port", str(cloud.ports[name]), "--target", cloud.url(server)),
            *("--faults", str(cloud.place.faults)),
        )
        return Part(name, command, cloud.place.root, lambda _: answers(f"{cloud.url(name)}{healthy}"))

    return [
        proxy("bigquery", "bigquery", "/readyz"),
        proxy("airflow", "api-server", "/api/v2/version"),
    ]


def _airflow(cloud: Cloud) -> list[Part]:
    airflow = Airflow(cloud.url("api-server"))
    # Tasks alone tell lineage, and they are the scheduler's children. To load what tells it costs a second.
    quiet = {"AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING", "AIRFLOW__OPENLINEAGE__DISABLED": "True"}

    def beats(component: str) -> Callable[[float], bool]:
        return lambda since: _beats(airflow, component, since)

    def part(
        name: str, *flags: str, ready: Callable[[float], bool], more: Mapping[str, str] | None = None
    ) -> Part:
        return Part(
            name,
            (sys.executable, "-m", "airflow", name, *flags),
            cloud.place.home,
            ready,
            needs=("database",),
            environment={"AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT": make_connection(PROJECT), **(more or {})},
        )

    return [
        part("api-server", ready=lambda _: answers(f"{airflow.url}/api/v2/version"), more=quiet),
        # Its workers inherit its log level, and the log of a task should say what the task did.
        part("scheduler", "--skip-serve-logs", ready=beats("scheduler")),
        part("dag-processor", ready=beats("dag_processor"), more=quiet),
        part("triggerer", "--skip-serve-logs", ready=beats("triggerer"), more=quiet),
    ]


def _beats(airflow: Airflow, component: str, since: float) -> bool:
    try:
        beat = airflow.heartbeats().get(component)
    except WebError:
        return False
    return beat is not None and beat >= datetime.fromtimestamp(since, UTC)


def _answers_at_all(url: str) -> bool:
    try:
        fetch(url, timeout=1)
    except WebError as error:
        return error.status is not None
    return True


def _speaks_grpc(address: str) -> bool:
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=1)
        except grpc.FutureTimeoutError:
            return False
    return True
