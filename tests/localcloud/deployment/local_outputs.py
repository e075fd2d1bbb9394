"""The outputs of an environment whose project is the local cloud, as `terraform output -json` prints them."""

import json
from pathlib import Path
from typing import Any

from localcloud.launcher.cloud import BIGQUERY_LOCATION, BUCKETS, PROJECT, REGION

ENVIRONMENT = "local"
LINKS = {
    "run": "https://airflow.example.com/dags/{dag_id}/runs/{run_id}",
    "dataproc_job": "https://console.example.com/dataproc/jobs/{job_id}",
}


def local_outputs(airflow_url: str, **others: Any) -> dict[str, Any]:
    """The outputs, each with its value; `others` are put in the place of some."""
    values = {
        "environment": ENVIRONMENT,
        "project": PROJECT,
        "region": REGION,
        "bigquery_location": BIGQUERY_LOCATION,
        "buckets": BUCKETS,
        "datasets": ["bank_statement", "bill_of_materials", "comp_boss", "price_quote"],
        "airflow_url": airflow_url,
        "function": "trigger-ingest",
        "control_room_url": "https://control-room.example.com",
        "links": LINKS,
        **others,
    }
    return {name: {"sensitive": False, "type": "string", "value": value} for name, value in values.items()}


def write_outputs(home: Path, outputs: dict[str, Any]) -> Path:
    """Put the file where `make deploy` puts it; returns its path."""
    path = home / "environments" / f"{outputs['environment']['value']}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(outputs))
    return path
