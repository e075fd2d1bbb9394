-- Which suppliers are there, and since when does each quote?
CREATE OR REPLACE VIEW marts.dim_supplier
OPTIONS (
  description = 'Suppliers that ever gave a quote: one row for each.'
) AS
SELECT
  supplier,
  MIN(quote_date) AS first_quote_date,
  MAX(quote_date) AS last_quote_date,
  COUNT(*) AS quotes,
  COUNT(DISTINCT tube_assembly_id) AS tube_assemblies
FROM trusted.price_quote
GROUP BY supplier;
