-- How a batch went. Writing it again replaces it, but a failure never hides an end, and a row without a cluster,
-- such as that of a batch that is divided or given up, keeps the cluster of the last run and its cost.
-- Parameters: rows, a JSON array of objects; claimed_at, their claim, which prunes.
MERGE ops.batches AS t
USING (
  SELECT
    JSON_VALUE(r, '$.dataset') AS dataset,
    JSON_VALUE(r, '$.batch_id') AS batch_id,
    JSON_VALUE(r, '$.state') AS state,
    JSON_VALUE(r, '$.detail') AS detail,
    JSON_VALUE(r, '$.run_id') AS run_id,
    JSON_VALUE(r, '$.contract_version') AS contract_version,
    CAST(JSON_VALUE(r, '$.claimed_at') AS TIMESTAMP) AS claimed_at,
    CAST(JSON_VALUE(r, '$.recorded_at') AS TIMESTAMP) AS recorded_at,
    CAST(JSON_VALUE(r, '$.files') AS INT64) AS files,
    CAST(JSON_VALUE(r, '$.files_rejected') AS INT64) AS files_rejected,
    CAST(JSON_VALUE(r, '$.files_superseded') AS INT64) AS files_superseded,
    CAST(JSON_VALUE(r, '$.bytes') AS INT64) AS bytes,
    CAST(JSON_VALUE(r, '$.rows_read') AS INT64) AS rows_read,
    CAST(JSON_VALUE(r, '$.rows_accepted') AS INT64) AS rows_accepted,
    CAST(JSON_VALUE(r, '$.rows_rejected') AS INT64) AS rows_rejected,
    CAST(JSON_VALUE(r, '$.rows_merged') AS INT64) AS rows_merged,
    JSON_VALUE(r, '$.cluster_name') AS cluster_name,
    CAST(JSON_VALUE(r, '$.vcpu_seconds') AS FLOAT64) AS vcpu_seconds,
    CAST(JSON_VALUE(r, '$.estimated_cost_usd') AS FLOAT64) AS estimated_cost_usd,
    ARRAY(
      SELECT AS STRUCT
        JSON_VALUE(p, '$.task') AS task,
        CAST(JSON_VALUE(p, '$.started_at') AS TIMESTAMP) AS started_at,
        CAST(JSON_VALUE(p, '$.finished_at') AS TIMESTAMP) AS finished_at,
        CAST(JSON_VALUE(p, '$.seconds') AS FLOAT64) AS seconds,
        JSON_VALUE(p, '$.state') AS state,
        JSON_VALUE(p, '$.resource') AS resource
      FROM UNNEST(JSON_QUERY_ARRAY(r, '$.steps')) AS p
    ) AS steps,
    JSON_VALUE(r, '$.replay') AS replay,
    JSON_VALUE(r, '$.token_key') AS token_key,
    ARRAY(SELECT JSON_VALUE(c) FROM UNNEST(JSON_QUERY_ARRAY(r, '$.new_columns')) AS c) AS new_columns,
    ARRAY(
      SELECT AS STRUCT
        JSON_VALUE(q, '$.rule') AS rule,
        JSON_VALUE(q, '$.metric') AS metric,
        ARRAY(SELECT JSON_VALUE(c) FROM UNNEST(JSON_QUERY_ARRAY(q, '$.columns')) AS c) AS columns,
        JSON_VALUE(q, '$.severity') AS severity,
        CAST(JSON_VALUE(q, '$.found') AS FLOAT64) AS found,
        CAST(JSON_VALUE(q, '$.total') AS INT64) AS total,
        JSON_VALUE(q, '$.operator') AS operator,
        ARRAY(
          SELECT CAST(JSON_VALUE(v) AS FLOAT64) FROM UNNEST(JSON_QUERY_ARRAY(q, '$.threshold')) AS v
        ) AS threshold,
        JSON_VALUE(q, '$.unit') AS unit,
        CAST(JSON_VALUE(q, '$.passed') AS BOOL) AS passed
      FROM UNNEST(JSON_QUERY_ARRAY(r, '$.quality')) AS q
    ) AS quality
  FROM UNNEST(JSON_QUERY_ARRAY(@rows)) AS r
) AS s
ON t.claimed_at = @claimed_at
  AND t.dataset = s.dataset
  AND t.batch_id = s.batch_id
WHEN MATCHED AND NOT (t.state != 'failed' AND s.state = 'failed') THEN UPDATE SET
  state = s.state,
  detail = s.detail,
  run_id = s.run_id,
  contract_version = s.contract_version,
  recorded_at = s.recorded_at,
  files = s.files,
  files_rejected = s.files_rejected,
  files_superseded = s.files_superseded,
  bytes = s.bytes,
  rows_read = s.rows_read,
  rows_accepted = s.rows_accepted,
  rows_rejected = s.rows_rejected,
  rows_merged = s.rows_merged,
  cluster_name = COALESCE(s.cluster_name, t.cluster_name),
  vcpu_seconds = IF(s.cluster_name IS NULL, t.vcpu_seconds, s.vcpu_seconds),
  estimated_cost_usd = IF(s.cluster_name IS NULL, t.estimated_cost_usd, s.estimated_cost_usd),
  steps = s.steps,
  replay = s.replay,
  token_key = s.token_key,
  new_columns = s.new_columns,
  quality = s.quality
WHEN NOT MATCHED THEN INSERT (
  dataset,
  batch_id,
  state,
  detail,
  run_id,
  contract_version,
  claimed_at,
  recorded_at,
  files,
  files_rejected,
  files_superseded,
  bytes,
  rows_read,
  rows_accepted,
  rows_rejected,
  rows_merged,
  cluster_name,
  vcpu_seconds,
  estimated_cost_usd,
  steps,
  replay,
  token_key,
  new_columns,
  quality
) VALUES (
  s.dataset,
  s.batch_id,
  s.state,
  s.detail,
  s.run_id,
  s.contract_version,
  s.claimed_at,
  s.recorded_at,
  s.files,
  s.files_rejected,
  s.files_superseded,
  s.bytes,
  s.rows_read,
  s.rows_accepted,
  s.rows_rejected,
  s.rows_merged,
  s.cluster_name,
  s.vcpu_seconds,
  s.estimated_cost_usd,
  s.steps,
  s.replay,
  s.token_key,
  s.new_columns,
  s.quality
);
