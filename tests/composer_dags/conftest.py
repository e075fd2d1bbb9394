"""The settings of the DAGs and what several tests start from."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Client

from landfall_dags.pipeline import Pipeline, load_pipelines
from landfall_dags.settings import Settings
from tests.composer_dags.parts import Part, storage_part, warehouse_part
from tests.composer_dags.worlds import CloudWorld, MemoryWorld, World

ENVIRONMENT = {
    "LANDFALL_PROJECT": "landfall-test",
    "LANDFALL_REGION": "us-central1",
    "LANDFALL_BIGQUERY_LOCATION": "us-central1",
    "LANDFALL_LANDING_BUCKET": "landing",
    "LANDFALL_ARCHIVE_BUCKET": "archive",
    "LANDFALL_REJECTED_BUCKET": "rejected",
    "LANDFALL_LAKE_BUCKET": "lake",
    "LANDFALL_CODE_BUCKET": "code",
    "LANDFALL_STAGING_BUCKET": "staging",
    "LANDFALL_DATASETS_DIR": "/nowhere",
    "LANDFALL_DATAPROC_SERVICE_ACCOUNT": "dataproc@landfall-test.iam.gserviceaccount.com",
    "LANDFALL_DATAPROC_SUBNETWORK": "projects/landfall-test/regions/us-central1/subnetworks/landfall",
}
# Airflow gives a file of DAGs 30 s, which a busy machine can need for the first import of the providers.
PARSE_SECONDS = {"AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "300"}
BUCKETS = ("landing", "archive", "rejected", "lake", "code", "staging")


@pytest.fixture
def environment() -> dict[str, str]:
    return dict(ENVIRONMENT)


@pytest.fixture
def settings() -> Settings:
    return Settings.from_environment(ENVIRONMENT)


def pipeline_document(dataset: str = "price_quote") -> dict[str, object]:
    return {
        "version": 2,
        "dataset": dataset,
        "contract_version": "1.0.0",
        "description": "What suppliers ask for.",
        "owner": "Procurement Analytics",
        "format": {"type": "csv", "encoding": "UTF-8", "unknown_columns": "reject"},
        "columns": [{"name": "id", "type": "STRING", "required": True}],
        "raw": {"table": f"raw.{dataset}"},
        "trusted": {"table": f"trusted.{dataset}"},
        "rejected": {"table": f"ops.rejected_rows_{dataset}"},
        "procedure": f"ops.sp_trusted_{dataset}",
        "replay_procedure": f"ops.sp_replay_{dataset}",
        "max_rejected_share": 0.1,
        "compute": {
            "machine_type": "e2-standard-4",
            "primary_workers": 2,
            "max_secondary_workers": 8,
            "bytes_per_worker": 1000,
        },
        "retries": {"attempts": 3, "delay_seconds": 10, "max_delay_seconds": 300},
        "isolation": {"runs": 3, "pause_seconds": 60, "max_pause_seconds": 3600},
        "freshness_seconds": 3600,
    }


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    folder = tmp_path / "datasets" / "price_quote"
    folder.mkdir(parents=True)
    (folder / "pipeline.json").write_text(json.dumps(pipeline_document()))
    (loaded,) = load_pipelines(tmp_path / "datasets")
    return loaded


def storage_client(part: Part) -> Client:
    credentials = AnonymousCredentials()  # type: ignore[no-untyped-call]
    return Client(project="landfall-test", credentials=credentials, client_options={"api_endpoint": part.url})


@pytest.fixture(scope="session")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Part]:
    """The local cloud's storage, as a process of its own."""
    with storage_part(tmp_path_factory.mktemp("storage")) as part:
        client = storage_client(part)
        for bucket in BUCKETS:
            client.create_bucket(bucket)
        yield part


@pytest.fixture(scope="session")
def bigquery_part(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Part]:
    """The local cloud's BigQuery, as a process of its own, with the rendered tables of the ledger."""
    with warehouse_part(tmp_path_factory.mktemp("bigquery")) as part:
        yield part


@pytest.fixture(params=["memory", "cloud"])
def world(request: pytest.FixtureRequest) -> World:
    """Empty buckets: in memory, and in the local cloud's storage."""
    if request.param == "memory":
        return MemoryWorld()
    world = CloudWorld(storage_client(request.getfixturevalue("storage")))
    for bucket in BUCKETS:
        for uri in world.uris(bucket):
            world.remove(uri)
    return world
