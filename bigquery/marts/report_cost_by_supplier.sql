-- Which suppliers do the quotes come from, and what do those of each come to?
--
-- The total_cost of all rows is that of report_total, to the last digit.
CREATE OR REPLACE VIEW marts.report_cost_by_supplier
OPTIONS (
  description = 'The total of the quotes by supplier, with its share of all: one row for each.'
) AS
WITH
  totals AS (
    SELECT
      supplier,
      SUM(cost) AS total_cost,
      COUNT(*) AS quotes,
      COUNT(DISTINCT tube_assembly_id) AS tube_assemblies,
      MIN(quote_date) AS first_quote_date,
      MAX(quote_date) AS last_quote_date
    FROM trusted.price_quote
    GROUP BY supplier
  )
SELECT
  supplier,
  total_cost,
  SAFE_DIVIDE(CAST(total_cost AS FLOAT64), CAST(SUM(total_cost) OVER () AS FLOAT64)) AS cost_share,
  RANK() OVER (ORDER BY total_cost DESC) AS cost_rank,
  quotes,
  tube_assemblies,
  first_quote_date,
  last_quote_date
FROM totals;
