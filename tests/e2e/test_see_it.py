"""What a cloud that is up shows of a file: the control room's pages, the links of its steps, its lineage."""

import json
from pathlib import Path
from typing import Any

import pytest

from localcloud.deployment.links import fill
from localcloud.deployment.local import LocalDeployment
from localcloud.launcher.place import ROOT, Place
from localcloud.launcher.web import fetch
from tests.e2e.local_cloud import Cloud, sample

pytestmark = pytest.mark.e2e

DATASET, ROWS = "price_quote", 300
# The kind of link that each step's resource has.
KINDS = {
    "csv_to_parquet": "dataproc_job",
    "load_raw": "bigquery_job",
    "call_trusted": "bigquery_job",
}


@pytest.fixture(scope="module")
def batch(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The ledger's row of a batch that came all the way."""
    cloud.run("drop", "--wait", str(sample(tmp_path_factory.mktemp("files"), DATASET, ROWS, seed=1)))
    (row,) = cloud.query("SELECT batch_id, run_id, steps FROM ops.batches")
    return row


def get(url: str, body: dict[str, Any] | None = None) -> str:
    return fetch(url, {"Authorization": "Bearer local"}, body, timeout=30).decode()


def test_the_control_room_shows_the_batch(cloud: Cloud, batch: dict[str, Any]) -> None:
    room = cloud.exports()["LANDFALL_CONTROL_ROOM_URL"]
    for path in (
        "",
        "/batches",
        f"/batches/{DATASET}/{batch['batch_id']}",
        "/files",
        f"/catalogue/{DATASET}",
    ):
        assert DATASET in get(f"{room}{path}"), path


def test_every_step_links_to_what_it_started(cloud: Cloud, batch: dict[str, Any]) -> None:
    links = LocalDeployment(Place(ROOT, Path(cloud.home))).links
    steps = {step["task"]: step["resource"] for step in batch["steps"]}
    run = fill(links["run"], dag_id=f"ingest_{DATASET}", run_id=batch["run_id"])
    # A page of Airflow, made in the browser.
    assert "<html" in get(run)
    for task, kind in KINDS.items():
        found = json.loads(get(fill(links[kind], job_id=steps[task])))
        if kind == "bigquery_job":
            assert found["jobReference"]["jobId"] == steps[task]
        else:
            (output,) = found["items"]
            assert "landfall" in get(output["mediaLink"])


def test_the_lineage_leads_from_landing_to_trusted(cloud: Cloud, batch: dict[str, Any]) -> None:
    assert batch
    exports = cloud.exports()
    project, url = exports["LANDFALL_PROJECT"], exports["LANDFALL_LINEAGE_URL"]
    search = f"{url}/v1/projects/{project}/locations/us-central1:searchLinks"

    def sources(target: str) -> set[str]:
        found = json.loads(get(search, {"target": {"fullyQualifiedName": target}}))
        return {link["source"]["fullyQualifiedName"] for link in found.get("links", [])}

    raw = f"bigquery:{project}.raw.{DATASET}"
    assert sources(f"bigquery:{project}.trusted.{DATASET}") == {raw}
    assert sources(raw) == {f"gcs:{exports['LANDFALL_LANDING_BUCKET']}.{DATASET}"}
