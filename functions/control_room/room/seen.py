"""Lays what was seen over what is declared: when each step last moved rows, in which run, how many."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from room.flow import Flow, Place, Step
from room.lineage import End, Link, name_folder, name_table
from room.warehouse import SLOW, Question, Row

# A link's time is that of an event, a step's that of its task: they are of one run if they are so close.
_CLOSE = timedelta(minutes=5)
# Runs older than this are not looked for; the link still says when.
_LOOK_BACK = timedelta(days=90)

_RUNS = """
WITH
  filled AS (
    SELECT
      batch.dataset,
      batch.batch_id,
      batch.run_id,
      step.task,
      step.finished_at,
      -- A step that had no rows to move is in no lineage.
      IF(step.task = 'load_rejected', batch.rows_rejected, batch.rows_accepted) > 0 AS has_moved,
      CASE step.task
        WHEN 'load_raw' THEN batch.rows_accepted
        WHEN 'load_rejected' THEN batch.rows_rejected
        ELSE batch.rows_merged
      END AS row_count
    FROM ops.batches AS batch, UNNEST(batch.steps) AS step
    WHERE batch.claimed_at >= @since
      AND step.task IN ('load_raw', 'load_rejected', 'call_trusted')
      AND step.state = 'success'
  )
SELECT
  dataset,
  batch_id,
  run_id,
  task,
  finished_at,
  row_count
FROM filled
WHERE has_moved
QUALIFY ROW_NUMBER() OVER (PARTITION BY dataset, task ORDER BY finished_at DESC) = 1
"""


@dataclass(frozen=True)
class Seen:
    """A step with what is known of it: `last` is None where no run was seen, `run` where it is not known.

    `state` is view, unknown (nobody can say), unseen or seen. `run` is a row of `last_runs`.
    """

    step: Step
    state: str
    last: datetime | None = None
    run: Mapping[str, Any] | None = None


def full_name(place: Place, project: str, bucket: str) -> str:
    """The fully qualified name of a place in the Data Lineage API."""
    return name_folder(bucket, place.name) if place.kind == "files" else name_table(project, place.name)


def ends_of(flow: Flow, names: Mapping[Place, str]) -> list[End]:
    """Where to look for what was seen of the flow: from landing, and to and from trusted.

    Not at what leads to raw: BigQuery tells a source of its own there for every batch.
    """
    filled = [step for step in flow.steps if step.task]
    landing = [("source", names[step.source]) for step in filled if step.source.kind == "files"]
    trusted = [step.target for step in filled if step.target.kind == "trusted"]
    return [*landing, *((side, names[place]) for place in trusted for side in ("source", "target"))]


def last_runs(now: datetime) -> Question:
    """Which batch last went through each step of each dataset: one question for all pages."""
    since = datetime.combine((now - _LOOK_BACK).date(), datetime.min.time(), UTC)
    return Question(_RUNS, {"since": since}, SLOW)


def lay_over(
    flow: Flow, links: list[Link] | None, runs: list[Row], names: Mapping[Place, str]
) -> tuple[Seen, ...]:
    """The flow's steps, each with what was seen of it; `names` are the places' fully qualified ones."""
    ends = None if links is None else _ends(links)
    by_step = {(run["dataset"], run["task"]): run for run in runs}
    return tuple(_see(step, ends, by_step.get((step.target.entry, step.task)), names) for step in flow.steps)


def undeclared(whole: Flow, links: list[Link] | None, names: Mapping[Place, str]) -> list[Link]:
    """Links that were seen and that no step of the whole catalogue declares, the newest first."""
    declared = {(names[step.source], names[step.target]) for step in whole.steps}
    found = [link for link in links or [] if (link.source, link.target) not in declared]
    return sorted(found, key=lambda link: (link.last, link.source), reverse=True)


def _ends(links: list[Link]) -> dict[tuple[str, str], datetime]:
    ends: dict[tuple[str, str], datetime] = {}
    for link in links:
        pair = (link.source, link.target)
        ends[pair] = max(ends.get(pair, link.last), link.last)
    return ends


def _see(
    step: Step,
    ends: Mapping[tuple[str, str], datetime] | None,
    run: Row | None,
    names: Mapping[Place, str],
) -> Seen:
    if not step.task:
        return Seen(step, "view")
    if ends is None:
        return Seen(step, "unknown")
    last = ends.get((names[step.source], names[step.target]))
    if last is None:
        return Seen(step, "unseen")
    of_it = run and run["finished_at"] and abs(run["finished_at"] - last) <= _CLOSE
    return Seen(step, "seen", last, run if of_it else None)
