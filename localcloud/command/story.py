"""The story of one file: what was found of it, told in order. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from localcloud.command import way
from localcloud.command.journal import OpenBatch
from localcloud.command.landing import Landed
from localcloud.command.query import to_json
from localcloud.command.way import Way

DONE, NOW, STOPPED, SKIPPED, AHEAD = "done", "now", "stopped", "skipped", "ahead"
DIVIDED, GIVEN_UP = "divided", "given up"
ROWS = ("rows_read", "rows_accepted", "rows_rejected")
_TOLD = ("reason", "detail", *ROWS)
_BATCH = ("run_id", "claimed_at", "recorded_at", "retry_at", "failures")
# What comes before the claim, and need not have been seen to have been done.
_UNSEEN = ("landed", way.EVENT, "run asked for")
# The step that finds a file to be none, or its batch to be one that must not be loaded; None: any may fail.
_REFUSED_AT = {"too_many_rejected_rows": "loaded", "quality_failed": "loaded", "failed_repeatedly": None}


@dataclass(frozen=True)
class Open:
    """The open batch that has the file: as the journal has it, as `status` describes it, its row of the
    ledger if a run failed with it, and what Airflow says of the run that works on it and of its tasks."""

    batch: OpenBatch
    described: Mapping[str, Any]
    known: Mapping[str, Any] | None
    run: Mapping[str, Any] | None
    tasks: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Facts:
    """What was found of one file.

    `ended` are its readings as the ledger has them, and `batches` their batches by id; `unread` are batches
    that had it and ended without reading it: divided, or a replay that was given up. While it is in landing
    `ignored` says why nobody will take it, and `run` is the run that will. `asked` says when runs, by their
    ids, were asked for. `deliveries` is None where nothing is known of events.
    """

    file: Landed
    dataset: str | None
    ignored: str | None = None
    run: Mapping[str, Any] | None = None
    deliveries: Sequence[Mapping[str, Any]] | None = None
    open: Open | None = None
    ended: Sequence[Mapping[str, Any]] = ()
    batches: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    unread: Sequence[Mapping[str, Any]] = ()
    asked: Mapping[str, datetime | None] = field(default_factory=dict)


def tell(facts: Facts) -> dict[str, Any]:
    """The story as `where --json` has it; its state is that of the last reading."""
    readings = [_ended(facts, file, facts.batches.get(file["batch_id"], {})) for file in facts.ended]
    readings += [_unread(facts, batch) for batch in facts.unread]
    readings.sort(key=lambda one: (one["claimed_at"], one["recorded_at"]))
    if facts.open:
        readings.append(_open(facts, facts.open))
    if not readings:
        readings = [_pending(facts)]
    # A replay that was given up changed nothing: the file is what it was before.
    standing = next((one for one in reversed(readings) if one["state"] != GIVEN_UP), readings[-1])
    file = facts.file
    return {
        "uri": file.uri,
        "generation": file.generation,
        "dataset": facts.dataset,
        "landed_at": to_json(file.created_at),
        "size": file.size,
        "crc32c": file.crc32c,
        "md5": file.md5,
        **{name: standing[name] for name in ("state", "batch_id", *_TOLD)},
        **{name: _last(facts.ended, name) for name in ("archive_uri", "rejected_uri")},
        "readings": readings,
    }


def _last(rows: Sequence[Mapping[str, Any]], name: str) -> Any:
    return next((row[name] for row in reversed(rows) if row[name]), None)


def _pending(facts: Facts) -> dict[str, Any]:
    """A file in landing that no batch has."""
    one = _way(facts)
    way.see_run(one, facts.run)
    run = {"run_id": facts.run["dag_run_id"] if facts.run else None}
    if facts.ignored:
        told = {"reason": "outside_grammar", "detail": facts.ignored}
        return _reading(one, None, "ignored", run, told, None, SKIPPED)
    return _reading(one, None, "pending", run, {}, one.next_step(), AHEAD, mark=NOW)


def _open(facts: Facts, opened: Open) -> dict[str, Any]:
    batch, state = opened.batch, opened.described["state"]
    one = _way(facts, batch.replay, batch.claimed_at, batch.run_id)
    way.see_batch(one, [batch])
    done = opened.known["steps"] if opened.known else ()
    if state == "running":
        way.see_tasks(one, opened.tasks)
        stop, mark = one.next_step(), NOW
    else:
        way.see_steps(one, done)
        stop, mark = way.find_stop(done) or one.next_step(), STOPPED
    facts_of_batch = {
        "run_id": opened.run["dag_run_id"] if opened.run else batch.run_id,
        "claimed_at": batch.claimed_at,
        "failures": batch.failures,
        "retry_at": batch.retry_at,
        "steps": done,
    }
    told = {"detail": opened.described["detail"]}
    return _reading(one, batch.batch_id, state, facts_of_batch, told, stop, AHEAD, mark)


def _ended(facts: Facts, file: Mapping[str, Any], batch: Mapping[str, Any]) -> dict[str, Any]:
    """A reading that the ledger has; `batch` is empty where it lacks the batch."""
    one = _recorded(facts, {**batch, **file})
    stop = _REFUSED_AT.get(file["reason"], "Spark") if file["state"] == "rejected" else None
    told = {name: file[name] for name in _TOLD}
    return _reading(one, file["batch_id"], file["state"], {**batch, **file}, told, stop, SKIPPED)


def _unread(facts: Facts, batch: Mapping[str, Any]) -> dict[str, Any]:
    one = _recorded(facts, batch)
    state = DIVIDED if batch["state"] == "divided" else GIVEN_UP
    stop = way.find_stop(batch["steps"] or ())
    return _reading(one, batch["batch_id"], state, batch, {"detail": batch["detail"]}, stop, SKIPPED)


def _recorded(facts: Facts, batch: Mapping[str, Any]) -> Way:
    """The way through a batch of the ledger."""
    one = _way(facts, batch.get("replay"), batch["claimed_at"], batch.get("run_id"))
    one.reach("claimed", batch["claimed_at"], f"batch {batch['batch_id'][:12]}")
    way.see_steps(one, batch.get("steps") or ())
    one.reach("recorded", batch["recorded_at"])
    return one


def _way(
    facts: Facts, replay: str | None = None, claimed_at: datetime | None = None, run_id: str | None = None
) -> Way:
    """The beginning of a way: a file's when it landed, a replay's when its run was asked for, where known."""
    file, asked_at = facts.file, facts.asked.get(run_id or "")
    # A run that was cleared was asked for anew, after its batch was claimed.
    known = [moment for moment in (asked_at, claimed_at) if moment]
    began = file.created_at if replay is None and file.created_at else min(known)
    sees_event = facts.deliveries is not None
    one = Way(file.name, facts.dataset or "", file.uri, file.generation, began, replay, sees_event)
    one.reach("run asked for", asked_at, run_id or "")
    if replay is None:
        way.see_delivery(one, facts.deliveries or ())
    return one


def _reading(
    one: Way,
    batch_id: str | None,
    state: str,
    batch: Mapping[str, Any],
    told: Mapping[str, Any],
    stop: str | None,
    rest: str,
    mark: str = STOPPED,
) -> dict[str, Any]:
    """One reading; `stop` is the step at which it stands, `mark` how, and `rest` what the others are then."""
    return {
        "batch_id": batch_id,
        "replay": one.replay,
        "state": state,
        **{name: told.get(name) for name in _TOLD},
        **{name: to_json(batch.get(name)) for name in _BATCH},
        "resources": _resources(batch.get("steps") or ()),
        "steps": [_step(one, step, stop, rest, mark) for step in one.steps],
    }


def _step(one: Way, step: str, stop: str | None, rest: str, mark: str) -> dict[str, Any]:
    reached = one.reached.get(step)
    beyond = stop is not None and one.steps.index(step) > one.steps.index(stop) and step != "recorded"
    unseen = step in _UNSEEN and "claimed" in one.reached
    passed = DONE if not beyond and (reached or unseen) else rest
    state = mark if step == stop else passed
    seen = reached if state == DONE else None
    doing = one.now if state == NOW else ""
    return {
        "step": step,
        "state": state,
        "at": to_json(seen[0]) if seen else None,
        "seconds": round(one.seconds(step), 3) if seen else None,
        # Its own address is no remark on a file.
        "remark": doing if not seen or step == "landed" else seen[1],
    }


def _resources(steps: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What the tasks started, by the cloud's own names; of older batches nothing is known."""
    return {step["task"]: step["resource"] for step in steps if step.get("resource")}
