"""The story of a file: what the ledger says of it, as steps in the order in which they happened. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from room.batch import link_kind

Row = Mapping[str, Any]

# The tasks of a run that make a step; the step is over when the last of them is.
_TASKS = {
    "cluster": ("create_cluster",),
    "spark": ("csv_to_parquet", "check_metrics"),
    "loaded": ("load_raw", "load_rejected"),
    "trusted": ("call_trusted",),
}
DONE, STOPPED, AHEAD, BUSY = "done", "stopped", "ahead", "busy"
# Why a file stops before its batch does: what decided it was known once Spark had read it.
_STOPS_AT_SPARK = {
    "empty_file",
    "header_mismatch",
    "not_text",
    "unreadable",
    "too_large",
    "too_many_rejected_rows",
    "quality_failed",
}


@dataclass(frozen=True)
class Step:
    """A step of the way: `at` is its end, `seconds` what it took itself, `waited` what passed before it.

    `jobs` are the cloud's names of what it started: kind (of links) and name.
    """

    name: str
    state: str
    at: datetime | None = None
    seconds: float | None = None
    waited: float | None = None
    jobs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Story:
    """A file as its newest reading left it.

    Attributes:
        verdict: loaded, loaded_partly (some rows rejected), none_accepted (all of them), no_rows, rejected or
            superseded.
        remedy: a code of what to do next, None where there is nothing.
        seconds: from landing (of a replay: from its claim) to the end.
    """

    file: Row
    verdict: str
    remedy: str | None
    steps: tuple[Step, ...]
    seconds: float | None
    is_replay: bool


def tell(file: Row) -> Story:
    """The story of one reading of a file: a row of ops.files with `replay` and `steps` of its batch."""
    is_replay = bool(file["replay"])
    steps = _steps(file, is_replay)
    ends = [step.at for step in steps if step.at]
    whole = (max(ends) - min(ends)).total_seconds() if len(ends) > 1 else None
    return Story(file, _verdict(file), _remedy(file), steps, whole, is_replay)


def tell_pending(landed_at: datetime | None) -> tuple[Step, ...]:
    """The steps of a file that waits in landing."""
    return (Step("landed", DONE, landed_at), Step("claimed", BUSY), *_ahead())


def tell_open(landed_at: datetime | None, claimed_at: datetime, phase: str | None) -> tuple[Step, ...]:
    """The steps of a file in an open batch; `phase` is claim, cluster, spark or load, None while it waits.

    Without `landed_at` it is read again from the archive.
    """
    steps = [Step("landed", DONE, landed_at)] if landed_at else []
    waited = _between(landed_at, claimed_at)
    if phase == "claim":
        return (*steps, Step("claimed", BUSY, claimed_at, None, waited), *_ahead())
    steps.append(Step("claimed", DONE, claimed_at, None, waited))
    busy = {"cluster": "cluster", "spark": "spark", "load": "loaded"}.get(phase or "")
    ahead = _ahead()
    names = [step.name for step in ahead]
    now = names.index(busy) if busy else -1
    done = (Step(name, DONE) for name in names[: max(now, 0)])
    return (*steps, *done, *(Step(name, BUSY) for name in [busy] if name), *ahead[now + 1 :])


def _ahead() -> tuple[Step, ...]:
    return tuple(Step(name, AHEAD) for name in (*_TASKS, "recorded"))


def _verdict(file: Row) -> str:
    if file["state"] != "loaded":
        return str(file["state"])
    if file["reason"] == "no_rows":
        return "no_rows"
    if not file["rows_rejected"]:
        return "loaded"
    return "loaded_partly" if file["rows_accepted"] else "none_accepted"


def _remedy(file: Row) -> str | None:
    if file["state"] == "loaded":
        return {"loaded_partly": "rows_rejected", "none_accepted": "none_accepted"}.get(_verdict(file))
    return str(file["reason"] or file["state"])


def _steps(file: Row, is_replay: bool) -> tuple[Step, ...]:
    found: list[Step] = []
    landed, claimed = file["source_created_at"], file["claimed_at"]
    if not is_replay:
        found.append(Step("landed", DONE, landed))
    found.append(Step("claimed", DONE, claimed, None, None if is_replay else _between(landed, claimed)))
    if file["state"] == "superseded":
        return _mark_stop(found)
    before = claimed
    tasks = {step["task"]: step for step in file["steps"] or ()}
    for name, members in _TASKS.items():
        step = _step(name, [tasks[task] for task in members if task in tasks], before)
        if step is None:
            continue
        found.append(step)
        before = step.at or before
        if step.state == STOPPED or (name == "spark" and file["reason"] in _STOPS_AT_SPARK):
            break
    # A file that was given up has no steps: it is not known here how far it came.
    if file["state"] == "rejected" and found[-1].name in _TASKS:
        found = list(_mark_stop(found))
    if file["recorded_at"]:
        recorded = Step("recorded", DONE, file["recorded_at"], None, _between(before, file["recorded_at"]))
        found.append(recorded)
    return tuple(found)


def _step(name: str, tasks: Sequence[Row], before: datetime | None) -> Step | None:
    """The step that these tasks make; None where none of them ran."""
    if not tasks:
        return None
    starts = [task["started_at"] for task in tasks if task["started_at"]]
    ends = [task["finished_at"] for task in tasks if task["finished_at"]]
    took = (max(ends) - min(starts)).total_seconds() if starts and ends else None
    state = STOPPED if any(task["state"] == "failed" for task in tasks) else DONE
    return Step(
        name,
        state,
        max(ends, default=None),
        took,
        _between(before, min(starts, default=None)),
        tuple(job for task in tasks if (job := _job(task))),
    )


def _job(task: Row) -> tuple[str, str] | None:
    """The kind of link and the name of what a task started in the cloud, if anybody can look at it."""
    kind, name = link_kind(task["task"]), task.get("resource")
    return (kind, str(name)) if kind and name else None


def _mark_stop(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The last of the steps is where it stopped."""
    *others, last = steps
    return (*others, Step(last.name, STOPPED, last.at, last.seconds, last.waited, last.jobs))


def _between(start: datetime | None, end: datetime | None) -> float | None:
    return max(0.0, (end - start).total_seconds()) if start and end else None
