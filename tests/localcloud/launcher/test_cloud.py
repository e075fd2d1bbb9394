import json
from pathlib import Path

import pytest

from localcloud.launcher.cloud import BUCKETS, SERVERS, VAR_FILE, Cloud, names
from localcloud.launcher.place import Place


@pytest.fixture
def told(tmp_path: Path) -> dict[str, str]:
    ports = {server: 20000 + index for index, server in enumerate(SERVERS)}
    return names(Cloud(Place(tmp_path / "checkout", tmp_path / "home"), ports))


def test_what_the_parts_are_told_is_of_the_var_file(told: dict[str, str]) -> None:
    variables = json.loads(VAR_FILE.read_text())
    project, region = variables["project"], variables["region"]
    assert told["LANDFALL_PROJECT"] == project
    assert told["LANDFALL_REGION"] == region
    assert told["LANDFALL_BIGQUERY_LOCATION"] == variables["bigquery_location"]
    assert told["LANDFALL_BATCH_WINDOW_SECONDS"] == str(variables["batch_window_seconds"])
    assert told["LANDFALL_RUN_GRACE_SECONDS"] == str(variables["run_grace_seconds"])
    assert told["LANDFALL_DATAPROC_SERVICE_ACCOUNT"] == f"landfall-dataproc@{project}.iam.gserviceaccount.com"
    assert told["LANDFALL_DATAPROC_SUBNETWORK"] == f"projects/{project}/regions/{region}/subnetworks/landfall"


def test_a_bucket_is_named_by_the_project_and_its_purpose(told: dict[str, str]) -> None:
    project = json.loads(VAR_FILE.read_text())["project"]
    assert {purpose: f"{project}-{purpose}" for purpose in BUCKETS} == BUCKETS
    assert {name: told[name] for name in told if name.endswith("_BUCKET")} == {
        f"LANDFALL_{purpose.upper()}_BUCKET": name for purpose, name in BUCKETS.items()
    }
