"""What a scenario needs of the cloud that it runs on: the fast one and the real one both are a `Driver`."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psutil

from tests.chaos import datasets
from tests.whole_lines import read_whole_lines

# What can be killed (SIGKILL) or stalled. A driver says in `kills` which of these it can do.
FUNCTION = "function"  # the process that receives events
API = "api"  # what takes requests for runs: Airflow's api-server
SCHEDULER = "scheduler"  # what starts tasks; tasks under way die with it
TASK = "task"  # one task process that is running, whichever; nothing when none is
ZOMBIE = "zombie"  # one running task is stopped, declared dead and tried again; later it goes on beside that
STORAGE = "storage"
BIGQUERY = "bigquery"
DATAPROC = "dataproc"  # the service; a running job dies with it
ALL = "all"  # every process of the cloud at once

ANY_KILL = frozenset({FUNCTION, API, SCHEDULER, TASK, ZOMBIE, STORAGE, BIGQUERY, DATAPROC, ALL})

NO_FAULTS: Mapping[str, Any] = {"seed": 0, "rules": []}

_PENDING = (".csv", ".csv.gz")
# Lines of the log of faults that tell more of one that fired.
_NOTES = ("killed", "refused", "struck")


@dataclass(frozen=True)
class Stored:
    """One generation of a landing object, as the sender was told; `created_at` in RFC 3339, UTC."""

    uri: str
    generation: int
    created_at: str

    @property
    def identity(self) -> str:
        return f"{self.uri}#{self.generation}"


@dataclass(frozen=True)
class Settled:
    """How a cloud came to rest: seconds since it was healed."""

    seconds: float


class NotSettledError(Exception):
    """The healed cloud did not come to rest in time; the message says what is still open, and where."""


class Driver(Protocol):
    """A cloud with its pipeline, for many scenarios in succession; names of objects begin with their dataset.

    Between `begin` and `heal_and_settle` anything may be down: only `put` and `delete` are then sure to be
    answered, for the driver tries them again until they are (fault rules never match a sender's uploads).
    `query`, `landing`, `rejected`, `journal` and `clusters` may raise in that time.
    """

    engine: str  # fast or real
    kills: frozenset[str]
    landing_bucket: str  # bare name, as in the ledger's URIs

    def start(self) -> None:
        """Bring up an empty cloud in which each dataset of `datasets.DATASETS` has its tables and its DAG."""

    def begin(self, schedulers: int) -> None:
        """Before a scenario: no faults; so many schedulers race for the work (the real cloud has one)."""

    def put(self, name: str, content: bytes) -> Stored:
        """Upload an object into landing, whether or not one of this name is there."""

    def delete(self, name: str) -> bool:
        """Delete the object from landing; False when there was none any more."""

    def set_faults(self, document: Mapping[str, Any]) -> None:
        """Let these fault rules be the ones that hold from now on."""

    def fired(self) -> dict[str, int]:
        """How often each rule (by its id) fired since `begin`."""

    def kill(self, what: str) -> bool:
        """SIGKILL it now, and leave it down; False when there was nothing to kill. `what` is of `kills`."""

    def revive(self) -> None:
        """Start again whatever is not running; faults stay as they are."""

    def replay(self, dataset: str, asked: str) -> None:
        """Ask for a run that reads a batch (its id) or a file (its identity) again; errors are not raised."""

    def heal_and_settle(self, faults: Mapping[str, Any], timeout: float) -> Settled:
        """Put `faults` (none, or those that never end) in place of the rules, start what is down, sweep until

        nothing is pending, open, queued or running. NotSettledError after `timeout` seconds.
        """

    def query(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a query of the warehouse: values as JSON has them (numbers may come as text)."""

    def landing(self) -> list[str]:
        """The names of all objects in landing, sorted; likewise `rejected` for the rejected bucket."""

    def rejected(self) -> list[str]: ...

    def journal(self, dataset: str) -> dict[str, Any] | None:
        """The dataset's open.json, None when there is none."""

    def clusters(self) -> list[str]:
        """The names of all clusters that exist, whatever their state."""

    def stray_processes(self) -> list[str]:
        """Processes of the cloud that should not be there once it is at rest: tasks, jobs, orphans."""

    def keep_evidence(self, folder: Path) -> None:
        """Copy into `folder` what explains a failure: logs of the parts, of tasks and of fired faults."""

    def stop(self) -> None:
        """End every process of the cloud; its state may be deleted."""


def left_open(driver: Driver) -> list[str]:
    """What a cloud in which no run is left has not brought to its end; empty when it is at rest."""
    pending = [
        f"gs://{driver.landing_bucket}/{name} is pending"
        for name in driver.landing()
        if name.partition("/")[0] in datasets.DATASETS and name.endswith(_PENDING)
    ]
    journals = [
        f"the journal of {name} is open"
        for name in datasets.DATASETS
        if (driver.journal(name) or {}).get("batches")
    ]
    return [*pending, *journals, *(f"cluster {name} is there" for name in driver.clusters())]


def count_fired(log: Path) -> dict[str, int]:
    """How often each rule fired, by the log of faults."""
    lines = map(json.loads, read_whole_lines(log))
    return dict(Counter(line["rule"] for line in lines if line["action"] not in _NOTES))


def show_processes(processes: Iterable[psutil.Process]) -> list[str]:
    """Each process with its command, but for those that have ended since they were found."""
    shown = []
    for process in processes:
        try:
            shown.append(f"{process.pid}: {' '.join(process.cmdline())[:200]}")
        except psutil.NoSuchProcess:
            continue
    return shown
