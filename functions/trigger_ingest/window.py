"""From a point in time to the run that takes the files of its batch window. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True)
class Run:
    """A DAG run to ask for: `run_after` is in UTC, with whole seconds."""

    dag_id: str
    run_id: str
    run_after: datetime


def find_run(dataset: str, now: datetime, window_seconds: int, grace_seconds: int) -> Run:
    """Name the run of the batch window that `now` (an aware time) falls in.

    Windows are cut from the Unix epoch, so that every instance of the function finds the same ones. The end
    of a window belongs to the next one: the end in the run id is always later than `now`, so the run cannot
    have listed the landing bucket before the object of the event was there.
    """
    end = datetime.fromtimestamp((int(now.timestamp()) // window_seconds + 1) * window_seconds, UTC)
    return Run(
        dag_id=f"ingest_{dataset}",
        run_id=f"{dataset}__{end:%Y-%m-%dT%H:%M:%SZ}",
        run_after=end + timedelta(seconds=grace_seconds),
    )
