-- What is a component, and in how many tube assemblies is it?
--
-- The catalogue of bosses and studs, and every other component that a bill of materials names: of those
-- nothing but the name is known (in_catalogue is false). 'unknown' stands for the component of a position
-- that has a quantity alone.
CREATE OR REPLACE VIEW marts.dim_component
OPTIONS (
  description = 'Components that the catalogue or a bill of materials names: one row for each.'
) AS
WITH
  used AS (
    SELECT
      COALESCE(part.component_id, 'unknown') AS component_id,
      COUNT(DISTINCT bill.tube_assembly_id) AS tube_assemblies
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
    WHERE part.component_id IS NOT NULL OR part.quantity IS NOT NULL
    GROUP BY 1
  )
SELECT
  COALESCE(catalogue.component_id, used.component_id) AS component_id,
  catalogue.component_id IS NOT NULL AS in_catalogue,
  COALESCE(used.tube_assemblies, 0) AS tube_assemblies,
  catalogue.component_type_id,
  catalogue.type,
  catalogue.connection_type_id,
  catalogue.outside_shape,
  catalogue.base_type,
  catalogue.height_over_tube,
  catalogue.bolt_pattern_long,
  catalogue.bolt_pattern_wide,
  catalogue.groove,
  catalogue.base_diameter,
  catalogue.shoulder_diameter,
  catalogue.unique_feature,
  catalogue.orientation,
  catalogue.weight
FROM trusted.comp_boss AS catalogue
FULL JOIN used
  ON used.component_id = catalogue.component_id;
