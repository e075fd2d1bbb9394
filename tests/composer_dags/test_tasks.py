"""What the tasks decide, over objects in memory and an Airflow that answers what it is told to."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from landfall_dags import journal_object
from landfall_dags.claim import close
from landfall_dags.journal import Manifest, parse_manifest
from landfall_dags.pipeline import Pipeline, parse_pipeline
from landfall_dags.settings import Settings
from tests.composer_dags import turns
from tests.composer_dags.memory_ledger import MemoryLedger
from tests.composer_dags.worlds import MemoryWorld

NOW = datetime(2025, 11, 21, 1, 30, tzinfo=UTC)


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
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def tasks(world: MemoryWorld, ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch) -> Any:
    from landfall_dags import store, tasks, warehouse

    monkeypatch.setattr(store, "connect", lambda: world.store)
    monkeypatch.setattr(warehouse, "connect", lambda _: ledger)
    monkeypatch.setattr(tasks, "_now", lambda: NOW)
    return tasks


def claimed(world: MemoryWorld, pipeline: Pipeline) -> Manifest:
    world.put("gs://landing/price_quote/a.csv", b"id\n1\n")
    return turns.claimed(world.store, pipeline, at=NOW)


def test_a_claim_names_everything_that_the_run_makes(
    tasks: Any, world: MemoryWorld, pipeline: Pipeline, settings: Settings
) -> None:
    for number in range(5):
        world.put(f"gs://landing/price_quote/{number}.csv", b"x" * 1500)
    result = tasks.claim_batch(settings, pipeline, "run-1", {})
    batch = result["batch"]
    assert batch["folder_uri"] == f"gs://lake/price_quote/{batch['batch_id']}"
    assert batch["arrived_on"] == "2025-11-21"
    assert batch["cluster_name"] == f"lf-price-quote-{batch['batch_id'][:12]}"
    assert result["cluster_config"]["worker_config"]["num_instances"] == 2
    assert len(json.dumps(result)) < 3000, "XComs stay small"
    again = tasks.claim_batch(settings, pipeline, "run-2", None)
    assert again["batch"] == batch | {"spark_job": again["batch"]["spark_job"]}
    assert again["batch"]["spark_job"] != batch["spark_job"]


def test_a_batch_whose_metrics_are_there_needs_no_cluster(
    tasks: Any, world: MemoryWorld, pipeline: Pipeline, settings: Settings
) -> None:
    folder = f"gs://lake/price_quote/{claimed(world, pipeline).entry.batch_id}"
    assert tasks.claim_batch(settings, pipeline, "run-2", {})["batch"]["parsed"] is False
    world.put(f"{folder}/metrics.json", b"{}")
    assert tasks.claim_batch(settings, pipeline, "run-2", {})["batch"]["parsed"] is True


def test_nothing_pending_skips_the_run(tasks: Any, pipeline: Pipeline, settings: Settings) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    with pytest.raises(AirflowSkipException, match="nothing is pending in gs://landing/price_quote/"):
        tasks.claim_batch(settings, pipeline, "run-1", {})


def test_a_job_without_metrics_fails_for_good(tasks: Any, world: MemoryWorld, pipeline: Pipeline) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    batch = claimed(world, pipeline).entry.batch_id
    folder = f"gs://lake/price_quote/{batch}"
    with pytest.raises(
        AirflowFailException, match=f"{folder}/metrics.json: expected what csv_to_parquet wrote"
    ):
        tasks.check_metrics({"folder_uri": folder}, None)


def put_metrics(
    world: MemoryWorld, manifest: Manifest, rejected: int, quality: tuple[dict[str, Any], ...] = ()
) -> str:
    """What the Spark job writes of ten rows in one file; returns the batch's folder."""
    folder = f"gs://lake/price_quote/{manifest.entry.batch_id}"
    source = manifest.files[0].source
    counts = {"rows_read": 10, "rows_accepted": 10 - rejected, "rows_rejected": rejected}
    metrics = {
        "version": 2,
        "dataset": "price_quote",
        "batch_id": manifest.entry.batch_id,
        "output": f"{folder}/attempts/job-1",
        **counts,
        "quality": quality,
        "new_columns": [],
        "token_key": None,
        "files": [
            {
                "uri": source.uri,
                "generation": source.generation,
                "state": "loaded",
                "reason": None,
                "detail": None,
                "missing_columns": [],
                "unknown_columns": [],
                **counts,
            }
        ],
    }
    world.put(f"{folder}/metrics.json", json.dumps(metrics).encode())
    return folder


@pytest.mark.parametrize(("rejected", "to_load"), [(1, 9), (2, 0)])
def test_what_is_loaded_hangs_on_the_limit_of_the_contract_that_the_batch_carries(
    tasks: Any, world: MemoryWorld, pipeline: Pipeline, rejected: int, to_load: int
) -> None:
    folder = put_metrics(world, claimed(world, pipeline), rejected)
    assert tasks.check_metrics({"folder_uri": folder}, None) == {
        "output": f"{folder}/attempts/job-1",
        "read": 10,
        "to_load": to_load,
        "rejected": rejected,
        "new_columns": [],
        "replaces": False,
    }


def with_rule(pipeline: Pipeline) -> Pipeline:
    document = json.loads(pipeline.text) | {"quality": [{"rule": "filled"}]}
    return parse_pipeline(json.dumps(document), "here")


@pytest.mark.parametrize(("severity", "to_load", "logged"), [("fail", 0, 0), ("warn", 10, 1)])
def test_a_rule_that_fails_stops_the_batch_and_one_that_warns_is_logged(
    tasks: Any,
    world: MemoryWorld,
    pipeline: Pipeline,
    caplog: pytest.LogCaptureFixture,
    severity: str,
    to_load: int,
    logged: int,
) -> None:
    rule = {
        "rule": "filled",
        "metric": "nullValues",
        "columns": ["id"],
        "severity": severity,
        "passed": False,
    }
    measure = {"operator": "mustBe", "threshold": [0], "unit": "rows", "found": 3, "total": 10}
    manifest = claimed(world, with_rule(pipeline))
    folder = put_metrics(world, manifest, 0, (rule | measure,))
    batch = {"folder_uri": folder, "batch_id": manifest.entry.batch_id}
    assert tasks.check_metrics(batch, None)["to_load"] == to_load
    lines = [record.getMessage() for record in caplog.records if record.name == "landfall.quality"]
    assert len(lines) == logged
    for line in lines:
        sentence = "expected nullValues of id mustBe 0 rows, found 3 rows in 10 accepted rows"
        assert json.loads(line.removeprefix("landfall.quality ")) == {
            "dataset": "price_quote",
            "rule": "filled",
            "batch_id": manifest.entry.batch_id,
            "detail": f"rule filled: {sentence}",
        }


def archived(world: MemoryWorld, ledger: MemoryLedger, pipeline: Pipeline) -> Manifest:
    """A batch that went all the way: its file is in the archive and in the ledger, its journal is closed."""
    manifest = claimed(world, pipeline)
    ledger.end(manifest)
    close(world.store, "lake", "price_quote", manifest.entry.batch_id)
    return manifest


def test_a_replay_reads_the_archive_in_a_batch_of_its_own_and_finds_it_again(
    tasks: Any, world: MemoryWorld, ledger: MemoryLedger, pipeline: Pipeline, settings: Settings
) -> None:
    first = archived(world, ledger, pipeline)
    world.put("gs://landing/price_quote/b.csv", b"id\n2\n")
    conf = {"replay": first.entry.batch_id}
    batch = tasks.claim_batch(settings, pipeline, "run-2", conf)["batch"]
    assert batch["batch_id"] != first.entry.batch_id
    assert batch["postponed"] == ""
    where = f"{batch['folder_uri']}/manifest.json"
    manifest = parse_manifest(world.content(where).decode(), where)
    assert (manifest.files, manifest.entry.replay) == (first.files, first.entry.batch_id)
    assert world.uris("landing") == ["gs://landing/price_quote/b.csv"]
    assert tasks.claim_batch(settings, pipeline, "run-2", conf)["batch"] == batch
    close(world.store, "lake", "price_quote", batch["batch_id"])
    assert tasks.claim_batch(settings, pipeline, "run-2", conf)["batch"] == batch
    close(world.store, "lake", "price_quote", batch["batch_id"])
    another = tasks.claim_batch(settings, pipeline, "run-3", conf)["batch"]
    assert another["batch_id"] not in (batch["batch_id"], first.entry.batch_id)


@pytest.mark.parametrize(("rejected", "replaces"), [(0, True), (10, False)])
def test_a_replay_replaces_rows_unless_it_is_refused(
    tasks: Any,
    world: MemoryWorld,
    ledger: MemoryLedger,
    pipeline: Pipeline,
    settings: Settings,
    rejected: int,
    replaces: bool,
) -> None:
    first = archived(world, ledger, pipeline)
    batch = tasks.claim_batch(settings, pipeline, "run-2", {"replay": first.files[0].source.identity})[
        "batch"
    ]
    where = f"{batch['folder_uri']}/manifest.json"
    put_metrics(world, parse_manifest(world.content(where).decode(), where), rejected)
    assert tasks.check_metrics(batch, None)["replaces"] is replaces


def test_an_open_batch_comes_before_a_replay_which_is_then_postponed(
    tasks: Any, world: MemoryWorld, ledger: MemoryLedger, pipeline: Pipeline, settings: Settings
) -> None:
    first = archived(world, ledger, pipeline)
    opened = claimed(world, pipeline)
    conf = {"replay": first.entry.batch_id}
    for _ in range(2):
        batch = tasks.claim_batch(settings, pipeline, "run-2", conf)["batch"]
        assert (batch["batch_id"], batch["postponed"]) == (opened.entry.batch_id, first.entry.batch_id)


def test_another_runs_replay_is_finished_as_a_replay(
    tasks: Any, world: MemoryWorld, ledger: MemoryLedger, pipeline: Pipeline, settings: Settings
) -> None:
    first = archived(world, ledger, pipeline)
    batch = tasks.claim_batch(settings, pipeline, "run-2", {"replay": first.entry.batch_id})["batch"]
    put_metrics(world, replace(first, entry=replace(first.entry, batch_id=batch["batch_id"])), 0)
    taken_up = tasks.claim_batch(settings, pipeline, "run-3", {})["batch"]
    assert (taken_up["batch_id"], taken_up["postponed"]) == (batch["batch_id"], "")
    assert tasks.check_metrics(taken_up, None)["replaces"] is True


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ({"replay": "ab"}, "32 hex digits"),
        ({"replay": "00" * 16}, "expected archived files of price_quote in ops.files for 0000.* found none"),
    ],
)
def test_what_cannot_be_replayed_fails_and_opens_nothing(
    tasks: Any, world: MemoryWorld, pipeline: Pipeline, settings: Settings, conf: dict[str, str], message: str
) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    with pytest.raises(AirflowFailException, match=message):
        tasks.claim_batch(settings, pipeline, "run-2", conf)
    assert world.uris("lake") == []


def test_a_file_that_left_the_archive_is_named_and_holds_up_nothing(
    tasks: Any, world: MemoryWorld, ledger: MemoryLedger, pipeline: Pipeline, settings: Settings
) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    first = archived(world, ledger, pipeline)
    world.remove(first.files[0].archive_uri)
    with pytest.raises(AirflowFailException, match=f"{first.files[0].archive_uri}: expected the original of"):
        tasks.claim_batch(settings, pipeline, "run-2", {"replay": first.entry.batch_id})
    assert journal_object.read(world.store, "lake", "price_quote").journal.batches == ()


def test_a_refused_batch_fails_its_run_and_no_other_does(tasks: Any) -> None:
    from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

    with pytest.raises(AirflowFailException, match="found 2 of 10"):
        tasks.report_refusal("found 2 of 10")
    with pytest.raises(AirflowSkipException):
        tasks.report_refusal(None)


def test_a_failed_run_leaves_its_reason_in_the_ledger(
    tasks: Any, world: MemoryWorld, ledger: MemoryLedger, pipeline: Pipeline, settings: Settings
) -> None:
    entry = claimed(world, pipeline).entry
    ti = TaskInstance(
        crumbs=(
            {"task_id": "create_cluster", "state": "success", "duration": 30.0},
            {"task_id": "csv_to_parquet", "state": "failed", "duration": 60.0},
            {"task_id": "delete_cluster", "state": "success", "duration": 10.0},
            {"task_id": "load_rejected", "state": "success", "duration": 1.0},
            {"task_id": "load_raw", "state": "upstream_failed", "duration": 0.0},
        )
    )
    ti.pushed = {
        ("create_cluster", "return_value"): "0-1-2",
        ("csv_to_parquet", "resource"): "lf-price-quote-0-1",
        ("load_rejected", "return_value"): "load_rejected_0_2",
        ("csv_to_parquet", "failure"): "Exit code 3.",
        ("create_cluster", "started_at"): "2025-11-21T01:27:00+00:00",
        ("csv_to_parquet", "started_at"): "2025-11-21T01:27:31+00:00",
        ("delete_cluster", "started_at"): "2025-11-21T01:28:40+00:00",
    }
    batch = {"batch_id": entry.batch_id, "cluster_name": "lf-price-quote-0"}
    config = {"master_config": {"machine_type_uri": "e2-standard-4"}}
    tasks.record_failure(settings, pipeline, batch, config, {"ti": ti})
    (row,) = ledger.batches.values()
    assert (row["state"], row["detail"]) == ("failed", "csv_to_parquet: Exit code 3.")
    assert (row["batch_id"], row["run_id"]) == (entry.batch_id, "run-2")
    assert {step["task"]: step["resource"] for step in row["steps"]} == {
        "create_cluster": "lf-price-quote-0",
        "csv_to_parquet": "lf-price-quote-0-1",
        "delete_cluster": None,
        "load_rejected": "load_rejected_0_2",
    }
    assert row["vcpu_seconds"] == 4 * 110  # from 01:27:00 to 01:28:50, when the cluster was gone
    assert world.uris("lake")[-1].endswith("pipeline.json")


def failed_run(run_id: str, *blames: dict[str, Any] | None) -> TaskInstance:
    """A run of which tasks failed, each with what it said of the fault."""
    ti = TaskInstance(
        crumbs=tuple(
            {"task_id": f"task_{number}", "state": "failed", "duration": 1.0} for number in range(len(blames))
        )
    )
    ti.run_id = run_id
    ti.pushed = {(f"task_{number}", "blame"): blame for number, blame in enumerate(blames)}
    return ti


BATCH = {"fault": "batch", "suspects": ["gs://landing/price_quote/a.csv#1"]}
SURROUNDINGS = {"fault": "surroundings", "suspects": []}


@pytest.mark.parametrize(
    ("blames", "failures", "suspects"),
    [
        ((SURROUNDINGS, BATCH), 1, ("gs://landing/price_quote/a.csv#1",)),
        ((SURROUNDINGS,), 0, ()),
        ((None,), 0, ()),  # the task was killed, and could say nothing
    ],
)
def test_a_failure_is_counted_once_a_run_and_only_where_the_batch_is_at_fault(
    tasks: Any,
    world: MemoryWorld,
    pipeline: Pipeline,
    settings: Settings,
    blames: tuple[dict[str, Any] | None, ...],
    failures: int,
    suspects: tuple[str, ...],
) -> None:
    batch = {"batch_id": claimed(world, pipeline).entry.batch_id}
    for _ in range(2):
        tasks.record_failure(settings, pipeline, batch, None, {"ti": failed_run("run-2", *blames)})
    (waiting,) = turns.journal_of(world.store).batches
    assert (waiting.failures, waiting.suspects, waiting.failed_run) == (failures, suspects, "run-2")
    assert turns.journal_of(world.store).streak == 1


def test_a_run_waits_after_a_failure_and_one_by_hand_does_not(
    tasks: Any, world: MemoryWorld, pipeline: Pipeline, settings: Settings
) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    batch = {"batch_id": claimed(world, pipeline).entry.batch_id}
    tasks.record_failure(settings, pipeline, batch, None, {"ti": failed_run("run-1", SURROUNDINGS)})
    with pytest.raises(AirflowSkipException, match=r"nothing to do before 2025-11-21T01:31:00\.000000Z"):
        tasks.claim_batch(settings, pipeline, "price_quote__2025-11-21T01:31:00Z", {})
    assert tasks.claim_batch(settings, pipeline, "manual__2025-11-21T01:31:00Z", {})


def test_a_file_that_fails_alone_ends_in_the_rejected_bucket_and_the_next_is_claimed(
    tasks: Any,
    world: MemoryWorld,
    ledger: MemoryLedger,
    pipeline: Pipeline,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batch = {"batch_id": claimed(world, pipeline).entry.batch_id}
    for run in range(3):
        tasks.record_failure(settings, pipeline, batch, None, {"ti": failed_run(f"run-{run}", BATCH)})
    monkeypatch.setattr(tasks, "_now", lambda: NOW + timedelta(hours=2))
    world.put("gs://landing/price_quote/b.csv", b"id\n2\n")
    following = tasks.claim_batch(settings, pipeline, "price_quote__2025-11-21T03:31:00Z", {})["batch"]
    assert following["batch_id"] != batch["batch_id"]
    assert [row["state"] for row in ledger.batches.values()] == ["rejected"]
    assert [(row["source_uri"], row["reason"]) for row in ledger.files.values()] == [
        ("gs://landing/price_quote/a.csv", "failed_repeatedly")
    ]
    assert len(world.uris("rejected")) == 2
    assert [one.batch_id for one in turns.journal_of(world.store).batches] == [following["batch_id"]]


def test_a_cluster_that_is_not_deleted_yet_costs_until_now(
    tasks: Any, world: MemoryWorld, ledger: MemoryLedger, pipeline: Pipeline, settings: Settings
) -> None:
    claimed(world, pipeline)
    ti = TaskInstance(crumbs=({"task_id": "create_cluster", "state": "success", "duration": 30.0},))
    ti.pushed = {("create_cluster", "started_at"): "2025-11-21T01:27:00+00:00"}
    config = {"master_config": {"machine_type_uri": "e2-standard-4"}}
    tasks.record_failure(settings, pipeline, None, config, {"ti": ti})
    assert [row["vcpu_seconds"] for row in ledger.batches.values()] == [4 * 180]


def test_a_failure_before_any_claim_has_no_batch_to_record(
    tasks: Any, ledger: MemoryLedger, pipeline: Pipeline, settings: Settings
) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    with pytest.raises(AirflowSkipException, match="no batch of this run is open"):
        tasks.record_failure(settings, pipeline, None, None, {"ti": TaskInstance()})
    assert ledger.batches == {}
