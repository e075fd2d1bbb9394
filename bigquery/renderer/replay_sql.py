"""`replay.sql`: the procedure that puts a batch of files read again in the place of what they gave before."""

from textwrap import indent

from bigquery.renderer import batch_sql
from bigquery.renderer.batch_sql import (
    BATCH,
    FILE_IDENTITY,
    IDENTITY,
    REPLAY_PARAMETERS,
    listed,
    within_bounds,
)
from bigquery.renderer.lineage import LINEAGE, NEWEST_FIRST
from bigquery.renderer.model import Dataset
from bigquery.renderer.reserved_words import quoted

# Raw demands a filter of its partitions; a replay needs them all, for any older file may come to light again.
_ALL_DAYS = "_ingested_at >= TIMESTAMP '1970-01-01 00:00:00+00'"
_REPLAYED = f"{_ALL_DAYS}\n    AND {IDENTITY} IN UNNEST(_identities)"


def render(dataset: Dataset) -> str:
    """The text of `replay.sql`: one `CREATE OR REPLACE PROCEDURE`."""
    statements = [
        batch_sql.declarations(dataset, _foreign_rows="INT64", _this_claim="TIMESTAMP"),
        batch_sql.count_guard(dataset),
        batch_sql.required_guard(dataset),
        _files_guard(dataset),
        _claim(dataset),
        *batch_sql.bounds(dataset, _REPLAYED, "what takes the place of a row lies"),
        _merge(dataset),
        batch_sql.merged(dataset),
    ]
    return batch_sql.procedure(_comment(dataset), dataset.replay_procedure, REPLAY_PARAMETERS, statements)


def _comment(dataset: Dataset) -> str:
    return f"""\
-- Rendered from contract.yaml by `python -m bigquery.renderer`: change the contract, not this file.
--
-- Replaces what the files of a batch gave to {dataset.trusted_table} by what the batch read from them now:
-- guards, then one atomic MERGE. _identities are all files of the batch, each 'gs://bucket/name#generation'.
-- Every key that one of them ever held gets the newest row that counts: of these files the rows of this
-- batch, of any other file, and of one of these that a batch claimed later has read, those of the last batch
-- of it that succeeded. A key without such a row goes. Calling it again changes nothing, however late.
-- The result is rows_merged: how many rows of the batch are now the current ones of their keys.
"""


def _files_guard(dataset: Dataset) -> str:
    return f"""\
-- Every row of the batch is of a file that is replayed: those of another would count for no file.
SET _foreign_rows = (
  SELECT COUNT(*)
  FROM {dataset.raw_table}
  WHERE {BATCH}
    AND {IDENTITY} NOT IN UNNEST(_identities)
);
SELECT IF(
  _foreign_rows = 0,
  'of these files',
  ERROR(CONCAT(
    _place, ': expected rows of the files in _identities, found ', CAST(_foreign_rows AS STRING),
    ' of others; call again with the identity of every file of the batch'
  ))
) AS replayed_files;"""  # noqa: S608 - every name in it comes from a checked contract


def _claim(dataset: Dataset) -> str:
    return f"""\
-- When the batch was claimed; one without rows that the ledger does not know yet is the last.
SET _this_claim = COALESCE(
  (
    SELECT MAX(_ingested_at)
    FROM {dataset.raw_table}
    WHERE {BATCH}
  ),
  (
    SELECT MAX(claimed_at)
    FROM ops.batches
    WHERE dataset = '{dataset.name}'
      AND batch_id = _this_batch
      AND DATE(claimed_at) = _arrived_on
  ),
  TIMESTAMP '9999-12-31 00:00:00+00'
);"""  # noqa: S608 - every name in it comes from a checked contract


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
{indent(_source(dataset, key, every, updated), "  ")}
) AS _new
ON
  {same_key}
WHEN MATCHED AND _new._gone THEN DELETE
WHEN MATCHED THEN UPDATE SET
{listed([f"{name} = _new.{name}" for name in updated], "  ")}
WHEN NOT MATCHED AND NOT _new._gone THEN INSERT (
{listed(every, "  ")}
) VALUES (
{listed([f"_new.{name}" for name in every], "  ")}
);"""  # noqa: S608 - every name in it comes from a checked contract


def _source(dataset: Dataset, key: list[str], every: list[str], updated: list[str]) -> str:
    """The query of the MERGE: every touched key once, with the row that it gets or as gone."""
    return f"""\
WITH
  _current AS (
    -- Of each file the batch whose rows count: the last that succeeded, this one among them.
    SELECT
      _reading._identity,
      _reading._batch
    FROM (
      SELECT
        _identity,
        _this_batch AS _batch,
        _this_claim AS _claim
      FROM UNNEST(_identities) AS _identity
      UNION ALL
      SELECT
        {FILE_IDENTITY} AS _identity,
        _file.batch_id AS _batch,
        _done.claimed_at AS _claim
      FROM ops.files AS _file
      JOIN ops.batches AS _done
        ON _done.dataset = _file.dataset AND _done.batch_id = _file.batch_id
      WHERE _file.dataset = '{dataset.name}'
        AND _file.batch_id != _this_batch
        AND _file.state != 'superseded'
        AND _done.state = 'succeeded'
    ) AS _reading
    WHERE _reading._identity IS NOT NULL
    QUALIFY ROW_NUMBER() OVER (
      PARTITION BY _reading._identity
      ORDER BY _reading._claim DESC, _reading._batch = _this_batch DESC, _reading._batch DESC
    ) = 1
  ),
  _touched AS (
    SELECT DISTINCT
{listed(key, "      ")}
    FROM {dataset.raw_table}
    WHERE {indent(_REPLAYED, "  ").lstrip()}
  ),
  _live AS (
    SELECT
{listed([f"_row.{name}" for name in every], "      ")}
    FROM {dataset.raw_table} AS _row
    JOIN _touched
      ON {_equal("_touched", "_row", key, "        ")}
    JOIN _current
      ON _current._batch = _row._batch_id
        AND _current._identity = CONCAT(_row._source_uri, '#', CAST(_row._source_generation AS STRING))
    WHERE _row.{_ALL_DAYS}
    -- One row for each key: the newest source, and in it the last row.
    QUALIFY ROW_NUMBER() OVER (
      PARTITION BY
{listed([f"_row.{name}" for name in key], "        ")}
      ORDER BY
{listed([f"_row.{name} DESC" for name in NEWEST_FIRST], "        ")}
    ) = 1
  )
SELECT
{listed([*(f"_touched.{name}" for name in key), *(f"_live.{name}" for name in updated)], "  ")},
  _live._batch_id IS NULL AS _gone
FROM _touched
LEFT JOIN _live
  ON {_equal("_live", "_touched", key, "    ")}"""  # noqa: S608 - every name in it comes from a checked contract


def _equal(left: str, right: str, key: list[str], margin: str) -> str:
    return f"\n{margin}AND ".join(f"{left}.{name} = {right}.{name}" for name in key)
