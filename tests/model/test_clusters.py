"""Clusters, checked exhaustively: never two of a dataset at once, and none that nobody deletes."""

from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest
from greenlet import getcurrent

from landfall_dags.dataproc import Cluster
from landfall_dags.settings import Settings
from tests.composer_dags.conftest import ENVIRONMENT
from tests.model.explorer import Actor, Search

DATASET = "price_quote"
SETTINGS = Settings.from_environment(ENVIRONMENT)


@dataclass
class Clusters:
    """Dataproc, and which batches the journal has. A cluster comes up and goes in one step."""

    live: dict[str, Cluster] = field(default_factory=dict)
    made: int = 0
    batches: frozenset[str] = frozenset()

    def fingerprint(self) -> object:
        clusters = ((name, cluster.uuid) for name, cluster in self.live.items())
        return hash((frozenset(clusters), self.made, self.batches))

    def is_settled(self, operation: str, *arguments: Any) -> bool:
        return False

    def cluster(self, name: str) -> Cluster | None:
        return self.live.get(name)

    def labelled(self, _: str) -> list[Cluster]:
        return list(self.live.values())

    def create_cluster(self, name: str, _: Any, labels: dict[str, str]) -> None:
        if name not in self.live:
            self.made += 1
            bucket = SETTINGS.staging_bucket
            self.live[name] = Cluster(name, str(self.made), "RUNNING", "", labels, bucket)

    def delete_cluster(self, cluster: Cluster) -> None:
        if self.live.get(cluster.name, cluster).uuid == cluster.uuid:
            self.live.pop(cluster.name, None)

    def open(self, batch: str) -> None:
        self.batches |= {batch}

    def close(self, batch: str) -> None:
        self.batches -= {batch}


@pytest.fixture(autouse=True)
def _one_dataproc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every actor finds its own view of the world where an operator connects."""
    from landfall_dags import cluster_operators, dataproc

    monkeypatch.setattr(dataproc, "connect", lambda *_: getcurrent().view)
    clock = SimpleNamespace(monotonic=lambda: 0.0, sleep=lambda _: None)
    monkeypatch.setattr(cluster_operators, "time", clock)
    monkeypatch.setattr(cluster_operators.DataprocClusterLink, "persist", lambda **_: None)


def run(batch: str) -> Any:
    """What a run does about its cluster: the project's own operators, one after the other."""
    from landfall_dags.cluster_operators import CreateClusterOperator, DeleteClusterOperator

    place = {"project_id": "p", "region": "r", "cluster_name": f"lf-{batch}"}
    labels = {"landfall_dataset": DATASET, "landfall_batch": batch}

    def work(view: Any) -> None:
        getcurrent().view = view
        view.open(batch)
        create = CreateClusterOperator(
            task_id="create_cluster",
            cluster_config={"config_bucket": SETTINGS.staging_bucket},
            labels=labels,
            parsed="False",
            **place,
        )
        uuid = create.execute({})
        view.cluster(place["cluster_name"])  # here the job runs
        DeleteClusterOperator(task_id="delete_cluster", cluster_uuid=uuid, **place).execute({})
        view.close(batch)

    return work


def swept(world: Clusters, monkeypatch: pytest.MonkeyPatch) -> dict[str, Cluster]:
    """What the sweep leaves once no run is active."""
    from landfall_dags import dataproc, sweep_clusters

    monkeypatch.setattr(dataproc, "connect", lambda *_: world)
    context = {"ti": SimpleNamespace(get_dr_count=lambda **_: 0)}
    sweep_clusters.delete_left_clusters(SETTINGS, context)
    return world.live


@pytest.mark.parametrize("is_dead", [True, False])
def test_a_dataset_has_one_cluster_and_in_the_end_none(
    is_dead: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A try dies anywhere, its retry too, and then a run takes another batch.

    A try that was only taken for dead may make a cluster beside the next one; then they are two at most.
    """
    actors = {
        "try": Actor(run("one")),
        "retry": Actor(run("one"), after="try", kills="try" if is_dead else None),
        "next run": Actor(run("two"), after="retry", kills="retry"),
    }

    def check(world: Clusters) -> str | None:
        if len(world.live) > (1 if is_dead else 2):
            return f"live at once: {sorted(world.live)}"
        with monkeypatch.context() as patch:
            left = swept(replace(world, live=dict(world.live)), patch)
        return f"left after the sweep: {sorted(left)}" if left else None

    found = Search(Clusters, actors, check, expected=_given_up())
    found.run()
    assert found.states > 100


def _given_up() -> tuple[type[Exception], ...]:
    from airflow.sdk.exceptions import AirflowException

    return (AirflowException,)
