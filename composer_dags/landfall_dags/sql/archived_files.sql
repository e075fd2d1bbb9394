-- The archived files of a batch, or one file by its generation, as they first came.
-- Parameters: dataset; batch_id, or source_uri and source_generation: what is not asked for is null.
SELECT DISTINCT
  source_uri,
  source_generation,
  size,
  crc32c,
  md5,
  source_created_at
FROM ops.files
WHERE dataset = @dataset
  AND archive_uri IS NOT NULL
  AND (
    batch_id = @batch_id
    OR (source_uri = @source_uri AND source_generation = @source_generation)
  );
