-- Rendered from contract.yaml by `python -m bigquery.renderer`: change the contract, not this file.
--
-- Brings one batch of raw.price_quote into trusted.price_quote: guards, then one atomic MERGE.
-- The newest source of a key wins, whatever the order of arrival; calling it again changes nothing, however
-- late: rows of a file that another batch has read with success since (a replay) are left out.
-- The result is rows_merged: how many rows of the batch are now the current ones of their keys.
CREATE OR REPLACE PROCEDURE ops.sp_trusted_price_quote(
  _this_batch STRING,
  _arrived_on DATE,
  _expected_rows INT64
)
BEGIN
  DECLARE _place STRING;
  DECLARE _found_rows INT64;
  DECLARE _incomplete_rows INT64;
  DECLARE _lowest DATE;
  DECLARE _highest DATE;

  SET _place = CONCAT(
    'batch ', IFNULL(_this_batch, 'NULL'),
    ' of ', IFNULL(CAST(_arrived_on AS STRING), 'NULL'),
    ' in raw.price_quote'
  );

  -- The whole batch is in raw, and once: else nothing is merged.
  SET _found_rows = (
    SELECT COUNT(*)
    FROM raw.price_quote
    WHERE DATE(_ingested_at) = _arrived_on AND _batch_id = _this_batch
  );
  SELECT
    IF(
      _found_rows = _expected_rows,
      'complete',
      ERROR(CONCAT(
        _place, ': expected ', IFNULL(CAST(_expected_rows AS STRING), 'NULL'), ' rows, found ',
        CAST(_found_rows AS STRING), '; load the whole batch into raw once, then call again'
      ))
    ) AS batch_rows,
    -- What was closed without its rows stays without them, however late a call for it comes.
    IF(
      NOT EXISTS (
        SELECT 1
        FROM ops.batches
        WHERE dataset = 'price_quote'
          AND batch_id = _this_batch
          AND DATE(claimed_at) = _arrived_on
          AND state IN ('divided', 'rejected')
      ),
      'not closed',
      ERROR(CONCAT(
        _place, ': expected a batch that is not closed, found it divided or rejected in ops.batches; ',
        'call nothing: its files went on in other batches, or were set aside'
      ))
    ) AS batch_state;

  -- Every row has what the contract requires, and its source: a row without a key would match none.
  SET _incomplete_rows = (
    SELECT COUNT(*)
    FROM raw.price_quote
    WHERE DATE(_ingested_at) = _arrived_on AND _batch_id = _this_batch
      AND (
        tube_assembly_id IS NULL
        OR supplier IS NULL
        OR quote_date IS NULL
        OR annual_usage IS NULL
        OR min_order_quantity IS NULL
        OR bracket_pricing IS NULL
        OR quantity IS NULL
        OR cost IS NULL
        OR _source_created_at IS NULL
        OR _source_generation IS NULL
        OR _source_row IS NULL
        OR _source_uri IS NULL
      )
  );
  SELECT IF(
    _incomplete_rows = 0,
    'filled',
    ERROR(CONCAT(
      _place, ': expected a value in every column that the contract requires, found ',
      CAST(_incomplete_rows AS STRING), ' rows without; load rows that fulfil the contract, then call again'
    ))
  ) AS required_columns;

  -- BigQuery prunes partitions by variables, not by a subquery.
  -- quote_date is part of the key, so every older row of a key of this batch lies within these bounds too.
  SET _lowest = (
    SELECT MIN(quote_date)
    FROM raw.price_quote
    WHERE DATE(_ingested_at) = _arrived_on AND _batch_id = _this_batch
  );
  SET _highest = (
    SELECT MAX(quote_date)
    FROM raw.price_quote
    WHERE DATE(_ingested_at) = _arrived_on AND _batch_id = _this_batch
  );

  MERGE trusted.price_quote AS _kept
  USING (
    SELECT
      tube_assembly_id,
      supplier,
      quote_date,
      annual_usage,
      min_order_quantity,
      bracket_pricing,
      quantity,
      cost,
      _batch_id,
      _source_uri,
      _source_generation,
      _source_row,
      _source_created_at,
      _ingested_at
    FROM raw.price_quote
    WHERE DATE(_ingested_at) = _arrived_on AND _batch_id = _this_batch
      -- A file that another batch has read with success counts by that one alone.
      AND CONCAT(_source_uri, '#', CAST(_source_generation AS STRING)) NOT IN (
        SELECT CONCAT(_file.source_uri, '#', CAST(_file.source_generation AS STRING))
        FROM ops.files AS _file
        JOIN ops.batches AS _done
          ON _done.dataset = _file.dataset AND _done.batch_id = _file.batch_id
        WHERE _file.dataset = 'price_quote'
          AND _file.batch_id != _this_batch
          AND _file.state != 'superseded'
          AND DATE(_file.claimed_at) >= _arrived_on
          AND _done.state = 'succeeded'
          AND DATE(_done.claimed_at) >= _arrived_on
      )
    -- One row for each key, as MERGE demands: the newest source, and in it the last row.
    QUALIFY ROW_NUMBER() OVER (
      PARTITION BY
        tube_assembly_id,
        supplier,
        quote_date,
        annual_usage,
        min_order_quantity,
        bracket_pricing,
        quantity
      ORDER BY
        _source_created_at DESC,
        _source_generation DESC,
        _source_row DESC,
        _source_uri DESC
    ) = 1
  ) AS _new
  ON
    _kept.quote_date BETWEEN _lowest AND _highest
    AND _kept.tube_assembly_id = _new.tube_assembly_id
    AND _kept.supplier = _new.supplier
    AND _kept.quote_date = _new.quote_date
    AND _kept.annual_usage = _new.annual_usage
    AND _kept.min_order_quantity = _new.min_order_quantity
    AND _kept.bracket_pricing = _new.bracket_pricing
    AND _kept.quantity = _new.quantity
  WHEN MATCHED AND (
    _new._source_created_at > _kept._source_created_at
    OR (
      _new._source_created_at = _kept._source_created_at
      AND _new._source_generation > _kept._source_generation
    )
    OR (
      _new._source_created_at = _kept._source_created_at
      AND _new._source_generation = _kept._source_generation
      AND _new._source_row > _kept._source_row
    )
    OR (
      _new._source_created_at = _kept._source_created_at
      AND _new._source_generation = _kept._source_generation
      AND _new._source_row = _kept._source_row
      AND _new._source_uri > _kept._source_uri
    )
  ) THEN UPDATE SET
    cost = _new.cost,
    _batch_id = _new._batch_id,
    _source_uri = _new._source_uri,
    _source_generation = _new._source_generation,
    _source_row = _new._source_row,
    _source_created_at = _new._source_created_at,
    _ingested_at = _new._ingested_at
  WHEN NOT MATCHED THEN INSERT (
    tube_assembly_id,
    supplier,
    quote_date,
    annual_usage,
    min_order_quantity,
    bracket_pricing,
    quantity,
    cost,
    _batch_id,
    _source_uri,
    _source_generation,
    _source_row,
    _source_created_at,
    _ingested_at
  ) VALUES (
    _new.tube_assembly_id,
    _new.supplier,
    _new.quote_date,
    _new.annual_usage,
    _new.min_order_quantity,
    _new.bracket_pricing,
    _new.quantity,
    _new.cost,
    _new._batch_id,
    _new._source_uri,
    _new._source_generation,
    _new._source_row,
    _new._source_created_at,
    _new._ingested_at
  );

  SELECT COUNT(*) AS rows_merged
  FROM trusted.price_quote
  WHERE
    quote_date BETWEEN _lowest AND _highest
    AND _batch_id = _this_batch;
END;
