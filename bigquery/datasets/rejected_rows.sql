-- Rendered from the contracts by `python -m bigquery.renderer`: change them, not this file.
--
-- The rejected rows of all datasets. Each has a table of its own, for BigQuery takes 1,500 load jobs a table
-- and day. Whoever asks for one dataset reads less from its own table.
CREATE OR REPLACE VIEW ops.rejected_rows
OPTIONS (
  description = 'Rows that do not fulfil their contract, each with its source and every reason.'
) AS
SELECT
  dataset,
  batch_id,
  source_uri,
  source_generation,
  source_row,
  raw,
  reasons,
  ingested_at,
  text_offset,
  text_bytes
FROM ops.rejected_rows_bank_statement
UNION ALL
SELECT
  dataset,
  batch_id,
  source_uri,
  source_generation,
  source_row,
  raw,
  reasons,
  ingested_at,
  text_offset,
  text_bytes
FROM ops.rejected_rows_bill_of_materials
UNION ALL
SELECT
  dataset,
  batch_id,
  source_uri,
  source_generation,
  source_row,
  raw,
  reasons,
  ingested_at,
  text_offset,
  text_bytes
FROM ops.rejected_rows_comp_boss
UNION ALL
SELECT
  dataset,
  batch_id,
  source_uri,
  source_generation,
  source_row,
  raw,
  reasons,
  ingested_at,
  text_offset,
  text_bytes
FROM ops.rejected_rows_price_quote;
