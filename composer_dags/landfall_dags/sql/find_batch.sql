-- What is known of a batch.
-- Parameters: dataset; batch_id; claimed_at, its claim, which prunes.
SELECT
  state,
  detail
FROM ops.batches
WHERE claimed_at = @claimed_at
  AND dataset = @dataset
  AND batch_id = @batch_id;
