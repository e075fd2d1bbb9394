-- What do all quotes come to?
--
-- Exact: BIGNUMERIC keeps every digit that a supplier wrote. One row, also where there is no quote.
CREATE OR REPLACE VIEW marts.report_total
OPTIONS (
  description = 'The total of all quotes, with how many there are and from when to when: one row.'
) AS
SELECT
  COALESCE(SUM(cost), CAST(0 AS BIGNUMERIC)) AS total_cost,
  COUNT(*) AS quotes,
  COUNT(DISTINCT supplier) AS suppliers,
  COUNT(DISTINCT tube_assembly_id) AS tube_assemblies,
  MIN(quote_date) AS first_quote_date,
  MAX(quote_date) AS last_quote_date
FROM trusted.price_quote;
