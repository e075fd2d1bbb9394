"""`procedure.sql`: the procedure that brings one batch of raw into trusted."""

from collections.abc import Iterable
from textwrap import indent

from bigquery.renderer.lineage import LINEAGE, NEWEST_FIRST
from bigquery.renderer.model import Dataset
from bigquery.renderer.reserved_words import quoted

# In SQL a column hides a parameter or a variable of the same name, so theirs begin with an underscore, as the
# name of no contract's column does, and so do the aliases of tables; none is the name of a lineage column.
_BATCH = "DATE(_ingested_at) = _arrived_on AND _batch_id = _this_batch"


def render(dataset: Dataset) -> str:
    """The text of `procedure.sql`: one `CREATE OR REPLACE PROCEDURE`."""
    statements = [
        _declarations(dataset),
        _count_guard(dataset),
        _required_guard(dataset),
        *_bounds(dataset),
        _merge(dataset),
        _result(dataset),
    ]
    body = indent("\n\n".join(statements), "  ")
    return f"{_head(dataset)}BEGIN\n{body}\nEND;\n"


def _head(dataset: Dataset) -> str:
    return f"""\
-- Rendered from contract.yaml by `python -m bigquery.renderer`: change the contract, not this file.
--
-- Brings one batch of {dataset.raw_table} into {dataset.trusted_table}: guards, then one atomic MERGE.
-- The newest source of a key wins, whatever the order of arrival; calling it again changes nothing.
-- The result is rows_merged: how many rows of the batch are now the current ones of their keys.
CREATE OR REPLACE PROCEDURE {dataset.procedure}(
  _this_batch STRING,
  _arrived_on DATE,
  _expected_rows INT64
)
"""


def _declarations(dataset: Dataset) -> str:
    variables = {"_place": "STRING", "_found_rows": "INT64", "_incomplete_rows": "INT64"}
    if dataset.partitioning:
        kind = dataset.column(dataset.partitioning.field).type
        variables |= {"_lowest": kind, "_highest": kind}
    return "\n".join(f"DECLARE {name} {kind};" for name, kind in variables.items())


def _count_guard(dataset: Dataset) -> str:
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
  WHERE {_BATCH}
);
SELECT IF(
  _found_rows = _expected_rows,
  'complete',
  ERROR(CONCAT(
    _place, ': expected ', IFNULL(CAST(_expected_rows AS STRING), 'NULL'), ' rows, found ',
    CAST(_found_rows AS STRING), '; load the whole batch into raw once, then call again'
  ))
) AS batch_rows;"""  # noqa: S608 - every name in it comes from a checked contract


def _required_guard(dataset: Dataset) -> str:
    missing = "\nOR ".join(f"{quoted(name)} IS NULL" for name in (*dataset.required, *NEWEST_FIRST))
    return f"""\
-- Every row has what the contract requires, and its source: a row without a key would match none.
SET _incomplete_rows = (
  SELECT COUNT(*)
  FROM {dataset.raw_table}
  WHERE {_BATCH}
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


def _bounds(dataset: Dataset) -> Iterable[str]:
    if dataset.partitioning is None:
        return
    field = quoted(dataset.partitioning.field)
    yield f"""\
-- BigQuery prunes partitions by variables, not by a subquery.
-- {field} is part of the key, so every older row of a key of this batch lies within these bounds too.
SET _lowest = (
  SELECT MIN({field})
  FROM {dataset.raw_table}
  WHERE {_BATCH}
);
SET _highest = (
  SELECT MAX({field})
  FROM {dataset.raw_table}
  WHERE {_BATCH}
);"""  # noqa: S608 - every name in it comes from a checked contract


def _merge(dataset: Dataset) -> str:
    key = [quoted(name) for name in dataset.key]
    every = [quoted(column.name) for column in (*dataset.columns, *LINEAGE)]
    updated = [name for name in every if name not in key]
    same_key = "\n  AND ".join(
        [*_within_bounds(dataset, "_kept."), *(f"_kept.{name} = _new.{name}" for name in key)]
    )
    return f"""\
MERGE {dataset.trusted_table} AS _kept
USING (
  SELECT
{_listed(every, "    ")}
  FROM {dataset.raw_table}
  WHERE {_BATCH}
  -- One row for each key, as MERGE demands: the newest source, and in it the last row.
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY
{_listed(key, "      ")}
    ORDER BY
{_listed([f"{name} DESC" for name in NEWEST_FIRST], "      ")}
  ) = 1
) AS _new
ON
  {same_key}
WHEN MATCHED AND (
{_newer()}
) THEN UPDATE SET
{_listed([f"{name} = _new.{name}" for name in updated], "  ")}
WHEN NOT MATCHED THEN INSERT (
{_listed(every, "  ")}
) VALUES (
{_listed([f"_new.{name}" for name in every], "  ")}
);"""  # noqa: S608 - every name in it comes from a checked contract


def _newer() -> str:
    """Where the source of `_new` is newer than that of `_kept`: their first difference decides."""
    cases = []
    for depth, name in enumerate(NEWEST_FIRST):
        equal = [f"_new.{earlier} = _kept.{earlier}" for earlier in NEWEST_FIRST[:depth]]
        terms = "\nAND ".join([*equal, f"_new.{name} > _kept.{name}"])
        cases.append(f"(\n{indent(terms, '  ')}\n)" if equal else terms)
    return indent("\nOR ".join(cases), "  ")


def _result(dataset: Dataset) -> str:
    conditions = "\n  AND ".join([*_within_bounds(dataset), "_batch_id = _this_batch"])
    return f"""\
SELECT COUNT(*) AS rows_merged
FROM {dataset.trusted_table}
WHERE
  {conditions};"""  # noqa: S608 - every name in it comes from a checked contract


def _within_bounds(dataset: Dataset, prefix: str = "") -> list[str]:
    if dataset.partitioning is None:
        return []
    return [f"{prefix}{quoted(dataset.partitioning.field)} BETWEEN _lowest AND _highest"]


def _listed(items: Iterable[str], margin: str) -> str:
    return indent(",\n".join(items), margin)
