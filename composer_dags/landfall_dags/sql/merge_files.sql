-- What became of each file of a batch. Writing it again replaces it.
-- Parameters: rows, a JSON array of objects; claimed_at, their claim, which prunes.
MERGE ops.files AS t
USING (
  SELECT
    JSON_VALUE(r, '$.dataset') AS dataset,
    JSON_VALUE(r, '$.batch_id') AS batch_id,
    JSON_VALUE(r, '$.source_uri') AS source_uri,
    CAST(JSON_VALUE(r, '$.source_generation') AS INT64) AS source_generation,
    CAST(JSON_VALUE(r, '$.size') AS INT64) AS size,
    JSON_VALUE(r, '$.crc32c') AS crc32c,
    JSON_VALUE(r, '$.md5') AS md5,
    CAST(JSON_VALUE(r, '$.source_created_at') AS TIMESTAMP) AS source_created_at,
    JSON_VALUE(r, '$.archive_uri') AS archive_uri,
    JSON_VALUE(r, '$.rejected_uri') AS rejected_uri,
    JSON_VALUE(r, '$.state') AS state,
    JSON_VALUE(r, '$.reason') AS reason,
    JSON_VALUE(r, '$.detail') AS detail,
    CAST(JSON_VALUE(r, '$.rows_read') AS INT64) AS rows_read,
    CAST(JSON_VALUE(r, '$.rows_accepted') AS INT64) AS rows_accepted,
    CAST(JSON_VALUE(r, '$.rows_rejected') AS INT64) AS rows_rejected,
    CAST(JSON_VALUE(r, '$.claimed_at') AS TIMESTAMP) AS claimed_at,
    CAST(JSON_VALUE(r, '$.recorded_at') AS TIMESTAMP) AS recorded_at,
    ARRAY(SELECT JSON_VALUE(c) FROM UNNEST(JSON_QUERY_ARRAY(r, '$.missing_columns')) AS c) AS missing_columns,
    ARRAY(SELECT JSON_VALUE(c) FROM UNNEST(JSON_QUERY_ARRAY(r, '$.unknown_columns')) AS c) AS unknown_columns
  FROM UNNEST(JSON_QUERY_ARRAY(@rows)) AS r
) AS s
ON t.claimed_at = @claimed_at
  AND t.dataset = s.dataset
  AND t.batch_id = s.batch_id
  AND t.source_uri = s.source_uri
  AND t.source_generation = s.source_generation
WHEN MATCHED THEN UPDATE SET
  size = s.size,
  crc32c = s.crc32c,
  md5 = s.md5,
  source_created_at = s.source_created_at,
  archive_uri = s.archive_uri,
  rejected_uri = s.rejected_uri,
  state = s.state,
  reason = s.reason,
  detail = s.detail,
  rows_read = s.rows_read,
  rows_accepted = s.rows_accepted,
  rows_rejected = s.rows_rejected,
  recorded_at = s.recorded_at,
  missing_columns = s.missing_columns,
  unknown_columns = s.unknown_columns
WHEN NOT MATCHED THEN INSERT (
  dataset,
  batch_id,
  source_uri,
  source_generation,
  size,
  crc32c,
  md5,
  source_created_at,
  archive_uri,
  rejected_uri,
  state,
  reason,
  detail,
  rows_read,
  rows_accepted,
  rows_rejected,
  claimed_at,
  recorded_at,
  missing_columns,
  unknown_columns
) VALUES (
  s.dataset,
  s.batch_id,
  s.source_uri,
  s.source_generation,
  s.size,
  s.crc32c,
  s.md5,
  s.source_created_at,
  s.archive_uri,
  s.rejected_uri,
  s.state,
  s.reason,
  s.detail,
  s.rows_read,
  s.rows_accepted,
  s.rows_rejected,
  s.claimed_at,
  s.recorded_at,
  s.missing_columns,
  s.unknown_columns
);
