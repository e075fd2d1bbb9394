"""What Airflow's OpenLineage provider is told of a batch that is recorded, and what it never hears."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from landfall_dags.journal import Manifest
from landfall_dags.pipeline import Pipeline, load_pipelines
from landfall_dags.settings import Settings
from tests.composer_dags import turns
from tests.composer_dags.memory_ledger import MemoryLedger
from tests.composer_dags.parts import ROOT
from tests.composer_dags.test_tasks import NOW, TaskInstance, put_metrics
from tests.composer_dags.worlds import MemoryWorld

DATASETS = ROOT / "bigquery" / "datasets"
# A stranger's file, its rows, and what the run was asked for: none of them is anybody's business.
FILE = "gs://landing/price_quote/maria da silva.csv"
CONF = {"replay": f"{FILE}#1"}
RULE = {
    "rule": "cost_filled",
    "metric": "nullValues",
    "columns": ["cost"],
    "severity": "warn",
    "operator": "mustBeLessThan",
    "threshold": [20.0],
    "unit": "percent",
    "found": 50.0,
    "total": 9,
    "passed": False,
}
CRUMBS = tuple(
    {"task_id": task, "state": "success", "duration": 10.0}
    for task in ("claim_batch", "load_raw", "load_rejected", "call_trusted")
)
Events = list[dict[str, Any]]


class Ledger(MemoryLedger):
    def rows_merged(self, job_id: str, batch_id: str) -> int:
        return 7


@pytest.fixture
def pipeline() -> Pipeline:
    return next(one for one in load_pipelines(DATASETS) if one.dataset == "price_quote")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, datasets_dir=DATASETS)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def world() -> MemoryWorld:
    return MemoryWorld()


@pytest.fixture
def manifest(world: MemoryWorld, pipeline: Pipeline) -> Manifest:
    world.put(FILE, b"tube_assembly_id\nTA-1\n")
    return turns.claimed(world.store, pipeline, at=NOW)


@pytest.fixture
def send_to(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Have the provider send events by this transport, however long that takes."""
    from airflow.providers.openlineage.plugins.listener import get_openlineage_listener

    from landfall_dags import emission

    monkeypatch.setattr(emission, "MOST_SECONDS", 300.0)

    def use(transport: dict[str, Any]) -> None:
        monkeypatch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", json.dumps(transport))
        monkeypatch.setenv("AIRFLOW__OPENLINEAGE__NAMESPACE", "test")
        # It keeps the client that it made first.
        monkeypatch.setattr(get_openlineage_listener().adapter, "_client", None)

    yield use


@pytest.fixture
def told(send_to: Any, tmp_path: Path) -> Callable[[], Events]:
    path = tmp_path / "events.ndjson"
    send_to({"type": "file", "log_file_path": str(path), "append": True})
    return lambda: [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def record(
    world: MemoryWorld, ledger: Ledger, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str | None]:
    """Run record_batch for a batch of ten rows of which some were rejected."""
    from landfall_dags import store, tasks, warehouse

    monkeypatch.setattr(store, "connect", lambda: world.store)
    monkeypatch.setattr(warehouse, "connect", lambda _: ledger)
    monkeypatch.setattr(tasks, "_now", lambda: NOW)

    def run(manifest: Manifest, rejected: int = 1, **changed: Any) -> str | None:
        rule = RULE if changed.get("rules") else None
        pinned = f"gs://lake/price_quote/{manifest.entry.batch_id}/pipeline.json"
        if rule:
            document = json.loads(world.content(pinned))
            document["quality"] = [{"rule": "cost_filled"}]
            world.put(pinned, json.dumps(document).encode())
        folder = put_metrics(world, manifest, rejected, (rule,) if rule else ())
        ti = TaskInstance(crumbs=CRUMBS)
        ti.pushed = {("load_raw", "started_at"): "2025-11-21T01:29:00+00:00"}
        batch = {"batch_id": manifest.entry.batch_id, "folder_uri": folder, "cluster_name": "lf-0"}
        context = {"ti": ti, "dag_run": None, "conf": CONF}
        return tasks.record_batch(changed.get("settings", settings), batch, None, "call_1", context)

    return run


def flow(event: dict[str, Any]) -> tuple[str, str, str, str]:
    (source,), (target,) = event["inputs"], event["outputs"]
    return (
        event["job"]["name"],
        event["eventType"],
        f"{source['namespace']} {source['name']}",
        f"{target['namespace']} {target['name']}",
    )


LANDING = "gs://landing price_quote"
RAW, TRUSTED = "bigquery landfall-test.raw.price_quote", "bigquery landfall-test.trusted.price_quote"
REJECTED = "bigquery landfall-test.ops.rejected_rows_price_quote"
LOAD_RAW = ("ingest_price_quote.load_raw", LANDING, RAW)
CALL_TRUSTED = ("ingest_price_quote.call_trusted", RAW, TRUSTED)
LOAD_REJECTED = ("ingest_price_quote.load_rejected", LANDING, REJECTED)


@pytest.mark.parametrize(
    ("rejected", "flows"),
    [
        (0, [LOAD_RAW, CALL_TRUSTED]),
        (1, [LOAD_RAW, CALL_TRUSTED, LOAD_REJECTED]),
        (2, [LOAD_REJECTED]),  # more than the contract allows: the batch is refused
    ],
)
def test_a_batch_tells_what_it_read_and_wrote(
    record: Any, told: Any, manifest: Manifest, rejected: int, flows: list[tuple[str, str, str]]
) -> None:
    record(manifest, rejected)
    assert [flow(event) for event in told()] == [
        (job, state, source, target) for job, source, target in flows for state in ("START", "COMPLETE")
    ]


def test_times_are_the_steps_own_and_a_repetition_is_the_same_run(
    record: Any, told: Any, manifest: Manifest
) -> None:
    record(manifest, 0)
    load, loaded, call, called = told()
    assert not load["inputs"][0].get("facets"), "a START names, a COMPLETE describes"
    assert (load["eventTime"], loaded["eventTime"]) == (
        "2025-11-21T01:29:00.000000Z",
        "2025-11-21T01:29:10.000000Z",
    )
    assert call["eventTime"] == called["eventTime"] == "2025-11-21T01:30:00.000000Z"
    assert load["run"]["runId"] == loaded["run"]["runId"] != called["run"]["runId"]
    facet = loaded["run"]["facets"]["landfall_batch"]
    assert (facet["batchId"], facet["airflowRunId"]) == (manifest.entry.batch_id, "run-2")
    record(manifest, 0)
    assert [event["run"]["runId"] for event in told()[4:]] == [event["run"]["runId"] for event in told()[:4]]


def completed(events: Events, task: str) -> tuple[dict[str, Any], dict[str, Any]]:
    (event,) = [one for one in events if one["job"]["name"].endswith(task) and one["eventType"] == "COMPLETE"]
    return event["inputs"][0], event["outputs"][0]


def test_datasets_are_described_by_their_contract_and_counted(
    record: Any, told: Any, manifest: Manifest
) -> None:
    record(manifest, 1, rules=True)
    events, catalog = told(), json.loads((DATASETS / "price_quote" / "catalog.json").read_text())
    files, raw = completed(events, "load_raw")
    assert (
        files["inputFacets"]["inputStatistics"].items()
        >= {"rowCount": 10, "fileCount": 1, "size": 22}.items()
    )
    assert raw["outputFacets"]["outputStatistics"]["rowCount"] == 9
    for described, key in ((files, "header"), (raw, "name")):
        facets = described["facets"]
        assert [(field["name"], field["description"]) for field in facets["schema"]["fields"]] == [
            (column[key], column["description"]) for column in catalog["columns"]
        ]
        assert facets["version"]["datasetVersion"] == catalog["version"]
        assert facets["ownership"]["owners"][0]["name"] == catalog["owner"]["name"]
        assert facets["documentation"]["description"] == catalog["description"]["purpose"]
        assert {tag["value"] for tag in facets["tags"]["tags"]} == {
            column["classification"] for column in catalog["columns"]
        }
    assert files["facets"]["dataSource"]["uri"] == "gs://landing/price_quote/"
    assert {field["type"] for field in files["facets"]["schema"]["fields"]} == {"text"}
    cost = raw["facets"]["columnLineage"]["fields"]["cost"]["inputFields"][0]
    assert (cost["namespace"], cost["name"], cost["field"]) == ("gs://landing", "price_quote", "cost")
    accepted, trusted = completed(events, "call_trusted")
    (assertion,) = accepted["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert (assertion["name"], assertion["column"], assertion["success"], assertion["severity"]) == (
        "cost_filled",
        "cost",
        False,
        "warn",
    )
    assert trusted["outputFacets"]["outputStatistics"]["rowCount"] == 7
    change = trusted["facets"]["columnLineage"]["fields"]["cost"]["inputFields"][0]["transformations"][0]
    assert (change["type"], change["subtype"]) == ("DIRECT", "IDENTITY")
    assert completed(events, "load_rejected")[1]["outputFacets"]["outputStatistics"]["rowCount"] == 1


@pytest.mark.parametrize("dataset", sorted(path.parent.name for path in DATASETS.glob("*/catalog.json")))
def test_every_rendered_contract_can_be_told_and_masks_what_it_protects(dataset: str) -> None:
    from landfall_dags import lineage_facets as facets

    contract = next(one for one in load_pipelines(DATASETS) if one.dataset == dataset)
    catalog = facets.read_catalog(DATASETS, contract)
    assert catalog is not None
    told = facets.parsed_columns(catalog, "gs://landing", dataset)
    masked = {name for name, field in told.fields.items() if field.inputFields[0].transformations[0].masking}
    schema = json.loads((DATASETS / dataset / "trusted.schema.json").read_text())
    in_table = [field["name"] for field in schema if not field["name"].startswith("_")]
    assert [field.name for field in facets.table_columns(catalog)["schema"].fields] == in_table
    assert list(told.fields) == list(facets.same_columns(catalog, "bigquery", dataset).fields) == in_table
    protected = {column["name"] for column in catalog["columns"] if column["protection"]}
    assert masked == protected & set(in_table)
    assert len(facets.file_columns(catalog)["schema"].fields) == len(catalog["columns"])


def test_nothing_of_a_file_a_row_or_a_request_is_told(record: Any, told: Any, manifest: Manifest) -> None:
    record(manifest, 1, rules=True)
    text = json.dumps(told())
    for secret in ("maria", "replay", "TA-1", "CALL ", "SELECT", "pipeline.json", '"conf"'):
        assert secret not in text, secret
    kinds = {name for event in told() for name in event["run"]["facets"]}
    assert kinds == {"landfall_batch", "tags"}, "the provider's own say what a task was given"


@pytest.mark.parametrize("version", [None, "0.9.0"])
def test_without_its_catalogue_a_batch_tells_names_and_counts(
    record: Any, told: Any, manifest: Manifest, settings: Settings, tmp_path: Path, version: str | None
) -> None:
    folder = tmp_path / "datasets" / "price_quote"
    folder.mkdir(parents=True)
    if version:
        catalog = json.loads((DATASETS / "price_quote" / "catalog.json").read_text())
        (folder / "catalog.json").write_text(json.dumps({**catalog, "version": version}))
    record(manifest, 0, settings=replace(settings, datasets_dir=folder.parent))
    _, raw = completed(told(), "load_raw")
    assert sorted(raw["facets"]) == ["dataSource", "documentation", "ownership", "version"]
    assert raw["outputFacets"]["outputStatistics"]["rowCount"] == 10


@pytest.mark.parametrize(
    "transport",
    [
        {"type": "file", "log_file_path": "/nowhere/at/all", "append": True},
        {"type": "no such transport"},
        {"type": "http", "url": "http://127.0.0.1:9", "retry": {"total": 0}},
    ],
)
def test_a_batch_is_recorded_whatever_becomes_of_its_lineage(
    record: Any, send_to: Any, manifest: Manifest, ledger: Ledger, transport: dict[str, Any]
) -> None:
    send_to(transport)
    assert record(manifest, 0) is None
    assert ledger.states() == ["succeeded"]


def test_a_catalogue_that_cannot_be_read_costs_the_lineage_alone(
    record: Any,
    told: Any,
    manifest: Manifest,
    ledger: Ledger,
    settings: Settings,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "price_quote").mkdir()
    (tmp_path / "price_quote" / "catalog.json").write_text("{")
    record(manifest, 0, settings=replace(settings, datasets_dir=tmp_path))
    assert (told(), ledger.states()) == ([], ["succeeded"])
    (warning,) = [line for line in caplog.records if line.name == "landfall_dags.emission"]
    assert "lineage: not told, for JSONDecodeError" in warning.getMessage()


def test_who_does_not_answer_is_not_waited_for(
    record: Any, send_to: Any, manifest: Manifest, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    from landfall_dags import emission

    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        send_to({"type": "http", "url": url, "timeout": 300, "retry": {"total": 0}})
        monkeypatch.setattr(emission, "MOST_SECONDS", 0.5)
        record(manifest, 0)
        (telling,) = (thread for thread in threading.enumerate() if thread.name == "lineage")
    assert ledger.states() == ["succeeded"]
    # It ends with its receiver, and is gone before the next test.
    telling.join(300)
    assert not telling.is_alive()


def test_airflow_itself_says_nothing_of_our_dags(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The configuration of the local cloud, as the provider understands it."""
    from types import SimpleNamespace

    from airflow.providers.openlineage.utils.emission_policy import (
        resolve_dag_emission_policy,
        resolve_task_emission_policy,
    )

    from localcloud.airflow.config import make_configuration

    keys = dict.fromkeys(("fernet_key", "secret_key", "jwt_secret"), "x")
    options = make_configuration(tmp_path, tmp_path, "http://h:1", keys, "p", tmp_path / "events")
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__EMISSION_POLICY", options["openlineage"]["emission_policy"])
    task: Any = SimpleNamespace(task_type="LoadBatchOperator", params={})
    for dag, silent in (("ingest_price_quote", True), ("sweep", True), ("somebody_elses", False)):
        assert resolve_dag_emission_policy(dag).emit is not silent
        assert resolve_task_emission_policy(task, dag, "load_raw").emit is not silent


def test_the_local_lineage_api_understands_what_is_told(record: Any, told: Any, manifest: Manifest) -> None:
    from localcloud.lineage.graph import Graph

    record(manifest, 1)
    graph = Graph()
    for event in told():
        graph.add(event)
    raw, trusted = "bigquery:landfall-test.raw.price_quote", "bigquery:landfall-test.trusted.price_quote"
    assert {(link.source, link.target) for link in graph.links.values()} == {
        ("gcs:landing.price_quote", raw),
        (raw, trusted),
        ("gcs:landing.price_quote", "bigquery:landfall-test.ops.rejected_rows_price_quote"),
    }
    assert {run.state for process in graph.processes.values() for run in process.runs.values()} == {
        "COMPLETED"
    }
