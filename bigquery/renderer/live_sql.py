"""`live.sql`: the view of raw's rows that count, of each file those of one batch."""

from bigquery.renderer.batch_sql import listed
from bigquery.renderer.lineage import LINEAGE, RESCUED
from bigquery.renderer.model import Dataset
from bigquery.renderer.reserved_words import quoted


def render(dataset: Dataset) -> str:
    """The text of `live.sql`: one `CREATE OR REPLACE VIEW`."""
    rescued = (RESCUED,) if dataset.format.unknown_columns == "rescue" else ()
    columns = [quoted(column.name) for column in (*dataset.kept, *rescued, *LINEAGE)]
    return f"""\
-- Rendered from contract.yaml by `python -m bigquery.renderer`: change the contract, not this file.
--
-- The rows of {dataset.raw_table} that count. Raw keeps every batch that was ever loaded, also one that was
-- divided or given up after its load, and all readings of a file that was replayed; here a file has the rows
-- of the last batch of it that succeeded.
CREATE OR REPLACE VIEW {dataset.live_view}
OPTIONS (
  description = 'Of each file the rows that count: those of the last batch of it that succeeded.'
) AS
WITH
  _live AS (
    SELECT
      _file.source_uri,
      _file.source_generation,
      _file.batch_id
    FROM ops.files AS _file
    JOIN ops.batches AS _done
      ON _done.dataset = _file.dataset AND _done.batch_id = _file.batch_id
    WHERE _file.dataset = '{dataset.name}'
      AND _file.state != 'superseded'
      AND _done.state = 'succeeded'
    QUALIFY ROW_NUMBER() OVER (
      PARTITION BY _file.source_uri, _file.source_generation
      ORDER BY _done.claimed_at DESC, _done.batch_id DESC
    ) = 1
  )
SELECT
{listed([f"_row.{name}" for name in columns], "  ")}
FROM {dataset.raw_table} AS _row
JOIN _live
  ON _live.batch_id = _row._batch_id
    AND _live.source_uri = _row._source_uri
    AND _live.source_generation = _row._source_generation
-- Raw demands a filter of its partitions; a reader's own narrows this one.
WHERE _row._ingested_at >= TIMESTAMP '1970-01-01 00:00:00+00';
"""  # noqa: S608 - every name in it comes from a checked contract
