"""What the tasks decide, over objects in memory and an Airflow that answers what it is told to."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from landfall_dags.claim import Places, claim
from landfall_dags.journal import Manifest
from landfall_dags.pipeline import Pipeline, parse_pipeline
from landfall_dags.settings import Settings
from tests.composer_dags.worlds import MemoryWorld

NOW = datetime(2025, 11, 21, 1, 30, tzinfo=UTC)


class Ledger:
    """A warehouse that keeps the rows it is given."""

    def __init__(self) -> None:
        self.batches: list[dict[str, Any]] = []

    def merge_batch(self, row: dict[str, Any]) -> None:
        self.batches.append(row)


class TaskInstance:
    """Airflow's answers: how many runs are in a state, what became of the run's tasks, what they pushed."""

    dag_id, run_id = "ingest_price_quote", "run-2"
    start_date = NOW

    def __init__(self, runs: tuple[str, ...] = (), crumbs: tuple[dict[str, Any], ...] = ()) -> None:
        self.runs, self.crumbs, self.pushed = runs, crumbs, dict[tuple[str, str], Any]()

    def get_dr_count(self, dag_id: str, states: list[str]) -> int:
        return sum(state in states for state in self.runs)

    def get_task_breadcrumbs(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        return list(self.crumbs)

    def xcom_pull(self, task_ids: str, key: str) -> Any:
        return self.pushed.get((task_ids, key))


@pytest.fixture
def world() -> MemoryWorld:
    return MemoryWorld()


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def tasks(world: MemoryWorld, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Any:
    from landfall_dags import store, tasks, warehouse

    monkeypatch.setattr(store, "connect", lambda: world.store)
    monkeypatch.setattr(warehouse, "connect", lambda _: ledger)
    monkeypatch.setattr(tasks, "_now", lambda: NOW)
    return tasks


def claimed(world: MemoryWorld, pipeline: Pipeline) -> Manifest:
    world.put("gs://landing/price_quote/a.csv", b"id\n1\n")
    places = Places("landing", "archive", "lake")
    manifest = claim(world.store, places, pipeline, "run-1", lambda: NOW, lambda _: None)
    assert manifest is not None
    return manifest


def test_a_claim_names_everything_that_the_run_makes(
    tasks: Any, world: MemoryWorld, pipeline: Pipeline, settings: Settings
) -> None:
    world.put("gs://landing/price_quote/a.csv", b"x" * 1500)
    result = tasks.claim_batch(settings, pipeline, "run-1")
    batch = result["batch"]
    assert batch["folder_uri"] == f"gs://lake/price_quote/{batch['batch_id']}"
    assert batch["arrived_on"] == "2025-11-21"
    assert batch["cluster_name"] == f"lf-price-quote-{batch['batch_id'][:12]}"
    assert result["cluster_config"]["worker_config"]["num_instances"] == 2
    assert len(json.dumps(result)) < 3000, "XComs stay small"
    again = tasks.claim_batch(settings, pipeline, "run-2")
    assert again["batch"] == batch | {"spark_job": again["batch"]["spark_job"]}
    assert again["batch"]["spark_job"] != batch["spark_job"]


def test_nothing_pending_skips_the_run(tasks: Any, pipeline: Pipeline, settings: Settings) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    with pytest.raises(AirflowSkipException, match="nothing is pending in gs://landing/price_quote/"):
        tasks.claim_batch(settings, pipeline, "run-1")


def test_a_job_without_metrics_fails_for_good(tasks: Any, world: MemoryWorld, pipeline: Pipeline) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    batch = claimed(world, pipeline).entry.batch_id
    folder = f"gs://lake/price_quote/{batch}"
    with pytest.raises(
        AirflowFailException, match=f"{folder}/metrics.json: expected what csv_to_parquet wrote"
    ):
        tasks.check_metrics({"folder_uri": folder})


@pytest.mark.parametrize(("rejected", "to_load"), [(1, 9), (2, 0)])
def test_what_is_loaded_hangs_on_the_limit_of_the_contract_that_the_batch_carries(
    tasks: Any, world: MemoryWorld, pipeline: Pipeline, rejected: int, to_load: int
) -> None:
    manifest = claimed(world, pipeline)
    folder = f"gs://lake/price_quote/{manifest.entry.batch_id}"
    source = manifest.files[0].source
    counts = {"rows_read": 10, "rows_accepted": 10 - rejected, "rows_rejected": rejected}
    file = {"uri": source.uri, "generation": source.generation, "state": "loaded", **counts}
    head = {"version": 1, "dataset": "price_quote", "batch_id": manifest.entry.batch_id, **counts}
    metrics = head | {"files": [file | {"reason": None, "detail": None}]}
    world.put(f"{folder}/metrics.json", json.dumps(metrics).encode())
    found = tasks.check_metrics({"folder_uri": folder})
    assert found == {"read": 10, "to_load": to_load, "rejected": rejected}


def test_a_batch_pinned_before_contracts_had_a_limit_has_none(pipeline: Pipeline) -> None:
    document = json.loads(pipeline.text)
    assert parse_pipeline(json.dumps(document), "here").max_rejected_share == 0.1
    del document["max_rejected_share"]
    assert parse_pipeline(json.dumps(document), "here").max_rejected_share == 1


def test_a_refused_batch_fails_its_run_and_no_other_does(tasks: Any) -> None:
    from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

    with pytest.raises(AirflowFailException, match="found 2 of 10"):
        tasks.report_refusal("found 2 of 10")
    with pytest.raises(AirflowSkipException):
        tasks.report_refusal(None)


def test_a_failed_run_leaves_its_reason_in_the_ledger(
    tasks: Any, world: MemoryWorld, ledger: Ledger, pipeline: Pipeline, settings: Settings
) -> None:
    entry = claimed(world, pipeline).entry
    ti = TaskInstance(
        crumbs=(
            {"task_id": "create_cluster", "state": "success", "duration": 30.0},
            {"task_id": "csv_to_parquet", "state": "failed", "duration": 60.0},
            {"task_id": "delete_cluster", "state": "success", "duration": 10.0},
            {"task_id": "load_raw", "state": "upstream_failed", "duration": 0.0},
        )
    )
    ti.pushed = {
        ("csv_to_parquet", "failure"): "Exit code 3.",
        ("create_cluster", "started_at"): "2025-11-21T01:27:00+00:00",
        ("csv_to_parquet", "started_at"): "2025-11-21T01:27:31+00:00",
        ("delete_cluster", "started_at"): "2025-11-21T01:28:40+00:00",
    }
    batch = {"batch_id": entry.batch_id, "cluster_name": "lf-price-quote-0"}
    config = {"master_config": {"machine_type_uri": "e2-standard-4"}}
    tasks.record_failure(settings, pipeline, batch, config, {"ti": ti})
    (row,) = ledger.batches
    assert (row["state"], row["detail"]) == ("failed", "csv_to_parquet: Exit code 3.")
    assert (row["batch_id"], row["run_id"]) == (entry.batch_id, "run-2")
    assert [step["task"] for step in row["steps"]] == ["create_cluster", "csv_to_parquet", "delete_cluster"]
    assert row["vcpu_seconds"] == 4 * 110  # from 01:27:00 to 01:28:50, when the cluster was gone
    assert world.uris("lake")[-1].endswith("pipeline.json")


def test_a_cluster_that_is_not_deleted_yet_costs_until_now(
    tasks: Any, world: MemoryWorld, ledger: Ledger, pipeline: Pipeline, settings: Settings
) -> None:
    claimed(world, pipeline)
    ti = TaskInstance(crumbs=({"task_id": "create_cluster", "state": "success", "duration": 30.0},))
    ti.pushed = {("create_cluster", "started_at"): "2025-11-21T01:27:00+00:00"}
    config = {"master_config": {"machine_type_uri": "e2-standard-4"}}
    tasks.record_failure(settings, pipeline, None, config, {"ti": ti})
    assert ledger.batches[0]["vcpu_seconds"] == 4 * 180


def test_a_failure_before_any_claim_has_no_batch_to_record(
    tasks: Any, ledger: Ledger, pipeline: Pipeline, settings: Settings
) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    with pytest.raises(AirflowSkipException, match="no batch of this run is open"):
        tasks.record_failure(settings, pipeline, None, None, {"ti": TaskInstance()})
    assert ledger.batches == []


def put_old(world: MemoryWorld, age: timedelta) -> None:
    """A pending file that was created `age` ago; memory's generations lie in one second otherwise."""
    listed = world.memory.list
    created_at = (NOW - age).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    world.put("gs://landing/price_quote/old.csv", b"id\n")

    def aged(bucket: str, prefix: str) -> Any:
        from dataclasses import replace

        return (replace(file, created_at=created_at) for file in listed(bucket, prefix))

    world.memory.list = aged  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("age", "runs", "asked"),
    [
        (timedelta(seconds=126), (), True),
        (timedelta(seconds=124), (), False),
        (timedelta(hours=5), ("running",), False),
        (timedelta(hours=5), ("queued",), False),
        (timedelta(hours=5), ("failed", "success"), True),
    ],
)
def test_the_sweep_asks_for_what_no_run_is_about_to_take(
    tasks: Any,
    world: MemoryWorld,
    pipeline: Pipeline,
    settings: Settings,
    age: timedelta,
    runs: tuple[str, ...],
    asked: bool,
) -> None:
    put_old(world, age)
    found = tasks.find_left_behind(settings, [pipeline], {"ti": TaskInstance(runs)})
    expected = {
        "trigger_dag_id": "ingest_price_quote",
        "trigger_run_id": "price_quote__2025-11-21T01:31:00Z",
        "run_after": "2025-11-21T01:31:05+00:00",
    }
    assert found == ([expected] if asked else [])


def test_the_sweep_finds_an_open_journal(
    tasks: Any, world: MemoryWorld, pipeline: Pipeline, settings: Settings
) -> None:
    claimed(world, pipeline)
    assert world.uris("landing") == []
    assert len(tasks.find_left_behind(settings, [pipeline], {"ti": TaskInstance()})) == 1


def test_a_damaged_journal_gets_a_run_that_says_so_and_the_sweep_goes_on(
    tasks: Any, world: MemoryWorld, pipeline: Pipeline, settings: Settings
) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    world.put("gs://lake/journal/price_quote/open.json", b'{"version": 99}')
    assert len(tasks.find_left_behind(settings, [pipeline], {"ti": TaskInstance()})) == 1
    with pytest.raises(AirflowFailException, match=r"open\.json: expected a journal of version 1"):
        tasks.claim_batch(settings, pipeline, "run")


def test_the_sweep_names_folders_of_no_dataset(
    tasks: Any, world: MemoryWorld, pipeline: Pipeline, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    world.put("gs://landing/prise_quote/a.csv", b"id\n")
    world.put("gs://landing/price_quote/a.csv", b"id\n")
    tasks.find_left_behind(settings, [pipeline], {"ti": TaskInstance()})
    (line,) = [record.getMessage() for record in caplog.records if "ignored" in record.getMessage()]
    assert line.startswith(
        "gs://landing/prise_quote/ is ignored: expected the name of a dataset (price_quote)"
    )


@pytest.mark.parametrize(
    ("pending", "runs", "message"),
    [
        ("price_quote/a.txt", ("running",), "nothing is pending"),
        ("price_quote/a.csv", ("running", "queued"), "another run is waiting for this one"),
    ],
)
def test_a_run_that_is_not_needed_is_not_asked_for(
    tasks: Any, world: MemoryWorld, settings: Settings, pending: str, runs: tuple[str, ...], message: str
) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    from landfall_dags.operators import AskAgainOperator

    world.put(f"gs://landing/{pending}", b"id\n")
    operator = AskAgainOperator(task_id="ask_again", dataset="price_quote", settings=settings)
    with pytest.raises(AirflowSkipException, match=message):
        operator.execute({"ti": TaskInstance(runs)})


def test_what_is_still_pending_is_asked_for_in_the_next_window(
    tasks: Any, world: MemoryWorld, settings: Settings
) -> None:
    from airflow.sdk.exceptions import DagRunTriggerException

    from landfall_dags.operators import AskAgainOperator

    world.put("gs://landing/price_quote/a.csv", b"id\n")
    operator = AskAgainOperator(task_id="ask_again", dataset="price_quote", settings=settings)
    before = datetime.now(UTC)
    with pytest.raises(DagRunTriggerException) as raised:
        operator.execute({"ti": TaskInstance(("running",))})
    asked = raised.value
    assert asked.trigger_dag_id == "ingest_price_quote"
    assert asked.logical_date is None
    assert asked.skip_when_already_exists is True
    assert asked.run_after is not None
    end = asked.run_after - timedelta(seconds=5)
    assert asked.dag_run_id == f"price_quote__{end:%Y-%m-%dT%H:%M:%SZ}"
    assert before < end <= before + timedelta(seconds=62)
