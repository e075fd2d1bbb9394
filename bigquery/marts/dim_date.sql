-- Which year, quarter, month or weekday is a day?
--
-- Every day from the first quote to the last, also those without one, so that a line over time has no holes.
CREATE OR REPLACE VIEW marts.dim_date
OPTIONS (
  description = 'Every day from the first quote to the last, with its year, quarter, month and weekday: one row for each day.'
) AS
WITH
  span AS (
    SELECT
      MIN(quote_date) AS first_day,
      MAX(quote_date) AS last_day
    FROM trusted.price_quote
  ),
  days AS (
    SELECT day
    FROM span
    CROSS JOIN UNNEST(GENERATE_DATE_ARRAY(span.first_day, span.last_day)) AS day
  )
SELECT
  day,
  EXTRACT(YEAR FROM day) AS year,
  EXTRACT(QUARTER FROM day) AS quarter,
  FORMAT('%d-Q%d', EXTRACT(YEAR FROM day), EXTRACT(QUARTER FROM day)) AS quarter_name,
  EXTRACT(MONTH FROM day) AS month,
  FORMAT_DATE('%Y-%m', day) AS month_key,
  FORMAT_DATE('%B', day) AS month_name,
  DATE(EXTRACT(YEAR FROM day), EXTRACT(MONTH FROM day), 1) AS month_start,
  EXTRACT(DAY FROM day) AS day_of_month,
  CAST(FORMAT_DATE('%u', day) AS INT64) AS day_of_week,
  FORMAT_DATE('%A', day) AS day_name,
  FORMAT_DATE('%u', day) IN ('6', '7') AS is_weekend
FROM days;
