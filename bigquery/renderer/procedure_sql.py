"""`procedure.sql`: the procedure that brings one batch of raw into trusted."""

from textwrap import indent

from bigquery.renderer import batch_sql
from bigquery.renderer.batch_sql import BATCH, FILE_IDENTITY, IDENTITY, PARAMETERS, listed, within_bounds
from bigquery.renderer.lineage import LINEAGE, NEWEST_FIRST
from bigquery.renderer.model import Dataset
from bigquery.renderer.reserved_words import quoted


def render(dataset: Dataset) -> str:
    """The text of `procedure.sql`: one `CREATE OR REPLACE PROCEDURE`."""
    statements = [
        batch_sql.declarations(dataset),
        batch_sql.count_guard(dataset, _open_guard(dataset)),
        batch_sql.required_guard(dataset),
        *batch_sql.bounds(dataset, BATCH, "every older row of a key of this batch lies"),
        _merge(dataset),
        batch_sql.merged(dataset),
    ]
    return batch_sql.procedure(_comment(dataset), dataset.procedure, PARAMETERS, statements)


def _comment(dataset: Dataset) -> str:
    return f"""\
-- Rendered from contract.yaml by `python -m bigquery.renderer`: change the contract, not this file.
--
-- Brings one batch of {dataset.raw_table} into {dataset.trusted_table}: guards, then one atomic MERGE.
-- The newest source of a key wins, whatever the order of arrival; calling it again changes nothing, however
-- late: rows of a file that another batch has read with success since (a replay) are left out.
-- The result is rows_merged: how many rows of the batch are now the current ones of their keys.
"""


def _open_guard(dataset: Dataset) -> str:
    return f"""\
-- What was closed without its rows stays without them, however late a call for it comes.
IF(
  NOT EXISTS (
    SELECT 1
    FROM ops.batches
    WHERE dataset = '{dataset.name}'
      AND batch_id = _this_batch
      AND DATE(claimed_at) = _arrived_on
      AND state IN ('divided', 'rejected')
  ),
  'not closed',
  ERROR(CONCAT(
    _place, ': expected a batch that is not closed, found it divided or rejected in ops.batches; ',
    'call nothing: its files went on in other batches, or were set aside'
  ))
) AS batch_state"""  # noqa: S608 - every name in it comes from a checked contract


def _merge(dataset: Dataset) -> str:
    key = [quoted(name) for name in dataset.key]
    every = [quoted(column.name) for column in (*dataset.kept, *LINEAGE)]
    updated = [name for name in every if name not in key]
    same_key = "\n  AND ".join(
        [*within_bounds(dataset, "_kept."), *(f"_kept.{name} = _new.{name}" for name in key)]
    )
    return f"""\
MERGE {dataset.trusted_table} AS _kept
USING (
  SELECT
{listed(every, "    ")}
  FROM {dataset.raw_table}
  WHERE {BATCH}
    -- A file that another batch has read with success counts by that one alone.
    AND {IDENTITY} NOT IN (
      SELECT {FILE_IDENTITY}
      FROM ops.files AS _file
      JOIN ops.batches AS _done
        ON _done.dataset = _file.dataset AND _done.batch_id = _file.batch_id
      WHERE _file.dataset = '{dataset.name}'
        AND _file.batch_id != _this_batch
        AND _file.state != 'superseded'
        AND DATE(_file.claimed_at) >= _arrived_on
        AND _done.state = 'succeeded'
        AND DATE(_done.claimed_at) >= _arrived_on
    )
  -- One row for each key, as MERGE demands: the newest source, and in it the last row.
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY
{listed(key, "      ")}
    ORDER BY
{listed([f"{name} DESC" for name in NEWEST_FIRST], "      ")}
  ) = 1
) AS _new
ON
  {same_key}
WHEN MATCHED AND (
{_newer()}
) THEN UPDATE SET
{listed([f"{name} = _new.{name}" for name in updated], "  ")}
WHEN NOT MATCHED THEN INSERT (
{listed(every, "  ")}
) VALUES (
{listed([f"_new.{name}" for name in every], "  ")}
);"""  # noqa: S608 - every name in it comes from a checked contract


def _newer() -> str:
    """Where the source of `_new` is newer than that of `_kept`: their first difference decides."""
    cases = []
    for depth, name in enumerate(NEWEST_FIRST):
        equal = [f"_new.{earlier} = _kept.{earlier}" for earlier in NEWEST_FIRST[:depth]]
        terms = "\nAND ".join([*equal, f"_new.{name} > _kept.{name}"])
        cases.append(f"(\n{indent(terms, '  ')}\n)" if equal else terms)
    return indent("\nOR ".join(cases), "  ")
