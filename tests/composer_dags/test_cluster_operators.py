"""A batch's cluster and job against the local cloud's Dataproc, which fails as it is told to."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from landfall_dags.blame import blame_of
from landfall_dags.dataproc import Cluster
from landfall_dags.errors import BatchFault
from tests.composer_dags.dataproc_part import PROJECT, REGION, STAGING, DataprocPart, dataproc_part
from tests.composer_dags.worlds import MemoryWorld

CONFIG = {"config_bucket": STAGING, "master_config": {"num_instances": 1}}
ATTEMPTS = "gs://lake/d/0/attempts"
FILE = {"uri": "gs://landing/d/a.csv", "generation": 7}


@pytest.fixture(scope="module")
def module_part(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataprocPart]:
    with dataproc_part(tmp_path_factory.mktemp("dataproc")) as part:
        yield part


@pytest.fixture
def part(module_part: DataprocPart, world: MemoryWorld, monkeypatch: pytest.MonkeyPatch) -> DataprocPart:
    """The part, without faults and clusters of earlier tests, as the operators reach it."""
    from landfall_dags import cluster_operators

    module_part.rules.unlink(missing_ok=True)
    for cluster in module_part.api.labelled(""):
        module_part.api.delete_cluster(cluster)
    until_gone(module_part)
    monkeypatch.setattr(cluster_operators, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(cluster_operators.dataproc, "connect", lambda *_: module_part.api)
    monkeypatch.setattr(cluster_operators.store, "connect", lambda: world.store)
    for link in ("DataprocClusterLink", "DataprocJobLink"):
        monkeypatch.setattr(getattr(cluster_operators, link), "persist", lambda **_: None)
    return module_part


@pytest.fixture
def world() -> MemoryWorld:
    return MemoryWorld()


def until_gone(part: DataprocPart) -> None:
    deadline = time.monotonic() + 60
    while part.api.labelled(""):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def create(name: str, parsed: bool = False, dataset: str = "d") -> str:
    from landfall_dags.cluster_operators import CreateClusterOperator

    operator = CreateClusterOperator(
        task_id="create_cluster",
        parsed=str(parsed),
        cluster_name=name,
        cluster_config=CONFIG,
        labels={"landfall_dataset": dataset, "landfall_batch": "0"},
        project_id=PROJECT,
        region=REGION,
    )
    return operator.execute({})


def spark_job(part: DataprocPart, cluster: str, job_id: str, does: str = "exit 0") -> Any:
    from landfall_dags.cluster_operators import SparkJobOperator

    return SparkJobOperator(
        task_id="csv_to_parquet",
        attempts_uri=ATTEMPTS,
        job=part.job(cluster, job_id, does),
        project_id=PROJECT,
        region=REGION,
    )


def run_job(part: DataprocPart, cluster: str, job_id: str, does: str = "exit 0") -> str:
    ran: str = spark_job(part, cluster, job_id, does).execute({})
    return ran


def delete(name: str, uuid: str) -> None:
    from landfall_dags.cluster_operators import DeleteClusterOperator

    DeleteClusterOperator(
        task_id="delete_cluster", cluster_uuid=uuid, cluster_name=name, project_id=PROJECT, region=REGION
    ).execute({})


def once_awaited(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Act at each pause of an operator from now on: by the first it has found what it waits for."""
    from landfall_dags import cluster_operators

    def pause(seconds: float) -> None:
        act()
        time.sleep(seconds)

    clock = SimpleNamespace(monotonic=time.monotonic, sleep=pause)
    monkeypatch.setattr(cluster_operators, "time", clock)


def until(file: Path) -> str:
    """A line of shell that goes on once there is a file."""
    return f"until [ -e '{file}' ]; do sleep 0.05; done"


def found(part: DataprocPart, name: str) -> Cluster:
    cluster = part.api.cluster(name)
    assert cluster is not None
    return cluster


def test_a_cluster_is_made_once_and_found_by_whoever_tries_again(part: DataprocPart) -> None:
    uuid = create("lf-d-0")
    assert found(part, "lf-d-0").state == "RUNNING"
    assert create("lf-d-0") == uuid


def test_a_batch_that_is_parsed_gets_no_cluster(part: DataprocPart) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    with pytest.raises(AirflowSkipException):
        create("lf-d-0", parsed=True)
    assert part.api.cluster("lf-d-0") is None


@pytest.mark.parametrize(
    ("action", "path", "more"),
    [
        ("drop_after", "CreateCluster$", {}),
        ("drop_before", "CreateCluster$", {}),
        ("error", "CreateCluster$", {"status": 429, "times": 2}),
        ("error", "GetCluster$", {"status": 503, "times": 2}),
        ("error", "ListClusters$", {"status": 500}),
    ],
)
def test_a_cluster_comes_up_whatever_the_api_does_meanwhile(
    part: DataprocPart, action: str, path: str, more: dict[str, Any]
) -> None:
    part.suffer(action, path, **more)
    assert create("lf-d-0") == found(part, "lf-d-0").uuid


def test_a_cluster_that_ends_in_error_fails_the_try_and_the_next_makes_another(part: DataprocPart) -> None:
    from airflow.sdk.exceptions import AirflowException

    part.suffer("cluster_error", "CreateCluster/lf-d-0$")
    with pytest.raises(AirflowException, match="found it in ERROR: Multiple Errors") as raised:
        create("lf-d-0")
    assert blame_of(raised.value)["fault"] == "surroundings"
    uuid = create("lf-d-0")
    assert (found(part, "lf-d-0").uuid, found(part, "lf-d-0").state) == (uuid, "RUNNING")


def test_a_cluster_that_an_earlier_attempt_left_broken_or_going_is_replaced(part: DataprocPart) -> None:
    part.suffer("cluster_error", "CreateCluster/lf-d-0$")
    part.api.create_cluster("lf-d-0", CONFIG, {})
    while (broken := found(part, "lf-d-0")).state != "ERROR":
        time.sleep(0.05)
    first = create("lf-d-0")
    assert first != broken.uuid
    part.suffer("slow_delete", "DeleteCluster/lf-d-0$", seconds=0.5)
    part.api.delete_cluster(found(part, "lf-d-0"))
    assert create("lf-d-0") != first


def test_a_cluster_that_an_earlier_attempt_left_creating_is_awaited(part: DataprocPart) -> None:
    # Long enough that it is seen to come up.
    part.suffer("slow_create", "CreateCluster/lf-d-0$", seconds=3)
    part.api.create_cluster("lf-d-0", CONFIG, {})
    coming = found(part, "lf-d-0")
    assert coming.state == "CREATING"
    assert create("lf-d-0") == coming.uuid


def test_only_other_clusters_of_the_dataset_are_deleted(part: DataprocPart) -> None:
    create("lf-d-0")
    create("lf-e-0", dataset="e")
    create("lf-d-1")
    states = {cluster.name: cluster.state for cluster in part.api.labelled("")}
    assert states.pop("lf-d-0", "DELETING") == "DELETING"
    assert states == {"lf-e-0": "RUNNING", "lf-d-1": "RUNNING"}


def test_a_deletion_ends_when_the_cluster_is_gone_and_may_be_repeated(part: DataprocPart) -> None:
    uuid = create("lf-d-0")
    part.suffer("drop_after", "DeleteCluster$")
    delete("lf-d-0", uuid)
    assert part.api.cluster("lf-d-0") is None
    delete("lf-d-0", uuid)


def test_a_deletion_that_comes_late_leaves_the_next_cluster_of_that_name(part: DataprocPart) -> None:
    first = create("lf-d-0")
    delete("lf-d-0", first)
    second = create("lf-d-0")
    delete("lf-d-0", first)
    assert (found(part, "lf-d-0").uuid, found(part, "lf-d-0").state) == (second, "RUNNING")
    # Also when the other was made between the last look and the deletion.
    part.api.delete_cluster(replace(found(part, "lf-d-0"), uuid=first))
    assert found(part, "lf-d-0").state == "RUNNING"


@pytest.mark.parametrize(
    ("action", "path"),
    [
        ("drop_after", "SubmitJob$"),
        ("drop_before", "SubmitJob$"),
        ("error", "GetJob$"),
        ("error", "ListJobs$"),
    ],
)
def test_a_job_runs_once_whatever_the_api_does_meanwhile(part: DataprocPart, action: str, path: str) -> None:
    create("lf-d-0")
    part.suffer(action, path, status=503)
    job_id = f"lf-d-0-{action}-{path[0]}-1"
    assert run_job(part, "lf-d-0", job_id) == job_id
    assert [job.state for job in part.api.jobs("lf-d-0") if job.job_id == job_id] == ["DONE"]


def test_a_job_that_a_dead_worker_left_is_awaited_and_not_doubled(
    part: DataprocPart, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    create("lf-d-0")
    part.api.submit(part.job("lf-d-0", "lf-d-0-left-1", until(tmp_path / "awaited")))
    once_awaited(monkeypatch, (tmp_path / "awaited").touch)
    assert run_job(part, "lf-d-0", "lf-d-0-left-2") == "lf-d-0-left-1"
    assert part.api.job("lf-d-0-left-2") is None


def test_a_job_that_ended_well_is_taken_if_its_metrics_are_there(
    part: DataprocPart, world: MemoryWorld
) -> None:
    create("lf-d-0")
    run_job(part, "lf-d-0", "lf-d-0-done-1")
    assert run_job(part, "lf-d-0", "lf-d-0-done-2") == "lf-d-0-done-2"
    world.put(f"{ATTEMPTS}/lf-d-0-done-2/metrics.json", b"{}")
    assert run_job(part, "lf-d-0", "lf-d-0-done-3") == "lf-d-0-done-2"
    assert run_job(part, "lf-d-0", "lf-d-0-other-1") == "lf-d-0-other-1", "another run makes its own"


def test_a_job_that_fails_on_a_cluster_that_is_well_is_the_batchs_fault(
    part: DataprocPart, world: MemoryWorld
) -> None:
    create("lf-d-0")
    with pytest.raises(BatchFault, match="expected Spark job lf-d-0-bad-1 to end as DONE, found ERROR"):
        run_job(part, "lf-d-0", "lf-d-0-bad-1", "exit 3")
    failure = {"fault": "batch", "files": [FILE], "error": "a.csv, after row 7"}
    world.put(f"{ATTEMPTS}/lf-d-0-bad-2/failure.json", json.dumps(failure).encode())
    with pytest.raises(BatchFault, match=r"The job says: a\.csv, after row 7") as raised:
        run_job(part, "lf-d-0", "lf-d-0-bad-2", "exit 3")
    assert blame_of(raised.value) == {"fault": "batch", "suspects": ["gs://landing/d/a.csv#7"]}


def test_a_failure_is_remembered_with_the_job_that_failed(
    part: DataprocPart, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also where the job is not the one that the task would have submitted."""
    from landfall_dags import traces

    create("lf-d-0")
    part.api.submit(part.job("lf-d-0", "lf-d-0-broken-1", f"{until(tmp_path / 'awaited')}; exit 3"))
    once_awaited(monkeypatch, (tmp_path / "awaited").touch)
    operator = spark_job(part, "lf-d-0", "lf-d-0-broken-2")
    with pytest.raises(BatchFault) as raised:
        operator.execute({})
    pushed: dict[str, Any] = {}
    ti = SimpleNamespace(xcom_push=pushed.__setitem__)
    traces.remember_failure({"ti": ti, "task": operator, "exception": raised.value})
    assert pushed["resource"] == "lf-d-0-broken-1"


def test_a_job_that_blames_its_surroundings_is_tried_again(part: DataprocPart, world: MemoryWorld) -> None:
    from airflow.sdk.exceptions import AirflowException, AirflowFailException

    create("lf-d-0")
    failure = {"fault": "surroundings", "files": [], "error": "the key is withheld"}
    world.put(f"{ATTEMPTS}/lf-d-0-out-1/failure.json", json.dumps(failure).encode())
    with pytest.raises(AirflowException, match="the key is withheld") as raised:
        run_job(part, "lf-d-0", "lf-d-0-out-1", "exit 3")
    assert not isinstance(raised.value, AirflowFailException)
    assert blame_of(raised.value)["fault"] == "surroundings"


def test_a_cancelled_job_is_nobodys_fault(part: DataprocPart, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk.exceptions import AirflowException

    create("lf-d-0")
    part.api.submit(part.job("lf-d-0", "lf-d-0-stop-1", "sleep 30"))
    once_awaited(monkeypatch, lambda: part.api.cancel("lf-d-0-stop-1"))
    with pytest.raises(AirflowException, match="found CANCELLED") as raised:
        run_job(part, "lf-d-0", "lf-d-0-stop-2")
    assert blame_of(raised.value)["fault"] == "surroundings"


def test_a_cluster_that_vanishes_under_its_job_ends_the_task_without_another_try(part: DataprocPart) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    create("lf-d-0")
    part.suffer("vanish_cluster", "SubmitJob/lf-d-0-lost-1$", seconds=0.3)
    with pytest.raises(AirflowFailException, match="Cluster lf-d-0 is gone: no try of this task") as raised:
        run_job(part, "lf-d-0", "lf-d-0-lost-1", "sleep 30")
    assert blame_of(raised.value) == {"fault": "surroundings", "suspects": []}
    with pytest.raises(AirflowFailException, match=r"to take job lf-d-0-lost-2\. Cluster lf-d-0 is gone"):
        run_job(part, "lf-d-0", "lf-d-0-lost-2")


def test_a_job_that_never_ends_is_cancelled_in_time_and_is_the_batchs_fault(
    part: DataprocPart, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    from landfall_dags import cluster_operators

    create("lf-d-0")
    monkeypatch.setattr(cluster_operators, "MOST_JOB_SECONDS", 0.2)
    with pytest.raises(AirflowFailException, match=r"to end within 0\.2 s") as raised:
        run_job(part, "lf-d-0", "lf-d-0-endless-1", "sleep 30")
    assert blame_of(raised.value)["fault"] == "batch"
    job = part.api.job("lf-d-0-endless-1")
    assert job is not None
    assert job.state.startswith("CANCEL")


@pytest.mark.parametrize(
    ("runs", "open_batch", "is_deleted"),
    [((), "0", True), (("queued",), "0", True), (("running",), "0", False), (("running",), "1", True)],
)
def test_the_sweep_deletes_a_cluster_that_no_run_is_going_to_use(
    part: DataprocPart,
    world: MemoryWorld,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    runs: tuple[str, ...],
    open_batch: str,
    is_deleted: bool,
) -> None:
    from landfall_dags import sweep_clusters
    from landfall_dags.journal import Entry, Journal, Open, journal_text

    entry = Entry("d", open_batch, open_batch, "run", "1.0.0", "2025-11-21T01:26:03.000500Z", None, ())
    world.put("gs://lake/journal/d/open.json", journal_text(Journal("d", (Open(entry),))).encode())
    monkeypatch.setattr(sweep_clusters.store, "connect", lambda: world.store)
    create("lf-d-0")
    part.api.create_cluster("others", {"config_bucket": "code"}, {"landfall_dataset": "d"})
    ti = SimpleNamespace(get_dr_count=lambda dag_id, states: sum(state in states for state in runs))
    left = sweep_clusters.delete_left_clusters(settings, {"ti": ti})
    assert left == (["lf-d-0"] if is_deleted else [])
    lines = [line.getMessage() for line in caplog.records if line.name == "landfall.cluster_left"]
    assert [json.loads(line.removeprefix("landfall.cluster_left ")) for line in lines] == [
        {"dataset": "d", "cluster": "lf-d-0", "state": "RUNNING", "batch_id": "0"} for _ in left
    ]
    cluster = part.api.cluster("lf-d-0")
    assert (cluster is None or cluster.state == "DELETING") is is_deleted
    assert found(part, "others").state != "DELETING", "it has another environment's bucket"
