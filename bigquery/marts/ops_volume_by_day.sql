-- How much came in for a dataset on a day?
--
-- The day is that of the claim, in UTC. Counted are batches that came to an end, succeeded or rejected: the
-- files of one that was divided are in its parts, and one that failed is still open. Files that were replayed
-- count again on their day.
CREATE OR REPLACE VIEW marts.ops_volume_by_day
OPTIONS (
  description = 'Batches, files, rows and bytes that were read: one row for each dataset and day with a batch that ended.'
) AS
SELECT
  dataset,
  DATE(claimed_at) AS day,
  COUNT(*) AS batches,
  COUNTIF(state = 'rejected') AS batches_rejected,
  COUNTIF(replay IS NOT NULL) AS batches_replayed,
  COALESCE(SUM(files), 0) AS files,
  COALESCE(SUM(files_rejected), 0) AS files_rejected,
  COALESCE(SUM(bytes), 0) AS bytes,
  COALESCE(SUM(rows_read), 0) AS rows_read,
  COALESCE(SUM(rows_accepted), 0) AS rows_accepted,
  COALESCE(SUM(rows_rejected), 0) AS rows_rejected,
  COALESCE(SUM(rows_merged), 0) AS rows_merged
FROM ops.batches
WHERE state IN ('succeeded', 'rejected')
GROUP BY dataset, day;
