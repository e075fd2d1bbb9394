"""What a cloud that is up shows of a file: the control room's pages, the links of its steps, its lineage."""

import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from localcloud.deployment.links import fill
from localcloud.deployment.local import LocalDeployment
from localcloud.launcher.place import ROOT, Place
from localcloud.launcher.web import fetch
from room.export import restore
from tests.browser.chromium import Visitor
from tests.e2e.local_cloud import Cloud, sample

pytestmark = pytest.mark.e2e

DATASET, ROWS = "price_quote", 300
# The kind of link that each step's resource has.
KINDS = {
    "csv_to_parquet": "dataproc_job",
    "load_raw": "bigquery_job",
    "call_trusted": "bigquery_job",
}
HOSTILE = (
    [
        "TA-00001",
        "<script>alert(1)</script>",
        "not a day",
        "0",
        "0",
        "Yes",
        "1",
        '=HYPERLINK("//x")',
    ],
    ["=1+1", "<img src=x onerror=alert(1)>", "2013-02-30", "0", "0", "Yes", "1", "1.5"],
    ["TA-00002", "@SUM(1)", "2013-07-07", "+1", "-1", "Maybe", "1", "</td></table><h1>owned</h1>"],
)


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
    place = Place(ROOT, Path(cloud.home))
    links = LocalDeployment(place).links
    steps = {step["task"]: step["resource"] for step in batch["steps"]}
    run = fill(links["run"], dag_id=f"ingest_{DATASET}", run_id=batch["run_id"])
    # A page of Airflow, made in the browser.
    assert "<html" in get(run)
    for task, kind in KINDS.items():
        found = get(fill(links[kind], job_id=steps[task]))
        if kind == "bigquery_job":
            assert json.loads(found)["jobReference"]["jobId"] == steps[task]
        else:
            (log,) = place.buckets.rglob(f"jobs/{steps[task]}/driveroutput.*")
            assert "landfall" in found
            assert found == log.read_bytes().decode()


def test_the_lineage_leads_from_landing_to_trusted(cloud: Cloud, batch: dict[str, Any]) -> None:
    assert batch
    exports = cloud.exports()
    project, url = exports["LANDFALL_PROJECT"], exports["LANDFALL_LINEAGE_URL"]
    search = f"{url}/v1/projects/{project}/locations/us-central1:searchLinks"

    def sources(target: str) -> set[str]:
        found = json.loads(get(search, {"target": {"fullyQualifiedName": target}}))
        return {link["source"]["fullyQualifiedName"] for link in found.get("links", [])}

    raw, trusted = (f"bigquery:{project}.{layer}.{DATASET}" for layer in ("raw", "trusted"))
    # It is told once the batch is recorded, and that is all that `drop --wait` waits for.
    cloud.wait_for("the lineage of trusted is told", lambda: bool(sources(trusted)))
    assert sources(trusted) == {raw}
    assert sources(raw) == {f"gcs:{exports['LANDFALL_LANDING_BUCKET']}.{DATASET}"}


def test_a_dropped_file_is_found_with_its_rejected_rows(
    browser: Browser, cloud: Cloud, tmp_path: Path
) -> None:
    file = sample(tmp_path, "price_quote", 60, seed=68, name="price_quote to look for.csv")
    with file.open("a", newline="") as text:
        csv.writer(text, lineterminator="\n").writerows(HOSTILE)
    cloud.run("drop", str(file), "--wait", timeout=600)
    visitor = Visitor(browser, cloud.exports()["LANDFALL_CONTROL_ROOM_URL"])
    with visitor.visit("/", accept_downloads=True) as page:
        _find(page, file.name)
        page.locator("main a[href^='/rejected?']").first.click()
        for row in HOSTILE:
            expect(page.locator("main")).to_contain_text(row[1])
        assert page.locator("main script, main img, main [onerror]").count() == 0
        with page.expect_download() as download:
            page.locator("a[href^='/rejected.csv']").first.click()
        download.value.save_as(tmp_path / "rejected.csv")
    ledger = cloud.query(f"SELECT raw FROM ops.rejected_rows WHERE source_uri LIKE '%/{file.name}'")
    assert _rows(tmp_path / "rejected.csv") == {row["raw"] for row in ledger}
    assert len(ledger) == len(HOSTILE)
    with visitor.visit("/report") as page:
        total = cloud.query("SELECT CAST(SUM(cost) AS STRING) AS total FROM trusted.price_quote")[0]["total"]
        expect(page.locator(".figures dd").first).to_have_text(f"{Decimal(total):,.2f}")
    assert visitor.faults == []


def _find(page: Page, name: str) -> None:
    """As a new user would: type the name on the first page. One file of that name is shown at once."""
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text(name)


def _rows(path: Path) -> set[str]:
    """The texts of the rows in an export, which computes nothing."""
    with io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="") as text:
        lines = list(csv.DictReader(text))
    assert [cell for line in lines for cell in line.values() if cell.startswith(("=", "+", "-", "@"))] == []
    return {restore(line["raw"]) for line in lines}
