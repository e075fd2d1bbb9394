"""Questions to the ledger about single files."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from localcloud.command.ledger import BATCH, RECENT, SKEW
from localcloud.deployment.bigquery import BigQuery, Value

_READINGS = """
SELECT f.dataset, f.batch_id, f.source_uri, f.source_generation, f.size, f.crc32c, f.md5, f.source_created_at,
  f.archive_uri, f.rejected_uri, f.state, f.reason, f.detail, f.rows_read, f.rows_accepted, f.rows_rejected,
  f.claimed_at, f.recorded_at
FROM ops.files AS f
"""


def find_files(
    bigquery: BigQuery, condition: str, parameters: dict[str, Value], most: int, now: datetime
) -> list[dict[str, Any]]:
    """The readings of files for which a condition on ops.files holds, those that landed last first.

    Of the last month; where it has none, of all time.
    """
    order = "ORDER BY source_created_at DESC, source_generation DESC, recorded_at DESC LIMIT @most"
    for since in ({"since": now - RECENT}, {}):
        when = "claimed_at >= @since AND " if since else ""
        sql = f"{_READINGS} WHERE {when}({condition}) {order}"
        found = [dict(row) for row in bigquery.ask(sql, {**parameters, **since, "most": most})]
        if found:
            return found
    return []


def list_readings(bigquery: BigQuery, uri: str, generation: int, since: datetime) -> list[dict[str, Any]]:
    """What the ledger says of a file that landed at `since`, once for each batch with it, oldest first."""
    which = "WHERE claimed_at >= @since AND source_uri = @uri AND source_generation = @generation"
    parameters: dict[str, Value] = {"since": since - SKEW, "uri": uri, "generation": generation}
    return [
        dict(row) for row in bigquery.ask(f"{_READINGS} {which} ORDER BY claimed_at, recorded_at", parameters)
    ]


def list_batches_of(
    bigquery: BigQuery, dataset: str, batch_ids: Iterable[str], since: datetime
) -> list[dict[str, Any]]:
    """These batches of a dataset, and those that ended without reading their files: divided, or failed.

    Claimed at `since` or later; oldest first, with their steps.
    """
    sql = f"""
        SELECT {", ".join(BATCH)}, replay, cluster_name, steps FROM ops.batches
        WHERE claimed_at >= @since AND dataset = @dataset
          AND (state IN ('divided', 'failed') OR batch_id IN UNNEST(SPLIT(@ids)))
        ORDER BY claimed_at, recorded_at
    """  # noqa: S608 names of columns
    asked: dict[str, Value] = {"since": since - SKEW, "dataset": dataset, "ids": ",".join(batch_ids)}
    return [dict(row) for row in bigquery.ask(sql, asked)]


def list_twins(
    bigquery: BigQuery, dataset: str, condition: str, parameters: dict[str, Value], most: int, since: datetime
) -> list[dict[str, Any]]:
    """The readings of a dataset's files with a content, the oldest file and of each the newest reading first.

    Of the month before `since` and of what came after it.
    """
    which = "WHERE claimed_at >= @since AND dataset = @dataset"
    sql = f"{_READINGS} {which} AND ({condition}) ORDER BY source_created_at, recorded_at DESC LIMIT @most"
    asked = {**parameters, "dataset": dataset, "since": since - RECENT, "most": most}
    return [dict(row) for row in bigquery.ask(sql, asked)]
