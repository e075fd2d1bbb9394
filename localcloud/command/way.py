"""The way of one file, as far as it is known: pure bookkeeping of what was observed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from localcloud.airflow.api import parse_time
from localcloud.command.journal import OpenBatch

STEPS = (
    "landed",
    "event delivered",
    "run asked for",
    "claimed",
    "cluster",
    "Spark",
    "loaded",
    "trusted",
    "recorded",
)
# An archived file that is read again neither lands nor makes an event.
_REPLAY_STEPS = STEPS[2:]
EVENT = "event delivered"
_UNSEEN_EVENT_STEPS = tuple(step for step in STEPS if step != EVENT)
# Which tasks of a run have to be done for a step to be done; the step is named for its end.
TASKS = {
    "cluster": ("create_cluster",),
    "Spark": ("csv_to_parquet",),
    "loaded": ("load_raw", "load_rejected"),
    "trusted": ("call_trusted",),
}
# Where a way stops when one of the other tasks fails.
_STOPS = {"claim_batch": "claimed", "check_metrics": "loaded", "record_batch": "recorded"}
ACTIVE = ("queued", "running")


@dataclass
class Way:
    """One followed file. `reached` says when a step was done (UTC) and a remark on it.

    With `replay`, what was asked to be read again, the file is of that batch, and began when it was asked.
    Without `sees_event` nobody can say what became of its event.
    """

    label: str
    dataset: str
    uri: str
    generation: int
    began_at: datetime
    replay: str | None = None
    sees_event: bool = True
    reached: dict[str, tuple[datetime, str]] = field(default_factory=dict)
    batch: OpenBatch | None = None
    now: str = ""
    verdict: str = ""
    succeeded: bool = False

    def __post_init__(self) -> None:
        if self.replay is None:
            self.reach("landed", self.began_at, self.uri)

    @property
    def steps(self) -> tuple[str, ...]:
        if self.replay is not None:
            return _REPLAY_STEPS
        return STEPS if self.sees_event else _UNSEEN_EVENT_STEPS

    @property
    def is_over(self) -> bool:
        return bool(self.verdict)

    def reach(self, step: str, moment: datetime | None, remark: str = "") -> None:
        """Note the first time that a step is seen done."""
        if moment is not None and step not in self.reached:
            self.reached[step] = (moment, remark)

    def end(self, verdict: str, succeeded: bool = False) -> None:
        self.verdict, self.succeeded, self.now = verdict, succeeded, ""

    def seconds(self, step: str) -> float:
        """Seconds from the beginning to a reached step."""
        return max(0.0, (self.reached[step][0] - self.began_at).total_seconds())

    def next_step(self) -> str:
        """The step after the furthest that was reached: of one before it nobody may have told."""
        furthest = max((self.steps.index(step) for step in self.reached if step in self.steps), default=-1)
        return self.steps[min(furthest + 1, len(self.steps) - 1)]


def see_delivery(way: Way, deliveries: Iterable[Mapping[str, Any]]) -> None:
    """Take in what the storage says of the file's event."""
    for delivery in deliveries:
        if delivery["state"] == "delivered":
            way.reach(EVENT, parse_time(delivery["delivered_at"]))
        elif delivery["attempts"]:
            status = delivery["last_status"] or delivery["last_error"]
            way.now = f"event refused {delivery['attempts']} times, last with {status}"


def see_batch(way: Way, batches: Iterable[OpenBatch]) -> None:
    """Take in the dataset's open batches; of a batch that was divided, the part that has the file."""
    for batch in batches:
        if (way.uri, way.generation) in batch.files and _is_asked_for(way, batch):
            way.batch = batch
            way.reach("claimed", batch.claimed_at, f"batch {batch.batch_id[:12]}")
            if batch.retry_at is not None:
                times = "once" if batch.failures == 1 else f"{batch.failures} times"
                way.now = f"failed {times}; tried again at {batch.retry_at.astimezone():%H:%M:%S}"


def choose_run(way: Way, runs: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The run that carries the file; `runs` are newest first.

    Before the claim: the first that is due after the landing, or the newest with the replay (a run that finds
    another batch open passes it on). After it: the running one (a later run may finish what the claiming one
    left), else the one that claimed.
    """
    if way.batch is None and way.replay is not None:
        return next((run for run in runs if _asks_for(run, way)), None)
    if way.batch is None:
        due = [run for run in runs if (moment := parse_time(run["run_after"])) and moment >= way.began_at]
        return due[-1] if due else None
    candidates = [run for run in runs if not _ended_before(run, way.began_at)]
    running = [run for run in candidates if run["state"] == "running"]
    claimed = [run for run in candidates if run["dag_run_id"] == way.batch.run_id]
    return next(iter([*running, *claimed, *candidates]), None)


def see_run(way: Way, run: Mapping[str, Any] | None) -> None:
    if run:
        way.reach("run asked for", parse_time(run["queued_at"]), run["dag_run_id"])


def see_tasks(way: Way, tasks: Iterable[Mapping[str, Any]]) -> None:
    """Take in the task instances of the run that carries the file's batch."""
    by_name = {task["task_id"]: task for task in tasks}
    if way.batch is None or way.batch.retry_at is not None:
        return
    for step, names in TASKS.items():
        mine = [by_name[name] for name in names if name in by_name]
        if mine and all(task["state"] in ("success", "skipped") for task in mine):
            ends = [moment for task in mine if (moment := parse_time(task["end_date"]))]
            way.reach(step, max(ends, default=None), _took(mine))
    way.now = "; ".join(
        _describe(task) for task in by_name.values() if task["state"] in ("running", "up_for_retry")
    )


def see_steps(way: Way, steps: Iterable[Mapping[str, Any]]) -> None:
    """Take in the steps that the ledger has of the file's batch; a task without one had nothing to do."""
    by_name = {step["task"]: step for step in steps}
    for step, names in TASKS.items():
        mine = [by_name[name] for name in names if name in by_name]
        if any(one["state"] != "success" for one in mine):
            return
        ends = [one["finished_at"] for one in mine if one["finished_at"]]
        took = [one["seconds"] for one in mine if one["seconds"]]
        way.reach(step, max(ends, default=None), f"took {max(took):.1f} s" if took else "")


def find_stop(steps: Iterable[Mapping[str, Any]]) -> str | None:
    """The step at which the way stopped, by the failed task that the ledger has; None where none failed."""
    of_task = {name: step for step, names in TASKS.items() for name in names} | _STOPS
    failed = {of_task.get(step["task"]) for step in steps if step["state"] == "failed"}
    return next((step for step in STEPS if step in failed), None)


def failed_tasks(tasks: Iterable[Mapping[str, Any]]) -> list[str]:
    return [
        task["task_id"] for task in tasks if task["state"] == "failed" and task["task_id"] != "record_failure"
    ]


def is_lost(way: Way, runs: Iterable[Mapping[str, Any]]) -> bool:
    """Whether the file's run failed, and no run is coming that would finish its batch.

    What is still in landing without a batch is not lost: the next run claims it. A replay is.
    """
    ours = [run for run in runs if not _ended_before(run, way.began_at)]
    if way.batch is None and way.replay is not None:
        asked = choose_run(way, ours)
        return asked is not None and asked["state"] == "failed"
    return (
        way.batch is not None
        and bool(ours)
        and not any(run["state"] in ACTIVE for run in ours)
        and ours[0]["state"] == "failed"
    )


def _is_asked_for(way: Way, batch: OpenBatch) -> bool:
    """Whether the open batch is the replay that the way follows; any batch is for a file that landed."""
    return way.replay is None or (batch.replay == way.replay and batch.claimed_at >= way.began_at)


def _asks_for(run: Mapping[str, Any], way: Way) -> bool:
    asked, queued = (run.get("conf") or {}).get("replay"), parse_time(run["queued_at"])
    return asked == way.replay and queued is not None and queued >= way.began_at


def _ended_before(run: Mapping[str, Any], moment: datetime) -> bool:
    ended = parse_time(run["end_date"])
    return ended is not None and ended < moment


def _took(tasks: Iterable[Mapping[str, Any]]) -> str:
    seconds = [task["duration"] for task in tasks if task.get("duration")]
    return f"took {max(seconds):.1f} s" if seconds else ""


def _describe(task: Mapping[str, Any]) -> str:
    tries = f", try {task['try_number']}" if (task.get("try_number") or 0) > 1 else ""
    state = "waits to be tried again" if task["state"] == "up_for_retry" else "runs"
    return f"{task['task_id']} {state}{tries}"
