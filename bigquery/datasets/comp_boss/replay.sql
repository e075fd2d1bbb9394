-- Rendered from contract.yaml by `python -m bigquery.renderer`: change the contract, not this file.
--
-- Replaces what the files of a batch gave to trusted.comp_boss by what the batch read from them now:
-- guards, then one atomic MERGE. _identities are all files of the batch, each 'gs://bucket/name#generation'.
-- Every key that one of them ever held gets the newest row that counts: of these files the rows of this
-- batch, of any other file, and of one of these that a batch claimed later has read, those of the last batch
-- of it that succeeded. A key without such a row goes. Calling it again changes nothing, however late.
-- The result is rows_merged: how many rows of the batch are now the current ones of their keys.
CREATE OR REPLACE PROCEDURE ops.sp_replay_comp_boss(
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

  SET _place = CONCAT(
    'batch ', IFNULL(_this_batch, 'NULL'),
    ' of ', IFNULL(CAST(_arrived_on AS STRING), 'NULL'),
    ' in raw.comp_boss'
  );

  -- The whole batch is in raw, and once: else nothing is merged.
  SET _found_rows = (
    SELECT COUNT(*)
    FROM raw.comp_boss
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
    FROM raw.comp_boss
    WHERE DATE(_ingested_at) = _arrived_on AND _batch_id = _this_batch
      AND (
        component_id IS NULL
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
    FROM raw.comp_boss
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
      FROM raw.comp_boss
      WHERE DATE(_ingested_at) = _arrived_on AND _batch_id = _this_batch
    ),
    (
      SELECT MAX(claimed_at)
      FROM ops.batches
      WHERE dataset = 'comp_boss'
        AND batch_id = _this_batch
        AND DATE(claimed_at) = _arrived_on
    ),
    TIMESTAMP '9999-12-31 00:00:00+00'
  );

  MERGE trusted.comp_boss AS _kept
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
          WHERE _file.dataset = 'comp_boss'
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
          component_id
        FROM raw.comp_boss
        WHERE _ingested_at >= TIMESTAMP '1970-01-01 00:00:00+00'
          AND CONCAT(_source_uri, '#', CAST(_source_generation AS STRING)) IN UNNEST(_identities)
      ),
      _live AS (
        SELECT
          _row.component_id,
          _row.component_type_id,
          _row.type,
          _row.connection_type_id,
          _row.outside_shape,
          _row.base_type,
          _row.height_over_tube,
          _row.bolt_pattern_long,
          _row.bolt_pattern_wide,
          _row.groove,
          _row.base_diameter,
          _row.shoulder_diameter,
          _row.unique_feature,
          _row.orientation,
          _row.weight,
          _row._batch_id,
          _row._source_uri,
          _row._source_generation,
          _row._source_row,
          _row._source_created_at,
          _row._ingested_at
        FROM raw.comp_boss AS _row
        JOIN _touched
          ON _touched.component_id = _row.component_id
        JOIN _current
          ON _current._batch = _row._batch_id
            AND _current._identity = CONCAT(_row._source_uri, '#', CAST(_row._source_generation AS STRING))
        WHERE _row._ingested_at >= TIMESTAMP '1970-01-01 00:00:00+00'
        -- One row for each key: the newest source, and in it the last row.
        QUALIFY ROW_NUMBER() OVER (
          PARTITION BY
            _row.component_id
          ORDER BY
            _row._source_created_at DESC,
            _row._source_generation DESC,
            _row._source_row DESC,
            _row._source_uri DESC
        ) = 1
      )
    SELECT
      _touched.component_id,
      _live.component_type_id,
      _live.type,
      _live.connection_type_id,
      _live.outside_shape,
      _live.base_type,
      _live.height_over_tube,
      _live.bolt_pattern_long,
      _live.bolt_pattern_wide,
      _live.groove,
      _live.base_diameter,
      _live.shoulder_diameter,
      _live.unique_feature,
      _live.orientation,
      _live.weight,
      _live._batch_id,
      _live._source_uri,
      _live._source_generation,
      _live._source_row,
      _live._source_created_at,
      _live._ingested_at,
      _live._batch_id IS NULL AS _gone
    FROM _touched
    LEFT JOIN _live
      ON _live.component_id = _touched.component_id
  ) AS _new
  ON
    _kept.component_id = _new.component_id
  WHEN MATCHED AND _new._gone THEN DELETE
  WHEN MATCHED THEN UPDATE SET
    component_type_id = _new.component_type_id,
    type = _new.type,
    connection_type_id = _new.connection_type_id,
    outside_shape = _new.outside_shape,
    base_type = _new.base_type,
    height_over_tube = _new.height_over_tube,
    bolt_pattern_long = _new.bolt_pattern_long,
    bolt_pattern_wide = _new.bolt_pattern_wide,
    groove = _new.groove,
    base_diameter = _new.base_diameter,
    shoulder_diameter = _new.shoulder_diameter,
    unique_feature = _new.unique_feature,
    orientation = _new.orientation,
    weight = _new.weight,
    _batch_id = _new._batch_id,
    _source_uri = _new._source_uri,
    _source_generation = _new._source_generation,
    _source_row = _new._source_row,
    _source_created_at = _new._source_created_at,
    _ingested_at = _new._ingested_at
  WHEN NOT MATCHED AND NOT _new._gone THEN INSERT (
    component_id,
    component_type_id,
    type,
    connection_type_id,
    outside_shape,
    base_type,
    height_over_tube,
    bolt_pattern_long,
    bolt_pattern_wide,
    groove,
    base_diameter,
    shoulder_diameter,
    unique_feature,
    orientation,
    weight,
    _batch_id,
    _source_uri,
    _source_generation,
    _source_row,
    _source_created_at,
    _ingested_at
  ) VALUES (
    _new.component_id,
    _new.component_type_id,
    _new.type,
    _new.connection_type_id,
    _new.outside_shape,
    _new.base_type,
    _new.height_over_tube,
    _new.bolt_pattern_long,
    _new.bolt_pattern_wide,
    _new.groove,
    _new.base_diameter,
    _new.shoulder_diameter,
    _new.unique_feature,
    _new.orientation,
    _new.weight,
    _new._batch_id,
    _new._source_uri,
    _new._source_generation,
    _new._source_row,
    _new._source_created_at,
    _new._ingested_at
  );

  SELECT COUNT(*) AS rows_merged
  FROM trusted.comp_boss
  WHERE
    _batch_id = _this_batch;
END;
