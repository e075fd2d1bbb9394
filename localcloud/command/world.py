"""What is open: the objects in landing, the batches in the journals, and what works on them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from localcloud.airflow.api import Airflow
from localcloud.command.datasets import why_ignored
from localcloud.command.journal import OpenBatch, UnreadableJournalError, read_open_batches
from localcloud.command.landing import Landed, list_landed
from localcloud.deployment.deployment import Deployment
from localcloud.launcher.errors import CommandError
from localcloud.launcher.web import WebError

if TYPE_CHECKING:
    from google.cloud import storage  # type: ignore[attr-defined]


@dataclass(frozen=True)
class World:
    """What is open: the objects in landing, and by dataset its open batches, None where none can be read."""

    landed: Sequence[Landed]
    batches: Mapping[str, Sequence[OpenBatch] | None]

    @property
    def all_batches(self) -> list[OpenBatch]:
        return [batch for opened in self.batches.values() for batch in opened or ()]

    @property
    def working(self) -> set[str]:
        """The batches that runs work on, by their ids: of each dataset the first that does not wait."""
        in_work = (
            next((batch.batch_id for batch in opened or () if batch.retry_at is None), None)
            for opened in self.batches.values()
        )
        return {batch_id for batch_id in in_work if batch_id is not None}

    @property
    def unclaimed(self) -> list[Landed]:
        """The objects that no open batch names."""
        claimed = {file for batch in self.all_batches for file in batch.files}
        return [item for item in self.landed if item.key not in claimed]

    def pending(self, dataset: str, datasets: Collection[str]) -> list[Landed]:
        """The files that the dataset's next batch would claim."""
        mine = (item for item in self.unclaimed if item.name.startswith(f"{dataset}/"))
        return [item for item in mine if not why_ignored(item.name, datasets)]


def look_around(deployment: Deployment, dataset: str | None = None) -> World:
    """What is open now, of all datasets or of one.

    Landing first: what has left it is in a batch of the journal, or in the ledger already.
    """
    client = deployment.storage()
    prefix = f"{dataset}/" if dataset else None
    landed = list(list_landed(client, deployment.buckets["landing"], prefix))
    lake = client.bucket(deployment.buckets["lake"])
    names = [dataset] if dataset else deployment.datasets
    return World(landed, {name: _read_batches(lake, name) for name in names})


def _read_batches(lake: "storage.Bucket", dataset: str) -> tuple[OpenBatch, ...] | None:
    try:
        return read_open_batches(lake, dataset)
    except UnreadableJournalError:
        return None


def find_airflow(deployment: Deployment) -> Airflow | None:
    """Airflow, where it can be asked at all."""
    try:
        return deployment.airflow()
    except CommandError:
        return None


def find_step(airflow: Airflow | None, batch: OpenBatch) -> str | None:
    """The tasks that work on the batch in work now; None when none does, or Airflow does not say."""
    if airflow is None:
        return None
    dag = f"ingest_{batch.dataset}"
    try:
        run = next((run for run in airflow.runs(dag) if run["state"] == "running"), None)
        tasks = airflow.tasks(dag, run["dag_run_id"]) if run else []
    except WebError:
        return None
    return (
        ", ".join(task["task_id"] for task in tasks if task["state"] in ("running", "up_for_retry")) or None
    )
