-- Rendered from contract.yaml by `python -m bigquery.renderer`: change the contract, not this file.
--
-- The rows of raw.bill_of_materials that count. Raw keeps every batch that was ever loaded, also one that was
-- divided or given up after its load, and all readings of a file that was replayed; here a file has the rows
-- of the last batch of it that succeeded.
CREATE OR REPLACE VIEW raw.bill_of_materials_live
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
    WHERE _file.dataset = 'bill_of_materials'
      AND _file.state != 'superseded'
      AND _done.state = 'succeeded'
    QUALIFY ROW_NUMBER() OVER (
      PARTITION BY _file.source_uri, _file.source_generation
      ORDER BY _done.claimed_at DESC, _done.batch_id DESC
    ) = 1
  )
SELECT
  _row.tube_assembly_id,
  _row.component_id_1,
  _row.quantity_1,
  _row.component_id_2,
  _row.quantity_2,
  _row.component_id_3,
  _row.quantity_3,
  _row.component_id_4,
  _row.quantity_4,
  _row.component_id_5,
  _row.quantity_5,
  _row.component_id_6,
  _row.quantity_6,
  _row.component_id_7,
  _row.quantity_7,
  _row.component_id_8,
  _row.quantity_8,
  _row._batch_id,
  _row._source_uri,
  _row._source_generation,
  _row._source_row,
  _row._source_created_at,
  _row._ingested_at
FROM raw.bill_of_materials AS _row
JOIN _live
  ON _live.batch_id = _row._batch_id
    AND _live.source_uri = _row._source_uri
    AND _live.source_generation = _row._source_generation
-- Raw demands a filter of its partitions; a reader's own narrows this one.
WHERE _row._ingested_at >= TIMESTAMP '1970-01-01 00:00:00+00';
