"""The command on a deployed environment; Google is the local cloud, found as Google's own libraries find it.

What is set from outside are endpoints and a metadata server, whose token is the user's: `landfall env` prints
them. The file of the environment is as Terraform writes it (tests/terraform/test_outputs.py).
"""

import csv
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.local_cloud import LANDFALL, Cloud, sample
from tests.e2e.oracle import differences
from tests.localcloud.deployment.local_outputs import ENVIRONMENT, local_outputs, write_outputs

pytestmark = pytest.mark.e2e


class Deployed:
    """An environment in a state folder of its own, in which no local cloud lies."""

    def __init__(self, cloud: Cloud, home: Path) -> None:
        exports = cloud.exports()
        url = exports["AIRFLOW_API_URL"].removesuffix("/api/v2")
        write_outputs(home, local_outputs(url))
        google = {
            name: value for name, value in exports.items() if not name.startswith(("LANDFALL", "AIRFLOW"))
        }
        self._environment = {**cloud.environment, **google, "LANDFALL_HOME": str(home)}

    def run(self, *arguments: str, exit_code: int = 0) -> str:
        """Run `landfall --env …` and return its standard output."""
        done = subprocess.run(
            [str(LANDFALL), "--env", ENVIRONMENT, *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == exit_code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def query(self, sql: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads(self.run("query", sql, "--json"))
        return rows

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = json.loads(self.run("status", "--json"))
        return status


@pytest.fixture(scope="module")
def deployed(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    return Deployed(cloud, tmp_path_factory.mktemp("deployed"))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def dropped(deployed: Deployed, files: Path) -> dict[str, Path]:
    """One file that nobody waits for, and three that are; one has a row that breaks its contract."""
    paths = {
        dataset: sample(files, dataset, rows, seed=11)
        for dataset, rows in (
            ("price_quote", 800),
            ("comp_boss", 60),
            ("bank_statement", 90),
            ("bill_of_materials", 30),
        )
    }
    said = deployed.run("drop", str(paths["bill_of_materials"]))
    assert said.startswith("gs://landfall-local-landing/bill_of_materials/bill_of_materials.csv#")
    damaged = files / "comp_boss_damaged.csv"
    damaged.write_text(paths["comp_boss"].read_text() + "C-99991,only two\n")
    arriving = [paths["price_quote"], damaged, paths["bank_statement"]]
    said = deployed.run("drop", "--wait", *map(str, arriving))
    assert "800 rows read, 800 accepted, 0 rejected; trusted.price_quote has 800 rows" in said
    assert "61 rows read, 60 accepted, 1 rejected; trusted.comp_boss has 60 rows" in said
    # Some of its rows may be for others to see.
    assert "90 accepted, 0 rejected; trusted.bank_statement was not looked into" in said
    return paths


@pytest.mark.parametrize("dataset", ["price_quote", "comp_boss"])
def test_rows_are_in_trusted_exactly(
    deployed: Deployed, dropped: dict[str, Path], files: Path, dataset: str
) -> None:
    rows = deployed.run("query", f"SELECT * FROM trusted.{dataset}", "--csv")
    found = differences(dataset, [dropped[dataset]], rows, files)
    count = len(dropped[dataset].read_text().splitlines()) - 1
    assert found == {"expected": count, "trusted": count, "missing": 0, "unexpected": 0}


def test_a_file_that_nobody_waited_for_arrives(
    cloud: Cloud, deployed: Deployed, dropped: dict[str, Path]
) -> None:
    cloud.wait_for(
        "the file is loaded",
        lambda: deployed.query("SELECT COUNT(*) AS n FROM trusted.bill_of_materials") == [{"n": 30}],
    )
    cloud.wait_for("it is recorded", lambda: len(deployed.status()["files"]) == len(dropped))


def test_status_is_that_of_the_environment(deployed: Deployed, dropped: dict[str, Path]) -> None:
    status = deployed.status()
    assert (status["environment"], status["airflow"]["state"]) == (ENVIRONMENT, "healthy")
    assert "parts" not in status
    counts = {one["dataset"]: one["trusted_rows"] for one in status["datasets"]}
    assert counts == {"bank_statement": None, "bill_of_materials": 30, "comp_boss": 60, "price_quote": 800}
    assert {file["state"] for file in status["files"]} == {"loaded"}
    shown = deployed.run("status")
    assert f"{ENVIRONMENT:<8} project landfall-local, us-central1" in shown
    assert "comp_boss/comp_boss_damaged.csv" in shown


def test_a_file_is_followed_by_the_ledger_of_the_environment(
    deployed: Deployed, dropped: dict[str, Path]
) -> None:
    assert dropped
    (story,) = json.loads(deployed.run("where", "comp_boss_damaged.csv", "--json"))["files"]
    assert (story["state"], story["rows_rejected"]) == ("loaded", 1)
    (reading,) = story["readings"]
    assert {step["state"] for step in reading["steps"]} == {"done"}
    deployed.run("where", "nope.csv", exit_code=1)


def test_rejected_rows_are_exported_and_a_file_is_read_again(
    deployed: Deployed, dropped: dict[str, Path], tmp_path: Path
) -> None:
    target = tmp_path / "comp_boss_rejected.csv"
    said = deployed.run("rejects", "comp_boss", "--csv", str(target))
    assert f"landfall --env {ENVIRONMENT} drop --wait --dataset comp_boss {target}" in said
    header = dropped["comp_boss"].read_text().splitlines()[0]
    assert target.read_text().splitlines() == [header, "C-99991,only two"]
    (reason,) = csv.DictReader(target.with_name(f"{target.name}.reasons.csv").open())
    assert reason["code"] == "ragged_row"
    assert "loaded: 61 rows read" in deployed.run("replay", "--wait", "comp_boss_damaged.csv")
    batches = deployed.query("SELECT replay FROM ops.batches WHERE dataset = 'comp_boss' ORDER BY claimed_at")
    assert [bool(batch["replay"]) for batch in batches] == [False, True]
