-- Which tube assemblies are there, and what is known of each?
--
-- Every assembly that a quote or a bill of materials names, so that neither loses a row in a join: an
-- assembly that is quoted may have no bill of materials, and most of those with one were never quoted.
CREATE OR REPLACE VIEW marts.dim_tube_assembly
OPTIONS (
  description = 'Tube assemblies that a quote or a bill of materials names: one row for each.'
) AS
WITH
  bills AS (
    SELECT
      bill.tube_assembly_id,
      COUNTIF(part.component_id IS NOT NULL OR part.quantity IS NOT NULL) AS component_positions,
      COALESCE(SUM(part.quantity), 0) AS component_quantity
    FROM trusted.bill_of_materials AS bill
    CROSS JOIN UNNEST([
      STRUCT(1 AS position, component_id_1 AS component_id, quantity_1 AS quantity),
      STRUCT(2, component_id_2, quantity_2),
      STRUCT(3, component_id_3, quantity_3),
      STRUCT(4, component_id_4, quantity_4),
      STRUCT(5, component_id_5, quantity_5),
      STRUCT(6, component_id_6, quantity_6),
      STRUCT(7, component_id_7, quantity_7),
      STRUCT(8, component_id_8, quantity_8)
    ]) AS part
    GROUP BY bill.tube_assembly_id
  ),
  quotes AS (
    SELECT
      tube_assembly_id,
      MIN(quote_date) AS first_quote_date,
      MAX(quote_date) AS last_quote_date,
      COUNT(*) AS quotes,
      COUNT(DISTINCT supplier) AS suppliers
    FROM trusted.price_quote
    GROUP BY tube_assembly_id
  )
SELECT
  COALESCE(bills.tube_assembly_id, quotes.tube_assembly_id) AS tube_assembly_id,
  bills.tube_assembly_id IS NOT NULL AS has_bill_of_materials,
  bills.component_positions,
  bills.component_quantity,
  quotes.first_quote_date,
  quotes.last_quote_date,
  COALESCE(quotes.quotes, 0) AS quotes,
  COALESCE(quotes.suppliers, 0) AS suppliers
FROM bills
FULL JOIN quotes
  ON quotes.tube_assembly_id = bills.tube_assembly_id;
