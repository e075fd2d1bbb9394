"""What the pages about files ask the ledger."""

from datetime import datetime, timedelta

from room.search import Sought
from room.warehouse import Question, Value

PAGE_ROWS = 50
#: The list that nobody searched covers so many days.
RECENT_DAYS = 90
_MOST_READINGS, _MOST_TWINS = 100, 50
_FILE = """dataset, batch_id, source_uri, source_generation, size, source_created_at, state, reason,
    rows_read, rows_accepted, rows_rejected, claimed_at"""
# A file that was read again is shown as its newest reading left it.
_NEWEST = (
    "QUALIFY ROW_NUMBER() OVER (PARTITION BY source_uri, source_generation ORDER BY claimed_at DESC) = 1"
)


def list_files(
    sought: Sought | None, dataset: str, state: str, landing_bucket: str, now: datetime, page: int
) -> Question:
    """A page of files and one more, newest first, what was named exactly before what only resembles it."""
    parameters: dict[str, Value] = {"most": PAGE_ROWS + 1, "skip": PAGE_ROWS * (page - 1)}
    if sought is None:
        # Midnight, so that the same list is the same question all day.
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        parameters["since"] = midnight - timedelta(days=RECENT_DAYS)
        which, exact = "claimed_at >= @since", "FALSE"
    else:
        which, exact = _matches(sought, landing_bucket, parameters)
    if dataset:
        parameters["dataset"] = dataset
        which = f"dataset = @dataset AND ({which})"
    kept = ""
    if state:
        parameters["state"] = state
        kept = "WHERE state = @state"
    sql = f"""
WITH newest AS (
  SELECT {_FILE}, {exact} AS is_exact
  FROM ops.files
  WHERE {which}
  {_NEWEST}
)
SELECT * FROM newest {kept}
ORDER BY is_exact DESC, claimed_at DESC, source_uri, source_generation
LIMIT @most OFFSET @skip"""  # noqa: S608 constants; what was typed are parameters
    return Question(sql, parameters)


def _matches(sought: Sought, landing_bucket: str, parameters: dict[str, Value]) -> tuple[str, str]:
    """The condition of what is found, and the one of what is meant exactly."""
    parameters["text"] = sought.text
    # The bucket is part of every URI: a text that is in it finds nothing by that.
    parameters["start"] = len(f"gs://{landing_bucket}/") + 1
    name = "LOWER(SUBSTR(source_uri, @start))"
    exact = [f"{name} = @text", f"ENDS_WITH({name}, CONCAT('/', @text))"]
    if sought.uri is not None:
        exact = ["source_uri = @uri"]
        parameters["uri"] = sought.uri
        if sought.generation is not None:
            # A name may itself end in # and digits.
            exact = ["(source_uri = @uri AND source_generation = @generation)", "source_uri = @whole"]
            parameters["whole"] = f"{sought.uri}#{sought.generation}"
    elif sought.generation is not None:
        exact.append("source_generation = @generation")
    if sought.generation is not None:
        parameters["generation"] = sought.generation
    if sought.checksum is not None:
        exact.append("md5 = @checksum OR crc32c = @checksum")
        parameters["checksum"] = sought.checksum
    which = [*exact, f"STRPOS({name}, @text) > 0"] if sought.text else exact
    if sought.batch_id is not None:
        which.append("batch_id = @batch")
        parameters["batch"] = sought.batch_id
    return " OR ".join(which), " OR ".join(exact)


def list_readings(uri: str, generation: int) -> Question:
    """What each batch that read one file made of it, newest first, with what the ledger says of the batch."""
    sql = f"""
SELECT f.dataset, f.batch_id, f.source_uri, f.source_generation, f.size, f.source_created_at, f.state,
  f.reason, f.detail, f.rows_read, f.rows_accepted, f.rows_rejected, f.claimed_at, f.recorded_at,
  f.crc32c, f.md5, f.archive_uri, f.rejected_uri, f.missing_columns, f.unknown_columns, b.run_id,
  b.replay, b.steps
FROM ops.files AS f
LEFT JOIN ops.batches AS b ON b.dataset = f.dataset AND b.batch_id = f.batch_id
WHERE f.source_uri = @uri AND f.source_generation = @generation
ORDER BY f.claimed_at DESC, f.recorded_at DESC
LIMIT {_MOST_READINGS}"""  # noqa: S608 constants
    return Question(sql, {"uri": uri, "generation": generation})


def list_twins(uri: str, generation: int) -> Question:
    """Other files of the same name or with the same content, newest first."""
    sql = f"""
SELECT o.dataset, o.source_uri, o.source_generation, ANY_VALUE(o.state HAVING MAX o.claimed_at) AS state,
  MAX(o.source_created_at) AS source_created_at, o.source_uri = @uri AS is_same_name,
  LOGICAL_OR(o.size = this.size AND o.crc32c = this.crc32c AND COALESCE(o.md5 = this.md5, TRUE))
    AS is_same_content
FROM ops.files AS o
CROSS JOIN (
  SELECT MAX(size) AS size, MAX(crc32c) AS crc32c, MAX(md5) AS md5
  FROM ops.files WHERE source_uri = @uri AND source_generation = @generation
) AS this
WHERE (o.source_uri = @uri AND o.source_generation != @generation)
  OR (o.source_uri != @uri AND o.size = this.size AND o.crc32c = this.crc32c
    AND COALESCE(o.md5 = this.md5, TRUE))
GROUP BY o.dataset, o.source_uri, o.source_generation
ORDER BY source_created_at DESC, o.source_uri
LIMIT {_MOST_TWINS}"""  # noqa: S608 constants
    return Question(sql, {"uri": uri, "generation": generation})
