"""What the tasks decide, over objects in memory and an Airflow that answers what it is told to."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from landfall_dags.claim import Places, claim, close, propose
from landfall_dags.identity import SourceFile
from landfall_dags.journal import Manifest, parse_manifest
from landfall_dags.pipeline import Pipeline, parse_pipeline
from landfall_dags.replay import Replay
from landfall_dags.settings import Settings
from tests.composer_dags.worlds import MemoryWorld

NOW = datetime(2025, 11, 21, 1, 30, tzinfo=UTC)


class Ledger:
    """A warehouse that keeps the rows it is given."""

    def __init__(self) -> None:
        self.batches: list[dict[str, Any]] = []
        self.archived: list[SourceFile] = []

    def merge_batch(self, row: dict[str, Any]) -> None:
        self.batches.append(row)

    def archived_files(self, dataset: str, replay: Replay) -> list[SourceFile]:
        return self.archived


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
    manifest = claim(
        world.store,
        places,
        pipeline,
        None,
        lambda: propose(world.store, places, pipeline, "run-1", NOW),
        lambda _: None,
    )
    assert manifest is not None
    return manifest


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
        tasks.check_metrics({"folder_uri": folder})


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
    assert tasks.check_metrics({"folder_uri": folder}) == {
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
    assert tasks.check_metrics(batch)["to_load"] == to_load
    lines = [record.getMessage() for record in caplog.records if record.name == "landfall.quality"]
    assert len(lines) == logged
    for line in lines:
        assert "rule filled: expected nullValues of id mustBe 0 rows, found 3 rows" in line


def archived(world: MemoryWorld, ledger: Ledger, pipeline: Pipeline) -> Manifest:
    """A batch that went all the way: its file is in the archive and in the ledger, its journal is closed."""
    manifest = claimed(world, pipeline)
    ledger.archived = [file.source for file in manifest.files]
    close(world.store, "lake", "price_quote", manifest.entry.batch_id)
    return manifest


def test_a_replay_reads_the_archive_in_a_batch_of_its_own_and_finds_it_again(
    tasks: Any, world: MemoryWorld, ledger: Ledger, pipeline: Pipeline, settings: Settings
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
    ledger: Ledger,
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
    assert tasks.check_metrics(batch)["replaces"] is replaces


def test_an_open_batch_comes_before_a_replay_which_is_then_postponed(
    tasks: Any, world: MemoryWorld, ledger: Ledger, pipeline: Pipeline, settings: Settings
) -> None:
    first = archived(world, ledger, pipeline)
    opened = claimed(world, pipeline)
    conf = {"replay": first.entry.batch_id}
    for _ in range(2):
        batch = tasks.claim_batch(settings, pipeline, "run-2", conf)["batch"]
        assert (batch["batch_id"], batch["postponed"]) == (opened.entry.batch_id, first.entry.batch_id)


def test_another_runs_replay_is_finished_as_a_replay(
    tasks: Any, world: MemoryWorld, ledger: Ledger, pipeline: Pipeline, settings: Settings
) -> None:
    first = archived(world, ledger, pipeline)
    batch = tasks.claim_batch(settings, pipeline, "run-2", {"replay": first.entry.batch_id})["batch"]
    put_metrics(world, replace(first, entry=replace(first.entry, batch_id=batch["batch_id"])), 0)
    taken_up = tasks.claim_batch(settings, pipeline, "run-3", {})["batch"]
    assert (taken_up["batch_id"], taken_up["postponed"]) == (batch["batch_id"], "")
    assert tasks.check_metrics(taken_up)["replaces"] is True


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
    tasks: Any, world: MemoryWorld, ledger: Ledger, pipeline: Pipeline, settings: Settings
) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    first = archived(world, ledger, pipeline)
    world.remove(first.files[0].archive_uri)
    with pytest.raises(AirflowFailException, match=f"{first.files[0].archive_uri}: expected the original of"):
        tasks.claim_batch(settings, pipeline, "run-2", {"replay": first.entry.batch_id})
    assert "gs://lake/journal/price_quote/open.json" not in world.uris("lake")


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
    with pytest.raises(AirflowFailException, match=r"open\.json: expected a journal of version 2"):
        tasks.claim_batch(settings, pipeline, "run", {})


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
    operator = AskAgainOperator(task_id="ask_again", dataset="price_quote", settings=settings, postponed="")
    with pytest.raises(AirflowSkipException, match=message):
        operator.execute({"ti": TaskInstance(runs)})


def test_what_is_still_pending_is_asked_for_in_the_next_window(
    tasks: Any, world: MemoryWorld, settings: Settings
) -> None:
    from airflow.sdk.exceptions import DagRunTriggerException

    from landfall_dags.operators import AskAgainOperator

    world.put("gs://landing/price_quote/a.csv", b"id\n")
    operator = AskAgainOperator(task_id="ask_again", dataset="price_quote", settings=settings, postponed="")
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


def test_a_postponed_replay_is_asked_for_again_whoever_else_waits(tasks: Any, settings: Settings) -> None:
    from airflow.sdk.exceptions import DagRunTriggerException

    from landfall_dags.operators import AskAgainOperator

    def ask(run: str) -> Any:
        operator = AskAgainOperator(
            task_id="ask_again", dataset="price_quote", settings=settings, postponed="ab" * 16
        )
        with pytest.raises(DagRunTriggerException) as raised:
            operator.execute({"ti": TaskInstance(("running", "queued")), "run_id": run})
        return raised.value

    asked, again, other = ask("run-1"), ask("run-1"), ask("run-2")
    assert asked.conf == {"replay": "ab" * 16}
    assert asked.skip_when_already_exists is True
    assert asked.dag_run_id == again.dag_run_id != other.dag_run_id
    assert re.fullmatch(r"price_quote__replay_[0-9a-f]{16}", asked.dag_run_id)
