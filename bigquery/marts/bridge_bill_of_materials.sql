-- Which components, and how many of each, make up a tube assembly?
--
-- The eight pairs of columns of the bill of materials, as rows. A position that is empty is left out. One
-- that has a quantity and no component is kept under the component 'unknown', which dim_component has too: a
-- join loses no part.
CREATE OR REPLACE VIEW marts.bridge_bill_of_materials
OPTIONS (
  description = 'Components of tube assemblies: one row for each position of a bill of materials that is not empty.'
) AS
WITH
  positions AS (
    SELECT
      bill.tube_assembly_id,
      part.position,
      part.component_id,
      part.quantity
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
  )
SELECT
  tube_assembly_id,
  position,
  COALESCE(component_id, 'unknown') AS component_id,
  quantity
FROM positions
WHERE component_id IS NOT NULL OR quantity IS NOT NULL;
