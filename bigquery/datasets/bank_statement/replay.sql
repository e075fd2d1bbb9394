-- Rendered from contract.yaml by `python -m bigquery.renderer`: change the contract, not this file.
--
-- Replaces what the files of a batch gave to trusted.bank_statement by what the batch read from them now:
-- guards, then one atomic MERGE. _identities are all files of the batch, each 'gs://bucket/name#generation'.
-- Every key that one of them ever held gets the newest row that counts: of these files the rows of this
-- batch, of any other file, and of one of these that a batch claimed later has read, those of the last batch
-- of it that succeeded. A key without such a row goes. Calling it again changes nothing, however late.
-- The result is rows_merged: how many rows of the batch are now the current ones of their keys.
CREATE OR REPLACE PROCEDURE ops.sp_replay_bank_statement(
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
    ' in raw.bank_statement'
  );

  -- The whole batch is in raw, and once: else nothing is merged.
  SET _found_rows = (
    SELECT COUNT(*)
    FROM raw.bank_statement
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
    FROM raw.bank_statement
    WHERE DATE(_ingested_at) = _arrived_on AND _batch_id = _this_batch
      AND (
        documento IS NULL
        OR data_lancamento IS NULL
        OR valor IS NULL
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
    FROM raw.bank_statement
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
      FROM raw.bank_statement
      WHERE DATE(_ingested_at) = _arrived_on AND _batch_id = _this_batch
    ),
    (
      SELECT MAX(claimed_at)
      FROM ops.batches
      WHERE dataset = 'bank_statement'
        AND batch_id = _this_batch
        AND DATE(claimed_at) = _arrived_on
    ),
    TIMESTAMP '9999-12-31 00:00:00+00'
  );

  -- BigQuery prunes partitions by variables, not by a subquery.
  -- data_lancamento is part of the key, so what takes the place of a row lies within these bounds too.
  SET _lowest = (
    SELECT MIN(data_lancamento)
    FROM raw.bank_statement
    WHERE _ingested_at >= TIMESTAMP '1970-01-01 00:00:00+00'
      AND CONCAT(_source_uri, '#', CAST(_source_generation AS STRING)) IN UNNEST(_identities)
  );
  SET _highest = (
    SELECT MAX(data_lancamento)
    FROM raw.bank_statement
    WHERE _ingested_at >= TIMESTAMP '1970-01-01 00:00:00+00'
      AND CONCAT(_source_uri, '#', CAST(_source_generation AS STRING)) IN UNNEST(_identities)
  );

  MERGE trusted.bank_statement AS _kept
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
          WHERE _file.dataset = 'bank_statement'
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
          documento,
          data_lancamento
        FROM raw.bank_statement
        WHERE _ingested_at >= TIMESTAMP '1970-01-01 00:00:00+00'
          AND CONCAT(_source_uri, '#', CAST(_source_generation AS STRING)) IN UNNEST(_identities)
      ),
      _live AS (
        SELECT
          _row.documento,
          _row.data_lancamento,
          _row.data_valor,
          _row.historico,
          _row.favorecido,
          _row.cpf_cnpj,
          _row.email,
          _row.valor,
          _row.valor_tarifa,
          _row.conciliado,
          _row.canal,
          _row._batch_id,
          _row._source_uri,
          _row._source_generation,
          _row._source_row,
          _row._source_created_at,
          _row._ingested_at
        FROM raw.bank_statement AS _row
        JOIN _touched
          ON _touched.documento = _row.documento
            AND _touched.data_lancamento = _row.data_lancamento
        JOIN _current
          ON _current._batch = _row._batch_id
            AND _current._identity = CONCAT(_row._source_uri, '#', CAST(_row._source_generation AS STRING))
        WHERE _row._ingested_at >= TIMESTAMP '1970-01-01 00:00:00+00'
        -- One row for each key: the newest source, and in it the last row.
        QUALIFY ROW_NUMBER() OVER (
          PARTITION BY
            _row.documento,
            _row.data_lancamento
          ORDER BY
            _row._source_created_at DESC,
            _row._source_generation DESC,
            _row._source_row DESC,
            _row._source_uri DESC
        ) = 1
      )
    SELECT
      _touched.documento,
      _touched.data_lancamento,
      _live.data_valor,
      _live.historico,
      _live.favorecido,
      _live.cpf_cnpj,
      _live.email,
      _live.valor,
      _live.valor_tarifa,
      _live.conciliado,
      _live.canal,
      _live._batch_id,
      _live._source_uri,
      _live._source_generation,
      _live._source_row,
      _live._source_created_at,
      _live._ingested_at,
      _live._batch_id IS NULL AS _gone
    FROM _touched
    LEFT JOIN _live
      ON _live.documento = _touched.documento
        AND _live.data_lancamento = _touched.data_lancamento
  ) AS _new
  ON
    _kept.data_lancamento BETWEEN _lowest AND _highest
    AND _kept.documento = _new.documento
    AND _kept.data_lancamento = _new.data_lancamento
  WHEN MATCHED AND _new._gone THEN DELETE
  WHEN MATCHED THEN UPDATE SET
    data_valor = _new.data_valor,
    historico = _new.historico,
    favorecido = _new.favorecido,
    cpf_cnpj = _new.cpf_cnpj,
    email = _new.email,
    valor = _new.valor,
    valor_tarifa = _new.valor_tarifa,
    conciliado = _new.conciliado,
    canal = _new.canal,
    _batch_id = _new._batch_id,
    _source_uri = _new._source_uri,
    _source_generation = _new._source_generation,
    _source_row = _new._source_row,
    _source_created_at = _new._source_created_at,
    _ingested_at = _new._ingested_at
  WHEN NOT MATCHED AND NOT _new._gone THEN INSERT (
    documento,
    data_lancamento,
    data_valor,
    historico,
    favorecido,
    cpf_cnpj,
    email,
    valor,
    valor_tarifa,
    conciliado,
    canal,
    _batch_id,
    _source_uri,
    _source_generation,
    _source_row,
    _source_created_at,
    _ingested_at
  ) VALUES (
    _new.documento,
    _new.data_lancamento,
    _new.data_valor,
    _new.historico,
    _new.favorecido,
    _new.cpf_cnpj,
    _new.email,
    _new.valor,
    _new.valor_tarifa,
    _new.conciliado,
    _new.canal,
    _new._batch_id,
    _new._source_uri,
    _new._source_generation,
    _new._source_row,
    _new._source_created_at,
    _new._ingested_at
  );

  SELECT COUNT(*) AS rows_merged
  FROM trusted.bank_statement
  WHERE
    data_lancamento BETWEEN _lowest AND _highest
    AND _batch_id = _this_batch;
END;
