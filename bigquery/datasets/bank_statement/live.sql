-- Rendered from contract.yaml by `python -m bigquery.renderer`: change the contract, not this file.
--
-- The rows of raw.bank_statement that count. Raw keeps every batch that was ever loaded, also one that was
-- divided or given up after its load, and all readings of a file that was replayed; here a file has the rows
-- of the last batch of it that succeeded.
CREATE OR REPLACE VIEW raw.bank_statement_live
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
    WHERE _file.dataset = 'bank_statement'
      AND _file.state != 'superseded'
      AND _done.state = 'succeeded'
    QUALIFY ROW_NUMBER() OVER (
      PARTITION BY _file.source_uri, _file.source_generation
      ORDER BY _done.claimed_at DESC, _done.batch_id DESC
    ) = 1
  )
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
JOIN _live
  ON _live.batch_id = _row._batch_id
    AND _live.source_uri = _row._source_uri
    AND _live.source_generation = _row._source_generation
-- Raw demands a filter of its partitions; a reader's own narrows this one.
WHERE _row._ingested_at >= TIMESTAMP '1970-01-01 00:00:00+00';
