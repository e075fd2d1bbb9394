-- Rendered from contract.yaml by `python -m bigquery.renderer`: change the contract, not this file.
--
-- Replaces what the files of a batch gave to trusted.price_quote by what the batch read from them now:
-- guards, then one atomic MERGE. _identities are all files of the batch, each 'gs://bucket/name#generation'.
-- Every key that one of them ever held gets the newest row that counts: of these files the rows of this
-- batch, of any other file, and of one of these that a batch claimed later has read, those of the last batch
-- of it that succeeded. A key without such a row goes. Calling it again changes nothing, however late.
-- The result is rows_merged: how many rows of the batch are now the current ones of their keys.
CREATE OR REPLACE PROCEDURE ops.sp_replay_price_quote(
  _this_batch STRING,
  _arrived_on DATE,
  _expected_rows INT64,
  _identities ARRAY<STRING>
)
BEGIN
  DECLARE _place STRING;
  DECLARE _found_rows INT64;
  DECLARE _incomplete_rows INT64;
  DECLARE _foreign_rows INT64;
  DECLARE _this_claim TIMESTAMP;
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
    ) AS batch_rows;

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

  -- Every row of the batch is of a file that is replayed: those of another would count for no file.
  SET _foreign_rows = (
    SELECT COUNT(*)
    FROM raw.price_quote
    WHERE DATE(_ingested_at) = _arrived_on AND _batch_id = _this_batch
      AND CONCAT(_source_uri, '#', CAST(_source_generation AS STRING)) NOT IN UNNEST(_identities)
  );
  SELECT IF(
    _foreign_rows = 0,
    'of these files',
    ERROR(CONCAT(
      _place, ': expected rows of the files in _identities, found ', CAST(_foreign_rows AS STRING),
      ' of others; call again with the identity of every file of the batch'
    ))
  ) AS replayed_files;

  -- When the batch was claimed; one without rows that the ledger does not know yet is the last.
  SET _this_claim = COALESCE(
    (
      SELECT MAX(_ingested_at)
      FROM raw.price_quote
      WHERE DATE(_ingested_at) = _arrived_on AND _batch_id = _this_batch
    ),
    (
      SELECT MAX(claimed_at)
      FROM ops.batches
      WHERE dataset = 'price_quote'
        AND batch_id = _this_batch
        AND DATE(claimed_at) = _arrived_on
    ),
    TIMESTAMP '9999-12-31 00:00:00+00'
  );

  -- BigQuery prunes partitions by variables, not by a subquery.
  -- quote_date is part of the key, so what takes the place of a row lies within these bounds too.
  SET _lowest = (
    SELECT MIN(quote_date)
    FROM raw.price_quote
    WHERE _ingested_at >= TIMESTAMP '1970-01-01 00:00:00+00'
      AND CONCAT(_source_uri, '#', CAST(_source_generation AS STRING)) IN UNNEST(_identities)
  );
  SET _highest = (
    SELECT MAX(quote_date)
    FROM raw.price_quote
    WHERE _ingested_at >= TIMESTAMP '1970-01-01 00:00:00+00'
      AND CONCAT(_source_uri, '#', CAST(_source_generation AS STRING)) IN UNNEST(_identities)
  );

  MERGE trusted.price_quote AS _kept
  USING (
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
            CONCAT(_file.source_uri, '#', CAST(_file.source_generation AS STRING)) AS _identity,
            _file.batch_id AS _batch,
            _done.claimed_at AS _claim
          FROM ops.files AS _file
          JOIN ops.batches AS _done
            ON _done.dataset = _file.dataset AND _done.batch_id = _file.batch_id
          WHERE _file.dataset = 'price_quote'
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
          tube_assembly_id,
          supplier,
          quote_date,
          annual_usage,
          min_order_quantity,
          bracket_pricing,
          quantity
        FROM raw.price_quote
        WHERE _ingested_at >= TIMESTAMP '1970-01-01 00:00:00+00'
          AND CONCAT(_source_uri, '#', CAST(_source_generation AS STRING)) IN UNNEST(_identities)
      ),
      _live AS (
        SELECT
          _row.tube_assembly_id,
          _row.supplier,
          _row.quote_date,
          _row.annual_usage,
          _row.min_order_quantity,
          _row.bracket_pricing,
          _row.quantity,
          _row.cost,
          _row._batch_id,
          _row._source_uri,
          _row._source_generation,
          _row._source_row,
          _row._source_created_at,
          _row._ingested_at
        FROM raw.price_quote AS _row
        JOIN _touched
          ON _touched.tube_assembly_id = _row.tube_assembly_id
            AND _touched.supplier = _row.supplier
            AND _touched.quote_date = _row.quote_date
            AND _touched.annual_usage = _row.annual_usage
            AND _touched.min_order_quantity = _row.min_order_quantity
            AND _touched.bracket_pricing = _row.bracket_pricing
            AND _touched.quantity = _row.quantity
        JOIN _current
          ON _current._batch = _row._batch_id
            AND _current._identity = CONCAT(_row._source_uri, '#', CAST(_row._source_generation AS STRING))
        WHERE _row._ingested_at >= TIMESTAMP '1970-01-01 00:00:00+00'
        -- One row for each key: the newest source, and in it the last row.
        QUALIFY ROW_NUMBER() OVER (
          PARTITION BY
            _row.tube_assembly_id,
            _row.supplier,
            _row.quote_date,
            _row.annual_usage,
            _row.min_order_quantity,
            _row.bracket_pricing,
            _row.quantity
          ORDER BY
            _row._source_created_at DESC,
            _row._source_generation DESC,
            _row._source_row DESC,
            _row._source_uri DESC
        ) = 1
      )
    SELECT
      _touched.tube_assembly_id,
      _touched.supplier,
      _touched.quote_date,
      _touched.annual_usage,
      _touched.min_order_quantity,
      _touched.bracket_pricing,
      _touched.quantity,
      _live.cost,
      _live._batch_id,
      _live._source_uri,
      _live._source_generation,
      _live._source_row,
      _live._source_created_at,
      _live._ingested_at,
      _live._batch_id IS NULL AS _gone
    FROM _touched
    LEFT JOIN _live
      ON _live.tube_assembly_id = _touched.tube_assembly_id
        AND _live.supplier = _touched.supplier
        AND _live.quote_date = _touched.quote_date
        AND _live.annual_usage = _touched.annual_usage
        AND _live.min_order_quantity = _touched.min_order_quantity
        AND _live.bracket_pricing = _touched.bracket_pricing
        AND _live.quantity = _touched.quantity
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
  WHEN MATCHED AND _new._gone THEN DELETE
  WHEN MATCHED THEN UPDATE SET
    cost = _new.cost,
    _batch_id = _new._batch_id,
    _source_uri = _new._source_uri,
    _source_generation = _new._source_generation,
    _source_row = _new._source_row,
    _source_created_at = _new._source_created_at,
    _ingested_at = _new._ingested_at
  WHEN NOT MATCHED AND NOT _new._gone THEN INSERT (
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
