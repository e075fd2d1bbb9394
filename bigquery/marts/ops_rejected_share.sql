-- Which share of a dataset's rows was rejected on a day?
--
-- The day is that of the claim, in UTC. Counted are batches that came to an end, as in ops_volume_by_day, but no
-- replays: those judge rows again that were counted when they landed.
-- Rows of files that could not be read at all are nobody's to count: files_rejected says how many such files
-- there were.
CREATE OR REPLACE VIEW marts.ops_rejected_share
OPTIONS (
  description = 'Share of the rows, and of the files, that were rejected, replays left out: one row for each dataset and day with a batch of files that landed and ended.'
) AS
WITH
  volumes AS (
    SELECT
      dataset,
      DATE(claimed_at) AS day,
      COALESCE(SUM(files), 0) AS files,
      COALESCE(SUM(files_rejected), 0) AS files_rejected,
      COALESCE(SUM(rows_read), 0) AS rows_read,
      COALESCE(SUM(rows_rejected), 0) AS rows_rejected
    FROM ops.batches
    WHERE state IN ('succeeded', 'rejected') AND replay IS NULL
    GROUP BY dataset, day
  )
SELECT
  dataset,
  day,
  rows_read,
  rows_rejected,
  SAFE_DIVIDE(rows_rejected, rows_read) AS rows_rejected_share,
  files,
  files_rejected,
  SAFE_DIVIDE(files_rejected, files) AS files_rejected_share
FROM volumes;
