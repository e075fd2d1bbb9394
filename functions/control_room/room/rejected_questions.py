"""What the page about rejected rows, and its export, ask of them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from room.warehouse import SLOW, Question, Row, Value

PAGE_ROWS = 50
#: Without a batch, rows of so many days.
RECENT_DAYS = 90
#: The export ends after so many rows, and the page says so before.
MOST_EXPORTED = 100_000
#: A page shows so many characters of a row; the export has all of them.
SHOWN = 2000
_MOST_REASONS = 10
_ORDER = "r.ingested_at DESC, r.source_uri, r.source_generation, r.batch_id, r.source_row"
# Without a batch each row counts once; bigquery/ops/last_readings.sql says of which reading of its file.
_THAT_COUNT = """
JOIN ops.last_readings AS f ON f.dataset = r.dataset AND f.batch_id = r.batch_id
  AND f.source_uri = r.source_uri AND f.source_generation = r.source_generation"""
# Rows are kept by the day on which their batch was claimed; so far around it is looked.
_AROUND = timedelta(days=1)


@dataclass(frozen=True)
class Filters:
    """Which rejected rows are meant; what is empty, or None, excludes none."""

    dataset: str = ""
    batch: str = ""
    file: str = ""
    generation: int | None = None
    reason: str = ""
    column: str = ""

    @property
    def arguments(self) -> dict[str, str | int]:
        """Those that are set, as arguments of an address."""
        found = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: value for name, value in found.items() if value not in ("", None)}


@dataclass(frozen=True)
class Span:
    """The times between which the batches of the rows were claimed: what a question need not read."""

    since: datetime
    until: datetime | None = None


def recent(now: datetime) -> Span:
    """The last RECENT_DAYS."""
    # Midnight, so that the same page is the same question all day.
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return Span(midnight - timedelta(days=RECENT_DAYS))


def around(claimed_at: datetime) -> Span:
    """What has every row of a batch that was claimed then."""
    return Span(claimed_at - _AROUND, claimed_at + _AROUND)


def find_claim(batch: str) -> Question:
    """When the batch was claimed; no row where the ledger does not have it."""
    sql = "SELECT claimed_at FROM ops.batches WHERE batch_id = @batch LIMIT 1"
    return Question(sql, {"batch": batch}, SLOW)


def list_rows(filters: Filters, table: str, span: Span, page: int) -> Question:
    """A page of rows and one more, the last that came first; of a long row its beginning.

    Each says also how many rows there are in all, and how the batch ended if one is named.
    """
    source, parameters = _source(filters, table, span)
    state = "(SELECT MAX(state) FROM ops.batches WHERE batch_id = @batch)" if filters.batch else "NULL"
    sql = f"""
SELECT r.dataset, r.batch_id, r.source_uri, r.source_generation, r.source_row, r.reasons, r.ingested_at,
  SUBSTR(r.raw, 1, {SHOWN}) AS raw, LENGTH(r.raw) AS raw_length, COUNT(*) OVER () AS row_count,
  {state} AS batch_state
{source}
ORDER BY {_ORDER}
LIMIT @most OFFSET @skip"""
    return Question(sql, parameters | {"most": PAGE_ROWS + 1, "skip": PAGE_ROWS * (page - 1)})


def count_reasons(filters: Filters, table: str, span: Span) -> Question:
    """The reasons and columns that occur most, with their rows, whichever of them is chosen."""
    of_all = Filters(filters.dataset, filters.batch, filters.file, filters.generation)
    source, parameters = _source(of_all, table, span, "\nCROSS JOIN UNNEST(r.reasons) AS x")
    sql = f"""
SELECT x.code, x.column, COUNT(*) AS row_count
{source}
GROUP BY x.code, x.column
ORDER BY row_count DESC, x.code, x.column
LIMIT {_MOST_REASONS}"""
    return Question(sql, parameters, SLOW)


def tally_reasons(rows: Iterable[Row]) -> list[Row]:
    """What `count_reasons` says, of rows that are all there are."""
    counts = Counter((reason["code"], reason["column"]) for row in rows for reason in row["reasons"])
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0][0] or "", one[0][1] or ""))
    return [
        {"code": code, "column": column, "row_count": count}
        for (code, column), count in ordered[:_MOST_REASONS]
    ]


def export_rows(filters: Filters, table: str, span: Span) -> Question:
    """Every row, whole, as the page orders them, up to MOST_EXPORTED."""
    source, parameters = _source(filters, table, span)
    sql = f"""
SELECT r.dataset, r.batch_id, r.source_uri, r.source_generation, r.source_row, r.text_offset, r.text_bytes,
  r.raw, r.reasons, r.ingested_at
{source}
ORDER BY {_ORDER}
LIMIT {MOST_EXPORTED}"""
    return Question(sql, parameters)


def _source(filters: Filters, table: str, span: Span, more: str = "") -> tuple[str, dict[str, Value]]:
    """FROM and WHERE, and the parameters."""
    parameters: dict[str, Value] = {"since": span.since}
    join, which = "", ["r.ingested_at >= @since"]
    if span.until:
        which.append("r.ingested_at < @until")
        parameters["until"] = span.until
    if filters.batch:
        which.append("r.batch_id = @batch")
        parameters["batch"] = filters.batch
    else:
        join = _THAT_COUNT
    if filters.dataset:
        which.append("r.dataset = @dataset")
        parameters["dataset"] = filters.dataset
    if filters.file:
        which.append("r.source_uri = @file")
        parameters["file"] = filters.file
    if filters.generation is not None:
        which.append("r.source_generation = @generation")
        parameters["generation"] = filters.generation
    of_reason = [f"x.{name} = @{name}" for name in ("code", "column") if getattr(filters, _FIELD[name])]
    if of_reason:
        which.append(f"EXISTS (SELECT 1 FROM UNNEST(r.reasons) AS x WHERE {' AND '.join(of_reason)})")  # noqa: S608 constants
        parameters |= {name: value for name in _FIELD if (value := getattr(filters, _FIELD[name]))}
    return f"FROM {table} AS r{join}{more}\nWHERE {' AND '.join(which)}", parameters


_FIELD = {"code": "reason", "column": "column"}
