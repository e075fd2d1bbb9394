-- What did a supplier ask for a tube assembly, on which day, for which quantity?
--
-- The facts of the star: a row for each quote. The day joins dim_date, the supplier dim_supplier, the
-- assembly dim_tube_assembly, each exactly once. Where the rows come from stays in trusted.
CREATE OR REPLACE VIEW marts.fact_quote
OPTIONS (
  description = 'Quotes of suppliers for tube assemblies: one row for each price that was quoted.'
) AS
SELECT
  quote_date,
  supplier,
  tube_assembly_id,
  annual_usage,
  min_order_quantity,
  bracket_pricing,
  quantity,
  cost
FROM trusted.price_quote;
