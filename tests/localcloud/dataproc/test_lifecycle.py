"""Clusters that delete themselves; time is given, not waited for."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from google.cloud.dataproc_v1.types import (
    ClusterStatus,
    CreateClusterRequest,
    Job,
    JobStatus,
    LifecycleConfig,
)

from localcloud.dataproc.clusters import Clusters
from localcloud.dataproc.lifecycle import deletion_time
from localcloud.dataproc.names import Scope
from localcloud.dataproc.store import Store
from localcloud.faults.reader import Faults

CREATED = datetime(2026, 11, 21, tzinfo=UTC)
SCOPE = Scope("p", "us-central1")


def minutes(count: float) -> datetime:
    return CREATED + timedelta(minutes=count)


@pytest.mark.parametrize(
    ("config", "idle_since", "expected"),
    [
        (LifecycleConfig(), minutes(1), None),
        (LifecycleConfig(idle_delete_ttl=timedelta(minutes=5)), minutes(1), minutes(6)),
        (LifecycleConfig(idle_delete_ttl=timedelta(minutes=5)), None, None),
        (LifecycleConfig(auto_delete_ttl=timedelta(minutes=10)), None, minutes(10)),
        (LifecycleConfig(auto_delete_time=minutes(20)), None, minutes(20)),
        (
            LifecycleConfig(idle_delete_ttl=timedelta(minutes=5), auto_delete_ttl=timedelta(minutes=10)),
            minutes(8),
            minutes(10),
        ),
    ],
)
def test_deletion_time(
    config: LifecycleConfig, idle_since: datetime | None, expected: datetime | None
) -> None:
    assert deletion_time(config, CREATED, idle_since) == expected


class Timeline:
    """Clusters whose clock the test sets."""

    def __init__(self, folder: Path) -> None:
        self.now = CREATED
        self.ended: list[str] = []
        self.store = Store(folder / "state.sqlite")
        self.clusters = Clusters(
            store=self.store,
            buckets=folder / "buckets",
            change_time=timedelta(seconds=90),
            clock=lambda: self.now,
            end_jobs=lambda uuid, _: self.ended.append(uuid),
            faults=Faults(None),
        )

    def at(self, moment: datetime) -> None:
        self.now = moment
        self.clusters.advance()

    def create(self, lifecycle: LifecycleConfig) -> str:
        cluster = {"cluster_name": "c", "config": {"lifecycle_config": lifecycle}}
        self.clusters.create(CreateClusterRequest(project_id="p", region="us-central1", cluster=cluster))
        found = self.store.cluster(SCOPE, "c")
        return found.cluster_uuid if found else ""

    def put_job(self, uuid: str, state: int) -> None:
        job = Job(
            reference={"job_id": "j"},
            placement={"cluster_uuid": uuid},
            status=JobStatus(state=state, state_start_time=self.now),
        )
        self.store.put_job(SCOPE, job)

    def state(self) -> str:
        cluster = self.store.cluster(SCOPE, "c")
        return ClusterStatus.State(cluster.status.state).name if cluster else "gone"


@pytest.fixture
def timeline(tmp_path: Path) -> Iterator[Timeline]:
    line = Timeline(tmp_path)
    yield line
    line.store.close()


def test_idle_cluster_deletes_itself_but_not_while_a_job_is_active(timeline: Timeline) -> None:
    uuid = timeline.create(LifecycleConfig(idle_delete_ttl=timedelta(minutes=5)))
    timeline.at(minutes(1))
    assert timeline.state() == "CREATING"
    timeline.at(minutes(1.5))
    assert timeline.state() == "RUNNING"
    timeline.now = minutes(2)
    timeline.put_job(uuid, JobStatus.State.RUNNING)
    timeline.at(minutes(30))
    assert timeline.state() == "RUNNING"
    timeline.put_job(uuid, JobStatus.State.DONE)
    timeline.at(minutes(34.9))
    assert timeline.state() == "RUNNING"
    timeline.at(minutes(35))
    assert timeline.state() == "DELETING"
    timeline.at(minutes(36.5))
    assert timeline.state() == "gone"


def test_cluster_past_its_lifetime_deletes_itself_with_its_jobs(timeline: Timeline) -> None:
    uuid = timeline.create(LifecycleConfig(auto_delete_ttl=timedelta(minutes=10)))
    timeline.at(minutes(2))
    timeline.put_job(uuid, JobStatus.State.RUNNING)
    timeline.at(minutes(10))
    assert timeline.state() == "DELETING"
    assert timeline.ended == [uuid]


def test_advance_says_when_something_is_due(timeline: Timeline) -> None:
    timeline.create(LifecycleConfig())
    timeline.now = CREATED + timedelta(seconds=80)
    assert timeline.clusters.advance() == CREATED + timedelta(seconds=90)
    timeline.now = CREATED + timedelta(seconds=90)
    assert timeline.clusters.advance() == CREATED + timedelta(seconds=120)


def test_creation_that_breaks_off_leaves_nothing(timeline: Timeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline.store, "put_operation", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        timeline.create(LifecycleConfig())
    assert timeline.state() == "gone"
    monkeypatch.undo()
    timeline.create(LifecycleConfig())
    timeline.at(minutes(2))
    assert timeline.state() == "RUNNING"
