-- Which tube assemblies are quoted, and what do the quotes for each come to?
--
-- The total_cost of all rows is that of report_total, to the last digit.
CREATE OR REPLACE VIEW marts.report_cost_by_tube_assembly
OPTIONS (
  description = 'The total of the quotes by tube assembly, with its share of all: one row for each.'
) AS
WITH
  totals AS (
    SELECT
      tube_assembly_id,
      SUM(cost) AS total_cost,
      COUNT(*) AS quotes,
      COUNT(DISTINCT supplier) AS suppliers,
      MIN(quote_date) AS first_quote_date,
      MAX(quote_date) AS last_quote_date
    FROM trusted.price_quote
    GROUP BY tube_assembly_id
  )
SELECT
  tube_assembly_id,
  total_cost,
  SAFE_DIVIDE(CAST(total_cost AS FLOAT64), CAST(SUM(total_cost) OVER () AS FLOAT64)) AS cost_share,
  RANK() OVER (ORDER BY total_cost DESC) AS cost_rank,
  quotes,
  suppliers,
  first_quote_date,
  last_quote_date
FROM totals;
