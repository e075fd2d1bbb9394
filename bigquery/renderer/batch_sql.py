"""What the procedures that bring a batch from raw into trusted have in common: guards, and the result."""

from collections.abc import Iterable, Mapping
from textwrap import indent

from bigquery.renderer.lineage import NEWEST_FIRST
from bigquery.renderer.model import Dataset
from bigquery.renderer.reserved_words import quoted

# In SQL a column hides a parameter or a variable of the same name, so theirs begin with an underscore, as the
# name of no contract's column does, and so do the aliases of tables; none is the name of a lineage column.
BATCH = "DATE(_ingested_at) = _arrived_on AND _batch_id = _this_batch"

# The identity of a file, from a row of raw, and from one of ops.files by its alias in the statements.
IDENTITY = "CONCAT(_source_uri, '#', CAST(_source_generation AS STRING))"
FILE_IDENTITY = "CONCAT(_file.source_uri, '#', CAST(_file.source_generation AS STRING))"


# What both procedures are told, with its type; REPLAY_PARAMETERS are those of a replay.
PARAMETERS = {"_this_batch": "STRING", "_arrived_on": "DATE", "_expected_rows": "INT64"}
REPLAY_PARAMETERS = PARAMETERS | {"_identities": "ARRAY<STRING>"}


def procedure(comment: str, name: str, parameters: Mapping[str, str], statements: Iterable[str]) -> str:
    """The text that makes a procedure of the statements."""
    told = listed([f"{parameter} {kind}" for parameter, kind in parameters.items()], "  ")
    body = indent("\n\n".join(statements), "  ")
    return f"{comment}CREATE OR REPLACE PROCEDURE {name}(\n{told}\n)\nBEGIN\n{body}\nEND;\n"


def declarations(dataset: Dataset, **more: str) -> str:
    """The variables of the guards and of the bounds, and `more` with the type of each."""
    variables = {"_place": "STRING", "_found_rows": "INT64", "_incomplete_rows": "INT64", **more}
    if dataset.partitioning:
        kind = dataset.column(dataset.partitioning.field).type
        variables |= {"_lowest": kind, "_highest": kind}
    return "\n".join(f"DECLARE {name} {kind};" for name, kind in variables.items())


def count_guard(dataset: Dataset, *others: str) -> str:
    """Refuses a batch of which raw holds more or fewer rows than were accepted.

    `others` are guards of one expression each; a statement of their own would cost a script a second.
    """
    return f"""\
SET _place = CONCAT(
  'batch ', IFNULL(_this_batch, 'NULL'),
  ' of ', IFNULL(CAST(_arrived_on AS STRING), 'NULL'),
  ' in {dataset.raw_table}'
);

-- The whole batch is in raw, and once: else nothing is merged.
SET _found_rows = (
  SELECT COUNT(*)
  FROM {dataset.raw_table}
  WHERE {BATCH}
);
SELECT
{listed([_COMPLETE, *others], "  ")};"""  # noqa: S608 - every name in it comes from a checked contract


_COMPLETE = """\
IF(
  _found_rows = _expected_rows,
  'complete',
  ERROR(CONCAT(
    _place, ': expected ', IFNULL(CAST(_expected_rows AS STRING), 'NULL'), ' rows, found ',
    CAST(_found_rows AS STRING), '; load the whole batch into raw once, then call again'
  ))
) AS batch_rows"""


def required_guard(dataset: Dataset) -> str:
    """Refuses a batch with a row that lacks what every row must have."""
    missing = "\nOR ".join(f"{quoted(name)} IS NULL" for name in (*dataset.required, *NEWEST_FIRST))
    return f"""\
-- Every row has what the contract requires, and its source: a row without a key would match none.
SET _incomplete_rows = (
  SELECT COUNT(*)
  FROM {dataset.raw_table}
  WHERE {BATCH}
    AND (
{indent(missing, "      ")}
    )
);
SELECT IF(
  _incomplete_rows = 0,
  'filled',
  ERROR(CONCAT(
    _place, ': expected a value in every column that the contract requires, found ',
    CAST(_incomplete_rows AS STRING), ' rows without; load rows that fulfil the contract, then call again'
  ))
) AS required_columns;"""  # noqa: S608 - every name in it comes from a checked contract


def bounds(dataset: Dataset, rows: str, reason: str) -> Iterable[str]:
    """Sets `_lowest` and `_highest` to the partitions of `rows`, a condition; `reason` is for a comment."""
    if dataset.partitioning is None:
        return
    field = quoted(dataset.partitioning.field)
    yield f"""\
-- BigQuery prunes partitions by variables, not by a subquery.
-- {field} is part of the key, so {reason} within these bounds too.
SET _lowest = (
  SELECT MIN({field})
  FROM {dataset.raw_table}
  WHERE {rows}
);
SET _highest = (
  SELECT MAX({field})
  FROM {dataset.raw_table}
  WHERE {rows}
);"""  # noqa: S608 - every name in it comes from a checked contract


def merged(dataset: Dataset) -> str:
    """Selects `rows_merged`, the batch's rows that are in trusted."""
    conditions = "\n  AND ".join([*within_bounds(dataset), "_batch_id = _this_batch"])
    return f"""\
SELECT COUNT(*) AS rows_merged
FROM {dataset.trusted_table}
WHERE
  {conditions};"""  # noqa: S608 - every name in it comes from a checked contract


def within_bounds(dataset: Dataset, prefix: str = "") -> list[str]:
    """The condition that prunes trusted, whose alias is the prefix; none where it has no partitions."""
    if dataset.partitioning is None:
        return []
    return [f"{prefix}{quoted(dataset.partitioning.field)} BETWEEN _lowest AND _highest"]


def listed(items: Iterable[str], margin: str) -> str:
    """The items below each other with commas between."""
    return indent(",\n".join(items), margin)
