-- What did a dataset cost on a day?
--
-- The day is that of the claim, in UTC. Every batch counts, whatever became of it: a cluster that failed is
-- paid for too. Estimated, from the pipeline's price list: the clusters alone, without Composer, storage and
-- queries; of a batch that ran more than once the last run alone, for the ledger keeps no other. What is divided
-- or given up keeps the cost of its last run.
CREATE OR REPLACE VIEW marts.ops_cost_by_day
OPTIONS (
  description = 'Estimated cost of the clusters in US dollars: one row for each dataset and day with a batch.'
) AS
SELECT
  dataset,
  DATE(claimed_at) AS day,
  COUNT(*) AS batches,
  COALESCE(SUM(bytes), 0) AS bytes,
  SUM(vcpu_seconds) AS vcpu_seconds,
  SUM(estimated_cost_usd) AS estimated_cost_usd,
  COUNTIF(estimated_cost_usd IS NULL) AS batches_without_estimate
FROM ops.batches
GROUP BY dataset, day;
