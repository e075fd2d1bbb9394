"""What the DAG tells of its tasks, and the local Data Lineage API that answers from it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from localcloud.launcher.ports import choose_ports
from tests.bigquery.world import LOCATION, PROJECT, ROOT
from tests.functions.control_room.world import LANDING
from tests.functions.instances import wait_for_port

#: Of each dataset, how long ago its last batch moved rows, in minutes.
_MOVED = {"price_quote": 92, "bill_of_materials": 415, "comp_boss": 167, "bank_statement": 640}
_Place = dict[str, str]


@contextmanager
def serve(folder: Path, now: datetime) -> Iterator[str]:
    """The address of a Data Lineage API that knows the last batch of each dataset."""
    folder.mkdir()
    events = folder / "events.ndjson"
    lines = [
        event
        for dataset, minutes in _MOVED.items()
        for event in _tell(dataset, now - timedelta(minutes=minutes))
    ]
    events.write_text("".join(json.dumps(line) + "\n" for line in lines))
    port = choose_ports(["lineage"], {}, folder)["lineage"]
    options = ["--port", str(port), "--events", str(events), "--project", PROJECT, "--region", LOCATION]
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "-m", "localcloud.lineage", *options]
        with subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log) as process:
            try:
                wait_for_port(port, process)
                yield f"http://127.0.0.1:{port}"
            finally:
                process.terminate()
                process.wait(60)


def _tell(dataset: str, moment: datetime) -> Iterator[dict[str, Any]]:
    landing = {"namespace": f"gs://{LANDING}", "name": dataset}
    raw, rejected, trusted = (
        _table(f"{layer}{dataset}") for layer in ("raw.", "ops.rejected_rows_", "trusted.")
    )
    yield _event(dataset, "load_raw", moment, landing, raw)
    yield _event(dataset, "load_rejected", moment, landing, rejected)
    yield _event(dataset, "call_trusted", moment + timedelta(seconds=8), raw, trusted)


def _table(name: str) -> _Place:
    return {"namespace": "bigquery", "name": f"{PROJECT}.{name}"}


def _event(dataset: str, task: str, moment: datetime, source: _Place, target: _Place) -> dict[str, Any]:
    return {
        "eventType": "COMPLETE",
        "eventTime": moment.isoformat(),
        "job": {"namespace": "landfall", "name": f"ingest_{dataset}.{task}"},
        "run": {"runId": str(uuid5(NAMESPACE_URL, f"{dataset}/{task}"))},
        "inputs": [source],
        "outputs": [target],
    }
