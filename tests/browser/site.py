"""The control room as its own process, as it is deployed, over the emulators of a world."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from localcloud.launcher.ports import choose_ports
from tests.bigquery.world import LOCATION, PROJECT, ROOT
from tests.functions.control_room.world import LAKE, LANDING, LINKS, World
from tests.functions.instances import metadata_command, serving, wait_for_port


@dataclass(frozen=True)
class Site:
    """A running control room: where, over what, what it writes, and whether its quotes are the real ones."""

    address: str
    world: World
    log: Path
    real: bool


@contextmanager
def serve(world: World, folder: Path, lineage_url: str) -> Iterator[str]:
    """The address of a running control room; its log is `folder/log`."""
    folder.mkdir()
    metadata_port, port = choose_ports(["metadata", "function"], {}, folder).values()
    environment = _environment(world, metadata_port, folder, lineage_url)
    with (
        serving() as airflow,
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            metadata_command(metadata_port, f"http://127.0.0.1:{airflow.server_port}"),
            cwd=ROOT,
            stdout=log,
            stderr=log,
        ) as metadata,
        # Started elsewhere than in the project: what it imports must come from its own folder.
        subprocess.Popen(_command(port), cwd=folder, env=environment, stdout=log, stderr=log) as process,
    ):
        try:
            wait_for_port(metadata_port, metadata)
            wait_for_port(port, process)
            yield f"http://127.0.0.1:{port}"
        finally:
            for child in (process, metadata):
                child.terminate()
            for child in (process, metadata):
                child.wait(60)


def _command(port: int) -> list[str]:
    source = ROOT / "functions/control_room/main.py"
    options = f"--target control_room --signature-type http --host 127.0.0.1 --port {port}"
    return [sys.executable, "-m", "functions_framework", "--source", str(source), *options.split()]


def _environment(world: World, metadata_port: int, folder: Path, lineage_url: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "WORKERS": "1",
        "THREADS": "8",
        "CLOUDSDK_CONFIG": str(folder),
        "GCE_METADATA_HOST": f"127.0.0.1:{metadata_port}",
        "GCE_METADATA_IP": f"127.0.0.1:{metadata_port}",
        "BIGQUERY_EMULATOR_HOST": world.bigquery._connection.API_BASE_URL,
        "STORAGE_EMULATOR_HOST": world.storage._connection.API_BASE_URL,
        "LANDFALL_PROJECT": PROJECT,
        "LANDFALL_REGION": LOCATION,
        "LANDFALL_ENVIRONMENT": "local",
        "LANDFALL_BIGQUERY_LOCATION": LOCATION,
        "LANDFALL_LANDING_BUCKET": LANDING,
        "LANDFALL_LAKE_BUCKET": LAKE,
        "LANDFALL_CATALOG_DIR": str(ROOT / "bigquery"),
        "LANDFALL_LINEAGE_URL": lineage_url,
        "LANDFALL_LINKS": json.dumps(LINKS),
    }
