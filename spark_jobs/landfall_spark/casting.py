"""Cast text to the contract's types: exactly or not at all.

Every cast is a shape (a regular expression that the whole text must match) and then Spark's own `try_*`:
Spark alone would trim, round 1.239 to 1.24 and take `1d` for a number. A value that does not fit is null
here; the caller knows whether the text was a null token.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as sf

from landfall_spark import pipeline, temporal

_INTEGER = r"^[+-]?[0-9]++\z"
# Neither NaN nor Infinity: no number that a CSV could mean by them can be added up.
_FLOAT = r"^[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?\z"

_SPARK_TYPES = {
    "STRING": "STRING",
    "INT64": "BIGINT",
    "FLOAT64": "DOUBLE",
    "BOOL": "BOOLEAN",
    "DATE": "DATE",
    "DATETIME": "TIMESTAMP_NTZ",
    "TIMESTAMP": "TIMESTAMP",
}


def spark_type(column: pipeline.Column) -> str:
    """Return the name of the Spark type that holds the column."""
    if column.type in pipeline.DECIMAL_TYPES:
        return f"DECIMAL({column.precision}, {column.scale})"
    return _SPARK_TYPES[column.type]


def cast(text: Column, column: pipeline.Column) -> Column:
    """Cast non-null text to the column's type; null where it does not fit without loss."""
    if column.type == "STRING":
        return text
    if column.type == "BOOL":
        return _cast_bool(text, column)
    if column.type in pipeline.TEMPORAL_TYPES:
        return sf.coalesce(*(_cast_temporal(text, column, one) for one in column.formats))
    return sf.when(text.rlike(_shape(column)), _finite(text.try_cast(spark_type(column)), column))


def describe(column: pipeline.Column) -> str:
    """Say what text the column takes, for a reader of rejected rows."""
    if column.type == "BOOL":
        return "expected BOOL: " + " or ".join((*column.true_tokens, *column.false_tokens))
    if column.type in pipeline.TEMPORAL_TYPES:
        return f"expected {column.type} as " + " or ".join(column.formats)
    if column.type in pipeline.DECIMAL_TYPES:
        whole, part = column.precision - column.scale, column.scale
        return f"expected {column.type}: at most {whole} digits and {part} decimals, without an exponent"
    if column.type == "INT64":
        return "expected INT64: digits, within 64 bits"
    return f"expected {column.type}: a finite number with a decimal point"


def _shape(column: pipeline.Column) -> str:
    if column.type == "INT64":
        return _INTEGER
    if column.type == "FLOAT64":
        return _FLOAT
    # Zeros in front and at the end say nothing; any other digit beyond precision or scale would be lost.
    whole, part = column.precision - column.scale, column.scale
    return rf"^[+-]?(?=\.?[0-9])0*+[0-9]{{0,{whole}}}+(?:\.[0-9]{{0,{part}}}+0*+)?\z"


def _finite(value: Column, column: pipeline.Column) -> Column:
    return sf.when(sf.abs(value) < sf.lit(float("inf")), value) if column.type == "FLOAT64" else value


def _cast_bool(text: Column, column: pipeline.Column) -> Column:
    is_false = sf.when(text.isin(*column.false_tokens), sf.lit(False))
    return sf.when(text.isin(*column.true_tokens), sf.lit(True)).otherwise(is_false)


def _cast_temporal(text: Column, column: pipeline.Column, format_: str) -> Column:
    layouts = temporal.translate(format_, column.type)
    return sf.coalesce(
        *(sf.when(text.rlike(layout.shape), _parse(text, column, layout)) for layout in layouts)
    )


def _parse(text: Column, column: pipeline.Column, layout: temporal.Layout) -> Column:
    if column.type == "DATE":
        # Spark's own cast takes this pattern at half the cost, and is as strict once the shape is right.
        if layout.pattern == "yyyy'-'MM'-'dd":
            return text.try_cast("date")
        return sf.try_to_date(text, layout.pattern)
    instant = sf.try_to_timestamp(text, sf.lit(layout.pattern))
    if column.type == "DATETIME":
        return instant.cast("timestamp_ntz")
    # An offset can carry the first and the last day out of the years 1 to 9999, which are all that BigQuery
    # has.
    return sf.when(sf.year(instant).between(1, 9999), instant)
