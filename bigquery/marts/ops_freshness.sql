-- How old is what trusted shows of a dataset?
--
-- From the ledger: datasets of which no batch was ever recorded are not in it. A batch that failed or was
-- refused, or of which no file could be read, makes no dataset fresher, and a replay brings back what is old:
-- they are no success here.
CREATE OR REPLACE VIEW marts.ops_freshness
OPTIONS (
  description = 'When each dataset last took in files that landed, and how long ago that is: one row for each dataset that ever had a batch.'
) AS
WITH
  first_files AS (
    SELECT
      dataset,
      batch_id,
      MIN(source_created_at) AS first_file_at
    FROM ops.files
    WHERE state = 'loaded'
    GROUP BY dataset, batch_id
  ),
  batches AS (
    SELECT
      batch.dataset,
      batch.state,
      batch.claimed_at,
      batch.recorded_at,
      batch.state = 'succeeded' AND batch.replay IS NULL AND first_files.first_file_at IS NOT NULL AS is_fresh,
      first_files.first_file_at
    FROM ops.batches AS batch
    LEFT JOIN first_files
      ON first_files.dataset = batch.dataset AND first_files.batch_id = batch.batch_id
  ),
  last_batches AS (
    SELECT
      dataset,
      state,
      claimed_at
    FROM batches
    WHERE TRUE
    QUALIFY ROW_NUMBER() OVER (PARTITION BY dataset ORDER BY claimed_at DESC, recorded_at DESC) = 1
  ),
  last_successes AS (
    SELECT
      dataset,
      recorded_at,
      first_file_at
    FROM batches
    WHERE is_fresh
    QUALIFY ROW_NUMBER() OVER (PARTITION BY dataset ORDER BY recorded_at DESC, claimed_at DESC) = 1
  )
SELECT
  last_batches.dataset,
  last_successes.recorded_at AS last_success_at,
  TIMESTAMP_DIFF(CURRENT_TIMESTAMP(), last_successes.recorded_at, SECOND) AS age_seconds,
  TIMESTAMP_DIFF(last_successes.recorded_at, last_successes.first_file_at, SECOND) AS seconds_to_trusted,
  last_batches.claimed_at AS last_batch_at,
  last_batches.state AS last_batch_state
FROM last_batches
LEFT JOIN last_successes
  ON last_successes.dataset = last_batches.dataset;
